"""
Tests of what keeps the process running that sends spans.
"""

from __future__ import annotations

import json
from typing import Any
from unittest.mock import patch

import pytest
from twisted.logger import capturedLogs, formatEvent

from tests.server.features.queryhistory.test_keeper import Processes
from twisted_ext.errors import BadDescription
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.otlp import keeper as module
from twisted_ext.server.features.otlp.keeper import OtlpKeeper
from twisted_ext.server.settings.plugged import allSettings

__all__: list[str] = []

COLLECTOR = "http://127.0.0.1:4318/v1/traces"


def _settings(**others: object) -> Settings:
    allSettings()
    values: dict[str, Any] = {"otlp": COLLECTOR, "state": "/var/lib/txdns", "nsid": "ns1", **others}
    return Settings.of(**values)


def test_whatTheExporterIsTold() -> None:
    """
    It gets the collector and the name of the service, and ends with them.
    """
    processes, published = Processes(), list[JSON]()
    keeper = OtlpKeeper(processes, _settings(otlpService="resolver"))
    keeper.begin(published.append)
    (told,) = processes.given
    assert {**told, "version": ""} == {"collector": COLLECTOR, "service": "resolver", "instance": "ns1", "version": ""}
    processes.say("{}")
    assert published == ["/var/lib/txdns/otlp/exporter.sock"]
    keeper.apply(_settings(otlp=""))
    assert (published[-1], processes.closed) == (None, 1)
    assert (keeper.figures(), keeper.facts()) == ({}, {})


def test_whatCannotBeSent() -> None:
    """
    Why nothing is sent is logged once, and is in the figures and the status until it is.
    """
    processes = Processes()
    keeper = OtlpKeeper(processes, _settings())
    keeper.begin(lambda state: None)
    with capturedLogs() as events:
        for said in ("Connection refused", "timed out"):
            processes.say(json.dumps({"sent": 5, "lost": 2, "said": said}))
            assert keeper.figures() == {"otlpSent": 5, "otlpLost": 2, "otlpWrong": 1.0}
            assert keeper.facts() == {"otlp": {"sent": 5, "said": [f"otlp: spans cannot be sent: {said}"]}}
        processes.say(json.dumps({"sent": 1234, "lost": 2, "said": ""}))
    assert [formatEvent(event) for event in events] == [
        f"otlp: spans cannot be sent to {COLLECTOR}: Connection refused; that is tried again",
        f"otlp: spans are sent to {COLLECTOR} again",
    ]
    assert keeper.facts() == {"otlp": {"sent": 1234, "said": ["otlp: 1,234 spans sent"]}}
    processes.end()
    processes.advance(1)
    processes.say(json.dumps({"sent": 1, "lost": 1, "said": ""}))
    assert keeper.figures() == {"otlpSent": 1235, "otlpLost": 3, "otlpWrong": 0.0}


def test_withoutTheLibrary() -> None:
    """
    Without its extra it is an error that says how to install it, at the start; at a reload it is logged.
    """
    with patch.object(module, "_LIBRARY", "nothing.like.it"):
        with pytest.raises(BadDescription, match=r"pip install 'twisted-ext\[otlp\]'"):
            OtlpKeeper(Processes(), _settings())
        processes = Processes()
        keeper = OtlpKeeper(processes, _settings(otlp=""))
        keeper.begin(lambda state: None)
        with capturedLogs() as events:
            keeper.apply(_settings())
        assert processes.started == [] and "twisted-ext[otlp]" in formatEvent(events[0])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("http://127.0.0.1:4318", COLLECTOR),
        ("http://127.0.0.1:4318/", COLLECTOR),
        ("https://tap.example/otlp/v1/traces", "https://tap.example/otlp/v1/traces"),
        ("", ""),
    ],
)
def test_collectors(text: str, value: str) -> None:
    """
    A URL without a path gets that of collectors.
    """
    allSettings()
    assert DECLARED.byName["otlp"].kind.fromText(text) == value


@pytest.mark.parametrize("text", ["127.0.0.1:4318", "grpc://127.0.0.1:4317", "http://", "http://x:y/", "http://user:secret@tap.example/"])
def test_wrongCollectors(text: str) -> None:
    """
    What is no URL of a collector is an error that has one; secrets do not belong there.
    """
    allSettings()
    with pytest.raises(BadDescription, match="such as http://127.0.0.1:4318"):
        DECLARED.byName["otlp"].kind.fromText(text)
