"""
The result of a conversion: settings with the places that they come from, and what could not be converted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.setting import DECLARED, Setting
from twisted_ext.server.config.settings import ZONE
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.wire.escapes import printable

__all__ = ["Converted", "Finding", "Place", "Severity"]


class Severity(Enum):
    """
    What became of a directive that did not become settings, or not these alone. The value is the word in the output.
    """

    #: Nothing here does the same.
    MISSING = "no counterpart"
    #: It was converted, but some answers or the behavior differ.
    DIFFERS = "differs"
    #: The directive itself is wrong, or a file that it names cannot be read. Its own program may reject it as well.
    WRONG = "not valid"
    #: It was converted, and there is something to know or to do.
    NOTE = "note"
    #: This server does so anyway, or what it configures does not exist here.
    NEEDLESS = "not needed"


#: What makes a conversion incomplete.
_INCOMPLETE: Final = (Severity.MISSING, Severity.DIFFERS, Severity.WRONG)


class Place(NamedTuple):
    """
    A directive, and where it is.

    @ivar file: the path of its file.
    @ivar line: the number of its line, 0 for the whole file.
    @ivar directive: its text, on one line.
    """

    file: str
    line: int
    directive: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What is to be known about one directive.

    @ivar reason: why, without a final dot.
    @ivar instead: what the operator can do, C{""} for nothing.
    """

    place: Place
    severity: Severity
    reason: str
    instead: str = ""

    def __str__(self) -> str:
        advice = f"; {self.instead}" if self.instead else ""
        directive = f"{_shortened(self.place.directive)}: " if self.place.directive else ""
        # What a file names may have control characters.
        return printable(f"{self.place}: {directive}{self.severity.value}: {self.reason}{advice}")


#: The length of directives in lines about them.
_DIRECTIVE: Final = 60


def _shortened(text: str) -> str:
    return text if len(text) <= _DIRECTIVE else f"{text[: _DIRECTIVE - 3]}..."


@dataclass(slots=True)
class Converted:
    """
    Settings, collected directive by directive. Each value is checked as the server does it; one that is not valid becomes a finding.

    @ivar kind: the format that was converted.
    @ivar file: the path of its first file.
    @ivar values: the values by the name of their setting. Those of a setting that takes several are a list; C{zone} is a list of tables.
    @ivar places: where they come from: a list for each setting, for a setting that takes several in the order of the values.
    """

    kind: str
    file: str
    values: dict[str, object] = field(default_factory=dict)
    places: dict[str, list[Place]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def set(self, name: str, value: object, place: Place) -> bool:
        """
        Set a setting that takes one value. A later value replaces an earlier one.

        @return: whether the value is valid.
        """
        setting = self._checked(name, value, place)
        if setting is None:
            return False
        if setting.many:
            raise TypeError(f"{name} takes several values; call add")
        self.values[name] = value
        self.places[name] = [place]
        return True

    def add(self, name: str, value: object, place: Place) -> bool:
        """
        Add a value to a setting that takes several. What it has already is not added again.

        @return: whether the value is valid.
        """
        key = (name, repr(value))
        if key in self._seen:
            return True
        setting = self._checked(name, value, place)
        if setting is None:
            return False
        if not setting.many:
            raise TypeError(f"{name} takes one value; call set")
        self._seen.add(key)
        values = self.values.setdefault(name, [])
        assert isinstance(values, list)
        values.append(value)
        self.places.setdefault(name, []).append(place)
        return True

    def block(self, domain: str, place: Place, name: str = "block") -> bool:
        """
        Block a domain.

        @param name: C{"block-except"} to make an exception of it.

        @return: whether it can be blocked.
        """
        return self.add(name, domain if "." in domain.rstrip(".") or domain == "." else f"*.{domain}", place)

    def zone(self, table: Mapping[str, object], place: Place) -> bool:
        """
        Add a zone, with its settings (L{ZONE_SETTINGS<twisted_ext.server.config.zonesettings.ZONE_SETTINGS>}).

        @return: whether they are valid.
        """
        return self.add("zone", dict(table), place)

    def none(self, name: str) -> None:
        """
        Let a setting that takes several values have none, not even its default ones.
        """
        self.values.setdefault(name, [])
        self.places.setdefault(name, [])

    def remove(self, name: str) -> None:
        """
        Forget a setting, as a directive that resets a list does.
        """
        self.values.pop(name, None)
        self.places.pop(name, None)
        self._seen = {key for key in self._seen if key[0] != name}

    def drop(self, name: str, value: object) -> None:
        """
        Remove one value of a setting that takes several.
        """
        values = self.values[name]
        assert isinstance(values, list)
        index = values.index(value)
        del values[index], self.places[name][index]
        self._seen.discard((name, repr(value)))
        if not values:
            self.remove(name)

    def settleTTLs(self, last: str) -> None:
        """
        Have one TTL for all answers if the lowest one is above the highest: a server does not start with such settings.

        @param last: C{min-ttl} or C{max-ttl}, whichever the program applies last, so that its value is the TTL then.
        """
        least, most = self.values.get("min-ttl"), self.values.get("max-ttl")
        if isinstance(least, int) and isinstance(most, int) and least > most:
            other = "max-ttl" if last == "min-ttl" else "min-ttl"
            place = self.places[other][0]
            self.note(place, f"the lowest TTL, {least}, is above the highest, {most}: all answers have that of {last}")
            self.set(other, self.values[last], place)

    def pairs(self, name: str) -> list[tuple[str, Place]]:
        """
        Return the values of a setting that takes several, with their places.
        """
        return list(zip(self.texts(name), self.places.get(name, []), strict=True))

    def texts(self, name: str) -> list[str]:
        """
        Return the values of a setting that takes several, none if it is not set.
        """
        values = self.values.get(name, [])
        return [str(each) for each in values] if isinstance(values, list) else [str(values)]

    def missing(self, place: Place, reason: str, instead: str = "") -> None:
        self.find(place, Severity.MISSING, reason, instead)

    def differs(self, place: Place, reason: str, instead: str = "") -> None:
        self.find(place, Severity.DIFFERS, reason, instead)

    def wrong(self, place: Place, reason: str, instead: str = "") -> None:
        self.find(place, Severity.WRONG, reason, instead)

    def note(self, place: Place, reason: str, instead: str = "") -> None:
        self.find(place, Severity.NOTE, reason, instead)

    def needless(self, place: Place, reason: str, instead: str = "") -> None:
        self.find(place, Severity.NEEDLESS, reason, instead)

    def find(self, place: Place, severity: Severity, reason: str, instead: str = "") -> None:
        self.findings.append(Finding(place, severity, reason, instead))

    def sortedFindings(self) -> list[Finding]:
        """
        Return the findings by file, in the order in which the files were found, and line.
        """
        files = {file: number for number, file in enumerate(dict.fromkeys([finding.place.file for finding in self.findings]))}
        return sorted(self.findings, key=lambda finding: (files[finding.place.file], finding.place.line))

    def judged(self, place: Place) -> bool:
        """
        Return whether there is a finding for this directive.
        """
        return any(finding.place == place for finding in self.findings)

    @property
    def complete(self) -> bool:
        """
        Whether every directive has a counterpart that does the same.
        """
        return not any(finding.severity in _INCOMPLETE for finding in self.findings)

    def ordered(self) -> Iterator[tuple[Setting, object]]:
        """
        Iterate over the settings that have values, in the order of C{--show-config}.
        """
        for setting in allSettings(plugins=False):
            if setting.name in self.values:
                yield setting, self.values[setting.name]

    def _checked(self, name: str, value: object, place: Place) -> Setting | None:
        """
        Return the setting if the value is valid for it. If not, add a finding.
        """
        setting = DECLARED.named(name)
        if setting is None:
            self.missing(place, f"this version has no setting {name}")
            return None
        try:
            if setting.many and setting.kind is not ZONE:
                setting.fromTOML([value])
            elif setting.kind is ZONE:
                setting.kind.fromTOML(value)
            else:
                setting.fromTOML(value)
        except BadDescription as fault:
            for line in str(fault).splitlines():
                self.wrong(place, f"as {name} it {line}" if line.startswith("takes ") else line)
            return None
        return setting
