"""
The robot's web pages: documents that commands have published, and what plugins add.

The webhook is one of them: other chat systems pass messages to the robot over HTTP, and get its reply as JSON. C{POST /hook} with
C{Authorization: Bearer TOKEN} and C{{"person": "alice", "channel": "#dns", "text": "!dig example.org"}} gets
C{{"lines": ["example.org. 3600 A 192.0.2.1"]}}. Without a channel, the person speaks to the robot in private.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from hmac import compare_digest
from html import escape
from importlib import resources
from secrets import token_urlsafe
from time import time
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorSocket
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Request
from zope.interface import implementer

from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.interfaces import IFront, IPages, Urgency
from twisted_ext.apps.robot.limits import CALL_SECONDS, HOOK_LINES, HOOK_OCTETS, PAGE_DAYS, PAGE_OCTETS, PAGES_KEPT
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.stepping import CURRENT
from twisted_ext.apps.robot.table import SECRET, Table, option
from twisted_ext.errors import BadDescription, CallerFault, StorageFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config import types
from twisted_ext.server.operations.boundedhttp import BoundedRequest, replyJSON, replyLater
from twisted_ext.web.http.publichttp import PublicSite
from twisted_ext.web.http.website import HEADERS, Document, Page, SiteService, sendLater

if TYPE_CHECKING:
    from twisted_ext.apps.robot.robot import Robot
    from twisted_ext.apps.robot.text import Line
    from twisted_ext.server.config.types import Value

__all__ = ["DocumentPage", "Pages", "WebSettings", "Webhook", "htmlPage"]

_log: Final = Logger(__name__)

#: Characters of a token: shorter ones could be guessed.
_TOKEN: Final = 16

_TABLES: Final = ("CREATE TABLE pages (number INTEGER PRIMARY KEY, key TEXT UNIQUE NOT NULL, at REAL NOT NULL, document BLOB NOT NULL)",)

_NAME: Final = re.compile(r"[^\s!@/,*?\x00-\x20\x7f-\xa0]{1,64}")


class _Target(str):
    """
    The channel or person of one request. It carries the reply: several requests with the same target may be waiting.

    @ivar lines: the lines so far; L{None} once they are sent.
    """

    lines: list[str] | None


@implementer(IFront)
class Webhook(Page):
    """
    The page that takes messages. A person has the nick that the message gives, and the name of the token as user and account:
    C{webhook/alice!NAME@*} is one person behind a token, and C{webhook/account:NAME} is everyone behind it.
    """

    methods = ("POST",)
    name = "webhook"
    nick = "robot"
    most = int(HOOK_LINES.default)

    def __init__(self, robot: Robot, tokens: Mapping[str, str]) -> None:
        """
        @param tokens: by name.
        """
        super().__init__()
        self._tokens = {name: token.encode() for name, token in tokens.items()}
        self._robot = robot

    def show(self, request: Request) -> bytes | int:
        token = self._tokenOf(request)
        if not token:
            request.setHeader(b"WWW-Authenticate", b"Bearer")
            return replyJSON(request, {"error": "Authorization: Bearer with a valid token is missing"}, 401)
        return replyLater(request, lambda: self._receive(token, request.content.read()))

    def _tokenOf(self, request: Request) -> str:
        """
        Return the name of the token, or C{""} if it is not valid.
        """
        scheme, _, given = (request.getHeader(b"authorization") or b"").partition(b" ")
        # All of them, so that the time tells nothing.
        valid = [name for name, token in self._tokens.items() if compare_digest(token, given.strip())]
        return valid[0] if valid and scheme.lower() == b"bearer" else ""

    def _receive(self, token: str, body: bytes) -> Deferred[JSON]:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            raise CallerFault("the body is not JSON") from None
        said = found if isinstance(found, dict) else {}
        texts = {key: _text(said.get(key, "")) for key in ("person", "channel", "text")}
        channel = texts["channel"]
        if not texts["text"] or not _NAME.fullmatch(texts["person"]) or channel and not _NAME.fullmatch(channel.removeprefix("#")):
            raise CallerFault('the body takes {"person": NAME, "channel": "#NAME", "text": TEXT}; a private message has no channel')
        if channel and not channel.startswith("#"):
            raise CallerFault(f"{channel!r} is not a channel; the names of channels begin with #")
        target = _Target(channel or texts["person"])
        target.lines = []
        person = Person(self.name, texts["person"], token, self.name, token)
        receiving = self._robot.receive(Message(person, Place(self.name, target, not channel), texts["text"]))

        def reply(_: None) -> JSON:
            lines, target.lines = target.lines, None
            return {"lines": cast("JSON", lines)}

        return receiving.addCallback(reply)

    def send(self, target: str, lines: Sequence[Line], urgency: Urgency = Urgency.NOTICE) -> None:
        collected = target.lines if isinstance(target, _Target) else None
        if collected is None:
            _log.warn("{target} has no request to the webhook; a line for it is dropped", target=target)
        elif len(collected) < 2 * self.most:
            collected += [str(line) for line in lines]

    def members(self, channel: str) -> Sequence[str]:
        return ()

    def isReady(self, target: str) -> bool:
        return isinstance(target, _Target) and target.lines is not None


def _text(value: object) -> str:
    """
    Return a text in one line without characters that cannot be encoded; C{""} for what is none.
    """
    return " ".join(value.encode("utf-8", "replace").decode().splitlines()) if isinstance(value, str) else ""


def _policy(styles: str, forms: str) -> tuple[tuple[str, str], ...]:
    policy = f"default-src 'none'; style-src {styles}; form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    return tuple({**dict(HEADERS), "Content-Security-Policy": policy, "Cache-Control": "no-cache"}.items())


class _Tokens:
    allowed = f"a table of names, each with {SECRET.allowed}"

    def fromText(self, text: str) -> Value:
        raise BadDescription(f"takes {self.allowed}")

    def fromTOML(self, value: object, folder: str = "") -> Value:
        if not isinstance(value, dict):
            return self.fromText("")
        found: list[str] = []
        for name, reference in value.items():
            try:
                found += [name, cast(str, SECRET.fromTOML(reference, folder))]
            except BadDescription as fault:
                raise BadDescription(f"{name} {fault}") from None
            if len(found[-1]) < _TOKEN:
                raise BadDescription(f"{name} has a token of {len(found[-1])} characters; at least {_TOKEN} are needed")
        return tuple(found)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.query or parts.fragment or re.search("[^!-~]", text):
        raise ValueError(text)
    return f"{text.rstrip('/')}/"


class WebSettings(Table):
    """
    The table C{[web]}.

    @ivar tokens: name, token, name, token, and so on.
    """

    listen: str = option(types.HTTP_ADDRESS, "", "Serve the robot's pages and the webhook at this address; without it there are none")
    url: str = option(
        types.Text("an address such as https://robot.example.org/", _url),
        "",
        "The address of the pages as others see it, if a proxy is between; by default http:// and that of listen",
    )
    days: int = option(types.Number(PAGE_DAYS, "days"), int(PAGE_DAYS.default), "Days for which documents of commands are kept")
    tokens: tuple[str, ...] = option(_Tokens(), cast("tuple[str, ...]", ""), "Who may use the webhook: names and their tokens")


def htmlPage(title: str, body: str, root: str, head: str = "") -> str:
    """
    Return a page in the robot's style.

    @param title: text; C{body} and C{head} are HTML.
    @param root: the relative path of the first page, such as C{../}.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<link rel="stylesheet" href="{root}page.css">\n{head}</head>\n<body>\n{body}</body></html>\n'
    )


class DocumentPage(Page):
    """
    A page whose documents come later.
    """

    headers = _policy("'self'", "'self'")

    def __init__(self, find: Callable[[Request], Deferred[Document]]) -> None:
        super().__init__()
        self._find = find

    def show(self, request: Request) -> int:
        return sendLater(request, maybeDeferred(self._find, request).addErrback(_unavailable).addCallback(_fresh, request))


class _PublishedPage(DocumentPage):
    # Drawings have their styles in them.
    headers = _policy("'self' 'unsafe-inline'", "'none'")


def _unavailable(failure: Failure) -> Document:
    if not isinstance(failure.value, StorageFault):
        failure.raiseException()
    _log.warn("a web page: {fault}", fault=str(failure.value))
    return Document(b"The database cannot be read; try again later.\n", "text/plain; charset=utf-8", 503)


def _fresh(document: Document, request: Request) -> Document:
    if document.code == 200:
        # If the client has the same body already, this sets the status 304.
        request.setETag(b'"%s"' % sha256(document.body).hexdigest()[:24].encode("ascii"))
    return document


class _Root(Page):
    isLeaf = False

    def __init__(self, find: Callable[[str], Resource]) -> None:
        super().__init__()
        self._find = find

    def getChild(self, path: bytes, request: Request) -> Resource:
        return self._find(path.decode("utf-8", "replace"))


class _Request(BoundedRequest):
    mostOctets = int(HOOK_OCTETS.default)


@implementer(IPages)
class Pages(SiteService):
    """
    Serves the pages, and the webhook if there are tokens for it.

    @ivar url: see L{IPages}.
    """

    def __init__(self, robot: Robot, settings: WebSettings, *, port: int | None = None, today: Callable[[], float] = time) -> None:
        """
        @param port: overrides the one of the settings.
        @param today: returns seconds since 1970.
        """
        super().__init__(cast(IReactorSocket, robot.reactor), settings.listen, 0, self.site, port=port, setting="[web] listen")
        self.url = settings.url or f"http://{settings.listen}/"
        self._robot = robot
        self._settings = settings
        self._today = today
        self._added: dict[str, tuple[str, Resource]] = {}
        #: Documents that are not stored yet.
        self._pending: dict[str, bytes] = {}
        style = resources.files(__package__).joinpath("page.css").read_bytes()
        self._own: dict[str, Resource] = {
            "": DocumentPage(self._start),
            "d": _PublishedPage(self._published),
            "page.css": DocumentPage(lambda _: succeed(Document(style, "text/css; charset=utf-8"))),
        }

    def startService(self) -> None:
        super().startService()
        preparing = self._robot.database.prepare("pages", _TABLES)
        preparing.addErrback(lambda failure: _log.error("no pages can be published: {fault}", fault=str(failure.value)))
        names, tokens = self._settings.tokens[::2], self._settings.tokens[1::2]
        if names:
            webhook = Webhook(self._robot, dict(zip(names, tokens, strict=True)))
            self._robot.join(webhook)
            self.add("hook", "", webhook)

    def stopService(self) -> Deferred[None]:
        self._robot.fronts.pop(Webhook.name, None)
        return super().stopService()

    def site(self) -> PublicSite:
        return PublicSite(_Root(self._child), self._robot.reactor, _Request, seconds=CALL_SECONDS.default + 10)

    def add(self, path: str, title: str, resource: Resource) -> None:
        self._added[path] = (title, resource)
        if plugin := CURRENT.get():
            self._robot.plugins.atEnd(plugin, partial(self.remove, path))

    def remove(self, path: str) -> None:
        self._added.pop(path, None)

    def publish(self, title: str, document: str) -> str:
        if not document[:9].lower().startswith("<!doctype"):
            document = htmlPage(title, document, "../")
        octets = document.encode("utf-8", "replace")
        if len(octets) > PAGE_OCTETS.default:
            said = f"<p>This document has {len(octets):,} octets. At most {int(PAGE_OCTETS.default):,} are kept.</p>\n"
            octets = htmlPage(title, said, "../").encode()
        key = token_urlsafe(12)
        self._pending[key] = octets
        storing = self._robot.database.write(_publish, key, octets, self._today(), self._since())
        storing.addErrback(lambda failure: _log.warn("a page is not kept: {fault}", fault=str(failure.value)))
        storing.addCallback(lambda _: self._pending.pop(key))
        return f"{self.url}d/{key}"

    def _since(self) -> float:
        return self._today() - 86400 * self._settings.days

    def _child(self, path: str) -> Resource:
        return self._added[path][1] if path in self._added else self._own.get(path) or Page()

    def _start(self, request: Request) -> Deferred[Document]:
        links = sorted([(path, title) for path, (title, _) in self._added.items() if title])
        items = "".join([f'<li><a href="{escape(path)}/">{escape(title)}</a></li>\n' for path, title in links])
        page = htmlPage("Robot", f'<header><h1>Robot</h1></header>\n<ul class="list">\n{items}</ul>\n', "")
        return succeed(Document(page.encode()))

    def _published(self, request: Request) -> Deferred[Document]:
        key = b"/".join(request.postpath).decode("utf-8", "replace")
        if key in self._pending:
            return succeed(Document(self._pending[key]))
        return self._robot.database.read(_document, key, self._since())


def _publish(connection: sqlite3.Connection, key: str, document: bytes, now: float, since: float) -> None:
    connection.execute("INSERT INTO pages (key, at, document) VALUES (?, ?, ?)", (key, now, document))
    newest = "SELECT number FROM pages ORDER BY number DESC LIMIT ?"
    connection.execute(f"DELETE FROM pages WHERE at < ? OR number NOT IN ({newest})", (since, int(PAGES_KEPT.default)))


def _document(connection: sqlite3.Connection, key: str, since: float) -> Document:
    found = connection.execute("SELECT document FROM pages WHERE key = ? AND at >= ?", (key, since)).fetchone()
    gone = htmlPage("Gone", "<p>This document does not exist. Documents are deleted after some days.</p>\n", "../")
    return Document(bytes(found[0])) if found else Document(gone.encode(), code=404)
