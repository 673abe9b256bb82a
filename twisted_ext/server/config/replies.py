"""
Builds the parts that shape replies from the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted_ext.server.reply.chaos import ChaosIdentity
from twisted_ext.server.reply.replybuilder import ReplyBuilder

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["finishingOf", "identityOf"]


def finishingOf(settings: Settings) -> ReplyBuilder:
    """
    Make the builder that finishes replies according to the settings.
    """
    return ReplyBuilder(identity=identityOf(settings), recursion=settings.role != "serve", idle=settings.tcpIdle)


def identityOf(settings: Settings) -> ChaosIdentity:
    """
    Return the server's identity: version, host name, NSID.
    """
    return ChaosIdentity(version=settings.versionBind, host=settings.hostnameBind, nsid=settings.nsid)
