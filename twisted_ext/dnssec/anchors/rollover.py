"""
Follow the rollovers of the keys of a trust point (RFC 5011): which keys are trusted after each look at the zone's keys.

Each key with the SEP flag is in one of these states (section 4.2). A new key is trusted once it has been published for the hold-down time
and is seen again in a set that a trusted key signed; a key is revoked at once, by its own signature over the set::

    Start --seen--> add pending --hold-down time--> valid <--seen or not--> missing
      ^                |                              |                        |
      +---not seen-----+                              +---REVOKE flag set------+--> revoked --hold-down time--> removed

Removed keys are remembered, since a revocation is permanent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Final

from twisted_ext.dnssec.algorithms import STANDARD
from twisted_ext.dnssec.keys import REVOKED, SECURE_ENTRY_POINT, ZONE, ZoneKey, keyTag, matches
from twisted_ext.dnssec.limits import (
    ANCHOR_ADD_SECONDS,
    ANCHOR_KEYS,
    ANCHOR_QUERY_SECONDS,
    ANCHOR_RETRY_SECONDS,
    ANCHOR_SIGHTINGS,
    ANCHOR_TOMBSTONES,
)
from twisted_ext.dnssec.times import timeToText
from twisted_ext.dnssec.trustanchors import Anchor, ZoneAnchors, keyTagOf
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import DS

__all__ = ["KeyState", "ManagedKey", "Round", "TrustPoint", "keyIdentity", "revokedForm", "unrevokedForm"]

#: Seconds from the last sight of a revoked key to its removal, the remove hold-down time (RFC 5011, section 2.4.2).
_ANCHOR_REMOVE_SECONDS: Final = 30 * 86400

#: Seconds after which a trusted key that is not published any more is removed, if another one is trusted and published. RFC 5011,
#: section 4.1, has no such time; that of Unbound (C{keep-missing}) is a little more than a year.
_ANCHOR_MISSING_SECONDS: Final = 366 * 86400

#: Flags in the first and the second octet of a key's rdata.
_ZONE: Final = ZONE >> 8
_REVOKE: Final = REVOKED
_SEP: Final = SECURE_ENTRY_POINT

#: Octets of a key's rdata before the key.
_HEAD: Final = 4


class KeyState(Enum):
    """
    The state of a key; the numbers are those of Unbound's files.
    """

    START = 0
    ADD_PENDING = 1
    VALID = 2
    MISSING = 3
    REVOKED = 4
    REMOVED = 5


_TRUSTED: Final = (KeyState.VALID, KeyState.MISSING)


def unrevokedForm(rdata: bytes) -> bytes:
    """
    Return a key's rdata without the REVOKE flag, which identifies the key before and after its revocation.
    """
    return rdata[:1] + bytes([rdata[1] & ~_REVOKE]) + rdata[2:]


def revokedForm(rdata: bytes) -> bytes:
    """
    Return a key's rdata with the REVOKE flag, which changes its key tag.
    """
    return rdata[:1] + bytes([rdata[1] | _REVOKE]) + rdata[2:]


def keyIdentity(rdata: bytes) -> str:
    """
    Return what identifies a key in the state file: a part of its SHA-256 digest, in hex.

    @param rdata: without the REVOKE flag.
    """
    return sha256(rdata).hexdigest()[:16]


class ManagedKey:
    """
    A key of a trust point.

    @ivar rdata: its rdata without the REVOKE flag.
    @ivar since: when it entered its state, or when it was seen last if it is revoked; 0 if it is configured and was never seen.
    @ivar sightings: the number of looks at which it was seen while its addition was pending.
    @ivar holdDown: seconds until it is trusted while its addition is pending.
    @ivar ttl: the TTL with which it was seen first.
    @ivar vouchers: L{keyIdentity} of the trusted keys that signed the set in which it was seen first, while its addition is pending. If
        all of them are revoked, it begins again (RFC 5011, section 2.2). Empty if they are not known.
    """

    __slots__ = ("rdata", "state", "since", "sightings", "holdDown", "ttl", "vouchers")

    def __init__(
        self,
        rdata: bytes,
        state: KeyState,
        since: int,
        sightings: int = 0,
        holdDown: int = 0,
        ttl: int = 0,
        vouchers: frozenset[str] = frozenset(),
    ) -> None:
        self.rdata = rdata
        self.state = state
        self.since = since
        self.sightings = sightings
        self.holdDown = holdDown
        self.ttl = ttl
        self.vouchers = vouchers

    def trust(self, now: int) -> None:
        self.state, self.since, self.sightings, self.holdDown, self.vouchers = KeyState.VALID, now, 0, 0, frozenset()

    @property
    def published(self) -> bytes:
        """
        The rdata as it is published: with the REVOKE flag if the key is revoked.
        """
        return revokedForm(self.rdata) if self.state in (KeyState.REVOKED, KeyState.REMOVED) else self.rdata

    @property
    def tag(self) -> int:
        """
        The key tag before any revocation.
        """
        return keyTag(self.rdata)

    @property
    def signsKeys(self) -> bool:
        """
        Whether the key has the SEP flag: only then its rollovers are followed.
        """
        return bool(self.rdata[1] & _SEP)


@dataclass(frozen=True, slots=True)
class Round:
    """
    What one look at the keys of a zone resulted in.

    @ivar validated: whether a trusted key signed the set.
    @ivar changed: whether other keys are trusted than before.
    @ivar deleted: whether all trusted keys are revoked now, so that the zone is no longer a trust point (RFC 5011, section 5).
    @ivar events: lines for the log.
    @ivar nextQuery: when to query next, in seconds since 1970; 0 if the trust point is deleted.
    """

    validated: bool
    changed: bool
    deleted: bool
    events: tuple[str, ...]
    nextQuery: int


class TrustPoint:
    """
    A zone whose trusted keys are followed.

    @ivar zone: the folded name of the zone.
    @ivar digests: rdata of configured DS records whose keys have not been seen yet.
    @ivar keys: the keys, by rdata without the REVOKE flag.
    @ivar deleted: whether all trusted keys were revoked.
    @ivar lastQueried: when the zone's keys were queried last; 0 if never.
    @ivar lastSuccess: when a set was validated last; 0 if never.
    @ivar nextQuery: when to query next; 0 means at once.
    @ivar failures: consecutive queries without a validated set.
    """

    __slots__ = (
        "zone", "digests", "keys", "deleted", "lastQueried", "lastSuccess", "nextQuery", "failures", "queryInterval", "retryTime",
    )

    def __init__(self, zone: bytes, anchors: Iterable[Anchor] = ()) -> None:
        """
        @param anchors: those configured; anchors of other zones and revoked keys are ignored.
        """
        self.zone = zone
        self.digests: tuple[bytes, ...] = ()
        self.keys: dict[bytes, ManagedKey] = {}
        self.deleted = False
        self.lastQueried = self.lastSuccess = self.nextQuery = self.failures = 0
        self.queryInterval = int(ANCHOR_QUERY_SECONDS.default)
        self.retryTime = int(ANCHOR_RETRY_SECONDS.default)
        self.configure(anchors)

    def configure(self, anchors: Iterable[Anchor]) -> tuple[str, ...]:
        """
        Trust configured anchors in addition to those of the stored state: a key that is known keeps its state, even if that is revoked or
        removed, while one whose addition is pending is trusted at once.

        @return: lines for the log about anchors that are not trusted.
        """
        events: list[str] = []
        if self.deleted:
            return (f"trust anchor {self._shown()}: all keys were revoked; remove the state file to trust configured ones again",)
        for anchor in anchors:
            if anchor.zone != self.zone or (anchor.rrType != DS and anchor.rdata[1] & _REVOKE):
                continue
            if anchor.rrType == DS:
                key = next((key for key in self.keys.values() if matches(anchor.rdata, self.zone, ZoneKey.fromRdata(key.rdata))), None)
                if key is None and anchor.rdata not in self.digests:
                    self.digests += (anchor.rdata,)
            else:
                key = self.keys.get(anchor.rdata)
                if key is None:
                    self.keys[anchor.rdata] = ManagedKey(anchor.rdata, KeyState.VALID, 0)
            if key is not None and key.state is KeyState.ADD_PENDING:
                key.trust(0)
            elif key is not None and key.state not in _TRUSTED:
                events.append(self._event(key, "is configured, but was revoked: it is not trusted; remove it from the configuration"))
        return tuple(events)

    def anchors(self) -> ZoneAnchors:
        """
        Return the trusted records.
        """
        return ZoneAnchors(self.zone, self.digests, tuple([key.rdata for key in self.keys.values() if key.state in _TRUSTED]))

    def whenToQuery(self, now: int) -> int | None:
        """
        Return when to query the zone's keys next, or L{None} if the trust point is deleted. A clock that was set back delays this by one
        interval at most.
        """
        if self.deleted:
            return None
        return max(now, min(self.nextQuery, now + self.queryInterval))

    def candidates(self, rdatas: Iterable[bytes]) -> list[bytes]:
        """
        Return the keys of a set whose signatures over it matter: the trusted ones, and those trusted until now that are revoked. No other
        signature needs to be checked.
        """
        found: list[bytes] = []
        for rdata in rdatas:
            if len(rdata) > _HEAD:
                plain = unrevokedForm(rdata)
                key = self.keys.get(plain)
                if (key is not None and key.state in _TRUSTED) or self._digestsOf(plain):
                    found.append(rdata)
        return found

    def failed(self, now: int, reason: str) -> Round:
        """
        Record that the zone's keys could not be queried.
        """
        self.lastQueried = now
        return self._notValidated(now, False, [f"trust anchor {self._shown()}: {reason}"])

    def observe(
        self,
        rdatas: Collection[bytes],
        signers: Collection[bytes],
        now: int,
        ttl: int,
        expiration: int,
        supports: Callable[[bytes], bool] | None = None,
        why: str = "",
    ) -> Round:
        """
        Record a look at the zone's keys. L{observeSet<twisted_ext.dnssec.anchors.managed.observeSet>} does this for a reply.

        @param rdatas: the rdata of the DNSKEY records.
        @param signers: the rdata of those keys with a valid signature over this set, each as in the set: at least those of L{candidates}
            that have one.
        @param ttl: the original TTL of the set in seconds.
        @param expiration: when the first of the valid signatures expires.
        @param supports: returns whether a key can be used; others are not followed. By default that is decided by
            L{STANDARD<twisted_ext.dnssec.algorithms.STANDARD>}.
        @param why: why no signature is valid, for the log.
        """
        events: list[str] = []
        if self.deleted:
            return Round(False, False, True, (), 0)
        before = self._trusted()
        self.lastQueried = now
        self._checkClock(now, events)
        signed = [rdata for rdata in signers if len(rdata) > _HEAD]
        self._revoke([rdata for rdata in rdatas if rdata in signed], now, events)
        trusted = self._trusted()
        if before and not trusted:
            # Without a trusted key no other can ever become one.
            self.deleted = True
            self.lastSuccess, self.nextQuery, self.failures = now, 0, 0
            said = "all trusted keys are revoked; the zone has no trust anchor any more (RFC 5011, section 5)"
            events.append(f"trust anchor {self._shown()}: {said}")
            return Round(True, True, True, tuple(events), 0)
        changed = trusted != before
        vouchers = frozenset([keyIdentity(rdata) for rdata in signed if self._isTrusted(rdata)])
        if not vouchers:
            tags = sorted({keyTag(rdata) for rdata in trusted if rdata in self.keys} | {keyTagOf(DS, digest) for digest in self.digests})
            listed = ", ".join([str(tag) for tag in tags])
            said = f"no trusted key ({listed}) has a valid signature over the zone's keys{why and '; '}{why}"
            events.append(f"trust anchor {self._shown()}: {said}")
            return self._notValidated(now, changed, events)
        self.lastSuccess, self.failures = now, 0
        self._setIntervals(ttl, expiration - now)
        self.nextQuery = now + self.queryInterval
        self._dropUnvouched(events)
        seen = self._meet(rdatas, now, ttl, supports, events)
        for key in list(self.keys.values()):
            if key.signsKeys:
                self._step(key, key.rdata in seen, now, vouchers, events)
        self._removeUnused(now, events)
        return Round(True, self._trusted() != before, False, tuple(events), self.nextQuery)

    # -- parts of a round

    def _revoke(self, selfSigned: list[bytes], now: int, events: list[str]) -> None:
        """
        Revoke the keys whose own signature says so. This takes nothing else on trust (RFC 5011, section 2.1).
        """
        for rdata in selfSigned:
            if not (rdata[1] & _REVOKE and rdata[1] & _SEP):
                continue
            plain = unrevokedForm(rdata)
            key = self.keys.get(plain)
            digests = self._digestsOf(plain)
            if digests:
                self.digests = tuple([digest for digest in self.digests if digest not in digests])
            if key is None and digests:
                key = self.keys[plain] = ManagedKey(plain, KeyState.VALID, now)
            if key is not None and key.state in _TRUSTED:
                key.state, key.since = KeyState.REVOKED, now
                events.append(self._event(key, f"is revoked (now key tag {keyTag(rdata)}) and no longer trusted"))

    def _dropUnvouched(self, events: list[str]) -> None:
        """
        Remove keys whose addition is pending if all keys that signed for them at first are revoked: those may have been stolen.
        """
        revoked = {keyIdentity(key.rdata) for key in self.keys.values() if key.state in (KeyState.REVOKED, KeyState.REMOVED)}
        for key in list(self.keys.values()):
            if key.state is KeyState.ADD_PENDING and key.vouchers and key.vouchers <= revoked:
                del self.keys[key.rdata]
                events.append(self._event(key, "was introduced by keys that are revoked now; it begins again if it is published"))

    def _meet(
        self, rdatas: Collection[bytes], now: int, ttl: int, supports: Callable[[bytes], bool] | None, events: list[str]
    ) -> set[bytes]:
        """
        Add the new keys of a validated set.

        @return: the keys in it, without the REVOKE flag.
        """
        seen: set[bytes] = set()
        for rdata in rdatas:
            if len(rdata) <= _HEAD or not rdata[0] & _ZONE or not rdata[1] & _SEP:
                continue
            plain = unrevokedForm(rdata)
            key = self.keys.get(plain)
            if rdata != plain:
                # A revoked key that was never trusted is of no interest, and one whose addition is pending is not seen any more.
                if key is not None and key.state is KeyState.REVOKED:
                    seen.add(plain)
                continue
            if not (supports(rdata) if supports is not None else self._isUsable(rdata)):
                continue
            if key is None:
                if len([key for key in self.keys.values() if key.state is not KeyState.REMOVED]) >= ANCHOR_KEYS.default:
                    said = f"a new key is not followed, since {int(ANCHOR_KEYS.default)} others are"
                    events.append(f"trust anchor {self._shown()} {keyTag(rdata)}: {said}")
                    continue
                key = self.keys[plain] = ManagedKey(plain, KeyState.START, now, ttl=ttl)
            seen.add(plain)
            digests = self._digestsOf(plain)
            if digests:
                self.digests = tuple([digest for digest in self.digests if digest not in digests])
                if key.state in (KeyState.START, KeyState.ADD_PENDING):
                    key.trust(now)
                    events.append(self._event(key, "has the configured digest: it is trusted"))
        return seen

    def _step(self, key: ManagedKey, seen: bool, now: int, vouchers: frozenset[str], events: list[str]) -> None:
        """
        Apply the table of states (RFC 5011, section 4.1).
        """
        state, elapsed = key.state, now - key.since
        if state is KeyState.START:
            key.holdDown = max(int(ANCHOR_ADD_SECONDS.default), key.ttl)
            key.state, key.since, key.sightings, key.vouchers = KeyState.ADD_PENDING, now, 1, vouchers
            said = f"is new: it will be trusted if it is still published on {timeToText(now + key.holdDown)}"
        elif state is KeyState.ADD_PENDING and not seen:
            del self.keys[key.rdata]
            said = "was withdrawn before it was trusted"
        elif state is KeyState.ADD_PENDING:
            key.sightings = min(key.sightings + 1, int(ANCHOR_SIGHTINGS.most))
            if elapsed < key.holdDown or key.sightings < ANCHOR_SIGHTINGS.default:
                return
            key.trust(now)
            said = "has been published for the hold-down time: it is trusted"
        elif state is KeyState.VALID and not seen:
            key.state, key.since = KeyState.MISSING, now
            said = "is not published any more; it is trusted still, since it was not revoked"
        elif state is KeyState.VALID:
            key.since = key.since or now
            return
        elif state is KeyState.MISSING and seen:
            key.state, key.since = KeyState.VALID, now
            said = "is published again"
        elif state is KeyState.REVOKED and seen:
            key.since = now
            return
        elif state is KeyState.REVOKED and elapsed >= _ANCHOR_REMOVE_SECONDS:
            key.state, key.since = KeyState.REMOVED, now
            said = "was revoked and is removed"
        else:
            return
        events.append(self._event(key, said))

    def _removeUnused(self, now: int, events: list[str]) -> None:
        """
        Remove keys that others have replaced: configured ones that sign no keys, ones missing for long, and the oldest of those revoked.
        """
        keys = list(self.keys.values())
        valid = any(key.signsKeys and key.state is KeyState.VALID for key in keys)
        others = [key for key in keys if not key.signsKeys]
        if not valid and others:
            # Only keys without the SEP flag are configured, whose rollovers are not announced: they vouch for those with it at once.
            for key in keys:
                if key.state is KeyState.ADD_PENDING:
                    key.trust(now)
                    events.append(self._event(key, "is signed by the configured key, which does not sign keys: it is trusted"))
                    valid = True
        if valid:
            for key in others:
                del self.keys[key.rdata]
                events.append(self._event(key, "does not sign keys; those that do are trusted in its place"))
            for key in keys:
                if key.state is KeyState.MISSING and now - key.since >= _ANCHOR_MISSING_SECONDS:
                    del self.keys[key.rdata]
                    events.append(self._event(key, "has been missing for long and is removed"))
        removed = sorted([key for key in self.keys.values() if key.state is KeyState.REMOVED], key=lambda key: key.since)
        for key in removed[: max(0, len(removed) - int(ANCHOR_TOMBSTONES.default))]:
            del self.keys[key.rdata]

    def _checkClock(self, now: int, events: list[str]) -> None:
        """
        Begin hold-down times again if the clock was set back: what was measured with another clock says nothing.
        """
        latest = max([key.since for key in self.keys.values()], default=0)
        if latest <= now:
            return
        for key in self.keys.values():
            key.since = min(key.since, now)
        events.append(
            f"trust anchor {self._shown()}: the clock was set back from {timeToText(latest)} or later to {timeToText(now)}; hold-down times"
            " begin again"
        )

    def _setIntervals(self, ttl: int, expires: int) -> None:
        """
        Compute when to query again after a success and after a failure (RFC 5011, section 2.3).
        """
        query, retry = ANCHOR_QUERY_SECONDS, ANCHOR_RETRY_SECONDS
        self.queryInterval = int(query.pick(min(ttl, expires) // 2))
        self.retryTime = int(retry.pick(min(ttl, expires) // 10))

    def _notValidated(self, now: int, changed: bool, events: list[str]) -> Round:
        self.failures += 1
        self.nextQuery = now + self.retryTime
        return Round(False, changed, False, tuple(events), self.nextQuery)

    # -- small questions

    def _isUsable(self, rdata: bytes) -> bool:
        return ZoneKey.fromRdata(rdata).objection(STANDARD, self.zone) is None

    def _digestsOf(self, plain: bytes) -> list[bytes]:
        """
        Return the configured digests of a key.
        """
        if not self.digests:
            return []
        key = ZoneKey.fromRdata(plain)
        return [digest for digest in self.digests if matches(digest, self.zone, key)]

    def _isTrusted(self, rdata: bytes) -> bool:
        key = self.keys.get(rdata)
        if key is not None:
            return key.state in _TRUSTED
        return not rdata[1] & _REVOKE and bool(self._digestsOf(rdata))

    def _trusted(self) -> set[bytes]:
        return {*self.digests, *[key.rdata for key in self.keys.values() if key.state in _TRUSTED]}

    def _shown(self) -> str:
        return nameToText(self.zone)

    def _event(self, key: ManagedKey, said: str) -> str:
        return f"trust anchor {self._shown()} {key.tag}: the key {said}"
