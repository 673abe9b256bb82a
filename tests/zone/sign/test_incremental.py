"""
Tests of L{twisted_ext.zone.sign.incremental}.
"""

from __future__ import annotations

import os
import random
from collections.abc import Generator, Iterable
from hashlib import sha1
from zlib import crc32

import pytest

from tests.zone.sign.zones import APEX, builderOf
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, newKey
from twisted_ext.dnssec.privatekeys.roles import Signers, Turn
from twisted_ext.dnssec.privatekeys.validity import BUCKETS
from twisted_ext.errors import BadZone
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DNSKEY, NSEC, NSEC3, NSEC3PARAM, RRSIG, ZONEMD
from twisted_ext.zone.sign import completer, hashedchain
from twisted_ext.zone.sign.apex import signZone
from twisted_ext.zone.sign.completer import Changes, Completing, Whole
from twisted_ext.zone.sign.incremental import ChangeSigner, complete, completing
from twisted_ext.zone.sign.policy import DENIALS, SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.changeset import applied
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.nodes import Kind, kindOf, sortKey
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.transactions import Completion, Transaction

#: How many random sequences of changes are tried; set the environment variable for more.
SEQUENCES = int(os.environ.get("SIGNING_SEQUENCES", "150"))

NOW = 1_800_000_000.0
_DAY = 86_400
_KEYS = (newKey(13, 257), newKey(13, 256))
#: A successor of the last one, and a key of another algorithm.
_OTHERS = (newKey(13, 256), newKey(15, 256))
_START = ["@ 3600 SOA ns1 host 1 7200 900 1209600 300", "@ 3600 NS ns1"]
_MADE = (RRSIG, NSEC, NSEC3, NSEC3PARAM, DNSKEY, CDS, CDNSKEY, ZONEMD)
_DS = f"1 13 2 {'00' * 32}"

#: TTL and rdata of each set, in order.
Content = dict[tuple[bytes, Kind], tuple[int, list[bytes]]]


def signingWith(*, forParent: bool = False, digested: bool = False, denial: str = "nsec") -> Signing[PrivateKey]:
    """
    Return two keys, and a policy.
    """
    return Signing(Signers(_KEYS), SigningPolicy(split=True, forParent=forParent, digested=digested, denial=denial))


def swapping(signing: Signing[PrivateKey], dice: random.Random, now: float) -> Signing[PrivateKey]:
    """
    Have names signed by other keys from some times on.
    """
    entry, first = _KEYS
    times = sorted([now + dice.uniform(-7, 14) * _DAY for _ in range(3)])
    turns = [Turn(at, dice.sample((first, *_OTHERS), dice.randint(1, 2))) for at in times]
    return Signing(Signers((*_KEYS, *_OTHERS), ofKeys=[entry], ofRest=turns), signing.policy)


def signed(records: Iterable[RRSet], signing: Signing[PrivateKey], now: float) -> Version:
    """
    Sign a zone from nothing.
    """
    builder = builderOf([*records])
    signZone(builder, signing, now)
    return Version(Image(builder.finish()))


def zone(*lines: str, signing: Signing[PrivateKey] | None = None) -> Version:
    """
    Return a signed zone with SOA and NS records and these.
    """
    return signed([recordFromText(line, APEX) for line in (*_START, *lines)], signing or signingWith(), NOW)


def plainOf(version: Version) -> list[RRSet]:
    """
    Return the records of a zone without what a signer makes.
    """
    return [rrset for node in version.nodes() for rrset in node.sets if rrset.rrType not in _MADE]


def contentOf(version: Version) -> Content:
    """
    Return all records; those of signatures in the order of the keys.
    """
    return {
        (node.key, kindOf(rrset)): (rrset.ttl, [*rrset.rdatas] if rrset.rrType == RRSIG else sorted(rrset.rdatas))
        for node in version.nodes()
        for rrset in node.sets
    }


class Signer:
    """
    Completes changes with signatures.

    @ivar made: how many signatures it has made, and C{kept} how many it has kept.
    """

    def __init__(self, signing: Signing[PrivateKey] | None = None) -> None:
        self.signing = signing or signingWith()
        self.made = self.kept = 0

    def changed(self, version: Version, changes: Changes, now: float, renew: Iterable[bytes] = ()) -> Changes:
        """
        Complete a change.
        """
        completed = complete(version, changes, self.signing, now, [*renew])
        return completed.finish(finished(self._sign(completed)))

    def at(self, now: float) -> Completion:
        """
        Return what completes the changes of a transaction.
        """
        return ChangeSigner(self.signing, now, self._sign)

    def _sign(self, completed: Completing) -> Generator[object, None, list[bytes]]:
        yield from ()
        self.made += len(completed.wanted)
        self.kept += completed.kept
        secrets = {key.dnskey: key for key in self.signing.signers.keys}
        return [secrets[wanted.key.dnskey].signMany((wanted.data,))[0] for wanted in completed.wanted]


def edited(version: Version, signer: Signer, *, add: Iterable[str] = (), remove: Iterable[str] = (), now: float = NOW) -> Version:
    """
    Return the version after a change, if it changes anything, which is as if it was signed from nothing, and which its difference leads to.
    What is removed and what is added are changes of two clients, of whom a third one, in between, is refused.
    """
    transaction = Transaction(version, now=now, completion=signer.at(now))
    for name in remove:
        transaction.removeName(nameFromText(name, APEX))
    finished(transaction.closing())
    for line in add:
        transaction.removeName(nameFromText(line.split()[0], APEX))
    transaction.undo()
    for line in add:
        transaction.add(recordFromText(line, APEX))
    done = transaction.commit()
    if done is None:
        return version
    after, difference = done
    expectSame(after, signer.signing, now)
    assert contentOf(applied(version, [difference])) == contentOf(after)
    return after


def expectSame(version: Version, signing: Signing[PrivateKey], now: float) -> None:
    """
    Expect that a version is as if it was signed from nothing.
    """
    assert contentOf(version) == contentOf(signed(plainOf(version), signing, now))


class Sequence:
    """
    A zone, and random changes of it.
    """

    labels = ("a", "b", "c", "*", "z", "\\000", "B", "ab")

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.now = NOW + self.dice.randrange(30 * _DAY)
        signing = signingWith(forParent=seed % 3 == 0, denial=DENIALS[seed // 3 % len(DENIALS)])
        self.signer = Signer(swapping(signing, self.dice, self.now) if seed % 2 else signing)
        lines = [*_START]
        for _ in range(self.dice.randrange(7)):
            name = self.name()
            if all(line.split()[0].lower() != name.lower() for line in lines):
                lines += self.records(name)
        self.version = signed([recordFromText(line, APEX) for line in lines], self.signer.signing, self.now)

    def name(self) -> str:
        """
        Return a name below the apex.
        """
        return ".".join([self.dice.choice(self.labels) for _ in range(self.dice.randint(1, 3))])

    def records(self, name: str) -> list[str]:
        """
        Return records for a name: addresses, a delegation, a DNAME record, or several sets.
        """
        dice = self.dice
        kind = dice.random()
        if kind < 0.55:
            return [f"{name} {dice.choice((60, 300))} A 192.0.2.{dice.randint(1, 9)}"]
        if kind < 0.75:
            return [f"{name} 300 NS ns1", *([f"{name} 300 DS {_DS}"] if dice.random() < 0.5 else [])]
        if kind < 0.85:
            return [f"{name} 300 DNAME Foo.example."]
        return [f'{name} 300 TXT "hi"', f"{name} 300 A 192.0.2.1", f"{name} 30 MX 10 Mail.{name}"]

    def renew(self, since: float) -> None:
        """
        Make those signatures anew whose time has come.
        """
        due = {*self.signer.signing.policy.validity.due(since, self.now)}
        keys = [node.key for node in self.version.nodes() if node.sets and crc32(node.key) & BUCKETS - 1 in due]
        self.version = self.version.edited(self.signer.changed(self.version, {}, self.now, keys))

    def step(self) -> None:
        """
        Let time pass, and change the zone.
        """
        dice = self.dice
        since = self.now
        self.now += dice.choice((0, 60, 3600, 2 * _DAY, 8 * _DAY))
        if self.now != since:
            self.renew(since)
            expectSame(self.version, self.signer.signing, self.now)
        if dice.random() < 0.2:
            self.version = self.version.settled()
        add: list[str] = []
        remove: list[str] = []
        for _ in range(dice.randint(1, 4)):
            name = self.name()
            remove.append(name)
            if dice.random() < 0.6:
                add = [line for line in add if line.split()[0].lower() != name.lower()] + self.records(name)
        if dice.random() < 0.1:
            renamed = self.version.top.of(39) is not None
            remove.extend(["example.org."] if renamed else [])
            add += [] if renamed else ["@ 300 DNAME foo.example."]
        self.version = edited(self.version, self.signer, add=add, remove=remove, now=self.now)


@pytest.mark.parametrize("first", range(0, SEQUENCES, 10))
def test_sequences(first: int) -> None:
    """
    After each of random changes and renewals, with delegations, DNAME records, wildcards and odd names, with keys that take turns, and with
    the next image now and then, the zone is octet for octet as if it was signed from nothing at that time; and the difference leads to the
    same.
    """
    for seed in range(first, min(first + 10, SEQUENCES)):
        sequence = Sequence(seed)
        for _ in range(7):
            sequence.step()
        assert sequence.signer.kept


def test_dnameAtApex() -> None:
    """
    A DNAME record at the apex takes all other names out of the chain, and they come back when it goes.
    """
    version = zone("a 300 A 192.0.2.1", "b.a 300 NS ns1", "*.z 300 A 192.0.2.1")
    signer = Signer()
    renamed = edited(version, signer, add=["@ 300 DNAME foo.example."])
    assert [node.key for node in renamed.nodes() if node.of(NSEC)] == [b""]
    back = edited(renamed.settled(), signer, remove=["example.org."])
    assert len([node for node in back.nodes() if node.of(NSEC)]) == 4


@pytest.mark.parametrize(
    ("add", "remove", "made"),
    [
        (["a 300 A 192.0.2.2"], [], 2),
        (["a 300 TXT more"], [], 3),
        (["c 300 A 192.0.2.1"], [], 4),
        ([], ["b"], 2),
        (["new 300 NS ns1"], [], 3),
        (["cut 300 A 192.0.2.1"], [], 1),
        (["under.cut 300 A 192.0.2.1"], [], 1),
        (["A 300 A 192.0.2.1"], ["a"], 1),
    ],
    ids=["set", "type", "name", "gone", "cut", "glue", "glue name", "capitals"],
)
def test_counts(add: list[str], remove: list[str], made: int) -> None:
    """
    One signature is made for the SOA record, one for a set that changes, and one for each NSEC record that does; all others are kept.
    """
    signer = Signer()
    edited(zone("a 300 A 192.0.2.1", "b 300 A 192.0.2.1", "cut 300 NS ns1"), signer, add=add, remove=remove)
    assert signer.made == made
    assert signer.kept


@pytest.mark.parametrize(
    ("denial", "add", "remove", "made"),
    [
        # A record that changes, another type (and the record of its hash), a new name, and one that goes; each with the SOA record.
        ("nsec3", ["a 300 A 192.0.2.2"], [], 2),
        ("nsec3", ["a 300 TXT more"], [], 3),
        ("nsec3", ["c 300 A 192.0.2.1"], [], 4),
        ("nsec3", [], ["b"], 2),
        # An empty non-terminal comes with its name, goes with it, or stays.
        ("nsec3", ["x.new 300 A 192.0.2.1"], [], 6),
        ("nsec3", [], ["x.deep"], 3),
        ("nsec3", ["y.deep 300 A 192.0.2.1"], ["x.deep"], 4),
        # Opt-out has delegations without DS records in no record, with what is empty above them.
        ("nsec3", ["x.new 300 NS ns1"], [], 5),
        ("nsec3-opt-out", ["x.new 300 NS ns1"], [], 1),
        ("nsec3-opt-out", ["cut 300 NS ns2"], [], 1),
        ("nsec3-opt-out", [], ["cut"], 1),
        ("nsec3-opt-out", ["x.new 300 NS ns1", f"x.new 300 DS {_DS}"], [], 6),
    ],
)
def test_countsOfHashes(denial: str, add: list[str], remove: list[str], made: int) -> None:
    """
    With NSEC3 records as well, one signature is made for each set and each record of the chain that changes; a neighbour may be one that
    changes already, by the order of the hashes.
    """
    signer = Signer(signingWith(denial=denial))
    version = zone("a 300 A 192.0.2.1", "b 300 A 192.0.2.1", "cut 300 NS ns1", "x.deep 300 A 192.0.2.1", signing=signer.signing)
    edited(version, signer, add=add, remove=remove)
    assert signer.made == made
    assert signer.kept


def _hashOf(name: str) -> str:
    return toBase32Hex(sha1(nameFromText(name, APEX)).digest())


@pytest.mark.parametrize("denial", ["nsec3", "nsec3-opt-out"])
def test_namesLikeHashes(denial: str) -> None:
    """
    A name that is the hash of another one keeps its own records beside the NSEC3 record, whichever of both changes.
    """
    signer = Signer(signingWith(denial=denial))
    version = zone("a 300 A 192.0.2.1", signing=signer.signing)
    ofA, ofApex, ofNew = _hashOf("a"), _hashOf("@"), _hashOf("new")
    steps: list[tuple[list[str], list[str]]] = [
        ([f"{ofA} 300 A 192.0.2.7", f"{ofNew} 300 A 192.0.2.8"], []),
        (["a 300 TXT more"], []),
        (["new 300 A 192.0.2.9", f"{ofApex} 300 NS ns1", f"x.{ofApex} 300 A 192.0.2.9"], []),
        ([], ["new"]),
        ([f"x.{ofA} 300 A 192.0.2.9"], [ofApex]),
        ([], [ofA, ofNew]),
        ([], ["a", f"x.{ofA}"]),
    ]
    for add, remove in steps:
        version = edited(version, signer, add=add, remove=remove)
    for add, remove in steps:
        version = edited(version.settled(), signer, add=add, remove=remove)


def test_sameHash(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A name with the hash of another one is refused, whether that one is there already or comes with it.
    """
    signing = signingWith(denial="nsec3")
    version = zone("a 300 A 192.0.2.1", signing=signing)

    def hashOf(octets: bytes, *, usedforsecurity: bool) -> object:
        return sha1({b"\x01b" + APEX: b"\x01a" + APEX, b"\x01d" + APEX: b"\x01c" + APEX}.get(octets, octets))

    monkeypatch.setattr(hashedchain, "sha1", hashOf)
    for names in ("b", "c d"):
        changes = {nameFromText(name, APEX)[: -len(APEX)]: (recordFromText(f"{name} 60 A 192.0.2.1", APEX),) for name in names.split()}
        with pytest.raises(BadZone, match="the same hash as another name"):
            complete(version, changes, signing, NOW)
    complete(version, {b"\x01c": (recordFromText("c 60 A 192.0.2.1", APEX),)}, signing, NOW)


def test_manyBelow() -> None:
    """
    Whether an empty non-terminal stays is found out at the first name below it that counts, in short steps past those that do not.
    """
    signing = signingWith(denial="nsec3-opt-out")
    lines = [f"n{number:03}.deep 300 NS ns1" for number in range(500)]
    version = zone("a.deep 300 A 192.0.2.1", *lines, "z.deep 300 A 192.0.2.1", signing=signing)
    assert len([*completing(version, {b"\x01a\x04deep": ()}, signing, NOW)]) >= 2
    assert len([*completing(version, {b"\x01z\x04deep": ()}, signing, NOW)]) == 0
    edited(version, Signer(signing), remove=["a.deep", "z.deep"])
    edited(version, Signer(signing), remove=["a.deep"])


def test_onlyTouched() -> None:
    """
    Of many names, the changes have those that are touched: the apex, a new name and the one before it.
    """
    version = zone(*[f"n{number:03} 300 A 192.0.2.1" for number in range(300)])
    top = tuple([rrset for rrset in version.top.sets if rrset.rrType not in _MADE])
    new = recordFromText("n100a 300 A 192.0.2.1", APEX)
    changes = Signer().changed(version, {b"": top, b"\x05n100a": (new,)}, NOW)
    assert sorted(changes) == [b"", b"\x04n100", b"\x05n100a"]
    assert len([*completing(version, {b"\x05n100a": (new,)}, signingWith(), NOW)]) == 0


def test_madeIgnored() -> None:
    """
    Signatures and denials in a change are ignored, and the records of the keys stay as they are, whatever a change has of them.
    """
    signing = signingWith(forParent=True)
    version = zone("a 300 A 192.0.2.1", signing=signing)
    signer = Signer(signing)
    top = tuple([rrset for rrset in version.top.sets if rrset.rrType not in (DNSKEY, CDS)])
    wrong = RRSet(APEX, NSEC, 1, 5, (APEX + b"\0\1\x40",))
    node = version.find(b"\x01a")
    assert node is not None
    after = version.edited(signer.changed(version, {b"": (*top, wrong), b"\x01a": node.sets}, NOW))
    assert contentOf(after) == contentOf(version)
    assert not signer.made


def test_steps() -> None:
    """
    A change of many names is completed in many steps.
    """
    records = {bytes([4]) + b"%04d" % number: (recordFromText(f"{number:04} 300 A 192.0.2.1", APEX),) for number in range(400)}
    assert len([*completing(zone(), records, signingWith(), NOW)]) >= 40


def soaWith(ttl: int, minimum: int) -> Changes:
    """
    Return a change of the SOA record.
    """
    return {b"": (recordFromText(f"@ {ttl} SOA ns1 host 2 7200 900 1209600 {minimum}", APEX), recordFromText(_START[1], APEX))}


def reasonOf(version: Version, changes: Changes, signing: Signing[PrivateKey] | None = None) -> str:
    """
    Return why a whole zone is to be signed.
    """
    with pytest.raises(Whole) as caught:
        complete(version, changes, signing or signingWith(), NOW)
    return str(caught.value)


def test_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The whole zone has to be signed when the TTL of negative answers changes, with another chain or a digest, with a key that is not
    published, and if too many names are touched; the text says which it is.
    """
    version = zone("a 300 A 192.0.2.1", "b.a 300 A 192.0.2.1", "c.a 300 A 192.0.2.1")
    assert "negative answers of example.org. changes" in reasonOf(version, soaWith(3600, 200))
    assert "negative answers of example.org. changes" in reasonOf(version, soaWith(200, 300))
    complete(version, soaWith(7200, 300), signingWith(), NOW)
    for denial in ("nsec3", "nsec3-opt-out"):
        hashed = signingWith(denial=denial)
        assert "no NSEC3 chain" in reasonOf(version, {}, hashed)
        assert "no NSEC chain" in reasonOf(zone(signing=hashed), {})
    assert "NSEC3 chain with opt-out" in reasonOf(zone(signing=hashed), {}, signingWith(denial="nsec3"))
    assert "NSEC3 chain without opt-out" in reasonOf(zone(signing=signingWith(denial="nsec3")), {}, hashed)
    assert "NSEC chain" in reasonOf(Version(Image(builderOf([recordFromText(line, APEX) for line in _START]).finish())), {})
    assert "ZONEMD" in reasonOf(zone(signing=signingWith(digested=True)), {})
    assert "is not among the keys" in reasonOf(version, {}, Signing(Signers([*_KEYS, newKey(13, 256)]), SigningPolicy()))
    monkeypatch.setattr(completer, "MOST_NAMES", 2)
    assert "more than 2 names" in reasonOf(version, {b"\x01a": (recordFromText("a 300 NS ns1", APEX),)})


@pytest.mark.parametrize("denial", DENIALS)
def test_digest(denial: str) -> None:
    """
    A digest goes with a change, as it would be wrong, and one in a change is ignored; but for that, the result is as if a zone without one
    was signed from nothing.
    """
    digested, plain = signingWith(digested=True, denial=denial), signingWith(denial=denial)
    signer = Signer(digested)
    version = zone("a 300 A 192.0.2.1", signing=digested)
    assert version.top.of(ZONEMD) is not None
    zonemd = recordFromText(f"@ 300 ZONEMD 1 1 1 {'00' * 48}", APEX)
    top = (*[rrset for rrset in version.top.sets if rrset.rrType not in _MADE], zonemd)
    changes: list[Changes] = [{b"": top, b"\x01b": (recordFromText("b 60 A 192.0.2.1", APEX),)}, {}]
    for change in changes:
        after = version.edited(signer.changed(version, change, NOW, [b"\x01a"]))
        assert after.top.of(ZONEMD) is None
        expectSame(after, plain, NOW)
    again = signer.changed(after, {b"": top}, NOW)
    expectSame(after.edited(again), plain, NOW)


def test_unsignable() -> None:
    """
    DS records without a delegation, and ALIAS records, are refused with the words with which signing the whole zone refuses them.
    """
    version = zone("a 300 A 192.0.2.1", f"cut 300 DS {_DS}", "cut 300 NS ns1")
    ds = recordFromText(f"cut 300 DS {_DS}", APEX)
    alias = RRSet(nameFromText("a", APEX), 65401, 1, 300, (nameFromText("foo.example."),))
    aliases = builderOf(plainOf(version))
    aliases.aliases = True
    signZone(aliases, signingWith(), NOW)
    withAliases = Version(Image(aliases.finish()))
    for start, key, rrset in ((version, b"\x03cut", ds), (withAliases, b"\x01a", alias)):
        with pytest.raises(BadZone) as caught:
            complete(start, {key: (rrset,)}, signingWith(), NOW)
        builder = builderOf([*[each for each in plainOf(start) if not each.name.startswith(key)], rrset])
        builder.aliases = start is withAliases
        with pytest.raises(BadZone) as whole:
            signZone(builder, signingWith(), NOW)
        assert str(caught.value) == str(whole.value)
    complete(version, {b"\x01a": (alias,)}, signingWith(), NOW)


def test_sameTag() -> None:
    """
    Of two keys that have the same tag, no signature is kept, since it is not known whose it is.
    """
    key = _KEYS[0]
    # The tag is a sum of pairs of octets, so that a key with two pairs exchanged has the same.
    twin = key.dnskey[:4] + key.dnskey[6:8] + key.dnskey[4:6] + key.dnskey[8:]
    signing = Signing(Signers(_KEYS), SigningPolicy(split=True), (twin,))
    version = signed([recordFromText(line, APEX) for line in _START], signing, NOW)
    completed = complete(version, {}, signing, NOW, [b""])
    assert [wanted.key for wanted in completed.wanted] == [key]


def test_unordered() -> None:
    """
    In an image whose names are not in canonical order, names below a cut are found all the same.
    """
    version = zone("b.a 300 A 192.0.2.1", "ab 300 A 192.0.2.1", "c.b.a 300 A 192.0.2.1")
    builder = builderOf([rrset for node in reversed([*version.nodes()]) for rrset in node.sets])
    other = Version(Image(builder.finish()))
    assert version.image.isOrdered
    assert not other.image.isOrdered
    assert contentOf(edited(version, Signer(), add=["a 300 NS ns1"])) == contentOf(edited(other, Signer(), add=["a 300 NS ns1"]))


def test_finish() -> None:
    """
    Each signature that is wanted has to be there.
    """
    completed = complete(zone(), soaWith(3600, 300), signingWith(), NOW)
    with pytest.raises(ValueError, match="shorter"):
        completed.finish([])


@pytest.mark.parametrize("denial", DENIALS)
def test_orderOfImages(denial: str) -> None:
    """
    The image of a signed zone is known to be in canonical order, with the hashes of NSEC3 records among the names, and so is the next one.
    """
    version = zone("b.a 300 A 192.0.2.1", "*.a 300 A 192.0.2.1", "A 300 NS ns1", signing=signingWith(denial=denial))
    for image in (version.image, version.settled().image):
        assert image.isOrdered
        keys = [image.key(index) for index in range(image.nodes) if image.tally(index)]
        assert keys == sorted(keys, key=sortKey)
