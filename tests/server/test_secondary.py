"""
Tests of keeping a zone in step with its primaries.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import chain
from unittest.mock import patch

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from tests.queries import optOf, queryOf
from tests.server.askers import Datagrams
from tests.server.replicas import KEYS, PRIMARY, SECONDARY, Host, ReplicaTestCase, soaOf
from tests.zone.changing import APEX, ZONE, textsOf
from twisted_ext.errors import BadMessage
from twisted_ext.server.keys import RemoteServer
from twisted_ext.server.requests import Refusal, Request
from twisted_ext.server.zonesettings import ZoneSettings
from twisted_ext.transport.servers import Server
from twisted_ext.wire.building import buildMessage
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AXFR, IXFR
from twisted_ext.zone.gathering import gather
from twisted_ext.zone.refreshing import Refreshing, State
from twisted_ext.zone.sending import messages, recordsOfChanges

#: The zone with short times.
QUICK = ZONE.replace("10 3600 600 86400", "10 300 60 1000")


class SecondaryTests(ReplicaTestCase):
    """
    Tests for L{Secondary} and L{Secondaries}.
    """

    def same(self) -> None:
        """
        Assert that both have the same records.
        """
        held = [host.zones.at(APEX) for host in (self.primary, self.secondary)]
        texts = [textsOf(place.zone.current) for place in held if place is not None and place.zone is not None]
        self.assertEqual(len(texts), 2)
        self.assertEqual(texts[0], texts[1])

    def begin(self, text: str = ZONE, **said: list[str]) -> None:
        """
        Have the zone fetched.
        """
        self.primary.serve(text)
        self.primary.adopt(allow_transfer=["192.0.2.0/24"], notify=[SECONDARY])
        self.secondary.adopt(primaries=[PRIMARY], **said)
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), 10)

    def kinds(self) -> list[int]:
        """
        @return: what is recorded from here on: the types of transfers that the primary is asked for.
        """
        asked: list[int] = []
        transferring = self.primary.replication.transferring

        def watching(request: Request) -> object:
            asked.append(request.question.rrType)
            return transferring(request)

        for rrType in (AXFR, IXFR):
            self.primary.responder.errands[rrType] = watching  # type: ignore[assignment]
        return asked

    @property
    def state(self) -> State:
        """
        What the secondary is about.
        """
        assert self.secondary.replication.secondaries is not None
        zone = self.secondary.replication.secondaries.at(APEX)
        assert zone is not None
        return zone.refreshing.state

    def test_fetched(self) -> None:
        """
        A zone is there soon after it is configured, with all of its records; until then those who ask are told to come back.
        """
        self.primary.serve()
        self.primary.adopt(allow_transfer=["192.0.2.0/24"])
        self.secondary.adopt(primaries=[PRIMARY])
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), 10)
        self.same()

    def test_notified(self) -> None:
        """
        A change is there as soon as the primary has told of it, as changes alone; several in a row are fetched together.
        """
        self.begin()
        asked = self.kinds()
        self.primary.change("new 300 A 192.0.2.9", remove=["mail 300 A 192.0.2.3"])
        self.primary.change("new 300 A 192.0.2.10")
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 12)
        self.same()
        self.assertEqual(asked, [IXFR])

    def test_refreshed(self) -> None:
        """
        Without a notice it is there when the SOA's refresh has passed, and not long before.
        """
        self.begin(QUICK)
        self.primary.replication.notifying.targets(APEX, ())
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(250)
        self.assertEqual(self.secondary.serial(), 10)
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 11)

    def test_expired(self) -> None:
        """
        While no primary can be reached, the zone is served until it expires and not longer; when one is back, so is the zone.
        """
        self.begin(QUICK)
        self.primary.end()
        self.network.advance(800)
        # When it looks again is drawn by lot.
        self.assertEqual(self.secondary.serial(), 10)
        self.assertIn(self.state, (State.STALE, State.PROBING))
        self.network.advance(500)
        self.assertEqual(self.secondary.serial(), "the zone has expired")
        self.primary.begin()
        self.primary.serve(QUICK)
        self.primary.adopt(allow_transfer=["192.0.2.0/24"])
        self.network.advance(1000)
        self.assertEqual(self.secondary.serial(), 10)

    def test_restarted(self) -> None:
        """
        After a restart the zone is served at once, with the changes that had come, also where no primary can be reached; and it expires
        when it would have without the restart.
        """
        self.begin(QUICK)
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.primary.end()
        self.network.advance(500)
        self.secondary.end()
        self.network.advance(300)
        self.secondary.begin()
        self.secondary.adopt(primaries=[PRIMARY])
        self.assertEqual(self.secondary.serial(), 11)
        self.same()
        self.network.advance(300)
        self.assertEqual(self.secondary.serial(), "the zone has expired")

    def test_restartedTooLate(self) -> None:
        """
        What has expired meanwhile is not served.
        """
        self.begin(QUICK)
        self.primary.end()
        self.secondary.end()
        self.network.advance(2000)
        self.secondary.begin()
        self.secondary.adopt(primaries=[PRIMARY])
        self.assertEqual(self.secondary.serial(), "the zone has expired")

    def test_damagedFiles(self) -> None:
        """
        Whatever has happened to the files that were kept, the zone is fetched again, and nothing damaged is served.
        """
        self.begin()
        state = os.path.join(self.folder, "state")
        for name in sorted(os.listdir(state)):
            self.secondary.end()
            path = os.path.join(state, name)
            with open(path, "rb") as file:
                octets = file.read()
            with open(path, "wb") as file:
                file.write(octets[: len(octets) // 2])
            self.secondary.begin()
            self.secondary.adopt(primaries=[PRIMARY])
            self.network.advance(1)
            self.assertEqual(self.secondary.serial(), 10, name)
            self.same()

    def test_nextPrimary(self) -> None:
        """
        Where one primary is gone, or refuses, the next one is asked.
        """
        third = Host(self.network.reactor("192.0.2.55"), "192.0.2.55")
        third.serve()
        self.primary.serve()
        self.primary.adopt(allow_transfer=["192.0.2.0/24"])
        self.secondary.adopt(primaries=["192.0.2.99", "192.0.2.55", PRIMARY])
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 10)
        third.end()

    def test_cut(self) -> None:
        """
        A transfer that is cut anywhere leaves the old zone in service, and the next one brings the new one.
        """
        self.begin(QUICK)
        transferring = self.primary.replication.transferring
        whole = list(self.pieces(1))
        for kept in range(len(whole)):

            def cut(request: Request, kept: int = kept) -> object:
                yield from list(self.pieces(request.id))[:kept]
                raise RuntimeError("cut")

            self.primary.responder.errands[IXFR] = self.primary.responder.errands[AXFR] = cut  # type: ignore[assignment]
            self.primary.change(f"new{kept} 300 A 192.0.2.9")
            self.network.advance(8)
            self.assertEqual((self.secondary.serial(), self.state), (10, State.STALE))
            # For changes and for the whole zone.
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        self.primary.responder.errands[IXFR] = self.primary.responder.errands[AXFR] = transferring
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 10 + len(whole))
        self.same()

    def pieces(self, id: int) -> Iterator[bytes]:
        """
        @return: a transfer of the zone in small messages.
        """
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        version = place.zone.current
        records = chain(version.stretches(40), recordsOfChanges((), version.soa, once=True))
        return messages(id, 0, APEX + b"\x00\xfc\x00\x01", records, most=200)

    def test_nonsense(self) -> None:
        """
        Changes that do not fit make the secondary fetch the whole zone, once, from the same primary.
        """
        self.begin()
        asked = self.kinds()
        self.primary.change("new 300 A 192.0.2.9")
        difference = self.primary.changes.differences[0]
        difference.removed = difference.added
        self.network.advance(2)
        self.assertEqual((self.secondary.serial(), asked), (11, [IXFR, AXFR]))
        self.same()

    def test_backward(self) -> None:
        """
        A primary whose serial number has gone back changes nothing, by whatever way it says so (RFC 1982).
        """
        self.begin()
        self.primary.serve(ZONE.replace(" 10 3600", " 4294967290 3600"))
        place = self.primary.zones.at(APEX)
        assert place is not None and place.zone is not None
        self.primary.replication.changed(place.zone.current)
        self.network.advance(10)
        self.assertEqual(self.secondary.serial(), 10)
        self.network.advance(7200)
        self.assertEqual((self.secondary.serial(), self.state), (10, State.CURRENT))
        place = self.secondary.zones.at(APEX)
        assert place is not None
        self.assertIn("older", place.said)
        # In the end theirs is better than none.
        self.network.advance(86400)
        self.assertEqual((self.secondary.serial(), self.state), (4294967290, State.CURRENT))
        self.assertEqual(place.said, "")

    def test_noticedMeanwhile(self) -> None:
        """
        A notice that comes while the version before is being fetched is not forgotten, even if it comes right behind another one.
        """
        self.begin()
        self.primary.replication.notifying._delay = 0
        for called in (False, True):
            before = int(self.secondary.serial())
            self.network.shape(delay=0.1)
            self.primary.change(f"one{called} 300 A 192.0.2.9")
            # Notice, question, connection, request: the version before is on its way.
            self.network.advance(0.65)
            self.network.shape(delay=0.001)
            with nullcontext() if called else patch.object(Refreshing, "waiting", True):
                self.primary.change(f"two{called} 300 A 192.0.2.9")
                self.network.advance(0.02)
            self.assertEqual(self.secondary.serial(), before)
            self.network.advance(30)
            self.assertEqual(self.secondary.serial(), before + 1 + called)
            self.secondary.replication.refresh(APEX)
            self.network.advance(30)
        self.same()

    def answering(self, octets: Callable[[bytes], bytes]) -> list[bytes]:
        """
        Have the primary answer datagrams in this way.

        @return: what it is asked from now on.
        """
        asked: list[bytes] = []

        class Answering(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
                asked.append(datagram)
                assert self.transport is not None
                self.transport.write(octets(datagram), addr)

        self.primary.datagrams.stop()
        self.network.advance(0)
        port = self.there[0].listenUDP(53, Answering(), interface=PRIMARY)
        self.addCleanup(port.stopListening)
        return asked

    def test_truncated(self) -> None:
        """
        A primary that limits its replies by UDP is asked by TCP.
        """
        self.begin()
        self.primary.serialTo(11)
        asked = self.answering(lambda query: query[:2] + b"\x82\x00" + query[4:6] + bytes(6) + query[12:29])
        self.network.advance(4000)
        self.assertEqual((self.secondary.serial(), len(asked)), (11, 1))

    def test_plain(self) -> None:
        """
        A primary that takes EDNS for nonsense is asked without it.
        """
        self.begin()
        self.primary.serialTo(11)

        def answer(query: bytes) -> bytes:
            if query[11]:
                return query[:2] + b"\x80\x01" + query[4:6] + bytes(6) + query[12:29]
            asker = Message.fromWire(query)
            return buildMessage(Message(asker.id, 0x8400, asker.questions, (soaOf(11),)))

        transferring = self.primary.replication.transferring

        def old(request: Request) -> object:
            return Refusal(Rcode.FORMERR) if request.edns is not None else transferring(request)

        for rrType in (AXFR, IXFR):
            self.primary.responder.errands[rrType] = old  # type: ignore[assignment]
        asked = self.answering(answer)
        self.network.advance(4000)
        self.assertEqual((self.secondary.serial(), [query[11] for query in asked]), (11, [1, 0]))

    def test_fewOpen(self) -> None:
        """
        So many journals are open and no more, whatever has changed; what is in the others is found when it is wanted.
        """
        self.begin()
        self.primary.change("one 300 A 192.0.2.9")
        self.network.advance(2)
        secondaries = self.secondary.replication.secondaries
        assert secondaries is not None
        zone = secondaries.at(APEX)
        assert zone is not None
        other = secondaries.add(nameFromText("other.example."), [RemoteServer(Server(PRIMARY))])
        with patch("twisted_ext.server.secondaries.JOURNALS_OPEN.default", 1):
            self.assertTrue(zone._holding.isOpen)
            secondaries.opened(other)
            self.assertFalse(zone._holding.isOpen)
            journal = zone.journal
            assert journal is not None
            self.assertEqual(len(journal), 1)
            secondaries.opened(other)
            self.primary.change("two 300 A 192.0.2.9")
            self.network.advance(3)
            self.assertEqual(self.secondary.serial(), 12)
            journal = zone.journal
            assert journal is not None
            self.assertEqual([each.newSerial for each in journal.since(10) or ()], [11, 12])
        self.same()

    def test_leftInTheMiddle(self) -> None:
        """
        A zone that is taken away while a thread builds its image is gone when that has ended, and nothing of it is left.
        """
        self.primary.serve()
        self.primary.adopt(allow_transfer=["192.0.2.0/24"])
        waiting: list[Callable[[], object]] = []

        def later(reactor: object, work: Callable[[], object]) -> Deferred[object]:
            done: Deferred[object] = Deferred()
            waiting.append(lambda: done.callback(work()))
            return done

        with patch("twisted_ext.server.secondary.inThread", later):
            self.secondary.adopt(primaries=[PRIMARY])
            self.network.advance(2)
            self.assertEqual(len(waiting), 1)
            secondaries = self.secondary.replication.secondaries
            assert secondaries is not None
            gone = secondaries.remove(APEX, forget=True)
            self.network.advance(1)
            self.assertNoResult(gone)
            waiting[0]()
            self.successResultOf(gone)
        self.assertEqual([name for name in os.listdir(secondaries.folder) if name.startswith("example")], [])

    def test_unproved(self) -> None:
        """
        A zone that is not proved to be right is not to be found after a restart: the one before is.
        """
        self.begin()
        table = ZoneSettings.fromTable({"name": "example.org", "primaries": [PRIMARY], "zonemd": "check"})
        self.secondary.replication.adopt([table], KEYS)
        with patch("twisted_ext.server.secondary.prove", side_effect=BadMessage("its digest is wrong")):
            self.primary.serve(ZONE.replace(" 10 3600", " 11 3600"))
            self.network.advance(4000)
        self.assertEqual(self.secondary.serial(), 10)
        self.secondary.end()
        self.network.advance(1)
        self.primary.adopt()
        self.secondary.begin()
        self.secondary.adopt(primaries=[PRIMARY])
        self.network.advance(0.1)
        self.assertEqual(self.secondary.serial(), 10)

    def test_signed(self) -> None:
        """
        With a key everything is signed, both ways; without it nothing comes.
        """
        self.primary.serve()
        self.primary.adopt(allow_transfer=["key=one.key"], notify=[f"{SECONDARY} key=two.key"])
        self.secondary.adopt(primaries=[f"{PRIMARY}"])
        self.network.advance(1)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.secondary.adopt(primaries=[f"{PRIMARY} key=two.key"])
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), "the zone is being loaded")
        self.secondary.adopt(primaries=[f"{PRIMARY} key=one.key"], allow_notify=["key=two.key"])
        self.network.advance(60)
        self.assertEqual(self.secondary.serial(), 10)
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(2)
        self.assertEqual(self.secondary.serial(), 11)
        self.assertEqual(self.primary.replication.notifying.confirmed, 1)

    def test_large(self) -> None:
        """
        What is large goes through a file, and comes out the same.
        """
        hosts = "\n".join([f"host{number} 300 A 10.0.{number >> 8}.{number & 255}" for number in range(3000)])
        built: list[list[str]] = []

        def gathering(words: list[str]) -> dict[str, str]:
            built.append(words)
            self.assertTrue(os.path.exists(words[1]))
            return gather(words)

        with patch("twisted_ext.server.holding.GATHERED_OCTETS.default", 4096), patch("twisted_ext.zone.gathering.gather", gathering):
            self.begin(ZONE + hosts)
        self.same()
        self.assertEqual(len(built), 1)
        self.assertFalse(os.path.exists(built[0][1]))

    def test_byHand(self) -> None:
        """
        Whoever does not want to wait for the next look has it happen now; what is wrong with a zone can be seen where zones are listed.
        """
        self.begin(QUICK)
        self.primary.replication.notifying.targets(APEX, ())
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 10)
        self.assertTrue(self.secondary.replication.refresh(APEX))
        self.assertFalse(self.primary.replication.refresh(APEX))
        self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 11)
        place = self.secondary.zones.at(APEX)
        assert place is not None
        self.assertEqual(place.said, "")
        self.primary.adopt()
        self.primary.change("new 300 A 192.0.2.10")
        self.secondary.replication.refresh(APEX)
        self.network.advance(5)
        self.assertIn("REFUSED", place.said)

    def test_chained(self) -> None:
        """
        A secondary of a secondary gives the zone up when that one does, and not an expiry time later (RFC 7314).
        """
        third = Host(self.network.reactor("192.0.2.55"), "192.0.2.55", os.path.join(self.folder, "third"))
        self.begin(QUICK, allow_transfer=["any"])
        self.primary.end()
        self.network.advance(800)
        third.adopt(primaries=[SECONDARY])
        self.network.advance(1)
        self.assertEqual((self.secondary.serial(), third.serial()), (10, 10))
        expiring = [host.replication.expires(APEX) or 0.0 for host in (self.secondary, third)]
        self.assertAlmostEqual(expiring[0], expiring[1], delta=1)
        # A later look changes nothing about it.
        self.assertTrue(third.replication.refresh(APEX))
        self.network.advance(100)
        self.network.advance(400)
        self.assertEqual((self.secondary.serial(), third.serial()), ("the zone has expired", "the zone has expired"))
        third.end()
        self.network.advance(1)

    def test_told(self) -> None:
        """
        Whoever asks is told for how long the zone still holds, each time anew.
        """
        self.begin(QUICK)
        self.primary.end()
        socket = Datagrams()
        port = self.here.listenUDP(0, socket)
        for _ in range(10):
            port.write(queryOf(APEX, "SOA", opt=optOf(options=((9, b""),))), (SECONDARY, 53))
            self.network.advance(50)
        port.stopListening()
        found = [edns.option(9) for octets in socket.replies if (edns := Message.fromWire(octets).edns) is not None]
        seconds = [int.from_bytes(octets or b"", "big") for octets in found]
        self.assertEqual([later - earlier for earlier, later in zip(seconds, seconds[1:], strict=False)], [-50] * 9)

    def test_unexpected(self) -> None:
        """
        Should something of ours go wrong, it is told, and tried again.
        """
        self.primary.serve()
        self.primary.adopt(allow_transfer=["192.0.2.0/24"])
        with patch("twisted_ext.server.secondary.fetchZone", lambda *_, **__: 1 / 0):
            self.secondary.adopt(primaries=[PRIMARY])
            self.network.advance(1)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.network.advance(5)
        self.assertEqual(self.secondary.serial(), 10)

    def test_stopped(self) -> None:
        """
        A server that stops in the middle of a transfer leaves nothing behind.
        """
        self.primary.serve()
        self.primary.adopt(allow_transfer=["192.0.2.0/24"])
        self.secondary.adopt(primaries=[PRIMARY])
        self.network.advance(0.003)
        self.secondary.end()
        self.network.advance(1)
        self.assertEqual(self.there[1].pending(), [])
        self.assertNotIn("example.org.transfer", os.listdir(os.path.join(self.folder, "state")))
