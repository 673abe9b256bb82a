"""
Which rule decides about a name: those of the operator, or else those of lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.resolver.policy.rules.table import BELOW, CONDITIONAL, EXCEPT, SELF, SOURCE, PolicyTable, rankOf
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

__all__ = ["OwnRules", "Verdict", "decided"]

#: The setting that gives domains without a list.
_OWN: Final = "block"

#: The condition of rules without one.
_ALWAYS: Final = Condition()

#: All lists.
_ALL: Final = -1


class Verdict:
    """
    What is decided about a name, and by which rule.

    @ivar blocked: whether it is blocked; if not, it is an exception.
    @ivar domain: the name in the rule, as text.
    @ivar source: the name or the path of the list; or a setting, C{block} or C{block-except}.
    @ivar line: the line of the rule in the list; 0 for a setting.
    @ivar labels: how many labels of the name come before those of the rule.
    """

    __slots__ = ("blocked", "domain", "labels", "line", "source")

    def __init__(self, blocked: bool, domain: bytes, source: str, line: int, labels: int) -> None:
        self.blocked = blocked
        self.domain = domain
        self.source = source
        self.line = line
        self.labels = labels

    @property
    def place(self) -> str:
        """
        Where the rule is: the list and the line, with a colon between them, or the setting.
        """
        return f"{self.source}:{self.line}" if self.line else self.source


class OwnRules:
    """
    The rules that an operator gives one by one. They come before those of all lists.
    """

    __slots__ = ("_domains",)

    def __init__(self, blocked: Iterable[str], excepted: Iterable[str]) -> None:
        """
        @param blocked: domains that are blocked, with all names below them.
        @param excepted: domains that are not blocked, with all names below them. One that is both is not blocked.
        """
        self._domains: dict[bytes, bool] = {}
        for domains, isBlocked in ((blocked, True), (excepted, False)):
            for domain in domains:
                if text := _dotted(nameFromText(domain).lower()):
                    self._domains[text] = isBlocked

    def __bool__(self) -> bool:
        return bool(self._domains)

    def verdict(self, text: bytes, above: int) -> Verdict | None:
        """
        Return what the rule for the longest domain says.

        @param text: a name, lower case with dots between labels.
        @param above: how many labels it had before them.
        """
        domains = self._domains
        while text:
            blocked = domains.get(text)
            if blocked is not None:
                return Verdict(blocked, text, _OWN if blocked else f"{_OWN}-except", 0, above)
            text = text.partition(b".")[2]
            above += 1
        return None


def decided(name: bytes, own: OwnRules, table: PolicyTable | None, mask: int = _ALL, rrType: int = A) -> Verdict | None:
    """
    Return what rules say about a question; L{None} if none is about it.

    The operator's own rules come first, that for the longer name before others. Of those of lists an important exception comes before an
    important rule that blocks, then other exceptions, then other rules; of equal ones that for the longer name, and then that of the list
    that comes first.

    @param name: folded.
    @param mask: the lists that apply, as bits by their numbers in the table.
    @param rrType: the type that is asked for.
    """
    text, above = _dotted(name), 0
    while text is None:
        # No rule has such a label, but the domains above may have one.
        name = name[name[0] + 1 :]
        text, above = _dotted(name), above + 1
    if own and (verdict := own.verdict(text, above)) is not None:
        return verdict
    if table is None:
        return None
    found: Verdict | None = None
    rank = -1
    whole = text
    highest, single, rulesFor = table.highest, table.single, table.rulesFor
    while text:
        dot = text.find(b".")
        if dot < 0 and above and not single:
            break
        rules = rulesFor(text)
        if rules:
            applies = BELOW if above else SELF
            if table.conditional and any(word & CONDITIONAL for word, _ in rules):
                rules = _holding(rules, table, mask, whole, len(whole) - len(text), rrType)
            best = (rank, 0)
            for word, line in rules:
                order = (rankOf(word), SOURCE - (word & SOURCE))
                if word & applies and mask >> (word & SOURCE) & 1 and order[0] > rank and order > best:
                    best = order
                    found = Verdict(not word & EXCEPT, text, table.lists[word & SOURCE].name, line, above)
            rank = best[0]
            if rank == highest:
                break
        if dot < 0:
            break
        text = text[dot + 1 :]
        above += 1
    return found


def _holding(
    rules: Sequence[tuple[int, int]], table: PolicyTable, mask: int, name: bytes, above: int, rrType: int
) -> list[tuple[int, int]]:
    """
    Return those of the rules whose conditions hold, each with its line, but for those that others void.

    @param name: the name that is asked for, lower case with dots between labels.
    @param above: how many octets of it come before the name of the rules.
    """
    found: list[tuple[int, int, tuple[int, Condition]]] = []
    voided: list[tuple[int, Condition]] = []
    for word, line in rules:
        condition = _ALWAYS
        if not mask >> (word & SOURCE) & 1:
            continue
        if word & CONDITIONAL:
            line, condition = table.condition(line)
        same = (word & ~(SOURCE | CONDITIONAL), condition)
        if condition.voids:
            voided.append((same[0], replace(condition, voids=False)))
        elif condition is _ALWAYS or condition.holds(name, above, rrType):
            found.append((word, line, same))
    return [(word, line) for word, line, same in found if same not in voided]


def _dotted(name: bytes) -> bytes | None:
    """
    Return a name with dots between its labels, empty for the root; L{None} if a label has dots.
    """
    text = bytearray(name[1:-1])
    at = name[0]
    labels = 0
    while at < len(text):
        step = text[at] + 1
        text[at] = 46
        at += step
        labels += 1
    return bytes(text) if text.count(b".") == labels else None
