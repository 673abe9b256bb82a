"""
Tests of L{twisted_ext.zone.update.updates} against a direct transcription of the pseudocode in RFC 2136.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import APEX, updated, versionOf
from twisted_ext.errors import BadChange, BadUpdate
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, CH, IN, NONE, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, AXFR, CNAME, NS, SOA, TXT, A
from twisted_ext.zone.store.changeset import Difference, applied
from twisted_ext.zone.store.serials import isNewer, serialIn, withSerial
from twisted_ext.zone.store.steps import finished
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.update.updates import Update, perform

EVERYTHING = Policy.fromTexts(["address 127.0.0.0/8 zone ANY"])

_OUTSIDE = nameFromText("www.example.com.")
_NAMES = (APEX, *[nameFromText(text, APEX) for text in ("a", "b.a", "A", "alias")])

ZONE = """
@ 3600 SOA ns1 hostmaster 10 3600 600 86400 300
@ 3600 NS ns1
@ 3600 NS ns2
@ 300 A 192.0.2.1
b.a 300 A 192.0.2.1
b.a 300 A 192.0.2.2
b.a 300 TXT x
alias 300 CNAME b.a
"""

START = versionOf(ZONE)

#: Different records of each type. The serial numbers are equal, newer, older and as far away as possible.
_RDATAS = {
    A: (b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"),
    NS: (b"\x03ns1" + APEX, b"\x03ns2" + APEX, b"\x03NS2" + APEX),
    CNAME: (b"\x01b\x01a" + APEX, b"\x01a" + APEX),
    TXT: (b"\x01x", b"\x01X"),
    SOA: tuple([withSerial(START.soa.rdatas[0], serial) for serial in (10, 12, 9, 10 + 2**31 & 0xFFFFFFFF)]),
}

_RDATAS_OF = st.sampled_from([(rrType, rdata) for rrType, rdatas in _RDATAS.items() for rdata in rdatas])


def _records(name: st.SearchStrategy[bytes], ttl: st.SearchStrategy[int]) -> st.SearchStrategy[RRSet]:
    whole = st.builds(lambda name, held, ttl: RRSet(name, held[0], IN, ttl, (held[1],)), name, _RDATAS_OF, ttl)
    exact = st.builds(lambda name, held: RRSet(name, held[0], NONE, 0, (held[1],)), name, _RDATAS_OF)
    about = st.builds(
        lambda name, rrType, rrClass: RRSet(name, rrType, rrClass, 0, (b"",)),
        name,
        st.sampled_from((ANY, A, NS, CNAME, TXT, SOA)),
        st.sampled_from((ANY_CLASS, ANY_CLASS, NONE)),
    )
    return whole | exact | about


#: Malformed records and records of another zone; rarely drawn.
_WRONG = st.sampled_from(
    (
        RRSet(APEX, TXT, CH, 0, (b"\x01x",)),
        RRSet(APEX, A, ANY_CLASS, 1, (b"",)),
        RRSet(APEX, A, NONE, 1, (b"\xc0\x00\x02\x01",)),
        RRSet(APEX, AXFR, ANY_CLASS, 0, (b"",)),
        RRSet(APEX, ANY, IN, 0, (b"",)),
        RRSet(_OUTSIDE, A, IN, 0, (b"\xc0\x00\x02\x01",)),
        RRSet(_OUTSIDE, ANY, ANY_CLASS, 0, (b"",)),
    )
)


def section(ttl: st.SearchStrategy[int], size: int) -> st.SearchStrategy[list[RRSet]]:
    good = st.lists(_records(st.sampled_from(_NAMES), ttl), max_size=size)
    return st.one_of(good, good, good, st.builds(lambda some, wrong: [*some, wrong], good, _WRONG))


#: Changes that are in order. To write a name in other case is a change too, which the model does not know.
_SOME = st.lists(_records(st.sampled_from([each for each in _NAMES if each.islower()]), st.sampled_from((0, 300, 600))), max_size=4)


#: The TTL and the records of each set by folded name and type.
_Zone = dict[tuple[bytes, int], tuple[int, dict[bytes, bytes]]]


def held(version: Version) -> _Zone:
    """
    Return the contents of a version.
    """
    return {
        (rrset.name.lower(), rrset.rrType): (rrset.ttl, {_foldedRdata(rrset.rrType, rdata): rdata for rdata in rrset.rdatas})
        for node in version.nodes()
        for rrset in node.sets
    }


class _Refused(Exception):
    """
    The refusal of an update with an RCODE.
    """


def _foldedRdata(rrType: int, rdata: bytes) -> bytes:
    return rdata.lower() if rrType in (NS, CNAME) else rdata


def _prescan(changes: list[RRSet]) -> None:
    for each in changes:
        if each.name == _OUTSIDE:
            raise _Refused(Rcode.NOTZONE)
        if each.rrClass == IN:
            wrong = each.rrType in (ANY, AXFR)
        elif each.rrClass == ANY_CLASS:
            wrong = bool(each.ttl or each.rdatas[0] or each.rrType == AXFR)
        elif each.rrClass == NONE:
            wrong = bool(each.ttl or each.rrType in (ANY, AXFR))
        else:
            wrong = True
        if wrong:
            raise _Refused(Rcode.FORMERR)


def _formed(demand: RRSet) -> None:
    if demand.ttl:
        raise _Refused(Rcode.FORMERR)
    if demand.name == _OUTSIDE:
        raise _Refused(Rcode.NOTZONE)
    if demand.rrClass in (ANY_CLASS, NONE):
        if demand.rdatas[0] or demand.rrType == AXFR:
            raise _Refused(Rcode.FORMERR)
    elif demand.rrClass != IN or demand.rrType in (ANY, AXFR):
        raise _Refused(Rcode.FORMERR)


def _demand(zone: _Zone, demands: list[RRSet]) -> None:
    sets: dict[tuple[bytes, int], set[bytes]] = {}
    for each in demands:
        _formed(each)
        name, rrType = each.name.lower(), each.rrType
        if each.rrClass == IN:
            sets.setdefault((name, rrType), set()).add(_foldedRdata(rrType, each.rdatas[0]))
        elif rrType == ANY:
            if any(place[0] == name for place in zone) != (each.rrClass == ANY_CLASS):
                raise _Refused(Rcode.NXDOMAIN if each.rrClass == ANY_CLASS else Rcode.YXDOMAIN)
        elif ((name, rrType) in zone) != (each.rrClass == ANY_CLASS):
            raise _Refused(Rcode.NXRRSET if each.rrClass == ANY_CLASS else Rcode.YXRRSET)
    for place, rdatas in sets.items():
        if place not in zone or set(zone[place][1]) != rdatas:
            raise _Refused(Rcode.NXRRSET)


def _add(zone: _Zone, record: RRSet) -> None:
    name, rrType = record.name.lower(), record.rrType
    rdata = record.rdatas[0]
    place = (name, rrType)
    types = {place[1] for place in zone if place[0] == name}
    if rrType == SOA:
        if SOA in types and isNewer(serialIn(rdata), serialIn(next(iter(zone[place][1].values())))):
            zone[place] = (record.ttl, {rdata: rdata})
    elif rrType == CNAME:
        if types <= {CNAME}:
            zone[place] = (record.ttl, {_foldedRdata(rrType, rdata): rdata})
    elif CNAME not in types:
        there = zone[place][1] if place in zone else {}
        zone[place] = (record.ttl, {_foldedRdata(rrType, rdata): rdata, **there})


def _delete(zone: _Zone, record: RRSet) -> None:
    name, rrType = record.name.lower(), record.rrType
    apex = name == APEX
    if record.rrClass == ANY_CLASS:
        for place in list(zone):
            if place[0] == name and rrType in (ANY, place[1]) and not (apex and place[1] in (SOA, NS)):
                del zone[place]
        return
    there = zone.get((name, rrType))
    if there is None or rrType == SOA:
        return
    folded = _foldedRdata(rrType, record.rdatas[0])
    if folded not in there[1] or (apex and rrType == NS and len(there[1]) == 1):
        return
    del there[1][folded]
    if not there[1]:
        del zone[name, rrType]


def expected(before: _Zone, demands: list[RRSet], changes: list[RRSet]) -> _Zone | int:
    """
    Return the contents of the zone afterwards, or the RCODE. The serial number is set once.
    """
    zone = {place: (ttl, dict(records)) for place, (ttl, records) in before.items()}
    try:
        _demand(zone, demands)
        _prescan(changes)
    except _Refused as refused:
        return int(refused.args[0])
    for each in changes:
        (_add if each.rrClass == IN else _delete)(zone, each)
    ttl, soas = zone[APEX, SOA]
    soa = next(iter(soas.values()))
    if serialIn(soa) == 10 and _plain(zone) != _plain(before):
        soa = withSerial(soa, 11)
        zone[APEX, SOA] = (ttl, {soa: soa})
    former = serialIn(next(iter(before[APEX, SOA][1].values())))
    if serialIn(soa) != former and not (isNewer(serialIn(soa), former) and isNewer(serialIn(soa), 10)):
        # Two steps that each lead to a newer one, and together to one that is not (RFC 1982).
        return int(Rcode.REFUSED)
    return zone


def _plain(zone: _Zone) -> dict[tuple[bytes, int], tuple[int, frozenset[bytes]]]:
    return {place: (ttl, frozenset(rdatas)) for place, (ttl, rdatas) in zone.items()}


def arrived(demands: list[RRSet], changes: list[RRSet]) -> Update:
    """
    Return an update as it arrives.
    """
    message = Message(1, Opcode.UPDATE << 11, (Question(APEX, SOA),), tuple(demands), tuple(changes))
    return Update.fromMessage(Message.fromWire(buildMessage(message)).check())


class ModelTests(SynchronousTestCase):
    """
    Tests against the model.
    """

    @given(section(st.just(0), 3), section(st.sampled_from((0, 300, 600)), 6))
    def test_updateAgreesWithTheModel(self, demands: list[RRSet], changes: list[RRSet]) -> None:
        """
        Any prerequisites and changes lead to the same RCODE or the same zone as the model.
        """
        update = arrived(demands, changes)
        found: _Zone | int
        try:
            done = updated(update, START, EVERYTHING, b"", "127.0.0.1")
        except BadUpdate as refused:
            found = int(refused.rcode)
        else:
            found = held(START if done is None else done[0])
        wanted = expected(held(START), demands, changes)
        if isinstance(found, int) or isinstance(wanted, int):
            self.assertEqual(found, wanted)
        else:
            self.assertEqual(_plain(found), _plain(wanted))

    @given(st.lists(st.tuples(st.just([]) | st.just([]) | section(st.just(0), 2), _SOME), min_size=2, max_size=5))
    def test_severalAtOnce(self, updates: list[tuple[list[RRSet], list[RRSet]]]) -> None:
        """
        Updates that become one version get the RCODEs that the model gives them one after another, and lead to the same zone; what each
        says that it changed, together, is what changed.
        """
        transaction = Transaction(START)
        zone = held(START)
        parts: list[Difference] = []
        for demands, changes in updates:
            wanted = expected(zone, demands, changes)
            try:
                perform(arrived(demands, changes), transaction, EVERYTHING, b"", "127.0.0.1")
                part = finished(transaction.closing())
            except (BadUpdate, BadChange) as refused:
                transaction.undo()
                self.assertEqual(int(refused.rcode) if isinstance(refused, BadUpdate) else Rcode.REFUSED, wanted)
                continue
            assert not isinstance(wanted, int)
            self.assertEqual(part is None, _plain(wanted) == _plain(zone))
            parts += [] if part is None else [part]
            zone = wanted
        done = transaction.commit()
        self.assertEqual(done is None, not parts)
        if done is not None:
            version, difference = done
            self.assertEqual(_plain(held(version)), _plain(zone))
            self.assertEqual(_plain(held(applied(START, [difference]))), _plain(zone))
            self.assertEqual([part.newSerial for part in parts[-1:]], [version.serial])
            self.assertEqual([part.before for part in parts], [START.soa, *[part.after for part in parts[:-1]]])
