"""
Tests of what a flush of some answers removes, and what it leaves.
"""

from __future__ import annotations

import random

import pytest

from tests.cache.canned import answered, denied, question
from twisted_ext.answers import Outcome
from twisted_ext.cache.choice import Choice
from twisted_ext.cache.entries import denialKey
from twisted_ext.cache.store import Store
from twisted_ext.errors import DNSFault, ServerFailed, TrustFault
from twisted_ext.limits import CACHE_READY_BYTES
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import typeNumber

_SOA = "example. 3600 IN SOA ns.example. admin.example. 1 7200 3600 1209600 600"
_NAMES = ("a.example.", "b.a.example.", "c.b.a.example.", "z.example.", "xa.example.")
_TYPES = ("A", "MX", "TXT", "ANY")
_RDATA = {"A": "192.0.2.1", "MX": "10 m.example.", "TXT": "hi", "ANY": "192.0.2.1"}
_FAULTS = (TrustFault("it is bogus"), ServerFailed("it failed"))


def _filled(dice: random.Random, store: Store) -> list[tuple[str, str, str, bytes]]:
    """
    Fill a cache, and return what it has: names, types, what is known, and the key.
    """
    found: list[tuple[str, str, str, bytes]] = []
    for name in _NAMES:
        isThere = dice.random() < 0.8
        for rrType in _TYPES:
            asked = question(name, rrType)
            kind = dice.choice(("data", "alias", "nodata", "bogus", "failed", "")) if isThere else dice.choice(("bogus", "failed", ""))
            if kind == "data":
                shown = "A" if rrType == "ANY" else rrType
                store.keep(asked, b"", answered(f"{name} 300 IN {shown} {_RDATA[rrType]}"), 0.0)
            elif kind == "alias" and rrType == "A":
                store.keep(asked, b"", answered(f"{name} 300 IN CNAME z.example.", "z.example. 300 IN A 192.0.2.2"), 0.0)
            elif kind == "nodata":
                store.keep(asked, b"", denied(Outcome.NODATA, _SOA), 0.0)
            elif kind in ("bogus", "failed"):
                store.failures.note(asked.key, _FAULTS[kind == "failed"], 0.0, -100.0)
            else:
                continue
            found.append((name, rrType, kind, asked.key))
        if not isThere:
            store.keep(question(name, "TXT"), b"", denied(Outcome.NXDOMAIN, _SOA), 0.0)
            found.append((name, "", "nxdomain", denialKey(question(name, "TXT").key, b"")))
    return found


def _isMeant(name: str, rrType: str, kind: str, wanted: str, below: bool, types: str, isBogus: bool, isNegative: bool) -> bool:
    """
    Return the same by what the documentation says.
    """
    owners = [name, "z.example."] if kind == "alias" else [name]
    if wanted and not any(each == wanted or below and each.endswith(f".{wanted}") for each in owners):
        return False
    if types and rrType not in ("", "ANY", types):
        return False
    if not (isBogus or isNegative):
        return True
    return (isBogus and kind == "bogus") or (isNegative and kind in ("nodata", "nxdomain", "bogus", "failed"))


@pytest.mark.parametrize("isPacked", [False, True])
def test_flushedAndKept(isPacked: bool) -> None:
    """
    Of random caches and choices exactly what is meant is removed, and counted.
    """
    for seed in range(600):
        dice = random.Random(seed)
        store = Store(1 << 20, readyMost=CACHE_READY_BYTES.least if isPacked else None)
        known = _filled(dice, store)
        wanted, below = dice.choice(("", *_NAMES)), dice.random() < 0.5
        types, isBogus, isNegative = dice.choice(("", "", "A", "MX", "NS")), dice.random() < 0.3, dice.random() < 0.3
        choice = Choice(0 if not types else typeNumber(types) or 0, isBogus, isNegative)
        count = store.flush(nameFromText(wanted) if wanted else None, below, choice)
        gone = [each for each in known if _isMeant(*each[:3], wanted, below, types, isBogus, isNegative)]
        for each in known:
            _, _, kind, key = each
            found: object = store.failures.find(key, 1.0) if kind in ("bogus", "failed") else store.packed(key)
            assert (found is not None) is (each not in gone), (seed, each, wanted, below, choice)
        answers = [each for each in gone if each[2] not in ("bogus", "failed")]
        assert count == len(answers if choice.isAll else gone), (seed, choice)


def test_rootIsAName() -> None:
    """
    The root alone is one name; with all below it, it is every name.
    """
    store = Store(1 << 20)
    store.keep(question("a.example", "MX"), b"", answered("a.example. 300 IN MX 10 m.example."), 0.0)
    store.keep(question(".", "MX"), b"", answered(". 300 IN MX 10 m.example."), 0.0)
    assert store.flush(ROOT, False, Choice(15)) == 1
    assert store.flush(ROOT, True, Choice(1)) == 0
    assert store.flush(ROOT, True, Choice(15)) == 1


@pytest.mark.parametrize(
    ("choice", "fault", "isMeant"),
    [
        (Choice(), ServerFailed("x"), True),
        (Choice(isNegative=True), ServerFailed("x"), True),
        (Choice(isNegative=True), TrustFault("x"), True),
        (Choice(isBogus=True), ServerFailed("x"), False),
        (Choice(isBogus=True), TrustFault("x"), True),
        (Choice(isBogus=True, isNegative=True), ServerFailed("x"), True),
    ],
)
def test_failures(choice: Choice, fault: DNSFault, isMeant: bool) -> None:
    """
    A failure is negative; it is bogus if it is one of validation.
    """
    assert choice.hasFailure(fault) is isMeant
