"""
Tests of L{DaneEndpoint} with TLS from the start, in a simulated internet with DNSSEC.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.endpoints.dane.servers import ADDRESS, HOST, DaneNetwork, Talker, recordText
from tests.endpoints.reaching import Client
from tests.transport.tls.chains import Shown, issuer, keyFor, names, signed
from tests.transport.tls.test_dane import record
from tests.typed import unchecked
from twisted_ext.answers import Security
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.endpoints import dane
from twisted_ext.endpoints.dane import DaneEndpoint
from twisted_ext.errors import CallerFault
from twisted_ext.resolver.strings import recursion
from twisted_ext.testing.internet.faults import Fault


@pytest.fixture
def net() -> Iterator[DaneNetwork]:
    made = DaneNetwork()
    yield made
    made.close()
    assert made.here.pending() == []


def unnamed() -> x509.Certificate:
    """
    Return an expired certificate for another name by no authority.
    """
    return signed("server", None, names("unrelated.example"), begins=-9, ends=-2)


def publish(net: DaneNetwork, *rdatas: bytes, signs: bool = True) -> None:
    """
    Make the server's zone.
    """
    net.zone("server.example", f"mail 300 A {ADDRESS}", *[recordText("_443._tcp.mail", each) for each in rdatas], signs=signs)


#: Without the types of the parameters, for those of the wrong types.
_newEndpoint = unchecked(DaneEndpoint)


def connected(net: DaneNetwork, host: str = HOST, **options: object) -> str:
    """
    Connect and say something.

    @return: what came back, or the error.
    """
    options.setdefault("resolver", net.internet.resolver(net.here))
    talker = net.outcome(_newEndpoint(net.here, host, 443, **options))
    if isinstance(talker, str):
        assert "\n" not in talker
        return talker
    assert talker.transport is not None
    talker.transport.write(b"hello")
    net.network.advance(1)
    net.close(talker)
    return talker.received.decode()


def test_ownKey(net: DaneNetwork) -> None:
    """
    A server with the key of its record is used, although its certificate is self-signed, expired and for another name. It is sent the
    host's name.
    """
    own = unnamed()
    publish(net, record(own, 3))
    net.serve(Shown([own]))
    assert connected(net) == "hello"
    assert net.tls[ADDRESS].names == [HOST]


def test_otherKey(net: DaneNetwork) -> None:
    """
    A server with another key is not used; the error says which records were expected and what came.
    """
    publish(net, record(unnamed(), 3))
    net.serve(Shown([signed("thief", None, names(HOST), key=keyFor("thief"))], keyFor("thief")))
    said = connected(net)
    assert f"expected a certificate for '{HOST}' by the TLSA record of _443._tcp.{HOST}, it showed one for '{HOST}' with the pin" in said


@pytest.mark.parametrize("usage", [0, 1, 2])
def test_authorities(net: DaneNetwork, tmp_path: Path, usage: int) -> None:
    """
    With usages 0 and 1 an authority that the client trusts has to vouch for the certificate as well; with usage 2 that of the record does.
    """
    root = issuer("dane root")
    own = signed("server", root, names(HOST))
    publish(net, record(own if usage == 1 else root.certificate, usage))
    net.serve(Shown([own, root.certificate]))
    assert ("comes from 'dane root', which is not trusted" in connected(net)) == (usage < 2)
    path = tmp_path / "ca.pem"
    path.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    assert connected(net, trustRoots=str(path)) == "hello"


_CANNOT = f"{HOST}:443: {HOST}:443: it cannot be authenticated by DANE"
_ABSENT = f"{_CANNOT}: there is no TLSA record at _443._tcp.{HOST}"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("insecure", _ABSENT),
        ("absent", _ABSENT),
        ("unusable", f"{_CANNOT}: no TLSA record of _443._tcp.{HOST} can be used: usages 0 to 3 are known"),
    ],
)
def test_noSecureRecord(net: DaneNetwork, tmp_path: Path, what: str, expected: str) -> None:
    """
    Without a record that DNSSEC proves and that can be used, no connection is made, except with C{fallback="pkix"}, where an authority has
    to vouch for the server.
    """
    ca = issuer("test root")
    own = signed("server", ca, names(HOST))
    publish(net, *([] if what == "absent" else [record(own, 9 if what == "unusable" else 3)]), signs=what != "insecure")
    net.serve(Shown([own]))
    assert connected(net).startswith(expected)
    assert not net.dialed()
    assert "which is not trusted" in connected(net, fallback="pkix")
    path = tmp_path / "ca.pem"
    path.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    assert connected(net, fallback="pkix", trustRoots=str(path)) == "hello"


@pytest.mark.parametrize("fault", [Fault.EXPIRED, Fault.MISSING_SIGNATURE, Fault.SERVFAIL, Fault.DEAD, Fault.DENIES])
def test_downgrade(net: DaneNetwork, tmp_path: Path, fault: Fault) -> None:
    """
    If the look-up of the records fails, since an attacker drops or changes the replies, no connection is made, whatever C{fallback} is.
    """
    ca = issuer("test root")
    own = signed("server", ca, names(HOST))
    publish(net, record(own, 3))
    net.serve(Shown([own]))
    net.internet.inject(fault, "server.example", rrType="TLSA")
    path = tmp_path / "ca.pem"
    path.write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    assert f"_443._tcp.{HOST}" in connected(net, fallback="pkix", trustRoots=str(path))
    assert not net.dialed()


def test_withoutDefense(net: DaneNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If records counted without DNSSEC, those of a zone that an attacker can forge would be believed.
    """
    own = unnamed()
    publish(net, record(own, 3), signs=False)
    net.serve(Shown([own]))
    assert "cannot be authenticated" in connected(net)
    monkeypatch.setattr(dane, "Security", SimpleNamespace(SECURE=Security.INSECURE, INSECURE=Security.INSECURE))
    assert connected(net) == "hello"


class TestAliases:
    """
    Tests of the name at which the records are (RFC 7671, section 7).
    """

    def certificate(self, *own: str) -> Shown:
        """
        Return what a server shows that an authority of its own vouches for.
        """
        return Shown([signed("server", issuer("dane root"), names(*own)), issuer("dane root").certificate])

    def publish(self, net: DaneNetwork, at: str, hostSigns: bool = True, aliasSigns: bool = True) -> None:
        """
        Make two zones, with the records at the alias or at the host that it leads to.
        """
        line = record(issuer("dane root").certificate, 2)
        first = [recordText("_443._tcp.www", line)] if "alias" in at else []
        second = [recordText("_443._tcp.mail", line)] if "host" in at else []
        net.zone("alias.example", f"www 300 CNAME {HOST}.", *first, signs=aliasSigns)
        net.zone("server.example", f"mail 300 A {ADDRESS}", *second, signs=hostSigns)

    @pytest.mark.parametrize(("at", "base"), [("host", HOST), ("alias", "www.alias.example"), ("host and alias", HOST)])
    def test_secureAlias(self, net: DaneNetwork, at: str, base: str) -> None:
        """
        The records at the end of secure aliases are used before those at the name itself. The name at which they are is sent; the
        certificate may be for the name that was asked for.
        """
        self.publish(net, at)
        net.serve(self.certificate("www.alias.example"))
        assert connected(net, host="www.alias.example") == "hello"
        assert net.tls[ADDRESS].names == [base]

    def test_certificateOfHost(self, net: DaneNetwork) -> None:
        """
        A certificate for the name at which the records are is right, and one for a third name is not.
        """
        self.publish(net, "host")
        net.serve(self.certificate(HOST))
        assert connected(net, host="www.alias.example") == "hello"
        net.serve(self.certificate("other.example"), "192.0.2.26")
        net.zone("third.example", "mail 300 A 192.0.2.26", recordText("_443._tcp.mail", record(issuer("dane root").certificate, 2)))
        assert "it showed one for 'other.example'" in connected(net, host="mail.third.example")

    def test_aliasToInsecureHost(self, net: DaneNetwork) -> None:
        """
        If only the first alias is secure, the records at its own name count, and those at its target do not.
        """
        self.publish(net, "host and alias", hostSigns=False)
        net.serve(self.certificate("www.alias.example"))
        assert connected(net, host="www.alias.example") == "hello"
        assert net.tls[ADDRESS].names == ["www.alias.example"]

    def test_insecureAlias(self, net: DaneNetwork) -> None:
        """
        An alias that is not secure leads to no records: an attacker could have made it.
        """
        self.publish(net, "host and alias", aliasSigns=False)
        net.serve(self.certificate("www.alias.example", HOST))
        assert "there is no TLSA record" in connected(net, host="www.alias.example")


def test_noSuchHost(net: DaneNetwork) -> None:
    """
    A host that does not exist is named.
    """
    publish(net)
    assert "nohost.server.example: there is no such name" in connected(net, host="nohost.server.example")


def test_cancelled(net: DaneNetwork) -> None:
    """
    Connecting can be cancelled during the look-ups and during the handshake, and leaves nothing.
    """
    own = unnamed()
    publish(net, record(own, 3))
    net.serve(Shown([own]))
    endpoint = DaneEndpoint(net.here, HOST, 443, resolver=net.internet.resolver(net.here))
    ends: list[str] = []
    for seconds in (0.0, 0.001):
        connecting = endpoint.connect(Client())
        connecting.addBoth(lambda failure: ends.append(failure.type.__name__))
        net.network.advance(seconds)
        connecting.cancel()
        net.network.advance(30)
    assert ends == ["ConnectingCancelledError"] * 2


@pytest.mark.parametrize("signs", [True, False])
def test_plainResolver(net: DaneNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signs: bool) -> None:
    """
    What a resolver answers that does not validate is validated by the endpoint, with the anchors that are built in: those of the simulated
    root here.
    """
    own = unnamed()
    publish(net, record(own, 3), signs=signs)
    net.serve(Shown([own]))
    anchors = anchorsFromFile(net.internet.anchors, "anchors", int(time.time())).anchors
    monkeypatch.setattr(recursion, "_anchorsIn", lambda path: anchors)
    hints = tmp_path / "hints"
    hints.write_text(net.internet.hints)
    said = connected(net, resolver=f"recursive:hints={hints}:validate=no")
    assert said == "hello" if signs else said.startswith(_ABSENT)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"host": "192.0.2.1"}, "192.0.2.1 is an address: TLSA records are at names"),
        ({"fallback": "no"}, "fallback: 'no' is not known; there are none, pkix, opportunistic"),
        ({"fallback": "opportunistic"}, "fallback: opportunistic is for mail only"),
        ({"starttls": "imap"}, "starttls: 'imap' is not known; there is smtp"),
        ({"hello": "x"}, "hello: 'x' is not a name for EHLO"),
        ({"hello": "x\r\ny", "starttls": "smtp"}, "is not a name for EHLO"),
        ({"port": 0}, "0 is not a valid port"),
        ({"trustRoots": "/nonexistent"}, "/nonexistent"),
    ],
)
def test_badArguments(net: DaneNetwork, arguments: dict[str, object], said: str) -> None:
    """
    Invalid arguments are refused at once, in one line.
    """
    given = {"host": HOST, "port": 443, **arguments}
    with pytest.raises(CallerFault) as raised:
        _newEndpoint(net.here, given.pop("host"), given.pop("port"), **given)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_talkerIsClosed(net: DaneNetwork) -> None:
    """
    The protocol is told when the server closes the connection.
    """
    own = unnamed()
    publish(net, record(own, 3))
    net.serve(Shown([own]))
    talker = net.outcome(DaneEndpoint(net.here, HOST, 443, resolver=net.internet.resolver(net.here)))
    assert isinstance(talker, Talker)
    net.close(talker)
    assert talker.lost is not None
