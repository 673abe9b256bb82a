"""
The page of upstreams: which servers are asked, how fast they reply, and which do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred

from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleReply

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations

__all__ = ["UpstreamsPage"]

#: Servers of the page; a recursive resolver knows more.
_SHOWN: Final = 200


class UpstreamsPage:
    """
    Makes the page.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def __call__(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._page())

    async def _page(self) -> ConsoleReply:
        figures = await self._operations.figures()
        rows = sorted(figures.upstreams, key=lambda each: -float(str(each.get("queries") or 0)))
        slowest = max([rtt for each in rows[:_SHOWN] if isinstance(rtt := each.get("rtt"), int | float)], default=0)
        values = {"rows": rows[:_SHOWN], "count": len(rows), "slowest": slowest}
        return ConsoleReply(values)
