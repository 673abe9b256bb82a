"""
The packet cache of a server: the cached replies for all clients, and the loop that sends them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from twisted_ext.answers import BLOCKED, BlockedReply, Epoch
from twisted_ext.packetcache.clients import Client, Clients, Group
from twisted_ext.packetcache.doors import NO_DOORS, NOWHERE, Door, Doors
from twisted_ext.packetcache.table import CookieOptions, isPlain, kindOf, truncated

__all__ = ["Address", "PacketCounters", "PacketCache"]

#: The address of a socket as the system reports it: host and port, and for IPv6 flow label and scope.
Address = tuple[str, int] | tuple[str, int, int, int]

#: Where a datagram came from, the client's IP address first.
_Place = TypeVar("_Place", bound="tuple[str | bytes, *tuple[object, ...]]")

#: The expiry of what is valid until something changes.
_FOREVER: Final = float("inf")


@dataclass(slots=True, eq=False)
class PacketCounters:
    """
    The part of L{Counters<twisted_ext.metrics.counters.Counters>} that the packet cache writes.

    @ivar replies: by rcode; those for blocked names by rcode plus L{BLOCKED<twisted_ext.answers.BLOCKED>}.
    """

    udp: int = 0
    udpBeyond: int = 0
    udpMade: int = 0
    unsent: int = 0
    replies: list[int] = field(default_factory=lambda: [0] * (BLOCKED + 16))

    def limited(self, count: int, silent: int) -> None:
        raise NotImplementedError

    def sampled(self, datagram: bytes, weight: int = 1) -> None:
        raise NotImplementedError

    def due(self, weight: int, now: float) -> bool:
        """
        Count cached replies for the activity of single clients.

        @return: whether L{observed} takes a sample of them now.
        """
        raise NotImplementedError

    def observed(self, query: bytes, weight: int, client: str, transport: str, reply: bytes | None, now: float) -> None:
        raise NotImplementedError


class PacketCache:
    """
    The cached replies of one server.

    @ivar epoch: the cell for replies without an epoch of their own; bump it when a cache is flushed or the permissions change.
    @ivar clients: state by client address.
    @ivar groups: the groups that clients belong to.
    @ivar doors: the doors by which views are chosen, see L{regroup}.
    @ivar cookies: those in replies; L{None} where cookies are ignored.
    @ivar made: makes replies from zones to all datagrams of a batch, without their IDs; L{None} for those that it leaves to others. These
        replies are not kept. L{None} if there is nothing that makes them.
    @ivar told: called with each batch that was answered: see L{IHitObserver<twisted_ext.interfaces.IHitObserver>}. It must not
        raise. L{None} costs nothing.
    """

    def __init__(
        self,
        clients: Clients,
        groups: Iterable[Group],
        *,
        cookies: CookieOptions | None = None,
        quick: bool = False,
    ) -> None:
        """
        @param quick: whether there are zones, whose replies do not age, so that they can be sent by the shortest path.
        """
        self.clients = clients
        self.groups = tuple(groups)
        self.epoch = Epoch()
        self.told: Callable[[list[Any], list[bytes], list[Client], str, float, Door], object] | None = None
        self.made: Callable[[list[Any], float], list[bytes | None]] | None = None
        self.cookies = cookies
        self._quick = quick
        self.doors = NO_DOORS
        # Clients by their doors, as far as views name these.
        self._beyond: dict[Door, Clients] = {}
        self._seen = Epoch.changes
        self._blocked = 0

    def drain(
        self,
        receive: Callable[[], list[tuple[bytes, _Place]]],
        send: Callable[[list[tuple[bytes, _Place]], list[bytes]], int],
        now: float,
        beyond: Callable[[bytes, _Place, Client, float], None],
        counters: PacketCounters,
        failed: Callable[[Exception], object] | None = None,
        door: Door = NOWHERE,
    ) -> int:
        """
        Read what has arrived at a socket, and send the replies that are cached, together. Queries for others are handled after that, so
        that no cached reply waits for them.

        @param receive: returns the datagrams.
        @param send: sends replies, and returns how many the kernel refused. It gets the datagrams that are answered, and the reply to each
            without the ID, which is that of the query.
        @param beyond: called for each datagram without a cached reply.
        @param counters: see L{twisted_ext.metrics.counters.Counters}.
        @param failed: called with an unexpected exception. The datagram that caused it gets no reply, those after it do. Must not raise.
            Without it the exception is raised, and the rest of the batch is lost.
        @param door: how all of them came in.

        @return: how many datagrams were read.
        """
        try:
            arrived = receive()
        except Exception as error:
            # Such as lack of memory.
            if failed is None:
                raise
            failed(error)
            return 0
        if not arrived:
            return 0
        # Items of C{arrived}, passed on as they are: with their type, compiled code would make each of them anew.
        answered: list[Any] = []
        bodies: list[bytes] = []
        missed: list[tuple[bytes, _Place, Client]] = []
        clients = self.clients if self.doors is NO_DOORS else self.at(door)
        replies = counters.replies
        count = len(arrived)
        cookies = self.cookies
        quick = self._quick
        if quick and self._seen != Epoch.changes:
            # Not before each batch: there may be thousands of groups.
            self._seen = Epoch.changes
            for group in self.groups:
                group.datagrams.freshen()
        fine = others = held = silent = index = own = 0
        hit = b""
        makes = self.made
        made: list[bytes | None] = []
        if makes is not None:
            try:
                made = makes(arrived, now)
            except Exception as error:
                if failed is None:
                    raise
                failed(error)
        packets: Iterator[tuple[Any, ...]] = iter(arrived)
        datagram: bytes
        address: _Place
        while True:
            # Entering the try block is free, and happens once per batch.
            try:
                for packet in packets:
                    reply: bytes | None = None
                    if made:
                        reply = made[index]
                        index += 1
                    datagram, address = packet
                    client = clients.known(address[0])
                    if client is None:
                        client = clients.find(address[0], now)
                    bucket = client.bucket
                    if bucket.tokens >= 1.0:
                        if reply is not None and client.isZonal:
                            if client.accounts is not None:
                                account = client.accounts[kindOf(reply)]
                                if account.tokens < 1.0:
                                    if now >= account.shut or not isPlain(reply):
                                        beyond(datagram, address, client, now)
                                        others += 1
                                        continue
                                    held += 1
                                    reply = truncated(reply) if account.holdBack() else b""
                                    if reply:
                                        replies[reply[1] & 15] += 1
                                        answered.append(packet)
                                        bodies.append(reply)
                                    else:
                                        silent += 1
                                    continue
                                account.tokens -= 1.0
                            bucket.tokens -= 1.0
                            replies[reply[1] & 15] += 1
                            own += 1
                            hit = datagram
                            answered.append(packet)
                            bodies.append(reply)
                            continue
                        key = datagram[2:]
                        table = client.table
                        if quick and client.accounts is None:
                            reply = table.quick.get(key)
                            if reply is not None:
                                bucket.tokens -= 1.0
                                fine += 1
                                hit = datagram
                                answered.append(packet)
                                bodies.append(reply)
                                continue
                        entry = table.find(key)
                        if entry is not None and now < entry.until and entry.epoch.value == entry.value:
                            if client.accounts is not None:
                                account = client.accounts[entry.kind]
                                if account.tokens < 1.0:
                                    if now >= account.shut or not entry.isPlain:
                                        beyond(datagram, address, client, now)
                                        others += 1
                                        continue
                                    held += 1
                                    short = entry.truncated() if account.holdBack() else b""
                                    if short:
                                        replies[0] += 1
                                        answered.append(packet)
                                        bodies.append(short)
                                    else:
                                        silent += 1
                                    continue
                                account.tokens -= 1.0
                            bucket.tokens -= 1.0
                            if entry.rcode:
                                replies[entry.rcode] += 1
                                fine -= 1
                            elif quick and entry.until == _FOREVER:
                                table.quick[key] = entry.reply
                            fine += 1
                            hit = datagram
                            answered.append(packet)
                            bodies.append(entry.reply)
                            continue
                        reply = table.again(datagram, key, now, client.address, cookies, entry)
                        if reply is not None:
                            if client.accounts is not None:
                                account = client.accounts[kindOf(reply)]
                                if account.tokens < 1.0:
                                    if isinstance(reply, BlockedReply):
                                        # The full path counts what it sends.
                                        table.blocked -= 1
                                    # Clients with a valid cookie are exempt from the limit; the full path checks the cookie.
                                    beyond(datagram, address, client, now)
                                    others += 1
                                    continue
                                account.tokens -= 1.0
                            hit = datagram
                            bucket.tokens -= 1.0
                            replies[reply[1] & 15] += 1
                            answered.append(packet)
                            bodies.append(reply)
                            continue
                        missed.append((datagram, address, client))
                        continue
                    # The full path adds tokens, from which the rest of the batch may be answered.
                    beyond(datagram, address, client, now)
                    others += 1
                break
            except Exception as error:
                if failed is None:
                    raise
                others += 1
                failed(error)
        others += len(missed)
        replies[0] += fine
        counters.udp += count
        counters.udpBeyond += others + held
        counters.udpMade += own
        if answered:
            counters.unsent += send(answered, bodies)
            if self.told is not None:
                known = [clients.known(packet[1][0]) or clients.find(packet[1][0], now) for packet in answered]
                self.told(answered, bodies, known, "udp", now, door)
        if held:
            counters.limited(held, silent)
        if hit:
            counters.sampled(hit, count - others - held)
            if counters.due(count - others - held, now):
                self._observed(counters, clients, arrived, hit, count - others - held, now)
        for datagram, address, client in missed:
            try:
                beyond(datagram, address, client, now)
            except Exception as error:
                if failed is None:
                    raise
                failed(error)
        return count

    def _observed(
        self, counters: PacketCounters, clients: Clients, arrived: list[tuple[bytes, _Place]], hit: bytes, weight: int, now: float
    ) -> None:
        """
        Count the client of the query that is the sample of its batch. The loop above does not note whose it was, which would cost each
        cached reply a little.
        """
        for datagram, address in reversed(arrived):
            if datagram is hit:
                client = clients.known(address[0]) or clients.find(address[0], now)
                table = client.table
                entry = table.find(hit[2:])
                # It has been counted when it was sent.
                blocked = table.blocked
                reply = entry.reply if entry is not None else table.again(hit, hit[2:], now, client.address, self.cookies)
                table.blocked = blocked
                counters.observed(hit, weight, client.address, "udp", reply, now)
                return

    def at(self, door: Door) -> Clients:
        """
        Return the clients that come in by a door.
        """
        nearest = self.doors.nearest(door)
        if nearest == NOWHERE:
            return self.clients
        found = self._beyond.get(nearest)
        if found is None:
            most = 1 + sum([len(each) for each in self.doors])
            if len(self._beyond) >= most:
                # A client that combines names, paths and addresses could have far more tables made than views name values.
                self._beyond.clear()
            found = self._beyond[nearest] = self.clients.beside(nearest, most)
        return found

    def finderAt(self, door: Door) -> Callable[[bytes, str, float, str], bytes | None]:
        """
        Return L{find} for clients that come in by a door.
        """
        return self.find if self.doors is NO_DOORS and self.told is None else partial(self._findAt, door)

    def _findAt(self, door: Door, octets: bytes, address: str, now: float, transport: str) -> bytes | None:
        return self.find(octets, address, now, transport, door)

    def find(self, octets: bytes, address: str, now: float, transport: str = "tcp", door: Door = NOWHERE) -> bytes | None:
        """
        Find the reply to a message received by a stream.

        @param address: the client's.
        @param transport: replies over any other than C{"tcp"} are padded if the query is.
        @param door: how the client came in.

        @return: the reply without its id.
        """
        clients = self.clients if self.doors is NO_DOORS else self.at(door)
        client = clients.known(address) or clients.find(address, now)
        bucket = client.bucket
        if bucket.tokens < 1.0:
            return None
        table = client.group.messages if transport == "tcp" else client.group.encrypted
        key = octets[2:]
        entry = table.find(key)
        if entry is not None and now < entry.until and entry.epoch.value == entry.value:
            reply: bytes | None = entry.reply
            if entry.rcode >= BLOCKED:
                self._blocked += 1
        else:
            reply = table.again(octets, key, now, client.address, self.cookies, entry)
        if reply is not None:
            bucket.tokens -= 1.0
            if self.told is not None:
                self.told([(octets, (address,))], [reply], [client], transport, now, door)
        return reply

    def regroup(self, groups: Iterable[Group], doors: Doors = NO_DOORS) -> None:
        """
        Use these groups from now on, and classify all clients again.

        @param doors: the doors that views name.
        """
        # There is one object for none, which is compared by identity for each batch.
        self.doors = doors if any(doors) else NO_DOORS
        former, self.groups = self.groups, tuple(groups)
        # What was counted stays counted.
        gone = set(former).difference(self.groups)
        self._blocked += sum([table.blocked for group in gone for table in group.tables])
        self.forgetClients()

    def forgetClients(self, address: str = "") -> None:
        """
        Classify all clients again, or the one with this address.
        """
        if address:
            for clients in (self.clients, *self._beyond.values()):
                clients.forget(address)
        else:
            self.clients.clear()
            self._beyond.clear()

    def clear(self) -> None:
        self.forgetClients()
        for group in self.groups:
            group.clear()

    @property
    def blocked(self) -> int:
        """
        The number of replies for blocked names that are not among L{PacketCounters}: those by streams, and those found by their shape.
        """
        return self._blocked + sum([table.blocked for group in self.groups for table in group.tables])

    @property
    def entries(self) -> int:
        """
        The number of replies.
        """
        return sum([len(table) for group in self.groups for table in group.tables])

    @property
    def octets(self) -> int:
        return sum([table.octets for group in self.groups for table in group.tables])
