"""
Caches that forward, ours among them: how each is started, and what its processes take.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from benchmarks.loads import answers
from benchmarks.variants import COMPILED, compiledPython
from tests.peers import freePort, living

__all__ = [
    *("KINDS", "OURS", "PATH", "UNBOUND", "Kind", "Place", "Server"),
    *("forwarding", "processorTime", "residentMegabytes", "unbound", "versionIn"),
]

#: Seconds that a server gets to give its first answer, and to end.
_START_WAIT: Final = 20.0
_STOP_WAIT: Final = 5.0

#: Seconds between two looks at whether there is an answer yet.
_LOOK_EVERY: Final = 0.002

#: Where programs are looked for: ordinary users' own path leaves servers out.
PATH: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

_TICK: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Place:
    """
    Where a server runs, and whom it asks.
    """

    program: str
    folder: Path
    port: int
    upstream: tuple[str, int]

    def configured(self, text: str, name: str = "server.conf") -> str:
        """
        @return: the path of a file with this text.
        """
        path = self.folder / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True)
class Kind:
    """
    One of the servers that are compared.

    @ivar program: what is looked for on the machine.
    @ivar package: what Debian has it in.
    @ivar version: the words that make it print its version.
    @ivar command: what starts it in the foreground, for one core.
    """

    name: str
    program: str
    package: str
    version: tuple[str, ...]
    command: Callable[[Place], list[str]]

    def found(self) -> str | None:
        """
        @return: the program's path, or L{None} if it is not installed.
        """
        return shutil.which(self.program, path=PATH)

    def installedVersion(self) -> str:
        """
        @return: as far as the program tells.
        """
        done = subprocess.run([self.found() or self.program, *self.version], capture_output=True, text=True, timeout=20)
        return versionIn(done.stdout + done.stderr)


def versionIn(text: str) -> str:
    """
    @return: the first thing that looks like a version, or nothing.
    """
    match = re.search(r"(?<![\d.:])\d+\.\d+(\.\d+)?(?![\d:])", text)
    return match[0] if match else ""


def unbound(place: Place) -> list[str]:
    host, port = place.upstream
    text = f"""\
server:
  interface: 127.0.0.1@{place.port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  local-zone: "test." nodefault
  module-config: "iterator"
  num-threads: 1
  msg-cache-size: 64m
  rrset-cache-size: 128m
  incoming-num-tcp: 1000
  directory: "{place.folder}"
  pidfile: ""
  username: ""
  chroot: ""
  logfile: ""
  use-syslog: no
  do-daemonize: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {host}@{port}
"""
    return [place.program, "-d", "-c", place.configured(text)]


def _bind(place: Place) -> list[str]:
    host, port = place.upstream
    text = f"""\
options {{
  directory "{place.folder}";
  pid-file none;
  session-keyfile "{place.folder}/session.key";
  managed-keys-directory "{place.folder}";
  listen-on port {place.port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  forward only;
  forwarders {{ {host} port {port}; }};
  allow-query {{ localhost; }};
  dnssec-validation no;
  empty-zones-enable no;
  minimal-responses yes;
}};
controls {{ }};
"""
    return [place.program, "-f", "-n", "1", "-c", place.configured(text)]


def _dnsmasq(place: Place) -> list[str]:
    host, port = place.upstream
    words = f"--keep-in-foreground --conf-file=/dev/null --pid-file= --user={getpass.getuser()} --bind-interfaces --no-resolv --no-hosts"
    words += f" --listen-address=127.0.0.1 --port={place.port} --server={host}#{port} --cache-size=150000 --dns-forward-max=2000"
    return [place.program, *words.split()]


def _knot(place: Place) -> list[str]:
    host, port = place.upstream
    text = f"""\
net.listen('127.0.0.1', {place.port}, {{ kind = 'dns' }})
cache.open(100 * MB, 'lmdb://{place.folder}')
trust_anchors.remove('.')
modules.unload('priming')
policy.add(policy.all(policy.STUB('{host}@{port}')))
"""
    return [place.program, "--noninteractive", "--config", place.configured(text), str(place.folder)]


def _powerDNS(place: Place) -> list[str]:
    host, port = place.upstream
    text = f"""\
local-address=127.0.0.1
local-port={place.port}
socket-dir={place.folder}
threads=1
pdns-distributes-queries=no
dnssec=off
forward-zones-recurse=.={host}:{port}
allow-from=127.0.0.0/8
dont-query=
daemon=no
quiet=yes
disable-syslog=yes
loglevel=3
security-poll-suffix=
"""
    place.configured(text, "recursor.conf")
    return [place.program, f"--config-dir={place.folder}"]


def _dnsdist(place: Place) -> list[str]:
    host, port = place.upstream
    text = f"""\
setLocal("127.0.0.1:{place.port}")
setSecurityPollSuffix("")
newServer({{address="{host}:{port}", healthCheckMode="up", sockets=4}})
getPool(""):setCache(newPacketCache(200000))
"""
    return [place.program, "--supervised", "-C", place.configured(text)]


def _twistedNames(place: Place) -> list[str]:
    host, port = place.upstream
    # Without -P its folder, which is this one, would be searched for modules first.
    return [place.program, "-P", str(Path(__file__).with_name("twistednames.py")), str(place.port), host, str(port)]


def forwarding(place: Place) -> list[str]:
    host, port = place.upstream
    words = f"-n --pidfile= txdns forward --interface 127.0.0.1 --port {place.port} --upstream udp:{host}:{port}"
    words += f" --control {place.folder}/control --http 127.0.0.1:{freePort('127.0.0.1')}"
    return [place.program, "-c", "from twisted.scripts.twistd import run; run()", *words.split()]


_TWISTED: Final = ("-c", "import twisted; print(twisted.__version__)")
_TXDNS: Final = ("-c", "from twisted_ext._version import __version__; print(__version__)")

#: What the others are compared with.
UNBOUND: Final = "Unbound"
OURS: Final = "twisted_ext"

KINDS: Final = (
    Kind(UNBOUND, "unbound", "unbound", ("-V",), unbound),
    Kind("BIND", "named", "bind9", ("-V",), _bind),
    Kind("dnsmasq", "dnsmasq", "dnsmasq-base", ("--version",), _dnsmasq),
    Kind("Knot Resolver", "kresd", "knot-resolver", ("-V",), _knot),
    Kind("PowerDNS", "pdns_recursor", "pdns-recursor", ("--version",), _powerDNS),
    Kind("dnsdist", "dnsdist", "dnsdist", ("--version",), _dnsdist),
    Kind("twisted.names", sys.executable, "python3-twisted", _TWISTED, _twistedNames),
    Kind(OURS, sys.executable, "", _TXDNS, forwarding),
    Kind(COMPILED, compiledPython(), "", _TXDNS, forwarding),
)


def processorTime(stats: Iterable[str]) -> float:
    """
    @param stats: what C{/proc/PID/stat} says of each process of a server. Those that ended are counted with their parent.

    @return: seconds.
    """
    ticks = 0
    for text in stats:
        # The name of the program, in parentheses, may hold any octet; user, system, and both of children that ended.
        ticks += sum(map(int, text.rpartition(")")[2].split()[11:15]))
    return ticks / _TICK


def residentMegabytes(statuses: Iterable[str]) -> float:
    """
    @param statuses: what C{/proc/PID/status} says of each.
    """
    found = [re.search(r"^VmRSS:\s+(\d+) kB", text, re.MULTILINE) for text in statuses]
    return sum([int(match[1]) for match in found if match]) / 1024


class Server:
    """
    One server, in a process group and a folder of its own. Entering starts it and waits for its first answer; leaving ends it.

    @ivar took: seconds from its start to its first answer.
    @ivar folder: the folder.
    """

    folder: Path

    def __init__(
        self,
        kind: Kind,
        upstream: tuple[str, int],
        cores: Iterable[int],
        more: Iterable[str] = (),
        ready: Callable[[int], bool] = answers,
        patience: float = _START_WAIT,
    ) -> None:
        """
        @param more: further words of its command.
        @param ready: returns whether the server at a port answers.
        @param patience: seconds that it gets for that.
        """
        self.kind = kind
        self.port = freePort("127.0.0.1")
        self.took = 0.0
        self._upstream = upstream
        self._cores = set(cores)
        self._more = tuple(more)
        self._ready = ready
        self._patience = patience

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="txdns-served-"))
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *reason: object) -> None:
        self._end()

    @property
    def processes(self) -> list[int]:
        """
        All of it that runs.
        """
        return sorted(living(self._process.pid)) if self._process else []

    def cpu(self) -> float:
        """
        @return: seconds of processor time that it has taken until now.
        """
        return processorTime(self._each("stat"))

    def memory(self) -> float:
        """
        @return: megabytes that it has in memory.
        """
        return residentMegabytes(self._each("status"))

    def log(self) -> str:
        """
        @return: the last of what it has had to say.
        """
        lines = (self.folder / "log").read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _each(self, what: str) -> Iterable[str]:
        for number in self.processes:
            with suppress(OSError):
                yield Path(f"/proc/{number}/{what}").read_text()

    def _start(self) -> None:
        program = self.kind.found()
        if program is None:
            raise OSError(f"{self.kind.name} is not installed")
        # An interpreter finds its libraries by its own path.
        if not Path(program).name.startswith("python"):
            with suppress(OSError):
                # AppArmor keeps programs at paths that it knows out of temporary folders.
                if Path("/sys/module/apparmor/parameters/enabled").read_text().startswith("Y"):
                    program = str(shutil.copy(program, self.folder))
        command = [*self.kind.command(Place(program, self.folder, self.port, self._upstream)), *self._more]
        if setpriv := shutil.which("setpriv"):
            # Should this process be killed, the servers end as well.
            command = [setpriv, "--pdeathsig", "KILL", "--", *command]
        with (self.folder / "log").open("wb") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, self._cores),
            )
        while not self._ready(self.port):
            if self._process.poll() is not None:
                raise OSError(f"{self.kind.name} ended at once: {self.log()}")
            if time.perf_counter() - began > self._patience:
                raise OSError(f"{self.kind.name} gives no answer: {self.log()}")
            time.sleep(_LOOK_EVERY)
        self.took = time.perf_counter() - began

    def _end(self) -> None:
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_WAIT)
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            giveUp = time.monotonic() + _STOP_WAIT
            while living(self._process.pid) and time.monotonic() < giveUp:
                time.sleep(_LOOK_EVERY)
        shutil.rmtree(self.folder, ignore_errors=True)
