"""
Reading messages, beside twisted.names and dnspython.

    python -m benchmarks.parsing [rounds]

A referral of 888 octets (13 NS, 26 addresses, a DS) and an answer of one record, until every set of records is made. A row has
microseconds of processor time, the least of all rounds, and the median of the ratios to twisted.names in the same round.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

from twisted.names.dns import Message as TheirMessage

from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import QR
from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.registry import rdataFromText
from twisted_ext.wire.records import RRSet

_A, _NS, _AAAA, _DS = 1, 2, 28, 43


def _set(owner: str, rrType: int, ttl: int, *texts: str) -> RRSet:
    return RRSet(nameFromText(owner), rrType, 1, ttl, tuple([rdataFromText(rrType, text) for text in texts]))


def messages() -> dict[str, bytes]:
    """
    @return: what is read, by what it is.
    """
    question = (Question(nameFromText("www.example.com"), _A),)
    hosts = [f"{letter}.gtld-servers.net." for letter in "abcdefghijklm"]
    glue: list[RRSet] = []
    for number, host in enumerate(hosts):
        glue += [_set(host, _A, 172800, f"192.5.6.{number}"), _set(host, _AAAA, 172800, f"2001:503:a83e::2:{number:x}")]
    digest = "19718 13 2 8ACBB0CD28F41250A80A491389424D341522D946B0DA0C0291F2D3D771D7805A"
    authority = (_set("com.", _NS, 172800, *hosts), _set("com.", _DS, 86400, digest))
    referral = Message(1, QR, question, (), authority, tuple(glue), EDNS(1232))
    small = Message(1, QR, question, (_set("www.example.com", _A, 300, "192.0.2.1"),))
    return {"referral": buildMessage(referral), "one record": buildMessage(small)}


def readers(octets: bytes) -> dict[str, Callable[[], object]]:
    """
    @return: what reads them, by library.
    """
    import dns.message

    return {
        "twisted_ext": lambda: Message.fromWire(octets).check(),
        "twisted.names": lambda: TheirMessage().fromStr(octets),
        "dnspython": lambda: dns.message.from_wire(octets),
    }


def measure(rounds: int = 15) -> dict[tuple[str, str], tuple[float, float]]:
    """
    @return: by message and library, microseconds and the ratio to twisted.names.
    """
    table: dict[tuple[str, str], tuple[float, float]] = {}
    for what, octets in messages().items():
        count = 1000 if len(octets) > 500 else 10_000
        costs: dict[str, list[float]] = {}
        for _ in range(rounds):
            for library, read in readers(octets).items():
                began = time.process_time()
                for _ in range(count):
                    read()
                costs.setdefault(library, []).append((time.process_time() - began) / count * 1e6)
        for library, each in costs.items():
            ratios = [ours / theirs for ours, theirs in zip(each, costs["twisted.names"], strict=True)]
            table[what, library] = min(each), statistics.median(ratios)
    return table


def main() -> None:
    """
    Print the rows.
    """
    numbers = [int(word) for word in sys.argv[1:]]
    print(f"{'message':12} {'library':14} {'µs':>8} {'ratio':>6}")
    for (what, library), (cost, ratio) in measure(*numbers).items():
        print(f"{what:12} {library:14} {cost:8.1f} {ratio:6.2f}")


if __name__ == "__main__":
    main()
