"""
C{txdns config schema}: prints the JSON schema of settings files.
"""

from __future__ import annotations

import json
from typing import Final

from twisted_ext.apps.cli.terminal.arguments import Arguments
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns config schema

Prints the JSON schema of settings files, with those of plugins. Editors complete and check a file
by it: write it beside the file, and as the first line of the file

  #:schema ./txdns.schema.json

for Even Better TOML and taplo. What the schema refuses a server refuses as well; a server checks
more, such as whether files exist: txdns config check.

Exit codes: 0 done, 1 wrong usage.
"""

ARGUMENTS: Final = Arguments(_HELP)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if given.bare:
        raise ExitError(USAGE, f"it takes no argument; write: {ARGUMENTS.usage}")
    from twisted_ext.server.settings.schema import schemaOf

    print(json.dumps(schemaOf(), indent=2))
    return OK
