"""
The pages of the logs: channels, days, lines, search, feeds and plain text. Threads read the database and make the pages.
"""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime, timedelta
from html import escape
from time import monotonic
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from twisted.internet.defer import Deferred, DeferredLock, succeed
from twisted.web.server import Request

from twisted_ext.apps.robot.database import Database
from twisted_ext.apps.robot.fronts.pages import DocumentPage, htmlPage
from twisted_ext.apps.robot.limits import LOG_LINES, LOG_SEARCH_SECONDS, LOG_SEARCHES
from twisted_ext.apps.robot.people import folded
from twisted_ext.web.http.website import Document

__all__ = ["LogPage", "channelPath"]

#: Words of a search.
_LOG_WORDS: Final = 8

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: Lines of a page of search results, and of a feed.
_FOUND: Final = 50

#: Characters of a search.
_QUERY: Final = 200

_TERM: Final = re.compile(r'"([^"]+)"|([^\s"]+)')

#: A link in text that is escaped already: it ends before quotes and angle brackets.
_LINK: Final = re.compile(r"https?://(?:(?!&quot;|&lt;|&gt;|&#x27;)\S)+")

#: What stands between nick and text in lines that nobody has said.
_EVENTS: Final = {
    "join": "joined",
    "part": "left",
    "quit": "quit",
    "kick": "kicked",
    "nick": "is now known as",
    "topic": "set the topic:",
}


class _Channel(NamedTuple):
    number: int
    front: str
    name: str

    @property
    def label(self) -> str:
        return f"{self.front}/{self.name}"


class _Line(NamedTuple):
    number: int
    channel: int
    at: float
    kind: str
    nick: str
    text: str

    @property
    def sentence(self) -> str:
        if self.kind == "message":
            return f"<{self.nick}> {self.text}"
        return " ".join(filter(None, ["*", self.nick, _EVENTS.get(self.kind), self.text]))


_SELECTED: Final = "SELECT log_lines.id, log_lines.channel, at, kind, log_lines.nick, {text} FROM log_lines"


class LogPage(DocumentPage):
    """
    The page with all logs. It makes one search at a time: a search may take long, and there are two threads for all that reads.
    """

    def __init__(self, database: Database, url: str) -> None:
        """
        @param url: its address, with a slash at its end.
        """
        super().__init__(self._read)
        self._database = database
        self._url = url
        self._searching = DeferredLock()

    def _read(self, request: Request) -> Deferred[Document]:
        parts = [part.decode("utf-8", "replace") for part in request.postpath]
        arguments = {key.decode("latin-1"): values[0].decode("utf-8", "replace") for key, values in request.args.items()}
        above = len(request.prepath)

        def read() -> Deferred[Document]:
            return self._database.read(lambda connection: _Reply(connection, parts, arguments, above, self._url).document())

        if parts != ["search"]:
            return read()
        if len(self._searching.waiting) >= LOG_SEARCHES.default:
            return succeed(Document(b"Too many searches are waiting; try again later.\n", "text/plain; charset=utf-8", 503))
        return self._searching.run(read)


def channelPath(front: str, name: str) -> str:
    return f"{quote(front, '')}/{quote(name, '')}/"


class _Reply:
    """
    The reply to one request, made in a thread.

    @ivar parts: the path below that of the logs.
    """

    def __init__(self, connection: sqlite3.Connection, parts: list[str], arguments: dict[str, str], above: int, url: str) -> None:
        """
        @param above: the number of parts of the logs' own path.
        """
        self._connection = connection
        self._parts = parts
        self._arguments = arguments
        self._logs = "../" * (len(parts) - 1)
        self._root = "../" * (len(parts) - 1 + above)
        self._url = url

    def document(self) -> Document:
        match self._parts:
            case []:
                return Document(b"", code=302, location="logs/")
            case [""]:
                return self._channels()
            case ["search"]:
                return self._search()
            case ["line", number]:
                return self._permalink(number)
            case [front, name, page] if channel := self._named(front, name):
                if not page:
                    return self._days(channel)
                return self._feed(channel) if page == "feed" else self._day(channel, page)
        return self._missing()

    def _named(self, front: str, name: str) -> _Channel | None:
        return self._channel("front = ? AND folded = ?", front, folded(name))

    def _channel(self, which: str, *values: object) -> _Channel | None:
        found = self._connection.execute(f"SELECT id, front, name FROM log_channels WHERE {which}", values).fetchone()
        return _Channel(*found) if found else None

    def _lines(self, rest: str, *values: object, text: str = "text") -> list[_Line]:
        return [_Line(*row) for row in self._connection.execute(f"{_SELECTED.format(text=text)} {rest}", values)]

    def _number(self, key: str, default: int) -> int:
        given = self._arguments.get(key, "")
        return int(given) if re.fullmatch("[0-9]{1,18}", given) else default

    # -- pages

    def _page(self, title: str, body: str, channel: _Channel | None = None, head: str = "", code: int = 200) -> Document:
        where, inside, path = "all channels", "", f'<a href="{self._logs or "./"}">Logs</a>'
        if channel:
            where = escape(channel.label)
            inside = f'<input type="hidden" name="in" value="{where}">'
            path += f' <a href="{self._logs}{channelPath(channel.front, channel.name)}">{where}</a>'
        given = escape(self._arguments.get("q", ""))
        form = (
            f'<form action="{self._logs}search" role="search">{inside}<input type="search" name="q" value="{given}" accesskey="s" '
            f'maxlength="{_QUERY}" aria-label="Search" placeholder="Search {where}"><button>Search</button></form>'
        )
        page = f"<header><nav>{path}</nav>{form}<h1>{escape(title)}</h1></header>\n<main>\n{body}</main>\n"
        return Document(htmlPage(title, page, self._root, head).encode(), code=code)

    def _missing(self) -> Document:
        return self._page("Not found", "<p>There is no such page in the logs.</p>\n", code=404)

    def _channels(self) -> Document:
        items = ""
        for front, name, lines, day in self._connection.execute(
            "SELECT front, name, sum(lines), max(day) FROM log_channels JOIN log_days ON id = channel GROUP BY id ORDER BY front, folded"
        ):
            link = f'<a href="{channelPath(front, name)}">{escape(front)}/{escape(name)}</a>'
            items += f"<li>{link} <small>{lines:,} lines, the last on {_dateOf(day)}</small></li>\n"
        return self._page("Channel logs", f'<ul class="list">\n{items}</ul>\n')

    def _days(self, channel: _Channel) -> Document:
        months: dict[str, str] = {}
        for day, lines in self._connection.execute("SELECT day, lines FROM log_days WHERE channel = ? ORDER BY day DESC", channel[:1]):
            date = _dateOf(day)
            months[date[:7]] = f'{months.get(date[:7], "")}<li><a href="{date}">{date}</a> <small>{lines:,}</small></li>\n'
        body = "".join([f'<h2>{month}</h2>\n<ul class="days">\n{items}</ul>\n' for month, items in months.items()])
        feed = '<link rel="alternate" type="application/atom+xml" title="Atom" href="feed">\n'
        return self._page(channel.label, f'{body}<p><a href="feed">Atom feed</a></p>\n', channel, feed)

    def _day(self, channel: _Channel, page: str) -> Document:
        date, most = page.removesuffix(".txt"), int(LOG_LINES.default)
        try:
            day = (datetime.strptime(date, "%Y-%m-%d").replace(tzinfo=UTC) - _EPOCH).days
        except ValueError:
            return self._missing()
        columns = "max(iif(day < ?2, day, NULL)), max(iif(day = ?2, lines, 0)), min(iif(day > ?2, day, NULL))"
        found = self._connection.execute(f"SELECT {columns} FROM log_days WHERE channel = ?1", (channel.number, day))
        older, here, newer = found.fetchone()
        last, number = -(-(here or 0) // most), self._number("page", 1)
        if not 1 <= number <= last or date != _dateOf(day):
            return self._missing()
        rest = "WHERE channel = ? AND day = ? ORDER BY id LIMIT ? OFFSET ?"
        lines = self._lines(rest, channel.number, day, most, most * (number - 1))
        if date != page:
            plain = "".join([f"[{_momentOf(line.at)[11:19]}] {line.sentence}\n" for line in lines])
            return Document(plain.encode(), "text/plain; charset=utf-8")
        earlier = f"?page={number - 1}" if number > 1 else _dateOf(older)
        later = f"?page={number + 1}" if number < last else _dateOf(newer)
        nav = f'<a rel="prev" accesskey="p" href="{earlier}">← Earlier</a> ' if earlier else ""
        nav += f'<a rel="next" accesskey="n" href="{later}">Later →</a> ' if later else ""
        nav += f'<a href="{date}.txt?page={number}">Plain text</a> page {number} of {last}, times are UTC'
        nav = f'<nav class="turn">{nav}</nav>\n'
        return self._page(f"{channel.label} on {date}", f"{nav}{self._listed(lines)}{nav}", channel)

    def _permalink(self, given: str) -> Document:
        number = int(given) if re.fullmatch("[0-9]{1,18}", given) else 0
        found = self._connection.execute("SELECT channel, day FROM log_lines WHERE id = ?", (number,)).fetchone()
        channel = self._channel("id = ?", found[0]) if found else None
        if channel is None:
            return self._missing()
        count = "SELECT count(*) FROM log_lines WHERE channel = ? AND day = ? AND id < ?"
        page = self._connection.execute(count, (*found, number)).fetchone()[0] // int(LOG_LINES.default) + 1
        path = f"../{channelPath(channel.front, channel.name)}{_dateOf(found[1])}"
        return Document(b"", code=302, location=f"{path}?page={page}#l{number}")

    def _feed(self, channel: _Channel) -> Document:
        rest = "WHERE channel = ? AND kind IN ('message', 'action', 'notice', 'topic') ORDER BY day DESC, id DESC LIMIT ?"
        lines = self._lines(rest, channel.number, _FOUND)
        logs = escape(self._url)
        address = f"{logs}{channelPath(channel.front, channel.name)}"
        entries = ""
        for line in lines:
            link = f"{logs}line/{line.number}"
            entries += f'<entry><title>{escape(line.sentence)}</title><id>{link}</id><link href="{link}"/>'
            entries += f"<author><name>{escape(line.nick)}</name></author><updated>{_momentOf(line.at)}</updated></entry>\n"
        feed = (
            '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">\n'
            f'<title>{escape(channel.label)}</title><id>{address}</id><link href="{address}"/><link rel="self" href="{address}feed"/>'
            f"<updated>{_momentOf(lines[0].at if lines else 0)}</updated>\n{entries}</feed>\n"
        )
        return Document(feed.encode(), "application/atom+xml; charset=utf-8")

    def _search(self) -> Document:
        text, inside = self._arguments.get("q", "")[:_QUERY], self._arguments.get("in", "")
        front, _, name = inside.partition("/")
        channel = self._named(front, name) if inside else None
        if inside and channel is None:
            return self._missing()
        title = f"Search {channel.label if channel else 'all channels'}"
        try:
            lines = self._found(text, channel)
        except TimeoutError:
            return self._page(title, "<p>This search takes too long; use rarer words.</p>\n", channel, code=503)
        days: dict[tuple[int, int], list[_Line]] = {}
        for line in lines[:_FOUND]:
            days.setdefault((line.channel, int(line.at) // 86400), []).append(line)
        body = ""
        for (number, day), several in days.items():
            if where := self._channel("id = ?", number):
                href = f"{self._logs}{channelPath(where.front, where.name)}{_dateOf(day)}"
                body += f'<h2><a href="{href}">{escape(where.label)} {_dateOf(day)}</a></h2>\n{self._listed(several)}'
        if len(lines) > _FOUND:
            older = escape(urlencode({"q": text, "in": inside, "before": lines[_FOUND - 1].number}))
            body += f'<nav class="turn"><a rel="next" accesskey="n" href="search?{older}">Older</a></nav>\n'
        return self._page(title, body or "<p>Nothing was found.</p>\n" if text else "", channel)

    def _found(self, text: str, channel: _Channel | None) -> list[_Line]:
        """
        Return the newest lines that have all words of a text, and one more than fit on a page. What was found is between C{\\x02} and
        C{\\x03}, which stored text does not contain.

        @raise TimeoutError: it takes too long.
        """
        terms = [phrase or word for phrase, word in _TERM.findall(text)]
        # Each in quotes: none is an operator. One without a letter or digit would match nothing.
        words = " AND ".join([f'"{term}"' for term in terms if any(map(str.isalnum, term))][: _LOG_WORDS])
        if not words:
            return []
        match = f"{{nick text}} : ({words})" + (f' AND channel : "{channel.number}"' if channel else "")
        end = monotonic() + LOG_SEARCH_SECONDS.default
        self._connection.set_progress_handler(lambda: monotonic() > end, 10_000)
        rest = "JOIN log_search ON log_lines.id = log_search.rowid WHERE log_search MATCH ? AND log_search.rowid < ?"
        rest += " ORDER BY log_search.rowid DESC LIMIT ?"
        marked = "highlight(log_search, 2, char(2), char(3))"
        try:
            return self._lines(rest, match, self._number("before", 1 << 62), _FOUND + 1, text=marked)
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise TimeoutError from None
            raise
        finally:
            self._connection.set_progress_handler(None, 0)

    # -- lines

    def _listed(self, lines: list[_Line]) -> str:
        items = []
        for line in lines:
            nick, text = escape(line.nick), _marked(line.text)
            if line.kind not in ("message", "notice"):
                nick, text = "", " ".join(filter(None, [nick, _EVENTS.get(line.kind), text]))
            time = f'<a href="{self._logs}line/{line.number}">{_momentOf(line.at)[11:16]}</a>'
            items.append(f'<li id="l{line.number}" class="{line.kind}">{time} <b>{nick}</b> <span>{text}</span></li>\n')
        return f'<ol class="lines">\n{"".join(items)}</ol>\n'


def _marked(text: str) -> str:
    """
    Return HTML of a text, with marks for what was searched for, or else with links.
    """
    escaped = escape(text)
    if "\x02" in text:
        return escaped.replace("\x02", "<mark>").replace("\x03", "</mark>")
    if "://" not in text:
        return escaped
    return _LINK.sub(lambda link: f'<a rel="nofollow noreferrer" href="{link[0]}">{link[0]}</a>', escaped)


def _dateOf(day: int | None) -> str:
    return "" if day is None else (_EPOCH + timedelta(days=day)).strftime("%Y-%m-%d")


def _momentOf(at: float) -> str:
    return (_EPOCH + timedelta(seconds=int(at))).strftime("%Y-%m-%dT%H:%M:%SZ")
