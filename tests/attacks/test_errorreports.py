"""
Row 36: names of error reports that would be too long (CVE-2026-55973), and reports that cause reports.
"""

from __future__ import annotations

import pytest

from twisted_ext.recursion import reporting
from twisted_ext.recursion.reporting import Reporter, agentFrom, reportName
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS
from twisted_ext.wire.rrtypes import A


def _name(octets: int) -> bytes:
    """
    Return a name of this many octets.
    """
    left = octets - 1
    made = b""
    while left:
        length = min(left, 64) if left != 65 else 60
        made += bytes((length - 1,)) + b"a" * (length - 1)
        left -= length
    return made + b"\x00"


@pytest.mark.parametrize("agent", [2 + 1, 50, 100, 200, 254, 255])
def test_reportIsNeverTooLong(agent: int) -> None:
    """
    For names and agents of all lengths, there is a report of at most 255 octets, or none.
    """
    for octets in range(3, 256):
        question = Question(_name(octets), A)
        domain = b"\x01z" * ((agent - 1) // 2) + b"\x00"
        made = reportName(question, 22, domain)
        total = octets - 1 + len(domain) + 4 + 2 + 3 + 4
        assert (made is None) == (total > MOST_OCTETS)
        assert made is None or len(made) == total


def test_withoutTheDefense(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without the limit, the name of a report would be longer than a name can be.
    """
    monkeypatch.setattr(reporting, "MOST_OCTETS", 10_000)
    made = reportName(Question(_name(255), A), 22, agentFrom(b"\x01z" * 127 + b"\x00") or b"")
    assert made is not None
    assert len(made) > 255


def test_reportsDoNotCauseReports() -> None:
    """
    An agent whose own zone fails, and names itself as its agent, gets no report of that.
    """
    reporter = Reporter()
    agent = b"\x05agent\x00"
    reporter.learn(agent, agent, 0.0)
    report = reporter.reportOf(questionOf("www.agent"), 7, 0.0)
    assert report is None
