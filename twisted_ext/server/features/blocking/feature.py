"""
Blocking: names of block lists are answered in place of upstreams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.metrics.figure import Figure
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import RESOLVING, Section, setting
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.server.settings.settings import Settings

__all__ = ["BlockingFeature", "BlockingSettings"]


class BlockingSettings(Section):
    block: tuple[str, ...] = setting(types.NAME, (), "Block this domain and all names below it", group="Blocking")
    blockList: tuple[str, ...] = setting(
        types.LIST,
        (),
        "Block the names in this file, which may have lines of hosts files, domains, *.domain, and ||domain^ of ad blockers. Only lines of "
        "hosts files leave the names below alone. The file is read again when it has changed; a missing one is logged",
    )
    blockExcept: tuple[str, ...] = setting(
        types.BLOCK_EXCEPTION,
        (),
        "Do not block this domain and all names below it, whichever list has them; file:PATH for a file of domains, as for block-list",
    )
    blockReply: str = setting(
        types.BLOCK_REPLY,
        "nxdomain",
        "Answer for blocked names: nxdomain; null for the addresses 0.0.0.0 and ::; or an address, or one of each family with a comma. "
        "The local records and hosts file of this server are never blocked",
    )


class BlockingFeature(Feature):
    """
    Blocks names. The table of all lists is made once for a server, and shared by the processes that answer.
    """

    name = "blocking"
    settings = BlockingSettings
    figures = (
        Figure("blockLists", "txdns_block_lists", "Configured block lists."),
        Figure("blockListsWrong", "txdns_block_lists_wrong", "Block lists that could not be read last time."),
        Figure("blockNames", "txdns_block_names", "Names in block lists.", words="names in block lists"),
    )
    roles = RESOLVING

    def make(self, site: Site, former: Active | None) -> Active | None:
        wanted = site.settings[BlockingSettings]
        if not (wanted.block or wanted.blockList):
            return None
        from twisted_ext.server.features.blocking.names import BlockedNames

        return BlockedNames(site, wanted, former if isinstance(former, BlockedNames) else None)

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        from twisted_ext.server.features.blocking.keeper import BlockLists

        return BlockLists(reactor, settings)
