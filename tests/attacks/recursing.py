"""
A recursive resolver in a simulated internet, and servers that say what an attacker wants.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.recursion.replies import Meaning, Referral, glueOf, meaningOf
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.source import RecursiveSource, recursiveStack
from twisted_ext.testing.internet import Internet, NameServer
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import questionOf, rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import ROOT, isBelow, nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, NS, A

__all__ = ["ENDLESS", "RecursingTestCase", "addressesIn", "anyReferral", "boundless", "repliesWith", "serversOf"]

#: Takes the place of a limit that is switched off.
ENDLESS: Final = 10**9


def boundless() -> Work:
    """
    Return a counter without limits.
    """
    return Work(packets=ENDLESS, fetchPackets=ENDLESS, octets=ENDLESS)


def serversOf(cut: str, servers: Iterable[str], ttl: int = 3600) -> RRSet:
    """
    Return an NS set.
    """
    return RRSet(nameFromText(cut), NS, 1, ttl, tuple([nameFromText(server) for server in servers]))


def addressesIn(answer: object) -> list[str]:
    """
    Return the IPv4 addresses of an answer; an empty list for a failure.
    """
    if not isinstance(answer, Answer):
        return []
    rdatas = [rdata for rrset in answer.answer if rrset.rrType == A for rdata in rrset.rdatas]
    return [".".join([str(octet) for octet in rdata]) for rdata in rdatas]


def anyReferral(question: Question, reply: Answer, zone: bytes) -> tuple[Meaning, Referral | None]:
    """
    Do as L{meaningOf}, without its checks of the zone: a referral may lead anywhere, and no server is lame.
    """
    for rrset in reply.authority:
        if rrset.rrType == NS and rrset.name.lower() != zone and not reply.flags & AA and not reply.answer:
            glue = glueOf(rrset.rdatas, reply, ROOT)
            return Meaning.REFERRAL, Referral(rrset.name.lower(), rrset.rdatas, rrset.ttl, glue, ())
    meaning, referral = meaningOf(question, reply, zone)
    return Meaning.ANSWER if meaning is Meaning.LAME else meaning, referral


def repliesWith(
    server: NameServer, sectionsFor: Callable[[Question], Sequence[Sequence[RRSet]] | None], *, flags: int = AA, transports: str = "udp tcp"
) -> None:
    """
    Have a server reply to some questions with other sections.

    @param sectionsFor: returns answer, authority and additional section; L{None} to reply as usual.
    """

    def tamper(octets: bytes, transport: str) -> list[bytes]:
        message = Message.fromWire(octets)
        sections = sectionsFor(message.questions[0]) if transport in transports else None
        if sections is None:
            return [octets]
        answer, authority, additional = [tuple(each) for each in sections]
        made = Message(message.id, QR | flags, message.questions, answer, authority, additional, message.edns)
        return [buildMessage(made, 65_535 if transport == "tcp" else 1232)]

    server.tamper = tamper


class RecursingTestCase(SynchronousTestCase):
    """
    Tests with an internet of unsigned zones, in which a packet takes a millisecond.

    @ivar work: what the last look-up has taken.
    @ivar took: seconds that it took.
    """

    signed = False
    families: tuple[int, ...] = (4,)

    def setUp(self) -> None:
        self.internet = Internet(seed=9, signed=self.signed, families=self.families, rtt=0.002)
        self.work = Work()
        self.took = 0.0
        self._before: Counter[str] = Counter()

    def start(self, *, usable: Callable[[str], bool] | None = None) -> CachedSource:
        """
        Start a resolver that knows nothing but the root.
        """
        internet = self.internet
        self.here: MemoryReactor = internet.reactor()
        validator = None
        if self.signed:
            anchors = ZoneAnchors(b"\x00", tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()]), ())
            validator = Validator(lambda name, now: anchors)
        pool = ServerPool(self.here, usable=usable)
        self.source = recursiveStack(self.here, rootFromText(internet.hints, "hints"), validator=validator, pool=pool, today=internet.time)
        return self.source

    @property
    def recursive(self) -> RecursiveSource:
        """
        The source that sends the queries.
        """
        (found,) = behind(self.source, RecursiveSource)
        return found

    def ask(self, name: str, rrType: str = "A", *, work: Work | None = None, seconds: float = 7.0) -> Deferred[Answer]:
        """
        Begin a look-up.
        """
        self.work = Work() if work is None else work
        context = QueryContext(self.internet.network.clock.seconds() + seconds, budget=self.work)
        return lookUp(self.source, questionOf(name, rrType), context)

    def look(self, name: str, rrType: str = "A", *, work: Work | None = None, seconds: float = 7.0) -> Answer | DNSFault:
        """
        Return the answer or the failure of a look-up.
        """
        clock = self.internet.network.clock
        # Failures are remembered from the moment on in which they occur.
        self.internet.advance(0.001)
        began = clock.seconds()
        self._before = self._sent()
        try:
            return self.internet.wait(self.ask(name, rrType, work=work, seconds=seconds), seconds + 1)
        except DNSFault as fault:
            return fault
        finally:
            self.took = clock.seconds() - began

    def _sent(self) -> Counter[str]:
        network = self.internet.network
        found: Counter[str] = Counter()
        for counter in (network.sent, network.dialed):
            for (address, port), count in counter.items():
                if port == 53:
                    found[address] += count
        return found

    def packets(self, *zones: str) -> int:
        """
        Return how many datagrams and connections the last look-up has taken.

        @param zones: only those to servers of these zones.
        """
        sent = self._sent()
        sent.subtract(self._before)
        if not zones:
            return sum(sent.values())
        servers = [server for zone in zones for server in self.internet.zones[nameFromText(zone)].servers]
        return sum([sent[address] for server in servers for address in server.addresses])

    def sentTo(self, address: str) -> int:
        """
        Return how many datagrams and connections to an address the last look-up has taken.
        """
        return self._sent()[address] - self._before[address]

    def refer(self, at: str, cut: str, servers: Sequence[str], glue: dict[str, Sequence[str]] | None = None) -> None:
        """
        Have the servers of a zone refer to others for all names at and below a cut.

        @param glue: addresses by the name of a server.
        """
        folded = nameFromText(cut).lower()
        additional: list[RRSet] = []
        for name, addresses in (glue or {}).items():
            for rrType in (A, AAAA):
                some = [address for address in addresses if (":" in address) is (rrType == AAAA)]
                if some:
                    additional.append(rrsetOf(nameFromText(name), rrType, some, 3600))

        def sectionsFor(question: Question) -> Sequence[Sequence[RRSet]] | None:
            return ((), [serversOf(cut, servers)], additional) if isBelow(question.key[:-4], folded) else None

        for server in self.internet.zones[nameFromText(at)].servers:
            repliesWith(server, sectionsFor, flags=0)
