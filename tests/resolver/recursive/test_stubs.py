"""
Tests of the servers of stub zones, as settings name them.
"""

from __future__ import annotations

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.recursive.stubs import stubDelegation, stubTarget
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

ZONE = nameFromText("corp.example")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:53", "192.0.2.1"),
        (" 192.0.2.1#5353", "192.0.2.1:5353"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
        ("2001:db8::1#5353", "[2001:db8::1]:5353"),
        ("NS1.example.net", "NS1.example.net."),
        ("ns1.example.net.:5353", "ns1.example.net.:5353"),
        ("ns1.example.net#5353", "ns1.example.net.:5353"),
        ("ns.example", "ns.example."),
    ],
)
def test_targets(text: str, expected: str) -> None:
    """
    A server is given by address or name, with a port if it has another one than 53, and the canonical form stays the same.
    """
    assert stubTarget(text, ZONE) == expected
    assert stubTarget(expected, ZONE) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "a..b", "192.0.2.300", "192.0.2.1:0", "192.0.2.1:65536"),
        *("ns1.example.net:x", "ns1.example.net:", "2001:db8::1::2", "[2001:db8::1"),
    ],
)
def test_wrongTargets(text: str) -> None:
    """
    What is neither an address nor a name, or has a wrong port, is refused.
    """
    with pytest.raises(BadDescription):
        stubTarget(text, ZONE)


@pytest.mark.parametrize("text", ["ns.corp.example", "corp.example", "NS.CORP.example:5353"])
def test_nameInsideOfItsZone(text: str) -> None:
    """
    A name inside of the zone is refused, because only the zone's servers could look it up.
    """
    with pytest.raises(BadDescription, match="give its address"):
        stubTarget(text, ZONE)


def test_namedServersAreLookedUp() -> None:
    """
    Addresses are known at once and for good, those of names after a look-up and for their TTL, with the port.
    """
    delegation = stubDelegation(ZONE, ["192.0.2.1:5353", "ns.example.net.:5300", "ns.example.net."])
    assert delegation.addresses(1e9, A) == ["192.0.2.1:5353"]
    first, second = delegation.unresolved(0.0)
    first.learn(["192.0.2.2", "2001:db8::2"], 60, 0.0)
    second.learn(["192.0.2.2"], 60, 0.0)
    assert delegation.addresses(1.0, A) == ["192.0.2.1:5353", "192.0.2.2:5300", "[2001:db8::2]:5300", "192.0.2.2"]
    assert len(list(delegation.unresolved(61.0))) == 2
