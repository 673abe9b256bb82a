"""
C{txdns config check}: checks a settings file as a server does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, OK, USAGE, ExitError, complain
from twisted_ext.errors import BadDescription, DNSFault

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.logger import ILogObserver

    from twisted_ext.server.config.settings import Settings

__all__ = ["ARGUMENTS", "ROLE", "main", "settingsIn"]

_HELP: Final = """\
Usage: txdns config check FILE [--role ROLE]

Checks a settings file as a server does before it binds its sockets: all values, the files that
they name, and whether they contradict each other. Nothing is started. Left out are zones, which
txdns zone check reads, and what depends on sockets and keys: whether clients can come in as views
and access lists say.

  txdns config check /etc/txdns/txdns.toml && txdns control reload

{options}

Exit codes: 0 it is valid, 1 wrong usage, 2 it is not, 8 a file cannot be read.
"""

_ROLES: Final = ("forward", "recurse", "serve")


def _role(text: str) -> str:
    if text not in _ROLES:
        raise BadDescription(f"{text!r} is not a role; write {', '.join(_ROLES)}")
    return text


ROLE: Final = Option("--role ROLE", "as for txdns forward, recurse or serve, if the file has no role", "", _role, what="a role")

ARGUMENTS: Final = Arguments(_HELP, ROLE)


def settingsIn(path: str, role: str = "") -> Settings:
    """
    Return the settings of a file.

    @param role: what they are for, unless they say it; C{""} for the usual one.

    @raise ExitError: they are not valid, or the file cannot be read.
    """
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.settings.tomlfile import textOf, valuesFromTOML

    try:
        text = textOf(path)
    except BadDescription as fault:
        raise ExitError(BATCH, str(fault)) from None
    try:
        return Settings({**({"role": role} if role else {}), **valuesFromTOML(text, path)})
    except BadDescription as fault:
        raise ExitError(DECLINED, str(fault)) from None


def _complain(event: LogEvent) -> None:
    """
    Print what a server would log.
    """
    if event["log_level"] >= LogLevel.warn:
        complain(f"warning: {formatEvent(event)}")


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if len(given.bare) != 1:
        raise ExitError(USAGE, f"write exactly one file, not {len(given.bare)}: {ARGUMENTS.usage}")
    (path,) = given.bare
    settings = settingsIn(path, given[ROLE])
    from twisted.internet import reactor

    from twisted_ext.server.dryrun import pathOf
    from twisted_ext.server.settings.startup import wantSomething

    observer = cast("ILogObserver", _complain)
    globalLogPublisher.addObserver(observer)
    try:
        wantSomething(settings, path)
        pathOf(cast("IReactorTime", reactor), settings)
    except DNSFault as fault:
        raise ExitError(DECLINED, "\n".join([f"{path}: {line}" for line in str(fault).splitlines()])) from None
    finally:
        globalLogPublisher.removeObserver(observer)
    print(f"{path} is valid for txdns {settings.role}")
    return OK
