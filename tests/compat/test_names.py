"""
Tests of L{twisted_ext.compat.names}.
"""

from __future__ import annotations

import inspect

from twisted.internet.defer import CancelledError, maybeDeferred
from twisted.internet.interfaces import IHostnameResolver, IResolver, IResolverSimple
from twisted.internet.task import Clock
from twisted.names import common, dns, error
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.compat.fakes import Fake, data, denied, nodata, question, rrset
from tests.typed import unchecked
from twisted_ext.compat.conversion.errors import (
    DNSFormatError,
    DNSNameError,
    DNSServerError,
)
from twisted_ext.compat.lookupmethods import Lookups
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadRecord, CallerFault, Closed, ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.policy.specialnames import Special
from twisted_ext.wire import rrtypes
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rdata.unknown import Unknown as UnknownRdata


class NamesTestCase(SynchronousTestCase):
    """
    A resolver, what answers for it, and a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.source = Fake()
        self.resolver = NamesResolver(self.source, self.clock)


class InterfaceTests(NamesTestCase):
    """
    Tests of what a resolver provides.
    """

    def test_provides(self) -> None:
        """
        It is everything that Twisted knows as a resolver.
        """
        for interface in (IResolver, IResolverSimple, IHostnameResolver):
            self.assertTrue(interface.providedBy(self.resolver), interface)
            self.assertTrue(verifyObject(interface, self.resolver))

    def test_signatures(self) -> None:
        """
        Every method that a resolver of Twisted's offers to callers takes the same parameters, by name and by position.
        """
        for name, method in inspect.getmembers(common.ResolverBase, inspect.isfunction):
            if not name.startswith("_") and name != "exceptionForCode":
                theirs = list(inspect.signature(method).parameters)
                ours = list(inspect.signature(getattr(NamesResolver, name)).parameters)
                self.assertEqual(ours, theirs, name)

    def test_everyType(self) -> None:
        """
        Each method asks for the type that it is named for, and there is one for every type.
        """
        asked = set()
        for name in sorted(vars(Lookups)):
            if name.startswith("lookup"):
                getattr(self.resolver, name)("a.example.").addErrback(lambda failure: None)
                asked.add(self.source.asked[-1].rrType)
        for number, method in common.typeToMethod.items():
            if number != dns.AXFR:
                getattr(self.resolver, method)("a.example.").addErrback(lambda failure: None)
                self.assertEqual(self.source.asked[-1].rrType, number)
        for number, mnemonic in list(rrtypes.TYPE_NAMES.items()):
            if (
                declarationOf(number) is not UnknownRdata
                and not rrtypes.isMeta(number)
                and number not in _NOT_ASKED_FOR
            ):
                self.assertIn(number, asked, mnemonic)

    def test_adapts(self) -> None:
        """
        What stands behind the face is had by adapting it inwards, without another layer.
        """
        self.assertIs(IAnswerSource(self.resolver), self.source)

    def test_closed(self) -> None:
        """
        Closing closes what is behind; look-ups fail then as those of a closed resolver; closing again is harmless.
        """
        self.successResultOf(self.resolver.close())
        self.successResultOf(self.resolver.close())
        failure = self.failureResultOf(self.resolver.lookupAddress("a.example"), error.ResolverError)
        self.assertIn("closed", str(failure.value))

    def test_closedWithAnswers(self) -> None:
        """
        A closed resolver gives nothing, though it be at hand, and asks nobody: no way of asking is left open.
        """
        self.source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        self.successResultOf(self.resolver.lookupAddress("a.example"))
        self.source.now = True
        self.successResultOf(self.resolver.close())
        asked = len(self.source.asked)
        for result in (
            self.resolver.lookupAddress("a.example"),
            self.resolver.getHostByName("a.example"),
            self.resolver.query(dns.Query(b"a.example", dns.A)),
            self.resolver.lookupZone("a.example"),
        ):
            self.failureResultOf(result, error.ResolverError)
        self.failureResultOf(self.resolver.ask(question("a.example."), self.resolver.contextFor()), Closed)
        self.assertIsInstance(self.successResultOf(self.resolver.explain("a.example")).fault, Closed)
        self.assertEqual(len(self.source.asked), asked)

    def test_numbersOutOfRange(self) -> None:
        """
        A type or a class that no message can hold is a fault of the caller's, in words.
        """
        failure = self.failureResultOf(self.resolver.query(dns.Query(b"a.example", 70000)), ValueError)
        self.assertIn("70000", str(failure.value))
        self.failureResultOf(self.resolver.query(dns.Query(b"a.example", dns.A, -1)), ValueError)
        self.failureResultOf(self.resolver.explain("a.example", 65536), BadRecord)


#: Superseded or experimental ones that only their number is known for.
_NOT_ASKED_FOR = tuple(map(rrtypes.typeNumber, "NXT EID NIMLOC CLA IPN ALIAS DELEG DELEGPARAM".split()))


class LookupTests(NamesTestCase):
    """
    Tests of the look-ups.
    """

    def test_later(self) -> None:
        """
        An answer that has to be waited for comes as three lists.
        """
        self.source.held = True
        self.source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        looking = self.resolver.lookupAddress("a.example")
        self.assertNoResult(looking)
        self.source.release("A")
        answers, authority, additional = self.successResultOf(looking)
        self.assertEqual((str(answers[0].payload), authority, additional), ("<A address=192.0.2.1 ttl=300>", [], []))

    def test_now(self) -> None:
        """
        An answer at hand is there at once; nothing is waited for, no timer set.
        """
        self.source.now = True
        self.source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        for _ in range(2):
            result = self.successResultOf(self.resolver.lookupAddress("a.example"))
            self.assertEqual(len(result[0]), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.source.asked), 2)

    def test_bothWaysAgree(self) -> None:
        """
        Whether an answer is at hand or comes later makes no difference to what the caller gets.
        """
        self.source.knows("a.example.", "MX", data(rrset("a.example.", "MX", "1 b.example.")))
        self.source.knows("b.example.", "MX", nodata())
        self.source.knows("c.example.", "MX", denied())
        self.source.knows("d.example.", "MX", ServerFailed("no", rcode=5))
        seen: list[list[str]] = []
        for now in (False, True):
            self.source.now = now
            outcomes: list[str] = []
            for name in ("a", "b", "c", "d"):
                looking = self.resolver.lookupMailExchange(f"{name}.example")
                looking.addCallbacks(repr, lambda failure: type(failure.value).__name__).addCallback(outcomes.append)
            seen.append(outcomes)
        self.assertEqual(seen[0], seen[1])
        self.assertEqual(seen[0][2:], ["DNSNameError", "DNSQueryRefusedError"])

    def test_noData(self) -> None:
        """
        A name without such records gives empty answers, with the SOA record among the authority, as from Twisted.
        """
        self.source.knows("a.example.", "MX", nodata())
        result = self.successResultOf(self.resolver.lookupMailExchange("a.example"))
        self.assertEqual(result[0], [])
        self.assertEqual(result[1][0].type, dns.SOA)

    def test_aliases(self) -> None:
        """
        Aliases on the way are among the answers, first.
        """
        self.source.knows(
            "a.example.", "A", data(rrset("a.example.", "CNAME", "b.example."), rrset("b.example.", "A", "192.0.2.1"))
        )
        answers, _, _ = self.successResultOf(self.resolver.lookupAddress("a.example"))
        self.assertEqual([header.type for header in answers], [dns.CNAME, dns.A])

    def test_names(self) -> None:
        """
        Names are taken as text, as octets and in other scripts; a final dot says that the name is whole.
        """
        for name, wire, relative in (
            ("www.example", b"\x03www\x07example\x00", True),
            (b"www.example", b"\x03www\x07example\x00", True),
            ("www.example.", b"\x03www\x07example\x00", False),
            (b"www.example.", b"\x03www\x07example\x00", False),
            ("b\u00fccher.example", nameFromText("xn--bcher-kva.example"), True),
            ("b\u00fccher\u3002example\u3002", nameFromText("xn--bcher-kva.example"), False),
            ("a\\.b.example", b"\x03a.b\x07example\x00", True),
            ("example\\.", b"\x08example.\x00", True),
            ("example\\\\.", b"\x08example\\\x00", False),
            ("", b"\x00", False),
            (".", b"\x00", False),
        ):
            for _ in range(2):
                self.resolver.lookupAddress(name).addErrback(lambda failure: None)
                self.assertEqual(self.source.asked[-1].name, wire, name)
                self.assertIs(self.source.contexts[-1].relative, relative, name)

    def test_badNames(self) -> None:
        """
        A name that is none fails in one line, and nothing is asked.
        """
        for name in ("a..b", "x" * 64, "a.\\999", ".a"):
            failure = self.failureResultOf(self.resolver.lookupAddress(name), DNSFormatError)
            self.assertIsInstance(failure.value, ValueError)
            self.assertNotIn("\n", str(failure.value))
        for wrong in (None, 5, dns.Name(b"a"), ["a"], bytearray(b"a")):
            refused = self.failureResultOf(unchecked(self.resolver.lookupAddress)(wrong), TypeError)
            self.assertIn("write it as text", str(refused.value))
        self.assertEqual(self.source.asked, [])

    def test_questionsBounded(self) -> None:
        """
        A resolver does not remember every name that it was ever asked for.
        """
        self.resolver._mostQuestions = 10
        for number in range(100):
            self.resolver.lookupAddress(f"h{number}.example").addErrback(lambda failure: None)
            self.assertLessEqual(len(self.resolver._questions), 10)

    def test_cancelled(self) -> None:
        """
        Cancelling a look-up ends the work behind it.
        """
        self.source.held = True
        looking = self.resolver.lookupAddress("a.example")
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(self.source.cancelled, [question("a.example.")])

    def test_errors(self) -> None:
        """
        What a caller catches is Twisted's, and names what was looked up.
        """
        self.source.knows("a.example.", "A", denied())
        failure = self.failureResultOf(self.resolver.lookupAddress("a.example"), DNSNameError)
        self.assertIn("a.example", str(failure.value))
        self.source.knows(
            "a.example.", "AAAA", ServerFailed("192.0.2.53:53 answered SERVFAIL", server="192.0.2.53:53", rcode=2)
        )
        failed = self.failureResultOf(self.resolver.lookupIPV6Address("a.example"), DNSServerError)
        self.assertEqual(str(failed.value), "a.example: 192.0.2.53:53 answered SERVFAIL")
        self.failureResultOf(self.resolver.lookupText("a.example"), error.DomainError)


class TimeoutTests(NamesTestCase):
    """
    Tests of deadlines.
    """

    def context(self, timeout: object) -> tuple[float, tuple[float, ...] | None]:
        """
        @return: seconds left and waits of a look-up with this timeout.
        """
        unchecked(self.resolver.lookupAddress)("a.example", timeout).addErrback(lambda failure: None)
        context = self.source.contexts[-1]
        return context.deadline - self.clock.seconds(), context.waits

    def test_forms(self) -> None:
        """
        A number is the deadline; a sequence says how long to wait for each attempt, and its sum is the deadline.
        """
        self.clock.advance(100)
        self.assertEqual(self.context(None), (5.0, None))
        self.assertEqual(self.context(()), (5.0, None))
        self.assertEqual(self.context(2), (2.0, None))
        self.assertEqual(self.context(0.5), (0.5, None))
        self.assertEqual(self.context((1, 3, 11, 45)), (60.0, (1.0, 3.0, 11.0, 45.0)))
        self.assertEqual(self.context([1]), (1.0, (1.0,)))

    def test_default(self) -> None:
        """
        A resolver can have a timeout of its own for look-ups that bring none.
        """
        self.resolver = NamesResolver(self.source, self.clock, timeout=(1, 2))
        self.assertEqual(self.context(None), (3.0, (1.0, 2.0)))
        self.assertEqual(self.context(()), (3.0, (1.0, 2.0)))
        self.assertEqual(self.context(7), (7.0, None))

    def test_bounded(self) -> None:
        """
        No look-up takes longer than ten minutes, whatever is asked for.
        """
        self.assertEqual(self.context(1e9)[0], 600.0)

    def test_wrong(self) -> None:
        """
        What is no timeout is an error that says so.
        """
        for timeout in ("5s", -1, (1, -1), float("nan"), (1, None), object()):
            looking = unchecked(self.resolver.lookupAddress)("a.example", timeout)
            failure = self.failureResultOf(looking, ValueError)
            self.assertIn("timeout", str(failure.value))
            self.assertNotIsInstance(failure.value, DNSFormatError)
        with self.assertRaises(CallerFault):
            NamesResolver(self.source, self.clock, timeout=-1)

    def test_wrongAtHand(self) -> None:
        """
        It is the same error where the answer is at hand.
        """
        resolver = NamesResolver(Special(), self.clock)
        for timeout in ("5s", -1, (1, -1), float("nan")):
            told: list[tuple[object, str]] = []
            for each, name in ((resolver, "localhost"), (self.resolver, "a.example")):
                for looking in (
                    maybeDeferred(unchecked(each.lookupAddress), name, timeout),
                    maybeDeferred(unchecked(each.query), dns.Query(name, dns.A), timeout),
                    maybeDeferred(unchecked(each.getHostByName), name, timeout),
                    maybeDeferred(unchecked(each.getaddrinfo), name, 80, timeout=timeout),
                ):
                    error = self.failureResultOf(looking).value
                    told.append((type(error), str(error)))
            self.assertEqual(told[:4], told[4:])
            failure = self.failureResultOf(maybeDeferred(unchecked(resolver.getHostByName), "192.0.2.1", timeout))
            self.assertIs(failure.type, told[0][0])
            self.assertTrue(all("timeout" in text for _, text in told))
        self.successResultOf(resolver.lookupAddress("localhost", 1))


class QueryTests(NamesTestCase):
    """
    Tests of C{query}.
    """

    def test_anyType(self) -> None:
        """
        A query for any type, in any class, is asked as it is, without a search list.
        """
        for rrType, rrClass in ((dns.A, dns.IN), (65280, dns.IN), (dns.TXT, dns.CH), (dns.ALL_RECORDS, dns.IN)):
            self.resolver.query(dns.Query("a.example", rrType, rrClass)).addErrback(lambda failure: None)
            asked = self.source.asked[-1]
            self.assertEqual((asked.name, asked.rrType, asked.rrClass), (b"\x01a\x07example\x00", rrType, rrClass))
            self.assertFalse(self.source.contexts[-1].relative)

    def test_now(self) -> None:
        """
        Answers at hand are given at once.
        """
        self.source.now = True
        self.source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        self.assertEqual(len(self.successResultOf(self.resolver.query(dns.Query("a.example")))[0]), 1)
        self.source.knows("a.example.", "A", denied())
        self.failureResultOf(self.resolver.query(dns.Query("a.example")), error.DNSNameError)

    def test_badName(self) -> None:
        """
        A query for a name that is none fails.
        """
        self.failureResultOf(self.resolver.query(dns.Query(b"a..b")), DNSFormatError)


class ReprTests(NamesTestCase):
    """
    Tests of how a resolver is shown.
    """

    def test_repr(self) -> None:
        """
        A resolver names what answers for it.
        """
        self.assertIn("Fake", repr(self.resolver))
