"""
IRC networks: the robot's channels on them, what it says there, and the lines that wait, since networks throw out clients that send too
many.
"""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from twisted.application.internet import ClientService
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from zope.interface import implementer

from twisted_ext.apps.robot.events import Connected, Disconnected
from twisted_ext.apps.robot.fronts.ircprotocol import IRCConnection, piecesOf
from twisted_ext.apps.robot.fronts.networks import endpointFrom
from twisted_ext.apps.robot.interfaces import IFront, Urgency
from twisted_ext.apps.robot.limits import REGISTRATION_SECONDS
from twisted_ext.apps.robot.people import folded
from twisted_ext.apps.robot.text import clean

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint

    from twisted_ext.apps.robot.fronts.networks import NetworkSettings
    from twisted_ext.apps.robot.robot import Robot
    from twisted_ext.apps.robot.text import Line

__all__ = ["IRCFront", "Outbox"]

#: Lines of a reply that are shown in a channel at once. More would hide what people say.
_SHOWN_LINES: Final = 4

#: Attempts to return to a channel after a kick or a refusal. The pauses double: the last attempt is made after 21 minutes.
_REJOINS: Final = 8

#: The longest pause between two attempts to connect, in seconds.
_RECONNECT_SECONDS: Final = 300.0

_log: Final = Logger(__name__)

#: Octets of a message (RFC 2812, section 2.3).
_OCTETS: Final = 512

#: Octets of a host, at most (RFC 2812, section 2.3.1).
_HOST: Final = 63

#: A target that is one, and one only: neither a list, nor all users of a server ("$*").
_TARGET: Final = re.compile(r"[^\x00-\x20\x7f,:$][^\x00-\x20\x7f,]{0,199}")

#: Seconds before the first attempt to return to a channel, and after which a stay in it was a success.
_REJOIN: Final = 5.0
_STAY: Final = 600.0

#: Seconds that a server gets to close the connection at the end.
_GOODBYE: Final = 5.0

#: Lines of one urgency that wait for one channel or person: 25 seconds of a busy relay while the network is away.
_QUEUE_TARGET: Final = 500

#: Seconds for which a line waits. Older ones would confuse people more than they tell them.
_QUEUE_SECONDS: Final = 300.0

#: Lines of one urgency that wait for a network, so that a few channels from which the robot is banned leave room for the others.
_QUEUE_LINES: Final = 10_000


#: Servers count a long line as two short ones.
_LONG: Final = 240

#: Seconds between two looks for lines that wait for too long.
_LOOK: Final = 1.0

#: Lines that the log-in has taken.
_LOGIN: Final = 3


class _Waiting:
    """
    The lines of one urgency.

    @ivar queues: those for each target, by its folded name, with the time since when they wait.
    @ivar count: how many they are.
    @ivar looked: when it was last looked for those that wait for too long, because there was no room.
    """

    __slots__ = ("queues", "count", "looked")

    def __init__(self) -> None:
        self.queues: dict[str, deque[tuple[float, str]]] = {}
        self.count = 0
        self.looked = float("-inf")

    def isFull(self, key: str) -> bool:
        return self.count >= _QUEUE_LINES or len(self.queues.get(key, ())) >= _QUEUE_TARGET


class Outbox:
    """
    Sends lines as fast as the network permits: the most urgent ones first, among them the targets in turn, those of one target in order.
    Lines wait while there is no connection, or while the robot is not in the channel. Each urgency has room of its own: a busy relay does
    not cause replies to be dropped.

    @ivar burst: short lines that may be sent at once.
    @ivar interval: seconds for each further one.
    """

    def __init__(self, reactor: IReactorTime, network: str, write: Callable[[str], None], isReady: Callable[[str], bool]) -> None:
        """
        @param isReady: whether lines to a target, by its folded name, can be sent now.
        """
        self.burst = 1
        self.interval = 0.0
        self._reactor = reactor
        self._network = network
        self._write = write
        self._isReady = isReady
        self._open = False
        self._commands: deque[str] = deque()
        self._waiting = {urgency: _Waiting() for urgency in sorted(Urgency)}
        self._unheard: deque[tuple[Urgency, str, float, str]] = deque(maxlen=_QUEUE_LINES)
        self._dropped = 0
        self._spent = 0.0
        self._timer: IDelayedCall | None = None

    def put(self, target: str, line: str, urgency: Urgency = Urgency.NOTICE) -> None:
        """
        Send a line to a channel or person, or drop it if too many of its urgency wait.
        """
        key, waiting = folded(target), self._waiting[urgency]
        if waiting.isFull(key):
            self._makeRoom(waiting)
            if waiting.isFull(key):
                self._drop()
                return
        waiting.queues.setdefault(key, deque()).append((self._reactor.seconds(), line))
        waiting.count += 1
        self.pump()

    def _makeRoom(self, waiting: _Waiting) -> None:
        now = self._reactor.seconds()
        # There may be as many queues as lines: not for each line that is dropped.
        if now < waiting.looked + _LOOK:
            return
        waiting.looked = now
        for queue in waiting.queues.values():
            self._expire(waiting, queue)
        waiting.queues = {each: queue for each, queue in waiting.queues.items() if queue}

    def command(self, line: str) -> None:
        """
        Send a line before all others. It is forgotten when the connection ends.
        """
        if self._open and len(self._commands) < _QUEUE_TARGET:
            self._commands.append(line)
            self.pump()

    def open(self) -> None:
        """
        Begin to send: there is a connection.
        """
        self._open = True
        self._spent = self._reactor.seconds() + _LOGIN * self.interval
        self.pump()

    def heard(self) -> None:
        """
        The server is there: it has got what was sent.
        """
        self._unheard.clear()

    def close(self, silent: bool) -> None:
        """
        Hold the lines back until there is a connection again.

        @param silent: whether the server was silent before: what was sent meanwhile is sent again.
        """
        self._open = False
        self._commands.clear()
        while silent and self._unheard:
            urgency, target, since, line = self._unheard.pop()
            waiting = self._waiting[urgency]
            waiting.queues.setdefault(target, deque()).appendleft((since, line))
            waiting.count += 1
        self._unheard.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pump(self) -> None:
        """
        Send what may be sent now.
        """
        while self._open and self._timer is None:
            now = self._reactor.seconds()
            ahead = self._spent - now - self.burst * self.interval
            if ahead > 0:
                self._timer = self._reactor.callLater(ahead, self._goOn)
                return
            line = self._next()
            if line is None:
                return
            self._spent = max(self._spent, now) + self.interval * (1 + len(line.encode("utf-8")) / _LONG)
            self._write(line)

    def _goOn(self) -> None:
        self._timer = None
        self.pump()

    def _next(self) -> str | None:
        if self._commands:
            return self._commands.popleft()
        for urgency, waiting in self._waiting.items():
            while (target := next(filter(self._isReady, waiting.queues), None)) is not None:
                queue = waiting.queues.pop(target)
                self._expire(waiting, queue)
                if queue:
                    since, line = queue.popleft()
                    waiting.count -= 1
                    if queue:
                        # Behind those of the others.
                        waiting.queues[target] = queue
                    self._unheard.append((urgency, target, since, line))
                    return line
        if self._dropped and not any(waiting.count for waiting in self._waiting.values()):
            _log.warn("{network}: {count} lines were dropped in all", network=self._network, count=self._dropped)
            self._dropped = 0
        return None

    def _expire(self, waiting: _Waiting, queue: deque[tuple[float, str]]) -> None:
        while queue and self._reactor.seconds() - queue[0][0] > _QUEUE_SECONDS:
            queue.popleft()
            waiting.count -= 1
            self._drop()

    def _drop(self) -> None:
        self._dropped += 1
        if self._dropped == 1:
            _log.warn("{network}: too many lines wait, or they wait for too long; some are dropped", network=self._network)


@implementer(IFront)
class IRCFront(ClientService):
    """
    One network. As a service it holds one connection to it, and makes it anew when it ends.
    """

    name: str
    most = _SHOWN_LINES

    def __init__(self, robot: Robot, settings: NetworkSettings, endpoint: IStreamClientEndpoint | None = None) -> None:
        """
        @param endpoint: by default that of the settings.
        """
        self.robot = robot
        self.settings = settings
        self.name = settings.name
        self.outbox = Outbox(robot.reactor, settings.name, self._write, self._isReady)
        self._opened: IRCConnection | None = None
        self._connection: IRCConnection | None = None
        self._failures = 0
        self._since = 0.0
        self._tries: dict[str, int] = {}
        self._rejoins: dict[str, IDelayedCall] = {}
        self._setRate()
        factory = Factory.forProtocol(partial(IRCConnection, self))
        factory.noisy = False
        endpoint = endpoint or endpointFrom(robot.reactor, settings.endpoint, settings.tlsName)
        super().__init__(endpoint, factory, self._pause, robot.reactor)

    @property
    def nick(self) -> str:
        return self.settings.nick if self._connection is None else self._connection.nickname

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        if not _TARGET.fullmatch(target):
            _log.warn("{network}: {target} is not a channel or nick; lines to it are dropped", network=self.name, target=clean(target))
            return
        room = self._room - len(f"PRIVMSG {target} :".encode())
        for line in lines:
            for piece in piecesOf(line, room, self.settings.colors):
                self.outbox.put(target, f"PRIVMSG {target} :{piece}", urgency)

    def members(self, channel: str) -> Sequence[str]:
        if self._connection is None:
            return ()
        found = self._connection.members.get(folded(channel), {})
        return [nick for key, nick in found.items() if key != folded(self.nick)]

    def isReady(self, target: str) -> bool:
        return self._isReady(folded(target))

    def change(self, settings: NetworkSettings) -> bool:
        """
        Follow changed settings.

        @return: whether it does now; if not, they take a new connection, and the caller makes a new front in place of this one.
        """
        if self.settings.takesConnection(settings):
            return False
        before, self.settings = self.settings.keys, settings
        self._setRate()
        for key in before.keys() - settings.keys.keys():
            self.outbox.command(f"PART {before[key][0]}")
        for key in settings.keys.keys() - before.keys():
            self.join(key)
        return True

    def stopService(self) -> Deferred[None]:
        if self._opened is None:
            return super().stopService()
        self._opened.sendLine("QUIT :")
        # The peer may never close its side.
        late = self.robot.reactor.callLater(_GOODBYE, self._opened.transport.abortConnection)

        def settle(result: None) -> None:
            if late.active():
                late.cancel()

        return super().stopService().addCallback(settle)

    # -- what connections call

    def opened(self, connection: IRCConnection) -> None:
        self._opened = connection

    def welcomed(self, connection: IRCConnection) -> None:
        self._connection = connection
        self._since = self.robot.reactor.seconds()
        _log.info("{network}: connected as {nick}", network=self.name, nick=self.nick)
        self.robot.receive(Connected(self.name))
        self.outbox.open()
        for key in self.settings.keys:
            self.join(key)

    def lost(self, reason: str, silent: bool) -> None:
        _log.info("{network}: disconnected: {reason}", network=self.name, reason=reason)
        self._opened = None
        if self._connection is None:
            self._failures += 1
            return
        lasted = self.robot.reactor.seconds() - self._since >= REGISTRATION_SECONDS.default
        self._failures = 0 if lasted else self._failures + 1
        self._connection = None
        self.outbox.close(silent)
        for timer in self._rejoins.values():
            timer.cancel()
        self._rejoins.clear()
        self._tries.clear()
        self.robot.receive(Disconnected(self.name, reason))

    def join(self, key: str) -> None:
        self._rejoins.pop(key, None)
        if key in self.settings.keys:
            name, secret = self.settings.keys[key]
            self.outbox.command(f"JOIN {name} {secret}".rstrip())

    def joinLater(self, key: str, stayed: float = 0.0) -> None:
        """
        Return to a channel after a kick or a refusal: again and again, with pauses that double, but not for ever.
        """
        if key in self._rejoins or key not in self.settings.keys:
            return
        tries = self._tries[key] = 1 if stayed >= _STAY else self._tries.get(key, 0) + 1
        if tries > _REJOINS:
            _log.warn("{network}: the robot stays out of {channel} until it connects again", network=self.name, channel=key)
            return
        self._rejoins[key] = self.robot.reactor.callLater(_REJOIN * 2 ** (tries - 1), self.join, key)

    # -- details

    def _setRate(self) -> None:
        self.outbox.burst, self.outbox.interval = self.settings.burst, self.settings.interval

    def _pause(self, attempts: int) -> float:
        failures = max(attempts - 1, self._failures)
        return min(float(2 ** min(failures, 30)), _RECONNECT_SECONDS) * random.uniform(0.5, 1.0)

    def _write(self, line: str) -> None:
        if self._connection is not None:
            self._connection.sendLine(line)

    def _isReady(self, target: str) -> bool:
        return self._connection is not None and (target[:1] not in "#&+!" or target in self._connection.members)

    @property
    def _room(self) -> int:
        """
        Octets that are left of a message behind the robot's own mask, which servers put before it when they send it on.
        """
        mask = f":{max(self.nick, self.settings.nick, key=len)}!~{self.settings.username}@"
        return _OCTETS - len(f"{mask} \r\n".encode()) - _HOST
