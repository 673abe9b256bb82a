"""
Run C{twistd} with a full cache, and note how long each garbage collection takes.

    python filled.py NAMES NOTES WORD ...

The words are those of C{twistd}. Before the first query is answered, the cache has the names C{h0.example.test} to C{h<NAMES - 1>}, each
with the address that L{addressOf<benchmarks.loads.addressOf>} gives, packed as after their first query. NOTES is a file that is written
again after each second with collections: the processor time of each in milliseconds, by generation. SIGUSR2 makes a full collection.

It imports the package of its interpreter, and nothing of the benchmarks.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

from twisted.internet import reactor
from twisted.scripts import twistd

from twisted_ext.answers import Answer, Outcome
from twisted_ext.cache.entries import pack
from twisted_ext.cache.store import Store
from twisted_ext.wire.records import RRSet

_SECONDS: Final = 86_400

# It has no types.
_run: Final[Callable[[], None]] = twistd.run


class Notes:
    """
    What collections took.

    @ivar found: by generation, milliseconds of each.
    """

    def __init__(self, path: str) -> None:
        self.found: dict[str, list[float]] = {}
        self._path = path
        self._began = 0.0
        self._changed = True

    def note(self, phase: str, info: dict[str, int]) -> None:
        """
        Take what the collector reports. On a machine with other load only the time that this thread had counts.
        """
        if phase == "start":
            self._began = time.thread_time()
            return
        took = time.thread_time() - self._began
        self.found.setdefault(str(info["generation"]), []).append(round(took * 1000, 4))
        self._changed = True

    def write(self) -> None:
        """
        Write them, and again after each second.
        """
        reactor.callLater(1, self.write)
        if self._changed:
            self._changed = False
            with open(f"{self._path}.new", "w") as file:
                json.dump({"pauses": self.found, "objects": len(gc.get_objects()), "frozen": gc.get_freeze_count()}, file)
            os.replace(f"{self._path}.new", self._path)


def _storeOf() -> Store | None:
    found = [each for each in gc.get_objects() if isinstance(each, Store)]
    return found[0] if found else None


def fill(store: Store, names: int) -> None:
    """
    Put the names into the cache.
    """
    now = reactor.seconds()
    rrset = RRSet(b"\x01h\x07example\x04test\x00", 1, 1, _SECONDS, (bytes(4),))
    key = rrset.name + b"\x00\x01\x00\x01"
    head = pack(key, Answer(Outcome.DATA, (rrset,), flags=0x8180), ((rrset,), (), ()), now, _SECONDS, store.servers)[:-4]
    for number in range(names):
        label = b"h%d" % number
        address = bytes((10, number >> 16 & 255, number >> 8 & 255, number & 255))
        store.restore(b"%c%b\x07example\x04test\x00\x00\x01\x00\x01" % (len(label), label), head + address)


def main() -> None:
    """
    Run the server.
    """
    names = int(sys.argv[1])
    notes = Notes(sys.argv[2])
    sys.argv[1:] = sys.argv[3:]

    def begin() -> None:
        # Objects that exist when the server starts are left out of collections, and not found afterwards.
        store = _storeOf()
        reactor.callLater(0, go, store)

    def go(store: Store | None) -> None:
        if store is not None:
            fill(store, names)
        gc.callbacks.append(notes.note)
        signal.signal(signal.SIGUSR2, lambda number, frame: gc.collect() and None)
        notes.write()

    reactor.callWhenRunning(begin)
    _run()


if __name__ == "__main__":
    main()
