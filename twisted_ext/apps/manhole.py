"""
Serves a Python shell inside a running server over SSH, to users whose public keys are in a file. A user who logs in can do whatever the
server process can, so the manhole is off by default and rejects every login without keys.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.application.service import Service
from twisted.conch.error import ValidPublicKey
from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.manhole import ColoredManhole
from twisted.conch.manhole_ssh import ConchFactory, TerminalRealm, TerminalSession
from twisted.conch.ssh.connection import SSHConnection
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey, SSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import Portal
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IDelayedCall, IListeningPort, IReactorTime, IStreamServerEndpoint, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_ext.errors import CallerFault
from twisted_ext.files import openNow
from twisted_ext.server.limits import MANHOLE_SECONDS
from twisted_ext.server.operations.boundedhttp import ConnectionLimit
from twisted_ext.wire.escapes import printable

__all__ = ["AuthorizedKeys", "ManholeService", "hostKey", "manholeFactory", "namespaceFor"]

#: Manhole connections at a time.
_MANHOLE_CLIENTS: Final = 8

_log: Final = Logger(__name__)
_endpointFrom: Final[Callable[[IReactorTime, str], IStreamServerEndpoint]] = serverFromString


class ManholeService(Service):
    def __init__(self, reactor: IReactorTime, endpoint: str, keys: str, namespace: Mapping[str, object]) -> None:
        """
        @param endpoint: in the form of L{serverFromString}: C{tcp:5022:interface=127.0.0.1}.
        @param keys: the path of a file of public keys, as C{authorized_keys}. It is read at each login.
        @param namespace: the names defined in the shell.

        @raise CallerFault: C{endpoint} is not valid, or the file of keys cannot be trusted.
        """
        if not keys:
            raise CallerFault("manhole: without public keys no one can log in: name a file of them (manhole-keys)")
        try:
            self._endpoint = _endpointFrom(reactor, endpoint)
        except (ValueError, TypeError, KeyError) as error:
            right = "tcp:5022:interface=127.0.0.1"
            raise CallerFault(f"manhole: {endpoint!r} is not a valid endpoint ({error}); write one such as {right}") from error
        self._keys = AuthorizedKeys(keys)
        self._keys.check()
        self._factory = manholeFactory(reactor, self._keys, hostKey(f"{keys}.host"), namespace)
        self._connections = ConnectionLimit(self._factory, _MANHOLE_CLIENTS)
        self.port: IListeningPort | None = None
        self._where = endpoint

    def startService(self) -> None:
        self.running = 1
        faults: list[CallerFault] = []

        def failed(failure: Failure) -> None:
            error = getattr(failure.value, "socketError", failure.value)
            fault = CallerFault(f"manhole: cannot listen at {self._where}: {error}")
            if starting:
                faults.append(fault)
            else:
                _log.error("{fault}", fault=fault)

        starting = True
        self._endpoint.listen(self._connections).addCallbacks(self._cbListening, failed)
        # Almost all endpoints fail at once, if at all. Later failures are logged.
        starting = False
        if faults:
            raise faults[0]

    def _cbListening(self, port: IListeningPort) -> None:
        self.port = port
        _log.info("manhole at {port}", port=port.getHost())

    def stopService(self) -> Deferred[None]:
        self.running = 0
        self._connections.end()
        port, self.port = self.port, None
        return succeed(None) if port is None else maybeDeferred(port.stopListening).addCallback(lambda _: None)


class AuthorizedKeys:
    """
    The public keys in a file, which is ignored while users other than its owner or root can write to it.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def check(self) -> None:
        if not self._read():
            raise CallerFault(f"manhole: {self._path}: the file contains no public key")

    def _read(self) -> list[Key]:
        try:
            with open(self._path, "rb", opener=openNow) as file:
                found = os.fstat(file.fileno())
                if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                    raise CallerFault(f"manhole: {self._path}: other users can write to the file; use chmod go-w")
                if found.st_uid not in (0, os.geteuid()):
                    raise CallerFault(f"manhole: {self._path}: the file belongs to neither root nor the server's user")
                return list(_keysIn(file))
        except OSError as error:
            raise CallerFault(f"manhole: {self._path}: {error.strerror or error}") from error

    def has(self, key: Key) -> bool:
        try:
            return key in self._read()
        except CallerFault as fault:
            _log.error("{fault}", fault=fault)
            return False


def _keysIn(lines: Iterable[bytes]) -> Iterator[Key]:
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        try:
            yield Key.fromString(line.strip())
        except BadKeyError:
            # This also rejects keys with options, which would not be enforced.
            _log.error("manhole: line {number} of the keys file is not a public key and is ignored", number=number)


@implementer(ICredentialsChecker)
class _Checker:
    """
    Accepts users who prove that they hold the private key of an authorized public key. (Conch's checker is in a module that imports one
    that will be removed from Python.)
    """

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(self, keys: AuthorizedKeys) -> None:
        self._keys = keys

    def requestAvatarId(self, credentials: object) -> Deferred[bytes | tuple[()]]:
        shown = cast(SSHPrivateKey, credentials)
        try:
            key = Key.fromString(shown.blob)
            known = self._keys.has(key)
            if known and not shown.signature:
                # The client asks whether the key is acceptable before it signs.
                return fail(ValidPublicKey())
            if known and key.verify(shown.signature, shown.sigData):
                _log.warn("manhole: {key} logged in", key=key.fingerprint())
                return succeed(b"operator")
        except Exception as error:
            # Malformed input makes Key and cryptography raise half a dozen types of exceptions.
            _log.info("manhole: malformed key or signature: {error}", error=repr(error))
        return fail(UnauthorizedLogin("the key is not authorized"))


class _Transport(SSHServerTransport):
    """
    An SSH transport that disconnects clients which have not authenticated in time.
    """

    reactor: IReactorTime
    _patience: IDelayedCall | None = None

    def connectionMade(self) -> None:
        SSHServerTransport.connectionMade(self)
        self._patience = self.reactor.callLater(MANHOLE_SECONDS.default, self._giveUp)

    def setService(self, service: SSHService) -> None:
        SSHServerTransport.setService(self, service)
        if isinstance(service, SSHConnection):
            self._cease()

    def connectionLost(self, reason: Failure | None = connectionDone) -> None:
        self._cease()
        SSHServerTransport.connectionLost(self, reason)

    def _cease(self) -> None:
        if self._patience is not None and self._patience.active():
            self._patience.cancel()

    def _giveUp(self) -> None:
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()


class _Login(SSHUserAuthServer):
    """
    User authentication with a low limit of attempts. The transport enforces the timeout.
    """

    attemptsBeforeDisconnect = 6
    loginTimeout = 2 * int(MANHOLE_SECONDS.default)


class _Session(TerminalSession):
    def windowChanged(self, newWindowSize: tuple[int, int, int, int]) -> None:
        # Nothing depends on it.
        pass

    def eofReceived(self) -> None:
        # The client closes next.
        pass


class _Shell(ColoredManhole):
    def lineReceived(self, line: bytes) -> None:
        _log.info("manhole: {line}", line=printable(line.decode("utf-8", "replace")))
        ColoredManhole.lineReceived(self, line)


def manholeFactory(reactor: IReactorTime, keys: AuthorizedKeys, host: Key, namespace: Mapping[str, object]) -> ConchFactory:
    realm = TerminalRealm()
    realm.sessionFactory = _Session
    # A copy for each session, so that sessions do not share the names they define.
    realm.chainedProtocolFactory = lambda: ServerProtocol(_Shell, dict(namespace))
    factory = ConchFactory(Portal(realm, [_Checker(keys)]))
    factory.services = {b"ssh-userauth": _Login, b"ssh-connection": SSHConnection}
    factory.protocol = type("_ManholeTransport", (_Transport,), {"reactor": reactor})
    factory.publicKeys = {host.sshType(): host.public()}
    factory.privateKeys = {host.sshType(): host}
    return factory


def hostKey(path: str) -> Key:
    """
    Read the server's own key from a file. If there is none, create a key, and write it there if possible.
    """
    try:
        with open(path, "rb", opener=openNow) as file:
            return Key.fromString(file.read(65536))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise CallerFault(f"manhole: {path}: {error.strerror or error}") from error
    except Exception as error:
        # Key raises half a dozen types of exceptions, some of them from cryptography.
        raise CallerFault(f"manhole: {path}: the file contains no SSH private key ({error})") from error
    key = Key(Ed25519PrivateKey.generate())
    with suppress(OSError):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(key.toString("openssh"))
    _log.info("manhole: created a host key: {fingerprint}", fingerprint=key.fingerprint())
    return key


def namespaceFor(operations: object) -> dict[str, object]:
    names = ("counters", "source", "caching", "packetCache", "tracing", "history")
    places = (operations, getattr(operations, "serving", None))
    found = {name: part for name in names for place in places if (part := getattr(place, name, None)) is not None}
    return {"__name__": "__manhole__", "server": operations, **found}
