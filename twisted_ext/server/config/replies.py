"""
What the settings say about replies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.reply.chaos import Identity
from twisted_ext.server.reply.replybuilder import Finishing

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["finishingOf", "identityOf"]


def finishingOf(settings: Settings) -> Finishing:
    """
    @return: how replies look under these settings.
    """
    return Finishing(identity=identityOf(settings), recursion=settings.role != "serve", idle=settings.tcpIdle)


def identityOf(settings: Settings) -> Identity:
    """
    @return: what the server says about itself: version, host name, NSID.
    """
    return Identity(version=settings.versionBind, host=settings.hostnameBind, nsid=settings.nsid)
