"""
Tests of L{twisted_ext.dns}.
"""

from __future__ import annotations

import inspect
from typing import Final

from twisted.names import dns as theirs
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext import dns
from twisted_ext.compat.lookupmethods import Lookups
from twisted_ext.wire import rrtypes
from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rdata.unknown import Unknown

#: What is ours, and better.
_OURS: Final = {"Message", "DNSMixin", "DNSDatagramProtocol", "DNSProtocol", "QUERY_TYPES", "REV_TYPES"}


class MirrorTests(SynchronousTestCase):
    """
    Tests that programs written for L{twisted.names.dns} find what they use.
    """

    def test_names(self) -> None:
        """
        Everything is there, and but for what we made better it is the very same, so that objects of either can be mixed.
        """
        for name in theirs.__all__:
            self.assertIn(name, dns.__all__)
            if name not in _OURS:
                self.assertIs(getattr(dns, name), getattr(theirs, name), name)

    def test_ours(self) -> None:
        """
        What is ours is a kind of Twisted's, and its methods take the same parameters.
        """
        for name in ("Message", "DNSMixin", "DNSDatagramProtocol", "DNSProtocol"):
            ours, original = getattr(dns, name), getattr(theirs, name)
            self.assertTrue(issubclass(ours, original))
            for method, function in inspect.getmembers(original, inspect.isfunction):
                if not method.startswith("_") or method == "__init__":
                    self.assertEqual(
                        list(inspect.signature(getattr(ours, method)).parameters),
                        list(inspect.signature(function).parameters),
                        method,
                    )
        self.assertEqual(dict(theirs.QUERY_TYPES), {number: dns.QUERY_TYPES[number] for number in theirs.QUERY_TYPES})
        self.assertEqual(dict(theirs.REV_TYPES), {name: dns.REV_TYPES[name] for name in theirs.REV_TYPES})

    def test_twistedUntouched(self) -> None:
        """
        Twisted's own tables stay as they are.
        """
        self.assertNotIn(52, theirs.QUERY_TYPES)
        self.assertNotIn("TLSA", theirs.REV_TYPES)


class NewTypesTests(SynchronousTestCase):
    """
    Tests of the types that Twisted lacks.
    """

    def test_each(self) -> None:
        """
        Every type that can be looked up has its number, its name in the tables, and its record.
        """
        mnemonics = {number: name for name, number in rrtypes.TYPE_NUMBERS.items()}
        for name in vars(Lookups):
            mnemonic = name.removeprefix("lookup")
            number = rrtypes.typeNumber(mnemonic) or rrtypes.typeNumber(mnemonic.replace("NSAPPTR", "NSAP-PTR"))
            if not name.startswith("lookup") or number is None or rrtypes.isMeta(number):
                continue
            constant = mnemonics[number].replace("-", "_")
            self.assertEqual(getattr(dns, constant), number)
            self.assertEqual(dns.REV_TYPES[mnemonics[number]], number)
            if declarationOf(number) is Unknown:
                continue
            record = getattr(dns, f"Record_{constant}")
            self.assertEqual(record.TYPE, number)
            record()

    def test_used(self) -> None:
        """
        Records are made and asked for as Twisted's own are.
        """
        record = dns.Record_TLSA(3, 1, 1, b"digest", ttl=60)
        self.assertIsInstance(record, dns.Record_TLSA)
        self.assertIs(dns.Record_TLSA, dns.Record_TLSA)
        self.assertEqual(record.TYPE, dns.TLSA)
        header = dns.RRHeader(b"_443._tcp.example", dns.TLSA, payload=record)
        message = dns.Message(answer=1)
        message.answers = [header]
        again = dns.Message()
        again.fromStr(message.toStr())
        self.assertEqual(
            str(again.answers[0].payload), "<TLSA usage=3 selector=1 matchingType=1 certificate='digest' ttl=0>"
        )

    def test_noSuchThing(self) -> None:
        """
        What is not there is not there.
        """
        for name in ("Record_XYZZY", "XYZZY"):
            with self.assertRaises(AttributeError):
                getattr(dns, name)
