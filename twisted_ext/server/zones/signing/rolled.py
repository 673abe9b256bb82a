"""
Notes what is known of the keys of a zone besides what was decided when it was signed: that they are served so, and what its parent has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.dnssec.rolls.lives import livesIn
from twisted_ext.dnssec.rolls.ring import LivingRing
from twisted_ext.errors import BadKey
from twisted_ext.server.zones.images.imagefiles import statusOf
from twisted_ext.server.zones.images.pending import ABSENT

if TYPE_CHECKING:
    from twisted_ext.dnssec.rolls.parent import Delegation
    from twisted_ext.server.zones.images.imagefiles import Built
    from twisted_ext.server.zones.signing.signedzone import SignedZone

__all__ = ["confirmSeen", "confirmServed"]

_log: Final = Logger(__name__)


def confirmServed(zone: SignedZone, built: Built, folder: str, now: float) -> bool:
    """
    Note since when the keys of a zone are served as was decided, and that the image is of the same keys after that.

    @param folder: that of the zone's keys.
    @param now: seconds since 1970.

    @return: whether the sources of the image have changed, and when it is signed next.
    """
    if zone.policy.rolls is None:
        return False
    # If it cannot be noted, that is done when the zone is signed next.
    return _noted(zone, built, folder, lambda: LivingRing.served(folder, now), "since when its keys are served")


def confirmSeen(
    zone: SignedZone,
    built: Built,
    folder: str,
    dnskeys: Iterable[bytes],
    delegations: Sequence[Delegation],
    isWhole: bool,
    now: float,
) -> bool:
    """
    Note which DS records the parent of a zone has, in the same way.

    @param dnskeys: see L{LivingRing.observed}, as for C{delegations} and C{isWhole}.
    """

    def change() -> int | None:
        return LivingRing.observed(folder, zone.apex, dnskeys, delegations, isWhole, now)

    return _noted(zone, built, folder, change, "which DS records its parent has")


def _noted(zone: SignedZone, built: Built, folder: str, change: Callable[[], int | None], said: str) -> bool:
    ours = folder, livesIn(folder)
    isCurrent = all(statusOf(path) == (size, changed) for path, size, changed in built.sources if path in ours)
    try:
        due = change()
    except (BadKey, OSError) as fault:
        _log.warn("{zone}: cannot note {what}: {fault}", zone=zone.zone, what=said, fault=fault)
        return False
    if due is None or not isCurrent:
        # If an operator has changed something meanwhile, it is signed again.
        return False
    built.due = due
    built.sources = tuple([
        (path, *(statusOf(path) or ABSENT)) if path in ours else (path, size, changed) for path, size, changed in built.sources
    ])  # fmt: skip
    return True
