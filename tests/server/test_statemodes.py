"""
Tests of the permissions of the files and folders in which a server keeps its state.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from twisted.internet.task import Clock

from tests.server.zones.transfer.replicas import StepTestCase
from tests.server.zones.update.changed import UpdatedServer
from tests.zone.changing import ZONE, record
from twisted_ext.files import STATE_FILE, STATE_FOLDER
from twisted_ext.metrics.history import History
from twisted_ext.resolver.policy.rules.compiler import compileLists
from twisted_ext.resolver.recursive.encrypted import EncryptedAuthorities
from twisted_ext.server.operations.historyfile import HistoryFile
from twisted_ext.server.zones.images.imagefiles import Built, Images
from twisted_ext.zone.build.jobs import CompileJobs


def modesIn(folder: Path) -> dict[str, int]:
    """
    Return the permissions of everything below a folder, by path.
    """
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


class StateModeTests(StepTestCase):
    """
    Tests for L{STATE_FILE} and L{STATE_FOLDER}.
    """

    def setUp(self) -> None:
        super().setUp()
        # The files differ most where the umask takes nothing.
        self.addCleanup(os.umask, os.umask(0))

    def check(self, folder: Path, *names: str) -> None:
        """
        Check the permissions of all that is in a folder, and that some files are there.
        """
        modes = modesIn(folder)
        wrong = {path: oct(mode) for path, mode in modes.items() if mode != (STATE_FOLDER if (folder / path).is_dir() else STATE_FILE)}
        self.assertEqual(wrong, {})
        for name in names:
            self.assertTrue([path for path in modes if path.endswith(name)], (name, modes))

    def test_secondaryZones(self) -> None:
        """
        The images, journals and timers of secondary zones, and who owns members of catalogs.
        """
        folder = Path(self.folder)
        self.secondary.end()
        self.network.advance(1)
        self.secondary.folder = str(folder / "umask" / "state")
        self.secondary.begin()
        self.begin()
        self.primary.change("new 300 A 192.0.2.9")
        self.network.advance(5)
        self.secondary.replication.cataloging.owners._replace()
        self.check(folder / "umask", ".changes", ".times", ".image", "catalogs")

    def test_updatedZones(self) -> None:
        """
        The journals of updated zones.
        """
        folder = Path(self.mktemp())
        folder.mkdir()
        server = UpdatedServer(path=str(folder / "journal"))
        server.update(record("new 60 A 192.0.2.9"))
        closed = server.updating.close()
        server.disk.settle()
        self.successResultOf(closed)
        self.check(folder, "journal")

    def test_images(self) -> None:
        """
        The images of master files, alone and many in one file, and their index, when it is appended to and when it is written anew.
        """
        folder = Path(self.mktemp())
        images = Images(str(folder / "state"))
        file = folder.parent / "example.org"
        file.write_text(f"$ORIGIN example.org.\n{ZONE}")
        jobs = CompileJobs()
        several = []
        for number, image in enumerate((images.newPath(), None)):
            lines: list[dict[str, object]] = [{"name": "example.org.", "path": str(file)}]
            if image is None:
                lines.insert(0, {"pack": images.newPath()})
            else:
                lines[0]["image"] = image
            result = [jobs.perform(json.dumps(line).encode()) for line in lines][-1]
            several.append(Built(f"zone{number}.", str(result["image"]), 0, 0, 1, 1, ()))
        jobs.end()
        images.note(several)
        self.check(folder, "index", ".image")
        images._rewrite()
        images.close()
        self.check(folder, "index", "lock")

    def test_otherFiles(self) -> None:
        """
        The history, the table of block lists, and the servers that support TLS.
        """
        folder = Path(self.mktemp())
        listed = folder.parent / "ads"
        listed.write_text("ads.example\n")
        HistoryFile(Clock(), str(folder / "history"), History(lambda: 0.0))._write(b"{}")
        compileLists(str(folder / "history" / "table"), "", [f"block:{listed}"])
        EncryptedAuthorities(Clock(), str(folder / "tls"))._saved(None, b"")
        self.check(folder, "history.json", "table", "encrypted-servers")
