"""
Tests of the next step of a look-up: each cell of the table, and whole look-ups through all of them.
"""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.networks import NetworkTestCase
from twisted_ext.answers import Answer
from twisted_ext.limits import FIRST_WAIT
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.forward.nextstep import Came, Plain, Step, Stream, nextStep
from twisted_ext.testing.servers import CannedServer
from twisted_ext.transport.servers import Server

#: The step for each state of TCP (not asked, open, ended) and, in each, of EDNS (with it, without it over UDP, without it over TCP).
EXPECTED = {
    ("udp", Came.NEAR_MISS): "SSS WWW WWW",
    ("udp", Came.NO_EDNS): "PWW PWW PWP",
    ("udp", Came.FAILED): "AAA DDD AAA",
    ("udp", Came.DECLINED): "NNN DDD NNN",
    ("udp", Came.CUT): "SSS WWW NNN",
    ("udp", Came.MALFORMED): "SSN WWW NNN",
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

#: TCP after a near miss was a precaution. UDP is asked again if it yields nothing.
AFTER_NEAR_MISS = {("tcp", came): "AAA AAA AAA" for came in (Came.MALFORMED, Came.BROKEN, Came.SILENT)}

#: Every combination of transport (true for TCP), near miss, outcome, and what was tried, with its step.
TABLE = {
    cell: nextStep(*cell) for cell in product((False, True), (False, True), Came, Stream, Plain)
}

STEPS = {step.name[0]: step for step in Step}


class TableTests(SynchronousTestCase):
    """
    Tests for L{nextStep}.
    """

    def test_everyCellHasItsStep(self) -> None:
        """
        Each cell has the expected step.
        """
        for transport, nearMiss, came in product(("udp", "tcp"), (False, True), Came):
            rows = (nearMiss and AFTER_NEAR_MISS.get((transport, came))) or EXPECTED[transport, came]
            for stream, row in zip(Stream, rows.split(), strict=True):
                for plain, letter in zip(Plain, row, strict=True):
                    cell = (transport == "tcp", nearMiss, came, stream, plain)
                    self.assertIs(TABLE[cell], STEPS[letter], cell)

    def test_noCellStalls(self) -> None:
        """
        A query is dropped only if another one can be open, and a TCP query never stays open after a result.
        """
        for (stream, _, came, tried, plain), step in TABLE.items():
            if step is Step.DROP:
                self.assertTrue(tried is Stream.OPEN or plain is not Plain.NO)
            if stream and came is not Came.NEAR_MISS:
                self.assertIsNot(step, Step.WAIT)

    def test_everyLookupEnds(self) -> None:
        """
        No server is asked forever: TCP is used once, and EDNS is omitted once for each transport.
        """
        for (stream, _, _, tried, plain), step in TABLE.items():
            if step is Step.STREAM:
                self.assertEqual((stream, tried), (False, Stream.NO))
            if step is Step.PLAIN:
                self.assertTrue(plain is not Plain.TCP or not stream)
                self.assertTrue(stream or plain is not Plain.UDP)


class EveryWayTests(NetworkTestCase):
    """
    Tests with whole look-ups for each behavior of a server, with and without a stray datagram before its reply.
    """

    #: What a server does with queries: answer, reject EDNS with an RCODE, reject it with a bare header, truncate, be silent.
    UDP = ("answers", "formerr", "notimp", "badvers", "bare", "truncates", "silent")
    TCP = ("answers", "closed", "silent", "closes")

    def serverWith(self, address: str, udp: str, tcp: str) -> tuple[CannedServer, Server]:
        """
        Return a server with this behavior.
        """
        canned = CannedServer({("www.test.example", "A"): "192.0.2.80"})
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
        Receive a datagram from the server's address that is not a reply.
        """
        for port in self.here.ports():
            self.network.inject(b"\x00\x01" + b"\xff" * 20, (address, 53), ("192.0.2.7", port.port))

    def secondsUntilAnswer(self, source: ForwardingSource, stray: str) -> float:
        """
        Return the seconds that a look-up takes, which must succeed.

        @param stray: The source address of a stray datagram before the replies, or an empty string.
        """
        began = self.here.seconds()
        ended: list[float] = []
        asked = self.ask(source)

        def end(answer: Answer) -> Answer:
            """
            Note the time.
            """
            ended.append(self.here.seconds())
            return answer

        asked.addCallback(end)
        if stray:
            self.network.advance(0.005)
            self.stray(stray)
        self.network.advance(6.0)
        self.assertEqual(self.told(asked), ["192.0.2.80"], self.events())
        return ended[0] - began

    def test_oneServerAnswersWithoutDelay(self) -> None:
        """
        A server that answers in any way does so within a few round trips and waits, not at the deadline.
        """
        number = 0
        for udp, tcp, stray in product(self.UDP, self.TCP, (False, True)):
            if udp == tcp == "silent" or (udp in ("silent", "bare", "truncates") and tcp != "answers"):
                # No answer is possible.
                continue
            if udp == "silent" and not stray:
                # Nothing leads to TCP.
                continue
            number += 1
            address = f"198.51.100.{number}"
            _, server = self.serverWith(address, udp, tcp)
            source = self.forward(server)
            self.assertLess(self.secondsUntilAnswer(source, address if stray else ""), 0.2, (udp, tcp, stray, self.events()))
        self.assertGreater(number, 30)

    def test_secondServerIsAskedInTime(self) -> None:
        """
        A second server is asked in time, however the first one behaves.
        """
        _, good = self.serve("192.0.2.54")
        number = 0
        for udp, tcp, stray in product(self.UDP, self.TCP, (False, True)):
            number += 1
            address = f"198.51.100.{number}"
            _, server = self.serverWith(address, udp, tcp)
            if udp == tcp == "silent":
                self.network.shape(address, silent=True)
            source = self.forward(server, good)
            most = 2.6 if udp == "truncates" and tcp == "silent" else 4 * FIRST_WAIT.default
            self.assertLess(self.secondsUntilAnswer(source, address if stray else ""), most, (udp, tcp, stray, self.events()))

    def test_strayDatagramThenFormerr(self) -> None:
        """
        The query is sent without EDNS at once after a stray datagram and FORMERR over UDP and TCP.
        """
        canned, server = self.serverWith("192.0.2.54", "formerr", "answers")
        asked = self.ask(self.forward(server))
        self.network.advance(0.005)
        self.stray("192.0.2.54")
        self.network.advance(0.1)
        self.assertEqual(self.told(asked), ["192.0.2.80"])
        self.assertIn("near miss", self.events())
        self.assertIn("asking without EDNS", self.events())
