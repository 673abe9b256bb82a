"""
A player of scenarios for servers: our server on a memory network, with listeners, packet cache and gates, and as many clients as a scenario
has addresses.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final

from tests.server.zones.transfer.askers import Asker, Datagrams
from tests.server.zones.transfer.replicas import applyZones
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.listeners.datagram import DatagramListener
from twisted_ext.server.listeners.stream import StreamFactory, StreamListener, StreamResponder
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.replybuilder import ReplyBuilder
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.transfer.replication import Replication
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.scenarios.reading import BadScenario, Entry, Scenario, Step
from twisted_ext.wire import codes
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.wire.tsig import replySigned, verify
from twisted_ext.zone.zone import Zone

__all__ = ["QueryResult", "Mismatch", "ScenarioServer", "check"]

#: The address of the server, and the default address of clients.
_SERVER: Final = "192.0.2.53"
_CLIENT: Final = "127.0.0.1"

#: Seconds for an exchange. All exchanges of a scenario take less than one second, so that its times stay meaningful.
_EXCHANGE: Final = 0.03

_HEADER: Final = codes.QR | codes.AA | codes.TC | codes.RD | codes.RA | codes.AD | codes.CD
_COOKIE: Final = 10
_KEEPALIVE: Final = 11
_OPT: Final = 41

#: Octets of an hmac-sha256 MAC.
_MAC: Final = 32

#: Supported words of MATCH. MOCK_CLIENT sends a query unchanged, as all are here.
_MATCHES: Final = frozenset(
    ("all", "ednsdata", "server_cookie", "EXTRA_PACKETS", "CONNECTION_CLOSED", "TCP", "UDP", "MOCK_CLIENT", "OPCODE", "NOTIFY")
)

#: Supported settings, and those that are checked step by step anyway.
_SETTINGS: Final = frozenset(
    (
        "server", "local-data", "provide-xfr", "answer-cookie", "cookie-secret", "access-control", "edns-tcp-keepalive",
        "edns-tcp-keepalive-timeout",
    )
)


class Mismatch(AssertionError):
    """
    An answer is not the one in the scenario.
    """


class QueryResult:
    """
    The result of a query.

    @ivar wire: the query.
    @ivar client: the address of the client.
    @ivar stream: whether it was sent over TCP.
    @ivar replies: the replies.
    @ivar lost: whether the connection is closed.
    @ivar now: the time of the server in seconds since 1970.
    """

    def __init__(self, wire: bytes, client: str, stream: bool, replies: list[bytes], lost: bool, now: float) -> None:
        self.wire = wire
        self.client = client
        self.stream = stream
        self.replies = replies
        self.lost = lost
        self.now = now


def ednsOf(entry: Entry) -> tuple[tuple[int, bytes], ...]:
    """
    Return the EDNS options of an entry.
    """
    octets = entry.options
    options = []
    while octets:
        end = 4 + int.from_bytes(octets[2:4], "big")
        options.append((int.from_bytes(octets[:2], "big"), octets[4:end]))
        octets = octets[end:]
    return tuple(options)


def queryOf(entry: Entry) -> bytes:
    """
    Return the message of an entry, with ID 0.
    """
    question = entry.question
    assert question is not None
    flags = entry.flags | (codes.Opcode.NOTIFY << 11 if "NOTIFY" in entry.match else 0)
    opt = EDNS(1232, 0, ednsOf(entry)).toWire() if entry.options else b""
    more = b"".join([_recordOf(rrset) for rrset in entry.records("ADDITIONAL")])
    count = bool(opt) + len(entry.records("ADDITIONAL"))
    return b"\0\0" + flags.to_bytes(2, "big") + b"\0\1\0\0\0\0" + count.to_bytes(2, "big") + question.toWire() + opt + more


def _recordOf(rrset: RRSet) -> bytes:
    (rdata,) = rrset.rdatas
    numbers = rrset.rrType.to_bytes(2, "big") + rrset.rrClass.to_bytes(2, "big") + rrset.ttl.to_bytes(4, "big")
    return rrset.name + numbers + len(rdata).to_bytes(2, "big") + rdata


class ScenarioServer:
    """
    A server with the settings of a scenario, and its clients.

    @ivar keys: its keys.
    @ivar cookies: its cookies, if it gives any.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, *, keys: tuple[str, ...] = (), fetched: str = "", idle: float | None = None
    ) -> None:
        """
        @param folder: for zones from elsewhere.
        @param keys: those of which the program that the scenario was written for knows.
        @param fetched: a zone that comes from the client's address.
        """
        unknown = {key for key, _ in scenario.config} - _SETTINGS
        if unknown:
            raise BadScenario(f"settings that are not known: {', '.join(sorted(unknown))}")
        said = dict(scenario.config)
        self.network = MemoryNetwork(seed=1)
        self.network.shape(delay=0.001)
        self._hosts: dict[str, MemoryReactor] = {}
        self._streams: dict[str, Asker] = {}
        reactor = self._reactor = self.network.reactor(_SERVER)
        zones = Zones()
        tables: list[ZoneSettings] = []
        data = [value for key, value in scenario.config if key == "local-data"]
        if data:
            origin = next(line.split()[0] for line in data if not line.startswith("$"))
            zones.put(Zone.fromText("\n".join([*data, ""]), origin))
            allowed = [value.split() for key, value in scenario.config if key == "provide-xfr"]
            singly = [words[0] for words in allowed if "COMPATIBLE" in words]
            table = {"name": origin.rstrip("."), "allow-transfer": [words[0] for words in allowed], "one-answer": singly}
            tables.append(ZoneSettings.fromTable(table))
        if fetched:
            tables.append(ZoneSettings.fromTable({"name": fetched, "primaries": [_CLIENT]}))
        shared = self.keys = Keys.fromTexts(keys)
        self.cookies = Cookies(bytes.fromhex(said["cookie-secret"])) if said.get("answer-cookie") == "yes" else None
        sink = ZoneSink(zones, lambda place, version: None if version is None else self._replication.changed(version), reactor.seconds)
        self._replication = Replication(reactor, sink, str(folder), today=reactor.seconds)
        applyZones(self._replication, tables, shared)
        operations = self._replication.handlers
        gates = standardGates(keys=shared, cookies=self.cookies, today=reactor.seconds, handlers=operations)
        required = [value.split()[0] for key, value in scenario.config if key == "access-control" and value.endswith(" allow_cookie")]
        self._responder = responder = Responder(
            AuthoritySource(zones),
            reactor,
            gates=gates,
            handlers=operations,
            packetCache=packetCacheFor(Access({"allow": ["any"]}), cookies=self.cookies, required=required, today=reactor.seconds),
            replyBuilder=ReplyBuilder(recursion=False, idle=idle),
        )
        self._datagrams = DatagramListener(reactor, responder, _SERVER)
        self._servings = StreamFactory(StreamResponder(responder), reactor, idle=idle)
        self._listener = StreamListener(reactor, responder, _SERVER, servings=self._servings)

    def __enter__(self) -> ScenarioServer:
        self._datagrams.start()
        self._listener.start()
        self._replication.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        for stream in self._streams.values():
            stream.transport.abortConnection()
        self._responder.close()
        for each in (self._replication, self._datagrams, self._listener):
            each.stop()
        self._servings.close()
        self.network.advance(1)
        if kind is None:
            left = [line for host in (self._reactor, *self._hosts.values()) for line in host.pending()]
            assert not left, left

    def ask(self, step: Step) -> QueryResult:
        """
        Send the query of a step.
        """
        entry = step.entry
        assert entry is not None and entry.match <= _MATCHES, step
        client = step.words[step.words.index("ADDRESS") + 1] if "ADDRESS" in step.words else _CLIENT
        if client not in self._hosts:
            self._hosts[client] = self.network.reactor(client)
        wire = queryOf(entry)
        now = self._reactor.seconds()
        if "TCP" in entry.match:
            stream = self._streams.get(client)
            if stream is None:
                stream = self._streams[client] = Asker.at(self.network, self._hosts[client], _SERVER)
            stream.messages.clear()
            if not stream.lost:
                stream.ask(wire)
                self.network.advance(_EXCHANGE)
            return QueryResult(wire, client, True, list(stream.messages), stream.lost, now)
        socket = Datagrams()
        port = self._hosts[client].listenUDP(0, socket)
        port.write(wire, (_SERVER, 53))
        self.network.advance(_EXCHANGE)
        port.stopListening()
        return QueryResult(wire, client, False, socket.replies, False, now)

    def pass_(self, step: Step) -> None:
        """
        Let the time of a step pass.
        """
        assert step.words[0] == "ELAPSE", step
        self.network.advance(float(step.words[1]))


def _records(sets: Iterable[RRSet]) -> list[tuple[bytes, int, int, int, str]]:
    return sorted(
        [
            (rrset.name.lower(), rrset.rrType, rrset.rrClass, rrset.ttl, rdataToText(rrset.rrType, rdata))
            for rrset in sets
            if rrset.rrType != _OPT
            for rdata in rrset.rdatas
        ]
    )


def _expect(condition: object, said: str) -> None:
    if not condition:
        raise Mismatch(said)


def check(asked: QueryResult, entry: Entry, cookies: Cookies | None, keys: Keys) -> None:
    """
    Compare the result of a query with an entry.

    @raise Mismatch: they differ.
    """
    assert entry.match <= _MATCHES, entry
    if "CONNECTION_CLOSED" in entry.match:
        _expect(asked.lost and not asked.replies, "the connection is still there")
        return
    _expect(asked.replies and not asked.lost, "no reply")
    _expect(len(asked.replies) == 1 or "EXTRA_PACKETS" in entry.match, "several replies")
    messages = [Message.fromWire(each).check() for each in asked.replies]
    opcode = codes.Opcode.NOTIFY if "NOTIFY" in entry.match else codes.Opcode.QUERY
    for message in messages:
        _expect((message.id, message.flags >> 11 & 15, message.rcode) == (0, opcode, entry.rcode), f"{message!r}")
        _expect("all" not in entry.match or message.flags & _HEADER == entry.flags, f"flags {message.flags:#x}")
    first = messages[0]
    _expect(first.questions == (entry.question,), f"{first.questions}")
    # DO in these entries means that there is an OPT record: their queries do not set that bit, and a reply copies it (RFC 3225, section 3).
    _expect(("DO" in entry.reply) <= (first.edns is not None and not first.edns.flags & codes.DO), "no OPT record")
    answer = tuple([rrset for message in messages for rrset in message.records()[0]])
    if "ANSWER" in entry.sections or "all" in entry.match:
        _expect(_records(answer) == _records(entry.listed("ANSWER")), f"answer {_records(answer)}")
    if first.questions[0].rrType == 252:
        _expect((answer[0].rrType, answer[-1].rrType) == (SOA, SOA), "a transfer that is not whole")
    if "all" in entry.match:
        for message in messages:
            _expect(_records(message.authority) == _records(entry.records("AUTHORITY")), f"authority {message.authority}")
        _checkSigned(asked, entry, keys)
    options = () if first.edns is None else first.edns.options
    if "ednsdata" in entry.match:
        _expect(options == ednsOf(entry), f"options {options}")
    _expect(asked.stream or _KEEPALIVE not in dict(options), "told over UDP for how long to keep a connection (RFC 7828, section 3.3.1)")
    if "server_cookie" in entry.match:
        cookie = dict(options).get(_COOKIE, b"")
        assert cookies is not None
        verified = Cookies(*cookies.secrets).check(asked.client, cookie, asked.now).verified
        _expect(cookie[:8] in asked.wire and verified, f"cookie {cookie.hex()}")


def _checkSigned(asked: QueryResult, entry: Entry, keys: Keys) -> None:
    signatures = entry.records("ADDITIONAL")
    if not signatures:
        _expect(not any(Message.fromWire(each).check().additional for each in asked.replies), "additional records")
        return
    (octets,) = asked.replies
    asking = verify(asked.wire, keys, asked.now)
    _expect(asking.good, f"our reading of the query's signature: {asking!r}")
    _expect(verify(octets, keys, asked.now, requestMac=asking.mac).good, f"a signature that does not hold: {octets.hex()}")
    # A MAC covers names as sent. The MAC in the scenario is for an uncompressed reply, so sign that one. Everything beside the MAC must be
    # the same.
    message = Message.fromWire(octets).check()
    question, header = entry.question, octets[:10] + b"\0\0"
    assert question is not None
    plain = header + question.toWire() + b"".join([_recordOf(rrset) for rrset in message.answer])
    expected = b"".join([_recordOf(rrset) for rrset in signatures])
    _expect(replySigned(plain, asking, asked.now)[0][len(plain) :].lower() == expected.lower(), f"would be signed otherwise: {plain.hex()}")
    _expect(octets[-len(expected) :].lower().startswith(expected.lower()[: -_MAC - 6]), "another key, time or algorithm")
