"""
Sources in front of others.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.combine.chain import ChainSource

__all__ = ["inFront"]


def inFront(source: IAnswerSource) -> Callable[[IAnswerSource], IAnswerSource]:
    """
    Return what wraps others so that C{source} is asked first, and they are for what it does not know. All that are wrapped in this way are
    members of one chain.
    """

    def wrap(others: IAnswerSource) -> IAnswerSource:
        members = others.sources() if isinstance(others, ChainSource) else (others,)
        return ChainSource([source, *members])

    return wrap
