"""
Tests of what arrives when the project is installed: from a wheel, and in
editable form out of a checkout.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from email import message_from_bytes
from importlib.metadata import distribution
from pathlib import Path
from runpy import run_path
from typing import Final, TypeGuard

import pytest
from packaging.requirements import Requirement

from tests.test_architecture import ROOT
from twisted_ext.interfaces import IResolverParser

__all__ = ["DROPIN", "SOURCES"]

#: All of a checkout that a build reads.
SOURCES: Final = ("setup.cfg", "pyproject.toml", "README.rst", "LICENSE", "twisted_ext", "twisted")

#: The file by which Twisted's plugin system finds us.
DROPIN: Final = "twisted/plugins/twisted_ext_dropin.py"

#: Offline, and with the build tools that are already here.
AS_IT_IS: Final = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")

#: Says where the package was imported from, whether the dropin was found, and
#: the prefixes of all parsers of descriptions that come from us.
SHOW: Final = """
import twisted.plugins
from twisted.plugin import getCache, getPlugins
import twisted_ext
from twisted_ext.interfaces import IResolverParser

print(twisted_ext.__file__)
print("twisted_ext_dropin" in getCache(twisted.plugins))
print(*sorted(parser.prefix for parser in getPlugins(IResolverParser)))
"""

#: Shows what C{twistd} can run, as people see it.
SHOW_TWISTD: Final = """
import sys
from twisted.scripts.twistd import run

sys.argv[1:] = ["--help"]
run()
"""


def run(*command: str | Path, folder: Path) -> str:
    """
    @return: what a command prints.

    @raise AssertionError: with all that it said, if it fails.
    """
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def checkout(folder: Path) -> Path:
    """
    Copy what a build reads, so that it writes nothing into the real checkout.
    """
    for name in SOURCES:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "dropin.cache"))
        else:
            shutil.copy(source, target)
    return folder


def environment(folder: Path) -> Path:
    """
    Make an environment which has everything that this one has, except for us.

    @return: its Python.
    """
    venv.create(folder, symlinks=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    # A path named in a .pth file is used, while .pth files found there are not:
    # so the project that is installed here, in editable form, stays unseen.
    borrowed = Path(paths["purelib"]) / "borrowed.pth"
    borrowed.write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}) + "\n")
    return folder / "bin" / "python"


def required(asked: Iterable[str]) -> set[str]:
    """
    @param asked: requirements, as a distribution's metadata has them.

    @return: the names of the distributions that installing them installs.
    """
    names: set[str] = set()
    remaining = [Requirement(text) for text in asked]
    seen: set[str] = set()
    while remaining:
        requirement = remaining.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        found = distribution(requirement.name)
        names.add(found.metadata["Name"])
        for each in map(Requirement, found.requires or []):
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in requirement.extras or {""}):
                remaining.append(each)
    return names


def bareEnvironment(folder: Path, wheel: Path) -> Path:
    """
    Make an environment with this project's wheel and what that needs without any of its extras.

    @return: its Python.
    """
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        asked = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for each in required([text for text in asked if "extra ==" not in text]):
        installed = distribution(each)
        for top in {file.parts[0] for file in installed.files or () if file.parts[0] not in ("..", "__pycache__")}:
            with suppress(FileExistsError):
                (packages / top).symlink_to(str(installed.locate_file(top)))
    python = environment(folder / "environment")
    (borrowed,) = (folder / "environment").rglob("borrowed.pth")
    borrowed.write_text(f"{packages}\n")
    run(sys.executable, "-m", "pip", "--python", python, "install", *AS_IT_IS, wheel, folder=folder)
    return python


#: What says that an extra is missing, by extra: a command, and what it needs. With none of it, C{txdns top} is plain.
WITHOUT_EXTRAS: Final = {
    "shell": [(["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--manhole", "tcp:0", "--manhole-keys", "keys"], "manhole needs ")],
    "cli": [(["txdns", "top", "--socket", "none"], "txdns top: no server is controlled at none")],
}


def test_withoutExtras(wheel: Path, tmp_path: Path) -> None:
    """
    What needs an extra that is not installed says so in one line, which names what is missing and the command that installs it.
    """
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        extras = message_from_bytes(archive.read(name)).get_all("Provides-Extra", [])
    # Each new extra has its line here, those of people who work on the project aside.
    assert set(extras) - {"all", "test", "test-integrations", "docs", "dev"} == set(WITHOUT_EXTRAS)
    python = bareEnvironment(tmp_path, wheel)
    (tmp_path / "keys").write_text("")
    missing = "import importlib.util, sys; sys.exit(any(map(importlib.util.find_spec, ('bcrypt', 'rich'))))"
    run(python, "-c", missing, folder=tmp_path)
    for extra, commands in WITHOUT_EXTRAS.items():
        for (program, *words), line in commands:
            start = f"import sys; from {PROGRAMS[program]} import {'main' if program == 'txdns' else 'run'} as run; sys.exit(run())"
            done = subprocess.run([python, "-c", start, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
            said = [text for text in (done.stdout + done.stderr).splitlines() if line in text]
            assert done.returncode != 0
            assert "Traceback" not in done.stdout + done.stderr
            assert len(said) == 1, done.stdout + done.stderr
            if line.endswith("needs "):
                assert re.search(rf"needs \w+, which is not installed: pip install 'twisted-ext\[{extra}\]'$", said[0])
                assert done.stderr.count("\n") + done.stdout.count("\n") == 1


#: Modules of programs.
PROGRAMS: Final = {"txdns": "twisted_ext.apps.cli.main", "twistd": "twisted.scripts.twistd"}


def withoutDropin(sources: Path) -> None:
    """
    Break a checkout as packaging would: its setup no longer names the dropin.
    """
    setup = sources / "setup.cfg"
    setup.write_text(setup.read_text().replace("    twisted.plugins.twisted_ext_dropin\n", ""))


def withoutPackageDir(sources: Path) -> None:
    """
    Break a checkout as a tidy mind would: what equals the default is left out.
    """
    setup = sources / "setup.cfg"
    setup.write_text(setup.read_text().replace("package_dir =\n    = .\n", ""))


def intact(sources: Path) -> None:
    """
    Leave a checkout as it is.
    """


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    The wheel of this project.
    """
    return built(tmp_path_factory.mktemp("wheel"), intact)


def built(folder: Path, change: Callable[[Path], None]) -> Path:
    """
    @return: the wheel made of a checkout that was changed first.
    """
    (folder / "sources").mkdir()
    sources = checkout(folder / "sources")
    change(sources)
    run(sys.executable, "-m", "pip", "wheel", *AS_IT_IS, "--wheel-dir", folder, sources, folder=folder)
    (made,) = folder.glob("*.whl")
    return made


def shown(folder: Path, *what: str | Path) -> list[str]:
    """
    Install something into an environment of its own and look from inside.

    @return: the lines that L{SHOW} prints there.
    """
    python = environment(folder / "environment")
    run(sys.executable, "-m", "pip", "--python", python, "install", *AS_IT_IS, *what, folder=folder)
    return run(python, "-W", "error", "-c", SHOW, folder=folder).splitlines()


def listed(folder: Path) -> bool:
    """
    @return: whether C{twistd --help}, in the environment that L{shown} made, lists our server.
    """
    text = run(folder / "environment" / "bin" / "python", "-c", SHOW_TWISTD, folder=folder)
    return any(line.split()[:1] == ["txdns"] for line in text.splitlines())


def prefixes() -> str:
    """
    @return: what L{SHOW} should print last, by the dropin itself.
    """
    return " ".join(sorted(thing.prefix for thing in run_path(str(ROOT / DROPIN)).values() if isPlugin(thing)))


def isPlugin(thing: object) -> TypeGuard[IResolverParser]:
    """
    @return: whether this is one of those that L{SHOW} looks for.
    """
    return bool(IResolverParser.providedBy(thing))


def test_contents(wheel: Path) -> None:
    """
    The wheel holds the package with its type marker and the dropin; it holds no
    tests, and no file by which our part of twisted/ would hide Twisted's own.
    """
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    sources = wheel.parent / "sources"
    expected = {str(path.relative_to(sources)) for path in (sources / "twisted_ext").rglob("*") if path.is_file()}
    assert {"twisted_ext/py.typed", "twisted_ext/apps/web/page.html"} <= expected
    expected |= {DROPIN}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert not any(name.startswith("twisted/") and name.endswith("__init__.py") for name in names)


def test_metadata(wheel: Path) -> None:
    """
    The wheel tells pip its name, the Python it needs, its extras, its licence and
    its command.
    """
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist() if ".dist-info/" in name}
    metadata = message_from_bytes(texts["METADATA"])
    assert metadata["Name"] == "twisted-ext"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) >= set("shell cli all test".split())
    assert "LICENSE" in texts
    assert b"txdns = twisted_ext.apps.cli.main:main" in texts["entry_points.txt"]


def test_askedForAndUsed(wheel: Path) -> None:
    """
    Nobody has to install what the package does not import; the extras of those who work on it aside.
    """
    sources = "\n".join([path.read_text() for path in (wheel.parent / "sources" / "twisted_ext").rglob("*.py")])
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        asked = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    theirs = re.compile(r"extra == .(test|test-integrations|docs|dev)\b")
    used = {re.split(r"[^\w.-]", each)[0].lower() for each in asked if not theirs.search(each)} - {"twisted-ext"}
    assert {"twisted", "idna", "rich"} <= used
    assert [name for name in sorted(used) if not re.search(rf"^\s*(from|import) {re.escape(name)}\b", sources, re.MULTILINE)] == []


def test_dropin() -> None:
    """
    The dropin offers the parsers of what everyone describes resolvers with.
    """
    assert {"system", "hosts", "udp", "tcp", "cache"} <= set(prefixes().split())


def test_wheelPlugins(wheel: Path, tmp_path: Path) -> None:
    """
    Installed from its wheel, the project's plugins are found.
    """
    imported, dropin, parsers = shown(tmp_path, wheel)
    assert Path(imported).is_relative_to(tmp_path / "environment")
    assert dropin == "True"
    assert parsers == prefixes()
    assert listed(tmp_path)


def test_wheelPluginsNeedDropin(tmp_path: Path) -> None:
    """
    A wheel without the dropin is noticed.
    """
    _, dropin, parsers = shown(tmp_path, built(tmp_path, withoutDropin))
    assert (dropin, parsers) == ("False", "")
    assert not listed(tmp_path)


def test_editablePlugins(tmp_path: Path) -> None:
    """
    Installed in editable form, the project's plugins are found, and what is
    imported is the checkout.
    """
    (tmp_path / "sources").mkdir()
    sources = checkout(tmp_path / "sources")
    imported, dropin, parsers = shown(tmp_path, "--editable", sources)
    assert Path(imported) == sources / "twisted_ext" / "__init__.py"
    assert dropin == "True"
    assert parsers == prefixes()
    assert listed(tmp_path)


def test_editablePluginsNeedPackageDir(tmp_path: Path) -> None:
    """
    The setting that makes them visible is noticed when it goes. Should this fail
    one day, setuptools has mended it, and the setting is no longer needed.
    """
    (tmp_path / "sources").mkdir()
    sources = checkout(tmp_path / "sources")
    withoutPackageDir(sources)
    _, dropin, parsers = shown(tmp_path, "--editable", sources)
    assert (dropin, parsers) == ("False", "")
