"""
Tests of the arguments of C{txdns upstream}.
"""

from __future__ import annotations

from io import StringIO

import pytest
from twisted.internet.task import Clock

from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import USAGE
from twisted_ext.apps.cli.upstream.command import _Status


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "the server is missing; write one such as 192.0.2.53, tls://dns.example or https://dns.example/dns-query"),
        ("-4 -6 192.0.2.53", "-4 and -6 exclude each other; leave out one of them, or both"),
        ("http://x", "'http://x': unknown scheme; write udp://, tcp://, tls://, https://, quic:// or sdns://"),
        ("--tls-pin x x", "--tls-pin: 'x' is not a valid pin: it takes the SHA-256 digest of a public key in base64, 44 characters"),
        ("--tls-ca /nonexistent x", "--tls-ca: /nonexistent: cannot read the authorities' certificates: No such file or directory"),
        ("-n 0 192.0.2.53", "-n: '0' is not a number from 1 to 100"),
        ("-q a..b 192.0.2.53", "-q: 'a..b': a label is empty; write one dot between labels"),
    ],
)
def test_mistakesAreExplained(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Wrong arguments are one line, before anything is sent.
    """
    assert main(["upstream", *words.split()]) == USAGE
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"txdns upstream: {line}\n")


class _Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_progressAfterASecond(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is done at the moment is shown on a terminal once it takes longer than a second, on one line that is removed at the end.
    """
    monkeypatch.setenv("TERM", "xterm")
    clock, terminal = Clock(), _Terminal()
    status = _Status(clock, terminal)
    status.set("connecting")
    assert terminal.getvalue() == ""
    clock.advance(1)
    status.set("measuring")
    status.close()
    assert terminal.getvalue() == "\rconnecting\x1b[K\rmeasuring\x1b[K\r\x1b[K"
    quick = _Status(clock, terminal)
    quick.close()
    assert clock.getDelayedCalls() == []


def test_noProgressInFiles() -> None:
    """
    Nothing of the progress is written to a file, and no timer is needed.
    """
    clock, file = Clock(), StringIO()
    status = _Status(clock, file)
    status.set("connecting")
    clock.advance(2)
    status.close()
    assert (file.getvalue(), clock.getDelayedCalls()) == ("", [])
