"""
Tests of C{txdns getaddrinfo}, which shows what the operating system says beside what this package does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE

__all__ = ["RUN", "run"]

#: Runs the command beside a system that says what a test wants.
RUN: Final = """\
import socket, sys, threading
from twisted_ext import limits
from twisted_ext.apps.cli import main
from twisted_ext.apps.cli.names import getaddrinfo

real = socket.getaddrinfo

def said(*words):
    if threading.current_thread() is threading.main_thread():
        return real(*words)
    {said}

def named(*words):
    {named}

socket.getaddrinfo = said
realName = socket.getnameinfo
socket.getnameinfo = lambda *words: realName(*words) if threading.current_thread() is threading.main_thread() else named(*words)
{more}
sys.exit(main.main(["getaddrinfo", *sys.argv[1:]]))
"""


def run(*words: str, said: str = "return real(*words)", named: str = "return 'host', '80'", more: str = "") -> tuple[int, str]:
    """
    Run the command on its own.

    @return: its exit code, and what it printed.
    """
    program = RUN.format(said=said, named=named, more=more)
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_same() -> None:
    """
    What both say is shown once.
    """
    code, shown = run("127.1", "80", "+stream", "@special:local=no")
    assert (code, shown) == (OK, "            inet   stream   6  127.0.0.1 80\nthe system says the same\n")


def test_different() -> None:
    """
    What one of them alone says is marked, and the exit code tells scripts.
    """
    more = "from socket import *\n"
    said = "return [(AF_INET, SOCK_STREAM, 6, 'other', ('127.0.0.1', 80)), (AF_INET6, SOCK_STREAM, 6, '', ('fe80::1', 80, 0, 3))]"
    code, shown = run("127.0.0.1", "80", "+stream", "+canonname", "@special:local=no", said=said, more=more)
    assert code == DECLINED
    assert shown.splitlines() == [
        "only here   canonical name 127.0.0.1",
        "the system  canonical name other",
        "            inet   stream   6  127.0.0.1 80",
        "the system  inet6  stream   6  fe80::1 80 scope 3",
        "the system says something else",
    ]


def test_error() -> None:
    """
    An error is an answer like any other.
    """
    code, shown = run("nobody.invalid", "@special:local=no", said="raise socket.gaierror(-3, 'not now')")
    assert code == DECLINED
    assert shown.splitlines() == [
        "only here   error -2: Name or service not known",
        "the system  error -3: not now",
        "because     nobody.invalid: there is no such name",
        "the system says something else",
    ]


def test_because() -> None:
    """
    Where an error comes from a look-up, it is told what came of that; what the system says is compared without it.
    """
    code, shown = run("nobody.example", "@udp:127.0.0.1:1", said="raise socket.gaierror(-3, 'Temporary failure in name resolution')")
    assert code == OK
    first, why, last = shown.splitlines()
    assert (first, last) == ("            error -3: Temporary failure in name resolution", "the system says the same")
    assert why == "because     nobody.example. A: 127.0.0.1:1 cannot be reached: Connection refused"
    said = "raise socket.gaierror(-3, 'Temporary failure in name resolution')"
    code, shown = run("nobody.example", "+json", "@udp:127.0.0.1:1", said=said)
    answer = json.loads(shown)
    assert (code, answer["same"]) == (OK, True)
    assert answer["here"] == {**answer["system"], "because": "nobody.example. A: 127.0.0.1:1 cannot be reached: Connection refused"}


def test_json() -> None:
    """
    Programs get one object.
    """
    code, shown = run("::1", "80", "-6", "+dgram", "+json", "@special:local=no", said="raise socket.gaierror(-3, 'not now')")
    assert code == DECLINED
    assert json.loads(shown) == {
        "host": "::1",
        "service": "80",
        "here": [["inet6", "dgram", 17, "", ["::1", 80, 0, 0]]],
        "system": {"code": -3, "text": "not now"},
        "same": False,
    }


def test_reverse() -> None:
    """
    With -x the names of an address and a port are looked up.
    """
    code, shown = run("-x", "127.0.0.1", "80", "+numericserv", "@special:local=no", named="return 'localhost', '80'")
    assert (code, shown) == (OK, "            localhost\n            80\nthe system says the same\n")


def test_silentSystem() -> None:
    """
    A system that hangs does not hang the command.
    """
    more = "getaddrinfo.SYSTEM_SECONDS = limits.Limit(0.01, 0.01, 1)"
    code, shown = run("127.0.0.1", "@special:local=no", said="threading.Event().wait()", more=more)
    assert code == NO_REPLY
    assert "the system  error the system has not answered" in shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "no host; write: txdns getaddrinfo HOST [SERVICE], or -x ADDRESS [PORT]"),
        (["a", "b", "c"], "'c': one host and one service at a time"),
        (["a", "-7"], "'-7' is not an option; there are -4, -6 and -x, and flags with a plus"),
        (["-x", "a", "http"], "'http' is not a valid port; with -x write a number"),
        (["-x", "a", "+canonname"], "+canonname is not a flag; there are +numerichost"),
        (["a", "+dgramm"], "+dgramm is not a flag; there are +passive"),
    ],
)
def test_wrongUsage(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Wrong words get one line that says what would be right.
    """
    assert main(["getaddrinfo", *words]) == USAGE
    said = capsys.readouterr().err
    assert said.startswith(f"txdns getaddrinfo: {line}") and said.count("\n") == 1


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Help shows what can be written, with examples.
    """
    assert main(["getaddrinfo", "--help"]) == OK
    assert "txdns getaddrinfo www.example.com https" in capsys.readouterr().out
