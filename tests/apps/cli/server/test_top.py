"""
Tests of C{txdns top}.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest

from tests.apps.controlled import Controlled, controlled
from tests.apps.terminals import Terminal
from tests.metrics.samples import busy
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.server.plainview import PlainView, Rates, pictureOf
from twisted_ext.apps.cli.server.top import _viewFor
from twisted_ext.apps.cli.terminal.exits import TERMINATED
from twisted_ext.metrics.figures import JSON, figuresOf

STATUS: dict[str, JSON] = {"version": "1.2.3", "process": 4711, "uptime": 3725.0}

#: Runs txdns from this checkout.
TXDNS = ["-c", "import sys; from twisted_ext.apps.cli.main import main; sys.exit(main())", "top"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controlled]:
    """
    Return a server for all tests of this file.
    """
    with controlled(tmp_path_factory.mktemp("top")) as running:
        yield running


def statsWith(more: int = 0) -> JSON:
    """
    Return the figures of a busy server with C{more} additional queries.
    """
    counters = busy()
    counters.udp += more
    figures: JSON = json.loads(json.dumps(figuresOf(counters).toJSON()))
    return figures


def test_ratesComeFromDifferences() -> None:
    """
    Rates come from the difference to the previous figures; the first one is the server's own.
    """
    rates = Rates()
    rates.note(statsWith(), 10.0, 7.0)
    assert (rates.perSecond, rates.hitRate) == (7.0, None)
    rates.note(statsWith(500), 12.0)
    assert (rates.perSecond, rates.hitRate) == (250.0, 1.0)
    rates.note(statsWith(), 13.0)
    assert rates.perSecond == 0.0


def test_blockedShareIsShown() -> None:
    """
    The share of replies for blocked names is shown if the server blocks names, and only then.
    """
    rates = Rates()
    for at, more, blocked in ((10.0, 0, 50), (12.0, 500, 150)):
        stats = statsWith(more)
        assert isinstance(stats, dict) and isinstance(numbers := stats["numbers"], dict)
        numbers["blocked"] = blocked
        rates.note(stats, at)
    assert (rates.hitRate, rates.blockRate) == (1.0, 0.2)
    assert any("blocked 20.0%" in line for line, _ in pictureOf(STATUS, rates))
    rates.note(statsWith(1000), 13.0)
    assert (rates.hitRate, rates.blockRate) == (1.0, None)
    assert not any("blocked" in line for line, _ in pictureOf(STATUS, rates))


def test_pictureShowsEverythingEscaped() -> None:
    """
    The picture shows rate, histogram, names and servers, with control characters escaped.
    """
    rates = Rates()
    rates.note(statsWith(), 10.0, 7.0)
    rates.figures.upstreams = [{"server": "\x1b[2J", "way": "udp", "up": True, "rtt": None}]
    lines = [line for line, _ in pictureOf(STATUS, rates)]
    text = "\n".join(lines)
    for words in (
        "txdns 1.2.3",
        "up 1 h 2 min",
        "7 queries per second",
        "up to 20 ms",
        "www.example.",
        "slow7000.example.",
        "not measured",
    ):
        assert words in text
    assert "own" in text
    assert [line for line in lines if not line.isprintable()] == []


def test_plainOutputHasNoEscapeCodes() -> None:
    """
    Pictures written to a file follow each other without terminal codes.
    """
    rates, file = Rates(), StringIO()
    rates.note(statsWith(), 10.0)
    view = PlainView(file)
    view.draw(STATUS, rates)
    view.draw(STATUS, rates)
    view.close()
    assert file.getvalue().count("txdns 1.2.3") == 2
    assert "\x1b" not in file.getvalue()


def test_richShowsNamesAsText() -> None:
    """
    The rich view shows the same, with names as text and control characters escaped.
    """
    console = pytest.importorskip("rich.console", reason="rich is not installed")
    from twisted_ext.apps.cli.server.richview import RichView, picture

    counters = busy()
    counters.asked(b"\x06[red]x\0", 1)
    rates = Rates()
    rates.note(json.loads(json.dumps(figuresOf(counters).toJSON())), 10.0, 7.0)
    file = StringIO()
    screen = console.Console(file=file, width=120, height=60, color_system=None, force_terminal=False)
    screen.print(picture(STATUS, rates, 60))
    text = file.getvalue()
    assert "[red]x." in text and "own" in text
    assert [line for line in text.splitlines() if not line.isprintable()] == []
    view = RichView(console.Console(file=StringIO(), width=100, height=20))
    view.draw(STATUS, rates)
    view.close()


def test_countEndsTheCommand(server: Controlled) -> None:
    """
    C{--count} ends the command after that many pictures.
    """
    done = subprocess.run(
        [sys.executable, *TXDNS, "--socket", str(server.path), "--every", "0.1", "--count", "2"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("upstreams\n") == 2


def test_interruptRestoresTheCursor(server: Controlled) -> None:
    """
    The picture at a terminal is live; an interrupt ends it quietly and shows the cursor again.
    """
    with Terminal([*TXDNS, "--socket", str(server.path), "--every", "0.2"]) as terminal:
        terminal.expect("queries per second.*www.example")
        terminal.expect("queries per second.*www.example")
        terminal.interrupt()
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.output
        assert terminal.output.rfind("\x1b[?25h") > terminal.output.rfind("\x1b[?25l") - 1
        assert "\x1b]0;" not in terminal.output


@pytest.mark.parametrize(("ending", "code"), [("q", 0), ("Q", 0), (signal.SIGTERM, TERMINATED), (signal.SIGINT, 0)])
@pytest.mark.parametrize("rich", [True, False])
def test_everyExitRestoresTheTerminal(server: Controlled, ending: str | signal.Signals, code: int, rich: bool, tmp_path: Path) -> None:
    """
    C{q}, an interrupt and SIGTERM each end the view and restore the terminal.
    """
    if not rich:
        (tmp_path / "rich").mkdir()
        (tmp_path / "rich" / "__init__.py").write_text("raise ImportError\n")
    program = (
        "import subprocess, sys; from twisted_ext.apps.cli.main import main; before = subprocess.check_output(['stty', '-g']);"
        " code = main(); print('left', code, before == subprocess.check_output(['stty', '-g']))"
    )
    environment = {} if rich else {"PYTHONPATH": str(tmp_path)}
    command = ["-c", program, "top", "--socket", str(server.path), "--every", "30"]
    with Terminal(command, environment, controlling=True) as terminal:
        terminal.expect("queries per second.*www.example")
        if isinstance(ending, str):
            terminal.type(ending)
        else:
            terminal.interrupt(ending)
        terminal.expect(f"left {code} True")
        assert terminal.wait() == 0
        assert "Traceback" not in terminal.output
        assert terminal.output.count("\x1b[?25l") == terminal.output.count("\x1b[?25h")


def test_downServerIsRed() -> None:
    """
    A server that is down is red in both views, and one that is up is not.
    """
    console = pytest.importorskip("rich.console", reason="rich is not installed")
    from twisted_ext.apps.cli.server.richview import picture

    rates = Rates()
    rates.note(statsWith(), 10.0, 7.0)
    rates.figures.upstreams = [
        {"server": "192.0.2.1:53", "way": "udp", "up": True, "rtt": 0.01},
        {"server": "192.0.2.2:53", "way": "udp", "up": False, "rtt": None, "retryIn": 3},
    ]
    file = StringIO()
    screen = console.Console(file=file, width=120, height=60, color_system="standard", force_terminal=True)
    screen.print(picture(STATUS, rates, 60))
    plain = Screen()
    PlainView(plain).draw(STATUS, rates)
    for text in (file.getvalue(), plain.getvalue()):
        up, down = (next(line for line in text.splitlines() if server in line) for server in ("192.0.2.1:53", "192.0.2.2:53"))
        assert "\x1b[31" in down and "\x1b[31" not in up


class Screen(StringIO):
    """
    A terminal of 80 columns.
    """

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "words", [["--every"], ["--every", "x"], ["--every=0"], ["--count", "-1"], ["--nope"], ["more"], ["--every", "nan"]], ids=" ".join
)
def test_invalidArgumentsAreRefused(capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    Invalid arguments are refused with a one-line error.
    """
    assert main(["top", *words]) == 1
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err.startswith("txdns top: ") and captured.err.count("\n") == 1


def test_missingServerIsReported(capfd: pytest.CaptureFixture[str]) -> None:
    """
    A missing server is reported in one line.
    """
    assert main(["top", "--socket", "/nonexistent/control.sock"]) == 9
    captured = capfd.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1


def test_plainViewWithoutRich(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The picture is drawn in plain characters without rich, in place and within the size of the terminal.
    """
    monkeypatch.setitem(sys.modules, "rich.console", None)
    monkeypatch.delitem(sys.modules, "twisted_ext.apps.cli.server.richview", raising=False)
    assert isinstance(_viewFor(True), PlainView)

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "12")
    monkeypatch.setenv("TERM", "xterm")
    rates, screen = Rates(), Screen()
    rates.note(statsWith(), 10.0)
    PlainView(screen).draw(STATUS, rates)
    drawn = screen.getvalue()
    assert drawn.startswith("\x1b[H") and drawn.endswith("\x1b[J")
    lines = drawn.removeprefix("\x1b[H").removesuffix("\x1b[J").splitlines()
    assert len(lines) <= 11 and max(len(line.removesuffix("\x1b[K")) for line in lines) <= 39
