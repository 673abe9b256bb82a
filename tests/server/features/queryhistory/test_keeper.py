"""
Tests of what keeps the recorder running.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from zope.interface import directlyProvides

from tests.typed import failureOf, newProcessDone, unchecked
from twisted_ext.errors import BadDescription
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.queryhistory.keeper import HistoryKeeper
from twisted_ext.server.features.queryhistory.searching import missingIn
from twisted_ext.server.settings.plugged import allSettings


class Processes(Clock):
    """
    A reactor that starts no process, and records what it gets. It is the transport of each as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.started: list[ProcessProtocol] = []
        self.given: list[dict[str, Any]] = []
        self.closed = 0
        # That of no process.
        self.pid = 1 << 30
        directlyProvides(self, IReactorProcess, IReactorTime)

    def spawnProcess(self, protocol: ProcessProtocol, *args: object, **keywords: object) -> Processes:
        """
        Record the protocol.
        """
        self.started.append(protocol)
        unchecked(protocol.makeConnection)(self)
        return self

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        """
        Record the settings that the process gets.
        """
        self.given.append(json.loads(data))

    def closeChildFD(self, descriptor: int) -> None:
        """
        Record the end of its input.
        """
        self.closed += 1

    def say(self, line: str) -> None:
        """
        Have the last process write a line.
        """
        self.started[-1].childDataReceived(1, f"{line}\n".encode())

    def end(self) -> None:
        """
        Have the last process end.
        """
        self.started[-1].processEnded(failureOf(newProcessDone(0)))


def _settings(**others: object) -> Settings:
    allSettings()
    values: dict[str, Any] = {"state": "/var/lib/txdns", "queryHistory": True, **others}
    return Settings.of(**values)


def test_whatTheRecorderIsTold() -> None:
    """
    It gets the settings as a line, with the views that are not kept, and other ones after a reload.
    """
    processes, published = Processes(), list[JSON]()
    views = ["children=192.0.2.1", {"name": "parents", "clients": ["192.0.2.2"], "query-history": False}]
    keeper = HistoryKeeper(processes, _settings(view=views, queryHistorySkip=["Lan"], queryHistoryDays=7))
    keeper.begin(published.append)
    (told,) = processes.given
    assert told == {"days": 7, "octets": 4_000_000_000, "clients": "full", "skip": ["034c616e00"], "views": ["parents"]}
    assert published == []
    processes.say("{}")
    assert published == ["/var/lib/txdns/history/recorder.sock"]
    keeper.apply(_settings(queryHistoryClients="network"))
    assert processes.given[1]["clients"] == "network" and processes.given[1]["views"] == []
    keeper.apply(_settings(queryHistory=False))
    assert (published[-1], processes.closed) == (None, 1)


def test_aRecorderThatEnds() -> None:
    """
    It is started again, later each time until one has worked for a while; not after the end of the server.
    """
    processes = Processes()
    keeper = HistoryKeeper(processes, _settings())
    keeper.begin(lambda state: None)
    for pause in (1, 2, 4):
        processes.end()
        processes.advance(pause - 0.1)
        count = len(processes.started)
        processes.advance(0.1)
        assert len(processes.started) == count + 1
    processes.say('{"rows": 7, "unwritten": 3, "said": ""}')
    processes.end()
    processes.advance(1)
    assert len(processes.started) == 5
    assert keeper.figures() == {"historyRows": 7, "historyUnwritten": 3, "historyWrong": 0.0}
    keeper.close()
    processes.end()
    assert processes.getDelayedCalls() == []


def test_aFullDiskIsSaid() -> None:
    """
    Why nothing is written is in the figures and facts until it is over.
    """
    processes = Processes()
    keeper = HistoryKeeper(processes, _settings(), processes.seconds)
    keeper.begin(lambda state: None)
    processes.advance(100)
    for said in ("disk full", "still full"):
        processes.say(json.dumps({"rows": 7, "unwritten": 1, "said": said}))
        assert keeper.figures()["historyWrong"] == 1.0
        told = keeper.facts()["queryHistory"]
        assert isinstance(told, dict)
        assert (told["wrong"], told["since"]) == (said, 100.0)
        assert re.fullmatch(rf"Queries since 1970-01-0\d \d\d:\d\d are not in the history: {said}\.", missingIn(told))
        processes.advance(60)
    processes.say('{"rows": 8, "unwritten": 1, "said": ""}')
    assert keeper.figures()["historyWrong"] == 0.0 and "8 queries written" in str(keeper.facts())
    told = keeper.facts()["queryHistory"]
    assert isinstance(told, dict)
    assert missingIn(told) == ""


def test_aRecorderThatCannotBegin() -> None:
    """
    Why the recorder cannot begin is logged once, and is in the figures and facts until it listens.
    """
    processes = Processes()
    keeper = HistoryKeeper(processes, _settings())
    keeper.begin(lambda state: None)
    with capturedLogs() as events:
        for _ in range(3):
            processes.say('{"failed": "/x/recorder.sock: Permission denied"}')
            processes.end()
            assert keeper.figures()["historyWrong"] == 1.0 and "Permission denied" in str(keeper.facts())
            processes.advance(60)
        processes.say("{}")
        assert keeper.figures()["historyWrong"] == 0.0
    assert [formatEvent(event) for event in events] == [
        "the history of queries is not kept: /x/recorder.sock: Permission denied; that is tried again",
        "the history of queries is kept again",
    ]
    keeper.close()


def test_withoutAFolder() -> None:
    """
    A history needs a folder.
    """
    with pytest.raises(BadDescription, match="query-history needs a folder where it is kept; set state"):
        HistoryKeeper(Processes(), _settings(state=""))
