"""
Tests of text in the pages that cannot be followed as it stands: options, settings and descriptions are parsed.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.docs.pages import ROOT, Block, blocksIn, pagesIn
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.apps.tap import Options
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.settings.tomlfile import valuesFromTOML
from twisted_ext.testing.network import MemoryNetwork

__all__ = ["BLOCKS"]

#: The blocks of all pages that include no file.
BLOCKS: Final = [block for path in pagesIn() for block in blocksIn(path) if block.path is None]


def blocksOfKind(kind: str) -> list[Block]:
    """
    Return the blocks of one kind.
    """
    return [block for block in BLOCKS if block.content == kind]


def test_everyBlockHasKnownKind() -> None:
    """
    Each block is of a known kind: code and commands are followed, illustrations with commands, settings and descriptions are tested below,
    and files of other programs only for our names in them.
    """
    assert {block.content for block in BLOCKS} == {"python", "console", "sh", "toml", "yaml", "description", "text"}


def test_namedClassesExist() -> None:
    """
    Classes that settings of other programs name exist.
    """
    paths = [found for block in BLOCKS for found in re.findall(r"\btwisted_ext(?:\.\w+)+", block.text)]
    assert "twisted_ext.integrations.synapse.FederationResolver" in paths
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

    return re.sub(r"/etc/txdns/(\w+(?:\.toml)?)", lay, text)


@pytest.mark.parametrize("block", [block for block in blocksOfKind("console") if block.kind == "example"], ids=repr)
def test_commandsOfExamplesExist(block: Block, tmp_path: Path) -> None:
    """
    Each command of an example that cannot be typed as it stands exists, and accepts its options; the caption says what to do.
    """
    assert re.search(r"\b(replace|needs|as root|with|if|a server that)\b", block.caption), block.caption
    folder = ROOT
    for step in block.steps:
        match shlex.split(step.typed, comments=True):
            case ["twistd", "-n", "txdns", *rest]:
                Options().parseOptions([withFilesIn(word, tmp_path) for word in rest])
            case ["txdns", command, *_]:
                assert command in {each.word for each in COMMANDS}
            case ["make", target]:
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            case ["cd", below]:
                folder = ROOT / below
                assert folder.is_dir()
            case ["promtool", _, _, file]:
                assert (folder / file).is_file()
            case [command, *_]:
                assert command in {"python3", "/opt/txdns/bin/pip", "podman", "ssh", "sqlite3", "lego", "certbot", "dehydrated", "chmod"}


@pytest.mark.parametrize("block", blocksOfKind("sh"), ids=repr)
def test_shellCodeIsValid(block: Block) -> None:
    """
    Lines for a shell's own files, and for the machines of maintainers, have no error of syntax, and our commands in them exist.
    """
    done = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True)
    assert done.stderr == ""
    for command in re.findall(r"\btxdns (\w+)", block.text):
        assert command in {each.word for each in COMMANDS}


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
