"""
Bodies of replies that are written while they are made, since those of large zones have hundreds of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.web.server import Request
from zope.interface import implementer

__all__ = ["StreamedBody"]

_log: Final = Logger(__name__)

#: Seconds that a turn may take: queries wait for it.
_TURN: Final = 0.002


@implementer(IPushProducer)
class StreamedBody:
    """
    Writes a body in short turns, as long as the client reads it.
    """

    def __init__(self, request: Request, parts: Iterator[bytes], clock: IReactorTime) -> None:
        """
        @param parts: the body. Each step has to be shorter than a turn.
        """
        self._request = request
        self._parts = parts
        self._clock = clock
        self._next: IDelayedCall | None = None
        self._isPaused = False

    def begin(self) -> None:
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self._isPaused = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def resumeProducing(self) -> None:
        self._isPaused = False
        if self._next is None:
            self._next = self._clock.callLater(0, self._turn)

    def stopProducing(self) -> None:
        self.pauseProducing()
        close = getattr(self._parts, "close", None)
        if close is not None:
            close()

    def _turn(self) -> None:
        self._next = None
        end = self._clock.seconds() + _TURN
        made: list[bytes] = []
        isWhole = True
        try:
            for part in self._parts:
                made.append(part)
                if self._clock.seconds() >= end:
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
            self.resumeProducing()
