"""
Tests of L{twisted_ext.server.listeners.sockets} and L{twisted_ext.server.process.watchdog}, with real sockets on loopback.
"""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import freePort
from tests.server.listeners.passing import passedOn
from twisted_ext.errors import BadDescription
from twisted_ext.server.listeners import sockets
from twisted_ext.server.listeners.sockets import Bound, boundSockets, closeSockets, listenAddresses, receivedSockets
from twisted_ext.server.process.watchdog import notify, watchdogSeconds


@pytest.fixture
def opened() -> Iterator[list[Bound]]:
    """
    Yield a list, and close the sockets in it after the test.
    """
    made: list[Bound] = []
    yield made
    closeSockets(made)


def test_udpAndTcpShareThePort(opened: list[Bound]) -> None:
    """
    UDP and TCP get the same port, also if any port will do.
    """
    ((bound,),) = boundSockets(["127.0.0.1"], 0)
    opened.append(bound)
    assert bound.datagram is not None and bound.stream is not None
    assert bound.datagram.getsockname() == bound.stream.getsockname() == ("127.0.0.1", bound.port)
    assert bound.labels == [f"udp 127.0.0.1:{bound.port}", f"tcp 127.0.0.1:{bound.port}"]


def test_noAddressMeansAllAddresses(opened: list[Bound]) -> None:
    """
    Without an address the server listens at all addresses, of both families if the machine has both.
    """
    (several,) = boundSockets([], freePort("127.0.0.1"))
    opened.extend(several)
    assert [bound.address for bound in several][:1] == ["0.0.0.0"]
    assert all(bound.port == several[0].port for bound in several)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("copies", [1, 2])
def test_portInUseIsAnError(kind: socket.SocketKind, shared: bool, copies: int) -> None:
    """
    A port that another socket has bound, over UDP or TCP, is an error even if that socket shares its port; nothing is left open.
    """
    with socket.socket(socket.AF_INET, kind) as other:
        if shared:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            other.listen(1)
        port = other.getsockname()[1]
        # Sockets that other tests left to the garbage collector.
        gc.collect()
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(BadDescription, match=rf"^127\.0\.0\.1:{port} is in use: .*--port or --interface$"):
            boundSockets(["127.0.0.1"], port, copies)
        assert len(os.listdir("/proc/self/fd")) == before


def test_unprobedPortWouldBeShared(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the probe two servers with workers would share a port, each with half of the clients.
    """
    first = boundSockets(["127.0.0.1"], 0, 2)
    port = first[0][0].port
    with pytest.raises(BadDescription):
        boundSockets(["127.0.0.1"], port, 2)
    real = sockets._bound

    def unprobed(
        address: str, port: int, kind: socket.SocketKind, shared: bool, opened: list[socket.socket], *, probe: bool = True
    ) -> socket.socket:
        return real(address, port, kind, shared, opened, probe=False)

    monkeypatch.setattr(sockets, "_bound", unprobed)
    second = boundSockets(["127.0.0.1"], port, 2)
    for each in [*first, *second]:
        closeSockets(each)


def test_eachWorkerGetsItsSockets() -> None:
    """
    Each worker gets its own sockets at the same address.
    """
    sets = boundSockets(["127.0.0.1"], 0, 3)
    assert len({bound.port for several in sets for bound in several}) == 1
    assert len({each.fileno() for several in sets for bound in several for each in bound.sockets}) == 6
    for several in sets:
        closeSockets(several)


def test_bindErrorSaysWhatToDo(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    An error says what is wrong and what to do about it.
    """
    with pytest.raises(BadDescription, match="192.0.2.1 is not an address of this machine"):
        boundSockets(["192.0.2.1"], 5300)

    def forbidden(*arguments: object, **more: object) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(sockets, "boundTo", forbidden)
    with pytest.raises(BadDescription, match="127.0.0.1:53 may not be used: ports below 1024 take root"):
        boundSockets(["127.0.0.1"], 53)


def test_systemdSocketsAreTaken(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Sockets that systemd passes are used, those for another process are not, and the environment variables are removed.
    """
    ((bound,),) = boundSockets(["127.0.0.1"], 0)
    assert bound.datagram is not None and bound.stream is not None
    monkeypatch.setattr(sockets, "_FIRST", passedOn([bound.datagram, bound.stream]))
    environment = {"LISTEN_PID": "7", "LISTEN_FDS": "2"}
    assert receivedSockets(environment, 8) == []
    environment = {"LISTEN_PID": "7", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "dns:dns"}
    taken = receivedSockets(environment, 7)
    assert environment == {}
    assert [bound.labels for bound in taken] == [[f"udp 127.0.0.1:{bound.port}"], [f"tcp 127.0.0.1:{bound.port}"]]
    closeSockets([bound, *taken])
    assert receivedSockets({}, 7) == []


def test_passedDescriptorMustBeSocket(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A passed descriptor that is not a socket is an error.
    """
    reading, writing = os.pipe()
    monkeypatch.setattr(sockets, "_FIRST", reading)
    with pytest.raises(BadDescription, match=f"descriptor {reading} of LISTEN_FDS is not a socket"):
        receivedSockets({"LISTEN_PID": "7", "LISTEN_FDS": "1"}, 7)
    for each in (reading, writing):
        os.close(each)


def test_notifyReachesSystemd(tmp_path: Path) -> None:
    """
    C{notify} sends the state to the socket in NOTIFY_SOCKET, and does nothing if there is none.
    """
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting:
        waiting.bind(path)
        waiting.settimeout(5)
        assert notify("READY=1", {"NOTIFY_SOCKET": path})
        assert waiting.recv(100) == b"READY=1"
    assert not notify("READY=1", {"NOTIFY_SOCKET": path})
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "relative"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting:
        waiting.bind("\x00txdns-test-notify")
        assert notify("READY=1", {"NOTIFY_SOCKET": "@txdns-test-notify"})
        waiting.settimeout(5)
        assert waiting.recv(100) == b"READY=1"


def test_watchdogIntervalIsHalved() -> None:
    """
    The keepalive is sent twice as often as WATCHDOG_USEC asks, and only by the process in WATCHDOG_PID.
    """
    assert watchdogSeconds({"WATCHDOG_USEC": "3000000"}, 7) == 1.5
    assert watchdogSeconds({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}, 7) == 1.5
    assert watchdogSeconds({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"}, 7) == 0.0
    assert watchdogSeconds({"WATCHDOG_USEC": "soon"}, 7) == 0.0
    assert watchdogSeconds({}, 7) == 0.0


def test_interfaceHasItsAddresses(opened: list[Bound], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The name of an interface stands for its addresses, each of which is bound once.
    """
    monkeypatch.setattr(sockets, "addressesOf", {"lan0": ["127.0.0.1"]}.__getitem__)
    opened += boundSockets(["lan0", "127.0.0.1"], 0)[0]
    assert [each.address for each in opened] == ["127.0.0.1"]


def test_missingInterfaceIsOneError() -> None:
    """
    An interface that does not exist is one clear error when the sockets are bound, and none before.
    """
    assert "127.0.0.1" in listenAddresses(["lo"])
    with pytest.raises(BadDescription, match="interface: there is no interface 'nosuch0'; there are .*lo"):
        boundSockets(["nosuch0"], 0)
    assert listenAddresses(["nosuch0", "192.0.2.1"], strict=False) == ("192.0.2.1",)
