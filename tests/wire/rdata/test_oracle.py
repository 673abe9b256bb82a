"""
Tests of each type against dnspython: octets, text and canonical form, both ways.
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
    @return: whether dnspython has a class for the type; others it takes as octets.
    """
    rrType = RdataType.make(typeNumber(name) or 0)
    wire = rdataFromText(rrType, SAMPLES[name][0])
    read = dns.rdata.from_wire(dns.rdataclass.IN, rrType, wire, 0, len(wire))
    return not isinstance(read, dns.rdata.GenericRdata)


KNOWN: Final = tuple(filter(understood, SAMPLES))

#: Types whose text is another there: no RFC says what that of these, which stand in no master file, looks like.
NO_TEXT: Final = {"OPT", "TKEY", "TSIG"}


class OracleTests(SynchronousTestCase):
    """
    Tests with values that Hypothesis makes up.
    """

    def test_known(self) -> None:
        """
        The comparison is about as many types as dnspython has.
        """
        self.assertGreaterEqual(len(KNOWN), 65)

    def compare(self, value: Rdata) -> None:
        """
        Have dnspython read what we make, and read what it makes.
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

    def test_types(self) -> None:
        """
        Of every type, dnspython reads our octets and our text, we read its, and both sign the same.
        """
        for name in KNOWN:
            settings(max_examples=40)(given(rdatas(name))(self.compare))()
