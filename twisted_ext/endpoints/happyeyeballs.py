"""
Connect to the first reachable one of several targets (Happy Eyeballs, RFC 8305).

Attempts start one after the other, each a short delay after the previous one or as soon as that has failed. The first that succeeds cancels
the others. Targets are tried in order, and so are the addresses of a target, with the address families interleaved. The addresses of a
target are looked up when its turn comes.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypedDict, cast

from twisted.internet.address import HostnameAddress, IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IAddress, IResolutionReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.addrinfo.gethost import literalOf
from twisted_ext.compat.clocks import withClock
from twisted_ext.compat.conversion.errors import LookupFailed, NoAddressError
from twisted_ext.compat.conversion.timeouts import secondsAndWaits, secondsOf
from twisted_ext.compat.hostnames import HostResolution, whyNoAddress
from twisted_ext.compat.lookups.ask import isAsked, resolverOf
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints.dial import BindAddress, RecordingFactory, Securing, dial
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.limits import (
    ATTEMPT_DELAY,
    ATTEMPT_SECONDS,
    ATTEMPTS,
    ATTEMPTS_AT_ONCE,
    PRIORITY_DELAY,
    TARGET_ADDRESSES,
)

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IHostResolution, IProtocol, IProtocolFactory, IReactorTime

__all__ = ["Attempt", "ConnectAttempt", "HostOptions", "Options", "TargetsFailed", "Way", "newCancellation"]

newCancellation: Final[Callable[[IAddress], ConnectingCancelledError]] = ConnectingCancelledError

#: The number of attempts listed in an error's text; its C{attempts} has them all.
_TOLD: Final = 8


@dataclass(slots=True, eq=False, repr=False)
class Attempt:
    """
    A failed connection attempt. Treated as immutable.

    @ivar target: the target.
    @ivar address: the address that was tried; C{""} if the target had none.
    @ivar error: the reason.
    """

    target: Target
    address: str
    error: BaseException

    def __str__(self) -> str:
        where = str(self.target)
        if self.address and self.address != self.target.host:
            where += f" at {self.address}"
        return f"{where}: {_reasonOf(self.error).removeprefix(f'{self.target.host}: ')}"

    def __repr__(self) -> str:
        return f"<Attempt {self}>"


class TargetsFailed(ConnectError):
    """
    Connecting to all targets failed.

    @ivar name: the requested destination.
    @ivar attempts: all attempts, in the order in which they ended.
    """

    def __init__(self, name: str, attempts: Iterable[Attempt]) -> None:
        self.name = name
        self.attempts = tuple(attempts)
        self.text = f"{name}: {self._told()}"
        self.osError = None
        Exception.__init__(self, self.text)

    def _told(self) -> str:
        if not self.attempts:
            return "there is nothing to connect to"
        told = "; ".join([str(attempt) for attempt in self.attempts[:_TOLD]])
        left = len(self.attempts) - _TOLD
        return told if left <= 0 else f"{told}; and {left} more"

    def __str__(self) -> str:
        return self.text


def _summary(name: str, attempts: list[Attempt]) -> Exception:
    """
    Create the error for failed attempts. If there was only one target and it has no address, this is the error of its address look-up, as
    with other endpoints.
    """
    if len(attempts) == 1 and isinstance(attempts[0].error, LookupFailed):
        return attempts[0].error
    return TargetsFailed(name, attempts)


def _reasonOf(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__.startswith("service_identity"):
        return "its certificate is for another name"
    if kind.__module__.startswith("OpenSSL"):
        # A list of (library, function, reason) tuples, of which the first one is relevant.
        try:
            return f"TLS: {error.args[0][0][2]}"
        except (IndexError, TypeError):
            return f"TLS: {error!r}"
    return str(error).rstrip(".") or kind.__name__


class _Attempts(TypedDict, total=False):
    """
    How each attempt is made.
    """

    resolver: object
    timeout: float | None
    bindAddress: BindAddress
    attemptDelay: float | None


class HostOptions(_Attempts, total=False):
    """
    Those of L{Options} that make a difference to a single host.
    """

    lookupTimeout: float | None


class Options(_Attempts, total=False):
    """
    The keyword arguments common to all endpoints.
    """

    priorityDelay: float | None
    lookupTimeout: float | None


class Way:
    """
    The options of an endpoint, independent of the targets.

    @ivar byName: pass the names of targets to the reactor's C{connectTCP}, for a test reactor that records them and takes no resolver.
        Records are looked up with the resolver that was set for the process.
    @ivar families: the address families reachable from C{bindAddress}, L{None} for both.
    """

    def __init__(self, reactor: IReactorTime, options: Options, relative: bool = False) -> None:
        """
        @param relative: whether the search list applies to host names.

        @raise TypeError: an option is unknown.
        @raise CallerFault: an option's value is not valid.
        """
        unknown = sorted(set(options) - set(Options.__annotations__))
        if unknown:
            raise TypeError(f"there is no parameter {unknown[0]!r}; there are {', '.join(Options.__annotations__)}")
        bindAddress, lookupTimeout = options.get("bindAddress"), options.get("lookupTimeout")
        self.reactor = withClock(reactor)
        self.byName = False
        self.timeout = secondsOf("timeout", options.get("timeout"), ATTEMPT_SECONDS)
        self.bindAddress = None if bindAddress is None else _pairOf(bindAddress)
        self.attemptDelay = secondsOf("attemptDelay", options.get("attemptDelay"), ATTEMPT_DELAY)
        self.priorityDelay = secondsOf("priorityDelay", options.get("priorityDelay"), PRIORITY_DELAY)
        try:
            secondsAndWaits(lookupTimeout)
        except CallerFault as fault:
            raise CallerFault(f"lookupTimeout: {fault}") from fault
        self.lookupTimeout = lookupTimeout
        self.relative = relative
        where = "" if self.bindAddress is None else self.bindAddress[0]
        self.families = [IPv6Address if ":" in where else IPv4Address] if where else None
        given = options.get("resolver")
        try:
            self._resolver = None if given is None else resolverOf(given, self.reactor)
        except BadDescription as fault:
            raise BadDescription(f"resolver: {fault}") from fault

    def resolverInUse(self) -> NamesResolver:
        if self._resolver is None:
            reactor: object = self.reactor
            # Twisted wraps what its installResolver is given, and keeps it in the second attribute.
            for installed in (getattr(reactor, "nameResolver", None), getattr(reactor, "resolver", None)):
                if isinstance(installed, NamesResolver):
                    return installed
            if self.byName and isAsked():
                return resolverOf(None)
            # The process-wide resolver runs on the global reactor and can serve no other.
            if sys.modules.get("twisted.internet.reactor") is reactor:
                return resolverOf(None)
            self._resolver = resolverOf(None, self.reactor)
        return self._resolver

    def connect(
        self,
        address: HostnameAddress,
        find: Callable[[NamesResolver, float | None], Deferred[Sequence[Target]]],
        protocolFactory: IProtocolFactory,
        securing: Securing | None = None,
    ) -> Deferred[IProtocol]:
        """
        Start connecting.

        @param address: the requested destination, for messages; the port is 0 if it comes from records.
        @param find: looks up the targets, given a resolver and a timeout.
        @param securing: makes the TLS handshake of an attempt; L{None} for plain TCP.
        """
        resolver = self.resolverInUse()
        connecting = ConnectAttempt(self, resolver, address, protocolFactory, securing)
        connecting.begin(find(resolver, self.lookupTimeout))
        return connecting.result


def _pairOf(given: object) -> tuple[str, int]:
    """
    Parse a C{bindAddress} argument to address and port.

    @raise CallerFault: the value is not an address. Names are rejected: binding to one would block on the system's resolver.
    """
    match given:
        case str() if literalOf(given):
            return given, 0
        case (str(address), int(port)) if (not address or literalOf(address)) and 0 <= port < 0x10000:
            return address, port
    raise CallerFault(
        f"bindAddress: {given!r:.80} is not an address to connect from; write one such as '192.0.2.7', or a pair of it and a port"
    )


def _whyNone(place: _Place, way: Way) -> BaseException:
    failures = [] if place.resolution is None else place.resolution.failures
    host = place.target.host
    if failures or way.families is None or way.bindAddress is None:
        return whyNoAddress(host, failures)
    family = "IPv6" if way.families[0] is IPv6Address else "IPv4"
    what = f"this is not an {family} address" if literalOf(host) else f"the name has no {family} address"
    return NoAddressError(f"{host}: {what}, and no other can be connected to from {way.bindAddress[0]}", rcode=0)


@implementer(IResolutionReceiver)
class _Place:
    """
    A target whose turn has come.

    @ivar waiting: addresses that have not been tried.
    @ivar looking: whether more addresses may arrive.
    """

    def __init__(self, target: Target, changed: Callable[[_Place], None]) -> None:
        self.target = target
        self.waiting: list[str] = []
        self.dialed = False
        self.looking = False
        self.resolution: HostResolution | None = None
        self._changed = changed
        self._hinted = False
        self._six: bool | None = None
        self._left = int(TARGET_ADDRESSES.default)

    def look(self, resolver: NamesResolver, way: Way) -> None:
        """
        Start the address look-up. Address hints of the record are used until it returns addresses, and if it returns none (RFC 9460,
        section 7.3).
        """
        target, families = self.target, way.families
        host = target.host
        if not (way.relative or host.endswith(".") or literalOf(host)):
            host += "."
        self.looking = True
        self.waiting = [text for text in target.addresses if families is None or (":" in text) == (families[0] is IPv6Address)]
        self._hinted = bool(self.waiting)
        if way.byName:
            self.waiting = [target.host]
            self.looking = False
            return
        self.resolution = HostResolution(resolver, way.reactor, self, host, target.port, families)
        self.resolution.begin(resolver.contextFor(way.lookupTimeout))
        if self._hinted:
            self.waiting = resolver.order.textsInOrder(self.waiting)

    def next(self) -> str:
        """
        Return the address to try next, preferably of the family that was not tried last (RFC 8305, section 4).
        """
        index = next((index for index, text in enumerate(self.waiting) if (":" in text) is not self._six), 0)
        text = self.waiting.pop(index)
        self._six = ":" in text
        self.dialed = True
        self._left -= 1
        if self._left <= 0:
            self.waiting.clear()
            self.stop()
        return text

    def stop(self) -> None:
        looking, self.looking = self.looking, False
        if looking and self.resolution is not None:
            self.resolution.cancel()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: IAddress) -> None:
        if self._hinted:
            # Addresses from A and AAAA records replace the hints.
            self._hinted = False
            self.waiting.clear()
        if isinstance(address, IPv4Address | IPv6Address) and self.looking:
            self.waiting.append(address.host)
            self._changed(self)

    def resolutionComplete(self) -> None:
        self.looking = False
        self._changed(self)


class ConnectAttempt:
    """
    A connection being established.

    @ivar result: fires with the caller's protocol; cancel it to stop all attempts.
    """

    def __init__(
        self,
        way: Way,
        resolver: NamesResolver,
        address: HostnameAddress,
        protocolFactory: IProtocolFactory,
        securing: Securing | None,
    ) -> None:
        self.result: Deferred[IProtocol] = Deferred(self._canceled)
        self._way = way
        self._resolver = resolver
        self._address = address
        self._securing = securing
        self._factory = RecordingFactory(protocolFactory)
        self._finding: Deferred[None] | None = None
        self._unopened: deque[Target] = deque()
        self._places: list[_Place] = []
        self._underWay: dict[Deferred[IProtocol], int] = {}
        self._ended: list[Attempt] = []
        self._tried: set[tuple[str, int]] = set()
        self._left = int(ATTEMPTS.default)
        # The last attempt started: when, of which priority, and whether an attempt has failed since.
        self._begunAt = 0.0
        self._priority = -1
        self._latest: _Place | None = None
        self._failed = False
        self._timer: IDelayedCall | None = None
        self._going = False
        self._over = False

    def begin(self, finding: Deferred[Sequence[Target]]) -> None:
        self._finding = finding.addCallbacks(self._cbFound, self._fail)
        self._finding.addErrback(self._fail)

    def _cbFound(self, targets: Sequence[Target]) -> None:
        self._finding = None
        self._unopened.extend(targets)
        self._go()

    # -- scheduling

    def _go(self) -> None:
        """
        Start everything that is due, including whatever becomes due as a consequence.
        """
        if self._going:
            return
        self._going = True
        try:
            while not self._over and self._step():
                pass
        finally:
            self._going = False

    def _step(self) -> bool:
        """
        Start the next attempt or address look-up if it is due. Return whether to call this again.
        """
        place = next((place for place in self._places if place.waiting), None)
        if self._left <= 0:
            place = None
            self._unopened.clear()
        if place is None and not self._unopened:
            if not self._isUnderWay():
                self._fail(_summary(self._name(), self._ended))
            return False
        if len(self._underWay) >= ATTEMPTS_AT_ONCE.default:
            return False
        target = self._unopened[0] if place is None else place.target
        if not self._isTime(target.priority, place is not None and place is self._latest and not place.dialed):
            return False
        self._begunAt = self._way.reactor.seconds()
        self._priority = target.priority
        self._failed = False
        self._stopTimer()
        if place is None:
            self._open(self._unopened.popleft())
        else:
            self._dial(place)
        return True

    def _isUnderWay(self, priority: int | None = None) -> bool:
        priorities = {*self._underWay.values(), *[place.target.priority for place in self._places if place.looking]}
        return bool(priorities) if priority is None else priority in priorities

    def _isTime(self, priority: int, opened: bool) -> bool:
        """
        Return whether to start the next attempt now; if not, set a timer.

        @param opened: the target was already due when its address look-up started, and no attempt has started since.
        """
        if opened or not self._isUnderWay():
            return True
        if priority > self._priority:
            if not self._isUnderWay(self._priority):
                return True
            delay = self._way.priorityDelay
        elif self._failed:
            return True
        else:
            delay = self._way.attemptDelay
        reactor = self._way.reactor
        self._stopTimer()
        left = self._begunAt + delay - reactor.seconds()
        if left <= 0:
            return True
        self._timer = reactor.callLater(left, self._timeIsUp)
        return False

    def _timeIsUp(self) -> None:
        self._timer = None
        self._go()

    # -- attempts

    def _open(self, target: Target) -> None:
        place = self._latest = _Place(target, self._cbPlace)
        self._places.append(place)
        place.look(self._resolver, self._way)

    def _cbPlace(self, place: _Place) -> None:
        if not (place.looking or place.dialed or place.waiting):
            self._ended.append(Attempt(place.target, "", _whyNone(place, self._way)))
            self._failed = True
        self._go()

    def _dial(self, place: _Place) -> None:
        self._latest = place
        target, address = place.target, place.next()
        key = (address, target.port)
        if key in self._tried:
            self._failed = True
            return
        self._tried.add(key)
        self._left -= 1
        way = self._way
        try:
            attempt = dial(way.reactor, address, target.port, self._factory, way.timeout, way.bindAddress, self._securing)
        except Exception as error:
            attempt = fail(error)
        self._underWay[attempt] = target.priority
        attempt.addCallbacks(self._cbConnected, self._ebAttempt, (attempt,), {}, (attempt, target, address))

    def _cbConnected(self, protocol: IProtocol, attempt: Deferred[IProtocol]) -> None:
        del self._underWay[attempt]
        self._stop()
        self.result.callback(protocol)

    def _ebAttempt(self, failure: Failure, attempt: Deferred[IProtocol], target: Target, address: str) -> None:
        if self._over:
            return
        del self._underWay[attempt]
        if self._factory.failure is not None:
            self._fail(self._factory.failure)
            return
        self._ended.append(Attempt(target, address, cast(BaseException, failure.value)))
        self._failed = True
        self._go()

    # -- the end

    def _fail(self, failure: Failure | BaseException) -> None:
        if not self._over:
            self._finding = None
            self._stop()
            self.result.errback(failure)

    def _canceled(self, result: Deferred[IProtocol]) -> None:
        self._stop()
        result.errback(newCancellation(self._address))

    def _stop(self) -> None:
        self._over = True
        self._stopTimer()
        finding, self._finding = self._finding, None
        if finding is not None:
            finding.cancel()
        for place in self._places:
            place.stop()
        attempts, self._underWay = self._underWay, {}
        for attempt in attempts:
            attempt.cancel()

    def _name(self) -> str:
        host, port = self._address.hostname.decode(), self._address.port
        return str(Target(host, port)) if port else host

    def _stopTimer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
