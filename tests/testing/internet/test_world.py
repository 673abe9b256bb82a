"""
Tests of the simulated internet as a whole: what it is made of, its time, its links, and that it is the same in every run.
"""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.testing.internet.oracle import validate
from tests.typed import unchecked
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.errors import BadZone, DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.internet import DAY, Delegation, Fault, Internet, KeyPlan, NameServer
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.scenarios.reading import parseScenario
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import TXT, A
from twisted_ext.zone.zone import Zone

START = datetime(2026, 5, 1, tzinfo=UTC)


def built(seed: int = 1) -> Internet:
    """
    Return an internet with three zones.
    """
    internet = Internet(seed=seed, start=START)
    internet.zone("example.org", "www 300 A 192.0.2.80\nbig TXT " + " ".join([f'"{number:0250d}"' for number in range(5)]))
    internet.zone("example.net", "www A 192.0.2.79", servers=["ns1.provider.test", "192.0.2.53"])
    internet.zone("deep.example.org", "www A 192.0.2.78", signed=False)
    return internet


class ZoneTests(SynchronousTestCase):
    """
    Tests of zones and servers.
    """

    def test_missingParentsAreMade(self) -> None:
        """
        TLDs and the zones of foreign servers are made as needed; each zone has the next one above as parent.
        """
        internet = built()
        found = {nameToText(apex): sorted(child.name for child in zone.children) for apex, zone in internet.zones.items()}
        self.assertEqual(
            found,
            {
                ".": ["net.", "org.", "test."],
                "org.": ["example.org."],
                "net.": ["example.net."],
                "test.": ["provider.test."],
                "example.org.": ["deep.example.org."],
                "example.net.": [],
                "deep.example.org.": [],
                "provider.test.": [],
            },
        )

    def test_orderOfZonesDoesNotMatter(self) -> None:
        """
        Children may be made before their parents, and hosts before the zones that they are in; what is answered is the same.
        """
        first, second = Internet(seed=1), Internet(seed=1)
        zones = [("org", ""), ("example.org", "www A 192.0.2.80"), ("a.example.org", "www A 192.0.2.81"), ("net", "")]
        for name, records in zones:
            first.zone(name, records)
        for name, records in reversed(zones):
            second.zone(name, records)
        for name in ("www.example.org", "www.a.example.org", "ns1.a.example.org", "a.root-servers.net", "x.net"):
            for server in ("a.root-servers.net", "a.nic.org", "a.nic.net", "ns1.example.org", "ns1.a.example.org"):
                one, other = first.ask(server, name), second.ask(server, name)
                assert one is not None and other is not None
                self.assertEqual(one.wire, other.wire)
        validate(second, "www.a.example.org", "A")

    def test_serversMayBeShared(self) -> None:
        """
        A server may serve several zones, and answers for all of them.
        """
        internet = Internet(seed=1)
        for name in ("example.org", "example.net"):
            internet.zone(name, "www A 192.0.2.80", servers=["ns.provider.test"])
        for name in ("www.example.org", "www.example.net", "ns.provider.test"):
            reply = internet.ask("ns.provider.test", name)
            assert reply is not None
            self.assertEqual(reply.answer[0].rrType, A)
        own = internet.zones[nameFromText("provider.test")]
        self.assertEqual([nameToText(server.name) for server in own.servers], ["ns.provider.test."])

    def test_hintsAndAnchorsAreThoseOfTheRoot(self) -> None:
        """
        The hints name the root's servers with their addresses; the anchors are the DS records of its keys.
        """
        internet = Internet(seed=1, families=[4], rootServers=["x.root"])
        server = internet.servers[nameFromText("x.root")]
        self.assertEqual(internet.hints, f".\t518400\tIN\tNS\tx.root.\nx.root.\t518400\tIN\tA\t{server.addresses[0]}\n")
        self.assertRegex(internet.anchors, r"^\.\t3600\tIN\tDS\t\d+ 13 2 [0-9A-F]{64}\n$")
        self.assertEqual(Internet(signed=False).anchors, "")

    def test_mistakesAreRefused(self) -> None:
        """
        A second zone of a name, bad records and other addresses for a server are refused with what is wrong.
        """
        internet = built()
        with self.assertRaisesRegex(ValueError, "there is a zone example.org. already"):
            internet.zone("example.org")
        with self.assertRaisesRegex(ValueError, "ns1.example.org. has the addresses"):
            internet.server("ns1.example.org", "192.0.2.1")
        with self.assertRaisesRegex(BadZone, "the records of bad.test.: .*1.2.3"):
            internet.zone("bad.test", "www A 1.2.3")
        # It has not been added.
        internet.zone("bad.test", "www A 192.0.2.3")
        for given, said in (
            ({"ds": ["12345 13 2 xyz"]}, "xyz"),
            ({"servers": ["a..b"]}, "a label is empty"),
            ({"glue": {"ns.bad.test": ["192.0.2"]}}, "192.0.2"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                unchecked(Delegation)(**given)
        with self.assertRaisesRegex(ValueError, "there is no server 'ns9.example.org'"):
            internet.ask("ns9.example.org", "www.example.org")

    def test_automaticZonesCanBeReplaced(self) -> None:
        """
        A TLD that was made automatically can be declared afterwards; the zones below it stay.
        """
        internet = built()
        internet.zone("org", "hello TXT world", servers=["ns.org"], signed=KeyPlan(15))
        reply = internet.ask("ns.org", "hello.org", "TXT")
        assert reply is not None
        self.assertEqual(reply.answer[0].rrType, TXT)
        validate(internet, "www.example.org", "A")


class DeterminismTests(SynchronousTestCase):
    """
    Tests that everything follows from the seed.
    """

    def transcript(self, seed: int) -> list[bytes]:
        """
        Return the octets of many replies.
        """
        internet = built(seed)
        octets = []
        for _ in range(3):
            for server in internet.servers.values():
                for name in ("www.example.org", "nope.example.org", "www.example.net", "www.deep.example.org", "org"):
                    for rrType in ("A", "DNSKEY", "DS"):
                        reply = internet.ask(server, name, rrType)
                        assert reply is not None
                        octets.append(reply.wire)
            internet.advance(10 * DAY)
        return [internet.hints.encode(), internet.anchors.encode(), *octets]

    def test_sameSeedGivesSameOctets(self) -> None:
        """
        Addresses, keys, signatures and replies are the same in two internets of one seed, and others with another seed.
        """
        first = self.transcript(5)
        self.assertEqual(first, self.transcript(5))
        other = self.transcript(6)
        self.assertNotEqual(first[0], other[0])
        self.assertNotEqual(first[1], other[1])

    def test_lossIsTheSame(self) -> None:
        """
        Which datagrams are lost follows from the seed.
        """

        def lost() -> list[int]:
            internet = built()
            internet.link("example.org", loss=0.5)
            here = internet.reactor()
            source = ForwardingSource(here, [_address(internet, "ns1.example.org")])
            counts = []
            for _ in range(10):
                done = _look(internet, source, "www.example.org")
                _outcome(internet, done)
                counts.append(sum(internet.network.sent.values()))
            source.close()
            return counts

        self.assertEqual(lost(), lost())

    def test_faultsLeaveNoTrace(self) -> None:
        """
        After all faults are cleared, the replies are those of before.
        """
        internet = built()
        before = internet.ask("ns1.example.org", "nope.example.org")
        for fault in Fault:
            if fault is not Fault.NSEC3_ITERATIONS:
                internet.inject(fault, "ns1.example.org")
                internet.ask("ns1.example.org", "nope.example.org")
        internet.clear()
        after = internet.ask("ns1.example.org", "nope.example.org")
        assert before is not None and after is not None
        self.assertEqual(before.wire, after.wire)


def _address(internet: Internet, name: str) -> Server:
    return Server(internet.servers[nameFromText(name)].addresses[0], 53)


def _look(internet: Internet, source: ForwardingSource, name: str, rrType: str = "A") -> Deferred[Answer]:
    context = QueryContext(internet.network.clock.seconds() + 10, recursionDesired=False)
    return lookUp(source, questionOf(name, rrType), context)


def _outcome(internet: Internet, done: Deferred[Answer]) -> Answer | DNSFault:
    try:
        return internet.wait(done)
    except DNSFault as fault:
        return fault


class NetworkTests(SynchronousTestCase):
    """
    Tests of servers as seen by a client over the memory network.
    """

    def setUp(self) -> None:
        self.internet = built()
        self.here = self.internet.reactor()
        self.source = ForwardingSource(self.here, [_address(self.internet, "ns1.example.org")])
        self.server: NameServer = self.internet.servers[nameFromText("ns1.example.org")]

    def tearDown(self) -> None:
        self.source.close()
        self.assertEqual(self.here.pending(), [])

    def look(self, name: str = "www.example.org", rrType: str = "A") -> Answer | DNSFault:
        """
        Look something up.
        """
        return _outcome(self.internet, _look(self.internet, self.source, name, rrType))

    def answered(self, name: str = "www.example.org", rrType: str = "A") -> Answer:
        """
        Look up something that exists.
        """
        found = self.look(name, rrType)
        assert isinstance(found, Answer), found
        return found

    def test_clientIsAnsweredAfterARoundTrip(self) -> None:
        """
        A client gets its answer over UDP after one round trip.
        """
        found = self.answered()
        self.assertIs(found.outcome, Outcome.DATA)
        self.assertAlmostEqual(self.internet.network.clock.seconds(), 0.02)
        self.assertAlmostEqual(self.internet.time(), START.timestamp() + 0.02)
        self.assertEqual([query.transport for query in self.server.asked], ["udp"])

    def test_largeAnswersComeOverTCP(self) -> None:
        """
        A truncated reply is asked for again over TCP.
        """
        self.answered("big.example.org", "TXT")
        self.assertEqual([query.transport for query in self.server.asked], ["udp", "tcp"])

    def test_linkHasItsRoundTripTime(self) -> None:
        """
        The round-trip time of one server can be set.
        """
        self.internet.link("ns1.example.org", rtt=0.3)
        self.answered()
        self.assertAlmostEqual(self.internet.network.clock.seconds(), 0.3)

    def test_linkLosesLargePackets(self) -> None:
        """
        Behind a small MTU large replies are lost, and small ones are not.
        """
        self.internet.link("example.org", mtu=576)
        self.server.payload = 4096
        self.answered()
        text = " ".join([f'"{number:0200d}"' for number in range(4)])
        self.internet.zones[nameFromText("example.org")].add(f"fat 300 TXT {text}")
        sent = len(self.server.asked)
        self.look("fat.example.org", "TXT")
        self.assertGreater(len(self.server.asked), sent + 1)

    def test_closedServerRefusesAndOpensAgain(self) -> None:
        """
        Nothing listens on a closed server until the fault is cleared.
        """
        self.internet.inject(Fault.CLOSED, "ns1.example.org")
        self.assertIsInstance(self.look(), DNSFault)
        self.assertEqual(self.server.asked, [])
        self.internet.clear(Fault.CLOSED)
        self.answered()

    def test_faultsHappenLater(self) -> None:
        """
        A fault can be scheduled.
        """
        self.internet.after(5, self.internet.inject, Fault.SERVFAIL, "ns1.example.org")
        self.answered()
        self.internet.advance(6)
        self.assertIsInstance(self.look(), DNSFault)

    def test_waitingEnds(self) -> None:
        """
        Waiting for what never happens ends with an error.
        """
        with self.assertRaisesRegex(TimeoutError, "no result after 60 seconds"):
            self.internet.wait(Deferred())

    def test_networkCanBeGiven(self) -> None:
        """
        An internet can be made on an existing network, whose clock need not be at zero.
        """
        network = MemoryNetwork()
        network.advance(100)
        internet = Internet(network, start=1000)
        self.assertEqual(internet.time(), 1000)
        self.assertIs(internet.reactor("192.0.2.99").network, network)

    def test_recordingIsAScenario(self) -> None:
        """
        What was asked and answered can be written as a scenario, and read again with the same messages.
        """
        self.answered()
        self.answered("big.example.org", "TXT")
        self.look("nope.example.org")
        final = self.internet.ask("ns1.example.org", "www.example.org")
        assert final is not None
        text = self.internet.recording("three questions", [(questionOf("www.example.org"), final)])
        scenario = parseScenario(text)
        self.assertEqual(scenario.title, "three questions")
        settings = dict(scenario.config)
        self.assertEqual(settings["val-override-date"], "20260501000000")
        self.assertIn(" DS ", settings["trust-anchor"])
        (own,) = scenario.ranges
        self.assertEqual(own.addresses, list(self.server.addresses))
        self.assertEqual([entry.reply for entry in own.entries][1], {"QR", "AA", "TC", "NOERROR"})
        replies = [Message.fromWire(exchange.reply) for exchange in self.internet.exchanges]
        for entry, reply in zip(own.entries, replies, strict=True):
            self.assertEqual(entry.question, reply.questions[0])
            self.assertEqual(entry.rcode, reply.flags & 15)
            self.assertEqual(set(entry.records("ANSWER")), set(reply.answer))
            self.assertEqual(set(entry.records("AUTHORITY")), set(reply.authority))
        self.assertEqual([step.kind for step in scenario.steps], ["QUERY", "CHECK_ANSWER"])

    def test_memoryIsBounded(self) -> None:
        """
        Of many exchanges only the latest are kept.
        """
        internet = Internet(remember=10)
        internet.zone("example.org", "www A 192.0.2.80")
        source = ForwardingSource(internet.reactor(), [_address(internet, "ns1.example.org")])
        for number in range(2500):
            _outcome(internet, _look(internet, source, f"x{number}.example.org"))
        source.close()
        self.assertEqual(len(internet.exchanges), 10)
        self.assertLess(len(internet.servers[nameFromText("ns1.example.org")].asked), 2001)
        self.assertEqual(internet.network.datagrams, [])


def test_fiveHundredInternetsAreMadeQuickly() -> None:
    """
    An internet of five signed zones is made, and asked for a chain of trust, in a few milliseconds.
    """
    chain = [("a.root-servers.net", ".", "DNSKEY"), ("a.root-servers.net", "www.example.org", "A"), ("a.nic.org", "org", "DNSKEY")]
    chain += [("a.nic.org", "www.example.org", "A"), ("ns1.example.org", "example.org", "DNSKEY")]
    chain += [("ns1.example.org", "www.example.org", "A")]
    began = process_time()
    for seed in range(100):
        internet = built(seed)
        for server, name, rrType in chain:
            assert internet.ask(server, name, rrType) is not None
    # About four milliseconds of the processor each, whatever else it has to do.
    assert (process_time() - began) / 100 < 0.06


@pytest.mark.parametrize("count", [300])
def test_manyZonesAreFound(count: int) -> None:
    """
    An internet may have many zones on a few servers.
    """
    internet = Internet(seed=1)
    for number in range(count):
        internet.zone(f"d{number}.test", "www A 192.0.2.80", servers=["ns1.provider.net"])
    for number in (0, count // 2, count - 1):
        validate(internet, f"www.d{number}.test", "A")


class DisagreementTests(SynchronousTestCase):
    """
    Tests of parents, children and servers that do not agree.
    """

    def test_serversMayDisagree(self) -> None:
        """
        A server may have other records for a zone than the others; both are signed with the zone's keys.
        """
        internet = built()
        internet.variant("example.org", "www A 192.0.2.99", ["ns2.example.org"])
        first, second = internet.zones[nameFromText("example.org")].servers
        found = [str(validate(internet, "www.example.org", "A", server).answer[0][0]) for server in (first, second)]
        self.assertEqual(found, ["192.0.2.80", "192.0.2.99"])

    def test_formerOwnerStillServes(self) -> None:
        """
        After a zone has moved, the servers of its former owner go on serving it.
        """
        internet = built()
        internet.variant("example.org", "@ NS ns1.old.test.\nwww A 192.0.2.66", ["ns1.old.test"])
        reply = internet.ask("ns1.old.test", "www.example.org")
        assert reply is not None
        self.assertEqual(reply.answer[0].rdatas, (b"\xc0\x00\x02\x42",))
        internet.delegate("example.org", Delegation(["ns1.old.test"]))
        referral = internet.ask("a.nic.org", "www.example.org")
        assert referral is not None
        self.assertEqual(referral.authority[0].rdatas, (nameFromText("ns1.old.test"),))

    def test_delegationCanBeRemoved(self) -> None:
        """
        A zone whose delegation was removed does not exist for its parent, and its own servers still answer.
        """
        internet = built()
        internet.delegate("example.org", None)
        self.assertEqual(validate(internet, "www.example.net", "A").rcode(), 0)
        denied = internet.ask("a.nic.org", "www.example.org")
        assert denied is not None
        self.assertEqual(denied.flags & 15, 3)
        ghost = internet.ask("ns1.example.org", "www.example.org")
        assert ghost is not None
        self.assertEqual(ghost.answer[0].rrType, A)
        internet.delegate("example.org", Delegation())
        validate(internet, "www.example.org", "A")
        with self.assertRaisesRegex(ValueError, "the root has no parent"):
            internet.delegate(".", None)

    def test_largeZonesAreTransferredInPieces(self) -> None:
        """
        A transfer has as many messages as it needs, and a test's client gets them all.
        """
        internet = Internet(seed=1)
        zone = internet.zone("example.org", "\n".join([f"n{number} A 192.0.2.1" for number in range(2000)]))
        query = Message(1, 0, (questionOf("example.org", "AXFR"),))
        pieces = zone.servers[0].repliesTo(query, "tcp")
        self.assertGreater(len(pieces), 20)
        records = [rrset for piece in pieces for rrset in Message.fromWire(piece).check().answer]
        copy = Zone.fromRecords("example.org", records).current
        self.assertEqual(len([node for node in copy.nodes() if node.sets]), 2003)
