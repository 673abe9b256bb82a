"""
Tests of replies whose addresses take turns, with messages that dnspython has made and reads.
"""

from __future__ import annotations

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
from hypothesis import example, given
from hypothesis import strategies as some

from twisted_ext.answers import Epoch
from twisted_ext.packetcache.table import Entry, Reply

_TURNING = ("A", "AAAA")
_NAMES = ("www.example.", "a.www.example.", "other.test.", ".")
_DATA = {
    "A": [f"192.0.2.{number}" for number in range(6)],
    "AAAA": [f"2001:db8::{number:x}" for number in range(6)],
    "TXT": [f'"{number}"' for number in range(6)],
    "MX": [f"{number} mail.www.example." for number in range(6)],
}


def _ttlsIn(wire: bytes) -> list[tuple[int, int]]:
    """
    Return the offset of each TTL in a message with one question and no OPT record, and the TTL.
    """

    def after(place: int) -> int:
        while wire[place]:
            if wire[place] >= 0xC0:
                return place + 2
            place += 1 + wire[place]
        return place + 1

    place = after(12) + 4
    found: list[tuple[int, int]] = []
    while place < len(wire):
        place = after(place) + 4
        found.append((place, int.from_bytes(wire[place : place + 4], "big")))
        place += 6 + int.from_bytes(wire[place + 4 : place + 6], "big")
    return found


@given(
    some.lists(
        some.tuples(
            some.sampled_from(_NAMES),
            some.sampled_from(sorted(_DATA)),
            some.lists(some.integers(0, 5), min_size=1, max_size=5, unique=True),
            some.sampled_from((60, 300)),
        ),
        max_size=5,
        unique_by=lambda row: (row[0], row[1]),
    ),
    some.integers(1, 9),
)
@example([("a.www.example.", "A", [0], 300), ("www.example.", "A", [1, 0], 60)], 2)
def test_turns(rows: list[tuple[str, str, list[int], int]], steps: int) -> None:
    """
    After each second the first address of a set is the last one; whatever else there is stays as it is, and so do all records.
    """
    message = dns.message.make_response(dns.message.make_query("www.example.", "A"))
    for name, kind, numbers, ttl in rows:
        message.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, *[_DATA[kind][number] for number in numbers]))
    wire = message.to_wire()
    reply = Reply(wire, _ttlsIn(wire), 0.0, 0, 1000.0, Epoch(), 12 + 13 + 4)
    turning, still = Entry(reply, b"k", isRoundRobin=True), Entry(reply, b"k")
    for second in range(1, steps + 1):
        assert turning.renew(float(second)) and still.renew(float(second))
    found, usual = (dns.message.from_wire(wire[:2] + entry.reply) for entry in (turning, still))
    assert [(each.name, each.rdtype, each.ttl) for each in found.answer] == [(each.name, each.rdtype, each.ttl) for each in usual.answer]
    for one, other, (name, kind, _, ttl) in zip(found.answer, usual.answer, rows, strict=True):
        assert one.ttl == ttl - steps
        data, before = [str(rdata) for rdata in one], [str(rdata) for rdata in other]
        if name == "www.example." or kind not in _TURNING:
            step = steps % len(before) if kind in _TURNING else 0
            assert data == before[step:] + before[:step]
        else:
            # In other sets the owner of the first record may be no pointer; in replies it is the target of an alias, which is.
            assert sorted(data) == sorted(before)
