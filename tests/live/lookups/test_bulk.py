"""
Look-ups of ten thousand names and more, through servers that hang, die and come back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from tests.live.asking import moment, resolving, textsOf, zoneOf
from tests.live.lookups.test_failing import kill
from tests.peers import LivePeer, bind, nsd, unbound
from twisted_ext.answers import Answer
from twisted_ext.bulk import bulk, dataOf, reverse
from twisted_ext.client import NamesResolver
from twisted_ext.errors import DNSFault

__all__: list[str] = []

#: Hosts that the zone has.
HOSTS = 10_000

ZONES = {
    "bulk.example": zoneOf({f"host{number}": f"A 10.1.{number >> 8}.{number & 255}" for number in range(HOSTS)}),
    "1.10.in-addr.arpa": zoneOf({"*": "PTR host.bulk.example."}),
}

#: The timeout of one look-up: a busy machine keeps a server from replying for longer than the usual few seconds.
_SECONDS = 30.0

#: Every other name does not exist.
NAMES = [f"{'host' if number % 2 == 0 else 'no'}{number}.bulk.example" for number in range(HOSTS)]


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    Start NSD with all of these names.
    """
    with nsd(ZONES) as running:
        yield running


@pytest.fixture
def killable() -> Iterator[LivePeer]:
    """
    Start a server for one test, which may kill it.
    """
    with nsd(ZONES, address="127.0.0.71") as running:
        yield running


def expected(name: str) -> list[str]:
    """
    Return the addresses that the zone has for one of these names.
    """
    host, _, _ = name.partition(".")
    if not host.startswith("host"):
        return []
    number = int(host.removeprefix("host"))
    return [f"10.1.{number >> 8}.{number & 255}"]


class Run:
    """
    The results of a run so far.
    """

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.wrong: list[tuple[str, object]] = []

    async def through(self, resolver: NamesResolver, names: list[str], *, ordered: bool = False, rate: float | None = None) -> None:
        """
        Look up all names.
        """
        async for name, result in bulk(resolver, names, ordered=ordered, rate=rate, seconds=_SECONDS):
            assert isinstance(name, str)
            self.counted[name] += 1
            if not isinstance(result, Answer) or textsOf(result) != expected(name):
                self.wrong.append((name, result))

    def check(self, names: list[str]) -> None:
        """
        Check that each name came once, with the right answer.
        """
        assert len(self.wrong) == 0, self.wrong[:3]
        assert self.counted == Counter(names)


@pytest.mark.parametrize("ordered", [False, True])
@pytest_twisted.ensureDeferred
async def test_eachNameComesOnce(server: LivePeer, ordered: bool) -> None:
    """
    Each of ten thousand names comes back once, in order where that is asked for.
    """
    run = Run()
    async with resolving(server) as resolver:
        await run.through(resolver, NAMES, ordered=ordered)
    run.check(NAMES)
    if ordered:
        assert list(run.counted) == NAMES


@pytest.mark.parametrize("program", ["unbound", "named"])
@pytest_twisted.ensureDeferred
async def test_forwarderAnswersAllNames(server: LivePeer, program: str) -> None:
    """
    All names come back through a forwarder. It never gets more queries at once than BIND accepts.
    """
    with unbound(forwardTo=[server.server]) if program == "unbound" else bind(forwardTo=[server.server]) as forwarder:
        run = Run()
        async with resolving(forwarder) as resolver:
            await run.through(resolver, NAMES)
        run.check(NAMES)


@pytest_twisted.ensureDeferred
async def test_firstServerHangs(server: LivePeer, killable: LivePeer) -> None:
    """
    The second server answers all names when the first one hangs from the start.
    """
    killable.pause()
    run = Run()
    async with resolving(killable, server) as resolver:
        await run.through(resolver, NAMES)
    run.check(NAMES)


@pytest.mark.parametrize("how", ["paused", "killed"])
@pytest_twisted.ensureDeferred
async def test_firstServerIsLostMidway(server: LivePeer, killable: LivePeer, how: str) -> None:
    """
    The second server takes over when the first one is lost midway. No name is lost.
    """
    run = Run()
    async with resolving(killable, server) as resolver:
        running = Deferred.fromCoroutine(run.through(resolver, NAMES, rate=10_000))
        while len(run.counted) < 500:
            await moment(0.01)
        if how == "paused":
            killable.pause()
        else:
            kill(killable)
        assert len(run.counted) < HOSTS
        await running
    run.check(NAMES)


@pytest_twisted.ensureDeferred
async def test_onlyServerRestartsMidway(killable: LivePeer) -> None:
    """
    Names that were lost with the only server are queried again when it comes back.
    """
    run = Run()
    async with resolving(killable) as resolver:
        running = Deferred.fromCoroutine(run.through(resolver, NAMES, rate=10_000))
        while len(run.counted) < 500:
            await moment(0.01)
        killable.pause()
        await moment(0.05)
        kill(killable)
        killable.start()
        assert len(run.counted) < HOSTS
        await running
    run.check(NAMES)


@pytest_twisted.ensureDeferred
async def test_addressesOfNetwork(server: LivePeer) -> None:
    """
    Addresses of a network, and single addresses, lead to their names.
    """
    async with resolving(server) as resolver:
        results = [result async for _, result in bulk(resolver, reverse("10.1.0.0/20"), seconds=_SECONDS)]
        assert len(results) == 4096
        assert {tuple(dataOf(result)) if isinstance(result, Answer) else str(result) for result in results} == {("host.bulk.example.",)}
        asked = [IPv4Address("10.1.2.3"), IPv4Address("10.1.2.4")]
        found = {address: result async for address, result in bulk(resolver, asked)}
        assert set(found) == set(asked)


@pytest_twisted.ensureDeferred
async def test_unansweredNamesGiveErrors(killable: LivePeer) -> None:
    """
    Names that no server answers come back with the reason.
    """
    killable.pause()
    async with resolving(killable) as resolver:
        names = [f"host{number}.bulk.example" for number in range(40)]
        results = {name: result async for name, result in bulk(resolver, names, seconds=0.3)}
        assert set(results) == set(names)
        assert {isinstance(result, DNSFault) for result in results.values()} == {True}
