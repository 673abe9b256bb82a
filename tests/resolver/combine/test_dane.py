"""
Tests of servers that are authenticated by DANE, in a simulated internet with DNSSEC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from cryptography import x509

from tests.transport.tls.chains import ADDRESS, Issuer, Rig, Shown, issuer, keyFor, names, signed
from tests.transport.tls.test_dane import record
from twisted_ext.answers import QueryContext, Security
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.internet.faults import Fault
from twisted_ext.testing.internet.world import Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.tls import dane
from twisted_ext.wire.names import nameToText

#: The server's name.
_NAME: Final = "dns.server.example"

_SERVERS: Final = {
    "tls": f"tls:{ADDRESS}#{_NAME}",
    "https": f"https://{_NAME}:address={ADDRESS}",
    "quic": f"quic:{ADDRESS}#{_NAME}",
}


class DaneRig(Rig):
    """
    A server whose TLSA records are in a signed internet.
    """

    def __init__(self, folder: Path) -> None:
        self.internet = Internet(seed=7, start=time.time())
        self.internet.network.recording = True
        super().__init__(folder, self.internet.network)
        self.own = signed("server", None, names("unrelated.example"), begins=-9, ends=-2)

    def publish(self, *rdatas: bytes, signs: bool = True, ttl: int = 300) -> None:
        """
        Make the server's zone, with these records for each transport.
        """
        lines = [f"dns 300 A {ADDRESS}"]
        for rdata in rdatas:
            text = f"{rdata[0]} {rdata[1]} {rdata[2]} {rdata[3:].hex()}"
            lines += [f"{place}.dns {ttl} TLSA {text}" for place in ("_853._tcp", "_443._tcp", "_853._udp")]
        self.internet.zone("server.example", "\n".join(lines), signed=signs)
        self.hints = self.write("hints", self.internet.hints.encode())
        self.anchor = self.write("anchor", self.internet.anchors.encode())

    @property
    def records(self) -> str:
        """
        The argument that names the source for the records.
        """
        return f":dane=(recursive:hints={self.hints}:anchor={self.anchor})"

    def asked(self, rrType: str) -> list[str]:
        """
        Return the names of this type that the internet's servers were asked for.
        """
        asked = [each.query.questions[0] for each in self.internet.exchanges]
        wanted = questionOf("x", rrType).rrType
        return [nameToText(each.name) for each in asked if each.rrType == wanted]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[DaneRig]:
    made = DaneRig(tmp_path)
    yield made
    made.close()


def shown(certificate: x509.Certificate, by: Issuer | None = None) -> Shown:
    return Shown([certificate] if by is None else [certificate, by.certificate])


@pytest.mark.parametrize("transport", _SERVERS)
def test_ownKey(rig: DaneRig, transport: str) -> None:
    """
    A server with the key of its TLSA record is right, although its certificate is self-signed, expired, and for another name.
    """
    rig.publish(record(rig.own, 3))
    rig.serve(transport, shown(rig.own))
    assert rig.look(_SERVERS[transport] + rig.records) == ""
    place = {"tls": "_853._tcp", "https": "_443._tcp", "quic": "_853._udp"}[transport]
    assert f"{place}.{_NAME}." in rig.asked("TLSA")


@pytest.mark.parametrize("transport", _SERVERS)
def test_otherKey(rig: DaneRig, transport: str) -> None:
    """
    A server with another key gets no query, and the error says where the records are.
    """
    rig.publish(record(rig.own, 3))
    rig.serve(transport, Shown([signed("thief", None, names(_NAME), key=keyFor("thief"))], keyFor("thief")))
    place = {"tls": "_853._tcp", "https": "_443._tcp", "quic": "_853._udp"}[transport]
    outcome = rig.look(_SERVERS[transport] + rig.records)
    expected = f"expected a certificate for '{_NAME}' by the TLSA record of {place}.{_NAME}"
    assert f"{expected}, it showed one for '{_NAME}' with the pin" in outcome
    assert "\n" not in outcome
    assert rig.queries == 0


@pytest.mark.parametrize("usage", [0, 1, 2])
def test_authorities(rig: DaneRig, usage: int) -> None:
    """
    With records of the other usages an authority vouches for the certificate: the record's own, or a trusted one.
    """
    root = issuer("dane root")
    own = signed("server", root, names(_NAME))
    rig.publish(record(own if usage == 1 else root.certificate, usage))
    rig.serve("tls", shown(own, root))
    outcome = rig.look(_SERVERS["tls"] + rig.records)
    assert ("comes from 'dane root', which is not trusted" in outcome, outcome == "") == (usage < 2, usage == 2)
    ca = rig.write("ca.pem", root.certificate)
    assert rig.look(f"{_SERVERS['tls']}:ca={ca}{rig.records}") == ""


@pytest.mark.parametrize("transport", _SERVERS)
@pytest.mark.parametrize("what", ["insecure", "bogus", "absent", "unusable", "unreachable"])
def test_noSecureRecord(rig: DaneRig, what: str, transport: str) -> None:
    """
    Without a record that DNSSEC proves, the look-up fails in one line, and the server is not even connected to.
    """
    ca = issuer("test root")
    own = signed("server", ca, names(_NAME))
    rig.publish(*([] if what == "absent" else [record(own, 9 if what == "unusable" else 3)]), signs=what != "insecure")
    if what == "bogus":
        rig.internet.inject(Fault.EXPIRED, "server.example")
    if what == "unreachable":
        for server in rig.internet.servers.values():
            for address in server.addresses:
                rig.network.shape(address, silent=True)
    # The certificate is good by the authority: this must not matter.
    rig.serve(transport, shown(own, ca))
    outcome = rig.look(f"{_SERVERS[transport]}:ca={rig.write('ca.pem', ca.certificate)}{rig.records}", 20.0)
    assert {
        "insecure": "are insecure: DNSSEC has to prove them",
        "bogus": "cannot be looked up: ",
        "absent": f".{_NAME}; add one, or leave out dane",
        "unusable": "can be used: usages 0 to 3 are known, selectors 0 and 1, and matching types 0 to 2",
        "unreachable": "cannot be looked up: ",
    }[what] in outcome
    assert f"{_NAME} cannot be authenticated by DANE: " in outcome
    assert "\n" not in outcome
    ports = {443, 853}
    assert not [port for address, port in [*rig.network.dialed, *rig.network.sent] if address == ADDRESS and port in ports]


def test_withoutDefense(rig: DaneRig, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If records counted without DNSSEC, those of a zone that an attacker can forge would be believed.
    """
    monkeypatch.setattr(dane, "Security", SimpleNamespace(SECURE=Security.INSECURE))
    rig.publish(record(rig.own, 3), signs=False)
    rig.serve("tls", shown(rig.own))
    assert rig.look(_SERVERS["tls"] + rig.records) == ""


def test_addressComesFromTheSameSource(rig: DaneRig) -> None:
    """
    Without C{bootstrap}, the source of the records also looks up the address of a server given by its name.
    """
    rig.publish(record(rig.own, 3))
    rig.serve("tls", shown(rig.own))
    assert rig.look(f"tls://{_NAME}{rig.records}") == ""
    assert f"{_NAME}." in rig.asked("A")


class Kept:
    """
    A source that is used several times.
    """

    def __init__(self, rig: DaneRig, text: str) -> None:
        self.rig = rig
        self.source = sourceFromString(rig.here, text)

    def look(self) -> str:
        context = QueryContext(self.rig.here.seconds() + 10)
        try:
            self.rig.internet.wait(lookUp(self.source, questionOf("www.test.example"), context))
        except DNSFault as fault:
            return str(fault)
        return ""

    def close(self) -> None:
        self.source.close()
        self.rig.network.advance(2)
        assert self.rig.here.pending() == []


def test_recordsAreUsedForTheirTTL(rig: DaneRig) -> None:
    """
    The records are looked up once for all connections, and again when their TTL is over; one without records then is not used any more.
    """
    rig.publish(record(rig.own, 3), ttl=60)
    rig.serve("tls", shown(rig.own))
    kept = Kept(rig, f"{_SERVERS['tls']}:keep=0{rig.records}")
    for _ in range(3):
        assert kept.look() == ""
        rig.network.advance(1)
    wanted = f"_853._tcp.{_NAME}."
    assert (rig.asked("TLSA").count(wanted), rig.network.dialed[ADDRESS, 853]) == (1, 3)
    rig.network.advance(60)
    for server in rig.internet.servers.values():
        for address in server.addresses:
            rig.network.shape(address, silent=True)
    assert "cannot be looked up" in kept.look()
    assert rig.network.dialed[ADDRESS, 853] == 3
    kept.close()


def test_renewedKey(rig: DaneRig) -> None:
    """
    After a certificate that no record matches, the records are looked up again, not more often than every ten seconds.
    """
    rig.publish(record(rig.own, 3), ttl=0)
    thief = Shown([signed("thief", None, names(_NAME), key=keyFor("thief"))], keyFor("thief"))
    rig.serve("tls", thief)
    kept = Kept(rig, f"{_SERVERS['tls']}:keep=0{rig.records}")
    assert "which none matches" in kept.look()
    rig.network.advance(11)
    assert "which none matches" in kept.look()
    assert rig.asked("TLSA").count(f"_853._tcp.{_NAME}.") == 2
    kept.close()


@pytest.mark.parametrize(
    ("description", "text"),
    [
        ("tls:192.0.2.53{}", "dane needs the server's name, at which its TLSA records are: write #dns.example behind its address"),
        ("https://192.0.2.53{}", "dane needs the server's name"),
        ("quic:192.0.2.53{}", "dane needs the server's name"),
        ("tls:192.0.2.53#a.example,192.0.2.54#b.example{}", "dane is for servers with one name and one port"),
        ("tls:192.0.2.53#a.example,192.0.2.54@8853#a.example{}", "dane is for servers with one name and one port"),
        ("tls:192.0.2.53#a.example:dane=(udp:192.0.2.1)", "dane needs a source that validates with DNSSEC: write dane=(recursive) or"),
        ("tls:192.0.2.53#a.example:dane=yes", "there is no prefix 'yes'"),
        ("tls:192.0.2.53#a.example:pins=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA={}", "leave out pins, or dane"),
        ("tls:192.0.2.53#a.example:crl=/nowhere{}", "leave out crl, or dane"),
    ],
)
def test_wrongDescriptions(rig: DaneRig, description: str, text: str) -> None:
    """
    A wrong description is an error of one line that says what would be right.
    """
    rig.publish()
    with pytest.raises(BadDescription) as caught:
        sourceFromString(rig.here, description.format(rig.records))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)
