"""
Tests of the faults of a simulated internet: each does what its description says, where it was set and nowhere else.
"""

from __future__ import annotations

import re

import pytest

from tests.testing.internet.oracle import NotProved, validate
from twisted_ext.dnssec.keys import REVOKED, ZONE, delegatedKeys, keysOf, unusableDelegation
from twisted_ext.dnssec.signatures import Signature, verifySet
from twisted_ext.dnssec.verdicts import DNSKEY_MISSING, NSEC_MISSING
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BadMessage
from twisted_ext.testing.internet import DAY, Fault, Internet
from twisted_ext.testing.internet.misbehavior import FALSE_ADDRESSES
from twisted_ext.testing.internet.seededsigner import Params
from twisted_ext.wire.codes import AA, DO, TC, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, DS, NS, NSEC, NSEC3, RRSIG, SOA, A

RECORDS = """
www 300 A 192.0.2.80
mail 300 A 192.0.2.25
a.b.c A 192.0.2.1
*.w A 192.0.2.2
"""

#: Faults that make the A record of www bogus, all else being right.
BOGUS = [
    Fault.MISSING_SIGNATURE,
    Fault.EXPIRED,
    Fault.NOT_YET_VALID,
    Fault.EXPIRED_BEFORE_VALID,
    Fault.WRONG_SIGNER,
    Fault.SIGNED_BY_ANCESTOR,
    Fault.CORRUPT_SIGNATURE,
    Fault.SIGNATURE_OF_OTHER_TYPE,
    Fault.WRONG_SIGNATURE_TAG,
    Fault.WRONG_SIGNATURE_ALGORITHM,
    Fault.WRONG_ORIGINAL_TTL,
    Fault.TOO_MANY_LABELS,
    Fault.MISSING_KEY,
    Fault.NO_KEYS,
    Fault.KEYS_NOT_SIGNED_BY_ANCHOR,
    Fault.NOT_A_ZONE_KEY,
    Fault.REVOKED_KEY,
    Fault.WRONG_KEY_PROTOCOL,
    Fault.WRONG_KEY_ALGORITHM,
    Fault.WRONG_PUBLIC_KEY,
    Fault.UNSUPPORTED_ALGORITHM,
    Fault.WRONG_DIGEST,
    Fault.DS_OF_OTHER_KEY,
    Fault.WRONG_DS_TAG,
    Fault.WRONG_DS_ALGORITHM,
    Fault.UNSUPPORTED_DIGEST,
    Fault.STRIPS_SIGNATURES,
    Fault.LIES,
]

#: Of these, the ones that can be set for single records.
OF_SIGNATURES = BOGUS[:12]

ORG = nameFromText("example.org")


def built(params: Params | None = None) -> Internet:
    """
    Return an internet with two zones.
    """
    internet = Internet(seed=3)
    internet.zone("example.org", RECORDS, nsec3=params)
    internet.zone("example.net", "www A 192.0.2.79\nmail A 192.0.2.78")
    return internet


def asked(
    internet: Internet, name: str = "www.example.org", rrType: str = "A", *, server: str = "ns1.example.org", transport: str = "udp",
    dnssecOk: bool = True, edns: bool = True,
) -> Message:
    """
    Ask a server that replies.
    """
    reply = internet.ask(server, name, rrType, transport=transport, dnssecOk=dnssecOk, edns=edns)
    assert reply is not None
    return reply


def silent(
    internet: Internet, *, server: str = "ns1.example.org", transport: str = "udp", dnssecOk: bool = True, edns: bool = True
) -> bool:
    """
    Return whether a server does not reply.
    """
    return internet.ask(server, "www.example.org", transport=transport, dnssecOk=dnssecOk, edns=edns) is None


def rcodeOf(reply: Message) -> int:
    """
    Return the whole rcode.
    """
    return reply.flags & 15 | (reply.edns.extendedRcode << 4 if reply.edns is not None else 0)


@pytest.mark.parametrize("fault", BOGUS)
def test_faultBreaksValidation(fault: Fault) -> None:
    """
    dnspython does not validate the zone with the fault, does without it, and validates other zones.
    """
    internet = built()
    validate(internet, "www.example.org", "A")
    internet.inject(fault, "example.org")
    with pytest.raises(NotProved):
        validate(internet, "www.example.org", "A")
    validate(internet, "www.example.net", "A")
    internet.clear(fault, "example.org")
    validate(internet, "www.example.org", "A")


@pytest.mark.parametrize("fault", OF_SIGNATURES)
def test_faultOfOneRecordLeavesOthers(fault: Fault) -> None:
    """
    A fault of one name's signatures leaves those of other names and types valid.
    """
    internet = built()
    internet.inject(fault, "example.org", name="www.example.org", rrType="A")
    with pytest.raises(NotProved):
        validate(internet, "www.example.org", "A")
    validate(internet, "mail.example.org", "A")
    validate(internet, "www.example.org", "AAAA")


@pytest.mark.parametrize("fault", OF_SIGNATURES)
def test_faultOfOneServerLeavesTheOthers(fault: Fault) -> None:
    """
    A fault of one server leaves the others of the zone valid.
    """
    internet = built()
    internet.inject(fault, "ns1.example.org", name="www.example.org")
    first, second = internet.zones[ORG].servers
    with pytest.raises(NotProved):
        validate(internet, "www.example.org", "A", first)
    validate(internet, "www.example.org", "A", second)


def _signature(internet: Internet) -> Signature:
    reply = asked(internet)
    return Signature.fromRdata(reply.answer[1].rdatas[0])


def test_signaturesAreWrongAsDescribed() -> None:
    """
    Each fault of signatures changes the field that it names.
    """
    internet = built()
    right = _signature(internet)
    now = internet.time()

    def wrong(fault: Fault) -> Signature:
        internet.clear()
        internet.inject(fault, "example.org")
        return _signature(internet)

    assert wrong(Fault.EXPIRED).expiration < now
    assert wrong(Fault.NOT_YET_VALID).inception > now
    early = wrong(Fault.EXPIRED_BEFORE_VALID)
    assert early.expiration < early.inception
    assert wrong(Fault.WRONG_SIGNER).signer != right.signer
    ancestor = wrong(Fault.SIGNED_BY_ANCESTOR)
    assert ancestor.signer == nameFromText("org")
    assert wrong(Fault.CORRUPT_SIGNATURE).octets[:-1] == right.octets[:-1]
    assert wrong(Fault.WRONG_SIGNATURE_TAG).keyTag == right.keyTag ^ 1
    assert wrong(Fault.WRONG_SIGNATURE_ALGORITHM).algorithm == 14
    assert wrong(Fault.WRONG_ORIGINAL_TTL).originalTTL == right.originalTTL + 1
    assert wrong(Fault.TOO_MANY_LABELS).labels == 4
    assert wrong(Fault.UNSUPPORTED_ALGORITHM).algorithm == 100
    assert wrong(Fault.SIGNATURE_OF_OTHER_TYPE).covered == A
    internet.clear()
    assert _signature(internet).octets == right.octets


def test_keysAndDelegationsAreWrongAsDescribed() -> None:
    """
    Each fault of keys and DS records changes the field that it names, and keeps the two in accord where it should.
    """
    internet = built()

    def wrong(fault: Fault) -> tuple[list[bytes], list[bytes]]:
        internet.clear()
        internet.inject(fault, "example.org")
        keys = asked(internet, "example.org", "DNSKEY", transport="tcp").answer
        ds = next(rrset for rrset in asked(internet, server="a.nic.org").authority if rrset.rrType == DS)
        return sorted(keys[0].rdatas) if keys else [], sorted(ds.rdatas)

    keys = sorted(asked(internet, "example.org", "DNSKEY", transport="tcp").answer[0].rdatas)
    ds = list(next(rrset for rrset in asked(internet, server="a.nic.org").authority if rrset.rrType == DS).rdatas)
    assert all(not int.from_bytes(key[:2], "big") & ZONE for key in wrong(Fault.NOT_A_ZONE_KEY)[0])
    assert any(int.from_bytes(key[:2], "big") & REVOKED for key in wrong(Fault.REVOKED_KEY)[0])
    assert all(key[2] == 2 for key in wrong(Fault.WRONG_KEY_PROTOCOL)[0])
    assert wrong(Fault.WRONG_KEY_ALGORITHM) == (sorted(key[:3] + b"\x0e" + key[4:] for key in keys), ds)
    assert wrong(Fault.WRONG_PUBLIC_KEY)[1] == ds
    assert len(wrong(Fault.MISSING_KEY)[0]) == 1
    assert wrong(Fault.NO_KEYS) == ([], ds)
    assert wrong(Fault.WRONG_DIGEST) == (keys, [ds[0][:-1] + bytes((ds[0][-1] ^ 1,))])
    assert wrong(Fault.DS_OF_OTHER_KEY)[0] == keys
    assert wrong(Fault.WRONG_DS_TAG)[1][0][2:] == ds[0][2:]
    assert wrong(Fault.WRONG_DS_ALGORITHM)[1][0][2] == 14
    assert wrong(Fault.UNSUPPORTED_DIGEST)[1][0][3] == 100
    both = wrong(Fault.MISSING_ALGORITHM)
    assert {key[3] for key in both[0]} == {rdata[2] for rdata in both[1]} == {13, 15}
    validate(internet, "www.example.org", "A")
    unknown = wrong(Fault.UNSUPPORTED_ALGORITHM)
    assert {key[3] for key in unknown[0]} == {rdata[2] for rdata in unknown[1]} == {100}


def test_zoneThatIsNotResignedExpires() -> None:
    """
    Signatures that are no longer renewed are valid for a while, then they have expired.
    """
    internet = built()
    internet.inject(Fault.NOT_RESIGNED, "example.org")
    internet.advance(13 * DAY)
    validate(internet, "www.example.org", "A")
    internet.advance(2 * DAY)
    with pytest.raises(NotProved):
        validate(internet, "www.example.org", "A")
    internet.clear()
    validate(internet, "www.example.org", "A")


def test_proofsAreMissingOrWrong() -> None:
    """
    The faults of proofs affect negative answers and answers from wildcards only.
    """
    for params, kind in ((None, NSEC), (Params(), NSEC3)):
        internet = built(params)
        right = asked(internet, "nope.example.org").authority
        internet.inject(Fault.MISSING_NSEC, "example.org")
        without = asked(internet, "nope.example.org").authority
        assert [rrset.rrType for rrset in without] == [SOA, RRSIG]
        internet.clear()
        internet.inject(Fault.WRONG_NSEC, "example.org")
        wrong = validate(internet, "nope.example.org", "A").authority
        owners = {nameFromText(rrset.name.to_text()) for rrset in wrong if rrset.rdtype == kind}
        assert owners and owners != {rrset.name for rrset in right if rrset.rrType == kind}
        internet.clear()
        assert kind in {rrset.rrType for rrset in asked(internet, "x.w.example.org").authority}
        internet.inject(Fault.WILDCARD_WITHOUT_PROOF, "example.org")
        assert not asked(internet, "x.w.example.org").authority
        assert asked(internet, "nope.example.org").authority == right
        internet.clear()
        internet.inject(Fault.DENIES, "example.org")
        denied = asked(internet)
        assert rcodeOf(denied) == Rcode.NXDOMAIN
        assert [rrset.rrType for rrset in denied.authority] == [SOA, RRSIG]


def test_delegationCanBeStrippedOfItsSigner() -> None:
    """
    Referrals to a zone whose DS records are stripped have neither these nor a proof.
    """
    internet = built()
    internet.inject(Fault.STRIPPED_DS, "example.org")
    assert {rrset.rrType for rrset in asked(internet, server="a.nic.org").authority} == {NS}
    assert DS in {rrset.rrType for rrset in asked(internet, "www.example.net", server="a.nic.net").authority}


def test_iterationsAreHigh() -> None:
    """
    A zone with NSEC3 can be given many iterations; others refuse.
    """
    internet = built(Params())
    internet.inject(Fault.NSEC3_ITERATIONS, "example.org")
    hashed = [rrset for rrset in asked(internet, "nope.example.org", transport="tcp").authority if rrset.rrType == NSEC3]
    assert {rrset.rdatas[0][2:4] for rrset in hashed} == {b"\x00\x96"}
    validate(internet, "nope.example.org", "A")
    for where in ("example.net", "ns1.example.org"):
        with pytest.raises(ValueError, match="NSEC3_ITERATIONS is for zones with NSEC3"):
            internet.inject(Fault.NSEC3_ITERATIONS, where)


def test_serversDoNotReply() -> None:
    """
    Faults that make a server silent do so for the queries that they name only.
    """
    for fault, quiet in (
        (Fault.DEAD, {"udp", "tcp", "no DO", "no EDNS"}),
        (Fault.TCP_ONLY, {"udp", "no DO", "no EDNS"}),
        (Fault.UDP_ONLY, {"tcp"}),
        (Fault.DROPS_EDNS, {"udp", "tcp", "no DO"}),
        (Fault.DROPS_DO, {"udp", "tcp"}),
    ):
        internet = built()
        internet.inject(fault, "ns1.example.org")
        found = {
            "udp": silent(internet),
            "tcp": silent(internet, transport="tcp"),
            "no DO": silent(internet, dnssecOk=False),
            "no EDNS": silent(internet, edns=False),
        }
        assert {what for what, is_silent in found.items() if is_silent} == quiet, fault
        assert not silent(internet, server="ns2.example.org")


@pytest.mark.parametrize(
    ("fault", "rcode"),
    [
        (Fault.SERVFAIL, Rcode.SERVFAIL),
        (Fault.REFUSES, Rcode.REFUSED),
        (Fault.NOT_IMPLEMENTED, Rcode.NOTIMP),
        (Fault.FORMERR_EDNS, Rcode.FORMERR),
        (Fault.BADVERS, Rcode.BADVERS),
    ],
)
def test_serversFail(fault: Fault, rcode: int) -> None:
    """
    Faults that are named after an rcode give it; those of EDNS only for queries with EDNS.
    """
    internet = built()
    internet.inject(fault, "example.org")
    for server in ("ns1.example.org", "ns2.example.org"):
        reply = asked(internet, server=server)
        assert rcodeOf(reply) == rcode
        assert not reply.answer
    plain = asked(internet, edns=False)
    assert rcodeOf(plain) == (0 if fault in (Fault.FORMERR_EDNS, Fault.BADVERS) else rcode)
    assert rcodeOf(asked(internet, "www.example.net", server="ns1.example.net")) == 0


def test_serversDoWithoutEDNS() -> None:
    """
    A server may ignore EDNS, ignore DO, or remove signatures.
    """
    internet = built()
    internet.inject(Fault.IGNORES_EDNS, "ns1.example.org")
    reply = asked(internet)
    assert reply.edns is None and len(reply.answer) == 1
    internet.clear()
    internet.inject(Fault.STRIPS_DO, "ns1.example.org")
    reply = asked(internet)
    assert reply.edns is not None and not reply.edns.flags & DO and len(reply.answer) == 1
    internet.clear()
    internet.inject(Fault.STRIPS_SIGNATURES, "ns1.example.org")
    reply = asked(internet)
    assert reply.edns is not None and reply.edns.flags & DO and len(reply.answer) == 1
    denied = asked(internet, "nope.example.org")
    assert {rrset.rrType for rrset in denied.authority} == {SOA, NSEC}


def test_serversAreLame() -> None:
    """
    A lame server refers upwards or to itself, or replies with nothing.
    """
    internet = built()
    internet.inject(Fault.LAME_UPWARD, "ns1.example.org")
    reply = asked(internet)
    assert [(rrset.name, rrset.rrType) for rrset in reply.authority] == [(b"\x00", NS)]
    internet.clear()
    internet.inject(Fault.SELF_REFERRAL, "ns1.example.org")
    reply = asked(internet)
    assert [(rrset.name, rrset.rrType) for rrset in reply.authority] == [(ORG, NS)]
    internet.clear()
    internet.inject(Fault.LAME_EMPTY, "ns1.example.org")
    reply = asked(internet)
    assert not reply.flags & AA and not reply.answer and not reply.authority
    internet.clear()
    internet.inject(Fault.NOT_AUTHORITATIVE, "ns1.example.org")
    reply = asked(internet)
    assert not reply.flags & AA and reply.answer


def test_repliesAreMalformed() -> None:
    """
    Replies can be truncated, or have another case, ID or question, or be no messages at all.
    """
    internet = built()
    internet.inject(Fault.TRUNCATES, "ns1.example.org")
    reply = asked(internet)
    assert reply.flags & TC and not reply.answer
    assert asked(internet, transport="tcp").answer
    internet.clear()
    internet.inject(Fault.CHANGES_CASE, "ns1.example.org")
    reply = asked(internet, "WwW.eXample.org")
    assert reply.questions[0].name == nameFromText("www.example.org")
    assert reply.answer[0].name == nameFromText("www.example.org")
    internet.clear()
    assert asked(internet, "WwW.eXample.org").questions[0].name == nameFromText("WwW.eXample.org")
    internet.inject(Fault.WRONG_ID, "ns1.example.org")
    assert asked(internet).id == 1
    internet.clear()
    internet.inject(Fault.WRONG_QUESTION, "ns1.example.org")
    assert asked(internet).questions[0].name == nameFromText("wrong.test")
    internet.clear()
    internet.inject(Fault.NO_QUESTION, "ns1.example.org")
    assert not asked(internet).questions
    internet.clear()
    internet.inject(Fault.GARBAGE, "ns1.example.org")
    with pytest.raises(BadMessage):
        asked(internet).check()


def test_minimisedNamesAreAnsweredWrongly() -> None:
    """
    Empty non-terminals can be denied or refused.
    """
    internet = built()
    assert rcodeOf(asked(internet, "b.c.example.org")) == 0
    internet.inject(Fault.EMPTY_IS_NXDOMAIN, "example.org")
    assert rcodeOf(asked(internet, "b.c.example.org")) == Rcode.NXDOMAIN
    assert rcodeOf(asked(internet, "a.b.c.example.org")) == 0
    assert rcodeOf(asked(internet, "a.b.c.example.org", "TXT")) == 0
    internet.clear()
    internet.inject(Fault.MINIMISED_REFUSED, "example.org")
    assert rcodeOf(asked(internet, "b.c.example.org")) == Rcode.REFUSED
    assert rcodeOf(asked(internet, "www.example.org", "NS")) == Rcode.REFUSED
    assert rcodeOf(asked(internet, "example.org", "NS")) == 0
    assert rcodeOf(asked(internet, "a.b.c.example.org")) == 0


def test_serversLie() -> None:
    """
    A liar replies with other data under the original signatures, or adds records of others.
    """
    internet = built()
    right = asked(internet)
    internet.inject(Fault.LIES, "ns1.example.org")
    reply = asked(internet)
    assert reply.answer[0].rdatas == (FALSE_ADDRESSES[A],)
    assert reply.answer[1] == right.answer[1]
    assert len(FALSE_ADDRESSES[AAAA]) == 16
    internet.clear()
    internet.inject(Fault.EXTRA_RECORDS, "ns1.example.org")
    reply = asked(internet)
    assert reply.answer == right.answer
    assert nameFromText("org") in {rrset.name for rrset in reply.authority if rrset.rrType == NS}
    assert nameFromText("www.example.net") in {rrset.name for rrset in reply.additional}


def test_faultsAreScoped() -> None:
    """
    A fault can be restricted to a name and a type.
    """
    internet = built()
    internet.inject(Fault.SERVFAIL, "example.org", name="WWW.example.org", rrType="A")
    assert rcodeOf(asked(internet)) == Rcode.SERVFAIL
    assert rcodeOf(asked(internet, "www.example.org", "AAAA")) == 0
    assert rcodeOf(asked(internet, "mail.example.org")) == 0


def test_wrongPlacesAreRefused() -> None:
    """
    A fault at an unknown place or of an unknown type is refused with what would be right.
    """
    internet = built()
    with pytest.raises(ValueError, match="no server, zone or host 'example.com'; use one of .*example.org"):
        internet.inject(Fault.DEAD, "example.com")
    with pytest.raises(ValueError, match="'NOTYPE' is not a record type"):
        internet.inject(Fault.DEAD, "example.org", rrType="NOTYPE")
    with pytest.raises(ValueError, match="CLOSED is for servers; 'example.org' is a zone"):
        internet.inject(Fault.CLOSED, "example.org")


def test_allFaultsAreDescribed() -> None:
    """
    The documentation describes each fault, and only these.
    """
    assert Fault.__doc__ is not None
    assert re.findall(r"@cvar (\w+):", Fault.__doc__) == [fault.name for fault in Fault]


def verdictOf(internet: Internet) -> tuple[str, int]:
    """
    Judge the A record of www by the parts of our own validator.

    @return: secure, insecure or bogus, and the info code of the extended error.
    """
    now = int(internet.time())
    delegation = next((rrset for rrset in asked(internet, server="a.nic.org").authority if rrset.rrType == DS), None)
    if delegation is None:
        return "bogus", NSEC_MISSING
    unusable = unusableDelegation(delegation.rdatas, ORG)
    if unusable:
        return "insecure", unusable[0][0]
    answer = asked(internet, "example.org", "DNSKEY", transport="tcp").answer
    if not answer:
        return "bogus", DNSKEY_MISSING
    keys = keysOf(answer[0].rdatas)
    trusted, reasons = delegatedKeys(delegation.rdatas, ORG, keys)
    if not trusted:
        return "bogus", reasons[0][0]
    verdict = verifySet(answer[0], answer[1] if len(answer) > 1 else None, trusted, ORG, now, Work())
    if not verdict.secure:
        return "bogus", verdict.reasons[0][0]
    found = asked(internet).answer
    verdict = verifySet(found[0], found[1] if len(found) > 1 else None, keys, ORG, now, Work())
    return ("secure", 0) if verdict.secure else ("bogus", verdict.reasons[0][0])


#: The faults whose description gives the code of the extended error.
DESCRIBED = {
    Fault[name]: {int(code) for code in re.findall(r"\d+", codes)}
    for name, codes in re.findall(r"@cvar (\w+):(?:(?!@cvar).)*?EDE ([\d or]+)\.", Fault.__doc__ or "", re.DOTALL)
}


@pytest.mark.parametrize("fault", [fault for fault in BOGUS if fault in DESCRIBED])
def test_extendedErrorsAreThoseDescribed(fault: Fault) -> None:
    """
    Our own validator finds the state and the extended error that the description of the fault gives.
    """
    internet = built()
    assert verdictOf(internet) == ("secure", 0)
    internet.inject(fault, "example.org")
    state, code = verdictOf(internet)
    assert state == ("insecure" if fault in (Fault.UNSUPPORTED_ALGORITHM, Fault.UNSUPPORTED_DIGEST) else "bogus")
    assert code in DESCRIBED[fault]
    internet.clear()
    if fault in OF_SIGNATURES:
        internet.inject(fault, "example.org", rrType="A")
        assert verdictOf(internet)[1] in DESCRIBED[fault]
