"""
Tests of C{txdns services} against the server of the documentation's listings.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.docs.listings import Servers, serving
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.names.services import _find, _show
from twisted_ext.apps.cli.terminal.arguments import Given
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import HeldSource, answerOf, questionOf

__all__: list[str] = []


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """
    Return the servers of the listings.
    """
    with serving() as found:
        yield found


def run(servers: Servers, *words: str) -> subprocess.CompletedProcess[str]:
    """
    Run the command in a process of its own.
    """
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "services", *words]
    return subprocess.run([servers.real(word) for word in command], capture_output=True, text=True, timeout=60)


def test_srvTargetsComeByPriority(servers: Servers) -> None:
    """
    SRV targets are shown with priority and weight, the lowest priority first.
    """
    ended = run(servers, "_xmpp-client._tcp.example.com", "@127.0.0.1:5301")
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert sorted(lines[:2]) == ["    5    10  chat2.example.com:5222", "    5    30  chat1.example.com:5222"]
    assert lines[2:] == ["   20     0  backup.example.net:5222"]


def test_httpsTargetsHaveProtocols(servers: Servers) -> None:
    """
    HTTPS targets are shown with protocols and hints; the host itself comes last, without priority and weight.
    """
    assert run(servers, "https://shop.example.com/", "@127.0.0.1:5301").stdout.splitlines() == [
        "    1     0  cdn.example.net:443 alpn=h2,http/1.1 hint=192.0.2.81",
        "    2     0  backup.example.net:8443 alpn=http/1.1",
        "    -     -  shop.example.com:443",
    ]


@pytest.mark.parametrize(
    ("service", "lines"),
    [
        ("mailto:bob@example.com", ["mail.example.com:25", "backup.example.net:25"]),
        ("mailto:www.example.com", ["www.example.com:25"]),
        ("tel:+44-20-7946-0148", ["sip:02079460148@example.com"]),
        ("HTTPS://192.0.2.1:99", ["192.0.2.1:99"]),
        ("https://[2001:db8::1]", ["[2001:db8::1]:443"]),
    ],
)
def test_shortShowsTargetsOnly(service: str, lines: list[str], servers: Servers) -> None:
    """
    C{+short} shows hosts and ports, or URIs, only.
    """
    for word in ("+short", "--short"):
        assert run(servers, service, word, "@127.0.0.1:5301").stdout.splitlines() == lines


def test_jsonIsAList(servers: Servers) -> None:
    """
    C{+json} always gives a list.
    """
    first, _, last = json.loads(run(servers, "https://shop.example.com", "+json", "@127.0.0.1:5301").stdout)
    assert (first["host"], first["port"], first["priority"], first["alpn"]) == (
        "cdn.example.net",
        443,
        1,
        ["h2", "http/1.1"],
    )
    assert first["parameters"]["4"] == "c0000251"
    assert (last["host"], last["priority"], last["weight"]) == ("shop.example.com", None, None)
    assert json.loads(run(servers, "tel:+442079460148", "--json", "@127.0.0.1:5301").stdout) == [
        "sip:02079460148@example.com"
    ]
    ended = run(servers, "_nosuch._tcp.example.com", "+json", "@127.0.0.1:5301")
    assert (ended.returncode, json.loads(ended.stdout)) == (DECLINED, [])


@pytest.mark.parametrize(
    ("service", "code", "line"),
    [
        ("_imap._tcp.example.com", DECLINED, "_imap._tcp.example.com: the domain says that it has no such service"),
        ("_nosuch._tcp.example.com", DECLINED, "_nosuch._tcp.example.com: no records found"),
        ("mailto:nomail.example.com", DECLINED, "nomail.example.com: the domain says that it takes no mail"),
        ("mailto:nosuch.example.com", DECLINED, "nosuch.example.com: there is no such name"),
        ("mailto:example.com", NO_REPLY, "example.com"),
    ],
)
def test_missingServiceAndFailureDiffer(service: str, code: int, line: str, servers: Servers) -> None:
    """
    A missing service and a failed look-up are reported in one line with different exit codes.
    """
    target = "@special" if code == NO_REPLY else "@127.0.0.1:5301"
    ended = run(servers, service, target)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.startswith(f"txdns services: {line}") and ended.stderr.count("\n") == 1


def test_lateRecordsAreShown() -> None:
    """
    HTTPS records are shown even if they come much later than the host's addresses.
    """
    clock = Clock()
    source = HeldSource()
    found = Deferred.fromCoroutine(_find(NamesResolver(source, clock), "https://a.example"))
    source.release(answerOf(questionOf("a.example"), "192.0.2.1"), questionOf("a.example"))
    clock.advance(4)
    source.release(answerOf(questionOf("a.example", "HTTPS"), "1 b.example."), questionOf("a.example", "HTTPS"))
    shown: list[str] = []
    found.addCallback(lambda targets: shown.extend([str(target) for target in targets]))
    assert shown == ["b.example:443", "a.example:443"]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "a service is missing; write one such as"),
        (["_a._tcp.example.com", "_b._tcp.example.com"], "two services, '_a._tcp.example.com' and '_b._tcp.example.com'"),
        (["_a._tcp.example.com", "+trace"], "'+trace' is not an option; the options are +short and +json"),
        (["_a._tcp.example.com", "@a", "@b"], "two servers"),
    ],
)
def test_invalidArgumentsAreRefused(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Invalid arguments are refused without a query.
    """
    assert main(["services", *words]) == USAGE
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(
    "service", ["example.com", "https://a:b", "http://example.com", "_a..b", "tel:1", "https://a b", "https://", "mailto:", "mailto:a@"]
)
def test_invalidServiceIsRefused(service: str, servers: Servers) -> None:
    """
    An invalid service is refused with a one-line error.
    """
    ended = run(servers, service, "@127.0.0.1:5301")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (USAGE, "", 1)
    assert "the root is" not in ended.stderr


def test_formErrIsNoUsageError() -> None:
    """
    A FORMERR reply is a failed look-up and not a usage error.
    """
    network = MemoryNetwork()
    server = CannedServer()
    server.rcode = 1
    server.listen(network.reactor("192.0.2.53"))
    shown = Deferred.fromCoroutine(_show(network.reactor("192.0.2.7"), "_a._tcp.example.com", "192.0.2.53", Given()))
    failures: list[Failure] = []
    shown.addErrback(failures.append)
    for _ in range(100):
        network.advance(0.05)
    (ending,) = [failure.value for failure in failures]
    assert isinstance(ending, ExitError)
    assert ending.code == NO_REPLY and ending.line.endswith("192.0.2.53:53 answered FORMERR")
