"""
Writes the completion for fish, from version 3.0 on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from twisted_ext.apps.cli.completion.grammar import (
    CLASS_WORDS,
    CLASSES,
    DESCRIPTIONS,
    FILES,
    HOSTS,
    PREFIXES,
    TYPE_WORDS,
    TYPES,
    URL_WORDS,
    URLS,
    Grammar,
    Word,
    prefixWords,
    short,
)

__all__ = ["fishScript"]

_SCRIPT: Final = r"""# Completion of PROGRAM for fish, made by: txdns completion fish PROGRAM
set -g __PROGRAM_paths PATHS

function __PROGRAM_at --description 'whether the words so far are these commands'
    set -l path PROGRAM
    for word in (commandline -opc)[2..-1]
        contains -- "$path $word" $__PROGRAM_paths; and set path "$path $word"
    end
    test "$path" = "$argv"
end

function __PROGRAM_begins --description 'whether the current word begins with this'
    string match -q -- "$argv*" (commandline -ct)
end

function __PROGRAM_servers --description 'what may follow @'
    printf '@%s\n' SERVERS
    string replace -rf '^nameserver\s+(\S+).*' '@$1' </etc/resolv.conf 2>/dev/null
    printf '@%s\n' (__fish_print_hostnames)
end

"""


def fishScript(program: str, grammars: Sequence[Grammar]) -> str:
    """
    Return the script for a program.
    """
    replaced = {
        "PATHS": " ".join([_quoted(each.path) for each in grammars[1:]]),
        "SERVERS": " ".join([*prefixWords(), *URL_WORDS]),
        "PROGRAM": program,
    }
    text = _SCRIPT
    for name, value in replaced.items():
        text = text.replace(name, value)
    lines: list[str] = []
    for grammar in grammars:
        lines += [_line(program, grammar, *each) for each in _completions(program, grammar)]
    # The arguments of other commands of twistd are its own files.
    return text + "\n".join([f"complete -c {program} -f"] * (program != "twistd") + lines) + "\n"


def _line(program: str, grammar: Grammar, begin: str, arguments: str) -> str:
    condition = f"__{program}_at {grammar.path}" + (f"; and __{program}_begins {begin}" if begin else "")
    return f"complete -c {program} -n {_quoted(condition)} {arguments}"


def _completions(program: str, grammar: Grammar) -> Iterator[tuple[str, str]]:
    """
    Yield the arguments of C{complete}, each with the beginning of the words that it is for, or C{""}.
    """
    if program == "twistd" and grammar.path != "twistd":
        yield "", "-f"
    for word, help in grammar.below.items():
        yield "", f"-a {_quoted(word)}{_described(help)}"
    for option in grammar.options:
        if option.name.startswith("+"):
            # fish has no options with this mark: they are arguments, shown if the word begins so.
            begin = "+no" if option.negative else "+"
            words = [option.name] if option.attached != "required" else []
            words += [f"{option.name}={each}" for each in option.words or [""]] if option.attached else []
            if option.kind == FILES:
                yield f"{option.name}=", "-F"
            for each in words:
                yield begin, f"-a {_quoted(each)}{_described(option.help)}"
        else:
            yield "", _option(option) + _described(option.help)
    for kind in grammar.bare:
        values = _valuesOf(kind)
        yield "", "-F" if kind == FILES else f"-a {_quoted(values)}"
    if grammar.servers:
        yield "@", f"-a {_quoted(f'(__{program}_servers)')}"


def _option(word: Word) -> str:
    name = f"-l {word.name[2:]}" if word.name.startswith("--") else f"-s {word.name[1:]}"
    if not word.kind:
        return name
    if word.kind == FILES:
        return f"{name} -r -F"
    values = " ".join(word.words) or _valuesOf(word.kind)
    return f"{name} -x" + (f" -a {_quoted(values)}" if values else "")


def _valuesOf(kind: str) -> str:
    return {
        HOSTS: "(__fish_print_hostnames)",
        TYPES: " ".join(TYPE_WORDS),
        CLASSES: " ".join(CLASS_WORDS),
        DESCRIPTIONS: " ".join([*prefixWords(), *URL_WORDS]),
        PREFIXES: " ".join([each.rstrip(":") for each in prefixWords()]),
        URLS: " ".join(URL_WORDS),
    }.get(kind, "")


def _described(help: str) -> str:
    return f" -d {_quoted(short(help))}" if help else ""


def _quoted(text: str) -> str:
    # fish knows no other escapes between single quotes.
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
