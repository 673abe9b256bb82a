"""
Load with known answers: a zone, dnsperf, and measurements of a server under it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from tests.peers import peer
from tests.test_architecture import ROOT
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import typeName

__all__ = [
    "BRIEF",
    "HOT",
    "LOST",
    "OUTSTANDING",
    "ZONE",
    "KnownAnswer",
    "Perf",
    "datagramsDropped",
    "expectedAnswer",
    "residentKilobytes",
    "answerOf",
    "helperProcess",
    "warmUp",
    "workload",
]

#: The most outstanding queries of dnsperf.
OUTSTANDING: Final = 100

#: Names that are queried all the time.
HOT: Final = 200

#: Names with a TTL of one second.
BRIEF: Final = 20

#: Seconds after which a query counts as lost.
LOST: Final = 5

_SOA: Final = "ns.example.org. mail.example.org. 1 3600 600 86400 60"

ZONE: Final = (
    f"$ORIGIN example.org.\n$TTL 3000\n@ SOA {_SOA}\n@ NS ns\nns A 127.0.0.1\n*.wild A 192.0.2.81\n"
    + "".join([f"h{number} A 192.0.2.{number % 250}\nh{number} MX 10 ns\n" for number in range(HOT)])
    + "".join([f"s{number} 1 A 198.51.100.{number}\n" for number in range(BRIEF)])
    + "".join([f'large TXT "{number:03d} {"." * 200}"\n' for number in range(100)])
)

#: An rcode, and the texts of the answer and authority sections.
KnownAnswer = tuple[int, tuple[str, ...], tuple[str, ...]]


def expectedAnswer(name: str, rrType: str) -> KnownAnswer:
    """
    Return the answer of the zone.
    """
    label = name.partition(".")[0]
    number = int("0" + re.sub("[^0-9]", "", label))
    if name.endswith(".wild.example.org"):
        found = "192.0.2.81" if rrType == "A" else ""
    elif name == f"h{number}.example.org" and number < HOT:
        found = {"A": f"192.0.2.{number % 250}", "MX": "10 ns.example.org."}.get(rrType, "")
    elif name == f"s{number}.example.org" and number < BRIEF:
        found = f"198.51.100.{number}" if rrType == "A" else ""
    else:
        return 3, (), (f"example.org. SOA {_SOA}",)
    return (0, (f"{name}. {rrType} {found}",), ()) if found else (0, (), (f"example.org. SOA {_SOA}",))


def answerOf(message: Message) -> KnownAnswer:
    """
    Return the rcode and records of a reply.
    """
    answer, authority = (
        tuple(
            [
                f"{nameToText(rrset.name)} {typeName(rrset.rrType)} {rdataToText(rrset.rrType, rdata)}"
                for rrset in section
                for rdata in rrset.rdatas
            ]
        )
        for section in (message.answer, message.authority)
    )
    return message.rcode, answer, authority


def warmUp() -> Iterator[str]:
    """
    Return lines for dnsperf that fill a small cache, and the packet cache with the names that are queried all the time.
    """
    for number in range(8000):
        yield f"w{number}.wild.example.org A\n"
    for _ in range(3):
        for number in range(HOT):
            yield from (f"h{number}.example.org {rrType}\n" for rrType in ("A", "MX", "AAAA"))
        yield from (f"s{number}.example.org A\n" for number in range(BRIEF))


def workload(count: int) -> Iterator[str]:
    """
    Return lines for dnsperf, a fifth of them for names that were never queried before.
    """
    random = Random(count)
    for number in range(count):
        chance = random.random()
        if chance < 0.14:
            yield f"u{number}.wild.example.org A\n"
        elif chance < 0.20:
            yield f"u{number}.none.example.org A\n"
        elif chance < 0.25:
            yield f"s{random.randrange(BRIEF)}.example.org A\n"
        elif chance < 0.30:
            yield f"h{random.randrange(HOT)}.example.org {random.choice(('MX', 'AAAA'))}\n"
        else:
            yield f"h{random.randrange(HOT)}.example.org A\n"


class Perf:
    """
    A running dnsperf that logs each query, and its log.
    """

    def __init__(self, folder: Path, port: int, lines: Iterable[str], *words: str) -> None:
        """
        @param words: further options.
        """
        self._port = port
        self._told = folder / "dnsperf.log"
        self._words = words
        self._asked = folder / "dnsperf.txt"
        self._asked.write_text("".join(lines))

    def run(self) -> subprocess.Popen[bytes]:
        """
        Start it.
        """
        where = ["-s", "127.0.0.1", "-p", str(self._port), "-d", str(self._asked), "-T", "1", "-t", str(LOST)]
        # Line buffering makes the log current.
        command = [str(peer("stdbuf")), "-oL", str(peer("dnsperf")), "-v", *where, *self._words]
        with self._told.open("wb") as told:
            return subprocess.Popen(command, stdout=told, stderr=told)

    @property
    def octets(self) -> int:
        """
        The length of its log so far, as a mark.
        """
        return self._told.stat().st_size

    def queriesEnded(self, start: int = 0, end: int | None = None) -> list[tuple[str, str, str]]:
        """
        Return the rcode, name and type of each query that ended between two marks. The rcode is C{"T"} where no reply came.

        @param start: a mark.
        @param end: a later mark.
        """
        octets = self._told.read_bytes()[start:end]
        return [(rcode, name, rrType) for rcode, name, rrType in re.findall(r"^> (\S+) (\S+) (\S+)", octets.decode(), re.MULTILINE)]

    def text(self) -> str:
        """
        Return its final statistics.
        """
        return self._told.read_text().partition("Statistics:")[2]


@contextmanager
def helperProcess(*words: str) -> Iterator[subprocess.Popen[str]]:
    """
    Run a program of these tests until its standard input ends.
    """
    with subprocess.Popen(
        [sys.executable, "-m", *words], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(OSError, ValueError):
                if process.stdin is not None:
                    process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def residentKilobytes(process: int) -> int:
    """
    Return the resident memory of a process.
    """
    for line in Path(f"/proc/{process}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("it is gone")


def datagramsDropped(port: int) -> int:
    """
    Return how many datagrams to a port of 127.0.0.1 the kernel dropped because the buffer was full.
    """
    place = f"0100007F:{port:04X}"
    return sum([int(line.split()[-1]) for line in Path("/proc/net/udp").read_text().splitlines() if line.split()[1] == place])
