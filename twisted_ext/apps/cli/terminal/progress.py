"""
Shows the progress of a long run on one line of the terminal: with rich if it is installed, else in plain text.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import IO, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_ext.apps.cli.terminal.colors import isTerminal

__all__ = ["PlainDrawing", "Progress", "RichDrawing", "drawingFor", "progressLine"]

#: Seconds between two updates.
_EVERY = 0.25

_BAR = 24


def progressLine(done: int, perSecond: float, part: float | None, shown: str, failed: int) -> str:
    """
    @param part: the fraction of the input that has been read, 0 to 1, or L{None} if its size is unknown.
    @param shown: what else is shown, such as the number of look-ups under way.
    """
    pieces = []
    if part is not None:
        filled = int(part * _BAR)
        pieces.append(f"[{'#' * filled}{'.' * (_BAR - filled)}] {part:4.0%}")
    pieces.append(f"{done:,} names")
    pieces.append(f"{perSecond:,.0f}/s")
    pieces.append(shown)
    if failed:
        pieces.append(f"{failed:,} without answer")
    return "  ".join(pieces)


class PlainDrawing:
    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def draw(self, done: int, perSecond: float, part: float | None, shown: str, failed: int) -> None:
        self._stream.write(f"\r{progressLine(done, perSecond, part, shown, failed)}\x1b[K")
        self._stream.flush()

    def close(self) -> None:
        self._stream.write("\r\x1b[K")
        self._stream.flush()


class RichDrawing:
    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
        # Automatic refreshing would start a thread.
        self._progress = Progress(*columns, console=Console(file=stream), transient=True, auto_refresh=False)
        self._task = self._progress.add_task("", total=None)
        self._progress.start()

    def draw(self, done: int, perSecond: float, part: float | None, shown: str, failed: int) -> None:
        text = progressLine(done, perSecond, None, shown, failed)
        if part is None:
            self._progress.update(self._task, description=text)
        else:
            self._progress.update(self._task, description=text, total=1.0, completed=part)
        self._progress.refresh()

    def close(self) -> None:
        self._progress.stop()


ProgressLine: TypeAlias = PlainDrawing | RichDrawing


def drawingFor(stream: IO[str]) -> ProgressLine:
    if isTerminal(stream):
        with suppress(ImportError):
            return RichDrawing(stream)
    return PlainDrawing(stream)


class Progress:
    def __init__(self, clock: IReactorTime, drawing: ProgressLine, *, part: Callable[[], float | None], window: Callable[[], int]) -> None:
        self.done = 0
        self.failed = 0
        self._clock = clock
        self._drawing = drawing
        self._part = part
        self._window = window
        self._before = 0
        self._at = clock.seconds()
        self._speed = 0.0
        self._timer: IDelayedCall | None = clock.callLater(_EVERY, self._tick)

    def _tick(self) -> None:
        now = self._clock.seconds()
        if now > self._at:
            speed = (self.done - self._before) / (now - self._at)
            self._speed = speed if not self._before else 0.7 * self._speed + 0.3 * speed
        self._before, self._at = self.done, now
        self._drawing.draw(self.done, self._speed, self._part(), f"window {self._window()}", self.failed)
        self._timer = self._clock.callLater(_EVERY, self._tick)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._drawing.close()
