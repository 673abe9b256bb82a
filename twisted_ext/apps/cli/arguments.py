"""
The words of C{txdns query}, which are those of C{dig}: read into wishes, or refused with one line. Nothing is asked or opened here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from twisted_ext.apps.cli.exits import USAGE, Ending
from twisted_ext.apps.cli.upstream import soleTarget
from twisted_ext.errors import CallerFault
from twisted_ext.limits import LOOKUP_SECONDS, QUERY_TRIES
from twisted_ext.ranges import reverseNameOf
from twisted_ext.wire.codes import IN, classNumber
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.optiontext import optionCode, optionFromText
from twisted_ext.wire.rrtypes import NS, PTR, A, typeNumber

__all__ = ["Wishes", "parseQuery"]


class Wishes:
    """
    What one look-up is to be and how it is to be shown.

    @ivar name: in wire form.
    @ivar relative: it was written without a final dot.
    @ivar target: what stood behind C{@}, or C{""} for the system's servers.
    @ivar port: C{None} for that of the target.
    @ivar family: 4 or 6, or 0 for both.
    @ivar batch: the file to read more look-ups from, C{"-"} for the standard input, or C{""}.
    @ivar tries: how often to ask each server by UDP.
    @ivar seconds: how long to wait for the reply each time.
    @ivar options: EDNS options to send.
    @ivar flags: the C{+} words that are either on or off, by their full names.
    """

    __slots__ = (
        "name",
        "rrType",
        "rrClass",
        "relative",
        "target",
        "port",
        "family",
        "batch",
        "tries",
        "seconds",
        "options",
        "flags",
        "words",
    )

    def __init__(self) -> None:
        self.name = ROOT
        self.rrType = A
        self.rrClass = IN
        self.relative = False
        self.target = ""
        self.port: int | None = None
        self.family = 0
        self.batch = ""
        self.tries = 3
        self.seconds = 5.0
        self.options: list[tuple[int, bytes]] = []
        self.flags = dict(_FLAGS)
        self.words: list[str] = []


#: Words after C{+} that C{no} before them turns off, and what they are at first.
_FLAGS: Final[dict[str, bool | None]] = {
    # How to ask.
    "tcp": False,
    "dnssec": False,
    "edns": True,
    "recurse": True,
    "cdflag": False,
    "adflag": False,
    "search": False,
    # What to show.
    "short": False,
    "json": False,
    "cmd": True,
    "comments": True,
    "question": True,
    "answer": True,
    "authority": True,
    "additional": True,
    "stats": True,
    "ttlid": True,
    "class": True,
    "identify": False,
    # None: as the terminal is.
    "idnout": None,
    "color": None,
}

#: Other spellings that C{dig} knows.
_ALIASES: Final = {
    "vc": "tcp",
    "do": "dnssec",
    "rdflag": "recurse",
    "rec": "recurse",
    "cd": "cdflag",
    "ad": "adflag",
    "cl": "class",
    "colour": "color",
    "retries": "retry",
    "timeout": "time",
}

#: Parts of the text, which C{+all} and C{+noall} turn on and off together.
_PARTS: Final = ("cmd", "comments", "question", "answer", "authority", "additional", "stats")

#: Words that stand for EDNS options, with C{=value} behind some of them.
_EDNS: Final = ("nsid", "subnet", "cookie", "expire", "keepalive", "padding", "chain", "zoneversion")

#: Words with a number behind them.
_NUMBERS: Final = ("time", "tries", "retry")

_VALUES: Final = (*_NUMBERS, *_EDNS, "ednsopt")


def parseQuery(words: Sequence[str]) -> Wishes:
    """
    @raise Ending: a word cannot be used; the line says which, and what would be right.
    """
    reading = _Reading(words)
    wishes = reading.read()
    wishes.words = list(words)
    return wishes


class _Reading:
    def __init__(self, words: Sequence[str]) -> None:
        self.words = list(words)
        self.wishes = Wishes()
        self.name: str | None = None
        self.rrType: int | None = None
        self.rrClass: int | None = None
        self.reverse = False

    def read(self) -> Wishes:
        wishes = self.wishes
        while self.words:
            word = self.words.pop(0)
            if word.startswith("@"):
                if word == "@" and self.words:
                    word += self.words.pop(0)
                wishes.target = soleTarget(word, wishes.target)
            elif word.startswith("+") and len(word) > 1:
                self._plus(word[1:])
            elif word.startswith("-") and len(word) > 1:
                self._dash(word)
            else:
                self._bare(word)
        self._finish()
        return wishes

    def _finish(self) -> None:
        wishes = self.wishes
        if self.name is not None:
            if not self.reverse:
                try:
                    wishes.name = nameFromText(self.name)
                except CallerFault as fault:
                    raise Ending(USAGE, str(fault)) from fault
                wishes.relative = not self.name.endswith(".")
        if self.rrType is not None:
            wishes.rrType = self.rrType
        elif self.reverse:
            wishes.rrType = PTR
        elif self.name is None:
            wishes.rrType = NS
        if self.rrClass is not None:
            wishes.rrClass = self.rrClass

    def _value(self, word: str, what: str) -> str:
        if not self.words:
            raise Ending(USAGE, f"{word} needs {what} behind it")
        return self.words.pop(0)

    def _bare(self, word: str) -> None:
        # As dig does: a word that names a type or a class is one; -q NAME is for names that look so.
        number = typeNumber(word)
        if number is not None and self.rrType is None:
            self.rrType = number
            return
        number = classNumber(word)
        if number is not None and self.rrClass is None:
            self.rrClass = number
            return
        if self.name is not None:
            raise Ending(USAGE, self._second(word))
        self.name = word

    def _second(self, word: str) -> str:
        if "." not in word and len(word) <= 10:
            if self.rrType is not None:
                if self.rrClass is not None:
                    return f"{word!r} is too much: name, type and class are given already"
                return f"{word!r} is no class; write IN, CH, HS, ANY or CLASS65280"
            return f"{word!r} is no record type; write A, AAAA, MX, TXT... or TYPE65280 ({_closest(word.upper(), _commonTypes())})"
        return f"two names, {self.name!r} and {word!r}; write one, or a file of them with -f FILE or txdns bulk FILE"

    def _dash(self, word: str) -> None:
        wishes = self.wishes
        if word in ("-4", "-6"):
            wishes.family = int(word[1])
            return
        if word in ("--json", "--short"):
            # As other commands take it.
            self._plus(word[2:])
            return
        letter, joined = word[:2], word[2:]
        if letter not in _DASHES:
            raise Ending(USAGE, f"{word!r} is no option; there are {', '.join(_DASHES)}, -4 and -6, and txdns query --help says more")
        value = joined or self._value(letter, _DASHES[letter])
        if letter == "-x":
            self._address(value)
        elif letter == "-p":
            wishes.port = _whole(value, f"-p {value}", 1, 65535)
        elif letter == "-q":
            self.name = value
        elif letter == "-f":
            wishes.batch = value
        elif letter == "-t":
            self.rrType = typeNumber(value)
            if self.rrType is None:
                hint = _closest(value.upper(), _commonTypes())
                raise Ending(USAGE, f"-t {value}: no record type is called that; write A, AAAA, MX, TXT... or TYPE65280 ({hint})")
        else:
            self.rrClass = classNumber(value)
            if self.rrClass is None:
                raise Ending(USAGE, f"-c {value}: no class is called that; write IN, CH, HS, ANY or CLASS65280")

    def _address(self, text: str) -> None:
        from ipaddress import ip_address

        try:
            self.wishes.name = reverseNameOf(ip_address(text.partition("%")[0]).packed)
        except ValueError:
            raise Ending(USAGE, f"-x {text!r}: this is no address; write 192.0.2.1 or 2001:db8::1") from None
        self.name = text
        self.reverse = True

    def _plus(self, text: str) -> None:
        word, equals, value = text.partition("=")
        asked = word.lower()
        on = not asked.startswith("no") or asked in _FLAGS
        full = _full(asked if on else asked[2:], text)
        wishes = self.wishes
        if full == "all":
            for part in _PARTS:
                wishes.flags[part] = on
        elif full in _FLAGS:
            if full == "edns" and value not in ("", "0"):
                raise Ending(USAGE, f"+{text}: only version 0 of EDNS is defined; write +edns or +noedns")
            if equals and full != "edns":
                raise Ending(USAGE, f"+{text}: +{full} takes no value; write +{full} or +no{full}")
            wishes.flags[full] = on
        elif full in _NUMBERS:
            self._number(full, value, text)
        elif not on:
            wishes.options = [] if full == "ednsopt" else [option for option in wishes.options if option[0] != optionCode(full)]
        else:
            self._option(full, value, text)

    def _number(self, word: str, value: str, text: str) -> None:
        wishes = self.wishes
        if word == "time":
            try:
                seconds = float(value)
            except ValueError:
                seconds = -1.0
            if not LOOKUP_SECONDS.least <= seconds <= LOOKUP_SECONDS.most:
                least, most = LOOKUP_SECONDS.least, LOOKUP_SECONDS.most
                raise Ending(USAGE, f"+{text}: write seconds, from {least:g} to {most:g}, such as +time=2")
            wishes.seconds = seconds
        else:
            more = int(word == "retry")
            wishes.tries = more + _whole(value, f"+{text}", 1 - more, int(QUERY_TRIES.most) - more)

    def _option(self, word: str, value: str, text: str) -> None:
        if word == "cookie" and not value:
            from secrets import token_hex

            value = token_hex(8)
        try:
            option = optionFromText(value if word == "ednsopt" else f"{word}={value}" if value else word)
        except CallerFault as fault:
            raise Ending(USAGE, f"+{text}: {fault}") from fault
        self.wishes.options.append(option.toWire())


_DASHES: Final = {
    "-x": "an address, such as 192.0.2.1",
    "-p": "a port",
    "-t": "a record type, such as MX",
    "-c": "a class, such as IN or CH",
    "-q": "a name",
    "-f": "a file of look-ups, or - for the standard input",
}


def _full(word: str, text: str) -> str:
    """
    @return: the option's full name, from another name of it or from the beginning of its own.
    """
    known = [*_FLAGS, *_VALUES, "all"]
    if word in known:
        return word
    if word in _ALIASES:
        return _ALIASES[word]
    beginning = [each for each in known if len(word) > 1 and each.startswith(word)]
    if len(beginning) == 1:
        return beginning[0]
    if beginning:
        raise Ending(USAGE, f"+{text} may mean {' or '.join(['+' + each for each in beginning])}; write it in full")
    raise Ending(USAGE, f"+{text} is no option ({_closest(word, known, '+')})")


def _closest(word: str, known: Sequence[str], mark: str = "") -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1, 0.6)
    return f"did you mean {mark}{close[0]}?" if close else "txdns query --help says more"


def _commonTypes() -> list[str]:
    from twisted_ext.wire import rrtypes

    return list(rrtypes.TYPE_NAMES.values())


def _whole(value: str, text: str, least: int, most: int) -> int:
    if value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most:
        return int(value)
    raise Ending(USAGE, f"{text}: write a number from {least} to {most}")
