"""
Tests of C{docs/share.py}, which writes the manual pages and the completion of a release.
"""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, cast

import pytest

from tests.requirements import missing
from tests.test_architecture import ROOT
from twisted_ext.apps.cli.main import COMMANDS
from twisted_ext.server.config.zonesettings import ZONE_SETTINGS
from twisted_ext.server.settings.plugged import allSettings

_SHARE: Final = runpy.run_path(str(ROOT / "docs" / "share.py"))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """
    Return the text of each manual page.
    """
    return dict(cast("Callable[[], Iterator[tuple[str, str]]]", _SHARE["pages"])())


def test_everyCommandHasAPage(pages: dict[str, str]) -> None:
    """
    Each command and sub-command has a manual page, and so do the server and its settings file.
    """
    commands = [("txdns",), *[("txdns", each.word) for each in COMMANDS]]
    commands += [("txdns", each.word, below.word) for each in COMMANDS for below in each.subcommands()]
    expected = {f"man1/{'-'.join(words)}.1" for words in commands}
    assert set(pages) == expected | {"man5/txdns.toml.5", "man8/twistd-txdns.8"}


def test_everyOptionAndSettingIsDescribed(pages: dict[str, str]) -> None:
    """
    The pages have each option with its description from the help, and each setting as an option and as a key of the file.
    """
    assert "\\fB\\-\\-output\\fR, \\fB\\-o\\fR \\fIFILE\\fR\nwrite to this new file" in pages["man1/txdns-bulk.1"]
    assert "\\fB+tls\\-ca\\fR\\fI[=FILE]\\fR\ntrust the authorities" in pages["man1/txdns-query.1"]
    assert "\\fBcache dump [FILE] [VIEW]\\fR\nwrite the cache" in pages["man1/txdns-control.1"]
    for setting in allSettings(plugins=False):
        name = setting.name.replace("-", "\\-")
        assert f"\\fB\\-\\-{name}\\fR" in pages["man8/twistd-txdns.8"]
        assert f"\n\\fB{name}\\fR\n" in pages["man5/txdns.toml.5"]
    for setting in ZONE_SETTINGS:
        assert "\n\\fB" + setting.name.replace("-", "\\-") + "\\fR\n" in pages["man5/txdns.toml.5"]


def test_referencesExist(pages: dict[str, str]) -> None:
    """
    Each page of this package that another page refers to exists.
    """
    names = {Path(path).stem for path in pages}
    found = {name.replace("\\-", "-") for text in pages.values() for name in re.findall(r"^\.BR (\S+) \(\d\)", text, re.MULTILINE)}
    assert found - names == {"twistd"}


def test_dateIsThatOfTheRelease(pages: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """
    C{SOURCE_DATE_EPOCH} sets the date of a page, in UTC.
    """
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1763683199")
    assert cast("Callable[[], str]", _SHARE["serverPage"])().startswith('.TH TWISTD\\-TXDNS 8 2025-11-20 "txdns ')


def test_pagesAreValid(pages: dict[str, str], tmp_path: Path) -> None:
    """
    mandoc has no error and no warning for any page.
    """
    program = shutil.which("mandoc") or missing("peers", "mandoc is not installed (Debian: apt install mandoc)")
    for path, text in pages.items():
        (tmp_path / Path(path).name).write_text(text, "utf-8")
    names = [Path(path).name for path in pages]
    done = subprocess.run([program, "-T", "lint", "-W", "warning", *names], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""


def test_shellsFindTheFiles(tmp_path: Path) -> None:
    """
    The files are where man and each shell look for them below a share folder.
    """
    cast("Callable[[Path], None]", _SHARE["write"])(tmp_path)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert {path for path in found if not path.startswith("man/")} == {
        "bash-completion/completions/txdns",
        "bash-completion/completions/twistd",
        "zsh/site-functions/_txdns",
        "zsh/site-functions/_twistd",
        "fish/vendor_completions.d/txdns.fish",
        "fish/vendor_completions.d/twistd.fish",
    }
    assert "man/man1/txdns.1" in found
