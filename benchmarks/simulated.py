"""
Memory over a million look-ups by a validating recursive resolver, of 100,000 names in a simulated internet, in one process.

    python -m benchmarks.simulated [look-ups [names [megabytes]]]

Records expire after five minutes and half an hour of simulated time passes, so that what is cached is replaced several times. The internet
is in the same process: its zones are built before the first measurement, and it makes and keeps signatures when they are first asked for.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

from benchmarks.cachememory import residentOctets
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.cache.store import Store
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.errors import DNSFault
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import behind, lookUp
from twisted_ext.resolver.recursive.source import RecursiveSource, recursiveStack
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.testing.internet import Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rdata.text import recordFromText

__all__ = ["Simulation", "Sizes"]

#: Names in one zone, and zones below one top level.
_HOSTS: Final = 100
_ZONES: Final = 50

#: Look-ups that begin at one moment, and the seconds until the next ones do.
_BATCH: Final = 100
_PAUSE: Final = 0.18

#: The share of look-ups that are for the most popular hundredth of the names.
_POPULAR: Final = 0.5

_SERVERS: Final = 8


@dataclass(frozen=True, slots=True)
class Sizes:
    """
    What the resolver has in memory.

    @ivar lookups: look-ups so far.
    @ivar failed: those of them without the right answer.
    @ivar packets: packets in both directions.
    @ivar cached: octets of cached answers; C{support} and C{addresses} those of keys and of name servers' addresses.
    @ivar denials: octets of proofs for other names.
    @ivar delegations: zones whose servers are known.
    @ivar servers: servers that are known.
    @ivar waiting: look-ups under way.
    """

    lookups: int
    failed: int
    packets: int
    cached: int
    support: int
    addresses: int
    denials: int
    delegations: int
    servers: int
    waiting: int


class Simulation:
    """
    An internet of signed zones, one in five without signatures, and a resolver in it.

    @ivar internet: the internet.
    """

    def __init__(self, names: int, octets: int, *, seed: int = 1) -> None:
        """
        @param names: a multiple of 100.
        @param octets: the size of the resolver's cache.
        """
        self._random = Random(seed)
        zones = max(1, names // _HOSTS)
        internet = self.internet = Internet(seed=seed, families=(4,), rtt=0.002, remember=0)
        hosting = [f"ns{number}.hosting.t0" for number in range(_SERVERS)]
        internet.zone("hosting.t0", "", hosting)
        records = "\n".join([f"h{number} 300 A 192.0.2.{number}" for number in range(_HOSTS)])
        self.names: list[tuple[str, bool]] = []
        for number in range(zones):
            zone = f"z{number}.t{number // _ZONES}"
            signed = number % 5 != 0
            internet.zone(zone, records, [hosting[number % _SERVERS], hosting[(number + 1) % _SERVERS]], signed=signed)
            self.names += [(f"h{host}.{zone}", signed) for host in range(_HOSTS)]
        self._random.shuffle(self.names)
        here = internet.reactor()
        anchors = ZoneAnchors(ROOT, tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()]), ())
        self._store = Store(octets)
        self._source = recursiveStack(
            here,
            rootFromText(internet.hints, "hints"),
            validator=Validator(lambda name, now: anchors),
            store=self._store,
            today=internet.time,
        )
        (self._recursive,) = behind(self._source, RecursiveSource)
        (self._validating,) = behind(self._source, ValidatingSource)
        self._lookups = self._failed = 0

    def build(self) -> None:
        """
        Build all zones, which would be built when they are first asked for something.
        """
        for zone in self.internet.zones.values():
            zone.version()

    def run(self, lookups: int) -> None:
        """
        Look names up, one in ten of them one that does not exist.
        """
        random, names = self._random, self.names
        popular = max(1, len(names) // 100)
        clock = self.internet.network.clock
        for _ in range(lookups // _BATCH):
            for _ in range(_BATCH):
                name, signed = names[random.randrange(popular) if random.random() < _POPULAR else random.randrange(len(names))]
                denied = random.random() < 0.1
                question = questionOf(f"no{name}" if denied else name)
                expected = (Outcome.NXDOMAIN if denied else Outcome.DATA, Security.SECURE if signed else Security.INSECURE)
                lookUp(self._source, question, QueryContext(clock.seconds() + 5)).addCallbacks(self._came, self._missed, (expected,))
            self.internet.advance(_PAUSE)
            for server in self.internet.servers.values():
                server.asked.clear()

    def _came(self, answer: Answer, expected: tuple[Outcome, Security]) -> None:
        self._lookups += 1
        self._failed += (answer.outcome, answer.security) != expected

    def _missed(self, failure: object) -> None:
        self._lookups += 1
        self._failed += 1
        assert isinstance(getattr(failure, "value", None), DNSFault), failure

    def sizes(self) -> Sizes:
        """
        Return what the resolver has in memory now.
        """
        recursive, validating = self._recursive, self._validating
        denials = validating.denials
        return Sizes(
            self._lookups,
            self._failed,
            sum(self.internet.network.sent.values()),
            self._store.octets,
            validating.support.store.octets,
            recursive.addresses.store.octets,
            0 if denials is None else denials.octets,
            len(recursive.delegations),
            len(recursive.pool),
            len(recursive.pool.waiting),
        )


def rows(lookups: int, names: int, megabytes: int) -> Iterator[str]:
    """
    Run the benchmark, and yield lines of results.
    """
    began = time.process_time()
    simulation = Simulation(names, megabytes * 2**20)
    simulation.build()
    gc.collect()
    built = residentOctets()
    yield f"{names} names in {len(simulation.internet.zones)} zones: {built / 2**20:.0f} MB before, {time.process_time() - began:.0f} s"
    yield "look-ups  CPU s  us each  process MB  cache MB  keys MB  addresses KB  proofs MB  delegations  servers  failed  packets"
    began = time.process_time()
    for _ in range(10):
        simulation.run(lookups // 10)
        gc.collect()
        took = time.process_time() - began
        sizes = simulation.sizes()
        yield (
            f"{sizes.lookups:8}  {took:5.0f}  {took / sizes.lookups * 1e6:7.0f}  {(residentOctets() - built) / 2**20:10.1f}"
            f"  {sizes.cached / 2**20:8.1f}  {sizes.support / 2**20:7.2f}  {sizes.addresses / 2**10:12.1f}  {sizes.denials / 2**20:9.2f}"
            f"  {sizes.delegations:11}  {sizes.servers:7}  {sizes.failed:6}  {sizes.packets:7}"
        )


def main() -> None:
    given = [int(text) for text in sys.argv[1:]]
    lookups, names, megabytes = (*given, *(1_000_000, 100_000, 8)[len(given) :])
    for row in rows(lookups, names, megabytes):
        print(row, flush=True)


if __name__ == "__main__":
    main()
