"""
What a rule of ad blockers depends on besides its domain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from twisted_ext.resolver.policy.rules.rewriting import Rewrite

__all__ = ["Condition"]

#: The line; flags; how many types it is for, and how many it is not for; the octets of the pattern, of the excluded domains, of the views,
#: of what the rule gives clients, and of the expression.
_HEAD: Final = Struct(">IBHHIIIII")

_TYPE: Final = Struct(">H")

#: Flags.
_VOIDS: Final = 1
_ANCHORED: Final = 2


@dataclass(frozen=True, slots=True)
class Condition:
    """
    The condition of a rule.

    @ivar voids: whether the rule takes another one out of force: that which is the same but for this (C{$badfilter}).
    @ivar types: the types of questions that it is for; empty for all (C{$dnstype}).
    @ivar others: types that it is not for (C{$dnstype=~}).
    @ivar excluded: domains that it is not for, with all names below them; lower case with dots between labels (C{$denyallow}).
    @ivar pattern: what a name has before the domain of the rule, and the dot; C{*} stands for any characters. Empty for anything.
    @ivar anchored: whether the pattern is for all of that; if not, it may begin after any dot.
    @ivar views: names of the views that it is for, lower case, with C{~} before them those that it is not for (C{$client}).
    @ivar rewrite: what the rule gives clients, if it does so (C{$dnsrewrite}); in an exception, what other rules do not give them.
    @ivar expression: a regular expression, which matches the names that the rule is for; C{b""} for none. Who looks for rules finds those
        whose expressions match.
    """

    voids: bool = False
    types: tuple[int, ...] = ()
    others: tuple[int, ...] = ()
    excluded: tuple[bytes, ...] = ()
    pattern: bytes = b""
    anchored: bool = False
    views: tuple[bytes, ...] = ()
    rewrite: Rewrite | None = None
    expression: bytes = b""

    def holds(self, name: bytes, above: int, rrType: int, view: bytes) -> bool:
        """
        Return whether a rule with this condition is about a question. Which rule it voids is another matter.

        @param name: lower case with dots between labels.
        @param above: how many octets of it come before the domain of the rule, with the last dot.
        @param view: the name of the client's view, lower case; C{b""} for none.
        """
        if self.views and not self._isFor(view):
            return False
        if rrType in self.others or (self.types and rrType not in self.types):
            return False
        if self.excluded and any(name.endswith(each) and name[-len(each) - 1 : -len(each)] in (b"", b".") for each in self.excluded):
            return False
        return not self.pattern or self._matches(name[: above - 1] if above else b"")

    def _isFor(self, view: bytes) -> bool:
        if b"~" + view in self.views:
            return False
        return view in self.views or all(each.startswith(b"~") for each in self.views)

    def _matches(self, text: bytes) -> bool:
        """
        Return whether the pattern matches; in time proportional to the text for each place where it may begin.
        """
        first, *rest = self.pattern.split(b"*")
        if self.anchored or not first:
            return text.startswith(first) and _follow(text, len(first), rest)
        at = 0
        while at >= 0:
            if text.startswith(first, at) and _follow(text, at + len(first), rest):
                return True
            at = text.find(b".", at) + 1 or -1
        return False

    def pack(self, line: int) -> bytes:
        """
        Return it as octets, with the line of the rule.
        """
        rewrite = b"" if self.rewrite is None else self.rewrite.pack()
        parts = (self.pattern, b"|".join(self.excluded), b"|".join(self.views), rewrite, self.expression)
        flags = _VOIDS * self.voids | _ANCHORED * self.anchored
        head = _HEAD.pack(line, flags, len(self.types), len(self.others), *map(len, parts))
        return b"".join([head, *map(_TYPE.pack, (*self.types, *self.others)), *parts])

    @classmethod
    def unpack(cls, data: bytes, at: int) -> tuple[int, Condition]:
        """
        Read what L{pack} has returned, from the octets of many.
        """
        line, flags, types, others, *sizes = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        numbers = [_TYPE.unpack_from(data, at + 2 * index)[0] for index in range(types + others)]
        at += 2 * len(numbers)
        parts: list[bytes] = []
        for size in sizes:
            parts.append(data[at : at + size])
            at += size
        pattern, excluded, views, rewrite, expression = parts
        condition = cls(
            bool(flags & _VOIDS),
            tuple(numbers[:types]),
            tuple(numbers[types:]),
            tuple(excluded.split(b"|")) if excluded else (),
            pattern,
            bool(flags & _ANCHORED),
            tuple(views.split(b"|")) if views else (),
            Rewrite.unpack(rewrite) if rewrite else None,
            expression,
        )
        return line, condition


def _follow(text: bytes, at: int, rest: Sequence[bytes]) -> bool:
    """
    Return whether a text has these parts in this order from there, the last one at its end.
    """
    if not rest:
        return at == len(text)
    for part in rest[:-1]:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - len(rest[-1]) >= at and text.endswith(rest[-1])
