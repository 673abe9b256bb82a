"""
Test hooks: the functions by which an application decides what a server answers, see L{twisted_ext.hooks}.

The server is a real one, with its packet cache. Only its sockets are left out, so that a query may be that of any client; its upstream
resolves names of a simulated internet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from twisted_ext.hooks.functions import Hook, hookOf
from twisted_ext.native.loops import joined
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import AAAA, A, typeName, typeNumber

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import IAnswerSource
    from twisted_ext.packetcache.clients import Client
    from twisted_ext.server.features.built import Features
    from twisted_ext.server.frontend import Frontend
    from twisted_ext.testing.internet import Internet

__all__ = ["HookTester", "HookedReply", "send"]

#: Seconds for which the reply to a query is waited for: clients ask again after as long.
_PATIENCE: Final = 5.0

#: Seconds of one step of the clock meanwhile.
_STEP: Final = 0.01

#: The code of extended errors (RFC 8914).
_EDE: Final = 15

#: Clients of C{check}: two of one network, one of another one, and two of one site.
_CLIENTS: Final = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "fd00::1", "fd00::2")

#: What they ask for.
_NAMES: Final = ("www.example.com", "a.example.com", "b.a.example.com", "example.org", "www.example.org")
_TYPES: Final = ("A", "A", "AAAA", "TXT")


class HookedReply(NamedTuple):
    """
    What a client gets.

    @ivar rcode: its rcode; L{None} if the client gets nothing.
    @ivar records: those of the answer, as a hook writes them: C{"A 192.0.2.1"}.
    @ivar texts: those of its extended errors, such as that of C{refuse("why")}.
    @ivar isTruncated: whether the client is told to ask over TCP.
    """

    rcode: int | None
    records: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    isTruncated: bool = False


class HookTester:
    """
    Asks servers with hooks. The fixture C{hooked} is one::

        def test_quarantine(hooked):
            assert hooked(quarantine, "www.example.com", client="10.0.0.7").records == ("A 203.0.113.80",)

    Time is that of the internet, so what a hook waits for has to end by itself, or with its clock. Each function keeps its server, and what
    that has cached, until the end of the test.

    @ivar settings: further settings of the servers, such as C{view}, by their names in Python; to be changed before a function is tested.
    """

    def __init__(self, internet: Internet) -> None:
        self.settings: dict[str, object] = {}
        self._internet = internet
        self._upstream = ""
        self._servers: dict[Hook, _Server] = {}
        self._checked: list[_Server] = []

    def __call__(
        self, function: Callable[..., object], name: str, rrType: str = "A", *, client: str = _CLIENTS[0], stream: bool = False
    ) -> HookedReply:
        """
        Ask a server with one hook.

        @param function: the hook, with or without its decorator.
        @param client: the address of the client.
        @param stream: whether it asks over TCP.

        @raise ValueError: there is no such type.
        """
        return self._serverOf(hookOf(function)).ask(_questionOf(name, rrType), client, stream=stream)

    def check(
        self,
        function: Callable[..., object],
        names: Sequence[str] = _NAMES,
        clients: Sequence[str] = _CLIENTS,
        *,
        questions: int = 500,
        seed: int = 0,
    ) -> None:
        """
        Ask random questions, each also of a server that keeps nothing. Their answers differ if the hook goes by what it does not take, such
        as a global that depends on the client. What passes is answered by a server that has records for each name.

        @param names: what is asked for.
        @param clients: the addresses of the clients.

        @raise AssertionError: the answers to a question differ.
        """
        hook = hookOf(function)
        below = [nameToText(each) for each in hook.below]
        afresh = Hook(hook.function, seconds=hook.seconds, otherwise=hook.otherwise, keep=0, below=below, threads=hook.threads)
        host = self._internet.reactor()
        CannedServer(otherwise=_recordsOf).listen(host)
        first, second = [_Server(self._internet, each, self._settings(host.addresses[0])) for each in (hook, afresh)]
        self._checked += [first, second]
        dice = Random(seed)
        for _ in range(questions):
            question = _questionOf(dice.choice(names), dice.choice(_TYPES))
            client = dice.choice(clients)
            got, wanted = first.ask(question, client), second.ask(question, client, afresh=True)
            assert got == wanted, (
                f"{question} from {client}: {got} with what is kept, {wanted} without; {hook.name} takes {', '.join(hook.told)}, and goes "
                "by something else as well"
            )

    def close(self) -> None:
        """
        End all servers.
        """
        for each in (*self._servers.values(), *self._checked):
            each.close()
        self._internet.advance(_PATIENCE)

    def _serverOf(self, hook: Hook) -> _Server:
        found = self._servers.get(hook)
        if found is None:
            found = self._servers[hook] = _Server(self._internet, hook, self._settings(self._upstreamHere()))
        return found

    def _settings(self, upstream: str) -> dict[str, object]:
        return {"hostsFile": "", "upstream": [upstream], **self.settings}

    def _upstreamHere(self) -> str:
        """
        Return the address of a server that resolves names of the internet.
        """
        if not self._upstream:
            from twisted_ext.compat.protocols import DNSDatagramProtocol
            from twisted_ext.server.factory import DNSServerFactory

            host = self._internet.reactor()
            factory = DNSServerFactory(clients=[self._internet.resolver(host)], reactor=host)
            host.listenUDP(53, cast("Callable[..., DNSDatagramProtocol]", DNSDatagramProtocol)(factory, reactor=host))
            self._upstream = host.addresses[0]
        return self._upstream


class _Server:
    """
    A server with one hook.
    """

    def __init__(self, internet: Internet, hook: Hook, settings: dict[str, object]) -> None:
        from twisted_ext.metrics.counters import Counters
        from twisted_ext.server.config.settings import Settings
        from twisted_ext.server.features.base.feature import Site
        from twisted_ext.server.features.built import Features
        from twisted_ext.server.frontend import Frontend
        from twisted_ext.server.sources.sources import stackFor
        from twisted_ext.server.zones.table.zonetable import Zones

        self._internet = internet
        self._clock: IReactorTime = internet.reactor()
        site = Site(self._clock, Settings.of(**settings), self._changed, self._readmit, today=internet.time, hooks=(hook,))
        site.forget, site.sourceOf, site.upstreamOf = self._readmit, self._sourceOf, self._upstreamOf
        self._features: Features = Features(site)
        self._stack = stackFor(self._clock, site.settings, Zones(), self._features, changed=self._changed)
        self._frontend = Frontend(self._features, self._stack, Counters(), views=self._stack.views)
        self._features.begin()

    def _changed(self) -> None:
        self._frontend.epoch.bump()

    def _readmit(self, client: str = "") -> None:
        self._frontend.packetCache.forgetClients(client)

    def _sourceOf(self, view: str) -> IAnswerSource | None:
        return self._stack.views.get(view)

    def _upstreamOf(self, view: str) -> IAnswerSource | None:
        return None if self._stack.backends is None else self._stack.backends.sourceOf(view)

    def ask(self, question: Question, client: str, *, stream: bool = False, afresh: bool = False) -> HookedReply:
        packet = b"\x00\x01" + buildQuery(RD, question.toWire(), b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00")
        counters = self._frontend.responder.counters
        sent = send(self._frontend, packet, client, self._clock.seconds(), stream=stream, afresh=afresh)
        ends = self._clock.seconds() + _PATIENCE
        while not sent and counters.pending and self._clock.seconds() < ends:
            self._internet.advance(_STEP)
        return _readFrom(sent[0]) if sent else HookedReply(None)

    def close(self) -> None:
        self._frontend.responder.close()
        self._features.close()
        self._stack.close()


def send(
    frontend: Frontend, packet: bytes, client: str, now: float, *, stream: bool = False, afresh: bool = False, door: Door = NOWHERE
) -> list[bytes]:
    """
    Send a query to a server past its sockets.

    @param afresh: whether the packet cache is passed by.
    @param door: how the client came in.

    @return: gets the reply, now or later.
    """
    responder, cache = frontend.responder, frontend.packetCache
    sent: list[bytes] = []

    def sending(queries: list[tuple[bytes, tuple[str, int]]], replies: list[bytes]) -> int:
        sent.extend([octets for octets, _ in joined(queries, replies)])
        return 0

    def beyond(datagram: bytes, address: tuple[str, int], known: Client, now: float) -> None:
        responder.take(datagram, address, "udp", sent.append, None, known, door=door)

    if not (stream or afresh):
        cache.drain(lambda: [(packet, (client, 4000))], sending, now, beyond, responder.counters, None, door)
        return sent
    reply = None if afresh else cache.finderAt(door)(packet, client, now, "tcp")
    if reply is not None:
        sent.append(packet[:2] + reply)
    else:
        transport = "tcp" if stream else "udp"
        responder.take(packet, (client, 4000), transport, sent.append, None, cache.at(door).find(client, now), door=door)
    return sent


def _recordsOf(question: Question) -> str | list[str]:
    return {A: "192.0.2.80", AAAA: "2001:db8::80"}.get(question.rrType, [])


def _questionOf(name: str, rrType: str) -> Question:
    number = typeNumber(rrType)
    if number is None:
        raise ValueError(f"{rrType!r} is not a record type")
    return Question(nameFromText(name), number)


def _readFrom(octets: bytes) -> HookedReply:
    message = Message.fromWire(octets)
    records = [f"{typeName(rrset.rrType)} {rdataToText(rrset.rrType, rdata)}" for rrset in message.answer for rdata in rrset.rdatas]
    options = () if message.edns is None else message.edns.options
    texts = [value[2:].decode("utf-8", "replace") for code, value in options if code == _EDE and value[2:]]
    return HookedReply(message.rcode, tuple(sorted(records)), tuple(texts), bool(octets[2] & 2))
