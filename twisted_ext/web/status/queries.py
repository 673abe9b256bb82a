"""
The page of earlier queries: a form, and what the history of queries has of it. It works without scripts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from twisted.web.template import Tag, flattenString, tags

from twisted_ext.errors import CallerFault, StorageFault, TimedOut
from twisted_ext.server.features.queryhistory.recorder.rows import SECURITIES, STATUSES, shownName
from twisted_ext.server.features.queryhistory.searching import MATCHES, HistorySearch, NoHistory
from twisted_ext.web.http.website import Document
from twisted_ext.wire.codes import rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.rrtypes import typeName

if TYPE_CHECKING:
    from twisted_ext.server.features.queryhistory.recorder.search import Found
    from twisted_ext.server.operations.operations import Operations

__all__ = ["EarlierQueries"]

#: Queries on a page.
_SHOWN: Final = 100

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
        self._history = HistorySearch(operations, reactor)

    async def page(self, given: Mapping[str, str]) -> Document:
        """
        @param given: what the form says, by L{FIELDS<twisted_ext.server.features.queryhistory.searching.FIELDS>}.
        """
        try:
            found, wrong = await self._history.find(given, _SHOWN + 1)
        except NoHistory as none:
            return await _refused(given, str(none), 403 if none.isHidden else 404)
        except TimedOut as busy:
            return await _refused(given, str(busy), 503)
        except StorageFault as fault:
            return await _refused(given, str(fault), 500)
        except CallerFault as error:
            return await _refused(given, f"{error}.", 400)
        return await _document(given, list(_table(given, found, wrong)))


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
        field("Name", choice("match", MATCHES), text("name", "example.com")),
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
