"""
Tests of policy zones with rules about servers, in a simulated internet.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from tests.networks import textsOf
from tests.resolver.policy.zones.test_verdict import Row, zonesOf
from tests.server.features.policyzones.test_feature import ZoneCase
from tests.server.sources.test_recursor import RecursingCase
from tests.server.stacks import featuresOf
from twisted_ext.answers import Outcome
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.policy.zones.reading import ownerOf
from twisted_ext.resolver.policy.zones.rules import SERVER_ADDRESS
from twisted_ext.server.features.policyzones.inforce import AppliedZones
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.wire.names import nameFromText


class RulesAboutServersTests(RecursingCase):
    """
    Rules where names are resolved from the root.
    """

    def setUp(self) -> None:
        super().setUp()
        records = "www 30000 A 192.0.2.66\nnear 300 CNAME www.good.example."
        evil = self.internet.zone("evil.example", records, servers=["ns.rented.example"], signed=False)
        self.address = next(each for each in evil.servers[0].addresses if ":" not in each)
        self.internet.zone("sub.evil.example", "www 300 A 192.0.2.68", servers=["ns.sub.evil.example"], signed=False)
        networks = [ip_network(each) for each in evil.servers[0].addresses]
        owners = [ownerOf(SERVER_ADDRESS, b"", False, (each.prefixlen, each.network_address.packed)) for each in networks]
        self.near = [Row(owner, "CNAME", ".") for owner in owners]

    def ruled(self, *rows: Row, **values: object) -> ForwardStack:
        """
        Return a stack that applies a policy zone with these rules.
        """
        stack = self.stack(policyZone=["zone0=feed.zone"], policyZones="zone0", **values)
        self.rule(stack, *rows)
        return stack

    def rule(self, stack: ForwardStack, *rows: Row) -> None:
        """
        Put other rules in force.
        """
        applied = featuresOf(stack).active["policyzones"]
        assert isinstance(applied, AppliedZones)
        applied.policy.use(zonesOf(list(rows)))

    def found(self, stack: ForwardStack, *names: str) -> list[str]:
        """
        Return the address of each name, or what else becomes of it.
        """
        said: list[str] = []
        for name in names:
            try:
                answer = self.look(stack, name)
            except DNSFault as fault:
                said.append(type(fault).__name__)
            else:
                said.append("nxdomain" if answer.outcome is Outcome.NXDOMAIN else " ".join(textsOf(answer)))
        return said

    def test_names(self) -> None:
        """
        A name is denied whose zone, or one above it, is on a server with such a name; so is what an alias leads to.
        """
        stack = self.ruled(Row("*.rented.example.rpz-nsdname", "CNAME", "."))
        names = ("www.evil.example", "no.evil.example", "www.sub.evil.example", "near.evil.example", "www.good.example")
        self.assertEqual(self.found(stack, *names), [*["nxdomain"] * 4, "192.0.2.80"])
        self.rule(stack, Row("ns.sub.evil.example.rpz-nsdname", "CNAME", "."), Row("*.good.example.rpz-nsdname", "CNAME", "."))
        self.assertEqual(self.found(stack, *names), ["192.0.2.66", "nxdomain", "nxdomain", "nxdomain", "nxdomain"])
        # Nobody denies all that is below the root, or com.
        self.rule(stack, Row("*.rpz-nsdname", "CNAME", "rpz-drop."))
        self.assertEqual(self.found(stack, "www.example", "nosuch"), ["nxdomain", "nxdomain"])

    def test_addresses(self) -> None:
        """
        So is one on a server with such an address, also from the cache when all that is known of the zone's servers is which one has sent
        the answer.
        """
        stack = self.ruled()
        names = ("www.evil.example", "www.good.example")
        self.assertEqual(self.found(stack, *names), ["192.0.2.66", "192.0.2.80"])
        self.rule(stack, *self.near)
        self.assertEqual(self.found(stack, *names), ["nxdomain", "192.0.2.80"])
        recursor = stack.recursor
        assert recursor is not None
        sent = len(self.internet.exchanges)
        recursor.forget()
        self.assertEqual(recursor.serversOf(nameFromText("www.evil.example"), None), ([], []))
        self.assertEqual(self.found(stack, "www.evil.example"), ["nxdomain"])
        self.assertEqual(len(self.internet.exchanges), sent)

    def test_afterTheDelegation(self) -> None:
        """
        The servers of a zone are known for longer than its delegation is used.
        """
        stack = self.ruled()
        self.found(stack, "www.evil.example", "www.good.example")
        recursor = stack.recursor
        assert recursor is not None
        names, addresses = recursor.serversOf(nameFromText("www.evil.example"), None)
        self.assertEqual({*names}, {nameFromText("ns.rented.example")})
        self.assertIn(ip_address(self.address).packed, addresses)
        self.internet.network.advance(100_000)
        self.assertEqual(recursor.serversOf(nameFromText("www.evil.example"), None)[0], names)
        self.assertEqual(recursor.delegations(nameFromText("example"))["delegations"], [])

    def test_routes(self) -> None:
        """
        They are not about upstreams: names that have one of their own are looked up as ever.
        """
        stack = self.ruled(Row("0.0.0.0.0.rpz-nsip", "CNAME", "."), route={"corp.test": f"udp:{self.address}"})
        self.internet.zone("corp.test", "www 300 A 192.0.2.69", servers=["ns.rented.example"], signed=False)
        self.assertEqual(self.found(stack, "www.corp.test", "www.good.example"), ["192.0.2.69", "nxdomain"])


class ForwardedTests(ZoneCase):
    def test_withoutEffect(self) -> None:
        """
        A forwarder does not know the servers, and says once that such rules have no effect.
        """
        self.upstream.set("www.example", "A", "192.0.2.80")
        former = self.zone.read_text()
        self.zone.write_text("$TTL 60\n@ SOA . . 1 1 1 1 1\n@ NS .\n*.rpz-nsdname CNAME .\n0.0.0.0.0.rpz-nsip CNAME .\n")
        (self.folder / "names.zone").write_text(former.replace("32.80.2.0.192.rpz-ip", "x"))
        names = {"name": "names", "zone": "rpz.test", "file": str(self.folder / "names.zone")}
        self.service = self.run_(policyZone=[self.feed, names], policyZones=["feed", "names"])
        self.finish()
        # A rule about a name of a later zone waits for no answer.
        asked = len(self.upstream.asked)
        reply = self.asked("bad.example")
        assert reply is not None
        self.assertEqual((reply.flags & 15, len(self.upstream.asked)), (3, asked))
        self.network.advance(0.1)
        for turn in range(2):
            reply = self.asked("www.example")
            assert reply is not None
            self.assertEqual((reply.flags & 15, len(reply.answer)), (0, 1))
            said = [line for line in self.logged if "rules about servers" in line]
            self.assertEqual(len(said), 1)
            self.assertIn("(rpz-nsdname, rpz-nsip) have no effect: upstreams do not tell which servers their answers came from", said[0])
            self.zone.write_text(self.zone.read_text() + f"x{turn}.example CNAME .\n")
            self.network.advance(3.0)
            if not turn:
                self.finish()

