"""
Finding prefixes of descriptions that others bring along.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.plugin import getPlugins
from twisted.python.failure import Failure

from twisted_ext.interfaces import IResolverParser

__all__ = ["pluggedParsers"]


def pluggedParsers(builtIn: Mapping[str, IResolverParser]) -> tuple[list[IResolverParser], list[str]]:
    """
    Go through Twisted's plugins.

    @param builtIn: by prefix, those that no plugin can replace.

    @return: usable ones, the first of each prefix, and what is wrong with the others, in words.
    """
    found: dict[str, IResolverParser] = {}
    complaints: list[str] = []

    def overhear(event: LogEvent) -> None:
        # A module that cannot be imported is logged and left out by Twisted.
        failure = event.get("log_failure") or event.get("failure")
        if isinstance(failure, Failure):
            complaints.append(
                f"a plugin module cannot be imported: {type(failure.value).__name__}: {failure.getErrorMessage()}"
            )

    observer = cast(ILogObserver, overhear)
    globalLogPublisher.addObserver(observer)
    try:
        # All plugins of all packages are imported where nobody has done so before. What they warn of is not for our caller.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plugins = list(getPlugins(IResolverParser))
    finally:
        globalLogPublisher.removeObserver(observer)
    for plugin in plugins:
        prefix = getattr(plugin, "prefix", None)
        if builtIn.get(cast(str, prefix)) is plugin:
            continue
        if not isinstance(prefix, str) or not prefix.isidentifier():
            complaints.append(f"{plugin!r} has no prefix, which takes a word")
        elif prefix in builtIn or prefix in found:
            complaints.append(
                f"{plugin!r} is not used: the prefix {prefix!r} is taken by {(builtIn.get(prefix) or found[prefix])!r}"
            )
        else:
            found[prefix] = plugin
    return list(found.values()), complaints
