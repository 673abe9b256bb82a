"""
Tests of L{twisted_ext.server.settings.startup}: whether C{twistd txdns} starts, and what it reports if it does not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.typed import observing
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.types import Value
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.settings.addedfile import write
from twisted_ext.server.settings.startup import complainPlainly, end, wantSomething, withAdded


class BrokenPipe:
    """
    A stream whose reader has closed it.
    """

    def write(self, text: str) -> int:
        """
        Fail as a write to a broken pipe does.
        """
        raise BrokenPipeError(32, "Broken pipe")

    def flush(self) -> None:
        """
        Fail as C{write} does.
        """
        raise BrokenPipeError(32, "Broken pipe")


def warningOf(settings: Settings, config: str | None) -> str:
    """
    Return the warning that is logged for a server without zones.
    """
    return "".join(linesOf(lambda: wantSomething(settings, config)))


def linesOf(work: Callable[[], object]) -> list[str]:
    """
    Return what is logged.
    """
    said: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        said.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    try:
        work()
    finally:
        globalLogPublisher.removeObserver(observe)
    return said


def test_serverWithoutZonesDoesNotStart(tmp_path: Path) -> None:
    """
    A server that has no zone and cannot get any does not start. A server that may get zones later logs a warning.
    """
    nothing = Settings({"role": "serve"})
    with pytest.raises(BadDescription, match="there is no zone to serve; write --zone NAME=FILE"):
        wantSomething(nothing, None)
    assert "there is no zone to serve" in warningOf(nothing, "/etc/txdns.toml")
    assert warningOf(Settings({"role": "serve", "zones": (str(tmp_path),)}), None).startswith(f"there is no zone in {tmp_path}")


def test_serverWithSomethingStartsQuietly(tmp_path: Path) -> None:
    """
    A server with a zone, a folder with a zone, local records or recursion starts without a warning.
    """
    (tmp_path / "example.org").write_text("")
    for values in (
        {"zone": ("example.org=/tmp/example.org",)},
        {"zones": (str(tmp_path),)},
        {"local": ("a.example A 192.0.2.1",)},
        {"recursive": True},
        {
            "zone": ('{"name": "example.org.", "file": "/tmp/example.org", "view": "lab"}',),
            "view": ('{"name": "lab", "clients": ["10.0.0.1", "2001:db8::1"]}',),
        },
    ):
        assert warningOf(Settings({"role": "serve", **values}), None) == ""
    assert warningOf(Settings(), None) == ""


def test_addedValuesWithoutRoomAreReported(tmp_path: Path) -> None:
    """
    A server starts if the operator has edited the settings since values were added and removed, also if a view has no client left by that.
    A line names the file, the value and the reason for each that has no effect any more; when there are many, the last says how many.
    """
    own = Settings.of(state=str(tmp_path), view=[{"name": "kids", "clients": ["10.0.0.2"]}])
    gone = [AddedValue("lists", f"list{number}") for number in range(12)]
    write(str(tmp_path), [AddedValue("clients", "10.0.0.2/32", "kids", isRemoved=True), AddedValue("block", "a.example.", "guests"), *gone])
    settings: list[Settings] = []
    said = linesOf(lambda: settings.append(withAdded(own)))
    assert [view.clients for view in viewsOf(settings[0])] == [()]
    where = f"{tmp_path}/added.toml: not applied: "
    assert said[0] == f"{where}block has a.example. for view guests: there is no view guests in the settings"
    assert said[-1] == f"{where}3 more values"
    assert len(said) == 11


def test_upstreamsWithoutForwardingAreReported() -> None:
    """
    Upstreams of a server that forwards nothing cause a warning that says what to write instead.
    """
    zone: dict[str, Value] = {"role": "serve", "zone": ("example.org=/tmp/example.org",)}
    said = warningOf(Settings({**zone, "upstream": ("192.0.2.53",)}), None)
    assert said == "upstream and route have no effect with serve, which asks no upstream; use forward, which serves zones as well"
    assert warningOf(Settings({**zone, "upstream": ("192.0.2.53",), "recursive": True}), None) == ""


def test_blockListsOfAnAuthorityAreReported() -> None:
    """
    Block lists of a server that blocks nothing cause a warning.
    """
    zone: dict[str, Value] = {"role": "serve", "zone": ("example.org=/tmp/example.org",)}
    for values in ({"block": ("ads.example",)}, {"block-list": ("/etc/ads",)}):
        said = warningOf(Settings({**zone, **values}), None)
        assert said == "block, block-list and lists have no effect with serve; use forward, which serves zones as well"
        assert warningOf(Settings(dict(values)), None) == ""


def test_exitCodeSurvivesBrokenPipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The exit code reports the failure even if standard error is closed.
    """
    monkeypatch.setattr(sys, "__stderr__", BrokenPipe())
    with pytest.raises(SystemExit) as ended:
        end("such a thing")
    assert ended.value.code == 1


def test_interruptPrintsNoTraceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Ctrl-C during the start prints no traceback; an unexpected exception prints one, and a L{DNSFault} prints one line.
    """
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(sys, "__stderr__", None)
    complainPlainly(lambda: False)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert capsys.readouterr().err == ""
    sys.excepthook(ValueError, ValueError("a bug"), None)
    assert "a bug" in capsys.readouterr().err
    sys.excepthook(DNSFault, DNSFault("the port is taken"), None)
    assert capsys.readouterr().err == "twistd txdns: the port is taken\n"


@pytest.mark.parametrize("toFile", [False, True])
def test_startErrorIsReportedOnce(toFile: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The reason for a failed start is not logged if the log goes to the terminal or the journal, which get the line anyway.
    """
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(sys, "__stderr__", None)
    seen: list[LogEvent] = []
    observer = observing(seen.append)
    globalLogPublisher.addObserver(observer)
    try:
        complainPlainly(lambda: toFile)
        sys.excepthook(DNSFault, DNSFault("the port is taken"), None)
    finally:
        globalLogPublisher.removeObserver(observer)
    assert "twistd txdns: the port is taken\n" in capsys.readouterr().err
    assert len(seen) == int(toFile)


def test_settingsWithoutEffectAreReported() -> None:
    """
    Settings that only a recursive resolver or another listener uses are named in a warning.
    """
    ignored = warningOf(Settings({"opportunistic": True, "root-hints": "/etc/named.root"}), None)
    assert ignored == "root-hints, opportunistic: these settings have an effect with recurse only"
    assert warningOf(Settings({"role": "recurse", "opportunistic": True}), None) == ""
    assert warningOf(Settings({"https-path": "/dns"}), None) == "https-path has no effect without https, https-clear or http3"
    assert warningOf(Settings({"https-path": "/dns", "https": ("127.0.0.1:443",)}), None) == ""
