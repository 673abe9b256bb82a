"""
Live tests of secondaries that follow a thousand small zones of our server.
"""

from __future__ import annotations

import pytest

from tests.live.zones.following import FOLLOWERS, hasFollower, measure, measureRounds

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


def test_secondariesBehindOneAddress() -> None:
    """
    Two secondaries that share an address get all zones after all of them have changed, although they compete for the connections of one
    client. With so many zones, a few stayed old when an idle connection always made room for a new one.
    """
    programs = [program for program in ("nsd", "knotd") if hasFollower(program)]
    if len(programs) < 2:
        pytest.skip("nsd and knotd are not both installed")
    measureRounds("ours", programs, 4 * _COUNT, 1, 60.0)
