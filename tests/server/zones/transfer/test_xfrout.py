"""
Tests of outgoing zone transfers.
"""

from __future__ import annotations

from unittest.mock import patch

from twisted.internet.interfaces import IPushProducer
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.queries import optOf
from tests.server.zones.transfer.askers import Asker, Datagrams, transferOf
from tests.server.zones.transfer.replicas import KEYS, PRIMARY, Host, ReplicaTestCase, soaOf
from tests.wire.shown import optionsOf
from tests.zone.changing import APEX, ZONE, record, textsOf
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.reply.requests import Refusal, Request
from twisted_ext.server.zones.transfer.xfrout import OutgoingTransfers
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.options import Expire
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.wire.tsig import StreamVerifying
from twisted_ext.zone.store.serials import serialIn
from twisted_ext.zone.update.transactions import Transaction

#: A zone of some megabytes.
LARGE = ZONE + "\n".join([f'host{number} 300 TXT "{"x" * 240}"' for number in range(12_000)])

KEY = next(iter(KEYS.values()))


class TransferringTests(ReplicaTestCase):
    """
    Tests for L{OutgoingTransfers}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.askers: list[Asker] = []

    def tearDown(self) -> None:
        for each in self.askers:
            each.transport.abortConnection()
        self.network.advance(1)
        self.assertEqual(self.transferring.slots.running, 0)
        super().tearDown()

    @property
    def transferring(self) -> OutgoingTransfers:
        """
        The outgoing transfers of the primary.
        """
        return self.primary.replication.transfers

    def connect(self) -> Asker:
        """
        Return a new connection.
        """
        asker = Asker.at(self.network, self.here, PRIMARY)
        self.askers.append(asker)
        return asker

    def request(self, octets: bytes, seconds: float = 5.0) -> Asker:
        """
        Send a request on a new connection, wait, and return the connection.
        """
        asker = self.connect()
        asker.ask(octets)
        self.network.advance(seconds)
        return asker

    def datagram(self, octets: bytes) -> Message:
        """
        Return the reply to a datagram.
        """
        socket = Datagrams()
        port = self.here.listenUDP(0, socket)
        port.write(octets, (PRIMARY, 53))
        self.network.advance(1)
        port.stopListening()
        return Message.fromWire(socket.replies[0]).check()

    def offer(self, text: str = ZONE, grants: tuple[str, ...] = ("any",)) -> None:
        """
        Serve the zone and allow transfers to these clients.
        """
        self.primary.serve(text)
        self.primary.apply(allow_transfer=grants)

    def test_allowedClientGetsWholeZone(self) -> None:
        """
        An allowed client gets the whole zone, and can send further requests on the same connection.
        """
        self.offer(LARGE)
        asker = self.request(transferOf()[0])
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        sent = {(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in asker.records}
        self.assertEqual(sent, textsOf(place.zone.current))
        self.assertEqual((asker.records[0].rrType, asker.records[-1].rrType, asker.lost), (SOA, SOA, False))
        asker.ask(transferOf(id=9)[0], transferOf(id=10)[0])
        self.network.advance(5)
        self.assertEqual({each[:2] for each in asker.messages}, {b"\x00\x07", b"\x00\x09", b"\x00\x0a"})

    def test_oversizedRecordRefusesTransfer(self) -> None:
        """
        A zone with a record that fits into no message is refused before any of it is sent, whether the record is in the zone's image or was
        added later; the log names the record once.
        """
        long = f"long 300 TYPE65400 \\# 65500 {'00' * 65500}"
        large = "\n".join([f"host{number} 300 TXT {'x' * 200}" for number in range(600)])
        self.offer(f"{ZONE}{large}\n{long}\n")
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        zone = place.zone
        said = "long.test.example. has 65517 octets and fits into no message of a transfer"
        said = said.replace("long.test.example.", f"long.{nameToText(APEX)}")
        one = Transaction(zone.current)
        one.remove(record(long))
        without = one.commit()
        assert without is not None
        other = Transaction(without[0])
        other.add(record(long))
        again = other.commit()
        assert again is not None
        logged: list[str] = []

        @implementer(ILogObserver)
        def observe(event: LogEvent) -> None:
            logged.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for version in (zone.current, again[0]):
            zone.replace(version)
            logged.clear()
            asker = self.request(transferOf()[0])
            self.assertEqual([(each[3] & 15, each[6:8]) for each in asker.messages], [(Rcode.SERVFAIL, bytes(2))])
            self.assertFalse(asker.lost)
            told = [line for line in logged if "transfer" in line]
            self.assertEqual(len(told), 1, told)
            self.assertIn(said, told[0])
        zone.replace(without[0])
        self.assertGreater(len(self.request(transferOf()[0]).records), 600)
        zone.replace(again[0])
        with patch("twisted_ext.server.zones.transfer.xfrout.unsendable", lambda *_: ""):
            asker = self.request(transferOf()[0])
            self.assertTrue(asker.lost)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_oversizedChangeCausesFullTransfer(self) -> None:
        """
        Changes with a record that fits into no message are not started, since the client would retry forever: it gets the whole zone if
        that record is gone, and SERVFAIL otherwise.
        """
        self.offer()
        before = soaOf(int(self.primary.serial()))
        long = f"long 300 TYPE65400 \\# 65500 {'00' * 65500}"
        self.primary.change(long)
        asker = self.request(transferOf(soa=before)[0])
        self.assertEqual([each[3] & 15 for each in asker.messages], [Rcode.SERVFAIL])
        having = soaOf(int(self.primary.serial()))
        self.primary.change("new 300 A 192.0.2.9", remove=(long,))
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        asker = self.request(transferOf(soa=having)[0])
        sent = {(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in asker.records}
        self.assertEqual(sent, textsOf(place.zone.current))
        # A client that never had the record does not need its removal.
        asker = self.request(transferOf(soa=before)[0])
        self.assertEqual([each.rrType for each in asker.records], [SOA, SOA, SOA, A, SOA])
        with patch("twisted_ext.zone.transfer.sender._longest", lambda difference: 0):
            asker = self.request(transferOf(soa=having)[0])
            self.assertTrue(asker.lost)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_oneAnswerPerMessageIfConfigured(self) -> None:
        """
        Configured clients get each record in its own message, in full and incremental transfers; other clients do not.
        """
        self.primary.serve()
        there = self.there[0]
        for grants, single in (((PRIMARY,), False), (("any",), True), (("key=one.key",), True), (("key=two.key",), False)):
            self.primary.apply(allow_transfer=("any",), one_answer=grants)
            octets, mac = transferOf(key=KEY, now=there.seconds())
            asker = self.request(octets, 1)
            counts = [len(Message.fromWire(each).records()[0]) for each in asker.messages]
            place = self.primary.zones.at(APEX)
            assert place is not None and place.zone is not None
            self.assertEqual(counts, [1] * (place.zone.current.recordCount + 1) if single else [place.zone.current.recordCount + 1])
            sent = {(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in asker.records}
            self.assertEqual(sent, textsOf(place.zone.current))
            verifying = StreamVerifying({KEY.name: KEY}, mac)
            self.assertTrue(all(verifying.feed(each, there.seconds()).good for each in asker.messages))
        self.primary.apply(allow_transfer=("any",), one_answer=("any",))
        before = soaOf(int(self.primary.serial()))
        self.primary.change("new 300 A 192.0.2.9", "new 300 A 192.0.2.10")
        counts = [len(Message.fromWire(each).records()[0]) for each in self.request(transferOf(soa=before)[0], 1).messages]
        self.assertEqual(counts, [1] * 6)

    def test_reloadedZoneGivesChanges(self) -> None:
        """
        Secondaries of a reloaded zone get its changes. They get the whole zone if the serial number is the same or older, or if the change
        is large.
        """
        replication = self.primary.replication
        self.primary.apply(allow_transfer=["any"])
        replication._journal = lambda apex: None

        def edit(serial: int, *lines: str) -> None:
            text = ZONE.replace(" 10 3600", f" {serial} 3600") + "\n".join(lines)
            self.primary.serve(text)
            place = self.primary.zones.at(APEX)
            assert place is not None and place.zone is not None
            replication.changed(place.zone.current)
            self.network.advance(1)

        def shown(have: int) -> list[str]:
            records = self.request(transferOf(soa=soaOf(have))[0], 1).records
            return [each.name[1:4].decode() if each.rrType != SOA else str(serialIn(each.rdatas[0])) for each in records]

        edit(10)
        edit(11, "one 300 A 192.0.2.1")
        edit(12, "two 300 A 192.0.2.1")
        self.assertEqual(shown(11), ["12", "11", "one", "12", "two", "12"])
        self.assertEqual(shown(10), ["12", "10", "12", "two", "12"])
        self.assertGreater(len(shown(9)), 8)
        edit(12, "two 300 A 192.0.2.2")
        self.assertGreater(len(shown(11)), 8)
        edit(13)
        self.assertEqual(shown(12), ["13", "12", "two", "13", "13"])
        with patch("twisted_ext.zone.store.events.COMPARED_NODES.default", 3):
            edit(14)
        self.assertGreater(len(shown(13)), 8)
        edit(15, *[f'big{number} 300 TXT "{"x" * 250}"' for number in range(1500)])
        self.assertGreater(len(shown(14)), 1500)
        self.assertEqual(len(replication._comparing), 0)

    def test_otherClientsAreRefused(self) -> None:
        """
        Clients without permission are refused, and a name that is not a zone here gets NOTAUTH.
        """
        self.primary.serve()
        for grants in ((), ("198.51.100.0/24",), ("key=one.key",), ("198.51.100.0/24 key=one.key",)):
            self.primary.apply(allow_transfer=grants)
            for octets in (transferOf()[0], transferOf(soa=record("@ 300 SOA a b 1 2 3 4 5"))[0]):
                asker = self.request(octets, 1)
                self.assertEqual((asker.rcode, asker.records), (Rcode.REFUSED, []))
        self.assertEqual(self.request(transferOf(nameFromText("www.example.org"))[0], 1).rcode, Rcode.NOTAUTH)
        self.offer()
        self.assertEqual(self.request(transferOf()[0], 1).rcode, 0)

    def test_everyMessageIsSigned(self) -> None:
        """
        A client with the right key gets the zone with every message signed.
        """
        self.offer(LARGE, ("key=one.key",))
        now = self.here.seconds()
        octets, mac = transferOf(key=KEY, now=now)
        asker = self.request(octets)
        self.assertGreater(len(asker.messages), 10)
        verifying = StreamVerifying({KEY.name: KEY}, mac)
        for each in asker.messages:
            self.assertTrue(verifying.feed(each, now).good)
        octets, _ = transferOf(key=list(KEYS.values())[1], now=now)
        self.assertEqual(self.request(octets).rcode, Rcode.REFUSED)
        octets, _ = transferOf(key=KEY, now=now - 4000)
        self.assertEqual(self.request(octets).rcode, Rcode.NOTAUTH)

    def test_datagramHasChangesOrSOA(self) -> None:
        """
        A reply by UDP has the changes if they fit and the SOA record alone otherwise; a full transfer is a format error (RFC 1995, section
        2; RFC 5936, section 4.2).
        """
        self.offer()
        self.assertEqual(self.datagram(transferOf()[0]).rcode, Rcode.FORMERR)
        old = self.primary.zones.at(APEX)
        assert old is not None and old.zone is not None
        soa = old.zone.current.soa
        self.primary.change("new 300 A 192.0.2.9")
        reply = self.datagram(transferOf(soa=soa)[0])
        self.assertEqual([each.rrType for each in reply.records()[0]], [SOA, SOA, SOA, 1, SOA])
        self.primary.change(*[f"more{number} 300 A 192.0.2.9" for number in range(4)])
        reply = self.datagram(transferOf(soa=soa)[0])
        self.assertEqual([each.rrType for each in reply.records()[0]], [SOA, SOA, SOA] + [1] * 5 + [SOA])
        self.primary.change(*[f'text{number} 300 TXT "{"x" * 100}"' for number in range(10)])
        reply = self.datagram(transferOf(soa=soa)[0])
        self.assertEqual([each.rrType for each in reply.records()[0]], [SOA])
        malformed = bytearray(transferOf()[0])
        malformed[-3] = 251
        self.assertEqual(self.datagram(bytes(malformed)).rcode, Rcode.FORMERR)

    def test_singleMessagesAreNoTransfer(self) -> None:
        """
        A whole zone is not sent over UDP or HTTPS, whose replies are single messages, although the client may have it.
        """
        self.offer()
        for transport in ("udp", "https"):
            request = Request.fromWire(transferOf()[0], ("192.0.2.99", 53), transport)
            assert request is not None
            outcome = self.transferring(request)
            assert isinstance(outcome, Refusal)
            self.assertEqual(outcome.rcode, Rcode.FORMERR)

    def test_stalledClientIsCutOff(self) -> None:
        """
        For a client that does not read, only one message is built ahead, and the client is cut off in the end; other clients are served
        meanwhile.
        """
        self.offer(LARGE)
        asker = self.connect()
        paused = IPushProducer(asker.transport)
        paused.pauseProducing()
        made: list[int] = []
        with patch("twisted_ext.server.zones.transfer.xfrout._Counted.__next__", _counting(made)):
            asker.ask(transferOf()[0])
            self.network.advance(3)
            self.assertLess(sum(made), 400_000)
            self.assertEqual(self.transferring.slots.running, 1)
            other = self.request(transferOf()[0], 2)
            self.assertEqual(other.records[-1].rrType, SOA)
        self.network.advance(20)
        self.assertEqual(self.transferring.slots.running, 0)

    def test_slowClientGetsWholeZone(self) -> None:
        """
        A client that reads from time to time gets the whole zone.
        """
        self.offer(LARGE)
        asker = self.connect()
        paused = IPushProducer(asker.transport)
        asker.ask(transferOf()[0])
        for _ in range(200):
            paused.pauseProducing()
            self.network.advance(2)
            paused.resumeProducing()
            self.network.advance(0.01)
        self.network.advance(1)
        self.assertEqual(len(asker.records), 12_000 + 11 + 1)

    def restartWithLimits(self, **bounds: int) -> None:
        """
        Restart the primary with these limits.
        """
        self.primary.end()
        self.network.advance(1)
        self.primary = Host(self.there[0], PRIMARY, settings=Settings.of(**bounds))
        self.offer(LARGE)

    def connectStalled(self, number: int) -> None:
        """
        Let clients request the zone and not read it.
        """
        for _ in range(number):
            asker = self.connect()
            IPushProducer(asker.transport).pauseProducing()
            asker.ask(transferOf()[0])
        self.network.advance(1)

    def test_transfersPerNetworkAreBounded(self) -> None:
        """
        The number of running transfers to one network is limited; a further one waits until one of them ends or is cut off.
        """
        self.restartWithLimits(transfersOutPerClient=2)
        self.connectStalled(2)
        asker = self.request(transferOf()[0], 1)
        self.assertEqual((asker.messages, self.transferring.slots.running, self.transferring.slots.waiting), ([], 2, 1))
        self.network.advance(15)
        self.assertEqual((asker.rcode, len(asker.records)), (0, 12_000 + 11 + 1))

    def test_pipelinedTransfersAreAllSent(self) -> None:
        """
        Forty transfers that are requested over one connection are all sent, each of them whole.
        """
        self.offer()
        asker = self.connect()
        asker.ask(*[transferOf(id=number)[0] for number in range(40)])
        self.network.advance(5)
        whole = {message[:2] for message in asker.messages if message[3] & 15 == 0}
        self.assertEqual(len(whole), 40)
        self.assertEqual((len(asker.messages), self.transferring.slots.waiting), (40, 0))

    def test_waitingTransfersAreBounded(self) -> None:
        """
        The number of waiting transfers is limited, and that of one network to three quarters of the limit; a further request gets SERVFAIL.
        """
        self.restartWithLimits(transfersOutPerClient=1, transfersWaiting=4)
        self.connectStalled(4)
        self.assertEqual(self.transferring.slots.waiting, 3)
        self.assertEqual(self.request(transferOf()[0], 1).rcode, Rcode.SERVFAIL)
        self.network.advance(60)

    def test_waitingTransferUsesNewSettings(self) -> None:
        """
        A transfer that has waited is checked against the access control of the moment when it starts.
        """
        self.restartWithLimits(transfersOutPerClient=1)
        self.connectStalled(1)
        asker = self.request(transferOf()[0], 1)
        self.primary.apply(allow_transfer=["192.0.2.99"])
        self.network.advance(15)
        self.assertEqual((asker.rcode, len(asker.messages), self.transferring.slots.running), (Rcode.REFUSED, 1, 0))

    def test_lostConnectionFreesItsTransfers(self) -> None:
        """
        Connections that end while their transfers wait leave nothing behind, however many wait.
        """
        self.restartWithLimits(transfersOutPerClient=1, transfersWaiting=5000)
        self.connectStalled(1)
        for _ in range(30):
            asker = self.connect()
            asker.ask(*[transferOf(id=number)[0] for number in range(90)])
            self.network.advance(0.1)
            asker.transport.abortConnection()
        self.assertEqual(self.transferring.slots.waiting, 30 * 90)
        self.network.advance(15)
        self.assertEqual((self.transferring.slots.waiting, self.transferring.slots.running), (0, 0))

    def test_expireOptionOfOwnZone(self) -> None:
        """
        The EXPIRE option of a primary zone has the expire time of its SOA record (RFC 7314).
        """
        self.offer()
        octets = bytearray(transferOf()[0] + optOf(options=((9, b""),)))
        octets[11] = 1
        edns = Message.fromWire(self.request(bytes(octets), 1).messages[0]).edns
        assert edns is not None
        self.assertEqual([option.seconds for option in optionsOf(edns) if isinstance(option, Expire)], [86400])


def _counting(made: list[int]) -> object:
    from twisted_ext.server.zones.transfer.xfrout import _Counted

    take = _Counted.__next__

    def counted(self: _Counted) -> bytes:
        message = take(self)
        made.append(len(message))
        return message

    return counted
