"""
Tests of L{twisted_ext.server.config.places}, and of the sockets that are made of them.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.task import Clock

from tests.server.listeners.passing import passedOn
from tests.server.listeners.streams import Parrot
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.places import ReceivedPlace, UnixPlace, placeFromEndpoint
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.listeners import sockets
from twisted_ext.server.listeners.https.headers import HeadMemory
from twisted_ext.server.listeners.https.request import Endpoint
from twisted_ext.server.listeners.https.serving import httpsServing
from twisted_ext.server.listeners.proxies.trusted import TrustedProxies
from twisted_ext.server.listeners.sockets import (
    Bound,
    boundSockets,
    closeSockets,
    dividedSockets,
    encryptedSockets,
    receivedSockets,
)
from twisted_ext.server.listeners.stream import StreamFactory
from twisted_ext.server.listeners.tls.encryption import checkEncryption
from twisted_ext.server.reply.acl import Access


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tcp:853", ("0.0.0.0", 853)),
        ("tcp:853:interface=192.0.2.1", ("192.0.2.1", 853)),
        (r"tcp:0:interface=2001\:db8\:\:53", ("2001:db8::53", 0)),
        ("tcp6:853", ("::", 853)),
        ("unix:/run/txdns/doh.sock", UnixPlace("/run/txdns/doh.sock", 0o660)),
        ("unix:/run/a=b:mode=600", UnixPlace("/run/a=b", 0o600)),
        (r"unix:/run/a\:b\\:mode=0666", UnixPlace("/run/a:b\\", 0o666)),
        ("systemd:domain=INET:index=0", ReceivedPlace("INET", 0)),
        ("systemd:name=doh", ReceivedPlace(name="doh")),
    ],
)
def test_endpointsAreUnderstood(text: str, place: tuple[str, int] | UnixPlace | ReceivedPlace) -> None:
    """
    Descriptions of Twisted's endpoints give a place, whose own text means the same.
    """
    assert placeFromEndpoint(text, "https-clear") == place
    if not isinstance(place, tuple):
        assert placeFromEndpoint(place.text, "https-clear") == place


@pytest.mark.parametrize("text", ["192.0.2.1:853", "any:853", "localhost:853", "::1", "fe80::1", "dead:beef::1", "[::1]:853", "any"])
def test_addressesAreNoDescriptions(text: str) -> None:
    """
    No address is taken for a description.
    """
    assert placeFromEndpoint(text, "tls") is None


@pytest.mark.parametrize(
    ("text", "encryption", "reason"),
    [
        ("tcp:dot", "tls", "'dot' is not a valid port"),
        ("tcp:65536", "tls", "'65536' is not a valid port"),
        ("tcp:", "tls", "write tcp:PORT"),
        ("tcp:853:backlog=50", "tls", "write tcp:PORT"),
        ("tcp:853:interface=dns.example", "tls", "dns.example"),
        ("tcp:853:interface=127.0.0.1:interface=::1", "tls", "interface twice"),
        ("tcp:853", "quic", "quic listens on UDP"),
        ("unix:/run/doh", "tls", "only https-clear listens at Unix sockets"),
        ("unix:doh.sock", "https-clear", "a path from the root folder"),
        (f"unix:/{'x' * 107}", "https-clear", "at most 107 octets"),
        ("unix:/run/doh:mode=888", "https-clear", "'888' is not a valid mode"),
        ("unix:/run/doh:lockfile=0", "https-clear", "write unix:PATH"),
        ("unix:/run/doh\\", "https-clear", "ends in a backslash"),
        ("systemd:domain=INET", "tls", "either index=NUMBER or name=NAME"),
        ("systemd:index=0:name=dot", "tls", "either index=NUMBER or name=NAME"),
        ("systemd:domain=IP:index=0", "tls", "'IP' is not a valid domain"),
        ("systemd:index=-1", "tls", "'-1' is not a valid index"),
        ("ssl:443:privateKey=key.pem", "https", "is not a description to listen at; write ADDRESS:PORT, tcp:PORT"),
    ],
)
def test_wrongDescriptionIsOneLine(text: str, encryption: str, reason: str) -> None:
    """
    A description that cannot be used is one line with the text and what would be right.
    """
    with pytest.raises(BadDescription) as raised:
        placeFromEndpoint(text, encryption)
    assert reason in str(raised.value) and "\n" not in str(raised.value)


def test_settingsKeepDescriptions() -> None:
    """
    A TCP endpoint is the same as its address; the others stay as they are.
    """
    settings = Settings.of(tls=["tcp:853:interface=192.0.2.1", "systemd:name=dot"], httpsClear="unix:/run/doh.sock")
    assert settings.tls == ("192.0.2.1:853", "systemd:name=dot")
    assert settings.httpsClear == ("unix:/run/doh.sock:mode=660",)


def test_unixSocketTakesTrustedProxies() -> None:
    """
    A Unix socket is refused unless its proxies are trusted by C{unix}: to access lists its clients would be allowed everything.
    """
    with pytest.raises(BadDescription, match="https-clear: unix:/run/doh.sock:mode=660 needs trusted-proxies with unix"):
        checkEncryption(Settings.of(httpsClear="unix:/run/doh.sock", trustedProxies="127.0.0.1"))
    checkEncryption(Settings.of(httpsClear="unix:/run/doh.sock", trustedProxies="unix"))


def test_unixProxiesAreTrustedByName() -> None:
    """
    Clients of Unix sockets are trusted to name theirs by C{unix} alone, not by C{any}.
    """
    assert TrustedProxies(["unix"]).trusts("") and TrustedProxies(["unix"]).isItself("")
    assert not TrustedProxies(["unix"]).trusts("192.0.2.1")
    assert not TrustedProxies(["any"]).trusts("") and not TrustedProxies().isItself("")
    assert TrustedProxies(["unix"]).nameOf("") == ""


@pytest.mark.parametrize(("proxies", "isServed"), [((), False), (("127.0.0.1", "any"), False), (("unix",), True)])
def test_unixClientsThatAreNotTrustedAreTurnedAway(proxies: tuple[str, ...], isServed: bool) -> None:
    """
    A connection by a Unix socket is closed unless C{unix} is trusted, such as by a socket of systemd, or after a reload: to access lists,
    a client without an address may ask everything.
    """
    assert Access({"allow": []}).actionFor("") == "allow"
    parrot = Parrot()
    make = httpsServing(parrot, HeadMemory(Endpoint()), proxies=TrustedProxies(proxies))
    assert (make(StreamFactory(parrot, Clock()), UNIXAddress(None), "") is not None) is isServed
    assert parrot.counters.dropped == (0 if isServed else 1)


def test_unixSocketIsSharedAndRemoved(tmp_path: Path) -> None:
    """
    All workers get the same Unix socket, with the mode of the description. A second server cannot take it while it is in use; a socket of
    a server that was killed is replaced; when it is closed its file is removed.
    """
    path = tmp_path / "doh"
    text = f"unix:{path}:mode=640"
    path.write_bytes(b"")
    with pytest.raises(BadDescription, match=f"https-clear: cannot listen at {path}: {path} is there already and is not a socket"):
        encryptedSockets([text], "https-clear")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    made = encryptedSockets([text], "https-clear", 2)
    try:
        assert path.stat().st_mode & 0o777 == 0o640
        assert [each.labels for (each,) in made] == [[f"https-clear unix:{path}"]] * 2
        with pytest.raises(BadDescription, match="another server listens at"):
            encryptedSockets([text], "https-clear")
        with socket.socket(socket.AF_UNIX) as asking:
            asking.connect(str(path))
            ((_, second),) = zip(*made, strict=True)
            assert second.stream is not None
            second.stream.accept()[0].close()
        closeSockets(made[1])
        assert path.exists()
    finally:
        for each in made:
            closeSockets(each)
    assert not path.exists()


def test_unixSocketWithoutFolder(tmp_path: Path) -> None:
    """
    A missing folder is one line, and the other sockets are closed.
    """
    with pytest.raises(BadDescription, match="https-clear: cannot listen at .*/none/doh: No such file or directory"):
        encryptedSockets(["127.0.0.1:0", f"unix:{tmp_path}/none/doh"], "https-clear")


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Bound]]:
    """
    Sockets from systemd: for plain DNS by UDP and TCP, both named dns; by UDP and TCP, both named dot; and a Unix socket named doh.
    """
    made = [*boundSockets(["127.0.0.1"], 0)[0], *boundSockets(["127.0.0.1"], 0)[0]]
    made += encryptedSockets([f"unix:{tmp_path}/doh"], "https-clear")[0]
    opened = [each for bound in made for each in bound.sockets]
    monkeypatch.setattr(sockets, "_FIRST", passedOn(opened))
    received = receivedSockets({"LISTEN_PID": "7", "LISTEN_FDS": str(len(opened)), "LISTEN_FDNAMES": "dns:dns:dot:dot:doh"}, 7)
    yield received
    for bound in [*made, *received]:
        with suppress(OSError):
            closeSockets([bound])


def test_systemdSocketsAreDivided(passed: list[Bound]) -> None:
    """
    Sockets that a setting names by name or number go to its transport, by what that takes; the others are for plain DNS.
    """
    plain, encrypted = dividedSockets(
        passed, [("tls", ["systemd:name=dot"]), ("https-clear", ["systemd:domain=UNIX:index=4"]), ("quic", ["systemd:domain=INET:index=2"])]
    )
    assert [each.name for each in plain] == ["dns", "dns"]
    assert [(each.encryption, each.name, each.stream is not None) for each in encrypted] == [
        ("tls", "dot", True), ("https-clear", "doh", True), ("quic", "dot", False)
    ]


def test_missingSystemdSocketIsNamed(passed: list[Bound]) -> None:
    """
    A setting whose socket was not passed, or is of the wrong kind, is one line with those that were.
    """
    for encryption, text in (("tls", "systemd:name=doh"), ("tls", "systemd:index=0"), ("quic", "systemd:domain=INET6:index=0")):
        with pytest.raises(BadDescription, match=rf"{encryption}: systemd passed no \w+ socket that fits {text}; .*0: udp 127"):
            dividedSockets(passed, [(encryption, [text])])
    with pytest.raises(BadDescription, match="which only https-clear can use: write systemd:index=4"):
        dividedSockets(passed, [("tls", ["systemd:name=dot"])])
    with pytest.raises(BadDescription, match="those left are none"):
        dividedSockets([], [("tls", ["systemd:name=dot"])])
