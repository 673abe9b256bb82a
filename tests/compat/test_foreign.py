"""
Tests of L{twisted_ext.compat.foreign} and L{twisted_ext.compat.adapters}.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, fail, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import IHostnameResolver, IResolver, IResolverSimple
from twisted.internet.task import Clock
from twisted.names import dns, error
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.compat.fakes import Fake, data, denied, question, rrset
from tests.typed import ResolverBase, newA, newHosts, newNS, newNULL, newSOA
from twisted_ext.answers import Answer, Outcome, QueryContext, Question, Trace
from twisted_ext.compat import adapters
from twisted_ext.compat.foreign import NamesSource, setsFrom
from twisted_ext.compat.names import NamesResolver
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.errors import BadMessage, CallerFault, Closed, DNSFault, ServerFailed, TimedOut, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.codes import AA

Lists = tuple[Sequence[dns.RRHeader], Sequence[dns.RRHeader], Sequence[dns.RRHeader]]


class ForeignResolver(ResolverBase):
    """
    A resolver that implements the interface of twisted.names.
    """

    def __init__(self, outcome: object) -> None:
        super().__init__()
        self.outcome = outcome
        self.asked: list[tuple[bytes, int, int, Sequence[float]]] = []

    def _lookup(self, name: bytes, cls: int, type: int, timeout: Sequence[float]) -> Deferred[object]:
        self.asked.append((name, cls, type, timeout))
        if isinstance(self.outcome, Deferred):
            return self.outcome
        return fail(self.outcome) if isinstance(self.outcome, BaseException) else succeed(self.outcome)


class QueriesOnly:
    """
    A resolver with a C{query} method only.
    """

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def query(self, query: dns.Query, timeout: Sequence[float]) -> object:
        """
        Return the outcome without a Deferred, as some resolvers do.
        """
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@implementer(IResolverSimple)
class Simple:
    """
    A resolver that finds addresses only.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def getHostByName(self, name: str, timeout: Sequence[int] = ()) -> Deferred[str]:
        if name == "a.example":
            return succeed(self.address)
        return fail(DNSLookupError(name))


def record(name: str, text: str, ttl: int = 60, auth: bool = False) -> dns.RRHeader:
    """
    Return an A record of twisted.names.
    """
    return dns.RRHeader(name, dns.A, ttl=ttl, payload=newA(text, ttl), auth=auth)


class NamesSourceTests(SynchronousTestCase):
    """
    Tests of L{NamesSource}.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    def ask(
        self, resolver: object, asked: Question | None = None, seconds: float = 5, trace: Trace | None = None
    ) -> Deferred[Answer]:
        """
        Look up a question with a L{NamesSource} around the resolver.
        """
        self.source = NamesSource(resolver, self.clock)
        return lookUp(
            self.source,
            asked or question("a.example."), QueryContext(self.clock.seconds() + seconds, trace=trace)
        )

    def test_isAnAnswerSource(self) -> None:
        """
        The adapter is an answer source without immediate answers and without inner sources.
        """
        source = NamesSource(ForeignResolver(None), self.clock)
        self.assertTrue(verifyObject(IAnswerSource, source))
        self.assertIsNone(atHand(source, question("a."), QueryContext(1)))
        self.assertEqual(source.sources(), ())
        self.assertIn("ForeignResolver", repr(source))

    def test_recordListsBecomeAnAnswer(self) -> None:
        """
        Three lists of records become an answer with the same records.
        """
        trace = Trace()
        theirs = ForeignResolver(([record("A.example", "192.0.2.1", auth=True), record("a.example", "192.0.2.2")], [], []))
        answer = self.successResultOf(self.ask(theirs, trace=trace))
        self.assertIs(answer.outcome, Outcome.DATA)
        self.assertEqual(answer.answer, (rrset("a.example.", "A", "192.0.2.1", "192.0.2.2", ttl=60),))
        self.assertEqual(answer.flags & AA, AA)
        assert answer.origin is not None
        self.assertEqual(answer.origin.source, "names")
        self.assertEqual([note.source for note in trace.notes], ["names"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_emptyListsMeanNoData(self) -> None:
        """
        Empty lists mean that the name has no such records.
        """
        self.assertIs(self.successResultOf(self.ask(ForeignResolver(([], [], [])))).outcome, Outcome.NODATA)
        self.assertIs(self.successResultOf(self.ask(QueriesOnly(((), (), ())))).outcome, Outcome.NODATA)

    def test_resolverGetsNameAndWaits(self) -> None:
        """
        The resolver gets the name as octets without a final dot, and waits that add up to the time left.
        """
        theirs = ForeignResolver(([], [], []))
        self.successResultOf(self.ask(theirs, question("www.example.", "MX"), 20))
        ((name, cls, rrType, waits),) = theirs.asked
        self.assertEqual((name, cls, rrType), (b"www.example", dns.IN, dns.MX))
        self.assertEqual(list(waits), [1, 3, 9, 7])
        self.successResultOf(self.ask(theirs, question("."), 0.5))
        self.assertEqual(theirs.asked[-1][0], b"")
        self.assertEqual(list(theirs.asked[-1][3]), [0.5])
        lookUp(self.source, question("x."), QueryContext(5, waits=(2, 2)))
        self.assertEqual(list(theirs.asked[-1][3]), [2, 2])

    def test_ownAnswersPassUnchanged(self) -> None:
        """
        Answers of this package's resolvers pass through unchanged.
        """
        inner = Fake()
        inner.knows("a.example.", "A", known := data(rrset("a.example.", "A", "192.0.2.1")))
        self.assertIs(self.successResultOf(self.ask(NamesResolver(inner, self.clock))), known)
        inner.knows("a.example.", "A", refusing := denied())
        self.assertIs(self.successResultOf(self.ask(NamesResolver(inner, self.clock))), refusing)

    def test_nameErrorBecomesNXDOMAIN(self) -> None:
        """
        DNSNameError is an NXDOMAIN answer, with the records of the reply that twisted.names puts into the exception.
        """
        reply = dns.Message(rCode=3)
        soa = newSOA(b"ns", b"host", 1, 2, 3, 4, 5)
        reply.authority = [dns.RRHeader(b"example", dns.SOA, ttl=60, payload=soa)]
        answer = self.successResultOf(self.ask(ForeignResolver(error.DNSNameError(reply))))
        self.assertIs(answer.outcome, Outcome.NXDOMAIN)
        self.assertEqual([rrset.rrType for rrset in answer.authority], [dns.SOA])
        self.assertIs(self.successResultOf(self.ask(ForeignResolver(error.DNSNameError()))).outcome, Outcome.NXDOMAIN)

    def test_failureIsNeverADenial(self) -> None:
        """
        A failed look-up is never taken for a denial.
        """
        for raised, kind in (
            (error.DNSServerError(), ServerFailed),
            (error.DomainError("x"), Unknown),
            (TimeoutError(), TimedOut),
            (KeyError("bug"), ServerFailed),
        ):
            for theirs in (ForeignResolver(raised), QueriesOnly(raised)):
                fault = self.failureResultOf(self.ask(theirs), kind).value
                self.assertIs(fault.__cause__, raised)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)

    def test_mistakesAreLogged(self) -> None:
        """
        An exception that is not about a look-up is logged with its traceback, once for each place, and its text is not in the fault.
        """

        class Mistaken(QueriesOnly):
            def query(self, query: dns.Query, timeout: Sequence[float]) -> object:
                raise KeyError("password=hunter2")

        source = NamesSource(Mistaken(None), self.clock)
        for _ in range(3):
            failure = self.failureResultOf(lookUp(source, question("a.example."), QueryContext(5)), ServerFailed)
            self.assertEqual(str(failure.value), "internal error")
        (logged,) = self.flushLoggedErrors(KeyError)
        self.assertIn("hunter2", logged.getTraceback())

    def test_recordWithoutPayload(self) -> None:
        """
        A record without payload is one without data, as in Twisted.
        """
        bare = dns.RRHeader(b"a.example", dns.TXT, ttl=60)
        answer = self.successResultOf(self.ask(QueriesOnly(([bare], [], [])), question("a.example.", "TXT")))
        self.assertEqual([(rrset.ttl, rrset.rdatas) for rrset in answer.answer], [(60, (b"",))])

    def test_malformedResultIsAFault(self) -> None:
        """
        A result that is not three lists of records is a fault.
        """
        cases: list[object] = [None, 5, ([], []), ([None], [], []), (["hunter2"], [], []), "hunter2"]
        for nonsense in cases:
            fault = self.failureResultOf(self.ask(QueriesOnly(nonsense)), DNSFault).value
            self.assertNotIn("hunter2", str(fault))

    def test_silentResolverTimesOut(self) -> None:
        """
        A resolver that never answers is canceled at the deadline.
        """
        cancelled: list[object] = []
        asking = self.ask(ForeignResolver(Deferred(cancelled.append)))
        self.clock.advance(4.9)
        self.assertNoResult(asking)
        self.clock.advance(0.1)
        self.failureResultOf(asking, TimedOut)
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noQueryAfterTheDeadline(self) -> None:
        """
        The resolver is not queried when no time is left.
        """
        theirs = ForeignResolver(([], [], []))
        self.failureResultOf(self.ask(theirs, seconds=0), TimedOut)
        self.assertEqual(theirs.asked, [])

    def test_cancelReachesTheResolver(self) -> None:
        """
        Canceling the look-up cancels the resolver's Deferred.
        """
        cancelled: list[object] = []
        asking = self.ask(ForeignResolver(Deferred(cancelled.append)))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closeFailsLookups(self) -> None:
        """
        Closing fails pending and later look-ups and leaves no timer.
        """
        asking = self.ask(ForeignResolver(Deferred()))
        self.successResultOf(self.source.close())
        self.failureResultOf(asking, Closed)
        self.successResultOf(self.source.close())
        self.failureResultOf(lookUp(self.source, question("a."), QueryContext(5)), Closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_unsupportedQuestionIsNotSent(self) -> None:
        """
        A name that twisted.names would misread is not looked up, and neither is a class other than IN.
        """
        theirs = ForeignResolver(([], [], []))
        self.failureResultOf(self.ask(theirs, question("a\\.b.example.")), Unknown)
        self.failureResultOf(self.ask(theirs, Question(b"\x01a\x00", dns.TXT, dns.CH)), Unknown)
        self.assertEqual(theirs.asked, [])

    def test_simpleResolverFindsAddresses(self) -> None:
        """
        A resolver that finds addresses only answers A and AAAA questions.
        """
        answer = self.successResultOf(self.ask(Simple("192.0.2.1")))
        self.assertEqual(answer.answer[0].rdatas, (b"\xc0\x00\x02\x01",))
        answer = self.successResultOf(self.ask(Simple("fe80::1%eth0"), question("a.example.", "AAAA")))
        self.assertEqual(len(answer.answer[0].rdatas[0]), 16)
        self.failureResultOf(self.ask(Simple("::1")), Unknown)
        self.failureResultOf(self.ask(Simple("192.0.2.1"), question("a.example.", "MX")), Unknown)
        self.failureResultOf(self.ask(Simple("192.0.2.1"), question("b.example.")), Unknown)

    def test_nonResolverIsRefused(self) -> None:
        """
        An object that is not a resolver is refused.
        """
        with self.assertRaises(CallerFault):
            NamesSource(object(), self.clock)

    def test_twistedHostsResolverWorks(self) -> None:
        """
        The hosts file resolver of twisted.names works as a source.
        """
        path = Path(self.mktemp())
        path.write_text("192.0.2.1 a.example\n")
        resolver = newHosts(str(path).encode())
        self.assertEqual(self.successResultOf(self.ask(resolver)).answer[0].rdatas, (b"\xc0\x00\x02\x01",))
        self.failureResultOf(self.ask(resolver, question("b.example.")), Unknown)

    def test_ownResolverOverTheNetwork(self) -> None:
        """
        A resolver of this package, used as a foreign one, works over a network.
        """
        network = MemoryNetwork()
        here = network.reactor()
        server = CannedServer({("a.example", "A"): "192.0.2.1"})
        where = server.listen(network.reactor("192.0.2.53"))
        source = NamesSource(Resolver(servers=[(where.address, 53)], reactor=here), here)
        asking = lookUp(source, question("a.example."), QueryContext(here.seconds() + 5))
        network.advance(1)
        self.assertEqual(self.successResultOf(asking).answer[0].rdatas, (b"\xc0\x00\x02\x01",))


class SetsTests(SynchronousTestCase):
    """
    Tests of L{setsFrom}.
    """

    def test_recordsAreGroupedIntoSets(self) -> None:
        """
        Records of one name and type form a set with the lowest of their TTLs; OPT records are left out.
        """
        opt = dns.RRHeader(b"", dns.OPT, payload=None)
        sets = setsFrom([record("a", "192.0.2.1", 9), opt, record("b", "192.0.2.1"), record("A", "192.0.2.2", 5)])
        self.assertEqual(
            [(rrset.name, rrset.ttl, len(rrset.rdatas)) for rrset in sets],
            [(b"\x01a\x00", 5, 2), (b"\x01b\x00", 60, 1)],
        )

    def test_malformedRecordIsAFault(self) -> None:
        """
        A record that cannot be encoded is a fault.
        """
        longName = dns.RRHeader(b"a", dns.NS, payload=newNS(b"x" * 64))
        unset = dns.RRHeader(b"a", dns.NULL, payload=newNULL())
        badOwner = dns.RRHeader(b"a..b", dns.A, payload=newA())
        for header in (longName, unset, badOwner):
            with self.assertRaises(DNSFault):
                setsFrom([header])
        with self.assertRaises(BadMessage):
            setsFrom([longName])


class AdapterTests(SynchronousTestCase):
    """
    Tests of the zope.interface adapters.
    """

    def test_foreignResolverAdaptsToSource(self) -> None:
        """
        A foreign resolver adapts to an answer source.
        """
        theirs = ForeignResolver(None)
        source = IAnswerSource(theirs)
        assert isinstance(source, NamesSource)
        self.assertIs(source.resolver, theirs)
        self.assertIsInstance(IAnswerSource(Simple("")), NamesSource)

    def test_sourceAdaptsToResolver(self) -> None:
        """
        An answer source adapts to each interface of a resolver.
        """
        source = Fake()
        for interface in (IResolver, IResolverSimple, IHostnameResolver):
            resolver = interface(source)
            assert isinstance(resolver, NamesResolver)
            self.assertIs(resolver.source, source)
        self.assertIn("resolverFromSource", adapters.__all__)
