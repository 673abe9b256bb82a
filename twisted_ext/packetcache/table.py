"""
Replies by the octets of their queries, for one class of clients.

A query that was answered before is a look-up in a dictionary: its octets without the two of its id are the key. What stands behind the key
is right for one second; then its TTLs are moved on in place.

Entries are in two generations. New ones go to the young; when that has its share of the room, it becomes the old one and what was old is
forgotten. Whatever is asked for again moves back to the young. Nothing gets in at its first sight but what is in a zone, so that names
asked for once displace nothing, and however many others there are, an entry that is asked for within a generation stays.

A reply is kept either under the octets of its query or under its shape (see L{twisted_ext.packetcache.shape}), in dictionaries of their
own: a client chooses every octet of a datagram, so no datagram may ever be looked up among the shapes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from struct import Struct
from typing import Final

from twisted_ext.limits import LANE_BYTES, LANE_SIGHTS, MESSAGE_SIZE
from twisted_ext.packetcache.epochs import Epoch
from twisted_ext.packetcache.replykinds import kindOf
from twisted_ext.packetcache.shape import shapeOf

__all__ = ["Entry", "Reply", "Table"]

_ttl: Final = Struct(">I").pack_into

#: Octets that an entry takes besides those of its key and its reply: the object, its numbers, its place in a dictionary.
_ENTRY: Final = 400
_TTL: Final = 96

#: Octets of an OPT record without options; TC in the header's third octet.
_OPT: Final = 11
_TC: Final = 2

#: Octets of a reply by a stream.
_STREAM: Final = int(MESSAGE_SIZE.default)


class Reply:
    """
    A finished reply and what has to be known to give it again.

    @ivar octets: the whole message.
    @ivar ttls: where in it TTLs stand, each with what it says.
    @ivar learned: when the records were learned, on the listeners' clock. Their TTLs go down with each full second since then.
    @ivar said: whole seconds since C{learned} that the TTLs in C{octets} take account of.
    @ivar ends: from when on it must not be given from here.
    @ivar epoch: what it came from.
    @ivar questionEnd: where in it the question ends.
    @ivar whole: whether nothing was left out for want of room.
    @ivar plain: whether it ends with an OPT record without options.
    @ivar known: whether it is for one of so many names, none that who asks can have made up, so that it is let in at its first sight.
    """

    __slots__ = ("octets", "ttls", "learned", "said", "ends", "epoch", "questionEnd", "whole", "plain", "known")

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


class Entry:
    """
    A reply in the table.

    @ivar reply: the message without its id, its TTLs right until C{until}.
    @ivar until: the clock's seconds.
    @ivar rcode: the lower four bits of it.
    @ivar kind: which of L{KINDS<twisted_ext.packetcache.replykinds.KINDS>} it is.
    @ivar epoch: the cell of what it came from.
    @ivar value: what that said at the time.
    @ivar plain: whether it ends with an OPT record without options.
    @ivar octets: what it takes, all overhead counted.
    """

    __slots__ = ("reply", "until", "rcode", "kind", "epoch", "value", "plain", "octets", "_ttls", "_learned", "_said", "_ends", "_question")

    def __init__(self, reply: Reply, key: bytes) -> None:
        self.reply = octets = reply.octets[2:]
        self.rcode = octets[1] & 15
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

    def truncated(self) -> bytes:
        """
        @return: the reply with TC and without records; nothing where it has options, which are to be put together anew.
        """
        octets = self.reply
        opt = b""
        if octets[9]:
            if not self.plain:
                return b""
            opt = octets[-_OPT:]
        start = bytes([octets[0] | _TC, octets[1]])
        return b"%b%b\x00\x00\x00\x00\x00%c%b%b" % (start, octets[2:4], 1 if opt else 0, octets[10 : self._question], opt)

    def renew(self, now: float) -> bool:
        """
        Move the TTLs on.

        @return: whether the entry still holds.
        """
        if now >= self._ends or self.epoch.value != self.value:
            return False
        if not self._ttls:
            return True
        age = int(now - self._learned)
        if age < self._said:
            # A clock that went back.
            return False
        passed = age - self._said
        octets = bytearray(self.reply)
        for offset, ttl in self._ttls:
            _ttl(octets, offset, ttl - passed if ttl > passed else 0)
        self.reply = bytes(octets)
        self.until = min(self._learned + age + 1, self._ends)
        return True


#: Replies that are let go of in one go, and how many with each one that is kept where there are more.
_AT_ONCE: Final = 1000
_LET_GO: Final = 4


class Table:
    """
    The replies for one class of clients.

    @ivar find: C{find(datagram[2:])} gives the L{Entry} for a query by its octets, for whoever makes use of it only while
        C{now < entry.until and entry.epoch.value == entry.value}, and calls L{again} otherwise.
    @ivar octets: what the entries take.
    @ivar quick: replies of zones by the octets of their queries, without their ids. They are right as long as no L{Epoch} has changed;
        whoever makes use of them calls L{freshen} before each batch.
    """

    __slots__ = (
        "find", "quick", "echo", "_seen", "_young", "_old", "_youngShapes", "_oldShapes", "_youngOctets", "_oldOctets", "_most", "_sights",
        "_mask", "_stream", "_shaped", "_shown", "_spent",
    )  # fmt: skip

    def __init__(
        self, most: float | None = None, *, sights: int | None = None, echo: bool = True, stream: bool = False, shown: bool = False
    ) -> None:
        """
        @param most: octets that all entries may take.
        @param sights: queries seen once that are remembered; 0 to take in what is seen for the first time.
        @param echo: know queries by their second shape as well, see L{twisted_ext.packetcache.shape}.
        @param stream: replies may have as many octets as a message can have.
        @param shown: what was answered to who has shown a cookie is for nobody who shows none.
        """
        self._most = int(LANE_BYTES.pick(most)) // 2
        slots = int(LANE_SIGHTS.pick(sights)) if sights is None or sights else 0
        self._sights = array("H", bytes(2 * slots))
        self._mask = slots - 1
        self.echo = echo
        self._stream = stream
        self._shown = shown
        # Whether anything was ever kept by its second shape: where not, there is no need to make it out.
        self._shaped = False
        self._young: dict[bytes, Entry] = {}
        self._old: dict[bytes, Entry] = {}
        # Kept by shape, never looked up by octets that a client sent.
        self._youngShapes: dict[bytes, Entry] = {}
        self._oldShapes: dict[bytes, Entry] = {}
        self._youngOctets = self._oldOctets = 0
        # What is of no use any more: to let go of a hundred thousand replies at once takes a quarter of a second.
        self._spent: list[dict[bytes, Entry]] = []
        self.find: Callable[[bytes], Entry | None] = self._young.get
        self.quick: dict[bytes, bytes] = {}
        self._seen = Epoch.changes

    def freshen(self) -> None:
        """
        Forget those replies of C{quick} that may not be right any more.
        """
        if self._seen != Epoch.changes:
            self._seen = Epoch.changes
            self.quick.clear()

    @property
    def octets(self) -> int:
        """
        What the entries take, all overhead counted.
        """
        return self._youngOctets + self._oldOctets

    def __len__(self) -> int:
        return len(self._young) + len(self._old) + len(self._youngShapes) + len(self._oldShapes)

    def again(
        self, datagram: bytes, now: float, client: str = "", cookie: Callable[[str, bytes], bytes | None] | None = None
    ) -> bytes | None:
        """
        Look for the reply to a query for which C{find} had none that holds.

        @param client: the client's address.
        @param cookie: gives the whole EDNS option to reply with to that and the octets of its cookie: nothing where that is not known yet,
            L{None} where the reply is to have no cookie. C{None} where cookies are not looked at.

        @return: the reply without its id.
        """
        entry = self._fresh(datagram[2:], now, self._young, self._old, False)
        if entry is not None:
            return entry.reply
        if not self._shaped:
            return None
        shape = shapeOf(datagram)
        if shape is None:
            return None
        entry = self._youngShapes.get(shape.key)
        if entry is None or now >= entry.until or entry.epoch.value != entry.value:
            entry = self._fresh(shape.key, now, self._youngShapes, self._oldShapes, True)
            if entry is None:
                return None
        reply = entry.reply
        end = shape.questionEnd
        size = _STREAM if self._stream else shape.size
        if shape.cookie is None:
            if self._shown or len(reply) + 2 > size:
                return None
            return reply[:10] + datagram[12:end] + reply[end - 2 :]
        if cookie is None:
            return None
        option = cookie(client, shape.cookie)
        if option is None:
            return None if self._shown or len(reply) + 2 > size else reply[:10] + datagram[12:end] + reply[end - 2 :]
        if not option or len(reply) + 2 + len(option) > size or not entry.plain:
            # A reply with options of its own is put together anew each time.
            return None
        return b"%b%b%b%b%b" % (reply[:10], datagram[12:end], reply[end - 2 : -2], len(option).to_bytes(2, "big"), option)

    def _fresh(self, key: bytes, now: float, young: dict[bytes, Entry], old: dict[bytes, Entry], shaped: bool) -> Entry | None:
        """
        @param young: the entries of one kind, by octets or by shape, with C{old} and C{shaped} to match.

        @return: the entry for a key, made right for this second and young.
        """
        entry = young.get(key)
        if entry is not None:
            if now < entry.until and entry.epoch.value == entry.value:
                return entry
            if entry.renew(now):
                return entry
            del young[key]
            self._youngOctets -= entry.octets
            return None
        entry = old.pop(key, None)
        if entry is None:
            return None
        self._oldOctets -= entry.octets
        if not entry.renew(now):
            return None
        self._put(key, entry, shaped)
        return entry

    def offer(self, datagram: bytes, reply: Reply, *, varies: bool = False, personal: bool = False) -> None:
        """
        Have a reply given again to all who ask the same, once this is offered for the second time.

        @param datagram: the query.
        @param reply: to be given as it is, for the class of clients that this table is for.
        @param varies: others are likely to ask the same with other octets, in another case or with other options: have it under the second
            shape then, where that can be, and not under these octets.
        @param personal: the client gets something of its own behind the reply, its cookie.
        """
        if varies and self.echo and reply.whole:
            shape = shapeOf(datagram)
            if shape is not None and (shape.cookie is not None) == personal:
                self._shaped = True
                self._admit(shape.key, reply, True)
                return
        if not personal:
            self._admit(datagram[2:], reply, False)

    def _admit(self, key: bytes, reply: Reply, shaped: bool) -> None:
        if self._mask >= 0 and not reply.known:
            mixed = ~hash(key) if shaped else hash(key)
            slot = mixed & self._mask
            sign = mixed >> 40 & 0xFFFF
            if self._sights[slot] != sign:
                self._sights[slot] = sign
                return
        self._forget(key, shaped)
        entry = Entry(reply, key)
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
            # So that what is asked for moves back to the young.
            self.quick.clear()
        (self._youngShapes if shaped else self._young)[key] = entry
        self._youngOctets += entry.octets
        if self._spent:
            spent = self._spent[-1]
            for _ in range(min(_LET_GO, len(spent))):
                spent.popitem()
            if not spent:
                self._spent.pop()

    @property
    def spent(self) -> int:
        """
        How many replies take room although they are of no use any more. With each one that is kept some of them go.
        """
        return sum([len(spent) for spent in self._spent])

    def _discard(self, entries: dict[bytes, Entry]) -> None:
        if len(entries) > _AT_ONCE:
            self._spent.append(entries)

    def drop(self, key: bytes) -> None:
        """
        Forget the reply to one query.

        @param key: the query without its id.
        """
        self._forget(key, False)

    def _forget(self, key: bytes, shaped: bool) -> None:
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
        """
        Forget everything.
        """
        self.quick.clear()
        for each in (self._young, self._old, self._youngShapes, self._oldShapes):
            self._discard(each)
        self._young, self._old, self._youngShapes, self._oldShapes = {}, {}, {}, {}
        self.find = self._young.get
        self._youngOctets = self._oldOctets = 0
