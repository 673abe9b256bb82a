"""
Attack 26 on forwarders: foreign names that lead to addresses inside the network, or to the server itself (DNS rebinding, 2007 and after;
CVE-2026-50251).
"""

from __future__ import annotations

from typing import Final

from tests.attacks.whole import US, WholeServerTestCase
from tests.queries import optOf, queryOf
from tests.wire.shown import optionsOf
from twisted_ext import outcomes
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.resolver.policy.rebinding import RebindingLog, StopRebinding
from twisted_ext.server.service import ServerService
from twisted_ext.testing.servers import Reply
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.options import ExtendedError

OTHER = nameFromText("other.evil.test.example")

#: Records that lead inside, by name and type.
INSIDE: Final[dict[tuple[str, str], Reply]] = {
    ("zero", "A"): "0.0.0.0",
    ("loopback", "A"): "127.0.0.1",
    ("loop", "A"): "127.1.2.3",
    ("ten", "A"): "10.0.0.1",
    ("shared", "A"): "100.64.0.1",
    ("link", "A"): "169.254.169.254",
    ("office", "A"): "172.16.3.4",
    ("home", "A"): "192.168.1.1",
    ("among", "A"): ["192.0.2.1", "192.168.1.1"],
    ("zero6", "AAAA"): "::",
    ("loopback6", "AAAA"): "::1",
    ("unique", "AAAA"): "fd00::1",
    ("link6", "AAAA"): "fe80::1",
    ("mapped", "AAAA"): "::ffff:192.168.1.1",
    ("translated", "AAAA"): "64:ff9b::a00:1",
    ("hint", "HTTPS"): "1 . ipv4hint=10.0.0.1",
    ("alias", "A"): [rrsetOf(nameFromText("alias.evil.test.example"), 5, "other.evil.test.example."), rrsetOf(OTHER, 1, "10.0.0.1")],
    # A record beside the answer, which some clients would use.
    ("beside", "A"): [rrsetOf(OTHER, 1, "10.0.0.1")],
}


class RebindingTests(WholeServerTestCase):
    """
    Tests with an upstream that serves the attacker's zone.
    """

    def setUp(self) -> None:
        super().setUp()
        for (label, rrType), reply in INSIDE.items():
            self.upstream.set(f"{label}.evil.test.example", rrType, reply)

    def replyFor(self, name: str, rrType: str = "A") -> Message:
        """
        Return the reply to a client with EDNS.
        """
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(name, rrType, opt=optOf()), (US, 53))
        self.network.advance(1)
        return Message.fromWire(self.client.got[-1]).check()

    def labelsThatLeadInside(self) -> list[str]:
        """
        Return the labels that lead a client inside.
        """
        return [label for label, rrType in INSIDE if self.replyFor(f"{label}.evil.test.example", rrType).answer]

    def logLines(self) -> list[str]:
        """
        Return the lines of the log about rebinding.
        """
        return [str(event.get("name")) for event in self.said if "held back" in str(event.get("log_format"))]

    def test_insideAddressesAreHeldBack(self) -> None:
        """
        The filter holds back all of these addresses, the first time and later, over UDP and TCP. Other answers pass.
        """
        service = self.run_(stopRebinding=True)
        for _ in range(3):
            self.assertEqual(self.labelsThatLeadInside(), [])
        self.assertEqual(self.byStream(service, "home.evil.test.example").rcode, Rcode.REFUSED)
        self.assertEqual(self.addressOf(), "192.0.2.80")

    def byStream(self, service: ServerService, name: str) -> Message:
        """
        Return the reply over TCP.
        """
        sent: list[bytes] = []
        service.frontend.responder.take(queryOf(name), ("192.168.0.9", 4000), "tcp", sent.append)
        self.network.advance(0.2)
        return Message.fromWire(sent[0])

    def test_withoutFilterAllPass(self) -> None:
        """
        Without the filter, which is the default, all of them pass, even records beside the answer where those are not left out.
        """
        self.patch(outcomes, "relevant", lambda question, answer: answer)
        self.run_()
        self.assertEqual(self.labelsThatLeadInside(), [label for label, _ in INSIDE])

    def test_recordsBesideTheAnswerAreFiltered(self) -> None:
        """
        Records beside the answer would pass if only the answer was examined.
        """
        passed = StopRebinding._passed

        def answersAlone(source: StopRebinding, answer: Answer, question: Question, context: QueryContext) -> Answer:
            return answer if answer.outcome.value != "data" else passed(source, answer, question, context)

        self.patch(StopRebinding, "_passed", answersAlone)
        self.patch(outcomes, "relevant", lambda question, answer: answer)
        self.run_(stopRebinding=True)
        self.assertEqual(self.labelsThatLeadInside(), ["beside"])

    def test_refusalIsExplainedAndLogged(self) -> None:
        """
        The client gets the reason. The log has the name, address and server, once per second at most, with a count of the others.
        """
        self.run_(stopRebinding=True)
        message = self.replyFor("home.evil.test.example")
        (error,) = [option for option in optionsOf(message.edns) if isinstance(option, ExtendedError)]
        self.assertEqual((message.rcode, error.infoCode), (Rcode.REFUSED, 17))
        self.assertIn("rebinding", error.extraText)
        (event,) = [event for event in self.said if "held back" in str(event.get("log_format"))]
        said = (event["name"], event["address"], event["server"], event["more"])
        self.assertEqual(said, ("home.evil.test.example.", "192.168.1.1", "192.0.2.53:53", ""))
        self.network.advance(1)
        self.flood(["ten.evil.test.example", "office.evil.test.example", "link.evil.test.example"] * 100)
        self.network.advance(1)
        self.replyFor("loop.evil.test.example")
        self.assertEqual(len(self.logLines()), 3)
        self.assertIn("299 more", str([event["more"] for event in self.said if event.get("name") == "loop.evil.test.example."]))

    def test_withoutPauseTheLogIsFlooded(self) -> None:
        """
        Without the pause an attacker could write any number of lines.
        """
        self.patch(RebindingLog, "PAUSE", 0.0)
        self.run_(stopRebinding=True)
        self.flood(["ten.evil.test.example", "office.evil.test.example", "link.evil.test.example"] * 100)
        self.network.advance(1)
        self.assertEqual(len(self.logLines()), 300)

    def test_allowedDomainsMayLeadInside(self) -> None:
        """
        Allowed domains, routed domains and local records may lead inside. Their neighbors may not.
        """
        inside, server = self.serve("192.168.0.53", {("www.corp.test.example", "A"): "10.0.0.1"})
        self.upstream.set("www.partner.test.example", "A", "10.0.0.2")
        self.upstream.set("www.notpartner.test.example", "A", "10.0.0.3")
        self.run_(
            stopRebinding=True,
            rebindingAllow=["partner.test.example"],
            route={"corp.test.example": server.label},
            local=["router.test.example A 10.0.0.4"],
            loopDetection=False,
        )
        for name, address in (("www.partner.test.example", 2), ("www.corp.test.example", 1), ("router.test.example", 4)):
            self.assertEqual(self.addressOf(name), f"10.0.0.{address}")
        self.assertEqual(self.replyFor("www.notpartner.test.example").rcode, Rcode.REFUSED)
        self.assertEqual(len(inside.asked), 1)

    def test_filterDoesNotAffectOtherNames(self) -> None:
        """
        The filter does not affect other names: they stay cached, and the packet cache answers them.
        """
        service = self.run_(stopRebinding=True)
        for _ in range(4):
            self.addressOf()
        asked, beyond = len(self.upstream.asked), service.counters.udpBeyond
        self.labelsThatLeadInside()
        self.assertEqual(len(self.upstream.asked) - asked, len(INSIDE))
        beyond = service.counters.udpBeyond
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.assertEqual((service.counters.udpBeyond, len(self.upstream.asked)), (beyond, asked + len(INSIDE)))

    def test_addressesInAnswersAreNotQueried(self) -> None:
        """
        Addresses of name servers in answers are never queried, not even the server's own.
        """
        zone = nameFromText("evil.test.example")
        servers = [rrsetOf(zone, 2, ["ns.evil.test.example.", "us.evil.test.example."])]
        self.upstream.set("lost.evil.test.example", "A", servers)
        self.upstream.set("ns.evil.test.example", "A", ["127.0.0.1", US])
        self.upstream.set("us.evil.test.example", "A", US)
        service = self.run_()
        assert service.watchdog is not None
        # The watchdog queries this server too.
        service.watchdog.stop()
        self.replyFor("ns.evil.test.example")
        for number in range(3):
            self.replyFor("lost.evil.test.example")
            self.replyFor(f"x{number}.evil.test.example")
        asked = {place for place in self.network.sent if place[1] == 53}
        self.assertEqual(asked, {("192.0.2.53", 53), (US, 53)})
        # Queries to the server's own address are the client's only.
        self.assertEqual(self.network.sent[US, 53], 7)
