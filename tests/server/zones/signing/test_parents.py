"""
The servers of a zone's parent, which are asked for DS records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from shutil import copytree
from unittest.mock import patch

from twisted.internet.interfaces import IConnector, IReactorTCP, IReactorTime
from twisted.internet.protocol import ClientFactory
from twisted.internet.task import Clock
from zope.interface import directlyProvides

from tests.server.zones.load.signed import APEX
from tests.server.zones.signing.test_renewal import TimedCase
from twisted_ext.apps.cli.keys.lives import changeKey
from twisted_ext.dnssec.rolls.lives import readLives
from twisted_ext.dnssec.rolls.rolls import Rolls
from twisted_ext.dnssec.rolls.states import Record, State
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.types import Value
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.limits import PARENT_LOOKS
from twisted_ext.server.zones.images.pending import Reload
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.load.validate import checkZones
from twisted_ext.server.zones.load.zonefacts import parentsOf
from twisted_ext.server.zones.signing.parentwatch import ParentWatch
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import AA, QR
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CDNSKEY, CDS, DS, SOA
from twisted_ext.zone.sign.policy import RollTimes, SigningPolicy

_HOUR = 3600
_DAY = 24 * _HOUR
_STRANGE = rdataFromText(DS, "1 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A")
_FIRST, _SECOND = "192.0.2.1:53", "[2001:db8::1]:53"


class _Machine(Clock):
    """
    A clock with a network.
    """

    def __init__(self) -> None:
        super().__init__()
        self.network = MemoryNetwork(self)
        self._here = self.network.reactor("192.0.2.7", "2001:db8::7")
        directlyProvides(self, IReactorTime, IReactorTCP)

    def connectTCP(
        self, host: str, port: int, factory: ClientFactory, timeout: float = 30, bindAddress: tuple[str, int] | None = None
    ) -> IConnector:
        return self._here.connectTCP(host, port, factory, timeout, bindAddress)


class _Parent(CannedServer):
    """
    A server of the parent, over TCP and UDP.

    @ivar entries: rdata of the DS records that it has.
    @ivar ttl: their TTL.
    @ivar owner: the zone that it has.
    @ivar isSilent: whether it never answers.
    """

    def __init__(self, machine: _Machine, address: str) -> None:
        super().__init__()
        self.entries: tuple[bytes, ...] = ()
        self.ttl = _DAY
        self.owner = "org"
        self.isSilent = False
        self.ways: list[str] = []
        self.listen(machine.network.reactor(address))

    def repliesTo(self, query: Message, transport: str) -> Sequence[bytes]:
        self.ways.append(transport)
        answer = (RRSet(APEX, DS, 1, self.ttl, self.entries),) if self.entries else ()
        authority = () if answer else (RRSet(nameFromText(self.owner), SOA, 1, 60, (bytes(22),)),)
        reply = buildMessage(Message(query.id, QR | AA, query.questions, answer, authority))
        return () if self.isSilent else (reply,)


class ParentTests(TimedCase):
    """
    A zone whose keys are replaced, and a parent with two servers.
    """

    def setUp(self) -> None:
        super().setUp()
        self.clock = self.machine = _Machine()
        self.parents = [_Parent(self.machine, address) for address in ("192.0.2.1", "2001:db8::1")]
        self.times = RollTimes(ksk=60 * _DAY, propagation=600, parentPropagation=600, dsTTL=_HOUR)
        self.policy = SigningPolicy(forParent=True, rolls=self.times, agents=("192.0.2.1", "[2001:db8::1]"), check=_HOUR)

    def close(self, loading: ZoneLoader) -> None:
        """
        Stop loading, and let the connections end that are open.
        """
        if loading.parents is not None:
            loading.parents.close()
            self.clock.advance(0.1)
        super().close(loading)

    @property
    def rolls(self) -> Rolls:
        rolls = readLives(str(self.keys))
        assert rolls is not None
        return rolls

    @property
    def watch(self) -> ParentWatch:
        found = self.loading.parents
        assert found is not None
        return found

    @property
    def wished(self) -> tuple[bytes, ...]:
        """
        The DS records that the zone wishes for.
        """
        found = self.served.top.of(CDS)
        return () if found is None else found.rdatas

    def take(self, *parents: _Parent) -> None:
        """
        Have servers of the parent take what the zone wishes for.
        """
        for parent in parents or self.parents:
            parent.entries = self.wished

    def letPass(self, hours: int) -> None:
        """
        Let hours pass.
        """
        for _ in range(hours):
            self.wait(_HOUR)
            self.later()

    def states(self) -> list[State]:
        """
        Return where the DS records of the keys are.
        """
        return [key.state(Record.DS) for key in self.rolls.keys]

    def published(self) -> None:
        """
        Start the server, and let time pass until it wishes for the first DS record.
        """
        self.start()
        self.letPass(4)
        self.assertEqual((self.states(), len(self.wished)), ([State.RUMOURED], 1))

    def test_rolls(self) -> None:
        """
        A key is replaced with no operator: its successor waits for all servers of the parent, and it stays until none has its DS record.
        """
        self.published()
        self.take()
        self.letPass(30)
        (first,) = self.rolls.keys
        self.assertTrue(first.isInUse)
        self.assertEqual(first.records[Record.DS].cached, 0)
        self.letPass(62 * 24)
        wished = set(self.wished)
        self.assertEqual(self.states(), [State.UNRETENTIVE, State.RUMOURED])
        self.take(self.parents[0])
        self.letPass(48)
        self.assertEqual(self.states(), [State.UNRETENTIVE, State.RUMOURED])
        self.assertEqual({*self.wished}, wished)
        self.take(self.parents[1])
        self.letPass(20)
        # The TTL at the parent is a day.
        self.assertEqual(self.states(), [State.UNRETENTIVE, State.RUMOURED])
        self.letPass(8)
        self.assertEqual([key.name for key in self.rolls.keys if key.isWanted and key.isInUse], [self.rolls.keys[-1].name])
        self.letPass(8)
        self.assertEqual(len(self.rolls.keys), 1)
        self.assertNotEqual(self.rolls.keys[0].name, first.name)
        self.assertIn(f"its parent: {_FIRST} has DS records of ", self.said())
        # Never over UDP, by which replies can be forged.
        self.assertEqual({transport for parent in self.parents for transport in parent.ways}, {"tcp"})

    def test_silent(self) -> None:
        """
        As long as a server does not answer, nothing goes on; then it does.
        """
        self.published()
        self.take()
        self.parents[1].isSilent = True
        self.letPass(60)
        self.assertEqual(self.states(), [State.RUMOURED])
        self.assertIn(f"{_SECOND} does not answer over TCP", self.said())
        self.assertEqual(self.said().count("does not answer over TCP"), 1)
        facts = {fact["server"]: fact["said"] for fact in self.watch.factsOf(APEX)}
        self.assertIn("does not answer", str(facts[_SECOND]))
        self.assertIn("it has DS records of", str(facts[_FIRST]))
        self.parents[1].isSilent = False
        self.letPass(30)
        self.assertEqual(self.states(), [State.OMNIPRESENT])

    def test_waitGoesOn(self) -> None:
        """
        A server that is silent once it was seen with the record does not begin the wait again; one that has lost it does.
        """
        self.published()
        self.take()
        image = self.image
        self.letPass(2)
        (key,) = self.rolls.keys
        since = key.records[Record.DS].since
        self.assertIsNotNone(since)
        # Nothing is signed for that, and nothing written if nothing else is known.
        self.assertEqual(self.image, image)
        written = (self.keys / "lives").stat().st_mtime_ns
        self.letPass(2)
        self.assertEqual((self.keys / "lives").stat().st_mtime_ns, written)
        self.restart()
        self.letPass(1)
        self.assertEqual(self.image, image)
        self.parents[1].isSilent = True
        self.letPass(3)
        (key,) = self.rolls.keys
        self.assertEqual(key.records[Record.DS].since, since)
        self.parents[0].entries = ()
        self.letPass(3)
        (key,) = self.rolls.keys
        self.assertIsNone(key.records[Record.DS].since)

    def test_noServerOfTheParent(self) -> None:
        """
        A server of the zone itself says nothing about the parent.
        """
        self.published()
        self.parents[0].owner = "example.org"
        self.take(self.parents[1])
        self.letPass(30)
        self.assertEqual(self.states(), [State.RUMOURED])
        self.assertIn(f"{_FIRST} is a server of the zone itself, not of its parent", self.said())

    def test_unknown(self) -> None:
        """
        DS records of none of its keys are an error in the log, once, until there is one.
        """
        self.published()
        self.parents[0].entries = (_STRANGE,)
        self.letPass(5)
        text = f"DS records of none of its keys are at {_FIRST}, of its parent: resolvers that validate take the zone for bogus"
        self.assertEqual(self.said().count(text), 1)
        self.assertEqual(self.watch.unknown, {APEX})
        self.assertEqual(parentsOf(self.loading)["zonesDelegationUnknown"], 1)
        for parent in self.parents:
            parent.isSilent = True
        self.letPass(2)
        self.assertEqual(self.watch.unknown, {APEX})
        for parent in self.parents:
            parent.isSilent = False
        self.take()
        self.letPass(2)
        self.assertEqual(self.watch.unknown, set())

    def test_figures(self) -> None:
        """
        While a key is not replaced before the parent has done its part, the figures say since when, also after a restart. The first DS
        record of a zone, and what caches have, are no reason to act.
        """
        self.published()
        self.assertEqual((self.states(), parentsOf(self.loading)), ([State.RUMOURED], {"zonesDelegationUnknown": 0}))
        self.take()
        self.letPass(48)
        changeKey(str(self.keys / self.rolls.keys[0].name), lambda rolls, name: rolls.replace(name))
        self.letPass(8)
        self.assertEqual(self.states(), [State.UNRETENTIVE, State.RUMOURED])
        asked = self.rolls.keys[1].records[Record.DS].decided
        self.assertGreater(asked, self.now - 8 * _HOUR)
        for _ in range(2):
            self.assertEqual(parentsOf(self.loading), {"zonesDelegationUnknown": 0, "zonesParentAsked": asked})
            self.restart()
            self.letPass(1)
        self.take()
        self.letPass(2)
        self.assertEqual((self.states(), parentsOf(self.loading)), ([State.UNRETENTIVE, State.RUMOURED], {"zonesDelegationUnknown": 0}))

    def test_restart(self) -> None:
        """
        What was seen is known after a restart; what was asked then is given up.
        """
        self.published()
        self.take()
        self.letPass(2)
        (key,) = self.rolls.keys
        since = key.records[Record.DS].since
        for parent in self.parents:
            parent.isSilent = True
        self.wait(_HOUR)
        self.restart()
        self.assertNotIn("cancelled", self.said())
        self.letPass(30)
        (key,) = self.rolls.keys
        self.assertEqual((key.records[Record.DS].since is not None, self.states()), (since is not None, [State.OMNIPRESENT]))

    def test_rates(self) -> None:
        """
        Each server is asked once an hour while something is waited for, and once a day otherwise.
        """
        self.published()
        before = len(self.parents[0].ways)
        self.letPass(10)
        self.assertEqual(len(self.parents[0].ways) - before, 10)
        self.take()
        self.letPass(48)
        self.assertEqual(self.states(), [State.OMNIPRESENT])
        before = len(self.parents[0].ways)
        self.letPass(10 * 24)
        self.assertIn(len(self.parents[0].ways) - before, (9, 10, 11))

    def test_signedOften(self) -> None:
        """
        A zone that is signed every minute is not asked for every minute, whether something is waited for or not.
        """
        self.published()
        for isAwaited in (True, False):
            self.letPass(1)
            before = len(self.parents[0].ways)
            for _ in range(10):
                self.loading.signing().signAnew(APEX, Reload())
                self.settle()
                self.clock.advance(2)
            self.assertEqual(len(self.parents[0].ways), before)
            if isAwaited:
                self.take()
                self.letPass(48)

    def test_signedMeanwhile(self) -> None:
        """
        While the zone is being signed, nothing is noted; the parent is asked once more after that.
        """
        self.published()
        self.take()
        self.loading.signing().signAnew(APEX, Reload())
        self.now += _HOUR
        self.clock.advance(_HOUR)
        for _ in range(20):
            self.clock.advance(0.1)
        self.assertIsNone(self.rolls.keys[0].records[Record.DS].since)
        self.settle()
        self.later()
        self.assertIsNotNone(self.rolls.keys[0].records[Record.DS].since)

    def test_fileIsGone(self) -> None:
        """
        If a server cannot be asked any more, as a file is gone, the log says so.
        """
        self.policy = SigningPolicy(forParent=True, rolls=self.times, agents=("tls://192.0.2.1#ns1.example ca=/none",))
        self.start()
        self.letPass(1)
        self.assertIn("its parent cannot be asked: ", self.said())
        self.assertIn("/none", self.said())

    def test_notReadable(self) -> None:
        """
        If what is known cannot be written, the log says so, and the next look finds it again.
        """
        self.published()
        self.take()
        with patch("twisted_ext.dnssec.rolls.ring.writeLives", side_effect=OSError(28, "No space left on device")):
            self.letPass(2)
        self.assertIn("cannot note which DS records its parent has: [Errno 28] No space left on device", self.said())
        self.assertEqual(self.states(), [State.RUMOURED])
        self.letPass(30)
        self.assertEqual(self.states(), [State.OMNIPRESENT])

    def test_left(self) -> None:
        """
        A zone whose policy names no servers any more is asked for no longer.
        """
        self.published()
        self.parents[0].entries = (_STRANGE,)
        self.letPass(2)
        self.assertEqual(self.watch.unknown, {APEX})
        before = len(self.parents[0].ways)
        door = self.loading.signing()
        zone = door.at(APEX)
        assert zone is not None
        zone.policy = SigningPolicy(forParent=True, rolls=self.times)
        self.letPass(3)
        self.assertEqual(len(self.parents[0].ways), before)
        self.assertEqual((self.watch.factsOf(APEX), self.watch.unknown), ([], set()))

    def test_insecure(self) -> None:
        """
        A zone that is to be signed no more asks its parent for no DS records, stays signed until no resolver has one, and says so then.
        """
        self.published()
        self.take()
        self.letPass(30)
        self.assertEqual(self.states(), [State.OMNIPRESENT])
        values = {**self.zone.values}
        with self.assertRaisesRegex(BadDescription, "its parent may have a DS record for it, so that resolvers would reject it"):
            self.check(values)
        # The keys of a view are its own.
        state = self.folder / "state"
        copytree(state / "signing", state / "views" / "lab" / "signing")
        with self.assertRaisesRegex(BadDescription, "its parent may have a DS record for it"):
            self.check(values, "lab")
        self.check(values, "guests")
        self.editPolicy(replace(self.times, insecure=True))
        # RFC 8078, section 4.
        self.assertEqual([rdataToText(CDS, rdata) for rdata in self.wished], ["0 0 0 00"])
        keys = self.served.top.of(CDNSKEY)
        assert keys is not None
        self.assertEqual([rdataToText(CDNSKEY, rdata) for rdata in keys.rdatas], ["0 3 0 AA=="])
        self.letPass(30)
        self.assertEqual(self.states(), [State.UNRETENTIVE])
        self.parents[0].entries = self.parents[1].entries = ()
        self.letPass(10)
        self.assertEqual(self.states(), [State.UNRETENTIVE])
        self.letPass(20)
        self.assertEqual(self.states(), [State.HIDDEN])
        self.assertIn("no resolver has a DS record of its keys any more: leave sign out", self.said())
        self.check(values)
        self.assertTrue(self.rolls.keys[0].publishes(Record.DNSKEY))
        # It is to be signed after all.
        self.editPolicy(self.times)
        self.letPass(2)
        self.assertEqual((self.states(), len(self.wished)), ([State.RUMOURED], 1))

    def editPolicy(self, times: RollTimes) -> None:
        """
        Have the policy edited.
        """
        zone = self.loading.signing().at(APEX)
        assert zone is not None
        self.policy = SigningPolicy(forParent=True, rolls=times, agents=self.policy.agents, check=_HOUR)
        zone.policy = self.policy
        self.loading.signing().signAnew(APEX, Reload())
        self.settle()

    def check(self, values: Mapping[str, Value], view: str = "") -> None:
        """
        Check settings in which the zone is not signed.
        """
        plain = ZoneSettings({"name": values["name"], "file": values["file"], "view": view})
        checkZones(Settings.of(state=str(self.folder / "state")), [plain])

    def several(self) -> None:
        """
        Start a server with six such zones.
        """
        zones = [self.write(f"z{number}.example") for number in range(6)]
        for zone in zones:
            zone.signing = self.policy
        self.zone = self.settings()
        self.loading = self.load(*zones)
        for _ in range(6):
            self.compilers.run()
            self.clock.advance(0.01)

    def asked(self, seconds: int) -> int:
        """
        Return for how many zones was asked after some seconds.
        """
        for _ in range(10 * seconds):
            self.clock.advance(0.1)
        return len(self.parents[0].ways)

    def test_severalZones(self) -> None:
        """
        Two servers are asked a second, whatever number of zones there is.
        """
        self.several()
        self.assertEqual([self.asked(seconds) for seconds in (1, 2, 2, 20)], [1, 3, 5, 6])

    def test_severalAtATime(self) -> None:
        """
        Some zones are asked for at a time only.
        """
        for parent in self.parents:
            parent.isSilent = True
        with patch.object(PARENT_LOOKS, "default", 2):
            self.several()
            self.assertEqual([self.asked(seconds) for seconds in (8, 6, 40)], [2, 4, 6])


