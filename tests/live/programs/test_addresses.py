"""
Tests of getaddrinfo and getnameinfo against the C library, on machines with files and a name server that both use.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Final

import pytest

from tests.live.programs.households import VARIANTS
from tests.live.programs.lonely import command
from tests.patience import PATIENCE
from tests.requirements import missing
from tests.test_architecture import ROOT
from tests.tour.machine import usable

#: Calls on each kind of machine: 5,000 of getaddrinfo and 2,000 of getnameinfo on all of them together.
CALLS: Final = {"both": (2000, 800), "alone": (1000, 400), "old": (1000, 400), "new": (1000, 400)}

#: Unavoidable differences. Each has its reason in docs/howto/addresses.rst.
REASONS: Final = {"unknown names", "final dots", "mapped addresses in files", "non-ascii names in bytes"}

#: The seed, other than the one used during development.
SEED: Final = 20261120


@pytest.fixture(scope="module", autouse=True)
def machine() -> None:
    """
    Skip the tests where there are no namespaces or no such C library.
    """
    if not sys.platform.startswith("linux") or not usable():
        missing("peers", "this system gives no namespaces (unshare --user --net --mount), or lacks unshare(1) and mount(8) of util-linux")
    tried = subprocess.run(command("both", "--inside", "-c", "pass"), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
    if tried.returncode:
        # Such as a kernel without IPv6.
        missing("peers", f"no machine of one's own can be made here: {tried.stderr.strip()[-200:]}")


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_resultsEqualThoseOfCLibrary(variant: str) -> None:
    """
    Every call gives the result of the C library: addresses in order, canonical names, codes and texts of errors. The only differences are
    those in the documentation.
    """
    calls, names = CALLS[variant]
    words = command(variant, "--inside", "-m", "tests.live.programs.comparing", str(SEED), str(calls), str(names))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE)
    *differences, last = [json.loads(line) for line in done.stdout.splitlines()] or [{"said nothing": done.stderr}]
    assert not differences, "\n".join(map(str, differences))
    assert last.get("calls") == calls and last["names"] == names, last
    assert set(last["reasons"]) <= REASONS


def test_differencesAreDocumented() -> None:
    """
    The documentation explains every difference.
    """
    text = (ROOT / "docs" / "howto" / "addresses.rst").read_text("utf-8").lower()
    for reason in REASONS:
        assert reason in text
