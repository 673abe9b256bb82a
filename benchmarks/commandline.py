"""
What the command lines of several benchmarks have in common.
"""

from __future__ import annotations

import shutil
import signal
import sys
from argparse import ArgumentParser
from typing import NoReturn

from benchmarks.servers import PATH

__all__ = ["endsLikeControlC", "lacks", "parserFor", "words"]


def words(text: str) -> list[str]:
    """
    Return words with commas between them, in lower case.
    """
    return [word.strip().lower() for word in text.split(",") if word.strip()]


def parserFor(name: str, document: str | None, rounds: int) -> ArgumentParser:
    """
    Return a parser with the options of a benchmark that goes on where it was interrupted.

    @param document: the documentation of its module.
    """
    parser = ArgumentParser(prog=f"python -m benchmarks {name}", description=(document or "").strip().splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=1, help="of each round (1)")
    parser.add_argument("--resume", action="store_true", help=f"measure what benchmarks/{name}.json does not have")
    parser.add_argument("--record", action="store_true", help=f"write benchmarks/{name}.json, and what the documentation shows of it")
    return parser


def lacks(name: str, *programs: str) -> bool:
    """
    Return whether one of these programs is not installed, which is reported.
    """
    for program in programs:
        if shutil.which(program, path=PATH) is None:
            print(f"{name}: {program} is not installed (Debian: apt install {program}); nothing is measured without it", file=sys.stderr)
            return True
    return False


def endsLikeControlC() -> None:
    """
    Make SIGTERM end this process as Ctrl-C does.
    """

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
