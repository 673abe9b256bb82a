"""
Tests of L{twisted_ext.server.sources.trusting}: trust anchors and their exceptions hold for all that validates.
"""

from __future__ import annotations

import time
from typing import cast

from tests.server.operations.seeing import SeenServer
from tests.server.sources.test_recursor import RecursingCase
from tests.server.stacks import forwardStack, reloadStack
from twisted_ext.answers import Security
from twisted_ext.errors import BadDescription, CallerFault, DNSFault
from twisted_ext.metrics.counters import Counters
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.built import Keepers
from twisted_ext.server.features.negativeanchors.feature import NegativeAnchorsFeature
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.wire.codes import Ede
from twisted_ext.wire.names import nameFromText

__all__: list[str] = []

_BAD = nameFromText("bad.example")

_DISCLOSED = ((Ede.NEGATIVE_TRUST_ANCHOR, "bad.example. is not validated for a time"),)


class TrustingTests(RecursingCase):
    """
    Tests with a route that validates, beside a recursive resolver or an upstream.
    """

    def route(self, more: str = "") -> str:
        """
        Return a route to the servers of the bogus zone, and of all others that they serve.
        """
        (server,) = {each for each in self.internet.server("ns1.bad.example").addresses if ":" not in each}
        return f"bad.example=validate:(udp:{server}){more}"

    def test_exceptionHoldsForRoutes(self) -> None:
        """
        A negative trust anchor holds for a name that a route has, with anchors of its own or those of the settings, and ends.
        """
        for more in ("", f":anchor={self.anchor}"):
            stack = self.stack(route=[self.route(more)])
            self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS, more)
            until = int(self.internet.time()) + 60
            stack.suspend(_BAD, until)
            answer = self.look(stack, "www.bad.example")
            self.assertEqual((answer.security, answer.ede), (Security.INDETERMINATE, _DISCLOSED), more)
            # From the cache, too.
            self.assertEqual(self.look(stack, "www.bad.example").ede, _DISCLOSED)
            self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
            stack.suspend(_BAD, None)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS, more)
            stack.suspend(_BAD, until)
            self.internet.advance(61)
            stack.look()
            self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS, more)

    def test_exceptionIsDisclosed(self) -> None:
        """
        Answers below a negative trust anchor say so, by the extended error for that and in the chain that the server shows; others do not.
        """
        stack = self.stack()
        status = SeenServer(self.here, Counters(), today=self.internet.time)
        status.source, status.recursor, status.trusting = stack, stack.recursor, stack.trusting
        stack.suspend(_BAD, int(self.internet.time()) + 60)
        for name in ("www.bad.example", "no.bad.example"):
            try:
                found = self.look(stack, name).ede
            except DNSFault as fault:
                found = fault.ede
            self.assertEqual(found, _DISCLOSED)
        self.assertEqual(self.look(stack, "www.good.example").ede, ())
        for name, isSuspended in (("www.bad.example", True), ("www.good.example", False)):
            said = cast("list[str]", self.internet.wait(status.status.chain(name, ""), 35)["said"])
            self.assertEqual("there is a negative trust anchor for bad.example.; without that:" in said[0], isSuspended, said)

    def test_anchorsHoldForRoutes(self) -> None:
        """
        A route without anchors of its own has those of the settings, also after they have changed.
        """
        self.internet.zone("fine.example", "www 300 A 192.0.2.83")
        (server,) = {each for each in self.internet.server("ns1.fine.example").addresses if ":" not in each}
        route = [f"fine.example=validate:(udp:{server})"]
        stack = self.stack(route=route)
        self.assertEqual(self.security(stack, "www.fine.example"), Security.SECURE)
        other = self.file("other", Internet(seed=99).anchors)
        reloadStack(stack, self.settings(trustAnchor=[other], route=route))
        self.assertEqual(self.security(stack, "www.fine.example"), Security.BOGUS)
        reloadStack(stack, self.settings(route=route))
        self.assertEqual(self.security(stack, "www.fine.example"), Security.SECURE)

    def flushed(self, stack: ForwardStack, **given: str) -> object:
        """
        Have the server forget something, and return how much that was.
        """
        server = SeenServer(self.here, Counters())
        server.caching, server.recursor, server.trusting = stack.caching, stack.recursor, stack.trusting
        return self.successResultOf(server.status.do("cache/flush", given))["flushed"]

    def test_flushOfWhatIsBogus(self) -> None:
        """
        Once the servers of a zone that was bogus are mended, a flush of what is bogus lets it be validated at once: by a resolver from the
        root, and by one that asks a route. Nothing else is forgotten, and without a flush it stays bogus.
        """
        for route in ([], [self.route()]):
            self.setUp()
            stack = self.stack(route=route)
            self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
            self.internet.clear(Fault.EXPIRED, "bad.example")
            self.internet.advance(0.1)
            for given in ({"negative": "1", "name": "good.example", "below": "1"}, {"name": "www.bad.example", "type": "MX"}):
                self.flushed(stack, **given)
                self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
            self.assertEqual(self.flushed(stack, bogus="1"), 1)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)
            asked = len(self.internet.exchanges)
            self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
            self.assertEqual(len(self.internet.exchanges), asked)

    def test_settingsOfForwarders(self) -> None:
        """
        A forwarder that validates has the anchors and exceptions of its settings, which a reload changes, and those of operators, which go
        on when its upstreams change.
        """
        usual: dict[str, object] = {"hostsFile": "", "upstream": [f"recursive:hints={self.hints}"], "trustAnchor": [self.anchor]}
        stack = forwardStack(self.here, Settings.of(**usual), listening=ListenAddresses(("192.0.2.1",), 53))
        self.addCleanup(stack.close)
        trusting = stack.trusting
        assert trusting is not None
        self.assertEqual({each["zone"] for each in cast("list[dict[str, str]]", trusting.anchors()["anchors"])}, {"."})
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        # Nothing but the anchors changes, and all upstreams stay.
        other = self.file("other", Internet(seed=99).anchors)
        reloadStack(stack, Settings.of(**usual | {"trustAnchor": [other]}))
        self.assertEqual(self.security(stack, "www.good.example"), Security.BOGUS)
        reloadStack(stack, Settings.of(**usual))
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
        reloadStack(stack, Settings.of(**usual | {"negativeTrustAnchor": ["bad.example=+1h"]}))
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        reloadStack(stack, Settings.of(**usual))
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        stack.suspend(_BAD, int(time.time()) + 60)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        reloadStack(stack, Settings.of(**usual | {"route": ["lan=udp:192.0.2.7"]}))
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        reloadStack(stack, Settings.of(**usual | {"trustAnchor": [other]}))
        self.assertEqual(self.security(stack, "www.good.example"), Security.BOGUS)
        with self.assertRaisesRegex(BadDescription, "none.txt: No such file"):
            reloadStack(stack, Settings.of(**usual | {"trustAnchor": ["/none.txt"]}))
        self.assertEqual(self.security(stack, "www.good.example"), Security.BOGUS)

    def test_serversThatValidateNothing(self) -> None:
        """
        A server that validates nothing refuses exceptions, and says what is missing.
        """
        verb = NegativeAnchorsFeature.verbs[0]
        for settings in (Settings.of(upstream=["udp:192.0.2.53"]), Settings.of(role="serve")):
            with self.assertRaisesRegex(CallerFault, "nta add takes a server that validates: the role recurse, or validate: in"):
                Keepers(self.here, settings).run("negativeanchors", verb, {"name": "bad.example"})
            self.assertIsNone(NegativeAnchorsFeature().make(Site(self.here, settings), None))
