"""
Upstreams of a server: the configured ones, or the servers currently named in C{resolv.conf}, but never the server itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Final, TypeAlias

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import classImplements

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import Refused, ServerFailed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import BACK_OFF, LOOK_SECONDS, LOST_CONFIGURATION_SECONDS
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.combine.replaceable import ReplaceableSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.policy.rebinding import isPrivate
from twisted_ext.resolver.sources import FailingSource
from twisted_ext.resolver.system.configured import SYSTEM_RESOLV_CONF, ConfiguredSource
from twisted_ext.resolver.system.resolvconf import ResolvConf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.escapes import ipv4FromText, ipv6FromText
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TXT

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.interfaces import Start

__all__ = ["ListenAddresses", "LoopWatch", "SystemServers", "CountedUpstream", "Upgrade", "isNear", "serversOf"]

#: Makes the source that asks servers over the encrypted transports that they designate, from these servers and from what makes the source
#: that asks one of them in the clear.
Upgrade: TypeAlias = "Callable[[Sequence[Server], Callable[[Server], IAnswerSource]], IAnswerSource]"

_log = Logger(__name__)

#: Failed look-ups in a row after which other upstreams are preferred.
_MISSES: Final = 3

#: Seconds after which a cancelled look-up counts as one that the upstream did not answer.
_SLOW: Final = 0.2

#: Names below this are queried to find out whether an upstream forwards back to this server. The domain is not delegated (RFC 6761,
#: section 6.2), and forwarders pass it on.
_LOOPS: Final = nameFromText("txdns-loop.test")

#: Seconds within which such a query has to come back.
_LOOP_SECONDS: Final = 3.0


class ListenAddresses:
    """
    The addresses that a server listens on, so that it does not forward to itself. A wildcard address also covers all loopback addresses of
    this machine.
    """

    def __init__(self, addresses: tuple[str, ...], port: int) -> None:
        self.at(addresses, port)

    def at(self, addresses: tuple[str, ...], port: int) -> None:
        """
        Replace the addresses and the port, for example when the kernel has chosen the port.
        """
        self.port = port
        named = [address for address in addresses if address]
        self._servers = [Server(address, port) for address in named if port]
        self._everywhere = len(named) < len(addresses) or not named or any(not any(_packed(address)) for address in named)

    def has(self, server: Server) -> bool:
        if not self.port or server.port != self.port:
            return False
        if self._everywhere:
            packed = _packed(server.address)
            if packed[:1] == b"\x7f" or packed in (bytes(4), bytes(15) + b"\x01", bytes(16)):
                return True
        return server in self._servers

    def guarding(self, usable: Callable[[str], bool] | None = None) -> Callable[[str], bool]:
        """
        Return a function that says whether the server at an address, on the usual port unless one is given with it, may be queried: not
        this server itself.

        @param usable: a further condition.
        """

        def allowed(address: str) -> bool:
            return (usable is None or usable(address)) and not self.has(Server.fromText(address))

        return allowed


def _packed(address: str) -> bytes:
    plain = address.partition("%")[0]
    return ipv6FromText(plain) if ":" in plain else ipv4FromText(plain)


def isNear(server: Server) -> bool:
    """
    Return whether the server is on this machine or in a private network.
    """
    return isPrivate(_packed(server.address))


class SystemServers:
    """
    Forwards to the servers of C{resolv.conf}, without search list or cache. Checks the file when a query arrives, at most once a second.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        path: str,
        listening: ListenAddresses,
        changed: Callable[[], object],
        upgrade: Upgrade | None = None,
    ) -> None:
        """
        @param path: the file; L{SYSTEM_RESOLV_CONF} if empty.
        @param listening: where the server itself listens; this address is left out.
        @param changed: called when the file names other servers than before: answers from one network may not hold in the next.
        @param upgrade: makes the source that asks the servers encrypted where they can; L{None} to ask them in the clear.
        """
        self._reactor = reactor
        self._upgrade = upgrade
        self._file = ResolvConf(path or SYSTEM_RESOLV_CONF, os.environ)
        self._listening = listening
        self._changed = changed
        self._looked = reactor.seconds()
        self._lost = False
        self._replaceable = ReplaceableSource(self._make())

    @property
    def path(self) -> str:
        return self._file.path

    def _make(self) -> IAnswerSource:
        configuration = self._file.configuration
        for text in configuration.complaints.texts:
            _log.warn("{path}: {complaint}", path=self.path, complaint=text)
        servers = [server for server in configuration.servers if not self._listening.has(server)]
        if not servers:
            said = f"{self.path} names {'no server' if configuration.defaulted else 'only this server itself'}; set upstream"
            _log.warn("{said}", said=said)
            return FailingSource(lambda: Unreachable(said, ede=((22, "no upstream"),)))
        flags = configuration.flags

        def plain(*servers: Server) -> IAnswerSource:
            return ForwardingSource(
                self._reactor, servers, stream="use-vc" in flags, tries=configuration.attempts, rotate="rotate" in flags
            )

        # Each network's servers prove themselves anew (RFC 9462, section 4.1.1).
        forwarding = plain(*servers) if self._upgrade is None else self._upgrade(servers, plain)
        return ConfiguredSource(forwarding, configuration, self.path)

    def look(self) -> None:
        now = self._reactor.seconds()
        if 0.0 <= now - self._looked < LOOK_SECONDS.default:
            return
        self._looked = now
        before = self._file.look(now)
        lost = self._file.lostAt is not None
        if lost and not self._lost:
            _log.warn(
                "{path} is missing or names no server; the servers that it named last are asked for {seconds:.0f} more seconds",
                path=self.path,
                seconds=LOST_CONFIGURATION_SECONDS.default,
            )
        elif self._lost and not lost and not self._file.configuration.defaulted:
            _log.info("{path} names servers again", path=self.path)
        self._lost = lost
        if before is not None:
            self._replaceable.replace(self._make())
            if set(before.servers) != set(self._file.configuration.servers):
                self._changed()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return partial(self._start, question)

    def _start(self, question: Question, context: QueryContext) -> Deferred[Answer]:
        self.look()
        return lookUp(self._replaceable, question, context)

    def close(self) -> Deferred[None]:
        return self._replaceable.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return self._replaceable.sources()


classImplements(SystemServers, IAnswerSource)


class CountedUpstream:
    """
    One upstream, with its record of failures.

    A look-up cancelled because another upstream answered first counts as a failure like one that was never answered: clients should not
    wait for a server that is down.

    @ivar looped: whether it was found to forward back to this server; it is not queried any more.
    @ivar misses: look-ups in a row that it did not answer.
    """

    def __init__(self, description: str, inner: IAnswerSource, clock: IReactorTime, *, counted: bool = True) -> None:
        """
        @param counted: whether there are other upstreams to prefer if this one does not answer.
        """
        self.description = description
        self._counted = counted
        self.inner = inner
        self.looped = False
        self.misses = 0
        self._restsUntil = 0.0
        self._seconds = clock.seconds

    @property
    def rests(self) -> bool:
        """
        Whether other upstreams should be queried first.
        """
        return self.looped or (self.misses >= _MISSES and self._seconds() < self._restsUntil)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self.looped:
            text = f"the upstream {self.description} forwards back to this server"
            raise Refused(text, rcode=2, ede=((22, "forwarding loop"),))
        found = self.inner.ask(question, context)
        return found if found is None or isinstance(found, Answer) or not self._counted else partial(self._start, found)

    def _start(self, start: Start, context: QueryContext) -> Deferred[Answer]:
        began = self._seconds()
        return start(context).addCallbacks(self._answered, self._failed, errbackArgs=(began,))

    def _answered(self, answer: Answer) -> Answer:
        self.misses = 0
        return answer

    def _failed(self, failure: Failure, began: float) -> Failure:
        now = self._seconds()
        fault = failure.value
        if isinstance(fault, TimedOut | Unreachable) or (not isinstance(fault, ServerFailed) and now - began >= _SLOW):
            self.misses += 1
            if self.misses >= _MISSES:
                self._restsUntil = now + min(BACK_OFF.default * 2 ** min(self.misses - _MISSES, 16), BACK_OFF.most)
        elif isinstance(fault, ServerFailed):
            self.misses = 0
        return failure

    def close(self) -> Deferred[None]:
        return self.inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self.inner,)


classImplements(CountedUpstream, IAnswerSource)


def serversOf(source: IAnswerSource) -> Iterator[tuple[ForwardingSource, int]]:
    """
    Return every server queried by this source or by the sources behind it: the forwarding source, and the index of the server in it.
    """
    for forwarding in behind(source, ForwardingSource):
        for index in range(len(forwarding.upstreams)):
            yield forwarding, index


class LoopWatch:
    """
    Detects upstreams that forward back to this server: queries each nearby upstream for a random name; if that query arrives here, the
    upstream is no longer used. An undetected loop still ends by itself: a query that comes back waits for the look-up that caused it, and
    is not sent again.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.suffix = b"\x10" + token_hex(8).encode() + _LOOPS
        self._probed: dict[bytes, CountedUpstream] = {}

    def around(self, inner: IAnswerSource) -> IAnswerSource:
        """
        Return a source that recognizes these queries, and asks C{inner} about others.
        """
        return _Watched(inner, self)

    def probe(self, upstreams: list[CountedUpstream]) -> None:
        """
        Query the upstreams on this machine or in a private network; servers on the Internet cannot reach this server.
        """
        self._probed.clear()
        for number, upstream in enumerate(upstreams):
            if not any(isNear(forwarding.upstreams[index].server) for forwarding, index in serversOf(upstream)):
                continue
            label = str(number).encode()
            name = bytes([len(label)]) + label + self.suffix
            self._probed[name] = upstream
            context = QueryContext(self._clock.seconds() + _LOOP_SECONDS)
            # The result is seen when the query arrives here.
            lookUp(upstream, Question(name, TXT), context).addBoth(lambda _: None)

    def arrived(self, name: bytes) -> Answer:
        """
        Answer a query with this suffix.

        @param name: folded.
        """
        upstream = self._probed.get(name)
        if upstream is not None and not upstream.looped:
            upstream.looped = True
            _log.warn("the upstream {description} forwards back to this server, and is left out", description=upstream.description)
        return Answer(Outcome.NXDOMAIN, rcode=3)


class _Watched:
    def __init__(self, inner: IAnswerSource, watch: LoopWatch) -> None:
        self._inner = inner
        self._suffix = watch.suffix
        self._watch = watch

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if question.key.endswith(self._suffix, 0, -4):
            return self._watch.arrived(question.key[:-4])
        return self._inner.ask(question, context)

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


classImplements(_Watched, IAnswerSource)
