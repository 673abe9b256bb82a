"""
Serves the status page and C{/metrics} at an address, both read-only.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from ipaddress import ip_address
from json import dumps
from socket import SOCK_STREAM
from socket import socket as Socket
from time import perf_counter
from typing import Any, Final, cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorSocket, IReactorTime
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_ext._version import __version__
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.exposition import CONTENT_TYPE, exposition
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.limits import WEB_FRESH
from twisted_ext.server.listeners.sockets import boundTo
from twisted_ext.server.operations.http import BoundedRequest, finishWith
from twisted_ext.server.operations.operations import Operations
from twisted_ext.server.operations.publichttp import PublicSite, SharedBytes
from twisted_ext.transport.servers import Server

__all__ = ["PORT", "WebService", "webSite"]

_log: Final = Logger()

#: The default port of the status page.
PORT: Final = 5380

#: Content-Security-Policy: same-origin resources only, no inline scripts, no framing.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_HEADERS: Final = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)

_FILES: Final = (
    ("", "page.html", "text/html; charset=utf-8"),
    ("page.css", "page.css", "text/css; charset=utf-8"),
    ("page.js", "page.js", "text/javascript; charset=utf-8"),
    ("icon.svg", "icon.svg", "image/svg+xml"),
)


class WebService(Service):
    def __init__(self, reactor: IReactorSocket, address: str, operations: Operations, *, port: int | None = None) -> None:
        """
        @param address: an address of this machine, as C{127.0.0.1:5380}, C{[::1]:5380} or without a port for L{PORT}.
        @param port: overrides the port of C{address}; 0 for one that the kernel chooses.

        @raise CallerFault: C{address} is not valid.
        """
        self._reactor = reactor
        self._server = Server.fromText(address, PORT)
        self._wanted = self._server.port if port is None else port
        self._operations = operations
        self._bound: Socket | None = None
        self._port: IListeningPort | None = None
        self._site: PublicSite | None = None

    def bind(self) -> None:
        """
        Bind the address and read the page. Call it before the service starts: while the process still has its privileges, and while
        errors still reach the operator's terminal.
        """
        self._site = webSite(self._operations, IReactorTime(self._reactor))
        try:
            self._bound = boundTo(self._server.address, self._wanted, SOCK_STREAM)
        except OSError as error:
            raise CallerFault(f"http: cannot listen at {self._server.label}: {error.strerror or error}") from error

    @property
    def port(self) -> int:
        return self._wanted if self._port is None else cast(IPv4Address, self._port.getHost()).port

    def startService(self) -> None:
        self.running = 1
        if self._bound is None:
            self.bind()
        assert self._bound is not None and self._site is not None
        # The reactor duplicates the socket.
        with self._bound as bound:
            self._port = self._reactor.adoptStreamPort(bound.fileno(), bound.family, cast("ServerFactory[Any]", self._site))
        self._bound = None
        self._site.listens(self._port)

    def stopService(self) -> Deferred[None]:
        self.running = 0
        port, self._port = self._port, None
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.close()
        site, self._site = self._site, None
        if site is not None:
            site.end()
        return succeed(None) if port is None else maybeDeferred(port.stopListening).addCallback(lambda _: None)


def webSite(operations: Operations, clock: IReactorTime, *, timer: Callable[[], float] = perf_counter) -> PublicSite:
    root = _Root()
    for path, name, kind in _FILES:
        root.putChild(path.encode("ascii"), _File(name, kind))
    status = SharedBytes(lambda: Deferred.fromCoroutine(_status(operations)), clock, WEB_FRESH.default)
    metrics = SharedBytes(lambda: Deferred.fromCoroutine(_metrics(operations)), clock, WEB_FRESH.default)
    root.putChild(b"status.json", _Rendered(status, "application/json; charset=utf-8"))
    # Prometheus may address the server by any name, and the metrics contain no names that clients query.
    root.putChild(b"metrics", _Rendered(metrics, CONTENT_TYPE, anyHost=True))
    return PublicSite(root, clock, _PageRequest, timer=timer)


async def _status(operations: Operations) -> bytes:
    status = await operations.status()
    figures = await operations.figures()
    shown: dict[str, JSON] = {key: status[key] for key in ("version", "uptime", "listening", "perSecond") if key in status}
    drawn: dict[str, JSON] = {"status": shown, "figures": figures.toJSON(), "history": operations.history.toJSON()}
    return dumps(drawn, separators=(",", ":")).encode("ascii") + b"\n"


async def _metrics(operations: Operations) -> bytes:
    figures = await operations.figures()
    return exposition(figures, version=__version__, started=operations.started).encode("utf-8")


class _PageRequest(BoundedRequest):
    mostOctets = 0


class _Page(Resource):
    """
    A page; this class itself replies 404.
    """

    isLeaf = True
    anyHost = False

    def __init__(self) -> None:
        Resource.__init__(self)

    def render(self, request: Request) -> int:
        reply = self._reply(request)
        return finishWith(request, reply) if isinstance(reply, bytes) else reply

    def _reply(self, request: Request) -> bytes | int:
        for name, value in _HEADERS:
            request.setHeader(name.encode("ascii"), value.encode("ascii"))
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"Allow", b"GET, HEAD")
            return _refuse(request, 405, "Only GET and HEAD are allowed.")
        # DNS rebinding: a foreign page may point its own name at this server and then read everything. It cannot do so with an address.
        if not self.anyHost and not _isOurs(request.getHeader(b"host")):
            return _refuse(request, 421, "Use the address of the server or localhost in the URL of this page.")
        return _Page.show(self, request) if self.isLeaf and request.postpath else self.show(request)

    def show(self, request: Request) -> bytes | int:
        return _refuse(request, 404, "This page does not exist.")


class _Root(_Page):
    isLeaf = False

    def getChild(self, path: bytes, request: Request) -> Resource:
        return _Page()


class _File(_Page):
    def __init__(self, name: str, kind: str) -> None:
        super().__init__()
        self._octets = resources.files(__package__).joinpath(name).read_bytes()
        self._kind = kind.encode("ascii")

    def show(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", self._kind)
        return self._octets


class _Rendered(_Page):
    """
    A document rendered from the metrics, once for all requests that arrive at about the same time.
    """

    def __init__(self, shared: SharedBytes, kind: str, *, anyHost: bool = False) -> None:
        super().__init__()
        self.anyHost = anyHost
        self._shared = shared
        self._kind = kind.encode("ascii")

    def show(self, request: Request) -> int:
        gone: list[bool] = []

        def reply(octets: bytes) -> None:
            if not gone:
                request.setHeader(b"Content-Type", self._kind)
                finishWith(request, octets)

        def fault(failure: Failure) -> None:
            _log.failure("while replying to {path}", failure=failure, path=request.path)
            if not gone:
                finishWith(request, _refuse(request, 500, "Internal error; see the server's log."))

        request.notifyFinish().addErrback(lambda _: gone.append(True))
        self._shared.get().addCallbacks(reply, fault)
        return NOT_DONE_YET


def _isOurs(host: str | bytes | None) -> bool:
    """
    Return whether a host is an address or C{localhost}, which no other machine can claim.
    """
    text = host.decode("latin-1") if isinstance(host, bytes) else host or ""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
    else:
        name, colon, port = text.partition(":")
        rest = colon + port
    if rest and not (rest.startswith(":") and rest[1:].isdigit()):
        return False
    if name.lower().rstrip(".") == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _refuse(request: Request, code: int, words: str) -> bytes:
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return f"{words}\n".encode("ascii")
