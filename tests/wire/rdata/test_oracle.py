"""
Tests of each type against dnspython: octets, text and canonical form, in both directions.
"""

from __future__ import annotations

from typing import Final

import dns.rdata
import dns.rdataclass
from dns.rdatatype import RdataType
from hypothesis import given, settings
from twisted.trial.unittest import SynchronousTestCase

from tests.wire.rdata.samples import SAMPLES
from tests.wire.rdata.strategies import rdatas
from twisted_ext.wire.rdata.fields import Rdata
from twisted_ext.wire.rdata.registry import rdataFromText, rdataFromWire
from twisted_ext.wire.rrtypes import typeNumber


def understood(name: str) -> bool:
    """
    Return whether dnspython has a class for the type. It takes other types as octets.
    """
    rrType = RdataType.make(typeNumber(name) or 0)
    wire = rdataFromText(rrType, SAMPLES[name][0])
    read = dns.rdata.from_wire(dns.rdataclass.IN, rrType, wire, 0, len(wire))
    return not isinstance(read, dns.rdata.GenericRdata)


KNOWN: Final = tuple(filter(understood, SAMPLES))

#: Types with another text in dnspython: they are in no master file, and no RFC defines their text.
NO_TEXT: Final = {"OPT", "TKEY", "TSIG"}


class OracleTests(SynchronousTestCase):
    """
    Tests with random values.
    """

    def test_mostTypesAreCompared(self) -> None:
        """
        The comparison covers as many types as dnspython has.
        """
        self.assertGreaterEqual(len(KNOWN), 65)

    def compare(self, value: Rdata) -> None:
        """
        Let dnspython read our octets and text, and read its own.
        """
        rrType, wire = RdataType.make(value.rrType), value.wire
        theirs = dns.rdata.from_wire(dns.rdataclass.IN, rrType, wire, 0, len(wire))
        self.assertEqual(theirs.to_wire(), wire)
        self.assertEqual(rdataFromWire(value.rrType, wire), value)
        self.assertEqual(theirs.to_digestable(), value.canonical(), value)
        if value.mnemonic not in NO_TEXT:
            read = dns.rdata.from_text(dns.rdataclass.IN, rrType, value.toText(), relativize=False)
            self.assertEqual(read.to_wire(), wire, value)
            self.assertEqual(rdataFromText(value.rrType, theirs.to_text()), wire, theirs.to_text())

    def test_typesAgreeWithDnspython(self) -> None:
        """
        For every type, dnspython reads our octets and our text, we read its text, and both have the same canonical form.
        """
        for name in KNOWN:
            settings(max_examples=20)(given(rdatas(name))(self.compare))()
