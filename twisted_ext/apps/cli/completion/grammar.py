"""
What may follow each command, from the declarations that C{--help} is made from as well. Manual pages and the completion of shells are
written from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib import import_module
from io import StringIO
from textwrap import shorten
from typing import Any, Final

from twisted_ext.apps.cli.completion.shells import PROGRAMS, SHELLS
from twisted_ext.apps.cli.main import COMMANDS, Command, main
from twisted_ext.apps.cli.query.plushelp import PLUS_HELP
from twisted_ext.apps.cli.terminal.arguments import Arguments, Option
from twisted_ext.server.config import types
from twisted_ext.server.config.setting import Setting
from twisted_ext.server.settings.helptext import LIKE_TWISTD, settingsFor
from twisted_ext.wire.rrtypes import TYPE_NAMES
from twisted_ext.wire.tsig import ALGORITHMS

__all__ = [
    "CLASSES",
    "CLASS_WORDS",
    "DESCRIPTIONS",
    "FILES",
    "HOSTS",
    "PREFIXES",
    "TEXT",
    "TYPES",
    "TYPE_WORDS",
    "URLS",
    "URL_WORDS",
    "Grammar",
    "Word",
    "commandGrammars",
    "prefixWords",
    "short",
    "twistdGrammars",
]

#: Kinds of values that are completed in a way of their own; any other value is one of some words, or a text.
FILES: Final = "files"
HOSTS: Final = "hosts"
TYPES: Final = "types"
CLASSES: Final = "classes"
DESCRIPTIONS: Final = "descriptions"
PREFIXES: Final = "prefixes"
URLS: Final = "urls"
TEXT: Final = "text"

#: The classes of records.
CLASS_WORDS: Final = ("IN", "CH", "HS", "ANY")

#: The names of record types.
TYPE_WORDS: Final = tuple(TYPE_NAMES.values())

#: The beginnings of URLs of encrypted servers.
URL_WORDS: Final = ("tls://", "https://", "quic://", "sdns://")

#: What the words of usage lines stand for. The first one that a word contains counts.
_USAGE_WORDS: Final = {
    "FILE": FILES,
    "IMAGE": FILES,
    "DATABASE": FILES,
    "TYPE": TYPES,
    "CLASS": CLASSES,
    "SERVER": DESCRIPTIONS,
    "DESCRIPTION": DESCRIPTIONS,
    "PREFIX": PREFIXES,
    "PATH": FILES,
    "URL": URLS,
    "ZONE": HOSTS,
    "NAME": HOSTS,
    "HOST": HOSTS,
}

#: The option of every command, which is not in the tables.
_HELP_OPTION: Final = "--help"

#: The maximum length of a description in a list of candidates.
_SHORT: Final = 72


@dataclass(slots=True)
class Word:
    """
    An option.

    @ivar kind: L{FILES}, L{TYPES}... if it takes a value, else C{""}.
    @ivar value: the value as help writes it, such as C{FILE}.
    @ivar words: the usual values, if there are few.
    @ivar attached: whether the value follows an equals sign in the same argument, and may be left out with C{"optional"}.
    @ivar negative: whether the option turns another one off.
    """

    name: str
    help: str
    kind: str = ""
    words: tuple[str, ...] = ()
    attached: str = ""
    negative: bool = False
    value: str = ""


@dataclass(slots=True)
class Grammar:
    """
    What may follow a command.

    @ivar path: the words of the command.
    @ivar bare: the kinds of its arguments that are not options.
    @ivar below: its sub-commands with their summaries.
    @ivar servers: whether it takes a server after C{@}.
    @ivar text: its help.
    """

    path: str
    summary: str
    text: str = ""
    options: list[Word] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    below: dict[str, str] = field(default_factory=dict)
    servers: bool = False


def short(help: str) -> str:
    """
    Return the first clause of a help text, cut at the length of a line in a list.
    """
    clause = re.split(r"(?<=[^.])[;.](?: |$)|: ", help, maxsplit=1)[0]
    return shorten(clause, _SHORT, placeholder="...")


def prefixWords() -> list[str]:
    """
    Return what a resolver description may begin with.
    """
    from twisted_ext.resolver.strings.descriptions import BUILT_IN

    alone = ("system", "special", "threaded")
    return [parser.prefix if parser.prefix in alone else f"{parser.prefix}:" for parser in BUILT_IN]


def commandGrammars() -> Iterator[Grammar]:
    """
    Yield the grammar of C{txdns}, of each command and of each sub-command.
    """
    below = {command.word: command.summary for command in COMMANDS}
    options = [
        Word(_HELP_OPTION, "print help"),
        Word("--version", "print the version"),
        Word("--pure", "run the source, not compiled code"),
    ]
    yield Grammar("txdns", "DNS tools", _helpOf([]), options, below=below | {"help": "print the help of a command"})
    yield Grammar("txdns help", "print the help of a command", below=below)
    for command in COMMANDS:
        subcommands = command.subcommands()
        path = f"txdns {command.word}"
        if subcommands:
            listed = {each.word: each.summary for each in subcommands}
            yield Grammar(f"txdns help {command.word}", "", below=listed)
            yield Grammar(path, command.summary, _helpOf([command.word]), [Word(_HELP_OPTION, "print help")], below=listed)
            for each in subcommands:
                yield from _grammarsOf(["txdns", command.word, each.word], each)
        else:
            yield from _grammarsOf(["txdns", command.word], command)
        if command.word == "completion":
            yield from [Grammar(f"{path} {shell}", "", below=dict.fromkeys(PROGRAMS, "")) for shell in SHELLS]


def _helpOf(words: list[str]) -> str:
    with redirect_stdout(StringIO()) as output:
        main([*words, "--help"])
    return output.getvalue()


def _grammarsOf(words: list[str], command: Command) -> Iterator[Grammar]:
    arguments: Arguments | None = getattr(import_module(f"twisted_ext.apps.{command.module}"), "ARGUMENTS", None)
    path = " ".join(words)
    text = _helpOf(words[1:])
    usage, _, rest = text.partition("\n\n")
    grammar = Grammar(path, command.summary, text, bare=_bareKinds(usage))
    if command.module == "launch":
        yield Grammar(path, command.summary, text, options=_serverOptions(command.word, import_module("twisted_ext.apps.tap").Options))
        return
    grammar.options += _optionsIn(text) if arguments is None else _optionsOf(arguments)
    if command.word == "query":
        grammar.options += _plusOptions()
    grammar.options.append(Word(_HELP_OPTION, "print help"))
    grammar.servers = "@" in usage
    below = list(_verbGrammars(grammar, _verbsIn(rest))) if "COMMAND" in usage else []
    if command.word == "completion":
        grammar.below = dict.fromkeys(SHELLS, "")
    yield grammar
    yield from below


def _verbGrammars(grammar: Grammar, verbs: dict[str, tuple[list[str], str]]) -> Iterator[Grammar]:
    """
    Add the commands that a help text lists to those below a grammar, and yield the grammars of those that take something.
    """
    groups: dict[str, dict[str, tuple[list[str], str]]] = {}
    for verb, described in verbs.items():
        first, _, second = verb.partition(" ")
        groups.setdefault(first, {})[second] = described
    for first, group in groups.items():
        seconds = {second: help for second, (_, help) in group.items() if second}
        grammar.below[first] = ", ".join(seconds) or group[""][1]
        kinds = _distinct(kind for found, _ in group.values() for kind in found)
        if seconds or kinds:
            path = f"{grammar.path} {first}"
            yield Grammar(path, grammar.below[first], options=grammar.options, bare=kinds, below=seconds)


def _distinct(kinds: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(kinds))


def _kindOf(word: str) -> str:
    return next((kind for part, kind in _USAGE_WORDS.items() if part in word), TEXT)


def _bareKinds(usage: str) -> list[str]:
    """
    Return the kinds of the arguments in the usage lines of a help text that are not options.
    """
    text = re.sub(r"\[NAME=\]|\[ALGORITHM:\]\S*|\|?@\S+", "", usage.removeprefix("Usage: "))
    words = re.sub(r"(?<!\S)\[?[-+][^\s\]]*(?: [A-Z]+(?![\w.]))?", " ", text)
    return _distinct(kind for word in re.findall(r"[A-Z]{3,}", words) if (kind := _kindOf(word)) != TEXT)


def _verbsIn(text: str) -> dict[str, tuple[list[str], str]]:
    """
    Return the commands that a help text lists, with the kinds of their arguments and their descriptions.
    """
    found: dict[str, tuple[list[str], str]] = {}
    for line in text.splitlines():
        parts = re.fullmatch(r"  ([a-z]+(?: .+?)?)  +(\S.*)", line)
        if parts is None:
            continue
        names, help = parts.groups()
        words = re.findall(r"[a-z]+(?![\w=])", re.sub(r"\[.*?\]", "", names))
        kinds = [kind for word in re.findall(r"[A-Z]{3,}", names) if (kind := _kindOf(word)) != TEXT]
        first, *others = words
        for other in others or [""]:
            found[f"{first} {other}".strip()] = (kinds, short(help))
    return found


def _optionsIn(text: str) -> Iterator[Word]:
    """
    Yield the options in the help of a command that has no table of options.
    """
    usage = text.partition("\n\n")[0]
    for name, value in re.findall(r"(--[a-z-]+)(?: ([A-Z]+))?", usage):
        described = re.search(rf"^  {name}(?: [A-Z]+)?  +(.+)$", text, re.MULTILINE)
        yield Word(name, described[1] if described else "", _kindOf(value) if value else "", value=value)


def _optionsOf(arguments: Arguments) -> Iterator[Word]:
    for option in arguments.options:
        if "-y" in option.names:
            yield Word("-y", option.help, TEXT, tuple([f"{algorithm}:" for algorithm in ALGORITHMS]), value="[ALGORITHM:]NAME:SECRET")
        elif not {"@", "+"} & set(option.names):
            yield from _wordsOf(option)


def _wordsOf(option: Option[Any]) -> Iterator[Word]:
    value = option.spec.rpartition(" ")[2] if option.read is not None else ""
    for name, on in option.names.items():
        if name in ("-m", "-u", "+colour", "+nocolour"):
            # Without effect, and another spelling.
            continue
        turned = name.replace("no", "", 1)
        help = option.help if on else f"turn off {turned}"
        kind = _kindOf(value) if value else ""
        yield Word(name, help or "the same as +" + name.lstrip("-"), kind, tuple(option.words), negative=not on, value=value)


def _plusOptions() -> Iterator[Word]:
    for name, (value, help) in PLUS_HELP.items():
        attached = "" if not value else "optional" if value.startswith("[") else "required"
        # The path of HTTPS is part of a URL, and the prefix one of addresses.
        kind = "" if not value else FILES if "FILE" in value else HOSTS if "NAME" in value else TEXT
        yield Word(f"+{name}", help, kind, _OPCODES if name == "opcode" else (), attached, value=value)
    for name in PLUS_HELP:
        yield Word(f"+no{name}", f"turn off +{name}", negative=True)


_OPCODES: Final = ("QUERY", "STATUS", "NOTIFY", "UPDATE")


def twistdGrammars() -> Iterator[Grammar]:
    """
    Yield the grammar of C{twistd}, of C{twistd txdns} and of each of its sub-commands.
    """
    # The plugin of twistd is another program, which this one does not import.
    tap = import_module("twisted_ext.apps.tap")
    options: type = tap.Options
    rows: Iterable[tuple[str, str | None, object, str]] = tap.Options.subCommands
    roles = {name: help for name, _, _, help in rows}
    daemon = import_module("twisted.scripts.twistd").ServerOptions
    optFlags: Iterable[tuple[str, str | None, str]] = daemon.optFlags
    optParameters: Iterable[tuple[str, str | None, object, str]] = daemon.optParameters
    # The places of Twisted's table: long and short name, and help; parameters have a default in between.
    flags = [Word(f"--{each[0]}", _sentence(each[2])) for each in optFlags]
    values = [
        Word(f"--{each[0]}", _sentence(each[3]), FILES if "file" in each[0] or each[0] in ("chroot", "rundir") else TEXT)
        for each in optParameters
    ]
    yield Grammar("twistd", "Twisted's daemon", options=[*flags, *values], below={"txdns": "a DNS server"})
    yield Grammar("twistd txdns", "a DNS server", options=_serverOptions("", options), below=roles)
    for role, help in roles.items():
        if role == "robot":
            words = [_otherOption(tap.RobotOptions, name, FILES if name == "config" else "") for name in ("config", "check", "version")]
            yield Grammar(f"twistd txdns {role}", help, options=[*words, Word(_HELP_OPTION, "print help")])
        else:
            yield Grammar(f"twistd txdns {role}", help, options=_serverOptions(role, options))


def _sentence(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _otherOption(options: type, name: str, kind: str = "") -> Word:
    return Word(f"--{name.replace('_', '-')}", _sentence(str(getattr(options, f"opt_{name}").__doc__)), kind)


def _serverOptions(role: str, options: type) -> list[Word]:
    words = [_otherOption(options, "config", FILES)]
    words += [_otherOption(options, name) for name in ("show_config", "show_path", "version")]
    words.append(Word(_HELP_OPTION, "print help"))
    for setting in settingsFor(role):
        kind = _settingKind(setting)
        values = tuple(getattr(setting.kind, "words", ()))
        words.append(Word(f"--{setting.name}", setting.help, kind, values))
        if setting.kind is types.FLAG:
            words.append(Word(f"--no-{setting.name}", f"turn off --{setting.name}", negative=True))
    return words + [_otherOption(options, name, FILES if name == "bindzone" else TEXT) for name in LIKE_TWISTD]


def _settingKind(setting: Setting) -> str:
    if setting.kind in (types.FLAG, types.COUNT):
        return ""
    if isinstance(setting.kind, (types.File, types.Table)):
        return FILES
    return DESCRIPTIONS if setting.kind is types.DESCRIPTION else TEXT
