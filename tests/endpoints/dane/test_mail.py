"""
Tests of L{DaneEndpoint} for mail servers, and of L{MailEndpoint}, in a simulated internet with DNSSEC.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.interfaces import IStreamClientEndpoint

from tests.endpoints.dane.servers import ADDRESS, HOST, DaneNetwork, Mailbox, Talker, recordText
from tests.endpoints.reaching import Client
from tests.transport.tls.chains import Shown, issuer, keyFor, names, signed
from tests.transport.tls.test_dane import record
from tests.typed import unchecked
from twisted_ext.endpoints import starttls
from twisted_ext.endpoints.dane import DaneEndpoint
from twisted_ext.endpoints.mail import MailEndpoint
from twisted_ext.endpoints.starttls import HandshakeFailed, SMTPStart
from twisted_ext.limits import STARTTLS_OCTETS
from twisted_ext.testing.internet.faults import Fault


@pytest.fixture
def net() -> Iterator[DaneNetwork]:
    made = DaneNetwork()
    yield made
    made.close()
    assert made.here.pending() == []


def own() -> Shown:
    """
    Return what a server shows by no authority.
    """
    return Shown([signed("server", None, names("unrelated.example"))])


def other() -> Shown:
    return Shown([signed("thief", None, names(HOST), key=keyFor("thief"))], keyFor("thief"))


def rightRecord() -> bytes:
    return record(own().certificates[0], 3)


_newEndpoint = unchecked(DaneEndpoint)
_newMail = unchecked(MailEndpoint)


def publish(net: DaneNetwork, *rdatas: bytes, signs: bool = True) -> None:
    """
    Make the server's zone.
    """
    net.zone("server.example", f"mail 300 A {ADDRESS}", *[recordText("_25._tcp.mail", each) for each in rdatas], signs=signs)


def talked(net: DaneNetwork, endpoint: IStreamClientEndpoint | None = None, **options: object) -> str:
    """
    Connect, and send EHLO.

    @return: what the server said, or the error.
    """
    if endpoint is None:
        endpoint = _newEndpoint(net.here, HOST, 25, starttls="smtp", resolver=net.internet.resolver(net.here), **options)
    talker = net.outcome(endpoint, 60.0)
    if not isinstance(talker, Talker):
        assert "\n" not in talker
        return talker
    assert talker.transport is not None
    talker.transport.write(b"EHLO client.example\r\n")
    net.network.advance(1)
    net.close(talker)
    return talker.received.decode()


_TALK = "220-mail\r\n220 ready\r\n250-mail\r\n{}250 8BITMIME\r\n"


def commandsOf(box: Mailbox) -> list[str]:
    """
    Return the first words of the commands; those inside TLS in capitals.
    """
    return [word if encrypted else word.lower() for word, encrypted in [(each.split()[0], inside) for each, inside in box.commands]]


def test_encrypted(net: DaneNetwork) -> None:
    """
    A server with the key of its record is used. The client's protocol begins with the greeting, inside TLS.
    """
    publish(net, rightRecord())
    box = net.mailbox(own())
    assert talked(net) == _TALK.format("")
    assert commandsOf(box) == ["ehlo", "starttls", "EHLO"]
    assert box.commands[0][0] == "EHLO [192.0.2.1]"
    assert net.tls[ADDRESS].names == [HOST]
    assert talked(net, hello="client.example") == _TALK.format("")
    assert box.commands[3][0] == "EHLO client.example"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("other key", f"by the TLSA record of _25._tcp.{HOST}, it showed one for '{HOST}' with the pin"),
        ("not offered", "it does not offer STARTTLS, and nothing is sent to it without TLS"),
        ("refused", "it refused STARTTLS: '454 not now', and nothing is sent to it without TLS"),
        ("busy", "it does not serve this client: '554 go away'"),
        ("injecting", "it sent more than one reply to a command before TLS"),
        ("not SMTP", "what it sent is not SMTP: 'SSH-2.0-OpenSSH'"),
        ("hanging up", "it closed the connection before TLS"),
    ],
)
def test_notUsed(net: DaneNetwork, how: str, said: str) -> None:
    """
    With a record, a server that does not encrypt, or shows another key, gets no mail: an attacker on the path can strip STARTTLS.
    """
    publish(net, rightRecord())
    box = net.mailbox(None if how == "not offered" else other() if how == "other key" else own())
    if how == "refused":
        box.refusal = b"454 not now\r\n"
    if how == "busy":
        box.greeting = b"554 go away\r\n"
    if how == "injecting":
        box.injected = b"250 pretended\r\n"
    if how == "not SMTP":
        box.greeting = b"SSH-2.0-OpenSSH\r\n"
    if how == "hanging up":
        box.hangsUp = True
    assert said in talked(net)
    assert not [word for word, _ in box.commands if not word.startswith(("EHLO [", "STARTTLS"))]


def test_injectionWithoutDefense(net: DaneNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    If replies inserted before TLS were kept, a client would take them for encrypted ones.
    """

    def careless(start: SMTPStart, octets: bytes) -> bytes:
        start._buffer += octets
        send = b""
        while start.encrypts is None:
            reply = start._taken()
            if reply is None:
                return send
            send += start._next(*reply)
        start.greeting += start._buffer
        return send

    publish(net, rightRecord())
    net.mailbox(own()).injected = b"250 pretended\r\n"
    assert "more than one reply" in talked(net)
    monkeypatch.setattr(starttls.SMTPStart, "receive", careless)
    assert "250 pretended" in talked(net)


@pytest.mark.parametrize("usage", [0, 1])
def test_publicAuthoritiesDoNotCount(net: DaneNetwork, usage: int) -> None:
    """
    Records of usages 0 and 1 cannot be used among mail servers. They prove that the server has TLS, so that it gets nothing in the clear,
    but is not authenticated (RFC 7672, section 3.1.3).
    """
    publish(net, record(other().certificates[0], usage))
    box = net.mailbox(own())
    assert talked(net) == _TALK.format("")
    assert commandsOf(box) == ["ehlo", "starttls", "EHLO"]
    assert "is for mail servers: usages 2 and 3 are" in talked(net, fallback="none")
    box.tls = None
    assert "it does not offer STARTTLS, and nothing is sent to it without TLS" in talked(net)


def test_besideUsableRecord(net: DaneNetwork) -> None:
    """
    Beside a record that can be used, one of usage 1 that matches does not make the server right.
    """
    publish(net, rightRecord(), record(other().certificates[0], 1))
    net.mailbox(other())
    assert "with the pin" in talked(net)


@pytest.mark.parametrize("signs", [True, False])
def test_opportunistic(net: DaneNetwork, signs: bool) -> None:
    """
    Without secure records, a server is used with TLS where it offers that, whatever it shows, and else in the clear.
    """
    publish(net, *([] if signs else [rightRecord()]), signs=signs)
    box = net.mailbox(other())
    assert talked(net) == _TALK.format("")
    assert commandsOf(box) == ["ehlo", "starttls", "EHLO"]
    box.commands.clear()
    box.refusal = b"454 not now\r\n"
    assert talked(net) == _TALK.format("250-STARTTLS\r\n")
    assert commandsOf(box) == ["ehlo", "starttls", "ehlo"]
    box.commands.clear()
    box.tls = None
    assert talked(net) == _TALK.format("")
    assert commandsOf(box) == ["ehlo", "ehlo"]
    assert "there is no TLSA record at _25._tcp." in talked(net, fallback="none")


def test_brokenTLS(net: DaneNetwork) -> None:
    """
    A server without records whose TLS does not work gets mail in the clear, over a new connection; one with a record gets none.
    """
    publish(net)
    box = net.mailbox(own())
    box.brokenTLS = True
    assert talked(net) == _TALK.format("250-STARTTLS\r\n")
    assert commandsOf(box) == ["ehlo", "starttls", "ehlo"]
    net.zone("strict.example", "mail 300 A 192.0.2.26", recordText("_25._tcp.mail", rightRecord()))
    strict = net.mailbox(own(), "192.0.2.26")
    strict.brokenTLS = True
    endpoint = DaneEndpoint(net.here, "mail.strict.example", 25, starttls="smtp", resolver=net.internet.resolver(net.here))
    assert "it closed the connection during the TLS handshake" in talked(net, endpoint)
    assert commandsOf(strict) == ["ehlo", "starttls"]


@pytest.mark.parametrize("fault", [Fault.EXPIRED, Fault.SERVFAIL, Fault.DEAD, Fault.DENIES])
def test_downgrade(net: DaneNetwork, fault: Fault) -> None:
    """
    If the look-up of the records fails, the server is not used: an attacker who drops replies must not get the mail in the clear.
    """
    publish(net, rightRecord())
    net.mailbox(own())
    net.internet.inject(fault, "server.example", rrType="TLSA")
    assert f"_25._tcp.{HOST}" in talked(net)
    assert not net.dialed()


def test_slowServer(net: DaneNetwork) -> None:
    """
    A server that does not greet ends the attempt at its timeout, and cancelling closes the connection too.
    """
    publish(net, rightRecord())
    box = net.mailbox(own())
    box.greeting = b""
    assert "User timeout" in talked(net, timeout=5)
    endpoint = DaneEndpoint(net.here, HOST, 25, starttls="smtp", resolver=net.internet.resolver(net.here))
    client = Client()
    connecting = endpoint.connect(client)
    ends: list[str] = []
    connecting.addBoth(lambda failure: ends.append(failure.type.__name__))
    net.network.advance(2)
    connecting.cancel()
    net.network.advance(2)
    assert (ends, client.built) == (["ConnectingCancelledError"], [])


class TestDomains:
    """
    Tests of L{MailEndpoint}.
    """

    def endpoint(self, net: DaneNetwork, **options: object) -> MailEndpoint:
        return _newMail(net.here, "client.example", resolver=net.internet.resolver(net.here), **options)

    def authority(self) -> Shown:
        """
        Return what a server shows whose certificate is for the domain alone.
        """
        root = issuer("dane root")
        return Shown([signed("server", root, names("client.example")), root.certificate])

    @pytest.mark.parametrize("signs", [True, False])
    def test_namesOfCertificate(self, net: DaneNetwork, signs: bool) -> None:
        """
        A certificate may be for the domain if its MX records are secure (RFC 7672, section 3.2.2); an attacker could have forged others.
        """
        net.zone("client.example", f"@ 300 MX 10 {HOST}.", signs=signs)
        publish(net, record(issuer("dane root").certificate, 2))
        net.mailbox(self.authority())
        said = talked(net, self.endpoint(net))
        assert (said == _TALK.format("")) == signs
        assert ("it showed one for 'client.example'" in said) != signs

    def test_nextServer(self, net: DaneNetwork) -> None:
        """
        If a server cannot be authenticated, the next one is tried. Without another one, the error lists all.
        """
        net.zone("client.example", f"@ 300 MX 10 {HOST}.\n@ 300 MX 20 mail.second.example.\n@ 300 MX 5 missing.second.example.")
        publish(net, rightRecord())
        first = net.mailbox(other())
        net.zone("second.example", "mail 300 A 192.0.2.26", recordText("_25._tcp.mail", rightRecord()))
        second = net.mailbox(own(), "192.0.2.26")
        assert talked(net, self.endpoint(net)) == _TALK.format("")
        assert (commandsOf(first), commandsOf(second)) == (["ehlo", "starttls"], ["ehlo", "starttls", "EHLO"])
        second.tls = None
        said = talked(net, self.endpoint(net))
        assert said.startswith("mail of client.example: missing.second.example:25: there is no such name, says ")
        assert f"; {HOST}:25 at {ADDRESS}: expected a certificate for '{HOST}'" in said
        assert "it does not offer STARTTLS" in said

    def test_strict(self, net: DaneNetwork) -> None:
        """
        With C{fallback="none"}, MX records that are not secure end it.
        """
        net.zone("client.example", f"@ 300 MX 10 {HOST}.", signs=False)
        publish(net, rightRecord())
        net.mailbox(own())
        assert talked(net, self.endpoint(net)) == _TALK.format("")
        said = talked(net, self.endpoint(net, fallback="none"))
        assert said == "mail of client.example: client.example:25: its MX records are insecure: DNSSEC has to prove them"

    def test_bogusRecords(self, net: DaneNetwork) -> None:
        """
        MX records that are bogus lead nowhere, and neither does a domain that does not exist or takes no mail.
        """
        net.zone("client.example", f"@ 300 MX 10 {HOST}.")
        publish(net, rightRecord())
        net.mailbox(own())
        net.internet.inject(Fault.EXPIRED, "client.example", rrType="MX")
        assert talked(net, self.endpoint(net)).startswith("client.example")
        assert not net.dialed()

    def test_withoutRecords(self, net: DaneNetwork, tmp_path: Path) -> None:
        """
        A domain without MX records gets its mail itself.
        """
        net.zone("client.example", f"@ 300 A {ADDRESS}", recordText("_25._tcp", rightRecord()))
        net.mailbox(own())
        assert talked(net, self.endpoint(net)) == _TALK.format("")
        ca = tmp_path / "ca.pem"
        ca.write_bytes(own().certificates[0].public_bytes(Encoding.PEM))
        assert talked(net, self.endpoint(net, trustRoots=str(ca))) == _TALK.format("")


def test_longReply() -> None:
    """
    A reply without an end is refused at its bound.
    """
    start = SMTPStart(True, "client.example")
    start.receive(b"220-mail\r\n" * 6000)
    with pytest.raises(HandshakeFailed, match=f"a reply of more than {STARTTLS_OCTETS.default:.0f} octets"):
        start.receive(b"220-mail\r\n" * 6000)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pieces(size: int) -> None:
    """
    It does not matter in which pieces replies arrive, whether lines end with CR LF or LF, and in which case extensions are written.
    """
    start = SMTPStart(True, "client.example")
    sent = b""
    for reply in (b"220-a\r\n220 b\r\n", b"250-mail\n250-starttls\n250 SIZE 100\n", b"220\r\n"):
        for at in range(0, len(reply), size):
            sent += start.receive(reply[at : at + size])
    assert (sent, start.encrypts, start.greeting) == (b"EHLO client.example\r\nSTARTTLS\r\n", True, b"220-a\r\n220 b\r\n")
