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
from twisted_ext.wire.rdata.fieldtypes import Unknown
from twisted_ext.wire.rdata.registry import declarationOf

#: Names that this package improves.
_REPLACED: Final = {"Message", "DNSMixin", "DNSDatagramProtocol", "DNSProtocol", "QUERY_TYPES", "REV_TYPES"}


class MirrorTests(SynchronousTestCase):
    """
    Tests that programs for L{twisted.names.dns} find what they use.
    """

    def test_everyNameIsTheSame(self) -> None:
        """
        Every name exists and, unless it is improved here, is the same object, so that both can be mixed.
        """
        for name in theirs.__all__:
            self.assertIn(name, vars(dns)["__all__"])
            if name not in _REPLACED:
                self.assertIs(getattr(dns, name), getattr(theirs, name), name)

    def test_replacementsAreSubclasses(self) -> None:
        """
        Replaced classes are subclasses of Twisted's with the same parameters, and replaced tables extend Twisted's.
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

    def test_twistedTablesAreUnchanged(self) -> None:
        """
        Twisted's own tables stay unchanged.
        """
        self.assertNotIn(52, theirs.QUERY_TYPES)
        self.assertNotIn("TLSA", theirs.REV_TYPES)


class NewTypesTests(SynchronousTestCase):
    """
    Tests of the types that Twisted does not have.
    """

    def test_everyTypeHasConstantAndRecord(self) -> None:
        """
        Every type that can be looked up has its number, its name in the tables, and its record class.
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

    def test_newRecordsWorkLikeTwisteds(self) -> None:
        """
        Records are created and encoded as Twisted's own are.
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

    def test_unknownNameIsNoAttribute(self) -> None:
        """
        The module has no attribute for an unknown name.
        """
        for name in ("Record_XYZZY", "XYZZY"):
            with self.assertRaises(AttributeError):
                getattr(dns, name)
