"""
C{txdns validate} and C{txdns trace} against real sockets: servers of a loopback internet, and forwarders of other projects before it.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal
from tests.live.lookups.internets import LiveInternet
from tests.live.upstreams import Upstream
from tests.peers import bind, unbound
from tests.test_architecture import ROOT
from twisted_ext.apps.cli.terminal.exits import BOGUS, INSECURE, NO_REPLY, OK
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message


class Stripping(CannedServer):
    """
    A forwarder that asks its own upstream without EDNS, so that its replies have no signatures.
    """

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__()
        self._upstream = upstream

    def replyTo(self, query: Message, transport: str) -> bytes:
        """
        Return what the upstream replies to a query without EDNS.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            asking.connect(self._upstream)
            asking.send(buildMessage(Message(query.id, query.flags, query.questions)))
            return asking.recv(65535)


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveInternet]:
    """
    Start the internet.
    """
    with LiveInternet(tmp_path_factory.mktemp("internet")) as live:
        yield live


@pytest.fixture(scope="module")
def forwarders(internet: LiveInternet) -> Iterator[dict[str, str]]:
    """
    Start forwarders, and return their addresses with ports.
    """
    with ExitStack() as stack:
        anchor = f"  trust-anchor-file: {internet.anchors}\n  module-config: \"validator iterator\"\n"
        validating = stack.enter_context(unbound(forwardTo=internet.root, extra=anchor + internet.stubs))
        plain = stack.enter_context(unbound(forwardTo=internet.root, extra=f'  module-config: "iterator"\n{internet.stubs}'))
        behind = stack.enter_context(bind(forwardTo=[plain.server]))
        upstream = Upstream()
        upstream.canned = Stripping(plain.server)
        stripping = stack.enter_context(upstream)
        found = {"validating": validating.server, "not validating": behind.server, "stripping": ("127.0.0.1", stripping.port)}
        yield {name: f"{address}:{port}" for name, (address, port) in found.items()}


def txdns(*words: str) -> subprocess.CompletedProcess[str]:
    """
    Run a command.
    """
    command = [sys.executable, "-m", "twisted_ext", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL, timeout=120)


@pytest.mark.parametrize("kind", ["validating", "not validating"])
@pytest.mark.parametrize(
    ("name", "code"),
    [("www.example.org", OK), ("nothing.example.org", OK), ("www.plain.org", INSECURE), ("www.broken.org", BOGUS)],
)
def test_forwarderDoesNotMatter(internet: LiveInternet, forwarders: dict[str, str], kind: str, name: str, code: int) -> None:
    """
    Behind a forwarder that validates, and behind one that does not, the verdict is that from the root: the forwarder's AD does not count,
    and neither does its SERVFAIL.
    """
    ended = txdns("validate", name, f"@{forwarders[kind]}", "--anchor", str(internet.anchors), "+json")
    assert (ended.returncode, ended.stderr) == (code, "")
    root = txdns("validate", name, "--hints", str(internet.hints), "--port", str(internet.port), "--anchor", str(internet.anchors), "+json")
    assert root.returncode == code
    zones = [{zone["zone"]: zone["security"] for zone in json.loads(each.stdout)["zones"]} for each in (ended, root)]
    assert zones[0] == zones[1]


def test_strippingForwarderIsNamed(internet: LiveInternet, forwarders: dict[str, str]) -> None:
    """
    Behind a forwarder that removes signatures everything is bogus, and the reason names what is not signed and the server.
    """
    for name in ("www.example.org", "www.plain.org"):
        ended = txdns("validate", name, f"@{forwarders['stripping']}", "--anchor", str(internet.anchors))
        assert (ended.returncode, ended.stderr) == (BOGUS, "")
        assert f"RRSIGs Missing: . DNSKEY is not signed, sent by {forwarders['stripping']}" in ended.stdout


@pytest.mark.parametrize(
    ("kind", "said"), [("validating", "; secure"), ("not validating", "; secure"), ("stripping", "is not signed, sent by ")]
)
def test_applicationsSeeTheSame(internet: LiveInternet, forwarders: dict[str, str], kind: str, said: str) -> None:
    """
    A validating resolver in an application comes to the same result as the command.
    """
    ended = txdns("explain", "www.example.org.", f"@validate:(udp:{forwarders[kind]}):anchor={internet.anchors}")
    assert (ended.returncode == OK) == (kind != "stripping")
    assert said in ended.stdout


def test_proofIsSavedAndChecked(internet: LiveInternet, tmp_path: Path) -> None:
    """
    A proof that was saved is checked without the internet, and drawn.
    """
    proof, page = tmp_path / "proof.json", tmp_path / "chain.html"
    where = ["--hints", str(internet.hints), "--port", str(internet.port), "--anchor", str(internet.anchors)]
    assert txdns("validate", "www.broken.org", *where, "--save", str(proof), "--html", str(page)).returncode == BOGUS
    assert "www.broken.org." in page.read_text("utf-8")
    checked = txdns("validate", "--check", str(proof), "--anchor", str(internet.anchors))
    assert (checked.returncode, checked.stderr) == (BOGUS, "")
    assert re.search(r"expired at \S+, sent by 127\.53\.\S+:\d+", checked.stdout)


def test_treeGrowsUntilCtrlC(internet: LiveInternet) -> None:
    """
    At a terminal each step appears when it happens, and Ctrl-C ends the look-up with the code of shells and without a traceback.
    """
    words = ["-m", "twisted_ext", "trace", "www.silent.org", "--hints", str(internet.hints), "--port", str(internet.port)]
    with Terminal(words, {"PYTHONPATH": str(ROOT)}, controlling=True) as terminal:
        terminal.expect(r"referral .*silent\.org")
        terminal.expect("timed out")
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert "Traceback" not in terminal.output


@pytest.mark.parametrize("command", ["trace", "validate"])
def test_noRootServerIsAnswered(command: str, internet: LiveInternet, tmp_path: Path) -> None:
    """
    If no server of the root hints can be reached, the command fails and names the servers.
    """
    hints = tmp_path / "hints"
    hints.write_text(". NS a.root.\na.root. A 127.53.255.254\n")
    ended = txdns(command, "www.example.org", "--hints", str(hints), "--port", str(internet.port))
    assert ended.returncode == NO_REPLY
    said = ended.stdout.splitlines()[-1] if command == "trace" else ended.stderr
    assert f"127.53.255.254:{internet.port}" in said and "Traceback" not in said
    assert ended.stderr.count("\n") == (command == "validate")


def test_queryPrintsTheChain(internet: LiveInternet, forwarders: dict[str, str]) -> None:
    """
    C{query +sigchase} prints the reply with its signature and the chain below it; AD is that of the forwarder.
    """
    ended = txdns("query", "www.example.org", f"@{forwarders['validating']}", "+sigchase", f"+trusted-key={internet.anchors}")
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert re.search(r"flags: qr rd ra ad;", ended.stdout) and "RRSIG\tA 13 3" in ended.stdout
    assert ";; www.example.org. A (data): secure" in ended.stdout
    bogus = txdns("query", "www.broken.org", f"@{forwarders['validating']}", "+cd", "+sigchase", f"+trusted-key={internet.anchors}")
    assert bogus.returncode == BOGUS and "192.0.2.82" in bogus.stdout
