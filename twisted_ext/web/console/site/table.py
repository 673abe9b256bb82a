"""
The table of pages: which page a path has, who may ask for it, what it looks like, and where the navigation has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from twisted_ext.web.console.site.replies import ConsoleReply

__all__ = ["ConsolePage", "ConsoleRow", "ConsoleTable"]

#: What replies to a request: of a form, or for a page. Behind the request it gets the word that stands for the star of its path.
ConsolePage: TypeAlias = "Callable[..., ConsoleReply | Deferred[ConsoleReply]]"


class ConsoleRow(NamedTuple):
    """
    A page, or what a form is sent to.

    @ivar method: C{"GET"} for a page, C{"POST"} for a form.
    @ivar path: the path without its first slash; a star stands for any word.
    @ivar scope: that which its user needs.
    @ivar page: replies.
    @ivar template: the name of the template, without its ending; C{""} for a reply that has none, such as a file.
    @ivar title: the title; C{""} for a page that has its own for each reply.
    @ivar isPlace: whether the navigation has the page, in the order of the table.
    """

    method: str
    path: str
    scope: str
    page: ConsolePage
    template: str = ""
    title: str = ""
    isPlace: bool = False


class ConsoleTable:
    """
    Finds the page of a request.

    @ivar rows: all of them.
    @ivar places: path and title of each page of the navigation.
    """

    def __init__(self, rows: Iterable[ConsoleRow]) -> None:
        self.rows = tuple(rows)
        self.places = [(row.path, row.title) for row in self.rows if row.isPlace]
        self._byPath = {(row.method, *(row.path.split("/") if row.path else ())): row for row in self.rows}

    def find(self, method: str, parts: list[str]) -> tuple[ConsoleRow, tuple[str, ...]] | None:
        """
        Return the row for the method and the words of a path, and the word for its star; L{None} if there is none.
        """
        # A zone may be called so.
        found = None if "*" in parts else self._byPath.get((method, *parts))
        if found is not None or len(parts) < 2:
            return None if found is None else (found, ())
        starred = self._byPath.get((method, parts[0], "*", *parts[2:]))
        return None if starred is None else (starred, (parts[1],))
