"""
Tests of C{txdns watch} against the servers of the documentation's listings.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest

from tests.apps.terminals import Terminal
from tests.apps.turning import TurningReactor
from tests.docs.listings import Servers, serving
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.names.watch import parseWatch
from twisted_ext.apps.cli.terminal.exits import BROKEN_PIPE, DECLINED, INTERRUPTED, NO_REPLY, OK, TERMINATED, USAGE
from twisted_ext.apps.cli.terminal.run import BrokenPipeWatch
from twisted_ext.testing.sources import answerOf, questionOf
from twisted_ext.watch.limits import ZONE_SERVERS
from twisted_ext.watch.states import stateOf

__all__: list[str] = []

COMMAND = ["-m", "twisted_ext.apps.cli.main", "watch"]

#: The address of the first server.
SERVER = "@127.0.0.1:5301"


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
    command = [sys.executable, *COMMAND, *words]
    return subprocess.run([servers.real(word) for word in command], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["www.example.com", "--until", "192.0.2.80"], "www.example.com A: 192.0.2.80"),
        (["www.example.com", "AAAA", "--until", "2001:DB8:0:0::80"], "www.example.com AAAA: 2001:db8::80"),
        (["example.com", "mx", "--until-any"], "example.com MX: 10 mail.example.com., 20 backup.example.net."),
        (["example.com", "TXT", "--until", "v=spf1 mx -all", "--until", "made for the documentation"], "example.com TXT: "),
        (["nosuch.example.com", "--until-none"], "nosuch.example.com A: no such name"),
        (["ipv6.example.com", "--until-none"], "ipv6.example.com A: no such records"),
    ],
)
def test_presentStateEndsAtOnce(words: list[str], shown: str, servers: Servers) -> None:
    """
    A state that already holds ends the command at once and is shown with the time.
    """
    ended = run(servers, *words, SERVER)
    assert (ended.returncode, ended.stderr, ended.stdout.count("\n")) == (OK, "", 1)
    time, _, line = ended.stdout.partition(" ")
    assert len(time) == len("2026-11-20T15:00:00+00:00") and line.startswith(shown)


def test_jsonIsOneObjectPerLine(servers: Servers) -> None:
    """
    C{--json} gives one object a line.
    """
    for option in ("--json", "+json"):
        (line,) = run(servers, "example.com", "MX", "--until-any", option, SERVER).stdout.splitlines()
        change = json.loads(line)
        assert change.pop("time")[4] == "-" and servers.shown(change.pop("server")) == "127.0.0.1:5301"
        assert change == {
            "name": "example.com",
            "type": "MX",
            "outcome": "data",
            "data": ["10 mail.example.com.", "20 backup.example.net."],
            "ttl": 300,
            "before": None,
        }


def test_everyServerMustAgree(servers: Servers) -> None:
    """
    Several servers are queried separately, all must reach the state, and lines name them.
    """
    ended = run(servers, "www.example.com", SERVER, "@udp:127.0.0.1:5302", "--until", "192.0.2.80")
    assert ended.returncode == OK
    lines = sorted([servers.shown(line).partition(" ")[2] for line in ended.stdout.splitlines()])
    assert lines == [f"www.example.com A @{place}: 192.0.2.80" for place in ("127.0.0.1:5301", "udp:127.0.0.1:5302")]
    ended = run(servers, "mail.example.com", SERVER, "@127.0.0.1:5302", "--until", "192.0.2.25", "--timeout", "5")
    assert ended.returncode == DECLINED
    assert servers.shown(ended.stderr) == (
        "txdns watch: mail.example.com A: after 5 s still no such name (127.0.0.1:5302)\n"
    )


def test_timeoutHasAnExitCode(servers: Servers) -> None:
    """
    The exit code of a time-out tells another state from a failed look-up; it is success if no state was given.
    """
    ended = run(servers, "www.example.com", SERVER, "--until", "192.0.2.81", "--timeout", "5")
    assert (ended.returncode, ended.stdout.count("\n")) == (DECLINED, 1)
    assert "www.example.com A: after 5 s still 192.0.2.80 (127.0.0.1" in ended.stderr
    ended = run(servers, "www.example.com", SERVER, "--timeout", "1")
    assert (ended.returncode, ended.stderr) == (OK, "")


@pytest.mark.parametrize("server", ["127.0.0.1:1", "special"])
def test_silenceIsNotADenial(server: str, servers: Servers) -> None:
    """
    A failed look-up is shown and not taken for missing records.
    """
    ended = run(servers, "www.example.com", f"@{server}", "--until-none", "--timeout", "2")
    assert (ended.returncode, ended.stderr.count("\n")) == (NO_REPLY, 1)
    assert "after 2 s still" in ended.stderr
    assert all("A: not known: www.example.com" in line for line in ended.stdout.splitlines())
    ended = run(servers, "www.example.com", f"@{server}", "--every-server", "--timeout", "2")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (NO_REPLY, "", 1)


@pytest.mark.parametrize(("words", "code"), [([], OK), (["--until", "192.0.2.81"], INTERRUPTED)])
def test_ctrlCEndsQuietly(words: list[str], code: int, servers: Servers) -> None:
    """
    Ctrl-C ends the command quietly, with an exit code if a state was waited for.
    """
    command = [servers.real(word) for word in [*COMMAND, "www.example.com", SERVER, *words]]
    with Terminal(command) as terminal:
        terminal.expect(r"192\.0\.2\.80\r?\n")
        terminal.interrupt()
        assert terminal.wait() == code
        assert terminal.output.count("\n") == 1


@pytest.mark.parametrize("words", [[], ["--until", "192.0.2.81"]])
def test_sigtermHasItsOwnExitCode(words: list[str], servers: Servers) -> None:
    """
    SIGTERM ends the command with the usual exit code for it.
    """
    command = [sys.executable, *[servers.real(word) for word in [*COMMAND, "www.example.com", SERVER, *words]]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline().endswith("192.0.2.80\n")
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == TERMINATED
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_closedReaderEndsTheCommand(servers: Servers) -> None:
    """
    The command ends when the reader of its output closes the pipe, as C{grep -m1} does, even with nothing to write.
    """
    command = [sys.executable, *[servers.real(word) for word in [*COMMAND, "www.example.com", SERVER]]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline().endswith("www.example.com A: 192.0.2.80\n")
            process.stdout.close()
            assert process.wait(60) == BROKEN_PIPE
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_openReaderKeepsTheCommand() -> None:
    """
    A reader that waits, and a file, do not end the command.
    """
    reactor = TurningReactor()
    left: list[str] = []
    with tempfile.TemporaryFile() as file:
        BrokenPipeWatch(reactor, file.fileno(), lambda: left.append("file")).stop()
        assert reactor.readers == set()
    theirs, ours = os.pipe()
    leaving = BrokenPipeWatch(reactor, ours, lambda: left.append("pipe"))
    assert reactor.readers == {leaving}
    leaving.stop()
    assert reactor.readers == set()
    leaving = BrokenPipeWatch(reactor, ours, lambda: left.append("pipe"))
    os.close(theirs)
    leaving.doRead()
    leaving.doRead()
    os.close(ours)
    assert (reactor.readers, left) == (set(), ["pipe"])


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "a name is missing; write: txdns watch NAME"),
        (["www.example.com", "BOGUS"], "'BOGUS' is not a record type"),
        (["www.example.com", "ANY"], "ANY is not a type of records"),
        (["www.example.com", "A", "MX"], "'MX' is not a record type"),
        (["a..b"], "a..b"),
        (["www.example.com", "--until", "192.0.2"], "--until: "),
        (["www.example.com", "MX", "--until", "mail.example.com"], "--until: "),
        (["www.example.com", "--until", "192.0.2.1", "--until-none"], "write one of them"),
        (["www.example.com", "--until"], "--until"),
        (["www.example.com", "--timeout", "soon"], "'soon' is not a number of seconds from 0.001 to 1000000000"),
        (["www.example.com", "--interval", "0"], "from 0.1 to 86400"),
        (["www.example.com", "--every-server", "@a", "@b"], "--every-server"),
        (["www.example.com", "@"], "@ must be followed by a server"),
        (["www.example.com", "@a", "@a"], "twice"),
        (["www.example.com", "+short"], "'+short' is not an option"),
        (["www.example.com", "--color"], "--color"),
        (["www.example.com", "@nosuch:1"], "nosuch"),
        (["www.example.com", *[f"@192.0.2.{number}" for number in range(33)]], "at most 32 servers"),
    ],
)
def test_invalidArgumentsAreRefused(words: list[str], line: str, servers: Servers) -> None:
    """
    Invalid arguments are refused with one line, without a query.
    """
    ended = run(servers, *words)
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (USAGE, "", 1)
    assert line in ended.stderr
    assert ZONE_SERVERS.default == 32


def test_helpShowsUsage(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The help shows the usage.
    """
    assert main(["watch", "--help"]) == OK
    assert "Usage: txdns watch" in capsys.readouterr().out


def test_authoritativeServersHaveAnInterval() -> None:
    """
    Authoritative servers are queried at an interval, others when the TTL has expired.
    """
    words = ["www.example.com"], ["www.example.com", "--every-server"], ["www.example.com", "--every-server", "--interval", "2"]
    assert [parseWatch(list(each)).interval for each in words] == [None, 5, 2]


def test_allValuesMustBePresent() -> None:
    """
    Several values must be present together; additional ones do not matter.
    """
    options = parseWatch(["www.example.com", "--until", "192.0.2.1", "--until", "192.0.2.2"])
    question = questionOf("www.example.com")
    found = [
        options.isDone(stateOf(question, answerOf(question, texts)))
        for texts in (["192.0.2.1"], ["192.0.2.2", "192.0.2.3", "192.0.2.1"], [])
    ]
    assert found == [False, True, False]
    assert not parseWatch(["www.example.com"]).isDone(stateOf(question, answerOf(question, "192.0.2.1")))
