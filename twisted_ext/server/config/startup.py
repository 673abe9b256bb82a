"""
Whether C{twistd txdns} begins, and what is said where it does not: a line, and an exit code.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn

from twisted.logger import Logger

from twisted_ext.errors import BadDescription, DNSFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from twisted_ext.server.config.settings import Settings

__all__ = ["BROKEN_PIPE", "INTERRUPTED", "MISCONFIGURED", "WRONG", "complainPlainly", "end", "wantSomething"]

_log: Final = Logger()

#: Exit code where something outside the settings failed, such as a socket that cannot be bound: a later try may succeed.
WRONG: Final = 1

#: Exit code where options or settings are wrong (C{EX_CONFIG} of sysexits(3)): a restart would fail in the same way.
MISCONFIGURED: Final = 78

#: What they are told of programs that SIGINT has ended.
INTERRUPTED: Final = 130

#: And of programs whose output nobody reads any more.
BROKEN_PIPE: Final = 141


def end(text: str, code: int = WRONG) -> NoReturn:
    """
    Print why there is no server, one line for each thing that is wrong, and exit.

    @param code: L{WRONG} or L{MISCONFIGURED}.
    """
    from twisted_ext.wire.escapes import printable

    # By now the other one may lead into a log.
    terminal = sys.__stderr__ or sys.stderr
    with suppress(OSError, ValueError):
        for line in text.splitlines():
            print(f"twistd txdns: {printable(line)}", file=terminal, flush=True)
    raise SystemExit(code)


def wantSomething(settings: Settings, config: str | None) -> None:
    """
    See that a server that asks nobody knows anything itself, and that it was not told whom to ask.

    @param config: the file of settings, if there is one.

    @raise BadDescription: it does not, and never will.
    """
    if settings.role == "serve" and not settings.recursive and (settings.upstream or settings.route):
        _log.warn("upstream and route have no effect with serve, which asks no upstream; use forward, which serves zones as well")
    if settings.role != "serve" or settings.recursive or settings.pyzone or settings.local or settings.localFile or settings.hostsFile:
        return
    from twisted_ext.server.config.zonesettings import ZoneSettings, gather

    found: dict[bytes, ZoneSettings] = {}
    # There may be many. One is enough.
    for _ in gather(settings, found):
        if found:
            return
    if found:
        return
    said = "there is no zone to serve; write --zone NAME=FILE, --zones FOLDER, or [[zone]] tables into a file for --config"
    if settings.zones:
        said = f"there is no zone in {', '.join(settings.zones)}; files there are called like their zones"
    elif config is None:
        raise BadDescription(said)
    # There may be some when it is looked at again.
    _log.warn("{said}; until then all questions are refused", said=said)


def complainPlainly(logsToFile: Callable[[], bool]) -> None:
    """
    Have one line and no traceback where the server cannot be started for a reason that is not the code's, and nothing at all where
    whoever typed the command has thought better of it.

    @param logsToFile: tells whether the log goes elsewhere than to the terminal.
    """
    before = sys.excepthook

    def complain(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if isinstance(error, DNSFault):
            # The terminal and the journal have both already: say it once. In the background the log is all that there is.
            if logsToFile():
                _log.critical("{fault}", fault=error)
            with suppress(SystemExit):
                end(str(error))
            if isinstance(error, BadDescription):
                # Found only by the user that serves: another start would find the same. Python itself would exit with 1.
                atexit.register(os._exit, MISCONFIGURED)
        elif not isinstance(error, KeyboardInterrupt):
            before(kind, error, traceback)

    sys.excepthook = complain
