"""
Renders replies as text: in the formats of C{dig} and C{dig +yaml}, as data only, or as JSON.

C{txdns query +json} writes one JSON object per line:

  - C{question}: C{name}, C{type}, C{class};
  - C{id}, C{opcode}, C{rcode}, and C{flags}, a list of flags such as C{"qr"} and C{"ra"};
  - C{answer}, C{authority}, C{additional}: lists of C{name}, C{ttl}, C{class}, C{type}, C{data} (in master file format);
  - C{edns}, or null: C{version}, C{flags}, C{payloadSize}, and C{options}, a list of C{code}, C{name}, C{value};
  - C{errors}: the extended errors of RFC 8914 as C{code}, C{name}, C{text};
  - C{source}: how the reply arrived, C{"udp"}, C{"tls"}, C{"cache"}...; C{server}; C{milliseconds}; C{size} in octets, or null; C{when};
  - C{tls}, or null: C{version}, C{cipher}, C{alpn}, C{certificate} (its names), C{pin}, C{authenticated} (by what), C{resumed}.

A failed look-up is an object with C{question}, C{error}, C{kind}, C{server} and C{attempts}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from twisted_ext.apps.cli.query.plusoptions import FLAGS, Flags
from twisted_ext.apps.cli.query.recordtext import classText, dataText, inWords, ttlText, typeText
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import BadMessage, DNSFault
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import (
    AA,
    AD,
    CD,
    CO,
    DO,
    EDE_NAMES,
    OPTION_NAMES,
    QR,
    RA,
    RD,
    TC,
    Opcode,
    Z,
    className,
    rcodeName,
)
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.options import Expire, ExtendedError, optionFromWire
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import TSIG, typeName

if TYPE_CHECKING:
    from twisted_ext.transport.tls.terms import TLSDetails

__all__ = [
    "LookupOutcome",
    "SecureSession",
    "dataOfRecords",
    "errorsIn",
    "greeting",
    "linesOfRecords",
    "renderFault",
    "renderJSON",
    "renderQuery",
    "renderShort",
    "renderText",
    "renderYAML",
    "timeText",
    "withoutPort",
]

#: The flags for records on one line, with nothing omitted.
_PLAIN: Final[Flags] = {**FLAGS, "rrcomments": False}

#: The names of EDNS options in dig's output, where they are not ours.
_TITLES: Final = {8: "CLIENT-SUBNET", 11: "TCP KEEPALIVE", 12: "PAD"}

_FLAG_BITS: Final = ((QR, "qr"), (AA, "aa"), (TC, "tc"), (RD, "rd"), (RA, "ra"), (Z, "z"), (AD, "ad"), (CD, "cd"))

#: The columns of class, type and data, by whether TTL and class are displayed; the TTL is in column 24.
_COLUMNS: Final = {(True, True): (32, 40, 48), (True, False): (24, 32, 40), (False, True): (24, 32, 40), (False, False): (24, 24, 32)}
#: The same for C{+multiline}: one character apart.
_NARROW: Final = (24, 24, 24)
_TTL: Final = 24


class SecureSession(NamedTuple):
    """
    How a reply was protected.

    @ivar authenticated: by what the server has been authenticated.
    """

    details: TLSDetails
    authenticated: str

    def lines(self, transport: str) -> Iterator[str]:
        details = self.details
        session = "resumed" if details.resumed else "new"
        yield f";; {transport.upper()}: {details.version}, {details.cipher}, ALPN {details.protocol or 'none'}, {session} session"
        yield f";; Certificate: for {printable(details.names)}; authenticated by {self.authenticated}"

    def data(self) -> dict[str, object]:
        details = self.details
        return {
            "version": details.version,
            "cipher": details.cipher,
            "alpn": details.protocol,
            "certificate": details.names,
            "pin": details.pin,
            "authenticated": self.authenticated,
            "resumed": details.resumed,
        }


class LookupOutcome:
    """
    The outcome of a look-up.

    @ivar message: the reply; constructed if the answer did not come in a message.
    @ivar source: the source of the answer: C{"udp"}, C{"tcp"}, C{"cache"}...
    @ivar server: the address and port of the server, as text.
    @ivar truncated: whether it came over TCP because it did not fit into a datagram.
    @ivar session: the session in which it arrived, if its transport is encrypted.
    @ivar microseconds: whether times are printed in microseconds.
    """

    # Written out: dataclasses take 10 ms to import, which no other module of a usual query does.
    def __init__(
        self,
        question: Question,
        message: Message,
        source: str,
        server: str,
        seconds: float,
        when: datetime,
        truncated: bool = False,
        session: SecureSession | None = None,
        microseconds: bool = False,
    ) -> None:
        self.question = question
        self.message = message
        self.source = source
        self.server = server
        self.seconds = seconds
        self.when = when
        self.truncated = truncated
        self.session = session
        self.microseconds = microseconds

    @property
    def size(self) -> int | None:
        """
        Octets received, or L{None} if no message was received.
        """
        return len(self.message.wire) or None


def renderShort(reply: LookupOutcome, flags: Flags) -> str:
    """
    Return the data of the answer section, one record per line; with C{identify} each line names the server.
    """
    behind = f" from server {withoutPort(reply.server)} in {timeText(reply.seconds, reply.microseconds)}." if flags["identify"] else ""
    unicode = bool(flags["idnout"])
    return "".join([f"{dataText(record, flags, unicode)}{behind}\n" for record in eachRecord(reply.message.answer)])


def renderText(reply: LookupOutcome, flags: Flags, palette: Palette, words: str | None = "", servers: int = 0) -> str:
    """
    Return a reply in the format of C{dig}.

    @param flags: as in L{QueryOptions.flags<twisted_ext.apps.cli.query.args.QueryOptions>}; C{idnout} is not L{None}.
    @param words: the arguments of the command, for the first line; L{None} if they have been printed already.
    @param servers: as in L{greeting}.
    """
    message = reply.message
    unicode = bool(flags["idnout"])
    comments = flags["comments"]
    lines: list[str] = []

    def add(title: str, part: Iterable[str]) -> None:
        if comments:
            lines.append(palette.comment(f";; {title}:"))
        lines.extend(part)
        if comments:
            lines.append("")

    if reply.truncated and comments:
        lines.append(palette.comment(";; Truncated, retrying in TCP mode."))
    if flags["cmd"] and words is not None:
        lines += greeting(words, palette, servers)
    if reply.session is not None and comments:
        lines += [palette.comment(line) for line in reply.session.lines(reply.source)]
    if comments:
        if flags["header"]:
            lines += [palette.comment(";; Got answer:"), *_header(message, palette)]
            if message.edns is not None or flags["question"]:
                lines.append("")
        if message.edns is not None and flags["opt"]:
            lines += [palette.comment(line) for line in (";; OPT PSEUDOSECTION:", *_options(message.edns, flags))]
    if flags["question"] and message.questions:
        add("QUESTION SECTION", [palette.comment(_question(question, flags, unicode)) for question in message.questions])
    for name, section in _sections(message):
        if flags[name] and section:
            add(f"{name.upper()} SECTION", linesOfRecords(section, flags, palette, unicode))
    if message.trailer is not None and message.trailer.rrType == TSIG and flags["additional"] and flags["tsig"]:
        add("TSIG PSEUDOSECTION", linesOfRecords((message.trailer,), flags, palette, unicode))
    if flags["stats"]:
        lines += [palette.comment(line) for line in _statistics(reply)]
        lines.append("")
    return "\n".join(lines) + "\n" if lines else ""


def greeting(words: str, palette: Palette, servers: int = 0) -> list[str]:
    """
    @param servers: the number of addresses of the server after C{@}.
    """
    found = [f"; ({servers} server{'s' * (servers != 1)} found)"] if servers else []
    return ["", *[palette.comment(line) for line in (f"; <<>> txdns <<>> {printable(words)}", *found, ";; global options: +cmd")]]


def timeText(seconds: float, microseconds: bool, milli: str = "ms", micro: str = "us") -> str:
    return f"{seconds * 1e6:.0f} {micro}" if microseconds else f"{seconds * 1000:.0f} {milli}"


def withoutPort(label: str) -> str:
    """
    Return the address of a server's address and port, as dig prints it.
    """
    return label.rpartition(":")[0].strip("[]") or label


def renderQuery(query: Message, flags: Flags, palette: Palette) -> str:
    lines: list[str] = []
    if flags["comments"]:
        if flags["header"]:
            lines += [palette.comment(";; Sending:"), *_header(query, palette), ""]
        if query.edns is not None and flags["opt"]:
            lines += [palette.comment(line) for line in (";; OPT PSEUDOSECTION:", *_options(query.edns, flags))]
    if flags["question"]:
        if flags["comments"]:
            lines.append(palette.comment(";; QUESTION SECTION:"))
        lines += [palette.comment(_question(question, flags, bool(flags["idnout"]))) for question in query.questions]
        lines.append("")
    if flags["comments"]:
        lines += [palette.comment(f";; QUERY SIZE: {len(buildMessage(query))}"), ""]
    return "\n".join(lines) + "\n" if lines else ""


def _header(message: Message, palette: Palette) -> Iterator[str]:
    status = rcodeName(message.rcode)
    counts = _counts(message)
    opening = palette.comment(f";; ->>HEADER<<- opcode: {_opcodeName(message.opcode)}, status: ")
    yield opening + palette.status(status) + palette.comment(f", id: {message.id}")
    flags = "".join([f" {word}" for word in _flagWords(message.flags & ~Z)]) + ("; MBZ: 0x4" if message.flags & Z else "")
    yield palette.comment(
        f";; flags:{flags}; QUERY: {len(message.questions)}, ANSWER: {counts[0]}, AUTHORITY: {counts[1]}, ADDITIONAL: {counts[2]}"
    )
    if message.flags & RD and not message.flags & RA and message.flags & QR:
        yield palette.comment(";; WARNING: recursion requested but not available")


def _sections(message: Message) -> tuple[tuple[str, tuple[RRSet, ...]], ...]:
    return (("answer", message.answer), ("authority", message.authority), ("additional", message.additional))


def _counts(message: Message) -> list[int]:
    counts = [sum([len(rrset.rdatas) for rrset in section]) for _, section in _sections(message)]
    if message.edns is not None:
        counts[2] += 1
    return counts


def _opcodeName(number: int, unknown: str = "RESERVED") -> str:
    return Opcode(number).name if number in Opcode._value2member_map_ else f"{unknown}{number}"


def _flagWords(flags: int) -> list[str]:
    return [word for bit, word in _FLAG_BITS if flags & bit]


def _options(edns: EDNS, display: Flags) -> Iterator[str]:
    flags = (" do" if edns.flags & DO else "") + (" co" if edns.flags & CO else "")
    rest = edns.flags & ~(DO | CO)
    unknown = f"; MBZ: {rest:#06x}, " if rest else "; "
    yield f"; EDNS: version: {edns.version}, flags:{flags}{unknown}udp: {edns.payloadSize}"
    for code, octets in edns.options:
        if not display["opttext"] and code not in OPTION_NAMES:
            yield f"; OPT={code}: {octets.hex(' ')}"
            continue
        try:
            option = optionFromWire(code, octets)
            seconds = option.seconds if isinstance(option, Expire) else None
            words = f" ({inWords(seconds)})" if seconds is not None else ""
            yield f"; {_TITLES.get(code) or option.title}: {option.valueToText()}{words}".rstrip(" ")
        except BadMessage as error:
            yield f"; OPT={code}: {octets.hex(' ')} (bad: {error})"


def _columns(flags: Flags) -> tuple[int, int, int]:
    return _NARROW if flags["multiline"] else _COLUMNS[bool(flags["ttlid"]), bool(flags["class"])]


def _question(question: Question, flags: Flags, unicode: bool) -> str:
    classAt, typeAt, _ = _columns(flags)
    name = nameToText(question.name, unicode=unicode)
    shown = classText(question.rrClass, flags)
    column = max(len(name) + 1, classAt) + len(shown)
    return "".join([";", name, _gap(len(name), classAt), shown, _gap(column, typeAt), typeText(question.rrType, flags)])


def linesOfRecords(section: Iterable[RRSet], flags: Flags, palette: Palette, unicode: bool) -> Iterator[str]:
    classAt, typeAt, dataAt = _columns(flags)
    for record in eachRecord(tuple(section)):
        owner = nameToText(record.name, unicode=unicode)
        column = len(owner)
        parts = [palette.name(owner)]
        for wanted, begin, text, paint in (
            (flags["ttlid"], _TTL, ttlText(record.ttl, flags), str),
            (flags["class"], classAt, classText(record.rrClass, flags), str),
            (True, typeAt, typeText(record.rrType, flags), palette.type),
        ):
            if wanted:
                parts += [_gap(column, begin), paint(text)]
                column = max(column + 1, begin) + len(text)
        parts += [_gap(column, dataAt), palette.data(dataText(record, flags, unicode))]
        yield "".join(parts)


def _gap(column: int, begin: int) -> str:
    """
    Return the tabs and spaces from one column to another, at least one character.
    """
    begin = max(begin, column + 1)
    tabs = begin // 8 - column // 8
    return "\t" * tabs + " " * (begin % 8 if tabs else begin - column)


def _statistics(reply: LookupOutcome) -> Iterator[str]:
    yield f";; Query time: {timeText(reply.seconds, reply.microseconds, 'msec', 'usec')}"
    address, _, port = reply.server.rpartition(":")
    if reply.size is None or not port.isdigit():
        yield f";; SOURCE: {reply.source}{' ' if reply.server else ''}{reply.server}"
    else:
        address = address.strip("[]")
        yield f";; SERVER: {address}#{port}({address}) ({reply.source.upper()})"
    yield f";; WHEN: {reply.when:%a %b %d %H:%M:%S %Z %Y}"
    if reply.size is not None:
        yield f";; MSG SIZE  rcvd: {reply.size}"


def renderJSON(reply: LookupOutcome) -> str:
    from json import dumps

    return dumps(_replyData(reply)) + "\n"


def renderFault(question: Question, fault: DNSFault) -> str:
    data = {
        "question": _questionData(question),
        "error": str(fault),
        "kind": type(fault).__name__,
        "server": fault.server,
        "attempts": fault.attempts,
    }
    from json import dumps

    return dumps(data) + "\n"


def _replyData(reply: LookupOutcome) -> dict[str, object]:
    message = reply.message
    edns = message.edns
    return {
        "question": _questionData(reply.question),
        "id": message.id,
        "opcode": _opcodeName(message.opcode, "OPCODE"),
        "rcode": rcodeName(message.rcode),
        "flags": _flagWords(message.flags),
        **{name: dataOfRecords(section) for name, section in _sections(message)},
        "edns": None
        if edns is None
        else {
            "version": edns.version,
            "flags": ["do"] if edns.flags & DO else [],
            "payloadSize": edns.payloadSize,
            "options": [_optionData(code, octets) for code, octets in edns.options],
        },
        "errors": [
            {"code": error.infoCode, "name": EDE_NAMES.get(error.infoCode, ""), "text": error.extraText}
            for error in errorsIn(edns)
        ],
        "source": reply.source,
        "server": reply.server,
        "milliseconds": round(reply.seconds * 1000, 3),
        "size": reply.size,
        "when": reply.when.isoformat(timespec="seconds"),
        "tls": None if reply.session is None else reply.session.data(),
    }


def errorsIn(edns: EDNS | None) -> list[ExtendedError]:
    """
    Return the extended errors of a message, without those that are cut off.
    """
    options = () if edns is None else edns.options
    return [ExtendedError(octets) for code, octets in options if code == ExtendedError.code and len(octets) >= 2]


def _questionData(question: Question) -> dict[str, str]:
    return {"name": nameToText(question.name), "type": typeName(question.rrType), "class": className(question.rrClass)}


def dataOfRecords(section: tuple[RRSet, ...]) -> list[dict[str, str | int]]:
    return [
        {
            "name": nameToText(record.name),
            "ttl": record.ttl,
            "class": className(record.rrClass),
            "type": typeName(record.rrType),
            "data": dataText(record, _PLAIN),
        }
        for record in eachRecord(section)
    ]


def _optionData(code: int, octets: bytes) -> dict[str, str | int]:
    try:
        value = optionFromWire(code, octets).valueToText()
    except BadMessage:
        value = octets.hex()
    return {"code": code, "name": OPTION_NAMES.get(code, f"OPT{code}"), "value": value}


def renderYAML(reply: LookupOutcome) -> str:
    """
    Return the reply as an element of a YAML list, in the format of C{dig +yaml}.
    """
    return "".join([f"{line}\n" for line in _yamlLines(reply)])


def _yamlLines(reply: LookupOutcome) -> Iterator[str]:
    message = reply.message
    address, _, port = reply.server.rpartition(":")
    ended = reply.when.astimezone(UTC)
    yield "- type: MESSAGE"
    yield "  message:"
    yield f"    type: {'AUTH' if message.flags & AA else 'RECURSIVE'}_RESPONSE"
    yield f"    query_time: !!timestamp {_timestamp(ended - timedelta(seconds=reply.seconds))}"
    yield f"    response_time: !!timestamp {_timestamp(ended)}"
    if reply.size is not None:
        yield f"    message_size: {reply.size}b"
    if port.isdigit():
        yield f"    socket_family: {'INET6' if address.startswith('[') else 'INET'}"
        yield f"    socket_protocol: {reply.source.upper()}"
        yield f'    response_address: "{address.strip("[]")}"'
        yield f"    response_port: {port}"
    yield "    response_message_data:"
    yield f"      opcode: {_opcodeName(message.opcode)}"
    yield f"      status: {rcodeName(message.rcode)}"
    yield f"      id: {message.id}"
    yield f"      flags: {' '.join(_flagWords(message.flags))}".rstrip()
    counts = _counts(message)
    yield f"      QUESTION: {len(message.questions)}"
    yield f"      ANSWER: {counts[0]}"
    yield f"      AUTHORITY: {counts[1]}"
    yield f"      ADDITIONAL: {counts[2]}"
    if message.edns is not None:
        yield from _yamlOPT(message.edns)
    if message.questions:
        yield "      QUESTION_SECTION:"
        for question in message.questions:
            text = f"{nameToText(question.name)} {className(question.rrClass)} {typeName(question.rrType)}"
            yield f"        - {_quoted(text)}"
    for name, section in _sections(message):
        if section:
            yield f"      {name.upper()}_SECTION:"
            for record in eachRecord(section):
                head = f"{nameToText(record.name)} {record.ttl} {className(record.rrClass)} {typeName(record.rrType)}"
                yield f"        - {_quoted(f'{head} {dataText(record, _PLAIN)}')}"


def _yamlOPT(edns: EDNS) -> Iterator[str]:
    yield "      OPT_PSEUDOSECTION:"
    yield "        EDNS:"
    yield f"          version: {edns.version}"
    yield f"          flags:{' do' if edns.flags & DO else ''}"
    yield f"          udp: {edns.payloadSize}"
    for code, octets in edns.options:
        try:
            word, _, value = optionFromWire(code, octets).toText().partition(": ")
        except BadMessage:
            word, value = f"OPT={code}", octets.hex()
        yield f"          {word if word.isidentifier() else _quoted(word)}: {_quoted(value)}"


def _timestamp(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def _quoted(text: str) -> str:
    """
    Return a single-quoted scalar, in which only single quotes need an escape.
    """
    return "'" + text.replace("'", "''") + "'"
