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
from twisted_ext.compat.conversion.errors import DNSFormatError, DNSNameError, DNSServerError
from twisted_ext.compat.lookupmethods import Lookups
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import BadRecord, CallerFault, Closed, ServerFailed
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.local.specialnames import Special
from twisted_ext.wire import rrtypes
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.fieldtypes import Unknown as UnknownRdata
from twisted_ext.wire.rdata.registry import declarationOf


class NamesTestCase(SynchronousTestCase):
    """
    A resolver, the source of its answers, and a clock.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.source = Fake()
        self.resolver = NamesResolver(self.source, self.clock)


class InterfaceTests(NamesTestCase):
    """
    Tests of the interfaces of a resolver.
    """

    def test_providesResolverInterfaces(self) -> None:
        """
        The resolver provides every resolver interface of Twisted.
        """
        for interface in (IResolver, IResolverSimple, IHostnameResolver):
            self.assertTrue(interface.providedBy(self.resolver), interface)
            self.assertTrue(verifyObject(interface, self.resolver))

    def test_signaturesMatchTwisted(self) -> None:
        """
        Every public method of Twisted's resolvers takes the same parameters here, by name and by position.
        """
        for name, method in inspect.getmembers(common.ResolverBase, inspect.isfunction):
            if not name.startswith("_") and name != "exceptionForCode":
                theirs = list(inspect.signature(method).parameters)
                ours = list(inspect.signature(getattr(NamesResolver, name)).parameters)
                self.assertEqual(ours, theirs, name)

    def test_everyTypeHasAMethod(self) -> None:
        """
        Each method looks up the type in its name, and every type has a method.
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

    def test_adaptsToItsSource(self) -> None:
        """
        Adapting the resolver to an answer source returns its own source, without another layer.
        """
        self.assertIs(IAnswerSource(self.resolver), self.source)

    def test_closedResolverFailsLookups(self) -> None:
        """
        Closing closes the source and fails later look-ups. A second close does nothing.
        """
        self.successResultOf(self.resolver.close())
        self.successResultOf(self.resolver.close())
        failure = self.failureResultOf(self.resolver.lookupAddress("a.example"), error.ResolverError)
        self.assertIn("closed", str(failure.value))

    def test_closedResolverGivesNoCachedAnswer(self) -> None:
        """
        A closed resolver gives no answer by any method, not even one that is cached, and does not query its source.
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
        self.failureResultOf(self.resolver.lookUp(question("a.example."), self.resolver.contextFor()), Closed)
        self.assertIsInstance(self.successResultOf(self.resolver.explain("a.example")).fault, Closed)
        self.assertEqual(len(self.source.asked), asked)

    def test_outOfRangeTypeIsRefused(self) -> None:
        """
        A type or class that does not fit into 16 bits is an error that names it.
        """
        failure = self.failureResultOf(self.resolver.query(dns.Query(b"a.example", 70000)), ValueError)
        self.assertIn("70000", str(failure.value))
        self.failureResultOf(self.resolver.query(dns.Query(b"a.example", dns.A, -1)), ValueError)
        self.failureResultOf(self.resolver.explain("a.example", 65536), BadRecord)


#: Superseded or experimental types of which only the number is known.
_NOT_ASKED_FOR = tuple(map(rrtypes.typeNumber, "NXT EID NIMLOC CLA IPN ALIAS DELEG DELEGPARAM".split()))


class LookupTests(NamesTestCase):
    """
    Tests of the look-ups.
    """

    def test_pendingAnswerComesAsLists(self) -> None:
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

    def test_immediateAnswerSetsNoTimer(self) -> None:
        """
        An immediate answer fires at once and sets no timer.
        """
        self.source.now = True
        self.source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        for _ in range(2):
            result = self.successResultOf(self.resolver.lookupAddress("a.example"))
            self.assertEqual(len(result[0]), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.source.asked), 2)

    def test_immediateAndLateResultsAgree(self) -> None:
        """
        A caller gets the same result from an immediate and from a late answer.
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

    def test_noDataGivesSOA(self) -> None:
        """
        A name without such records gives no answers and the SOA record in the authority section, as in Twisted.
        """
        self.source.knows("a.example.", "MX", nodata())
        result = self.successResultOf(self.resolver.lookupMailExchange("a.example"))
        self.assertEqual(result[0], [])
        self.assertEqual(result[1][0].type, dns.SOA)

    def test_aliasesComeFirst(self) -> None:
        """
        Aliases come first among the answers.
        """
        self.source.knows(
            "a.example.", "A", data(rrset("a.example.", "CNAME", "b.example."), rrset("b.example.", "A", "192.0.2.1"))
        )
        answers, _, _ = self.successResultOf(self.resolver.lookupAddress("a.example"))
        self.assertEqual([header.type for header in answers], [dns.CNAME, dns.A])

    def test_nameForms(self) -> None:
        """
        Names can be text, octets or internationalized. A final dot makes a name absolute.
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

    def test_invalidNameIsNotLookedUp(self) -> None:
        """
        An invalid name fails with a one-line error and is not looked up.
        """
        for name in ("a..b", "x" * 64, "a.\\999", ".a"):
            failure = self.failureResultOf(self.resolver.lookupAddress(name), DNSFormatError)
            self.assertIsInstance(failure.value, ValueError)
            self.assertNotIn("\n", str(failure.value))
        for wrong in (None, 5, dns.Name(b"a"), ["a"], bytearray(b"a")):
            refused = self.failureResultOf(unchecked(self.resolver.lookupAddress)(wrong), TypeError)
            self.assertIn("write it as text", str(refused.value))
        self.assertEqual(self.source.asked, [])

    def test_questionMemoIsBounded(self) -> None:
        """
        The memo of parsed questions does not exceed its limit.
        """
        lookups = self.resolver._lookups
        lookups.mostQuestions = 10
        for number in range(100):
            self.resolver.lookupAddress(f"h{number}.example").addErrback(lambda failure: None)
            self.assertLessEqual(len(lookups.questions), 10)

    def test_cancelReachesTheSource(self) -> None:
        """
        Canceling a look-up cancels the query to the source.
        """
        self.source.held = True
        looking = self.resolver.lookupAddress("a.example")
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(self.source.cancelled, [question("a.example.")])

    def test_errorsNameTheName(self) -> None:
        """
        Callers catch Twisted's exceptions, and the text names what was looked up.
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
    Tests of timeouts.
    """

    def context(self, timeout: object) -> tuple[float, tuple[float, ...] | None]:
        """
        Return the seconds left and the waits of a look-up with this timeout.
        """
        unchecked(self.resolver.lookupAddress)("a.example", timeout).addErrback(lambda failure: None)
        context = self.source.contexts[-1]
        return context.deadline - self.clock.seconds(), context.waits

    def test_numberAndSequenceTimeouts(self) -> None:
        """
        A number is the deadline. A sequence gives the wait of each attempt, and its sum is the deadline.
        """
        self.clock.advance(100)
        self.assertEqual(self.context(None), (5.0, None))
        self.assertEqual(self.context(()), (5.0, None))
        self.assertEqual(self.context(2), (2.0, None))
        self.assertEqual(self.context(0.5), (0.5, None))
        self.assertEqual(self.context((1, 3, 11, 45)), (60.0, (1.0, 3.0, 11.0, 45.0)))
        self.assertEqual(self.context([1]), (1.0, (1.0,)))

    def test_resolverTimeoutIsTheDefault(self) -> None:
        """
        A resolver's own timeout applies to look-ups without one.
        """
        self.resolver = NamesResolver(self.source, self.clock, timeout=(1, 2))
        self.assertEqual(self.context(None), (3.0, (1.0, 2.0)))
        self.assertEqual(self.context(()), (3.0, (1.0, 2.0)))
        self.assertEqual(self.context(7), (7.0, None))

    def test_timeoutIsAtMostTenMinutes(self) -> None:
        """
        No look-up takes longer than ten minutes.
        """
        self.assertEqual(self.context(1e9)[0], 600.0)

    def test_invalidTimeoutIsRefused(self) -> None:
        """
        An invalid timeout is an error that names it.
        """
        for timeout in ("5s", -1, (1, -1), float("nan"), (1, None), object()):
            looking = unchecked(self.resolver.lookupAddress)("a.example", timeout)
            failure = self.failureResultOf(looking, ValueError)
            self.assertIn("timeout", str(failure.value))
            self.assertNotIsInstance(failure.value, DNSFormatError)
        with self.assertRaises(CallerFault):
            NamesResolver(self.source, self.clock, timeout=-1)

    def test_invalidTimeoutFailsImmediateAnswers(self) -> None:
        """
        An invalid timeout is the same error where the answer is immediate.
        """
        resolver = NamesResolver(Special(), self.clock)
        for timeout in ("5s", -1, (1, -1), float("nan")):
            errors: list[tuple[object, str]] = []
            for each, name in ((resolver, "localhost"), (self.resolver, "a.example")):
                for looking in (
                    maybeDeferred(unchecked(each.lookupAddress), name, timeout),
                    maybeDeferred(unchecked(each.query), dns.Query(name, dns.A), timeout),
                    maybeDeferred(unchecked(each.getHostByName), name, timeout),
                    maybeDeferred(unchecked(each.getaddrinfo), name, 80, timeout=timeout),
                ):
                    error = self.failureResultOf(looking).value
                    errors.append((type(error), str(error)))
            self.assertEqual(errors[:4], errors[4:])
            failure = self.failureResultOf(maybeDeferred(unchecked(resolver.getHostByName), "192.0.2.1", timeout))
            self.assertIs(failure.type, errors[0][0])
            self.assertTrue(all("timeout" in text for _, text in errors))
        self.successResultOf(resolver.lookupAddress("localhost", 1))


class QueryTests(NamesTestCase):
    """
    Tests of C{query}.
    """

    def test_queryKeepsTypeAndClass(self) -> None:
        """
        A query for any type and class is sent as it is, without a search list.
        """
        for rrType, rrClass in ((dns.A, dns.IN), (65280, dns.IN), (dns.TXT, dns.CH), (dns.ALL_RECORDS, dns.IN)):
            self.resolver.query(dns.Query("a.example", rrType, rrClass)).addErrback(lambda failure: None)
            asked = self.source.asked[-1]
            self.assertEqual((asked.name, asked.rrType, asked.rrClass), (b"\x01a\x07example\x00", rrType, rrClass))
            self.assertFalse(self.source.contexts[-1].relative)

    def test_queryGivesImmediateAnswers(self) -> None:
        """
        C{query} fires at once with immediate answers.
        """
        self.source.now = True
        self.source.knows("a.example.", "A", data(rrset("a.example.", "A", "192.0.2.1")))
        self.assertEqual(len(self.successResultOf(self.resolver.query(dns.Query("a.example")))[0]), 1)
        self.source.knows("a.example.", "A", denied())
        self.failureResultOf(self.resolver.query(dns.Query("a.example")), error.DNSNameError)

    def test_queryWithInvalidNameFails(self) -> None:
        """
        A query for an invalid name fails.
        """
        self.failureResultOf(self.resolver.query(dns.Query(b"a..b")), DNSFormatError)


class ReprTests(NamesTestCase):
    """
    Tests of a resolver's C{repr}.
    """

    def test_reprNamesTheSource(self) -> None:
        """
        The C{repr} names the source of the answers.
        """
        self.assertIn("Fake", repr(self.resolver))
