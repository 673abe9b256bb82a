"""
Loading a big signed zone at start, beside NSD, Knot and BIND where these are installed.

    python -m benchmarks.zoneloads [delegations] [file]

Six records for each delegation, 50,000 of them where nothing is said; 350,000 make 2.1 million records. With C{file}, an absolute path,
the zone C{bench.test} is read from there. The zone looks as C{dnssec-signzone -3 - -j} writes it: NSEC3 records, signatures that end at
different seconds, records over several lines; the signatures are random. A row has the seconds from the start of a server to its first
answer, the processor time of all of its processes until then, and the most memory that these had together.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.knots import knot
from tests.peers import LivePeer, bind, living, nsd
from twisted_ext.wire.escapes import toBase32Hex
from twisted_ext.wire.rdata.times import dateFromSeconds

#: Seconds that a server gets.
_PATIENCE: Final = 900

#: Seconds between two looks at a server's processes.
_LOOK: Final = 0.25

#: Seconds over which the ends of signatures are spread.
_JITTER: Final = 864_000

_HEAD: Final = """\
bench.test.\t\t3600\tIN SOA\tns1.bench.test. host.bench.test. (
\t\t\t\t1          ; serial
\t\t\t\t7200       ; refresh (2 hours)
\t\t\t\t3600       ; retry (1 hour)
\t\t\t\t1209600    ; expire (2 weeks)
\t\t\t\t3600       ; minimum (1 hour)
\t\t\t\t)
\t\t\t3600\tNS\tns1.bench.test.
\t\t\t0\tNSEC3PARAM 1 0 0 -
ns1.bench.test.\t\t3600\tIN A\t192.0.2.1
"""


def signed(delegations: int) -> Iterator[str]:
    """
    @return: the text of the zone, by delegations: two NS, glue, DS for six of ten, and NSEC3, the last two with signatures.
    """
    dice = random.Random(27)
    now = int(time.time())

    def signature(covered: str, labels: int) -> str:
        end = dateFromSeconds(now + 2_592_000 + dice.randrange(_JITTER))
        letters = b64encode(dice.randbytes(64)).decode()
        return (
            f"\t\t\t3600\tRRSIG\t{covered} 13 {labels} 3600 (\n\t\t\t\t\t{end} {dateFromSeconds(now)} 4205 bench.test.\n"
            f"\t\t\t\t\t{letters[:36]}\n\t\t\t\t\t{letters[36:72]}\n\t\t\t\t\t{letters[72:]} )\n"
        )

    yield _HEAD + signature("SOA", 2)
    hashes = sorted([dice.randbytes(20) for _ in range(delegations)])
    for index in range(delegations):
        name = f"d{index}-{dice.randrange(1 << 24):06x}"
        glue = f"10.{index >> 16 & 255}.{index >> 8 & 255}.{index & 255}"
        lines = f"{name}.bench.test.\t3600\tIN NS\tns.host{index % 5000}.example.\n\t\t\t3600\tIN NS\tns1.{name}.bench.test.\n"
        if secure := index % 10 < 6:
            digest = dice.randbytes(32).hex().upper()
            lines += f"\t\t\t3600\tDS\t{index % 65536} 13 2 (\n\t\t\t\t\t{digest[:36]}\n\t\t\t\t\t{digest[36:]} )\n" + signature("DS", 3)
        lines += f"ns1.{name}.bench.test. 3600\tIN A\t{glue}\n"
        here, following = [toBase32Hex(hashes[each % delegations]) for each in (index, index + 1)]
        types = "NS DS RRSIG" if secure else "NS"
        lines += f"{here}.bench.test. 3600\tIN NSEC3 1 0 0 - (\n\t\t\t\t\t{following}\n\t\t\t\t\t{types} )\n" + signature("NSEC3", 3)
        yield lines


class Ours(LivePeer):
    """
    The server of this project, as C{twistd} runs it.
    """

    def __init__(self, zones: Mapping[str, str]) -> None:
        super().__init__("python3", (), lambda server: "", "127.0.0.1", zones)

    @property
    def _command(self) -> list[str]:
        words = f"-n --pidfile= txdns serve --interface 127.0.0.1 --port {self.port} --control= --zone"
        zone = f"bench.test={self.zoneFile('bench.test')}"
        return [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *words.split(), zone]


class Use:
    """
    What the processes of a server use, looked at until L{stop}.

    @ivar seconds: of processor time, of those that have ended too.
    @ivar megabytes: of memory, of all at once; shared pages count for each.
    """

    def __init__(self, server: LivePeer) -> None:
        self.seconds = self.megabytes = 0.0
        self._server = server
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def stop(self) -> None:
        """
        Look a last time.
        """
        self._ended.set()
        self._thread.join()
        self._look()

    def _follow(self) -> None:
        while not self._ended.wait(_LOOK):
            with suppress(RuntimeError):
                self._look()

    def _look(self) -> None:
        page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
        pages = ticks = 0
        for process in living(self._server.pid):
            with suppress(OSError):
                fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
                # Its own and those of its children that have ended.
                ticks += sum([int(field) for field in fields[11:15]])
                pages += int(fields[21])
        self.seconds = ticks / tick
        self.megabytes = max(self.megabytes, pages * page / 1e6)


def measured(name: str, server: LivePeer, path: Path) -> None:
    """
    Start a server with the zone of a file, and print what that took.
    """
    server.patience = _PATIENCE
    program = shutil.which(server.program, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
    if program is None:
        print(f"{name:<12}{'not installed':>30}", flush=True)
        return
    # The folder and a first start are the peer's own; the zone is put there before the second.
    with server:
        server.stop()
        target = server.zoneFile("bench.test")
        target.unlink()
        target.symlink_to(path)
        began = time.monotonic()
        use = Use(server)
        try:
            server.start()
        finally:
            took = time.monotonic() - began
            use.stop()
        print(f"{name:<12}{took:>8.1f} s{use.seconds:>8.1f} s CPU{use.megabytes:>8.0f} MB", flush=True)


def main() -> int:
    """
    @return: the exit code.
    """
    delegations = int(sys.argv[1]) if sys.argv[1:] else 50_000
    small = {"bench.test": _HEAD}
    with tempfile.TemporaryDirectory(prefix="txdns-zoneloads-") as folder:
        path = Path(sys.argv[2]) if sys.argv[2:] else Path(folder) / "bench.test.zone"
        if not sys.argv[2:]:
            with path.open("w") as file:
                file.writelines(signed(delegations))
        print(f"{path.stat().st_size / 1e6:.0f} MB", flush=True)
        for name, server in (("twisted_ext", Ours(small)), ("NSD", nsd(small)), ("Knot", knot(small)), ("BIND", bind(small))):
            measured(name, server, path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
