"""
Tests of C{txdns getaddrinfo}, which compares the operating system's results with those of this package.
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

#: Runs the command with replaced functions of the system.
RUN: Final = """\
import socket, sys, threading
from twisted_ext import limits
from twisted_ext.apps.cli import main
from twisted_ext.apps.cli.names import getaddrinfo

real = socket.getaddrinfo

def systemAddrinfo(*words):
    if threading.current_thread() is threading.main_thread():
        return real(*words)
    {addrinfo}

def systemNameinfo(*words):
    {nameinfo}

socket.getaddrinfo = systemAddrinfo
realName = socket.getnameinfo
socket.getnameinfo = lambda *words: realName(*words) if threading.current_thread() is threading.main_thread() else systemNameinfo(*words)
{more}
sys.exit(main.main(["getaddrinfo", *sys.argv[1:]]))
"""


def run(*words: str, addrinfo: str = "return real(*words)", nameinfo: str = "return 'host', '80'", more: str = "") -> tuple[int, str]:
    """
    Run the command in a process of its own, and return its exit code and output.
    """
    program = RUN.format(addrinfo=addrinfo, nameinfo=nameinfo, more=more)
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60)
    assert ended.stderr == ""
    return ended.returncode, ended.stdout


def test_equalResultsAreShownOnce() -> None:
    """
    Results that agree are shown once.
    """
    code, shown = run("127.1", "80", "+stream", "@special:local=no")
    assert (code, shown) == (OK, "            inet   stream   6  127.0.0.1 80\nthe system's result is the same\n")


def test_differencesAreMarked() -> None:
    """
    Results that differ are marked, and the exit code says so.
    """
    more = "from socket import *\n"
    addrinfo = "return [(AF_INET, SOCK_STREAM, 6, 'other', ('127.0.0.1', 80)), (AF_INET6, SOCK_STREAM, 6, '', ('fe80::1', 80, 0, 3))]"
    code, shown = run("127.0.0.1", "80", "+stream", "+canonname", "@special:local=no", addrinfo=addrinfo, more=more)
    assert code == DECLINED
    assert shown.splitlines() == [
        "only here   canonical name 127.0.0.1",
        "the system  canonical name other",
        "            inet   stream   6  127.0.0.1 80",
        "the system  inet6  stream   6  fe80::1 80 scope 3",
        "the system's result differs",
    ]


def test_errorsAreCompared() -> None:
    """
    Errors are compared like results.
    """
    code, shown = run("nobody.invalid", "@special:local=no", addrinfo="raise socket.gaierror(-3, 'not now')")
    assert code == DECLINED
    assert shown.splitlines() == [
        "only here   error -2: Name or service not known",
        "the system  error -3: not now",
        "because     nobody.invalid: there is no such name",
        "the system's result differs",
    ]


def test_failedLookupIsExplained() -> None:
    """
    An error from a failed look-up is explained, and the explanation does not count in the comparison.
    """
    code, shown = run("nobody.example", "@udp:127.0.0.1:1", addrinfo="raise socket.gaierror(-3, 'Temporary failure in name resolution')")
    assert code == OK
    first, why, last = shown.splitlines()
    assert (first, last) == ("            error -3: Temporary failure in name resolution", "the system's result is the same")
    assert why == "because     nobody.example. A: 127.0.0.1:1 cannot be reached: Connection refused"
    addrinfo = "raise socket.gaierror(-3, 'Temporary failure in name resolution')"
    code, shown = run("nobody.example", "+json", "@udp:127.0.0.1:1", addrinfo=addrinfo)
    answer = json.loads(shown)
    assert (code, answer["same"]) == (OK, True)
    assert answer["here"] == {**answer["system"], "because": "nobody.example. A: 127.0.0.1:1 cannot be reached: Connection refused"}


def test_jsonIsOneObject() -> None:
    """
    C{+json} gives one object.
    """
    code, shown = run("::1", "80", "-6", "+dgram", "+json", "@special:local=no", addrinfo="raise socket.gaierror(-3, 'not now')")
    assert code == DECLINED
    assert json.loads(shown) == {
        "host": "::1",
        "service": "80",
        "here": [["inet6", "dgram", 17, "", ["::1", 80, 0, 0]]],
        "system": {"code": -3, "text": "not now"},
        "same": False,
    }


def test_reverseOption() -> None:
    """
    C{-x} looks up the names of an address and a port.
    """
    code, shown = run("-x", "127.0.0.1", "80", "+numericserv", "@special:local=no", nameinfo="return 'localhost', '80'")
    assert (code, shown) == (OK, "            localhost\n            80\nthe system's result is the same\n")


def test_hangingSystemIsGivenUp() -> None:
    """
    A system call that hangs does not block the command.
    """
    more = "getaddrinfo.SYSTEM_SECONDS = limits.Limit(0.01, 0.01, 1)"
    code, shown = run("127.0.0.1", "@special:local=no", addrinfo="threading.Event().wait()", more=more)
    assert code == NO_REPLY
    assert "the system  error the system has not answered" in shown


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "a host is missing; write: txdns getaddrinfo HOST [SERVICE], or -x ADDRESS [PORT]"),
        (["a", "b", "c"], "unexpected argument 'c'; write one host and one service"),
        (["a", "-7"], "'-7' is not an option; the options are -4, -6, -x, +json, +passive"),
        (["-x", "a", "http"], "'http' is not a valid port; with -x write a number"),
        (["-x", "a", "+canonname"], "+canonname is not a flag; the flags are +numerichost"),
        (["a", "+dgramm"], "'+dgramm' is not an option; did you mean +dgram?"),
    ],
)
def test_invalidArgumentsAreRefused(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Invalid arguments are refused with one line that says what is valid.
    """
    assert main(["getaddrinfo", *words]) == USAGE
    error = capsys.readouterr().err
    assert error.startswith(f"txdns getaddrinfo: {line}") and error.count("\n") == 1


def test_helpHasExamples(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The help shows examples.
    """
    assert main(["getaddrinfo", "--help"]) == OK
    assert "txdns getaddrinfo www.example.com https" in capsys.readouterr().out
