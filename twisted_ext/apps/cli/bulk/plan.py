"""
How the work of C{txdns bulk} is divided into partitions, and what of it is left.

Each partition of the input becomes one file in the output folder, whose name is made of its number and which appears whole. So what is
there is done, whoever has done it: the same command goes on after any process was killed, and a partition that was done twice is there
once.

A partition is a task of any engine that calls functions: what it publishes is there whole, under its own name, or not at all.

A partition has lines of text, cut at octets, or rows of a column of a Parquet file.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from io import BytesIO
from time import perf_counter, process_time, sleep
from typing import TYPE_CHECKING, Final

import fsspec
from fsspec.implementations.local import LocalFileSystem

from twisted_ext._version import __version__
from twisted_ext.apps.cli.bulk.input import BYTE_ORDER_MARK, lineText
from twisted_ext.apps.cli.bulk.resume import hold
from twisted_ext.apps.cli.bulk.workerlookups import engineFor
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.files import replacingFile
from twisted_ext.limits import BULK_LINE
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pyarrow import ChunkedArray

__all__ = [
    "ENDINGS",
    "LINES",
    "OCTETS",
    "ORDER",
    "PARQUET",
    "ROWS",
    "Done",
    "Folder",
    "InputFile",
    "NoReply",
    "Order",
    "Partition",
    "RunFailed",
    "expectUnchanged",
    "inputFile",
    "installedVersion",
    "namesIn",
    "parquetOf",
    "publish",
    "resolvePartition",
]

#: The file that says which input and options a folder of partitions belongs to. Tools that read such folders skip names that begin with
#: an underscore.
ORDER: Final = "_run.json"

LINES: Final = "lines"
PARQUET: Final = "parquet"

#: What the files of each format end in.
ENDINGS: Final = {LINES: ".jsonl", PARQUET: ".parquet"}


#: Rows of a Parquet file in one partition: a tenth of a second of work, of which a worker that dies loses one. With five times as many a
#: name costs the same.
ROWS: Final = 10_000

#: Octets of lines in one partition, for as many names.
OCTETS: Final = 1 << 18

#: The first octets of files that cannot be read from the middle, and how to unpack them.
_PACKED: Final = {b"\x1f\x8b": "zcat", b"\x28\xb5\x2f\xfd": "zstdcat", b"\xfd7zXZ": "xzcat", b"BZh": "bzcat"}


#: What tells in fsspec's file systems whether a file is still the same, the most reliable first.
_TAGS: Final = ("ETag", "etag", "mtime", "last_modified", "LastModified", "Last-Modified", "created")

#: Errors of the output that the next partition would meet as well.
_LASTING: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EFBIG}
)

#: Seconds before each further attempt to write a partition.
_PAUSES: Final = (0.2, 2.0)


@dataclass(frozen=True, slots=True)
class InputFile:
    """
    A file of names.

    @ivar path: a path or URL.
    @ivar format: L{LINES} or L{PARQUET}.
    @ivar size: its rows, or octets for lines.
    @ivar step: how many of these are in a partition.
    @ivar changed: what tells whether it is still the same: its octets, and its tag or time.
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
        files.invalidate_cache()
        about = files.info(place)
        changed = _stamp(about)
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


def _stamp(about: Mapping[str, object]) -> str:
    return f"{about['size']} octets, {next((about[key] for key in _TAGS if about.get(key)), 'no time')}"


def expectUnchanged(file: InputFile) -> None:
    """
    Check that a file is what it was when the run was begun: its partitions would leave out names of another one, or repeat them.

    @raise RunFailed: it is not.
    @raise OSError: it cannot be read.
    """
    files, place = fsspec.core.url_to_fs(file.path)
    files.invalidate_cache()
    try:
        about = files.info(place)
    except FileNotFoundError:
        raise RunFailed(f"{file.path} is gone, or not there for all workers; restore it, then the same command goes on") from None
    if _stamp(about) != file.changed:
        raise _changed(file)


def _changed(file: InputFile) -> RunFailed:
    # If the file is restored, nothing of the other one may be left here.
    _group.cache_clear()
    _groupsOf.cache_clear()
    return RunFailed(f"{file.path} has changed since the run began; restore it, or choose a new folder for what it is now")


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

    @raise RunFailed: it is not the file that was divided.
    @raise OSError: it cannot be read.
    """
    try:
        if file.format == PARQUET:
            return _rows(file, first, count)
        return [line for line in _lines(file, first, count) if line and not line.startswith("#")]
    finally:
        # Only now: it may have been changed while it was read, which is the reason of any error then.
        expectUnchanged(file)


def _lines(file: InputFile, first: int, count: int) -> list[str]:
    most = int(BULK_LINE.default)
    files, place = fsspec.core.url_to_fs(file.path)
    with files.open(place, "rb") as source:
        before = b"\n"
        if first:
            source.seek(first - 1)
            before = source.read(1)
        octets = source.read(count)
        if len(octets) != count:
            raise _changed(file)
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
    if lines and not first:
        lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
    return [lineText(line[:most].strip()) for line in lines]


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
    if len(names) != count:
        raise _changed(file)
    return names


def installedVersion() -> str:
    """
    Return the version of this package in the process that calls this.
    """
    return __version__


class NoReply(Exception):
    """
    No name of a partition got a reply. It is not published, since it would count as done.
    """


class RunFailed(Exception):
    """
    No partition of a run can be done any more, so to try others would only repeat look-ups.
    """


@dataclass(frozen=True, slots=True)
class Done:
    """
    What has become of a partition.

    @ivar names: how many it has; 0 if it was there already.
    @ivar cpu: processor time of the worker, in seconds.
    """

    number: int
    names: int
    answered: int
    seconds: float
    cpu: float


def resolvePartition(partition: Partition) -> Done:
    """
    Look up the names of a partition, and publish the result. The reactor runs in a thread from the first call on, so that a process that is
    forked later cannot call this: start processes with C{spawn}.

    @raise NoReply: none got a reply.
    @raise RunFailed: the input has changed, or the output cannot be written.
    @raise OSError: the input cannot be read.
    """
    began, spent = perf_counter(), process_time()
    files, place = fsspec.core.url_to_fs(partition.output)
    if files.exists(place):
        # A worker that was taken for dead has published it.
        return Done(partition.number, 0, 0, 0.0, 0.0)
    names = namesIn(partition.input, partition.first, partition.count)
    isParquet = partition.format == PARQUET
    engine = engineFor(partition.target, partition.window)
    batch = engine.resolve(names, partition.rrType, partition.seconds, partition.rate, partition.rateServer)
    if batch.unreached is not None and not batch.answered:
        raise NoReply(str(batch.unreached))
    _publishPatiently(partition.output, parquetOf(batch.lines) if isParquet else "".join(batch.lines).encode("ascii"))
    return Done(partition.number, len(names), batch.answered, perf_counter() - began, process_time() - spent)


def parquetOf(lines: Sequence[str]) -> bytes:
    """
    Return lines of output as a Parquet file, with a column for each of their fields.
    """
    import pyarrow
    from pyarrow.json import ParseOptions, ReadOptions, read_json
    from pyarrow.parquet import write_table

    text = pyarrow.string()
    errors = pyarrow.list_(pyarrow.struct([("code", pyarrow.int64()), ("name", text), ("text", text)]))
    columns = [("name", text), ("type", text), ("rcode", text), ("ttl", pyarrow.int64()), ("data", pyarrow.list_(text))]
    columns += [("aliases", pyarrow.list_(text)), ("error", text), ("kind", text), ("errors", errors)]
    schema = pyarrow.schema(columns)
    made = BytesIO()
    if lines:
        octets = "".join(lines).encode("ascii")
        # Other threads would take the cores of other workers.
        options = ReadOptions(use_threads=False, block_size=len(octets) + 1)
        table = read_json(BytesIO(octets), read_options=options, parse_options=ParseOptions(explicit_schema=schema))
        table = table.select(schema.names)
    else:
        table = schema.empty_table()
    write_table(table, made, compression="zstd")
    return made.getvalue()


@dataclass(frozen=True, slots=True)
class Partition:
    """
    A part of the input, and what to do with it: all that a worker gets.

    @ivar number: its place in the input, from 0 on.
    @ivar first: the first row, or octet for lines.
    @ivar count: how many of these.
    @ivar output: the file that it becomes: a path or URL.
    @ivar target: the server or description after C{@}, or C{""}.
    @ivar seconds: the timeout of each look-up; L{None} for the default, as with C{window} and C{rate}.
    @ivar rate: look-ups that this partition may begin in a second.
    @ivar rateServer: queries that it may send to each server in a second.
    """

    number: int
    input: InputFile
    first: int
    count: int
    output: str
    format: str
    rrType: int
    target: str
    seconds: float | None = None
    window: int | None = None
    rate: float | None = None
    rateServer: float | None = None

    @property
    def text(self) -> str:
        return f"partition {self.number} ({self.input.rangeOf(self.first, self.count)})"


@dataclass(frozen=True, slots=True)
class Order:
    """
    What is to be done, without where the result goes.

    @ivar format: L{LINES} or L{PARQUET}.
    """

    input: InputFile
    format: str
    rrType: int
    target: str
    seconds: float | None = None
    window: int | None = None

    @property
    def partitions(self) -> int:
        return -(-self.input.size // self.input.step)

    def of(self, number: int, output: str, rate: float | None = None, rateServer: float | None = None) -> Partition:
        step = self.input.step
        first = number * step
        count = min(step, self.input.size - first)
        return Partition(
            *(number, self.input, first, count, output, self.format, self.rrType, self.target),
            *(self.seconds, self.window, rate, rateServer),
        )

    def toJSON(self) -> dict[str, object]:
        """
        Return what the rows of the output depend on. The servers are not among it: a run may go on with others.
        """
        # The format is that of the output: inputs of another one have another step.
        return {"type": typeName(self.rrType), **asdict(self.input), "format": self.format}


class Folder:
    """
    The output folder of a run, on a disk or wherever fsspec reaches.
    """

    def __init__(self, path: str) -> None:
        """
        @param path: a path or URL.

        @raise ExitError: it cannot be used.
        """
        self.path = path
        try:
            files, root = fsspec.core.url_to_fs(path)
            files.makedirs(root, exist_ok=True)
        except (ValueError, ImportError, OSError) as error:
            raise ExitError(BATCH, f"--output {path}: {error}; write the name of a folder") from error
        self._files: AbstractFileSystem = files
        self._root = root.rstrip("/")
        self._lock: int | None = None

    def begin(self, order: Order) -> None:
        """
        Begin a run here, or go on with it.

        @raise ExitError: the folder has the output of another run, or another process is writing to it.
        """
        path = f"{self._root}/{ORDER}"
        wanted = order.toJSON()
        try:
            if self.isLocal:
                self._lock = os.open(self._root, os.O_RDONLY)
                hold(self._lock)
            if self._files.exists(path):
                there = json.loads(self._files.cat_file(path))
                if there != wanted:
                    raise ExitError(BATCH, f"{self.path} belongs to another run ({_difference(there, wanted)}); choose a new folder")
            elif any(self._files.ls(self._root, detail=False)):
                raise ExitError(BATCH, f"{self.path} has other files in it; choose a new folder")
            else:
                publish(f"{self.path.rstrip('/')}/{ORDER}", json.dumps(wanted, indent=1).encode())
        except (OSError, ValueError) as error:
            raise ExitError(BATCH, f"--output {self.path}: {getattr(error, 'strerror', None) or error}") from error

    @property
    def isLocal(self) -> bool:
        return isinstance(self._files, LocalFileSystem)

    def outputOf(self, number: int, format: str) -> str:
        return f"{self.path.rstrip('/')}/part-{number:06d}{ENDINGS[format]}"

    def left(self, order: Order) -> Iterator[int]:
        """
        Return the numbers of the partitions that are not done; unfinished files of killed processes are removed.
        """
        done: set[str] = set()
        self._files.invalidate_cache()
        for path in self._files.ls(self._root, detail=False):
            name = str(path).rpartition("/")[2]
            if name.startswith("."):
                self._files.rm_file(path)
            done.add(name)
        return iter([number for number in range(order.partitions) if self.outputOf(number, order.format).rpartition("/")[2] not in done])

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _difference(there: object, wanted: dict[str, object]) -> str:
    """
    Return in what a run differs from the one that a folder is of.
    """
    if not isinstance(there, dict):
        return f"{ORDER} is damaged"
    others = [f"{key} {there.get(key)}, not {value}" for key, value in wanted.items() if there.get(key) != value]
    return ", ".join(others) or "other settings"


def publish(path: str, octets: bytes) -> None:
    """
    Write a file that appears whole.

    @raise OSError: it cannot be written.
    """
    files, place = fsspec.core.url_to_fs(path)
    if not isinstance(files, LocalFileSystem):
        # Object stores show an object when all of it is there.
        files.pipe_file(place, octets)
        return
    with replacingFile(place) as file:
        file.write(octets)


def _publishPatiently(path: str, octets: bytes) -> None:
    """
    Publish a partition, in several attempts if the error may pass: a new attempt at the whole partition would repeat its look-ups.

    @raise RunFailed: it cannot be written.
    """
    pauses = iter(_PAUSES)
    while True:
        try:
            publish(path, octets)
            return
        # Object stores have errors of their own.
        except Exception as error:
            pause = None if isinstance(error, OSError) and error.errno in _LASTING else next(pauses, None)
            if pause is None:
                said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
                raise RunFailed(f"{path} cannot be written: {said}; the same command goes on when it can") from error
        sleep(pause)
