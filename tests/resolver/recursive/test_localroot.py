"""
Tests of L{twisted_ext.resolver.recursive.localroot}: a resolver with a copy of the root zone in a simulated internet.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from socket import inet_aton
from unittest.mock import patch

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.networks import textsOf
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.validation import Validator
from twisted_ext.errors import BadDescription
from twisted_ext.recursion.hints import TRANSFER_SERVERS, rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.configured import Trust, readAnchors, transferServersFrom
from twisted_ext.resolver.recursive.localroot import LocalRoot
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.testing.internet import Exchange, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import ROOT, nameFromText
from twisted_ext.wire.rrtypes import AXFR, NS, SOA, A, typeName
from twisted_ext.zone.check.zonemd import Verdict, ZonemdResult

_MODULE = "twisted_ext.resolver.recursive.localroot"


class LocalRootTests(SynchronousTestCase):
    """
    Tests for L{LocalRoot}.
    """

    def setUp(self) -> None:
        servers = ["a.root-servers.net", "b.root-servers.net"]
        self.internet = internet = Internet(seed=8, start=time.time(), families=[4], rootServers=servers)
        internet.zone("good.example", "www 300 A 192.0.2.80")
        internet.zone("plain.test", "www 300 A 192.0.2.81", signed=False)
        self.here = internet.reactor()
        self.pool = ServerPool(self.here)
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(internet.anchors)
        trust = Trust(readAnchors([path], int(internet.time()))[0])
        self.addresses = [address for server in internet.zones[ROOT].servers for address in server.addresses]
        self.anchors = trust.at
        self.copy = LocalRoot(self.here, self.addresses, self.pool, trust.at, internet.time)
        root = rootFromText(internet.hints, "hints")
        self.stack = recursiveStack(
            self.here, root, validator=Validator(trust.at), pool=self.pool, today=internet.time, localRoot=self.copy
        )
        self.addCleanup(lambda: self.assertEqual(self.here.pending(), []))
        self.addCleanup(self.stack.close)
        self.lines: list[LogEvent] = []

        @implementer(ILogObserver)
        def observer(event: LogEvent) -> None:
            self.lines.append(event)

        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def look(self, name: str, rrType: str = "A") -> Answer:
        """
        Resolve a question, and let a transfer that it has begun end.
        """
        context = QueryContext(self.here.seconds() + 30)
        answer = self.internet.wait(lookUp(self.stack, questionOf(name, rrType), context), 35)
        self.internet.advance(2)
        return answer

    def refuse(self) -> None:
        """
        Have the servers of the root refuse transfers.
        """
        for server in self.internet.zones[ROOT].servers:
            server.tamper = _refusingTransfers

    def rootQueries(self) -> list[str]:
        """
        Return the types of the queries to servers of the root since the last call.
        """
        found = [typeName(each.query.questions[0].rrType) for each in self.internet.exchanges if self._isRoot(each)]
        self.internet.exchanges.clear()
        return found

    def _isRoot(self, each: Exchange) -> bool:
        return each.server in self.internet.zones[ROOT].servers

    def warnings(self) -> list[str]:
        """
        Return the warnings of the copy.
        """
        return [str(line["reason"]) for line in self.lines if line.get("log_namespace") == _MODULE and "reason" in line]

    def held(self) -> int:
        """
        Have the root transferred, and return the serial number of the copy.
        """
        self.look("www.good.example")
        version = self.copy.version
        assert version is not None
        self.rootQueries()
        return version.serial

    def test_rootIsTransferredOnceItIsNeeded(self) -> None:
        """
        Nothing is transferred before the first look-up, which does not wait for the transfer.
        """
        self.internet.advance(60)
        self.assertEqual(self.rootQueries(), [])
        self.assertEqual(textsOf(self.look("www.good.example")), ["192.0.2.80"])
        self.assertEqual(self.rootQueries().count("AXFR"), 1)
        self.assertIsNotNone(self.copy.version)

    def test_copyReplacesTheServers(self) -> None:
        """
        With a copy, delegations, proofs of unsigned zones and denials are found without a query to the root, and are validated.
        """
        self.held()
        answer = self.look("www.plain.test")
        self.assertEqual((textsOf(answer), answer.security), (["192.0.2.81"], Security.INSECURE))
        answer = self.look("no.such.name")
        self.assertEqual((answer.outcome, answer.security), (Outcome.NXDOMAIN, Security.SECURE))
        answer = self.look(".", "NS")
        self.assertEqual((answer.outcome, answer.security), (Outcome.DATA, Security.SECURE))
        self.assertEqual(self.rootQueries(), [])

    def test_primingTakesTheAddressesOfTheCopy(self) -> None:
        """
        The copy answers a priming query with the addresses of the servers.
        """
        self.held()
        answer = self.copy.answer(Question(ROOT, NS), True)
        assert answer is not None
        self.assertEqual({rrset.rrType for rrset in answer.additional} & {A}, {A})

    def test_anyQuestion(self) -> None:
        """
        A question of any type for the root itself or a name below it has an end; one of another class is not for the copy.
        """
        self.held()
        for rrType in ("ANY", "RRSIG", "DS", "DNSKEY", "SOA", "NSEC", "CNAME", "ZONEMD", "TXT"):
            for name in (".", "example", "no-such-tld"):
                self.look(name, rrType)
        self.assertIsNone(self.copy.answer(Question(ROOT, SOA, 3), True))

    def test_refreshQueriesTheSOA(self) -> None:
        """
        After the refresh interval one query confirms that nothing is newer, and a newer zone is transferred.
        """
        before = self.held()
        self.internet.advance(4000)
        self.look("a.no-such-name-1")
        self.assertEqual([each for each in self.rootQueries() if each == "AXFR"], [])
        self.internet.zones[ROOT].add("new 300 NS ns.good.example.")
        self.internet.advance(4000)
        self.look("b.no-such-name-2")
        self.internet.advance(60)
        version = self.copy.version
        assert version is not None
        self.assertGreater(version.serial, before)

    def test_changedZoneIsRefused(self) -> None:
        """
        A zone in which an address was changed on the way is not used: all servers are tried, one line is logged, and the root servers
        are queried. Without the digest it would be used.
        """
        genuine = inet_aton(self.internet.zones[nameFromText("test")].servers[0].addresses[0])
        forged = inet_aton("198.51.100.66")

        def change(reply: bytes, transport: str) -> Sequence[bytes]:
            return [reply.replace(genuine, forged) if transport == "tcp" else reply]

        for server in self.internet.zones[ROOT].servers:
            server.tamper = change
        self.assertEqual(textsOf(self.look("www.good.example")), ["192.0.2.80"])
        self.internet.advance(60)
        self.assertIsNone(self.copy.version)
        self.assertEqual(self.rootQueries().count("AXFR"), 2)
        self.assertEqual(textsOf(self.look("www.plain.test")), ["192.0.2.81"])
        (line,) = self.warnings()
        self.assertIn("is wrong", line)
        self.internet.advance(900)
        with patch(f"{_MODULE}.verify", lambda version: ZonemdResult(Verdict.VERIFIED, "")):
            self.look("c.no-such-name-3")
        answer = self.copy.answer(questionOf("www.plain.test"), True)
        assert answer is not None
        self.assertIn(forged, [rdata for rrset in answer.additional for rdata in rrset.rdatas])

    def test_digestHasToBeSecure(self) -> None:
        """
        A zone whose digest matches but is signed by other keys is not used; a resolver that does not validate takes it.
        """
        other = Internet(seed=9, start=self.internet.start)
        path = self.mktemp()
        with open(path, "w") as file:
            file.write(other.anchors)
        trust = Trust(readAnchors([path], int(self.internet.time()))[0])
        for anchors, taken in ((trust.at, False), (None, True)):
            copy = LocalRoot(self.here, self.addresses[:1], self.pool, anchors, self.internet.time)
            self.assertIsNone(copy.answer(Question(ROOT, SOA), True))
            self.internet.advance(5)
            self.assertEqual(copy.version is not None, taken)
            self.successResultOf(copy.close())
        (line,) = self.warnings()
        self.assertIn("is not secure", line)

    def test_expiredCopyIsNotUsed(self) -> None:
        """
        When no server has confirmed the zone for the time in its SOA record, the servers of the root are queried, and one line is logged.
        """
        self.held()
        self.refuse()
        self.internet.advance(40 * 86_400)
        self.assertEqual(textsOf(self.look("www.good.example")), ["192.0.2.80"])
        self.internet.advance(60)
        self.assertIsNone(self.copy.version)
        self.assertIn("NS", self.rootQueries())
        (line,) = self.warnings()
        self.assertIn("no server has confirmed it", line)

    def test_serversThatRefuse(self) -> None:
        """
        When no server transfers the zone, names are resolved by the servers of the root.
        """
        self.refuse()
        self.assertEqual(textsOf(self.look("www.good.example")), ["192.0.2.80"])
        self.internet.advance(60)
        self.assertIsNone(self.copy.version)
        self.assertEqual(len(self.warnings()), 1)

    def test_closingEndsTheTransfer(self) -> None:
        """
        A transfer under way ends when the resolver is closed, and nothing is left.
        """
        self.assertIsNone(self.copy.answer(Question(ROOT, SOA), True))
        self.successResultOf(self.copy.close())
        self.internet.advance(5)
        self.assertIsNone(self.copy.version)
        self.assertIsNone(self.copy.answer(Question(ROOT, SOA), True))


def _refusingTransfers(reply: bytes, transport: str) -> Sequence[bytes]:
    refused = reply[12] == 0 and int.from_bytes(reply[13:15], "big") in (AXFR, SOA)
    return [reply[:3] + b"\x05" + reply[4:] if refused else reply]


def _parsed(*texts: str) -> Sequence[str]:
    return transferServersFrom(texts)


class TransferServersTests(SynchronousTestCase):
    """
    Tests for L{transferServersFrom}.
    """

    def test_addresses(self) -> None:
        """
        Addresses of several texts are joined, each once.
        """
        self.assertEqual(_parsed("192.0.2.1, 2001:DB8::1", "192.0.2.1"), ("192.0.2.1", "2001:db8::1"))

    def test_builtIn(self) -> None:
        """
        C{yes} means the servers that are built in.
        """
        self.assertEqual(_parsed("yes"), TRANSFER_SERVERS)
        self.assertEqual(_parsed(), ())

    def test_wrongAddress(self) -> None:
        """
        What is not an address is refused.
        """
        with self.assertRaises(BadDescription):
            _parsed("lax.xfr.dns.icann.org")
