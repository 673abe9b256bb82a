"""
The C{twistd txdns} plugin: parses its options and builds the service.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads, IReactorTime, IReactorUNIX
from twisted.logger import FileLogObserver, Logger
from twisted.python import usage
from twisted.python.logfile import LogFile

from twisted_ext._version import __version__
from twisted_ext.errors import BadDescription, CallerFault, DNSFault
from twisted_ext.extras import importWithExtra
from twisted_ext.server.config.helptext import usageOf
from twisted_ext.server.config.settings import SETTINGS, Setting, Settings
from twisted_ext.server.config.startup import (
    BROKEN_PIPE,
    INTERRUPTED,
    MISCONFIGURED,
    WRONG,
    complainPlainly,
    end,
    wantSomething,
)
from twisted_ext.server.config.tomlfile import readSettings
from twisted_ext.server.operations.logqueue import drainAll, queuedObserver, sinkFor
from twisted_ext.server.operations.logs import formatterFor, isOfJournal

if TYPE_CHECKING:
    from twisted.application.service import IService

    from twisted_ext.server.config.types import Value
    from twisted_ext.server.service import Server
    from twisted_ext.zone.zone import Zone

__all__ = ["ForwardOptions", "Options", "ServeOptions", "makeService"]

_log: Final = Logger()

#: Faults of words as Twisted has them, and what follows.
_NO_OPTION: Final = re.compile(r"option -?-?([^ ]+) (?:not recognized|not a unique prefix)")
_NO_COMMAND: Final = re.compile(r"Unknown command: (.+)", re.DOTALL)


#: The module that runs code which makes zones.
_PYTHON_ZONES: Final = "twisted_ext.compat.zones"

#: What the server can be told to do, as the first word.
_ROLES: Final = ("forward", "serve")


def _meant(word: str, known: Iterable[str], before: str = "") -> str:
    """
    @return: a question, if one of those that there are is like this word.
    """
    from difflib import get_close_matches

    close = get_close_matches(word, list(known), 1, 0.7)
    return f"; did you mean {before}{close[0]}?" if close else ""


def _untyped(function: Callable[..., object], *arguments: object) -> None:
    function(*arguments)


def _writeNoMore() -> None:
    # Or Python complains when it flushes at its end.
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Words(usage.Options):
    """
    Options that are settings.

    @ivar given: those that were given, by the names of settings.
    @ivar several: the values of those that can be given several times.
    @ivar config: the file, or L{None}.
    @ivar role: what the sub-command says that the server does; C{""} where there is none.
    """

    role = ""

    def __init__(self) -> None:
        _untyped(super().__init__)
        self.given: dict[str, Value] = {}
        self.several: dict[str, list[str]] = {}
        self.config: str | None = None
        self.showConfig = False
        self.showPath = False

    def take(self, setting: Setting, text: str) -> None:
        """
        An option was given.
        """
        option = f"--{setting.name}"
        try:
            value = setting.kind.fromText(text)
        except BadDescription as fault:
            raise usage.UsageError(f"{option} {fault}") from None
        if setting.many:
            # There may be as many zones as a command line has room for.
            self.several.setdefault(setting.name, []).append(str(value))
            return
        self.given[setting.name] = value
        if setting.name == "resolv-conf":
            self.given["recursive"] = True

    def more(self, setting: Setting) -> None:
        """
        An option that counts how often it is given was given.
        """
        self.given[setting.name] = cast(int, self.given.get(setting.name, 0)) + 1

    def set(self, setting: Setting, value: bool) -> None:
        """
        An option that is yes or no was given.
        """
        self.given[setting.name] = value

    def opt_config(self, path: str) -> None:
        """
        Read settings from this TOML file; options given here go before it. It is read again at SIGHUP.
        """
        self.config = os.path.abspath(path)

    def opt_bindzone(self, path: str) -> None:
        """
        Serve the zone of this master file, whose name or C{$ORIGIN} says which that is; as C{twistd dns} has it.
        """
        from twisted_ext.server.config.zonesettings import ZoneSettings, apexIn

        try:
            self.several.setdefault("zone", []).append(ZoneSettings.of(apexIn(path), os.path.abspath(path)).toText())
        except BadDescription as fault:
            raise usage.UsageError(f"--bindzone {fault}") from None

    def opt_secondary(self, text: str) -> None:
        """
        Fetch a zone from a server, and serve it: C{192.0.2.1/example.org}, C{192.0.2.1:5353/example.org}; as C{twistd dns} has it.
        """
        from twisted_ext.server.config.zonesettings import ZoneSettings

        server, slash, name = text.partition("/")
        try:
            if not slash or not name:
                raise BadDescription(f"takes the address of a server, a slash, and the name of a zone, not {text!r}")
            self.several.setdefault("zone", []).append(ZoneSettings.fromTable({"name": name, "primaries": [server]}).toText())
        except BadDescription as fault:
            raise usage.UsageError(f"--secondary {fault}") from None

    def opt_show_config(self) -> None:
        """
        Print all settings as a TOML file, and exit.
        """
        self.showConfig = True

    def opt_show_path(self) -> None:
        """
        Print what a question goes through, in order, and exit.
        """
        self.showPath = True

    def opt_version(self) -> None:
        """
        Print the version, and exit.
        """
        import platform

        from twisted import __version__ as twisted

        print(f"txdns {__version__} (Twisted {twisted}, Python {platform.python_version()})")
        raise SystemExit(0)

    def parseOptions(self, options: list[str] | None = None) -> None:
        """
        Read the words. What is wrong with them is said in one line, not behind a page of help.
        """
        try:
            try:
                _untyped(super().parseOptions, options)
            finally:
                # Flush what the options printed here: later, a write error could not be reported.
                if sys.stdout is not None:
                    sys.stdout.flush()
        except BrokenPipeError:
            _writeNoMore()
            raise SystemExit(BROKEN_PIPE) from None
        except OSError as error:
            _writeNoMore()
            end(f"{error.filename or 'standard output'}: {error.strerror or error}")
        except usage.UsageError as error:
            said = str(error).rstrip(".")
            # One of Twisted's own faults says nothing of what there is instead.
            end(said if said.startswith("--") else self._instead(said), MISCONFIGURED)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None

    def parseArgs(self, *words: str) -> None:
        """
        There are none but options.
        """
        if words:
            raise usage.UsageError(f"nothing is to be done with {words[0]!r}{_meant(words[0], _ROLES)}")

    def _instead(self, said: str) -> str:
        """
        @return: one of Twisted's own faults, and what was meant, or where that stands.
        """
        option, command = _NO_OPTION.search(said), _NO_COMMAND.search(said)
        meant = ""
        if option is not None:
            name = option[1].replace("_", "-")
            meant = _meant(name, [each.removeprefix("opt_").replace("_", "-") for each in dir(self) if each.startswith("opt_")], "--")
        elif command is not None:
            meant = _meant(command[1], _ROLES)
        return f"{said}{meant or '; twistd txdns --help lists what there is'}"

    def getSynopsis(self) -> str:
        """
        @return: the same for both of them.
        """
        return f"Usage: twistd [options] txdns {self.role or '[forward | serve]'} [options]"

    def getUsage(self, width: int | None = None) -> str:
        """
        @return: all options, under the headings of their settings.
        """
        return usageOf(self.role)


def _addOptions() -> None:
    for setting in SETTINGS:
        name = f"opt_{setting.name.replace('-', '_')}"
        for key, option in _optionsFor(setting, name).items():
            setattr(_Words, key, option)


def _optionsFor(setting: Setting, name: str) -> dict[str, Callable[..., None]]:
    from twisted_ext.server.config.types import COUNT, FLAG

    made: dict[str, Callable[..., None]] = {}
    if setting.kind is COUNT:

        def count(self: _Words) -> None:
            self.more(setting)

        made[name] = count
    elif setting.kind is FLAG:

        def yes(self: _Words) -> None:
            self.set(setting, True)

        def no(self: _Words) -> None:
            self.set(setting, False)

        made[name] = yes
        made[f"opt_no_{name.removeprefix('opt_')}"] = no
    else:

        def take(self: _Words, text: str) -> None:
            self.take(setting, text)

        made[name] = take
    if setting.short:
        made[f"opt_{setting.short}"] = made[name]
    for option in made.values():
        option.__doc__ = setting.help
    return made


_addOptions()


class ForwardOptions(_Words):
    """
    C{twistd txdns forward}.
    """

    role = "forward"


class ServeOptions(_Words):
    """
    C{twistd txdns serve}.
    """

    role = "serve"


class Options(_Words):
    """
    C{twistd txdns}; options may stand before the sub-command as well as behind it.
    """

    subCommands = [
        ["forward", None, ForwardOptions, "answer from zones and a cache, and ask other servers"],
        ["serve", None, ServeOptions, "answer from zones alone"],
    ]

    def __init__(self) -> None:
        super().__init__()
        self.subOptions: _Words | None = None
        self._checked: Settings | None = None

    def postOptions(self) -> None:
        """
        Check all of it, before anything starts.
        """
        sub = _Words() if self.subOptions is None else self.subOptions
        for name, value in sub.given.items():
            self.given[name] = value
        for name, values in sub.several.items():
            self.several.setdefault(name, []).extend(values)
        if sub.role:
            self.given["role"] = sub.role
        self.config = sub.config or self.config
        try:
            settings = self.settings()
            if self.showConfig or sub.showConfig:
                # An operator who prints the settings also wants to know whether they are valid.
                _checkZones(settings)
                print(settings.toTOML(), end="")
                raise SystemExit(0)
            if self.showPath or sub.showPath:
                _showPath(settings)
                raise SystemExit(0)
            self._checked = settings
        except DNSFault as fault:
            end(str(fault), MISCONFIGURED)

    def settings(self) -> Settings:
        """
        @return: what file and options say, read now.

        @raise BadDescription: see L{readSettings}.
        """
        values = {} if self.config is None else readSettings(self.config)
        several = {name: tuple(given) for name, given in self.several.items()}
        return Settings({**values, **self.given, **several})

    def first(self) -> Settings:
        """
        @return: those that were read when the words were checked, once; from then on as L{settings}.
        """
        checked, self._checked = self._checked, None
        return self.settings() if checked is None else checked


def _checkZones(settings: Settings) -> None:
    from twisted_ext.server.zones.validate import checkZones, zonesIn

    checkZones(settings, zonesIn(settings))


def _showPath(settings: Settings) -> None:
    from twisted.internet import reactor

    from twisted_ext.server.service import pathOf

    print("\n".join(pathOf(cast(IReactorTime, reactor), settings)))


def makeService(options: Options) -> IService:
    """
    Make the server that the options ask for. Everything that can be wrong with options, files and settings is found first; then the sockets
    are bound, while an error still reaches the terminal and before privileges are dropped.
    """
    complainPlainly(partial(_logsToFile, options.parent))
    from twisted.internet import reactor

    from twisted_ext.server.jobs.gctuning import collectLess
    from twisted_ext.server.service import makeServer

    try:
        settings = options.first()
        wantSomething(settings, options.config)
        if settings.pyzone:
            # Run later by a user who may not be able to read where this is installed.
            import_module(_PYTHON_ZONES)
        server = makeServer(cast(IReactorTime, reactor), settings, options.settings, _zoneFromPython)
        if settings.role == "serve":
            server.useless = _giveUp
        server.lost = _giveUp
        _watch(server, settings)
    except (DNSFault, OSError) as fault:
        end(str(fault), MISCONFIGURED)
    try:
        server.bind()
    except (DNSFault, OSError) as fault:
        end(str(fault))
    server.observer = _observerFor(options.parent, settings)
    _reloadAtHangUp(server.reloadNow)
    reactor.callWhenRunning(collectLess)
    reactor.callWhenRunning(_watchTheEnd, server)
    return server


def _watchTheEnd(server: Server) -> None:
    """
    Exit with an error if the reactor ends without having been told to, such as for want of memory: C{twistd} logs that, and exits with 0.
    """
    import atexit

    def look() -> None:
        if server.running:
            _leave()

    atexit.register(look)


def _leave() -> None:
    """
    Exit with an error now, although C{twistd} thinks that all is well and has no way to be told otherwise.
    """
    drainAll()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(WRONG)


def _logsToFile(words: usage.Options | None) -> bool:
    """
    @param words: those of C{twistd}, if that is what has been started.
    """
    return words is not None and (bool(words.get("logfile", "-") not in (None, "", "-")) or not words.get("nodaemon"))


def _observerFor(words: usage.Options | None, settings: Settings) -> FileLogObserver | None:
    """
    @param words: those of C{twistd}, if that is what has been started.

    @return: what writes its log as the settings say, wherever C{twistd} would write it; L{None} where it goes to syslog or to an observer
        of the operator's, which have formats of their own.
    """
    if words is None or "nodaemon" not in words or words.get("logger") or words.get("syslog"):
        return None
    from twisted.internet import reactor

    path = words.get("logfile")
    if path == "-" or (not path and words["nodaemon"]):
        if not words["nodaemon"]:
            # Daemons cannot write to standard output, as twistd is about to say.
            return None
        line = formatterFor(settings.logFormat, isOfJournal(sys.stdout, os.environ))
        return queuedObserver(reactor, sinkFor(sys.stdout), line)[0]
    make: Callable[[str], LogFile] = LogFile.fromFullPath
    file = make(path or "twistd.log")
    observer, queue = queuedObserver(reactor, file, formatterFor(settings.logFormat))
    if not signal.getsignal(signal.SIGUSR1):

        def rotate(number: int, frame: object) -> None:
            # Behind the lines that wait, which belong into the old file.
            queue.call(file.rotate)

        signal.signal(signal.SIGUSR1, rotate)
    return observer


def _zoneFromPython(path: str) -> Zone:
    make: Callable[[str], Zone] = import_module(_PYTHON_ZONES).zoneFromPython
    return make(path)


def _giveUp(said: str) -> None:
    """
    End the server because there is nothing that it could do, or because it does not answer, and say so to the shell. The exit code has
    systemd start it anew.
    """
    try:
        import atexit

        from twisted.internet import reactor

        with suppress(OSError, ValueError):
            print(f"twistd txdns: {said}", file=sys.__stderr__ or sys.stderr, flush=True)
        # By then all is put away.
        atexit.register(_leave)
        # It may not run yet.
        reactor.callWhenRunning(reactor.stop)
    except MemoryError:
        # There is none to put anything away with.
        os._exit(WRONG)


class _Willing(Service):
    """
    A part that the server does without where it cannot be had.
    """

    def __init__(self, inner: Service) -> None:
        self._inner = inner

    def startService(self) -> None:
        """
        Start it, or say why not.
        """
        self.running = 1
        try:
            self._inner.startService()
        except CallerFault as fault:
            _log.warn("doing without: {fault}", fault=fault)

    def stopService(self) -> Deferred[None] | None:
        """
        Stop it, if it was started.
        """
        self.running = 0
        return self._inner.stopService()


def _load(module: str, name: str) -> Callable[..., Service]:
    """
    @return: what makes a part that most servers do without, and that brings heavy things along.
    """
    return cast("Callable[..., Service]", getattr(import_module(module), name))


def _watch(server: Server, settings: Settings) -> None:
    """
    Add the status page, the manhole and the control socket that the settings ask for.

    @raise CallerFault: one of them cannot be made.
    """
    from twisted.internet import reactor

    operations = server.operations
    if settings.http:
        web = import_module("twisted_ext.apps.web.service").WebService(reactor, settings.http, operations)
        server.add(web, web.bind)
    if settings.manhole:
        module = importWithExtra("twisted_ext.apps.manhole", "shell", "manhole")
        names = module.namespaceFor(operations)
        server.add(_load(module.__name__, "ManholeService")(reactor, settings.manhole, settings.manholeKeys, names))
    if settings.control:
        from twisted_ext.server.operations.control import ControlService
        from twisted_ext.server.operations.controlpath import controlPaths

        chosen = settings.control != "auto"
        control = ControlService(cast(IReactorUNIX, reactor), settings.control if chosen else controlPaths(), operations)
        server.add(control if chosen else _Willing(control))


def _reloadAtHangUp(reload: Callable[[], object]) -> None:
    """
    Read the settings again when a SIGHUP comes.
    """
    import signal

    from twisted.internet import reactor

    def hungUp(number: int, frame: object) -> None:
        # Signals come at any moment; the reactor does it when it is ready for it.
        IReactorFromThreads(reactor).callFromThread(reload)

    if hasattr(signal, "SIGHUP"):
        reactor.callWhenRunning(partial(signal.signal, signal.SIGHUP, hungUp))
