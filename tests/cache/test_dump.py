"""
Tests of dumping a cache to a file and loading it again.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.cache.canned import answered, denied, question
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.cache.dump import dumpLines, loadLines
from twisted_ext.cache.store import Store
from twisted_ext.errors import CallerFault
from twisted_ext.limits import FILE_COMPLAINTS
from twisted_ext.wire.records import RRSet

SOA = "example.com. 3600 IN SOA ns.example.com. admin.example.com. 1 7200 3600 1209600 600"

HEADER = '{"format":"twisted_ext cache","version":1,"written":1000}\n'

GOOD = '{"name":"www.example.com.","type":1,"age":10,"outcome":"data","answer":[["www.example.com.",300,1,["c0000201"]]]}\n'


def filled() -> Store:
    """
    Return a cache with two positive answers and two denials.
    """
    store = Store()
    store.keep(question("www.example.com"), b"", answered("www.example.com. 300 IN A 192.0.2.1"), 1000.0)
    store.keep(question("Ätherisch.example"), b"\x13", answered('ätherisch.example. 90 IN TXT "a;b"'), 1000.0)
    store.keep(question("gone.example.com"), b"", denied(Outcome.NXDOMAIN, SOA), 1000.0)
    store.keep(question("www.example.com", "MX"), b"", denied(Outcome.NODATA, SOA), 1000.0)
    return store


class DumpTests(SynchronousTestCase):
    """
    Tests for L{dumpLines} and L{loadLines}.
    """

    def test_roundTrip(self) -> None:
        """
        A loaded cache has the same answers as the dumped one, with the same time left.
        """
        store = filled()
        lines = list(dumpLines(store, 1050.0, 1050.0))
        other = Store()
        self.assertEqual(loadLines(other, lines, 1060.0, 1060.0, "file").answers, 4)
        self.assertEqual(set(other.keys()), set(store.keys()))
        for key in store.keys():
            one, two = store.find(key, 1060.0), other.find(key, 1060.0)
            assert one is not None and two is not None
            self.assertEqual(one.show(1060.0).answer, two.show(1060.0).answer)
            self.assertEqual(one.answer.authority, two.answer.authority)
            self.assertEqual((one.expires, one.kept.outcome), (two.expires, two.kept.outcome))
        self.assertTrue(other.denies)
        self.assertIn(b"\x13", other.variants)

    def test_fileIsLinesOfJSON(self) -> None:
        """
        The file consists of lines of JSON. The first line names the format and its version.
        """
        first, *rest = [json.loads(line) for line in dumpLines(filled(), 1000.0, 1000.0)]
        self.assertEqual((first["format"], first["version"]), ("twisted_ext cache", 1))
        self.assertEqual(sum([each["name"] == "www.example.com." for each in rest]), 2)

    def test_expiredEntriesAreSkipped(self) -> None:
        """
        Expired entries are neither written nor loaded.
        """
        self.assertEqual(len(list(dumpLines(filled(), 1600.0, 1600.0))), 1)
        lines = list(dumpLines(filled(), 1000.0, 1000.0))
        self.assertEqual(loadLines(Store(), lines, 1600.0, 1600.0, "file").answers, 0)

    def test_ageIsCountedFromWallClock(self) -> None:
        """
        The age of the file is counted from the time at which it was written, because the clocks of two processes may start
        anywhere. A file from the future gains no time.
        """
        lines = list(dumpLines(filled(), 1050.0, 1.7e9))
        for today, left in ((1.7e9, 250), (1.7e9 + 100, 150), (1.7e9 - 500, 250)):
            store = Store()
            loadLines(store, lines, 77.0, today, "file")
            entry = store.find(question("www.example.com").key, 77.0)
            assert entry is not None
            self.assertEqual(entry.show(77.0).answer[0].ttl, left)

    def test_loadingKeepsNewerEntries(self) -> None:
        """
        Loading does not replace what the cache already has.
        """
        store = Store()
        store.keep(question("www.example.com"), b"", answered("www.example.com. 300 IN A 192.0.2.9"), 1000.0)
        loadLines(store, [HEADER, GOOD], 1000.0, 1000.0, "file")
        entry = store.find(question("www.example.com").key, 1000.0)
        assert entry is not None
        self.assertEqual(entry.kept.answer[0].rdatas, (b"\xc0\x00\x02\x09",))

    def test_fileIsNotTrusted(self) -> None:
        """
        Nothing from a file counts as secure, and no TTL exceeds the limit.
        """
        line = GOOD.replace("300", "99999999").replace('"outcome"', '"security":"secure","outcome"')
        store = Store()
        loadLines(store, [HEADER, line], 1000.0, 1000.0, "file")
        entry = store.find(question("www.example.com").key, 1000.0)
        assert entry is not None
        self.assertEqual((entry.kept.security, entry.kept.answer[0].ttl), (Security.INDETERMINATE, 604800))

    def test_badLineIsSkippedAndReported(self) -> None:
        """
        A line that cannot be used is skipped and reported with its number and what would be right. All other lines are loaded.
        """
        for line, expected in (
            ("\n", "no JSON"),
            ("[1]\n", "object"),
            (GOOD[:-1], "cut off"),
            (GOOD[:40] + "\n", "no JSON"),
            (GOOD.replace('"www.example.com.",300', '"www.example.com",300'), "ends with a dot"),
            (GOOD.replace('"name":"www', '"name":"' + "a" * 64), "63"),
            (GOOD.replace('"type":1', '"type":-1'), "whole number from 0 to 65535"),
            (GOOD.replace('"type":1', '"type":true'), "whole number"),
            (GOOD.replace('"type":1', '"type":0'), "do not exist"),
            (GOOD.replace('"age":10', '"age":NaN'), "age"),
            (GOOD.replace('"data"', '"maybe"'), "data, nodata, nxdomain"),
            (GOOD.replace("c0000201", "c00002"), "not of type 1"),
            (GOOD.replace("c0000201", "zz"), "hexadecimal"),
            (GOOD.replace('["c0000201"]', "[]"), "list of rdata"),
            (GOOD.replace('"age"', '"variant":"0011","age"'), "variant"),
            (GOOD.replace('"age"', '"variant":"40","age"'), "variant"),
            (GOOD.replace('"age"', '"variant":"11","age"'), "variant"),
            (GOOD.replace('"age"', '"ede":[[1]],"age"'), "ede"),
            ("[" * 100_000 + "\n", "no JSON"),
        ):
            store = Store()
            other = GOOD.replace("www", "ftp")
            loaded = loadLines(store, [HEADER, GOOD, line, other], 1000.0, 1000.0, "cache.txt")
            self.assertEqual((loaded.answers, loaded.skipped, len(store)), (2, 1, 2))
            (complaint,) = loaded.complaints
            self.assertTrue(complaint.startswith("line 3: "), complaint)
            self.assertIn(expected, complaint)
            self.assertNotIn("\n", complaint)

    def test_reportsOfBadLinesAreLimited(self) -> None:
        """
        Only some of very many bad lines are reported, but all are counted.
        """
        loaded = loadLines(Store(), [HEADER, *["{}\n"] * 1000, GOOD], 1000.0, 1000.0, "file")
        self.assertEqual((loaded.answers, loaded.skipped, len(loaded.complaints)), (1, 1000, FILE_COMPLAINTS.default))
        self.assertTrue(loaded.complaints[0].startswith("line 2: "))

    def test_malformedRecordCostsNoOther(self) -> None:
        """
        One malformed record in the cache does not keep the other answers from being dumped and loaded.
        """
        store = filled()
        answer = answered("bad.example.com. 300 IN A 192.0.2.9")
        (rrset,) = answer.answer
        broken = Answer(Outcome.DATA, (RRSet(rrset.name, rrset.rrType, 1, 300, (b"\xc0\x00\x02",)),))
        store.keep(question("bad.example.com"), b"", broken, 1000.0)
        loaded = loadLines(Store(), list(dumpLines(store, 1000.0, 1000.0)), 1000.0, 1000.0, "file")
        self.assertEqual((loaded.answers, loaded.skipped), (4, 1))
        self.assertIn("rdata c00002 is not of type 1", loaded.complaints[0])

    def test_otherFormatsAreRefused(self) -> None:
        """
        A file of another format or version is refused.
        """
        for lines in ([], ["hello\n"], ["{}\n"], [HEADER.replace(":1,", ":2,")], [HEADER.replace("1000", '"x"')]):
            fault = self.assertRaises(CallerFault, loadLines, Store(), lines, 1000.0, 1000.0, "cache.txt")
            self.assertIn("cache.txt, line 1: ", str(fault))

    def test_largeFileFillsCacheUpToItsLimit(self) -> None:
        """
        A file with more entries than fit is read to its end, and the cache stays within its limit.
        """
        lines = [HEADER] + [GOOD.replace("www", f"n{number}") for number in range(2000)]
        store = Store(64 * 1024)
        self.assertLess(loadLines(store, lines, 1000.0, 1000.0, "file").answers, 2000)
        self.assertLessEqual(store.octets, 64 * 1024)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
    def test_arbitraryValuesRaiseNothing(self, value: object) -> None:
        """
        A line with an arbitrary value is loaded or skipped, and no exception is raised.
        """
        for label in ("name", "type", "age", "outcome", "answer", "flags", "variant", "server", "ede"):
            line = json.dumps({**json.loads(GOOD), label: value}) + "\n"
            loaded = loadLines(Store(), [HEADER, line], 1000.0, 1000.0, "file")
            self.assertEqual([text[:7] for text in loaded.complaints], ["line 2:"] * loaded.skipped)
