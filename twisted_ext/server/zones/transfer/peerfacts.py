"""
What is known of the servers that a zone is exchanged with, for operators: when each was asked, told or sent something, and with what
outcome.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from twisted_ext.server.limits import PEERS_KNOWN, PEERS_PER_ZONE

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON

__all__ = ["PeerFact", "PeerFacts"]


class PeerFact(NamedTuple):
    """
    One thing that happened with a server.

    @ivar serial: the version that it was about, or that the server has; L{None} if it is not known.
    @ivar at: when, in seconds since 1970.
    @ivar said: why it failed; C{""} if it did not.
    """

    serial: int | None
    at: float
    said: str = ""

    def toJSON(self) -> dict[str, JSON]:
        known: dict[str, JSON] = {"at": round(self.at, 3)}
        if self.serial is not None:
            known["serial"] = self.serial
        return {**known, "said": self.said} if self.said else known


class PeerFacts:
    """
    The last fact of each server, for many zones. Of those that are the longest ago, some are forgotten.
    """

    def __init__(self) -> None:
        self._zones: OrderedDict[bytes, OrderedDict[str, PeerFact]] = OrderedDict()
        self._count = 0

    def note(self, zone: bytes, server: str, fact: PeerFact) -> None:
        """
        Note what happened. If it failed, the version that was known before is kept.
        """
        servers = self._zones.setdefault(zone, OrderedDict())
        self._zones.move_to_end(zone)
        before = servers.pop(server, None)
        if before is None:
            self._count += 1
        elif fact.serial is None:
            fact = fact._replace(serial=before.serial)
        servers[server] = fact
        if len(servers) > PEERS_PER_ZONE.default:
            servers.popitem(last=False)
            self._count -= 1
        while self._count > PEERS_KNOWN.default:
            self._count -= len(self._zones.popitem(last=False)[1])

    def of(self, zone: bytes) -> dict[str, PeerFact]:
        return dict(self._zones.get(zone, ()))

    def forget(self, zone: bytes) -> None:
        self._count -= len(self._zones.pop(zone, ()))
