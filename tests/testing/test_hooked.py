"""
Tests of what tests hooks.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from twisted_ext.hooks import DROP, PASS, TRUNCATE, Verdict, answer, hook, nxdomain, refuse, upstream, view
from twisted_ext.testing.hooked import HookedReply, HookTester
from twisted_ext.testing.internet import Internet

#: The client of the present query, which no hook should go by.
_present: list[str] = []


class Awaiting:
    """
    Waits for what it decides.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def ask(self, name: str, client: str) -> Verdict:
        await deferLater(self._reactor, 0.1)
        return refuse("not in your plan") if client == "10.0.0.7" else PASS


@hook(keep=60)
def shared(name: str) -> Verdict:
    return answer("AAAA 2001:db8::1", "A 192.0.2.1") if name == "www.example.org" else PASS


@hook(otherwise=refuse("late"))
def late(name: str) -> Deferred[Verdict]:
    return Deferred()


def test_replies(internet: Internet, hooked: HookTester) -> None:
    """
    A client gets what the hook decides, and names of the internet otherwise.
    """
    internet.zone("example.com", "www A 198.51.100.80")
    assert hooked(Awaiting, "www.example.com") == HookedReply(0, ("A 198.51.100.80",))
    assert hooked(Awaiting, "www.example.com", client="10.0.0.7") == HookedReply(5, (), ("not in your plan",))
    assert hooked(Awaiting, "www.example.com") == HookedReply(0, ("A 198.51.100.80",))
    assert hooked(shared, "www.example.org", "AAAA").records == ("AAAA 2001:db8::1",)
    assert hooked(lambda name: nxdomain(), "www.example.com").rcode == 3
    assert hooked(lambda name: DROP, "www.example.com") == HookedReply(None)
    assert hooked(lambda name: DROP, "www.example.com", stream=True).rcode == 5
    assert hooked(lambda name: TRUNCATE, "www.example.com").isTruncated
    assert hooked(late, "www.example.com") == HookedReply(5, (), ("late",))


def test_views(internet: Internet, hooked: HookTester) -> None:
    """
    Views are settings; a hook chooses that of a client, or the upstream of one.
    """
    internet.zone("example.com", "www A 198.51.100.80")
    hooked.settings["view"] = [{"name": "kids", "clients": [], "local": ["www.example.com A 192.0.2.9"], "upstream": ["192.0.2.200"]}]

    def chooses(client: str) -> Verdict:
        return view("kids") if client == "10.0.0.7" else PASS

    assert [hooked(chooses, "www.example.com", client=f"10.0.0.{number}").records for number in (7, 8, 7)] == [
        ("A 192.0.2.9",), ("A 198.51.100.80",), ("A 192.0.2.9",)
    ]
    # The server at that address does not reply.
    assert hooked(lambda name: upstream("kids"), "www.example.com").rcode == 2


def _byPresent(name: str) -> Verdict:
    return nxdomain() if _present and _present[-1].endswith("1") else PASS


@pytest.mark.parametrize("function", [Awaiting, shared, lambda client: refuse() if client.endswith("1") else PASS])
def test_check(hooked: HookTester, function: Callable[..., object]) -> None:
    """
    A hook that goes by what it takes is answered alike with and without what is kept.
    """
    hooked.check(function, questions=100)


def test_checkFinds(hooked: HookTester, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    One that goes by a global that depends on the client is found.
    """
    from twisted_ext.testing import hooked as module

    send = module.send

    def noted(*arguments: object, **more: object) -> list[bytes]:
        _present.append(str(arguments[2]))
        plain: Callable[..., list[bytes]] = send
        return plain(*arguments, **more)

    monkeypatch.setattr(module, "send", noted)
    with pytest.raises(AssertionError, match="_byPresent takes name, and goes by something else as well"):
        hooked.check(_byPresent, questions=100)
    _present.clear()


def test_noSuchType(hooked: HookTester) -> None:
    with pytest.raises(ValueError, match="'NONSENSE' is not a record type"):
        hooked(shared, "www.example.com", "NONSENSE")
