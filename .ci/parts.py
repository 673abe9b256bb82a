"""
Run checks one part after the other, and say at the end what failed.

    python .ci/parts.py test [ARGUMENT ...]      ruff, mypy and all tests, which is "make test"; with arguments for pytest, only some tests
    python .ci/parts.py long                     what "make test" and .ci/run leave out
    python .ci/parts.py root                     the tests that root's rights may change
    python .ci/parts.py run NAME COMMAND ...     a command as a part of .ci/run
    python .ci/parts.py digest [CODE]            what all parts said, and the exit code of all of them

Each part leaves a report and its output in L{Reports.folder}, C{build/reports} by default, from which C{digest} takes what it says. So a
failure is named in the last lines of a run, whichever part it was in.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Final

__all__ = ["PROGRAMS", "Failure", "Report", "Reports", "digestOf", "failuresOf", "recorded", "runTests", "tellingLines"]

ROOT: Final = Path(__file__).resolve().parent.parent

#: Tests that start programs, and so depend on what else a machine does: one that fails is tried once more, alone. No others are.
PROGRAMS: Final = ("tests/apps/", "tests/docs/", "tests/live/")

#: More failures than these are no accident, and none is tried again.
MOST_RETRIED: Final = 10

#: More tests than these that pass only at the second try fail the run.
MOST_AGAIN: Final = 3

#: Seconds that a command gets as a part of C{.ci/run}: a busy machine takes half of that for the longest one.
LONGEST: Final = 2700.0

#: Seconds that an interrupted command gets to end what it has started.
_ENDING: Final = 20.0

#: Failures of a part that the digest shows, so that its end has room for those of each part.
SHOWN: Final = 8

#: Tests that root runs besides a plain user. The first two have those that are skipped without its rights. The others are of the modules
#: that ask who the user is; their tests say that themselves, and take two seconds.
ROOTS: Final = (
    "tests/live/servers/test_systemdbooted.py",
    "tests/live/servers/test_twistd.py",
    "tests/server/config",
    "tests/server/operations",
    "tests/test_files.py",
)

#: How root runs a test alone.
_AS_ROOT: Final = "sudo .venv/bin/python -m pytest {}"

#: What a line looks like that names a mistake, in the output of ruff, mypy, pip, apt, make, compilers, pytest and Python.
_TELLING: Final = re.compile(
    r"^\S+:\d+(:\d+)?: ((fatal )?error\b|[A-Z]+\d+ )|^E: |^ERROR\b|^error\b|^make.*\*\*\*|^INTERNALERROR> \w*(Error|Exception)"
    r"|^(\w+\.)*\w*(Error|Exception): |^compiled: |^\.ci/run: |: command not found$"
    # The documentation: Sphinx, pydoctor, docs/links.py.
    r"|^\S+: WARNING: |^\S+\.py:(\d+|\?\?\?): (ambiguous ref|Cannot find|bad docstring) |^\S+: broken link: "
)

#: The first line of the stack that Python prints when a process crashes or a test hangs. Something may stand before it.
_CRASH: Final = re.compile(r"Fatal Python error: |Timeout \(\d")


@dataclass(frozen=True, slots=True)
class Failure:
    """
    A failed test.

    @ivar test: its id for pytest.
    @ivar said: the first line of its error.
    @ivar alone: the command that runs it alone.
    """

    test: str
    said: str
    alone: str = ""


@dataclass(slots=True)
class Report:
    """
    What is known of a part.

    @ivar began: when it began, as a time of day in seconds.
    @ivar code: the exit code; C{None} if it has not ended.
    @ivar seconds: how long it took.
    @ivar cpu: the processor time of its processes, in seconds.
    @ivar tests: the number of tests; C{None} if it has none.
    @ivar failures: the tests that failed.
    @ivar again: those that failed and passed when they were tried again.
    @ivar lines: what else says why it failed.
    """

    name: str
    began: float = 0.0
    code: int | None = None
    seconds: float = 0.0
    cpu: float = 0.0
    tests: int | None = None
    failures: list[Failure] = field(default_factory=list)
    again: list[Failure] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    @property
    def red(self) -> bool:
        """
        Whether it failed.
        """
        return self.code != 0 or bool(self.failures)

    def summary(self) -> str:
        """
        Return it in a line.
        """
        if self.code is None:
            said = "did not end"
        elif self.failures:
            said = f"{len(self.failures)} failed"
        else:
            said = f"exit code {self.code}" if self.code else "ok"
        tests = "" if self.tests is None else f"{self.tests:,} tests"
        return f"{self.name:<10} {said:<14} {self.seconds:6.0f} s {self.cpu:6.0f} s CPU  {tests}".rstrip()


class Reports:
    """
    The reports of a run, in a folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str, suffix: str) -> Path:
        """
        Return the file of a part.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{name}.{suffix}"

    def write(self, report: Report) -> None:
        """
        Keep a report.
        """
        self.path(report.name, "json").write_text(json.dumps(asdict(report), indent=1), "utf-8")

    def read(self) -> list[Report]:
        """
        Return all reports in the order in which the parts began. One that cannot be read did not end.
        """
        found: list[Report] = []
        for path in self.folder.glob("*.json"):
            try:
                values = json.loads(path.read_text("utf-8"))
                for name in ("failures", "again"):
                    values[name] = [Failure(**each) for each in values[name]]
                found.append(Report(**values))
            except (OSError, ValueError, TypeError, KeyError):
                found.append(Report(path.stem, path.stat().st_mtime))
        return sorted(found, key=lambda report: report.began)

    def clear(self) -> None:
        """
        Forget those of an earlier run.
        """
        for suffix in ("json", "log", "xml"):
            for path in self.folder.glob(f"*.{suffix}"):
                path.unlink()


#: Where this run keeps its reports.
REPORTS: Final = Reports(Path(os.environ.get("TXDNS_REPORTS") or ROOT / "build" / "reports"))


def tellingLines(text: str, most: int = 12) -> list[str]:
    """
    Return the lines of a part's output that say why it failed: the stack of a crash, or lines that name mistakes, or else the last ones.
    """
    lines = [line.rstrip()[:200] for line in text.splitlines() if line.strip()]
    crash = next((index for index, line in enumerate(lines) if _CRASH.search(line)), None)
    if crash is not None:
        return lines[crash : crash + most]
    found = list(dict.fromkeys(line for line in lines if _TELLING.search(line)))
    return found[:most] or lines[-most:]


def failuresOf(file: Path, root: Path = ROOT) -> tuple[int, list[Failure]]:
    """
    Return how many tests a JUnit file of pytest has, and those that failed.

    @param root: the folder that pytest ran in.
    @raise OSError: it cannot be read.
    @raise ElementTree.ParseError: it is not complete.
    """
    count = 0
    found: dict[str, Failure] = {}
    for case in ElementTree.parse(file).iter("testcase"):
        count += 1
        wrong = [each for name in ("failure", "error") for each in case.findall(name)]
        if wrong:
            test = _idOf(case.get("classname", ""), case.get("name", ""), root)
            said = _firstLine(wrong[0].get("message") or "", wrong[0].text or "")
            # A test and what follows it may both fail.
            found.setdefault(test, Failure(test, said))
    return count, list(found.values())


def _firstLine(message: str, text: str) -> str:
    """
    Return the line that says what went wrong.
    """
    if message in ("", "collection failure"):
        # The name of the error is in the text, behind a note on where it came from.
        errors = [line.removeprefix("E ").strip() for line in text.splitlines() if line.startswith("E  ")]
        message = errors[0] if errors else text
    return (message.strip().splitlines() or ["?"])[0][:200]


def _idOf(className: str, name: str, root: Path) -> str:
    """
    Return the id of a test from its names in a JUnit file, where the path of its module and its class are joined by dots.
    """
    words = className.split(".") if className else []
    for split in range(len(words), 0, -1):
        path = Path(*words[:split]).with_suffix(".py")
        if (root / path).exists():
            return "::".join([str(path), *words[split:], name])
    # The module could not be imported: its name is the test's.
    path = Path(*name.split(".")).with_suffix(".py")
    return str(path) if not words and (root / path).exists() else "::".join([*words, name])


def copied(command: Sequence[str | Path], log: Path, folder: Path, environment: Mapping[str, str], longest: float | None = None) -> int:
    """
    Run a command, with its output in a file as well, and return its exit code. An interrupt is passed on to it.

    @param longest: the seconds after which it is interrupted, and killed if that does not end it; the exit code is that of C{timeout} then.
    """
    ends = None if longest is None else time.monotonic() + longest
    with (
        log.open("wb") as output,
        # A group of its own, so that all of it can be ended.
        subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=_interruptible,
        ) as process,
        log.open("rb") as written,
    ):
        try:
            while (code := _ended(process)) is None:
                _show(written.read())
                if ends is not None and time.monotonic() > ends:
                    os.killpg(process.pid, signal.SIGINT)
                    with suppress(subprocess.TimeoutExpired):
                        process.wait(_ENDING)
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    _show(written.read())
                    return 124
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            _show(written.read())
            raise
        _show(written.read())
    return code


def _interruptible() -> None:
    """
    Give a child the usual signals: a shell without job control has its background jobs ignore these, and tests send them.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """
    Return the exit code of a process, C{None} if it goes on after a moment.
    """
    try:
        return process.wait(0.2)
    except subprocess.TimeoutExpired:
        return None


def _show(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


@contextmanager
def recorded(name: str, reports: Reports = REPORTS) -> Iterator[Report]:
    """
    Keep the report of a part while it runs and when it has ended, and print its summary.
    """
    report = Report(name, time.time())
    reports.write(report)
    began, before = time.monotonic(), getrusage(RUSAGE_CHILDREN)
    try:
        yield report
    finally:
        after = getrusage(RUSAGE_CHILDREN)
        report.seconds = time.monotonic() - began
        report.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        reports.write(report)
        print(f"\n--- {report.summary()}\n", flush=True)


def runPart(
    name: str,
    command: Sequence[str | Path],
    folder: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    longest: float | None = None,
    reports: Reports = REPORTS,
) -> int:
    """
    Run a command as a part, and return its exit code.
    """
    with recorded(name, reports) as report:
        log = reports.path(name, "log")
        report.code = copied(command, log, folder, environment, longest)
        if report.code:
            if report.code == 124 and longest is not None:
                report.lines.append(f"ended after {longest:.0f} s without a result")
            report.lines += tellingLines(log.read_text("utf-8", "replace"))
    return report.code


def runTests(
    name: str,
    command: Sequence[str | Path],
    selected: Sequence[str],
    alone: str,
    folder: Path = ROOT,
    environment: Mapping[str, str] = os.environ,
    reports: Reports = REPORTS,
) -> int:
    """
    Run tests as a part, in two processes for each core and one more, since many only wait, and return the exit code. Tests of L{PROGRAMS}
    that fail are tried again at the end, alone.

    @param command: the command line of pytest, without tests.
    @param selected: what selects the tests.
    @param alone: the command that runs a test alone, with C{{}} for its id.
    """
    results, log = reports.path(name, "xml"), reports.path(name, "log")
    results.unlink(missing_ok=True)
    processes = str(2 * len(os.sched_getaffinity(0)) + 1)
    options = ["-q", "-n", processes, "--dist", "worksteal", "--max-worker-restart", "4", f"--junitxml={results}"]
    # Less than the part around it has, which would not know which tests have failed.
    longest = LONGEST * 0.9 if "TXDNS_REPORTS" in environment else None
    with recorded(name, reports) as report:
        code = copied([*command, *options, *selected], log, folder, environment, longest)
        try:
            report.tests, failures = failuresOf(results, folder)
        except (OSError, ElementTree.ParseError) as error:
            report.lines.append(f"pytest left no results: {error}")
            failures = []
            code = code or 1
        for each in failures:
            known = Failure(each.test, each.said, alone.format(shlex.quote(each.test)))
            if len(failures) <= MOST_RETRIED and each.test.startswith(PROGRAMS):
                print(f"\n--- {name}: {each.test} once more, alone\n", flush=True)
                if copied([*command, each.test], reports.path(f"{name}-again", "log"), folder, environment) == 0:
                    report.again.append(known)
                    continue
            report.failures.append(known)
        if len(report.again) > MOST_AGAIN:
            report.lines.append(f"{len(report.again)} tests passed only at the second try; at most {MOST_AGAIN} may")
        if code != 1 or not failures or any("crashed while running" in each.said for each in failures):
            # It broke, or a process of it did: the output has more than the failed tests.
            report.lines += tellingLines(log.read_text("utf-8", "replace")) if code else []
        passed = code == 1 and failures and not report.failures and not report.lines
        report.code = 0 if passed else code or int(bool(report.lines))
    return report.code


def digestOf(reports: Iterable[Report], title: str, code: int = 0) -> tuple[list[str], int]:
    """
    Return the last lines of a run, and its exit code.

    @param title: the name of the run.
    @param code: the exit code of what ran the parts.
    """
    known = list(reports)
    red = [report for report in known if report.red]
    lines = [f"{'=' * 30} digest {'=' * 30}", *[report.summary() for report in known]]
    minutes = sum(report.cpu for report in known) / 60
    lines.append(f"{'':<10} {'':<14} {sum(report.seconds for report in known):6.0f} s, {minutes:.1f} core-minutes")
    again = [(report.name, each) for report in known for each in report.again]
    if again:
        lines += ["", "passed at the second try, alone:", *[f"  {name}: {each.test}: {each.said}" for name, each in again]]
    for report in red:
        lines += ["", f"{report.name}: {report.summary().split(maxsplit=1)[1]}"]
        for each in report.failures[:SHOWN]:
            lines += [f"  {each.test}", f"      {each.said}", f"      {each.alone}"]
        if more := report.failures[SHOWN:]:
            lines.append(f"  and {len(more)} more: " + ", ".join(each.test.rpartition("::")[2] for each in more)[:300])
        lines += [f"  {line}" for line in report.lines]
    failed = sum(len(report.failures) or 1 for report in red)
    if code and not red:
        failed = 1
        lines += ["", f"{title} ended with exit code {code}, outside of its parts; its output above says why"]
    if not known and not failed:
        failed = 1
        lines += ["", f"{title} ran nothing"]
    lines += ["", f"{title}: red: {failed} failed" if failed else f"{title}: green"]
    return lines, (code or 1) if failed else 0


def test(words: Sequence[str]) -> int:
    """
    Run every check of the source, or some of its tests.
    """
    tools = Path(sys.executable).parent
    steps = {"lint": [str(tools / "ruff"), "check", "--output-format=concise", "."], "types": [str(tools / "mypy")]}
    pytest = [sys.executable, "-m", "pytest"]
    if words:
        for command in [*steps.values(), [*pytest, *words]]:
            if code := subprocess.run(command, cwd=ROOT, preexec_fn=_interruptible).returncode:
                return code
        return 0
    inner = "TXDNS_REPORTS" in os.environ
    if not inner:
        REPORTS.clear()
    with _collecting(pytest):
        codes = [runPart(name, command) for name, command in steps.items()]
    codes.append(runTests("source", pytest, (), 'make test PYTEST="{}"'))
    return next(filter(None, codes), 0) if inner else _digest("make test")


@contextmanager
def _collecting(pytest: Sequence[str]) -> Iterator[None]:
    """
    Collect the tests meanwhile: mypy leaves a core free, and in a new checkout pytest compiles all their files, which each of its processes
    would do by itself later. What comes of it is of no interest.
    """
    collecting = subprocess.Popen(
        [*pytest, "--collect-only", "-q"], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=_interruptible
    )
    try:
        yield
        with suppress(subprocess.TimeoutExpired):
            collecting.wait(_ENDING)
    finally:
        collecting.kill()
        collecting.wait()


def long() -> int:
    """
    Run what takes too long for every change: the tests that are marked so, all tests of the compiled wheel, and all tests as root.
    """
    REPORTS.clear()
    pytest = [sys.executable, "-m", "pytest"]
    runTests("long", [*pytest, "-m", "long"], (), 'make test PYTEST="-m long {}"')
    _runUnlessReported("wheels", [sys.executable, str(ROOT / ".ci" / "compiled.py"), "all"])
    if os.geteuid() == 0:
        runTests("root", pytest, (), _AS_ROOT)
    return _digest("make test-long")


def _digest(title: str, code: int = 0) -> int:
    lines, code = digestOf(REPORTS.read(), title, code)
    print(*lines, sep="\n", flush=True)
    return code


def _runUnlessReported(name: str, command: Sequence[str], longest: float | None = None) -> int:
    """
    Run a command as a part. If it leaves reports of its own, these are what is told, unless it fails and none of them says so.
    """
    known = {report.name for report in REPORTS.read()}
    code = runPart(name, command, longest=longest)
    inner = [report for report in REPORTS.read() if report.name not in known and report.name != name]
    if inner and (not code or any(report.red for report in inner)):
        REPORTS.path(name, "json").unlink(missing_ok=True)
    return code


def main(words: Sequence[str]) -> int:
    match list(words):
        case ["test", *rest]:
            return test(rest)
        case ["long"]:
            return long()
        case ["root"]:
            return runTests("root", [sys.executable, "-m", "pytest"], ROOTS, _AS_ROOT)
        case ["run", name, *command] if command:
            return _runUnlessReported(name, command, LONGEST)
        case ["digest", *rest] if len(rest) <= 1 and all(word.isdecimal() for word in rest):
            return _digest(".ci/run", int(rest[0]) if rest else 0)
        case _:
            sys.exit(str(__doc__).strip())


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
