"""
One partition of a run, as a task of any engine that calls functions: what it publishes is there whole, under its own name, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from time import perf_counter, process_time

import fsspec

from twisted_ext._version import __version__
from twisted_ext.apps.cli.bulk.plan import Partition, publish
from twisted_ext.apps.cli.bulk.sources import PARQUET, namesIn
from twisted_ext.apps.cli.bulk.workerlookups import engineFor

__all__ = ["Done", "NoReply", "installedVersion", "parquetOf", "resolvePartition"]


def installedVersion() -> str:
    """
    Return the version of this package in the process that calls this.
    """
    return __version__


class NoReply(Exception):
    """
    No name of a partition got a reply. It is not published, since it would count as done.
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
    Look up the names of a partition, and publish the result.

    @raise NoReply: none got a reply.
    @raise OSError: the input cannot be read, or the output not written.
    """
    began, spent = perf_counter(), process_time()
    files, place = fsspec.core.url_to_fs(partition.output)
    if files.exists(place):
        # A worker that was taken for dead has published it.
        return Done(partition.number, 0, 0, 0.0, 0.0)
    names = namesIn(partition.input, partition.first, partition.count)
    isParquet = partition.format == PARQUET
    if isParquet:
        # It has no room for octets that are not UTF-8.
        names = [name.encode("utf-8", "surrogateescape").decode("utf-8", "replace") for name in names]
    engine = engineFor(partition.target, partition.window)
    batch = engine.resolve(names, partition.rrType, partition.seconds, partition.rate, partition.rateServer)
    if batch.unreached is not None and not batch.answered:
        raise NoReply(str(batch.unreached))
    publish(partition.output, parquetOf(batch.lines) if isParquet else "".join(batch.lines).encode("ascii"))
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
