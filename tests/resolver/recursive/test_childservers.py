"""
Tests of zones that name other servers than their parent does.
"""

from __future__ import annotations

from math import inf
from unittest import mock

from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.recursion.delegations import Delegation as KnownDelegation
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.testing.internet import Delegation, Fault, Internet
from twisted_ext.testing.sources import questionOf

_RECORDS = "@ NS dead1.example.net.\nwww A 192.0.2.80\nmail A 192.0.2.25\n"


def _secondsFor(*questions: tuple[str, str]) -> list[float]:
    """
    Return how long each of some look-ups takes, one after the other, in a zone all of whose own servers are dead; infinity if it fails.
    """
    internet = Internet(seed=5, signed=False)
    internet.server("dead1.example.net", "203.0.113.1")
    internet.inject(Fault.DEAD, "dead1.example.net")
    internet.zone("example.net", "dead1 A 203.0.113.1\n", ["good.example.net"])
    internet.zone("example.org", _RECORDS, ["good.example.net"], delegation=Delegation(["good.example.net"]))
    here = internet.reactor()
    stack = recursiveStack(here, rootFromText(internet.hints, "hints"))
    found = []
    for name, rrType in questions:
        began = here.seconds()
        try:
            internet.wait(lookUp(stack, questionOf(name, rrType), QueryContext(began + 60)), 65)
        except DNSFault:
            found.append(inf)
        else:
            found.append(here.seconds() - began)
    return found


def test_parentalServersComeBack() -> None:
    """
    If the servers that a zone names do not reply, those of its parent are used, and only the first look-up waits; without that, all wait or
    run out of time.
    """
    questions = [("example.org", "NS"), ("www.example.org", "A"), ("mail.example.org", "A"), ("www.example.org", "TXT")]
    _, first, second, third = _secondsFor(*questions)
    assert 1.0 < first < inf
    # One query to a dead server, at most, before the next one is asked.
    assert max(second, third) < 0.5
    with mock.patch.object(KnownDelegation, "restore"):
        _, first, second, third = _secondsFor(*questions)
    assert min(first, second, third) > 1.0
