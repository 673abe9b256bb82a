"""
Tests of L{twisted_ext.server.zones.signing.door}: zones of files, from their unsigned images to signed ones.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import time
from unittest.mock import patch

from tests.server.zones.load.signed import APEX, NAME, SignedLoadingCase
from tests.zone.sign.zones import bySet, setsOf
from twisted_ext.dnssec.algorithms import ECDSA_P256
from twisted_ext.dnssec.privatekeys.keyring import makeKeys
from twisted_ext.server.config.signingpolicy import SigningPolicySettings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.zones.images import compilers
from twisted_ext.server.zones.load.loader import ZoneLoader
from twisted_ext.server.zones.signing.door import SigningDoor
from twisted_ext.server.zones.signing.signedzone import SignedZone
from twisted_ext.server.zones.table.zonetable import Zones
from twisted_ext.wire.rrtypes import DNSKEY, NSEC3PARAM, RRSIG
from twisted_ext.zone.sign.job import SignJob
from twisted_ext.zone.sign.policy import SigningPolicy
from twisted_ext.zone.store.image import Image
from twisted_ext.zone.store.version import Version
from twisted_ext.zone.zonefile.reader import readMaster

#: Delegations with and without DS, names below them, DNAME, wildcards, and signatures that another signer has made.
_MORE = """
a A 192.0.2.1
*.w TXT "x"
Sub NS ns.sub
ns.sub A 192.0.2.2
ds NS ns.sub
ds DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
d DNAME example.com.
below.d A 192.0.2.3
a RRSIG A 13 3 300 20200101000000 20190101000000 1 example.org. AAAA
a NSEC ds A RRSIG NSEC
"""


class DoorTests(SignedLoadingCase):
    """
    Tests with one zone, of a file.
    """

    def unsignedImage(self) -> tuple[str, int, int]:
        """
        Return path, number and time of the file with the unsigned image.
        """
        (path,) = (self.folder / "state" / "zones").glob("*.image")
        found = path.stat()
        return str(path), found.st_ino, found.st_mtime_ns

    def image(self) -> Path:
        """
        Return the file with the signed image.
        """
        (path,) = (self.folder / "state" / "signed").glob("*.image")
        return path

    loading: ZoneLoader

    def restart(self, zone: ZoneSettings, *, run: bool = True) -> None:
        self.close(self.loading)
        self.zones = Zones()
        self.loading = self.load(zone, run=run)

    def test_imageIsAsIfTheFileWasSigned(self) -> None:
        """
        What is served is what signing the records of the file at that time gives, octet by octet.
        """
        now = int(time())
        with patch.object(compilers, "time", lambda: now):
            zone = self.writeSigned(_MORE)
            self.load(zone)
        served = Version(Image.open(str(self.image())))
        builder = readMaster(zone.file, APEX, path=zone.file).builder
        SignJob(str(self.keys), SigningPolicy(), None, now).sign(builder)
        self.assertEqual(bySet([rrset for node in served.nodes() for rrset in node.sets]), setsOf(builder))
        self.assertIn("2 signatures and denials that it had are replaced", self.said())

    def test_originIsLeftAsItIs(self) -> None:
        """
        A key that comes, another policy and a renewal make a signed version, and leave the unsigned one as it is: what comes from it, such
        as changes, is not lost.
        """
        zone = self.writeSigned(_MORE)
        loading = self.load(zone)
        before = self.unsignedImage()
        self.compilers.made = 0
        makeKeys(str(self.keys), APEX, ECDSA_P256, time())
        self.advance()
        self.assertEqual((self.serial(NAME), self.compilers.made, self.unsignedImage()), (2, 1, before))
        zone.signing = SigningPolicySettings.fromText("p=denial=nsec3").policy
        self.finish(loading.reload([zone]))
        self.assertEqual((self.serial(NAME), self.compilers.made, self.unsignedImage()), (3, 2, before))
        self.assertIn(NSEC3PARAM, self.types())
        with patch.object(SignedZone, "isDue", return_value=True):
            self.advance()
        self.assertEqual((self.serial(NAME), self.compilers.made, self.unsignedImage()), (4, 3, before))

    def test_endedBetweenTheTwo(self) -> None:
        """
        A server that ended when a zone was compiled and not signed yet signs it at its next start, and does not compile it again.
        """
        zone = self.writeSigned(_MORE)
        with patch.object(SigningDoor, "sign"):
            self.loading = self.load(zone)
        self.assertEqual((self.compilers.made, self.types()), (1, set()))
        before = self.unsignedImage()
        self.restart(zone)
        self.assertEqual((self.serial(NAME), self.compilers.made, self.unsignedImage()), (1, 1, before))
        self.assertIn(RRSIG, self.types())

    def test_unchangedOrNot(self) -> None:
        """
        A file that was touched, and has the same records, is signed again with another serial; one that is as it was is not.
        """
        zone = self.writeSigned(_MORE)
        self.loading = self.load(zone)
        self.restart(zone)
        self.assertEqual((self.serial(NAME), self.compilers.made), (1, 0))
        self.writeSigned(_MORE)
        self.advance()
        self.assertEqual(self.serial(NAME), 2)

    def test_damagedUnsignedImage(self) -> None:
        """
        If the unsigned image is damaged when a zone is to be signed again, the log says so, what is served stays, and the file is compiled
        again.
        """
        zone = self.writeSigned(_MORE)
        self.load(zone)
        path = Path(self.unsignedImage()[0])
        octets = bytearray(path.read_bytes())
        octets[-9] ^= 1
        path.write_bytes(octets)
        makeKeys(str(self.keys), APEX, ECDSA_P256, time())
        self.advance()
        self.assertIn("the image is damaged", self.said())
        self.assertIn("example.org.: serial 1 stays in force", self.said())
        self.clock.advance(60)
        self.advance()
        self.assertEqual(self.serial(NAME), 2)

    def test_keyThatIsPutBack(self) -> None:
        """
        A zone whose keys were gone is signed once they are back, without a reload.
        """
        zone = self.writeSigned(_MORE)
        self.load(zone)
        away = self.keys.rename(self.folder / "away")
        self.advance()
        self.assertIn("the keys that signed example.org. are gone", self.said())
        self.writeSigned("b A 192.0.2.1\n")
        self.advance()
        self.assertEqual(self.serial(NAME), 1)
        away.rename(self.keys)
        self.advance()
        self.assertEqual(self.serial(NAME), 2)

    def test_damagedSignedImage(self) -> None:
        """
        A signed image that turns out to be damaged is made again when the zone is reloaded, although nothing has changed.
        """
        zone = self.writeSigned(_MORE)
        loading = self.load(zone)
        self.assertEqual(self.finish(loading.reloadZone(APEX))[-1], "example.org.: serial 1 is now 2, 34 records")

    def test_imagesOfAnEarlierRelease(self) -> None:
        """
        Signed images were kept among the others, with their policies as a stage: they are served at once, and not signed again.
        """
        zone = self.writeSigned(_MORE)
        self.loading = self.load(zone)
        signed, zones = self.folder / "state" / "signed", self.folder / "state" / "zones"
        self.close(self.loading)
        entry = json.loads((signed / "index").read_text())
        entry[7] = json.dumps({"sign": json.loads(entry[7])})
        former = self.image()
        entry[1] = str(zones / "7.0123abcd.image")
        os.rename(former, entry[1])
        (signed / "index").unlink()
        (zones / "index").write_text(json.dumps(entry) + "\n")
        self.zones = Zones()
        self.load(zone, run=False)
        self.assertIn(RRSIG, self.types())
        self.compilers.run()
        self.clock.advance(0.1)
        self.compilers.run()
        self.clock.advance(0.1)
        self.assertEqual((self.serial(NAME), self.compilers.made), (1, 1))
        self.assertEqual([len([*folder.glob("*.image")]) for folder in (signed, zones)], [1, 1])

    def test_signedNoMoreAtARestart(self) -> None:
        """
        If a zone is to be signed no more at the next start, it is served without signatures, the log warns, and its signed image goes.
        """
        self.loading = self.load(self.writeSigned(_MORE))
        self.events.clear()
        self.restart(self.writeSigned(_MORE, sign=False))
        self.clock.advance(0.1)
        self.assertNotIn(DNSKEY, self.types())
        self.assertIn("example.org.: it is no longer signed; while its parent has a DS record for it", self.said())
        self.assertEqual([*(self.folder / "state" / "signed").glob("*.image")], [])
