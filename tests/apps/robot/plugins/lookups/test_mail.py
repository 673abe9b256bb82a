"""
Tests of the plugin C{mail} with an internet in memory.
"""

from __future__ import annotations

import pytest

from tests.apps.robot.onaninternet import CHANNEL, World
from twisted_ext.apps.robot.people import Person
from twisted_ext.apps.robot.plugins.lookups import mail
from twisted_ext.compat.names import NamesResolver
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.recursive import evidence
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.testing.internet import Fault, Internet

__all__: list[str] = []

_DIGEST = "ab" * 32

COMPLETE = f"""
@ MX 10 mail
@ MX 20 backup
mail A 192.0.2.25
backup AAAA 2001:db8::25
@ TXT "v=spf1 mx include:_spf.example.org -all"
_spf TXT "v=spf1 a:mail.example.org ~all"
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.org"
_mta-sts TXT "v=STSv1; id=20261121;"
mta-sts A 192.0.2.80
_25._tcp.mail TLSA 3 1 1 {_DIGEST}
_25._tcp.backup TLSA 3 1 1 {_DIGEST}
"""


def world(records: str, signed: bool = True, name: str = "example.org") -> World:
    """
    Return a robot on an internet with this zone.
    """
    made = Internet(seed=3, families=(4,))
    made.zone(name, records, signed=signed)
    return World(made, "mail")


def linesOf(records: str, signed: bool = True, name: str = "example.org") -> dict[str, str]:
    """
    Return the reply by the titles of its lines.
    """
    robot = world(records, signed)
    said = dict([each.split(": ", 1) for each in robot.ask(f"mx {name}")])
    robot.stop()
    return said


def test_aCompleteSetUpIsFiveLines() -> None:
    """
    Each of the five lines says what there is.
    """
    robot = world(COMPLETE)
    assert robot.ask("mx example.org") == [
        "MX: 10 mail.example.org, 20 backup.example.org",
        "SPF: v=spf1 mx include:_spf.example.org -all; 3 of 10 look-ups, others fail",
        "DMARC: policy reject, reports to mailto:dmarc@example.org",
        "MTA-STS: id 20261121; the policy is at https://mta-sts.example.org/.well-known/mta-sts.txt",
        "DANE: 2 of 2 hosts have TLSA records, secure",
    ]
    robot.stop()


def test_anEmptySetUpIsFiveLines() -> None:
    """
    Each of the five lines says what is missing, and what follows.
    """
    assert linesOf("www A 192.0.2.80") == {
        "MX": "none, and example.org has no address: it gets no mail",
        "SPF": "none: anyone may send as this domain",
        "DMARC": "none: receivers do what they like with forged mail",
        "MTA-STS": "none",
        "DANE": "none: no host has TLSA records",
    }


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ("@ A 192.0.2.80", "none: mail goes to the addresses of example.org"),
        ("@ MX 0 .", "the domain accepts no mail (RFC 7505)"),
        ("@ MX 10 nowhere", "10 nowhere.example.org (no address)"),
        ("@ MX 10 alias\nalias CNAME www\nwww A 192.0.2.1", " (an alias, which is not allowed: RFC 2181, section 10.3)"),
        ("\n".join([f"@ MX {number} mail\nmail A 192.0.2.1" for number in range(10, 30)]), " and 12 more"),
    ],
)
def test_mailHostsAreChecked(records: str, said: str) -> None:
    """
    A host without address, an alias and the null MX are said to be so, and no more than some hosts are listed.
    """
    assert linesOf(records)["MX"].endswith(said)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ('@ TXT "v=spf1 +all"', "v=spf1 +all; 0 of 10 look-ups, anyone may send"),
        ('@ TXT "v=spf1 all"', "v=spf1 all; 0 of 10 look-ups, anyone may send"),
        ('@ TXT "v=spf1 ip4:192.0.2.0/24"', "v=spf1 ip4:192.0.2.0/24; 0 of 10 look-ups, no all at its end"),
        ('@ TXT "v=spf1 redirect=_spf.example.org"\n_spf TXT "v=spf1 mx -all"', "; 2 of 10 look-ups, redirected"),
        ('@ TXT "v=spf1 -all"\n@ TXT "v=spf1 ~all"', "2 records, of which there may be only one (RFC 7208, section 3.2)"),
        ('@ TXT "v=spf10 -all"\n@ TXT "other"', "none: anyone may send as this domain"),
        ('@ TXT "v=spf1 include:%{i}.example.org a/24 -all"', "; 2 of 10 look-ups, others fail"),
        ('@ TXT "v=spf1 include:no.org ~all"', "no.org is included and has no SPF record (RFC 7208, section 5.2)"),
        ('@ TXT "v=spf1 include:a..b -all"', "'a..b': a label is empty; write one dot between labels"),
    ],
)
def test_senderPoliciesAreRead(records: str, said: str) -> None:
    """
    The end of an SPF record, the look-ups that it takes and what makes it invalid are said.
    """
    assert linesOf(records)["SPF"].endswith(said)


def test_senderPoliciesThatIncludeThemselvesEnd(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    No more records are fetched than an SPF record may include. With a larger limit, there are more look-ups.
    """
    robot = world('@ TXT "v=spf1 include:example.org include:example.org -all"')
    asked: list[object] = []
    look = mail.Mail._texts

    async def counted(self: mail.Mail, name: bytes, version: str) -> list[str]:
        asked.append(name)
        return await look(self, name, version)

    monkeypatch.setattr(mail.Mail, "_texts", counted)
    assert "more than 10 look-ups, so it is not valid (RFC 7208, section 4.6.4)" in robot.ask("mx example.org")[1]
    few = len(asked)
    monkeypatch.setattr(mail, "_SPF_LOOKUPS", 100)
    robot.ask("mx example.org")
    assert few < 16 and len(asked) - few > 50
    robot.stop()


@pytest.mark.parametrize(
    ("records", "name", "said"),
    [
        ('_dmarc TXT "v=DMARC1; p=none"', "example.org", "policy none, no reports"),
        ('b TXT 1\n_dmarc TXT "v=DMARC1; p=reject; sp=quarantine"', "b.example.org", "policy quarantine (from example.org), no reports"),
        ('a.b TXT 1\n_dmarc TXT "v=DMARC1; p=reject"', "a.b.example.org", "policy reject (from example.org), no reports"),
        ('_dmarc TXT "v=DMARC1"', "example.org", "policy missing, no reports"),
        ('_dmarc TXT "v=DMARC1; p=none"\n_dmarc TXT "v=DMARC1; p=reject"', "example.org", "2 records at _dmarc.example.org"),
    ],
)
def test_dmarcPoliciesAreFound(records: str, name: str, said: str) -> None:
    """
    The policy is that of the domain or of the next one above it, with its own for names below it.
    """
    assert linesOf(records, name=name)["DMARC"].startswith(said)


def test_mtaSTSNeedsItsHost() -> None:
    """
    A record without the host that publishes the policy is said to be of no use.
    """
    said = linesOf('_mta-sts TXT "v=STSv1; id=1"')["MTA-STS"]
    assert said == "id 1; but mta-sts.example.org, which should have the policy, has no address"


def test_insecureTLSARecordsDoNotCount() -> None:
    """
    TLSA records in a zone that is not signed are said not to count, and how many hosts have some.
    """
    records = f"@ MX 10 mail\n@ MX 20 backup\nmail A 192.0.2.1\nbackup A 192.0.2.2\n_25._tcp.mail TLSA 3 1 1 {_DIGEST}"
    assert linesOf(records)["DANE"] == "1 of 2 hosts have TLSA records, secure"
    assert linesOf(records, signed=False)["DANE"] == (
        "1 of 2 hosts have TLSA records, 1 of them not secure, so they do not count (RFC 7672)"
    )


def test_securityDoesNotDependOnTheResolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With a resolver that does not validate, it is proved that TLSA records are secure.
    """
    robot = world(COMPLETE)
    made = robot.internet
    source = RecursiveSource(robot.reactor, rootFromText(made.hints, "hints"))
    robot.robot.resolver = NamesResolver(source, robot.reactor)
    assert robot.ask("mx example.org")[4] == "DANE: 2 of 2 hosts have TLSA records, 2 of them not secure, so they do not count (RFC 7672)"
    # The anchors and the clock of this internet.
    monkeypatch.setattr(evidence, "ROOT_ANCHORS", anchorsFromFile(made.anchors, "anchors", int(made.time())).anchors)
    monkeypatch.setattr(evidence, "time", made.time)
    assert robot.ask("mx example.org")[4] == "DANE: 2 of 2 hosts have TLSA records, secure"
    robot.stop()
    made.wait(robot.robot.resolver.close())


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nosuch", "nosuch does not exist (NXDOMAIN)"),
        ("nosuch.example.org", "nosuch.example.org does not exist (NXDOMAIN)"),
        ("alias.example.org", "alias.example.org (alias of nosuch.example.org) does not exist (NXDOMAIN)"),
    ],
)
def test_aDomainThatDoesNotExistIsOneLine(name: str, said: str) -> None:
    """
    Nothing is said of the mail of a domain that does not exist, but that.
    """
    robot = world("alias CNAME nosuch")
    assert robot.ask(f"mx {name}") == [said]
    robot.stop()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault.SERVFAIL, "answered SERVFAIL"),
        (Fault.REFUSES, "answered REFUSED"),
        (Fault.DEAD, " seconds"),
        (Fault.EXPIRED, "is bogus: signature of "),
    ],
)
def test_aDomainThatCannotBeLookedUpIsOneLine(fault: Fault, said: str) -> None:
    """
    Nothing is said of the mail of a domain of which nothing is known, but why.
    """
    robot = world(COMPLETE)
    robot.internet.inject(fault, "example.org")
    [line] = robot.ask("mx example.org")
    assert line.startswith("example.org. IN MX") and said in line
    robot.stop()


def test_tlsaRecordsThatCannotBeLookedUpAreNotMissing() -> None:
    """
    Where it is not known whether a host has TLSA records, the reason is said.
    """
    robot = world(COMPLETE)
    robot.internet.inject(Fault.EXPIRED, "example.org", name="_25._tcp.mail.example.org")
    assert robot.ask("mx example.org")[4].startswith("DANE: _25._tcp.mail.example.org. IN TLSA is bogus: ")
    robot.stop()


def test_aPartThatFailsHidesNoOther() -> None:
    """
    Where a look-up fails, its line says so, and the others are as they would be.
    """
    robot = world(COMPLETE)
    robot.internet.inject(Fault.EXPIRED, "example.org", name="_dmarc.example.org")
    said = robot.ask("mx example.org")
    assert said[2].startswith("DMARC: _dmarc.example.org. IN TXT is bogus") and said[4] == "DANE: 2 of 2 hosts have TLSA records, secure"
    robot.stop()


def test_hostsThatCannotBeLookedUpAreNoHostsWithoutAddress() -> None:
    """
    A host whose addresses are bogus has the reason beside it.
    """
    robot = world(COMPLETE)
    robot.internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
    said = robot.ask("mx example.org")[0]
    assert said.startswith("MX: 10 mail.example.org (mail.example.org. IN A is bogus: ") and said.endswith(", 20 backup.example.org")
    robot.stop()


def test_everyoneMayAsk() -> None:
    """
    All look-ups go to the robot's resolver, so the command is open to everyone.
    """
    robot = world(COMPLETE)
    assert len(robot.ask("mx example.org", Person("net", "eve"), CHANNEL)) == 5
    robot.stop()


def test_longRecordsAreCut() -> None:
    """
    A record of thousands of octets does not make a line of thousands.
    """
    long = " ".join([f'"{"ip4:192.0.2.1 " * 18}"'] * 30)
    said = linesOf(f'@ TXT "v=spf1 " {long} "-all"\n_dmarc TXT "v=DMARC1; p={"x" * 200}" "{"y" * 250}" "; rua={"z" * 200}" "{"z" * 200}"')
    assert all(len(each) < 900 for each in said.values())
