"""
Keys that live by a policy, while clients change the zone and the server is restarted.
"""

from __future__ import annotations

import json
import os
from functools import partial
from unittest.mock import patch

from twisted.logger import formatEvent

from tests.server.zones.load.signed import APEX
from tests.server.zones.signing.test_renewal import TimedCase
from tests.zone.sign.test_incremental import expectSame
from twisted_ext.apps.cli.keys.lives import changeKey
from twisted_ext.dnssec.algorithms import ECDSA_P256, ED25519
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.privatekeys.roles import OF_KEYS
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.dnssec.rolls.lives import readLives
from twisted_ext.dnssec.rolls.ring import LivingRing
from twisted_ext.dnssec.rolls.rolls import Rolls
from twisted_ext.dnssec.rolls.states import Record, RollingKey, State
from twisted_ext.errors import BadZone
from twisted_ext.server.zones.images.imagefiles import statusOf
from twisted_ext.server.zones.images.pending import ABSENT
from twisted_ext.server.zones.signing.rolled import confirmServed
from twisted_ext.wire.rrtypes import CDS, DNSKEY, RRSIG, SOA, A
from twisted_ext.zone.sign import job
from twisted_ext.zone.sign.policy import RollTimes, SigningPolicy
from twisted_ext.zone.sign.signing import Signing

_HOUR = 3600
_DAY = 24 * _HOUR


class RollTests(TimedCase):
    """
    A zone of a file that clients change, whose keys are replaced.
    """

    def setUp(self) -> None:
        super().setUp()
        times = RollTimes(60 * _DAY, 20 * _DAY, 600, 600, _DAY)
        self.policy = SigningPolicy(split=True, dnskeyTTL=_HOUR, forParent=True, rolls=times)
        self.seen: list[tuple[float, set[int], set[int], set[frozenset[int]]]] = []

    @property
    def rolls(self) -> Rolls:
        rolls = readLives(str(self.keys))
        assert rolls is not None
        return rolls

    def note(self) -> None:
        """
        Note which keys there are, and which sign: of the names, each set of them.
        """
        keys = self.served.top.of(DNSKEY)
        assert keys is not None
        entries: set[int] = set()
        signing: set[frozenset[int]] = set()
        for node in self.served.nodes():
            for rrset in node.sets:
                if rrset.rrType == RRSIG:
                    tags = {int.from_bytes(rdata[16:18], "big") for rdata in rrset.rdatas}
                    if int.from_bytes(rrset.rdatas[0][:2], "big") in OF_KEYS:
                        entries |= tags
                    else:
                        signing.add(frozenset(tags))
        self.seen.append((self.now, {keyTag(rdata) for rdata in keys.rdatas}, entries, signing))

    @property
    def signing(self) -> set[int]:
        """
        The keys that have signed names.
        """
        return {tag for _, _, _, signing in self.seen for tags in signing for tag in tags}

    def expectTurns(self) -> None:
        """
        Expect that each name is signed by the key whose turn it was, as if that was done from nothing.
        """
        ring = LivingRing.read(str(self.keys), APEX)
        assert ring is not None
        expectSame(self.served, Signing(ring.signers(), self.policy, tuple(ring.published)), self.now)
        self.note()

    def days(self, days: int) -> None:
        """
        Let days pass, in which the zone changes, and the parent does what the zone says.
        """
        for hour in range(0, days * 24, 6):
            self.wait(6 * _HOUR)
            self.note()
            if hour % 48 == 0:
                self.assertEqual(self.update(f"n{self.now:.0f} 300 A 192.0.2.9"), 0)
                self.note()
            if hour % 24 == 0:
                self.tell()

    def tell(self) -> None:
        """
        Have the operator say what the parent has.
        """
        cds = self.served.top.of(CDS)
        wanted = {int.from_bytes(rdata[:2], "big") for rdata in (() if cds is None else cds.rdatas)}
        isTold = False
        for key in self.rolls.keys:
            standing = key.records.get(Record.DS)
            if standing is not None and standing.since is None:
                isThere = int(key.name[-5:]) in wanted
                self.assertEqual(isThere, standing.state.isPublished)
                changeKey(os.path.join(self.keys, key.name), partial(self.see, isThere))
                isTold = True
        if isTold:
            self.later()
            self.note()

    def see(self, isThere: bool, rolls: Rolls, name: str) -> None:
        rolls.tell(name, isThere, self.now)

    def expectKnown(self) -> None:
        """
        Expect that whoever has kept former DNSKEY records has a key of each later signature, and the other way round.
        """
        for index, (now, published, entries, signing) in enumerate(self.seen):
            for (_, former, _, signed), (until, _, _, _) in zip(self.seen[:index], self.seen[1:], strict=False):
                if now < until + _HOUR:
                    self.assertTrue(all(tags & former for tags in signing) and entries & former, (now, former, signing, entries))
                if now < until + _HOUR:
                    self.assertTrue(all(published & tags for tags in signed), (now, published, signed))

    def test_eightyDays(self) -> None:
        """
        Keys are replaced, changes are signed all the time, and a restart goes on.
        """
        self.start()
        first = {key.name for key in self.rolls.keys}
        self.days(30)
        self.restart()
        self.note()
        self.look()
        self.note()
        self.days(30)
        self.end()
        self.now += 2 * _DAY
        self.loading = self.load(self.zone)
        self.settle()
        self.note()
        self.look()
        self.note()
        self.days(20)
        self.expectKnown()
        self.assertEqual(len(self.signing), 4)
        self.assertEqual(len({tag for _, _, entries, _ in self.seen for tag in entries}), 2)
        self.assertFalse(first & {key.name for key in self.rolls.keys if key.isWanted})

    def gradually(self, names: int = 60) -> tuple[RollingKey, RollingKey]:
        """
        Start with a zone whose key is replaced name by name, in two days; return this key and the other one, which has begun to sign.
        """
        times = RollTimes(propagation=600, parentPropagation=600, dsTTL=_DAY, renew=2 * _DAY)
        validity = Validity(signatures=6 * _DAY, renew=2 * _DAY)
        self.policy = SigningPolicy(validity, split=True, dnskeyTTL=_HOUR, forParent=True, rolls=times)
        self.start("".join([f"h{number} A 192.0.2.1\n" for number in range(names)]))
        self.wait(3 * _HOUR)
        self.note()
        (former,) = [key for key in self.rolls.keys if key.role == "zsk"]
        changeKey(os.path.join(self.keys, former.name), lambda rolls, key: rolls.replace(key))
        self.later()
        self.note()
        self.wait(2 * _HOUR)
        self.expectTurns()
        former, _, later = sorted(self.rolls.keys, key=lambda key: key.role == "ksk" or key.name != former.name)
        self.assertEqual([key.state(Record.ZRRSIG) for key in (former, later)], [State.UNRETENTIVE, State.RUMOURED])
        return former, later

    def signedBy(self, key: RollingKey) -> int:
        """
        Return how many names are signed by a key.
        """
        nodes = [node for node in self.served.nodes() if node.key]
        found = [node.of(RRSIG) or node.signatures(A) for node in nodes]
        return sum(1 for each in found if each is not None and int.from_bytes(each.rdatas[0][16:18], "big") == key.tag)

    def test_gradually(self) -> None:
        """
        With a policy that says so, another key signs each name when its signatures are made anew: no version differs from the one before in
        all names. What clients change, a restart and another key before the roll ends are no matter. No resolver ever has a signature of
        which it does not know the key, and the former key goes once it has signed nothing for as long as resolvers keep that.
        """
        former, later = self.gradually()
        first = self.signedBy(later)
        self.assertLess(first, 10)
        swapped = self.now
        image = self.image
        for step in range(15):
            self.wait(3 * _HOUR)
            self.expectTurns()
            self.assertEqual(self.update(f"n{step} 300 A 192.0.2.9"), 0)
            self.expectTurns()
            self.assertLessEqual(self.signedBy(later) - first, 20)
            first = self.signedBy(later)
            if step % 5 == 4:
                self.restart()
                self.look()
                self.expectTurns()
        self.assertEqual(self.image, image)
        (why,) = [each for each in self.rolls.obstacles(self.now) if (each.key.name, each.record) == (former.name, Record.ZRRSIG)]
        self.assertEqual((why.why, why.until), ("some names are still signed by it", self.rolls.swaps[-1].at + 2 * _DAY))
        self.assertGreater(self.signedBy(former), 0)
        self.wait(swapped + 2 * _DAY - self.now)
        self.expectTurns()
        self.assertEqual((self.signedBy(former), self.rolls.isSpreading), (0, False))
        self.assertEqual(self.rolls.keys[-1].records[Record.ZRRSIG].since, self.now)
        self.assertIn(former.tag, self.seen[-1][1])
        for _ in range(4):
            self.wait(2 * _HOUR)
            self.expectTurns()
        self.assertNotIn(former.name, {key.name for key in self.rolls.keys})
        self.expectKnown()

    def test_graduallyServed(self) -> None:
        """
        Since when no name is signed by the former key is found out when the zone is signed next, if it could not be noted.
        """
        former, later = self.gradually()
        with patch.object(LivingRing, "served", side_effect=OSError(28, "No space left on device")):
            self.wait(2 * _DAY)
        self.expectTurns()
        served = self.now
        self.assertEqual((self.signedBy(former), self.rolls.isSwapping), (0, True))
        self.wait(2 * _HOUR)
        self.expectTurns()
        states = {key.name: key.records[Record.ZRRSIG] for key in self.rolls.keys if key.role == "zsk"}
        self.assertEqual(states[later.name].state, State.OMNIPRESENT)
        self.assertEqual(states[former.name].state, State.HIDDEN)
        self.assertGreater(self.now, served)
        self.expectKnown()

    def test_graduallyWithoutServer(self) -> None:
        """
        A key stays published while the zone has signatures by it, also if these should have been made anew long ago: a server that was down
        does not count the time. The same if signing fails after it was decided.
        """
        former, later = self.gradually()
        self.wait(12 * _HOUR)
        # The whole zone is signed, when the other key has its turn at the apex only.
        (ksk,) = [key for key in self.rolls.keys if key.role == "ksk"]
        changeKey(os.path.join(self.keys, ksk.name), lambda rolls, key: rolls.replace(key))
        self.later()
        self.expectTurns()
        soa = self.served.top.signatures(SOA)
        assert soa is not None
        self.assertEqual([int.from_bytes(rdata[16:18], "big") for rdata in soa.rdatas], [later.tag])
        self.assertGreater(self.signedBy(former), 20)
        self.end()
        self.now += 3 * _DAY
        with patch.object(job, "signZone", side_effect=BadZone("x")):
            self.loading = self.load(self.zone)
            self.settle()
            self.note()
            self.look()
            self.note()
        self.assertGreater(self.signedBy(former), 20)
        self.assertEqual((self.rolls.isSpreading, self.rolls.isSwapping), (False, True))
        self.wait(_HOUR)
        self.expectTurns()
        self.assertEqual(self.signedBy(former), 0)
        self.assertEqual({key.records[Record.ZRRSIG].since for key in self.rolls.keys if key.role == "zsk"}, {self.now})
        for _ in range(4):
            self.wait(_HOUR)
            self.expectTurns()
        self.assertNotIn(former.name, {key.name for key in self.rolls.keys})
        self.expectKnown()

    def test_whatIsServed(self) -> None:
        """
        Since when keys are served as was decided is known at once; the zone is not signed again for that. If it cannot be noted, it is
        found out when the zone is signed next.
        """
        self.start()
        records = [each for key in self.rolls.keys for record, each in key.records.items() if record is not Record.DS]
        self.assertEqual({each.since for each in records}, {self.now})
        image = self.image
        self.later()
        self.look()
        self.assertEqual(self.image, image)
        self.wait(2 * _HOUR)
        self.assertNotEqual(self.image, image)
        image = self.image
        (name,) = [key.name for key in self.rolls.keys if key.role == "zsk"]
        with patch.object(LivingRing, "served", side_effect=OSError(28, "No space left on device")):
            changeKey(os.path.join(self.keys, name), lambda rolls, key: rolls.replace(key))
            self.later()
        self.assertNotEqual(self.image, image)
        self.assertIn("cannot note since when its keys are served: [Errno 28] No space left on device", self.said())
        added = self.rolls.keys[-1]
        self.assertEqual((added.isWanted, added.records[Record.DNSKEY].since), (True, None))
        since = self.now
        self.wait(2 * _HOUR)
        self.assertEqual(self.rolls.keys[-1].state(Record.ZRRSIG), State.RUMOURED)
        self.assertLess(since, self.now)

    def test_sources(self) -> None:
        """
        An image is of the same keys after what is served was noted, unless an operator has changed them before that.
        """
        self.start()
        assert self.loading.door is not None
        (zone,) = self.loading.door
        built, folder = zone.served, str(self.keys)
        assert built is not None
        for isChanged in (False, True):
            LivingRing.change(folder, APEX, lambda rolls: setattr(rolls.keys[0].records[Record.DNSKEY], "since", None))
            # As some time ago.
            for path in (folder, f"{folder}/lives"):
                os.utime(path, (1, 1))
            built.sources = tuple([(path, *(statusOf(path) or ABSENT)) for path, _, _ in built.sources])
            if isChanged:
                os.utime(f"{folder}/lives", (2, 2))
            before = built.sources
            self.assertEqual(confirmServed(zone, built, folder, self.now), not isChanged)
            self.assertEqual(built.sources != before, not isChanged)
            current = [(path, *(statusOf(path) or ABSENT)) for path, _, _ in built.sources]
            self.assertEqual([*built.sources] == current, not isChanged)

    def test_steps(self) -> None:
        """
        Each step is made when it may be, also two in ten minutes.
        """
        self.policy = SigningPolicy(dnskeyTTL=2, rolls=RollTimes(dsTTL=1, propagation=0, parentPropagation=0))
        self.start()
        for seconds, record, before in ((3, Record.DNSKEY, State.RUMOURED), (300, Record.ZRRSIG, State.RUMOURED)):
            (key,) = self.rolls.keys
            self.assertEqual(key.state(record), before)
            self.wait(seconds)
            self.later()
            (key,) = self.rolls.keys
            self.assertEqual(key.state(record), State.OMNIPRESENT)

    def test_failure(self) -> None:
        """
        What cannot be signed when a key is to do something else is tried once in a while only.
        """
        self.policy = SigningPolicy(dnskeyTTL=2, rolls=RollTimes(dsTTL=1, propagation=0, parentPropagation=0))
        self.start()
        (path,) = self.keys.glob("*.private")
        path.rename(self.folder / "aside")
        before = self.compilers.made
        self.wait(60)
        self.wait(60)
        tried = self.compilers.made - before
        for _ in range(5):
            self.wait(60)
        self.assertEqual(self.compilers.made - before, tried)
        self.assertLessEqual(tried, 3)

    def test_clock(self) -> None:
        """
        A restart is not a clock that was set: waits go on. After one that was set they begin again.
        """
        self.start()
        since = self.now
        self.wait(1800)
        self.restart()
        self.look()
        self.wait(3000)
        self.assertEqual({key.state(Record.DNSKEY) for key in self.rolls.keys}, {State.OMNIPRESENT})
        (zsk,) = [key for key in self.rolls.keys if key.role == "zsk"]
        changeKey(os.path.join(self.keys, zsk.name), lambda rolls, key: rolls.replace(key))
        self.later()
        self.assertEqual(self.rolls.keys[-1].records[Record.DNSKEY].since, self.now)
        # The clock is set forward.
        self.now += _DAY
        self.look()
        self.assertEqual(self.rolls.keys[-1].state(Record.DNSKEY), State.RUMOURED)
        self.assertEqual(self.rolls.keys[-1].records[Record.DNSKEY].since, self.now)
        self.wait(2 * _HOUR)
        self.assertEqual(self.rolls.keys[-1].state(Record.ZRRSIG), State.RUMOURED)
        self.assertLess(since, self.now)
        # The key cannot be read when the clock is set once more: the next try knows of it.
        self.look()
        swapped = self.rolls.keys[-1].records[Record.ZRRSIG].since
        self.assertEqual(swapped, self.now)
        secret = self.keys / f"{self.rolls.keys[-1].name}.private"
        secret.chmod(0o644)
        self.now += 3 * _DAY
        self.look()
        secret.chmod(0o600)
        self.wait(_HOUR)
        self.assertEqual(self.rolls.keys[-1].state(Record.ZRRSIG), State.RUMOURED)
        self.assertGreaterEqual(self.rolls.keys[-1].records[Record.ZRRSIG].since or 0, self.now - 2 * _HOUR)

    def test_policy(self) -> None:
        """
        A policy that gets lifetimes signs nothing anew but what its keys are; one with another algorithm goes there by a roll.
        """
        rolling, self.policy = self.policy, SigningPolicy(split=True, dnskeyTTL=_HOUR, forParent=True)
        self.start()
        self.note()
        self.wait(_DAY)
        keys = {path.stem for path in self.keys.glob("*.private")}
        self.policy = rolling
        self.end()
        self.zone = self.settings()
        self.loading = self.load(self.zone)
        self.settle()
        self.look()
        self.note()
        self.assertEqual({key.name for key in self.rolls.keys}, keys)
        # All but that of the SOA record, which has another serial.
        self.assertRegex(self.said(), "signed: ([0-9]+) signatures .[0-9]+ of them as before")
        self.policy = SigningPolicy.fromTable({**json.loads(rolling.toText()), "algorithm": ED25519})
        self.end()
        self.zone = self.settings()
        self.loading = self.load(self.zone)
        self.settle()
        self.note()
        self.look()
        self.note()
        top = self.served.top
        keysNow, signatures = top.of(DNSKEY), top.signatures(SOA)
        assert keysNow is not None and signatures is not None
        # Signatures of the new algorithm come first.
        self.assertEqual({rdata[3] for rdata in keysNow.rdatas}, {ECDSA_P256})
        self.assertEqual({rdata[2] for rdata in signatures.rdatas}, {ECDSA_P256, ED25519})
        self.assertEqual(self.update("n 300 A 192.0.2.9"), 0)
        self.note()
        self.days(12)
        self.expectKnown()
        self.assertEqual({key.algorithm for key in self.rolls.keys}, {ED25519})

    def said(self) -> str:
        return "\n".join([formatEvent(event) or "" for event in self.events])
