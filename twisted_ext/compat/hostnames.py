"""
Resolve a host name to the addresses to connect to: both families in parallel, in the order in which to try them.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IHostResolution, IReactorTime, IResolutionReceiver
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.addrinfo.gethost import addressesOf, numericHosts
from twisted_ext.answers import QueryContext, Question
from twisted_ext.compat.conversion.errors import DNSNameError, LookupFailed, NoAddressError, errorFromFault
from twisted_ext.errors import BadName, CallerFault, DNSFault, Refused
from twisted_ext.limits import FAMILY_GRACE, RESOLUTION_DELAY
from twisted_ext.transport.servers import scopeNumber
from twisted_ext.wire.names import isAbsolute, nameFromText
from twisted_ext.wire.rrtypes import AAAA, A

if TYPE_CHECKING:
    from typing import Literal

    from twisted.internet.interfaces import IDelayedCall

    from twisted_ext.compat.names import NamesResolver

__all__ = ["HostResolution", "whyNoAddress"]

#: The number of aliases to follow if the server does not.
_EFFORT: Final = 10

_FAMILIES: Final[dict[tuple[int, ...], int]] = {(A,): socket.AF_INET, (AAAA,): socket.AF_INET6}

#: The receiver of L{HostnameEndpoint<twisted.internet.endpoints.HostnameEndpoint>}.
_ENDPOINT: Final = "HostnameEndpoint.connect.<locals>.EndpointReceiver"


def whyNoAddress(host: str, failures: Sequence[BaseException | None]) -> LookupFailed:
    """
    Return the reason why a host has no address: the name does not exist, the look-up failed, or the name exists but has no address.

    @param failures: the error of each failed look-up, if any.
    """
    errors = [errorFromFault(each) if isinstance(each, DNSFault) else each for each in failures]
    found = [error for error in errors if isinstance(error, LookupFailed)]
    # A denial holds for both families. What is not permitted here stays so when the server that failed to answer for the other one is well.
    found.sort(key=lambda error: (not isinstance(error, DNSNameError), not isinstance(error.__cause__, Refused)))
    return found[0] if found else NoAddressError(f"{host}: the name has no address that could be connected to", rcode=0)


class _NoAddress(IPv4Address):
    """
    A placeholder whose C{host} raises the error, for the one receiver that reads it when it creates an endpoint. Twisted's interface cannot
    report the reason of a failure, so its endpoints fail with "no results for hostname lookup" for all of them.
    """

    def __init__(self, error: LookupFailed) -> None:
        self._error = error

    def __getattribute__(self, name: str) -> object:
        if name == "host":
            raise self._error
        return super().__getattribute__(name)


@implementer(IHostResolution)
class HostResolution:
    """
    The look-up of one host name.

    The addresses of both families are sorted together, unless the second family takes more than L{RESOLUTION_DELAY} seconds longer, or the
    addresses of the first precede all of the other family anyway (RFC 8305, section 3). Later addresses are delivered later, sorted
    separately. L{FAMILY_GRACE} seconds after that delay the resolution completes without them.

    @ivar failures: the errors of the families that failed.
    """

    _log = Logger(__name__)

    def __init__(
        self,
        resolver: NamesResolver,
        clock: IReactorTime,
        receiver: IResolutionReceiver,
        name: str | bytes,
        port: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> None:
        if transportSemantics not in ("TCP", "UDP"):
            raise CallerFault(f"transportSemantics: {transportSemantics!r} is not a transport; give 'TCP' or 'UDP'")
        # Twisted's resolvers return bytes unchanged, although their interface does not allow them.
        self.name = cast(str, name)
        self.failures: list[BaseException | None] = []
        self._resolver = resolver
        self._clock = clock
        self._receiver: IResolutionReceiver | None = receiver
        self._port = port
        self._kind = cast("Literal['TCP', 'UDP']", transportSemantics)
        self._families = [
            rrType
            for rrType, addressType in ((AAAA, IPv6Address), (A, IPv4Address))
            if addressTypes is None or addressType in addressTypes
        ]
        self._asked: dict[int, Deferred[None]] = {}
        self._waiting: set[int] = set()
        self._batch: list[str] = []
        self._given = False
        self._timer: IDelayedCall | None = None

    def begin(self, context: QueryContext) -> None:
        """
        Begin the resolution. The receiver may be called, even to completion, before this returns.
        """
        receiver = self._receiver
        if receiver is None:
            return
        receiver.resolutionBegan(self)
        numeric = numericHosts(self.name, _FAMILIES.get(tuple(self._families), socket.AF_UNSPEC))
        if numeric is not None:
            if self._families:
                self._give(numeric)
            self._complete()
            return
        given: object = self.name
        try:
            if not isinstance(given, str | bytes):
                raise BadName(f"{given!r:.80} is not a name; write it as text")
            name = nameFromText(given)
        except BadName as fault:
            self.failures.append(fault)
            self._complete()
            return
        context = context.but(relative=not isAbsolute(given))
        self._waiting.update(self._families)
        for rrType in self._families:
            if self._receiver is None:
                return
            finding = addressesOf(self._resolver.lookUp, Question(name, rrType), context, _EFFORT)
            arriving = Deferred.fromCoroutine(finding).addCallbacks(
                self._cbFound, self._ebFound, (rrType,), {}, (rrType,)
            )
            if rrType in self._waiting:
                self._asked[rrType] = arriving
            arriving.addErrback(self._ebReceiver)
        if not self._families:
            self._complete()

    def cancel(self) -> None:
        """
        Cancel the resolution. The receiver is not called again.
        """
        self._receiver = None
        self._stop()

    def _stop(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None and timer.active():
            timer.cancel()
        asked, self._asked = self._asked, {}
        self._waiting.clear()
        for arriving in asked.values():
            arriving.cancel()

    def _ebFound(self, failure: Failure, rrType: int) -> None:
        if rrType in self._waiting:
            self.failures.append(failure.value)
            self._cbFound([], rrType)

    def _ebReceiver(self, failure: Failure) -> None:
        self._log.failure("A receiver of addresses for {name} failed.", failure, name=self.name)

    def _cbFound(self, addresses: list[str], rrType: int) -> None:
        self._asked.pop(rrType, None)
        self._waiting.discard(rrType)
        self._batch.extend(addresses)
        if not self._waiting:
            self._giveBatch()
            self._complete()
        elif addresses and self._timer is None:
            if rrType == AAAA and self._resolver.order.comeFirst(addresses):
                self._waitedEnough()
            else:
                self._timer = self._clock.callLater(RESOLUTION_DELAY.default, self._waitedEnough)

    def _waitedEnough(self) -> None:
        self._giveBatch()
        if self._receiver is not None and self._waiting:
            self._timer = self._clock.callLater(FAMILY_GRACE.default, self._complete)

    def _giveBatch(self) -> None:
        batch, self._batch = self._batch, []
        self._give(self._resolver.order.textsInOrder(batch))

    def _give(self, addresses: list[str]) -> None:
        self._given = self._given or bool(addresses)
        for text in addresses:
            # A receiver may cancel at any time.
            if self._receiver is None:
                return
            if ":" not in text:
                self._receiver.addressResolved(IPv4Address(self._kind, text, self._port))
                continue
            # Connections use the text only, so the scope must remain in it.
            scope = text.partition("%")[2]
            self._receiver.addressResolved(IPv6Address(self._kind, text, self._port, 0, _scopeNumber(scope)))

    def _complete(self) -> None:
        receiver, self._receiver = self._receiver, None
        self._stop()
        if receiver is not None:
            if not self._given:
                error = whyNoAddress(self.name, self.failures)
                self._log.debug("{name}: {error}", name=self.name, error=error)
                if type(receiver).__qualname__ == _ENDPOINT and type(receiver).__module__ == "twisted.internet.endpoints":
                    receiver.addressResolved(_NoAddress(error))
            receiver.resolutionComplete()

    def __repr__(self) -> str:
        return f"<HostResolution {self.name}>"


def _scopeNumber(scope: str) -> int:
    try:
        return scopeNumber(scope)
    except OSError:
        return 0
