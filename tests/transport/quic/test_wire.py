"""
Tests of DNS messages on QUIC streams.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadMessage
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.quic.wire import (
    Initial,
    StreamMessage,
    codeName,
    initialOf,
    isClients,
    isReplayable,
    reservedVersion,
    versionProbe,
    versionsIn,
    wantsKeepalive,
)
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import EDNS, Message


class StreamMessageTests(SynchronousTestCase):
    """
    Tests for L{StreamMessage}.
    """

    def test_pieces(self) -> None:
        """
        A message is complete when its stream ends, however it was cut.
        """
        octets = frame(bytes(range(40)))
        for size in range(1, 43):
            message = StreamMessage(0.0)
            pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
            found = [message.feed(piece, piece is pieces[-1]) for piece in pieces]
            self.assertEqual(found, [None] * (len(pieces) - 1) + [bytes(range(40))])

    def test_lateEnd(self) -> None:
        """
        The end may arrive without data.
        """
        message = StreamMessage(0.0)
        self.assertIsNone(message.feed(frame(bytes(12)), False))
        self.assertEqual(message.feed(b"", True), bytes(12))

    def test_largest(self) -> None:
        """
        Messages of 65,535 octets can be carried.
        """
        self.assertEqual(StreamMessage(0.0).feed(frame(bytes(65535)), True), bytes(65535))

    def test_wrong(self) -> None:
        """
        Anything but one whole message is an error, as soon as it is certain.
        """
        whole = frame(bytes(20))
        for octets in (b"", b"\x00", b"\x00\x00", b"\x00\x05hello", whole[:-1], whole + b"\x00", whole * 2):
            self.assertRaises(BadMessage, StreamMessage(0.0).feed, octets, True)
        message = StreamMessage(0.0)
        message.feed(whole, False)
        self.assertRaises(BadMessage, message.feed, b"\x00", False)


class InitialTests(SynchronousTestCase):
    """
    Tests for L{initialOf}.
    """

    def test_parsed(self) -> None:
        """
        The ids and the token of an Initial packet are found, and its type in each version.
        """
        rest = b"\x03abc\x02de\x40\x04toke" + bytes(20)
        self.assertEqual(initialOf(b"\xc0\x00\x00\x00\x01" + rest), Initial(1, b"abc", b"de", True, b"toke"))
        self.assertEqual(initialOf(b"\xd0\x6b\x33\x43\xcf" + rest), Initial(0x6B3343CF, b"abc", b"de", True, b"toke"))
        self.assertEqual(initialOf(b"\xe0\x00\x00\x00\x01" + rest), Initial(1, b"abc", b"de", False, b""))

    def test_malformed(self) -> None:
        """
        Headers that are cut, or promise more than there is, are not parsed.
        """
        whole = b"\xc0\x00\x00\x00\x01\x03abc\x02de\x7f\xff"
        for octets in (whole, *[whole[:end] for end in range(12)], b"\xc0\x00\x00\x00\x01\x15" + bytes(40)):
            self.assertIsNone(initialOf(octets), octets)


class MessageTests(SynchronousTestCase):
    """
    Tests of the other functions.
    """

    def test_keepalive(self) -> None:
        """
        The keepalive option is found, and only as an option.
        """
        question = questionOf("www.test.example")
        for options, wanted in (
            ((), False),
            (((11, b""),), True),
            (((12, b"\x00\x0b\x00\x00"),), False),
            (((12, b""), (11, b"\x00\x01")), True),
        ):
            self.assertIs(wantsKeepalive(buildMessage(Message(0, 0, (question,), edns=EDNS(1232, options=options)))), wanted)
        self.assertFalse(wantsKeepalive(b"\x00\x0b\x00"))

    def test_replayable(self) -> None:
        """
        Only queries may be early.
        """
        self.assertEqual([opcode for opcode in range(16) if isReplayable(bytes((0, 0, opcode << 3 | 1)))], [0])

    def test_streams(self) -> None:
        """
        Each fourth stream is a client's for queries.
        """
        self.assertEqual([stream for stream in range(9) if isClients(stream)], [0, 4, 8])

    def test_names(self) -> None:
        """
        Codes have names, as far as they are known.
        """
        self.assertEqual([codeName(2), codeName(0x1234)], ["DOQ_PROTOCOL_ERROR", "0x1234"])


class VersionTests(SynchronousTestCase):
    """
    Tests of questions for a server's versions.
    """

    def test_reserved(self) -> None:
        """
        Reserved versions have the form 0x?a?a?a?a (RFC 9000, section 15).
        """
        self.assertEqual([reservedVersion(number) for number in (0, 0x1234, 0xFFFF)], [0x0A0A0A0A, 0x1A2A3A4A, 0xFAFAFAFA])

    def test_probe(self) -> None:
        """
        A question has the size and form of a first datagram, and a version that no server has.
        """
        probe = versionProbe(b"d" * 8, b"source")
        self.assertEqual(len(probe), 1200)
        header = initialOf(probe)
        assert header is not None
        self.assertEqual((header.version, header.destination, header.source), (0x0A0A0A0A, b"d" * 8, b"source"))

    def test_replies(self) -> None:
        """
        The versions are read from a reply to this question, and from nothing else.
        """
        reply = b"\xca" + bytes(4) + b"\x06source\x08dddddddd" + bytes.fromhex("00000001 1a2a3a4a 00")
        self.assertEqual(versionsIn(reply, b"d" * 8, b"source"), [1, 0x1A2A3A4A])
        for octets in (b"", b"\x4a" + reply[1:], reply[:4] + b"\x01" + reply[5:], reply[:20], reply.replace(b"source", b"another")):
            self.assertEqual(versionsIn(octets, b"d" * 8, b"source"), [])
