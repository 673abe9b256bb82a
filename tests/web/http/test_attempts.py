"""
Tests of L{twisted_ext.web.http.attempts}.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted_ext.web.http import attempts
from twisted_ext.web.http.attempts import FailedAttempts


def test_ofANetwork() -> None:
    """
    A network that was wrong too often waits for the rest of the minute; others do not.
    """
    failed = FailedAttempts(2)
    failed.note("a", 10.0)
    assert failed.waitFor("a", 20.0) == 0.0
    failed.note("a", 20.0)
    assert (failed.waitFor("a", 20.0), failed.waitFor("b", 20.0)) == (50.0, 0.0)
    assert failed.waitFor("a", 70.0) == 0.0
    failed.note("a", 70.0)
    assert failed.waitFor("a", 70.0) == 0.0


def test_ofAll() -> None:
    """
    Many networks together wait as well.
    """
    failed = FailedAttempts(5, ofAll=3)
    for number in range(3):
        assert failed.waitFor("x", 1.0) == 0.0
        failed.note(str(number), 1.0)
    assert (failed.waitFor("x", 1.0), failed.waitFor("x", 61.0)) == (60.0, 0.0)
    failed.note("y", 61.0)
    assert failed.waitFor("x", 61.0) == 0.0


def test_bounded() -> None:
    """
    Of more networks than are counted, the one that failed least recently is forgotten.
    """
    with patch.object(attempts, "_NETWORKS", 2):
        failed = FailedAttempts(1)
        for network in ("a", "b", "c"):
            failed.note(network, 1.0)
        assert [failed.waitFor(network, 1.0) > 0 for network in ("a", "b", "c")] == [False, True, True]
