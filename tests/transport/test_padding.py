"""
Tests of padding.
"""

from __future__ import annotations

import pytest

from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.padding import padded
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameFromText

ID = b"\x12\x34"


def queryFor(name: str, *options: tuple[int, bytes], edns: bool = True) -> bytes:
    """
    Return a query without its id.
    """
    return buildMessage(Message(0, 0x0100, (questionOf(name),), edns=EDNS(1232, options=options) if edns else None))[2:]


@pytest.mark.parametrize("keepalive", [False, True])
def test_everyLengthIsPadded(keepalive: bool) -> None:
    """
    A query of any length becomes one of a multiple of 128 octets, with at most 128 more than are needed.
    """
    for octets in range(1, 250):
        labels = [("a" * 63)] * (octets // 64) + (["b" * (octets % 64)] if octets % 64 else [])
        query = queryFor(".".join([*labels, "test"])) if octets < 245 else queryFor("test")
        result = ID + padded(query, keepalive)
        assert len(result) % 128 == 0
        assert len(result) - len(query) <= 128 + 2 + 4 + 4
        message = Message.fromWire(result).check()
        assert message.edns is not None
        assert [code for code, _ in message.edns.options] == ([11, 12] if keepalive else [12])
        assert set(message.edns.options[-1][1]) <= {0}
        assert message.questions == Message.fromWire(ID + query).questions


def test_otherOptionsStay() -> None:
    """
    Options of the query stay, and it is padded behind them.
    """
    query = queryFor("www.test.example", (3, b""), (10, b"12345678"))
    result = Message.fromWire(ID + padded(query, True)).check()
    assert len(padded(query, True)) % 128 == 126
    assert result.edns is not None
    assert [code for code, _ in result.edns.options] == [3, 10, 11, 12]
    assert result.edns.options[1] == (10, b"12345678")


def test_ownPaddingStays() -> None:
    """
    A query that its caller has padded keeps that padding, and its keepalive option.
    """
    query = queryFor("www.test.example", (12, bytes(5)), (11, b""))
    assert padded(query, True) == query
    assert padded(query, False) == query


@pytest.mark.parametrize("name", ["test.example", "."])
@pytest.mark.parametrize("pointer", [False, True])
def test_incrementalTransfersArePadded(name: str, pointer: bool) -> None:
    """
    A query for the changes to a zone (IXFR) is padded as well, although it has the zone's SOA record before its OPT record, with its name
    compressed or not.
    """
    apex = nameFromText(name)
    own = b"\xc0\x0c" if pointer and name != "." else apex
    soa = own + b"\x00\x06\x00\x01" + bytes(4) + (2 + 20).to_bytes(2, "big") + bytes(22)
    opt = b"\x00\x00\x29\x04\xd0" + bytes(4) + b"\x00\x04\x00\x09\x00\x00"
    query = bytes(2) + b"\x00\x01\x00\x00\x00\x01\x00\x01" + apex + b"\x00\xfb\x00\x01" + soa + opt
    result = ID + padded(query, True)
    assert len(result) % 128 == 0
    message = Message.fromWire(result).check()
    assert message.edns is not None
    assert [code for code, _ in message.edns.options] == [9, 11, 12]
    assert message.authority[0].name == apex


def test_otherMessagesStay() -> None:
    """
    A query without EDNS, and one with records behind it, such as a signature, are not padded.
    """
    assert padded(queryFor("www.test.example", edns=False), True) == queryFor("www.test.example", edns=False)
    signed = bytearray(queryFor("www.test.example"))
    signed[9] = 2
    assert padded(bytes(signed), True) == bytes(signed)


def test_optionThatLooksLikeRecord() -> None:
    """
    Options whose octets look like an OPT record are options.
    """
    query = queryFor("www.test.example", (65001, b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"))
    message = Message.fromWire(ID + padded(query, False)).check()
    assert message.edns is not None
    assert [code for code, _ in message.edns.options] == [65001, 12]


def test_largestMessageStays() -> None:
    """
    A query that padding would make longer than a message can be is not padded.
    """
    query = queryFor("www.test.example", (65001, bytes(65535 - 60)))
    assert padded(query, True) == query
