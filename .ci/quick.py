"""
Try a change in a minute: ruff and mypy, then the tests nearest to it.

    python .ci/quick.py [--since REVISION] [--budget SECONDS] [--list] [FILE ...]

Without files, those that differ from where HEAD left REVISION (by default HEAD itself: what is not committed), and untracked ones; if
there are none, those of the last commit. The fewer imports lie between a test file and a changed file, the nearer it is. Test files are
taken in this order as long as the time of their tests fits into the rest of C{--budget}; the nearest one always runs. Times are those of
the last full run, from its L{REPORT}. What is left out is said; C{make test} runs it.
"""

from __future__ import annotations

import argparse
import ast
import heapq
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, NoReturn
from xml.etree import ElementTree

__all__ = ["CACHE", "REPORT", "Facts", "Project", "Selection", "Times", "changedSince", "main", "pageTests", "readFacts", "select"]

#: Where the full run writes the times of its tests.
REPORT: Final = "build/reports/source.xml"

#: What the modules of the last call import.
CACHE: Final = ".pytest_cache/quick.json"

#: The form of the cache: another one is not read.
FORM: Final = 1

#: Folders of the modules whose imports are followed.
FOLDERS: Final = ("twisted_ext", "tests", "benchmarks")

#: Commands are named relative to these packages, and loaded when they are used.
PREFIXES: Final = ("", "twisted_ext.apps.", "twisted_ext.apps.cli.convert.")

#: Tests that read all files of the project instead of importing them, and are quick.
READERS: Final = ("tests/test_exports.py", "tests/test_imports.py", "tests/test_prose.py")

#: The test that has pages of the documentation as parameter.
FOLLOWING: Final = "tests/docs/test_following.py"

#: Prints the names of the pages that are followed together, one list for each test. The first name is the id of the test.
GROUPS: Final = """
import json
from tests.docs.test_following import GROUPS, nameOf
print(json.dumps([[nameOf(page) for page in group] for group in GROUPS]))
"""

#: Seconds from which on a test is left out.
LONG: Final = 5.0

#: Seconds of the files that need most, where no times are known.
SLOW: Final = {
    FOLLOWING: 150.0,
    "tests/docs/test_theme.py": 25.0,
    "tests/test_architecture.py": 20.0,
    "tests/test_dist.py": 15.0,
    "tests/test_packaging.py": 15.0,
}

#: Seconds that another test file without known times is taken to need: below these folders, and elsewhere.
PROGRAMS: Final = ("tests/apps/", "tests/docs/", "tests/live/")
PROGRAM_ESTIMATE: Final = 3.0
ESTIMATE: Final = 0.5

#: Seconds until pytest runs its first test.
START: Final = 8.0

#: How much longer some tests take beside each other than their share of a full run: their processes have less to share out, and each
#: imports all of the files.
UNEVEN: Final = 1.5

#: Seconds of tests from which on several processes are worth their start.
ALONE: Final = 25.0

#: Seconds that a step gets to end after Ctrl-C.
PATIENCE: Final = 10.0

#: Exit code of pytest if it finds no test, as in a file of tests that are all left out.
NO_TESTS: Final = 5

#: Imports between a test and a change; these stand for other relations.
CHANGED: Final = 0.0
OWN: Final = 0.1
NAMED: Final = 0.5
READER: Final = 0.7
OF_PAGES: Final = 0.8

#: A dotted name or a file name, alone in a string.
_WORD: Final = re.compile(r"[\w./-]*\.\w+")

#: A module in a command line.
_RUN: Final = re.compile(r"-m ([\w.]+)")


class Mistake(Exception):
    """
    The command line asks for what cannot be done.
    """


@dataclass(frozen=True)
class Facts:
    """
    What a module says about others.

    @ivar imports: the modules that it imports when it runs, each with the name it takes from there, or "".
    @ivar words: dotted names and file names in its strings.
    @ivar lazy: the modules and names of a table for C{lazyNames}; the name C{*} stands for all.
    """

    imports: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    lazy: list[tuple[str, str]] = field(default_factory=list)


def _isForTypesOnly(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING"


def _lazyTable(call: ast.Call) -> Iterator[tuple[str, str]]:
    """
    Yield modules and names of a call of C{lazyNames}.
    """
    for table in call.args:
        if getattr(call.func, "id", "") != "lazyNames" or not isinstance(table, ast.Dict):
            continue
        for key, value in zip(table.keys, table.values, strict=True):
            if isinstance(key, ast.Constant):
                names = value.elts if isinstance(value, ast.List | ast.Tuple) else [ast.Constant("*")]
                yield from ((str(key.value), str(name.value)) for name in names if isinstance(name, ast.Constant))


def _wordsIn(text: str) -> list[str]:
    return [text] if _WORD.fullmatch(text) else _RUN.findall(text)


def readFacts(source: bytes) -> Facts:
    """
    Return the facts of a module; those of one with a syntax error, which ruff reports, are none.
    """
    facts = Facts()
    try:
        waiting: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError):
        return facts
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and _isForTypesOnly(node):
            waiting += node.orelse
            continue
        if isinstance(node, ast.Import):
            facts.imports.extend((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            facts.imports.extend((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Call):
            facts.lazy.extend(_lazyTable(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            facts.words.extend(_wordsIn(node.value))
        waiting += ast.iter_child_nodes(node)
    return facts


def moduleName(path: str) -> str:
    """
    Return the dotted name of a Python file.
    """
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def isTest(path: str) -> bool:
    return path.startswith("tests/") and PurePosixPath(path).match("test_*.py")


class Project:
    """
    The modules of a checkout, and who uses which.

    @ivar modules: the paths of the modules, by their dotted names.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        paths = [path.relative_to(root).as_posix() for folder in FOLDERS for path in sorted((root / folder).rglob("*.py"))]
        self.modules = {moduleName(path): path for path in paths}
        self._facts = self._read()

    def distances(self, changed: Iterable[str]) -> dict[str, float]:
        """
        Return how far each test file that depends on a changed file is from it.
        """
        users, runners = self._users()
        starts: dict[str, float] = {}
        for path in changed:
            for name, far in self._starts(path, runners):
                starts[name] = min(far, starts.get(name, far))
        waiting = [(far, name) for name, far in starts.items()]
        heapq.heapify(waiting)
        found: dict[str, float] = {}
        while waiting:
            far, name = heapq.heappop(waiting)
            if name not in found:
                found[name] = far
                for user in users[name]:
                    heapq.heappush(waiting, (far + 1, user))
        return {self.modules[name]: far for name, far in found.items() if isTest(self.modules.get(name, ""))}

    def _starts(self, path: str, runners: Mapping[str, set[str]]) -> Iterator[tuple[str, float]]:
        """
        Yield the modules from which to look for users of a changed file. It may have been deleted.
        """
        name = moduleName(path)
        folder, _, file = path.rpartition("/")
        if not path.endswith(".py") or not path.startswith(tuple(f"{each}/" for each in FOLDERS)):
            yield from ((user, NAMED) for user, its in self._facts.items() if file in {word.rpartition("/")[2] for word in its.words})
            return
        yield name, CHANGED
        if file == "__init__.py":
            yield from ((user, CHANGED + 1) for user in runners[name])
        elif file == "conftest.py":
            yield from ((user, CHANGED + 1) for user, its in self.modules.items() if its.startswith(f"{folder}/") and isTest(its))
        elif path.startswith("twisted_ext/"):
            # Tests of a program may name it in no other way.
            stem = re.escape(file.removesuffix(".py").strip("_"))
            own = re.compile(rf"tests{re.escape(folder.removeprefix('twisted_ext'))}/test_{stem}[^/]*\.py")
            yield from ((user, OWN) for user, its in self.modules.items() if own.fullmatch(its))

    def _users(self) -> tuple[defaultdict[str, set[str]], defaultdict[str, set[str]]]:
        """
        Return the modules that use each module, and those that run each package because they import a module in it.
        """
        users: defaultdict[str, set[str]] = defaultdict(set)
        runners: defaultdict[str, set[str]] = defaultdict(set)
        for name, facts in self._facts.items():
            for module, part in facts.imports:
                users[self._home(module, part)].add(name)
                parent = module
                while parent:
                    runners[parent].add(name)
                    parent = parent.rpartition(".")[0]
            for word in facts.words:
                for used in (prefix + word for prefix in PREFIXES):
                    if used in self.modules:
                        users[used].add(name)
        return users, runners

    def _home(self, module: str, part: str) -> str:
        """
        Return the module that an import depends on: of C{from package import name}, the one that the package has the name from.
        """
        if not part:
            return module
        if f"{module}.{part}" in self.modules:
            return f"{module}.{part}"
        if not self.modules.get(module, "").endswith("/__init__.py"):
            return module
        facts = self._facts[module]
        tables = [*facts.imports, *facts.lazy]
        homes = (home for wanted in (part, "*") for home, name in tables if name == wanted and home in self.modules)
        return next(homes, module)

    def _read(self) -> dict[str, Facts]:
        """
        Return the facts of all modules, by their names; those of unchanged files are in the cache.
        """
        known = self._cached()
        kept: dict[str, tuple[int, Facts]] = {}
        for name, path in self.modules.items():
            at = (self.root / path).stat().st_mtime_ns
            before = known.get(name)
            kept[name] = before if before is not None and before[0] == at else (at, readFacts((self.root / path).read_bytes()))
        if kept != known:
            self._keep(kept)
        return {name: facts for name, (_, facts) in kept.items()}

    def _cached(self) -> dict[str, tuple[int, Facts]]:
        """
        Return what the cache has; nothing if it cannot be read.
        """
        try:
            stored = json.loads((self.root / CACHE).read_text("utf-8"))
            if stored["form"] != FORM:
                return {}
            return {
                str(name): (
                    int(at),
                    Facts([(str(a), str(b)) for a, b in imports], [str(word) for word in words], [(str(a), str(b)) for a, b in lazy]),
                )
                for name, (at, imports, words, lazy) in stored["modules"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def _keep(self, modules: Mapping[str, tuple[int, Facts]]) -> None:
        path = self.root / CACHE
        stored = {name: (at, facts.imports, facts.words, facts.lazy) for name, (at, facts) in modules.items()}
        # Another call at the same time reads the old file or the new one.
        new = path.with_name(f"{path.name}.{os.getpid()}")
        path.parent.mkdir(exist_ok=True)
        new.write_text(json.dumps({"form": FORM, "modules": stored}), "utf-8")
        new.replace(path)


def _estimate(path: str) -> float:
    return PROGRAM_ESTIMATE if path.startswith(PROGRAMS) else ESTIMATE


class Times:
    """
    The seconds of tests in the last full run.

    @ivar known: whether there are any; otherwise they are estimates.
    @ivar share: the seconds of that run for each second of its tests: less than 1 if they ran beside each other.
    """

    def __init__(self, root: Path) -> None:
        self._files: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self.share = 1.0
        try:
            suites = list(ElementTree.parse(root / REPORT).iter("testsuite"))
            self._add(root, (case for suite in suites for case in suite.iter("testcase")))
            taken = sum(seconds for tests in self._files.values() for seconds in tests.values())
            wall = sum(float(suite.get("time", 0)) for suite in suites)
            if 0 < wall < taken:
                self.share = wall / taken
        except (OSError, ValueError, ElementTree.ParseError):
            self._files.clear()
        self.known = bool(self._files)

    def ofFile(self, path: str) -> float:
        """
        Return the seconds of the tests of a file that are not long.
        """
        if path in self._files:
            return sum(seconds for seconds in self._files[path].values() if seconds < LONG)
        return SLOW.get(path, _estimate(path))

    def ofTest(self, test: str) -> float:
        """
        Return the seconds of a test.
        """
        path = test.partition("::")[0]
        return self._files.get(path, {}).get(test, _estimate(path))

    def longTests(self, path: str) -> list[str]:
        """
        Return the long tests of a file. To deselect a test also deselects those whose names it begins: with a short one of these, it is
        not in the list.
        """
        tests = self._files.get(path, {})
        short = [test for test, seconds in tests.items() if seconds < LONG]
        return [test for test, seconds in tests.items() if seconds >= LONG and not any(each.startswith(test) for each in short)]

    def _add(self, root: Path, cases: Iterable[ElementTree.Element]) -> None:
        split: dict[str, tuple[str, list[str]]] = {}
        for case in cases:
            place = case.get("classname", "")
            if place not in split:
                words = place.split(".")
                ends = range(len(words), 0, -1)
                end = next((at for at in ends if (root / "/".join(words[:at])).with_suffix(".py").is_file()), len(words))
                split[place] = "/".join(words[:end]) + ".py", words[end:]
            path, classes = split[place]
            self._files[path]["::".join([path, *classes, case.get("name", "")])] = float(case.get("time", 0))


def pagesOf(root: Path, changed: Iterable[str]) -> set[str]:
    """
    Return the names of the changed pages, and of those that include a changed file.
    """
    included = [path.removeprefix("docs/") for path in changed if path.startswith("docs/listings/")]
    paths = [path for path in changed if path.endswith(".rst") and (path.startswith("docs/") or path == "README.rst")]
    if included:
        for page in (root / "docs").rglob("*.rst"):
            text = page.read_text("utf-8")
            if any(path in text for path in included):
                paths.append(page.relative_to(root).as_posix())
    return {path.removeprefix("docs/").removesuffix(".rst") for path in paths}


def pageTests(root: Path, changed: Iterable[str]) -> list[str]:
    """
    Return the tests that follow the changed pages. Which of them exist, and which pages are followed together, is known only when the test
    file has been imported; if it cannot be, all of it is returned, so that pytest shows the reason.
    """
    pages = pagesOf(root, changed)
    if not pages or not (root / FOLLOWING).is_file():
        return []
    command = [sys.executable, "-W", "ignore", "-c", GROUPS]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode:
        return [FOLLOWING]
    groups: list[list[str]] = json.loads(done.stdout)
    return [f"{FOLLOWING}::test_pageCanBeFollowed[{group[0]}]" for group in groups if pages.intersection(group)]


@dataclass(frozen=True)
class Selection:
    """
    The tests of a change.

    @ivar chosen: the files and single tests to run, nearest first.
    @ivar long: the tests of these files that take too long.
    @ivar further: the files and single tests for which there is no time, nearest first.
    @ivar taken: the seconds of the chosen tests, one after the other.
    @ivar seconds: the seconds that pytest is expected to take.
    """

    chosen: list[str]
    long: list[str]
    further: list[str]
    taken: float
    seconds: float

    def command(self) -> list[str]:
        """
        Return the arguments of pytest.
        """
        beside = ["-n", str(2 * (os.cpu_count() or 1)), "--dist", "worksteal"] if self.taken > ALONE else []
        return ["-q", "--maxfail=10", *beside, *[f"--deselect={test}" for test in self.long], *self.chosen]


def _wall(taken: float, share: float) -> float:
    return START + (taken * share * UNEVEN if taken > ALONE else taken)


def select(root: Path, changed: Sequence[str], budget: float, times: Times) -> Selection:
    """
    Choose what to run in so many seconds.
    """
    near = Project(root).distances(changed)
    single = pageTests(root, changed)
    others = {path: READER for path in READERS if (root / path).is_file()}
    if pagesOf(root, changed):
        others |= {path.relative_to(root).as_posix(): OF_PAGES for path in (root / "tests/docs").glob("test_*.py")}
        others.pop(FOLLOWING, None)
    for path, far in others.items():
        near[path] = min(far, near.get(path, far))
    for test in single:
        near[test] = OWN
    # Where the tests of the changed folders are.
    homes = {str(PurePosixPath("tests", *PurePosixPath(path).parts[1:-1])) for path in changed}
    costs = {test: times.ofTest(test) if "::" in test else times.ofFile(test) for test in near}
    order = sorted(near, key=lambda test: (near[test], str(PurePosixPath(test).parent) not in homes, costs[test], test))
    taken = 0.0
    chosen: list[str] = []
    further: list[str] = []
    for test in order:
        if not chosen or _wall(taken + costs[test], times.share) <= budget:
            chosen.append(test)
            taken += costs[test]
        else:
            further.append(test)
    # A page is followed even if it takes long: no other test tries it.
    chosen = [test for test in chosen if "::" not in test or FOLLOWING not in chosen]
    long = [test for path in chosen for test in times.longTests(path) if test not in single]
    return Selection(chosen, long, further, taken, _wall(taken, times.share))


def git(root: Path, *words: str) -> list[str]:
    """
    Return what git lists, separated by NUL or in lines.
    """
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise Mistake((done.stderr.strip().splitlines() or ["git failed"])[0])
    return [word for word in re.split(r"[\0\n]", done.stdout) if word]


def changedSince(root: Path, revision: str | None) -> list[str]:
    """
    Return the files that differ from where HEAD left a revision, and untracked files. Deleted files are among them.

    @param revision: None for HEAD or, if nothing differs from it, the commit before.
    """
    for since in ["HEAD", "HEAD~1"] if revision is None else [revision]:
        try:
            (base,) = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{since}^{{commit}}")
            base = git(root, "merge-base", "HEAD", base)[0]
        except Mistake as error:
            if since == "HEAD~1":
                break
            raise Mistake(f"{since} is not a revision that HEAD comes from" if str(error) == "git failed" else str(error)) from error
        new = git(root, "ls-files", "--others", "--exclude-standard", "-z")
        differing = git(root, "diff", "--name-only", "--no-renames", "--relative", "-z", base)
        # A link to a folder is an untracked "file" to git.
        if paths := sorted({*differing, *[path for path in new if (root / path).is_file()]}):
            return paths
    return []


def namedFiles(root: Path, names: Iterable[str]) -> list[str]:
    """
    Return the paths of files below the root that were named on the command line.
    """
    found: list[str] = []
    for name in names:
        path = Path(name).resolve()
        if not path.is_file():
            raise Mistake(f"{name} is {'a folder' if path.is_dir() else 'not there'}: name files")
        if not path.is_relative_to(root.resolve()):
            raise Mistake(f"{name} is not in this project")
        found.append(path.relative_to(root.resolve()).as_posix())
    return sorted(set(found))


def listed(names: Sequence[str], most: int = 3) -> str:
    """
    Return some names, and how many others there are.
    """
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def describe(selection: Selection, times: Times) -> Iterator[str]:
    """
    Yield lines that say what runs and what does not.
    """
    pages = [test for test in selection.chosen if "::" in test]
    files = counted(len(selection.chosen) - len(pages), "test file")
    more = f" and {counted(len(pages), 'page')}" if pages else ""
    yield f"{files}{more}, about {selection.seconds:.0f} s"
    if not times.known:
        yield f"times are estimates: {REPORT}, which make test writes, cannot be read"
    left = [f"{counted(len(selection.long), 'test')} of {LONG:.0f} s and more"] if selection.long else []
    if selection.further:
        left.append(f"{counted(len(selection.further), 'file')} further away: {listed(selection.further)}")
    if left:
        yield f"left out: {'; '.join(left)}"


def say(line: str) -> None:
    print(f"quick: {line}", flush=True)


def run(root: Path, tool: str, *words: str) -> int:
    """
    Run a tool of the environment, and return its exit code. After Ctrl-C it may stop the servers that it has started.
    """
    process = subprocess.Popen([sys.executable, "-m", tool, *words], cwd=root)
    try:
        return process.wait()
    except KeyboardInterrupt:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
        raise


def check(root: Path, changed: Sequence[str]) -> list[str]:
    """
    Run ruff and mypy if the change is of their concern, and return which failed.
    """
    failed: list[str] = []
    sources = [path for path in changed if path.endswith((".py", ".pyi"))]
    present = [path for path in sources if (root / path).is_file()]
    if present and run(root, "ruff", "check", "--force-exclude", "--", *present):
        failed.append("ruff")
    # A deleted module is missed by others; mypy reads its cache, so that all modules take a second.
    if (sources or "pyproject.toml" in changed) and run(root, "mypy"):
        failed.append("mypy")
    return failed


class _Parser(argparse.ArgumentParser):
    """
    A parser that says what is wrong in one line.
    """

    def error(self, message: str) -> NoReturn:
        raise Mistake(message)


def seconds(text: str) -> float:
    """
    Return a time from the command line.
    """
    number = float(text)
    if not 0 < number < math.inf:
        raise ValueError(text)
    return number


def arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(prog="quick", description="Try a change: ruff, mypy, and the tests nearest to it.")
    parser.add_argument("--since", metavar="REVISION", help="compare with where HEAD left this revision (HEAD; if nothing differs, HEAD~1)")
    parser.add_argument("--budget", metavar="SECONDS", type=seconds, default=60.0, help="the time to use (60)")
    parser.add_argument("--list", action="store_true", help="show which tests would run")
    parser.add_argument("files", metavar="FILE", nargs="*", help="changed files, in place of what git says")
    return parser.parse_args(words)


def main(root: Path, words: Sequence[str]) -> int:
    """
    Check a change, and return the exit code.
    """
    began = time.monotonic()
    try:
        options = arguments(words)
        changed = namedFiles(root, options.files) or changedSince(root, options.since)
    except Mistake as mistake:
        print(f"quick: {mistake}", file=sys.stderr)
        return 2
    if not changed:
        say("nothing has changed")
        return 0
    say(f"changed: {listed(changed)}")
    failed = [] if options.list else check(root, changed)
    times = Times(root)
    selection = select(root, changed, options.budget - (time.monotonic() - began), times)
    for line in describe(selection, times):
        say(line)
    if options.list:
        print(*selection.chosen, sep="\n")
        return 0
    if selection.chosen and run(root, "pytest", *selection.command()) not in (0, NO_TESTS):
        failed.append("pytest")
    say(f"{time.monotonic() - began:.0f} s, " + (f"failed: {', '.join(failed)}" if failed else "all passed"))
    return 1 if failed else 0


if __name__ == "__main__":
    # A reader of the output, such as head, may leave early.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        sys.exit(main(Path(__file__).resolve().parent.parent, sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
