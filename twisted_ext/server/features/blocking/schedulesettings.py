"""
The settings of a schedule: a C{[[schedule]]} table, or C{--schedule NAME=DAYS TIMES}.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted_ext.errors import BadDescription
from twisted_ext.resolver.policy.rules.schedule import Schedule
from twisted_ext.server.config import types
from twisted_ext.server.config.tables import TableSettings, key

__all__ = ["ScheduleSettings"]


class ScheduleSettings(TableSettings):
    """
    The settings of a schedule.

    @ivar schedule: its times.
    """

    table = "schedule"
    example = "homework"
    short = "days or times"
    atRunTime = frozenset(["days", "times"])

    __slots__ = ("schedule",)

    days: tuple[str, ...] = key(types.TEXT, (), "Its days: mon, or mon-fri; by default all")
    times: tuple[str, ...] = key(
        types.TEXT, (), "Its times: 14:00-17:30, or 21:00-06:30 from each of its days to the next; by default whole days"
    )

    def check(self) -> None:
        if not self.days and not self.times:
            raise BadDescription(f'schedule {self.name} has neither days nor times; write times = ["14:00-17:30"]')
        try:
            self.schedule = Schedule(self.days, self.times)
        except BadDescription as error:
            raise BadDescription(f"schedule {self.name}: {error}") from None

    @classmethod
    def keysIn(cls, text: str) -> Mapping[str, object]:
        """
        Return days and times, which come in any number and order.
        """
        words = text.split()
        days, times = [word for word in words if ":" not in word], [word for word in words if ":" in word]
        return {**({"days": days} if days else {}), **({"times": times} if times else {})}
