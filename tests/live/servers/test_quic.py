"""
Tests of C{twistd txdns} with DNS over QUIC, on real sockets: clients of other projects, and our own.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.defer import DeferredList

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd, wait, workersOf
from tests.peers import freePort, peer
from tests.test_architecture import ROOT
from twisted_ext.answers import QueryContext
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

_LOCAL = "www.example.org A 192.0.2.1"


@contextmanager
def serving(folder: Path, *words: str, address: str = "127.0.0.1") -> Iterator[tuple[Twistd, int, Path]]:
    """
    Run a server with a certificate for C{dns.example}.

    @return: the server, its port for QUIC, and the file of the authority's certificate.
    """
    certificate = folder / "certificate.pem"
    certificate.write_bytes(certificateFor("dns.example"))
    port = freePort(address)
    place = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    where = ["--quic", place, "--certificate", str(certificate)]
    with Twistd(folder, *where, "--local", _LOCAL, "--no-recursive", *words) as server:
        yield server, port, written(folder)


def kdig(port: int, *words: str, address: str = "127.0.0.1") -> str:
    """
    Return the output of kdig.
    """
    command = [str(peer("kdig")), f"@{address}", "-p", str(port), "+timeout=5", "+retry=0", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_kdig(workers: int, tmp_path: Path) -> None:
    """
    kdig gets its answers, by each of several processes, and refuses the certificate for another name.
    """
    with serving(tmp_path, "--workers", str(workers)) as (_, port, root):
        for _ in range(6):
            told = kdig(port, f"+tls-ca={root}", "+tls-hostname=dns.example", "+quic", "www.example.org", "A")
            assert "192.0.2.1" in told
            assert "QUIC session" in told
            assert re.search(r"id: 0\b", told)
        assert "192.0.2.1" not in kdig(port, f"+tls-ca={root}", "+tls-hostname=other.example", "+quic", "www.example.org", "A")


def test_families(tmp_path: Path) -> None:
    """
    kdig gets its answers over IPv6.
    """
    with serving(tmp_path, address="::1") as (_, port, root):
        told = kdig(port, f"+tls-ca={root}", "+tls-hostname=dns.example", "+quic", "www.example.org", "A", address="::1")
        assert "192.0.2.1" in told
        assert "QUIC session" in told


def test_names(tmp_path: Path) -> None:
    """
    Clients get the certificate for the name that they ask for, and the new one after the file has changed and the server was told.
    """
    other = tmp_path / "other.pem"
    other.write_bytes(certificateFor("*.other.example"))
    with serving(tmp_path, "--certificate", str(other)) as (server, port, root):
        for name in ("dns.example", "a.other.example"):
            told = kdig(port, f"+tls-ca={root}", f"+tls-hostname={name}", f"+tls-sni={name}", "+quic", "www.example.org", "A")
            assert "192.0.2.1" in told, name
        other.write_bytes(certificateFor("new.example"))
        os.kill(server.pid, signal.SIGHUP)
        wait(lambda: "new certificate of" in server.text(), server)
        told = kdig(port, f"+tls-ca={root}", "+tls-hostname=new.example", "+tls-sni=new.example", "+quic", "www.example.org", "A")
        assert "192.0.2.1" in told


def test_kdigKeepsItsConnection(tmp_path: Path) -> None:
    """
    Several queries of kdig use one connection, on which kdig 3.2 takes a packet without a reply as the end.
    """
    with serving(tmp_path) as (_, port, _):
        names = [f"n{number}.example.org" for number in range(5)]
        told = kdig(port, "+quic", "+keepopen", *names)
        assert told.count("QUIC session") == 5
        assert told.count(f"127.0.0.1@{port}") == 5


_TRANSFER = """
import asyncio, ssl, sys
from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration
from twisted_ext.wire.framing import StreamBuffer
from twisted_ext.wire.message import Message

async def main(port, query):
    configuration = QuicConfiguration(alpn_protocols=["doq"], is_client=True, verify_mode=ssl.CERT_NONE)
    async with connect("127.0.0.1", port, configuration=configuration) as connection:
        reader, writer = await connection.create_stream()
        writer.write(query)
        writer.write_eof()
        octets = await asyncio.wait_for(reader.read(-1), 20)
    messages = [Message.fromWire(message) for message in StreamBuffer().feed(octets)]
    print({message.id for message in messages}, sum([len(message.answer) for message in messages]))

asyncio.run(main(int(sys.argv[1]), bytes.fromhex(sys.argv[2])))
"""


def test_transfer(tmp_path: Path) -> None:
    """
    A zone is transferred on one stream, each message with the id 0 (RFC 9250, section 4.2.1), to clients that may transfer it.
    """
    zone = tmp_path / "example.org"
    records = [f"h{number} TXT {'x' * 100}{number}" for number in range(3000)]
    zone.write_text("\n".join(["$TTL 300", "@ SOA ns mail 1 3600 600 86400 300", "@ NS ns", "ns A 127.0.0.1", *records, ""]))
    settings = tmp_path / "settings.toml"
    settings.write_text(f'[[zone]]\nname = "example.org"\nfile = "{zone}"\nallow-transfer = ["127.0.0.1"]\n')
    query = frame(buildMessage(Message(0, 0, (questionOf("example.org", "AXFR"),))))
    with serving(tmp_path, "--config", str(settings)) as (server, port, _):
        # Zones are compiled while the server answers already.
        wait(lambda: server.ask("ns.example.org") == ["127.0.0.1"], server)
        command = [sys.executable, "-c", _TRANSFER, str(port), query.hex()]
        assert subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT).stdout == "{0} 3004\n"


@pytest_twisted.ensureDeferred
async def test_ownClient(tmp_path: Path) -> None:
    """
    Our client gets its answers from a description, and its socket is closed afterwards.
    """
    from twisted.internet import reactor
    from twisted.internet.interfaces import IReactorTime

    clock = IReactorTime(reactor)
    with serving(tmp_path) as (_, port, root):
        source = sourceFromString(clock, f"quic:127.0.0.1@{port}#dns.example:ca={root}")
        for _ in range(3):
            answer = await lookUp(source, questionOf("www.example.org"), QueryContext(clock.seconds() + 10.0))
            assert [rdata for rrset in answer.answer for rdata in rrset.rdatas] == [bytes([192, 0, 2, 1])]
        await source.close()


@pytest_twisted.ensureDeferred
async def test_killedWorker(tmp_path: Path) -> None:
    """
    If a process is killed, its clients learn from the next one on the same socket that their connections are gone, and get their answers
    on new ones.
    """
    from twisted.internet import reactor
    from twisted.internet.interfaces import IReactorTime

    clock = IReactorTime(reactor)
    with serving(tmp_path, "--workers", "2") as (server, port, root):
        sources = [sourceFromString(clock, f"quic:127.0.0.1@{port}#dns.example:ca={root}:keep=30") for _ in range(16)]
        for kill in (False, True):
            if kill:
                os.kill(workersOf(server)[0], signal.SIGKILL)
            context = QueryContext(clock.seconds() + 10.0)
            results = await DeferredList([lookUp(source, questionOf("www.example.org"), context) for source in sources])
            assert [fine for fine, _ in results] == [True] * 16, results
        for source in sources:
            await source.close()
