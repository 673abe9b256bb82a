"""
Live tests of secondaries that follow a thousand small zones of our server.
"""

from __future__ import annotations

import pytest

from tests.live.zones.following import FOLLOWERS, hasFollower, measure, measureRounds

__all__: list[str] = []

#: The number of zones. With as many, transfer requests come faster than they are answered.
_COUNT = 1000


# NSD and Knot also follow in the test below, together.
@pytest.mark.parametrize(
    "program", [pytest.param(program, marks=pytest.mark.long) if program in ("nsd", "knotd") else program for program in FOLLOWERS]
)
def test_allZonesAreFollowed(program: str) -> None:
    """
    All zones arrive, and arrive again after each has changed. C{python -m benchmarks.following} measures the time.
    """
    if not hasFollower(program):
        pytest.skip(f"{program} is not installed, or cannot read master files")
    measure("ours", program, _COUNT)


@pytest.mark.parametrize("count", [_COUNT, pytest.param(4 * _COUNT, marks=pytest.mark.long)])
def test_secondariesBehindOneAddress(count: int) -> None:
    """
    Two secondaries that share an address get all zones after all of them have changed, although they compete for the connections of one
    client. A few zones stayed old when an idle connection always made room for a new one: 17 of four thousand, and of one thousand 6 to
    12 in three of seven times.
    """
    programs = [program for program in ("nsd", "knotd") if hasFollower(program)]
    if len(programs) < 2:
        pytest.skip("nsd and knotd are not both installed")
    measureRounds("ours", programs, count, 1, 60.0)
