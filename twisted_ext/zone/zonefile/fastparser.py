"""
The fast path for master files: single-line records without quotes, escapes and parentheses. Anything unusual is left to
L{the reader<twisted_ext.zone.zonefile.reader>}, which reports what is wrong with it, if anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import CallerFault
from twisted_ext.wire.codes import IN
from twisted_ext.wire.rdata.fields import MOST_RDATA
from twisted_ext.wire.rdata.text import headFromTokens
from twisted_ext.wire.rdata.times import secondsFromDuration
from twisted_ext.wire.rrtypes import AAAA, ALIAS, RRSIG, TXT, A, isMeta
from twisted_ext.wire.tokens import Tokens
from twisted_ext.zone.store.imagebuilder import LONG
from twisted_ext.zone.store.nodes import SAYING, TO_APEX
from twisted_ext.zone.zonefile.rdatacache import LENGTHS, keep, parserOf, rdataFrom

if TYPE_CHECKING:
    from twisted_ext.zone.zonefile.reader import Reader

__all__ = ["Form", "Forms", "MOST_TTL", "Step", "formsOf", "gathered", "skim"]

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

_BLANK: Final = 0x20
_BLANKS: Final = b" \t"
_COMMENT: Final = 0x3B
_DOLLAR: Final = 0x24

#: Forms that are cached; files with more of them are only slower.
_REMEMBERED: Final = 8192

#: Added to the type covered by a signature, as its kind: signatures of different types are different RRsets.
_SIGNATURES: Final = 0x10000

#: TTLs for which forms are cached.
_TTLS: Final = 16

class Form:
    """
    The parsed words between owner and rdata.

    @ivar head: the octets after the owner's labels up to the rdata, with its length if that is fixed.
    @ivar kind: the kind of rdata.
    @ivar ttl: the TTL, if there is one among the words.
    @ivar parser: for rdata of the last kind.
    @ivar mark: the flags that the type gives a name (L{SAYING}).
    """

    __slots__ = ("head", "kind", "rrType", "ttl", "parser", "mark")

    def __init__(self, head: bytes, kind: int, rrType: int, ttl: int | None) -> None:
        self.head = head
        self.kind = kind
        self.rrType = rrType
        self.ttl = ttl
        self.parser = parserOf(rrType)
        self.mark = SAYING.get(rrType, 0)


class Step:
    """
    A word between owner and rdata.

    @ivar form: what it stands for as the last one, after those before it.
    @ivar following: the words after it, if it is not the last one.
    """

    __slots__ = ("form", "following")

    def __init__(self) -> None:
        self.form: Form | None = None
        self.following: dict[bytes, Step] = {}


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
        following = self.heads
        step = Step()
        for word in words:
            known = following.get(word)
            step = following[word] = Step() if known is None else known
            following = step.following
        step.form = form
        self._count += 1


def skim(reader: Reader, lines: Iterator[bytes]) -> bytes | None:
    """
    Take records up to a line that is not a record of the usual kind.

    @param lines: the lines; an entry that L{linesOf<twisted_ext.zone.zonefile.scanner.linesOf>} has made one line counts as one.

    @return: that line, or L{None} at the end.
    """
    if not reader.quick:
        return next(lines, None)
    names = reader.names
    builder, nodes = reader.reading.builder, reader.nodes
    pton, lengths, suffix, cut = inet_pton, LENGTHS, names.suffix, -len(names.suffix)
    tail, heads = names.roomyTail(), reader.forms.heads
    labels = None if reader.outside else reader.owner
    # The owner as written in the line that set C{labels}.
    owner = spelled = b""
    said: Form | None = None
    # Adjacent records of one name, which are stored together: its key, the records, their number, kinds and flags, the last record and its
    # kind, whether it is the only one of that, and whether the RRsets may be incomplete, have duplicates or different TTLs.
    key = run = last = b""
    count = kind = before = mark = 0
    kinds: list[int] = []
    alone = mixed = False
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
                        found = names.labels(owner)
            step = heads.get(words[at])
            while step is not None and step.form is None:
                at += 1
                step = step.following.get(words[at])
            if step is not None and found is not None:
                form = step.form
                assert form is not None
                kind = form.rrType
                if form.kind == _OTHER:
                    octets = form.parser.parse(words, at + 1, names)
                    record = found + form.head + _short(len(octets)) + octets
                    if kind == RRSIG:
                        kind = _SIGNATURES | octets[0] << 8 | octets[1]
                elif len(words) != at + 2:
                    raise ValueError(line)
                elif form.kind == _A:
                    record = found + form.head + pton(AF_INET, words[-1].decode())
                else:
                    record = found + form.head + pton(AF_INET6, words[-1].decode())
                spelled = owner
                if found is labels and count and len(run) < LONG:
                    if count == 1:
                        kinds = [before]
                        alone = True
                    if kind not in kinds:
                        kinds.append(kind)
                        alone = True
                    else:
                        mixed = mixed or not alone or kind != before or form is not said or record.lower() == last.lower()
                        alone = False
                    count += 1
                    run += record
                    mark |= form.mark
                else:
                    if count and (count > 1 or mark or nodes.setdefault(key, run) is not run):
                        builder.store(key, run, count, mark, mixed)
                    labels = found
                    key = found.lower()
                    run = record
                    count = 1
                    mark = form.mark
                    mixed = False
                last = record
                before = kind
                said = form
                continue
        except (ValueError, OSError, LookupError, StructError):
            pass
        if not words or line[0] == _COMMENT:
            continue
        if count:
            builder.store(key, run, count, mark, mixed)
            count = 0
        if said is not None:
            _settle(reader, labels, said)
            said = None
        if not _other(reader, line, words):
            return line
        labels = None if reader.outside else reader.owner
        spelled = b""
        tail, heads = names.roomyTail(), reader.forms.heads
    if count:
        builder.store(key, run, count, mark, mixed)
    if said is not None:
        _settle(reader, labels, said)
    return None


def _settle(reader: Reader, labels: bytes | None, form: Form) -> None:
    """
    Store in the reader what later records inherit from the last one: its owner and its TTL.
    """
    reader.owner = labels
    reader.outside = False
    if form.ttl is not None:
        reader.lastTTL = form.ttl


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
    if close < 0 or not end or not reader.quick:
        return 0
    text = data[start:end]
    if b'"' not in text and b"\\" not in text:
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
            reader.names.follow(reader.names.name(words[1]))
            return True
    except (ValueError, LookupError):
        pass
    return False


def _taken(reader: Reader, line: bytes, words: list[bytes], quote: int) -> bool:
    labels: bytes | None
    try:
        if line[0] > _BLANK:
            labels = reader.names.labels(words[0])
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
            rdata = _strings(line, quote) if form.rrType == TXT and words[behind][:1] == b'"' else None
        else:
            rdata = _rdata(reader, form, words, behind)
    except (CallerFault, ValueError, OSError, LookupError, StructError):
        return False
    if rdata is None or len(rdata) > MOST_RDATA:
        return False
    record = labels + form.head + (rdata if form.kind < _OTHER else _short(len(rdata)) + rdata)
    reader.place(labels, form.rrType, record)
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
    kind, rrType, names = form.kind, form.rrType, reader.names
    if kind < _OTHER:
        (value,) = words[at:]
        return inet_pton(AF_INET if kind == _A else AF_INET6, value.decode())
    with suppress(ValueError, LookupError, StructError):
        return form.parser.parse(words, at, names)
    values = words[at:]
    tokens = Tokens.ofWords([value.decode("ascii") for value in values], names.origin)
    rdata = rdataFrom(rrType, tokens)
    if tokens.remarks:
        return None
    keep(rrType, values, rdata)
    return rdata


def _formOf(reader: Reader, words: list[bytes], at: int) -> tuple[int, Form | None]:
    """
    Return the index of the first word of the rdata, and the form of those before it, which is cached; L{None} if the reader has to parse
    them.
    """
    step = reader.forms.heads.get(words[at])
    behind = at + 1
    while step is not None and step.form is None:
        step = step.following.get(words[behind])
        behind += 1
    if step is not None:
        return behind, step.form
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
        form = Form(head, kind, rrType, ttl)
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
