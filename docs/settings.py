"""
Write the tables of the settings page from the declarations of settings: each with its default, an example that is valid, and where it is
allowed.

    python docs/settings.py FILE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, cast

from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import GROUPS, Setting, shown
from twisted_ext.server.config.tables import TableSettings
from twisted_ext.server.config.zonesettings import ZONE_SETTINGS
from twisted_ext.server.settings.plugged import allSettings

#: Examples of settings of which the declaration has none in words. The first one is taken that is valid for the setting of this name.
EXAMPLES: Final[dict[str, tuple[object, ...]]] = {
    "allow-notify": ("192.0.2.1",),
    "allow-transfer": ("192.0.2.0/24",),
    "allow-update": ("key=dhcp.example.org tls",),
    "block-except": ("good.example",),
    "block-list": ("/etc/txdns/blocked.txt",),
    "days": ("mon-fri",),
    "dnstap-identity": ("ns1",),
    "default-soa": ("ns1.example.org. hostmaster.@ 0 10800 3600 604800 3600",),
    "expand-hosts": ("lan.example",),
    "group": ("fast",),
    "hostname-bind": ("ns1",),
    "https-path": ("/resolve",),
    "lists": ("ads",),
    "listed-in": ("catalog.example",),
    "manhole": ("tcp:2222:interface=127.0.0.1",),
    "name": ("example.org", "main"),
    "names": ("ads.example",),
    "negative-trust-anchor": ("broken.example=+1d",),
    "nsid": ("ns1",),
    "one-answer": ("192.0.2.7",),
    "port": (5300,),
    "report-agent": ("agent.example.org",),
    "sign": ("default",),
    "signatures": ("30d",),
    "store": ("/var/lib/txdns/zones.db",),
    "times": ("14:00-17:30",),
    "version-bind": ("none of your business",),
    "view": ("partners",),
}

_SUCH: Final = re.compile(r'such as ("[^"]+"|.+)')
_END: Final = re.compile(r", or |,? and | or |, | \(|$")
_WORDS: Final = re.compile(r", | or ")

#: Markup of reStructuredText that help texts may have by chance.
_MARKS: Final = re.compile(r"([\\*`|]|_(?=\W|$))")


def isValid(setting: Setting, value: object) -> bool:
    """
    Return whether the settings file may have a value.
    """
    try:
        setting.fromTOML(value)
    except BadDescription:
        return False
    return True


def candidates(setting: Setting) -> Iterator[object]:
    """
    Yield what may be an example, the best first: from the table above, the words of the declaration, and the default.
    """
    kind = setting.kind
    yield from EXAMPLES.get(setting.name, ())
    if isinstance(kind, types.Flag):
        yield not setting.default
    if isinstance(kind, types.Octets):
        yield "128M"
    if isinstance(kind, types.Number):
        usual = float(str(setting.default))
        # Twice the default, half of it, or a small one.
        yield from [int(number) if number == int(number) else number for number in (usual * 2, usual / 2, 2) if number and number != usual]
    if isinstance(kind, types.File):
        yield f"/etc/txdns/{setting.name}"
    for text in (kind.allowed, setting.help):
        if found := _SUCH.search(text):
            yield from [found[1][: end.start()].strip('"') for end in _END.finditer(found[1])]
    if not kind.allowed.startswith("a "):
        yield from [word for word in _WORDS.split(kind.allowed) if word != setting.default]
    yield from ("example.org", "192.0.2.1")


def exampleOf(setting: Setting) -> str:
    """
    Return a line of the settings file.

    @raise ValueError: there is no example: L{EXAMPLES} needs one.
    """
    for value in candidates(setting):
        if isValid(setting, value) or (isinstance(setting.kind, types.File) and isinstance(value, str) and value):
            given = (str(value),) if setting.many and not isinstance(value, tuple) else cast("types.Value", value)
            return f"{setting.name} = {shown(given)}"
    raise ValueError(f"{setting.name}: there is no valid example in its declaration; add one to EXAMPLES")


def placesOf(setting: Setting) -> str:
    """
    Return where a setting of servers may be.
    """
    zone = setting.name in [each.name for each in ZONE_SETTINGS]
    return ", ".join(["server", *["view"] * setting.inView, *["zone"] * zone])


def changesOf(setting: Setting) -> str:
    if not setting.live:
        return "restart"
    return "reload, run time" if setting.atRunTime else "reload"


def keysOf(setting: Setting) -> Sequence[Setting]:
    """
    Return the keys of a setting that is a table; none if it is not.
    """
    if not isinstance(setting.kind, types.Table):
        return ()
    load: Callable[[], type[object]] = setting.kind.load
    kind = load()
    return kind.declared() if issubclass(kind, TableSettings) else ZONE_SETTINGS


def _inTable(word: str, key: Setting) -> str:
    """
    Return where a key of a table may be, and when it takes effect.
    """
    return f"{word}; reload"


def _plain(text: str) -> str:
    return _MARKS.sub(r"\\\1", text)


def _table(title: str, under: str, said: str, rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [title, under * len(title), "", said, "", ".. list-table::", "   :header-rows: 1", "   :widths: 18 18 26 14 34", ""]
    for row in (("setting", "default", "example", "allowed in; takes effect at", "what it does"), *rows):
        lines += [f"   {'* -' if number == 0 else '  -'} {cell}" for number, cell in enumerate(row)]
    return [*lines, ""]


def _code(text: str) -> str:
    return f"``{text}``"


def _rows(settings: Sequence[Setting], where: Callable[[Setting], str]) -> list[list[str]]:
    rows: list[list[str]] = []
    for each in settings:
        said = f"{_plain(each.help)}. Takes {_plain(each.allowed)}."
        rows.append([_code(each.name), _code(shown(each.default)), _code(exampleOf(each)), where(each), said])
    return rows


def tables() -> str:
    """
    Return a heading and a table for each group of settings, and for the keys of each table.
    """
    every = list(allSettings(plugins=False))
    lines: list[str] = []
    for group, roles in GROUPS.items():
        said = f"For {', '.join([_code(role) for role in roles])}."
        of = [each for each in every if each.group == group and not isinstance(each.kind, types.Table)]
        lines += _table(group, "=", said, _rows(of, lambda each: f"{placesOf(each)}; {changesOf(each)}"))
    for setting in every:
        if keys := keysOf(setting):
            said = f"{_plain(setting.help)}. As one text: {_plain(setting.kind.allowed)}."
            word = setting.name
            lines += _table(f"Keys of [[{word}]]", "=", said, _rows(keys, partial(_inTable, word)))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(tables(), "utf-8")
