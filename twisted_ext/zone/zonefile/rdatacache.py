"""
Parses rdata in master files, with checks that rdata received from other servers does not undergo.

A fast path parses frequent rdata from plain words, mainly of DNSSEC records, in which the same types, TTLs and times recur: parts that are
new are parsed through the declaration of their type once, and then cached.

Plain names, whose labels have no escapes, are converted to wire format without a look at each octet.
"""

from __future__ import annotations

import re
from binascii import a2b_base64, unhexlify
from struct import Struct
from typing import Final

from twisted_ext.wire.names import MOST_OCTETS, ROOT, isBelow, nameEnd, nameToText
from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rdata.times import secondsFromDate, secondsFromDuration
from twisted_ext.wire.rrtypes import CDS, CNAME, DLV, DNAME, DS, MX, NS, NSEC, NSEC3, PTR, RRSIG, SOA, SRV, TA
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["LENGTHS", "PlainNames", "RdataParser", "flawOf", "keep", "parserOf", "rdataFrom"]

#: Octets of digests by the digest type of DS records (RFC 4034, section 5.1.4; RFC 4509; RFC 6605; RFC 5933; RFC 9558; RFC 9563).
_DIGEST_OCTETS: Final = {1: 20, 2: 32, 3: 32, 4: 48, 5: 32, 6: 32}

#: Octets of rdata beyond which a record fits into no message: the header, a question of at least five octets, and twelve octets of the
#: record precede it (RFC 1035, sections 4.1 and 4.2.2).
_ROOM: Final = 65535 - 12 - 5 - 12

#: Octets of a DS record before the digest.
_BEFORE_DIGEST: Final = 4

_DIGESTED: Final = frozenset((DS, CDS, TA, DLV))

#: Octets of an RRSIG record before its times, and the number of words for these.
_COVERING: Final = 8
_COVERING_WORDS: Final = 4

#: Words of an SOA record, and maximum digits of its serial number.
_START_WORDS: Final = 7
_SERIAL_DIGITS: Final = 10

#: Words before the hash of an NSEC3 record; characters and octets of a SHA-1 hash.
_HASHED_WORDS: Final = 4
_HASH_LETTERS: Final = 32
_HASH: Final = 20

#: Characters of a base 64 group.
_QUARTET: Final = 4

#: Characters of a signature or a digest above which the slow path checks whether the record fits into a message.
_LETTERS: Final = 8192

#: Characters of a time, and of the year, month, day and hour in it.
_TIME: Final = 14
_HOUR: Final = 10

_short: Final = Struct(">H").pack
_times: Final = Struct(">IIH").pack
_afterCovering: Final = Struct(">12xIH").unpack_from
_digested: Final = Struct(">HBB").pack
_weighed: Final = Struct(">HHH").pack
_serial: Final = Struct(">I").pack
_intervals: Final = Struct(">IIII").pack

#: Maximum digits of a number of 16 bits.
_DIGITS: Final = 5

#: Wire format by words with blanks between them, independent of the zone.
_covering: Final[dict[bytes, bytes]] = {}
_hashing: Final[dict[bytes, bytes]] = {}
_types: Final[dict[bytes, bytes]] = {}

#: Key tags by word, and times since which signatures are valid, which are few.
_tags: Final[dict[bytes, int]] = {}
_begins: Final[dict[bytes, int]] = {}

#: The last four numbers of SOA records, which are the same in most zones of one operator.
_starts: Final[dict[bytes, bytes]] = {}

#: The ends of signatures, which may be spread: seconds since 1970 by date and hour, and seconds in the hour by minute and second.
_hours: Final[dict[bytes, int]] = {}
_seconds: Final[dict[bytes, int]] = {}

_KEPT: Final = 8192

#: Maximum words of a record from which parts are cached: longer type lists are unusual.
_KEPT_WORDS: Final = 64

#: The length octet of a label by its length; other lengths raise L{LookupError}.
LENGTHS: Final = {number: bytes([number]) for number in range(1, 64)}

#: Characters of plain names besides letters and digits.
_BESIDE: Final = b"-_*/."

#: A dot, as the number of its octet: looking for a number takes a fifth of the time that looking for octets takes.
_DOT: Final = 0x2E

_PLAIN: Final = re.compile(rb"(?:[A-Za-z0-9_*/-]{1,63}\.)*[A-Za-z0-9_*/-]{1,63}\.?")

#: Names that are cached; files with more of them are only slower.
_REMEMBERED: Final = 32_768

#: Length of the origin up to which any owner of one label is a valid name.
_ROOMY: Final = 190


class PlainNames:
    """
    The names of one zone's master file, relative to the current origin.

    @ivar apexName: the zone's name, as given.
    @ivar apex: the same, folded.
    @ivar origin: the origin to which names without a final dot are relative.
    @ivar suffix: the zone's name with dots around it, which ends absolute owners directly below the apex.
    @ivar under: the suffix of relative owners below the apex if the origin is above it.
    @ivar tail: the origin's labels above the apex; L{None} if it is outside of the zone.
    @ivar cached: cached names by word, for the current origin.
    """

    __slots__ = ("apexName", "apex", "origin", "suffix", "under", "tail", "cached")

    def __init__(self, apex: bytes) -> None:
        self.apexName, self.apex = apex, apex.lower()
        self.suffix = b"." if apex == ROOT else b"." + nameToText(apex).encode("ascii")
        self.under = b""
        self.tail: bytes | None = None
        self.cached: dict[bytes, bytes] = {}
        self.origin = b""
        self.follow(apex)

    def follow(self, origin: bytes) -> None:
        """
        Set the origin.
        """
        if origin == self.origin:
            return
        self.origin = origin
        folded = origin.lower()
        self.tail = origin[: len(origin) - len(self.apex)] if isBelow(folded, self.apex) else None
        self.under = b""
        if self.tail is None and isBelow(self.apex, folded):
            # As in "$ORIGIN .", with all names written to their last label and without its dot.
            self.under = self.suffix[: -1 if origin == ROOT else -len(nameToText(origin)) - 1]
        self.cached.clear()
        self.cached[b"."] = b"\x00"
        self.cached[b"@"] = self.origin

    def roomyTail(self) -> bytes | None:
        """
        Return the origin's labels above the apex, if every owner of one label is a valid name in the zone.
        """
        return self.tail if len(self.origin) <= _ROOMY else None

    def labels(self, word: bytes) -> bytes | None:
        """
        Return the owner's labels above the apex, or L{None} if it is outside of the zone.

        @raise ValueError: the word is not a plain name; L{LookupError} is raised for that as well.
        """
        if word.endswith(self.suffix):
            labels = _wire(word[: -len(self.suffix)])
        elif self.under and word.endswith(self.under):
            labels = _wire(word[: -len(self.under)])
        elif self.tail is None or word[-1:] in (b".", b"@"):
            name = self.name(word)
            return name[: len(name) - len(self.apex)] if isBelow(name.lower(), self.apex) else None
        else:
            labels = _wire(word) + self.tail
        return labels if len(labels) + len(self.apex) <= MOST_OCTETS else None

    def name(self, word: bytes) -> bytes:
        """
        @raise ValueError: the word is not a plain name; L{LookupError} is raised for that as well.
        """
        name = self.cached.get(word)
        if name is not None:
            return name
        if word[-1] != _DOT:
            name = _wire(word) + self.origin
        elif word.endswith(self.suffix):
            name = _wire(word[: -len(self.suffix)]) + self.apexName
        else:
            name = _wire(word[:-1]) + b"\x00"
        if len(name) > MOST_OCTETS:
            raise ValueError(word)
        if len(self.cached) >= _REMEMBERED:
            self.cached.clear()
        self.cached[word] = name
        return name


def _wire(text: bytes) -> bytes:
    """
    @param text: labels without a final dot.

    @raise ValueError: a label is not plain; L{LookupError} is raised for one that is empty or too long.
    """
    if not text.isalnum() and not text.translate(None, _BESIDE).isalnum() and not _PLAIN.fullmatch(text):
        raise ValueError(text)
    if _DOT not in text:
        return LENGTHS[len(text)] + text
    first, _, others = text.partition(b".")
    if _DOT in others:
        return b"".join([LENGTHS[len(label)] + label for label in text.split(b".")])
    return LENGTHS[len(first)] + first + LENGTHS[len(others)] + others


def flawOf(rrType: int, rdata: bytes) -> str:
    """
    Check rdata for flaws that its syntax allows.

    @param rdata: well-formed rdata of its type.

    @return: what is wrong with it; empty in most cases.
    """
    if rrType in _DIGESTED:
        count, wanted = len(rdata) - _BEFORE_DIGEST, _DIGEST_OCTETS.get(rdata[3])
        if wanted not in (None, count):
            return f"a digest of {count} octets; type {rdata[3]} gives {wanted}"
    return ""


def rdataFrom(rrType: int, tokens: Tokens) -> bytes:
    """
    Parse the rdata of a record from the remaining words.

    @raise BadRecord: it is not valid for its type, or has a flaw.
    """
    rdata = declarationOf(rrType).fromTokens(tokens).wire
    if flaw := flawOf(rrType, rdata):
        raise badRecord(flaw, tokens.column)
    if len(rdata) > _ROOM:
        text = f"{len(rdata)} octets; a message has room for {_ROOM}, so neither this record nor a transfer of the zone can be sent"
        tokens.remarks.append(badRecord(text, tokens.column))
    return rdata


class RdataParser:
    """
    Parses rdata of one type from plain words; this one leaves all rdata to the declaration of the type.
    """

    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        """
        @param words: the words of a record.
        @param at: the index of the first word of the rdata.

        @raise ValueError: a part is new or not valid; L{LookupError} or L{struct.error} are raised for that as well.
        """
        raise ValueError(words)


class _NameParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        if len(words) != at + 1:
            raise ValueError(words)
        return names.name(words[at])


class _StartParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        serial = words[at + 2]
        if len(words) != at + _START_WORDS or not serial.isdigit() or len(serial) > _SERIAL_DIGITS:
            raise ValueError(words)
        said = b" ".join(words[at + 3 :])
        times = _starts.get(said)
        if times is None:
            times = _intervals(*[secondsFromDuration(word.decode("ascii")) for word in words[at + 3 :]])
            if len(_starts) >= _KEPT:
                _starts.clear()
            _starts[said] = times
        return names.name(words[at]) + names.name(words[at + 1]) + _serial(int(serial)) + times


class _MailParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        if len(words) != at + 2:
            raise ValueError(words)
        return _short(_number(words[at])) + names.name(words[at + 1])


class _ServiceParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        if len(words) != at + 4:
            raise ValueError(words)
        return _weighed(_number(words[at]), _number(words[at + 1]), _number(words[at + 2])) + names.name(words[at + 3])


def _number(word: bytes) -> int:
    if not word.isdigit() or len(word) > _DIGITS:
        raise ValueError(word)
    return int(word)


class _SignatureParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        end = words[at + 4]
        letters = words[at + 8] if len(words) == at + 9 else b"".join(words[at + 8 :])
        if not letters or len(letters) % _QUARTET or len(letters) > _LETTERS or letters.endswith(b"=") and len(words[-1]) < _QUARTET:
            raise ValueError(words)
        return (
            _covering[b" ".join(words[at : at + _COVERING_WORDS])]
            + _times(_hours[end[:_HOUR]] + _seconds[end[_HOUR:]], _begins[words[at + 5]], _tags[words[at + 6]])
            + names.name(words[at + 7])
            + a2b_base64(letters, strict_mode=True)
        )


class _ChainParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        return names.name(words[at]) + _types[b" ".join(words[at + 1 :])]


class _HashParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        digits = words[at + 4]
        if len(digits) != _HASH_LETTERS or not digits.isalnum():
            raise ValueError(words)
        return (
            _hashing[b" ".join(words[at : at + _HASHED_WORDS])]
            + int(digits, _HASH_LETTERS).to_bytes(_HASH, "big")
            + _types[b" ".join(words[at + 5 :])]
        )


class _DigestParser(RdataParser):
    def parse(self, words: list[bytes], at: int, names: PlainNames) -> bytes:
        digits = b"".join(words[at + 3 :])
        kind = _number(words[at + 2])
        if not 0 < len(digits) <= _LETTERS or _DIGEST_OCTETS.get(kind, 0) not in (0, len(digits) >> 1):
            raise ValueError(words)
        return _digested(_number(words[at]), _number(words[at + 1]), kind) + unhexlify(digits)


_PARSERS: Final[dict[int, RdataParser]] = {
    **dict.fromkeys((NS, CNAME, PTR, DNAME), _NameParser()),
    SOA: _StartParser(), MX: _MailParser(), SRV: _ServiceParser(),
    DS: _DigestParser(), RRSIG: _SignatureParser(), NSEC: _ChainParser(), NSEC3: _HashParser(),
}  # fmt: skip

_OTHERS: Final = RdataParser()


def parserOf(rrType: int) -> RdataParser:
    return _PARSERS.get(rrType, _OTHERS)


def keep(rrType: int, words: list[bytes], rdata: bytes) -> None:
    """
    Cache the parts of a record.

    @param words: all words of the rdata, which have to be plain.
    @param rdata: the same in wire format.
    """
    if rrType not in (RRSIG, NSEC, NSEC3) or len(words) > _KEPT_WORDS:
        return
    for kept in (_covering, _hashing, _types):
        if len(kept) >= _KEPT:
            kept.clear()
    for times in (_tags, _begins, _hours):
        if len(times) >= _KEPT:
            times.clear()
    if rrType == RRSIG:
        _covering[b" ".join(words[:_COVERING_WORDS])] = rdata[:_COVERING]
        end, begin, tag = words[_COVERING_WORDS : _COVERING_WORDS + 3]
        if len(end) == _TIME:
            # Times beyond 32 bits are left to the slow path.
            _hours[end[:_HOUR]] = secondsFromDate(end[:_HOUR].decode("ascii") + "0000") & 0xFFFFFFFF
        _begins[begin], _tags[tag] = _afterCovering(rdata)
        if not _seconds:
            _seconds.update({b"%02d%02d" % (minute, second): minute * 60 + second for minute in range(60) for second in range(60)})
    elif rrType == NSEC:
        _types[b" ".join(words[1:])] = rdata[nameEnd(rdata) :]
    else:
        salted = 5 + rdata[4]
        if rdata[salted] == _HASH:
            _hashing[b" ".join(words[:_HASHED_WORDS])] = rdata[: salted + 1]
            _types[b" ".join(words[_HASHED_WORDS + 1 :])] = rdata[salted + 1 + _HASH :]
