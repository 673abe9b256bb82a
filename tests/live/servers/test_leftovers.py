"""
Tests of files that C{twistd txdns} and C{txdns} leave behind, and of files that other users put in their way.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.live.lookups.test_txdns import txdns
from tests.live.twistds import Twistd, wait
from tests.patience import PATIENCE
from tests.peers import nsd

ZONE = "$TTL 300\n@ SOA ns mail 1 3600 600 86400 300\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.80\n"


CODE = """
zone = [
    SOA("example.org", mname="ns.example.org", rname="a.example.org", serial=3, refresh=1, retry=1, expire=1, minimum=1),
    NS("example.org", "ns.example.org"),
    A("www.example.org", "192.0.2.80"),
]
"""


@pytest.mark.parametrize(("kind", "workers"), [("zone", "1"), ("zone", "2"), ("pyzone", "2")])
def test_imagesOfKilledServerAreRemoved(tmp_path: Path, kind: str, workers: str) -> None:
    """
    A server without a state folder keeps zone images in a temporary one. The next server removes the images of a killed one, and leaves
    nothing when it ends.
    """
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "code.py").write_text(CODE)
    (temporary / "txdns-another").mkdir()
    environment = {"TMPDIR": str(temporary), "STATE_DIRECTORY": ""}
    zone = ["--zone", f"example.org={tmp_path}/zone"] if kind == "zone" else ["--pyzone", f"{tmp_path}/code.py"]
    words = [*zone, "--workers", workers]
    with Twistd(tmp_path, *words, environment=environment) as killed:
        wait(lambda: killed.gives("www.example.org", ["192.0.2.80"]), killed)
        assert killed.process is not None
        os.killpg(killed.pid, signal.SIGKILL)
        killed.process.wait(PATIENCE)
        (left,) = [path for path in temporary.iterdir() if path.name != "txdns-another"]
    with Twistd(tmp_path, *words, environment=environment) as running:
        wait(lambda: running.gives("www.example.org", ["192.0.2.80"]), running)
        assert not left.exists()
        running.stop()
    assert [path.name for path in temporary.iterdir()] == ["txdns-another"]


def test_readableKeyFileIsLogged(tmp_path: Path) -> None:
    """
    The log names key files that every user can read.
    """
    (tmp_path / "zone").write_text(ZONE)
    keys = tmp_path / "keys"
    keys.write_text("one:c2VjcmV0\n")
    words = ["--zone", f"example.org={tmp_path}/zone", "--key-file", str(keys)]
    for mode, said in ((0o644, 1), (0o640, 0)):
        keys.chmod(mode)
        with Twistd(tmp_path, *words) as running:
            wait(partial(running.gives, "www.example.org", ["192.0.2.80"]), running)
            assert running.text().count(f"key-file: {keys}: every user of this machine can read the secrets in it") == said


def test_plantedLinksAreNotFollowed(tmp_path: Path) -> None:
    """
    Symbolic links that other users put under temporary names in a shared folder are not followed.
    """
    victim = tmp_path / "victim"
    victim.write_text("precious")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    path, image = shared / "zone", shared / "image"
    for trapped in (path, image):
        for ending in (".new", ".part"):
            (shared / f"{trapped.name}{ending}").symlink_to(victim)
    (tmp_path / "example.org.zone").write_text(ZONE)
    with nsd({"example.org": ZONE}) as server:
        fetched = txdns("transfer", "example.org", f"@{server.address}:{server.port}", "-o", str(path))
    assert fetched.returncode == 0
    assert "www.example.org.\t300\tIN\tA\t192.0.2.80" in path.read_text()
    for words in (
        ["zone", "format", str(tmp_path / "example.org.zone"), "-o", str(path)],
        ["zone", "compile", str(tmp_path / "example.org.zone"), "-o", str(image)],
    ):
        ended = txdns(*words)
        assert (ended.returncode, ended.stderr) == (0, ""), words
    assert victim.read_text() == "precious"
    assert not image.is_symlink() and image.stat().st_size > 100
