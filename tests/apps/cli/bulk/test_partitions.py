"""
Tests of how C{txdns bulk} divides its input and publishes partitions, with sources in place of servers.
"""

from __future__ import annotations

import errno
import io
import json
import os
import pickle
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import fsspec
import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow.parquet import read_table, write_table
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_ext.apps.cli.bulk import plan, workerlookups
from twisted_ext.apps.cli.bulk.plan import (
    LINES,
    PARQUET,
    Folder,
    InputFile,
    NoReply,
    Order,
    RunFailed,
    inputFile,
    namesIn,
    parquetOf,
    publish,
    resolvePartition,
)
from twisted_ext.apps.cli.bulk.workerlookups import Batch
from twisted_ext.apps.cli.terminal.exits import BATCH, ExitError
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.limits import BULK_LINE
from twisted_ext.ratecontrol import Window
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.rrtypes import A

_LINES = st.lists(st.text(st.sampled_from("ab.# \u00fc"), max_size=30), max_size=20)


class LocalEngine:
    """
    Looks names up in this process.
    """

    def __init__(self, source: IAnswerSource) -> None:
        self.source = source
        self.asked: list[str] = []

    def resolve(
        self, names: list[str], rrType: int, seconds: float | None, rate: float | None, rateServer: float | None
    ) -> Batch:
        self.asked += names
        clock = Clock()
        batch = Batch(clock, self.source, names, rrType, window=Window(), seconds=seconds, rate=rate)
        assert rateServer is None
        done: Deferred[None] = batch.begin()
        for _ in range(1000):
            clock.advance(0.1)
            if done.called:
                return batch
        raise AssertionError("not done")


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """
    Let partitions be looked up in this process.
    """
    local = LocalEngine(CannedSource(otherwise="192.0.2.1"))
    monkeypatch.setattr(plan, "engineFor", lambda target, window: local)
    return local


def orderFor(path: Path, *, step: int, column: str = "name", format: str = "") -> Order:
    """
    @param step: octets or rows of a partition.
    """
    with patch.object(plan, "ROWS", step), patch.object(plan, "OCTETS", step):
        found = inputFile(str(path), column)
    return Order(found, format or found.format, A, "192.0.2.53")


def allNames(order: Order) -> list[str]:
    """
    Return the names of all partitions.
    """
    partitions = [order.of(number, "") for number in range(order.partitions)]
    return [name for partition in partitions for name in namesIn(order.input, partition.first, partition.count)]


def rowsOf(folder: Path) -> list[dict[str, object]]:
    """
    Return all rows of an output folder.
    """
    rows: list[dict[str, object]] = []
    for path in sorted(folder.iterdir()):
        if path.suffix == ".parquet":
            rows += read_table(path).to_pylist()
        elif path.suffix == ".jsonl":
            rows += [json.loads(line) for line in path.read_text().splitlines()]
    return rows


@given(_LINES, st.booleans(), st.integers(1, 80))
def test_eachLineIsInOnePartition(tmp_path_factory: pytest.TempPathFactory, lines: list[str], ends: bool, step: int) -> None:
    """
    Wherever a file is cut, each of its lines is in one partition, whole; blank lines and comments are in none.
    """
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(("\n".join(lines) + ("\n" if ends else "")).encode())
    order = orderFor(path, step=step)
    assert allNames(order) == [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def test_longLines(tmp_path: Path) -> None:
    """
    A line that is too long is cut, as without partitions, and is one line wherever the file is divided.
    """
    most = int(BULK_LINE.default)
    path = tmp_path / "lines"
    path.write_text("a" * (3 * most) + "\nb\n" + "c" * (most - 1) + "\nd")
    for step in (100, most, 10 * most):
        order = orderFor(path, step=step)
        found = allNames(order)
        assert [name[:1] for name in found] == ["a", "b", "c", "d"]
        assert (len(found[0]), len(found[2])) == (most, most - 1)


def test_endlessLine(tmp_path: Path) -> None:
    """
    Of a last line without an end, whatever its size, no more is read than a line may have.
    """
    path = tmp_path / "lines"
    with path.open("wb") as file:
        file.truncate(1 << 20)
    read: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            octets = super().read(size) or b""
            read.append(len(octets))
            return octets

    files = fsspec.filesystem("file")
    order = orderFor(path, step=100)
    with patch.object(type(files), "open", lambda self, path, mode: Counting(path)):
        assert [len(name) for name in namesIn(order.input, 0, 100)] == [int(BULK_LINE.default)]
    assert sum(read) <= 2 * BULK_LINE.default


def test_namesThatAreNotUTF8(tmp_path: Path, looking: LocalEngine) -> None:
    """
    Names that are not UTF-8 stay different names, written as in master files, in lines that every JSON reader takes and in Parquet files;
    a byte order mark is no part of the first name.
    """
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbfw.test\n\xff\xfe.test\n\xfe\xff.test\nb\xc3\xbccher.test\n\xff-\xc3\xbc.test\n\xef\xbb\xbfx.test\n")
    names = ["w.test", "\\255\\254.test", "\\254\\255.test", "b\u00fccher.test", "\\255-\u00fc.test", "\ufeffx.test"]
    for format in (LINES, PARQUET):
        out = tmp_path / format
        out.mkdir()
        order = orderFor(path, step=1000, format=format)
        resolvePartition(order.of(0, str(out / f"part-000000{plan.ENDINGS[format]}")))
        rows = rowsOf(out)
        assert sorted(str(row["name"]) for row in rows) == sorted(names)
        assert [row["data"] for row in rows if row["name"] == names[1]] == [["192.0.2.1"]]
    for step in (1, 4, 20):
        assert allNames(orderFor(path, step=step)) == names


@given(st.lists(st.text("ab", max_size=3), max_size=40), st.integers(1, 12), st.integers(1, 15))
def test_eachRowIsInOnePartition(tmp_path_factory: pytest.TempPathFactory, names: list[str], group: int, step: int) -> None:
    """
    Wherever the row groups of a Parquet file begin, each row is in one partition; missing names are rows too.
    """
    path = tmp_path_factory.getbasetemp() / "rows.parquet"
    schema = pyarrow.schema([("rank", pyarrow.int64()), ("domain", pyarrow.string())])
    rows = pyarrow.table({"rank": [*range(len(names))], "domain": [name or None for name in names]}, schema=schema)
    write_table(rows, path, row_group_size=group)
    plan._group.cache_clear()
    plan._groupsOf.cache_clear()
    order = orderFor(path, step=step, column="domain") if names else None
    if order is not None:
        assert order.format == PARQUET
        assert allNames(order) == names


def test_wrongInput(tmp_path: Path) -> None:
    """
    A file that cannot be divided is an error that says what can be done.
    """
    packed = tmp_path / "names.gz"
    packed.write_bytes(b"\x1f\x8b\x08")
    table = tmp_path / "names.parquet"
    write_table(pyarrow.table({"domain": ["a"], "rank": [1]}), table)
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(b"PAR1" + bytes(100))
    for path, column, said in (
        (packed, "name", "unpack it first: zcat"),
        (table, "name", "has columns domain, rank; write --column domain"),
        (table, "rank", "column rank has int64; names are text"),
        (damaged, "name", "write a file with one name per line, or a Parquet file"),
        (tmp_path / "missing", "name", "No such file"),
        (tmp_path, "name", "irectory"),
        ("nothing://there", "name", "nothing"),
    ):
        with pytest.raises(ExitError) as caught:
            inputFile(str(path), column)
        assert caught.value.code == BATCH
        assert said in str(caught.value), caught.value


@pytest.mark.parametrize("format", [LINES, PARQUET])
def test_partitionsArePublished(tmp_path: Path, looking: LocalEngine, format: str) -> None:
    """
    Each partition becomes one file with a row for each name, and is not done again.
    """
    path = tmp_path / "names.txt"
    names = [f"h{number}.example" for number in range(50)]
    path.write_text("\n".join([*names, "a..b", "caf\udce9", "h1.example A"]), "utf-8", "surrogateescape")
    order = orderFor(path, step=100, format=format)
    folder = Folder(str(tmp_path / "out"))
    folder.begin(order)
    left = [*folder.left(order)]
    assert left == [*range(order.partitions)] and len(left) > 3
    for number in left:
        partition = pickle.loads(pickle.dumps(order.of(number, folder.outputOf(number, format))))
        done = resolvePartition(partition)
        assert (done.number, done.names > 0, done.cpu >= 0) == (number, True, True)
    rows = rowsOf(tmp_path / "out")
    assert Counter([str(row["name"]) for row in rows])["h1.example"] == 2
    assert len(rows) == 53
    assert [row["data"] for row in rows if row["name"] == "h7.example"] == [["192.0.2.1"]]
    assert {row.get("kind") for row in rows} == {None, "BadName"}
    assert [*folder.left(order)] == []
    looking.asked.clear()
    assert resolvePartition(partition).names == 0 and looking.asked == []
    (tmp_path / "out" / f"part-000001{plan.ENDINGS[format]}").unlink()
    assert [*folder.left(order)] == [1]
    folder.close()


def test_killedWhileWriting(tmp_path: Path, looking: LocalEngine) -> None:
    """
    What a killed worker has half written is not taken for a partition, and is removed by the next run.
    """
    path = tmp_path / "names.txt"
    path.write_text("a.example\n")
    order = orderFor(path, step=100)
    folder = Folder(str(tmp_path / "out"))
    folder.begin(order)
    (tmp_path / "out" / ".part-000000.jsonl.0123").write_text("{")
    assert [*folder.left(order)] == [0]
    assert os.listdir(tmp_path / "out") == [plan.ORDER]
    folder.close()
    with patch("os.replace", side_effect=OSError(28, "No space left on device")), pytest.raises(OSError, match="No space"):
        publish(str(tmp_path / "out" / "part-000000.jsonl"), b"x")
    assert os.listdir(tmp_path / "out") == [plan.ORDER]


def test_otherRuns(tmp_path: Path) -> None:
    """
    A folder with the output of another run, or with anything else, is refused; so is one that another process writes to.
    """
    path = tmp_path / "names.txt"
    path.write_text("a.example\n")
    order = orderFor(path, step=100)
    folder = Folder(str(tmp_path / "out"))
    folder.begin(order)
    again = Folder(str(tmp_path / "out"))
    with pytest.raises(ExitError, match="another run writes to it"):
        again.begin(order)
    again.close()
    folder.close()
    path.write_text("a.example\nb.example\n")
    with pytest.raises(ExitError, match=r"belongs to another run \(size 10, not 20.*\); choose a new folder"):
        folder.begin(orderFor(path, step=100))
    folder.close()
    (tmp_path / "out" / plan.ORDER).write_text("[]")
    with pytest.raises(ExitError, match="_run.json is damaged"):
        folder.begin(order)
    folder.close()
    (tmp_path / "out" / plan.ORDER).write_text("{")
    with pytest.raises(ExitError, match="--output"):
        folder.begin(order)
    folder.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    with pytest.raises(ExitError, match="has other files in it"):
        Folder(str(tmp_path / "other")).begin(order)
    with pytest.raises(ExitError, match="write the name of a folder"):
        Folder(str(path / "below"))


@pytest.mark.parametrize("kind", [LINES, PARQUET])
def test_changedInput(tmp_path: Path, looking: LocalEngine, kind: str) -> None:
    """
    A partition of an input that has changed since the run began, that has lost its end or that is gone ends the run, with nothing looked up
    and nothing published. When the file is restored, the run goes on with its names.
    """
    path = tmp_path / "names"

    def write(names: list[str], time: int) -> None:
        if kind == LINES:
            path.write_text("".join([f"{name}\n" for name in names]))
        else:
            write_table(pyarrow.table({"name": names}), path, row_group_size=2)
        os.utime(path, (time, time))

    names = [f"h{number}.example" for number in range(10, 40)]
    write(names, 1000)
    order = orderFor(path, step=11)
    (tmp_path / "out").mkdir()
    last = order.of(order.partitions - 1, str(tmp_path / "out" / "part-000002.jsonl"))
    for others, time in ((names[:5], 2000), (names[::-1], 2000), (names[:5], 1000)):
        write(others, time)
        with pytest.raises(RunFailed, match="names has changed since the run began; restore it"):
            resolvePartition(last)
    path.unlink()
    with pytest.raises(RunFailed, match="names is gone, or not there for all workers"):
        resolvePartition(last)
    assert looking.asked == [] and rowsOf(tmp_path / "out") == []
    write(names, 1000)
    assert allNames(order) == names


def test_changedWithoutTime(tmp_path: Path) -> None:
    """
    Where a file system tells no time, a part that has fewer octets or rows than were counted is not taken for a whole one.
    """
    path = tmp_path / "names"
    path.write_text("a.example\n")
    lines = InputFile(str(path), LINES, 20, 20, "")
    table = tmp_path / "table"
    write_table(pyarrow.table({"name": ["a.example"]}), table)
    rows = InputFile(str(table), PARQUET, 2, 2, "", "name")
    for file in (lines, rows):
        with patch.object(plan, "expectUnchanged"), pytest.raises(RunFailed, match="has changed"):
            namesIn(file, 0, file.size)


def test_formatIsRemembered(tmp_path: Path) -> None:
    """
    A folder has files of one format: the same command with another one is refused.
    """
    path = tmp_path / "names"
    path.write_text("a.example\n")
    folder = Folder(str(tmp_path / "out"))
    folder.begin(orderFor(path, step=100))
    folder.close()
    with pytest.raises(ExitError, match=r"belongs to another run \(format lines, not parquet\); choose a new folder"):
        folder.begin(orderFor(path, step=100, format=PARQUET))
    folder.close()


def test_outputThatCannotBeWritten(tmp_path: Path, looking: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A full disk and the like end the run at once; an error that may pass is tried again with the look-ups that are done, and ends the run
    when it stays.
    """
    path = tmp_path / "names"
    path.write_text("a.example\n")
    partition = orderFor(path, step=100).of(0, str(tmp_path / "part-000000.jsonl"))
    paused: list[float] = []
    monkeypatch.setattr(plan, "sleep", paused.append)
    faults: list[Exception] = []

    def replace(source: str, target: str) -> None:
        if faults:
            raise faults.pop(0)
        os.rename(source, target)

    monkeypatch.setattr(os, "replace", replace)
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        faults[:] = [OSError(number, os.strerror(number))]
        with pytest.raises(RunFailed, match=rf"part-000000.jsonl cannot be written: {os.strerror(number)}; the same command goes on"):
            resolvePartition(partition)
    assert paused == [] and len(looking.asked) == 4
    faults[:] = [OSError(errno.EIO, "Input/output error") for _ in range(3)]
    with pytest.raises(RunFailed, match="Input/output error"):
        resolvePartition(partition)
    assert len(paused) == 2 and len(looking.asked) == 5
    faults[:] = [OSError(errno.EIO, "Input/output error"), ValueError("of an object store")]
    assert resolvePartition(partition).names == 1
    assert len(looking.asked) == 6 and len(rowsOf(tmp_path)) == 1


def test_silentServers(tmp_path: Path, looking: LocalEngine) -> None:
    """
    A partition of which no name got a reply is not published, but one with refusals is, and one with a single answer.
    """
    path = tmp_path / "names.txt"
    path.write_text("a.example\nb.example\n")
    order = orderFor(path, step=100)
    (tmp_path / "out").mkdir()
    partition = order.of(0, str(tmp_path / "out" / "part-000000.jsonl"))
    looking.source = CannedSource(otherwise=TimedOut("no reply"))
    with pytest.raises(NoReply, match="no reply"):
        resolvePartition(partition)
    assert rowsOf(tmp_path / "out") == []
    looking.source = CannedSource(otherwise=ServerFailed("REFUSED", rcode=5))
    assert resolvePartition(partition).answered == 0
    assert [row["kind"] for row in rowsOf(tmp_path / "out")] == 2 * ["ServerFailed"]
    (tmp_path / "out" / "part-000000.jsonl").unlink()
    looking.source = CannedSource({("b.example", "A"): "192.0.2.1"}, otherwise=TimedOut("no reply"))
    assert resolvePartition(partition).answered == 1
    assert sorted([str(row.get("kind")) for row in rowsOf(tmp_path / "out")]) == ["None", "TimedOut"]


def test_urls(tmp_path: Path, looking: LocalEngine) -> None:
    """
    The input and the folder may be anywhere that fsspec reaches.
    """
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/study/names.txt", b"a.example\nb.example\n")
    try:
        order = Order(inputFile("memory://study/names.txt", "name"), PARQUET, A, "")
        folder = Folder("memory://study/out")
        folder.begin(order)
        assert not folder.isLocal
        assert resolvePartition(order.of(0, folder.outputOf(0, PARQUET))).names == 2
        assert [*folder.left(order)] == []
        with memory.open("/study/out/part-000000.parquet") as file:
            assert [row["name"] for row in read_table(file).to_pylist()] == ["a.example", "b.example"]
        folder.close()
    finally:
        memory.rm("/study", recursive=True)


def test_emptyInput(tmp_path: Path, looking: LocalEngine) -> None:
    """
    An empty file has no partitions, and one with comments alone has an empty one that can be read.
    """
    path = tmp_path / "names.txt"
    path.touch()
    assert orderFor(path, step=100).partitions == 0
    path.write_text("# nothing\n")
    order = orderFor(path, step=100, format=PARQUET)
    (tmp_path / "out").mkdir()
    assert resolvePartition(order.of(0, str(tmp_path / "out" / "part-000000.parquet"))).names == 0
    assert read_table(tmp_path / "out").num_rows == 0


def test_everyFieldHasItsColumn() -> None:
    """
    Aliases, errors and extended errors are columns of the Parquet file.
    """
    extended = [{"code": 6, "name": "n", "text": ""}]
    lines: list[dict[str, object]] = [
        {"name": "a", "type": "A", "rcode": "NOERROR", "ttl": 5, "data": ["192.0.2.1"], "aliases": ["b.", "c."]},
        {"name": "b", "type": "A", "error": "", "kind": "ServerFailed", "rcode": "SERVFAIL", "errors": extended},
        {"name": "c", "type": "A", "rcode": "NXDOMAIN", "ttl": None, "data": []},
    ]
    rows = read_table(pyarrow.BufferReader(parquetOf([json.dumps(line) + "\n" for line in lines]))).to_pylist()
    assert [{key: value for key, value in row.items() if value is not None} for row in rows] == [
        {key: value for key, value in line.items() if value is not None} for line in lines
    ]


def test_theSameEngineForAllPartitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A process has one engine for each server, which keeps its connections and window.
    """
    made: list[tuple[str, int | None]] = []

    @dataclass(eq=False)
    class Made:
        process: int

    def make(target: str, window: int | None) -> object:
        made.append((target, window))
        return Made(os.getpid())

    monkeypatch.setattr(workerlookups, "Engine", make)
    monkeypatch.setattr(workerlookups, "_engines", {})
    first = workerlookups.engineFor("192.0.2.1", None)
    assert workerlookups.engineFor("192.0.2.1", None) is first
    assert workerlookups.engineFor("192.0.2.2", None) is not first
    assert made == [("192.0.2.1", None), ("192.0.2.2", None)]
    # One that was forked has no thread that would look anything up.
    with patch.object(os, "getpid", lambda: -1), pytest.raises(RuntimeError, match="start processes with spawn"):
        workerlookups.engineFor("192.0.2.1", None)


def test_ranges() -> None:
    """
    An error names a part of the input as its owner would find it.
    """
    rows = Order(InputFile("names.parquet", PARQUET, 25_000, 10_000, ""), LINES, A, "")
    assert [rows.of(number, "").text for number in (0, 2)] == [
        "partition 0 (rows 0 to 9,999 of names.parquet)",
        "partition 2 (rows 20,000 to 24,999 of names.parquet)",
    ]
    assert Order(InputFile("names", LINES, 100, 64, ""), LINES, A, "").of(1, "").text == "partition 1 (octets 64 to 99 of names)"
