"""
The part of a job that signs a zone, in the process that compiles it. No other process of a server has keys.
"""

from __future__ import annotations

import os
from calendar import timegm
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf
from twisted_ext.dnssec.privatekeys.keyring import Keyring, makeKeys
from twisted_ext.dnssec.privatekeys.roles import OF_KEYS
from twisted_ext.dnssec.rolls.ring import LivingRing, Served
from twisted_ext.errors import BadImage, BadKey, StorageFault
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rdata.times import dateFromSeconds
from twisted_ext.wire.rrtypes import DNSKEY, DS, RRSIG, SOA
from twisted_ext.zone.sign.apex import signZone
from twisted_ext.zone.sign.clock import clockIn, noteClock
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.sign.whole import Progress, withoutSignatures
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder
from twisted_ext.zone.store.nodes import BETWEEN, recordsIn
from twisted_ext.zone.store.serials import SERIALS, isNewer, nextSerial, serialIn, withSerial

__all__ = ["SignJob"]

#: When this was written: a clock that is before has not been set.
_WRITTEN: Final = timegm((2026, 11, 1, 0, 0, 0))

_DAY: Final = 24 * 3600

#: How far the clock may be from when something was signed last, in seconds, besides a period of renewal, in which nothing may have to be
#: signed. With a clock that is years ahead, resolvers would reject the signatures for years.
_FAR: Final = 30 * _DAY


class SignJob:
    """
    Signs the records of a builder.

    @ivar said: what the operator has to know: which keys were made, and what the parent needs.
    @ivar policy: how it is signed.
    @ivar sources: the keys, as the sources of an image: path, octets and modification time. The first one is the folder.
    @ivar due: when it has to be signed again because a key does something else then, in seconds since 1970; 0 for never.
    @ivar begins: when the last of the signatures becomes valid, in seconds since 1970.
    """

    __slots__ = (
        "begins", "due", "said", "sources", "policy", "_anew", "_clockSet", "_folder", "_former", "_last", "_now", "_serial", "_since",
        "_wasSigned",
    )  # fmt: skip

    def __init__(
        self,
        folder: str,
        policy: SigningPolicy,
        last: int | None,
        now: float,
        wasSigned: bool = False,
        serial: str = SERIALS[0],
        former: str = "",
        anew: bool = False,
        since: float | None = None,
        clockSet: bool = False,
    ) -> None:
        """
        @param folder: of the zone's keys; they are made there if there are none.
        @param last: the serial of the version that is served; L{None} for none.
        @param now: seconds since 1970.
        @param wasSigned: whether the zone was signed with keys of this folder before. Then the parent has a DS record for one of them, and
            none is made.
        @param former: the file with the image of the former version, if that was signed.
        @param anew: whether that was signed by another policy, so that none of its signatures is kept.
        @param serial: how the next serial is chosen, one of L{SERIALS}; with C{increment}, that of the file is taken if it is newer.
        @param since: since when the former version is served, in seconds since 1970; L{None} if it is not.
        @param clockSet: whether the clock was set since the zone was signed last.
        """
        self.said: list[str] = []
        self.sources: list[tuple[str, int, int]] = []
        self._folder = folder
        self.policy = policy
        self._last = last
        self._now = now
        self._wasSigned = wasSigned
        self._serial = serial
        self._former = former
        self._anew = anew
        self._since = since
        self._clockSet = clockSet
        self.due = self.begins = 0

    @classmethod
    def fromTable(cls, table: Mapping[str, object], now: float) -> SignJob:
        """
        Make it from a job: C{keys}, C{policy}, C{serial}, and for a zone that was signed before C{last}, C{wasSigned}, C{former}, C{anew},
        C{since} and C{clockSet}.
        """
        last, policy = table.get("last"), table["policy"]
        if not isinstance(policy, dict):
            raise ValueError(f"{policy!r} is not a policy")
        number = None if last is None else int(str(last))
        given = SigningPolicy.fromTable(policy)
        serial, former = str(table.get("serial", SERIALS[0])), str(table.get("former", ""))
        wasSigned, anew, clockSet = (bool(table.get(each)) for each in ("wasSigned", "anew", "clockSet"))
        since = None if table.get("since") is None else float(str(table["since"]))
        return cls(str(table["keys"]), given, number, now, wasSigned, serial, former, anew, since, clockSet)

    def sign(
        self,
        builder: ImageBuilder,
        tell: Progress | None = None,
        former: Image | None = None,
        ahead: Image | None = None,
        isChanged: bool = False,
    ) -> None:
        """
        Sign a zone, and give it a serial behind that of the version that is served.

        @param tell: is called after each batch of names.
        @param former: the version that is served; by default that in the file is taken.
        @param ahead: one that was signed a moment ago by the same policy: its signatures are kept instead. It was not served.
        @param isChanged: whether these are the records of the former version, which clients have changed.

        @raise BadKey: a key cannot be used, or the clock is wrong.
        @raise BadZone: the zone cannot be signed.
        @raise StorageFault: keys cannot be written.
        """
        zone, now = builder.apexName.lower(), self._now
        self._checkClock()
        policy = self.policy
        former = former or self._version(zone)
        ring, made = self._ring(zone, former, builder)
        signers = ring.signers()
        self.said += ring.said
        gone = withoutSignatures(builder)
        if gone and not isChanged:
            self.said.append(f"{gone} signatures and denials that it had are replaced")
        expire = self._renumber(builder)
        days = policy.validity.least // _DAY
        # Once, not at each signing.
        if expire > days * _DAY and (former is None or self._anew or expire != _expireOf(former)):
            self.said.append(
                f"a secondary that loses this server serves the zone for {expire // _DAY} d (SOA expire), and its signatures may end after "
                f"{days} d; an expire of at most {days * _DAY} would do"
            )
        counts = signZone(builder, Signing(signers, policy, tuple(ring.published)), now, tell, ahead or (None if self._anew else former))
        with _writing(self._folder):
            ring.note(made)
        self.due, self.begins = ring.due, counts.latest
        kept = f" ({counts.kept} of them as before)" if counts.kept else ""
        self.said.append(f"signed: {counts.signatures} signatures{kept}, the first of which ends {_day(counts.ends)}")
        name = nameToText(zone)
        self.said += [f"the parent needs: {name} IN DS {rdataToText(DS, key.ds(zone))}" for key in signers.entries]
        with _writing(clockIn(self._shared)):
            noteClock(self._shared, now)
        for path in (self._folder, *dict.fromkeys([*ring.sources, *[key.source for key in signers.keys if key.source]])):
            found = os.stat(path)
            self.sources.append((path, found.st_size, found.st_mtime_ns))

    def _ring(self, zone: bytes, former: Image | None, builder: ImageBuilder) -> tuple[Keyring | LivingRing, list[KeyFile]]:
        """
        Return the keys, and which were made and have to be noted.
        """
        policy, now, folder = self.policy, self._now, self._folder
        keys = None if former is None else former.node(0).of(DNSKEY)
        ring: Keyring | LivingRing | None = LivingRing.read(folder, zone)
        if ring is None:
            ttl = policy.dnskeyTTL if keys is None else max(policy.dnskeyTTL, keys.ttl)
            ring = Keyring(folder, zone, now, None if keys is None else keys.rdatas, ttl)
        if not ring.active and self._wasSigned:
            name = nameToText(zone)
            raise BadKey(
                f"{folder}: the keys that signed {name} are gone; put them back, since resolvers take no others while the parent has "
                f"the DS record; or make a key for another DS record: txdns keys new {name} --keys {folder}"
            )
        if not ring.active and not os.path.exists(folder) and os.path.isdir(folder.removesuffix(".")):
            path, name = folder.removesuffix("."), os.path.basename(folder)
            raise BadKey(f"{path}: keys in this folder are not used, as its name has no final dot; rename it to {name}, or remove it")
        if policy.rolls is None and ring.active:
            return ring, []
        with _writing(folder):
            os.makedirs(os.path.dirname(folder), 0o700, exist_ok=True)
            if policy.rolls is not None:
                lives = policy.rolls.of(policy.algorithm, policy.split, policy.dnskeyTTL, _longest(builder))
                isSwapping = isinstance(ring, LivingRing) and ring.rolls.isSwapping
                served = self._served(former, isSwapping)
                return LivingRing.live(folder, zone, lives, now, served, self._wasSigned, self._clockSet), []
            made = makeKeys(folder, zone, policy.algorithm, now, split=policy.split)
        for file in made:
            self.said.append(f"made the key {nameOf(file)} in {folder}")
            ring.active.append(file.key)
        return ring, made

    def _served(self, former: Image | None, isSwapping: bool) -> Served | None:
        """
        Return which keys what is served is signed with.

        @param isSwapping: whether some names may be signed by other keys than most.
        """
        keys = None if former is None else former.node(0).of(DNSKEY)
        if former is None or keys is None:
            return None
        top = former.node(0)
        entries, signers = [
            {_tagIn(rdata) for rdata in ([] if found is None else found.rdatas)} for found in (top.signatures(DNSKEY), top.signatures(SOA))
        ]
        if isSwapping:
            for index in range(former.nodes):
                for _, rrType, _, rdata in recordsIn(former.rendered(index), len(former.key(index))):
                    if rrType == RRSIG and int.from_bytes(rdata[:2], "big") not in OF_KEYS:
                        signers.add(_tagIn(rdata))
        return Served(keys.rdatas, entries, signers, self._since)

    def _version(self, zone: bytes) -> Image | None:
        """
        Return the former version, if it can be read; all signatures are made anew without it.
        """
        try:
            image = Image.open(self._former) if self._former else None
        except (BadImage, OSError):
            return None
        return image if image is not None and image.apex == zone else None

    def _checkClock(self) -> None:
        """
        @raise BadKey: the clock is not to be trusted.
        """
        now = self._now
        if now < _WRITTEN:
            raise BadKey(f"the clock is at {_day(now)}, before this program was written; nothing is signed until it is set")
        path = clockIn(self._shared)
        try:
            last = os.stat(path).st_mtime
        except FileNotFoundError:
            return
        if abs(now - last) > _FAR + self.policy.validity.renew:
            raise BadKey(
                f"the clock is at {_day(now)}, {abs(now - last) // _DAY:.0f} d {'after' if now > last else 'before'} the last signing on "
                f"{_day(last)}; nothing is signed until it is set, or if it is right, until you have run: touch {path}"
            )

    @property
    def _shared(self) -> str:
        """
        The folder that has one of keys for each zone.
        """
        return os.path.dirname(self._folder)

    def _renumber(self, builder: ImageBuilder) -> int:
        """
        Give a zone its serial, and return its SOA expire, in seconds.
        """
        builder.ordered()
        records = builder.nodes[b""]
        end = BETWEEN + (records[10] << 8 | records[11])
        soa = records[BETWEEN:end]
        last = self._last
        serial = serialIn(soa)
        if self._serial != SERIALS[0]:
            serial = nextSerial(serial if last is None or isNewer(serial, last) else last, self._serial, self._now)
        elif last is not None and not isNewer(serial, last):
            serial = nextSerial(last)
        builder.nodes[b""] = records[:BETWEEN] + withSerial(soa, serial) + records[end:]
        return int.from_bytes(soa[-8:-4], "big")


def _longest(builder: ImageBuilder) -> int:
    """
    Return the longest TTL of a zone.
    """
    return max([ttl for key, records in builder.nodes.items() for _, _, ttl, _ in recordsIn(records, len(key))], default=0)


def _tagIn(rdata: bytes) -> int:
    """
    Return the tag of the key in an RRSIG record (RFC 4034, section 3.1).
    """
    return int.from_bytes(rdata[16:18], "big")


def _expireOf(image: Image) -> int:
    """
    Return the SOA expire of a version, in seconds.
    """
    soa = image.node(0).of(SOA)
    return 0 if soa is None else int.from_bytes(soa.rdatas[0][-8:-4], "big")


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """
    @raise StorageFault: the system refused to write something.
    """
    try:
        yield
    except OSError as error:
        raise StorageFault(f"{path}: cannot be written: {error.strerror or error}") from None


def _day(seconds: float) -> str:
    text = dateFromSeconds(max(int(seconds), 0))
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
