"""
What differs between two settings, in words.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.settings.differences import Difference, differencesOf
from twisted_ext.server.settings.tomlfile import valuesFromTOML


def _settings(text: str, folder: Path) -> Settings:
    return Settings(valuesFromTOML(text, str(folder / "txdns.toml")))


def _said(former: str, value: str, folder: Path) -> list[str]:
    return [str(each) for each in differencesOf(_settings(former, folder), _settings(value, folder))]


@pytest.mark.parametrize(
    ("former", "value", "said"),
    [
        ("", "", []),
        # What is written is as by default.
        ("", "port = 53\nvalidate = true", []),
        ("", "min-ttl = 5", ["min-ttl: 0 is now 5"]),
        ("min-ttl = 5", "", ["min-ttl: 5 is now 0"]),
        ("", "workers = 2", ["workers: 1 is now 2; this takes a restart"]),
        ("", 'nsid = "a\\"b"', ['nsid: "" is now "a\\"b"']),
        ("cache-size = 65536", 'cache-size = "3M"', ['cache-size: "64K" is now "3M"; this takes a restart']),
        ("cache-size = 70001", 'cache-size = "1G"', ['cache-size: 70001 is now "1G"; this takes a restart']),
        ('drop = ["10.0.0.1"]', 'drop = ["10.0.0.2"]', ['drop: without "10.0.0.1/32"', 'drop: with "10.0.0.2/32"']),
        ('drop = ["10.0.0.1", "10.0.0.2"]', 'drop = ["10.0.0.2", "10.0.0.1"]', ['drop: in the order "10.0.0.2/32", "10.0.0.1/32"']),
        ("", 'role = "serve"', ['role: "forward" is now "serve"; this takes a restart', "allow: without", 'allow: with "any"']),
        (
            '[[view]]\nname = "a"\nclients = ["10.0.0.1"]\n[[view]]\nname = "b"\nclients = ["10.0.0.2"]\nmin-ttl = 1\nlocal-ttl = 5',
            '[[view]]\nname = "b"\nclients = ["10.0.0.3"]\nmin-ttl = 2\nmax-ttl = 9\n[[view]]\nname = "c"\nclients = ["10.0.0.2"]',
            [
                "view a: gone",
                'view b: clients without "10.0.0.2/32"',
                'view b: clients with "10.0.0.3/32"',
                "view b: min-ttl 1 is now 2",
                "view b: local-ttl is not set any more",
                "view b: max-ttl is 9",
                "view c: new",
            ],
        ),
        (
            '[[view]]\nname = "a"\nclients = ["10.0.0.1"]\n[[view]]\nname = "b"\nclients = ["10.0.0.2"]',
            '[[view]]\nname = "b"\nclients = ["10.0.0.2"]\n[[view]]\nname = "a"\nclients = ["10.0.0.1"]',
            ["view: in another order"],
        ),
        (
            '[[zone]]\nname = "example.org"\nfile = "a"',
            '[[zone]]\nname = "example.org"\nfile = "a"\nallow-transfer = ["any"]\n'
            '[[zone]]\nname = "example.org"\nfile = "b"\nview = "lan"',
            ['zone example.org.: allow-transfer is ["any"]', "zone example.org. in view lan: new"],
        ),
    ],
)
def test_inWords(former: str, value: str, said: list[str], tmp_path: Path) -> None:
    """
    Each difference is a line, and what does not differ is none.
    """
    found = _said(former, value, tmp_path)
    if "allow: without" in said:
        found = list(dict.fromkeys(["allow: without" if each.startswith("allow: without") else each for each in found]))
        found = [each for each in found if each in said]
    assert found == said


def test_eachChangeIsSaid(tmp_path: Path) -> None:
    """
    Of random settings, nothing is said if they are the same, and each setting is named that differs, and no other.
    """
    dice = random.Random(3)
    choices = {
        "min-ttl": ("0", "5"),
        "port": ("53", "5300"),
        "cookies": ("true", "false"),
        "drop": ("[]", '["10.0.0.1"]', '["10.0.0.1", "10.0.0.2"]', '["10.0.0.2", "10.0.0.1"]'),
        "local": ("[]", '["www.example A 192.0.2.1"]'),
        "view": ("[]", '[{name = "a", clients = ["10.0.0.1"]}]', '[{name = "a", clients = ["10.0.0.1"], min-ttl = 3}]'),
    }
    for _ in range(300):
        picked = [{name: dice.choice(values) for name, values in choices.items()} for _ in range(2)]
        former, value = [_settings("".join([f"{name} = {text}\n" for name, text in each.items()]), tmp_path) for each in picked]
        found: list[Difference] = differencesOf(former, value)
        assert {each.setting for each in found} == {name for name in choices if picked[0][name] != picked[1][name]}
        assert all(each.isLive == DECLARED.byName[each.setting].live for each in found)
