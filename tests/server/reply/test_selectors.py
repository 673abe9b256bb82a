"""
Tests of L{twisted_ext.server.features.views.selectors}.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.errors import BadDescription
from twisted_ext.server.features.views.selectors import Selectors

_ADDRESSES = st.one_of(
    st.builds("10.{}.{}.{}".format, st.integers(0, 1), st.integers(0, 3), st.integers(0, 7)),
    st.builds("fd00::{:x}:{:x}".format, st.integers(0, 3), st.integers(0, 7)),
)


@st.composite
def _prefix(draw: st.DrawFn) -> str:
    address = ip_address(draw(_ADDRESSES))
    length = address.max_prefixlen - draw(st.sampled_from([0, 1, 3, 8, 12, 20]))
    return "any" if draw(st.integers(0, 9)) == 0 else str(ip_network((address, length), strict=False))


def naive(lists: Sequence[Sequence[str]], client: str) -> int:
    """
    Return the number of the first list that has a client, looking at each prefix.
    """
    address = ip_address(client)
    for number, prefixes in enumerate(lists):
        if any(each == "any" or address in ip_network(each) for each in prefixes):
            return number
    return -1


@given(st.lists(st.lists(_prefix(), max_size=3), max_size=6), st.lists(_ADDRESSES, min_size=1, max_size=8))
def test_sameAsLookingAtEach(lists: list[list[str]], clients: list[str]) -> None:
    """
    The list that is found is the first one that has the address; and no list that is called hidden is ever found.
    """
    selectors = Selectors(lists)
    for client in clients:
        number = selectors.find(client)
        assert number == naive(lists, client)
        assert number not in selectors.hidden


def test_addresses() -> None:
    """
    The scope of an address and its form as an IPv6 address do not matter; clients of Unix sockets have none.
    """
    selectors = Selectors([["192.0.2.0/24", "fe80::/10"], ["any"]])
    clients = ("192.0.2.7", "::ffff:192.0.2.7", "fe80::1%eth0", "192.0.3.1", "2001:db8::1", "")
    assert [selectors.find(each) for each in clients] == [0, 0, 0, 1, 1, -1]
    assert Selectors([]).find("192.0.2.7") == -1


def test_hidden() -> None:
    """
    A list is hidden if others before it have all of its addresses.
    """
    lists = [["192.168.0.0/16"], ["192.168.1.0/24"], ["192.168.2.1", "10.0.0.1"], ["10.0.0.1", "192.168.3.0/24"], []]
    assert Selectors(lists).hidden == {1: 0, 3: 0}
    assert Selectors([["0.0.0.0/0"], ["any"], ["::/0"], ["any"]]).hidden == {2: 1, 3: 0}


@pytest.mark.parametrize("prefix", ["", "192.0.2.1/24", "192.0.2", "example", "192.0.2.0/33"])
def test_badPrefixes(prefix: str) -> None:
    """
    What is no prefix is refused with what would be one.
    """
    with pytest.raises(BadDescription, match="takes an address with or without the length of a prefix|names no client"):
        Selectors([["192.0.2.1"], [prefix]])


def test_manyListsCostNoMore() -> None:
    """
    To find one of a thousand lists takes as many look-ups as there are lengths of prefixes, not as there are lists.
    """
    dice = random.Random(3)
    selectors = Selectors([[f"10.{number >> 8}.{number & 255}.0/24"] for number in range(1000)])
    (index,) = selectors._indexes.values()
    assert [len(lengths) for lengths in index._prefixes.values()] == [1, 0]
    for _ in range(1000):
        number = dice.randrange(1000)
        assert selectors.find(f"10.{number >> 8}.{number & 255}.{dice.randrange(256)}") == number
