"""
Tests of text in the pages that is not included from a listing: code is run, options, settings and descriptions are parsed.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from tests.docs.listings import Servers
from tests.docs.test_listings import PAGES
from tests.test_architecture import ROOT
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.apps.tap import Options
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.config.tomlfile import valuesFromTOML
from twisted_ext.testing.network import MemoryNetwork

__all__ = ["BLOCKS", "Block", "blocksOf"]

#: The beginning of a block: a directive, or two colons at the end of a paragraph.
_BEGINNING: Final = re.compile(r"^(?P<indent> *)(?:\.\. code-block:: (?P<language>\w+)|(?!\.\. ).*::)$")

#: Optional programs that code in the pages uses.
_PROGRAMS: Final = ("aioxmpp", "scrapy")


class Block:
    """
    A block of a page.

    @ivar page: its path from the project's folder.
    @ivar line: the line where it begins.
    @ivar language: the language in the page, or an empty string.
    """

    def __init__(self, page: str, line: int, language: str, text: str) -> None:
        self.page = page
        self.line = line
        self.language = language
        self.text = text

    @property
    def kind(self) -> str:
        """
        The kind of its content.
        """
        if self.language and self.language != "console":
            return self.language
        first = self.text.split("\n", 1)[0]
        if self.language == "console" or first.startswith(("$ ", "make ", "twistd ", "python3 ", "apt ")):
            return "console"
        if first.startswith("modules:"):
            return "yaml"
        return "description" if re.match(r"[a-z]+:\S+$", first) else "python"

    def __repr__(self) -> str:
        return f"{self.page}:{self.line}"


def blocksOf(page: str, text: str) -> list[Block]:
    """
    Return all blocks of a page, in order.
    """
    lines = text.split("\n")
    found: list[Block] = []
    at = 0
    while at < len(lines):
        beginning = _BEGINNING.match(lines[at])
        at += 1
        if beginning is None:
            continue
        indent = len(beginning["indent"])
        behind = at
        while behind < len(lines) and (not lines[behind].strip() or len(lines[behind]) - len(lines[behind].lstrip()) > indent):
            behind += 1
        found.append(Block(page, at, beginning["language"] or "", textwrap.dedent("\n".join(lines[at:behind])).strip()))
        at = behind
    return found


BLOCKS: Final = [block for path, text in PAGES.items() for block in blocksOf(str(path.relative_to(ROOT)), text)]

#: Pages with Python code.
_CODED: Final = sorted({block.page for block in BLOCKS if block.kind == "python"})


def blocksOfKind(kind: str) -> list[Block]:
    """
    Return the blocks of one kind.
    """
    return [block for block in BLOCKS if block.kind == kind]


def test_everyBlockHasKnownKind() -> None:
    """
    Each block is of a known kind: code, commands, settings and descriptions are tested below, files of other programs only for our names in
    them.
    """
    assert {block.kind for block in BLOCKS} == {"python", "console", "toml", "yaml", "description", "text"}
    assert {"README.rst", "docs/howto/install.rst", "docs/tour/index.rst"} <= set(_CODED)


@pytest.mark.parametrize("page", _CODED)
def test_codeOfPageRuns(page: str, servers: Servers, tmp_path: Path) -> None:
    """
    The code of a page runs unchanged from a clean interpreter: everything is imported before it is used.
    """
    absent = [name for name in _PROGRAMS if find_spec(name) is None]
    blocks = [block.text for block in blocksOfKind("python") if block.page == page and not any(name in block.text for name in absent)]
    (tmp_path / "resolv.conf").write_text(f"nameserver 127.0.0.1:{servers.ports['5301']}\nsearch .\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n192.0.2.81 www.example.com\n")
    assert errorsOf(blocks, tmp_path) == ""


def errorsOf(blocks: list[str], folder: Path) -> str:
    """
    Return the errors of code in a clean interpreter.
    """
    command = [sys.executable, "-m", "tests.docs.inline", str(folder / "resolv.conf"), str(folder / "hosts")]
    done = subprocess.run(command, input=json.dumps(blocks), capture_output=True, text=True, cwd=ROOT, timeout=120)
    return done.stdout + done.stderr


def test_missingImportIsDetected(tmp_path: Path) -> None:
    """
    Code that uses a name without its import is detected, also where only its package is imported.
    """
    for name in ("resolv.conf", "hosts"):
        (tmp_path / name).write_text("")
    assert "NameError" in errorsOf(["from twisted_ext import client", "looping.install(None)"], tmp_path)
    assert "AttributeError" in errorsOf(["import twisted_ext.compat", "twisted_ext.asyncio.install(None)"], tmp_path)
    assert errorsOf(["import asyncio", "await asyncio.get_running_loop().create_future() if False else None"], tmp_path) == ""


def test_namedClassesExist() -> None:
    """
    Classes that settings of other programs name exist.
    """
    paths = [found for block in BLOCKS for found in re.findall(r"\btwisted_ext(?:\.\w+)+", block.text)]
    assert "twisted_ext.integrations.scrapy.CrawlerResolver" in paths
    for path in paths:
        module, _, last = path.rpartition(".")
        found = __import__(module, fromlist=[last])
        assert hasattr(found, last) or __import__(path), path


def withFilesIn(text: str, folder: Path) -> str:
    """
    Return a text in which files of C{/etc} are replaced with existing files of a folder.
    """

    def lay(found: re.Match[str]) -> str:
        path = folder / found[1]
        path.touch()
        return str(path)

    return re.sub(r"/etc/txdns/(\w+)", lay, text)


def wordsOf(block: Block) -> list[list[str]]:
    """
    Return the words of each command in a terminal.
    """
    lines = block.text.split("\n")
    typed = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")] or lines
    return [shlex.split(line, comments=True) for line in typed]


@pytest.mark.parametrize("block", blocksOfKind("console"), ids=repr)
def test_commandsAndOptionsExist(block: Block, tmp_path: Path) -> None:
    """
    Each command in a terminal exists, and accepts its options.
    """
    for words in wordsOf(block):
        match words:
            case ["twistd", "-n", "txdns", *rest]:
                Options().parseOptions([withFilesIn(word, tmp_path) for word in rest])
            case ["txdns", command, *_]:
                assert command in {each.word for each in COMMANDS}
            case ["make", target]:
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            case ["python", "-m", module]:
                assert find_spec(module) is not None
            case [command, *_]:
                assert command in {"python3", "/opt/txdns/bin/pip", "ssh", "sqlite3", "kdig"}, words


@pytest.mark.parametrize("block", blocksOfKind("toml"), ids=repr)
def test_settingsAreValid(block: Block, tmp_path: Path) -> None:
    """
    Settings are known, and have valid values.
    """
    assert valuesFromTOML(withFilesIn(block.text, tmp_path), "txdns.toml")


@pytest.mark.parametrize("block", blocksOfKind("description"), ids=repr)
def test_descriptionsBuildSources(block: Block) -> None:
    """
    Descriptions build a source.
    """
    for line in block.text.split("\n"):
        sourceFromString(MemoryNetwork().reactor("192.0.2.7"), line).close()
