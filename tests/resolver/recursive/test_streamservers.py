"""
Tests of authoritative servers that answer only over TCP.
"""

from __future__ import annotations

from unittest import mock

from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.serverstats import ServerStats
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.sources import questionOf


class _World:
    """
    A zone whose servers answer only over TCP, and a resolver.
    """

    def __init__(self) -> None:
        self.internet = Internet(seed=5, signed=False)
        self.internet.zone("example.org", "".join([f"h{number} A 192.0.2.{number}\n" for number in range(9)]))
        self.internet.inject(Fault.TCP_ONLY, "example.org")
        self.here = self.internet.reactor()
        self.stack = recursiveStack(self.here, rootFromText(self.internet.hints, "hints"))

    def secondsFor(self, name: str) -> float:
        """
        Return how long it takes to find a name.
        """
        began = self.here.seconds()
        answer = self.internet.wait(lookUp(self.stack, questionOf(name), QueryContext(began + 60)), 65)
        assert answer.outcome is Outcome.DATA
        return self.here.seconds() - began


def test_onlyFirstLookUpsWait() -> None:
    """
    The first look-ups wait for replies over UDP; later ones use TCP at once, and would wait as well if that were not remembered.
    """
    world = _World()
    assert world.secondsFor("h0.example.org") > 1.0
    for number in range(1, 5):
        world.secondsFor(f"h{number}.example.org")
    assert max([world.secondsFor(f"h{number}.example.org") for number in range(5, 9)]) < 1.0
    with mock.patch.object(ServerStats, "neededStream"):
        world = _World()
        assert min([world.secondsFor(f"h{number}.example.org") for number in range(4)]) > 1.0


def test_datagramsAreUsedAgain() -> None:
    """
    A look-up that gets no reply over TCP goes back to UDP.
    """
    world = _World()
    world.secondsFor("h0.example.org")
    world.internet.clear(Fault.TCP_ONLY, "example.org")
    world.internet.inject(Fault.UDP_ONLY, "example.org")
    world.secondsFor("h1.example.org")
    assert world.secondsFor("h2.example.org") < 0.5
