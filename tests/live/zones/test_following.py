"""
Live tests of secondaries that follow a thousand small zones of our server.
"""

from __future__ import annotations

import pytest

from tests.live.zones.following import FOLLOWERS, hasFollower, measure

__all__: list[str] = []

#: The number of zones. With as many, transfer requests come faster than they are answered.
_COUNT = 1000


@pytest.mark.parametrize("program", FOLLOWERS)
def test_allZonesAreFollowed(program: str) -> None:
    """
    All zones arrive, and arrive again after each has changed. C{python -m benchmarks.following} measures the time.
    """
    if not hasFollower(program):
        pytest.skip(f"{program} is not installed, or cannot read master files")
    measure("ours", program, _COUNT)
