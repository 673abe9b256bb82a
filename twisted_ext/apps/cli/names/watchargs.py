"""
Parses the arguments of C{txdns watch}. It sends nothing.
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
    The parsed arguments.

    @ivar targets: the server or description of each C{@} argument.
    @ivar sought: the records to wait for.
    @ivar waits: whether there is a condition to wait for.
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
        Return whether a state meets the condition to wait for.
        """
        if not self.waits or state.outcome is None:
            return False
        if self.untilNone:
            return not state.texts
        return bool(state.texts) and all(each.isIn(state) for each in self.sought)


def parseWatch(words: list[str]) -> WatchWishes:
    """
    Parse the arguments.

    @raise ExitError: an argument is not valid.
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
    # The spelling of other commands.
    wishes = parser.parse_intermixed_args(["--json" if word == "+json" else word for word in words], WatchWishes())
    wishes.targets = []
    for word in wishes.positional:
        if word.startswith("@"):
            _addTarget(wishes, word)
        elif word.startswith("+"):
            raise ExitError(USAGE, f"{word} is not an option; see txdns watch --help")
        elif wishes.name and not wishes.rrType and typeNumber(word) is not None:
            wishes.rrType = typeNumber(word) or 0
            if not wishes.rrType or isMeta(wishes.rrType):
                raise ExitError(USAGE, f"{word} is not a type of records; write one such as A or TXT")
        elif not wishes.name:
            wishes.name = word
        else:
            raise ExitError(USAGE, f"{word!r} is not a record type; write A, AAAA, MX..., or @ before a server or resolver description")
    if not wishes.name:
        raise ExitError(USAGE, "a name is missing; write: txdns watch NAME [TYPE] [@SERVER]")
    _check(wishes)
    return wishes


def _addTarget(wishes: WatchWishes, word: str) -> None:
    if len(word) == 1:
        raise ExitError(USAGE, "@ must be followed by a server, such as 192.0.2.1, or a resolver description")
    if word[1:] in wishes.targets:
        raise ExitError(USAGE, f"{word} is given twice")
    if len(wishes.targets) >= ZONE_SERVERS.default:
        raise ExitError(USAGE, f"at most {ZONE_SERVERS.default:g} servers; this is one more: {word}")
    wishes.targets.append(word[1:])


def _check(wishes: WatchWishes) -> None:
    wishes.rrType = wishes.rrType or A
    if wishes.every and wishes.interval is None:
        # Authoritative servers return changes at once, so do not wait for the TTL.
        wishes.interval = WATCH_SECONDS.default
    if bool(wishes.until) + wishes.untilAny + wishes.untilNone > 1:
        raise ExitError(USAGE, "--until, --until-any and --until-none exclude each other; write one of them")
    if wishes.every and len(wishes.targets) > 1:
        raise ExitError(USAGE, "--every-server finds the servers itself, with the help of one; write one @SERVER or none")
    try:
        nameFromText(wishes.name)
    except CallerFault as fault:
        raise ExitError(USAGE, str(fault)) from fault
    try:
        wishes.sought = [Sought(wishes.rrType, each) for each in wishes.until]
    except CallerFault as fault:
        raise ExitError(USAGE, f"--until: {fault}") from fault


class _seconds:
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
