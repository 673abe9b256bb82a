"""
Reads the rules of ad blockers that are about names: C{||ads.example^}, C{@@||ads.example^}, C{|ads.example^}, C{||ad*.example.com^} and
expressions between slashes, with the modifiers C{$important}, C{$dnstype=}, C{$denyallow=}, C{$client=}, C{$dnsrewrite=} and
C{$badfilter}. A rule with anything else is left out as a whole: without it, the rule would be about more.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.resolver.policy.rules.expressions import KEY, costOf
from twisted_ext.resolver.policy.rules.rewriting import ANYTHING, Rewrite, nameIn, readRewrite, shownPart
from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, IMPORTANT, SELF
from twisted_ext.wire.rrtypes import typeNumber

__all__ = ["AdblockRule", "adblockRule", "isAdblock"]

#: The domain, the bits of the rule, and its condition; L{None} for none. With an expression the domain is L{KEY}.
AdblockRule = tuple[bytes, int, Condition | None]

#: What a line begins with, the name or pattern, what it ends with, and the modifiers.
_RULE: Final = re.compile(rb"(@@)?(\|\|?)?([^|^$/]*)(\^\|?|\|)?(?:\$(.*))?")

#: A rule with an expression, whose last slash has modifiers behind it at most.
_EXPRESSION: Final = re.compile(rb"(@@)?/(.+)/(?:\$([^/]*))?")

#: The condition of rules without one.
_ALWAYS: Final = Condition()

#: Characters of a pattern.
_PATTERN: Final = re.compile(rb"[a-z0-9_.*-]+")

#: Addresses and networks.
_CLIENT: Final = re.compile(rb"\d+(?:\.\d+){3}(?:/\d+)?|[0-9a-f:.]*:[0-9a-f:./]*")


def isAdblock(line: bytes) -> bool:
    """
    Return whether a line is a rule of an ad blocker rather than in another format.

    @param line: lower case, without white space around it.
    """
    if line.startswith((b"|", b"@@", b"/")):
        return True
    # Lines of other formats may have these characters in a comment.
    alone = b"#" not in line and len(line.split()) == 1
    return alone and (b"$" in line or b"*" in line.removeprefix(b"*."))


def adblockRule(line: bytes, original: bytes = b"") -> AdblockRule:
    """
    Read a rule.

    @param line: lower case, without white space around it.
    @param original: the line as it is, which expressions need; by default C{line}.

    @raise ValueError: it cannot be used.
    """
    if line.removeprefix(b"@@").startswith(b"/"):
        return _expressionRule(original or line)
    matched = _RULE.fullmatch(line)
    if matched is None:
        raise ValueError(f"{shownPart(line)} depends on more than the domain")
    exception, begin, text, end, modifiers = matched.groups()
    word, condition = _modified(line, EXCEPT if exception else 0, modifiers)
    if text.endswith(b".") or not (end or b"." in text):
        # Not the top-level domain of that name, which it does not mean.
        raise ValueError(f"{shownPart(line)} is for all names that begin so; end a whole domain with ^")
    if begin == b"|" and not end:
        raise ValueError(f"{shownPart(line)} is for all names that begin so; end a whole name with ^")
    bits = SELF if begin == b"|" else SELF | BELOW
    if text.startswith(b"*.") and b"*" not in text[2:]:
        # For a name alone the star is as good as any name below.
        text, bits = text[2:], BELOW
    elif b"*" in text:
        pattern, text = _divided(line, text)
        bits = BELOW
        condition = replace(condition, pattern=pattern, anchored=begin == b"|")
    return nameIn(text), word | bits, None if condition == _ALWAYS else condition


def _expressionRule(line: bytes) -> AdblockRule:
    """
    Read a rule with a regular expression.

    @raise ValueError: it cannot be used.
    """
    matched = _EXPRESSION.fullmatch(line)
    if matched is None:
        raise ValueError(f"{shownPart(line)} depends on more than the name")
    exception, text, modifiers = matched.groups()
    word, condition = _modified(line, EXCEPT if exception else 0, None if modifiers is None else modifiers.lower())
    try:
        costOf(text)
    except ValueError as error:
        raise ValueError(f"{shownPart(line)}: the expression {error}") from None
    return KEY, word | SELF, replace(condition, expression=text)


def _modified(line: bytes, word: int, modifiers: bytes | None) -> tuple[int, Condition]:
    """
    Return the bits and the condition that modifiers make of those of a rule.

    @param modifiers: what is behind the C{$}; L{None} without one.

    @raise ValueError: they are not supported.
    """
    voids = False
    types: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    excluded: tuple[bytes, ...] = ()
    views: tuple[bytes, ...] = ()
    rewrite: Rewrite | None = None
    for modifier in modifiers.split(b",") if modifiers is not None else ():
        name, equals, value = modifier.strip().partition(b"=")
        if name == b"important" and not equals:
            word |= IMPORTANT
        elif name == b"badfilter" and not equals:
            voids = True
        elif name == b"dnstype" and value and not types and not others:
            types, others = _typesIn(line, value)
        elif name == b"denyallow" and value and not excluded:
            excluded = tuple([nameIn(each) for each in value.split(b"|")])
        elif name == b"client" and value and not views:
            views = tuple([_viewIn(line, each) for each in value.split(b"|")])
        elif name == b"dnsrewrite" and rewrite is None:
            rewrite = _rewriteIn(line, value, bool(word & EXCEPT))
        elif modifier != b"all":
            raise ValueError(f"{shownPart(line)} depends on more than the domain")
    return word, Condition(voids, types, others, excluded, views=views, rewrite=rewrite)


def _divided(line: bytes, text: bytes) -> tuple[bytes, bytes]:
    """
    Divide a pattern at the dot before the labels that have no C{*}.

    @raise ValueError: there are no such labels.
    """
    dot = text.find(b".", text.rindex(b"*"))
    if not _PATTERN.fullmatch(text) or dot <= 0 or dot == len(text) - 1:
        raise ValueError(f"{shownPart(line)} does not end with a domain")
    return text[:dot], text[dot + 1 :]


def _viewIn(line: bytes, text: bytes) -> bytes:
    """
    Return the name of a view that a rule is for, with C{~} before it one that it is not for.

    @raise ValueError: it is the address of a client, whose view other clients share.
    """
    tilde = b"~" if text.startswith(b"~") else b""
    name = text.removeprefix(b"~").strip(b"'\"")
    if not name or _CLIENT.fullmatch(name):
        raise ValueError(f"{shownPart(line)} is for a client; make a view of it, and write the name of that")
    return tilde + name


def _rewriteIn(line: bytes, value: bytes, exception: bool) -> Rewrite:
    """
    Return what a rule gives clients.

    @raise ValueError: it is not supported.
    """
    try:
        rewrite = readRewrite(value)
    except ValueError as error:
        raise ValueError(f"{shownPart(line)}: {error}") from None
    if rewrite is ANYTHING and not exception:
        raise ValueError(f"{shownPart(line)} does not say what clients get")
    return rewrite


def _typesIn(line: bytes, value: bytes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """
    Return the types that a rule is for, and those that it is not for.

    @raise ValueError: there is no such type.
    """
    found: tuple[list[int], list[int]] = ([], [])
    for each in value.split(b"|"):
        number = typeNumber(each.removeprefix(b"~").decode("ascii", "replace"))
        if number is None:
            raise ValueError(f"{shownPart(line)} has a type that there is not, {shownPart(each)}")
        found[each.startswith(b"~")].append(number)
    return tuple(dict.fromkeys(found[0])), tuple(dict.fromkeys(found[1]))
