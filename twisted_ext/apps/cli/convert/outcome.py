"""
What becomes of options that become no setting, as C{options.txt} in the folder of a program says.

A line such as C{missing: REASON | INSTEAD} is about the options in the indented lines below it. Behind an equals sign are values with which
an option says nothing, between commas. The first word is

  - C{needless}: this server has no use for the option,
  - C{missing}: there is no counterpart,
  - C{note}: there is something else to do,
  - C{always}: this server always does so, which cannot be switched off,
  - C{never}: there is no counterpart, and none is needed if it is off.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final

from twisted_ext.apps.cli.convert.converted import Converted, Place, Severity

__all__ = ["Outcome", "outcomesOf"]

_SEVERITIES: Final = {
    "needless": Severity.NEEDLESS,
    "missing": Severity.MISSING,
    "note": Severity.NOTE,
    "always": Severity.NEEDLESS,
    "never": Severity.MISSING,
}

#: How programs write that something is off.
_OFF: Final = ("no", "off", "false", "0", "none", "disabled")


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    @ivar kind: the first word of its line.
    @ivar usual: the values with which it says nothing.
    """

    kind: str
    reason: str
    instead: str
    usual: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        return _SEVERITIES[self.kind]

    def report(self, value: str, place: Place, converted: Converted) -> None:
        if value.lower() not in _OFF or self.kind not in ("always", "never"):
            converted.find(place, self.severity, self.reason, self.instead)
        elif self.kind == "always":
            converted.note(place, f"{self.reason}, and this cannot be switched off", self.instead)
        else:
            converted.needless(place, "it is off")


def outcomesOf(program: str) -> dict[str, Outcome]:
    """
    Read the table of a program.

    @param program: the name of its package in this one.
    """
    found: dict[str, Outcome] = {}
    kind = reason = instead = ""
    for line in resources.files(f"{__package__}.{program}").joinpath("options.txt").read_text("utf-8").splitlines():
        if line.startswith(" "):
            for word in line.split():
                name, _, usual = word.partition("=")
                found[name] = Outcome(kind, reason, instead, tuple(filter(None, usual.split(","))))
        elif line and not line.startswith("#"):
            kind, _, said = line.partition(": ")
            reason, _, instead = said.partition(" | ")
    return found
