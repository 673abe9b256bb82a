"""
Tests of L{twisted_ext.dnssec.privatekeys.validity}.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.dnssec.privatekeys.validity import BUCKETS, Validity

_DAY = 86400


@given(st.binary(max_size=20), st.floats(0, 2**33), st.integers(1, 40 * _DAY), st.integers(1, 40 * _DAY))
def test_leastLife(key: bytes, now: float, renew: int, more: int) -> None:
    """
    A signature is valid now, and for as long as it is not made anew and the difference beyond; also after 2106.
    """
    validity = Validity(renew + more, renew, 60)
    inception, expiration = validity.slot(key, now)
    assert inception + 60 <= now < inception + 60 + renew
    assert expiration - now > more
    assert expiration - inception == renew + more + 60


def test_sameWithinASlot() -> None:
    """
    Times depend on the slot only, and change once in each period.
    """
    validity = Validity(20, 10, 1)
    for key in (b"", b"\x03www", b"\x01a"):
        times = [validity.slot(key, tenth / 10) for tenth in range(10_000, 10_200)]
        assert len(set(times)) in (2, 3)
        assert max(Counter(times).values()) == 100


def test_eachBucketIsDueOnce() -> None:
    """
    However often one looks, each bucket is due exactly once in a period of renewal, and hardly more at one time than at another.
    """
    validity = Validity(3 * _DAY, _DAY)
    dice = random.Random(1)
    now = 1_790_000_000.0
    end = now + _DAY
    found: Counter[int] = Counter()
    while now < end:
        later = min(now + dice.choice((1, 60, 600, 7200)), end)
        due = validity.due(now, later)
        assert len(due) <= (later - now) / _DAY * BUCKETS + 2
        found.update(due)
        now = later
    assert set(found.values()) == {1} and len(found) == BUCKETS
    assert validity.due(now, now + 2 * _DAY) == [*range(BUCKETS)]
    assert validity.due(now, now) == []


def test_signaturesOutliveTheirRenewal() -> None:
    """
    Signatures that end before they are made anew are refused.
    """
    for signatures, renew in ((10, 10), (10, 11), (10, 0)):
        with pytest.raises(ValueError, match="end before that"):
            Validity(signatures, renew)
    assert (Validity().signatures - Validity().renew) == 14 * _DAY


def test_overdueIsWellBehindRenewal() -> None:
    """
    With the usual times, a server begins to sign a zone again when a signature has 13 days left, and it is late with 12 days and a bit.
    """
    validity = Validity()
    assert 13 * 86400 < validity.least < 14 * 86400
    assert 12 * 86400 < validity.overdue < validity.least - 20 * 3600
    assert Validity(100, 99).overdue == 0
