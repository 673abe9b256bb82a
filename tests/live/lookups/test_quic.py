"""
Looking up over QUIC and HTTP/3 at a server of another project: aioquic's own.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet import reactor as globalReactor
from twisted.internet.defer import DeferredList
from twisted.internet.interfaces import IReactorTime

from tests.certificates import written
from tests.peers import freePort
from tests.transport.tlsservers import leaf
from twisted_ext.answers import QueryContext
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.sources import questionOf

reactor = IReactorTime(globalReactor)

#: A server of DNS over QUIC and HTTP/3 for any name, with messages by dnspython. It prints a line when it listens, and one per query.
_SERVER = """
import asyncio, base64, sys
import dns.message, dns.rrset
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated, StreamDataReceived

def answer(octets):
    query = dns.message.from_wire(octets)
    reply = dns.message.make_response(query)
    reply.answer.append(dns.rrset.from_text(query.question[0].name, 300, "IN", "A", "192.0.2.80"))
    return reply.to_wire()

class Server(QuicConnectionProtocol):
    http = None

    def quic_event_received(self, event):
        self.streams = getattr(self, "streams", {})
        if isinstance(event, ProtocolNegotiated) and event.alpn_protocol == "h3":
            self.http = H3Connection(self._quic)
        if self.http is not None:
            for each in self.http.handle_event(event):
                self.http_event(each)
        elif isinstance(event, StreamDataReceived):
            octets = self.streams[event.stream_id] = self.streams.get(event.stream_id, b"") + event.data
            if event.end_stream:
                print("doq", flush=True)
                reply = answer(octets[2:])
                self._quic.send_stream_data(event.stream_id, len(reply).to_bytes(2, "big") + reply, True)
        self.transmit()

    def http_event(self, event):
        if isinstance(event, HeadersReceived):
            self.streams[event.stream_id] = dict(event.headers), b""
        elif isinstance(event, DataReceived):
            fields, body = self.streams[event.stream_id]
            self.streams[event.stream_id] = fields, body + event.data
        if event.stream_ended:
            fields, body = self.streams.pop(event.stream_id)
            print("h3", fields[b":method"].decode(), flush=True)
            if fields[b":method"] == b"GET":
                body = fields[b":path"].partition(b"dns=")[2]
                body = base64.urlsafe_b64decode(body + b"=" * (-len(body) % 4))
            self.http.send_headers(event.stream_id, [(b":status", b"200"), (b"content-type", b"application/dns-message"), (b"age", b"100")])
            self.http.send_data(event.stream_id, answer(body), True)

async def main(address, port, pem):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["doq", "h3"])
    configuration.load_cert_chain(pem, pem)
    await serve(address, int(port), configuration=configuration, create_protocol=Server)
    print("listening", flush=True)
    await asyncio.Future()

asyncio.run(main(*sys.argv[1:]))
"""


class Server:
    """
    A running server.

    @ivar ca: the file with the authority's certificate.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self.ca = written(folder)
        pem = folder / "server.pem"
        pem.write_bytes(leaf("dns.example"))
        self.address = address
        self.port = freePort(address)
        command = [sys.executable, "-c", _SERVER, address, str(self.port), str(pem)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "listening\n"

    def stop(self) -> list[str]:
        """
        Stop it.

        @return: how each query came.
        """
        self.process.terminate()
        return self.process.communicate()[0].splitlines()


@pytest.fixture(params=["127.0.0.1", "::1"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """
    Run a server at an address of each family.
    """
    made = Server(tmp_path, request.param)
    yield made
    if made.process.returncode is None:
        made.stop()


@ensureDeferred
async def test_lookups(server: Server) -> None:
    """
    Look-ups are answered by DNS over QUIC, and over HTTP/3 with POST and GET, many at once; TTLs are less by the age of a response.
    """
    place = f"[{server.address}]" if ":" in server.address else server.address
    escaped = place.replace(":", "\\:")
    for description, ttl, way in (
        (f"quic:{place}@{server.port}#dns.example", 300, "doq"),
        (f"https://dns.example:{server.port}:address={escaped.strip('[]')}:http3=only", 200, "h3 POST"),
        (f"https://dns.example:{server.port}:address={escaped.strip('[]')}:http3=only:method=GET", 200, "h3 GET"),
    ):
        source = sourceFromString(reactor, f"{description}:ca={server.ca}")
        context = QueryContext(reactor.seconds() + 10.0)
        results = await DeferredList([lookUp(source, questionOf(f"n{number}.test.example"), context) for number in range(50)])
        await source.close()
        for fine, answer in results:
            assert fine, answer
            assert [(rrset.ttl, rrset.rdatas) for rrset in answer.answer] == [(ttl, (bytes([192, 0, 2, 80]),))], way
    ways = server.stop()
    assert [ways.count(way) for way in ("doq", "h3 POST", "h3 GET")] == [50, 50, 50]
