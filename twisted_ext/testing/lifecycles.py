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
    "ConnectorFactory",
    "Lifecycle",
    "DatagramReceiver",
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
        Handle the start of a use.
        """

    def doStop(self) -> None:
        """
        Handle the end of a use.
        """


class ConnectorFactory(Lifecycle, Protocol):
    """
    The part of a client factory that a connector needs.
    """

    def startedConnecting(self, connector: IConnector) -> None:
        """
        Handle the start of a connection attempt.
        """

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        Handle an established connection.
        """

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        Handle a failed connection attempt.
        """

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """
        Handle a lost connection.
        """


class DatagramReceiver(Lifecycle, Protocol):
    """
    The methods of a UDP protocol, including what Twisted's classes leave out: addresses of four elements, and refusals.
    """

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """
        Handle a datagram.
        """

    def connectionRefused(self) -> None:
        """
        Handle an ICMP error: no process listens at the peer of a connected port.
        """


def whereOf(address: IAddress) -> tuple[str, int]:
    """
    Return host and port of an IP address.
    """
    assert isinstance(address, IPv4Address | IPv6Address)
    return address.host, address.port


failureOf: Final[Callable[[BaseException], Failure]] = Failure
newCannotListen: Final[Callable[[str, int, OSError], error.CannotListenError]] = error.CannotListenError
newRefusal: Final[Callable[..., error.ConnectionRefusedError]] = error.ConnectionRefusedError
newTimeout: Final[Callable[[], error.TimeoutError]] = error.TimeoutError
newUserError: Final[Callable[[], error.UserError]] = error.UserError
