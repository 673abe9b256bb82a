"""
A player of scenarios: it runs a resolver against the servers of a scenario, asks it the queries and compares the answers.

The resolver runs on a host of an in-memory network, behind a server like that of C{twistd txdns}, so that the header of its replies can be
compared. Time is virtual: it advances until the resolver has answered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Protocol

from twisted_ext.errors import BadMessage
from twisted_ext.server.listeners.datagram import DatagramListener
from twisted_ext.server.listeners.stream import StreamListener
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.respond import Responder
from twisted_ext.testing.datagrams import normal
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.scenarios.configuration import Configuration
from twisted_ext.testing.scenarios.matching import (
    COMPARED,
    Mismatch,
    Query,
    Unsupported,
    checkWords,
    messageText,
    mismatches,
    queryMatches,
)
from twisted_ext.testing.scenarios.reading import BadScenario, Entry, Scenario, Step
from twisted_ext.testing.scenarios.servers import ScenarioNetwork
from twisted_ext.transport.faultlog import FaultLog
from twisted_ext.transport.servers import DNS_PORT
from twisted_ext.wire import codes
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.rdata.types.dnssec import RRSIG as Signature
from twisted_ext.wire.rrtypes import RRSIG

if TYPE_CHECKING:
    from twisted_ext.interfaces import IAnswerSource

__all__ = ["FORWARDER", "Build", "Mismatch", "Player", "Unsupported"]

#: Makes the resolver to test from the reactor of its host, the configuration, and a function that returns seconds since 1970.
Build = Callable[[MemoryReactor, Configuration, Callable[[], float]], "IAnswerSource"]

#: The address of the forwarder in scenarios that are played as Stelline does.
FORWARDER: Final = "203.0.113.53"

#: The date of scenarios that do not have one: 2023-11-14.
TODAY: Final = 1.7e9

#: Seconds of virtual time that an answer may take.
PATIENCE: Final = 30.0

#: Seconds in which the reply to invalid octets arrives, if there is one.
_MOMENT: Final = 0.01

#: Seconds in which closed connections end.
_CLOSING: Final = 60.0

#: The payload size in queries, as in Deckard.
_PAYLOAD: Final = 4096

#: Flags that are compared in scenarios of Stelline: the others are those of the forwarder there.
_STELLINE_FLAGS: Final = codes.QR | codes.TC | codes.AD


#: Kinds of steps that check something.
_CHECKS: Final = frozenset(("CHECK_ANSWER", "CHECK_OUT_QUERY"))


class Player:
    """
    Plays one scenario against one resolver::

        player = Player(readScenario(path), build)
        player.play()

    @ivar scenario: what is played.
    @ivar configuration: what the resolver was built with.
    @ivar network: the servers, with the queries that they have received.
    @ivar replies: the reply to the query of each step, by the step's number.
    @ivar source: the resolver.
    """

    def __init__(
        self,
        scenario: Scenario,
        build: Build,
        *,
        stelline: bool = False,
        refusing: bool = False,
        patience: float = PATIENCE,
        ignored: Collection[str] = (),
        exempt: Collection[int] = (),
    ) -> None:
        """
        @param stelline: play the scenario as Stelline does, for a validator behind a forwarder: all ranges are replies of one forwarder,
            at L{FORWARDER}, and the last one that matches counts; whole messages of the forwarder are passed on.
        @param refusing: whether addresses without a server refuse packets; else they are silent.
        @param patience: seconds of virtual time that an answer may take; at most 30.
        @param ignored: kinds of steps to pass over.
        @param exempt: numbers of steps that check what the resolver decides in its own way: they are passed over.

        @raise BadScenario: the scenario is not valid; with the line.
        @raise Unsupported: the scenario uses a feature that the player does not support, or does not check anything.
        """
        checkWords(scenario)
        scenario.check()
        for step in scenario.steps:
            if step.kind not in ignored and not hasattr(self, f"step_{step.kind}"):
                raise Unsupported(f"{step}")
        checking = {step.number for step in scenario.steps if step.kind in _CHECKS and step.kind not in ignored}
        if unknown := set(exempt) - checking:
            raise Unsupported(f"no check in the steps {', '.join([str(number) for number in sorted(unknown)])}")
        if not checking - set(exempt):
            raise Unsupported("the scenario checks no answer")
        self.scenario = scenario
        self.configuration = configuration = copy(scenario.configuration)
        self.network = network = ScenarioNetwork(scenario, last=stelline, refusing=refusing)
        self.replies: dict[int, Message] = {}
        self._stelline = stelline
        self._ignored = frozenset(ignored)
        self._exempt = frozenset(exempt)
        self._patience = patience
        if stelline:
            configuration.forwarders = {".": [FORWARDER]}
            configuration.hints = {}
            # These settings are about the servers that are not there.
            configuration.ipv4 = configuration.ipv6 = configuration.hardenGlue = True
            configuration.stubs = {}
        families = [family for family, used in ((4, configuration.ipv4), (6, configuration.ipv6)) if used]
        if not families:
            raise BadScenario("neither IPv4 nor IPv6 may be used: do-ip4 and do-ip6 are both off")
        self._host = network.resolver = network.free(*families)
        self._client = network.free(*families)
        self._clients: dict[str, MemoryReactor] = {}
        self._began = network.clock.seconds()
        self._today = TODAY if configuration.today is None else configuration.today
        if configuration.ignoresDates and configuration.anchors:
            self._today = commonDate(scenario)
        self.source = build(self._host, configuration, self.today)
        self._responder = responder = Responder(
            self.source,
            self._host,
            gates=standardGates(minimalAny=False, today=self.today),
            packetCache=packetCacheFor(Access({"allow": ["any"]}), today=self.today),
            replyBuilder=ReplyBuilder(minimal=configuration.minimalResponses and not stelline),
            seconds=patience,
            late=patience,
        )
        self._faults = responder.faults = _Faults()
        self._at = self._host.addresses[0]
        self._datagrams = DatagramListener(self._host, responder, self._at)
        self._streams = StreamListener(self._host, responder, self._at)
        self._ids = 0
        self._asked: Step | None = None
        self._octets: bytes | None = None
        # Queries to the servers that CHECK_OUT_QUERY has seen, or that came before the last query of a client.
        self._seen: set[int] = set()

    def today(self) -> float:
        """
        Return the seconds since 1970.
        """
        return self._today + self.network.clock.seconds() - self._began

    def play(self) -> None:
        """
        Play all steps.

        @raise Mismatch: a result differs; with the step, the expected and the actual result.
        @raise Unsupported: the scenario uses a feature that the player does not support.
        @raise Exception: one that the resolver has raised, other than a L{DNSFault<twisted_ext.errors.DNSFault>}.
        """
        self._datagrams.start()
        self._streams.start()
        try:
            for step in self.scenario.steps:
                self.network.step = step.number
                if step.kind not in self._ignored and step.number not in self._exempt:
                    getattr(self, f"step_{step.kind}")(step)
            self._checkMandatory()
        finally:
            self._close()
        left = self._host.pending()
        if left:
            raise Mismatch(f"the resolver was closed, but still has open: {'; '.join(left)}")

    def _close(self) -> None:
        self._responder.close()
        self._datagrams.stop()
        self._streams.stop()
        self.source.close()
        self.network.advance(_CLOSING)

    def _checkMandatory(self) -> None:
        used = {id(query.entry) for query in self.network.queries}
        for each in self.scenario.ranges:
            for entry in each.entries:
                if entry.mandatory and id(entry) not in used:
                    raise Mismatch(f"no query for the mandatory entry of line {entry.line}{self._queriesText()}")

    # -- steps

    def step_NOTHING(self, step: Step) -> None:
        """
        Do nothing.
        """

    def step_REPLY(self, step: Step) -> None:
        """
        Do nothing: the network gives this reply once.
        """

    def step_TRAFFIC(self, step: Step) -> None:
        """
        Let all packets arrive.
        """
        self.network.advance(1)

    def step_TIME_PASSES(self, step: Step) -> None:
        """
        Let time pass.
        """
        if step.elapsed is None:
            raise Unsupported(f"{step}: {' '.join(step.words)}")
        self.network.advance(step.elapsed)

    def step_QUERY(self, step: Step) -> None:
        """
        Ask the resolver.
        """
        entry = step.entry
        if entry is None:
            raise BadScenario(f"line {step.line}: a query without an entry")
        self._asked = step
        self._octets = None
        self._seen = set(range(len(self.network.queries)))
        client = self._clientOf(step)
        if entry.raw is not None:
            self._octets = self._ask(client, entry.raw, False, _MOMENT if self._expectsOctets(step) else self._patience + 1)
            with suppress(BadMessage):
                if self._octets is not None:
                    self.replies[step.number] = Message.fromWire(self._octets).check()
            return
        question = entry.question
        if question is None:
            raise Unsupported(f"{step}: a query without a question")
        self._ids += 1
        edns = EDNS(_PAYLOAD, codes.DO if entry.dnssecOk else 0)
        query = buildMessage(Message(self._ids, entry.flags | entry.opcode << 11, (question,), edns=edns))
        octets = self._ask(client, query, "TCP" in entry.match, self._patience + 1)
        if octets is not None and octets[2] & codes.TC >> 8 and "UDP" not in entry.match and not self._expectsTruncation(step):
            octets = self._ask(client, query, True, self._patience + 1)
        self._octets = octets
        if self._faults.errors:
            # The client gets SERVFAIL, which may be what the scenario expects.
            raise self._faults.errors[0]
        if octets is None:
            return
        try:
            self.replies[step.number] = Message.fromWire(octets).check()
        except BadMessage as error:
            raise Mismatch(f"{step}: the reply is not a message: {error}") from error

    def step_CHECK_ANSWER(self, step: Step) -> None:
        """
        Compare the reply to the last query.
        """
        entry, asked = step.entry, self._asked
        if entry is None:
            raise BadScenario(f"line {step.line}: an answer to check without an entry")
        if asked is None:
            raise BadScenario(f"line {step.line}: an answer to check without a query before it")
        if entry.raw is not None:
            if self._octets is None or self._octets[2:] != entry.raw[2:]:
                raise Mismatch(f"{step}: received {None if self._octets is None else self._octets.hex()}, expected {entry.raw.hex()}")
            return
        reply = self.replies.get(asked.number)
        if reply is None:
            raise Mismatch(f"{step}: no reply within {self._patience:g} seconds{self._queriesText()}")
        problems = mismatches(entry, reply, _STELLINE_FLAGS if self._stelline else COMPARED)
        if problems:
            raise Mismatch(
                f"{step}: {'; '.join(problems)}\n-- expected, MATCH {' '.join(sorted(entry.match))}\n{entryText(entry)}"
                f"\n-- received\n{messageText(reply)}{self._queriesText()}"
            )

    def step_CHECK_OUT_QUERY(self, step: Step) -> None:
        """
        Check that a matching query was sent to a server since the last query of a client.
        """
        if step.entry is None:
            raise BadScenario(f"line {step.line}: a query to check without an entry")
        for index, query in enumerate(self.network.queries):
            if index not in self._seen and queryMatches(step.entry, Query.of(query.message, query.stream)):
                self._seen.add(index)
                return
        raise Mismatch(f"{step}: no such query was sent: {step.entry.question}{self._queriesText()}")

    # -- queries of clients

    def _clientOf(self, step: Step) -> MemoryReactor:
        if "ADDRESS" not in step.words:
            return self._client
        try:
            address = normal(step.words[step.words.index("ADDRESS") + 1])
        except (IndexError, ValueError):
            raise BadScenario(f"line {step.line}: an IP address is expected after ADDRESS") from None
        if address not in self._clients:
            self._clients[address] = self.network.reactor(address)
        return self._clients[address]

    def _expectsTruncation(self, step: Step) -> bool:
        expected = self._expected(step)
        return expected is not None and "TC" in expected.reply

    def _expectsOctets(self, step: Step) -> bool:
        expected = self._expected(step)
        return expected is None or expected.raw is not None

    def _expected(self, step: Step) -> Entry | None:
        """
        Return the entry with which the reply to a query is compared.
        """
        steps = self.scenario.steps
        for each in steps[steps.index(step) + 1 :]:
            if each.kind == "CHECK_ANSWER":
                return each.entry
            if each.kind == "QUERY":
                break
        return None

    def _ask(self, client: MemoryReactor, octets: bytes, stream: bool, seconds: float) -> bytes | None:
        if stream:
            connection = _Stream(octets)
            client.connectTCP(self._at, DNS_PORT, _Streams(connection))
            self._await(connection.replies, seconds)
            if connection.transport is not None:
                connection.transport.abortConnection()
            return connection.replies[0] if connection.replies else None
        socket = _Datagrams()
        port = client.listenUDP(0, socket, "::" if ":" in self._at else "", 65535)
        port.write(octets, (self._at, DNS_PORT))
        self._await(socket.replies, seconds)
        port.stopListening()
        return socket.replies[0] if socket.replies else None

    def _await(self, replies: list[bytes], seconds: float) -> None:
        """
        Advance the clock, from one event to the next, until a reply has arrived.
        """
        clock = self.network.clock
        ends = clock.seconds() + seconds
        while not replies:
            due = min([call.getTime() for call in clock.getDelayedCalls()], default=ends)
            self.network.advance(max(min(due, ends) - clock.seconds(), 0.0))
            if clock.seconds() >= ends:
                return

    def _queriesText(self) -> str:
        lines = [f"{query}" for query in self.network.queries]
        return "\n-- queries to the servers\n" + "\n".join(lines) if lines else "\n-- no query was sent to the servers"


def commonDate(scenario: Scenario) -> float:
    """
    Return a time at which all signatures of a scenario are valid, in seconds since 1970.

    @raise Unsupported: there is none: then a resolver that checks dates cannot play it.
    """
    begins, ends = 0, 1 << 32
    for entry in scenario.entries():
        for section in ("ANSWER", "AUTHORITY", "ADDITIONAL"):
            for rrset in entry.listed(section):
                if rrset.rrType == RRSIG:
                    signature = Signature.fromWire(rrset.rdatas[0])
                    begins, ends = max(begins, signature.inception), min(ends, signature.expiration)
    if begins > ends:
        raise Unsupported("val-override-date: -1, and the signatures are not valid at the same time")
    return float(begins)


def entryText(entry: Entry) -> str:
    """
    Return the message of an entry as text.
    """
    flags = entry.flags | entry.opcode << 11 | entry.rcode & 15
    question = entry.question
    answer, authority, additional = [tuple(entry.listed(section)) for section in ("ANSWER", "AUTHORITY", "ADDITIONAL")]
    edns = EDNS(_PAYLOAD, codes.DO if entry.dnssecOk else 0, extendedRcode=entry.rcode >> 4)
    return messageText(Message(0, flags, () if question is None else (question,), answer, authority, additional, edns))


class _Faults(FaultLog):
    """
    Keeps unexpected exceptions instead of logging them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[BaseException] = []

    def note(self, doing: str, error: BaseException, now: float) -> None:
        self.errors.append(error)


class _Datagrams(DatagramProtocol):
    noisy = False

    def __init__(self) -> None:
        self.replies: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        self.replies.append(datagram)


class _Streams(ClientFactory[Protocol]):
    noisy = False

    def __init__(self, stream: Protocol) -> None:
        self._stream = stream

    def buildProtocol(self, addr: object) -> Protocol:
        return self._stream


class _Stream(Protocol):
    transport: ITCPTransport | None

    def __init__(self, octets: bytes) -> None:
        self.replies: list[bytes] = []
        self._octets = octets
        self._buffer = StreamBuffer()

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(frame(self._octets))

    def dataReceived(self, data: bytes) -> None:
        self.replies += self._buffer.feed(data)
