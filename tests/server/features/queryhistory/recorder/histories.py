"""
Rows, and histories of them, for tests.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from twisted_ext.server.features.queryhistory.recorder.rows import STATUSES, Row, reversedName
from twisted_ext.server.features.queryhistory.recorder.segments import Writer, finish
from twisted_ext.wire.names import nameFromText

__all__ = ["BEGIN", "historyOf", "hit", "rowOf", "told", "wireOf"]

#: When the first row was answered, in seconds since 1970.
BEGIN: Final = 1_700_000_000


def rowOf(name: str = "www.example", at: float = BEGIN, *, status: str = "local", **others: object) -> Row:
    """
    Return a row.

    @param status: one of L{STATUSES}.
    @param others: its other attributes.
    """
    kept = reversedName(nameFromText(name))
    row = Row(int(at * 1_000_000), "192.0.2.7", kept, 1, 0, "", 0, "", "", "", STATUSES.index(status), 0, alias="")
    values: dict[str, Any] = others
    return row._replace(**values)


def historyOf(folder: Path, *segments: list[Row], isOpen: bool = False) -> list[Path]:
    """
    Write files with these rows.

    @param isOpen: whether the last one is left as a process leaves it that is killed.

    @return: their paths.
    """
    paths: list[Path] = []
    for number, rows in enumerate(segments, 1):
        writer = Writer(str(folder), BEGIN)
        writer.write(rows)
        path = writer.close()
        if number < len(segments) or not isOpen:
            assert finish(path)
        paths.append(Path(path))
    return paths


def wireOf(name: str, rrType: int = 1) -> bytes:
    """
    Return a query as octets.
    """
    return bytes(12) + nameFromText(name) + rrType.to_bytes(2, "big") + b"\0\1"


def hit(*names: str, view: str = "", blocked: tuple[int, ...] = (), rcode: int = 0, client: str = "192.0.2.7") -> tuple[object, ...]:
    """
    Return what is told of queries that the packet cache has answered together.
    """
    count = len(names)
    queries, replies = [wireOf(name) for name in names], count * [bytes([129, 128 + rcode])]
    return ("h", float(BEGIN), "udp", queries, replies, count * [client], count * [view], [*blocked])


def told(name: str, **others: object) -> tuple[object, ...]:
    """
    Return what is told of another query.
    """
    said: dict[str, object] = {"at": float(BEGIN), "micros": 1500, "transport": "udp", "client": "192.0.2.7", "view": ""}
    said |= {"name": nameFromText(name), "type": 1, "rcode": 0, "ede": "", "status": "forwarded", "server": "192.0.2.53:53"}
    said |= {"rule": "", "security": "", "aliases": []}
    return ("r", *(said | others).values())
