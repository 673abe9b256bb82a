"""
Tests of L{twisted_ext.server.config.secretfiles}, and of when code that makes zones is run.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.zone.changing import zoneOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.secretfiles import refuseForeign
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.zones.load.zoneset import ZoneSet
from twisted_ext.zone.zone import Zone


class OwnershipTestCase(SynchronousTestCase):
    """
    A file of Python code in its own folder.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.file = self.folder / "zone.py"
        self.file.write_text("zone = []\n")
        self.file.chmod(0o644)

    def refusalText(self, *, owners: bool = True, path: Path | None = None) -> str:
        """
        Return the error with which the file is refused.
        """
        with self.assertRaises(BadDescription) as raised:
            refuseForeign("pyzone", str(path or self.file), owners=owners)
        text = str(raised.exception)
        self.assertEqual(text.count("\n"), 0)
        return text


class RefuseTests(OwnershipTestCase):
    """
    Tests for L{refuseForeign}.
    """

    def test_ownFileIsAccepted(self) -> None:
        """
        A file of the server's user is accepted in folders of that user or root, and in a folder with the sticky bit.
        """
        refuseForeign("pyzone", str(self.file))
        self.folder.chmod(0o1777)
        refuseForeign("pyzone", str(self.file))

    def test_fileWritableByOthersIsRefused(self) -> None:
        """
        A file that its group or others can write to is refused, and so is a file in such a folder; the error has the command that fixes it.
        """
        for place, mode in ((self.file, 0o664), (self.file, 0o646), (self.folder, 0o775), (self.folder, 0o757)):
            before = place.stat().st_mode
            place.chmod(mode)
            for owners in (True, False):
                text = f"pyzone: {self.file} is not run: other users can write to {place}; chmod go-w {place}"
                self.assertEqual(self.refusalText(owners=owners), text)
            place.chmod(before)

    def test_writableAncestorIsRefused(self) -> None:
        """
        A file is refused if others can write to any folder above it.
        """
        deep = self.folder / "a" / "b"
        deep.mkdir(parents=True)
        moved = self.file.rename(deep / "zone.py")
        self.folder.chmod(0o777)
        self.assertIn(f"write to {self.folder};", self.refusalText(path=moved))

    def test_linkAndItsTargetAreChecked(self) -> None:
        """
        Both the folder of a symbolic link and the folder of its target are checked.
        """
        other = self.folder / "open"
        other.mkdir()
        other.chmod(0o777)
        link = other / "zone.py"
        link.symlink_to(self.file)
        self.assertIn(f"write to {other};", self.refusalText(path=link))
        moved = self.file.rename(other / "real.py")
        back = self.folder / "back.py"
        back.symlink_to(moved)
        self.assertIn(f"write to {other};", self.refusalText(path=back))

    def test_fileOfAnotherUserIsRefused(self) -> None:
        """
        A file of a user other than root and the server's user is refused; the owner is not checked before the server drops privileges.
        """
        self.patch(os, "geteuid", lambda: 54321)
        if self.folder.stat().st_uid == 0:
            os.chown(self.file, 12345, -1)
        self.assertIn("belongs to neither root nor the user of the server", self.refusalText())
        refuseForeign("pyzone", str(self.file), owners=False)

    def test_missingFileIsOneLineError(self) -> None:
        """
        A missing file is an error in one line.
        """
        self.assertIn("No such file", self.refusalText(path=self.folder / "none.py"))


class RunTests(OwnershipTestCase):
    """
    Tests of when the code of C{pyzone} is run.
    """

    def setUp(self) -> None:
        super().setUp()
        self.ran: list[str] = []

    def make(self, path: str) -> Zone:
        """
        Return a zone.
        """
        self.ran.append(path)
        return zoneOf()

    def makeZoneSet(self) -> ZoneSet:
        """
        Return the zones of a server with such code.
        """
        return ZoneSet(Clock(), Settings.of(role="serve", pyzone=(str(self.file),)), fromPython=self.make)

    def test_codeRunsWhenServiceStarts(self) -> None:
        """
        The code runs when the service starts, after privileges are dropped, and not when the service is created.
        """
        zoneSet = self.makeZoneSet()
        self.assertEqual((self.ran, zoneSet.any), ([], True))
        zoneSet.begin()
        self.assertEqual(self.ran, [str(self.file)])
        self.assertEqual(len(list(zoneSet.zones)), 1)

    def test_writableCodeIsNotRun(self) -> None:
        """
        Code that others can change is not run, neither at creation nor if its mode changes before the start.
        """
        self.file.chmod(0o666)
        with self.assertRaisesRegex(BadDescription, "is not run"):
            self.makeZoneSet()
        self.file.chmod(0o644)
        zoneSet = self.makeZoneSet()
        self.file.chmod(0o666)
        with self.assertRaisesRegex(BadDescription, "is not run"):
            zoneSet.begin()
        self.assertEqual(self.ran, [])
