"""
Tests of L{twisted_ext.apps.tap}: the options of C{twistd txdns}.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

from tests.typed import unchecked
from twisted_ext.apps.tap import ForwardOptions, Options, RecurseOptions, _giveUp, makeService
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.config.zonesettings import ZoneSettings
from twisted_ext.server.features.cookies.feature import CookieSettings
from twisted_ext.server.features.localnames.feature import LocalNamesSettings
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.server.sources.recursor import readGiven
from twisted_ext.server.zones.load.validate import zonesIn
from twisted_ext.web.status import service
from twisted_ext.wire.names import nameFromText


def settingsOf(*words: str) -> Settings:
    """
    Return the settings that these arguments give.
    """
    options = Options()
    options.parseOptions(list(words))
    return options.settings()


def errorOf(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """
    Return the error for invalid arguments, and check the exit code.
    """
    with pytest.raises(SystemExit) as ended:
        settingsOf(*words)
    assert ended.value.code == 78
    return capsys.readouterr().err


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Let pytest capture the errors.
    """
    monkeypatch.setattr("sys.__stderr__", None)


@pytest.mark.parametrize(
    ("content", "writable", "words", "kept"),
    [
        (None, True, {}, True),
        (None, False, {}, False),
        ("this process", True, {}, False),
        ("this process", True, {"nodaemon": 0}, True),
        ("this process", True, {"pidfile": "own.pid"}, True),
        (f"{2**22 + 1}", True, {}, True),
        (f"{2**22 + 1}", False, {}, False),
        ("no number", True, {}, False),
    ],
)
def test_pidFileIsNoObstacle(
    content: str | None, writable: bool, words: dict[str, object], kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    C{twistd -n} without C{--pidfile} starts where C{twistd.pid} cannot be written, and beside another server in the same folder.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.access", lambda path, mode: writable)
    if content is not None:
        Path("twistd.pid").write_text(f"{os.getpid()}" if content == "this process" else content)
    options = Options()
    given: dict[str, object] = {"nodaemon": 1, "pidfile": "twistd.pid", **words}
    unchecked(setattr)(options, "parent", given)
    before = given["pidfile"]
    options.parseOptions(["--port", "5300"])
    assert given["pidfile"] == (before if kept else "")


def test_listAtURLHasName(capsys: pytest.CaptureFixture[str]) -> None:
    """
    A list without a name that is given by a URL ends the start, with the options that fetch it.
    """
    for words in (("--block-list", "https://lists.example/ads.txt?all=1"), ("--block-except", "file:https://lists.example/ads.txt?all=1")):
        said = errorOf(capsys, *words)
        assert "is a URL; give the list a name: --list ads=https://lists.example/ads.txt?all=1 --lists ads" in said


def test_twistdFindsThePlugin() -> None:
    """
    Twisted finds the server by its plugin, which imports the options when they are used.
    """
    (maker,) = [each for each in getPlugins(IServiceMaker) if each.tapname == "txdns"]
    assert maker.options is Options
    assert "DNS" in maker.description


@pytest.mark.parametrize(
    ("address", "warns"), [("127.0.0.1:5380", False), ("[::1]", False), ("127.8.9.1", False), ("0.0.0.0:80", True), ("[2001:db8::1]", True)]
)
def test_pageForStrangersIsReported(monkeypatch: pytest.MonkeyPatch, address: str, warns: bool) -> None:
    """
    The server warns if other hosts can reach the status page, and says that it shows clients, if it does.
    """
    logged: list[str] = []
    monkeypatch.setattr(service.WebService, "log", SimpleNamespace(warn=lambda text, **fields: logged.append(text.format(**fields))))
    service.warnOfStrangers(Settings.of(http=address))
    service.warnOfStrangers(Settings.of(http=address, showClients=True))
    assert [address in line for line in logged] == [True, True] * warns
    assert ["what each of them asks" in line for line in logged] == [False, True] * warns


def test_settingsDoNotShadowOptions() -> None:
    """
    No setting has the name of an option of the command itself.
    """
    assert not {setting.name for setting in allSettings(plugins=False)} & {"help", "version", "config", "show-config", "show-path"}


def test_noArgumentsMeanDefaults() -> None:
    """
    The defaults apply without arguments, with or without the sub-command.
    """
    assert settingsOf().differing(Settings()) == []
    assert settingsOf("forward").differing(Settings()) == []


def test_optionsOfTwistdDNS() -> None:
    """
    Options of C{twistd dns} have the same meaning.
    """
    settings = settingsOf("-i", "127.0.0.1", "-p", "5300", "-c", "-r", "-v", "-v", "--resolv-conf=/dev/null", "--hosts-file", "/dev/null")
    assert (settings.interface, settings.port, settings.cache, settings.recursive) == (("127.0.0.1",), 5300, True, True)
    assert (settings.verbose, settings.resolvConf, settings[LocalNamesSettings].hostsFile) == (2, "/dev/null", ("/dev/null",))
    assert settingsOf("--no-recursive", "--resolv-conf", "/dev/null").recursive


def test_everySettingHasAnOption() -> None:
    """
    Each setting has an option, which the help shows.
    """
    text = str(Options())
    for setting in allSettings(plugins=False):
        assert f"--{setting.name}" in text, setting.name
    for switch in ("no-cache", "no-recursive", "no-prefetch"):
        assert f"--{switch}" in text
    assert settingsOf("--no-cache").cache is False


def test_repeatedOptionsAddUp() -> None:
    """
    Options that can be repeated add up, before and after the sub-command.
    """
    settings = settingsOf("--upstream", "192.0.2.1", "forward", "--upstream", "192.0.2.2", "--port", "1", "--port", "2")
    assert settings.upstream == ("udp:192.0.2.1:53", "udp:192.0.2.2:53")
    assert settings.port == 2


def test_optionsOverrideTheFile(tmp_path: Path) -> None:
    """
    Options override the settings file, which is read again each time.
    """
    path = tmp_path / "txdns.toml"
    path.write_text('port = 5301\nupstream = ["192.0.2.1"]\nstale = 60\n')
    options = Options()
    options.parseOptions(["--config", str(path), "--port", "5302"])
    assert (options.settings().port, options.settings().stale) == (5302, 60)
    path.write_text("stale = 61\n")
    assert (options.settings().port, options.settings().stale) == (5302, 61)


def test_relativePathsStartAtTheFile(tmp_path: Path) -> None:
    """
    Relative paths in a settings file start at its folder, those in options at the working directory. Values that are not paths stay
    unchanged.
    """
    for name in ("records", "keys", "zone", "list", "secret"):
        (tmp_path / name).write_text({"secret": "00" * 16, "list": "example.info zone\n"}.get(name, ""))
    path = tmp_path / "txdns.toml"
    path.write_text(
        'local-file = ["records"]\nhosts-file = ""\nkey-file = "./keys"\nstate = "state"\ncontrol = "control.sock"\nzones = "list"\n'
        'cookie-secret = "secret"\n[[zone]]\nname = "example.org"\nfile = "zone"\n'
        '[[zone]]\nname = "example.net"\nstore = "/var/lib/zones.sqlite"\n'
    )
    settings = settingsOf("--config", str(path))
    assert settings[LocalNamesSettings].localFile == (f"{tmp_path}/records",)
    assert (settings[LocalNamesSettings].hostsFile, settings.keyFile) == (("",), f"{tmp_path}/./keys")
    assert (settings.state, settings.control) == (f"{tmp_path}/state", f"{tmp_path}/control.sock")
    assert (settings.zones, settings[CookieSettings].cookieSecret) == ((f"{tmp_path}/list",), f"{tmp_path}/secret")
    org, net = [ZoneSettings.fromText(text) for text in settings.zone]
    assert (org.file, net.value("store")) == (f"{tmp_path}/zone", "/var/lib/zones.sqlite")
    assert [zone.file for zone in zonesIn(settings)][-1] == f"{tmp_path}/zone"
    path.write_text('zone = ["example.com=zone"]\ncontrol = "auto"\n')
    settings = settingsOf("--config", str(path), "--state", "here")
    assert settings.zone == (f"example.com.={tmp_path}/zone",)
    assert (settings.control, settings.state) == ("auto", "here")


def test_zoneDirectoryIsTheBaseOfZones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Relative paths of zones start at zone-directory, wherever it is given, and also after the working directory has changed, as at a reload;
    other paths, absolute ones and those in the table of a zone are as ever.
    """
    path = tmp_path / "txdns.toml"
    path.write_text('zone-directory = "zones"\nstate = "state"\n[[zone]]\nname = "example.org"\nfile = "db.org"\n')
    settings = settingsOf("--config", str(path))
    assert [ZoneSettings.fromText(text).file for text in settings.zone] == [f"{tmp_path}/zones/db.org"]
    assert (settings.zoneDirectory, settings.state) == (f"{tmp_path}/zones", f"{tmp_path}/state")
    assert settingsOf("--config", str(path), "--zone", "a.test=db.a").zone == (f"a.test.={tmp_path}/zones/db.a",)
    monkeypatch.chdir(tmp_path)
    options = Options()
    options.parseOptions(["--zone", "a.test=db.a", "serve", "--zone", "b.test=/etc/db.b", "--zone-directory", "here"])
    monkeypatch.chdir("/")
    assert options.settings().zone == (f"a.test.={tmp_path}/here/db.a", "b.test.=/etc/db.b")
    options = Options()
    options.parseOptions(["--config", str(path), "--zone-directory", "/srv"])
    assert [ZoneSettings.fromText(text).file for text in options.settings().zone] == ["/srv/db.org"]
    assert Settings.of(zoneDirectory="/srv", zone=["a.test=db.a"]).zone == ("a.test.=/srv/db.a",)


def test_recurseHasItsSettings(tmp_path: Path) -> None:
    """
    The settings of recursion are options and keys of the file; a negative trust anchor that has ended is no error, as after a restart.
    """
    file = tmp_path / "txdns.toml"
    negative = 'negative-trust-anchor = {"a.example" = "2020-01-01", "b.example" = "+1h"}'
    file.write_text(f'minimize = "strict"\n{negative}\n[stub]\n"c.example" = ["192.0.2.1", "::2"]\n')
    settings = settingsOf("recurse", "--config", str(file), "--no-query-ipv6")
    assert (settings.role, settings.minimize, settings.validate, settings.queryIpv6) == ("recurse", "strict", True, False)
    assert settings.negativeTrustAnchor == ("a.example=2020-01-01", "b.example=+1h")
    assert settings.stub == ("c.example.=192.0.2.1,::2",)
    assert readGiven(settings).trusted.negatives.keys() == {nameFromText("b.example")}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--port", "70000"], "twistd txdns: --port takes a number from 0 to 65535, not 70000\n"),
        (["--port"], "twistd txdns: option --port requires argument; twistd txdns --help lists what there is\n"),
        (["--colour"], "twistd txdns: option --colour not recognized; twistd txdns --help lists what there is\n"),
        (["--prot", "53"], "twistd txdns: option --prot not recognized; did you mean --port?\n"),
        (["serve", "--no-wach"], "twistd txdns: option --no-wach not recognized; did you mean --no-watch?\n"),
        (["recursive"], "twistd txdns: Unknown command: recursive; did you mean recurse?\n"),
        (["zones"], "twistd txdns: Unknown command: zones; twistd txdns --help lists what there is\n"),
        (
            ["recurse", "--negative-trust-anchor", "example.com"],
            "twistd txdns: --negative-trust-anchor takes a name and the time when its validation is resumed; "
            "'example.com' is not a valid negative trust anchor: write NAME=UNTIL, such as example.com=+2d or "
            "example.com=2026-12-01T12:00Z\n",
        ),
        (
            ["recurse", "--stub", "corp.example=ns.corp.example"],
            "twistd txdns: --stub takes a domain and the addresses or names of its authoritative servers, such as "
            "corp.example=192.0.2.1,[2001:db8::1]:5353,ns.example.net; 'ns.corp.example' is in the zone corp.example. itself: give its "
            "address\n",
        ),
        (["recurse", "--minimize", "maybe"], "twistd txdns: --minimize takes yes, no or strict, not 'maybe'\n"),
        (
            ["recurse", "--trust-anchor", "/nonexistent"],
            "twistd txdns: --trust-anchor takes the path of a file that can be read; /nonexistent: No such file or directory\n",
        ),
        (["sevre"], "twistd txdns: Unknown command: sevre; did you mean serve?\n"),
        (["forward", "more"], "twistd txdns: unexpected argument 'more'; twistd txdns --help lists what there is\n"),
        (["--config", "/nonexistent.toml"], "twistd txdns: /nonexistent.toml: cannot be read: No such file or directory\n"),
        (["--nsid", "\x1b[31m"], "twistd txdns: --nsid takes a text; '\\x1b[31m' holds characters that cannot be printed\n"),
    ],
)
def test_invalidArgumentsAreRefused(capsys: pytest.CaptureFixture[str], words: list[str], expected: str) -> None:
    """
    Invalid arguments are refused with a one-line error.
    """
    assert errorOf(capsys, *words) == expected


@pytest.mark.parametrize("words", [["serve", "serve"], ["recurse", "--port", "0", "forward"], ["robot", "--config", "x", "robot"]])
def test_secondSubCommandIsRefused(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    A sub-command behind another is refused with what is right, not with itself as a suggestion.
    """
    said = f"unexpected argument {words[-1]!r}: the sub-command is written once, and its options follow it"
    assert errorOf(capsys, *words) == f"twistd txdns: {said}; twistd txdns --help lists what there is\n"


def test_everyMistakeInFileIsReported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    Each mistake in a settings file is reported on a line of its own.
    """
    path = tmp_path / "t.toml"
    path.write_text("port = 'x'\nprot = 1\n")
    assert errorOf(capsys, "--config", str(path)).splitlines() == [
        f"twistd txdns: {path}:1: port takes a number from 0 to 65535, not 'x'",
        f"twistd txdns: {path}:2: prot: there is no such setting; did you mean port?",
    ]


@pytest.mark.parametrize("words", [["--version"], ["--show-config"], ["forward", "--show-config"], ["--help"]])
def test_printingOptionsSucceed(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """
    Options that only print something exit with success.
    """
    with pytest.raises(SystemExit) as ended:
        settingsOf(*words)
    assert not ended.value.code
    assert capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["--show-config"], ["serve", "--help"]])
def test_closedOutputEndsWithoutTraceback(words: list[str]) -> None:
    """
    An output that is closed (C{| head}) or full ends the command without a traceback.
    """
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", "txdns", *words]
    theirs, ours = os.pipe()
    os.close(theirs)
    with open(ours, "wb") as pipe:
        ended = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (141, "")
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb") as full:
            ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert (ended.returncode, ended.stderr) == (1, "twistd txdns: standard output: No space left on device\n")


def test_serverStopsWithoutStderr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A server that cannot start stops, even if its error can no longer be written.
    """
    stopped: list[bool] = []
    closed = (tmp_path / "closed").open("w")
    closed.close()
    monkeypatch.setattr("sys.__stderr__", closed)
    monkeypatch.setattr("atexit.register", lambda function: None)
    monkeypatch.setattr("twisted.internet.reactor.stop", lambda: stopped.append(True))
    _giveUp("there is nothing to do")
    assert stopped == [True]


@pytest.mark.parametrize("log", ["-", "log"])
@pytest.mark.parametrize("errors", [subprocess.STDOUT, subprocess.PIPE])
def test_reasonIsShownOnce(errors: int, log: str, tmp_path: Path) -> None:
    """
    Why a server gives up is shown once at a terminal, where the log goes too; and on the standard error if the log is elsewhere.
    """
    words = ["-n", "--pidfile=", f"--logfile={log}", "txdns", "serve", "--control", "", "--port", "0", "--interface", "127.0.0.1"]
    command = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *words, "--zone", "example.org=missing"]
    done = subprocess.run(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=errors, text=True, timeout=60)
    assert done.returncode == 1
    shown = {done.stdout: 1 if log == "-" or errors == subprocess.STDOUT else 0}
    if errors == subprocess.PIPE:
        shown[done.stderr] = 1
    assert {text: text.count("No such file or directory") for text in shown} == shown


def test_ctrlCShowsNoTraceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Ctrl-C while the arguments are read shows no traceback.
    """

    def interrupt(self: Options) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Options, "postOptions", interrupt)
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions([])
    assert ended.value.code == 130


def test_shownSettingsAreChecked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{--show-config} checks the settings as a server does, zones included.
    """
    file = tmp_path / "txdns.toml"
    file.write_text('role = "serve"\n[[zone]]\nname = "example.org"\n')
    with pytest.raises(SystemExit) as ended:
        Options().parseOptions(["--config", str(file), "--show-config"])
    assert ended.value.code == 78
    assert "zone example.org.: has neither a file nor primaries" in capsys.readouterr().err


def test_robotHasItsOwnOptions(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    The robot takes its settings file and no options of the DNS server; faults in the file are reported before anything starts.
    """
    path = tmp_path / "robot.toml"
    path.write_text('state = "state"\n')
    for words, expected in (
        (["robot"], "--config is missing: the robot's settings file"),
        (["robot", "--port", "53"], "option --port not recognized; twistd txdns --help lists what there is"),
        (["--port", "53", "robot", "--config", "x"], "the robot has its own options, which follow its name"),
        (["robot", "--config", "/nonexistent.toml", "--check"], "/nonexistent.toml: cannot be read: No such file or directory"),
        (["robott"], "Unknown command: robott; did you mean robot?"),
    ):
        assert errorOf(capsys, *words).startswith(f"twistd txdns: {expected}")
    with pytest.raises(SystemExit) as ended:
        settingsOf("robot", "--config", str(path), "--check")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{path} is valid\n")
    assert list(tmp_path.iterdir()) == [path]
    path.write_text("")
    assert "state is missing" in errorOf(capsys, "robot", "--config", str(path), "--check")


class OfficeOptions(ForwardOptions):
    """
    The options of a tap of another package.
    """

    optParameters = [["motto", None, "", "Answer motto.example TXT with this text."], ["color", None, ""]]


def test_tapIsExtended(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """
    The options of a sub-command can be the base of another tap's, whose own options C{--help} lists first: they are parsed and checked as
    those of C{twistd txdns} are, and make the same service.
    """
    options = OfficeOptions()
    options.parseOptions(["--motto", "hi", "--upstream", "192.0.2.53", "--control", ""])
    assert options["motto"] == "hi"
    assert (options.settings().role, options.settings().upstream) == ("forward", ("udp:192.0.2.53:53",))
    made: list[Settings] = []

    class Stop(Exception):
        pass

    def make(reactor: object, settings: Settings, *more: object) -> None:
        made.append(settings)
        raise Stop

    monkeypatch.setattr("twisted_ext.server.service.makeServer", make)
    with pytest.raises(Stop):
        makeService(options)
    assert made[0].upstream == ("udp:192.0.2.53:53",)
    usage = str(options)
    assert usage.startswith("Usage: twistd [options] COMMAND [options]\n")
    assert usage.index("--motto=") < usage.index("--config=")
    assert "Answer motto.example TXT with this text." in usage and "No description." in usage
    for words in (["--upstream", "nowhere"], ["--config", str(tmp_path / "missing.toml")]):
        with pytest.raises(SystemExit) as ended:
            OfficeOptions().parseOptions(words)
        assert ended.value.code == 78
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        RecurseOptions().parseOptions(["--show-config"])
    assert ended.value.code == 0
    assert 'role = "recurse"' in capsys.readouterr().out
