"""
Reads lists and writes the table of their rules, in a child process, so that the server answers meanwhile:
C{python -m twisted_ext.resolver.policy.rules.compiler TABLE FORMER LIST...}. C{FORMER} is the table in force, or empty; each list is as in
L{RuleList}.

A list whose file has not changed since the former table was made is not read again. One that cannot be read, or holds nothing but errors,
keeps the rules that it had in the former table: a download may have failed.

The result is a line of JSON: C{{"lists": [...]}}, each with what L{RuleList} has.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Final

from twisted_ext.errors import BadImage
from twisted_ext.files import STATE_FILE, openNow
from twisted_ext.limits import BLOCK_LIST_OCTETS, BLOCK_NAMES, BLOCK_SECONDS
from twisted_ext.resolver.policy.localanswers import Complaints
from twisted_ext.resolver.policy.rules.listfile import parseList
from twisted_ext.resolver.policy.rules.table import EXCEPT, PolicyTable, RuleList, TableBuilder, stateOf

__all__ = ["compileLists", "main"]

#: How much this process gives way to others: a server on the same processor goes first.
_NICE: Final = 10

#: Nanoseconds. A file that has changed less than these before it is read may change once more without another time.
_SETTLED: Final = 2_000_000_000


class _Unusable(Exception):
    """
    A list cannot be used; the text says why.
    """


def _read(builder: TableBuilder, word: str, number: int, clock: Callable[[], float], now: Callable[[], int]) -> RuleList:
    """
    Add the rules of a list.

    @param clock: the monotonic time in seconds.
    @param now: the time of files in nanoseconds.

    @raise _Unusable: it cannot be read, or has no rules but errors. Nothing has been added then.
    """
    number |= EXCEPT if word.startswith("except:") else 0
    complaints = Complaints()
    before = builder.mark()
    octets, room, seconds = int(BLOCK_LIST_OCTETS.default), int(BLOCK_NAMES.default), BLOCK_SECONDS.default
    end = clock() + seconds
    try:
        with open(RuleList(word).path, "rb", opener=openNow) as file:
            found = os.fstat(file.fileno())
            settled = now() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED
            if found.st_size > octets:
                raise _Unusable(f"has more than {octets} octets")
            for rules in parseList(file, complaints):
                for bits, (names, lines) in rules.items():
                    builder.add(names, number | bits, lines)
                if builder.count > room:
                    raise _Unusable(f"has more names than fit: all lists together may have {room}")
                if clock() > end:
                    # So that the other lists need not wait for it.
                    raise _Unusable(f"takes more than {seconds:g} s to read")
                if file.tell() > octets:
                    raise _Unusable(f"has grown beyond {octets} octets while it was read")
        count = builder.count - before[0]
        if complaints.count and not count:
            raise _Unusable(f"has no name to block: {complaints}")
    except (OSError, ValueError) as error:
        builder.rewind(before)
        raise _Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except _Unusable:
        builder.rewind(before)
        raise
    return RuleList(word, count, complaints.count, str(complaints), state=stateOf(found) if settled else ())


def _isUnchanged(each: RuleList) -> bool:
    """
    Return whether the file of a list that was read is the same.
    """
    with suppress(OSError, ValueError):
        return not each.kept and list(each.state) == list(stateOf(os.stat(each.path)))
    return False


def compileLists(
    path: str,
    former: str,
    words: Sequence[str],
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], int] = time.time_ns,
) -> list[RuleList]:
    """
    Read lists, and write their table to a new file.

    @param former: the path of the table in force, or C{""}.
    @param words: the lists, as in the command line.
    @param now: the time of files in nanoseconds.

    @raise OSError: the table cannot be written.
    """
    before: PolicyTable | None = None
    with suppress(OSError, BadImage):
        before = PolicyTable.map(former) if former else None
    builder = TableBuilder(b"" if before is None else before.key)
    results: list[RuleList] = []
    for number, word in enumerate(words):
        there = -1 if before is None else before.numberOf(word)
        known = RuleList(word) if before is None or there < 0 else before.lists[there]
        if before is None or there < 0 or not _isUnchanged(known):
            try:
                results.append(_read(builder, word, number, clock, now))
                continue
            except _Unusable as error:
                known = RuleList(word, known.names, 0, str(error), True)
        if before is not None and there >= 0:
            builder.copy(before, there, number)
        results.append(known)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, STATE_FILE), "wb") as file:
        for part in builder.pack(results):
            file.write(part)
        # It may be kept for the next start.
        file.flush()
        os.fsync(file.fileno())
    return results


def main(words: Sequence[str]) -> None:
    gc.disable()
    path, former, *lists = words
    if former:
        # Without a former table queries wait for this one.
        with suppress(OSError):
            os.nice(_NICE)
    results = compileLists(path, former, lists)
    sys.stdout.write(json.dumps({"lists": [asdict(each) for each in results]}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
