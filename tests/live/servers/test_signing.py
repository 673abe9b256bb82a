"""
A server that signs a zone, with workers, and its end by force.
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.live.twistds import Twistd, wait, workersOf
from tests.peers import peer

_ZONE = "$TTL 300\n@ SOA ns1 host 1 3600 600 86400 60\n@ NS ns1\nns1 A 192.0.2.1\nwww A 192.0.2.80\n"

_SETTINGS = """\
workers = 2
state = "state"
[[zone]]
name = "example.org"
file = "example.org.zone"
sign = "default"
"""


def signatureOf(server: Twistd, name: str) -> str:
    """
    Return the signature of the addresses of a name, as text.
    """
    words = [str(peer("dig")), "+short", "+dnssec", "+norec", "-p", str(server.port), "@127.0.0.1", name, "A"]
    said = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found = re.search(r"^A 13 .*$", said, re.MULTILINE)
    return "" if found is None else found[0]


def memoryOf(pid: int) -> bytes:
    """
    Return what a process has in memory that it may write.

    @raise OSError: this is not allowed.
    """
    parts: list[bytes] = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            begin, end = [int(each, 16) for each in line.split()[0].split("-")]
            if line.split()[1].startswith("rw"):
                memory.seek(begin)
                parts.append(memory.read(end - begin))
    return b"".join(parts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "example.org.zone").write_text(_ZONE)
    (tmp_path / "txdns.toml").write_text(_SETTINGS)
    return tmp_path


def test_killedServerMakesNoOtherSignature(folder: Path) -> None:
    """
    After C{kill -9} the next start serves the same signatures at once, and makes none.
    """
    with Twistd(folder, "serve", "--config", "txdns.toml") as server:
        wait(lambda: signatureOf(server, "www.example.org"), server)
        first = signatureOf(server, "www.example.org")
        os.kill(server.pid, signal.SIGKILL)
        os.killpg(server.pid, signal.SIGKILL)
    with Twistd(folder, "serve", "--config", "txdns.toml") as server:
        wait(lambda: signatureOf(server, "www.example.org"), server)
        assert signatureOf(server, "www.example.org") == first
        assert "signed:" not in server.text()


def test_workersHaveNoKey(folder: Path) -> None:
    """
    The key is in no process that answers queries, nor in that which starts them: the one that signs has ended.
    """
    with Twistd(folder, "serve", "--config", "txdns.toml") as server:
        wait(lambda: signatureOf(server, "www.example.org"), server)
        (path,) = (folder / "state" / "signing").glob("*/*.private")
        (text,) = re.findall(r"^PrivateKey: (\S+)$", path.read_text(), re.MULTILINE)
        secret = base64.b64decode(text)
        for pid in (server.pid, *workersOf(server)):
            try:
                memory = memoryOf(pid)
            except PermissionError:
                pytest.skip("this machine does not let a process read the memory of its children")
            # What is looked for would be found.
            assert b"example" in memory
            for each in (secret, secret[::-1], text.encode()):
                assert each not in memory, pid
