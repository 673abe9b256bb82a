"""
Write what the documentation shows of commands, prefixes and settings, from the declarations of each.

    python docs/usage.py FOLDER

In FOLDER, C{commands.rst} has the help of each command, C{prefixes.rst} a table of the prefixes of resolver descriptions, from the
docstrings of their functions, and C{defaults.toml} the settings of the server.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Final

from twisted_ext.apps.cli.main import COMMANDS, main
from twisted_ext.resolver.strings.descriptions import BUILT_IN
from twisted_ext.resolver.strings.schema import Schema
from twisted_ext.server.config.settings import Settings

_LINK: Final = re.compile(r"L\{(\w+)<([\w.]+)>\}")
_CODE: Final = re.compile(r"C\{([^}]*)\}")


def fieldsOf(docstring: str) -> tuple[str, dict[str, str]]:
    """
    Split a docstring into its text and its fields, in reStructuredText.

    @return: the text, and the text of each field by the name of its parameter, or by its tag if it has none.
    """
    text, *fields = _CODE.sub(r"``\1``", " ".join(docstring.split())).split(" @")
    found: dict[str, str] = {}
    for field in fields:
        head, _, said = field.partition(": ")
        found[head.removeprefix("param ").removeprefix("keyword ")] = said
    return text, found


def prefixes() -> Iterator[tuple[str, str, str, dict[str, str]]]:
    """
    Yield the usage, the dotted path of the class, the purpose and the options of each built-in prefix.

    @raise ValueError: a docstring leaves out an option, or the class.
    """
    for parser in BUILT_IN:
        function: Callable[..., object] = parser.load()
        schema = Schema(function)
        purpose, fields = fieldsOf(inspect.getdoc(function) or "")
        found = _LINK.match(fields.pop("return", ""))
        options = {each.name for each in schema.parameters if not each.wantsSource or each.name in fields}
        if found is None or not purpose or not options <= set(fields):
            raise ValueError(f"{parser.function}: its docstring needs the purpose, @param of {sorted(options)} and @return with a link")
        yield schema.usage(parser.prefix), found[2], purpose, {name: fields[name] for name in fields if name in options}


def prefixTable() -> str:
    """
    Return the table of prefixes.
    """
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 36 64", "", "   * - description", "     - when to use it; its options"]
    for usage, path, purpose, options in prefixes():
        lines += [f"   * - ``{usage}``", f"     - {purpose}", ""]
        lines += [f"       ``{name}``: {text}\n" for name, text in options.items()]
        lines += [f"       Class: ``{path.removeprefix('twisted_ext.')}``"]
    return "\n".join(lines) + "\n"


def helps() -> Iterator[tuple[list[str], str]]:
    """
    Yield the words of each command and sub-command, with its help.
    """
    for command in COMMANDS:
        for words in ([command.word], *[[command.word, each.word] for each in command.subcommands()]):
            with redirect_stdout(StringIO()) as output:
                main([*words, "--help"])
            yield words, output.getvalue()


def commandSections() -> str:
    """
    Return a section for each command.
    """
    lines: list[str] = []
    for words, text in helps():
        title = " ".join(words)
        lines += [title, ("=" if len(words) == 1 else "-") * len(title), "", ".. code-block:: none", ""]
        lines += [f"    {line}".rstrip() for line in text.splitlines()] + [""]
    return "\n".join(lines)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for name, written in (("commands.rst", commandSections), ("prefixes.rst", prefixTable), ("defaults.toml", Settings().toTOML)):
        (folder / name).write_text(written(), "utf-8")
