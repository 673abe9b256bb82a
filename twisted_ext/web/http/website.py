"""
Read-only web pages with security headers, and the service that serves a site at an address.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from ipaddress import ip_address
from socket import SOCK_STREAM
from socket import socket as Socket
from typing import Any, Final, NamedTuple, cast

from twisted.application.service import Service
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IReactorSocket
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_ext.errors import CallerFault
from twisted_ext.server.listeners.sockets import boundTo
from twisted_ext.server.operations.boundedhttp import finishWith
from twisted_ext.transport.servers import Server
from twisted_ext.web.http.publichttp import PublicSite

__all__ = ["HEADERS", "Document", "Page", "SiteService", "clientOf", "isOurs", "refuse", "sendLater"]

_log: Final = Logger(__name__)

#: Headers of every page: no framing, no guessed types, no referrer, and scripts only as files of the same site.
HEADERS: Final = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


class Document(NamedTuple):
    """
    @ivar location: where a redirect leads to.
    """

    body: bytes
    kind: str = "text/html; charset=utf-8"
    code: int = 200
    location: str = ""


class Page(Resource):
    """
    A page that is only read; this class itself replies 404.

    @cvar headers: the headers of its replies.
    @cvar methods: the methods that it takes.
    """

    isLeaf = True
    headers: tuple[tuple[str, str], ...] = HEADERS
    methods: tuple[str, ...] = ("GET", "HEAD")

    def __init__(self) -> None:
        Resource.__init__(self)

    def render(self, request: Request) -> int:
        for name, value in self.headers:
            request.setHeader(name.encode("ascii"), value.encode("ascii"))
        if request.method.decode("latin-1") in self.methods:
            reply = self.show(request)
        else:
            request.setHeader(b"Allow", ", ".join(self.methods).encode("ascii"))
            reply = refuse(request, 405, f"Only {' and '.join(self.methods)} {'is' if len(self.methods) == 1 else 'are'} allowed.")
        return finishWith(request, reply) if isinstance(reply, bytes) else reply

    def show(self, request: Request) -> bytes | int:
        """
        Return the body, or C{NOT_DONE_YET}.
        """
        return refuse(request, 404, "This page does not exist.")


def refuse(request: Request, code: int, words: str) -> bytes:
    """
    Set the status of an error, and return its body.
    """
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
    return f"{words}\n".encode()


def sendLater(request: Request, making: Deferred[Document]) -> int:
    """
    Reply with a document when it is made.

    @return: the value that a C{render} method has to return.
    """
    gone: list[bool] = []

    def reply(document: Document) -> None:
        if not gone:
            if document.code != 200:
                request.setResponseCode(document.code)
            if document.location:
                request.setHeader(b"Location", document.location.encode("ascii"))
            request.setHeader(b"Content-Type", document.kind.encode("ascii"))
            finishWith(request, document.body)

    def fault(failure: Failure) -> None:
        _log.failure("while replying to {path}", failure=failure, path=request.path)
        if not gone:
            finishWith(request, refuse(request, 500, "Internal error; see the server's log."))

    request.notifyFinish().addErrback(lambda _: gone.append(True))
    making.addCallbacks(reply, fault)
    making.addErrback(lambda failure: _log.failure("while replying to {path}", failure=failure, path=request.path))
    return NOT_DONE_YET


def clientOf(request: Request) -> str:
    """
    Return the address that a request came from; C{""} for none, as over a Unix socket.
    """
    channel = request.channel
    transport = None if channel is None else channel.transport
    return str(getattr(None if transport is None else transport.getPeer(), "host", ""))


def isOurs(host: str | bytes | None, names: Container[str] = ()) -> bool:
    """
    Return whether a C{Host} header has an address or C{localhost}, which no other machine can claim, or a name of this server. A page of
    another site could point its own name here.

    @param names: in lower case, without a dot at the end.
    """
    text = host.decode("latin-1") if isinstance(host, bytes) else host or ""
    if text.startswith("["):
        name, _, rest = text[1:].partition("]")
    else:
        name, colon, port = text.partition(":")
        rest = colon + port
    if rest and not (rest.startswith(":") and rest[1:].isdigit()):
        return False
    if (plain := name.lower().rstrip(".")) == "localhost" or plain in names:
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


class SiteService(Service):
    """
    Serves a site at an address.
    """

    def __init__(
        self,
        reactor: IReactorSocket,
        address: str,
        default: int,
        make: Callable[[], PublicSite],
        *,
        port: int | None = None,
        setting: str = "http",
        wrap: Callable[[PublicSite], ServerFactory[Any]] | None = None,
    ) -> None:
        """
        @param address: an address of this machine, as C{127.0.0.1:5380}, C{[::1]:5380} or without a port.
        @param default: the port if the address has none.
        @param make: makes the site.
        @param port: overrides the port of C{address}; 0 for one that the kernel chooses.
        @param setting: the name of the setting, for errors.
        @param wrap: returns what makes the protocols of connections, with those of the site inside; by default the site does.

        @raise CallerFault: C{address} is not valid.
        """
        self._reactor = reactor
        self._server = Server.fromText(address, default)
        self._wanted = self._server.port if port is None else port
        self._make = make
        self._setting = setting
        self._wrap = wrap
        self._bound: Socket | None = None
        self._port: IListeningPort | None = None
        self._site: PublicSite | None = None

    def bind(self) -> None:
        """
        Bind the address and make the site. Call it before the service starts: while the process still has its privileges, and while
        errors still reach the operator's terminal.

        @raise CallerFault: the address cannot be bound.
        """
        self._site = self._make()
        try:
            self._bound = boundTo(self._server.address, self._wanted, SOCK_STREAM)
        except OSError as error:
            raise CallerFault(f"{self._setting}: cannot listen at {self._server.label}: {error.strerror or error}") from error

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
            factory = cast("ServerFactory[Any]", self._site) if self._wrap is None else self._wrap(self._site)
            self._port = self._reactor.adoptStreamPort(bound.fileno(), bound.family, factory)
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
