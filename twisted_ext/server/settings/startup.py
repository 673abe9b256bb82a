"""
Start-up errors of a server: one line on the terminal, which begins with the program's name, and an exit code.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final, NoReturn

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, CallerFault, DNSFault
from twisted_ext.server.config.addedvalues import ADDED
from twisted_ext.server.config.clientwords import ClientWords
from twisted_ext.server.features.blocking.settings import BlockingSettings
from twisted_ext.server.features.localnames.feature import LocalNamesSettings
from twisted_ext.server.features.policyzones.settings import PolicyZonesSettings
from twisted_ext.server.features.views.settings import ViewsSettings, isValidating, viewsOf
from twisted_ext.server.settings.doors import warnOfShortPaths
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from twisted_ext.server.config.settings import Settings

__all__ = [
    "BROKEN_PIPE", "INTERRUPTED", "MISCONFIGURED", "WRONG", "callProgram", "complainPlainly", "end", "neededModule", "programName",
    "wantSomething", "withAdded",
]  # fmt: skip

_log: Final = Logger(__name__)

#: Values of L{ADDED} without effect that are logged one by one: those of a view that was taken out may be a thousand.
_SKIPPED: Final = 10

#: Exit code for a failure outside the settings, such as a socket that cannot be bound: a later start may succeed.
WRONG: Final = 1

#: Exit code for wrong options or settings (C{EX_CONFIG} of sysexits(3)): a restart would fail in the same way.
MISCONFIGURED: Final = 78

#: The exit status that shells use for programs ended by SIGINT.
INTERRUPTED: Final = 130

#: The exit status that shells use for programs ended by SIGPIPE.
BROKEN_PIPE: Final = 141

#: Settings that only a recursive resolver uses.
_RECURSING: Final = (
    "root-hints",
    "local-root",
    "validate",
    "trust-anchor",
    "negative-trust-anchor",
    "stub",
    "minimize",
    "opportunistic",
    "query-cookies",
    "mixed-case",
    "error-reports",
    "query-ipv6",
    "query-localhost",
)

#: Those of them that others use which validate.
_TRUSTING: Final = ("trust-anchor", "negative-trust-anchor")

#: The name of the program: the sub-command of twistd, unless another one runs the server.
_program = "twistd txdns"


def callProgram(name: str) -> None:
    """
    Say by which name the operator has started the server.
    """
    global _program
    _program = name


def programName() -> str:
    return _program


def end(text: str, code: int = WRONG) -> NoReturn:
    """
    Print why the server does not start, one line for each fault, and exit.

    @param code: L{WRONG} or L{MISCONFIGURED}.
    """
    # sys.stderr may have been redirected to the log by now.
    terminal = sys.__stderr__ or sys.stderr
    with suppress(OSError, ValueError):
        for line in text.splitlines():
            print(f"{_program}: {printable(line)}", file=terminal, flush=True)
    raise SystemExit(code)


def withAdded(own: Settings) -> Settings:
    """
    Return settings with the values that were added and removed while the server ran.

    @raise BadDescription: the file of these is not valid.
    """
    folder = own.stateFolder()
    if not folder or not os.path.exists(os.path.join(folder, ADDED)):
        return own
    # Most servers need not load this.
    from twisted_ext.server.settings import additions
    from twisted_ext.server.settings.addedfile import addedIn

    skipped: list[str] = []
    values = addedIn(folder, skipped.append)
    settings = additions.withAdded(own, values, lambda value, reason: skipped.append(f"{value}: {reason}"))
    path = os.path.join(folder, ADDED)
    for said in skipped[:_SKIPPED]:
        _log.warn("{path}: not applied: {said}", path=path, said=said)
    if more := len(skipped[_SKIPPED:]):
        _log.warn("{path}: not applied: {more} more values", path=path, more=more)
    return settings


def wantSomething(settings: Settings, config: str | None) -> None:
    """
    Check that a server without recursion has zones to serve, and warn about settings that it ignores.

    @param config: the path of the settings file, if there is one.

    @raise BadDescription: there are no zones, and no file or folder through which a reload could add some.
    """
    if settings.role == "recurse" and (settings.upstream or "resolv-conf" in settings.given):
        _log.warn("upstream and resolv-conf have no effect with recurse, which asks no other resolver; use route for single domains")
    idle = [name for name in _RECURSING if name in settings.given and not (isValidating(settings) and name in _TRUSTING)]
    if settings.role != "recurse" and idle:
        _log.warn("{names}: these settings have an effect with recurse only", names=", ".join(idle))
    if "https-path" in settings.given and not (settings.https or settings.httpsClear or settings.http3):
        _log.warn("https-path has no effect without https, https-clear or http3")
    if not settings.cache and not settings.given.keys().isdisjoint(("min-ttl", "max-ttl", "max-negative-ttl")):
        _log.warn("min-ttl, max-ttl and max-negative-ttl have no effect without the cache")
    if settings.role == "serve" and not settings.recursive and (settings.upstream or settings.route):
        _log.warn("upstream and route have no effect with serve, which asks no upstream; use forward, which serves zones as well")
    blocking = settings[BlockingSettings]
    if settings.role == "serve" and (blocking.block or blocking.blockList or blocking.lists):
        _log.warn("block, block-list and lists have no effect with serve; use forward, which serves zones as well")
    if settings[ViewsSettings].view:
        _warnOfHiddenViews(settings)
        _warnOfOtherFamily(settings)
        warnOfShortPaths(settings)
    if blocking.list:
        from twisted_ext.server.features.blocking.lists import unusedLists

        unused = unusedLists(settings)
        if unused:
            _log.warn("lists that are not applied: {names}; name them in lists", names=", ".join(unused))
    policies = settings[PolicyZonesSettings]
    if policies.policyZone or policies.policyZones:
        from twisted_ext.server.features.policyzones.zones import idleZones

        for said in idleZones(settings):
            _log.warn("{said}", said=said)
    if settings.api:
        # Zones may be added by it.
        return
    local = settings[LocalNamesSettings]
    if settings.role != "serve" or settings.recursive or settings.pyzone or local.local or local.localFile or any(local.hostsFile):
        return
    from twisted_ext.server.config.zonesettings import ZoneSettings, gather
    from twisted_ext.server.zones.load.validate import viewsWithZones

    if viewsWithZones(settings):
        return
    found: dict[bytes, ZoneSettings] = {}
    # Stop at the first: there may be many.
    for _ in gather(settings, found):
        if found:
            return
    from twisted_ext.server.zones.load.standing import isKept

    if settings.zones and isKept(settings.stateFolder()):
        # They had zones, which may be served as before: the server logs that.
        return
    said = "there is no zone to serve; write --zone NAME=FILE, --zones FOLDER, or [[zone]] tables into a file for --config"
    if settings.zones:
        said = f"there is no zone in {', '.join(settings.zones)}; files there have to be named like their zones"
    elif config is None:
        raise BadDescription(said)
    # Zones may appear when the settings or folders are read again.
    _log.warn("{said}; until there is one, all queries are refused", said=said)


def _warnOfOtherFamily(settings: Settings) -> None:
    from twisted.internet.abstract import isIPAddress

    if settings.interface and all(isIPAddress(each) for each in settings.interface):
        return
    clients = {view.name: [ClientWords.fromText(each).prefix for each in view.clients] for view in viewsOf(settings)}
    names = [name for name, prefixes in clients.items() if not any(each in ("", "any") or ":" in each for each in prefixes)]
    if names:
        text = "view{s} {names}: no client is given by an IPv6 prefix, so a device that queries over IPv6 is not in {them}; add its prefix"
        _log.warn(text, s="s" if len(names) > 1 else "", names=", ".join(names), them="them" if len(names) > 1 else "it")


def _warnOfHiddenViews(settings: Settings) -> None:
    from twisted_ext.server.features.views.selectors import Selectors

    views = viewsOf(settings)
    for number, earlier in Selectors([view.clients for view in views]).hidden.items():
        text = "view {name} gets no clients: {clients} is all in views before it, such as {earlier}"
        view = views[number]
        _log.warn(text, name=view.name, clients=", ".join(view.clients), earlier=views[earlier].name)


def complainPlainly(logsToFile: Callable[[], bool]) -> None:
    """
    Install an exception hook that prints one line instead of a traceback for errors that are not bugs, and nothing for Ctrl-C.

    @param logsToFile: returns whether the log goes elsewhere than to the terminal.
    """
    before = sys.excepthook

    def complain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if isinstance(error, DNSFault):
            # On the terminal or in the journal the line below is enough; a daemon has only its log.
            if logsToFile():
                _log.critical("{fault}", fault=error)
            with suppress(SystemExit):
                end(str(error))
            if isinstance(error, BadDescription):
                # Found only after privileges were dropped: a restart would fail in the same way. Python itself would exit with 1.
                atexit.register(os._exit, MISCONFIGURED)
        elif not isinstance(error, KeyboardInterrupt):
            before(kind, error, traceback)

    sys.excepthook = complain


def neededModule(setting: str, module: str, extra: str) -> ModuleType:
    """
    Import what a setting takes.

    @raise CallerFault: a library of an extra is missing.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "twisted_ext"):
            raise
        raise CallerFault(f"{setting} needs {package}, which is not installed: pip install 'twisted-ext[{extra}]'") from error
