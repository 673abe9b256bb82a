"""
Tests of L{twisted_ext.server.sources.recursor}: the stack of C{txdns recurse} in a simulated internet of signed zones.
"""

from __future__ import annotations

import time
from pathlib import Path
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.networks import textsOf
from tests.server.operations.seeing import SeenServer
from tests.server.stacks import forwardStack, reloadStack
from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.anchors.negative import negativeFromText
from twisted_ext.dnssec.times import timeToText
from twisted_ext.errors import BadDescription, DNSFault, TrustFault
from twisted_ext.metrics.counters import Counters
from twisted_ext.metrics.exposition import exposition
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.negativeanchors.keeper import NegativeAnchors
from twisted_ext.server.features.negativeanchors.suspended import Suspended
from twisted_ext.server.operations.table import delegationsOf
from twisted_ext.server.sources.recursor import Given, Recursor
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.server.sources.upstreams import ListenAddresses
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import RD
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import typeName

_RECORDS = """
www 300 A 192.0.2.80
away 300 CNAME www.plain.example.
"""


class RecursingCase(SynchronousTestCase):
    """
    An internet, and the stack of a server in it.
    """

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=12, start=time.time(), rootServers=["a.root-servers.net"])
        internet.zone("good.example", _RECORDS)
        internet.zone("plain.example", "www 300 A 192.0.2.81", signed=False)
        internet.zone("bad.example", "www 300 A 192.0.2.82")
        internet.inject(Fault.EXPIRED, "bad.example")
        self.here = internet.reactor()
        # Called last, when the stacks are closed.
        self.addCleanup(lambda: self.assertEqual(self.here.pending(), []))
        self.hints = self.file("hints", internet.hints)
        self.anchor = self.file("anchor", internet.anchors)
        self.changes = 0

    def file(self, name: str, text: str) -> str:
        """
        Write a file with this text, and return its path.
        """
        path = Path(self.mktemp()).with_suffix(f".{name}")
        path.write_text(text)
        return str(path)

    def settings(self, **values: object) -> Settings:
        """
        Return settings of a server that resolves from the root of this internet.
        """
        usual: dict[str, object] = {"role": "recurse", "hostsFile": "", "rootHints": self.hints, "trustAnchor": [self.anchor]}
        return Settings.of(**usual | values)

    def stack(self, **values: object) -> ForwardStack:
        """
        Return the stack of a server with these settings.
        """
        listening = ListenAddresses(("192.0.2.1",), 53)

        def recursing(given: Given, former: Recursor | None) -> Recursor:
            return Recursor(self.here, given, listening, former, today=self.internet.time)

        def changed() -> None:
            self.changes += 1

        stack = forwardStack(self.here, self.settings(**values), listening=listening, recursing=recursing, changed=changed)
        self.addCleanup(stack.close)
        return stack

    def look(self, stack: ForwardStack, name: str, rrType: str = "A", checkingDisabled: bool = False) -> Answer:
        """
        Resolve a question.

        @raise DNSFault: that fails.
        """
        context = QueryContext(self.here.seconds() + 30, checkingDisabled=checkingDisabled)
        return self.internet.wait(lookUp(stack, questionOf(name, rrType), context), 35)

    def security(self, stack: ForwardStack, name: str) -> Security:
        """
        Return the status of a name's addresses.
        """
        try:
            return self.look(stack, name).security
        except TrustFault:
            return Security.BOGUS


class RecurseTests(RecursingCase):
    """
    Tests for L{ForwardStack} with the role C{recurse}.
    """

    def test_answersHaveTheirSecurity(self) -> None:
        """
        An answer is secure, insecure or refused as bogus, and an alias is as secure as its target.
        """
        stack = self.stack()
        answer = self.look(stack, "www.good.example")
        self.assertEqual((textsOf(answer), answer.security), (["192.0.2.80"], Security.SECURE))
        self.assertEqual(self.security(stack, "www.plain.example"), Security.INSECURE)
        answer = self.look(stack, "away.good.example")
        self.assertEqual((textsOf(answer)[-1], answer.security), ("192.0.2.81", Security.INSECURE))
        self.assertEqual(self.look(stack, "no.good.example").security, Security.SECURE)
        with self.assertRaises(TrustFault) as caught:
            self.look(stack, "www.bad.example")
        self.assertEqual(caught.exception.ede[0][0], 7)

    def test_uncheckedDataIsKeptApart(self) -> None:
        """
        A client that sets CD gets bogus data, and no other client gets it afterwards.
        """
        stack = self.stack()
        self.assertEqual(textsOf(self.look(stack, "www.bad.example", checkingDisabled=True)), ["192.0.2.82"])
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        self.assertEqual(textsOf(self.look(stack, "www.bad.example", checkingDisabled=True)), ["192.0.2.82"])

    def test_viewsHaveOneResolver(self) -> None:
        """
        A view with a route of its own has its own cache, and the resolver of all, which goes on when the view is gone.
        """
        view = {"name": "lab", "clients": ["10.0.0.0/8"], "route": ["lab.test=192.0.2.99"]}
        stack = self.stack(view=[view])
        for source in (stack, stack.views["lab"]):
            context = QueryContext(self.here.seconds() + 30)
            answer = self.internet.wait(lookUp(source, questionOf("away.good.example", "A"), context), 35)
            self.assertEqual((textsOf(answer)[-1], answer.security), ("192.0.2.81", Security.INSECURE))
        self.assertEqual([each.caching.stats.misses for each in stack.backends.all], [2, 2])
        resolver = stack.recursor
        reloadStack(stack, self.settings())
        self.internet.advance(1)
        self.assertIs(stack.recursor, resolver)
        self.assertEqual(self.look(stack, "no.good.example").security, Security.SECURE)

    def test_resolverOfRefusedSettings(self) -> None:
        """
        A resolver that was made for settings that cannot be used is closed once, wherever the fault is.
        """
        closed: list[ServerPool] = []
        close = ServerPool.close

        def closing(pool: ServerPool) -> Deferred[None]:
            closed.append(pool)
            return close(pool)

        worse = {"name": "worse", "clients": ["any"], "route": ["lab.test=chain"]}
        self.patch(ServerPool, "close", closing)
        for values in ({"view": [worse]}, {"route": ["lab.test=chain"]}):
            closed.clear()
            with self.assertRaises(BadDescription):
                self.stack(**values)
            self.assertEqual(len(closed), 1, values)
        closed.clear()
        self.stack().close()
        self.assertEqual(len(closed), 1)

    def test_nothingIsTrustedWhereNothingIsAsked(self) -> None:
        """
        A server that asks no other one reads no trust anchors.
        """
        stack = self.stack(recursive=False)
        self.assertIsNone(stack.trusting)
        self.assertIsNone(stack.recursor)

    def test_localRoot(self) -> None:
        """
        With local-root, the root zone is transferred when it is first needed, and its servers are not queried any more.
        """
        servers = self.internet.zones[b"\x00"].servers
        stack = self.stack(localRoot=[servers[0].addresses[0]])
        self.assertTrue(any("local root: " in line for line in stack.path()))
        self.assertEqual(self.look(stack, "www.good.example").security, Security.SECURE)
        self.internet.advance(5)
        self.internet.exchanges.clear()
        self.assertEqual(self.look(stack, "no.such.zone").outcome, Outcome.NXDOMAIN)
        self.assertEqual([each for each in self.internet.exchanges if each.server in servers], [])

    def test_withoutValidation(self) -> None:
        """
        Without validation bogus data is an answer, and nothing is secure.
        """
        stack = self.stack(validate=False)
        self.assertEqual(textsOf(self.look(stack, "www.bad.example")), ["192.0.2.82"])
        self.assertNotEqual(self.security(stack, "www.good.example"), Security.SECURE)

    def test_negativeTrustAnchorEnds(self) -> None:
        """
        A zone with a negative trust anchor is not validated until it ends, and others are.
        """
        stack = self.stack(negativeTrustAnchor=["bad.example=+1h"])
        answer = self.look(stack, "www.bad.example")
        self.assertEqual(textsOf(answer), ["192.0.2.82"])
        self.assertNotEqual(answer.security, Security.SECURE)
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
        self.internet.advance(3601)
        stack.look()
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)

    def test_editedEndApplies(self) -> None:
        """
        Another end of a negative trust anchor in the settings is in force after the reload, be it earlier or later. A reload without a
        change neither moves an end that is given as a duration, nor suspends validation again after it.
        """
        stack = self.stack(negativeTrustAnchor=["bad.example=+1h"])
        assert stack.recursor is not None

        def ends(text: str) -> float:
            assert stack.recursor is not None
            reloadStack(stack, self.settings(negativeTrustAnchor=[text]))
            found = dict(stack.recursor.trust.negatives.listed(int(self.internet.time())))
            return found.get(nameFromText("bad.example"), 0) - began

        # Durations begin with the time of this machine, at which this internet begins too.
        began = int(self.internet.time())
        first = ends("bad.example=+1h")
        self.internet.advance(100)
        self.assertEqual(ends("bad.example=+1h"), first)
        self.assertLess(abs(ends("bad.example=+2h") - 7200), 100)
        self.assertEqual(ends(f"bad.example={timeToText(began + 108)}"), 108)
        self.assertNotEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        self.assertLess(abs(ends("bad.example=+400s") - 400), 100)
        self.internet.advance(600)
        stack.look()
        self.assertEqual(ends("bad.example=+400s"), -began)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)

    def test_operatorsSuspendAndResume(self) -> None:
        """
        Operators suspend the validation of a name and resume it, which takes effect at once; a reload changes neither.
        """
        stack = self.stack()
        keeper, _ = self.suspending(stack, self.settings())
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        keeper.add("bad.example=+1h")
        self.assertNotEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        reloadStack(stack, self.settings())
        self.assertNotEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        self.assertEqual(self.negative(stack), ["bad.example."])
        keeper.remove("Bad.example")
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        self.assertRaises(BadDescription, keeper.remove, "bad.example")
        self.assertRaises(BadDescription, keeper.add, "bad.example=+8d")
        self.assertRaises(BadDescription, keeper.add, "bad..example")

    def test_operatorsRemoveWhatTheSettingsHave(self) -> None:
        """
        Operators also remove a negative trust anchor of the settings; it is back when these say something else of it, not at each reload.
        """
        settings = self.settings(negativeTrustAnchor=["bad.example=+1h"])
        stack = self.stack(negativeTrustAnchor=["bad.example=+1h"])
        keeper, _ = self.suspending(stack, settings)
        keeper.remove("bad.example")
        self.assertEqual((self.negative(stack), self.security(stack, "www.bad.example")), ([], Security.BOGUS))
        self.assertRaises(BadDescription, keeper.remove, "bad.example")
        keeper.add("bad.example=+2h")
        self.assertEqual(self.negative(stack), ["bad.example."])
        keeper.remove("bad.example")
        other = self.settings(negativeTrustAnchor=["bad.example=+3h"])
        for read, wanted in ((settings, []), (other, ["bad.example."]), (other, ["bad.example."])):
            keeper.apply(read)
            reloadStack(stack, read)
            self.assertEqual(self.negative(stack), wanted)
        unvalidated = NegativeAnchors(self.settings(negativeTrustAnchor=["bad.example=+1h"], validate=False), self.internet.time)
        self.assertRaises(BadDescription, unvalidated.remove, "bad.example")

    def test_operatorsChangeTheEnd(self) -> None:
        """
        To add a negative trust anchor once more changes when it ends. One that has ended is published no more.
        """
        stack = self.stack()
        keeper, states = self.suspending(stack, self.settings())
        ends: list[object] = []
        for text in ("bad.example=+1h", "bad.example=+2h", "bad.example=+1h"):
            keeper.add(text)
            assert stack.recursor is not None
            ends.append(stack.recursor.anchors()["negative"])
        first, second, third = ends
        self.assertEqual(first, third)
        self.assertNotEqual(first, second)
        self.internet.advance(3601)
        keeper.add("good.example=+1h")
        state = states[-1]
        assert isinstance(state, dict)
        self.assertEqual(list(state), [nameFromText("good.example").hex()])

    def test_laterProcessesTakeThemAll(self) -> None:
        """
        A process that starts later takes what operators have said before, but for what has ended; after a reload nothing is taken twice.
        """
        keeper, states = self.suspending(self.stack(), self.settings())
        keeper.add("bad.example=+1h")
        keeper.add("good.example=+2h")
        stack = self.stack()
        told: list[bytes] = []

        def suspend(name: bytes, until: int | None) -> None:
            told.append(name)
            stack.suspend(name, until)

        site = Site(self.here, self.settings(), suspend=suspend)
        active = Suspended(site, None)
        self.internet.advance(3601)
        active.take(states[-1])
        self.assertEqual(self.negative(stack), ["good.example."])
        del told[:]
        Suspended(site, active).take(states[-1])
        self.assertEqual(told, [])

    def suspending(self, stack: ForwardStack, settings: Settings) -> tuple[NegativeAnchors, list[JSON]]:
        """
        Return what operators change negative trust anchors with, and what it has published.
        """
        keeper = NegativeAnchors(settings, self.internet.time)
        active = Suspended(Site(self.here, settings, suspend=stack.suspend), None)
        states: list[JSON] = []

        def publish(state: JSON) -> None:
            states.append(state)
            active.take(state)

        keeper.begin(publish)
        return keeper, states

    def negative(self, stack: ForwardStack) -> list[JSON]:
        """
        Return the names that are not validated.
        """
        assert stack.recursor is not None
        said = stack.recursor.anchors()["negative"]
        assert isinstance(said, list)
        return [each["name"] for each in said if isinstance(each, dict)]

    def test_operatorsSeeSecurityAndAuthorities(self) -> None:
        """
        The figures count answers by their security, and describe the authoritative servers that were asked most; only their sums are
        metrics, since any zone can name new servers.
        """
        stack = self.stack()
        server = SeenServer(self.here, Counters())
        server.caching, server.recursor = stack.caching, stack.recursor
        status = server.status
        for name in ("www.good.example", "www.good.example", "www.plain.example", "www.bad.example"):
            self.security(stack, name)
        with patch("twisted_ext.server.sources.upstreamfigures._SHOWN", 1000):
            figures = self.successResultOf(status.figures())
        self.assertEqual([figures.numbers[security.value] for security in Security], [0, 1, 1, 1])
        authorities = figures.upstreams
        self.assertEqual({each["way"] for each in authorities}, {"authority"})
        sent = sum([each["queries"] for each in authorities if isinstance(each["queries"], int)])
        self.assertEqual(figures.numbers["authorityQueries"], sent)
        self.assertGreaterEqual(figures.numbers["authorities"], len(authorities))
        self.assertGreaterEqual(figures.numbers["delegations"], 4)
        page = exposition(figures, version="1", started=0.0)
        self.assertIn('txdns_validated_total{security="bogus"} 1\n', page)
        self.assertIn(f"txdns_authority_queries_total {sent}\n", page)
        self.assertNotIn("authority\"", page)
        with patch("twisted_ext.server.sources.upstreamfigures._SHOWN", 2):
            self.assertEqual(len(self.successResultOf(status.figures()).upstreams), 2)

    def test_flushForgetsServers(self) -> None:
        """
        A flush forgets the delegations at and below the name, and keeps those of other zones.
        """
        stack = self.stack()
        server = SeenServer(self.here, Counters())
        server.caching, server.recursor = stack.caching, stack.recursor
        status = server.status
        for name in ("www.good.example", "www.plain.example"):
            self.look(stack, name)

        def zones() -> set[object]:
            said = self.successResultOf(status.do("delegations", {"name": "example"}))["delegations"]
            assert isinstance(said, list)
            return {each["zone"] for each in said if isinstance(each, dict)}

        self.assertEqual(zones(), {"example.", "good.example.", "plain.example."})
        self.successResultOf(status.do("cache/flush", {"name": "good.example", "below": "1"}))
        self.assertEqual(zones(), {"example.", "plain.example."})
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)

    def test_flushOfSome(self) -> None:
        """
        A flush of one type, or of what is negative or bogus, forgets what belongs to that beside answers: delegations with NS, addresses of
        servers with A, keys with DNSKEY and DS, records that deny other names with what is negative. Everything else is not asked again.
        """
        stack = self.stack()
        server = SeenServer(self.here, Counters())
        server.caching, server.recursor = stack.caching, stack.recursor
        names = iter(range(100))

        def asked(given: dict[str, str], name: str = "www.good.example") -> list[str]:
            for each in ("www.good.example", "no.good.example"):
                self.look(stack, each)
            self.successResultOf(server.status.do("cache/flush", given))
            before = len(self.internet.exchanges)
            self.look(stack, name)
            seen = [each.query.questions[0] for each in [*self.internet.exchanges][before:]]
            return sorted({f"{nameToText(each.name).lower()} {typeName(each.rrType)}" for each in seen})

        ours = "www.good.example. A"
        self.assertEqual(asked({"name": "www.good.example", "type": "MX"}), [])
        self.assertEqual(asked({"bogus": "1"}), [])
        self.assertEqual(asked({"negative": "1"}), [])
        self.assertEqual(asked({"name": "www.good.example", "type": "A"}), [ours])
        below = {"name": "good.example", "below": "1"}
        self.assertEqual(asked({**below, "type": "A"})[-1:], [ours])
        self.assertEqual(asked({**below, "type": "DNSKEY"}, f"n{next(names)}.good.example"), ["good.example. DNSKEY", "n0.good.example. A"])
        self.assertEqual(asked({**below, "negative": "1"}, f"n{next(names)}.good.example"), ["n1.good.example. A"])
        self.assertEqual(asked({**below, "bogus": "1"}, f"n{next(names)}.good.example"), [])
        self.assertEqual(asked({**below, "type": "MX"}, f"n{next(names)}.good.example"), ["n3.good.example. A"])
        # The servers of the zone above are asked for the zone itself.
        found = asked({**below, "type": "NS"}, f"n{next(names)}.good.example")
        self.assertEqual(found, ["good.example. A", "n4.good.example. A"])

    def test_stubOfAPrivateZone(self) -> None:
        """
        A zone that the root denies is resolved by the servers that the settings name, without AD, and without asking them recursively.
        """
        server = self.internet.zone("other.example", "", servers=["ns.private.example"]).servers[0]
        address = next(each for each in server.addresses if ":" not in each)
        plain = self.stack()
        self.assertIs(self.look(plain, "www.corp.internal-net").outcome, Outcome.NXDOMAIN)
        self.internet.zone("corp.internal-net", "www 300 A 192.0.2.90", servers=["ns.private.example"])
        self.internet.delegate("internal-net", None)
        stack = self.stack(stub=[f"corp.internal-net={address}"])
        # The root's denial of the neighbors is known.
        self.assertIs(self.look(stack, "www.internal-nes").outcome, Outcome.NXDOMAIN)
        self.assertIs(self.look(stack, "www.internal-neu").outcome, Outcome.NXDOMAIN)
        answer = self.look(stack, "www.corp.internal-net")
        self.assertEqual(textsOf(answer), ["192.0.2.90"])
        self.assertNotEqual(answer.security, Security.SECURE)
        self.assertIs(self.look(stack, "no.corp.internal-net").outcome, Outcome.NXDOMAIN)
        for exchange in self.internet.exchanges:
            self.assertEqual(exchange.query.flags & RD, 0)
        recursor = stack.recursor
        assert recursor is not None
        recursor.forget()
        self.assertEqual(textsOf(self.look(stack, "www.corp.internal-net")), ["192.0.2.90"])

    def test_privateNetworksAreDenied(self) -> None:
        """
        The reverse names of private networks are denied without a query.
        """
        stack = self.stack()
        self.assertIs(self.look(stack, "1.0.0.10.in-addr.arpa", "PTR").outcome, Outcome.NXDOMAIN)
        self.assertEqual(list(self.internet.exchanges), [])

    def test_reloadReadsFilesAgain(self) -> None:
        """
        A reload reads the trust anchors again; if they are not usable, it says so, and nothing changes.
        """
        stack = self.stack()
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
        good = Path(self.anchor).read_text()
        Path(self.anchor).write_text(". IN DS 1 13 2 00\n")
        with self.assertRaises(BadDescription) as caught:
            reloadStack(stack, self.settings())
        self.assertIn(f"{self.anchor}:1: ", str(caught.exception))
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)
        Path(self.anchor).write_text(f". IN DS 1 13 2 {'00' * 32}\n")
        reloadStack(stack, self.settings())
        self.assertEqual(self.security(stack, "www.good.example"), Security.BOGUS)
        Path(self.anchor).write_text(good)
        reloadStack(stack, self.settings())
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)

    def test_reloadOfOtherSettings(self) -> None:
        """
        A reload turns validation off and on, and finds errors in hints and in stubs.
        """
        stack = self.stack()
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        reloadStack(stack, self.settings(validate=False))
        self.assertNotEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        reloadStack(stack, self.settings())
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        wrong = self.file("wrong", ". NS\n")
        with self.assertRaises(BadDescription) as caught:
            reloadStack(stack, self.settings(rootHints=wrong))
        self.assertIn(f"{wrong}:1: ", str(caught.exception))
        self.assertEqual(self.security(stack, "www.good.example"), Security.SECURE)

    def test_pathNamesTheSteps(self) -> None:
        """
        The path of a query names the root, stubs and routes.
        """
        path = self.stack(stub=["corp.example=192.0.2.9"], route=["lan=udp:192.0.2.10"]).path()
        self.assertIn(f"recurse: from {self.hints}, validated", path)
        self.assertIn("stub: corp.example. at 192.0.2.9", path)
        self.assertIn("route: lan to udp:192.0.2.10", [line.replace("lan.", "lan") for line in path])

    def test_neverAsksItself(self) -> None:
        """
        A zone that names this server as its own gets no query from it.
        """
        allowed = ListenAddresses(("192.0.2.1",), 53).guarding()
        self.assertEqual([allowed("192.0.2.1"), allowed("192.0.2.2")], [False, True])


class BadInputTests(RecursingCase):
    """
    Tests of settings and files that cannot be used.
    """

    def test_eachErrorIsOneLine(self) -> None:
        """
        A wrong file of anchors or hints is one line with the file, where possible the line in it, what is wrong, and what would be right.
        """
        digest = "00" * 32
        for setting, content, words in (
            ("trustAnchor", "", ": no usable trust anchor in this file; a DS or DNSKEY record"),
            ("trustAnchor", "nothing useful\n", ":1: "),
            ("trustAnchor", ". IN DS 20326 8 2 00\n", ":1: the digest has 1 octets; a digest of type 2 has 32"),
            ("trustAnchor", f"\n. IN DS 20326 8 2 {digest}\n. IN DS x\n", ":3: "),
            ("trustAnchor", f". IN DS 20326 99 2 {digest}\n", "no usable trust anchor"),
            ("trustAnchor", ". IN DNSKEY 0 3 8 AwEAAQ==\n", ":1: flags 0 are not those of a key of a zone; 257, or 256, was expected"),
            ("trustAnchor", ". IN DNSKEY 257 1 8 AwEAAQ==\n", ":1: protocol 1 is not that of DNSSEC; 3 was expected"),
            ("trustAnchor", 'trust-anchors { "." initial-ds 1 2; };\n', ":1: "),
            ("trustAnchor", "<TrustAnchor><KeyDigest", ":1: "),
            ("trustAnchor", ";;REVOKED\n", ";;REVOKED says that all keys of the zone are revoked"),
            ("rootHints", "", ": no server of the root with an address; write lines such as"),
            ("rootHints", ". NS a.example.\n", ": no server of the root with an address"),
            ("rootHints", ". NS a.example.\na.example. A 192.0.2\n", ":2: "),
            ("rootHints", "example. NS a.example.\n", ""),
        ):
            path = self.file("wrong", content)
            with self.assertRaises(BadDescription) as caught:
                self.stack(**{setting: [path] if setting == "trustAnchor" else path})
            said = str(caught.exception)
            self.assertTrue(said.startswith(path), said)
            self.assertIn(words, said)
            self.assertEqual(len(said.splitlines()), 1)

    def test_negativeAnchors(self) -> None:
        """
        A wrong negative trust anchor is one line that names it, says what is wrong, and shows how to write it.
        """
        for text, words in (
            ("example.com", "write NAME=UNTIL, such as"),
            ("=+1d", "write NAME=UNTIL, such as"),
            ("example.com=", "write NAME=UNTIL, such as"),
            ("example.com=soon", "'soon' is not a time; write NAME=UNTIL"),
            ("example.com=+8d", "at most 7 days are allowed"),
            ("a..b=+1d", "a label is empty; write one dot between labels"),
        ):
            with self.assertRaises(BadDescription) as caught:
                self.settings(negativeTrustAnchor=[text])
            self.assertIn(words, str(caught.exception))
            self.assertEqual(len(str(caught.exception).splitlines()), 1)


class TextTests(SynchronousTestCase):
    """
    Tests of negative trust anchors as text, and of what workers report.
    """

    def test_negativeFromText(self) -> None:
        """
        A name alone is suspended for an hour; an invalid one is reported with what is right.
        """
        self.assertEqual(negativeFromText("Example.com", 1000), (nameFromText("example.com"), 4600))
        self.assertEqual(negativeFromText("example.com=+2h", 1000)[1], 8200)
        self.assertRaises(BadDescription, negativeFromText, "a..b", 1000)
        self.assertRaises(DNSFault, negativeFromText, "a=yesterday", 1000)

    def test_together(self) -> None:
        """
        The delegations of several workers are listed once each.
        """
        first: JSON = {"delegations": [{"zone": "a."}, {"zone": "b."}], "count": 2, "more": 0}
        second: JSON = {"delegations": [{"zone": "b."}, {"zone": "c."}], "count": 3, "more": 1}
        said = delegationsOf([first, None, second])
        self.assertEqual(said["delegations"], [{"zone": "a."}, {"zone": "b."}, {"zone": "c."}])
        self.assertEqual((said["count"], said["more"]), (4, 1))
