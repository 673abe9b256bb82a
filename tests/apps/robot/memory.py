"""
A robot on a front in memory, under a clock, with a database without threads.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_ext.apps.robot.commands import Access
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Joined, Message
from twisted_ext.apps.robot.interfaces import IFront, IRobotPlugin, IScheduler, Urgency
from twisted_ext.apps.robot.loading import foundPlugins
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.apps.robot.scheduling import Scheduler
from twisted_ext.compat.names import NamesResolver
from twisted_ext.testing.sources import CannedSource

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorThreads

    from twisted_ext.apps.robot.text import Line

__all__ = ["MemoryFront", "RobotCase"]

_T = TypeVar("_T")


@implementer(IFront)
class MemoryFront:
    """
    @ivar said: what the robot has said: target and text.
    @ivar ready: whether lines would be sent now.
    """

    nick = "txbot"
    most = 5

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = True
        self.said: list[tuple[str, str]] = []

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        self.said += [(target, str(line)) for line in lines]

    def members(self, channel: str) -> Sequence[str]:
        return []

    def isReady(self, target: str) -> bool:
        return self.ready


class RobotCase(SynchronousTestCase):
    """
    @cvar plugins: the plugins that are loaded at the start.
    @ivar front: the network C{net}, on which C{owner} is the owner.
    """

    plugins: Sequence[str] = ()

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = f"{self.mktemp()}/robot.sqlite3"
        self.start()

    def tearDown(self) -> None:
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def start(
        self, tables: Mapping[str, Mapping[str, object]] | None = None, others: Iterable[IRobotPlugin] = (), *, late: bool = False
    ) -> None:
        """
        Start a robot on the same database as the last.

        @param tables: the settings of plugins.
        @param others: plugins besides the built-in ones.
        @param late: whether jobs run late, as they do outside of tests.
        """
        self.database = Database(cast("IReactorThreads", self.clock), self.path, threaded=False)
        self.database.open()
        settings = RobotSettings(access=Access({"owner": ["net/owner!*@*"]}), plugins=tables)
        resolver = NamesResolver(CannedSource(), self.clock)
        self.robot = Robot(self.clock, settings, resolver, self.database, lambda: [*foundPlugins(), *others])
        self.front = MemoryFront("net")
        self.robot.join(self.front)
        if not late:
            cast(Scheduler, IScheduler(self.robot)).late = lambda most: 0.0
        for name in self.plugins:
            self.result(self.robot.plugins.load(name))

    def stop(self) -> None:
        self.successResultOf(self.robot.stop())
        self.successResultOf(self.database.close())

    def restart(self) -> None:
        self.stop()
        self.start()

    def result(self, running: Coroutine[Deferred[object], object, _T]) -> _T:
        return self.successResultOf(Deferred.fromCoroutine(running))

    def write(self, nick: str, text: str, channel: str = "#dns") -> list[tuple[str, str]]:
        """
        Write something in a channel, or in private if it is C{""}.

        @return: what the robot says to that: targets and texts.
        """
        place = Place("net", channel or nick, not channel)
        self.robot.receive(Message(Person("net", nick, "user", f"{nick}.example"), place, text))
        return self.said()

    def joins(self, nick: str, channel: str = "#dns") -> list[tuple[str, str]]:
        self.robot.receive(Joined(Person("net", nick, "user", f"{nick}.example"), Place("net", channel)))
        return self.said()

    def said(self) -> list[tuple[str, str]]:
        said, self.front.said = self.front.said, []
        return said
