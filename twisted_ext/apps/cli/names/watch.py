"""
C{txdns watch}: prints the records of a name, and each change to them.
"""

from __future__ import annotations

from datetime import datetime
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.names.watchargs import WatchWishes, parseWatch
from twisted_ext.apps.cli.terminal.exits import DECLINED, INTERRUPTED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.apps.cli.terminal.run import runUntilDone

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from twisted_ext.answers import Question
    from twisted_ext.compat.lookups.watch import Watch
    from twisted_ext.compat.names import NamesResolver
    from twisted_ext.watch.states import Change, State

__all__ = ["main"]

HELP: Final = """\
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

  --until VALUE      end when this record exists, written as in a master file (a TXT record:
                     '"two words"'); if given several times, when all of them exist
  --until-any        end when there is any record of this type
  --until-none       end when there is no record of this type
  --timeout SECONDS  end after this time at the latest
  --interval SECONDS look up the name at this interval instead of by the TTL; for authoritative
                     servers: a cache does not return changes before the TTL has expired
  --every-server     query each name server of the zone, every 5 seconds unless --interval is
                     given; the condition must hold at all of them
  --json             one JSON object per line with the keys time, name, type, outcome (data,
                     nodata, nxdomain or unknown), data, ttl and before, and server and error if
                     they apply

Several @SERVERs are also queried independently. Without @SERVER the look-up is that of programs
on this machine: hosts file, search list, cache.

Exit codes: 0 the condition holds, or none was given; 1 wrong usage; 2 timeout before the
condition held; 9 timeout without any answer; 130 interrupted before the condition held; 143
terminated by SIGTERM.
"""

#: The outcome to print after a failed look-up.
_UNKNOWN: Final = "unknown"


def main(words: list[str]) -> int:
    """
    Run the command with its arguments, and return the exit code.
    """
    if any(word in ("-h", "--help") for word in words):
        print(HELP, end="")
        return OK
    wishes = parseWatch(words)

    async def begin(reactor: IReactorTime) -> int:
        return await _begin(reactor, wishes)

    code = runUntilDone(begin, whileRead=True)
    # Without a condition to wait for, Ctrl-C is the normal way to leave.
    return OK if code == INTERRUPTED and not wishes.waits else code


async def _begin(reactor: IReactorTime, wishes: WatchWishes) -> int:
    resolvers = await _resolvers(reactor, wishes)
    try:
        return await _watch(reactor, wishes, resolvers)
    finally:
        for resolver in resolvers.values():
            await resolver.close()


async def _resolvers(reactor: IReactorTime, wishes: WatchWishes) -> dict[str, NamesResolver]:
    """
    Return the resolvers to use, by their labels.

    @raise ExitError: a server or description is not valid, or the zone's servers cannot be found.
    """
    from twisted_ext.apps.cli.terminal.upstream import describedSource, upstreamFor
    from twisted_ext.compat.conversion.errors import LookupFailed
    from twisted_ext.compat.names import NamesResolver

    if wishes.targets:
        found = {each: NamesResolver((await upstreamFor(reactor, each)).source, reactor) for each in wishes.targets}
    else:
        found = {"": NamesResolver(describedSource(reactor, "system"), reactor)}
    if not wishes.every:
        return found
    from twisted_ext.compat.lookups.nameservers import zoneServers

    (asked,) = found.values()
    try:
        servers = await zoneServers(wishes.name, resolver=asked)
    except LookupFailed as error:
        raise ExitError(NO_REPLY, f"--every-server: {error}") from error
    finally:
        await asked.close()
    return {each.removeprefix("udp:"): NamesResolver(describedSource(reactor, each), reactor) for each in servers}


async def _watch(reactor: IReactorTime, wishes: WatchWishes, resolvers: dict[str, NamesResolver]) -> int:
    from twisted.internet.defer import Deferred
    from twisted.internet.defer import TimeoutError as Over

    from twisted_ext.compat.conversion.errors import DNSFormatError
    from twisted_ext.compat.lookups.watch import Watch, allOf, tooLate

    watches = {
        label: Watch(wishes.name, wishes.rrType, resolver=resolver, interval=wishes.interval)
        for label, resolver in resolvers.items()
    }
    pending = dict(watches)
    shown = len(watches) > 1

    async def one(label: str, watch: Watch) -> None:
        await _tell(wishes, watch, label if shown else "")
        del pending[label]

    waits = [Deferred.fromCoroutine(one(label, watch)) for label, watch in watches.items()]
    everybody = allOf(waits)
    if wishes.timeout is not None:
        everybody.addTimeout(wishes.timeout, reactor)
    try:
        await everybody
    except Over as over:
        if not wishes.waits:
            return OK
        late = tooLate([(label if shown else None, watch) for label, watch in pending.items()], wishes.timeout or 0)
        known = any(watch.state is not None and watch.state.outcome is not None for watch in pending.values())
        raise ExitError(DECLINED if known else NO_REPLY, str(late)) from over
    except DNSFormatError as error:
        raise ExitError(USAGE, str(error)) from error
    return OK


async def _tell(wishes: WatchWishes, watch: Watch, label: str) -> None:
    """
    Print all changes until the condition holds.
    """
    async with watch:
        async for change in watch:
            print(_json(wishes, watch.question, change, label) if wishes.json else _line(watch.question, change, label), flush=True)
            if wishes.isDone(change.after):
                return


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _line(question: Question, change: Change, label: str) -> str:
    from twisted_ext.wire.escapes import printable
    from twisted_ext.wire.names import nameToText
    from twisted_ext.wire.rrtypes import typeName

    said = f" @{label}" if label else ""
    return printable(f"{_now()} {nameToText(question.name, final=False)} {typeName(question.rrType)}{said}: {change}")


def _json(wishes: WatchWishes, question: Question, change: Change, label: str) -> str:
    from twisted_ext.watch.schedule import secondsOf
    from twisted_ext.wire.rrtypes import typeName

    after, answer = change.after, change.answer
    fields: dict[str, object] = {
        "time": _now(),
        "name": wishes.name,
        "type": typeName(wishes.rrType),
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
        return {"outcome": _UNKNOWN, "data": [], "error": str(state.error)}
    return {"outcome": state.outcome.value, "data": list(state.texts)}
