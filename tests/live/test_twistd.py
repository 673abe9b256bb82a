"""
Tests of C{twistd txdns} as people run it: processes, signals, files, sockets, with NSD as the upstream.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import pytest

from tests.peers import LivePeer, freePort, living, nsd
from twisted_ext.errors import BadMessage
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.building import buildQuery
from twisted_ext.wire.codes import RD
from twisted_ext.wire.framing import frame
from twisted_ext.wire.message import Message

ZONE = """\
$ORIGIN example.org.
$TTL 300
@    SOA ns mail 1 3600 600 86400 300
@    NS  ns
ns   A   127.0.0.1
www  A   192.0.2.80
""" + "".join([f"h{number} A 192.0.2.{number % 250}\n" for number in range(2000)])

#: Seconds for anything to happen.
_PATIENCE: Final = 15.0


@pytest.fixture(scope="module")
def upstream() -> Iterator[LivePeer]:
    """
    Knows the zone.
    """
    with nsd({"example.org": ZONE}) as server:
        yield server


def twistd(*words: str) -> list[str]:
    """
    @return: the command line of C{twistd} with these words.
    """
    return [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *words]


class Twistd:
    """
    One C{twistd txdns} in the foreground, in a folder of its own.

    @ivar port: where it listens.
    """

    def __init__(self, folder: Path, *words: str, port: int | None = None, environment: dict[str, str] | None = None) -> None:
        self.port = freePort("127.0.0.1") if port is None else port
        self.folder = folder
        where = ["--interface", "127.0.0.1", "--port", str(self.port), "--control", "", "--hosts-file", ""]
        self.words = ["-n", "--pidfile", str(folder / "twistd.pid"), "txdns", *where, *words]
        self.environment = {**os.environ, **(environment or {})}
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                twistd(*self.words), cwd=self.folder, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        try:
            wait(lambda: self.ask("localhost") is not None, self)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """
        The process.
        """
        assert self.process is not None
        return self.process.pid

    def stop(self) -> int:
        """
        End it, and all that it started.

        @return: how it ended.
        """
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(_PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def text(self) -> str:
        """
        @return: its log until now.
        """
        return self.log.read_text("utf-8", "replace")

    def ask(self, name: str = "www.example.org", *, stream: bool = False, tries: int = 1, wait: float = 0.5) -> list[str] | None:
        """
        @return: the addresses that it gives, or L{None} where it says nothing.
        """
        for _ in range(tries):
            with suppress(OSError, BadMessage):
                return addresses(exchange(self.port, name, stream, wait))
        return None


def exchange(port: int, name: str, stream: bool = False, wait: float = 0.5) -> Message:
    """
    @return: the reply to a question for an address.

    @raise OSError: there is none.
    """
    query = os.urandom(2) + buildQuery(RD, questionOf(name).toWire(), b"")
    kind = socket.SOCK_STREAM if stream else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as asking:
        asking.settimeout(wait)
        asking.connect(("127.0.0.1", port))
        if not stream:
            asking.send(query)
            return Message.fromWire(asking.recv(65535))
        asking.sendall(frame(query))
        got = b""
        while len(got) < 2 or len(got) < 2 + int.from_bytes(got[:2], "big"):
            more = asking.recv(65535)
            if not more:
                raise ConnectionError("closed")
            got += more
        return Message.fromWire(got[2:])


def addresses(message: Message) -> list[str]:
    """
    @return: the addresses in a reply.
    """
    return [socket.inet_ntoa(rdata) for rrset in message.answer for rdata in rrset.rdatas]


def wait(condition: object, server: Twistd | None = None) -> None:
    """
    Wait until something is so.
    """
    assert callable(condition)
    giveUp = time.monotonic() + _PATIENCE
    while not condition():
        if time.monotonic() > giveUp or (server is not None and server.process is not None and server.process.poll() is not None):
            raise AssertionError(server.text() if server is not None else "it never came to be")
        time.sleep(0.02)


def failing(folder: Path, *words: str) -> str:
    """
    Run a C{twistd txdns} that ends by itself, with an exit code, one line and nothing left behind.

    @return: the line.
    """
    command = twistd("-n", "--pidfile", "twistd.pid", "txdns", "--control", "", *words)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE)
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("twistd txdns: ")
    assert not (folder / "twistd.pid").exists()
    assert "Traceback" not in done.stdout
    return line.removeprefix("twistd txdns: ")


class Load:
    """
    Asks without end, each question until it is answered or given up.

    @ivar asked: how many questions there were.
    @ivar lost: those without a reply.
    @ivar wrong: replies with another address than the zone has.
    """

    def __init__(self, port: int, names: int = 50, wait: float = 1.5) -> None:
        self.asked = self.lost = self.wrong = 0
        self._port = port
        self._names = names
        self._wait = wait
        self._going = True
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]

    def _run(self, number: int) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(self._wait)
            asking.connect(("127.0.0.1", self._port))
            while self._going:
                number = (number + 7) % self._names
                self.asked += 1
                try:
                    asking.send(os.urandom(2) + buildQuery(RD, questionOf(f"h{number}.example.org").toWire(), b""))
                    if addresses(Message.fromWire(asking.recv(4096))) != [f"192.0.2.{number % 250}"]:
                        self.wrong += 1
                except OSError:
                    self.lost += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()


def workersOf(server: Twistd) -> list[int]:
    """
    @return: the processes of its workers.
    """
    return [process for process in living(server.pid) if process != server.pid]


def test_answers(upstream: LivePeer, tmp_path: Path) -> None:
    """
    It answers by UDP and TCP, and ends when it is told to, leaving nothing.
    """
    with Twistd(tmp_path, "forward", "--upstream", f"127.0.0.1:{upstream.port}") as server:
        assert server.ask() == ["192.0.2.80"]
        assert server.ask(stream=True) == ["192.0.2.80"]
        assert server.stop() == -signal.SIGTERM
        assert not (tmp_path / "twistd.pid").exists()
        assert "Traceback" not in server.text()
        assert living(server.pid) == []


def test_lineOfTwistdDNS(upstream: LivePeer, tmp_path: Path) -> None:
    """
    A line for C{twistd dns} works with the word changed.
    """
    (tmp_path / "resolv.conf").write_text(f"nameserver 127.0.0.1:{upstream.port}\n")
    (tmp_path / "hosts").write_text("192.0.2.11 router.lan\n")
    words = ["-c", "-r", "-v", "--resolv-conf", "resolv.conf", "--hosts-file", "hosts"]
    with Twistd(tmp_path, *words) as server:
        assert server.ask() == ["192.0.2.80"]
        assert server.ask("router.lan") == ["192.0.2.11"]
        assert "query www.example.org. IN A from 127.0.0.1 by udp" in server.text()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_reloadUnderLoad(upstream: LivePeer, tmp_path: Path, workers: str) -> None:
    """
    Reading the settings again loses no query; what is wrong in them is told and leaves the old ones in force.
    """
    config = tmp_path / "txdns.toml"
    config.write_text(f'upstream = "127.0.0.1:{upstream.port}"\nlocal = ["router.lan A 192.0.2.1"]\n')
    with Twistd(tmp_path, "--config", str(config), "--workers", workers) as server:
        with Load(server.port) as load:
            for number in range(2, 12):
                config.write_text(f'upstream = "127.0.0.1:{upstream.port}"\nlocal = ["router.lan A 192.0.2.{number}"]\n')
                os.kill(server.pid, signal.SIGHUP)
                wait(lambda number=number: server.ask("router.lan") == [f"192.0.2.{number}"], server)
            config.write_text('upstream = "nonsense:"\nport = "x"\n')
            os.kill(server.pid, signal.SIGHUP)
            wait(lambda: "the old ones stay in force" in server.text(), server)
            assert server.ask("router.lan") == ["192.0.2.11"]
        assert f"{config}:1: upstream takes" in server.text()
        assert f"{config}:2: port takes a number from 0 to 65535, not 'x'" in server.text()
        assert load.asked > 100
        assert (load.lost, load.wrong) == (0, 0)


def test_workerKilled(upstream: LivePeer, tmp_path: Path) -> None:
    """
    A worker that is killed is replaced, and what is sent meanwhile waits: at most what it had in its hands is lost.
    """
    with Twistd(tmp_path, "--workers", "2", "--upstream", f"127.0.0.1:{upstream.port}") as server:
        wait(lambda: server.text().count("serves as process") == 2, server)
        before = workersOf(server)
        assert len(before) == 2
        with Load(server.port, wait=5.0) as load:
            time.sleep(0.3)
            os.kill(before[0], signal.SIGKILL)
            wait(lambda: server.text().count("serves as process") == 3, server)
            time.sleep(0.3)
        assert load.wrong == 0
        # One for each thread that asks: no more can be in flight.
        assert load.lost <= 4
        assert len(workersOf(server)) == 2
        assert server.stop() == -signal.SIGTERM
        assert living(server.pid) == []


def test_parentKilled(upstream: LivePeer, tmp_path: Path) -> None:
    """
    Workers do not outlive their parent.
    """
    with Twistd(tmp_path, "--workers", "2", "--upstream", f"127.0.0.1:{upstream.port}") as server:
        wait(lambda: server.text().count("serves as process") == 2, server)
        os.kill(server.pid, signal.SIGKILL)
        assert server.process is not None
        server.process.wait()
        wait(lambda: living(server.pid) == [])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", server.port))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("others", ["1", "2"])
def test_portInUse(tmp_path: Path, workers: str, others: str) -> None:
    """
    A port that another one has is one line and an exit code, also where both would share it with workers of their own.
    """
    with Twistd(tmp_path, "--workers", others, "--no-recursive") as server:
        (tmp_path / "second").mkdir()
        line = failing(tmp_path / "second", "-i", "127.0.0.1", "-p", str(server.port), "--workers", workers)
        assert line.startswith(f"127.0.0.1:{server.port} is in use")
        assert server.ask("localhost") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "x"], "--port takes a number from 0 to 65535, not 'x'"),
        (["--nonsense"], "option --nonsense not recognized; twistd txdns --help"),
        (["backward"], "Unknown command: backward"),
        (["--hosts-file", "/nonexistent"], "the path of a file that can be read; /nonexistent: No such file or directory"),
        (["--config", "absent.toml"], "absent.toml: cannot be read: No such file or directory"),
        (["--config", "wrong.toml"], "wrong.toml:2: port takes a number from 0 to 65535, not 'x'"),
        (["--upstream", "udq:192.0.2.1"], "there is no prefix 'udq'; did you mean 'udp'?"),
        (["--local", "router.lan"], "--local takes a record"),
        (["--local-file", "records"], "records:2: column"),
        (["-i", "192.0.2.1", "-p", "0"], "192.0.2.1 is no address of this machine"),
        (["-i", "127.0.0.1", "-p", "5399", "--upstream", "127.0.0.1:5399"], "127.0.0.1:5399 is this server itself"),
        (["-i", "127.0.0.1", "-p", "0", "--allow", "10.0.0.0/8", "--drop", "10.0.0.0/8"], "10.0.0.0/8 stands under both"),
        (["-i", "127.0.0.1", "-p", "0", "--http", "192.0.2.1:80"], "http: cannot listen at 192.0.2.1:80"),
        (["-i", "127.0.0.1", "-p", "0", "--control", "records"], "control: records is there already and is no socket"),
        (["-i", "127.0.0.1", "-p", "0", "--manhole", "tcp:0"], "manhole-keys"),
    ],
)
def test_wrong(tmp_path: Path, words: list[str], said: str) -> None:
    """
    Whatever is wrong is one line that says what would be right.
    """
    (tmp_path / "wrong.toml").write_text("# settings\nport = 'x'\n")
    (tmp_path / "records").write_text("router.lan A 192.0.2.1\nrouter.lan B 192.0.2.1\n")
    assert said in failing(tmp_path, *words)


def test_daemon(tmp_path: Path) -> None:
    """
    In the background it serves as well, and what is wrong is told before it goes there.
    """
    port = freePort("127.0.0.1")
    where = ["-i", "127.0.0.1", "-p", str(port), "--control", "", "--no-recursive"]
    command = twistd("--pidfile", "twistd.pid", "--logfile", "log", "txdns", *where)
    assert subprocess.run(command, cwd=tmp_path, timeout=_PATIENCE).returncode == 0
    process = int((tmp_path / "twistd.pid").read_text())
    try:
        assert addresses(exchange(port, "localhost")) == ["127.0.0.1"]
        (tmp_path / "second").mkdir()
        second = subprocess.run(command, cwd=tmp_path / "second", capture_output=True, text=True, timeout=_PATIENCE)
        assert second.returncode == 1
        assert f"127.0.0.1:{port} is in use" in second.stderr
        assert not (tmp_path / "second" / "twistd.pid").exists()
    finally:
        os.kill(process, signal.SIGTERM)
    wait(lambda: not (tmp_path / "twistd.pid").exists())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_privilegesDropped(tmp_path: Path, workers: str) -> None:
    """
    A port below 1024 is bound as root and served as nobody, by workers that were started later as well.
    """
    tmp_path.chmod(0o755)
    if workers == "2" and not _mayRun():
        pytest.skip("nobody may run this Python")
    port = next((each for each in range(1023, 700, -1) if _free(each)), 0)
    server = Twistd(tmp_path, "--workers", workers, "--no-recursive", port=port)
    server.words = ["-n", "--uid", "65534", "--gid", "65534", "--pidfile", "", *server.words[3:]]
    with server:
        assert server.ask("localhost") == ["127.0.0.1"]
        serving = workersOf(server) if workers == "2" else [server.pid]
        assert {os.stat(f"/proc/{process}").st_uid for process in serving} == {65534}
        if workers == "2":
            os.kill(serving[0], signal.SIGKILL)
            wait(lambda: server.text().count("serves as process") == 3, server)
            assert {os.stat(f"/proc/{process}").st_uid for process in workersOf(server)} == {65534}


def _mayRun() -> bool:
    """
    @return: whether this Python can be run by nobody.
    """
    try:
        return subprocess.run([sys.executable, "-c", ""], user=65534, stderr=subprocess.DEVNULL).returncode == 0
    except PermissionError:
        return False


def _free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET) as other:
        try:
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("workers", ["1", "2"])
def test_systemd(tmp_path: Path, workers: str) -> None:
    """
    systemd is told when it serves, when it reads its settings again, and when it ends.
    """
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting:
        waiting.bind(path)
        waiting.settimeout(_PATIENCE)
        with Twistd(tmp_path, "--workers", workers, "--no-recursive", environment={"NOTIFY_SOCKET": path}) as server:
            assert waiting.recv(100) == b"READY=1"
            os.kill(server.pid, signal.SIGHUP)
            assert waiting.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert waiting.recv(100) == b"READY=1"
            server.stop()
            assert waiting.recv(100) == b"STOPPING=1"


def test_showing(tmp_path: Path) -> None:
    """
    Settings and path are printed without anything being started, and the settings printed can be used.
    """
    words = ["txdns", "forward", "--port", "53", "--upstream", "192.0.2.1", "--local", 'text.lan TXT "a b"']
    shown = subprocess.run(twistd(*words, "--show-config"), cwd=tmp_path, capture_output=True, text=True, timeout=_PATIENCE)
    assert shown.returncode == 0 and 'upstream = ["udp:192.0.2.1:53"]' in shown.stdout
    (tmp_path / "shown.toml").write_text(shown.stdout)
    again = subprocess.run(
        twistd("txdns", "--config", "shown.toml", "--show-config"), cwd=tmp_path, capture_output=True, text=True, timeout=_PATIENCE
    )
    assert again.stdout == shown.stdout
    path = subprocess.run(twistd(*words, "--show-path"), cwd=tmp_path, capture_output=True, text=True, timeout=_PATIENCE)
    lines = path.stdout.splitlines()
    assert lines[0].startswith("fast lane")
    assert lines[1] == "gate: access"
    assert lines[-1] == "forward: udp:192.0.2.1:53"


def test_help(tmp_path: Path) -> None:
    """
    C{twistd --help} lists the server, and its own help all options with what they are for.
    """
    help_ = subprocess.run(twistd("--help"), cwd=tmp_path, capture_output=True, text=True, timeout=_PATIENCE)
    assert "txdns" in help_.stdout
    for words in (["txdns", "--help"], ["txdns", "forward", "--help"]):
        own = subprocess.run(twistd(*words), cwd=tmp_path, capture_output=True, text=True, timeout=_PATIENCE)
        assert own.returncode == 0
        assert "--cache-size=" in own.stdout and "-r, --recursive" in own.stdout


def test_socketsFromSystemd(tmp_path: Path) -> None:
    """
    Sockets that somebody else bound are served (LISTEN_FDS).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket(socket.AF_INET) as stream:
        datagram.bind(("127.0.0.1", 0))
        port = datagram.getsockname()[1]
        stream.bind(("127.0.0.1", port))
        stream.listen(5)
        program = (
            "import os, sys\n"
            f"os.dup2({datagram.fileno()}, 3) if {datagram.fileno()} != 3 else os.set_inheritable(3, True)\n"
            f"os.dup2({stream.fileno()}, 4) if {stream.fileno()} != 4 else os.set_inheritable(4, True)\n"
            "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2')\n"
            "os.execv(sys.executable, [sys.executable, '-c', 'from twisted.scripts.twistd import run; run()', *sys.argv[1:]])\n"
        )
        words = ["-n", "--pidfile", "", "txdns", "--control", "", "--no-recursive"]
        process = subprocess.Popen(
            [sys.executable, "-c", program, *words],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            pass_fds=(datagram.fileno(), stream.fileno()),
        )
        try:

            def answers() -> bool:
                with suppress(OSError):
                    return addresses(exchange(port, "localhost")) == ["127.0.0.1"]
                return False

            wait(answers)
            assert addresses(exchange(port, "localhost", True)) == ["127.0.0.1"]
        finally:
            process.terminate()
            process.wait(_PATIENCE)
