"""
Tests of what a process does before its reactor runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.certificates import certificateFor

_CHOICES: tuple[tuple[list[str], str], ...] = (
    ([], "DirectReactor False"),
    (["--reactor", "poll"], "PollReactor True"),
)

_OPTIONS = """
import gc
from twisted.scripts.twistd import run
try:
    run()
finally:
    from twisted.internet import reactor
    print(type(reactor).__name__, gc.isenabled())
"""

_RUNNING = """
import gc
from twisted_ext.server.process.prepare import prepareProcess
prepareProcess()
from twisted.internet import reactor
reactor.callWhenRunning(lambda: print(gc.isenabled()))
reactor.callWhenRunning(reactor.stop)
reactor.run()
"""

_COMMAND = """
import gc
from twisted_ext.apps.cli.terminal.run import runUntilDone
async def begin(reactor):
    print(type(reactor).__name__, gc.isenabled())
    return 0
runUntilDone(begin)
"""


#: A reactor that was imported without OpenSSL, with TLS by the reactor's own interface and by endpoints.
_ENCRYPTED = """
import sys
from twisted_ext.server.process.prepare import prepareProcess
prepareProcess(tls=False)
from twisted.internet import reactor
print(*[name for name in ("OpenSSL", "twisted.protocols.tls", "twisted.internet.ssl") if name in sys.modules], "loaded")
from twisted.internet import ssl
from twisted.internet.endpoints import clientFromString, serverFromString, wrapClientTLS
from twisted.internet.interfaces import IReactorSSL
from twisted.internet.protocol import ClientFactory, Factory, Protocol
assert IReactorSSL.providedBy(reactor)
echoed = []
class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)
class Hello(Protocol):
    def connectionMade(self):
        self.transport.write(b"hello")
    def dataReceived(self, data):
        echoed.append(data)
        if len(echoed) == 3:
            print(*echoed)
            reactor.stop()
class Hellos(ClientFactory):
    protocol = Hello
path = sys.argv[1]
terms = ssl.CertificateOptions()
own = reactor.listenSSL(0, Factory.forProtocol(Echo), ssl.DefaultOpenSSLContextFactory(path, path), interface="127.0.0.1")
reactor.connectSSL("127.0.0.1", own.getHost().port, Hellos(), ssl.ClientContextFactory())
wrapClientTLS(terms, clientFromString(reactor, f"tcp:127.0.0.1:{own.getHost().port}")).connect(Hellos())
def listening(port):
    wrapClientTLS(terms, clientFromString(reactor, f"tcp:127.0.0.1:{port.getHost().port}")).connect(Hellos())
serverFromString(reactor, f"ssl:0:interface=127.0.0.1:privateKey={path}").listen(Factory.forProtocol(Echo)).addCallback(listening)
reactor.callLater(30, reactor.stop)
reactor.run()
"""


def _shown(program: str, *words: str) -> str:
    """
    Return the last line that a program prints.
    """
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(("words", "expected"), _CHOICES, ids=["default", "poll"])
def test_operatorMayChooseTheReactor(words: list[str], expected: str) -> None:
    """
    C{twistd txdns} installs its own reactor and suspends garbage collection, unless the operator chooses a reactor.
    """
    assert _shown(_OPTIONS, *words, "txdns", "--show-config") == expected


def test_collectionResumes() -> None:
    """
    Garbage is collected as soon as the reactor runs.
    """
    assert _shown(_RUNNING) == "True"


def test_commandsRunOnTheReactor() -> None:
    """
    Commands of C{txdns} run on the same reactor as the server.
    """
    assert _shown(_COMMAND) == "DirectReactor True"


def test_encryptionWithoutTheReactors(tmp_path: Path) -> None:
    """
    A reactor that was imported without OpenSSL still connects and listens with TLS, by itself and by Twisted's endpoints.
    """
    (tmp_path / "server.pem").write_bytes(certificateFor("localhost"))
    program = [sys.executable, "-c", _ENCRYPTED, str(tmp_path / "server.pem")]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["loaded", "b'hello' b'hello' b'hello'"], done.stderr
