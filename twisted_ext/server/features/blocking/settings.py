"""
The settings of block lists, which what switches them on and what reads them have in common.
"""

from __future__ import annotations

from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Section, setting

__all__ = ["BlockingSettings"]


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
