"""
Tests of choosing a source by the suffix of the name.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.cache.canned import question, wishes
from tests.resolver.told import Told
from twisted_ext.errors import ServerFailed, Unknown
from twisted_ext.interfaces import IAnswerSource
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.route import RouteSource
from twisted_ext.testing.sources import HeldSource, atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText


class RouteTests(SynchronousTestCase):
    """
    Tests for L{RouteSource}.
    """

    def setUp(self) -> None:
        self.corp, self.lab, self.others = Told(), Told(), Told()
        self.routing = RouteSource(
            {nameFromText("Corp.example"): self.corp, nameFromText("lab.corp.example"): self.lab}, self.others
        )

    def test_providesIAnswerSource(self) -> None:
        """
        The route is an answer source and lists its sources.
        """
        verifyObject(IAnswerSource, self.routing)
        self.assertEqual(self.routing.sources(), (self.corp, self.lab, self.others))

    def test_longestSuffixDecides(self) -> None:
        """
        The longest suffix decides, in whole labels and in any letter case.
        """
        for name, expected in (
            ("corp.example", self.corp),
            ("www.CORP.example", self.corp),
            ("lab.corp.example", self.lab),
            ("a.b.LAB.corp.example", self.lab),
            ("xlab.corp.example", self.corp),
            ("xcorp.example", self.others),
            ("example", self.others),
            (".", self.others),
        ):
            self.assertIs(self.routing.sourceFor(question(name)), expected, name)
        label = Question(b"\x10www.corp.example\x00", 1)
        self.assertIs(self.routing.sourceFor(label), self.others)

    def test_failureIsNotSentElsewhere(self) -> None:
        """
        A question for a private network is not sent to the default source if its own source fails.
        """
        self.corp.otherwise = ServerFailed("down")
        self.failureResultOf(lookUp(self.routing, question("www.corp.example"), wishes()), ServerFailed)
        self.assertEqual(self.others.asked, [])

    def test_unroutedNameIsUnknown(self) -> None:
        """
        A name without a route is unknown if there is no default source.
        """
        routing = RouteSource({nameFromText("corp.example"): self.corp})
        self.assertIsNone(atHand(routing, question("www.example"), wishes()))
        self.failureResultOf(lookUp(routing, question("www.example"), wishes()), Unknown)

    def test_rootRouteTakesEverything(self) -> None:
        """
        A route for the root takes all names.
        """
        routing = RouteSource({b"\x00": self.corp})
        self.successResultOf(lookUp(routing, question("www.example"), wishes()))
        self.assertEqual(self.corp.asked, ["www.example A"])

    def test_answerAtHandOfChosenSource(self) -> None:
        """
        An answer at hand in the chosen source is given at once.
        """
        self.corp.ready = True
        self.assertIsNotNone(atHand(self.routing, question("www.corp.example"), wishes()))
        self.assertIsNone(atHand(self.routing, question("www.example"), wishes()))

    def test_cancelReachesTheSource(self) -> None:
        """
        Cancelling reaches the chosen source.
        """
        held = HeldSource()
        asking = lookUp(RouteSource({b"\x00": held}), question("www.example"), wishes())
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(held.cancelled), 1)

    def test_closeClosesEachSourceOnce(self) -> None:
        """
        Each source is closed once, however many suffixes it serves.
        """
        routing = RouteSource({nameFromText("a"): self.corp, nameFromText("b"): self.corp}, self.others)
        self.successResultOf(routing.close())
        self.assertEqual((self.corp.closed, self.others.closed), (1, 1))
        self.successResultOf(routing.close())
