"""
A robot without a network: its front collects what the robot says, and its time is a L{Clock}.
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorThreads
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.apps.robot.commands import Access, CommandError
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IFetcher, IFront, IRobotPlugin, Urgency
from twisted_ext.apps.robot.loading import BUILT_IN
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.apps.robot.text import Line
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.sources import CannedSource

__all__ = ["ALICE", "BOB", "BOSS", "CHANNEL", "ONE_FILE", "Documents", "MemoryFront", "Stage", "finished", "write"]

_T = TypeVar("_T")

ALICE: Final = Person("net", "alice", "al", "home.example")
BOB: Final = Person("net", "bob", "bob", "other.example")

#: The owner of the robot.
BOSS: Final = Person("net", "boss", "boss", "work.example", account="boss")

CHANNEL: Final = Place("net", "#dns")


#: A plugin in a file of its own.
ONE_FILE: Final = """
    from twisted_ext.apps.robot.plugin import RobotPlugin, command

    class Version(RobotPlugin):
        @command()
        async def version(self, call):
            return "{version}"

    version = Version()
"""


def write(path: Path, text: str) -> None:
    """
    Write a module that can be imported at once.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), "utf-8")
    importlib.invalidate_caches()


def finished(running: Deferred[_T] | Coroutine[Deferred[object], object, _T]) -> _T:
    """
    Return the result of what has finished, or raise its failure.
    """
    results: list[object] = []
    done = running if isinstance(running, Deferred) else Deferred.fromCoroutine(running)
    done.addBoth(results.append)
    assert results, "it has not finished"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return cast(_T, results[0])


@implementer(IFetcher)
class Documents:
    """
    @ivar documents: what there is to fetch, by URL.
    """

    def __init__(self, robot: object = None) -> None:
        self.documents: dict[str, bytes] = {}

    def fetch(self, url: str) -> Deferred[bytes]:
        return succeed(self.documents[url]) if url in self.documents else fail(CommandError(f"{url} does not exist"))


@implementer(IFront)
class MemoryFront:
    """
    @ivar sent: what the robot has said: the target and the line.
    @ivar ready: whether lines would be sent now.
    """

    def __init__(self, name: str = "net", nick: str = "txbot", most: int = 4) -> None:
        self.name = name
        self.nick = nick
        self.most = most
        self.sent: list[tuple[str, Line]] = []
        self.ready = True
        self.channels: dict[str, Sequence[str]] = {}

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        self.sent += [(target, each) for each in lines]

    def members(self, channel: str) -> Sequence[str]:
        return self.channels.get(channel, ())

    def isReady(self, target: str) -> bool:
        return self.ready


class Stage:
    """
    A robot with a front and the plugin C{help}.

    @ivar plugins: all plugins that it can load; a test may change the list.
    """

    def __init__(
        self,
        *plugins: object,
        commands: Mapping[str, str] | None = None,
        channels: Mapping[tuple[str, str], frozenset[str]] | None = None,
        tables: Mapping[str, Mapping[str, object]] | None = None,
        most: int = 4,
    ) -> None:
        """
        @param plugins: they are loaded, in this order.
        @param commands: the roles of commands.
        @param channels: the commands of channels.
        @param tables: the settings of plugins.
        """
        self.clock = Clock()
        self.front = MemoryFront(most=most)
        self.plugins = [cast(IRobotPlugin, each) for each in (*BUILT_IN, *plugins)]
        access = Access({"owner": ["net/account:boss"], "friends": ["net/bob!*@*"]}, commands, channels)
        self.database = Database(cast(IReactorThreads, self.clock), ":memory:", threaded=False)
        self.database.open()
        resolver = NamesResolver(CannedSource({("www.example.com", "A"): "192.0.2.1"}), self.clock)
        self.robot = Robot(self.clock, RobotSettings(access=access, plugins=tables), resolver, self.database, lambda: self.plugins)
        self.robot.join(self.front)
        self.load("help", *[each.name for each in self.plugins[len(BUILT_IN) :]])

    def load(self, *names: str) -> None:
        for name in names:
            finished(self.robot.plugins.load(name))

    def hear(self, text: str, person: Person = ALICE, place: Place = CHANNEL) -> list[str]:
        """
        Let a person say something, and return what the robot says to it at once.
        """
        before = len(self.front.sent)
        self.robot.receive(Message(person, place, text))
        return [str(each) for _, each in self.front.sent[before:]]

    def take(self) -> list[str]:
        """
        Return what the robot has said since the last call.
        """
        lines = [str(each) for _, each in self.front.sent]
        self.front.sent.clear()
        return lines

    def end(self) -> None:
        finished(self.robot.stop())
        finished(self.database.close())
        finished(self.robot.resolver.close())
        assert self.clock.getDelayedCalls() == []


