"""
Parses the arguments of C{txdns watch}, or rejects them with a one-line error. It sends nothing.
"""

from __future__ import annotations

import argparse
from typing import NoReturn

from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.errors import CallerFault
from twisted_ext.watch.limits import WATCH_SECONDS, ZONE_SERVERS
from twisted_ext.watch.states import Sought, State
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A, isMeta, typeNumber

__all__ = ["WatchWishes", "parseWatch"]

#: The longest accepted timeout, in seconds.
_LONGEST = 1_000_000_000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ExitError(USAGE, f"{message}; txdns watch --help shows examples")


class WatchWishes(argparse.Namespace):
    """
    What is to be watched, and until when.

    @ivar targets: what stood behind each C{@}.
    @ivar sought: the records that have to be there.
    @ivar waits: whether there is anything to wait for.
    """

    positional: list[str]
    until: list[str]
    untilAny: bool
    untilNone: bool
    timeout: float | None
    interval: float | None
    every: bool
    json: bool
    name: str = ""
    rrType: int = 0
    targets: list[str]
    sought: list[Sought]

    @property
    def waits(self) -> bool:
        return bool(self.until) or self.untilAny or self.untilNone

    def isDone(self, state: State) -> bool:
        """
        @return: whether this is what was waited for.
        """
        if not self.waits or state.outcome is None:
            return False
        if self.untilNone:
            return not state.texts
        return bool(state.texts) and all(each.isIn(state) for each in self.sought)


def parseWatch(words: list[str]) -> WatchWishes:
    """
    @raise ExitError: a word cannot be used.
    """
    parser = _Parser(prog="txdns watch", add_help=False, allow_abbrev=False)
    parser.add_argument("positional", nargs="*", metavar="WORD")
    parser.add_argument("--until", action="append", default=[], metavar="VALUE")
    parser.add_argument("--until-any", action="store_true", dest="untilAny")
    parser.add_argument("--until-none", action="store_true", dest="untilNone")
    parser.add_argument("--timeout", type=_seconds(0.001, _LONGEST), metavar="SECONDS")
    parser.add_argument("--interval", type=_seconds(WATCH_SECONDS.least, WATCH_SECONDS.most), metavar="SECONDS")
    parser.add_argument("--every-server", action="store_true", dest="every")
    parser.add_argument("--json", action="store_true")
    # As other commands write it.
    wishes = parser.parse_intermixed_args(["--json" if word == "+json" else word for word in words], WatchWishes())
    wishes.targets = []
    for word in wishes.positional:
        if word.startswith("@"):
            _addTarget(wishes, word)
        elif word.startswith("+"):
            raise ExitError(USAGE, f"{word} is not an option; txdns watch --help shows those there are")
        elif wishes.name and not wishes.rrType and typeNumber(word) is not None:
            wishes.rrType = typeNumber(word) or 0
            if not wishes.rrType or isMeta(wishes.rrType):
                raise ExitError(USAGE, f"{word} is not a type that names have records of; write one such as A or TXT")
        elif not wishes.name:
            wishes.name = word
        else:
            raise ExitError(USAGE, f"{word!r} is not a record type; write A, AAAA, MX..., or @ before whom to ask")
    if not wishes.name:
        raise ExitError(USAGE, "no name; write: txdns watch NAME [TYPE] [@SERVER]")
    _check(wishes)
    return wishes


def _addTarget(wishes: WatchWishes, word: str) -> None:
    if len(word) == 1:
        raise ExitError(USAGE, "@ needs a server, such as 192.0.2.1, or a resolver description behind it")
    if word[1:] in wishes.targets:
        raise ExitError(USAGE, f"{word} stands there twice")
    if len(wishes.targets) >= ZONE_SERVERS.default:
        raise ExitError(USAGE, f"{ZONE_SERVERS.default:g} servers at most; this is one more: {word}")
    wishes.targets.append(word[1:])


def _check(wishes: WatchWishes) -> None:
    wishes.rrType = wishes.rrType or A
    if wishes.every and wishes.interval is None:
        # Servers that have the zone know at once, whatever the TTL is.
        wishes.interval = WATCH_SECONDS.default
    if bool(wishes.until) + wishes.untilAny + wishes.untilNone > 1:
        raise ExitError(USAGE, "--until, --until-any and --until-none wait for different things; write one of them")
    if wishes.every and len(wishes.targets) > 1:
        raise ExitError(USAGE, "--every-server finds the servers itself, by way of one; write one @SERVER or none")
    try:
        nameFromText(wishes.name)
    except CallerFault as fault:
        raise ExitError(USAGE, str(fault)) from fault
    try:
        wishes.sought = [Sought(wishes.rrType, each) for each in wishes.until]
    except CallerFault as fault:
        raise ExitError(USAGE, f"--until: {fault}") from fault


class _seconds:
    """
    Reads a number of seconds.
    """

    def __init__(self, least: float, most: float) -> None:
        self._least = least
        self._most = most

    def __call__(self, text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not self._least <= number <= self._most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from {self._least:g} to {self._most:.0f}")
        return number
