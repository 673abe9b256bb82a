"""
A reader of replay scenarios (C{.rpl}): the replies of upstream servers in each step, the queries, and the expected answers.

The format is that of the replay tests of Unbound, Deckard and Stelline: a configuration up to C{CONFIG_END}, then C{SCENARIO_BEGIN}, ranges
of steps with their replies, and the steps themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from twisted_ext.errors import DNSFault
from twisted_ext.testing.scenarios.configuration import BadScenario, Configuration, configurationOf, settingsIn
from twisted_ext.wire import codes
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import typeNumber

__all__ = ["BadScenario", "Entry", "Range", "Scenario", "Step", "readScenario", "parseScenario"]

#: A record whose data is in the generic form: what is before its type, the type, and the data.
_GENERIC: Final = re.compile(r"(\S+\s+(?:\d+\s+)?(?:IN\s+)?)(\S+)(\s+\\#\s.*)$", re.IGNORECASE)

#: TTL of records that are written without one.
TTL: Final = 3600

#: Words of REPLY that are flags of the header.
FLAGS: Final = {
    "QR": codes.QR,
    "AA": codes.AA,
    "TC": codes.TC,
    "RD": codes.RD,
    "RA": codes.RA,
    "AD": codes.AD,
    "CD": codes.CD,
}

#: Names of rcodes in Unbound's scenarios.
_OTHER_NAMES: Final = {"NOTIMPL": "NOTIMP"}

#: Superfluous padding after base 64, which other readers ignore.
_SUPERFLUOUS: Final = re.compile(r"(\s(?:[A-Za-z0-9+/]{4})+)==?$")

#: Base 64 at the end of a line, whose padding may be missing.
_BASE64: Final = re.compile(r"\s([A-Za-z0-9+/]{40,})$")

#: A comment, which a semicolon outside of quotes begins.
_COMMENT: Final = re.compile(r'^((?:[^";]|"(?:[^"\\]|\\.)*")*);.*$')

#: Words of an entry that stand alone or before a value of their own, and are matched like those of MATCH (Stelline).
_MATCHED: Final = frozenset(("MOCK_CLIENT", "OPCODE"))

#: Blocks with text, and the line that ends them.
_BLOCKS: Final = {"AUTOTRUST_FILE": "AUTOTRUST_END", "TEMPFILE_CONTENTS": "TEMPFILE_END", "FILE_BEGIN": "FILE_END"}

#: Blocks with hexadecimal digits in an entry.
_HEX: Final = frozenset(("RAW", "HEX_ANSWER_BEGIN", "HEX_EDNSDATA_BEGIN"))

#: Words that cannot be the name of a record in a section.
_OUTSIDE: Final = frozenset(("ENTRY_BEGIN", "RANGE_BEGIN", "RANGE_END", "STEP"))

_SECTIONS: Final = frozenset(("QUESTION", "ANSWER", "AUTHORITY", "ADDITIONAL"))


class Entry:
    """
    One message of a scenario: a query, a reply to send or a reply to expect.

    @ivar match: the parts to compare: C{qname}, C{all}, C{ttl}...
    @ivar adjust: the changes before sending: C{copy_id}...
    @ivar reply: words of the header: flags, an rcode, an opcode, C{DO}.
    @ivar sections: lines of each section, without comments.
    @ivar numbers: the numbers of these lines in the file.
    @ivar raw: the octets of the whole message, or L{None} if they are made of the other parts.
    @ivar options: the octets of the EDNS options.
    @ivar mandatory: whether the reply has to be used at least once.
    @ivar origin: the origin of names in the records of each section, unless that section sets another one.
    @ivar line: the line where it begins.
    """

    def __init__(self, line: int) -> None:
        self.line = line
        self.match: set[str] = set()
        self.adjust: set[str] = set()
        self.reply: set[str] = set()
        self.sections: dict[str, list[str]] = {}
        self.numbers: dict[str, list[int]] = {}
        self.raw: bytes | None = None
        self.options = b""
        self.mandatory = False
        self.origin = ROOT

    @property
    def flags(self) -> int:
        """
        The flags of the header.
        """
        return sum([bit for word, bit in FLAGS.items() if word in self.reply])

    @property
    def opcode(self) -> codes.Opcode:
        """
        The opcode, QUERY by default.
        """
        return next((opcode for opcode in codes.Opcode if opcode.name in self.reply), codes.Opcode.QUERY)

    @property
    def rcode(self) -> int:
        """
        The rcode, NOERROR by default.
        """
        return next((int(rcode) for rcode in codes.Rcode if rcode.name in self.reply), 0)

    @property
    def dnssecOk(self) -> bool:
        """
        Whether DO is set.
        """
        return "DO" in self.reply

    @property
    def question(self) -> Question | None:
        """
        The question, or L{None} for a message without one.
        """
        lines = self.sections.get("QUESTION")
        if not lines:
            return None
        name, *words = lines[0].split()
        rrClass, rrType = codes.IN, None
        for word in words:
            if (number := codes.classNumber(word)) is not None and word.upper() != "ANY":
                rrClass = number
            else:
                rrType = typeNumber(word)
        if rrType is None:
            raise BadScenario(f"line {self._lineOf('QUESTION', 0)}: no type in the question {lines[0]!r}")
        try:
            return Question(nameFromText(name), rrType, rrClass)
        except (DNSFault, ValueError) as error:
            raise BadScenario(f"line {self._lineOf('QUESTION', 0)}: {error}") from error

    def records(self, section: str) -> tuple[RRSet, ...]:
        """
        Return the record sets of a section.

        @param section: C{"ANSWER"}, C{"AUTHORITY"} or C{"ADDITIONAL"}.
        """
        return groupRecords(self.listed(section))

    def listed(self, section: str) -> list[RRSet]:
        """
        Return the records of a section one by one, in order, with duplicates.

        @param section: as for L{records}.
        """
        origin = self.origin
        records = []
        for index, line in enumerate(self.sections.get(section, ())):
            try:
                if line.startswith("$ORIGIN"):
                    origin = nameFromText(line.split()[1])
                else:
                    records.append(_recordIn(_SUPERFLUOUS.sub(r"\1", line), origin))
            except (DNSFault, ValueError, IndexError) as error:
                raise BadScenario(f"line {self._lineOf(section, index)}: {error}") from error
        return records

    def _lineOf(self, section: str, index: int) -> int:
        numbers = self.numbers.get(section, ())
        return numbers[index] if index < len(numbers) else self.line

    def __repr__(self) -> str:
        return f"<Entry of line {self.line}: {self.sections.get('QUESTION')}>"


def _recordIn(line: str, origin: bytes) -> RRSet:
    """
    Read a record. Data in the generic form (RFC 3597, section 5) need not be valid for its type: some scenarios have servers that send
    malformed records.
    """
    generic = _GENERIC.match(line)
    if generic is None:
        octets = _BASE64.search(line)
        return recordFromText(line if octets is None else line + "=" * (-len(octets[1]) % 4), origin, TTL)
    rrType = typeNumber(generic[2])
    if rrType is None:
        raise ValueError(f"{generic[2]} is not a record type")
    made = recordFromText(f"{generic[1]}TYPE65280{generic[3]}", origin, TTL)
    return RRSet(made.name, rrType, made.rrClass, made.ttl, made.rdatas)


class Range:
    """
    Replies of some servers in some steps.

    @ivar addresses: those of the servers; empty for all servers.
    """

    def __init__(self, first: int, last: int) -> None:
        self.first = first
        self.last = last
        self.addresses: list[str] = []
        self.entries: list[Entry] = []


class Step:
    """
    One event.

    @ivar kind: C{QUERY}, C{CHECK_ANSWER}, C{REPLY}, C{TIME_PASSES}, C{CHECK_OUT_QUERY}...
    @ivar words: the rest of the line.
    @ivar text: the lines of a file to compare with (C{CHECK_AUTOTRUST}, C{CHECK_TEMPFILE}).
    """

    def __init__(self, number: int, kind: str, words: list[str], line: int) -> None:
        self.number = number
        self.kind = kind
        self.words = words
        self.line = line
        self.entry: Entry | None = None
        self.text: list[str] = []

    @property
    def elapsed(self) -> float | None:
        """
        The seconds that pass in this step; L{None} if they have to be computed (C{EVAL}).
        """
        if self.words[:1] != ["ELAPSE"]:
            return None
        try:
            seconds = float(self.words[1])
        except (IndexError, ValueError):
            seconds = -1.0
        if not 0 <= seconds < float("inf"):
            raise BadScenario(f"line {self.line}: a number of seconds is expected after ELAPSE")
        return seconds

    def __repr__(self) -> str:
        return f"step {self.number} {self.kind} (line {self.line})"


class Scenario:
    """
    A whole file.

    @ivar config: settings before C{CONFIG_END}, without their quotes.
    @ivar configuration: their meaning.
    @ivar files: texts for files of the resolver, by name.
    """

    def __init__(self) -> None:
        self.title = ""
        self.config: list[tuple[str, str]] = []
        self.configuration = Configuration()
        self.ranges: list[Range] = []
        self.steps: list[Step] = []
        self.files: dict[str, list[str]] = {}

    def active(self, step: int, address: str | None = None, lastFirst: bool = False) -> Iterator[Entry]:
        """
        Return the replies that apply in a step.

        @param address: only those of this server.
        @param lastFirst: begin with the last range of the file.
        """
        for each in reversed(self.ranges) if lastFirst else self.ranges:
            if each.first <= step <= each.last and (address is None or not each.addresses or address in each.addresses):
                yield from each.entries

    @property
    def addresses(self) -> list[str]:
        """
        The addresses of all servers.
        """
        return list(dict.fromkeys([address for each in self.ranges for address in each.addresses]))

    def entries(self) -> Iterator[Entry]:
        """
        Return all entries, of ranges and of steps.
        """
        for each in self.ranges:
            yield from each.entries
        for step in self.steps:
            if step.entry is not None:
                yield step.entry

    def check(self) -> None:
        """
        Read all questions and records, which otherwise happens when they are needed.

        @raise BadScenario: one is not valid; with the line.
        """
        for entry in self.entries():
            if entry.question is not None or entry.sections:
                for section in ("ANSWER", "AUTHORITY", "ADDITIONAL"):
                    entry.listed(section)
        for step in self.steps:
            if step.kind == "TIME_PASSES":
                _ = step.elapsed


def readScenario(path: Path) -> Scenario:
    """
    Read a scenario from a file.

    @raise BadScenario: the file is not valid; with its name and line.
    """
    try:
        return parseScenario(path.read_text("utf-8", "replace"))
    except BadScenario as error:
        raise BadScenario(f"{path.name}, {error}") from error


def parseScenario(text: str) -> Scenario:
    """
    Parse a scenario.

    @raise BadScenario: the text is not valid; with the line.
    """
    return _Parser(text).parse()


def _uncommented(line: str) -> str:
    # A semicolon within quotes belongs to the text.
    if ";" not in line:
        return line.strip()
    return _COMMENT.sub(r"\1", line).strip()


class _Parser:
    """
    The state of the parser: where it is in the file, and what has begun.
    """

    def __init__(self, text: str) -> None:
        self._lines = iter(enumerate(text.splitlines(), 1))
        self._number = 0
        self._scenario = Scenario()
        self._range: Range | None = None
        self._entry: Entry | None = None
        self._section = ""
        self._file = ""
        self._origin = ROOT
        self._outer: dict[str, Callable[[list[str]], None]] = {
            "SCENARIO_BEGIN": self._begin,
            "RANGE_BEGIN": self._beginRange,
            "RANGE_END": self._endRange,
            "ADDRESS": self._address,
            "STEP": self._step,
            "ENTRY_BEGIN": self._beginEntry,
            "TEMPFILE_NAME": self._nameFile,
            "$ORIGIN": self._setOrigin,
        }

    def parse(self) -> Scenario:
        scenario = self._scenario
        settings = settingsIn(self._lines, self._configurationFile)
        scenario.config = [(setting.key, setting.value) for setting in settings]
        scenario.configuration = configurationOf(settings)
        for number, line in self._lines:
            self._number = number
            bare = _uncommented(line)
            if not bare:
                continue
            word, *words = bare.split()
            if word == "SCENARIO_END":
                if self._entry is not None:
                    raise self._bad("an entry without ENTRY_END")
                return scenario
            if self._entry is not None:
                self._inEntry(self._entry, bare, word, words)
            elif word in _BLOCKS:
                self._block(word, words)
            elif word in self._outer:
                self._outer[word](words)
            else:
                raise self._bad(f"{word!r} is not known here")
        raise BadScenario(f"line {self._number + 1}: no SCENARIO_END")

    def _bad(self, said: str) -> BadScenario:
        return BadScenario(f"line {self._number}: {said}")

    def _integer(self, words: list[str], index: int, what: str) -> int:
        if index < len(words) and words[index].isascii() and words[index].isdigit():
            return int(words[index])
        raise self._bad(f"{what} is expected" + (f" instead of {words[index]!r}" if index < len(words) else ""))

    # -- outside of entries

    def _begin(self, words: list[str]) -> None:
        self._scenario.title = " ".join(words)

    def _beginRange(self, words: list[str]) -> None:
        begun = Range(self._integer(words, 0, "the number of the first step"), self._integer(words, 1, "the number of the last step"))
        if begun.last < begun.first:
            raise self._bad(f"the range ends at step {begun.last}, before it begins at {begun.first}")
        self._range = begun
        self._scenario.ranges.append(begun)
        self._address(words[2:])

    def _endRange(self, words: list[str]) -> None:
        self._range = None

    def _address(self, words: list[str]) -> None:
        if self._range is None:
            raise self._bad("ADDRESS outside of a range")
        for word in words:
            try:
                self._range.addresses.append(str(ip_address(word)))
            except ValueError:
                raise self._bad(f"{word!r} is not an IP address") from None

    def _step(self, words: list[str]) -> None:
        number = self._integer(words, 0, "the number of the step")
        if len(words) < 2:
            raise self._bad("a step without a kind, as in STEP 1 QUERY")
        self._scenario.steps.append(Step(number, words[1], words[2:], self._number))

    def _beginEntry(self, words: list[str]) -> None:
        self._entry = entry = Entry(self._number)
        entry.origin = self._origin
        self._section = ""
        if self._range is not None:
            self._range.entries.append(entry)
        elif not self._scenario.steps:
            raise self._bad("an entry outside of ranges and steps")
        elif self._scenario.steps[-1].entry is not None:
            raise self._bad(f"a second entry in {self._scenario.steps[-1]}")
        else:
            self._scenario.steps[-1].entry = entry

    def _setOrigin(self, words: list[str]) -> None:
        try:
            self._origin = nameFromText(words[0])
        except (DNSFault, ValueError, IndexError):
            raise self._bad("a name is expected after $ORIGIN") from None

    def _nameFile(self, words: list[str]) -> None:
        # The text follows in a block of its own.
        self._file = words[0] if words else ""

    def _configurationFile(self, number: int, word: str, words: list[str]) -> None:
        self._number = number
        if word == "TEMPFILE_NAME":
            self._nameFile(words)
        else:
            self._block(word, words)

    def _block(self, word: str, words: list[str]) -> None:
        end, began, text = _BLOCKS[word], self._number, list[str]()
        for number, line in self._lines:
            self._number = number
            if line.strip() == end:
                break
            text.append(line)
        else:
            raise BadScenario(f"line {began}: {word} without {end}")
        if word == "FILE_BEGIN":
            if not self._scenario.steps:
                raise BadScenario(f"line {began}: FILE_BEGIN outside of a step")
            self._scenario.steps[-1].text = text
        else:
            self._scenario.files[words[0] if words else self._file] = text

    # -- inside of an entry

    def _inEntry(self, entry: Entry, bare: str, word: str, words: list[str]) -> None:
        if word == "ENTRY_END":
            self._entry = None
        elif word in _OUTSIDE:
            raise self._bad(f"{word} inside of an entry; ENTRY_END is missing before it")
        elif word == "MATCH":
            entry.match.update(words)
        elif word == "ADJUST":
            entry.adjust.update(words)
        elif word in ("REPLY", "FLAGS"):
            entry.reply.update([_OTHER_NAMES.get(each, each) for each in words])
        elif word == "MANDATORY":
            entry.mandatory = True
        elif word == "SECTION":
            section = words[0] if words else ""
            if section not in _SECTIONS:
                raise self._bad(f"{section!r} is not a section: {', '.join(sorted(_SECTIONS))}")
            self._section = section
            entry.sections.setdefault(section, [])
        elif word in _HEX:
            self._hex(entry, word)
        elif word in _MATCHED:
            entry.match.update([word, *words])
        elif self._section:
            entry.sections[self._section].append(bare)
            entry.numbers.setdefault(self._section, []).append(self._number)
        else:
            raise self._bad(f"{word!r} is not known in an entry")

    def _hex(self, entry: Entry, word: str) -> None:
        # RAW has one line, which may be followed by other parts of the entry; the others have an end.
        end = word.replace("BEGIN", "END")
        began, digits = self._number, ""
        for number, line in self._lines:
            self._number = number
            bare = _uncommented(line)
            if bare == end:
                break
            digits += bare if bare != "NULL" else ""
            if bare and word == "RAW":
                break
        else:
            raise BadScenario(f"line {began}: {word} without {end}")
        try:
            octets = bytes.fromhex(digits)
        except ValueError:
            raise self._bad("pairs of hexadecimal digits are expected") from None
        if word == "HEX_EDNSDATA_BEGIN":
            entry.options = octets
        else:
            entry.raw = octets
