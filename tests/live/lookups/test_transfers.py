"""
Zone transfers from NSD and BIND.
"""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from typing import Final, Protocol, cast

import pytest
import pytest_twisted
from twisted.internet.defer import CancelledError
from twisted.internet.error import DNSLookupError
from twisted.names import dns, error

from tests.live.asking import resolverFrom, resolving, zoneOf
from tests.peers import LivePeer, bind, nsd, peer
from twisted_ext.compat.conversion.errors import DNSQueryRefusedError, DNSQueryTimeoutError, DNSServerError
from twisted_ext.wire.names import nameFromText

__all__: list[str] = []

#: Records of the large zone beside SOA and NS.
MANY: Final = 5_000

LARGE = zoneOf({f"host{number}": f"A 10.{number >> 16}.{number >> 8 & 255}.{number & 255}" for number in range(MANY)})

SMALL = zoneOf(
    {
        "www": "A 192.0.2.80\nwww A 192.0.2.81\nwww AAAA 2001:db8::80",
        "a\\.b": 'TXT "a dot in a label"',
        "\\000\\255": "MX 10 www",
        "*": "CNAME www",
        "_443._tcp.www": "TLSA 3 1 1 " + "AB" * 32,
        "sub": "NS ns.sub\nns.sub A 192.0.2.53",
        "odd": "TYPE65280 \\# 3 abcdef",
        "long": " ".join(["TXT", *[f'"{letter * 250}"' for letter in "abcdefghij"]]),
    }
)

ZONES = {"large.example": LARGE, "small.example": SMALL}


class _Encodable(Protocol):
    """
    The part of a payload that writes its rdata.
    """

    def encode(self, strio: BytesIO) -> None:
        """
        Write the rdata.
        """


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, LivePeer]]:
    """
    Start servers that allow transfers of these zones, and one that does not.
    """
    with ExitStack() as stack:
        yield {
            "nsd": stack.enter_context(nsd(ZONES)),
            "nsd6": stack.enter_context(nsd(ZONES, address="::1")),
            "named": stack.enter_context(bind(ZONES, zoneExtra="check-names ignore;")),
            "refusing": stack.enter_context(bind(ZONES, zoneExtra="check-names ignore; allow-transfer { none; };")),
        }


@pytest.fixture(params=["nsd", "nsd6", "named"])
def server(servers: dict[str, LivePeer], request: pytest.FixtureRequest) -> LivePeer:
    """
    Return each server that allows transfers.
    """
    return servers[str(request.param)]


@pytest_twisted.ensureDeferred
async def test_largeZoneComesWhole(server: LivePeer) -> None:
    """
    Five thousand records in many messages all arrive, each once, between two copies of the SOA record.
    """
    async with resolving(server) as resolver:
        records, authority, additional = await resolver.lookupZone("large.example")
        assert (authority, additional) == ([], [])
        assert len(records) == MANY + 3
        assert records[0].type == records[-1].type == dns.SOA
        assert Counter([record.type for record in records]) == {dns.SOA: 2, dns.NS: 1, dns.A: MANY}
        assert {record.name.name for record in records if record.type == dns.A} == {
            f"host{number}.large.example".encode() for number in range(MANY)
        }


@pytest_twisted.ensureDeferred
async def test_recordsEqualThoseOfDig(server: LivePeer) -> None:
    """
    Every record is as in the zone and as C{dig} gets it, odd names and unknown types included.
    """
    command = [str(peer("dig")), f"@{server.address}", "-p", str(server.port), "small.example", "AXFR"]
    flags = ["+noall", "+answer", "+onesoa", "+unknownformat"]
    printed = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=20, check=True).stdout
    theirs = set()
    for line in printed.splitlines():
        if line and not line.startswith(";"):
            owner, _, _, rrType, _, _, *digits = line.split()
            theirs.add((nameFromText(owner), int(rrType.removeprefix("TYPE")), bytes.fromhex("".join(digits))))
    async with resolving(server) as resolver:
        records, _, _ = await resolver.lookupZone("small.example")
        ours = set()
        for record in records:
            rdata, name = BytesIO(), BytesIO()
            cast(_Encodable, record.payload).encode(rdata)
            cast(_Encodable, record.name).encode(name)
            ours.add((name.getvalue(), record.type, rdata.getvalue()))
        assert len(records) == len(ours) + 1
        assert ours == theirs


@pytest_twisted.ensureDeferred
async def test_refusedTransferFails(servers: dict[str, LivePeer]) -> None:
    """
    A transfer fails with an error when the server refuses it or does not have the zone.
    """
    async with resolving(servers["refusing"]) as resolver:
        with pytest.raises(DNSQueryRefusedError) as caught:
            await resolver.lookupZone("small.example")
        assert isinstance(caught.value, DNSLookupError)
        assert caught.value.server == f"127.0.0.1:{servers['refusing'].port}"
    for name in ("nsd", "named"):
        async with resolving(servers[name]) as resolver:
            for zone in ("nothing.example", "www.small.example"):
                with pytest.raises((DNSQueryRefusedError, error.DNSUnknownError, DNSServerError)):
                    await resolver.lookupZone(zone)


@pytest_twisted.ensureDeferred
async def test_nextServerIsTried(servers: dict[str, LivePeer]) -> None:
    """
    The next server is asked when one refuses or is down. Caches and other wrappers pass transfers through.
    """
    refusing, giving = servers["refusing"], servers["nsd"]
    async with resolving(refusing, ("127.0.0.68", giving.port), giving) as resolver:
        assert len((await resolver.lookupZone("small.example"))[0]) == 14
    async with resolverFrom(f"cache:(udp:{giving.address}:{giving.port})") as resolver:
        assert len((await resolver.lookupZone("small.example"))[0]) == 14


@pytest_twisted.ensureDeferred
async def test_hangingServerCostsItsTimeout() -> None:
    """
    A hanging server costs no more than the timeout. Neither it nor a canceled transfer leaves anything behind.
    """
    with nsd(ZONES, address="127.0.0.69") as hanging:
        async with resolving(hanging) as resolver:
            hanging.pause()
            began = time.monotonic()
            with pytest.raises(DNSQueryTimeoutError):
                await resolver.lookupZone("large.example", 0.5)
            # The default timeout is ten seconds.
            assert time.monotonic() - began < 9
            transfer = resolver.lookupZone("large.example")
            transfer.cancel()
            with pytest.raises(CancelledError):
                await transfer
            hanging.resume()
            assert len((await resolver.lookupZone("large.example"))[0]) == MANY + 3


@pytest_twisted.ensureDeferred
async def test_hangingFirstServerIsLeft(servers: dict[str, LivePeer]) -> None:
    """
    A hanging first server is left for the next one long before the deadline.
    """
    with nsd(ZONES, address="127.0.0.70") as hanging:
        hanging.pause()
        async with resolving(hanging, servers["named"]) as resolver:
            began = time.monotonic()
            assert len((await resolver.lookupZone("small.example"))[0]) == 14
            assert time.monotonic() - began > 2
