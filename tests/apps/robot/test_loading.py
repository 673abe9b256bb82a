"""
Tests of loading, unloading and reloading plugins in a running robot.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IConsumer
from twisted.logger import capturedLogs
from twisted.web.resource import Resource

from tests.apps.robot.robots import BOSS, CHANNEL, ONE_FILE, Stage, finished, write
from twisted_ext.apps.robot import limits
from twisted_ext.apps.robot.commands import Call, CommandError, command, hears
from twisted_ext.apps.robot.events import Joined, Message
from twisted_ext.apps.robot.fronts.pages import Pages, WebSettings
from twisted_ext.apps.robot.interfaces import IPages, IRobotPlugin, IScheduler
from twisted_ext.apps.robot.loading import BUILT_IN, foundPlugins, userFolder
from twisted_ext.apps.robot.plugin import ModulePlugin, RobotPlugin, option
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.apps.robot.stepping import CURRENT
from twisted_ext.apps.robot.text import Said
from twisted_ext.server.config import types

__all__: list[str] = []

_Staged = Callable[..., Stage]


class Greeter(RobotPlugin):
    """
    Greets. It knows more than that.
    """

    word: str = option(types.TEXT, "hello", "What it says")
    count: int = option(types.COUNT, 1, "How often")

    #: What has happened, and whether to wait or fail at the start and the end.
    log: list[str]
    start: Callable[[], Deferred[None] | None]
    end: Callable[[], Deferred[None] | None]

    def __init__(self, name: str = "greeter") -> None:
        super().__init__(name)
        self.log = []
        self.start = self.end = lambda: None

    def init(self, robot: Robot) -> Deferred[None] | None:
        self.log.append(f"init {CURRENT.get()}")
        super().init(robot)
        robot.plugins.atEnd(self.name, lambda: self.log.append("end 1"))
        robot.plugins.atEnd(self.name, lambda: self.log.append("end 2"))
        return self.start()

    def fini(self, robot: Robot) -> Deferred[None] | None:
        self.log.append("fini")
        return self.end()

    @command()
    async def greet(self, call: Call) -> Said:
        return " ".join([self.word] * self.count)

    @hears(Joined)
    def welcome(self, event: Joined) -> None:
        self.robot.say(event.place, f"{self.word} {event.person.nick}")


class Rival(RobotPlugin):
    @command()
    async def greet(self, call: Call) -> Said:
        return "mine"


class Twice(RobotPlugin):
    @command(word="same")
    async def one(self, call: Call) -> Said:
        return "one"

    @command(word="same")
    async def other(self, call: Call) -> Said:
        return "other"


def _raise() -> None:
    raise ValueError("no\nway")


def _never() -> Deferred[None]:
    return Deferred()


_FUNCTIONS = """
    from twisted_ext.apps.robot.plugin import command

    def init(robot):
        robot.began = robot.began + 1 if hasattr(robot, "began") else 1

    @command()
    async def version(call):
        return helper()

    def helper():
        return "{version}"
"""

def test_pluginIsLoadedAndUnloaded(staged: _Staged) -> None:
    """
    A loaded plugin has its commands and hooks; after it is unloaded it has none, and what it registered is undone, last first.
    """
    greeter = Greeter()
    stage = staged(greeter)
    assert stage.hear("!greet") == ["hello"]
    stage.robot.receive(Joined(BOSS, CHANNEL))
    assert stage.take() == ["hello", "hello boss"]
    assert stage.hear("!unload greeter", BOSS) == ["the plugin greeter is unloaded"]
    assert greeter.log == ["init greeter", "fini", "end 2", "end 1"]
    stage.take()
    stage.hear("!greet")
    stage.robot.receive(Joined(BOSS, CHANNEL))
    assert stage.take() == []
    assert stage.hear("!load greeter", BOSS) == ["the plugin greeter is loaded"]
    assert stage.hear("!greet") == ["hello"]


def test_onlyTheOwnerChangesPlugins(staged: _Staged) -> None:
    """
    Other persons can neither load, unload nor reload.
    """
    stage = staged(Greeter())
    for word in ("load", "unload", "reload"):
        (said,) = stage.hear(f"!{word} greeter")
        assert said.startswith(f"{word} controls the robot: only the owner may call it")
    assert stage.hear("!greet") == ["hello"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!load greeter", "the plugin greeter is loaded already; reload reads its file again"),
        ("!load greter", "there is no plugin 'greter'; did you mean greeter?"),
        ("!load zzz", "there is no plugin 'zzz'"),
        ("!unload rival", "the plugin rival is not loaded"),
        ("!reload rival", "the plugin rival is not loaded"),
        ("!load rival", "the plugins greeter and rival both have a command greet"),
        ("!load twice", "the plugins twice and twice both have a command same"),
    ],
)
def test_faultGetsOneLine(staged: _Staged, text: str, said: str) -> None:
    """
    What cannot be loaded or unloaded is reported in one line, and the robot is as before.
    """
    stage = staged(Greeter())
    stage.plugins += [cast(IRobotPlugin, Rival()), cast(IRobotPlugin, Twice())]
    assert stage.hear(text, BOSS) == [said]
    assert [each.name for each in stage.robot.plugins.loaded] == ["help", "greeter"]
    assert stage.hear("!greet") == ["hello"]


def test_settingsAreRead(staged: _Staged) -> None:
    """
    A plugin has the values of its table, and the defaults of the keys that the table lacks.
    """
    stage = staged(Greeter(), tables={"greeter": {"word": "hey", "count": 2}})
    assert stage.hear("!greet") == ["hey hey"]
    stage.robot.settings.plugins["greeter"] = {"count": 3}
    stage.hear("!reload greeter", BOSS)
    stage.hear("!unload greeter", BOSS)
    stage.hear("!load greeter", BOSS)
    assert stage.hear("!greet") == ["hello hello hello"]


def test_wrongSettingsAreReported(staged: _Staged) -> None:
    """
    A plugin with wrong settings is not loaded, and the fault names its table.
    """
    stage = staged()
    stage.plugins.append(cast(IRobotPlugin, Greeter()))
    stage.robot.settings.plugins["greeter"] = {"wrod": "hey"}
    assert stage.hear("!load greeter", BOSS) == ["[plugin.greeter] wrod: there is no such key; did you mean word?"]
    assert stage.hear("!greet") == []


@pytest.mark.parametrize("seconds", [0.0, limits.CALL_SECONDS.default])
def test_failedStartIsUndone(staged: _Staged, seconds: float) -> None:
    """
    A plugin that raises or hangs when it starts is not loaded, what it registered is undone, and others can be loaded after it.
    """
    greeter = Greeter()
    greeter.start = _never if seconds else _raise
    stage = staged()
    stage.plugins.append(cast(IRobotPlugin, greeter))
    loading = Deferred.fromCoroutine(stage.robot.plugins.load("greeter"))
    stage.clock.advance(seconds)
    with pytest.raises(CommandError, match="^the plugin greeter cannot start: ") as found:
        finished(loading)
    assert str(found.value).endswith("this took longer than 20 s" if seconds else "no\nway")
    assert greeter.log == ["init greeter", "end 2", "end 1"]
    assert stage.hear("!greet") == []
    stage.plugins.append(cast(IRobotPlugin, Rival()))
    stage.load("rival")
    assert stage.hear("!greet") == ["mine"]


@pytest.mark.parametrize("seconds", [0.0, limits.FINI_SECONDS.default])
def test_failedEndIsAnEnd(staged: _Staged, seconds: float) -> None:
    """
    A plugin that raises or hangs when it stops is unloaded nevertheless.
    """
    greeter = Greeter()
    greeter.end = _never if seconds else _raise
    stage = staged(greeter)
    unloading = Deferred.fromCoroutine(stage.robot.plugins.unload("greeter"))
    stage.clock.advance(seconds)
    finished(unloading)
    assert greeter.log[-2:] == ["end 2", "end 1"]
    assert [each.name for each in stage.robot.plugins.loaded] == ["help"]


def test_changesComeInTurn(staged: _Staged) -> None:
    """
    A plugin that still starts is unloaded only when it has started.
    """
    greeter, ready = Greeter(), Deferred[None]()
    greeter.start = lambda: ready
    stage = staged()
    stage.plugins.append(cast(IRobotPlugin, greeter))
    loading = Deferred.fromCoroutine(stage.robot.plugins.load("greeter"))
    unloading = Deferred.fromCoroutine(stage.robot.plugins.unload("greeter"))
    assert stage.hear("!greet") == []
    assert greeter.log == ["init greeter"]
    ready.callback(None)
    finished(loading)
    finished(unloading)
    assert greeter.log == ["init greeter", "fini", "end 2", "end 1"]


def test_leftThingsAreRemoved(staged: _Staged) -> None:
    """
    A plugin that leaves jobs, components and pages behind leaks none: they end with it.
    """

    class Leaky(RobotPlugin):
        def init(self, robot: Robot) -> None:
            IScheduler(robot).schedule(60, self.init, robot)
            robot.add(IConsumer, self)
            IPages(robot).add("leaky", "Leaky", Resource())

    stage = staged()
    pages = Pages(stage.robot, WebSettings({"listen": "127.0.0.1:80"}))
    stage.robot.add(IPages, pages)
    stage.plugins.append(cast(IRobotPlugin, Leaky()))
    stage.load("leaky")
    assert len(stage.clock.getDelayedCalls()) == len(pages._added) == 1
    stage.hear("!unload leaky", BOSS)
    assert stage.clock.getDelayedCalls() == []
    assert pages._added == {}
    assert IConsumer(stage.robot, None) is None
    assert IPages(stage.robot) is pages


def test_functionAtTheEndMayFail(staged: _Staged) -> None:
    """
    If a function at the end of a plugin raises, the others are called nevertheless.
    """
    greeter = Greeter()
    stage = staged(greeter)
    stage.robot.plugins.atEnd("greeter", _raise)
    stage.hear("!unload greeter", BOSS)
    assert greeter.log[-2:] == ["end 2", "end 1"]


@pytest.mark.parametrize(("text", "module"), [(_FUNCTIONS, True), (ONE_FILE, False)])
def test_pluginIsReadAgain(staged: _Staged, path: Path, text: str, module: bool) -> None:
    """
    C{reload} reads the file of a plugin again, whether it is a module of functions or an instance in a file of its own.
    """
    file = path / "ourversion.py"
    write(file, text.format(version="one"))
    plugin: object = ModulePlugin("version", "ourversion", "the version") if module else importlib.import_module("ourversion").version
    stage = staged(plugin)
    assert stage.hear("!version") == ["one"]
    write(file, text.format(version="the second"))
    assert stage.hear("!reload version", BOSS) == ["the plugin version is loaded again"]
    assert stage.hear("!version") == ["the second"]
    assert stage.hear("!unload version", BOSS) == ["the plugin version is unloaded"]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("def", "the plugin version cannot be imported: SyntaxError: "),
        ("raise KeyError('x')", "the plugin version cannot be imported: KeyError: 'x'"),
        (_FUNCTIONS.replace("robot.began =", "1 / 0 #"), "the plugin version cannot start: ZeroDivisionError: division by zero"),
        (_FUNCTIONS.replace("def version", "def help"), "the plugins help and version both have a command help"),
    ],
)
def test_brokenFileIsNotTaken(staged: _Staged, path: Path, broken: str, said: str) -> None:
    """
    If a changed plugin cannot be loaded, it goes on as it was.
    """
    write(path / "ourversion.py", _FUNCTIONS.format(version="one"))
    stage = staged(ModulePlugin("version", "ourversion", "the version"))
    write(path / "ourversion.py", broken)
    (fault,) = stage.hear("!reload version", BOSS)
    assert fault.startswith(said)
    # The old functions, with what they use of their module.
    assert stage.hear("!version") == ["one"]


def test_vanishedPluginGoesOn(staged: _Staged, path: Path) -> None:
    """
    If the changed file no longer has the plugin, it goes on as it was, and the fault says so.
    """
    write(path / "ourversion.py", ONE_FILE.format(version="one"))
    stage = staged(importlib.import_module("ourversion").version)
    write(path / "ourversion.py", "version = None")
    (fault,) = stage.hear("!reload version", BOSS)
    assert "does not define it; a plugin of several files takes a ModulePlugin" in fault
    assert stage.hear("!version") == ["one"]


def test_pluginsAreFound(path: Path) -> None:
    """
    Twisted's plugin system finds plugins in the folders of the robot and of the user. The built-in ones come first, and win; a broken file
    does not hide the others.
    """
    ours = path / "ours"
    for folder in (ours, Path(userFolder())):
        folder.mkdir(mode=0o700, parents=True)
    write(ours / "foundversion.py", ONE_FILE.format(version="one"))
    write(ours / "foundrival.py", ONE_FILE.format(version="two").replace("Version()", "Version('dns')"))
    write(ours / "foundbroken.py", "1 / 0")
    write(Path(userFolder()) / "founduser.py", ONE_FILE.format(version="three").replace("Version()", "Version('user')"))
    found = foundPlugins([os.fspath(ours)])
    assert [each.name for each in found[: len(BUILT_IN)]] == [each.name for each in BUILT_IN]
    assert sorted(each.name for each in found[len(BUILT_IN) :]) == ["user", "version"]


def test_fileWithoutPluginIsNamed(path: Path) -> None:
    """
    The log names a file that defines a class of plugins, but no instance of it; a file with a plugin is not named.
    """
    path.mkdir(exist_ok=True)
    write(path / "foundfull.py", ONE_FILE.format(version="one").replace("Version()", "Version('full')"))
    write(path / "foundempty.py", "from twisted_ext.apps.robot.plugin import RobotPlugin\n\nclass Empty(RobotPlugin):\n    pass\n")
    with capturedLogs() as logs:
        foundPlugins([os.fspath(path)])
    assert [each["file"] for each in logs if "file" in each] == [os.fspath(path / "foundempty.py")]


def test_pluginsBringNothingBeforeTheyAreLoaded() -> None:
    """
    A module plugin is imported when it is loaded, not when it is found.
    """
    plugin = ModulePlugin("version", "nowhere.to.be.found", "the version")
    assert plugin.summary == "the version"
    with pytest.raises(ImportError):
        plugin.load()


def test_classOfAModuleIsItsPlugin(path: Path) -> None:
    """
    A module with a subclass of L{RobotPlugin} is loaded as an instance of it, under the name of the plugin.
    """
    write(path / "ourversion.py", ONE_FILE.format(version="one"))
    loaded = ModulePlugin("other", "ourversion", "the version").load()
    assert isinstance(loaded, RobotPlugin)
    assert loaded.name == "other"


def test_initAndFiniOfModulesAreCalled(staged: _Staged, path: Path) -> None:
    """
    The functions C{init} and C{fini} of a module are called, and may be missing.
    """
    write(
        path / "ends.py",
        """
        log = []

        def init(robot):
            log.append("init")

        def fini(robot):
            log.append("fini")
        """,
    )
    stage = staged(ModulePlugin("ends", "ends", "begins and ends"))
    stage.hear("!unload ends", BOSS)
    assert cast("list[str]", vars(sys.modules["ends"])["log"]) == ["init", "fini"]


def test_summaryIsTheFirstSentence() -> None:
    """
    The summary of a plugin is the first sentence of its docstring.
    """
    assert Greeter().summary == "Greets"
    assert Rival().summary == ""


def test_hookMayBeACoroutine(staged: _Staged) -> None:
    """
    A hook may wait, and say something afterwards.
    """

    class Late(RobotPlugin):
        @hears(Message)
        async def answer(self, event: Message) -> None:
            await succeed(None)
            self.robot.say(event.place, "late")

    stage = staged(Late())
    stage.hear("something")
    assert stage.take() == ["late"]
