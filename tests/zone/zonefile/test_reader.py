"""
Tests for L{twisted_ext.zone.zonefile.reader}.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.masters import linesOf, readText
from twisted_ext.errors import BadZone
from twisted_ext.limits import Limit
from twisted_ext.zone.limits import ENTRIES_UNCLOSED
from twisted_ext.zone.store.image import MAGIC
from twisted_ext.zone.zonefile import reader as module
from twisted_ext.zone.zonefile.reader import readMaster

#: The warning about a record that fits into no message.
_TOO_LONG = "a message has room for 65506, so neither this record nor a transfer of the zone can be sent"


class RecordTests(SynchronousTestCase):
    """
    Tests of the syntax of records.
    """

    def assertReads(self, text: str | bytes, *lines: str) -> None:
        """
        Assert that both parsers read these records from a text without complaints.
        """
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertEqual([str(each) for each in reading.complaints], [])
            self.assertEqual(linesOf(reading), list(lines))

    def test_ttlAndClassInEitherOrder(self) -> None:
        """
        TTL and class may stand in either order or be absent.
        """
        for head in ("60 IN A", "IN 60 A", "60 A", "1m in a", "IN 1M TYPE1", "CLASS1 60 a", "IN A", "A"):
            self.assertReads(f"$TTL 60\nwww {head} 192.0.2.1\n", "www.example. 60 A 192.0.2.1")

    def test_ownerSyntax(self) -> None:
        """
        An omitted owner is the former one, C{@} is the origin, a final dot makes a name absolute, and the letter case is kept.
        """
        self.assertReads(
            "$TTL 1\n@ NS a\n\tA 192.0.2.1\nWww.Example. A 192.0.2.2\n  TXT x\n*.w A 192.0.2.3\n\n ; nothing\n A 192.0.2.4\n",
            "example. 1 NS a.example.",
            "example. 1 A 192.0.2.1",
            "Www.example. 1 A 192.0.2.2",
            'Www.example. 1 TXT "x"',
            "*.w.example. 1 A 192.0.2.3",
            "*.w.example. 1 A 192.0.2.4",
        )

    def test_recordSpansLinesInParentheses(self) -> None:
        """
        A record in parentheses spans lines, with comments and empty lines, wherever they open.
        """
        soa = "example. 60 SOA ns.example. host.example. 1 3600 900 604800 300"
        self.assertReads("$TTL 60\n@ SOA ns host ( 1 ; one ( \n\n 1h\n15m 1w ; )\n5m )\n", soa)
        self.assertReads("$TTL 60\n@ ( SOA ) ns host (1\n1h) 15m (1w\n5m) ; all\n", soa)
        self.assertReads("$TTL 60\n@ (\nSOA ns host 1 1h 15m 1w 300)", soa)
        self.assertReads("$TTL 60\n@ SOA ns host (1 1h\n 15m 1w 300\n)\n A 192.0.2.1\n", soa, "example. 60 A 192.0.2.1")

    def test_quotesAndEscapes(self) -> None:
        """
        Quotes keep blanks, semicolons and line ends in a string, and escapes stand for any octet.
        """
        self.assertReads(
            b'$TTL 1\na TXT "b ; c" d\\032e "\\"\\\\" ""\nb TXT "two\nlines" x\nc TXT "(" ; "\nd TXT "\xff\xc3\xa4"\n',
            'a.example. 1 TXT "b ; c" "d e" "\\"\\\\" ""',
            'b.example. 1 TXT "two\\010lines" "x"',
            'c.example. 1 TXT "("',
            'd.example. 1 TXT "\\255\\195\\164"',
        )

    def test_fileOfAnotherClass(self) -> None:
        """
        A file of another class is read with that class, stated or not, including generated records. Records of class IN and types
        of class IN only are refused, and no image is built.
        """
        for quick in (True, False):
            text = "$TTL 60\n@ SOA a b 1 2 3 4 5\nx CH TXT y\n$GENERATE 1-2 g$ TXT z\nx IN TXT z\nx A 192.0.2.1\n"
            reading = readText(text, rrClass=3, quick=quick, path="z")
            self.assertEqual([line.split()[0] for line in linesOf(reading)], ["example.", "x.example.", "g1.example.", "g2.example."])
            self.assertEqual(
                [str(each) for each in reading.complaints],
                [
                    "z:5:6: class IN where CH was expected",
                    "z:6:3: the format of A records of class CH is unknown",
                ],
            )
            self.assertEqual(reading.builder.nodes[b"\x01x"][6:8], b"\x00\x03")
            self.assertRaises(BadZone, reading.builder.finish)

    def test_namesWithEscapes(self) -> None:
        """
        Names contain dots, blanks, dollar signs and any other octet by escapes.
        """
        self.assertReads(
            "$TTL 1\na\\.b\\032c\\000 A 192.0.2.1\n\\$TTL A 192.0.2.2\n\\@ A 192.0.2.4\n",
            "a\\.b\\032c\\000.example. 1 A 192.0.2.1",
            "\\$TTL.example. 1 A 192.0.2.2",
            "\\@.example. 1 A 192.0.2.4",
        )

    def test_nonASCIINamesAndLongStringsAreWarnedOf(self) -> None:
        """
        Non-ASCII names and strings of more than 255 octets, which other servers refuse or read differently, are read with a
        warning.
        """
        for quick in (True, False):
            reading = readText(f'$TTL 1\nbücher A 192.0.2.3\nb TXT "{"x" * 256}"\n', quick=quick)
            expected = "xn--bcher-kva.example.", f"b.example. 1 TXT \"{'x' * 255}\" \"x\""
            self.assertEqual(linesOf(reading), [f"{expected[0]} 1 A 192.0.2.3", expected[1]])
            self.assertEqual(
                [str(each) for each in reading.complaints],
                [
                    f"zone:2:1: warning: 'bücher' is taken as {expected[0]} (RFC 5891); other servers may take its octets as they are",
                    "zone:3:7: warning: a string of 256 octets is split, as one has 255 at most; other servers refuse it",
                ],
            )

    def test_invalidUTF8InNameIsReported(self) -> None:
        """
        An octet in a name that is not UTF-8 is reported with its escape.
        """
        (complaint,) = readText(b"$TTL 1\na A 192.0.2.1\nb\xf2 A 192.0.2.1\n").complaints
        self.assertEqual(str(complaint), "zone:3:1: octet 242 in a name, which is not UTF-8 text; \\242 was expected if it is meant")

    def test_unknownTypesAndClasses(self) -> None:
        """
        Types, classes and rdata may be written in the generic syntax (RFC 3597, section 5).
        """
        self.assertReads(
            "a 1 CLASS1 TYPE65280 \\# 3 01 0203\nb 1 TYPE1 \\# 4 c0000201\nc 1 A \\# 4 c0000201\n",
            "a.example. 1 TYPE65280 \\# 3 010203",
            "b.example. 1 A 192.0.2.1",
            "c.example. 1 A 192.0.2.1",
        )

    def test_genericRdataNeedsALength(self) -> None:
        r"""
        C{\#} starts generic rdata if a number follows (RFC 3597, section 5), and is otherwise text where text is valid.
        """
        self.assertReads(
            "$TTL 1\na TXT \\# text\nb TXT \\# 2 0141\nc EID AB cd\nd NIMLOC \\# 2 abcd\n",
            'a.example. 1 TXT "#" "text"',
            'b.example. 1 TXT "A"',
            "c.example. 1 EID ABCD",
            "d.example. 1 NIMLOC ABCD",
        )
        for rdata in ("TXT \\# -1 00", "TXT \\#", "A \\# text"):
            self.assertEqual(len(readText(f"a 1 {rdata}\n").complaints), 1)

    def test_digestLengthIsChecked(self) -> None:
        """
        A digest whose length does not match its type is refused in any syntax. An unknown type may have any length.
        """
        for rdata, expected in {
            "DS 1 8 1 " + 38 * "0": "a digest of 19 octets; type 1 gives 20",
            "DS 1 8 2 " + 66 * "0": "a digest of 33 octets; type 2 gives 32",
            "DS \\# 5 0001080400": "a digest of 1 octets; type 4 gives 48",
            "CDS 1 8 2 00": "a digest of 1 octets; type 2 gives 32",
        }.items():
            for quick in (True, False):
                (complaint,) = readText(f"a 1 {rdata}\n", quick=quick).complaints
                self.assertEqual((complaint.text, complaint.fatal), (expected, True))
        for rdata in ("DS 1 8 2 " + 64 * "0", "DS 1 8 9 00", "CDS 0 0 0 00", "CDS 1 8 4 " + 96 * "0"):
            self.assertEqual(readText(f"a 1 {rdata}\n").complaints, [])

    def test_oversizedRecordIsWarnedOf(self) -> None:
        """
        A record that fits into no message leads to a warning.
        """
        for quick in (True, False):
            for octets, expected in ((65506, []), (65507, [f"z:1:24: warning: 65507 octets; {_TOO_LONG}"])):
                reading = readText(f"a 1 TYPE65280 \\# {octets} {'00' * octets}\n", quick=quick, path="z")
                self.assertEqual([str(each).partition(", so that")[0] for each in reading.complaints], expected)
                self.assertTrue(reading.sound)

    def test_lineEndsAndByteOrderMark(self) -> None:
        """
        Lines end as on any system, the last one may lack its end, and a byte order mark is ignored.
        """
        lines = "example. 1 A 192.0.2.2", "www.example. 1 A 192.0.2.1"
        for end in (b"\n", b"\r\n", b"\r"):
            self.assertReads(end.join([b"$TTL 1", b"www A 192.0.2.1", b"@ A (", b"192.0.2.2 )"]), *lines)
            self.assertReads(b"\xef\xbb\xbf" + end.join([b"$TTL 1", b"www A 192.0.2.1", b"@ A 192.0.2.2", b""]), *lines)
        self.assertReads(b"")
        self.assertReads(b"\n \n;\n")

    def test_onlyBlankAndTabSeparateWords(self) -> None:
        """
        Only blanks and tabs separate words, with both parsers.
        """
        for octets in (b"\x0b", b"\x0c", b"\x01"):
            for quick in (True, False):
                reading = readText(b"$TTL 1\na A 192.0.2.1\n" + octets + b"\\b A 192.0.2.2\n", quick=quick)
                self.assertEqual(len(linesOf(reading)), 2)
                self.assertIn(f"\\{octets[0]:03d}b.example. 1 A 192.0.2.2", linesOf(reading))

    def test_otherFileFormatsAreRecognized(self) -> None:
        """
        A file in another encoding or format is reported once with the name of the format.
        """
        for octets, what in (
            ("$TTL 1\n".encode("utf-16"), "UTF-16"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\x00\x00\x00\x02\x00\x00\x00\x01", "in BIND's raw format, of which named-compilezone -f raw makes text"),
            (MAGIC + bytes(99), "an image, as txdns zone compile makes them"),
            (b"SQLite format 3\x00\x10\x00", "a database; configure it with store"),
        ):
            (complaint,) = readText(octets).complaints
            self.assertEqual(str(complaint), f"zone: the file is {what}; text in ASCII or UTF-8 was expected")

    def test_nameLikeImageIsRead(self) -> None:
        """
        A file that begins with a name like the magic of an image is read as text.
        """
        for name in ("txdnsz", MAGIC.decode()):
            for quick in (True, False):
                self.assertEqual(linesOf(readText(f"{name} 1 A 192.0.2.1\n", quick=quick)), [f"{name}.example. 1 A 192.0.2.1"])

    def test_builderKnowsNamesWithSeveralRecords(self) -> None:
        """
        The image builder knows the names with several records and those with RRsets that may have to be settled.
        """
        # Forms of records are cached by TTL, and the cached ones decide which further names C{mixed} has. No other test has this TTL.
        text = "$TTL 75319\na A 192.0.2.1\na AAAA ::1\nb A 192.0.2.1\nb A 192.0.2.1\nc MX 1 a\nc TXT x\nc MX 2 a\nd NS a\nd DS 1 8 7 00\n"
        for quick in (True, False):
            builder = readText(text, quick=quick).builder
            self.assertEqual(builder.counts, {b"\x01a": 2, b"\x01b": 2, b"\x01c": 3, b"\x01d": 2})
            self.assertEqual(builder.mixed, {b"\x01b", b"\x01c"})
            self.assertEqual(builder.marks, {b"\x01d": 1})


class LifetimeTests(SynchronousTestCase):
    """
    Tests of the TTLs of records that state none.
    """

    def ttls(self, text: str) -> list[int]:
        """
        Return the TTLs of the records.
        """
        found: list[list[int]] = []
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertTrue(reading.sound, reading.complaints)
            found.append([ttl for _, _, ttl, _ in reading.records()])
        self.assertEqual(found[0], found[1])
        return found[0]

    def test_defaultTTLRules(self) -> None:
        """
        The default TTL is that of the last C{$TTL} (RFC 2308, section 4), or of the last record (RFC 1035, section 5.1). The
        MINIMUM field of an SOA record without a TTL counts like C{$TTL}, as in BIND.
        """
        self.assertEqual(self.ttls("$TTL 60\na A 192.0.2.1\nb 5 A 192.0.2.1\nc A 192.0.2.1\n$TTL 1h\nd A 192.0.2.1\n"), [60, 5, 60, 3600])
        self.assertEqual(self.ttls("a 7 A 192.0.2.1\nb A 192.0.2.1\nc IN 8 NS a\n  TXT x\nd TXT x\n"), [7, 7, 8, 8, 8])
        self.assertEqual(self.ttls("@ SOA a b 1 2 3 4 5\na A 192.0.2.1\nb 9 A 192.0.2.1\nc A 192.0.2.1\n"), [5, 5, 9, 5])
        self.assertEqual(self.ttls("@ 6 SOA a b 1 2 3 4 5\na A 192.0.2.1\n"), [6, 6])

    def test_missingTTLIsReported(self) -> None:
        """
        A missing TTL is reported with the places where it could stand.
        """
        (complaint,) = readText("www A 192.0.2.1\n").complaints
        self.assertEqual(str(complaint), "zone:1:5: no TTL; one was expected here, in a record before, or in $TTL")

    def test_ttlWithSignBitBecomesZero(self) -> None:
        """
        A TTL of 2^31 or more becomes 0, with a warning (RFC 2181, section 8).
        """
        reading = readText("www 4294967295 A 192.0.2.1\n")
        self.assertEqual(linesOf(reading), ["www.example. 0 A 192.0.2.1"])
        self.assertEqual([each.fatal for each in reading.complaints], [False])


class OriginTests(SynchronousTestCase):
    """
    Tests of C{$ORIGIN} and of records outside the zone.
    """

    def test_originApplies(self) -> None:
        """
        Names are relative to the last C{$ORIGIN}, which is itself relative, with a warning, if it lacks a final dot.
        """
        text = "$TTL 1\n$ORIGIN sub.example.\na CNAME b\n@ A 192.0.2.1\n$ORIGIN deep\na A 192.0.2.2\n$ORIGIN .\na.example NS @\n"
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertEqual(
                linesOf(reading),
                [
                    "a.sub.example. 1 CNAME b.sub.example.",
                    "sub.example. 1 A 192.0.2.1",
                    "a.deep.sub.example. 1 A 192.0.2.2",
                    "a.example. 1 NS .",
                ],
            )
            self.assertEqual(
                [str(each) for each in reading.complaints],
                ["zone:5:9: warning: 'deep' is taken as a name below sub.example.; add a dot at its end if it is absolute"],
            )

    def test_fileOfAnotherZoneIsAbandoned(self) -> None:
        """
        Reading ends early if the file belongs to another zone or nearly all of it is outside, and the complaint suggests the name
        of the zone.
        """
        hosts = "\n".join([f"h{number} 300 A 192.0.2.1" for number in range(5000)])
        text = f"$ORIGIN example.com.\n@ 300 SOA ns1 hostmaster 1 2 3 4 5\n@ 300 NS ns1\n{hosts}\n"
        for apex, within in ((b"\x07example\x03org\x00", 1), (b"\x02h7\x07example\x03com\x00", 2)):
            reading = readMaster(text.encode(), apex, path="wrong.zone")
            fatal = [complaint for complaint in reading.complaints if complaint.fatal]
            self.assertEqual([(complaint.line > 100, complaint.line < 110) for complaint in fatal], [(True, True)])
            self.assertIn("the SOA is that of example.com.; reading ends here: perhaps the zone is called example.com.", fatal[0].text)
            self.assertLessEqual(len(reading.builder.nodes), within)
        # The SOA record may have the right name.
        stray = f"@ 300 SOA ns1 hostmaster 1 2 3 4 5\n@ 300 NS ns1\n$ORIGIN example.com.\n{hosts}\n"
        with patch("twisted_ext.zone.zonefile.reader.MASTER_COMPLAINTS.default", 10):
            reading = readMaster(stray.encode(), b"\x07example\x03org\x00", path="wrong.zone")
        self.assertIn("this one at h1000.example.com., and none below it", reading.complaints[-1].text)
        # A file with the right SOA record only has many records outside.
        own = "example.org. 300 SOA ns1.example.org. hostmaster.example.org. 1 2 3 4 5\n"
        reading = readMaster((own + text).encode(), b"\x07example\x03org\x00", path="wrong.zone")
        self.assertTrue(reading.sound)
        self.assertEqual(reading.unsaid, 5002 - len(reading.complaints))

    def test_recordsOutsideAreSkipped(self) -> None:
        """
        Records outside the zone are skipped with a warning each, also those that inherit their owner. Mistakes in them are
        reported.
        """
        text = "$TTL 1\nwww.example.org. A 192.0.2.1\n A 192.0.2.2\nwww A 192.0.2.3\n"
        text += "$ORIGIN example.org.\na A 192.0.2.4\nb A x\nnotexample. TXT x\n"
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertEqual(linesOf(reading), ["www.example. 1 A 192.0.2.3"])
            self.assertEqual([(each.line, each.column, each.fatal) for each in reading.complaints], [
                (2, 1, False), (3, 1, False), (6, 1, False), (7, 5, True), (8, 1, False),
            ])  # fmt: skip

    def test_tooLongNamesAreRefused(self) -> None:
        """
        A name that becomes too long with its origin is refused, and one that just fits is accepted.
        """
        labels = ".".join(["x" * 63] * 3)
        apex = f"{labels}."
        for length, sound in ((61, True), (62, False)):
            for quick in (True, False):
                label = "y" * length
                reading = readText(f"$TTL 1\n{label} A 192.0.2.1\n{label}.{apex} A 192.0.2.1\n@ NS {label}\n", apex, quick=quick)
                self.assertEqual([each.line for each in reading.complaints], [] if sound else [2, 3, 4])


class ComplaintTests(SynchronousTestCase):
    """
    Tests of complaints.
    """

    def complaints(self, text: str | bytes) -> list[str]:
        """
        Return the complaints about a text, which must be the same from both parsers.
        """
        found = [[str(each) for each in readText(text, quick=quick, path="z").complaints] for quick in (True, False)]
        self.assertEqual(found[0], found[1])
        return found[0]

    def test_allMistakesAreReportedInOnePass(self) -> None:
        """
        All mistakes are reported in one pass: file, line, column, what was found and what was expected.
        """
        text = (
            "$TTL x\n$TTL 60 70\n$ORIGIN a..b.\n$NONSENSE\n"
            "www A 192.0.2.256\n    AAAA ::g\nmail IN MX ten mail\nx CH TXT y\nx ANY TXT y\nx 1x A 192.0.2.1\nx A 192.0.2.1 2\n"
            "x 60 IN 70 A 192.0.2.1\nx AXFR \\# 0\ny\\256 A 192.0.2.1\n A 192.0.2.1\ng SOA a b (\n 1 2\n 3 x 5 )\nok A 192.0.2.9\nz NS\n"
        )
        self.assertEqual(
            self.complaints(text),
            [
                "z:1:6: 'x' where a TTL in seconds, or as 1h30m, was expected",
                "z:2:9: '70' after the end of the record",
                "z:3:9: 'a..b.': a label is empty; write one dot between labels",
                "z:4:1: '$NONSENSE' where $ORIGIN, $TTL, $INCLUDE or $GENERATE was expected",
                "z:5:7: '192.0.2.256' where an IPv4 address such as 192.0.2.1 was expected",
                "z:6:10: '::g' where an IPv6 address such as 2001:db8::1 was expected",
                "z:7:12: 'ten' where the preference, a number from 0 to 65535, was expected",
                "z:8:6: class CH where IN was expected",
                "z:9:7: class ANY where IN was expected",
                "z:10:3: '1x' where a TTL in seconds, or as 1h30m, was expected",
                "z:11:15: '2' after the end of the record",
                "z:12:9: '70' where a record type was expected",
                "z:13:3: no zone has records of the type AXFR",
                "z:14:1: 'y\\\\256': an escape needs three digits from \\000 to \\255",
                "z:15:2: no owner's name, and none before it; one was expected at the beginning of the line",
                "z:18:4: 'x' where the expire, seconds or a duration such as 1h30m, was expected",
                "z:20:5: the record ends where the target, a name, was expected",
            ],
        )

    def test_unusualCharactersAreWarnedOf(self) -> None:
        """
        Unusual characters in names are read with a warning unless they are escaped.
        """
        self.assertEqual(
            self.complaints("$TTL 1\na,b A 192.0.2.1\nb NS user@example.\nc NS a\\,b\n"),
            [
                "z:2:1: warning: 'a,b' has ',' in it; put a backslash before it if it is meant",
                "z:3:6: warning: 'user@example.' has '@' in it; put a backslash before it if it is meant",
            ],
        )

    def test_unportableSyntaxIsWarnedOf(self) -> None:
        """
        Syntax that other servers do not read is warned of: nested parentheses, adjacent strings, and base64 split within its last
        group.
        """
        self.assertEqual(
            self.complaints('$TTL 1\na TXT (a (b\n) c)\nb TXT "a""b"\nc DNSKEY 0 3 8 AA ==\nd DNSKEY 0 3 8 AA AA\n'),
            [
                "z:2:10: warning: a parenthesis inside of others; not every server reads that",
                "z:4:10: warning: no blank between two strings; not every server reads that",
                "z:5:16: warning: a blank within the last four letters of base 64; not every server reads that",
            ],
        )

    def test_unclosedQuoteIsReportedWhereItOpens(self) -> None:
        """
        An unclosed quote or parenthesis is reported where it opens, and reading continues at the next line that looks like a
        record.
        """
        text = "$TTL 1\n@ SOA a b ( 1 2\n 3 4 5\n\nwww A 192.0.2.1x\na TXT x\nb A 192.0.2.1\n"
        self.assertEqual(
            self.complaints(text),
            [
                "z:2:11: a parenthesis is opened and never closed",
                "z:5:7: '192.0.2.1x' where an IPv4 address such as 192.0.2.1 was expected",
            ],
        )
        self.assertEqual(self.complaints('$TTL 1\na TXT ä "b\nb A 192.0.2.1\n'), ["z:2:9: a quote is opened and never closed"])
        self.assertEqual(self.complaints("$TTL 1\na A 192.0.2.1 )\n"), ["z:2:15: a parenthesis is closed that was never opened"])
        self.assertEqual(self.complaints("$TTL 1\na TXT b\\"), ["z:2:8: a backslash ends the line; write two for the character itself"])

    def test_restartsAreLimited(self) -> None:
        """
        The number of restarts after unclosed parentheses is limited, so that a file of parentheses is read quickly.
        """
        reading = readText("a (\n" * 100_000)
        self.assertEqual(len(reading.complaints), ENTRIES_UNCLOSED.default + 1)
        with patch.object(module, "ENTRIES_UNCLOSED", Limit(50, 0, 50)):
            self.assertEqual(len(readText("a (\n" * 1000).complaints), 51)

    def test_lengthOfRecordsIsLimited(self) -> None:
        """
        A record or a line that is longer than any rdata needs is refused where it begins.
        """
        with patch.object(module, "ENTRY_OCTETS", Limit(5000, 1, 5000)):
            for text in ("$TTL 1\nx TXT (" + "a " * 3000 + ")\nb A 192.0.2.1", "$TTL 1\nx TXT " + "a " * 3000 + "\nb A 192.0.2.1"):
                for quick in (True, False):
                    reading = readText(text, quick=quick)
                    if not quick or "(" in text:
                        self.assertEqual([each.line for each in reading.complaints], [2])
                        self.assertIn("does not end within 5000 octets", reading.complaints[0].text)
        self.assertTrue(readText("$TTL 1\nx TXT (" + "a " * 3000 + ")\n").sound)
        reading = readText("$TTL 1\nx TXT " + "a " * 600_000 + "\n\nx A x\n")
        self.assertEqual([each.line for each in reading.complaints], [2, 4])

    def test_complaintsAreLimited(self) -> None:
        """
        Reading ends after too many errors, and excess warnings are only counted.
        """
        reading = readText("$TTL 1\n" + "a A x\n" * 10_000)
        self.assertEqual(len(reading.complaints), 101)
        self.assertEqual(reading.complaints[-1].line, 102)
        reading = readText("$TTL 1\n" + "a. A 192.0.2.1\n" * 1000)
        self.assertEqual((len(reading.complaints), reading.unsaid, reading.sound), (100, 900, True))

    def test_lineNumbersInLargeFiles(self) -> None:
        """
        Line numbers are right anywhere in a large file, also after records over several lines.
        """
        text = "$TTL 1\n" + "".join([f"h{n} A 192.0.2.1\nq{n} TXT (\n a\n\n b )\n" for n in range(10_000)]) + "x A x\n"
        self.assertEqual(self.complaints(text), ["z:50002:5: 'x' where an IPv4 address such as 192.0.2.1 was expected"])
