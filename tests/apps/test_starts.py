"""
What commands and servers load before they do their work. No clock measures it: each of these modules is some ten milliseconds or megabytes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

__all__: list[str] = []

#: What encrypts, and what fetches web pages.
_ENCRYPTION: Final = ("OpenSSL", "cryptography", "service_identity", "twisted.internet.ssl", "twisted.protocols.tls")
_WEB: Final = ("twisted.web", "h2", "hyperlink", "urllib.request")

#: Modules that commands do not load.
_COMMANDS: Final = (
    (["explain", "localhost"], (*_ENCRYPTION, *_WEB)),
    (["query", "localhost", "@hosts:/etc/hosts"], (*_ENCRYPTION, *_WEB)),
    (["query", "--help"], (*_WEB, "twisted", "zope")),
    (["zone", "check", "--help"], (*_ENCRYPTION, *_WEB, "twisted.internet.reactor")),
    (["--version"], (*_ENCRYPTION, *_WEB, "twisted.internet")),
    (["--help"], ("twisted", "zope")),
)

#: A command that shows at its end what is loaded.
_COMMAND: Final = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sorted(sys.modules), file=sys.stderr))
from twisted_ext.apps.cli.main import program
sys.exit(program())
"""

#: A server that ends as soon as it runs.
_SERVER: Final = """
import sys
from twisted_ext.apps import tap

def prepare(**options):
    prepareProcess(**options)
    from twisted.internet import reactor
    reactor.callWhenRunning(lambda: reactor.callLater(0, reactor.stop))

prepareProcess, tap.prepareProcess = tap.prepareProcess, prepare
import atexit, os
# What is printed goes to the log.
atexit.register(lambda: os.write(1, f"loaded: {' '.join(sorted(sys.modules))}\\n".encode()))
from twisted.scripts.twistd import run
run()
"""

#: The same, started by txdns.
_LAUNCHED: Final = "from twisted_ext.lazy import lazily; lazily('http.cookiejar')" + _SERVER.replace(
    "from twisted.scripts.twistd import run\nrun()", "from twisted_ext.apps.cli.main import main\nmain()"
)

_LISTENING: Final = ["--interface", "127.0.0.1", "--port", "0", "--state", ""]

#: Modules that servers do not load to answer by UDP and TCP, by the settings.
_SERVERS: Final = (
    (["forward", "--upstream", "192.0.2.53"], (*_ENCRYPTION, "twisted.web", "h2", "twisted_ext.server.process.workers")),
    (["forward", "--upstream", "192.0.2.53", "--block", "ads.example"], (*_ENCRYPTION, "twisted.web", "h2")),
    (["serve", "--zone", "test.example=ZONE"], (*_ENCRYPTION, "twisted.web", "h2")),
)


def _isOf(module: str, names: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _loaded(text: str) -> list[str]:
    (line,) = re.findall(r"^loaded: (.*)$", text, re.MULTILINE)
    return str(line).split()


@pytest.mark.parametrize(("words", "without"), _COMMANDS, ids=lambda each: " ".join(each)[:30])
def test_commands(words: list[str], without: tuple[str, ...]) -> None:
    """
    A command loads what it uses.
    """
    command = [sys.executable, "-c", _COMMAND, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": "/nonexistent"})
    assert done.returncode == 0, done.stderr
    loaded = _loaded(done.stderr)
    assert "twisted_ext.apps.cli" in loaded
    assert [module for module in loaded if _isOf(module, without)] == []


@pytest.mark.parametrize(("words", "without"), _SERVERS, ids=lambda each: " ".join(each)[:30])
def test_servers(words: list[str], without: tuple[str, ...], tmp_path: Path) -> None:
    """
    A server loads neither what encrypts nor a web server if no setting asks for it, and started by C{txdns} no debugger either.
    """
    zone = tmp_path / "zone"
    zone.write_text("@ 300 SOA ns hostmaster 1 3600 600 86400 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n")
    given = [word.replace("ZONE", str(zone)) for word in words]
    control = ["--control", str(tmp_path / "control" / "sock")]
    launched = ("pdb", "difflib", "twisted.trial", "twisted.scripts", *_WEB)
    for program, more in (([_SERVER, "-n", "--pidfile=", "txdns"], ()), ([_LAUNCHED], launched)):
        command = [sys.executable, "-c", *program, *given, *_LISTENING, *control]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert "answering at" in done.stdout, done.stdout + done.stderr
        loaded = _loaded(done.stdout)
        assert "twisted_ext.server.service" in loaded
        assert [module for module in loaded if _isOf(module, (*without, *more))] == []


#: What an application gets of Twisted, after other imports.
_APPLICATION: Final = """
from twisted.internet import reactor, ssl, tcp
from twisted.internet.interfaces import ITLSTransport
print([f"{kind.__module__}.{kind.__name__}" for kind in type(reactor).__mro__], ITLSTransport.implementedBy(tcp.Connection), ssl.SSL)
print(sorted(vars(type(reactor))), sorted(vars(reactor)))
"""


def test_applications() -> None:
    """
    The reactor of an application is Twisted's, with all that it had, whether or not the application imports the client.
    """
    without, before, after = (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True).stdout
        for program in (
            _APPLICATION,
            f"import twisted_ext.client{_APPLICATION}",
            _APPLICATION.replace("print", "import twisted_ext.client\nprint", 1),
        )
    )
    assert "twisted.internet.base.ReactorBase" in without
    assert before == after == without
