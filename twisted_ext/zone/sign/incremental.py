"""
Signs what a change of a signed zone touches: the names that it changes, those that come under a cut or out from under one, and their
neighbours in the chain. The result is, octet for octet, what signing the changed zone from nothing makes at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence

from twisted_ext.dnssec.privatekeys.signingkey import SigningKey
from twisted_ext.wire.codes import IN
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DS, NS, NSEC, NSEC3PARAM, RRSIG
from twisted_ext.zone.sign.completer import STEP, Changes, Completer, Completing, Whole, bitmapOf
from twisted_ext.zone.sign.hashedchain import HashedCompleter
from twisted_ext.zone.sign.sets import isMade
from twisted_ext.zone.sign.signing import Signing
from twisted_ext.zone.store.chain import NSECChain
from twisted_ext.zone.store.nodes import Node, sortKey
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.version import Version

__all__ = ["ChangeSigner", "complete", "completing"]


def complete(version: Version, changes: Changes, signing: Signing[SigningKey], now: float, renew: Collection[bytes] = ()) -> Completing:
    """
    Find out what a change of a signed zone touches, and what of it is to be signed.

    @param version: the signed zone before the change, which has a chain that L{signZone<twisted_ext.zone.sign.apex.signZone>} or
        this function made.
    @param changes: all records of each changed name after the change. What a signer makes is ignored in it: signatures, denials, and at the
        apex DNSKEY, CDS and CDNSKEY records, which stay as they are, and ZONEMD records, which go: a digest of the zone before the change
        would be wrong. The caller sets the serial number.
    @param now: seconds since 1970.
    @param renew: further names, whose signatures may be due.

    @raise Whole: the whole zone has to be signed: its negative TTL changes, it has another chain, or is to have one; it has a digest
        (ZONEMD) that its policy does not ask for; a key is not published; or more than L{MOST_NAMES} names are touched.
    @raise BadZone: records that cannot be signed where they are.
    """
    return finished(completing(version, changes, signing, now, renew))


def completing(
    version: Version, changes: Changes, signing: Signing[SigningKey], now: float, renew: Collection[bytes] = ()
) -> Generator[None, None, Completing]:
    """
    Do what L{complete} does in short steps.
    """
    kind = LinkedCompleter if signing.policy.denial == "nsec" else HashedCompleter
    return (yield from kind(version, signing, now).completing(changes, renew))


class ChangeSigner:
    """
    Completes the changes of a zone with its signatures.
    """

    def __init__(
        self, signing: Signing[SigningKey], now: float, sign: Callable[[Completing], Generator[object, None, Sequence[bytes]]]
    ) -> None:
        """
        @param now: seconds since 1970.
        @param sign: returns the signatures that are wanted, in steps.
        """
        self._signing = signing
        self._now = now
        self._sign = sign

    def isMade(self, key: bytes, rrType: int) -> bool:
        """
        See L{Completion<twisted_ext.zone.update.transactions.Completion>}.
        """
        return isMade(key, rrType)

    def completing(self, version: Version, changes: Changes) -> Generator[object, None, Changes]:
        """
        See L{Completion<twisted_ext.zone.update.transactions.Completion>}.

        @raise Whole: the whole zone has to be signed.
        @raise BadZone: records that cannot be signed where they are.
        """
        completed = yield from completing(version, changes, self._signing, self._now)
        signatures = yield from self._sign(completed)
        return completed.finish(signatures)


class LinkedCompleter(Completer):
    """
    Completes one change of a zone with NSEC records.
    """

    def __init__(self, version: Version, signing: Signing[SigningKey], now: float) -> None:
        super().__init__(version, signing, now)
        self.chain = NSECChain(version)

    def expectChain(self) -> None:
        """
        See L{Completer.expectChain}.
        """
        top = self.version.top
        if top.of(NSEC) is None or top.of(NSEC3PARAM) is not None:
            raise Whole(f"{self.zone} has no NSEC chain, or is to have another one")

    def isSigned(self, node: Node) -> bool:
        """
        See L{Completer.isSigned}.
        """
        return node.of(NSEC) is not None

    def chaining(self, renew: Collection[bytes]) -> Generator[None, None, None]:
        """
        See L{Completer.chaining}.
        """
        touched = self.touched
        linked: dict[bytes, bool] = {}
        moved: list[bytes] = []
        for count, (key, sets) in enumerate(touched.items(), 1):
            node = self.before(key)
            wasLinked = node is not None and node.of(NSEC) is not None
            linked[key] = isLinked = bool(sets) and not self.isOccluded(key)
            if isLinked != wasLinked:
                moved.append(key)
                if isLinked:
                    self.chain.add(key)
                else:
                    self.chain.remove(key)
            if count % STEP == 0:
                yield
        # Only now the chain is complete: the name before one that comes or goes may have come itself.
        for count, key in enumerate(moved, 1):
            neighbour = self.chain.before(sortKey(key))
            if neighbour is not None and neighbour not in touched:
                self.touchAgain(neighbour)
                linked[neighbour] = True
            if count % STEP == 0:
                yield
        for count, (key, sets) in enumerate(touched.items(), 1):
            if linked[key]:
                self.result.put(key, *self.sign(key, sets, self._link(key, sets)))
            else:
                self.result.put(key, [*sets], [])
            if count % STEP == 0:
                yield

    def _link(self, key: bytes, sets: tuple[RRSet, ...]) -> RRSet:
        """
        Return the NSEC record of a name.
        """
        isCut = self.isCut(key, sets)
        name = sets[0].name[: len(key)] + self.version.apexName
        types = tuple(sorted({*[rrset.rrType for rrset in sets if not isCut or rrset.rrType in (NS, DS)], NSEC, RRSIG}))
        rdatas = (self.chain.after(sortKey(key)) + self.apex + bitmapOf(types),)
        node = self.before(key)
        before = None if node is None else node.of(NSEC)
        if before is not None and before.rdatas == rdatas and before.ttl == self.negative and before.name == name:
            return before
        return RRSet(name, NSEC, IN, self.negative, rdatas)
