"""
Tests of the memory network.
"""

from __future__ import annotations

from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IReactorTCP,
    IReactorTime,
    IReactorUDP,
    IUDPTransport,
)
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_ext.testing.network import MemoryNetwork


class Noting(DatagramProtocol):
    """
    Record received datagrams.
    """

    def __init__(self) -> None:
        self.received: list[tuple[bytes, tuple[str, int]]] = []
        self.refusals = 0
        self.stopped = False

    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.received.append((datagram, (addr[0], addr[1])))

    def connectionRefused(self) -> None:
        self.refusals += 1

    def stopProtocol(self) -> None:
        self.stopped = True


class DatagramTests(SynchronousTestCase):
    """
    Tests for datagrams on L{MemoryNetwork}.
    """

    def setUp(self) -> None:
        self.network = MemoryNetwork(seed=3)
        self.here = self.network.reactor("192.0.2.7", "2001:db8::7")
        self.there = self.network.reactor("192.0.2.53", "2001:db8::53")
        self.near, self.far = Noting(), Noting()
        self.port = self.here.listenUDP(1000, self.near)
        self.there.listenUDP(53, self.far)

    def send(self, count: int = 1) -> None:
        """
        Send datagrams from here to there.
        """
        for number in range(count):
            self.port.write(b"%d" % number, ("192.0.2.53", 53))

    def texts(self) -> list[bytes]:
        """
        Return the datagrams that have arrived there.
        """
        return [octets for octets, _ in self.far.received]

    def test_hostsProvideReactorInterfaces(self) -> None:
        """
        Hosts provide the interfaces of reactors, and ports those of ports.
        """
        for interface in (IReactorTime, IReactorUDP, IReactorTCP, IReactorPluggableResolver, IReactorPluggableNameResolver):
            verifyObject(interface, self.here)
        verifyObject(IListeningPort, self.port)
        verifyObject(IUDPTransport, self.port)

    def test_datagramArrivesWithItsSource(self) -> None:
        """
        A datagram arrives with its source address, and not before time passes.
        """
        self.send()
        self.assertEqual(self.far.received, [])
        self.network.advance()
        self.assertEqual(self.far.received, [(b"0", ("192.0.2.7", 1000))])

    def test_datagramTakesItsDelay(self) -> None:
        """
        A datagram takes the delay of its link.
        """
        self.network.shape("192.0.2.53", delay=0.5)
        self.send()
        self.network.advance(0.4)
        self.assertEqual(self.texts(), [])
        self.network.advance(0.1)
        self.assertEqual(self.texts(), [b"0"])

    def test_lossIsAsConfigured(self) -> None:
        """
        The configured share of datagrams is lost.
        """
        self.network.shape(loss=0.5)
        self.send(1000)
        self.network.advance()
        self.assertTrue(400 < len(self.texts()) < 600)
        self.assertEqual(self.network.sent["192.0.2.53", 53], 1000)

    def test_jitterReorders(self) -> None:
        """
        Datagrams overtake each other with jitter.
        """
        self.network.shape(jitter=1.0)
        self.send(20)
        self.network.advance(1.0)
        self.assertNotEqual(self.texts(), sorted(self.texts(), key=int))
        self.assertEqual(len(self.texts()), 20)

    def test_duplicatesAreAsConfigured(self) -> None:
        """
        The configured share of datagrams arrives twice.
        """
        self.network.shape(duplicate=1.0)
        self.send(3)
        self.network.advance()
        self.assertEqual(len(self.texts()), 6)

    def test_silentLinkDropsEverything(self) -> None:
        """
        A silent link drops everything.
        """
        self.network.shape("192.0.2.53", silent=True)
        self.send(3)
        self.network.advance(10)
        self.assertEqual(self.texts(), [])

    def test_testChoosesLostDatagrams(self) -> None:
        """
        A test can choose the datagrams that are lost.
        """
        self.network.shape(admit=lambda datagram: datagram.octets != b"1")
        self.send(3)
        self.network.advance()
        self.assertEqual(self.texts(), [b"0", b"2"])

    def test_mostSpecificShapeWins(self) -> None:
        """
        A shape for both ends takes precedence over one for one end.
        """
        self.network.shape(silent=True)
        self.network.shape("192.0.2.53", delay=1.0)
        self.network.shape("192.0.2.53", "192.0.2.7", delay=0.1)
        self.send()
        self.network.advance(0.2)
        self.assertEqual(self.texts(), [b"0"])

    def test_closedPortIsReportedToConnectedSocket(self) -> None:
        """
        A closed port is reported to a connected socket only.
        """
        connected = Noting()
        port = self.here.listenUDP(0, connected)
        port.connect("192.0.2.53", 54)
        port.write(b"?")
        self.port.write(b"?", ("192.0.2.53", 54))
        self.network.advance()
        self.assertEqual((connected.refusals, self.near.refusals), (1, 0))

    def test_missingHostIsSilent(self) -> None:
        """
        No reply comes from an address without a host.
        """
        lonely = Noting()
        port = self.here.listenUDP(0, lonely)
        port.connect("192.0.2.99", 53)
        port.write(b"?")
        self.network.advance(60)
        self.assertEqual(lonely.refusals, 0)

    def test_connectedSocketHearsItsPeerOnly(self) -> None:
        """
        A connected socket receives from its peer only.
        """
        self.port.connect("192.0.2.53", 53)
        for source in (("192.0.2.53", 53), ("192.0.2.53", 54), ("192.0.2.54", 53)):
            self.network.inject(b"forged", source, ("192.0.2.7", 1000))
        self.assertEqual(self.near.received, [(b"forged", ("192.0.2.53", 53))])

    def test_forgedRefusalNeedsBothEnds(self) -> None:
        """
        A forged refusal affects only the socket with exactly these ends.
        """
        self.port.connect("192.0.2.53", 53)
        self.network.injectRefusal(("192.0.2.53", 54), ("192.0.2.7", 1000))
        self.network.injectRefusal(("192.0.2.53", 53), ("192.0.2.7", 1001))
        self.assertEqual(self.near.refusals, 0)
        self.network.injectRefusal(("192.0.2.53", 53), ("192.0.2.7", 1000))
        self.assertEqual(self.near.refusals, 1)

    def test_loopbackIsOfEachHost(self) -> None:
        """
        Each host has its own loopback addresses.
        """
        own = Noting()
        self.here.listenUDP(53, own)
        self.port.write(b"self", ("127.0.0.1", 53))
        self.network.advance()
        self.assertEqual((own.received, self.texts()), ([(b"self", ("127.0.0.1", 1000))], []))

    def test_familiesAreSeparate(self) -> None:
        """
        IPv6 works between IPv6 addresses, and a host without one cannot send there.
        """
        six = Noting()
        self.there.listenUDP(53, six, "::")
        port = self.here.listenUDP(0, Noting(), "::")
        port.write(b"six", ("2001:0db8::0053", 53))
        self.network.advance()
        self.assertEqual(six.received[0][1][0], "2001:db8::7")
        alone = self.network.reactor("192.0.2.8").listenUDP(0, Noting(), "::")
        self.assertRaises(OSError, alone.write, b"six", ("2001:db8::53", 53))

    def test_takenPortIsRefused(self) -> None:
        """
        A taken port cannot be listened on until it is free again.
        """
        self.assertRaises(CannotListenError, self.here.listenUDP, 1000, Noting())
        self.port.stopListening()
        self.assertTrue(self.near.stopped)
        self.here.listenUDP(1000, Noting())

    def test_datagramsAreRecorded(self) -> None:
        """
        All sent datagrams are recorded with time and source.
        """
        self.network.advance(5)
        self.send()
        (datagram,) = self.network.datagrams
        self.assertEqual((datagram.at, datagram.source, datagram.octets), (5.0, ("192.0.2.7", 1000), b"0"))
        self.network.recording = False
        self.send()
        self.assertEqual(len(self.network.datagrams), 1)

    def test_pendingDescribesOpenThings(self) -> None:
        """
        Open ports and calls are listed in words.
        """
        call = self.here.callLater(5, lambda: None)
        self.assertEqual(len(self.here.pending()), 2)
        self.assertIn("UDP port 0.0.0.0:1000", self.here.pending())
        self.assertEqual(len(self.network.pending()), 3)
        call.cancel()
        self.port.stopListening()
        self.assertEqual(self.here.pending(), [])


class TimeTests(SynchronousTestCase):
    """
    Tests for L{MemoryNetwork.advance}.
    """

    def test_consequencesHappenAtTheirTime(self) -> None:
        """
        Consequences of an event happen at their own time, not at the end of the step.
        """
        network = MemoryNetwork()
        host = network.reactor()
        times: list[float] = []

        def again() -> None:
            times.append(host.seconds())
            host.callLater(1.0, again)

        again()
        network.advance(3.5)
        self.assertEqual((times, host.seconds()), ([0.0, 1.0, 2.0, 3.0], 3.5))

    def test_testBringsItsClock(self) -> None:
        """
        A test may bring its own clock.
        """
        clock = Clock()
        network = MemoryNetwork(clock)
        network.advance(2)
        self.assertEqual((clock.seconds(), network.reactor().seconds()), (2.0, 2.0))

    def test_endlessSchedulingIsAnError(self) -> None:
        """
        A call that reschedules itself for now, for ever, is an error.
        """
        network = MemoryNetwork()
        self.patch(__import__("twisted_ext.testing.network", fromlist=["_MOST_TURNS"]), "_MOST_TURNS", 100)

        def again() -> None:
            network.clock.callLater(0, again)

        again()
        self.assertRaises(RuntimeError, network.advance, 1)

    def test_hostsGetDistinctAddresses(self) -> None:
        """
        Hosts get distinct addresses of both families.
        """
        network = MemoryNetwork()
        self.assertEqual(network.reactor().addresses, ("192.0.2.1", "2001:db8::1"))
        self.assertRaises(ValueError, network.reactor, "2001:0db8::0001")
