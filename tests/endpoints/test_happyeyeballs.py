"""
Tests of L{twisted_ext.endpoints.happyeyeballs}: when each attempt starts, and what is left behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IAddress

from tests.endpoints.reaching import Client, ReachingTestCase, RecordingProtocol
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints import TargetsFailed, happyeyeballs
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.limits import Limit
from twisted_ext.testing.sources import HeldSource

__all__: list[str] = []

#: Addresses without a host, which give no reply.
DEAD, DEAD_TOO, DEAD_6 = "192.0.2.90", "192.0.2.91", "2001:db8::90"


class AttemptTests(ReachingTestCase):
    """
    Tests of the order and timing of attempts.
    """

    def test_firstSuccessEndsTheSearch(self) -> None:
        """
        The first target is connected to, and no other is tried.
        """
        self.listen("192.0.2.80", "192.0.2.81")
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81"))
        self.network.advance(0.02)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "192.0.2.80")])

    def test_attemptsAreStaggered(self) -> None:
        """
        A quarter of a second passes between attempts as long as none has failed (RFC 8305, section 5); the first success ends the others.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint(DEAD, DEAD_TOO, "192.0.2.80"))
        self.network.advance(0.51)
        self.assertEqual(self.dials, [(0, DEAD), (0.25, DEAD_TOO), (0.5, "192.0.2.80")])
        self.assertEqual(len(self.here.connectors), 3)
        self.network.advance(0.01)
        self.assertEqual(self.here.connectors, [])
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_earlierAttemptCanStillWin(self) -> None:
        """
        An attempt that started earlier can still win.
        """
        self.listen("192.0.2.80")
        self.network.shape("192.0.2.80", delay=0.3)
        found = self.connect(self.endpoint("192.0.2.80", DEAD))
        self.network.advance(0.4)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "192.0.2.80"), (0.25, DEAD)])

    def test_failureStartsTheNextAttempt(self) -> None:
        """
        A failed attempt starts the next one at once.
        """
        self.refuse("192.0.2.70", "192.0.2.71")
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("192.0.2.70", "192.0.2.71", "192.0.2.80"))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "192.0.2.70"), (0.02, "192.0.2.71"), (0.04, "192.0.2.80")])

    def test_failureAmongPendingAttempts(self) -> None:
        """
        A failed attempt, or a name without an address, starts the next attempt at once even if others of its priority are pending.
        """
        self.refuse("192.0.2.70")
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint(DEAD, "192.0.2.70", "no.example", "192.0.2.80"))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, DEAD), (0.25, "192.0.2.70"), (0.27, "192.0.2.80")])
        del self.dials[:]
        began = self.here.seconds()
        found = self.connect(self.endpoint(DEAD, "no.example", "192.0.2.80"))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual([round(at - began, 3) for at, _ in self.dials], [0, 0.25])

    def test_familiesAlternate(self) -> None:
        """
        The addresses of a host are tried with alternating families (RFC 8305, section 4).
        """
        records = {("h.example", "AAAA"): ["2001:db8::90", "2001:db8::91"], ("h.example", "A"): ["192.0.2.90", "192.0.2.91"]}
        found = self.connect(self.endpoint("h.example", resolver=self.zone(records)))
        self.network.advance(1)
        order = [address for _, address in self.dials]
        self.assertEqual(order, ["2001:db8::90", "192.0.2.90", "2001:db8::91", "192.0.2.91"])
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)

    def test_laterPriorityWaitsASecond(self) -> None:
        """
        A target of a later priority waits for a second, or until all earlier ones have failed, so that a slow primary does not lose to its
        backup.
        """
        self.listen("192.0.2.80", "192.0.2.81")
        self.network.shape("192.0.2.80", delay=0.4)
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81", priorities=(1, 2)))
        self.network.advance(2)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(len(self.dials), 1)
        found = self.connect(self.endpoint(DEAD, DEAD_TOO, "192.0.2.81", priorities=(1, 1, 2)))
        began = self.here.seconds()
        self.network.advance(2)
        self.assertEqual(self.reached(found), "192.0.2.81 80")
        self.assertEqual([round(at - began, 3) for at, _ in self.dials[1:]], [0, 0.25, 1.25])
        del self.dials[:]
        self.refuse("192.0.2.70")
        found = self.connect(self.endpoint("192.0.2.70", "192.0.2.81", priorities=(1, 2)))
        self.network.advance(0.1)
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_laterPriorityWaitsForAllOthers(self) -> None:
        """
        A single failure does not start the next priority as long as another attempt may succeed.
        """
        self.refuse("192.0.2.70")
        self.listen("192.0.2.81")
        found = self.connect(self.endpoint(DEAD, "192.0.2.70", "192.0.2.81", priorities=(1, 1, 2)))
        self.network.advance(1.2)
        self.assertEqual([at for at, _ in self.dials], [0, 0.25])
        self.network.advance(0.2)
        self.assertEqual([at for at, _ in self.dials], [0, 0.25, 1.25])
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_failedPriorityStartsTheNext(self) -> None:
        """
        The next priority starts at once when all of a priority have failed, even if one of an earlier priority is still pending.
        """
        self.refuse("192.0.2.70", "192.0.2.71")
        self.listen("192.0.2.80")
        addresses = (DEAD, "192.0.2.70", "192.0.2.71", "192.0.2.80")
        found = self.connect(self.endpoint(*addresses, priorities=(1, 2, 3, 4)))
        self.network.advance(2)
        self.assertEqual([at for at, _ in self.dials], [0, 1, 1.02, 1.04])
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_nearBackupWinsWithoutPriorityDelay(self) -> None:
        """
        A near backup wins if the priority delay equals the attempt delay.
        """
        self.patch(happyeyeballs, "PRIORITY_DELAY", Limit(0.25, 0.01, 1))
        self.listen("192.0.2.80", "192.0.2.81")
        self.network.shape("192.0.2.80", delay=0.4)
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81", priorities=(1, 2)))
        self.network.advance(2)
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_delaysAndTimeoutCanBeSet(self) -> None:
        """
        Both delays and the time-out of an attempt can be set.
        """
        targets = self.targets(DEAD, DEAD_TOO, "192.0.2.92", priorities=(1, 1, 2))
        endpoint = TargetsEndpoint(
            self.here, targets, resolver=self.zone({}), attemptDelay=0.1, priorityDelay=0.5, timeout=3
        )
        found = self.connect(endpoint)
        self.network.advance(3.5)
        self.assertNoResult(found)
        self.network.advance(0.2)
        self.assertEqual([at for at, _ in self.dials], [0, 0.1, 0.6])
        failed = self.failureResultOf(found, TargetsFailed).value
        self.assertEqual([type(attempt.error) for attempt in failed.attempts], [TimeoutError] * 3)

    def test_bindAddressLimitsTheFamily(self) -> None:
        """
        Only addresses of the family of the bind address are looked up and tried.
        """
        self.listen("2001:db8::80")
        resolver = self.zone({("h.example", "AAAA"): "2001:db8::80", ("h.example", "A"): "192.0.2.80"})
        target = [Target("h.example", 80, addresses=("192.0.2.79",))]
        found = self.connect(TargetsEndpoint(self.here, target, resolver=resolver, bindAddress="2001:db8::7"))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "2001:db8::80 80")
        self.assertEqual([question.rrType for question in self.source.questions], [28])
        found = self.connect(TargetsEndpoint(self.here, target, resolver=resolver, bindAddress=("192.0.2.7", 4000)))
        self.network.advance(0)
        self.assertEqual(self.dials[-1][1], "192.0.2.80")
        found.cancel()
        self.failureResultOf(found)


class FailureTests(ReachingTestCase):
    """
    Tests of the errors when no target can be reached.
    """

    def test_errorNamesEveryTarget(self) -> None:
        """
        The error names each target and address with its reason.
        """
        self.refuse("192.0.2.70")
        resolver = self.zone({("a.example", "A"): "192.0.2.70"})
        endpoint = TargetsEndpoint(
            self.here, self.targets("a.example", "b.example", DEAD), "the chat", resolver=resolver, timeout=1
        )
        found = self.connect(endpoint)
        self.network.advance(5)
        error = self.failureResultOf(found, TargetsFailed).value
        self.assertIsInstance(error.attempts[0].error, ConnectionRefusedError)
        self.assertEqual(
            str(error),
            "the chat: a.example:80 at 192.0.2.70: Connection was refused by other side; b.example:80: the name has no address that could"
            " be connected to; 192.0.2.90:80: User timeout caused connection failure",
        )
        self.assertEqual(repr(error.attempts[2]), "<Attempt 192.0.2.90:80: User timeout caused connection failure>")

    def test_noTargetsIsAnError(self) -> None:
        """
        A connection without targets fails.
        """
        error = self.failureResultOf(self.connect(self.endpoint()), TargetsFailed).value
        self.assertEqual(str(error), "the targets: there is nothing to connect to")

    def test_errorTextIsBounded(self) -> None:
        """
        The error text covers the first attempts only.
        """
        addresses = [f"192.0.2.{number}" for number in range(100, 110)]
        self.refuse(*addresses)
        found = self.connect(self.endpoint(*addresses))
        self.network.advance(1)
        error = self.failureResultOf(found, TargetsFailed).value
        self.assertEqual(len(error.attempts), 10)
        self.assertTrue(str(error).endswith("; and 2 more"), error)

    def test_factoryErrorReachesTheCaller(self) -> None:
        """
        An exception from the caller's factory reaches the caller, and no other target is tried.
        """

        class Broken(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                raise KeyError("mine")

        self.listen("192.0.2.80", "192.0.2.81")
        found = self.endpoint("192.0.2.80", "192.0.2.81").connect(Broken())
        self.network.advance(1)
        self.failureResultOf(found, KeyError)
        self.assertEqual(len(self.dials), 1)

    def test_protocolErrorClosesTheConnection(self) -> None:
        """
        An exception from C{connectionMade} reaches the caller at once and closes the connection.
        """

        class Broken(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                self.built.append(FailingProtocol())
                return self.built[-1]

        class FailingProtocol(RecordingProtocol):
            def connectionMade(self) -> None:
                raise KeyError("mine")

        self.listen("192.0.2.80", "192.0.2.81")
        client = Broken()
        found = self.endpoint("192.0.2.80", "192.0.2.81").connect(client)
        self.network.advance(0.1)
        self.failureResultOf(found, KeyError)
        self.network.advance(1)
        self.assertEqual((len(self.dials), self.here.connections, self.here.pending()), (1, [], []))
        self.assertIsNotNone(client.built[0].lost)

    def test_decliningFactoryGetsTheNextTarget(self) -> None:
        """
        A factory that declines one address gets the next one.
        """

        nothing = cast(RecordingProtocol, None)

        class SecondAddressOnly(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                if getattr(addr, "host", "") == "192.0.2.80":
                    return nothing
                return super().buildProtocol(addr)

        self.listen("192.0.2.80", "192.0.2.81")
        found = self.endpoint("192.0.2.80", "192.0.2.81").connect(SecondAddressOnly())
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_findingErrorReachesTheCaller(self) -> None:
        """
        An exception while the targets are looked up reaches the caller.
        """

        def find() -> Deferred[list[Target]]:
            raise ZeroDivisionError

        endpoint = TargetsEndpoint(self.here, find, resolver=self.zone({}))
        self.failureResultOf(self.connect(endpoint), ZeroDivisionError)


class CancelTests(ReachingTestCase):
    """
    Tests of canceled connections.
    """

    def test_cancelLeavesNothingAtAnyStage(self) -> None:
        """
        Canceling at any time leaves no socket, timer or look-up.
        """
        self.refuse("192.0.2.70")
        held = HeldSource()
        resolver = NamesResolver(held, self.here)
        for moment in range(12):
            endpoint = self.endpoint(DEAD, "192.0.2.70", "a.example", DEAD_TOO, resolver=resolver, priorities=(1, 1, 2, 3))
            found = self.connect(endpoint)
            self.network.advance(moment * 0.2)
            self.assertNotEqual(self.here.pending(), [])
            found.cancel()
            self.failureResultOf(found, ConnectingCancelledError)
            self.assertEqual(self.here.pending(), [])
            self.assertEqual(held.held, [])
        self.assertGreater(len(held.cancelled), 1)
        self.network.advance(100)
        self.assertEqual(self.client.built, [])

    def test_socketsStayWithoutStop(self) -> None:
        """
        Sockets would stay open without the cleanup of pending attempts.
        """
        self.patch(happyeyeballs.ConnectAttempt, "_stop", lambda self: setattr(self, "_over", True))
        found = self.connect(self.endpoint(DEAD))
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)
        self.assertNotEqual(self.here.pending(), [])
        self.here.connectors[0].stopConnecting()
        for call in self.here.getDelayedCalls():
            call.cancel()

    def test_cancelAfterSuccessDoesNothing(self) -> None:
        """
        Canceling after the connection does nothing.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("192.0.2.80"))
        self.network.advance(1)
        found.cancel()
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_simultaneousConnectionsBuildOneProtocol(self) -> None:
        """
        One protocol is built if several connections succeed at the same time.
        """
        self.listen("192.0.2.80", "192.0.2.81")
        self.network.shape("192.0.2.80", delay=0.26)
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81"))
        self.network.advance(5)
        self.assertEqual(len(self.client.built), 1)
        self.reached(found)

    def test_cancelFromFactoryOrProtocolCloses(self) -> None:
        """
        Canceling from within the factory or the protocol closes the connection.
        """
        cancels: list[Callable[[], None]] = []

        class CancelingProtocol(RecordingProtocol):
            def connectionMade(self) -> None:
                cancels.pop()()

        class CancelingFactory(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                super().buildProtocol(addr)
                cancels.pop()()
                return self.built[-1]

        class ProtocolFactory(Client):
            def buildProtocol(self, addr: IAddress | None) -> RecordingProtocol:
                return CancelingProtocol()

        self.listen("192.0.2.80")
        for client in (CancelingFactory(), ProtocolFactory()):
            found = self.endpoint("192.0.2.80").connect(client)
            cancels.append(found.cancel)
            self.network.advance(1)
            self.assertEqual(cancels, [])
            self.failureResultOf(found, ConnectingCancelledError)
            self.assertEqual((self.here.connections, self.here.pending()), ([], []))

    def test_factoryStartsAndStopsPerAttempt(self) -> None:
        """
        C{doStart} and C{doStop} of the factory are called for every attempt.
        """
        uses: list[int] = []

        class Counting(Client):
            def doStart(self) -> None:
                uses.append(1)

            def doStop(self) -> None:
                uses.append(-1)

        self.refuse("192.0.2.70")
        self.listen("192.0.2.80")
        found = self.endpoint("192.0.2.70", DEAD, "192.0.2.80").connect(Counting())
        self.network.advance(1)
        self.assertEqual((len(uses), sum(uses)), (5, 1))
        self.reached(found)
        self.assertEqual(sum(uses), 0)
