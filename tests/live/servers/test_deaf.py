"""
Tests of running servers that stop answering: they exit with a code that makes systemd restart them, or are replaced.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from tests.live.twistds import REPLY, Twistd, wait
from tests.patience import PATIENCE
from tests.queries import queryOf
from twisted_ext.wire.message import Message

#: Code that Python runs at its start in each process of the server. A query for C{deaf.test} removes the socket from the reactor silently,
#: one for C{broken.test} makes C{doRead} raise an exception, and one for C{dead.test} ends the reactor. A query for C{shut.test} closes the
#: listening TCP socket.
_SABOTAGE = """
from twisted.internet import tcp
from twisted.python import failure
from twisted_ext.limits import Limit
from twisted_ext.server.listeners import datagram
from twisted_ext.server.process import watchdog
from twisted_ext.transport import reactor

watchdog.WATCHDOG_SECONDS = watchdog.WATCHDOG_PATIENCE = Limit(default=0.5, least=0.1, most=10.0)
drain = datagram._Reader._drain


class Broken(BaseException):
    pass


def sabotaged(reader, now):
    receive = reader._receive

    def looking():
        arrived = receive()
        for octets, place in arrived:
            if b"\\x04deaf" in octets:
                reader._listener.reactor.removeReader(reader)
            if b"\\x06broken" in octets:
                raise Broken
            if b"\\x04shut" in octets:
                for port in reader._listener.reactor.getReaders():
                    if isinstance(port, tcp.Port):
                        reader._listener.reactor.removeReader(port)
                        port.connectionLost(failure.Failure(OSError("no memory")))
            if b"\\x04dead" in octets:
                reactor._loggingErrors = None
                reader._listener.reactor.runUntilCurrent = lambda: 1 // 0
        return arrived

    reader._receive = looking
    try:
        return drain(reader, now)
    finally:
        reader._receive = receive


datagram._Reader._drain = sabotaged
"""


@pytest.fixture
def sabotaged(tmp_path: Path) -> dict[str, str]:
    """
    Return an environment in which a query can break the server.
    """
    folder = tmp_path / "sabotage"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_SABOTAGE)
    return {"PYTHONPATH": str(folder)}


def _answered(port: int, name: str = "www.test.example", patience: float = REPLY) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(patience)
        try:
            asking.connect(("127.0.0.1", port))
            asking.send(queryOf(name))
            return len(Message.fromWire(asking.recv(4096)).check().answer) == 1
        except OSError:
            return False


def _server(folder: Path, environment: dict[str, str], *words: str) -> Twistd:
    known = ("--upstream", "udp:127.0.0.1:1", "--local", "www.test.example A 192.0.2.80")
    return Twistd(folder, "forward", *known, *words, environment=environment)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("shut.test", "over TCP any more"),
        ("broken.test", "nothing listens at"),
        ("deaf.test", "has not answered for"),
        ("dead.test", "context manager protocol"),
    ],
)
def test_deafServerExitsWithReason(tmp_path: Path, sabotaged: dict[str, str], name: str, said: str) -> None:
    """
    A single server exits with code 1, after which systemd restarts it. The log has the reason.
    """
    with _server(tmp_path, sabotaged) as server:
        assert _answered(server.port)
        process = server.process
        assert process is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            # The watchdog counts a listener that has answered it once.
            asking.settimeout(1.2)
            with pytest.raises(TimeoutError):
                asking.recvfrom(1)
            asking.sendto(queryOf(name), ("127.0.0.1", server.port))
        assert process.wait(PATIENCE) == 1
        assert said in server.log.read_text()


def test_deafWorkerIsReplaced(tmp_path: Path, sabotaged: dict[str, str]) -> None:
    """
    A worker that stops answering is replaced, and all clients are answered again.
    """
    with _server(tmp_path, sabotaged, "--workers", "2") as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(1.7)
            with pytest.raises(TimeoutError):
                asking.recvfrom(1)
            asking.sendto(queryOf("deaf.test"), ("127.0.0.1", server.port))
        wait(lambda: len(re.findall(r"worker \d serves as process", server.log.read_text())) == 3)
        assert "has not answered for" in server.log.read_text()
        assert all(_answered(server.port) for _ in range(20))
