"""
Randomly changed messages.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.examining import examine
from tests.wire.shown import optionsOf
from tests.wire.strategies import messages
from twisted_ext.errors import BadMessage
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.tsig import splitSigned


def readEverything(wire: bytes) -> None:
    """
    Read everything in a message, which gives values or L{BadMessage} only.
    """
    found = examine(wire)
    try:
        splitSigned(wire)
        if isinstance(found, Message):
            for option in optionsOf(found.edns):
                assert option.toText()
    except BadMessage:
        pass


class FuzzTests(SynchronousTestCase):
    """
    Tests with random messages.
    """

    @given(st.binary(max_size=200))
    def test_anyOctetsAreReadOrRefused(self, wire: bytes) -> None:
        """
        Any octets are a message or are refused.
        """
        readEverything(wire)

    @settings(max_examples=300)
    @given(st.lists(st.integers(0, 3), min_size=4, max_size=4), st.data())
    def test_anyRecordsAreReadOrRefused(self, counts: list[int], data: st.DataObject) -> None:
        """
        Records of any type with any rdata are read or refused.
        """
        parts = [b"\x00\x07\x84\x00" + b"".join([count.to_bytes(2, "big") for count in counts])]
        owners = st.sampled_from([b"\x00", b"\x01a\x00", b"\xc0\x0c", b"\xc0\x0d", b"\x01b\xc0\x0c", b"\xc0\x20", b"\x40"])
        types = st.integers(0, 70) | st.sampled_from([99, 249, 250, 251, 255, 256, 257, 258, 259, 260, 32769, 65280])
        for _ in range(counts[0]):
            parts.append(data.draw(owners) + data.draw(types).to_bytes(2, "big") + b"\x00\x01")
        for _ in range(sum(counts[1:])):
            rdata = data.draw(st.binary(max_size=40) | st.lists(owners, max_size=8).map(b"".join))
            parts.append(data.draw(owners) + data.draw(types).to_bytes(2, "big"))
            parts.append(data.draw(st.sampled_from([b"\x00\x01", b"\x00\xfe", b"\x00\xff"])) + b"\x00\x00\x00\x05")
            parts.append(len(rdata).to_bytes(2, "big") + rdata)
        readEverything(b"".join(parts))


@pytest.mark.parametrize("examples", [70, pytest.param(200, marks=pytest.mark.long)])
def test_changedMessageIsReadOrRefused(examples: int) -> None:
    """
    A message with changed octets, or a truncated one, is read or refused.
    """

    @settings(max_examples=examples)
    @given(messages, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=8), st.integers(0))
    def check(message: Message, changes: list[tuple[int, int]], cut: int) -> None:
        wire = bytearray(buildMessage(message))
        for position, octet in changes:
            wire[position % len(wire)] = octet
        readEverything(bytes(wire))
        readEverything(bytes(wire[: cut % len(wire)]))

    check()
