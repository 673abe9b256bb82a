"""
Tests of the command that tries a change in a minute: what it selects for a change of a small made-up project.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Final, Protocol, cast

import pytest

from tests.test_architecture import ROOT

_SCRIPT: Final = ROOT / ".ci" / "quick.py"

#: The made-up project: its files with their text.
FILES: Final = {
    "twisted_ext/__init__.py": "",
    "twisted_ext/lazy.py": "def lazyNames(package, modules): ...",
    "twisted_ext/wire/__init__.py": "",
    "twisted_ext/wire/names.py": "",
    "twisted_ext/wire/message.py": "from twisted_ext.wire.names import Name",
    "twisted_ext/wire/other.py": "",
    "twisted_ext/zone/__init__.py": (
        "from twisted_ext.lazy import lazyNames\n"
        "__all__ = ['Zone']\n"
        "__getattr__ = lazyNames(__name__, {'twisted_ext.zone.store': __all__, 'twisted_ext.zone.keys': ['Key']})"
    ),
    "twisted_ext/zone/store.py": "from twisted_ext.wire import message",
    "twisted_ext/zone/keys.py": "",
    "twisted_ext/apps/__init__.py": "",
    "twisted_ext/apps/serve.py": "COMMANDS = {'stop': 'cli.halting'}\nPAGE = 'page.html'",
    "twisted_ext/apps/cli/halting.py": "",
    "twisted_ext/apps/page.html": "",
    "tests/__init__.py": "",
    "tests/test_exports.py": "",
    "tests/wire/test_names.py": "import twisted_ext.wire.names",
    "tests/wire/test_message.py": "from twisted_ext.wire.message import Message",
    "tests/wire/test_types.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from twisted_ext.wire.names import Name\nelse:\n    import twisted_ext.wire.other"
    ),
    "tests/zone/conftest.py": "",
    "tests/zone/test_lazy.py": "from twisted_ext.zone import Zone",
    "tests/zone/test_keys.py": "def late():\n    from twisted_ext.zone import Key",
    "tests/live/test_serving.py": "run('python -m twisted_ext.apps.serve 5300')",
    "tests/live/test_words.py": "run('-m', 'twisted_ext.apps.serve')",
    "tests/docs/__init__.py": "",
    "tests/docs/test_pages.py": "",
    "tests/docs/test_following.py": (
        "GROUPS = [['howto/serving'], ['howto/first', 'howto/second']]\n"
        "def nameOf(page):\n    return page\ndef test_pageCanBeFollowed(): ..."
    ),
    "docs/howto/serving.rst": ".. literalinclude:: ../listings/serving/server.py",
    "docs/howto/first.rst": "",
    "docs/howto/second.rst": "",
    "docs/howto/decided.rst": "",
    "docs/listings/serving/server.py": "",
    ".ci/tool.py": "",
    "tests/test_tool.py": "SCRIPT = ROOT / '.ci' / 'tool.py'",
}

_FOLLOWING: Final = "tests/docs/test_following.py::test_pageCanBeFollowed"


class _Selection(Protocol):
    """
    What the script selects.
    """

    chosen: list[str]
    long: list[str]
    further: list[str]
    taken: float
    seconds: float

    def command(self) -> list[str]: ...


class _Times(Protocol):
    """
    The times that the script knows.
    """

    known: bool
    share: float

    def ofFile(self, path: str) -> float: ...


class _Quick(Protocol):
    """
    What is tested of the script.
    """

    CACHE: str
    REPORT: str
    Times: Callable[[Path], _Times]
    changedSince: Callable[[Path, str | None], list[str]]
    describe: Callable[[_Selection, _Times], Iterable[str]]
    main: Callable[[Path, Sequence[str]], int]
    readFacts: Callable[[bytes], object]
    select: Callable[[Path, Sequence[str], float, _Times], _Selection]
    run: Callable[..., int]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> _Quick:
    """
    Return the script as a module.
    """
    spec = spec_from_file_location("quick", _SCRIPT)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    # A dataclass looks for its module there.
    monkeypatch.setitem(sys.modules, "quick", module)
    spec.loader.exec_module(module)
    return cast("_Quick", module)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """
    Return the folder of the made-up project.
    """
    root = tmp_path / "project"
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, "utf-8")
    return root


def selected(quick: _Quick, root: Path, *changed: str, budget: float = 60.0) -> list[str]:
    """
    Return what runs after a change, without the test that always does.
    """
    chosen = quick.select(root, changed, budget, quick.Times(root)).chosen
    return [test for test in chosen if test != "tests/test_exports.py"]


def report(quick: _Quick, root: Path, times: dict[str, float], wall: float) -> None:
    """
    Write the times of a full run: the seconds of tests, each named as C{classname name}.
    """
    cases = []
    for test, seconds in times.items():
        place, _, name = test.partition(" ")
        cases.append(f'<testcase classname="{place}" name="{name}" time="{seconds}"/>')
    path = root / quick.REPORT
    path.parent.mkdir(parents=True)
    path.write_text(f'<testsuites><testsuite time="{wall}">{"".join(cases)}</testsuite></testsuites>', "utf-8")


def git(root: Path, *words: str) -> None:
    """
    Run git in the made-up project.
    """
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def repository(project: Path) -> Path:
    """
    Return the made-up project as a repository with two commits, the second of which changes a module.
    """
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    (project / "twisted_ext/wire/other.py").write_text("x = 1\n", "utf-8")
    git(project, "commit", "-qam", "second")
    return project


def test_nearestComeFirst(quick: _Quick, project: Path) -> None:
    """
    The own test of a module comes first, then those that import it, each after the tests with fewer imports in between.
    """
    assert selected(quick, project, "twisted_ext/wire/names.py") == [
        "tests/wire/test_names.py",
        "tests/wire/test_message.py",
        "tests/zone/test_lazy.py",
    ]


def test_changedTestRuns(quick: _Quick, project: Path) -> None:
    """
    A changed test file runs, and no other one does because of it.
    """
    assert selected(quick, project, "tests/zone/test_lazy.py") == ["tests/zone/test_lazy.py"]


def test_typesAreNoDependency(quick: _Quick, project: Path) -> None:
    """
    An import for the type checker does not count, but the one in its place does.
    """
    assert "tests/wire/test_types.py" not in selected(quick, project, "twisted_ext/wire/names.py")
    assert selected(quick, project, "twisted_ext/wire/other.py") == ["tests/wire/test_types.py"]


@pytest.mark.parametrize(("module", "test"), [("store", "test_lazy"), ("keys", "test_keys")])
def test_lazyNamesAreFollowed(quick: _Quick, project: Path, module: str, test: str) -> None:
    """
    A name that a package imports on demand leads to the module that has it, and to no other module of the table.
    """
    assert f"tests/zone/{test}.py" in selected(quick, project, f"twisted_ext/zone/{module}.py")
    assert selected(quick, project, "twisted_ext/zone/keys.py") == ["tests/zone/test_keys.py"]


def test_startedProgramsAreFollowed(quick: _Quick, project: Path) -> None:
    """
    Tests that start a module as a program depend on it, and on what it loads by name.
    """
    programs = ["tests/live/test_serving.py", "tests/live/test_words.py"]
    assert selected(quick, project, "twisted_ext/apps/serve.py") == programs
    assert selected(quick, project, "twisted_ext/apps/cli/halting.py") == programs


def test_namedFilesAreFollowed(quick: _Quick, project: Path) -> None:
    """
    A file that is not a module concerns the tests that name it, and those of modules that do.
    """
    assert selected(quick, project, ".ci/tool.py") == ["tests/test_tool.py"]
    assert selected(quick, project, "twisted_ext/apps/page.html") == ["tests/live/test_serving.py", "tests/live/test_words.py"]


def test_packagesAndFixturesAreFollowed(quick: _Quick, project: Path) -> None:
    """
    A change of a package concerns the tests that import a module in it; one of a C{conftest.py}, the tests of its folder.
    """
    assert selected(quick, project, "twisted_ext/zone/__init__.py") == ["tests/zone/test_keys.py", "tests/zone/test_lazy.py"]
    assert selected(quick, project, "tests/zone/conftest.py") == ["tests/zone/test_keys.py", "tests/zone/test_lazy.py"]
    assert set(selected(quick, project, "twisted_ext/wire/__init__.py")) >= {"tests/wire/test_names.py", "tests/wire/test_message.py"}


def test_usersOfDeletedModulesRun(quick: _Quick, project: Path) -> None:
    """
    The tests of what imports a deleted module run, and a deleted test file is not among them.
    """
    for path in ("twisted_ext/wire/names.py", "tests/wire/test_names.py"):
        (project / path).unlink()
    assert selected(quick, project, "twisted_ext/wire/names.py", "tests/wire/test_names.py")[0] == "tests/wire/test_message.py"


@pytest.mark.parametrize(
    ("changed", "page"),
    [
        ("docs/howto/serving.rst", "howto/serving"),
        ("docs/howto/second.rst", "howto/first"),
        ("docs/listings/serving/server.py", "howto/serving"),
        ("docs/howto/decided.rst", None),
    ],
)
def test_changedPageIsFollowed(quick: _Quick, project: Path, changed: str, page: str | None) -> None:
    """
    A changed page, or the one that includes a changed listing, is followed, together with the pages that it goes on from; a page without
    a test of its own names none. Either way, the other tests of the documentation run.
    """
    followed = [f"{_FOLLOWING}[{page}]"] if page else []
    assert selected(quick, project, changed) == [*followed, "tests/docs/test_pages.py"]


def test_brokenFollowingIsShown(quick: _Quick, project: Path) -> None:
    """
    If the test of the pages cannot be imported, it runs as a whole and shows why.
    """
    (project / "tests/docs/test_following.py").write_text("import nothingOfThisName", "utf-8")
    assert selected(quick, project, "docs/howto/serving.rst", budget=600.0)[0] == "tests/docs/test_following.py"


def test_estimatesAreSaid(quick: _Quick, project: Path) -> None:
    """
    Without a report, tests of programs are taken to need longer than others, and a line says that these are estimates.
    """
    times = quick.Times(project)
    assert not times.known
    assert times.ofFile("tests/live/test_serving.py") > times.ofFile("tests/wire/test_names.py") > 0
    lines = list(quick.describe(quick.select(project, ["twisted_ext/wire/names.py"], 60.0, times), times))
    assert [line for line in lines if "estimates" in line]


@pytest.mark.parametrize("text", ["", "<testsuites><testsuite", '<testsuite><testcase classname="a" name="b" time="long"/></testsuite>'])
def test_brokenReportGivesEstimates(quick: _Quick, project: Path, text: str) -> None:
    """
    A report that ends too early or has no numbers is the same as none.
    """
    (project / quick.REPORT).parent.mkdir(parents=True)
    (project / quick.REPORT).write_text(text, "utf-8")
    assert not quick.Times(project).known


def test_budgetIsKept(quick: _Quick, project: Path) -> None:
    """
    Nearest tests are taken until their times fill the budget; what is left out is named. The nearest one runs even without time.
    """
    tests = ("tests.wire.test_names test_a", "tests.wire.test_message.TestIt test_b", "tests.zone.test_lazy test_c")
    report(quick, project, dict.fromkeys(tests, 4.0), 12.0)
    times = quick.Times(project)
    assert times.known and times.share == 1
    selection = quick.select(project, ["twisted_ext/wire/names.py"], 18.0, times)
    assert selection.chosen[:2] == ["tests/wire/test_names.py", "tests/test_exports.py"]
    assert "tests/wire/test_message.py" in selection.chosen and selection.further == ["tests/zone/test_lazy.py"]
    assert selection.seconds <= 18.0
    lines = list(quick.describe(selection, times))
    assert "1 file further away: tests/zone/test_lazy.py" in lines[-1] and not [line for line in lines if "estimates" in line]
    assert quick.select(project, ["twisted_ext/wire/names.py"], -3.0, times).chosen == ["tests/wire/test_names.py"]


def test_longTestsAreLeftOut(quick: _Quick, project: Path) -> None:
    """
    A test of 5 s or more is left out and counted. One whose name begins that of a short test runs, since pytest would leave out both.
    """
    seconds = {"test_slow[a]": 5.0, "test_slow": 9.0, "test_all": 6.0, "test_allOther": 1.0}
    report(quick, project, {f"tests.wire.test_names {name}": each for name, each in seconds.items()}, 21.0)
    times = quick.Times(project)
    selection = quick.select(project, ["twisted_ext/wire/names.py"], 60.0, times)
    assert selection.long == ["tests/wire/test_names.py::test_slow[a]", "tests/wire/test_names.py::test_slow"]
    assert "--deselect=tests/wire/test_names.py::test_slow" in selection.command()
    assert "2 tests of 5 s and more" in list(quick.describe(selection, times))[-1]


def test_longPageIsFollowed(quick: _Quick, project: Path) -> None:
    """
    The test of a changed page runs even if it is long.
    """
    report(quick, project, {"tests.docs.test_following test_pageCanBeFollowed[howto/serving]": 8.0}, 8.0)
    selection = quick.select(project, ["docs/howto/serving.rst"], 60.0, quick.Times(project))
    assert selection.chosen[0] == f"{_FOLLOWING}[howto/serving]" and selection.long == []


def test_manyTestsRunBesideEachOther(quick: _Quick, project: Path) -> None:
    """
    Many seconds of tests are spread over processes, and expected to take the share of time that they took in the full run; few are not.
    """
    report(quick, project, {f"tests.wire.test_names test_{number}": 4.0 for number in range(20)}, 20.0)
    times = quick.Times(project)
    assert times.share == 0.25
    many = quick.select(project, ["tests/wire/test_names.py"], 60.0, times)
    assert many.seconds < many.taken and "worksteal" in many.command()
    few = quick.select(project, ["tests/zone/test_lazy.py"], 60.0, times)
    assert few.seconds > few.taken and "-n" not in few.command()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"form": 1}',
        '{"form": 1, "modules": {"a": 1}}',
        '{"form": 1, "modules": {"a": [1, [1], [], []]}}',
        '{"form": 2, "modules": {}}',
        "\ud800",
    ],
)
def test_damagedCacheIsMadeAnew(quick: _Quick, project: Path, text: str) -> None:
    """
    A cache that cannot be read changes nothing, and is written again.
    """
    cache = project / quick.CACHE
    expected = selected(quick, project, "twisted_ext/wire/names.py")
    good = cache.read_bytes()
    cache.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert selected(quick, project, "twisted_ext/wire/names.py") == expected
    assert cache.read_bytes() == good


def test_onlyChangedModulesAreReadAgain(quick: _Quick, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A second call parses only files that have changed since, and follows their new imports.
    """
    selected(quick, project, "twisted_ext/zone/keys.py")
    path = project / "tests/wire/test_types.py"
    path.write_text("import twisted_ext.zone.keys", "utf-8")
    os.utime(path, ns=(1, 1))
    read: list[bytes] = []
    original = quick.readFacts

    def readFacts(source: bytes) -> object:
        read.append(source)
        return original(source)

    monkeypatch.setattr(quick, "readFacts", readFacts)
    assert "tests/wire/test_types.py" in selected(quick, project, "twisted_ext/zone/keys.py")
    assert read == [b"import twisted_ext.zone.keys"]


def test_syntaxErrorEndsNothing(quick: _Quick, project: Path) -> None:
    """
    A module with a syntax error, which ruff reports, still has its tests selected.
    """
    (project / "twisted_ext/wire/names.py").write_text("def (", "utf-8")
    assert selected(quick, project, "twisted_ext/wire/names.py")[0] == "tests/wire/test_names.py"


def test_changesComeFromGit(quick: _Quick, repository: Path) -> None:
    """
    By default what is not committed counts, with untracked and deleted files; without these, the last commit; or what differs from the
    place where HEAD left another revision.
    """
    assert quick.changedSince(repository, None) == ["twisted_ext/wire/other.py"]
    git(repository, "checkout", "-qb", "side", "HEAD~1")
    (repository / "twisted_ext/new name.py").write_text("", "utf-8")
    (repository / "twisted_ext/wire/names.py").unlink()
    (repository / "link").symlink_to("tests")
    assert quick.changedSince(repository, None) == ["twisted_ext/new name.py", "twisted_ext/wire/names.py"]
    git(repository, "add", "-A", "twisted_ext")
    git(repository, "commit", "-qm", "third")
    assert quick.changedSince(repository, "main") == ["twisted_ext/new name.py", "twisted_ext/wire/names.py"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--lost"], "quick: unrecognized arguments: --lost"),
        (["--budget", "-1"], "quick: argument --budget"),
        (["--budget", "nan"], "quick: argument --budget"),
        (["absent.py"], "quick: absent.py is not there: name files"),
        (["tests"], "quick: tests is a folder: name files"),
        (["/etc/hosts"], "quick: /etc/hosts is not in this project"),
        (["--since", "nowhere"], "quick: nowhere is not a revision that HEAD comes from"),
    ],
)
def test_mistakesGiveOneLine(
    quick: _Quick, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """
    A wrong option, file or revision ends the command with code 2 and one line.
    """
    monkeypatch.chdir(repository)
    assert quick.main(repository, words) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors.startswith(said) and errors.count("\n") == 1


def test_listRunsNothing(quick: _Quick, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{--list} shows what would run, and runs nothing.
    """
    monkeypatch.chdir(repository)
    monkeypatch.setattr(quick, "run", lambda *words: pytest.fail(f"{words} runs"))
    assert quick.main(repository, ["--list", "twisted_ext/wire/names.py"]) == 0
    assert capsys.readouterr().out.splitlines()[-4:] == [
        "tests/wire/test_names.py",
        "tests/test_exports.py",
        "tests/wire/test_message.py",
        "tests/zone/test_lazy.py",
    ]


@pytest.mark.parametrize(
    ("codes", "said", "code"),
    [
        ({}, "all passed", 0),
        ({"ruff": 1}, "failed: ruff", 1),
        ({"mypy": 1, "pytest": 1}, "failed: mypy, pytest", 1),
        ({"pytest": 5}, "all passed", 0),
        ({"pytest": -11}, "failed: pytest", 1),
    ],
)
def test_lastLineSaysWhatFailed(
    quick: _Quick,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    codes: dict[str, int],
    said: str,
    code: int,
) -> None:
    """
    All steps run, the last line names those that failed, and the exit code tells. No test in a file is no failure.
    """
    ran: list[str] = []

    def run(root: Path, tool: str, *words: str) -> int:
        ran.append(tool)
        return codes.get(tool, 0)

    monkeypatch.setattr(quick, "run", run)
    assert quick.main(repository, []) == code
    assert ran == ["ruff", "mypy", "pytest"]
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("quick: ") and last.endswith(f" s, {said}")


def test_interruptedRunLeavesNoTraceback(repository: Path) -> None:
    """
    Ctrl-C ends the command with 130, after pytest has ended in its way.
    """
    (repository / ".ci/quick.py").write_bytes(_SCRIPT.read_bytes())
    # To pytest, Ctrl-C comes in a test; to the command, at the same time.
    text = "import os, signal\ndef test_it():\n    os.killpg(0, signal.SIGINT)\n    import time; time.sleep(30)\n"
    (repository / "tests/wire/test_names.py").write_text(text, "utf-8")
    git(repository, "add", ".")
    for tool in ("ruff", "mypy"):
        (repository / f"{tool}.py").write_text("", "utf-8")
    command = [sys.executable, ".ci/quick.py", "tests/wire/test_names.py"]
    # The plugin of the real package is not in the made-up one.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(
        command, cwd=repository, env=environment, capture_output=True, text=True, timeout=60, start_new_session=True
    )
    assert done.returncode == 130, done.stdout + done.stderr
    assert "Traceback" not in done.stderr and "KeyboardInterrupt" in done.stdout
