"""
Notes that keys are served as was decided, once their zone is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.dnssec.rolls.lives import livesIn
from twisted_ext.dnssec.rolls.ring import LivingRing
from twisted_ext.errors import BadKey
from twisted_ext.server.zones.images.imagefiles import statusOf
from twisted_ext.server.zones.images.pending import ABSENT

if TYPE_CHECKING:
    from twisted_ext.server.zones.images.imagefiles import Built
    from twisted_ext.server.zones.signing.signedzone import SignedZone

__all__ = ["confirmServed"]

_log: Final = Logger(__name__)


def confirmServed(zone: SignedZone, built: Built, folder: str, now: float) -> bool:
    """
    Note since when the keys of a zone are served as was decided, and that the image is of the same keys after that.

    @param folder: that of the zone's keys.
    @param now: seconds since 1970.

    @return: whether the sources of the image have changed.
    """
    if zone.policy.rolls is None:
        return False
    ours = folder, livesIn(folder)
    isCurrent = all(statusOf(path) == (size, changed) for path, size, changed in built.sources if path in ours)
    try:
        isNew = LivingRing.served(folder, now)
    except (BadKey, OSError) as fault:
        # It is noted when the zone is signed next.
        _log.warn("{zone}: cannot note since when its keys are served: {fault}", zone=zone.zone, fault=fault)
        return False
    if not isNew or not isCurrent:
        # If an operator has changed something meanwhile, it is signed again.
        return False
    built.sources = tuple([
        (path, *(statusOf(path) or ABSENT)) if path in ours else (path, size, changed) for path, size, changed in built.sources
    ])  # fmt: skip
    return True
