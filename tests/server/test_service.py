"""
Tests of L{twisted_ext.server.service} and L{twisted_ext.server.frontend}: a whole server on a memory network.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.networks import NetworkTestCase
from tests.peers import freePort
from tests.typed import observing
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.server.config.settings import SETTINGS, Settings
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.operations.control import ControlService
from twisted_ext.server.service import Server, ServerService, makeServer, pathOf
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.message import Message

US = "192.0.2.7"
SECRET = bytes(16)


class _Client(DatagramProtocol):
    noisy = False

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        self.got.append(datagram)


class ServiceCase(NetworkTestCase):
    """
    A server on a host, an upstream on another and a client on a third.
    """

    def setUp(self) -> None:
        super().setUp()
        self.upstream, self.server = self.serve("192.0.2.53")
        self.said: list[LogEvent] = []
        observer = observing(self.said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.client = _Client()
        self.there = self.network.reactor("192.168.0.9")
        self.there.listenUDP(4000, self.client, "192.168.0.9")
        self.count = 0
        self.wanted = self.settings()

    def settings(self, **values: object) -> Settings:
        """
        @return: settings that ask our upstream.
        """
        return Settings.of(**{"hostsFile": "", "upstream": self.server.label, **values})

    def run_(self, **values: object) -> ServerService:
        """
        Start a server; it is stopped when the test ends.
        """
        self.wanted = self.settings(**values)
        service = ServerService(self.here, self.wanted, [Bound(US, 53)], SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def reread(self) -> Settings:
        """
        @return: what is to hold after a reload.
        """
        return self.wanted

    def stop(self, service: ServerService) -> None:
        """
        Stop a server, and see that nothing of it is left.
        """
        stopping = service.stopService()
        self.network.advance(0.1)
        self.successResultOf(stopping)
        self.assertEqual(self.here.pending(), [])

    def tearDown(self) -> None:
        """
        What is pending is looked at once servers are stopped.
        """

    def asked(self, name: str = "www.example.test", rrType: str = "A") -> Message | None:
        """
        @return: what the client gets for a question.
        """
        self.count += 1
        query = self.count.to_bytes(2, "big") + buildQuery(RD, questionOf(name, rrType).toWire(), b"")
        before = len(self.client.got)
        transport = self.client.transport
        assert transport is not None
        transport.write(query, (US, 53))
        self.network.advance(1.0)
        got = self.client.got[before:]
        self.assertLess(len(got), 2)
        return Message.fromWire(got[0]) if got else None

    def addressOf(self, name: str = "www.example.test") -> str:
        """
        @return: the address that the client gets.
        """
        message = self.asked(name)
        assert message is not None
        return ".".join([str(octet) for octet in message.answer[0].rdatas[0]])


class ForwardServiceTests(ServiceCase):
    """
    Tests for L{ServerService}.
    """

    def test_answers(self) -> None:
        """
        A client gets what the upstream says, and from then on what is known, without the upstream being asked.
        """
        service = self.run_()
        self.assertEqual([self.addressOf() for _ in range(5)], ["192.0.2.80"] * 5)
        self.assertEqual(len(self.upstream.asked), 1)
        self.assertEqual(service.counters.udp, 5)
        self.assertGreater(service.counters.hits, 1)
        figures = self.successResultOf(service.sight.figures())
        self.assertEqual(figures.upstreams[0]["server"], "192.0.2.53:53")
        self.assertEqual(self.successResultOf(service.sight.status())["listening"], ["udp 192.0.2.7:53", "tcp 192.0.2.7:53"])

    def test_strangers(self) -> None:
        """
        Who is not allowed is refused; who is to be dropped gets nothing.
        """
        self.run_(allow=["192.0.2.0/24"])
        message = self.asked()
        assert message is not None
        self.assertEqual(message.rcode, 5)
        self.wanted = self.settings(drop=["192.168.0.9"])

    def test_dropped(self) -> None:
        """
        Who is to be dropped gets nothing.
        """
        self.run_(drop=["192.168.0.9"])
        self.assertIsNone(self.asked())

    def test_queryLog(self) -> None:
        """
        With the query log on, every query is written down, those that the fast lane could have answered as well; it is off by default.
        """
        for log, verbose in ((False, 0), (True, 0), (False, 1)):
            service = self.run_(queryLog=log, verbose=verbose)
            self.said.clear()
            for _ in range(4):
                self.asked()
            lines = [event for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]
            self.assertEqual(len(lines), 4 if log or verbose else 0)
            if lines:
                first, second = lines[0]["fields"], lines[1]["fields"]
                self.assertEqual((first["name"], first["type"], first["client"]), ("www.example.test.", "A", "192.168.0.9"))
                self.assertEqual((first["rcode"], first["source"], first["server"]), ("NOERROR", "upstream", "192.0.2.53:53"))
                self.assertEqual((first["milliseconds"], first["size"]), (20.0, 50))
                self.assertEqual((second["source"], second["milliseconds"]), ("cache", 0.0))
                self.assertEqual(
                    formatEvent(lines[0]),
                    "query www.example.test. IN A from 192.168.0.9 by udp: NOERROR, 50 octets, 20.0 ms, upstream 192.0.2.53:53",
                )
            self.stop(service)

    def logged(self) -> list[str]:
        """
        @return: what the query log has of results, from now on empty again.
        """
        lines = [str(event["result"]) for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]
        self.said.clear()
        return lines

    def test_queryLogResults(self) -> None:
        """
        Refusals, failures and requests without a reply are logged with the reason.
        """
        service = self.run_(queryLog=True, refuse=["192.168.0.9"])
        self.asked()
        self.stop(service)
        self.assertEqual(self.logged(), ["REFUSED, 34 octets, 0.0 ms, access, EDE 18"])
        service = self.run_(queryLog=True, drop=["192.168.0.9"])
        self.asked()
        self.assertEqual(self.logged(), ["no reply, 0.0 ms, access"])
        self.stop(service)

    def test_queryLogFailures(self) -> None:
        """
        A failure has the extended error even if the client cannot take one, and one that comes too late for UDP is logged as well.
        """
        self.upstream.set("broken.example.test", "A", 2)
        self.run_(queryLog=True)
        self.asked("broken.example.test")
        (line,) = self.logged()
        self.assertIn("SERVFAIL, 37 octets, 120.0 ms, failure, EDE ", line)
        self.upstream.delay = 3.0
        self.asked("slow.example.test")
        self.network.advance(6)
        self.assertEqual(self.logged(), ["no reply, 3020.0 ms, late"])

    def test_flush(self) -> None:
        """
        What is flushed is not given by the fast lane either.
        """
        service = self.run_()
        for _ in range(3):
            self.addressOf()
        self.upstream.set("www.example.test", "A", "192.0.2.81")
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.successResultOf(service.sight.flush(None, False))
        self.assertEqual(self.addressOf(), "192.0.2.81")


class TracingTests(ServiceCase):
    """
    Tests for following look-ups while the server runs.
    """

    def test_followed(self) -> None:
        """
        While tracing is on, the steps to each answer that takes any are kept, for failures as well; while it is off, none are.
        """
        service = self.run_()
        self.asked()
        self.assertEqual(self.successResultOf(service.sight.traces()), [])
        self.successResultOf(service.sight.trace(True, None))
        self.asked("other.example.test")
        self.asked("localhost")
        self.upstream.rcode = 5
        self.asked("bad.example.test")
        self.successResultOf(service.sight.trace(False, None))
        self.asked("more.example.test")
        kept = self.successResultOf(service.sight.traces())
        found = [(each["name"], each["rcode"]) for each in kept if isinstance(each, dict)]
        self.assertEqual(found, [("other.example.test.", "NXDOMAIN"), ("localhost.", "NOERROR"), ("bad.example.test.", "REFUSED")])
        assert isinstance(kept[0], dict)
        self.assertIn("sent", [step["event"] for step in cast("list[dict[str, object]]", kept[0]["steps"])])


class ReloadTests(ServiceCase):
    """
    Tests for reading settings again.
    """

    def test_live(self) -> None:
        """
        New settings hold at once, for clients that were answered by the fast lane as well; cache and counters stay.
        """
        service = self.run_()
        for _ in range(3):
            self.addressOf()
        self.wanted = self.settings(local=["www.example.test A 192.0.2.99"])
        lines = self.successResultOf(service.reload())
        self.assertEqual(lines, ["local: none is now www.example.test A 192.0.2.99"])
        self.assertEqual(self.addressOf(), "192.0.2.99")
        self.wanted = self.settings()
        self.successResultOf(service.reload())
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.assertEqual(len(self.upstream.asked), 1)
        self.assertEqual(service.counters.udp, 5)

    def test_manyZones(self) -> None:
        """
        Lists of very many zones are read in several turns; what was written last is in force in the end, and a server that ends
        meanwhile leaves nothing.
        """

        def slow(settings: Settings, found: object) -> Iterator[None]:
            for _ in range(4):
                yield

        service = self.run_()
        listed = Path(self.mktemp())
        listed.write_text("")
        with patch("twisted_ext.server.jobs.turns._TURN", 0), patch("twisted_ext.server.config.zonesettings.gather", slow):
            self.wanted = self.settings(zones=[str(listed)], local=["www.example.test A 192.0.2.98"])
            first = service.reload()
            self.assertNoResult(first)
            self.wanted = self.settings(zones=[str(listed)], local=["www.example.test A 192.0.2.99"])
            second = service.reload()
            self.assertNoResult(second)
            self.network.advance(1.0)
            self.successResultOf(first)
            self.successResultOf(second)
            self.assertEqual(self.addressOf(), "192.0.2.99")
            third = service.reload()
            self.stop(service)
            self.failureResultOf(third, CancelledError)

    def test_access(self) -> None:
        """
        Who may ask changes with them, back and forth.
        """
        service = self.run_()
        self.addressOf()
        self.wanted = self.settings(allow=["192.0.2.0/24"])
        self.successResultOf(service.reload())
        for _ in range(3):
            message = self.asked()
            assert message is not None
            self.assertEqual(message.rcode, 5)
        self.wanted = self.settings()
        self.successResultOf(service.reload())
        self.assertEqual(self.addressOf(), "192.0.2.80")

    def test_queryLogLater(self) -> None:
        """
        The query log can be turned on and off while the server runs.
        """
        service = self.run_()
        for _ in range(3):
            self.asked()
        for log in (True, False):
            self.wanted = self.settings(queryLog=log)
            self.successResultOf(service.reload())
            self.said.clear()
            for _ in range(3):
                self.asked()
            self.assertEqual(len([event for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]), 3 * log)

    def test_unusable(self) -> None:
        """
        Settings that cannot be used leave everything as it was, and it is said why.
        """
        service = self.run_(local=["router.lan A 192.0.2.1"])
        for values in (
            {"upstream": "chain"},
            {"allow": ["192.0.2.0/24"], "drop": ["192.0.2.0/24"]},
            {"upstream": US},
        ):
            self.wanted = self.settings(**values)
            self.failureResultOf(service.reload(), BadDescription)
            self.assertEqual(self.addressOf("router.lan"), "192.0.2.1")
            self.assertEqual(self.addressOf(), "192.0.2.80")

    def test_restartNeeded(self) -> None:
        """
        What takes a restart is said to, as long as it has not been restarted; what goes with it is done at once.
        """
        service = self.run_()
        self.wanted = self.settings(port=5353, cookies=False, minimalAny=False)
        still = ["port: still 53; 5353 takes a restart", "cookies: still yes; no takes a restart"]
        self.assertEqual(self.successResultOf(service.reload()), [*still, "minimal-any: yes is now no"])
        self.assertEqual(self.successResultOf(service.reload()), still)
        self.wanted = self.settings()
        self.assertEqual(self.successResultOf(service.reload()), ["minimal-any: no is now yes"])
        self.assertEqual(self.successResultOf(service.reload()), ["nothing has changed"])

    def test_everySettingTold(self) -> None:
        """
        There is no setting of which a reload says that it is in force when it is not: of those that it can change, the server looks at the
        new value.
        """
        service = self.run_()
        restarting = {setting.name for setting in SETTINGS if not setting.live}
        self.assertEqual(
            restarting,
            {"interface", "port", "tcp-idle", "workers", "role", "state", "cache-size", "cookies", "cookie-secret", "require-cookie"}
            | {"http", "control", "manhole", "manhole-keys", "transfers-out", "transfers-out-per-client", "transfers-waiting"}
            | {"transfers-in", "transfer-max-size", "transfers-max-size", "log-format"},
        )
        self.wanted = self.settings(port=5353, cacheSize=100_000, nsid="new")
        self.successResultOf(service.reload())
        self.assertEqual((service.settings.port, service.settings.cacheSize, service.settings.nsid), (53, Settings().cacheSize, "new"))

    def test_sameSettings(self) -> None:
        """
        Files of records are read again where no setting has changed, and it is said that they were.
        """
        path = self.mktemp()
        Path(path).write_text("router.lan A 192.0.2.1\n")
        service = self.run_(localFile=[path])
        self.assertEqual(self.addressOf("router.lan"), "192.0.2.1")
        Path(path).write_text("router.lan A 192.0.2.2\n")
        lines = self.successResultOf(service.reload())
        self.assertEqual(lines, ["no setting has changed; the files of records were read again"])
        self.assertEqual(self.addressOf("router.lan"), "192.0.2.2")

    def test_manyAtOnce(self) -> None:
        """
        However many ask for a reload while one is being done, it is done once more, and all of them are told what came of it.
        """
        service = self.run_()
        reading: list[Deferred[Settings]] = []

        def slowly(reactor: object, work: Callable[[], Settings]) -> Deferred[Settings]:
            reading.append(Deferred())
            return reading[-1]

        with patch("twisted_ext.server.service.inThread", slowly):
            first, *others = [service.reload() for _ in range(50)]
            reading[0].callback(self.settings())
            self.assertEqual(self.successResultOf(first), ["nothing has changed"])
            self.assertEqual(len(reading), 2)
            late = service.reload()
            reading[1].callback(self.settings(stale=0))
            for each in others:
                self.assertEqual(self.successResultOf(each), ["stale: 86400 is now 0"])
            reading[2].errback(BadDescription("txdns.toml:1: x"))
            self.failureResultOf(late, BadDescription)
        self.assertEqual(len(reading), 3)

    def test_bySignal(self) -> None:
        """
        What came of a reload that nobody waits for is in the log.
        """
        service = self.run_()
        server = Server(self.here, service)
        self.wanted = self.settings(stale=0)
        self.successResultOf(server.reloadNow())
        self.assertIn("stale: 86400 is now 0", [event.get("line") for event in self.said])

        def broken() -> Settings:
            raise BadDescription("txdns.toml:1: x\ntxdns.toml:2: y")

        service._reread = broken
        self.said.clear()
        self.successResultOf(server.reloadNow())
        self.assertEqual([event.get("line") for event in self.said if event.get("line")], ["txdns.toml:1: x", "txdns.toml:2: y"])


class MakingTests(ServiceCase):
    """
    Tests for L{makeServer} and L{pathOf}.
    """

    def test_nothingLeft(self) -> None:
        """
        Where a server cannot be made, its port is free again.
        """
        port = freePort("127.0.0.1")
        for workers in (1, 2):
            settings = Settings.of(interface="127.0.0.1", port=port, upstream=f"127.0.0.1:{port}", workers=workers)
            error = self.assertRaises(DNSFault, makeServer, self.here, settings)
            self.assertIn("is this server itself", str(error))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", port))

    def test_contradictions(self) -> None:
        """
        Rules that contradict each other are found before anything starts.
        """
        settings = self.settings(allow=["192.0.2.0/24"], drop=["192.0.2.0/24"])
        error = self.assertRaises(BadDescription, ServerService, self.here, settings, [Bound(US, 53)], SECRET)
        self.assertIn("192.0.2.0/24", str(error))
        self.assertEqual(self.here.pending(), [])
        self.assertRaises(BadDescription, pathOf, self.here, settings)

    def test_path(self) -> None:
        """
        What a question goes through is told in its order.
        """
        settings = self.settings(
            hostsFile="/etc/hosts",
            local=["router.lan A 192.0.2.1"],
            stopRebinding=True,
            route={"corp.example": "192.0.2.54"},
            queryLog=True,
        )
        self.assertEqual(
            pathOf(self.here, settings),
            [
                "query log: each request and its reply",
                "gate: access",
                "gate: opcode",
                "gate: form",
                "gate: version",
                "gate: cookie",
                "gate: rate",
                "gate: signature",
                "gate: class",
                "gate: type",
                "gate: any",
                "loop detection: questions of our own that come back",
                "local: 1 records given",
                "hosts: /etc/hosts",
                "special: names that are never asked of anybody, and literal addresses",
                "private networks: names of their addresses are denied, unless an upstream inside of them is asked",
                "rebinding: no private addresses from upstreams",
                "cache: 67108864 octets, prefetching, stale answers for 86400 s",
                "coalesce: one look-up for all who ask the same",
                "route: corp.example. to udp:192.0.2.54:53",
                "forward: udp:192.0.2.53:53",
            ],
        )
        self.assertEqual(self.here.pending(), [])

    def test_partsStartAndStop(self) -> None:
        """
        Parts that are added start after the server and stop before it.
        """
        service = ServerService(self.here, self.settings(), [Bound(US, 53)], SECRET)
        server = Server(self.here, service)
        steps: list[str] = []

        class Part:
            def startService(self) -> None:
                steps.append(f"start {service.running}")

            def stopService(self) -> object:
                steps.append(f"stop {service.running}")
                return succeed(None)

        server.add(cast(ControlService, Part()))
        server.startService()
        stopping = server.stopService()
        self.network.advance(0.1)
        self.successResultOf(stopping)
        self.assertEqual(steps, ["start 1", "stop 1"])
        self.assertEqual(self.here.pending(), [])

    def test_unreadableSecret(self) -> None:
        """
        A secret that has gone since it was checked is told as a fault.
        """
        path = Path(self.mktemp())
        path.write_text("00" * 16)
        settings = self.settings(cookieSecret=str(path))
        path.write_text("zz")
        self.assertRaises(BadDescription, makeServer, self.here, settings)
