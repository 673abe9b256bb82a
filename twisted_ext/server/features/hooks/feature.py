"""
Hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.features.hooks.settings import HooksSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.hooks.inforce import AppliedHooks
    from twisted_ext.server.features.hooks.keeper import HookSwitches

__all__ = ["HooksFeature"]


def _described(hooks: AppliedHooks, arguments: Mapping[str, str]) -> JSON:
    return hooks.described()


def _joined(told: list[JSON]) -> dict[str, JSON]:
    from twisted_ext.server.features.hooks.figures import joined

    return joined(told)


def _off(switches: HookSwitches, arguments: Mapping[str, str]) -> JSON:
    return switches.switch(arguments["hook"], True)


def _on(switches: HookSwitches, arguments: Mapping[str, str]) -> JSON:
    return switches.switch(arguments["hook"], False)


class HooksFeature(Feature):
    """
    Asks functions of an application, each in every process that answers.
    """

    name = "hooks"
    settings = HooksSettings
    figures = (
        Figure("hookCalls", "txdns_hook_calls_total", "Calls of a hook.", grows=True, label="hook"),
        Figure(
            "hookFailures",
            "txdns_hook_failures_total",
            "Queries that a hook gave no verdict for, by why: raised, late, wrong, full, or resting after many failures.",
            grows=True,
            label="hook kind",
        ),
        Figure("hookWaiting", "txdns_hook_waiting", "Calls of a hook that wait now.", label="hook"),
    )
    verbs = (
        Verb(
            "hooks",
            "show hooks, with their calls, those that wait, how long they take, and their failures",
            _described,
            ofViews=True,
            gather=_joined,
            join=_joined,
            shown="twisted_ext.apps.cli.server.report:hookLines",
        ),
        Verb("hook/off", "ask a hook no more, until the server is started again", _off, takes=("HOOK",), changes=True, inParent=True),
        Verb("hook/on", "ask it again", _on, takes=("HOOK",), changes=True, inParent=True),
    )
    roles = RESOLVING

    def differs(self, one: Settings, other: Settings) -> bool:
        # What a hook may be told has the view in it.
        return True

    def make(self, site: Site, former: Active | None) -> Active | None:
        words = site.settings[HooksSettings].hook
        if not words and not site.hooks:
            return None
        from twisted_ext.server.features.hooks.inforce import AppliedHooks

        return AppliedHooks(site, words, former if isinstance(former, AppliedHooks) else None)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.hooks.keeper import HookSwitches

        return HookSwitches(settings)
