"""
A memory network with a client and any number of servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import Link, MemoryNetwork
from twisted_ext.testing.reactors import MemoryPort, MemoryReactor
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.exchange import TCP
from twisted_ext.transport.servers import Server
from twisted_ext.transport.udpsockets import PortSocket
from twisted_ext.wire.rdata.registry import rdataToText

__all__ = ["NetworkTestCase", "Recorder", "WWW", "socketOf", "textsOf"]

#: The default records of servers.
WWW: Mapping[tuple[str, str], Reply] = {("www.test.example", "A"): "192.0.2.80"}


def textsOf(answer: Answer) -> list[str]:
    """
    Return the texts of the answer's records, aliases included.
    """
    return [rdataToText(rrset.rrType, rdata) for rrset in answer.answer for rdata in rrset.rdatas]


def socketOf(port: MemoryPort) -> PortSocket:
    """
    Return the socket that sends the queries of a port and receives their replies.
    """
    socket = vars(port.protocol)["socket"]
    assert isinstance(socket, PortSocket)
    return socket


@dataclass
class Recorder(Link):
    """
    A link that records the octets of streams.
    """

    octets: list[bytes] = field(default_factory=list)

    def pieces(self, octets: bytes) -> list[bytes]:
        self.octets.append(octets)
        return super().pieces(octets)


class NetworkTestCase(SynchronousTestCase):
    """
    Tests on a network. Each leaves nothing open on the client's host.

    @ivar network: the network; its packets take ten milliseconds.
    @ivar here: the client's host.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.01)
        self.here: MemoryReactor = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.contexts: list[QueryContext] = []

    def tearDown(self) -> None:
        self.assertEqual(self.here.pending(), [])

    def serve(self, address: str = "192.0.2.53", records: Mapping[tuple[str, str], Reply] = WWW) -> tuple[CannedServer, Server]:
        """
        Start a server on a host of its own.
        """
        canned = CannedServer(records)
        return canned, canned.listen(self.network.reactor(address))

    def nowhere(self, address: str = "192.0.2.99") -> Server:
        """
        Return a server at an address without a host.
        """
        return Server(address)

    def forward(self, *servers: Server, mixCase: bool = False, stream: bool = False, keep: float | None = None) -> ForwardingSource:
        """
        Return a forwarder to these servers.
        """
        return ForwardingSource(self.here, servers, mixCase=mixCase, stream=stream, transport=TCP(keep))

    def ask(
        self,
        source: IAnswerSource,
        name: str = "www.test.example",
        rrType: str = "A",
        *,
        seconds: float = 5.0,
        waits: tuple[float, ...] | None = None,
        edns: bool = True,
    ) -> Deferred[Answer]:
        """
        Start a look-up.
        """
        context = QueryContext(self.here.seconds() + seconds, waits=waits, edns=edns, trace=Trace())
        self.contexts.append(context)
        return lookUp(source, questionOf(name, rrType), context)

    def find(self, source: IAnswerSource, name: str = "www.test.example", rrType: str = "A", *, seconds: float = 5.0) -> list[str]:
        """
        Look up a name and return the texts of its records.
        """
        asked = self.ask(source, name, rrType, seconds=seconds)
        self.network.advance(seconds + 1.0)
        return self.told(asked)

    def told(self, asked: Deferred[Answer]) -> list[str]:
        """
        Return the texts of the records that a finished look-up has found.
        """
        return textsOf(self.successResultOf(asked))

    def fault(self, source: IAnswerSource, name: str = "www.test.example", *, seconds: float = 5.0) -> DNSFault:
        """
        Look up a name and return the fault.
        """
        asked = self.ask(source, name, seconds=seconds)
        self.network.advance(seconds + 1.0)
        return self.failed(asked)

    def failed(self, asked: Deferred[Answer]) -> DNSFault:
        """
        Return the fault of a finished look-up.
        """
        error = self.failureResultOf(asked).value
        assert isinstance(error, DNSFault), error
        return error

    def events(self, number: int = -1) -> list[str]:
        """
        Return the events in the trace of a look-up.
        """
        trace = self.contexts[number].trace
        assert trace is not None
        return [note.event for note in trace.notes]
