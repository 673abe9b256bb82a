"""
Control of a running server: HTTP with JSON over a Unix socket that only its owner can open::

    GET  /status  /stats  /upstreams  /traces  /types  /history
    GET  /clients[?client=ADDRESS]   GET  /queries[?after=NUMBER]
    GET  /cache?name=NAME            GET  /cache/dump
    POST /cache/flush[?name=NAME[&subtree=1]]
    POST /cache/load                 the file is the body
    POST /reload
    GET  /zones/[?name=NAME][&broken=1][&begin=NUMBER]
    POST /zones/reload?name=NAME
    GET  /explain?name=NAME[&type=TYPE]
    POST /trace?on=1[&name=NAME]     POST /trace?on=0

Errors are returned as an object with the key C{error}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import IO, TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer

from twisted_ext.errors import BadRecord, CallerFault
from twisted_ext.limits import CACHE_LINE
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.server.features.order import declaredFigures, declaredVerbs
from twisted_ext.server.limits import CONTROL_LOAD, CONTROL_SECONDS
from twisted_ext.server.operations.http import BoundedRequest, BoundedSite, replyJSON, replyLater
from twisted_ext.server.operations.operations import Operations, WhichZones
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A, typeNumber

if TYPE_CHECKING:
    from twisted_ext.server.features.base.feature import Verb

__all__ = ["LineStream", "controlSite", "controlTree", "linesIn"]

#: Lines of a dump that are sent at once.
_LINES: Final = 64

#: Digits of a number of zones or of a query in the live list.
_DIGITS: Final = 12


class _ControlRequest(BoundedRequest):
    """
    A request whose body may be a whole cache file. Twisted spools it to a temporary file.
    """

    mostOctets = int(CONTROL_LOAD.default)


Work = Callable[[Request], Deferred[JSON]]


class _Command(Resource):
    isLeaf = True

    def __init__(self, method: bytes, work: Work) -> None:
        Resource.__init__(self)
        self._method = method
        self._work = work

    def render(self, request: Request) -> bytes | int:
        if request.postpath:
            return _Absent().render(request)
        if request.method != self._method:
            request.setHeader(b"Allow", self._method)
            return replyJSON(request, {"error": f"{request.path.decode('ascii', 'replace')} takes {self._method.decode()}"}, 405)
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
    cache = _Branch()

    def get(branch: Resource, word: str, work: Work) -> None:
        branch.putChild(word.encode("ascii"), _Command(b"GET", work))

    def post(branch: Resource, word: str, work: Work) -> None:
        branch.putChild(word.encode("ascii"), _Command(b"POST", work))

    def flush(request: Request) -> Deferred[JSON]:
        name = _text(request, "name")
        flushed = operations.flush(nameFromText(name) if name else None, _flag(request, "subtree"))
        return flushed.addCallback(lambda count: {"flushed": count})

    def load(request: Request) -> Deferred[JSON]:
        assert request.content is not None
        loading = operations.load(linesIn(request.content))
        return loading.addCallback(lambda loaded: {"loaded": loaded.answers, "skipped": loaded.skipped, "said": [*loaded.complaints]})

    def served(request: Request) -> Deferred[JSON]:
        name, begin = _text(request, "name"), _text(request, "begin")
        skipped = _numberIn(begin, "begin") if begin else None
        apex = nameFromText(name).lower() if name else None
        return operations.served(WhichZones(apex, _flag(request, "broken"), skipped)).addCallback(_whole)

    def reloadZone(request: Request) -> Deferred[JSON]:
        name = _text(request, "name")
        if not name:
            raise CallerFault("which zone? write zones/reload?name=NAME")
        apex = nameFromText(name).lower()

        def over(lines: list[str]) -> Deferred[JSON]:
            def done(said: dict[str, JSON]) -> JSON:
                zones = said["zones"]
                return {"said": [*lines], "failed": isinstance(zones, list) and any(map(_isBroken, zones))}

            return operations.served(WhichZones(apex)).addCallback(done)

        return operations.reloadZone(apex).addCallback(over)

    def explain(request: Request) -> Deferred[JSON]:
        return operations.explain(_question(request), _text(request, "client")).addCallback(_whole)

    def trace(request: Request) -> Deferred[JSON]:
        on, name = _flag(request, "on"), _text(request, "name")
        return operations.trace(on, nameFromText(name) if name else None).addCallback(lambda _: {"tracing": on})

    def queries(request: Request) -> Deferred[JSON]:
        return operations.queries(_numberIn(_text(request, "after"), "after")).addCallback(_whole)

    def delegations(request: Request) -> Deferred[JSON]:
        name = _text(request, "name")
        return operations.delegations(nameFromText(name or ".").lower()).addCallback(_whole)

    def suspend(request: Request) -> Deferred[JSON]:
        text = _text(request, "name")
        if not text:
            raise CallerFault("which name? write nta/add?name=NAME=UNTIL")
        return operations.suspend(text).addCallback(lambda _: {"added": text})

    def resume(request: Request) -> Deferred[JSON]:
        name = _text(request, "name")
        if not name:
            raise CallerFault("which name? write nta/remove?name=NAME")
        return operations.resume(nameFromText(name)).addCallback(lambda _: {"removed": name})

    branches: dict[str, _Branch] = {}
    for verb in declaredVerbs():
        first, _, rest = verb.path.partition("/")
        branch = root
        if rest and first not in branches:
            branches[first] = _Branch()
            root.putChild(first.encode("ascii"), branches[first])
        if rest:
            branch = branches[first]
        (post if verb.changes else get)(branch, rest or first, partial(_ofFeature, operations, verb))
    get(root, "status", lambda _: operations.status().addCallback(_whole))
    get(root, "stats", lambda _: operations.figures().addCallback(_withWords).addCallback(_whole))
    get(root, "upstreams", lambda _: operations.figures().addCallback(lambda figures: {"upstreams": [*figures.upstreams]}))
    get(root, "traces", lambda _: operations.traces().addCallback(lambda traces: {"traces": traces}))
    get(root, "types", lambda _: operations.figures().addCallback(lambda figures: {"types": {**figures.types}}))
    get(root, "history", lambda _: succeed(operations.history.spans()))
    get(root, "clients", lambda request: operations.clients(_text(request, "client")).addCallback(_whole))
    get(root, "queries", queries)
    get(root, "explain", explain)
    post(root, "reload", lambda _: operations.reload().addCallback(lambda lines: {"said": [*lines]}))
    post(root, "trace", trace)
    get(root, "delegations", delegations)
    get(root, "anchors", lambda _: operations.anchors().addCallback(_whole))
    negative = _Branch()
    post(negative, "add", suspend)
    post(negative, "remove", resume)
    root.putChild(b"nta", negative)
    cache.putChild(b"", _Command(b"GET", lambda request: _cached(operations, request)))
    cache.putChild(b"dump", _Dump(operations, clock))
    post(cache, "flush", flush)
    post(cache, "load", load)
    root.putChild(b"cache", cache)
    zones = _Branch()
    zones.putChild(b"", _Command(b"GET", served))
    post(zones, "reload", reloadZone)
    root.putChild(b"zones", zones)
    return root


def _ofFeature(operations: Operations, verb: Verb, request: Request) -> Deferred[JSON]:
    given = {key: text for key in verb.keys if (text := _text(request, key))}
    for name, key in zip(verb.takes, verb.keys, strict=True):
        if key not in given and not name.startswith("["):
            raise CallerFault(f"{name} is missing; write: {verb.usage}")
    return operations.do(verb.path, given).addCallback(_whole)


def _withWords(figures: Figures) -> dict[str, JSON]:
    """
    Add what the numbers of features are called, which C{txdns control} does not know.
    """
    words: dict[str, JSON] = {each.key: each.words for each in declaredFigures() if each.words}
    return {**figures.toJSON(), "words": words}


def _whole(value: dict[str, JSON]) -> JSON:
    return value


def _cached(operations: Operations, request: Request) -> Deferred[JSON]:
    name = _text(request, "name")
    if not name:
        raise CallerFault("which name? write cache/?name=NAME")
    return operations.cached(nameFromText(name)).addCallback(lambda entries: {"entries": entries})


def _numberIn(text: str, key: str) -> int:
    """
    Read a number from a request; 0 if it is missing.

    @raise CallerFault: it is not a number.
    """
    if text and not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise CallerFault(f"{key}={text[:20]} is not a number of at most {_DIGITS} digits")
    return int(text or "0")


def _isBroken(zone: JSON) -> bool:
    return isinstance(zone, dict) and bool(zone.get("file") and zone.get("said"))


def _text(request: Request, key: str) -> str:
    values: list[bytes] = request.args.get(key.encode("ascii"), [])
    return values[0].decode("utf-8", "replace") if values else ""


def _flag(request: Request, key: str) -> bool:
    return _text(request, key) in ("1", "on", "yes", "true")


def _question(request: Request) -> Question:
    name, said = _text(request, "name"), _text(request, "type")
    if not name:
        raise CallerFault("which name? write explain?name=NAME&type=TYPE")
    rrType = typeNumber(said) if said else A
    if rrType is None:
        raise BadRecord(f"{said!r} is not a record type: write a mnemonic such as MX, or a number as TYPE65280")
    return Question(nameFromText(name), rrType)


def linesIn(content: IO[bytes]) -> Iterator[str]:
    """
    Read the lines of a file without reading it all into memory. Overlong lines are split, which makes them invalid.
    """
    most = int(CACHE_LINE.default) + 2
    while line := content.readline(most):
        yield line.decode("utf-8", "replace")


class _Dump(Resource):
    isLeaf = True

    def __init__(self, operations: Operations, clock: IReactorTime) -> None:
        Resource.__init__(self)
        self._operations = operations
        self._clock = clock

    def render_GET(self, request: Request) -> bytes | int:
        try:
            lines = self._operations.dump()
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
