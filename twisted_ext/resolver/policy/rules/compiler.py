"""
The child process that reads block lists and writes the table of their rules, while the server goes on answering:
C{python -m twisted_ext.resolver.policy.rules.compiler}. Its input is JSON: C{{"table": PATH, "former": PATH, "lists": [...], "copies":
{...}, "lines": {...}}}. C{former} is the table in force, or empty; the lists are as in L{RuleList}, C{copies} has path and digest of the
copy of each list that is fetched, and C{lines} the lines of those in the settings.

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
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from hashlib import blake2b
from io import BytesIO
from types import MappingProxyType
from typing import Any, BinaryIO, Final

from twisted_ext.errors import BadImage
from twisted_ext.files import STATE_FILE, openNow, stateIn
from twisted_ext.limits import BLOCK_LIST_OCTETS, BLOCK_NAMES, BLOCK_SECONDS
from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.listfile import parseList
from twisted_ext.resolver.policy.rules.table import DAMAGED, EXCEPT, IN_SETTINGS, PolicyTable, RuleList, TableBuilder

__all__ = ["Unusable", "compileLists", "digestOf", "isUnchanged", "lastingState", "main", "packLists", "report", "writeTable"]

#: Octets of the digest of a copy.
_DIGEST: Final = 16

#: Octets read at once.
_PIECE: Final = 1 << 20

#: No list was fetched, or is in the settings.
_NONE: Final[Mapping[str, Sequence[str]]] = MappingProxyType({})

#: Nanoseconds. A file that has changed less than these before it is read may change once more without another time.
_SETTLED: Final = 2_000_000_000


class Unusable(Exception):
    """
    A list cannot be used; the text says why.
    """


def digestOf(file: BinaryIO) -> str:
    """
    Return the digest of a file that was fetched.
    """
    digest = blake2b(digest_size=_DIGEST)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _readFile(
    builder: TableBuilder, word: str, path: str, digest: str, number: int, clock: Callable[[], float], now: Callable[[], int]
) -> RuleList:
    """
    Add the rules of a list in a file.

    @param digest: what the file has to have; C{""} if that is not known.
    @param clock: the monotonic time in seconds.
    @param now: the time of files in nanoseconds.

    @raise Unusable: it cannot be read, or has no rules but errors. Nothing has been added then.
    """
    try:
        with open(path, "rb", opener=openNow) as file:
            found = os.fstat(file.fileno())
            if digest and digestOf(file) != digest:
                raise Unusable(DAMAGED)
            file.seek(0)
            most = int(BLOCK_LIST_OCTETS.default)
            if found.st_size > most:
                raise Unusable(f"has more than {most} octets")
            # A copy never changes.
            return _read(builder, word, file, number, clock, stateIn(found) if digest else lastingState(found, now))
    except (OSError, ValueError) as error:
        raise Unusable(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _read(
    builder: TableBuilder, word: str, file: BinaryIO, number: int, clock: Callable[[], float], state: tuple[int, ...]
) -> RuleList:
    """
    Add the rules of a list.

    @raise Unusable: it has no rules but errors, or too much. Nothing has been added then.
    @raise OSError: it cannot be read. Nothing has been added then.
    """
    number |= EXCEPT if word.startswith("except:") else 0
    mayRewrite = word.startswith("rewrite:")
    complaints = Complaints()
    before = builder.mark()
    most, room, seconds = int(BLOCK_LIST_OCTETS.default), int(BLOCK_NAMES.default), BLOCK_SECONDS.default
    end = clock() + seconds
    try:
        for rules in parseList(file, complaints):
            for bits, (names, lines) in rules.plain.items():
                builder.add(names, number | bits, lines)
            for name, bits, line, condition in rules.conditional:
                if condition.rewrite is not None and not mayRewrite:
                    complaints.add(line, f"gives {name.decode('ascii')} another answer, which this list may not: see rewrite of [[list]]")
                elif not builder.addConditional(name, number | bits, line, condition):
                    what = "expression too many" if condition.expression else f"rule too many with conditions for {name.decode('ascii')}"
                    complaints.add(line, f"is one {what}")
            if builder.count > room:
                raise Unusable(f"has more names than fit: all lists together may have {room}")
            if clock() > end:
                # So that the other lists need not wait for it.
                raise Unusable(f"takes more than {seconds:g} s to read")
            if file.tell() > most:
                raise Unusable(f"has grown beyond {most} octets while it was read")
        count = builder.count - before[0]
        if complaints.count and not count:
            raise Unusable(f"has no name to block: {complaints}")
    except BaseException:
        builder.rewind(before)
        raise
    return RuleList(word, count, complaints.count, str(complaints), state=state)


def lastingState(found: os.stat_result, now: Callable[[], int]) -> tuple[int, ...]:
    """
    Return the state of a file; nothing if it may change and keep it.

    @param now: the time of files in nanoseconds.
    """
    return stateIn(found) if now() - max(found.st_mtime_ns, found.st_ctime_ns) > _SETTLED else ()


def isUnchanged(each: RuleList, path: str) -> bool:
    """
    Return whether the file of a list that was read is the same.
    """
    with suppress(OSError, ValueError):
        return not each.kept and list(each.state) == list(stateIn(os.stat(path)))
    return False


def compileLists(
    path: str,
    former: str,
    words: Sequence[str],
    copies: Mapping[str, Sequence[str]] = _NONE,
    lines: Mapping[str, Sequence[str]] = _NONE,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], int] = time.time_ns,
) -> list[RuleList]:
    """
    Read lists, and write their table to a new file.

    @param former: the path of the table in force, or C{""}.
    @param words: the lists, as in the input; and the copies of those that were fetched, and the lines of those in the settings.
    @param now: the time of files in nanoseconds.

    @raise OSError: the table cannot be written.
    """
    before: PolicyTable | None = None
    with suppress(OSError, BadImage):
        before = PolicyTable.map(former) if former else None
    parts, results = packLists(before, words, copies, lines, clock, now)
    writeTable(path, parts)
    return results


def writeTable(path: str, parts: Sequence[bytes]) -> None:
    """
    Write a table to a new file.

    @raise OSError: that is not possible.
    """
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, STATE_FILE), "wb") as file:
        for part in parts:
            file.write(part)
        # It may be kept for the next start.
        file.flush()
        os.fsync(file.fileno())


def packLists(
    before: PolicyTable | None,
    words: Sequence[str],
    copies: Mapping[str, Sequence[str]] = _NONE,
    lines: Mapping[str, Sequence[str]] = _NONE,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], int] = time.time_ns,
) -> tuple[list[bytes], list[RuleList]]:
    """
    Read lists, and return the octets of their table, in several parts, with what became of each list.

    @param before: the table in force, if there is one. For the other arguments see L{compileLists}.
    """
    builder = TableBuilder(b"" if before is None else before.key)
    results: list[RuleList] = []
    for number, word in enumerate(words):
        there = -1 if before is None else before.numberOf(word)
        known = RuleList(word) if before is None or there < 0 else before.lists[there]
        place, digest = copies.get(word, (known.path, ""))
        if before is None or there < 0 or not (word in lines or isUnchanged(known, place)):
            try:
                if word in lines:
                    text = BytesIO("\n".join(lines[word]).encode("utf-8"))
                    results.append(_read(builder, word, text, number, clock, IN_SETTINGS))
                else:
                    results.append(_readFile(builder, word, place, digest, number, clock, now))
                continue
            except Unusable as error:
                known = RuleList(word, known.names, 0, str(error), True)
        if before is not None and there >= 0:
            builder.copy(before, there, number)
        results.append(known)
    return builder.pack(results), results


def report(results: Sequence[RuleList]) -> None:
    sys.stdout.write(json.dumps({"lists": [asdict(each) for each in results]}) + "\n")


def main(job: Mapping[str, Any]) -> None:
    gc.disable()
    report(compileLists(job["table"], job["former"], job["lists"], job["copies"], job["lines"]))


if __name__ == "__main__":
    main(json.load(sys.stdin))
