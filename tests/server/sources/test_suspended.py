"""
Tests of L{twisted_ext.server.features.negativeanchors.suspended}: negative trust anchors end once what they are for is valid.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred

from tests.server.sources.test_recursor import RecursingCase
from tests.server.stacks import reloadStack
from twisted_ext.answers import Security
from twisted_ext.dnssec.anchors.negative import NegativeTrustAnchors
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.recursive.configured import Trust
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.negativeanchors.keeper import NegativeAnchors
from twisted_ext.server.features.negativeanchors.suspended import Suspended
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.testing.internet import Delegation, Fault, Internet
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import DS

__all__: list[str] = []

_BAD = nameFromText("bad.example")


class EndingTests(RecursingCase):
    """
    Tests of an exception for a zone whose signatures have expired, with an internet or with answers that the test gives.
    """

    def suspending(self, stack: ForwardStack, **values: object) -> tuple[NegativeAnchors, Suspended]:
        """
        Return what operators change negative trust anchors with, and the feature of the process.
        """
        settings = self.settings(**values)
        active = Suspended(
            Site(self.here, settings, suspend=stack.suspend, validates=stack.validates, today=self.internet.time), None
        )
        keeper = NegativeAnchors(settings, self.internet.time)
        keeper.begin(active.take)
        return keeper, active

    def tried(self, active: Suspended, seconds: float) -> int:
        """
        Let time pass, in which it looks once, and return how many queries that was.
        """
        asked = len(self.internet.exchanges)
        self.internet.advance(seconds - 20)
        active.look()
        self.internet.advance(20)
        return len(self.internet.exchanges) - asked

    def route(self, more: str = "") -> str:
        (server,) = {each for each in self.internet.server("ns1.bad.example").addresses if ":" not in each}
        return f"bad.example=validate:(udp:{server}){more}"

    def test_ends(self) -> None:
        """
        It is tried each five minutes, and ends when the zone validates: from the root, or by a route, also one with anchors of its own.
        Answers are secure from then on, and nothing is tried any more.
        """
        ways: list[Callable[[], dict[str, object]]] = [
            dict,
            lambda: {"route": [self.route()]},
            lambda: {"route": [self.route(f":anchor={self.anchor}")]},
        ]
        for way in ways:
            self.setUp()
            values = way()
            stack = self.stack(**values)
            keeper, active = self.suspending(stack, **values)
            said = keeper.add("bad.example=+1d")["said"]
            self.assertRegex(str(said), "bad.example. is not validated until .*, or until it could be")
            self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
            self.assertEqual(self.tried(active, 319), 0)
            self.assertGreater(self.tried(active, 21), 0)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
            self.internet.clear(Fault.EXPIRED, "bad.example")
            self.assertEqual(self.tried(active, 279), 0)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
            self.assertGreater(self.tried(active, 21), 0)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE, values)
            assert stack.trusting is not None
            self.assertEqual(stack.trusting.anchors()["negative"], [])
            self.assertEqual(self.tried(active, 4000), 0)
            # Another one begins anew.
            keeper.add("bad.example=+2d")
            self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
            self.assertGreater(self.tried(active, 321), 0)
            self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)

    def test_staysAsLongAsItIsNeeded(self) -> None:
        """
        It goes on if the zone is bogus, if no server answers, and if the operator says that it is to go on in any case. It ends if the zone
        is not signed any more.
        """
        stack = self.stack()
        keeper, active = self.suspending(stack)
        keeper.add("bad.example=+1d", True)
        self.internet.clear(Fault.EXPIRED, "bad.example")
        self.assertEqual(self.tried(active, 4000), 0)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        self.internet.inject(Fault.DEAD, "bad.example")
        # Not in any case any more.
        keeper.add("bad.example=+1d")
        self.assertGreater(self.tried(active, 321), 0)
        assert stack.recursor is not None
        listed = partial(stack.recursor.trust.negatives.covers, _BAD)
        self.assertEqual(listed(int(self.internet.time())), _BAD)
        self.internet.clear(Fault.DEAD, "bad.example")
        self.internet.inject(Fault.EXPIRED, "bad.example")
        self.internet.delegate("bad.example", Delegation(ds=()))
        self.assertGreater(self.tried(active, 301), 0)
        self.assertIsNone(listed(int(self.internet.time())))

    def test_mendedByTheParent(self) -> None:
        """
        It ends once the parent has the right DS record, although that which was wrong may be cached for longer.
        """
        self.internet.clear(Fault.EXPIRED, "bad.example")
        self.internet.delegate("bad.example", Delegation(ds=[f"1 13 2 {64 * '0'}"]))
        stack = self.stack()
        self.assertEqual(self.security(stack, "www.bad.example"), Security.BOGUS)
        keeper, active = self.suspending(stack)
        keeper.add("bad.example=+1d")
        self.assertGreater(self.tried(active, 321), 0)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        # The servers of the zone are asked for again, and with that comes the wrong record.
        self.internet.advance(270)
        stack.flush(_BAD, True)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        self.internet.delegate("bad.example", Delegation())
        self.assertGreater(self.tried(active, 31), 0)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)

    def test_anchorsOfARoute(self) -> None:
        """
        A name that a route has is tried by that, with its own anchors: whether the resolver could validate it makes no difference.
        """
        self.internet.clear(Fault.EXPIRED, "bad.example")
        values: dict[str, object] = {
            "trustAnchor": [self.file("other", Internet(seed=99).anchors)], "route": [self.route(f":anchor={self.anchor}")],
        }  # fmt: skip
        stack = self.stack(**values)
        keeper, active = self.suspending(stack, **values)
        keeper.add("bad.example=+1d")
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        self.assertGreater(self.tried(active, 321), 0)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)

    def test_cachesOfUpstreams(self) -> None:
        """
        What an upstream of this server caches itself does not count either.
        """
        route = self.route().replace("validate:(", "validate:cache:(")
        stack = self.stack(route=[route])
        keeper, active = self.suspending(stack, route=[route])
        keeper.add("bad.example=+1d")
        self.assertGreater(self.tried(active, 321), 0)
        # It has been asked for, and is cached, shortly before it is tried again.
        self.internet.advance(270)
        for rrType in ("SOA", "DNSKEY"):
            self.look(stack, "bad.example", rrType)
        self.internet.clear(Fault.EXPIRED, "bad.example")
        self.assertGreater(self.tried(active, 31), 0)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)

    def test_allViews(self) -> None:
        """
        It goes on as long as the name is bogus for the clients of one view.
        """
        self.internet.clear(Fault.EXPIRED, "bad.example")
        wrong = self.file("other", Internet(seed=99).anchors)
        views = [{"name": "lab", "clients": ["10.0.0.0/8"], "route": [self.route(f":anchor={wrong}")]}]
        for view, expected in ((views, Security.INDETERMINATE), ([], Security.SECURE)):
            stack = self.stack(view=view)
            keeper, active = self.suspending(stack, view=view)
            keeper.add("bad.example=+1d")
            self.assertGreater(self.tried(active, 321), 0)
            self.assertEqual(self.security(stack, "www.bad.example"), expected)

    def test_onlyThoseOfOperators(self) -> None:
        """
        Those of the settings go on until their time.
        """
        values: dict[str, object] = {"negativeTrustAnchor": ["bad.example=+1d"]}
        stack = self.stack(**values)
        _, active = self.suspending(stack, **values)
        self.internet.clear(Fault.EXPIRED, "bad.example")
        self.assertEqual(self.tried(active, 4000), 0)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)

    def test_answersOfServersAtPresent(self) -> None:
        """
        What has been cached of the zone, its keys and its DS records does not count.
        """
        stack = self.stack()
        self.internet.clear(Fault.EXPIRED, "bad.example")
        self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)
        self.internet.inject(Fault.EXPIRED, "bad.example")
        keeper, active = self.suspending(stack)
        keeper.add("bad.example=+1d")
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)
        self.tried(active, 321)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.INDETERMINATE)

    # -- with answers that the test gives

    def waiting(self, former: Suspended | None = None) -> tuple[Suspended, list[tuple[bytes, int | None]], list[Deferred[bool]]]:
        """
        Return the feature, what it has suspended, and what it waits for.
        """
        suspended: list[tuple[bytes, int | None]] = []
        asked: list[Deferred[bool]] = []

        def validates(name: bytes) -> Deferred[bool]:
            asked.append(Deferred())
            return asked[-1]

        site = Site(
            self.here,
            self.settings(),
            suspend=lambda name, until: suspended.append((name, until)),
            validates=validates,
            today=self.internet.time,
        )
        return Suspended(site, former), suspended, asked

    def state(self, *names: bytes, seconds: int = 3600) -> dict[str, JSON]:
        """
        Return what a keeper publishes of names.
        """
        return {name.hex(): {"until": int(self.internet.time()) + seconds, "forced": False} for name in names}

    def test_oneAfterTheOther(self) -> None:
        """
        Names are tried one after the other. What an operator has said meanwhile holds, and one that has ended meanwhile is not tried.
        """
        active, suspended, asked = self.waiting()
        first = self.state(b"\x01a\x00", b"\x01b\x00") | self.state(b"\x01c\x00", seconds=200)
        active.take(first)
        del suspended[:]
        self.internet.advance(301)
        active.look()
        active.look()
        self.assertEqual(len(asked), 1)
        # Its end is changed while it is tried.
        changed = first | self.state(b"\x01a\x00", seconds=1800)
        active.take(changed)
        self.assertEqual([name for name, _ in suspended], [b"\x01a\x00"])
        del suspended[:]
        asked[0].callback(True)
        self.assertEqual(suspended, [])
        active.look()
        asked[1].callback(True)
        self.assertEqual(suspended, [(b"\x01b\x00", None)])
        for _ in range(3):
            active.look()
        self.assertEqual(len(asked), 2)
        self.internet.advance(301)
        active.look()
        self.assertEqual(len(asked), 3)
        asked[2].callback(False)
        self.internet.advance(301)
        active.look()
        # It is removed while it is tried.
        active.take(None)
        del suspended[:]
        asked[3].callback(True)
        self.assertEqual(suspended, [])
        active.look()
        self.assertEqual(len(asked), 4)

    def test_reloads(self) -> None:
        """
        After a reload names are tried when they would have been, also one that was being tried; what has ended does not begin again.
        """
        former, _, asked = self.waiting()
        state = self.state(b"\x01a\x00", b"\x01b\x00")
        former.take(state)
        self.internet.advance(301)
        former.look()
        asked[0].callback(True)
        former.look()
        heir, suspended, others = self.waiting(former)
        former.close(heir)
        self.assertTrue(asked[1].called)
        heir.take(state)
        self.assertEqual(suspended, [])
        self.internet.advance(299)
        heir.look()
        self.assertEqual(others, [])
        self.internet.advance(2)
        heir.look()
        others[0].callback(True)
        self.assertEqual(suspended, [(b"\x01b\x00", None)])
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_failure(self) -> None:
        """
        A defect while a name is tried is logged, and it is tried again.
        """
        active, suspended, asked = self.waiting()
        active.take(self.state(b"\x01a\x00"))
        del suspended[:]
        for number in range(2):
            self.internet.advance(301)
            active.look()
            asked[number].errback(ValueError("a defect"))
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(suspended, [])

    def test_usually(self) -> None:
        """
        The anchors that would hold are those that hold without negative ones.
        """
        dice = random.Random(5)
        names = [nameFromText(each) for each in ("a.b.c", "b.c", "c", "d.c", "x.b.c", ".", "e.d.c", "f")]
        for _ in range(300):
            anchors = [Anchor(dice.choice(names), DS, ROOT_ANCHORS[0].rdata) for _ in range(dice.randrange(4))]
            negatives = NegativeTrustAnchors()
            for name in dice.sample(names, 2):
                negatives.add(name, 1000)
            unproved = dice.sample(names, dice.randrange(3))
            isOwn = dice.random() < 0.5
            found = [Trust(anchors, each, unproved, isOwn) for each in (negatives, None)]
            if dice.random() < 0.5:
                found[0].outer = Trust(anchors[:1], negatives)
                found[1].outer = Trust(anchors[:1])
            name = dice.choice(names)
            with_, without = found[0].usually(name, 1001), found[1].at(name, 1001)
            self.assertEqual(repr(with_), repr(without))
            self.assertEqual(repr(found[0].usually(name, 1001)), repr(found[1].usually(name, 1001)))

    def test_reloadWhileItIsTried(self) -> None:
        """
        A reload of the server does not disturb an exception.
        """
        stack = self.stack()
        keeper, active = self.suspending(stack)
        keeper.add("bad.example=+1d")
        reloadStack(stack, self.settings())
        self.internet.clear(Fault.EXPIRED, "bad.example")
        self.tried(active, 321)
        self.assertEqual(self.security(stack, "www.bad.example"), Security.SECURE)
