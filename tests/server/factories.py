"""
Helpers for tests of the factory: resolvers of twisted.names, and a server on a memory network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import DatagramProtocol, Protocol
from twisted.names import dns as names
from twisted.names import error
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import FileAuthority, clientOf
from twisted_ext import dns
from twisted_ext.server import DNSServerFactory
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, RD
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.rdata.registry import rdataToText

__all__ = ["OnlyQuery", "Result", "Server", "Zone", "record"]


def record(kind: str, *values: object, **named: object) -> names.IEncodableRecord:
    """
    Return a record of twisted.names.
    """
    return cast("Callable[..., names.IEncodableRecord]", getattr(names, f"Record_{kind}"))(*values, **named)


#: The result of a resolver of twisted.names.
Result = tuple[list[names.RRHeader], list[names.RRHeader], list[names.RRHeader]]


class OnlyQuery:
    """
    A resolver that has only C{query}, as in Twisted's example.
    """

    def __init__(
        self, answers: dict[bytes, str] | None = None, raises: Callable[[], Exception] = error.DomainError
    ) -> None:
        self.answers = answers or {}
        self.raises = raises
        self.asked: list[names.Query] = []

    def query(self, query: names.Query, timeout: Sequence[int] | None = None) -> Deferred[Result]:
        self.asked.append(query)
        name = query.name.name
        if query.type != names.A or name not in self.answers:
            return fail(self.raises())
        payload = record("A", address=self.answers[name])
        return succeed(([names.RRHeader(name=name, ttl=77, payload=payload)], [], []))


class Zone(FileAuthority):
    """
    An authority of twisted.names.
    """

    def loadFile(self, filename: str) -> None:
        soa = record("SOA", b"ns.example.org", b"host.example.org", 1, 300, 300, 300, 60, 300)
        records = {
            b"example.org": [soa, record("NS", b"ns.example.org", ttl=300)],
            b"www.example.org": [record("A", "192.0.2.80", ttl=120), record("A", "192.0.2.81", ttl=120)],
            b"far.example.org": [record("CNAME", b"www.example.net", ttl=60)],
            b"below.example.org": [record("NS", b"ns.example.net", ttl=300)],
            b"long.example.org": [record("TXT", b"%03d" % number + b"." * 200, ttl=5) for number in range(40)],
        }
        vars(self).update(soa=(b"example.org", soa), records=records)


class Server(SynchronousTestCase):
    """
    Tests of a factory that serves on a memory network, over UDP and TCP.

    @ivar datagrams: makes the protocol for UDP; subclasses set another one.
    """

    datagrams: Callable[..., DatagramProtocol] = cast("Callable[..., DatagramProtocol]", dns.DNSDatagramProtocol)

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.001)
        self.serverHost: MemoryReactor = self.network.reactor("192.0.2.53")
        self.clientHost: MemoryReactor = self.network.reactor("192.0.2.7")

    def tearDown(self) -> None:
        for listener in list(self.serverHost.listeners.values()):
            listener.stopListening()
        for port in self.serverHost.ports():
            port.stopListening()
        self.network.advance(1)
        self.assertEqual(self.network.pending(), [])

    def serve(self, factory: DNSServerFactory) -> DNSServerFactory:
        """
        Listen with a factory over UDP and TCP.
        """
        self.serverHost.listenUDP(53, type(self).datagrams(controller=factory, reactor=self.serverHost))
        self.serverHost.listenTCP(53, factory)
        return factory

    def make(
        self,
        *,
        kind: type[DNSServerFactory] = DNSServerFactory,
        authorities: Iterable[object] | None = None,
        caches: Iterable[object] | None = None,
        clients: Iterable[object] | None = None,
        verbose: int = 0,
    ) -> DNSServerFactory:
        """
        Serve from resolvers.
        """
        return self.serve(kind(authorities, caches, clients, verbose, reactor=self.serverHost))

    def udp(self, octets: bytes, seconds: float = 0.1) -> list[bytes]:
        """
        Return the replies to a datagram.
        """
        replies: list[bytes] = []

        class ReplyCollector(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: object) -> None:
                replies.append(datagram)

        port = self.clientHost.listenUDP(0, ReplyCollector())
        protocol = cast("ReplyCollector", port.protocol)
        assert protocol.transport is not None
        protocol.transport.write(octets, ("192.0.2.53", 53))
        self.network.advance(seconds)
        port.stopListening()
        return replies

    def tcp(self, *messages: bytes, seconds: float = 0.1) -> list[bytes]:
        """
        Return the replies to messages on one connection.
        """
        replies: list[bytes] = []
        buffer = StreamBuffer()

        class MessageSender(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.write(b"".join([frame(message) for message in messages]))

            def dataReceived(self, data: bytes) -> None:
                replies.extend(buffer.feed(data))

        connector = self.clientHost.connectTCP("192.0.2.53", 53, clientOf(MessageSender))
        self.network.advance(seconds)
        connector.disconnect()
        self.network.advance(0.01)
        return replies

    def query(self, name: str, rrType: str = "A", *, flags: int = RD, edns: EDNS | None = None) -> bytes:
        """
        Return the octets of a query.
        """
        return buildMessage(Message(0x1234, flags, (questionOf(name, rrType),), edns=edns))

    def ask(
        self, name: str, rrType: str = "A", *, flags: int = RD, edns: EDNS | None = None, seconds: float = 0.1
    ) -> Message:
        """
        Send a query over UDP and TCP, check that both replies are the same, and return the reply.
        """
        octets = self.query(name, rrType, flags=flags, edns=edns)
        (byUDP,) = self.udp(octets, seconds)
        (byTCP,) = self.tcp(octets, seconds=seconds)
        self.assertEqual(byUDP, byTCP)
        reply = Message.fromWire(byUDP).check()
        self.assertEqual((reply.id, reply.flags & QR, reply.questions), (0x1234, QR, (questionOf(name, rrType),)))
        return reply

    def texts(self, reply: Message) -> list[str]:
        """
        Return the records of the answer section as text.
        """
        return [f"{rrset.ttl} {rdataToText(rrset.rrType, rdata)}" for rrset in reply.answer for rdata in rrset.rdatas]
