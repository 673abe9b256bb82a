"""
Tests of when to warn of things that expire.
"""

from __future__ import annotations

import pytest

from twisted_ext.watch.expiry import ExpiryWarnings, timeLeft

_DAY = 86_400.0


def _warned(warnings: ExpiryWarnings, ends: float, start: float, stop: float) -> list[float]:
    """
    Ask every ten minutes, and return the hours that were left at each warning.
    """
    return [
        round((ends - now) / 3600, 1)
        for now in (start + number * 600.0 for number in range(int((stop - start) / 600)))
        if warnings.isDue("dns.pem", ends, now)
    ]


def test_warningsComeMoreOften() -> None:
    """
    The first warning comes 14 days before the end, each later one after half of the time left, then one an hour.
    """
    assert _warned(ExpiryWarnings(), 30 * _DAY, 0.0, 29.9 * _DAY) == [336, 168, 84, 42, 21, 10.5, 5.2]
    assert _warned(ExpiryWarnings(), 30 * _DAY, 30 * _DAY - 4 * 3600, 30 * _DAY + 2.5 * 3600) == [4, 2, 1, 0, -1, -2]


def test_renewalEndsWarnings() -> None:
    """
    What was renewed is not warned of, and from anew before its next end; what is not there any more is forgotten.
    """
    warnings = ExpiryWarnings()
    assert warnings.isDue("dns.pem", _DAY, 0.0)
    assert not warnings.isDue("dns.pem", _DAY, 1.0)
    assert not warnings.isDue("dns.pem", 90 * _DAY, 2.0)
    assert warnings.isDue("dns.pem", 90 * _DAY, 80 * _DAY)
    assert warnings.isDue("dns.pem", 91 * _DAY, 80 * _DAY)
    assert warnings.isDue("other.pem", 91 * _DAY, 80 * _DAY)
    warnings.keep({"other.pem"})
    assert [warnings.isDue(label, 91 * _DAY, 80 * _DAY) for label in ("dns.pem", "other.pem")] == [True, False]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(14 * _DAY, "14 days"), (2 * _DAY, "2 days"), (2 * _DAY - 1, "48.0 hours"), (1800.0, "0.5 hours"), (-5.0, "0.0 hours")],
)
def test_timesAreReadable(seconds: float, said: str) -> None:
    """
    Times are in days, or in hours if they are short.
    """
    assert timeLeft(seconds) == said
