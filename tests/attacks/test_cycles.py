"""
Attack 11: delegations and aliases that go round in a circle (TsuNAME, 2021), servers that make a resolver repeat its query (CVE-2026-5950),
and failures that are asked for again and again (RFC 9520).
"""

from __future__ import annotations

from collections.abc import Callable

from tests.attacks.recursing import ENDLESS, RecursingTestCase, addressesIn
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.cache.failures import Failures
from twisted_ext.errors import DNSFault, ServerFailed, WorkSpent
from twisted_ext.interfaces import Start
from twisted_ext.recursion.delegations import NameServer
from twisted_ext.resolver.caching.coalescing import CoalescingSource
from twisted_ext.resolver.recursive import source
from twisted_ext.resolver.recursive.configured import usableFor
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.testing.internet import Delegation, Fault
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR, Rcode
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText


class CircleTests(RecursingTestCase):
    """
    Tests of two zones, each of which has its only name server in the other one.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("a.test", "www A 192.0.2.1", ["ns.b.test"], delegation=Delegation(glue={"ns.b.test": []}))
        self.internet.zone("b.test", "www A 192.0.2.1", ["ns.a.test"], delegation=Delegation(glue={"ns.a.test": []}))
        self.start()

    def test_circleEndsAfterFourPackets(self) -> None:
        """
        The look-up takes those packets that lead to both zones, and one that primes; another within five seconds takes none, and later ones
        take none as long as the name servers are known not to be found.
        """
        found = self.look("www.a.test")
        self.assertIsInstance(found, ServerFailed)
        self.assertIn("round in a circle", str(found))
        self.assertEqual((self.packets(), self.work.packets), (4, 4))
        self.assertLess(self.took, 0.1)
        for name in ("www.a.test", "www.a.test", "www.b.test", "other.a.test"):
            self.internet.advance(1)
            self.assertIsInstance(self.look(name), ServerFailed)
            self.assertEqual(self.packets(), 0)

    def test_withoutMemoryOfFailuresPacketsAreRepeated(self) -> None:
        """
        Without both memories of failures, a repeated look-up searches again.
        """
        self.patch(Failures, "find", lambda failures, key, now: None)
        self.patch(NameServer, "failed", lambda server, now: None)
        self.look("www.a.test")
        self.look("www.a.test")
        self.assertGreater(self.work.lookups, 1)

    def test_withoutDetectionOnlyTheDepthEndsIt(self) -> None:
        """
        Without coalescing, which detects the circle, it ends with the seventh look-up inside of others.
        """

        def straight(coalescing: CoalescingSource, question: Question, context: QueryContext) -> Answer | Start | None:
            return coalescing._inner.ask(question, context)

        self.patch(CoalescingSource, "ask", straight)
        self.assertIsInstance(self.look("www.a.test"), WorkSpent)
        self.assertEqual(self.packets(), 4)


class DepthTests(RecursingTestCase):
    """
    Tests of zones whose only name server is in the next zone.
    """

    def setUp(self) -> None:
        super().setUp()
        for number in range(12):
            server = f"ns.z{number + 1}.test"
            self.internet.zone(f"z{number}.test", "www A 192.0.2.1", [server], delegation=Delegation(glue={server: []}))
        self.internet.zone("z12.test", "")
        self.start()

    def test_sevenLevelsAreFollowed(self) -> None:
        """
        A name is resolved that takes look-ups inside of each other to the seventh level; one that takes more is not, and the fault is that
        of the look-up, not of the name servers in between.
        """
        found = self.look("www.z0.test")
        self.assertIsInstance(found, WorkSpent)
        self.assertIn("more than 7 look-ups inside", str(found))
        self.assertLess(self.packets(), 15)
        self.assertEqual(addressesIn(self.look("www.z6.test")), ["192.0.2.1"])

    def test_withoutLimitAllLevelsAreFollowed(self) -> None:
        """
        Without the limit, all of them are followed.
        """
        self.patch(source, "_DEPTH", ENDLESS)
        self.assertEqual(addressesIn(self.look("www.z0.test")), ["192.0.2.1"])


class AliasTests(RecursingTestCase):
    """
    Tests of aliases.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("one.test", "loop CNAME loop.two.test.\nself CNAME self\nd DNAME d.d")
        self.internet.zone("two.test", "loop CNAME loop.one.test.")
        self.start()

    def test_loopsEnd(self) -> None:
        """
        Loops of aliases end: from zone to zone, at one name, and with a DNAME record that makes the name longer each time.
        """
        for name, most in (("loop.one.test", 6), ("self.one.test", 1), ("x.d.one.test", 100)):
            self.look(name)
            self.assertLessEqual(self.packets(), most, name)
            self.look(name)
            self.assertLessEqual(self.packets(), 1, name)


class StubbornTests(RecursingTestCase):
    """
    Tests of a server that refuses every query in a way that asks for another one.
    """

    def setUp(self) -> None:
        super().setUp()
        self.internet.zone("a.test", "www A 192.0.2.1", ["ns.a.test"])
        self.start()
        self.look("x.test")

    def refusing(self, rcode: int) -> None:
        """
        Have the server reply with an rcode, over UDP and TCP.
        """

        def tamper(octets: bytes, transport: str) -> list[bytes]:
            message = Message.fromWire(octets)
            edns = EDNS(1232, extendedRcode=rcode >> 4)
            return [buildMessage(Message(message.id, QR | rcode & 15, message.questions, edns=edns))]

        self.internet.servers[nameFromText("ns.a.test")].tamper = tamper

    def test_queryIsRepeatedThreeTimesAtMost(self) -> None:
        """
        A server that always replies BADCOOKIE, FORMERR, BADVERS, SERVFAIL, NOTIMP or REFUSED gets the query again three times at most, and
        then not for a while.
        """
        for number, rcode in enumerate((Rcode.BADCOOKIE, Rcode.FORMERR, Rcode.BADVERS, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED)):
            self.refusing(rcode)
            name = f"www{number}.a.test"
            self.assertIsInstance(self.look(name), ServerFailed)
            self.assertLessEqual(self.packets("a.test"), 4, rcode)
            self.internet.advance(4)
            self.assertIsInstance(self.look(name), ServerFailed)
            self.assertEqual(self.packets(), 0)

    def test_oddServersEnd(self) -> None:
        """
        So it is with servers whose replies do not match, are truncated, or lead nowhere.
        """
        faults = (Fault.GARBAGE, Fault.WRONG_ID, Fault.WRONG_QUESTION, Fault.NO_QUESTION, Fault.LAME_UPWARD, Fault.SELF_REFERRAL)
        for number, fault in enumerate(faults):
            self.start()
            self.look("x.test")
            self.internet.inject(fault, "a.test")
            self.assertIsInstance(self.look(f"www{number}.a.test"), DNSFault)
            self.assertLessEqual(self.packets("a.test"), 4, fault)
            self.internet.clear()

    def test_withoutMemoryItIsAskedAgain(self) -> None:
        """
        Without the memory of failures, the server is queried each time.
        """
        self.patch(Failures, "find", lambda failures, key, now: None)
        self.refusing(Rcode.SERVFAIL)
        for _ in range(2):
            self.look("www.a.test")
            self.assertGreater(self.packets("a.test"), 0)


class OwnAddressTests(RecursingTestCase):
    """
    Tests of delegations to addresses that no server on the Internet has, or that are the resolver's own.
    """

    families = (4, 6)

    def refused(self, address: str, usable: Callable[[str], bool] | None) -> tuple[Answer | DNSFault, int]:
        """
        Resolve a name whose zone has its only server at an address.

        @return: the result, and how many packets were sent there.
        """
        server = "ns.sub.attacker.test"
        self.refer("attacker.test", "sub.attacker.test", [server], {server: [address]})
        self.start(usable=usable)
        found = self.look("x.sub.attacker.test")
        return found, self.sentTo(address)

    def test_ownAndLocalAddressesAreNotQueried(self) -> None:
        """
        No packet is sent to this host, to networks without hosts, or to multicast groups.
        """
        self.internet.zone("attacker.test", "")
        usable = ListenAddresses(("192.0.2.77",), 53).guarding(usableFor([]))
        for address in ("127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::1", "::", "ff02::1",
                        "::ffff:127.0.0.1", "192.0.2.77"):  # fmt: skip
            found, packets = self.refused(address, usable)
            self.assertIsInstance(found, DNSFault)
            self.assertEqual(packets, 0, address)

    def test_withoutListTheyAreQueried(self) -> None:
        """
        Without the list, they are.
        """
        self.internet.zone("attacker.test", "")
        for address in ("127.0.0.1", "192.0.2.77"):
            self.assertGreater(self.refused(address, None)[1], 0)

    def test_otherServersOfTheZoneAreQueried(self) -> None:
        """
        A zone with one such address and a usable one is resolved.
        """
        self.internet.zone("both.test", "www A 192.0.2.5", ["ns.both.test"])
        (address, _) = self.internet.servers[nameFromText("ns.both.test")].addresses
        self.internet.delegate("both.test", Delegation(glue={"ns.both.test": ["127.0.0.1", address]}))
        self.start(usable=usableFor([]))
        self.assertEqual(addressesIn(self.look("www.both.test")), ["192.0.2.5"])
        self.assertEqual(self.sentTo("127.0.0.1"), 0)
