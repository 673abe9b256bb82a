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
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.codes import AA

Lists = tuple[Sequence[dns.RRHeader], Sequence[dns.RRHeader], Sequence[dns.RRHeader]]


class Theirs(ResolverBase):
    """
    A resolver written for twisted.names.
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
    A resolver that has C{query} and nothing else.
    """

    def __init__(self, outcome: object) -> None:
        self.outcome = outcome

    def query(self, query: dns.Query, timeout: Sequence[float]) -> object:
        """
        Give it without a Deferred, as some do.
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
    @return: an A record of Twisted's.
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
        Ask a resolver.
        """
        self.source = NamesSource(resolver, self.clock)
        return self.source.answer(
            asked or question("a.example."), QueryContext(self.clock.seconds() + seconds, trace=trace)
        )

    def test_provides(self) -> None:
        """
        It is an answer source, never has anything at hand, and asks nobody of ours.
        """
        source = NamesSource(Theirs(None), self.clock)
        self.assertTrue(verifyObject(IAnswerSource, source))
        self.assertIsNone(source.answerNow(question("a."), QueryContext(1)))
        self.assertEqual(source.sources(), ())
        self.assertIn("Theirs", repr(source))

    def test_answer(self) -> None:
        """
        Three lists of records become an answer that says what they say.
        """
        trace = Trace()
        theirs = Theirs(([record("A.example", "192.0.2.1", auth=True), record("a.example", "192.0.2.2")], [], []))
        answer = self.successResultOf(self.ask(theirs, trace=trace))
        self.assertIs(answer.outcome, Outcome.DATA)
        self.assertEqual(answer.answer, (rrset("a.example.", "A", "192.0.2.1", "192.0.2.2", ttl=60),))
        self.assertEqual(answer.flags & AA, AA)
        assert answer.origin is not None
        self.assertEqual(answer.origin.source, "names")
        self.assertEqual([note.source for note in trace.notes], ["names"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noData(self) -> None:
        """
        Empty answers mean that there are no such data.
        """
        self.assertIs(self.successResultOf(self.ask(Theirs(([], [], [])))).outcome, Outcome.NODATA)
        self.assertIs(self.successResultOf(self.ask(QueriesOnly(((), (), ())))).outcome, Outcome.NODATA)

    def test_asked(self) -> None:
        """
        The resolver is asked as Twisted asks it: octets without a final dot, and waits that add up to the time that is left.
        """
        theirs = Theirs(([], [], []))
        self.successResultOf(self.ask(theirs, question("www.example.", "MX"), 20))
        ((name, cls, rrType, waits),) = theirs.asked
        self.assertEqual((name, cls, rrType), (b"www.example", dns.IN, dns.MX))
        self.assertEqual(list(waits), [1, 3, 9, 7])
        self.successResultOf(self.ask(theirs, question("."), 0.5))
        self.assertEqual(theirs.asked[-1][0], b"")
        self.assertEqual(list(theirs.asked[-1][3]), [0.5])
        self.source.answer(question("x."), QueryContext(5, waits=(2, 2)))
        self.assertEqual(list(theirs.asked[-1][3]), [2, 2])

    def test_ours(self) -> None:
        """
        What one of our own resolvers gives goes through unchanged.
        """
        inner = Fake()
        inner.knows("a.example.", "A", known := data(rrset("a.example.", "A", "192.0.2.1")))
        self.assertIs(self.successResultOf(self.ask(NamesResolver(inner, self.clock))), known)
        inner.knows("a.example.", "A", refusing := denied())
        self.assertIs(self.successResultOf(self.ask(NamesResolver(inner, self.clock))), refusing)

    def test_denial(self) -> None:
        """
        DNSNameError is an answer, with the records of the reply that Twisted puts in it.
        """
        reply = dns.Message(rCode=3)
        soa = newSOA(b"ns", b"host", 1, 2, 3, 4, 5)
        reply.authority = [dns.RRHeader(b"example", dns.SOA, ttl=60, payload=soa)]
        answer = self.successResultOf(self.ask(Theirs(error.DNSNameError(reply))))
        self.assertIs(answer.outcome, Outcome.NXDOMAIN)
        self.assertEqual([rrset.rrType for rrset in answer.authority], [dns.SOA])
        self.assertIs(self.successResultOf(self.ask(Theirs(error.DNSNameError()))).outcome, Outcome.NXDOMAIN)

    def test_failures(self) -> None:
        """
        That a resolver fails is never taken for a denial.
        """
        for raised, kind in (
            (error.DNSServerError(), ServerFailed),
            (error.DomainError("x"), Unknown),
            (TimeoutError(), TimedOut),
            (KeyError("bug"), ServerFailed),
        ):
            for theirs in (Theirs(raised), QueriesOnly(raised)):
                fault = self.failureResultOf(self.ask(theirs), kind).value
                self.assertIs(fault.__cause__, raised)

    def test_nonsense(self) -> None:
        """
        What is not three lists of records is a fault.
        """
        bare = dns.RRHeader(b"a")
        cases: list[object] = [None, 5, ([], []), ([None], [], []), (["x"], [], []), ([bare], [], []), "abc"]
        for nonsense in cases:
            self.failureResultOf(self.ask(QueriesOnly(nonsense)), DNSFault)

    def test_neverAnswers(self) -> None:
        """
        A resolver that never answers is waited for until the deadline, then given up.
        """
        cancelled: list[object] = []
        asking = self.ask(Theirs(Deferred(cancelled.append)))
        self.clock.advance(4.9)
        self.assertNoResult(asking)
        self.clock.advance(0.1)
        self.failureResultOf(asking, TimedOut)
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_noTimeLeft(self) -> None:
        """
        With no time left, nobody is asked.
        """
        theirs = Theirs(([], [], []))
        self.failureResultOf(self.ask(theirs, seconds=0), TimedOut)
        self.assertEqual(theirs.asked, [])

    def test_cancelled(self) -> None:
        """
        Cancelling cancels what the resolver does.
        """
        cancelled: list[object] = []
        asking = self.ask(Theirs(Deferred(cancelled.append)))
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(cancelled), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_closed(self) -> None:
        """
        Closing fails what is under way and what comes later, and leaves no timer.
        """
        asking = self.ask(Theirs(Deferred()))
        self.successResultOf(self.source.close())
        self.failureResultOf(asking, Closed)
        self.successResultOf(self.source.close())
        self.failureResultOf(self.source.answer(question("a."), QueryContext(5)), Closed)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cannotBeAsked(self) -> None:
        """
        A name that Twisted would take for another one is not asked for, nor another class.
        """
        theirs = Theirs(([], [], []))
        self.failureResultOf(self.ask(theirs, question("a\\.b.example.")), Unknown)
        self.failureResultOf(self.ask(theirs, Question(b"\x01a\x00", dns.TXT, dns.CH)), Unknown)
        self.assertEqual(theirs.asked, [])

    def test_simple(self) -> None:
        """
        Of a resolver that finds addresses only, addresses can be had.
        """
        answer = self.successResultOf(self.ask(Simple("192.0.2.1")))
        self.assertEqual(answer.answer[0].rdatas, (b"\xc0\x00\x02\x01",))
        answer = self.successResultOf(self.ask(Simple("fe80::1%eth0"), question("a.example.", "AAAA")))
        self.assertEqual(len(answer.answer[0].rdatas[0]), 16)
        self.failureResultOf(self.ask(Simple("::1")), Unknown)
        self.failureResultOf(self.ask(Simple("192.0.2.1"), question("a.example.", "MX")), Unknown)
        self.failureResultOf(self.ask(Simple("192.0.2.1"), question("b.example.")), Unknown)

    def test_noResolver(self) -> None:
        """
        What is no resolver is refused in one line.
        """
        with self.assertRaises(CallerFault):
            NamesSource(object(), self.clock)

    def test_hostsFile(self) -> None:
        """
        Twisted's own resolver of hosts files works.
        """
        path = Path(self.mktemp())
        path.write_text("192.0.2.1 a.example\n")
        resolver = newHosts(str(path).encode())
        self.assertEqual(self.successResultOf(self.ask(resolver)).answer[0].rdatas, (b"\xc0\x00\x02\x01",))
        self.failureResultOf(self.ask(resolver, question("b.example.")), Unknown)

    def test_overTheNetwork(self) -> None:
        """
        A resolver of ours that is taken for a stranger's works over a network.
        """
        network = MemoryNetwork()
        here = network.reactor()
        server = CannedServer({("a.example", "A"): "192.0.2.1"})
        where = server.listen(network.reactor("192.0.2.53"))
        source = NamesSource(Resolver(servers=[(where.address, 53)], reactor=here), here)
        asking = source.answer(question("a.example."), QueryContext(here.seconds() + 5))
        network.advance(1)
        self.assertEqual(self.successResultOf(asking).answer[0].rdatas, (b"\xc0\x00\x02\x01",))


class SetsTests(SynchronousTestCase):
    """
    Tests of L{setsFrom}.
    """

    def test_together(self) -> None:
        """
        Records of one name and type are a set, with the least of their TTLs; OPT is none of them.
        """
        opt = dns.RRHeader(b"", dns.OPT, payload=None)
        sets = setsFrom([record("a", "192.0.2.1", 9), opt, record("b", "192.0.2.1"), record("A", "192.0.2.2", 5)])
        self.assertEqual(
            [(rrset.name, rrset.ttl, len(rrset.rdatas)) for rrset in sets],
            [(b"\x01a\x00", 5, 2), (b"\x01b\x00", 60, 1)],
        )

    def test_bad(self) -> None:
        """
        A record whose octets would be no record is a fault.
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
    Tests of zope's way from one interface to the other.
    """

    def test_inward(self) -> None:
        """
        Anybody's resolver is an answer source where one is wanted.
        """
        theirs = Theirs(None)
        source = IAnswerSource(theirs)
        assert isinstance(source, NamesSource)
        self.assertIs(source.resolver, theirs)
        self.assertIsInstance(IAnswerSource(Simple("")), NamesSource)

    def test_outward(self) -> None:
        """
        An answer source is a resolver where one is wanted.
        """
        source = Fake()
        for interface in (IResolver, IResolverSimple, IHostnameResolver):
            resolver = interface(source)
            assert isinstance(resolver, NamesResolver)
            self.assertIs(resolver.source, source)
        self.assertIn("resolverFromSource", adapters.__all__)
