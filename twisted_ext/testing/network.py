"""
An in-memory network: hosts, the links between them, and a clock::

    network = MemoryNetwork()
    there = network.reactor("192.0.2.53")
    here = network.reactor("192.0.2.7")
    ...                       # listen there, send queries from here
    network.advance(1.0)      # one second passes, with all its events
    here.pending()            # what is still open; empty after a proper cleanup
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import Final

from twisted.internet.task import Clock

from twisted_ext.testing.datagrams import Address, Datagram, OrderedClock, isLoopback, isUnspecified, normal, takeDue
from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["Address", "Datagram", "Link", "MemoryNetwork", "isLoopback", "isUnspecified", "normal"]

#: Turns of the reactor at one moment after which a test is considered to loop.
_MOST_TURNS: Final = 1_000_000


@dataclass(eq=False)
class Link:
    """
    The path from one host to another. All attributes may be changed at any time.

    @ivar delay: the one-way delay in seconds.
    @ivar jitter: up to this many seconds more, drawn for each datagram, so that datagrams overtake each other.
    @ivar loss: the share of datagrams that are lost, from 0 to 1.
    @ivar duplicate: the share of datagrams that arrive twice.
    @ivar silent: a black hole: everything is lost, without an ICMP error.
    @ivar fragment: the size in octets of the chunks in which stream data arrives, or L{None} to keep those of the writer.
    @ivar admit: called with each datagram; those for which it returns false are lost. L{None} to admit all.
    @ivar blocked: ports that nothing reaches, by datagrams or streams, as behind a firewall that drops packets.
    """

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    silent: bool = False
    fragment: int | None = None
    admit: Callable[[Datagram], bool] | None = None
    blocked: frozenset[int] = frozenset()

    def journeys(self, datagram: Datagram, dice: Random) -> list[float]:
        """
        Return the delay in seconds of each copy of a datagram; empty if it is lost.
        """
        if self.silent or datagram.destination[1] in self.blocked:
            return []
        if (self.loss and dice.random() < self.loss) or (self.admit is not None and not self.admit(datagram)):
            return []
        copies = 2 if self.duplicate and dice.random() < self.duplicate else 1
        return [self.delay + (dice.random() * self.jitter if self.jitter else 0.0) for _ in range(copies)]

    def pieces(self, octets: bytes) -> list[bytes]:
        """
        Return the chunks in which part of a stream arrives.
        """
        size = self.fragment
        if not size:
            return [octets]
        return [octets[start : start + size] for start in range(0, len(octets), size)]


#: The link of a host that is dead.
_NOTHING: Final = Link(silent=True)


class MemoryNetwork:
    """
    Carries datagrams and streams between hosts; configurable to delay, duplicate, reorder or lose them.

    @param clock: the clock to use; a new one by default.
    @param seed: for the random numbers behind loss, jitter and the like, so that a test is reproducible.
    @ivar clock: the clock of all hosts.
    @ivar link: the default link. At first it delivers without delay.
    @ivar sent: datagrams sent to each C{(address, port)}, whether they arrived or not.
    @ivar dialed: connection attempts to each C{(address, port)}.
    @ivar datagrams: all datagrams sent, including injected ones, in order, unless C{recording} is off.
    @ivar recording: whether to record them.
    @ivar dead: addresses that nothing reaches and that send nothing, whatever their links are, as after a power failure.
    """

    def __init__(self, clock: Clock | None = None, seed: int = 0) -> None:
        self.clock: Clock = OrderedClock() if clock is None else clock
        self.dice = Random(seed)
        self.link = Link()
        self.sent: Counter[Address] = Counter()
        self.dialed: Counter[Address] = Counter()
        self.datagrams: list[Datagram] = []
        self.recording = True
        self.dead: set[str] = set()
        self._links: dict[tuple[str | None, str | None], Link] = {}
        self._hosts: dict[str, MemoryReactor] = {}
        self._reactors: list[MemoryReactor] = []

    def reactor(self, *addresses: str) -> MemoryReactor:
        """
        Add a host.

        @param addresses: its addresses; by default the next ones of C{192.0.2.1} and C{2001:db8::1} and so on. Loopback addresses need not
            be listed: each host has its own.

        @return: the host's reactor.
        """
        if not addresses:
            number = len(self._reactors) + 1
            addresses = (f"192.0.2.{number}", f"2001:db8::{number:x}")
        names = tuple([normal(address) for address in addresses])
        for name in names:
            if name in self._hosts:
                raise ValueError(f"there is a host at {name} already")
        made = MemoryReactor(self, names)
        for name in names:
            self._hosts[name] = made
        self._reactors.append(made)
        return made

    def shape(
        self,
        destination: str | None = None,
        source: str | None = None,
        *,
        delay: float = 0.0,
        jitter: float = 0.0,
        loss: float = 0.0,
        duplicate: float = 0.0,
        silent: bool = False,
        fragment: int | None = None,
        admit: Callable[[Datagram], bool] | None = None,
        blocked: Iterable[int] = (),
    ) -> Link:
        """
        Set the link from C{source} to C{destination}; either may be left out to match all hosts. A rule with both takes precedence over one
        with the destination only, and that over one with the source only.

        The other parameters are the attributes of the L{Link}.
        """
        link = Link(delay, jitter, loss, duplicate, silent, fragment, admit, frozenset(blocked))
        key = (None if source is None else normal(source), None if destination is None else normal(destination))
        if key == (None, None):
            self.link = link
        else:
            self._links[key] = link
        return link

    def linkBetween(self, source: str, destination: str) -> Link:
        if self.dead and not self.dead.isdisjoint((source, destination)):
            return _NOTHING
        links = self._links
        if not links:
            return self.link
        return links.get((source, destination)) or links.get((None, destination)) or links.get((source, None)) or self.link

    def hostAt(self, address: str, asking: MemoryReactor | None = None) -> MemoryReactor | None:
        """
        Return the host with an address, or L{None}.

        @param asking: the host that loopback addresses refer to.
        """
        host = self._hosts.get(address)
        return asking if host is None and asking is not None and isLoopback(address) else host

    def advance(self, seconds: float = 0.0) -> None:
        """
        Advance the clock. Each event happens at its own time, and so do those that follow from it.

        @param seconds: 0 for what is due now.

        @raise ValueError: C{seconds} is negative.
        """
        if not seconds >= 0:
            raise ValueError(f"advance({seconds!r}): time does not go backwards; give a number of seconds from 0 on")
        clock = self.clock
        target = clock.rightNow + seconds
        turns = 0
        # Like Clock.advance, but with the time of each event.
        while (call := takeDue(clock, target)) is not None:
            due = call.getTime()
            turns = turns + 1 if due <= clock.rightNow else 0
            if turns > _MOST_TURNS:
                raise RuntimeError("endless loop: a delayed call schedules itself again for the same time")
            clock.rightNow = max(clock.rightNow, due)
            call.called = 1
            call.func(*call.args, **call.kw)
        clock.rightNow = max(clock.rightNow, target)

    def inject(self, octets: bytes, source: Address, destination: Address) -> None:
        """
        Send a datagram with a spoofed source address. It is delivered at once; connected sockets check its source as usual.
        """
        forged = Datagram(self.clock.seconds(), (normal(source[0]), source[1]), (normal(destination[0]), destination[1]), octets)
        if self.recording:
            self.datagrams.append(forged)
        self._deliver(forged, self.hostAt(forged.destination[0]))

    def injectRefusal(self, source: Address, destination: Address) -> None:
        """
        Deliver an ICMP error, genuine or spoofed, to the host of C{destination}, as if its datagrams to C{source} had met a closed port.
        """
        host = self.hostAt(normal(destination[0]))
        if host is not None:
            host.refuse(Datagram(self.clock.seconds(), (normal(destination[0]), destination[1]), (normal(source[0]), source[1]), b""))

    def carry(self, host: MemoryReactor, source: Address, destination: Address, octets: bytes) -> None:
        self.sent[destination] += 1
        datagram = Datagram(self.clock.seconds(), source, destination, octets)
        if self.recording:
            self.datagrams.append(datagram)
        link = self.linkBetween(source[0], destination[0])
        for delay in link.journeys(datagram, self.dice):
            self.clock.callLater(delay, self._deliver, datagram, self.hostAt(destination[0], host))

    def _deliver(self, datagram: Datagram, host: MemoryReactor | None) -> None:
        # Without a host at that address there is no ICMP error either.
        if host is None or host.receive(datagram):
            return
        # A closed port: an ICMP error goes to the datagram's source address, spoofed or not.
        sender = self.hostAt(datagram.source[0], host)
        link = self.linkBetween(datagram.destination[0], datagram.source[0])
        if sender is not None and not link.silent and sender.cares(datagram):
            self.clock.callLater(link.delay, sender.refuse, datagram)

    @property
    def hosts(self) -> list[MemoryReactor]:
        """
        All hosts, in the order in which they were added.
        """
        return list(self._reactors)

    def pending(self) -> list[str]:
        """
        Return descriptions of all open sockets, connections and delayed calls of all hosts.
        """
        return [thing for reactor in self._reactors for thing in reactor.pending()]
