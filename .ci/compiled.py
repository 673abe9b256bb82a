"""
Build the compiled wheel, install it into an environment of its own, and show what it gained on this machine; or run tests against it.

    python .ci/compiled.py                        build, install, and show what it gained
    python .ci/compiled.py test [ARGUMENT ...]    the tests of L{TESTED}, or those that the arguments for pytest name
    python .ci/compiled.py all                    all tests but those of L{LEFT_OUT}
    python .ci/compiled.py install NAME           build and install only, as L{WHEELS} says

Everything is in C{build/compiled}, or C{build/tested}: the wheel, C{environment} with its commands, and C{suite}, from which the tests run.
That folder has all files of the project but the package, so that the tests import what is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from dist import ROOT, buildSource, reproducible, sources, unpack
from parts import runPart, runTests


@dataclass(frozen=True, slots=True)
class Wheel:
    """
    A compiled wheel, and where it is tested.

    @ivar folder: the folder of everything.
    @ivar optimization: the level to which the C compiler optimizes.
    """

    folder: Path
    optimization: str

    @property
    def environment(self) -> Path:
        """
        The virtual environment in which it is installed.
        """
        return self.folder / "environment"

    @property
    def python(self) -> Path:
        """
        The interpreter of that environment.
        """
        return self.environment / "bin" / "python"


#: The wheel as users get it, installed as they do. "make test-long" tests this one.
RELEASED: Final = Wheel(ROOT / "build" / "compiled", "3")

#: The wheel for the tests of each change, beside the libraries with which the source is tested. Its C code is optimized less, which takes
#: three fifths of the time: these tests are about what mypyc makes of the source, and not about what the C compiler makes of that.
CHECKED: Final = Wheel(ROOT / "build" / "tested", "1")

#: The wheels by the names of their folders.
WHEELS: Final = {wheel.folder.name: wheel for wheel in (RELEASED, CHECKED)}

#: What the package itself consists of, in a checkout.
PACKAGE: Final = ("twisted_ext/", "twisted/")

#: Tests that show what mypyc does otherwise than Python: those that call compiled modules in their own process, and the comparison of both
#: packages. Of the tests that start programs, three files see that a server, its zones and bulk look-ups work compiled. The others would
#: repeat what the source has shown; "make test-long" runs them before a release.
TESTED: Final = (
    "tests/test_compiled.py",
    "tests/test_client.py",
    "tests/test_bulk.py",
    "tests/cache",
    "tests/comparison",
    "tests/compat",
    "tests/dnssec",
    "tests/metrics",
    "tests/packetcache",
    "tests/recursion",
    "tests/resolver",
    "tests/server",
    "tests/transport",
    "tests/wire",
    "tests/zone",
    "tests/live/servers/test_serving.py",
    "tests/live/zones/test_updates.py",
    "tests/live/lookups/test_bulk.py",
)

#: Tests that do not run against the compiled wheel, with the reasons.
LEFT_OUT: Final = {
    "tests/ci": "tests the programs of .ci, which are not compiled",
    "tests/test_architecture.py": "reads the source of the package",
    "tests/test_dist.py": "builds the package from its source",
    "tests/test_exports.py": "reads the source of the package",
    "tests/test_packaging.py": "builds the package from its source",
    "tests/test_prose.py": "reads texts",
    "tests/test_recordtypes.py": "reads the source of the package",
    "tests/test_typings.py": "reads types",
    "tests/test_workflows.py": "reads texts",
    "tests/live/servers/test_deaf.py": "replaces functions in the server's process, which compiled code does not look up again",
    "tests/live/servers/test_poisoned.py::test_unpackedProjectIsFoundByChildren": "runs the package from the checkout",
    "tests/live/servers/test_poisoned.py::test_onlyOneModuleStartsPython": "reads the source of the package",
    "tests/live/servers/test_prometheus.py::test_metricsOfRulesAndDashboardExist": "reads the source of the package",
    "tests/transport/tls/test_opportunistic.py::test_usersOfIt": "reads the source of the package",
    "tests/apps/robot": "tests the robot, which is not compiled",
    "tests/apps/test_commands.py": "tests commands, which are not compiled",
    "tests/apps/test_shell.py": "tests a command, which is not compiled",
    "tests/web/status/test_service.py": "tests a page in browsers",
    "tests/live/lookups/test_queryoptions.py": "tests options of a command, which is not compiled",
    "tests/live/lookups/test_txdns.py": "compares what commands print, which are not compiled",
    "tests/live/robot": "tests the robot, which is not compiled",
    "tests/live/servers/test_systemdbooted.py": "tests units, with a systemd in the cgroup in which that of the source's tests may run",
    "tests/docs": "follows pages, in which the server answers as in the other tests; some read the source of the package",
}


def run(*command: str | Path, folder: Path = ROOT, **environment: str) -> None:
    """
    Run a command; end this program if it fails.
    """
    done = subprocess.run([str(word) for word in command], cwd=folder, env={**os.environ, **environment})
    if done.returncode:
        sys.exit(f"compiled: {' '.join(map(str, command))} failed")


def missing() -> str | None:
    """
    Return what this machine lacks for compiling, and how to install it.
    """
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if shutil.which(os.environ.get("CC", compiler).split()[0]) is None:
        return f"the C compiler {compiler} is missing (Debian: apt install gcc libc6-dev); without one, everything works uncompiled"
    if not Path(sysconfig.get_path("include"), "Python.h").exists():
        return "the headers of Python are missing (Debian: apt install python3-dev); without them, everything works uncompiled"
    return None


def copy(paths: Iterable[str], target: Path, origin: Path = ROOT) -> None:
    """
    Make a folder have these files of another one, and no others but those in its C{build}. Files that have not changed keep their times.
    """
    wanted = set(paths)
    for path in target.rglob("*"):
        name = str(path.relative_to(target))
        if path.is_file() and name not in wanted and not name.startswith(("build/", ".mypy_cache/")):
            path.unlink()
    for name in wanted:
        there = target / name
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.exists() or there.read_bytes() != (origin / name).read_bytes():
            shutil.copy(origin / name, there)


def leftovers(checkout: Path) -> list[Path]:
    """
    Return files that setuptools has gathered for a wheel before, of modules that have been removed since.
    """
    found: list[Path] = []
    for folder in checkout.glob("build/lib*"):
        for path in folder.glob("twisted_ext/**/*.*"):
            source = f"{path.name.partition('.')[0]}.py" if path.suffix == ".so" else path.name
            if not (checkout / path.relative_to(folder)).with_name(source).exists():
                found.append(path)
    return found


def build(wheel: Wheel) -> Path:
    """
    Return the file of a compiled wheel. Building it again compiles what has changed.
    """
    checkout = wheel.folder / "sources"
    known = checkout / "setup.py"
    if known.exists() and known.read_bytes() != (ROOT / "setup.py").read_bytes():
        # Another list of modules: what was compiled of those that are interpreted now would hide their source.
        for folder in checkout.glob("build/lib*"):
            shutil.rmtree(folder)
    # As pip builds it for a user: from the source distribution, beside nothing but what setup.py asks for.
    with TemporaryDirectory(prefix="txdns-compiled-") as name:
        folder = Path(name)
        unpacked = folder / "unpacked"
        copy(unpack(buildSource(folder, [], reproducible()), unpacked), checkout, unpacked)
    for old in [*wheel.folder.glob("*.whl"), *leftovers(checkout)]:
        old.unlink()
    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--wheel-dir", wheel.folder)
    run(sys.executable, "-m", "pip", "wheel", *options, checkout, TXDNS_COMPILE="1", TXDNS_OPTIMIZE=wheel.optimization)
    (file,) = wheel.folder.glob("*.whl")
    return file


def install(wheel: Wheel, extras: str) -> None:
    """
    Build a wheel, and install it into its environment, with what these extras require.
    """
    file = build(wheel)
    if not wheel.python.exists():
        # Debian has a separate package for the part of Python that would install pip.
        venv.create(wheel.environment, symlinks=True)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", wheel.python, "install")
    run(*pip, f"{file}[{extras}]")
    run(*pip, "--force-reinstall", "--no-deps", file)


def installBeside(wheel: Wheel) -> None:
    """
    Build a wheel, and install it into a new environment that has the libraries of this one.
    """
    file = build(wheel)
    shutil.rmtree(wheel.environment, ignore_errors=True)
    venv.create(wheel.environment, symlinks=True)
    here = Path(sysconfig.get_path("purelib"))
    # Not this project, which is installed here as the checkout.
    shutil.copytree(
        here,
        wheel.environment / here.relative_to(sys.prefix),
        copy_function=_linked,
        ignore=shutil.ignore_patterns("__editable__*", "twisted_ext-*"),
        dirs_exist_ok=True,
    )
    ours, theirs = (f"#!{folder}/bin/python".encode() for folder in (sys.prefix, wheel.environment))
    for path in Path(sysconfig.get_path("scripts")).iterdir():
        if path.is_file() and not path.is_symlink() and (text := path.read_bytes()).startswith(ours):
            script = wheel.environment / "bin" / path.name
            script.write_bytes(theirs + text[len(ours) :])
            script.chmod(0o755)
    run(sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", wheel.python, "install", "--no-deps", file)


def _linked(source: str, target: str) -> None:
    """
    Make a file another name of one of this environment: nothing changes such a file, since pip and Python replace them.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def test(wheel: Wheel, words: list[str], *, everything: bool = False) -> int:
    """
    Run tests against an installed wheel, and return the exit code.

    @param words: arguments for pytest.
    @param everything: run all tests, those marked C{long} too, instead of L{TESTED}.
    """
    require = ",".join([*filter(None, [os.environ.get("TXDNS_REQUIRE")]), "compiled"])
    environment = {**os.environ, "TXDNS_REQUIRE": require}
    leftOut = [f"--{'deselect' if '::' in path else 'ignore'}={path}" for path in LEFT_OUT]
    command = [str(wheel.python), "-m", "pytest", "-p", "no:cacheprovider", *leftOut]
    suite = wheel.folder / "suite"
    copy([path for path in sources() if not path.startswith(PACKAGE)], suite)
    if words:
        return subprocess.run([*command, *words], cwd=suite, env=environment).returncode
    if everything:
        command += ["-m", ""]
    return runTests("compiled", command, () if everything else TESTED, 'make test-compiled PYTEST="{}"', suite, environment)


def main(words: list[str]) -> int:
    match words:
        case ["test" | "all" as what]:
            # A part of its own: it takes a part of the time, and what it prints is not about tests.
            wheel = CHECKED if what == "test" else RELEASED
            code = runPart("wheel", [sys.executable, __file__, "install", wheel.folder.name])
            return code or test(wheel, [], everything=what == "all")
        case ["test", *arguments]:
            _requireCompiler()
            installBeside(CHECKED)
            return test(CHECKED, arguments)
        case ["install", name] if name in WHEELS:
            _requireCompiler()
            if WHEELS[name] is CHECKED:
                installBeside(CHECKED)
            else:
                install(RELEASED, "all,test,test-integrations")
        case []:
            _requireCompiler()
            install(RELEASED, "all")
            copy([path for path in sources() if not path.startswith(PACKAGE)], RELEASED.folder / "suite")
            print(f"what is installed in {RELEASED.environment.relative_to(ROOT)} takes:", flush=True)
            run(RELEASED.python, "-m", "benchmarks.compiled", folder=RELEASED.folder / "suite")
        case _:
            sys.exit(str(__doc__).strip())
    return 0


def _requireCompiler() -> None:
    """
    End this program with what this machine lacks for compiling, if it lacks something.
    """
    if reason := missing():
        sys.exit(f"compiled: {reason}")


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
