"""
C{txdns control}: inspects and controls a running server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.server.client import SOCKET, ControlChannel
from twisted_ext.apps.cli.server.queries import watchQueries
from twisted_ext.apps.cli.server.report import (
    anchorLines,
    cacheLines,
    clientLines,
    delegationLines,
    explanationLines,
    historyLines,
    listOf,
    statLines,
    statusLines,
    traceLines,
    typeLines,
    upstreamLines,
    zoneLines,
)
from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, didYouMean, flag
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError, fileErrors
from twisted_ext.files import replacingFile
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.history import SPANS
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted_ext.server.features.base.feature import Verb

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns control [--socket PATH] COMMAND [+json]

  status                    version, addresses and uptime of the server
  stats                     its statistics
  upstreams                 its upstream servers and their state
  types                     queries by type
  clients [ADDRESS]         the most active clients, or the latest names of one; takes a server
                            with --show-clients
  queries [WORD]...         queries as they arrive, until Ctrl-C: those that have each WORD in
                            their name or client, or as their type, reply or status; +json:
                            one object a line. Takes a server with --show-clients
  history [hour | day]      queries, cache hits, blocked names, failures and latency of the last
                            hour or day
  cache show NAME           cached answers for a name
  cache flush NAME          forget a name; --below NAME: and all below it; --all: everything
  cache dump [FILE]         write the cache to a file or the standard output
  cache load FILE           load a dump; - for the standard input; lines that cannot be used are
                            skipped and reported
  explain NAME [TYPE]       have the server look up a name, and show each step of the look-up;
                            with the address of a client behind that, as for this client
  trace on [NAME]           trace live queries, for this name and below it, or all
  trace show | off          show the traced queries; stop tracing
  zones [NAME]              its zones, those with errors first, at most 1,000; --broken: only
                            zones with errors; --all: without a limit
  zone reload NAME          load a zone from its master file even if the file has not changed
  delegations [NAME]        zones whose servers a recursive resolver knows, at and below NAME
  anchors                   its trust anchors, and the names that are not validated
  nta add NAME[=UNTIL]      do not validate NAME and all below it: UNTIL is a duration as +2d or
                            a time as 2026-12-01T12:00Z, by default an hour, at most a week
  nta remove NAME           validate it again
  views [ADDRESS]           the views of clients, or that of the client at ADDRESS
  why NAME CLIENT [TIME]    which rule of which list decides about a name for the client at this
                            address, now or at a time as 21:30 or 2026-11-25T21:30; a type such
                            as AAAA may follow the time
  lists fetch LIST          fetch a list that has a URL now
  lists accept LIST         fetch it, and use it although it has lost most of its rules
  pause VIEW [TIME]         block nothing for the clients of a view for a time, by default 5m, at
                            most 24h; VIEW may be default, for those in no view, or all
  resume VIEW               block again
  reload                    reload the settings and the zones whose files have changed; the cache
                            and the sockets are kept

PATH is the socket that was given to the server with --control. Without --socket the command
takes it from TXDNS_CONTROL, or tries the paths that servers use by default:
/run/txdns/control.sock for servers that root runs, and txdns/control.sock in XDG_RUNTIME_DIR,
in /run/user/UID and in ~/.local/state.

  txdns control stats
  txdns control cache flush --below example.com
  txdns control queries blocked 192.0.2.77
  txdns control upstreams +json | jq '.upstreams[] | select(.up | not)'

Exit codes: 0 done, 1 wrong usage or declined by the server, 2 the zone could not be loaded,
8 a file cannot be read or written, 9 no server.
"""

_COMMANDS: Final = (
    "status, stats, upstreams, types, clients, queries, history, cache show|flush|dump|load, explain, trace on|show|off, zones, "
    "zone reload, delegations, anchors, nta add|remove, reload"
)

#: Commands without parameters, and the functions that format their replies.
_SHOWN: Final[dict[str, Callable[[dict[str, JSON]], Iterable[str]]]] = {
    "status": statusLines,
    "stats": statLines,
    "upstreams": upstreamLines,
    "anchors": anchorLines,
    "types": typeLines,
}

_FIRST: Final = tuple(
    "status stats upstreams types clients queries history cache explain trace zones zone delegations anchors nta reload".split()
)

_JSON: Final = flag("+json", "print the reply as one JSON object; queries: one for each query")
_BELOW: Final = flag("--below", "with cache flush: all names below NAME as well")
_ALL: Final = flag("--all", "with cache flush: everything; with zones: without a limit")
_BROKEN: Final = flag("--broken", "with zones: only zones with errors")

#: The commands that take these options.
_TAKEN: Final = {"cache flush": (_BELOW, _ALL), "zones": (_ALL, _BROKEN)}

ARGUMENTS: Final = Arguments(_HELP, SOCKET, _JSON, _BELOW, _ALL, _BROKEN, exact=True)


def main(words: list[str]) -> int:
    return _Control(ARGUMENTS.parse(words)).run()


class _Control:
    def __init__(self, given: Given) -> None:
        self._given = given

    @cached_property
    def _channel(self) -> ControlChannel:
        # Created when used, so that errors in the arguments are reported first.
        return ControlChannel(self._given[SOCKET])

    def run(self) -> int:
        words = self._given.bare
        if not words:
            raise ExitError(USAGE, f"a command is missing; write one of {_COMMANDS}")
        first = words[0]
        taken = _TAKEN.get(" ".join(words[:2] if first == "cache" else words[:1]), ())
        for option in (_BELOW, _ALL, _BROKEN):
            if option in self._given and option not in taken:
                raise ExitError(USAGE, f"{first} does not take the option {option.spec}; see txdns control --help")
        if first == "cache":
            return self._cache(words[1:])
        if first == "explain":
            return self._explain(words[1:])
        if first == "trace":
            return self._trace(words[1:])
        if first in ("zones", "zone"):
            return self._zones(first, words[1:])
        if first == "delegations":
            if len(words) > 2:
                raise ExitError(USAGE, "write: txdns control delegations [NAME]")
            return self._show(self._channel.ask("GET", first, {"name": words[1]} if words[1:] else {}), delegationLines)
        if first == "clients":
            if len(words) > 2:
                raise ExitError(USAGE, "write: txdns control clients [ADDRESS]")
            return self._show(self._channel.ask("GET", first, {"client": words[1]} if words[1:] else {}), clientLines)
        if first == "queries":
            watchQueries(self._channel, words[1:], json=self._given[_JSON])
            return OK
        if first == "history":
            span = words[1] if words[1:] else "hour"
            if len(words) > 2 or span not in SPANS:
                raise ExitError(USAGE, f"write: txdns control history [{' | '.join(SPANS)}]")
            return self._show(self._channel.ask("GET", first), lambda said: historyLines(said, span))
        if first == "nta":
            return self._negative(words[1:])
        if first == "help":
            print(ARGUMENTS.help, end="")
            return OK
        if first not in (*_SHOWN, "reload"):
            verb = _verbOf(words)
            if verb is not None:
                return self._do(verb, words[len(verb.path.split("/")) :])
            raise ExitError(USAGE, f"unknown command {' '.join(words)!r}; {_meant(first)}")
        self._none(words[1:], first)
        if first == "reload":
            return self._show(self._channel.ask("POST", "reload"), lambda said: map(str, listOf(said["said"])))
        return self._show(self._channel.ask("GET", first), _SHOWN[first])

    def _do(self, verb: Verb, words: list[str]) -> int:
        """
        Have a feature execute one of its commands.
        """
        least = len([each for each in verb.takes if not each.startswith("[")])
        if not least <= len(words) <= len(verb.takes):
            raise ExitError(USAGE, f"write: {verb.usage} ({verb.meaning})")
        said = self._channel.ask("POST" if verb.changes else "GET", verb.path, dict(zip(verb.keys, words, strict=False)))
        return self._show(said, _saidBy)

    def _zones(self, first: str, words: list[str]) -> int:
        if first == "zone":
            if len(words) != 2 or words[0] != "reload":
                raise ExitError(USAGE, "write: txdns control zone reload NAME")
            said = self._channel.ask("POST", "zones/reload", {"name": words[1]})
            code = self._show(said, lambda value: map(str, listOf(value["said"])))
            return DECLINED if said.get("failed") else code
        given = self._given
        if len(words) > 1 or (words and (_ALL in given or _BROKEN in given)):
            raise ExitError(USAGE, "write: txdns control zones [NAME], or: txdns control zones [--broken] [--all]")
        asked = {"broken": "1"} if given[_BROKEN] else {}
        if given[_ALL]:
            return self._show(self._allZones(asked), zoneLines)
        said = self._channel.ask("GET", "zones/", {"name": words[0]} if words else asked)
        if words and not listOf(said["zones"]):
            raise ExitError(USAGE, f"the server has no zone {words[0]}")
        return self._show(said, zoneLines)

    def _allZones(self, asked: dict[str, str]) -> dict[str, JSON]:
        """
        Request all zones in several parts. Each zone is returned once, although zones may be added or removed meanwhile.
        """
        zones: dict[str, JSON] = {}
        begin = 0
        while True:
            said = self._channel.ask("GET", "zones/", {**asked, "begin": str(begin)})
            part = listOf(said["zones"])
            zones.update({str(zone["zone"]): zone for zone in part if isinstance(zone, dict)})
            begin += len(part)
            if not part or not said.get("more"):
                return {"zones": [*zones.values()], "count": len(zones), "more": 0}

    def _negative(self, words: list[str]) -> int:
        if len(words) != 2 or words[0] not in ("add", "remove") or not words[1]:
            raise ExitError(USAGE, "write: txdns control nta add NAME[=UNTIL], or: txdns control nta remove NAME")
        said = self._channel.ask("POST", f"nta/{words[0]}", {"name": words[1]})
        done = "is not validated for now" if words[0] == "add" else "is validated again"
        return self._show(said, lambda _: [f"{words[1].partition('=')[0]} {done}"])

    def _cache(self, words: list[str]) -> int:
        what, *rest = words or [""]
        if what == "show":
            said = self._channel.ask("GET", "cache/", {"name": self._one(rest, "cache show NAME")})
            return self._show(said, cacheLines)
        if what == "flush":
            return self._flush(rest)
        if what == "dump":
            if len(rest) > 1:
                raise ExitError(USAGE, "write: txdns control cache dump [FILE]")
            return self._dump(rest[0] if rest else "-")
        if what == "load":
            return self._load(self._one(rest, "cache load FILE"))
        raise ExitError(USAGE, "write: txdns control cache show NAME, flush NAME, dump [FILE] or load FILE")

    def _flush(self, words: list[str]) -> int:
        given = self._given
        parameters: dict[str, str] = {}
        if given[_BELOW] or not given[_ALL] or words:
            if given[_ALL]:
                words = []
            parameters["name"] = self._one(words, "cache flush NAME, cache flush --below NAME or cache flush --all")
            if given[_BELOW]:
                parameters["subtree"] = "1"
        said = self._channel.ask("POST", "cache/flush", parameters)
        return self._show(said, lambda value: [f"{_counted(value.get('flushed'), 'answer')} forgotten"])

    def _dump(self, path: str) -> int:
        pieces = self._channel.pieces("cache/dump")
        if path == "-":
            sys.stdout.buffer.writelines(pieces)
            sys.stdout.buffer.flush()
            return OK
        # Readable by its owner only: the names show which sites the clients visit.
        with fileErrors(path), replacingFile(path, 0o600) as file:
            file.writelines(pieces)
        return OK

    def _load(self, path: str) -> int:
        if path == "-":
            said = self._channel.ask("POST", "cache/load", body=sys.stdin.buffer)
        else:
            with fileErrors(path):
                file = open(path, "rb")
            with file:
                said = self._channel.ask("POST", "cache/load", body=file)
        return self._show(said, _loadedLines)

    def _explain(self, words: list[str]) -> int:
        # A type has neither dots nor colons, an address has.
        clients = [word for word in words[1:] if "." in word or ":" in word]
        types = [word for word in words[1:] if word not in clients]
        if not words or len(types) > 1 or len(clients) > 1:
            raise ExitError(USAGE, "write: txdns control explain NAME [TYPE] [CLIENT]")
        given = [("name", words[0]), *[("type", each) for each in types], *[("client", each) for each in clients]]
        parameters = dict(given)
        return self._show(self._channel.ask("GET", "explain", parameters), explanationLines)

    def _trace(self, words: list[str]) -> int:
        what, *rest = words or [""]
        if what == "show":
            self._none(rest, "trace show")
            return self._show(self._channel.ask("GET", "traces"), traceLines)
        if what == "off":
            self._none(rest, "trace off")
            return self._show(self._channel.ask("POST", "trace", {"on": "0"}), lambda _: ["tracing stopped"])
        if what != "on" or len(rest) > 1:
            raise ExitError(USAGE, "write: txdns control trace on [NAME], trace show or trace off")
        parameters = {"name": rest[0]} if rest else {}
        said = self._channel.ask("POST", "trace", {"on": "1", **parameters})
        return self._show(said, lambda _: ["tracing; to show the queries: txdns control trace show"])

    def _one(self, words: list[str], usage: str) -> str:
        if len(words) != 1 or not words[0]:
            raise ExitError(USAGE, f"write: txdns control {usage}")
        return words[0]

    def _none(self, words: list[str], command: str) -> None:
        if words:
            raise ExitError(USAGE, f"{command}: unexpected argument {words[0]!r}")

    def _show(self, said: dict[str, JSON], lines: Callable[[dict[str, JSON]], Iterable[str]]) -> int:
        if self._given[_JSON]:
            print(json.dumps(said))
            return OK
        try:
            shown = [printable(line) for line in lines(said)]
        except (ValueError, KeyError, TypeError) as error:
            text = f"this version of txdns cannot display the server's reply; +json shows it ({error})"
            raise ExitError(NO_REPLY, text) from error
        print("\n".join(shown))
        return OK


def _loadedLines(said: dict[str, JSON]) -> Iterator[str]:
    taken = f"{_counted(said.get('loaded'), 'answer')} loaded"
    skipped = said.get("skipped", 0)
    if not skipped:
        yield taken
        return
    yield f"{taken}, {_counted(skipped, 'line')} skipped:"
    reasons = listOf(said["said"])
    for reason in reasons:
        yield f"  {reason}"
    if isinstance(skipped, int) and skipped > len(reasons):
        yield f"  and {skipped - len(reasons)} more"


def _counted(count: JSON, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _verbOf(words: list[str]) -> Verb | None:
    """
    Return the command of a feature that these words begin with.
    """
    # Only here: other commands need not load the settings of features.
    from twisted_ext.server.features.order import declaredVerbs

    return next((verb for verb in declaredVerbs() if words[: verb.path.count("/") + 1] == verb.path.split("/")), None)


def _saidBy(said: dict[str, JSON]) -> Iterable[str]:
    lines = said.get("said")
    return map(str, lines) if isinstance(lines, list) else [json.dumps(said)]


def _meant(first: str) -> str:
    from twisted_ext.server.features.order import declaredVerbs

    others = [verb.path.replace("/", " ") for verb in declaredVerbs()]
    firsts = [*_FIRST, *dict.fromkeys([each.split()[0] for each in others])]
    everything = f"write one of {', '.join([_COMMANDS, *others])}"
    return everything if first in firsts else didYouMean(first, firsts, everything)
