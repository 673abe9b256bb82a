"""
Tests of the workflows that check and publish the project.
"""

from __future__ import annotations

import re
import tomllib
from configparser import ConfigParser
from typing import Final

import pytest

from tests.test_architecture import ROOT

_WORKFLOWS: Final = ROOT / ".github" / "workflows"

_NAMES: Final = ("ci.yml", "release.yml")


def jobsOf(name: str) -> dict[str, str]:
    """
    Return the text of each job of a workflow, without comments.
    """
    text = re.sub(r"^ *#.*\n", "", (_WORKFLOWS / name).read_text("utf-8"), flags=re.MULTILINE)
    _, *parts = re.split(r"^  (\w+):\n", text.partition("\njobs:\n")[2], flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("name", _NAMES)
def test_actionsArePinned(name: str) -> None:
    """
    Actions of others are pinned to a commit, so that a moved tag changes nothing, and workflows have no permission that a job does not
    declare.
    """
    text = (_WORKFLOWS / name).read_text("utf-8")
    actions = [used for used in re.findall(r"uses: (\S+)", text) if not used.startswith("./")]
    assert actions
    assert [used for used in actions if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", used)] == []
    assert "\npermissions: {}\n" in text
    assert text.count("actions/checkout@") == text.count("persist-credentials: false")


def test_onlyThePublishingJobHasAnIdentity() -> None:
    """
    Only the job that publishes can get the identity that PyPI trusts; it runs after the checks, and runs nothing of the repository.
    """
    jobs = jobsOf("release.yml")
    assert [name for name, text in jobs.items() if "id-token: write" in text] == ["publish"]
    assert "needs: [checks, build, wheels]" in jobs["publish"]
    assert "run:" not in jobs["publish"] and "checkout" not in jobs["publish"]
    assert "environment:\n      name: pypi" in jobs["publish"]
    assert "make dist" in jobs["build"] and "$GITHUB_REF_NAME" in jobs["build"]
    assert all("write" not in text for name, text in jobs.items() if name != "publish")


def test_everyCheckIsRun() -> None:
    """
    The checks of a release and of each change are those of C{.ci/run}, and the tests run on every Python that the package names.
    """
    jobs = jobsOf("ci.yml")
    assert ".ci/run" in jobs["everything"]
    classifiers = re.findall(r"Python :: (3\.\d+)$", (ROOT / "setup.cfg").read_text("utf-8"), re.MULTILINE)
    assert re.findall(r'"(3\.\d+)"', jobs["pythons"]) == classifiers
    assert "make test PYTHON" in jobs["pythons"] and "make test-compiled PYTHON" in jobs["pythons"]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["cibuildwheel"]
    assert settings["build"] == f"cp3{{{','.join([version.partition('.')[2] for version in classifiers])}}}-manylinux_*"
    assert "ci.yml" in jobsOf("release.yml")["checks"]


def test_addressesAreTheSameEverywhere() -> None:
    """
    The metadata, the release procedure and its first step name the same repository and documentation.
    """
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["metadata"]["project_urls"]
    releasing = (ROOT / "docs" / "project" / "releasing.rst").read_text("utf-8")
    for address in ("https://github.com/twisted-ext/twisted-ext", "https://twisted-ext.readthedocs.io/"):
        assert address in listed and address in releasing
    assert re.findall(r"^(\w+) = https:", listed, re.MULTILINE) == ["Documentation", "Source", "Changelog", "Issues"]
