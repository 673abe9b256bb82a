"""
Tests of C{twistd txdns} with DNS over TLS, on real sockets.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.twistds import REPLY, Twistd, twistd, wait
from tests.patience import PATIENCE
from tests.peers import freePort, peer
from tests.server.listeners.authorities import issued, keyText, newKey
from tests.server.listeners.test_certificates import write
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_RECORD = "www.example.org A 192.0.2.1"


def connect(port: int, authority: Path, name: str = "dns.example") -> ssl.SSLSocket:
    """
    Return a connection that is encrypted, to a server whose certificate has been checked.
    """
    context = ssl.create_default_context(cafile=str(authority))
    context.set_alpn_protocols(["dot"])
    plain = socket.create_connection(("127.0.0.1", port), REPLY)
    try:
        return context.wrap_socket(plain, server_hostname=name)
    except BaseException:
        plain.close()
        raise


def answers(connection: ssl.SSLSocket) -> bool:
    """
    Return whether a query gets its answer.
    """
    connection.sendall(frame(os.urandom(2) + buildQuery(RD, questionOf("www.example.org").toWire(), b"")))
    got = b""
    while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
        more = connection.recv(65535)
        if not more:
            return False
        got += more
    return [rdata for rrset in Message.fromWire(got[2:]).answer for rdata in rrset.rdatas] == [bytes([192, 0, 2, 1])]


class Visitors:
    """
    Clients that connect, ask and leave, without end.

    @ivar asked: how many there were.
    @ivar lost: those without an answer, with the reason.
    """

    def __init__(self, port: int, authority: Path) -> None:
        self.asked = 0
        self.lost: list[str] = []
        self._where = port, authority
        self._going = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while self._going:
            self.asked += 1
            try:
                with connect(*self._where) as connection:
                    if not answers(connection):
                        self.lost.append("no answer")
            except OSError as error:
                self.lost.append(repr(error))

    def stop(self) -> None:
        self._going = False
        self._thread.join(PATIENCE)


@pytest.mark.parametrize("workers", [1, 2])
def test_renewedCertificateLosesNoQuery(workers: int, tmp_path: Path) -> None:
    """
    While clients come and go, the certificate is replaced, and the settings are read again: each client gets its answer, the new
    certificate is in use within seconds, and a connection from before goes on.
    """
    authority = newKey()
    root = tmp_path / "root.pem"
    root.write_bytes(issued(["Authority"], authority))
    key = newKey()
    certificate, secret = write(tmp_path, "c.pem", issued(["dns.example"], key, authority)), write(tmp_path, "k.pem", keyText(key))
    port = freePort("127.0.0.1")
    words = ["--tls", f"127.0.0.1:{port}", "--certificate", certificate, "--key", secret, "--workers", str(workers)]
    with Twistd(tmp_path, *words, "--local", _RECORD, "--no-recursive") as server:
        before = connect(port, root)
        visitors = Visitors(port, root)
        try:
            assert answers(before)
            first = before.getpeercert(True)
            key = newKey("rsa")
            write(tmp_path, "k.pem", keyText(key))
            write(tmp_path, "c.pem", issued(["dns.example"], key, authority))

            def isNew() -> bool:
                with connect(port, root) as connection:
                    return connection.getpeercert(True) != first

            # Several in a row, so that each worker has answered.
            wait(lambda: all(isNew() for _ in range(8)), server)
            assert server.process is not None
            server.process.send_signal(signal.SIGHUP)
            wait(lambda: "settings read again" in server.text(), server)
            assert isNew()
            assert answers(before)
        finally:
            visitors.stop()
            before.close()
        assert visitors.lost == []
        assert visitors.asked > 20


def test_earlyCloseLeavesNoDescriptor(tmp_path: Path) -> None:
    """
    After a thousand clients that leave in the middle of the handshake, or send something else, no descriptor is left.
    """
    port = freePort("127.0.0.1")
    state = tmp_path / "state"
    state.mkdir()
    words = ["--tls", f"127.0.0.1:{port}", "--self-signed", "--state", str(state)]
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        hello.do_handshake()
    octets = outgoing.read()
    with Twistd(tmp_path, *words, "--local", _RECORD, "--no-recursive") as server:
        with connect(port, state / "self-signed.pem", "localhost") as connection:
            assert answers(connection)
        descriptors = Path(f"/proc/{server.pid}/fd")
        wait(lambda: len(list(descriptors.iterdir())) > 0, server)
        base = len(list(descriptors.iterdir()))
        for number in range(1000):
            with socket.create_connection(("127.0.0.1", port), REPLY) as plain:
                plain.sendall((octets, octets[:100], b"\x00\x0c" + bytes(12), b"GET / HTTP/1.1\r\n\r\n")[number % 4])
                if number % 4 != 1:
                    # The server replies, with its part of the handshake or an alert, or closes.
                    with suppress(OSError):
                        plain.recv(100)
        wait(lambda: len(list(descriptors.iterdir())) <= base, server)
        with connect(port, state / "self-signed.pem", "localhost") as connection:
            assert answers(connection)
        assert "Traceback" not in server.text()


def test_kdigChecksCertificate(tmp_path: Path) -> None:
    """
    kdig gets a padded answer from a server whose certificate is for the name that it expects, or has the pin that the server logs, and none
    with another pin.
    """
    kdig = peer("kdig")
    port = freePort("127.0.0.1")
    state = tmp_path / "state"
    state.mkdir()
    words = ["--tls", f"127.0.0.1:{port}", "--self-signed", "--state", str(state), "--local", _RECORD, "--no-recursive"]
    with Twistd(tmp_path, *words) as server:
        pin = server.text().partition('pin-sha256="')[2].partition('"')[0]
        for checks, isGood in (
            ([f"+tls-ca={state / 'self-signed.pem'}", "+tls-hostname=localhost"], True),
            ([f"+tls-ca={state / 'self-signed.pem'}", "+tls-hostname=other.example"], False),
            ([f"+tls-pin={pin}"], True),
            ([f"+tls-pin={'A' * 43}="], False),
        ):
            command = [str(kdig), "@127.0.0.1", "-p", str(port), "+tls", *checks, "+retry=0", "+time=5", "www.example.org"]
            said = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout
            assert ("192.0.2.1" in said) is isGood, (checks, said)
            assert ("Received 468 B" in said) is isGood


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tls", "127.0.0.1"], "tls needs a certificate: write --certificate FILE and --key FILE, or --self-signed for trials"),
        (["--tls", "127.0.0.1:dot"], "--tls takes an address of this machine or any"),
        (["--tls", "127.0.0.1", "--certificate", "none.pem"], "none.pem: No such file or directory"),
    ],
)
def test_wrongOptionsEndAtOnce(words: list[str], said: str, tmp_path: Path) -> None:
    """
    With wrong options the server does not start: there is one line, and the exit code for settings.
    """
    command = twistd("-n", "--pidfile", "", "txdns", "--control", "", *words)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert said in done.stderr
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
