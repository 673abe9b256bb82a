"""
C{txdns config}: check, diff and schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from twisted_ext.apps.cli.main import main


class Found(NamedTuple):
    code: int
    output: str
    errors: str


class Command:
    """
    Runs C{txdns config}.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str) -> Found:
        code = main(["config", *words])
        return Found(code, *self._capsys.readouterr())


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def _file(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_check(run: Command, tmp_path: Path) -> None:
    """
    A valid file is said to be so, with what a server would warn of; what is wrong is said with its line.
    """
    valid = _file(tmp_path, "valid", "min-ttl = 5\ncache = false\n")
    found = run("check", valid)
    assert (found.code, found.output) == (0, f"{valid} is valid for txdns forward\n")
    assert found.errors == "warning: min-ttl, max-ttl and max-negative-ttl have no effect without the cache\n"
    found = run("check", valid, "--role", "recurse")
    assert (found.code, found.output) == (0, f"{valid} is valid for txdns recurse\n")
    for text, said in (
        ("port = 70000\nupstreem = 1", ":1: port takes a number from 0 to 65535, not 70000\n"),
        ("port = 1\nupstreem = 1", ":2: upstreem: there is no such setting; did you mean upstream?\n"),
        ("[[", "this is not valid TOML"),
        ("min-ttl = 9\nmax-ttl = 5", ": min-ttl is 9, which is more than max-ttl, 5\n"),
        ('upstream = ["tls:127.0.0.1:53"]\nroute = ["corp.example=nonesuch:"]', "nonesuch"),
        ('certificate = "/nonexistent"\ntls = ["127.0.0.1"]', "/nonexistent"),
    ):
        path = _file(tmp_path, "wrong", text)
        found = run("check", path)
        assert (found.code, found.output) == (2, ""), text
        assert said in found.errors, text
        assert all(line.startswith(f"txdns config check: {path}") for line in found.errors.splitlines()), found.errors


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("check", 1, "write exactly one file, not 0"),
        ("check a b", 1, "write exactly one file, not 2"),
        ("check /nonexistent.toml", 8, "/nonexistent.toml: cannot be read: No such file or directory"),
        ("check x --role cook", 1, "'cook' is not a role; write forward, recurse, serve"),
        ("diff a", 1, "write exactly two files, not 1"),
        ("diff /nonexistent.toml /dev/null", 8, "/nonexistent.toml: cannot be read"),
        ("schema x", 1, "it takes no argument"),
        ("chek", 1, "check"),
    ],
)
def test_wrongUse(run: Command, words: str, code: int, said: str) -> None:
    """
    What cannot be done is one line.
    """
    found = run(*words.split())
    assert (found.code, said in found.errors, len(found.errors.splitlines())) == (code, True, 1), found.errors


def test_diff(run: Command, tmp_path: Path) -> None:
    """
    Differences are lines, or objects of JSON, and the exit code says whether there are some.
    """
    former = _file(tmp_path, "former", "workers = 2\nmin-ttl = 5\n")
    value = _file(tmp_path, "value", "# only a comment\nmin-ttl = 6\n")
    found = run("diff", former, value)
    assert (found.code, found.output) == (1, "workers: 2 is now 1; this takes a restart\nmin-ttl: 5 is now 6\n")
    found = run("diff", former, value, "--json")
    assert [json.loads(line) for line in found.output.splitlines()] == [
        {"setting": "workers", "said": "workers: 2 is now 1", "restart": True},
        {"setting": "min-ttl", "said": "min-ttl: 5 is now 6", "restart": False},
    ]
    found = run("diff", former, former)
    assert (found.code, found.output) == (0, "")


def test_schema(run: Command) -> None:
    """
    The schema is JSON.
    """
    found = run("schema")
    assert found.code == 0
    assert json.loads(found.output)["properties"]["port"]["maximum"] == 65535
