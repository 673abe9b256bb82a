"""
Parses the arguments of C{txdns query}, which are those of C{dig}. It opens no files and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted_ext.apps.cli.query.plusoptions import (
    ALIASES,
    DIRECT_FLAGS,
    FLAGS,
    GROUPS,
    NOT_OF_DIG,
    REFUSED,
    WITHOUT_EFFECT,
    Flags,
)
from twisted_ext.apps.cli.terminal.arguments import (
    Arguments,
    Option,
    didYouMean,
    flag,
    fullName,
    number,
    valueOf,
    whole,
)
from twisted_ext.apps.cli.terminal.encryption import Encryption, isURL
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.apps.cli.terminal.upstream import soleTarget
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.limits import LOOKUP_SECONDS, NDOTS, QUERY_TRIES
from twisted_ext.wire.codes import IN, Opcode, classNumber
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import IXFR, NS, PTR, TYPE_NAMES, A, typeNumber

if TYPE_CHECKING:
    from twisted_ext.wire.tsig import Key

__all__ = ["ARGUMENTS", "PAYLOAD", "PLUS_WORDS", "QueryOptions", "parseQueries"]


_HELP: Final = """\
Usage: txdns query [@SERVER] NAME [TYPE] [CLASS] [-OPTION ...] [+OPTION ...] [NAME ...]

Queries a server for the records of a name and prints the reply as dig does.

  txdns query www.example.com                      IPv4 addresses, from the system's servers
  txdns query example.com MX @192.0.2.53           from this server only
  txdns query example.com AAAA @[2001:db8::53]:5353
  txdns query -x 192.0.2.1 +short                  the name of an address and nothing else
  txdns query bücher.example TXT +json             a name in any script; output as JSON
  txdns query www.example.com @tcp:127.0.0.1:5301  any resolver description
  txdns query www.example.com @tls://192.0.2.53#dns.example    over TLS; also https://, quic://
                                                   and sdns://, with or without @
  txdns query version.bind CH TXT @192.0.2.53
  txdns query example.com AXFR @192.0.2.53         a zone transfer; ixfr=7: the changes since
                                                   serial 7
  txdns query -f names.txt +short                  one look-up per line, with these arguments

The default TYPE is A, the default CLASS is IN; without NAME the query is for the NS records of
the root. Several look-ups may be given: options before the first NAME apply to all of them,
options after a NAME to that one. Options in ~/.digrc apply to all commands.

{options}

Query options (to turn one off, write no before its name):
  +tcp          use TCP from the start; +ignore: accept truncated UDP replies
  +dnssec, +do  request DNSSEC records (DO)
  +ad           set AD (on), which asks whether the answer is secure; +cd: set CD, which asks
                for bogus data as well
  +sigchase     validate the answer, and print the chain of trust below it, as txdns validate
                does; +trusted-key=FILE: with these trust anchors in place of the root's
  +noedns       send no OPT record; +bufsize=N, +edns=VERSION, +ednsflags=N, +coflag set its
                fields; +noednsnegotiation: do not repeat the query after BADVERS
  +recurse      set RD (on); +aaflag, +raflag, +tcflag, +zflag set AA, RA, TC, Z;
                +opcode=NOTIFY, +qid=N, +header-only
  +time=5       seconds to wait for each reply
  +tries=3      attempts at each server; +nofail: query the next one after SERVFAIL too
  +keepopen     keep TCP connections open for the following look-ups
  +search       apply the system's search list; +domain=NAME, +ndots=N override it; +showsearch:
                print the reply to each name of it
  +noidnin      send names in other scripts as UTF-8; +noidn: +noidnin and +noidnout
  +trace        print each referral from the root down to the answer, with DS records and
                signatures unless +nodnssec follows; +nssearch: query each server of a zone for
                its SOA record
  +nsid, +cookie, +expire, +keepalive, +zoneversion, +subnet=192.0.2.0/24, +padding=128,
  +chain=NAME, +ednsopt=65001:c0ffee    EDNS options to send; +padding, or +alignment, pads the
                query to a multiple of this length
  +badcookie    after BADCOOKIE, repeat the query with the server's cookie (on);
                +showbadcookie: print that reply too

Encrypted transports (the server is @ADDRESS, @NAME, or a URL):
  +tls          use TLS, at port 853; +quic: QUIC, at port 853
  +https[=PATH]          use HTTPS with POST, at port 443 and /dns-query, also as +https-post;
                +https-get[=PATH]: with GET; +http3[=PATH]: over HTTP/3, with either
  +tls-hostname=NAME     the name in the server's certificate
  +tls-ca[=FILE]         trust the authorities in this file, or those of the system (default)
  +tls-pin=PIN  the digest of the server's key in base64 (repeatable); txdns upstream prints it
  +tls-certfile=FILE, +tls-keyfile=FILE    your own certificate and key, if the server wants one

The server has to prove that it is the right one, also without these options: by a certificate
for the name after @ or in the URL, or else for its address. With pins and without a name, its
key alone counts. If the proof fails, nothing is sent. ;; lines above the reply name the
transport, the version of TLS, the cipher, the certificate and its proof.

Output options:
  +short        the data of the records only
  +json, +yaml  one JSON object, or YAML as dig writes it, for each look-up
  +multiline    SOA, DNSKEY, RRSIG and DS records on several lines with comments
  +nocrypto     omit keys, signatures and digests; +rrcomments: comments on keys
  +split=56     split hexadecimal and base64 data into chunks; +expandaaaa: IPv6 addresses with
                all zeros
  +ttlunits     TTLs as 1h30m; +unknownformat, +generic: types, classes and data as in RFC 3597
  +qr           print each query before it is sent
  +onesoa       omit the SOA record at the end of a transfer
  +noall        print nothing but the parts turned on afterwards: +cmd, +comments, +question,
                +answer, +authority, +additional, +stats; +ttlid and +class are columns;
                +noheader, +noopt, +noopttext, +notsig omit parts of them
  +idnout, +color    names in Unicode; colors: by default if the terminal supports them, colors
                only without NO_COLOR

Other options of dig and kdig are refused with what to use in their place.

Exit codes: 0 a reply came, with any rcode; 1 wrong usage; 8 FILE cannot be read; 9 no reply;
with +sigchase: 0 secure, 3 insecure, 4 bogus, 5 indeterminate.
"""

_SEE: Final = "see txdns query --help"


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
    @ivar ednsOptions: EDNS options to send.
    @ivar flags: the C{+} options that are on or off, by their full names.
    @ivar serial: the serial of the version that the user has, for IXFR.
    @ivar keyFile: the file of the key that signs the query, or C{""} if there is none or the key itself is given.
    @ivar queryId: the query's id, or L{None} for a random one.
    @ivar ednsFlags: the flags in the OPT record, without DO.
    @ivar payloadSize: the payload size in the OPT record, or L{None} for the default.
    @ivar domain: the only domain to search, in wire form, or L{None} for the system's list.
    @ivar ndots: the number of dots from which a name is tried as it is first, or L{None} for the system's value.
    @ivar trustedKey: a file of trust anchors for C{+sigchase}, or C{""} for those of the root.
    @ivar padding: queries are padded to a multiple of this length, if it is not 0.
    @ivar microseconds: whether times are printed in microseconds.
    @ivar servers: the number of addresses of the server after C{@}.
    @ivar encryption: the options that choose an encrypted transport.
    @ivar first: whether this is the first look-up, whose output begins with the arguments of the command.
    """

    name: bytes = ROOT
    rrType: int = A
    rrClass: int = IN
    relative: bool = False
    target: str = ""
    port: int | None = None
    family: int = 0
    batch: str = ""
    tries: int = 3
    seconds: float = 5.0
    serial: int | None = None
    local: str | None = None
    localPort: int = 0
    key: Key | None = None
    keyFile: str = ""
    opcode: int = Opcode.QUERY
    queryId: int | None = None
    ednsVersion: int = 0
    ednsFlags: int = 0
    payloadSize: int | None = None
    domain: bytes | None = None
    ndots: int | None = None
    first: bool = True
    trustedKey: str = ""
    padding: int = 0
    microseconds: bool = False
    servers: int = 0

    # Not a dataclass, which would take a millisecond at each start of the command.
    def __init__(self) -> None:
        self.ednsOptions: list[tuple[int, bytes]] = []
        self.flags: Flags = dict(FLAGS)
        self.words: list[str] = []
        self.encryption = Encryption()

    def copy(self) -> QueryOptions:
        other = QueryOptions()
        other.__dict__.update(self.__dict__, flags=dict(self.flags), ednsOptions=list(self.ednsOptions), encryption=self.encryption.copy())
        return other

    @property
    def dnssecOk(self) -> bool:
        """
        Whether to request DNSSEC records.
        """
        dnssec = self.flags["dnssec"]
        return bool(self.flags["trace"] or self.flags["sigchase"]) if dnssec is None else bool(dnssec)

    @property
    def needsServer(self) -> str:
        """
        Return the first argument that requires L{DirectSource<twisted_ext.apps.cli.query.direct.DirectSource>}, which sends queries
        straight to a server; C{""} if there is none.
        """
        for word in DIRECT_FLAGS:
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
            ("+padding", self.padding, 0),
        ):
            if value != usual:
                return word
        return ""


#: Options that send an EDNS option; some of them take C{=value}.
_EDNS: Final = ("nsid", "subnet", "cookie", "expire", "keepalive", "chain", "zoneversion")


def _bits(value: str) -> int:
    try:
        number = int(value, 0)
    except ValueError:
        number = -1
    if 0 <= number <= 0xFFFF:
        return number
    raise BadDescription(f"{value!r} is not 16 bits; write a number such as 0x40")


def _opcode(value: str) -> int:
    word = value.upper()
    if word in Opcode.__members__:
        return int(Opcode[word])
    if value.isascii() and value.isdigit() and len(value) < 3 and int(value) <= 15:
        return int(value)
    raise BadDescription(f"{value!r} is not an opcode; write {', '.join(Opcode.__members__)} or a number from 0 to 15")


def _chunk(value: str) -> int:
    """
    Return a length of chunks, a multiple of 4 as in dig.
    """
    return -(-whole(0, 65532)(value) // 4) * 4


#: The length of chunks without a value.
_SPLIT: Final = 56

#: The block size without a value.
_BLOCK: Final = 128

#: The advertised UDP payload size in octets (RFC 9715).
PAYLOAD: Final = 1232

_TRIES: Final = int(QUERY_TRIES.most)

#: Options that take a value: the attribute that they set, its default, which a prefixed C{no} restores, and the parser of the value.
_SETTINGS: Final[dict[str, tuple[str, object, Callable[[str], object]]]] = {
    "bufsize": ("payloadSize", None, lambda text: whole(0, 65535)(text) if text else PAYLOAD),
    "domain": ("domain", None, nameFromText),
    "ednsflags": ("ednsFlags", 0, _bits),
    "ndots": ("ndots", None, whole(int(NDOTS.least), int(NDOTS.most))),
    "opcode": ("opcode", int(Opcode.QUERY), _opcode),
    "padding": ("padding", 0, lambda text: whole(1, 65535)(text) if text else _BLOCK),
    "qid": ("queryId", None, whole(0, 65535)),
    "trusted-key": ("trustedKey", "", str),
    "time": ("seconds", 5.0, number(LOOKUP_SECONDS.least, LOOKUP_SECONDS.most, " of seconds")),
    "tries": ("tries", 3, whole(1, _TRIES)),
    "retry": ("tries", 3, lambda text: 1 + whole(0, _TRIES - 1)(text)),
}

#: Options that choose an encrypted transport, of which C{https} and its methods take C{=PATH}.
_TRANSPORTS: Final = {"tls": "tls", "https": "https", "https-get": "https", "https-post": "https", "http3": "https", "quic": "quic"}

#: Options with what an encrypted server has to prove, or has to be shown: the attribute that they set, and what follows the equals sign.
_PROOFS: Final = {
    "tls-ca": ("ca", "a file with certificates of authorities"),
    "tls-hostname": ("name", "the name in the server's certificate, such as dns.example"),
    "tls-pin": ("pins", "the SHA-256 digest of the server's key in base64"),
    "tls-certfile": ("certificate", "a file with your own certificate"),
    "tls-keyfile": ("key", "a file with the key of your own certificate"),
}

#: The full names of all C{+} options.
PLUS_WORDS: Final = (*FLAGS, *_SETTINGS, *_EDNS, *_TRANSPORTS, *_PROOFS, "ednsopt", *WITHOUT_EFFECT, *GROUPS)

#: The maximum length of a word after a look-up that is taken for a mistyped type or class, not for another name.
_MNEMONIC: Final = 10


def parseQueries(words: Sequence[str], usual: Sequence[str] = ()) -> list[QueryOptions]:
    """
    Parse the arguments of one or several look-ups. Options before the first name apply to all of them, options after a name to that one.

    @param usual: options to apply first, such as those of C{.digrc}.
    """
    common = _Reading(usual).readCommon() if usual else QueryOptions()
    every = _Reading(words, common).read()
    for options in every:
        options.words = list(words)
        options.first = options is every[0]
    return every


class _Reading:
    def __init__(self, words: Sequence[str], common: QueryOptions | None = None) -> None:
        self.words = list(words)
        self.options = common or QueryOptions()
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
        return self.options

    def read(self) -> list[QueryOptions]:
        self._readWords()
        self._finish()
        return self.finished

    def _readWords(self) -> None:
        for option, name, text in ARGUMENTS.each(self.words):
            if option is not None:
                _ACTIONS[option](self, text or name)
            else:
                self._bare(text)

    def _begin(self, name: str, *, reverse: bytes = b"") -> None:
        """
        @param reverse: the wire form of a name that was given as an address.
        """
        if self.common is None:
            self.common = (self.options, self.rrType, self.rrClass)
        else:
            self._finish()
        self.target = ""
        before, self.rrType, self.rrClass = self.common
        self.options = before.copy()
        self.name = name
        self.reverse = bool(reverse)
        if reverse:
            self.options.name = reverse

    def _finish(self) -> None:
        options = self.options
        if self.name is not None:
            if not self.reverse:
                options.name = valueOf(nameFromText, self.name) if options.flags["idnin"] else valueOf(_rawName, self.name)
                options.relative = not self.name.endswith(".")
        if self.rrType is not None:
            options.rrType = self.rrType
        elif self.reverse:
            options.rrType = PTR
        elif self.name is None:
            options.rrType = NS
        if self.rrClass is not None:
            options.rrClass = self.rrClass
        if options.domain is not None or options.ndots is not None or options.flags["showsearch"]:
            options.flags["search"] = True
        self.finished.append(options)

    def _bare(self, word: str) -> None:
        if isURL(word):
            self._server(word)
            return
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
        self.options.serial = valueOf(whole(0, 0xFFFFFFFF), serial, word)
        return IXFR

    def _second(self, word: str) -> str:
        if self.rrType is not None:
            if self.rrClass is not None:
                return f"unexpected argument {word!r}: name, type and class are given already"
            return f"{word!r} is not a class; write IN, CH, HS, ANY or CLASS65280"
        hint = didYouMean(word.upper(), TYPE_NAMES.values(), _SEE)
        return f"{word!r} is not a record type; write A, AAAA, MX, TXT... or TYPE65280 ({hint})"

    def _server(self, text: str) -> None:
        self.options.target = self.target = soleTarget(text, self.target)

    def _family(self, name: str) -> None:
        self.options.family = int(name[1])

    def _port(self, text: str) -> None:
        self.options.port = valueOf(whole(1, 65535), text, "-p")

    def _keyFile(self, text: str) -> None:
        self.options.keyFile, self.options.key = text, None

    def _batch(self, text: str) -> None:
        self.options.batch = text

    def _type(self, text: str) -> None:
        self.rrType = self._typeNumber(text)
        if self.rrType is None:
            hint = didYouMean(text.upper(), TYPE_NAMES.values(), _SEE)
            raise ExitError(USAGE, f"-t {text}: there is no such record type; write A, AAAA, MX, TXT... or TYPE65280 ({hint})")

    def _class(self, text: str) -> None:
        self.rrClass = classNumber(text)
        if self.rrClass is None:
            raise ExitError(USAGE, f"-c {text}: there is no such class; write IN, CH, HS, ANY or CLASS65280")

    def _plusWord(self, name: str) -> None:
        # The spelling of other commands.
        self._plus(name.lstrip("-"))

    def _nothing(self, name: str) -> None:
        """
        Ignore C{-m}, which is for debugging dig, and what C{main} has handled.
        """

    def _micro(self, name: str) -> None:
        self.options.microseconds = True

    def _refused(self, name: str) -> None:
        raise ExitError(USAGE, f"{name}: {REFUSED[name]}")

    def _address(self, text: str) -> None:
        name = _reverseName(text)
        if name is None:
            raise ExitError(USAGE, f"-x {text!r} is not an IP address; write 192.0.2.1 or 2001:db8::1, or the first octets of one: 192.0.2")
        self._begin(text, reverse=name)

    def _local(self, text: str) -> None:
        from twisted_ext.transport.servers import Server

        address, mark, port = text.partition("#")
        number = valueOf(whole(1, 65535), port, f"-b {text}") if mark else 0
        try:
            self.options.local = Server(address).address
        except CallerFault as fault:
            raise ExitError(USAGE, f"-b {text}: {fault}; write ADDRESS or ADDRESS#PORT") from fault
        self.options.localPort = number

    def _key(self, text: str) -> None:
        from twisted_ext.wire.tsig import Key

        self.options.key, self.options.keyFile = valueOf(Key.fromText, text, "-y"), ""

    def _plus(self, text: str) -> None:
        word, equals, value = text.partition("=")
        asked = word.lower()
        on = not asked.startswith("no") or asked in FLAGS
        if not on and asked[2:] in REFUSED:
            return
        full = _full(asked if on else asked[2:], text)
        options = self.options
        if full in GROUPS:
            for part in GROUPS[full]:
                options.flags[part] = on
        elif full in FLAGS:
            if full == "edns":
                options.ednsVersion = valueOf(whole(0, 255), value, f"+{text}") if value else 0
            elif full == "split" and on:
                options.flags[full] = valueOf(_chunk, value, f"+{text}") if equals else _SPLIT
                return
            elif equals:
                raise ExitError(USAGE, f"+{text}: +{full} takes no value; write +{full} or +no{full}")
            options.flags[full] = on
        elif full in _TRANSPORTS:
            self._transport(full, on, value)
        elif full in _PROOFS:
            self._proof(full, on, value)
        elif full in WITHOUT_EFFECT:
            return
        elif full in _SETTINGS:
            attribute, usual, read = _SETTINGS[full]
            setattr(options, attribute, valueOf(read, value, f"+{text}") if on else usual)
        elif not on:
            from twisted_ext.wire.options import optionCode

            options.ednsOptions = [] if full == "ednsopt" else [option for option in options.ednsOptions if option[0] != optionCode(full)]
        else:
            self._option(full, value, text)

    def _transport(self, word: str, on: bool, value: str) -> None:
        encryption = self.options.encryption
        transport = _TRANSPORTS[word]
        if not on:
            if word == "http3":
                encryption.http3 = False
            elif encryption.transport == transport:
                encryption.transport, encryption.get = "", False
            if encryption.scheme(None) != "https":
                encryption.path = ""
            return
        if value and (transport != "https" or not value.startswith(("/", "?"))):
            right = f"the path begins with a slash: +{word}=/dns-query" if transport == "https" else f"+{word} takes no value"
            raise ExitError(USAGE, f"+{word}={value:.80}: {right}; the server is written @192.0.2.53 or @dns.example")
        if word == "http3":
            # This one goes together with the methods of HTTPS.
            encryption.transport = "https" if encryption.transport == "https" else ""
            encryption.http3 = True
        else:
            encryption.transport, encryption.get = transport, word == "https-get"
            encryption.http3 = encryption.http3 and transport == "https"
        encryption.path = value or (encryption.path if transport == "https" else "")

    def _proof(self, word: str, on: bool, value: str) -> None:
        encryption = self.options.encryption
        attribute, what = _PROOFS[word]
        if on and not value and word != "tls-ca":
            raise ExitError(USAGE, f"+{word} needs {what}: +{word}=VALUE")
        encryption.wanted = tuple([each for each in encryption.wanted if each != f"+{word}"]) + (f"+{word}",) * on
        if not on:
            setattr(encryption, attribute, () if word == "tls-pin" else "")
        elif word == "tls-pin":
            from twisted_ext.transport.tls.terms import pinFromText, pinToText

            encryption.pins += (pinToText(valueOf(pinFromText, value, f"+{word}")),)
        else:
            setattr(encryption, attribute, value)

    def _option(self, word: str, value: str, text: str) -> None:
        from twisted_ext.wire.options import optionFromText

        if word == "cookie" and not value:
            from secrets import token_hex

            value = token_hex(8)
        option = valueOf(optionFromText, value if word == "ednsopt" else f"{word}={value}" if value else word, f"+{text}")
        self.options.ednsOptions.append(option.toWire())


def _full(word: str, text: str) -> str:
    if word in ALIASES:
        return ALIASES[word]
    if word in REFUSED:
        raise ExitError(USAGE, f"+{text}: {REFUSED[word]}")
    # What is an abbreviation to dig stays one.
    known = [each for each in PLUS_WORDS if each.startswith(word)]
    known = [each for each in known if each == word or each not in NOT_OF_DIG] or known
    full = fullName(word, known, f"+{text}") if len(word) > 1 else None
    if full is None:
        raise ExitError(USAGE, f"+{text} is not an option ({didYouMean(f'+{word}', [f'+{each}' for each in PLUS_WORDS], _SEE)})")
    return full


def _rawName(text: str) -> bytes:
    """
    Return a name whose labels have the octets of the text, without IDNA.
    """
    return nameFromText(text.encode("utf-8", "surrogateescape"))


def _reverseName(text: str) -> bytes | None:
    """
    Return the name for a reverse look-up of an address, or of its first one to three octets: C{192.0.2} stands for C{2.0.192.in-addr.arpa}.
    """
    from ipaddress import ip_address

    from twisted_ext.wire.addressranges import reverseNameOf

    try:
        return reverseNameOf(ip_address(text.partition("%")[0]).packed)
    except ValueError:
        pass
    octets = text.removesuffix(".").split(".")
    if len(octets) > 4 or not all(each.isascii() and each.isdigit() and len(each) <= 3 and int(each) <= 255 for each in octets):
        return None
    return nameFromText(".".join([*[str(int(octet)) for octet in reversed(octets)], "in-addr.arpa"]))


#: The options, and what each one does with its value, or with its name if it takes none.
_ACTIONS: Final[dict[Option[Any], Callable[[_Reading, str], None]]] = {
    Option(
        "@SERVER",
        "an address or a name, with or without a port (@192.0.2.1:5353, @2001:db8::1#5353, @localhost:5300); or a resolver description",
        "",
        str,
        what="a server, such as 192.0.2.1, or a resolver description",
    ): _Reading._server,
    Option(
        "-x ADDRESS", "look up the name of an address, or of a network: -x 192.0.2", "", str, what="an address, such as 192.0.2.1"
    ): _Reading._address,
    Option("-p PORT", "send queries to this port", "", str, what="a port"): _Reading._port,
    Option("-t TYPE", "the type, if the word could be taken for a name", "", str, what="a record type, such as MX"): _Reading._type,
    Option("-c CLASS", "the class, if the word could be taken for a name", "", str, what="a class, such as IN or CH"): _Reading._class,
    Option("-q NAME", "the name, if it could be taken for a type or class", "", str, what="a name"): _Reading._begin,
    flag("-4", "query IPv4 servers only"): _Reading._family,
    flag("-6", "query IPv6 servers only"): _Reading._family,
    Option("-b ADDRESS[#PORT]", "send from this address", "", str, what="an address of this machine"): _Reading._local,
    Option("-k FILE", "sign with the TSIG key in this file", "", str, what="a file with a TSIG key"): _Reading._keyFile,
    Option(
        "-y [ALG:]NAME:SECRET",
        "sign with this TSIG key; other users of this machine can see the secret",
        "",
        str,
        what="a TSIG key, [ALGORITHM:]NAME:SECRET",
    ): _Reading._key,
    Option(
        "-f FILE",
        "read look-ups from a file; - for the standard input",
        "",
        str,
        what="a file of look-ups, or - for the standard input",
    ): _Reading._batch,
    flag("-r", "ignore ~/.digrc"): _Reading._nothing,
    flag("-v", "print the version"): _Reading._nothing,
    flag("-V"): _Reading._nothing,
    flag("-m"): _Reading._nothing,
    flag("-u", "print times in microseconds"): _Reading._micro,
    flag("-d"): _Reading._refused,
    flag("-E"): _Reading._refused,
    flag("-G"): _Reading._refused,
    flag("--json"): _Reading._plusWord,
    flag("--short"): _Reading._plusWord,
    Option("+OPTION", "", "", str): _Reading._plus,
}

ARGUMENTS: Final = Arguments(_HELP, *_ACTIONS)
