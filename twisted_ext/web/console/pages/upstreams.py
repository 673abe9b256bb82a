"""
The page of upstreams: which servers are asked, how fast they reply, and which do not; and what adds one, once it has replied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_ext.answers import QueryContext
from twisted_ext.errors import CallerFault, DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.server.config.addedvalues import AddedValue
from twisted_ext.server.config.types import describedUpstream
from twisted_ext.server.settings.changeable import reasonAgainst
from twisted_ext.web.console.site.replies import ConsoleAsked, ConsoleRefusal, ConsoleReply
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import NS

if TYPE_CHECKING:
    from twisted_ext.server.operations.operations import Operations
    from twisted_ext.web.console.pages.alterations import Alterations

__all__ = ["UpstreamsPage"]

#: Servers of the page; a recursive resolver knows more.
_SHOWN: Final = 200

#: Seconds that a server which is to be added has for its reply. One that takes longer is of no use.
_TRIED: Final = 3.0


class UpstreamsPage:
    """
    Makes the page, and adds and removes upstreams.
    """

    def __init__(self, operations: Operations, alterations: Alterations, reactor: IReactorTime) -> None:
        self._operations = operations
        self._alterations = alterations
        self._reactor = reactor

    def show(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        return Deferred.fromCoroutine(self._page())

    async def _page(self, wanted: str = "", why: str = "") -> ConsoleReply:
        """
        @param wanted: an upstream that was not added, and C{why}.
        """
        figures, inForce = await self._operations.figures(), self._operations.inForce
        rows = sorted(figures.upstreams, key=lambda each: -float(str(each.get("queries") or 0)))
        slowest = max([rtt for each in rows[:_SHOWN] if isinstance(rtt := each.get("rtt"), int | float)], default=0)
        values = {"rows": rows[:_SHOWN], "count": len(rows), "slowest": slowest, "wanted": wanted, "why": why}
        values |= {"chosen": inForce.upstream, "isForwarder": inForce.role == "forward"}
        return ConsoleReply(values, 422 if why else 200)

    def do(self, asked: ConsoleAsked) -> Deferred[ConsoleReply]:
        """
        Add an upstream that replies, or one that does not if that is wanted anyway; or remove one.
        """
        return Deferred.fromCoroutine(self._do(asked))

    async def _do(self, asked: ConsoleAsked) -> ConsoleReply:
        form, action = asked.form, asked.form.get("action", "")
        value = describedUpstream(form.get("value", "").strip())
        if action == "remove":
            chosen = self._operations.inForce.upstream
            if [*chosen] == [value]:
                raise ConsoleRefusal(422, "This is the last upstream; add another one first.")
        elif action in ("add", "anyway"):
            if not value:
                raise ConsoleRefusal(422, "The address is missing.")
            if action == "add" and (why := await self._whyNot(value)):
                return await self._page(value, why)
        else:
            raise ConsoleRefusal(422, "There is no such action.")
        return await self._alterations.lead(asked, "/upstreams", [AddedValue("upstream", value, "", action == "remove")])

    async def _whyNot(self, description: str) -> str:
        """
        Ask a server for the servers of the root, and return why it cannot be used; C{""} if it can.

        @raise BadDescription: the syntax is wrong, or it is for the settings file only.
        """
        if wrong := reasonAgainst("upstream", description):
            raise CallerFault(wrong)
        source = sourceFromString(self._reactor, description)
        try:
            await lookUp(source, Question(b"\x00", NS), QueryContext(self._reactor.seconds() + _TRIED))
        except DNSFault as fault:
            return str(fault)
        finally:
            await source.close()
        return ""
