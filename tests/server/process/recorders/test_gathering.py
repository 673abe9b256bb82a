"""
Tests of what is gathered for a recorder.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from twisted_ext.server.process.recorders.gathering import Gathering

__all__: list[str] = []


def test_whatIsMadeLater() -> None:
    """
    What is not complete yet is made when the batch is, behind what was, and counts as one.
    """
    clock, sent = Clock(), list[tuple[list[Any], int]]()
    gathering = Gathering(clock, lambda batch, count: sent.append((batch, count)), lambda: 1e9)
    known = ["early"]
    gathering.addLater(lambda: tuple(known))
    gathering.addLater(lambda: ("other",))
    gathering.add(("plain",), 7)
    known[:] = ["late"]
    assert sent == []
    clock.advance(0.05)
    assert sent == [([("plain",), ("late",), ("other",)], 9)]
    gathering.addLater(lambda: ("last",))
    gathering.close()
    assert sent[1] == ([("last",)], 1) and clock.getDelayedCalls() == []
    gathering.flush()
    assert len(sent) == 2
