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
from twisted_ext.server.config.setting import DECLARED, Setting
from twisted_ext.server.config.settings import ZONE, Settings
from twisted_ext.server.config.types import COUNT, FLAG
from twisted_ext.server.operations.logs import formatterFor, isOfJournal
from twisted_ext.server.process.jobs.logqueue import drainAll, queuedObserver, sinkFor
from twisted_ext.server.process.prepare import prepareProcess
from twisted_ext.server.settings.helptext import usageOf
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.server.settings.startup import (
    BROKEN_PIPE,
    INTERRUPTED,
    MISCONFIGURED,
    WRONG,
    complainPlainly,
    end,
    neededModule,
    programName,
    wantSomething,
    withAdded,
)
from twisted_ext.server.settings.tomlfile import readFile

if TYPE_CHECKING:
    from twisted.application.service import IService

    from twisted_ext.server.config.types import Value
    from twisted_ext.server.service import Server
    from twisted_ext.zone.zone import Zone
from twisted_ext.web.setup.shown import pagesFor, shownPages

__all__ = ["ForwardOptions", "Options", "RecurseOptions", "RobotOptions", "ServeOptions", "makeService"]

_log: Final = Logger(__name__)

#: Twisted's messages about unknown options and sub-commands, to which a similar name is appended.
_NO_OPTION: Final = re.compile(r"option -?-?([^ ]+) (?:not recognized|not a unique prefix)")
_NO_COMMAND: Final = re.compile(r"Unknown command: (.+)", re.DOTALL)

#: The module that loads zones from Python files.
_PYTHON_ZONES: Final = "twisted_ext.compat.zones"

#: The file that C{twistd} writes its process ID to by default.
_PID_FILE: Final = "twistd.pid"

#: The sub-commands.
_ROLES: Final = ("forward", "recurse", "serve", "robot")


def _suggestion(word: str, known: Iterable[str], before: str = "") -> str:
    from difflib import get_close_matches

    close = get_close_matches(word, [each for each in known if before + each != word], 1, 0.7)
    return f"; did you mean {before}{close[0]}?" if close else ""


def _untyped(function: Callable[..., object], *arguments: object) -> None:
    function(*arguments)


def _sparePidFile(words: usage.Options | None) -> None:
    """
    Let C{twistd -n} run without its default file C{twistd.pid} where that would be an error: in a folder that cannot be written, and beside
    another server that runs in the same folder. A file that the operator has named stays.

    @param words: the options of C{twistd}.
    """
    if words is None or not words.get("nodaemon") or words.get("pidfile") != _PID_FILE:
        return
    try:
        with open(_PID_FILE, encoding="ascii") as file:
            os.kill(int(file.read()), 0)
    except FileNotFoundError:
        if not os.access(".", os.W_OK):
            words["pidfile"] = ""
    except ProcessLookupError:
        # Twisted replaces the file of a process that has ended.
        if not (os.access(_PID_FILE, os.W_OK) and os.access(".", os.W_OK)):
            words["pidfile"] = ""
    except (OSError, ValueError, OverflowError):
        words["pidfile"] = ""
    else:
        words["pidfile"] = ""


def _writeNoMore() -> None:
    # Otherwise Python reports an error when it flushes standard output at exit.
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Command(usage.Options):
    """
    The options of a sub-command, with errors of one line.

    @ivar config: the path of the configuration file, or L{None}.
    @ivar role: the sub-command, which is also the value of the setting C{role}; empty without one.
    """

    role = ""

    def __init__(self) -> None:
        _untyped(super().__init__)
        self.config: str | None = None

    def opt_config(self, path: str) -> None:
        """
        Read settings from this TOML file; options on the command line override it. It is read again at SIGHUP.
        """
        self.config = os.path.abspath(path)

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
        Parse the options. Errors are reported in one line, not after a page of help.
        """
        _sparePidFile(self.parent)
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
            # Twisted's own messages do not name the options and sub-commands that exist.
            end(said if said.startswith("--") else self._instead(said), MISCONFIGURED)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None

    def parseArgs(self, *words: str) -> None:
        if words:
            more = ": the sub-command is written once, and its options follow it" if words[0] in _ROLES else ""
            raise usage.UsageError(f"unexpected argument {words[0]!r}{more}")

    def _instead(self, said: str) -> str:
        """
        Return one of Twisted's own error messages with a similar option or sub-command appended, or a hint to C{--help}.
        """
        option, command = _NO_OPTION.search(said), _NO_COMMAND.search(said)
        meant = ""
        if option is not None:
            name = option[1].replace("_", "-")
            meant = _suggestion(name, [each.removeprefix("opt_").replace("_", "-") for each in dir(self) if each.startswith("opt_")], "--")
        elif command is not None:
            meant = _suggestion(command[1], _ROLES)
        return f"{said}{meant or f'; {programName()} --help lists what there is'}"


class _Words(_Command):
    """
    Command-line options that are settings. A tap of another package can add its own.

    @ivar given: the values of the options that were given, by the names of their settings.
    @ivar several: the same for settings that can be given several times.
    @ivar zones: for the values of C{zone}, with paths from the working directory, what was given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[str, Value] = {}
        self.several: dict[str, list[str]] = {}
        self.zones: dict[str, str] = {}
        self.showConfig = False
        self.showPath = False
        # Set where there are sub-commands.
        self.subOptions: _Words | RobotOptions | None = None
        self._checked: Settings | None = None

    def take(self, setting: Setting, text: str) -> None:
        option = f"--{setting.name}"
        try:
            value = setting.kind.fromText(text)
        except BadDescription as fault:
            raise usage.UsageError(f"{option} {fault}") from None
        if setting.many:
            # Appended: the number of zones is limited only by the length of a command line.
            self.several.setdefault(setting.name, []).append(str(value))
            if setting.kind is ZONE:
                self.zones[str(value)] = text
            return
        self.given[setting.name] = value
        if setting.name == "resolv-conf":
            self.given["recursive"] = True
        if setting.name == "zone-directory" and text:
            # A reload must find it as well, when this process has another working directory.
            self.given[setting.name] = os.path.abspath(text)

    def opt_bindzone(self, path: str) -> None:
        """
        Serve the zone of this master file; its name comes from the file name or $ORIGIN, as for twistd dns.
        """
        from twisted_ext.server.config.zonesettings import ZoneSettings, apexIn

        try:
            self.several.setdefault("zone", []).append(ZoneSettings.of(apexIn(path), os.path.abspath(path)).toText())
        except BadDescription as fault:
            raise usage.UsageError(f"--bindzone {fault}") from None

    def opt_secondary(self, text: str) -> None:
        """
        Fetch a zone from a server and serve it, as for twistd dns: 192.0.2.1/example.org.
        """
        from twisted_ext.server.config.zonesettings import ZoneSettings

        server, slash, name = text.partition("/")
        try:
            if not slash or not name:
                raise BadDescription(f"takes a server's address, a slash and the name of a zone (192.0.2.1/example.org), not {text!r}")
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
        Print the steps that a query goes through, in order, and exit.
        """
        self.showPath = True

    def parseOptions(self, options: list[str] | None = None) -> None:
        """
        Parse options, among which may be settings of plugins.
        """
        words = sys.argv[1:] if options is None else options
        for word in words:
            name = word.removeprefix("--").partition("=")[0]
            if word.startswith("--") and not hasattr(type(self), f"opt_{name.replace('-', '_')}"):
                # Loads plugins if this is no setting of this package's.
                DECLARED.named(name)
        if _addOptions():
            collect: Callable[[usage.Options], None] = usage.Options.__init__
            collect(self)
        super().parseOptions(options)

    def getSynopsis(self) -> str:
        if not programName().startswith("twistd"):
            return f"Usage: {programName()} [options]"
        if self._isOfTxdns:
            return f"Usage: twistd [options] txdns {self.role or '[forward | recurse | serve | robot]'} [options]"
        command = None if self.parent is None else self.parent.subCommand
        return f"Usage: twistd [options] {command or 'COMMAND'} [options]"

    def getUsage(self, width: int | None = None) -> str:
        own = [option for option in self.longOpt if not hasattr(_Words, f"opt_{option.rstrip('=').replace('-', '_')}")]
        return usageOf(self.role, _Words, [(f"--{option}", str(self.docs.get(option.rstrip("=")) or "")) for option in own])

    @property
    def _isOfTxdns(self) -> bool:
        """
        Whether these are the options of C{twistd txdns} or of one of its sub-commands, not those of a tap that extends them.
        """
        return type(self) in (Options, ForwardOptions, RecurseOptions, ServeOptions)

    def postOptions(self) -> None:
        """
        Check all settings before anything starts. The options of C{twistd txdns} do so for those of its sub-command.
        """
        if not isinstance(self.parent, Options):
            self._check(self)

    def _check(self, sub: _Words) -> None:
        """
        Check all settings, or print what the options ask for and exit.

        @param sub: the options of the sub-command, whose values L{given} has already.
        """
        if sub.role:
            self.given["role"] = sub.role
        self.config = sub.config or self.config
        try:
            settings = self.settings()
            prepareProcess(tls=_encrypts(settings))
            if self.showConfig or sub.showConfig:
                from twisted_ext.server.zones.load.validate import variantsIn

                # An operator who prints the settings also wants to know whether they are valid.
                variantsIn(settings)
                print(settings.toTOML(), end="")
                raise SystemExit(0)
            if self.showPath or sub.showPath:
                from twisted.internet import reactor

                from twisted_ext.server.dryrun import pathOf

                wantSomething(settings, self.config)
                print("\n".join(pathOf(cast(IReactorTime, reactor), settings)))
                raise SystemExit(0)
            self._checked = settings
        except DNSFault as fault:
            end(str(fault), MISCONFIGURED)

    def settings(self) -> Settings:
        directory = str(self.given.get("zone-directory", ""))
        values, origin = ({}, None) if self.config is None else readFile(self.config, directory)
        several = {name: tuple(given) for name, given in self.several.items()}
        directory = directory or str(values.get("zone-directory", ""))
        if directory and self.zones:
            # The option may follow those of zones, or be a line of the file.
            several["zone"] = tuple([str(ZONE.fromTOML(self.zones.get(text, text), directory)) for text in several["zone"]])
        return withAdded(Settings({**values, **self.given, **several}, options={*self.given, *several}, origin=origin))

    def first(self) -> Settings:
        """
        Return the settings that were read when the options were checked; from the second call on the same as L{settings}.
        """
        checked, self._checked = self._checked, None
        return self.settings() if checked is None else checked


def _encrypts(settings: Settings) -> bool:
    """
    Return whether a server uses OpenSSL in any case, or runs what may take its reactor to do so: other people's endpoints and programs.
    """
    listeners = settings.tls or settings.https or settings.quic or settings.http3 or settings.certificate or settings.selfSigned
    return bool(listeners or settings.manhole or settings.pyzone)


def _optionsFor(setting: Setting) -> dict[str, Callable[..., None]]:
    """
    Return methods for L{_Words} by the names of the options that call them.
    """
    name = setting.name.replace("-", "_")
    made: dict[str, Callable[..., None]]

    def count(self: _Words) -> None:
        self.given[setting.name] = cast(int, self.given.get(setting.name, 0)) + 1

    def yes(self: _Words) -> None:
        self.given[setting.name] = True

    def no(self: _Words) -> None:
        self.given[setting.name] = False

    def take(self: _Words, text: str) -> None:
        self.take(setting, text)

    if setting.kind is FLAG:
        made = {name: yes, f"no_{name}": no}
    else:
        made = {name: count if setting.kind is COUNT else take}
    if setting.short:
        made[setting.short] = made[name]
    for option in made.values():
        option.__doc__ = setting.help
    return made


def _addOptions() -> bool:
    """
    Make an option of each setting that has none yet.

    @return: whether there are any.
    """
    added = False
    for setting in allSettings(plugins=False):
        for name, option in _optionsFor(setting).items():
            if not hasattr(_Words, f"opt_{name}"):
                setattr(_Words, f"opt_{name}", option)
                added = True
    return added


_addOptions()


class ForwardOptions(_Words):
    role = "forward"


class RecurseOptions(_Words):
    role = "recurse"


class ServeOptions(_Words):
    role = "serve"


class RobotOptions(_Command):
    """
    C{twistd txdns robot}, which is no DNS server and has its own settings file.
    """

    role = "robot"
    check = False

    def opt_config(self, path: str) -> None:
        """
        Read all settings from this TOML file. It is read again at SIGHUP.
        """
        super().opt_config(path)

    def opt_check(self) -> None:
        """
        Check the settings file, and exit.
        """
        self.check = True

    def getSynopsis(self) -> str:
        return "Usage: twistd [options] txdns robot --config FILE"

    def postOptions(self) -> None:
        if self.config is None:
            raise usage.UsageError("--config is missing: the robot's settings file")
        if self.check:
            self.makeService(self.config)
            print(f"{self.config} is valid")
            raise SystemExit(0)

    def makeService(self, config: str) -> tuple[IService, Callable[[], None]]:
        """
        Create the robot, after its settings were checked.

        @return: the service, and a function that reads the settings again.
        """
        from twisted.internet import reactor

        # Imported only here: a DNS server needs none of it.
        read = import_module("twisted_ext.apps.robot.program.settings").readRobotSettings
        try:
            robot = import_module("twisted_ext.apps.robot.program.service").RobotService(reactor, partial(read, config))
        except DNSFault as fault:
            end(str(fault), MISCONFIGURED)
        return robot, robot.reload


class Options(_Words):
    """
    C{twistd txdns}; options may be given before or after the sub-command.
    """

    subCommands = [
        ["forward", None, ForwardOptions, "answer from zones and a cache, and forward other queries"],
        ["recurse", None, RecurseOptions, "answer from zones and a cache, resolve other names from the root, and validate"],
        ["serve", None, ServeOptions, "answer from zones only"],
        ["robot", None, RobotOptions, "no DNS server, but the information robot: it answers on IRC networks"],
    ]

    def postOptions(self) -> None:
        """
        Merge the sub-command's options, and check all settings before anything starts.
        """
        sub = _Words() if self.subOptions is None else self.subOptions
        if isinstance(sub, RobotOptions):
            prepareProcess()
            if self.given or self.several or self.config:
                raise usage.UsageError("the robot has its own options, which follow its name: twistd txdns robot --config FILE")
            return
        self.given.update(sub.given)
        for name, values in sub.several.items():
            self.several.setdefault(name, []).extend(values)
        self.zones.update(sub.zones)
        self._check(sub)


def makeService(options: _Words) -> IService:
    """
    Create the service for L{Options}, or for a class of options that extends those of a sub-command. Errors in options, files and settings
    are found first; then the sockets are bound, while errors still reach the terminal and before privileges are dropped.
    """
    complainPlainly(partial(_logsToFile, options.parent))
    sub = options.subOptions
    if isinstance(sub, RobotOptions):
        robot, reload = sub.makeService(sub.config or "")
        _reloadAtHangUp(reload)
        return robot
    from twisted.internet import reactor

    from twisted_ext.server.process.jobs.tuning import tuneInterpreter
    from twisted_ext.server.service import makeServer

    try:
        settings = options.first()
        wantSomething(settings, options.config)
        if settings.pyzone:
            # Import it now: after privileges are dropped this package may be unreadable.
            import_module(_PYTHON_ZONES)
        server = makeServer(cast(IReactorTime, reactor), settings, options.settings, _zoneFromPython, shownPages)
        server.lost = partial(_giveUp, shown=_showsLog(options.parent))
        if settings.role == "serve":
            server.useless = server.lost
        _watch(server, settings)
    except (DNSFault, OSError) as fault:
        end(str(fault), MISCONFIGURED)
    try:
        server.bind()
    except (DNSFault, OSError) as fault:
        end(str(fault))
    server.observer = _observerFor(options.parent, settings)
    _reloadAtHangUp(server.reloadNow)
    reactor.callWhenRunning(tuneInterpreter)
    reactor.callWhenRunning(_watchTheEnd, server)
    return server


def _watchTheEnd(server: Server) -> None:
    """
    Exit with an error if the reactor stops without a request to stop, such as for lack of memory: C{twistd} only logs that and exits with
    0.
    """
    import atexit

    atexit.register(lambda: _leave() if server.running else None)


def _leave() -> None:
    """
    Exit with an error at once. C{twistd} exits with 0 otherwise, and has no interface to change that.
    """
    drainAll()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(WRONG)


def _logsToFile(words: usage.Options | None) -> bool:
    return words is not None and (bool(words.get("logfile", "-") not in (None, "", "-")) or not words.get("nodaemon"))


def _showsLog(words: usage.Options | None) -> bool:
    """
    Return whether the log comes to the same terminal, pipe or file as standard error.
    """
    if words is None or words.get("logger") or words.get("syslog") or _logsToFile(words):
        return False
    try:
        return os.path.samestat(os.fstat(1), os.fstat(2))
    except OSError:
        return False


def _observerFor(words: usage.Options | None, settings: Settings) -> FileLogObserver | None:
    """
    Return an observer that writes the log in the configured format to the place where C{twistd} would write it; L{None} for syslog or an
    observer that the operator chose, which have their own formats.

    @param words: the options of C{twistd}; L{None} if another program runs the service.
    """
    if words is None or "nodaemon" not in words or words.get("logger") or words.get("syslog"):
        return None
    from twisted.internet import reactor

    path = words.get("logfile")
    if path == "-" or (not path and words["nodaemon"]):
        if not words["nodaemon"]:
            # Daemons cannot write to standard output; twistd reports that next.
            return None
        line = formatterFor(settings.logFormat, isOfJournal(sys.stdout, os.environ))
        return queuedObserver(reactor, sinkFor(sys.stdout), line)[0]
    make: Callable[[str], LogFile] = LogFile.fromFullPath
    file = make(path or "twistd.log")
    observer, queue = queuedObserver(reactor, file, formatterFor(settings.logFormat))
    if not signal.getsignal(signal.SIGUSR1):

        def rotate(number: int, frame: object) -> None:
            # Queued after the waiting lines, which belong in the old file.
            queue.call(file.rotate)

        signal.signal(signal.SIGUSR1, rotate)
    return observer


def _zoneFromPython(path: str) -> Zone:
    make: Callable[[str], Zone] = import_module(_PYTHON_ZONES).zoneFromPython
    return make(path)


def _giveUp(said: str, shown: bool = False) -> None:
    """
    Stop the server because it has nothing to serve or does not respond, and print the reason. With this exit code systemd restarts it.

    @param shown: whether the reason, which has been logged, is on the terminal already.
    """
    try:
        import atexit

        from twisted.internet import reactor

        with suppress(OSError, ValueError):
            if not shown:
                print(f"{programName()}: {said}", file=sys.__stderr__ or sys.stderr, flush=True)
        # This runs after the services have stopped.
        atexit.register(_leave)
        # The reactor may not be running yet.
        reactor.callWhenRunning(reactor.stop)
    except MemoryError:
        # There is no memory for an orderly shutdown.
        os._exit(WRONG)


class _Willing(Service):
    """
    An optional part: the server runs without it if it cannot be started.
    """

    def __init__(self, inner: Service) -> None:
        self._inner = inner

    def startService(self) -> None:
        self.running = 1
        try:
            self._inner.startService()
        except CallerFault as fault:
            _log.warn("continuing without it: {fault}", fault=fault)

    def stopService(self) -> Deferred[None] | None:
        self.running = 0
        return self._inner.stopService()


def _watch(server: Server, settings: Settings) -> None:
    """
    Add the status page, the manhole and the control socket that the settings ask for. Each is imported only when it is used, because it
    imports large modules.

    @raise CallerFault: one of them cannot be made.
    """
    from twisted.internet import reactor

    operations = server.operations
    if settings.stateFolder():
        from twisted_ext.server.operations.historyfile import HistoryFile

        server.add(HistoryFile(cast(IReactorTime, reactor), settings.stateFolder(), operations.history))
    if settings.http:
        module = import_module("twisted_ext.web.status.service")
        module.warnOfStrangers(settings)
        web = module.WebService(reactor, settings.http, operations, setup=lambda: pagesFor(*server.offered()))
        server.add(web, web.bind)
    if settings.api or settings.console:
        import_module("twisted_ext.apps.administration").addAdministration(server, settings, reactor)
    if settings.manhole:
        module = neededModule("manhole", "twisted_ext.apps.manhole", "shell")
        names = module.namespaceFor(operations)
        server.add(module.ManholeService(reactor, settings.manhole, settings.manholeKeys, names))
    if settings.control:
        from twisted_ext.server.operations.controlpath import controlPaths
        from twisted_ext.server.operations.controlservice import ControlService

        chosen = settings.control != "auto"
        control = ControlService(cast(IReactorUNIX, reactor), settings.control if chosen else controlPaths(), operations)
        server.add(control if chosen else _Willing(control))


def _reloadAtHangUp(reload: Callable[[], object]) -> None:
    from twisted.internet import reactor

    def hungUp(number: int, frame: object) -> None:
        # A signal may interrupt any code: leave the work to the reactor.
        IReactorFromThreads(reactor).callFromThread(reload)

    if hasattr(signal, "SIGHUP"):
        reactor.callWhenRunning(partial(signal.signal, signal.SIGHUP, hungUp))
