"""
Tests that the README and the first page of the documentation name all commands, groups of settings and extras.
"""

from __future__ import annotations

import re
from configparser import ConfigParser

import pytest

from tests.docs.pages import ROOT
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.server.config.setting import GROUPS
from twisted_ext.server.settings.plugged import allSettings

__all__: list[str] = []


def extras() -> list[str]:
    """
    Return the extras of the package.
    """
    settings = ConfigParser()
    settings.read(ROOT / "setup.cfg", "utf-8")
    return list(settings["options.extras_require"])


def pages() -> str:
    """
    Return the text of both pages.
    """
    return "\n".join([(ROOT / name).read_text("utf-8") for name in ("README.rst", "docs/index.rst")])


def rows(text: str, title: str) -> list[tuple[str, str]]:
    """
    Return the first two columns of the table in a section of the first page.
    """
    section = re.search(rf"^{title}\n=+\n(.*?)(?=^=+$|\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"^   \* - (.+)\n     - (.+)$", section[1], re.MULTILINE) if section else []


def unnamed(text: str) -> list[str]:
    """
    Return the commands, the groups of settings with their roles, and the extras that a text does not name. The name of an extra is not
    that of the command with the same name.
    """
    commands = {*re.findall(r"(?<!twistd )(?<!-n )\btxdns ([a-z]+)", text), *literals(rows(text, "Commands"))}
    installed = {
        extra for found in re.findall(r"'(?:twisted-ext|\.)\[([\w,-]+)\]'", text) for extra in found.split(",")
    }
    found = installed | literals(rows(text, "Extras"))
    groups = {group: tuple(re.findall(r"``(\w+)``", roles)) for group, roles in rows(text, "Settings of servers")}
    return [
        *[f"command {command.word}" for command in COMMANDS if command.word not in commands],
        *[
            f"settings {group}"
            for group in {each.group: None for each in allSettings(plugins=False)}
            if groups.get(group) != GROUPS[group]
        ],
        *[f"extra {extra}" for extra in extras() if extra not in found],
    ]


def literals(table: list[tuple[str, str]]) -> set[str]:
    """
    Return the words in the first column of a table.
    """
    return {word for first, _ in table for word in re.findall(r"``([\w-]+)``", first)}


def test_everythingIsNamed() -> None:
    """
    The README or the first page names each command of C{txdns}, each group of settings with its roles, and each extra.
    """
    assert unnamed(pages()) == []


@pytest.mark.parametrize("command", [command.word for command in COMMANDS])
def test_missingCommandIsFound(command: str) -> None:
    """
    A command that neither page names is found, also if an extra has the same name.
    """
    table = pages().rpartition("\nCommands\n")
    end = table[2].index("Settings of servers")
    text = "".join([*table[:2], table[2][:end].replace(f"``{command}``", "``other``"), table[2][end:]])
    assert unnamed(re.sub(rf"\btxdns {command}\b", "txdns other", text)) == [f"command {command}"]


@pytest.mark.parametrize("extra", extras())
def test_missingExtraIsFound(extra: str) -> None:
    """
    An extra that neither page names is found, also if a command has the same name.
    """
    before, title, table = pages().rpartition("\nExtras\n")
    text = re.sub(
        rf"([\[,]){extra}([\],])", r"\1other\2", f"{before}{title}{table.replace(f'``{extra}``', '``other``')}"
    )
    assert unnamed(text) == [f"extra {extra}"]


@pytest.mark.parametrize("group", GROUPS)
def test_missingSettingsAreFound(group: str) -> None:
    """
    A group of settings that neither page names is found, and one with another list of roles.
    """
    text = pages()
    assert unnamed(text.replace(f"   * - {group}\n", "   * - Other\n")) == [f"settings {group}"]
    assert unnamed(text.replace(f"   * - {group}\n     - ", f"   * - {group}\n     - ``other``, ")) == [
        f"settings {group}"
    ]
