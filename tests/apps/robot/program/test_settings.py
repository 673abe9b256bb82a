"""
Tests of L{twisted_ext.apps.robot.program.settings}: each fault of the settings file is reported with its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, cast

import pytest

from twisted_ext.apps.robot.commands import Command, Effect, commandsOf
from twisted_ext.apps.robot.interfaces import IRobotPlugin
from twisted_ext.apps.robot.loading import foundPlugins, userFolder
from twisted_ext.apps.robot.people import Person, Place
from twisted_ext.apps.robot.plugin import Call, RobotPlugin, command, option
from twisted_ext.apps.robot.program.settings import RobotSettings, readRobotSettings, robotSettingsIn
from twisted_ext.apps.robot.table import SECRET, Secret, Table
from twisted_ext.errors import BadDescription
from twisted_ext.server.config import types

#: A network that is valid.
NETWORK: Final = '[[network]]\nname = "libera"\nendpoint = "tls:irc.example:6697"\nnick = "txbot"\n'

#: A plugin with settings that are valid.
WEATHER: Final = "[plugin.weather]\nurl = 'https://a.example/{place}'\nline = '{a}'\n"


def settingsIn(text: str, folder: Path | None = None) -> RobotSettings:
    """
    Check settings as the file C{robot.toml} in a folder.
    """
    return robotSettingsIn(text, str((folder or Path("/nowhere")) / "robot.toml"))


def faultsOf(text: str, folder: Path | None = None) -> list[str]:
    """
    Return the faults without the path of the file.
    """
    with pytest.raises(BadDescription) as caught:
        settingsIn(text, folder)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{folder or '/nowhere'}/robot.toml:") for line in lines)
    return [line.partition("robot.toml:")[2] for line in lines]


WRONG: tuple[tuple[str, str], ...] = (
    # TOML itself.
    ("state = ", "1: this is not valid TOML: Invalid value"),
    ('prefix = "!"\nprefix = "."', "2: this is not valid TOML: Cannot overwrite a value"),
    ("[web\n", "1:5: this is not valid TOML: Expected ']' at the end of a table declaration"),
    # The top level.
    ("stat = 'x'", "1: stat: there is no such key; did you mean state?"),
    ("\n\nzzzz = 1", "3: zzzz: there is no such key; there are state, "),
    ("networks = 1", "1: networks: there is no such key; did you mean network?"),
    ("plugin_folders = []", "1: plugin_folders: there is no such key; did you mean plugin-folders?"),
    ("state = 1", "1: state takes the path of a file, as a text, not 1"),
    ('state = "\\u0000"', "1: state takes the path of a file; '/nowhere/\\x00' cannot be a path"),
    ('resolver = "upd:192.0.2.1"', "1: resolver takes an address of a server or a description"),
    ("resolver = 53", "1: resolver takes "),
    ("prefix = true", "1: prefix takes a text, as a text, not True"),
    ('prefix = "\\u001b"', "1: prefix takes a text; '\\x1b' holds characters that cannot be printed"),
    ('plugin-folders = ["/nonexistent"]', "1: plugin-folders /nonexistent: No such file or directory"),
    ('plugin-folders = ["/dev/null"]', "1: plugin-folders /dev/null is not a folder"),
    ("plugin-folders = 7", "1: plugin-folders takes a list, each the path of a file, not 7"),
    # Networks.
    ("network = 1", "1: network takes tables, one for each network: [[network]]"),
    ("[network]\nname = 'libera'", "1: network takes tables, one for each network: [[network]]"),
    ("[[network]]\nname = 'libera'", "1: [[network]] endpoint is missing; it takes "),
    (f"{NETWORK}nik = 'x'", "5: [[network]] nik: there is no such key; did you mean nick?"),
    (f"{NETWORK}{NETWORK}", "6: [[network]] name 'libera' is the name of two networks"),
    (NETWORK.replace("libera", "console"), "2: [[network]] name takes letters, digits, dots"),
    (NETWORK.replace("libera", "webhook"), "2: [[network]] name takes letters, digits, dots"),
    (NETWORK.replace("libera", "*"), "2: [[network]] name takes letters, digits, dots"),
    (f"{NETWORK}[[network]]\nname = 'oftc'\nendpoint = 7", "7: [[network]] endpoint takes "),
    # Access.
    ("access = 1", "1: access takes a table: [access]"),
    ("[access]\nowner = ['*/a!b@c']", "2: [access] owner: there is no such key; did you mean owners?"),
    ("[access]\nowners = ['me']", "2: [access] owners takes masks such as libera/account:NAME"),
    (f"{NETWORK}[access]\nowners = ['libra/account:me']", "6: [access] owners 'libra/account:me': there is no network 'libra'; did you"),
    ("[access.roles]\nowner = ['*/a!b@c']", "2: [access.roles] owner is a role that exists already"),
    ("[access.roles]\nfriends = 7", "2: [access.roles] friends takes a list, each masks"),
    ("[access.roles]\nfriends = [\n  '*/account:a',\n  'b',\n]", "2: [access.roles] friends takes masks"),
    ("[access.commands]\nhlep = 'anyone'", "2: [access.commands] hlep there is no command 'hlep'; did you mean help?"),
    ("[access.commands]\nhelp = 'frends'\n[access.roles]\nfriends = []", "2: [access.commands] help takes a role, one of"),
    ("[access.commands]\nhelp = 3", "2: [access.commands] help takes a role, one of anyone, owner, not 3"),
    ("[access.channels]\n'libera/#dns' = ['help']", "2: [access.channels] libera/#dns is not a channel; write \"NETWORK/#CHANNEL\""),
    (f"{NETWORK}[access.channels]\n'libera/#dns' = ['digg']", "6: [access.channels] libera/#dns there is no command 'digg'"),
    (f"{NETWORK}[access.channels]\n'libera/#dns' = 7", "6: [access.channels] libera/#dns takes a list, each a text, not 7"),
    ("[access]\nroles = []", "2: [access] roles takes a table: [access.roles]"),
    # HTTP and pages.
    ("[http]\nhosts = ['https://pypi.org/']", "2: [http] hosts takes hosts such as pypi.org"),
    ("[http]\nhosts = ['[::1]']", "2: [http] hosts takes hosts such as pypi.org"),
    ("[http]\nprivate = ['a..b']", "2: [http] private takes a domain name"),
    ("[http]\nhost = []", "2: [http] host: there is no such key; did you mean hosts?"),
    ("[web]\nlisten = 'nowhere'", "2: [web] listen takes an address"),
    ("web = []", "1: web takes a table: [web]"),
    # Plugins.
    ("plugin = 1", "1: plugin takes a table: [plugin]"),
    ("[plugin.sean]", "1: [plugin] sean is not the name of a plugin; did you mean seen?"),
    ("[plugin]\nseen = 1", "2: [plugin] seen takes a table: [plugin.seen]"),
    ("[plugin.help]\nenabled = 'no'", "2: [plugin.help] enabled takes true or false, not 'no'"),
    ("[plugin.help]\nx = 1", "2: [plugin.help] x: there is no such key; this table takes none"),
    ("[plugin.weather]\nline = '{a}'", "1: [plugin.weather] url is missing; it takes a URL such as https://example.org/search?q={place}"),
    ("[plugin.weather]\nurl = 'https://a.example/'\nline = '{a}'", "2: [plugin.weather] url takes a URL"),
    ("[plugin.weather]\nurl = 'https://a.example/{plase}'\nline = '{a}'", "2: [plugin.weather] url takes a URL"),
    ("[plugin.weather]\nurl = 'https://{place}/'\nline = '{a}'", "2: [plugin.weather] url takes a URL"),
    ("[plugin.weather]\nurl = 'file:///{place}'\nline = '{a}'", "2: [plugin.weather] url takes a URL"),
    ("[plugin.weather]\nurl = 'https://a.example/{place}'\nline = 'fine'", "3: [plugin.weather] line takes a text with paths"),
    (f"{WEATHER}key = 'hunter2'", '4: [plugin.weather] key takes {file = "PATH"} or {env = "NAME"}, not'),
    (f"{WEATHER}key = {{file = 'none'}}", "4: [plugin.weather] key takes"),
    (f"{WEATHER}key = {{env = 'TXDNS_NONE'}}", "4: [plugin.weather] key takes"),
    (f"{WEATHER}key = {{env = 'A', file = 'b'}}", "4: [plugin.weather] key takes"),
)  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_wrongSettingIsReportedWithItsLine(text: str, expected: str) -> None:
    """
    A wrong setting is reported in one line, with its place and what would be right.
    """
    (fault,) = faultsOf(text)
    assert fault.startswith(expected)
    assert "hunter2" not in fault


def test_allFaultsAreReported() -> None:
    """
    All faults of a file are reported at once, in the order of its lines.
    """
    text = '# a comment\nstate = 1\n[web]\nlissen = "::1"\n[plugin.nothing]\n[[network]]\nname = "a/b"\nendpoint = "tcp:x:1"\n'
    assert [fault.partition(":")[0] for fault in faultsOf(text)] == ["2", "4", "5", "7"]


def test_linesWithinTextsAreNotTakenForKeys() -> None:
    """
    What looks like a key or a table within a text of several lines is not taken for one.
    """
    text = 'prefix = """\n[web]\nlisten = 1\n"""\n\n[web]\nlisten = 7\n'
    assert [fault.partition(":")[0] for fault in faultsOf(text)] == ["1", "7"]


def test_fileThatIsNotTextIsRefused(tmp_path: Path) -> None:
    """
    A file that cannot be read, or is not UTF-8, is refused with its path.
    """
    path = tmp_path / "robot.toml"
    for make, expected in (
        (lambda: None, "cannot be read: No such file or directory"),
        (lambda: path.write_bytes(b"# \xff"), ":1: this is not valid UTF-8"),
    ):
        make()
        with pytest.raises(BadDescription) as caught:
            readRobotSettings(str(path))
        assert str(caught.value).startswith(str(path)) and str(caught.value).endswith(expected)


def test_wholeFileIsRead(tmp_path: Path) -> None:
    """
    Every table of a valid file has its effect, and relative paths begin at the file's folder.
    """
    settings = settingsIn(
        f"""
state = "state"
resolver = "udp:192.0.2.53"
prefix = "."

{NETWORK}
[access]
owners = ["libera/account:boss"]
[access.roles]
friends = ["libera/*!*@friends.example"]
[access.commands]
load = "friends"
[access.channels]
"libera/#DNS[]" = ["help"]

[http]
hosts = ["PyPI.org", "*.example.org:8443", "http://intranet.example"]
private = ["intranet.example"]

[web]
listen = "127.0.0.1:8080"

[plugin.tell]
enabled = false
[plugin.seen]
""",
        tmp_path,
    )
    assert (settings.state, settings.prefix, settings.folder) == (f"{tmp_path}/state", ".", str(tmp_path))
    assert list(settings.networks) == ["libera"]
    assert settings.networks["libera"].nick == "txbot"
    assert settings.http.hosts == ("pypi.org", "*.example.org:8443", "http://intranet.example")
    assert settings.web.listen == "127.0.0.1:8080"
    assert "help" in settings.enabled and "seen" in settings.enabled
    assert "tell" not in settings.enabled
    boss, friend = Person("libera", "x", account="boss"), Person("libera", "f", "f", "friends.example")
    assert settings.access.has(boss, "owner") and not settings.access.has(friend, "owner")
    words = {each.word: each for each in _helpCommands()}
    assert settings.access.refusal(words["load"], friend, Place("libera", "#other")) == ""
    assert settings.access.refusal(words["more"], friend, Place("libera", "#dns{}")) == "more is not allowed in #dns{}"


def _helpCommands() -> list[Command]:
    from twisted_ext.apps.robot.plugins.help import Help

    return commandsOf(Help("help"), "help")


def test_pluginThatNeedsSettingsIsLoadedWithATable() -> None:
    """
    A built-in plugin that needs settings is loaded if it has a table, others without one.
    """
    enabled = settingsIn("").enabled
    assert "help" in enabled and "packages" in enabled
    assert "weather" not in enabled and "search" not in enabled
    assert "weather" in settingsIn("[plugin.weather]\nurl = 'https://a.example/{place}'\nline = '{a}'").enabled


class Greet(RobotPlugin):
    word: str = option(types.TEXT, "hello", "What is said")

    @command(Effect.READS)
    async def greet(self, call: Call) -> str:
        return self.word


def test_pluginOfOthersIsLoadedWithATable() -> None:
    """
    A plugin that is not built in is loaded only if the file has a table for it; its settings are checked as well.
    """

    def found(folders: Iterable[str]) -> list[IRobotPlugin]:
        return [*foundPlugins(), cast(IRobotPlugin, Greet())]

    assert "greet" not in robotSettingsIn("", "robot.toml", found).enabled
    settings = robotSettingsIn("[plugin.greet]\nword = 'hi'\n[access.commands]\ngreet = 'anyone'", "robot.toml", found)
    assert "greet" in settings.enabled
    assert settings.plugins["greet"] == {"word": "hi"}
    with pytest.raises(BadDescription, match="2: .plugin.greet. wort: there is no such key; did you mean word"):
        robotSettingsIn("[plugin.greet]\nwort = 'hi'", "robot.toml", found)


PLUGIN = """
from twisted_ext.apps.robot.plugin import RobotPlugin, command

class Local(RobotPlugin):
    @command()
    async def local(self, call):
        "Answer from a folder of this robot."
        return "here"

local = Local()
"""


@pytest.fixture
def pluginPath(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Restore the folders of Twisted's plugins, and leave no module of them.
    """
    import sys

    import twisted.plugins

    monkeypatch.setattr(twisted.plugins, "__path__", list(twisted.plugins.__path__))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.setitem(sys.modules, "twisted.plugins.robotlocal", None)
    del sys.modules["twisted.plugins.robotlocal"]


@pytest.mark.usefixtures("pluginPath")
@pytest.mark.parametrize("kind", ["robot", "user"])
def test_pluginsAreFoundInFolders(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Plugins are found in a folder that the settings name, and in the user's own.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "mine" if kind == "robot" else Path(userFolder())
    folder.mkdir(parents=True)
    (folder / "robotlocal.py").write_text(PLUGIN)
    text = "plugin-folders = ['mine']\n" if kind == "robot" else ""
    assert "local" in settingsIn(f"{text}[plugin.local]", tmp_path).enabled


@pytest.mark.usefixtures("pluginPath")
def test_folderThatOthersCanWriteToIsRefused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A folder into which others can put plugins is refused, and nothing in it is run.
    """
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    (tmp_path / "robotlocal.py").write_text("raise AssertionError('it was run')")
    tmp_path.chmod(0o777)
    (fault,) = faultsOf(f"plugin-folders = ['{tmp_path}']")
    assert "others can put plugins there" in fault


class Keyed(Table):
    key: str = option(SECRET, "", "A secret")


def test_secretsComeFromFilesAndTheEnvironment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A secret is read from a file beside the settings or from the environment, and not shown by C{repr}.
    """
    (tmp_path / "key").write_text("hunter2\n")
    monkeypatch.setenv("TXDNS_KEY", "hunter2")
    for table in ({"file": "key"}, {"env": "TXDNS_KEY"}):
        key = Keyed.fromTable({"key": table}, str(tmp_path)).key
        assert key == "hunter2"
        assert isinstance(key, Secret) and "hunter2" not in repr(key)
        assert "hunter2" not in repr(Keyed.check({"key": table}, str(tmp_path)))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.write_text(""), "has to hold one line"),
        (lambda path: path.write_text("a\nb"), "has to hold one line"),
        (lambda path: path.write_text("x" * 1001), "has to hold one line"),
        (lambda path: path.write_bytes(b"\xff"), "does not hold text in UTF-8"),
        (lambda path: path.mkdir(), "Is a directory"),
    ],
)
def test_wrongSecretFilesAreRefused(make: Callable[[Path], object], expected: str, tmp_path: Path) -> None:
    """
    A file that cannot be a secret is refused, without a word of what is in it.
    """
    make(tmp_path / "key")
    with pytest.raises(BadDescription, match=expected):
        Keyed.fromTable({"key": {"file": "key"}}, str(tmp_path))


def test_sameTableAgrees() -> None:
    """
    A table agrees with settings that give it the same values, written out or not.
    """
    greet = Greet()
    assert greet.agreesWith({}) and greet.agreesWith({"word": "hello"})
    assert not greet.agreesWith({"word": "hi"}) and not greet.agreesWith({"x": 1})
