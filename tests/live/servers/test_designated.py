"""
Tests of C{twistd txdns} designating its encrypted listeners, on real sockets.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.threads import deferToThread

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd
from tests.peers import freePort
from twisted_ext.answers import QueryContext
from twisted_ext.errors import DNSFault
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf

reactor = IReactorTime(globalReactor)


@pytest.mark.parametrize("transport", ["tls", "https", "quic"])
@ensureDeferred
async def test_ourClientFindsOurServer(transport: str, tmp_path: Path) -> None:
    """
    A client that knows the address of the plain server alone asks over the encrypted transport, having verified the certificate for that
    address, and does not where the certificate is for another.
    """
    for address in ("127.0.0.1", "192.0.2.1"):
        folder = tmp_path / address
        folder.mkdir()
        pair = folder / "pair.pem"
        pair.write_bytes(certificateFor(address))
        words = [f"--{transport}", f"127.0.0.1:{freePort('127.0.0.1')}", "--certificate", str(pair), "--no-recursive"]
        # The client asks a new server for the servers of the root first.
        records = ("dns.example A 127.0.0.1", "www.example.org A 192.0.2.80", ". NS ns.example")
        words += [word for record in records for word in ("--local", record)]
        server = Twistd(folder, *words, "--designated-name", "dns.example")
        await deferToThread(server.__enter__)
        source = sourceFromString(reactor, f"ddr:127.0.0.1@{server.port}:strict=yes:ca={written(folder)}")
        try:
            answer = await lookUp(source, questionOf("www.example.org"), QueryContext(reactor.seconds() + 10))
            assert address == "127.0.0.1"
            assert answer.origin is not None
            assert answer.origin.source == transport
            assert answer.answer[0].rdatas == (bytes([192, 0, 2, 80]),)
        except DNSFault as fault:
            assert address != "127.0.0.1", fault
        finally:
            await source.close()
            await deferToThread(server.stop)
