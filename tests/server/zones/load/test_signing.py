"""
Tests of zones that a server signs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from time import time
from unittest.mock import patch

import pytest

from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from tests.zone.sign.zones import builderOf
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keyring import Keyring, makeKeys
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.dnssec.privatekeys.validity import Validity
from twisted_ext.errors import BadDescription, BadKey, StorageFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.operations.operations import unsignedReasons
from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.load.validate import checkZones, zonesIn
from twisted_ext.server.zones.table.zonetable import Zones, countsOf
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import DNSKEY, NSEC, RRSIG, SOA
from twisted_ext.zone.check.signatureends import FirstEnd
from twisted_ext.zone.sign.job import SignJob
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.imagebuilder import ImageBuilder


class SignedLoadingTests(SignedLoadingCase):
    """
    Tests of L{ZoneLoader<twisted_ext.server.zones.load.loader.ZoneLoader>} with zones that are signed.
    """

    def test_nothingIsServedUnsigned(self) -> None:
        """
        A zone is served once it is signed; its key is made, and the log says which, and what the parent needs.
        """
        self.load(self.writeSigned(), run=False)
        self.assertEqual(self.types(), set())
        self.compilers.run()
        self.clock.advance(0.1)
        self.assertLessEqual({RRSIG, NSEC, DNSKEY, SOA}, self.types())
        (key,) = self.keys.glob("*.private")
        self.assertEqual((key.stat().st_mode & 0o777, self.keys.stat().st_mode & 0o777), (0o600, 0o700))
        said = self.said()
        self.assertIn(f"example.org.: made the key {key.stem} in {self.keys}", said)
        self.assertRegex(said, r"example\.org\.: signed: 6 signatures, the first of which ends \d{4}-\d\d-\d\d")
        self.assertRegex(said, rf"example\.org\.: the parent needs: example\.org\. IN DS {int(key.stem[-5:])} 13 2 [0-9A-F]{{64}}")

    def test_restartMakesNoSignature(self) -> None:
        """
        After a restart, the signed image of an unchanged file is served; one whose signatures may end soon is not.
        """
        zone = self.writeSigned()
        self.close(self.load(zone))
        self.zones = Zones()
        loading = self.load(zone)
        self.assertEqual((self.compilers.made, self.serial(NAME)), (0, 1))
        self.close(loading)
        index = self.folder / "state" / "signed" / "index"
        old = int(time() - (Validity().signatures - Validity().renew))
        index.write_text(json.dumps([*json.loads(index.read_text())[:-1], old]) + "\n")
        self.zones = Zones()
        self.load(zone, run=False)
        self.assertEqual(self.types(), set())
        self.compilers.run()
        self.clock.advance(0.1)
        self.assertEqual((self.compilers.made, self.serial(NAME)), (1, 2))

    def test_serials(self) -> None:
        """
        Each version has a serial behind that which is served; a newer one of the file is taken.
        """
        zone = self.writeSigned()
        self.load(zone)
        for serial, more, expected in ((1, "a A 192.0.2.1\n", 2), (2, "b A 192.0.2.1\n", 3), (70, "", 70), (1, "", 71)):
            self.writeSigned(more, serial=serial)
            self.advance()
            self.assertEqual(self.serial(NAME), expected)

    def test_serialNeverGoesBack(self) -> None:
        """
        A zone that is taken out of the settings and put back, or signed again after a while without, goes on behind its last serial; and
        no key is made in place of those that are gone.
        """
        signed, plain = self.writeSigned(), self.writeSigned(sign=False)
        loading = self.load(signed)
        self.writeSigned("a A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
        self.finish(loading.reload([]))
        self.finish(loading.reload([signed]))
        self.assertEqual(self.serial(NAME), 3)
        self.finish(loading.reload([plain]))
        self.assertEqual(self.serial(NAME), 1)
        self.assertIn("example.org.: serial 3 is now 1, 4 records; it went back, so secondaries will not take it", self.said())
        self.assertIn("example.org.: it is no longer signed; while its parent has a DS record for it, resolvers that validate", self.said())
        keys = self.keys.rename(self.keys.parent / "elsewhere")
        self.finish(loading.reload([signed]))
        self.assertIn("the keys that signed example.org. are gone; put them back", self.said())
        self.assertFalse(self.keys.exists())
        keys.rename(self.keys)
        self.finish(loading.reloadZone(APEX))
        self.assertEqual(self.serial(NAME), 4)

    def test_fullDisk(self) -> None:
        """
        A change that could not be written because the disk was full is tried again, although the file does not change once more.
        """
        self.load(self.writeSigned())
        with patch.object(ImageBuilder, "finishTo", side_effect=OSError(28, "No space left on device", "x.image.new")):
            self.writeSigned("a A 192.0.2.1\n")
            self.advance()
            self.assertIn("x.image.new cannot be written: No space left on device", self.said())
            self.clock.advance(60)
            self.compilers.run()
            self.assertEqual(self.serial(NAME), 1)
        self.clock.advance(60)
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
    def test_serialsByTheTime(self) -> None:
        """
        The serial of a zone that is signed is chosen as its settings say.
        """
        zone = self.writeSigned()
        with patch.object(compilers, "time", lambda: 1_900_000_000):
            self.load(ZoneSettings({**zone.values, "serial": "unixtime"}))
        self.assertEqual(self.serial(NAME), 1_900_000_000)

    def test_otherChoiceOfSerials(self) -> None:
        """
        After a reload with another way to choose serials the next version has a serial that is chosen so.
        """
        zone = self.writeSigned()
        now = int(time())
        with patch.object(compilers, "time", lambda: now):
            loading = self.load(zone)
            self.clock.advance(0.1)
            self.finish(loading.reload([ZoneSettings({**zone.values, "serial": "unixtime"})]))
            self.assertEqual(self.serial(NAME), 1)
            self.writeSigned("a A 192.0.2.1\n")
            self.advance()
        self.assertEqual(self.serial(NAME), now)

    def test_signedFromNowOn(self) -> None:
        """
        A zone that was served unsigned until now gets its first key when it is to be signed.
        """
        loading = self.load(self.writeSigned(sign=False))
        self.clock.advance(0.1)
        waiting = loading.reload([self.writeSigned()])
        self.finish(waiting)
        self.assertIn(RRSIG, self.types())
        self.assertEqual(len([*self.keys.glob("*.private")]), 1)

    def test_unsignedAlthoughItIsToBeSigned(self) -> None:
        """
        A zone whose keys are gone when it is to be signed again is served without signatures, or by a setting not at all; the log, the
        state of the zone and the figures say which. It is signed once the keys are back.
        """
        signed, plain = self.writeSigned(), self.writeSigned(sign=False)
        away = self.folder / "away"
        for serve in (True, False):
            loading = self.load(signed)
            self.clock.advance(0.1)
            self.zones.unsigned = loading.unsigned
            self.finish(loading.reload([plain]))
            self.keys.rename(away)
            loading.follow(True, serve)
            self.events.clear()
            lines = "\n".join(self.finish(loading.reload([signed])))
            place = self.zones.at(APEX)
            assert place is not None
            self.assertNotIn(RRSIG, self.types())
            outcome = "serial 1 stays in force, without signatures, although the zone is to be signed" if serve else "nothing is served"
            self.assertIn(f"example.org.: {outcome}", lines)
            self.assertIn(f"example.org.: {outcome}", self.said())
            counts = countsOf(self.zones)
            self.assertEqual((place.state, counts["unsigned"], counts["wrong"]), ("serving", 1, 1) if serve else ("failed", 0, 1))
            self.assertEqual(place.said.startswith("served without signatures, as it cannot be signed: "), serve)
            self.assertIn("the keys that signed example.org. are gone", place.said)
            self.assertEqual(unsignedReasons(counts), ["1 of 1 zone has no signatures yet"] if serve else [])
            # Withheld at once if the setting changes, and not served again by changing it back.
            loading.follow(True, False)
            self.assertEqual((self.types(), countsOf(self.zones)["unsigned"]), (set(), 0))
            away.rename(self.keys)
            loading.follow(True, True)
            self.finish(loading.reload([signed]))
            self.assertIn(RRSIG, self.types())
            self.assertEqual((place := self.zones.at(APEX)) and (place.state, place.said), ("serving", ""))
            self.assertEqual(countsOf(self.zones)["unsigned"], 0)
            self.close(loading)
            self.zones = Zones()

    def test_folderWithoutDot(self) -> None:
        """
        Keys in a folder whose name has no final dot are named in an error, and none is made in their place.
        """
        (self.keys.parent / "example.org").mkdir(parents=True)
        loading = self.load(self.writeSigned())
        self.clock.advance(0.1)
        place = self.zones.at(APEX)
        assert place is not None
        self.assertIn("as its name has no final dot; rename it to example.org., or remove it", place.said)
        self.assertFalse(self.keys.exists())
        (self.keys.parent / "example.org").rename(self.keys)
        self.finish(loading.reloadZone(APEX))
        self.assertIn(RRSIG, self.types())

    def test_signaturesAreKept(self) -> None:
        """
        When a zone changes, the signatures of what has not changed are kept; all are made anew if the former image is damaged.
        """
        self.load(self.writeSigned("a A 192.0.2.1\n"))
        self.clock.advance(0.1)
        self.writeSigned("a A 192.0.2.1\nb A 192.0.2.1\n")
        self.advance()
        self.assertRegex(self.said(), r"signed: 10 signatures \(3 of them as before\), the first of which")
        (image,) = (self.folder / "state" / "signed").glob("*.image")
        octets = bytearray(image.read_bytes())
        octets[-9] ^= 1
        image.write_bytes(octets)
        self.events.clear()
        self.writeSigned("a A 192.0.2.1\n")
        self.advance()
        self.assertRegex(self.said(), "signed: 8 signatures, the first of which")

    def test_signedOrNot(self) -> None:
        """
        An image is used as the zone is to be now: signed, or not.
        """
        signed, plain = self.writeSigned(), self.writeSigned(sign=False)
        self.close(self.load(signed))
        loading = self.load(plain)
        self.clock.advance(0.1)
        self.assertNotIn(RRSIG, self.types())
        self.finish(loading.reload([signed]))
        self.assertIn(RRSIG, self.types())
        self.finish(loading.reload([plain]))
        self.assertNotIn(RRSIG, self.types())

    def test_unusableKey(self) -> None:
        """
        While a key cannot be used, the former version stays; once it can, the next one is signed with it.
        """
        self.load(self.writeSigned())
        self.clock.advance(0.1)
        (key,) = self.keys.glob("*.private")
        key.chmod(0o644)
        self.writeSigned("a A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 1)
        self.assertIn(f"{key}: others may read it (mode 0644); chmod 600 it", self.said())
        self.assertIn("example.org.: serial 1 stays in force", self.said())
        key.chmod(0o600)
        self.writeSigned("b A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
        self.assertEqual(len([*self.keys.glob("*.private")]), 1)

    def test_keysGone(self) -> None:
        """
        If the keys of a signed zone are gone, none is made in their place, which the parent would not know: the former version stays, and
        also at a restart, and is continued once they are back.
        """
        zone = self.writeSigned()
        loading = self.load(zone)
        self.clock.advance(0.1)
        away = self.folder / "away"
        self.keys.rename(away)
        self.writeSigned("a A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 1)
        self.assertIn(f"{self.keys}: the keys that signed example.org. are gone; put them back, since resolvers", self.said())
        self.assertIn("example.org.: serial 1 stays in force", self.said())
        self.close(loading)
        self.zones = Zones()
        self.load(zone)
        self.clock.advance(0.1)
        self.assertIn(RRSIG, self.types())
        self.assertEqual((self.serial(NAME), self.keys.exists()), (1, False))
        away.rename(self.keys)
        self.writeSigned("b A 192.0.2.1\n")
        self.advance()
        self.assertEqual((self.serial(NAME), len([*self.keys.glob("*.private")])), (2, 1))

    def test_otherKeys(self) -> None:
        """
        If a key comes or changes, the zone is signed anew.
        """
        self.load(self.writeSigned())
        self.clock.advance(0.1)
        makeKeys(str(self.keys), APEX, ECDSA_P256, time())
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
        zone = self.zones.at(APEX)
        assert zone is not None
        served = zone.served()
        assert served is not None
        keys = served.current.top.of(DNSKEY)
        assert keys is not None
        self.assertEqual(len(keys.rdatas), 2)

    def test_renewal(self) -> None:
        """
        A zone is signed again when its first signature has less left than the policy says, less an eighth of a period: not at each look,
        and not by what is known of another version.
        """
        self.load(self.writeSigned())
        self.clock.advance(0.1)
        place = self.zones.at(APEX)
        assert place is not None
        least, today = Validity().least, time()
        self.publisher.today = lambda: today
        for left, version, expected in ((least + 10, 1, 1), (least - 10, 7, 1), (least - 10, 1, 2), (least - 10, 2, 2)):
            place.signatures, place.signaturesRead = FirstEnd(int(today) + left, APEX, SOA), (place.since, version)
            self.advance()
            self.assertEqual(self.serial(NAME), expected, (left, version))
        self.clock.advance(600)
        self.advance()
        self.assertEqual(self.serial(NAME), 3)

    def test_renewalWhileItIsSigned(self) -> None:
        """
        A zone whose signatures end soon is not signed twice if it is being signed already.
        """
        loading = self.load(self.writeSigned())
        self.clock.advance(0.1)
        place = self.zones.at(APEX)
        assert place is not None
        loading.reloadZone(APEX)
        place.signatures, place.signaturesRead = FirstEnd(10, APEX, SOA), (place.since, 1)
        self.clock.advance(1)
        self.advance()
        self.assertEqual(self.serial(NAME), 2)

    def test_signedElsewhereFromNowOn(self) -> None:
        """
        A zone that is no longer signed here, or no longer served, has no signatures that this server should have renewed. One that is
        signed here again has its signatures renewed without a pause.
        """
        signed, plain = self.writeSigned(), self.writeSigned(sign=False)
        loading = self.load(signed)
        self.clock.advance(0.1)
        self.endSoon()
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
        self.assertIsNotNone(loading.overdue(APEX))
        self.finish(loading.reload([plain]))
        self.assertIsNone(loading.overdue(APEX))
        self.finish(loading.reload([signed]))
        self.assertEqual(self.serial(NAME), 3)
        self.endSoon(3)
        self.advance()
        self.assertEqual(self.serial(NAME), 4)
        self.finish(loading.reload([]))
        self.assertIsNone(loading.overdue(APEX))

    def test_signedAhead(self) -> None:
        """
        A zone that was signed with a clock that was ahead is signed again: its signatures are not valid yet.
        """
        self.load(self.writeSigned())
        self.clock.advance(0.1)
        place = self.zones.at(APEX)
        assert place is not None
        today = time()
        self.publisher.today = lambda: today
        for ahead, expected in ((0, 1), (86400, 2)):
            place.signatures, place.signaturesRead = FirstEnd(int(today) + Validity().signatures + ahead, APEX, SOA), (place.since, 1)
            self.advance()
            self.assertEqual(self.serial(NAME), expected)

    def endSoon(self, serial: int = 1) -> None:
        """
        Have it that the first signature of the zone has ended.

        @param serial: that of the version.
        """
        place = self.zones.at(APEX)
        assert place is not None
        place.signatures, place.signaturesRead = FirstEnd(10, APEX, SOA), (place.since, serial)

    def test_renewalWithoutWatch(self) -> None:
        """
        Signatures are renewed although files are not watched.
        """
        self.load(self.writeSigned(), watch=False)
        self.clock.advance(0.1)
        self.endSoon()
        self.advance()
        self.assertEqual(self.serial(NAME), 2)

    def test_renewalOfNameWithCapitals(self) -> None:
        """
        Signatures are renewed also if the operator has written the name of the zone with capitals.
        """
        zone = self.writeSigned()
        self.load(ZoneSettings({"name": "Example.ORG.", "file": zone.file, "sign": "default"}))
        self.clock.advance(0.1)
        self.endSoon()
        self.advance()
        self.assertEqual(self.serial(NAME), 2)

    def test_capitalsThatChange(self) -> None:
        """
        If only capitals of its name change in the settings, a zone is served all the time, its serial goes up, and its signatures are
        renewed as before.
        """
        zone = self.writeSigned()
        loading = self.load(zone)
        self.publisher.today = time
        self.clock.advance(0.1)
        self.writeSigned("a A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 2)
        waiting = loading.reload([ZoneSettings({"name": "Example.ORG.", "file": zone.file, "sign": "default"})])
        self.clock.advance(0.1)
        self.assertEqual(self.serial(NAME), 2)
        lines = self.finish(waiting)
        self.assertEqual(lines[0], "example.org.: is Example.ORG. now")
        self.assertIn("serial 2 is now 3, ", lines[-1])
        place = self.zones.at(APEX)
        assert place is not None
        place.signatures, place.signaturesRead = FirstEnd(10, APEX, SOA), (place.since, 3)
        self.advance()
        self.assertEqual(self.serial(NAME), 4)

    def test_sixtyDays(self) -> None:
        """
        For sixty days, each signature that is served has at least 13 days left, and a version is made less than once a day.
        """
        least = min([first - now for now, first, _ in self.hours(60)])
        self.assertGreater(least, 13 * 86400)
        self.assertLess(least, 14 * 86400)
        serial = self.serial(NAME)
        assert serial is not None
        self.assertLess(serial, 60)


def test_clockThatIsNotSet(tmp_path: Path) -> None:
    """
    At a time before this was written nothing is signed, and no key is made.
    """
    job = SignJob(str(tmp_path / "keys"), SigningPolicy(), None, 0.0)
    with pytest.raises(BadKey, match="^the clock is at 1970-01-01, before this program was written; nothing is signed until it is set$"):
        job.sign(ImageBuilder(APEX))
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("renew", "days", "said"),
    [
        (7, 38, "38 d after the last signing"), (7, 3650, "3650 d after"), (7, -38, "38 d before the last"), (7, 36, ""), (7, -36, ""),
        (60, 60, ""), (60, 91, "91 d after the last signing"),
    ],
)  # fmt: skip
def test_clockThatJumps(renew: int, days: int, said: str, tmp_path: Path) -> None:
    """
    With a clock that is far from when something was signed last nothing is signed, until the operator says that it is right. A renewal that
    is due is not far.

    @param renew: after how many days signatures are made anew.
    """
    policy = SigningPolicy(Validity(180 * 86400, renew * 86400))
    keys, clock = tmp_path / "signing" / "keys", tmp_path / "signing" / "clock"
    keys.mkdir(parents=True)
    begin = 1_900_000_000
    makeKeys(str(keys), APEX, ECDSA_P256, begin - 100 * 86400)
    SignJob(str(keys), policy, None, begin).sign(smallZone())
    assert clock.stat().st_mtime == begin
    job = SignJob(str(keys), policy, 7, begin + days * 86400)
    if said:
        with pytest.raises(BadKey, match=f"{said}.* on 2030-03-17; nothing is signed until it is set, or .*: touch {clock}$"):
            job.sign(smallZone())
        os.utime(clock, (begin + days * 86400, begin + days * 86400))
    job.sign(smallZone())
    assert clock.stat().st_mtime == begin + days * 86400


def test_clockIsNoLink(tmp_path: Path) -> None:
    """
    The time of no other file is changed.
    """
    other = tmp_path / "other"
    other.write_text("")
    before = other.stat().st_mtime_ns
    (tmp_path / "clock").symlink_to(other)
    with pytest.raises(StorageFault, match="/clock: cannot be written: .*symbolic links"):
        SignJob(str(tmp_path / "keys"), SigningPolicy(), None, time()).sign(smallZone())
    assert other.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("how", "last", "expected"),
    [
        ("increment", None, 5), ("increment", 4, 5), ("increment", 5, 6), ("increment", 90, 91),
        ("unixtime", None, 1_900_000_000), ("unixtime", 1_900_000_007, 1_900_000_008), ("dateserial", 2030031700, 2030031701),
    ],
)  # fmt: skip
def test_choiceOfSerial(how: str, last: int | None, expected: int, tmp_path: Path) -> None:
    """
    The next serial is behind that of the former version, and chosen as the settings say.
    """
    builder = smallZone(5)
    SignJob(str(tmp_path / "keys"), SigningPolicy(), last, 1_900_000_000, serial=how).sign(builder)
    assert Image(builder.finish()).serial == expected


@pytest.mark.parametrize(
    ("how", "serial", "last", "expected"),
    [
        ("unixtime", 1_900_000_500, None, 1_900_000_501), ("unixtime", 1_900_000_500, 1_900_000_007, 1_900_000_501),
        ("unixtime", 1_900_000_500, 1_900_000_600, 1_900_000_601), ("unixtime", 1_900_000_000, 7, 1_900_000_001),
        ("dateserial", 2030040100, None, 2030040101), ("dateserial", 2030040100, 2030031703, 2030040101),
    ],
)  # fmt: skip
def test_serialAheadOfTheTime(how: str, serial: int, last: int | None, expected: int, tmp_path: Path) -> None:
    """
    If the serial of the file or of the former version is ahead of the time, the next one is the newer of them plus one: it never goes back.
    """
    builder = smallZone(serial)
    SignJob(str(tmp_path / "keys"), SigningPolicy(), last, 1_900_000_000, serial=how).sign(builder)
    assert Image(builder.finish()).serial == expected


def smallZone(serial: int = 1) -> ImageBuilder:
    lines = [f"example.org. 60 SOA ns mail {serial} 10800 1800 86400 60", "example.org. 60 NS ns.example.com."]
    return builderOf([recordFromText(line) for line in lines])


def test_revokedKeys(tmp_path: Path) -> None:
    """
    A revoked key is not for the parent, and if there is no other, nothing is signed.
    """
    revoked = newKey(ECDSA_P256, 385)
    keys = tmp_path / "keys"
    keys.mkdir()
    saveKey(KeyFile(APEX, revoked, {}, {}, None), str(keys))
    with pytest.raises(BadKey, match=rf"none of them signs now: {revoked.tag} \(revoked\)$"):
        SignJob(str(keys), SigningPolicy(), None, time()).sign(ImageBuilder(APEX))
    (other,) = makeKeys(str(keys), APEX, ECDSA_P256, time())
    job = SignJob(str(keys), SigningPolicy(), None, time())
    job.sign(smallZone())
    said = [each for each in job.said if each.startswith("the parent needs")]
    assert len(said) == 1 and f" DS {other.key.tag} 13 2 " in said[0]


@pytest.mark.parametrize(
    ("expire", "said"),
    [(1123200, False), (1209600, "serves the zone for 14 d (SOA expire), and its signatures may end after 13 d"), (3600000, "for 41 d")],
)
def test_secondariesThatServeTooLong(expire: int, said: str | bool, tmp_path: Path) -> None:
    """
    The log says if a secondary may serve the zone for longer than the signatures that it has are valid.
    """
    soa = f"example.org. 60 SOA ns mail 1 10800 1800 {expire} 60"
    job = SignJob(str(tmp_path / "keys"), SigningPolicy(), None, time())
    job.sign(builderOf([recordFromText(soa), recordFromText("example.org. 60 NS ns.example.com.")]))
    found = [each for each in job.said if each.startswith("a secondary that loses this server")]
    assert len(found) == bool(said)
    assert all(str(said) in each and each.endswith("; an expire of at most 1123200 would do") for each in found)


def test_keysThatDoNotSignYet(tmp_path: Path) -> None:
    """
    No key is made where there are some that do not sign now.
    """
    makeKeys(str(tmp_path), APEX, ECDSA_P256, 4_000_000_000)
    with pytest.raises(BadKey, match=r"there are keys of example\.org\., but none of them signs now: \d+ \(Publish 20961002070640,"):
        Keyring(str(tmp_path), APEX, time())


@pytest.mark.parametrize(
    ("zone", "state", "said"),
    [
        ({"file": "/z", "catalog": "follow"}, "/state", "sign and catalog: zones that list others are not signed"),
        ({"store": "/z"}, "", "sign needs state, the folder where its keys are kept"),
        ({"file": "/z"}, "", "sign needs state, the folder where its keys are kept"),
    ],
)
def test_badSettings(zone: dict[str, object], state: str, said: str) -> None:
    """
    What cannot be signed is refused at the start.
    """
    settings = Settings.of(zone=[{"name": NAME, "sign": "default", **zone}], state=state)
    with patch.dict(os.environ, {"STATE_DIRECTORY": ""}), pytest.raises(BadDescription, match=said):
        checkZones(settings, zonesIn(settings))


def test_allZonesAreSigned(tmp_path: Path) -> None:
    """
    Zones that have a master file and nothing else are signed together, those of a folder too.
    """
    (tmp_path / "example.net.zone").write_text("")
    zones = ["example.org=/z", {"name": "example.com", "file": "/z", "notify": ["192.0.2.1"]}]
    settings = Settings.of(zone=zones, zones=[str(tmp_path)], sign="default", state="/state")
    assert {zone.text: zone.value("sign") for zone in zonesIn(settings)} == {
        "example.org.": "default",
        "example.com.": "none",
        "example.net.": "default",
    }
    with patch.dict(os.environ, {"STATE_DIRECTORY": ""}), pytest.raises(BadDescription, match="sign needs state"):
        plain = Settings.of(zone=["example.org=/z"], sign="default")
        checkZones(plain, zonesIn(plain))


def test_unsignedZonesTakeNothingOfIt() -> None:
    """
    Without a signed zone nothing that signs is imported, neither by a server nor by the processes that compile zones.
    """
    modules = ["twisted_ext.zone.build.jobs", "twisted_ext.server.zones.load.loader", "twisted_ext.server.zones.load.zoneset"]
    script = f"import sys, {', '.join(modules)}; print([name for name in sys.modules if '.sign' in name and 'signature' not in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
