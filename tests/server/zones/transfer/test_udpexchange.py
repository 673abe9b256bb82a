"""
Tests of querying another server over UDP.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred

from tests.networks import NetworkTestCase
from tests.server.zones.transfer.replicas import KEYS
from tests.zone.changing import APEX
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.server.config.keys import RemoteServer
from twisted_ext.server.zones.transfer.udpexchange import MessageSender, exchange
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Opcode, Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.wire.tsig import replySigned, verify

SERVER = ("192.0.2.53", 53)

KEY = next(iter(KEYS.values()))


class ExchangeTests(NetworkTestCase):
    """
    Tests for L{exchange}.
    """

    def sendQuery(self, *, signed: bool = False) -> tuple[Deferred[Message], Message, tuple[str, int]]:
        """
        Query a server that does not reply by itself.

        @return: the pending result, the query, and its source address.
        """
        remote = RemoteServer(Server(*SERVER), KEY if signed else None)
        asked = exchange(MessageSender(self.here), remote, Question(APEX, SOA), wait=1, tries=3, today=lambda: 0.0)
        self.network.advance(0.1)
        sent = self.network.datagrams[-1]
        return asked, Message.fromWire(sent.octets).check(), sent.source

    def inject(
        self, query: Message, to: tuple[str, int], source: tuple[str, int] = SERVER, *, id: int | None = None, flags: int = QR,
        question: Question | None = None,
    ) -> bytes:  # fmt: skip
        """
        Inject a reply, and return its octets.
        """
        octets = buildMessage(Message(query.id if id is None else id, flags, (question or query.questions[0],)))
        self.network.inject(octets, source, to)
        self.network.advance(0.1)
        return octets

    def test_onlyMatchingReplyIsAccepted(self) -> None:
        """
        Only a reply from the queried server to this question is accepted.
        """
        asked, query, here = self.sendQuery()
        self.inject(query, here, ("192.0.2.66", 53))
        self.inject(query, here, ("192.0.2.53", 5353))
        self.inject(query, here, id=query.id ^ 1)
        self.inject(query, here, flags=0)
        self.inject(query, here, flags=QR | Opcode.NOTIFY << 11)
        self.inject(query, here, question=Question(APEX, A))
        self.network.inject(b"\x00", SERVER, here)
        self.network.inject(query.wire[:2] + b"\x84\x00\x00\x01" + bytes(6), SERVER, here)
        self.network.advance(0.1)
        self.assertNoResult(asked)
        self.inject(query, here)
        self.assertEqual(self.successResultOf(asked).id, query.id)
        self.assertEqual(self.here.pending(), [])

    def test_queryIsRetriedThenTimesOut(self) -> None:
        """
        The query is sent again with growing timeouts, and fails in the end with nothing left.
        """
        asked, _, _ = self.sendQuery()
        self.network.advance(6)
        self.assertNoResult(asked)
        self.network.advance(1)
        self.failureResultOf(asked, TimedOut)
        self.assertEqual(len(self.network.datagrams), 3)
        self.assertEqual(self.here.pending(), [])

    def test_refusalReachesCaller(self) -> None:
        """
        The caller gets the RCODE of a refusal.
        """
        asked, query, here = self.sendQuery()
        self.inject(query, here, flags=QR | Rcode.REFUSED)
        self.assertEqual(self.failureResultOf(asked, ServerFailed).value.rcode, Rcode.REFUSED)

    def test_unsignedReplyIsIgnored(self) -> None:
        """
        If a signature is due, a reply without one or with a wrong one is ignored.
        """
        asked, query, here = self.sendQuery(signed=True)
        octets = self.inject(query, here)
        wrong = bytearray(replySigned(octets, verify(query.wire, KEYS, 0.0), 0.0)[0])
        wrong[-20] ^= 1
        self.network.inject(bytes(wrong), SERVER, here)
        self.network.advance(0.1)
        self.assertNoResult(asked)
        self.network.inject(replySigned(octets, verify(query.wire, KEYS, 0.0), 0.0)[0], SERVER, here)
        self.network.advance(0.1)
        self.successResultOf(asked)

    def test_unsignedRefusalIsReportedOnRequest(self) -> None:
        """
        An unsigned REFUSED is reported at once if the caller asks for that; any other unsigned reply is ignored.
        """
        remote = RemoteServer(Server(*SERVER), KEY)
        asked = exchange(MessageSender(self.here), remote, Question(APEX, SOA), wait=1, tries=3, today=lambda: 0.0, unsignedRefusals=True)
        self.network.advance(0.1)
        sent = self.network.datagrams[-1]
        query = Message.fromWire(sent.octets).check()
        for rcode in (Rcode.NOERROR, Rcode.FORMERR, Rcode.SERVFAIL):
            self.inject(query, sent.source, flags=QR | rcode)
        self.assertNoResult(asked)
        self.inject(query, sent.source, flags=QR | Rcode.REFUSED)
        self.assertEqual(self.failureResultOf(asked, ServerFailed).value.rcode, Rcode.REFUSED)

    def test_cancelLeavesNothing(self) -> None:
        """
        Cancellation leaves nothing behind.
        """
        asked, _, _ = self.sendQuery()
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])

    def test_messagesShareOnePort(self) -> None:
        """
        Messages of one sender use one port, each gets its own reply, and the port is closed after the last of them.
        """
        sender = MessageSender(self.here)
        remotes = [RemoteServer(Server(address)) for address in ("192.0.2.53", "192.0.2.54")]
        asked = [exchange(sender, remote, Question(APEX, SOA), wait=1, tries=3, today=lambda: 0.0) for remote in remotes]
        self.network.advance(0.1)
        sent = self.network.datagrams[-2:]
        self.assertEqual(sent[0].source, sent[1].source)
        queries = [Message.fromWire(each.octets).check() for each in sent]
        self.inject(queries[1], sent[1].source, ("192.0.2.53", 53))
        self.assertNoResult(asked[1])
        self.inject(queries[0], sent[0].source, ("192.0.2.53", 53))
        self.assertEqual(self.successResultOf(asked[0]).id, queries[0].id)
        self.inject(queries[1], sent[1].source, ("192.0.2.54", 53))
        self.assertEqual(self.successResultOf(asked[1]).id, queries[1].id)
        self.assertEqual(self.here.pending(), [])
        exchange(sender, remotes[0], Question(APEX, SOA), wait=1, tries=3, today=lambda: 0.0).addErrback(lambda _: None).cancel()
        self.network.advance(0.1)
        self.assertEqual(self.here.pending(), [])
