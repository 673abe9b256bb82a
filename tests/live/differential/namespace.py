"""
A network namespace for the shared internet.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from tests.live.differential.running import Result, resultsIn
from tests.peers import peer

__all__ = ["PROGRAMS", "Comparison", "compare", "isUsable"]

#: The programs that it takes.
PROGRAMS: Final = ("ip", "nsd", "knotd", "named", "unbound", "pdns_recursor", "kresd")

_ROOT: Final = Path(__file__).parents[3]

# Ending the first process of the namespace ends all of them.
_UNSHARE: Final = ("unshare", "--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")


class Comparison(NamedTuple):
    """
    What a comparison has found.

    @ivar results: the replies of all resolvers.
    @ivar unchecked: the bogus names that ours answers once a client has asked for them with CD.
    """

    results: list[Result]
    unchecked: list[str]


def isUsable() -> bool:
    """
    Return whether this user may make such a namespace.
    """
    if shutil.which(_UNSHARE[0]) is None:
        return False
    return not subprocess.run([*_UNSHARE, str(peer("ip")), "link", "set", "lo", "up"], capture_output=True).returncode


def compare(names: int, *, small: bool = False, shown: bool = False, timeout: float | None = None) -> Comparison:
    """
    Ask all resolvers.

    @param names: how many names to ask for.
    @param small: leave out the zones that make resolvers wait.
    @param shown: show the progress at standard error.

    @raise RuntimeError: a program has failed.
    """
    # Control sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="txdns-") as folder:
        words = [sys.executable, "-m", "tests.live.differential.running", folder, str(names), "small" if small else "whole"]
        done = subprocess.run([*_UNSHARE, *words], cwd=_ROOT, stderr=None if shown else subprocess.PIPE, text=True, timeout=timeout)
        if done.returncode:
            raise RuntimeError(done.stderr or "the programs in the namespace failed")
        unchecked = json.loads(Path(folder, "unchecked.json").read_text("utf-8"))
        return Comparison(resultsIn(Path(folder, "results.json")), unchecked)
