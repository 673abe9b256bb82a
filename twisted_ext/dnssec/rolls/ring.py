"""
The keys of a zone that live by a policy: which records are in the zone, and which key signs what.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from math import ceil
from typing import Final, NamedTuple

from twisted_ext.dnssec.keys import SECURE_ENTRY_POINT, keyTag
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile, nameOf
from twisted_ext.dnssec.privatekeys.keyfolder import loadKeys, lockedFolder
from twisted_ext.dnssec.privatekeys.keyring import makeKey
from twisted_ext.dnssec.privatekeys.keys import PrivateKey, badKey
from twisted_ext.dnssec.privatekeys.roles import Signers, Turn
from twisted_ext.dnssec.rolls.bindstates import keysOfBIND
from twisted_ext.dnssec.rolls.lives import livesIn, livesOf, readLives, writeLives
from twisted_ext.dnssec.rolls.parent import Delegation, isDelegated
from twisted_ext.dnssec.rolls.policy import RollPolicy
from twisted_ext.dnssec.rolls.rolls import Lately, Rolls
from twisted_ext.dnssec.rolls.states import CSK, KSK, ZSK, Record, RollingKey, Standing, State

__all__ = ["LivingRing", "Served"]

#: The flags of keys by their roles.
_FLAGS: Final = {KSK: 257, CSK: 257, ZSK: 256}

#: Seconds after which a zone whose keys wait for being served is looked at again, besides what they wait for then.
_SOON: Final = 60


class Served(NamedTuple):
    """
    What is served.

    @ivar dnskeys: rdata of the DNSKEY records.
    @ivar entries: the tags of the keys that sign these.
    @ivar signers: the tags of those that sign the rest.
    @ivar since: since when all of that is served, in seconds since 1970; L{None} if it is not known.
    """

    dnskeys: Collection[bytes]
    entries: Collection[int]
    signers: Collection[int]
    since: float | None


class LivingRing:
    """
    The keys of a zone at a time. It has what a L{Keyring<twisted_ext.dnssec.privatekeys.keyring.Keyring>} has.

    @ivar active: those that sign.
    @ivar published: the DNSKEY records of those that are only published.
    @ivar sources: the paths of all private files, and that of what is known of their lives.
    @ivar due: when something happens to one of them, in seconds since 1970; 0 for never.
    @ivar said: what has happened, for the operator.
    @ivar rolls: their lives.
    """

    __slots__ = ("active", "due", "published", "rolls", "said", "sources", "_files", "_folder", "_zone")

    def __init__(self, folder: str, zone: bytes, rolls: Rolls) -> None:
        """
        @param zone: folded.

        @raise BadKey: a key cannot be used, or one that is in use is missing.
        """
        self._folder = folder
        self._zone = zone
        self.rolls = rolls
        self.said: list[str] = []
        self.due = 0
        self._read()

    @classmethod
    def read(cls, folder: str, zone: bytes) -> LivingRing | None:
        """
        Return the keys in a folder as they were left; L{None} if they do not live by a policy.

        @raise BadKey: a key cannot be used.
        """
        rolls = readLives(folder)
        return None if rolls is None else cls(folder, zone, rolls)

    def _read(self) -> None:
        self._files = {nameOf(file): file for file in loadKeys(self._folder, self._zone)}
        missing = [key.name for key in self.rolls.keys if key.name not in self._files]
        if missing:
            raise badKey(self._folder, f"the files of {missing[0]} are gone, a key that is in use; put them back")
        having = self._having()
        names = {name for swap in self.rolls.swaps for name in swap.names}
        self.active = [
            self._key(key) for key in self.rolls.keys if key.name in names or key.publishes(Record.KRRSIG) or key.publishes(Record.ZRRSIG)
        ]
        self.published = [key.dnskey for key in having[Record.DNSKEY] if key not in self.active]
        self.sources = [*[file.key.source for file in self._files.values()], livesIn(self._folder)]

    def _key(self, key: RollingKey) -> PrivateKey:
        return self._files[key.name].key

    def signers(self) -> Signers[PrivateKey]:
        """
        Return the keys that sign, with what each does.
        """
        having = self._having()
        withheld = [key for key in self.active if key not in having[Record.DS]]
        hidden = [key for key in self.active if key not in having[Record.DNSKEY]]
        ofRest = [Turn(swap.at, [self._files[name].key for name in swap.names]) for swap in self.rolls.swaps]
        return Signers(self.active, withheld, having[Record.KRRSIG], ofRest or [Turn(0.0, having[Record.ZRRSIG])], hidden)

    def _having(self) -> dict[Record, list[PrivateKey]]:
        return {record: [self._key(key) for key in self.rolls.keys if key.publishes(record)] for record in Record}

    def note(self, made: Collection[KeyFile] = ()) -> None:
        """
        It is written already.
        """

    # -- what happens

    @classmethod
    def live(
        cls, folder: str, zone: bytes, policy: RollPolicy, now: float, served: Served | None, wasSigned: bool, clockSet: bool = False
    ) -> LivingRing:
        """
        Do with the keys in a folder what may be done now, and write that before anything is signed.

        @param now: seconds since 1970.
        @param served: what is served; L{None} if nothing is, or it is not known.
        @param wasSigned: whether the zone was signed before.
        @param clockSet: whether the clock was set since this was done last.

        @raise BadKey: a key cannot be used.
        @raise StorageFault: keys cannot be written.
        @raise OSError: the folder cannot be made, or what is known not be written.
        """
        with lockedFolder(folder):
            ring = cls(folder, zone, rolls := readLives(folder) or Rolls(policy))
            ring._confirm(now, served, wasSigned, clockSet)
            rolls.policy = policy
            ring._live(now)
            writeLives(rolls, folder)
        ring._read()
        return ring

    @classmethod
    def change(cls, folder: str, zone: bytes, change: Callable[[Rolls], object]) -> None:
        """
        Change what is known of the keys in a folder, as an operator says.

        @raise BadKey: nothing is known of them.
        @raise OSError: it cannot be written.
        """
        with lockedFolder(folder):
            rolls = readLives(folder)
            if rolls is None:
                raise badKey(folder, "its keys do not live by a policy; that begins with roll = true in the signing-policy of the zone")
            change(rolls)
            writeLives(rolls, folder)

    @classmethod
    def served(cls, folder: str, now: float) -> int | None:
        """
        Take in that the zone is served as was decided.

        @return: when something happens next, see L{due}; L{None} if it was known already.

        @raise BadKey: what is known cannot be read.
        @raise OSError: it cannot be written.
        """
        with lockedFolder(folder):
            rolls = readLives(folder)
            if rolls is None or not rolls.isAwaited:
                return None
            rolls.served(now)
            writeLives(rolls, folder)
        return _due(rolls, now)

    @classmethod
    def observed(
        cls, folder: str, zone: bytes, dnskeys: Iterable[bytes], delegations: Sequence[Delegation], isWhole: bool, now: float
    ) -> int | None:
        """
        Take in what servers of the parent say.

        @param dnskeys: rdata of the DNSKEY records that are served.
        @param isWhole: whether all of them have said something. Of what some say, only what is otherwise than it is to be counts.

        @return: when something happens next, see L{due}; L{None} if nothing else is known than before.

        @raise BadKey: what is known cannot be read.
        @raise OSError: it cannot be written.
        """
        with lockedFolder(folder):
            rolls = readLives(folder)
            if rolls is None:
                return None
            before = livesOf(rolls)
            ttl = max([each.ttl for each in delegations], default=0)
            known = {(keyTag(each), each[3]): each for each in dnskeys}
            for key in rolls.keys:
                dnskey = known.get((key.tag, key.algorithm)) if Record.DS in key.records else None
                if dnskey is not None:
                    isThere = isDelegated(zone, dnskey, delegations)
                    if isWhole or (delegations and isThere is not key.publishes(Record.DS)):
                        rolls.seen(key, isThere, now, ttl)
            if livesOf(rolls) == before:
                return None
            writeLives(rolls, folder)
        return _due(rolls, now)

    def _confirm(self, now: float, served: Served | None, wasSigned: bool, clockSet: bool) -> None:
        """
        Take in what is served, by the policy by which that was made.
        """
        rolls = self.rolls
        if not rolls.keys:
            self._welcome(now, served, wasSigned)
        if clockSet or any((each.since or 0.0) > now for key in rolls.keys for each in key.records.values()):
            self.said.append("the clock was set: the waits for caches of resolvers begin again")
            rolls.again(now)
        if served is not None:
            self._expectKnown(served)
            if served.since is not None and self._isServed(served):
                rolls.served(min(served.since, now))

    def _live(self, now: float) -> None:
        rolls, policy = self.rolls, self.rolls.policy
        while missing := rolls.missing(now):
            for each in missing:
                tags = [file.key.tag for file in self._files.values()]
                file = makeKey(self._folder, self._zone, each.algorithm, _FLAGS[each.role], now, tags)
                self._files[nameOf(file)] = file
                rolls.add(RollingKey(nameOf(file), each.role, each.algorithm, now))
                after = f", which takes the place of {each.predecessor.name}" if each.predecessor is not None else ""
                self.said.append(f"made the key {nameOf(file)} in {self._folder}{after}")
        before = [key.name for key in rolls.keys]
        for move in rolls.step(now):
            self.said.append(f"the key {move.key.name}: {move.record.value} is {move.state.value}")
            if policy.insecure and move.record is Record.DS and rolls.isInsecure:
                self.said.append("no resolver has a DS record of its keys any more: leave sign out to serve the zone without signatures")
        for name in before:
            if all(key.name != name for key in rolls.keys):
                self.said.append(f"the key {name} is in use no more; its files in {self._folder} may be removed")
        self.due = _due(rolls, now)

    def _welcome(self, now: float, served: Served | None, wasSigned: bool) -> None:
        """
        Take in the keys of a zone that has not lived by a policy yet. It is not known whether the parent has their DS records, so these are
        wanted until that is; but for those that come from BIND, in a zone that was not signed here.
        """
        if served is None and not wasSigned and self._welcomeStates(now):
            return
        for name, file in sorted(self._files.items(), key=lambda item: item[1].times.get("Created", 0)):
            tag, times = file.key.tag, file.times
            since = min(times.get("Activate", times.get("Created", now)), now)
            key = RollingKey(name, self._roleOf(file), file.key.algorithm, since)
            if served is None:
                there = {*Record} if wasSigned else set()
            else:
                isEntry = tag in served.entries
                seen = {Record.DNSKEY: file.key.dnskey in served.dnskeys, Record.KRRSIG: isEntry, Record.ZRRSIG: tag in served.signers}
                there = {record for record in Record if seen.get(record, isEntry and times.get("SyncPublish", 0) <= now)}
            for record in key.records.keys() & there:
                isSeen = record is not Record.DS
                key.records[record] = Standing(State.OMNIPRESENT, since) if isSeen else Standing(State.RUMOURED, None, decided=now)
            self.rolls.add(key)

    def _welcomeStates(self, now: float) -> bool:
        """
        Take in keys that BIND has replaced until now; return whether they are.
        """
        rolls = self.rolls
        keys = keysOfBIND(self._files.values(), now)
        # What resolvers have is as it was there.
        ttl = max([self._files[key.name].ttl or 0 for key in keys], default=0)
        for key in keys:
            rolls.add(key)
        for record in (Record.DNSKEY, Record.KRRSIG):
            rolls.lately[record] = Lately(ttl, ttl)
        if keys:
            self.said.append(f"the keys in {self._folder} go on from where BIND has left them")
        return bool(keys)

    def _roleOf(self, file: KeyFile) -> str:
        if not file.key.flags & SECURE_ENTRY_POINT:
            return ZSK
        among = [other.key for other in self._files.values() if other.key.algorithm == file.key.algorithm]
        return KSK if any(not other.flags & SECURE_ENTRY_POINT for other in among) else CSK

    def _expectKnown(self, served: Served) -> None:
        """
        @raise BadKey: what is known of the keys is older than what is served, as in a folder from a backup.
        """
        known = {self._key(key).tag for key in self.rolls.keys}
        # Others that only have a DNSKEY record are those of another provider, in the zone's file.
        strange = {*served.entries, *served.signers} - known
        wrong = f"it does not know the key {min(strange)}, which signs" if strange else ""
        for key in self.rolls.keys:
            ours = self._key(key)
            there = {
                Record.DNSKEY: ours.dnskey in served.dnskeys,
                Record.KRRSIG: ours.tag in served.entries,
                Record.ZRRSIG: ours.tag in served.signers,
            }
            for record, standing in key.records.items():
                if record in there and standing.state.isSettled and standing.state.isPublished is not there[record]:
                    wrong = wrong or f"it has {record.value} of {key.name} as {standing.state.value}, but that is otherwise"
        if wrong:
            advice = "put the present folder back; if you have none, remove this file: then the keys are taken as the zone has them"
            raise badKey(livesIn(self._folder), f"this is older than what is served: {wrong} there; {advice}")

    def _isServed(self, served: Served) -> bool:
        """
        Return whether what is served is what was decided last.
        """
        rolls, having = self.rolls, self._having()
        ours = {self._key(key).dnskey for key in rolls.keys}
        signing = {self._files[name].key.tag for swap in rolls.swaps for name in swap.names}
        return (
            {key.dnskey for key in having[Record.DNSKEY]} == ours & {*served.dnskeys}
            and {key.tag for key in having[Record.KRRSIG]} == {*served.entries}
            and (signing >= {*served.signers} if rolls.isSpreading else signing == {*served.signers})
        )


def _due(rolls: Rolls, now: float) -> int:
    """
    Return when something happens next, in seconds since 1970; 0 for never.
    """
    moments = [] if (next := rolls.next(now)) is None else [next]
    # That will be served in some seconds.
    moments += [now + rolls.policy.cached(record) + rolls.policy.delay(record) + _SOON for record, _ in rolls.awaited()]
    return ceil(max(min(moments), now + 1)) if moments else 0
