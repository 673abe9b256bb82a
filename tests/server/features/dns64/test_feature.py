"""
A server for a network without IPv4.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.networks import textsOf
from tests.server.sources.test_recursor import RecursingCase
from tests.server.sources.test_sources import StackCase
from tests.server.views.served import Served, queryFor, tableOf
from twisted_ext.answers import Outcome, Security
from twisted_ext.errors import BadDescription, TrustFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.rdata.registry import rdataToText


class DNS64Tests(StackCase):
    def test_addressesFromUpstreams(self) -> None:
        """
        Names of upstreams that have IPv4 addresses only get others, those that are known here do not; an alias to such a name does, too.
        """
        canned, server = self.serve()
        canned.set("four.test.example", "A", "192.0.2.9")
        canned.set("four.test.example", "AAAA", [])
        canned.set("six.test.example", "AAAA", "2001:db8::9")
        stack = self.stack(upstream=server.label, dns64=["64:ff9b::/96"], local=["own.lan A 192.0.2.1"])
        for _ in range(2):
            self.assertEqual(self.find(stack, "four.test.example", "AAAA"), ["64:ff9b::c000:209"])
            self.assertEqual(self.find(stack, "six.test.example", "AAAA"), ["2001:db8::9"])
            self.assertEqual(self.find(stack, "four.test.example", "A"), ["192.0.2.9"])
            self.assertEqual(self.find(stack, "own.lan", "AAAA"), [])
        self.assertEqual(self.find(stack, "ipv4only.arpa", "AAAA"), ["64:ff9b::c000:aa", "64:ff9b::c000:ab"])
        self.assertIn("nat64: ipv4only.arpa, and the names of addresses in 64:ff9b::/96", stack.path())
        self.assertIn("dns64: names without IPv6 addresses have some in 64:ff9b::/96", stack.path())

    def test_namesOfAddressesInThisNetwork(self) -> None:
        """
        The name of an address with the prefix is found where that of the IPv4 address is known: here.
        """
        _, server = self.serve()
        stack = self.stack(upstream=server.label, dns64=["2001:db8:1::/96"], local=["printer.lan A 192.168.1.9"])
        name = "9.0.1.0.8.a.0.c.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        self.assertEqual(self.find(stack, name, "PTR"), ["9.1.168.192.in-addr.arpa.", "printer.lan."])

    def test_settingsThatContradict(self) -> None:
        """
        Without IPv4 addresses there is nothing to make others from.
        """
        _, server = self.serve()
        with self.assertRaisesRegex(BadDescription, "filter-a removes the addresses from which dns64 makes others"):
            self.stack(upstream=server.label, dns64=["64:ff9b::/96"], filterA=True)

    def test_prefixesOfNoNAT64(self) -> None:
        """
        A prefix that no NAT64 has is an error with what would be right.
        """
        for text, said in (("64:ff9b::/95", "has 32, 40, 48, 56, 64 or 96 bits"), ("2001:db8:0:0:100::/96", "bits 64 to 71")):
            with self.assertRaisesRegex(BadDescription, f"dns64 takes the prefix of a NAT64, such as 64:ff9b::/96; .*{said}"):
                Settings.of(dns64=[text])


def _answers(server: Served, name: str, rrType: str = "AAAA", number: int = 1) -> list[str]:
    message = server.ask(queryFor(name, rrType, number), "10.0.0.5")
    assert message is not None
    return [rdataToText(rrset.rrType, rdata) for rrset in message.answer for rdata in rrset.rdatas]


@pytest.mark.parametrize(("reply", "addresses"), [("null", ["::"]), ("nxdomain", []), ("192.0.2.7", [])])
def test_blockedNamesStayBlocked(tmp_path: Path, reply: str, addresses: list[str]) -> None:
    """
    A name whose IPv4 addresses are blocked gets none of IPv6 from them, whether the rule is for these alone or for all, and whatever is
    answered; nor one to which a rule gives an IPv4 address, or whose private address is held back.
    """
    network = MemoryNetwork(seed=1)
    hosts = {"ads": "192.0.2.9", "four": "192.0.2.9", "inside": "10.1.2.3", "own": "192.0.2.9", "free": "192.0.2.9"}
    CannedServer({(f"{host}.example", "A"): address for host, address in hosts.items()}).listen(network.reactor("192.0.2.53"))
    rules = tmp_path / "rules"
    rules.write_text("||ads.example^\n||four.example^$dnsrewrite=nxdomain,dnstype=A\n||own.example^$dnsrewrite=198.51.100.9\n")
    lists = [{"name": "own", "file": str(rules), "rewrite": True}]
    blocking = {"list": lists, "lists": ["own"], "block": ["ads.example"], "blockReply": reply, "stopRebinding": True}
    settings = Settings.of(hostsFile=[], upstream=["192.0.2.53"], dns64=["2001:db8::/96"], **blocking)
    server = Served(network, "192.0.2.7", settings, tableOf(tmp_path / "table", [f"rewrite:own={rules}"]))
    try:
        for number in (1, 2, 3):
            assert _answers(server, "ads.example", number=number) == addresses
            assert _answers(server, "four.example", number=number) == []
            assert _answers(server, "inside.example", number=number) == []
            assert _answers(server, "own.example", number=number) == []
            assert _answers(server, "free.example", number=number) == ["2001:db8::c000:209"]
    finally:
        server.close()
        network.advance(10)


def test_thePacketCacheKeepsWhatIsMade() -> None:
    """
    A repeated query for a made address is answered from the packet cache, with a TTL that goes down, until either answer that it is made
    from ends; the count goes on with a reload.
    """
    network = MemoryNetwork(seed=1)
    canned = CannedServer({("four.example", "A"): "192.0.2.9"})
    canned.listen(network.reactor("192.0.2.53"))
    settings = {"hostsFile": [], "upstream": ["192.0.2.53"], "dns64": ["64:ff9b::/96"]}
    server = Served(network, "192.0.2.7", Settings.of(**settings))
    try:
        packet = queryFor("four.example", "AAAA")
        ttls: list[int] = []
        for _ in range(6):
            message = server.ask(packet, "10.0.0.5")
            assert message is not None
            ttls.append(message.answer[0].ttl)
            network.advance(2)
        assert ttls[0] - ttls[-1] in (9, 10, 11)
        # The first one came from the upstream; a name is kept when it is seen for the second time from the cache.
        assert server.features.figures()["dns64Made"] == 3
        server.reload(Settings.of(**settings, dns64Failing=True))
        assert server.features.figures()["dns64Made"] == 3
    finally:
        server.close()
        network.advance(10)


class ValidatedTests(RecursingCase):
    def test_signedNamesGetAddresses(self) -> None:
        """
        A name that is proved to have no IPv6 addresses gets some that are as secure as what they are made from.
        """
        stack = self.stack(dns64=["64:ff9b::/96"])
        for _ in range(2):
            answer = self.look(stack, "www.good.example", "AAAA")
            self.assertEqual((answer.outcome, textsOf(answer)), (Outcome.DATA, ["64:ff9b::c000:250"]))
            self.assertIs(answer.security, Security.SECURE)
        answer = self.look(stack, "away.good.example", "AAAA")
        self.assertEqual(textsOf(answer), ["www.plain.example.", "64:ff9b::c000:251"])
        self.assertIsNot(answer.security, Security.SECURE)

    def test_bogusStaysBogus(self) -> None:
        """
        Where it is not proved that there are no IPv6 addresses, none are made, also if failures count as none.
        """
        for failing in (False, True):
            with self.assertRaises(TrustFault):
                self.look(self.stack(dns64=["64:ff9b::/96"], dns64Failing=failing), "www.bad.example", "AAAA")
