"""
Which rule decides about a name: those of the operator, or else those of lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from twisted_ext.resolver.policy.rules.condition import Condition
from twisted_ext.resolver.policy.rules.rewriting import ANYTHING, Rewrite
from twisted_ext.resolver.policy.rules.table import (
    BELOW,
    CONDITIONAL,
    EXCEPT,
    IMPORTANT,
    SELF,
    SOURCE,
    PolicyTable,
    rankOf,
)
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import CNAME, A

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

    @ivar blocked: whether clients do not get what upstreams say; if not, it is an exception.
    @ivar domain: the name in the rule, as text.
    @ivar source: the name or the path of the list; or a setting, C{block}, C{block-except} or C{safe-search}.
    @ivar line: the line of the rule in the list; 0 for a setting.
    @ivar labels: how many labels of the name come before those of the rule.
    @ivar rewrites: what clients get in place of that; empty for the answer for blocked names.
    """

    __slots__ = ("blocked", "domain", "labels", "line", "rewrites", "source")

    def __init__(self, blocked: bool, domain: bytes, source: str, line: int, labels: int, rewrites: Sequence[Rewrite] = ()) -> None:
        self.blocked = blocked
        self.domain = domain
        self.source = source
        self.line = line
        self.labels = labels
        self.rewrites = rewrites

    @property
    def word(self) -> str:
        """
        C{blocked}, C{rewritten} or C{excepted}.
        """
        return "rewritten" if self.rewrites else "blocked" if self.blocked else "excepted"

    @property
    def renames(self) -> bool:
        """
        Whether clients get the records of another name.
        """
        return any(each.rrType == CNAME for each in self.rewrites)

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
        @param blocked: domains that are blocked, with all names below them; C{*.} before one is the same.
        @param excepted: domains that are not blocked, with all names below them. One that is both is not blocked.
        """
        self._domains: dict[bytes, bool] = {}
        for domains, isBlocked in ((blocked, True), (excepted, False)):
            for domain in domains:
                if text := _dotted(nameFromText(domain.removeprefix("*.")).lower()):
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


def decided(
    name: bytes, own: OwnRules, table: PolicyTable | None, mask: int = _ALL, rrType: int = A, view: bytes = b""
) -> Verdict | None:
    """
    Return what rules say about a question; L{None} if none is about it.

    The operator's own rules come first, that for the longer name before others. Of those of lists a rule that rewrites answers comes before
    all others, then an important exception, then an important rule that blocks, then other exceptions, then other rules; of equal ones that
    for the longer name, and then that of the list that comes first.

    @param name: folded.
    @param mask: the lists that apply, as bits by their numbers in the table.
    @param rrType: the type that is asked for.
    @param view: the name of the client's view, lower case; C{b""} for none.
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
    whole, dotted = text, above
    rewriting = _Rewriting() if table.rewriting else None
    highest, single, rulesFor = table.highest, table.single, table.rulesFor
    while text:
        dot = text.find(b".")
        if dot < 0 and above and not single:
            break
        rules = rulesFor(text)
        if rules:
            applies = BELOW if above else SELF
            if table.conditional and any(word & CONDITIONAL for word, _ in rules):
                rules = _holding(rules, table, mask, applies, whole, len(whole) - len(text), rrType, view, rewriting)
            found, rank = _first(rules, applies, mask, text, above, table, found, rank)
            if rank == highest and rewriting is None:
                break
        if dot < 0:
            break
        text = text[dot + 1 :]
        above += 1
    if table.expressions and not dotted:
        matching = [rule for number, each in table.expressions.items() if mask >> number & 1 for rule in each.matching(whole)]
        if matching:
            rules = _holding(matching, table, mask, SELF, whole, 0, rrType, view, rewriting)
            found, _ = _first(rules, SELF, mask, whole, 0, table, found, rank)
    return (rewriting and rewriting.verdict(whole, dotted, table)) or found


def _first(
    rules: Sequence[tuple[int, int]],
    applies: int,
    mask: int,
    text: bytes,
    above: int,
    table: PolicyTable,
    found: Verdict | None,
    rank: int,
) -> tuple[Verdict | None, int]:
    """
    Return what the rule says that comes before others, and its rank.

    @param applies: L{SELF} or L{BELOW}, which a rule needs.
    @param text: the name that the rules are for.
    @param above: how many labels the name in question has before it.
    @param found: what another rule says, which one of a higher rank comes before.
    @param rank: that of the other rule.
    """
    best = (rank, 0)
    for word, line in rules:
        order = (rankOf(word), SOURCE - (word & SOURCE))
        if word & applies and mask >> (word & SOURCE) & 1 and order[0] > rank and order > best:
            best = order
            found = Verdict(not word & EXCEPT, text, table.lists[word & SOURCE].name, line, above)
    return found, best[0]


class _Rewriting:
    """
    The rules about a question that rewrite answers, and what others except of them.
    """

    __slots__ = ("_excepted", "_given")

    def __init__(self) -> None:
        # Each with its order, the octets above its domain, and its line.
        self._given: list[tuple[tuple[bool, int, int], int, Rewrite]] = []
        self._excepted: set[Rewrite] = set()

    def add(self, word: int, line: int, above: int, rewrite: Rewrite) -> None:
        """
        Add a rule.
        """
        if word & EXCEPT:
            self._excepted.add(rewrite)
        else:
            self._given.append(((not word & IMPORTANT, above, word & SOURCE), line, rewrite))

    def verdict(self, name: bytes, labels: int, table: PolicyTable) -> Verdict | None:
        """
        Return what they say together: those for the same domain in the same list as the first one.

        @param name: lower case with dots between labels.
        @param labels: how many labels it had before them.
        """
        left = [] if ANYTHING in self._excepted else [each for each in self._given if each[2] not in self._excepted]
        if not left:
            return None
        order, line, _ = min(left, key=lambda each: each[:2])
        _, above, source = order
        rewrites = tuple([rewrite for each, _, rewrite in left if each == order])
        return Verdict(True, name[above:], table.lists[source].name, line, labels + name.count(b".", 0, above), rewrites)


def _holding(
    rules: Sequence[tuple[int, int]],
    table: PolicyTable,
    mask: int,
    applies: int,
    name: bytes,
    above: int,
    rrType: int,
    view: bytes,
    rewriting: _Rewriting | None,
) -> list[tuple[int, int]]:
    """
    Return those of the rules whose conditions hold, each with its line, but for those that others void.

    @param applies: L{SELF} or L{BELOW}, which a rule needs.
    @param name: the name that is asked for, lower case with dots between labels.
    @param above: how many octets of it come before the name of the rules.
    @param view: the name of the client's view.
    @param rewriting: gets those that rewrite answers, which are not returned.
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
        elif word & applies and (condition is _ALWAYS or condition.holds(name, above, rrType, view)):
            found.append((word, line, same))
    others: list[tuple[int, int]] = []
    for word, line, same in found:
        if same in voided:
            continue
        rewrite = same[1].rewrite
        if rewrite is None:
            others.append((word, line))
        elif rewriting is not None:
            rewriting.add(word, line, above, rewrite)
    return others


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
