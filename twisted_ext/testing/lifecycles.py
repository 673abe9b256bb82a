"""
Parts of Twisted that have no types, with the types that they have.
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
    What is told when it is put to use, and when it is no longer.
    """

    def doStart(self) -> None:
        """
        One more uses it.
        """

    def doStop(self) -> None:
        """
        One less uses it.
        """


class Dialing(Lifecycle, Protocol):
    """
    What a connector needs of a client's factory.
    """

    def startedConnecting(self, connector: IConnector) -> None:
        """
        It is being tried.
        """

    def buildProtocol(self, addr: IAddress) -> IProtocol | None:
        """
        It stands.
        """

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        """
        It did not come about.
        """

    def clientConnectionLost(self, connector: IConnector, reason: Failure) -> None:
        """
        It is gone.
        """


class Receiving(Lifecycle, Protocol):
    """
    What a UDP port tells its protocol, with what the classes of Twisted leave out: addresses of four parts, and refusals.
    """

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """
        A datagram has come.
        """

    def connectionRefused(self) -> None:
        """
        Nobody listens where it is connected to.
        """


def whereOf(address: IAddress) -> tuple[str, int]:
    """
    @return: host and port of an address of the internet.
    """
    assert isinstance(address, IPv4Address | IPv6Address)
    return address.host, address.port


failureOf: Final[Callable[[BaseException], Failure]] = Failure
newCannotListen: Final[Callable[[str, int, OSError], error.CannotListenError]] = error.CannotListenError
newRefusal: Final[Callable[..., error.ConnectionRefusedError]] = error.ConnectionRefusedError
newTimeout: Final[Callable[[], error.TimeoutError]] = error.TimeoutError
newUserError: Final[Callable[[], error.UserError]] = error.UserError
