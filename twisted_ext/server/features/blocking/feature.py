"""
Blocking: names of block lists are answered in place of upstreams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config.setting import RESOLVING
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.features.blocking.settings import BlockingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.blocking.keeper import BlockLists

__all__ = ["BlockingFeature"]


def _why(active: Active, arguments: Mapping[str, str]) -> JSON:
    return active.why(arguments)


def _first(told: list[JSON]) -> JSON:
    """
    Return what is said up to the rule that decides.
    """
    said: list[JSON] = []
    found: dict[str, JSON] = {}
    for each in told:
        if isinstance(each, dict) and found.get("rule") is None:
            found = each
            lines = each["said"]
            said += lines if isinstance(lines, list) else []
    return {**found, "said": [*dict.fromkeys(map(str, said))]}


def _pause(lists: BlockLists, arguments: Mapping[str, str]) -> JSON:
    return lists.pause(arguments["view"], arguments.get("time", "5m"))


def _resume(lists: BlockLists, arguments: Mapping[str, str]) -> JSON:
    return lists.resume(arguments["view"])


def _fetch(lists: BlockLists, arguments: Mapping[str, str]) -> JSON:
    return lists.fetch(arguments["list"], False)


def _accept(lists: BlockLists, arguments: Mapping[str, str]) -> JSON:
    return lists.fetch(arguments["list"], True)


class BlockingFeature(Feature):
    """
    Blocks names. The table of all lists is made once for a server, and shared by the processes that answer.
    """

    name = "blocking"
    settings = BlockingSettings
    figures = (
        Figure("blockLists", "txdns_block_lists", "Configured block lists."),
        Figure("blockListsWrong", "txdns_block_lists_wrong", "Block lists that could not be fetched or read last time."),
        Figure("blockListNames", "txdns_block_list_names", "Names in a block list.", label="list"),
        Figure("blockListFailing", "txdns_block_list_failing", "Whether a block list could not be fetched or read.", label="list"),
        Figure(
            "blockListFetched",
            "txdns_block_list_fetched_seconds",
            "When a block list that has a URL was fetched last, in seconds since 1970.",
            label="list",
        ),
        Figure("blockingPaused", "txdns_blocking_paused", "Views in which blocking is paused; default for none.", label="view"),
        Figure("blockNames", "txdns_block_names", "Names in block lists.", words="names in block lists"),
    )
    verbs = (
        Verb(
            "why",
            "which hook, or rule of which policy zone or list, decides about a name for the client at this address",
            _why,
            takes=("NAME", "CLIENT", "[TIME]", "[TYPE]"),
            ofClient=True,
            gather=_first,
            more="now or at a time as 21:30 or 2026-11-25T21:30; TYPE is a type such as AAAA",
        ),
        Verb(
            "pause",
            "block nothing for the clients of a view for a time",
            _pause,
            takes=("VIEW", "[TIME]"),
            changes=True,
            inParent=True,
            more="by default 5m, at most 24h; VIEW may be default, for those in no view, or all",
        ),
        Verb("resume", "block again", _resume, takes=("VIEW",), changes=True, inParent=True),
        Verb("lists/fetch", "fetch a list that has a URL now", _fetch, takes=("LIST",), changes=True, inParent=True),
        Verb(
            "lists/accept",
            "fetch it, and use it although it has lost most of its rules",
            _accept,
            takes=("LIST",),
            changes=True,
            inParent=True,
        ),
    )
    roles = RESOLVING

    def differs(self, one: Settings, other: Settings) -> bool:
        # Each view can be paused by itself.
        return True

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[BlockingSettings]
        if not (wanted.block or wanted.blockList or wanted.lists or wanted.safeSearch):
            return None
        from twisted_ext.server.features.blocking.names import BlockedNames

        return BlockedNames(site, wanted, former if isinstance(former, BlockedNames) else None)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.blocking.keeper import BlockLists

        return BlockLists(reactor, settings)
