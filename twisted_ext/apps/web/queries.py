"""
The page of earlier queries: a form, and what the history of queries has of it. It works without scripts.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from twisted.internet.defer import DeferredLock
from twisted.web.template import Tag, flattenString, tags

from twisted_ext.errors import CallerFault
from twisted_ext.server.features.queryhistory.fields import clientFromText, keptClients, momentFromText, statusFromText
from twisted_ext.server.jobs.subprocess import inThread
from twisted_ext.server.recorder.rows import SECURITIES, STATUSES, reversedName, shownName
from twisted_ext.server.recorder.search import Filter, Found, Place, search
from twisted_ext.server.web.website import Document
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations

__all__ = ["EarlierQueries", "FIELDS"]

#: The fields of the form; C{before} is that of the link to older queries.
FIELDS: Final = ("name", "match", "client", "outcome", "since", "until", "before")

#: Queries on a page.
_SHOWN: Final = 100

#: Seconds that a search may take in one file, which has a million queries at most. All that the form can ask for takes less than one.
_SECONDS: Final = 5.0

#: Searches that wait for another one; people with browsers make few.
_WAITING: Final = 4

_MATCHES: Final = {"below": "is, or is below", "is": "is", "part": "has the text"}

#: What the choices are called for those who do not see where they are.
_LABELS: Final = {"match": "How the name is compared", "outcome": "Outcome"}

_COLUMNS: Final = ("Time", "Client", "Name", "Type", "Outcome", "Rcode", "ms", "By", "ID")


class EarlierQueries:
    """
    Makes the page.
    """

    def __init__(self, operations: Operations, reactor: object) -> None:
        """
        @param reactor: searches are made in its threads.
        """
        self._operations = operations
        self._reactor = reactor
        self._lock = DeferredLock()

    async def page(self, given: Mapping[str, str]) -> Document:
        """
        @param given: what the form says, by L{FIELDS}.
        """
        if not self._operations.inForce.showClients:
            text = "What clients ask is not shown here; show-clients = true in the server's file shows it."
            return await _refused(given, text, 403)
        said = (await self._operations.status()).get("queryHistory")
        if not isinstance(said, dict):
            text = "This server keeps no history of queries; query-history = true in its file makes it do so."
            return await _refused(given, text, 404)
        if len(self._lock.waiting) >= _WAITING:
            return await _refused(given, "Other searches are going on; try again in some seconds.", 503)
        folder = str(said.get("folder"))
        wrong: list[str] = []
        try:
            wanted = _filter(given, folder)
            found = await self._lock.run(inThread, self._reactor, lambda: list(islice(_searched(folder, wanted, wrong), _SHOWN + 1)))
        except CallerFault as error:
            return await _refused(given, f"{error}.", 400)
        except OSError as error:
            return await _refused(given, f"The history cannot be read: {error.strerror or error}.", 500)
        except sqlite3.Error as error:
            return await _refused(given, f"The history cannot be read: {error}.", 500)
        return await _document(given, list(_table(given, found, wrong)))


def _searched(folder: str, wanted: Filter, wrong: list[str]) -> Iterator[Found]:
    return search(folder, wanted, wrong.append, seconds=_SECONDS)


def _filter(given: Mapping[str, str], folder: str) -> Filter:
    """
    @raise CallerFault: a field is not valid.
    """
    wanted = Filter(before=Place.fromText(given["before"]))
    if given["name"]:
        if given["match"] == "part":
            wanted.part = given["name"]
        else:
            wanted.name = reversedName(nameFromText(given["name"]))
            wanted.isBelow = given["match"] != "is"
    if given["client"]:
        wanted.clients = keptClients(clientFromText(given["client"]), folder)
    if given["outcome"]:
        wanted.statuses = frozenset([STATUSES.index(statusFromText(given["outcome"]))])
    wanted.since, wanted.until = _micros(given["since"]), _micros(given["until"])
    return wanted


def _micros(text: str) -> int | None:
    return int(momentFromText(text) * 1_000_000) if text else None


async def _refused(given: Mapping[str, str], text: str, code: int) -> Document:
    return (await _document(given, [tags.p(text, role="alert")]))._replace(code=code)


async def _document(given: Mapping[str, str], content: list[Tag]) -> Document:
    whole = tags.html(
        tags.head(
            tags.meta(charset="utf-8"),
            tags.meta(name="viewport", content="width=device-width, initial-scale=1"),
            tags.title("Earlier queries – txdns"),
            tags.link(rel="icon", href="/icon.svg", type="image/svg+xml"),
            tags.link(rel="stylesheet", href="/page.css"),
        ),
        tags.body(
            tags.header(tags.h1("Earlier queries"), tags.p(tags.a("Status", href="/"))),
            Tag("main")(tags.section(_form(given)), tags.section(*content)),
        ),
        lang="en",
    )
    return Document(b"<!DOCTYPE html>\n" + await flattenString(None, whole))


def _form(given: Mapping[str, str]) -> Tag:
    def field(label: str, *controls: Tag) -> Tag:
        return tags.label(tags.span(label), *controls)

    def choice(name: str, choices: Mapping[str, str]) -> Tag:
        options = [tags.option(text, value=value, **({"selected": ""} if value == given[name] else {})) for value, text in choices.items()]
        return tags.select(*options, name=name, **{"aria-label": _LABELS[name]})

    def text(name: str, example: str) -> Tag:
        return tags.input(type="search", name=name, value=given[name], placeholder=example, autocomplete="off", spellcheck="false")

    def moment(name: str) -> Tag:
        return tags.input(type="search", name=name, value=given[name], placeholder="2d", autocomplete="off", list="times")

    times = tags.datalist(*[tags.option(value=value) for value in ("1h", "12h", "1d", "7d", "30d")], id="times")
    return tags.form(
        field("Name", choice("match", _MATCHES), text("name", "example.com")),
        field("Client", text("client", "192.0.2.7 or 192.0.2.0/24")),
        field("Outcome", choice("outcome", {"": "any", **{each: each for each in STATUSES}})),
        field("From", moment("since")),
        field("Until", moment("until")),
        times,
        tags.button("Search", type="submit"),
        tags.p("Times are so long ago, such as 90m, 12h or 2d, or dates of the server’s time zone, such as 2026-11-24T15:30."),
        method="get",
        action="/queries",
        **{"class": "search"},
    )


def _table(given: Mapping[str, str], found: list[Found], wrong: list[str]) -> Iterator[Tag]:
    for line in wrong:
        yield tags.p(line, role="alert")
    if not found:
        yield tags.p("No queries were found.", role="status")
        return
    shown = found[:_SHOWN]
    headings = tags.tr(*[tags.th(each, scope="col") for each in _COLUMNS])
    rows = [tags.tr(*[tags.td(each) for each in _cells(given, row)]) for row in shown]
    table = tags.table(tags.caption("Earlier queries, the newest first", **{"class": "hidden"}), tags.thead(headings), tags.tbody(*rows))
    yield tags.div(table, role="region", tabindex="0", **{"class": "scroll wide", "aria-label": "Queries"})
    if len(found) > _SHOWN:
        yield tags.p(tags.a("Older queries", href=_address({**given, "before": str(shown[-1].place)}), rel="next"))


def _cells(given: Mapping[str, str], found: Found) -> Iterator[Any]:
    row = found.row
    name = shownName(row.name)
    yield time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.at / 1e6))
    yield tags.a(printable(row.client), href=_address({**given, "before": "", "client": row.client})) if row.client else "–"
    yield tags.a(name, href=_address({**given, "before": "", "match": "below", "name": name}))
    yield typeName(row.type)
    yield STATUSES[row.status]
    yield "no reply" if row.rcode < 0 else rcodeName(row.rcode)
    yield f"{row.micros / 1000:,.1f}"
    yield printable(", ".join([each for each in (row.rule or row.upstream, SECURITIES[row.security], row.ede) if each]))
    yield str(found.place)


def _address(given: Mapping[str, str]) -> str:
    return f"/queries?{urlencode({key: value for key, value in given.items() if value})}"
