"""
A network namespace with two name servers of one zone at port 53, the second of them late, for L{tests.live.lookups.test_changes}.

    python -m tests.live.lookups.zonesown WORD ...

runs C{txdns WORD ...} in it. The second server has the new address after a few queries for it.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys
from collections.abc import Sequence

from tests.tour.machine import UNSHARE
from tests.typed import outputAndValue
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.message import Question

__all__ = ["LATE", "main"]

#: How many queries the second server gets before it has the new address.
LATE = 3

_SIOCSIFFLAGS = 0x8914
_UP_AND_RUNNING = 0x41


def main(words: Sequence[str]) -> int:
    """
    Return the exit code of the command.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP_AND_RUNNING))
    from twisted.internet import reactor

    records = {
        ("example.org", "NS"): ["ns1.example.org.", "ns2.example.org."],
        ("ns1.example.org", "A"): "127.0.0.1",
        ("ns2.example.org", "A"): "127.0.0.2",
        # This address is unreachable.
        ("ns2.example.org", "AAAA"): "2001:db8::53",
        ("www.example.org", "A"): "192.0.2.2",
    }
    asked: list[Question] = []

    def late(question: Question) -> str:
        asked.append(question)
        return "192.0.2.1" if len(asked) <= LATE else "192.0.2.2"

    servers = CannedServer(records), CannedServer(records)
    servers[1].set("www.example.org", "A", late)
    for number, server in enumerate(servers, 1):
        server.listen(reactor, 53, f"127.0.0.{number}")
    codes: list[int] = []

    def ended(result: tuple[bytes, bytes, int]) -> None:
        sys.stdout.write(result[0].decode() + result[1].decode())
        codes.append(result[2])
        reactor.stop()

    command = ["-m", "twisted_ext.apps.cli.main", *words]
    outputAndValue(sys.executable, command, env=os.environ).addCallback(ended)
    reactor.run()
    return codes[0]


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        sys.exit(main(sys.argv[2:]))
    os.execvp(UNSHARE[0], [*UNSHARE, sys.executable, "-m", "tests.live.lookups.zonesown", "--inside", *sys.argv[1:]])
