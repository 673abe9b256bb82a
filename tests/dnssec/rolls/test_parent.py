"""
What servers of the parent say about the DS records of a zone.
"""

from __future__ import annotations

import pytest

from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.rolls.parent import Delegation, delegationIn, isDelegated, tagsIn, unknownAt
from twisted_ext.errors import BadMessage
from twisted_ext.wire.codes import AA, QR, TC
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME, DNSKEY, DS, SOA

# The example of RFC 4509, section 2.3.
_ZONE = nameFromText("dskey.example.com")
_KEY = rdataFromText(
    DNSKEY,
    "256 3 5 AQOeiiR0GOMYkDshWoSKz9XzfwJr1AYtsmx3TGkJaNXVbfi/2pHm822aJ5iI9BMzNXxeYCmZDRD99WYwYqUSdjMmmAphXdvxegXd/M5+X7OrzKBaMbCVdFLU"
    "Uh6DhweJBjEVv5f2wwjM9XzcnOf+EPbtG9DMBmADjFDc2w/rljwvFw==",
)
_SHA256 = rdataFromText(DS, "60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A")
# That of RFC 4034, section 5.4.
_SHA1 = rdataFromText(DS, "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118")
_OTHER = rdataFromText(DS, "60485 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50B")
_STRANGE = rdataFromText(DS, "1 5 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A")


def _said(*entries: bytes) -> Delegation:
    return Delegation("192.0.2.1", entries, 60)


def _reply(answer: list[RRSet] | None = None, owner: str = "", flags: int = AA) -> Message:
    authority = (RRSet(nameFromText(owner), SOA, 1, 60, (bytes(22),)),) if owner else ()
    return Message(1, QR | flags, (Question(_ZONE, DS),), tuple(answer or ()), authority)


def test_example() -> None:
    """
    The key of the RFCs' examples is found by its digest.
    """
    assert keyTag(_KEY) == 60485
    assert isDelegated(_ZONE, _KEY, [_said(_SHA256)]) is True
    assert isDelegated(_ZONE, _KEY, [_said(_STRANGE, _SHA256, _SHA1)]) is True
    assert isDelegated(_ZONE, _KEY, [_said(_STRANGE)]) is False
    assert isDelegated(_ZONE, _KEY, [_said()]) is False


@pytest.mark.parametrize("entry", [_SHA1, _OTHER])
def test_otherKinds(entry: bytes) -> None:
    """
    A DS record that validators need not support, or that has another digest, is neither there nor gone.
    """
    assert isDelegated(_ZONE, _KEY, [_said(entry)]) is None


def test_severalServers() -> None:
    """
    All servers have to agree.
    """
    both = [_said(_SHA256), _said(_SHA256, _STRANGE)]
    assert isDelegated(_ZONE, _KEY, both) is True
    assert isDelegated(_ZONE, _KEY, [*both, _said()]) is None
    assert isDelegated(_ZONE, _KEY, []) is None


def test_unknown() -> None:
    """
    DS records of no key are told from no DS records, and from those of some key.
    """
    assert unknownAt(_ZONE, [_KEY], _said(_STRANGE))
    assert not unknownAt(_ZONE, [_KEY], _said(_STRANGE, _SHA256))
    assert not unknownAt(_ZONE, [_KEY], _said())


def test_reply() -> None:
    """
    The DS records of a reply are read, with their TTL; a denial by the parent says that there are none.
    """
    rrset = RRSet(nameFromText("DSkey.Example.com"), DS, 1, 300, (_SHA256,))
    assert delegationIn(_reply([rrset]), _ZONE, "192.0.2.1") == Delegation("192.0.2.1", (_SHA256,), 300)
    assert delegationIn(_reply(owner="EXAMPLE.com"), _ZONE, "192.0.2.1") == Delegation("192.0.2.1", (), 0)
    assert delegationIn(_reply(owner="."), _ZONE, "192.0.2.1").entries == ()
    assert tagsIn((_SHA256, _STRANGE)) == "DS records of 1 and 60485"
    assert tagsIn(()) == "no DS record"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (_reply(owner="example.com", flags=0), "is not a server of the parent: its reply has no AA flag; all servers of the parent set it"),
        (_reply(owner="example.com", flags=AA | TC), "sent a truncated reply"),
        (_reply(owner="dskey.example.com"), "is a server of the zone itself, not of its parent"),
        (_reply(owner="example.org"), "is not a server of the parent of dskey.example.com."),
        (_reply(), "is not a server of the parent of dskey.example.com."),
        (_reply([RRSet(_ZONE, CNAME, 1, 60, (b"\0",))], "example.com"), "is not a server of the parent of dskey.example.com."),
        (_reply([RRSet(_ZONE, DS, 1, 60, (bytes(4),))]), "sent a DS record without a digest"),
    ],
)
def test_refused(reply: Message, said: str) -> None:
    """
    A reply that does not come from the parent says nothing.
    """
    with pytest.raises(BadMessage) as fault:
        delegationIn(reply, _ZONE, "192.0.2.1")
    assert str(fault.value) == f"192.0.2.1 {said}"
