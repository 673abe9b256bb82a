"""
Live test of connections that end because there are too many. It uses sockets, since the kernel resets connections.
"""

from __future__ import annotations

import socket

import pytest_twisted
from twisted.internet.task import deferLater

from tests.live.zones.replicating import ADDRESS, hosting
from tests.zone.changing import APEX
from twisted_ext.compat.install import globalReactor
from twisted_ext.server.limits import CLIENT_STREAM_GRACE
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Question
from twisted_ext.wire.rrtypes import SOA

__all__: list[str] = []


@pytest_twisted.ensureDeferred
async def test_evictedConnectionGetsItsReply() -> None:
    """
    A client whose connection makes room for a new one gets its last reply and then an orderly end, no reset. Programs may take a reset for
    a missing reply.
    """
    query = frame(b"\x00\x01" + buildQuery(0, Question(APEX, SOA).toWire(), b""))
    async with hosting() as host:
        host.servings.mostPerPeer = 2
        clients: list[socket.socket] = []
        try:
            # The third connection comes when the other two may make room, since their replies are not recent.
            for wait in (0.1, CLIENT_STREAM_GRACE.default + 0.2, 0.1):
                client = socket.create_connection((ADDRESS, host.port))
                clients.append(client)
                client.sendall(query)
                await deferLater(globalReactor(), wait, lambda: None)
            for client in clients:
                client.settimeout(1)
            first = clients[0]
            assert first.recv(4096)[2:4] == b"\x00\x01"
            assert first.recv(4096) == b""
        finally:
            for client in clients:
                client.close()
