"""
The system source: hosts file, search list and name servers as this host is currently configured.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.answers import Answer, Origin, Outcome, QueryContext
from twisted_ext.errors import Closed, TimedOut, Unreachable
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.limits import CONFIGURED_ATTEMPTS, LOOK_SECONDS
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.combine.searchlist import SearchListSource
from twisted_ext.resolver.local.hosts import Hosts
from twisted_ext.resolver.local.specialnames import Special, isSpecial
from twisted_ext.resolver.sources import FailingSource, WrappingSource, closeAll
from twisted_ext.resolver.system.resolvconf import SYSTEM_RESOLV_CONF, ResolvConf, SystemConfiguration
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, isBelow, nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from twisted_ext.cache.store import Store
    from twisted_ext.resolver.caching.cached import CachedSource
    from twisted_ext.resolver.caching.coalescing import CoalescingSource
    from twisted_ext.transport.servers import Server

__all__ = ["ConfiguredSource", "SYSTEM_RESOLV_CONF", "System"]

_LOCAL: Final = nameFromText("local")
_PAUSE: Final = LOOK_SECONDS.default
_LONG_AGO: Final = float("-inf")


@implementer(IAnswerSource)
class ConfiguredSource(WrappingSource):
    """
    Applies the options of C{resolv.conf}: timeout and attempts, AD if the servers are trusted, no AAAA if so configured, and the address
    order of C{sortlist}.
    """

    __slots__ = ("_waits", "_trustAD", "_noAAAA", "_sortlist", "_hint")

    def __init__(self, inner: IAnswerSource, configuration: SystemConfiguration, path: str = SYSTEM_RESOLV_CONF) -> None:
        super().__init__(inner)
        self._hint = hintOf(configuration, path)
        self._waits: tuple[float, ...] | None = None
        if configuration.timeout is not None:
            attempts = configuration.attempts or int(CONFIGURED_ATTEMPTS.default)
            self._waits = (float(configuration.timeout),) * (attempts * len(configuration.servers))
        self._trustAD = "trust-ad" in configuration.flags
        self._noAAAA = "no-aaaa" in configuration.flags
        self._sortlist = [(_number(mask), _number(address) & _number(mask)) for address, mask in configuration.sortlist]

    @property
    def idle(self) -> bool:
        """
        Whether no option of C{resolv.conf} needs to be applied.
        """
        return not (self._hint or self._waits or self._trustAD or self._noAAAA or self._sortlist)

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        if self._noAAAA and question.rrType == AAAA:
            return Answer(Outcome.NODATA, origin=Origin("configuration"))
        found = self._inner.ask(question, context)
        return found if found is None or isinstance(found, Answer) else partial(self._start, question, found)

    def _start(self, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        wishes = context
        if self._waits is not None and context.waits is None:
            wishes = context.but(waits=self._waits)
        if self._trustAD and not context.authenticData:
            # To learn whether the servers have validated the answer.
            wishes = wishes.but(authenticData=True)
        asked = start(wishes)
        if self._hint:
            asked.addErrback(self._ebDefaulted)
        return asked.addCallback(self._sorted) if self._sortlist and question.rrType == A else asked

    def _ebDefaulted(self, failure: Failure) -> Failure:
        fault = failure.value
        if isinstance(fault, TimedOut | Unreachable):
            fault.text += self._hint
        return failure

    def _sorted(self, answer: Answer) -> Answer:
        sets = tuple([self._inOrder(rrset) if rrset.rrType == A and len(rrset.rdatas) > 1 else rrset for rrset in answer.answer])
        if all(one.rdatas == other.rdatas for one, other in zip(sets, answer.answer, strict=True)):
            return answer
        other = copy(answer)
        other.answer = sets
        # The octets of the message no longer match the answer.
        other.message = None
        return other

    def _inOrder(self, rrset: RRSet) -> RRSet:
        return RRSet(rrset.name, A, rrset.rrClass, rrset.ttl, tuple(sorted(rrset.rdatas, key=self._rank)))

    def _rank(self, rdata: bytes) -> int:
        number = _number(rdata)
        for rank, (mask, address) in enumerate(self._sortlist):
            if number & mask == address:
                return rank
        return len(self._sortlist)


def hintOf(configuration: SystemConfiguration, path: str = SYSTEM_RESOLV_CONF) -> str:
    """
    Return a hint to append to errors if no server is configured and the default is used; C{""} otherwise.
    """
    if not configuration.defaulted:
        return ""
    unread = [text for text in configuration.complaints.texts if text.startswith("cannot be read")]
    return f"; it was asked since {path} {unread[0] if unread else 'names no server'}"


def _number(octets: bytes) -> int:
    return int.from_bytes(octets, "big")


class _Generation:
    """
    The sources built for one state of the configuration.

    @ivar outermost: the source for everything that the local files do not answer.
    @ivar sharing: the coalescing source that all look-ups under way pass through.
    """

    __slots__ = ("configuration", "caching", "sharing", "outermost", "chain", "ask")

    def __init__(
        self, configuration: SystemConfiguration, sharing: CoalescingSource, caching: CachedSource, hosts: Hosts, cached: bool
    ) -> None:
        self.configuration = configuration
        self.sharing = sharing
        self.caching = caching
        inner = caching if cached else sharing
        domains = [domain for domain in configuration.search if not isSpecial(domain)]
        special = Special(local=any(isBelow(domain, _LOCAL) for domain in domains))
        self.outermost: IAnswerSource = inner
        if any(domain != ROOT for domain in domains):
            topLevel = "no-tld-query" not in configuration.flags
            self.outermost = SearchListSource(inner, domains, configuration.ndots, topLevel=topLevel)
        # The local files are queried for the name as it was written, before the search list is applied.
        self.chain = ChainSource([hosts, special, self.outermost])
        self.ask = self.chain.ask


@implementer(IAnswerSource)
class System:
    """
    Answers as this host is configured: literal addresses, hosts file, special-use names, then the servers of C{resolv.conf} behind a search
    list and a cache.

    C{resolv.conf} is checked when a look-up begins, at most once a second. When it has changed, servers and search list are rebuilt, and if
    it names other servers, the cache too; look-ups in progress keep the old ones, which are closed after the last of them. If the file is
    missing or names no server, 127.0.0.1 is queried; or for some time the servers that it named before, see L{ResolvConf}.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        resolvConf: str | None = None,
        hosts: str | None = None,
        *,
        mostBytes: float | None = None,
        stale: float = 0,
        cached: bool = True,
        environment: Mapping[str, str] | None = None,
        upstream: Callable[[SystemConfiguration], IAnswerSource] | None = None,
        isItself: Callable[[Server], bool] | None = None,
    ) -> None:
        """
        @param reactor: provides IReactorUDP and IReactorTCP as well, unless C{upstream} needs neither.
        @param resolvConf: a path, or L{None} for L{SYSTEM_RESOLV_CONF}.
        @param hosts: a path, or L{None} for the operating system's.
        @param mostBytes: the memory limit of the cache.
        @param stale: see L{twisted_ext.resolver.caching.cached.CachedSource}.
        @param cached: whether answers are cached at all.
        @param environment: L{None} for that of the process.
        @param upstream: creates the source for the configured servers, which is closed when the configuration changes; L{None} to query
            these servers.
        @param isItself: says whether a server is the one that looks its upstream up here: it is not queried. L{None} for no server.
        """
        self._reactor = reactor
        self._isItself = isItself
        self._seconds: Callable[[], float] = reactor.seconds
        self._hosts = Hosts(reactor, hosts)
        self._path = resolvConf or SYSTEM_RESOLV_CONF
        self._file: ResolvConf | None = None
        self._environment = os.environ if environment is None else environment
        self._upstream = self._forwarding if upstream is None else upstream
        self._mostBytes = mostBytes
        self._stale = stale
        self._cached = cached
        self._looked = _LONG_AGO
        self._closed = False
        self._retired: list[_Generation] = []
        self._current: _Generation | None = None

    # -- components

    @property
    def configuration(self) -> SystemConfiguration:
        """
        The current configuration.

        @raise Closed: this was closed.
        """
        return self._generation().configuration

    @property
    def caching(self) -> CachedSource:
        """
        The current cache, to flush, dump or load.

        @raise Closed: this was closed.
        """
        return self._generation().caching

    def flush(self) -> None:
        """
        Empty the cache, and check the files again with the next look-up.
        """
        self.caching.flush()
        if self._file is not None:
            self._file.forget()
        self._looked = _LONG_AGO

    def _generation(self) -> _Generation:
        if self._closed:
            raise Closed("the resolver was closed")
        if self._current is None or not 0.0 <= self._seconds() - self._looked < _PAUSE:
            self._current = self._look()
        return self._current

    def _look(self) -> _Generation:
        before = self._current
        if before is not None and "no-reload" in before.configuration.flags:
            return before
        self._looked = self._seconds()
        if self._file is None or before is None:
            self._file = ResolvConf(self._path, self._environment, socket.gethostname())
            return self._generationFor(self._file.configuration, None)
        former = self._file.look(self._looked)
        if former is None:
            return before
        configuration = self._file.configuration
        self._retire(before)
        same = set(former.servers) == set(configuration.servers)
        return self._generationFor(configuration, before.caching.store if same else None)

    def _generationFor(self, configuration: SystemConfiguration, store: Store | None) -> _Generation:
        """
        @param store: the answers learned from the same servers.
        """
        from twisted_ext.cache.store import Store
        from twisted_ext.resolver.caching.cached import CachedSource
        from twisted_ext.resolver.caching.coalescing import CoalescingSource

        inner = self._upstream(configuration)
        wanted = ConfiguredSource(inner, configuration, self._path)
        if not wanted.idle:
            inner = wanted
        sharing = CoalescingSource(inner, self._reactor)
        store = Store(self._mostBytes) if store is None else store
        caching = CachedSource(sharing, self._reactor, store=store, stale=self._stale)
        if not self._cached:
            # The cache object still exists for flush and statistics, but learns nothing.
            sharing.learning = None
        return _Generation(configuration, sharing, caching, self._hosts, self._cached)

    def _forwarding(self, configuration: SystemConfiguration) -> IAnswerSource:
        from twisted_ext.resolver.forward.forwarder import ForwardingSource

        streaming = "use-vc" in configuration.flags
        rotate = "rotate" in configuration.flags
        isItself = self._isItself
        servers = [server for server in configuration.servers if isItself is None or not isItself(server)]
        if not servers:
            text = f"{self._path} names only this server itself, which waits for this address; give the address, or bootstrap=SERVER"
            return FailingSource(lambda: Unreachable(text, ede=((22, "no upstream"),)))
        return ForwardingSource(self._reactor, servers, stream=streaming, tries=configuration.attempts, rotate=rotate)

    def _retire(self, generation: _Generation) -> None:
        self._retired.append(generation)
        generation.sharing.whenIdle(lambda: self._drop(generation))

    def _drop(self, generation: _Generation) -> None:
        if not self._closed:
            self._retired.remove(generation)
            generation.outermost.close()

    # -- look-ups

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        current = self._current
        if current is None or self._closed or not 0.0 <= self._seconds() - self._looked < _PAUSE:
            current = self._generation()
        if context.trace is not None:
            details = {"path": self._path, **current.configuration.describe()}
            context.trace.note(self._seconds(), "system", "configuration", **details)
        found = current.ask(question, context)
        return found if found is None or isinstance(found, Answer) else partial(self._start, current, question, found)

    def _start(self, generation: _Generation, question: Question, start: Start, context: QueryContext) -> Deferred[Answer]:
        if generation is not self._current or self._closed:
            # The configuration has changed since the source was asked, and the source may be closed by now.
            return lookUp(self, question, context)
        return start(context)

    def close(self) -> Deferred[None]:
        self._closed = True
        generations = [*self._retired, *([] if self._current is None else [self._current])]
        return closeAll([self._hosts, *[generation.outermost for generation in generations]])

    def sources(self) -> tuple[IAnswerSource, ...]:
        try:
            return (self._generation().chain,)
        except Closed:
            return ()
