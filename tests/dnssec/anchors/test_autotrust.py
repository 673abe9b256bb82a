"""
Tests of L{TrustPoint} with the timelines of Unbound's C{autotrust_*.rpl}: as short tables, and from the files where there are any.
"""

from __future__ import annotations

from typing import Final
from unittest.mock import patch

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.dnssec.anchors.autotrust import Player, readScenario
from tests.dnssec.anchors.testkeys import DAY, ZONE_NAME, digestAnchor, key, rdatasOf, shown, supported
from twisted_ext.dnssec.anchors import rollover
from twisted_ext.dnssec.anchors.rollover import TrustPoint
from twisted_ext.dnssec.limits import ANCHOR_ADD_SECONDS
from twisted_ext.dnssec.trustanchors import Anchor
from twisted_ext.limits import Limit
from twisted_ext.wire.rrtypes import DNSKEY

#: Scenarios that this validator does not play, with the reason.
SKIPPED: Final = {
    "autotrust_addpend_2exceed.rpl": "after the hold-down time, a key has to be seen again in a set that a trusted key signed (RFC 5011,"
    " section 2.2); Unbound trusts it by time alone",
}

#: How a roll from A to B begins: two sights of the new key within the hold-down time.
_BEGUN: Final = [(0, "AZ", "AZ", "A2"), (30, "ABZ", "ABZ", "A2 B1"), (10, "ABZ", "ABZ", "A2 B1"), (10, "ABZ", "ABZ", "A2 B1")]

#: And how it goes on to the time when both are trusted.
_BOTH: Final = [*_BEGUN, (11, "ABZ", "ABZ", "A2 B2")]

#: Name: keys at the start, then days since the last look, keys published, keys that sign the set, and states expected behind it. A capital
#: is a key, the same in lower case its revoked form, Z a key without the SEP flag; C{*} is a deleted trust point, C{!} a set that is not
#: validated. Numbers of states are those of L{KeyState}.
TIMELINES: Final[dict[str, tuple[str, list[tuple[int, str, str, str]]]]] = {
    "init": ("A Z", [(0, "AZ", "AZ", "A2"), (1, "AZ", "AZ", "A2")]),
    "init_sigs": ("A", [(0, "AZ", "A", "A2")]),
    "init_ds": ("dA", [(0, "AZ", "A", "A2")]),
    "init_zsk": ("Z", [(0, "AZ", "AZ", "A2"), (1, "AZ", "AZ", "A2")]),
    "init_fail": ("A", [(0, "", "", "A2 !")]),
    "init_failsig": ("A Z", [(0, "AZ", "", "A2 Z2 !")]),
    "10key": ("A B", [(0, "ABCDEFGHIJKLM", "B", "A2 B2 C1 D1 E1 F1 G1 H1 I1 J1 K1 L1 M1")]),
    "addpend_once": ("A", [(0, "AZ", "A", "A2"), (30, "ABZ", "AB", "A2 B1"), (31, "BZ", "B", "A2 B1 !")]),
    "addpend_twice": ("A", [*_BEGUN[:3], (31, "ABZ", "AB", "A2 B2")]),
    "addpend_early": ("A", [*_BEGUN, (1, "BZ", "B", "A2 B1 !")]),
    "addpend_2exceed": ("A", [*_BEGUN[:3], (21, "BZ", "B", "A2 B1 !")]),
    "addpend_nosign": ("A", [*_BEGUN[:2], (40, "ABZ", "B", "A2 B1 !")]),
    "addpend_nosignnew": ("A", [*_BEGUN[:3], (31, "ABZ", "AZ", "A2 B2")]),
    "missing": ("A", [*_BOTH, (30, "BZ", "BZ", "A3 B2"), (370, "BZ", "BZ", "B2")]),
    "missing_all": ("A", [*_BOTH, (30, "Z", "B", "A3 B3"), (370, "Z", "B", "A3 B3")]),
    "missing_returns": ("A", [*_BOTH, (30, "BZ", "BZ", "A3 B2"), (30, "ABZ", "BZ", "A2 B2")]),
    "probefail": ("A B", [(0, "AB", "AB", "A2 B2"), (1, "", "", "A2 B2 !")]),
    "probefailsig": ("A B", [(0, "AB", "AB", "A2 B2"), (1, "AB", "", "A2 B2 !")]),
    "revoked_use": (
        "A",
        [*_BOTH, (30, "aBZ", "aB", "A4 B2"), (10, "ABZ", "BA", "A4 B2"), (2, "ABZ", "A", "A4 B2 !"), (30, "BZ", "B", "A5 B2")],
    ),
    "revoked_with_invalid": ("A B", [(0, "aC", "aC", "A4 B2 !")]),
    "revtp": ("A B", [(0, "ab", "ab", "A4 B4 *"), (1, "AB", "AB", "A4 B4 *")]),
    "rollalgo": ("A", [*_BOTH, (30, "aBZ", "aB", "A4 B2"), (370, "BZ", "B", "A5 B2")]),
    "rollalgo_unknown": ("A", [(0, "A", "A", "A2"), (30, "AU", "A", "A2"), (31, "AU", "A", "A2"), (30, "aU", "a", "A4 *")]),
    "rollover": ("A", [*_BOTH, (30, "aBZ", "aBZ", "A4 B2"), (370, "BZ", "BZ", "A5 B2")]),
    "vouchers": (
        "A B",
        [
            (0, "ABC", "A", "A2 B2 C1"),
            (29, "aBC", "aB", "A4 B2 C1"),
            (29, "BC", "B", "A4 B2 C1"),
            (1, "BC", "B", "A5 B2 C2"),
        ],
    ),
    "vouchersBoth": ("A B", [(0, "ABC", "AB", "A2 B2 C1"), (29, "aBC", "aB", "A4 B2 C1"), (1, "BC", "B", "A4 B2 C2")]),
    "valid_use": ("A", [*_BOTH, (1, "ABZ", "B", "A2 B2")]),
}


def played(initial: str, steps: list[tuple[int, str, str, str]]) -> list[tuple[str, str]]:
    """
    Return what was found and expected after each step.
    """
    point = TrustPoint(ZONE_NAME)
    for word in initial.split():
        point.configure([Anchor(ZONE_NAME, DNSKEY, key(word)) if len(word) == 1 else digestAnchor(word[1])])
    now = 1_251_100_000
    outcome: list[tuple[str, str]] = []
    for days, published, signers, expected in steps:
        now += days * DAY
        if published:
            result = point.observe(rdatasOf(published), rdatasOf(signers), now, 10800, now + 14 * DAY, supported)
        else:
            result = point.failed(now, "no server replied")
        found = shown(point) + ("" if result.validated or result.deleted else " !")
        outcome.append((found, expected))
    return outcome


class TimelineTests(SynchronousTestCase):
    """
    Tests for L{TrustPoint} with tables.
    """

    def test_statesFollowTheTimelines(self) -> None:
        """
        After each look at the keys, each key has the expected state.
        """
        for name, (initial, steps) in TIMELINES.items():
            with self.subTest(name=name):
                for number, (found, expected) in enumerate(played(initial, steps)):
                    self.assertEqual(found, expected, f"{name}, step {number}")

    def test_withoutHoldDownAKeyIsTrustedTooEarly(self) -> None:
        """
        The timelines that defend against a stolen key fail without the hold-down time.
        """
        off = Limit(default=0, least=0, most=0)
        self.assertEqual(ANCHOR_ADD_SECONDS.default, 30 * DAY)
        with patch.object(rollover, "ANCHOR_ADD_SECONDS", off):
            for name in ("addpend_early", "addpend_2exceed", "addpend_twice"):
                wrong = [found for found, expected in played(*TIMELINES[name]) if found != expected]
                self.assertTrue(wrong, name)

    def test_scenarioFiles(self) -> None:
        """
        The files of Unbound are played, signatures included.
        """
        files = sorted((corpus("unbound-unitdata") / "testdata").glob("autotrust_*.rpl"))
        if not files:
            pytest.skip("the corpus has no autotrust_*.rpl")
        for path in files:
            if path.name not in SKIPPED:
                with self.subTest(path.name):
                    Player(readScenario(path.read_text("utf-8"))).play()
