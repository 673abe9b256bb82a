"""
Addresses for clients without IPv4, beside named and Unbound.
"""

from __future__ import annotations

import pytest

from tests.live.lookups.dns64 import compareDNS64

__all__: list[str] = []


@pytest.mark.parametrize("seed", range(2))
def test_addressesAreThoseOfOthers(seed: int) -> None:
    """
    Each answer is one that named or Unbound gives, with prefixes of several lengths, aliases, wildcards, excluded addresses, and for
    clients that validate.
    """
    result = compareDNS64(seed, 80)
    assert result.alone == []
    assert result.made > 10


@pytest.mark.long
def test_ofManyZones() -> None:
    """
    So it is in ten zones.
    """
    results = [compareDNS64(seed, 100) for seed in range(2, 12)]
    assert [line for each in results for line in each.alone] == []
    assert sum(each.made for each in results) > 200
