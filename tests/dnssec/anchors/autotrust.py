"""
Play the RFC 5011 scenarios of Unbound (C{autotrust_*.rpl}) on the pure machine: the replies to queries for the zone's keys, and the states
of the keys that are expected then. Name servers and look-ups of other types are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Final

from twisted_ext.dnssec.algorithms import DSA, TESTING
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.anchors.rollover import KeyState, TrustPoint
from twisted_ext.dnssec.anchors.statefile import trustPointFromText
from twisted_ext.dnssec.keys import ZoneKey
from twisted_ext.errors import BadRecord
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rdata.times import secondsFromDate
from twisted_ext.wire.rdata.types.dnssec import RRSIG as Signature
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG

__all__ = ["Player", "Scenario", "readScenario"]

_EXPRESSION: Final = re.compile(r"\$\{([^{}]*)\}")

_KEY: Final = re.compile(r";;state=(\d) .*?;;count=(\d+) ;;lastchange=(\d+)")

#: Unbound's longest time between two queries, which bounds the time to the expiration of signatures that it computes.
_LONGEST: Final = 15 * 86400


@dataclass
class Scenario:
    """
    One file.

    @ivar zone: the zone whose keys roll.
    @ivar initial: the contents of the state file at the start.
    @ivar replies: the answers to queries for the keys, with the first and last step for which each is sent.
    @ivar steps: number, verb, and the rest or the expected file.
    @ivar judgedAt: the time at which signatures are judged, if it is not that of the clock.
    """

    zone: str = "example.com"
    initial: str = ""
    replies: list[tuple[int, int, tuple[RRSet, ...]]] = field(default_factory=list)
    steps: list[tuple[int, str, str]] = field(default_factory=list)
    judgedAt: int = 0


def readScenario(text: str) -> Scenario:
    """
    Parse a file.
    """
    scenario = Scenario()
    lines = iter(text.splitlines())
    first = last = 0
    question = rcode = ""
    records: list[RRSet] = []
    section = ""
    for raw in lines:
        line = raw.strip()
        words = line.split()
        if not words or words[0].startswith((";", "#")):
            continue
        verb = words[0]
        if verb == "AUTOTRUST_FILE":
            scenario.zone, scenario.initial = words[1], _until(lines, "AUTOTRUST_END")
        elif verb == "val-override-date:":
            date = words[1].strip("\"'")
            scenario.judgedAt = secondsFromDate(date) if len(date) == 14 else 0
        elif verb == "RANGE_BEGIN":
            first, last = int(words[1]), int(words[2])
        elif verb == "ENTRY_BEGIN":
            question, records, section, rcode = "", [], "", ""
        elif verb == "REPLY":
            rcode = "SERVFAIL" if "SERVFAIL" in words else ""
        elif verb == "SECTION":
            section = words[1]
        elif verb == "ENTRY_END":
            if question and question.split()[-1] == "DNSKEY" and last:
                scenario.replies.append((first, last, () if rcode else tuple(records)))
        elif verb == "RANGE_END":
            first = last = 0
        elif verb == "STEP":
            rest = " ".join(words[3:])
            if words[2] == "CHECK_AUTOTRUST":
                while not next(lines).startswith("FILE_BEGIN"):
                    pass
                rest = _until(lines, "FILE_END")
            scenario.steps.append((int(words[1]), words[2], rest.partition(";")[0] if words[2] != "CHECK_AUTOTRUST" else rest))
        elif section == "QUESTION":
            question = line
        elif section == "ANSWER" and last:
            try:
                records.append(recordFromText(raw, ttl=3600))
            except BadRecord:
                # Other types than those of interest are written in ways that only test programs accept.
                continue
    return scenario


def _until(lines: object, end: str) -> str:
    found: list[str] = []
    assert hasattr(lines, "__next__")
    while not (line := str(next(lines))).startswith(end):
        found.append(line)
    return "\n".join(found) + "\n"


def _verifiedByDSA(key: bytes, signature: bytes, data: bytes) -> bool:
    """
    Check a signature by a key of 512 bits, which libraries refuse (RFC 2536).
    """
    size = 64 + 8 * key[0]
    q = int.from_bytes(key[1:21], "big")
    p, g, y = [int.from_bytes(key[21 + size * index : 21 + size * (index + 1)], "big") for index in range(3)]
    r, s = int.from_bytes(signature[1:21], "big"), int.from_bytes(signature[21:], "big")
    inverse = pow(s, -1, q)
    digest = int.from_bytes(sha1(data).digest(), "big")
    return pow(g, digest * inverse, p) * pow(y, r * inverse, p) % p % q == r


class Player:
    """
    The trust point and its clock.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.now = 0
        self.variables: dict[str, int] = {}
        # Unbound does not write the state after a query without a reply, and not after others while no set has been validated.
        self.written = self.probed = False
        initial = self.expanded(scenario.initial)
        self.zone = nameFromText(scenario.zone)
        if ";;state=" in initial:
            self.point = trustPointFromText(initial, "initial")
            self.zone = self.point.zone
        else:
            self.point = TrustPoint(self.zone, anchorsFromFile(initial, "initial", 0, TESTING).anchors)

    def value(self, expression: str) -> int:
        """
        Compute sums of products of numbers and variables.
        """
        total = 0
        for term in expression.replace("-", "+-").split("+"):
            sign, term = (-1, term[1:]) if term.startswith("-") else (1, term)
            product = sign
            for factor in term.split("*"):
                name = factor.strip().lstrip("$")
                product *= int(name) if name.isdigit() else self.variables[name]
            total += product
        return total

    def expanded(self, text: str) -> str:
        """
        Replace the innermost expressions until none is left.
        """
        self.variables["time"] = self.now
        while (match := _EXPRESSION.search(text)) is not None:
            words = match[1].split()
            if words[0] == "timeout":
                result = str((self.point.whenToQuery(self.now) or self.now) - self.now)
            elif words[0] == "range":
                least, found, most = [int(word) for word in words[1:4]]
                assert least <= found <= most, match[0]
                result = str(found)
            elif words[0] == "ctime":
                result = "-"
            else:
                result = str(self.value(match[1]))
            text = text[: match.start()] + result + text[match.end() :]
        return text

    def probe(self, step: int) -> None:
        """
        Query for the keys if it is time to.
        """
        due = self.point.whenToQuery(self.now)
        if due is None or (due > self.now and self.probed):
            return
        self.probed = True
        reply = next((records for first, last, records in self.scenario.replies if first <= step <= last), ())
        rdatas = [record.rdatas[0] for record in reply if record.rrType == DNSKEY]
        signatures = [record.rdatas[0] for record in reply if record.rrType == RRSIG]
        self.written = bool(rdatas)
        if not rdatas:
            self.point.failed(self.now, "no reply")
            return
        judged = self.scenario.judgedAt or self.now
        # Unbound accepts the signature of a trusted key that is not in the set, which RFC 4035, section 5.3.1, does not.
        keys = dict.fromkeys([*rdatas, *self.point.anchors().keys])
        signers = [rdata for rdata in keys if any(self.signed(rdata, rdatas, wire, judged) for wire in signatures)]
        ends = [end for wire in signatures if (end := Signature.fromWire(wire).expiration) > judged]
        ttl = min(record.ttl for record in reply if record.rrType == DNSKEY)
        self.point.observe(
            rdatas, signers, self.now, ttl, self.now + min([_LONGEST, *[end - judged for end in ends]]),
            lambda rdata: TESTING.supports(rdata[3]),
        )

    def signed(self, rdata: bytes, rdatas: list[bytes], wire: bytes, judged: int) -> bool:
        """
        Return whether a signature over the set is by this key and valid now.
        """
        signature = Signature.fromWire(wire)
        key = ZoneKey.fromRdata(rdata)
        if (key.tag, key.algorithm) != (signature.keyTag, signature.algorithm):
            return False
        if not signature.inception <= judged <= signature.expiration:
            return False
        head = self.zone + DNSKEY.to_bytes(2, "big") + b"\0\1" + signature.originalTTL.to_bytes(4, "big")
        data = wire[: len(wire) - len(signature.signature)]
        data += b"".join([head + len(rdata).to_bytes(2, "big") + rdata for rdata in sorted(rdatas)])
        return _verifiedByDSA(rdata[4:], signature.signature, data) if key.algorithm == DSA else key.verify(signature.signature, data)

    def check(self, expected: str) -> None:
        """
        Compare the state with that of a file.
        """
        text = self.expanded(expected)
        point = self.point
        assert point.deleted is (";;REVOKED" in text)
        header = {name: int(number) for name, number in re.findall(r"^;;(\w+): (\d+)", text, re.MULTILINE)}
        if not header:
            anchors = anchorsFromFile(text, "expected", self.now, TESTING).anchors
            assert set(point.anchors().keys) == {anchor.rdata for anchor in anchors if anchor.rrType == DNSKEY}
            return
        if self.written:
            # How often one query is repeated at other servers is not for this machine to decide.
            assert bool(point.failures) is bool(header.pop("query_failed"))
            assert header == {
                "last_queried": point.lastQueried,
                "last_success": point.lastSuccess,
                "next_probe_time": point.nextQuery,
                "query_interval": point.queryInterval,
                "retry_time": point.retryTime,
            }
        keys: dict[bytes, tuple[int, int, int]] = {}
        for line in text.splitlines():
            match = _KEY.search(line)
            if match is not None:
                keys[recordFromText(line, ttl=0).rdatas[0]] = (int(match[1]), int(match[2]), int(match[3]))
        assert {
            key.published: (key.state.value, key.sightings, key.since)
            for key in point.keys.values()
            if key.state is not KeyState.REMOVED
        } == keys

    def play(self) -> None:
        """
        Take all steps.
        """
        for number, verb, rest in self.scenario.steps:
            if verb == "TIME_PASSES":
                kind, _, amount = rest.partition(" ")
                self.now += self.value(self.expanded(amount).strip())
                self.probe(number)
            elif verb == "ASSIGN":
                name, _, expression = rest.partition("=")
                self.variables[name.strip()] = self.value(self.expanded(expression))
            elif verb == "TRAFFIC" or (verb == "QUERY" and not self.probed):
                self.probe(number)
            elif verb == "CHECK_AUTOTRUST":
                self.check(rest)
