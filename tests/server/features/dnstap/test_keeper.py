"""
Tests of what keeps the process running that writes dnstap.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from unittest.mock import patch

from twisted.logger import capturedLogs, formatEvent

from tests.server.features.queryhistory.test_keeper import Processes
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.dnstap.keeper import DnstapKeeper
from twisted_ext.server.settings.plugged import allSettings

__all__: list[str] = []


def _settings(**others: object) -> Settings:
    allSettings()
    values: dict[str, Any] = {"dnstap": ["tcp:192.0.2.1", "file:/var/log/txdns.tap"], "state": "/var/lib/txdns", **others}
    return Settings.of(**values)


def test_whatTheWriterIsTold() -> None:
    """
    It gets the settings as a line, and other ones after a reload; it ends with the last target.
    """
    processes, published = Processes(), list[JSON]()
    keeper = DnstapKeeper(processes, _settings(nsid="ns1"))
    keeper.begin(published.append)
    (told,) = processes.given
    assert told["targets"] == [
        ["tcp:192.0.2.1", "tcp", "192.0.2.1", 6000, "192.0.2.1"],
        ["file:/var/log/txdns.tap", "file", "/var/log/txdns.tap", 0, ""],
    ]
    assert told["messages"] == ["client", "auth", "update", "forwarder", "resolver"]
    assert (told["recurses"], told["identity"], told["size"], told["ca"]) == (True, "ns1", 100_000_000, "")
    processes.say("{}")
    assert published == ["/var/lib/txdns/dnstap/writer.sock"]
    keeper.apply(_settings(dnstap=["file:/x"], dnstapIdentity="other", dnstapMessages=["auth"]))
    assert (processes.given[1]["identity"], processes.given[1]["messages"]) == ("other", ["auth"])
    keeper.apply(_settings(dnstap=[]))
    assert (published[-1], processes.closed) == (None, 1)
    assert (keeper.figures(), keeper.facts()) == ({}, {})


def test_servesZones() -> None:
    """
    It knows whether clients that want recursion get it.
    """
    processes = Processes()
    DnstapKeeper(processes, _settings(role="serve", zone=["example=/x"])).begin(lambda state: None)
    assert processes.given[0]["recurses"] is False


def test_withoutAState(tmp_path: Path) -> None:
    """
    Without a folder for its state the server makes one for the socket, for its user only: a new one for each process, as the last is left
    by one that was killed.
    """
    processes, published = Processes(), list[JSON]()
    with patch("tempfile.tempdir", str(tmp_path)):
        keeper = DnstapKeeper(processes, _settings(state=""))
        assert os.listdir(tmp_path) == []
        keeper.begin(published.append)
        processes.say("{}")
        (first,) = published
        assert isinstance(first, str) and os.path.dirname(os.path.dirname(first)) == str(tmp_path)
        assert os.stat(os.path.dirname(first)).st_mode & 0o777 == 0o700
        Path(first).touch()
        processes.end()
        assert os.listdir(tmp_path) == []
        processes.advance(1)
        processes.say("{}")
        assert published[1] != first
        keeper.close()


def test_targetsThatGetNothing() -> None:
    """
    Why a target gets nothing is logged once, and is in the figures and the status until it gets messages again.
    """
    processes = Processes()
    keeper = DnstapKeeper(processes, _settings())
    keeper.begin(lambda state: None)
    said = {"tcp:192.0.2.1": "Connection refused"}
    with capturedLogs() as events:
        for _ in range(2):
            processes.say(json.dumps({"written": 5, "dropped": 2, "said": said}))
            assert keeper.figures() == {"dnstapWritten": 5, "dnstapUnwritten": 2, "dnstapWrong": 1.0}
            assert keeper.facts() == {"dnstap": {"written": 5, "said": ["dnstap: tcp:192.0.2.1: Connection refused"]}}
        processes.say(json.dumps({"written": 1234, "dropped": 2, "said": {}}))
    assert [formatEvent(event) for event in events] == [
        "dnstap: nothing is written to tcp:192.0.2.1: Connection refused; that is tried again",
        "dnstap: tcp:192.0.2.1 is written to again",
    ]
    assert keeper.facts() == {"dnstap": {"written": 1234, "said": ["dnstap: 1,234 messages written"]}}
    processes.end()
    processes.advance(1)
    processes.say(json.dumps({"written": 1, "dropped": 0, "said": {}}))
    assert keeper.figures() == {"dnstapWritten": 1235, "dnstapUnwritten": 2, "dnstapWrong": 0.0}
