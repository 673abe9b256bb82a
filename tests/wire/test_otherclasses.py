"""
Tests of records in classes other than IN, where types that only IN defines are octets.
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
from twisted_ext.wire.rdata.text import recordFromText, recordToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import INTERNET_ONLY, TXT, A, formOf

__all__: list[str] = []

#: The class of the Hesiod name service, and those that messages of UPDATE have (RFC 2136).
_HS, _NONE, _ANY = 4, 254, 255


def read(rrType: int, rrClass: int, rdata: bytes) -> RRSet:
    """
    Return the only record of a reply.
    """
    record = b"\1a\0" + struct.pack(">HHIH", rrType, rrClass, 60, len(rdata)) + rdata
    octets = struct.pack(">HHHHHH", 1, 0x8400, 0, 1, 0, 0) + record
    (found,) = Message.fromWire(octets).check().answer
    return found


@pytest.mark.parametrize("rdata", [b"\1a\0\0\x10", b"abcd", b""])
def test_ARecordOfCHIsOctets(rdata: bytes) -> None:
    """
    An A record in class CH holds a name and 16 bits (RFC 1035, section 3.4.1 is about IN). It is read, converted and shown as octets of any
    number.
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


def test_commonTypesKeepTheirForm() -> None:
    """
    Types without a class-specific form are read in every class. The form of IN applies to IN and to the two classes of UPDATE.
    """
    record = read(TXT, CH, b"\4test")
    assert recordToText(record) == ['a.\t60\tCH\tTXT\t"test"']
    (header,) = headersFrom((record,), True)
    assert header.payload.__class__.__name__ == "Record_TXT"
    for rrType in INTERNET_ONLY:
        assert [formOf(rrType, each) for each in (IN, _NONE, _ANY, CH, _HS)] == [rrType, rrType, rrType, 0, 0]
    assert recordToText(read(A, IN, b"abcd")) == ["a.\t60\tIN\tA\t97.98.99.100"]
