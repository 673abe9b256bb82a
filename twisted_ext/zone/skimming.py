"""
The fast path through master files: lines that are one record each, without quotes, escapes and parentheses. Whatever is not quite as
usual is left to L{reading<twisted_ext.zone.reading>}, which says what is wrong with it where something is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from socket import AF_INET, AF_INET6, inet_pton
from struct import Struct
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import MOST_OCTETS, isBelow
from twisted_ext.wire.rdata.fields import MOST_RDATA
from twisted_ext.wire.rdata.times import secondsFromDuration
from twisted_ext.wire.rrtypes import isMeta
from twisted_ext.wire.text import headFromTokens
from twisted_ext.wire.tokens import Tokens
from twisted_ext.zone.building import LONG, SAYING
from twisted_ext.zone.converting import converted, keep
from twisted_ext.zone.fitness import rdataFrom

if TYPE_CHECKING:
    from twisted_ext.zone.reading import Reader

__all__ = ["Form", "MOST_TTL", "formsOf", "gathered", "skim"]

#: What the words between owner and rdata come to: the octets behind the owner's labels up to the rdata (its length included where it is
#: fixed), how rdata are read, the type, the TTL if it is said.
Form = tuple[bytes, int, int, int | None]

_LENGTHS: Final = [bytes([number]) for number in range(64)]

_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9_*/-]{1,63}\.)*[A-Za-z0-9_*/-]{1,63}\.?")

_SPECIAL: Final = re.compile(rb'["();\\]')

_REMARK: Final = re.compile(rb";[^\n]*")

_UNBRACED: Final = bytes.maketrans(b"()", b"  ")

#: Seconds that a TTL may have (RFC 2181, section 8).
MOST_TTL: Final = 0x7FFFFFFF

#: Kinds of rdata: an address of either family, one name, all others.
_A: Final = 0
_AAAA: Final = 1
_NAME: Final = 2
_OTHER: Final = 3

_KINDS: Final = {1: _A, 28: _AAAA, 2: _NAME, 5: _NAME, 12: _NAME, 39: _NAME}

_head: Final = Struct(">HHHI").pack
_short: Final = Struct(">H").pack
_long: Final = Struct(">I").pack
_numbers: Final = Struct(">IIII").pack

_TO_APEX: Final = 0xC00C
_BLANK: Final = 0x20
_COMMENT: Final = 0x3B
_DOLLAR: Final = 0x24
_MX: Final = 15
_SOA: Final = 6
_TXT: Final = 16

#: Forms and names that are remembered; files in which they vary without end are slower, no more.
_REMEMBERED: Final = 8192

#: TTLs of zones whose forms are remembered.
_TTLS: Final = 16

#: Octets that the origin may have for owners of one label to be certain of having room.
_ROOMY: Final = 190


def skim(reader: Reader, lines: Iterator[bytes]) -> bytes | None:
    """
    Take records up to a line that is none, or none of the usual kind.

    @return: that line, or L{None} where there are no more.
    """
    tail = reader.tail
    if tail is None or not _usable(reader):
        return next(lines, None)
    nodes, counts, mixed, suffix = reader.nodes, reader.counts, reader.mixed, reader.suffix
    usual, get, pton, lengths, cut = reader.forms.get, nodes.get, inet_pton, _LENGTHS, -len(suffix)
    labels = None if reader.outside else reader.owner
    said: Form | None = None
    for line in lines:
        words = line.split()
        try:
            count = len(words)
            if line[0] <= _BLANK:
                *middle, rdata = words
                form = None if labels is None else usual(tuple(middle))
                found = labels
            else:
                if count == 4:
                    owner, one, two, rdata = words
                    form = usual((one, two))
                elif count == 3:
                    owner, one, rdata = words
                    form = usual((one,))
                else:
                    owner, one, two, three, rdata = words
                    form = usual((one, two, three))
                if owner.isalnum():
                    found = lengths[len(owner)] + owner + tail
                elif owner.endswith(suffix) and owner[:cut].isalnum():
                    found = lengths[len(owner) + cut] + owner[:cut]
                else:
                    found = tail if owner == b"@" else None
            if form is not None and found is not None and form[1] < _OTHER:
                key = found.lower()
                kind = form[1]
                if kind == _A:
                    record = found + form[0] + pton(AF_INET, rdata.decode())
                elif kind == _AAAA:
                    record = found + form[0] + pton(AF_INET6, rdata.decode())
                else:
                    name = _name(reader, rdata)
                    record = found + form[0] + _short(len(name)) + name
                    mark = SAYING.get(form[2])
                    if mark:
                        reader.marks[key] = reader.marks.get(key, 0) | mark
                labels = found
                said = form
                before = get(key)
                if not before:
                    nodes[key] = record
                    continue
                if len(before) < LONG:
                    nodes[key] = before + record
                else:
                    reader.lengthen(key, record)
                if counts.get(key, 1) > 1:
                    counts[key] += 1
                    mixed.add(key)
                else:
                    counts[key] = 2
                    place = len(key) + 2
                    if before[place : place + 2] == record[place : place + 2]:
                        mixed.add(key)
                continue
        except (ValueError, OSError, LookupError):
            pass
        if not words or line[0] == _COMMENT:
            continue
        if said is not None:
            _settle(reader, labels, said)
            said = None
        if not _other(reader, line, words):
            return line
        labels = None if reader.outside else reader.owner
        usual = reader.forms.get
        if reader.tail is not tail:
            tail = reader.tail
            if tail is None or not _usable(reader):
                return next(lines, None)
    if said is not None:
        _settle(reader, labels, said)
    return None


def _usable(reader: Reader) -> bool:
    """
    @return: whether every owner of one label is a name of the zone.
    """
    return reader.tail is not None and len(reader.origin) <= _ROOMY and reader.quick


def _settle(reader: Reader, labels: bytes | None, form: Form) -> None:
    """
    Tell the reader what the record that was taken last says for those behind it.
    """
    reader.owner = labels
    reader.outside = False
    if form[3] is not None:
        reader.lastTTL = form[3]


def _other(reader: Reader, line: bytes, words: list[bytes]) -> bool:
    """
    Take a record of any form and type, or a directive.

    @return: whether it could be taken.
    """
    if line[0] == _DOLLAR:
        return _directive(reader, words)
    special = _SPECIAL.search(line)
    if special is not None:
        if special[0] == b";":
            line = line[: special.start()]
            words = line.split()
            if not words:
                return True
            special = None
        elif special[0] != b'"':
            return False
    return _taken(reader, line, words, 0 if special is None else special.start())


def gathered(reader: Reader, data: bytes, start: int, most: int) -> int:
    """
    Take a record that goes over several lines in parentheses, and has no quotes and escapes.

    @param most: octets that it may have.

    @return: where it ends, or 0 where it could not be taken.
    """
    close = data.find(b")", start, start + most)
    end = data.find(b"\n", close, start + most) + 1
    text = data[start:end]
    if close > 0 and end and reader.quick and reader.tail is not None and b'"' not in text and b"\\" not in text:
        if b";" in text:
            text = _REMARK.sub(b"", text)
        if text.count(b"(") == 1 == text.count(b")") and text.rfind(b")") > text.rfind(b"\n", 0, -1) and b"(" in text[: text.find(b"\n")]:
            words = text.translate(_UNBRACED).split()
            if words and _taken(reader, text, words, 0):
                return end
    return 0


def _directive(reader: Reader, words: list[bytes]) -> bool:
    if len(words) == 2 and words[0] == b"$TTL":
        try:
            reader.setTTL(secondsFromDuration(words[1].decode("ascii")))
        except ValueError:
            return False
        return True
    if len(words) == 2 and words[0] == b"$ORIGIN" and words[1][-1:] == b".":
        try:
            reader.setOrigin(_name(reader, words[1]))
        except ValueError:
            return False
        return True
    return False


def _taken(reader: Reader, line: bytes, words: list[bytes], quote: int) -> bool:
    """
    @param quote: where in the line the first quote is, or 0.
    """
    labels: bytes | None
    if line[0] > _BLANK:
        labels = _labels(reader, words[0])
        at = 1
    else:
        labels = reader.owner if line[0] in b" \t" and not reader.outside else None
        at = 0
    if labels is None:
        return False
    usual = reader.forms.get
    form = usual(tuple(words[at : at + 2]))
    behind = at + 2
    if form is None:
        form = usual(tuple(words[at : at + 1]))
        behind = at + 1
        if form is None:
            form = usual(tuple(words[at : at + 3]))
            behind = at + 3
            if form is None:
                behind, form = _learned(reader, words, at)
                if form is None:
                    return False
    values = words[behind:]
    rrType = form[2]
    try:
        if quote:
            rdata = _string(line, quote) if rrType == _TXT and len(values) and values[0][:1] == b'"' else None
        else:
            rdata = _rdata(reader, form, values)
    except (CallerFault, ValueError, OSError, LookupError):
        return False
    if rdata is None or len(rdata) > MOST_RDATA:
        return False
    record = labels + form[0] + (rdata if form[1] < _NAME else _short(len(rdata)) + rdata)
    reader.place(labels, rrType, record)
    reader.owner = labels
    reader.outside = False
    if form[3] is not None:
        reader.lastTTL = form[3]
    return True


def _string(line: bytes, start: int) -> bytes | None:
    """
    @return: the rdata of one quoted string that ends its line.
    """
    text = line[start:].rstrip()
    inside = text[1:-1]
    if len(text) < 2 or text[-1:] != b'"' or b'"' in inside or b"\\" in inside or len(inside) > 255:
        return None
    return bytes([len(inside)]) + inside


def _rdata(reader: Reader, form: Form, values: list[bytes]) -> bytes | None:
    kind, rrType = form[1], form[2]
    if kind < _OTHER:
        (value,) = values
        if kind == _NAME:
            return _name(reader, value)
        return inet_pton(AF_INET if kind == _A else AF_INET6, value.decode())
    if rrType == _MX and len(values) == 2 and values[0].isdigit() and len(values[0]) < 6:
        number = int(values[0])
        return _short(number) + _name(reader, values[1]) if number <= 0xFFFF else None
    if rrType == _SOA and len(values) == 7 and values[2].isdigit() and len(values[2]) <= 10 and int(values[2]) <= 0xFFFFFFFF:
        return _name(reader, values[0]) + _name(reader, values[1]) + _long(int(values[2])) + _times(tuple(values[3:]))
    rdata = converted(rrType, values, lambda word: _name(reader, word))
    if rdata is not None:
        return rdata
    tokens = Tokens.ofWords([value.decode("ascii") for value in values], reader.origin)
    rdata = rdataFrom(rrType, tokens)
    if tokens.remarks:
        return None
    keep(rrType, values, rdata)
    return rdata


def _times(words: tuple[bytes, ...]) -> bytes:
    """
    @param words: the last four of the rdata of an SOA record, which are the same in most zones of one owner.
    """
    known = _timers.get(words)
    if known is None:
        if len(_timers) >= _REMEMBERED:
            _timers.clear()
        known = _timers[words] = _numbers(*[secondsFromDuration(word.decode("ascii")) for word in words])
    return known


#: Times in SOA records of any zone.
_timers: Final[dict[tuple[bytes, ...], bytes]] = {}


def _labels(reader: Reader, word: bytes) -> bytes | None:
    """
    @return: the owner's labels above the apex, or L{None} where these are not certain.
    """
    labels = reader.owners.get(word)
    if labels is not None:
        return labels
    tail = reader.tail or b""
    if word == b"@":
        labels = tail
    elif not _PLAIN.fullmatch(word):
        return None
    elif word[-1:] == b".":
        name = _wire(word[:-1]) + b"\x00"
        if len(name) > MOST_OCTETS or not isBelow(name.lower(), reader.apex):
            return None
        labels = name[: len(name) - len(reader.apex)]
    else:
        labels = _wire(word) + tail
        if len(labels) + len(reader.apex) > MOST_OCTETS:
            return None
    if len(reader.owners) >= _REMEMBERED:
        reader.owners.clear()
    reader.owners[word] = labels
    return labels


def _wire(word: bytes) -> bytes:
    return b"".join([_LENGTHS[len(label)] + label for label in word.split(b".")])


def _name(reader: Reader, word: bytes) -> bytes:
    """
    @raise ValueError: the word is no name of the usual kind.
    """
    name = reader.names.get(word)
    if name is not None:
        return name
    if not _PLAIN.fullmatch(word):
        raise ValueError(word)
    name = _wire(word[:-1]) + b"\x00" if word[-1:] == b"." else _wire(word) + reader.origin
    if len(name) > MOST_OCTETS:
        raise ValueError(word)
    if len(reader.names) >= _REMEMBERED:
        reader.names.clear()
    reader.names[word] = name
    return name


def _learned(reader: Reader, words: list[bytes], at: int) -> tuple[int, Form | None]:
    """
    Look at the words between owner and rdata for the first time.

    @return: which word is the first one of the rdata, and what those before it come to; L{None} where they are for others to read.
    """
    for behind in range(at + 1, min(at + 4, len(words) + 1)):
        said = tuple(words[at:behind])
        if said not in _heads:
            if len(_heads) >= _REMEMBERED:
                _heads.clear()
            _heads[said] = _understood(said)
        known = _heads[said]
        if known is None:
            continue
        ttl, rrType = known
        seconds = reader.ttl if ttl is None else ttl
        if seconds is None or seconds > MOST_TTL:
            break
        kind = _KINDS.get(rrType, _OTHER)
        head = _head(_TO_APEX, rrType, IN, seconds)
        if kind < _NAME:
            head += b"\x00\x04" if kind == _A else b"\x00\x10"
        if len(reader.forms) >= _REMEMBERED:
            reader.forms.clear()
        form = reader.forms[said] = (head, kind, rrType, ttl)
        return behind, form
    return 0, None


def formsOf(ttl: int | None) -> dict[tuple[bytes, ...], Form]:
    """
    @param ttl: what C{$TTL} said, if there was one.

    @return: what words between owner and rdata come to under it, in whatever zone they are.
    """
    forms = _forms.get(ttl)
    if forms is None:
        if len(_forms) >= _TTLS:
            _forms.clear()
        forms = _forms[ttl] = {}
    return forms


_forms: Final[dict[int | None, dict[tuple[bytes, ...], Form]]] = {}

#: Words between owner and rdata of any zone: the TTL, if it is said, and the type; L{None} where they are not all there is between them.
_heads: Final[dict[tuple[bytes, ...], tuple[int | None, int] | None]] = {}


def _understood(words: tuple[bytes, ...]) -> tuple[int | None, int] | None:
    try:
        tokens = Tokens.ofWords([word.decode("ascii") for word in words], None)
        rrClass, ttl, rrType = headFromTokens(tokens)
    except (CallerFault, ValueError):
        return None
    return (ttl, rrType) if not tokens.more() and rrClass in (None, IN) and not isMeta(rrType) else None
