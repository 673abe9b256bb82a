"""
Pain 14: no EDNS, no DO, no modern record types.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext import dns
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.compat.conversion.records import Record
from twisted_ext.compat.conversion.results import Result
from twisted_ext.compat.resolvers import Resolver
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText

RECORDS = {
    ("_443._tcp.www.example", "TLSA"): "3 1 0 abcd",
    ("www.example", "HTTPS"): "1 . alpn=h2 ipv4hint=192.0.2.80",
    ("example", "CAA"): '0 issue "ca.example"',
    ("example", "DS"): "1 8 9 abcd",
    ("example", "DNSKEY"): "257 3 13 AAAA",
    ("www.example", "LOC"): "42 21 54 N 71 06 18 W -24m 30m",
    ("www.example", "OPENPGPKEY"): "AAAA",
    ("example", "TYPE65280"): "\\# 3 abcdef",
    ("long.example", "TXT"): [f'"{number} {"x" * 200}"' for number in range(4)],
}


class ModernTests(SynchronousTestCase):
    """
    A server that supports all of that.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork()
        self.here = self.network.reactor()
        self.server = CannedServer(RECORDS)
        self.server.listen(self.network.reactor("192.0.2.53"))
        self.resolver = Resolver(servers=[("192.0.2.53", 53)], reactor=self.here)

    def result(self, looking: Deferred[Result]) -> Result:
        """
        Return the result.
        """
        self.network.advance(6)
        return self.successResultOf(looking)

    def test_modernTypesHaveMethodsAndRecords(self) -> None:
        """
        Each type has a look-up method and records with attributes. Unknown types are looked up by number and returned as octets.
        """
        for (name, mnemonic), text in RECORDS.items():
            if not isinstance(text, str) or mnemonic == "TYPE65280":
                continue
            looking: Deferred[Result] = getattr(self.resolver, f"lookup{mnemonic}")(name)
            (header,) = self.result(looking)[0]
            record: type[Record] = getattr(dns, f"Record_{mnemonic}")
            payload: object = header.payload
            assert isinstance(payload, Record)
            self.assertIs(type(payload), record)
            self.assertEqual(payload.rdata.toText().lower(), record.declaration.fromText(text).toText().lower())
            self.assertIn(f" type={mnemonic} ", str(header))
        tlsa: object = self.result(self.resolver.lookupTLSA("_443._tcp.www.example"))[0][0].payload
        assert isinstance(tlsa, dns.Record_TLSA)
        self.assertEqual((tlsa.usage, tlsa.selector, tlsa.certificate), (3, 1, b"\xab\xcd"))
        unknown: object = self.result(self.resolver.query(dns.Query("example", 65280)))[0][0].payload
        assert isinstance(unknown, dns.UnknownRecord)
        self.assertEqual(unknown.data, b"\xab\xcd\xef")

    def test_largeRepliesComeOverUDP(self) -> None:
        """
        Replies of more than 512 octets come over UDP because our queries advertise EDNS. Without it they need TCP.
        """
        self.assertEqual(len(self.result(self.resolver.lookupText("long.example"))[0]), 4)
        (asked,) = self.server.asked
        edns = asked.message.edns
        assert edns is not None
        self.assertEqual((asked.transport, edns.payloadSize), ("udp", 1232))
        answer = self.ask(QueryContext(self.here.seconds() + 5, edns=False))
        self.assertEqual(len(answer.answer[0].rdatas), 4)
        self.assertEqual([each.transport for each in self.server.asked[1:]], ["udp", "tcp"])

    def ask(self, context: QueryContext) -> Answer:
        """
        Return the answer for this context.
        """
        asking = self.resolver.lookUp(Question(nameFromText("long.example"), dns.TXT), context)
        self.network.advance(6)
        return self.successResultOf(asking)

    def test_DOIsSetOnRequest(self) -> None:
        """
        DO can be set, and is not set by default.
        """
        self.ask(QueryContext(self.here.seconds() + 5, dnssecOk=True))
        self.ask(QueryContext(self.here.seconds() + 5))
        flags = [asked.message.edns.dnssecOk for asked in self.server.asked if asked.message.edns is not None]
        self.assertEqual(flags, [True, False])
