"""
Typed protocols for parts of Twisted that have no type annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.interfaces import IAddress, IConnector, IProtocol
from twisted.python.failure import Failure

__all__ = [
    "Dialing",
    "Lifecycle",
    "Receiving",
    "failureOf",
    "newCannotListen",
    "newRefusal",
    "newTimeout",
    "newUserError",
    "whereOf",
]


class Lifecycle(Protocol):
    """
    An object that is notified when it starts and stops being used.
    """

    def doStart(self) -> None:
        """
        It is used once more.
        """

    def doStop(self) -> None:
        """
        It is used once less.
        """


class Dialing(Lifecycle, Protocol):
    """
    The part of a client factory that a connector needs.
    """

    def startedConnecting(self, connector: IConnector) -> None:
        """
        A connection attempt begins.
        """

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        The connection was established.
        """

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        The connection attempt failed.
        """

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """
        The connection was lost.
        """


class Receiving(Lifecycle, Protocol):
    """
    The methods of a UDP protocol, including what Twisted's classes leave out: addresses of four elements, and refusals.
    """

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """
        A datagram was received.
        """

    def connectionRefused(self) -> None:
        """
        The peer of a connected port has no process listening.
        """


def whereOf(address: IAddress) -> tuple[str, int]:
    """
    @return: host and port of an IP address.
    """
    assert isinstance(address, IPv4Address | IPv6Address)
    return address.host, address.port


failureOf: Final[Callable[[BaseException], Failure]] = Failure
newCannotListen: Final[Callable[[str, int, OSError], error.CannotListenError]] = error.CannotListenError
newRefusal: Final[Callable[..., error.ConnectionRefusedError]] = error.ConnectionRefusedError
newTimeout: Final[Callable[[], error.TimeoutError]] = error.TimeoutError
newUserError: Final[Callable[[], error.UserError]] = error.UserError
