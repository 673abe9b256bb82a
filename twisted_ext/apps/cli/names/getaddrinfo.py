"""
C{txdns getaddrinfo}: compares the addresses for a host and service from this resolver and from the operating system.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from difflib import SequenceMatcher
from json import dumps
from typing import TYPE_CHECKING, Final, cast

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, flag
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import SERVER, resolverFor, targetIn
from twisted_ext.limits import SYSTEM_SECONDS
from twisted_ext.wire.escapes import printable

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.addrinfo.hints import AddressInfo

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns getaddrinfo HOST [SERVICE] [-4|-6] [+FLAG ...] [@DESCRIPTION] [+json]
       txdns getaddrinfo -x ADDRESS [PORT] [+FLAG ...] [@DESCRIPTION] [+json]

Compares the result of getaddrinfo, or with -x of getnameinfo, from this package with that of the
operating system. Differences are marked.

  txdns getaddrinfo www.example.com https
  txdns getaddrinfo www.example.com https -4 +stream +canonname
  txdns getaddrinfo -x 192.0.2.1 443
  txdns getaddrinfo www.example.com @udp:192.0.2.53 +json

Flags: +stream, +dgram and +raw; +passive, +canonname, +numerichost, +numericserv, +addrconfig,
+v4mapped and +all; with -x +numerichost, +numericserv, +nofqdn, +namereqd and +dgram.

The JSON is one object with the keys host, service, here, system and same. Each result is a list
of lists of family, kind, protocol, canonical name and address, or an object with the code and
text of the error. The error of this package also has the key because, if the failed look-up is
known.

Exit codes: 0 the results are the same; 1 wrong usage; 2 they differ; 9 the system did not reply.
"""

_KINDS: Final = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM, "raw": socket.SOCK_RAW}
_FLAGS: Final = ("passive", "canonname", "numerichost", "numericserv", "addrconfig", "v4mapped", "all", *_KINDS)
_NAME_FLAGS: Final = ("numerichost", "numericserv", "nofqdn", "namereqd", "dgram")

#: The constants of the C library for flags that do not begin with C{AI_} there.
_CONSTANTS: Final = {"stream": "SOCK_STREAM", "dgram": "SOCK_DGRAM", "raw": "SOCK_RAW", "nofqdn": "NI_NOFQDN", "namereqd": "NI_NAMEREQD"}

_IPV4: Final = flag("-4", "IPv4 addresses only")
_IPV6: Final = flag("-6", "IPv6 addresses only")
_REVERSE: Final = flag("-x", "look up the name of an address, as getnameinfo")
_JSON: Final = flag("+json", "print one JSON object")
_PLUS: Final = {word: flag(f"+{word}", f"set {_CONSTANTS.get(word, f'AI_{word.upper()}')}") for word in (*_FLAGS, "nofqdn", "namereqd")}

ARGUMENTS: Final = Arguments(_HELP, SERVER, _IPV4, _IPV6, _REVERSE, _JSON, *_PLUS.values())

#: A result: the rows of C{getaddrinfo}, the names of C{getnameinfo}, or an error.
_Told = list[object] | dict[str, object]


@dataclass(slots=True)
class _Wishes:
    host: str
    service: str | None
    reverse: bool
    json: bool
    target: str
    family: int
    kind: int = 0
    flags: int = 0

    @property
    def sockaddr(self) -> tuple[str, int]:
        return self.host, int((self.service or "0")[:6])


def main(words: list[str]) -> int:
    options = _parsed(ARGUMENTS.parse(words))
    return runUntilDone(lambda reactor: _show(reactor, options), command="getaddrinfo")


def _parsed(given: Given) -> _Wishes:
    if not given.bare:
        raise ExitError(USAGE, "a host is missing; write: txdns getaddrinfo HOST [SERVICE], or -x ADDRESS [PORT]")
    service = given.bare[1] if len(given.bare) > 1 else None
    if len(given.bare) > 2:
        raise ExitError(USAGE, f"unexpected argument {given.bare[2]!r}; write one host and one service")
    reverse = given[_REVERSE]
    if reverse and service is not None and not (service.isascii() and service.isdigit()):
        raise ExitError(USAGE, f"{service!r} is not a valid port; with -x write a number")
    family = socket.AF_INET6 if given[_IPV6] else socket.AF_INET if given[_IPV4] else 0
    options = _Wishes(given.bare[0], service, reverse, given[_JSON], targetIn(given), family)
    known, prefix = (_NAME_FLAGS, "NI_") if reverse else (_FLAGS, "AI_")
    for word, option in _PLUS.items():
        if option not in given:
            continue
        if word not in known:
            raise ExitError(USAGE, f"+{word} is not a flag; the flags are {', '.join(['+' + each for each in known])} and +json")
        if word in _KINDS and not reverse:
            options.kind = _KINDS[word]
        else:
            options.flags |= getattr(socket, prefix + word.upper(), 0)
    return options


async def _show(reactor: IReactorTime, options: _Wishes) -> int:
    resolver = await resolverFor(reactor, options.target)

    async def ours() -> list[object]:
        if options.reverse:
            return list(await resolver.getnameinfo(options.sockaddr, options.flags))
        found = resolver.getaddrinfo(options.host, options.service, family=options.family, type=options.kind, flags=options.flags)
        return _plain(await found)

    def theirs() -> list[object]:
        if options.reverse:
            return list(socket.getnameinfo(options.sockaddr, options.flags))
        rows = socket.getaddrinfo(options.host, options.service, options.family, options.kind, 0, options.flags)
        return _plain(cast("list[AddressInfo]", rows))

    try:
        here, why = await _told(ours())
        system, _ = await _told(_inThread(reactor, theirs))
    finally:
        await resolver.close()
    same = here == system
    if options.json:
        told = {**here, "because": why} if isinstance(here, dict) and why else here
        print(dumps({"host": options.host, "service": options.service, "here": told, "system": system, "same": same}))
    else:
        print("\n".join(_shown(here, system, why)))
    if same:
        return OK
    return NO_REPLY if isinstance(system, dict) and system["code"] is None else DECLINED


async def _told(asking: Coroutine[Deferred[object], object, list[object]]) -> tuple[_Told, str]:
    """
    Return the result or error, and the cause of the error, C{""} if unknown.
    """
    try:
        return await asking, ""
    except socket.gaierror as error:
        # The cause is a failed look-up, whose message names the servers and their replies.
        return {"code": error.errno, "text": error.strerror}, str(error.__cause__ or "")
    except (OSError, ValueError, OverflowError) as error:
        return {"code": None, "text": str(error)}, ""


async def _inThread(reactor: IReactorTime, ask: Callable[[], list[object]]) -> list[object]:
    """
    Call C{ask}, which may block, in a thread, with the timeout L{SYSTEM_SECONDS}. The thread does not keep the process alive.
    """
    import threading

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorFromThreads

    done: Deferred[list[object]] = Deferred()
    toReactor = IReactorFromThreads(reactor)

    def tell(outcome: list[object] | Exception) -> None:
        if done.called:
            return
        if isinstance(outcome, Exception):
            done.errback(outcome)
        else:
            done.callback(outcome)

    def work() -> None:
        try:
            outcome: list[object] | Exception = ask()
        except Exception as error:
            outcome = error
        toReactor.callFromThread(tell, outcome)

    threading.Thread(target=work, daemon=True).start()
    late = reactor.callLater(SYSTEM_SECONDS.default, tell, OSError("the system has not answered"))
    try:
        return await done
    finally:
        if late.active():
            late.cancel()


def _plain(rows: list[AddressInfo]) -> list[object]:
    return [[_short(family), _short(kind), protocol, name, list(address)] for family, kind, protocol, name, address in rows]


def _short(value: object) -> str:
    """
    Return the last part of a constant's name, such as C{inet6}, or its number.
    """
    return str(getattr(value, "name", value)).rpartition("_")[2].lower()


def _shown(here: _Told, system: _Told, why: str) -> list[str]:
    ours, theirs = _asLines(here), _asLines(system)
    lines: list[str] = []
    for verb, start, end, otherStart, otherEnd in SequenceMatcher(None, ours, theirs, False).get_opcodes():
        if verb == "equal":
            lines.extend([f"            {line}" for line in ours[start:end]])
            continue
        lines.extend([f"only here   {line}" for line in ours[start:end]])
        lines.extend([f"the system  {line}" for line in theirs[otherStart:otherEnd]])
    if why:
        lines.append(f"because     {why}")
    lines.append("the system's result is the same" if ours == theirs else "the system's result differs")
    return [printable(line) for line in lines]


def _asLines(told: _Told) -> list[str]:
    if isinstance(told, dict):
        code = "" if told["code"] is None else f"{told['code']}: "
        return [f"error {code}{told['text']}"]
    lines: list[str] = []
    for row in told:
        if not isinstance(row, list):
            lines.append(str(row))
            continue
        family, kind, protocol, name, (host, port, *rest) = row
        if name:
            lines.append(f"canonical name {name}")
        scope = f" scope {rest[1]}" if rest and rest[1] else ""
        lines.append(f"{family:<6} {kind:<6} {protocol:>3}  {host} {port}{scope}")
    return lines
