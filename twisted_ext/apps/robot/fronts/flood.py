"""
The lines that wait to be sent to a network, which throws out clients that send too many at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.apps.robot.interfaces import Urgency
from twisted_ext.apps.robot.people import folded

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["Outbox"]

#: Lines of one urgency that wait for one channel or person: 25 seconds of a busy relay while the network is away.
_QUEUE_TARGET: Final = 500

#: Seconds for which a line waits. Older ones would confuse people more than they tell them.
_QUEUE_SECONDS: Final = 300.0

#: Lines of one urgency that wait for a network, so that a few channels from which the robot is banned leave room for the others.
_QUEUE_LINES: Final = 10_000

_log: Final = Logger(__name__)

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
