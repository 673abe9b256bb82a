"""
Tests of the pages about the information robot.
"""

from __future__ import annotations

import ast
import importlib
import os
import re
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, cast

import pytest

import twisted.plugins
from tests.apps.robot.conftest import staged
from tests.apps.robot.robots import ALICE, BOB, BOSS, Stage
from tests.docs.listings import LISTINGS, Servers
from tests.docs.test_pages import DOCS, rowsOf
from tests.test_architecture import ROOT
from twisted_ext.apps.robot.commands import commandsOf
from twisted_ext.apps.robot.interfaces import IRobotPlugin
from twisted_ext.apps.robot.loading import BUILT_IN, foundPlugins
from twisted_ext.apps.robot.plugin import RobotPlugin
from twisted_ext.apps.robot.program.settings import readRobotSettings
from twisted_ext.apps.robot.table import Table

__all__ = ["staged"]

_Staged = Callable[..., Stage]

FOLDER: Final = LISTINGS / "robot" / "plugins"

#: A date and time.
MOMENT: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d"


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, IRobotPlugin]]:
    """
    The plugins that the robot finds with the folder of the listings.
    """
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(twisted.plugins, "__path__", [*twisted.plugins.__path__, os.fspath(FOLDER)])
    # The index of the folder is not written beside the listings.
    monkeypatch.setattr("twisted.python.filepath.FilePath.setContent", lambda *arguments: None)
    before = set(sys.modules)
    yield {plugin.name: plugin for plugin in foundPlugins()}
    for name in set(sys.modules) - before:
        if name.startswith("twisted.plugins."):
            del sys.modules[name]


def test_tenLinesAreAPlugin(staged: _Staged, found: dict[str, IRobotPlugin]) -> None:
    """
    The plugin of ten lines is found in its folder, has a help, and answers; a name without addresses gets one line.
    """
    lines = [each for each in (FOLDER / "ttl.py").read_text("utf-8").splitlines() if each.strip()]
    assert len(lines) == 10
    stage = staged(found["ttl"])
    assert stage.hear("!ttl www.example.com") == ["www.example.com: 300 s"]
    assert stage.hear("!help ttl") == ["ttl NAME: Show for how long the address of a name may be cached."]
    (said,) = stage.hear("!ttl other.example")
    assert said.startswith("other.example")


def test_praiseIsCounted(staged: _Staged, found: dict[str, IRobotPlugin]) -> None:
    """
    The second plugin hears messages, stores what it counts, announces it at its time, and only the owner may reset it.
    """
    stage = staged()
    stage.robot.settings.plugins["praise"] = {"channel": "net/#dns"}
    stage.plugins.append(found["praise"])
    stage.load("praise")
    assert stage.hear("!praised") == ["There was no praise yet."]
    stage.hear("thanks bob++ and BOB++ alice++")
    stage.hear("alice++ c++11", BOB)
    assert stage.hear("!praised") == ["bob: 2", "alice: 1"]
    assert stage.hear("!unpraise bob", ALICE)[0].startswith("unpraise writes: only the owner may call it")
    assert stage.hear("!unpraise bob alice carol", BOSS) == ["forgotten"]
    stage.hear("bob++")
    stage.hear("!unload praise", BOSS)
    stage.hear("!load praise", BOSS)
    assert stage.hear("!praised") == ["bob: 1"]
    stage.take()
    # The first Friday of 1970 was its second day.
    stage.clock.pump([3600] * 50)
    assert stage.take() == ["bob: 1"]


def test_namesOfPluginsAreThoseOfTheirClasses(found: dict[str, IRobotPlugin]) -> None:
    """
    A plugin has the name of its class, which is that of its file.
    """
    for path in FOLDER.glob("*.py"):
        module = importlib.import_module(f"twisted.plugins.{path.stem}")
        plugin = cast("dict[str, object]", vars(module))[path.stem]
        assert isinstance(plugin, RobotPlugin)
        assert found[path.stem] is cast(IRobotPlugin, plugin)


def test_settingsAreValid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The settings file of the how-to is valid, and means what the page says.
    """
    shutil.copy(LISTINGS / "robot" / "robot.toml", tmp_path)
    for name in ("ops.key", "libera.password", "weather.key"):
        (tmp_path / name).write_text("a-secret-of-the-robot\n")
    monkeypatch.setenv("ROBOT_CHAT_TOKEN", "another-secret-of-the-robot")
    settings = readRobotSettings(os.fspath(tmp_path / "robot.toml"))
    assert list(settings.networks) == ["libera", "oftc"]
    assert {"help", "tell", "dns", "watching", "mail", "logs", "relay", "weather"} <= set(settings.enabled)
    assert "seen" not in settings.enabled
    assert "search" not in settings.enabled
    access = settings.access
    for word, role in (("trace", "team"), ("watch", "team"), ("tell", "anyone")):
        assert f'{word} = "{role}"' in (tmp_path / "robot.toml").read_text("utf-8")
    assert not access.has(ALICE, "team")


def test_sessionOfThePageIsReal(servers: Servers, tmp_path: Path) -> None:
    """
    The robot says in a console what its page shows of it in a channel.
    """
    lines = re.findall(r"^    <(\w+)> +(.+)$", (DOCS / "howto/robot.rst").read_text("utf-8"), re.MULTILINE)
    later = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%d %H:%M}"
    asked = [re.sub(MOMENT, later, text.removeprefix("!")) for nick, text in lines if nick == "ada"]
    said = [text for nick, text in lines if nick == "txbot"]
    assert len(asked) == 11
    (tmp_path / "robot.toml").write_text(servers.real('resolver = "udp:127.0.0.1:5301"\n'))
    printed = servers.run(["robot", "--console", "--config", "robot.toml"], tmp_path, "\n".join([*asked, "quit", ""]))
    # The page shows moments of one day, and asks for one of another. The person at a console has the name of the user.
    varying = rf"{MOMENT}|\([^ ,]+, \d{{4}}-\d\d-\d\d\)"
    assert re.sub(varying, "MOMENT", printed).splitlines() == re.sub(varying, "MOMENT", "\n".join(said)).splitlines()


def test_everyCommandAndSettingIsListed() -> None:
    """
    The generated page has each command and setting of each built-in plugin, with what it does.
    """
    script = runpy.run_path(str(DOCS / "robotcommands.py"))
    page = cast("Callable[[], str]", script["sections"])()
    for plugin in BUILT_IN:
        assert f"\n``{plugin.name}``\n---" in page
        actual = plugin.load()
        for each in commandsOf(actual, plugin.name):
            assert f"   * - ``{each.usage}``\n     - " in page
            assert each.summary, each.word
        assert isinstance(actual, Table)
        for key in actual.declared():
            assert f"   * - ``{key}``\n" in page
    for _, kind in cast("tuple[tuple[str, type[Table]], ...]", script["TABLES"]):
        assert all(f"   * - ``{key}``\n" in page for key in kind.declared())
    assert "docs/robotcommands.py docs/_build/robotcommands.rst\n" in (ROOT / "Makefile").read_text("utf-8")


def test_everySentenceOfThePaperHasItsTest() -> None:
    """
    The table maps each sentence to the test that has it for its docstring, in the order of the paper.
    """
    tree = ast.parse((ROOT / "tests" / "apps" / "robot" / "test_paper.py").read_text("utf-8"))
    tests = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")]
    rows = [[cell.replace("\\", "") for cell in row] for row in rowsOf("pynfo.rst")[1:]]
    assert rows == [[" ".join((ast.get_docstring(each) or "").split()), f"``{each.name}``"] for each in tests]
