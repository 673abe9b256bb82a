"""
A server that designates its encrypted listeners.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.features.designation import test_feature
from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.server.features.built import Features
from twisted_ext.server.sources.sources import stackFor
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server

_OFFER = Offer.ofListeners("dns.example", [("tls", Server("192.0.2.1", 853))], "/dns-query")
_NAMELESS = Offer.ofListeners("192.0.2.1", [("tls", Server("192.0.2.1", 853))], "/dns-query")


class DesignationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.changes = 0

    def changed(self) -> None:
        self.changes += 1

    def outcomes(self, **values: object) -> tuple[list[Outcome | None], list[str]]:
        """
        Return what a server says of its encrypted listeners before it listens, with some, with some that have no name, and without; and
        the lines of its path for that.
        """
        settings = Settings.of(**{"hostsFile": "", "upstream": "192.0.2.53", **values})
        clock = Clock()
        features = Features(Site(clock, settings, self.changed))
        stack = stackFor(clock, settings, Zones(), features)
        self.addCleanup(stack.close)
        found: list[Outcome | None] = []
        said: list[str] = []
        for offer in (None, _OFFER, _OFFER, _NAMELESS):
            features.listening(offer)
            answer = stack.ask(questionOf("_dns.resolver.arpa", "SVCB"), QueryContext(5.0))
            assert answer is None or isinstance(answer, Answer)
            found.append(None if answer is None else answer.outcome)
            said += [line for line in stack.path() if line.startswith("resolver.arpa")]
        return found, said

    def test_forwarder(self) -> None:
        """
        A server that asks others denies what it does not have, which no upstream could answer.
        """
        found, said = self.outcomes()
        self.assertEqual(found, [Outcome.NODATA, Outcome.DATA, Outcome.DATA, Outcome.NODATA])
        designates = "resolver.arpa: answered here, never forwarded; designates tls://dns.example"
        self.assertEqual(said, ["resolver.arpa: answered here, never forwarded", designates, designates, said[0]])
        self.assertEqual(self.changes, 2)

    def test_serving(self) -> None:
        """
        A server that asks nobody has nothing to say of it without encrypted listeners.
        """
        found, said = self.outcomes(role="serve", tls="192.0.2.1")
        self.assertEqual(found, [None, Outcome.DATA, Outcome.DATA, None])
        self.assertEqual(said, 2 * ["resolver.arpa: answered here; designates tls://dns.example"])

    def test_http3(self) -> None:
        """
        A listener of HTTP/3 by itself is designated, and the line says what it is.
        """
        self.patch(test_feature, "_OFFER", Offer.ofListeners("dns.example", [], "/q", http3=Server("192.0.2.1", 8443)))
        found, said = self.outcomes(role="serve", http3="192.0.2.1:8443")
        self.assertEqual(found, [None, Outcome.DATA, Outcome.DATA, None])
        self.assertEqual(said[0], "resolver.arpa: answered here; designates https://dns.example:8443/q by HTTP/3")

    def test_notWanted(self) -> None:
        """
        With designate = no, clients are not told.
        """
        self.assertEqual(self.outcomes(designate=False)[0], 4 * [Outcome.NODATA])
        self.assertEqual(self.outcomes(role="serve", tls="192.0.2.1", designate=False), (4 * [None], []))
        self.assertEqual(self.outcomes(role="serve"), (4 * [None], []))
        self.assertEqual(self.changes, 0)
