"""
Tests of what is reported to whom (RFC 9567).
"""

from __future__ import annotations

import pytest

from twisted_ext.recursion.limits import (
    REPORT_AGENT_SECONDS,
    REPORT_AGENTS,
    REPORT_SECONDS,
    REPORTS_PER_SECOND,
    REPORTS_REMEMBERED,
)
from twisted_ext.recursion.reporting import Reporter, agentFrom, reportName
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import TXT

AGENT = nameFromText("agent.example.net")
ZONE = nameFromText("example.org")


def test_nameOfReport() -> None:
    """
    The name says type, name and code, as in the example of RFC 9567, section 4.1.
    """
    made = reportName(questionOf("broken.test", "A"), 7, nameFromText("a01.agent-domain.example"))
    assert made is not None
    assert nameToText(made) == "_er.1.broken.test.7._er.a01.agent-domain.example."


def test_reportsAreNotReported() -> None:
    """
    Failures of names of the agent, and of reports, are not reported.
    """
    assert reportName(questionOf("www.agent.example.net"), 7, AGENT) is None
    assert reportName(questionOf("_er.1.broken.test.7._er.other.example"), 7, AGENT) is None


@pytest.mark.parametrize(
    "octets",
    [
        *(b"", b"\x00", b"\x03abc", b"\x03abc\x00\x00", b"\x03abc\x01", b"\x05ab\x00"),
        *(b"\xc0\x0c", b"\x40" + bytes(65), b"\x01a" * 128 + b"\x00"),
    ],
)
def test_wrongAgents(octets: bytes) -> None:
    """
    An option that is not exactly one name, or that is the root, names no agent.
    """
    assert agentFrom(octets) is None


def test_agentOfTheClosestZoneCounts() -> None:
    """
    A failure is reported to the agent of the closest zone above the name that has one, for as long as it counts.
    """
    reporter = Reporter()
    reporter.learn(nameFromText("org"), nameFromText("other.example"), 0.0)
    reporter.learn(ZONE, AGENT.upper(), 0.0)
    report = reporter.reportOf(questionOf("www.example.org"), 7, 0.0)
    assert report is not None
    assert (nameToText(report.name), report.rrType) == ("_er.1.www.example.org.7._er.agent.example.net.", TXT)
    above = reporter.reportOf(questionOf("www.example2.org"), 7, 0.0)
    assert above is not None
    assert above.name.endswith(nameFromText("other.example"))
    assert reporter.reportOf(questionOf("www.example.com"), 7, 0.0) is None
    assert reporter.reportOf(questionOf("w.example.org"), 7, REPORT_AGENT_SECONDS.default) is None


def test_agentMayBeWithdrawn() -> None:
    """
    An option that is not a name ends the reports of a zone.
    """
    reporter = Reporter()
    reporter.learn(ZONE, AGENT, 0.0)
    reporter.learn(ZONE, b"\x00", 1.0)
    assert reporter.reportOf(questionOf("www.example.org"), 7, 1.0) is None


@pytest.mark.parametrize("code", [0, 3, 13, 14, 15, 17, 18, 20, 4711])
def test_ownTroublesAreNotReported(code: int) -> None:
    """
    Failures of this resolver, its cache and its policy are not reported.
    """
    reporter = Reporter()
    reporter.learn(ZONE, AGENT, 0.0)
    assert reporter.reportOf(questionOf("www.example.org"), code, 0.0) is None


def test_reportsAreFew() -> None:
    """
    A report is not repeated for an hour, and only some are sent in one second.
    """
    reporter = Reporter()
    reporter.learn(ZONE, AGENT, 0.0)
    question = questionOf("www.example.org")
    assert reporter.reportOf(question, 7, 0.0) is not None
    assert reporter.reportOf(question, 7, REPORT_SECONDS.default - 1) is None
    assert reporter.reportOf(question, 7, REPORT_SECONDS.default) is not None
    made = [reporter.reportOf(questionOf(f"h{number}.example.org"), 7, 9.5) for number in range(100)]
    assert len([each for each in made if each is not None]) == REPORTS_PER_SECOND.default


def test_memoryIsBounded() -> None:
    """
    Agents and reports are remembered within limits.
    """
    reporter = Reporter()
    for number in range(int(REPORT_AGENTS.default) + 100):
        reporter.learn(nameFromText(f"z{number}.org"), AGENT, 0.0)
    reporter.learn(ZONE, AGENT, 0.0)
    for number in range(2 * int(REPORTS_REMEMBERED.default)):
        reporter.reportOf(questionOf(f"h{number}.example.org"), 7, float(number))
    assert len(reporter._agents) <= REPORT_AGENTS.default
    assert len(reporter._reported) <= REPORTS_REMEMBERED.default
