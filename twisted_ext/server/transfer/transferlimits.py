"""
Limits on concurrent transfers, from the settings.
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
    Limits on transfers; L{None} for the default.

    @ivar out: zones sent at a time.
    @ivar outPerClient: the same for one client network.
    @ivar waiting: queued requests for transfers.
    @ivar incoming: zones fetched at a time.
    @ivar octets: maximum octets of one zone being fetched.
    @ivar incomingOctets: maximum octets of all zones being fetched.
    """

    out: int | None = None
    outPerClient: int | None = None
    waiting: int | None = None
    incoming: int | None = None
    octets: int | None = None
    incomingOctets: int | None = None

    @classmethod
    def fromSettings(cls, settings: Settings) -> TransferBounds:
        return cls(
            settings.transfersOut,
            settings.transfersOutPerClient,
            settings.transfersWaiting,
            settings.transfersIn,
            settings.transferMaxSize,
            settings.transfersMaxSize,
        )
