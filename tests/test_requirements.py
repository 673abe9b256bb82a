"""
Tests of L{tests.requirements} and L{tests.corpora}.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpora import corpus


def test_corpusIsFound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A corpus is found by its path inside the folder.
    """
    (tmp_path / "one" / "two").mkdir(parents=True)
    monkeypatch.setenv("TXDNS_CORPORA", str(tmp_path))
    assert corpus("one/two") == tmp_path / "one" / "two"


@pytest.mark.parametrize("folder", [None, "", "elsewhere"])
def test_missingCorpusSkipsOrFails(folder: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A test without its corpus is skipped with a sentence that names it, and fails where corpora are required.
    """
    if folder is None:
        monkeypatch.delenv("TXDNS_CORPORA", raising=False)
    else:
        monkeypatch.setenv("TXDNS_CORPORA", folder)
    monkeypatch.setenv("TXDNS_REQUIRE", "peers")
    with pytest.raises(pytest.skip.Exception, match="corpus 'zonemaster' not read"):
        corpus("zonemaster")
    monkeypatch.setenv("TXDNS_REQUIRE", "peers,corpora")
    with pytest.raises(pytest.fail.Exception, match="TXDNS_REQUIRE lists corpora"):
        corpus("zonemaster")
