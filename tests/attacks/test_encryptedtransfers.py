"""
Attack 28 over TLS: a network that blocks or impersonates a primary given as a TLS server, and clients that try to get an encrypted zone in
the clear (CVE-2026-12490).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tests.certificates import authority
from tests.server.zones.transfer.askers import Asker, transferOf
from tests.server.zones.transfer.overtls import NAME, XoTTestCase
from tests.server.zones.transfer.replicas import PRIMARY, SECONDARY
from tests.zone.changing import ZONE
from twisted_ext.server.config.keys import RemoteServer
from twisted_ext.server.zones.transfer.udpexchange import MessageSender, exchange
from twisted_ext.transport.servers import Server
from twisted_ext.transport.transfer import fetchZone
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.zone.transfer.receiver import TransferReceiver

FORGED = ZONE.replace(" 10 3600", " 66 3600")


@contextmanager
def stepDown() -> Iterator[None]:
    """
    Switch the defense off: the secondary asks a primary given as a TLS server over UDP and TCP.
    """

    def asked(sender: MessageSender, remote: RemoteServer, question: Question, **words: object) -> Deferred[Message]:
        plain = RemoteServer(Server(remote.server.address), remote.key)
        return exchange(sender, plain, question, wait=1.0, tries=2, today=sender.reactor.seconds)

    def fetched(reactor: IReactorTime, server: Server, zone: bytes, keep: object, **words: object) -> Deferred[TransferReceiver]:
        assert callable(keep)
        return fetchZone(reactor, Server(server.address), zone, keep)

    module = "twisted_ext.server.zones.transfer.xfrin"
    with patch(f"{module}.exchange", asked), patch(f"{module}.fetchZone", fetched):
        yield


class EncryptedTransferTests(XoTTestCase):
    """
    An attacker at the primary's address, and one at a secondary's.
    """

    def impersonate(self) -> None:
        """
        Serve another version of the zone at the primary's address over UDP and TCP.
        """
        self.primary.serve(FORGED)
        self.primary.apply(allow_transfer=["any"])

    def checkNothingInTheClear(self, *words: str) -> None:
        """
        Check that the secondary uses TLS alone and serves nothing of the attacker, and that without the defense it would.

        @param words: how the primary is to be authenticated.
        """
        self.secondary.apply(primaries=[self.url(*words)])
        # Many tries, NOTIFY messages from the attacker and the timers of the zone.
        for _ in range(20):
            self.zone.notified(PRIMARY, 66)
            self.network.advance(300)
        self.assertOnlyTLS()
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.assertIn("cannot be reached over TLS", self.zone.said)
        with stepDown():
            self.zone.refreshNow()
            self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 66)

    def test_blockedPortIsNoReasonForTCP(self) -> None:
        """
        If the network blocks port 853, the zone is not transferred at all.
        """
        self.impersonate()
        self.checkNothingInTheClear(f"ca={self.ca}", "key=one.key")

    def test_wrongCertificateIsNoReasonForTCP(self) -> None:
        """
        A primary whose certificate is for another name gets no query, over TLS or otherwise.
        """
        self.withTLS(self.primary, "attacker.example")
        self.impersonate()
        self.checkNothingInTheClear(f"ca={self.ca}")

    def test_wrongPinIsNoReasonForTCP(self) -> None:
        """
        The same applies to a primary whose key is not the pinned one, although an authority vouches for its name.
        """
        self.withTLS(self.primary, NAME)
        self.impersonate()
        self.checkNothingInTheClear(f"pins={'A' * 43}=", f"ca={self.ca}")

    def test_clearTextGetsNoEncryptedZone(self) -> None:
        """
        A client at the right address gets a zone neither over TCP nor over TLS without the certificate. With a check of the address alone
        it would.
        """
        self.withTLS(self.primary, NAME, authorities=authority()[0])
        self.primary.serve()
        self.primary.apply(allow_transfer=["192.0.2.0/24 certificate=ns2.example"])
        asker = Asker.at(self.network, self.there[1], PRIMARY)
        self.assertEqual(self.there[1].addresses[0], SECONDARY)
        asker.ask(transferOf()[0])
        self.network.advance(1)
        self.assertEqual([octets[3] & 15 for octets in asker.messages], [Rcode.REFUSED])
        self.secondary.apply(primaries=self.trusted())
        self.network.advance(2)
        self.assertIn("REFUSED", self.zone.said)
        with patch("twisted_ext.server.config.keys._Grant.fits", lambda *_: True):
            asker.ask(transferOf()[0])
            self.network.advance(1)
        self.assertGreater(len(asker.records), 10)
        asker.transport.abortConnection()
