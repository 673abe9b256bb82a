"""
Records of other zones in a transfer, at our server and its peers as secondaries of one primary.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.query
import dns.rdatatype
import dns.rrset
import pytest

from tests.live.twistds import Twistd
from tests.live.zones.following import ADDRESS, followerOf
from tests.live.zones.test_ownsecondaries import settings
from tests.patience import PATIENCE
from tests.peers import LivePeer, freePort, peer

__all__: list[str] = []

_ZONE: Final = "strangers.test"

_OWN: Final = (
    f"{_ZONE}. 300 NS ns.{_ZONE}.",
    f"ns.{_ZONE}. 300 A 127.0.0.1",
    f"www.{_ZONE}. 300 A 192.0.2.1",
    f"mail.{_ZONE}. 300 A 192.0.2.25",
    f"old.{_ZONE}. 300 A 192.0.2.9",
)

#: Glue of a name server elsewhere, a name that ends like the zone but is none of its names, the zone above, and a sibling zone.
_STRANGERS: Final = (
    "ns.other.example. 300 A 192.0.2.66",
    f"www.not{_ZONE}. 300 A 192.0.2.66",
    "test. 300 TXT \"above\"",
    "www.beside.test. 300 AAAA 2001:db8::66",
)


def _soa(serial: int) -> str:
    return f"{_ZONE}. 300 SOA ns.{_ZONE}. mail.{_ZONE}. {serial} 3600 600 86400 300"


class _Primary(threading.Thread):
    """
    A primary that sends what it is given: C{transfer} for AXFR, C{changes} for IXFR. Each is a list of lines of a master file.

    @ivar asked: the types of the transfers that were sent.
    """

    def __init__(self, transfer: Sequence[str]) -> None:
        super().__init__()
        self.port = freePort(ADDRESS)
        self.serial = 1
        self.transfer = list(transfer)
        self.changes: list[str] = []
        self.asked: list[str] = []
        self._ends = False
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.bind((ADDRESS, self.port))
        self._listening = socket.create_server((ADDRESS, self.port))
        self._streams = threading.Thread(target=self._accept)

    def run(self) -> None:
        while not self._ends:
            octets, client = self._datagrams.recvfrom(65535)
            if len(octets) >= 12 and not self._ends:
                # What is too large for a datagram, as an IXFR, is its SOA record alone, so that it is asked for by TCP.
                self._datagrams.sendto(self._reply(octets, [_soa(self.serial)]), client)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                stream, _ = self._listening.accept()
                with stream, suppress(OSError, struct.error):
                    stream.settimeout(5)
                    # One query for each connection is enough for all.
                    while True:
                        (length,) = struct.unpack("!H", stream.recv(2, socket.MSG_WAITALL))
                        octets = stream.recv(length, socket.MSG_WAITALL)
                        reply = self._reply(octets, self._answer(octets))
                        stream.sendall(struct.pack("!H", len(reply)) + reply)

    def _answer(self, octets: bytes) -> list[str]:
        query = dns.message.from_wire(octets)
        rrType = query.question[0].rdtype
        if rrType == dns.rdatatype.SOA:
            return [_soa(self.serial)]
        self.asked.append(dns.rdatatype.to_text(rrType))
        if rrType == dns.rdatatype.IXFR and self.changes and query.authority[0][0].serial == self.serial - 1:
            return self.changes
        return [_soa(self.serial), *self.transfer, _soa(self.serial)]

    def _reply(self, octets: bytes, lines: Sequence[str]) -> bytes:
        query = dns.message.from_wire(octets)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.AA
        reply.use_edns(False)
        for line in lines:
            name, ttl, rrType, rdata = line.split(" ", 3)
            # Not as one set: an IXFR has the same SOA record several times.
            reply.answer.append(dns.rrset.from_text(name, int(ttl), "IN", rrType, rdata))
        return reply.to_wire(max_size=65535)

    def change(self, transfer: Sequence[str], changes: Sequence[str]) -> None:
        """
        Have the next version.
        """
        self.transfer, self.changes = list(transfer), list(changes)
        self.serial += 1

    def __enter__(self) -> Self:
        self.start()
        self._streams.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._ends = True
        self._datagrams.sendto(b"", (ADDRESS, self.port))
        self.join()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._streams.join()
        self._datagrams.close()


def _addresses(port: int, name: str) -> list[str]:
    """
    Ask a server for addresses. A failure has none.
    """
    query = dns.message.make_query(name, "A", flags=0)
    with suppress(dns.exception.DNSException, OSError):
        reply = dns.query.udp(query, ADDRESS, 2, port)
        return sorted([record.to_text() for rrset in reply.answer for record in rrset])
    return []


@contextmanager
def _secondary(program: str, primary: int, folder: Path) -> Iterator[tuple[int, LivePeer | Twistd]]:
    """
    Run a secondary, for its port and what has its log.
    """
    port = freePort(ADDRESS)
    if program == "ours":
        words = settings(folder, f'primaries = ["{ADDRESS}:{primary}"]', f'allow-notify = ["{ADDRESS}"]', name=_ZONE)
        with Twistd(folder, *words, port=port) as ours:
            yield port, ours
    else:
        if not peer(program):
            pytest.skip(f"{program} is not installed")
        server = followerOf(program, primary, [_ZONE], port)
        with server:
            yield port, server


def _within(isTrue: Callable[[], bool]) -> bool:
    """
    Return whether something becomes true.
    """
    end = time.monotonic() + PATIENCE
    while not (known := isTrue()) and time.monotonic() < end:
        time.sleep(0.05)
    return known


def _notify(port: int) -> None:
    message = dns.message.make_query(f"{_ZONE}.", "SOA")
    message.set_opcode(dns.opcode.NOTIFY)
    message.flags = dns.opcode.to_flags(dns.opcode.NOTIFY) | dns.flags.AA
    with suppress(dns.exception.DNSException, OSError):
        dns.query.udp(message, ADDRESS, 2, port)


@pytest.mark.parametrize("program", ["ours", "nsd", "named", "knotd"])
def test_strangersAreLeftOut(program: str, tmp_path: Path) -> None:
    """
    A secondary has the zone in spite of records that are outside of it, at its beginning, within it and at its end; first by AXFR, then by
    IXFR, among the deletions and the additions.
    """
    first = [*_STRANGERS[:1], *_OWN[:2], *_STRANGERS[1:3], *_OWN[2:], *_STRANGERS[3:]]
    second = [line for line in first if not line.startswith("old.")] + [f"new.{_ZONE}. 300 A 192.0.2.10"]
    deleted = [_STRANGERS[0], f"old.{_ZONE}. 300 A 192.0.2.9", _STRANGERS[1]]
    added = [_STRANGERS[2], f"new.{_ZONE}. 300 A 192.0.2.10", _STRANGERS[3]]
    changes = [_soa(2), _soa(1), *deleted, _soa(2), *added, _soa(2)]
    with _Primary(first) as primary, _secondary(program, primary.port, tmp_path) as (port, server):

        def said() -> str:
            return server.text() if isinstance(server, Twistd) else server.log()

        assert _within(lambda: _addresses(port, f"www.{_ZONE}.") == ["192.0.2.1"]), said()
        assert _addresses(port, f"old.{_ZONE}.") == ["192.0.2.9"]
        primary.change(second, changes)
        _notify(port)
        assert _within(lambda: _addresses(port, f"new.{_ZONE}.") == ["192.0.2.10"]), said()
        assert _addresses(port, f"old.{_ZONE}.") == []
        assert _addresses(port, f"www.{_ZONE}.") == ["192.0.2.1"]
        for name in ("ns.other.example.", f"www.not{_ZONE}."):
            assert _addresses(port, name) == [], name
        assert primary.asked[0] == "AXFR" and "IXFR" in primary.asked
        if program == "ours":
            warned = [line for line in said().splitlines() if "outside of the zone" in line]
            assert len(warned) == 2 and "ns.other.example." in warned[0], said()
