"""
What answer sources have in common: the sources that they query, and how they close.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, NoReturn

from mypy_extensions import mypyc_attr
from twisted.internet.defer import Deferred, gatherResults, succeed
from zope.interface import classImplements

from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import nothingOn
from twisted_ext.wire.message import Question

__all__ = ["FailingSource", "JoiningSource", "LocalSource", "WrappingSource", "closeAll"]


def closeAll(sources: Iterable[IAnswerSource]) -> Deferred[None]:
    closing = [source.close() for source in sources]
    return gatherResults(closing, consumeErrors=True).addCallback(lambda _: None)


@mypyc_attr(allow_interpreted_subclasses=True)
class LocalSource:
    """
    Base of the sources that query no other one and have nothing to close.

    @cvar what: names the source in errors.
    """

    __slots__ = ()

    what: ClassVar[str] = "no source"

    def unknown(self, question: Question) -> Unknown:
        return nothingOn(self.what, question)

    def close(self) -> Deferred[None]:
        return succeed(None)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return ()


@mypyc_attr(allow_interpreted_subclasses=True)
class WrappingSource:
    """
    Base of the sources that query one other, which is closed with them.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: IAnswerSource) -> None:
        self._inner = inner

    def close(self) -> Deferred[None]:
        return self._inner.close()

    def sources(self) -> tuple[IAnswerSource, ...]:
        return (self._inner,)


@mypyc_attr(allow_interpreted_subclasses=True)
class JoiningSource:
    """
    Base of the sources that query several others, which are closed with them.
    """

    __slots__ = ("_sources",)

    def __init__(self, sources: Iterable[IAnswerSource]) -> None:
        self._sources = tuple(sources)

    def close(self) -> Deferred[None]:
        return closeAll(self._sources)

    def sources(self) -> tuple[IAnswerSource, ...]:
        return self._sources


class FailingSource(LocalSource):
    """
    Fails every question with a fault that explains why there is no upstream.
    """

    def __init__(self, fault: Callable[[], DNSFault]) -> None:
        self._fault = fault

    def ask(self, question: Question, context: QueryContext) -> NoReturn:
        raise self._fault()


classImplements(FailingSource, IAnswerSource)
