"""
A robot with some plugins on an internet in memory, and a front that records what it says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorThreads
from zope.interface import implementer

from tests.apps.robot.robots import MemoryFront
from twisted_ext.apps.robot.commands import Access
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IPages, IScheduler
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.apps.robot.scheduling import Scheduler
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.internet import Internet

__all__ = ["CHANNEL", "OWNER", "World"]

OWNER = Person("net", "alice", "al", "host.example", "alice")

CHANNEL = Place("net", "#dns")


@implementer(IPages)
class RecordedPages:
    """
    Keeps published documents.
    """

    url = "https://bot.example/"

    def __init__(self) -> None:
        self.documents: list[tuple[str, str]] = []

    def publish(self, title: str, document: str) -> str:
        self.documents.append((title, document))
        return f"{self.url}p/{len(self.documents)}"

    def add(self, path: str, title: str, resource: object) -> None: ...

    def remove(self, path: str) -> None: ...


class World:
    """
    @ivar pages: what the robot has published.
    """

    def __init__(self, internet: Internet, *plugins: str, settings: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self.internet = internet
        self.reactor = internet.reactor()
        self.resolver: NamesResolver = internet.resolver(self.reactor)
        self._plugins = plugins
        self._settings = settings
        self.pages = RecordedPages()
        self.database = Database(cast(IReactorThreads, self.reactor), ":memory:", threaded=False)
        self.database.open()
        self.start()

    def start(self) -> None:
        """
        Start a new robot with what the last one stored.
        """
        access = Access({"owner": ["net/account:alice"]})
        self.robot = Robot(self.reactor, RobotSettings(access=access, plugins=self._settings), self.resolver, self.database)
        self.front = MemoryFront(most=50)
        self.robot.add(IPages, self.pages)
        self.robot.join(self.front)
        cast(Scheduler, IScheduler(self.robot)).late = lambda most: 0.0
        self._began = self.reactor.seconds()
        for plugin in self._plugins:
            self.internet.wait(Deferred.fromCoroutine(self.robot.plugins.load(plugin)))

    def stop(self) -> None:
        self.internet.wait(self.robot.stop())

    def take(self) -> list[tuple[str, str]]:
        """
        Return what was said since the last time, with the target of each line.
        """
        said = [(target, str(each)) for target, each in self.front.sent]
        self.front.sent.clear()
        return said

    def ask(self, text: str, person: Person = OWNER, place: Place = CHANNEL, seconds: float = 40) -> list[str]:
        """
        Call a command, and return the lines of its reply.
        """
        self.take()
        self.robot.receive(Message(person, place, f"!{text}"))
        clock = self.internet.network.clock
        end = clock.seconds() + seconds
        while self.robot._running and clock.seconds() < end:
            self.internet.advance(0.01)
        return [said for _, said in self.take()]

    def poll(self, period: float) -> list[str]:
        """
        Let time pass until half a period after the next run of a job, and return what the robot says meanwhile.
        """
        return self.wait(period * 1.5 - (self.reactor.seconds() - self._began) % period)

    def wait(self, seconds: float) -> list[str]:
        """
        Let time pass, and return what the robot says meanwhile.
        """
        self.take()
        self.internet.advance(seconds)
        return [said for _, said in self.take()]
