"""
The fast path for master files: single-line records without quotes, escapes and parentheses. Anything unusual is left to
L{the reader<twisted_ext.zone.zonefile.reader>}, which reports what is wrong with it, if anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache, partial
from socket import AF_INET, AF_INET6, inet_pton
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.wire.codes import IN
from twisted_ext.wire.names import MOST_OCTETS, isBelow
from twisted_ext.wire.rdata.fields import MOST_RDATA
from twisted_ext.wire.rdata.times import secondsFromDuration
from twisted_ext.wire.rrtypes import AAAA, ALIAS, SOA, TXT, A, isMeta
from twisted_ext.wire.text import headFromTokens
from twisted_ext.wire.tokens import Tokens
from twisted_ext.zone.store.imagebuilder import LONG
from twisted_ext.zone.store.nodes import SAYING, TO_APEX
from twisted_ext.zone.zonefile.rdatacache import ReadRdata, keep, rdataFrom, readerOf

if TYPE_CHECKING:
    from twisted_ext.zone.zonefile.reader import Reader

__all__ = ["Form", "Forms", "MOST_TTL", "formsOf", "gathered", "skim"]

#: The parsed words between owner and rdata: the octets after the owner's labels up to the rdata (with its length if that is fixed), the
#: kind of rdata, the type, the TTL if there is one, the reader of the rdata, and the flags that the type gives a name (L{SAYING}).
Form = tuple[bytes, int, int, int | None, ReadRdata, int]

#: The form that the first of these words stands for alone, or a table for the words after it.
Step = Form | dict[bytes, "Step"]

#: The length octet of a label by its length; other lengths raise L{LookupError}.
_LENGTHS: Final = {number: bytes([number]) for number in range(1, 64)}

#: Characters of plain names besides letters and digits.
_BESIDE: Final = b"-_*/."

_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9_*/-]{1,63}\.)*[A-Za-z0-9_*/-]{1,63}\.?")

_SPECIAL: Final = re.compile(rb'["();\\]')

_REMARK: Final = re.compile(rb";[^\n]*")

_UNBRACED: Final = bytes.maketrans(b"()", b"  ")

#: Maximum TTL in seconds (RFC 2181, section 8).
MOST_TTL: Final = 0x7FFFFFFF

#: Kinds of rdata: an IPv4 address, an IPv6 address, everything else.
_A: Final = 0
_AAAA: Final = 1
_OTHER: Final = 2

_KINDS: Final = {A: _A, AAAA: _AAAA}

_head: Final = Struct(">HHHI").pack
_short: Final = Struct(">H").pack
_long: Final = Struct(">I").pack
_numbers: Final = Struct(">IIII").pack

_BLANK: Final = 0x20
_BLANKS: Final = b" \t"
_COMMENT: Final = 0x3B
_DOLLAR: Final = 0x24

#: Forms and names that are cached; files with more of them are only slower.
_REMEMBERED: Final = 8192

#: TTLs for which forms are cached.
_TTLS: Final = 16

#: Length of the origin up to which any owner of one label is a valid name.
_ROOMY: Final = 190


class Forms:
    """
    Cached forms of the words between owner and rdata under one $TTL, as a tree of words, since their number is not known in advance.

    @ivar heads: the tree by the first word.
    """

    def __init__(self) -> None:
        self.heads: dict[bytes, Step] = {}
        self._count = 0

    def learn(self, words: tuple[bytes, ...], form: Form) -> None:
        """
        Cache the form of some words. Clear the cache first if it is full.
        """
        if self._count >= _REMEMBERED:
            self.heads.clear()
            self._count = 0
        step = self.heads
        for word in words[:-1]:
            following = step.get(word)
            if not isinstance(following, dict):
                following = step[word] = {}
            step = following
        step[words[-1]] = form
        self._count += 1


def skim(reader: Reader, lines: Iterator[bytes]) -> bytes | None:
    """
    Take records up to a line that is not a record of the usual kind.

    @param lines: the lines; an entry that L{joined<twisted_ext.zone.zonefile.scanner.joined>} has made one line counts as one.

    @return: that line, or L{None} at the end.
    """
    if not reader.quick:
        return next(lines, None)
    nodes, counts, mixed, marks, suffix = reader.nodes, reader.counts, reader.mixed, reader.marks, reader.suffix
    get, pton, lengths, cut = nodes.get, inet_pton, _LENGTHS, -len(suffix)
    tail, heads, name = _roomyTail(reader), reader.forms.heads, partial(_name, reader)
    labels = None if reader.outside else reader.owner
    # The owner as written in the line that set C{labels}.
    owner = spelled = b""
    said: Form | None = None
    for line in lines:
        words = line.split()
        try:
            at = 0
            found = labels
            if line[0] > _BLANK:
                at = 1
                owner = words[0]
                if owner != spelled:
                    if tail is not None and owner.isalnum():
                        found = lengths[len(owner)] + owner + tail
                    elif tail is not None and owner.endswith(suffix) and owner[:cut].isalnum():
                        found = lengths[len(owner) + cut] + owner[:cut]
                    else:
                        found = _labels(reader, owner)
            form = heads.get(words[at])
            while isinstance(form, dict):
                at += 1
                form = form.get(words[at])
            if form is not None and found is not None:
                key = found.lower()
                kind = form[1]
                if kind == _OTHER:
                    octets = form[4](words, at + 1, name)
                    record = found + form[0] + _short(len(octets)) + octets
                    mark = form[5]
                    if mark:
                        marks[key] = marks.get(key, 0) | mark
                elif len(words) != at + 2:
                    raise ValueError(line)
                elif kind == _A:
                    record = found + form[0] + pton(AF_INET, words[-1].decode())
                else:
                    record = found + form[0] + pton(AF_INET6, words[-1].decode())
                labels = found
                spelled = owner
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
        except (ValueError, OSError, LookupError, StructError):
            pass
        if not words or line[0] == _COMMENT:
            continue
        if said is not None:
            _settle(reader, labels, said)
            said = None
        if not _other(reader, line, words):
            return line
        labels = None if reader.outside else reader.owner
        spelled = b""
        tail, heads = _roomyTail(reader), reader.forms.heads
    if said is not None:
        _settle(reader, labels, said)
    return None


def _roomyTail(reader: Reader) -> bytes | None:
    """
    Return the origin's labels above the apex, if every owner of one label is a valid name in the zone.
    """
    return reader.tail if len(reader.origin) <= _ROOMY else None


def _settle(reader: Reader, labels: bytes | None, form: Form) -> None:
    """
    Store in the reader what later records inherit from the last one: its owner and its TTL.
    """
    reader.owner = labels
    reader.outside = False
    if form[3] is not None:
        reader.lastTTL = form[3]


def _other(reader: Reader, line: bytes, words: list[bytes]) -> bool:
    """
    Take a single-line record of any form and type, or a directive.

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
    Take a multi-line record in parentheses without quotes or escapes.

    @param most: its maximum size in octets.

    @return: where it ends, or 0 if it could not be taken.
    """
    close = data.find(b")", start, start + most)
    end = data.find(b"\n", close, start + most) + 1
    text = data[start:end]
    if close > 0 and end and reader.quick and b'"' not in text and b"\\" not in text:
        if b";" in text:
            text = _REMARK.sub(b"", text)
        opened = text.find(b"(", 0, text.find(b"\n"))
        if text.count(b"(") == 1 == text.count(b")") and 0 <= opened < text.find(b")") and text.rfind(b")") > text.rfind(b"\n", 0, -1):
            words = text.translate(_UNBRACED).split()
            if words and _taken(reader, text, words, 0):
                return end
    return 0


def _directive(reader: Reader, words: list[bytes]) -> bool:
    try:
        if len(words) == 2 and words[0] == b"$TTL":
            reader.setTTL(secondsFromDuration(words[1].decode("ascii")))
            return True
        if len(words) == 2 and words[0] == b"$ORIGIN" and words[1][-1:] == b".":
            reader.setOrigin(_name(reader, words[1]))
            return True
    except (ValueError, LookupError):
        pass
    return False


def _taken(reader: Reader, line: bytes, words: list[bytes], quote: int) -> bool:
    labels: bytes | None
    try:
        if line[0] > _BLANK:
            labels = _labels(reader, words[0])
            at = 1
        else:
            labels = reader.owner if line[0] in b" \t" and not reader.outside else None
            at = 0
        if labels is None:
            return False
        behind, form = _formOf(reader, words, at)
        if form is None:
            return False
        if quote:
            rdata = _strings(line, quote) if form[2] == TXT and words[behind][:1] == b'"' else None
        else:
            rdata = _rdata(reader, form, words, behind)
    except (CallerFault, ValueError, OSError, LookupError, StructError):
        return False
    if rdata is None or len(rdata) > MOST_RDATA:
        return False
    record = labels + form[0] + (rdata if form[1] < _OTHER else _short(len(rdata)) + rdata)
    reader.place(labels, form[2], record)
    _settle(reader, labels, form)
    return True


def _strings(line: bytes, start: int) -> bytes | None:
    """
    Return the rdata of quoted strings at the end of a line, with blanks between them.
    """
    text = line[start:]
    if b"\\" in text:
        return None
    parts = text.split(b'"')
    inside = parts[1::2]
    between = parts[2:-1:2]
    if len(parts) % 2 == 0 or parts[-1].strip() or any(part.strip(_BLANKS) or not part for part in between) or max(map(len, inside)) > 255:
        return None
    return b"".join([bytes([len(string)]) + string for string in inside])


def _rdata(reader: Reader, form: Form, words: list[bytes], at: int) -> bytes | None:
    kind, rrType = form[1], form[2]
    if kind < _OTHER:
        (value,) = words[at:]
        return inet_pton(AF_INET if kind == _A else AF_INET6, value.decode())
    with suppress(ValueError, LookupError, StructError):
        return form[4](words, at, partial(_name, reader))
    values = words[at:]
    if rrType == SOA and len(values) == 7 and values[2].isdigit() and len(values[2]) <= 10 and int(values[2]) <= 0xFFFFFFFF:
        return _name(reader, values[0]) + _name(reader, values[1]) + _long(int(values[2])) + _times(tuple(values[3:]))
    tokens = Tokens.ofWords([value.decode("ascii") for value in values], reader.origin)
    rdata = rdataFrom(rrType, tokens)
    if tokens.remarks:
        return None
    keep(rrType, values, rdata)
    return rdata


@lru_cache(_REMEMBERED)
def _times(words: tuple[bytes, ...]) -> bytes:
    """
    @param words: the last four words of the rdata of an SOA record, which are the same in most zones of one operator.
    """
    return _numbers(*[secondsFromDuration(word.decode("ascii")) for word in words])


def _labels(reader: Reader, word: bytes) -> bytes | None:
    """
    Return the owner's labels above the apex, or L{None} if it is outside of the zone.

    @raise ValueError: the word is not a plain name; L{LookupError} is raised for that as well.
    """
    if word.endswith(reader.suffix):
        labels = _wire(word[: -len(reader.suffix)])
    elif reader.under and word.endswith(reader.under):
        labels = _wire(word[: -len(reader.under)])
    elif reader.tail is None or word[-1:] in (b".", b"@"):
        name = _name(reader, word)
        return name[: len(name) - len(reader.apex)] if isBelow(name.lower(), reader.apex) else None
    else:
        labels = _wire(word) + reader.tail
    return labels if len(labels) + len(reader.apex) <= MOST_OCTETS else None


def _wire(text: bytes) -> bytes:
    """
    @param text: labels without a final dot.

    @raise ValueError: a label is not plain; L{LookupError} is raised for one that is empty or too long.
    """
    if not text.translate(None, _BESIDE).isalnum() and not _PLAIN.fullmatch(text):
        raise ValueError(text)
    first, dot, others = text.partition(b".")
    if b"." in others:
        return b"".join([_LENGTHS[len(label)] + label for label in text.split(b".")])
    return _LENGTHS[len(first)] + first + _LENGTHS[len(others)] + others if dot else _LENGTHS[len(first)] + first


def _name(reader: Reader, word: bytes) -> bytes:
    """
    @raise ValueError: the word is not a plain name; L{LookupError} is raised for that as well.
    """
    name = reader.names.get(word)
    if name is not None:
        return name
    if word[-1:] != b".":
        name = _wire(word) + reader.origin
    elif word.endswith(reader.suffix):
        name = _wire(word[: -len(reader.suffix)]) + reader.apexName
    else:
        name = _wire(word[:-1]) + b"\x00"
    if len(name) > MOST_OCTETS:
        raise ValueError(word)
    if len(reader.names) >= _REMEMBERED:
        reader.names.clear()
    reader.names[word] = name
    return name


def _formOf(reader: Reader, words: list[bytes], at: int) -> tuple[int, Form | None]:
    """
    Return the index of the first word of the rdata, and the form of those before it, which is cached; L{None} if the reader has to parse
    them.
    """
    step = reader.forms.heads.get(words[at])
    behind = at + 1
    while isinstance(step, dict):
        step = step.get(words[behind])
        behind += 1
    if step is not None:
        return behind, step
    for behind in range(at + 1, min(at + 4, len(words) + 1)):
        said = tuple(words[at:behind])
        known = _understood(said)
        if known is None:
            continue
        ttl, rrType = known
        seconds = reader.ttl if ttl is None else ttl
        if seconds is None or seconds > MOST_TTL:
            break
        kind = _KINDS.get(rrType, _OTHER)
        head = _head(TO_APEX, rrType, IN, seconds)
        if kind < _OTHER:
            head += b"\x00\x04" if kind == _A else b"\x00\x10"
        form = (head, kind, rrType, ttl, readerOf(rrType), SAYING.get(rrType, 0))
        reader.forms.learn(said, form)
        return behind, form
    return 0, None


def formsOf(ttl: int | None) -> Forms:
    """
    Return the cached forms under that TTL, shared by all zones.
    """
    forms = _forms.get(ttl)
    if forms is None:
        if len(_forms) >= _TTLS:
            _forms.clear()
        forms = _forms[ttl] = Forms()
    return forms


_forms: Final[dict[int | None, Forms]] = {}


@lru_cache(_REMEMBERED)
def _understood(words: tuple[bytes, ...]) -> tuple[int | None, int] | None:
    """
    Return TTL and type from the words between owner and rdata; L{None} if the words are incomplete or not plain.
    """
    try:
        tokens = Tokens.ofWords([word.decode("ascii") for word in words], None)
        rrClass, ttl, rrType = headFromTokens(tokens)
    except (CallerFault, ValueError):
        return None
    # The mnemonic ALIAS sets a flag of the image besides the type.
    return (ttl, rrType) if not tokens.more() and rrClass in (None, IN) and not isMeta(rrType) and rrType != ALIAS else None
