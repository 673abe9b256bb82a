"""
What becomes of an option that becomes no setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twisted_ext.apps.cli.convert.converted import Converted, Place

__all__ = ["Outcome", "always", "missing", "needless", "never", "rows"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    @ivar isMissing: whether there is no counterpart; else it is not needed.
    @ivar unless: values for which it is the other way round.
    @ivar otherwise: the reason for these values, C{""} for the usual one.
    """

    isMissing: bool
    reason: str
    instead: str = ""
    unless: tuple[str, ...] = ()
    otherwise: str = ""

    def report(self, value: str, place: Place, converted: Converted) -> None:
        other = value.lower() in self.unless
        reason = (self.otherwise or self.reason) if other else self.reason
        if self.isMissing and not other:
            converted.missing(place, reason, self.instead)
        elif other and not self.isMissing:
            converted.note(place, reason, self.instead)
        else:
            converted.needless(place, reason, "" if self.isMissing else self.instead)


#: How programs write that something is off.
_OFF = ("no", "off", "false", "0", "none", "disabled")


def needless(reason: str, instead: str = "") -> Outcome:
    return Outcome(False, reason, instead)


def missing(reason: str, instead: str = "") -> Outcome:
    return Outcome(True, reason, instead)


def always(reason: str) -> Outcome:
    """
    It is not needed, since this server always does so, which cannot be switched off.
    """
    return Outcome(False, reason, unless=_OFF, otherwise=f"{reason}, and this cannot be switched off")


def never(reason: str, instead: str = "") -> Outcome:
    """
    It has no counterpart, and is not needed if it is off.
    """
    return Outcome(True, reason, instead, unless=_OFF, otherwise="it is off")


def rows(outcome: Outcome, names: str) -> Iterator[tuple[str, Outcome]]:
    for name in names.split():
        yield name, outcome
