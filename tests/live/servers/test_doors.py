"""
Views and access by how clients come in: a key, the server's address, the transport, the name that they ask for, and the path of their
URL, on real sockets.
"""

from __future__ import annotations

import random
import signal
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPSConnection
from pathlib import Path

import pytest
import pytest_twisted

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd, wait
from tests.peers import freePort
from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.framing import StreamBuffer, frame
from twisted_ext.wire.message import Message

_PATH = "/dns-query/children-8f1b2c3d"
_DEEP = "/dns-query/deep-8f1b2c3d4e5f"
_NAMES = [f"{host}.example" for host in ("www", "mail", "news")]
_SECRET = b64encode(bytes(range(32))).decode()

#: By their names the clients of views, the first that has one applies.
_VIEWS = {
    "both": f"server-name=lab.example https-path={_DEEP}",
    "near": "127.0.0.0/30 key=partner.",
    "partner": "key=partner.",
    "lab": "server-name=lab.example",
    "children": f"https-path={_PATH}",
    "second": "interface=127.0.0.2",
}

#: What each way of asking is in; C{""} for no view.
_EXPECTED = {
    "udp": "",
    "udp second": "second",
    "tcp second": "second",
    "udp key": "near",
    "tcp key": "near",
    "tls dns": "",
    "tls lab": "lab",
    "quic dns": "",
    "quic lab": "lab",
    "h2 dns": "",
    "h2 lab": "lab",
    "h2 children": "children",
    "h2 both": "both",
    "h2 lab children": "lab",
    "h3 dns": "",
    "h3 children": "children",
    "h3 both": "both",
    "h1 dns": "",
    "h1 children": "children",
    "h1 both": "both",
}


def _configured(folder: Path, turned: bool = False, allow: tuple[str, ...] = ("127.0.0.0/8",)) -> Path:
    """
    Write the settings of a server whose views say which they are; C{turned}, what two of them say is exchanged.

    @param allow: who is let in.
    """
    said = {name: name for name in _VIEWS}
    if turned:
        said |= {"lab": "children", "children": "lab"}
    lines = ["recursive = false", f"allow = {[*allow]}", *_local("local", "all")]
    for name, clients in _VIEWS.items():
        lines += ["[[view]]", f'name = "{name}"', f'clients = ["{clients}"]', *_local("local", said[name])]
    path = folder / "txdns.toml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _local(setting: str, text: str) -> list[str]:
    records = ", ".join([f"'{name} TXT \"{text}\"'" for name in _NAMES])
    return [f"{setting} = [{records}]"]


class _Doors:
    """
    A server, and connections to it that stay open.
    """

    def __init__(self, server: Twistd, port: int, root: Path) -> None:
        from twisted.internet import reactor
        from twisted.internet.interfaces import IReactorTime

        self._clock = IReactorTime(reactor)
        self._port, self._root = port, root
        key = f"tsig=[hmac-sha256:partner:{_SECRET}]"
        ca = f"address=127.0.0.1:ca={root}"
        descriptions = {
            "udp": f"udp:127.0.0.1:{server.port}",
            "udp second": f"udp:127.0.0.2:{server.port}",
            "tcp second": f"tcp:127.0.0.2:{server.port}",
            "udp key": f"udp:127.0.0.1:{server.port}:{key}",
            "tcp key": f"tcp:127.0.0.1:{server.port}:{key}",
        }
        for way in ("tls", "quic"):
            descriptions |= {f"{way} {name}": f"{way}:127.0.0.1:port={port}:name={name}.example:ca={root}" for name in ("dns", "lab")}
        for way, mode in (("h2", "no"), ("h3", "only")):
            for said, name, path in (
                ("dns", "dns", "/dns-query"),
                ("lab", "lab", "/dns-query"),
                ("children", "dns", _PATH),
                ("both", "lab", _DEEP),
                ("lab children", "lab", _PATH),
            ):
                if f"{way} {said}" in _EXPECTED:
                    https = port + 1
                    descriptions[f"{way} {said}"] = f"https://{name}.example:{https}{path}:{ca}:http3={mode}"
        self.sources: dict[str, IAnswerSource] = {way: sourceFromString(self._clock, each) for way, each in descriptions.items()}
        context = ssl.create_default_context(cafile=str(root))
        self._web = {name: _Web(name, port + 1, context) for name in ("dns.example", "lab.example")}

    async def ask(self, way: str, name: str) -> str:
        """
        Return the text that a name has for those who ask like this.
        """
        if way.startswith("h1"):
            host, path = {"h1 dns": ("dns", "/dns-query"), "h1 children": ("dns", _PATH), "h1 both": ("lab", _DEEP)}[way]
            return self._web[f"{host}.example"].ask(path, name)
        context = QueryContext(self._clock.seconds() + 20.0)
        answer = await lookUp(self.sources[way], questionOf(name, "TXT"), context)
        return answer.answer[0].rdatas[0][1:].decode()

    async def close(self) -> None:
        for source in self.sources.values():
            await source.close()
        for web in self._web.values():
            web.close()


class _Web(HTTPSConnection):
    """
    A connection of HTTP/1.1 to a server on this machine.
    """

    def __init__(self, name: str, port: int, context: ssl.SSLContext) -> None:
        super().__init__("127.0.0.1", port, context=context, timeout=20)
        self._name, self._checked = name, context

    def connect(self) -> None:
        super(HTTPSConnection, self).connect()
        assert self.sock is not None
        self.sock = self._checked.wrap_socket(self.sock, server_hostname=self._name)

    def ask(self, path: str, name: str) -> str:
        message = bytes(2) + buildQuery(RD, questionOf(name, "TXT").toWire(), b"")
        self.request("POST", path, message, {"content-type": "application/dns-message"})
        response = self.getresponse()
        octets = response.read()
        assert response.status == 200, response.status
        return Message.fromWire(octets).answer[0].rdatas[0][1:].decode()


@contextmanager
def _serving(folder: Path, workers: int) -> Iterator[tuple[Twistd, int, Path]]:
    certificate = folder / "certificate.pem"
    certificate.write_bytes(certificateFor("dns.example", "lab.example"))
    keys = folder / "keys"
    keys.write_text(f"hmac-sha256:partner:{_SECRET}\n")
    keys.chmod(0o600)
    port = freePort("127.0.0.1")
    words = ["--config", str(_configured(folder)), "--interface", "127.0.0.2", "--key-file", str(keys), "--workers", str(workers)]
    for way, number in (("tls", port), ("quic", port), ("https", port + 1), ("http3", port + 1)):
        words += [f"--{way}", f"127.0.0.1:{number}"]
    with Twistd(folder, *words, "--certificate", str(certificate)) as server:
        yield server, port, written(folder)


def _overTLS(
    port: int, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None
) -> tuple[str, ssl.SSLSession | None, bool | None]:
    """
    Ask over TLS, as a client that asks for a name and offers a session.

    @return: the text, the session for the next time, and whether that which was offered went on.
    """
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname=name, session=session) as wrapped,
    ):
        wrapped.sendall(frame(bytes(2) + buildQuery(RD, questionOf(_NAMES[0], "TXT").toWire(), b"")))
        buffer, messages = StreamBuffer(), list[bytes]()
        while not messages:
            messages = buffer.feed(wrapped.recv(4096))
        return Message.fromWire(messages[0]).answer[0].rdatas[0][1:].decode(), wrapped.session, wrapped.session_reused


@pytest.mark.parametrize(("version", "expected"), [(ssl.TLSVersion.TLSv1_2, "lab"), (ssl.TLSVersion.TLSv1_3, "all")])
def test_resumedSessions(version: ssl.TLSVersion, expected: str, tmp_path: Path) -> None:
    """
    A session that began with one name does not lead to its view when another name is asked for over TLS 1.3. Over TLS 1.2 it keeps the name
    with which it began, as OpenSSL has it: only who could ask for that name has such a session.
    """
    with _serving(tmp_path, 1) as (_, port, root):
        context = ssl.create_default_context(cafile=str(root))
        context.maximum_version = version
        session, found = None, []
        for name in ("lab.example", "lab.example", "dns.example", "lab.example"):
            text, session, isReused = _overTLS(port, context, name, session)
            found.append((text, isReused))
        assert [text for text, _ in found] == ["lab", "lab", expected, "lab"]
        assert found[1][1]


@pytest.mark.parametrize("workers", [1, 2])
@pytest_twisted.ensureDeferred
async def test_eachDoorHasItsView(workers: int, tmp_path: Path) -> None:
    """
    Queries by all ways, in random order on connections that stay open, each get the answer of their view; so they do after a reload that
    exchanges what two views say.
    """
    dice = random.Random(workers)
    with _serving(tmp_path, workers) as (server, port, root):
        doors = _Doors(server, port, root)
        try:
            for turned in (False, True):
                if turned:
                    _configured(tmp_path, True)
                    assert server.process is not None
                    server.process.send_signal(signal.SIGHUP)
                    wait(lambda: "settings read again" in server.text(), server)
                for _ in range(150):
                    way, name = dice.choice([*_EXPECTED]), dice.choice(_NAMES)
                    expected = _EXPECTED[way] or "all"
                    if turned:
                        expected = {"lab": "children", "children": "lab"}.get(expected, expected)
                    assert await doors.ask(way, name) == expected, (way, turned)
            with closing(_Web("dns.example", port + 1, ssl.create_default_context(cafile=str(root)))) as web:
                web.request("POST", "/dns-query/none", bytes(12), {"content-type": "application/dns-message"})
                assert web.getresponse().status == 404
        finally:
            await doors.close()


@pytest.mark.parametrize("workers", [1, 2])
@pytest_twisted.ensureDeferred
async def test_eachDoorHasItsAccess(workers: int, tmp_path: Path) -> None:
    """
    Those are answered who come in as the access list says, on connections that stay open, also once a reload has changed it; all others are
    refused, although others with their address have the same replies in the packet cache.
    """
    dice = random.Random(workers)
    with _serving(tmp_path, workers) as (server, port, root):
        doors = _Doors(server, port, root)
        lists: list[tuple[tuple[str, ...], set[str]]] = [
            (("key=partner", "tls"), {way for way in _EXPECTED if "key" in way or way.split()[0] not in ("udp", "tcp")}),
            (("interface=127.0.0.2", f"port={port}", "127.0.0.1 server-name=lab.example"), {way for way in _EXPECTED if _isNamed(way)}),
        ]
        try:
            for count, (allow, expected) in enumerate(lists, 1):
                _configured(tmp_path, allow=allow)
                assert server.process is not None
                server.process.send_signal(signal.SIGHUP)
                wait(partial(_hasRead, server, count), server)
                for _ in range(150):
                    way = dice.choice([*_EXPECTED])
                    try:
                        found = await doors.ask(way, dice.choice(_NAMES))
                    except (DNSFault, IndexError):
                        found = ""
                    assert found == ((_EXPECTED[way] or "all") if way in expected else ""), (way, allow)
        finally:
            await doors.close()


def _hasRead(server: Twistd, count: int) -> bool:
    return server.text().count("settings read again") == count


def _isNamed(way: str) -> bool:
    """
    Return whether a way leads to the second address, to the port of TLS and QUIC, or asks for the second name.
    """
    transport, *rest = way.split()
    return "second" in rest or transport in ("tls", "quic") or "lab" in rest or "both" in rest
