"""
A network in memory: hosts, the links between them, and time::

    network = MemoryNetwork()
    there = network.reactor("192.0.2.53")
    here = network.reactor("192.0.2.7")
    ...                       # listen there, ask from here
    network.advance(1.0)      # a second passes, everything in it happens
    here.pending()            # what is left: nothing, one hopes
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from random import Random
from typing import TYPE_CHECKING, Final

from twisted.internet.base import DelayedCall
from twisted.internet.task import Clock

from twisted_ext.testing.links import Datagram, Link

if TYPE_CHECKING:
    from twisted_ext.testing.reactors import MemoryReactor

__all__ = ["Address", "MemoryNetwork", "normal"]

#: An IP address and a port.
Address = tuple[str, int]

#: Turns at one moment after which a test is taken to run in circles.
_MOST_TURNS: Final = 1_000_000


@lru_cache(1024)
def normal(address: str) -> str:
    """
    @return: the address in its short form, without a scope.
    """
    return str(ip_address(address.partition("%")[0]))


class MemoryNetwork:
    """
    Carries datagrams and streams between hosts, late, twice, in another order or not at all, as told.

    @param clock: whose time it is; one of its own by default.
    @param seed: of the dice for loss, jitter and the like, so that a test sees the same each time.
    @ivar clock: whose time it is.
    @ivar link: how packets travel where nobody said anything else. At first they arrive in the same moment.
    @ivar sent: datagrams sent to each C{(address, port)}, whether they arrived or not.
    @ivar dialed: connections tried to each C{(address, port)}.
    @ivar datagrams: all datagrams that were sent, the injected ones too, in order, unless C{recording} is off.
    @ivar recording: whether to keep them.
    """

    def __init__(self, clock: Clock | None = None, seed: int = 0) -> None:
        self.clock = Clock() if clock is None else clock
        self.dice = Random(seed)
        self.link = Link()
        self.sent: Counter[Address] = Counter()
        self.dialed: Counter[Address] = Counter()
        self.datagrams: list[Datagram] = []
        self.recording = True
        self._links: dict[tuple[str | None, str | None], Link] = {}
        self._hosts: dict[str, MemoryReactor] = {}
        self._reactors: list[MemoryReactor] = []

    def reactor(self, *addresses: str) -> MemoryReactor:
        """
        Set up a host.

        @param addresses: what it can be reached at; by default the next of C{192.0.2.1} and C{2001:db8::1} and so on. Loopback addresses
            need not be named: each host has its own.

        @return: the reactor that its programs run on.
        """
        from twisted_ext.testing.reactors import MemoryReactor

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
    ) -> Link:
        """
        Say how packets travel from C{source} to C{destination}, or from and to wherever they are left out. What names both goes
        before what names the destination, and that before what names the source.

        @param delay: seconds on the way.
        @param jitter: up to so many seconds more, drawn for each datagram, so that they overtake each other.
        @param loss: share of datagrams that get lost, from 0 to 1.
        @param duplicate: share of datagrams that arrive twice.
        @param silent: a black hole: nothing arrives, and nobody is told.
        @param fragment: octets in which the pieces of a stream arrive.
        @param admit: asked for each datagram; those for which it says no get lost.
        """
        link = Link(delay, jitter, loss, duplicate, silent, fragment, admit)
        key = (None if source is None else normal(source), None if destination is None else normal(destination))
        if key == (None, None):
            self.link = link
        else:
            self._links[key] = link
        return link

    def linkBetween(self, source: str, destination: str) -> Link:
        """
        @return: how packets travel between two addresses.
        """
        links = self._links
        if not links:
            return self.link
        return links.get((source, destination)) or links.get((None, destination)) or links.get((source, None)) or self.link

    def hostAt(self, address: str, asking: MemoryReactor | None = None) -> MemoryReactor | None:
        """
        @param asking: the host that asks, whose own the loopback addresses are.
        """
        if asking is not None and ip_address(address).is_loopback and address not in self._hosts:
            return asking
        return self._hosts.get(address)

    def advance(self, seconds: float = 0.0) -> None:
        """
        Let time pass. Everything that becomes due happens at its own time, and what follows from it as well.
        """
        clock = self.clock
        target = clock.rightNow + seconds
        turns = 0
        # As the clock itself does, but going from moment to moment.
        clock.calls.sort(key=DelayedCall.getTime)
        while clock.calls and clock.calls[0].getTime() <= target:
            call = clock.calls.pop(0)
            due = call.getTime()
            turns = turns + 1 if due <= clock.rightNow else 0
            if turns > _MOST_TURNS:
                raise RuntimeError("time stands still: something schedules itself again and again for the same moment")
            clock.rightNow = max(clock.rightNow, due)
            call.called = 1
            call.func(*call.args, **call.kw)
            # What was moved meanwhile is put in its place.
            clock.calls.sort(key=DelayedCall.getTime)
        clock.rightNow = max(clock.rightNow, target)

    def inject(self, octets: bytes, source: Address, destination: Address) -> None:
        """
        Send a datagram in somebody else's name. It arrives as any other would that comes from there, only at once, and the sockets that it
        does not belong to do not see it.
        """
        forged = Datagram(self.clock.seconds(), (normal(source[0]), source[1]), (normal(destination[0]), destination[1]), octets)
        if self.recording:
            self.datagrams.append(forged)
        self._deliver(forged, self.hostAt(forged.destination[0]))

    def injectRefusal(self, source: Address, destination: Address) -> None:
        """
        Tell the host of C{destination} by ICMP, true or forged, that its datagrams from there to C{source} meet a closed port.
        """
        host = self.hostAt(normal(destination[0]))
        if host is not None:
            host.refuse(Datagram(self.clock.seconds(), (normal(destination[0]), destination[1]), (normal(source[0]), source[1]), b""))

    def carry(self, host: MemoryReactor, source: Address, destination: Address, octets: bytes) -> None:
        """
        Take a datagram from a host.
        """
        self.sent[destination] += 1
        datagram = Datagram(self.clock.seconds(), source, destination, octets)
        if self.recording:
            self.datagrams.append(datagram)
        link = self.linkBetween(source[0], destination[0])
        for delay in link.journeys(datagram, self.dice):
            self.clock.callLater(delay, self._deliver, datagram, self.hostAt(destination[0], host))

    def _deliver(self, datagram: Datagram, host: MemoryReactor | None) -> None:
        # Nobody at that address: nobody says so either.
        if host is None or host.receive(datagram):
            return
        # A closed port: ICMP goes back to whom the datagram names as its sender.
        sender = self.hostAt(datagram.source[0], host)
        link = self.linkBetween(datagram.destination[0], datagram.source[0])
        if sender is not None and not link.silent and sender.cares(datagram):
            self.clock.callLater(link.delay, sender.refuse, datagram)

    def pending(self) -> list[str]:
        """
        @return: what all hosts together have open: sockets, connections, delayed calls, in words.
        """
        return [thing for reactor in self._reactors for thing in reactor.pending()]
