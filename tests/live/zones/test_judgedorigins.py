"""
Live test of what may be in a zone that comes from a database or a primary: random contents, the same as by the doors for changes.
"""

from __future__ import annotations

import socketserver
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from threading import Thread
from typing import Final

import dns.message
import dns.rdatatype
import dns.rrset

from tests.live.twistds import Twistd, wait
from tests.live.zones.contents import WRONG, Record, drawn, factsOf
from tests.live.zones.test_updates import ROOT, ServerAddress, ask
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA

_ZONES: Final = 60

_SOA: Final = ("@", "SOA", "ns1 h 1 3600 900 604800 60")
_BASE: Final[list[Record]] = [("@", "NS", "ns1"), ("ns1", "A", "192.0.2.1")]


class _Primary(socketserver.BaseRequestHandler):
    """
    Transfers whatever there is, by means of dnspython.
    """

    contents: dict[str, list[Record]] = {}

    def _reply(self, octets: bytes) -> bytes:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        zone = question.name.to_text()
        records = [_SOA, *_BASE, *self.contents[zone], _SOA] if question.rdtype == dns.rdatatype.AXFR else [_SOA]
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        # Each record for itself, in its order.
        reply.answer = [
            dns.rrset.from_text(zone if owner == "@" else f"{owner}.{zone}", 60, "IN", kind, *[_absolute(data, zone)])
            for owner, kind, data in records
        ]
        return reply.to_wire()

    def handle(self) -> None:
        if isinstance(self.request, tuple):
            octets, socket = self.request
            socket.sendto(self._reply(octets), self.client_address)
            return
        while head := self.request.recv(2, 0x100):
            reply = self._reply(self.request.recv(*struct.unpack("!H", head), 0x100))
            self.request.sendall(struct.pack("!H", len(reply)) + reply)


def _absolute(data: str, zone: str) -> str:
    return " ".join([f"{word}.{zone}" if word in ("a", "b", "c", "ns1", "h") else word for word in data.split(" ")])


@contextmanager
def _primary(contents: dict[str, list[Record]]) -> Iterator[int]:
    """
    Serve these zones at a port of the loopback interface.
    """
    handler = type("Handler", (_Primary,), {"contents": contents})
    with (
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as stream,
        socketserver.ThreadingUDPServer(("127.0.0.1", stream.server_address[1]), handler) as datagram,
    ):
        stream.daemon_threads = datagram.daemon_threads = True
        for each in (stream, datagram):
            Thread(target=each.serve_forever, daemon=True).start()
        try:
            yield stream.server_address[1]
        finally:
            stream.shutdown()
            datagram.shutdown()


def _says(twistd: Twistd, text: str) -> bool:
    return text in twistd.text()


def test_databasesAndPrimariesAreJudgedAsIsSaid(tmp_path: Path) -> None:
    """
    What is wrong in a database is not served, as if it was in a master file; what a primary transfers is served as it comes, but an
    SOA record below the apex.
    """
    random = Random(77)
    contents = [drawn(random) for _ in range(_ZONES)]
    wrong = [bool(factsOf(records) & WRONG) for records in contents]
    cut = ["SOA below" in factsOf(records) for records in contents]
    assert 10 < sum(wrong) < _ZONES - 10
    (tmp_path / "empty").write_text("@ 60 SOA ns1 h 1 3600 900 604800 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n")
    words = ["zone", "edit", "--store", str(tmp_path / "db"), "--from", str(tmp_path / "empty"), "--yes", "first.example"]
    subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
    with closing(sqlite3.connect(tmp_path / "db")) as sql, sql:
        for number, records in enumerate(contents):
            (row,) = sql.execute("INSERT INTO zones (name) VALUES (?) RETURNING id", (f"d{number}.example",)).fetchall()
            rows = [(*row, owner, kind, data) for owner, kind, data in [_SOA, *_BASE, *records]]
            sql.executemany("INSERT INTO records (zone, owner, type, rdata) VALUES (?, ?, ?, ?)", rows)
    with _primary({f"t{number}.example.": records for number, records in enumerate(contents)}) as port:
        tables = "".join(
            [
                f'[[zone]]\nname = "d{number}.example"\nstore = "{tmp_path}/db"\n'
                f'[[zone]]\nname = "t{number}.example"\nprimaries = ["127.0.0.1:{port}"]\n'
                for number in range(_ZONES)
            ]
        )
        (tmp_path / "settings.toml").write_text(f'role = "serve"\nstate = "{tmp_path}/state"\n{tables}')
        server = ServerAddress(tmp_path)
        with Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=server.port) as twistd:

            def isServed(zone: str) -> bool:
                return ask(server, zone, SOA).rcode == Rcode.NOERROR

            wait(lambda: all(isServed(f"t{number}.example") for number in range(_ZONES) if not cut[number]), twistd)
            wait(lambda: all(isServed(f"d{number}.example") for number in range(_ZONES) if not wrong[number]), twistd)
            served = [isServed(f"d{number}.example") for number in range(_ZONES)]
            refused = {f"t{number}.example" for number in range(_ZONES) if cut[number]}
            assert refused
            for zone in refused:
                wait(partial(_says, twistd, f"zone {zone}. could not be fetched: {zone}.: an SOA at c.{zone}."), twistd)
            assert not any(map(isServed, refused))
            for number, isWrong in enumerate(wrong):
                if isWrong:
                    wait(partial(_says, twistd, f" d{number}.example. stays as it is: "), twistd)
    assert [(records, isTaken) for records, isTaken in zip(contents, served, strict=True)] == [
        (records, not isWrong) for records, isWrong in zip(contents, wrong, strict=True)
    ]
