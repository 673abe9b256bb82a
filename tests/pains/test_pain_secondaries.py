"""
Related to the numbered pains: secondaries, NOTIFY and TSIG (Twisted #9494). Twisted's secondary transfers whole zones at intervals, without
signatures and without NOTIFY.
"""

from __future__ import annotations

from tests.server.zones.transfer.replicas import PRIMARY, SECONDARY, ReplicaTestCase
from twisted_ext.server.reply.opcodes import Outcome
from twisted_ext.server.reply.requests import Request
from twisted_ext.wire.rrtypes import AXFR, IXFR


class SecondaryTests(ReplicaTestCase):
    """
    A primary and a secondary that share a key.
    """

    def test_painSecondary_notifyCausesSignedIXFR(self) -> None:
        """
        A change reaches the secondary a moment later, as a signed IXFR. Without the key a client gets and causes nothing.
        """
        self.primary.serve()
        self.primary.apply(allow_transfer=["key=one.key"], notify=[f"{SECONDARY} key=one.key"])
        self.secondary.apply(primaries=[f"{PRIMARY} key=one.key"])
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 10)
        transferring = self.primary.replication.transfers
        asked: list[tuple[int, bytes]] = []

        def watching(request: Request) -> Outcome:
            asked.append((request.question.rrType, request.keyName))
            return transferring(request)

        for rrType in (AXFR, IXFR):
            self.primary.responder.handlers[rrType] = watching
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(2)
        self.assertEqual((self.secondary.serial(), asked), (11, [(IXFR, b"\x03one\x03key\x00")]))
        self.assertEqual(self.primary.replication.notifying.confirmed, 1)
