"""
Listings and their output: files of C{docs/listings} that the pages include.

  - C{name.py} is a program, C{name.out} a terminal with it: commands after C{$}, each followed by its output.
  - C{name.session} is a Python shell: input after C{>>>}, followed by its output.

Ports in them (5301, 5302, 8080) stand for those of the server of L{tests.docs.serving}.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.test_architecture import ROOT

__all__ = ["LISTINGS", "Servers", "Step", "normalized", "serving", "stepsOf"]

LISTINGS: Final = ROOT / "docs" / "listings"

#: Seconds that a listing or a server may take.
_PATIENCE: Final = 60.0

#: Parts that differ from run to run, and their replacements.
_VARYING: Final = (
    # A server may seem silent on a busy machine, and is asked again.
    (re.compile(r"^[ │├└─]+\d+\.\d ms +(forward +)?(timed out|sent .*attempt[ =]([2-9]|\d\d))\b.*\n", re.MULTILINE), ""),
    (re.compile(r"\b\d+ queries sent"), "1 query sent"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x7f0000000000"),
    (re.compile(r" +\d+\.\d ms"), " 0.0 ms"),
    (re.compile(r"(age|left|wait|seconds)=\d+\.\d+"), r"\1=0.0"),
    (re.compile(r";; WHEN: .*"), ";; WHEN: now"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"), "2026-11-20T15:00:00+00:00"),
    (re.compile(r"id: \d+"), "id: 1"),
    (re.compile(r"Query time: \d+ msec"), "Query time: 0 msec"),
    # A server's cache may have had the answer for some seconds.
    (re.compile(r"(?<=[. \t])29\d(?=\s+IN\s)"), "300"),
)


def normalized(text: str) -> str:
    """
    Return the text without parts that differ from run to run.
    """
    for pattern, replacement in _VARYING:
        text = pattern.sub(replacement, text)
    return "\n".join([line.rstrip() for line in text.strip().splitlines()])


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


class Servers:
    """
    The running servers of L{tests.docs.serving}.

    @ivar ports: the real ports, by the ports in the listings.
    """

    def __init__(self, ports: dict[str, int]) -> None:
        self.hasIPv6 = bool(ports.pop("ipv6"))
        self.ports = ports

    def real(self, text: str) -> str:
        """
        Return the text with the real ports.
        """
        return re.sub(r"\b(5301|5302|8080)\b", lambda found: str(self.ports[found[0]]), text)

    def shown(self, text: str) -> str:
        """
        Return the text with the ports of the listings.
        """
        for stands, port in self.ports.items():
            text = re.sub(rf"\b{port}\b", stands, text)
        return text

    def copy(self, folder: Path, to: Path) -> None:
        """
        Copy all listings of a folder, with the real ports, and add the files of a machine that uses the first server.
        """
        shutil.copytree(folder, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        for path in to.rglob("*"):
            if path.suffix in (".py", ".out", ".session"):
                path.write_text(self.real(path.read_text("utf-8")), "utf-8")
        # No search list, whatever the host name of this machine.
        (to / "resolv.conf").write_text(f"nameserver 127.0.0.1:{self.ports['5301']}\nsearch .\n")
        (to / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        (to / "services").write_text("http 80/tcp\nhttps 443/tcp\n")

    def run(self, words: list[str], folder: Path, given: str = "") -> str:
        """
        Run a command of a listing.

        @param given: its standard input.
        @return: its output, including standard error.
        """
        if words[0] == "python" and words[1] != "-m":
            command = [sys.executable, "-m", "tests.docs.running", "resolv.conf", "hosts", "services", *words[1:]]
        elif words[0] == "python":
            command = [sys.executable, *words[1:]]
        elif words[0] == "txdns":
            command = [sys.executable, "-c", "import sys; from twisted_ext.apps.cli.main import main; sys.exit(main())", *words[1:]]
        else:
            raise ValueError(f"{words[0]!r} is not a command that a listing may show")
        path = os.pathsep.join([str(folder), str(ROOT)])
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE,
        )
        return self.shown(done.stdout)


@contextmanager
def serving() -> Iterator[Servers]:
    """
    Start the servers, and stop them afterwards.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "tests.docs.serving"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield Servers(json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
