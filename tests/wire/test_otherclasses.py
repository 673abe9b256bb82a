"""
Tests of records in classes other than IN: types whose form is IN's alone are octets there.
"""

from __future__ import annotations

import struct

import pytest
from twisted.names import dns

from twisted_ext.compat.conversion.results import headersFrom
from twisted_ext.compat.foreign import setsFrom
from twisted_ext.resolver.lookup.explain import recordLines
from twisted_ext.wire.codes import CH, IN
from twisted_ext.wire.message import Message
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import INTERNET_ONLY, TXT, A, formOf
from twisted_ext.wire.text import recordFromText, recordToText

__all__: list[str] = []

#: The class of the Hesiod name service, and those that messages of UPDATE have (RFC 2136).
_HS, _NONE, _ANY = 4, 254, 255


def read(rrType: int, rrClass: int, rdata: bytes) -> RRSet:
    """
    @return: the one record of a reply.
    """
    record = b"\1a\0" + struct.pack(">HHIH", rrType, rrClass, 60, len(rdata)) + rdata
    octets = struct.pack(">HHHHHH", 1, 0x8400, 0, 1, 0, 0) + record
    (found,) = Message.fromWire(octets).check().answer
    return found


@pytest.mark.parametrize("rdata", [b"\1a\0\0\x10", b"abcd", b""])
def test_octets(rdata: bytes) -> None:
    """
    An A record in class CH holds a name and 16 bits (RFC 1035, section 3.4.1 is about IN): it is read, given and shown as octets, whatever
    their number.
    """
    record = read(A, CH, rdata)
    assert record.rdatas == (rdata,)
    (header,) = headersFrom((record,), True)
    assert (header.cls, type(header.payload), vars(header.payload)["data"]) == (CH, dns.UnknownRecord, rdata)
    assert setsFrom([header]) == (record,)
    shown = f"\\# {len(rdata)} {rdata.hex()}".rstrip()
    (line,) = recordToText(record)
    assert line.lower().endswith(f"\tch\ta\t{shown}")
    assert recordFromText(line) == record
    assert recordLines(record)[0].lower().endswith(shown)


def test_others() -> None:
    """
    Types that are alike in every class are read in each, and IN's form is for IN and for UPDATE's two classes.
    """
    record = read(TXT, CH, b"\4test")
    assert recordToText(record) == ['a.\t60\tCH\tTXT\t"test"']
    (header,) = headersFrom((record,), True)
    assert header.payload.__class__.__name__ == "Record_TXT"
    for rrType in INTERNET_ONLY:
        assert [formOf(rrType, each) for each in (IN, _NONE, _ANY, CH, _HS)] == [rrType, rrType, rrType, 0, 0]
    assert recordToText(read(A, IN, b"abcd")) == ["a.\t60\tIN\tA\t97.98.99.100"]
