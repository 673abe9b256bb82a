"""
A short comparison of the source and the compiled package; C{tests.comparison.comparing} is the long one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import getrandbits

import pytest

import twisted_ext
from tests.comparison.comparing import SHARES, Both, compare
from tests.requirements import missing
from twisted_ext.wire import names

#: Inputs of each kind.
_INPUTS = 1000


def compiledFolder() -> Path:
    """
    Return the folder of the compiled package: the one under test, or the one that C{TXDNS_COMPILED} names.
    """
    if not names.__file__.endswith(".py"):
        return Path(twisted_ext.__file__).parents[1]
    if "TXDNS_COMPILED" not in os.environ:
        missing("compiled", "no compiled package to compare with: TXDNS_COMPILED=FOLDER names the folder that contains one")
    return Path(os.environ["TXDNS_COMPILED"])


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    with Both(compiledFolder()) as both:
        yield both


@pytest.mark.parametrize("kind", SHARES)
def test_sourceAndCompiledPackageAgree(both: Both, kind: str) -> None:
    """
    Messages, names, lines of zones and queries give the same values, octets and errors from source and compiled.
    """
    compare(both, kind, _INPUTS, getrandbits(32))
