"""
C{txdns bulk}: looks up any number of names and writes one JSON line for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.bulk.args import parseBulk
from twisted_ext.apps.cli.terminal.exits import OK
from twisted_ext.limits import BULK_WINDOW, LOOKUP_SECONDS

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

__all__ = ["main"]

HELP: Final = """\
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

  --output FILE     write to this new file instead of the standard output
  --resume FILE     append to this file, and skip names that have a line in it
  --ordered         write lines in the order of the input, not of the answers
  --reverse         look up the names of addresses and ranges: 192.0.2.0/24,
                    192.0.2.3-192.0.2.9, 2001:db8::1; RFC 2317 aliases are followed
  --window N        at most N look-ups in parallel ({window}); fewer when replies get lost
  --rate N          start at most N look-ups per second
  --time SECONDS    the timeout of each look-up ({seconds:g})
  --progress        show progress on the standard error even if that is not a terminal
  --no-progress     do not show progress

An output line has name, type, rcode, ttl and data, and aliases and errors if there are any; or
name, type, error and kind if the look-up failed.

Exit codes: 0 every name has its line; 1 wrong usage; 8 a file cannot be read or written; 9 no
name got a reply; 130 interrupted, 143 terminated by SIGTERM, both with complete lines written.
"""


def main(words: list[str]) -> int:
    """
    Run the command with its arguments, and return the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP.format(window=int(BULK_WINDOW.default), seconds=LOOKUP_SECONDS.default), end="")
        return OK
    wishes = parseBulk(words)
    from twisted_ext.apps.cli.bulk.run import BulkWork
    from twisted_ext.apps.cli.bulk.streams import Streams
    from twisted_ext.apps.cli.terminal.run import runUntilDone

    with Streams(wishes) as streams:

        async def begin(reactor: IReactorTime) -> int:
            return await BulkWork(reactor, wishes, streams).run()

        return runUntilDone(begin)
