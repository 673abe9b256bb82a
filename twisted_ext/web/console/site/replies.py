"""
What the console is asked, and what it replies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlencode

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.web.console.site.sessions import ConsoleSession
    from twisted_ext.web.console.site.table import ConsoleRow
    from twisted_ext.web.console.site.users import ConsoleUser

__all__ = ["DRAWING", "ConsoleAsked", "ConsoleRefusal", "ConsoleReply", "RowsToMake", "Undo", "leadingTo", "ownPath"]

#: The type of drawings that are made here, which have a style of their own.
DRAWING: Final = b"image/svg+xml; charset=utf-8"

_Item = TypeVar("_Item")

#: Characters of what was done.
_SAID: Final = 400


class Undo(NamedTuple):
    """
    A form that undoes what was done: the path that it is sent to, and its fields.
    """

    path: str
    fields: Mapping[str, str]


class ConsoleAsked:
    """
    A request.

    @ivar parts: the path, decoded.
    @ivar fields: the query of the address, the first value of each.
    @ivar form: the fields of a form, the same.
    @ivar user: who asks; L{None} on the page where one signs in.
    @ivar proof: what a form of the session has.
    @ivar session: that of the user; L{None} where one signs in.
    @ivar client: the address from which.
    @ivar told: what the audit log is to know besides.
    @ivar row: that of the page; L{None} where one signs in.
    """

    def __init__(self, method: str, parts: list[str], fields: Mapping[str, str], client: str) -> None:
        self.method = method
        self.parts = parts
        self.fields = fields
        self.form: Mapping[str, str] = {}
        self.client = client
        self.user: ConsoleUser | None = None
        self.proof = ""
        self.session: ConsoleSession | None = None
        self.told: dict[str, JSON] = {}
        self.row: ConsoleRow | None = None

    @property
    def mayAdminister(self) -> bool:
        return self.user is not None and self.user.reaches("admin")

    def expectScope(self, scope: str) -> None:
        """
        @raise ConsoleRefusal: the user may not do that.
        """
        if self.user is None or not self.user.reaches(scope):
            name = "no one" if self.user is None else f"{self.user.name} with scope {self.user.scope}"
            raise ConsoleRefusal(403, f"This takes scope {scope}, and you are {name}.")


class RowsToMake(Iterable[Mapping[str, object]], Generic[_Item]):
    """
    The rows of a table. Each is made when it is drawn, so that queries are answered in between.
    """

    def __init__(self, make: Callable[[_Item], Mapping[str, object]], items: Sequence[_Item]) -> None:
        self._make = make
        self._items = items

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        return map(self._make, self._items)

    def __len__(self) -> int:
        return len(self._items)


class ConsoleReply:
    """
    A page, a file, or the way to a page.

    @ivar values: what the template of the page shows.
    @ivar template: the name of another template, without its ending; C{""} for that of the page.
    @ivar location: the page to go to instead; C{""} for none.
    @ivar cookies: the content of each C{Set-Cookie} header.
    @ivar octets: those of a file.
    @ivar kind: their type.
    @ivar name: the name under which a browser is to keep the file; C{""} to show it.
    @ivar said: what was done, which the next page of the session says.
    @ivar undo: what undoes it.
    """

    def __init__(
        self,
        values: Mapping[str, object] | None = None,
        code: int = 200,
        *,
        template: str = "",
        location: str = "",
        cookies: tuple[str, ...] = (),
        octets: bytes = b"",
        kind: bytes = b"text/html; charset=utf-8",
        name: str = "",
        said: str = "",
        undo: Undo | None = None,
    ) -> None:
        self.template = template
        self.values = values or {}
        self.code = code
        self.location = location
        self.cookies = cookies
        self.octets = octets
        self.kind = kind
        self.name = name
        self.said = said
        self.undo = undo


def leadingTo(path: str, said: str, *, undo: Undo | None = None, **fields: str) -> ConsoleReply:
    """
    Return the way to a page of this site, which says what was done.

    @param fields: those of the address.
    """
    return ConsoleReply(location=f"{path}?{urlencode(fields)}" if fields else path, said=said[:_SAID], undo=undo)


def ownPath(text: str) -> str:
    """
    Return the path of a page of this site; that of another site leads home.
    """
    isOwn = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isascii() and text.isprintable()
    return text if isOwn else "/"


class ConsoleRefusal(Exception):
    """
    A request cannot be done.

    @ivar code: the status of the reply.
    @ivar text: why, in a sentence for the user.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
