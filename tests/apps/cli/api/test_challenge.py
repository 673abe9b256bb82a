"""
Tests of C{txdns api challenge}, beside the live ones.
"""

from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import patch

import pytest

from twisted_ext.apps.cli.api import challenge
from twisted_ext.apps.cli.terminal.exits import DECLINED, ExitError


@pytest.mark.parametrize("body", [b"<html>", b"{}x", b'{"zones": []}', b"[1]", b"7", b'[{"name": "example.org."}]'])
def test_otherServers(body: bytes) -> None:
    """
    What replies with something else is said to be no API.
    """
    with patch.object(challenge, "send", return_value=(SimpleNamespace(status=200, reason="OK"), body)):
        with pytest.raises(ExitError) as ended:
            challenge.main(["add", "example.org", "x"])
    assert (ended.value.code, "check --url" in str(ended.value)) == (DECLINED, True)
