"""
Reports of failures to the agents that zones name for them (RFC 9567): who is told what, and how often.

A report is a query for a name that says what has failed: C{_er.TYPE.NAME.CODE._er.AGENT}, with the info code of an extended error.
"""

from __future__ import annotations

from itertools import islice
from typing import Final

from twisted_ext.recursion.limits import (
    REPORT_AGENT_SECONDS,
    REPORT_AGENTS,
    REPORT_SECONDS,
    REPORTS_PER_SECOND,
    REPORTS_REMEMBERED,
)
from twisted_ext.wire.codes import IN
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import MOST_OCTETS, ROOT, isBelow, parentOf
from twisted_ext.wire.rrtypes import TXT

__all__ = ["REPORT_CHANNEL", "Reporter", "agentFrom", "reportName"]

#: The EDNS option with the agent's domain.
REPORT_CHANNEL: Final = 18

#: Extended errors (RFC 8914) that concern the zone or its servers. Others are about this resolver, its policy or its network.
_REPORTED: Final = frozenset((1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 22, 23, 24, 25, 27))

_MARK: Final = b"\x03_er"

_LABEL: Final = 63

_AGENTS: Final = int(REPORT_AGENTS.default)
_REMEMBERED: Final = int(REPORTS_REMEMBERED.default)


def agentFrom(octets: bytes) -> bytes | None:
    """
    Return the domain in the content of a Report-Channel option, folded; L{None} if it is not exactly one name, or the root.
    """
    position = 0
    if not 1 < len(octets) <= MOST_OCTETS:
        return None
    while position < len(octets) - 1:
        length = octets[position]
        if not 0 < length <= _LABEL:
            return None
        position += length + 1
    return octets.lower() if position == len(octets) - 1 and not octets[position] else None


def reportName(question: Question, code: int, agent: bytes) -> bytes | None:
    """
    Return the name to query for a report; L{None} if it would be too long (CVE-2026-55973), or would be a report of a report.

    @param agent: folded.
    """
    name = question.key[:-4]
    if isBelow(name, agent) or name.startswith(_MARK):
        return None
    made = b"%b%b%b%b%b%b" % (_MARK, _label(question.rrType), name[:-1], _label(code), _MARK, agent)
    return made if len(made) <= MOST_OCTETS else None


def _label(number: int) -> bytes:
    digits = b"%d" % number
    return bytes((len(digits),)) + digits


class Reporter:
    """
    Remembers the agents of zones, and decides what to report.
    """

    __slots__ = ("_agents", "_reported", "_second", "_count")

    def __init__(self) -> None:
        # The agent of each zone, with the time until which it is used; and the names of reports, with the time until which they are not
        # repeated.
        self._agents: dict[bytes, tuple[bytes, float]] = {}
        self._reported: dict[bytes, float] = {}
        self._second = 0
        self._count = 0

    def learn(self, zone: bytes, octets: bytes, now: float) -> None:
        """
        Remember the agent that a server of a zone has named.

        @param zone: folded.
        @param octets: the content of the option.
        """
        agent = agentFrom(octets)
        agents = self._agents
        agents.pop(zone, None)
        if agent is not None:
            agents[zone] = (agent, now + REPORT_AGENT_SECONDS.default)
            if len(agents) > _AGENTS:
                del agents[next(iter(agents))]

    def reportOf(self, question: Question, code: int, now: float) -> Question | None:
        """
        Return the query that reports a failure; L{None} if there is no agent, or nothing to report now.

        @param code: the info code of the extended error.
        """
        if code not in _REPORTED or not self._agents:
            return None
        agent = self._agentOf(question.key[:-4], now)
        name = None if agent is None else reportName(question, code, agent)
        if name is None or now < self._reported.get(name, 0.0):
            return None
        if int(now) != self._second:
            self._second, self._count = int(now), 0
        if self._count >= REPORTS_PER_SECOND.default:
            return None
        self._count += 1
        reported = self._reported
        reported.pop(name, None)
        reported[name] = now + REPORT_SECONDS.default
        if len(reported) > _REMEMBERED:
            for each in list(islice(reported, _REMEMBERED // 8 + 1)):
                del reported[each]
        return Question(name, TXT, IN)

    def _agentOf(self, name: bytes, now: float) -> bytes | None:
        agents = self._agents
        while True:
            found = agents.get(name)
            if found is not None:
                return found[0] if now < found[1] else None
            if name == ROOT:
                return None
            name = parentOf(name)
