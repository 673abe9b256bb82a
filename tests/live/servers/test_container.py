"""
Tests of the container file: hadolint accepts it, its commands start a server that passes the health check, and where container images are
required (C{TXDNS_REQUIRE}) an image is built and run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import twistd, wait
from tests.patience import PATIENCE
from tests.peers import freePort, peer
from tests.requirements import required
from tests.test_architecture import ROOT

CONTAINER: Final = ROOT / "contrib" / "container"

#: Seconds that a step of the build may take, with packages to be fetched.
_LONG: Final = 900.0

_TEXT: Final = (CONTAINER / "Containerfile").read_text("utf-8")


def wordsOf(instruction: str) -> list[str]:
    """
    Return the words of an instruction such as CMD, the last one if there are several.
    """
    words: list[str] = json.loads(re.findall(rf"\b{instruction} (\[.*\])$", _TEXT, re.MULTILINE)[-1])
    return words


def test_hadolintAcceptsTheContainerFile() -> None:
    """
    The linter of container files finds nothing.
    """
    hadolint = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run([str(hadolint), "Containerfile"], cwd=CONTAINER, capture_output=True, text=True, timeout=PATIENCE)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_composedContainerCanDoLittle() -> None:
    """
    The composed container has a read-only file system, no capabilities, limits, and ports of this machine only. Settings and state are at
    the paths that the container file names.
    """
    compose = (CONTAINER / "compose.yaml").read_text("utf-8")
    for line in ("read_only: true", "- ALL", "no-new-privileges:true", "mem_limit: 512m", "- state:/var/lib/txdns"):
        assert line in compose
    assert "./txdns.toml:/etc/txdns/txdns.toml:ro" in compose and "contrib/container/txdns.toml /etc/txdns/txdns.toml" in _TEXT
    published = re.findall(r'^ +- "(\S+):(\d+)(?:/\w+)?"$', compose, re.MULTILINE)
    assert published and all(at.startswith("127.0.0.1:") for at, _ in published)
    assert {port for _, port in published} == set(re.findall(r"(\d+)/(?:udp|tcp)", re.findall("^EXPOSE (.*)$", _TEXT, re.MULTILINE)[0]))


def test_commandsOfTheContainerServe(tmp_path: Path) -> None:
    """
    The entry point starts a server with the settings of the container, and it passes the health check until it is stopped.
    """
    port, page = freePort("127.0.0.1"), freePort("127.0.0.1")
    settings = (CONTAINER / "txdns.toml").read_text("utf-8")
    for text, own in (("port = 5300", f"port = {port}"), ("/var/lib/txdns", str(tmp_path)), ("0.0.0.0:9153", f"127.0.0.1:{page}")):
        assert text in settings
        settings = settings.replace(text, own)
    (tmp_path / "txdns.toml").write_text(settings + '\ninterface = "127.0.0.1"\n')
    entry, words = wordsOf("ENTRYPOINT"), wordsOf("CMD")
    check = re.findall(r'^    CMD \["sh", "-c", "(.*?)"\]$', _TEXT, re.MULTILINE | re.DOTALL)
    assert (entry[0], words) == ("twistd", ["--config", "/etc/txdns/txdns.toml"])
    said = check[0].replace("\\\n", " ").replace("5300", str(port)).replace("/var/lib/txdns", str(tmp_path))
    health = said.replace("txdns ", f"{sys.executable} -m twisted_ext.apps.cli.main ")

    def isHealthy() -> bool:
        return subprocess.run(["sh", "-c", health], cwd=tmp_path, capture_output=True, timeout=PATIENCE).returncode == 0

    assert not isHealthy()
    command = [*twistd(*entry[1:]), "--config", str(tmp_path / "txdns.toml")]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log) as process:
        try:
            wait(lambda: isHealthy() or process.poll() is not None)
            assert process.poll() is None, (tmp_path / "log").read_text("utf-8")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE)
    # twistd ends itself by the signal that stopped it.
    assert process.returncode in (0, -signal.SIGTERM)


class Builder:
    """
    Buildah, with images in a folder of its own.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where = ["--root", str(folder / "images"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]

    def run(self, command: str, *words: str) -> str:
        """
        Run a command of Buildah, and return what it prints.
        """
        ended = subprocess.run(
            [str(peer("buildah")), *self._where, command, *words],
            cwd=self.folder,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
            capture_output=True,
            text=True,
            timeout=_LONG,
        )
        assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
        return ended.stdout.strip()


def mirror() -> str:
    """
    Return where this machine gets Debian's packages.
    """
    policy = subprocess.run(["apt-cache", "policy", "python3-venv"], capture_output=True, text=True, timeout=PATIENCE).stdout
    found = re.search(r"500 (https?://\S+) \S+/main", policy)
    assert found is not None, policy
    return found[1]


@pytest.fixture
def builder(tmp_path: Path) -> Iterator[Builder]:
    """
    Make an image with Debian's Python, which the container file takes in place of the one from a registry.
    """
    if not required("containers"):
        pytest.skip("TXDNS_REQUIRE does not list containers: to build one takes minutes, root on Debian, buildah and debootstrap")
    release = re.findall("^VERSION_CODENAME=(.*)$", Path("/etc/os-release").read_text("utf-8"), re.MULTILINE)[0]
    base = tmp_path / "base"
    words = ["--variant=minbase", "--include=python3,python3-venv,ca-certificates", release, str(base), mirror()]
    made = subprocess.run([str(peer("debootstrap")), *words], capture_output=True, text=True, timeout=_LONG)
    assert made.returncode == 0, made.stdout[-3000:]
    building = Builder(tmp_path)
    try:
        empty = building.run("from", "scratch")
        building.run("add", empty, str(base), "/")
        building.run("commit", empty, "localhost/python")
        yield building
    finally:
        building.run("rm", "--all")
        building.run("rmi", "--all", "--force")
        shutil.rmtree(tmp_path)


#: Run in the container: checks what can be written to, and starts the server.
_INSIDE: Final = """
set -eux
test "$(id -u):$(id -g)" = 5300:5300
for folder in / /etc /etc/txdns /opt/txdns /usr; do test ! -w $folder; done
test -w /var/lib/txdns
twistd --nodaemon --pidfile= txdns --config /etc/txdns/txdns.toml --interface 127.0.0.1 --http 127.0.0.1:"$2" --port "$1" >/tmp/log 2>&1 &
for try in $(seq 100); do
    ! txdns query @127.0.0.1 -p "$1" localhost +short +time=2 +tries=1 || break
    sleep 0.2
done
kill $!
wait $! || true
cat /tmp/log
"""


def test_builtContainerAnswers(builder: Builder) -> None:
    """
    The built container answers its own health check as an ordinary user, with nothing writable but its state.
    """
    context = builder.folder / "context"
    shutil.copytree(CONTAINER, context / "contrib" / "container")
    wheels = str(context / "dist")
    needed = ["--find-links", wheels, "--wheel-dir", wheels, "twisted-ext[cli,https,qr,quic]"]
    for command in ([str(ROOT / ".ci" / "dist.py"), "--no-isolation", wheels], ["-m", "pip", "wheel", "--quiet", *needed]):
        ended = subprocess.run([sys.executable, *command], cwd=context, capture_output=True, text=True, timeout=_LONG)
        assert ended.returncode == 0, ended.stderr
    arguments = ["--build-arg", "PYTHON=localhost/python", "--build-arg", "PIP_NO_INDEX=1", "--tag", "localhost/txdns"]
    builder.run("build", *arguments, "--file", str(context / "contrib" / "container" / "Containerfile"), str(context))
    assert '"User": "5300:5300"' in builder.run("inspect", "--type", "image", "localhost/txdns")
    container = builder.run("from", "localhost/txdns")
    ports = [str(freePort("127.0.0.1")) for _ in range(2)]
    shown = builder.run("run", "--user", "5300:5300", container, "--", "sh", "-c", _INSIDE, "sh", *ports)
    assert shown.startswith("127.0.0.1\n") and "answering at 127.0.0.1" in shown
