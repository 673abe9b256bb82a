"""
A web server at many addresses of this machine, in a process of its own. A page names the address and the host that it was reached by.

    python -m tests.live.programs.pages
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
from twisted.web.server import Request

from tests.docs.serving import serveUntilInputEnds
from tests.pages import Page as Plain
from tests.pages import siteOf
from tests.patience import PATIENCE
from tests.peers import freePort
from tests.test_architecture import ROOT

__all__ = ["FOUR", "SIX", "Page", "pages", "siteOf"]

#: Its IPv4 addresses, and its IPv6 address.
FOUR: Final = tuple(f"127.0.0.{number}" for number in range(1, 9))
SIX: Final = "::1"

#: Ports to try: another program may have one of them at one of the addresses.
_PORTS_TRIED: Final = 10


class Page(Plain):
    """
    A page that names its host and address.
    """

    isLeaf = True

    def render_GET(self, request: Request) -> bytes:
        """
        Return the requested host, and the address that was connected to.
        """
        return f"{request.getRequestHostname().decode()} {getattr(request.getHost(), 'host', '')}".encode()


def _listen(reactor: IReactorTime) -> str:
    """
    Start the server.

    @return: the port at all addresses, and whether IPv6 is among them.
    """
    tcp = IReactorTCP(reactor)
    site = siteOf(Page())
    for _ in range(_PORTS_TRIED):
        port = freePort(FOUR[0])
        listening: list[IListeningPort] = []
        try:
            for address in FOUR:
                listening.append(tcp.listenTCP(port, site, interface=address))
            if _hasIPv6():
                tcp.listenTCP(port, site, interface=SIX)
        except CannotListenError:
            for each in listening:
                each.stopListening()
        else:
            return json.dumps({"port": port, "ipv6": _hasIPv6()})
    raise OSError(f"no port is free at all of {', '.join(FOUR)}")


def _hasIPv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind((SIX, 0))
    except OSError:
        return False
    return True


@contextmanager
def pages() -> Iterator[int]:
    """
    Return the port of the server, which stops with the context. The test is skipped without IPv6.
    """
    command = [sys.executable, "-m", "tests.live.programs.pages"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            said = json.loads(process.stdout.readline())
            if not said["ipv6"]:
                pytest.skip("this machine has no IPv6 loopback")
            yield said["port"]
        finally:
            process.stdin.close()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    serveUntilInputEnds(_listen)
