"""
Tests for L{twisted_ext.wire.framing}.
"""

from __future__ import annotations

from typing import SupportsIndex, overload

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadMessage, CallerFault
from twisted_ext.wire.framing import StreamBuffer, frame

_messages = st.lists(st.binary(min_size=1, max_size=40), max_size=8)


class FramingTests(SynchronousTestCase):
    """
    Tests for messages on a stream.
    """

    @given(_messages, st.data())
    def test_messagesInAnyPieces(self, messages: list[bytes], data: st.DataObject) -> None:
        """
        Messages come out whole and in order, however the stream is split, each as soon as its last octet has arrived.
        """
        octets = b"".join([frame(message) for message in messages])
        cuts = data.draw(st.lists(st.integers(0, len(octets)), max_size=10).map(sorted))
        buffer = StreamBuffer()
        found: list[bytes] = []
        for begin, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
            found += buffer.feed(octets[begin:end])
            arrived = [frame(message) for message in found]
            self.assertEqual(buffer.partial, end - len(b"".join(arrived)))
        self.assertEqual(found, messages)
        self.assertEqual(buffer.partial, 0)

    def test_longestMessageOctetByOctet(self) -> None:
        """
        The longest message, fed octet by octet, comes out with the last of them, and none of it is kept.
        """
        message = bytes(range(256)) * 255 + bytes(255)
        buffer = StreamBuffer()
        octets = frame(message)
        for position in range(len(octets) - 1):
            assert not buffer.feed(octets[position : position + 1])
        self.assertEqual(buffer.feed(octets[-1:]), [message])
        self.assertEqual(buffer.partial, 0)

    def test_feedingIsLinear(self) -> None:
        """
        Octets of an incomplete message are not copied again with each octet that arrives.
        """

        class Watched(bytearray):
            looked = 0

            @overload
            def __getitem__(self, key: SupportsIndex) -> int: ...

            @overload
            def __getitem__(self, key: slice) -> bytearray: ...

            def __getitem__(self, key: SupportsIndex | slice) -> int | bytearray:
                Watched.looked += 1
                return super().__getitem__(key)

        buffer = StreamBuffer()
        buffer._octets = Watched()
        for octet in frame(bytes(60000)):
            buffer.feed(bytes([octet]))
        self.assertLess(Watched.looked, 20)

    def test_lengthZeroIsAnError(self) -> None:
        """
        A length of zero is an error, anywhere in the stream and in any pieces.
        """
        for pieces in ([b"\x00\x00"], [b"\x00", b"\x00"], [b"\x00\x01a\x00\x00"], [b"\x00\x01a\x00", b"\x00"], [b"\x00\x00abc"]):
            buffer = StreamBuffer()

            def feedAll(buffer: StreamBuffer = buffer, pieces: list[bytes] = pieces) -> None:
                for piece in pieces:
                    buffer.feed(piece)

            self.assertRaises(BadMessage, feedAll)

    def test_unframeableSizesAreRefused(self) -> None:
        """
        Messages that the length field cannot express are refused.
        """
        self.assertEqual(frame(b"ab"), b"\x00\x02ab")
        self.assertEqual(len(frame(bytes(65535))), 65537)
        for wrong in (b"", bytes(65536)):
            self.assertRaises(CallerFault, frame, wrong)
