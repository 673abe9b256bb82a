"""
Tests of the manhole: who gets in, and what is there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.typed import newCannotListen, newMemoryReactor, observing

pytest.importorskip("twisted.conch.manhole_ssh", reason="Twisted's conch is not installed")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.channel import SSHChannel
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import packRequest_pty_req
from twisted.conch.ssh.transport import SSHClientTransport
from twisted.conch.ssh.userauth import SSHUserAuthClient
from twisted.test.iosim import IOPump, connect, makeFakeClient, makeFakeServer

from tests.server.operations.seeing import sightOf
from twisted_ext.apps.manhole import AuthorizedKeys, ManholeService, hostKey, manholeFactory, namespaceFor
from twisted_ext.errors import CallerFault
from twisted_ext.server.limits import MANHOLE_SECONDS

#: What a client's key is called; nobody looks at it.
USER: Final = b"operator"


def newKey() -> Key:
    """
    @return: a private key.
    """
    return Key(Ed25519PrivateKey.generate())


class _Typing(SSHChannel):
    """
    A terminal at which something is typed.
    """

    name = b"session"
    conn: _Connection

    def channelOpen(self, data: bytes) -> None:
        """
        @see: L{SSHChannel.channelOpen}
        """
        self.conn.client.terminal = self
        self.conn.sendRequest(self, b"pty-req", packRequest_pty_req(b"vt100", (24, 80, 0, 0), b""))
        self.conn.sendRequest(self, b"shell", b"")

    def dataReceived(self, data: bytes) -> None:
        """
        @see: L{SSHChannel.dataReceived}
        """
        self.conn.client.screen += data


class _Connection(SSHConnection):
    """
    What runs once somebody is in.
    """

    def __init__(self, client: Client) -> None:
        SSHConnection.__init__(self)
        self.client = client

    def serviceStarted(self) -> None:
        """
        @see: L{SSHConnection.serviceStarted}
        """
        self.client.inside = True
        self.openChannel(_Typing(conn=self))


class _Showing(SSHUserAuthClient):
    """
    Shows a key, or a password.
    """

    key: Key | None = None

    def getPublicKey(self) -> Key | None:
        """
        @see: L{SSHUserAuthClient.getPublicKey}
        """
        key, self.key = self.key, None
        self._private = key
        return None if key is None else key.public()

    def getPrivateKey(self) -> Deferred[Key]:
        """
        @see: L{SSHUserAuthClient.getPrivateKey}
        """
        assert self._private is not None
        return succeed(self._private)

    def getPassword(self, prompt: bytes | None = None) -> Deferred[bytes]:
        """
        @see: L{SSHUserAuthClient.getPassword}
        """
        return succeed(b"password")

    def getGenericAnswers(self, name: bytes, instruction: bytes, prompts: object) -> Deferred[list[bytes]]:
        """
        @see: L{SSHUserAuthClient.getGenericAnswers}
        """
        return fail(RuntimeError("nothing to say"))


class Client(SSHClientTransport):
    """
    Somebody who wants to get in.

    @ivar inside: whether they are.
    @ivar screen: what their terminal was sent.
    """

    def __init__(self, key: Key | None) -> None:
        self.inside = False
        self.screen = b""
        self.terminal: SSHChannel | None = None
        self._key = key

    def verifyHostKey(self, pubKey: bytes, fingerprint: bytes) -> Deferred[bool]:
        """
        @see: L{SSHClientTransport.verifyHostKey}
        """
        return succeed(True)

    def connectionSecure(self) -> None:
        """
        @see: L{SSHClientTransport.connectionSecure}
        """
        showing = _Showing(USER, _Connection(self))
        showing.key = self._key
        self.requestService(showing)


class ManholeTests(SynchronousTestCase):
    """
    Tests for the manhole, over a connection that is none.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.keys = Path(folder.name) / "keys"
        self.key = newKey()
        self.write(self.key)
        self.clock = Clock()
        self.sight = sightOf(self.clock)

    def write(self, *keys: Key) -> None:
        """
        Write these public keys down.
        """
        lines = [key.public().toString("openssh") for key in keys]
        self.keys.write_bytes(b"# those who may\n" + b"\n".join(lines) + b"\n")
        self.keys.chmod(0o600)

    def connect(self, key: Key | None) -> tuple[Client, IOPump]:
        """
        @return: somebody with this key, and what carries their words.
        """
        factory = manholeFactory(self.clock, AuthorizedKeys(str(self.keys)), newKey(), namespaceFor(self.sight))
        factory.startFactory()
        server = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 9))
        client = Client(key)
        pump = connect(server, makeFakeServer(server), client, makeFakeClient(client))
        pump.flush()
        self.server = server
        return client, pump

    def typeIn(self, client: Client, pump: IOPump, text: bytes) -> bytes:
        """
        @return: what the terminal shows then.
        """
        client.screen = b""
        assert client.terminal is not None
        for octet in text:
            client.terminal.write(bytes([octet]))
            pump.flush()
        return client.screen

    def test_in(self) -> None:
        """
        Who has a key that is in the file finds the live objects of the server, and what they type is written down.
        """
        client, pump = self.connect(self.key)
        self.assertTrue(client.inside)
        self.sight.counters.udp = 4711
        self.assertIn(b"4711", self.typeIn(client, pump, b"counters.udp\r"))
        self.typeIn(client, pump, b"counters.udp = 12\r")
        self.assertEqual(self.sight.counters.udp, 12)
        self.assertIn(b"ZeroDivisionError", self.typeIn(client, pump, b"1/0\r"))
        client.loseConnection()
        pump.flush()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_names(self) -> None:
        """
        What is at hand is the server and its parts.
        """
        names = namespaceFor(self.sight, more=1)
        self.assertIs(names["server"], self.sight)
        self.assertIs(names["caching"], self.sight.caching)
        self.assertEqual(names["more"], 1)
        self.assertNotIn("lane", names)

    def test_out(self) -> None:
        """
        With another key, or with none but a password, nobody gets in.
        """
        for key in (newKey(), None):
            client, _ = self.connect(key)
            self.assertFalse(client.inside)

    def test_removed(self) -> None:
        """
        A key that is taken out of the file opens no more, without a restart; one that is put in does.
        """
        other = newKey()
        self.write(other)
        self.assertFalse(self.connect(self.key)[0].inside)
        self.assertTrue(self.connect(other)[0].inside)

    def test_writable(self) -> None:
        """
        A file that others can write to opens for nobody, not even for those in it; and a server does not start with one.
        """
        for mode in (0o620, 0o602):
            self.keys.chmod(mode)
            self.assertFalse(self.connect(self.key)[0].inside)
            with self.assertRaisesRegex(CallerFault, "others can write"):
                AuthorizedKeys(str(self.keys)).check()

    def test_gone(self) -> None:
        """
        Without the file nobody gets in.
        """
        self.keys.unlink()
        self.assertFalse(self.connect(self.key)[0].inside)

    def test_patience(self) -> None:
        """
        Who connects and shows no key is given up; who is inside may take their time.
        """
        self.connect(None)
        silent = manholeFactory(self.clock, AuthorizedKeys(str(self.keys)), newKey(), {})
        silent.startFactory()
        protocol = silent.buildProtocol(IPv4Address("TCP", "127.0.0.1", 9))
        transport = makeFakeServer(protocol)
        protocol.makeConnection(transport)
        client, pump = self.connect(self.key)
        self.clock.advance(MANHOLE_SECONDS.default + 1)
        self.assertTrue(transport.disconnecting)
        self.assertIn(b"2", self.typeIn(client, pump, b"1+1\r"))


class FileTests(SynchronousTestCase):
    """
    Tests for keys in files, and for what a server is told to do with them.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_hostKey(self) -> None:
        """
        The server's own key is made once, for its owner only, and is the same after a restart.
        """
        path = self.folder / "keys.host"
        first = hostKey(str(path))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(hostKey(str(path)), first)

    def test_hostKeyJunk(self) -> None:
        """
        A file with something else in it is an error in one line, and is left alone.
        """
        path = self.folder / "keys.host"
        for junk in (b"", b"junk", b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n-----END OPENSSH PRIVATE KEY-----\n"):
            path.write_bytes(junk)
            with self.assertRaisesRegex(CallerFault, "no private key"):
                hostKey(str(path))
            self.assertEqual(path.read_bytes(), junk)

    def test_hostKeyNowhere(self) -> None:
        """
        Where the key cannot be written there is one for this run.
        """
        self.assertIsNotNone(hostKey(str(self.folder / "none" / "keys.host")))

    def test_closed(self) -> None:
        """
        There is no manhole without keys: none named, none in the file, no file, a file of somebody else's.
        """
        reactor = newMemoryReactor()
        empty = self.folder / "empty"
        empty.write_text("# nobody\n")
        empty.chmod(0o600)
        for keys, words in (("", "manhole-keys"), (str(empty), "no public key"), (str(self.folder / "none"), "No such file")):
            with self.assertRaisesRegex(CallerFault, words):
                ManholeService(reactor, "tcp:5022:interface=127.0.0.1", keys, {})
        self.patch(os, "geteuid", lambda: 54321)
        os.chown(empty, 12345, -1) if empty.stat().st_uid == 0 else None
        with self.assertRaisesRegex(CallerFault, "belongs to neither"):
            AuthorizedKeys(str(empty)).check()

    def test_endpoint(self) -> None:
        """
        An endpoint that is none is an error in one line; one that is, is listened at, and no more afterwards.
        """
        keys = self.folder / "keys"
        keys.write_bytes(newKey().public().toString("openssh"))
        keys.chmod(0o600)
        reactor = newMemoryReactor()
        for wrong in ("nope:1", "tcp", "tcp:x", ""):
            with self.assertRaisesRegex(CallerFault, "write one such as tcp:5022"):
                ManholeService(reactor, wrong, str(keys), {})
        service = ManholeService(reactor, "tcp:5022:interface=127.0.0.1", str(keys), {})
        service.startService()
        self.assertEqual([(server[0], server[3]) for server in reactor.tcpServers], [(5022, "127.0.0.1")])
        self.successResultOf(service.stopService())
        self.assertIsNone(service.port)

    def test_inUse(self) -> None:
        """
        A port that somebody else has is an error in one line.
        """
        keys = self.folder / "keys"
        keys.write_bytes(newKey().public().toString("openssh"))
        keys.chmod(0o600)
        reactor = newMemoryReactor()

        def taken(port: int, factory: object, backlog: int = 50, interface: str = "") -> object:
            raise newCannotListen(interface, port, OSError(98, "Address already in use"))

        self.patch(reactor, "listenTCP", taken)
        said: list[LogEvent] = []
        observer = observing(said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        service = ManholeService(reactor, "tcp:5022:interface=127.0.0.1", str(keys), {})
        said.clear()
        with self.assertRaisesRegex(CallerFault, "^manhole: cannot listen at tcp:5022:interface=127.0.0.1: .*already in use"):
            service.startService()
        # Whoever gets the error tells it.
        self.assertEqual(said, [])
        self.successResultOf(service.stopService())
