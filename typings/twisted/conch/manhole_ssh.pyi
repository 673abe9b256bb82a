# What is used here of conch's shell by SSH, which has no types.

from collections.abc import Callable, Mapping

from twisted.conch.insults.insults import ServerProtocol
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.service import SSHService
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.cred.portal import IRealm, Portal
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from zope.interface import implementer

class TerminalSession:
    def windowChanged(self, newWindowSize: tuple[int, int, int, int]) -> None: ...
    def eofReceived(self) -> None: ...

@implementer(IRealm)
class TerminalRealm:
    sessionFactory: type[TerminalSession]
    chainedProtocolFactory: Callable[[], ServerProtocol]
    def __init__(self) -> None: ...
    def requestAvatar(self, avatarId: object, mind: object, *interfaces: object) -> tuple[object, object, Callable[[], None]]: ...

class ConchFactory(Factory[SSHServerTransport]):
    protocol: Callable[[], SSHServerTransport] | None
    services: Mapping[bytes, Callable[[], SSHService]]
    publicKeys: Mapping[bytes, Key]
    privateKeys: Mapping[bytes, Key]
    def __init__(self, portal: Portal) -> None: ...
    def startFactory(self) -> None: ...
    def buildProtocol(self, addr: IAddress | None) -> SSHServerTransport: ...
