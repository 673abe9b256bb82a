"""
Tests of the clock of in-memory networks.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from tests.typed import unchecked
from twisted_ext.testing.datagrams import OrderedClock

#: What is done to a clock: the name, a number that selects a call, and seconds.
_STEPS = st.lists(
    st.tuples(st.sampled_from(["call", "call", "cancel", "reset", "delay", "advance"]), st.integers(0, 20), st.integers(0, 9)), max_size=40
)


def happenings(clock: Clock, steps: list[tuple[str, int, int]]) -> list[tuple[float, int]]:
    """
    Return when which calls were made.
    """
    made: list[tuple[float, int]] = []
    calls: list[IDelayedCall] = []

    def happen(number: int) -> None:
        made.append((clock.seconds(), number))
        if number % 3 == 0:
            # A consequence, at the same time or later.
            calls.append(clock.callLater(number % 2, happen, number + 1))

    for step, which, seconds in [*steps, ("advance", 0, 100)]:
        active = [call for call in calls if call.active()]
        if step == "call":
            calls.append(clock.callLater(seconds, happen, len(calls)))
        elif step == "advance":
            clock.advance(seconds)
        elif active:
            call = active[which % len(active)]
            if step == "cancel":
                call.cancel()
            elif step == "reset":
                call.reset(seconds)
            else:
                call.delay(seconds - 4)
    return made


@given(_STEPS)
def test_sameAsTwisted(steps: list[tuple[str, int, int]]) -> None:
    """
    Whatever is done to it, its calls are made in the same order and at the same times as those of Twisted's clock.
    """
    assert happenings(OrderedClock(), steps) == happenings(unchecked(Clock)(), steps)
