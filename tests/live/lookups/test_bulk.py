"""
Ten thousand names and more at once, through servers that hang, die and come back.
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

#: Every other name is one that does not exist.
NAMES = [f"{'host' if number % 2 == 0 else 'no'}{number}.bulk.example" for number in range(HOSTS)]


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    @return: NSD with all of them.
    """
    with nsd(ZONES) as running:
        yield running


@pytest.fixture
def frail() -> Iterator[LivePeer]:
    """
    @return: one for each test, to be killed.
    """
    with nsd(ZONES, address="127.0.0.71") as running:
        yield running


def expected(name: str) -> list[str]:
    """
    @return: what the zone has for one of these names.
    """
    host, _, _ = name.partition(".")
    if not host.startswith("host"):
        return []
    number = int(host.removeprefix("host"))
    return [f"10.1.{number >> 8}.{number & 255}"]


class Run:
    """
    What has come of a run so far.
    """

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.wrong: list[tuple[str, object]] = []

    async def through(self, resolver: NamesResolver, names: list[str], *, ordered: bool = False, rate: float | None = None) -> None:
        """
        Look all of them up.
        """
        async for name, result in bulk(resolver, names, ordered=ordered, rate=rate):
            assert isinstance(name, str)
            self.counted[name] += 1
            if not isinstance(result, Answer) or textsOf(result) != expected(name):
                self.wrong.append((name, result))

    def check(self, names: list[str]) -> None:
        """
        Each name came once, and with the right answer.
        """
        assert len(self.wrong) == 0, self.wrong[:3]
        assert self.counted == Counter(names)


@pytest.mark.parametrize("ordered", [False, True])
@pytest_twisted.ensureDeferred
async def test_tenThousand(server: LivePeer, ordered: bool) -> None:
    """
    Ten thousand names come back, each once, in order where that is wanted.
    """
    run = Run()
    async with resolving(server) as resolver:
        await run.through(resolver, NAMES, ordered=ordered)
    run.check(NAMES)
    if ordered:
        assert list(run.counted) == NAMES


@pytest.mark.parametrize("program", ["unbound", "named"])
@pytest_twisted.ensureDeferred
async def test_forwarded(server: LivePeer, program: str) -> None:
    """
    The same by way of a resolver, which has to ask for each of them in its turn, and gets no more at once than BIND takes.
    """
    with unbound(forwardTo=[server.server]) if program == "unbound" else bind(forwardTo=[server.server]) as forwarder:
        run = Run()
        async with resolving(forwarder) as resolver:
            await run.through(resolver, NAMES)
        run.check(NAMES)


@pytest_twisted.ensureDeferred
async def test_hangingFirst(server: LivePeer, frail: LivePeer) -> None:
    """
    With a first server that hangs from the start, the second one answers all.
    """
    frail.pause()
    run = Run()
    async with resolving(frail, server) as resolver:
        await run.through(resolver, NAMES)
    run.check(NAMES)


@pytest.mark.parametrize("how", ["paused", "killed"])
@pytest_twisted.ensureDeferred
async def test_lostMidway(server: LivePeer, frail: LivePeer, how: str) -> None:
    """
    When the first server is lost in the middle of it, the second one takes over, and no name is lost.
    """
    run = Run()
    async with resolving(frail, server) as resolver:
        running = Deferred.fromCoroutine(run.through(resolver, NAMES, rate=10_000))
        while len(run.counted) < 500:
            await moment(0.01)
        if how == "paused":
            frail.pause()
        else:
            kill(frail)
        assert len(run.counted) < HOSTS
        await running
    run.check(NAMES)


@pytest_twisted.ensureDeferred
async def test_restartedMidway(frail: LivePeer) -> None:
    """
    When the only server is killed and comes back, what was lost meanwhile is asked again.
    """
    run = Run()
    async with resolving(frail) as resolver:
        running = Deferred.fromCoroutine(run.through(resolver, NAMES, rate=10_000))
        while len(run.counted) < 500:
            await moment(0.01)
        frail.pause()
        await moment(0.05)
        kill(frail)
        frail.start()
        assert len(run.counted) < HOSTS
        await running
    run.check(NAMES)


@pytest_twisted.ensureDeferred
async def test_reverse(server: LivePeer) -> None:
    """
    The names of a range of addresses, and of addresses one by one.
    """
    async with resolving(server) as resolver:
        results = [result async for _, result in bulk(resolver, reverse("10.1.0.0/20"))]
        assert len(results) == 4096
        assert {tuple(dataOf(result)) if isinstance(result, Answer) else str(result) for result in results} == {("host.bulk.example.",)}
        asked = [IPv4Address("10.1.2.3"), IPv4Address("10.1.2.4")]
        found = {address: result async for address, result in bulk(resolver, asked)}
        assert set(found) == set(asked)


@pytest_twisted.ensureDeferred
async def test_hopeless(frail: LivePeer) -> None:
    """
    Names that nobody answers for come back as well, each with the reason.
    """
    frail.pause()
    async with resolving(frail) as resolver:
        names = [f"host{number}.bulk.example" for number in range(40)]
        results = {name: result async for name, result in bulk(resolver, names, seconds=0.3)}
        assert set(results) == set(names)
        assert {isinstance(result, DNSFault) for result in results.values()} == {True}
