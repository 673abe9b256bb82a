"""
Attack 36: error reports (RFC 9567), which a hostile zone has sent to a domain of its choice (CVE-2026-55973).
"""

from __future__ import annotations

from tests.attacks.validated import ValidatedTestCase
from twisted_ext.errors import TrustFault
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.names import nameFromText


class ReportTests(ValidatedTestCase):
    """
    Tests with a zone that is bogus, and whose servers name a domain for reports.
    """

    def test_nothingIsReportedUnasked(self) -> None:
        """
        A resolver reports nothing unless it is told to, whatever the length of the domain and of the name: neither packets nor faults
        follow from the option.
        """
        self.evil(".".join(["a" * 60] * 3) + " 300 A 192.0.2.66")
        self.internet.zone("agent.example", "* TXT report")
        self.internet.inject(Fault.EXPIRED, "evil.test")
        for agent in (nameFromText("agent.example"), b"\x3f" + b"a" * 63 + nameFromText("agent.example"), b"", b"\xff", bytes(300)):
            for server in self.internet.zones[nameFromText("evil.test")].servers:
                server.agent = agent
            resolver = self.resolver()
            for name in ("www.evil.test", ".".join(["a" * 60] * 3) + ".evil.test"):
                fault = resolver.fault(name)
                self.assertIsInstance(fault, TrustFault)
                self.assertEqual(fault.ede[0][0], 7)
            self.assertEqual(self.asked("agent.example"), [])
