"""
C{txdns query}: sends a query and prints the reply.
"""

from __future__ import annotations

import os
import sys

from twisted_ext.apps.cli.query.args import ARGUMENTS, QueryOptions, parseQueries
from twisted_ext.apps.cli.query.plain import plainly
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, complain
from twisted_ext.files import openNow
from twisted_ext.limits import CONFIGURATION_OCTETS

__all__ = ["ARGUMENTS", "main"]


def main(words: list[str]) -> int:
    ARGUMENTS.showHelp(words)
    if "-v" in words or "-V" in words:
        from twisted_ext.apps.cli.main import versions

        print(versions())
        return OK
    usual = [] if "-r" in words else _usualWords()
    every: list[QueryOptions] = []
    for wishes in parseQueries(words, usual):
        every += _batch(wishes, words, usual) if wishes.batch else [wishes]

    # One after the other, until one takes more than plain sockets.
    code, left = plainly(every)
    if not left:
        return code
    # Twisted is imported only here.
    from twisted_ext.apps.cli.query.lookup import lookUpAll

    return max(code, lookUpAll(left))


def _usualWords() -> list[str]:
    """
    Return the arguments in C{~/.digrc}. Those that are not valid are reported and ignored, because dig uses the file too.
    """
    path = os.path.join(os.path.expanduser("~"), ".digrc")
    usable: list[str] = []
    try:
        with open(path, encoding="utf-8", opener=openNow) as file:
            lines = file.read(int(CONFIGURATION_OCTETS.default)).splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        complain(f"txdns query: {path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}; -r ignores it")
        return []
    for number, line in enumerate(lines, 1):
        said = line.strip()
        if said and not said.startswith(("#", ";")):
            try:
                parseQueries([], said.split())
            except ExitError as ending:
                complain(f"txdns query: {path}, line {number}: {ending.line}; this line is ignored (-r ignores the file)")
            else:
                usable += said.split()
    return usable


def _batch(wishes: QueryOptions, words: list[str], usual: list[str]) -> list[QueryOptions]:
    """
    Return the look-ups of the batch file. The command's other arguments apply to each of them.
    """
    at = next(index for index, word in enumerate(words) if word.startswith("-f"))
    common = words[:at] + words[at + (1 if len(words[at]) > 2 else 2) :]
    try:
        if wishes.batch == "-":
            lines = sys.stdin.buffer.read().decode().splitlines()
        else:
            with open(wishes.batch, encoding="utf-8") as file:
                lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ExitError(BATCH, f"-f {wishes.batch}: {reason}; write the name of a file with one look-up per line") from error
    every = []
    for number, line in enumerate(lines, 1):
        more = line.split()
        if more and not more[0].startswith((";", "#")):
            try:
                found = parseQueries([*common, *more], usual)
                if any(each.batch for each in found):
                    raise ExitError(USAGE, "-f: a file of look-ups cannot name another one")
                every += found
            except ExitError as ending:
                raise ExitError(ending.code, f"{wishes.batch}, line {number}: {ending.line}") from ending
    return every
