"""
Tests of replies under load: the packet cache gives what would be given without it, octet for octet.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.live.servers.enduring import OUTSTANDING, Perf, helperProcess
from tests.live.servers.twofold import LOADING, SAMPLED
from tests.peers import LivePeer, nsd
from tests.queries import COOKIE, mixedCase, optOf, queryOf
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

#: Seconds until a query is asked again, and how often.
_WAIT: Final = 5.0
_TRIES: Final = 6

#: The most pairs of replies without the packet cache, until two are equal: a second or a TTL may end between them.
_PAIRS: Final = 20

#: How often TTLs must be a second apart to count, and the seconds between. Two look-ups of a name at once, such as a prefetch and one after
#: the answer has expired, are cached one after the other. If the packet cache has the first and the cache the second, their TTLs differ for
#: the fraction of each second that was between them.
_APART: Final = 3
_BETWEEN: Final = 0.2

#: Two permitted clients, and one that is refused.
_CLIENTS: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3")

_ZONE: Final = (
    "$ORIGIN example.org.\n$TTL 300\n@ SOA ns mail 1 3600 600 86400 7\n@ NS ns\n@ MX 10 mail\n@ MX 20 Mail.Other\nns A 127.0.0.1\n"
    + "".join([f"h{number} {3 + number % 9} A 192.0.2.{number}\n" for number in range(20)])
    + "".join([f"many 40 A 192.0.2.{number}\n" for number in range(30)])
    + "".join([f'text 60 TXT "{number:03d} {"." * 200}"\n' for number in range(3)])
    + "".join([f'large 60 TXT "{number:03d} {"." * 200}"\n' for number in range(12)])
    + "alias 20 CNAME Target.example.org.\ntarget 45 A 192.0.2.7\n*.wild 11 A 192.0.2.81\nletters 30 TYPE24929 \\# 2 4142\n"
)

_QUESTIONS: Final = (
    *[(f"h{number}.example.org", "A") for number in range(20)],
    *[(f"h{number}.example.org", "AAAA") for number in range(5)],
    *[(f"nothing{number}.example.org", "A") for number in range(5)],
    *[(f"w{number}.wild.example.org", "A") for number in range(5)],
    ("example.org", "MX"),
    ("example.org", "SOA"),
    *[("text.example.org", "TXT")] * 4,
    ("many.example.org", "A"),
    ("large.example.org", "TXT"),
    ("alias.example.org", "A"),
    ("letters.example.org", "TYPE24929"),
    ("local.example.org", "A"),
    ("localhost", "A"),
    ("h1.example.org", "ANY"),
)


def _shape(random: Random) -> tuple[str, bytes]:
    """
    Return the name and the octets of what a query has besides its question.
    """
    shape = random.choice(("plain", "edns", "small", "large", "dnssec", "cookie", "cookies", "option", "nsid", "version"))
    made = {
        "plain": b"",
        "edns": optOf(),
        "small": optOf(512),
        "large": optOf(4096),
        "dnssec": optOf(flags=0x8000),
        "cookie": optOf(options=[(COOKIE, random.randbytes(8))]),
        "cookies": optOf(4096, flags=0x8000, options=[(COOKIE, b"constant"), (65001, b"?")]),
        "option": optOf(options=[(65001, random.randbytes(3))]),
        "nsid": optOf(options=[(3, b"")]),
        "version": optOf(version=1),
    }
    return shape, made[shape]


class _Client:
    """
    A client at one address that sends queries over UDP or TCP.
    """

    def __init__(self, stack: ExitStack, address: str, ports: list[int]) -> None:
        self._stack = stack
        self._address = address
        self._ports = ports
        self._made: dict[tuple[bool, bool], socket.socket] = {}

    def ask(self, query: bytes, *, slow: bool, stream: bool) -> bytes:
        """
        Return the reply.
        """
        for _ in range(_TRIES):
            try:
                return self._exchange(query, slow, stream)
            except OSError:
                self._made.pop((slow, stream)).close()
        raise AssertionError(f"no reply to {query.hex(' ')} from {self._address}")

    def _exchange(self, query: bytes, slow: bool, stream: bool) -> bytes:
        asking = self._made.get((slow, stream))
        if asking is None:
            kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
            self._made[slow, stream] = asking = self._stack.enter_context(socket.socket(type=kind))
            asking.settimeout(_WAIT)
            asking.bind((self._address, 0))
            asking.connect(("127.0.0.1", self._ports[slow]))
        if not stream:
            asking.send(query)
            return asking.recv(65535)
        asking.sendall(frame(query))
        got = b""
        while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
            more = asking.recv(65535)
            if not more:
                raise ConnectionError("closed")
            got += more
        return got[2:]


class _Sampled:
    """
    The results of a run.

    @ivar compared: queries by shape.
    @ivar differing: each reply of the packet cache that differs, with the reply without it.
    @ivar asked: queries to the packet cache that were compared.
    @ivar again: comparisons that were repeated because a second had ended, or TTLs were one apart.
    @ivar ages: the TTLs that one record set was seen with.
    """

    def __init__(self) -> None:
        self.compared: Counter[str] = Counter()
        self.differing: list[str] = []
        self.asked = self.again = 0
        self.ages: set[int] = set()


def _isSecondOlder(found: bytes, expected: bytes) -> bool:
    """
    Return whether TTLs of the reply found are a second lower than expected, and nothing else of the records differs.
    """
    pairs: list[tuple[int, int]] = []
    older, newer = Message.fromWire(found), Message.fromWire(expected)
    for one, other in ((older.answer, newer.answer), (older.authority, newer.authority)):
        if [(each.name, each.rrType, each.rdatas) for each in one] != [(each.name, each.rrType, each.rdatas) for each in other]:
            return False
        pairs += [(each.ttl, same.ttl) for each, same in zip(one, other, strict=True)]
    return found[:12] == expected[:12] and len(found) == len(expected) and all(0 <= ttl - lower <= 1 for lower, ttl in pairs)


def _sample(sampled: _Sampled, clients: list[_Client], random: Random) -> None:
    """
    Compare one reply of the packet cache with two replies around it without the packet cache. It must equal them where those two are equal.
    """
    shape, opt = _shape(random)
    name, rrType = random.choice(_QUESTIONS)
    client = random.choice(clients)
    stream = random.random() < 0.2
    query = queryOf(name, rrType, flags=random.choice((0x0100, 0x0100, 0x0100, 0x0110, 0x0120)), opt=opt)
    if random.random() < 0.5:
        query = mixedCase(query, random.getrandbits(256))
    # The packet cache stores nothing on its first sight, and nothing that had to be waited for.
    for _ in range(3):
        client.ask(random.randrange(SAMPLED).to_bytes(2, "big") + query[2:], slow=False, stream=stream)
    apart = 0
    for _ in range(_PAIRS):
        query = random.randrange(SAMPLED, 0x10000).to_bytes(2, "big") + query[2:]
        before = client.ask(query, slow=True, stream=stream)
        sampled.asked += 1
        found = client.ask(query, slow=False, stream=stream)
        if before == client.ask(query, slow=True, stream=stream):
            if found == before or not _isSecondOlder(found, before):
                break
            apart += 1
            if apart == _APART:
                break
            time.sleep(_BETWEEN)
        sampled.again += 1
    else:
        raise AssertionError("the slow path gives another reply each time")
    sampled.compared[shape] += 1
    if name == "text.example.org" and (answer := Message.fromWire(found).answer):
        sampled.ages.add(answer[0].ttl)
    if found != before:
        sampled.differing.append(f"{shape} {query.hex()}:\n{found.hex()}\n{before.hex()}")


def _run(folder: Path, upstream: LivePeer, how: str, samples: int) -> tuple[_Sampled, dict[str, int], str]:
    """
    Return the results, the counters of the server, and the statistics of dnsperf.
    """
    sampled = _Sampled()
    random = Random(how)
    with ExitStack() as stack:
        server = stack.enter_context(helperProcess("tests.live.servers.twofold", f"{upstream.address}:{upstream.port}", how))
        assert server.stdout is not None
        ports = json.loads(server.stdout.readline())
        clients = [_Client(stack, address, ports) for address in _CLIENTS]
        lines = [f"{name} {rrType}\n" for name, rrType in _QUESTIONS if rrType.isalpha()]
        perf = Perf(folder, ports[0], lines, "-a", LOADING, "-c", "20", "-q", str(OUTSTANDING), "-l", "1000")
        loading = stack.enter_context(perf.run())
        try:
            for _ in range(samples):
                assert loading.poll() is None
                _sample(sampled, clients, random)
                # Let some seconds pass, so that TTLs count down.
                time.sleep(0.005)
        finally:
            # dnsperf ends on SIGINT and prints its statistics.
            loading.send_signal(signal.SIGINT)
            loading.wait()
        counted = json.loads(server.communicate()[0])
    return sampled, counted, perf.text()


@pytest.fixture(scope="module")
def upstream() -> Iterator[LivePeer]:
    """
    Start an upstream with the zone.
    """
    with nsd({"example.org": _ZONE}, address="127.0.0.73") as server:
        yield server


@pytest.mark.parametrize("samples", [350, pytest.param(1000, marks=pytest.mark.long)])
def test_packetCacheRepliesAreEqual(tmp_path: Path, upstream: LivePeer, samples: int) -> None:
    """
    Replies under load equal those without the packet cache in the same second: hits, denials and refusals, over UDP and TCP, for
    every shape of a query. Most of them come from the packet cache.
    """
    sampled, counted, said = _run(tmp_path, upstream, "right", samples)
    sys.stdout.write(f"{dict(sampled.compared)} asked {sampled.asked} again {sampled.again} {counted} {sampled.ages} {said}\n")
    assert sampled.differing == []
    assert sampled.compared.total() == samples
    assert counted["slow"] == counted["slowBeyond"]
    # Names that expire meanwhile must be looked up again, more of them on a slow machine.
    assert counted["sampledBeyond"] < sampled.asked / 2
    assert counted["beyond"] < counted["queries"] / 2
    assert len(sampled.ages) > 1 + samples // 1000


@pytest.mark.parametrize(
    ("how", "samples"),
    [("bit", 50), pytest.param("second", 15), pytest.param("second", 50, marks=pytest.mark.long)],
)
def test_differenceIsDetected(tmp_path: Path, upstream: LivePeer, how: str, samples: int) -> None:
    """
    A single wrong bit in a reply of the packet cache is detected, and so are the TTLs of the next second.
    """
    sampled, _, _ = _run(tmp_path, upstream, how, samples)
    assert len(sampled.differing) > samples / 5
