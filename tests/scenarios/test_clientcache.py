"""
The scenarios for a cache in a client.
"""

from __future__ import annotations

from typing import Final

import pytest
from twisted.internet.task import Clock

from tests.corpora import corpus
from tests.scenarios.running import Mismatch, Player, Unsupported
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.testing.scenarios.reading import readScenario

#: Every file of the corpus, so that none is missed, with the reason where it is not played.
SCENARIOS: Final[dict[str, str]] = {
    "cache_aa": "",
    "cache_ad": "",
    "cache_ad_rev": "",
    "cache_broken_nodata": "",
    "cache_case": "",
    "cache_cd": "",
    "cache_cd_rev": "",
    "cache_chaos": "",
    "cache_delegation": "",
    "cache_do_nsec": "",
    "cache_do_nsec3": "",
    "cache_do_q_nsec": "",
    "cache_do_q_rrsig": "",
    "cache_nodata": "",
    "cache_notify": "opcode NOTIFY",
    "cache_nxdomain": "",
    "cache_rd": "",
    "cache_rd_rev": "",
    "cache_refused": "",
    "cache_transport_error": "",
    "cache_ttl": "",
    "cache_ttl_sections": "",
}


def cached(inner: IAnswerSource, clock: Clock) -> IAnswerSource:
    return CachedSource(inner, clock)


@pytest.mark.parametrize("name", SCENARIOS)
def test_cacheMeetsTheScenario(name: str) -> None:
    """
    Our cache gives the answers that the scenario expects of a cache in a client.
    """
    path = corpus("nlnet-domain") / "test-data" / "client-cache" / f"{name}.rpl"
    player = Player(readScenario(path), cached, last=True)
    try:
        player.play()
    except Unsupported as reason:
        assert SCENARIOS[name] and SCENARIOS[name] in str(reason), f"{name}: not expected to be skipped: {reason}"
        pytest.skip(f"{name}: {reason}")
    assert not SCENARIOS[name], f"{name} is played by now; the reason not to is out of date"


def test_everyScenarioIsListed() -> None:
    """
    Every scenario of the corpus is listed.
    """
    folder = corpus("nlnet-domain") / "test-data" / "client-cache"
    assert {path.stem for path in folder.glob("*.rpl")} == set(SCENARIOS)


#: Scenarios whose answers must come from the cache: they fail without one.
NEED_CACHE: Final = (
    "cache_aa",
    "cache_ad",
    "cache_case",
    "cache_delegation",
    "cache_do_nsec",
    "cache_do_nsec3",
    "cache_nodata",
    "cache_nxdomain",
    "cache_rd",
    "cache_refused",
    "cache_ttl",
    "cache_ttl_sections",
)


@pytest.mark.parametrize("name", NEED_CACHE)
def test_withoutCacheTheScenarioFails(name: str) -> None:
    """
    The scenarios fail without a cache.
    """
    path = corpus("nlnet-domain") / "test-data" / "client-cache" / f"{name}.rpl"
    with pytest.raises(Mismatch):
        Player(readScenario(path), lambda inner, clock: inner, last=True).play()


def test_basicScenarioAsksOnce() -> None:
    """
    A client with a cache and shared look-ups asks the upstream once.
    """
    path = corpus("nlnet-domain") / "test-data" / "client" / "basic.rpl"
    player = Player(readScenario(path), lambda inner, clock: CachedSource(CoalescingSource(inner, clock), clock), last=True)
    player.play()
    # The second way of asking finds the answer in the cache.
    assert len(player.upstream.asked) == 1
