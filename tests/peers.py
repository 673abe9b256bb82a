"""
Live peers: name servers of other projects, which a test starts on a loopback address, waits for, and always stops.

    with nsd({"example.org": ZONE}) as server:
        ...  # query server.address, server.port over UDP or TCP

The programs come from the system, never from the project. A test without its program is skipped, or fails where C{TXDNS_REQUIRE} lists
C{peers}.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import SystemRandom
from types import TracebackType
from typing import Final, Self

from tests.patience import PATIENCE
from tests.requirements import missing

__all__ = ["LivePeer", "bind", "freePort", "living", "nsd", "peer", "programPath", "unbound"]

#: Folders of servers that are not in an ordinary user's PATH.
_SYSTEM_FOLDERS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/lib/systemd")

#: The Debian packages of programs, where the names differ.
_PACKAGES: Final = {
    "certbot": "python3-certbot-dns-rfc2136",
    "certutil": "libnss3-tools",
    "delv": "bind9-dnsutils",
    "dig": "bind9-dnsutils",
    "dnstap-read": "bind9-dnsutils",
    "dnssec-keygen": "bind9-utils",
    "dnssec-signzone": "bind9-utils",
    "dnsmasq": "dnsmasq-base",
    "drill": "ldnsutils",
    "fstrm_capture": "fstrm-bin",
    "getdns_query": "getdns-utils",
    "h2load": "nghttp2-client",
    "nghttp": "nghttp2-client",
    "kdig": "knot-dnsutils",
    "kresd": "knot-resolver",
    "knotd": "knot",
    "dnssec-verify": "bind9-utils",
    "kzonecheck": "knot-dnssecutils",
    "kzonesign": "knot-dnssecutils",
    "ldns-signzone": "ldnsutils",
    "ldns-verify-zone": "ldnsutils",
    "named": "bind9",
    "named-checkzone": "bind9-utils",
    "named-compilezone": "bind9-utils",
    "nginx": "nginx-light",
    "nsd-checkzone": "nsd",
    "pdns_recursor": "pdns-recursor",
    "pdns_server": "pdns-server",
    "promtool": "prometheus",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "unshare": "util-linux",
}

#: Seconds that a server may take to stop before it is killed.
_STOP_WAIT: Final = PATIENCE / 6

#: Seconds between two checks for an answer.
_LOOK_EVERY: Final = 0.02

#: The number of ports to try: another process may take one before the server does.
_PORTS_TRIED: Final = 3

#: Ports that kernels do not assign to sockets without a chosen port.
_UNASSIGNED_PORTS: Final = range(12_000, 32_768)

#: Not L{random}, which may have the same seed in several runs of the tests.
_random: Final = SystemRandom()

#: Lines of a server's log that go into an error.
_LINES_SHOWN: Final = 20

#: A configuration, once address, port and folder are known.
_Configure = Callable[["LivePeer"], str]


def peer(name: str) -> Path:
    """
    Return the path of a program that a live test needs, or end the test: as skipped, or as failed where C{TXDNS_REQUIRE} lists C{peers}.

    @param name: such as C{"nsd"}, C{"named"} or C{"kdig"}.
    """
    path = programPath(name)
    if path is None:
        missing("peers", f"{name} is not installed (Debian: apt install {_PACKAGES.get(name, name)})")
    return Path(path)


def programPath(name: str) -> str | None:
    """
    Return the path of a program; L{None} if it is not installed.
    """
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS]))


def freePort(address: str) -> int:
    """
    Return a port that is free at this address for UDP and TCP, and that the kernel does not assign to clients.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    while True:
        port = _random.choice(_UNASSIGNED_PORTS)
        with socket.socket(family, socket.SOCK_DGRAM) as datagram, socket.socket(family) as stream, suppress(OSError):
            datagram.bind((address, port))
            stream.bind((address, port))
            return port


def living(group: int) -> list[int]:
    """
    Return the running processes of a group. Zombies do not count, as they hold no resources.

    @param group: the number of a process group, which is that of its first process.
    """
    found = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            state, _, itsGroup = file.read_text().rpartition(")")[2].split()[:3]
            if int(itsGroup) == group and state not in "ZX":
                found.append(int(file.parent.name))
    return found


class LivePeer:
    """
    A running server. Entering starts it and waits until it answers; leaving stops it and removes its folder. Do both in the main thread: a
    server ends with the thread that started it.

    @ivar address: the loopback address at which it listens.
    @ivar port: its port there, for UDP and TCP; the same again after L{stop} and L{start}.
    @ivar folder: its own temporary folder, with its configuration, zones and log.
    @ivar patience: seconds that it gets to answer for all of its zones, once started.
    """

    def __init__(
        self,
        program: str,
        arguments: Sequence[str],
        configure: _Configure,
        address: str,
        zones: Mapping[str, str],
    ) -> None:
        self.program = program
        self.address = address
        self.port = 0
        self.folder = Path()
        self._arguments = tuple(arguments)
        self._configure = configure
        self._zones = dict(zones)
        self._process: subprocess.Popen[bytes] | None = None
        self.executable = Path()
        self.patience = PATIENCE

    def __enter__(self) -> Self:
        executable = peer(self.program)
        self.folder = Path(tempfile.mkdtemp(prefix=f"txdns-{self.program}-"))
        try:
            self.executable = self._unconfined(executable)
            for name, text in self._zones.items():
                self.zoneFile(name).write_text(text)
            for attempt in range(_PORTS_TRIED):
                self.port = freePort(self.address)
                self._configurationFile.write_text(self._configure(self))
                try:
                    self.start()
                except OSError:
                    if attempt == _PORTS_TRIED - 1 or "ddress already in use" not in self.log():
                        raise
                else:
                    break
        except BaseException:
            self._cleanUp()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._cleanUp()

    @property
    def pid(self) -> int:
        """
        The process ID, for measurements.

        @raise RuntimeError: while the server is stopped.
        """
        if self._process is None:
            raise RuntimeError(f"{self.program} is not running")
        return self._process.pid

    @property
    def server(self) -> tuple[str, int]:
        """
        Address and port together, as many interfaces take them.
        """
        return (self.address, self.port)

    @property
    def _configurationFile(self) -> Path:
        return self.folder / "server.conf"

    @property
    def _command(self) -> list[str]:
        return [str(self.executable), *self._arguments, "-c", str(self._configurationFile)]

    @property
    def _logFile(self) -> Path:
        return self.folder / "server.log"

    def zoneFile(self, name: str) -> Path:
        """
        Return the path of a zone's file. Call L{reload} after a change.
        """
        return self.folder / f"{name.strip('.').lower() or 'root'}.zone"

    def log(self) -> str:
        """
        Return the server's log so far.
        """
        return self._logFile.read_text(errors="replace") if self._logFile.exists() else ""

    def start(self) -> None:
        """
        Start the server, again after L{stop}, and wait until it answers for each of its zones.

        @raise OSError: if it ends instead, or does not answer in time.
        """
        command = self._command
        # Let the servers end if the test run itself is killed.
        if setpriv := shutil.which("setpriv"):
            command = [setpriv, "--pdeathsig", "TERM", "--", *command]
        with self._logFile.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        try:
            self._awaitAnswers(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """
        Stop the server and wait for its end; its folder stays, for L{start}. Stopping a stopped server does nothing.
        """
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGCONT)
            process.terminate()
        try:
            process.wait(_STOP_WAIT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # Children that outlived their parent are in the same process group.
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        giveUp = time.monotonic() + _STOP_WAIT
        while living(process.pid) and time.monotonic() < giveUp:
            time.sleep(_LOOK_EVERY)

    def reload(self) -> None:
        """
        Make the server read its configuration and zones again. It does so asynchronously: query until the answer is the new one.
        """
        os.kill(self.pid, signal.SIGHUP)

    def pause(self) -> None:
        """
        Make the server receive queries without answering, as one that hangs, until L{resume}.
        """
        os.killpg(self.pid, signal.SIGSTOP)
        # Its threads stop one after the other, and one that has not yet answers.
        os.waitid(os.P_PID, self.pid, os.WSTOPPED)

    def resume(self) -> None:
        """
        End a L{pause}.
        """
        os.killpg(self.pid, signal.SIGCONT)

    def _cleanUp(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _unconfined(self, executable: Path) -> Path:
        # AppArmor decides by a program's path and would keep Debian's servers out
        # of temporary folders; a copy has a path without a profile.
        with suppress(OSError):
            if Path("/sys/module/apparmor/parameters/enabled").read_text().startswith("Y"):
                return Path(shutil.copy(executable, self.folder))
        return executable

    def _logTail(self) -> str:
        return "\n".join(self.log().splitlines()[-_LINES_SHOWN:])

    def _awaitAnswers(self, process: subprocess.Popen[bytes]) -> None:
        waiting: list[str | None] = [*self._zones] or [None]
        giveUp = time.monotonic() + self.patience
        while waiting:
            if process.poll() is not None:
                raise OSError(f"{self.program} ended with {process.returncode}:\n{self._logTail()}")
            if time.monotonic() > giveUp:
                raise OSError(f"{self.program} does not answer at {self.address}:{self.port}:\n{self._logTail()}")
            if self._answers(waiting[-1]):
                waiting.pop()
            else:
                time.sleep(_LOOK_EVERY)

    def _answers(self, zone: str | None) -> bool:
        """
        Query once, over TCP, since a server that listens there listens for both.

        @param zone: the zone whose SOA record is required, or L{None} if any reply suffices.
        """
        labels = [label.encode("ascii") for label in (zone or "").split(".") if label]
        name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
        query = struct.pack(">6H", 0x7478, 0, 1, 0, 0, 0) + name + struct.pack(">2H", 6, 1)
        try:
            with socket.create_connection(self.server, timeout=1) as stream:
                stream.sendall(struct.pack(">H", len(query)) + query)
                with stream.makefile("rb") as reading:
                    (length,) = struct.unpack(">H", reading.read(2))
                    reply = reading.read(length)
        except (OSError, struct.error):
            return False
        if len(reply) < 12:
            return False
        rcode, answers = reply[3] & 15, int.from_bytes(reply[6:8], "big")
        return zone is None or (rcode == 0 and answers > 0)


def nsd(zones: Mapping[str, str], *, address: str = "127.0.0.1", extra: str = "") -> LivePeer:
    """
    Return NSD as an authoritative server. Transfers are open to all clients on loopback.

    @param zones: zone files by the names of their zones.
    @param extra: further lines of its C{server:} clause.
    """

    def configure(server: LivePeer) -> str:
        lines = [
            "server:",
            f"  ip-address: {address}@{server.port}",
            f'  zonesdir: "{server.folder}"',
            f'  pidfile: "{server.folder}/nsd.pid"',
            f'  xfrdir: "{server.folder}"',
            f'  xfrdfile: "{server.folder}/xfrd.state"',
            f'  zonelistfile: "{server.folder}/zone.list"',
            # Versions before 4.8 keep a database, in one place for all instances.
            '  database: ""',
            '  username: ""',
            '  chroot: ""',
            "  server-count: 1",
            "  hide-version: no",
            # Its rate limit for one client is meant for the internet.
            "  rrl-ratelimit: 0",
            "  rrl-whitelist-ratelimit: 0",
            *(f"  {line.strip()}" for line in extra.splitlines()),
            "remote-control:",
            "  control-enable: no",
        ]
        for name in zones:
            lines += [
                "zone:",
                f'  name: "{name}"',
                f'  zonefile: "{server.zoneFile(name)}"',
                "  provide-xfr: 127.0.0.0/8 NOKEY",
                "  provide-xfr: ::1 NOKEY",
            ]
        return "\n".join([*lines, ""])

    return LivePeer("nsd", ["-d"], configure, address, zones)


def bind(
    zones: Mapping[str, str] | None = None,
    *,
    forwardTo: Sequence[tuple[str, int]] = (),
    address: str = "127.0.0.1",
    extra: str = "",
    zoneExtra: str = "",
) -> LivePeer:
    """
    Return BIND's named as an authoritative server, as a forwarding resolver, or both. It queries no servers but C{forwardTo}.

    @param address: an address of an interface, which of 127.0.0.0/8 is only the first; named does not listen at others.
    @param zones: zone files by the names of their zones.
    @param forwardTo: servers, by address and port, for all other names.
    @param extra: further statements of its C{options}.
    @param zoneExtra: further statements of each zone, such as C{allow-update}.
    """
    served = dict(zones or {})

    def configure(server: LivePeer) -> str:
        family = "listen-on-v6" if ":" in address else "listen-on"
        other = "listen-on" if ":" in address else "listen-on-v6"
        forwarders = " ".join(f"{host} port {port};" for host, port in forwardTo)
        lines = [
            "options {",
            f'  directory "{server.folder}";',
            f'  pid-file "{server.folder}/named.pid";',
            f'  session-keyfile "{server.folder}/session.key";',
            f'  managed-keys-directory "{server.folder}";',
            f"  {family} port {server.port} {{ {address}; }};",
            f"  {other} {{ none; }};",
            f"  recursion {'yes' if forwardTo else 'no'};",
            *([f"  forward only; forwarders {{ {forwarders} }};"] if forwardTo else []),
            "  allow-query { any; };",
            "  allow-transfer { any; };",
            "  dnssec-validation no;",
            "  empty-zones-enable no;",
            "  notify no;",
            "  max-cache-size 64m;",
            *(f"  {line.strip()}" for line in extra.splitlines()),
            "};",
            "controls { };",
        ]
        for name in served:
            lines.append(f'zone "{name}" {{ type primary; file "{server.zoneFile(name)}"; {zoneExtra} }};')
        return "\n".join([*lines, ""])

    return LivePeer("named", ["-g", "-n", "1"], configure, address, served)


def unbound(
    *,
    forwardTo: Sequence[tuple[str, int]] = (),
    localData: Sequence[str] = (),
    address: str = "127.0.0.1",
    extra: str = "",
) -> LivePeer:
    """
    Return Unbound as a forwarding resolver. It queries no servers but C{forwardTo}, and validates nothing unless C{extra} gives it a trust
    anchor.

    @param forwardTo: servers, by address and port, for all names.
    @param localData: local records, as in zone files.
    @param extra: further lines of its C{server:} clause.
    """

    def configure(server: LivePeer) -> str:
        lines = [
            "server:",
            f"  interface: {address}@{server.port}",
            f'  directory: "{server.folder}"',
            f'  pidfile: "{server.folder}/unbound.pid"',
            '  username: ""',
            '  chroot: ""',
            '  logfile: ""',
            "  use-syslog: no",
            "  do-daemonize: no",
            "  num-threads: 1",
            "  access-control: 127.0.0.0/8 allow",
            "  access-control: ::1 allow",
            "  do-not-query-localhost: no",
            "  unblock-lan-zones: yes",
            "  insecure-lan-zones: yes",
            "  ip-ratelimit: 0",
            *(f"  local-data: '{record}'" for record in localData),
            *(f"  {line.strip()}" for line in extra.splitlines()),
            "remote-control:",
            "  control-enable: no",
            "forward-zone:",
            '  name: "."',
            # A port without a listener, so that no query goes to the internet.
            *(f"  forward-addr: {host}@{port}" for host, port in forwardTo or [("127.0.0.1", 9)]),
        ]
        return "\n".join([*lines, ""])

    return LivePeer("unbound", ["-d"], configure, address, {})
