"""
Tests of C{twistd txdns} as operators run it: processes, signals, files, sockets, with NSD as the upstream.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

import pytest

from tests.live.twistds import Load, Twistd, addresses, exchange, twistd, wait, workersOf
from tests.patience import PATIENCE
from tests.peers import LivePeer, freePort, living, nsd

ZONE = """\
$ORIGIN example.org.
$TTL 300
@    SOA ns mail 1 3600 600 86400 300
@    NS  ns
ns   A   127.0.0.1
www  A   192.0.2.80
""" + "".join([f"h{number} A 192.0.2.{number % 250}\n" for number in range(2000)])

@pytest.fixture(scope="module")
def upstream() -> Iterator[LivePeer]:
    """
    Start an upstream with the zone.
    """
    with nsd({"example.org": ZONE}) as server:
        yield server


def failure(folder: Path, *words: str, code: int = 1) -> str:
    """
    Run a C{twistd txdns} that ends by itself, with an exit code, one line and nothing left behind.

    @param code: the exit code, 78 where options or settings are wrong.
    @return: the line.
    """
    command = twistd("-n", "--pidfile", "twistd.pid", "txdns", "--control", "", *words)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == code, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("twistd txdns: ")
    assert not (folder / "twistd.pid").exists()
    assert "Traceback" not in done.stdout
    return line.removeprefix("twistd txdns: ")


@pytest.mark.parametrize(
    "broken",
    [
        "sys.executable = '/nowhere/python'",
        # No process can be started, as where there are too many of them.
        "os.fork = os.posix_spawnp = lambda *_, **__: (_ for _ in ()).throw(OSError(11, 'Resource temporarily unavailable'))",
    ],
)
def test_missingCompilerProcessEndsServer(tmp_path: Path, broken: str) -> None:
    """
    The server exits with code 1 and a reason when no process can be started to compile its zones.
    """
    (tmp_path / "example.org").write_text("@ 300 SOA ns mail 1 3600 600 86400 300\n@ 300 NS ns\nns 300 A 192.0.2.1\n")
    where = ["--interface", "127.0.0.1", "--port", str(freePort("127.0.0.1")), "--control", "", "--hosts-file", ""]
    words = ["-n", "--pidfile", "twistd.pid", "txdns", *where, "serve", "--zone", "example.org=example.org"]
    code = f"import os, sys; from twisted.scripts.twistd import run; {broken}; run()"
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1, done
    assert "no process to compile zones can be started" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "twistd.pid").exists()


def test_answersAndStopsCleanly(upstream: LivePeer, tmp_path: Path) -> None:
    """
    The server answers over UDP and TCP, and stops on SIGTERM without leaving anything.
    """
    with Twistd(tmp_path, "forward", "--upstream", f"127.0.0.1:{upstream.port}") as server:
        assert server.ask() == ["192.0.2.80"]
        assert server.ask(stream=True) == ["192.0.2.80"]
        assert server.stop() == -signal.SIGTERM
        assert not (tmp_path / "twistd.pid").exists()
        assert "Traceback" not in server.text()
        assert living(server.pid) == []


def test_twistdDNSOptionsWork(upstream: LivePeer, tmp_path: Path) -> None:
    """
    The options of C{twistd dns} work unchanged.
    """
    (tmp_path / "resolv.conf").write_text(f"nameserver 127.0.0.1:{upstream.port}\n")
    (tmp_path / "hosts").write_text("192.0.2.11 router.lan\n")
    words = ["-c", "-r", "-v", "--resolv-conf", "resolv.conf", "--hosts-file", "hosts"]
    with Twistd(tmp_path, *words) as server:
        assert server.ask() == ["192.0.2.80"]
        assert server.ask("router.lan") == ["192.0.2.11"]
        wait(lambda: "query www.example.org. IN A from 127.0.0.1 by udp: NOERROR" in server.text())


@pytest.mark.parametrize("workers", ["1", "2"])
def test_reloadUnderLoadLosesNoQuery(upstream: LivePeer, tmp_path: Path, workers: str) -> None:
    """
    A reload of the settings loses no query. Wrong settings are reported, and the old ones stay in force.
    """
    config = tmp_path / "txdns.toml"
    config.write_text(f'upstream = "127.0.0.1:{upstream.port}"\nlocal = ["router.lan A 192.0.2.1"]\n')
    with Twistd(tmp_path, "--config", str(config), "--workers", workers) as server:
        with Load(server.port) as load:
            for number in range(2, 12):
                config.write_text(f'upstream = "127.0.0.1:{upstream.port}"\nlocal = ["router.lan A 192.0.2.{number}"]\n')
                os.kill(server.pid, signal.SIGHUP)
                wait(partial(server.gives, "router.lan", [f"192.0.2.{number}"]), server)
            config.write_text('upstream = "nonsense:"\nport = "x"\n')
            os.kill(server.pid, signal.SIGHUP)
            wait(lambda: "the old ones stay in force" in server.text(), server)
            assert server.ask("router.lan") == ["192.0.2.11"]
        assert f"{config}:1: upstream takes" in server.text()
        assert f"{config}:2: port takes a number from 0 to 65535, not 'x'" in server.text()
        assert load.asked > 100
        assert (load.lost, load.wrong) == (0, 0)


def test_killedWorkerIsReplaced(upstream: LivePeer, tmp_path: Path) -> None:
    """
    A killed worker is replaced. Only its queries in progress are lost, later ones wait.
    """
    with Twistd(tmp_path, "--workers", "2", "--upstream", f"127.0.0.1:{upstream.port}") as server:
        wait(lambda: server.text().count("serves as process") == 2, server)
        before = workersOf(server)
        assert len(before) == 2
        with Load(server.port, wait=10.0) as load:
            time.sleep(0.3)
            os.kill(before[0], signal.SIGKILL)
            wait(lambda: server.text().count("serves as process") == 3, server)
            time.sleep(0.3)
        assert load.wrong == 0
        # Each thread of the load has one query in flight.
        assert load.lost <= 4
        assert len(workersOf(server)) == 2
        assert server.stop() == -signal.SIGTERM
        assert living(server.pid) == []


def test_countersStay(upstream: LivePeer, tmp_path: Path) -> None:
    """
    No counter in the metrics goes back when a worker dies, even if it was the only one to ask the upstream.
    """
    page = freePort("127.0.0.1")

    def totals() -> dict[str, float]:
        with urlopen(f"http://127.0.0.1:{page}/metrics") as response:
            lines = [line.rpartition(" ") for line in response.read().decode().splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines if re.search("_(total|count|sum|bucket)($|{)", name)}

    def asked(counts: dict[str, float]) -> float:
        return sum(value for name, value in counts.items() if name.startswith("txdns_upstream_queries_total"))

    def serve(count: int) -> bool:
        return server.text().count("serves as process") == count

    words = ["--workers", "2", "--upstream", f"127.0.0.1:{upstream.port}", "--http", f"127.0.0.1:{page}"]
    with Twistd(tmp_path, *words) as server:
        wait(partial(serve, 2), server)
        for number in range(40):
            server.ask(f"h{number}.example.org")
        before = totals()
        assert asked(before) >= 40
        for count, process in enumerate(workersOf(server), 3):
            os.kill(process, signal.SIGKILL)
            wait(partial(serve, count), server)
        wait(lambda: asked(totals()) > 0, server)
        after = totals()
        assert [name for name, value in before.items() if after.get(name, 0.0) < value] == []


def test_workersIgnoreInterrupts(upstream: LivePeer, tmp_path: Path) -> None:
    """
    Workers ignore Ctrl-C, which is for the parent, even while they are starting. They log nothing about it.
    """
    with Twistd(tmp_path, "--workers", "2", "--upstream", f"127.0.0.1:{upstream.port}") as server:
        started = workersOf(server)
        for process in started:
            os.kill(process, signal.SIGINT)
        wait(lambda: server.text().count("serves as process") == 2, server)
        for process in workersOf(server):
            os.kill(process, signal.SIGINT)
            os.kill(process, signal.SIGHUP)
        assert server.ask("localhost") == ["127.0.0.1"]
        assert set(started) <= set(workersOf(server))
        assert server.stop() == -signal.SIGTERM
        assert "Traceback" not in server.text()
        assert "SIGINT" not in server.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signalToAllProcesses(upstream: LivePeer, tmp_path: Path, number: int) -> None:
    """
    A signal to the server and its workers at once, as systemd and Ctrl-C send it, stops them without a word about faults.
    """
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        with Twistd(folder, "--upstream", f"127.0.0.1:{upstream.port}", "--workers", "3") as server:
            os.killpg(server.pid, number)
            assert server.process is not None
            assert server.process.wait(PATIENCE) == -number
        assert "ReactorNotRunning" not in server.text()
        assert "critical" not in server.text()


def test_workersEndWithTheirParent(upstream: LivePeer, tmp_path: Path) -> None:
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
def test_portInUseIsOneLine(tmp_path: Path, workers: str, others: str) -> None:
    """
    A port in use is one line and an exit code, also where both servers have workers that share their port.
    """
    with Twistd(tmp_path, "--workers", others, "--no-recursive") as server:
        (tmp_path / "second").mkdir()
        line = failure(tmp_path / "second", "-i", "127.0.0.1", "-p", str(server.port), "--workers", workers)
        assert line.startswith(f"127.0.0.1:{server.port} is in use")
        assert server.ask("localhost") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--port", "x"], "--port takes a number from 0 to 65535, not 'x'"),
        (["--nonsense"], "option --nonsense not recognized; twistd txdns --help"),
        (["backward"], "Unknown command: backward"),
        (["--hosts-file", "/nonexistent"], "the path of a file that can be read; /nonexistent: No such file or directory"),
        (["--resolv-conf", "/nonexistent"], "the path of a file that can be read; /nonexistent: No such file or directory"),
        (["--local-file", "latin"], "latin:1: this is not valid UTF-8"),
        (["--config", "absent.toml"], "absent.toml: cannot be read: No such file or directory"),
        (["--config", "wrong.toml"], "wrong.toml:2: port takes a number from 0 to 65535, not 'x'"),
        (["--upstream", "udq:192.0.2.1"], "there is no prefix 'udq'; did you mean 'udp'?"),
        (["--local", "router.lan"], "--local takes a record"),
        (["--local-file", "records"], "records:2: column"),
        (["--local-file", "records", "--workers", "2"], "records:2: column"),
        (["--upstream", "127.0.0.1:{port}"], "127.0.0.1:{port} is this server itself"),
        (["--allow", "10.0.0.0/8", "--drop", "10.0.0.0/8"], "10.0.0.0/8 is listed under both"),
        (["--zone", "example.org=records", "--zone", "example.org=latin"], "zone example.org. is given twice"),
        (["--zone", "example.org=records", "--zone", "example.org=latin", "--workers", "2"], "zone example.org. is given twice"),
        (["--manhole", "tcp:0"], "manhole-keys"),
    ],
)
def test_wrongSettingIsOneLine(tmp_path: Path, words: list[str], said: str) -> None:
    """
    A wrong option, file or setting is one line that says what would be right, and an exit code of its own. A taken port does not hide it.
    """
    (tmp_path / "wrong.toml").write_text("# settings\nport = 'x'\n")
    (tmp_path / "latin").write_bytes(b"b\xfccher.lan A 192.0.2.1\n")
    (tmp_path / "records").write_text("router.lan A 192.0.2.1\nrouter.lan B 192.0.2.1\n")
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        where = [] if "--port" in words else ["-i", "127.0.0.1", "-p", port]
        found = failure(tmp_path, *where, *[word.format(port=port) for word in words], code=78)
        assert said.format(port=port) in found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-i", "192.0.2.1", "-p", "0"], "192.0.2.1 is not an address of this machine"),
        (["-i", "127.0.0.1", "-p", "0", "--http", "192.0.2.1:80"], "http: cannot listen at 192.0.2.1:80"),
        (["-i", "127.0.0.1", "-p", "0", "--control", "records"], "control: records is there already and is not a socket"),
    ],
)
def test_socketErrorNamesTheSocket(tmp_path: Path, words: list[str], said: str) -> None:
    """
    A socket that cannot be opened is one line that names it.
    """
    (tmp_path / "records").write_text("router.lan A 192.0.2.1\n")
    assert said in failure(tmp_path, *words)


def test_daemonReportsErrorsBeforeForking(tmp_path: Path) -> None:
    """
    The server serves in the background, and start-up errors are reported before it goes there.
    """
    port = freePort("127.0.0.1")
    where = ["-i", "127.0.0.1", "-p", str(port), "--control", "", "--no-recursive"]
    command = twistd("--pidfile", "twistd.pid", "--logfile", "log", "txdns", *where)
    assert subprocess.run(command, cwd=tmp_path, timeout=PATIENCE).returncode == 0
    process = int((tmp_path / "twistd.pid").read_text())
    try:
        assert addresses(exchange(port, "localhost")) == ["127.0.0.1"]
        (tmp_path / "second").mkdir()
        second = subprocess.run(command, cwd=tmp_path / "second", capture_output=True, text=True, timeout=PATIENCE)
        assert second.returncode == 1
        assert f"127.0.0.1:{port} is in use" in second.stderr
        assert not (tmp_path / "second" / "twistd.pid").exists()
        (tmp_path / "third").mkdir()
        page = ["-i", "127.0.0.1", "-p", str(freePort("127.0.0.1")), "--control", "", "--http", f"127.0.0.1:{port}"]
        command = twistd("--pidfile", "twistd.pid", "--logfile", "log", "txdns", *page)
        third = subprocess.run(command, cwd=tmp_path / "third", capture_output=True, text=True, timeout=PATIENCE)
        assert third.returncode == 1
        assert third.stderr == f"twistd txdns: http: cannot listen at 127.0.0.1:{port}: Address already in use\n"
        assert not (tmp_path / "third" / "twistd.pid").exists()
        (tmp_path / "fourth").mkdir()
        path = ["-i", "127.0.0.1", "-p", str(freePort("127.0.0.1")), "--control", "log"]
        command = twistd("--pidfile", "twistd.pid", "--logfile", "log", "txdns", *path)
        assert subprocess.run(command, cwd=tmp_path / "fourth", stderr=subprocess.DEVNULL, timeout=PATIENCE).returncode == 1
        # The command returns before the background process has logged the reason and ended.
        wait(lambda: "control: log is there already and is not a socket" in (tmp_path / "fourth" / "log").read_text())
        wait(lambda: not (tmp_path / "fourth" / "twistd.pid").exists())
    finally:
        os.kill(process, signal.SIGTERM)
    wait(lambda: not (tmp_path / "twistd.pid").exists())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_privilegedPortsAreServedUnprivileged(tmp_path: Path, workers: str) -> None:
    """
    Ports below 1024, that of the status page included, are bound as root and served as the user C{nobody}, also by workers that start
    later.
    """
    tmp_path.chmod(0o755)
    if workers == "2" and not _mayRun():
        pytest.skip("nobody may run this Python")
    # Both cases may run at once.
    port, page = islice((each for each in range({"1": 1023, "2": 860}[workers], 700, -1) if _free(each)), 2)
    server = Twistd(tmp_path, "--workers", workers, "--no-recursive", "--http", f"127.0.0.1:{page}", port=port)
    server.words = ["-n", "--uid", "65534", "--gid", "65534", "--pidfile", "", *server.words[3:]]
    with server:
        assert server.ask("localhost") == ["127.0.0.1"]
        with socket.create_connection(("127.0.0.1", page), PATIENCE) as browser:
            browser.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            assert browser.recv(12)[-4:] == b" 200"
        serving = workersOf(server) if workers == "2" else [server.pid]
        assert {os.stat(f"/proc/{process}").st_uid for process in serving} == {65534}
        if workers == "2":
            wait(lambda: server.text().count("serves as process") == 2, server)
            os.kill(serving[0], signal.SIGKILL)
            wait(lambda: server.text().count("serves as process") == 3, server)
            assert {os.stat(f"/proc/{process}").st_uid for process in workersOf(server)} == {65534}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_zoneCodeRunsUnprivileged(tmp_path: Path) -> None:
    """
    Code that makes zones runs as the serving user, not as root. Code that other users can change is not run at all.
    """
    # Other users cannot enter the folders of pytest.
    with TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        code = Path(folder) / "zone.py"
        code.write_text(
            "import os\n"
            "user = os.geteuid()\n"
            'zone = [SOA("example.net", mname="ns.example.net", rname="a.example.net", serial=3, refresh=1, retry=1, expire=1, minimum=1),'
            ' NS("example.net", "ns.example.net"), A("www.example.net", f"192.0.2.{user % 251}")]\n'
        )
        code.chmod(0o644)
        server = Twistd(tmp_path, "--pyzone", str(code))
        server.words = ["-n", "--uid", "65534", "--gid", "65534", "--pidfile", "", *server.words[3:]]
        with server:
            assert server.ask("www.example.net") == [f"192.0.2.{65534 % 251}"]
        code.write_text("import nothing\n")
        broken = subprocess.run(twistd(*server.words), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert broken.returncode == 78
        assert broken.stderr == f"twistd txdns: pyzone: {code}: ModuleNotFoundError: No module named 'nothing'\n"
        code.chmod(0o666)
        refused = subprocess.run(twistd(*server.words), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert refused.returncode == 78
        assert refused.stderr == f"twistd txdns: pyzone: {code} is not run: other users can write to {code}; chmod go-w {code}\n"


def _mayRun() -> bool:
    """
    Return whether the user C{nobody} can run this Python.
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
def test_systemdIsNotified(tmp_path: Path, workers: str) -> None:
    """
    systemd is notified when the server is ready, when it reloads, and when it stops.
    """
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waiting:
        waiting.bind(path)
        waiting.settimeout(PATIENCE)
        with Twistd(tmp_path, "--workers", workers, "--no-recursive", environment={"NOTIFY_SOCKET": path}) as server:
            assert waiting.recv(100) == b"READY=1"
            os.kill(server.pid, signal.SIGHUP)
            assert waiting.recv(100).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert waiting.recv(100) == b"READY=1"
            server.stop()
            assert waiting.recv(100) == b"STOPPING=1"


def test_showConfigCanBeUsed(tmp_path: Path) -> None:
    """
    C{--show-config} and C{--show-path} print the settings and the path of a query without starting anything. The printed settings can be
    used.
    """
    words = ["txdns", "forward", "--port", "53", "--upstream", "192.0.2.1", "--local", 'text.lan TXT "a b"']
    shown = subprocess.run(twistd(*words, "--show-config"), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert shown.returncode == 0 and 'upstream = ["udp:192.0.2.1:53"]' in shown.stdout
    (tmp_path / "shown.toml").write_text(shown.stdout)
    again = subprocess.run(
        twistd("txdns", "--config", "shown.toml", "--show-config"), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE
    )
    assert again.stdout == shown.stdout
    path = subprocess.run(twistd(*words, "--show-path"), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    lines = path.stdout.splitlines()
    assert lines[0].startswith("packet cache")
    assert lines[1] == "gate: access"
    assert lines[-1] == "forward: udp:192.0.2.1:53"


def test_helpListsAllOptions(tmp_path: Path) -> None:
    """
    C{twistd --help} lists the server, and its own help lists all options with their purpose.
    """
    help_ = subprocess.run(twistd("--help"), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert "txdns" in help_.stdout
    for words in (["txdns", "--help"], ["txdns", "forward", "--help"]):
        own = subprocess.run(twistd(*words), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
        assert own.returncode == 0
        assert "--cache-size=" in own.stdout and "-r, --recursive" in own.stdout
        role = words[1] if words[2:] else "[forward | recurse | serve | robot]"
        assert own.stdout.startswith(f"Usage: twistd [options] txdns {role} [options]\n")
        assert "  twistd -n txdns --interface 127.0.0.1 --port 5300" in own.stdout
    own = subprocess.run(twistd("txdns", "serve", "--help"), cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert "--zone=" in own.stdout and "--cache-size" not in own.stdout
    assert "  twistd -n txdns serve --port 5300 --zone example.org=/etc/zones/example.org" in own.stdout


def test_inheritedSocketsAreServed(tmp_path: Path) -> None:
    """
    Sockets that were bound by another process are served (LISTEN_FDS).
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, socket.socket(socket.AF_INET) as stream:
        # A port that is free for UDP may be taken for TCP.
        port = freePort("127.0.0.1")
        datagram.bind(("127.0.0.1", port))
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
            process.wait(PATIENCE)
