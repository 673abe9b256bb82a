"""
Reads master files (RFC 1035, section 5; RFC 2308, section 4; RFC 3597, section 5) with the directives of BIND.

Entries that cannot be read are reported and skipped, so that all errors of a file are reported together.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from operator import length_hint
from struct import Struct
from typing import Final

from twisted_ext.errors import BadRecord
from twisted_ext.wire.codes import IN, className
from twisted_ext.wire.names import isBelow, nameToText
from twisted_ext.wire.rdata.fieldtypes import nameFromToken
from twisted_ext.wire.rdata.text import headFromTokens
from twisted_ext.wire.rdata.times import secondsFromDuration
from twisted_ext.wire.rrtypes import AAAA, ALIAS, APL, HTTPS, KX, SOA, SRV, SVCB, WKS, A, isMeta, typeName
from twisted_ext.wire.tokens import Tokens, badRecord
from twisted_ext.zone.limits import (
    ENTRIES_UNCLOSED,
    ENTRY_OCTETS,
    GENERATED_OCTETS,
    INCLUDE_DEPTH,
    INCLUDED_FILES,
    MASTER_COMPLAINTS,
    MASTER_OCTETS,
    RECORDS_GENERATED,
    REPEATED_OCTETS,
)
from twisted_ext.zone.store.imagebuilder import LONG, ImageBuilder
from twisted_ext.zone.store.nodes import SAYING, TO_APEX, hasKind, recordsIn
from twisted_ext.zone.zonefile.fastparser import MOST_TTL, formsOf, gathered, skim
from twisted_ext.zone.zonefile.findings import Finding
from twisted_ext.zone.zonefile.halves import SecondHalf, middleOf
from twisted_ext.zone.zonefile.rdatacache import PlainNames, rdataFrom
from twisted_ext.zone.zonefile.scanner import UnclosedEntry, afterwards, entryEnd, goesOn, linesOf, normalized

__all__ = ["Line", "Reader", "MasterFileContent", "Source", "readMaster"]

#: Octets that are split into lines at a time.
_CHUNK: Final = 1 << 18

_head: Final = Struct(">HHHIH").pack

#: A vertical tab and a form feed, as the numbers of their octets.
_TABULATION: Final = 0x0B
_FEED: Final = 0x0C

#: An SOA record at the apex, by its first octets.
_START: Final = b"\xc0\x0c\x00\x06"

#: Types whose rdata is defined for class IN only (RFC 1034, section 3.6; RFC 1035, section 3.4).
_INTERNET: Final = frozenset((A, WKS, AAAA, SRV, KX, APL, SVCB, HTTPS))


#: A file that was read: its path, its size, and its modification time in nanoseconds.
Source = tuple[str, int, int]

#: A record: its owner's absolute name as written, its type, its TTL, its rdata.
Line = tuple[bytes, int, int, bytes]


class _Enough(Exception):
    """
    There are too many errors to continue reading.
    """


class MasterFileContent:
    """
    The content of a master file.

    @ivar builder: the records, ready for an image to be built, and their class.
    @ivar complaints: the complaints, in the order of the file.
    @ivar unsaid: the number of further complaints.
    @ivar sources: every file that was read.
    """

    __slots__ = ("builder", "complaints", "unsaid", "sources")

    def __init__(self, builder: ImageBuilder) -> None:
        self.builder = builder
        self.complaints: list[Finding] = []
        self.unsaid = 0
        self.sources: list[Source] = []

    @property
    def sound(self) -> bool:
        return not any(complaint.fatal for complaint in self.complaints)

    def records(self) -> Iterator[Line]:
        """
        @return: the records name by name, the apex first, the others in the order of their first record; duplicates are kept.
        """
        apex = self.builder.apexName
        for key, octets in self.builder.nodes.items():
            for labels, rrType, ttl, rdata in recordsIn(octets, len(key)):
                yield labels + apex, rrType, ttl, rdata


def readMaster(
    source: bytes | str, apex: bytes, *, path: str = "", ttl: int | None = None, quick: bool = True, rrClass: int = IN
) -> MasterFileContent:
    """
    Read a zone from a master file.

    @param source: the content of a master file, or the path of one.
    @param apex: the zone's name, which is also the initial origin.
    @param path: the name of a source that is given as octets, for complaints; $INCLUDE finds files in the same directory, and is refused if
        this is empty.
    @param ttl: seconds, for records without a TTL before any $TTL.
    @param quick: use the fast path if possible; the result is the same.
    @param rrClass: the class of all records, written or implied. No image can be built of a class other than IN.
    """
    reader = Reader(apex, ttl, quick, rrClass)
    reader.read(source, path)
    return reader.reading


class Reader:
    """
    The state of reading one master file and all that it includes.

    @ivar apex: the zone's name, folded.
    @ivar names: the reader of names, with the current origin.
    @ivar owner: the labels above the apex of the last owner; L{None} if there is none yet.
    @ivar outside: whether that owner is outside of the zone.
    @ivar ttl: the value of $TTL.
    @ivar forms: cached forms of the words between owner and rdata, for the current $TTL.
    """

    def __init__(
        self,
        apex: bytes,
        ttl: int | None = None,
        quick: bool = True,
        rrClass: int = IN,
        tell: Callable[[int], object] = lambda octets: None,
        divided: bool = False,
    ) -> None:
        """
        @param tell: called with the number of octets read since the last call, from any file.
        @param divided: whether another process may read half of a large file; only for programs without threads.
        """
        self._collect(MasterFileContent(ImageBuilder(apex, rrClass)))
        self._tell = tell
        self._divided = divided
        self.apex = apex.lower()
        self.names = PlainNames(apex)
        self.owner: bytes | None = None
        self.outside = False
        self.ttl = ttl
        self.lastTTL: int | None = None
        self.forms = formsOf(ttl)
        # The fast path supports class IN only.
        self.quick, self.rrClass = quick and rrClass == IN, rrClass
        self._path = ""
        self._line = 0
        self._opened: list[tuple[int, int]] = []
        self._known: set[tuple[int, int]] = set()
        self._octets = self._repeated = self._made = self._generated = self._fatal = self._warnings = self._unclosed = self._strangers = 0
        # The owner of the first SOA outside of the zone.
        self._stranger = b""

    def read(self, source: bytes | str, path: str = "") -> None:
        try:
            if isinstance(source, str):
                self._path = source
                data = self._opening(source)
            else:
                self._path = path
                data = source
            self._file(data)
        except BadRecord as error:
            self._complain(0, 0, error.text)
        except _Enough:
            pass
        self.reading.builder.join()

    def _collect(self, reading: MasterFileContent) -> None:
        self.reading = reading
        builder = reading.builder
        self.nodes, self.counts, self.marks, self.mixed = builder.nodes, builder.counts, builder.marks, builder.mixed
        self.lengthen = builder.lengthen

    # -- state changed by directives and records

    def setTTL(self, ttl: int | None) -> None:
        self.ttl = ttl
        self.forms = formsOf(ttl)

    def place(self, labels: bytes, rrType: int, record: bytes) -> None:
        """
        Store a record.

        @param labels: the owner's labels above the apex, as written.
        @param record: the record as in an image.
        """
        key = labels.lower()
        mark = SAYING.get(rrType)
        if mark:
            self.marks[key] = self.marks.get(key, 0) | mark
        before = self.nodes.get(key)
        if not before:
            self.nodes[key] = record
            return
        if len(before) < LONG:
            self.nodes[key] = before + record
        else:
            self.lengthen(key, record)
        count = self.counts.get(key, 1)
        self.counts[key] = count + 1
        if key not in self.mixed and hasKind(before, len(key), record):
            self.mixed.add(key)

    # -- complaints

    def _complain(self, line: int, column: int, text: str, check: str = "syntax") -> None:
        most = MASTER_COMPLAINTS.default
        reading = self.reading
        finding = Finding(check, b"", text, path=self._path, line=line, column=column)
        if finding.fatal:
            self._fatal += 1
            if self._fatal > most:
                reading.unsaid += 1
                finding.text = "too many errors; reading ends here"
                reading.complaints.append(finding)
                raise _Enough
        else:
            self._warnings += 1
            if self._warnings > most:
                reading.unsaid += 1
                return
        reading.complaints.append(finding)

    def _complainOf(self, error: BadRecord, text: str, line: int, check: str = "syntax") -> None:
        """
        @param text: the entry with the error.
        @param line: the first line of the entry.
        """
        before = text[: max(error.column - 1, 0)]
        place = line + before.count("\n")
        self._complain(place, len(before) - before.rfind("\n"), _plain(error), check)

    # -- files

    def _opening(self, path: str) -> bytes:
        """
        @raise BadRecord: the file cannot be read, or $INCLUDE is not allowed to read it.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise badRecord(f"{path} is not a file")
            if (status.st_dev, status.st_ino) in self._opened:
                raise badRecord(f"{path} includes itself")
            self._octets += status.st_size
            if self._octets > MASTER_OCTETS.default:
                raise badRecord(f"with {path} there are {self._octets} octets to be read; at most {int(MASTER_OCTETS.default)} are allowed")
            identity = (status.st_dev, status.st_ino)
            if identity in self._known:
                self._repeated += status.st_size
                if self._repeated > REPEATED_OCTETS.default:
                    most = int(REPEATED_OCTETS.default)
                    raise badRecord(f"with {path} there are {self._repeated} octets of files to be read again; at most {most} are allowed")
            self._known.add(identity)
            self._opened.append(identity)
            self.reading.sources.append((path, status.st_size, status.st_mtime_ns))
            # A file object takes three more calls of the system, which many small files feel.
            data = os.read(descriptor, status.st_size)
            while data and len(data) < status.st_size and (more := os.read(descriptor, status.st_size - len(data))):
                data += more
            return data
        except OSError as error:
            raise _unreadable(path, error) from None
        finally:
            os.close(descriptor)

    def _file(self, data: bytes) -> None:
        data, foreign = normalized(data)
        if foreign:
            self._complain(0, 0, f"the file is {foreign}; text in ASCII or UTF-8 was expected")
            return
        quick = self.quick
        if _TABULATION in data or _FEED in data:
            # bytes.split() takes these for blanks, which they are not in master files.
            self.quick = False
        position, number, stop = 0, 1, len(data)
        # Included files are not divided.
        divided, self._divided = self._divided, False
        half: SecondHalf | None = None
        try:
            while position < len(data):
                before = position
                position, number = self._chunk(data, position, number, stop)
                self._tell(min(position, len(data)) - before)
                if divided:
                    # After the first chunk, which may have directives.
                    divided = False
                    half = self._halved(data, position)
                    stop = len(data) if half is None else half.begin
                elif half is not None and position >= stop:
                    if position == stop and half.join(self.reading.builder, self._tell):
                        break
                    half.end()
                    half, stop = None, len(data)
        finally:
            if half is not None:
                half.end()
        self.quick = quick

    def _halved(self, data: bytes, position: int) -> SecondHalf | None:
        """
        Have another process read the second half of the rest.
        """
        begin = middleOf(data, position)
        if not begin:
            return None

        def read(tell: Callable[[], object]) -> ImageBuilder | None:
            ttl, self.lastTTL, self.owner = self.ttl, None, None
            self._collect(MasterFileContent(ImageBuilder(self.names.apexName, self.rrClass)))
            place, number = begin, 1
            while place < len(data):
                place, number = self._chunk(data, place, number, len(data))
                tell()
                if self.reading.complaints or self.ttl != ttl:
                    # Complaints tell the number of a line, and a TTL may come from a record of the first half.
                    return None
            self.reading.builder.join()
            return self.reading.builder

        try:
            return SecondHalf(begin, read)
        except OSError:
            return None

    def _chunk(self, data: bytes, position: int, number: int, stop: int) -> tuple[int, int]:
        """
        Read one chunk.

        @param number: the line number at C{position}.
        @param stop: where it ends at the latest, apart from its last entry.

        @return: the position and line number of the next chunk.
        """
        end = position + _CHUNK
        if end < stop:
            end = data.rfind(b"\n", position, end) + 1 or data.find(b"\n", end) + 1 or len(data)
        else:
            end = stop
        if end - position > ENTRY_OCTETS.default:
            # A single line, as there is no line end up to the limit: do not split it into words.
            behind = self._entry(data, position, data[position:end].rstrip(b"\n"), number)
            return behind, number + data.count(b"\n", position, behind)
        text = data[position:end]
        lines = linesOf(text) if self.quick else text.split(b"\n")
        count = len(lines)
        iterator = iter(lines)
        seen = 0
        while (line := skim(self, iterator)) is not None:
            index = count - length_hint(iterator) - 1
            begin = position + sum(map(len, lines[seen:index])) + index - seen
            number += data.count(b"\n", position, begin)
            # An entry that was made one line: its first line.
            behind = data.find(b"\n", begin)
            position = self._entry(data, begin, data[begin:behind] if behind >= 0 else line, number)
            number += data.count(b"\n", begin, position)
            begin += len(lines[index]) + 1
            while begin < position and (passed := next(iterator, None)) is not None:
                begin += len(passed) + 1
            seen = count - length_hint(iterator)
            if seen >= count - 1 or position > end:
                return position, number
            if begin != position:
                # Quoted text had looked like parentheses and was joined: split the lines again.
                lines = data[position:end].split(b"\n")
                count = len(lines)
                iterator = iter(lines)
                seen = 0
        return end, number + data.count(b"\n", position, end)

    def _entry(self, data: bytes, start: int, line: bytes, number: int) -> int:
        """
        Read one entry.

        @param line: its first line.

        @return: where the next entry begins.
        """
        end = start + len(line) + 1
        most = int(ENTRY_OCTETS.default)
        self._line = number
        if goesOn(line) or len(line) > most:
            if b"(" in line and (behind := gathered(self, data, start, most)):
                return behind
            try:
                end = entryEnd(data, start, most)
            except UnclosedEntry as unclosed:
                before = data[start : unclosed.offset]
                column = len(before.rpartition(b"\n")[2].decode("utf-8", "replace")) + 1
                self._complain(number + before.count(b"\n"), column, unclosed.text)
                self._unclosed += 1
                if self._unclosed > ENTRIES_UNCLOSED.default:
                    raise _Enough from None
                return afterwards(data, data.find(b"\n", unclosed.offset) + 1)
        text = data[start:end].decode("utf-8", "surrogateescape").removesuffix("\n")
        try:
            tokens = Tokens(text, self.names.origin)
            if tokens.more():
                if text[0] not in " \t" and tokens.peek().startswith("$"):
                    self._directive(tokens)
                else:
                    self._record(tokens, text, number)
        except BadRecord as error:
            self._complainOf(error, text, number)
            if text[:4].upper() == "$TTL" and self.ttl is None:
                # Not to report every record without a TTL as well.
                self.setTTL(0)
        return end

    # -- entries

    def _record(self, tokens: Tokens, text: str, number: int) -> None:
        if text[0] not in " \t":
            word = tokens.take("the owner's name")
            self.owner = None
            self._own(nameFromToken(tokens, word))
        elif self.owner is None:
            tokens.take("")
            raise badRecord("no owner's name, and none before it; one was expected at the beginning of the line", tokens.column)
        rrClass, ttl, rrType = headFromTokens(tokens)
        if rrClass not in (None, self.rrClass):
            # All records of a file should be of one class (RFC 1035, section 5.2).
            raise badRecord(f"class {className(rrClass or 0)} where {className(self.rrClass)} was expected", tokens.column)
        if isMeta(rrType):
            raise badRecord(f"no zone has records of the type {typeName(rrType)}", tokens.column)
        if self.rrClass != IN and rrType in _INTERNET:
            raise badRecord(f"the format of {typeName(rrType)} records of class {className(self.rrClass)} is unknown", tokens.column)
        column = tokens.column
        if rrType == ALIAS and text[column - 1 : column + 4].upper() == "ALIAS":
            self.reading.builder.aliases = True
        rdata = rdataFrom(rrType, tokens)
        seconds = self._lifetime(ttl, rrType, rdata, column)
        remarks = tokens.remarks
        if seconds > MOST_TTL:
            remarks.append(badRecord(f"a TTL of {seconds} is set to 0: at most {MOST_TTL} is allowed (RFC 2181, section 8)", column))
            seconds = 0
        for remark in remarks:
            self._complainOf(remark, text, number, "reading")
        if self.outside:
            outside = badRecord(f"the owner lies outside of {nameToText(self.apex)}; the record is left out", 1)
            self._complainOf(outside, text, number, "outside")
            self._passOver(rrType, number)
            return
        labels = self.owner or b""
        self.place(labels, rrType, labels + _head(TO_APEX, rrType, self.rrClass, seconds, len(rdata)) + rdata)

    def _passOver(self, rrType: int, number: int) -> None:
        """
        Count a record outside of the zone. Stop reading if nearly all records are: the zone's name is probably wrong.
        """
        self._strangers += 1
        if rrType == SOA and not self._stranger:
            self._stranger = self.owner or b""
        text, most = f"{self._strangers} records lie outside of {nameToText(self.apex)}", MASTER_COMPLAINTS.default
        if self._strangers > most and self._stranger and not hasKind(self.nodes[b""] + self.reading.builder.long.get(b"", b""), 0, _START):
            other = nameToText(self._stranger)
            self._complain(number, 0, f"{text}, and the SOA is that of {other}; reading ends here: perhaps the zone is called {other}")
        elif self._strangers > 100 * most and len(self.nodes) == 1:
            other = nameToText(self.owner or b"")
            self._complain(number, 0, f"{text}, this one at {other}, and none below it; reading ends here: has the zone another name?")
        else:
            return
        raise _Enough

    def _own(self, name: bytes) -> None:
        self.outside = not isBelow(name.lower(), self.apex)
        self.owner = name if self.outside else name[: len(name) - len(self.apex)]

    def _lifetime(self, ttl: int | None, rrType: int, rdata: bytes, column: int) -> int:
        if ttl is not None:
            self.lastTTL = ttl
            return ttl
        seconds = self.lastTTL if self.ttl is None else self.ttl
        if seconds is None:
            if rrType != SOA:
                raise badRecord("no TTL; one was expected here, in a record before, or in $TTL", column)
            # The meaning of MINIMUM before RFC 2308, section 4; BIND uses it for later records too, as if set by $TTL.
            seconds = int.from_bytes(rdata[-4:], "big")
            self.setTTL(seconds)
        return seconds

    def _directive(self, tokens: Tokens) -> None:
        word = tokens.take("")
        kinds: dict[str, Callable[[Tokens], None]] = {"$TTL": self._lifetimes, "$INCLUDE": self._include, "$GENERATE": self._generate}
        directive = kinds.get(word.upper())
        if directive is not None:
            directive(tokens)
        elif word.upper() == "$ORIGIN":
            text = tokens.take("a name")
            name = nameFromToken(tokens, text)
            tokens.end()
            self._remark(tokens, text)
            self.names.follow(name)
        else:
            raise tokens.bad(word, "$ORIGIN, $TTL, $INCLUDE or $GENERATE")

    def _remark(self, tokens: Tokens, origin: str) -> None:
        if not origin.endswith(".") and origin != "@":
            what = f"{origin[:40]!r} is taken as a name below {nameToText(self.names.origin)}; add a dot at its end if it is absolute"
            tokens.remarks.append(badRecord(what, tokens.column))
        for remark in tokens.remarks:
            self._complain(self._line, remark.column, _plain(remark), "reading")

    def _lifetimes(self, tokens: Tokens) -> None:
        expected = "a TTL in seconds, or as 1h30m,"
        word = tokens.take(expected)
        try:
            seconds = secondsFromDuration(word)
        except ValueError:
            raise tokens.bad(word, expected) from None
        tokens.end()
        self.setTTL(seconds)

    def _include(self, tokens: Tokens) -> None:
        path = os.fsdecode(tokens.octets("the path of a file"))
        column = tokens.column
        origin = self.names.origin
        if tokens.more():
            text = tokens.take("a name")
            origin = nameFromToken(tokens, text)
            self._remark(tokens, text)
        tokens.end()
        if not self._path:
            raise badRecord("$INCLUDE without a file that the path could be relative to", column)
        if len(self._opened) > INCLUDE_DEPTH.default:
            raise badRecord(f"files include each other {len(self._opened)} deep; at most {int(INCLUDE_DEPTH.default)} is allowed", column)
        if len(self.reading.sources) > INCLUDED_FILES.default:
            raise badRecord(f"{len(self.reading.sources)} files are read; at most {int(INCLUDED_FILES.default)} are allowed", column)
        before = (self._path, self._line, self.names.origin, self.owner, self.outside)
        opened = len(self._opened)
        path = os.path.join(os.path.dirname(self._path), path)
        try:
            data = self._opening(path)
        except BadRecord as error:
            raise badRecord(error.text, column) from None
        self._path = path
        self.names.follow(origin)
        self._file(data)
        del self._opened[opened:]
        self._path, self._line, origin, self.owner, self.outside = before
        # $TTL holds for all later records (RFC 2308, section 4), in BIND also after the file that has it.
        self.names.follow(origin)
        self.forms = formsOf(self.ttl)

    def _generate(self, tokens: Tokens) -> None:
        from twisted_ext.zone.zonefile.generate import Template, numbersOf, texts

        numbers = numbersOf(tokens.take("a range such as 1-254"), tokens.column)
        column = tokens.column
        self._generated += len(numbers)
        if self._generated > RECORDS_GENERATED.default:
            raise badRecord(f"{self._generated} records are generated; at most {int(RECORDS_GENERATED.default)} are allowed", column)
        owner = Template(tokens.take("the owner's name"), tokens.column)
        rrClass, ttl, rrType = headFromTokens(tokens)
        said = className(self.rrClass if rrClass is None else rrClass)
        head = " ".join([*([str(ttl)] if ttl is not None else []), said, typeName(rrType)])
        parts = [tokens.take("the rdata")]
        begin = tokens.column
        while tokens.more():
            parts.append(tokens.take(""))
        rest = Template(" ".join(parts), begin)
        before = self.owner, self.outside
        for text in texts(numbers, owner, head, rest):
            self._made += len(text)
            if self._made > GENERATED_OCTETS.default:
                raise badRecord(f"more than {int(GENERATED_OCTETS.default)} octets of records are generated", column)
            if skim(self, iter([text.encode("utf-8", "surrogateescape")])) is None:
                continue
            try:
                self._record(Tokens(text, self.names.origin), text, self._line)
            except BadRecord as error:
                raise badRecord(f"{text[:80]!r}: {_plain(error)}", column) from None
        self.owner, self.outside = before


def _plain(error: BadRecord) -> str:
    """
    @return: the error text without its column, which is that of the entry and not of the file.
    """
    return error.text.removeprefix(f"column {error.column}: ")


def _unreadable(path: str, error: Exception) -> BadRecord:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return badRecord(f"{path!r} cannot be read: {why}")
