"""
The servers of a scenario, on an in-memory network.
"""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address

from twisted.internet.interfaces import ITCPTransport, IUDPTransport
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory

from twisted_ext.errors import BadMessage
from twisted_ext.testing.datagrams import normal
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.scenarios.matching import Query, delayOf, queryMatches, replyTo
from twisted_ext.testing.scenarios.reading import Entry, Scenario
from twisted_ext.transport.servers import DNS_PORT
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, RD, Rcode
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message

__all__ = ["ScenarioNetwork", "UpstreamQuery"]

#: Seconds from one host to another. A whole scenario takes much less than a second unless servers are silent.
_DELAY = 0.001

_MOST_DATAGRAM = 65535


class UpstreamQuery:
    """
    A query that a server of the scenario received.

    @ivar step: the number of the step in which it came.
    @ivar address: that of the server.
    @ivar message: the query.
    @ivar stream: whether it came over TCP.
    @ivar entry: the entry that is the reply; L{None} if the scenario has none, and the reply was SERVFAIL.
    """

    __slots__ = ("step", "address", "message", "stream", "entry")

    def __init__(self, step: int, address: str, message: Message, stream: bool, entry: Entry | None) -> None:
        self.step = step
        self.address = address
        self.message = message
        self.stream = stream
        self.entry = entry

    def __str__(self) -> str:
        question = self.message.questions[0] if self.message.questions else "no question"
        found = "no entry" if self.entry is None else f"entry of line {self.entry.line}"
        return f"step {self.step}: {question} to {self.address} over {'TCP' if self.stream else 'UDP'}: {found}"


class ScenarioNetwork(MemoryNetwork):
    """
    A network with the servers of a scenario. In each step they give the replies of the ranges for that step and their address, and the
    one-time replies of later steps (C{STEP n REPLY}); everything else gets SERVFAIL, as in Deckard.

    @ivar step: the number of the step.
    @ivar queries: all queries to the servers, in order.
    @ivar resolver: the host of the resolver, which loopback addresses of the scenario's servers are reachable from.
    """

    def __init__(self, scenario: Scenario, *, last: bool = False, refusing: bool = False) -> None:
        """
        @param last: whether the last matching reply of all ranges counts, for all addresses, as in Stelline; else the first one for the
            address.
        @param refusing: whether addresses without a server send ICMP errors; else they are silent.
        """
        super().__init__(seed=1)
        self.link.delay = _DELAY
        self.step = 0
        self.queries: list[UpstreamQuery] = []
        self.resolver: MemoryReactor | None = None
        self._scenario = scenario
        self._last = last
        self._refusing = refusing
        self._everywhere = last or any(not each.addresses for each in scenario.ranges)
        self._once: list[tuple[int, Entry]] = [
            (step.number, step.entry) for step in scenario.steps if step.kind == "REPLY" and step.entry is not None
        ]
        # One-time replies come from any server.
        self._everywhere |= bool(self._once)
        for address in scenario.addresses:
            if normal(address) not in self._hosts:
                self._serve(normal(address))

    def free(self, *families: int) -> MemoryReactor:
        """
        Add a host at addresses that the scenario does not use.

        @param families: 4 and 6, as the host has them.
        """
        prefixes = {4: "198.51.100.", 6: "2001:db8:fffe::"}
        used = {normal(address) for address in self._scenario.addresses} | self._hosts.keys()
        addresses = []
        for family in families:
            number = 53
            while f"{prefixes[family]}{number}" in used:
                number += 1
            addresses.append(f"{prefixes[family]}{number}")
        return self.reactor(*addresses)

    def hostAt(self, address: str, asking: MemoryReactor | None = None) -> MemoryReactor | None:
        host = self._hosts.get(address)
        if ip_address(address).is_loopback:
            # Servers on loopback addresses run beside the resolver.
            return host if host is not None and asking is not host else self.resolver
        if host is None and self._everywhere:
            self._serve(address)
        elif host is None and self._refusing:
            self.reactor(address)
        return self._hosts.get(address)

    def _serve(self, address: str) -> None:
        host = self.reactor(address)
        host.listenUDP(DNS_PORT, _Datagrams(self, address, host), address, _MOST_DATAGRAM)
        host.listenTCP(DNS_PORT, _Streams(self, address, host), interface=address)

    def find(self, address: str, message: Message, stream: bool) -> Entry | None:
        """
        Return the entry that is the reply to a query.
        """
        query = Query.of(message, stream)
        if self._last:
            found = [entry for entry in self._scenario.active(self.step) if queryMatches(entry, query)]
            return found[-1] if found else None
        for entry in self._scenario.active(self.step, address, self._scenario.configuration.isUnbound):
            if queryMatches(entry, query):
                return entry
        for index, (number, entry) in enumerate(self._once):
            if number >= self.step and queryMatches(entry, query):
                del self._once[index]
                return entry
        return None

    def answer(self, address: str, octets: bytes, stream: bool) -> tuple[bytes | None, float]:
        """
        Return the reply to a query, if any, and the seconds to wait before it is sent.
        """
        try:
            message = Message.fromWire(octets).check()
        except BadMessage:
            return None, 0.0
        entry = self.find(address, message, stream)
        self.queries.append(UpstreamQuery(self.step, address, message, stream, entry))
        if entry is None:
            failure = Message(message.id, QR | message.flags & RD | message.opcode << 11 | Rcode.SERVFAIL, message.questions)
            return buildMessage(failure), 0.0
        return replyTo(entry, message, stream, self._scenario.configuration.isUnbound), delayOf(entry)


class _Datagrams(DatagramProtocol):
    noisy = False
    transport: IUDPTransport

    def __init__(self, network: ScenarioNetwork, address: str, host: MemoryReactor) -> None:
        self._network = network
        self._address = address
        self._host = host

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        reply, delay = self._network.answer(self._address, datagram, False)
        if reply is not None:
            self._host.callLater(delay, self.transport.write, reply, (addr[0], addr[1]))


class _Streams(ServerFactory):
    noisy = False

    def __init__(self, network: ScenarioNetwork, address: str, host: MemoryReactor) -> None:
        self._make = partial(_Stream, network, address, host)

    def buildProtocol(self, addr: object) -> Protocol:
        return self._make()


class _Stream(Protocol):
    transport: ITCPTransport

    def __init__(self, network: ScenarioNetwork, address: str, host: MemoryReactor) -> None:
        self._network = network
        self._address = address
        self._host = host
        self._buffer = StreamBuffer()

    def dataReceived(self, data: bytes) -> None:
        for octets in self._buffer.feed(data):
            reply, delay = self._network.answer(self._address, octets, True)
            if reply is not None:
                self._host.callLater(delay, self.transport.write, frame(reply))
