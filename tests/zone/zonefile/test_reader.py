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

#: What is said of a record that fits into no message.
_TOO_LONG = "a message has room for 65506, so neither this record nor a transfer of the zone can be sent"


class RecordTests(SynchronousTestCase):
    """
    Tests with records: how they may be written, and what they then are.
    """

    def assertReads(self, text: str | bytes, *lines: str) -> None:
        """
        Assert that a text reads as these records and nothing is wrong with it, on the fast path and without it.
        """
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertEqual([str(each) for each in reading.complaints], [])
            self.assertEqual(linesOf(reading), list(lines))

    def test_heads(self) -> None:
        """
        TTL and class may stand in either order, or be absent.
        """
        for head in ("60 IN A", "IN 60 A", "60 A", "1m in a", "IN 1M TYPE1", "CLASS1 60 a", "IN A", "A"):
            self.assertReads(f"$TTL 60\nwww {head} 192.0.2.1\n", "www.example. 60 A 192.0.2.1")

    def test_owners(self) -> None:
        """
        An owner that is left out is the one before; C{@} is the origin; a dot at the end makes a name absolute; its case is kept.
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

    def test_parentheses(self) -> None:
        """
        A record goes on over lines in parentheses, with comments and empty lines between, wherever they open.
        """
        soa = "example. 60 SOA ns.example. host.example. 1 3600 900 604800 300"
        self.assertReads("$TTL 60\n@ SOA ns host ( 1 ; one ( \n\n 1h\n15m 1w ; )\n5m )\n", soa)
        self.assertReads("$TTL 60\n@ ( SOA ) ns host (1\n1h) 15m (1w\n5m) ; all\n", soa)
        self.assertReads("$TTL 60\n@ (\nSOA ns host 1 1h 15m 1w 300)", soa)
        self.assertReads("$TTL 60\n@ SOA ns host (1 1h\n 15m 1w 300\n)\n A 192.0.2.1\n", soa, "example. 60 A 192.0.2.1")

    def test_strings(self) -> None:
        """
        Quotes keep blanks, comments and line ends in a string; escapes stand for any octet.
        """
        self.assertReads(
            b'$TTL 1\na TXT "b ; c" d\\032e "\\"\\\\" ""\nb TXT "two\nlines" x\nc TXT "(" ; "\nd TXT "\xff\xc3\xa4"\n',
            'a.example. 1 TXT "b ; c" "d e" "\\"\\\\" ""',
            'b.example. 1 TXT "two\\010lines" "x"',
            'c.example. 1 TXT "("',
            'd.example. 1 TXT "\\255\\195\\164"',
        )

    def test_classes(self) -> None:
        """
        A file of another class is read as such, said or not and generated ones as well; what is of class IN is left out with a warning, and
        types that mean something in class IN only are refused. No image is built of it.
        """
        for quick in (True, False):
            text = "$TTL 60\n@ SOA a b 1 2 3 4 5\nx CH TXT y\n$GENERATE 1-2 g$ TXT z\nx IN TXT z\nx A 192.0.2.1\n"
            reading = readText(text, rrClass=3, quick=quick, path="z")
            self.assertEqual([line.split()[0] for line in linesOf(reading)], ["example.", "x.example.", "g1.example.", "g2.example."])
            self.assertEqual(
                [str(each) for each in reading.complaints],
                [
                    "z:5:6: warning: class IN where CH was expected; the record is left out",
                    "z:6:3: the format of A records of class CH is unknown",
                ],
            )
            self.assertEqual(reading.builder.nodes[b"\x01x"][6:8], b"\x00\x03")
            self.assertRaises(BadZone, reading.builder.finish)

    def test_escapedNames(self) -> None:
        """
        Names take dots, blanks, dollars and any other octet by escapes.
        """
        self.assertReads(
            "$TTL 1\na\\.b\\032c\\000 A 192.0.2.1\n\\$TTL A 192.0.2.2\n\\@ A 192.0.2.4\n",
            "a\\.b\\032c\\000.example. 1 A 192.0.2.1",
            "\\$TTL.example. 1 A 192.0.2.2",
            "\\@.example. 1 A 192.0.2.4",
        )

    def test_unlikeOthers(self) -> None:
        """
        What other servers refuse or take otherwise is read with a warning: names beyond ASCII, and strings of more than 255 octets.
        """
        for quick in (True, False):
            reading = readText(f'$TTL 1\nbücher A 192.0.2.3\nb TXT "{"x" * 256}"\n', quick=quick)
            said = "xn--bcher-kva.example.", f"b.example. 1 TXT \"{'x' * 255}\" \"x\""
            self.assertEqual(linesOf(reading), [f"{said[0]} 1 A 192.0.2.3", said[1]])
            self.assertEqual(
                [str(each) for each in reading.complaints],
                [
                    f"zone:2:1: warning: 'bücher' is taken as {said[0]} (RFC 5891); other servers may take its octets as they are",
                    "zone:3:7: warning: a string of 256 octets is split, as one has 255 at most; other servers refuse it",
                ],
            )

    def test_foreignNames(self) -> None:
        """
        An octet in a name that is no text is told by its number, and how to write it.
        """
        (complaint,) = readText(b"$TTL 1\na A 192.0.2.1\nb\xf2 A 192.0.2.1\n").complaints
        self.assertEqual(str(complaint), "zone:3:1: octet 242 in a name, which is not UTF-8 text; \\242 was expected if it is meant")

    def test_unknown(self) -> None:
        """
        Types, classes and rdata may be written without being known (RFC 3597, section 5).
        """
        self.assertReads(
            "a 1 CLASS1 TYPE65280 \\# 3 01 0203\nb 1 TYPE1 \\# 4 c0000201\nc 1 A \\# 4 c0000201\n",
            "a.example. 1 TYPE65280 \\# 3 010203",
            "b.example. 1 A 192.0.2.1",
            "c.example. 1 A 192.0.2.1",
        )

    def test_hash(self) -> None:
        """
        What stands behind a backslash and a hash is rdata in hex where a number follows (RFC 3597, section 5); else, it is text where text
        may be.
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

    def test_digests(self) -> None:
        """
        A digest of another length than its type gives is refused, however it is written; of types that nobody knows, any length is taken.
        """
        for rdata, said in {
            "DS 1 8 1 " + 38 * "0": "a digest of 19 octets; type 1 gives 20",
            "DS 1 8 2 " + 66 * "0": "a digest of 33 octets; type 2 gives 32",
            "DS \\# 5 0001080400": "a digest of 1 octets; type 4 gives 48",
            "CDS 1 8 2 00": "a digest of 1 octets; type 2 gives 32",
        }.items():
            for quick in (True, False):
                (complaint,) = readText(f"a 1 {rdata}\n", quick=quick).complaints
                self.assertEqual((complaint.text, complaint.fatal), (said, True))
        for rdata in ("DS 1 8 2 " + 64 * "0", "DS 1 8 9 00", "CDS 0 0 0 00", "CDS 1 8 4 " + 96 * "0"):
            self.assertEqual(readText(f"a 1 {rdata}\n").complaints, [])

    def test_roomless(self) -> None:
        """
        A record that fits into no message is told of.
        """
        for quick in (True, False):
            for octets, said in ((65506, []), (65507, [f"z:1:24: warning: 65507 octets; {_TOO_LONG}"])):
                reading = readText(f"a 1 TYPE65280 \\# {octets} {'00' * octets}\n", quick=quick, path="z")
                self.assertEqual([str(each).partition(", so that")[0] for each in reading.complaints], said)
                self.assertTrue(reading.sound)

    def test_ends(self) -> None:
        """
        Lines end as on any system, the last one perhaps not at all; a mark of UTF-8 at the begin is no part of the first name.
        """
        lines = "example. 1 A 192.0.2.2", "www.example. 1 A 192.0.2.1"
        for end in (b"\n", b"\r\n", b"\r"):
            self.assertReads(end.join([b"$TTL 1", b"www A 192.0.2.1", b"@ A (", b"192.0.2.2 )"]), *lines)
            self.assertReads(b"\xef\xbb\xbf" + end.join([b"$TTL 1", b"www A 192.0.2.1", b"@ A 192.0.2.2", b""]), *lines)
        self.assertReads(b"")
        self.assertReads(b"\n \n;\n")

    def test_otherBlanks(self) -> None:
        """
        Only blank and tab stand between words: other characters are part of them, on the fast path as well.
        """
        for octets in (b"\x0b", b"\x0c", b"\x01"):
            for quick in (True, False):
                reading = readText(b"$TTL 1\na A 192.0.2.1\n" + octets + b"\\b A 192.0.2.2\n", quick=quick)
                self.assertEqual(len(linesOf(reading)), 2)
                self.assertIn(f"\\{octets[0]:03d}b.example. 1 A 192.0.2.2", linesOf(reading))

    def test_foreign(self) -> None:
        """
        A file in another encoding is said to be that, once; so are those that other programs and our own keep zones in.
        """
        for octets, what in (
            ("$TTL 1\n".encode("utf-16"), "UTF-16"),
            (b"\x1f\x8b\x08\x00", "gzip"),
            (b"\x00\x00\x00\x02\x00\x00\x00\x01", "in BIND's raw format, of which named-compilezone -f raw makes text"),
            (MAGIC + bytes(99), "an image, as txdns zone compile makes them"),
            (b"SQLite format 3\x00\x10\x00", "a database, which a server has to be told of by store"),
        ):
            (complaint,) = readText(octets).complaints
            self.assertEqual(str(complaint), f"zone: the file is {what}; text in ASCII or UTF-8 was expected")

    def test_counts(self) -> None:
        """
        Names with several records, and with records of one type, are told to whoever builds an image.
        """
        text = "$TTL 1\na A 192.0.2.1\na AAAA ::1\nb A 192.0.2.1\nb A 192.0.2.2\nc TXT x\nc MX 1 a\nc MX 2 a\nd NS a\nd DS 1 8 7 00\n"
        for quick in (True, False):
            builder = readText(text, quick=quick).builder
            self.assertEqual(builder.counts, {b"\x01a": 2, b"\x01b": 2, b"\x01c": 3, b"\x01d": 2})
            self.assertEqual(builder.mixed, {b"\x01b", b"\x01c"})
            self.assertEqual(builder.marks, {b"\x01d": 1})


class LifetimeTests(SynchronousTestCase):
    """
    Tests of which TTL records have that say none.
    """

    def ttls(self, text: str) -> list[int]:
        """
        @return: the records' TTLs.
        """
        found: list[list[int]] = []
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertTrue(reading.sound, reading.complaints)
            found.append([ttl for _, _, ttl, _ in reading.records()])
        self.assertEqual(found[0], found[1])
        return found[0]

    def test_rules(self) -> None:
        """
        It is what $TTL said last (RFC 2308, section 4); without one, what a record said last (RFC 1035, section 5.1). The last number of
        an SOA record that says none counts like $TTL, as BIND has it.
        """
        self.assertEqual(self.ttls("$TTL 60\na A 192.0.2.1\nb 5 A 192.0.2.1\nc A 192.0.2.1\n$TTL 1h\nd A 192.0.2.1\n"), [60, 5, 60, 3600])
        self.assertEqual(self.ttls("a 7 A 192.0.2.1\nb A 192.0.2.1\nc IN 8 NS a\n  TXT x\nd TXT x\n"), [7, 7, 8, 8, 8])
        self.assertEqual(self.ttls("@ SOA a b 1 2 3 4 5\na A 192.0.2.1\nb 9 A 192.0.2.1\nc A 192.0.2.1\n"), [5, 5, 9, 5])
        self.assertEqual(self.ttls("@ 6 SOA a b 1 2 3 4 5\na A 192.0.2.1\n"), [6, 6])

    def test_none(self) -> None:
        """
        Where nothing says a TTL, it is said that one is missing, and where it could be.
        """
        (complaint,) = readText("www A 192.0.2.1\n").complaints
        self.assertEqual(str(complaint), "zone:1:5: no TTL; one was expected here, in a record before, or in $TTL")

    def test_large(self) -> None:
        """
        A TTL of 2^31 or more is set to 0, with a warning (RFC 2181, section 8).
        """
        reading = readText("www 4294967295 A 192.0.2.1\n")
        self.assertEqual(linesOf(reading), ["www.example. 0 A 192.0.2.1"])
        self.assertEqual([each.fatal for each in reading.complaints], [False])


class OriginTests(SynchronousTestCase):
    """
    Tests of $ORIGIN and of what lies outside.
    """

    def test_origin(self) -> None:
        """
        Names belong where $ORIGIN said last, below what held before where it has no dot at its end; that is warned of.
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
                ["zone:5:9: warning: 'deep' is taken as a name below sub.example.; a dot at its end says that it is not"],
            )

    def test_anotherZone(self) -> None:
        """
        Of a file that is another zone's not all is read before that is said, nor where nearly all of it is outside; who has written it
        hears what the zone may be called.
        """
        hosts = "\n".join([f"h{number} 300 A 192.0.2.1" for number in range(5000)])
        text = f"$ORIGIN example.com.\n@ 300 SOA ns1 hostmaster 1 2 3 4 5\n@ 300 NS ns1\n{hosts}\n"
        for apex, within in ((b"\x07example\x03org\x00", 1), (b"\x02h7\x07example\x03com\x00", 2)):
            reading = readMaster(text.encode(), apex, path="wrong.zone")
            fatal = [complaint for complaint in reading.complaints if complaint.fatal]
            self.assertEqual([(complaint.line > 100, complaint.line < 110) for complaint in fatal], [(True, True)])
            self.assertIn("the SOA is that of example.com.; reading ends here: perhaps the zone is called example.com.", fatal[0].text)
            self.assertLessEqual(len(reading.builder.nodes), within)
        # The SOA may belong to whatever the zone is called.
        stray = f"@ 300 SOA ns1 hostmaster 1 2 3 4 5\n@ 300 NS ns1\n$ORIGIN example.com.\n{hosts}\n"
        with patch("twisted_ext.zone.zonefile.reader.MASTER_COMPLAINTS.default", 10):
            reading = readMaster(stray.encode(), b"\x07example\x03org\x00", path="wrong.zone")
        self.assertIn("this one at h1000.example.com., and none below it", reading.complaints[-1].text)
        # One whose SOA is there has many strangers, no more.
        own = "example.org. 300 SOA ns1.example.org. hostmaster.example.org. 1 2 3 4 5\n"
        reading = readMaster((own + text).encode(), b"\x07example\x03org\x00", path="wrong.zone")
        self.assertTrue(reading.sound)
        self.assertEqual(reading.unsaid, 5002 - len(reading.complaints))

    def test_outside(self) -> None:
        """
        Records of other zones are left out with a warning each, those without an owner's name behind them too; what is wrong with them
        is said.
        """
        text = "$TTL 1\nwww.example.org. A 192.0.2.1\n A 192.0.2.2\nwww A 192.0.2.3\n"
        text += "$ORIGIN example.org.\na A 192.0.2.4\nb A x\nnotexample. TXT x\n"
        for quick in (True, False):
            reading = readText(text, quick=quick)
            self.assertEqual(linesOf(reading), ["www.example. 1 A 192.0.2.3"])
            self.assertEqual([(each.line, each.column, each.fatal) for each in reading.complaints], [
                (2, 1, False), (3, 1, False), (6, 1, False), (7, 5, True), (8, 1, False),
            ])  # fmt: skip

    def test_long(self) -> None:
        """
        Names that become too long below their origin are refused, and those that just fit taken.
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
    Tests of what people are told.
    """

    def complaints(self, text: str | bytes) -> list[str]:
        """
        @return: what is wrong with a text, the same with the fast path and without.
        """
        found = [[str(each) for each in readText(text, quick=quick, path="z").complaints] for quick in (True, False)]
        self.assertEqual(found[0], found[1])
        return found[0]

    def test_all(self) -> None:
        """
        All that is wrong is said in one pass: file, line, column, what was found and what was expected there.
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
                "z:2:9: '70' behind the end of the record",
                "z:3:9: 'a..b.': a label is empty; write one dot between labels",
                "z:4:1: '$NONSENSE' where $ORIGIN, $TTL, $INCLUDE or $GENERATE was expected",
                "z:5:7: '192.0.2.256' where an IPv4 address such as 192.0.2.1 was expected",
                "z:6:10: '::g' where an IPv6 address such as 2001:db8::1 was expected",
                "z:7:12: 'ten' where the preference, a number from 0 to 65535, was expected",
                "z:8:6: warning: class CH where IN was expected; the record is left out",
                "z:9:7: warning: class ANY where IN was expected; the record is left out",
                "z:10:3: '1x' where a TTL in seconds, or as 1h30m, was expected",
                "z:11:15: '2' behind the end of the record",
                "z:12:9: '70' where a record type was expected",
                "z:13:3: no zone has records of the type AXFR",
                "z:14:1: 'y\\\\256': an escape needs three digits from \\000 to \\255",
                "z:15:2: no owner's name, and none before that could be meant; one was expected at the line's begin",
                "z:18:4: 'x' where the expire, seconds or a duration such as 1h30m, was expected",
                "z:20:5: the record ends where the target, a name, was expected",
            ],
        )

    def test_unusual(self) -> None:
        """
        Characters that names hardly ever have are taken, and warned of; escaped ones are meant.
        """
        self.assertEqual(
            self.complaints("$TTL 1\na,b A 192.0.2.1\nb NS user@example.\nc NS a\\,b\n"),
            [
                "z:2:1: warning: 'a,b' has ',' in it; a backslash before it says that it is meant",
                "z:3:6: warning: 'user@example.' has '@' in it; a backslash before it says that it is meant",
            ],
        )

    def test_readElsewhere(self) -> None:
        """
        What we read and others do not is warned of: parentheses in parentheses, strings without a blank between, base 64 cut at its end.
        """
        self.assertEqual(
            self.complaints('$TTL 1\na TXT (a (b\n) c)\nb TXT "a""b"\nc DNSKEY 0 3 8 AA ==\nd DNSKEY 0 3 8 AA AA\n'),
            [
                "z:2:10: warning: a parenthesis inside of others; not every server reads that",
                "z:4:10: warning: no blank between two strings; not every server reads that",
                "z:5:16: warning: a blank within the last four letters of base 64; not every server reads that",
            ],
        )

    def test_unclosed(self) -> None:
        """
        A quote or a parenthesis that is never closed is shown where it opens, and reading goes on at the next line that looks like an
        entry.
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

    def test_unclosedOften(self) -> None:
        """
        Reading begins again a few times only, so that a file of nothing but parentheses takes no time.
        """
        reading = readText("a (\n" * 100_000)
        self.assertEqual(len(reading.complaints), ENTRIES_UNCLOSED.default + 1)
        with patch.object(module, "ENTRIES_UNCLOSED", Limit(50, 0, 50)):
            self.assertEqual(len(readText("a (\n" * 1000).complaints), 51)

    def test_endless(self) -> None:
        """
        An entry, and a line, of more octets than any rdata needs is refused where it begins.
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

    def test_many(self) -> None:
        """
        Where nothing is right, reading ends; warnings are counted beyond the first ones.
        """
        reading = readText("$TTL 1\n" + "a A x\n" * 10_000)
        self.assertEqual(len(reading.complaints), 101)
        self.assertEqual(reading.complaints[-1].line, 102)
        reading = readText("$TTL 1\n" + "a. A 192.0.2.1\n" * 1000)
        self.assertEqual((len(reading.complaints), reading.unsaid, reading.sound), (100, 900, True))

    def test_far(self) -> None:
        """
        Lines are counted right however far into the file, entries over many lines included.
        """
        text = "$TTL 1\n" + "".join([f"h{n} A 192.0.2.1\nq{n} TXT (\n a\n\n b )\n" for n in range(30_000)]) + "x A x\n"
        self.assertEqual(self.complaints(text), ["z:150002:5: 'x' where an IPv4 address such as 192.0.2.1 was expected"])
