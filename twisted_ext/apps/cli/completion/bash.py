"""
Writes the completion for bash, from version 3.2 on, with or without the package bash-completion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from shlex import quote
from typing import Final

from twisted_ext.apps.cli.completion.grammar import CLASS_WORDS, TYPE_WORDS, URL_WORDS, Grammar, Word, prefixWords

__all__ = ["bashScript"]

#: A function for each program; C{PROGRAM}, C{WALK} and C{CASES} are replaced. What is completed is the text since the last blank: bash
#: cuts arguments at C{=}, C{:} and C{@} as well, and replaces only what follows the last of those, so the rest is cut off at the end.
_SCRIPT: Final = r"""# Completion of PROGRAM for bash, made by: txdns completion bash PROGRAM
_txdns_PROGRAM() {
    local below='' full cur prev='' at='PROGRAM' word head='' kind='' values='' options='' negative='' kinds='' servers='' i
    local -a words
    COMPREPLY=()
    read -r -a words <<<"${COMP_LINE:0:COMP_POINT}"
    case ${COMP_LINE:0:COMP_POINT} in *[[:space:]]) words+=('') ;; esac
    full=${words[${#words[@]}-1]}
    ((${#words[@]} > 1)) && prev=${words[${#words[@]}-2]}
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        case "$at $word" in
WALK
        esac
    done
    cur=$full
    # An option and its value in one argument.
    case $cur in
        --*=* | +*=*) prev=${cur%%=*}= head=${cur%%=*}= cur=${cur#*=} ;;
    esac
    case $at in
CASES
    esac
    _txdns_offer
}
"""

_COMMON: Final = r"""
_txdns_list() {
    local reply
    while IFS= read -r reply; do
        COMPREPLY+=("$reply")
    done < <(compgen "$@" -- "$cur")
}

_txdns_offer() {
    local upper reply strip i
    if [[ -n $kind ]]; then
        kinds=$kind options='' servers=''
        [[ -n $values ]] && kinds=words
    elif [[ $cur == +no* ]]; then
        options=$negative kinds='' servers=''
    elif [[ $cur == [-+]* ]]; then
        kinds='' servers=''
    elif [[ $cur == @* ]]; then
        options='' kinds=''
    else
        options=$below
    fi
    [[ -n $options ]] && _txdns_list -W "$options"
    if [[ -n $servers && $cur == @* ]]; then
        head=@ cur=${cur#@}
        _txdns_list -W "$_txdns_prefixes $_txdns_urls $(_txdns_nameservers)"
        _txdns_list -A hostname
    fi
    for kind in $kinds; do
        case $kind in
            words) _txdns_list -W "$values" ;;
            files)
                [[ $cur == *=* ]] && head=$head${cur%%=*}= cur=${cur#*=}
                type compopt >/dev/null 2>&1 && compopt -o filenames 2>/dev/null
                _txdns_list -f
                ;;
            hosts) [[ -n $cur ]] && _txdns_list -A hostname ;;
            types | classes)
                upper=$cur
                [[ $cur == *[a-z]* ]] && upper=$(printf %s "$cur" | tr '[:lower:]' '[:upper:]')
                reply=$_txdns_types
                [[ $kind == classes ]] && reply=$_txdns_classes
                COMPREPLY+=($(compgen -W "$reply" -- "$upper"))
                ;;
            descriptions) _txdns_list -W "$_txdns_prefixes $_txdns_urls" ;;
            prefixes) _txdns_list -W "${_txdns_prefixes//:/}" ;;
            urls) _txdns_list -W "$_txdns_urls" ;;
        esac
    done
    # bash replaces what follows the last of its word breaks.
    strip=$full
    while [[ -n $strip && $COMP_WORDBREAKS != *"${strip:${#strip}-1}"* ]]; do strip=${strip%?}; done
    [[ $strip == @ && $COMP_WORDBREAKS == *@* ]] && strip=''
    for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
        word=$head${COMPREPLY[i]}
        COMPREPLY[i]=${word#"$strip"}
    done
    if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} == *[=:/@] ]]; then
        type compopt >/dev/null 2>&1 && compopt -o nospace 2>/dev/null
    fi
}

_txdns_nameservers() {
    local keyword address rest
    [[ -r /etc/resolv.conf ]] || return
    while read -r keyword address rest; do
        [[ $keyword == nameserver ]] && printf '%s ' "$address"
    done </etc/resolv.conf
}
"""


def bashScript(program: str, grammars: Sequence[Grammar]) -> str:
    """
    Return the script for a program.
    """
    walk = [f"            {' | '.join([quote(each.path) for each in grammars[1:]])}) at=\"$at $word\" ;;"]
    text = _SCRIPT.replace("PROGRAM", program).replace("WALK", "\n".join(walk)).replace("CASES", "\n".join(_cases(grammars)))
    lists = {"types": TYPE_WORDS, "classes": CLASS_WORDS, "urls": URL_WORDS, "prefixes": prefixWords()}
    # The default of bash, file names, where there is nothing else: arguments of twistd that are not those of txdns.
    usual = "-o bashdefault -o default " if program == "twistd" else ""
    declared = [f"_txdns_{name}={quote(' '.join(words))}" for name, words in lists.items()]
    return "\n".join([text + _COMMON, *declared, "", f"complete {usual}-F _txdns_{program} {program}", ""])


def _cases(grammars: Iterable[Grammar]) -> Iterator[str]:
    for grammar in grammars:
        yield f"        {quote(grammar.path)})"
        positive = [_named(each) for each in grammar.options if not (each.negative and each.name.startswith("+"))]
        negative = [each.name for each in grammar.options if each.negative and each.name.startswith("+")]
        for name, words in (("options", positive), ("negative", negative), ("kinds", grammar.bare), ("below", grammar.below)):
            if words:
                yield f"            {name}={quote(' '.join(words))}"
        if grammar.servers:
            yield "            servers=1"
        yield from _values(grammar)
        yield "            ;;"


def _named(word: Word) -> str:
    # With its equals sign, if the value has to be in the same argument.
    return f"{word.name}=" if word.attached == "required" else word.name


def _values(grammar: Grammar) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for word in grammar.options:
        if word.kind:
            action = f"kind={word.kind}" + (f" values={quote(' '.join(word.words))}" if word.words else "")
            names = [f"{word.name}="] if word.attached else [word.name, f"{word.name}="] if word.name.startswith("--") else [word.name]
            found.setdefault(action, []).extend(names)
    if found:
        yield "            case $prev in"
        for action, names in found.items():
            yield f"                {' | '.join(names)}) {action} ;;"
        yield "            esac"
