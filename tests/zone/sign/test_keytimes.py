"""
Tests of when keys sign: resolvers that have kept former DNSKEY records always find a signature that one of these verifies.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.zone.sign.zones import builderOf
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, newKey
from twisted_ext.errors import BadKey
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import CDS, DNSKEY, RRSIG, SOA
from twisted_ext.zone.sign.job import SignJob
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.image import Image

_HOUR = 3600
_BEGIN = 1_800_000_000
_ZONE = nameFromText("example.org")
_TTL = 3600
_POLICY = SigningPolicy(dnskeyTTL=_TTL, forParent=True)

_LINES = ["example.org. 60 SOA ns mail 7 10800 1800 3600 60", "example.org. 60 NS ns.example.com.", "a.example.org. 60 A 192.0.2.1"]


@cache
def _made(number: int, flags: int) -> PrivateKey:
    return newKey(ECDSA_P256, flags, avoid=[_made(each, flags).tag for each in range(number)])


def _key(number: int, flags: int = 257) -> PrivateKey:
    """
    Return a key that is the same for each test.
    """
    return _made(number, flags)


@dataclass
class _Version:
    """
    What resolvers see of a version.

    @ivar since: when it was signed.
    @ivar published: the tags of the DNSKEY records.
    @ivar signing: the tags of the keys that have signed the SOA record.
    @ivar ofKeys: those that have signed the DNSKEY records.
    @ivar parent: those in the CDS records.
    """

    since: float
    published: set[int]
    signing: set[int]
    ofKeys: set[int]
    parent: set[int]


@dataclass
class _Zone:
    """
    A zone that is signed again and again.
    """

    folder: Path
    policy: SigningPolicy = _POLICY
    versions: list[_Version] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    due: int = 0

    def key(self, number: int, flags: int = 257, **hours: float) -> str:
        """
        Put a key into the folder, with its times in hours after the begin; return its name.
        """
        self.folder.mkdir(exist_ok=True)
        times = {name: int(_BEGIN + hour * _HOUR) for name, hour in hours.items()}
        file = KeyFile(_ZONE, _key(number, flags), times, {}, None)
        for path in self.folder.glob(f"{nameOf(file)}.*"):
            path.unlink()
        saveKey(file, str(self.folder))
        return nameOf(file)

    def sign(self, hour: float, serve: bool = True) -> _Version:
        """
        Sign the zone.

        @param serve: whether it is served then.
        """
        now = _BEGIN + hour * _HOUR
        served = self.folder.parent / "image"
        there = served.exists()
        job = SignJob(str(self.folder), self.policy, len(self.versions) or None, now, there, former=str(served) if there else "")
        builder = builderOf([recordFromText(line) for line in _LINES])
        job.sign(builder)
        image = Image(builder.finish())
        if serve:
            builder.finishTo(str(served))
        self.said, self.due = job.said, job.due
        top = image.node(0)
        signatures = [rdata for rrset in top.sets if rrset.rrType == RRSIG for rdata in rrset.rdatas]
        by = {
            covered: {int.from_bytes(rdata[16:18], "big") for rdata in signatures if int.from_bytes(rdata[:2], "big") == covered}
            for covered in (SOA, DNSKEY)
        }
        keys, cds = top.of(DNSKEY), top.of(CDS)
        assert keys is not None
        tags = set() if cds is None else {int.from_bytes(rdata[:2], "big") for rdata in cds.rdatas}
        made = _Version(now, {keyTag(rdata) for rdata in keys.rdatas}, by[SOA], by[DNSKEY], tags)
        if serve:
            self.versions.append(made)
        return made

    def run(self, hours: float, step: float = 0.25) -> None:
        """
        Sign the zone whenever a key wants it, as a server does, for so many hours.
        """
        hour = 0.0
        while hour <= hours:
            if not self.versions or 0 < self.due <= _BEGIN + hour * _HOUR:
                self.sign(hour)
            hour += step

    def bogus(self) -> list[str]:
        """
        Return where a resolver that has kept former DNSKEY records finds no signature that it can verify.
        """
        found: list[str] = []
        for index, version in enumerate(self.versions):
            for earlier, following in zip(self.versions[:index], self.versions[1:], strict=False):
                # A resolver may have fetched the records of the earlier version until the following one was served.
                if version.since < following.since + _TTL and not version.signing & earlier.published:
                    found.append(f"{(version.since - _BEGIN) / _HOUR:.2f} h, with the keys of {(earlier.since - _BEGIN) / _HOUR:.2f} h")
        return found


@pytest.fixture
def zone(tmp_path: Path) -> _Zone:
    return _Zone(tmp_path / "keys")


def test_keyThatWasPrepared(zone: _Zone) -> None:
    """
    A key is in the zone from its Publish time on and signs from its Activate time on, without any other change; the log says when it will.
    """
    old, new = _key(0).tag, _key(1).tag
    zone.key(0, Publish=-1, Activate=-1)
    name = zone.key(1, Publish=38, Activate=44)
    first = zone.sign(0)
    assert (first.published, first.signing, zone.due) == ({old}, {old}, _BEGIN + 38 * _HOUR)
    second = zone.sign(38)
    assert (second.published, second.signing, zone.due) == ({old, new}, {old}, _BEGIN + 39 * _HOUR + 300)
    assert f"the key {name} is in the zone, and signs from 2027-01-17 04:00 UTC" in zone.said
    zone.sign(zone.due / _HOUR - _BEGIN / _HOUR)
    assert zone.due == _BEGIN + 44 * _HOUR
    last = zone.sign(44)
    assert (last.published, last.signing, zone.due) == ({old, new}, {old, new}, 0)
    assert zone.bogus() == []


def test_keySignsOnceItIsKnown(zone: _Zone) -> None:
    """
    A key that was not in the zone at its Activate time signs when its DNSKEY record has been there for its TTL and five minutes; the former
    one goes on meanwhile, even behind its Inactive time.
    """
    old, new = _key(0).tag, _key(1).tag
    former = zone.key(0, Publish=-1, Activate=-1, Inactive=10, Delete=20)
    zone.sign(0)
    name = zone.key(1, Publish=5, Activate=5)
    second = zone.sign(11)
    assert (second.published, second.signing, zone.due) == ({old, new}, {old}, _BEGIN + 12 * _HOUR + 300)
    assert zone.said[:2] == [
        f"the key {former} goes on signing after its time, until {name} may sign",
        f"the key {name} is in the zone, and signs from 2027-01-15 20:05 UTC",
    ]
    third = zone.sign(12 + 301 / _HOUR)
    assert third.signing == {new}
    assert zone.bogus() == []


def test_versionThatWasNeverServed(zone: _Zone) -> None:
    """
    The time of a key in the zone begins with the first version with it that is served.
    """
    old, new = _key(0).tag, _key(1).tag
    zone.key(0, Publish=-1, Activate=-1)
    zone.sign(0)
    zone.key(1, Publish=1, Activate=1)
    zone.sign(1, serve=False)
    assert zone.sign(5).signing == {old}
    assert zone.sign(6).signing == {old}
    assert zone.sign(6.1).signing == {old, new}
    assert zone.bogus() == []


def test_withoutTheWait(zone: _Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    It is the wait that keeps answers from being bogus.
    """
    from twisted_ext.dnssec.privatekeys import keyring

    zone.key(0, Publish=-1, Activate=-1, Inactive=10, Delete=20)
    zone.sign(0)
    zone.key(1, Publish=5, Activate=5)
    monkeypatch.setattr(keyring, "_SAFETY", -1_000_000)
    zone.sign(11)
    assert zone.bogus() == ["11.00 h, with the keys of 0.00 h"]


def test_allTimesAreActedUpon(zone: _Zone) -> None:
    """
    A key is revoked from its Revoke time on, signs no more from its Inactive time on, is gone from its Delete time on, and is announced to
    the parent between its SyncPublish and its SyncDelete time.
    """
    zone.key(0, Publish=-1, Activate=-1)
    zone.key(1, Publish=-1, Activate=-1, SyncPublish=2, SyncDelete=4, Revoke=6, Inactive=8, Delete=10)
    one, two, revoked = _key(0).tag, _key(1).tag, _key(1).revokedTag()
    zone.run(12)
    found = {(version.since - _BEGIN) / _HOUR: version for version in zone.versions}
    assert [*found] == [0, 2, 4, 6, 8, 10]
    assert [version.parent for version in found.values()] == [{one}, {one, two}, {one}, {one}, {one}, {one}]
    assert [version.published for version in found.values()] == [*[{one, two}] * 3, {one, revoked}, {one, revoked}, {one}]
    assert [version.signing for version in found.values()] == [*[{one, two}] * 3, *[{one}] * 3]
    assert [version.ofKeys for version in found.values()] == [*[{one, two}] * 3, {one, revoked}, {one}, {one}]


def test_onlyKeySignsAtOnce(zone: _Zone) -> None:
    """
    If the former keys are gone, the new one signs at once, and the log says what that means.
    """
    zone.key(0, Publish=-1, Activate=-1)
    zone.sign(0)
    for path in zone.folder.glob("K*"):
        path.unlink()
    name = zone.key(1, Publish=1, Activate=1)
    assert zone.sign(2).signing == {_key(1).tag}
    assert f"the key {name} signs at once, as there is no other; resolvers may still have DNSKEY records without it" in zone.said


def test_keysOfAClockThatWasAhead(zone: _Zone) -> None:
    """
    If all keys begin later, the error says what to do if the clock was ahead when they were made.
    """
    zone.key(0, Publish=70, Activate=70)
    with pytest.raises(BadKey, match="none of them signs now: .* if the clock was ahead when they were made, set their"):
        zone.sign(0)


def test_firstKeysSignAtOnce(zone: _Zone) -> None:
    """
    Keys that are made for a zone that was not signed before sign at once, and still do at the next change.
    """
    first = zone.sign(0)
    assert len(first.signing) == 1
    assert zone.sign(0.1).signing == first.signing
    assert zone.due == 0


def _times(dice: random.Random, kinds: int) -> list[Mapping[str, float]]:
    """
    Return the times of keys that follow each other, as operators plan them: some with too short overlaps, or none.
    """
    made: list[Mapping[str, float]] = [{"Publish": -1.0, "Activate": -1.0}]
    begins = 0.0
    for _ in range(kinds):
        before = begins
        begins += dice.choice((1, 2, 5, 10))
        made[-1] = {**made[-1], "Inactive": begins + dice.choice((0, 0, 1, 3)), "Delete": begins + dice.choice((4, 6))}
        publish = dice.choice((begins, begins, (before + begins) / 2, begins - 0.5))
        made.append({"Publish": publish, "Activate": begins})
    return made


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("split", [False, True])
def test_noRollIsBogus(zone: _Zone, seed: int, split: bool) -> None:
    """
    Whatever the times of keys that follow each other, no resolver finds answers bogus while it keeps former DNSKEY records.
    """
    dice = random.Random(seed)
    for number, times in enumerate(_times(dice, 3)):
        zone.key(number, 256 if split else 257, **times)
    if split:
        zone.key(0, 257, Publish=-1, Activate=-1)
    zone.run(40)
    assert zone.bogus() == []
    assert len(zone.versions) > 3
