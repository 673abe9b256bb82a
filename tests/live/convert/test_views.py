"""
What the clients of converted views are answered: the same as before, or the converter has said that it is not.
"""

from __future__ import annotations

import pytest

from tests.live.convert.namedviews import compareNamed
from tests.live.convert.views import compareViews

__all__: list[str] = []


@pytest.mark.parametrize("seed", range(4))
def test_viewsAnswerAsUnboundDoes(seed: int) -> None:
    """
    Clients of random views get the answers that Unbound gives them, but where a line of the converter's names the domain.
    """
    result = compareViews(seed)
    assert result.unsaid == [], result.text
    assert result.said <= result.asked // 5


@pytest.mark.long
def test_ofManyViews() -> None:
    """
    So it is with sixty, of which many give clients of different views different answers.
    """
    results = [compareViews(seed) for seed in range(4, 64)]
    assert [(each.text, each.unsaid) for each in results if each.unsaid] == []
    assert sum(each.apart for each in results) > 100


@pytest.mark.parametrize("seed", range(12))
def test_viewsAnswerAsNamedDoes(seed: int) -> None:
    """
    Clients of named's views, told apart by addresses and keys, get the answers that it gives them. Nothing is open to clients that named
    refuses it, and if an answer differs, the converter has listed something.
    """
    result = compareNamed(seed)
    assert (result.opened, result.unsaid) == ([], []), result.text


@pytest.mark.long
def test_ofManyOfNamed() -> None:
    """
    So it is with two hundred, of most of which nothing is listed.
    """
    results = [compareNamed(seed) for seed in range(12, 212)]
    assert [(each.text, each.opened, each.unsaid) for each in results if each.opened or each.unsaid] == []
    assert sum(each.apart for each in results) > 500
    assert sum(not each.lines for each in results) > 80
