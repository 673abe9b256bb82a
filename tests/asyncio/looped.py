"""
The test case of programs on asyncio.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, data, denied, rrset

__all__ = ["ADDRESS", "FOUND", "HOST", "LoopTests", "known"]

T = TypeVar("T")

HOST = "www.example."
ADDRESS = "192.0.2.1"

#: The result for the host and stream sockets.
FOUND = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (ADDRESS, 443))]


def known(*, now: bool = True, held: bool = False) -> Fake:
    """
    Return a source that has the host in both directions.
    """
    source = Fake(now=now, held=held)
    source.addresses(HOST, ADDRESS)
    source.knows("1.2.0.192.in-addr.arpa", "PTR", data(rrset("1.2.0.192.in-addr.arpa", "PTR", HOST)))
    source.knows("gone.example.", "A", denied())
    source.knows("gone.example.", "AAAA", denied())
    return source


class LoopTests(SynchronousTestCase):
    """
    Tests on a loop that runs one coroutine.
    """

    def run_(self, main: Coroutine[Any, Any, T]) -> T:
        """
        Run the coroutine in the debug mode of asyncio.
        """
        return asyncio.run(main, debug=True)
