"""
Tests of the files of a release, as C{make dist} builds them.
"""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, cast

import pytest

from tests.builtonce import builtOnce
from tests.patience import PATIENCE
from tests.peers import freePort
from tests.test_architecture import ROOT
from tests.test_packaging import PIP_OPTIONS, environment, run

_SCRIPT: Final = ROOT / ".ci" / "dist.py"

_DIST: Final = runpy.run_path(str(_SCRIPT))

#: The links of the README, by their names.
_LINKS: Final = re.compile(r"^\.\. _(\w+): (\S+)$", re.MULTILINE)


def _build(zones: Mapping[Path, str]) -> list[list[Path]]:
    """
    Build a release in each of these folders, in these time zones, and return the files of each, the wheel last.
    """
    for folder in zones:
        folder.mkdir()
    command = [sys.executable, str(_SCRIPT), "--no-isolation"]
    runs = [
        subprocess.Popen(
            [*command, str(folder / "dist")],
            cwd=folder,
            env={**os.environ, "SOURCE_DATE_EPOCH": "1763683200", "TZ": zone, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for folder, zone in zones.items()
    ]
    for each in runs:
        output, _ = each.communicate()
        assert each.returncode == 0, output
    return [_filesIn(folder) for folder in zones]


def _filesIn(folder: Path) -> list[Path]:
    return sorted((folder / "dist").iterdir(), key=lambda path: path.suffix == ".whl")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """
    Build a release, and return its files, the wheel last.
    """
    root = builtOnce(tmp_path_factory, "releases", lambda root: _build({root / "second": "America/Lima"}))
    return _filesIn(root / "second")


@pytest.mark.long
def test_releaseIsReproducible(tmp_path: Path) -> None:
    """
    Two builds of the same files with the same C{SOURCE_DATE_EPOCH} are equal, in different zones. It is of interest before a release.
    """
    first, second = _build({tmp_path / "first": "UTC", tmp_path / "second": "America/Lima"})
    assert [path.name.removeprefix("twisted_ext-").lstrip("0123456789.dev") for path in first] == ["tar.gz", "-py3-none-any.whl"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_sourcesAreComplete(build: list[Path]) -> None:
    """
    The source distribution has every file that building, testing and documenting the project takes, and no file of this machine.
    """
    with tarfile.open(build[0]) as archive:
        members = archive.getmembers()
    paths = {member.name.partition("/")[2] for member in members}
    expected = set(cast("Callable[[], list[str]]", _DIST["sources"])())
    # The second one is in a folder named as one that is left out at the top.
    assert {".ci/constraints.txt", "twisted_ext/zone/build/__init__.py", "docs/conf.py", "typings", "Makefile"} <= paths
    assert expected <= paths
    assert {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in members} == {(0, 0, "", "", 1763683200)}
    assert not any("__pycache__" in path or path.startswith((".git/", ".venv", "build/", "dist/")) for path in paths)


def test_readmeOfReleaseLinksToPages(build: list[Path]) -> None:
    """
    In both files, and in what PyPI shows, the README links to the pages of the documentation; the checkout keeps links to files.
    """
    sdist, wheel = build
    with tarfile.open(sdist) as archive:
        members = [archive.extractfile(each) for each in archive.getmembers() if each.name.partition("/")[2] in ("README.rst", "PKG-INFO")]
        texts = [each.read().decode("utf-8") for each in members if each is not None]
    with zipfile.ZipFile(wheel) as contents:
        texts += [contents.read(name).decode("utf-8") for name in contents.namelist() if name.endswith(".dist-info/METADATA")]
    assert len(texts) == 3
    checkout = dict(_LINKS.findall((ROOT / "README.rst").read_text("utf-8")))
    site = "https://twisted-ext.readthedocs.io/en/stable/"
    for text in texts:
        links = dict(_LINKS.findall(text))
        assert set(links) == set(checkout)
        assert links["operating"] == f"{site}howto/operating.html"
        assert links["contributors"] == f"{site}project/contributing.html"
        pages = [ROOT / "docs" / f"{link.removeprefix(site).removesuffix('.html')}.rst" for link in links.values()]
        assert [page for page in pages if not page.is_file()] == []
    # In a source distribution, "the checkout" is a built file itself.
    assert not (ROOT / ".git").exists() or [path for path in checkout.values() if not (ROOT / path).is_file()] == []


def test_linksToOtherFilesAreNotReleased() -> None:
    """
    A release whose README links to a file that is not a page is not built.
    """
    linked = cast("Callable[[str, str], str]", _DIST["linked"])
    assert linked(".. _site: https://example.org/a\n", "https://docs.example.org") == ".. _site: https://example.org/a\n"
    with pytest.raises(SystemExit, match=r"^dist: README.rst links to setup.cfg, which is not a page of the documentation$"):
        linked(".. _settings: setup.cfg\n", "https://docs.example.org")


@pytest.mark.parametrize(
    ("wheel", "sdist", "complaint"),
    [
        (["tests/__init__.py"], [], "tests/__init__.py does not belong into the wheel"),
        (["twisted/__init__.py"], [], "twisted/__init__.py does not belong into the wheel"),
        ([], ["dist/old.whl"], "dist/old.whl does not belong into the source distribution"),
        ([], [], "the wheel lacks twisted/plugins/twisted_ext_dropin.py"),
        ([], [], "the wheel lacks twisted_ext/new.css"),
        ([], [], "the source distribution lacks twisted_ext/new.css"),
        ([], [], "the wheel lacks /share/man/man1/txdns.1"),
    ],
)
def test_wrongContentsAreReported(wheel: list[str], sdist: list[str], complaint: str) -> None:
    """
    A release with a file too many or too few is not built.
    """
    wrong = cast("Callable[[list[str], list[str], list[str]], list[str]]", _DIST["wrongIn"])
    assert complaint in wrong(wheel, sdist, ["twisted_ext/new.css"])


def test_installedWheelServesAndAsks(build: list[Path], tmp_path: Path) -> None:
    """
    After the installation of the wheel, a server started by C{twistd txdns} answers C{txdns query}, and the manual pages and completions
    are in the share folder.
    """
    wheel = build[1]
    python = environment(tmp_path / "environment")
    run(sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS, wheel, folder=tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        shared = [name.partition(".data/data/")[2] for name in archive.namelist() if ".data/data/" in name]
        (bash,) = [name for name in archive.namelist() if name.endswith("/share/bash-completion/completions/twistd")]
        assert archive.read("twisted_ext/apps/cli/completion/scripts/twistd.bash") == archive.read(bash)
    assert {"share/man/man1/txdns-query.1", "share/zsh/site-functions/_txdns"} <= set(shared)
    assert all((tmp_path / "environment" / path).is_file() for path in shared)
    port = freePort("127.0.0.1")
    words = ["--interface", "127.0.0.1", "--port", str(port), "--control", "", "--no-recursive", "--local", "www.dist.test A 192.0.2.80"]
    twistd = "from twisted.scripts.twistd import run; run()"
    server = subprocess.Popen(
        [python, "-c", twistd, "-n", "--pidfile=", "txdns", *words], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        end = time.monotonic() + PATIENCE
        query = [tmp_path / "environment/bin/txdns", "query", "www.dist.test", f"@127.0.0.1:{port}", "+short", "+time=1", "+tries=1"]
        said = ""
        while said != "192.0.2.80\n" and time.monotonic() < end and server.poll() is None:
            said = subprocess.run([str(word) for word in query], cwd=tmp_path, capture_output=True, text=True).stdout
            time.sleep(0.1)
        assert said == "192.0.2.80\n"
    finally:
        server.terminate()
        output, _ = server.communicate()
    # twistd ends by the signal that stopped it.
    assert server.returncode == -signal.SIGTERM, output
