"""
C{txdns control}: inspects and controls a running server. Its commands are the operations of
L{twisted_ext.server.operations.table}.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from importlib import import_module
from typing import Final, cast

from twisted_ext.apps.cli.server.client import SOCKET, ControlChannel
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option, didYouMean, flag
from twisted_ext.apps.cli.terminal.exits import DECLINED, NO_REPLY, OK, USAGE, ExitError
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.features.base.verb import Verb
from twisted_ext.server.operations.table import OPERATIONS, allVerbs
from twisted_ext.wire.escapes import printable

__all__ = ["ARGUMENTS", "ControlCommand", "main"]

#: Makes the lines to be printed of a reply.
Lines = Callable[[dict[str, JSON]], Iterable[str]]

_HELP: Final = """\
Usage: txdns control [--socket PATH] COMMAND [+json]

{commands}

PATH is the socket that was given to the server with --control. Without --socket the command
takes it from TXDNS_CONTROL, or tries the paths that servers use by default:
/run/txdns/control.sock for servers that root runs, and txdns/control.sock in XDG_RUNTIME_DIR,
in /run/user/UID and in ~/.local/state.

  txdns control stats
  txdns control cache flush --below example.com
  txdns control queries blocked 192.0.2.77
  txdns control upstreams +json | jq '.upstreams[] | select(.up | not)'

Exit codes: 0 done, 1 wrong usage or declined by the server, 2 the zone could not be loaded,
8 a file cannot be read or written, 9 no server.
"""

#: The length of lines of help.
_COLUMNS: Final = 96

_JSON: Final = flag("+json", "print the reply as one JSON object; queries: one for each query")


def _flagsOf(verbs: Sequence[Verb]) -> dict[str, Option[bool]]:
    """
    Return the options that are flags of operations, by their names.
    """
    said: dict[str, list[str]] = {}
    for verb in verbs:
        for name, meaning in verb.flags.items():
            said.setdefault(name, []).append(f"with {' '.join(verb.words)}: {meaning}")
    return {name: flag(f"--{name}", "; ".join(each)) for name, each in said.items()}


#: The flags of the server's own operations, and once they were loaded those of features.
_FLAGS: Final = _flagsOf(OPERATIONS)


def _furtherFlags() -> list[Option[bool]]:
    further = {name: each for name, each in _flagsOf(_everyVerb()).items() if name not in _FLAGS}
    _FLAGS.update(further)
    return [*further.values()]


def _commandLines() -> str:
    """
    Return the part of the help that describes the commands.
    """
    from textwrap import wrap

    described = [(verb, " ".join([*verb.words, *verb.takes])) for verb in _everyVerb()]
    column = max([len(usage) for _, usage in described]) + 4
    lines: list[str] = []
    for verb, usage in described:
        head = f"  {usage}"
        parts = [verb.meaning, *[f"--{name}: {meaning}" for name, meaning in verb.flags.items()], verb.more]
        for line in wrap("; ".join([part for part in parts if part]), _COLUMNS - column, break_on_hyphens=False, break_long_words=False):
            lines.append(f"{head:<{column}}{line}")
            head = ""
    return "\n".join(lines)


ARGUMENTS: Final = Arguments(_HELP, SOCKET, _JSON, *_FLAGS.values(), exact=True, commands=_commandLines, later=_furtherFlags)


def main(words: list[str]) -> int:
    given = ARGUMENTS.parse(words)
    if not given.bare:
        raise ExitError(USAGE, f"a command is missing; {_everyCommand()}")
    if given.bare == ["help"]:
        print(ARGUMENTS.help, end="")
        return OK
    verb = _verbOf(given.bare)
    flags = [name for name, option in _FLAGS.items() if option in given]
    for name in flags:
        if name not in verb.flags:
            raise ExitError(USAGE, f"{' '.join(verb.words)} does not take the option --{name}; see txdns control --help")
    command = ControlCommand(verb, given.bare[len(verb.words) :], flags, given[SOCKET], given[_JSON])
    return cast("int", _named(verb.command)(command)) if verb.command else command.execute()


class ControlCommand:
    """
    A command with what was given to it.

    @ivar words: those after the words of the command.
    @ivar flags: the names of the options.
    @ivar json: whether JSON is wanted.
    """

    def __init__(self, verb: Verb, words: Sequence[str], flags: Sequence[str], socket: str, json: bool) -> None:
        self.verb = verb
        self.words = words
        self.flags = flags
        self.json = json
        self._socket = socket

    @cached_property
    def channel(self) -> ControlChannel:
        # Created when used, so that errors in the arguments are reported first.
        return ControlChannel(self._socket)

    def checkWords(self) -> None:
        """
        @raise ExitError: there are too many words, or too few.
        """
        takes = self.verb.takes
        least = len([each for each in takes if not each.startswith("[")])
        if not least <= len([each for each in self.words if each]) or len(self.words) > len(takes):
            raise ExitError(USAGE, f"write: {self.verb.usage} ({self.verb.meaning})")

    def ask(self) -> dict[str, JSON]:
        """
        Request the operation, with the words and options as arguments.
        """
        verb = self.verb
        arguments = dict(zip(verb.keys, self.words, strict=False)) | dict.fromkeys(self.flags, "1")
        return self.channel.ask("POST" if verb.changes else "GET", verb.path, arguments)

    def execute(self) -> int:
        self.checkWords()
        said = self.ask()
        code = self.show(said, cast("Lines", _named(self.verb.shown)) if self.verb.shown else _saidBy)
        return DECLINED if said.get("failed") else code

    def show(self, said: dict[str, JSON], lines: Lines) -> int:
        if self.json:
            print(json.dumps(said))
            return OK
        try:
            shown = [printable(line) for line in lines(said)]
        except (ValueError, KeyError, TypeError) as error:
            text = f"this version of txdns cannot display the server's reply; +json shows it ({error})"
            raise ExitError(NO_REPLY, text) from error
        print("\n".join(shown))
        return OK


def _named(name: str) -> Callable[..., object]:
    """
    Return the function that C{"module:function"} names.
    """
    module, _, function = name.partition(":")
    return cast("Callable[..., object]", getattr(import_module(module), function))


def _saidBy(said: dict[str, JSON]) -> Iterable[str]:
    lines = said.get("said")
    return map(str, lines) if isinstance(lines, list) else [json.dumps(said)]


def _verbOf(words: Sequence[str]) -> Verb:
    """
    Return the operation that these words begin with.
    """
    for verbs in (lambda: OPERATIONS, _everyVerb):
        for verb in verbs():
            if [*words[: len(verb.words)]] == verb.words:
                return verb
    firsts = list(dict.fromkeys([verb.words[0] for verb in _everyVerb()]))
    alike = [verb.usage for verb in _everyVerb() if verb.words[0] == words[0]]
    said = f"write: {', or: '.join(alike)}" if alike else didYouMean(words[0], firsts, _everyCommand())
    raise ExitError(USAGE, said if alike and len(words) == 1 else f"unknown command {' '.join(words)!r}; {said}")


def _everyVerb() -> list[Verb]:
    """
    Return all operations, those of plugins too.
    """
    # Features are only loaded for a command that is none of the server's own.
    from twisted_ext.server.settings.plugged import allSettings, hasOtherPlugins

    if hasOtherPlugins():
        allSettings()
    return allVerbs()


def _everyCommand() -> str:
    groups: dict[str, list[str]] = {}
    for verb in _everyVerb():
        first, *rest = verb.words
        groups.setdefault(first, []).extend(rest)
    return f"write one of {', '.join([' '.join([first, *(['|'.join(rest)] if rest else [])]) for first, rest in groups.items()])}"
