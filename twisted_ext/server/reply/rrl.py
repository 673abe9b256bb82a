"""
How many replies one network gets, whoever asks for them in its name: a server must be of no use for flooding others (RFC 5358).

Addresses can be made up, so what is counted is where replies go. A network that gets more of one kind than it may gets nothing of that
kind until less is asked for; but every so often a truncated reply, with which whoever really is there comes by TCP. Whoever has shown by a
cookie or a signature that its address is its own is not held back, and streams have shown that as well.

Networks stand in larger ones, which have room for some of them at a time: addresses made up all over a larger network do not get each of
its parts a share of its own. A part takes its share from all of them when its own is used up, so a reply costs one look at one account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from twisted_ext.packetcache.clients import Account, Bucket
from twisted_ext.packetcache.replykinds import KINDS, kindOf
from twisted_ext.server.limits import RESPONSE_NETWORKS, RESPONSE_PAUSE, RESPONSE_RATE, RESPONSE_SLIP, RESPONSE_WINDOW
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.requests import Refusal
from twisted_ext.wire.codes import Rcode

if TYPE_CHECKING:
    from twisted_ext.metrics.counters import Counters
    from twisted_ext.server.reply.replybuilder import ReplyBuilder
    from twisted_ext.server.reply.requests import Request, Send

__all__ = ["ResponseRateLimit"]

#: Bits of the networks that are counted, and for how many of the smallest ones each has room.
_LATTICE: Final = {4: ((24, 1), (20, 8), (16, 32)), 6: ((56, 1), (48, 8), (32, 64))}

_Value = TypeVar("_Value")

_TRUNCATED: Final = Refusal(Rcode.NOERROR, truncated=True)


class _Share(Account):
    """
    An account with those that it takes its tokens from.
    """

    __slots__ = ("larger",)

    def __init__(self, since: float, least: float, slip: int, larger: tuple[tuple[Bucket, float], ...]) -> None:
        super().__init__(since, least, slip)
        self.larger = larger


class ResponseRateLimit:
    """
    Accounts of networks.

    @ivar perSecond: replies of one kind in a second for a /24 of IPv4 or a /56 of IPv6; 0 where nobody counts.
    """

    def __init__(
        self,
        perSecond: float | None = None,
        *,
        slip: int | None = None,
        window: float | None = None,
        exempt: Iterable[str] = (),
    ) -> None:
        """
        @param slip: of the replies held back, one in so many is sent truncated; 0 for none.
        @param window: seconds for which a network that asked too much has to ask less before it gets anything.
        @param exempt: prefixes that get as much as they ask for.

        @raise BadDescription: one of these is no prefix.
        """
        self.perSecond = RESPONSE_RATE.pick(perSecond)
        self._slip = int(RESPONSE_SLIP.pick(slip))
        self._least = -self.perSecond * RESPONSE_WINDOW.pick(window)
        self._exempt = Access({"allow": exempt})
        self._networks: _Kept[tuple[Account, ...]] = _Kept()
        self._larger: _Kept[tuple[Bucket, ...]] = _Kept()

    def __len__(self) -> int:
        return len(self._networks) + len(self._larger)

    def accountsFor(self, client: str, now: float) -> tuple[Account, ...] | None:
        """
        @param client: an address, one of IPv4 as itself; C{""} for who came by a socket file.

        @return: an account for each of L{KINDS}, shared by all of its network; L{None} where nobody counts.
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
            # What one second brings is there from the start, if the larger networks have it.
            since, least, slip = now - 1.0, self._least, self._slip
            found = tuple(
                [_Share(since, least, slip, tuple([(buckets[kind], rate) for buckets, rate in above])) for kind in range(len(KINDS))]
            )
            self._networks.keep(key, found)
        return found

    def takes(self, account: Account, now: float) -> bool:
        """
        Take a token.

        @return: whether there was one.
        """
        if account.tokens < 1.0 and now >= account.shut:
            self._fill(account, now)
            if account.tokens < 1.0:
                account.shut = now + RESPONSE_PAUSE.default
        if account.tokens < 1.0:
            return False
        account.tokens -= 1.0
        return True

    def _fill(self, account: Account, now: float) -> None:
        tokens = account.tokens
        wanted = min(tokens + max(now - account.since, 0.0) * self.perSecond, max(self.perSecond, 1.0))
        account.since = now
        if wanted > 0.0 and isinstance(account, _Share):
            # What is owed costs the others nothing.
            owned = max(tokens, 0.0)
            granted = wanted - owned
            for bucket, rate in account.larger:
                bucket.fill(now, rate, rate)
                granted = min(granted, bucket.tokens)
            for bucket, _ in account.larger:
                bucket.tokens -= granted
            wanted = owned + granted
        account.tokens = wanted

    def guard(self, request: Request, send: Send, finishing: ReplyBuilder, counters: Counters, seconds: Callable[[], float]) -> Send:
        """
        @return: what sends the replies to a request that may be sent, and holds back the others.
        """
        accounts = request.record.accounts
        if accounts is None or request.transport != "udp":
            return send

        def guarded(octets: bytes) -> None:
            if request.verified or request.keyName:
                send(octets)
                return
            account = accounts[kindOf(octets[2:])]
            if self.takes(account, seconds()):
                send(octets)
            elif account.holdBack():
                counters.limited(1, 0)
                send(finishing.refusal(request, _TRUNCATED))
            else:
                counters.limited(1, 1)

        return guarded


class _Kept(Generic[_Value]):
    """
    What is known of networks, in two generations: there is room for so many, and those not asked for longest are forgotten.
    """

    __slots__ = ("_young", "_old")

    def __init__(self) -> None:
        self._young: dict[tuple[int, int, int], _Value] = {}
        self._old: dict[tuple[int, int, int], _Value] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, place: tuple[int, int, int]) -> _Value | None:
        found = self._young.get(place)
        if found is None:
            found = self._old.pop(place, None)
            if found is not None:
                self.keep(place, found)
        return found

    def keep(self, place: tuple[int, int, int], value: _Value) -> None:
        if len(self._young) >= RESPONSE_NETWORKS.default // 2:
            self._old = self._young
            self._young = {}
        self._young[place] = value
