"""
Tests of L{twisted_ext.endpoints.happyeyeballs}: when which attempt begins, and what is left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError, TimeoutError
from twisted.internet.interfaces import IAddress

from tests.endpoints.reaching import Client, ReachingTestCase, Told
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints import happyeyeballs
from twisted_ext.endpoints.attempts import TargetsFailed
from twisted_ext.endpoints.endpoints import TargetsEndpoint
from twisted_ext.limits import Limit
from twisted_ext.testing.sources import HeldSource

__all__: list[str] = []

#: Nobody is there, and nobody says so.
DEAD, DEAD_TOO, DEAD_6 = "192.0.2.90", "192.0.2.91", "2001:db8::90"


class AttemptTests(ReachingTestCase):
    """
    Attempts one after the other.
    """

    def test_first(self) -> None:
        """
        The first target is connected to, and no other is tried.
        """
        self.listen("192.0.2.80", "192.0.2.81")
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81"))
        self.network.advance(0.02)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "192.0.2.80")])

    def test_stagger(self) -> None:
        """
        As long as none has failed, a quarter of a second passes from one attempt to the next (RFC 8305, section 5); the first to succeed
        ends the others.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint(DEAD, DEAD_TOO, "192.0.2.80"))
        self.network.advance(0.51)
        self.assertEqual(self.dials, [(0, DEAD), (0.25, DEAD_TOO), (0.5, "192.0.2.80")])
        self.assertEqual(len(self.here.connectors), 3)
        self.network.advance(0.01)
        self.assertEqual(self.here.connectors, [])
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_late(self) -> None:
        """
        An attempt that began earlier may still win.
        """
        self.listen("192.0.2.80")
        self.network.shape("192.0.2.80", delay=0.3)
        found = self.connect(self.endpoint("192.0.2.80", DEAD))
        self.network.advance(0.4)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "192.0.2.80"), (0.25, DEAD)])

    def test_failure(self) -> None:
        """
        Where an attempt fails, the next begins at once.
        """
        self.refuse("192.0.2.70", "192.0.2.71")
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("192.0.2.70", "192.0.2.71", "192.0.2.80"))
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.80 80")
        self.assertEqual(self.dials, [(0, "192.0.2.70"), (0.02, "192.0.2.71"), (0.04, "192.0.2.80")])

    def test_failureBesideOthers(self) -> None:
        """
        So it does while others of its priority are still under way, be it that a name has no address.
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

    def test_families(self) -> None:
        """
        The addresses of a host are tried with the families by turns (RFC 8305, section 4), IPv6 first where it goes first.
        """
        dead = {("h.example", "AAAA"): ["2001:db8::90", "2001:db8::91"], ("h.example", "A"): ["192.0.2.90", "192.0.2.91"]}
        found = self.connect(self.endpoint("h.example", resolver=self.zone(dead)))
        self.network.advance(1)
        order = [address for _, address in self.dials]
        self.assertEqual(order, ["2001:db8::90", "192.0.2.90", "2001:db8::91", "192.0.2.91"])
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)

    def test_priorities(self) -> None:
        """
        A target of a later priority is not tried beside an earlier one until that has had a second: who is far away does not lose to his
        stand-in. Once all the earlier ones have failed it is tried at once.
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

    def test_priorityWaitsForAll(self) -> None:
        """
        That one of an earlier priority has failed is no reason to begin with the next as long as another may succeed.
        """
        self.refuse("192.0.2.70")
        self.listen("192.0.2.81")
        found = self.connect(self.endpoint(DEAD, "192.0.2.70", "192.0.2.81", priorities=(1, 1, 2)))
        self.network.advance(1.2)
        self.assertEqual([at for at, _ in self.dials], [0, 0.25])
        self.network.advance(0.2)
        self.assertEqual([at for at, _ in self.dials], [0, 0.25, 1.25])
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_priorityAfterPriority(self) -> None:
        """
        Where all of a priority have failed the next begins at once, although one that was given its second before may still succeed.
        """
        self.refuse("192.0.2.70", "192.0.2.71")
        self.listen("192.0.2.80")
        places = (DEAD, "192.0.2.70", "192.0.2.71", "192.0.2.80")
        found = self.connect(self.endpoint(*places, priorities=(1, 2, 3, 4)))
        self.network.advance(2)
        self.assertEqual([at for at, _ in self.dials], [0, 1, 1.02, 1.04])
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_priorityUndefended(self) -> None:
        """
        With the same delay for all, the stand-in that is near wins.
        """
        self.patch(happyeyeballs, "PRIORITY_DELAY", Limit(0.25, 0.01, 1))
        self.listen("192.0.2.80", "192.0.2.81")
        self.network.shape("192.0.2.80", delay=0.4)
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81", priorities=(1, 2)))
        self.network.advance(2)
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_delays(self) -> None:
        """
        Both delays, and the time of an attempt, can be chosen.
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

    def test_families6Alone(self) -> None:
        """
        From an address of IPv6, only such are looked up and tried.
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
    What is said when nothing can be reached.
    """

    def test_told(self) -> None:
        """
        The error names each target and each address, and says why it failed.
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

    def test_nothing(self) -> None:
        """
        Without targets there is an error, too.
        """
        error = self.failureResultOf(self.connect(self.endpoint()), TargetsFailed).value
        self.assertEqual(str(error), "the targets: there is nothing to connect to")

    def test_many(self) -> None:
        """
        The text tells of the first attempts only.
        """
        places = [f"192.0.2.{number}" for number in range(100, 110)]
        self.refuse(*places)
        found = self.connect(self.endpoint(*places))
        self.network.advance(1)
        error = self.failureResultOf(found, TargetsFailed).value
        self.assertEqual(len(error.attempts), 10)
        self.assertTrue(str(error).endswith("; and 2 more"), error)

    def test_factory(self) -> None:
        """
        What the caller's own factory raises is not taken for a target's failure, and no other target is tried.
        """

        class Broken(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                raise KeyError("mine")

        self.listen("192.0.2.80", "192.0.2.81")
        found = self.endpoint("192.0.2.80", "192.0.2.81").connect(Broken())
        self.network.advance(1)
        self.failureResultOf(found, KeyError)
        self.assertEqual(len(self.dials), 1)

    def test_protocol(self) -> None:
        """
        So it is with a protocol that cannot begin: what it raises comes out at once, and its connection is closed.
        """

        class Broken(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                self.built.append(Unable())
                return self.built[-1]

        class Unable(Told):
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

    def test_factoryDeclines(self) -> None:
        """
        A factory that wants no connection to one address may want the next.
        """

        nothing = cast(Told, None)

        class Choosing(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                if getattr(addr, "host", "") == "192.0.2.80":
                    return nothing
                return super().buildProtocol(addr)

        self.listen("192.0.2.80", "192.0.2.81")
        found = self.endpoint("192.0.2.80", "192.0.2.81").connect(Choosing())
        self.network.advance(1)
        self.assertEqual(self.reached(found), "192.0.2.81 80")

    def test_finding(self) -> None:
        """
        Whatever finding the targets fails with comes out.
        """

        def find() -> Deferred[list[Target]]:
            raise ZeroDivisionError

        endpoint = TargetsEndpoint(self.here, find, resolver=self.zone({}))
        self.failureResultOf(self.connect(endpoint), ZeroDivisionError)


class CancelTests(ReachingTestCase):
    """
    Callers who do not want the connection any more.
    """

    def test_everyStage(self) -> None:
        """
        At every moment cancelling ends it, with nothing left: no socket, no timer, no look-up.
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

    def test_undefended(self) -> None:
        """
        Without ending what is under way there would be sockets left.
        """
        self.patch(happyeyeballs.Connecting, "_stop", lambda self: setattr(self, "_over", True))
        found = self.connect(self.endpoint(DEAD))
        found.cancel()
        self.failureResultOf(found, ConnectingCancelledError)
        self.assertNotEqual(self.here.pending(), [])
        self.here.connectors[0].stopConnecting()
        for call in self.here.getDelayedCalls():
            call.cancel()

    def test_afterwards(self) -> None:
        """
        Cancelling what is connected does nothing.
        """
        self.listen("192.0.2.80")
        found = self.connect(self.endpoint("192.0.2.80"))
        self.network.advance(1)
        found.cancel()
        self.assertEqual(self.reached(found), "192.0.2.80 80")

    def test_once(self) -> None:
        """
        Of several that connect in the same moment one is built and kept.
        """
        self.listen("192.0.2.80", "192.0.2.81")
        self.network.shape("192.0.2.80", delay=0.26)
        found = self.connect(self.endpoint("192.0.2.80", "192.0.2.81"))
        self.network.advance(5)
        self.assertEqual(len(self.client.built), 1)
        self.reached(found)

    def test_within(self) -> None:
        """
        Cancelling from within the factory, or from within the protocol, closes the connection.
        """
        cancels: list[Callable[[], None]] = []

        class Leaving(Told):
            def connectionMade(self) -> None:
                cancels.pop()()

        class Canceling(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                super().buildProtocol(addr)
                cancels.pop()()
                return self.built[-1]

        class Building(Client):
            def buildProtocol(self, addr: IAddress | None) -> Told:
                return Leaving()

        self.listen("192.0.2.80")
        for client in (Canceling(), Building()):
            found = self.endpoint("192.0.2.80").connect(client)
            cancels.append(found.cancel)
            self.network.advance(1)
            self.assertEqual(cancels, [])
            self.failureResultOf(found, ConnectingCancelledError)
            self.assertEqual((self.here.connections, self.here.pending()), ([], []))

    def test_uses(self) -> None:
        """
        A factory is told of the beginning and the end of every attempt.
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
