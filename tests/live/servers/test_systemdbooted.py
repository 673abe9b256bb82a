"""
Tests of the unit files in C{contrib/systemd} under a real systemd, with the commands at the paths that they name.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.live.servers.booting import Machine, booted
from tests.live.servers.test_systemd import UNITS
from tests.live.twistds import wait
from tests.test_architecture import ROOT

#: Asks a name over and over for some seconds and prints how often there was no reply.
_ASK: Final = """
import socket, sys, time
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
query = buildQuery(0x0100, questionOf("router.lan", "A").toWire(), b"")
end, lost, count = time.monotonic() + float(sys.argv[1]), 0, 0
with socket.socket(type=socket.SOCK_DGRAM) as asking:
    asking.settimeout(20)
    while time.monotonic() < end:
        count += 1
        asking.sendto(count.to_bytes(2, "big") + query, ("127.0.0.1", 53))
        try:
            while asking.recv(512)[:2] != count.to_bytes(2, "big"):
                pass
        except OSError:
            lost += 1
        time.sleep(0.005)
print(count > 50, lost)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """
    A machine on which the server is installed as the page says.
    """
    with booted(tmp_path) as made:
        if made is None:
            pytest.skip("this machine cannot run a systemd of its own: that takes root, systemd, and overlay mounts in namespaces")
        for name, module, function in (("twistd", "twisted.scripts.twistd", "run"), ("txdns", "twisted_ext.apps.cli.main", "main")):
            program = f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
            made.write(f"/opt/txdns/bin/{name}", program)
        assert made.run("chmod", "-R", "a+rx", "/opt/txdns").returncode == 0
        for unit in ("txdns.service", "txdns.socket"):
            made.write(f"/etc/systemd/system/{unit}", (UNITS / unit).read_text("utf-8"))
        # Python and the project may be in the folder of a user here.
        made.write("/etc/systemd/system/txdns.service.d/test.conf", f"[Service]\nProtectHome=no\nEnvironment=PYTHONPATH={ROOT}\n")
        for folder in (Path(sys.base_prefix), ROOT, Path(sys.prefix)):
            for each in (folder, *folder.parents):
                made.run("chmod", "a+x", str(each))
        settings(made, "192.168.1.1")
        assert made.run("systemctl", "daemon-reload").returncode == 0
        yield made


def settings(machine: Machine, address: str) -> None:
    """
    Write the settings: those that come with the units, and a record.
    """
    text = (UNITS / "txdns.toml").read_text("utf-8")
    machine.write("/etc/txdns.toml", f'{text}\nlocal-file = ["txdns.records"]\nrecursive = false\n')
    machine.write("/etc/txdns.records", f"router.lan A {address}\n")


def asked(machine: Machine) -> str:
    """
    @return: what the server at port 53 says of the record.
    """
    words = ("query", "router.lan", "@127.0.0.1", "+short", "+timeout=5")
    return machine.run("env", f"PYTHONPATH={ROOT}", "/opt/txdns/bin/txdns", *words).stdout.strip()


def test_service(machine: Machine) -> None:
    """
    The service starts at port 53 without root's rights, applies changed settings, keeps the old ones where the new ones are wrong and says
    so, and is started again when it is killed but not when its settings are wrong.
    """
    started = machine.run("systemctl", "start", "txdns")
    journal = machine.run("journalctl", "--no-pager", "-u", "txdns").stdout
    assert started.returncode == 0, journal
    assert asked(machine) == "192.168.1.1"
    assert machine.run("ps", "-o", "user=", "-p", machine.shows("txdns", "MainPID")).stdout.strip() != "root"
    control = machine.run("env", f"PYTHONPATH={ROOT}", "/opt/txdns/bin/txdns", "control", "status")
    assert control.returncode == 0, control.stderr

    settings(machine, "192.168.1.2")
    assert machine.run("systemctl", "reload", "txdns").returncode == 0
    assert asked(machine) == "192.168.1.2"
    machine.write("/etc/txdns.toml", "stale = 'long'\n")
    assert machine.run("systemctl", "reload", "txdns").returncode != 0
    assert "/etc/txdns.toml:1: stale takes a number of seconds" in machine.run("journalctl", "--no-pager", "-u", "txdns").stdout
    assert (machine.shows("txdns", "ActiveState"), asked(machine)) == ("active", "192.168.1.2")

    settings(machine, "192.168.1.3")
    before = machine.shows("txdns", "MainPID")
    machine.run("kill", "-KILL", before)
    wait(lambda: machine.shows("txdns", "MainPID") not in (before, "0") and machine.shows("txdns", "ActiveState") == "active")
    assert asked(machine) == "192.168.1.3"
    assert machine.shows("txdns", "NRestarts") == "1"

    machine.write("/etc/txdns.toml", "stale = 'long'\n")
    assert machine.run("systemctl", "restart", "txdns").returncode != 0
    assert machine.shows("txdns", "ActiveState") == "failed"
    assert (machine.shows("txdns", "ExecMainStatus"), machine.shows("txdns", "NRestarts")) == ("78", "0")


def test_socketActivation(machine: Machine) -> None:
    """
    With the socket unit the first query starts the server, and none is lost while it restarts.
    """
    assert machine.run("systemctl", "start", "txdns.socket").returncode == 0
    assert machine.shows("txdns", "ActiveState") == "inactive"
    assert asked(machine) == "192.168.1.1"
    found: list[str] = []

    def ask() -> None:
        done = machine.run("env", f"PYTHONPATH={ROOT}", sys.executable, "-c", _ASK, "6")
        found.append(done.stdout.strip() or done.stderr)

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(2):
        assert machine.run("systemctl", "restart", "txdns").returncode == 0
    asking.join()
    assert found == ["True 0"]
