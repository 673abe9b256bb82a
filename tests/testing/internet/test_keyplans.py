"""
Tests of key plans: what is published when, and that a cached half of a chain fits the other half at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import process_time

import pytest

from tests.testing.internet.oracle import validate
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT
from twisted_ext.testing.internet import DAY, HOUR, Internet, KeyPlan, Roll

START = 1_767_225_600

PLANS = {
    "pre-publication": KeyPlan(zskLifetime=30 * DAY),
    "double signature": KeyPlan(kskLifetime=60 * DAY, zskLifetime=30 * DAY),
    "double DS": KeyPlan(kskLifetime=60 * DAY, roll=Roll.DOUBLE_DS),
    "combined": KeyPlan(kskLifetime=60 * DAY, combined=True),
    "two algorithms": KeyPlan((13, 15), kskLifetime=60 * DAY, zskLifetime=30 * DAY),
}

SEED = b"0/\x07example\x00"


@pytest.mark.parametrize("name", PLANS)
def test_cachedRecordsFitNewOnes(name: str) -> None:
    """
    At any time, DS records and keys that were cached up to their TTL ago fit the present keys and signatures, and the other way round.
    """
    plan = PLANS[name]
    for moment in range(START, START + 400 * DAY, 7 * HOUR):
        now = plan.at(SEED, START, moment)
        before = plan.at(SEED, START, moment - plan.ttl)
        for parent, child in ((before, now), (now, before), (now, now)):
            delegated = {key.key.dnskey for key in parent.keys if key.delegated}
            entry = {key.key.dnskey for key in child.keys if key.published and key.signsKeys}
            assert delegated & entry, f"no trusted key signs the keys at {moment}"
            published = {key.key.dnskey for key in parent.keys if key.published}
            signing = {key.key.dnskey for key in child.keys if key.signsZone}
            assert signing & published, f"the records are signed by no published key at {moment}"


@pytest.mark.parametrize("name", PLANS)
def test_stateHoldsUntilItSays(name: str) -> None:
    """
    Between the begin and the end of a state nothing changes.
    """
    plan = PLANS[name]
    moment = float(START)
    states = 0
    while moment < START + 200 * DAY:
        state = plan.at(SEED, START, moment)
        assert state.since <= moment < state.until
        for other in (state.since, (moment + state.until) / 2, state.until - 1):
            if other >= START:
                assert [key.key.dnskey for key in plan.at(SEED, START, other).keys] == [key.key.dnskey for key in state.keys]
        moment = state.until
        states += 1
    assert states > 5


def test_rootKeyRollsByTrustAnchorTiming() -> None:
    """
    A new trust anchor is published for more than the hold-down of RFC 5011 before it signs; the old one is revoked with its own signature,
    and removed thirty days later.
    """
    plan = KeyPlan(kskLifetime=365 * DAY, roll=Roll.TRUST_ANCHOR)

    def entries(day: float) -> list[tuple[bytes, bool, bool]]:
        keys = plan.at(SEED, START, START + day * DAY).keys
        return [
            (key.key.dnskey[4:12], key.signsKeys, bool(key.key.flags & REVOKED)) for key in keys if key.key.flags & SECURE_ENTRY_POINT
        ]

    (old,) = entries(10)
    assert old[1:] == (True, False)
    assert entries(304) == [old]
    both = entries(306)
    assert [key[1:] for key in both] == [(True, False), (False, False)]
    new = both[1][0]
    assert entries(364) == both
    assert entries(366) == [(old[0], False, False), (new, True, False)]
    assert entries(396) == [(old[0], True, True), (new, True, False)]
    assert entries(426) == [(new, True, False)]


def test_rollOf2026IsAPlan() -> None:
    """
    The roll of the root's key of 2024 to 2026 can be played: the new key published in January 2025, used from 11 October 2026, the old one
    revoked three months later.
    """

    def at(year: int, month: int, day: int) -> float:
        return datetime(year, month, day, tzinfo=UTC).timestamp()

    start = at(2025, 1, 1)
    roll = at(2026, 10, 11)
    plan = KeyPlan(
        8, kskLifetime=roll - start, roll=Roll.TRUST_ANCHOR, lead=roll - at(2025, 1, 11), grace=92 * DAY, hold=70 * DAY
    )

    def tags(moment: float) -> list[tuple[int, bool]]:
        keys = plan.at(b"root", start, moment).keys
        return [(key.key.tag, key.signsKeys) for key in keys if key.key.flags & SECURE_ENTRY_POINT]

    (old,) = tags(at(2025, 1, 10))
    assert len(tags(at(2025, 1, 12))) == 2
    new = tags(at(2026, 10, 10))[1][0]
    assert tags(at(2026, 10, 10)) == [old, (new, False)]
    assert tags(at(2026, 10, 12)) == [(old[0], False), (new, True)]
    revoked = tags(at(2027, 1, 12))
    # The revoked key has another tag; the next key is there already, since a plan goes on.
    assert revoked[0][0] != old[0] and revoked[0][1]
    assert revoked[1] == (new, True)
    assert tags(at(2027, 3, 25))[0] == (new, True)


def test_signaturesAreRenewedAndNeverExpire() -> None:
    """
    At any time signatures are valid for at least the difference of validity and refresh.
    """
    plan = KeyPlan()
    internet = Internet(seed=1, start=START)
    internet.zone("example.org", "www A 192.0.2.80", signed=plan)
    seen = set()
    for _ in range(60):
        reply = internet.ask("ns1.example.org", "www.example.org")
        assert reply is not None
        expiration, inception = (int.from_bytes(reply.answer[1].rdatas[0][at : at + 4], "big") for at in (8, 12))
        assert inception < internet.time() < expiration - (plan.validity - plan.refresh) + 1
        seen.add(inception)
        internet.advance(DAY)
    assert len(seen) == 60 // 7 + 1


@pytest.mark.parametrize(("years", "different"), [(3, 2), pytest.param(10, 6, marks=pytest.mark.long)])
def test_yearsOfRolloversPassQuickly(years: int, different: int) -> None:
    """
    Years with a root key, zone keys and signatures that are replaced on time; what is asked every week validates, and asking every day
    takes little time.
    """
    root = KeyPlan(zskLifetime=90 * DAY, kskLifetime=730 * DAY, roll=Roll.TRUST_ANCHOR)
    plan = KeyPlan(zskLifetime=30 * DAY, kskLifetime=365 * DAY)
    internet = Internet(seed=2, start=START, signed=plan)
    internet.zone(".", signed=root)
    internet.zone("example.org", "www A 192.0.2.80")
    asked = [("a.root-servers.net", ".", "DNSKEY"), ("a.root-servers.net", "org", "DS"), ("a.nic.org", "org", "DNSKEY")]
    asked += [("a.nic.org", "example.org", "DS"), ("ns1.example.org", "example.org", "DNSKEY"), ("ns1.example.org", "www.example.org", "A")]
    anchors = set()
    began = process_time()
    for _ in range(years * 365 + years // 4):
        for server, name, rrType in asked:
            assert internet.ask(server, name, rrType, transport="tcp") is not None
        anchors.add(internet.anchors)
        internet.advance(DAY)
    took = process_time() - began
    assert len(anchors) == different
    # About a fifth of a second of this process for the 2,190 answers of a year.
    assert took < 2 * years
    later = Internet(seed=2, start=START, signed=plan)
    later.zone(".", signed=root)
    later.zone("example.org", "www A 192.0.2.80")
    for _ in range(10 * years):
        validate(later, "www.example.org", "A")
        later.advance(36.5 * DAY)


@pytest.mark.parametrize(
    ("plan", "text"),
    [
        (lambda: KeyPlan(3), "algorithm 3"),
        (lambda: KeyPlan(roll="magic"), "'magic' is not a rollover method"),
        (lambda: KeyPlan(zskLifetime=DAY), "zskLifetime is 86400 seconds"),
        (lambda: KeyPlan(kskLifetime=10 * DAY, roll=Roll.TRUST_ANCHOR), "kskLifetime"),
        (lambda: KeyPlan(refresh=20 * DAY), "refresh"),
    ],
)
def test_impossiblePlansAreRefused(plan: Callable[[], KeyPlan], text: str) -> None:
    """
    A plan that cannot work is refused with what is wrong.
    """
    with pytest.raises(ValueError, match=text):
        plan()
