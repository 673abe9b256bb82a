"""
Tests of the page on updates of zones: its settings and statements are valid.
"""

from __future__ import annotations

import re
import textwrap
import tomllib
from typing import Final

from tests.test_architecture import ROOT
from twisted_ext.apps.cli.remote.statements import Batch
from twisted_ext.server.config.keys import Keys
from twisted_ext.server.config.transferpolicy import policyOf, termsOf
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.tsig import Key

PAGE: Final = (ROOT / "docs" / "howto" / "updates.rst").read_text("utf-8")

KEYS: Final = [nameFromText(f"{name}.example.org") for name in ("dhcp", "acme", "admin")]


def blocks(language: str) -> list[str]:
    """
    Return the content of the blocks of a language.
    """
    return [textwrap.dedent(block) for block in re.findall(rf"\.\. code-block:: {language}\n\n((?:   .*\n|\n)+)", PAGE)]


def test_settingsActAsDescribed() -> None:
    """
    The settings of the page are valid, and its rules act as the page says.
    """
    rules, secondary, store = [tomllib.loads(block)["zone"][0] for block in blocks("toml")]
    policy = policyOf(ZoneSettings.fromTable(rules), KEYS)
    assert len(policy.rules) == 5
    assert policy.allows(KEYS[0], "198.51.100.1", nameFromText("host.dyn.example.org"), 1)
    assert not policy.allows(KEYS[0], "198.51.100.1", nameFromText("host.example.org"), 1)
    assert policy.allows(KEYS[1], "198.51.100.1", nameFromText("_acme-challenge.example.org"), 16)
    assert not policy.allows(KEYS[2], "192.0.2.1", nameFromText("www.example.org"), 1)
    assert policy.allows(KEYS[2], "192.0.2.1", nameFromText("example.org"), 2)
    assert policy.allows(b"", "127.0.0.1", nameFromText("status.example.org"), 16)
    forwards = termsOf(ZoneSettings.fromTable(secondary), Keys([Key.fromText("dhcp.example.org:c2VjcmV0")])).forwards
    assert forwards.allows("10.1.2.3") and forwards.allows("198.51.100.1", KEYS[0]) and not forwards.allows("198.51.100.1")
    assert ZoneSettings.fromTable(store).value("store") == "/var/lib/txdns/zones.sqlite"


def test_statementsAreValid() -> None:
    """
    The statements of the page are valid.
    """
    (block,) = blocks("text")
    batch = Batch()
    assert [word for line in block.strip().splitlines() if (word := batch.take(line))] == ["send"]
    assert (len(batch.prerequisites), len(batch.changes)) == (1, 2)
