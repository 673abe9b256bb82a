"""
Tests of what hooks decide, and of what they may be told.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from twisted_ext.errors import CallerFault
from twisted_ext.hooks import PASS, Hook, Verdict, answer, hook, nodata, nxdomain, refuse
from twisted_ext.wire.rrtypes import AAAA, CNAME, A


def test_verdicts() -> None:
    """
    Verdicts have the rcode, the extended error and the records that they are made with.
    """
    assert refuse("not you") == Verdict("refuse", 5, ((18, "not you"),))
    assert refuse(rcode=2) == Verdict("refuse", 2, ((18, ""),))
    assert nxdomain() == Verdict("answer", 3, ((4, ""),))
    assert nodata() == Verdict("answer", 0, ((4, ""),))
    made = answer("A 192.0.2.1", "a 192.0.2.2", "A 192.0.2.1", "AAAA 2001:db8::1", ttl=7)
    assert made.records == (
        (A, 7, (bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))),
        (AAAA, 7, (bytes.fromhex("20010db8000000000000000000000001"),)),
    )
    assert answer("CNAME www.example.").records == ((CNAME, 60, (b"\x03www\x07example\x00",)),)
    assert len(refuse("x" * 1000).ede[0][1]) == 200


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: answer(), "0 records"),
        (lambda: answer(*[f"A 10.0.{each >> 8}.{each & 255}" for each in range(257)]), "257 records"),
        (lambda: answer("192.0.2.1"), "'192.0.2.1' is not a record"),
        (lambda: answer("A 192.0.2"), "the record 'A 192.0.2'"),
        (lambda: answer("RRSIG A 8 2 60 20300101000000 20200101000000 1 example. AAAA"), "not a record of a zone"),
        (lambda: answer("ANY x"), "not a record of a zone"),
        (lambda: answer("CNAME a.example.", "A 192.0.2.1"), "an alias beside other records"),
        (lambda: answer("CNAME a.example.", "CNAME b.example."), "an alias beside other records"),
        (lambda: answer(*[f'TXT "{each:0250}"' for each in range(70)]), "more than 16,384 octets"),
        (lambda: answer("A 192.0.2.1", ttl=-1), "the TTL -1"),
        (lambda: refuse(rcode=0), "the rcode 0"),
        (lambda: refuse(rcode=16), "the rcode 16"),
    ],
)
def test_wrongVerdicts(make: Callable[[], object], said: str) -> None:
    """
    A mistake is told where it is made.
    """
    with pytest.raises(CallerFault, match=said):
        make()


def test_decorated() -> None:
    """
    A decorated function stays what it is, and has its hook.
    """

    @hook(seconds=0.5, otherwise=nxdomain(), keep=7, below=["CDN.example"])
    def decide(name: str, client: IPv4Address | IPv6Address) -> Verdict:
        return PASS

    assert decide("a", IPv4Address("192.0.2.1")) is PASS
    made = decide.hook
    assert (made.parameters, made.kinds) == (("name", "client"), {"name": str, "client": IPv4Address})
    assert (made.seconds, made.otherwise, made.keep, made.below) == (0.5, nxdomain(), 7, (b"\x03cdn\x07example\x00",))
    assert made.isPersonal
    assert not Hook(lambda name, type, view: PASS).isPersonal
    assert Hook(lambda network: PASS).isPersonal


def _nothing() -> Verdict:
    return PASS


def _onlyResolver(resolver: object) -> Verdict:
    return PASS


def _strange(name: str, colour: str) -> Verdict:
    return PASS


def _several(*name: str) -> Verdict:
    return PASS


def _annotated(name: int) -> Verdict:
    return PASS


def _wrongAddress(client: IPv4Address) -> Verdict:
    return PASS


class _Empty:
    pass


@pytest.mark.parametrize(
    ("function", "more", "said"),
    [
        (_nothing, {}, "takes nothing"),
        (_onlyResolver, {}, "takes nothing of the query, so its verdict would be the same for all; right are some of name, type"),
        (_strange, {}, "takes colour: str, which a hook cannot be told; right are some of name, type, view, client, network"),
        (_several, {}, r"takes \*name"),
        (_annotated, {}, "name is annotated <class 'int'>; right is str or bytes"),
        (_Empty, {}, "has no method ask"),
        (test_verdicts, {}, "takes nothing"),
        (_wrongAddress, {"seconds": 0}, "seconds is 0"),
        (_wrongAddress, {"seconds": 2}, "seconds is 2"),
        (_wrongAddress, {"keep": -1}, "keep is -1"),
        (_wrongAddress, {"otherwise": None}, "otherwise is None"),
        (_wrongAddress, {"below": "example"}, "below is a text"),
        (_wrongAddress, {"below": ["x" * 64]}, "below: "),
    ],
)
def test_wrongHooks(function: Callable[..., object], more: dict[str, object], said: str) -> None:
    """
    What cannot work is told when the hook is made.
    """
    make: Callable[..., object] = Hook
    with pytest.raises(CallerFault, match=said):
        make(function, **more)


def test_changed() -> None:
    """
    Who follows a hook is told that its verdicts are out of date.
    """
    told: list[int] = []
    made = Hook(_annotatedWell)
    first, second = lambda: told.append(1), lambda: told.append(2)
    made.follow(first)
    made.follow(second)
    made.changed()
    made.leave(first)
    made.changed()
    assert told == [1, 2, 2]


def _annotatedWell(name: bytes, type: int) -> Verdict:
    return PASS
