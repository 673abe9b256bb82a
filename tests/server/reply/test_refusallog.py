"""
Tests of L{twisted_ext.server.reply.opcodes}: the log of refused transfers, notifies and updates.
"""

from __future__ import annotations

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.server.zones.update.changed import KEY, UpdatedServer
from tests.zone.changing import record
from twisted_ext.packetcache.clients import UNMETERED, Client, Group
from twisted_ext.server.reply.opcodes import RefusalLog
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AXFR
from twisted_ext.wire.tsig import Key

NEW = record("new 60 A 192.0.2.9")


class DecliningTests(SynchronousTestCase):
    """
    Tests for L{RefusalLog<twisted_ext.server.reply.opcodes.RefusalLog>}.
    """

    def setUp(self) -> None:
        """
        Record the lines of the refusal log.
        """
        lines = self.lines = list[str]()

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            if event.get("log_namespace") == "twisted_ext.server.reply.opcodes":
                lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def server(self) -> UpdatedServer:
        """
        Return a server with a zone that one key may update.
        """
        path = self.mktemp()
        server = UpdatedServer(("key dhcp.example.org zone ANY",), path)

        def close() -> None:
            closed = server.updating.close()
            server.disk.settle()
            self.successResultOf(closed)

        self.addCleanup(close)
        return server

    def test_refusedUpdateIsLoggedWithReason(self) -> None:
        """
        Each refused update is logged with the client and the reason; successful updates are not logged here.
        """
        server = self.server()
        server.update(NEW, client="198.51.100.1")
        server.update(NEW, client="198.51.100.1", key=Key.fromText("other:c2VjcmV0"))
        server.update(NEW, client="198.51.100.1", key=Key.fromText("dhcp.example.org:d3Jvbmc="))
        server.update(NEW, client="198.51.100.1", key=KEY)
        start = "update of example.org. is refused to 198.51.100.1, "
        self.assertEqual(
            self.lines,
            [
                f"{start}without a key: REFUSED",
                f"{start}key other.: NOTAUTH: there is no such key here",
                f"{start}key dhcp.example.org.: NOTAUTH: the signature is wrong: do both sides have the same secret?",
            ],
        )

    def request(self, now: float) -> Request:
        """
        Return a request for a transfer.
        """
        octets = buildMessage(Message(7, 0, (Question(nameFromText("example.org."), AXFR),)))
        request = Request.fromWire(octets, ("192.0.2.7", 4000), "tcp", None, now)
        assert request is not None
        request.record = Client("192.0.2.7", Group("allowed"), UNMETERED, "192.0.2.7")
        return request

    def test_repeatedRefusalsAreSummed(self) -> None:
        """
        Only some of many refusals in a row are logged, and then their number.
        """
        declining = RefusalLog(most=2, seconds=60)
        for _ in range(100):
            declining.tell(self.request(1000.0), Refusal(Rcode.REFUSED))
        line = "transfer of example.org. is refused to 192.0.2.7, without a key: REFUSED"
        self.assertEqual(self.lines, [line, line])
        declining.tell(self.request(1060.0), Refusal(Rcode.NOTAUTH))
        self.assertEqual(self.lines[2:], ["98 more requests were refused", line.replace("REFUSED", "NOTAUTH")])
        self.assertEqual(declining.unsaid, 0)

    def test_everyRefusalIsLoggedUnbounded(self) -> None:
        """
        Without the limit each refusal would be logged.
        """
        declining = RefusalLog(most=10_000)
        for _ in range(100):
            declining.tell(self.request(1000.0), Refusal(Rcode.REFUSED))
        self.assertEqual(len(self.lines), 100)

    def test_otherRepliesAreNotLogged(self) -> None:
        """
        A reply that refuses nothing is not logged, nor is a request without a reply.
        """
        declining = RefusalLog()
        declining.tell(self.request(1000.0), Refusal(Rcode.NOERROR, truncated=True))
        declining.tell(self.request(1000.0), Refusal(Rcode.REFUSED, silent=True))
        self.assertEqual(self.lines, [])

    def test_resolverLogsNoRefusals(self) -> None:
        """
        A server without operations other than QUERY logs no refusals.
        """
        server = self.server()
        self.patch(server.responder, "handlers", {})
        server.update(NEW, client="198.51.100.1", key=Key.fromText("other:c2VjcmV0"))
        self.assertEqual(self.lines, [])
