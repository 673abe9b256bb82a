"""
C{txdns control}: inspects and controls a running server.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import IO, Final

from twisted_ext.apps.cli.server.client import Channel
from twisted_ext.apps.cli.server.report import (
    cacheLines,
    explanationLines,
    statLines,
    statusLines,
    traceLines,
    upstreamLines,
    zoneLines,
)
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.files import replacingFile
from twisted_ext.metrics.figures import JSON, Figures
from twisted_ext.wire.escapes import printable

__all__ = ["main"]

HELP: Final = """\
Usage: txdns control [--socket PATH] COMMAND [+json]

  status                    which server this is, where it listens, how long it has been up
  stats                     what it has counted
  upstreams                 the servers that it asks, and how they do
  cache show NAME           what the cache has for a name
  cache flush NAME          forget a name; --below NAME: and all below it; --all: everything
  cache dump [FILE]         write the cache down
  cache load FILE           take in what was written down; - for the standard input; lines that
                            cannot be used are skipped and named
  explain NAME [TYPE]       have the server look a name up, and tell how the answer came about
  trace on [NAME]           follow live queries, of this name and below it, or all
  trace show | off          what was followed; follow no more
  zones [NAME]              the zones that it serves, those with something wrong first, at most
                            1,000; --broken: only those; --all: however many there are
  zone reload NAME          have a zone loaded from its master file, changed or not
  reload                    read the settings again, keeping cache and sockets, and zones whose
                            files have changed

The socket is the one that the server was given with --control. Without --socket it is what
TXDNS_CONTROL says, or it is looked for where servers have it by themselves: as
/run/txdns/control.sock where root runs them, else as txdns/control.sock in XDG_RUNTIME_DIR, in
/run/user/UID and in ~/.local/state.

  txdns control stats
  txdns control cache flush --below example.com
  txdns control upstreams +json | jq '.upstreams[] | select(.up | not)'

Exit codes: 0 done, 1 wrong usage or the server declines, 2 the zone could not be loaded,
8 a file cannot be read or written, 9 no server.
"""

_COMMANDS: Final = "status, stats, upstreams, cache show|flush|dump|load, explain, trace on|show|off, zones, zone reload, reload"

_FIRST: Final = ("status", "stats", "upstreams", "cache", "explain", "trace", "zones", "zone", "reload")


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns control}.

    @return: the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    return _Control(words).run()


class _Control:
    """
    One command, read and done.
    """

    def __init__(self, words: list[str]) -> None:
        self._json = False
        path = ""
        rest: list[str] = []
        remaining = iter(words)
        for word in remaining:
            if word == "--socket":
                path = next(remaining, "")
                if not path:
                    raise ExitError(USAGE, "--socket needs the path of a control socket")
            elif word.startswith("--socket="):
                path = word.partition("=")[2]
            elif word in ("+json", "--json"):
                self._json = True
            else:
                rest.append(word)
        self._path = path
        self._words = rest

    @cached_property
    def _channel(self) -> Channel:
        # A mistake in the command is reported before a server is looked for.
        return Channel(self._path)

    def run(self) -> int:
        """
        @return: the exit code.
        """
        words = self._words
        if not words:
            raise ExitError(USAGE, f"which command? there are {_COMMANDS}")
        first = words[0]
        if first == "cache":
            return self._cache(words[1:])
        if first == "explain":
            return self._explain(words[1:])
        if first == "trace":
            return self._trace(words[1:])
        if first in ("zones", "zone"):
            return self._zones(first, words[1:])
        if first == "help":
            print(HELP, end="")
            return OK
        if first not in ("status", "stats", "upstreams", "reload"):
            from difflib import get_close_matches

            close = get_close_matches(first, _FIRST, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {_COMMANDS}"
            raise ExitError(USAGE, f"no command is called {first!r}; {hint}")
        self._none(words[1:], first)
        if first == "reload":
            return self._show(self._channel.ask("POST", "reload"), lambda said: map(str, _list(said, "said")))
        said = self._channel.ask("GET", first)
        if first == "status":
            return self._show(said, statusLines)
        if first == "upstreams":
            return self._show(said, upstreamLines)
        return self._show(said, lambda value: statLines(Figures.fromJSON(value)))

    def _zones(self, first: str, words: list[str]) -> int:
        if first == "zone":
            if len(words) != 2 or words[0] != "reload":
                raise ExitError(USAGE, "write: txdns control zone reload NAME")
            said = self._channel.ask("POST", "zones/reload", {"name": words[1]})
            code = self._show(said, lambda value: map(str, _list(value, "said")))
            return DECLINED if said.get("failed") else code
        options = {word for word in words if word.startswith("--")}
        names = [word for word in words if not word.startswith("--")]
        if len(names) > 1 or options - {"--all", "--broken"} or (names and options):
            raise ExitError(USAGE, "write: txdns control zones [NAME], or: txdns control zones [--broken] [--all]")
        asked = {"broken": "1"} if "--broken" in options else {}
        if "--all" in options:
            return self._show(self._allZones(asked), zoneLines)
        said = self._channel.ask("GET", "zones/", {"name": names[0]} if names else asked)
        if names and not _list(said, "zones"):
            raise ExitError(USAGE, f"the server has no zone {names[0]}")
        return self._show(said, zoneLines)

    def _allZones(self, asked: dict[str, str]) -> dict[str, JSON]:
        """
        Ask for all zones, part by part. Each is there once, though some may come or go meanwhile.
        """
        zones: dict[str, JSON] = {}
        begin = 0
        while True:
            said = self._channel.ask("GET", "zones/", {**asked, "begin": str(begin)})
            part = _list(said, "zones")
            zones.update({str(zone["zone"]): zone for zone in part if isinstance(zone, dict)})
            begin += len(part)
            if not part or not said.get("more"):
                return {"zones": [*zones.values()], "count": len(zones), "more": 0}

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
        parameters: dict[str, str] = {}
        if words != ["--all"]:
            if words[:1] == ["--below"]:
                parameters["subtree"] = "1"
                words = words[1:]
            parameters["name"] = self._one(words, "cache flush NAME, cache flush --below NAME or cache flush --all")
            if parameters["name"].startswith("-"):
                raise ExitError(USAGE, f"{parameters['name']!r} is not an option; there are --below and --all")
        said = self._channel.ask("POST", "cache/flush", parameters)
        return self._show(said, lambda value: [f"{_counted(value.get('flushed'), 'answer')} forgotten"])

    def _dump(self, path: str) -> int:
        pieces = self._channel.pieces("cache/dump")
        if path == "-":
            _write(pieces, sys.stdout.buffer)
            sys.stdout.buffer.flush()
            return OK
        try:
            # For its owner only: names say where people go.
            with replacingFile(path, 0o600) as file:
                _write(pieces, file)
        except OSError as error:
            raise ExitError(BATCH, f"{path}: {error.strerror or error}") from error
        return OK

    def _load(self, path: str) -> int:
        if path == "-":
            said = self._channel.ask("POST", "cache/load", body=sys.stdin.buffer)
        else:
            try:
                file = open(path, "rb")
            except OSError as error:
                raise ExitError(BATCH, f"{path}: {error.strerror or error}") from error
            with file:
                said = self._channel.ask("POST", "cache/load", body=file)
        return self._show(said, _loadedLines)

    def _explain(self, words: list[str]) -> int:
        if not 1 <= len(words) <= 2:
            raise ExitError(USAGE, "write: txdns control explain NAME [TYPE]")
        parameters = {"name": words[0]} | ({"type": words[1]} if words[1:] else {})
        return self._show(self._channel.ask("GET", "explain", parameters), explanationLines)

    def _trace(self, words: list[str]) -> int:
        what, *rest = words or [""]
        if what == "show":
            self._none(rest, "trace show")
            return self._show(self._channel.ask("GET", "traces"), traceLines)
        if what == "off":
            self._none(rest, "trace off")
            return self._show(self._channel.ask("POST", "trace", {"on": "0"}), lambda _: ["following no more"])
        if what != "on" or len(rest) > 1:
            raise ExitError(USAGE, "write: txdns control trace on [NAME], trace show or trace off")
        parameters = {"name": rest[0]} if rest else {}
        said = self._channel.ask("POST", "trace", {"on": "1", **parameters})
        return self._show(said, lambda _: ["following; see what comes with: txdns control trace show"])

    def _one(self, words: list[str], usage: str) -> str:
        if len(words) != 1 or not words[0]:
            raise ExitError(USAGE, f"write: txdns control {usage}")
        return words[0]

    def _none(self, words: list[str], command: str) -> None:
        if words:
            raise ExitError(USAGE, f"{command} takes nothing more, not {words[0]!r}")

    def _show(self, said: dict[str, JSON], lines: Callable[[dict[str, JSON]], Iterable[str]]) -> int:
        if self._json:
            print(json.dumps(said))
            return OK
        try:
            shown = [printable(line) for line in lines(said)]
        except (ValueError, KeyError, TypeError) as error:
            text = f"the server's reply is not one that this txdns understands; +json shows it ({error})"
            raise ExitError(NO_REPLY, text) from error
        print("\n".join(shown))
        return OK


def _loadedLines(said: dict[str, JSON]) -> Iterator[str]:
    taken = f"{_counted(said.get('loaded'), 'answer')} taken in"
    skipped = said.get("skipped", 0)
    if not skipped:
        yield taken
        return
    yield f"{taken}, {_counted(skipped, 'line')} skipped:"
    reasons = _list(said, "said")
    for reason in reasons:
        yield f"  {reason}"
    if isinstance(skipped, int) and skipped > len(reasons):
        yield f"  and {skipped - len(reasons)} more"


def _write(pieces: Iterable[bytes], file: IO[bytes]) -> None:
    for piece in pieces:
        file.write(piece)


def _list(said: dict[str, JSON], key: str) -> list[JSON]:
    found = said[key]
    if not isinstance(found, list):
        raise TypeError(key)
    return found


def _counted(count: JSON, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
