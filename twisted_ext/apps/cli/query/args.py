"""
Parses the arguments of C{txdns query}, which are those of C{dig}. It opens no files and sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from twisted_ext.addressranges import reverseNameOf
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.apps.cli.terminal.upstream import soleTarget
from twisted_ext.errors import CallerFault
from twisted_ext.limits import LOOKUP_SECONDS, NDOTS, QUERY_TRIES
from twisted_ext.wire.codes import IN, Opcode, classNumber
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.optiontext import optionCode, optionFromText
from twisted_ext.wire.rrtypes import IXFR, NS, PTR, A, typeNumber

if TYPE_CHECKING:
    from twisted_ext.wire.tsig import Key

__all__ = ["PLUS_WORDS", "QueryOptions", "parseQueries", "parseQuery"]


class QueryOptions:
    """
    The arguments of one look-up.

    @ivar name: in wire form.
    @ivar relative: whether the name was given without a final dot.
    @ivar target: the server after C{@}, or C{""} for the system's servers.
    @ivar port: C{None} for the port in C{target}, else 53.
    @ivar family: 4 or 6, or 0 for both.
    @ivar batch: the file to read more look-ups from, C{"-"} for the standard input, or C{""}.
    @ivar tries: how often to query each server over UDP.
    @ivar seconds: how long to wait for each reply.
    @ivar options: EDNS options to send.
    @ivar flags: the C{+} options that are on or off, by their full names.
    @ivar words: all arguments of the command.
    @ivar serial: the serial of the version that the user has, for IXFR.
    @ivar local: the source address, or L{None}.
    @ivar localPort: the source port, 0 for any.
    @ivar key: signs the query, or L{None}.
    @ivar keyFile: the file of that key, or C{""}.
    @ivar opcode: the query's opcode.
    @ivar queryId: the query's id, or L{None} for a random one.
    @ivar ednsVersion: the version in the OPT record.
    @ivar ednsFlags: the flags in the OPT record, without DO.
    @ivar payloadSize: the payload size in the OPT record, or L{None} for the default.
    @ivar domain: the only domain to search, in wire form, or L{None} for the system's list.
    @ivar ndots: the number of dots from which a name is tried as it is first, or L{None} for the system's value.
    @ivar first: whether this is the first look-up, whose output begins with the arguments of the command.
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
        "serial",
        "local",
        "localPort",
        "key",
        "keyFile",
        "opcode",
        "queryId",
        "ednsVersion",
        "ednsFlags",
        "payloadSize",
        "domain",
        "ndots",
        "first",
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
        self.serial: int | None = None
        self.local: str | None = None
        self.localPort = 0
        self.key: Key | None = None
        self.keyFile = ""
        self.opcode = int(Opcode.QUERY)
        self.queryId: int | None = None
        self.ednsVersion = 0
        self.ednsFlags = 0
        self.payloadSize: int | None = None
        self.domain: bytes | None = None
        self.ndots: int | None = None
        self.first = True

    def copy(self) -> QueryOptions:
        """
        Return an independent copy.
        """
        other = QueryOptions()
        for slot in self.__slots__:
            setattr(other, slot, getattr(self, slot))
        other.flags = dict(self.flags)
        other.options = list(self.options)
        return other

    @property
    def needsServer(self) -> str:
        """
        Return the first argument that requires L{DirectSource<twisted_ext.apps.cli.query.direct.DirectSource>}, which sends queries
        straight to a server; C{""} if there is none.
        """
        for word in _DIRECT_FLAGS:
            if self.flags[word]:
                return f"+{word}"
        for word, value, usual in (
            ("-b", self.local, None),
            ("-y", self.key, None),
            ("-k", self.keyFile, ""),
            ("+opcode", self.opcode, Opcode.QUERY),
            ("+qid", self.queryId, None),
            ("+edns", self.ednsVersion, 0),
            ("+ednsflags", self.ednsFlags, 0),
            ("+bufsize", self.payloadSize, None),
        ):
            if value != usual:
                return word
        return ""


#: The C{+} options that a prefixed C{no} turns off, with their defaults.
_FLAGS: Final[dict[str, bool | None]] = {
    # The query.
    "tcp": False,
    "dnssec": False,
    "edns": True,
    "recurse": True,
    "cdflag": False,
    "adflag": False,
    "search": False,
    "aaflag": False,
    "tcflag": False,
    "raflag": False,
    "zflag": False,
    "header-only": False,
    "ignore": False,
    "badcookie": True,
    "trace": False,
    "nssearch": False,
    # The output.
    "qr": False,
    "yaml": False,
    "multiline": False,
    "ttlunits": False,
    "crypto": True,
    "unknownformat": False,
    "onesoa": False,
    # None: as +multiline.
    "rrcomments": None,
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
    # None: by the capabilities of the terminal.
    "idnout": None,
    "color": None,
}

#: Flags that L{QueryContext<twisted_ext.answers.QueryContext>} cannot express.
_DIRECT_FLAGS: Final = ("aaflag", "tcflag", "raflag", "zflag", "header-only", "ignore", "qr", "trace", "nssearch")

#: Options of C{dig} that have no effect here: their behavior is always on, or not supported.
_WITHOUT_EFFECT: Final = ("besteffort", "keepopen", "mapped")

#: Other names of options, as in C{dig}.
_ALIASES: Final = {
    "aaonly": "aaflag",
    "ttl": "ttlid",
    "opt": "ednsopt",
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

#: Parts of the output, which C{+all} and C{+noall} turn on and off together.
_PARTS: Final = ("cmd", "comments", "question", "answer", "authority", "additional", "stats")

#: Options that send an EDNS option; some of them take C{=value}.
_EDNS: Final = ("nsid", "subnet", "cookie", "expire", "keepalive", "padding", "chain", "zoneversion")

#: Options that take a number.
_NUMBERS: Final = ("time", "tries", "retry")

#: Options that take a value, which a prefixed C{no} resets.
_SETTINGS: Final = ("bufsize", "domain", "ednsflags", "ndots", "opcode", "qid")

_VALUES: Final = (*_NUMBERS, *_SETTINGS, *_EDNS, "ednsopt")

#: The full names of all C{+} options.
PLUS_WORDS: Final = (*_FLAGS, *_VALUES, *_WITHOUT_EFFECT, "all")

#: The maximum length of a word after a look-up that is taken for a mistyped type or class, not for another name.
_MNEMONIC: Final = 10


def parseQuery(words: Sequence[str]) -> QueryOptions:
    """
    Return the first look-up of L{parseQueries}.

    @raise ExitError: as L{parseQueries} does.
    """
    return parseQueries(words)[0]


def parseQueries(words: Sequence[str], usual: Sequence[str] = ()) -> list[QueryOptions]:
    """
    Parse the arguments of one or several look-ups. Options before the first name apply to all of them, options after a name to that one.

    @param usual: options to apply first, such as those of C{.digrc}.

    @return: at least one look-up.

    @raise ExitError: an argument is not valid; the message names it and what would be right.
    """
    common = _Reading(usual).readCommon() if usual else QueryOptions()
    every = _Reading(words, common).read()
    for number, wishes in enumerate(every):
        wishes.words = list(words)
        wishes.first = not number
    return every


class _Reading:
    def __init__(self, words: Sequence[str], common: QueryOptions | None = None) -> None:
        self.words = list(words)
        self.wishes = common or QueryOptions()
        self.finished: list[QueryOptions] = []
        #: The options, type and class before the first name. L{None} until there is a name.
        self.common: tuple[QueryOptions, int | None, int | None] | None = None
        self.target = ""
        self.name: str | None = None
        self.rrType: int | None = None
        self.rrClass: int | None = None
        self.reverse = False

    def readCommon(self) -> QueryOptions:
        self._readWords()
        if self.name is not None:
            raise ExitError(USAGE, f"{self.name!r} is not an option")
        return self.wishes

    def read(self) -> list[QueryOptions]:
        self._readWords()
        self._finish()
        return self.finished

    def _readWords(self) -> None:
        while self.words:
            word = self.words.pop(0)
            if word.startswith("@"):
                if word == "@" and self.words:
                    word += self.words.pop(0)
                self.wishes.target = self.target = soleTarget(word, self.target)
            elif word.startswith("+") and len(word) > 1:
                self._plus(word[1:])
            elif word.startswith("-") and len(word) > 1:
                self._dash(word)
            else:
                self._bare(word)

    def _begin(self, name: str, *, reverse: bytes = b"") -> None:
        """
        Begin a look-up with the options before the first name.

        @param reverse: the wire form of a name that was given as an address.
        """
        if self.common is None:
            self.common = (self.wishes, self.rrType, self.rrClass)
        else:
            self._finish()
        self.target = ""
        before, self.rrType, self.rrClass = self.common
        self.wishes = before.copy()
        self.name = name
        self.reverse = bool(reverse)
        if reverse:
            self.wishes.name = reverse

    def _finish(self) -> None:
        wishes = self.wishes
        if self.name is not None:
            if not self.reverse:
                try:
                    wishes.name = nameFromText(self.name)
                except CallerFault as fault:
                    raise ExitError(USAGE, str(fault)) from fault
                wishes.relative = not self.name.endswith(".")
        if self.rrType is not None:
            wishes.rrType = self.rrType
        elif self.reverse:
            wishes.rrType = PTR
        elif self.name is None:
            wishes.rrType = NS
        if self.rrClass is not None:
            wishes.rrClass = self.rrClass
        if wishes.domain is not None or wishes.ndots is not None:
            wishes.flags["search"] = True
        self.finished.append(wishes)

    def _value(self, word: str, what: str) -> str:
        if not self.words:
            raise ExitError(USAGE, f"{word} must be followed by {what}")
        return self.words.pop(0)

    def _bare(self, word: str) -> None:
        # As in dig, a mnemonic of a type or class is not a name; for such names there is -q NAME.
        ours = self.common is None or (self.rrType, self.rrClass) == self.common[1:]
        number = self._typeNumber(word)
        if number is not None and (self.rrType is None or ours):
            self.rrType = number
            return
        number = classNumber(word)
        if number is not None and (self.rrClass is None or ours):
            self.rrClass = number
            return
        if self.name is not None and "." not in word and len(word) <= _MNEMONIC:
            raise ExitError(USAGE, f"{self._second(word)}; a name without a dot is written {word}.")
        self._begin(word)

    def _typeNumber(self, word: str) -> int | None:
        """
        Return the number of a type. C{ixfr=N} also sets the serial.
        """
        mnemonic, equals, serial = word.partition("=")
        if not equals or mnemonic.lower() != "ixfr":
            return typeNumber(word)
        self.wishes.serial = _whole(serial, word, 0, 0xFFFFFFFF)
        return IXFR

    def _second(self, word: str) -> str:
        if self.rrType is not None:
            if self.rrClass is not None:
                return f"unexpected argument {word!r}: name, type and class are given already"
            return f"{word!r} is not a class; write IN, CH, HS, ANY or CLASS65280"
        hint = _closest(word.upper(), _commonTypes())
        return f"{word!r} is not a record type; write A, AAAA, MX, TXT... or TYPE65280 ({hint})"

    def _dash(self, word: str) -> None:
        wishes = self.wishes
        if word in ("-4", "-6"):
            wishes.family = int(word[1])
            return
        if word in ("--json", "--short"):
            # The spelling of other commands.
            self._plus(word[2:])
            return
        if word in ("-m", "-r", "-u"):
            # -m is for debugging dig; -r has been handled; -u has no effect, as JSON has fractions of milliseconds.
            return
        letter, joined = word[:2], word[2:]
        if letter not in _DASHES:
            raise ExitError(USAGE, f"{word!r} is not an option; the options are {', '.join(_DASHES)}, -4 and -6; see txdns query --help")
        value = joined or self._value(letter, _DASHES[letter])
        if letter == "-x":
            self._address(value)
        elif letter == "-p":
            wishes.port = _whole(value, f"-p {value}", 1, 65535)
        elif letter == "-q":
            self._begin(value)
        elif letter == "-b":
            self._local(value)
        elif letter == "-k":
            wishes.keyFile, wishes.key = value, None
        elif letter == "-y":
            self._key(value)
        elif letter == "-f":
            wishes.batch = value
        elif letter == "-t":
            self.rrType = self._typeNumber(value)
            if self.rrType is None:
                hint = _closest(value.upper(), _commonTypes())
                raise ExitError(USAGE, f"-t {value}: there is no such record type; write A, AAAA, MX, TXT... or TYPE65280 ({hint})")
        else:
            self.rrClass = classNumber(value)
            if self.rrClass is None:
                raise ExitError(USAGE, f"-c {value}: there is no such class; write IN, CH, HS, ANY or CLASS65280")

    def _address(self, text: str) -> None:
        name = _reverseName(text)
        if name is None:
            raise ExitError(USAGE, f"-x {text!r} is not an IP address; write 192.0.2.1 or 2001:db8::1, or the first octets of one: 192.0.2")
        self._begin(text, reverse=name)

    def _local(self, text: str) -> None:
        from twisted_ext.transport.servers import Server

        address, mark, port = text.partition("#")
        number = _whole(port, f"-b {text}: the port", 1, 65535) if mark else 0
        try:
            self.wishes.local = Server(address).address
        except CallerFault as fault:
            raise ExitError(USAGE, f"-b {text}: {fault}; write ADDRESS or ADDRESS#PORT") from fault
        self.wishes.localPort = number

    def _key(self, text: str) -> None:
        from twisted_ext.wire.tsig import Key

        try:
            self.wishes.key, self.wishes.keyFile = Key.fromText(text), ""
        except CallerFault as fault:
            raise ExitError(USAGE, f"-y: {fault}") from fault

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
            if full == "edns":
                wishes.ednsVersion = _whole(value, f"+{text}", 0, 255) if value else 0
            elif equals:
                raise ExitError(USAGE, f"+{text}: +{full} takes no value; write +{full} or +no{full}")
            wishes.flags[full] = on
        elif full in _WITHOUT_EFFECT:
            return
        elif full in _NUMBERS:
            self._number(full, value, text)
        elif full in _SETTINGS:
            self._setting(full, value if on else None, text)
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
                raise ExitError(USAGE, f"+{text}: write seconds, from {least:g} to {most:g}, such as +time=2")
            wishes.seconds = seconds
        else:
            more = int(word == "retry")
            wishes.tries = more + _whole(value, f"+{text}", 1 - more, int(QUERY_TRIES.most) - more)

    def _setting(self, word: str, value: str | None, text: str) -> None:
        """
        Set or reset an option that takes a value.

        @param value: L{None} to reset it.
        """
        wishes = self.wishes
        if word == "bufsize":
            wishes.payloadSize = None if value is None else _whole(value, f"+{text}", 0, 65535)
        elif word == "ednsflags":
            wishes.ednsFlags = 0 if value is None else _bits(value, f"+{text}")
        elif word == "ndots":
            wishes.ndots = None if value is None else _whole(value, f"+{text}", int(NDOTS.least), int(NDOTS.most))
        elif word == "qid":
            wishes.queryId = None if value is None else _whole(value, f"+{text}", 0, 65535)
        elif word == "opcode":
            wishes.opcode = int(Opcode.QUERY) if value is None else _opcode(value, f"+{text}")
        else:
            try:
                wishes.domain = None if value is None else nameFromText(value)
            except CallerFault as fault:
                raise ExitError(USAGE, f"+{text}: {fault}") from fault

    def _option(self, word: str, value: str, text: str) -> None:
        if word == "cookie" and not value:
            from secrets import token_hex

            value = token_hex(8)
        try:
            option = optionFromText(value if word == "ednsopt" else f"{word}={value}" if value else word)
        except CallerFault as fault:
            raise ExitError(USAGE, f"+{text}: {fault}") from fault
        self.wishes.options.append(option.toWire())


_DASHES: Final = {
    "-x": "an address, such as 192.0.2.1",
    "-b": "an address of this machine",
    "-k": "a file with a TSIG key",
    "-y": "a TSIG key, [ALGORITHM:]NAME:SECRET",
    "-p": "a port",
    "-t": "a record type, such as MX",
    "-c": "a class, such as IN or CH",
    "-q": "a name",
    "-f": "a file of look-ups, or - for the standard input",
}


def _full(word: str, text: str) -> str:
    """
    Return the full name of an option, given by its full name, an alias or a unique prefix.
    """
    known = PLUS_WORDS
    if word in known:
        return word
    if word in _ALIASES:
        return _ALIASES[word]
    beginning = [each for each in known if len(word) > 1 and each.startswith(word)]
    if len(beginning) == 1:
        return beginning[0]
    if beginning:
        raise ExitError(USAGE, f"+{text} may mean {' or '.join(['+' + each for each in beginning])}; write it in full")
    raise ExitError(USAGE, f"+{text} is not an option ({_closest(word, known, '+')})")


def _closest(word: str, known: Sequence[str], mark: str = "") -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1, 0.6)
    return f"did you mean {mark}{close[0]}?" if close else "see txdns query --help"


def _commonTypes() -> list[str]:
    from twisted_ext.wire import rrtypes

    return list(rrtypes.TYPE_NAMES.values())


def _whole(value: str, text: str, least: int, most: int) -> int:
    if value.isascii() and value.isdigit() and len(value) < 10 and least <= int(value) <= most:
        return int(value)
    raise ExitError(USAGE, f"{text}: write a number from {least} to {most}")


def _bits(value: str, text: str) -> int:
    try:
        number = int(value, 0)
    except ValueError:
        number = -1
    if 0 <= number <= 0xFFFF:
        return number
    raise ExitError(USAGE, f"{text}: write 16 bits as a number, such as 0x40")


def _opcode(value: str, text: str) -> int:
    word = value.upper()
    if word in Opcode.__members__:
        return int(Opcode[word])
    if value.isascii() and value.isdigit() and len(value) < 3 and int(value) <= 15:
        return int(value)
    raise ExitError(USAGE, f"{text}: write {', '.join(Opcode.__members__)} or a number from 0 to 15")


def _reverseName(text: str) -> bytes | None:
    """
    Return the name for a reverse look-up, or L{None} if C{text} is not an address.

    @param text: an address, or the first one to three octets of an IPv4 address: C{192.0.2} stands for C{2.0.192.in-addr.arpa}.
    """
    from ipaddress import ip_address

    try:
        return reverseNameOf(ip_address(text.partition("%")[0]).packed)
    except ValueError:
        pass
    octets = text.removesuffix(".").split(".")
    if len(octets) > 4 or not all(each.isascii() and each.isdigit() and len(each) <= 3 and int(each) <= 255 for each in octets):
        return None
    return nameFromText(".".join([*[str(int(octet)) for octet in reversed(octets)], "in-addr.arpa"]))
