"""
C{txdns forward}, C{txdns recurse} and C{txdns serve}: a DNS server in this process, with the options of C{twistd -n txdns} and of its
sub-command. Without the plugins, the debugger and the daemon of C{twistd} it answers its first query sooner, and is smaller.
"""

from __future__ import annotations

import os
import signal
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from twisted.python import usage

from twisted_ext._version import __version__
from twisted_ext.errors import BadDescription, DNSFault
from twisted_ext.server.settings.startup import MISCONFIGURED, WRONG, callProgram, end, programName

if TYPE_CHECKING:
    from twisted_ext.server.service import Server

__all__ = ["forward", "recurse", "serve"]

#: The options of C{twistd -n} that the server asks for.
_WORDS: Final[dict[str, object]] = {"nodaemon": True, "logfile": None, "logger": None, "syslog": False, "pidfile": ""}


def _run(role: str, words: list[str]) -> int:
    """
    Run a server until a signal ends it.

    @return: the exit code, if it was not a signal.
    """
    before = programName()
    callProgram(f"txdns {role}")
    # The same program for twistd. Programs do not import each other otherwise.
    tap = import_module("twisted_ext.apps.tap")
    options: Any = tap.Options()
    options.parent = cast(Any, usage.Options)()
    options.parent.update(_WORDS)
    try:
        options.parseOptions([role, *words])
        return _serve(role, cast("Server", tap.makeService(options)))
    except SystemExit as ending:
        # What was asked for is printed, or what is wrong.
        callProgram(before)
        return ending.code if isinstance(ending.code, int) else 0


def _serve(role: str, service: Server) -> int:
    # The options have chosen it.
    from twisted.internet import reactor
    from twisted.logger import Logger, globalLogBeginner

    log = Logger("txdns")
    assert service.observer is not None
    globalLogBeginner.beginLoggingTo([service.observer])
    log.info("txdns {role} {version} starting up", role=role, version=__version__)
    try:
        service.privilegedStartService()
        service.startService()
    except DNSFault as fault:
        # A restart would not help against wrong settings.
        end(str(fault), MISCONFIGURED if isinstance(fault, BadDescription) else WRONG)
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    reactor.run()
    log.info("stopped")
    number: int | None = getattr(reactor, "_exitSignal", None)
    if number is not None:
        # As those who started it expect, and as twistd does.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    return 0


forward = partial(_run, "forward")
recurse = partial(_run, "recurse")
serve = partial(_run, "serve")
