"""
Whom a converted configuration serves: nobody whom the original program refuses.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.live.convert.access import compareAccess

__all__: list[str] = []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["named", "unbound"])
def test_convertedAccessOpensNothing(kind: str, seed: int) -> None:
    """
    Answers of zones, look-ups, transfers and updates, signed and not, are given to no client that named or Unbound gives none. What clients
    lose has a line.
    """
    result = compareAccess(kind, Random(seed))
    assert result.opened == [], result.text
    assert result.closed == [] or result.lines, result.text


@pytest.mark.long
@pytest.mark.parametrize("kind", ["named", "unbound"])
def test_noneOfManyOpensAnything(kind: str) -> None:
    """
    Nor does one of sixty.
    """
    for seed in range(3, 63):
        result = compareAccess(kind, Random(seed))
        assert result.opened == [], f"seed {seed}: {result.text}"
