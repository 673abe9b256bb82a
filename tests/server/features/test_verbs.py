"""
Commands that features add to C{txdns control}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import ClassVar, cast

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SynchronousTestCase

from tests.server.operations.seeing import talk
from tests.server.process.test_workers import Processes
from tests.server.test_service import ServiceCase
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.server import control
from twisted_ext.apps.cli.terminal.exits import USAGE
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, Section, setting
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import Active, Feature, Keeper, Site
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.listeners.sockets import Bound
from twisted_ext.server.operations.control import controlSite
from twisted_ext.server.process.workers import Workforce
from twisted_ext.server.service import ServerService


class FerrySettings(Section):
    ferries: bool = setting(types.FLAG, False, "Have ferries", group="Monitoring")


class Ferries(Active):
    def __init__(self) -> None:
        self.taken: list[JSON] = []

    def take(self, state: JSON) -> None:
        self.taken.append(state)

    def list(self, arguments: Mapping[str, str]) -> JSON:
        return {"said": [f"{arguments['name']} is {arguments.get('color', 'white')}"]}

    def count(self, arguments: Mapping[str, str]) -> Deferred[JSON]:
        return succeed(3)


class Harbor(Keeper):
    def __init__(self) -> None:
        self.closed = False

    def shut(self, arguments: Mapping[str, str]) -> JSON:
        self.closed = True
        return {"closed": True}


def added(several: list[JSON]) -> dict[str, JSON]:
    return {"ferries": sum([each for each in several if isinstance(each, int)]), "processes": len(several)}


class FerryFeature(Feature):
    name = "ferry"
    settings = FerrySettings
    verbs: ClassVar = (
        Verb("ferry/list", "shows a ferry", Ferries.list, takes=("NAME", "[COLOR]")),
        Verb("ferry/count", "counts ferries", Ferries.count, join=added),
        Verb("harbor", "closes the harbor", Harbor.shut, changes=True, inParent=True),
    )

    def __init__(self) -> None:
        self.harbor = Harbor()

    def make(self, site: Site, former: Active | None) -> Active | None:
        return Ferries() if site.settings[FerrySettings].ferries else None

    def keeper(self, reactor: IReactorTime, settings: Settings) -> Keeper | None:
        return self.harbor


def declare(patch: Callable[[object, str, object], object]) -> FerryFeature:
    """
    Make the feature known.
    """
    feature = FerryFeature()
    patch(order, "ORDER", (feature,))
    patch(DECLARED, "all", (*DECLARED.all, *FerrySettings.declared()))
    return feature


class OneProcessTests(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.feature = declare(self.patch)

    def control(self, service: ServerService, target: str, method: str = "GET") -> tuple[int, JSON]:
        """
        Return the status and the reply of the control socket.
        """
        response = talk(controlSite(service.status, self.network.clock), self.network.clock, target, method)
        return response.code, response.json

    def test_verbsOfActiveFeature(self) -> None:
        """
        A command gets its words, of which some may be left out. What would be joined over workers is in the same form.
        """
        service = self.run_(ferries=True)
        self.assertEqual(self.control(service, "/ferry/list?name=anna&color=red"), (200, {"said": ["anna is red"]}))
        self.assertEqual(self.control(service, "/ferry/list?name=anna"), (200, {"said": ["anna is white"]}))
        self.assertEqual(self.control(service, "/ferry/count"), (200, {"ferries": 3, "processes": 1}))

    def test_missingWord(self) -> None:
        """
        A word that is missing is an error that says what to write.
        """
        said = {"error": "NAME is missing; write: txdns control ferry list NAME [COLOR]"}
        self.assertEqual(self.control(self.run_(ferries=True), "/ferry/list?color=red"), (400, said))

    def test_featureIsOff(self) -> None:
        """
        A feature that is not switched on executes nothing, but its keeper does.
        """
        service = self.run_()
        self.assertEqual(self.control(service, "/ferry/count"), (400, {"error": "ferry is not switched on"}))
        self.assertEqual(self.control(service, "/harbor", "POST"), (200, {"closed": True}))
        self.assertTrue(self.feature.harbor.closed)

    def test_changesTakePOST(self) -> None:
        """
        What changes something cannot be done by a request that only asks.
        """
        self.assertEqual(self.control(self.run_(), "/harbor")[0], 405)
        self.assertFalse(self.feature.harbor.closed)

    def test_unknown(self) -> None:
        """
        There are no other commands.
        """
        service = self.run_(ferries=True)
        self.assertEqual(self.control(service, "/ferry/sink")[0], 404)
        self.failureResultOf(service.status.do("ferry/sink", {}), CallerFault)


class WorkersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.feature = declare(self.patch)
        self.reactor = Processes()
        bound = [[Bound("127.0.0.1", 53)], [Bound("127.0.0.1", 53)]]
        self.force = Workforce(cast(IReactorTime, self.reactor), Settings(), bound, bytes(16))
        self.force.startService()
        for process in self.reactor.started:
            process.writeLine(ready=True)

    def test_joined(self) -> None:
        """
        All workers are asked, and their replies joined.
        """
        asked = self.force.do("ferry/count", {})
        for number, process in enumerate(self.reactor.started, 1):
            self.assertEqual((process.received[-1]["do"], process.received[-1]["path"]), ("verb", "ferry/count"))
            process.reply(number)
        self.assertEqual(self.successResultOf(asked), {"ferries": 3, "processes": 2})

    def test_anyOne(self) -> None:
        """
        Where replies need not be joined, one worker is asked.
        """
        asked = self.force.do("ferry/list", {"name": "anna"})
        first, second = self.reactor.started
        self.assertEqual((first.received[-1]["path"], first.received[-1]["arguments"]), ("ferry/list", {"name": "anna"}))
        self.assertNotEqual(second.received[-1]["do"], "verb")
        first.reply({"said": ["anna is white"]})
        self.assertEqual(self.successResultOf(asked), {"said": ["anna is white"]})

    def test_keeper(self) -> None:
        """
        The parent has the keeper, and asks no worker.
        """
        self.assertEqual(self.successResultOf(self.force.do("harbor", {})), {"closed": True})
        self.failureResultOf(self.force.do("harbor/gate", {}), CallerFault)
        for process in self.reactor.started:
            self.assertNotEqual(process.received[-1]["do"], "verb")


class Channel:
    """
    A control channel that answers nothing by itself.
    """

    asked: ClassVar[list[tuple[str, str, dict[str, str]]]] = []
    reply: ClassVar[dict[str, JSON]] = {}

    def __init__(self, path: str) -> None:
        pass

    def ask(self, method: str, path: str, parameters: dict[str, str]) -> dict[str, JSON]:
        self.asked.append((method, path, parameters))
        return self.reply


def test_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{txdns control} asks for commands of features with the words that it gets, and prints their lines, or else the reply.
    """
    declare(monkeypatch.setattr)
    monkeypatch.setattr(control, "ControlChannel", Channel)
    monkeypatch.setattr(Channel, "asked", [])
    monkeypatch.setattr(Channel, "reply", {"said": ["anna is red"]})
    assert main(["control", "ferry", "list", "anna", "red"]) == 0
    assert main(["control", "ferry", "list", "anna"]) == 0
    assert capsys.readouterr().out == "anna is red\nanna is red\n"
    monkeypatch.setattr(Channel, "reply", {"closed": True})
    assert main(["control", "harbor"]) == 0
    assert json.loads(capsys.readouterr().out) == {"closed": True}
    assert Channel.asked == [
        ("GET", "ferry/list", {"name": "anna", "color": "red"}),
        ("GET", "ferry/list", {"name": "anna"}),
        ("POST", "harbor", {}),
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ferry", "list"], "write: txdns control ferry list NAME [COLOR] (shows a ferry)"),
        (["harbor", "now"], "write: txdns control harbor (closes the harbor)"),
        (["ferry", "sink"], "unknown command 'ferry sink'; write: txdns control ferry list NAME [COLOR], or: txdns control ferry count\n"),
        (["sink"], "unknown command 'sink'; write one of status, "),
        ([], "anchors, reload, ferry list|count, harbor\n"),
        (["harbour"], "unknown command 'harbour'; did you mean harbor?"),
    ],
)
def test_wrongWords(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    """
    Words that a command does not take are an error that says which ones it does; so are unknown commands.
    """
    declare(monkeypatch.setattr)
    monkeypatch.setattr(control, "ControlChannel", Channel)
    monkeypatch.setattr(Channel, "asked", [])
    assert main(["control", *words]) == USAGE
    assert said in capsys.readouterr().err
    assert Channel.asked == []
