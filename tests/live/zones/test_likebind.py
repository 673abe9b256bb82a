"""
Live test of the effect of updates: thousands of random updates, the same for BIND and for us.
"""

from __future__ import annotations

import random
import socket

from tests.live.zones.test_updates import APEX, ZONE, exchange
from tests.patience import PATIENCE
from tests.peers import LivePeer, bind
from tests.zone.changing import updated
from twisted_ext.errors import BadUpdate
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, IN, NONE, Opcode, Rcode
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AAAA, ANY, AXFR, CNAME, DNAME, MX, NS, SOA, TXT, A, typeName
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.updates import Update
from twisted_ext.zone.zone import Zone

#: All in lower case: BIND takes another case of an owner for a change.
NAMES = ("@", "ns1", "ns2", "mail", "www", "a.b", "new", "sub", "x.sub", "d", "y.d")
#: Its servers are outside the zone: BIND refuses updates that leave one in the zone without an address.
START = ZONE.replace("NS ns1", "NS ns1.example.net.").replace("NS ns2", "NS ns2.example.net.")

EVERYBODY = Policy.fromTexts(["address 127.0.0.0/8 zone ANY"])

#: Switch off checks of BIND beyond the RFC, which are not compared.
_EXTRA = "allow-update { any; }; check-names ignore; check-integrity no; check-mx ignore; check-mx-cname ignore;"

#: Some data of each type, few enough to collide often.
DATA = {
    A: ("192.0.2.1", "192.0.2.2", "192.0.2.3"),
    AAAA: ("2001:db8::1", "2001:db8::2"),
    TXT: ("one", "two"),
    MX: ("10 mail", "10 MAIL", "20 mail"),
    CNAME: ("mail", "www"),
    NS: ("ns1.example.net.", "ns2.example.net.", "NS1.example.net."),
    DNAME: ("example.net.", "example.com."),
}


def _record(draw: random.Random, rrClass: int, ttl: int) -> RRSet:
    rrType = draw.choice(list(DATA))
    rdata = rdataFromText(rrType, draw.choice(DATA[rrType]), APEX)
    return RRSet(_name(draw), rrType, rrClass, ttl, (rdata,))


def _name(draw: random.Random) -> bytes:
    text = draw.choice(NAMES)
    return APEX if text == "@" else nameFromText(text, APEX)


def _change(draw: random.Random, serial: int) -> RRSet:
    kind = draw.random()
    if kind < 0.55:
        return _record(draw, IN, draw.choice((60, 300)))
    if kind < 0.7:
        return _record(draw, NONE, 0)
    if kind < 0.9:
        return RRSet(_name(draw), draw.choice([*DATA, SOA, ANY]), ANY_CLASS, 0, (b"",))
    if kind < 0.95:
        rdata = rdataFromText(SOA, f"ns1 hostmaster {serial + draw.choice((-5, 0, 7))} 3600 600 86400 300", APEX)
        return RRSet(draw.choice((APEX, nameFromText("www", APEX))), SOA, IN, 300, (rdata,))
    # Malformed records, and names outside of the zone.
    return draw.choice(
        (
            RRSet(_name(draw), ANY, IN, 0, (b"",)),
            RRSet(_name(draw), A, ANY_CLASS, 5, (b"",)),
            RRSet(_name(draw), ANY, NONE, 0, (b"",)),
            RRSet(nameFromText("www.example.com"), A, IN, 60, (b"\x01\x02\x03\x04",)),
        )
    )


def _demand(draw: random.Random, version: Version) -> RRSet:
    kind = draw.random()
    if kind < 0.4:
        return RRSet(_name(draw), draw.choice([*DATA, ANY]), draw.choice((ANY_CLASS, NONE)), 0, (b"",))
    if kind < 0.7:
        node = draw.choice(list(version.nodes()))
        rrset = draw.choice(node.sets) if node.sets else version.soa
        return RRSet(rrset.name, rrset.rrType, IN, 0, rrset.rdatas[:1])
    if kind < 0.95:
        return _record(draw, IN, 0)
    return RRSet(_name(draw), A, ANY_CLASS, 1, (b"",))


def _demands(draw: random.Random, version: Version) -> tuple[RRSet, ...]:
    """
    Return prerequisites without duplicates. Malformed ones come alone, since BIND checks them one after the other.
    """
    found: list[RRSet] = []
    for _ in range(draw.choice((0, 0, 0, 1, 2))):
        demand = _demand(draw, version)
        if demand.ttl:
            return (demand,)
        if demand not in found:
            found.append(demand)
    return tuple(found)


def _all(version: Version) -> set[tuple[bytes, str, int, str]]:
    return {
        (rrset.name.lower(), typeName(rrset.rrType), rrset.ttl, rdataToText(rrset.rrType, rdata).lower())
        for node in version.nodes()
        for rrset in node.sets
        for rdata in rrset.rdatas
        if rrset.rrType != SOA
    }


def _theirs(server: LivePeer) -> tuple[int, set[tuple[bytes, str, int, str]]]:
    """
    Return the serial number and all records of BIND's zone.
    """
    query = buildMessage(Message(1, 0, (Question(APEX, AXFR),)))
    found: set[tuple[bytes, str, int, str]] = set()
    serials: list[int] = []
    with socket.create_connection((server.address, server.port), PATIENCE) as stream, stream.makefile("rb") as reading:
        stream.sendall(frame(query))
        while len(serials) < 2:
            message = Message.fromWire(reading.read(int.from_bytes(reading.read(2), "big"))).check()
            for record in message.records()[0]:
                if record.rrType == SOA:
                    serials.append(serialIn(record.rdatas[0]))
                else:
                    data = rdataToText(record.rrType, record.rdatas[0]).lower()
                    found.add((record.name.lower(), typeName(record.rrType), record.ttl, data))
    return serials[0], found


def _rcode(wire: bytes, version: Version) -> tuple[int | None, Version]:
    """
    Return our rcode for an update, and the zone after it; L{None} for one that only we refuse.
    """
    try:
        made = updated(Update.fromMessage(Message.fromWire(wire).check()), version, EVERYBODY, b"", "127.0.0.1")
    except BadUpdate as fault:
        # RFC 6672, section 2.3, which BIND does not enforce.
        return None if "a DNAME and NS too" in str(fault) else int(fault.rcode), version
    return int(Rcode.NOERROR), version if made is None else made[0]


def test_updatesActAsInBIND() -> None:
    """
    Updates get the same rcodes and leave the same zone, serial number included. Where prerequisites fail and changes are malformed or out
    of zone, BIND reports the latter and we the former, as in RFC 2136.
    """
    draw = random.Random(2136)
    version = Zone.fromText(START, APEX).current
    with bind({"example.org": START}, zoneExtra=_EXTRA) as server:
        for number in range(400):
            changes = tuple([_change(draw, version.serial) for _ in range(draw.randrange(0, 5))])
            demands = _demands(draw, version)
            wire = buildMessage(Message(number, Opcode.UPDATE << 11, (Question(APEX, SOA),), demands, changes))
            before = version
            rcode, version = _rcode(wire, version)
            if rcode is None:
                continue
            told = exchange(server, wire).rcode
            if demands and rcode != Rcode.NOERROR:
                freely = buildMessage(Message(number, Opcode.UPDATE << 11, (Question(APEX, SOA),), (), changes))
                malformed, _ = _rcode(freely, before)
                rcode = malformed if malformed in (Rcode.FORMERR, Rcode.NOTZONE) else rcode
            serial, theirs = _theirs(server)
            context = (number, [*map(repr, demands)], [*map(repr, changes)], _all(before))
            assert rcode == told, context
            assert _all(version) == theirs, (context, _all(version) - theirs, theirs - _all(version))
            assert version.serial == serial, context
