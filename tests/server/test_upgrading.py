"""
Tests of the settings C{upgrade-upstreams} and C{upgrade-unverified}.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

from tests.certificates import written
from tests.networks import WWW
from tests.server.sources.test_sources import StackCase
from tests.server.stacks import reloadStack
from tests.transport.tlsservers import ServerTLS, leaf
from twisted_ext.apps.cli.server.report import upstreamLines
from twisted_ext.errors import BadDescription, Unreachable
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.server.sources.upstreamfigures import upstreamsOf
from twisted_ext.testing.servers import CannedServer

_HERE = "_dns.resolver.arpa"


class UpgradingTests(StackCase):
    """
    Tests with plain servers that designate encrypted ones.
    """

    def setUp(self) -> None:
        super().setUp()
        folder = Path(self.mktemp())
        folder.mkdir()
        environment = patch.dict(os.environ, SSL_CERT_FILE=str(written(folder)))
        environment.start()
        self.addCleanup(environment.stop)

    def designating(self, address: str, name: str = "") -> CannedServer:
        """
        Start a server that designates itself.

        @param name: what its certificate is for; C{""} for its address.
        """
        record = f"1 dns.example. alpn=dot ipv4hint={address}"
        canned, _ = self.serve(address, {**WWW, (".", "NS"): "ns.example.", (_HERE, "SVCB"): record})
        there = self.network.hostAt(address)
        assert there is not None
        canned.listenTLS(there, ServerTLS(leaf(name or address)))
        return canned

    def transportsOf(self, canned: CannedServer) -> set[str]:
        """
        Return how a server was asked for names other than that of the discovery.
        """
        return {asked.transport for asked in canned.asked if b"resolver" not in asked.question.name.lower()}

    def described(self, stack: ForwardStack) -> str:
        """
        Return the line about upgraded servers.
        """
        return next((line for line in stack.path() if line.startswith("upgrade: ")), "")

    def test_offByDefault(self) -> None:
        """
        Without the setting, no server is asked what it designates.
        """
        canned = self.designating("192.0.2.53")
        stack = self.stack(upstream="192.0.2.53")
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in canned.asked], ["udp"])
        self.assertEqual(self.described(stack), "")

    def test_plainUpstreams(self) -> None:
        """
        Plain upstreams are asked encrypted, whether they are given by address or description, one or several; the path says so, and so do
        the figures.
        """
        for number, form in enumerate(("{}", "udp:{}", "tcp:{}", "udp:{}:mixCase=yes")):
            address = f"192.0.2.{53 + number}"
            canned = self.designating(address)
            stack = self.stack(upstream=form.format(address), upgradeUpstreams="yes")
            self.assertEqual(self.described(stack), f"upgrade: {address}:53: not yet asked what it designates")
            self.assertEqual(self.find(stack), ["192.0.2.80"])
            self.assertEqual(self.transportsOf(canned), {"tls"}, form)
            self.assertEqual(self.described(stack), f"upgrade: {address}:53 by dot at dns.example:853, verified as {address}")
            rows = {each["server"]: each for each in upstreamsOf(stack, self.here.seconds())}
            self.assertEqual(rows[f"{address}:853"]["way"], "tls")
            said = rows[f"{address}:853"]["upgrade"]
            self.assertEqual(said, f"{address}:53 by dot at dns.example:853, verified as {address}")
            self.assertIn(said, [*upstreamLines({"upstreams": [rows[f"{address}:853"]]})][0])

    def test_severalAddresses(self) -> None:
        """
        Each of several addresses in one description is asked for its own designations.
        """
        one, other = self.designating("192.0.2.53"), self.designating("192.0.2.54")
        other.set("host.test.example", "A", "192.0.2.81")
        stack = self.stack(upstream="udp:192.0.2.53,192.0.2.54", upgradeUpstreams="require")
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        one.close()
        self.network.advance(1)
        self.assertEqual(self.find(stack, "host.test.example"), ["192.0.2.81"])
        self.assertEqual(self.transportsOf(one) | self.transportsOf(other), {"tls"})

    def test_fallingBack(self) -> None:
        """
        A server that cannot prove its address is asked in the clear with C{yes}, and not at all with C{require}.
        """
        canned = self.designating("192.0.2.53", "dns.example")
        stack = self.stack(upstream="192.0.2.53", upgradeUpstreams="yes")
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(self.transportsOf(canned), {"udp"})
        self.assertIn("192.0.2.53:53: in the clear, dot at dns.example:853: ", self.described(stack))
        canned.asked.clear()
        strict = self.stack(upstream="192.0.2.53", upgradeUpstreams="require")
        fault = self.fault(strict)
        self.assertIsInstance(fault, Unreachable)
        self.assertNotIn("\n", str(fault))
        self.assertEqual(self.transportsOf(canned), set())
        self.assertIn("192.0.2.53:53: not asked, ", self.described(strict))

    def test_changedFile(self) -> None:
        """
        The servers of resolv.conf are upgraded, and those that it names later prove themselves anew.
        """
        one, other = self.designating("192.0.2.53"), self.designating("192.0.2.54")
        path = self.file("nameserver 192.0.2.53\n")
        stack = self.stack(resolvConf=path, upgradeUpstreams="require")
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(self.transportsOf(one), {"tls"})
        Path(path).write_text("nameserver 192.0.2.54\noptions attempts:3\n")
        for _ in range(3):
            self.network.advance(2)
            stack.look()
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(self.transportsOf(other), {"tls"})
        self.assertIn("192.0.2.54:53 by dot", self.described(stack))
        self.assertNotIn("192.0.2.53", self.described(stack))

    def test_unverified(self) -> None:
        """
        A router that cannot prove its private address is asked encrypted if the second setting says so, and never with C{require}.
        """
        for number, (upgrade, unverified, expected) in enumerate(
            (("yes", False, {"udp"}), ("yes", True, {"tls"}), ("require", True, set()), ("no", True, {"udp"})), 1
        ):
            canned = self.designating(f"192.168.1.{number}", "router.lan")
            stack = self.stack(upstream=f"192.168.1.{number}", upgradeUpstreams=upgrade, upgradeUnverified=unverified)
            self.ask(stack).addErrback(lambda _: None)
            self.network.advance(6)
            self.assertEqual(self.transportsOf(canned), expected, (upgrade, unverified))

    def test_othersStay(self) -> None:
        """
        Encrypted upstreams and routes are as their descriptions say.
        """
        canned = self.designating("192.0.2.53")
        stack = self.stack(upstream="tls:192.0.2.53", route="test.example=192.0.2.53", upgradeUpstreams="require")
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual([asked.transport for asked in canned.asked], ["udp"])
        self.assertEqual(self.described(stack), "")

    def test_reload(self) -> None:
        """
        A reload applies the setting.
        """
        canned = self.designating("192.0.2.53")
        stack = self.stack(upstream="192.0.2.53")
        reloadStack(stack, Settings.of(hostsFile="", upstream=["192.0.2.53"], upgradeUpstreams="yes"))
        self.assertEqual(self.find(stack), ["192.0.2.80"])
        self.assertEqual(self.transportsOf(canned), {"tls"})

    def test_wrongWord(self) -> None:
        """
        Another word is an error that lists the right ones.
        """
        error = self.assertRaises(BadDescription, self.stack, upstream="192.0.2.53", upgradeUpstreams="always")
        self.assertIn("require", str(error))
