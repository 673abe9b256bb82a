"""
Tests of L{twisted_ext.integrations.aioxmpp.perthread}.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet._resolver import SimpleResolverComplexifier
from twisted.internet.task import Clock

from tests.integrations.aioxmpp.faces import LATE, Coroutines, Scripted
from tests.typed import newHosts
from twisted_ext.answers import Outcome, QueryContext
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import CallerFault
from twisted_ext.integrations import aioxmpp as deferreds
from twisted_ext.integrations.aioxmpp import asyncio as network
from twisted_ext.integrations.aioxmpp import perthread
from twisted_ext.integrations.aioxmpp.blockingresolver import BlockingResolver
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.system import configured
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.sources import HeldSource, atHand, questionOf

__all__: list[str] = []


@pytest.fixture(autouse=True)
def freshThreadState(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Start with empty state of the thread.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())


def test_eachThreadHasItsResolver() -> None:
    """
    Each thread has one resolver of its own.
    """
    found: list[object] = []

    def look() -> None:
        found.append(network.get_resolver())
        found.append(network.get_resolver())

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    look()
    assert [found[index] is found[index + 1] for index in (0, 2, 4)] == [True, True, True]
    assert len({id(each) for each in found}) == 3
    assert all(isinstance(each, NamesResolver) for each in found)


def test_resolverIsSetForOneThread() -> None:
    """
    A resolver is set for the current thread only.
    """
    theirs: list[object] = []
    mine = Scripted()
    network.set_resolver(mine)
    thread = threading.Thread(target=lambda: theirs.append(network.get_resolver()))
    thread.start()
    thread.join()
    assert network.get_resolver() is mine
    assert theirs[0] is not mine


def test_interfacesShareTheResolver() -> None:
    """
    Coroutines and Deferreds share the resolver.
    """
    assert network.get_resolver() is deferreds.getResolver()
    deferreds.setResolver("udp:192.0.2.1")
    assert network.get_resolver() == "udp:192.0.2.1"


def test_reconfigureMakesANewResolver() -> None:
    """
    Reconfiguring creates a new resolver with the current configuration; the previous one stays usable.
    """
    before = network.get_resolver()
    network.reconfigure_resolver()
    after = network.get_resolver()
    assert after is not before
    assert isinstance(before, NamesResolver)
    assert not before.closed


def test_reconfigureAllowsRenewal() -> None:
    """
    Reconfiguring allows automatic renewal again after a resolver was set.
    """
    network.set_resolver(Scripted())
    assert perthread.ownResolver() is None
    network.reconfigure_resolver()
    own = perthread.ownResolver()
    assert own is network.get_resolver()
    assert own is not None
    perthread.renewResolver(own)
    assert network.get_resolver() is not own


def test_setResolverIsNotRenewed() -> None:
    """
    A resolver that was set is not renewed, even if a look-up of the previous one fails afterwards.
    """
    own = perthread.ownResolver()
    assert own is not None
    mine = Scripted(LATE, LATE)
    network.set_resolver(mine)
    perthread.renewResolver(own)
    assert network.get_resolver() is mine


def test_noneIsRefused() -> None:
    """
    L{None} is refused as a resolver.
    """
    with pytest.raises(CallerFault, match="resolver: None"):
        network.set_resolver(None)


@pytest.mark.parametrize("face", [network.set_resolver, deferreds.setResolver])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (5, "resolver: 5 is neither a description such as 'udp:192.0.2.1' nor a resolver"),
        (b"udp:192.0.2.1", "resolver: b'udp:192.0.2.1' is neither a description"),
        (object(), "is neither a description"),
        ("", "resolver: ''"),
        ("foo:", "resolver: 'foo:', column 1: .*foo"),
        ("udp:nowhere", "resolver: 'udp:nowhere', column 5: .*nowhere"),
    ],
)
def test_invalidResolverIsRefused(given: object, expected: str, face: Callable[[object], None]) -> None:
    """
    An invalid resolver or description is refused at once, and the previous one stays.
    """
    mine = Scripted()
    face(mine)
    with pytest.raises(CallerFault, match=expected) as raised:
        face(given)
    assert "\n" not in str(raised.value)
    assert network.get_resolver() is mine


@pytest.mark.parametrize("face", [network.set_resolver, deferreds.setResolver])
def test_settingReadsNoFiles(face: Callable[[object], None], tmp_path: Path) -> None:
    """
    Setting a description does not read the files that it names.
    """
    face(f"system:resolvConf={tmp_path}/none:hosts={tmp_path}/none")
    face(f"hosts:{tmp_path}/none")
    assert network.get_resolver() == f"hosts:{tmp_path}/none"
    assert perthread._thread.made is None


@pytest.mark.parametrize(
    "make",
    [
        Scripted,
        HeldSource,
        lambda: newHosts("/nowhere"),
        lambda: SimpleResolverComplexifier(newHosts("/nowhere")),
        lambda: BlockingResolver("special"),
    ],
)
def test_anyResolverCanBeSet(make: Callable[[], object]) -> None:
    """
    Any source, resolver of this package or of Twisted, and blocking resolver can be set.
    """
    given = make()
    network.set_resolver(given)
    assert network.get_resolver() is given


def test_systemConfigurationIsUsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The resolver uses the system's configuration.
    """
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 192.0.2.53\n")
    monkeypatch.setattr(configured, "SYSTEM_RESOLV_CONF", str(path))
    found = network.get_resolver()
    assert isinstance(found, NamesResolver)
    assert isinstance(found.source, System)
    assert [server.address for server in found.source.configuration.servers] == ["192.0.2.53"]
    path.write_text("nameserver 192.0.2.54\n")
    network.reconfigure_resolver()
    found = network.get_resolver()
    assert isinstance(found, NamesResolver)
    assert isinstance(found.source, System)
    assert [server.address for server in found.source.configuration.servers] == ["192.0.2.54"]


@pytest.mark.parametrize("text", [None, "", "search example.org\n"])
def test_noConfiguredServerMeansNoRecords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """
    Each look-up gives no records at once if no name server is configured.
    """
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(configured, "SYSTEM_RESOLV_CONF", str(path))
    found = network.get_resolver()
    assert isinstance(found, NamesResolver)
    answer = atHand(found.source, questionOf("example.org"), QueryContext(0.0))
    assert answer is not None
    assert answer.outcome is Outcome.NODATA
    face = Coroutines()
    assert face.query(b"example.org", "A") is None
    assert face.query(b"example.org", "A", requireAD=True) is None
    assert face.servers(b"example.org", "xmpp-client") is None
    assert face.addresses("example.org") == [(0, 0, (b"example.org", 5222))]


# -- loops


def test_resolverBelongsToTheLoop() -> None:
    """
    A thread with a running loop has a resolver on that loop, which is closed with it.
    """

    async def look() -> NamesResolver:
        found = network.get_resolver()
        assert found is network.get_resolver()
        assert isinstance(found, NamesResolver)
        assert found._reactor is perthread.currentReactor()
        assert getattr(found._reactor, "_asyncioEventloop", None) is asyncio.get_running_loop()
        return found

    first, second = asyncio.run(look()), asyncio.run(look())
    assert first is not second
    assert first.closed
    assert second.closed


def test_eachLoopHasItsResolver() -> None:
    """
    Loops that run in turn in one thread have a resolver each, for as long as they exist.
    """
    loops = [asyncio.new_event_loop() for _ in range(2)]

    async def look() -> object:
        return network.get_resolver()

    found = [[loop.run_until_complete(look()) for loop in loops] for _ in range(2)]
    assert found[0] == found[1]
    assert found[0][0] is not found[0][1]
    for loop in loops:
        loop.close()
    assert all(isinstance(each, NamesResolver) and each.closed for each in found[0])


def test_setDescriptionAppliesToEveryLoop() -> None:
    """
    A description that was set stays set for every loop and gives a resolver on each.
    """
    network.set_resolver("udp:192.0.2.1")

    async def look() -> NamesResolver:
        assert network.get_resolver() == "udp:192.0.2.1"
        found = perthread.described("udp:192.0.2.1")
        assert found is perthread.described("udp:192.0.2.1")
        return found

    first, second = asyncio.run(look()), asyncio.run(look())
    assert first is not second
    assert first.closed
    assert second.closed


def test_describedResolverIsClosedWhenReplaced() -> None:
    """
    A description is parsed once without a loop, and its resolver is closed when another one is set.
    """
    network.set_resolver("udp:192.0.2.1")
    found = perthread.described("udp:192.0.2.1")
    assert found is perthread.described("udp:192.0.2.1")
    network.set_resolver("udp:192.0.2.2")
    assert found.closed


def test_closedResolverIsReplaced() -> None:
    """
    A thread's own resolver that was closed is replaced.
    """
    before = perthread.ownResolver()
    assert before is not None
    before.close()
    assert perthread.ownResolver() is not before


def test_nothingIsASource() -> None:
    """
    The source without answers can be used like any other.
    """
    resolver = NamesResolver(perthread.EmptySource(), Clock())
    found: list[object] = []
    lookUp(perthread.EmptySource(), questionOf("a.example"), QueryContext(0.0)).addCallback(found.append)
    resolver.close().addCallback(found.append)
    assert len(found) == 2
    assert perthread.EmptySource().sources() == ()
