"""
Hosts of a signed internet, with TLS and SMTP servers, for the endpoints that authenticate them by TLSA records.
"""

from __future__ import annotations

import time
from typing import cast

from twisted.internet.interfaces import IAddress, IProtocol, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from tests.endpoints.reaching import RecordingProtocol
from tests.transport.tls.chains import Shown
from tests.transport.tlsservers import ServerTLS
from twisted_ext.testing.internet.world import Internet

__all__ = ["ADDRESS", "HOST", "DaneNetwork", "Mailbox", "Talker", "recordText"]

HOST = "mail.server.example"

ADDRESS = "192.0.2.25"


def recordText(owner: str, rdata: bytes, ttl: int = 300) -> str:
    """
    Return a TLSA record as a line of a master file.
    """
    return f"{owner} {ttl} TLSA {rdata[0]} {rdata[1]} {rdata[2]} {rdata[3:].hex()}"


class Echo(Protocol):
    """
    Sends back what it receives.
    """

    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


class _Built(Factory[Protocol]):
    """
    Builds the protocol that it is given.
    """

    noisy = False

    def __init__(self, only: Protocol) -> None:
        self._only = only

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return self._only


class Mailbox(Factory["SMTPServer"]):
    """
    An SMTP server.

    @ivar commands: what clients have sent, each line with whether it was encrypted.
    @ivar mails: the messages that were accepted.
    """

    noisy = False

    def __init__(self, reactor: IReactorTime, tls: ServerTLS | None) -> None:
        """
        @param tls: L{None} if it does not offer STARTTLS.
        """
        self.reactor = reactor
        self.tls = tls
        self.greeting = b"220-mail\r\n220 ready\r\n"
        self.refusal = b""
        self.injected = b""
        self.hangsUp = False
        self.brokenTLS = False
        self.commands: list[tuple[str, bool]] = []
        self.mails: list[bytes] = []

    def buildProtocol(self, addr: IAddress | None) -> SMTPServer:
        return SMTPServer(self)


class SMTPServer(Protocol):
    """
    One connection; what it has after STARTTLS is another one, inside TLS.
    """

    def __init__(self, box: Mailbox, encrypted: bool = False) -> None:
        self._box = box
        self._encrypted = encrypted
        self._tls: IProtocol | None = None
        self._buffer = b""
        self._mail: list[bytes] | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self._box.hangsUp:
            self.transport.loseConnection()
        elif not self._encrypted:
            self._say(self._box.greeting)

    def dataReceived(self, data: bytes) -> None:
        if self._tls is not None:
            self._tls.dataReceived(data)
            return
        self._buffer += data
        while b"\r\n" in self._buffer:
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            self._line(line)

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._tls is not None:
            self._tls.connectionLost(cast(Failure, reason))

    def _line(self, line: bytes) -> None:
        box = self._box
        if self._mail is not None:
            if line != b".":
                self._mail.append(line)
                return
            box.mails.append(b"\n".join(self._mail))
            self._mail = None
            self._say(b"250 accepted\r\n")
            return
        box.commands.append((line.decode(), self._encrypted))
        verb = line.upper().partition(b" ")[0]
        if verb == b"EHLO":
            offer = b"250-STARTTLS\r\n" if box.tls is not None and not self._encrypted else b""
            self._say(b"250-mail\r\n" + offer + b"250 8BITMIME\r\n")
        elif verb == b"STARTTLS" and box.refusal:
            self._say(box.refusal)
        elif verb == b"STARTTLS" and box.brokenTLS:
            self._say(b"220 go ahead\r\n")
            assert self.transport is not None
            self.transport.loseConnection()
        elif verb == b"STARTTLS":
            self._say(b"220 go ahead\r\n" + box.injected)
            self._encrypt()
        elif verb == b"DATA":
            self._mail = []
            self._say(b"354 go on\r\n")
        elif verb == b"QUIT":
            self._say(b"221 bye\r\n")
            assert self.transport is not None
            self.transport.loseConnection()
        else:
            self._say(b"250 fine\r\n")

    def _encrypt(self) -> None:
        factory = TLSMemoryBIOFactory(self._box.tls, False, _Built(SMTPServer(self._box, True)), self._box.reactor)
        self._tls = factory.buildProtocol(None)
        assert self._tls is not None and self.transport is not None
        self._tls.makeConnection(self.transport)

    def _say(self, octets: bytes) -> None:
        assert self.transport is not None
        self.transport.write(octets)


class Talker(RecordingProtocol):
    """
    Records what a server sends.
    """

    def __init__(self) -> None:
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        self.received += data


class DaneNetwork:
    """
    A signed internet with a client and hosts.

    @ivar internet: the internet.
    @ivar here: the client's reactor.
    """

    def __init__(self) -> None:
        self.internet = Internet(seed=7, start=time.time())
        self.network = self.internet.network
        self.network.recording = True
        self.here = self.internet.reactor()
        self.tls: dict[str, ServerTLS] = {}

    def zone(self, name: str, *lines: str, signs: bool = True) -> None:
        """
        Add a zone.
        """
        self.internet.zone(name, "\n".join(lines), signed=signs)

    def creator(self, shown: Shown, address: str = ADDRESS) -> ServerTLS:
        """
        Return the TLS of a server, which remembers the names that clients sent.
        """
        self.tls[address] = ServerTLS(shown.pem(), protocols=())
        return self.tls[address]

    def serve(self, shown: Shown, address: str = ADDRESS, port: int = 443) -> None:
        """
        Serve TLS.
        """
        there = self.network.reactor(address)
        factory = ServerFactory()
        factory.noisy = False
        factory.protocol = Echo
        there.listenTCP(port, cast(ServerFactory, TLSMemoryBIOFactory(self.creator(shown, address), False, factory, there)))

    def mailbox(self, shown: Shown | None, address: str = ADDRESS) -> Mailbox:
        """
        Serve SMTP.

        @param shown: L{None} for a server without STARTTLS.
        """
        there = self.network.reactor(address)
        box = Mailbox(there, None if shown is None else self.creator(shown, address))
        there.listenTCP(25, cast(ServerFactory, box))
        return box

    def outcome(self, endpoint: IStreamClientEndpoint, seconds: float = 30.0) -> Talker | str:
        """
        Connect.

        @return: the protocol that was connected, or the error.
        """
        made = Talker()
        found: list[Talker | str] = []
        connecting = endpoint.connect(_Built(made))
        connecting.addCallbacks(lambda protocol: found.append(made), lambda failure: found.append(failure.getErrorMessage()))
        self.network.advance(seconds)
        (only,) = found
        return only

    def dialed(self, address: str = ADDRESS) -> bool:
        """
        Return whether the client has connected to this address.
        """
        return any(each == address for each, _ in self.network.dialed)

    def close(self, *talkers: Talker | str) -> None:
        """
        Close these connections, and check that nothing is left.
        """
        for each in talkers:
            if isinstance(each, Talker):
                assert each.transport is not None
                each.transport.loseConnection()
        self.network.advance(5)
