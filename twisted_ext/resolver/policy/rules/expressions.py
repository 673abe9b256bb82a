"""
Regular expressions in rules. google-re2 finds all expressions of a list that match a name in one pass, whatever their number: it never goes
back in a text, so the time for a name has a bound, which is in proportion to the length of the expressions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import re2

__all__ = ["KEY", "LIST_COST", "Expressions", "costOf"]

#: In a table, rules with expressions are under this, which is no name.
KEY: Final = b"/"

#: Instructions that one expression may be compiled to. Those of published lists have about thirty.
_COST: Final = 256

#: Instructions of all expressions of a list: about seventy expressions. In the worst case, each of them takes a step for each octet of a
#: name: two milliseconds for the longest one. Usually it takes less than one microsecond.
LIST_COST: Final = 2000

#: Octets that re2 may use for what it remembers of a list.
_MEMORY: Final = 8 << 20

#: Expressions whose cost is remembered: it is asked for twice.
_KNOWN: Final = 256


def _options() -> re2.Options:
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


@lru_cache(_KNOWN)
def costOf(text: bytes) -> int:
    """
    Return how many instructions an expression is compiled to.

    @raise ValueError: it is not valid, or too long; or re2 is not installed.
    """
    try:
        import re2
    except ImportError:
        raise ValueError("takes google-re2, which is not installed: pip install 'twisted-ext[lists]'") from None
    try:
        cost = re2.compile(text, _options()).programsize
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode("utf-8", "backslashreplace") if isinstance(said, bytes) else str(said)) from None
    if cost > _COST:
        raise ValueError(f"takes {cost} steps for each octet of a name; at most {_COST} are allowed")
    return cost


class Expressions:
    """
    The expressions of one list, and the rules that have them.
    """

    __slots__ = ("_rules", "_set")

    def __init__(self, texts: Sequence[bytes], rules: Sequence[tuple[int, int]]) -> None:
        """
        @param texts: expressions that L{costOf} has accepted.
        @param rules: the bits and the place of each, as a table has them.

        @raise ImportError: re2 is not installed.
        @raise ValueError: they are too many.
        """
        import re2

        self._rules = rules
        self._set = re2.Set.SearchSet(_options())
        try:
            for text in texts:
                self._set.Add(text)
            self._set.Compile()
        except re2.error as error:
            raise ValueError(str(error)) from None

    def matching(self, name: bytes) -> list[tuple[int, int]]:
        """
        Return the rules whose expressions match.

        @param name: lower case with dots between labels.
        """
        return [self._rules[number] for number in self._set.Match(name) or ()]
