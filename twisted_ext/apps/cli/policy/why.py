"""
C{txdns policy why}: tells which rule decides about a name for a client.
"""

from __future__ import annotations

from json import dumps
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns policy why NAME CLIENT --config FILE [--at TIME] [--type TYPE] [--json]

Tells which rule of which list decides about a name for the client at an address, by the
settings and lists of a server, which need not run. Of lists that are fetched the server's copies
are read.

  txdns policy why ads.example 192.168.1.41 --config /etc/txdns/txdns.toml
  txdns policy why roblox.com 192.168.1.41 --config txdns.toml --at 21:30

{options}

Exit codes: 0 the rules were read, 1 wrong usage or settings, 8 a file cannot be read.
"""

_CONFIG: Final = Option("--config FILE", "the settings file of the server", "", str, what="a settings file")
_AT: Final = Option("--at TIME", "a time on the wall, 21:30 or 2026-11-25T21:30; now by default", "", str, what="a time")
_TYPE: Final = Option("--type TYPE", "the type that is asked for; A by default", "A", str, what="a type")
_JSON: Final = flag("--json", "one object: client, view, blocked, rewritten, rule, and the lines in said")

ARGUMENTS: Final = Arguments(_HELP, _CONFIG, _AT, _TYPE, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 2:
        raise ExitError(USAGE, "a name and the address of a client are wanted: txdns policy why ads.example 192.168.1.41 --config FILE")
    name, client = given.bare

    from twisted_ext.apps.cli.policy.offline import offlineRules

    with offlineRules(given[_CONFIG]) as rules:
        found = rules.why(client, name, given[_AT], given[_TYPE])
    said = found["said"]
    assert isinstance(said, list)
    print(dumps(found) if given[_JSON] else "\n".join(map(str, said)))
    return OK
