"""
The audit log: who has changed what over the API or in the console, or tried to, as a JSON object on each line. Wrong passwords and tokens,
which anyone can send, are in a file of their own: they push no change out of the log.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from itertools import islice
from typing import Final

from twisted.application.service import Service
from twisted.logger import Logger

from twisted_ext.files import STATE_FILE, STATE_FOLDER
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.process.jobs.logqueue import LogQueue

__all__ = ["AuditLog"]

_log: Final = Logger(__name__)

#: Octets of a file from which the next one is begun, and how many are kept.
_OCTETS: Final = 10 * 1024 * 1024
_KEPT: Final = 5

#: Entries that are kept in memory.
_NEWEST: Final = 100

#: The status of what has no valid password or token.
_UNAUTHORIZED: Final = 401


class _Rotated:
    """
    A file that gives way to a new one once it is long.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def open(self) -> None:
        """
        @raise OSError: it cannot be opened.
        """
        if self._descriptor < 0:
            os.makedirs(os.path.dirname(self._path), STATE_FOLDER, exist_ok=True)
            self._descriptor = self._opened()

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, STATE_FILE)

    def write(self, text: str) -> None:
        """
        @raise OSError: it cannot be written.
        """
        self.open()
        octets = text.encode("utf-8")
        if os.fstat(self._descriptor).st_size + len(octets) > _OCTETS:
            self._rotate()
        left = memoryview(octets)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def _rotate(self) -> None:
        for number in range(_KEPT - 1, 0, -1):
            older = f"{self._path}.{number - 1}" if number > 1 else self._path
            if os.path.exists(older):
                os.replace(older, f"{self._path}.{number}")
        descriptor, self._descriptor = self._descriptor, self._opened()
        os.close(descriptor)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class _EntryFile:
    """
    A file with entries, and those before it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.file = _Rotated(path)
        # The last entries, which may not be written yet.
        self._newest: deque[str] = deque(maxlen=_NEWEST)
        self.queue = LogQueue(self.file, lambda count: json.dumps({"dropped": count}) + "\n")

    def note(self, entry: Mapping[str, JSON]) -> None:
        line = json.dumps(entry, ensure_ascii=True)
        self._newest.append(line)
        self.queue.write(f"{line}\n")

    def entries(self) -> Iterator[dict[str, JSON]]:
        """
        Read the entries, the newest first.
        """
        newest = list(self._newest)[::-1]
        yield from filter(None, map(_entryIn, newest))
        known = frozenset(newest)
        for number in range(_KEPT):
            try:
                with open(f"{self.path}.{number}" if number else self.path, encoding="utf-8", errors="replace") as file:
                    lines = file.read().splitlines()
            except OSError:
                break
            for line in reversed(lines):
                entry = None if line in known else _entryIn(line)
                if entry is not None:
                    yield entry


class AuditLog(Service):
    """
    Writes the log, in a thread.

    @ivar path: that of the file of changes.
    """

    def __init__(self, folder: str) -> None:
        """
        @param folder: that of the state.
        """
        self._changes, self._refused = _EntryFile(f"{folder}/audit.jsonl"), _EntryFile(f"{folder}/refused.jsonl")
        self.path = self._changes.path

    def startService(self) -> None:
        """
        Begin to write. A file that cannot be opened is tried again with each entry.
        """
        self.running = 1
        try:
            self._changes.file.open()
        except OSError as error:
            _log.error("{path}: {error}; what is changed is not noted there", path=self.path, error=error.strerror or error)
        for each in (self._changes, self._refused):
            each.queue.start()

    def latest(self, most: int, before: float, wanted: Callable[[Mapping[str, JSON]], bool] | None = None) -> list[JSON]:
        """
        Read the latest entries, the newest first. It blocks, and entries of the last moment may be missing.

        @param before: seconds since 1970; later ones are left out.
        @param wanted: says which entries about changes are wanted; by default all are, and wrong passwords and tokens as well.
        """
        kept = (self._changes,) if wanted is not None else (self._changes, self._refused)
        entries = merge(*[each.entries() for each in kept], key=_timeOf, reverse=True)
        return list(islice((each for each in entries if _timeOf(each) < before and (wanted is None or wanted(each))), most))

    def note(self, entry: Mapping[str, JSON]) -> None:
        kept = self._refused if entry.get("status") == _UNAUTHORIZED else self._changes
        kept.note(entry)

    def stopService(self) -> None:
        self.running = 0
        for each in (self._changes, self._refused):
            each.queue.finish()
            each.file.close()


def _timeOf(entry: Mapping[str, JSON]) -> float:
    return float(str(entry["at"]))


def _entryIn(line: str) -> dict[str, JSON] | None:
    """
    Return the entry of a line; L{None} for one that was not written to its end, or is about entries that are missing.
    """
    try:
        entry = json.loads(line)
        return entry if isinstance(entry, dict) and float(entry["at"]) else None
    except (ValueError, KeyError, TypeError):
        return None
