"""
Tests of mistakes in the use of the simulated internet, which must not make a test pass in vain, and of the hosts of the application.
"""

from __future__ import annotations

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.trial.unittest import SynchronousTestCase

from tests.testing.internet.test_world import built
from tests.typed import unchecked
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.codes import Rcode


class TimeTests(SynchronousTestCase):
    """
    Tests of the clock.
    """

    def test_timeDoesNotGoBackwards(self) -> None:
        """
        A negative number of seconds is refused, as a test that passes one would pass in vain.
        """
        internet = built()
        for advance in (internet.advance, internet.network.advance):
            for seconds in (-100, -0.001, float("nan")):
                with self.assertRaisesRegex(ValueError, "time does not go backwards"):
                    advance(seconds)


class FaultNameTests(SynchronousTestCase):
    """
    Tests of faults that are given as text.
    """

    def test_valueOfFault(self) -> None:
        """
        The value of a fault stands for it, for setting and for ending it.
        """
        internet = built()
        internet.inject("servfail", "example.org")
        reply = internet.ask("ns1.example.org", "www.example.org")
        assert reply is not None
        self.assertEqual(reply.rcode, Rcode.SERVFAIL)
        internet.clear("servfail", "example.org")
        reply = internet.ask("ns1.example.org", "www.example.org")
        assert reply is not None
        self.assertEqual(reply.rcode, Rcode.NOERROR)

    def test_unknownFault(self) -> None:
        """
        Other text is refused, with what may be meant.
        """
        internet = built()
        for call in (internet.inject, internet.clear):
            with self.assertRaisesRegex(ValueError, "'expird' is not a fault; did you mean 'expired'?"):
                call("expird", "example.org")
            with self.assertRaisesRegex(ValueError, "'EXPIRED_' is not a fault; did you mean 'expired'?"):
                call("EXPIRED_", "example.org")
            with self.assertRaisesRegex(ValueError, "'' is not a fault; Fault lists them"):
                call("", "example.org")


class OwnHostTests(SynchronousTestCase):
    """
    Tests of faults and links of the application's own hosts.
    """

    def setUp(self) -> None:
        self.internet = built()
        self.here = self.internet.reactor("192.0.2.7")
        there = self.internet.reactor("192.0.2.80", "2001:db8::80")
        factory = ServerFactory()
        factory.protocol = Protocol
        there.listenTCP(80, factory)

    def outcome(self, address: str = "192.0.2.80") -> str:
        """
        Connect to the host, and return the error or C{""} with the seconds that it took.
        """
        began = self.internet.time()
        connecting = TCP4ClientEndpoint(self.here, address, 80, timeout=10).connect(Factory.forProtocol(Protocol))
        try:
            made = self.internet.wait(connecting)
        except ConnectError as error:
            return type(error).__name__
        assert isinstance(made, Protocol) and made.transport is not None
        made.transport.loseConnection()
        return f"{self.internet.time() - began:.2f}"

    def test_faults(self) -> None:
        """
        A host can be dead or closed, at all of its addresses, until the fault ends. Its links stay as they are.
        """
        self.internet.link("192.0.2.80", rtt=0.5)
        self.assertEqual(self.outcome(), "0.50")
        self.internet.inject(Fault.DEAD, "2001:db8::80")
        self.assertEqual(self.outcome(), "TimeoutError")
        self.internet.clear(Fault.DEAD, "192.0.2.80")
        self.assertEqual(self.outcome(), "0.50")
        self.internet.inject(Fault.CLOSED, "192.0.2.80")
        self.assertEqual(self.outcome(), "ConnectionRefusedError")
        self.internet.clear()
        self.assertEqual(self.outcome(), "0.50")

    def test_clientIsCutOff(self) -> None:
        """
        A dead client reaches nothing. A closed one, on which nothing listens, still gets replies.
        """
        resolver = self.internet.resolver(self.here)
        self.internet.inject(Fault.CLOSED, "192.0.2.7")
        self.assertEqual(self.internet.wait(resolver.getHostByName("www.example.org")), "192.0.2.80")
        self.internet.inject(Fault.DEAD, "192.0.2.7")
        self.assertEqual(self.outcome(), "TimeoutError")
        self.internet.wait(resolver.close())

    def test_otherFaults(self) -> None:
        """
        Faults of name servers, and of one name or type, are refused for other hosts, as are addresses of no host.
        """
        for fault, named, said in (
            (Fault.EXPIRED, {}, "EXPIRED is for name servers; the host at 192.0.2.80 can have DEAD and CLOSED"),
            (Fault.DEAD, {"rrType": "A"}, "192.0.2.80 is not a name server, so that its faults are not for a name or a type"),
            (Fault.DEAD, {"name": "www.example.org"}, "192.0.2.80 is not a name server"),
        ):
            with self.assertRaisesRegex(ValueError, said):
                unchecked(self.internet.inject)(fault, "192.0.2.80", **named)
        with self.assertRaisesRegex(ValueError, "there is no server, zone or host '192.0.2.81'"):
            self.internet.inject(Fault.DEAD, "192.0.2.81")
