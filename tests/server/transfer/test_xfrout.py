"""
Tests of giving zones to those who may have them.
"""

from __future__ import annotations

from contextlib import ExitStack
from unittest.mock import patch

from twisted.internet.interfaces import IPushProducer
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from tests.queries import optOf
from tests.server.transfer.askers import Asker, Datagrams, transferOf
from tests.server.transfer.replicas import KEYS, PRIMARY, Host, ReplicaTestCase, soaOf
from tests.zone.changing import APEX, ZONE, record, textsOf
from twisted_ext.server.transfer.xfrout import OutgoingTransfers
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.options import Expire, optionsOf
from twisted_ext.wire.rrtypes import SOA, A
from twisted_ext.wire.tsigstream import StreamVerifying
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
        self.assertEqual(self.transferring.running, 0)
        super().tearDown()

    @property
    def transferring(self) -> OutgoingTransfers:
        """
        What is tested.
        """
        return self.primary.replication.transferring

    def connect(self) -> Asker:
        """
        @return: a new connection.
        """
        asker = Asker.at(self.network, self.here, PRIMARY)
        self.askers.append(asker)
        return asker

    def asked(self, octets: bytes, seconds: float = 5.0) -> Asker:
        """
        @return: a connection on which this was asked, when the time has passed.
        """
        asker = self.connect()
        asker.ask(octets)
        self.network.advance(seconds)
        return asker

    def datagram(self, octets: bytes) -> Message:
        """
        @return: the reply to this by UDP.
        """
        socket = Datagrams()
        port = self.here.listenUDP(0, socket)
        port.write(octets, (PRIMARY, 53))
        self.network.advance(1)
        port.stopListening()
        return Message.fromWire(socket.replies[0]).check()

    def offer(self, text: str = ZONE, grants: tuple[str, ...] = ("any",)) -> None:
        """
        Serve the zone to these.
        """
        self.primary.serve(text)
        self.primary.adopt(allow_transfer=grants)

    def test_given(self) -> None:
        """
        Who may have the zone gets all of it, and may ask other things on the same connection.
        """
        self.offer(LARGE)
        asker = self.asked(transferOf()[0])
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        sent = {(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in asker.records}
        self.assertEqual(sent, textsOf(place.zone.current))
        self.assertEqual((asker.records[0].rrType, asker.records[-1].rrType, asker.lost), (SOA, SOA, False))
        asker.ask(transferOf(id=9)[0], transferOf(id=10)[0])
        self.network.advance(5)
        self.assertEqual({each[:2] for each in asker.messages}, {b"\x00\x07", b"\x00\x09", b"\x00\x0a"})

    def test_tooLong(self) -> None:
        """
        A zone with a record that fits into no message beside the zone's name is refused before any of it is sent, whether the record stands
        in its image or has changed since; who looks into the log is told which it is, once.
        """
        long = f"long 300 TYPE65400 \\# 65500 {'00' * 65500}"
        large = "\n".join([f"host{number} 300 TXT {'x' * 200}" for number in range(600)])
        self.offer(f"{ZONE}{large}\n{long}\n")
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        zone = place.zone
        said = "long.example.test. has 65517 octets and fits into no message of a transfer"
        said = said.replace("long.example.test.", f"long.{nameToText(APEX)}")
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
            asker = self.asked(transferOf()[0])
            self.assertEqual([(each[3] & 15, each[6:8]) for each in asker.messages], [(Rcode.SERVFAIL, bytes(2))])
            self.assertFalse(asker.lost)
            told = [line for line in logged if "transfer" in line]
            self.assertEqual(len(told), 1, told)
            self.assertIn(said, told[0])
        zone.replace(without[0])
        self.assertGreater(len(self.asked(transferOf()[0]).records), 600)
        zone.replace(again[0])
        with patch("twisted_ext.server.transfer.xfrout.unsendable", lambda *_: ""):
            asker = self.asked(transferOf()[0])
            self.assertTrue(asker.lost)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_tooLongOnce(self) -> None:
        """
        Changes with a record that fits into no message are not begun with, for what breaks off in the middle is asked for again and again:
        who asks gets all of the zone, which does not have it any more, or is told that it cannot be had.
        """
        self.offer()
        before = soaOf(int(self.primary.serial()))
        long = f"long 300 TYPE65400 \\# 65500 {'00' * 65500}"
        self.primary.change(long)
        asker = self.asked(transferOf(soa=before)[0])
        self.assertEqual([each[3] & 15 for each in asker.messages], [Rcode.SERVFAIL])
        having = soaOf(int(self.primary.serial()))
        self.primary.change("new 300 A 192.0.2.9", remove=(long,))
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        asker = self.asked(transferOf(soa=having)[0])
        sent = {(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in asker.records}
        self.assertEqual(sent, textsOf(place.zone.current))
        # Whoever never had it need not be told of it.
        asker = self.asked(transferOf(soa=before)[0])
        self.assertEqual([each.rrType for each in asker.records], [SOA, SOA, SOA, A, SOA])
        with patch("twisted_ext.zone.transfer.sender._longest", lambda difference: 0):
            asker = self.asked(transferOf(soa=having)[0])
            self.assertTrue(asker.lost)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_oneAnswer(self) -> None:
        """
        Whoever can read no more gets each record in a message of its own, whole zones and changes; the others do not.
        """
        self.primary.serve()
        there = self.there[0]
        for grants, single in (((PRIMARY,), False), (("any",), True), (("key=one.key",), True), (("key=two.key",), False)):
            self.primary.adopt(allow_transfer=("any",), one_answer=grants)
            octets, mac = transferOf(key=KEY, now=there.seconds())
            asker = self.asked(octets, 1)
            counts = [len(Message.fromWire(each).records()[0]) for each in asker.messages]
            place = self.primary.zones.at(APEX)
            assert place is not None and place.zone is not None
            self.assertEqual(counts, [1] * (place.zone.current.recordCount + 1) if single else [place.zone.current.recordCount + 1])
            sent = {(each.name.lower(), each.rrType, each.ttl, each.rdatas[0]) for each in asker.records}
            self.assertEqual(sent, textsOf(place.zone.current))
            verifying = StreamVerifying({KEY.name: KEY}, mac)
            self.assertTrue(all(verifying.feed(each, there.seconds()).good for each in asker.messages))
        self.primary.adopt(allow_transfer=("any",), one_answer=("any",))
        before = soaOf(int(self.primary.serial()))
        self.primary.change("new 300 A 192.0.2.9", "new 300 A 192.0.2.10")
        counts = [len(Message.fromWire(each).records()[0]) for each in self.asked(transferOf(soa=before)[0], 1).messages]
        self.assertEqual(counts, [1] * 6)

    def test_edited(self) -> None:
        """
        Of a zone that was edited and read again whole, secondaries get what has changed; after a change without another serial number,
        one that goes back, or one that is large, all of it.
        """
        replication = self.primary.replication
        self.primary.adopt(allow_transfer=["any"])
        replication._journal = lambda apex: None

        def edit(serial: int, *lines: str) -> None:
            text = ZONE.replace(" 10 3600", f" {serial} 3600") + "\n".join(lines)
            self.primary.serve(text)
            place = self.primary.zones.at(APEX)
            assert place is not None and place.zone is not None
            replication.changed(place.zone.current)
            self.network.advance(1)

        def shown(have: int) -> list[str]:
            records = self.asked(transferOf(soa=soaOf(have))[0], 1).records
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
        with patch("twisted_ext.zone.store.history.COMPARED_NODES.default", 3):
            edit(14)
        self.assertGreater(len(shown(13)), 8)
        edit(15, *[f'big{number} 300 TXT "{"x" * 250}"' for number in range(1500)])
        self.assertGreater(len(shown(14)), 1500)
        self.assertEqual(len(replication._comparing), 0)

    def test_denied(self) -> None:
        """
        Nobody gets anything who was not told of; other names are not served here.
        """
        self.primary.serve()
        for grants in ((), ("198.51.100.0/24",), ("key=one.key",), ("198.51.100.0/24 key=one.key",)):
            self.primary.adopt(allow_transfer=grants)
            for octets in (transferOf()[0], transferOf(soa=record("@ 300 SOA a b 1 2 3 4 5"))[0]):
                asker = self.asked(octets, 1)
                self.assertEqual((asker.rcode, asker.records), (Rcode.REFUSED, []))
        self.assertEqual(self.asked(transferOf(nameFromText("www.example.org"))[0], 1).rcode, Rcode.NOTAUTH)
        self.offer()
        self.assertEqual(self.asked(transferOf()[0], 1).rcode, 0)

    def test_keys(self) -> None:
        """
        With the key it is given, every message of it signed.
        """
        self.offer(LARGE, ("key=one.key",))
        now = self.here.seconds()
        octets, mac = transferOf(key=KEY, now=now)
        asker = self.asked(octets)
        self.assertGreater(len(asker.messages), 10)
        verifying = StreamVerifying({KEY.name: KEY}, mac)
        for each in asker.messages:
            self.assertTrue(verifying.feed(each, now).good)
        octets, _ = transferOf(key=list(KEYS.values())[1], now=now)
        self.assertEqual(self.asked(octets).rcode, Rcode.REFUSED)
        octets, _ = transferOf(key=KEY, now=now - 4000)
        self.assertEqual(self.asked(octets).rcode, Rcode.NOTAUTH)

    def test_datagrams(self) -> None:
        """
        By UDP there are changes that fit, the SOA alone where they do not, and no whole zones (RFC 1995, section 2; RFC 5936, section 4.2).
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

    def test_unread(self) -> None:
        """
        For a client that does not read no more is made than one message ahead, and in the end it is cut off; others are answered meanwhile.
        """
        self.offer(LARGE)
        asker = self.connect()
        paused = IPushProducer(asker.transport)
        paused.pauseProducing()
        made: list[int] = []
        with patch("twisted_ext.server.transfer.xfrout._Counted.__next__", _counting(made)):
            asker.ask(transferOf()[0])
            self.network.advance(3)
            self.assertLess(sum(made), 400_000)
            self.assertEqual(self.transferring.running, 1)
            other = self.asked(transferOf()[0], 2)
            self.assertEqual(other.records[-1].rrType, SOA)
        self.network.advance(20)
        self.assertEqual(self.transferring.running, 0)

    def test_slowly(self) -> None:
        """
        A client that reads now and then gets everything.
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

    def bounded(self, **bounds: int) -> None:
        """
        Have the primary begin again with these bounds.
        """
        with ExitStack() as stack:
            for name, value in bounds.items():
                stack.enter_context(patch(f"twisted_ext.server.transfer.xfrout.{name}.default", value))
            self.primary.end()
            self.network.advance(1)
            self.primary = Host(self.there[0], PRIMARY)
        self.offer(LARGE)

    def stuck(self, number: int) -> None:
        """
        Have clients ask for the zone that do not read it.
        """
        for _ in range(number):
            asker = self.connect()
            IPushProducer(asker.transport).pauseProducing()
            asker.ask(transferOf()[0])
        self.network.advance(1)

    def test_queued(self) -> None:
        """
        Only so many transfers run at a time to one network; one more waits until one of them ends or is cut off.
        """
        self.bounded(TRANSFERS_OUT_PER_PEER=2)
        self.stuck(2)
        asker = self.asked(transferOf()[0], 1)
        self.assertEqual((asker.messages, self.transferring.running, self.transferring.waiting), ([], 2, 1))
        self.network.advance(15)
        self.assertEqual((asker.rcode, len(asker.records)), (0, 12_000 + 11 + 1))

    def test_pipelined(self) -> None:
        """
        All of forty transfers that are asked for over one connection come, each of them whole.
        """
        self.offer()
        asker = self.connect()
        asker.ask(*[transferOf(id=number)[0] for number in range(40)])
        self.network.advance(5)
        whole = {message[:2] for message in asker.messages if message[3] & 15 == 0}
        self.assertEqual(len(whole), 40)
        self.assertEqual((len(asker.messages), self.transferring.waiting), (40, 0))

    def test_waiting(self) -> None:
        """
        Only so many wait, of one network three quarters of these; who is refused may come again.
        """
        self.bounded(TRANSFERS_OUT_PER_PEER=1, TRANSFERS_WAITING=4)
        self.stuck(4)
        self.assertEqual(self.transferring.waiting, 3)
        self.assertEqual(self.asked(transferOf()[0], 1).rcode, Rcode.SERVFAIL)
        self.network.advance(60)

    def test_changedWhileWaiting(self) -> None:
        """
        What is sent after waiting is the zone as it is then, to a client that may have it then.
        """
        self.bounded(TRANSFERS_OUT_PER_PEER=1)
        self.stuck(1)
        asker = self.asked(transferOf()[0], 1)
        self.primary.adopt(allow_transfer=["192.0.2.99"])
        self.network.advance(15)
        self.assertEqual((asker.rcode, len(asker.messages), self.transferring.running), (Rcode.REFUSED, 1, 0))

    def test_gone(self) -> None:
        """
        Connections that end while their transfers wait leave nothing behind, however many wait.
        """
        self.bounded(TRANSFERS_OUT_PER_PEER=1, TRANSFERS_WAITING=5000)
        self.stuck(1)
        for _ in range(30):
            asker = self.connect()
            asker.ask(*[transferOf(id=number)[0] for number in range(90)])
            self.network.advance(0.1)
            asker.transport.abortConnection()
        self.assertEqual(self.transferring.waiting, 30 * 90)
        self.network.advance(15)
        self.assertEqual((self.transferring.waiting, self.transferring.running), (0, 0))

    def test_expire(self) -> None:
        """
        Who asks is told for how long the zone still holds: of our own the SOA's time, of one from elsewhere what is left (RFC 7314).
        """
        self.offer()
        octets = bytearray(transferOf()[0] + optOf(options=((9, b""),)))
        octets[11] = 1
        edns = Message.fromWire(self.asked(bytes(octets), 1).messages[0]).edns
        assert edns is not None
        self.assertEqual([option.seconds for option in optionsOf(edns) if isinstance(option, Expire)], [86400])


def _counting(made: list[int]) -> object:
    from twisted_ext.server.transfer.xfrout import _Counted

    take = _Counted.__next__

    def counted(self: _Counted) -> bytes:
        message = take(self)
        made.append(len(message))
        return message

    return counted
