"""
POSIX extended regular expressions (RFC 3402, section 3.2) for untrusted patterns.

A pattern is compiled to a list of steps, and all alternatives are matched in parallel, without backtracking. The work is at most the
pattern's length times the text's. Python's C{re} takes exponential time for some patterns of ten characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from twisted_ext.discovery.limits import PATTERN_DEPTH, PATTERN_PARTS, PATTERN_WORK
from twisted_ext.errors import PeerFault

__all__ = ["BadPattern", "Pattern", "Work"]

#: Steps: match a character in a set, or not in a set; fork; record the position; match the beginning or the end of the text; done.
_AMONG: Final = 0
_EXCEPT: Final = 1
_EITHER: Final = 2
_PLACE: Final = 3
_BEGINNING: Final = 4
_END: Final = 5
_MATCHED: Final = 6

#: No upper limit of a repetition.
_ENDLESS: Final = -1

#: The highest number in a repetition (RE_DUP_MAX of POSIX).
_MOST_REPEATED: Final = 255

#: The number of groups that backreferences can name.
_MOST_GROUPS: Final = 9

_SPECIAL: Final = frozenset("*+?{")

_REPEATS: Final = {"*": (0, _ENDLESS), "+": (1, _ENDLESS), "?": (0, 1)}

#: Character classes in the POSIX locale: the first and the last character of each range.
_CLASSES: Final = {
    "alpha": ("az", "AZ"),
    "digit": ("09",),
    "alnum": ("az", "AZ", "09"),
    "upper": ("AZ",),
    "lower": ("az",),
    "xdigit": ("09", "AF", "af"),
    "space": ("  ", "\t\r"),
    "blank": ("  ", "\t\t"),
    "punct": ("!/", ":@", "[`", "{~"),
    "print": (" ~",),
    "graph": ("!~",),
    "cntrl": ("\x00\x1f", "\x7f\x7f"),
}

#: Ranges of characters, both ends included.
_Ranges = tuple[tuple[str, str], ...]

#: The kind of step, its characters, and two numbers: the next steps of a fork, or the index of a position.
_Step = tuple[int, _Ranges, int, int]

#: A part of a pattern: its kind, characters, two numbers, and inner parts.
_Node = tuple[str, _Ranges, int, int, "tuple[_Node, ...]"]


class BadPattern(PeerFault):
    """
    The pattern is not valid, or takes too many steps.
    """


class Work:
    """
    The remaining number of steps. Share it among all patterns of one look-up, so that they share one limit.
    """

    __slots__ = ("left",)

    def __init__(self, most: float | None = None) -> None:
        self.left = int(PATTERN_WORK.pick(most))

    def spend(self, amount: int) -> None:
        """
        @raise BadPattern: fewer steps than this are left.
        """
        self.left -= amount
        if self.left < 0:
            raise BadPattern("a pattern that takes too many steps to match")


@dataclass(eq=False)
class _Reading:
    text: str
    _folded: bool
    position: int = 0
    groups: int = 0
    _depth: int = 0

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise self.bad("it ends too soon")
        self.position += 1
        return character

    def bad(self, why: str) -> BadPattern:
        return BadPattern(f"the pattern {self.text!r:.80}: {why}, at character {self.position + 1}")

    def alternatives(self) -> _Node:
        branches = [self.branch()]
        while self.peek() == "|":
            self.position += 1
            branches.append(self.branch())
        return branches[0] if len(branches) == 1 else ("either", (), 0, 0, tuple(branches))

    def branch(self) -> _Node:
        parts: list[_Node] = []
        while self.peek() not in ("", "|", ")"):
            part = self.atom()
            if self.peek() and self.peek() in _SPECIAL:
                least, most = self.repeat()
                part = ("repeat", (), least, most, (part,))
                if self.peek() and self.peek() in _SPECIAL:
                    raise self.bad("a repetition is repeated")
            parts.append(part)
        return ("all", (), 0, 0, tuple(parts))

    def repeat(self) -> tuple[int, int]:
        sign = self.take()
        if sign in _REPEATS:
            return _REPEATS[sign]
        inside, brace, _ = self.text[self.position :].partition("}")
        least, comma, most = inside.partition(",")
        numbers = [number for number in (least, most) if number]
        if not brace or not least or not all(number.isascii() and number.isdigit() and len(number) < 4 for number in numbers):
            raise self.bad("a repetition takes numbers, such as {1,3}")
        self.position += len(inside) + 1
        first = int(least)
        last = int(most) if most else _ENDLESS if comma else first
        if first > _MOST_REPEATED or last > _MOST_REPEATED or _ENDLESS < last < first:
            raise self.bad(f"a repetition goes up to {_MOST_REPEATED}, from less to more")
        return first, last

    def atom(self) -> _Node:
        character = self.take()
        if character == "(":
            return self.group()
        if character == "[":
            return self.bracket()
        if character == ".":
            return ("except", (), 0, 0, ())
        if character == "^":
            return ("beginning", (), 0, 0, ())
        if character == "$":
            return ("end", (), 0, 0, ())
        if character in _SPECIAL:
            raise self.bad("a repetition of nothing")
        if character == "\\":
            character = self.take()
            if character.isalnum():
                raise self.bad("letters and digits have no meaning behind a backslash")
        return ("among", self.spread(((character, character),)), 0, 0, ())

    def group(self) -> _Node:
        self.groups += 1
        self._depth += 1
        number = self.groups
        if self._depth > PATTERN_DEPTH.default:
            raise self.bad("too many groups within groups")
        inside = self.alternatives()
        if self.peek() != ")":
            raise self.bad("a group is not closed")
        self.position += 1
        self._depth -= 1
        return ("group", (), number, 0, (inside,))

    def bracket(self) -> _Node:
        kind = "among"
        if self.peek() == "^":
            self.position += 1
            kind = "except"
        ranges: list[tuple[str, str]] = []
        first = True
        while first or self.peek() != "]":
            first = False
            character = self.take()
            if character == "[" and self.peek() == ":":
                name, closed, _ = self.text[self.position + 1 :].partition(":]")
                if not closed or name not in _CLASSES:
                    raise self.bad("there is no such class of characters")
                self.position += len(name) + 3
                ranges += [(each[0], each[1]) for each in _CLASSES[name]]
                continue
            if character == "[" and self.peek() in (".", "="):
                raise self.bad("collating elements are not known here")
            last = character
            if self.peek() == "-" and self.text[self.position + 1 : self.position + 2] not in ("", "]"):
                self.position += 1
                last = self.take()
                if last < character:
                    raise self.bad("a range goes from less to more")
            ranges.append((character, last))
        self.position += 1
        return (kind, self.spread(tuple(ranges)), 0, 0, ())

    def spread(self, ranges: _Ranges) -> _Ranges:
        """
        If case is ignored, add the other case of ASCII letters.
        """
        if not self._folded:
            return ranges
        found = list(ranges)
        for first, last in ranges:
            for low, high, shift in (("a", "z", -32), ("A", "Z", 32)):
                begin, end = max(first, low), min(last, high)
                if begin <= end:
                    found.append((chr(ord(begin) + shift), chr(ord(end) + shift)))
        return tuple(found)


class Pattern:
    """
    A compiled pattern.

    @ivar groups: the number of groups that backreferences can name.
    """

    __slots__ = ("groups", "_steps", "_work")

    def __init__(self, text: str, folded: bool = False, work: Work | None = None) -> None:
        """
        @param folded: ignore the case of ASCII letters.

        @raise BadPattern: the pattern is not valid, or too large.
        """
        self._work = Work() if work is None else work
        reading = _Reading(text, folded)
        tree = reading.alternatives()
        if reading.peek():
            raise reading.bad("a group is closed that was not opened")
        self.groups = min(reading.groups, _MOST_GROUPS)
        self._steps: list[_Step] = []
        self._add(("group", (), 0, 0, (tree,)))
        self._step(_MATCHED)

    def _step(self, kind: int, ranges: _Ranges = (), first: int = 0, second: int = 0) -> int:
        self._work.spend(1)
        steps = self._steps
        if len(steps) >= PATTERN_PARTS.default:
            raise BadPattern("a pattern with too many repetitions")
        steps.append((kind, ranges, first, second))
        return len(steps) - 1

    def _add(self, node: _Node) -> None:
        kind, ranges, first, second, inside = node
        if kind == "all":
            for each in inside:
                self._add(each)
        elif kind == "among":
            self._step(_AMONG, ranges)
        elif kind == "except":
            self._step(_EXCEPT, ranges)
        elif kind == "group" and first > _MOST_GROUPS:
            self._add(inside[0])
        elif kind == "group":
            self._step(_PLACE, (), 2 * first)
            self._add(inside[0])
            self._step(_PLACE, (), 2 * first + 1)
        elif kind == "either":
            self._addEither(inside)
        elif kind == "repeat":
            self._addRepeat(inside[0], first, second)
        else:
            self._step(_BEGINNING if kind == "beginning" else _END)

    def _addEither(self, branches: tuple[_Node, ...]) -> None:
        leaving: list[int] = []
        for branch in branches[:-1]:
            fork = self._step(_EITHER)
            self._add(branch)
            leaving.append(self._step(_EITHER))
            self._steps[fork] = (_EITHER, (), fork + 1, len(self._steps))
        self._add(branches[-1])
        for each in leaving:
            self._steps[each] = (_EITHER, (), len(self._steps), len(self._steps))

    def _addRepeat(self, part: _Node, least: int, most: int) -> None:
        for _ in range(least):
            self._add(part)
        if most == _ENDLESS:
            fork = self._step(_EITHER)
            self._add(part)
            self._step(_EITHER, (), fork, fork)
            self._steps[fork] = (_EITHER, (), fork + 1, len(self._steps))
            return
        forks: list[int] = []
        for _ in range(most - least):
            forks.append(self._step(_EITHER))
            self._add(part)
        for fork in forks:
            self._steps[fork] = (_EITHER, (), fork + 1, len(self._steps))

    def match(self, text: str) -> tuple[str, ...] | None:
        """
        Find the leftmost match, and the longest of several.

        @return: the matched text, and the text of each group, empty if the group did not take part; L{None} if the pattern does not match.

        @raise BadPattern: matching would take too many steps.
        """
        steps = self._steps
        best: tuple[int, ...] | None = None
        ways: dict[int, tuple[int, ...]] = {}
        passed: set[int] = set()
        for position in range(len(text) + 1):
            if best is None:
                self._enter(ways, passed, 0, (-1,) * (2 * self.groups + 2), position, len(text))
            further: dict[int, tuple[int, ...]] = {}
            passed = set()
            for step, places in ways.items():
                if best is not None and places[0] > best[0]:
                    continue
                kind, ranges, _, _ = steps[step]
                if kind == _MATCHED:
                    if best is None or places[0] < best[0] or places[1] > best[1]:
                        best = places
                elif position < len(text):
                    character = text[position]
                    self._work.spend(1 + len(ranges))
                    if any(first <= character <= last for first, last in ranges) == (kind == _AMONG):
                        self._enter(further, passed, step + 1, places, position + 1, len(text))
            ways = further
            if not ways and best is not None:
                break
        if best is None:
            return None
        return tuple([text[best[at] : best[at + 1]] if best[at + 1] >= 0 else "" for at in range(0, len(best), 2)])

    def _enter(
        self, ways: dict[int, tuple[int, ...]], passed: set[int], step: int, places: tuple[int, ...], position: int, length: int
    ) -> None:
        """
        Advance to a step, and through all steps that consume no character.

        @param ways: the states that wait for a character. Of those that reach the same step, only the first is kept: it began further left,
            or took an alternative that comes first in the pattern.
        @param passed: other steps already visited at this position.
        """
        stack = [(step, places)]
        while stack:
            step, places = stack.pop()
            if step in ways or step in passed:
                continue
            self._work.spend(1)
            kind, _, first, second = self._steps[step]
            if kind == _EITHER:
                passed.add(step)
                stack.append((second, places))
                stack.append((first, places))
            elif kind == _PLACE:
                passed.add(step)
                stack.append((step + 1, (*places[:first], position, *places[first + 1 :])))
            elif kind == _BEGINNING or kind == _END:
                passed.add(step)
                if position == (0 if kind == _BEGINNING else length):
                    stack.append((step + 1, places))
            else:
                ways[step] = places
