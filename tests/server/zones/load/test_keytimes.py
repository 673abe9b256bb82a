"""
Tests of servers that act upon the times of keys, and of clocks that were ahead.
"""

from __future__ import annotations

from time import time
from unittest.mock import patch

from tests.server.zones.load.signed import APEX, SignedLoadingCase
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.keys import keyTag
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.rrtypes import DNSKEY, RRSIG, SOA
from twisted_ext.zone.check.signatureends import FirstEnd

_HOUR = 3600
_DAY = 86400


class KeyTimesTests(SignedLoadingCase):
    """
    Tests with a zone whose file does not change.
    """

    def setUp(self) -> None:
        super().setUp()
        self.now = time()
        self.more = ""
        patched = patch.object(compilers, "time", lambda: self.now)
        patched.start()
        self.addCleanup(patched.stop)

    def begin(self) -> None:
        """
        Start the server.
        """
        self.zones = Zones()
        self.loading = self.load(self.writeSigned(self.more))
        self.publisher.today = lambda: self.now
        self.advance()

    def key(self, **hours: float) -> int:
        """
        Make a key with these times, in hours from now; return its tag.
        """
        self.keys.mkdir(parents=True, exist_ok=True)
        key = newKey(ECDSA_P256)
        times = {name: int(self.now + hour * _HOUR) for name, hour in hours.items()}
        saveKey(KeyFile(APEX, key, times, {}, None), str(self.keys))
        return key.tag

    def later(self, hours: float) -> tuple[int | None, set[int], set[int]]:
        """
        Let time pass, a quarter of an hour at a time. Return the serial, the keys that are published, and those that sign the SOA record.
        """
        for _ in range(int(hours * 4)):
            self.now += _HOUR / 4
            self.clock.advance(_HOUR / 4)
            self.compilers.run()
            self.clock.advance(0.1)
        return self.seen()

    def seen(self) -> tuple[int | None, set[int], set[int]]:
        place = self.zones.at(APEX)
        zone = None if place is None else place.served()
        assert zone is not None
        keys = zone.current.top.of(DNSKEY)
        assert keys is not None
        signatures = [rdata for rrset in zone.current.top.sets if rrset.rrType == RRSIG for rdata in rrset.rdatas]
        signing = {int.from_bytes(rdata[16:18], "big") for rdata in signatures if int.from_bytes(rdata[:2], "big") == SOA}
        return zone.current.serial, {keyTag(rdata) for rdata in keys.rdatas}, signing

    def test_keysComeAndGoInTime(self) -> None:
        """
        The zone is signed again when a key is to be published, to sign, and to go, also by a server that was restarted meanwhile.
        """
        old, new = self.key(Publish=-1, Activate=-1, Inactive=50, Delete=60), self.key(Publish=38, Activate=44)
        self.begin()
        self.assertEqual(self.seen(), (1, {old}, {old}))
        self.assertEqual(self.later(37), (1, {old}, {old}))
        self.assertEqual(self.later(2), (2, {old, new}, {old}))
        self.close(self.loading)
        self.zones = Zones()
        self.loading = self.load(self.writeSigned(self.more))
        self.publisher.today = lambda: self.now
        self.assertEqual(self.later(7)[1:], ({old, new}, {old, new}))
        self.assertEqual(self.later(6)[1:], ({old, new}, {new}))
        self.assertEqual(self.later(9)[1:], ({new}, {new}))
        serial = self.seen()[0]
        self.assertEqual(self.later(24), (serial, {new}, {new}))

    def test_clockThatIsSetWhileItRuns(self) -> None:
        """
        When a clock that was ahead is right again, what was signed with it is signed anew within seconds, although it was tried a moment
        before the clock was set.
        """
        self.key(Publish=-1000, Activate=-1000)
        self.begin()
        self.advance()
        place = self.zones.at(APEX)
        assert place is not None
        place.signatures, place.signaturesRead = FirstEnd(int(self.now) + Validity().signatures, APEX, SOA), (place.since, 1)
        self.now += 20 * _DAY
        self.advance()
        ahead, _, _ = self.seen()
        self.assertEqual(ahead, 2)
        self.now -= 20 * _DAY
        self.advance()
        self.assertEqual(self.seen()[0], 3)

    def test_clockThatWasAhead(self) -> None:
        """
        Signatures that were made with a clock that was ahead by one to six days are made anew when it is right again, at a restart too.
        """
        for days in (1, 3, 6):
            with self.subTest(days):
                self.setUp()
                # Their signatures are made at different times, in no day of the week none of them.
                self.more = "".join([f"h{number} A 192.0.2.1\n" for number in range(300)])
                self.now += days * _DAY
                self.key(Publish=-1000, Activate=-1000)
                self.begin()
                self.assertEqual(self.seen()[0], 1)
                self.now -= days * _DAY
                if days == 3:
                    self.close(self.loading)
                    self.begin()
                self.advance()
                serial, _, _ = self.seen()
                self.assertEqual(serial, 2)
                place = self.zones.at(APEX)
                zone = None if place is None else place.served()
                assert zone is not None
                begins = [
                    int.from_bytes(rdata[12:16], "big")
                    for node in zone.current.nodes()
                    for each in node.sets
                    if each.rrType == RRSIG
                    for rdata in each.rdatas
                ]
                self.assertLess(max(begins), self.now)
