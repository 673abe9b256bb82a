"""
Tests of all record types together.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from tests.wire.rdata.samples import SAMPLES
from twisted_ext.errors import BadMessage, BadRecord
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.fields import Rdata, declared
from twisted_ext.wire.rdata.fieldtypes import _UNUSUAL, Name, Number
from twisted_ext.wire.rdata.registry import (
    canonicalRdata,
    declarationOf,
    layoutOf,
    rdataFromText,
    rdataFromWire,
    rdataToText,
)
from twisted_ext.wire.reader import Reader
from twisted_ext.wire.records import readRecords
from twisted_ext.wire.rrtypes import TYPE_NAMES, TYPE_NUMBERS, isMeta, typeName, typeNumber

#: Types that only questions have.
ASKED: Final = {"IXFR", "AXFR", "MAILB", "MAILA", "ANY"}

#: Types known by number alone.
NUMBERED: Final = {"UINFO", "UID", "GID", "UNSPEC"}

_LISTED: Final = (
    "A NS MD MF CNAME SOA MB MG MR NULL WKS PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT NSAP NSAP-PTR SIG KEY PX GPOS AAAA LOC SRV "
    "ATMA NAPTR KX CERT A6 DNAME APL DS SSHFP IPSECKEY RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA HIP NINFO RKEY TALINK "
    "CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS DSYNC HHIT BRID SPF NID L32 L64 LP EUI48 EUI64 NXNAME URI CAA AVC DOA AMTRELAY "
    "RESINFO WALLET TA DLV OPT TSIG TKEY NXT SINK EID NIMLOC"
)


def numberOf(name: str) -> int:
    """
    Return the number of a known type.
    """
    number = typeNumber(name)
    assert number is not None, name
    return number


class SamplesTests(SynchronousTestCase):
    """
    Tests with a text of each type.
    """

    def test_everyTypeHasSample(self) -> None:
        """
        Every known type has a sample, and every promised type is known.
        """
        self.assertEqual(set(TYPE_NAMES.values()) - ASKED - NUMBERED, set(SAMPLES) - {"TYPE65280", "TYPE65401"})
        self.assertEqual(set(_LISTED.split()) - set(SAMPLES), set())

    def test_roundTrip(self) -> None:
        """
        Rdata that is read from text is written as the same text, and reads from the wire as the same value.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                rdata = rdataFromText(rrType, text)
                self.assertEqual(rdataToText(rrType, rdata), text, name)
                value = rdataFromWire(rrType, rdata)
                self.assertEqual(value.wire, rdata)
                again = declarationOf(rrType).fromText(text)
                self.assertEqual((value, hash(value)), (again, hash(again)))
                self.assertIs(type(value), declarationOf(rrType))
                self.assertIn(text, repr(value))

    def test_valuesCompareByFields(self) -> None:
        """
        A value made of another's fields equals it, whether they are given in order or by name.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                value = declarationOf(rrType).fromText(text)
                self.assertEqual(type(value)(*value.values), value)
                named = {field.name: getattr(value, field.name) for field in value.fields}
                self.assertEqual(type(value)(**named), value)

    def test_genericFormIsReadForEveryType(self) -> None:
        """
        Every type may be written in hex (RFC 3597, section 5), in either case and in parts.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                rdata = rdataFromText(rrType, text)
                digits = rdata.hex()
                written = f"\\# {len(rdata)} ( {digits[:2].upper()} {digits[2:]} )"
                self.assertEqual(rdataFromText(rrType, written), rdata, name)

    def test_truncatedRdataIsValueOrError(self) -> None:
        """
        Truncated rdata is a valid value that round-trips, or BadMessage.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                rdata = rdataFromText(rrType, text)
                # Of the ports of a WKS record there are thousands of octets.
                for end in [*range(min(len(rdata), 200)), *range(200, len(rdata), 97)]:
                    try:
                        value = rdataFromWire(rrType, rdata[:end])
                    except BadMessage:
                        continue
                    self.assertEqual(rdataFromText(rrType, value.toText()), rdata[:end], name)

    def test_truncatedTextIsValueOrError(self) -> None:
        """
        A truncated text, or one with another word in it, is valid or BadRecord with a message.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                for end in range(len(text)):
                    try:
                        rdataFromText(rrType, text[:end])
                    except BadRecord as error:
                        self.assertNotIn("Traceback", str(error))
                    try:
                        rdataFromText(rrType, text[:end] + " ! " + text[end:])
                    except BadRecord as error:
                        self.assertTrue(str(error))

    def test_rdataInMessageEqualsText(self) -> None:
        """
        A record in a message gives the same rdata as its text, and its length must be right.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                rdata = rdataFromText(rrType, text)
                head = b"\x00" + rrType.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x05"
                wire = head + len(rdata).to_bytes(2, "big") + rdata
                (record,), end = readRecords(Reader(wire), 0, 1)
                self.assertEqual((record.rdatas, end), ((rdata,), len(wire)), name)
                if isinstance(layoutOf(rrType), int | tuple):
                    longer = head + (len(rdata) + 1).to_bytes(2, "big") + rdata + b"\x00"
                    self.assertRaises(BadMessage, readRecords, Reader(longer), 0, 1)


class CompressionTests(SynchronousTestCase):
    """
    Tests of compressed names, and of names in canonical form.
    """

    #: The types of RFC 1035 and of RFC 3597, section 4, and DNAME and TSIG, which some compressed before it was forbidden.
    EXPANDED: Final = "NS MD MF CNAME SOA MB MG MR PTR MINFO MX RP AFSDB RT SIG PX NXT NAPTR SRV DNAME TSIG"

    #: RFC 4034, section 6.2, without NSEC (RFC 6840, section 5.1); HINFO has no names.
    FOLDED: Final = "NS MD MF CNAME SOA MB MG MR PTR MINFO MX RP AFSDB RT SIG PX NXT NAPTR KX SRV DNAME A6 RRSIG"

    def test_onlyOldTypesExpandNames(self) -> None:
        """
        Names are expanded in these types and no others.
        """
        for name in SAMPLES:
            fields = declarationOf(numberOf(name)).fields
            expanded = any(field.expanded for field in fields)
            self.assertEqual(expanded, name in self.EXPANDED.split(), name)

    def test_pointersWorkInOldTypesOnly(self) -> None:
        """
        A pointer leads to the whole name in types whose names may be compressed. In others it is refused when the value is read.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            for text in texts:
                rdata = rdataFromText(rrType, text)
                if not rdata.endswith(b"\x07example\x00"):
                    continue
                target = b"\x07example\x00"
                short = rdata[: -len(target)] + b"\xc0\x00"
                head = b"\xc0\x00" + rrType.to_bytes(2, "big") + b"\x00\x01\x00\x00\x00\x05"
                wire = target + head + len(short).to_bytes(2, "big") + short
                (record,), _ = readRecords(Reader(wire), len(target), 1)
                if name in self.EXPANDED.split():
                    self.assertEqual(record.rdatas, (rdata,), name)
                else:
                    self.assertRaises(BadMessage, rdataFromWire, rrType, record.rdatas[0])

    def test_canonicalFormFoldsOldTypes(self) -> None:
        """
        Names in these types are in lower case in canonical form. All other rdata is unchanged.
        """
        for name, texts in SAMPLES.items():
            rrType = numberOf(name)
            folds = False
            for text in texts:
                lower = rdataFromText(rrType, text)
                self.assertEqual(canonicalRdata(rrType, canonicalRdata(rrType, lower)), canonicalRdata(rrType, lower))
                upper = lower.replace(b"\x07example\x00", b"\x07EXAMPLE\x00").replace(b"\x03foo\x00", b"\x03FOO\x00")
                if upper != lower:
                    folded = canonicalRdata(rrType, upper)
                    self.assertIn(folded, (upper, lower), name)
                    folds = folds or folded == lower
            self.assertEqual(folds, name in self.FOLDED.split(), name)

    def test_canonicalFormKeepsStrings(self) -> None:
        """
        The canonical form of a name does not change the strings beside it.
        """
        rdata = rdataFromText(35, '1 2 "U" "E2U+SIP" "!A!B!" WWW.Example.')
        self.assertEqual(rdataToText(35, canonicalRdata(35, rdata)), '1 2 "U" "E2U+SIP" "!A!B!" www.example.')


class LazyTests(SynchronousTestCase):
    """
    Tests of lazy imports.
    """

    def test_declarationsAreImportedOnDemand(self) -> None:
        """
        Messages are read without any declaration, and one declaration imports no modules of others.
        """
        script = (
            "import sys, twisted_ext.wire.message\n"
            "found = sorted(name for name in sys.modules if name.startswith('twisted_ext.wire.rdata.'))\n"
            "assert not found, found\n"
            "from twisted_ext.wire.rdata.registry import declarationOf\n"
            "declarationOf(33)\n"
            "found = {name.rpartition('.')[2] for name in sys.modules if name.startswith('twisted_ext.wire.rdata.')}\n"
            "assert found == {'registry', 'fields', 'fieldtypes', 'types', 'service'}, found\n"
            "assert 'dataclasses' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True)

    def test_frequentTypesNeedNoDeclaration(self) -> None:
        """
        The layouts of frequent types are those of their declarations, which are not imported for them.
        """
        for number in (1, 2, 5, 12, 28):
            self.assertEqual(layoutOf(number), declarationOf(number).layout())
        script = (
            "import sys\n"
            "from twisted_ext.wire.rdata.registry import layoutOf\n"
            "assert [layoutOf(number) for number in (1, 2, 5, 12, 28)] == [4, (0, 1, 0), (0, 1, 0), (0, 1, 0), 16]\n"
            "assert 'twisted_ext.wire.rdata.fields' not in sys.modules\n"
        )
        subprocess.run([sys.executable, "-c", script], check=True)

    def test_unknownTypesAreOctets(self) -> None:
        """
        Unknown types are read as octets, and leave nothing behind.
        """
        before = len(declared)
        for number in (0, 1000, 65279, 65535):
            self.assertEqual(rdataToText(number, b"\x01\x02"), "\\# 2 0102")
            self.assertEqual(rdataFromText(number, "\\# 2 0102"), b"\x01\x02")
            self.assertIsNone(layoutOf(number))
        self.assertEqual(len(declared), before)

    def test_lenientFormsAreNormalized(self) -> None:
        """
        Forms that other servers accept are accepted, and written in the usual form.
        """
        for name, text, usual in (
            ("LOC", "0 0 0. N 0 0 1.5 E 0.m 1.m", "0 0 0.000 N 0 0 1.500 E 0.00m 1.00m 10000.00m 10.00m"),
            ("NXT", ". ( 1 127 )", ". A TYPE127"),
            ("GPOS", '"" "" ""', '"" "" ""'),
            ("ATMA", "+1.908.555.1212", "+19085551212"),
            ("WKS", "192.0.2.1 tcp tcpmux", "192.0.2.1 6 1"),
            ("EID", "ab CD", "ABCD"),
        ):
            number = typeNumber(name) or 0
            self.assertEqual(rdataToText(number, rdataFromText(number, text)), usual)

    def test_classDeclaresOwnType(self) -> None:
        """
        A class with a type number is all that a new type takes.
        """

        class TYPE65281(Rdata):
            """
            A type of another project.
            """

            rrType = 65281
            level = Number(1)
            target = Name()

        self.addCleanup(declared.pop, 65281)
        self.addCleanup(TYPE_NAMES.pop, 65281)
        self.addCleanup(TYPE_NUMBERS.pop, "TYPE65281")
        self.assertEqual(rdataFromText(65281, "7 host.example."), b"\x07\x04host\x07example\x00")
        value = TYPE65281(7, nameFromText("host.example."))
        self.assertEqual((value.level, value.target, value.toText()), (7, nameFromText("host.example."), "7 host.example."))


class MnemonicTests(SynchronousTestCase):
    """
    Tests of type mnemonics.
    """

    def test_mnemonicsRoundTrip(self) -> None:
        """
        Every mnemonic leads to its number in any case, and unknown numbers have mnemonics too.
        """
        for number, name in TYPE_NAMES.items():
            self.assertEqual((typeName(number), typeNumber(name.lower())), (name, number))
        self.assertEqual((typeName(65000), typeNumber("TYPE65000"), typeNumber("type0")), ("TYPE65000", 65000, 0))
        self.assertEqual((typeNumber("NSAP-PTR"), typeNumber("TYPE1")), (23, 1))

    def test_otherTextIsNotAType(self) -> None:
        """
        Other texts are not types.
        """
        for text in ("", "TYPE", "TYPE65536", "TYPE-1", "TYPE\u0661", "TYPE000001", "NSAP_PTR", "*", "AA"):
            self.assertIsNone(typeNumber(text), text)

    def test_metaTypes(self) -> None:
        """
        Types that no zone holds are meta types, and others are not.
        """
        for name in (*ASKED, "OPT", "TSIG", "TKEY", "NXNAME"):
            self.assertTrue(isMeta(numberOf(name)), name)
        for name in ("A", "NULL", "SPF", "EUI64", "URI", "DLV", "TYPE65280"):
            self.assertFalse(isMeta(numberOf(name)), name)


def test_unusualCharacters() -> None:
    """
    The characters that are remarked on in names are those of ASCII that are not letters, digits, or in C{_*/.\\-}.
    """
    usual = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_*/.\\-")
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        assert (_UNUSUAL.match(character) is not None) is (code < 128 and character not in usual), code
