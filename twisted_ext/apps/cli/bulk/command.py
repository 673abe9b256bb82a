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

Looks up every line of FILE or of the standard input, thousands at once and no more than the
servers take, and writes one JSON line for each. A line is a name, or a name and a type. No
name is lost: a word that is not a valid name gets a line with the error. Blank lines and
lines that begin with # are skipped.

  txdns bulk names.txt                              addresses, from the system's servers
  txdns bulk names.txt MX @192.0.2.53 > mx.json     from this server
  zcat names.gz | txdns bulk - AAAA --ordered       in the order of the input
  txdns bulk names.txt --resume all.json            go on where an interrupted run ended
  txdns bulk --reverse 192.0.2.0/24 2001:db8::/120  the names of all these addresses
  txdns bulk --reverse ranges.txt @cache:system

  --output FILE     write there, not to the standard output; it must not exist yet
  --resume FILE     write there; what has its line already is not looked up again
  --ordered         lines in the order of the input, not as answers come in
  --reverse         look up the names of addresses and ranges: 192.0.2.0/24,
                    192.0.2.3-192.0.2.9, 2001:db8::1; through RFC 2317's aliases as well
  --window N        keep no more than N under way ({window}); how many follows what gets lost
  --rate N          begin no more than N a second
  --time SECONDS    give each look-up this long ({seconds:g})
  --progress        a line on the standard error, also where that is not a terminal
  --no-progress     none, also where it is

A line of output has name, type, rcode, ttl, data, and aliases and errors where there are any;
or name, type, error, kind.

Exit codes: 0 every name has its line; 1 wrong usage; 8 a file cannot be read or written; 9 no
name got a reply; 130 interrupted, and 143 ended by SIGTERM, with whole lines written.
"""


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns bulk}.

    @return: the exit code.
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
