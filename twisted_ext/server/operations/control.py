"""
Control of a running server: HTTP with JSON over a Unix socket that only its owner can open. Each operation of
L{the table<twisted_ext.server.operations.table>} has its path there: C{GET /cache/show?name=NAME}, or C{POST} if it changes something. The
file of C{POST /cache/load} is the body, and C{GET /cache/dump} returns one.

Errors are returned as an object with the key C{error}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from twisted_ext.errors import CallerFault
from twisted_ext.limits import CACHE_LINE
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.limits import CONTROL_SECONDS
from twisted_ext.server.operations.boundedhttp import BoundedRequest, BoundedSite, replyJSON, replyLater
from twisted_ext.server.operations.operations import Operations
from twisted_ext.server.operations.table import allVerbs

if TYPE_CHECKING:
    from twisted_ext.server.features.base.verb import Verb

__all__ = ["LineStream", "controlSite", "controlTree", "linesIn"]

#: Octets of a cache dump that a running server loads.
_CONTROL_LOAD: Final = 2**30

#: Lines of a dump that are sent at once.
_LINES: Final = 64

class _ControlRequest(BoundedRequest):
    """
    A request whose body may be a whole cache file. Twisted spools it to a temporary file.
    """

    mostOctets = _CONTROL_LOAD


Work = Callable[[Request], Deferred[JSON]]


class _Leaf(Resource):
    """
    What has one path and one method.
    """

    isLeaf = True

    def __init__(self, method: bytes) -> None:
        Resource.__init__(self)
        self._method = method

    def render(self, request: Request) -> bytes | int:
        if request.postpath:
            return _Absent().render(request)
        if request.method != self._method:
            request.setHeader(b"Allow", self._method)
            return replyJSON(request, {"error": f"{request.path.decode('ascii', 'replace')} takes {self._method.decode()}"}, 405)
        return self.answer(request)

    def answer(self, request: Request) -> bytes | int:
        raise NotImplementedError


class _Command(_Leaf):
    def __init__(self, method: bytes, work: Work) -> None:
        super().__init__(method)
        self._work = work

    def answer(self, request: Request) -> bytes | int:
        return replyLater(request, lambda: self._work(request))


class _Absent(Resource):
    isLeaf = True

    def render(self, request: Request) -> bytes:
        return replyJSON(request, {"error": "there is no such command"}, 404)


class _Branch(Resource):
    def getChild(self, path: bytes, request: Request) -> Resource:
        return _Absent()


def controlSite(operations: Operations, clock: IReactorTime) -> BoundedSite:
    return BoundedSite(controlTree(operations, clock), clock, CONTROL_SECONDS.default, _ControlRequest)


def controlTree(operations: Operations, clock: IReactorTime) -> Resource:
    root = _Branch()
    branches: dict[str, _Branch] = {}
    for verb in allVerbs():
        first, *rest = verb.words
        branch = root
        if rest:
            if first not in branches:
                branches[first] = _Branch()
                root.putChild(first.encode("ascii"), branches[first])
            branch = branches[first]
        method = b"POST" if verb.changes else b"GET"
        branch.putChild(verb.words[-1].encode("ascii"), _Command(method, partial(_executed, operations, verb)))
    branches["cache"].putChild(b"dump", _Dump(operations, clock))
    branches["cache"].putChild(b"load", _Command(b"POST", partial(_loaded, operations)))
    return root


def _executed(operations: Operations, verb: Verb, request: Request) -> Deferred[JSON]:
    given = {key.decode("ascii", "replace"): values[0].decode("utf-8", "replace") for key, values in request.args.items() if values[0]}
    return operations.do(verb.path, given).addCallback(_whole)


def _loaded(operations: Operations, request: Request) -> Deferred[JSON]:
    assert request.content is not None
    loading = operations.load(linesIn(request.content))
    return loading.addCallback(lambda loaded: {"loaded": loaded.answers, "skipped": loaded.skipped, "said": [*loaded.complaints]})


def _whole(value: dict[str, JSON]) -> JSON:
    return value


def linesIn(content: IO[bytes]) -> Iterator[str]:
    """
    Read the lines of a file without reading it all into memory. Overlong lines are split, which makes them invalid.
    """
    most = int(CACHE_LINE.default) + 2
    while line := content.readline(most):
        yield line.decode("utf-8", "replace")


class _Dump(_Leaf):
    def __init__(self, operations: Operations, clock: IReactorTime) -> None:
        super().__init__(b"GET")
        self._operations = operations
        self._clock = clock

    def answer(self, request: Request) -> bytes | int:
        try:
            lines = self._operations.dump(request.args.get(b"view", [b""])[0].decode("utf-8", "replace"))
        except CallerFault as fault:
            return replyJSON(request, {"error": str(fault)}, 400)
        request.setHeader(b"Content-Type", b"application/x-ndjson")
        LineStream(request, lines, self._clock).begin()
        return NOT_DONE_YET


@implementer(IPushProducer)
class LineStream:
    """
    Push producer that sends lines, and closes the connection if the client stops reading.
    """

    def __init__(self, request: Request, lines: Iterable[str], clock: IReactorTime) -> None:
        self._request = request
        self._lines = iter(lines)
        self._clock = clock
        self._next: IDelayedCall | None = None

    def begin(self) -> None:
        self._request.notifyFinish().addBoth(self._ended)
        # Not as a pull producer, which Twisted would drive with the global reactor.
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def resumeProducing(self) -> None:
        self._wait(0.0, self._send)

    def pauseProducing(self) -> None:
        self._wait(CONTROL_SECONDS.default, self._giveUp)

    def stopProducing(self) -> None:
        self._ended(None)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._ended(None)
        self._next = self._clock.callLater(seconds, then)

    def _send(self) -> None:
        # The write below may pause this producer.
        self.resumeProducing()
        some = "".join(islice(self._lines, _LINES))
        if some:
            self._request.write(some.encode("utf-8"))
        else:
            self._request.unregisterProducer()
            self._request.finish()

    def _ended(self, _: object) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()

    def _giveUp(self) -> None:
        channel = self._request.channel
        if channel is not None:
            with suppress(AttributeError):
                channel.forceAbortClient()
