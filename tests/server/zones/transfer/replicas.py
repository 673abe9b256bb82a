"""
Servers with zones on a memory network: a primary and a secondary.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from shutil import rmtree

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from tests.networks import NetworkTestCase
from tests.zone.changing import APEX, ZONE, record, records, textsOf
from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.listeners.datagram import DatagramListener
from twisted_ext.server.listeners.stream import StreamFactory, StreamListener, StreamResponder
from twisted_ext.server.listeners.tls.certificates import Certificates
from twisted_ext.server.listeners.tls.serving import ALPN, tlsServing
from twisted_ext.server.reply.acl import Access
from twisted_ext.server.reply.gates import standardGates
from twisted_ext.server.reply.opcodes import Outcome
from twisted_ext.server.reply.packetcaches import packetCacheFor
from twisted_ext.server.reply.requests import Request
from twisted_ext.server.reply.respond import Responder
from twisted_ext.server.zones.table.guards import Guards
from twisted_ext.server.zones.table.sink import ZoneSink
from twisted_ext.server.zones.table.source import AuthoritySource
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.server.zones.transfer.replication import Replication
from twisted_ext.server.zones.transfer.transferlimits import TransferLimits
from twisted_ext.testing.sources import atHand
from twisted_ext.wire.message import Question
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import AXFR, IXFR, SOA
from twisted_ext.zone.store.changeset import Difference
from twisted_ext.zone.store.serials import serialIn, withSerial
from twisted_ext.zone.transfer.refresh import SecondaryState
from twisted_ext.zone.update.transactions import Transaction
from twisted_ext.zone.zone import Zone

__all__ = ["KEYS", "PRIMARY", "QUICK", "SECONDARY", "Changes", "Host", "ReplicaTestCase", "StepTestCase", "applyZones", "soaOf"]

PRIMARY, SECONDARY = "192.0.2.53", "192.0.2.54"

#: The zone with short SOA timers.
QUICK = ZONE.replace("10 3600 600 86400", "10 300 60 1000")

#: The keys, by name.
KEYS = Keys.fromTexts(("hmac-sha256:one.key:c2VjcmV0IG9uZQ==", "hmac-sha512:two.key:c2VjcmV0IHR3bw=="))


def soaOf(serial: int, *, refresh: int = 3600, retry: int = 600, expire: int = 86400) -> RRSet:
    """
    Return an SOA record for the zone of these tests.
    """
    return record(f"@ 3600 SOA ns1 hostmaster {serial} {refresh} {retry} {expire} 300")


def applyZones(replication: Replication, zones: Sequence[ZoneSettings], keys: Keys) -> None:
    """
    Apply zone settings at once.
    """
    for _ in replication.applying(zones, keys):
        pass


class Changes:
    """
    A journal in memory.

    @ivar differences: all differences, in order.
    """

    def __init__(self) -> None:
        self.differences: list[Difference] = []

    def since(self, serial: int) -> list[Difference] | None:
        for index, difference in enumerate(self.differences):
            if difference.oldSerial == serial:
                return self.differences[index:]
        return None

    def serials(self) -> list[int]:
        return [each.oldSerial for each in self.differences]

    def octetsSince(self, serial: int) -> int | None:
        return None if self.since(serial) is None else 0

    def oneByOne(self, serial: int, last: int, room: int) -> None:
        return None


class Host:
    """
    A server with zones.

    @ivar zones: the zones that it serves.
    @ivar replication: its transfers and notifies.
    @ivar changes: the changes of the zone of these tests.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        address: str,
        folder: str = "",
        *,
        port: int = 53,
        today: Callable[[], float] | None = None,
        settings: Settings | None = None,
        certificates: Certificates | None = None,
        tlsPort: int = 853,
    ) -> None:
        """
        @param today: returns seconds since 1970; the reactor's time by default.
        @param certificates: for a server that listens for TLS as well.
        """
        self.certificates = certificates
        self.tlsPort = tlsPort
        self.tls: StreamListener | None = None
        self.address = address
        self.port = port
        self.reactor = reactor
        self.folder = folder
        self.today = today or reactor.seconds
        self.settings = settings
        self.changes = Changes()
        self.begin()

    def begin(self) -> None:
        """
        Start the server, again after L{end}.
        """
        reactor = self.reactor
        self.zones = Zones()
        sink = ZoneSink(self.zones, lambda place, version: None if version is None else self.replication.changed(version), self.today)
        self.guards = Guards()
        self.replication = Replication(
            reactor,
            sink,
            self.folder,
            journal=lambda apex: self.changes,
            today=self.today,
            limits=TransferLimits(self.settings),
            guards=self.guards,
        )
        operations = self.replication.handlers
        gates = standardGates(keys=KEYS, today=self.today, handlers=operations)
        self.responder = Responder(
            AuthoritySource(self.zones), reactor, gates=gates, handlers=operations, packetCache=packetCacheFor(Access({"allow": ["any"]}))
        )
        self.responder.replyBuilder.expiring = lambda request: self.replication.expires(request.folded)
        self.datagrams = DatagramListener(reactor, self.responder, self.address, self.port)
        self.datagrams.start()
        self.servings = StreamFactory(StreamResponder(self.responder), reactor)
        self.streams = StreamListener(reactor, self.responder, self.address, self.port, servings=self.servings)
        self.streams.start()
        self.overTLS = None if self.certificates is None else StreamFactory(StreamResponder(self.responder, "tls"), reactor)
        if self.certificates is not None and self.overTLS is not None:
            make = tlsServing(self.overTLS.replySource, self.certificates.contextFactory(ALPN))
            self.tls = StreamListener(
                reactor, self.responder, self.address, self.tlsPort, servings=self.overTLS, way="tls", make=make
            )
            self.tls.start()
        self.replication.start()

    def apply(self, **said: Iterable[str] | bool) -> None:
        """
        Configure the zone of these tests with these settings; an underscore stands for a hyphen.
        """
        values: dict[str, object] = {"name": "example.org"}
        for name, value in said.items():
            values[name.replace("_", "-")] = value if isinstance(value, bool) else list(value)
        applyZones(self.replication, [ZoneSettings.fromTable(values)], KEYS)

    def serve(self, text: str = ZONE) -> None:
        """
        Serve the zone of these tests.
        """
        self.zones.put(Zone.fromRecords(APEX, records(text)))

    def change(self, *lines: str, remove: Iterable[str] = ()) -> None:
        """
        Add records to the zone and remove some.
        """
        place = self.zones.at(APEX)
        assert place is not None and place.zone is not None
        transaction = Transaction(place.zone.current)
        for line in remove:
            transaction.remove(record(line))
        for line in lines:
            transaction.add(record(line))
        done = transaction.commit()
        assert done is not None
        version, difference = done
        self.changes.differences.append(difference)
        place.zone.replace(version)
        self.replication.changed(version)

    def setSerial(self, serial: int) -> None:
        """
        Set the serial number of the zone.
        """
        place = self.zones.at(APEX)
        assert place is not None and place.zone is not None
        soa = place.zone.current.soa
        transaction = Transaction(place.zone.current)
        transaction.replace(RRSet(soa.name, SOA, 1, soa.ttl, (withSerial(soa.rdatas[0], serial),)))
        done = transaction.commit()
        assert done is not None
        place.zone.replace(done[0])
        self.changes.differences.append(done[1])

    def serial(self) -> int | str:
        """
        Return the serial number that clients get, or the error.
        """
        try:
            answer = atHand(AuthoritySource(self.zones), Question(APEX, SOA), QueryContext(self.reactor.seconds() + 5))
        except DNSFault as fault:
            return fault.ede[0][1] if fault.ede else str(fault)
        assert answer is not None
        return serialIn(answer.answer[0].rdatas[0])

    def end(self) -> Deferred[list[None]]:
        """
        Stop the server.

        @return: fires when nothing is left.
        """
        self.responder.close()
        ending = [self.replication.stop(), self.datagrams.stop(), self.streams.stop(), self.servings.close()]
        if self.tls is not None and self.overTLS is not None:
            ending += [self.tls.stop(), self.overTLS.close()]
        return gatherResults(ending)


class ReplicaTestCase(NetworkTestCase):
    """
    Tests with a primary and a secondary.
    """

    def setUp(self) -> None:
        super().setUp()
        self.network.clock.advance(1_700_000_000)
        self.network.shape(delay=0.001)
        self.folder = tempfile.mkdtemp(prefix="txdns-secondary-")
        self.addCleanup(rmtree, self.folder)
        self.there = self.network.reactor(PRIMARY), self.network.reactor(SECONDARY)
        self.primary = Host(self.there[0], PRIMARY)
        self.secondary = Host(self.there[1], SECONDARY, os.path.join(self.folder, "state"))

    def tearDown(self) -> None:
        for host in (self.primary, self.secondary):
            host.end()
        self.network.advance(1)
        for reactor in self.there:
            self.assertEqual(reactor.pending(), [])
        super().tearDown()


class StepTestCase(ReplicaTestCase):
    """
    Tests with a secondary that follows a primary.
    """

    def assertInStep(self) -> None:
        """
        Assert that both servers have the same records.
        """
        held = [host.zones.at(APEX) for host in (self.primary, self.secondary)]
        texts = [textsOf(place.zone.current) for place in held if place is not None and place.zone is not None]
        self.assertEqual(len(texts), 2)
        self.assertEqual(texts[0], texts[1])

    def begin(self, text: str = ZONE, **said: list[str]) -> None:
        """
        Configure both servers, and check that the secondary has fetched the zone.
        """
        self.primary.serve(text)
        self.primary.apply(allow_transfer=["192.0.2.0/24"], notify=[SECONDARY])
        self.secondary.apply(primaries=[PRIMARY], **said)
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), 10)

    def recordTransferTypes(self) -> list[int]:
        """
        Return a list that will hold the types of the transfers that the primary is asked for.
        """
        asked: list[int] = []
        transferring = self.primary.replication.transfers

        def watching(request: Request) -> Outcome:
            asked.append(request.question.rrType)
            return transferring(request)

        for rrType in (AXFR, IXFR):
            self.primary.responder.handlers[rrType] = watching
        return asked

    @property
    def state(self) -> SecondaryState:
        """
        The state of the secondary zone.
        """
        assert self.secondary.replication.secondaries is not None
        zone = self.secondary.replication.secondaries.at(APEX)
        assert zone is not None
        return zone.refreshing.state
