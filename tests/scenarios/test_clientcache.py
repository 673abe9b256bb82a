"""
The scenarios that a cache in a client has to pass.
"""

from __future__ import annotations

from typing import Final

import pytest
from twisted.internet.task import Clock

from tests.corpora import corpus
from tests.scenarios.reading import readScenario
from tests.scenarios.running import Mismatch, NotForUs, Player
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.caching.coalescing import CoalescingSource

#: Every file of the corpus, so that none goes missing unseen, with the reason where it is not played.
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
def test_scenario(name: str) -> None:
    """
    What the scenario expects of a cache in a client comes out of ours.
    """
    path = corpus("nlnet-domain") / "test-data" / "client-cache" / f"{name}.rpl"
    player = Player(readScenario(path), cached, last=True)
    try:
        player.play()
    except NotForUs as reason:
        assert SCENARIOS[name] and SCENARIOS[name] in str(reason), f"{name}: not expected to be skipped: {reason}"
        pytest.skip(f"{name}: {reason}")
    assert not SCENARIOS[name], f"{name} is played by now; the reason not to is out of date"


def test_complete() -> None:
    """
    No scenario of the corpus is forgotten.
    """
    folder = corpus("nlnet-domain") / "test-data" / "client-cache"
    assert {path.stem for path in folder.glob("*.rpl")} == set(SCENARIOS)


#: Scenarios that say what must come from the cache: with no cache they end otherwise.
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
def test_withoutCache(name: str) -> None:
    """
    The scenarios tell a cache from none at all.
    """
    path = corpus("nlnet-domain") / "test-data" / "client-cache" / f"{name}.rpl"
    with pytest.raises(Mismatch):
        Player(readScenario(path), lambda inner, clock: inner, last=True).play()


def test_basic() -> None:
    """
    A client with cache and shared look-ups asks and is answered.
    """
    path = corpus("nlnet-domain") / "test-data" / "client" / "basic.rpl"
    player = Player(readScenario(path), lambda inner, clock: CachedSource(CoalescingSource(inner, clock), clock), last=True)
    player.play()
    # Once for each way of asking would be wrong: the second one finds it kept.
    assert len(player.upstream.asked) == 1
