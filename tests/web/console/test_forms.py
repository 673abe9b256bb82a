"""
Tests of what forms of the console describe, and of upstreams that are not to be tried.
"""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

import pytest
from twisted.internet.task import Clock

from twisted_ext.errors import CallerFault
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.operations.operations import Operations
from twisted_ext.web.console.pages import upstreams
from twisted_ext.web.console.pages.alterations import Alterations
from twisted_ext.web.console.pages.blocking.forms import listIn
from twisted_ext.web.console.pages.upstreams import UpstreamsPage
from twisted_ext.web.console.site.replies import ConsoleAsked


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://lists.example/social.txt?key=1", "social"),
        ("https://lists.example/ads/hosts.txt", "ads"),
        ("https://big.example.org/raw/hosts", "big"),
        ("https://www.lists.example/", "example"),
        ("https://lists.example/my%20list.txt.gz", "my-20list"),
        (f"https://lists.example/{'x' * 100}.txt", "x" * 63),
        ("https://x/", "list"),
        ("https://[::1/", "list"),
    ],
)
def test_nameOfAList(url: str, name: str) -> None:
    """
    A list without a name has that of its file, unless that says nothing, or of its folder or host.
    """
    table, use = listIn({"url": url, "when": "during night", "view": "kids"}, Settings.of(upstream=["192.0.2.1"]))
    assert json.loads(table.value) == {"name": name, "url": url}
    assert (use.value, use.view) == (f"{name} during night", "kids")


@pytest.mark.parametrize("value", ["zone:x=/etc/passwd", "names:os.system", "cache:udp:192.0.2.1", "tls:192.0.2.1:ca=/etc/passwd"])
def test_nothingElseIsTried(value: str) -> None:
    """
    What is more than a server on the network is refused before anything of it is made.
    """
    operations = cast(Operations, SimpleNamespace(inForce=Settings.of(upstream=["192.0.2.1"])))
    page = UpstreamsPage(operations, Alterations(operations), Clock())
    asked = ConsoleAsked("POST", ["upstreams"], {}, "192.0.2.1")
    asked.form = {"action": "add", "value": value}
    made: list[object] = []
    found: list[Any] = []
    with patch.object(upstreams, "sourceFromString", lambda *words: made.append(words)):
        page.do(asked).addBoth(found.append)
    assert isinstance(found[0].value, CallerFault) and "is for the settings file only" in str(found[0].value)
    assert made == []
