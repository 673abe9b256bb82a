"""
Tests of writing a cache down and taking it in again.
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
    store = Store()
    store.keep(question("www.example.com"), b"", answered("www.example.com. 300 IN A 192.0.2.1"), 1000.0)
    store.keep(question("Ätherisch.example"), b"\x13", answered('ätherisch.example. 90 IN TXT "a;b"'), 1000.0)
    store.keep(question("gone.example.com"), b"", denied(Outcome.NXDOMAIN, SOA), 1000.0)
    store.keep(question("www.example.com", "MX"), b"", denied(Outcome.NODATA, SOA), 1000.0)
    return store


class SavingTests(SynchronousTestCase):
    """
    Tests for L{dumpLines} and L{loadLines}.
    """

    def test_roundTrip(self) -> None:
        """
        What was known is known again, with as much time left.
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

    def test_readable(self) -> None:
        """
        The file is plain lines of JSON, the first of which says what it is.
        """
        first, *rest = [json.loads(line) for line in dumpLines(filled(), 1000.0, 1000.0)]
        self.assertEqual((first["format"], first["version"]), ("twisted_ext cache", 1))
        self.assertEqual(sum([each["name"] == "www.example.com." for each in rest]), 2)

    def test_ended(self) -> None:
        """
        What has ended meanwhile is neither written nor taken in.
        """
        self.assertEqual(len(list(dumpLines(filled(), 1600.0, 1600.0))), 1)
        lines = list(dumpLines(filled(), 1000.0, 1000.0))
        self.assertEqual(loadLines(Store(), lines, 1600.0, 1600.0, "file").answers, 0)

    def test_otherClock(self) -> None:
        """
        The clock of another process may begin anywhere: what counts is how long ago the file was written, and for a file of the future
        no time is gained.
        """
        lines = list(dumpLines(filled(), 1050.0, 1.7e9))
        for today, left in ((1.7e9, 250), (1.7e9 + 100, 150), (1.7e9 - 500, 250)):
            store = Store()
            loadLines(store, lines, 77.0, today, "file")
            entry = store.find(question("www.example.com").key, 77.0)
            assert entry is not None
            self.assertEqual(entry.show(77.0).answer[0].ttl, left)

    def test_newerStays(self) -> None:
        """
        What is known already is known better.
        """
        store = Store()
        store.keep(question("www.example.com"), b"", answered("www.example.com. 300 IN A 192.0.2.9"), 1000.0)
        loadLines(store, [HEADER, GOOD], 1000.0, 1000.0, "file")
        entry = store.find(question("www.example.com").key, 1000.0)
        assert entry is not None
        self.assertEqual(entry.kept.answer[0].rdatas, (b"\xc0\x00\x02\x09",))

    def test_notBelieved(self) -> None:
        """
        Nothing in a file counts as proved, and no TTL goes beyond the bounds.
        """
        line = GOOD.replace("300", "99999999").replace('"outcome"', '"security":"secure","outcome"')
        store = Store()
        loadLines(store, [HEADER, line], 1000.0, 1000.0, "file")
        entry = store.find(question("www.example.com").key, 1000.0)
        assert entry is not None
        self.assertEqual((entry.kept.security, entry.kept.answer[0].ttl), (Security.INDETERMINATE, 604800))

    def test_bad(self) -> None:
        """
        A line that cannot be used is skipped and named, with what would be right; all others are taken in.
        """
        for line, said in (
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
            self.assertIn(said, complaint)
            self.assertNotIn("\n", complaint)

    def test_manyBad(self) -> None:
        """
        Of very many lines that cannot be used some are named, and all are counted.
        """
        loaded = loadLines(Store(), [HEADER, *["{}\n"] * 1000, GOOD], 1000.0, 1000.0, "file")
        self.assertEqual((loaded.answers, loaded.skipped, len(loaded.complaints)), (1, 1000, FILE_COMPLAINTS.default))
        self.assertTrue(loaded.complaints[0].startswith("line 2: "))

    def test_malformedRecord(self) -> None:
        """
        One record that a server sent malformed, and that is kept as it came, costs none of the others of our own dump.
        """
        store = filled()
        answer = answered("bad.example.com. 300 IN A 192.0.2.9")
        (rrset,) = answer.answer
        broken = Answer(Outcome.DATA, (RRSet(rrset.name, rrset.rrType, 1, 300, (b"\xc0\x00\x02",)),))
        store.keep(question("bad.example.com"), b"", broken, 1000.0)
        loaded = loadLines(Store(), list(dumpLines(store, 1000.0, 1000.0)), 1000.0, 1000.0, "file")
        self.assertEqual((loaded.answers, loaded.skipped), (4, 1))
        self.assertIn("rdata c00002 is not of type 1", loaded.complaints[0])

    def test_otherFiles(self) -> None:
        """
        Files of another kind or version are told from ours.
        """
        for lines in ([], ["hello\n"], ["{}\n"], [HEADER.replace(":1,", ":2,")], [HEADER.replace("1000", '"x"')]):
            fault = self.assertRaises(CallerFault, loadLines, Store(), lines, 1000.0, 1000.0, "cache.txt")
            self.assertIn("cache.txt, line 1: ", str(fault))

    def test_large(self) -> None:
        """
        A file with more than fits is read to its end and fills what there is.
        """
        lines = [HEADER] + [GOOD.replace("www", f"n{number}") for number in range(2000)]
        store = Store(64 * 1024)
        self.assertLess(loadLines(store, lines, 1000.0, 1000.0, "file").answers, 2000)
        self.assertLessEqual(store.octets, 64 * 1024)

    @given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner)))
    def test_anything(self, value: object) -> None:
        """
        Whatever stands in place of a value, the line is skipped or not, and no error comes out.
        """
        for label in ("name", "type", "age", "outcome", "answer", "flags", "variant", "server", "ede"):
            line = json.dumps({**json.loads(GOOD), label: value}) + "\n"
            loaded = loadLines(Store(), [HEADER, line], 1000.0, 1000.0, "file")
            self.assertEqual([text[:7] for text in loaded.complaints], ["line 2:"] * loaded.skipped)
