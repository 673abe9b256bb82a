"""
C{txdns bulk}: looks up any number of names and writes one JSON line for each.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, number, whole
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.apps.cli.terminal.upstream import SERVER, targetIn
from twisted_ext.errors import BadDescription
from twisted_ext.limits import BULK_WINDOW, LOOKUP_SECONDS
from twisted_ext.wire.rrtypes import PTR, A, typeNumber

__all__ = ["ARGUMENTS", "BulkOptions", "main", "parseBulk"]

_HELP: Final = """\
Usage: txdns bulk [FILE|-] [TYPE] [@DESCRIPTION] [OPTION ...]
       txdns bulk --reverse RANGE ... [@DESCRIPTION] [OPTION ...]

Looks up each line of FILE or of the standard input, with as many look-ups in parallel as the
servers handle, and writes one JSON line for each. An input line is a name, or a name and a type.
A line that is not valid gets an output line with the error. Blank lines and lines that begin
with # are skipped.

  txdns bulk names.txt                              IPv4 addresses, from the system's servers
  txdns bulk names.txt MX @192.0.2.53 > mx.json     from this server
  zcat names.gz | txdns bulk - AAAA --ordered       in the order of the input
  txdns bulk names.txt --resume all.json            continue an interrupted run
  txdns bulk --reverse 192.0.2.0/24 2001:db8::/120  the names of all these addresses
  txdns bulk --reverse ranges.txt @cache:system
  txdns bulk names.parquet --dask-local 4 -o out    a folder of answers, by four processes

{options}

With --dask-local and --dask, each part of FILE becomes one file of the folder, whole or not at
all, and the same command goes on with the parts that are not there yet, whatever was ended
before. FILE may be a Parquet file, and FILE and the folder may be URLs for which there is a
package of fsspec; all workers have to reach them.

An output line has name, type, rcode, ttl and data, and aliases and errors if there are any; or
name, type, error and kind if the look-up failed.

Exit codes: 0 every name has its line; 1 wrong usage; 8 a file cannot be read or written; 9 no
name got a reply; 130 interrupted, 143 terminated by SIGTERM, both with complete lines written.
"""

def _format(text: str) -> str:
    if text not in ("lines", "parquet"):
        raise BadDescription(f"{text!r} is not a format; write lines or parquet")
    return text


_OUTPUT: Final = Option[str | None]("--output FILE", "write to this new file instead of the standard output", None, str, also="-o")
_RESUME: Final = Option[str | None]("--resume FILE", "append to this file, and skip names that have a line in it", None, str)
_ORDERED: Final = flag("--ordered", "write lines in the order of the input, not of the answers")
_REVERSE: Final = flag(
    "--reverse",
    "look up the names of addresses and ranges: 192.0.2.0/24, 192.0.2.3-192.0.2.9, 2001:db8::1; RFC 2317 aliases are followed",
    also="-x",
)
_WINDOW: Final = Option[int | None](
    "--window N",
    f"at most N look-ups in parallel ({BULK_WINDOW.default:.0f}); fewer when replies get lost",
    None,
    whole(1, int(BULK_WINDOW.most)),
)
_RATE: Final = Option[float | None]("--rate N", "start at most N look-ups per second", None, number(0.001, 1e9))
_RATE_SERVER: Final = Option[float | None](
    "--rate-server N", "send at most N queries per second to each server; other names go on", None, number(1, 1e9)
)
_TIME: Final = Option[float | None](
    "--time SECONDS",
    f"the timeout of each look-up ({LOOKUP_SECONDS.default:g})",
    None,
    number(LOOKUP_SECONDS.least, LOOKUP_SECONDS.most),
)
_PROGRESS: Final = Option[bool | None](
    "--[no-]progress", "show progress on the standard error even if that is not a terminal, or never", None
)

_DASK_LOCAL: Final = Option[int | None](
    "--dask-local N", "divide the work among N processes of this machine; --output is a folder then", None, whole(1, 1024)
)
_DASK: Final = Option("--dask ADDRESS", "divide the work among the workers of this Dask scheduler: tcp://192.0.2.1:8786", "", str)
_COLUMN: Final = Option("--column NAME", "column of the names in a Parquet file (name)", "name", str)
_FORMAT: Final = Option[str | None](
    "--format FORMAT", "of the files in the folder: lines or parquet; by default that of FILE", None, _format
)

ARGUMENTS: Final = Arguments(
    *(_HELP, SERVER, _OUTPUT, _RESUME, _ORDERED, _REVERSE, _WINDOW, _RATE, _RATE_SERVER, _TIME, _PROGRESS),
    *(_DASK_LOCAL, _DASK, _COLUMN, _FORMAT),
)


@dataclass(slots=True)
class BulkOptions:
    """
    The parsed arguments.

    @ivar file: the file of names or ranges, C{"-"} for the standard input; not used if there are C{ranges}.
    @ivar target: the server or description after C{@}, or C{""}.
    @ivar daskLocal: how many processes of this machine share the work; L{None} for this one alone.
    @ivar dask: the address of the Dask scheduler whose workers share the work, or C{""}.
    @ivar column: the column of names in a Parquet file.
    @ivar format: of the files in the output folder; C{""} for that of the input.
    """

    file: str
    target: str
    rrType: int
    ranges: list[str]
    output: str | None
    resume: str | None
    ordered: bool
    reverse: bool
    window: int | None
    rate: float | None
    rateServer: float | None
    time: float | None
    progress: bool | None
    daskLocal: int | None
    dask: str
    column: str
    format: str


def parseBulk(words: list[str]) -> BulkOptions:
    given = ARGUMENTS.parse(words)
    reverse = given[_REVERSE]
    if given[_OUTPUT] is not None and given[_RESUME] is not None:
        raise ExitError(USAGE, "--output begins a new file and --resume continues one; write one of them")
    ranges: list[str] = []
    files: list[str] = []
    types: dict[str, int] = {}
    for word in given.bare:
        if reverse and _isRange(word):
            ranges.append(word)
        elif (number := typeNumber(word)) is not None and not os.path.exists(word):
            types[word] = number
        else:
            files.append(word)
    if len(types) > 1:
        raise ExitError(USAGE, f"two types, {' and '.join(types)}; write one, or a type after each name in the file")
    if len(files) > 1 or (files and ranges):
        wrong = files[1] if len(files) > 1 else files[0]
        kind = "not an address or range" if ranges else "not a record type, and the file of names is given already"
        raise ExitError(USAGE, f"{wrong!r} is {kind}; write: {ARGUMENTS.usage}")
    if given[_DASK_LOCAL] is not None or given[_DASK]:
        _checkDivisible(given, files)
    elif given[_FORMAT] is not None or given[_COLUMN] != _COLUMN.default:
        raise ExitError(USAGE, "--format and --column are for --dask-local and --dask, which read and write files in parts")
    if not files and not ranges and sys.stdin.isatty():
        raise ExitError(USAGE, f"a file of names is missing; write: {ARGUMENTS.usage}, with - for the standard input")
    return BulkOptions(
        files[0] if files else "-",
        targetIn(given),
        PTR if reverse else next(iter(types.values()), A),
        ranges,
        given[_OUTPUT],
        given[_RESUME],
        given[_ORDERED],
        reverse,
        given[_WINDOW],
        given[_RATE],
        given[_RATE_SERVER],
        given[_TIME],
        given[_PROGRESS],
        given[_DASK_LOCAL],
        given[_DASK],
        given[_COLUMN],
        given[_FORMAT] or "",
    )


def _checkDivisible(given: Given, files: list[str]) -> None:
    """
    @raise ExitError: the arguments have what cannot be done in parts.
    """
    if given[_DASK] and given[_DASK_LOCAL] is not None:
        raise ExitError(USAGE, "--dask and --dask-local: the workers are those of a cluster or of this machine; leave one of them out")
    option = "--dask" if given[_DASK] else "--dask-local"
    for name, isGiven, why in (
        ("--resume", given[_RESUME] is not None, "the same command goes on by itself"),
        ("--ordered", given[_ORDERED], "parts are done in any order"),
        ("--reverse", given[_REVERSE], "a range cannot be divided"),
    ):
        if isGiven:
            raise ExitError(USAGE, f"{option} and {name}: {why}; leave {name} out")
    if files in ([], ["-"]):
        raise ExitError(USAGE, f"{option} reads FILE in parts, so it has to be a file; a pipe or the standard input cannot be divided")
    if given[_OUTPUT] is None:
        raise ExitError(USAGE, f"{option} takes --output FOLDER, with one file for each part")


def _isRange(word: str) -> bool:
    from twisted_ext.wire.addressranges import AddressRange, BadAddress

    if os.path.exists(word) or word == "-":
        return False
    try:
        AddressRange.fromText(word)
    except BadAddress as fault:
        if word[:1].isdigit() or ":" in word:
            raise ExitError(USAGE, str(fault)) from fault
        return False
    return True


def main(words: list[str]) -> int:
    options = parseBulk(words)
    if options.daskLocal is not None or options.dask:
        return _divided(options)
    from twisted_ext.apps.cli.bulk.run import BulkWork, Streams
    from twisted_ext.apps.cli.terminal.run import runUntilDone

    with Streams(options) as streams:
        return runUntilDone(lambda reactor: BulkWork(reactor, options, streams).run())


def _divided(options: BulkOptions) -> int:
    try:
        for library in ("distributed", "fsspec", "pyarrow"):
            import_module(library)
    except ImportError as error:
        said = f"--dask and --dask-local need {error.name}; install it: pip install 'twisted-ext[dask]'"
        raise ExitError(USAGE, said) from error
    from twisted_ext.apps.cli.bulk.divided import runOnCluster

    return runOnCluster(options)
