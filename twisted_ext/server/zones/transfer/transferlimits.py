"""
What transfers of a process share, whichever zones they are of.
"""

from __future__ import annotations

from twisted_ext.server.config.settings import Settings
from twisted_ext.server.limits import PROBES
from twisted_ext.server.zones.transfer.fairqueue import Slots
from twisted_ext.server.zones.transfer.secondarystore import SpoolRoom

__all__ = ["TransferLimits"]


class TransferLimits:
    """
    Limits on transfers, shared by the zones for all clients and those of views.

    @ivar out: slots of transfers that are sent.
    @ivar mostWaiting: maximum number of requests that wait for one of these.
    @ivar into: slots of transfers that are received.
    @ivar probes: slots of queries that ask primaries for their serials.
    @ivar room: octets of all transfers that are received.
    @ivar mostOctets: maximum octets of one of them.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.out = Slots(settings.transfersOut, settings.transfersOutPerClient)
        self.mostWaiting = settings.transfersWaiting
        self.into = Slots(settings.transfersIn)
        self.probes = Slots(int(PROBES.default))
        self.room = SpoolRoom(settings.transfersMaxSize)
        self.mostOctets = settings.transferMaxSize
