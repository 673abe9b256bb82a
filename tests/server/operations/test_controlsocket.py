"""
Tests of the control socket: its path and its permissions.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from unittest.mock import patch

from twisted.internet.interfaces import IReactorUNIX
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import seenServer
from twisted_ext.apps.cli.server import client
from twisted_ext.apps.cli.terminal.exits import ExitError
from twisted_ext.errors import CallerFault
from twisted_ext.server.operations.controlpath import controlPaths
from twisted_ext.server.operations.controlservice import ControlService


class SocketTests(SynchronousTestCase):
    """
    Tests for the socket itself.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.reactor = _Reactor()

    def service(self, path: Path) -> ControlService:
        """
        Return a service for a path.
        """
        return ControlService(cast(IReactorUNIX, self.reactor), str(path), seenServer(Clock()).status)

    def test_onlyOwnerCanOpenSocket(self) -> None:
        """
        Only the owner can open the socket or the folder that is made for it.
        """
        path = self.folder / "run" / "control.sock"
        service = self.service(path)
        before = os.umask(0)
        try:
            service.startService()
            self.assertEqual(os.umask(0), 0)
        finally:
            os.umask(before)
        self.addCleanup(self.reactor.close)
        self.assertEqual(stat.S_IMODE(path.parent.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(self.reactor.mode, 0o600)

    def test_staleSocketIsReplaced(self) -> None:
        """
        A socket that a killed server left behind is replaced.
        """
        path = self.folder / "control.sock"
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(path))
        left.close()
        self.service(path).startService()
        self.addCleanup(self.reactor.close)
        self.assertTrue(path.is_socket())

    def test_socketInUseIsKept(self) -> None:
        """
        A socket of another running server is kept, and the error is one line.
        """
        path = self.folder / "control.sock"
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
            other.listen(1)
            with self.assertRaisesRegex(CallerFault, "another server listens at"):
                self.service(path).startService()
            self.assertTrue(path.is_socket())

    def test_regularFileIsKept(self) -> None:
        """
        A regular file at the path is not removed.
        """
        path = self.folder / "important"
        path.write_text("words")
        with self.assertRaisesRegex(CallerFault, "is not a socket"):
            self.service(path).startService()
        self.assertEqual(path.read_text(), "words")

    def test_writableFolderIsRefused(self) -> None:
        """
        A folder that others can write to is refused, since they could replace the socket; a folder with the sticky bit is accepted.
        """
        shared = self.folder / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        with self.assertRaisesRegex(CallerFault, "others can write to"):
            self.service(shared / "control.sock").startService()
        shared.chmod(0o1777)
        self.service(shared / "control.sock").startService()
        self.addCleanup(self.reactor.close)

    def test_folderOfAnotherUserIsRefused(self) -> None:
        """
        A folder of another user is refused.
        """
        with patch("os.geteuid", lambda: os.stat(self.folder).st_uid + 1):
            if os.stat(self.folder).st_uid == 0:
                # Folders of root are always trusted.
                os.chown(self.folder, 12345, -1)
            with self.assertRaisesRegex(CallerFault, "others can write to"):
                self.service(self.folder / "control.sock").startService()

    def test_folderErrorIsOneLine(self) -> None:
        """
        A folder that cannot be created is an error in one line.
        """
        (self.folder / "file").write_text("")
        with self.assertRaisesRegex(CallerFault, "^control: .*file"):
            self.service(self.folder / "file" / "x" / "control.sock").startService()

    def test_serverAndClientSharePaths(self) -> None:
        """
        The server and its clients look for the socket at the same paths unless one is named; none of them is in a folder that every user
        can write to.
        """
        self.assertEqual(controlPaths({"TXDNS_CONTROL": "/a/b"}, 0), ("/a/b",))
        self.assertEqual(controlPaths({"RUNTIME_DIRECTORY": "/run/x:/run/y"}, 0), ("/run/x/control.sock", "/run/txdns/control.sock"))
        self.assertEqual(controlPaths({}, 0), ("/run/txdns/control.sock",))
        session = {"XDG_RUNTIME_DIR": "/run/user/4711", "HOME": "/home/ann"}
        everywhere = (
            "/run/user/4711/txdns/control.sock", "/home/ann/.local/state/txdns/control.sock", "/run/txdns/control.sock"
        )  # fmt: skip
        self.assertEqual(controlPaths(session, 4711), everywhere)
        # Without a session, too.
        self.assertEqual(controlPaths({"HOME": "/home/ann"}, 4711), everywhere)
        self.assertEqual(controlPaths({"XDG_STATE_HOME": "/var/state"}, 4711)[1], "/var/state/txdns/control.sock")
        self.assertEqual(controlPaths({}, 4711), ("/run/user/4711/txdns/control.sock", "/run/txdns/control.sock"))
        self.assertEqual(controlPaths({"XDG_RUNTIME_DIR": "relative"}, 4711), controlPaths({}, 4711))

    def test_firstPrivateFolderIsUsed(self) -> None:
        """
        The first path in a folder that no other user can write to is used; the folder is created if it is missing.
        """
        shared, made = self.folder / "shared", self.folder / "a" / "b"
        shared.mkdir()
        shared.chmod(0o1777)
        (self.folder / "link").symlink_to(self.folder)
        (self.folder / "file").write_text("")
        paths = [str(folder / "control.sock") for folder in (self.folder / "file" / "x", shared, self.folder / "link", made)]
        ControlService(cast(IReactorUNIX, self.reactor), paths, seenServer(Clock()).status).startService()
        self.addCleanup(self.reactor.close)
        self.assertTrue((made / "control.sock").is_socket())
        self.assertEqual(stat.S_IMODE(made.stat().st_mode), 0o700)
        with self.assertRaisesRegex(CallerFault, f"{shared} is not a folder that only we can write to; .*name a path with --control"):
            ControlService(cast(IReactorUNIX, self.reactor), paths[:3], seenServer(Clock()).status).startService()

    def test_clientTriesEveryPath(self) -> None:
        """
        A client finds a server at each of the paths. If there is none, the error lists all paths with the reasons.
        """
        session, home = self.folder / "session", self.folder / "home"
        environment = {"XDG_RUNTIME_DIR": str(session), "HOME": str(home), "TXDNS_CONTROL": "", "RUNTIME_DIRECTORY": ""}
        paths = (str(session / "txdns" / "control.sock"), str(home / ".local" / "state" / "txdns" / "control.sock"))
        with patch.dict(os.environ, environment), patch.object(client, "controlPaths", lambda: paths):
            for path in map(Path, paths):
                path.parent.mkdir(0o700, parents=True)
                with socket.socket(socket.AF_UNIX) as listening:
                    listening.bind(str(path))
                    listening.listen(1)
                    self.assertEqual(client.ControlChannel().path, str(path))
            Path(paths[1]).unlink()
            Path(paths[0]).parent.chmod(0o777)
            with self.assertRaises(ExitError) as caught:
                client.ControlChannel()
            line = caught.exception.line
            self.assertIn(f"{paths[0]} (other users can write to its directory), {paths[1]}; name its socket with --socket", line)
            Path(paths[0]).parent.chmod(0o700)
            with self.assertRaises(ExitError) as caught:
                client.ControlChannel()
            self.assertIn(f"{paths[0]} (the server no longer runs)", caught.exception.line)


class _Reactor(Clock):
    """
    Binds real sockets and never serves them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.mode = 0
        self._sockets: list[socket.socket] = []

    def listenUNIX(self, address: str, factory: object, backlog: int = 50, mode: int = 0o666, wantPID: bool = False) -> object:
        """
        @see: L{IReactorUNIX.listenUNIX}
        """
        self.mode = mode
        bound = socket.socket(socket.AF_UNIX)
        bound.bind(address)
        self._sockets.append(bound)
        return bound

    def close(self) -> None:
        """
        Close the sockets.
        """
        for each in self._sockets:
            each.close()
