"""
Tests of the manhole: its access control and its namespace.
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

from tests.server.operations.seeing import seenServer
from twisted_ext.apps.manhole import AuthorizedKeys, ManholeService, hostKey, manholeFactory, namespaceFor
from twisted_ext.errors import CallerFault
from twisted_ext.server.limits import MANHOLE_SECONDS

#: The client's user name, which is ignored.
USER: Final = b"operator"


def newKey() -> Key:
    """
    Return a private key.
    """
    return Key(Ed25519PrivateKey.generate())


class _TerminalChannel(SSHChannel):
    """
    A terminal session.
    """

    name = b"session"
    conn: _SSHConnection

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


class _SSHConnection(SSHConnection):
    """
    The connection after the log-in.
    """

    def __init__(self, client: Client) -> None:
        SSHConnection.__init__(self)
        self.client = client

    def serviceStarted(self) -> None:
        """
        @see: L{SSHConnection.serviceStarted}
        """
        self.client.inside = True
        self.openChannel(_TerminalChannel(conn=self))


class _KeyAuthClient(SSHUserAuthClient):
    """
    Offers a key, or a password.
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
    An SSH client that tries to log in.

    @ivar inside: whether the log-in succeeded.
    @ivar screen: the output at the terminal.
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
        authentication = _KeyAuthClient(USER, _SSHConnection(self))
        authentication.key = self._key
        self.requestService(authentication)


class ManholeTests(SynchronousTestCase):
    """
    Tests of the manhole over a fake connection.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.keys = Path(folder.name) / "keys"
        self.key = newKey()
        self.writeKeys(self.key)
        self.clock = Clock()
        self.seen = seenServer(self.clock)

    def writeKeys(self, *keys: Key) -> None:
        """
        Write the public keys to the file.
        """
        lines = [key.public().toString("openssh") for key in keys]
        self.keys.write_bytes(b"# those who may\n" + b"\n".join(lines) + b"\n")
        self.keys.chmod(0o600)

    def connect(self, key: Key | None) -> tuple[Client, IOPump]:
        """
        Return a client with this key, and its pump.
        """
        factory = manholeFactory(self.clock, AuthorizedKeys(str(self.keys)), newKey(), namespaceFor(self.seen.status))
        factory.startFactory()
        server = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 9))
        client = Client(key)
        pump = connect(server, makeFakeServer(server), client, makeFakeClient(client))
        pump.flush()
        self.server = server
        return client, pump

    def typeIn(self, client: Client, pump: IOPump, text: bytes) -> bytes:
        """
        Type the text and return the output.
        """
        client.screen = b""
        assert client.terminal is not None
        for octet in text:
            client.terminal.write(bytes([octet]))
            pump.flush()
        return client.screen

    def test_listedKeyOpensTheServer(self) -> None:
        """
        A listed key gives access to the live objects of the server.
        """
        client, pump = self.connect(self.key)
        self.assertTrue(client.inside)
        self.seen.counters.udp = 4711
        self.assertIn(b"4711", self.typeIn(client, pump, b"counters.udp\r"))
        self.typeIn(client, pump, b"counters.udp = 12\r")
        self.assertEqual(self.seen.counters.udp, 12)
        self.assertIn(b"ZeroDivisionError", self.typeIn(client, pump, b"1/0\r"))
        client.loseConnection()
        pump.flush()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_namespaceHasServerParts(self) -> None:
        """
        The namespace has the server and its parts.
        """
        names = namespaceFor(self.seen.status)
        self.assertIs(names["server"], self.seen.status)
        self.assertIs(names["caching"], self.seen.caching)
        self.assertNotIn("packetCache", names)

    def test_otherKeysAndPasswordsAreRefused(self) -> None:
        """
        Other keys and passwords are refused.
        """
        for key in (newKey(), None):
            client, _ = self.connect(key)
            self.assertFalse(client.inside)

    def test_keyFileAppliesAtOnce(self) -> None:
        """
        Changes of the key file apply without a restart.
        """
        other = newKey()
        self.writeKeys(other)
        self.assertFalse(self.connect(self.key)[0].inside)
        self.assertTrue(self.connect(other)[0].inside)

    def test_writableKeyFileIsRefused(self) -> None:
        """
        A key file that other users can write to grants no access, and a server does not start with it.
        """
        for mode in (0o620, 0o602):
            self.keys.chmod(mode)
            self.assertFalse(self.connect(self.key)[0].inside)
            with self.assertRaisesRegex(CallerFault, "other users can write"):
                AuthorizedKeys(str(self.keys)).check()

    def test_missingKeyFileGrantsNothing(self) -> None:
        """
        A missing key file grants no access.
        """
        self.keys.unlink()
        self.assertFalse(self.connect(self.key)[0].inside)

    def test_silentClientIsDisconnected(self) -> None:
        """
        A client that does not log in is disconnected; an open session may stay idle.
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


class KeyFileTests(SynchronousTestCase):
    """
    Tests for key files and for the settings of the service.
    """

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_hostKeyIsStored(self) -> None:
        """
        The host key is created once, readable for its owner only, and stays the same after a restart.
        """
        path = self.folder / "keys.host"
        first = hostKey(str(path))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertEqual(hostKey(str(path)), first)

    def test_invalidHostKeyFileIsKept(self) -> None:
        """
        An invalid host key file is a one-line error and is not changed.
        """
        path = self.folder / "keys.host"
        for junk in (b"", b"junk", b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx\n-----END OPENSSH PRIVATE KEY-----\n"):
            path.write_bytes(junk)
            with self.assertRaisesRegex(CallerFault, "no SSH private key"):
                hostKey(str(path))
            self.assertEqual(path.read_bytes(), junk)

    def test_unwritableHostKeyIsTemporary(self) -> None:
        """
        A host key that cannot be written lasts for this run.
        """
        self.assertIsNotNone(hostKey(str(self.folder / "none" / "keys.host")))

    def test_manholeNeedsKeys(self) -> None:
        """
        A manhole does not start without keys: no file name, an empty or missing file, or one of another user.
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

    def test_invalidEndpointIsRefused(self) -> None:
        """
        An invalid endpoint is a one-line error; a valid one is used until the service stops.
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

    def test_takenPortIsRefused(self) -> None:
        """
        A port that is in use is a one-line error.
        """
        keys = self.folder / "keys"
        keys.write_bytes(newKey().public().toString("openssh"))
        keys.chmod(0o600)
        reactor = newMemoryReactor()

        def taken(port: int, factory: object, backlog: int = 50, interface: str = "") -> object:
            raise newCannotListen(interface, port, OSError(98, "Address already in use"))

        self.patch(reactor, "listenTCP", taken)
        logged: list[LogEvent] = []
        observer = observing(logged.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        service = ManholeService(reactor, "tcp:5022:interface=127.0.0.1", str(keys), {})
        logged.clear()
        with self.assertRaisesRegex(CallerFault, "^manhole: cannot listen at tcp:5022:interface=127.0.0.1: .*already in use"):
            service.startService()
        # The caller reports the error.
        self.assertEqual(logged, [])
        self.successResultOf(service.stopService())
