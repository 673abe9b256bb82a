"""
Tests of L{twisted_ext.server.service} and L{twisted_ext.server.frontend}: a whole server on a memory network.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from time import time
from typing import cast
from unittest.mock import patch

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.networks import NetworkTestCase
from tests.peers import freePort
from tests.queries import COOKIE, optOf, queryOf
from tests.typed import observing
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.metrics.limits import LIVE_SECONDS
from twisted_ext.server import service
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.operations.controlservice import ControlService
from twisted_ext.server.reply.cookies import Cookies
from twisted_ext.server.service import Server, ServerService, makeServer
from twisted_ext.server.settings.plugged import allSettings
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
    A server, its upstream and a client, each on its own host.
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
        Return settings that forward to the upstream.
        """
        return Settings.of(**{"hostsFile": "", "upstream": self.server.label, **values})

    def do(self, service: ServerService, path: str, **arguments: str) -> dict[str, JSON]:
        """
        Execute an operation.
        """
        return self.successResultOf(service.status.do(path, arguments))

    def run_(self, **values: object) -> ServerService:
        """
        Start a server, which is stopped when the test ends.
        """
        self.wanted = self.settings(**values)
        service = ServerService(self.here, self.wanted, [Bound(US, 53)], SECRET, reread=self.reread)
        service.startService()
        self.addCleanup(self.stop, service)
        return service

    def reread(self) -> Settings:
        """
        Return the settings for the next reload.
        """
        return self.wanted

    def stop(self, service: ServerService) -> None:
        """
        Stop a server, and check that nothing of it is left.
        """
        stopping = service.stopService()
        self.network.advance(0.1)
        self.successResultOf(stopping)
        self.assertEqual(self.here.pending(), [])

    def tearDown(self) -> None:
        """
        Do nothing: L{stop} checks for pending calls after each server has stopped.
        """

    def asked(self, name: str = "www.test.example", rrType: str = "A") -> Message | None:
        """
        Send a query, and return the reply that the client gets.
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

    def addressOf(self, name: str = "www.test.example") -> str:
        """
        Send a query, and return the address that the client gets.
        """
        message = self.asked(name)
        assert message is not None
        return ".".join([str(octet) for octet in message.answer[0].rdatas[0]])


class ForwardServiceTests(ServiceCase):
    """
    Tests for L{ServerService}.
    """

    def test_answersAreForwardedThenCached(self) -> None:
        """
        A client gets the upstream's answer, and later queries are answered from the cache.
        """
        service = self.run_()
        self.assertEqual([self.addressOf() for _ in range(5)], ["192.0.2.80"] * 5)
        self.assertEqual(len(self.upstream.asked), 1)
        self.assertEqual(service.counters.udp, 5)
        self.assertGreater(service.counters.hits, 1)
        figures = self.successResultOf(service.status.figures())
        self.assertEqual(figures.upstreams[0]["server"], "192.0.2.53:53")
        self.assertEqual(self.successResultOf(service.status.status())["listening"], ["udp 192.0.2.7:53", "tcp 192.0.2.7:53"])

    def test_forbiddenClientIsRefused(self) -> None:
        """
        A client that is not allowed gets REFUSED.
        """
        self.run_(allow=["192.0.2.0/24"])
        message = self.asked()
        assert message is not None
        self.assertEqual(message.rcode, 5)

    def test_droppedClientGetsNothing(self) -> None:
        """
        A client on the drop list gets no reply.
        """
        self.run_(drop=["192.168.0.9"])
        self.assertIsNone(self.asked())

    def test_clientsAreNotCountedByDefault(self) -> None:
        """
        Clients and live queries are personal data: by default there are none, also not while a page asks for them.
        """
        service = self.run_()
        self.successResultOf(service.status.queries(0))
        self.asked()
        self.assertEqual(self.do(service, "clients"), {"shown": False})
        self.assertEqual(self.successResultOf(service.status.queries(0)), {"shown": False})

    def test_clientsAreCountedBySetting(self) -> None:
        """
        With show-clients the queries of each client are counted, cached ones as well. A reload turns that on and off, and what was counted
        is forgotten.
        """
        service = self.run_()
        self.wanted = self.settings(showClients=True)
        self.successResultOf(service.reload())
        for _ in range(5):
            self.asked()
        found = self.do(service, "clients")
        (client,) = cast("list[dict[str, JSON]]", found["clients"])
        self.assertEqual((client["client"], client["queries"], found["total"]), ("192.168.0.9", 5, 5))
        (name,) = cast("list[dict[str, JSON]]", self.do(service, "clients", address="192.168.0.9")["names"])
        self.assertEqual((name["name"], name["type"]), ("www.test.example.", "A"))
        self.wanted = self.settings()
        self.successResultOf(service.reload())
        self.assertEqual(self.do(service, "clients"), {"shown": False})
        self.wanted = self.settings(showClients=True)
        self.successResultOf(service.reload())
        self.assertEqual(self.do(service, "clients")["total"], 0)

    def test_clientsAreShownByTheirNames(self) -> None:
        """
        A client that is in a hosts file has its name there, among the most active clients and in the live list.
        """
        path = self.mktemp()
        Path(path).write_text("192.168.0.9 tablet.lan tablet\n")
        self.expectTablet(self.run_(showClients=True, hostsFile=[path]))

    def test_clientsAreShownByTheirRecords(self) -> None:
        """
        So has one in a local record.
        """
        self.expectTablet(self.run_(showClients=True, hostsFile=[""], local=["tablet.lan A 192.168.0.9"]))

    def expectTablet(self, service: ServerService) -> None:
        """
        Check that a client is shown by its name.
        """
        self.successResultOf(service.status.queries(0))
        self.asked()
        for found, key in ((service.status.do("clients", {}), "clients"), (service.status.queries(0), "queries")):
            (shown,) = cast("list[dict[str, JSON]]", self.successResultOf(found)[key])
            self.assertEqual((shown["client"], shown["host"]), ("192.168.0.9", "tablet.lan"))
        self.assertEqual((service.features.nameOf("192.0.2.99"), service.features.nameOf("")), ("", ""))

    def test_liveQueriesAreShownWhileAsked(self) -> None:
        """
        The live list has forwarded and cached queries while a client asks for it; the packet cache still answers meanwhile.
        """
        service = self.run_(showClients=True, stale=0)
        self.asked()
        self.assertEqual(self.successResultOf(service.status.queries(0))["queries"], [])
        self.asked("new.test.example")
        for _ in range(4):
            self.asked()
        found = self.successResultOf(service.status.queries(0))
        shown = [(each["name"], each["status"], each["rcode"]) for each in cast("list[dict[str, JSON]]", found["queries"])]
        self.assertEqual(shown[0], ("new.test.example.", "forwarded", "NXDOMAIN"))
        self.assertEqual(shown[1:], [("www.test.example.", "cached", "NOERROR")] * 4)
        self.assertGreater(service.counters.hits, 1)
        self.network.advance(LIVE_SECONDS.default + 2)
        assert service.counters.activity is not None
        self.assertFalse(service.counters.activity.live.on)
        self.asked("later.test.example")
        self.assertEqual(self.successResultOf(service.status.queries(0))["queries"], [])

    def test_refusedAndFailedQueriesAreShown(self) -> None:
        """
        The live list has refused clients, and names that no upstream could answer.
        """
        service = self.run_(showClients=True, refuse=["192.168.0.9"])
        self.successResultOf(service.status.queries(0))
        self.asked()
        (refused,) = cast("list[dict[str, JSON]]", self.successResultOf(service.status.queries(0))["queries"])
        self.assertEqual((refused["client"], refused["status"], refused["rcode"]), ("192.168.0.9", "refused", "REFUSED"))

    def test_queryLogHasEveryQuery(self) -> None:
        """
        The query log has a line for every query, including those that the packet cache could answer; it is off by default.
        """
        for log, verbose in ((False, 0), (True, 0), (False, 1)):
            service = self.run_(queryLog=log, verbose=verbose)
            self.said.clear()
            # Who does not log pays nothing for it.
            self.assertEqual(service.packetCache.told is None, not (log or verbose))
            for _ in range(4):
                self.asked()
            self.assertEqual(service.counters.udpBeyond, 3)
            lines = [event for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]
            self.assertEqual(len(lines), 4 if log or verbose else 0)
            if lines:
                first, second = lines[0]["fields"], lines[1]["fields"]
                self.assertEqual((first["name"], first["type"], first["client"]), ("www.test.example.", "A", "192.168.0.9"))
                self.assertEqual((first["rcode"], first["source"], first["server"]), ("NOERROR", "upstream", "192.0.2.53:53"))
                self.assertEqual((first["milliseconds"], first["size"]), (20.0, 50))
                self.assertEqual((second["source"], second["milliseconds"]), ("cache", 0.0))
                # Nothing is slower for it: the packet cache answers, and says so.
                self.assertEqual([line["fields"]["source"] for line in lines[2:]], ["cache", "packet-cache"])
                self.assertEqual(
                    formatEvent(lines[3]), "query www.test.example. IN A from 192.168.0.9 by udp: NOERROR, 50 octets, 0.0 ms, packet-cache"
                )
                self.assertEqual(
                    formatEvent(lines[0]),
                    "query www.test.example. IN A from 192.168.0.9 by udp: NOERROR, 50 octets, 20.0 ms, upstream 192.0.2.53:53",
                )
            self.stop(service)

    def takeLoggedResults(self) -> list[str]:
        """
        Return the results in the query log, and clear it.
        """
        lines = [str(event["result"]) for event in self.said if event.get("log_namespace") == "twisted_ext.queries"]
        self.said.clear()
        return lines

    def test_queryLogNamesReason(self) -> None:
        """
        Refused queries and queries without a reply are logged with the reason.
        """
        service = self.run_(queryLog=True, refuse=["192.168.0.9"])
        self.asked()
        self.stop(service)
        self.assertEqual(self.takeLoggedResults(), ["REFUSED, 34 octets, 0.0 ms, access, EDE 18"])
        service = self.run_(queryLog=True, drop=["192.168.0.9"])
        self.asked()
        self.assertEqual(self.takeLoggedResults(), ["no reply, 0.0 ms, access"])
        self.stop(service)

    def test_queryLogHasFailures(self) -> None:
        """
        A failure is logged with its extended error even if the query has no EDNS, and so is an answer that is too late for UDP.
        """
        self.upstream.set("broken.test.example", "A", 2)
        self.run_(queryLog=True)
        self.asked("broken.test.example")
        (line,) = self.takeLoggedResults()
        self.assertIn("SERVFAIL, 37 octets, 120.0 ms, failure, EDE ", line)
        self.upstream.delay = 3.0
        self.asked("slow.test.example")
        self.network.advance(6)
        self.assertEqual(self.takeLoggedResults(), ["no reply, 3020.0 ms, late"])

    def test_flushEmptiesPacketCache(self) -> None:
        """
        A flush also empties the packet cache.
        """
        service = self.run_()
        for _ in range(3):
            self.addressOf()
        self.upstream.set("www.test.example", "A", "192.0.2.81")
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.do(service, "cache/flush", all="1")
        self.assertEqual(self.addressOf(), "192.0.2.81")


class TracingTests(ServiceCase):
    """
    Tests for tracing look-ups while the server runs.
    """

    def test_tracingRecordsLookups(self) -> None:
        """
        While tracing is on, the steps of each look-up are recorded, including failed ones; while it is off, none are.
        """
        service = self.run_()
        self.asked()
        self.assertEqual(self.do(service, "trace/show"), {"traces": []})
        self.do(service, "trace/on")
        self.asked("other.test.example")
        self.asked("localhost")
        self.upstream.rcode = 5
        self.asked("bad.test.example")
        self.do(service, "trace/off")
        self.asked("more.test.example")
        kept = cast("list[JSON]", self.do(service, "trace/show")["traces"])
        found = [(each["name"], each["rcode"]) for each in kept if isinstance(each, dict)]
        self.assertEqual(found, [("other.test.example.", "NXDOMAIN"), ("localhost.", "NOERROR"), ("bad.test.example.", "REFUSED")])
        assert isinstance(kept[0], dict)
        self.assertIn("sent", [step["event"] for step in cast("list[dict[str, object]]", kept[0]["steps"])])


class ReloadTests(ServiceCase):
    """
    Tests for reloading the settings.
    """

    def test_reloadTakesEffectAtOnce(self) -> None:
        """
        New settings take effect at once, also for clients that the packet cache has answers for; the cache and the counters are kept.
        """
        service = self.run_()
        for _ in range(3):
            self.addressOf()
        self.wanted = self.settings(local=["www.test.example A 192.0.2.99"])
        lines = self.successResultOf(service.reload())
        self.assertEqual(lines, ["local: none is now www.test.example A 192.0.2.99"])
        self.assertEqual(self.addressOf(), "192.0.2.99")
        self.wanted = self.settings()
        self.successResultOf(service.reload())
        self.assertEqual(self.addressOf(), "192.0.2.80")
        self.assertEqual(len(self.upstream.asked), 1)
        self.assertEqual(service.counters.udp, 5)

    def test_lastReloadOfManyZonesWins(self) -> None:
        """
        Long lists of zones are read in several turns; the last reload wins, and a server that stops meanwhile leaves nothing behind.
        """

        def slow(settings: Settings, found: object, held: object, view: str) -> Iterator[None]:
            for _ in range(4):
                yield

        service = self.run_()
        listed = Path(self.mktemp())
        listed.write_text("")
        with patch("twisted_ext.server.process.jobs.turns._TURN", 0), patch("twisted_ext.server.config.zonesettings.gather", slow):
            self.wanted = self.settings(zones=[str(listed)], local=["www.test.example A 192.0.2.98"])
            first = service.reload()
            self.assertNoResult(first)
            self.wanted = self.settings(zones=[str(listed)], local=["www.test.example A 192.0.2.99"])
            second = service.reload()
            self.assertNoResult(second)
            self.network.advance(1.0)
            self.successResultOf(first)
            self.successResultOf(second)
            self.assertEqual(self.addressOf(), "192.0.2.99")
            third = service.reload()
            self.stop(service)
            self.failureResultOf(third, CancelledError)

    def test_accessChangesWithReload(self) -> None:
        """
        Access control changes with each reload, in both directions.
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

    def test_queryLogChangesWithReload(self) -> None:
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

    def test_invalidReloadChangesNothing(self) -> None:
        """
        Invalid settings change nothing, and the error says why.
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

    def test_restartNeededIsReported(self) -> None:
        """
        A setting that takes a restart is reported as such until the restart; other settings change at once.
        """
        service = self.run_()
        self.wanted = self.settings(port=5353, cookies=False, minimalAny=False)
        still = ["port: still 53; 5353 takes a restart", "cookies: still yes; no takes a restart"]
        self.assertEqual(self.successResultOf(service.reload()), [*still, "minimal-any: yes is now no"])
        self.assertEqual(self.successResultOf(service.reload()), still)
        self.wanted = self.settings()
        self.assertEqual(self.successResultOf(service.reload()), ["minimal-any: no is now yes"])
        self.assertEqual(self.successResultOf(service.reload()), ["nothing has changed"])

    def test_noReloadClaimsTooMuch(self) -> None:
        """
        A reload never claims that a setting is in force when it is not: the server reads the new value of each setting that it can change.
        """
        service = self.run_()
        restarting = {setting.name for setting in allSettings(plugins=False) if not setting.live}
        self.assertEqual(
            restarting,
            {"interface", "port", "tls", "https", "https-clear", "https-path", "quic", "http3", "self-signed", "workers", "role", "state"}
            | {"cache-size"}
            | {"tcp-idle", "tcp-timeout", "tcp-connections", "tcp-connections-per-client", "tcp-requests"}
            | {"cookies", "require-cookie"}
            | {"http", "api", "api-tokens", "api-tls", "api-hosts", "default-soa"}
            | {"console", "console-tls", "console-users", "console-hosts"}
            | {"control", "manhole", "manhole-keys", "transfers-out", "transfers-out-per-client", "transfers-waiting"}
            | {"transfers-in", "transfer-max-size", "transfers-max-size", "log-format"},
        )
        self.wanted = self.settings(port=5353, cacheSize=100_000, nsid="new")
        self.successResultOf(service.reload())
        self.assertEqual((service.settings.port, service.settings.cacheSize, service.settings.nsid), (53, Settings().cacheSize, "new"))

    def test_secretsAreRolled(self) -> None:
        """
        Secrets for cookies are read again, although no setting has changed: cookies are made with the first one, also for clients that have
        one, and those made with any of them are valid. A file with mistakes changes nothing.
        """
        path = Path(self.mktemp())
        one, two, three = "11" * 16, "22" * 16, "33" * 16
        path.write_text(f"{one}\n{two}\n")
        service = self.run_(cookieSecret=str(path))

        def cookieFor(option: str) -> str:
            before = len(self.client.got)
            assert self.client.transport is not None
            self.client.transport.write(queryOf(opt=optOf(options=[(COOKIE, bytes.fromhex(option))])), (US, 53))
            self.network.advance(1.0)
            (reply,) = self.client.got[before:]
            return reply[-24:].hex()

        def madeWith(*secrets: str) -> str:
            found = Cookies(*[bytes.fromhex(each) for each in secrets]).check("192.168.0.9", b"client01", time())
            return found.option[4:].hex()

        def verified(secret: str) -> bool:
            # A valid cookie made with the current secret is returned as it is.
            cookie = madeWith(secret)
            return cookieFor(cookie) == cookie

        said = "no setting has changed; the files of secrets for cookies were read again"
        self.assertEqual(self.successResultOf(service.reload()), [said])
        self.assertTrue(verified(one))
        self.assertFalse(verified(two))
        path.write_text(f"{three}\n{one}\n")
        self.successResultOf(service.reload())
        self.assertTrue(verified(three))
        # Those made with the one before are valid, and replaced.
        self.assertFalse(verified(one))
        path.write_text("hunter2")
        self.failureResultOf(service.reload(), BadDescription)
        self.assertTrue(verified(three))
        self.wanted = self.settings()
        self.successResultOf(service.reload())
        self.assertFalse(verified(three))

    def test_recordFilesAreReadAgain(self) -> None:
        """
        The files of records are read again even if no setting has changed, and the reload says so.
        """
        path = self.mktemp()
        Path(path).write_text("router.lan A 192.0.2.1\n")
        service = self.run_(localFile=[path])
        self.assertEqual(self.addressOf("router.lan"), "192.0.2.1")
        Path(path).write_text("router.lan A 192.0.2.2\n")
        lines = self.successResultOf(service.reload())
        self.assertEqual(lines, ["no setting has changed; the files of records were read again"])
        self.assertEqual(self.addressOf("router.lan"), "192.0.2.2")

    def test_concurrentReloadsAreMerged(self) -> None:
        """
        All reloads that are requested during a reload share one further reload and its result.
        """
        service = self.run_()
        reading: list[Deferred[Settings]] = []

        def slowly(reactor: object, work: Callable[[], Settings]) -> Deferred[Settings]:
            reading.append(Deferred())
            return reading[-1]

        with patch("twisted_ext.server.process.reloads.inThread", slowly):
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

    def test_signalReloadIsLogged(self) -> None:
        """
        The result of a reload by signal is logged.
        """
        service = self.run_()
        server = Server(self.here, service)
        self.wanted = self.settings(stale=0)
        self.successResultOf(server.reloadNow())
        self.assertIn("stale: 86400 is now 0", [event.get("line") for event in self.said])

        def broken() -> Settings:
            raise BadDescription("txdns.toml:1: x\ntxdns.toml:2: y")

        service._reloads._reread = broken
        self.said.clear()
        self.successResultOf(server.reloadNow())
        self.assertEqual([event.get("line") for event in self.said if event.get("line")], ["txdns.toml:1: x", "txdns.toml:2: y"])


class CreationTests(ServiceCase):
    """
    Tests for L{makeServer} and L{pathOf}.
    """

    def test_failedServerFreesItsPort(self) -> None:
        """
        The port is free again if the server cannot be created.
        """
        port = freePort("127.0.0.1")
        for workers in (1, 2):
            settings = Settings.of(interface="127.0.0.1", port=port, upstream=f"127.0.0.1:{port}", workers=workers)
            error = self.assertRaises(DNSFault, makeServer, self.here, settings)
            self.assertIn("is this server itself", str(error))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", port))

    def test_contradictingRulesAreRefused(self) -> None:
        """
        Rules that contradict each other are an error before anything starts.
        """
        settings = self.settings(allow=["192.0.2.0/24"], drop=["192.0.2.0/24"])
        error = self.assertRaises(BadDescription, ServerService, self.here, settings, [Bound(US, 53)], SECRET)
        self.assertIn("192.0.2.0/24", str(error))
        self.assertEqual(self.here.pending(), [])

    def test_rateHasAGateIfItIsLimited(self) -> None:
        """
        Without a limit, queries do not pass a gate for it; a reload brings it in and takes it away.
        """
        service = self.run_()

        def names() -> list[str]:
            return [gate.name for gate in service.frontend.responder.gates]

        self.assertNotIn("rate", names())
        service.goOverTo(self.settings(clientRate=5))
        self.assertIn("rate", names())
        service.goOverTo(self.settings())
        self.assertNotIn("rate", names())

    def test_partsStartLastStopFirst(self) -> None:
        """
        Added parts start after the server and stop before it.
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

    def test_changedSecretFileIsAnError(self) -> None:
        """
        A secret file that has become invalid since it was checked is an error.
        """
        path = Path(self.mktemp())
        path.write_text("00" * 16)
        settings = self.settings(cookieSecret=str(path))
        path.write_text("zz")
        self.assertRaises(BadDescription, makeServer, self.here, settings)

    def test_brokenPluginsAreLogged(self) -> None:
        """
        The log of the server says which plugins of other packages it goes without, and why.
        """
        self.patch(service, "pluginComplaints", ["the feature cellar is left out: {no} name"])
        makeServer(self.here, Settings.of(upstream="192.0.2.53"))
        self.assertEqual([formatEvent(event) for event in self.said], ["the feature cellar is left out: {no} name"])

    def test_connectionsTakeOpenFiles(self) -> None:
        """
        More connections than the system allows open files are refused before anything is bound, with what would be right.
        """
        self.patch(service, "raiseDescriptors", lambda most: 1024)
        with self.assertRaisesRegex(BadDescription, "tcp-connections: 2000 .*LimitNOFILE"):
            makeServer(self.here, Settings.of(upstream="192.0.2.53", tcpConnections=2000))
        for files in (0, 2001):
            self.patch(service, "raiseDescriptors", lambda most, files=files: files)
            made = makeServer(self.here, Settings.of(upstream="192.0.2.53", tcpConnections=2000))
            self.assertIsInstance(made, Server)
