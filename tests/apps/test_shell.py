"""
Tests of C{txdns shell} at a pseudo-terminal, without a server.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal, plain

SHELL = ["-m", "twisted_ext.apps.cli.main", "shell"]


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    """
    Return a shell whose resolver uses a hosts file.
    """
    hosts = tmp_path / "hosts"
    hosts.write_text("192.0.2.80 www.example.org\n")
    with Terminal([*SHELL, f"chain:(hosts:{hosts}):(special)"], {"NO_COLOR": "1"}, str(tmp_path)) as terminal:
        terminal.expect(">>> ")
        yield terminal


def enter(terminal: Terminal, line: str, expected: str) -> None:
    """
    Type a line and wait for its result.
    """
    terminal.type(line + "\r")
    terminal.expect(expected + ".*>>> ")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit(4)", 4),
        ("exit(5)", 5),
        ("quit()", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(None)", 0),
        ("import sys; sys.exit(True)", 1),
        ("import sys; sys.exit(256 + 7)", 7),
        ("import sys; sys.exit('the reason')", 1),
        ("import sys; await address('www.example.org'); sys.exit(6)", 6),
    ],
)
def test_sysExitSetsTheExitCode(shell: Terminal, line: str, code: int) -> None:
    """
    C{sys.exit} ends the shell with the exit code, or the text, of a program; also after C{await}.
    """
    shell.type(line + "\r")
    assert shell.wait() == code
    assert "Traceback" not in shell.output and "Unhandled" not in shell.output
    assert ("the reason" in shell.output.replace(line, "")) == ("reason" in line)


def test_resultsAreShown(shell: Terminal) -> None:
    """
    Deferreds are shown with their results, C{_} is the last one shown, and Ctrl-D leaves the shell and keeps the screen.
    """
    record = r"<RR name=www.example.org type=A class=IN ttl=\d+s auth=(True|False)>"
    records = rf"<Deferred at 0x[0-9a-f]+ current result: \(\[{record}\], \[\], \[\]\)>"
    enter(shell, 'resolver.lookupAddress("www.example.org")', records)
    enter(shell, "_", records)
    enter(shell, "_.result[0][0].payload", r"<A address=192.0.2.80 ttl=\d+>")
    enter(shell, 'lookup("www.example.org", "AAAA")', r"current result: \(\[\], \[\], \[\]\)>")
    enter(shell, 'address("www.example.org")', r"<Deferred at 0x[0-9a-f]+ current result: '192.0.2.80'>")
    enter(shell, 'reverse("192.0.2.80")', "type=PTR")
    enter(shell, 'explain("www.example.org")', r"current result:>\nwww.example.org. IN A\n.*answered")
    enter(shell, "client.reverseName('192.0.2.1')", "'1.2.0.192.in-addr.arpa'")
    enter(shell, "dns.A", "1")
    shell.type("\x04")
    assert shell.wait() == 0
    assert "\x1bc" not in shell.output


def test_pendingDeferredIsShownLater(shell: Terminal) -> None:
    """
    A pending Deferred is shown again when it fires, and the line being typed stays.
    """
    enter(shell, "from twisted.internet.defer import Deferred; d = Deferred()", "")
    enter(shell, "d", r"<Deferred at 0x[0-9a-f]+>")
    shell.type('reactor.callLater(0.3, d.callback, "fired") and None\r6 * ')
    shell.expect(r"current result: 'fired'>\n>>> 6 \* ")
    shell.type("7\r")
    shell.expect("42\n")
    enter(shell, "d", "current result: 'fired'>")


def test_failureIsShownOnce(shell: Terminal) -> None:
    """
    A failure is shown once.
    """
    enter(shell, 'lookup("no.invalid")', "DNSNameError")
    enter(shell, "1", "1")
    enter(shell, "import gc; gc.collect() and None", "")
    enter(shell, "2 + 2", "4")
    assert "Unhandled" not in plain(shell.output)
    enter(shell, 'lookup("a..b")', "QueryFormatError: 'a..b': a label is empty")
    enter(shell, "lookup('x', 'FOO')", "BadRecord: 'FOO' is not a record type")
    enter(shell, "1 / 0", "ZeroDivisionError")
    enter(shell, "def f():\r    return 'so'\r\rf()", "'so'")


def test_awaitAtThePrompt(shell: Terminal) -> None:
    """
    C{await} works at the prompt, as in the documentation.
    """
    enter(shell, 'await address("www.example.org")', "'192.0.2.80'\n")
    enter(shell, 'where = await client.getaddrinfo("www.example.org", 80, resolver=resolver)', "")
    enter(shell, "where[0][4]", r"\('192.0.2.80', 80\)")
    enter(shell, "await address('a..b')", "QueryFormatError: 'a..b': a label is empty")
    enter(shell, "await 5", "TypeError: .*await")
    enter(shell, "print(await address('www.example.org'), 7)", "192.0.2.80 7\n")


def test_lateResultsAreShownOnce(shell: Terminal) -> None:
    """
    Late results, output and exceptions of an C{await} are each shown once, without disturbing the line being typed.
    """
    enter(shell, "from twisted.internet.defer import Deferred, fail; d, e = Deferred(), Deferred()", "")
    enter(shell, "[await d, print('one'), print('two')]", "")
    shell.type("reactor.callLater(0.3, d.callback, 'fired') and None\r6 * ")
    shell.expect(r"\['fired', None, None\]\n>>> 6 \* .*one\ntwo\n>>> 6 \* ")
    shell.type("7\r")
    shell.expect("42\n")
    enter(shell, "await e", "")
    shell.type("reactor.callLater(0.3, e.errback, ValueError('late')) and None\r1 + ")
    shell.expect(r"ValueError: late\n>>> 1 \+ ")
    shell.type("1\r")
    shell.expect("2\n")
    enter(shell, "import gc; gc.collect() and None", "")
    assert "Unhandled" not in plain(shell.output)


def test_unhandledFailureIsOneLine(shell: Terminal) -> None:
    """
    An unhandled failure is reported on one line.
    """
    enter(shell, "from twisted.internet.defer import fail; d = fail(ValueError('oh')); d = None", "Unhandled: ValueError: oh")


def test_editingKeys(shell: Terminal) -> None:
    """
    Tab completes, Ctrl-C drops a line, and C{exit()} leaves.
    """
    shell.type("client.lookupMailE\t")
    shell.expect(r"client\.lookupMailExchange")
    shell.type("\x03")
    shell.expect("KeyboardInterrupt\n>>> ")
    shell.type("client.lookupMail\t")
    shell.expect("lookupMailBox.*lookupMailGroup")
    shell.type("\x03")
    shell.expect("KeyboardInterrupt\n>>> ")
    enter(shell, "exit", "Ctrl-D or exit")
    shell.type("exit()\r")
    assert shell.wait() == 0


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {}])
def test_unicodeInput(environment: dict[str, str]) -> None:
    """
    Text in any script can be typed, and invalid UTF-8 is ignored.
    """
    with Terminal([*SHELL, "special"], environment) as terminal:
        terminal.expect(">>> ")
        enter(terminal, "len('b\u00fccher.\u4f8b\u3048\U0001f600')", "\n10\n")
        enter(terminal, "len('b\u00fcx\u00fc\x7f')", "\n3\n")
        enter(terminal, "lookup('b\u00fccher.invalid')", "DNSNameError: xn--bcher-kva.invalid")
        os.write(terminal._fileno, b"len('\xff\xc3a\xc3\xbc')\r")
        terminal.expect("\n2\n.*>>> ")


def test_sigtermSetsTheExitCode(shell: Terminal) -> None:
    """
    SIGTERM ends the session with its exit code.
    """
    shell.interrupt(signal.SIGTERM)
    assert shell.wait() == 128 + signal.SIGTERM


def test_clientWorksInConchShell(tmp_path: Path) -> None:
    """
    The client works in Twisted's own shell, C{python -m twisted.conch.stdio}.
    """
    with Terminal(["-m", "twisted.conch.stdio"], directory=str(tmp_path)) as terminal:
        terminal.expect(">>> ")
        enter(terminal, "from twisted_ext import client", "")
        enter(terminal, 'client.getHostByName("192.0.2.1")', r"<Deferred at 0x[0-9a-f]+ current result: '192.0.2.1'>")
        enter(terminal, 'd = client.lookupAddress("localhost.")', "")
        enter(terminal, "d", r"current result: \(\[<RR name=localhost type=A")
        terminal.type("\x04")
        assert terminal.wait() == 0


def test_invalidDescriptionIsRefused() -> None:
    """
    An invalid description is a one-line error before the shell starts.
    """
    with Terminal([*SHELL, "foo:bar"]) as terminal:
        assert terminal.wait() == 1
    assert plain(terminal.output).count("\n") == 1
    assert "there is no prefix 'foo'" in terminal.output


def test_missingTerminalIsReported() -> None:
    """
    A missing terminal is reported in one line.
    """
    ended = subprocess.run([sys.executable, *SHELL], input="1\n", capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "needs a terminal" in ended.stderr


def test_missingConchNamesTheExtra() -> None:
    """
    A missing conch is reported in one line that names the extra to install.
    """
    code = (
        "import sys; sys.modules['twisted.conch.manhole'] = None\n"
        "from twisted_ext.apps.cli.main import main\n"
        "sys.exit(main(['shell']))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "pip install 'twisted-ext[shell]'" in ended.stderr
