"""
What C{txdns bulk} reads in partitions: lines of text, cut at octets, and a column of a Parquet file, cut at rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import fsspec

from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.limits import BULK_LINE

if TYPE_CHECKING:
    from pyarrow import ChunkedArray

__all__ = ["LINES", "OCTETS", "PARQUET", "ROWS", "InputFile", "inputFile", "namesIn"]

LINES: Final = "lines"
PARQUET: Final = "parquet"

#: Rows of a Parquet file in one partition: a tenth of a second of work, of which a worker that dies loses one. With five times as many a
#: name costs the same.
ROWS: Final = 10_000

#: Octets of lines in one partition, for as many names.
OCTETS: Final = 1 << 18

#: The first octets of files that cannot be read from the middle, and how to unpack them.
_PACKED: Final = {b"\x1f\x8b": "zcat", b"\x28\xb5\x2f\xfd": "zstdcat", b"\xfd7zXZ": "xzcat", b"BZh": "bzcat"}


@dataclass(frozen=True, slots=True)
class InputFile:
    """
    A file of names.

    @ivar path: a path or URL.
    @ivar format: L{LINES} or L{PARQUET}.
    @ivar size: its rows, or octets for lines.
    @ivar step: how many of these are in a partition.
    @ivar changed: what tells whether it is still the same: its time or tag.
    @ivar column: the column of names; C{""} for lines.
    """

    path: str
    format: str
    size: int
    step: int
    changed: str
    column: str = ""

    def rangeOf(self, first: int, count: int) -> str:
        """
        Return a part of it in words.
        """
        return f"{'rows' if self.format == PARQUET else 'octets'} {first:,} to {first + count - 1:,} of {self.path}"


def inputFile(path: str, column: str) -> InputFile:
    """
    @param column: the column of names in a Parquet file.

    @raise ExitError: it cannot be read, or not in partitions.
    """
    try:
        files, place = fsspec.core.url_to_fs(path)
        about = files.info(place)
        changed = str(next((about[key] for key in ("ETag", "etag", "mtime", "created", "LastModified") if about.get(key)), ""))
        with files.open(place, "rb") as file:
            start = file.read(8)
            for octets, tool in _PACKED.items():
                if start.startswith(octets):
                    said = f"{path}: a packed file cannot be divided; unpack it first: {tool} {path} > names.txt"
                    raise ExitError(BATCH, said)
            if not start.startswith(b"PAR1"):
                return InputFile(path, LINES, int(about["size"]), OCTETS, changed)
            return InputFile(path, PARQUET, _rowsOf(file, path, column), ROWS, changed, column)
    except (OSError, ValueError, ImportError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise ExitError(BATCH, f"{path}: {said}; write a file with one name per line, or a Parquet file") from error


def _rowsOf(file: object, path: str, column: str) -> int:
    from pyarrow import types
    from pyarrow.parquet import ParquetFile

    parquet = ParquetFile(file)
    schema = parquet.schema_arrow
    if column not in schema.names:
        have = "has columns" if len(schema.names) > 1 else "has the column"
        first = schema.names[0] if schema.names else "NAME"
        raise ExitError(BATCH, f"{path} {have} {', '.join(schema.names)}; write --column {first}")
    kind = schema.field(column).type
    if types.is_dictionary(kind):
        kind = kind.value_type
    if not (types.is_string(kind) or types.is_large_string(kind)):
        raise ExitError(BATCH, f"{path}: column {column} has {kind}; names are text")
    return int(parquet.metadata.num_rows)


def namesIn(file: InputFile, first: int, count: int) -> list[str]:
    """
    Return the names of one partition: the rows, or those lines that begin in it. Blank lines and comments are left out.

    @raise OSError: it cannot be read.
    """
    if file.format == PARQUET:
        return _rows(file, first, count)
    return [line for line in _lines(file.path, first, count) if line and not line.startswith("#")]


def _lines(path: str, first: int, count: int) -> list[str]:
    most = int(BULK_LINE.default)
    files, place = fsspec.core.url_to_fs(path)
    with files.open(place, "rb") as source:
        before = b"\n"
        if first:
            source.seek(first - 1)
            before = source.read(1)
        octets = source.read(count)
        rest = b""
        if not octets.endswith(b"\n"):
            # The last line goes on in the next partition.
            while b"\n" not in rest and len(rest) <= most and (more := source.read(256)):
                rest += more
            rest = rest[: rest.index(b"\n") + 1] if b"\n" in rest else rest
    if before != b"\n":
        # The line that this partition begins in belongs to the one before.
        octets = octets[octets.index(b"\n") + 1 :] if b"\n" in octets else b""
        if not octets:
            return []
    lines = (octets + rest).split(b"\n")
    if not lines[-1]:
        del lines[-1]
    return [line[:most].strip().decode("utf-8", "surrogateescape") for line in lines]


@lru_cache(1)
def _group(path: str, changed: str, number: int, column: str) -> ChunkedArray:
    """
    Return a column of a row group, which the next partition may need again.
    """
    from pyarrow.parquet import ParquetFile

    files, place = fsspec.core.url_to_fs(path)
    with files.open(place, "rb") as source:
        return ParquetFile(source).read_row_group(number, columns=[column]).column(0)


@lru_cache(1)
def _groupsOf(path: str, changed: str) -> list[int]:
    """
    Return the number of rows in each row group.
    """
    from pyarrow.parquet import ParquetFile

    files, place = fsspec.core.url_to_fs(path)
    with files.open(place, "rb") as source:
        about = ParquetFile(source).metadata
    return [about.row_group(number).num_rows for number in range(about.num_row_groups)]


def _rows(file: InputFile, first: int, count: int) -> list[str]:
    names: list[str] = []
    begin = 0
    for number, rows in enumerate(_groupsOf(file.path, file.changed)):
        skipped = max(first - begin, 0)
        if skipped < rows and begin < first + count:
            part = _group(file.path, file.changed, number, file.column).slice(skipped, first + count - begin - skipped)
            names += [name or "" for name in part.to_pylist()]
        begin += rows
    return names
