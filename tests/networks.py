"""
A memory network with a client on it, and as many servers as a test sets up.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, QueryContext, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.datagrams import MemoryPort
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.transport.udpports import PortSocket
from twisted_ext.wire.rdata.registry import rdataToText

__all__ = ["NetworkTestCase", "WWW", "socketOf", "textsOf"]

#: What servers know unless a test says otherwise.
WWW: Mapping[tuple[str, str], Reply] = {("www.example.test", "A"): "192.0.2.80"}


def textsOf(answer: Answer) -> list[str]:
    """
    @return: the texts of the records that were asked for, and of the aliases that led to them.
    """
    return [rdataToText(rrset.rrType, rdata) for rrset in answer.answer for rdata in rrset.rdatas]


def socketOf(port: MemoryPort) -> PortSocket:
    """
    @return: what sends the queries of a port, and takes their replies.
    """
    socket = vars(port.protocol)["socket"]
    assert isinstance(socket, PortSocket)
    return socket


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
        Set up a server on a host of its own.
        """
        canned = CannedServer(records)
        return canned, canned.listen(self.network.reactor(address))

    def nowhere(self, address: str = "192.0.2.99") -> Server:
        """
        @return: a server at an address where nobody is.
        """
        return Server(address)

    def forward(self, *servers: Server, mixCase: bool = False, stream: bool = False, keep: float | None = None) -> ForwardingSource:
        """
        @return: a client of these servers.
        """
        return ForwardingSource(self.here, servers, mixCase=mixCase, stream=stream, keep=keep)

    def ask(
        self,
        source: IAnswerSource,
        name: str = "www.example.test",
        rrType: str = "A",
        *,
        seconds: float = 5.0,
        waits: tuple[float, ...] | None = None,
        edns: bool = True,
    ) -> Deferred[Answer]:
        """
        Begin a look-up.
        """
        context = QueryContext(self.here.seconds() + seconds, waits=waits, edns=edns, trace=Trace())
        self.contexts.append(context)
        return source.answer(questionOf(name, rrType), context)

    def find(self, source: IAnswerSource, name: str = "www.example.test", rrType: str = "A", *, seconds: float = 5.0) -> list[str]:
        """
        @return: the texts of the records that a look-up gives, all that happens until then included.
        """
        asked = self.ask(source, name, rrType, seconds=seconds)
        self.network.advance(seconds + 1.0)
        return self.told(asked)

    def told(self, asked: Deferred[Answer]) -> list[str]:
        """
        @return: the texts of the records that a look-up has given.
        """
        return textsOf(self.successResultOf(asked))

    def fault(self, source: IAnswerSource, name: str = "www.example.test", *, seconds: float = 5.0) -> DNSFault:
        """
        @return: what a look-up fails with.
        """
        asked = self.ask(source, name, seconds=seconds)
        self.network.advance(seconds + 1.0)
        return self.failed(asked)

    def failed(self, asked: Deferred[Answer]) -> DNSFault:
        """
        @return: what a look-up has failed with.
        """
        error = self.failureResultOf(asked).value
        assert isinstance(error, DNSFault), error
        return error

    def events(self, number: int = -1) -> list[str]:
        """
        @return: what happened during a look-up, as its trace has it.
        """
        trace = self.contexts[number].trace
        assert trace is not None
        return [note.event for note in trace.notes]
