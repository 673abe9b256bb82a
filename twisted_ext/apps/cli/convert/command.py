"""
C{txdns convert}: writes settings that do what the configuration of another program does.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place, Severity
from twisted_ext.apps.cli.convert.included import DISK, Includes, RootedDisk
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, didYouMean, flag
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.types import File, Table
from twisted_ext.wire.escapes import printable

__all__ = ["ARGUMENTS", "FORMATS", "INCOMPLETE", "Format", "convertFile", "detected", "formatNamed", "jsonOf", "main", "tomlOf"]

#: Exit code: something has no counterpart, or does not do the same.
INCOMPLETE: Final = 2

#: What converts a configuration: its text, its absolute path, what reads the files that it includes, and the result to fill.
Converter = Callable[[str, str, Includes, Converted], None]


def tomlOf(converted: Converted) -> str:
    """
    Format the settings as C{--show-config} groups them. A comment names file, line and directive of each value.
    """
    lines = [f"# Converted from {printable(converted.file)} by txdns convert.", ""]
    tables: list[str] = []
    group = ""
    for setting, value in converted.ordered():
        places = converted.places[setting.name]
        if isinstance(setting.kind, types.Table):
            assert isinstance(value, list)
            for table, place in zip(value, places, strict=True):
                tables += ["", _from(place), f"[[{setting.name}]]", *_table(table)]
            continue
        if setting.group != group:
            group = setting.group
            lines += ["", f"# -- {group}"] if lines[-1] else [f"# -- {group}"]
        if isinstance(value, list) and setting.many and value:
            lines.append(f"{setting.name} = [")
            lines += [f"    {_toml(each)}, {_from(place)}" for each, place in zip(value, places, strict=True)]
            lines.append("]")
        else:
            lines += [*[_from(place) for place in places], f"{setting.name} = {_toml(value)}"]
    # Tables come last: all that follows them in the file would be theirs.
    return "\n".join([*lines, *tables, ""])


def _from(place: Place) -> str:
    said = f"# {place}: {place.directive}" if place.directive else f"# {place}"
    return printable(" ".join(said.split()))


def _table(table: Mapping[str, object]) -> Iterator[str]:
    for name, value in table.items():
        yield f"{name} = {_toml(value)}"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join([_toml(each) for each in value])}]"
    # The escapes of JSON are valid in TOML. Further ones, so that a terminal does not interpret what is in a foreign file.
    text = json.dumps(str(value), ensure_ascii=False)
    return text if text.isprintable() else "".join([each if each.isprintable() else f"\\U{ord(each):08x}" for each in text])


def jsonOf(converted: Converted) -> str:
    """
    Format settings, places and findings as one object.
    """
    document = {
        "format": converted.kind,
        "file": converted.file,
        "complete": converted.complete,
        "settings": {setting.name: value for setting, value in converted.ordered()},
        "places": {setting.name: [place._asdict() for place in converted.places[setting.name]] for setting, _ in converted.ordered()},
        "findings": [
            {**each.place._asdict(), "severity": each.severity.value, "reason": each.reason, "instead": each.instead}
            for each in converted.sortedFindings()
        ],
    }
    return json.dumps(document, indent=2)


@dataclass(frozen=True, slots=True)
class Format:
    """
    A format of configurations. Its module has the function C{convert}, a L{Converter}.

    @ivar word: its name for C{--from}.
    @ivar title: its name for people.
    @ivar names: a regular expression for names of files.
    @ivar marks: one for lines that only this format has.
    @ivar module: the name of its module, relative to this package.
    """

    word: str
    title: str
    names: re.Pattern[str]
    marks: re.Pattern[str]
    module: str

    def load(self) -> Converter:
        found: Converter = import_module(f"twisted_ext.apps.cli.convert.{self.module}").convert
        return found


def _format(word: str, title: str, names: str, marks: str, module: str = "") -> Format:
    return Format(word, title, re.compile(names), re.compile(marks, re.MULTILINE), module or word)


#: All formats. If the name of a file says nothing, the first one that has a mark in it is taken.
FORMATS: Final = (
    _format("resolved", "systemd-resolved's resolved.conf", r"resolved(-.*)?\.conf$", r"^\[Resolve\]\s*$"),
    _format(
        "pihole",
        "Pi-hole's pihole.toml",
        r"pihole(-ftl)?\.toml",
        r"^# (?:Pi-hole configuration file|This file is managed by pihole-FTL)",
        "pihole.settings",
    ),
    _format(
        "adguard",
        "AdGuard Home's AdGuardHome.yaml",
        r"adguardhome.*\.ya?ml",
        r"^(?:schema_version: \d+\s*$|(?:whitelist_filters|user_rules):)",
        "adguard.settings",
    ),
    _format(
        "dnsmasq",
        "dnsmasq's dnsmasq.conf",
        r"(.*[-_.])?dnsmasq([-_.].*)?$",
        r"^(?:domain-needed|bogus-priv|expand-hosts|no-resolv|no-hosts|no-poll|strict-order|all-servers|stop-dns-rebind|bind-interfaces"
        r"|bind-dynamic|(?:address|server|local)=/\S+|(?:server|listen-address|interface|addn-hosts|conf-dir|conf-file|resolv-file"
        r"|cache-size|dhcp-[a-z]+|host-record|cname|srv-host|port|txt-record|mx-host|ptr-record)=\S+)\s*(?:#.*)?$",
        "dnsmasq.settings",
    ),
    _format(
        "coredns",
        "CoreDNS's Corefile",
        r"(.*[-_.])?corefile([-_.].*)?$",
        r"^[^\s#{}]+[^#{}\n]*\{\s*(?:#.*)?\n\s+(?:errors|log|forward|cache|file|hosts|bind)\b",
        "coredns.settings",
    ),
    _format(
        "named",
        "BIND's named.conf",
        r"named[-_.]?.*conf.*$",
        r'^\s*(?:(?:options|logging)\s*\{|acl\s+\S+\s*\{|zone\s+"[^"]*"(?:\s+IN)?\s*\{)',
        "named.settings",
    ),
    _format(
        "unbound",
        "Unbound's unbound.conf",
        r"(.*[-_.])?unbound([-_.].*)?$",
        r"^\s*(?:server|forward-zone|stub-zone|auth-zone|remote-control|include-toplevel):",
        "unbound.settings",
    ),
)


#: Formats that are known so that they are not taken for another one, but are not converted.
_UNCONVERTED: Final = (
    _format("knot", "Knot DNS's knot.conf", r"knotd?\.conf", r"^\s*-\s*(?:domain|id|target)\s*:|^\s+(?:rundir|listen)\s*:"),
    _format(
        "nsd",
        "NSD's nsd.conf",
        r"nsd\.conf",
        r"^\s*(?:zone|pattern|zonesdir|zonelistfile|xfrdir|xfrdfile|server-count|provide-xfr|request-xfr|include-pattern):",
    ),
)


def formatNamed(word: str) -> Format | None:
    """
    Return the format with this name for C{--from}; BIND's server has that of its program, or its own.
    """
    word = "named" if word == "bind" else word
    for each in FORMATS:
        if each.word == word:
            return each
    return None


def detected(path: str, text: str) -> Format | None:
    """
    Return the format of a configuration, by its name, or else by its text; L{None} if neither is known. It may be one that is not
    converted.
    """
    name = os.path.basename(path).lower()
    for each in (*FORMATS, *_UNCONVERTED):
        if each.names.match(name):
            return each
    # Unbound, the last one, has sections of the same names as these.
    for each in (*FORMATS[:-1], *_UNCONVERTED, FORMATS[-1]):
        if each.marks.search(text):
            return each
    return None


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
            if kind in _UNCONVERTED:
                raise ExitError(USAGE, f"{path}: this is {kind.title}, which is not converted; serve its zone files with [[zone]]")
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

    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.dryrun import checkSettings
    from twisted_ext.server.sources.upstreams import ListenAddresses

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
