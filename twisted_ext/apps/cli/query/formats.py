"""
Renders replies as text: in the format of C{dig}, as data only, or as JSON.

C{txdns query +json} writes one JSON object per line:

  - C{question}: C{name}, C{type}, C{class};
  - C{id}, C{opcode}, C{rcode}, and C{flags}, a list of flags such as C{"qr"} and C{"ra"};
  - C{answer}, C{authority}, C{additional}: lists of C{name}, C{ttl}, C{class}, C{type}, C{data} (in master file format);
  - C{edns}, or null: C{version}, C{flags}, C{payloadSize}, and C{options}, a list of C{code}, C{name}, C{value};
  - C{errors}: the extended errors of RFC 8914 as C{code}, C{name}, C{text};
  - C{source}: how the reply arrived, C{"udp"}, C{"tcp"}, C{"cache"}...; C{server}; C{milliseconds}; C{size} in octets, or null; C{when}.

A failed look-up is an object with C{question}, C{error}, C{kind}, C{server} and C{attempts}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twisted_ext.apps.cli.query.recordtext import Flags, classText, dataText, ttlText, typeText
from twisted_ext.apps.cli.terminal.colors import Palette
from twisted_ext.errors import BadMessage, DNSFault
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import (
    AA,
    AD,
    CD,
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
from twisted_ext.wire.edns import EDNS
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.options import optionFromWire
from twisted_ext.wire.records import RRSet, eachRecord
from twisted_ext.wire.rrtypes import TSIG, typeName

__all__ = [
    "PLAIN",
    "LookupOutcome",
    "dataOfRecords",
    "flagWords",
    "greeting",
    "linesOfRecords",
    "opcodeName",
    "renderFault",
    "renderJSON",
    "renderQuery",
    "renderShort",
    "renderText",
]

#: The flags for records on one line, with nothing omitted.
PLAIN: Final[Flags] = {
    "multiline": False,
    "ttlunits": False,
    "crypto": True,
    "rrcomments": False,
    "unknownformat": False,
    "ttlid": True,
    "class": True,
}

_FLAG_BITS: Final = ((QR, "qr"), (AA, "aa"), (TC, "tc"), (RD, "rd"), (RA, "ra"), (Z, "z"), (AD, "ad"), (CD, "cd"))

#: The columns of class, type and data, by whether TTL and class are displayed; the TTL is in column 24.
_COLUMNS: Final = {(True, True): (32, 40, 48), (True, False): (24, 32, 40), (False, True): (24, 32, 40), (False, False): (24, 24, 32)}
#: The same for C{+multiline}: one character apart.
_NARROW: Final = (24, 24, 24)
_TTL: Final = 24


@dataclass(slots=True, repr=False, eq=False)
class LookupOutcome:
    """
    The outcome of a look-up.

    @ivar message: the reply; constructed if the answer did not come in a message.
    @ivar source: the source of the answer: C{"udp"}, C{"tcp"}, C{"cache"}...
    @ivar server: the address and port of the server, as text.
    @ivar seconds: the time that the look-up took.
    @ivar when: when the reply arrived.
    @ivar truncated: whether it came by TCP because it did not fit into a datagram.
    """

    question: Question
    message: Message
    source: str
    server: str
    seconds: float
    when: datetime
    truncated: bool = False

    @property
    def size(self) -> int | None:
        """
        Octets received, or L{None} if no message was received.
        """
        return len(self.message.wire) or None


def renderShort(reply: LookupOutcome, flags: Flags) -> str:
    """
    Return the data of the answer section, one record per line; with C{identify} each line names the server.

    @param flags: as for L{renderText}.
    """
    behind = f" from server {reply.server} in {reply.seconds * 1000:.0f} ms." if flags["identify"] else ""
    unicode = bool(flags["idnout"])
    return "".join([f"{dataText(record, flags, unicode)}{behind}\n" for record in eachRecord(reply.message.answer)])


def renderText(reply: LookupOutcome, flags: Flags, palette: Palette, words: str | None = "") -> str:
    """
    Return a reply in the format of C{dig}.

    @param flags: as in L{QueryOptions.flags<twisted_ext.apps.cli.query.args.QueryOptions>}; C{idnout} is not L{None}.
    @param words: the arguments of the command, for the first line; L{None} if they have been printed already.
    """
    message = reply.message
    unicode = bool(flags["idnout"])
    comments = flags["comments"]
    lines: list[str] = []
    if reply.truncated and comments:
        lines.append(palette.comment(";; Truncated, retrying in TCP mode."))
    if flags["cmd"] and words is not None:
        lines += greeting(words, palette)
    if comments:
        lines += [palette.comment(";; Got answer:"), *_header(message, palette)]
        if message.edns is not None or flags["question"]:
            lines.append("")
        if message.edns is not None:
            lines += [palette.comment(line) for line in (";; OPT PSEUDOSECTION:", *_options(message.edns))]
    if flags["question"] and message.questions:
        if comments:
            lines.append(palette.comment(";; QUESTION SECTION:"))
        lines += [palette.comment(_question(question, flags, unicode)) for question in message.questions]
        if comments:
            lines.append("")
    sections = (("answer", message.answer), ("authority", message.authority), ("additional", message.additional))
    for name, section in sections:
        if flags[name] and section:
            if comments:
                lines.append(palette.comment(f";; {name.upper()} SECTION:"))
            lines += linesOfRecords(section, flags, palette, unicode)
            if comments:
                lines.append("")
    if message.trailer is not None and message.trailer.rrType == TSIG and flags["additional"]:
        if comments:
            lines.append(palette.comment(";; TSIG PSEUDOSECTION:"))
        lines += linesOfRecords((message.trailer,), flags, palette, unicode)
        if comments:
            lines.append("")
    if flags["stats"]:
        lines += [palette.comment(line) for line in _statistics(reply)]
        lines.append("")
    return "\n".join(lines) + "\n" if lines else ""


def greeting(words: str, palette: Palette) -> list[str]:
    """
    Return the first lines of the output, with the arguments of the command.
    """
    return ["", palette.comment(f"; <<>> txdns <<>> {printable(words)}"), palette.comment(";; global options: +cmd")]


def renderQuery(query: Message, flags: Flags, palette: Palette) -> str:
    """
    Return a query in the format of L{renderText}, for display before it is sent.
    """
    lines: list[str] = []
    if flags["comments"]:
        lines += [palette.comment(";; Sending:"), *_header(query, palette), ""]
        if query.edns is not None:
            lines += [palette.comment(line) for line in (";; OPT PSEUDOSECTION:", *_options(query.edns))]
    if flags["question"] and query.questions:
        if flags["comments"]:
            lines.append(palette.comment(";; QUESTION SECTION:"))
        lines += [palette.comment(_question(question, flags, bool(flags["idnout"]))) for question in query.questions]
        lines.append("")
    if flags["comments"]:
        lines += [palette.comment(f";; QUERY SIZE: {len(buildMessage(query))}"), ""]
    return "\n".join(lines) + "\n" if lines else ""


def _header(message: Message, palette: Palette) -> Iterator[str]:
    status = rcodeName(message.rcode)
    counts = [sum([len(rrset.rdatas) for rrset in section]) for section in (message.answer, message.authority, message.additional)]
    if message.edns is not None:
        counts[2] += 1
    opening = palette.comment(f";; ->>HEADER<<- opcode: {opcodeName(message.opcode)}, status: ")
    yield opening + palette.status(status) + palette.comment(f", id: {message.id}")
    flags = "".join([f" {word}" for word in flagWords(message)])
    yield palette.comment(
        f";; flags:{flags}; QUERY: {len(message.questions)}, ANSWER: {counts[0]}, AUTHORITY: {counts[1]}, ADDITIONAL: {counts[2]}"
    )
    if message.flags & RD and not message.flags & RA and message.flags & QR:
        yield palette.comment(";; WARNING: recursion requested but not available")


def opcodeName(number: int, unknown: str = "RESERVED") -> str:
    """
    Return the mnemonic of an opcode, or its number with C{unknown} as a prefix.
    """
    return Opcode(number).name if number in Opcode._value2member_map_ else f"{unknown}{number}"


def flagWords(message: Message) -> list[str]:
    """
    Return the names of the header flags that are set, as C{dig} writes them.
    """
    return [word for bit, word in _FLAG_BITS if message.flags & bit]


def _options(edns: EDNS) -> Iterator[str]:
    flags = " do" if edns.flags & DO else ""
    rest = edns.flags & ~DO
    unknown = f"; MBZ: {rest:#06x}, " if rest else "; "
    yield f"; EDNS: version: {edns.version}, flags:{flags}{unknown}udp: {edns.payloadSize}"
    for code, octets in edns.options:
        try:
            yield f"; {optionFromWire(code, octets).toText()}"
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
    """
    Return a line for each record, in columns.
    """
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
    yield f";; Query time: {reply.seconds * 1000:.0f} msec"
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
    """
    Return one line of JSON, as described above.
    """
    from json import dumps

    return dumps(replyData(reply)) + "\n"


def renderFault(question: Question, fault: DNSFault) -> str:
    """
    Return one line of JSON for a failed look-up: C{question}, C{error}, C{kind}, C{server}, C{attempts}.
    """
    from json import dumps

    data = {
        "question": _questionData(question),
        "error": str(fault),
        "kind": type(fault).__name__,
        "server": fault.server,
        "attempts": fault.attempts,
    }
    return dumps(data) + "\n"


def replyData(reply: LookupOutcome) -> dict[str, object]:
    """
    Return the object that L{renderJSON} writes.
    """
    message = reply.message
    edns = message.edns
    return {
        "question": _questionData(reply.question),
        "id": message.id,
        "opcode": opcodeName(message.opcode, "OPCODE"),
        "rcode": rcodeName(message.rcode),
        "flags": flagWords(message),
        "answer": dataOfRecords(message.answer),
        "authority": dataOfRecords(message.authority),
        "additional": dataOfRecords(message.additional),
        "edns": None
        if edns is None
        else {
            "version": edns.version,
            "flags": ["do"] if edns.flags & DO else [],
            "payloadSize": edns.payloadSize,
            "options": [_optionData(code, octets) for code, octets in edns.options],
        },
        "errors": [
            {
                "code": int.from_bytes(octets[:2], "big"),
                "name": EDE_NAMES.get(int.from_bytes(octets[:2], "big"), ""),
                "text": octets[2:].decode("utf-8", "replace").rstrip("\x00"),
            }
            for code, octets in (edns.options if edns is not None else ())
            if code == 15 and len(octets) >= 2
        ],
        "source": reply.source,
        "server": reply.server,
        "milliseconds": round(reply.seconds * 1000, 3),
        "size": reply.size,
        "when": reply.when.isoformat(timespec="seconds"),
    }


def _questionData(question: Question) -> dict[str, str]:
    return {"name": nameToText(question.name), "type": typeName(question.rrType), "class": className(question.rrClass)}


def dataOfRecords(section: tuple[RRSet, ...]) -> list[dict[str, str | int]]:
    """
    Return a JSON object for each record.
    """
    return [
        {
            "name": nameToText(record.name),
            "ttl": record.ttl,
            "class": className(record.rrClass),
            "type": typeName(record.rrType),
            "data": dataText(record, PLAIN),
        }
        for record in eachRecord(section)
    ]


def _optionData(code: int, octets: bytes) -> dict[str, str | int]:
    try:
        value = optionFromWire(code, octets).valueToText()
    except BadMessage:
        value = octets.hex()
    return {"code": code, "name": OPTION_NAMES.get(code, f"OPT{code}"), "value": value}
