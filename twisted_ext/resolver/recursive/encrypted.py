"""
Ask authoritative servers over TLS where they support it, and find that out beside the queries in the clear (RFC 9539). The decisions are
those of L{twisted_ext.recursion.opportunistic}.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from time import time
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import CancelledError, Deferred, fail, gatherResults, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_ext.answers import Answer, QueryContext
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadDescription, Closed, ServerFailed, TimedOut, Unreachable
from twisted_ext.files import STATE_FILE, STATE_FOLDER, openNow, replacingFile
from twisted_ext.limits import FIRST_WAIT
from twisted_ext.recursion.limits import (
    ENCRYPTED_CONNECTIONS,
    ENCRYPTED_PROBES,
    ENCRYPTED_SAVE_SECONDS,
    ENCRYPTED_SECONDS,
    ENCRYPTED_WAIT,
)
from twisted_ext.recursion.opportunistic import EncryptedServers
from twisted_ext.resolver.ask import Waiter, lookUp
from twisted_ext.resolver.forward.failures import Abandoned
from twisted_ext.resolver.forward.forwarder import ForwardingSource, lookupFor
from twisted_ext.resolver.forward.lookup import ForwardedLookup
from twisted_ext.resolver.recursive.pool import ServerPool, ZoneServers
from twisted_ext.transport.servers import Server
from twisted_ext.transport.tls.opportunistic import OpportunisticTLS
from twisted_ext.transport.tls.stream import TLS_PORT
from twisted_ext.wire.codes import AA
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import NS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["EncryptedAuthorities"]

#: Octets of the file with it: that of the most servers.
_ENCRYPTED_FILE_OCTETS: Final = 8 << 20

_log: Final = Logger(__name__)

#: The name of the file in the folder for state.
_FILE: Final = "encrypted-servers"

_CONNECTIONS: Final = int(ENCRYPTED_CONNECTIONS.default)
_PROBES: Final = int(ENCRYPTED_PROBES.default)


class EncryptedAuthorities:
    """
    The encrypted side of a L{ServerPool}.

    @ivar encryptedServers: which servers reply over TLS.
    @ivar queries: queries over TLS, without probes.
    @ivar probes: the number of probes.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        folder: str = "",
        *,
        port: int = TLS_PORT,
        today: Callable[[], float] = time,
        elsewhere: Callable[[Callable[[], None]], Deferred[None]] = maybeDeferred,
    ) -> None:
        """
        @param folder: the folder for state, which is made if there is none; C{""} to save nothing. If several processes share it, the
            memory of the one that saved last is loaded.
        @param port: that of all servers; another one is for tests.
        @param today: returns seconds since 1970.
        @param elsewhere: runs a function that writes a file, such as in a thread.
        """
        self.encryptedServers = EncryptedServers()
        self.queries = self.probes = 0
        self.reactor = reactor
        self._path = os.path.join(os.path.abspath(folder), _FILE) if folder else ""
        self._port = port
        self._today = today
        self._elsewhere = elsewhere
        self._transport = OpportunisticTLS()
        # Those used last are at the end.
        self._sources: dict[str, ForwardingSource] = {}
        self._closing: set[Deferred[None]] = set()
        self._probing = 0
        self._saving: IDelayedCall | None = None
        self._failing = self._loaded = self._closed = False

    # -- for the pool

    def servers(self, pool: ServerPool, addresses: tuple[str, ...], signed: bool = False) -> ZoneServers:
        return _ProbedServers(pool, addresses, signed)

    def prepare(self, servers: ZoneServers, question: Question, context: QueryContext, waiter: Waiter) -> _OpportunisticLookup:
        """
        Prepare a look-up that goes over TLS, in the clear, or both.
        """
        assert isinstance(servers, _ProbedServers)
        return _OpportunisticLookup(self, servers, question, context, waiter)

    def close(self) -> Deferred[None]:
        """
        Close all connections, and save what has been learned.
        """
        self._closed = True
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None
            if self.encryptedServers.changed:
                self._saved(None, self._text())
        sources, self._sources = self._sources, {}
        closing = [*[source.close() for source in sources.values()], *self._closing]
        return gatherResults(closing, consumeErrors=True).addCallback(lambda _: None)

    def works(self, server: Server) -> bool:
        """
        Return whether a server is asked over TLS first.
        """
        return self.encryptedServers.works(server.address, self._today())

    def working(self) -> int:
        """
        Return the number of such servers.
        """
        return self.encryptedServers.working(self._today())

    # -- asking

    def choose(self, servers: _ProbedServers) -> int | None:
        """
        Return the index of the server to ask over TLS: of those that are known to reply over TLS, the fastest in the clear; L{None} for
        none.
        """
        now = self._today()
        works = self.encryptedServers.works
        found = [index for index, place in enumerate(servers.places) if place and works(place, now)]
        if not found:
            return None
        standings = servers.standings
        return min(found, key=lambda index: FIRST_WAIT.default if standings[index].rtt is None else standings[index].rtt or 0.0)

    def probe(self, servers: _ProbedServers, question: Question, context: QueryContext) -> None:
        """
        Ask the server that was just asked in the clear over TLS as well, if it is time for that. The answer is not used: that in the clear
        is on its way.
        """
        address = servers.places[servers.chosen]
        if self._closed or not address or self._probing >= _PROBES or not self.encryptedServers.due(address, self._today()):
            return
        if context.trace is not None:
            context.trace.note(self.reactor.seconds(), "forward", "probing", server=address, transport="tls")
        self.encryptedServers.probing(address)
        self.probes += 1
        servers.standings[servers.chosen].queries += 1
        self._probing += 1
        # A budget of its own: the client's is for what its answer takes.
        other = context.detached(context.deadline).spending(Work())
        other.trace = None
        self._send(address, question, other, servers.signed).addBoth(self._probed)

    def _probed(self, result: object) -> None:
        self._probing -= 1

    def ask(self, address: str, question: Question, context: QueryContext, signed: bool = False) -> Deferred[Answer]:
        """
        Ask a server over TLS.

        @param signed: whether its zone is known to be signed, so that an answer without EDNS is of no use.

        @return: fails if there is no useful answer.
        """
        self.queries += 1
        return self._send(address, question, context, signed)

    def _send(self, address: str, question: Question, context: QueryContext, signed: bool) -> Deferred[Answer]:
        source = self._sourceFor(address)
        if source is None:
            self.encryptedServers.interrupted(address)
            return fail(Unreachable(f"{address}: all TLS connections are in use", server=address))
        began = self._today()
        # A client that gives up earlier does not make the server a slow one.
        asked = lookUp(source, question, context.detached(self.reactor.seconds() + ENCRYPTED_SECONDS.default))
        return asked.addCallbacks(partial(self._cbReplied, address, signed), partial(self._ebFailed, address, began))

    def _cbReplied(self, address: str, signed: bool, answer: Answer) -> Answer:
        # Otherwise an attacker could remove signatures by a FORMERR: the connection is not authenticated.
        stripped = signed and (answer.message is None or answer.message.edns is None)
        if stripped or not _isAuthoritative(answer):
            self.encryptedServers.declined(address, self._today())
            self._schedule()
            raise ServerFailed(f"{address} replied over TLS without {'EDNS' if stripped else 'authority'}")
        self.encryptedServers.answered(address, self._today())
        self._schedule()
        return answer

    def _ebFailed(self, address: str, began: float, failure: Failure) -> Failure:
        fault = failure.value
        now = self._today()
        if isinstance(fault, ServerFailed):
            self.encryptedServers.declined(address, now)
        elif self._closed or isinstance(fault, Closed | Abandoned | CancelledError) or not isinstance(fault, Unreachable | TimedOut):
            self.encryptedServers.interrupted(address)
        else:
            self.encryptedServers.failed(address, began, now, silent=isinstance(fault, TimedOut))
        self._schedule()
        return failure

    def _sourceFor(self, address: str) -> ForwardingSource | None:
        sources = self._sources
        found = sources.pop(address, None)
        if found is None:
            if self._closed:
                return None
            if len(sources) >= _CONNECTIONS:
                idle = next((each for each, source in sources.items() if not source.waiting), None)
                if idle is None:
                    return None
                self._leave(sources.pop(idle))
            found = ForwardingSource(self.reactor, [Server(address, self._port)], transport=self._transport)
        sources[address] = found
        return found

    def _leave(self, source: ForwardingSource) -> None:
        closing = source.close()
        self._closing.add(closing)

        def closed(result: None) -> None:
            self._closing.discard(closing)

        closing.addBoth(closed)

    # -- the memory

    def load(self) -> None:
        """
        Load what was saved, the first time that this is called. If the file cannot be used, log one line, and begin with nothing.
        """
        if self._loaded or not self._path:
            return
        self._loaded = True
        most = _ENCRYPTED_FILE_OCTETS
        try:
            with open(self._path, "rb", opener=openNow) as file:
                octets = file.read(most + 1)
            if len(octets) > most:
                raise BadDescription(f"it has more than {most} octets")
            self.encryptedServers.load(octets.decode("ascii"), self._today())
        except FileNotFoundError:
            return
        except (OSError, BadDescription, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            _log.warn("{path} cannot be used: {reason}; the servers that support TLS are found anew", path=self._path, reason=reason)

    def _schedule(self) -> None:
        if self._path and self._saving is None and not self._closed and self.encryptedServers.changed:
            self._saving = self.reactor.callLater(ENCRYPTED_SAVE_SECONDS.default, self._save)

    def _text(self) -> bytes:
        return self.encryptedServers.toText(self._today()).encode("ascii")

    def _save(self) -> None:
        self._saving = None
        octets = self._text()
        self._elsewhere(partial(self._saved, None, octets))

    def _saved(self, result: None, octets: bytes) -> None:
        try:
            os.makedirs(os.path.dirname(self._path), STATE_FOLDER, exist_ok=True)
            with replacingFile(self._path, new=STATE_FILE) as file:
                file.write(octets)
            self._failing = False
        except OSError as error:
            if not self._failing:
                text = "{path} cannot be written: {reason}; the servers that support TLS are found anew after the next start"
                _log.warn(text, path=self._path, reason=error.strerror or str(error))
            self._failing = True


class _ProbedServers(ZoneServers):
    """
    Servers of a zone that may support TLS.

    @ivar places: the address of each, under which it is remembered; C{""} for those that are never asked over TLS.
    @ivar chosen: the index of the one that was last asked in the clear.
    """

    def __init__(self, pool: ServerPool, addresses: tuple[str, ...], signed: bool) -> None:
        super().__init__(pool, addresses, signed)
        servers = [upstream.server for upstream in self.upstreams]
        # Of a server at another port than the usual one, that of TLS is not known.
        self.places = tuple([server.address if pool.isUsual(server) else "" for server in servers])
        self.chosen = 0

    def first(self, now: float) -> int:
        self.chosen = index = super().first(now)
        return index


class _OpportunisticLookup:
    """
    One look-up: over TLS first if a server is known to reply that way, and in the clear if not, or if that fails or takes long. The first
    answer counts.
    """

    __slots__ = ("_way", "_servers", "_question", "_context", "_waiter", "_plain", "_hold", "_done")

    def __init__(
        self, way: EncryptedAuthorities, servers: _ProbedServers, question: Question, context: QueryContext, waiter: Waiter
    ) -> None:
        self._way = way
        self._servers = servers
        self._question = question
        self._context = context
        self._waiter = waiter
        self._plain: ForwardedLookup | None = None
        self._hold: IDelayedCall | None = None
        self._done = False

    # -- as a Query

    def begin(self, now: float) -> None:
        way = self._way
        servers = self._servers
        index = way.choose(servers)
        if index is None:
            self._beginPlain(now)
            way.probe(servers, self._question, self._context)
            return
        servers.standings[index].queries += 1
        wait = min(ENCRYPTED_WAIT.default, max(0.0, self._context.deadline - now))
        self._hold = way.reactor.callLater(wait, self._late)
        # If the client gives up, it goes on: its outcome is worth knowing.
        way.ask(servers.places[index], self._question, self._context, servers.signed).addCallbacks(self._cbEncrypted, self._ebEncrypted)

    def cancel(self) -> None:
        if self._plain is not None:
            self._plain.cancel()
        elif not self._done:
            self.errback(Abandoned(TimedOut(f"{self._question}: given up while it was asked over TLS")))

    # -- over TLS

    def _cbEncrypted(self, answer: Answer) -> None:
        if self._done:
            return
        self._end()
        plain = self._plain
        if plain is not None:
            plain.cancel()
        self._waiter.callback(answer)

    def _ebEncrypted(self, failure: Failure) -> None:
        if self._done or self._plain is not None:
            return
        fault = failure.value
        if isinstance(fault, Closed):
            self._end()
            self._waiter.errback(fault)
        else:
            self._beginPlain(self._way.reactor.seconds())

    # -- in the clear

    def _late(self) -> None:
        self._hold = None
        self._beginPlain(self._way.reactor.seconds())

    def _beginPlain(self, now: float) -> None:
        self._letGo()
        plain = self._plain = lookupFor(self._servers, self._question, self._context, self)
        plain.begin(now)

    def callback(self, answer: Answer, /) -> None:
        if not self._done:
            self._end()
            self._waiter.callback(answer)

    def errback(self, fault: Exception, /) -> None:
        if not self._done:
            self._end()
            self._waiter.errback(fault)

    def _end(self) -> None:
        self._done = True
        self._letGo()

    def _letGo(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            hold.cancel()


def _isAuthoritative(answer: Answer) -> bool:
    """
    Return whether an answer is one of an authoritative server, or a referral. Another program may listen at the port, such as a resolver.
    """
    return bool(answer.flags & AA) or (not answer.answer and any(rrset.rrType == NS for rrset in answer.authority))
