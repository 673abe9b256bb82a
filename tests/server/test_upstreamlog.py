"""
Tests of the status and the log of upstreams.
"""

from __future__ import annotations

import re

from tests.queries import optOf, queryOf
from tests.server.test_service import US, ServiceCase
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.service import ServerService
from twisted_ext.server.sources.upstreamlog import SharedUpstreamLog, UpstreamLog
from twisted_ext.wire.message import Message

__all__: list[str] = []


class HealthTests(ServiceCase):
    """
    Tests of the status of upstreams.
    """

    def statusOf(self, service: ServerService, index: int = 0) -> dict[str, JSON]:
        """
        Return the status of an upstream.
        """
        return self.successResultOf(service.status.figures()).upstreams[index]

    def test_brokenDomainKeepsUpstreamHealthy(self) -> None:
        """
        Frequent queries for a broken domain do not make an upstream appear down, nor reduce its share of other queries. The first few names
        are tried several times, since SERVFAIL may be temporary; later ones once.
        """
        service = self.run_(upstream=(f"udp:{self.server.label}",), stale=0)
        for number in range(60):
            self.upstream.set(f"x{number}.dead.test.example", "A", 2)
            self.asked(f"x{number}.dead.test.example")
        self.network.advance(5)
        shown = self.statusOf(service)
        self.assertEqual((shown["up"], shown["failures"], shown["retryIn"]), (True, 0, 0.0))
        self.assertEqual((shown["declines"], shown["queries"], shown["troubles"]), (1, 73, {"SERVFAIL": 73}))

    def test_silentUpstreamIsShownDown(self) -> None:
        """
        An upstream that does not reply is shown as down, with the outcomes of its queries, and as up after its next reply.
        """
        service = self.run_()
        self.addressOf()
        self.upstream.silent = True
        for number in range(3):
            self.asked(f"y{number}.test.example")
        self.network.advance(5)
        shown = self.statusOf(service)
        troubles = shown["troubles"]
        assert isinstance(troubles, dict)
        self.assertEqual((shown["up"], list(troubles), shown["replies"]), (False, ["timeout"], 1))
        self.assertEqual(shown["queries"], len(self.upstream.asked))
        self.upstream.silent = False
        self.asked("z.test.example")
        self.assertEqual(self.statusOf(service)["up"], True)


class LogTests(ServiceCase):
    """
    Tests of the log lines about upstreams.
    """

    def takeLines(self) -> list[tuple[str, str]]:
        """
        Return the level and the text of each logged line about upstreams, and clear them.
        """
        lines = [(event["log_level"].name, event["text"]) for event in self.said if event.get("log_namespace") == "twisted_ext.upstreams"]
        self.said.clear()
        return lines

    def askOften(self, seconds: int) -> None:
        """
        Query a new name four times a second.
        """
        for _ in range(seconds * 4):
            self.count += 1
            self.sendQuery(f"n{self.count}.test.example")
            self.network.advance(0.25)

    def sendQuery(self, name: str) -> None:
        """
        Send a query without waiting for the reply.
        """
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(name, id=self.count), (US, 53))

    def test_outageIsLoggedOnce(self) -> None:
        """
        An outage of an upstream is logged once with the reason, and its end once with the duration, however many queries arrive meanwhile.
        """
        self.run_()
        self.askOften(5)
        self.assertEqual(self.takeLines(), [])
        self.upstream.silent = True
        self.askOften(26)
        ((level, text),) = self.takeLines()
        self.assertEqual(level, "warn")
        self.assertRegex(text, r"^upstream 192\.0\.2\.53:53 does not reply: \d+ queries without a reply in \d\.\d s$")
        self.upstream.silent = False
        self.askOften(10)
        ((level, text),) = self.takeLines()
        self.assertEqual(level, "info")
        found = re.fullmatch(r"upstream 192\.0\.2\.53:53 replies again after (\d+) s", text)
        assert found is not None, text
        self.assertIn(int(found[1]), range(24, 30))

    def test_unreachableUpstreamIsLogged(self) -> None:
        """
        The error of the operating system for an unreachable upstream is logged.
        """
        self.run_()
        self.successResultOf(self.upstream.close())
        self.askOften(5)
        ((_, text),) = self.takeLines()
        self.assertRegex(text, r"^upstream 192\.0\.2\.53:53 does not reply: cannot be reached: ")

    def test_failingUpstreamIsNotLogged(self) -> None:
        """
        An upstream that replies with failures is not logged.
        """
        self.upstream.rcode = 2
        self.run_()
        self.askOften(30)
        self.assertEqual(self.takeLines(), [])

    def test_flappingUpstreamIsLoggedRarely(self) -> None:
        """
        An upstream that changes all the time gets a few log lines; the state is logged again when the next line is due.
        """
        log = UpstreamLog()
        _, server = self.serve("192.0.2.54")
        forwarding = self.forward(server)
        standing = forwarding.standings[0]
        for minute in range(9):
            now = minute * 60.0
            for _ in range(3):
                standing.silent(now)
            log.look([(forwarding, 0)], now + 2)
            standing.replied(0.01)
            log.look([(forwarding, 0)], now + 10)
        for _ in range(3):
            standing.silent(540.0)
        for second in range(542, 700):
            log.look([(forwarding, 0)], second)
        texts = [text for _, text in self.takeLines()]
        self.assertEqual(len(texts), 7)
        self.assertIn("does not reply", texts[-1])
        self.assertIn("; 12 changes before that were not logged", texts[-1])

    def test_reloadIsNotRecovery(self) -> None:
        """
        An upstream that is replaced by a reload is not logged as replying again.
        """
        log = UpstreamLog()
        _, server = self.serve("192.0.2.54")
        old, new = self.forward(server), self.forward(server)
        for _ in range(3):
            old.standings[0].silent(0.0)
        log.look([(old, 0)], 2.0)
        log.look([(new, 0)], 3.0)
        log.look([], 4.0)
        self.assertEqual(len(self.takeLines()), 1)

    def test_workersShareLogLines(self) -> None:
        """
        Several workers that lose an upstream and reach it again cause one line each time; the state of a worker that has ended is
        forgotten.
        """
        log = SharedUpstreamLog()
        down: dict[str, JSON] = {"event": "upstream", "server": "192.0.2.1:53", "way": "udp", "state": "down", "reason": "x"}
        down |= {"seconds": 2.0, "unlogged": 0}
        up: dict[str, JSON] = {**down, "state": "up", "seconds": 26.0}
        for worker in range(3):
            log.take(worker, down)
        self.assertEqual(len(self.takeLines()), 1)
        log.ended(2)
        log.take(0, up)
        self.assertEqual(self.takeLines(), [])
        log.take(1, up)
        self.assertEqual(self.takeLines(), [("info", "upstream 192.0.2.1:53 replies again after 26 s")])
        log.take(1, down)
        log.ended(1)
        log.take(0, up)
        self.assertEqual(len(self.takeLines()), 1)
        self.assertEqual(log._down, {})


class CauseTests(ServiceCase):
    """
    Tests of the extended errors for an upstream that does not answer.
    """

    def replyWithin(self, name: str, seconds: float) -> tuple[float, Message] | None:
        """
        Return the delay of the reply to a query in seconds and the reply, or L{None} if there is none in time.
        """
        self.count += 1
        before = len(self.client.got)
        began = self.here.seconds()
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(name, id=self.count, opt=optOf()), (US, 53))
        while self.here.seconds() - began < seconds:
            self.network.advance(0.01)
            if len(self.client.got) > before:
                return self.here.seconds() - began, Message.fromWire(self.client.got[-1])
        return None

    def errors(self, message: Message) -> list[tuple[int, str]]:
        """
        Return the extended errors of a reply.
        """
        assert message.edns is not None
        found = [octets for code, octets in message.edns.options if code == 15]
        return [(int.from_bytes(octets[:2], "big"), octets[2:].decode()) for octets in found]

    def test_timeoutNamesServerInTime(self) -> None:
        """
        The first client learns within its timeout of five seconds which server did not answer and after how many attempts; clients that
        repeat the query in the next seconds get the same reply at once.
        """
        self.run_(stale=0)
        self.upstream.silent = True
        replied = self.replyWithin("slow.test.example", 5.0)
        assert replied is not None
        took, reply = replied
        self.assertTrue(3.9 < took < 4.2, took)
        attempts = len(self.upstream.asked)
        cause = f"192.0.2.53:53 did not answer within 4.0 seconds, {attempts} attempts"
        self.assertEqual((reply.rcode, self.errors(reply)), (2, [(22, cause)]))
        replied = self.replyWithin("slow.test.example", 1.0)
        assert replied is not None
        took, reply = replied
        self.assertLess(took, 0.1)
        self.assertEqual((reply.rcode, self.errors(reply)), (2, [(22, cause), (13, "")]))
        self.assertEqual(len(self.upstream.asked), attempts)

    def test_everySilentServerIsNamed(self) -> None:
        """
        All of several silent upstreams are named.
        """
        other, server = self.serve("192.0.2.54")
        self.run_(upstream=(self.server.label, server.label), stale=0)
        self.upstream.silent = other.silent = True
        replied = self.replyWithin("slow.test.example", 5.0)
        assert replied is not None
        ((code, text),) = self.errors(replied[1])
        self.assertEqual(code, 22)
        self.assertIn("192.0.2.53:53 did not answer within 4.0 seconds; 192.0.2.54:53 did not answer within ", text)

    def test_unreachableServerIsNamed(self) -> None:
        """
        The client learns that nothing could be sent to the upstream.
        """
        self.run_(stale=0)
        self.successResultOf(self.upstream.close())
        replied = self.replyWithin("slow.test.example", 5.0)
        assert replied is not None
        ((code, text),) = self.errors(replied[1])
        self.assertEqual((code, text.partition(" ")[0]), (23, "192.0.2.53:53"))

    def test_lateRefusalIsReported(self) -> None:
        """
        An upstream's failure that arrives late is still reported before the client gives up.
        """
        self.run_(stale=0)
        self.upstream.rcode = 5
        self.upstream.delay = 2.5
        replied = self.replyWithin("slow.test.example", 5.0)
        assert replied is not None
        took, reply = replied
        self.assertTrue(3.9 < took < 4.2, took)
        self.assertEqual((reply.rcode, self.errors(reply)), (5, [(0, "192.0.2.53:53 answered REFUSED")]))
