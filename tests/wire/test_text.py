"""
Tests for L{twisted_ext.wire.rdata.text}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.errors import BadRecord
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText, recordToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CNAME, DNSKEY, MX, TSIG, A

EXAMPLE = nameFromText("example.")
WWW = nameFromText("www.example.")
ADDRESS = b"\xc0\x00\x02\x01"


class ReadingTests(SynchronousTestCase):
    """
    Tests for L{recordFromText}.
    """

    def test_TTLAndClassInEitherOrder(self) -> None:
        """
        TTL and class may be in either order, and may be left out where they are known.
        """
        wanted = RRSet(WWW, A, 1, 300, (ADDRESS,))
        for text in (
            "www.example. 300 IN A 192.0.2.1",
            "www.example. IN 300 A 192.0.2.1",
            "www.example.\t5m\ta\t192.0.2.1 ; comment",
            "www.example. 300 CLASS1 TYPE1 \\# 4 c0000201",
            "www.example. ( 300 IN\n A 192.0.2.1 )\n",
        ):
            self.assertEqual(recordFromText(text), wanted, text)
        self.assertEqual(recordFromText("www A 192.0.2.1", EXAMPLE, 300), wanted)

    def test_originCompletesNames(self) -> None:
        """
        Names without a final dot are relative to the origin, and an at sign stands for it. An escaped one does not.
        """
        record = recordFromText("@ 5 MX 10 mail", EXAMPLE)
        self.assertEqual((record.name, record.rdatas), (EXAMPLE, (b"\x00\x0a" + nameFromText("mail.example."),)))
        self.assertEqual(recordFromText("a 5 CNAME @", EXAMPLE).rdatas, (EXAMPLE,))
        self.assertEqual(recordFromText("\\@ 5 CNAME b", EXAMPLE).name, b"\x01@" + EXAMPLE)
        self.assertEqual(recordFromText("a 5 CNAME b").rdatas, (b"\x01b\x00",))

    def test_ownersLikeMnemonics(self) -> None:
        """
        An owner may look like a type or a class, and ANY is a class before a type.
        """
        self.assertEqual(recordFromText("a 5 IN A 192.0.2.1").name, b"\x01a\x00")
        self.assertEqual(recordFromText("in 5 IN A 192.0.2.1").name, b"\x02in\x00")
        record = recordFromText("key. 0 ANY TSIG hmac-sha256. 1 300 0 7 BADKEY 0")
        self.assertEqual((record.rrType, record.rrClass), (TSIG, 255))
        self.assertEqual(recordFromText("a 0 ANY ANY \\# 0").rrType, ANY)

    def test_wrongWordIsNamedWithColumn(self) -> None:
        """
        The error names the wrong word, its column and what would be right.
        """
        for text, message in (
            ("", "column 1: the record ends where the owner's name was expected"),
            ("www", "column 4: the record ends where a TTL, a class or a record type was expected"),
            ("www 5 IN", "column 9: the record ends where a TTL, a class or a record type was expected"),
            ("www 5 IN 6 A 192.0.2.1", "column 10: '6' where a record type was expected"),
            ("www 5x A 192.0.2.1", "column 5: '5x' where a TTL in seconds, or as 1h30m, was expected"),
            ("www 5 FOO 192.0.2.1", "column 7: 'FOO' where a class or a record type was expected"),
            ("www A 192.0.2.1", "column 5: a TTL is missing before the record type"),
            ("www 5 A 192.0.2", "column 9: '192.0.2' where an IPv4 address such as 192.0.2.1 was expected"),
            ("www 5 A", "column 8: the record ends where an IPv4 address such as 192.0.2.1 was expected"),
            ("www 5 A 192.0.2.1 more", "column 19: 'more' after the end of the record"),
            ("www 5 MX ten mail", "column 10: 'ten' where the preference, a number from 0 to 65535, was expected"),
            ("www 5 MX 10 a..b", "column 13: 'a..b': a label is empty; write one dot between labels"),
            ("www 5 MX 10 @", "column 13: '@' where a name other than @, since there is no origin, was expected"),
            ("www 5 NSEC a A BOGUS", "column 16: 'BOGUS' where a record type was expected"),
            ("www 5 DNSKEY 256 3 8 A-=", "column 22: 'A-=' where the key, in base 64, was expected"),
            ("www 5 DNSKEY 256 3 8", "column 21: the record ends where the key, in base 64, was expected"),
            (
                "www 5 DNSKEY 256 3 RSA AA==",
                "column 20: 'RSA' where the algorithm, a number from 0 to 255 or a mnemonic such as DELETE, was expected",
            ),
            ("www 5 TYPE65280 abcdef", "column 17: 'abcdef' where \\#, the number of octets, and these in hex, was expected"),
            ("www 5 TYPE65280 \\# 2 abcdef", "column 22: 3 octets in hex where 2 were announced"),
            ("www 5 TYPE65280 \\# 2 abcx", "column 22: 'abcx' where the octets in hex was expected"),
            ("www 5 A \\# 3 abcdef", "A rdata: address: 4 octets are needed, 3 are left"),
            ("www 5 SVCB 1 . port=80 port=81", "column 24: port is given twice"),
            ("www 5 SVCB 1 . prot=80", "column 16: 'prot=80' where a parameter such as port=853 was expected"),
            ("www 5 SVCB 1 . mandatory=port", "SVCB rdata: mandatory names port, which is absent"),
            ("www 5 LOC 91 N 0 E 0", "column 11: '91' where the latitude, degrees up to 90, minutes, seconds and N or S, was expected"),
            (
                "www 5 RRSIG A 8 2 5 20210229000000 0 1 . AA==",
                "column 21: '20210229000000' where the expiration, a time as YYYYMMDDHHMMSS from 1970 on or in seconds since then, "
                "was expected",
            ),
        ):
            error = self.assertRaises(BadRecord, recordFromText, text)
            self.assertEqual(str(error), message)

    def test_errorHasColumnNumber(self) -> None:
        """
        The error has the column as a number too.
        """
        self.assertEqual(self.assertRaises(BadRecord, recordFromText, "www 5 A x").column, 9)


class WritingTests(SynchronousTestCase):
    """
    Tests for L{recordToText}.
    """

    def test_oneLinePerRecord(self) -> None:
        """
        Each record has a line, in order.
        """
        rrset = RRSet(EXAMPLE, MX, 1, 300, (b"\x00\x0a\x01a\x00", b"\x00\x05\x01B\x00"))
        self.assertEqual(recordToText(rrset), ["example.\t300\tIN\tMX\t10 a.", "example.\t300\tIN\tMX\t5 B."])

    def test_invalidRdataIsWrittenAsHex(self) -> None:
        """
        Rdata that is invalid for its type is written in hex.
        """
        rrset = RRSet(EXAMPLE, DNSKEY, 1, 0, (b"\x01\x00", b""))
        self.assertEqual(recordToText(rrset), ["example.\t0\tIN\tDNSKEY\t\\# 2 0100", "example.\t0\tIN\tDNSKEY\t\\# 0"])

    def test_unknownClassesAndTypesAreWritten(self) -> None:
        """
        Unknown classes and types have their numbers, and odd names their escapes.
        """
        rrset = RRSet(b"\x03a. \x00", 65280, 77, 0, (b"\x01",))
        self.assertEqual(recordToText(rrset), ["a\\.\\032.\t0\tCLASS77\tTYPE65280\t\\# 1 01"])
        self.assertEqual(recordFromText(recordToText(rrset)[0]), rrset)
        cname = RRSet(EXAMPLE, CNAME, 254, 0, (b"",))
        self.assertEqual(recordToText(cname), ["example.\t0\tNONE\tCNAME\t\\# 0"])
