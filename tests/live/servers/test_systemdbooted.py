"""
Tests of the unit files in C{contrib/systemd} under a real systemd, with the commands at the paths that they name.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Final

import pytest

from tests.live.servers.booting import Machine, boot
from tests.live.servers.test_systemd import UNITS
from tests.live.twistds import wait
from tests.test_architecture import ROOT

#: Queries a name repeatedly for some seconds and prints how many queries got no reply.
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
    Return a machine on which the server is installed as the documentation says.
    """
    with boot(tmp_path) as made:
        if made is None:
            pytest.skip("this machine cannot run a systemd of its own: that takes root, systemd, and overlay mounts in namespaces")
        for name, module, function in (("twistd", "twisted.scripts.twistd", "run"), ("txdns", "twisted_ext.apps.cli.main", "main")):
            program = f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
            made.write(f"/opt/txdns/bin/{name}", program)
        assert made.run("chmod", "-R", "a+rx", "/opt/txdns").returncode == 0
        for unit in ("txdns.service", "txdns.socket"):
            made.write(f"/etc/systemd/system/{unit}", (UNITS / unit).read_text("utf-8"))
        # Python and the project may be in the folder of a user here.
        dropIn = f"[Service]\nProtectHome=no\nEnvironment=PYTHONPATH={ROOT}\n"
        if ROOT.is_relative_to(gettempdir()):
            # The unit has a temporary folder of its own.
            dropIn += f"BindReadOnlyPaths={ROOT}\n"
        made.write("/etc/systemd/system/txdns.service.d/test.conf", dropIn)
        for folder in (Path(sys.base_prefix), ROOT, Path(sys.prefix)):
            for each in (folder, *folder.parents):
                made.run("chmod", "a+x", str(each))
        settings(made, "192.168.1.1")
        assert made.run("systemctl", "daemon-reload").returncode == 0
        yield made


def settings(machine: Machine, address: str) -> None:
    """
    Write the shipped settings and a record.
    """
    text = (UNITS / "txdns.toml").read_text("utf-8")
    machine.write("/etc/txdns.toml", f'{text}\nlocal-file = ["txdns.records"]\nrecursive = false\n')
    machine.write("/etc/txdns.records", f"router.lan A {address}\n")


def answered(machine: Machine) -> str:
    """
    Return the answer of the server at port 53 for the record.
    """
    words = ("query", "router.lan", "@127.0.0.1", "+short", "+timeout=5")
    return machine.run("env", f"PYTHONPATH={ROOT}", "/opt/txdns/bin/txdns", *words).stdout.strip()


def test_serviceUnderSystemd(machine: Machine) -> None:
    """
    The service starts at port 53 without root privileges and applies changed settings. Wrong settings are reported and change nothing.
    systemd restarts it after a kill, but not with wrong settings.
    """
    started = machine.run("systemctl", "start", "txdns")
    journal = machine.run("journalctl", "--no-pager", "-u", "txdns").stdout
    assert started.returncode == 0, journal
    assert answered(machine) == "192.168.1.1"
    assert machine.run("ps", "-o", "user=", "-p", machine.propertyOf("txdns", "MainPID")).stdout.strip() != "root"
    control = machine.run("env", f"PYTHONPATH={ROOT}", "/opt/txdns/bin/txdns", "control", "status")
    assert control.returncode == 0, control.stderr

    settings(machine, "192.168.1.2")
    assert machine.run("systemctl", "reload", "txdns").returncode == 0
    assert answered(machine) == "192.168.1.2"
    machine.write("/etc/txdns.toml", "stale = 'long'\n")
    assert machine.run("systemctl", "reload", "txdns").returncode != 0
    assert "/etc/txdns.toml:1: stale takes a number of seconds" in machine.run("journalctl", "--no-pager", "-u", "txdns").stdout
    assert (machine.propertyOf("txdns", "ActiveState"), answered(machine)) == ("active", "192.168.1.2")

    settings(machine, "192.168.1.3")
    before = machine.propertyOf("txdns", "MainPID")
    machine.run("kill", "-KILL", before)
    wait(lambda: machine.propertyOf("txdns", "MainPID") not in (before, "0") and machine.propertyOf("txdns", "ActiveState") == "active")
    assert answered(machine) == "192.168.1.3"
    assert machine.propertyOf("txdns", "NRestarts") == "1"

    machine.write("/etc/txdns.toml", "stale = 'long'\n")
    assert machine.run("systemctl", "restart", "txdns").returncode != 0
    assert machine.propertyOf("txdns", "ActiveState") == "failed"
    assert (machine.propertyOf("txdns", "ExecMainStatus"), machine.propertyOf("txdns", "NRestarts")) == ("78", "0")


def test_firstQueryStartsServer(machine: Machine) -> None:
    """
    The first query starts the server with the socket unit, and no query is lost while it restarts.
    """
    assert machine.run("systemctl", "start", "txdns.socket").returncode == 0
    assert machine.propertyOf("txdns", "ActiveState") == "inactive"
    assert answered(machine) == "192.168.1.1"
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
