"""
What single clients ask: the most active clients with their latest names, and a live list of queries. Only with the setting
C{show-clients}, since both are personal data.

A server without that setting has no L{Activity}. With it, queries that the packet cache answers cost nothing more one by one: one of each
batch is counted, and not more than L{HITS_SAMPLED} in a second; it stands for the others.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from twisted_ext.answers import KINDS, BlockedReply
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.limits import (
    CLIENT_NAMES,
    CLIENTS_COUNTED,
    CLIENTS_SHOWN,
    HITS_SAMPLED,
    LIVE_KEPT,
    LIVE_RATE,
    LIVE_SECONDS,
    LIVE_SHOWN,
)
from twisted_ext.metrics.names import Frequent, questionName
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName

__all__ = ["Activity", "ActiveClients", "LiveQueries", "LiveQuery", "extendedErrors", "isBlocked", "statusOf"]

_NAMES: Final = int(CLIENT_NAMES.default)

#: Seconds between two samples of the packet cache.
_PAUSE: Final = 1 / HITS_SAMPLED.default

#: Extended errors that mean that a policy withheld the answer: Blocked, Censored, Filtered (RFC 8914).
_BLOCKED: Final = frozenset((15, 16, 17))

#: The status of a query by what the query log calls the source of its reply; others are names of gates, which refuse.
_STATUS: Final = {
    **{kind: means.shown for kind, means in KINDS.items()},
    "upstream": "forwarded",
    "packet-cache": "cached",
    "transfer": "local",
    **dict.fromkeys(("failure", "late", "overflow"), "failed"),
}


def statusOf(source: str, ede: tuple[tuple[int, str], ...] = ()) -> str:
    """
    Return C{blocked}, C{cached}, C{forwarded}, C{local}, C{failed} or C{refused}.

    @param source: as in the query log.
    @param ede: the extended errors of the reply.
    """
    if any(code in _BLOCKED for code, _ in ede):
        return "blocked"
    return _STATUS.get(source, "refused" if source else "local")


def isBlocked(reply: bytes) -> bool:
    """
    Return whether a reply, without its id, is for a blocked name: by a list of this server, or by the extended error in an OPT record at
    its end.
    """
    return isinstance(reply, BlockedReply) or any(code in _BLOCKED for code, _ in extendedErrors(reply))


def extendedErrors(reply: bytes) -> tuple[tuple[int, str], ...]:
    """
    Return the extended errors (RFC 8914) in an OPT record at the end of a reply of this server.

    @param reply: without its id.
    """
    start = reply.rfind(b"\x00\x00\x29")
    if start < 0:
        return ()
    found: list[tuple[int, str]] = []
    position = start + 11
    while position + 6 <= len(reply):
        code, length, value = [int.from_bytes(reply[at : at + 2], "big") for at in (position, position + 2, position + 4)]
        if code == 15 and length >= 2:
            found.append((value, reply[position + 6 : position + 4 + length].decode("utf-8", "replace")))
        position += 4 + length
    return tuple(found)


@dataclass(slots=True, eq=False)
class _Details:
    """
    @ivar seen: when the last query arrived, on the server's clock.
    @ivar names: the latest names with their types and arrivals, each name and type once, the newest last.
    """

    seen: float = 0.0
    names: dict[tuple[bytes, int], float] = field(default_factory=dict)


class ActiveClients:
    """
    Counts queries by client, and keeps the latest names of each counted client.

    @ivar total: queries of all clients, whose counts are halved together.
    """

    def __init__(self, most: int | None = None) -> None:
        self.total = 0
        self._most = int(CLIENTS_COUNTED.pick(most))
        self._counts: Frequent[str] = Frequent(self._most)
        self._details: dict[str, _Details] = {}

    def add(self, client: str, name: bytes, rrType: int, now: float, weight: int = 1) -> None:
        """
        @param client: its address as canonical text.
        @param name: in lower case.
        """
        self.total += weight
        self._counts.add(client, weight)
        details = self._details.get(client)
        if details is None:
            if len(self._details) >= 2 * self._most:
                self._forget()
            details = self._details[client] = _Details()
        details.seen = now
        names = details.names
        key = (name, rrType)
        # Moved to the end.
        names.pop(key, None)
        names[key] = now
        if len(names) > _NAMES:
            del names[next(iter(names))]

    def _forget(self) -> None:
        self._details = {client: details for client, details in self._details.items() if client in self._counts}

    def halve(self) -> None:
        """
        Halve all counts, so that recent queries weigh more.
        """
        self.total //= 2
        self._counts.halve()
        self._forget()

    def most(self, number: int | None = None) -> list[tuple[str, int, float]]:
        """
        Return the most active clients with the numbers of their queries and when the last one arrived, the most active first.
        """
        found = self._counts.most(int(CLIENTS_SHOWN.pick(number)))
        return [(client, count, self._details[client].seen) for client, count in found if client in self._details]

    def namesOf(self, client: str) -> list[tuple[bytes, int, float]]:
        """
        Return the latest names of a client with their types and when the last query for each arrived, the newest first.
        """
        details = self._details.get(client)
        return [] if details is None else [(name, rrType, at) for (name, rrType), at in reversed(details.names.items())]


@dataclass(slots=True, eq=False)
class LiveQuery:
    """
    A query in the live list.

    @ivar at: when it arrived, in seconds since 1970.
    @ivar rcode: of the reply, as text; C{"no reply"} without one.
    @ivar status: see L{statusOf}.
    @ivar seconds: until the reply.
    @ivar server: the upstream that answered, or the rule by which the name is blocked; C{""} for neither.
    @ivar count: how many queries of the packet cache it stands for.
    """

    at: float
    client: str
    transport: str
    name: str
    rrType: str
    rcode: str
    status: str
    seconds: float = 0.0
    server: str = ""
    count: int = 1

    def toJSON(self, number: int) -> dict[str, JSON]:
        return {
            "number": number,
            "time": round(self.at, 3),
            "client": self.client,
            "transport": self.transport,
            "name": self.name,
            "type": self.rrType,
            "rcode": self.rcode,
            "status": self.status,
            "milliseconds": round(self.seconds * 1000, 3),
            "server": self.server,
            "count": self.count,
        }


class LiveQueries:
    """
    The last queries, numbered in order. They are collected only while a reader asks for them.

    @ivar on: whether queries are collected now.
    @ivar skipped: how many were not taken because there were too many in one second.
    """

    def __init__(self) -> None:
        self.on = False
        self.skipped = 0
        self._until = 0.0
        self._number = 0
        self._kept: deque[dict[str, JSON]] = deque(maxlen=int(LIVE_KEPT.default))
        self._second = -1
        self._left = 0

    def watch(self, now: float) -> bool:
        """
        Collect queries for some more seconds.

        @return: whether collecting begins with this call.
        """
        begins, self.on = not self.on, True
        self._until = now + LIVE_SECONDS.default
        return begins

    def look(self, now: float) -> bool:
        """
        Stop collecting, and forget the queries, if nothing has asked for them for some seconds.

        @return: whether collecting ends with this call.
        """
        if not self.on or now < self._until:
            return False
        self.on = False
        self._kept.clear()
        return True

    def add(self, query: LiveQuery) -> None:
        second = int(query.at)
        if second != self._second:
            self._second = second
            self._left = int(LIVE_RATE.default)
        if self._left <= 0:
            self.skipped += query.count
            return
        self._left -= 1
        self._number += 1
        self._kept.append(query.toJSON(self._number))

    def take(self, described: dict[str, JSON]) -> None:
        """
        Add a query that another process has collected, as L{after} returned it there.
        """
        self._number += 1
        self._kept.append({**described, "number": self._number})

    def after(self, number: int) -> dict[str, JSON]:
        """
        Return the queries after the one with this number, oldest first.

        @return: C{queries}; C{next}, the number for the next call; C{skipped}, see L{skipped}.
        """
        if number > self._number:
            # From before a restart of the server.
            number = 0
        count = min(self._number - number, len(self._kept), int(LIVE_SHOWN.default))
        kept = self._kept
        return {
            "queries": [kept[index] for index in range(len(kept) - count, len(kept))],
            "next": self._number,
            "skipped": self.skipped,
        }


class Activity:
    """
    The activity of single clients of one process.

    @ivar offset: what to add to the server's clock for seconds since 1970.
    @ivar due: when the next query that the packet cache answers may be sampled, on the server's clock.
    @ivar owed: how many queries of the packet cache were not sampled since the last one that was.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self.clients = ActiveClients()
        self.live = LiveQueries()
        self.offset = offset
        self.due = float("-inf")
        self.owed = 0

    def asked(self, client: str, name: bytes, rrType: int, now: float) -> None:
        """
        Count a question that missed the packet cache.

        @param name: as asked.
        """
        self.clients.add(client, name.lower(), rrType, now)

    def hit(self, query: bytes, weight: int, client: str, transport: str, reply: bytes | None, now: float) -> None:
        """
        Count a query answered from the packet cache, as a sample of its batch.

        @param query: it was answered, which may mean with FORMERR.
        @param weight: how many queries it stands for.
        @param reply: without its id, if known; only for the live list.
        """
        if now < self.due:
            self.owed += weight
            return
        name = questionName(query)
        self.due = now + _PAUSE
        weight += self.owed
        self.owed = 0
        end = 12 + len(name)
        rrType = int.from_bytes(query[end : end + 2], "big")
        if client.startswith("::ffff:") and "." in client:
            # An IPv4 client of an IPv6 socket.
            client = client[7:]
        self.clients.add(client, name, rrType, now, weight)
        if self.live.on:
            rcode = "NOERROR" if reply is None else rcodeName(reply[1] & 15)
            status = "blocked" if reply is not None and isBlocked(reply) else "cached"
            self.live.add(
                LiveQuery(now + self.offset, client, transport, nameToText(name), typeName(rrType), rcode, status, count=weight)
            )

    def clientsJSON(self) -> dict[str, JSON]:
        """
        Describe the most active clients.

        @return: C{total}, the queries of all clients, and C{clients}, each with C{client}, C{queries} and C{seen}, seconds since 1970.
        """
        found: list[JSON] = [
            {"client": client, "queries": count, "seen": round(seen + self.offset, 3)} for client, count, seen in self.clients.most()
        ]
        return {"total": self.clients.total, "clients": found}

    def namesJSON(self, client: str) -> list[JSON]:
        """
        Describe the latest names of a client, each with C{name}, C{type} and C{seen}, the newest first.
        """
        return [
            {"name": nameToText(name), "type": typeName(rrType), "seen": round(at + self.offset, 3)}
            for name, rrType, at in self.clients.namesOf(client)
        ]
