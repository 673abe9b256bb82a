"""
C{txdns policy replay}: tells what other settings would have decided about the queries of a history.
"""

from __future__ import annotations

import os
import re
import time
from json import dumps
from typing import TYPE_CHECKING, Final

from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, flag, whole
from twisted_ext.apps.cli.terminal.exits import BATCH, DECLINED, OK, USAGE, ExitError, complain, fileErrors
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.server.features.queryhistory.fields import momentFromText

if TYPE_CHECKING:
    from twisted_ext.apps.cli.terminal.arguments import Given
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.replay.replay import Named, Replayed

__all__ = ["ARGUMENTS", "main"]

_HELP: Final = """\
Usage: txdns policy replay --config NEW [--against OLD] [--since TIME] [--until TIME]
       txdns policy replay --config FILE [--block NAME] [--allow NAME] [--list NAME=FILE] [--view VIEW]

Tells which queries of a server's history other settings would have blocked, or let through:
those of one settings file against those of another, or a single change against the file. Both
are read with what was changed while their servers ran. No server needs to run.

  txdns policy replay --config new.toml --against /etc/txdns/txdns.toml
  txdns policy replay --config /etc/txdns/txdns.toml --list social=social.txt --view children
  txdns policy replay --config /etc/txdns/txdns.toml --block chat.example --since 7d

{options}

Settings are compared with settings, not with what was recorded: of how many queries the old
ones decide as recorded is said. Where clients are kept without their whole addresses, and views
change, the numbers are between two bounds. Aliases are not in the history: what would be
blocked since a name is an alias of a blocked one is not found.

TIME is so long ago, such as 90m, 12h or 2d, or a date in local time: 2026-11-24 or
2026-11-24T15:30.

Exit codes: 0 the queries were decided, 1 wrong usage or settings, 2 more change than --fail-on
permits, 8 the history or a list cannot be read, or only in part.
"""

_NEW: Final = Option("--config FILE", "the new settings, or those that a single change is made to", "", str, what="a settings file")
_OLD: Final = Option("--against FILE", "the old settings", "", str, what="a settings file")
_FOLDER: Final = Option("--folder PATH", "the folder of the history: history in the folder of the old settings' state", "", str)
_SINCE: Final = Option("--since TIME", "queries from this time on (1d)", 0.0, momentFromText)
_UNTIL: Final = Option("--until TIME", "queries before this time", 0.0, momentFromText)
_BLOCK: Final = Option("--block NAME", "block this name and all below it; may be repeated", "", str, what="a name")
_ALLOW: Final = Option("--allow NAME", "allow this name and all below it; may be repeated", "", str, what="a name")
_LIST: Final = Option("--list NAME=FILE", "apply this list, too; may be repeated", "", str, what="a name and a file")
_VIEW: Final = Option("--view VIEW", "make the change for the clients of this view", "", str, what="the name of a view")
_TOP: Final = Option("--top N", "show so many names of each kind (20)", 20, whole(0, 10**6))
_FAIL: Final = Option("--fail-on KIND=N", "exit with 2 if more than N queries, or N%, become blocked, allowed, rewritten or other", "", str)
_JSON: Final = flag("--json", "one object, with the clients and rules of each name")

ARGUMENTS: Final = Arguments(_HELP, _NEW, _OLD, _FOLDER, _SINCE, _UNTIL, _BLOCK, _ALLOW, _LIST, _VIEW, _TOP, _FAIL, _JSON)

_BOUND: Final = re.compile(r"(blocked|allowed|rewritten|other)=(\d{1,12})(%?)")

#: What is said of each kind of change.
_WORDS: Final = {
    "blocked": "would be blocked",
    "allowed": "would not be blocked any more",
    "rewritten": "would get other answers",
    "other": "would be decided by another rule",
}

_DAY: Final = 86_400.0

#: Clients of a name that a line has.
_CLIENTS: Final = 3


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if given.bare:
        raise ExitError(USAGE, f"unexpected argument {given.bare[0]!r}; names follow --block or --allow")
    bound = _BOUND.fullmatch(given[_FAIL])
    if given[_FAIL] and bound is None:
        raise ExitError(USAGE, f"{given[_FAIL]!r} is not a bound; write --fail-on blocked=0, or allowed=2%")

    from twisted_ext.apps.cli.policy.offline import settingsIn
    from twisted_ext.errors import TimedOut
    from twisted_ext.server.replay.offline import replayed, unlooked

    unread: list[str] = []
    isSingle = bool(given.all(_BLOCK) or given.all(_ALLOW) or given.all(_LIST))
    if not given[_NEW] or isSingle == bool(given[_OLD]):
        wanted = "--against OLD, or --block, --allow or --list" if given[_NEW] else "--config FILE"
        raise ExitError(USAGE, f"give {wanted}{', not both' if isSingle and given[_OLD] else ''}")
    try:
        old = settingsIn(given[_NEW] if isSingle else given[_OLD])
        new = _changed(old, given) if isSingle else settingsIn(given[_NEW])
        folder = given[_FOLDER] or _folderOf(old)
        now = time.time()
        since, until = given[_SINCE] if _SINCE in given else now - _DAY, given[_UNTIL] if _UNTIL in given else now
        with fileErrors(folder):
            found = replayed(folder, old, new, since, until, unread.append)
    except TimedOut as fault:
        raise ExitError(BATCH, str(fault)) from None
    except (BadDescription, CallerFault) as fault:
        raise ExitError(USAGE, str(fault)) from None
    for line in [*unread, *found.wrong, *[f"not looked at: {each}" for each in unlooked(old, new)]]:
        complain(line)
    print(dumps(found.toJSON(given[_TOP])) if given[_JSON] else "\n".join(_lines(found, given[_TOP])))
    if bound is not None:
        _, most = found.total(bound[1])
        limit = int(bound[2]) * (found.queries / 100 if bound[3] else 1)
        if most > limit:
            complain(f"{most:,} queries {_WORDS[bound[1]]}; --fail-on permits {limit:,.0f}")
            return DECLINED
    # What was not read might have changed more.
    return BATCH if unread or found.wrong else OK


def _folderOf(settings: Settings) -> str:
    state = settings.stateFolder()
    if not state:
        raise ExitError(USAGE, "the old settings have no state folder; write --folder with the folder of the history")
    return f"{os.path.abspath(state)}/history"


def _changed(own: Settings, given: Given) -> Settings:
    """
    Return settings with single changes.

    @raise BadDescription: one cannot be made.
    """
    from twisted_ext.server.config.addedvalues import AddedValue
    from twisted_ext.server.config.settings import Settings
    from twisted_ext.server.features.blocking.listsettings import ListSettings
    from twisted_ext.server.settings.additions import checkedValue, withAdded

    lists = [ListSettings.fromText(each) for each in given.all(_LIST)]
    values: list[AddedValue] = []
    for name in given.all(_BLOCK):
        values += [AddedValue("block", name, given[_VIEW]), AddedValue("block-except", name, given[_VIEW], isRemoved=True)]
    for name in given.all(_ALLOW):
        values += [AddedValue("block-except", name, given[_VIEW]), AddedValue("block", name, given[_VIEW], isRemoved=True)]
    values += [AddedValue("lists", each.name, given[_VIEW]) for each in lists]

    def refuse(value: AddedValue, reason: str) -> None:
        raise BadDescription(reason)

    former = own.given.get("list", ())
    assert isinstance(former, tuple)
    wider = Settings({**own.given, "list": (*former, *[each.toText() for each in lists])}) if lists else own
    base = Settings(wider.given)
    return withAdded(base, [checkedValue(base, each) for each in values], refuse)


def _lines(found: Replayed, top: int) -> list[str]:
    """
    Return what is printed.
    """
    from twisted_ext.wire.escapes import printable

    span = " to ".join([time.strftime("%Y-%m-%d %H:%M", time.localtime(each)) for each in (found.since, found.until)])
    lines = [f"{found.queries:,} {'query' if found.queries == 1 else 'queries'} from {span}"]
    if found.sampled:
        lines.append(f"the old settings decide {100 * found.agreed / found.sampled:.1f} % as recorded, of {found.sampled:,} looked at")
    if found.unexplained:
        lines.append(f"{found.unexplained:,} were blocked by settings of that time")
    if found.unknown:
        lines.append(f"of {found.unknown:,} it is not known what their names are aliases of: a rule about that name may block them")
    for kind, words in _WORDS.items():
        least, most = found.total(kind)
        names = found.names[kind]
        if not names:
            continue
        count = f"{most:,}" if least == most else f"between {least:,} and {most:,}"
        lines += ["", f"{count} {'query' if most == 1 else 'queries'} for {len(names):,} name{'s'[: len(names) != 1]} {words}:"]
        lines += [_line(name, each) for name, each in found.top(kind, top)]
        if more := len(names) - min(top, len(names)):
            lines.append(f"{'':14}and {more:,} more")
    if not any(found.names.values()):
        lines.append("nothing would change")
    return [printable(line) for line in lines]


def _line(name: str, each: Named) -> str:
    count = f"{each.most:,}" if each.least == each.most else f"{each.least:,}-{each.most:,}"
    clients = sorted(filter(None, each.clients))
    shown = ", ".join(clients[:_CLIENTS]) + (f" and {len(clients) - _CLIENTS:,} more" if len(clients) > _CLIENTS else "")
    return f"{count:>12}  {name}  {', '.join(sorted(each.rules))}{f'  {shown}' if shown else ''}"
