"""
Features of other packages.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path
from typing import ClassVar

import pytest
from twisted.plugin import IPlugin
from zope.interface import implementer

from tests.test_architecture import ROOT
from twisted_ext.interfaces import IServerFeature
from twisted_ext.metrics.figure import Figure
from twisted_ext.metrics.figures import JSON
from twisted_ext.resolver.strings import plugins
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import DECLARED, Section, setting
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features import order
from twisted_ext.server.features.base.feature import Active, Feature, Site
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.settings import plugged

__all__: list[str] = []

#: The example of the documentation.
_EXAMPLE = ROOT / "docs" / "listings" / "howto" / "feature"


_NAMES = {each.name for each in DECLARED.all}


class BellSettings(Section):
    bell: bool = setting(types.FLAG, False, "Ring a bell", group="Bells")


class PortSettings(Section):
    port: int = setting(types.COUNT, 0, "Take what others have", group="Monitoring")


class OddSettings(Section):
    odd: bool = setting(types.FLAG, False, "Be in no group")


def _ring(active: Active, arguments: Mapping[str, str]) -> JSON:
    return {}


@implementer(IPlugin, IServerFeature)
class BellFeature(Feature):
    name = "bell"
    settings: ClassVar[type[Section]] = BellSettings
    figures: ClassVar[tuple[Figure, ...]] = (Figure("bells", "bells_total", "Bells."),)
    verbs: ClassVar[tuple[Verb, ...]] = (Verb("bell/ring", "ring", _ring),)

    def make(self, site: Site, former: Active | None) -> Active | None:
        return None


class _Without(BellFeature):
    name = ""


class _Views(BellFeature):
    name = "views"


class _Ports(BellFeature):
    name = "ports"
    settings = PortSettings


class _Odd(BellFeature):
    name = "odd"
    settings = OddSettings


class _Figures(BellFeature):
    name = "figures"
    settings = Section
    figures = (Figure("blockNames", "others_total", "Names."),)


class _Metrics(BellFeature):
    name = "metrics"
    settings = Section
    figures = (Figure("others", "txdns_block_names", "Names."),)


class _Verbs(BellFeature):
    name = "verbs"
    settings = Section
    figures = ()
    verbs: ClassVar = (Verb("cache/paint", "paint", _ring),)


class _Long(BellFeature):
    name = "long"
    settings = Section
    figures = ()
    verbs: ClassVar = (Verb("bell/ring/twice", "ring", _ring),)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (_Without, "its name '' is not a word"),
        (_Views, "the name views is taken"),
        (_Ports, "the setting port is taken"),
        (_Odd, "its settings cannot be read: ValueError: odd: the first setting of a section names its group"),
        (_Figures, "the figure blockNames is taken"),
        (_Metrics, "the figure others is taken"),
        (_Verbs, "the command cache paint is taken"),
        (_Long, "the command bell ring twice is taken, or has more than two words"),
    ],
)
def test_whatIsTaken(kind: type[BellFeature], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A feature whose name, setting, figure or command another one has is not used, and the others are.
    """
    monkeypatch.setattr(plugins, "pluginsFor", lambda interface: ([kind(), BellFeature()], ["a plugin module cannot be imported: X"]))
    found, complaints = plugged.pluggedFeatures(order.ORDER, _NAMES)
    assert [type(each) for each in found] == [BellFeature]
    assert complaints[0] == "a plugin module cannot be imported: X"
    (complaint,) = complaints[1:]
    assert complaint.startswith("the feature <") and said in complaint


def test_twoOfOneName(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The first one of two with the same names is used; what is no feature at all is not.
    """
    monkeypatch.setattr(plugins, "pluginsFor", lambda interface: ([BellFeature(), BellFeature(), object()], []))
    found, complaints = plugged.pluggedFeatures(order.ORDER, _NAMES)
    assert len(found) == 1
    assert ["the name bell is taken" in each for each in complaints] == [False, True]
    assert "does not extend twisted_ext.server.features.base.feature.Feature" in complaints[0]


def test_adoptedOnce(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Plugins are looked for once, when a setting is named that there is not; then theirs are settings as others.
    """
    looked: list[object] = []

    def found(interface: object) -> tuple[list[object], list[str]]:
        looked.append(interface)
        return [BellFeature()], []

    monkeypatch.setattr(plugins, "pluginsFor", found)
    monkeypatch.setattr(plugged, "hasOtherPlugins", lambda: True)
    monkeypatch.setattr(order, "ORDER", order.ORDER)
    for name in ("all", "byName"):
        monkeypatch.setattr(DECLARED, name, getattr(DECLARED, name))
    monkeypatch.setattr(plugged, "_isAdopted", False)
    assert DECLARED.named("port") is not None and Settings.of(port=5300).port == 5300
    assert looked == []
    assert Settings.of(bell=True)[BellSettings].bell
    bell = DECLARED.named("bell")
    # Its group is one of its own, and comes last.
    assert bell is not None and DECLARED.all[-1] is bell
    assert bell.roles == ("forward", "recurse", "serve")
    assert DECLARED.named("bells") is None
    assert looked == [IServerFeature]


def test_whereTheyAreLookedFor(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without plugins of other packages, none is looked for: those of Twisted and of this package are known, and have no features.
    """
    ofTwisted = {path.stem for path in files("twisted") or () if path.parts[:2] == ("twisted", "plugins") and path.suffix == ".py"}
    assert len(ofTwisted) > 10 and ofTwisted <= plugged._KNOWN
    monkeypatch.setattr(sys, "path", [str(ROOT), str(installed.parent), "/nonexistent"])
    assert not plugged.hasOtherPlugins()
    sys.path.append(str(installed))
    assert plugged.hasOtherPlugins()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return a folder with the example, in which Python and Twisted may write.
    """
    folder = tmp_path_factory.mktemp("feature") / "installed"
    shutil.copytree(_EXAMPLE, folder)
    return folder


def _run(installed: Path, *words: str, code: int = 0) -> str:
    """
    Run C{txdns} where the example is installed.
    """
    return _python(installed, f"from twisted_ext.apps.cli.main import main; sys.exit(main({list(words)!r}))", code)


def _python(installed: Path, program: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(installed)!r}); {program}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == code, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def test_example(installed: Path) -> None:
    """
    The feature of the documentation is listed with its setting and its command, which help describes, too; an option that nobody has is an
    error as ever.
    """
    assert "feature greeting from greeting\n  settings: greeting\n  commands: greet\n" in _run(installed, "plugins")
    described = json.loads(_run(installed, "plugins", "+json").splitlines()[-1])
    assert described == {"feature": "greeting", "settings": ["greeting"], "commands": ["greet"], "from": "greeting"}
    assert "greet TEXT" in _run(installed, "control", "--help")
    # Under a heading of its own.
    assert re.search(r"\nGreetings:\n +--greeting=", _run(installed, "forward", "--help"))
    assert "greeting: Good day\n" in _run(installed, "forward", "--greeting", "Good day", "--show-path")
    said = _run(installed, "forward", "--greetink", "x", code=78)
    assert "option --greetink not recognized; did you mean --greeting?" in said


def test_settingsFile(installed: Path, tmp_path: Path) -> None:
    """
    Its setting is a key of the settings file; a wrong one has its place, and is compared with those of plugins.
    """
    file = tmp_path / "txdns.toml"
    file.write_text('upstream = "special"\ngreeting = "Good day"\n')
    assert 'greeting = "Good day"\n' in _run(installed, "forward", "--config", str(file), "--show-config")
    file.write_text('upstream = "special"\ngreetink = "Good day"\n')
    said = _run(installed, "forward", "--config", str(file), code=78)
    assert f"{file}:2: greetink: there is no such setting; did you mean greeting?" in said


def test_workersHaveIt(installed: Path) -> None:
    """
    A worker, which gets the settings that were given, loads the plugin for them, and no other does.
    """
    program = "from twisted_ext.server.config.settings import Settings; from twisted_ext.server import service; "
    program += "from twisted_ext.server.features import order; "
    for given, names in (({"greeting": "x"}, ["greeting"]), ({"port": 53}, [])):
        shown = _python(installed, f"{program}Settings.fromJSON({given!r}); print([each.name for each in order.ORDER])")
        assert [name for name in ("greeting",) if repr(name) in shown] == names
