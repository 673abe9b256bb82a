"""
Tests of updates of signed zones: a client sees and changes a zone as if it was not signed, and each version is as if it was signed anew.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.zone.changing import updated
from tests.zone.sign.test_incremental import NOW, Signer, contentOf, expectSame, plainOf, signed, signingWith, zone
from tests.zone.sign.zones import APEX, builderOf
from tests.zone.test_updatemodel import EVERYTHING, START, section
from twisted_ext.errors import BadChange, BadUpdate
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import ANY_CLASS, IN, NONE, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, CDS, DNSKEY, NSEC, RRSIG, SOA, ZONEMD, A
from twisted_ext.zone.sign.completer import Whole
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.update.policy import Policy
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.update.updates import Update

_SIGNED = signed([rrset for node in START.nodes() for rrset in node.sets], signingWith(), NOW)


def update(demands: list[RRSet], changes: list[RRSet]) -> Update:
    """
    Return an update as it arrives.
    """
    message = Message(1, Opcode.UPDATE << 11, (Question(APEX, SOA),), tuple(demands), tuple(changes))
    return Update.fromMessage(Message.fromWire(buildMessage(message)).check())


def outcome(asked: Update, version: Version, signer: Signer | None) -> Version | str:
    """
    Return the version afterwards, or why there is none.
    """
    completion = None if signer is None else signer.at(NOW)
    try:
        done = updated(asked, version, EVERYTHING, b"", "127.0.0.1", completion=completion)
    except BadUpdate as refused:
        return f"{refused.rcode}: {refused.text}"
    return version if done is None else done[0]


@given(section(st.just(0), 3), section(st.sampled_from((300, 600)), 6))
def test_asIfItWasNotSigned(demands: list[RRSet], changes: list[RRSet]) -> None:
    """
    Any prerequisites and changes lead to the same reply, with the same text, and the same records besides those that a signer makes; which
    are those of the records as they are then.
    """
    asked = update(demands, changes)
    plain = outcome(asked, START, None)
    signer = Signer()
    try:
        found = outcome(asked, _SIGNED, signer)
    except Whole:
        # The SOA record got a TTL that all denials would have.
        assume(False)
    if isinstance(plain, str) or isinstance(found, str):
        assert found == plain
        return
    assert found.serial == plain.serial
    assert contentOf(Version(Image(builderOf(plainOf(found)).finish()))) == contentOf(plain)
    expectSame(found, signer.signing, NOW)


@pytest.mark.parametrize("rrType", [RRSIG, NSEC, DNSKEY, CDS, ZONEMD])
@pytest.mark.parametrize("rrClass", [IN, NONE, ANY_CLASS])
def test_madeRecordsStay(rrType: int, rrClass: int) -> None:
    """
    An update of what the signer makes is refused with one sentence, whether it adds, removes a record, or the whole set.
    """
    rdata = {
        RRSIG: b"\x00\x01\x0d\x02\x00\x00\x0e\x10" + bytes(8) + b"\x00\x01" + APEX + bytes(64),
        NSEC: APEX + b"\x00\x01\x40", DNSKEY: b"\x01\x01\x03\x0d" + bytes(64),
        CDS: b"\x00\x01\x0d\x02" + bytes(32), ZONEMD: b"\x00\x00\x00\x01\x01\x01" + bytes(48),
    }[rrType]  # fmt: skip
    version = signed(plainOf(_SIGNED), signingWith(digested=True), NOW) if rrType == ZONEMD else _SIGNED
    change = RRSet(APEX, rrType, rrClass, 300 if rrClass == IN else 0, (b"" if rrClass == ANY_CLASS else rdata,))
    said = outcome(update([], [change]), version, Signer(signingWith(digested=True)) if rrType == ZONEMD else Signer())
    assert isinstance(said, str)
    assert said.startswith(f"{Rcode.REFUSED}: example.org. ") and said.endswith("makes these records; change the others")


def test_hashedOwnersAreNotThere() -> None:
    """
    A name that has only what the signer makes is not in use, nor removed: the owner of an NSEC3 record is no name of the zone to a client.
    """
    version = signed(plainOf(_SIGNED), signingWith(denial="nsec3"), NOW)
    owner = next(node.key for node in version.nodes() if node.sets and len(node.key) == 33) + APEX
    signer = Signer(signingWith(denial="nsec3"))
    said = outcome(update([RRSet(owner, ANY, ANY_CLASS, 0, (b"",))], []), version, signer)
    assert isinstance(said, str) and said.startswith(f"{Rcode.NXDOMAIN}: ")
    assert outcome(update([RRSet(owner, ANY, NONE, 0, (b"",))], [RRSet(owner, ANY, ANY_CLASS, 0, (b"",))]), version, signer) is version


def test_noRightToSignaturesIsNeeded() -> None:
    """
    A client that may change addresses only may change them in a zone that is signed here, and not in one that was signed elsewhere.
    """
    policy = Policy.fromTexts(["address 127.0.0.0/8 zone A"])
    asked = update([], [recordFromText("new 300 A 192.0.2.1", APEX)])
    done = updated(asked, _SIGNED, policy, b"", "127.0.0.1", completion=Signer().at(NOW))
    assert done is not None and {rrset.rrType for rrset in done[1].added} >= {A, RRSIG, NSEC}
    with pytest.raises(BadUpdate, match="needs the right to change its signatures"):
        updated(asked, _SIGNED, policy, b"", "127.0.0.1")


def test_otherDoors() -> None:
    """
    Whatever makes the change, made records are not there for it, and cannot be replaced.
    """
    transaction = Transaction(zone("a 300 A 192.0.2.1"), completion=Signer().at(NOW))
    assert {kind[0] for kind in transaction.setsAt(b"\x01a")} == {A}
    made = recordFromText("a 300 NSEC example.org. A", APEX)
    for change in (transaction.add, transaction.replace, transaction.remove):
        with pytest.raises(BadChange, match=r"^a\.example\.org\. NSEC: the server that signs this zone makes these records"):
            change(made)
    with pytest.raises(BadChange, match=r"^a\.example\.org\. RRSIG: "):
        transaction.removeType(nameFromText("a", APEX), RRSIG)
    assert transaction.commit() is None
