"""
The folder of listings, and the servers that they query, on free ports, for tests that do not follow a whole page.
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

from tests.patience import PATIENCE
from tests.test_architecture import ROOT

__all__ = ["LISTINGS", "Servers", "serving"]

LISTINGS: Final = ROOT / "docs" / "listings"


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
        Copy all listings of a folder, with the real ports.
        """
        shutil.copytree(folder, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        for path in to.rglob("*"):
            if path.suffix in (".py", ".session"):
                path.write_text(self.real(path.read_text("utf-8")), "utf-8")

    def run(self, words: list[str], folder: Path, given: str = "") -> str:
        """
        Return the output of C{txdns}, with the ports of the listings.

        @param given: its standard input.
        """
        done = subprocess.run(
            [sys.executable, "-m", "twisted_ext", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
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
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
