"""
Reads the second half of a large master file in another process, while this one reads the first half.
"""

from __future__ import annotations

import marshal
import os
from collections.abc import Callable
from contextlib import suppress
from signal import SIGKILL
from typing import Final

from twisted_ext.zone.limits import DIVIDED_OCTETS
from twisted_ext.zone.store.imagebuilder import ImageBuilder

__all__ = ["SecondHalf", "middleOf"]

#: Octets taken from the pipe at a time.
_PART: Final = 1 << 20

#: What the other process writes for each chunk that it has read, and the octets of a chunk, more or less.
_BEAT: Final = b"\x00"
_CHUNK: Final = 1 << 18

#: Lines of which one has to be the beginning of an entry.
_LINES: Final = 1000

_BLANK: Final = 0x20

#: Octets that begin no owner, or one that is quoted or escaped.
_MARKS: Final = b';()"\\$'

#: Reads the second half.
_Read = Callable[[Callable[[], object]], ImageBuilder | None]

#: The version of the format of C{marshal} that does not look for objects that occur several times.
_PLAIN: Final = 2


def middleOf(data: bytes, position: int) -> int:
    """
    Return the offset of an entry with an owner near the middle of the rest of a master file; 0 if the rest is too small to be divided, has
    directives, which apply to what follows, or has no such entry. What looks like an entry may still be part of another one.

    @param position: the beginning of the rest, after a line end.
    """
    size = len(data)
    if size - position < DIVIDED_OCTETS.default or data.find(b"\n$", position - 1) >= 0:
        return 0
    begin = data.find(b"\n", (position + size) // 2) + 1
    for _ in range(_LINES):
        if not 0 < begin < size:
            break
        if data[begin] > _BLANK and data[begin] not in _MARKS:
            return begin
        begin = data.find(b"\n", begin) + 1
    return 0


class SecondHalf:
    """
    The process that reads the second half: a copy of this one, so that it has the state in which the first half began.

    @ivar begin: the offset of the second half.
    """

    __slots__ = ("begin", "_process", "_pipe")

    def __init__(self, begin: int, read: _Read) -> None:
        """
        @param read: reads the second half, in the other process, and calls its argument for each chunk; returns L{None} if the second half
            depends on the first one, or has errors.

        @raise OSError: there can be no other process.
        """
        self.begin = begin
        self._pipe, writing = os.pipe()
        try:
            self._process = os.fork()
        except OSError:
            os.close(self._pipe)
            os.close(writing)
            raise
        if not self._process:
            _give(writing, read)
        os.close(writing)

    def join(self, builder: ImageBuilder, tell: Callable[[int], object]) -> bool:
        """
        Add the records of the second half to those of the first one; return whether there are any to be added.

        @param tell: called with octets that the other process has read.
        """
        parts: list[bytes] = []
        while part := os.read(self._pipe, _PART):
            if not parts:
                said = part.lstrip(_BEAT)
                tell(_CHUNK * (len(part) - len(said)))
                part = said
            if part:
                parts.append(part)
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        if status:
            return False
        _add(builder, b"".join(parts))
        return True

    def end(self) -> None:
        """
        End the process, if it has not ended.
        """
        os.close(self._pipe)
        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process, SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0


def _give(writing: int, read: _Read) -> None:
    """
    Write the records of the second half to the pipe, and end this process.
    """
    status = 1
    try:
        # The reader of the first process's output must not wait for this process.
        os.close(1)
        builder = read(lambda: os.write(writing, _BEAT))
        if builder is not None:
            said = (builder.nodes, builder.counts, builder.marks, builder.mixed, builder.aliases)
            left = memoryview(marshal.dumps(said, _PLAIN))
            while left:
                written = os.write(writing, left)
                left = left[written:]
            status = 0
    finally:
        # Without what else happens at the end of a process: files would be written twice.
        os._exit(status)


def _add(builder: ImageBuilder, said: bytes) -> None:
    nodes: dict[bytes, bytes]
    counts: dict[bytes, int]
    marks: dict[bytes, int]
    mixed: set[bytes]
    nodes, counts, marks, mixed, aliases = marshal.loads(said)
    several = [b""]
    together = builder.nodes | nodes
    # Looking for names that are in both takes as long as putting them together, and the apex is usually the only one.
    if len(together) + len(several) < len(builder.nodes) + len(nodes):
        several = sorted(builder.nodes.keys() & nodes.keys())
    for key in several:
        together[key] = builder.nodes[key]
    builder.nodes = together
    for key in several:
        records = nodes[key]
        count, mark = counts.pop(key, 1), marks.pop(key, 0)
        if records:
            builder.store(key, records, count, mark, True)
    builder.counts.update(counts)
    builder.marks.update(marks)
    builder.mixed.update(mixed)
    builder.aliases = builder.aliases or aliases
