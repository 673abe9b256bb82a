"""
The client rate limit: a token bucket for each client network.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Generic, TypeVar

from twisted_ext.limits import Limit
from twisted_ext.packetcache.clients import UNMETERED, Bucket
from twisted_ext.server.limits import CLIENT_BURST, CLIENT_RATE, CLIENT_SLIP, CLIENTS_METERED

if TYPE_CHECKING:
    from twisted_ext.server.reply.packetcaches import Admission

__all__ = ["ClientRateLimit", "Generations", "networkOf", "siteOf"]

#: Bits of an IPv6 address that identify a client: a host with one address can use the whole /64.
_SITE_BITS = 64

#: Hexadecimal digits of a /48.
_NETWORK_DIGITS = 12

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


def siteOf(client: str) -> str:
    """
    Return the key that a client's addresses share: the /64 of an IPv6 address, or the IPv4 address itself, mapped into IPv6 or not.
    """
    if ":" not in client:
        return client
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if address.version == 6 and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{address.packed[: _SITE_BITS // 8].hex()}/{_SITE_BITS}"


def networkOf(client: str) -> str:
    """
    Return a key for the network of a client, about what a provider assigns to one customer: a /48 of IPv6, a /24 of IPv4.
    """
    site = siteOf(client)
    return site[:_NETWORK_DIGITS] if site.endswith(f"/{_SITE_BITS}") else site.rpartition(".")[0]


class Generations(Generic[_Key, _Value]):
    """
    A bounded dictionary in two generations: the entries that were not used for longest are dropped.
    """

    def __init__(self, most: Limit) -> None:
        self._half = most.default // 2
        self._young: dict[_Key, _Value] = {}
        self._old: dict[_Key, _Value] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, key: _Key) -> _Value | None:
        found = self._young.get(key)
        if found is None:
            found = self._old.pop(key, None)
            if found is not None:
                self.keep(key, found)
        return found

    def keep(self, key: _Key, value: _Value) -> None:
        if len(self._young) >= self._half:
            self._old = self._young
            self._young = {}
        self._young[key] = value


class ClientRateLimit:
    """
    A token bucket for each IPv4 address or IPv6 /64.

    @ivar perSecond: tokens added each second; 0 for no limit.
    @ivar most: tokens in a full bucket.
    @ivar slip: one in this many queries without a token gets a truncated reply.
    """

    def __init__(self, perSecond: float | None = None, *, burst: float | None = None, slip: int | None = None) -> None:
        self.perSecond = CLIENT_RATE.pick(perSecond)
        self.most = max(self.perSecond * CLIENT_BURST.pick(burst), 1.0)
        self.slip = int(CLIENT_SLIP.pick(slip))
        self._buckets: Generations[str, Bucket] = Generations(CLIENTS_METERED)

    def bucketFor(self, client: str, now: float) -> Bucket:
        """
        Return the bucket of a client.

        @param client: an address, or C{""} for a client of a Unix socket.
        """
        if not self.perSecond or not client:
            return UNMETERED
        key = siteOf(client)
        bucket = self._buckets.find(key)
        if bucket is None:
            bucket = Bucket(self.most, now)
            self._buckets.keep(key, bucket)
        return bucket

    def admit(self, admission: Admission) -> None:
        admission.bucket = self.bucketFor(admission.client, admission.now)

    def take(self, bucket: Bucket, now: float) -> bool:
        """
        Take a token; return whether there was one.
        """
        if bucket.tokens < 1.0:
            bucket.fill(now, self.perSecond, self.most)
            if bucket.tokens < 1.0:
                return False
        bucket.tokens -= 1.0
        return True

    def slips(self, bucket: Bucket) -> bool:
        """
        Count a query without a token; return whether it gets a truncated reply.
        """
        bucket.slips += 1
        return bool(self.slip) and bucket.slips % self.slip == 0
