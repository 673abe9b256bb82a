"""
Which notified servers have not been seen with the new version of a zone. No I/O, and the time is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from twisted_ext.server.limits import NOTIFY_CHECK, NOTIFY_WATCHED
from twisted_ext.zone.store.serials import isNewer, serialIn

if TYPE_CHECKING:
    from twisted_ext.server.config.keys import RemoteServer
    from twisted_ext.wire.records import RRSet

__all__ = ["Awaited", "NotifyWatch"]

#: Number of these checks, with the last one after less than seven minutes: then the secondary's own SOA timers have to do.
_NOTIFY_CHECKS: Final = 4

#: The next check of a server comes after this many times the wait for the previous one.
_GROWTH: Final = 3


@dataclass(slots=True, frozen=True, eq=False)
class Awaited:
    """
    A version of a zone that a server has been notified of.

    @ivar zone: the zone's folded name.
    @ivar soa: the version's SOA.
    @ivar checks: how often the server has been checked since the change, and notified again.
    """

    zone: bytes
    remote: RemoteServer
    soa: RRSet
    checks: int = 0

    @property
    def key(self) -> tuple[bytes, str]:
        return self.zone, self.remote.server.label

    @property
    def isLast(self) -> bool:
        """
        Whether the server is not notified again after the next check.
        """
        return self.checks >= _NOTIFY_CHECKS - 1

    def isMetBy(self, serial: int) -> bool:
        """
        Return whether a server with this serial number has the version or a newer one.
        """
        return not isNewer(serialIn(self.soa.rdatas[0]), serial)

    def next(self) -> Awaited:
        return Awaited(self.zone, self.remote, self.soa, self.checks + 1)


class NotifyWatch:
    """
    Versions that servers have acknowledged and not been seen with. A server has a version once it has been sent it, or answers an SOA query
    with its serial number. An acknowledgment proves little: a server whose queue is full, or whose connection for the transfer is reset,
    has acknowledged the message as well, and asks again only after the SOA's retry or refresh time.

    Ordinary SOA queries from that server are not watched: the packet cache answers most of them, and looking at them would cost each hit.
    """

    def __init__(self, most: int | None = None) -> None:
        """
        @param most: maximum number of versions; what is beyond it is not watched.
        """
        self._most = int(NOTIFY_WATCHED.pick(most))
        # By the number of checks, each in the order in which they are due: the wait for a check depends on that number only.
        self._stages: list[dict[tuple[bytes, str], tuple[float, Awaited]]] = [{} for _ in range(_NOTIFY_CHECKS)]

    def __len__(self) -> int:
        return sum(map(len, self._stages))

    def expect(self, awaited: Awaited, now: float) -> None:
        """
        Watch for a version that has just been acknowledged, instead of an earlier one of that zone and server.
        """
        self.forget(awaited.key)
        if len(self) < self._most:
            due = now + NOTIFY_CHECK.default * _GROWTH**awaited.checks
            self._stages[awaited.checks][awaited.key] = due, awaited

    def forget(self, key: tuple[bytes, str]) -> None:
        for stage in self._stages:
            stage.pop(key, None)

    def sent(self, zone: bytes, serial: int, client: str, keyName: bytes, remotes: Iterable[RemoteServer]) -> None:
        """
        Note that a client has been sent a version. If several servers share its address, its key has to show which of them it is: otherwise
        the transfer of one would hide that another one got nothing.

        @param remotes: the servers that are notified of the zone.
        """
        found = [remote for remote in remotes if remote.server.isAt(client, remote.server.port)]
        if len(found) > 1:
            found = [remote for remote in found if (b"" if remote.key is None else remote.key.name) == keyName]
        if len(found) != 1:
            return
        key = zone, found[0].server.label
        for stage in self._stages:
            if key in stage and stage[key][1].isMetBy(serial):
                del stage[key]

    @property
    def nextDue(self) -> float | None:
        """
        When the next server has to be checked.
        """
        return min([next(iter(stage.values()))[0] for stage in self._stages if stage], default=None)

    def takeDue(self, now: float) -> Awaited | None:
        """
        Return a version that was not seen in time, which is not watched any more.
        """
        for stage in self._stages:
            key = next(iter(stage), None)
            if key is not None and stage[key][0] <= now:
                return stage.pop(key)[1]
        return None
