"""
Tests of opportunistic encryption towards authoritative servers, in a simulated internet where some servers support TLS.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory

from tests.resolver.recursive.stacks import Stack
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.answers import Answer, Outcome, QueryContext, Security, Trace
from twisted_ext.errors import DNSFault
from twisted_ext.recursion.limits import (
    ENCRYPTED_CONNECTIONS,
    ENCRYPTED_DAMPING,
    ENCRYPTED_PERSISTENCE,
    ENCRYPTED_PROBES,
    ENCRYPTED_SAVE_SECONDS,
    ENCRYPTED_SECONDS,
    ENCRYPTED_WAIT,
)
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive import encrypted
from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.internet.nameservers import NameServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import Message

SERVER = "ns1.example.org"
RECORDS = "".join([f"h{number} 60 A 192.0.2.{number}\n" for number in range(50)])


def built(tls: ServerTLS | None, rtt: float = 0.02) -> Internet:
    """
    Return an internet with a zone that one server serves.

    @param tls: the server's TLS; L{None} for none.
    """
    internet = Internet(seed=4, families=(4,), rtt=rtt)
    internet.zone("example.org", RECORDS, (SERVER,), signed=True)
    if tls is not None:
        internet.server(SERVER).encrypt(tls)
    return internet


def anyTLS() -> ServerTLS:
    """
    Return a server's TLS with a certificate that proves nothing.
    """
    return ServerTLS(leaf("unrelated.test"))


def encryptionOf(stack: Stack) -> EncryptedAuthorities:
    found = stack.pool.encryption
    assert found is not None
    return found


def transports(stack: Stack, since: int = 0) -> list[str]:
    """
    Return how each query was sent to the server.
    """
    return [each.transport for each in stack.sent(SERVER, since)]


def timed(stack: Stack, name: str) -> float:
    """
    Resolve a name, and return how many seconds that took.
    """
    began = stack.reactor.seconds()
    assert stack.look(name).outcome is Outcome.DATA
    return stack.reactor.seconds() - began


def settled(stack: Stack, seconds: float = 5.0) -> int:
    """
    Let probes end, and return the number of exchanges until now.
    """
    stack.internet.advance(seconds)
    return len(stack.internet.exchanges)


def warmed(internet: Internet, state: str = "") -> Stack:
    """
    Return a resolver that has asked the server before.
    """
    stack = Stack(internet, opportunistic=True, state=state)
    stack.look("h0.example.org")
    settled(stack)
    return stack


# -- finding out


def test_offByDefault() -> None:
    """
    Without the option, no server is asked over TLS.
    """
    internet = built(anyTLS())
    stack = Stack(internet)
    stack.look("h1.example.org")
    stack.look("h2.example.org")
    assert set(transports(stack)) == {"udp"}
    assert not any(port == 853 for _, port in internet.network.dialed)


def test_firstLookUpIsInTheClear() -> None:
    """
    The first query to a server goes over UDP, and the same one over TLS beside it. The next ones go over TLS alone.
    """
    stack = warmed(built(anyTLS()))
    assert transports(stack)[0] == "udp"
    assert "tls" in transports(stack)
    for number in range(1, 20):
        since = settled(stack)
        assert stack.look(f"h{number}.example.org").security is Security.SECURE
        assert transports(stack, since) == ["tls"]


def test_serverNameIsNotSent() -> None:
    """
    The handshake names no server, and no certificate is refused.
    """
    tls = anyTLS()
    stack = warmed(built(tls))
    stack.look("h1.example.org")
    assert tls.names
    assert set(tls.names) == {None}


@pytest.mark.parametrize("refuses", [True, False])
def test_serverWithoutTLSCostsNothing(refuses: bool) -> None:
    """
    Look-ups take as long, and as many queries, as without the option if the server refuses TLS, or says nothing at that port. It is probed
    once a day.
    """
    plain, internet = Stack(built(None)), built(None)
    stack = Stack(internet, opportunistic=True)
    if not refuses:
        _accept(internet, internet.server(SERVER))
    for number in range(5):
        assert timed(stack, f"h{number}.example.org") == pytest.approx(timed(plain, f"h{number}.example.org"))
    assert transports(stack) == transports(plain)
    settled(stack)
    place = (internet.server(SERVER).addresses[0], 853)
    assert internet.network.dialed[place] == 1
    internet.advance(ENCRYPTED_DAMPING.default - 100)
    stack.look("h10.example.org")
    assert internet.network.dialed[place] == 1
    internet.advance(200)
    stack.look("h11.example.org")
    assert internet.network.dialed[place] == 2


def _accept(internet: Internet, server: NameServer) -> None:
    """
    Let a server accept connections at port 853, and say nothing there.
    """
    host = internet.network.hostAt(server.addresses[0])
    assert host is not None
    factory: ServerFactory = ServerFactory()
    factory.protocol = Protocol
    factory.noisy = False
    host.listenTCP(853, factory)


def test_latencyOfEncryptedLookUps() -> None:
    """
    On an open connection, a look-up takes one round trip, and on a new one two more.
    """
    stack = warmed(built(anyTLS()))
    stack.look("h1.example.org")
    assert timed(stack, "h2.example.org") == pytest.approx(0.02)
    settled(stack, 30)
    assert timed(stack, "h3.example.org") == pytest.approx(0.06)


def test_persistence() -> None:
    """
    A server is asked over TLS first for three days after its last reply; then both ways again.
    """
    stack = warmed(built(anyTLS()))
    since = settled(stack, ENCRYPTED_PERSISTENCE.default - 1000)
    stack.look("h1.example.org")
    assert set(transports(stack, since)) == {"tls"}
    since = settled(stack, ENCRYPTED_PERSISTENCE.default + 1)
    stack.look("h2.example.org")
    settled(stack)
    assert set(transports(stack, since)) == {"udp", "tls"}


def test_traceShowsTransport() -> None:
    """
    The trace of a look-up shows the probe, and later the transport.
    """
    stack = Stack(built(anyTLS()), opportunistic=True)
    trace = Trace()
    stack.look("h1.example.org", trace=trace)
    address = stack.internet.server(SERVER).addresses[0]
    assert [note.details["transport"] for note in trace.notes if note.event == "probing" and note.details["server"] == address] == ["tls"]
    settled(stack)
    trace = Trace()
    stack.look("h2.example.org", trace=trace)
    assert [(note.details["transport"], note.details["server"]) for note in trace.notes if note.event == "sent"] == [
        ("tls", f"{address}:853")
    ]


# -- failures


def test_closedPortLeadsToClearText() -> None:
    """
    A server that stops to support TLS is asked in the clear within the same look-up, and not over TLS for a day.
    """
    internet = built(anyTLS())
    stack = warmed(internet)
    server = internet.server(SERVER)
    server.shut()
    internet.advance(1)
    server.open()
    since = settled(stack)
    assert timed(stack, "h1.example.org") < 0.1
    assert transports(stack, since) == ["udp"]
    dialed = internet.network.dialed[server.addresses[0], 853]
    stack.look("h2.example.org")
    assert internet.network.dialed[server.addresses[0], 853] == dialed


def test_silentPortDelaysByOneSecond() -> None:
    """
    If a server that replied over TLS becomes silent there, a look-up asks it in the clear after a second, and those that begin after four
    seconds do so at once.
    """
    internet = built(anyTLS())
    stack = warmed(internet)
    internet.server(SERVER).silentTo = "tls"
    settled(stack)
    assert timed(stack, "h1.example.org") == pytest.approx(ENCRYPTED_WAIT.default + 0.02, abs=0.05)
    internet.advance(ENCRYPTED_SECONDS.default)
    assert timed(stack, "h2.example.org") == pytest.approx(0.02, abs=0.05)


@pytest.mark.parametrize("checked", [True, False])
def test_otherProgramAtThePort(checked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server of another kind at port 853, which replies without authority, is not used. Without that check, it would be asked first.
    """
    if not checked:
        monkeypatch.setattr(encrypted, "_isAuthoritative", lambda answer: True)
    internet = built(anyTLS())
    server = internet.server(SERVER)

    def recursive(reply: bytes, transport: str) -> list[bytes]:
        return [reply[:2] + bytes([reply[2] & ~4]) + reply[3:] if transport == "tls" else reply]

    server.tamper = recursive
    stack = warmed(internet)
    assert "tls" in transports(stack)
    since = settled(stack)
    for number in range(1, 5):
        assert stack.look(f"h{number}.example.org").outcome is Outcome.DATA
    assert ("tls" in transports(stack, since)) is not checked


@pytest.mark.parametrize("checked", [True, False])
def test_strippedEDNS(checked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If FORMERR over TLS makes a resolver repeat a query without EDNS, the answer without signatures is not used for a signed zone. Without
    that check, it would be bogus.
    """
    internet = built(anyTLS())
    stack = warmed(internet)
    server = internet.server(SERVER)

    def stripping(reply: bytes, transport: str) -> list[bytes]:
        message = Message.fromWire(reply)
        if transport != "tls" or message.edns is None:
            return [reply]
        return [buildMessage(Message(message.id, QR | Rcode.FORMERR, message.questions))]

    server.tamper = stripping
    if not checked:
        ask = encryptionOf(stack).ask
        monkeypatch.setattr(EncryptedAuthorities, "ask", lambda self, address, question, context, signed: ask(address, question, context))
    since = settled(stack)
    try:
        security = stack.look("h1.example.org").security
    except DNSFault:
        security = Security.BOGUS
    assert "tls" in transports(stack, since)
    assert (security is Security.SECURE) is checked


def test_oldProtocolIsRefused() -> None:
    """
    A server that chooses another protocol than DNS over TLS is asked in the clear.
    """
    internet = built(ServerTLS(leaf("unrelated.test"), protocols=(b"http/1.1", b"dot"), only=SSL.TLS1_2_VERSION))
    stack = warmed(internet)
    assert "tls" in transports(stack)
    other = built(ServerTLS(leaf("unrelated.test"), protocols=(b"h2",)))
    stack = warmed(other)
    stack.look("h1.example.org")
    assert set(transports(stack)) == {"udp"}


def test_cancelLeavesNothing() -> None:
    """
    A cancelled look-up fails at once, and its connection ends within the usual time.
    """
    internet = built(anyTLS())
    stack = warmed(internet)
    settled(stack, 30)
    context = QueryContext(stack.reactor.seconds() + 5)
    asked = lookUp(stack.source, questionOf("h1.example.org"), context)
    asked.addErrback(lambda _: None)
    internet.advance(0.001)
    asked.cancel()
    assert asked.called
    internet.advance(30)
    assert stack.reactor.pending() == []


@pytest.mark.parametrize("seconds", [0.0, 0.005, 0.03, 0.07])
def test_closingLeavesNothing(seconds: float) -> None:
    """
    Closing the resolver ends look-ups over TLS and probes, and leaves nothing open.
    """
    for stack in (warmed(built(anyTLS())), Stack(built(anyTLS()), opportunistic=True)):
        asked = lookUp(stack.source, questionOf("h1.example.org"), QueryContext(stack.reactor.seconds() + 5))
        found: list[object] = []
        asked.addBoth(found.append)
        stack.internet.advance(seconds)
        stack.source.close()
        stack.internet.advance(1)
        assert len(found) == 1
        assert stack.reactor.pending() == []


@pytest.mark.parametrize("seed", range(3))
def test_churnLeavesNothing(seed: int) -> None:
    """
    Hundreds of look-ups with cancels, while servers start and stop, refuse TLS or are silent there, are all answered or cancelled, and
    leave no connection, timer or probe behind.
    """
    dice = Random(seed)
    internet = Internet(seed=seed, families=(4, 6))
    for number in range(6):
        internet.zone(f"zone{number}.test", "* 5 A 192.0.2.1\n", signed=bool(number % 2))
    servers = [server for server in internet.servers.values() if "zone" in repr(server)]
    for server in servers:
        server.encrypt(anyTLS())
    stack = Stack(internet, opportunistic=True)
    found: list[object] = []
    asked: list[Deferred[Answer]] = []
    for number in range(300):
        server = dice.choice(servers)
        match dice.randrange(20):
            case 0:
                server.shut()
                server.open()
                if dice.randrange(2):
                    server.encrypt(anyTLS())
            case 1:
                server.silentTo = dice.choice(("", "tls"))
            case 2 if asked:
                dice.choice(asked).cancel()
            case 3 | 4:
                internet.advance(ENCRYPTED_DAMPING.default)
        context = QueryContext(stack.reactor.seconds() + 10)
        looking = lookUp(stack.source, questionOf(f"h{number}.zone{dice.randrange(6)}.test"), context)
        asked.append(looking.addBoth(found.append))
        internet.advance(dice.choice((0.0, 0.01, 0.05, 2.0)))
    internet.advance(15)
    assert len(found) == 300
    encryption = encryptionOf(stack)
    assert (encryption.queries > 20, encryption.probes > 5) == (True, True)
    assert not any(known.probing for _, known in encryption.encryptedServers.items())
    internet.advance(30)
    stack.source.close()
    internet.advance(1)
    assert stack.reactor.pending() == []


# -- bounds


@pytest.mark.parametrize("most", [2, 100])
def test_probesAreBounded(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """
    No more probes than permitted run at a time, however many servers a zone names. With a higher limit, there would be one for each.
    """
    monkeypatch.setattr(encrypted, "_PROBES", most)
    assert ENCRYPTED_PROBES.default < 100
    internet = Internet(seed=4, families=(4,))
    for number in range(8):
        internet.zone(f"zone{number}.test", "www 60 A 192.0.2.1\n", (f"ns.zone{number}.test",), signed=False)
    for server in internet.servers.values():
        _accept(internet, server)
    stack = Stack(internet, opportunistic=True)
    for number in range(8):
        stack.look(f"www.zone{number}.test")
    running = sum([known.probing for _, known in encryptionOf(stack).encryptedServers.items()])
    assert running == 2 if most == 2 else running > 8
    settled(stack)
    assert not any(known.probing for _, known in encryptionOf(stack).encryptedServers.items())


def test_connectionsAreBounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The connection that was not used for the longest time is closed for a new one.
    """
    monkeypatch.setattr(encrypted, "_CONNECTIONS", 2)
    assert ENCRYPTED_CONNECTIONS.default > 2
    stack = warmed(built(anyTLS()))
    encryption = encryptionOf(stack)
    for number in range(1, 6):
        stack.look(f"h{number}.example.org")
        asked = encryption.ask(f"203.0.113.{number}", questionOf("h1.example.org"), QueryContext(stack.reactor.seconds() + 1))
        asked.addErrback(lambda _: None)
        settled(stack)
        assert len(encryption._sources) <= 2
    assert encryption.encryptedServers.working(stack.internet.time()) == 1


# -- the memory


def test_memoryIsSaved(tmp_path: Path) -> None:
    """
    What was learned is saved after a while and at the end, and loaded by the next resolver.
    """
    internet = built(anyTLS())
    stack = warmed(internet, str(tmp_path / "state"))
    file = tmp_path / "state" / "encrypted-servers"
    assert not file.exists()
    internet.advance(ENCRYPTED_SAVE_SECONDS.default)
    saved = file.read_text()
    assert f"{internet.server(SERVER).addresses[0]} works " in saved
    stack.look("h1.example.org")
    stack.source.close()
    internet.advance(1)
    assert stack.reactor.pending() == []
    assert file.read_text() != saved
    other = Stack(internet, opportunistic=True, state=str(tmp_path / "state"))
    since = settled(other)
    other.look("h2.example.org")
    assert set(transports(other, since)) == {"tls"}


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"nonsense\n", b"x" * 100_000])
def test_damagedMemory(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """
    A damaged file is one line in the log, and the resolver begins with nothing.
    """
    (tmp_path / "encrypted-servers").write_bytes(content)
    stack = Stack(built(anyTLS()), opportunistic=True, state=str(tmp_path))
    assert len(encryptionOf(stack).encryptedServers) == 0
    assert stack.look("h1.example.org").outcome is Outcome.DATA
    stack.source.close()


def test_folderThatCannotBeWritten(tmp_path: Path) -> None:
    """
    Look-ups work if nothing can be saved.
    """
    (tmp_path / "state").write_text("a file")
    stack = warmed(built(anyTLS()), str(tmp_path / "state"))
    settled(stack, ENCRYPTED_SAVE_SECONDS.default)
    assert stack.look("h1.example.org").outcome is Outcome.DATA
    try:
        stack.look("missing.example.org")
    except DNSFault as fault:
        pytest.fail(str(fault))
