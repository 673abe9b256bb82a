"""
Tests of stub zones and routes beside recursion, in one server.
"""

from __future__ import annotations

from tests.networks import textsOf
from tests.server.sources.test_recursor import RecursingCase
from twisted_ext.answers import Outcome, Security
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.recursive import bailiwick
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import DNSKEY, DS


class StubTests(RecursingCase):
    """
    Tests for the setting C{stub}.
    """

    def setUp(self) -> None:
        super().setUp()
        internet = self.internet
        internet.zone("corp.internal-net", "www 300 A 192.0.2.90\nagain 300 A 192.0.2.91", servers=["ns.private.example"])
        internet.delegate("internal-net", None)

    def test_serverByName(self) -> None:
        """
        The servers of a stub zone may be given by name: their addresses are looked up, and again when they have expired.
        """
        stack = self.stack(stub=["corp.internal-net=ns.private.example"])
        self.assertEqual(textsOf(self.look(stack, "www.corp.internal-net")), ["192.0.2.90"])
        self.assertIs(self.look(stack, "no.corp.internal-net").outcome, Outcome.NXDOMAIN)
        self.internet.advance(30 * 86_400)
        self.assertEqual(textsOf(self.look(stack, "again.corp.internal-net")), ["192.0.2.91"])

    def assertNotLeaked(self) -> None:
        """
        Assert that no authoritative server but those of the zone has been asked about its names.
        """
        private = self.internet.server("ns.private.example")
        asked = {each.query.questions[0].key[:-4] for each in self.internet.exchanges if each.server is not private}
        self.assertEqual([name for name in asked if name.endswith(nameFromText("internal-net"))], [])

    def test_nameThatDoesNotResolve(self) -> None:
        """
        If the name has no address, the zone fails, its parent is not asked in its place, and other zones do not fail.
        """
        stack = self.stack(stub=["corp.internal-net=no.good.example"])
        with self.assertRaises(DNSFault):
            self.look(stack, "www.corp.internal-net")
        self.assertNotLeaked()
        self.assertIs(self.security(stack, "www.good.example"), Security.SECURE)

    def test_serverAtAnotherPort(self) -> None:
        """
        A server of a stub zone may have another port; one that does not serve the zone is not asked again.
        """
        right = CannedServer({("www.corp.internal-net", "A"): "192.0.2.92", ("again.corp.internal-net", "A"): "192.0.2.93"})
        lame = CannedServer()
        lame.rcode = 5
        for number, (server, port) in enumerate(((right, 5300), (lame, 5301)), 41):
            server.listen(self.internet.network.reactor(f"198.51.100.{number}"), port)
        stack = self.stack(stub=["corp.internal-net=198.51.100.41:5300", "corp.internal-net=198.51.100.42#5301"])
        self.assertEqual(textsOf(self.look(stack, "www.corp.internal-net")), ["192.0.2.92"])
        self.assertEqual(textsOf(self.look(stack, "again.corp.internal-net")), ["192.0.2.93"])
        self.assertEqual(len(right.asked), 2)

    def test_brokenServerLeavesOthersAlone(self) -> None:
        """
        A stub zone whose servers are dead does not affect names elsewhere, and its parent is not asked in its place.
        """
        self.internet.inject(Fault.DEAD, "ns.private.example")
        stack = self.stack(stub=["corp.internal-net=ns.private.example"])
        with self.assertRaises(DNSFault):
            self.look(stack, "www.corp.internal-net")
        self.assertNotLeaked()
        self.assertIs(self.security(stack, "www.good.example"), Security.SECURE)


class MixedSourcesTests(RecursingCase):
    """
    Tests for routes beside recursion: what one source says of the other's names does not count (MaginotDNS).
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned = CannedServer({("www.lan.example", "A"): "192.0.2.95"})
        server = self.canned.listen(self.internet.network.reactor("198.51.100.40"))
        self.route = [f"lan.example=udp:{server.label}"]

    def test_bothWork(self) -> None:
        """
        Names below a route are asked of its upstream and all others of authoritative servers, with their own security.
        """
        stack = self.stack(route=self.route)
        routed = self.look(stack, "www.lan.example")
        self.assertEqual(textsOf(routed), ["192.0.2.95"])
        self.assertIsNot(routed.security, Security.SECURE)
        self.assertIs(self.security(stack, "www.good.example"), Security.SECURE)
        self.assertEqual({each.question.key[:-4] for each in self.canned.asked}, {nameFromText("www.lan.example")})
        for exchange in self.internet.exchanges:
            self.assertNotIn(b"\x03lan", exchange.query.questions[0].key)

    def test_upstreamOfRouteSaysNothingOfOtherNames(self) -> None:
        """
        Records that an upstream adds for names outside of its route are neither answered nor used by recursion: servers of a zone,
        their addresses, and the target of an alias.
        """
        owner = nameFromText("plain.example")
        false = b"\xc6\x33\x64\x28"
        self.canned.set(
            "www.lan.example",
            "A",
            [
                RRSet(nameFromText("www.lan.example"), 5, 1, 300, (nameFromText("www.plain.example"),)),
                RRSet(nameFromText("www.plain.example"), 1, 1, 300, (false,)),
                RRSet(owner, 2, 1, 86_400, (nameFromText("ns1.plain.example"),)),
                RRSet(nameFromText("ns1.plain.example"), 1, 1, 86_400, (false,)),
            ],
        )
        self.canned.otherwise = [RRSet(nameFromText("www.plain.example"), 1, 1, 300, (false,))]
        stack = self.stack(route=self.route)
        self.assertEqual(textsOf(self.look(stack, "www.lan.example"))[-1], "192.0.2.81")
        self.assertEqual(textsOf(self.look(stack, "www.plain.example")), ["192.0.2.81"])
        asked = {each.question.key[:-4] for each in self.canned.asked}
        self.assertEqual(asked, {nameFromText("www.lan.example")})

    def test_withoutTheDefense(self) -> None:
        """
        If answers are not limited to the domain, the upstream of a route decides where an alias leads.
        """
        self.patch(bailiwick, "scrubbed", lambda question, answer, domain: answer)
        target = nameFromText("www.plain.example")
        alias = RRSet(nameFromText("www.lan.example"), 5, 1, 300, (target,))
        self.canned.set("www.lan.example", "A", [alias, RRSet(target, 1, 1, 300, (b"\xc6\x33\x64\x28",))])
        self.assertEqual(textsOf(self.look(self.stack(route=self.route), "www.lan.example"))[-1], "198.51.100.40")

    def test_authoritativeServersSayNothingOfRoutes(self) -> None:
        """
        An alias that leads from recursion into a route is completed by its upstream, whatever the zone's servers say of its target.
        """
        self.internet.zone("away.example", "www 300 CNAME www.lan.example.", signed=False)
        stack = self.stack(route=self.route)
        found = self.look(stack, "www.away.example")
        self.assertEqual(textsOf(found)[-1], "192.0.2.95")
        self.assertIsNot(found.security, Security.SECURE)

    def test_denialOfTheRouteDoesNotCount(self) -> None:
        """
        The zone above denies the names of a route with a proof, and that proof is not used for them.
        """
        stack = self.stack(route=self.route)
        for name in ("lam.example", "lao.example"):
            self.assertIs(self.look(stack, name).outcome, Outcome.NXDOMAIN)
        self.assertEqual(textsOf(self.look(stack, "www.lan.example")), ["192.0.2.95"])


class ValidatedRoutesTests(RecursingCase):
    """
    Tests for routes that validate: the keys of a domain's parents are found as those of other names are.
    """

    def route(self, domain: str, *addresses: str) -> list[str]:
        """
        Return a route that validates what servers at these addresses answer.
        """
        return [f"{domain}=validate:(udp:{','.join(addresses)}):anchor={self.anchor}"]

    def test_serverThatKnowsOnlyItsOwnZone(self) -> None:
        """
        A server that refuses all other names is insecure below an unsigned parent, with recursion and with another upstream.
        """
        canned = CannedServer({("www.lan.plain.example", "A"): "192.0.2.95"})
        server = canned.listen(self.internet.network.reactor("198.51.100.40"))
        for usual in ({}, {"role": "forward", "upstream": f"recursive:hints={self.hints}:validate=no"}):
            values = usual if not usual else usual | {"rootHints": "", "trustAnchor": []}
            stack = self.stack(route=self.route("lan.plain.example", server.label), **values)
            found = self.look(stack, "www.lan.plain.example")
            self.assertEqual((textsOf(found), found.security), (["192.0.2.95"], Security.INSECURE))
            self.assertEqual({each.question.key[:-4] for each in canned.asked}, {nameFromText("www.lan.plain.example")})
            canned.asked.clear()

    def test_keysInTheDomainAreItsServers(self) -> None:
        """
        Of a signed domain the server of the route is asked for keys, and others for the DS record; a false answer is bogus.
        """
        for name, security in (("good.example", Security.SECURE), ("bad.example", Security.BOGUS)):
            servers = self.internet.zones[nameFromText(name)].servers
            stack = self.stack(route=self.route(name, servers[0].addresses[0]))
            self.internet.exchanges.clear()
            self.assertIs(self.security(stack, f"www.{name}"), security)
            asked = {(each.server in servers, each.query.questions[0].rrType) for each in self.internet.exchanges}
            self.assertIn((True, DNSKEY), asked)
            self.assertIn((False, DS), asked)
            self.assertNotIn((True, DS), asked)

    def test_unsignedDomainBelowASignedOne(self) -> None:
        """
        An answer without signatures is bogus if the parent is signed and does not prove the delegation to be unsigned.
        """
        canned = CannedServer({("www.lan.good.example", "A"): "192.0.2.95"})
        server = canned.listen(self.internet.network.reactor("198.51.100.40"))
        stack = self.stack(route=self.route("lan.good.example", server.label))
        self.assertIs(self.security(stack, "www.lan.good.example"), Security.BOGUS)
