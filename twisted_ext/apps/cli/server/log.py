"""
C{txdns log}: searches the history of queries that a server keeps.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from ipaddress import ip_address
from itertools import islice, takewhile
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.server.client import SOCKET, ControlChannel
from twisted_ext.apps.cli.server.report import duration, octets
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, didYouMean, flag, whole
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.errors import BadDescription
from twisted_ext.server.features.queryhistory.fields import hostFromText, keptClients, momentFromText, statusFromText
from twisted_ext.server.features.queryhistory.recorder.rows import (
    SECURITIES,
    STATUSES,
    TRANSPORTS,
    reversedName,
    shownName,
)
from twisted_ext.wire.codes import Rcode, rcodeName
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import typeName, typeNumber

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twisted_ext.apps.cli.terminal.arguments import Given
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.features.queryhistory.recorder.rows import Row
    from twisted_ext.server.features.queryhistory.recorder.search import Filter, Found, Place

__all__ = ["ARGUMENTS", "follow", "lineOf", "main"]

_HELP: Final = """\
Usage: txdns log [FILTER...] [--limit N] [+json] [--folder PATH | --socket PATH]
       txdns log why ID
       txdns log top clients|names|rules [FILTER...] [--limit N] [+json]
       txdns log follow [FILTER...] [+json]
       txdns log stats [+json]

Searches the history that a server keeps with query-history = true: what clients have asked,
what became of it, and which rule of which list decided. The newest queries come first. why ID
shows one of them, and what the server would do now; top counts them by client, name or rule;
follow shows new ones as they are written; stats shows how far back the history goes.

The folder of the history is that of the running server, or that of --folder, which needs no
server. Each filter that is given has to hold.

{options}

TIME is so long ago, such as 90m, 12h or 2d, or a date in local time: 2026-11-24 or
2026-11-24T15:30.

  txdns log --client 192.0.2.77 --status blocked --since 2d
  txdns log --name example.com --below --since 2026-11-24 --until 2026-11-25
  txdns log --part track +json | jq -r .name | sort | uniq -c
  txdns log why 12.345
  txdns log top names --status blocked --since 7d --limit 20

Exit codes: 0 queries were found, 1 wrong usage, 2 none were, 8 the folder or a file in it
cannot be read, 9 no server.
"""

#: Seconds between two looks for new queries.
_EVERY: Final = 1.0

#: New queries that are shown at a look; a terminal shows no more in a second.
_SHOWN: Final = 10_000


def _name(text: str) -> bytes:
    return nameFromText(text)


def _type(text: str) -> int:
    number = 255 if text.upper() in ("ANY", "*") else typeNumber(text)
    if number is None:
        raise BadDescription(f"{text!r} is not a record type; write A, AAAA, MX or TYPE65280")
    return number


def _security(text: str) -> int:
    if text not in SECURITIES[1:]:
        raise BadDescription(f"{text!r} is not one of {', '.join(SECURITIES[1:])}")
    return SECURITIES.index(text)


def _rcode(text: str) -> int:
    try:
        return Rcode[text.upper()]
    except KeyError:
        raise BadDescription(f"{text!r} is not an rcode; {didYouMean(text.upper(), Rcode.__members__, 'write NXDOMAIN')}") from None


#: What C{top} counts, with the names of columns.
_COUNTED: Final = {"clients": "client", "names": "name", "rules": "rule"}

#: Lines of C{top} without C{--limit}: as many as people look at.
_TOP: Final = 10

#: How commands go on.
_WRITE: Final = {
    "why": "write: txdns log why ID, with an ID that txdns log shows",
    "top": f"write: txdns log top {'|'.join(_COUNTED)}",
}

_NAME: Final = Option("--name NAME", "queries for this name", b"", _name)
_BELOW: Final = flag("--below", "with --name: and for all names below it")
_PART: Final = Option("--part TEXT", "queries for names that have this text", "", str)
_CLIENT: Final = Option("--client CLIENT", "queries of this address, host, or network such as 192.0.2.0/24", None, hostFromText)
_TYPE: Final = Option("--type TYPE", "queries for this record type", 0, _type)
_RCODE: Final = Option("--rcode RCODE", "queries with this rcode, such as NXDOMAIN", 0, _rcode)
_RULE: Final = Option("--rule TEXT", "queries that a rule decided whose list or line has this text", "", str)
_STATUS: Final = Option("--status WORD", f"what became of them: {', '.join(STATUSES)}; may be repeated", "", statusFromText, words=STATUSES)
_SECURITY: Final = Option(
    "--security WORD", f"what DNSSEC has proved of the answer: {', '.join(SECURITIES[1:])}", 0, _security, words=SECURITIES[1:]
)
_SINCE: Final = Option("--since TIME", "queries from this time on", 0.0, momentFromText)
_UNTIL: Final = Option("--until TIME", "queries before this time", 0.0, momentFromText)
_LIMIT: Final = Option("--limit N", "show so many queries at most (100)", 100, whole(1, 10**9))
_JSON: Final = flag("+json", "a JSON object for each query")
_FOLDER: Final = Option("--folder PATH", "the folder of the history: history in the folder of the server's state", "", str)

ARGUMENTS: Final = Arguments(
    _HELP, _NAME, _BELOW, _PART, _CLIENT, _TYPE, _RCODE, _RULE, _STATUS, _SECURITY, _SINCE, _UNTIL, _LIMIT, _JSON, _FOLDER,
    SOCKET,
)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    word, *more = given.bare or [""]
    takes = {"": 0, "stats": 0, "follow": 0, "why": 1, "top": 1}
    if word not in takes:
        raise ExitError(USAGE, f"{word!r} is not a command; {didYouMean(word, takes, 'write txdns log, or log why, top, follow or stats')}")
    if len(more) != takes[word]:
        raise ExitError(USAGE, _WRITE.get(word) or f"unexpected argument {more[0]!r}")
    if given[_BELOW] and _NAME not in given:
        raise ExitError(USAGE, "--below belongs to --name")
    folder = given[_FOLDER] or _folderOf(given[SOCKET])
    if word == "stats":
        return _stats(folder, given[_JSON])
    if word == "why":
        return _why(folder, more[0], given)
    wanted = _filter(given, folder)
    if word == "top":
        return _top(folder, wanted, more[0], given)
    return follow(folder, wanted, given[_JSON]) if word == "follow" else _found(folder, wanted, given)


def _folderOf(socket: str) -> str:
    """
    Return the folder of the running server's history.
    """
    try:
        said = ControlChannel(socket).ask("GET", "status").get("queryHistory")
    except ExitError as ending:
        raise ExitError(ending.code, f"{ending.line}, or the folder of a history with --folder PATH") from ending
    folder = said.get("folder") if isinstance(said, dict) else None
    if not isinstance(folder, str):
        raise ExitError(USAGE, "the server keeps no history of queries; query-history = true in its file makes it do so")
    return folder


def _filter(given: Given, folder: str) -> Filter:
    from twisted_ext.server.features.queryhistory.recorder.search import Filter

    client = given[_CLIENT]
    with fileErrors(folder):
        clients = None if client is None else keptClients(client, folder)
    return Filter(
        name=reversedName(given[_NAME]) if _NAME in given else None,
        isBelow=given[_BELOW],
        part=given[_PART],
        clients=clients,
        type=given[_TYPE] if _TYPE in given else None,
        rcode=given[_RCODE] if _RCODE in given else None,
        rule=given[_RULE],
        statuses=frozenset([STATUSES.index(each) for each in given.all(_STATUS)]),
        security=given[_SECURITY] if _SECURITY in given else None,
        since=int(given[_SINCE] * 1_000_000) if _SINCE in given else None,
        until=int(given[_UNTIL] * 1_000_000) if _UNTIL in given else None,
    )


def _rows(folder: str, wanted: Filter, complain: Callable[[str], object]) -> Iterator[Found]:
    from twisted_ext.server.features.queryhistory.recorder.search import search

    # Not around those who print: their errors are others.
    with fileErrors(folder):
        yield from search(folder, wanted, complain)


def _found(folder: str, wanted: Filter, given: Given) -> int:
    shown = 0
    wrong: list[str] = []
    for each in islice(_rows(folder, wanted, wrong.append), given[_LIMIT]):
        print(_shown(each, given[_JSON]))
        shown += 1
    for line in wrong:
        complain(line)
    if shown == given[_LIMIT] and _LIMIT not in given:
        complain(f"there may be more; --limit N shows more than {shown}")
    return OK if shown else DECLINED


def follow(
    folder: str, wanted: Filter, json: bool, pause: Callable[[float], object] = time.sleep, complain: Callable[[str], object] = complain
) -> int:
    """
    Print queries as they are written, until the user presses Ctrl-C.
    """
    from twisted_ext.server.features.queryhistory.recorder.search import Filter, Place

    last = next((each.place for each in _rows(folder, Filter(), complain)), Place(0, 0))
    try:
        while True:
            pause(_EVERY)
            fresh = list(islice(takewhile(partial(_isAfter, last), _rows(folder, wanted, complain)), _SHOWN))
            for each in reversed(fresh):
                print(_shown(each, json))
                last = each.place
            sys.stdout.flush()
    except KeyboardInterrupt:
        # The usual way to leave.
        return OK


def _isAfter(place: Place, found: Found) -> bool:
    return found.place > place


def _top(folder: str, wanted: Filter, what: str, given: Given) -> int:
    from twisted_ext.server.features.queryhistory.recorder.search import counts

    if what not in _COUNTED:
        raise ExitError(USAGE, f"{what!r} cannot be counted; {didYouMean(what, _COUNTED, _WRITE['top'])}")
    kind = _COUNTED[what]
    with fileErrors(folder):
        found = counts(folder, wanted, kind, complain)
    for text, count in found.most_common(given[_LIMIT] if _LIMIT in given else _TOP):
        shown = shownName(text) if kind == "name" else text
        print(dumps({kind: shown, "queries": count}) if given[_JSON] else printable(f"{count:>12,}  {shown}"))
    return OK if found else DECLINED


def _stats(folder: str, json: bool) -> int:
    from sqlite3 import Error

    from twisted_ext.server.features.queryhistory.recorder.search import extent

    with fileErrors(folder):
        try:
            said = extent(folder)
        except Error as error:
            raise OSError(None, str(error)) from error
    if json:
        print(dumps({"folder": folder, **said}))
        return OK
    print(f"{folder}: queries: {said['rows']:,}, files: {said['segments']}, {octets(said['octets'] or 0)}")
    if said["first"] is not None and said["last"] is not None:
        first, last = float(said["first"]), float(said["last"])
        print(f"from {_clock(first)} to {_clock(last)}, {duration(last - first)}")
    return OK


def _why(folder: str, text: str, given: Given) -> int:
    from sqlite3 import Error

    from twisted_ext.server.features.queryhistory.recorder.search import Found, Place, rowAt

    place = Place.fromText(text)
    with fileErrors(folder):
        try:
            row = None if place is None else rowAt(folder, place)
        except Error as error:
            raise OSError(None, str(error)) from error
    if place is None or row is None:
        raise ExitError(DECLINED, f"the history has no query {text}; txdns log shows their IDs")
    print(_shown(Found(place, row), given[_JSON]))
    for line in _causes(row):
        print(printable(f"  {line}"))
    asked = {"name": shownName(row.name), "type": typeName(row.type)}
    try:
        asked["client"] = str(ip_address(row.client))
    except ValueError:
        # What is kept of it is no address.
        pass
    try:
        said = ControlChannel(given[SOCKET]).ask("GET", "explain", asked)
    except ExitError as ending:
        if ending.code != NO_REPLY:
            raise
        print("What a server would do now is not known, as none runs.")
        return OK
    now = str(said.get("rcode"))
    print(printable(f"Now: {said.get('outcome')} ({now}){_reason(said)}"))
    then = "no reply" if row.rcode < 0 else rcodeName(row.rcode)
    print("The rcode is the same now." if now == then else printable(f"Then {then}, now {now}."))
    return OK


def _causes(row: Row) -> Iterator[str]:
    if row.rule:
        yield f"decided by {row.rule}"
    if row.alias:
        yield f"an alias of {', '.join(map(shownName, row.alias.split()))}"
    if row.upstream:
        yield f"answered by {row.upstream}"
    if row.security:
        yield f"DNSSEC: {SECURITIES[row.security]}"
    if row.ede:
        yield f"extended error: {row.ede}"
    if row.view:
        yield f"in the view {row.view}"


def _reason(said: dict[str, JSON]) -> str:
    origin = said.get("origin")
    words = [str(origin[key]) for key in ("source", "server") if origin.get(key)] if isinstance(origin, dict) else []
    words += [str(said["reason"])] if said.get("reason") else []
    return f": {': '.join(words)}" if words else ""


def _shown(found: Found, json: bool) -> str:
    return dumps(_object(found)) if json else printable(lineOf(found))


def _object(found: Found) -> dict[str, JSON]:
    row = found.row
    return {
        "id": str(found.place),
        "time": row.at / 1e6,
        "client": row.client,
        "name": shownName(row.name),
        "type": typeName(row.type),
        "rcode": None if row.rcode < 0 else rcodeName(row.rcode),
        "status": STATUSES[row.status],
        "milliseconds": row.micros / 1000,
        "rule": row.rule,
        "server": row.upstream,
        "ede": row.ede,
        "security": SECURITIES[row.security],
        "view": row.view,
        "transport": TRANSPORTS[row.transport],
        "aliasOf": None if row.alias is None else [shownName(each) for each in row.alias.split()],
    }


def lineOf(found: Found) -> str:
    """
    Format a query. Its name comes from the network: the caller must escape the line before printing.
    """
    said = _object(found)
    by = f"  by {found.row.rule or found.row.upstream}" if found.row.rule or found.row.upstream else ""
    reply = f"{said['status']:<9} {said['rcode'] or 'no reply':<9} {found.row.micros / 1000:>9,.1f} ms"
    return f"{said['id']:>9}  {_clock(found.row.at / 1e6)}  {found.row.client or '-':<15}  {reply}  {said['type']:<6} {said['name']}{by}"


def _clock(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
