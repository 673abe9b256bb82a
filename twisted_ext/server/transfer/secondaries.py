"""
All the zones of a server that are other servers'.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import random
from time import time
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorProcess, IReactorTime

from twisted_ext.errors import BadMessage
from twisted_ext.server.config.keys import Grants, RemoteServer
from twisted_ext.server.jobs.subprocess import runModule
from twisted_ext.server.limits import JOURNALS_OPEN, NOTICES_PER_ZONE, PROBES, STARTS, TRANSFERS_IN
from twisted_ext.server.transfer.fairqueue import Slots
from twisted_ext.server.transfer.secondarystore import SecondaryStore, SpoolRoom, removeUnfinished
from twisted_ext.server.transfer.transferlimits import TransferBounds
from twisted_ext.server.transfer.xfrin import Secondary
from twisted_ext.zone.limits import GATHERING_SECONDS

if TYPE_CHECKING:
    from twisted_ext.zone.store.version import Version

__all__ = ["Install", "Secondaries"]

#: Puts a version of a zone into service, given its name as written; or takes the zone out of it, with L{None}.
Install = Callable[[bytes, "Version | None"], object]


class Secondaries:
    """
    All zones of a server that are another server's.

    @ivar reactor: the reactor.
    @ivar folder: where they are kept.
    @ivar install: puts a version into service.
    @ivar told: called with what went wrong with a zone, and with nothing when that is over.
    @ivar today: gives seconds since 1970.
    @ivar draw: gives a number from 0 to 1 at random.
    @ivar slots: for transfers under way.
    @ivar room: for the octets of these.
    @ivar most: octets of one of them, or L{None} for the default of the limit.
    @ivar probes: for looks at a primary's serial number under way.
    @ivar noticeWait: seconds between two looks that notices of a zone can cause.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        folder: str,
        install: Install,
        *,
        told: Callable[[bytes, str], object] = lambda apex, said: None,
        today: Callable[[], float] = time,
        draw: Callable[[], float] = random,
        bounds: TransferBounds | None = None,
        noticeWait: float | None = None,
    ) -> None:
        """
        @param folder: made if it is not there.
        @param told: called with what went wrong with a zone, and with nothing when that is over.
        @param bounds: how many transfers there may be at a time.

        @raise OSError: it cannot be made.
        """
        os.makedirs(folder, 0o750, exist_ok=True)
        self.reactor = reactor
        self.folder = folder
        self.install = install
        self.told = told
        self.today = today
        self.draw = draw
        bounds = bounds or TransferBounds()
        removeUnfinished(folder)
        self.room = SpoolRoom(bounds.incomingOctets)
        self.most = bounds.octets
        self.slots = Slots(int(TRANSFERS_IN.pick(bounds.incoming)))
        self.probes = Slots(int(PROBES.default))
        self.noticeWait = NOTICES_PER_ZONE.pick(noticeWait)
        self._zones: dict[bytes, Secondary] = {}
        # Those with a journal that is open, the one that was wanted last behind the others.
        self._open: dict[Secondary, None] = {}
        self._starting: deque[Secondary] = deque()
        self._turn: IDelayedCall | None = None
        self._running = False

    def __len__(self) -> int:
        return len(self._zones)

    def at(self, apex: bytes) -> Secondary | None:
        """
        @param apex: a folded name.
        """
        return self._zones.get(apex)

    def opened(self, zone: Secondary) -> None:
        """
        A zone has a file open: those of zones of which nobody has wanted anything for longest are closed, for there can be only so many.
        """
        self._open.pop(zone, None)
        self._open[zone] = None
        if len(self._open) > JOURNALS_OPEN.default:
            oldest = next(iter(self._open))
            del self._open[oldest]
            if not oldest.rest():
                self._open[oldest] = None

    def add(
        self, apexName: bytes, primaries: Sequence[RemoteServer], grants: Grants | None = None, *, digest: str = ""
    ) -> Secondary:
        """
        Keep a zone in step with its primaries.

        @param grants: who else may say that it has changed.
        @param digest: see L{Secondary}.
        """
        zone = self._zones[apexName.lower()] = Secondary(self, apexName, primaries, grants or Grants(), digest)
        if self._running:
            self._begin([zone])
        return zone

    def _begin(self, zones: Iterable[Secondary]) -> None:
        """
        Have zones start, so many in a turn of the reactor that others get theirs.
        """
        self._starting.extend(zones)
        if self._turn is None:
            self._startSome()

    def _startSome(self) -> None:
        self._turn = None
        for _ in range(min(len(self._starting), int(STARTS.default))):
            self._starting.popleft().start()
        if self._starting:
            self._turn = self.reactor.callLater(0, self._startSome)

    def remove(self, apex: bytes, *, forget: bool = False) -> Deferred[None]:
        """
        Leave a zone alone from now on.

        @param forget: whether what is kept of it is to go as well; else it stays on disk.

        @return: fires when nothing is under way.
        """
        zone = self._zones.pop(apex)
        self._open.pop(zone, None)
        done = zone.stop()
        if forget:
            done.addCallback(lambda _: zone.forget())
        return done

    def erase(self, apex: bytes) -> None:
        """
        Remove what is kept on disk of a zone that is none of these.
        """
        SecondaryStore(self.folder, apex).remove()

    def start(self) -> None:
        """
        Begin with all of them.
        """
        self._running = True
        self._begin(self._zones.values())

    def stop(self) -> Deferred[None]:
        """
        @return: fires when nothing is under way.
        """
        self._running = False
        self._starting.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        return gatherResults([zone.stop() for zone in self._zones.values()], consumeErrors=True).addCallback(lambda _: None)

    async def gather(self, apexName: bytes, spool: str, image: str) -> None:
        """
        Make the image of a large transfer, in a process of its own.

        @raise OSError: it cannot be made, or the transfer is none of a zone.
        """
        import json

        words = [apexName.hex(), spool, image]
        if not IReactorProcess.providedBy(self.reactor):
            from twisted_ext.zone.transfer.ingest import gather

            said = gather(words)
        else:
            seconds = GATHERING_SECONDS.default
            said = json.loads(await runModule(self.reactor, "twisted_ext.zone.transfer.ingest", words, seconds=seconds))
        if "fault" in said:
            raise BadMessage(said["fault"])
