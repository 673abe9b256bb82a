"""
The servers of L{twisted_ext.apps.cli.demo}, in a process of its own, on free ports.

    python -m tests.docs.serving

It prints one line of JSON with its ports at loopback addresses, and ends when its standard input ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IReactorCore, IReactorTime
from twisted.internet.protocol import Protocol as Connection

from twisted_ext.apps.cli.demo import PAGE, PORT, listen

__all__ = ["listenOn", "serveUntilInputEnds"]

class _EndWithInput(Connection):
    """
    Stop the reactor when the parent process closes standard input.
    """

    def __init__(self, reactor: IReactorCore) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: object = None) -> None:
        self._reactor.stop()


def listenOn(reactor: IReactorTime) -> dict[str, int]:
    """
    Return the ports, by the ports in the listings.
    """
    ports = listen(reactor, 0, 0, 0)
    return {str(PORT): ports.first, str(PORT + 1): ports.second, str(PAGE): ports.page, "ipv6": int(ports.hasIPv6)}


def serveUntilInputEnds(start: Callable[[IReactorTime], str]) -> None:
    """
    Run the reactor until the parent process closes standard input.

    @param start: starts the server, and returns the line to print.
    """
    from twisted.internet import reactor, stdio

    core = cast(IReactorCore, reactor)
    standardIO = cast("Callable[[Connection], object]", stdio.StandardIO)
    # Keep a reference, since the reactor holds none.
    ending = standardIO(_EndWithInput(core))
    sys.stdout.write(start(cast(IReactorTime, reactor)) + "\n")
    sys.stdout.flush()
    core.run()
    del ending


if __name__ == "__main__":
    serveUntilInputEnds(lambda reactor: json.dumps(listenOn(reactor)))
