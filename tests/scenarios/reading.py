"""
A reader of replay scenarios (C{.rpl}): the replies of upstream servers in each step, the queries, and the expected answers.

The format is that of the replay tests of Unbound, Deckard and Stelline: a configuration up to C{CONFIG_END}, then C{SCENARIO_BEGIN}, ranges
of steps with their replies, and the steps themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twisted_ext.wire import codes
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet, groupRecords
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.wire.text import recordFromText

__all__ = ["BadScenario", "Entry", "Range", "Scenario", "Step", "readScenario", "parseScenario"]

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

#: Superfluous padding after base 64, which other readers ignore.
_SUPERFLUOUS: Final = re.compile(r"(\s(?:[A-Za-z0-9+/]{4})+)==?$")


class BadScenario(ValueError):
    """
    A file is not a valid scenario. The error has the position.
    """


class Entry:
    """
    One message of a scenario: a query, a reply to send or a reply to expect.

    @ivar match: the parts to compare: C{qname}, C{all}, C{ttl}...
    @ivar adjust: the changes before sending: C{copy_id}...
    @ivar reply: words of the header: flags, an rcode, an opcode, C{DO}.
    @ivar sections: lines of each section, without comments.
    @ivar line: the line where it begins.
    """

    def __init__(self, line: int) -> None:
        self.line = line
        self.match: set[str] = set()
        self.adjust: set[str] = set()
        self.reply: set[str] = set()
        self.sections: dict[str, list[str]] = {}
        self.raw: list[str] = []

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
            raise BadScenario(f"line {self.line}: no type in the question {lines[0]!r}")
        return Question(nameFromText(name), rrType, rrClass)

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
        origin = b"\x00"
        records = []
        for line in self.sections.get(section, ()):
            if line.startswith("$ORIGIN"):
                origin = nameFromText(line.split()[1])
                continue
            records.append(recordFromText(_SUPERFLUOUS.sub(r"\1", line), origin, TTL))
        return records

    def __repr__(self) -> str:
        return f"<Entry of line {self.line}: {self.sections.get('QUESTION')}>"


class Range:
    """
    Replies of some servers in some steps.
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
    """

    def __init__(self, number: int, kind: str, words: list[str], line: int) -> None:
        self.number = number
        self.kind = kind
        self.words = words
        self.line = line
        self.entry: Entry | None = None

    def __repr__(self) -> str:
        return f"step {self.number} {self.kind} (line {self.line})"


class Scenario:
    """
    A whole file.

    @ivar config: settings before C{CONFIG_END}, without their quotes.
    """

    def __init__(self) -> None:
        self.title = ""
        self.config: list[tuple[str, str]] = []
        self.ranges: list[Range] = []
        self.steps: list[Step] = []

    def active(self, step: int, address: str | None = None) -> Iterator[Entry]:
        """
        Return the replies that apply in a step.

        @param address: only those of this server.
        """
        for each in self.ranges:
            if each.first <= step <= each.last and (address is None or not each.addresses or address in each.addresses):
                yield from each.entries


def readScenario(path: Path) -> Scenario:
    """
    Read a scenario from a file.

    @raise BadScenario: the file is not valid; with its name and line.
    """
    try:
        return parseScenario(path.read_text("utf-8", "replace"))
    except BadScenario as error:
        raise BadScenario(f"{path.name}, {error}") from error


def _uncommented(line: str) -> str:
    # A semicolon within quotes belongs to the text.
    if ";" not in line:
        return line.strip()
    return re.sub(r'^((?:[^";]|"(?:[^"\\]|\\.)*")*);.*$', r"\1", line).strip()


def parseScenario(text: str) -> Scenario:
    """
    Parse a scenario.

    @raise BadScenario: the text is not valid; with the line.
    """
    scenario = Scenario()
    lines = iter(enumerate(text.splitlines(), 1))
    for _, line in lines:
        bare = line.split("#")[0] if '"' not in line else line
        bare = _uncommented(bare)
        if bare == "CONFIG_END":
            break
        key, separator, value = bare.partition(":")
        if separator:
            scenario.config.append((key.strip(), value.strip().strip('"')))
    begun: Range | None = None
    entry: Entry | None = None
    section = ""
    for number, line in lines:
        bare = _uncommented(line)
        if not bare:
            continue
        word, *words = bare.split()
        if entry is not None and section == "raw" and word != "ENTRY_END":
            entry.raw.append(bare)
        elif word == "SCENARIO_BEGIN":
            scenario.title = " ".join(words)
        elif word == "RANGE_BEGIN":
            begun = Range(int(words[0]), int(words[1]))
            scenario.ranges.append(begun)
        elif word == "RANGE_END":
            begun = None
        elif word == "ADDRESS" and begun is not None and entry is None:
            begun.addresses += words
        elif word == "STEP":
            scenario.steps.append(Step(int(words[0]), words[1], words[2:], number))
        elif word == "ENTRY_BEGIN":
            entry = Entry(number)
            section = ""
            if begun is not None:
                begun.entries.append(entry)
            elif scenario.steps:
                scenario.steps[-1].entry = entry
            else:
                raise BadScenario(f"line {number}: an entry outside of ranges and steps")
        elif word == "ENTRY_END":
            entry = None
        elif word == "SCENARIO_END":
            break
        elif entry is None:
            raise BadScenario(f"line {number}: {word!r} is not known here")
        elif word in ("MATCH", "ADJUST", "REPLY"):
            getattr(entry, word.lower()).update(words)
        elif word == "SECTION":
            section = words[0]
            entry.sections.setdefault(section, [])
        elif word == "HEX_ANSWER_BEGIN" or word == "HEX_EDNSDATA_BEGIN":
            section = "raw"
        elif section:
            entry.sections[section].append(bare)
        else:
            entry.match.update([word, *words])
    else:
        raise BadScenario(f"line {text.count(chr(10)) + 1}: no SCENARIO_END")
    return scenario
