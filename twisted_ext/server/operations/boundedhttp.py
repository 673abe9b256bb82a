"""
Twisted's web server with limits on the size of requests, the number of connections, and their idle time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web.resource import IResource
from twisted.web.server import NOT_DONE_YET, Request, Site

from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.metrics.figures import JSON

if TYPE_CHECKING:
    from twisted.python.failure import Failure

__all__ = ["BoundedRequest", "BoundedSite", "ConnectionLimit", "finishWith", "replyJSON", "replyLater"]

#: Octets of one command on the control socket.
_CONTROL_OCTETS: Final = 65536

log = Logger(__name__)


class BoundedRequest(Request):
    """
    A request with a limit on the size of its body.
    """

    mostOctets = _CONTROL_OCTETS
    _octets = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > self.mostOctets:
            self._tooLarge()
            length = 0
        Request.gotLength(self, length)

    def handleContentChunk(self, data: bytes) -> None:
        self._octets += len(data)
        if self._octets <= self.mostOctets:
            Request.handleContentChunk(self, data)
        else:
            self._tooLarge()

    def process(self) -> None:
        if not self._refused:
            Request.process(self)

    def _tooLarge(self) -> None:
        channel = self.channel
        if channel is not None and channel.transport is not None and not self._refused:
            self._refused = True
            channel.transport.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            channel.loseConnection()


class BoundedSite(Site):
    """
    A site that logs no requests, does not disclose its software, and closes idle connections.
    """

    displayTracebacks = False
    noisy = False

    def __init__(self, resource: IResource, clock: IReactorTime, seconds: float | None, request: type[Request] = BoundedRequest) -> None:
        """
        @param seconds: idle time before a connection is closed; L{None} for no limit.
        """
        Site.__init__(self, resource, requestFactory=request, timeout=seconds, reactor=clock)

    def log(self, request: object) -> None:
        """
        Suppress Twisted's access log.
        """

    def getResourceFor(self, request: Request) -> IResource:
        request.responseHeaders.setRawHeaders(b"Server", [b"twisted_ext"])
        found: IResource = Site.getResourceFor(self, request)
        return found


class ConnectionLimit(WrappingFactory[ProtocolWrapper]):
    noisy = False

    def __init__(self, factory: Factory[Any], most: int) -> None:
        WrappingFactory.__init__(self, factory)
        self._most = most

    def logPrefix(self) -> str:
        # One word, as L{isNoise<twisted_ext.server.operations.logs.isNoise>} expects it.
        return "ConnectionLimit"

    def buildProtocol(self, addr: IAddress | None) -> ProtocolWrapper | None:
        return None if len(self.protocols) >= self._most else WrappingFactory.buildProtocol(self, addr)

    def end(self) -> None:
        for wrapper in list(self.protocols):
            transport = wrapper.transport
            if transport is not None:
                transport.abortConnection()


def replyJSON(request: Request, value: JSON, code: int = 200) -> bytes:
    """
    Send a value as JSON.

    @return: the value that a C{render} method has to return.
    """
    request.setResponseCode(code)
    request.setHeader(b"Content-Type", b"application/json; charset=utf-8")
    request.setHeader(b"Cache-Control", b"no-store")
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"


def finishWith(request: Request, body: bytes) -> int:
    """
    Send the body, or for HEAD only the Content-Length that it would have (RFC 9110, section 9.3.2).

    @return: the value that a C{render} method has to return.
    """
    request.setHeader(b"Content-Length", b"%d" % len(body))
    # Even an empty write sends the headers.
    request.write(b"" if request.method == b"HEAD" else body)
    request.finish()
    return NOT_DONE_YET


def replyLater(request: Request, work: Callable[[], Deferred[JSON]]) -> int:
    """
    Reply with the result of C{work} as JSON, or with its error as C{{"error": …}}. The work is cancelled if the client disconnects.

    @return: the value that a C{render} method has to return.
    """
    gone: list[bool] = []

    def reply(value: JSON, code: int = 200) -> None:
        if not gone:
            finishWith(request, replyJSON(request, value, code))

    def fault(failure: Failure) -> None:
        error = failure.value
        if isinstance(error, CallerFault):
            reply({"error": str(error)}, 400)
        elif isinstance(error, DNSFault):
            reply({"error": str(error) or type(error).__name__}, 502)
        elif not isinstance(error, CancelledError):
            log.failure("while replying to {path}", failure=failure, path=request.path)
            reply({"error": "internal error; the server's log has it"}, 500)

    try:
        working = work()
    except CallerFault as error:
        reply({"error": str(error)}, 400)
        return NOT_DONE_YET

    def away(_: object) -> None:
        gone.append(True)
        working.cancel()

    request.notifyFinish().addErrback(away)
    working.addCallbacks(reply, fault)
    working.addErrback(lambda failure: log.failure("while replying to {path}", failure=failure, path=request.path))
    return NOT_DONE_YET
