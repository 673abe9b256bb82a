"""
C{txdns config diff}: says what differs between two settings files.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.config.check import ROLE, settingsIn
from twisted_ext.apps.cli.terminal.arguments import Arguments, flag
from twisted_ext.apps.cli.terminal.exits import OK, USAGE, ExitError
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.server.settings.differences import Difference

__all__ = ["ARGUMENTS", "DIFFERENT", "main"]

_HELP: Final = """\
Usage: txdns config diff OLD NEW [--role ROLE] [--json]

Says in words what differs between two settings files: by what is in force, whether it is written
or the default, of lists what comes and goes, of tables such as [[zone]] and [[view]] each by its
name; and what a reload does not apply.

  txdns config diff /etc/txdns/txdns.toml edited.toml

{options}

Exit codes: 0 nothing differs, 1 they differ, or wrong usage, 2 a file is not valid, 8 a file
cannot be read.
"""

#: As of diff.
DIFFERENT: Final = 1

_JSON: Final = flag("--json", "one object per line: setting, said, restart")

ARGUMENTS: Final = Arguments(_HELP, ROLE, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 2:
        raise ExitError(USAGE, f"write exactly two files, not {len(given.bare)}: {ARGUMENTS.usage}")
    former, value = [settingsIn(path, given[ROLE]) for path in given.bare]
    from twisted_ext.server.settings.differences import differencesOf

    found = differencesOf(former, value)
    for each in found:
        print(_objectOf(each) if given[_JSON] else printable(str(each)))
    return DIFFERENT if found else OK


def _objectOf(difference: Difference) -> str:
    return json.dumps({"setting": difference.setting, "said": difference.said, "restart": not difference.isLive})
