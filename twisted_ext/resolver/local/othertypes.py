"""
Answers of upstreams for types that a name does not have locally.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from copy import copy
from typing import TYPE_CHECKING

from zope.interface import implementer

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.ask import then
from twisted_ext.resolver.local.localanswers import lastTime
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.wire.codes import AD, IN, Rcode
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, parentOf
from twisted_ext.wire.rrtypes import CNAME

if TYPE_CHECKING:
    from twisted_ext.resolver.local.hosts import HostsTable
    from twisted_ext.resolver.local.localrecords import LocalRecordsSource

__all__ = ["OtherTypes"]


@implementer(IAnswerSource)
class OtherTypes(WrappingSource):
    """
    Turns the denial of a name into that of its type if the name has local data of other types, or is above one that has. Upstreams do not
    know such a name, but a client that is told so for AAAA need not use its A record, nor ask for the names below it (RFC 8020).
    """

    __slots__ = ("_records", "_hosts", "_above", "_table", "_aboveHosts")

    def __init__(
        self, inner: IAnswerSource, records: LocalRecordsSource | None = None, hosts: Callable[[], HostsTable] | None = None
    ) -> None:
        """
        @param inner: the source of local and all other names.
        @param records: the one of local records.
        @param hosts: returns the contents of the hosts files.
        """
        super().__init__(inner)
        self._records = records
        self._hosts = hosts
        self._above = _namesAbove(() if records is None else records.names)
        self._table: HostsTable | None = None
        self._aboveHosts: Container[bytes] = ()

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        return then(self._inner.ask(question, context), self._passed, question, context)

    def _passed(self, answer: Answer, question: Question, context: QueryContext) -> Answer:
        if answer.rcode != Rcode.NXDOMAIN or question.rrClass != IN or not self._isLocal(_lastName(answer, question)):
            return answer
        if context.trace is not None:
            context.trace.note(lastTime(context.trace), "local", "the name exists here", reason="forward-other-types")
        other = copy(answer)
        # Neither the octets of the message nor the proof are those of this answer.
        other.message = None
        other.outcome, other.rcode = Outcome.NODATA, Rcode.NOERROR
        other.flags &= ~AD
        other.security = Security.INDETERMINATE
        return other

    def _isLocal(self, name: bytes) -> bool:
        """
        @param name: folded.
        """
        if name in self._above or (self._records is not None and self._records.setsFor(name) is not None):
            return True
        if self._hosts is None:
            return False
        table = self._hosts()
        if table is not self._table:
            self._table, self._aboveHosts = table, _namesAbove(table.addresses)
        return name in table.addresses or name in self._aboveHosts


def _namesAbove(names: Iterable[bytes]) -> frozenset[bytes]:
    """
    Return all names that some names are below, without the root.
    """
    found: set[bytes] = {ROOT}
    for name in names:
        # There may be a hundred thousand names in one domain.
        while name != ROOT and (name := parentOf(name)) not in found:
            found.add(name)
    return frozenset(found - {ROOT})


def _lastName(answer: Answer, question: Question) -> bytes:
    """
    Return the name that an answer denies, folded: the last one of its aliases.
    """
    name = question.key[:-4]
    for rrset in answer.answer:
        if rrset.rrType == CNAME and rrset.name.lower() == name:
            name = rrset.rdatas[0].lower()
    return name
