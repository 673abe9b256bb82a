"""
Who asks: what is known of each client's address, so that a query costs one look-up for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted_ext.limits import CLIENTS_KNOWN
from twisted_ext.packetcache.table import Table

__all__ = ["Account", "Bucket", "Client", "Clients", "Group", "UNMETERED"]


class Group:
    """
    Clients that are treated alike: they may ask the same, and get the same replies.

    @ivar name: for people.
    @ivar action: C{"allow"}, C{"refuse"}, or C{"drop"} for those who get no reply at all.
    @ivar datagrams: replies by UDP that have been given before.
    @ivar messages: the same by streams, where replies may be longer.
    @ivar shown: whether they are answered by UDP only if they show a cookie.
    """

    __slots__ = ("name", "action", "datagrams", "messages", "shown")

    def __init__(
        self, name: str, action: str = "allow", datagrams: Table | None = None, messages: Table | None = None, shown: bool = False
    ) -> None:
        self.name = name
        self.action = action
        self.datagrams = Table() if datagrams is None else datagrams
        self.messages = Table(stream=True) if messages is None else messages
        self.shown = shown

    def clear(self) -> None:
        """
        Forget all replies.
        """
        self.datagrams.clear()
        self.messages.clear()

    def __repr__(self) -> str:
        return f"<Group {self.name} {self.action}>"


class Bucket:
    """
    Queries that one client may still ask: each takes a token, and time brings new ones.

    @ivar tokens: how many there are.
    @ivar since: the clock's seconds when they were counted.
    @ivar slips: queries over the limit, for letting some of them through in a way.
    """

    __slots__ = ("tokens", "since", "slips")

    def __init__(self, tokens: float, since: float) -> None:
        self.tokens = tokens
        self.since = since
        self.slips = 0

    def fill(self, now: float, perSecond: float, most: float) -> None:
        """
        Put in what has come since the last time.
        """
        if now > self.since:
            self.tokens = min(self.tokens + (now - self.since) * perSecond, most)
        self.since = now


class Account(Bucket):
    """
    Replies of one kind that may still be sent to one network. What is held back counts as well, so that whoever goes on asking too much
    gets nothing at all until it asks less.

    @ivar shut: the clock's seconds until which whoever finds no token need not look whether there are new ones.
    @ivar least: how few tokens there may be, far below none.
    @ivar slip: of the replies held back, one in so many is sent truncated; 0 for none.
    """

    __slots__ = ("shut", "least", "slip")

    def __init__(self, since: float, least: float, slip: int) -> None:
        super().__init__(0.0, since)
        self.shut = since
        self.least = least
        self.slip = slip

    def holdBack(self) -> bool:
        """
        Count a reply that is held back.

        @return: whether it is to be sent truncated, so that an honest client can come by TCP.
        """
        if self.tokens > self.least:
            self.tokens -= 1.0
        self.slips += 1
        return bool(self.slip) and self.slips % self.slip == 0


#: For clients who may ask as much as they like.
UNMETERED: Final = Bucket(float("inf"), 0.0)


class Client:
    """
    One address.

    @ivar address: canonical text.
    @ivar group: whom it is treated like.
    @ivar table: the group's replies by UDP.
    @ivar bucket: what it may still ask, together with others of its network.
    @ivar site: a name for that network, whose addresses count as one client; the address itself where there is no more to it.
    @ivar accounts: the replies by UDP that its network may still get, of each of L{KINDS<twisted_ext.packetcache.replykinds.KINDS>};
        L{None} where nobody counts them.
    """

    __slots__ = ("address", "group", "table", "bucket", "site", "accounts")

    def __init__(
        self, address: str, group: Group, bucket: Bucket = UNMETERED, site: str = "", accounts: tuple[Account, ...] | None = None
    ) -> None:
        self.address = address
        self.site = site or address
        self.group = group
        self.table = group.datagrams
        self.bucket = bucket
        self.accounts = accounts


class Clients:
    """
    The clients of late. Strangers can make up addresses: there is room for so many, and those who have not asked for longest are forgotten.

    @ivar known: C{known(address)} gives the L{Client} for an address as the socket tells it, or L{None} for one who has to be looked up.
    """

    __slots__ = ("known", "_classify", "_young", "_old", "_most")

    def __init__(self, classify: Callable[[str, float], Client], most: float | None = None) -> None:
        """
        @param classify: makes the L{Client} for an address.
        @param most: how many are known.
        """
        self._classify = classify
        self._most = int(CLIENTS_KNOWN.pick(most)) // 2
        self._young: dict[str, Client] = {}
        self._old: dict[str, Client] = {}
        self.known: Callable[[str], Client | None] = self._young.get

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, address: str, now: float) -> Client:
        """
        @param address: as the socket tells it.

        @return: what is known of it; it is looked up where that is nothing.
        """
        client = self._young.get(address)
        if client is None:
            client = self._old.pop(address, None) or self._classify(address, now)
            if len(self._young) >= self._most:
                self._old = self._young
                self._young = {}
                self.known = self._young.get
            self._young[address] = client
        return client

    def clear(self) -> None:
        """
        Look everybody up anew, as when it has changed who may do what.
        """
        self._young.clear()
        self._old.clear()
