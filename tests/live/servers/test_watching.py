"""
Tests of the views of C{twistd txdns}: with one process and with several, over the control socket, HTTP and SSH.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.apps.terminals import plain
from tests.live.twistds import Twistd, wait
from tests.peers import freePort, peer
from twisted_ext.apps.cli.server.client import ControlChannel
from twisted_ext.metrics.figures import Figures


def _typeOver(command: list[str], lines: list[str]) -> str:
    """
    Return what a terminal shows when these lines are typed one after the other.
    """
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        time.sleep(1.0)
        for line in lines:
            for octet in line.encode():
                process.stdin.write(bytes([octet]))
                process.stdin.flush()
                time.sleep(0.01)
            time.sleep(0.3)
        shown, _ = process.communicate(timeout=20)
    return plain(shown.decode("utf-8", "replace"))


@pytest.mark.parametrize("workers", [1, 2])
def test_allViewsAgree(workers: int, tmp_path: Path) -> None:
    """
    All views show the same statistics however many processes answer. A flush reaches each process.
    """
    page = freePort("127.0.0.1")
    control = tmp_path / "run" / "control.sock"
    words = ["--workers", str(workers), "--http", f"127.0.0.1:{page}", "--local", "www.example.org A 192.0.2.1", "--no-recursive"]
    with Twistd(tmp_path, *words, "--control", str(control)) as server:
        channel = ControlChannel(str(control))
        wait(control.exists, server)
        # Queries from before the workers were ready have waited in their sockets.
        wait(lambda: Figures.fromJSON(channel.ask("GET", "stats")).processes == workers, server)
        time.sleep(0.5)
        before = Figures.fromJSON(channel.ask("GET", "stats"))
        for number in range(20):
            assert server.ask(stream=number % 2 == 1) == ["192.0.2.1"]
        figures = Figures.fromJSON(channel.ask("GET", "stats"))
        assert figures.processes == workers
        assert figures.numbers["udp"] - before.numbers["udp"] == 10
        assert figures.numbers["tcp"] - before.numbers["tcp"] == 10
        assert dict(figures.asked)["www.example.org."] >= 10
        with urlopen(f"http://127.0.0.1:{page}/status.json") as response:
            assert json.loads(response.read())["figures"]["queries"] == figures.queries
        with urlopen(f"http://127.0.0.1:{page}/metrics") as response:
            families = {family.name: family for family in text_string_to_metric_families(response.read().decode())}
        assert sum(sample.value for sample in families["txdns_queries"].samples) == figures.queries
        assert sum(sample.value for sample in families["txdns_replies"].samples) == figures.queries
        assert channel.ask("POST", "cache/flush", {"all": "1"}) == {"flushed": 0}
        assert channel.ask("GET", "explain", {"name": "www.example.org"})["records"] == ["www.example.org. 3600 IN A 192.0.2.1"]
        assert channel.ask("POST", "trace/on") == {"tracing": True}
        assert server.ask("nowhere.example.org") is not None
        (followed,) = [trace for trace in _list(channel.ask("GET", "trace/show")["traces"]) if "nowhere" in str(trace)]
        assert "REFUSED" in str(followed)
    assert not control.exists()


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def test_manholeAcceptsItsKeyOnly(tmp_path: Path) -> None:
    """
    OpenSSH gets into the manhole with the key in the file, and with no other. Typed lines are logged.
    """
    keygen, ssh = peer("ssh-keygen"), peer("ssh")
    for name in ("mine", "other"):
        subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    keys = tmp_path / "keys"
    keys.write_bytes((tmp_path / "mine.pub").read_bytes())
    keys.chmod(0o600)
    port = freePort("127.0.0.1")
    words = ["--no-recursive", "--manhole", f"tcp:{port}:interface=127.0.0.1", "--manhole-keys", str(keys)]

    def command(key: str) -> list[str]:
        options = ("BatchMode=yes", "IdentitiesOnly=yes", "IdentityAgent=none", "StrictHostKeyChecking=no")
        wishes = [word for option in (*options, f"UserKnownHostsFile={tmp_path / 'known'}") for word in ("-o", option)]
        return [str(ssh), "-F", "none", "-tt", "-p", str(port), "-i", str(tmp_path / key), *wishes, "anyone@127.0.0.1"]

    with Twistd(tmp_path, *words) as server:
        wait(lambda: "manhole at" in server.text(), server)
        shown = _typeOver(command("mine"), ["counters.udp > 0\r", "6 * 7\r", "\x04"])
        assert "True\n" in shown and "42\n" in shown
        done = subprocess.run([*command("other"), "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
        assert done.returncode == 255 and "Permission denied" in done.stderr
        assert "manhole: 6 * 7" in server.text()
        assert "logged in" in server.text()
