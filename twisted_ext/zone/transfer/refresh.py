"""
Refresh state of a secondary zone: when to query the primaries, how to handle their responses, and when the zone expires (RFC 1034, section
4.3.5; RFC 1996; RFC 7314).

L{TABLE} has all states and events. This module does no I/O and reads no clock: the caller takes the L{RefreshStep}s that it gets, reports
the result of each, and calls again at L{RefreshState.wakeAt}. Times are seconds since 1970, so that they stay valid over restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from twisted_ext.zone.limits import EXPIRES, REFRESHES, RETRIES
from twisted_ext.zone.store.serials import isNewer, serialIn

__all__ = ["Event", "RefreshState", "SecondaryState", "RefreshStep", "TABLE", "Timers"]

#: Seconds to the second try for a zone that has not been transferred yet, doubled each time up to the default of L{RETRIES}.
_FIRST_TRY: Final = 3.0

#: Seconds after a restart within which primaries are queried.
_SETTLING: Final = 10.0

#: Seconds after which a primary is queried again that announced a newer version than it then had, doubled each time, and how often. A
#: server of several processes may send NOTIFY before all of them have the new version: NSD 4.6 ends the old ones after it.
_RECHECK: Final = 2.0
_RECHECKS: Final = 3

#: Maximum part of the interval by which queries are randomly early, so that many zones do not refresh at once.
_JITTER: Final = 0.15


class SecondaryState(Enum):
    """
    The state of a secondary zone.
    """

    #: No version is held, or it has expired; waiting to retry.
    ABSENT = "absent"
    #: The held version is as new as the primary's; waiting for the refresh.
    CURRENT = "current"
    #: No primary could be reached at the refresh; waiting to retry.
    STALE = "stale"
    #: Querying a primary for its SOA.
    PROBING = "probing"
    #: Transferring the zone, or changes of it, from a primary.
    FETCHING = "fetching"


class Event(Enum):
    """
    An event of a secondary zone.
    """

    #: The time of the refresh or retry has come.
    DUE = "due"
    #: A primary has sent NOTIFY.
    NOTIFIED = "notified"
    #: The primary has nothing newer.
    SAME = "same"
    #: The primary has a newer version.
    NEWER = "newer"
    #: The last primary failed or did not respond usefully, while a version is served.
    FAILED = "failed"
    #: The last primary failed, and no version is served.
    LOST = "lost"
    #: The transfer is complete.
    RECEIVED = "received"
    #: No primary has confirmed the zone within its expire interval.
    EXPIRED = "expired"


#: The next state by state and event. Pairs that are not listed change nothing.
TABLE: Final[Mapping[tuple[SecondaryState, Event], SecondaryState]] = {
    (SecondaryState.ABSENT, Event.DUE): SecondaryState.FETCHING,
    (SecondaryState.ABSENT, Event.NOTIFIED): SecondaryState.FETCHING,
    (SecondaryState.CURRENT, Event.DUE): SecondaryState.PROBING,
    (SecondaryState.CURRENT, Event.NOTIFIED): SecondaryState.PROBING,
    (SecondaryState.CURRENT, Event.EXPIRED): SecondaryState.ABSENT,
    (SecondaryState.STALE, Event.DUE): SecondaryState.PROBING,
    (SecondaryState.STALE, Event.NOTIFIED): SecondaryState.PROBING,
    (SecondaryState.STALE, Event.EXPIRED): SecondaryState.ABSENT,
    (SecondaryState.PROBING, Event.SAME): SecondaryState.CURRENT,
    (SecondaryState.PROBING, Event.NEWER): SecondaryState.FETCHING,
    (SecondaryState.PROBING, Event.FAILED): SecondaryState.STALE,
    (SecondaryState.PROBING, Event.LOST): SecondaryState.ABSENT,
    (SecondaryState.FETCHING, Event.SAME): SecondaryState.CURRENT,
    (SecondaryState.FETCHING, Event.FAILED): SecondaryState.STALE,
    (SecondaryState.FETCHING, Event.LOST): SecondaryState.ABSENT,
    (SecondaryState.FETCHING, Event.RECEIVED): SecondaryState.CURRENT,
}

_WAITING: Final = frozenset((SecondaryState.ABSENT, SecondaryState.CURRENT, SecondaryState.STALE))


class Timers:
    """
    The intervals of an SOA, clamped to their limits.
    """

    __slots__ = ("refresh", "retry", "expire")

    def __init__(self, soa: bytes) -> None:
        refresh, retry, expire = [int.from_bytes(soa[at : at + 4], "big") for at in range(len(soa) - 16, len(soa) - 4, 4)]
        self.refresh = REFRESHES.pick(refresh)
        self.retry = RETRIES.pick(retry)
        # The zone must not expire before the first retry, even if the SOA has a smaller value (RFC 1912, section 2.2).
        self.expire = max(EXPIRES.pick(expire), self.refresh + self.retry)


@dataclass(frozen=True, slots=True)
class RefreshStep:
    """
    What the caller has to do now.

    @ivar fetch: transfer the zone; otherwise query its SOA.
    @ivar primary: the index of the primary.
    @ivar serial: the serial number of the held version, for IXFR; L{None} for AXFR.
    """

    fetch: bool
    primary: int
    serial: int | None = None


@dataclass(slots=True, eq=False, repr=False)
class RefreshState:
    """
    The refresh state of one secondary zone.

    @ivar primaries: the number of primaries.
    @ivar draw: returns a random number from 0 to 1.
    @ivar nextAt: when to query next, in waiting states.
    @ivar serving: whether queries may be answered from the held version.
    @ivar serial: the serial number of the held version; 0 without one.
    @ivar refreshedAt: when a primary last confirmed it.
    @ivar expiresAt: when it expires.
    @ivar announced: the serial number in the last NOTIFY that was news; L{None} without.
    """

    primaries: int
    draw: Callable[[], float]
    nextAt: float
    state: SecondaryState = SecondaryState.ABSENT
    serving: bool = False
    serial: int = 0
    refreshedAt: float = 0.0
    expiresAt: float = 0.0
    announced: int | None = None
    _timers: Timers = field(init=False)
    # The primary queried now, and how many may be queried after it.
    _primary: int = 0
    _left: int = 0
    # Transfer the whole zone, even if a version is held.
    _whole: bool = False
    # A NOTIFY has arrived while a step was under way.
    _again: bool = False
    _tries: int = 0
    # How often a primary did not have the announced version.
    _rechecks: int = 0
    # A primary had nothing newer, or an older version.
    _behind: bool = False

    def restore(self, soa: bytes, refreshedAt: float, expiresAt: float, now: float) -> None:
        """
        Restore the state from before a restart.
        """
        self._hold(soa)
        self.refreshedAt = min(refreshedAt, now)
        # If the clock was set back, the zone must not stay forever.
        self.expiresAt = min(expiresAt, now + self._timers.expire)
        if self.expiresAt <= now:
            self.serving = False
            self.state = SecondaryState.ABSENT
            self.nextAt = now
        else:
            self.state = SecondaryState.CURRENT
            # A NOTIFY may have been missed meanwhile.
            self.nextAt = min(now + _SETTLING * self.draw(), max(now, self.refreshedAt + self._timers.refresh))

    def follow(self, primaries: int, now: float) -> None:
        """
        Set new primaries, and query them soon.
        """
        self.primaries = primaries
        self._primary = self._left = 0
        self._again = self.state not in _WAITING
        self.nextAt = now

    @property
    def waiting(self) -> bool:
        return self.state in _WAITING

    def isNews(self, serial: int | None) -> bool:
        """
        Return whether a NOTIFY may announce a newer version than the held one. It may have a serial number.
        """
        return not self.serving or serial is None or isNewer(serial, self.serial)

    def announce(self, serial: int | None) -> bool:
        """
        Return whether a NOTIFY L{is news <isNews>}, and remember the serial number of one that is.
        """
        if not self.isNews(serial):
            return False
        if serial != self.announced:
            self.announced = serial
            self._rechecks = 0
        return True

    def _hold(self, soa: bytes) -> None:
        self.serial = serialIn(soa)
        self.serving = True
        self._timers = Timers(soa)

    def _go(self, event: Event) -> bool:
        after = TABLE.get((self.state, event))
        if after is None:
            return False
        self.state = after
        return True

    # -- time

    def wakeAt(self) -> float | None:
        """
        Return when to call L{wake}, or L{None} if a step is under way and nothing can expire.
        """
        times = [self.nextAt] if self.state in _WAITING else []
        if self.serving:
            times.append(self.expiresAt)
        return min(times, default=None)

    def wake(self, now: float) -> RefreshStep | None:
        """
        Handle the passing of time. C{serving} may change.
        """
        if self.serving and now >= self.expiresAt:
            self.serving = False
            if self._go(Event.EXPIRED):
                self.nextAt = now
        if self.state in _WAITING and now >= self.nextAt:
            return self._begin(Event.DUE, self._primary)
        return None

    def notified(self, now: float, primary: int | None = None, serial: int | None = None) -> RefreshStep | None:
        """
        Handle a NOTIFY from an address that may send it.

        @param primary: the index of the sender if it is one of the primaries: it is queried first.
        @param serial: the serial number in the NOTIFY. If it is not newer, ignore the NOTIFY (RFC 1996, section 3.11).
        """
        if not self.announce(serial):
            return None
        if self.state not in _WAITING:
            self._again = True
            return None
        return self._begin(Event.NOTIFIED, self._primary if primary is None else primary)

    def _begin(self, event: Event, primary: int) -> RefreshStep | None:
        if not self._go(event):
            return None
        self._primary = primary % self.primaries
        self._left = self.primaries - 1
        self._again = self._whole = self._behind = False
        return self._step()

    def _step(self) -> RefreshStep:
        fetch = self.state is SecondaryState.FETCHING
        return RefreshStep(fetch, self._primary, self.serial if fetch and self.serving and not self._whole else None)

    # -- results of steps

    def probed(self, now: float, serial: int, expire: int | None = None) -> RefreshStep | None:
        """
        Handle a response with the primary's SOA.

        @param expire: seconds until the zone expires on the primary, if it sent them (RFC 7314).
        """
        if self.state is not SecondaryState.PROBING:
            return None
        if not self.serving or isNewer(serial, self.serial):
            return self._fetch()
        return self._same(now, serial, expire)

    def _fetch(self) -> RefreshStep:
        self._go(Event.NEWER)
        self._whole = not self.serving
        return self._step()

    def _same(self, now: float, serial: int, expire: int | None) -> RefreshStep | None:
        """
        Handle an SOA response with a serial that is not newer than ours. The same serial confirms our version. An older one does not: the
        primary has lost the version that we hold. If all primaries are like that until the zone expires, their version is transferred.
        """
        if serial == self.serial:
            self._confirm(now, expire)
        else:
            self._behind = True
            if self._left:
                # Another primary may have a newer one.
                self._whole = False
                return self._following()
        return self._rest(Event.SAME, now)

    def undisclosed(self, now: float) -> RefreshStep | None:
        """
        Transfer the zone from a primary that does not answer SOA queries over UDP, such as Knot DNS for catalogs.
        """
        if self.state is not SecondaryState.PROBING:
            return None
        return self._fetch()

    def received(self, now: float, soa: bytes, expire: int | None = None) -> RefreshStep | None:
        """
        Handle a complete transfer, which is served now.
        """
        self._hold(soa)
        self._tries = 0
        self.refreshedAt = now
        self.expiresAt = now + (self._timers.expire if expire is None else min(expire, self._timers.expire))
        return self._rest(Event.RECEIVED, now)

    def unchanged(self, now: float, serial: int, expire: int | None = None) -> RefreshStep | None:
        """
        Handle an IXFR response without changes: the primary has nothing newer.
        """
        return self._same(now, serial, expire) if self.serving else self.failed(now)

    def failed(self, now: float) -> RefreshStep | None:
        """
        Handle a failed step. If IXFR failed or returned inconsistent changes, try AXFR from the same primary, once.
        """
        if self.state is SecondaryState.FETCHING and self.serving and not self._whole:
            self._whole = True
            return self._step()
        if self._left:
            self._whole = False
            return self._following()
        if self._behind and self.serving:
            return self._rest(Event.SAME, now)
        return self._rest(Event.FAILED if self.serving else Event.LOST, now)

    def held(self, now: float) -> RefreshStep | None:
        """
        Handle a version that waits until it is accepted: to transfer it again, from whatever primary, would change nothing.
        """
        return self._rest(Event.FAILED if self.serving else Event.LOST, now)

    def _following(self) -> RefreshStep:
        self._left -= 1
        self._primary = (self._primary + 1) % self.primaries
        return self._step()

    def _confirm(self, now: float, expire: int | None) -> None:
        self.refreshedAt = now
        if expire is None:
            self.expiresAt = now + self._timers.expire
        else:
            # RFC 7314, section 4: this never shortens the time.
            self.expiresAt = max(self.expiresAt, now + min(expire, self._timers.expire))

    def _rest(self, event: Event, now: float) -> RefreshStep | None:
        """
        Wait for the next time, unless there is reason to query again at once.
        """
        self._go(event)
        again, self._again = self._again, False
        if self.state is SecondaryState.CURRENT:
            self._tries = 0
            wait = self._timers.refresh
            if self.announced is not None and isNewer(self.announced, self.serial) and self._rechecks < _RECHECKS:
                wait = min(wait, _RECHECK * 2**self._rechecks)
                self._rechecks += 1
        elif self.state is SecondaryState.STALE:
            wait = self._timers.retry
            self._primary = (self._primary + 1) % self.primaries
        else:
            wait = min(_FIRST_TRY * 2 ** min(self._tries, 16), RETRIES.default)
            self._tries += 1
            self._primary = (self._primary + 1) % self.primaries
        self.nextAt = now + wait * (1 - _JITTER * self.draw())
        # Do not query a primary that has just failed again before its retry time.
        return self._begin(Event.NOTIFIED, self._primary) if again and self.state is SecondaryState.CURRENT else None
