"""
Writes the completion for zsh.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from shlex import quote
from typing import Final

from twisted_ext.apps.cli.completion.grammar import (
    CLASS_WORDS,
    TYPE_WORDS,
    URL_WORDS,
    Grammar,
    Word,
    prefixWords,
    short,
)

__all__ = ["zshScript"]

_SCRIPT: Final = r"""#compdef PROGRAM
# Completion of PROGRAM for zsh, made by: txdns completion zsh PROGRAM

_PROGRAM() {OTHERS
    local at='PROGRAM' word kind='' servers='' prev="${words[CURRENT-1]}" cur="${PREFIX}" i
    local -a below options open negative kinds values
    for ((i = 2; i < CURRENT; i++)); do
        word="${words[i]}"
        case "$at $word" in
WALK
        esac
    done
    case $cur in
        --*=*|+*=*) prev="${cur%%=*}=" ;;
    esac
    case $at in
CASES
    esac
    [[ $prev == (--|+)*= ]] && compset -P 1 '*='
    if [[ -n $kind ]]; then
        (( $#values )) && kind=words
        _PROGRAM_kind $kind
        return
    fi
    case $cur in
        +no*) _describe -o 'what to turn off' negative ;;
        [-+]*)
            _describe -o option options
            _describe -o option open -S ''
            ;;
        @*)
            [[ -n $servers ]] || return 1
            compset -P '@'
            _PROGRAM_kind descriptions
            compadd -J servers -- ${${${(M)${(f)"$(</etc/resolv.conf)"}:#nameserver *}#nameserver }%% *} 2>/dev/null
            _hosts
            ;;
        *)
            (( $#below )) && _describe command below
            for kind in $kinds; do _PROGRAM_kind $kind; done
            ;;
    esac
}

_PROGRAM_kind() {
    case $1 in
        words) compadd -- $values ;;
        files)
            compset -P '*='
            _files
            ;;
        hosts) [[ -n $PREFIX ]] && _hosts ;;
        types) compadd -M 'm:{a-z}={A-Z}' -J types -X 'record type' -- TYPES ;;
        classes) compadd -M 'm:{a-z}={A-Z}' -J classes -X class -- CLASSES ;;
        descriptions)
            compadd -S '' -J descriptions -X 'resolver description' -- DESCRIPTIONS
            compadd -S '' -J urls -- URLS
            ;;
        prefixes) compadd -J prefixes -- PREFIXES ;;
        urls) compadd -S '' -J urls -- URLS ;;
    esac
}

if [[ ${funcstack[1]} == _PROGRAM ]]; then
    _PROGRAM "$@"
else
    compdef _PROGRAM PROGRAM
fi
"""


#: Twisted's own completion, which zsh has, knows other servers and the options of twistd, but not sub-commands.
_OTHERS: Final = r"""
    if (( ! ${words[(I)txdns]} && $+functions[_twisted] )); then
        _twisted
        return
    fi"""


def zshScript(program: str, grammars: Sequence[Grammar]) -> str:
    """
    Return the script for a program.
    """
    prefixes = prefixWords()
    replaced = {
        "OTHERS": _OTHERS if program == "twistd" else "",
        "WALK": f"            {'|'.join([quote(each.path) for each in grammars[1:]])}) at=\"$at $word\" ;;",
        "CASES": "\n".join(_cases(grammars)),
        "DESCRIPTIONS": " ".join(prefixes),
        "PREFIXES": " ".join([each.rstrip(":") for each in prefixes]),
        "URLS": " ".join(URL_WORDS),
        "TYPES": " ".join(TYPE_WORDS),
        "CLASSES": " ".join(CLASS_WORDS),
        "PROGRAM": program,
    }
    text = _SCRIPT
    for name, value in replaced.items():
        text = text.replace(name, value)
    return text


def _cases(grammars: Iterable[Grammar]) -> Iterator[str]:
    for grammar in grammars:
        yield f"        {quote(grammar.path)})"
        positive = [each for each in grammar.options if not (each.negative and each.name.startswith("+"))]
        negative = [each for each in grammar.options if each.negative and each.name.startswith("+")]
        yield from _array("below", grammar.below)
        yield from _array("options", {each.name: each.help for each in positive if each.attached != "required"})
        yield from _array("open", {f"{each.name}=": each.help for each in positive if each.attached})
        yield from _array("negative", {each.name: each.help for each in negative})
        if grammar.bare:
            yield f"            kinds=({' '.join(grammar.bare)})"
        if grammar.servers:
            yield "            servers=1"
        yield from _values(grammar.options)
        yield "            ;;"


def _array(name: str, described: Mapping[str, str]) -> Iterator[str]:
    if described:
        yield f"            {name}=("
        for word, help in described.items():
            yield f"                {quote(word.replace(':', chr(92) + ':') + (f':{short(help)}' if help else ''))}"
        yield "            )"


def _values(options: Iterable[Word]) -> Iterator[str]:
    yield "            case $prev in"
    for word in options:
        if word.kind:
            names = [f"{word.name}="] if word.attached else [word.name, f"{word.name}="] if word.name.startswith("--") else [word.name]
            values = f" values=({' '.join(word.words)})" if word.words else ""
            yield f"                {'|'.join(names)}) kind={word.kind}{values} ;;"
    yield "            esac"
