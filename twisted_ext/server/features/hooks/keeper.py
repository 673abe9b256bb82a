"""
Hooks that an operator has switched off, for all processes that answer. They are asked again when the server is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.logger import Logger

from twisted_ext.errors import CallerFault
from twisted_ext.server.features.base.feature import Keeper
from twisted_ext.server.features.hooks.settings import HooksSettings, nameOf
from twisted_ext.server.features.views.settings import viewsOf

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings

__all__ = ["HookSwitches"]


class HookSwitches(Keeper):
    log = Logger(__name__)

    def __init__(self, settings: Settings) -> None:
        self._publish: Callable[[JSON], object] = lambda state: None
        self._off: set[str] = set()
        self._known = _namesIn(settings)

    def begin(self, publish: Callable[[JSON], object]) -> None:
        self._publish = publish

    def apply(self, settings: Settings) -> None:
        self._known = _namesIn(settings)
        if not self._off <= self._known:
            self._off &= self._known
            self._tell()

    def switch(self, name: str, isOff: bool) -> dict[str, JSON]:
        """
        Have a hook asked no more, or again, in all views.

        @param name: as C{txdns control hooks} shows it.

        @raise CallerFault: there is no such hook.
        """
        if name not in self._known:
            known = ", ".join(sorted(self._known))
            raise CallerFault(f"there is no hook {name}; {f'there are {known}' if known else 'the settings have none'}")
        word = "off" if isOff else "on"
        if (name in self._off) is isOff:
            return {"said": [f"hook {name} is {word} already"]}
        if isOff:
            self._off.add(name)
        else:
            self._off.discard(name)
        self._tell()
        self.log.info("an operator has switched hook {name} {word}", name=name, word=word)
        more = ": queries pass it until it is switched on, or the server is started again" if isOff else ""
        return {"said": [f"hook {name} is {word}{more}"]}

    def _tell(self) -> None:
        self._publish([*sorted(self._off)] or None)

    def facts(self) -> dict[str, JSON]:
        if not self._off:
            return {}
        names = sorted(self._off)
        return {"hooks": {"off": [*names], "said": [f"hooks switched off: {', '.join(names)}"]}}


def _namesIn(settings: Settings) -> set[str]:
    words = {*settings[HooksSettings].hook, *[word for view in viewsOf(settings) for word in view.settings[HooksSettings].hook]}
    return {nameOf(word) for word in words}
