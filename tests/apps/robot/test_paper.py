"""
Tests of what the paper "Applications of the Twisted Framework" says about Pynfo, the robot that this one is modeled on: one test for each
sentence, which is its docstring. C{docs/pynfo.rst} has a table of them.
"""

from __future__ import annotations

import ast
import os
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, cast

import pytest
from twisted.application.service import IServiceMaker
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IConsumer
from twisted.internet.testing import StringTransport
from twisted.plugin import IPlugin, getPlugins, pluginPackagePaths
from twisted.python.components import Adapter, Componentized, registerAdapter
from zope.interface import Interface, directlyProvides, implementer
from zope.interface.interface import Method
from zope.interface.verify import verifyClass, verifyObject

from tests.apps.robot.robots import BOB, BOSS, ONE_FILE, Documents, MemoryFront, Stage, finished, write
from tests.test_architecture import MODULES, ROOT, importsOf
from tests.typed import failureOf, unchecked
from twisted_ext.apps.robot import interfaces, loading
from twisted_ext.apps.robot.commands import Call, command
from twisted_ext.apps.robot.events import Message
from twisted_ext.apps.robot.fronts.irc import IRCFront
from twisted_ext.apps.robot.fronts.pages import Pages, WebSettings
from twisted_ext.apps.robot.interfaces import (
    IDiscriminating,
    IFetcher,
    IFront,
    IPages,
    IRobotPlugin,
    IScheduler,
    IStorage,
    RetrievalError,
)
from twisted_ext.apps.robot.loading import BUILT_IN, foundPlugins, userFolder
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugin import ModulePlugin, RobotPlugin
from twisted_ext.apps.robot.program.console import Console
from twisted_ext.apps.robot.program.settings import RobotSettings
from twisted_ext.apps.robot.providers import Fetcher
from twisted_ext.apps.robot.robot import Robot, Storage
from twisted_ext.apps.robot.scheduling import Scheduler
from twisted_ext.apps.robot.text import Said

__all__: list[str] = []

_Staged = Callable[..., Stage]

#: The modules on which plugins and fronts build.
_CORE: Final = "commands database events interfaces people plugin robot scheduling stepping table text".split()

_register: Final[Callable[[type, type, type], None]] = registerAdapter

OTHER: Final = Place("other", "#dns")


class IGreeting(Interface):
    """
    Something that only a third party needs.
    """

    def greet(name: str) -> str:
        """
        Return a greeting.
        """


@implementer(IGreeting)
class Greeting(Adapter):
    """
    @ivar count: how many were greeted.
    """

    count = 0

    def greet(self, name: str) -> str:
        self.count += 1
        return f"hello {name}, you are number {self.count}"


_register(Greeting, Robot, IGreeting)


class Sharing(RobotPlugin):
    """
    Adds a component for the others.
    """

    def init(self, robot: Robot) -> None:
        robot.add(IConsumer, self)


class Using(RobotPlugin):
    """
    Requests components that other plugins have added.
    """

    @command()
    async def shared(self, call: Call) -> Said:
        return type(IConsumer(self.robot)).__name__

    @command()
    async def mute(self, call: Call, mask: str) -> Said:
        await IDiscriminating(self.robot).ignore(mask)
        return "muted"

    @command()
    async def unmute(self, call: Call, mask: str) -> Said:
        return str(await IDiscriminating(self.robot).unignore(mask))


def _componentsOf(stage: Stage) -> tuple[IStorage, IScheduler]:
    cast(Scheduler, IScheduler(stage.robot)).late = lambda most: 0.0
    return IStorage(stage.robot), IScheduler(stage.robot)


def _fetching(stage: Stage) -> dict[str, bytes]:
    documents = Documents()
    stage.robot.add(IFetcher, documents)
    return documents.documents


def _page(stage: Stage, path: str) -> str:
    """
    Return a page of the robot's web pages.
    """
    address = IPv4Address("TCP", "127.0.0.1", 8080)
    pages = cast(Pages, IPages(stage.robot))
    protocol = pages.site().buildProtocol(address)
    assert protocol is not None
    transport = unchecked(StringTransport)(peerAddress=address, hostAddress=address)
    unchecked(protocol.makeConnection)(transport)
    protocol.dataReceived(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:8080\r\n\r\n".encode())
    stage.clock.pump([0.1] * 10)
    protocol.connectionLost(failureOf(ConnectionDone()))
    octets = cast("Callable[[], bytes]", transport.value)
    return octets().decode()


# -- what it is


def test_packagedSeparately() -> None:
    """
    Two projects developed using the Twisted framework are described; one, Twisted.names, which is included as part of the Twisted
    distribution, a domain name server and client API, and one, Pynfo, which is packaged separately, a network information robot.
    """
    robot = "twisted_ext.apps.robot"
    outside = {name: path.read_text("utf-8") for name, path in MODULES.items() if not name.startswith(robot)}
    named = {name: source for name, source in outside.items() if "robot" in source}
    assert [name for name, source in named.items() for each in importsOf(source) if each.within((robot,))] == []


def test_learningProject(staged: _Staged) -> None:
    """
    Pynfo was originally begun as a learning project to become acquainted with the Twisted framework.
    """
    listing = runpy.run_path(str(ROOT / "docs" / "listings" / "robot" / "plugins" / "ttl.py"))
    stage = staged(listing["ttl"])
    assert stage.hear("!ttl www.example.com") == ["www.example.com: 300 s"]


def test_replacesSeveralRobots(staged: _Staged) -> None:
    """
    After a brief initial development period and an extended period of non-development, Pynfo was picked up again to serve as a replacement
    for several existing robots, each with fragile code bases and with designs not intended for future integration with other services.
    """
    stage = staged()
    others = [MemoryFront(name) for name in ("other", "webhook", "console")]
    for front in others:
        stage.robot.join(front)
        stage.robot.receive(Message(Person(front.name, "alice"), Place(front.name, "alice", private=True), "help help"))
    assert {str(line) for front in others for _, line in front.sent} == set(stage.hear("!help help"))
    assert all(IFront.implementedBy(each) for each in (IRCFront, Console))


def test_functionsArePlugins(staged: _Staged) -> None:
    """
    After it subsumed the functions of network relaying and Google searches, other desired features, which enhanced the IRC medium and had
    not previously been considered due to the difficulty of extending existing robots, were added to Pynfo, prompting the development of an
    elementary plug-in system to further facilitate the integration process.
    """
    stage = staged()
    names = [each.name for each in BUILT_IN]
    assert {"relay", "search"} < set(names)
    stage.robot.settings.plugins.update(
        search={"url": "https://search.example/?q={query}"},
        weather={"url": "https://weather.example/{place}", "line": "{now}"},
    )
    stage.load(*names[1:])
    for name in names[1:]:
        finished(stage.robot.plugins.unload(name))
    assert [each.word for each in stage.robot.plugins.commands if each.plugin != "help"] == []


def test_simpleAndComplexTasks(staged: _Staged) -> None:
    """
    Pynfo performs such simple tasks as noting the last time an individual spoke and querying the Google search engine, as well as several
    more complex operations like relaying traffic between different IRC networks and publishing channel logs through an HTTP interface.
    """
    stage = staged(
        tables={
            "relay": {"links": ["net/#dns = other/#dns"]},
            "logs": {"channels": ["net/#dns"]},
            "search": {"url": "https://search.example/?q={query}"},
        },
        commands={"search": "anyone"},
    )
    other = MemoryFront("other")
    stage.robot.join(other)
    documents = _fetching(stage)
    documents["https://search.example/?q=two%20words"] = b'{"results": [{"title": "Found", "url": "https://found.example/"}]}'
    stage.robot.add(IPages, Pages(stage.robot, WebSettings({"listen": "127.0.0.1:8080"})))
    stage.load("seen", "search", "relay", "logs")
    stage.hear("hello <b>all</b>", BOB)
    stage.clock.advance(120)
    assert stage.hear("!seen bob")[0].startswith("bob last spoke 2 min ago")
    assert stage.hear("!search two words")[0] == "Found https://found.example/"
    assert [str(line) for _, line in other.sent][0] == "<bob> hello <b>all</b>"
    stage.robot.receive(Message(Person("other", "carol"), OTHER, "hello over there"))
    assert stage.take()[-1] == "<carol> hello over there"
    (address,) = stage.hear("!logs")
    path = address.removeprefix("http://127.0.0.1:8080")
    assert "net/%23dns/" in _page(stage, "/logs/")
    search = _page(stage, "/logs/search?q=hello")
    assert path == "/logs/net/%23dns/"
    assert "&lt;b&gt;all&lt;/b&gt;" in search
    assert "<b>all</b>" not in search


def test_layers() -> None:
    """
    Toward these ends, it is useful to abstract the functionality into several different layers:
    """
    robot = "twisted_ext.apps.robot"
    for name in _CORE:
        imports = importsOf(MODULES[f"{robot}.{name}"].read_text("utf-8"))
        assert [each.name for each in imports if each.within((f"{robot}.plugins", f"{robot}.fronts"))] == [], name


# -- components


def test_componentsAreUsedByPlugins(staged: _Staged) -> None:
    """
    Twisted provides a component system which Pynfo relies on to split up useful functionality used in different areas of the code.
    """
    assert issubclass(Robot, Componentized)
    users: dict[str, set[str]] = {}
    for name, path in MODULES.items():
        if ".robot.plugins." in name:
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in vars(interfaces):
                    users.setdefault(node.func.id, set()).add(name)
    assert {"IStorage", "IScheduler", "IDiscriminating"} <= {name for name, found in users.items() if len(found) > 1}


def test_interfacesDocument() -> None:
    """
    The Interface class is the primary element in the component system, and is used as a location for a semi-format definition of an API, as
    well as documentation.
    """
    found = [each for name, each in vars(interfaces).items() if name in interfaces.__all__ and isinstance(each, type(Interface))]
    assert len(found) >= 7
    for each in found:
        assert each.__doc__, each
        for name, described in each.namesAndDescriptions():
            assert described.__doc__, (each, name)
            assert not isinstance(described, Method) or described.positional is not None, (each, name)


def test_classesDeclareInterfaces() -> None:
    """
    Classes declare that they implement an Interface by including it in their __implements__ tuple attribute.
    """
    pairs = ((IStorage, Storage), (IScheduler, Scheduler), (IFetcher, Fetcher), (IFront, Console), (IPages, Pages), (IFront, IRCFront))
    for interface, kind in pairs:
        assert interface.implementedBy(kind)
        assert verifyClass(interface, kind, tentative=True)
    assert verifyObject(IRobotPlugin, Sharing())
    assert verifyObject(IRobotPlugin, BUILT_IN[0])


def test_thirdPartiesAddInterfaces(staged: _Staged) -> None:
    """
    Interfaces can also be added to classes by third parties using the registerAdapter() function.
    """
    assert IGreeting(staged().robot).greet("alice") == "hello alice, you are number 1"


def test_adapterIsRegistered() -> None:
    """
    This takes an Adapter type in addition to the interface being registered and the type it is being registered for.
    """
    with pytest.raises(ValueError, match="already registered"):
        _register(Greeting, Robot, IGreeting)


def test_adaptersHaveState(staged: _Staged) -> None:
    """
    Adapters are a objects which can store additional state information and implement functionality without being part of the classes that
    are "actually" being operated upon.
    """
    robot = staged().robot
    IGreeting(robot).greet("alice")
    assert cast(Greeting, IGreeting(robot)).count == 1
    assert not hasattr(robot, "count")
    assert not hasattr(robot, "greet")


def test_adaptersConform(staged: _Staged) -> None:
    """
    They, as their name suggests, adapt components to conform to interfaces.
    """
    robot = staged().robot
    assert not IGreeting.providedBy(robot)
    assert IGreeting.providedBy(IGreeting(robot))
    assert cast(Greeting, IGreeting(robot)).original is robot
    with pytest.raises(TypeError, match="Could not adapt"):
        IPages(robot)


def test_componentsOrAdapters(staged: _Staged) -> None:
    """
    Components can implement interfaces themselves, or maintain a cache of adapter objects for each interfaces that is requested of them.
    """
    robot, other, itself = staged().robot, staged().robot, staged().robot
    assert IGreeting(robot) is IGreeting(robot)
    assert IGreeting(robot) is not IGreeting(other)
    directlyProvides(itself, IGreeting)
    assert cast(object, IGreeting(itself)) is itself


def test_stateStaysWithTheComponent(staged: _Staged) -> None:
    """
    These persist like any other attribute, and so state stored in adapters remains associated with the component as long as that component
    exists, or until the adapter is explicitly removed.
    """
    stage = staged()
    IGreeting(stage.robot).greet("alice")
    stage.hear("!reload help", BOSS)
    assert IGreeting(stage.robot).greet("bob") == "hello bob, you are number 2"
    stage.robot.drop(IGreeting)
    assert IGreeting(stage.robot).greet("carol") == "hello carol, you are number 1"


def test_twoBasicInterfaces(staged: _Staged) -> None:
    """
    Pynfo's Factory class uses two adapters to implement two basic Interfaces that many plugins find useful.
    """
    robot = staged().robot
    assert [type(each(robot)) for each in (IStorage, IScheduler)] == [Storage, Scheduler]


def test_storage(staged: _Staged) -> None:
    """
    The first is the IStorage interface.
    """
    storage, _ = _componentsOf(staged())
    finished(storage.store("key", "1", {"a": [1, None, "x"]}))
    assert finished(storage.retrieve("key", "1")) == {"a": [1, None, "x"]}
    for key, version in (("key", "2"), ("other", "1")):
        with pytest.raises(RetrievalError):
            finished(storage.retrieve(key, version))


def _packages(staged: _Staged) -> tuple[Stage, MemoryFront, dict[str, bytes]]:
    stage = staged(commands={"follow": "anyone"})
    other = MemoryFront("other")
    stage.robot.join(other)
    documents = _fetching(stage)
    _componentsOf(stage)
    stage.load("packages")
    documents["https://pypi.org/pypi/twisted/json"] = b'{"info": {"version": "26.4"}}'
    return stage, other, documents


def test_packagesAreAnnounced(staged: _Staged) -> None:
    """
    An example usage of this interface is the PyPI plugin, which polls the Python Package Index and reports updates to a configurable list
    of outputs:
    """
    stage, other, documents = _packages(staged)
    stage.hear("!follow twisted")
    stage.robot.receive(Message(Person("other", "carol"), OTHER, "!follow twisted"))
    stage.take()
    other.sent.clear()
    stage.clock.pump([3600, 3600])
    assert stage.take() == []
    documents["https://pypi.org/pypi/twisted/json"] = b'{"info": {"version": "26.10"}}'
    stage.clock.pump([3600, 3600])
    assert stage.take() == ["twisted 26.10 https://pypi.org/project/twisted/"]
    assert [(target, str(line)) for target, line in other.sent] == [("#dns", "twisted 26.10 https://pypi.org/project/twisted/")]


def test_outputsAreRetrieved(staged: _Staged) -> None:
    """
    The module requests the component of factory which implements IStorage, then attempts to load any previously stored version of
    "notifyChannels".
    """
    stage, _, _ = _packages(staged)
    stage.hear("!follow twisted")
    finished(stage.robot.plugins.reload("packages"))
    assert stage.hear("!followed") == ["twisted"]


def test_defaultIsNone(staged: _Staged) -> None:
    """
    If none is found, it defaults to none.
    """
    stage, _, _ = _packages(staged)
    assert stage.hear("!followed") == ["none"]


def test_finalizerStores(staged: _Staged, path: Path) -> None:
    """
    In the finalizer below, this global is stored, using the same interfaced, to be retrieved when the module is next initialized.
    """
    text = """
        from twisted_ext.apps.robot.interfaces import IStorage, RetrievalError
        from twisted_ext.apps.robot.plugin import command

        __version__ = "1"

        async def init(robot):
            global notifyChannels
            try:
                notifyChannels = await IStorage(robot).retrieve("pypi", __version__)
            except RetrievalError:
                notifyChannels = []

        def fini(robot):
            return IStorage(robot).store("pypi", __version__, notifyChannels)

        @command()
        async def notify(call, channel: str):
            notifyChannels.append(channel)
            return str(notifyChannels)
    """
    write(path / "paperpypi.py", text)
    stage = staged(ModulePlugin("pypi", "paperpypi", "the plugin of the paper"))
    assert stage.hear("!notify #a") == ["['#a']"]
    stage.hear("!unload pypi", BOSS)
    del sys.modules["paperpypi"]
    stage.hear("!load pypi", BOSS)
    assert stage.hear("!notify #b") == ["['#a', '#b']"]


def test_periods(staged: _Staged) -> None:
    """
    The second interface allows low granularity scheduling of events:
    """
    stage = staged()
    _, scheduler = _componentsOf(stage)
    assert (scheduler.MINUTELY, scheduler.HOURLY, scheduler.DAILY, scheduler.WEEKLY) == (60, 3600, 86400, 604800)
    runs: list[float] = []
    job = scheduler.schedule(scheduler.HOURLY, lambda: runs.append(stage.clock.seconds()))
    stage.clock.pump([60] * 185)
    assert len(runs) == 3
    job.cancel()


def test_arguments(staged: _Staged) -> None:
    """
    The Adapter which implements this interface is just as simple:
    """
    stage = staged()
    _, scheduler = _componentsOf(stage)
    runs: list[object] = []
    job = scheduler.schedule(60, lambda *arguments, **keywords: runs.append((arguments, keywords)), 1, 2, three=3)
    stage.clock.pump([30] * 5)
    assert runs == [((1, 2), {"three": 3})] * 2
    job.cancel()
    stage.clock.pump([30] * 5)
    assert len(runs) == 2


def test_noInheritance() -> None:
    """
    Implementing these interfaces as adapters using the component system has two primary advantages over a simple inheritance or mixins
    approach.
    """
    assert Robot.__bases__ == (Componentized,)
    for kind in (Storage, Scheduler, Fetcher):
        assert not issubclass(Robot, kind)
        assert not set(vars(kind)) & {name for name in vars(Robot) if not name.startswith("_")}


def test_newBehavior(staged: _Staged) -> None:
    """
    First, it allows plugins to add completely new behavior to the system without complex and fragile manipulation of the factory's
    __class__ attribute.
    """
    stage = staged()
    assert IConsumer(stage.robot, None) is None
    stage.plugins.append(cast(IRobotPlugin, Sharing()))
    stage.load("sharing")
    assert isinstance(IConsumer(stage.robot), Sharing)
    assert type(stage.robot) is Robot


def test_pluginsShare(staged: _Staged) -> None:
    """
    This is a big win when it comes to plugins that want to share new functionality with other plugins.
    """
    assert staged(Sharing(), Using()).hear("!shared") == ["Sharing"]


def test_ignoreAddsAnInterface(staged: _Staged) -> None:
    """
    For example, the "ignore" plugin adds an IDiscriminating interface and an adapter which implements it.
    """
    stage = staged()
    assert IDiscriminating(stage.robot, None) is None
    stage.load("ignore")
    assert verifyObject(IDiscriminating, IDiscriminating(stage.robot))
    finished(stage.robot.plugins.unload("ignore"))
    assert IDiscriminating(stage.robot, None) is None


def test_otherPluginsIgnore(staged: _Staged) -> None:
    """
    Once this plugin is loaded, any other plugin can request the component for IDiscriminating and add users to or remove users from the
    ignore list.
    """
    stage = staged(Using())
    stage.load("ignore")
    assert stage.hear("!mute net/bob!*@*") == ["muted"]
    assert stage.hear("!help help", BOB) == []
    assert stage.hear("!help help") != []
    assert stage.hear("!ignored", BOSS) == ["net/bob!*@*"]
    assert stage.hear("!unmute net/bob!*@*") == ["True"]
    assert stage.hear("!help help", BOB) != []


# -- the plugin framework


def test_pluginsAreLocated(staged: _Staged) -> None:
    """
    Before a module can be loaded and initialized as a plugin, it must be located.
    """
    stage = staged()
    assert stage.hear("!load zzz", BOSS) == ["there is no plugin 'zzz'"]
    stage.plugins.append(cast(IRobotPlugin, Sharing("zzz")))
    assert stage.hear("!load zzz", BOSS) == ["the plugin zzz is loaded"]


def test_noListOfFiles(path: Path) -> None:
    """
    This could be done with a simple use of os.listdir(), or __all__ could be set to include each new plugin added.
    """
    write(path / "twisted" / "plugins" / "paperplain.py", "listed = 'no plugin'")
    assert [each.name for each in foundPlugins() if each not in BUILT_IN] == []


def test_pluginSystem(path: Path) -> None:
    """
    Twisted provides another way, though.
    """
    write(path / "twisted" / "plugins" / "paperversion.py", ONE_FILE)
    assert [each.name for each in foundPlugins() if each not in BUILT_IN] == ["version"]
    assert not (path / "twisted" / "plugins" / "__init__.py").exists()


def test_getPlugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The twisted.python.plugin provides the most high-level interface to the plugin system, a function called getPlugIns.
    """
    asked: list[object] = []

    def get(interface: object, *others: object) -> list[object]:
        asked.append(interface)
        return [Sharing("found")]

    monkeypatch.setattr(loading, "getPlugins", get)
    assert [each.name for each in foundPlugins()][-1] == "found"
    assert asked == [IRobotPlugin]


def test_pluginType(path: Path) -> None:
    """
    It usually takes one argument, a plugin type, which is an arbitrary string used to categorize the different kinds of plugins available
    on a system.
    """
    write(path / "twisted" / "plugins" / "paperversion.py", ONE_FILE)
    names = [[each.name for each in getPlugins(kind) if hasattr(each, "name")] for kind in (IRobotPlugin, IServiceMaker)]
    assert "version" in names[0]
    assert "version" not in names[1]


def test_twistdFindsTheRobot() -> None:
    """
    Twisted's own "mktap" tool uses the "tap" plugin type.
    """
    from twisted_ext.apps.tap import Options

    assert "txdns" in [each.tapname for each in getPlugins(IServiceMaker)]
    assert "robot" in [row[0] for row in cast("list[list[str]]", Options.subCommands)]


def test_ourType() -> None:
    """
    For Pynfo, I have elected to use the "infobot" string.
    """
    assert all(IRobotPlugin.providedBy(each) and IPlugin.providedBy(each) for each in foundPlugins())
    assert not IRobotPlugin.providedBy(ROOT)


def test_pathIsSearched(path: Path) -> None:
    """
    getPlugIns("infobot") searches the system (by way of PYTHONPATH) for files named "plugins.tml".
    """
    assert os.fspath(path / "twisted" / "plugins") in unchecked(pluginPackagePaths)("twisted.plugins")


def test_filesRegister(path: Path) -> None:
    """
    These files contain python source, and are run as such; a function, "register" is placed in their namespace, and the most common action
    for them is to invoke this function one or more times, providing information about a plugin.
    """
    text = """
        from twisted_ext.apps.robot.plugin import ModulePlugin

        one, other = [ModulePlugin(name, f"paper{name}", f"about {name}") for name in ("first", "second")]
    """
    write(path / "twisted" / "plugins" / "paperdropin.py", text)
    found = {each.name: each.summary for each in foundPlugins()}
    assert (found["first"], found["second"]) == ("about first", "about second")


def test_weather(staged: _Staged) -> None:
    """
    Here is a snippet from one which Pynfo uses:
    """
    table = {"url": "https://weather.example/{place}", "line": "{place}: {now.temperature} °C"}
    stage = staged(tables={"weather": table}, commands={"weather": "anyone"})
    _fetching(stage)["https://weather.example/New%20York"] = b'{"place": "New York", "now": {"temperature": 21.5}}'
    stage.load("weather")
    assert stage.hear("!weather New York") == ["New York: 21.5 °C"]
    (described,) = [each.summary for each in BUILT_IN if each.name == "weather"]
    assert described == "the weather"


def test_foldersOfUsersAndRobots(path: Path) -> None:
    """
    Any number of plugin.tml files may exist in the filesystem, allowing per-user and even per-robot plugins to be installed, all without
    modifying the Pynfo installation itself.
    """
    folders = {"user": Path(userFolder()), "robot": path / "robot", "second": path / "second"}
    for name, folder in folders.items():
        folder.mkdir(mode=0o700, parents=True)
        write(folder / f"paper{name}.py", ONE_FILE.replace("Version()", f"Version({name!r})"))
    found = foundPlugins([os.fspath(folders["robot"]), os.fspath(folders["second"])])
    assert {each.name for each in found} >= set(folders)


def test_moduleIsNamed(path: Path) -> None:
    """
    The second argument indicates the module which may be imported to get this plugin.
    """
    write(path / "papermodule.py", ONE_FILE)
    plugin = ModulePlugin("version", "papermodule", "the version")
    assert "papermodule" not in sys.modules
    assert isinstance(plugin.load(), RobotPlugin)
    assert "papermodule" in sys.modules


def test_enabledModulesAreImported(staged: _Staged, path: Path) -> None:
    """
    Pynfo traverses the resulting list, importing these modules, and initializing them if necessary.
    """
    stage = staged()
    for name in ("one", "two"):
        write(path / f"paper{name}.py", ONE_FILE.replace("version(", f"{name}(").replace("{version}", name))
        stage.plugins.append(cast(IRobotPlugin, ModulePlugin(name, f"paper{name}", name)))
    stage.robot.settings = RobotSettings(enabled=["help", "one"])
    finished(stage.robot.plugins.follow())
    assert [each.name for each in stage.robot.plugins.loaded] == ["help", "one"]
    assert stage.hear("!one") == ["one"]
    assert "papertwo" not in sys.modules
