"""
Hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Site

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["HooksFeature", "HooksSettings"]


class HooksSettings(Section):
    hook: tuple[str, ...] = setting(
        types.TEXT,
        (),
        "Ask this Python function what to answer: package.module:name, or the path of a file and the name, such as "
        "/etc/txdns/hooks.py:customer. Of several the first one that does not pass decides. Their file is read again at a reload",
        group="Access control and replies",
        roles=RESOLVING,
        inView=True,
    )


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
    roles = RESOLVING

    def differs(self, one: Settings, other: Settings) -> bool:
        # What a hook may be told has the view in it.
        return True

    def make(self, site: Site, former: Active | None) -> Active | None:
        words = site.settings[HooksSettings].hook
        if not words:
            return None
        from twisted_ext.server.features.hooks.inforce import AppliedHooks

        return AppliedHooks(site, words, former if isinstance(former, AppliedHooks) else None)
