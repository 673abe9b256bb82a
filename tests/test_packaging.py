"""
Tests of the installed project: from a wheel, and in editable form from a checkout.
"""

from __future__ import annotations

import os
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

from tests.builtonce import builtOnce
from tests.test_architecture import ROOT
from twisted_ext.interfaces import IResolverParser

__all__ = ["DROPIN", "SOURCES"]

#: The files of a checkout that a build reads.
SOURCES: Final = ("setup.cfg", "setup.py", "pyproject.toml", "README.rst", "LICENSE", "twisted_ext", "twisted", "typings")

#: The file by which Twisted's plugin system finds this project.
DROPIN: Final = "twisted/plugins/twisted_ext_dropin.py"

#: The modules of requirements that have other names than these.
MODULES: Final = {
    "argon2-cffi": "argon2",
    "google-re2": "re2",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter.otlp.proto.http",
    "opentelemetry-sdk": "opentelemetry.sdk",
    "mypy-extensions": "mypy_extensions",
    "pyopenssl": "OpenSSL",
    "pyyaml": "yaml",
    "service-identity": "service_identity",
}

#: Options for an offline build with the installed tools.
PIP_OPTIONS: Final = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check")

#: Prints the path of the imported package, whether the dropin was found, and
#: the prefixes of all parsers of descriptions.
SHOW: Final = """
import twisted.plugins
from twisted.plugin import getCache, getPlugins
import twisted_ext
from twisted_ext.interfaces import IResolverParser

print(twisted_ext.__file__)
print("twisted_ext_dropin" in getCache(twisted.plugins))
print(*sorted(parser.prefix for parser in getPlugins(IResolverParser)))
"""

#: Shows the commands of C{twistd}.
SHOW_TWISTD: Final = """
import sys
from twisted.scripts.twistd import run

sys.argv[1:] = ["--help"]
run()
"""


def run(*command: str | Path, folder: Path) -> str:
    """
    Return the output of a command.

    @raise AssertionError: if the command fails, with its output.
    """
    done = subprocess.run([str(word) for word in command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def checkout(folder: Path) -> Path:
    """
    Copy the files that a build reads, so that it writes nothing into the real checkout.
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
    Create an environment with all packages of this one except for this project, and return its Python.
    """
    venv.create(folder, symlinks=True)
    paths = sysconfig.get_paths(vars={"base": str(folder), "platbase": str(folder)})
    # A path in a .pth file is used, but .pth files within that path are not,
    # so the project's own editable installation is not visible.
    borrowed = Path(paths["purelib"]) / "borrowed.pth"
    borrowed.write_text("\n".join({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}) + "\n")
    return folder / "bin" / "python"


def required(asked: Iterable[str]) -> set[str]:
    """
    Return the names of the distributions that these requirements install.

    @param asked: requirements as in a distribution's metadata.
    """
    names: set[str] = set()
    remaining = [Requirement(text) for text in asked]
    visited: set[str] = set()
    while remaining:
        requirement = remaining.pop()
        if str(requirement) in visited:
            continue
        visited.add(str(requirement))
        found = distribution(requirement.name)
        names.add(found.metadata["Name"])
        for each in map(Requirement, found.requires or []):
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in requirement.extras or {""}):
                remaining.append(each)
    return names


def bareEnvironment(folder: Path, wheel: Path) -> Path:
    """
    Create an environment with this project's wheel and its requirements without any extra, and return its Python.
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
    run(sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS, wheel, folder=folder)
    return python


#: Commands that report a missing extra, with their output, by extra. C{txdns top} is plain without any extra.
WITHOUT_EXTRAS: Final = {
    "shell": [(["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--manhole", "tcp:0", "--manhole-keys", "keys"], "manhole needs ")],
    # Only the jobs of plugins that five fields describe need it: see test_withoutTheLibrary in tests/apps/robot.
    "robot": [],
    "qr": [(["txdns", "setup", "--for", "android", "--qr", "tls://dns.example"], "needs ")],
    "lists": [(["txdns", "policy", "check", "list.txt"], "takes google-re2, which is not installed")],
    "geo": [(["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--hook", "geo.py:nearest"], "this needs ")],
    "otlp": [(["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--otlp", "http://127.0.0.1:4318"], "otlp needs ")],
    "yaml": [(["txdns", "convert", "AdGuardHome.yaml"], "needs ")],
    "https": [
        (["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--https", "127.0.0.1:0", "--self-signed"], "https needs "),
        (["txdns", "query", "@https://192.0.2.53", "www.example.com"], "'twisted-ext[https]'"),
    ],
    "quic": [
        (["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--quic", "127.0.0.1:0", "--self-signed"], "quic needs "),
        (["txdns", "query", "@quic://192.0.2.53", "www.example.com"], "'twisted-ext[quic]'"),
    ],
    "api": [
        (["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--api", "127.0.0.1", "--api-tokens", "list.txt"], "api needs "),
    ],
    "console": [
        (["twistd", "-n", "--pidfile=", "txdns", "--port", "0", "--console", "127.0.0.1", "--console-users", "list.txt"], "console needs "),
        (["txdns", "console", "user", "anna"], "this needs "),
    ],
    "dask": [
        (["txdns", "bulk", "list.txt", "--dask-local", "2", "-o", "out"], "need distributed; install it: pip install 'twisted-ext[dask]'")
    ],
    "cli": [(["txdns", "top", "--socket", "none"], "txdns top: no server listens at none")],
}


def test_missingExtraIsNamed(wheel: Path, tmp_path: Path) -> None:
    """
    A command that needs a missing extra prints one line with what is missing and how to install it.
    """
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        extras = message_from_bytes(archive.read(name)).get_all("Provides-Extra", [])
    # Each new extra needs a line here, except for those of development.
    assert set(extras) - {"all", "test", "test-integrations", "docs", "dev"} == set(WITHOUT_EXTRAS)
    python = bareEnvironment(tmp_path, wheel)
    (tmp_path / "keys").write_text("")
    (tmp_path / "geo.py").write_text("from twisted_ext.integrations.maxmind import Places\nplaces = Places('x')\n")
    for path in (tmp_path, tmp_path / "geo.py"):
        path.chmod(0o700)
    (tmp_path / "AdGuardHome.yaml").write_text("schema_version: 33\n")
    (tmp_path / "list.txt").write_text("/^ads/\n")
    libraries = ("bcrypt", "distributed", "rich", "re2", "segno", "yaml")
    missing = f"import importlib.util, sys; sys.exit(any(map(importlib.util.find_spec, {libraries})))"
    run(python, "-c", missing, folder=tmp_path)
    for extra, commands in WITHOUT_EXTRAS.items():
        for (program, *words), line in commands:
            start = f"import sys; from {PROGRAMS[program]} import {'main' if program == 'txdns' else 'run'} as run; sys.exit(run())"
            done = subprocess.run([python, "-c", start, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
            matching = [text for text in (done.stdout + done.stderr).splitlines() if line in text]
            assert done.returncode != 0
            assert "Traceback" not in done.stdout + done.stderr
            assert len(matching) == 1, done.stdout + done.stderr
            if line.endswith("needs "):
                assert re.search(rf"needs \w+, which is not installed: pip install 'twisted-ext\[{extra}\]'$", matching[0])
                assert done.stderr.count("\n") + done.stdout.count("\n") == 1


#: The modules of programs.
PROGRAMS: Final = {"txdns": "twisted_ext.apps.cli.main", "twistd": "twisted.scripts.twistd"}


def withoutDropin(sources: Path) -> None:
    """
    Remove the dropin from the setup of a checkout.
    """
    setup = sources / "setup.cfg"
    setup.write_text(setup.read_text().replace("    twisted.plugins.twisted_ext_dropin\n", ""))


def withoutPackageDir(sources: Path) -> None:
    """
    Remove the C{package_dir} setting, which equals the default, from the setup of a checkout.
    """
    setup = sources / "setup.cfg"
    setup.write_text(setup.read_text().replace("package_dir =\n    = .\n", ""))


def unchanged(sources: Path) -> None:
    """
    Leave a checkout unchanged.
    """


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return the wheel of this project, which is built once.
    """
    (made,) = builtOnce(tmp_path_factory, "wheel", lambda folder: buildWheel(folder, unchanged)).glob("*.whl")
    return made


def buildWheel(folder: Path, change: Callable[[Path], None]) -> Path:
    """
    Return the wheel of a checkout that was changed first.
    """
    (folder / "sources").mkdir()
    sources = checkout(folder / "sources")
    change(sources)
    run(sys.executable, "-m", "pip", "wheel", *PIP_OPTIONS, "--wheel-dir", folder, sources, folder=folder)
    (made,) = folder.glob("*.whl")
    return made


def installedPlugins(folder: Path, *packages: str | Path) -> list[str]:
    """
    Install these packages into a new environment and return the lines that L{SHOW} prints there.
    """
    python = environment(folder / "environment")
    run(sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS, *packages, folder=folder)
    return run(python, "-W", "error", "-c", SHOW, folder=folder).splitlines()


def twistdListsServer(folder: Path) -> bool:
    """
    Return whether C{twistd --help} lists the server in the environment that L{installedPlugins} created.
    """
    text = run(folder / "environment" / "bin" / "python", "-c", SHOW_TWISTD, folder=folder)
    return any(line.split()[:1] == ["txdns"] for line in text.splitlines())


def prefixes() -> str:
    """
    Return the expected last line of L{SHOW}, from the dropin itself.
    """
    return " ".join(sorted(thing.prefix for thing in run_path(str(ROOT / DROPIN)).values() if isPlugin(thing)))


def isPlugin(thing: object) -> TypeGuard[IResolverParser]:
    """
    Return whether this is a plugin that L{SHOW} lists.
    """
    return bool(IResolverParser.providedBy(thing))


def test_wheelContents(wheel: Path) -> None:
    """
    The wheel has the package with its type marker and the dropin, but no C source, no tests and no file that would hide a part of Twisted.
    """
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}
    sources = wheel.parent / "sources"
    # The C source is only of use to those that build.
    found = [path for path in (sources / "twisted_ext").rglob("*") if path.is_file() and path.suffix not in (".c", ".h")]
    expected = {str(path.relative_to(sources)) for path in found}
    assert {"twisted_ext/py.typed", "twisted_ext/web/status/page.html"} <= expected
    expected |= {DROPIN}
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert not any(name.startswith("twisted/") and name.endswith("__init__.py") for name in names)


def test_wheelMetadata(wheel: Path) -> None:
    """
    The wheel's metadata has the name, the Python version, the extras, the license and the command.
    """
    with zipfile.ZipFile(wheel) as archive:
        texts = {name.rpartition("/")[2]: archive.read(name) for name in archive.namelist() if ".dist-info/" in name}
    metadata = message_from_bytes(texts["METADATA"])
    assert metadata["Name"] == "twisted-ext"
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) >= set("shell cli all test".split())
    assert "LICENSE" in texts
    assert b"txdns = twisted_ext.apps.cli.main:program" in texts["entry_points.txt"]
    assert b"[pytest11]\ntwisted_ext = twisted_ext.testing.internet.fixtures" in texts["entry_points.txt"]


def test_requirementsAreUsed(wheel: Path) -> None:
    """
    Every requirement is imported by the package, except for the extras of development.
    """
    sources = "\n".join([path.read_text() for path in (wheel.parent / "sources" / "twisted_ext").rglob("*.py")])
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        asked = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])
    theirs = re.compile(r"extra == .(test|test-integrations|docs|dev)\b")
    used = {re.split(r"[^\w.-]", each)[0].lower() for each in asked if not theirs.search(each)} - {"twisted-ext"}
    assert {"twisted", "idna", "rich"} <= used
    modules = [MODULES.get(name, name) for name in sorted(used)]
    assert [name for name in modules if not re.search(rf"^\s*(from|import) {re.escape(name)}\b", sources, re.MULTILINE)] == []


def test_dropinOffersParsers() -> None:
    """
    The dropin offers the parsers of the common prefixes.
    """
    assert {"system", "hosts", "udp", "tcp", "cache"} <= set(prefixes().split())


def test_wheelPluginsAreFound(wheel: Path, tmp_path: Path) -> None:
    """
    The plugins are found after an installation from the wheel.
    """
    imported, dropin, parsers = installedPlugins(tmp_path, wheel)
    assert Path(imported).is_relative_to(tmp_path / "environment")
    assert dropin == "True"
    assert parsers == prefixes()
    assert twistdListsServer(tmp_path)


@pytest.mark.long
def test_wheelWithoutDropinIsDetected(tmp_path: Path) -> None:
    """
    A wheel without the dropin is detected.
    """
    _, dropin, parsers = installedPlugins(tmp_path, buildWheel(tmp_path, withoutDropin))
    assert (dropin, parsers) == ("False", "")
    assert not twistdListsServer(tmp_path)


def test_editablePluginsAreFound(tmp_path: Path) -> None:
    """
    The plugins are found after an editable installation, which imports the checkout.
    """
    (tmp_path / "sources").mkdir()
    sources = checkout(tmp_path / "sources")
    imported, dropin, parsers = installedPlugins(tmp_path, "--editable", sources)
    assert Path(imported) == sources / "twisted_ext" / "__init__.py"
    assert dropin == "True"
    assert parsers == prefixes()
    assert twistdListsServer(tmp_path)


def test_editableInstallationCompilesNothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Neither an editable installation nor a build in place compiles anything, even with C{TXDNS_COMPILE=1}: the checkout's source runs.
    """
    monkeypatch.setenv("TXDNS_COMPILE", "1")
    (tmp_path / "sources").mkdir()
    sources = checkout(tmp_path / "sources")
    python = environment(tmp_path / "environment")
    run(sys.executable, "-m", "pip", "--python", python, "install", *PIP_OPTIONS, "--editable", sources, folder=tmp_path)
    run(sys.executable, "setup.py", "-q", "build_ext", "--inplace", folder=sources)
    assert [path for path in sources.rglob("*") if path.suffix in (".so", ".o")] == []
    assert not list(sources.rglob("__native*"))
    assert ", not compiled (" in run(python, "-m", "twisted_ext", "--version", folder=tmp_path)


def test_compilerIsRequiredForCompilingOnly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Only a build with C{TXDNS_COMPILE=1} requires the compiler, in one version, and the libraries whose types it reads: those that the
    compiled modules import, and those that they import. Those that have stubs here are left out: Dask alone would take 250 MB.
    """
    sources = checkout(tmp_path)
    ask = "from setuptools.build_meta import get_requires_for_build_wheel as ask; import sys; print(*ask(), sep='\\n', file=sys.stderr)"

    def required(compile: str) -> set[str]:
        monkeypatch.setenv("TXDNS_COMPILE", compile)
        done = subprocess.run([sys.executable, "-c", ask], cwd=sources, capture_output=True, text=True, check=True)
        return {str(Requirement(line)) for line in done.stderr.splitlines() if line and not line.startswith("warning:")}

    assert required("") == set()
    asked = required("1")
    assert {re.split(r"\W", text)[0] for text in asked} >= {"mypy", "Twisted", "cryptography", "hpack", "rich"}
    assert not any(text.startswith(("distributed", "pyarrow")) for text in asked)
    tested = dict(line.split("==") for line in (ROOT / ".ci" / "constraints.txt").read_text().split() if "==" in line)
    assert {f"mypy[mypyc]=={tested['mypy']}", f"mypy-zope=={tested['mypy-zope']}"} <= asked


def test_librariesOfCompiledModulesAreKnown(tmp_path: Path) -> None:
    """
    A library that a compiled module imports, and that no requirement or stub is for, is named before anything is compiled.
    """
    sources = checkout(tmp_path)
    module = sources / "twisted_ext" / "files.py"
    module.write_text(module.read_text("utf-8") + "\n\ndef unknown() -> None:\n    import absentlibrary.part\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from setuptools.build_meta import get_requires_for_build_wheel as ask; ask()"],
        cwd=sources,
        env={**os.environ, "TXDNS_COMPILE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "twisted_ext/files.py imports absentlibrary, which is neither a requirement of setup.cfg" in done.stderr


def test_editablePluginsNeedPackageDir(tmp_path: Path) -> None:
    """
    The C{package_dir} setting is needed for an editable installation. Should this test fail one day, setuptools no longer needs the
    setting.
    """
    (tmp_path / "sources").mkdir()
    sources = checkout(tmp_path / "sources")
    withoutPackageDir(sources)
    _, dropin, parsers = installedPlugins(tmp_path, "--editable", sources)
    assert (dropin, parsers) == ("False", "")
