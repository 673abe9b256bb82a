"""
Counters with sample values.
"""

from __future__ import annotations

from typing import Final

from twisted_ext.metrics.counters import Counters
from twisted_ext.wire.names import nameFromText

__all__ = ["HOSTILE", "busy"]

#: Queried names that attack their display: a script, a terminal escape, a quote, a line end, and octets that are not text.
HOSTILE: Final = (
    b"\x1a<img/src/onerror=id='own'>\0",
    b"\x1c<script>alert(document)</scr\0",
    b"\x0b<img src=x>\x07onerror\0",
    b"\x08\x1b]0;own\x07\0",
    b'\x06"\n\\{}x\0',
    b"\x05\xff\xfe\x80\x9b\x00\0",
)


def busy() -> Counters:
    """
    Return the counters of a server that received a thousand queries.
    """
    counters = Counters()
    counters.udp, counters.udpBeyond = 900, 100
    counters.tcp, counters.tcpBeyond = 100, 50
    counters.replies[0], counters.replies[3], counters.replies[2] = 940, 40, 10
    counters.ready, counters.failed, counters.dropped = 110, 10, 10
    counters.tcpOpen, counters.tcpOpened, counters.pending = 3, 20, 2
    counters.refused("access")
    for milliseconds in (1, 1.5, 15, 15, 80, 300, 7000):
        counters.waited(nameFromText(f"slow{milliseconds:.0f}.example"), milliseconds / 1000)
    for _ in range(5):
        counters.asked(nameFromText("www.example"), 1)
    for name in HOSTILE:
        counters.asked(name, 1)
        counters.waited(name, 0.5)
    return counters
