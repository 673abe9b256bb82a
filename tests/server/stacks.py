"""
Stacks of sources with the features that their settings switch on, as the service makes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from weakref import WeakKeyDictionary

from twisted.internet.interfaces import IReactorTime

from twisted_ext.answers import Answer
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Features
from twisted_ext.server.sources.recursor import Given, Recursor
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.server.sources.upstreams import ListenAddresses

__all__ = ["featuresOf", "forwardStack", "reloadStack"]

_features: WeakKeyDictionary[ForwardStack, Features] = WeakKeyDictionary()


def forwardStack(
    reactor: IReactorTime,
    settings: Settings,
    *,
    listening: ListenAddresses | None = None,
    recursing: Callable[[Given, Recursor | None], Recursor] | None = None,
    changed: Callable[[], object] = lambda: None,
) -> ForwardStack:
    made: list[ForwardStack] = []

    def servers(name: bytes, answer: Answer | None) -> tuple[list[bytes], list[bytes]]:
        recursor = made[0].recursor
        return ([], []) if recursor is None else recursor.serversOf(name, answer)

    features = Features(Site(reactor, settings, changed, inside=lambda view: made[0].asksInside(view), servers=servers))
    stack = ForwardStack(reactor, settings, features, listening=listening, recursing=recursing, changed=changed)
    made.append(stack)
    features.begin()
    _features[stack] = features
    return stack


def featuresOf(stack: ForwardStack) -> Features:
    return _features[stack]


def reloadStack(stack: ForwardStack, settings: Settings) -> None:
    """
    Apply new settings.
    """
    former = _features[stack]
    features = Features(replace(former.site, settings=settings), former)
    stack.reload(settings, features)
    features.begin()
    former.close(features)
    _features[stack] = features
