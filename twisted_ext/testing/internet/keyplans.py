"""
Key plans: which keys a zone has at any time, through all rollovers.

The state of a zone's keys is a function of the time alone, so ten years pass as fast as a second::

    KeyPlan(zskLifetime=90 * DAY, kskLifetime=365 * DAY)

Rollovers follow RFC 7583: pre-publication for zone-signing keys (section 3.2.1); double signatures or double DS records for key-signing
keys (section 3.3); and the revocation of RFC 5011 for trust anchors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from twisted_ext.dnssec.algorithms import ECDSA_P256, ECDSA_P384, ED448, ED25519, RSA
from twisted_ext.dnssec.keys import SECURE_ENTRY_POINT, ZONE
from twisted_ext.testing.internet.seededsigner import SigningKey

__all__ = ["DAY", "HOUR", "KeyPlan", "KeyState", "PlannedKey", "Roll"]

HOUR: Final = 3600
DAY: Final = 86_400

_ALGORITHMS: Final = (*RSA, ECDSA_P256, ECDSA_P384, ED25519, ED448)


class Roll:
    """
    Methods for the rollover of key-signing keys, as values of L{KeyPlan.roll}.

    @cvar DOUBLE_SIGNATURE: both keys sign the keys while the DS record is replaced (RFC 7583, section 3.3.1).
    @cvar DOUBLE_DS: both keys have a DS record while the key is replaced (RFC 7583, section 3.3.2).
    @cvar TRUST_ANCHOR: the new key is published for long enough to be trusted, the old one is revoked afterwards (RFC 5011).
    """

    DOUBLE_SIGNATURE: Final = "double-signature"
    DOUBLE_DS: Final = "double-ds"
    TRUST_ANCHOR: Final = "trust-anchor"


@dataclass(frozen=True, slots=True)
class PlannedKey:
    """
    A key in one state of a zone.

    @ivar key: the key itself, with its present flags.
    @ivar published: whether the zone has a DNSKEY record of it.
    @ivar signsKeys: whether it signs the DNSKEY records.
    @ivar signsZone: whether it signs all other records.
    @ivar delegated: whether the parent has a DS record of it, or resolvers have it as a trust anchor.
    """

    key: SigningKey
    published: bool = True
    signsKeys: bool = False
    signsZone: bool = False
    delegated: bool = False


@dataclass(frozen=True, slots=True)
class KeyState:
    """
    The keys of a zone during some time.

    @ivar since: when this state began, in Unix seconds.
    @ivar until: when the next one begins.
    @ivar keys: all keys that are published or have a DS record.
    """

    since: float
    until: float
    keys: tuple[PlannedKey, ...]


@dataclass(frozen=True, slots=True)
class _Life:
    """
    One key from its publication to its removal, in Unix seconds.
    """

    flags: int
    published: tuple[float, float]
    keys: tuple[float, float] = (inf, inf)
    zone: tuple[float, float] = (inf, inf)
    delegated: tuple[float, float] = (inf, inf)
    revoked: tuple[float, float] = (inf, inf)

    def times(self) -> Iterator[float]:
        for span in (self.published, self.keys, self.zone, self.delegated, self.revoked):
            yield from span


def _during(span: tuple[float, float], at: float) -> bool:
    return span[0] <= at < span[1]


class KeyPlan:
    """
    How a zone is signed, and when its keys change. Immutable; zones may share one.

    @ivar ttl: the TTL of the DNSKEY records.
    @ivar dsTTL: the TTL of the DS records in the parent.
    @ivar digests: the digest types of the DS records.
    @ivar validity: seconds for which a signature is valid.
    @ivar refresh: seconds after which records are signed again.
    @ivar offset: seconds before the signing at which signatures become valid, for clocks that are slow.
    """

    def __init__(
        self,
        algorithm: int | Sequence[int] = 13,
        *,
        zskLifetime: float | None = None,
        kskLifetime: float | None = None,
        combined: bool = False,
        roll: str = Roll.DOUBLE_SIGNATURE,
        lead: float | None = None,
        grace: float = 30 * DAY,
        hold: float = 30 * DAY,
        digests: Sequence[int] = (2,),
        ttl: int = HOUR,
        dsTTL: int = HOUR,
        validity: int = 14 * DAY,
        refresh: int = 7 * DAY,
        offset: int = HOUR,
    ) -> None:
        """
        @param algorithm: the number of the signing algorithm, or several, each of which then signs everything.
        @param zskLifetime: seconds after which the zone-signing key is replaced; L{None} for never.
        @param kskLifetime: seconds after which the key-signing key is replaced; L{None} for never.
        @param combined: use one key for both purposes, which is replaced after C{kskLifetime} with double signatures.
        @param roll: the method for key-signing keys, one of L{Roll}.
        @param lead: seconds for which a new key or DS record is published before it is needed, and an old one afterwards; by default two
            days, and for L{Roll.TRUST_ANCHOR} sixty days before.
        @param grace: for L{Roll.TRUST_ANCHOR}, seconds from the replacement of a key to its revocation.
        @param hold: for L{Roll.TRUST_ANCHOR}, seconds for which a revoked key stays published.

        @raise ValueError: an algorithm is not supported, or a lifetime is too short for its rollover.
        """
        self.algorithms = (algorithm,) if isinstance(algorithm, int) else tuple(algorithm)
        for each in self.algorithms:
            if each not in _ALGORITHMS:
                raise ValueError(f"no key can be made for algorithm {each!r}; use one of {', '.join(map(str, _ALGORITHMS))}")
        if roll not in (Roll.DOUBLE_SIGNATURE, Roll.DOUBLE_DS, Roll.TRUST_ANCHOR):
            raise ValueError(f"{roll!r} is not a rollover method; use one of those of Roll")
        self.combined = combined
        self.roll = Roll.DOUBLE_SIGNATURE if combined else roll
        self.zskLifetime = None if combined else zskLifetime
        self.kskLifetime = kskLifetime
        self.lead = lead if lead is not None else 2 * DAY
        self.kskLead = lead if lead is not None else 60 * DAY if roll == Roll.TRUST_ANCHOR else 2 * DAY
        self.grace = grace
        self.hold = hold
        self.digests = tuple(digests)
        self.ttl = ttl
        self.dsTTL = dsTTL
        self.validity = validity
        self.refresh = refresh
        self.offset = offset
        after = grace + hold if self.roll == Roll.TRUST_ANCHOR else self.kskLead
        # So that one rollover ends before the next but one begins.
        for what, lifetime, least in (("zskLifetime", self.zskLifetime, self.lead), ("kskLifetime", kskLifetime, max(self.kskLead, after))):
            if lifetime is not None and lifetime < least:
                raise ValueError(f"{what} is {lifetime:g} seconds; a rollover takes {least:g}")
        if not 0 < refresh < validity:
            raise ValueError(f"refresh is {refresh} seconds; more than 0 and less than the validity of {validity} are needed")

    def at(self, seed: bytes, start: float, now: float) -> KeyState:
        """
        Return the keys at a time.

        @param seed: what the keys are derived from.
        @param start: Unix seconds at which the first keys were in use; their replacements are counted from there.
        @param now: Unix seconds.
        """
        since, until = -inf, inf
        keys: list[PlannedKey] = []
        for algorithm in self.algorithms:
            for role, number, life in self._lives(start, now):
                for time in life.times():
                    if time <= now:
                        since = max(since, time)
                    else:
                        until = min(until, time)
                published, delegated = _during(life.published, now), _during(life.delegated, now)
                if not published and not delegated:
                    continue
                key = SigningKey.generate(algorithm, b"%b/%b/%d" % (seed, role, number), flags=life.flags)
                revoked = _during(life.revoked, now)
                signsKeys = _during(life.keys, now) or revoked
                keys.append(PlannedKey(key.revoked() if revoked else key, published, signsKeys, _during(life.zone, now), delegated))
        return KeyState(since, until, tuple(keys))

    def spare(self, seed: bytes, algorithm: int | None = None) -> SigningKey:
        """
        Return a key of the zone that the plan never uses.
        """
        return SigningKey.generate(self.algorithms[0] if algorithm is None else algorithm, seed + b"/spare")

    def _lives(self, start: float, now: float) -> Iterator[tuple[bytes, int, _Life]]:
        for number, begin, end in _generations(self.kskLifetime, start, now):
            yield b"ksk", number, self._signingKeys(begin, end)
        if not self.combined:
            for number, begin, end in _generations(self.zskLifetime, start, now):
                yield b"zsk", number, _Life(ZONE, (begin - self.lead, end + self.lead), zone=(begin, end))

    def _signingKeys(self, begin: float, end: float) -> _Life:
        flags = ZONE | SECURE_ENTRY_POINT
        inner, outer = (begin, end), (begin - self.kskLead, end + self.kskLead)
        if self.roll == Roll.DOUBLE_DS:
            return _Life(flags, inner, keys=inner, delegated=outer)
        if self.roll == Roll.DOUBLE_SIGNATURE:
            return _Life(flags, outer, keys=outer, zone=outer if self.combined else (inf, inf), delegated=inner)
        revoked = (end + self.grace, end + self.grace + self.hold)
        # A revoked key signs the keys again, without which its revocation would not count (RFC 5011, section 2.1).
        return _Life(flags, (begin - self.kskLead, revoked[1]), keys=inner, delegated=inner, revoked=revoked)


def _generations(lifetime: float | None, start: float, now: float) -> Iterator[tuple[int, float, float]]:
    """
    Yield the keys that may matter at a time: number, begin and end of their use.
    """
    if lifetime is None:
        yield 0, -inf, inf
        return
    current = max(0, int((now - start) // lifetime))
    for number in range(max(0, current - 1), current + 2):
        # The first key has always been there.
        yield number, start + number * lifetime if number else -inf, start + (number + 1) * lifetime
