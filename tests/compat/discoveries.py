"""
The test case for look-ups of services, with answers that fire at once.
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

#: The answer for a name that does not exist.
DENIED: Final = Answer(Outcome.NXDOMAIN, rcode=3)


def aliased(owner: str, *aliases: str, rrType: int = 33, texts: tuple[str, ...] = (), left: bool = False) -> Answer:
    """
    Return an answer with a chain of aliases.

    @param aliases: the names of the chain, in order.
    @param texts: the records at the last of them.
    @param left: whether the server leaves it to the client to follow the chain.
    """
    names = [nameFromText(name) for name in (owner, *aliases)]
    sets = [rrsetOf(one, 5, nameToText(other)) for one, other in zip(names, names[1:], strict=False)]
    if texts:
        sets.append(rrsetOf(names[-1], rrType, texts))
    soa = () if left or texts else (rrsetOf(b"\x00", 6, "a. b. 1 2 3 4 5"),)
    return Answer(Outcome.DATA if texts else Outcome.NODATA, tuple(sets), soa)


class ServiceTestCase(SynchronousTestCase):
    """
    Look-ups with immediate answers.
    """

    def zone(self, records: Mapping[tuple[str, str], Entry], otherwise: Entry = DENIED) -> NamesResolver:
        """
        Return a resolver that has these records.
        """
        self.source = CannedSource(records, otherwise)
        return NamesResolver(self.source, Clock())

    def asked(self) -> list[str]:
        """
        Return the names that were queried.
        """
        return [nameToText(question.name, final=False) for question in self.source.questions]

    def found(self, targets: Deferred[list[Target]]) -> list[str]:
        """
        Return the targets of a look-up as text.
        """
        return [str(target) for target in self.successResultOf(targets)]

    def failed(self, looking: Deferred[_T], *kinds: type[Exception]) -> str:
        """
        Return the message of an exception that is one of these.
        """
        return str(self.failureResultOf(looking, *kinds).value)
