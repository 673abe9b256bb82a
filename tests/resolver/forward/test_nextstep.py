"""
Tests of what comes next in a look-up: each cell of the table, and whole look-ups through all of them.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from twisted_ext.answers import Answer
from twisted_ext.limits import FIRST_WAIT
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.forward.nextstep import TABLE, Came, Cell, Plain, Step, Stream, nextStep
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.servers import Server

#: The step for each state of TCP and EDNS: TCP not asked, under way, ended; in each with EDNS only, without it by UDP, without it by TCP.
EXPECTED = {
    ("udp", Came.NEAR_MISS): "SSS WWW WWW",
    ("udp", Came.NO_EDNS): "PWW PWW PWP",
    ("udp", Came.FAILED): "AAA DDD AAA",
    ("udp", Came.DECLINED): "NNN DDD NNN",
    ("udp", Came.CUT): "SSS WWW NNN",
    ("udp", Came.MALFORMED): "WWW WWW WWW",
    ("udp", Came.BROKEN): "NNN DDD NNN",
    ("udp", Came.SILENT): "AAA AAA AAA",
    ("tcp", Came.NEAR_MISS): "WWW WWW WWW",
    ("tcp", Came.NO_EDNS): "PPD PPD PPD",
    ("tcp", Came.FAILED): "AAA AAA AAA",
    ("tcp", Came.DECLINED): "NNN NNN NNN",
    ("tcp", Came.CUT): "NNN NNN NNN",
    ("tcp", Came.MALFORMED): "NNN NNN NNN",
    ("tcp", Came.BROKEN): "NNN NNN NNN",
    ("tcp", Came.SILENT): "NNN NNN NNN",
}

#: After a near miss TCP was a precaution: where it brings nothing, UDP is asked again.
AFTER_NEAR_MISS = {("tcp", came): "AAA AAA AAA" for came in (Came.MALFORMED, Came.BROKEN, Came.SILENT)}

STEPS = {step.name[0]: step for step in Step}


class TableTests(SynchronousTestCase):
    """
    Tests for L{nextStep}.
    """

    def test_everyCell(self) -> None:
        """
        Each cell has the step that is written down here, and there are no others.
        """
        count = 0
        for transport, nearMiss, came in product(("udp", "tcp"), (False, True), Came):
            rows = (nearMiss and AFTER_NEAR_MISS.get((transport, came))) or EXPECTED[transport, came]
            for stream, row in zip(Stream, rows.split(), strict=True):
                for plain, letter in zip(Plain, row, strict=True):
                    cell: Cell = (transport == "tcp", nearMiss, came, stream, plain)
                    self.assertIs(nextStep(*cell), STEPS[letter], cell)
                    count += 1
        self.assertEqual(count, len(TABLE))

    def test_nothingStalls(self) -> None:
        """
        A query that ends for another one ends only where another one can be under way, and a query by TCP, which nothing follows, is never
        left open once it has brought something.
        """
        for (stream, _, came, tried, plain), step in TABLE.items():
            if step is Step.DROP:
                self.assertTrue(tried is Stream.OPEN or plain is not Plain.NO)
            if stream and came is not Came.NEAR_MISS:
                self.assertIsNot(step, Step.WAIT)

    def test_ends(self) -> None:
        """
        No server is asked for ever: TCP is added once, and EDNS left out once for each transport.
        """
        for (stream, _, _, tried, plain), step in TABLE.items():
            if step is Step.STREAM:
                self.assertEqual((stream, tried), (False, Stream.NO))
            if step is Step.PLAIN:
                self.assertTrue(plain is not Plain.TCP or not stream)
                self.assertTrue(stream or plain is not Plain.UDP)


class EveryWayTests(NetworkTestCase):
    """
    Whole look-ups: each way in which a server can behave, with and without a stray datagram before its reply.
    """

    #: What a server does with queries: answer, refuse EDNS with an rcode, do so with a bare header, truncate, be silent.
    UDP = ("answers", "formerr", "notimp", "badvers", "bare", "truncates", "silent")
    TCP = ("answers", "closed", "silent", "closes")

    def behave(self, address: str, udp: str, tcp: str) -> tuple[CannedServer, Server]:
        """
        @return: a server that behaves so.
        """
        canned = CannedServer({("www.example.test", "A"): "192.0.2.80"})
        server = canned.listen(self.network.reactor(address), streams=tcp != "closed")
        canned.stumbles = {"formerr": 1, "notimp": 4, "badvers": 16, "bare": 1}.get(udp)
        canned.bare = udp == "bare"
        canned.truncating = udp == "truncates"
        if "silent" in (udp, tcp):
            canned.silentTo = "udp" if udp == "silent" else "tcp"
        if tcp == "closes":
            canned.closesAfter = 0
        return canned, server

    def stray(self, address: str) -> None:
        """
        Have a datagram arrive that is the server's by its address and a reply to nothing.
        """
        for port in self.here.ports():
            self.network.inject(b"\x00\x01" + b"\xff" * 20, (address, 53), ("192.0.2.7", port.port))

    def lasts(self, source: ForwardingSource, stray: str) -> float:
        """
        @param stray: the address that a datagram comes from before the replies, or nothing.

        @return: how many seconds a look-up takes, which has to give an answer.
        """
        began = self.here.seconds()
        ended: list[float] = []
        asked = self.ask(source)

        def end(answer: Answer) -> Answer:
            ended.append(self.here.seconds())
            return answer

        asked.addCallback(end)
        if stray:
            self.network.advance(0.005)
            self.stray(stray)
        self.network.advance(6.0)
        self.assertEqual(self.told(asked), ["192.0.2.80"], self.events())
        return ended[0] - began

    def test_oneServer(self) -> None:
        """
        A server that can be had an answer from by any way gives it, within a few round trips and the waits for what is silent, and not at
        the deadline.
        """
        number = 0
        for udp, tcp, stray in product(self.UDP, self.TCP, (False, True)):
            if udp == tcp == "silent" or (udp in ("silent", "bare", "truncates") and tcp != "answers"):
                # There is no way.
                continue
            if udp == "silent" and not stray:
                # Nothing says that TCP would help.
                continue
            number += 1
            address = f"198.51.100.{number}"
            _, server = self.behave(address, udp, tcp)
            source = self.forward(server)
            self.assertLess(self.lasts(source, address if stray else ""), 0.2, (udp, tcp, stray, self.events()))
        self.assertGreater(number, 30)

    def test_secondServer(self) -> None:
        """
        However the first server behaves, a second one that answers is asked within the time that the first one has.
        """
        _, good = self.serve("192.0.2.54")
        number = 0
        for udp, tcp, stray in product(self.UDP, self.TCP, (False, True)):
            number += 1
            address = f"198.51.100.{number}"
            _, server = self.behave(address, udp, tcp)
            if udp == tcp == "silent":
                self.network.shape(address, silent=True)
            source = self.forward(server, good)
            most = 2.6 if udp == "truncates" and tcp == "silent" else 4 * FIRST_WAIT.default
            self.assertLess(self.lasts(source, address if stray else ""), most, (udp, tcp, stray, self.events()))

    def test_strayBeforeRefusal(self) -> None:
        """
        A stray datagram and then FORMERR, by UDP and by TCP: the question is asked without EDNS at once.
        """
        canned, server = self.behave("192.0.2.54", "formerr", "answers")
        asked = self.ask(self.forward(server))
        self.network.advance(0.005)
        self.stray("192.0.2.54")
        self.network.advance(0.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])
        self.assertIn("near miss", self.events())
        self.assertIn("asking without EDNS", self.events())
