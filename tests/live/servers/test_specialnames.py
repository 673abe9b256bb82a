"""
Names that only the network knows, as Unbound denies them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

from tests.live.twistds import REPLY, Twistd
from tests.peers import unbound
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.message import Message

_NAMES: Final = ("home.arpa", "a.home.arpa", "a.B.Home.arpa", "test", "www.test", "10.in-addr.arpa", "1.0.0.10.in-addr.arpa")


def _asked(port: int, name: str, rrType: str) -> tuple[int, int, int]:
    """
    Return the RCODE, and how many records the answer and the authority section have.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(REPLY)
        asking.connect(("127.0.0.1", port))
        asking.send(b"\0\7" + buildQuery(RD, questionOf(name, rrType).toWire(), b""))
        reply = Message.fromWire(asking.recv(65535))
    return reply.rcode, len(reply.answer), len(reply.authority)


def test_likeUnbound(tmp_path: Path) -> None:
    """
    Zones that only the network knows are empty, with an SOA and an NS record, as those of Unbound, and no server is asked.
    """
    with unbound(extra="unblock-lan-zones: no") as peer, Twistd(tmp_path, "recurse") as ours:
        for name in _NAMES:
            for rrType in ("A", "AAAA", "PTR", "SOA", "NS", "TXT"):
                assert _asked(ours.port, name, rrType) == _asked(peer.port, name, rrType), (name, rrType)
