"""
A local copy of a real root zone, transferred from authoritative servers.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime

from tests.corpora import corpus
from tests.knots import knot
from tests.live.asking import moment
from tests.peers import LivePeer, nsd
from twisted_ext.answers import Answer, Outcome
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.resolver.recursive.localroot import LocalRoot
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import DS, NS

__all__: list[str] = []

#: When the signatures of the zone are valid: 1 February 2021.
_THEN = 1_612_137_600

_SERIAL = 2021011901


@pytest.fixture(scope="module")
def zone() -> str:
    """
    Return the root zone of January 2021 with a ZONEMD record, as its operators prepared it.
    """
    return (corpus("zonemd-test-cases") / "zones/44-root-zone/root.zone.hashed").read_text()


@pytest.fixture(params=[nsd, knot], ids=["nsd", "knot"])
def server(zone: str, request: pytest.FixtureRequest) -> Iterator[LivePeer]:
    """
    Return each server with the zone.
    """
    with request.param({".": zone}) as running:
        yield running


async def _copyFrom(server: LivePeer, anchors: ZoneAnchors) -> tuple[LocalRoot, float]:
    """
    Return the copy after a transfer, and the longest time for which that held up the reactor.
    """
    clock = cast("IReactorTime", reactor)
    pool = ServerPool(clock, port=server.port)
    began = time.time()
    copy = LocalRoot(clock, [server.address], pool, lambda name, now: anchors, lambda: time.time() - began + _THEN, port=server.port)
    assert copy.answer(questionOf("com", "NS"), True) is None
    longest = 0.0
    before = time.monotonic()
    while copy.version is None and copy.busy and time.time() < began + 20:
        await moment(0.001)
        now = time.monotonic()
        longest = max(longest, now - before)
        before = now
    await pool.close()
    return copy, longest


def _anchors(zone: str) -> ZoneAnchors:
    keys = [recordFromText(line).rdatas[0] for line in zone.splitlines() if line.startswith(".\t") and "\tDNSKEY\t257 " in line]
    return ZoneAnchors(ROOT, (), tuple(keys))


@pytest_twisted.ensureDeferred
async def test_realRootZone(zone: str, server: LivePeer) -> None:
    """
    The root zone is transferred, its digest is proved by its keys, and it refers and denies as servers of the root do.
    """
    copy, longest = await _copyFrom(server, _anchors(zone))
    try:
        assert copy.version is not None
        assert copy.version.serial == _SERIAL
        # Signatures, the digest and the building of the zone take much longer in all.
        assert longest < 0.5
        referral = copy.answer(questionOf("www.example.com"), True)
        assert isinstance(referral, Answer)
        assert {rrset.rrType for rrset in referral.authority} >= {NS, DS}
        assert len(referral.additional) == 26
        denial = copy.answer(questionOf("no-such-tld"), True)
        assert denial is not None
        assert denial.outcome is Outcome.NXDOMAIN
    finally:
        await copy.close()


@pytest_twisted.ensureDeferred
async def test_otherKeys(zone: str, server: LivePeer) -> None:
    """
    With another trust anchor, the zone is not used.
    """
    anchors = _anchors(zone)
    wrong = ZoneAnchors(ROOT, (), tuple([key[:-1] + bytes([key[-1] ^ 1]) for key in anchors.keys]))
    copy, _ = await _copyFrom(server, wrong)
    assert copy.version is None
    await copy.close()
