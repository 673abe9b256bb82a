"""
Reads block lists and writes their table, in a child process, so that the server answers meanwhile:
C{python -m twisted_ext.resolver.blocking.compiler TABLE FORMER LIST...}. C{FORMER} is the table in force, or empty; each list is
C{block:PATH} or C{except:PATH}.

A list that cannot be read, or holds nothing but errors, keeps the names that it had in the former table: a download may have failed.

The result is a line of JSON: C{{"names": …, "lists": [{"list": "block:PATH", "names": …, "wrong": …, "said": …, "kept": false}, …]}}.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from time import monotonic
from typing import Final

from twisted_ext.errors import BadImage
from twisted_ext.files import STATE_FILE, openNow
from twisted_ext.limits import BLOCK_LIST_OCTETS, BLOCK_NAMES, BLOCK_SECONDS
from twisted_ext.resolver.blocking.listfile import parseList
from twisted_ext.resolver.blocking.table import BELOW, EXCEPT, BlockTable, TableBuilder
from twisted_ext.resolver.policy.localanswers import Complaints

__all__ = ["ReadList", "compileLists", "main"]

#: How much this process gives way to others: a server on the same processor goes first.
_NICE: Final = 10


@dataclass(slots=True, eq=False)
class ReadList:
    """
    What became of a list.

    @ivar list: as given.
    @ivar names: how many it has.
    @ivar wrong: how many of its lines block no name.
    @ivar said: the first of them, or why it could not be used.
    @ivar kept: whether these are the names that it had before.
    """

    list: str
    names: int = 0
    wrong: int = 0
    said: str = ""
    kept: bool = False


class _Unusable(Exception):
    """
    A list cannot be used; the text says why.
    """


def _read(builder: TableBuilder, word: str, number: int, clock: Callable[[], float]) -> ReadList:
    """
    Add the names of a list.

    @param clock: the monotonic time in seconds.

    @raise _Unusable: it cannot be read, or has no names but errors. Nothing has been added then.
    """
    kind, _, path = word.partition(":")
    exception = EXCEPT if kind == "except" else 0
    complaints = Complaints()
    before = builder.mark()
    octets, room, seconds = int(BLOCK_LIST_OCTETS.default), int(BLOCK_NAMES.default), BLOCK_SECONDS.default
    end = clock() + seconds
    try:
        with open(path, "rb", opener=openNow) as file:
            if os.fstat(file.fileno()).st_size > octets:
                raise _Unusable(f"has more than {octets} octets")
            for names in parseList(file, complaints):
                builder.add(names.alone, number | exception)
                builder.add(names.below, number | exception | BELOW)
                builder.add(names.excepted, number | EXCEPT | BELOW)
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
    return ReadList(word, count, complaints.count, str(complaints))


def compileLists(path: str, former: str, words: Sequence[str], clock: Callable[[], float] = monotonic) -> dict[str, object]:
    """
    Read lists, and write their table to a new file.

    @param former: the path of the table in force, or C{""}.
    @param words: the lists, as in the command line.

    @return: the result, for JSON.

    @raise OSError: the table cannot be written.
    """
    before: BlockTable | None = None
    with suppress(OSError, BadImage):
        before = BlockTable.map(former) if former else None
    builder = TableBuilder(b"" if before is None else before.key)
    results: list[ReadList] = []
    for number, word in enumerate(words):
        try:
            results.append(_read(builder, word, number, clock))
        except _Unusable as error:
            kept = 0 if before is None else builder.copy(before, word, number)
            results.append(ReadList(word, kept, 0, str(error), True))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, STATE_FILE), "wb") as file:
        for part in builder.pack(words):
            file.write(part)
        # It may be kept for the next start.
        file.flush()
        os.fsync(file.fileno())
    return {"names": sum([each.names for each in results]), "lists": [asdict(each) for each in results]}


def main(words: Sequence[str]) -> None:
    gc.disable()
    path, former, *lists = words
    if former:
        # Without a former table queries wait for this one.
        with suppress(OSError):
            os.nice(_NICE)
    sys.stdout.write(json.dumps(compileLists(path, former, lists)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
