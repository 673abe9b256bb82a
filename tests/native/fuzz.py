"""
Calls the C extension with random datagrams, places, arguments and damaged images of zones, and compares it with Python.

    python -m tests.native.fuzz [--seconds N] [--seed N] [--sanitize]

With C{--sanitize} the extension is compiled with AddressSanitizer and UndefinedBehaviorSanitizer, which end the program at the first
invalid access. Memory that grows is an error too.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.native.differing import damagedImage
from tests.native.twins import CExtension, builtExtension, builtInto, loaded, twin

__all__ = ["Fuzz", "main"]

#: The path of an extension that this program has compiled for the process that it starts.
_VARIABLE: Final = "TXDNS_FUZZED_EXTENSION"

_SANITIZE: Final = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")

#: Socket options that add ancillary data of other kinds: time stamps, TTL, type of service, overflow counts.
_NOISY: Final = (
    (socket.SOL_SOCKET, 29),
    (socket.SOL_SOCKET, 40),
    (socket.IPPROTO_IP, 12),
    (socket.IPPROTO_IP, 13),
    (socket.IPPROTO_IPV6, 51),
    (socket.IPPROTO_IPV6, 66),
)

#: Rounds before memory is measured first, and octets by which it may grow after that.
_SETTLED: Final = 2000
_GROWTH: Final = 32 << 20


class _Odd:
    """
    In place of a socket: its descriptor is an error, no number, or closes another socket.
    """

    def __init__(self, answer: Callable[[], object]) -> None:
        self.fileno = answer


class Fuzz:
    """
    @ivar rounds: how many calls were made.
    """

    def __init__(self, extension: CExtension, seed: int) -> None:
        self._extension = extension
        self._python = twin("python")
        self._random = random.Random(seed)
        self._places: list[object] = []
        self.rounds = 0

    def run(self, seconds: float, most: int = sys.maxsize) -> None:
        with ExitStack() as stack:
            pairs = [self._pair(stack, address) for address in ("127.0.0.1", "::1", "0.0.0.0", "::")]
            left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            pairs.append((stack.enter_context(left), stack.enter_context(right)))
            for server, client in pairs:
                server.setblocking(False)
                client.setblocking(False)
            until = time.monotonic() + seconds
            settled = 0
            while time.monotonic() < until and self.rounds < most:
                for _ in range(20):
                    self._round(*self._random.choice(pairs))
                    self.rounds += 1
                damagedImage(self._extension, self._random)
                if self.rounds == _SETTLED:
                    gc.collect()
                    settled = self._memory()
            if settled and self._memory() > settled + _GROWTH:
                raise AssertionError(f"memory grew from {settled >> 20} to {self._memory() >> 20} MiB in {self.rounds} rounds")

    def _memory(self) -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    def _pair(self, stack: ExitStack, address: str) -> tuple[socket.socket, socket.socket]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        if address == "0.0.0.0":
            server.setsockopt(socket.IPPROTO_IP, 8, 1)
        elif address == "::":
            server.setsockopt(socket.IPPROTO_IPV6, 49, 1)
            for level, option in _NOISY:
                server.setsockopt(level, option, 1)
        server.bind((address, 0))
        client = stack.enter_context(socket.socket(family, socket.SOCK_DGRAM))
        client.connect(({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address), server.getsockname()[1]))
        return server, client

    def _round(self, server: socket.socket, client: socket.socket) -> None:
        chance = self._random
        extension = self._extension
        wanted = [chance.randbytes(chance.choice((0, 1, 40, 512, 4095, 4096, 5000))) for _ in range(chance.choice((0, 1, 2, 70)))]
        try:
            for octets in wanted:
                client.send(octets)
        except OSError:
            # The receive buffer of a Unix socket is full, or the other side has been sent to nowhere.
            pass
        kind = chance.randrange(9)
        if kind < 3:
            arrived = extension.receive(server, chance.choice((0, 1, 63, 64, 65, 1000)), 4096)
            inet = server.family != socket.AF_UNIX
            if not inet and arrived:
                raise AssertionError("a place without an Internet address")
            for _, place in arrived:
                address = extension.addressOf(place)
                if address[:2] != client.getsockname()[:2]:
                    raise AssertionError(f"{address} instead of {client.getsockname()}")
                self._places.append(place)
                if len(self._places) > 200:
                    del self._places[:100]
            if extension.send(server, arrived) and inet and all(len(octets) < 60_000 for octets, _ in arrived):
                raise AssertionError("a reply was lost")
        elif kind == 3:
            read: list[bytes] = []
            self._attempt(extension.receiveConnected, client, chance.randrange(70), chance.randrange(4097), read)
            self._attempt(extension.sendConnected, client, [octets[:50] for octets in read])
        elif kind == 4:
            self._attempt(extension.send, server, [self._item() for _ in range(chance.choice((1, 3, 64, 200)))])
        elif kind == 5:
            odd = chance.choice((lambda: -1, lambda: 1 // 0, lambda: "text", lambda: 1 << 40, lambda: gc.collect(0) and -1, client.fileno))
            for call in extension.receive, extension.receiveConnected:
                self._attempt(call, _Odd(odd), 3, 100, *([[]] if call is extension.receiveConnected else []))
            self._attempt(extension.send, _Odd(odd), [self._item()])
        elif kind == 6:
            self._attempt(extension.addressOf, self._place())
        elif kind == 7:
            items = [self._item() for _ in range(chance.choice((1, 3, 64, 200)))]
            replies: list[object] = [chance.choice((b"", b"reply", bytes(4096), bytes(4097), bytes(70_000))) for _ in items]
            if chance.random() < 0.1:
                replies[chance.randrange(len(replies))] = chance.choice((None, "text", bytearray(3)))
            del replies[chance.choice((len(items), len(items), len(items), 1)) :]

            def clear() -> int:
                items.clear()
                return server.fileno()

            self._attempt(extension.sendReplies, chance.choice((server, server, _Odd(clear))), items, replies)
        else:
            key, data = chance.randbytes(16), chance.randbytes(chance.randrange(100))
            if extension.sipHash(key, data) != self._python.sipHash(key, data):
                raise AssertionError(f"different hashes of {data.hex()} with the key {key.hex()}")

    def _attempt(self, call: Callable[..., object], *arguments: object) -> None:
        try:
            call(*arguments)
        except (OSError, TypeError, ValueError, OverflowError, ZeroDivisionError):
            pass

    def _place(self) -> object:
        """
        Return a place, real or invented, some octets of which may be others.
        """
        chance = self._random
        back = bytearray(chance.randbytes(chance.randrange(90)))
        if len(back) > 2 and chance.random() < 0.8:
            back[:2] = chance.choice((b"\x02\x00", b"\x0a\x00", b"\x01\x00"))
        known = chance.choice(self._places) if self._places and chance.random() < 0.6 else None
        if isinstance(known, tuple):
            back = bytearray(known[1])
            for _ in range(chance.randrange(4)):
                back[chance.randrange(len(back))] = chance.randrange(256)
            del back[chance.choice((len(back), chance.randrange(1 + len(back)))) :]
        if back[:1] == b"\x02":
            # Nothing leaves this machine: only loopback addresses.
            back[4:8] = b"\x7f\0\0\1"[: max(0, len(back) - 4)]
        elif back[:1] == b"\x0a":
            back[8:24] = (bytes(15) + b"\1")[: max(0, len(back) - 8)]
        return chance.choice(((b"", bytes(back)), (b"", bytes(back)), (b"", bytes(back)), (bytes(back),), bytes(back), None, (None, None)))

    def _item(self) -> object:
        chance = self._random
        octets = chance.choice((b"", b"octets", bytes(4096), bytes(70_000), "text", None, bytearray(3)))
        return chance.choice(((octets, self._place()), (octets, self._place()), (octets,), octets))


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.native.fuzz", description="Call the C extension with random arguments.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sanitize", action="store_true")
    chosen = parser.parse_args(words)
    built = os.environ.get(_VARIABLE)
    if chosen.sanitize and not built:
        with tempfile.TemporaryDirectory() as folder:
            made = builtInto(Path(folder), *_SANITIZE)
            libraries = [subprocess.run(["cc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
                         for name in ("libasan.so", "libubsan.so")]
            settings = {
                "LD_PRELOAD": " ".join(libraries),
                # Python frees some of its memory only by ending, and LeakSanitizer would report that.
                "ASAN_OPTIONS": "detect_leaks=0:quarantine_size_mb=8",
                "PYTHONMALLOC": "malloc",
                _VARIABLE: str(made),
            }
            return subprocess.run([sys.executable, "-m", "tests.native.fuzz", *words], env=os.environ | settings).returncode
    fuzz = Fuzz(loaded(Path(built)) if built else builtExtension(), chosen.seed)
    fuzz.run(chosen.seconds)
    sys.stdout.write(f"{fuzz.rounds} rounds, no fault\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
