"""
What the clients of converted views are answered: the same as before, or the converter has said that it is not.
"""

from __future__ import annotations

import pytest

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
