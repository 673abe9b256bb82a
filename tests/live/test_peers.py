"""
Tests of L{tests.peers}: the servers of other live tests start, work and leave nothing behind.
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from unittest import mock

import pytest

from tests import peers
from tests.knots import knot
from tests.patience import PATIENCE
from tests.peers import LivePeer, bind, freePort, living, nsd, peer, unbound

ZONE = """\
$ORIGIN example.org.
$TTL 300
@    SOA ns mail 1 3600 600 86400 300
@    NS  ns
ns   A   127.0.0.1
www  A   192.0.2.80
www  AAAA 2001:db8::80
"""


def ask(server: LivePeer, name: str, *words: str, seconds: int = 10) -> str:
    """
    Return what C{dig +short} prints.

    @param seconds: how long the answer may take.
    """
    command = [str(peer("dig")), f"@{server.address}", "-p", str(server.port), "+short", "+tries=1", f"+time={seconds}"]
    return subprocess.run([*command, name, *words], capture_output=True, text=True).stdout.strip()


def remainsOf(server: LivePeer, group: int) -> list[str]:
    """
    Return what is left of a server: its folder, its socket, its processes.
    """
    left = [str(server.folder)] if server.folder.exists() else []
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(server.server)
        except OSError as error:
            left.append(str(error))
    left += [f"process {number}" for number in living(group)]
    return left


def make(program: str, address: str) -> LivePeer:
    """
    Return an authoritative server for L{ZONE}, not yet started.
    """
    makers: dict[str, Callable[..., LivePeer]] = {"nsd": nsd, "named": bind, "knotd": knot}
    return makers[program]({"example.org": ZONE}, address=address)


@pytest.mark.parametrize(
    ("program", "address"),
    [("nsd", "127.0.0.1"), ("nsd", "127.0.0.53"), ("nsd", "::1"), ("named", "127.0.0.1"), ("named", "::1"), ("knotd", "127.0.0.1")],
)
def test_authoritativeServersAnswer(program: str, address: str) -> None:
    """
    NSD, BIND and Knot answer for a zone at loopback addresses of both families, over UDP and TCP, transfer it, and leave nothing behind.
    """
    with make(program, address) as server:
        group = server.pid
        assert ask(server, "www.example.org", "A") == "192.0.2.80"
        assert ask(server, "www.example.org", "AAAA", "+tcp") == "2001:db8::80"
        assert "192.0.2.80" in ask(server, "example.org", "AXFR")
    assert remainsOf(server, group) == []


@pytest.mark.parametrize("resolver", ["named", "unbound"])
def test_forwardersAskTheirUpstream(resolver: str) -> None:
    """
    BIND and Unbound ask the upstream that they were given.
    """
    with ExitStack() as stack:
        source = stack.enter_context(nsd({"example.org": ZONE}, address="127.0.0.54"))
        maker: Callable[..., LivePeer] = unbound if resolver == "unbound" else bind
        server = stack.enter_context(maker(forwardTo=[source.server]))
        assert ask(server, "www.example.org", "A") == "192.0.2.80"


def test_unboundAnswersLocalData() -> None:
    """
    Unbound answers its local data by itself, at an IPv6 address too.
    """
    with unbound(localData=["host.example.net. 60 IN A 192.0.2.1"], address="::1") as server:
        assert ask(server, "host.example.net", "A") == "192.0.2.1"


@pytest.mark.parametrize("program", ["nsd", "named"])
def test_serverRestartsHangsAndReloads(program: str) -> None:
    """
    A server can die, restart at its port, hang, and load a changed zone.
    """
    with make(program, "127.0.0.1") as server:
        port = server.port
        server.stop()
        assert ask(server, "www.example.org", "A") != "192.0.2.80"
        server.start()
        assert server.port == port
        assert ask(server, "www.example.org", "A") == "192.0.2.80"
        server.pause()
        assert ask(server, "www.example.org", "A", seconds=1) != "192.0.2.80"
        server.resume()
        server.zoneFile("example.org").write_text(ZONE.replace("mail 1 ", "mail 2 ").replace("2.80", "2.81"))
        server.reload()
        giveUp = time.monotonic() + PATIENCE
        while ask(server, "www.example.org", "A") != "192.0.2.81" and time.monotonic() < giveUp:
            time.sleep(0.05)
        assert ask(server, "www.example.org", "A") == "192.0.2.81"
        server.pause()
        group = server.pid
    assert remainsOf(server, group) == []


def test_takenPortIsReplaced() -> None:
    """
    Another port is tried when the first one is taken.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ports = iter([other.getsockname()[1], freePort("127.0.0.1")])
        with mock.patch.object(peers, "freePort", lambda address: next(ports)), make("nsd", "127.0.0.1") as server:
            assert ask(server, "www.example.org", "A") == "192.0.2.80"


def test_startErrorShowsTheLog() -> None:
    """
    A server that cannot start is an error with its log, and nothing is left behind.
    """
    server = nsd({"example.org": "this is not a valid zone"})
    server.patience = 3.0
    with pytest.raises(OSError, match="syntax error"), server:
        pass
    assert not server.folder.exists()
    with pytest.raises(RuntimeError, match="not running"):
        assert server.pid


def test_missingProgramSkipsOrFails(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A missing program skips the test with the package to install. It fails the test where peers are required.
    """
    monkeypatch.setenv("TXDNS_REQUIRE", "corpora")
    with pytest.raises(pytest.skip.Exception, match="apt install no-such-server"):
        peer("no-such-server")
    monkeypatch.setenv("TXDNS_REQUIRE", "corpora,peers")
    with pytest.raises(pytest.fail.Exception, match="TXDNS_REQUIRE lists peers"):
        peer("no-such-server")
