"""
The scenario for a server with zones.
"""

from __future__ import annotations

from typing import Final

from tests.corpora import corpus
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.testing.scenarios.reading import Entry, readScenario
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.codes import AA
from twisted_ext.wire.records import RRSet
from twisted_ext.zone.zone import Zone

#: The separator of alternative packets of an entry.
_SEPARATOR: Final = "EXTRA_PACKET"


def packetsOf(entry: Entry) -> list[Entry]:
    """
    Return an entry for each of the alternative packets.
    """
    answer = entry.sections.get("ANSWER", [])
    packets = []
    while answer:
        end = answer.index(_SEPARATOR) if _SEPARATOR in answer else len(answer)
        packet = Entry(entry.line)
        packet.sections = {**entry.sections, "ANSWER": answer[:end]}
        packets.append(packet)
        answer = answer[end + 1 :]
    return packets or [entry]


def recordsOf(sets: tuple[RRSet, ...]) -> set[tuple[bytes, int, bytes]]:
    """
    Return records without TTLs, which the scenario may leave out.
    """
    return {(rrset.name.lower(), rrset.rrType, rdata.lower()) for rrset in sets for rdata in rrset.rdatas}


def agrees(found: Answer, packet: Entry) -> bool:
    """
    Return whether an answer is the one in the scenario.
    """
    sections = {"ANSWER": found.answer, "AUTHORITY": found.authority, "ADDITIONAL": found.additional}
    return all(recordsOf(sets) == recordsOf(packet.records(section)) for section, sets in sections.items())


def test_zonesOfRFC1034() -> None:
    """
    A server with the zones of RFC 1034, section 6.1, gives the answers of section 6.2.
    """
    folder = corpus("nlnet-domain") / "test-data"
    zones = Zones()
    for name, origin in (("root", "."), ("edu", "EDU.")):
        zones.put(Zone.fromText((folder / "zonefiles" / f"rfc1034-6-1-{name}.zone").read_text("ascii"), origin))
    source = AuthoritySource(zones)
    checked = 0
    asked: Entry | None = None
    for step in readScenario(folder / "server" / "auth_zones.rpl").steps:
        assert step.entry is not None
        if step.kind == "QUERY":
            asked = step.entry
            continue
        assert step.kind == "CHECK_ANSWER" and asked is not None and asked.question is not None
        found = atHand(source, asked.question, QueryContext(0.0, recursionDesired=False))
        assert found is not None
        assert (found.rcode, bool(found.flags & AA)) == (step.entry.rcode, "AA" in step.entry.reply), step.number
        assert any(agrees(found, packet) for packet in packetsOf(step.entry)), f"step {step.number}: {found!r}"
        checked += 1
    assert checked == 5
