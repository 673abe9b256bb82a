"""
Tests for L{twisted_ext.zone.zonefile.generate}.
"""

from __future__ import annotations

from contextlib import ExitStack
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from tests.zone.masters import linesOf, readText
from twisted_ext.limits import Limit
from twisted_ext.zone.store import imagebuilder
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.zonefile import fastparser
from twisted_ext.zone.zonefile import reader as module


class GenerateTests(SynchronousTestCase):
    """
    Tests of C{$GENERATE}.
    """

    def assertGives(self, text: str, *lines: str) -> None:
        """
        Assert that a directive generates these records.
        """
        for quick in (True, False):
            reading = readText("$TTL 60\n" + text, quick=quick)
            self.assertEqual(reading.complaints, [])
            self.assertEqual(linesOf(reading), list(lines))

    def test_numberFormats(self) -> None:
        """
        Offset, width and base change a number as in BIND: decimal, octal, hexadecimal, and reversed nibbles.
        """
        for place, number, formatted in (
            ("$", 7, "7"),
            ("${0}", 7, "7"),
            ("${-5}", 7, "2"),
            ("${+5,3}", 7, "012"),
            ("${-10,4,d}", 8, "-002"),
            ("${1,2,o}", 9, "12"),
            ("${10,4,x}", 0, "000a"),
            ("${-5,0,X}", 0, "FFFFFFFB"),
            ("${0,3,n}", 11, "b.0"),
            ("${0,0,n}", 254, "e.f"),
            ("${0,0,n}", 256, "0.0.1"),
            ("${0,1,N}", 16, "0.1"),
            ("${0,5,N}", 171, "B.A.0"),
        ):
            self.assertGives(f"$GENERATE {number}-{number} a{place}.b A 192.0.2.1\n", f"a{formatted}.b.example. 60 A 192.0.2.1")

    def test_generatedRecords(self) -> None:
        """
        Numbers are replaced in owner and rdata, a step skips numbers, and TTL and class stand before the type in either order.
        """
        self.assertGives("$GENERATE 1-5/2 h$ A 192.0.2.$\n", *[f"h{n}.example. 60 A 192.0.2.{n}" for n in (1, 3, 5)])
        self.assertGives("$generate 1-2 @ 5 IN NS ns$ ; all\n", "example. 5 NS ns1.example.", "example. 5 NS ns2.example.")
        self.assertGives("$GENERATE 1-1 $ IN 1h CNAME $.0-63\n", "1.example. 3600 CNAME 1.0-63.example.")
        self.assertGives('$GENERATE 1-1 m MX "10 mail$"\n', "m.example. 60 MX 10 mail1.example.")
        self.assertGives("$GENERATE 1-1 m MX 1$ mail$.\n", "m.example. 60 MX 11 mail1.")
        self.assertGives('$GENERATE 1-1 t TXT "a $ b"\n', 't.example. 60 TXT "a" "1" "b"')

    def test_literalDollar(self) -> None:
        """
        A literal dollar sign is doubled or escaped.
        """
        self.assertGives("$GENERATE 3-3 a$$b$ PTR x\\$y$\n", "a\\$b3.example. 60 PTR x\\$y3.example.")

    def test_ownerAfterGenerateIsTheFormerOne(self) -> None:
        """
        A record without an owner after the directive has the owner of the record before it.
        """
        self.assertGives(
            "a A 192.0.2.1\n$GENERATE 1-1 b$ A 192.0.2.2\n A 192.0.2.3\n",
            "a.example. 60 A 192.0.2.1",
            "a.example. 60 A 192.0.2.3",
            "b1.example. 60 A 192.0.2.2",
        )

    def test_mistakesAreReportedOnce(self) -> None:
        """
        Each mistake is reported once with its place.
        """
        braces = "where ${offset}, ${offset,width} or ${offset,width,base} was expected, a base of doxXnN"
        address = "where an IPv4 address such as 192.0.2.1 was expected"
        for text, expected in {
            "$GENERATE": "1:10: the record ends where a range such as 1-254 was expected",
            "$GENERATE 1 a A 192.0.2.1": "1:11: '1' where a range such as 1-254 or 0-510/2 was expected",
            "$GENERATE 5-1 a A 192.0.2.1": "1:11: '5-1' where a range such as 1-254 or 0-510/2 was expected",
            "$GENERATE 1-5/0 a A 192.0.2.1": "1:11: '1-5/0' where a range such as 1-254 or 0-510/2 was expected",
            "$GENERATE 1-9999999999 a A 192.0.2.1": "1:11: '1-9999999999' where a range such as 1-254 or 0-510/2 was expected",
            "$GENERATE 1-2 a${x} A 192.0.2.1": f"1:16: '${{x}}' {braces}",
            "$GENERATE 1-2 a${0 A 192.0.2.1": f"1:16: '${{0' {braces}",
            "$GENERATE 1-2 a$ A": "1:19: the record ends where the rdata was expected",
            "$GENERATE 1-2 a${2147483646} A 192.0.2.1": "1:15: an offset leads to numbers beyond 2147483647",
            "$GENERATE 1-2 a TXT b${2147483647}": "1:21: an offset leads to numbers beyond 2147483647",
            "$GENERATE 250-300 a$ A 192.0.2.$": f"1:11: 'a256 IN A 192.0.2.256': '192.0.2.256' {address}",
        }.items():
            (complaint,) = readText(text + "\n", ttl=60).complaints
            self.assertEqual(str(complaint).removeprefix("zone:"), expected)

    def test_generatedRecordsAreLimited(self) -> None:
        """
        The number of records that all directives of a zone generate is limited.
        """
        text = "$TTL 1\n$GENERATE 1-150 a$ A 192.0.2.1\n" * 2
        self.assertTrue(readText(text).sound)
        with patch.object(module, "RECORDS_GENERATED", Limit(200, 0, 300)):
            (complaint,) = readText(text).complaints
        self.assertEqual(str(complaint), "zone:4:11: 300 records are generated; at most 200 are allowed")
        (complaint,) = readText("$GENERATE 0-2147483647 $ A 192.0.2.1\n").complaints
        self.assertIn("at most 1000000 are allowed", complaint.text)

    def test_generatedOctetsAreLimited(self) -> None:
        """
        The octets of all generated lines are limited.
        """
        text = f"$TTL 1\n$GENERATE 1-1000 a$ TXT {'x' * 200}\n"
        self.assertTrue(readText(text).sound)
        with patch.object(module, "GENERATED_OCTETS", Limit(100_000, 0, 100_000)):
            reading = readText(text)
        self.assertEqual([str(each) for each in reading.complaints], ["zone:2:11: more than 100000 octets of records are generated"])
        self.assertLess(len(list(reading.records())), 500)

    def test_manyRecordsAtOneNameTakeLinearTime(self) -> None:
        """
        Many records at one name are not copied for each new one, and the zone is the same.
        """
        joined = ImageBuilder.join
        start = "$TTL 60\n"
        end = "@ SOA ns h 7 2 3 4 5\n@ NS ns\nns 60 A 192.0.2.1\n"
        texts = [
            f"{start}$GENERATE 1-600 www TXT $\n$GENERATE 1-300 www TXT $\n$GENERATE 1-300 @ MX $ ns\n{end}",
            start + "".join([f"www 6{n % 2} TXT {n}\nwww AAAA ::{n:x}\n" for n in range(1, 600)]) + f"WWW TXT 5\n{end}",
        ]
        for text in texts:
            for quick in (True, False):
                found: list[bytes] = []
                for most in (256, 1 << 30):
                    longest = 0

                    def join(builder: ImageBuilder) -> None:
                        nonlocal longest
                        longest = max(longest, *map(len, builder.nodes.values()))
                        joined(builder)

                    with ExitStack() as patched:
                        for each in (imagebuilder, module, fastparser):
                            patched.enter_context(patch.object(each, "LONG", most))
                        patched.enter_context(patch.object(ImageBuilder, "join", join))
                        reading = readText(text, quick=quick)
                    self.assertEqual(reading.complaints, [])
                    self.assertEqual(longest < 400, most == 256, longest)
                    found.append(reading.builder.finish())
                self.assertEqual(*found)
