"""
When a secondary looks at its primaries, what it does with what they say, and when it gives a zone up (RFC 1034, section 4.3.5; RFC 1996;
RFC 7314).

L{TABLE} is all there is of states and events. Nothing here asks anybody or reads a clock: whoever drives this is given L{Step}s to take,
reports what came of each, and comes back when L{RefreshState.wakeAt} says. Times are seconds since 1970, so that they hold over restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from twisted_ext.zone.limits import EXPIRES, REFRESHES, RETRIES
from twisted_ext.zone.store.serials import isNewer, serialIn

__all__ = ["Event", "RefreshState", "State", "Step", "TABLE", "Timers"]

#: Seconds to the second try for a zone of which nothing is held, doubled each time up to the default of L{RETRIES}.
_FIRST_TRY: Final = 3.0

#: Seconds after a restart within which primaries are looked at.
_SETTLING: Final = 10.0

#: What looks are early by, at random and at most, so that many zones do not ask in one moment.
_JITTER: Final = 0.15


class State(Enum):
    """
    What a secondary zone is about.
    """

    #: Nothing is held, or nothing any more; it waits to try again.
    ABSENT = "absent"
    #: What is held is as new as the primary's; it waits for the refresh.
    CURRENT = "current"
    #: No primary could be reached when it was time to; it waits to try again.
    STALE = "stale"
    #: A primary is asked for its serial number.
    PROBING = "probing"
    #: A primary is sending the zone, or changes of it.
    FETCHING = "fetching"


class Event(Enum):
    """
    What can happen to it.
    """

    #: The time to look has come.
    DUE = "due"
    #: A primary says that there is something new.
    NOTIFIED = "notified"
    #: The primary has nothing newer.
    SAME = "same"
    #: The primary has something newer.
    NEWER = "newer"
    #: This primary did not answer, or not usefully, and there is another one.
    NEXT = "next"
    #: Nor did the last one, while a zone is in service.
    FAILED = "failed"
    #: Nor did the last one, and nothing is in service.
    LOST = "lost"
    #: The zone has come.
    RECEIVED = "received"
    #: For too long, no primary has been heard of.
    EXPIRED = "expired"


#: Which state follows on which, by what happens. What does not stand here changes nothing.
TABLE: Final[Mapping[tuple[State, Event], State]] = {
    (State.ABSENT, Event.DUE): State.FETCHING,
    (State.ABSENT, Event.NOTIFIED): State.FETCHING,
    (State.CURRENT, Event.DUE): State.PROBING,
    (State.CURRENT, Event.NOTIFIED): State.PROBING,
    (State.CURRENT, Event.EXPIRED): State.ABSENT,
    (State.STALE, Event.DUE): State.PROBING,
    (State.STALE, Event.NOTIFIED): State.PROBING,
    (State.STALE, Event.EXPIRED): State.ABSENT,
    (State.PROBING, Event.SAME): State.CURRENT,
    (State.PROBING, Event.NEWER): State.FETCHING,
    (State.PROBING, Event.NEXT): State.PROBING,
    (State.PROBING, Event.FAILED): State.STALE,
    (State.PROBING, Event.LOST): State.ABSENT,
    (State.PROBING, Event.EXPIRED): State.PROBING,
    (State.FETCHING, Event.SAME): State.CURRENT,
    (State.FETCHING, Event.NEXT): State.FETCHING,
    (State.FETCHING, Event.FAILED): State.STALE,
    (State.FETCHING, Event.LOST): State.ABSENT,
    (State.FETCHING, Event.RECEIVED): State.CURRENT,
    (State.FETCHING, Event.EXPIRED): State.FETCHING,
}

_WAITING: Final = frozenset((State.ABSENT, State.CURRENT, State.STALE))


class Timers:
    """
    What an SOA says of refreshing, within bounds.
    """

    __slots__ = ("refresh", "retry", "expire")

    def __init__(self, soa: bytes) -> None:
        """
        @param soa: its rdata.
        """
        refresh, retry, expire = [int.from_bytes(soa[at : at + 4], "big") for at in range(len(soa) - 16, len(soa) - 4, 4)]
        self.refresh = REFRESHES.pick(refresh)
        self.retry = RETRIES.pick(retry)
        # Whoever says less means that it is not to be given up before it was looked for (RFC 1912, section 2.2).
        self.expire = max(EXPIRES.pick(expire), self.refresh + self.retry)


class Step:
    """
    What is to be done now.

    @ivar fetch: transfer the zone; otherwise ask for its SOA.
    @ivar primary: the number of the one to ask.
    @ivar serial: what is held, so that changes will do; L{None} for all of the zone.
    """

    __slots__ = ("fetch", "primary", "serial")

    def __init__(self, fetch: bool, primary: int, serial: int | None = None) -> None:
        self.fetch = fetch
        self.primary = primary
        self.serial = serial

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Step):
            return NotImplemented
        return (self.fetch, self.primary, self.serial) == (other.fetch, other.primary, other.serial)

    def __hash__(self) -> int:
        return hash((self.fetch, self.primary, self.serial))

    def __repr__(self) -> str:
        return f"<Step {'fetch' if self.fetch else 'probe'} {self.primary} {self.serial}>"


class RefreshState:
    """
    One secondary zone.

    @ivar state: see L{State}.
    @ivar serving: whether what is held may be answered from.
    @ivar serial: of what is held; 0 where that is nothing.
    @ivar refreshedAt: when a primary last confirmed it.
    @ivar expiresAt: when it is given up.
    @ivar nextAt: when to look next, in states that wait.
    """

    __slots__ = (
        "state", "serving", "serial", "refreshedAt", "expiresAt", "nextAt", "_primaries", "_draw", "_timers", "_primary", "_left", "_whole",
        "_again", "_tries", "_behind",
    )  # fmt: skip

    def __init__(self, primaries: int, draw: Callable[[], float], now: float) -> None:
        """
        @param primaries: how many there are.
        @param draw: gives a number from 0 to 1 at random.
        """
        self.state = State.ABSENT
        self.serving = False
        self.serial = 0
        self.refreshedAt = 0.0
        self.expiresAt = 0.0
        self.nextAt = now
        self._primaries = primaries
        self._draw = draw
        self._timers: Timers | None = None
        # Who is asked, and how many may be asked after him.
        self._primary = 0
        self._left = 0
        # Ask for the whole zone, whatever is held.
        self._whole = False
        # A primary has called while another was being asked.
        self._again = False
        self._tries = 0
        # A primary had nothing newer, or less than we have.
        self._behind = False

    def restore(self, soa: bytes, refreshedAt: float, expiresAt: float, now: float) -> None:
        """
        Take up what was held before a restart.

        @param soa: the rdata of its SOA.
        """
        self._hold(soa)
        self.refreshedAt = min(refreshedAt, now)
        # A clock that was set back is not to keep a zone forever.
        assert self._timers is not None
        self.expiresAt = min(expiresAt, now + self._timers.expire)
        if self.expiresAt <= now:
            self.serving = False
            self.state = State.ABSENT
            self.nextAt = now
        else:
            self.state = State.CURRENT
            # Notices may have been missed meanwhile.
            self.nextAt = min(now + _SETTLING * self._draw(), max(now, self.refreshedAt + self._timers.refresh))

    def follow(self, primaries: int, now: float) -> None:
        """
        There are other primaries from now on: look at them soon.
        """
        self._primaries = primaries
        self._primary = self._left = 0
        self._again = self.state not in _WAITING
        self.nextAt = now

    @property
    def waiting(self) -> bool:
        """
        Whether no step is under way.
        """
        return self.state in _WAITING

    def isNews(self, serial: int | None) -> bool:
        """
        @param serial: what somebody said of the serial number, if anything.
        """
        return not self.serving or serial is None or isNewer(serial, self.serial)

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
        @return: when to call L{wake}, or L{None} where a step is under way and nothing can expire.
        """
        times = [self.nextAt] if self.state in _WAITING else []
        if self.serving:
            times.append(self.expiresAt)
        return min(times, default=None)

    def wake(self, now: float) -> Step | None:
        """
        See what the time has brought.

        @return: what to do, if anything. C{serving} may have changed.
        """
        if self.serving and now >= self.expiresAt:
            self.serving = False
            if self._go(Event.EXPIRED) and self.state in _WAITING:
                self.nextAt = now
        if self.state in _WAITING and now >= self.nextAt:
            return self._begin(Event.DUE, self._primary)
        return None

    def notified(self, now: float, primary: int | None = None, serial: int | None = None) -> Step | None:
        """
        Somebody who may has said that the zone has changed.

        @param primary: whoever it was, if it was one of the primaries: it is asked first.
        @param serial: what it said of the serial number. A hint that there is nothing new is believed (RFC 1996, section 3.11): nothing
            comes of it.

        @return: what to do, if anything.
        """
        if not self.isNews(serial):
            return None
        if self.state not in _WAITING:
            self._again = True
            return None
        return self._begin(Event.NOTIFIED, self._primary if primary is None else primary)

    def _begin(self, event: Event, primary: int) -> Step | None:
        if not self._go(event):
            return None
        self._primary = primary % self._primaries
        self._left = self._primaries - 1
        self._again = self._whole = self._behind = False
        return self._step()

    def _step(self) -> Step:
        fetch = self.state is State.FETCHING
        return Step(fetch, self._primary, self.serial if fetch and self.serving and not self._whole else None)

    # -- what came of a step

    def probed(self, now: float, serial: int, expire: int | None = None) -> Step | None:
        """
        The primary has said what its serial number is.

        @param expire: seconds for which it still holds the zone itself, if it said so (RFC 7314).
        """
        if self.state is not State.PROBING:
            return None
        if not self.serving or isNewer(serial, self.serial):
            self._go(Event.NEWER)
            self._whole = not self.serving
            return self._step()
        return self._same(now, serial, expire)

    def _same(self, now: float, serial: int, expire: int | None) -> Step | None:
        """
        @param serial: the primary's, not newer than ours. One that is older confirms nothing: what we have, this primary had, and has not
            any more. Should all of them stay behind, the zone is given up in its time, and theirs fetched.
        """
        if serial == self.serial:
            self._confirm(now, expire)
        else:
            self._behind = True
            if self._left:
                # Another one may not be.
                self._whole = False
                return self._following(Event.NEXT)
        return self._rest(Event.SAME, now)

    def undisclosed(self, now: float) -> Step | None:
        """
        The primary does not say by UDP what its serial number is, as Knot DNS does not for catalogs: it is asked for what is newer.
        """
        if self.state is not State.PROBING:
            return None
        self._go(Event.NEWER)
        self._whole = not self.serving
        return self._step()

    def received(self, now: float, soa: bytes, expire: int | None = None) -> Step | None:
        """
        The zone has come and is in service.

        @param soa: the rdata of its SOA.
        """
        self._hold(soa)
        self._tries = 0
        assert self._timers is not None
        self.refreshedAt = now
        self.expiresAt = now + (self._timers.expire if expire is None else min(expire, self._timers.expire))
        return self._rest(Event.RECEIVED, now)

    def unchanged(self, now: float, serial: int, expire: int | None = None) -> Step | None:
        """
        Instead of the zone, the primary said that there is nothing newer.

        @param serial: its serial number.
        """
        return self._same(now, serial, expire) if self.serving else self.failed(now)

    def failed(self, now: float) -> Step | None:
        """
        Nothing came of the step. Where changes could not be had, or made no sense, the same primary is asked for the whole zone, once.
        """
        if self.state is State.FETCHING and self.serving and not self._whole:
            self._whole = True
            return self._step()
        if self._left:
            self._whole = False
            return self._following(Event.NEXT)
        if self._behind and self.serving:
            return self._rest(Event.SAME, now)
        return self._rest(Event.FAILED if self.serving else Event.LOST, now)

    def _following(self, event: Event) -> Step:
        self._go(event)
        self._left -= 1
        self._primary = (self._primary + 1) % self._primaries
        return self._step()

    def _confirm(self, now: float, expire: int | None) -> None:
        assert self._timers is not None
        self.refreshedAt = now
        if expire is None:
            self.expiresAt = now + self._timers.expire
        else:
            # RFC 7314, section 4: it never gets shorter by this.
            self.expiresAt = max(self.expiresAt, now + min(expire, self._timers.expire))

    def _rest(self, event: Event, now: float) -> Step | None:
        """
        Wait for the next time, unless there is reason to look again at once.
        """
        self._go(event)
        again, self._again = self._again, False
        timers = self._timers
        if self.state is State.CURRENT:
            assert timers is not None
            self._tries = 0
            wait = timers.refresh
        elif self.state is State.STALE:
            assert timers is not None
            wait = timers.retry
            self._primary = (self._primary + 1) % self._primaries
        else:
            wait = min(_FIRST_TRY * 2 ** min(self._tries, 16), RETRIES.default)
            self._tries += 1
            self._primary = (self._primary + 1) % self._primaries
        self.nextAt = now + wait * (1 - _JITTER * self._draw())
        # Whoever has just failed is not asked again before its time.
        return self._begin(Event.NOTIFIED, self._primary) if again and self.state is State.CURRENT else None
