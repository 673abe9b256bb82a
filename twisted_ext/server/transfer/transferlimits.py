"""
How many transfers a server has under way, as its settings say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted_ext.server.config.settings import Settings

__all__ = ["TransferBounds"]


@dataclass(frozen=True, slots=True)
class TransferBounds:
    """
    Bounds of transfers; L{None} for the default of the limit.

    @ivar out: zones that are sent at a time.
    @ivar outPerClient: of these to one client network.
    @ivar waiting: requests for transfers that wait for their turn.
    @ivar incoming: zones that are fetched at a time.
    @ivar octets: of one zone that is fetched.
    @ivar incomingOctets: of all that are being fetched.
    """

    out: int | None = None
    outPerClient: int | None = None
    waiting: int | None = None
    incoming: int | None = None
    octets: int | None = None
    incomingOctets: int | None = None

    @classmethod
    def fromSettings(cls, settings: Settings) -> TransferBounds:
        """
        @return: what a server's settings say.
        """
        return cls(
            settings.transfersOut,
            settings.transfersOutPerClient,
            settings.transfersWaiting,
            settings.transfersIn,
            settings.transferMaxSize,
            settings.transfersMaxSize,
        )
