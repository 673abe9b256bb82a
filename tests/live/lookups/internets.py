"""
A small internet of signed zones on loopback addresses, in a process of its own, for live tests::

    python -m tests.live.lookups.internets FOLDER PORT

It writes the root's hints and anchors into the folder, and prints the addresses of each zone's servers as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from twisted.internet.interfaces import IReactorCore

from tests.peers import freePort
from tests.test_architecture import ROOT
from twisted_ext.apps.resolve import smallInternet
from twisted_ext.compat.install import globalReactor
from twisted_ext.testing.internet import Fault
from twisted_ext.wire.names import nameToText

__all__ = ["LiveInternet", "serve"]


class LiveInternet:
    """
    Runs it. Use it in a C{with} statement.

    @ivar port: the port of all servers.
    @ivar hints: the path of the root's hints; C{anchors} that of its keys.
    @ivar zones: the addresses of each zone's servers.
    """

    def __init__(self, folder: Path) -> None:
        self.port = freePort("127.53.0.1")
        self.hints = folder / "root.hints"
        self.anchors = folder / "root.key"
        self.zones: dict[str, list[str]] = {}
        self._folder = folder

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", __name__, str(self._folder), str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.zones = json.loads(self._process.stdout.readline())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        with self._process as process:
            process.kill()

    @property
    def root(self) -> list[tuple[str, int]]:
        """
        The addresses and ports of the root's servers.
        """
        return [(address, self.port) for address in self.zones["."]]

    @property
    def stubs(self) -> str:
        """
        The zones below the root as statements for Unbound, which cannot be told another port for servers that it finds itself.
        """
        lines = ["  do-not-query-localhost: no"]
        for name, addresses in self.zones.items():
            if name == ".":
                continue
            lines += ["stub-zone:", f'  name: "{name}"', *[f"  stub-addr: {address}@{self.port}" for address in addresses]]
        return "\n".join(lines)


def serve(folder: Path, port: int) -> None:
    """
    Serve until a signal. The servers of C{silent.org} do not answer.
    """
    reactor = globalReactor()
    internet = smallInternet(time.time())
    internet.zone("silent.org", "www A 192.0.2.83")
    internet.inject(Fault.DEAD, "silent.org")
    internet.listen(reactor, port)
    (folder / "root.hints").write_text(internet.hints)
    (folder / "root.key").write_text(internet.anchors)
    zones = {nameToText(apex): [each for server in zone.servers for each in server.addresses] for apex, zone in internet.zones.items()}
    sys.stdout.write(json.dumps(zones) + "\n")
    sys.stdout.flush()
    IReactorCore(reactor).run()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
