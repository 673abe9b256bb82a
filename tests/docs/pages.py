"""
The blocks of a page, in the order in which a reader meets them.

A reader follows a page from its first line to its last, in one folder:

  - A block with a caption, or a name where there can be none, is a file, saved under that name. One that begins with C{/} belongs to root,
    and C{~} is the home folder.
  - A block with C{$} is a terminal: commands, each followed by its output. In one without C{$}, each line is a command.
  - A block with C{>>>} is typed into the shell that the command before it has started.
  - Python code without a caption is a fragment of a program.
  - A block whose caption begins with C{Example:} cannot be followed as it stands; the rest of the caption says why, such as an address that
    has to be replaced. Settings without a caption, and text in other languages, are illustrations as well.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Final

__all__ = ["EXAMPLE", "ROOT", "Block", "Step", "blocksIn", "pagesIn", "stepsOf"]

ROOT: Final = Path(__file__).parent.parent.parent

#: The beginning of the caption of a block that cannot be followed as it stands.
EXAMPLE: Final = "Example:"

#: The beginning of a block: a directive, or two colons at the end of a paragraph.
_BEGINNING: Final = re.compile(r"^(?P<indent> *)(?:\.\. (?P<directive>code-block):: (?P<argument>\S+)|(?!\.\. ).*::)$")
#: A comment above a block: the file that has its text (C{docs/quote.py}).
_FROM: Final = re.compile(r"^ *\.\. from (\S+)$")
_OPTION: Final = re.compile(r"^ +:(\w+): (.+)$")

#: Words with which a command begins that is shown without C{$}.
_COMMANDS: Final = ("make ", "twistd ", "python3 ", "apt ")


class Step:
    """
    One input, and its output.
    """

    def __init__(self, typed: str) -> None:
        self.typed = typed
        self.lines: list[str] = []

    @property
    def shown(self) -> str:
        """
        The output until the next step.
        """
        return "\n".join(self.lines)


def stepsOf(text: str, prompt: str) -> list[Step]:
    """
    Return the steps of a session.

    @param prompt: the text before each input.
    """
    steps: list[Step] = []
    for line in text.splitlines():
        if line.startswith(prompt):
            steps.append(Step(line.removeprefix(prompt).strip()))
        elif steps:
            steps[-1].lines.append(line)
        elif line.strip():
            raise ValueError(f"{line!r} stands before the first {prompt!r}")
    return steps


class Block:
    """
    A block of a page.

    @ivar page: its path from the project's folder, or only its name if it is elsewhere.
    @ivar line: the line where it begins.
    @ivar language: the language in the page, or an empty string.
    @ivar caption: the caption, or an empty string.
    @ivar path: the file that has the text as well; L{None} if it is in the page alone.
    """

    def __init__(self, page: str, line: int, language: str, caption: str, text: str, path: Path | None = None) -> None:
        self.page = page
        self.line = line
        self.language = language
        self.caption = caption
        self.text = text
        self.path = path

    @property
    def kind(self) -> str:
        """
        What a reader does with it: C{"example"}, C{"file"}, C{"console"}, C{"session"}, C{"python"}, or the language.
        """
        if self.caption.startswith(EXAMPLE):
            return "example"
        return "file" if self.caption else self.content

    @property
    def content(self) -> str:
        """
        What it has, whatever a reader does with it.
        """
        if self.path is not None and self.path.suffix in (".out", ".terminal", ".shown"):
            return "console"
        if self.language == "pycon":
            return "session"
        if self.language and self.language != "console":
            return self.language
        first = self.text.split("\n", 1)[0]
        if self.language == "console" or first.startswith(("$ ", *_COMMANDS)):
            return "console"
        if first.startswith("modules:"):
            return "yaml"
        return "description" if re.match(r"[a-z]+:\S+$", first) else "python"

    @property
    def steps(self) -> list[Step]:
        """
        The commands of a terminal.
        """
        if "$ " in self.text:
            return stepsOf(self.text, "$ ")
        return [Step(line.partition("  #")[0].strip()) for line in self.text.splitlines() if line.strip()]

    def __repr__(self) -> str:
        return f"{self.page}:{self.line}"


def blocksIn(path: Path) -> list[Block]:
    """
    Return all blocks of a page, in order.
    """
    page = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
    lines = path.read_text("utf-8").split("\n")
    found: list[Block] = []
    at = 0
    while at < len(lines):
        beginning = _BEGINNING.match(lines[at])
        at += 1
        if beginning is None:
            continue
        indent = len(beginning["indent"])
        options: dict[str, str] = {}
        behind = at
        while beginning["directive"] and (option := _OPTION.match(lines[behind])):
            options[option[1]] = option[2]
            behind += 1
        body = behind
        while behind < len(lines) and (not lines[behind].strip() or len(lines[behind]) - len(lines[behind].lstrip()) > indent):
            behind += 1
        text = textwrap.dedent("\n".join(lines[body:behind])).strip()
        caption, language = options.get("caption", options.get("name", "")), beginning["argument"] or ""
        if named := _FROM.match(lines[at - 3]):
            listing = (path.parent / named[1]).resolve()
            found.append(Block(page, at, language, caption, listing.read_text("utf-8"), listing))
        elif text:
            found.append(Block(page, at, language, caption, text))
        at = behind
    return found


def pagesIn(folder: Path = ROOT) -> list[Path]:
    """
    Return the README and all pages of the documentation.
    """
    return [folder / "README.rst", *sorted(path for path in (folder / "docs").rglob("*.rst") if "_build" not in path.parts)]
