"""
C{txdns query} and C{txdns upstream} over all transports, with our own server.
"""

from __future__ import annotations

import json
import re
import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.lookups.test_txdns import txdns
from tests.live.twistds import Twistd
from tests.peers import freePort
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK, USAGE

NAME = "www.test.example"

OTHER_PIN = b64encode(bytes(32)).decode()


class Server(Twistd):
    """
    Our server with all its listeners and a certificate of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.tls, self.https, self.quic = [freePort("127.0.0.1") for _ in range(3)]
        ports = (("tls", self.tls), ("https", self.https), ("http3", self.https), ("quic", self.quic))
        places = [f"--{kind}=127.0.0.1:{port}" for kind, port in ports]
        local = ["--local", f"{NAME} 300 A 192.0.2.80", "--upstream", "127.0.0.1:9"]
        super().__init__(folder, *places, "--self-signed", "--state", str(folder), *local)

    @property
    def ca(self) -> str:
        return str(self.folder / "self-signed.pem")

    @property
    def pin(self) -> str:
        found = re.search('pin-sha256="(.+?)"', self.text())
        assert found is not None
        return found[1]

    def portOf(self, transport: str) -> int:
        return {"tls": self.tls, "https": self.https, "http3": self.https, "quic": self.quic}[transport]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("encrypted")) as running:
        yield running


@pytest.mark.parametrize(
    ("option", "transport", "alpn"), [("tls", "tls", "dot"), ("https", "https", "h2"), ("http3", "https", "h3"), ("quic", "quic", "doq")]
)
def test_queryNamesItsSession(server: Server, option: str, transport: str, alpn: str) -> None:
    """
    A query over an encrypted transport shows the session; several look-ups of one command share the connection.
    """
    words = ["@127.0.0.1", "-p", str(server.portOf(transport)), f"+{option}", f"+tls-ca={server.ca}"]
    ended = txdns("query", "-r", *words, NAME, f"{NAME}.")
    assert (ended.returncode, ended.stderr) == (OK, "")
    line = f";; {transport.upper()}: TLSv1.3, TLS_AES_256_GCM_SHA384, ALPN {alpn}, new session\n;; Certificate: for 'localhost', "
    assert ended.stdout.count(line) == 2
    assert f"authenticated by a certificate for '127.0.0.1' from an authority in {server.ca}\n" in ended.stdout
    assert f";; SERVER: 127.0.0.1#{server.portOf(transport)}(127.0.0.1) ({transport.upper()})\n" in ended.stdout
    said = json.loads(txdns("query", "-r", *words, NAME, "+json").stdout)
    assert (said["source"], said["tls"]["alpn"], said["tls"]["resumed"]) == (transport, alpn, False)
    assert said["tls"]["pin"] == server.pin


def test_queryByURL(server: Server) -> None:
    """
    A URL stands for the server with or without C{@}, by address or by name, and the options add to it.
    """
    for url in (
        f"tls://127.0.0.1:{server.tls}", f"@tls://localhost:{server.tls}", f"@https://localhost:{server.https}/dns-query",
        f"quic://127.0.0.1:{server.quic}#localhost",
    ):  # fmt: skip
        ended = txdns("query", "-r", url, f"+tls-ca={server.ca}", NAME, "+short")
        assert (ended.stdout, ended.stderr) == ("192.0.2.80\n", ""), url
    pinned = txdns("query", "-r", f"tls://127.0.0.1:{server.tls}", f"+tls-pin={OTHER_PIN}", f"+tls-pin={server.pin}", NAME, "+short")
    assert pinned.stdout == "192.0.2.80\n"
    fields = txdns("query", "-r", f"tls://127.0.0.1:{server.tls}", f"+tls-pin={server.pin}", NAME, "+bufsize=700", "+qr", "+nocmd")
    assert "; EDNS: version: 0, flags:; udp: 700\n" in fields.stdout and ";; TLS: TLSv1.3" in fields.stdout


def test_queryExplainsItsFailures(server: Server) -> None:
    """
    A wrong pin, name, authority, path or port is one line that says what was expected and what came; nothing is sent otherwise.
    """
    tls = f"tls://127.0.0.1:{server.tls}"
    closed = freePort("127.0.0.1")
    for words, part in (
        ([tls], "from an authority that the system trusts, its certificate is self-signed; +tls-ca=FILE "),
        ([tls, f"+tls-pin={OTHER_PIN}"], f"expected a key with the pin {OTHER_PIN}, it showed one with the pin {server.pin}"),
        ([tls, f"+tls-ca={server.ca}", "+tls-hostname=other.example"], "it showed one for 'localhost', "),
        ([f"tls://127.0.0.1:{closed}"], "cannot be reached over TLS: Connection was refused"),
        ([f"quic://127.0.0.1:{closed}"], "cannot be reached over QUIC: nothing listens there"),
        ([f"https://127.0.0.1:{server.https}/x", f"+tls-ca={server.ca}"], "answered with HTTP status '404'"),
        ([f"https://127.0.0.1:{server.tls}", f"+tls-ca={server.ca}"], "it does not speak 'h2'"),
    ):  # fmt: skip
        ended = txdns("query", "-r", *words, NAME, "+tries=1")
        assert (ended.returncode, ended.stdout) == (NO_REPLY, ""), words
        assert part in ended.stderr and ended.stderr.count("\n") == 1, ended.stderr
    for words, line in (
        ([tls, "+tls-ca=/nonexistent"], "/nonexistent: cannot read the authorities' certificates: No such file or directory\n"),
        ([f"quic://127.0.0.1:{server.quic}", "AXFR"], "over TCP or TLS only; write @tls://192.0.2.53 or @192.0.2.53\n"),
        ([tls, "+trace"], "+trace works over UDP and TCP only; leave it out, or write @192.0.2.53 without encryption\n"),
    ):
        ended = txdns("query", "-r", *words, NAME)
        assert (ended.returncode, ended.stdout) == (USAGE, "")
        assert ended.stderr.endswith(line)


def test_upstreamDescribesOurServer(server: Server) -> None:
    """
    C{txdns upstream} finds all transports of our server, its certificate and its features.
    """
    urls = [f"127.0.0.1:{server.port}"]
    urls += [f"{kind}://127.0.0.1:{server.portOf(kind)}" for kind in ("tls", "https", "quic")]
    words = [*urls, f"--tls-ca={server.ca}", "-q", NAME]
    ended = txdns("upstream", *words)
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert re.findall(r"^  (\S+) +(yes|no) ", ended.stdout, re.M) == [(each, "yes") for each in "UDP TCP TLS HTTPS HTTP/3 QUIC".split()]
    assert ended.stdout.count("resumes sessions\n") == 4
    assert f"  pin             {server.pin}\n" in ended.stdout
    said = json.loads(txdns("upstream", *words, "--json").stdout)
    assert (said["payloadSize"], said["cookies"], said["preservesCase"], said["rcode"]) == (1232, True, True, "NOERROR")
    assert [each["padding"] for each in said["transports"]] == [None, None, 468, 468, 468, 468]
    assert [each["versions"] != {} for each in said["transports"]] == [False, False, True, True, False, False]
    assert all(each["milliseconds"]["queries"] == 5 for each in said["transports"])


def test_upstreamReportsWhatFails(server: Server) -> None:
    """
    Where the certificate is not accepted, C{txdns upstream} still shows it, with the pin that makes it acceptable.
    """
    url = f"tls://127.0.0.1:{server.tls}"
    ended = txdns("upstream", "--only", url)
    assert ended.returncode == NO_REPLY
    assert "its certificate is self-signed" in ended.stdout
    assert ended.stderr.startswith("txdns upstream: 127.0.0.1 does not answer over TLS; --tls-ca=FILE ") and ended.stderr.count("\n") == 1
    found = re.search(r"^  pin +(\S+)$", ended.stdout, re.M)
    assert found is not None
    assert txdns("upstream", "--only", url, "--tls-pin", found[1]).returncode == OK
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ended = txdns("upstream", "--only", "--time", "0.5", f"tls://127.0.0.1:{silent.getsockname()[1]}")
    assert (ended.returncode, ended.stderr) == (NO_REPLY, "txdns upstream: 127.0.0.1 does not answer over TLS\n")
    assert "did not answer within 0.5 seconds" in ended.stdout
