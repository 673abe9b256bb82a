"""
Response rate limiting (RRL): limits the UDP replies sent to one network, so that the server cannot be used to flood others (RFC 5358).

Source addresses can be spoofed, so replies are counted by destination. A network over its limit for one kind of reply gets no more of that
kind until queries for it slow down, except for an occasional truncated reply, which lets a real client retry over TCP. Queries with a valid
cookie or TSIG are exempt, and so are streams: their source address is verified.

Each network is part of larger ones, which have tokens for only some of their parts at a time, so that source addresses spoofed all over a
larger network do not get a full share for each part. A network draws on the larger ones only when its own tokens are used up, so that most
replies involve only one account.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from twisted_ext.packetcache.clients import Account, Bucket
from twisted_ext.packetcache.table import KINDS, kindOf
from twisted_ext.server.limits import RESPONSE_NETWORKS, RESPONSE_RATE, RESPONSE_SLIP, RESPONSE_WINDOW
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.ratelimit import Generations
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.wire.codes import Rcode

if TYPE_CHECKING:
    from twisted_ext.server.reply.packetcaches import Admission
    from twisted_ext.server.reply.replybuilder import ReplyBuilder
    from twisted_ext.server.reply.requests import Request

__all__ = ["ResponseRateLimit"]

#: Seconds for which a network over its limit stays blocked without another check.
_RESPONSE_PAUSE: Final = 0.1

#: Prefix lengths of the networks that are counted, and each one's limit as a multiple of the smallest network's.
_LATTICE: Final = {4: ((24, 1), (20, 8), (16, 32)), 6: ((56, 1), (48, 8), (32, 64))}

#: The version of IP, the length of a prefix, and the prefix.
_Network = tuple[int, int, int]

_TRUNCATED: Final = Refusal(Rcode.NOERROR, truncated=True)


class _Share(Account):
    """
    An account with the buckets of the larger networks that it takes its tokens from.
    """

    __slots__ = ("larger",)

    def __init__(self, since: float, least: float, slip: int, larger: tuple[tuple[Bucket, float], ...]) -> None:
        super().__init__(since, least, slip)
        self.larger = larger


class ResponseRateLimit:
    def __init__(
        self,
        perSecond: float | None = None,
        *,
        slip: int | None = None,
        window: float | None = None,
        exempt: Iterable[str] = (),
    ) -> None:
        """
        @param slip: one in this many suppressed replies is sent truncated; 0 for none.
        @param window: seconds for which a network has to stay below its limit before it gets replies again.

        @raise BadDescription: one of C{exempt} is not a valid prefix.
        """
        self.perSecond = RESPONSE_RATE.pick(perSecond)
        self._slip = int(RESPONSE_SLIP.pick(slip))
        self._least = -self.perSecond * RESPONSE_WINDOW.pick(window)
        self._exempt = Access({"allow": exempt})
        self._networks: Generations[_Network, tuple[Account, ...]] = Generations(RESPONSE_NETWORKS)
        self._larger: Generations[_Network, tuple[Bucket, ...]] = Generations(RESPONSE_NETWORKS)

    def __len__(self) -> int:
        return len(self._networks) + len(self._larger)

    def accountsFor(self, client: str, now: float) -> tuple[Account, ...] | None:
        """
        Return the accounts of a client's network.

        @param client: an address, an IPv4 one not mapped into IPv6; C{""} for a client of a Unix socket.

        @return: an account for each of L{KINDS}, shared by the whole network; L{None} for no limit.
        """
        if not self.perSecond or not client or self._exempt.actionFor(client) == "allow":
            return None
        try:
            address = ip_address(client.partition("%")[0])
        except ValueError:
            return None
        number = int(address)
        (smallest, _), *others = _LATTICE[address.version]
        key = (address.version, smallest, number >> address.max_prefixlen - smallest)
        found = self._networks.find(key)
        if found is None:
            above: list[tuple[tuple[Bucket, ...], float]] = []
            for bits, times in others:
                rate = self.perSecond * times
                place = (address.version, bits, number >> address.max_prefixlen - bits)
                buckets = self._larger.find(place)
                if buckets is None:
                    buckets = tuple([Bucket(rate, now) for _ in KINDS])
                    self._larger.keep(place, buckets)
                above.append((buckets, rate))
            # A new account starts with the tokens of one second, if the larger networks have them.
            since, least, slip = now - 1.0, self._least, self._slip
            found = tuple(
                [_Share(since, least, slip, tuple([(buckets[kind], rate) for buckets, rate in above])) for kind in range(len(KINDS))]
            )
            self._networks.keep(key, found)
        return found

    def admit(self, admission: Admission) -> None:
        admission.accounts = self.accountsFor(admission.client, admission.now)

    def takes(self, account: Account, now: float) -> bool:
        """
        Take a token; return whether there was one.
        """
        if account.tokens < 1.0 and now >= account.shut:
            self._fill(account, now)
            if account.tokens < 1.0:
                account.shut = now + _RESPONSE_PAUSE
        if account.tokens < 1.0:
            return False
        account.tokens -= 1.0
        return True

    def _fill(self, account: Account, now: float) -> None:
        tokens = account.tokens
        wanted = min(tokens + max(now - account.since, 0.0) * self.perSecond, max(self.perSecond, 1.0))
        account.since = now
        if wanted > 0.0 and isinstance(account, _Share):
            # Tokens that pay off this account's debt are not taken from the larger networks.
            owned = max(tokens, 0.0)
            granted = wanted - owned
            for bucket, rate in account.larger:
                bucket.fill(now, rate, rate)
                granted = min(granted, bucket.tokens)
            for bucket, _ in account.larger:
                bucket.tokens -= granted
            wanted = owned + granted
        account.tokens = wanted

    def allows(self, request: Request, octets: bytes, now: float) -> bool:
        """
        Count a reply to a client whose network has accounts; return whether it may be sent. Clients whose address is verified get all.
        """
        accounts = request.record.accounts
        if accounts is None or request.transport != "udp" or request.verified or request.keyName:
            return True
        return self.takes(accounts[kindOf(octets[2:])], now)

    def instead(self, request: Request, octets: bytes, replyBuilder: ReplyBuilder) -> bytes:
        """
        Return the truncated reply to send in place of one that L{allows} has denied; C{b""} for none.
        """
        accounts = request.record.accounts
        if accounts is None or not accounts[kindOf(octets[2:])].holdBack():
            return b""
        return replyBuilder.refusal(request, _TRUNCATED)
