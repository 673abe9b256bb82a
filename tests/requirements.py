"""
External requirements of tests: a test without them is skipped, or fails where they are required.
"""

from __future__ import annotations

import os
from typing import Final, NoReturn

import pytest

__all__ = ["REQUIRE_VARIABLE", "missing", "required"]

#: The environment variable that lists, separated by commas, the kinds of
#: requirements ("peers", "corpora") that must not be missing.
REQUIRE_VARIABLE: Final = "TXDNS_REQUIRE"


def required(kind: str) -> bool:
    """
    Return whether a test that lacks something of this kind has to fail.
    """
    return kind in os.environ.get(REQUIRE_VARIABLE, "").replace(",", " ").split()


def missing(kind: str, sentence: str) -> NoReturn:
    """
    End the running test: as skipped, or as failed where this kind is required.

    @param sentence: what is missing, and how to get it.
    """
    if required(kind):
        pytest.fail(f"{sentence} ({REQUIRE_VARIABLE} lists {kind})", pytrace=False)
    pytest.skip(sentence)
