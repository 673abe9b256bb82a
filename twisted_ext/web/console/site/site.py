"""
The site of the console: who is signed in, whether a request comes from one of its own pages, and the page that it is for.

Nothing needs scripts: each action is a form, whose reply leads to a page. So the browser may run none at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from time import perf_counter
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_ext.errors import BadDescription, CallerFault, DNSFault, TimedOut
from twisted_ext.server.operations.boundedhttp import BoundedRequest, finishWith
from twisted_ext.server.reply.ratelimit import siteOf
from twisted_ext.web.console.site.browsers import KNOWN_SECONDS, KnownBrowsers
from twisted_ext.web.console.site.madeusers import ConsoleUsers
from twisted_ext.web.console.site.replies import DRAWING, ConsoleAsked, ConsoleRefusal, ConsoleReply, ownPath
from twisted_ext.web.console.site.sessions import LONGEST, ConsoleSessions
from twisted_ext.web.console.site.table import ConsoleTable
from twisted_ext.web.console.site.templates import PageTemplates
from twisted_ext.web.console.site.users import ConsoleUser, Passwords, TooManyTries
from twisted_ext.web.http.attempts import FailedAttempts
from twisted_ext.web.http.publichttp import PublicSite
from twisted_ext.web.http.website import clientOf, isOurs

if TYPE_CHECKING:
    from twisted.python.failure import Failure
    from twisted.web.server import Request

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.operations.audit import AuditLog

__all__ = ["consoleSite"]

_log: Final = Logger(__name__)

#: Octets of a form: the text of a zone of some 15,000 records.
_MOST_OCTETS: Final = 1024 * 1024

#: Fields of a form.
_FIELDS: Final = 50

#: The share of this process's time that pages may take while queries wait for theirs.
_SHARE: Final = 0.25

#: Seconds for which a page is drawn at a time, and its pieces between two looks at the clock.
_TURN: Final = 0.0005
_PIECES: Final = 32

#: Wrong passwords in a minute, of a network and of all, after which others have to wait for the rest of it.
_WRONG: Final = 5
_WRONG_OF_ALL: Final = 30

#: Where clients are that sit at the server, or come through a proxy there.
_LOOPBACK: Final = ("127.0.0.1", "::1")

_HEADERS: Final = (
    (
        b"Content-Security-Policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    # With none at all, browsers would not say which page sent a form.
    (b"Referrer-Policy", b"same-origin"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-store"),
)

#: Control characters, but for those of lines, and the marks and overrides of directions (Unicode, annex 9).
_UNSEEN: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

#: Fields whose values are passwords: a new one, the same again, and that of the user.
_PASSWORDS: Final = ("password", "again", "current")

#: Before the names of the fields of a form that was sent without a session.
_KEPT: Final = "kept-"

_ENDED: Final = "Your session has ended. What you have sent is kept on this page: sign in to send it."

_INTERNAL: Final = "An internal error has happened; the log of the server has it."

_FILES: Final = {"console.css": b"text/css; charset=utf-8", "icon.svg": b"image/svg+xml"}


class _FormRequest(BoundedRequest):
    mostOctets = _MOST_OCTETS


class _Console(Resource):
    isLeaf = True

    def __init__(
        self,
        table: ConsoleTable,
        users: ConsoleUsers,
        passwords: Passwords,
        browsers: KnownBrowsers,
        clock: IReactorTime,
        today: Callable[[], float],
        audit: AuditLog | None,
        hosts: tuple[str, ...],
        isEncrypted: bool,
        timer: Callable[[], float],
        templates: PageTemplates,
    ) -> None:
        Resource.__init__(self)
        self._table = table
        self._users = users
        self._passwords = passwords
        self._browsers = browsers
        self._clock = clock
        self._today = today
        self._audit = audit
        self._hosts = frozenset([host.lower().rstrip(".") for host in hosts])
        self._isEncrypted = isEncrypted
        self._timer = timer
        # The prefix has browsers keep it from other ports and names.
        self._cookie = "__Host-txdns" if isEncrypted else "txdns"
        self._mark = f"{self._cookie}-known"
        self._sessions = ConsoleSessions()
        self._attempts = FailedAttempts(_WRONG, ofAll=_WRONG_OF_ALL)
        self._templates = templates
        folder = resources.files("twisted_ext.web.console").joinpath("static")
        self._files = {name: folder.joinpath(name).read_bytes() for name in _FILES}

    def render(self, request: Request) -> int:
        for name, value in _HEADERS:
            request.setHeader(name, value)
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)
        asked: list[ConsoleAsked] = []

        def reply(made: ConsoleReply) -> Deferred[None]:
            return Deferred.fromCoroutine(self._reply(request, asked[0] if asked else None, made, gone))

        replying: Deferred[ConsoleReply] = maybeDeferred(lambda: cast("Deferred[ConsoleReply]", self._handle(request, asked)))
        replying.addErrback(_explained, request).addCallback(reply)
        replying.addErrback(lambda failure: _log.failure("while replying to {path}", failure=failure, path=request.path))
        return NOT_DONE_YET

    # -- who asks, and what

    def _handle(self, request: Request, told: list[ConsoleAsked]) -> ConsoleReply | Deferred[ConsoleReply]:
        host = (request.getHeader(b"host") or b"").decode("latin-1")
        if not isOurs(host, self._hosts):
            raise ConsoleRefusal(421, "This name is not in console-hosts. Use the address of the server, or localhost.")
        path = request.path.decode("ascii", "replace")
        parts = [_shown(unquote(each, errors="replace")) for each in path.strip("/").split("/")] if path != "/" else []
        if len(parts) == 2 and parts[0] == "static":
            return self._file(parts[1])
        method = request.method.decode("ascii", "replace")
        if method not in ("GET", "POST"):
            raise ConsoleRefusal(405, "This takes GET and POST.")
        if method == "POST":
            self._expectOwnPage(request, host)
        asked = ConsoleAsked(method, parts, {}, clientOf(request))
        if method == "POST":
            asked.form = _fieldsIn(request.content.read() if request.content is not None else b"")
        else:
            given = {name.decode("utf-8", "replace"): values[0].decode("utf-8", "replace") for name, values in request.args.items()}
            asked.fields = {name: _shown(value) for name, value in given.items()}
        secret = _cookieIn(request, self._cookie)
        if parts == ["signin"]:
            if method == "POST":
                return self._signIn(asked, secret, _cookieIn(request, self._mark))
            return _signInPage({"to": asked.fields.get("to", "")})
        session = self._sessions.find(secret, self._clock.seconds()) if secret else None
        if session is not None and self._user(session.user.name) != session.user:
            # The file of users has changed.
            self._sessions.end(secret)
            session = None
        if session is None and method == "POST" and parts != ["signout"]:
            # What was typed is not lost: it can be sent once the user is signed in again.
            kept = {f"{_KEPT}{name}": value for name, value in asked.form.items() if name not in ("proof", *_PASSWORDS)}
            return _signInPage({"path": "/" + "/".join([quote(part, safe="") for part in parts]), **kept}, _ENDED, 401)
        if session is None:
            to = "/" + "/".join([quote(part, safe="") for part in parts]) if method == "GET" else "/"
            to += f"?{urlencode(asked.fields)}" if asked.fields else ""
            return ConsoleReply(location=f"/signin?to={quote(to, safe='')}")
        asked.user, asked.proof, asked.session = session.user, session.proof, session
        told.append(asked)
        if method == "POST" and not session.isProven(asked.form.get("proof", "")):
            raise ConsoleRefusal(403, "This form is not of this session. Open the page again.")
        if parts == ["signout"] and method == "POST":
            self._sessions.end(secret)
            return ConsoleReply(location="/signin", cookies=(self._setCookie(self._cookie, "", 0),))
        found = self._table.find(method, parts)
        if found is None:
            raise ConsoleRefusal(404, "There is no such page.")
        asked.row, star = found
        asked.expectScope(asked.row.scope)
        return asked.row.page(asked, *star)

    def _expectOwnPage(self, request: Request, host: str) -> None:
        """
        @raise ConsoleRefusal: a page of another site may have sent the form.
        """
        origin, site = request.getHeader(b"origin"), request.getHeader(b"sec-fetch-site")
        if origin is None and site is None:
            raise ConsoleRefusal(403, "The browser does not say which page sent this form; use another browser.")
        if origin is not None and urlsplit(origin.decode("latin-1")).netloc.lower() != host.lower():
            raise ConsoleRefusal(403, "A page of another site has sent this form.")
        if site is not None and site not in (b"same-origin", b"none"):
            raise ConsoleRefusal(403, "A page of another site has sent this form.")

    def _setCookie(self, name: str, secret: str, seconds: float) -> str:
        more = "; Secure" if self._isEncrypted else ""
        return f"{name}={secret}; Path=/; Max-Age={seconds:.0f}; HttpOnly; SameSite=Strict{more}"

    # -- signing in

    def _user(self, name: str) -> ConsoleUser | None:
        """
        @raise ConsoleRefusal: the users cannot be read.
        """
        try:
            return self._users.find(name)
        except BadDescription:
            raise ConsoleRefusal(503, "The users of this server cannot be read; its log says why.") from None

    def _signIn(self, asked: ConsoleAsked, former: str, mark: str) -> Deferred[ConsoleReply]:
        """
        @param former: the secret of the session that the browser had.
        @param mark: what it has if it is known.
        """
        name, form = asked.form.get("name", ""), asked.form
        user, known = self._user(name), self._browsers.knows(mark, name)
        # Whatever strangers do, who has signed in there before and who sits at the server can try.
        isApart = bool(known) or asked.client in _LOOPBACK
        network, now = known or siteOf(asked.client), self._clock.seconds()
        if wait := self._attempts.waitFor(network, now, isApart=isApart):
            raise ConsoleRefusal(429, f"There were too many wrong passwords. Try again in {wait:.0f} seconds.")
        self._attempts.note(network, now, isApart=isApart)

        def compared(isRight: bool) -> ConsoleReply:
            if not isRight or user is None:
                self._note(asked, 401, {"user": name[:64]})
                return _signInPage(form, "The name or the password is wrong.", 401)
            self._attempts.forgive(network, isApart=isApart)
            # Another secret than before, which someone else may have put into this browser.
            self._sessions.end(former)
            secret = self._sessions.begin(user, self._clock.seconds())
            self._note(asked, 303, {"user": user.name})
            cookies = (
                self._setCookie(self._cookie, secret, LONGEST),
                self._setCookie(self._mark, self._browsers.remember(mark, user.name), KNOWN_SECONDS),
            )
            session = self._sessions.find(secret, self._clock.seconds())
            if "path" not in form or session is None:
                return ConsoleReply(location=ownPath(form.get("to", "")), cookies=cookies)
            values = {"title": "Send it", "path": ownPath(form["path"]), "kept": _keptIn(form), "proof": session.proof}
            return ConsoleReply(values, cookies=cookies, template="resume")

        try:
            return self._passwords.isRight(user, asked.form.get("password", ""), isKnown=bool(known)).addCallback(compared)
        except TooManyTries:
            self._attempts.forgive(network, isApart=isApart)
            raise ConsoleRefusal(429, "Too many people are signing in at this moment. Try again.") from None

    # -- replies

    def _file(self, name: str) -> ConsoleReply:
        if name not in self._files:
            raise ConsoleRefusal(404, "There is no such file.")
        return ConsoleReply(octets=self._files[name], kind=_FILES[name])

    async def _reply(self, request: Request, asked: ConsoleAsked | None, made: ConsoleReply, gone: Sequence[object]) -> None:
        """
        @param gone: something, once the browser does not wait for the reply any more.
        """
        if asked is not None and asked.method == "POST":
            self._note(asked, 303 if made.location else made.code, asked.told)
        if gone:
            return
        for cookie in made.cookies:
            request.responseHeaders.addRawHeader(b"Set-Cookie", cookie.encode("latin-1"))
        session = None if asked is None else asked.session
        if made.said and session is not None:
            session.said, session.undo = made.said, made.undo
        if made.location:
            request.setResponseCode(303)
            request.setHeader(b"Location", made.location.encode("ascii", "backslashreplace"))
            finishWith(request, b"")
            return
        octets = made.octets
        if not octets:
            try:
                octets = await self._drawn(asked, made)
            except Exception:
                _log.failure("while drawing {path}", path=request.path)
                made = _refused(_INTERNAL, 500)
                octets = await self._drawn(None, made)
            if gone:
                return
        request.setResponseCode(made.code)
        request.setHeader(b"Content-Type", made.kind)
        if made.kind == DRAWING:
            request.setHeader(b"Content-Security-Policy", b"default-src 'none'; style-src 'unsafe-inline'")
        if made.name:
            request.setHeader(b"Content-Disposition", f'attachment; filename="{made.name}"'.encode("ascii", "replace"))
        finishWith(request, octets)

    async def _drawn(self, asked: ConsoleAsked | None, made: ConsoleReply) -> bytes:
        session = None if asked is None else asked.session
        row = None if asked is None or made.template else asked.row
        frame: dict[str, object] = {"user": None, "proof": "", "parts": [], "said": "", "undo": None, "places": self._table.places}
        if asked is not None and session is not None:
            frame |= {"user": asked.user, "proof": asked.proof, "parts": asked.parts, "said": session.said, "undo": session.undo}
            session.said, session.undo = "", None
        if row is not None:
            frame["title"] = row.title
        template = made.template if row is None else row.template
        drawn: list[str] = []
        ends = self._timer() + _TURN
        for number, piece in enumerate(self._templates.get(template).generate(frame | dict(made.values))):
            drawn.append(piece)
            if not number % _PIECES and self._timer() >= ends:
                # Queries that have come meanwhile are answered first.
                await deferLater(self._clock, 0)
                ends = self._timer() + _TURN
        return "".join(drawn).encode("utf-8")

    def _note(self, asked: ConsoleAsked, code: int, told: Mapping[str, JSON]) -> None:
        if self._audit is None:
            return
        name: JSON = None if asked.user is None else asked.user.name
        entry: dict[str, JSON] = {"at": round(self._today(), 3), "token": None, "user": name, "from": asked.client}
        entry |= {"method": asked.method, "path": "/" + "/".join(asked.parts), "status": code, **told}
        self._audit.note(entry)


def _cookieIn(request: Request, wanted: str) -> str:
    """
    Return the value of a cookie; C{""} if there is none.
    """
    for each in (request.getHeader(b"cookie") or b"").decode("latin-1").split(";"):
        name, _, value = each.strip().partition("=")
        if name == wanted:
            return value
    return ""


def _fieldsIn(octets: bytes) -> dict[str, str]:
    """
    Return the fields of a form, the first value of each.

    @raise ConsoleRefusal: there are too many.
    """
    try:
        found = parse_qs(octets.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise ConsoleRefusal(400, "The form has too many fields.") from None
    return {name: values[0] if name in _PASSWORDS else _shown(values[0]) for name, values in found.items()}


def _shown(text: str) -> str:
    """
    Return a text with a mark in place of characters that no one sees, and of those that would change the direction of what follows.
    """
    return _UNSEEN.sub("\ufffd", text)


def _signInPage(form: Mapping[str, str], said: str = "", code: int = 200) -> ConsoleReply:
    """
    @param form: C{to}, the page to go to; or C{path}, where a form was sent to without a session, and its fields.
    """
    path = ownPath(form["path"]) if "path" in form else ""
    values = {"title": "Sign in", "to": ownPath(form.get("to", "")), "fault": said, "path": path, "kept": _keptIn(form) if path else {}}
    return ConsoleReply(values, code, template="signin")


def _keptIn(form: Mapping[str, str]) -> dict[str, str]:
    """
    Return the fields of the form that was sent without a session.
    """
    return {name.removeprefix(_KEPT): value for name, value in form.items() if name.startswith(_KEPT)}


def _explained(failure: Failure, request: Request) -> ConsoleReply:
    fault = failure.value
    if isinstance(fault, ConsoleRefusal):
        return _refused(fault.text, fault.code)
    if isinstance(fault, TimedOut):
        return _refused(f"{str(fault)[:1].upper()}{str(fault)[1:]}.", 503)
    if isinstance(fault, DNSFault | CallerFault):
        return _refused(str(fault), 422)
    _log.failure("while replying to {method} {path}", failure=failure, method=request.method, path=request.path)
    return _refused(_INTERNAL, 500)


def _refused(said: str, code: int) -> ConsoleReply:
    return ConsoleReply({"title": "That cannot be done", "fault": said}, code, template="refused")


def consoleSite(
    table: ConsoleTable,
    users: ConsoleUsers,
    passwords: Passwords,
    browsers: KnownBrowsers,
    clock: IReactorTime,
    today: Callable[[], float],
    *,
    audit: AuditLog | None = None,
    hosts: tuple[str, ...] = (),
    isEncrypted: bool = False,
    timer: Callable[[], float] = perf_counter,
    templates: PageTemplates | None = None,
) -> PublicSite:
    """
    @param table: its pages.
    @param hosts: names by which browsers may address it, besides addresses.
    @param isEncrypted: whether it is served over HTTPS, so that cookies are kept to that.
    @param timer: a clock in seconds to measure turns.
    @param templates: those of the pages; L{None} to compile each when it is first shown.
    """
    root = _Console(table, users, passwords, browsers, clock, today, audit, hosts, isEncrypted, timer, templates or PageTemplates())
    return PublicSite(root, clock, _FormRequest, share=_SHARE, timer=timer)
