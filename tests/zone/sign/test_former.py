"""
Tests of zones that are signed again: what of the former version stays.
"""

from __future__ import annotations

import random
from time import time

import pytest

from tests.zone.sign.zones import builderOf, randomZone
from twisted_ext.dnssec.sign.keys import newKey
from twisted_ext.dnssec.sign.roles import Signers
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import SOA
from twisted_ext.wire.text import recordFromText
from twisted_ext.zone.sign.apex import signZone
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.whole import SignedCounts
from twisted_ext.zone.store.image import Image

_DAY = 86400

_KEYS = (newKey(13, 257), newKey(13, 256), newKey(15, 257))


def image(records: list[RRSet], signing: Signing, now: float, former: Image | None = None) -> tuple[Image, SignedCounts]:
    builder = builderOf(records)
    counts = signZone(builder, signing, now, former=former)
    return Image(builder.finish()), counts


def edited(records: list[RRSet], dice: random.Random) -> list[RRSet]:
    """
    Return the records of another version: some names are gone, some are new, and some sets are others.
    """
    kept = [each for each in records if each.rrType == SOA or dice.random() < 0.97]
    changed = [
        RRSet(each.name, each.rrType, each.rrClass, each.ttl + 1, each.rdatas) if each.rrType != SOA and dice.random() < 0.03 else each
        for each in kept
    ]
    return [*changed, *[recordFromText(f"new{dice.randrange(1000)}.example.org. 60 TXT a") for _ in range(3)]]


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("digested", [False, True])
def test_sameAsWithout(denial: str, digested: bool) -> None:
    """
    With a former version the result is the same as without, whatever has changed and however much later it is, and most of the signatures
    are kept if little has.
    """
    dice = random.Random(denial)
    kept = 0
    signing = Signing(Signers(_KEYS[:2]), SigningPolicy(denial=denial, digested=digested))
    for seed in range(40):
        records = randomZone(seed)
        now = time() + dice.randrange(30) * _DAY
        former, first = image(records, signing, now)
        assert first.kept == 0
        after = edited(records, dice) if seed % 4 else records
        later = now + dice.choice((0, 0, 3600, _DAY, 8 * _DAY))
        expected, counted = image(after, signing, later)
        found, counts = image(after, signing, later, former)
        assert bytes(found._buffer) == bytes(expected._buffer)
        assert counts.signatures == counted.signatures
        if seed % 4 == 0 and later == now:
            assert counts.kept >= counts.signatures - 8 * digested
        kept += counts.kept
    assert kept > 300


def test_timeHasCome() -> None:
    """
    After a whole period of renewal nothing is kept.
    """
    signing = Signing(Signers(_KEYS[:1]), SigningPolicy())
    records = randomZone(1)
    former, _ = image(records, signing, time())
    assert image(records, signing, time() + 7 * _DAY, former)[1].kept == 0


@pytest.mark.parametrize("keys", [_KEYS, _KEYS[:1], _KEYS[1:]])
def test_otherKeys(keys: tuple[object, ...]) -> None:
    """
    If other keys are in the zone, nothing is kept.
    """
    records = randomZone(1)
    now = time()
    former, _ = image(records, Signing(Signers(_KEYS[:2]), SigningPolicy()), now)
    others = [each for each in _KEYS if each in keys]
    assert image(records, Signing(Signers(others), SigningPolicy()), now, former)[1].kept == 0
