"""
Zones whose keys live by a policy are signed for years, and dnspython proves all that resolvers may have of them at the same moment.
"""

from __future__ import annotations

import json
import random
import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import dns.dnssec
import dns.exception
import dns.name
import dns.node
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import pytest
from dns.rdtypes.ANY.DNSKEY import DNSKEY as DNSKEY_

from tests.zone.sign.zones import builderOf
from twisted_ext.dnssec.algorithms import ECDSA_P256, ED25519
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.dnssec.rolls import rolls
from twisted_ext.dnssec.rolls.lives import readLives, writeLives
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.ring import LivingRing, Served
from twisted_ext.dnssec.rolls.rolls import Lately, Rolls, Swap
from twisted_ext.dnssec.rolls.states import Record, RollingKey, Standing, State
from twisted_ext.errors import BadKey
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDS, DNSKEY, NSEC, SOA, A
from twisted_ext.zone.sign.job import SignJob
from twisted_ext.zone.sign.policy import RollTimes, SigningPolicy
from twisted_ext.zone.store.image import Image

_HOUR = 3600
_DAY = 24 * _HOUR
_BEGIN = 1_800_000_000
_APEX = nameFromText("example.org.")
_ORIGIN = dns.name.from_text("example.org.")
_LINES = ["example.org. 7200 SOA ns mail 7 10800 1800 3600 60", "example.org. 60 NS ns.example.com.", "a.example.org. 86400 A 192.0.2.1"]
_POLICY = SigningPolicy(dnskeyTTL=_HOUR, forParent=True, rolls=RollTimes(90 * _DAY, 30 * _DAY, 600, _HOUR, _DAY))


class _Set(NamedTuple):
    """
    Records with their signatures, and from when to when resolvers may have them.
    """

    begin: float
    end: float
    records: dns.rrset.RRset
    signatures: dns.rrset.RRset


def _theirRdata(rrType: int, rdata: bytes) -> dns.rdata.Rdata:
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType.make(rrType), rdata, 0, len(rdata))


def _theirs(owner: bytes, found: RRSet) -> dns.rrset.RRset:
    rdatas = [_theirRdata(found.rrType, rdata) for rdata in found.rdatas]
    name, _ = dns.name.from_wire(owner, 0)
    return dns.rrset.from_rdata_list(name, found.ttl, rdatas)


@dataclass
class _Zone:
    """
    A zone that is signed whenever something happens to its keys, and its parent.
    """

    folder: Path
    policy: SigningPolicy = _POLICY
    now: float = _BEGIN
    delay: float = _DAY
    due: int = 0
    said: list[str] = field(default_factory=list)
    image: str = ""
    since: float | None = None
    ds: list[tuple[float, float, frozenset[bytes]]] = field(default_factory=list)
    sets: dict[tuple[bytes, int], list[_Set]] = field(default_factory=dict)
    asked: float = 0.0
    fails: float = 0.0
    lines: list[str] = field(default_factory=lambda: _LINES)
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    @property
    def keys(self) -> str:
        return str(self.folder / "example.org.")

    @property
    def rolls(self) -> Rolls:
        rolls = readLives(self.keys)
        assert rolls is not None
        return rolls

    def sign(self, isServed: bool = True, clockSet: bool = False) -> None:
        """
        Have it signed.

        @param isServed: whether the server comes to serve it.
        """
        builder = builderOf([recordFromText(line, nameFromText("example.org")) for line in self.lines])
        former = {"former": self.image, "last": 7, "wasSigned": True} if self.image else {}
        policy = SigningPolicy.fromTable(json.loads(self.policy.toText()))
        job = SignJob(self.keys, policy, None, self.now, bool(former), "unixtime", self.image, False, self.since, clockSet)
        job.sign(builder)
        self.said += job.said
        if not isServed:
            return
        self.due = job.due
        self.image = str(self.folder / f"image{self.now:.0f}")
        builder.finishTo(self.image)
        self.since = self.now + 20
        self._publish(Image.open(self.image))

    def _publish(self, image: Image) -> None:
        assert self.since is not None
        late = self.policy.rolls.propagation if self.policy.rolls is not None else 0
        for key, types in ((b"", (SOA, DNSKEY, NSEC)), (b"\x01a", (A, NSEC))):
            node = image.node(image.find(key))
            for rrType in types:
                found, signatures = node.of(rrType), node.signatures(rrType)
                assert found is not None and signatures is not None
                former = self.sets.setdefault((key, rrType), [])
                if former:
                    former[-1] = former[-1]._replace(end=self.since + late + former[-1].records.ttl)
                former.append(_Set(self.since, float("inf"), _theirs(key + _APEX, found), _theirs(key + _APEX, signatures)))
        cds = image.node(0).of(CDS)
        wanted = frozenset(() if cds is None else cds.rdatas)
        if self.ds and wanted == self.ds[-1][2]:
            self.asked = 0.0
        elif not self.asked:
            self.asked = self.since

    def parent(self) -> None:
        """
        Have the parent do what the CDS records say, and the operator tell.
        """
        if not self.asked or self.now < self.asked + self.delay:
            return
        self.asked = 0.0
        cds = Image.open(self.image).node(0).of(CDS)
        wanted = frozenset(() if cds is None else cds.rdatas)
        if self.ds:
            self.ds[-1] = *self.ds[-1][:1], self.now + _DAY, self.ds[-1][2]
        self.ds.append((self.now, float("inf"), wanted))
        tags = {int.from_bytes(rdata[:2], "big") for rdata in wanted}

        def tell(rolls: Rolls) -> None:
            for key in rolls.keys:
                if Record.DS in key.records:
                    rolls.seen(key, int(key.name[-5:]) in tags, self.now)

        if self.policy.rolls is not None:
            LivingRing.change(self.keys, _APEX, tell)
        self.due = int(self.now)

    def run(self, days: float) -> None:
        until = self.now + days * _DAY
        while self.now < until:
            moments = [self.now + 5 * _DAY, *[float(each) for each in (self.due,) if each > self.now]]
            if self.asked:
                moments.append(self.asked + self.delay)
            self.now = min(max(min(moments), self.now + 30), until)
            self.parent()
            # Signatures are made anew as well.
            if (self.due and self.now >= self.due) or (self.since is not None and self.now > self.since + 4 * _DAY):
                self.sign(self.dice.random() >= self.fails)

    def replace(self) -> None:
        """
        Have the last key replaced.
        """
        LivingRing.change(self.keys, _APEX, lambda rolls: rolls.replace(rolls.keys[-1].name))

    def judged(self) -> tuple[int, list[str]]:
        """
        Return how many combinations of DS, DNSKEY and other records were judged, and which are bogus.
        """
        count, wrong = 0, []
        keys = self.sets[b"", DNSKEY]
        rest = [each for place, several in self.sets.items() if place != (b"", DNSKEY) for each in several]
        for begin, end, ds in self.ds:
            for dnskeys in keys:
                if not (dnskeys.begin < end and begin < dnskeys.end):
                    continue
                for other in rest:
                    moment = max(begin, dnskeys.begin, other.begin)
                    if moment < min(end, dnskeys.end, other.end):
                        count += 1
                        wrong += [f"{(moment - _BEGIN) / _DAY:.3f}: {said}" for said in _unproved(ds, dnskeys, other, moment)]
        return count, wrong


def _unproved(ds: Iterable[bytes], dnskeys: _Set, other: _Set, moment: float) -> Iterable[str]:
    """
    Return what cannot be proved by each algorithm of the DS records.
    """
    leading = [_theirRdata(43, rdata) for rdata in ds]
    present = [key for key in dnskeys.records if isinstance(key, DNSKEY_)]
    for algorithm in {rdata[2] for rdata in ds}:
        signing = [key for key in present if key.algorithm == algorithm]
        entries = [key for key in signing if dns.dnssec.make_ds(_ORIGIN, key, "SHA256", validating=True) in leading]
        sides: list[tuple[_Set, list[DNSKEY_]]] = [(dnskeys, entries), (other, signing)]
        for proving, keys in sides:
            known: dict[dns.name.Name, dns.node.Node | dns.rdataset.Rdataset] = {}
            if keys:
                known[_ORIGIN] = dns.rdataset.from_rdata_list(60, keys)
            try:
                # Not those who have it a little later: then it may have ended, which is not about keys.
                dns.dnssec.validate(proving.records, proving.signatures, known, now=max(moment, proving.begin))
            except dns.exception.DNSException as fault:
                yield f"{proving.records.name} {dns.rdatatype.to_text(proving.records.rdtype)} by {algorithm}: {fault}"


@pytest.fixture
def zone(tmp_path: Path) -> _Zone:
    made = _Zone(tmp_path)
    made.sign()
    return made


def _changed(policy: SigningPolicy, **changes: object) -> SigningPolicy:
    return SigningPolicy.fromTable({**json.loads(policy.toText()), **changes})


@pytest.mark.parametrize("renew", [0, 7 * _DAY])
def test_years(tmp_path: Path, renew: int) -> None:
    """
    Keys are replaced by their lifetimes, one key becomes two and these one again, and another algorithm comes: no resolver ever has what it
    cannot prove. That is so as well if another key signs a name when its signatures are made anew.
    """
    times = RollTimes(90 * _DAY, 30 * _DAY, 600, _HOUR, _DAY, renew=renew)
    zone = _Zone(tmp_path, SigningPolicy(dnskeyTTL=_HOUR, forParent=True, rolls=times))
    zone.sign()
    zone.run(130)
    zone.policy = _changed(zone.policy, split=True)
    zone.due = int(zone.now)
    zone.run(60)
    # Some jobs come to nothing, as if the server had been killed: what was decided is not served.
    zone.fails = 0.3
    zone.run(40)
    zone.fails = 0
    zone.policy = _changed(zone.policy, algorithm=ED25519)
    zone.due = int(zone.now)
    zone.run(60)
    zone.policy = _changed(zone.policy, split=False, algorithm=ECDSA_P256)
    zone.due = int(zone.now)
    zone.run(60)
    count, wrong = zone.judged()
    assert wrong == []
    assert count > 300
    assert [key.algorithm for key in zone.rolls.keys if key.isWanted] == [ECDSA_P256]
    assert sum(1 for line in zone.said if line.startswith("made the key")) > 6


def test_rulesAreNeeded(zone: _Zone) -> None:
    """
    Without the rules, or without waiting, resolvers would have what they cannot prove.
    """
    with patch.object(rolls, "refusal", lambda *asked: ""):
        zone.run(130)
    assert zone.judged()[1]


def test_notServed(zone: _Zone) -> None:
    """
    What was decided and is not served, as when the server is killed after it has written it, is not waited for; it is decided once only.
    """
    zone.run(100)
    zone.replace()
    before = [key.name for key in zone.rolls.keys]
    for _ in range(3):
        zone.now += 3 * _HOUR
        zone.sign(isServed=False)
    added = [key for key in zone.rolls.keys if key.name not in before]
    assert [key.records[Record.DNSKEY].since for key in added] == [None]
    zone.now += 3 * _HOUR
    zone.sign()
    zone.now += 3 * _HOUR
    zone.sign()
    assert zone.rolls.keys[-1].records[Record.DNSKEY].state is State.OMNIPRESENT
    assert zone.judged()[1] == []


def test_clock(zone: _Zone) -> None:
    """
    A clock that was set begins all waits again: by itself, if it was set back.
    """
    zone.sign()
    since = zone.rolls.keys[0].records[Record.DNSKEY].since
    zone.now += _HOUR
    zone.sign(clockSet=True)
    assert zone.rolls.keys[0].records[Record.DNSKEY].since == zone.now != since
    zone.now -= 2 * _DAY
    zone.sign()
    assert zone.rolls.keys[0].records[Record.DNSKEY].since == zone.now
    assert "the clock was set: the waits for caches of resolvers begin again" in zone.said
    zone.run(20)
    zone.now -= 30 * _DAY
    before = len(zone.said)
    zone.sign()
    zone.sign()
    # Once only, although records were there later than it is now.
    assert sum(1 for line in zone.said[before:] if "the clock was set" in line) == 1


def test_olderFolder(zone: _Zone) -> None:
    """
    What is known of the keys as it was before a roll, as from a backup, does not sign: resolvers would not know these keys.
    """
    zone.run(20)
    lives = Path(zone.keys) / "lives"
    before = lives.read_bytes()
    zone.replace()
    zone.run(20)
    after = lives.read_bytes()
    lives.write_bytes(before)
    with pytest.raises(BadKey, match="older than what is served: it does not know the key [0-9]+, which signs there; put the present"):
        zone.sign()
    lives.write_bytes(after)
    zone.sign()
    # Without it, the keys are taken as the zone has them.
    lives.unlink()
    zone.sign()
    zone.run(60)
    assert zone.judged()[1] == []


@pytest.mark.parametrize("isKnown", [True, False])
def test_unwantedKeysStay(tmp_path: Path, isKnown: bool) -> None:
    """
    A policy that begins with another algorithm withdraws no key that the parent may lead to: not either if the former version cannot be
    read any more.
    """
    zone = _Zone(tmp_path, _changed(_POLICY, rolls=None))
    zone.sign()
    zone.now += 5 * _DAY
    zone.policy = _changed(_POLICY, algorithm=ED25519)
    if not isKnown:
        Path(zone.image).write_bytes(b"")
    for _ in range(30):
        zone.sign()
        zone.now = max(zone.due, zone.now + _DAY)
    (old,) = [key for key in zone.rolls.keys if key.algorithm == ECDSA_P256]
    assert (old.isWanted, old.state(Record.DS)) == (False, State.UNRETENTIVE)
    assert old.state(Record.DNSKEY) is old.state(Record.KRRSIG) is old.state(Record.ZRRSIG) is State.OMNIPRESENT


@pytest.mark.parametrize("wrong", ["", "dnskeys", "entries", "signers", "since"])
def test_whatIsServed(tmp_path: Path, wrong: str) -> None:
    """
    What was decided counts as served if what is served has these keys and signatures, and since then.
    """
    policy = RollPolicy(ECDSA_P256)
    ring = LivingRing.live(str(tmp_path), _APEX, policy, _BEGIN, None, False)
    (key,) = ring.active
    right: dict[str, Any] = {"dnskeys": [key.dnskey], "entries": [key.tag], "signers": [key.tag], "since": _BEGIN + 9.0}
    served = Served(**{**right, **({wrong: None if wrong == "since" else []} if wrong else {})})
    ring = LivingRing.live(str(tmp_path), _APEX, policy, _BEGIN + 60, served, True)
    since = {each.since for record, each in ring.rolls.keys[0].records.items() if record is not Record.DS}
    assert since == {None if wrong else _BEGIN + 9.0}
    due = policy.dnskeyTTL + policy.propagation + policy.safety
    assert LivingRing.served(str(tmp_path), _BEGIN + 90) == (_BEGIN + 90 + due if wrong else None)
    before = (tmp_path / "lives").stat()
    assert LivingRing.served(str(tmp_path), _BEGIN + 99) is None
    # Not written again; that it was read may be in its times.
    after = (tmp_path / "lives").stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)


def test_otherProvider(tmp_path: Path) -> None:
    """
    A DNSKEY record of another provider, in the zone's file, is published, and is none of these keys.
    """
    key = newKey(ECDSA_P256, 256)
    zone = _Zone(tmp_path, lines=[*_LINES, f"example.org. 3600 DNSKEY 256 3 13 {b64encode(key.dnskey[4:]).decode()}"])
    zone.sign()
    zone.run(60)
    assert sum(1 for line in zone.said if line.startswith("made the key")) == 1
    assert [each.isInUse for each in zone.rolls.keys] == [True]
    assert all(key.dnskey in [rdata.to_wire() for rdata in each.records] for each in zone.sets[b"", DNSKEY])
    assert zone.judged()[1] == []


def test_kept(tmp_path: Path) -> None:
    """
    All that is known is what is read again.
    """
    key = RollingKey("Kexample.org.+013+00001", "csk", 13, 7.5, [(Record.DNSKEY, Standing(State.RUMOURED, None, 60, 3.5))])
    key.isWanted, key.isReplaced = False, True
    known = Rolls(RollPolicy(13, True, {"ksk": 5}, safety=1), [key, RollingKey("Kexample.org.+015+00002", "zsk", 15, 9.0)])
    known.lately[Record.DS] = Lately(86400, 300, 5.5)
    known.parentTTL = 77
    known.swaps = [Swap(1.5, ("Kexample.org.+013+00001",)), Swap(7.0, ("Kexample.org.+015+00002",))]
    key.records[Record.DS] = Standing(State.RUMOURED, None, decided=8.5)
    writeLives(known, str(tmp_path))
    text = (tmp_path / "lives").read_text()
    again = readLives(str(tmp_path))
    assert again is not None
    writeLives(again, str(tmp_path))
    assert (tmp_path / "lives").read_text() == text
    assert (again.policy, repr(again.keys), again.keys[0].isReplaced) == (known.policy, repr(known.keys), True)
    assert [(each.longest, each.last, each.until) for each in again.lately.values()][-1] == (86400, 300, 5.5)
    assert (again.parentTTL, again.asksParent, again.swaps) == (77, 8.5, known.swaps)


def test_keptByEarlierVersions(zone: _Zone) -> None:
    """
    A file without which keys signed when, and with another time for each record, is read.
    """
    path = Path(zone.keys) / "lives"
    table = json.loads(path.read_text())
    del table["swaps"]
    for key in table["keys"]:
        for values in key["records"].values():
            values.insert(3, 7)
    before = repr(zone.rolls.keys)
    path.write_text(json.dumps(table))
    ring = LivingRing.read(zone.keys, _APEX)
    assert ring is not None
    assert (repr(zone.rolls.keys), [*ring.signers().of(SOA)]) == (before, ring.active)
    assert zone.rolls.keys[0].records[Record.DNSKEY].decided == _BEGIN


@pytest.mark.parametrize(
    ("content", "instead"),
    [
        ("", None), ("{", None), ("[]", None), ("\xff", None), ("[" * 60_000, None), ("[" * 70_000, None),
        ('"swaps": [', '"swaps": [[1, ["Kexample.org.+013+00001"]],'),
        ('"form": 1', '"form": 2'), ('"DNSKEY"', '"DNSKEYS"'), ('"rumoured"', '"rumored"'), ('"role": "csk"', '"role": "zsk"'),
    ],
)  # fmt: skip
def test_damaged(zone: _Zone, content: str, instead: str | None) -> None:
    """
    A damaged file is named, and nothing is signed.
    """
    lives = Path(zone.keys) / "lives"
    lives.write_text(content if instead is None else lives.read_text().replace(content, instead, 1))
    with pytest.raises(BadKey, match="lives: "):
        zone.sign()


def test_othersMayNotChoose(zone: _Zone) -> None:
    """
    A file that other users can change, or a link, is not read: they would choose which keys sign.
    """
    lives = Path(zone.keys) / "lives"
    lives.chmod(0o666)
    with pytest.raises(BadKey, match="lives: "):
        zone.sign()
    lives.chmod(0o644)
    zone.sign()
    lives.rename(lives.with_name("elsewhere"))
    lives.symlink_to("elsewhere")
    with pytest.raises(BadKey, match="lives: "):
        zone.sign()


def test_missingKey(zone: _Zone) -> None:
    """
    A key that is in use and whose files are gone is named.
    """
    name = zone.rolls.keys[0].name
    (Path(zone.keys) / f"{name}.private").unlink()
    with pytest.raises(BadKey, match=f"the files of {re.escape(name)} are gone, a key that is in use; put them back"):
        zone.sign()


def test_begins(tmp_path: Path) -> None:
    """
    The keys of a zone that was signed before go on; those whose lifetime has ended are replaced then. Without the policy they stay as they
    are.
    """
    zone = _Zone(tmp_path, _changed(_POLICY, rolls=None, split=True))
    zone.sign()
    zone.now += 10 * _DAY
    zone.sign()
    first = {path.stem for path in Path(zone.keys).glob("*.private")}
    zone.run(25)
    zone.policy = _changed(_POLICY, split=True)
    zone.sign()
    assert {(key.name in first, key.role, key.isWanted) for key in zone.rolls.keys} == {
        (True, "ksk", True), (True, "zsk", False), (False, "zsk", True),
    }  # fmt: skip
    assert [key.state(Record.DS) for key in zone.rolls.keys if key.role == "ksk"] == [State.RUMOURED]
    zone.run(30)
    states = [key.name for key in zone.rolls.keys]
    zone.policy = _changed(_POLICY, split=True, rolls=None)
    zone.run(30)
    assert [key.name for key in zone.rolls.keys] == states
    assert zone.judged()[1] == []
