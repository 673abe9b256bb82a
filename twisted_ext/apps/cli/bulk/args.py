"""
Parses the arguments of C{txdns bulk}. It sends and writes nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.apps.cli.terminal.upstream import soleTarget
from twisted_ext.limits import BULK_WINDOW, LOOKUP_SECONDS
from twisted_ext.wire.rrtypes import PTR, A, typeNumber

__all__ = ["BulkWishes", "parseBulk"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ExitError(USAGE, f"{message}; txdns bulk --help shows examples")


class BulkWishes(argparse.Namespace):
    """
    The parsed arguments.

    @ivar file: the file of names or ranges, C{"-"} for the standard input; not used if there are C{ranges}.
    @ivar target: the server or description after C{@}, or C{""}.
    """

    positional: list[str]
    output: str | None
    resume: str | None
    ordered: bool
    reverse: bool
    window: int | None
    rate: float | None
    time: float | None
    progress: bool | None
    target: str = ""
    rrType: int = A
    file: str = "-"
    ranges: list[str]


def parseBulk(words: list[str]) -> BulkWishes:
    """
    Parse the arguments.

    @raise ExitError: an argument is not valid.
    """
    parser = _Parser(prog="txdns bulk", add_help=False, allow_abbrev=True)
    parser.add_argument("positional", nargs="*", metavar="WORD")
    parser.add_argument("--output", "-o", metavar="FILE")
    parser.add_argument("--resume", metavar="FILE")
    parser.add_argument("--ordered", action="store_true")
    parser.add_argument("--reverse", "-x", action="store_true")
    parser.add_argument("--window", type=_number("--window", 1, BULK_WINDOW.most), metavar="N")
    parser.add_argument("--rate", type=_number("--rate", 0.001, 1e9), metavar="N")
    parser.add_argument("--time", type=_number("--time", LOOKUP_SECONDS.least, LOOKUP_SECONDS.most), metavar="SECONDS")
    parser.add_argument("--progress", action=argparse.BooleanOptionalAction)
    wishes = parser.parse_intermixed_args(words, BulkWishes())
    if wishes.output is not None and wishes.resume is not None:
        raise ExitError(USAGE, "--output begins a new file and --resume continues one; write one of them")
    wishes.ranges = []
    files: list[str] = []
    given = ""
    for word in wishes.positional:
        if word.startswith("@"):
            wishes.target = soleTarget(word, wishes.target)
        elif wishes.reverse and _isRange(word):
            wishes.ranges.append(word)
        elif (number := typeNumber(word)) is not None and not os.path.exists(word):
            if given and given != word:
                raise ExitError(USAGE, f"two types, {given} and {word}; write one, or a type after each name in the file")
            given = word
            wishes.rrType = number
        else:
            files.append(word)
    if wishes.reverse:
        wishes.rrType = PTR
    if len(files) > 1 or (files and wishes.ranges):
        wrong = files[1] if len(files) > 1 else files[0]
        kind = "not an address or range" if wishes.ranges else "not a record type, and the file of names is given already"
        raise ExitError(USAGE, f"{wrong!r} is {kind}; write: txdns bulk FILE [TYPE] [@DESCRIPTION]")
    if files:
        wishes.file = files[0]
    elif not wishes.ranges and sys.stdin.isatty():
        raise ExitError(USAGE, "a file of names is missing; write: txdns bulk FILE [TYPE] [@DESCRIPTION], with - for the standard input")
    return wishes


def _number(option: str, least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:.0f}")
        return number

    return read


def _isRange(word: str) -> bool:
    from twisted_ext.addressranges import AddressRange, BadAddress

    if os.path.exists(word) or word == "-":
        return False
    try:
        AddressRange.fromText(word)
    except BadAddress as fault:
        if word[:1].isdigit() or ":" in word:
            raise ExitError(USAGE, str(fault)) from fault
        return False
    return True
