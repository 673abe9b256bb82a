"""
Serves the status page, C{/metrics}, C{/ready} and C{/healthz} at an address, all of them read-only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from ipaddress import ip_address
from json import dumps
from time import perf_counter
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorSocket, IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import Request

from twisted_ext._version import __version__
from twisted_ext.metrics.exposition import CONTENT_TYPE, exposition
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.places import labelOf
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.order import declaredFigures
from twisted_ext.server.limits import WEB_FRESH
from twisted_ext.server.operations.boundedhttp import BoundedRequest
from twisted_ext.server.operations.operations import Operations
from twisted_ext.transport.servers import Server
from twisted_ext.web.http.publichttp import PublicSite, SharedBytes
from twisted_ext.web.http.website import HEADERS, Document, Page, SiteService, isOurs, refuse, sendLater
from twisted_ext.web.setup.page import POLICY, SetupPage

if TYPE_CHECKING:
    from twisted_ext.web.status.queries import EarlierQueries

__all__ = ["PORT", "WebService", "warnOfStrangers", "webSite"]

#: The default port of the status page.
PORT: Final = 5380

#: Digits of the number of a query in the live list.
_DIGITS: Final = 12

_JSON: Final = "application/json; charset=utf-8"

#: How the octets begin that say that all is well.
_READY: Final = b'{"ready":true'

#: Values with which browsers mark requests of other sites' pages (Fetch Metadata of the W3C).
_FOREIGN: Final = (b"cross-site", b"same-site")

_FILES: Final = (
    ("", "page.html", "text/html; charset=utf-8"),
    ("page.css", "page.css", "text/css; charset=utf-8"),
    *[(name, name, "text/javascript; charset=utf-8") for name in ("page.js", "dom.js", "charts.js", "live.js")],
    ("icon.svg", "icon.svg", "image/svg+xml"),
)


class WebService(SiteService):
    log = Logger(__name__)

    def __init__(
        self,
        reactor: IReactorSocket,
        address: str,
        operations: Operations,
        *,
        port: int | None = None,
        setup: Callable[[], Sequence[SetupPage]] = tuple,
    ) -> None:
        """
        @param setup: see L{webSite}.
        """
        super().__init__(reactor, address, PORT, lambda: webSite(operations, IReactorTime(reactor), setup=setup), port=port)

    def startService(self) -> None:
        super().startService()
        self.log.info("the status page is at http://{place}/", place=labelOf(self._server.address, self.port))


def warnOfStrangers(settings: Settings) -> None:
    """
    Warn of a status page that other hosts can read.
    """
    if not ip_address(Server.fromText(settings.http, 1).address.partition("%")[0]).is_loopback:
        WebService.log.warn(
            "http: every host that can reach {address} can read the status page, which has the names that clients query{more}",
            address=settings.http,
            more=", the addresses of clients and what each of them asks" if settings.showClients else "",
        )


def webSite(
    operations: Operations,
    clock: IReactorTime,
    *,
    timer: Callable[[], float] = perf_counter,
    setup: Callable[[], Sequence[SetupPage]] = tuple,
) -> PublicSite:
    """
    @param setup: returns the pages at and below C{/setup}.
    """
    root = _Root()
    root.putChild(b"setup", _Setup(setup))
    for path, name, kind in _FILES:
        root.putChild(path.encode("ascii"), _File(name, kind))
    status = SharedBytes(lambda: Deferred.fromCoroutine(_status(operations)), clock, WEB_FRESH.default)
    metrics = SharedBytes(lambda: Deferred.fromCoroutine(_metrics(operations)), clock, WEB_FRESH.default)
    root.putChild(b"status.json", _Rendered(status, _JSON))
    history = SharedBytes(lambda: Deferred.fromCoroutine(_history(operations)), clock, WEB_FRESH.default)
    root.putChild(b"history.json", _Rendered(history, _JSON))
    root.putChild(b"clients.json", _Asked(lambda request: operations.do("clients", {"address": _argument(request, "client")})))
    root.putChild(b"queries.json", _Asked(lambda request: operations.queries(_after(request))))
    root.putChild(b"queries", _Queries(operations, clock))
    # Load balancers may address the server by any name, and learn no names that clients query, nor those of zones.
    ready = SharedBytes(lambda: Deferred.fromCoroutine(_ready(operations)), clock, WEB_FRESH.default)
    root.putChild(b"ready", _Health(ready))
    root.putChild(b"healthz", _Health(SharedBytes(lambda: succeed(_encoded({"ready": operations.alive})), clock, 0.0)))
    # Prometheus may address the server by any name, and the metrics contain no names that clients query.
    root.putChild(b"metrics", _Rendered(metrics, CONTENT_TYPE, anyHost=True))
    return PublicSite(root, clock, _PageRequest, timer=timer)


async def _status(operations: Operations) -> bytes:
    status = await operations.status()
    figures = await operations.figures()
    shown: dict[str, JSON] = {key: status[key] for key in ("version", "compiled", "uptime", "listening", "perSecond") if key in status}
    # Of what features say, as much as is for this page.
    shown |= {key: said["shown"] for key, said in status.items() if isinstance(said, dict) and "shown" in said}
    history = operations.history
    drawn: dict[str, JSON] = {
        "status": shown,
        "figures": figures.toJSON(),
        "history": history.toJSON(),
        "latencies": history.latencies(),
    }
    return _encoded(drawn)


async def _ready(operations: Operations) -> bytes:
    said = await operations.ready()
    return _encoded({"ready": said["ready"], "reasons": said["reasons"]})


async def _history(operations: Operations) -> bytes:
    return _encoded(operations.history.spans())


def _encoded(value: dict[str, JSON]) -> bytes:
    return dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def _argument(request: Request, key: str) -> str:
    values: list[bytes] = request.args.get(key.encode(), [])
    return values[0].decode("utf-8", "replace") if values else ""


def _after(request: Request) -> int:
    text = _argument(request, "after")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else 0


async def _metrics(operations: Operations) -> bytes:
    figures = await operations.figures()
    zones = operations.zoneMetrics()
    text = exposition(
        figures,
        version=__version__,
        started=operations.started,
        zones=zones,
        declared=declaredFigures(),
        samples=operations.samples(),
    )
    return text.encode("utf-8")


class _PageRequest(BoundedRequest):
    mostOctets = 0


class _StatusPage(Page):
    """
    A page for requests with an address or C{localhost} as host; this class itself replies 404.
    """

    anyHost = False

    def show(self, request: Request) -> bytes | int:
        # DNS rebinding: a foreign page may point its own name at this server and then read everything. It cannot do so with an address.
        if not self.anyHost and not isOurs(request.getHeader(b"host")):
            return refuse(request, 421, "Use the address of the server or localhost in the URL of this page.")
        return Page.show(self, request) if self.isLeaf and request.postpath else self.found(request)

    def found(self, request: Request) -> bytes | int:
        return Page.show(self, request)


class _Root(_StatusPage):
    isLeaf = False

    def getChild(self, path: bytes, request: Request) -> Resource:
        return _StatusPage()


class _File(_StatusPage):
    def __init__(self, name: str, kind: str) -> None:
        super().__init__()
        self._octets = resources.files(__package__).joinpath(name).read_bytes()
        self._kind = kind.encode("ascii")

    def found(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", self._kind)
        return self._octets


class _Setup(_StatusPage):
    def __init__(self, pages: Callable[[], Sequence[SetupPage]]) -> None:
        super().__init__()
        self._pages = pages

    def show(self, request: Request) -> bytes | int:
        return self.found(request) if isOurs(request.getHeader(b"host")) else super().show(request)

    def found(self, request: Request) -> bytes | int:
        page = next((each for each in self._pages() if each.path.encode() == request.path), None)
        if page is None:
            return Page.show(self, request)
        request.setHeader(b"Content-Type", page.mediaType.encode("ascii"))
        request.setHeader(b"Content-Security-Policy", POLICY.encode("ascii"))
        if page.fileName:
            request.setHeader(b"Content-Disposition", f'attachment; filename="{page.fileName}"'.encode())
        return page.body


class _Rendered(_StatusPage):
    """
    A document rendered from the metrics, once for all requests that arrive at about the same time.
    """

    def __init__(self, shared: SharedBytes, kind: str, *, anyHost: bool = False) -> None:
        super().__init__()
        self.anyHost = anyHost
        self._shared = shared
        self._kind = kind

    def found(self, request: Request) -> int:
        return sendLater(request, self._shared.get().addCallback(Document, self._kind))


class _Health(_StatusPage):
    """
    What a load balancer asks: 200 while it is well, else 503.
    """

    anyHost = True

    def __init__(self, shared: SharedBytes) -> None:
        super().__init__()
        self._shared = shared

    def found(self, request: Request) -> int:
        return sendLater(request, self._shared.get().addCallback(self._documented))

    @staticmethod
    def _documented(octets: bytes) -> Document:
        return Document(octets, _JSON, 200 if octets.startswith(_READY) else 503)


class _OwnSite(_StatusPage):
    """
    A document that depends on the query of its address.
    """

    def found(self, request: Request) -> bytes | int:
        # A page of another site can send requests, although it cannot read the replies: requests switch the live list on, and searches
        # take time.
        if request.getHeader(b"sec-fetch-site") in _FOREIGN:
            return refuse(request, 403, "Other sites may not request this.")
        return sendLater(request, self.document(request))

    def document(self, request: Request) -> Deferred[Document]:
        raise NotImplementedError


class _Asked(_OwnSite):
    def __init__(self, ask: Callable[[Request], Deferred[dict[str, JSON]]]) -> None:
        super().__init__()
        self._ask = ask

    def document(self, request: Request) -> Deferred[Document]:
        return self._ask(request).addCallback(lambda value: Document(_encoded(value), _JSON))


class _Queries(_OwnSite):
    """
    Earlier queries. The only page with a form.
    """

    headers = tuple((name, value.replace("form-action 'none'", "form-action 'self'")) for name, value in HEADERS)

    def __init__(self, operations: Operations, reactor: IReactorTime) -> None:
        super().__init__()
        self._operations = operations
        self._reactor = reactor
        self._earlier: EarlierQueries | None = None

    def document(self, request: Request) -> Deferred[Document]:
        # Imported when one looks: most servers keep no history.
        from twisted_ext.server.features.queryhistory.searching import FIELDS
        from twisted_ext.web.status.queries import EarlierQueries

        if self._earlier is None:
            self._earlier = EarlierQueries(self._operations, self._reactor)
        return Deferred.fromCoroutine(self._earlier.page({key: _argument(request, key).strip() for key in FIELDS}))
