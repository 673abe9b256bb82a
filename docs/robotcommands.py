"""
Write what the documentation shows of the information robot: all settings, and the commands of each built-in plugin.

    python docs/robotcommands.py FILE
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from twisted_ext.apps.robot.commands import Effect, commandsOf
from twisted_ext.apps.robot.fronts.networks import NetworkSettings
from twisted_ext.apps.robot.fronts.pages import WebSettings
from twisted_ext.apps.robot.loading import BUILT_IN
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.providers import FetchSettings
from twisted_ext.apps.robot.table import Table

#: Who may call a command, unless C{[access.commands]} names a role for it.
CALLERS: Final = {
    Effect.READS: "everyone",
    Effect.WRITES: "the owner; it writes",
    Effect.REACHES: "the owner; it reaches out",
    Effect.OWNS: "the owner",
}

#: The tables of the settings file beside those of plugins, with their headers.
TABLES: Final[tuple[tuple[str, type[Table]], ...]] = (
    ("the top of the file", RobotSettings),
    ("[[network]]", NetworkSettings),
    ("[web]", WebSettings),
    ("[http]", FetchSettings),
)


def table(heads: tuple[str, ...], widths: str, rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """
    Yield the lines of a table, none if it has no rows.
    """
    found = [tuple(row) for row in rows]
    if found:
        yield from [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
        for row in (heads, *found):
            yield from [f"   {' ' if number else '*'} - {cell}".rstrip() for number, cell in enumerate(row)]
        yield ""


def plain(text: str) -> str:
    """
    Return a text in reStructuredText in which no character is markup.
    """
    return re.sub(r"([*`|_\\])", r"\\\1", text)


def headed(title: str, line: str) -> list[str]:
    return [title, line * len(title), ""]


def keys(kind: type[Table]) -> Iterator[tuple[str, str, str]]:
    """
    Yield the key, the default and the purpose of each setting.
    """
    for key, setting in kind.declared().items():
        default = setting.default
        word = str(default).lower() if isinstance(default, bool) else str(default)
        # A setting without a default has to be given.
        shown = "required" if default is None else "" if default in ("", ()) else f"``{word}``"
        yield f"``{key}``", shown, plain(f"{setting.help}: {setting.allowed}")


def sections() -> str:
    """
    Return a section for each table of settings and for each plugin.
    """
    lines = headed("Settings", "=")
    for title, kind in TABLES:
        lines += [*headed(title if title.startswith("the") else f"``{title}``", "-")]
        lines += table(("key", "default", "meaning"), "22 18 60", keys(kind))
    lines += headed("Plugins", "=")
    for plugin in BUILT_IN:
        actual = plugin.load()
        lines += [*headed(f"``{plugin.name}``", "-"), plain(f"{plugin.summary[:1].upper()}{plugin.summary[1:]}."), ""]
        commands = [(f"``{each.usage}``", plain(each.summary), CALLERS[each.effect]) for each in commandsOf(actual, plugin.name)]
        lines += table(("command", "what it does", "who may call it"), "34 46 20", commands)
        if isinstance(actual, Table):
            lines += table((f"key of ``[plugin.{plugin.name}]``", "default", "meaning"), "22 18 60", keys(type(actual)))
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(sections(), "utf-8")
