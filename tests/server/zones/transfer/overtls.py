"""
A primary and a secondary that talk over TLS, on a memory network, with a record of what goes in the clear.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.certificates import authority, made, pem
from tests.server.zones.transfer.replicas import PRIMARY, Host, ReplicaTestCase
from tests.transport.tlsservers import keyOf, leaf
from tests.zone.changing import APEX, ZONE
from twisted_ext.server.listeners.tls.certificates import Certificates, Pair
from twisted_ext.server.zones.transfer.xfrin import Secondary

__all__ = ["NAME", "XoTTestCase", "clientPEM"]

#: The primary's name in its certificate.
NAME = "ns1.example"


def clientPEM(*names: str, owner: str = "client", usage: bool = True, ends: timedelta = timedelta(days=30)) -> bytes:
    """
    Return a client's key and certificate by the test authority, in PEM.

    @param usage: whether it is for clients; otherwise for servers.
    """
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if usage else ExtendedKeyUsageOID.SERVER_AUTH
    general = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    extended = x509.ExtendedKeyUsage([purpose])
    return pem(keyOf(owner), made(owner, keyOf(owner), "made up", authority()[1], general, extended, ends=ends))


class XoTTestCase(ReplicaTestCase):
    """
    Tests of zones over TLS.

    @ivar files: a folder for certificates.
    @ivar lines: what was logged.
    """

    def setUp(self) -> None:
        super().setUp()
        self.files = Path(self.folder) / "files"
        self.files.mkdir()
        self.ca = self.written("ca.pem", authority()[0])
        self.lines: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            self.lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def assertOnlyTLS(self, connections: int | None = None) -> None:
        """
        Assert that nothing went over anything else than TLS since C{network.dialed} and C{network.sent} were empty.

        @param connections: how many connections there were.
        """
        self.assertEqual(({port for _, port in self.network.dialed}, dict(self.network.sent)), ({853}, {}))
        if connections is not None:
            self.assertEqual(self.network.dialed.total(), connections)

    def written(self, name: str, octets: bytes) -> str:
        """
        Write a file and return its path.
        """
        path = self.files / name
        path.write_bytes(octets)
        return str(path)

    def pairOf(self, *names: str) -> Pair:
        """
        Return a certificate of the test authority for a server.
        """
        text = leaf(*names)
        return Pair(text, text, "server.pem")

    def withTLS(self, host: Host, *names: str, authorities: bytes = b"") -> Host:
        """
        Return the server with a TLS listener as well.

        @param authorities: of the clients' certificates.
        """
        certificates = Certificates([self.pairOf(*names)], self.network.clock.seconds, authorities)
        host.end()
        self.network.advance(0.1)
        host.certificates = certificates
        host.begin()
        return host

    def url(self, *words: str, address: str = PRIMARY, name: str = NAME) -> str:
        """
        Return a server's URL with these words.
        """
        return " ".join([f"tls://{address}" + (f"#{name}" if name else ""), *words])

    def trusted(self, *words: str) -> list[str]:
        """
        Return the primary, to be authenticated by its name.
        """
        return [self.url(f"ca={self.ca}", *words)]

    def serveZone(self, *grants: str, authorities: bytes = b"", text: str = ZONE, **said: list[str] | bool) -> None:
        """
        Let the primary serve the zone over TLS.

        @param grants: C{allow-transfer}.
        """
        self.withTLS(self.primary, NAME, authorities=authorities)
        self.primary.serve(text)
        self.primary.apply(allow_transfer=list(grants) or ["192.0.2.0/24"], **said)

    @property
    def zone(self) -> Secondary:
        """
        The secondary zone.
        """
        assert self.secondary.replication.secondaries is not None
        found = self.secondary.replication.secondaries.at(APEX)
        assert found is not None
        return found

    def follow(self, primaries: list[str], seconds: float = 2) -> int | str:
        """
        Transfer the zone. Return the serial number that the secondary serves, or the error.
        """
        self.secondary.apply(primaries=primaries)
        self.network.advance(seconds)
        return self.secondary.serial()


