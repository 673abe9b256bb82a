"""
A server without sockets that counts the packets that pass its packet cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.task import Clock

from twisted_ext.answers import Answer, Outcome
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import LISTENER_BATCH
from twisted_ext.native.loops import joined
from twisted_ext.packetcache.clients import Client
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import Reply, Table
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import ForgetfulTable, packetCacheFor
from twisted_ext.server.reply.ratelimit import ClientRateLimit
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.reply.rrl import ResponseRateLimit
from twisted_ext.testing.sources import CannedSource, Entry, answerOf, rrsetOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText

__all__ = ["Forgetful", "NEAR", "RECORDS", "SECRET", "Server", "denial", "forgetAll"]

#: The address of a client that may query.
NEAR = "127.0.0.1"

SECRET = bytes(range(16))

#: The zone of the SOA record in denials.
_ZONE = nameFromText("Test.Example")


def forgetAll(packetCache: PacketCache) -> None:
    """
    Have a packet cache keep nothing from now on.
    """
    for group in packetCache.groups:
        group.datagrams, group.messages, group.encrypted = ForgetfulTable(), ForgetfulTable(stream=True), ForgetfulTable(stream=True)
    packetCache.clients.clear()


def denial(question: Question, outcome: Outcome = Outcome.NXDOMAIN, ttl: int = 30) -> Answer:
    """
    Return a denial with an SOA record.
    """
    soa = rrsetOf(_ZONE, 6, "ns.test.Example. mail.TEST.example. 1 3600 600 86400 60", ttl)
    return Answer(outcome, authority=(soa,), rcode=3 if outcome is Outcome.NXDOMAIN else 0)


def _aliased(question: Question) -> Answer:
    """
    Return an alias with the address of its target.
    """
    target = nameFromText("Target.test.Example")
    return Answer(Outcome.DATA, (rrsetOf(question.name, 5, "Target.test.Example.", 20), rrsetOf(target, 1, "192.0.2.7", 45)))


def _mail(question: Question) -> Answer:
    """
    Return two mail exchangers.
    """
    return answerOf(question, ("10 mail.test.example.", "20 MAIL.other.test."), 33)


def _explained(question: Question) -> Answer:
    """
    Return an address with an extended error.
    """
    return Answer(Outcome.DATA, (rrsetOf(question.name, 1, "192.0.2.9", 60),), ede=((0, ""),))


#: The records of the canned source.
RECORDS: Mapping[tuple[str, str], Entry] = {
    ("www.test.example", "A"): lambda question: answerOf(question, "192.0.2.80", 60),
    ("www.test.example", "AAAA"): lambda question: denial(question, Outcome.NODATA),
    ("alias.test.example", "A"): _aliased,
    ("test.example", "MX"): _mail,
    ("many.test.example", "A"): lambda question: answerOf(question, [f"192.0.2.{n}" for n in range(60)], 300),
    ("text.test.example", "TXT"): lambda question: answerOf(question, [f'"{number}{190 * "y"}"' for number in range(9)], 90),
    ("short.test.example", "A"): lambda question: answerOf(question, "192.0.2.1", 2),
    ("told.test.example", "A"): _explained,
    # Types whose octets are letters.
    ("www.test.example", "TYPE16705"): lambda question: answerOf(question, "\\# 2 4142", 60),
    ("www.test.example", "TYPE24929"): lambda question: answerOf(question, "\\# 2 4344", 60),
}


def again(table: Table, query: bytes, now: float) -> bytes | None:
    """
    Return what a table has for a query by any key, without its ID.
    """
    key = query[2:]
    return table.again(query, key, now, found=table.find(key))


class Forgetful(Table):
    """
    A table that stores nothing.
    """

    __slots__ = ()

    def offer(self, datagram: bytes, reply: Reply, *, varies: bool = False, personal: bool = False) -> None:
        pass


class Server:
    """
    A responder with a cache, and the replies that it sends.

    @ivar sent: replies in order, each with the address that it goes to.
    """

    def __init__(
        self,
        clock: Clock,
        source: IAnswerSource | None = None,
        *,
        rates: ClientRateLimit | None = None,
        limiting: ResponseRateLimit | None = None,
        access: Access | None = None,
        cookies: Cookies | None = None,
        required: Sequence[str] = (),
        remembers: bool = True,
        eager: bool = False,
        prefetch: bool = False,
        perClient: int | None = None,
        waiting: int | None = None,
        late: float | None = None,
    ) -> None:
        """
        Set up the responder.

        @param remembers: Whether the packet cache stores anything.
        @param eager: Whether the packet cache stores a reply when it is first sent.
        """
        self.clock = clock
        self.inner = CannedSource(RECORDS, denial)
        self.source = CachedSource(self.inner, clock, prefetch=prefetch) if source is None else source
        self.cookies = cookies
        self.packetCache = packetCacheFor(access, rates, cookies, limiting=limiting, required=required, today=clock.seconds)
        for group in self.packetCache.groups:
            if not remembers:
                group.datagrams = group.messages = Forgetful()
            elif eager:
                group.datagrams = Table(1 << 20, sights=0, shown=group.shown)
                group.messages = Table(1 << 20, sights=0, stream=True)
        gates = standardGates(rates=rates, cookies=cookies, today=clock.seconds)
        self.responder = Responder(
            self.source,
            clock,
            gates=gates,
            packetCache=self.packetCache,
            limiting=limiting,
            perClient=perClient,
            waiting=waiting,
            late=late,
        )
        self.sent: list[tuple[bytes, str]] = []
        self.beyond = 0

    def ask(self, query: bytes, client: str = NEAR) -> bytes | None:
        """
        Receive a datagram and return the reply that is sent at once, if any.
        """
        replies = self.askAll([query], client)
        return replies[0] if replies else None

    def askAll(self, queries: Sequence[bytes], client: str = NEAR) -> list[bytes]:
        """
        Receive several datagrams at once and return the replies.
        """
        most = int(LISTENER_BATCH.default)
        batches = [queries[start : start + most] for start in range(0, len(queries), most)]
        before = len(self.sent)

        def receive() -> list[tuple[bytes, tuple[str, int]]]:
            return [(query[:4096], (client, 4000)) for query in batches.pop(0)] if batches else []

        def send(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
            self.sent.extend([(octets, address[0]) for octets, address in joined(queries, replies)])
            return 0

        def beyond(datagram: bytes, address: tuple[str, int], known: Client, now: float) -> None:
            self.beyond += 1
            self.responder.take(datagram, address, "udp", lambda octets: self.sent.append((octets, client)), None, known)

        while self.packetCache.drain(receive, send, self.clock.seconds(), beyond, self.responder.counters):
            pass
        return [octets for octets, _ in self.sent[before:]]

    def stream(self, query: bytes, client: str = NEAR) -> bytes | None:
        """
        Receive a message over a stream and return the reply that is sent at once, if any.
        """
        reply = self.packetCache.find(query, client, self.clock.seconds())
        if reply is not None:
            return query[:2] + reply
        self.beyond += 1
        replies: list[bytes] = []
        self.responder.take(query, (client, 4000), "tcp", replies.append)
        return replies[0] if replies else None
