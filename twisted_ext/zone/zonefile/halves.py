"""
Reads the second half of a large master file in another process, while this one reads the first half.
"""

from __future__ import annotations

import marshal
import os
from array import array
from collections.abc import Callable
from contextlib import suppress
from itertools import compress
from mmap import ACCESS_READ, mmap
from operator import is_not
from signal import SIGKILL
from tempfile import TemporaryFile
from typing import IO, Final

from twisted_ext.zone.limits import DIVIDED_OCTETS
from twisted_ext.zone.store.imagebuilder import ImageBuilder, valuesOf

__all__ = ["SecondHalf", "middleOf"]

#: Octets taken from the pipe at a time.
_PART: Final = 1 << 10

#: What the other process writes for each chunk that it has read, and the octets of a chunk, more or less.
_BEAT: Final = b"\x00"
_CHUNK: Final = 1 << 18

#: The share of this process. The other one begins later, and writes its records down in the end.
_FIRST: Final = 0.52

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
    begin = data.find(b"\n", position + int(_FIRST * (size - position))) + 1
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

    __slots__ = ("begin", "_process", "_pipe", "_file")

    def __init__(self, begin: int, read: _Read) -> None:
        """
        @param read: reads the second half, in the other process, and calls its argument for each chunk; returns L{None} if the second half
            depends on the first one, or has errors.

        @raise OSError: there can be no other process.
        """
        self.begin = begin
        # In memory: a pipe would take longer for a hundred megabytes.
        self._file = os.fdopen(os.memfd_create("half"), "wb", buffering=0) if hasattr(os, "memfd_create") else TemporaryFile(buffering=0)
        ends: tuple[int, ...] = ()
        try:
            ends = os.pipe()
            self._process = os.fork()
        except OSError:
            for end in ends:
                os.close(end)
            self._file.close()
            raise
        self._pipe, writing = ends
        if not self._process:
            _give(writing, self._file, read)
        os.close(writing)

    def join(self, builder: ImageBuilder, tell: Callable[[int], object]) -> bool:
        """
        Add the records of the second half to those of the first one; return whether there are any to be added.

        @param tell: called with octets that the other process has read.
        """
        while beats := os.read(self._pipe, _PART):
            tell(_CHUNK * len(beats))
        _, status = os.waitpid(self._process, 0)
        self._process = 0
        if status:
            return False
        with mmap(self._file.fileno(), 0, access=ACCESS_READ) as records:
            _add(builder, records)
        return True

    def end(self) -> None:
        """
        End the process, if it has not ended.
        """
        os.close(self._pipe)
        self._file.close()
        if self._process:
            with suppress(ProcessLookupError):
                os.kill(self._process, SIGKILL)
            os.waitpid(self._process, 0)
            self._process = 0


def _give(writing: int, file: IO[bytes], read: _Read) -> None:
    """
    Write the records of the second half to the file, and end this process.
    """
    status = 1
    try:
        # The reader of the first process's output must not wait for this process.
        os.close(1)
        builder = read(lambda: os.write(writing, _BEAT))
        if builder is not None:
            # Numbers without their names, which the other process would have to make once more.
            keys = list(builder.nodes)
            counts = array("I", valuesOf(keys, builder.counts, 1)).tobytes()
            marks = bytes(valuesOf(keys, builder.marks, 0))
            said = (keys, list(builder.nodes.values()), counts, marks, builder.mixed, builder.aliases)
            left = memoryview(marshal.dumps(said, _PLAIN))
            while left:
                written = file.write(left)
                left = left[written:]
            status = 0
    finally:
        # Without what else happens at the end of a process: files would be written twice.
        os._exit(status)


def _add(builder: ImageBuilder, said: mmap) -> None:
    keys: list[bytes]
    octets: list[bytes]
    mixed: set[bytes]
    keys, octets, counted, marked, mixed, aliases = marshal.loads(said)
    counts, marks = array("I", counted), bytearray(marked)
    # One look-up for each name, as each misses the processor's caches.
    kept = map(builder.nodes.setdefault, keys, octets)
    for index in list(compress(range(len(keys)), map(is_not, kept, octets))):
        # The apex, or another name that is in both halves.
        if octets[index]:
            builder.store(keys[index], octets[index], counts[index], marks[index], False)
        counts[index], marks[index] = 1, 0
    builder.counts.update(compress(zip(keys, counts, strict=True), map((1).__ne__, counts)))
    builder.marks.update(compress(zip(keys, marks, strict=True), marks))
    builder.mixed.update(mixed)
    builder.aliases = builder.aliases or aliases
