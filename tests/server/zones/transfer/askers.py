"""
Clients that request transfers, for tests; they may stop reading.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTCP, ITCPTransport
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.zone.changing import APEX
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.wire.tsig import Key, sign

__all__ = ["Asker", "Datagrams", "transferOf"]


def transferOf(
    zone: bytes = APEX, *, id: int = 7, soa: RRSet | None = None, key: Key | None = None, now: float = 0.0
) -> tuple[bytes, bytes]:
    """
    Return a request for a transfer, and its MAC.

    @param soa: the SOA record that the client has, for IXFR.
    """
    question = Question(zone, AXFR if soa is None else IXFR)
    octets = buildMessage(Message(id, 0, (question,), (), () if soa is None else (soa,)))
    return (octets, b"") if key is None else sign(octets, key, now)


class Asker(Protocol):
    """
    A connection to a server.

    @ivar messages: the messages that have arrived.
    @ivar lost: whether the connection has ended.
    """

    transport: ITCPTransport

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.lost = False
        self._buffer = StreamBuffer()

    @classmethod
    def at(cls, network: MemoryNetwork, here: MemoryReactor, address: str) -> Asker:
        """
        Connect to a server.
        """
        made: list[Asker] = []

        class Factory(ClientFactory):
            noisy = False

            def buildProtocol(self, addr: object) -> Protocol:
                made.append(cls())
                return made[0]

        IReactorTCP(here).connectTCP(address, 53, Factory())
        network.advance(0.1)
        return made[0]

    def dataReceived(self, data: bytes) -> None:
        self.messages += self._buffer.feed(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True

    def ask(self, *octets: bytes) -> None:
        """
        Send requests.
        """
        self.transport.write(b"".join([frame(each) for each in octets]))

    @property
    def records(self) -> list[RRSet]:
        """
        All records that have arrived.
        """
        return [record for each in self.messages for record in Message.fromWire(each).check().records()[0]]

    @property
    def rcode(self) -> int:
        """
        The RCODE of the last message.
        """
        return self.messages[-1][3] & 15


class Datagrams(DatagramProtocol):
    """
    A UDP socket.

    @ivar replies: the datagrams that have arrived.
    """

    noisy = False

    def __init__(self) -> None:
        self.replies: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        self.replies.append(datagram)
