"""
Tests of L{twisted_ext.compat.conversion.results}.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from io import BytesIO
from operator import concat, mod
from pickle import dumps, loads
from typing import Protocol
from unittest.mock import patch

from hypothesis import given
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import SERVER, data, denied, rrset
from tests.typed import newUnknown
from tests.wire.strategies import names, plainNames
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.compat.conversion import names as exactness
from twisted_ext.compat.conversion.names import ExactName, nameOf, wireFromName
from twisted_ext.compat.conversion.results import Result, resultFromAnswer
from twisted_ext.errors import BadName
from twisted_ext.wire.codes import AA
from twisted_ext.wire.records import RRSet

#: A record of every type with a class in Twisted, and its C{repr}.
TWISTED_TYPES = [
    ("A", "192.0.2.1", "<A address=192.0.2.1 ttl=300>"),
    ("NS", "ns.example.", "<NS name=ns.example ttl=300>"),
    ("MD", "m.example.", "<MD name=m.example ttl=300>"),
    ("MF", "m.example.", "<MF name=m.example ttl=300>"),
    ("CNAME", "c.example.", "<CNAME name=c.example ttl=300>"),
    (
        "SOA",
        "ns.example. host.example. 1 2 3 4 5",
        "<SOA mname=ns.example rname=host.example serial=1 refresh=2 retry=3 expire=4 minimum=5 ttl=300>",
    ),
    ("MB", "m.example.", "<MB name=m.example ttl=300>"),
    ("MG", "m.example.", "<MG name=m.example ttl=300>"),
    ("MR", "m.example.", "<MR name=m.example ttl=300>"),
    ("NULL", "\\# 2 abcd", "<NULL payload='\\xab\\xcd' ttl=300>"),
    ("WKS", "192.0.2.1 TCP 25", "<WKS address=192.0.2.1 protocol=6 ttl=300>"),
    ("PTR", "localhost.", "<PTR name=localhost ttl=300>"),
    ("HINFO", "a b", "<HINFO cpu='a' os='b' ttl=300>"),
    ("MINFO", "a.example. b.example.", "<MINFO responsibility=a.example errors=b.example ttl=300>"),
    ("MX", "10 mail.example.", "<MX preference=10 name=mail.example ttl=300>"),
    ("TXT", '"a b" c', "<TXT data=['a b', 'c'] ttl=300>"),
    ("RP", "a.example. b.example.", "<RP mbox=a.example txt=b.example ttl=300>"),
    ("AFSDB", "1 a.example.", "<AFSDB subtype=1 hostname=a.example ttl=300>"),
    ("AAAA", "2001:db8::1", "<AAAA address=2001:db8::1 ttl=300>"),
    ("SRV", "1 2 3 t.example.", "<SRV priority=1 weight=2 target=t.example port=3 ttl=300>"),
    (
        "NAPTR",
        '1 2 "u" "s" "r" x.example.',
        "<NAPTR order=1 preference=2 flags=u service=s regexp=r replacement=x.example ttl=300>",
    ),
    ("A6", "64 ::1 x.example.", "<A6 x.example ::1 (64) ttl=300>"),
    ("DNAME", "d.example.", "<DNAME name=d.example ttl=300>"),
    ("SSHFP", "1 9 abcd", "<SSHFP algorithm=1 fingerprintType=9 fingerprint=b'\\xab\\xcd'>"),
    ("SPF", "text", "<SPF data=['text'] ttl=300>"),
]


def onlyRecord(result: Result) -> dns.RRHeader:
    """
    Return the only record of an answer.
    """
    (header,) = result[0]
    return header


class ResultTests(SynchronousTestCase):
    """
    Tests of L{Result}.
    """

    def test_resultLooksLikeATuple(self) -> None:
        """
        A result prints as in the tour of Twisted Names and unpacks as a plain tuple of three lists.
        """
        result = resultFromAnswer(data(rrset("twistedmatrix.com.", "MX", "10 mail.example.", ttl=1)))
        self.assertEqual(repr(result), "([<RR name=twistedmatrix.com type=MX class=IN ttl=1s auth=False>], [], [])")
        answers, authority, additional = result
        self.assertEqual((len(answers), authority, additional), (1, [], []))
        self.assertEqual(result, (answers, [], []))

    def test_extraAttributes(self) -> None:
        """
        Details beyond the three lists are attributes of the result.
        """
        answer = denied()
        answer.security = Security.INSECURE
        result = resultFromAnswer(answer)
        self.assertEqual((result.rcode, result.ede, result.server), (3, ((15, "not here"),), SERVER))
        self.assertIs(result.security, Security.INSECURE)
        self.assertIs(result.answer, answer)
        self.assertEqual(resultFromAnswer(data(flags=AA)).flags, AA)
        self.assertEqual(resultFromAnswer(Answer(Outcome.NODATA)).server, "")

    def test_authoritativeRecordsHaveAuth(self) -> None:
        """
        Records of an authoritative answer have C{auth} set.
        """
        result = resultFromAnswer(data(rrset("a.example.", "A", "192.0.2.1"), flags=AA))
        self.assertTrue(onlyRecord(result).auth)

    def test_resultsShareNoMutableObjects(self) -> None:
        """
        Two results of one answer share no mutable object.
        """
        for mnemonic, text, _ in TWISTED_TYPES:
            answer = data(rrset("a.example.", mnemonic, text))
            one, other = resultFromAnswer(answer), resultFromAnswer(answer)
            self.assertEqual(one, other)
            shared = mutableIds(one) & mutableIds(other)
            self.assertEqual(shared, set(), mnemonic)

    def test_knownTypesUseTwistedClasses(self) -> None:
        """
        Types that Twisted supports come as Twisted's classes and encode to the same octets.
        """
        for mnemonic, text, shown in TWISTED_TYPES:
            answer = data(rrset("a.example.", mnemonic, text))
            header = onlyRecord(resultFromAnswer(answer))
            payload = header.payload
            assert payload is not None
            self.assertIs(type(header), dns.RRHeader)
            self.assertIs(type(payload), getattr(dns, f"Record_{mnemonic}"))
            self.assertEqual(str(payload), shown)
            self.assertEqual(encoded(payload), answer.answer[0].rdatas[0], mnemonic)
            self.assertEqual(payload, decoded(type(payload), encoded(payload)), mnemonic)

    def test_unknownTypeKeepsItsOctets(self) -> None:
        """
        Records of an unknown type keep their octets.
        """
        header = onlyRecord(resultFromAnswer(data(rrset("a.example.", "TYPE65280", "\\# 2 abcd"))))
        self.assertEqual(str(header), "<RR name=a.example type=TYPE65280 class=IN ttl=300s auth=False>")
        self.assertEqual(header.payload, newUnknown(b"\xab\xcd", 300))

    def test_malformedRdataIsUnknownRecord(self) -> None:
        """
        Malformed rdata comes as an unknown record and does not fail the look-up.
        """
        for rrType in (1, 28, 15, 16, 6, 33, 43, 35, 257):
            answer = data(RRSet(b"\x01a\x00", rrType, 1, 5, (b"\x07x",)))
            self.assertEqual(onlyRecord(resultFromAnswer(answer)).payload, newUnknown(b"\x07x", 5))


class _Encodable(Protocol):
    """
    A name or a payload of twisted.names.
    """

    def encode(self, strio: BytesIO, compDict: None) -> object:
        """
        Write the object.
        """

    def decode(self, strio: BytesIO, length: int) -> object:
        """
        Read the object.
        """


def encoded(thing: _Encodable | None) -> bytes:
    """
    Return the octets that a name or a record writes.
    """
    assert thing is not None
    written = BytesIO()
    thing.encode(written, None)
    return written.getvalue()


def decoded(kind: Callable[..., _Encodable], octets: bytes) -> _Encodable:
    """
    Return the record that Twisted's own class reads.
    """
    payload = kind(ttl=300)
    payload.decode(BytesIO(octets), len(octets))
    return payload


def mutableIds(result: Result) -> set[int]:
    """
    Return the identities of all mutable objects in a result.
    """
    found: set[int] = set()
    waiting: list[object] = [result[0], result[1], result[2]]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, list):
            found.add(id(thing))
            waiting.extend(thing)
        elif hasattr(thing, "__dict__"):
            found.add(id(thing))
            waiting.extend(vars(thing).values())
    return found


class NameTests(SynchronousTestCase):
    """
    Tests of name conversion between Twisted and this package.
    """

    def test_plainNameIsTwistedName(self) -> None:
        """
        A name without special characters is a Twisted name.
        """
        name = nameOf(b"\x03WWW\x07example\x00")
        self.assertIs(type(name), dns.Name)
        self.assertEqual((name.name, str(nameOf(b"\x00"))), (b"WWW.example", ""))
        self.assertEqual(wireFromName(name), b"\x03WWW\x07example\x00")

    def test_labelWithDotIsEscaped(self) -> None:
        """
        A label that contains a dot stays one label in text and on the wire; control characters are escaped.
        """
        for wire, text in (
            (b"\x03a.b\x01c\x00", b"a\\.b.c"),
            (b"\x03a\\b\x00", b"a\\\\b"),
            (b"\x02\x1b[\x00", b"\\027["),
            (b"\x02\xc3\xa4\x00", b"\\195\\164"),
        ):
            name = nameOf(wire)
            self.assertIsInstance(name, ExactName)
            self.assertEqual(name.name, text)
            self.assertEqual(encoded(name), wire)
            self.assertEqual(wireFromName(name), wire)
            self.assertNotEqual(name, dns.Name(text.replace(b"\\", b"")))

    def test_nameMemoIsBounded(self) -> None:
        """
        The memo of name texts does not exceed its limit.
        """
        with patch.object(exactness, "_mostTexts", 10):
            for number in range(100):
                label = str(number).encode()
                nameOf(bytes([len(label)]) + label + b"\x00")
            self.assertLessEqual(len(exactness.plainTexts), 10)

    def test_invalidNameIsRefused(self) -> None:
        """
        An invalid name is refused with a one-line error.
        """
        for text in (b"a..b", b"x" * 64 + b".example", b".".join([b"x" * 60] * 5)):
            with self.assertRaises(BadName) as raised:
                wireFromName(dns.Name(text))
            self.assertNotIn("\n", str(raised.exception))
        self.assertEqual(wireFromName(dns.Name(b"example.")), b"\x07example\x00")

    def test_exactNameTextMakesSameName(self) -> None:
        """
        The text of an exact name means the same name when it is put into a Twisted name.
        """
        name = nameOf(b"\x03a.b\x01c\x00")
        self.assertEqual(wireFromName(dns.Name(name.name)), b"\x03a.b\x01c\x00")

    @given(names | plainNames)
    def test_anyNameRoundTrips(self, wire: bytes) -> None:
        """
        Any name is written as it was read, and its text parses to the same name.
        """
        name = nameOf(wire)
        self.assertEqual(encoded(name), wire)
        self.assertEqual(wireFromName(name), wire)
        self.assertEqual(wireFromName(dns.Name(name.name)), wire)
        self.assertTrue(str(name).isascii() and (str(name).isprintable()))


class LateListsTests(SynchronousTestCase):
    """
    Tests of the second and third list of a result, which are built on first access.
    """

    def result(self) -> Result:
        """
        Return a result whose lists have not been built.
        """
        record = RRSet(b"\x01a\x00", 1, 1, 5, (b"\x01\x02\x03\x04",))
        return resultFromAnswer(Answer(Outcome.DATA, (record,), (record,), (record, record)))

    def test_everyAccessShowsThreeLists(self) -> None:
        """
        Index, slice, unpacking, loops, calls, comparison, sums, copies and text all show three complete lists.
        """

        def pack(*lists: list[dns.RRHeader]) -> tuple[list[dns.RRHeader], ...]:
            return lists

        answer, authority, additional = self.result()
        plain = (answer, authority, additional)
        self.assertEqual([len(each) for each in plain], [1, 1, 2])
        accesses: dict[str, Callable[[Result], object]] = {
            "index": lambda result: (result[0], result[1], result[-1]),
            "slice": lambda result: result[:],
            "call": lambda result: pack(*result),
            "reversed": lambda result: tuple(reversed(tuple(reversed(result)))),
            "sum": lambda result: () + result,
            "left sum": lambda result: result + (),
            "product": lambda result: (1 * result) * 1,
            "copy": lambda result: copy(result),
            "loop": lambda result: tuple(result),
        }
        for name, access in accesses.items():
            self.assertEqual(access(self.result()), plain, name)
        self.assertEqual(repr(self.result()), repr(plain))
        self.assertTrue(plain == self.result() and self.result() == self.result())
        self.assertFalse(self.result() != plain)
        self.assertIn(plain[2], self.result())

    def test_listsAreLists(self) -> None:
        """
        All three are ordinary lists, with their records also for functions written in C, and stay the same objects.
        """
        result = self.result()
        self.assertEqual([type(each) for each in result], [list, list, list])
        self.assertTrue(all(one is other for one, other in zip(result, result, strict=True)))
        self.assertEqual([len(concat([], self.result()[index])) for index in (1, 2, -1)], [1, 2, 2])
        self.assertEqual([len(concat([], each)) for each in () + self.result()], [1, 1, 2])
        self.assertEqual(loads(dumps(self.result())), self.result())
        self.assertEqual([type(each) for each in loads(dumps(self.result()))], [list, list, list])
        self.assertEqual(deepcopy(self.result()), self.result())

    def test_functionsInCThatReadTuples(self) -> None:
        """
        A function written in C that reads a tuple without calling its methods sees the records, or nothing that it could take for a list.
        """
        self.assertEqual(mod("(%s, %s, %s)", self.result()), repr(self.result()))
        *_, additional = concat((), self.result())
        self.assertNotIsInstance(additional, list)
        with self.assertRaises(TypeError):
            len(additional)

    def test_resultsAreCompared(self) -> None:
        """
        Results are compared by their records.
        """
        record = RRSet(b"\x01a\x00", 1, 1, 5, (b"\x01\x02\x03\x04",))
        other = resultFromAnswer(Answer(Outcome.DATA, (record,), (record,), (record,)))
        self.assertFalse(self.result() == other or tuple(other) == self.result())
        self.assertTrue(self.result() != other and tuple(other) != self.result())

    def test_changedListStaysChanged(self) -> None:
        """
        A change to a list is not undone by the next access.
        """
        result = self.result()
        result[2].clear()
        self.assertEqual([len(each) for each in result], [1, 1, 0])
