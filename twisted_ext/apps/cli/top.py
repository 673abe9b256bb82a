"""
C{txdns top}: a running server, watched live.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Final

from twisted_ext.apps.cli.coloring import isTerminal
from twisted_ext.apps.cli.controlling import Channel
from twisted_ext.apps.cli.exits import NO_REPLY, OK, USAGE, Ending
from twisted_ext.apps.cli.viewing import PlainView, Rates, View

__all__ = ["main"]

HELP: Final = """\
Usage: txdns top [--socket PATH] [--every SECONDS] [--count N]

Shows queries a second, what was at hand and what had to be waited for, which names are
asked for most and which take longest, and how the servers that are asked do. Ctrl-C ends it.

Written to a file or a pipe, or without rich, it is plain text, one picture after another.

  txdns top
  txdns top --every 60 >>watched.txt

Exit codes: 0 ended, 1 wrong usage, 9 no server.
"""

_LEAST: Final = 0.1


def main(words: list[str]) -> int:
    """
    @param words: those behind C{txdns top}.

    @return: the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    path, every, count = "", 1.0, 0
    remaining = iter(words)
    for word in remaining:
        option, given, value = word.partition("=")
        if option not in ("--socket", "--every", "--count"):
            raise Ending(USAGE, f"{word!r} is no option; there are --socket PATH, --every SECONDS and --count N")
        if not given:
            value = next(remaining, "")
        if option == "--socket":
            path = value
        elif option == "--every":
            every = _number(option, value, _LEAST)
        else:
            count = int(_number(option, value, 1))
    channel = Channel(path)
    try:
        _watch(channel, every, count)
    except KeyboardInterrupt:
        # That is how one leaves.
        return OK
    return OK


def _number(option: str, value: str, least: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not least <= number <= 1e9:
        raise Ending(USAGE, f"{option} takes a number, {least:g} or more, not {value!r}")
    return number


def _watch(channel: Channel, every: float, count: int) -> None:
    rates = Rates()
    view: View | None = None
    shown = 0
    try:
        while True:
            status, stats = channel.ask("GET", "status"), channel.ask("GET", "stats")
            try:
                perSecond = status.get("perSecond")
                rates.note(stats, time.monotonic(), perSecond if isinstance(perSecond, int | float) else 0.0)
            except ValueError as error:
                raise Ending(NO_REPLY, f"{channel.path}: the server is of another version: {error}") from error
            # Only now, so that where no server is the terminal stays as it is.
            view = view or _viewFor(isTerminal(sys.stdout))
            view.draw(status, rates)
            shown += 1
            if count and shown >= count:
                return
            time.sleep(every)
    finally:
        if view is not None:
            view.close()


def _viewFor(terminal: bool) -> View:
    if terminal:
        with suppress(ImportError):
            from twisted_ext.apps.cli.richview import RichView

            return RichView()
    return PlainView()
