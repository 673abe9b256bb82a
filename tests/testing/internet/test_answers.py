"""
Tests of what the servers of a simulated internet answer.
"""

from __future__ import annotations

from itertools import product

import pytest
from dns.rcode import NOERROR, NXDOMAIN

from tests.testing.internet.oracle import trustedKeys, validate
from twisted_ext.testing.internet import DAY, Delegation, Fault, Internet, KeyPlan
from twisted_ext.testing.internet.seededsigner import Params, SigningKey, signZone
from twisted_ext.wire.codes import AA, DO, TC, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import isBelow, nameFromText, nameToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS, NSEC, NSEC3, NSEC3PARAM, RRSIG, typeNumber
from twisted_ext.zone.check.zonemd import Verdict, verify
from twisted_ext.zone.query.answers import answerAcross
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zone import Zone

RECORDS = """
@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
@ NS ns2
ns1 A 192.0.2.53
ns2 A 192.0.2.54
www 300 A 192.0.2.80
www 300 A 192.0.2.81
@ MX 10 mail
mail A 192.0.2.25
*.w TXT "hello"
a.b.c A 192.0.2.1
alias CNAME www
loop CNAME loop
away CNAME www.example.net.
tree DNAME www
big TXT ( "0123456789012345678901234567890123456789012345678901234567890123456789"
  "1123456789012345678901234567890123456789012345678901234567890123456789" )
cut NS ns.cut
ns.cut A 192.0.2.99
"""

NAMES = ["", "www", "mail", "x.w", "w", "b.c", "c", "a.b.c", "alias", "away", "x.tree", "nope", "x.nope", "cut", "x.cut", "zzz", "ns1"]
TYPES = ["A", "AAAA", "MX", "TXT", "NS", "SOA", "DS", "CNAME"]

DENIALS = {"nsec": None, "nsec3": Params(), "salted": Params(3, b"salt"), "opt-out": Params(0, b"", True)}


def built(nsec3: Params | None = None, *, signed: bool | KeyPlan = True) -> Internet:
    """
    Return an internet with the zone example.org.
    """
    internet = Internet(seed=1)
    internet.server("ns1.example.org", "192.0.2.53")
    internet.server("ns2.example.org", "192.0.2.54")
    internet.zone("example.org", RECORDS, signed=signed, nsec3=nsec3)
    internet.zone("example.net", "www A 192.0.2.79")
    return internet


def under(name: str) -> str:
    """
    Return a name in the zone.
    """
    return f"{name}.example.org" if name else "example.org"


@pytest.mark.parametrize(("name", "rrType"), list(product(NAMES, TYPES)))
def test_unsignedAnswersAreThoseOfTheZone(name: str, rrType: str) -> None:
    """
    Servers of an unsigned zone answer what the code for zones answers from the same records.
    """
    if not name and rrType == "DS":
        pytest.skip("the parent answers")
    internet = built(signed=False)
    reply = internet.ask("ns1.example.org", under(name), rrType)
    assert reply is not None
    number = typeNumber(rrType)
    assert number is not None
    zone = Zone.fromText(RECORDS, "example.org", ttl=3600)
    version = zone.current

    def find(folded: bytes) -> Version | None:
        return version if isBelow(folded, version.apex) else None

    wanted = answerAcross(find, Question(nameFromText(under(name)), number), dnssecOk=True)
    assert wanted is not None
    assert reply.flags & 15 == wanted.rcode
    assert reply.flags & AA == wanted.flags & AA
    assert set(reply.answer) == set(wanted.answer)
    assert set(reply.authority) == set(wanted.authority)
    assert set(reply.additional) == set(wanted.additional)


@pytest.mark.parametrize("denial", DENIALS)
def test_chainsAreThoseOfTheSigner(denial: str) -> None:
    """
    The NSEC and NSEC3 records of a zone are those that signing the whole zone makes.
    """
    internet = built(DENIALS[denial])
    zone = internet.zones[nameFromText("example.org")]
    whole = zone.servers[0].transfer(zone)
    plain = [rrset for rrset in whole if rrset.rrType not in (RRSIG, NSEC, NSEC3, NSEC3PARAM, DNSKEY)]
    key = SigningKey.generate(13, b"any")
    signed = signZone(plain, [key], zone.apex, 0, 1, DENIALS[denial])
    for rrType in (NSEC, NSEC3, NSEC3PARAM):
        assert {rrset for rrset in whole if rrset.rrType == rrType} == {rrset for rrset in signed if rrset.rrType == rrType}

    def covered(sets: list[RRSet]) -> set[tuple[bytes, bytes]]:
        return {(rrset.name.lower(), rdata[:8]) for rrset in sets if rrset.rrType == RRSIG for rdata in rrset.rdatas if rdata[1] != DNSKEY}

    assert covered(list(whole)) == covered(signed)


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("name", NAMES)
def test_signaturesValidate(name: str, denial: str) -> None:
    """
    dnspython finds every signature of every answer valid, from the root's anchor down, with the rcode that the name should have.
    """
    internet = built(DENIALS[denial])
    for rrType in TYPES:
        if name in ("cut", "x.cut") and (rrType != "DS" or name == "x.cut"):
            continue
        reply = validate(internet, under(name), rrType)
        missing = name in ("nope", "x.nope", "zzz") or (name == "x.tree" and rrType != "CNAME")
        assert reply.rcode() == (NXDOMAIN if missing else NOERROR)


@pytest.mark.parametrize("algorithm", [8, 13, 14, 15, 16])
def test_algorithmsValidate(algorithm: int) -> None:
    """
    A zone signed with any of these algorithms validates.
    """
    internet = built(signed=KeyPlan(algorithm))
    validate(internet, "www.example.org", "A")


def test_twoAlgorithmsSignEverything() -> None:
    """
    A zone with two algorithms has signatures, keys and DS records of both.
    """
    internet = built(signed=KeyPlan((8, 13), digests=(2, 4)))
    reply = internet.ask("ns1.example.org", "www.example.org")
    assert reply is not None
    assert sorted(rdata[2] for rdata in reply.answer[1].rdatas) == [8, 13]
    referral = internet.ask("a.nic.org", "www.example.org")
    assert referral is not None
    ds = next(rrset for rrset in referral.authority if rrset.rrType == DS)
    assert sorted((rdata[2], rdata[3]) for rdata in ds.rdatas) == [(8, 2), (8, 4), (13, 2), (13, 4)]
    validate(internet, "www.example.org", "A")


def test_combinedKeySignsEverything() -> None:
    """
    A zone with one key for both purposes validates.
    """
    internet = built(signed=KeyPlan(combined=True))
    validate(internet, "www.example.org", "A")
    keys = internet.ask("ns1.example.org", "example.org", "DNSKEY")
    assert keys is not None
    assert len(keys.answer[0].rdatas) == 1


def test_referralsHaveGlueAndDelegationSigner() -> None:
    """
    The root refers to the TLD and that to the zone, with glue and signed DS records; without EDNS there are no DS records.
    """
    internet = built()
    for server, child in (("a.root-servers.net", "org."), ("a.nic.org", "example.org.")):
        reply = internet.ask(server, "www.example.org")
        assert reply is not None
        assert not reply.flags & AA
        assert [nameToText(rrset.name) for rrset in reply.authority] == [child] * 3
        zone = internet.zones[nameFromText(child)]
        glue = {nameToText(rrset.name) for rrset in reply.additional}
        assert glue == {nameToText(each.name) for each in zone.servers}
        bare = internet.ask(server, "www.example.org", edns=False)
        assert bare is not None
        assert len(bare.authority) == 1
        assert bare.edns is None


def test_unsignedDelegationIsProved() -> None:
    """
    The parent of an unsigned zone proves that it has no DS records.
    """
    internet = Internet(seed=1)
    internet.zone("example.org", "www A 192.0.2.80", signed=False)
    reply = validate(internet, "example.org", "DS")
    assert reply.rcode() == NOERROR and not reply.answer
    referral = internet.ask("a.nic.org", "www.example.org")
    assert referral is not None
    assert NSEC in {rrset.rrType for rrset in referral.authority}
    assert DS not in {rrset.rrType for rrset in referral.authority}


def test_repliesRespectSizeAndTransport() -> None:
    """
    A reply that does not fit into the client's UDP size is truncated; over TCP it is whole.
    """
    internet = Internet(seed=1)
    texts = "\n".join(f'big TXT "{number:0200d}"' for number in range(10))
    internet.zone("example.org", texts)
    for payload in (512, 1232, 4096):
        reply = internet.ask("ns1.example.org", "big.example.org", "TXT", payload=payload)
        assert reply is not None
        assert reply.flags & TC
        assert len(reply.wire) <= min(payload, 1232)
    whole = internet.ask("ns1.example.org", "big.example.org", "TXT", transport="tcp")
    assert whole is not None
    assert not whole.flags & TC
    assert len(whole.answer[0].rdatas) == 10


def test_headersAreThoseOfAnAuthority() -> None:
    """
    DO is echoed, RA is never set, and names outside of the server's zones are refused.
    """
    internet = built()
    reply = internet.ask("ns1.example.org", "www.example.org")
    assert reply is not None and reply.edns is not None
    assert reply.edns.flags & DO
    assert not reply.flags & 0x80
    plain = internet.ask("ns1.example.org", "www.example.org", dnssecOk=False)
    assert plain is not None and plain.edns is not None
    assert not plain.edns.flags & DO
    assert len(plain.answer) == 1
    other = internet.ask("ns1.example.org", "www.example.com")
    assert other is not None
    assert other.flags & 15 == Rcode.REFUSED


def test_parentAndChildMayDiffer() -> None:
    """
    What the parent says of a zone can differ from what the zone says.
    """
    internet = Internet(seed=1)
    internet.zone(
        "example.org",
        "www A 192.0.2.80",
        delegation=Delegation(["ns1.example.org", "gone.example.org"], {"gone.example.org": ["192.0.2.200"]}, []),
    )
    referral = internet.ask("a.nic.org", "www.example.org")
    assert referral is not None
    assert referral.authority[0].rdatas == (nameFromText("ns1.example.org"), nameFromText("gone.example.org"))
    assert DS not in {rrset.rrType for rrset in referral.authority}
    assert b"\xc0\x00\x02\xc8" in {rrset.rdatas[0] for rrset in referral.additional}
    own = internet.ask("ns1.example.org", "example.org", "NS")
    assert own is not None
    assert own.answer[0].rdatas == (nameFromText("ns1.example.org"), nameFromText("ns2.example.org"))


def test_zonesCanBeEdited() -> None:
    """
    Records can be added, replaced and removed; answers, proofs and signatures follow.
    """
    internet = built()
    zone = internet.zones[nameFromText("example.org")]
    assert validate(internet, "new.example.org", "A").rcode() == NXDOMAIN
    zone.add("new 60 A 192.0.2.7", "new 60 A 192.0.2.8")
    assert len(validate(internet, "new.example.org", "A").answer[0]) == 2
    zone.replace("new 60 A 192.0.2.9")
    assert len(validate(internet, "new.example.org", "A").answer[0]) == 1
    zone.remove("new")
    assert validate(internet, "new.example.org", "A").rcode() == NXDOMAIN


def test_wholeZoneIsTransferred() -> None:
    """
    A zone can be transferred over TCP, not over UDP, and the transferred records validate.
    """
    internet = Internet(seed=1)
    internet.zone("example.org", "www A 192.0.2.80")
    reply = internet.ask("a.root-servers.net", ".", "AXFR", transport="tcp")
    assert reply is not None
    assert {nameToText(rrset.name) for rrset in reply.answer} >= {".", "org."}
    refused = internet.ask("a.root-servers.net", ".", "AXFR")
    assert refused is not None
    assert refused.flags & 15 == Rcode.REFUSED
    trustedKeys(internet, internet.zones[b"\x00"])


def test_copyOfTheRootHasARightDigest() -> None:
    """
    The ZONEMD record of a transferred root is right at any time, and the serial number grows with each renewal of the signatures.
    """
    internet = Internet(seed=1, signed=KeyPlan(zskLifetime=90 * DAY))
    internet.zone("org", signed=KeyPlan(kskLifetime=45 * DAY))
    serials = []
    for _ in range(30):
        reply = internet.ask("a.root-servers.net", ".", "AXFR", transport="tcp")
        assert reply is not None
        copy = Zone.fromRecords(".", reply.answer).current
        assert verify(copy).verdict is Verdict.VERIFIED, verify(copy).text
        serials.append(copy.serial)
        validate(internet, ".", "ZONEMD")
        validate(internet, ".", "SOA")
        internet.advance(5 * DAY)
    assert sorted(serials) == serials
    assert len(set(serials)) > 20


def test_serversHaveCookies() -> None:
    """
    A server may support cookies, and name an agent for error reports; faults of cookies show without that.
    """
    internet = built()
    server = internet.servers[nameFromText("ns1.example.org")]

    def cookie(sent: bytes) -> tuple[int, bytes | None]:
        opt = EDNS(1232, DO, ((10, sent),))
        query = Message(1, 0, (Question(nameFromText("www.example.org"), 1),), edns=opt)
        reply = Message.fromWire(server.replyTo(query, "udp"))
        assert reply.edns is not None
        return reply.flags & 15 | reply.edns.extendedRcode << 4, reply.edns.option(10)

    assert cookie(b"01234567") == (0, None)
    server.cookies = True
    rcode, whole = cookie(b"01234567")
    assert rcode == 0 and whole is not None and whole.startswith(b"01234567") and len(whole) == 24
    internet.inject(Fault.BADCOOKIE, "ns1.example.org")
    assert cookie(b"01234567") == (Rcode.BADCOOKIE, whole)
    assert cookie(whole) == (0, whole)
    internet.clear()
    internet.inject(Fault.WRONG_COOKIE, "ns1.example.org")
    assert cookie(b"01234567") == (0, b"11234567" + whole[8:])
    server.agent = nameFromText("agent.example")
    reply = internet.ask(server, "www.example.org")
    assert reply is not None and reply.edns is not None
    assert reply.edns.option(18) == nameFromText("agent.example")


def test_nameOfAServerMayBeAnAlias() -> None:
    """
    A server whose name is an alias gets no addresses under that name.
    """
    internet = Internet(seed=1)
    internet.zone("example.org", "ns1 CNAME www\nwww A 192.0.2.80", servers=["ns1.example.org"])
    reply = internet.ask("ns1.example.org", "ns1.example.org")
    assert reply is not None
    assert [rrset.rrType for rrset in reply.answer if rrset.rrType != RRSIG] == [5, 1]
