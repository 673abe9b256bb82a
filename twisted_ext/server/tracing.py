"""
Following live queries step by step, while somebody wants to know.
"""

from __future__ import annotations

from collections import deque

from twisted.logger import Logger

from twisted_ext.answers import Question, Trace
from twisted_ext.limits import TRACES_KEPT, TRACES_TAKEN
from twisted_ext.metrics.figures import JSON
from twisted_ext.wire.codes import className, rcodeName
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["Tracing"]


class Tracing:
    """
    Keeps the steps of the last look-ups. Off to begin with; whoever serves looks at L{on} before anything else is done for it, and the
    fast lane does not know of it.

    @ivar on: whether look-ups are followed.
    """

    log = Logger()

    def __init__(self) -> None:
        self.on = False
        self._below: bytes | None = None
        self._left = 0
        self._kept: deque[dict[str, JSON]] = deque(maxlen=int(TRACES_KEPT.default))

    def turnOn(self, below: bytes | None = None) -> None:
        """
        Follow look-ups from now on, until told otherwise or until there were very many.

        @param below: only of this name and names below it.
        """
        self._below = None if below is None else below.lower()
        self._left = int(TRACES_TAKEN.default)
        self.on = True

    def turnOff(self) -> None:
        """
        Follow no more. What was kept stays.
        """
        self.on = False

    def begin(self, question: Question, now: float) -> Trace | None:
        """
        @return: where to note the steps, or L{None} for a look-up that is not to be followed.
        """
        if not self.on or (self._below is not None and not isBelow(question.name.lower(), self._below)):
            return None
        self._left -= 1
        if self._left <= 0:
            self.on = False
        return Trace(now)

    def finish(self, question: Question, trace: Trace, client: str, transport: str, rcode: int, now: float) -> None:
        """
        Keep a look-up, now that a reply was sent.

        @param client: who asked.
        @param transport: by which way: C{'udp'}, C{'tcp'}...
        """
        kept: dict[str, JSON] = {
            "name": nameToText(question.name),
            "type": typeName(question.rrType),
            "class": className(question.rrClass),
            "client": client,
            "transport": transport,
            "rcode": rcodeName(rcode),
            "seconds": round(now - trace.began, 6),
            "steps": [
                {"at": round(note.at - trace.began, 6), "source": note.source, "event": note.event, "details": {**note.details}}
                for note in trace.notes
            ],
        }
        self._kept.append(kept)
        self.log.info(
            "traced {name} {type} for {client}: {rcode}",
            name=kept["name"],
            type=kept["type"],
            client=client,
            rcode=kept["rcode"],
            trace=kept,
        )

    def kept(self) -> list[JSON]:
        """
        @return: the last look-ups, oldest first.
        """
        return list(self._kept)
