"""
What the console is asked, and what it replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

if TYPE_CHECKING:
    from twisted_ext.metrics.figures import JSON
    from twisted_ext.server.console.users import ConsoleUser

__all__ = ["ConsoleAsked", "ConsoleRefusal", "ConsoleReply", "leadingTo"]

#: Characters of what was done, which is in the address of the next page.
_SAID: Final = 200


class ConsoleAsked:
    """
    A request.

    @ivar parts: the path, decoded.
    @ivar fields: the query of the address, the first value of each.
    @ivar form: the fields of a form, the same.
    @ivar user: who asks; L{None} on the page where one signs in.
    @ivar proof: what a form of the session has.
    @ivar client: the address from which.
    @ivar told: what the audit log is to know besides.
    """

    def __init__(self, method: str, parts: list[str], fields: Mapping[str, str], client: str) -> None:
        self.method = method
        self.parts = parts
        self.fields = fields
        self.form: Mapping[str, str] = {}
        self.client = client
        self.user: ConsoleUser | None = None
        self.proof = ""
        self.told: dict[str, JSON] = {}

    def expectScope(self, scope: str) -> None:
        """
        @raise ConsoleRefusal: the user may not do that.
        """
        if self.user is None or not self.user.reaches(scope):
            name = "no one" if self.user is None else f"{self.user.name} with scope {self.user.scope}"
            raise ConsoleRefusal(403, f"This takes scope {scope}, and you are {name}.")


class ConsoleReply:
    """
    A page, a file, or the way to a page.

    @ivar template: the name of the page's template, without its ending.
    @ivar values: what the template shows.
    @ivar location: the page to go to instead; C{""} for none.
    @ivar cookie: the content of a C{Set-Cookie} header; C{""} for none.
    @ivar octets: those of a file.
    @ivar kind: their type.
    """

    def __init__(
        self,
        template: str = "",
        values: Mapping[str, object] | None = None,
        code: int = 200,
        *,
        location: str = "",
        cookie: str = "",
        octets: bytes = b"",
        kind: bytes = b"text/html; charset=utf-8",
    ) -> None:
        self.template = template
        self.values = values or {}
        self.code = code
        self.location = location
        self.cookie = cookie
        self.octets = octets
        self.kind = kind


def leadingTo(path: str, said: str, **fields: str) -> ConsoleReply:
    """
    Return the way to a page of this site, which says what was done.

    @param fields: further ones of the address.
    """
    return ConsoleReply(location=f"{path}?{urlencode({'said': said[:_SAID], **fields})}")


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
