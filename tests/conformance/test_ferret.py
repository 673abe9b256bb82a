"""
Zones and questions that were made to tell name servers apart, with the answers of BIND, NSD, Knot DNS and PowerDNS (SCALE and Ferret,
NSDI 2022).
"""

from __future__ import annotations

import json
from typing import NamedTuple, cast
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

from tests.corpora import corpus
from tests.zone.plain import answer
from twisted_ext.answers import Answer, Question
from twisted_ext.wire.codes import AA, Rcode
from twisted_ext.wire.names import isBelow, nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import typeNumber
from twisted_ext.zone.zone import Zone

#: The number of cases in the known copy. Fewer would mean that some were not read.
CASES = 6310

#: Owner, TTL, type and rdata. Names inside of rdata are compared without regard to case.
Record = tuple[bytes, int, int, bytes]


class Reply(NamedTuple):
    """
    The answer of one server.
    """

    rcode: str
    authoritative: bool
    answer: frozenset[Record]
    authority: frozenset[Record]
    additional: frozenset[Record]


def recordOf(line: str) -> Record:
    """
    Return a record.

    @param line: the record in master file form.
    """
    owner, ttl, _, mnemonic, rdata = line.split(None, 4)
    rrType = typeNumber(mnemonic)
    assert rrType is not None
    octets = rdataFromText(rrType, rdata)
    return nameFromText(owner).lower(), int(ttl), rrType, octets if rrType == 16 else octets.lower()


def replyOf(lines: list[str]) -> Reply:
    """
    Return the reply of a server.

    @param lines: the reply in the form of the corpus.
    """
    said = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("rcode", "flags"))}
    sections: dict[str, set[Record]] = {}
    for line in lines:
        if line.startswith(";"):
            section = sections.setdefault(line, set())
        elif sections and section is not sections[";QUESTION"]:
            section.add(recordOf(line))
    parts = [frozenset(sections[name]) for name in (";ANSWER", ";AUTHORITY", ";ADDITIONAL")]
    return Reply(said["rcode"][0], "AA" in said["flags"], *parts)


def recordsOf(sets: tuple[RRSet, ...]) -> frozenset[Record]:
    """
    Return the records of one of our sections.
    """
    records = [
        (rrset.name.lower(), rrset.ttl, rrset.rrType, rdata if rrset.rrType == 16 else rdata.lower())
        for rrset in sets
        for rdata in rrset.rdatas
    ]
    assert len(records) == len(set(records)), "a record stands twice in a section"
    return frozenset(records)


def oursOf(found: Answer) -> Reply:
    """
    Return our reply.
    """
    sections = [recordsOf(sets) for sets in (found.answer, found.authority, found.additional)]
    return Reply(Rcode(found.rcode).name, bool(found.flags & AA), *sections)


def requiredGlue(reply: Reply) -> frozenset[Record]:
    """
    Return the addresses of in-domain name servers, without which a referral is useless (RFC 9471).
    """
    hosts = {rdata for owner, _, rrType, rdata in reply.authority if rrType == 2 and isBelow(rdata, owner)}
    return frozenset([record for record in reply.additional if record[0] in hosts])


def differences(ours: Reply, theirs: Reply, everybody: list[Reply], apex: bytes) -> list[str]:
    """
    Return the differences between our reply and theirs, by the rule of the corpora.

    @param everybody: the replies of all servers.
    """
    wrong = [
        f"{name}: {getattr(ours, name)} in place of {getattr(theirs, name)}"
        for name in ("rcode", "authoritative", "answer")
        if getattr(ours, name) != getattr(theirs, name)
    ]
    binding = {record for record in theirs.authority if record[2] != 2 or record[0] != apex}
    if binding or not theirs.answer:
        if ours.authority != theirs.authority:
            wrong.append(f"authority: {ours.authority} in place of {theirs.authority}")
    if not theirs.answer and not theirs.authoritative and requiredGlue(theirs) != requiredGlue(ours):
        wrong.append(f"glue: {requiredGlue(ours)} in place of {requiredGlue(theirs)}")
    for name in ("authority", "additional"):
        added = getattr(ours, name).difference(*[getattr(reply, name) for reply in everybody])
        if added:
            wrong.append(f"{name}: {added} of our own")
    return wrong


class FerretTests(SynchronousTestCase):
    """
    Tests with these zones.
    """

    def test_answersAgreeWithServers(self) -> None:
        """
        Our answer is that of the four servers where they agree, and that of one of them elsewhere.
        """
        cases = 0
        wrong: list[str] = []
        with ZipFile(corpus("ferret/ferret-valid.zip")) as archive:
            for name in archive.namelist():
                number, dot, kind = name.rpartition("/")[2].partition(".")
                if kind != "json" or not dot:
                    continue
                text = archive.read(f"ValidZoneFileTests/ZoneFiles/{number}.txt").decode("ascii")
                origin = next(line.split()[0] for line in text.splitlines() if "SOA" in line.split())
                version = Zone.fromText(text, origin).current
                for case in json.loads(archive.read(name)):
                    cases += 1
                    query = case["Query"]
                    rrType = typeNumber(query["Type"])
                    assert rrType is not None
                    ours = oursOf(answer(version, Question(nameFromText(query["Name"]), rrType)))
                    replies = [replyOf(cast("list[str]", said["Response"])) for said in case["Expected Response"]]
                    found = [differences(ours, theirs, replies, version.apex) for theirs in replies]
                    if all(found):
                        wrong.append(f"{number}: {query['Name']} {query['Type']}: {found}")
        self.assertEqual(wrong, [])
        self.assertGreaterEqual(cases, CASES)
