"""
Tests of resolvers without a network, or without one for IPv6: what cannot be sent costs a look-up nothing.
"""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.resolver.recursive.stacks import Stack
from twisted_ext.answers import QueryContext, Security
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault, WorkSpent
from twisted_ext.recursion.hints import builtInRoot
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.reactors import MemoryReactor
from twisted_ext.testing.sources import questionOf

__all__: list[str] = []


class _Host(MemoryReactor):
    """
    A host without a network.
    """

    def sourceFor(self, destination: str, interface: str) -> str:
        raise OSError(101, "Network is unreachable")


def test_withoutNetwork() -> None:
    """
    Without a network the reason is the network's, not that the look-up would take too many packets.
    """
    clock = Clock()
    network = MemoryNetwork(clock, seed=1)
    here = network.reactor("192.0.2.1")
    here.__class__ = _Host
    source = recursiveStack(here, builtInRoot(), pool=ServerPool(here))
    failures: list[BaseException | None] = []

    def keep(failure: Failure) -> None:
        failures.append(failure.value)

    for seconds in (0.0, 2.0):
        network.advance(seconds)
        lookUp(source, questionOf("www.example.com"), QueryContext(here.seconds() + 10)).addErrback(keep)
        network.advance(10)
    assert len(failures) == 2
    for failure in failures:
        assert isinstance(failure, DNSFault) and not isinstance(failure, WorkSpent), failure
    assert "www.example.com. IN A: no root server can be reached: " in str(failures[0])
    assert "cannot be reached: Network is unreachable" in str(failures[0])
    source.close()


def test_withoutIPv6() -> None:
    """
    Where IPv4 alone works, names of signed zones whose servers have eight unreachable IPv6 addresses are found.
    """
    internet = Internet(seed=4, families=(4, 6))
    for number in range(12):
        zone = f"z{number}.example"
        servers = tuple([f"ns{each}.hosts{number}.example" for each in range(8)])
        internet.zone(zone, "www 60 A 192.0.2.1\n", servers, signed=True)
    internet.families = (4,)
    stack = Stack(internet)
    for number in range(12):
        answer = stack.look(f"www.z{number}.example")
        assert (answer.security, len(answer.answer)) == (Security.SECURE, 2), number


def test_unsentPackets() -> None:
    """
    Packets that could not be sent are not counted, but for those of a look-up that does nothing else.
    """
    work = Work(packets=3)
    for _ in range(200):
        work.spend()
        work.unsent()
    assert work.packets == 0
    for _ in range(3):
        work.spend()
        work.unsent()
    with pytest.raises(WorkSpent):
        work.spend()
