"""
Find what Twisted plugins of other packages provide: prefixes of descriptions, and features of the server.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.python.failure import Failure

from twisted_ext.interfaces import IResolverParser

if TYPE_CHECKING:
    from zope.interface import Interface

__all__ = ["pluggedParsers", "pluginsFor"]


def pluginsFor(interface: type[Interface]) -> tuple[list[object], list[str]]:
    """
    Load plugins.

    @return: those that provide an interface, and an error text for each plugin module that cannot be imported.
    """
    complaints: list[str] = []

    def overhear(event: LogEvent) -> None:
        # Twisted logs a module that cannot be imported, and leaves it out.
        failure = event.get("log_failure") or event.get("failure")
        if isinstance(failure, Failure):
            complaints.append(
                f"a plugin module cannot be imported: {type(failure.value).__name__}: {failure.getErrorMessage()}"
            )

    observer = cast(ILogObserver, overhear)
    globalLogPublisher.addObserver(observer)
    try:
        # This imports all plugins of all packages, unless that has been done already. Their warnings do not concern the caller.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(getPlugins(interface)), complaints
    finally:
        globalLogPublisher.removeObserver(observer)


def pluggedParsers(builtIn: Mapping[str, IResolverParser]) -> tuple[list[IResolverParser], list[str]]:
    """
    Load the prefixes among Twisted's plugins.

    @param builtIn: the built-in prefixes, which plugins cannot replace.

    @return: the usable ones, the first for each prefix, and an error text for each of the others.
    """
    found: dict[str, IResolverParser] = {}
    plugins, complaints = pluginsFor(IResolverParser)
    for plugin in plugins:
        prefix = getattr(plugin, "prefix", None)
        if builtIn.get(cast(str, prefix)) is plugin:
            continue
        if not isinstance(prefix, str) or not prefix.isidentifier():
            complaints.append(f"{plugin!r} has no prefix; it must be a word")
        elif prefix in builtIn or prefix in found:
            complaints.append(
                f"{plugin!r} is not used: the prefix {prefix!r} is taken by {(builtIn.get(prefix) or found[prefix])!r}"
            )
        else:
            found[prefix] = cast(IResolverParser, plugin)
    return list(found.values()), complaints
