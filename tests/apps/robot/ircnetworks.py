"""
An IRC network in memory: the test plays the server, line by line.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast, get_args

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.typed import failureOf
from twisted_ext.apps.robot.commands import Access
from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.events import Event
from twisted_ext.apps.robot.fronts.irc import IRCFront
from twisted_ext.apps.robot.fronts.networks import NetworkSettings
from twisted_ext.apps.robot.interfaces import IRobotPlugin
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugin import Call, Rest, RobotPlugin, command, hears
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.robot import Robot
from twisted_ext.apps.robot.text import Said
from twisted_ext.compat.names import NamesResolver

__all__ = ["ALICE", "Echo", "Network", "robotWith"]

#: Someone in a channel.
ALICE: Final = "alice!al@host.example"


class Echo(RobotPlugin):
    """
    Repeats what is said to it, and keeps the last events.
    """

    def __init__(self) -> None:
        super().__init__("echo")
        self.events: deque[Event] = deque(maxlen=1000)

    @command()
    async def echo(self, call: Call, text: Rest) -> Said:
        """
        Repeat a text.
        """
        return str(text)

    @hears(*get_args(Event))
    def keep(self, event: Event) -> None:
        self.events.append(event)


def robotWith(clock: Clock, plugins: Iterable[RobotPlugin], **tables: dict[str, object]) -> Robot:
    """
    Return a robot with these plugins, all loaded, and their tables of settings.
    """
    loaded = [cast(IRobotPlugin, plugin) for plugin in plugins]
    robot = Robot(clock, RobotSettings(access=Access(), plugins=tables), cast(NamesResolver, None), cast(Database, None), lambda: loaded)
    for plugin in loaded:
        Deferred.fromCoroutine(robot.plugins.load(plugin.name)).addErrback(_raise)
    return robot


def _raise(failure: Failure) -> None:
    failure.raiseException()


#: What Twisted has without types.
_octets: Final[Callable[[StringTransport], bytes]] = StringTransport.value
_clear: Final[Callable[[StringTransport], None]] = StringTransport.clear


class _Pipe(StringTransport):
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True

    def sent(self) -> bytes:
        return _octets(self)


@implementer(IStreamClientEndpoint)
class Network:
    """
    A network with one front of a robot.

    @ivar attempts: times of the attempts to connect.
    @ivar refusing: whether they fail.
    @ivar isUp: whether there is a connection.
    """

    def __init__(self, robot: Robot, clock: Clock, table: Mapping[str, object]) -> None:
        self.attempts: list[float] = []
        self.refusing = False
        self.isUp = False
        self._clock = clock
        table = {"name": "net", "endpoint": "tcp:127.0.0.1:6667", "nick": "txbot", "channels": ["#dns"], **table}
        self._address = str(table["endpoint"]).split(":")[1]
        self.front = IRCFront(robot, NetworkSettings.fromTable(table), self)
        robot.join(self.front)
        self.front.startService()

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self.attempts.append(self._clock.seconds())
        if self.refusing:
            return fail(ConnectionError())
        peer = IPv4Address("TCP", self._address, 6667)
        self.pipe = cast("Callable[..., _Pipe]", _Pipe)(peerAddress=peer)
        protocol = protocolFactory.buildProtocol(peer)
        assert protocol is not None
        self.protocol = protocol
        self.isUp = True
        self.protocol.makeConnection(self.pipe)
        return succeed(self.protocol)

    def says(self, *lines: str) -> None:
        """
        Send lines of the server.
        """
        for line in lines:
            self.protocol.dataReceived(f"{line}\r\n".encode())

    def heard(self) -> list[str]:
        """
        Return the lines that the server has got since the last call.
        """
        found = self.pipe.sent().decode().split("\r\n")[:-1]
        _clear(self.pipe)
        return found

    def welcome(self, nick: str = "txbot", *, channels: Iterable[str] = ("#dns",), members: str = "alice bob") -> None:
        """
        Accept the robot, and let it into channels.
        """
        self.says(f":irc.example 001 {nick} :Welcome")
        for channel in channels:
            self.says(f":{nick}!~txbot@robot.example JOIN {channel}", f":irc.example 353 {nick} = {channel} :@{nick} {members}")
        self._clock.advance(30)
        self.heard()

    def drop(self) -> None:
        """
        End the connection.
        """
        self.isUp = False
        self.protocol.connectionLost(failureOf(ConnectionError()))

    def place(self, target: str = "#dns", private: bool = False) -> Place:
        return Place("net", target, private)

    def alice(self, account: str = "") -> Person:
        return Person("net", "alice", "al", "host.example", account)
