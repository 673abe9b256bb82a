"""
The table of cached replies of one group of clients, by the octets of their queries.

A query that was answered before costs one dictionary look-up; the key is the query without the two octets of its id. The entry is right for
one second; after that its TTLs are updated in place.

Entries are in two generations. New ones go to the young one; when that has used its share of the memory, it becomes the old one and the
previous old one is dropped. An entry that is requested again moves back to the young generation. Only replies from zones are admitted the
first time they are seen, so names requested once displace nothing, and an entry that is requested at least once per generation stays
however many others there are.

A reply is kept either by the octets of its query or by its shape (see L{twisted_ext.packetcache.shape}), in separate dictionaries: a client
chooses every octet of a datagram, so a datagram must never be looked up among the shapes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from mypy_extensions import mypyc_attr

from twisted_ext.answers import BLOCKED, BlockedReply, Epoch
from twisted_ext.limits import LANE_BYTES, LANE_SIGHTS, MESSAGE_SIZE
from twisted_ext.packetcache.shape import hasShape, shapeOf

__all__ = ["KINDS", "CookieOptions", "Entry", "Reply", "Table", "isPlain", "kindOf", "truncated", "turnsIn"]

#: The kinds of replies, in the order of L{kindOf}. Each kind has a limit of its own, so that a flood of denials for one network does not
#: use up the limit for its answers.
KINDS: Final = ("positive", "nxdomain", "nodata", "referral", "error")

_ttl: Final = Struct(">I").pack_into

#: Octets that an entry takes besides its key and its reply: the object, its numbers, its slot in a dictionary.
_ENTRY: Final = 400
_TTL: Final = 96

#: Octets of a record with an address whose owner is a pointer, by its type; and how many of them are before its TTL.
_ADDRESSES: Final = {b"\0\1": 16, b"\0\x1c": 28}
_BEFORE: Final = 6
_POINTER: Final = 0xC0

#: Octets of an OPT record without options.
_OPT: Final = 11
_OPT_BEGIN: Final = b"\x00\x00\x29"

#: AA and TC in the header's third octet; RA and CD in its fourth.
_AA: Final = 4
_TC: Final = 2
_KEPT: Final = 0x90

#: The largest reply by a stream, in octets.
_STREAM: Final = int(MESSAGE_SIZE.default)


def kindOf(reply: bytes) -> int:
    """
    Classify a reply.

    @param reply: the reply without its id.

    @return: the index into L{KINDS}. A reply without answer records that is not authoritative counts as a referral.
    """
    rcode = reply[1] & 15
    if rcode:
        return 1 if rcode == 3 else 4
    if reply[5] or reply[4]:
        return 0
    return 2 if reply[0] & 4 else 3


def isPlain(reply: bytes) -> bool:
    """
    Return whether a reply can be truncated here. Options of EDNS have to be composed each time, since a cookie is for one client.
    """
    return not reply[9] or (reply[-_OPT:-8] == _OPT_BEGIN and reply[-2:] == b"\x00\x00")


def truncated(reply: bytes) -> bytes:
    """
    Return a L{plain<isPlain>} reply without its ID, with TC and without records.
    """
    end = 10
    while reply[end]:
        end += 1 + reply[end]
    return _truncated(reply, end + 5)


def _truncated(octets: bytes, question: int) -> bytes:
    """
    @param question: where the question ends.
    """
    opt = octets[-_OPT:] if octets[9] else b""
    # As the full path truncates: what has no records denies nothing, and has no authority.
    start = bytes([octets[0] & ~_AA | _TC, octets[1] & _KEPT])
    return b"%b%b\x00\x00\x00\x00\x00%c%b%b" % (start, octets[2:4], 1 if opt else 0, octets[10:question], opt)


def turnsIn(reply: bytes, ttls: Sequence[tuple[int, int]], at: int) -> tuple[tuple[int, int, int], ...]:
    """
    Return the sets of addresses in a reply: where the first record begins, the octets of each, and how many they are.

    @param reply: the reply, whose names are compressed.
    @param ttls: the offset of each TTL in it, and the TTL.
    @param at: where the first record begins.
    """
    found: list[tuple[int, int, int]] = []
    place, count = 0, len(ttls)
    while place < count:
        offset = ttls[place][0]
        start, size = offset - _BEFORE, _ADDRESSES.get(reply[offset - 4 : offset - 2], 0)
        last = place
        if place:
            before = ttls[place - 1][0] + 6
            at = before + int.from_bytes(reply[before - 2 : before], "big")
        # The owner is a pointer, and does not just end in one.
        if size and start == at and reply[start] >= _POINTER:
            head = reply[start:offset]
            while last + 1 < count:
                after = ttls[last + 1][0]
                if after != ttls[last][0] + size or reply[after - _BEFORE : after] != head:
                    break
                last += 1
            if last > place:
                found.append((start, size, last - place + 1))
        place = last + 1
    return tuple(found)


class Reply:
    """
    A complete reply and what is needed to send it again.

    @ivar octets: the whole message.
    @ivar ttls: the offset of each TTL in it, and the TTL's original value.
    @ivar learned: when the records were learned, on the listeners' clock. Their TTLs are counted down from then.
    @ivar said: whole seconds since C{learned} already subtracted from the TTLs in C{octets}.
    @ivar ends: when it expires from this table.
    @ivar questionEnd: the offset in it where the question ends.
    @ivar whole: whether nothing was left out for lack of space.
    @ivar plain: whether it ends with an OPT record without options.
    @ivar blocked: whether a block list made it, to count such replies apart.
    @ivar known: whether it is for one of a bounded number of names that clients cannot invent, so that it is admitted the first time.
    """

    __slots__ = ("octets", "ttls", "learned", "said", "ends", "epoch", "questionEnd", "whole", "plain", "known", "blocked")

    def __init__(
        self,
        octets: bytes,
        ttls: Sequence[tuple[int, int]],
        learned: float,
        said: int,
        ends: float,
        epoch: Epoch,
        questionEnd: int,
        *,
        whole: bool = False,
        plain: bool = False,
        known: bool = False,
        blocked: bool = False,
    ) -> None:
        self.octets = octets
        self.ttls = ttls
        self.learned = learned
        self.said = said
        self.ends = ends
        self.epoch = epoch
        self.questionEnd = questionEnd
        self.whole = whole
        self.plain = plain
        self.known = known
        self.blocked = blocked


class Entry:
    """
    A reply in the table.

    @ivar reply: the message without its id, with TTLs that are correct until C{until}. For blocked names a L{BlockedReply}.
    @ivar until: the clock's seconds until which it may be used.
    @ivar rcode: the lower four bits of the rcode; for blocked names with L{BLOCKED} added.
    @ivar kind: the index into L{KINDS}.
    @ivar value: the value of the epoch when the reply was made.
    @ivar plain: whether it ends with an OPT record without options.
    @ivar octets: memory used, including overhead.
    """

    __slots__ = (
        *("reply", "until", "rcode", "kind", "epoch", "value", "plain", "octets", "_ttls", "_learned", "_said", "_ends", "_question"),
        "_turns",
    )

    def __init__(self, reply: Reply, key: bytes, *, isRoundRobin: bool = False) -> None:
        """
        @param isRoundRobin: whether addresses take turns.
        """
        self.reply = octets = BlockedReply(reply.octets[2:]) if reply.blocked else reply.octets[2:]
        self.rcode = octets[1] & 15 | (BLOCKED if reply.blocked else 0)
        self.kind = kindOf(octets)
        self.epoch = reply.epoch
        self.value = reply.epoch.value
        self.plain = reply.plain
        ttls = reply.ttls
        self._learned = reply.learned
        self._said = reply.said
        self._ends = reply.ends
        self._question = reply.questionEnd - 2
        if ttls:
            self._ttls = tuple([(offset - 2, ttl) for offset, ttl in ttls])
            self.until = min(reply.learned + reply.said + 1, reply.ends)
            self.octets = _ENTRY + len(key) + len(octets) + _TTL * len(ttls)
        else:
            self._ttls = ()
            self.until = reply.ends
            self.octets = _ENTRY + len(key) + len(octets)
        self._turns = turnsIn(octets, self._ttls, self._question) if isRoundRobin else ()

    @property
    def isPlain(self) -> bool:
        """
        Whether it can be truncated here: it has no options of EDNS, which have to be composed each time.
        """
        return self.plain or not self.reply[9]

    def truncated(self) -> bytes:
        """
        Return the reply, which L{isPlain}, with TC and without records.
        """
        return _truncated(self.reply, self._question)

    def renew(self, now: float) -> bool:
        """
        Count the TTLs down to now.

        @return: whether the entry is still valid.
        """
        if now >= self._ends or self.epoch.value != self.value:
            return False
        if not self._ttls:
            return True
        age = int(now - self._learned)
        if age < self._said:
            # The clock went back.
            return False
        passed = age - self._said
        octets = bytearray(self.reply)
        for offset, ttl in self._ttls:
            _ttl(octets, offset, ttl - passed if ttl > passed else 0)
        for start, size, count in self._turns:
            end = start + size * count
            octets[start:end] = octets[start + size : end] + octets[start : start + size]
        self.reply = BlockedReply(octets) if self.rcode >= BLOCKED else bytes(octets)
        self.until = min(self._learned + age + 1, self._ends)
        return True


@mypyc_attr(allow_interpreted_subclasses=True)
class CookieOptions:
    """
    The cookies that a server replies with.
    """

    def optionFor(self, client: str, octets: bytes, now: float) -> bytes | None:
        """
        Return what an OPT record ends with that has the cookie option and no other: its length in two octets, then the option.

        @param client: the client's address.
        @param octets: of its cookie.
        @param now: of the listeners' clock.

        @return: empty if the cookie is not known yet, L{None} to reply without a cookie.
        """
        raise NotImplementedError


#: Replies freed at once, and how many are freed with each admitted one when there are more.
_AT_ONCE: Final = 1000
_LET_GO: Final = 4


@mypyc_attr(allow_interpreted_subclasses=True)
class Table:
    """
    The cached replies of one group of clients.

    @ivar find: C{find(datagram[2:])} returns the L{Entry} for a query by its octets. The caller may use it only while C{now < entry.until
        and entry.epoch.value == entry.value}, and calls L{again} otherwise.
    @ivar blocked: how many replies of L{again} were for blocked names.
    @ivar isRoundRobin: whether the addresses of replies that are admitted from now on take turns, a step each second.
    @ivar quick: replies from zones by the octets of their queries, without their ids. They are valid until an L{Epoch} changes; the caller
        calls L{freshen} before a batch if one has.
    """

    __slots__ = (
        "find", "quick", "_seen", "_young", "_old", "_youngShapes", "_oldShapes", "_youngOctets", "_oldOctets", "_most", "_sights",
        "_mask", "_exact", "_stream", "_shaped", "_shown", "_spent", "blocked", "isRoundRobin",
    )  # fmt: skip

    def __init__(
        self, most: float | None = None, *, sights: int | None = None, stream: bool = False, shown: bool = False, exact: bool = False
    ) -> None:
        """
        @param most: memory for all entries, in octets.
        @param sights: how many queries seen once are remembered; 0 to admit replies the first time.
        @param stream: replies may be as large as a message can be.
        @param shown: do not reuse replies to clients with a valid cookie for clients without one.
        @param exact: key all replies by the octets of their queries. A shape does not show whether a query is padded.
        """
        self._most = int(LANE_BYTES.pick(most)) // 2
        slots = int(LANE_SIGHTS.pick(sights)) if sights is None or sights else 0
        self._sights = array("H", bytes(2 * slots))
        self._mask = slots - 1
        self._stream = stream
        self._exact = exact
        self._shown = shown
        # Whether any reply was ever kept by shape: if not, shapes need not be computed.
        self._shaped = False
        self._young: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}
        # Kept by shape, never looked up by octets that a client sent.
        self._youngShapes: dict[bytes, Entry] = {}
        self._oldShapes: dict[bytes, Entry] = {}
        self._youngOctets = self._oldOctets = 0
        # Dropped generations: freeing a hundred thousand replies at once takes a quarter of a second.
        self._spent: list[dict[bytes, Entry]] = []
        self.find: Callable[[bytes], Entry | None] = self._young.get
        self.quick: dict[bytes, bytes] = {}
        self._seen = Epoch.changes
        self.blocked = 0
        self.isRoundRobin = False

    def freshen(self) -> None:
        """
        Forget the replies in C{quick} if an epoch has changed.
        """
        if self._seen != Epoch.changes:
            self._seen = Epoch.changes
            self.quick.clear()

    @property
    def octets(self) -> int:
        return self._youngOctets + self._oldOctets

    def __len__(self) -> int:
        return len(self._young) + len(self._old) + len(self._youngShapes) + len(self._oldShapes)

    def again(
        self, datagram: bytes, key: bytes, now: float, client: str = "", cookies: CookieOptions | None = None, found: Entry | None = None
    ) -> bytes | None:
        """
        Find the reply to a query for which C{find} returned no valid entry.

        @param key: C{datagram[2:]}.
        @param cookies: L{None} where cookies are ignored.
        @param found: what C{find} returned.

        @return: the reply without its id.
        """
        if found is not None or self._old:
            entry = self._fresh(key, now, self._young, self._old, False)
            if entry is not None:
                if entry.rcode >= BLOCKED:
                    self.blocked += 1
                return entry.reply
        if not self._shaped:
            return None
        shape, end, size, octets = shapeOf(datagram, key)
        entry = self._youngShapes.get(shape)
        if entry is None or now >= entry.until or entry.epoch.value != entry.value:
            entry = self._fresh(shape, now, self._youngShapes, self._oldShapes, True)
            if entry is None:
                return None
        reply = entry.reply
        if self._stream:
            size = _STREAM
        option: bytes | None = None
        if octets is not None:
            if cookies is None:
                return None
            option = cookies.optionFor(client, octets, now)
        if option is None:
            if self._shown or len(reply) + 2 > size:
                return None
            made = b"".join([reply[:10], datagram[12:end], reply[end - 2 :]])
        elif not option or len(reply) + len(option) > size or not entry.plain:
            # A reply with options of its own is composed each time.
            return None
        else:
            made = b"".join([reply[:10], datagram[12:end], reply[end - 2 : -2], option])
        if entry.rcode >= BLOCKED:
            self.blocked += 1
            return BlockedReply(made)
        return made

    def _fresh(self, key: bytes, now: float, young: dict[bytes, Entry], old: dict[bytes, Entry], shaped: bool) -> Entry | None:
        """
        Return the entry for a key with its TTLs updated, moved to the young generation.

        @param young: the entries by octets or by shape; C{old} and C{shaped} match it.
        """
        entry = young.get(key)
        if entry is not None:
            if (now < entry.until and entry.epoch.value == entry.value) or entry.renew(now):
                return entry
            del young[key]
            self._youngOctets -= entry.octets
            return None
        entry = old.pop(key, None) if old else None
        if entry is None:
            return None
        self._oldOctets -= entry.octets
        if not entry.renew(now):
            return None
        self._put(key, entry, shaped)
        return entry

    def isFirstSight(self, datagram: bytes) -> bool:
        """
        Note a query whose name clients may have invented. L{offer} would do so too; this saves making a reply that it would not admit.

        @return: whether its reply is not admitted yet.
        """
        return self._mask >= 0 and self._isFirst(hash(datagram[2:]))

    def _isFirst(self, mixed: int) -> bool:
        slot = mixed & self._mask
        # A slot that was never used has 0.
        sign = (mixed >> 40 & 0xFFFF) or 1
        if self._sights[slot] == sign:
            return False
        self._sights[slot] = sign
        return True

    def offer(self, datagram: bytes, reply: Reply, *, varies: bool = False, personal: bool = False) -> None:
        """
        Offer a reply for reuse; it is admitted when it is offered for the second time.

        @param reply: valid as it is for all clients of this table's group.
        @param varies: other clients are likely to send the same query with other octets, in another case or with other options: key it by
            shape if possible, and not by these octets.
        @param personal: the reply is followed by something for this client only, its cookie.
        """
        if varies and reply.whole and not self._exact:
            key, end, _, cookie = shapeOf(datagram, datagram[2:])
            if key and (cookie is not None) == personal and hasShape(datagram, end):
                self._shaped = True
                self._admit(key, reply, True)
                return
        if not personal:
            self._admit(datagram[2:], reply, False)

    def _admit(self, key: bytes, reply: Reply, shaped: bool) -> None:
        if self._mask >= 0 and not reply.known and self._isFirst(~hash(key) if shaped else hash(key)):
            return
        if key in (self._youngShapes if shaped else self._young) or key in (self._oldShapes if shaped else self._old):
            self.drop(key, shaped)
        entry = Entry(reply, key, isRoundRobin=self.isRoundRobin)
        if entry.octets <= self._most // 16:
            self._put(key, entry, shaped)

    def _put(self, key: bytes, entry: Entry, shaped: bool) -> None:
        if self._youngOctets + entry.octets > self._most:
            self._discard(self._old)
            self._discard(self._oldShapes)
            self._old, self._oldShapes = self._young, self._youngShapes
            self._oldOctets = self._youngOctets
            self._young, self._youngShapes = {}, {}
            self._youngOctets = 0
            self.find = self._young.get
            # So that entries in use move back to the young generation.
            self.quick.clear()
        (self._youngShapes if shaped else self._young)[key] = entry
        self._youngOctets += entry.octets
        if self._spent:
            spent = self._spent[-1]
            for _ in range(min(_LET_GO, len(spent))):
                spent.popitem()
            if not spent:
                self._spent.pop()

    def _discard(self, entries: dict[bytes, Entry]) -> None:
        if len(entries) > _AT_ONCE:
            self._spent.append(entries)

    def drop(self, key: bytes, shaped: bool = False) -> None:
        """
        Forget the reply to one query.

        @param key: the query without its id, or its shape.
        """
        young, old = (self._youngShapes, self._oldShapes) if shaped else (self._young, self._old)
        if not shaped:
            self.quick.pop(key, None)
        entry = young.pop(key, None)
        if entry is not None:
            self._youngOctets -= entry.octets
        entry = old.pop(key, None)
        if entry is not None:
            self._oldOctets -= entry.octets

    def clear(self) -> None:
        self.quick.clear()
        for each in (self._young, self._old, self._youngShapes, self._oldShapes):
            self._discard(each)
        self._young, self._old, self._youngShapes, self._oldShapes = {}, {}, {}, {}
        self.find = self._young.get
        self._youngOctets = self._oldOctets = 0
