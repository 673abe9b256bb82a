"""
Tests of going from one server to the next.
"""

from __future__ import annotations

from tests.networks import NetworkTestCase
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.resolver.forward.forwarder import ForwardingSource


class SeveralServersTests(NetworkTestCase):
    """
    Tests for L{ForwardingSource} with more servers than one.
    """

    def setUp(self) -> None:
        super().setUp()
        self.first, one = self.serve("192.0.2.53")
        self.second, two = self.serve("192.0.2.54")
        self.servers = (one, two)
        self.source = self.forward(one, two)

    def asked(self) -> tuple[int, int]:
        """
        @return: how often each was asked since the last time.
        """
        counts = len(self.first.asked), len(self.second.asked)
        self.first.asked.clear()
        self.second.asked.clear()
        return counts

    def test_firstListed(self) -> None:
        """
        The first one listed is asked, and the other one not at all.
        """
        self.find(self.source)
        self.assertEqual(self.asked(), (1, 0))

    def test_movesOn(self) -> None:
        """
        SERVFAIL, REFUSED, NOTIMP, FORMERR and odd rcodes lead to the next server at once.
        """
        for rcode in (1, 2, 4, 5, 9, 11):
            source = self.forward(*self.servers)
            self.first.rcode = rcode
            asked = self.ask(source)
            self.network.advance(0.1)
            self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_rotate(self) -> None:
        """
        Asked in turn, each server has its share, whichever is the quicker; one that is down has none, and the other one answers for it.
        """
        self.network.shape("192.0.2.54", delay=0.2)
        source = ForwardingSource(self.here, self.servers, rotate=True)
        for _ in range(10):
            self.assertEqual(self.find(source), ["192.0.2.80"])
        self.assertEqual(self.asked(), (5, 5))
        for _ in range(10):
            self.find(self.source)
        self.assertGreater(self.asked()[0], 8)
        self.first.silent = True
        for _ in range(10):
            self.assertEqual(self.find(source, seconds=2.0), ["192.0.2.80"])
        # The first look-up after the pause has probed it as well.
        self.assertEqual(self.asked()[1], 11)

    def test_backAgain(self) -> None:
        """
        Where servers are asked in turn, or by TCP, one that was down has another chance when its back-off is over, although it is slower
        than the one that was asked meanwhile.
        """
        for rotate, stream, share in ((True, False, (4, 5)), (False, True, (8, 0))):
            source = ForwardingSource(self.here, self.servers, rotate=rotate, stream=stream)
            self.network.shape("192.0.2.53", silent=True)
            self.find(source)
            self.find(source)
            self.network.shape("192.0.2.53", delay=0.1)
            self.network.advance(60)
            self.asked()
            for _ in range(8):
                self.find(source)
            # One of them is a probe: the other server has not been asked for a minute.
            self.assertEqual(self.asked(), share)

    def test_denialIsFinal(self) -> None:
        """
        A server that says that there is no such name has answered.
        """
        self.second.set("other.example.test", "A", "192.0.2.81")
        self.assertEqual(self.find(self.source, "other.example.test"), [])
        self.assertEqual(self.asked(), (1, 0))

    def test_deadFirst(self) -> None:
        """
        A dead first server costs one wait, and later look-ups nothing.
        """
        source = self.forward(self.nowhere(), self.servers[1])
        asked = self.ask(source)
        self.network.advance(0.7)
        self.assertEqual(self.told(asked), ["192.0.2.80"])
        asked = self.ask(source)
        self.network.advance(0.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_closedFirst(self) -> None:
        """
        A first server whose port is closed costs no wait at all.
        """
        self.first.close()
        asked = self.ask(self.source)
        self.network.advance(0.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])

    def test_quickest(self) -> None:
        """
        Once both have been measured, the quicker one is asked.
        """
        self.network.shape("192.0.2.53", delay=0.2)
        self.first.rcode = 2
        self.find(self.source)
        self.first.rcode = None
        self.find(self.source)
        self.asked()
        for _ in range(3):
            self.ask(self.source)
            self.network.advance(1)
        self.assertEqual(self.asked(), (0, 3))

    def test_probe(self) -> None:
        """
        A server that was down gets a copy of a real query when its back-off is over, and is used again when it answers.
        """
        self.network.shape("192.0.2.53", silent=True)
        self.find(self.source)
        self.network.shape("192.0.2.53", delay=0.001)
        self.network.shape("192.0.2.54", delay=0.2)
        self.asked()
        self.find(self.source)
        self.assertEqual(self.asked(), (1, 1))
        self.assertEqual(self.events()[0], "probed")
        self.find(self.source)
        self.assertEqual(self.asked(), (1, 0))

    def test_allFail(self) -> None:
        """
        When all have failed, the most telling fault is raised, with the story of each; SERVFAIL tells more than silence.
        """
        self.first.rcode = 2
        self.second.silent = True
        fault = self.fault(self.source)
        self.assertIsInstance(fault, ServerFailed)
        self.assertEqual((fault.rcode, fault.server), (2, "192.0.2.53:53"))
        self.assertIn("192.0.2.53:53 answered SERVFAIL", str(fault))
        self.assertIn("192.0.2.54:53 did not answer", str(fault))

    def test_allRefuse(self) -> None:
        """
        When all have refused, there is nothing to wait for.
        """
        self.first.rcode = self.second.rcode = 5
        asked = self.ask(self.source)
        self.network.advance(0.1)
        self.assertEqual(self.failed(asked).rcode, 5)

    def test_silenceBeforeUnreachable(self) -> None:
        """
        A silent server tells more than a closed port.
        """
        self.first.close()
        self.second.silent = True
        self.assertIsInstance(self.fault(self.source), TimedOut)

    def test_truncatedAndNoTCP(self) -> None:
        """
        A server that truncates and then has no TCP does not end the look-up while there is another.
        """
        self.first.truncating = True
        self.first.silentTo = "tcp"
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_slowFirstStillCounts(self) -> None:
        """
        A slow server's answer counts when the next one does not know.
        """
        self.first.delay = 1.0
        self.second.rcode = 2
        self.assertEqual(self.find(self.source), ["192.0.2.80"])

    def test_equalServers(self) -> None:
        """
        One server written in two ways is one server.
        """
        from twisted_ext.transport.servers import Server

        source = self.forward(Server("2001:db8::1"), Server("2001:0db8::0001"))
        self.assertEqual(len(source.upstreams), 1)

    def test_refusesEverything(self) -> None:
        """
        A first server that refuses everything is not asked first for ever.
        """
        self.first.rcode = 5
        for number in range(8):
            self.ask(self.source, f"www.d{number}.test")
            self.network.advance(0.1)
        self.asked()
        self.ask(self.source)
        self.network.advance(0.1)
        self.assertEqual(self.asked(), (0, 1))
