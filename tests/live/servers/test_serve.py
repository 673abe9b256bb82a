"""
Tests of C{twistd txdns serve} as operators run it: zones from files that change while it answers.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.live.twistds import REPLY, Load, Twistd, exchange, twistd, wait, workersOf
from tests.patience import PATIENCE
from tests.test_architecture import ROOT
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import AA, RA, RD

__all__ = ["text"]

#: More names than L{Load} queries, so that compiling the zone takes a moment.
_NAMES = 4000


def text(serial: int = 1, more: str = "") -> str:
    """
    Return a master file.
    """
    lines = [f"h{number} A 192.0.2.{number % 250}\n" for number in range(_NAMES)]
    return f"$TTL 300\n@ SOA ns mail {serial} 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.80\n{''.join(lines)}{more}"


def put(folder: Path, octets: str, name: str = "example.org") -> str:
    """
    Replace a master file atomically.

    @return: its path.
    """
    beside = folder / f".{name}.new"
    beside.write_text(octets)
    beside.rename(folder / name)
    return str(folder / name)


def serialOf(server: Twistd, name: str = "example.org") -> int | None:
    """
    Return the serial number that a server gives.
    """
    import socket

    from twisted_ext.wire.message import Message

    query = os.urandom(2) + buildQuery(RD, questionOf(name, "SOA").toWire(), b"")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(REPLY)
        asking.connect(("127.0.0.1", server.port))
        try:
            asking.send(query)
            reply = Message.fromWire(asking.recv(4096))
        except OSError:
            return None
    return int.from_bytes(reply.answer[0].rdatas[0][-20:-16], "big") if reply.answer else None


def control(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """
    Return the result of C{txdns control}.
    """
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "control", "--socket", str(folder / "c"), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=4 * PATIENCE)


def test_servesItsZoneOnly(tmp_path: Path) -> None:
    """
    The server answers for its zone over UDP and TCP, refuses all other names and leaves nothing when it ends. The next one loads the image
    of the zone without a compiler process.
    """
    file = put(tmp_path, text())
    words = ["serve", "--zone", f"example.org={file}", "--state", str(tmp_path / "state")]
    for start in range(2):
        with Twistd(tmp_path, *words) as server:
            wait(lambda: server.ask() == ["192.0.2.80"], server)
            assert server.ask("h17.example.org", stream=True) == ["192.0.2.17"]
            assert exchange(server.port, "www.example.org").flags & (AA | RA) == AA
            assert exchange(server.port, "www.example.net").flags & 15 == 5
            assert exchange(server.port, "no.example.org").flags & 15 == 3
            assert ("serial 1, 4004 records" in server.text()) == (start == 0), server.text()
        assert "Traceback" not in server.text()


def test_reloadUnderLoadLosesNoQuery(tmp_path: Path) -> None:
    """
    A zone changes under load, by SIGHUP and by C{txdns control}. No query is lost or answered wrong, and a file with errors changes
    nothing.
    """
    file = put(tmp_path, text())
    words = ["serve", "--zone", f"example.org={file}", "--no-watch", "--control", str(tmp_path / "c")]
    with Twistd(tmp_path, *words) as server:
        wait(lambda: serialOf(server) == 1, server)
        with Load(server.port, wait=PATIENCE) as load:
            put(tmp_path, text(2))
            os.kill(server.pid, signal.SIGHUP)
            wait(lambda: serialOf(server) == 2, server)
            put(tmp_path, text(3))
            done = control(tmp_path, "reload")
            assert done.stdout == "example.org.: serial 2 is now 3, 4004 records\n", done
            assert serialOf(server) == 3
            put(tmp_path, text(4, "www A 192.0.2.300\n"))
            done = control(tmp_path, "zone", "reload", "example.org")
            assert f"{file}:4006:7: " in done.stdout, done
            assert serialOf(server) == 3
            shown = control(tmp_path, "zones").stdout
            assert "example.org. serving, serial 3, 4004 records" in shown and ":4006:7: " in shown
            put(tmp_path, text(5))
            done = control(tmp_path, "zone", "reload", "EXAMPLE.org")
            assert serialOf(server) == 5, done
        assert (load.lost, load.wrong) == (0, 0)
        assert load.asked > 50
        assert "zones: 1 of 1 are served" in control(tmp_path, "status").stdout
        assert control(tmp_path, "zone", "reload", "example.net").returncode == 1
    assert "Traceback" not in server.text()


def test_zonesListIsLimited(tmp_path: Path) -> None:
    """
    The list of many zones says how many more there are. It lists all zones, or the broken ones, on request.
    """
    for number in range(1005):
        put(tmp_path, "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n" + "x A x\n" * (number == 1003), f"z{number}.example")
    (tmp_path / "zones").write_text("".join([f"z{number}.example {tmp_path}/z{number}.example\n" for number in range(1005)]))
    with Twistd(tmp_path, "serve", "--zones", str(tmp_path / "zones"), "--no-watch", "--control", str(tmp_path / "c")) as server:
        wait(lambda: "1004 of 1005 zones are served" in server.text(), server)
        shown = control(tmp_path, "zones").stdout.splitlines()
        assert shown[0].startswith("z1003.example. ") and shown[-1] == "and 5 more zones; use --all to list them", shown[-3:]
        broken = json.loads(control(tmp_path, "zones", "--broken", "+json").stdout)
        assert ([zone["zone"] for zone in broken["zones"]], broken["count"], broken["more"]) == (["z1003.example."], 1, 0)
        every = json.loads(control(tmp_path, "zones", "--all", "+json").stdout)
        assert (len({zone["zone"] for zone in every["zones"]}), every["count"], every["more"]) == (1005, 1005, 0)
        assert control(tmp_path, "zones", "--none").returncode == 1


def test_rewrittenFileIsLoaded(tmp_path: Path) -> None:
    """
    A rewritten zone file is loaded automatically.
    """
    file = put(tmp_path, text())
    with Twistd(tmp_path, "serve", "--zone", f"example.org={file}") as server:
        wait(lambda: serialOf(server) == 1, server)
        put(tmp_path, text(2))
        wait(lambda: serialOf(server) == 2, server)


def test_workersServeAndReloadTogether(tmp_path: Path) -> None:
    """
    Workers serve the same images, transfer them to permitted clients and change over under load. A replaced worker serves the current zone.
    """
    file = put(tmp_path, text())
    (tmp_path / "zones.toml").write_text(
        f'[[zone]]\nname = "example.org"\nfile = "{file}"\nallow-transfer = ["127.0.0.1"]\nnotify = ["127.0.0.1:9"]\n'
    )
    words = ["serve", "--config", "zones.toml", "--workers", "2", "--control", str(tmp_path / "c")]
    (tmp_path / "second").mkdir()
    with Twistd(tmp_path, *words) as server:
        wait(lambda: len(workersOf(server)) >= 2 and all(serialOf(server) == 1 for _ in range(20)), server)
        with Load(server.port, wait=PATIENCE) as load:
            put(tmp_path, text(2))
            control(tmp_path, "reload")
            wait(lambda: all(serialOf(server) == 2 for _ in range(20)), server)
        assert (load.lost, load.wrong) == (0, 0)
        with Twistd(tmp_path / "second", "serve", "--secondary", f"127.0.0.1:{server.port}/example.org") as second:
            wait(lambda: serialOf(second) == 2, second)
        gone = workersOf(server)[0]
        os.kill(gone, signal.SIGKILL)
        wait(lambda: len(workersOf(server)) == 2 and gone not in workersOf(server), server)
        wait(lambda: all(serialOf(server) == 2 for _ in range(20)), server)
    assert "Traceback" not in server.text()


def test_brokenZoneSparesOthers(tmp_path: Path) -> None:
    """
    A server with one broken zone serves the others. A server without another zone exits, and standard error has the position of the error.
    """
    good, bad = put(tmp_path, text()), put(tmp_path, text(1, "www MX\n"), "example.net")
    with Twistd(tmp_path, "serve", "--zone", f"example.org={good}", "--zone", f"example.net={bad}") as server:
        wait(lambda: server.ask() == ["192.0.2.80"], server)
        wait(lambda: f"{bad}:4006:" in server.text(), server)
        assert exchange(server.port, "www.example.net").flags & 15 == 2
        put(tmp_path, text(), "example.net")
        wait(lambda: server.ask("www.example.net") == ["192.0.2.80"], server)
    put(tmp_path, text(1, "www MX\n"), "example.net")
    command = twistd("-n", "--pidfile", "alone.pid", "txdns", "serve", "--control", "", "--port", "0", "--interface", "127.0.0.1")
    done = subprocess.run(
        [*command, "--zone", f"example.net={bad}"], cwd=tmp_path, capture_output=True, text=True, timeout=4 * PATIENCE
    )
    assert done.returncode == 1, done
    assert done.stderr.startswith(f"twistd txdns: example.net. cannot be served: {bad}:4006:"), done.stderr
    assert done.stderr.count("\n") == 1
    assert f"{bad}:4006:" in done.stdout
    assert not (tmp_path / "alone.pid").exists()


def test_forwarderServesItsZonesFirst(tmp_path: Path) -> None:
    """
    A forwarder answers from its own zones first.
    """
    file = put(tmp_path, text())
    with Twistd(tmp_path, "--upstream", "127.0.0.1:9", "--zone", f"example.org={file}") as server:
        wait(lambda: server.ask() == ["192.0.2.80"], server)
        assert exchange(server.port, "www.example.org").flags & (AA | RA) == AA | RA


def test_twistdDNSZoneOptionsWork(tmp_path: Path) -> None:
    """
    The zone options of C{twistd dns} work: master files, Python code, and zones of other servers.
    """
    (tmp_path / "zone.py").write_text(
        "zone = [\n"
        "    SOA('example.com', mname='ns.example.com', rname='h.example.com', serial=3,\n"
        "        refresh='1H', retry='1H', expire='1H', minimum=60),\n"
        "    NS('example.com', 'ns.example.com'),\n"
        "    A('ns.example.com', '192.0.2.1'),\n"
        "    A('www.example.com', '192.0.2.81', 77),\n"
        "]\n"
    )
    put(tmp_path, f"$ORIGIN example.net.\n{text()}", "db.net")
    first = tmp_path / "first"
    first.mkdir()
    (first / "zones.toml").write_text(
        f'[[zone]]\nname = "example.org"\nfile = "{put(first, text())}"\nallow-transfer = ["127.0.0.1"]\n'
    )
    with Twistd(first, "serve", "--config", "zones.toml") as primary:
        wait(lambda: primary.ask() == ["192.0.2.80"], primary)
        words = ["--pyzone", "zone.py", "--bindzone", "db.net", "--secondary", f"127.0.0.1:{primary.port}/example.org"]
        with Twistd(tmp_path, "serve", *words) as server:
            wait(lambda: server.ask("www.example.com") == ["192.0.2.81"], server)
            wait(lambda: server.ask("www.example.net") == ["192.0.2.80"], server)
            wait(lambda: server.ask("www.example.org") == ["192.0.2.80"], server)
            assert exchange(server.port, "www.example.com").answer[0].ttl == 77
            assert exchange(server.port, "ns.example.com").answer[0].ttl == 3600
        assert "Traceback" not in server.text()
