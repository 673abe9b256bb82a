"""
C{txdns convert}: writes settings that do what the configuration of another program does.
"""

from __future__ import annotations

import os
import sys
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place, Severity
from twisted_ext.apps.cli.convert.formats import FORMATS, Format, detected, formatNamed
from twisted_ext.apps.cli.convert.included import DISK, Includes, RootedDisk
from twisted_ext.apps.cli.convert.output import jsonOf, tomlOf
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, didYouMean, flag
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.types import File, Table

__all__ = ["ARGUMENTS", "INCOMPLETE", "convertFile", "main"]

#: Exit code: something has no counterpart, or does not do the same.
INCOMPLETE: Final = 2

_WORDS: Final = sorted([each.word for each in FORMATS])

_LISTED: Final = f"{', '.join(_WORDS[:-1])} or {_WORDS[-1]}"

_HELP: Final = f"""\
Usage: txdns convert [--from FORMAT] [--root FOLDER] [-o FILE] [--all] [--json] FILE

Reads the configuration of another program, and prints settings for twistd txdns that do the
same, each with the line that it comes from. Files that FILE includes are read as well. Every
directive that has no counterpart, or not quite the same one, is a line on the standard error:
file and line, the directive, why, and what to do instead.

{{options}}

FORMAT is {_LISTED}.

  txdns convert /etc/dnsmasq.conf -o txdns.toml
  twistd -n txdns --config txdns.toml --show-config
  txdns convert --root /srv/container /etc/bind/named.conf
  txdns convert --json /etc/dnsmasq.conf | jq '.findings[] | .directive'

The JSON is one object with the keys format, file, complete, settings, places (where each value
comes from) and findings (a list of objects with file, line, directive, severity, reason and
instead). The severities are "no counterpart", "differs", "not valid", "note" and "not needed".

Exit codes: 0 every directive has a counterpart; 1 wrong usage; 2 some directive has none, does
not quite the same, or is not valid; 8 a file cannot be read or written.
"""


def _known(word: str) -> Format:
    found = formatNamed(word)
    if found is None:
        raise BadDescription(f"{word!r} is not a known format; {didYouMean(word, _WORDS, f'write {_LISTED}')}")
    return found


_FROM: Final = Option[Format | None](
    "--from FORMAT", "the format of FILE; by default told by the file's name, or else by its text", None, _known, what="a format"
)
_OUTPUT: Final = Option("--output FILE", "write the settings to this new file", "", str, also="-o", what="a file")
_ROOT: Final = Option("--root FOLDER", "the folder in which FILE and all its files are, such as a container's", "", str, what="a folder")
_ALL: Final = flag("--all", "list directives that are not needed here as well")
_JSON: Final = flag("--json", "print settings and findings as JSON")

ARGUMENTS: Final = Arguments(_HELP, _FROM, _ROOT, _OUTPUT, _ALL, _JSON)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"{'one file at a time' if given.bare else 'a file is missing'}; write: {ARGUMENTS.usage}")
    converted = convertFile(given.bare[0], given[_FROM], given[_ROOT])
    text = f"{jsonOf(converted)}\n" if given[_JSON] else tomlOf(converted)
    if given[_OUTPUT]:
        with fileErrors(given[_OUTPUT]):
            with open(os.open(given[_OUTPUT], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "w", encoding="utf-8") as file:
                file.write(text)
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    if not given[_JSON] or given[_OUTPUT]:
        for finding in converted.sortedFindings():
            if finding.severity is not Severity.NEEDLESS or given[_ALL]:
                complain(str(finding))
    return OK if converted.complete else INCOMPLETE


def convertFile(path: str, kind: Format | None = None, root: str = "") -> Converted:
    """
    Convert the configuration at this path.

    @param kind: its format, by default the one that is L{detected}.
    @param root: the folder of this machine that is the root of all paths; C{""} for that of the machine.

    @raise ExitError: it cannot be read, or its format is not known.
    """
    if root and not os.path.isdir(root):
        raise ExitError(BATCH, f"{root}: there is no such folder")
    if root:
        # In the container there is no working directory.
        path = os.path.join("/", path)
    includes = Includes(os.path.dirname(os.path.abspath(path)), RootedDisk(root) if root else DISK)
    try:
        with includes.including(os.path.abspath(path)) as text:
            kind = kind or detected(path, text)
            if kind is None:
                raise ExitError(USAGE, f"{path}: its format is not known; write --from and {_LISTED}")
            converted = Converted(kind.word, path)
            kind.load()(text, path, includes, converted)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from None
    lists = converted.pairs("list")
    if lists:
        place = lists[0][1]
        converted.note(place, "a plain name in a list blocks all names below it as well")
        if "state" not in converted.values and any("'url': " in text for text, _ in lists):
            converted.note(place, "lists by URL are fetched at each start", "set state to a folder, in which they are kept")
    _try(converted)
    return converted


def _try(converted: Converted) -> None:
    """
    Add a finding if a server would not start with these settings, because of what they say together.
    """
    # What follows takes as long to load as a server.
    from twisted.internet.task import Clock

    from twisted_ext.server.dryrun import checkSettings
    from twisted_ext.server.settings.settings import Settings
    from twisted_ext.server.upstreams import ListenAddresses

    # Files may be on another machine, and lists are files.
    given = [each for each in converted.ordered() if not isinstance(each[0].kind, (File, Table)) and each[0].name != "lists"]
    settings = Settings({setting.name: setting.fromTOML(value) for setting, value in given})
    try:
        checkSettings(Clock(), settings, ListenAddresses((), 0))
    except BadDescription as fault:
        cause: BaseException | None = fault
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            converted.wrong(Place(converted.file, 0, "the settings"), f"a server does not start with them: {fault}")
