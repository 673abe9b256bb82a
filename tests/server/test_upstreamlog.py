"""
Tests of what operators learn about upstreams.
"""

from __future__ import annotations

import re

from tests.queries import optOf, queryOf
from tests.server.test_service import US, ServiceCase
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.operations.upstreamlog import SharedUpstreamLog, UpstreamLog
from twisted_ext.server.service import ServerService
from twisted_ext.wire.message import Message

__all__: list[str] = []


class HealthTests(ServiceCase):
    """
    Tests of how a server that is asked is shown.
    """

    def shown(self, service: ServerService, index: int = 0) -> dict[str, JSON]:
        """
        @return: what is shown of an upstream.
        """
        return self.successResultOf(service.sight.figures()).upstreams[index]

    def test_deadDelegation(self) -> None:
        """
        A broken domain that is asked for all the time does not make an upstream look broken, nor is it asked less for other names. The
        first few names are asked for several times, since SERVFAIL may pass; the others once.
        """
        service = self.run_(upstream=(f"udp:{self.server.label}",), stale=0)
        for number in range(60):
            self.upstream.set(f"x{number}.dead.test", "A", 2)
            self.asked(f"x{number}.dead.test")
        self.network.advance(5)
        shown = self.shown(service)
        self.assertEqual((shown["up"], shown["failures"], shown["retryIn"]), (True, 0, 0.0))
        self.assertEqual((shown["declines"], shown["queries"], shown["troubles"]), (1, 73, {"SERVFAIL": 73}))

    def test_silent(self) -> None:
        """
        An upstream that does not reply is shown as down, with its queries counted by what came of them, and as up after its next reply.
        """
        service = self.run_()
        self.addressOf()
        self.upstream.silent = True
        for number in range(3):
            self.asked(f"y{number}.example.test")
        self.network.advance(5)
        shown = self.shown(service)
        troubles = shown["troubles"]
        assert isinstance(troubles, dict)
        self.assertEqual((shown["up"], list(troubles), shown["replies"]), (False, ["timeout"], 1))
        self.assertEqual(shown["queries"], len(self.upstream.asked))
        self.upstream.silent = False
        self.asked("z.example.test")
        self.assertEqual(self.shown(service)["up"], True)


class LogTests(ServiceCase):
    """
    Tests of what the log says of upstreams.
    """

    def logged(self) -> list[tuple[str, str]]:
        """
        @return: level and text of what was logged of upstreams, from now on empty again.
        """
        lines = [(event["log_level"].name, event["text"]) for event in self.said if event.get("log_namespace") == "twisted_ext.upstreams"]
        self.said.clear()
        return lines

    def askOften(self, seconds: int) -> None:
        """
        Ask for another name four times a second.
        """
        for _ in range(seconds * 4):
            self.count += 1
            self.flood(f"n{self.count}.example.test")
            self.network.advance(0.25)

    def flood(self, name: str) -> None:
        """
        Ask without waiting for the answer.
        """
        transport = self.client.transport
        assert transport is not None
        transport.write(queryOf(name, id=self.count), (US, 53))

    def test_outage(self) -> None:
        """
        An outage of an upstream is logged once with the reason, and its end once with how long it took, however much is asked meanwhile.
        """
        self.run_()
        self.askOften(5)
        self.assertEqual(self.logged(), [])
        self.upstream.silent = True
        self.askOften(26)
        ((level, text),) = self.logged()
        self.assertEqual(level, "warn")
        self.assertRegex(text, r"^upstream 192\.0\.2\.53:53 does not reply: \d+ queries without a reply in \d\.\d s$")
        self.upstream.silent = False
        self.askOften(10)
        ((level, text),) = self.logged()
        self.assertEqual(level, "info")
        found = re.fullmatch(r"upstream 192\.0\.2\.53:53 replies again after (\d+) s", text)
        assert found is not None, text
        self.assertIn(int(found[1]), range(24, 30))

    def test_unreachable(self) -> None:
        """
        Where the system says why an upstream cannot be reached, the log has it.
        """
        self.run_()
        self.successResultOf(self.upstream.close())
        self.askOften(5)
        ((_, text),) = self.logged()
        self.assertRegex(text, r"^upstream 192\.0\.2\.53:53 does not reply: cannot be reached: ")

    def test_failing(self) -> None:
        """
        An upstream that fails look-ups is not logged: it replies.
        """
        self.upstream.rcode = 2
        self.run_()
        self.askOften(30)
        self.assertEqual(self.logged(), [])

    def test_flapping(self) -> None:
        """
        An upstream that changes all the time gets a few lines; what holds when they are due again is logged then.
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
        texts = [text for _, text in self.logged()]
        self.assertEqual(len(texts), 7)
        self.assertIn("does not reply", texts[-1])
        self.assertIn("; 12 changes before that were not logged", texts[-1])

    def test_replaced(self) -> None:
        """
        A server that is asked anew after a reload has not come back; nothing is known of it.
        """
        log = UpstreamLog()
        _, server = self.serve("192.0.2.54")
        old, new = self.forward(server), self.forward(server)
        for _ in range(3):
            old.standings[0].silent(0.0)
        log.look([(old, 0)], 2.0)
        log.look([(new, 0)], 3.0)
        log.look([], 4.0)
        self.assertEqual(len(self.logged()), 1)

    def test_workers(self) -> None:
        """
        Several workers that lose an upstream and find it again make one line each time; a worker that has ended knows nothing more.
        """
        log = SharedUpstreamLog()
        down: dict[str, JSON] = {"event": "upstream", "server": "192.0.2.1:53", "way": "udp", "state": "down", "reason": "x"}
        down |= {"seconds": 2.0, "unlogged": 0}
        up: dict[str, JSON] = {**down, "state": "up", "seconds": 26.0}
        for worker in range(3):
            log.take(worker, down)
        self.assertEqual(len(self.logged()), 1)
        log.ended(2)
        log.take(0, up)
        self.assertEqual(self.logged(), [])
        log.take(1, up)
        self.assertEqual(self.logged(), [("info", "upstream 192.0.2.1:53 replies again after 26 s")])
        log.take(1, down)
        log.ended(1)
        log.take(0, up)
        self.assertEqual(len(self.logged()), 1)
        self.assertEqual(log._down, {})


class CauseTests(ServiceCase):
    """
    Tests of what clients are told of an upstream that does not answer.
    """

    def replied(self, name: str, seconds: float) -> tuple[float, Message] | None:
        """
        @return: when a client is replied to, in seconds, and the reply; L{None} if there is none in time.
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
        @return: the extended errors of a reply.
        """
        assert message.edns is not None
        found = [octets for code, octets in message.edns.options if code == 15]
        return [(int.from_bytes(octets[:2], "big"), octets[2:].decode()) for octets in found]

    def test_silent(self) -> None:
        """
        The first client is told before its own five seconds are over which server did not answer and how often it was asked; those who ask
        again within the next seconds are told the same at once.
        """
        self.run_(stale=0)
        self.upstream.silent = True
        told = self.replied("slow.example.test", 5.0)
        assert told is not None
        took, reply = told
        self.assertTrue(3.9 < took < 4.2, took)
        attempts = len(self.upstream.asked)
        cause = f"192.0.2.53:53 did not answer within 4.0 seconds, {attempts} attempts"
        self.assertEqual((reply.rcode, self.errors(reply)), (2, [(22, cause)]))
        told = self.replied("slow.example.test", 1.0)
        assert told is not None
        took, reply = told
        self.assertLess(took, 0.1)
        self.assertEqual((reply.rcode, self.errors(reply)), (2, [(22, cause), (13, "")]))
        self.assertEqual(len(self.upstream.asked), attempts)

    def test_several(self) -> None:
        """
        Of several upstreams all are named.
        """
        other, server = self.serve("192.0.2.54")
        self.run_(upstream=(self.server.label, server.label), stale=0)
        self.upstream.silent = other.silent = True
        told = self.replied("slow.example.test", 5.0)
        assert told is not None
        ((code, text),) = self.errors(told[1])
        self.assertEqual(code, 22)
        self.assertIn("192.0.2.53:53 did not answer within 4.0 seconds; 192.0.2.54:53 did not answer within ", text)

    def test_unreachable(self) -> None:
        """
        Where nothing can be sent, that is what the client is told.
        """
        self.run_(stale=0)
        self.successResultOf(self.upstream.close())
        told = self.replied("slow.example.test", 5.0)
        assert told is not None
        ((code, text),) = self.errors(told[1])
        self.assertEqual((code, text.partition(" ")[0]), (23, "192.0.2.53:53"))

    def test_failed(self) -> None:
        """
        What the upstream says too late for an answer is told as well, before the client gives up.
        """
        self.run_(stale=0)
        self.upstream.rcode = 5
        self.upstream.delay = 2.5
        told = self.replied("slow.example.test", 5.0)
        assert told is not None
        took, reply = told
        self.assertTrue(3.9 < took < 4.2, took)
        self.assertEqual((reply.rcode, self.errors(reply)), (5, [(0, "192.0.2.53:53 answered REFUSED")]))
