"""
Tests of the end of a run: it says what failed, whichever part it was in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from subprocess import run
from typing import TYPE_CHECKING, Final

import pytest

from tests.ci.loading import load
from tests.test_architecture import ROOT

if TYPE_CHECKING:
    import parts
else:
    parts = load("parts")

#: Output of parts that fail, by their names, with what the digest has to have of it.
_OUTPUTS: Final = {
    "packages": ("Get:1 stable/main nsd\nE: Unable to locate package nsdd\nDone\n", "E: Unable to locate package nsdd"),
    "install": ("Collecting h2\nERROR: No matching distribution found for h3 >= 9\nmake: *** [x] Error 1\n", "ERROR: No matching"),
    "lint": ("twisted_ext/files.py:3:8: F401 `os` imported but unused\nFound 1 error.\n", "twisted_ext/files.py:3:8: F401"),
    "types": ("twisted_ext/files.py:9: error: Missing return statement  [return]\nFound 1 error\n", "files.py:9: error: Missing return"),
    "wheel": ("building\nbuild/a.c:7:1: fatal error: Python.h: no such file\ncompiled: pip wheel failed\n", "fatal error: Python.h"),
    "silent": ("one\ntwo\n", "two"),
    "crash": ('....\nFatal Python error: Segmentation fault\n\n  File "x.py", line 3 in f\nlater\n', 'File "x.py", line 3 in f'),
}

#: A project with tests that pass, fail, end their process, and pass at the second try.
_PROJECT: Final = {
    "tests/wire/test_unit.py": "def test_right():\n    pass\n\n\ndef test_wrong():\n    assert 1 == 2, 'one is not two'\n",
    "tests/live/test_programs.py": (
        "import os, pathlib\n\n\ndef test_busy():\n    once = pathlib.Path('tried')\n    found = once.exists()\n    once.touch()\n"
        "    assert found, 'too late'\n\n\ndef test_broken():\n    raise OSError('no such program')\n"
    ),
    "tests/wire/test_crash.py": "import os\n\n\ndef test_ends():\n    os.abort()\n",
    "tests/wire/test_import.py": "import nothere\n",
}

#: pytest without plugins that such a project does not need.
_PYTEST: Final = [
    sys.executable,
    "-m",
    "pytest",
    *(word for name in ("twisted_ext", "twisted", "randomly", "hypothesispytest", "anyio") for word in ("-p", f"no:{name}")),
]


def _environment() -> dict[str, str]:
    """
    Return the variables for a pytest that does not belong to this run.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith(("TXDNS_", "PYTEST_"))}


@pytest.fixture
def reports(tmp_path: Path) -> parts.Reports:
    """
    Return a folder for reports.
    """
    return parts.Reports(tmp_path / "reports")


def runAs(reports: parts.Reports, name: str, program: str) -> int:
    """
    Run a part that is a program of Python.
    """
    return parts.runPart(name, [sys.executable, "-c", program], reports=reports)


@pytest.mark.parametrize("wrong", _OUTPUTS)
@pytest.mark.parametrize("place", range(3))
def test_failedPartIsNamedLast(reports: parts.Reports, wrong: str, place: int) -> None:
    """
    Whichever part fails, the first, the middle or the last one, the last lines name it and the line of its output that says why.
    """
    output, telling = _OUTPUTS[wrong]
    names = ["one", "two", "three"]
    names[place] = wrong
    for name in names:
        code = runAs(reports, name, f"import sys; print({output!r}); sys.exit(3)" if name == wrong else "print('error: not here')")
        assert code == (3 if name == wrong else 0)
    lines, code = parts.digestOf(reports.read(), ".ci/run")
    assert code == 1
    assert lines[-1] == ".ci/run: red: 1 failed"
    assert [line.split()[0] for line in lines[1:4]] == names
    end = "\n".join(lines[-40:])
    assert f"{wrong}: exit code 3" in end
    assert telling in end
    assert "not here" not in end


def test_greenRun(reports: parts.Reports) -> None:
    """
    A run without a failure ends with that, and with the exit code 0.
    """
    runAs(reports, "one", "pass")
    lines, code = parts.digestOf(reports.read(), "make test")
    assert (lines[-1], code) == ("make test: green", 0)


def test_runThatBreaks(reports: parts.Reports) -> None:
    """
    A run is red that ran nothing, that ended outside of its parts, or one part of which was killed or left a damaged report.
    """
    assert parts.digestOf([], ".ci/run") == (parts.digestOf([], ".ci/run")[0], 1)
    runAs(reports, "one", "pass")
    lines, code = parts.digestOf(reports.read(), ".ci/run", 130)
    assert (lines[-1], code) == (".ci/run: red: 1 failed", 130)
    reports.write(parts.Report("two", 2e9))
    reports.path("three", "json").write_text("{")
    lines, code = parts.digestOf(reports.read(), ".ci/run")
    assert (lines[-1], code) == (".ci/run: red: 2 failed", 1)
    assert sum("did not end" in line for line in lines) == 4


def test_partThatDoesNotEnd(reports: parts.Reports) -> None:
    """
    A part that does not end is ended after its time, with all that it has started, and the digest says so.
    """
    program = "import subprocess, sys; print('began', flush=True); subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
    assert parts.runPart("slow", [sys.executable, "-c", program], longest=1.0, reports=reports) == 124
    lines, code = parts.digestOf(reports.read(), ".ci/run")
    assert code == 1
    assert "  ended after 1 s without a result" in lines
    assert lines[-1] == ".ci/run: red: 1 failed"


def test_failedTestsAreNamed(tmp_path: Path, reports: parts.Reports) -> None:
    """
    The digest has each failed test with its first error line and the command that runs it alone, also a test whose process ended, with its
    stack, and a file that cannot be imported. A test that starts programs is tried once more, alone; other tests are not.
    """
    for name, text in _PROJECT.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\nfaulthandler_timeout = 60\n")
    code = parts.runTests("source", _PYTEST, ["tests"], 'make test PYTEST="{}"', tmp_path, _environment(), reports)
    (report,) = reports.read()
    assert code == 1 and report.code == 1
    failed = {each.test: each.said for each in report.failures}
    assert set(failed) == {
        "tests/wire/test_unit.py::test_wrong",
        "tests/live/test_programs.py::test_broken",
        "tests/wire/test_crash.py::test_ends",
        "tests/wire/test_import.py",
    }
    assert "one is not two" in failed["tests/wire/test_unit.py::test_wrong"]
    assert "no such program" in failed["tests/live/test_programs.py::test_broken"]
    assert failed["tests/wire/test_import.py"] == "ModuleNotFoundError: No module named 'nothere'"
    assert "crashed while running" in failed["tests/wire/test_crash.py::test_ends"]
    assert [each.test for each in report.again] == ["tests/live/test_programs.py::test_busy"]
    lines, _ = parts.digestOf([report], "make test")
    assert lines[-1] == "make test: red: 4 failed"
    assert '      make test PYTEST="tests/wire/test_unit.py::test_wrong"' in lines
    assert any("test_crash.py" in line and "in test_ends" in line for line in lines)
    assert lines.index("passed at the second try, alone:") < lines.index("source: 4 failed" + report.summary().partition("4 failed")[2])


def test_secondTriesAreFew(tmp_path: Path, reports: parts.Reports) -> None:
    """
    More than three tests that pass only at the second try fail the run, though none of them is counted as failed.
    """
    count = parts.MOST_AGAIN + 1
    path = tmp_path / "tests" / "live" / "test_programs.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import pathlib\n\nimport pytest\n\n\n"
        f"@pytest.mark.parametrize('each', range({count}))\ndef test_busy(each):\n"
        "    once = pathlib.Path(f'tried{each}')\n    found = once.exists()\n    once.touch()\n    assert found\n"
    )
    assert parts.runTests("source", _PYTEST, [], "{}", tmp_path, _environment(), reports) == 1
    (report,) = reports.read()
    assert (len(report.again), report.failures) == (count, [])
    assert parts.digestOf([report], "make test")[0][-1] == "make test: red: 1 failed"


def test_innerReports(tmp_path: Path) -> None:
    """
    A part that leaves reports of its own, as "make test" does, is told by these. It is told itself if it fails and none of them says so.
    """
    environment = {**os.environ, "TXDNS_REPORTS": str(tmp_path)}
    program = str(ROOT / ".ci" / "parts.py")
    inner = [sys.executable, program, "run", "inner", sys.executable, "-c"]
    for code in (0, 3):
        script = f"import subprocess, sys; subprocess.run({[*inner, 'pass']}); sys.exit({code})"
        run([sys.executable, program, "run", "outer", sys.executable, "-c", script], env=environment, check=code == 0, capture_output=True)
        assert [report.name for report in parts.Reports(tmp_path).read()] == (["outer", "inner"] if code else ["inner"])
        (tmp_path / "inner.json").unlink()


def test_wrongWords() -> None:
    """
    Words that it does not know are answered with those that it does.
    """
    done = run([sys.executable, str(ROOT / ".ci" / "parts.py"), "tests"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "parts.py digest [CODE]" in done.stderr
