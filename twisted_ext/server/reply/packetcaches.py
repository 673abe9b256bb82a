"""
The packet cache of a server: what is decided of clients before it answers them, their groups, how much it keeps for each, and which replies
it is offered.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from time import time
from typing import TYPE_CHECKING, Final

from twisted_ext.limits import LANE_BYTES, LANE_SIGHTS
from twisted_ext.packetcache.clients import UNMETERED, Account, Bucket, Client, Clients, Group, View
from twisted_ext.packetcache.doors import NOWHERE, Door
from twisted_ext.packetcache.packetcache import PacketCache
from twisted_ext.packetcache.table import CookieOptions, Reply, Table
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.cookies import CookieReplies, Cookies, RequiredCookies
from twisted_ext.server.reply.ratelimit import ClientRateLimit, siteOf
from twisted_ext.wire.rrtypes import SOA

if TYPE_CHECKING:
    from twisted_ext.answers import Epoch
    from twisted_ext.server.reply.replywriter import WrittenReply
    from twisted_ext.server.reply.requests import Request
    from twisted_ext.server.reply.rrl import ResponseRateLimit

__all__ = [
    "PROXIES",
    "Admission",
    "Admit",
    "ClientGroups",
    "ForgetfulTable",
    "cacheOf",
    "isForOneTransport",
    "offerReply",
    "packetCacheFor",
    "tableFor",
]

#: The name of the group of trusted proxies that do not name their clients.
PROXIES: Final = "proxies"

#: The EXPIRE option, whose value goes down with time (RFC 7314).
_EXPIRE: Final = 9

#: The keepalive option of RFC 7828.
_KEEPALIVE: Final = 11

#: Transports whose replies are in a table of their own.
_PLAIN: Final = frozenset(("udp", "tcp"))

#: What a view has at least, however many there are: a few hundred replies, and as many queries that were seen once.
_LEAST_OCTETS: Final = float(1 << 16)
_LEAST_SIGHTS: Final = 256

#: Octets of an OPT record without options.
_OPT_OCTETS: Final = 11


class Admission:
    """
    What features decide, one after the other.

    @ivar client: the address, an IPv4 one not mapped into IPv6; C{""} for a client of a Unix socket.
    @ivar door: how it came in.
    @ivar now: the clock's seconds.
    @ivar action: what the client gets: C{"allow"}, C{"zones"}, C{"refuse"} or C{"drop"}, see L{twisted_ext.server.reply.acl}.
    @ivar view: the name of the view that it is in; C{""} for none.
    @ivar needsCookie: whether it is answered over UDP only with a valid cookie.
    @ivar bucket: the rate limit of its queries.
    @ivar accounts: those of the replies to its network; L{None} for no limit.
    """

    __slots__ = ("client", "door", "now", "action", "view", "needsCookie", "bucket", "accounts")

    def __init__(self, client: str, now: float, door: Door = NOWHERE) -> None:
        self.client = client
        self.door = door
        self.now = now
        self.action = "allow"
        self.view = ""
        self.needsCookie = False
        self.bucket: Bucket = UNMETERED
        self.accounts: tuple[Account, ...] | None = None


#: Decides something of a client.
Admit = Callable[[Admission], None]


class ForgetfulTable(Table):
    """
    A reply table that stores nothing, so that every query reaches the responder.
    """

    def offer(self, datagram: bytes, reply: Reply, *, varies: bool = False, personal: bool = False) -> None:
        pass


class ClientGroups:
    """
    The groups of clients of a server, by what they may query and by their views.

    @ivar all: the groups.
    """

    def __init__(
        self,
        *,
        octets: float | None = None,
        sights: int | None = None,
        public: bool = False,
        outside: View | None = None,
        isProxy: Callable[[str], bool] = lambda address: False,
    ) -> None:
        """
        @param octets: memory for the replies over UDP, and as much again for those over TCP and over encrypted transports, in each group
            of clients that may query. The tables of the other groups are minimal.
        @param sights: queries seen once that are remembered, for the same clients.
        @param public: whether there are zones, which clients without other access may query.
        @param outside: what these clients are answered; by default what all are.
        @param isProxy: returns whether an address is that of a proxy, whose own requests are refused: it has to name its clients.
        """
        self._octets, self._sights = octets, sights
        self._isProxy = isProxy
        # By the action, and whether a client needs a valid cookie.
        self._groups = {
            ("allow", False): self._group("allowed", "allow", octets, sights),
            ("refuse", False): self._group("strangers", "refuse", 1, sights),
            ("drop", False): self._group("unwanted", "drop", 1, sights),
        }
        self._proxies = self._group(PROXIES, "refuse", 1, sights)
        if public:
            self._groups["zones", False] = self._group("public", "zones", octets, sights, outside)
        self._views: dict[tuple[str, bool], Group] = {}
        # Those whose replies are for one client alone, by the groups that such clients are in otherwise.
        self._personal: dict[Group, Group] = {}
        self._admitting: tuple[Admit, ...] = ()
        self.all: tuple[Group, ...] = ()
        self.configure((), (), requires=False)

    def _group(
        self, name: str, action: str, octets: float | None, sights: int | None, view: View | None = None, *, shown: bool = False
    ) -> Group:
        datagrams = Table(octets, sights=sights, shown=shown)
        messages = Table(octets, sights=sights, stream=True)
        encrypted = Table(octets, sights=sights, stream=True, exact=True)
        return Group(name, action, datagrams, messages, encrypted, shown, view)

    def configure(
        self,
        admitting: Sequence[Admit],
        views: Sequence[View],
        *,
        requires: bool,
        isPersonal: Callable[[str, str], bool] = lambda client, view: False,
    ) -> None:
        """
        Replace what decides of clients, and the views of those that may query everything.

        @param admitting: each is called for a new client, in this order.
        @param requires: whether some clients are answered over UDP only with a valid cookie.
        @param isPersonal: returns whether the replies to a client that may query everything are for it alone. It takes the client's
            address, and the name of its view, C{""} for none.
        """
        self._admitting = tuple(admitting)
        self._isPersonal = isPersonal
        for action in ("allow", "zones"):
            like = self._groups.get((action, False))
            if requires and like is not None and (action, True) not in self._groups:
                self._groups[action, True] = self._group(like.name, action, self._octets, self._sights, like.view, shown=True)
        # Views share what one has, so that their number does not change what all take.
        share = len(views) + 1
        octets = max(LANE_BYTES.pick(self._octets) / share, _LEAST_OCTETS)
        sights = max(1 << (int(LANE_SIGHTS.pick(self._sights)) // share).bit_length() >> 1, _LEAST_SIGHTS)
        self._views = {
            (view.name, shown): self._group(view.name, "allow", octets, sights, view, shown=shown)
            for view in views
            for shown in ((False, True) if requires else (False,))
        }
        self._personal = {}
        self.all = (*self._groups.values(), self._proxies, *self._views.values())

    def classify(self, address: str, now: float, door: Door = NOWHERE) -> Client:
        """
        Return a new client, with its group and its rates.

        @param door: how it came in.
        """
        client = address[7:] if address.startswith("::ffff:") and "." in address else address
        if self._isProxy(address):
            return Client(client, self._proxies, UNMETERED, siteOf(client))
        admission = Admission(client, now, door)
        for admit in self._admitting:
            admit(admission)
        shown = admission.needsCookie
        group = self._views.get((admission.view, shown)) if admission.view else None
        if group is None:
            action = admission.action
            group = self._groups.get((action, shown)) or self._groups[action, False]
        if group.action == "allow" and self._isPersonal(client, admission.view):
            # They have no replies to look after.
            group = self._personal[group] = self._personal.get(group) or _personalOf(group)
        return Client(client, group, admission.bucket, siteOf(client), admission.accounts)


def _personalOf(group: Group) -> Group:
    """
    Return a group for clients whose replies are for one of them alone, and are otherwise as those of another group.
    """
    datagrams = ForgetfulTable(0, sights=0, shown=group.shown)
    messages = ForgetfulTable(0, sights=0, stream=True)
    encrypted = ForgetfulTable(0, sights=0, stream=True, exact=True)
    return Group(group.name, group.action, datagrams, messages, encrypted, group.shown, group.view)


def packetCacheFor(
    access: Access | None = None,
    rates: ClientRateLimit | None = None,
    cookies: Cookies | None = None,
    *,
    limiting: ResponseRateLimit | None = None,
    required: Collection[str] = (),
    today: Callable[[], float] = time,
) -> PacketCache:
    """
    Make a packet cache that applies C{access}, C{rates} and C{limiting} to its clients.

    @param required: prefixes of clients that are answered over UDP only with a valid server cookie of C{cookies}.
    """
    groups = ClientGroups()
    admitting = [(access or Access()).admit, *[each.admit for each in (rates, limiting) if each is not None]]
    demand = RequiredCookies(required) if required else None
    if demand is not None:
        admitting.append(demand.admit)
    groups.configure(admitting, (), requires=demand is not None)
    return cacheOf(groups, None if cookies is None else CookieReplies(cookies, demand, today))


def cacheOf(groups: ClientGroups, cookies: CookieOptions | None, *, quick: bool = False) -> PacketCache:
    """
    Make the packet cache for groups of clients.

    @param quick: see L{PacketCache}.
    """
    return PacketCache(Clients(groups.classify), groups.all, cookies=cookies, quick=quick)


def offerReply(
    request: Request,
    composed: WrittenReply,
    epoch: Epoch,
    ttls: Sequence[tuple[int, int]],
    learned: float,
    said: int,
    ends: float,
    *,
    known: bool,
    blocked: bool = False,
) -> None:
    """
    Offer the reply to a request to the packet cache. For the arguments see L{Reply}.
    """
    edns = request.edns
    options = edns is not None and edns.options
    question = request.question
    if options and edns is not None and question.rrType == SOA and edns.option(_EXPIRE) is not None:
        # The EXPIRE value of the next reply differs.
        return
    if options and isForOneTransport(request):
        return
    table = tableFor(request)
    varies = bool(options) or request.folded != question.name
    if not (known or varies) and table.isFirstSight(request.wire):
        return
    reply = Reply(
        composed.octets,
        ttls,
        learned,
        said,
        ends,
        epoch,
        request.questionEnd,
        whole=composed.whole,
        plain=edns is not None and composed.optAt == len(composed.octets) - _OPT_OCTETS,
        known=known,
        blocked=blocked,
    )
    table.offer(request.wire, reply, varies=varies, personal=bool(request.cookie))


def tableFor(request: Request) -> Table:
    """
    Return the table for the replies to a client by its transport.
    """
    group = request.record.group
    if request.transport == "udp":
        return group.datagrams
    return group.messages if request.transport == "tcp" else group.encrypted


def isForOneTransport(request: Request) -> bool:
    """
    Return whether the reply depends on which encrypted transport the client uses. They share a table, but only TLS has replies with the
    keepalive option: over QUIC it is an error (RFC 9250, section 5.5.2), and HTTP has means of its own.
    """
    edns = request.edns
    return edns is not None and request.transport not in _PLAIN and edns.option(_KEEPALIVE) is not None
