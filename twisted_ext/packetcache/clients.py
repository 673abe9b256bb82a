"""
Per-client state by address: one look-up for each query gives the client's ACL group, rate limit and reply limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Any, Final

from twisted_ext.limits import CLIENTS_KNOWN
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.packetcache.table import Table

__all__ = ["Arrived", "Account", "Bucket", "Client", "Clients", "Group", "UNMETERED", "View"]

#: A query, and where it came from as the socket reports it.
Arrived = tuple[bytes, tuple[object, ...]]


class View:
    """
    What a class of clients is answered. No reply for one view reaches clients of another: each has groups, and so tables, of its own.

    @ivar name: the name for display and logs.
    @ivar source: answers their questions: an L{IAnswerSource<twisted_ext.interfaces.IAnswerSource>}.
    @ivar direct: returns answers that are only records of a zone, as L{IDirectSource<twisted_ext.interfaces.IDirectSource>} does; L{None}
        if C{source} has to be asked.
    @ivar recursive: whether their replies say that recursion is available.
    @ivar shown: the name for people; C{""} for what no settings call a view.
    """

    __slots__ = ("direct", "name", "recursive", "shown", "source")

    def __init__(self, name: str, source: object, recursive: bool = True, direct: Callable[[Any, bool], Any] | None = None) -> None:
        self.name = name
        self.source = source
        self.direct = direct
        self.recursive = recursive
        self.shown = name if recursive else ""


@dataclass(slots=True, eq=False, repr=False)
class Group:
    """
    A group of clients with the same permissions and the same replies.

    @ivar name: the name for display and logs.
    @ivar action: C{"allow"}, C{"refuse"}, or C{"drop"} to send no reply at all.
    @ivar datagrams: cached replies for UDP.
    @ivar messages: cached replies for TCP, which may be longer.
    @ivar encrypted: cached replies for encrypted transports, which may be padded.
    @ivar shown: whether a client needs a valid cookie to be answered over UDP.
    @ivar view: what they are answered; L{None} for what all are who are in no view.
    @ivar isZonal: whether they may be answered from zones without a look at the query itself.
    """

    name: str
    action: str = "allow"
    datagrams: Table = field(default_factory=Table)
    messages: Table = field(default_factory=partial(Table, stream=True))
    encrypted: Table = field(default_factory=partial(Table, stream=True, exact=True))
    shown: bool = False
    view: View | None = None
    isZonal: bool = field(init=False)

    def __post_init__(self) -> None:
        self.isZonal = self.view is None and not self.shown and self.action in ("allow", "zones")

    @property
    def tables(self) -> tuple[Table, Table, Table]:
        return self.datagrams, self.messages, self.encrypted

    def clear(self) -> None:
        for table in self.tables:
            table.clear()

    def __repr__(self) -> str:
        return f"<Group {self.name} {self.action}>"


class Bucket:
    """
    A token bucket: each query of a client takes a token, and tokens are added over time.

    @ivar tokens: the tokens left.
    @ivar since: the clock's seconds when C{tokens} was last updated.
    @ivar slips: queries over the limit, counted so that some of them can be let through.
    """

    __slots__ = ("tokens", "since", "slips")

    def __init__(self, tokens: float, since: float) -> None:
        self.tokens = tokens
        self.since = since
        self.slips = 0

    def fill(self, now: float, perSecond: float, most: float) -> None:
        if now > self.since:
            self.tokens = min(self.tokens + (now - self.since) * perSecond, most)
        self.since = now


class Account(Bucket):
    """
    The response rate limit for one kind of reply to one network. Withheld replies count as well, so a client that keeps exceeding the limit
    gets nothing until it slows down.

    @ivar shut: the clock's seconds before which a caller that finds no token need not call L{Bucket.fill} again.
    @ivar least: the lowest balance of tokens, far below zero.
    @ivar slip: one in this many withheld replies is sent truncated; 0 for none.
    """

    __slots__ = ("shut", "least", "slip")

    def __init__(self, since: float, least: float, slip: int) -> None:
        super().__init__(0.0, since)
        self.shut = since
        self.least = least
        self.slip = slip

    def holdBack(self) -> bool:
        """
        Count a withheld reply.

        @return: whether to send it truncated, so that a legitimate client can retry over TCP.
        """
        if self.tokens > self.least:
            self.tokens -= 1.0
        self.slips += 1
        return bool(self.slip) and self.slips % self.slip == 0


#: The bucket of clients without a rate limit.
UNMETERED: Final = Bucket(float("inf"), 0.0)


class Client:
    """
    State kept for one client address.

    @ivar address: canonical text.
    @ivar group: the group whose permissions and replies apply.
    @ivar table: the group's cached replies for UDP.
    @ivar bucket: the query rate limit, shared by all addresses of its network.
    @ivar site: the name of that network, whose addresses count as one client; the address itself where it is a network of its own.
    @ivar isZonal: that of the group.
    @ivar accounts: the response rate limits of its network, one for each of L{KINDS<twisted_ext.packetcache.table.KINDS>}; L{None} where
        replies are not limited.
    """

    __slots__ = ("address", "group", "table", "bucket", "site", "accounts", "isZonal")

    def __init__(
        self, address: str, group: Group, bucket: Bucket = UNMETERED, site: str = "", accounts: tuple[Account, ...] | None = None
    ) -> None:
        self.address = address
        self.site = site or address
        self.group = group
        self.table = group.datagrams
        self.isZonal = group.isZonal
        self.bucket = bucket
        self.accounts = accounts


class Clients:
    """
    A bounded table of recent clients. Source addresses can be spoofed, so the least recently seen clients are evicted when it is full.

    @ivar known: C{known(address)} returns the L{Client} for an address, text or octets, as the socket reports it, or L{None} if L{find} has
        to classify it.
    """

    def __init__(self, classify: Callable[[str, float, Door], Client], most: float | None = None, door: Door = NOWHERE) -> None:
        """
        @param classify: returns a new L{Client} for an address.
        @param most: the maximum number of clients.
        @param door: how all of them came in.
        """
        self._classify = classify
        self._door = door
        self._most = int(CLIENTS_KNOWN.pick(most)) // 2
        self._young: dict[str | bytes, Client] = {}
        self._old: dict[str | bytes, Client] = {}
        self.known: Callable[[str | bytes], Client | None] = self._young.get

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, address: str | bytes, now: float) -> Client:
        """
        Return the state of a client, creating it for an unknown address.

        @param address: as the socket reports it; text and octets of the same address are entries of their own.
        """
        client = self._young.get(address)
        if client is None:
            client = self._old.pop(address, None)
            if client is None:
                text = address if isinstance(address, str) else inet_ntop(AF_INET if len(address) == 4 else AF_INET6, address)
                client = self._classify(text, now, self._door)
            if len(self._young) >= self._most:
                self._old = self._young
                self._young = {}
                self.known = self._young.get
            self._young[address] = client
        return client

    def forget(self, address: str) -> None:
        """
        Forget a client, which is classified again with its next query.

        @param address: canonical text; the forms in which sockets report it are those of C{find}.
        """
        packed = ip_address(address).packed
        mapped = (f"::ffff:{address}", b"\x00" * 10 + b"\xff\xff" + packed) if len(packed) == 4 else ()
        for each in (address, packed, *mapped):
            self._young.pop(each, None)
            self._old.pop(each, None)

    def beside(self, door: Door, share: int) -> Clients:
        """
        Return a table of the clients that come in by another door.

        @param share: the number of tables among which the maximum number of clients is divided.
        """
        return Clients(self._classify, max(2 * self._most // share, CLIENTS_KNOWN.least), door)

    def clear(self) -> None:
        """
        Forget all clients, so that they are classified again, as after a change of the ACL.
        """
        self._young.clear()
        self._old.clear()
