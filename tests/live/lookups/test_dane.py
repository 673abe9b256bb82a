"""
Endpoints that authenticate servers by TLSA records, on real sockets: Twisted's mail clients and mail server, and OpenSSL's own decisions.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Final, cast

import pytest
import pytest_twisted
from cryptography import x509
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorTCP
from twisted.internet.protocol import ClientFactory, ServerFactory
from twisted.mail import smtp
from zope.interface import implementer

from tests.endpoints.dane.servers import recordText
from tests.peers import freePort, peer
from tests.transport.tls.chains import NAME, Shown, issuer, keyFor, names, signed
from tests.transport.tls.test_dane import problem, record
from tests.transport.tlsservers import ServerTLS
from twisted_ext.compat.install import globalReactor
from twisted_ext.endpoints import DaneEndpoint, MailEndpoint, TargetsFailed
from twisted_ext.testing.internet import Internet

_ADDRESS: Final = "127.0.0.1"

_NAME: Final = "mail.dane.example"


def leaf(*own: str, by: str = "dane middle", begins: int = -1, ends: int = 30) -> x509.Certificate:
    return signed("server", issuer(by, issuer("dane root")), names(*own), begins=begins, ends=ends)


@implementer(smtp.IMessage)
class Letter:
    """
    A mail that arrives.
    """

    def __init__(self, mails: list[bytes]) -> None:
        self._mails = mails
        self._lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self._lines.append(line)

    def eomReceived(self) -> Deferred[None]:
        self._mails.append(b"\n".join(self._lines))
        return succeed(None)

    def connectionLost(self) -> None:
        pass


class Office(smtp.ESMTP):
    """
    Twisted's mail server, which takes every mail, with whether it was encrypted.
    """

    mails: list[bytes]

    def validateFrom(self, helo: object, origin: object) -> object:
        return origin

    def validateTo(self, user: object) -> Callable[[], Letter]:
        self.mails.append(b"encrypted" if self.startedTLS else b"clear")
        return lambda: Letter(self.mails)

    def receivedHeader(self, helo: object, origin: object, recipients: object) -> bytes:
        return b"Received: here"


class _Offices(ServerFactory):
    noisy = False

    def __init__(self, tls: ServerTLS, mails: list[bytes]) -> None:
        self._tls = tls
        self._mails = mails

    def buildProtocol(self, addr: object) -> Office:
        made = _newOffice(contextFactory=self._tls)
        made.mails = self._mails
        return made


_newOffice: Final[Callable[..., Office]] = Office
_newSender: Final[Callable[..., ClientFactory]] = smtp.SMTPSenderFactory
_newExtendedSender: Final[Callable[..., ClientFactory]] = smtp.ESMTPSenderFactory


@asynccontextmanager
async def mailServer(folder: Path, *, right: bool = True, signs: bool = True) -> AsyncIterator[tuple[int, str, list[bytes]]]:
    """
    Run Twisted's mail server, and an internet with its TLSA record.

    @return: the port, the description of a resolver, and what the server gets.
    """
    reactor = globalReactor()
    own = leaf(_NAME)
    tls = ServerTLS(Shown([own, issuer("dane middle").certificate]).pem(), protocols=())
    mails: list[bytes] = []

    port = freePort(_ADDRESS)
    listening = cast(IReactorTCP, reactor).listenTCP(port, _Offices(tls, mails), interface=_ADDRESS)
    internet = Internet(seed=53, start=time.time(), families=(4,), prefix="127.54.0.0/16")
    expected = own if right else signed("thief", None, names(_NAME), key=keyFor("thief"))
    lines = ["@ 300 MX 10 mail", f"mail 300 A {_ADDRESS}", recordText(f"_{port}._tcp.mail", record(expected, 3))]
    internet.zone("dane.example", "\n".join(lines), signed=signs)
    dnsPort = freePort("127.54.0.1")
    internet.listen(reactor, dnsPort)
    (folder / "hints").write_text(internet.hints)
    (folder / "anchor").write_text(internet.anchors)
    try:
        yield port, f"recursive:hints={folder}/hints:anchor={folder}/anchor:port={dnsPort}:loopback=yes", mails
    finally:
        await internet.close()
        await maybeDeferred(listening.stopListening)


async def sent(endpoint: DaneEndpoint | MailEndpoint, extended: bool) -> object:
    """
    Send a mail with Twisted's client for SMTP or ESMTP.
    """
    done: Deferred[object] = Deferred()
    arguments = ("a@client.example", "b@dane.example", BytesIO(b"Subject: hello\n\nhello\n"), done)
    factory = _newExtendedSender(None, None, *arguments, requireAuthentication=False) if extended else _newSender(*arguments)
    factory.noisy = False
    await endpoint.connect(factory)
    return await done


@pytest.mark.parametrize("extended", [True, False])
@pytest_twisted.ensureDeferred
async def test_mailIsSent(tmp_path: Path, extended: bool) -> None:
    """
    Twisted's clients send mail through the endpoint inside TLS: that for ESMTP, which requires it, and that for SMTP, which does not know
    it; to a host and to a domain.
    """
    async with mailServer(tmp_path) as (port, resolver, mails):
        here = globalReactor()
        for endpoint in (
            DaneEndpoint(here, _NAME, port, starttls="smtp", resolver=resolver),
            MailEndpoint(here, "dane.example", port, resolver=resolver),
        ):
            assert await sent(endpoint, extended) == (1, [(b"b@dane.example", 250, b"Recipient address accepted")])
        assert [mails[0], mails[2]] == [b"encrypted"] * 2
        assert all(b"hello" in mail for mail in mails[1::2])


@pytest_twisted.ensureDeferred
async def test_mailIsNotSent(tmp_path: Path) -> None:
    """
    A server with another key gets no mail.
    """
    async with mailServer(tmp_path, right=False) as (port, resolver, mails):
        with pytest.raises(TargetsFailed, match="by the TLSA record of"):
            await sent(MailEndpoint(globalReactor(), "dane.example", port, resolver=resolver), True)
        assert mails == []


# -- OpenSSL as an oracle


def chains() -> Iterator[tuple[str, list[x509.Certificate]]]:
    """
    Return what servers show.
    """
    middle, root = issuer("dane middle", issuer("dane root")).certificate, issuer("dane root").certificate
    yield "whole chain", [leaf(NAME), middle, root]
    yield "without root", [leaf(NAME), middle]
    yield "alone", [leaf(NAME)]
    yield "other name", [leaf("other.example"), middle, root]
    yield "expired", [leaf(NAME, begins=-9, ends=-2), middle, root]
    yield "self-signed", [signed("server", None, names(NAME))]


def recordsFor(chain: list[x509.Certificate]) -> Iterator[bytes]:
    """
    Return records of usages 2 and 3 for each certificate that could vouch for a server.
    """
    middle, root = issuer("dane middle", issuer("dane root")).certificate, issuer("dane root").certificate
    for certificate in (chain[0], middle, root, issuer("stranger").certificate):
        for usage in (2, 3):
            for selector in (0, 1):
                for matching in (0, 1, 2):
                    yield record(certificate, usage, selector, matching)


@pytest.mark.parametrize(("every", "expected"), [(5, (58, 11)), pytest.param(1, (288, 53), marks=pytest.mark.long)])
def test_sameAsOpenSSL(every: int, expected: tuple[int, int], tmp_path: Path) -> None:
    """
    OpenSSL accepts and rejects the same chains by the same records, of all selectors and matching types.

    @param every: one record of so many.
    """
    program = peer("openssl")
    wrong: list[str] = []
    compared = accepted = 0
    numbers = count()
    for what, chain in chains():
        pem = tmp_path / "chain.pem"
        pem.write_bytes(Shown(chain).pem())
        port = freePort(_ADDRESS)
        serving = subprocess.Popen(
            [program, "s_server", "-accept", f"{_ADDRESS}:{port}", "-cert", pem, "-cert_chain", pem, "-key", pem, "-quiet", "-www"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            for rdata in [rdata for rdata in recordsFor(chain) if next(numbers) % every == 0]:
                theirs = acceptedBy(program, port, rdata)
                ours = problem([rdata], *chain)
                compared += 1
                accepted += theirs
                if theirs != (ours == ""):
                    wrong.append(f"{what}, {rdata[0]} {rdata[1]} {rdata[2]}: OpenSSL {theirs}, ours: {ours or 'accepted'}")
        finally:
            serving.kill()
            serving.wait()
    assert wrong == [], "\n".join(wrong)
    # A chain is accepted by few of the records.
    assert (compared, accepted) == expected


def acceptedBy(program: Path, port: int, rdata: bytes) -> bool:
    """
    Return whether OpenSSL's client accepts a server by a record.
    """
    text = f"{rdata[0]} {rdata[1]} {rdata[2]} {rdata[3:].hex()}"
    command = [str(program), "s_client", "-connect", f"{_ADDRESS}:{port}", "-verify_return_error", "-brief"]
    # With usage 3 names do not count (RFC 7671, section 5.1).
    command += ["-dane_tlsa_domain", NAME, "-dane_tlsa_rrdata", text, "-dane_ee_no_namechecks"]
    for _ in range(50):
        done = subprocess.run(command, input=b"", capture_output=True, timeout=30)
        if b"errno=111" not in done.stderr and b"Connection refused" not in done.stderr:
            return done.returncode == 0
        time.sleep(0.1)
    raise AssertionError(done.stderr)
