"""
Notes what is known of the keys of a zone besides what was decided when it was signed: that they are served so, and what its parent has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.logger import Logger

from twisted_ext.dnssec.rolls.lives import livesIn, readLives
from twisted_ext.dnssec.rolls.ring import LivingRing
from twisted_ext.dnssec.rolls.shown import keysShown
from twisted_ext.errors import BadKey, CallerFault, StorageFault
from twisted_ext.server.zones.images.imagefiles import statusOf
from twisted_ext.server.zones.images.pending import ABSENT

if TYPE_CHECKING:
    from twisted_ext.dnssec.rolls.parent import Delegation
    from twisted_ext.dnssec.rolls.rolls import Rolls
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.zones.images.imagefiles import Built
    from twisted_ext.server.zones.signing.signedzone import SignedZone

__all__ = ["ACTIONS", "changeKey", "confirmSeen", "confirmServed", "keysOf", "noteAsked"]

#: What an operator may do with a key.
ACTIONS: Final = ("roll", "published", "withdrawn")

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

    isNew = _noted(zone, built, folder, change, "which DS records its parent has")
    noteAsked(zone, folder)
    return isNew


def noteAsked(zone: SignedZone, folder: str) -> None:
    """
    Have a zone know what its parent has to do, see L{Rolls.asksParent} and L{Rolls.isHeldUp}.

    @param folder: that of the zone's keys.
    """
    try:
        rolls = readLives(folder)
    except BadKey:
        # Signing says so.
        rolls = None
    zone.asks, zone.isHeldUp = (None, False) if rolls is None else (rolls.asksParent, rolls.isHeldUp)


def keysOf(zone: SignedZone, folder: str, now: float) -> list[dict[str, JSON]]:
    """
    Return what the keys of a zone do and wait for, see L{keysShown}; nothing if they do not live by a policy.

    @param folder: that of the zone's keys.
    @param now: seconds since 1970.
    """
    try:
        rolls = None if zone.policy.rolls is None else readLives(folder)
    except BadKey:
        # Signing says so.
        return []
    return [] if rolls is None else keysShown(rolls, now)


def changeKey(zone: SignedZone, folder: str, key: str, action: str, now: float) -> None:
    """
    Do with a key what an operator asks for. The zone is to be signed after that.

    @param folder: that of the zone's keys.
    @param key: the name of its files.
    @param action: one of L{ACTIONS}: it is to be replaced; its DS record is at all servers of the parent, or at none.
    @param now: seconds since 1970.

    @raise CallerFault: there is no such key or action, or nothing waits for that.
    @raise StorageFault: it cannot be written.
    """
    if action not in ACTIONS:
        raise CallerFault(f"{action!r} is not done with keys; {', '.join(ACTIONS)} are")

    def change(rolls: Rolls) -> None:
        if action == ACTIONS[0]:
            rolls.replace(key)
        else:
            rolls.tell(key, action == ACTIONS[1], now)

    try:
        LivingRing.change(folder, zone.apex, change)
    except (BadKey, OSError) as fault:
        raise StorageFault(f"{zone.zone}: {fault}") from None


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
