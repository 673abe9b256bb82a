"""
What policy zones make of answers, beside named.
"""

from __future__ import annotations

import pytest

from tests.live.lookups.policies import comparePolicies

__all__: list[str] = []


@pytest.mark.parametrize("seed", (8, 9))
def test_policiesDoWhatTheyDoAtNamed(seed: int) -> None:
    """
    Clients of six views with policy zones of their own get what named gives them: by names, wildcards, addresses and clients, through
    aliases, with what is done in place of rules, and with zones on trial.
    """
    result = comparePolicies(seed, 250)
    assert result.other == []
    assert result.ruled > 50


@pytest.mark.long
def test_manyPolicies() -> None:
    """
    So it is with sixty more policies.
    """
    results = [comparePolicies(seed, 400) for seed in range(10, 20)]
    assert [line for each in results for line in each.other] == []
    assert sum(each.ruled for each in results) > 1000
