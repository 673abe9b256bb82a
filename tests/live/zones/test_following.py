"""
Live tests of servers that follow a thousand small zones of a server of ours.
"""

from __future__ import annotations

import pytest

from tests.live.zones.following import FOLLOWERS, hasFollower, measure

__all__: list[str] = []

#: Zones: with as many, requests for transfers come faster than they are answered.
_COUNT = 1000


@pytest.mark.parametrize("program", FOLLOWERS)
def test_all(program: str) -> None:
    """
    All zones come, and come again after all of them have changed. C{python -m benchmarks.following} says how long that takes.
    """
    if not hasFollower(program):
        pytest.skip(f"{program} is not installed, or cannot read master files")
    measure("ours", program, _COUNT)
