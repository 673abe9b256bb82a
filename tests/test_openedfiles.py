"""
Tests of L{twisted_ext.files} and of all code that opens files named in settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.apps.manhole import AuthorizedKeys, hostKey
from twisted_ext.errors import DNSFault
from twisted_ext.files import openNow
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import apexIn
from twisted_ext.server.zones.load.databases.sqlite import SQLiteStore
from twisted_ext.zone.zonefile.reader import readMaster


class OpeningTests(SynchronousTestCase):
    """
    Tests for L{openNow} and its users.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.pipe = str(self.folder / "pipe")
        os.mkfifo(self.pipe)

    def test_onlyFilesAreOpened(self) -> None:
        """
        Files and C{/dev/null} are opened; a pipe, a device and a folder are refused, and no descriptor stays open.
        """
        path = self.folder / "file"
        path.write_bytes(b"some")
        with open(path, "rb", opener=openNow) as file:
            self.assertEqual(file.read(), b"some")
        with open("/dev/null", "rb", opener=openNow) as file:
            self.assertEqual(file.read(), b"")
        none = str(self.folder / "none")
        closed: list[int] = []
        with patch.object(os, "close", closed.append):
            for wrong, message in (
                (self.pipe, "a file was expected"),
                ("/dev/zero", "a file was expected"),
                (str(self.folder), "directory"),
                (none, "No such file"),
            ):
                with self.assertRaises(OSError) as caught:
                    open(wrong, "rb", opener=openNow)
                self.assertIn(message, str(caught.exception))
        self.assertGreaterEqual(len(closed), 2)
        for number in closed:
            os.close(number)

    def test_pipeForAnySettingIsRefused(self) -> None:
        """
        A pipe in place of any file named in settings is a one-line error with its path or the setting, without blocking, even if it was put
        there after the settings were read.
        """
        attempts: list[Callable[[], object]] = [
            partial(Settings.of, **{key: self.pipe})
            for key in ("keyFile", "cookieSecret", "hostsFile", "resolvConf", "manholeKeys")
        ]
        attempts += [partial(Settings.of, **{key: [self.pipe]}) for key in ("localFile", "pyzone", "zones")]
        attempts += [
            partial(Keys.fromFile, self.pipe),
            partial(apexIn, self.pipe),
            partial(SQLiteStore, self.pipe),
            AuthorizedKeys(self.pipe).check,
            partial(hostKey, self.pipe),
        ]
        for each in attempts:
            with self.assertRaises(DNSFault) as caught:
                each()
            message = str(caught.exception)
            self.assertIn("file", message, each)
            self.assertNotIn("\n", message)
        (complaint,) = readMaster(self.pipe, b"\x00").complaints
        self.assertIn("is not a file", str(complaint.text))
