"""
Bodies that are sent while they are made: in short turns, one after the other, so that queries wait for one turn however many clients ask
for long ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

if TYPE_CHECKING:
    from twisted.web.server import Request

__all__ = ["StreamTurns", "StreamedBody"]

#: Seconds that a turn may take: queries wait for it.
_TURN: Final = 0.002

_log: Final = Logger(__name__)


class StreamTurns:
    """
    Gives the bodies of a site their turns, one for each turn of the reactor.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock
        self._waiting: deque[StreamedBody] = deque()
        self._next: IDelayedCall | None = None

    def add(self, body: StreamedBody) -> None:
        """
        Have a body get a turn once those that wait have had theirs.
        """
        if body not in self._waiting:
            self._waiting.append(body)
        self._go()

    def remove(self, body: StreamedBody) -> None:
        if body in self._waiting:
            self._waiting.remove(body)
        if not self._waiting and self._next is not None:
            self._next.cancel()
            self._next = None

    def _go(self) -> None:
        if self._waiting and self._next is None:
            self._next = self.clock.callLater(0, self._turn)

    def _turn(self) -> None:
        self._next = None
        body = self._waiting.popleft()
        try:
            body.turn()
        finally:
            self._go()


@implementer(IPushProducer)
class StreamedBody:
    """
    Writes a body in short turns, as long as the client reads it.
    """

    def __init__(self, request: Request, parts: Iterator[bytes], turns: StreamTurns) -> None:
        """
        @param parts: the body. Each step has to be shorter than a turn.
        """
        self._request = request
        self._parts = parts
        self._turns = turns
        self._isPaused = False

    def begin(self) -> None:
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self._isPaused = True
        self._turns.remove(self)

    def resumeProducing(self) -> None:
        self._isPaused = False
        self._turns.add(self)

    def stopProducing(self) -> None:
        self.pauseProducing()
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def turn(self) -> None:
        """
        Write what can be made in one turn.
        """
        clock = self._turns.clock
        end = clock.seconds() + _TURN
        made: list[bytes] = []
        isWhole = True
        try:
            for part in self._parts:
                made.append(part)
                if clock.seconds() >= end:
                    isWhole = False
                    break
        except Exception:
            _log.failure("while a body was made; the connection is closed, so that the client does not take what it has for all")
            self._request.unregisterProducer()
            if self._request.channel is not None:
                self._request.channel.loseConnection()
            return
        self._request.write(b"".join(made))
        if isWhole:
            self._request.unregisterProducer()
            self._request.finish()
        elif not self._isPaused:
            # A client that reads may take as long as the body does; one that does not read gets no turn.
            prolong: Callable[[], object] | None = getattr(self._request.channel, "prolong", None)
            if prolong is not None:
                prolong()
            self._turns.add(self)
