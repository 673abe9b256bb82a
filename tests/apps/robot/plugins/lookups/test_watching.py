"""
Tests of the plugin C{watching} with an internet in memory.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from OpenSSL.crypto import X509, PKey
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory

from tests.apps.robot.onaninternet import CHANNEL, OWNER, World
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugins.lookups import authorities, watching
from twisted_ext.limits import Limit
from twisted_ext.testing.internet import Delegation, Fault, Internet
from twisted_ext.testing.internet.zones import InternetZone
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import SOA

__all__: list[str] = []


def internet() -> Internet:
    """
    Return an internet with a signed zone and one whose serial number the test sets.
    """
    made = Internet(seed=3, families=(4,))
    made.zone("example.org", "www 300 A 192.0.2.80")
    made.zone("plain.org", "@ 300 SOA ns1 host 5 1 1 1 300\nwww 300 A 192.0.2.82", signed=False)
    return made


def zone(made: Internet, name: str) -> InternetZone:
    return made.zones[nameFromText(name)]


def poll(robot: World) -> list[str]:
    """
    Let the time pass in which zones are looked at once and TTLs expire, and return what is announced.
    """
    return robot.poll(300)


def later(robot: World, days: float) -> list[str]:
    """
    Let days pass while the robot is stopped, and return what it announces after that.
    """
    robot.stop()
    robot.internet.advance(days * 86400)
    robot.start()
    return poll(robot)


def test_changedRecordsAreAnnounced() -> None:
    """
    The new and the old records of a watched name are said where it is watched, once.
    """
    made = internet()
    robot = World(made, "watching")
    assert robot.ask("watch www.example.org") == ["watching www.example.org A: 192.0.2.80"]
    assert poll(robot) == []
    zone(made, "example.org").replace("www 300 A 192.0.2.81")
    zone(made, "example.org").add("www 300 A 192.0.2.82")
    assert poll(robot) == ["www.example.org A: 192.0.2.81, 192.0.2.82 (was 192.0.2.80)"]
    zone(made, "example.org").remove("www")
    assert poll(robot) + poll(robot) == ["www.example.org A: no such name (was 192.0.2.81, 192.0.2.82)"]
    assert poll(robot) == []
    robot.stop()


def test_longRecordsAreCompared() -> None:
    """
    A change is noticed behind what is shown of a long record.
    """
    made = internet()
    made.zone("key.org", f'@ 60 TXT "{"x" * 250}" "{"y" * 250}"', signed=False)
    robot = World(made, "watching")
    robot.ask("watch key.org txt")
    zone(made, "key.org").replace(f'@ 60 TXT "{"x" * 250}" "{"y" * 249}z"')
    [said] = poll(robot)
    assert said.startswith("key.org TXT: ") and len(said) < 800
    robot.stop()


def test_watchesSurviveARestart() -> None:
    """
    A change that happens while the robot is stopped is announced by the next one.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch www.example.org")
    robot.ask("watch zone plain.org", OWNER, Place("net", "alice", True))
    robot.stop()
    zone(made, "example.org").replace("www 300 A 192.0.2.81")
    zone(made, "plain.org").replace("@ 300 SOA ns1 host 6 1 1 1 300")
    made.advance(4000)
    robot.start()
    made.advance(380)
    assert sorted(robot.take()) == [
        ("#dns", "www.example.org A: 192.0.2.81 (was 192.0.2.80)"),
        ("alice", "plain.org (zone): serial 6 (was 5)"),
    ]
    robot.stop()


def test_unwatchedNamesAreForgotten() -> None:
    """
    A watch that was ended is neither listed nor announced, and not restored.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch www.example.org")
    assert robot.ask("watches") == ["www.example.org A: 192.0.2.80"]
    assert robot.ask("unwatch WWW.Example.ORG. a") == ["not watching www.example.org A any more"]
    assert robot.ask("unwatch www.example.org") == ["www.example.org A is not watched here; watches lists what is"]
    assert robot.ask("watches") == ["nothing is watched here"]
    zone(made, "example.org").replace("www 300 A 192.0.2.81")
    assert poll(robot) == []
    robot.stop()
    robot.start()
    assert robot.ask("watches") == ["nothing is watched here"]
    robot.stop()


def test_failedLookUpsAreAnnouncedOnce() -> None:
    """
    Look-ups that fail three times in a row are announced, and when they succeed again; the state before them is kept.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch www.plain.org")
    made.inject(Fault.SERVFAIL, "plain.org")
    # The resolver caches failures, too, but not for a minute.
    said = [robot.poll(60) for _ in range(10)]
    announced = [lines[0] for lines in said if lines]
    assert len(announced) == 1 and announced[0].startswith("www.plain.org A: cannot be looked up: ")
    # The TTL of 300 seconds came first: the look after six minutes is the first that failed.
    assert said.index(announced) == 5 + 2
    made.clear(Fault.SERVFAIL, "plain.org")
    assert poll(robot) == ["www.plain.org A: can be looked up again"]
    robot.stop()


ELSEWHERE = Place("net", "#elsewhere")


def outage() -> World:
    """
    Return a robot that watches names in two channels. It looks them up every minute, but one that is in its cache for an hour.
    """
    made = internet()
    made.zone("short.org", "\n".join([f"{name} 30 A 192.0.2.9" for name in "abcde"]), signed=False)
    made.zone("long.org", "www 3600 A 192.0.2.9", signed=False)
    robot = World(made, "watching")
    for name in "abcd":
        robot.ask(f"watch {name}.short.org")
    robot.ask("watch www.long.org")
    robot.ask("watch e.short.org", place=ELSEWHERE)
    return robot


def during(robot: World, minutes: int) -> list[tuple[str, str]]:
    """
    Let minutes pass, and return what is said and where.
    """
    robot.take()
    robot.internet.advance(60 * minutes)
    return robot.take()


def breakOff(robot: World) -> None:
    for server in ("short.org", "long.org"):
        robot.internet.inject(Fault.SERVFAIL, server)


def repair(robot: World) -> None:
    for server in ("short.org", "long.org"):
        robot.internet.clear(Fault.SERVFAIL, server)


def test_anOutageIsOneLineInEachChannel() -> None:
    """
    Where most names cannot be looked up, one line says so in each channel, and one that they can be again, also after a restart.
    """
    robot = outage()
    breakOff(robot)
    said = during(robot, 10)
    assert sorted([(target, text.partition(": ")[0]) for target, text in said]) == [
        ("#dns", "a.short.org A, b.short.org A, c.short.org A and 1 more"),
        ("#elsewhere", "e.short.org A"),
    ]
    assert all("cannot be looked up: " in text and "SERVFAIL" in text for _, text in said)
    assert robot.ask("watches")[0] == "a.short.org A: 192.0.2.9 (cannot be looked up now)"
    # What was in the cache fails, too, and adds nothing to what the channel knows.
    assert during(robot, 60) == []
    assert "(cannot be looked up now)" in robot.ask("watches")[4]
    robot.stop()
    robot.start()
    assert during(robot, 10) == []
    repair(robot)
    assert sorted(during(robot, 10)) == [
        ("#dns", "a.short.org A, b.short.org A, c.short.org A and 2 more: can be looked up again"),
        ("#elsewhere", "e.short.org A: can be looked up again"),
    ]
    assert not any("now" in each for each in robot.ask("watches"))
    robot.stop()


def test_withoutGroupsAnOutageIsALineForEachName(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With the defense off, each name has its own lines.
    """
    monkeypatch.setattr(watching, "_byPlace", lambda watches: [[each] for each in watches])
    robot = outage()
    breakOff(robot)
    assert len(during(robot, 10)) == 5
    repair(robot)
    assert len(during(robot, 10)) == 5
    robot.stop()


def test_aShortOutageIsNotAnnounced(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Nothing is said of two minutes in which nothing can be looked up. With a limit of one look, it is.
    """
    robot = outage()

    def interrupted() -> list[tuple[str, str]]:
        breakOff(robot)
        said = during(robot, 2)
        repair(robot)
        return said + during(robot, 10)

    assert interrupted() == []
    monkeypatch.setattr(watching, "WATCH_FAILURES", Limit(1, 1, 100))
    assert len(interrupted()) == 4
    robot.stop()


def test_namesThatFailAloneAreAnnouncedWhereOthersHave() -> None:
    """
    A channel that has heard of one name that fails hears of the next one, as long as most can be looked up.
    """
    robot = outage()
    for name in ("a.short.org", "b.short.org"):
        robot.internet.inject(Fault.SERVFAIL, "short.org", name=name)
        [(target, said)] = during(robot, 5)
        assert target == "#dns" and said.startswith(f"{name} A: cannot be looked up: ")
    robot.stop()


def test_zonesWithoutAnyServerAreOneLine() -> None:
    """
    Where no server of a zone replies, that is one failure, and not one of each server.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch zone plain.org")
    for server in ("ns1.plain.org", "ns2.plain.org"):
        made.inject(Fault.DEAD, server)
    said = [poll(robot) for _ in range(5)]
    assert [len(each) for each in said] == [0, 0, 1, 0, 0]
    assert said[2][0].startswith("plain.org (zone): cannot be looked up: ")
    for server in ("ns1.plain.org", "ns2.plain.org"):
        made.clear(Fault.DEAD, server)
    assert [each for _ in range(3) for each in poll(robot)] == ["plain.org (zone): can be looked up again"]
    robot.stop()


def test_zonesAnnounceSerials() -> None:
    """
    A new serial number is announced, and a server that still has the old one at the next look, until it has the new one.
    """
    made = internet()
    robot = World(made, "watching")
    assert robot.ask("watch zone plain.org") == ["watching plain.org (zone): serial 5, 2 servers, signatures are missing"]
    zone(made, "plain.org").replace("@ 300 SOA ns1 host 6 1 1 1 300")
    variant = made.variant("plain.org", "@ 300 SOA ns1 host 5 1 1 1 300", ["ns2.plain.org"])
    assert poll(robot) == ["plain.org (zone): serial 6 (was 5)"]
    [said] = poll(robot)
    assert said.startswith("plain.org (zone): ns2.plain.org ") and said.endswith(" has an older serial")
    variant.replace("@ 300 SOA ns1 host 6 1 1 1 300")
    [said] = poll(robot)
    assert said.endswith(" has the current serial")
    robot.stop()


def test_serialsThatGoBackAreAnnounced() -> None:
    """
    Where all servers have an older serial number than before, it is the current one, and none of them is behind.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch zone plain.org")
    zone(made, "plain.org").replace("@ 300 SOA ns1 host 3 1 1 1 300")
    assert poll(robot) == ["plain.org (zone): serial 3 (was 5)"]
    assert poll(robot) == []
    robot.stop()


def test_serialsInACircleHaveANewest() -> None:
    """
    Servers with serial numbers each of which is newer than the next one do not end the watch.
    """
    made = internet()
    names = [f"ns{number}.circle.org" for number in range(3)]
    made.zone("circle.org", "", servers=names, signed=False)
    for name, serial in zip(names, (1, 1500000000, 3000000000), strict=True):
        made.variant("circle.org", f"@ 300 SOA ns1 host {serial} 1 1 1 300", [name])
    robot = World(made, "watching")
    [said] = robot.ask("watch zone circle.org")
    assert said.startswith("watching circle.org (zone): serial ")
    assert not any("cannot" in each for each in poll(robot))
    robot.stop()


def test_zonesAnnounceServersThatDoNotReply() -> None:
    """
    A server is announced that has not replied twice in a row, and when it replies again.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch zone plain.org")
    made.inject(Fault.DEAD, "ns1.plain.org")
    assert poll(robot) == []
    [said] = poll(robot)
    assert said.startswith("plain.org (zone): ns1.plain.org ") and said.endswith(" does not reply")
    assert poll(robot) == []
    made.clear(Fault.DEAD, "ns1.plain.org")
    [said] = poll(robot)
    assert said.endswith(" replies again")
    robot.stop()


def test_zonesAnnounceDelegations() -> None:
    """
    Servers and DS records that the zone above changes are announced.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch zone plain.org")
    made.delegate("plain.org", Delegation(servers=["ns1.plain.org"]))
    assert poll(robot) == ["plain.org (zone): ns2.plain.org was removed from the delegation"]
    robot.ask("watch zone example.org")
    made.inject(Fault.DS_OF_OTHER_KEY, "example.org")
    said = [each for each in later(robot, 1.1) if "DS record" in each]
    assert len(said) == 2 and said[0].endswith(" was added") and said[1].endswith(" was removed")
    robot.stop()


def test_zonesAnnounceSignaturesThatExpire() -> None:
    """
    Signatures are announced a week before they expire, when they have, and when they are made anew; also though the zone is bogus then.
    """
    made = internet()
    robot = World(made, "watching")
    assert robot.ask("watch zone example.org")[0].endswith("signatures are valid")
    made.inject(Fault.NOT_RESIGNED, "example.org")
    said = [each for _ in range(15) for each in later(robot, 1) if "signatures" in each]
    assert said == [
        "example.org (zone): signatures expire at 2026-01-15T00:00:00Z",
        "example.org (zone): signatures have expired at 2026-01-15T00:00:00Z",
    ]
    made.clear(Fault.NOT_RESIGNED, "example.org")
    assert any(each.endswith("signatures are valid") for each in later(robot, 1.1))
    robot.stop()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("watch zone www.example.org", "www.example.org is not a zone; it is in the zone example.org"),
        ("watch zone nosuch.example.org", "nosuch.example.org does not exist (NXDOMAIN)"),
        ("expiry nosuch.example.org", "nosuch.example.org does not exist (NXDOMAIN)"),
        ("watch www.example.org any", "ANY is not a type that a name has records of; write one such as A or TXT"),
        ("watch a..b", "'a..b': a label is empty; write one dot between labels"),
    ],
)
def test_whatCannotBeWatchedIsRefused(text: str, said: str) -> None:
    """
    A wrong name or type is one line, and nothing is watched.
    """
    robot = World(internet(), "watching")
    assert robot.ask(text) == [said]
    assert robot.ask("watches") == ["nothing is watched here"]
    robot.stop()


@pytest.mark.parametrize("limit", ["WATCHES", "WATCHES_OF_PERSON", "WATCHES_OF_PLACE"])
def test_watchesAreBounded(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No more are kept than a person, a place and the robot may have. Without the limit, there are more.
    """
    robot = World(internet(), "watching")
    with monkeypatch.context() as patch:
        patch.setattr(watching, limit, Limit(2, 1, 2))
        for name in ("a.plain.org", "b.plain.org"):
            assert robot.ask(f"watch {name}")[0].startswith("watching")
        assert "there are 2 watches" in robot.ask("watch c.plain.org")[0]
        assert robot.ask("watch a.plain.org")[0] == "a.plain.org A is watched here already"
    assert robot.ask("watch c.plain.org")[0].startswith("watching")
    robot.stop()


def test_whatIsStoredOfAWatchIsBounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A zone of very many servers is not watched. Without the limit, it is.
    """
    made = internet()
    made.zone("many.org", "", servers=[f"a-rather-long-name-of-the-server-number-{number}.many.org" for number in range(90)], signed=False)
    robot = World(made, "watching")
    assert robot.ask("watch zone many.org") == ["many.org (zone) has too many servers or DS records to be watched"]
    monkeypatch.setattr(watching, "WATCH_OCTETS", Limit(1 << 20, 1, 1 << 20))
    assert robot.ask("watch zone many.org")[0].startswith("watching many.org (zone): serial ")
    robot.stop()


def test_privateServersAreNotWatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A zone with servers in a private network is not queried there. With the defense off, it is.
    """
    made = internet()
    server = made.server("ns.inside.org", "10.1.2.3")
    made.zone("inside.org", "", servers=["ns.inside.org"], signed=False)
    robot = World(made, "watching")
    assert robot.ask("watch zone inside.org") == ["ns.inside.org: private addresses only, which the robot does not query"]
    assert not any(each.server is server and each.query.questions[0].rrType == SOA for each in made.exchanges)
    monkeypatch.setattr(authorities, "isPrivate", lambda packed: False)
    assert robot.ask("watch zone inside.org")[0].startswith("watching inside.org (zone)")
    assert any(each.server is server and each.query.questions[0].rrType == SOA for each in made.exchanges)
    robot.stop()


def test_onlyTheOwnerWatches() -> None:
    """
    Others may list what is watched, and no more.
    """
    robot = World(internet(), "watching")
    stranger = Person("net", "eve", "eve", "elsewhere.example")
    for text in ("watch www.example.org", "unwatch www.example.org", "expiry example.org"):
        assert "only the owner may call it" in robot.ask(text, stranger, CHANNEL)[0]
    assert robot.ask("watches", stranger, CHANNEL) == ["nothing is watched here"]
    robot.stop()


def test_textsOfOthersAreEscaped() -> None:
    """
    Control characters in records reach no front.
    """
    made = internet()
    made.zone("evil.org", '@ 60 TXT "\\027[31m\\013\\010QUIT"', signed=False)
    robot = World(made, "watching")
    assert all(each.isprintable() for each in robot.ask("watch evil.org txt"))
    robot.stop()


# -- what expires


def test_expiryNamesTheFirstSignature() -> None:
    """
    The signature that expires first is shown with its records, and a zone that is not signed is.
    """
    robot = World(internet(), "watching")
    [said, _] = robot.ask("expiry www.example.org")
    assert said.startswith("signatures expire from 2026-01-15T00:00:00Z, in 14 days (")
    assert robot.ask("expiry www.plain.org")[0] == "plain.org has no signatures"
    robot.stop()


def test_signaturesThatCannotBeLookedUpAreNotMissing() -> None:
    """
    It is not said that a zone has no signatures where they are not known.
    """
    made = internet()
    robot = World(made, "watching")
    robot.ask("watch zone example.org")
    for rrType in ("SOA", "DNSKEY", "A", "AAAA", "TLSA"):
        made.inject(Fault.SERVFAIL, "example.org", rrType=rrType)
    made.advance(90000)
    said = robot.ask("expiry example.org")
    assert len(said) == 5 and all("SERVFAIL" in each for each in said)
    robot.stop()


class TLSHost:
    """
    A host with a certificate that expires in ten days.
    """

    def __init__(self, made: Internet, address: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.fromtimestamp(made.time(), UTC)
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "www.tls.org")])
        builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=10))
        certificate = builder.sign(key, hashes.SHA256())
        octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.digest = sha256(octets).hexdigest()
        options = CertificateOptions(PKey.from_cryptography_key(key), X509.from_cryptography(certificate))
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Protocol
        there = made.network.reactor(address)
        there.listenTCP(443, cast(ServerFactory, TLSMemoryBIOFactory(options, False, factory, there)), interface="0.0.0.0")


def tls(address: str = "198.18.9.9", wrong: bool = False, signed: bool = True) -> World:
    """
    Return a robot on an internet with a TLS host that has a TLSA record.
    """
    made = internet()
    host = TLSHost(made, address)
    digest = "00" * 32 if wrong else host.digest
    made.zone("tls.org", f"www A {address}\n_443._tcp.www TLSA 3 1 1 {digest}", signed=signed)
    return World(made, "watching")


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
@pytest.mark.parametrize(("wrong", "said"), [(False, "a TLSA record matches"), (True, "no TLSA record matches")])
def test_expiryShowsCertificates(wrong: bool, said: str) -> None:
    """
    The certificate of a server with TLSA records is shown with its expiry, and whether a record matches it.
    """
    robot = tls(wrong=wrong)
    last = robot.ask("expiry www.tls.org")[-1]
    assert last == f"198.18.9.9: the certificate expires 2026-01-11T00:00:00Z, in 10 days; {said}"
    robot.stop()


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
def test_insecureTLSARecordsDoNotCount() -> None:
    """
    It is said that TLSA records of a zone that is not signed do not count.
    """
    robot = tls(signed=False)
    assert any("the TLSA records do not count, because they are not secure" in each for each in robot.ask("expiry www.tls.org"))
    robot.stop()


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
def test_expiryConnectsToPublicAddressesOnly(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No connection is made to a private address. With the defense off, one is.
    """
    robot = tls("10.9.9.9")
    assert robot.ask("expiry www.tls.org")[-1] == "www.tls.org: private addresses only, which the robot does not query"
    monkeypatch.setattr(watching.Watching, "mayReach", lambda self, address: True)
    assert robot.ask("expiry www.tls.org")[-1].startswith("10.9.9.9: the certificate expires")
    robot.stop()


def test_serversWithoutTLSAreOneLine() -> None:
    """
    A host that does not accept the connection is said to.
    """
    made = internet()
    made.zone("tls.org", "www A 198.18.9.9\n_443._tcp.www TLSA 3 1 1 " + "00" * 32)
    robot = World(made, "watching")
    assert robot.ask("expiry www.tls.org")[-1].startswith("198.18.9.9: no TLS connection: ")
    robot.stop()
