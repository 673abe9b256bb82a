"""
C{txdns watch}: prints the records of a name, and each change to them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Given, Option, flag, number, valueOf
from twisted_ext.apps.cli.terminal.exits import DECLINED, INTERRUPTED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone
from twisted_ext.apps.cli.terminal.upstream import typeIn
from twisted_ext.watch.limits import WATCH_SECONDS, ZONE_SERVERS
from twisted_ext.watch.states import Sought, State
from twisted_ext.wire.escapes import printable
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rrtypes import A, isMeta, typeName

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Question
    from twisted_ext.compat.lookups.watch import Watch
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.watch.states import Change

__all__ = ["ARGUMENTS", "WatchWishes", "main", "parseWatch"]

_HELP: Final = """\
Usage: txdns watch NAME [TYPE] [@SERVER ...] [--until VALUE] [--timeout SECONDS] [...]

Prints the records of a name, and then a line for each change. The name is looked up again when
the TTL has expired, at least every five minutes, and less and less often while look-ups fail.
Ctrl-C ends it.

  txdns watch www.example.com                          addresses, as for programs on this machine
  txdns watch example.com MX @192.0.2.53               as returned by this server
  txdns watch www.example.com --until 192.0.2.81 --timeout 600 && ./next-step
  txdns watch www.example.com --until 192.0.2.81 --every-server
  txdns watch _acme-challenge.example.com TXT --until gfj9Xq @192.0.2.1 @192.0.2.2
  txdns watch new.example.com --until-any              until it exists and has an address

{options}

Several @SERVERs are also queried independently. Without @SERVER the look-up is that of programs
on this machine: hosts file, search list, cache.

Exit codes: 0 the condition holds, or none was given; 1 wrong usage; 2 timeout before the
condition held; 9 timeout without any answer; 130 interrupted before the condition held; 143
terminated by SIGTERM.
"""

#: The longest accepted timeout, in seconds.
_LONGEST: Final = 1_000_000_000

_SERVER: Final = Option("@SERVER", "", "", str, what="a server, such as 192.0.2.1, or a resolver description")
_UNTIL: Final = Option(
    "--until VALUE",
    "end when this record exists, written as in a master file (a TXT record: '\"two words\"'); if given several times, when all of them"
    " exist",
    "",
    str,
)
_ANY: Final = flag("--until-any", "end when there is any record of this type")
_NONE: Final = flag("--until-none", "end when there is no record of this type")
_TIMEOUT: Final = Option[float | None](
    "--timeout SECONDS", "end after this time at the latest", None, number(0.001, _LONGEST, " of seconds")
)
_INTERVAL: Final = Option[float | None](
    "--interval SECONDS",
    "look up the name at this interval instead of by the TTL; for authoritative servers: a cache does not return changes before the TTL"
    " has expired",
    None,
    number(WATCH_SECONDS.least, WATCH_SECONDS.most, " of seconds"),
)
_EVERY: Final = flag(
    "--every-server",
    "query each name server of the zone, every 5 seconds unless --interval is given; the condition must hold at all of them",
)
_JSON: Final = flag(
    "--json",
    "one JSON object per line with the keys time, name, type, outcome (data, nodata, nxdomain or unknown), data, ttl and before, and"
    " server and error if they apply",
)

ARGUMENTS: Final = Arguments(_HELP, _SERVER, _UNTIL, _ANY, _NONE, _TIMEOUT, _INTERVAL, _EVERY, _JSON)

@dataclass(slots=True)
class WatchWishes:
    """
    The parsed arguments.

    @ivar targets: the server or description of each C{@} argument.
    @ivar sought: the records to wait for.
    @ivar every: whether to query each name server of the zone.
    """

    name: str
    rrType: int
    targets: list[str]
    sought: list[Sought]
    untilAny: bool
    untilNone: bool
    timeout: float | None
    interval: float | None
    every: bool
    json: bool

    @property
    def waits(self) -> bool:
        return bool(self.sought) or self.untilAny or self.untilNone

    def isDone(self, state: State) -> bool:
        if not self.waits or state.outcome is None:
            return False
        if self.untilNone:
            return not state.texts
        return bool(state.texts) and all(each.isIn(state) for each in self.sought)


def parseWatch(words: list[str]) -> WatchWishes:
    given = ARGUMENTS.parse(words)
    if not given.bare:
        raise ExitError(USAGE, "a name is missing; write: txdns watch NAME [TYPE] [@SERVER]")
    name, *more = given.bare
    rrType = typeIn(more, A)
    if not rrType or isMeta(rrType):
        raise ExitError(USAGE, f"{more[0]} is not a type of records; write one such as A or TXT")
    if (_UNTIL in given) + given[_ANY] + given[_NONE] > 1:
        raise ExitError(USAGE, "--until, --until-any and --until-none exclude each other; write one of them")
    valueOf(nameFromText, name)
    sought = [valueOf(partial(Sought, rrType), each, "--until") for each in given.all(_UNTIL)]
    every, interval = given[_EVERY], given[_INTERVAL]
    if every and interval is None:
        # Authoritative servers return changes at once, so do not wait for the TTL.
        interval = WATCH_SECONDS.default
    targets = _targets(given, every)
    return WatchWishes(name, rrType, targets, sought, given[_ANY], given[_NONE], given[_TIMEOUT], interval, every, given[_JSON])


def _targets(given: Given, every: bool) -> list[str]:
    targets = given.all(_SERVER)
    for index, target in enumerate(targets):
        if target in targets[:index]:
            raise ExitError(USAGE, f"@{target} is given twice")
        if index >= ZONE_SERVERS.default:
            raise ExitError(USAGE, f"at most {ZONE_SERVERS.default:g} servers; this is one more: @{target}")
    if every and len(targets) > 1:
        raise ExitError(USAGE, "--every-server finds the servers itself, with the help of one; write one @SERVER or none")
    return targets


def main(words: list[str]) -> int:
    options = parseWatch(words)
    code = runUntilDone(lambda reactor: _begin(reactor, options), whileRead=True)
    # Without a condition to wait for, Ctrl-C is the normal way to leave.
    return OK if code == INTERRUPTED and not options.waits else code


async def _begin(reactor: IReactorTime, options: WatchWishes) -> int:
    resolvers = await _resolversByLabel(reactor, options)
    try:
        return await _watch(reactor, options, resolvers)
    finally:
        for resolver in resolvers.values():
            await resolver.close()


async def _resolversByLabel(reactor: IReactorTime, options: WatchWishes) -> dict[str, NamesResolver]:
    from twisted_ext.apps.cli.terminal.upstream import describedSource, upstreamFor
    from twisted_ext.compat.conversion.errors import LookupFailed
    from twisted_ext.compat.names import NamesResolver

    if options.targets:
        found = {each: NamesResolver((await upstreamFor(reactor, each)).source, reactor) for each in options.targets}
    else:
        found = {"": NamesResolver(describedSource(reactor, "system"), reactor)}
    if not options.every:
        return found
    from twisted_ext.compat.lookups.nameservers import zoneServers

    (asked,) = found.values()
    try:
        servers = await zoneServers(options.name, resolver=asked)
    except LookupFailed as error:
        raise ExitError(NO_REPLY, f"--every-server: {error}") from error
    finally:
        await asked.close()
    return {each.removeprefix("udp:"): NamesResolver(describedSource(reactor, each), reactor) for each in servers}


async def _watch(reactor: IReactorTime, options: WatchWishes, resolvers: dict[str, NamesResolver]) -> int:
    from twisted.internet.defer import Deferred
    from twisted.internet.defer import TimeoutError as Over

    from twisted_ext.compat.conversion.errors import DNSFormatError
    from twisted_ext.compat.lookups.watch import Watch, allOf, tooLate

    watches = {
        label: Watch(options.name, options.rrType, resolver=resolver, interval=options.interval)
        for label, resolver in resolvers.items()
    }
    pending = dict(watches)
    shown = len(watches) > 1

    async def one(label: str, watch: Watch) -> None:
        await _printUntilDone(options, watch, label if shown else "")
        del pending[label]

    waits = [Deferred.fromCoroutine(one(label, watch)) for label, watch in watches.items()]
    everybody = allOf(waits)
    if options.timeout is not None:
        everybody.addTimeout(options.timeout, reactor)
    try:
        await everybody
    except Over as over:
        if not options.waits:
            return OK
        late = tooLate([(label if shown else None, watch) for label, watch in pending.items()], options.timeout or 0)
        known = any(watch.state is not None and watch.state.outcome is not None for watch in pending.values())
        raise ExitError(DECLINED if known else NO_REPLY, str(late)) from over
    except DNSFormatError as error:
        raise ExitError(USAGE, str(error)) from error
    return OK


async def _printUntilDone(options: WatchWishes, watch: Watch, label: str) -> None:
    async with watch:
        async for change in watch:
            print(_json(options, watch.question, change, label) if options.json else _line(watch.question, change, label), flush=True)
            if options.isDone(change.after):
                return


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _line(question: Question, change: Change, label: str) -> str:
    said = f" @{label}" if label else ""
    return printable(f"{_now()} {nameToText(question.name, final=False)} {typeName(question.rrType)}{said}: {change}")


def _json(options: WatchWishes, question: Question, change: Change, label: str) -> str:
    from twisted_ext.watch.schedule import secondsOf

    after, answer = change.after, change.answer
    fields: dict[str, object] = {
        "time": _now(),
        "name": options.name,
        "type": typeName(options.rrType),
        **_described(after),
        "ttl": None if answer is None else secondsOf(question, answer),
        "before": None if change.before is None else _described(change.before),
    }
    origin = None if answer is None else answer.origin
    if label or (origin is not None and origin.server):
        fields["server"] = label or (origin.server if origin is not None else "")
    return dumps(fields)


def _described(state: State) -> dict[str, object]:
    if state.outcome is None:
        return {"outcome": "unknown", "data": [], "error": str(state.error)}
    return {"outcome": state.outcome.value, "data": list(state.texts)}
