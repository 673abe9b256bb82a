"""
The site of the API: who asks, what is asked, and the reply, which the audit log has too if anything was to change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import unquote

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from twisted_ext.errors import BadDescription, CallerFault, DNSFault, StorageFault
from twisted_ext.server.operations.boundedhttp import BoundedRequest, finishWith
from twisted_ext.server.reply.ratelimit import siteOf
from twisted_ext.server.zones.update.edits import NoSuchZone, NotEditable, StaleEdit
from twisted_ext.web.api.site.replies import ApiRefusal, ApiReply, withoutFolders
from twisted_ext.web.api.site.streams import StreamedBody, StreamTurns
from twisted_ext.web.http.attempts import FailedAttempts
from twisted_ext.web.http.publichttp import PublicSite
from twisted_ext.web.http.website import clientOf, isOurs

if TYPE_CHECKING:
    from twisted.python.failure import Failure
    from twisted.web.server import Request

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.audit import AuditLog
    from twisted_ext.web.api.site.tokens import ApiToken, ApiTokens

__all__ = ["ApiAsked", "ApiDoor", "ApiRequest", "apiSite"]

#: What switches a parameter of a request on or off, and characters of one that an error repeats.
_SWITCHES: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_SWITCH: Final = 40

_log: Final = Logger(__name__)

#: Octets of a body: 20,000 records.
_MOST_OCTETS: Final = 4 * 1024 * 1024

#: The share of this process's time that the API may take while others wait for theirs.
_SHARE: Final = 0.25

#: Wrong tokens from a network in a minute, after which it has to wait.
_FAILURES: Final = 10

#: Methods that change nothing.
_SAFE: Final = ("GET", "HEAD")

#: Requests of this server's own, whose errors are problems (RFC 9457).
_OWN: Final = b"/api/2/"
_PROBLEM: Final = "application/problem+json"

_HEADERS: Final = (
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-store"),
)

#: What requests in absolute form begin with.
_ABSOLUTE: Final = (b"http://", b"https://")

_MISDIRECTED: Final = "this name is not in api-hosts; use the address of the server, or localhost"


class ApiAsked:
    """
    A request.

    @ivar segments: the path, without what it has before the door's part, decoded.
    @ivar fields: the query of the address, the first value of each.
    @ivar token: who asks.
    @ivar client: the address from which.
    @ivar match: the C{If-Match} header, or C{""}.
    @ivar isNew: whether what the request names must not be there yet: the C{If-None-Match} header.
    @ivar accept: the C{Accept} header, or C{""}.
    @ivar told: what the audit log is to know besides.
    """

    def __init__(self, method: str, segments: list[str], fields: Mapping[str, str], body: bytes, token: ApiToken, client: str) -> None:
        self.method = method
        self.segments = segments
        self.fields = fields
        self.body = body
        self.token = token
        self.client = client
        self.match = ""
        self.isNew = False
        self.accept = ""
        self.told: dict[str, JSON] = {}

    def isOn(self, name: str, isDefault: bool) -> bool:
        """
        Return whether a parameter of the address switches something on.

        @raise ApiRefusal: it has a value that does neither.
        """
        wanted = self.fields.get(name, "true" if isDefault else "false")
        if wanted not in _SWITCHES:
            raise ApiRefusal(422, f"'{name}' request parameter value '{wanted[:_SWITCH]}' is not supported")
        return _SWITCHES[wanted]

    def expectScope(self, scope: str) -> None:
        """
        @raise ApiRefusal: the token may not do that.
        """
        if not self.token.reaches(scope):
            raise ApiRefusal(403, f"the token {self.token.name} has scope {self.token.scope}; this takes {scope}")


    def expectUnlimited(self) -> None:
        """
        @raise ApiRefusal: the token is for some records only.
        """
        if self.token.policy is not None:
            raise ApiRefusal(403, f"the token {self.token.name} is limited to some records (only); this takes a token without that limit")


class ApiDoor(Protocol):
    """
    What replies to the requests below a path.
    """

    def __call__(self, asked: ApiAsked, /) -> Deferred[ApiReply]:
        """
        @raise ApiRefusal: it cannot be done.
        """


class ApiRequest(BoundedRequest):
    mostOctets = _MOST_OCTETS
    #: Replies without a body have no type.
    defaultContentType = None


class _Root(Resource):
    isLeaf = True

    def __init__(
        self,
        doors: Mapping[tuple[str, ...], ApiDoor],
        tokens: ApiTokens,
        clock: IReactorTime,
        today: Callable[[], float],
        audit: AuditLog | None,
        hosts: tuple[str, ...],
    ) -> None:
        Resource.__init__(self)
        self._doors = doors
        self._tokens = tokens
        self._clock = clock
        self._turns = StreamTurns(clock)
        self._today = today
        self._audit = audit
        self._hosts = frozenset([host.lower().rstrip(".") for host in hosts])
        self._attempts = FailedAttempts(_FAILURES)

    def render(self, request: Request) -> int:
        for name, value in _HEADERS:
            request.setHeader(name, value)
        asked: ApiAsked | None = None
        try:
            asked = self._asked(request)
            making: Deferred[ApiReply] = maybeDeferred(self._doorOf(asked), asked)
        except ApiRefusal as refusal:
            self._reply(request, asked, _refused(refusal))
            return NOT_DONE_YET
        # A client that goes away does not undo what it has asked for.
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def reply(made: ApiReply) -> None:
            self._reply(request, asked, made, bool(gone))

        making.addErrback(_explained, request).addCallback(reply)
        making.addErrback(lambda failure: _log.failure("while replying to {path}", failure=failure, path=request.path))
        return NOT_DONE_YET

    def _asked(self, request: Request) -> ApiAsked:
        if not isOurs(request.getHeader(b"host"), self._hosts):
            raise ApiRefusal(421, _MISDIRECTED)
        client = clientOf(request)
        if request.path.lower().startswith(_ABSOLUTE):
            # The form for proxies, which servers take as well (RFC 9112, section 3.2.2).
            authority, _, rest = request.path.partition(b"//")[2].partition(b"/")
            request.path = b"/" + rest
            if not isOurs(authority, self._hosts):
                raise ApiRefusal(421, _MISDIRECTED)
        token = self._tokenOf(request, client)
        path = request.path.decode("ascii", "replace")
        segments = [unquote(each, errors="replace") for each in path.strip("/").split("/")]
        fields = {key.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for key, values in request.args.items() if values}
        if twice := [key for key, values in request.args.items() if len(values) > 1]:
            # Of dry-run=0&dry-run=1, one of the two would be done that the client does not mean.
            raise ApiRefusal(400, f"{min(twice).decode('utf-8', 'replace')} is given more than once")
        if request.getHeader(b"content-encoding") not in (None, b"identity"):
            raise ApiRefusal(415, "send the body as it is, without Content-Encoding")
        body = request.content.read() if request.content is not None else b""
        # The reply to HEAD is that to GET, of which the body is not sent.
        method = "GET" if request.method == b"HEAD" else request.method.decode("ascii", "replace")
        asked = ApiAsked(method, segments, fields, body, token, client)
        asked.match = (request.getHeader(b"if-match") or b"").decode("latin-1").strip()
        asked.isNew = request.getHeader(b"if-none-match") == b"*"
        asked.accept = (request.getHeader(b"accept") or b"").decode("latin-1")
        return asked

    def _tokenOf(self, request: Request, client: str) -> ApiToken:
        given = request.getHeader(b"x-api-key")
        if given is None:
            scheme, _, bearer = (request.getHeader(b"authorization") or b"").partition(b" ")
            given = bearer.strip() if scheme.lower() == b"bearer" else b""
        try:
            token = self._tokens.find(given, client) if given else None
        except BadDescription:
            raise ApiRefusal(503, "the tokens of this server cannot be read; its log says why") from None
        if token is not None:
            # Whatever others do: behind a proxy all clients have one address, and must not be locked out by one of them.
            return token
        if given:
            network, now = siteOf(client), self._clock.seconds()
            if wait := self._attempts.waitFor(network, now):
                raise ApiRefusal(429, f"too many wrong tokens; try again in {wait:.0f} s", (("Retry-After", f"{wait:.0f}"),))
            self._attempts.note(network, now)
            self._note(request, None, 401, client, {})
        raise ApiRefusal(401, "Unauthorized", (("WWW-Authenticate", 'X-API-Key realm="txdns", Bearer'),))

    def _doorOf(self, asked: ApiAsked) -> ApiDoor:
        for prefix, door in self._doors.items():
            if tuple(asked.segments[: len(prefix)]) == prefix:
                asked.segments = asked.segments[len(prefix) :]
                return door
        raise ApiRefusal(404, "Not Found")

    def _reply(self, request: Request, asked: ApiAsked | None, made: ApiReply, isGone: bool = False) -> None:
        if asked is not None and asked.method not in _SAFE:
            self._note(request, asked.token, made.code, asked.client, asked.told)
        if isGone:
            return
        if made.code >= 400 and request.path.startswith(_OWN) and isinstance(made.body, dict) and "error" in made.body:
            problem = {"type": "about:blank", "title": HTTPStatus(made.code).phrase, "status": made.code}
            made = made._replace(body=json.dumps({**problem, "detail": made.body["error"]}).encode(), kind=_PROBLEM)
        # Twisted knows no phrases for some.
        request.setResponseCode(made.code, HTTPStatus(made.code).phrase.encode("ascii"))
        for name, value in made.headers:
            request.setHeader(name.encode("latin-1"), value.encode("latin-1", "replace"))
        if made.parts is not None:
            request.setHeader(b"Content-Type", made.kind.encode("ascii"))
            StreamedBody(request, made.parts, self._turns).begin()
            return
        if made.body is None:
            body = b""
        elif isinstance(made.body, bytes):
            body = made.body
            request.setHeader(b"Content-Type", made.kind.encode("ascii"))
        else:
            body = json.dumps(made.body).encode("ascii")
            # Exactly so: clients compare it.
            request.setHeader(b"Content-Type", b"application/json")
        finishWith(request, body)

    def _note(self, request: Request, token: ApiToken | None, code: int, client: str, told: Mapping[str, JSON]) -> None:
        if self._audit is None:
            return
        path = request.path.decode("ascii", "backslashreplace")
        entry: dict[str, JSON] = {"at": round(self._today(), 3), "token": None if token is None else token.name, "from": client}
        entry |= {"method": request.method.decode("ascii", "replace"), "path": path, "status": code, **told}
        self._audit.note(entry)


def _refused(refusal: ApiRefusal) -> ApiReply:
    return ApiReply(refusal.code, {"error": refusal.text}, headers=refusal.headers)


def _explained(failure: Failure, request: Request) -> ApiReply:
    """
    Return the reply that says why a request was not done.
    """
    fault = failure.value
    if isinstance(fault, ApiRefusal):
        return _refused(fault)
    if isinstance(fault, StaleEdit):
        return ApiReply(412, {"error": str(fault)})
    if isinstance(fault, NoSuchZone):
        return ApiReply(404, {"error": str(fault)})
    if isinstance(fault, NotEditable):
        return ApiReply(409, {"error": str(fault)})
    if isinstance(fault, StorageFault):
        return ApiReply(503, {"error": withoutFolders(str(fault))}, headers=(("Retry-After", "1"),))
    if isinstance(fault, DNSFault | CallerFault):
        return ApiReply(422, {"error": withoutFolders(str(fault))})
    _log.failure("while replying to {method} {path}", failure=failure, method=request.method, path=request.path)
    return ApiReply(500, {"error": "internal error; the log of the server has it"})


def apiSite(
    doors: Mapping[tuple[str, ...], ApiDoor],
    tokens: ApiTokens,
    clock: IReactorTime,
    today: Callable[[], float],
    *,
    audit: AuditLog | None = None,
    hosts: tuple[str, ...] = (),
    timer: Callable[[], float] = perf_counter,
) -> PublicSite:
    """
    @param doors: what replies, by the begin of the path.
    @param hosts: names by which clients may address it, besides addresses.
    @param timer: a clock in seconds to measure turns.
    """
    return PublicSite(_Root(doors, tokens, clock, today, audit, hosts), clock, ApiRequest, share=_SHARE, timer=timer)
