"""
Servers of a small internet as tables, with which tests drive an L{Iteration} by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, ServerFailed, TimedOut
from twisted_ext.recursion.delegations import Delegation, Delegations, NameServer
from twisted_ext.recursion.iteration import FindAddresses, Iteration, Options, Pause
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText, nameToText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import NS, typeName

__all__ = ["ROOT_ADDRESS", "World", "denial", "name", "nothing", "referral", "reply", "sets"]

ROOT_ADDRESS = "192.0.2.1"


def name(text: str) -> bytes:
    """
    Return a name in wire form, folded.
    """
    return nameFromText(text).lower()


def sets(*lines: str) -> tuple[RRSet, ...]:
    """
    Return records, those of the same name and type in one set. TTLs are 300 unless a line has one.
    """
    found: dict[tuple[bytes, int], RRSet] = {}
    for line in lines:
        record = recordFromText(line, ttl=300)
        key = (record.name.lower(), record.rrType)
        known = found.get(key)
        found[key] = record if known is None else known.withRdatas(known.rdatas + record.rdatas)
    return tuple(found.values())


def reply(*lines: str, authority: tuple[str, ...] = (), additional: tuple[str, ...] = (), flags: int = AA) -> Answer:
    """
    Return an authoritative reply with data.
    """
    return Answer(Outcome.DATA if lines else Outcome.NODATA, sets(*lines), sets(*authority), sets(*additional), flags=flags)


def referral(zone: str, *servers: str, glue: tuple[str, ...] = (), ttl: int = 300) -> Answer:
    """
    Return a referral to the servers of a zone.
    """
    return reply(authority=tuple([f"{zone} {ttl} NS {server}" for server in servers]), additional=glue, flags=0)


def denial(zone: str, outcome: Outcome = Outcome.NODATA) -> Answer:
    """
    Return a denial with the SOA record of a zone.
    """
    rcode = 3 if outcome is Outcome.NXDOMAIN else 0
    return Answer(outcome, (), sets(f"{zone} SOA ns.nic hostmaster.nic 1 2 3 4 5"), rcode=rcode, flags=AA)


def nothing() -> Answer:
    """
    Return a reply without any record, and not authoritative.
    """
    return Answer(Outcome.NODATA, (), (), flags=0)


#: What a server replies to a question; L{None} if it does not.
Server = Callable[[Question], Answer | DNSFault | None]


class World:
    """
    Servers, and a resolver that knows the root.

    @ivar servers: what they reply, by address: a function, or replies by question, such as C{"www.example A"}; C{"www.example"} is for any
        type, and a referral there for all names below as well; C{"*"} is for everything else.
    @ivar hosts: addresses that the look-up of a name server's name finds, by its name; a name that is missing has none.
    @ivar down: addresses whose servers are known not to reply; a pool would ask other servers before them.
    @ivar asked: the queries, such as C{"192.0.2.1 www.example A"}, and look-ups, such as C{"find ns.example A"}.
    """

    def __init__(self, servers: dict[str, dict[str, Answer | DNSFault] | Server], hosts: dict[str, list[str]] | None = None) -> None:
        self.servers = servers
        self.hosts = hosts or {}
        self.asked: list[str] = []
        self.down: set[str] = set()
        self.delegations = Delegations(Delegation(ROOT, 0, (NameServer(name("a.root"), (ROOT_ADDRESS,), inf),), inf))
        self.delegations.primedUntil = inf
        self.options = Options(families=(1,))
        self.now = 0.0

    def resolve(self, text: str, rrType: str = "A", *, avoided: set[str] | None = None) -> Answer:
        """
        Resolve a question.

        @raise DNSFault: that fails.
        """
        question = questionOf(text, rrType)
        work = Work()
        work.avoided |= avoided or set()
        steps = Iteration(self.delegations, question, self.options, QueryContext(inf, budget=work), self.down.issuperset).run(self.now)
        try:
            need = next(steps)
            for _ in range(5000):
                assert not isinstance(need, Pause)
                result = self._find(need.question) if isinstance(need, FindAddresses) else self._query(need.addresses, need.question)
                need = steps.send((self.now, result))
        except StopIteration as done:
            assert isinstance(done.value, Answer)
            return done.value
        raise AssertionError("the look-up does not end")

    def _find(self, question: Question) -> Answer:
        text = nameToText(question.name, final=False)
        self.asked.append(f"find {text} {typeName(question.rrType)}")
        found = self.hosts.get(text.lower(), [])
        family = typeName(question.rrType)
        return reply(*[f"{text} {family} {address}" for address in found if (":" in address) is (family == "AAAA")])

    def _query(self, addresses: list[str], question: Question) -> Answer | DNSFault:
        # As a pool does: one server after the other, until one replies with something useful.
        assert addresses and len(set(addresses)) == len(addresses), addresses
        fault: DNSFault = TimedOut(f"no reply from {', '.join(addresses)}")
        for address in sorted(addresses, key=self.down.__contains__):
            text = nameToText(question.name, final=False)
            self.asked.append(f"{address} {text} {typeName(question.rrType)}")
            found = self._reply(address, question, text.lower())
            if isinstance(found, Answer):
                found.origin = Origin("udp", f"{address}:53")
                return found
            if found is not None:
                fault = found
        return fault

    def _reply(self, address: str, question: Question, text: str) -> Answer | DNSFault | None:
        server = self.servers.get(address)
        if server is None:
            return None
        if callable(server):
            return server(question)
        found = server.get(f"{text} {typeName(question.rrType)}") or server.get(text)
        while found is None and text and question.rrType != NS:
            # A referral for all names below.
            text = text.partition(".")[2]
            above = server.get(text)
            if isinstance(above, Answer) and not above.flags and above.authority:
                found = above
        found = found or server.get("*") or ServerFailed(f"{address} refuses", server=address, rcode=5)
        if isinstance(found, Answer):
            return Answer(found.outcome, found.answer, found.authority, found.additional, rcode=found.rcode, flags=found.flags)
        return found
