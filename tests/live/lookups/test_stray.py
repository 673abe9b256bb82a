"""
Look-ups over real sockets where the server sends a stray message before its reply, and does not know EDNS.
"""

from __future__ import annotations

from time import monotonic

import pytest
import pytest_twisted

from tests.live.asking import ask, resolving, textsOf
from twisted_ext.compat.install import globalReactor
from twisted_ext.testing.servers import CannedServer

__all__: list[str] = []

#: The message before each UDP reply, with another ID, like a reply to another query on the same socket.
STRAY = b"\x00\x01\x81\x80" + bytes(8)


@pytest.mark.parametrize("rcode", [1, 4])
@pytest_twisted.ensureDeferred
async def test_strayBeforeRefusalIsAnswered(rcode: int) -> None:
    """
    A stray datagram leads to TCP, and FORMERR or NOTIMP over UDP and TCP lead to a query without EDNS. It is answered long before the
    deadline.
    """
    server = CannedServer({(f"h{number}.test.example", "A"): "192.0.2.80" for number in range(5)})
    server.stumbles = rcode
    server.tamper = lambda reply, transport: [STRAY, reply] if transport == "udp" else [reply]
    where = server.listen(globalReactor(), 0, "127.0.0.1")
    try:
        async with resolving((where.address, where.port)) as resolver:
            began = monotonic()
            for number in range(5):
                assert textsOf(await ask(resolver, f"h{number}.test.example")) == ["192.0.2.80"]
            assert monotonic() - began < 2.5
        assert {asked.transport for asked in server.asked} == {"udp", "tcp"}
    finally:
        await server.close()
