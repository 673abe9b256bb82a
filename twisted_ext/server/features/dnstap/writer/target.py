"""
A target of frames: what waits for it, and the thread that writes to it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from typing import Final

from twisted_ext.server.features.dnstap.writer.streams import Stream

__all__ = ["Target"]

#: Octets that wait for one target. Above that, whole batches are dropped.
_QUEUE: Final = 1 << 23

#: Seconds between two tries to open a target, doubled each time up to the maximum; and how long one has to stand until it is the first
#: again: a collector that accepts and closes is not asked each second.
_FIRST: Final = 1.0
_MOST: Final = 60.0
_STANDS: Final = 10.0

#: Seconds between two looks whether it is still there.
_LOOK: Final = 1.0

#: Seconds that it has at the end for what waits.
_END: Final = 5.0


class Target:
    """
    @ivar place: as the settings have it.
    @ivar written: how many messages it has got.
    @ivar dropped: how many it could not get.
    @ivar said: why it does not get any at the moment; C{""} if it does.
    """

    def __init__(self, place: str, make: Callable[[], Stream]) -> None:
        """
        @param make: opens it; raises L{OSError} or L{ValueError}.
        """
        self.place = place
        self.written = self.dropped = 0
        self.said = ""
        self._make = make
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._octets = 0
        self._changed = Condition()
        self._endsAt: float | None = None
        self._thread = Thread(target=self._run, name=place, daemon=True)
        self._thread.start()

    def put(self, frames: bytes, count: int) -> None:
        """
        Have frames written, or drop them.

        @param count: how many they are.
        """
        with self._changed:
            if self._octets + len(frames) > _QUEUE or self._endsAt is not None:
                self.dropped += count
                return
            self._waiting.append((frames, count))
            self._octets += len(frames)
            self._changed.notify()

    def _run(self) -> None:
        pause = _FIRST
        while self._endsAt is None:
            try:
                stream = self._make()
            except (OSError, ValueError) as error:
                self.said = _reason(error)
            else:
                began = time.monotonic()
                try:
                    self._write(stream)
                    stream.finish()
                except (OSError, ValueError) as error:
                    if self._endsAt is None:
                        self.said = _reason(error)
                finally:
                    with suppress(OSError):
                        stream.close()
                if time.monotonic() - began >= _STANDS:
                    pause = _FIRST
            with self._changed:
                if self._changed.wait_for(lambda: self._endsAt is not None, pause):
                    break
            pause = min(pause * 2, _MOST)
        with self._changed:
            self.dropped += sum([count for _, count in self._waiting])
            self._waiting.clear()

    def _write(self, stream: Stream) -> None:
        """
        Write what comes until the end.
        """
        lookAt, looks = 0.0, 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._endsAt is not None, _LOOK)
                if self._endsAt is not None and (not self._waiting or time.monotonic() > self._endsAt):
                    return
                frames, count = self._waiting.popleft() if self._waiting else (b"", 0)
                self._octets -= len(frames)
            now = time.monotonic()
            try:
                if now >= lookAt:
                    lookAt = now + _LOOK
                    stream.look()
                    looks += 1
                    if looks > 1:
                        # It has stood for a second.
                        self.said = ""
                if frames:
                    stream.write(frames)
            except BaseException:
                # What part of them has arrived is not known.
                self.dropped += count
                raise
            self.written += count

    def end(self) -> None:
        """
        Have it end, with what waits.
        """
        with self._changed:
            self._endsAt = time.monotonic() + _END
            self._changed.notify()

    def isOver(self) -> bool:
        """
        Return whether it has ended.
        """
        return not self._thread.is_alive()

    def join(self) -> None:
        """
        Wait for its end.
        """
        # One that does not read keeps a write for some seconds: it is left alone.
        self._thread.join(_END + 1.0)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error) or type(error).__name__
