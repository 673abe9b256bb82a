"""
What tests of services ask: answers at once, and what came of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.answers import Answer, Outcome
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.testing.sources import CannedSource, Entry, rrsetOf
from twisted_ext.wire.names import nameFromText, nameToText

__all__ = ["DENIED", "ServiceTestCase", "aliased"]

_T = TypeVar("_T")

#: There is no such name.
DENIED: Final = Answer(Outcome.NXDOMAIN, rcode=3)


def aliased(owner: str, *aliases: str, rrType: int = 33, texts: tuple[str, ...] = (), left: bool = False) -> Answer:
    """
    @param aliases: the names that one leads to after the other.
    @param texts: the records at the last of them.
    @param left: the server leaves it to us to follow them.

    @return: the answer with all of that.
    """
    names = [nameFromText(name) for name in (owner, *aliases)]
    sets = [rrsetOf(one, 5, nameToText(other)) for one, other in zip(names, names[1:], strict=False)]
    if texts:
        sets.append(rrsetOf(names[-1], rrType, texts))
    soa = () if left or texts else (rrsetOf(b"\x00", 6, "a. b. 1 2 3 4 5"),)
    return Answer(Outcome.DATA if texts else Outcome.NODATA, tuple(sets), soa)


class ServiceTestCase(SynchronousTestCase):
    """
    Look-ups that are answered at once.
    """

    def zone(self, records: Mapping[tuple[str, str], Entry], otherwise: Entry = DENIED) -> NamesResolver:
        """
        @return: a resolver that knows these.
        """
        self.source = CannedSource(records, otherwise)
        return NamesResolver(self.source, Clock())

    def asked(self) -> list[str]:
        """
        @return: the names that were asked for.
        """
        return [nameToText(question.name, final=False) for question in self.source.questions]

    def found(self, targets: Deferred[list[Target]]) -> list[str]:
        """
        @return: where a look-up says to go.
        """
        return [str(target) for target in self.successResultOf(targets)]

    def failed(self, looking: Deferred[_T], *kinds: type[Exception]) -> str:
        """
        @return: the words of an exception that is one of these.
        """
        return str(self.failureResultOf(looking, *kinds).value)
