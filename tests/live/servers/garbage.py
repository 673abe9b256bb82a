"""
A client that sends garbage, in a process of its own.

    python -m tests.live.servers.garbage PORT RATE

It sends that many datagrams per second to a server at 127.0.0.1 until its standard input ends. Then it prints JSON with the number of
datagrams, their kinds, the number of replies, and how many of the replies were to forged replies: a server must not reply to a reply.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from tests.queries import optOf, queryOf

__all__ = ["KINDS", "SOURCE", "forged", "main"]

#: The address that it sends from.
SOURCE: Final = "127.0.0.2"

#: The most datagrams in a burst after a delay. A server's buffer holds many times as many.
_BURST: Final = 64

#: Seconds between two checks of the clock.
_PAUSE: Final = 0.004

#: The size of the largest datagrams.
_LARGE: Final = 9000


def _query(random: Random) -> bytes:
    name = random.choice(("h{}.example.org", "g{}.wild.example.org", "s{}.example.org")).format(random.randrange(200))
    opt = optOf(options=[(10, random.randbytes(8))]) if random.random() < 0.5 else b""
    return queryOf(name, random.choice(("A", "AAAA", "TXT", "MX")), id=random.randrange(65536), opt=opt)


def _noise(random: Random) -> bytes:
    return random.randbytes(random.randrange(600))


def _noiseBehindHeader(random: Random) -> bytes:
    return random.randbytes(2) + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01" + random.randbytes(random.randrange(80))


def _truncated(random: Random) -> bytes:
    query = _query(random)
    return query[: random.randrange(len(query))]


def _mutated(random: Random) -> bytes:
    query = bytearray(_query(random))
    for _ in range(random.randint(1, 8)):
        query[random.randrange(2, len(query))] = random.randrange(256)
    # QR is left out, since forged replies are a kind of their own.
    query[2] &= 0x7F
    return bytes(query)


def _lengthened(random: Random) -> bytes:
    return _query(random) + random.randbytes(random.randint(1, 40))


def _counts(random: Random) -> bytes:
    counts = b"".join([random.choice((b"\xff\xff", b"\x00\x01", b"\x00\x00", b"\x80\x00")) for _ in range(4)])
    query = _query(random)
    return query[:4] + counts + query[12:] * random.randrange(3)


def _pointers(random: Random) -> bytes:
    """
    Names that point to themselves, to each other, ahead, or through a chain of pointers.
    """
    head = random.randbytes(2) + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    chain = b"".join([(0xC000 | 12 + 2 * number).to_bytes(2, "big") for number in range(random.randint(1, 200))])
    loops = (b"\xc0\x0c", b"\xc0\x0e\xc0\x0c", b"\xff\xff", b"\x03www\xc0\x0c", b"\x01a\xc0\x10\x01b\xc0\x0c", chain[:-2] + b"\xc0\x0c")
    return head + random.choice(loops) + b"\x00\x01\x00\x01"


def _labels(random: Random) -> bytes:
    """
    Names that are too long, have labels of unknown kinds, or never end.
    """
    head = random.randbytes(2) + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    names = (b"\x3f" + bytes(63), b"\x01x" * 200, b"\x40abc", b"\x80\x01", b"\x3fshort", (b"\x3f" + b"y" * 63) * 20)
    return head + random.choice(names) + random.choice((b"", b"\x00", b"\x00\x00\x01\x00\x01"))


def _opcodes(random: Random) -> bytes:
    query = bytearray(_query(random))
    query[2] = query[2] & 0x87 | random.randrange(1, 16) << 3
    return bytes(query)


def _options(random: Random) -> bytes:
    """
    OPT records with wrong lengths, two of them, other versions, and cookies of invalid lengths.
    """
    opt = bytearray(optOf(random.randrange(65536), options=[(random.choice((3, 8, 10, 11)), random.randbytes(random.randrange(50)))]))
    opt[random.randrange(3, len(opt))] = random.randrange(256)
    name = f"h{random.randrange(200)}.example.org"
    return queryOf(name, id=random.randrange(65536), opt=bytes(opt) * random.choice((1, 1, 2)))


def _extremes(random: Random) -> bytes:
    return random.choice((b"", b"\x00", bytes(11), bytes(12), bytes(_LARGE), b"\xff" * _LARGE, random.randbytes(_LARGE)))


#: All kinds by name.
KINDS: Final[dict[str, Callable[[Random], bytes]]] = {
    each.__name__.strip("_"): each
    for each in (
        _noise,
        _noiseBehindHeader,
        _truncated,
        _mutated,
        _lengthened,
        _counts,
        _pointers,
        _labels,
        _opcodes,
        _options,
        _extremes,
    )
}


def forged(random: Random) -> bytes:
    """
    Return an unsolicited reply, with an address that no zone has.
    """
    query = queryOf(f"h{random.randrange(200)}.example.org", id=random.randrange(65536), flags=0x8180)
    return query[:6] + b"\x00\x01" + query[8:] + b"\xc0\x0c\x00\x01\x00\x01\x00\x01\x51\x80\x00\x04\xcb\x00\x71\x42"


def _repliesRead(sending: socket.socket) -> int:
    """
    Return how many replies arrived.
    """
    count = 0
    with suppress(OSError):
        while True:
            sending.recv(65535)
            count += 1
    return count


def main(port: int, rate: float) -> None:
    """
    Send until standard input ends.
    """
    sent: Counter[str] = Counter()
    replies = toReplies = 0
    with socket.socket(type=socket.SOCK_DGRAM) as asking, socket.socket(type=socket.SOCK_DGRAM) as replying:
        for each in (asking, replying):
            each.bind((SOURCE, 0))
            each.connect(("127.0.0.1", port))
            each.setblocking(False)
        random = Random(port)
        names = tuple(KINDS)
        began = time.monotonic()
        count = 0
        while sys.stdin not in select.select([sys.stdin], [], [], _PAUSE)[0]:
            due = int((time.monotonic() - began) * rate)
            for _ in range(min(due - count, _BURST)):
                count += 1
                kind = "forged" if count % (len(names) + 1) == 0 else random.choice(names)
                with suppress(OSError):
                    if kind == "forged":
                        replying.send(forged(random))
                    else:
                        asking.send(KINDS[kind](random))
                    sent[kind] += 1
            replies += _repliesRead(asking)
            toReplies += _repliesRead(replying)
    told = {"sent": sum(sent.values()), "kinds": dict(sent), "replies": replies, "toReplies": toReplies}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
