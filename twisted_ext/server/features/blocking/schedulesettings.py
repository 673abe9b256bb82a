"""
The settings of a schedule: a C{[[schedule]]} table, or C{--schedule NAME=DAYS TIMES}.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rules.schedule import Schedule
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.config.tables import checkedTable, tableFromText, tableToText, tableToTOML

if TYPE_CHECKING:
    from twisted_ext.server.config.types import Value

__all__ = ["SCHEDULE_SETTINGS", "ScheduleSettings"]

#: The settings of a C{[[schedule]]} table.
SCHEDULE_SETTINGS: Final = (
    Setting("name", types.LABEL, "", "The schedule's name"),
    Setting("days", types.TEXT, (), "Its days: mon, or mon-fri; by default all"),
    Setting("times", types.TEXT, (), "Its times: 14:00-17:30, or 21:00-06:30 from each of its days to the next; by default whole days"),
)


class ScheduleSettings:
    """
    The settings of a schedule.

    @ivar name: its name.
    @ivar schedule: its times.
    """

    __slots__ = ("name", "schedule", "_values")

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.name = str(values["name"])
        try:
            self.schedule = Schedule(_several(values, "days"), _several(values, "times"))
        except BadDescription as error:
            raise BadDescription(f"schedule {self.name}: {error}") from None
        self._values = values

    @classmethod
    def fromTable(cls, table: Mapping[str, object], folder: str = "") -> ScheduleSettings:
        values = checkedTable(table, SCHEDULE_SETTINGS, "schedule", "homework", folder)
        if not values.get("days") and not values.get("times"):
            raise BadDescription(f'schedule {values["name"]} has neither days nor times; write times = ["14:00-17:30"]')
        return cls(values)

    @classmethod
    def fromText(cls, text: str, folder: str = "") -> ScheduleSettings:
        """
        Parse C{NAME=DAYS TIMES}, in any number and order, or the result of L{toText}.
        """
        if text.startswith("{"):
            return cls.fromTable(tableFromText(text, "schedule"), folder)
        name, equals, rest = text.partition("=")
        if not equals or not name or not rest.split():
            raise BadDescription(f"{text!r} is not a valid schedule: write its name, an equals sign, and days or times")
        words = rest.split()
        days, times = [word for word in words if ":" not in word], [word for word in words if ":" in word]
        return cls.fromTable({"name": name, **({"days": days} if days else {}), **({"times": times} if times else {})}, folder)

    def toText(self) -> str:
        return tableToText(self._values)

    def toTOML(self) -> str:
        return tableToTOML(self._values)


def _several(values: Mapping[str, Value], name: str) -> tuple[str, ...]:
    value = values.get(name, ())
    return value if isinstance(value, tuple) else (str(value),)
