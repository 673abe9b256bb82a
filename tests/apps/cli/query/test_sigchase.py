"""
Tests of C{txdns query +sigchase} with a small internet in memory.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from tests.queries import parseQuery
from twisted_ext.apps.cli.names.validate import fromRoot
from twisted_ext.apps.cli.query.sigchase import showChain
from twisted_ext.apps.cli.terminal.exits import BATCH, BOGUS, INSECURE, NO_REPLY, OK, ExitError
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.testing.internet import Fault, Internet

__all__: list[str] = []


def internetNow() -> Internet:
    """
    Return an internet with signatures that are valid now, one of which has expired.
    """
    internet = Internet(seed=3, start=time.time())
    internet.zone("example.org", "www A 192.0.2.80\nmail A 192.0.2.25")
    internet.zone("plain.org", "www A 192.0.2.82", signed=False)
    internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
    return internet


def run(internet: Internet, words: str, folder: Path, anchors: str = "root.key") -> int:
    """
    Run the second part of the command, with the root's anchors in a file.
    """
    (folder / "root.key").write_text(internet.anchors)
    reactor = internet.reactor()
    source = fromRoot(reactor, rootFromText(internet.hints, "hints"))
    options = parseQuery([*words.split(), "+sigchase", f"+trusted-key={folder / anchors}"])
    return internet.wait(Deferred.fromCoroutine(showChain(reactor, source, options)))


@pytest.mark.parametrize(("name", "code"), [("www.example.org", OK), ("www.plain.org", INSECURE), ("mail.example.org", BOGUS)])
def test_chainIsPrintedAsComments(name: str, code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The chain of trust is printed as comments, so that the output is still a master file; the exit code is the verdict.
    """
    assert run(internetNow(), name, tmp_path) == code
    printed = capsys.readouterr().out
    state = {OK: "secure", INSECURE: "insecure", BOGUS: "bogus"}[code]
    assert printed.startswith(f";; {name}. A (data): {state}, at ")
    assert all(line.startswith(";; ") for line in printed.splitlines() if line)


def test_otherFormats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    With +json the chain is one object, with +short only the exit code tells.
    """
    assert run(internetNow(), "mail.example.org +json", tmp_path) == BOGUS
    assert json.loads(capsys.readouterr().out)["security"] == "bogus"
    assert run(internetNow(), "mail.example.org +short", tmp_path) == BOGUS
    assert capsys.readouterr().out == ""


def test_faultsAreOneLine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without an answer, and without the file of anchors, there is one line.
    """
    internet = internetNow()
    internet.inject(Fault.SERVFAIL, "example.org")
    assert run(internet, "www.example.org", tmp_path) == NO_REPLY
    assert capsys.readouterr().err.startswith("txdns query: +sigchase: there is no answer to validate: ")
    with pytest.raises(ExitError) as caught:
        run(internet, "www.example.org", tmp_path, "missing")
    assert (caught.value.code, "missing: No such file" in caught.value.line) == (BATCH, True)


def test_dnssecIsImplied() -> None:
    """
    Both +sigchase and +trace request DNSSEC records, as dig does, unless +nodnssec is given.
    """
    for word in ("+sigchase", "+trace", "+do"):
        assert parseQuery(["example.org", word]).dnssecOk
    for words in (["+nodnssec", "+trace"], ["+sigchase", "+nodo"], []):
        assert not parseQuery(["example.org", *words]).dnssecOk
