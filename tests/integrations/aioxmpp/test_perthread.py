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
from twisted_ext.integrations.aioxmpp.blocking import BlockingResolver
from twisted_ext.resolver.system import configured
from twisted_ext.resolver.system.configured import System
from twisted_ext.testing.sources import HeldSource, questionOf

__all__: list[str] = []


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Begin with a thread that has nothing yet.
    """
    monkeypatch.setattr(perthread, "_thread", perthread._Thread())


def test_oneForEachThread() -> None:
    """
    A thread has one resolver, the same each time, and no other thread has it.
    """
    seen: list[object] = []

    def look() -> None:
        seen.append(network.get_resolver())
        seen.append(network.get_resolver())

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
        thread.join()
    look()
    assert [seen[index] is seen[index + 1] for index in (0, 2, 4)] == [True, True, True]
    assert len({id(each) for each in seen}) == 3
    assert all(isinstance(each, NamesResolver) for each in seen)


def test_setInOneThread() -> None:
    """
    What is set, is set for this thread.
    """
    theirs: list[object] = []
    mine = Scripted()
    network.set_resolver(mine)
    thread = threading.Thread(target=lambda: theirs.append(network.get_resolver()))
    thread.start()
    thread.join()
    assert network.get_resolver() is mine
    assert theirs[0] is not mine


def test_bothFaces() -> None:
    """
    Coroutines and Deferreds share the resolver.
    """
    assert network.get_resolver() is deferreds.getResolver()
    deferreds.setResolver("udp:192.0.2.1")
    assert network.get_resolver() == "udp:192.0.2.1"


def test_reconfigure() -> None:
    """
    To reconfigure is to have a new one, which reads the configuration anew; the one before can still be used.
    """
    before = network.get_resolver()
    network.reconfigure_resolver()
    after = network.get_resolver()
    assert after is not before
    assert isinstance(before, NamesResolver)
    assert not before.closed


def test_reconfigureAfterSet() -> None:
    """
    It also allows again that the resolver is replaced without asking.
    """
    network.set_resolver(Scripted())
    assert perthread.ownResolver() is None
    network.reconfigure_resolver()
    own = perthread.ownResolver()
    assert own is network.get_resolver()
    assert own is not None
    perthread.renewResolver(own)
    assert network.get_resolver() is not own


def test_setIsKept() -> None:
    """
    One that was set is not replaced without asking, even while a look-up has the thread's own before it fail.
    """
    own = perthread.ownResolver()
    assert own is not None
    mine = Scripted(LATE, LATE)
    network.set_resolver(mine)
    perthread.renewResolver(own)
    assert network.get_resolver() is mine


def test_setNothing() -> None:
    """
    L{None} is no resolver, and taken for none.
    """
    with pytest.raises(CallerFault, match="resolver: None"):
        network.set_resolver(None)


@pytest.mark.parametrize("face", [network.set_resolver, deferreds.setResolver])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (5, "resolver: 5 is neither a description such as 'udp:192.0.2.1' nor a resolver"),
        (b"udp:192.0.2.1", "resolver: b'udp:192.0.2.1' is neither a description"),
        (object(), "is neither a description"),
        ("", "resolver: ''"),
        ("foo:", "resolver: 'foo:', column 1: .*foo"),
        ("udp:nowhere", "resolver: 'udp:nowhere', column 5: .*nowhere"),
    ],
)
def test_setWrong(given: object, said: str, face: Callable[[object], None]) -> None:
    """
    What is no resolver, or no description of one, is refused in one line at once, and not when somebody looks something up. Whom the thread
    asks stays.
    """
    mine = Scripted()
    face(mine)
    with pytest.raises(CallerFault, match=said) as raised:
        face(given)
    assert "\n" not in str(raised.value)
    assert network.get_resolver() is mine


@pytest.mark.parametrize("face", [network.set_resolver, deferreds.setResolver])
def test_setReadsNothing(face: Callable[[object], None], tmp_path: Path) -> None:
    """
    To set a description reads none of the files that it speaks of: they need not be there yet.
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
def test_setAny(make: Callable[[], object]) -> None:
    """
    Whatever can be asked can be set: sources and resolvers of ours, Twisted's, and those that have their caller wait.
    """
    given = make()
    network.set_resolver(given)
    assert network.get_resolver() is given


def test_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The system's configuration is what is asked by.
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
def test_noConfiguration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """
    Where no name server is configured, the resolver answers nothing: there are no records, says each look-up at once.
    """
    path = tmp_path / "resolv.conf"
    if text is not None:
        path.write_text(text)
    monkeypatch.setattr(configured, "SYSTEM_RESOLV_CONF", str(path))
    found = network.get_resolver()
    assert isinstance(found, NamesResolver)
    answer = found.source.answerNow(questionOf("example.org"), QueryContext(0.0))
    assert answer is not None
    assert answer.outcome is Outcome.NODATA
    face = Coroutines()
    assert face.query(b"example.org", "A") is None
    assert face.query(b"example.org", "A", requireAD=True) is None
    assert face.servers(b"example.org", "xmpp-client") is None
    assert face.addresses("example.org") == [(0, 0, (b"example.org", 5222))]


# -- loops


def test_ofTheLoop() -> None:
    """
    In a thread with a running loop the resolver works on that loop, and is closed with it; the next loop gets another one.
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


def test_loopsInTurn() -> None:
    """
    Loops that run in turn in one thread have each their own, for as long as they last.
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


def test_setForLoops() -> None:
    """
    What is set stays set whichever loop runs; a description stands for a resolver on each.
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


def test_setDescription() -> None:
    """
    Without a loop a description is read once, and what it stands for closed when another resolver is set.
    """
    network.set_resolver("udp:192.0.2.1")
    found = perthread.described("udp:192.0.2.1")
    assert found is perthread.described("udp:192.0.2.1")
    network.set_resolver("udp:192.0.2.2")
    assert found.closed


def test_closed() -> None:
    """
    A thread's own resolver that somebody has closed is replaced.
    """
    before = perthread.ownResolver()
    assert before is not None
    before.close()
    assert perthread.ownResolver() is not before


def test_nothing() -> None:
    """
    The resolver that answers nothing is a source like others.
    """
    resolver = NamesResolver(perthread.Nothing(), Clock())
    found: list[object] = []
    perthread.Nothing().answer(questionOf("a.example"), QueryContext(0.0)).addCallback(found.append)
    resolver.close().addCallback(found.append)
    assert len(found) == 2
    assert perthread.Nothing().sources() == ()
