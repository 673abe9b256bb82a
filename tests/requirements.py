"""
What a test needs from outside: skip without it, or fail where it is required.
"""

from __future__ import annotations

import os
from typing import Final, NoReturn

import pytest

__all__ = ["REQUIRE_VARIABLE", "missing", "required"]

#: The environment variable that lists, with commas between them, the kinds of
#: things ("peers", "corpora") that must not be missing.
REQUIRE_VARIABLE: Final = "TXDNS_REQUIRE"


def required(kind: str) -> bool:
    """
    @return: whether a test that lacks something of this kind has to fail.
    """
    return kind in os.environ.get(REQUIRE_VARIABLE, "").replace(",", " ").split()


def missing(kind: str, sentence: str) -> NoReturn:
    """
    End the running test: as skipped, or, where this kind is required, as failed.

    @param sentence: what is missing, and what to do about it.
    """
    if required(kind):
        pytest.fail(f"{sentence} ({REQUIRE_VARIABLE} lists {kind})", pytrace=False)
    pytest.skip(sentence)
