"""
Those who ask: dnsperf, a sender for what dnsperf cannot do, and a look at whether answers are those of the zone.
"""

from __future__ import annotations

import os
import random
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import Final, Literal

from twisted_ext.wire.names import nameFromText

__all__ = ["HOT", "Load", "addressOf", "answers", "cookies", "dnsperf", "query", "readDnsperf", "right", "spelled", "wrongAmong", "written"]

#: Names that are asked for again and again, some more than others.
HOT: Final = 8000

#: What a hundred thousand lines for dnsperf hold is random, and the same every time.
_SEED: Final = 26

#: Clients of the sender, each with a cookie of its own.
_CLIENTS: Final = 1000

#: Queries of the sender that are under way at once.
_WINDOW: Final = 64

#: Of this many replies to the sender one is checked.
_EVERY: Final = 16

#: Seconds to wait for a reply before it counts as lost.
_PATIENCE: Final = 1.0

Transport = Literal["udp", "tcp", "dot", "doh"]


#: Times that dnsperf is started for one measurement.
_TRIES: Final = 3


@dataclass(frozen=True)
class Load:
    """
    What came of some seconds of asking.

    @ivar answered: queries that got a reply, of whatever kind.
    @ivar good: of those, with the expected response code.
    @ivar latency: the average, in seconds; 0 where it was not measured.
    @ivar wrong: of the replies looked at, those that were not what the zone says.
    """

    sent: int
    answered: int
    good: int
    seconds: float
    latency: float = 0.0
    wrong: int = 0

    def objection(self) -> str | None:
        """
        @return: why this should not be counted, or L{None}.
        """
        if not self.answered:
            return "no answers"
        if self.good < 0.99 * self.answered:
            return f"{self.answered - self.good} of {self.answered} answers are errors"
        if self.sent - self.answered > 0.001 * self.sent + 5:
            return f"{self.sent - self.answered} of {self.sent} queries got lost"
        if self.wrong:
            return f"{self.wrong} answers are not what the zone says"
        return None


def readDnsperf(text: str, good: str = "NOERROR") -> Load:
    """
    @param text: what dnsperf printed.
    @param good: the expected response code.

    @raise ValueError: these are not its statistics.
    """

    def figure(pattern: str) -> float:
        match = re.search(pattern + r":\s+([\d.]+)", text)
        if match is None:
            raise ValueError(f"dnsperf did not print {pattern!r}")
        return float(match[1])

    found = re.search(rf"\b{good} (\d+)", text)
    seconds = figure(r"Run time \(s\)")
    answered = int(figure("Queries completed"))
    latency = figure(r"Average Latency \(s\)") if answered else 0.0
    return Load(int(figure("Queries sent")), answered, int(found[1]) if found else 0, seconds, latency)


def dnsperf(
    port: int,
    path: Path,
    seconds: float,
    cores: Iterable[int],
    *,
    transport: Transport = "udp",
    clients: int = 8,
    window: int = 200,
    once: bool = False,
    rate: int | None = None,
    source: int | None = None,
    options: str = "",
    good: str = "NOERROR",
) -> Load:
    """
    Ask for so many seconds, or for the file's lines once, whatever is less.

    @param window: queries under way at once, of all clients together.
    @param rate: queries in a second.
    @param source: the port of the first client; those of others follow.
    @param options: further words of its command.
    @param good: the expected response code.
    """
    words = f"dnsperf -s 127.0.0.1 -p {port} -m {transport} -c {clients} -q {window} -T 1 -t 2 -l {max(round(seconds), 1)}"
    if once:
        words += " -n 1"
    if rate is not None:
        words += f" -Q {rate}"
    if source is not None:
        words += f" -x {source}"
    words += f" {options}"
    where = set(cores)
    # It gives up now and then when a server closes its connection at an unlucky moment.
    for left in range(_TRIES, 0, -1):
        done = subprocess.run(
            [*words.split(), "-d", str(path)], capture_output=True, text=True, preexec_fn=lambda: os.sched_setaffinity(0, where)
        )
        if not done.returncode:
            break
        if left == 1:
            raise OSError(f"dnsperf ended with {done.returncode}: {done.stderr.strip()}")
    return readDnsperf(done.stdout, good)


def spelled(name: str, bits: int) -> str:
    """
    @return: the name with those letters in upper case that have a bit set, from the lowest on.
    """
    letters = list(name)
    for place, letter in enumerate(letters):
        if letter.isalpha():
            letters[place] = letter.upper() if bits & 1 else letter
            bits >>= 1
    return "".join(letters)


def _often(number: int, dice: random.Random) -> list[int]:
    order = list(range(HOT))
    dice.shuffle(order)
    return dice.choices(order, [1 / (place + 1) for place in range(HOT)], k=number)


def written(folder: Path, shape: str, number: int, seed: int = _SEED) -> Path:
    """
    @param shape: C{"plain"} for names that are hot, C{"case"} for these in random case, C{"each"} for so many names in turn.
    @param number: of lines.

    @return: a file for dnsperf.
    """
    path = folder / f"{shape}-{number}-{seed}"
    if path.exists():
        return path
    dice = random.Random(seed)
    if shape == "each":
        lines = [f"h{index}.example.test A\n" for index in range(number)]
    elif shape == "plain":
        lines = [f"h{index}.example.test A\n" for index in _often(number, dice)]
    else:
        suffixes = [spelled(".example.test", bits) for bits in range(1 << 11)]
        picked = dice.choices(suffixes, k=number)
        heads = dice.choices("hH", k=number)
        lines = [f"{head}{index}{suffix} A\n" for head, index, suffix in zip(heads, _often(number, dice), picked, strict=True)]
    path.write_text("".join(lines))
    return path


def addressOf(index: int) -> bytes:
    """
    @return: what the zone has for the name C{h<index>}.
    """
    return bytes([10, index >> 16 & 255, index >> 8 & 255, index & 255])


def query(number: int, name: str, cookie: bytes = b"") -> bytes:
    """
    @param number: its ID.
    @param cookie: of the client, 8 octets, in an OPT record.
    """
    option = pack(">HH", 10, len(cookie)) + cookie if cookie else b""
    opt = pack(">BHHIH", 0, 41, 1232, 0, len(option)) + option if cookie else b""
    return pack(">6H", number & 0xFFFF, 0x100, 1, 0, 0, 1 if cookie else 0) + nameFromText(name) + b"\x00\x01\x00\x01" + opt


def right(asked: bytes, reply: bytes, address: bytes) -> bool:
    """
    @return: whether the reply is one to this query, repeats its question to the letter, and has this address.
    """
    end = asked.index(b"\x00", 12) + 5
    start = reply[:2] == asked[:2] and len(reply) > end and reply[3] & 15 == 0 and reply[12:end] == asked[12:end]
    return start and b"\x00\x01\x00\x01" in reply[end:] and b"\x00\x04" + address in reply[end:]


def answers(port: int) -> bool:
    """
    @return: whether a name of the zone is answered there now.
    """
    asked = query(1, "h1.example.test")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.2)
        with suppress(OSError):
            asking.connect(("127.0.0.1", port))
            asking.send(asked)
            return right(asked, asking.recv(4096), addressOf(1))
    return False


def cookies(port: int, seconds: float, seed: int = _SEED, most: float = float("inf")) -> Load:
    """
    Ask with cookies, each query with that of any of many clients: dnsperf has one for all of its queries.

    @param seed: which of them asks for what. The cookies are always the same.
    @param most: queries after which it ends before its time.
    """
    dice = random.Random(_SEED)
    clients = [dice.randbytes(8) for _ in range(_CLIENTS)]
    dice.seed(seed)
    indexes = _often(1 << 16, dice)
    packets = [query(number, f"h{index}.example.test", dice.choice(clients)) for number, index in enumerate(indexes)]
    sent = answered = good = wrong = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.connect(("127.0.0.1", port))
        asking.settimeout(_PATIENCE)
        began = time.perf_counter()
        while time.perf_counter() - began < seconds and sent < most:
            for _ in range(_WINDOW):
                asking.send(packets[sent & 0xFFFF])
                sent += 1
            with suppress(OSError):
                for _ in range(_WINDOW):
                    reply = asking.recv(4096)
                    answered += 1
                    good += not reply[3] & 15
                    if not answered % _EVERY:
                        number = reply[0] << 8 | reply[1]
                        wrong += not right(packets[number], reply, addressOf(indexes[number]))
        took = time.perf_counter() - began
    return Load(sent, answered, good, took, wrong=wrong)


def _exchanged(port: int, transport: Transport, packets: Sequence[bytes]) -> list[bytes]:
    """
    @return: replies to packets that are sent together, those that came.
    """
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    replies: list[bytes] = []
    with socket.socket(socket.AF_INET, kind) as asking:
        asking.settimeout(_PATIENCE)
        asking.connect(("127.0.0.1", port))
        if transport == "udp":
            for packet in packets:
                asking.send(packet)
            with suppress(TimeoutError):
                for _ in packets:
                    replies.append(asking.recv(4096))
            return replies
        asking.sendall(b"".join([pack(">H", len(packet)) + packet for packet in packets]))
        with asking.makefile("rb") as reading, suppress(TimeoutError):
            for _ in packets:
                replies.append(reading.read(int.from_bytes(reading.read(2), "big")))
    return replies


def wrongAmong(port: int, path: Path, cores: Iterable[int], *, transport: Transport = "udp", case: bool = False, number: int = 1000) -> int:
    """
    Ask for so many names while dnsperf keeps the server busy.

    @param case: whether to ask in random case.

    @return: how many got no answer, or another one than the zone has.
    """
    dice = random.Random(number)
    where = set(cores)
    words = f"dnsperf -s 127.0.0.1 -p {port} -m {transport} -c 4 -q 50 -T 1 -l 60 -d {path}"
    missing = 0
    with subprocess.Popen(
        words.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, where)
    ) as load:
        try:
            time.sleep(0.2)
            for _ in range(0, number, 20):
                batch = {identifier: dice.randrange(HOT) for identifier in dice.sample(range(1 << 16), 20)}
                asked = {
                    identifier: query(identifier, spelled(f"h{index}.example.test", dice.getrandbits(12) if case else 0))
                    for identifier, index in batch.items()
                }
                for reply in _exchanged(port, transport, list(asked.values())):
                    identifier = int.from_bytes(reply[:2], "big")
                    if identifier in asked and right(asked.pop(identifier), reply, addressOf(batch[identifier])):
                        continue
                    missing += 1
                missing += len(asked)
        finally:
            load.terminate()
    return missing
