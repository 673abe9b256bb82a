"""
A server that protects its clients against DNS rebinding.
"""

from __future__ import annotations

from tests.server.sources.test_sources import StackCase
from tests.server.test_service import ServiceCase
from twisted_ext.errors import Refused
from twisted_ext.server.config.settings import Settings
from twisted_ext.wire.codes import Rcode


class RebindingTests(StackCase):
    def test_privateAddressesAreBlocked(self) -> None:
        """
        The rebinding filter blocks private addresses from upstreams, except for allowed domains; without it they are returned.
        """
        _, server = self.serve(records={("evil.test.example", "A"): "192.168.1.1"})
        self.assertEqual(self.find(self.stack(upstream=server.label), "evil.test.example"), ["192.168.1.1"])
        guarded = self.stack(upstream=server.label, stopRebinding=True)
        self.assertIsInstance(self.fault(guarded, "evil.test.example"), Refused)
        allowed = self.stack(upstream=server.label, stopRebinding=True, rebindingAllow=["test.example"])
        self.assertEqual(self.find(allowed, "evil.test.example"), ["192.168.1.1"])

    def test_stubsMayHavePrivateAddresses(self) -> None:
        """
        Domains with a route may have private addresses, and so may those with a stub where there are some: in a recursive resolver.
        """
        values = {"route": {"corp.example": "udp:192.0.2.1"}, "stub": {"lab.example": "192.0.2.2"}}
        corp, lab = b"\x04corp\x07example\x00", b"\x03lab\x07example\x00"
        self.assertEqual(Settings.of(**values).routedDomains(), [corp])
        self.assertEqual(Settings.of(**values, role="recurse").routedDomains(), [corp, lab])

    def test_routesMayBeGuarded(self) -> None:
        """
        Domains with a route may have private addresses, unless rebinding-routes is false.
        """
        _, server = self.serve(records={("a.corp.example", "A"): "192.168.1.1"})
        given: dict[str, object] = {"upstream": server.label, "route": {"corp.example": f"udp:{server.label}"}, "stopRebinding": True}
        self.assertEqual(self.find(self.stack(None, **given), "a.corp.example"), ["192.168.1.1"])
        self.assertIsInstance(self.fault(self.stack(None, rebindingRoutes=False, **given), "a.corp.example"), Refused)

    def test_path(self) -> None:
        """
        It stands behind block lists, and before the cache; the domains that are excepted are named.
        """
        path = self.stack(block=["ads.example"], stopRebinding=True, rebindingAllow=["a.example", "b.example"], filterA=True).path()
        step = path.index("rebinding: no private addresses from upstreams, but for a.example., but for b.example.")
        self.assertTrue(path[step - 1].startswith("block"), path)
        self.assertTrue(path[step + 1].startswith("filter"), path)
        self.assertNotIn("rebinding", str(self.stack(rebindingAllow=["a.example"]).path()))


class RebindingReloadTests(ServiceCase):
    def test_reload(self) -> None:
        """
        A reload switches it on and off.
        """
        self.upstream.set("evil.test.example", "A", "10.0.0.1")
        service = self.run_()
        for on, rcode in ((False, Rcode.NOERROR), (True, Rcode.REFUSED), (False, Rcode.NOERROR)):
            service.goOverTo(self.settings(stopRebinding=on))
            reply = self.asked("evil.test.example")
            assert reply is not None
            self.assertEqual(reply.rcode, rcode)
