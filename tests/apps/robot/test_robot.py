"""
Tests of the robot: what it takes for a command, what it replies, and what plugins cannot do to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.apps.robot.robots import ALICE, BOB, BOSS, CHANNEL, MemoryFront, Stage
from tests.typed import observing
from twisted_ext.apps.robot import limits, robot, stepping
from twisted_ext.apps.robot.commands import Call, Command, CommandError, Effect, Rest, command, hears
from twisted_ext.apps.robot.events import Joined, Message, Spoken
from twisted_ext.apps.robot.interfaces import IDiscriminating, IFront, IPages
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugin import RobotPlugin
from twisted_ext.apps.robot.text import Reply, Said, bold, line
from twisted_ext.errors import ServerFailed
from twisted_ext.limits import Limit

__all__: list[str] = []

_Staged = Callable[..., Stage]

#: A conversation with Alice in private.
PRIVATE: Final = Place("net", "alice", private=True)


class Probe(RobotPlugin):
    """
    Commands that do what a test needs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Deferred[Said]] = []
        self.heard: list[object] = []

    @command()
    async def echo(self, call: Call, text: Rest | None = None) -> Said:
        return str(text)

    @command(Effect.WRITES)
    async def write(self, call: Call) -> Said:
        return "written"

    @command()
    async def wait(self, call: Call) -> Said:
        self.waiting.append(Deferred())
        return await self.waiting[-1]

    @command(seconds=60)
    async def stubborn(self, call: Call) -> Said:
        while True:
            try:
                await Deferred()
            except CancelledError:
                continue

    @command()
    async def count(self, call: Call, number: int) -> Said:
        return [f"line {each}" for each in range(1, number + 1)]

    @command()
    async def page(self, call: Call) -> Reply:
        return Reply("the first line", "<p>a page</p>")

    @command()
    async def raises(self, call: Call, kind: str) -> Said:
        faults = {"command": CommandError("it cannot be"), "lookup": ServerFailed("SERVFAIL"), "exit": SystemExit(3)}
        raise faults.get(kind, ZeroDivisionError("secret"))

    @command()
    async def wrong(self, call: Call) -> object:
        return 5

    @command()
    async def early(self, call: Call) -> Said:
        call.say(line("soon ", bold("more")))
        return "done"

    @command()
    async def loop(self, call: Call) -> Said:
        while True:
            pass

    @command()
    async def prints(self, call: Call) -> Said:
        sys.stdout.write("on standard output\n")
        return None

    @hears(Message, Joined, Spoken)
    def listen(self, event: object) -> None:
        self.heard.append(event)


class Faulty(RobotPlugin):
    """
    Handles no event well.
    """

    @hears(Message)
    def fail(self, event: Message) -> None:
        raise ValueError("no event is good enough")

    @hears(Message)
    async def hang(self, event: Message) -> None:
        await Deferred()


class Argument:
    @classmethod
    def fromText(cls, text: str) -> Argument:
        raise IndexError("a mistake in the plugin")


class Converting(RobotPlugin):
    @command()
    async def convert(self, call: Call, argument: Argument) -> Said:
        return "converted"


@implementer(IPages)
class Pages:
    url = "https://robot.example/"

    def publish(self, title: str, document: str) -> str:
        return f"{self.url}p/{title}"

    def add(self, path: str, title: str, resource: object) -> None: ...

    def remove(self, path: str) -> None: ...


class Discriminating:
    def isIgnored(self, person: Person) -> bool:
        if person.nick == "trap":
            raise ValueError("a mistake in the plugin")
        return person.nick == "bob"


@pytest.fixture
def probe() -> Probe:
    return Probe()


@pytest.fixture
def stage(staged: _Staged, probe: Probe) -> Stage:
    return staged(probe)


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("!echo a b", ["a b"]),
        ("  !ECHO a", ["a"]),
        ("! echo a", ["a"]),
        ("txbot: echo a", ["a"]),
        ("TXBOT, echo a", ["a"]),
        ("txbot:echo a", ["a"]),
        ("txbot echo a", []),
        ("txbot2: echo a", []),
        ("echo a", []),
        ("tell !echo a", []),
        ("", []),
        ("!", []),
        ("txbot:", []),
    ],
)
def test_commandsAreAddressed(stage: Stage, text: str, reply: list[str]) -> None:
    """
    In a channel a command begins with the prefix or the robot's name, in any case; other lines are for others.
    """
    assert stage.hear(text) == reply


@pytest.mark.parametrize("text", ["echo a", "!echo a", "txbot: echo a"])
def test_privateLinesAreCommands(stage: Stage, text: str) -> None:
    """
    In private every line is a command, and the reply goes to the person.
    """
    assert stage.hear(text, place=PRIVATE) == ["a"]
    assert stage.front.sent[-1][0] == "alice"


def test_programsAreNotAnswered(stage: Stage) -> None:
    """
    A notice and an action are no commands: programs may not reply to notices, or two of them would talk for ever.
    """
    stage.robot.receive(Message(ALICE, CHANNEL, "!echo a", notice=True))
    stage.robot.receive(Message(ALICE, CHANNEL, "!echo a", action=True))
    assert stage.take() == []
    stage.robot.receive(Message(ALICE, CHANNEL, "!echo a"))
    assert stage.take() == ["a"]


def test_unknownCommandGetsAHint(stage: Stage) -> None:
    """
    A wrong word gets the nearest command, if the robot was addressed by its name. Other robots may have the same prefix.
    """
    assert stage.hear("txbot: ecko a") == ["there is no command 'ecko'; did you mean echo?"]
    assert stage.hear("xyzzy", place=PRIVATE) == ["there is no command 'xyzzy'; help lists them"]
    assert stage.hear("!ecko a") == []


def test_longWordIsNotRepeated(stage: Stage) -> None:
    """
    A word of 10 kB is not said again.
    """
    (said,) = stage.hear("txbot: " + "x" * 10_000)
    assert len(said) < 100


def test_textsStandForCommands(stage: Stage) -> None:
    """
    A plugin's function returns the command that a text stands for, which the person has to have the right to call. Commands come first,
    and a text that stands for itself is not replaced without end.
    """
    asked: list[str] = []

    def expand(message: Message, text: str) -> str | None:
        asked.append(text)
        return {"hello": "hi you", "hi you": "echo hi", "change": "write", "round": "about", "about": "round", "help": "echo no"}.get(text)

    stage.robot.expandBy(expand)
    assert stage.hear("!hello") == ["hi"]
    assert stage.hear("!change")[0].startswith("write writes: only the owner may call it")
    assert stage.hear("!change", BOSS) == ["written"]
    assert stage.hear("!help")[0].startswith("commands:")
    asked.clear()
    assert stage.hear("txbot: round")[0].startswith("there is no command")
    assert len(asked) == limits.EXPANSIONS.default
    assert stage.hear("!other") == []


def test_hostileTextIsEscaped(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What a person writes comes back without effect: no line of its own, no CTCP, no escape sequence, no color.
    """
    hostile = "a\r\nQUIT :b \x01VERSION\x01 \x1b[31m \x0304 {0} %s"
    said = stage.hear(f'txbot: {hostile.replace(" ", "_")}') + stage.hear(f"!echo {hostile}")
    assert said[1:] == ["a", "QUIT :b \\x01VERSION\\x01 \\x1b[31m \\x0304 {0} %s"]
    assert said[0].startswith("there is no command 'a\\r\\nQUIT_:b_\\x01VERSION")
    assert all(each.isprintable() for each in said)
    monkeypatch.setattr("twisted_ext.apps.robot.text.clean", lambda text: text)
    assert "\x1b" in "".join(stage.hear(f"!echo {hostile}"))


def test_hostileNamesDoNotReachTheLog(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A user name with an escape sequence is escaped in the log, where a terminal would act on it, and fields of a format have no effect.
    """
    events: list[LogEvent] = []
    observer = observing(events.append)
    globalLogPublisher.addObserver(observer)
    try:
        stage.hear("!echo a", Person("net", "eve", "\x1b]0;own\x07", "{robot.settings}"))
        monkeypatch.setattr(robot, "clean", lambda text: text)
        stage.hear("!echo a", Person("net", "eve", "\x1b]0;own\x07", "{robot.settings}"))
    finally:
        globalLogPublisher.removeObserver(observer)
    escaped, undefended = [formatEvent(event) for event in events if "command" in event]
    assert escaped == "net/eve!\\x1b]0;own\\x07@{robot.settings} in net/#dns: echo"
    assert "\x1b" in undefended


def test_refusalIsSaid(stage: Stage) -> None:
    """
    Who may not call a command is told why.
    """
    assert stage.hear("!write") == ["write writes: only the owner may call it, unless [access.commands] names a role for it"]
    assert stage.hear("!write", BOSS) == ["written"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("!raises command", "it cannot be"),
        ("!raises lookup", "SERVFAIL"),
        ("!raises other", "raises failed: ZeroDivisionError; the robot's log has the reason"),
        ("!raises exit", "raises failed: SystemExit; the robot's log has the reason"),
        ("!wrong", "wrong failed: TypeError; the robot's log has the reason"),
        ("!count x", "number takes a whole number, not 'x'"),
        ("!count", "number is missing; usage: count NUMBER"),
        ("!convert x", "convert failed: IndexError; the robot's log has the reason"),
    ],
)
def test_faultGetsOneLine(staged: _Staged, text: str, said: str) -> None:
    """
    A command that fails says one line. That of a mistake in the plugin has no details, which are for the log.
    """
    stage = staged(Probe(), Converting())
    assert stage.hear(text) == [said]
    assert stage.hear("!echo still here") == ["still here"]


def test_slowCommandEnds(stage: Stage, probe: Probe) -> None:
    """
    A command ends after its time, also if it ignores that it was canceled, and others run meanwhile.
    """
    stage.hear("!wait")
    stage.hear("!stubborn")
    assert stage.hear("!echo a") == ["a"]
    stage.take()
    stage.clock.advance(limits.CALL_SECONDS.default)
    assert stage.take() == ["this took longer than 20 s"]
    stage.clock.advance(40)
    assert stage.take() == ["this took longer than 60 s"]


def test_endlessLoopEnds(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A command that computes without end is interrupted, and the robot goes on.
    """
    monkeypatch.setattr(stepping, "STEP_SECONDS", Limit(default=0.05, least=0.01, most=1))
    assert stage.hear("!loop") == ["it kept the robot busy for more than 0.05 s"]
    monkeypatch.undo()
    assert stage.hear("!echo a") == ["a"]


def test_faultyHookHurtsNoOther(staged: _Staged) -> None:
    """
    A plugin that raises or hangs at each event does not keep the others from it; what hangs is canceled.
    """
    probe = Probe()
    stage = staged(Faulty(), probe)
    assert stage.hear("!echo a") == ["a"]
    assert [type(each) for each in probe.heard] == [Message, Spoken]
    assert len(stage.clock.getDelayedCalls()) == 1
    stage.clock.advance(limits.CALL_SECONDS.default)
    assert stage.clock.getDelayedCalls() == []


def test_printedTextIsNotSaid(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What a plugin prints is not said in a channel.
    """
    assert stage.hear("!prints") == []
    assert capsys.readouterr().out == "on standard output\n"


def test_personHasFewCallsAtOnce(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A person may run some commands at a time; others are not kept from theirs.
    """
    for _ in range(int(limits.CALLS_OF_PERSON.default)):
        stage.hear("!wait")
    assert stage.hear("!echo a") == ["too many commands are running; try again later"]
    assert stage.hear("!echo a", BOB) == ["a"]
    monkeypatch.setattr(robot, "CALLS_OF_PERSON", Limit(default=100, least=1, most=100))
    assert stage.hear("!echo a") == ["a"]
    monkeypatch.undo()
    stage.clock.advance(limits.CALL_SECONDS.default)
    stage.take()
    assert stage.hear("!echo a") == ["a"]


def test_robotHasABoundOfCalls(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    All persons together run no more commands than the robot's limit.
    """
    monkeypatch.setattr(robot, "CALLS_AT_ONCE", Limit(default=2, least=1, most=100))
    for nick in ("a", "b"):
        assert stage.hear("!wait", Person("net", nick)) == []
    assert stage.hear("!echo a", BOB) == ["too many commands are running; try again later"]
    stage.clock.advance(limits.CALL_SECONDS.default)
    stage.take()
    assert stage.hear("!echo a", BOB) == ["a"]


def test_floodedPlaceIsLeftSilent(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Beyond a number of commands within a minute a place gets no reply, not even a refusal; others do.
    """
    most = int(limits.PLACE_CALLS.default)
    said = [line for number in range(100) for line in stage.hear("!write" if number % 2 else "txbot: what")]
    assert len(said) == most
    assert stage.hear("!echo a", place=Place("net", "#other")) == ["a"]
    stage.clock.advance(60)
    assert stage.hear("!echo a") == ["a"]
    monkeypatch.setattr(stage.robot, "_mayCall", lambda place: True)
    assert len([line for _ in range(100) for line in stage.hear("!write")]) == 100


def test_countedPlacesAreBounded(stage: Stage) -> None:
    """
    The places that are counted are bounded; one that goes on is not forgotten.
    """
    for number in range(int(limits.PLACES_KEPT.default) + 50):
        stage.hear("!echo a", place=Place("net", f"#c{number}"))
        if number % 500 == 0:
            stage.hear("!echo a")
    assert len(stage.robot._taken) == limits.PLACES_KEPT.default
    assert CHANNEL.key in stage.robot._taken


def test_longReplyIsCut(stage: Stage) -> None:
    """
    A front shows the first lines; C{more} shows the next ones, to the person who asked, in that place.
    """
    assert stage.hear("!count 4") == ["line 1", "line 2", "line 3", "line 4"]
    assert stage.hear("!count 6") == ["line 1", "line 2", "line 3", "line 4 (2 more lines; say more)"]
    assert stage.hear("!more", BOB) == ["there is no more"]
    assert stage.hear("!more", place=PRIVATE) == ["there is no more"]
    assert stage.hear("!more") == ["line 5", "line 6"]
    assert stage.hear("!more") == ["there is no more"]
    stage.hear("!count 9")
    assert stage.hear("!more") == ["line 5", "line 6", "line 7", "line 8 (1 more line; say more)"]
    stage.hear("!count 5")
    assert stage.hear("!echo a") == ["a"]
    assert stage.hear("!more") == ["there is no more"]


def test_keptLinesAreBounded(stage: Stage) -> None:
    """
    Only so many lines of so many replies are kept.
    """
    assert stage.hear("!count 100000")[-1] == f"line 4 ({limits.SAID_LINES.default - 4:.0f} more lines; say more)"
    for number in range(int(limits.MORE_KEPT.default) + 5):
        stage.hear("!count 5", Person("net", f"n{number}"), Place("net", f"#c{number}"))
    assert len(stage.robot._more) == limits.MORE_KEPT.default


def test_pageIsLinked(stage: Stage) -> None:
    """
    A reply with a page links to it, if the robot has web pages.
    """
    assert stage.hear("!page") == ["the first line"]
    stage.robot.add(IPages, Pages())
    assert stage.hear("!page") == ["the first line", "https://robot.example/p/page"]
    stage.robot.drop(IPages)
    assert stage.hear("!page") == ["the first line"]


def test_ignoredPersonGetsNoReply(stage: Stage) -> None:
    """
    The robot asks the component C{IDiscriminating} whom to ignore. A mistake in it does not reach the front.
    """
    stage.robot.add(IDiscriminating, Discriminating())
    assert stage.hear("!echo a", BOB) == []
    assert stage.hear("!echo a", Person("net", "trap")) == []
    assert stage.hear("!echo a") == ["a"]


def test_spokenLinesAreEvents(stage: Stage, probe: Probe) -> None:
    """
    Plugins hear what the robot itself says, and what happens in a channel.
    """
    stage.hear("!early")
    joined = Joined(BOB, CHANNEL)
    stage.robot.receive(joined)
    assert probe.heard[1:] == [Spoken(CHANNEL, "soon more"), Spoken(CHANNEL, "done"), joined]


def test_lineForAnUnknownFrontIsDropped(stage: Stage, probe: Probe) -> None:
    """
    What is said on a network that the robot does not have is dropped.
    """
    stage.robot.say(Place("gone", "#dns"), "hello")
    assert stage.take() == []
    assert probe.heard == []


def test_channelsAreNamed(stage: Stage) -> None:
    """
    A channel is named with its network; the error says what would be right.
    """
    assert stage.robot.placeFrom("net/#dns") == CHANNEL
    for text, fault in (
        ("#dns", "'#dns' is not a channel; write NETWORK/#CHANNEL"),
        ("net/alice", "'net/alice' is not a channel; write NETWORK/#CHANNEL"),
        ("gone/#dns", "there is no network 'gone'; there are net"),
    ):
        with pytest.raises(CommandError) as found:
            stage.robot.placeFrom(text)
        assert str(found.value) == fault


def test_stopCancelsAll(staged: _Staged) -> None:
    """
    At its end the robot cancels commands and hooks, and unloads the plugins; the fixture sees that no timer is left.
    """
    stage = staged(Faulty(), Probe())
    stage.hear("!wait")
    stage.hear("!stubborn")
    stage.take()
    stage.end()
    assert sorted(stage.take()) == ["stubborn was cancelled", "wait was cancelled"]
    assert stage.robot.plugins.loaded == []


def test_frontsAreIndependent(stage: Stage) -> None:
    """
    A second front has its own name, its own limit of lines, and gets its own replies.
    """
    second = MemoryFront("web", nick="robot", most=100)
    assert IFront.providedBy(second)
    stage.robot.join(second)
    stage.robot.receive(Message(Person("web", "alice"), Place("web", "alice", private=True), "count 6"))
    assert len(second.sent) == 6
    assert stage.take() == []


def test_helpListsWhatThePersonMayCall(stage: Stage) -> None:
    """
    C{help} lists the commands that the person may call, and explains any of them.
    """
    assert "write" not in stage.hear("!help")[0].split()
    assert "write" in stage.hear("!help", BOSS)[0].split()
    assert stage.hear("!help help") == ["help [WORD]: List the commands, or explain one."]
    assert stage.hear("!help unload")[0].startswith("unload PLUGIN: Unload a plugin; what it has stored remains. (unload controls")
    assert stage.hear("!help ecko") == ["there is no command 'ecko'; did you mean echo?"]
    assert stage.hear("!plugins")[1] == "probe: Commands that do what a test needs"


def test_commandIsACommand(stage: Stage) -> None:
    """
    Every command of the robot has a usage, and those of built-in plugins a help.
    """
    assert all(isinstance(each, Command) and each.usage.startswith(each.word) for each in stage.robot.plugins.commands)
    assert [each.word for each in stage.robot.plugins.commands if each.plugin == "help" and not each.summary] == []
