"""
Bodies of requests, in JSON, and what the API replies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeVar

import msgspec

from twisted_ext.metrics.figures import JSON

__all__ = ["ApiRefusal", "ApiReply", "bodyOf", "withoutFolders"]

_Body = TypeVar("_Body")

#: An absolute path of two parts at least, and the last one.
_PATH: Final = re.compile(r"(?<![\w/.:])/(?:[^\s/:]+/)+([^\s/:]+)")


def bodyOf(octets: bytes | msgspec.Raw, kind: type[_Body], place: str = "$") -> _Body:
    """
    @param kind: the shape that it should have.
    @param place: where it is in the whole body, for errors.

    @raise ApiRefusal: it has another one, or is not JSON.
    """
    try:
        return msgspec.json.decode(octets, type=kind)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        where = f"{place}{path.removesuffix('`')}"
        raise ApiRefusal(422, text if where == "$" else f"{text} - at `{where}`") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ApiRefusal(400, "the body is not JSON") from None


def withoutFolders(text: str) -> str:
    """
    Return an error with the names of files, without the folders that they are in, which are no matter of clients.
    """
    return _PATH.sub(r"\1", text)


class ApiReply(NamedTuple):
    """
    A reply.

    @ivar body: octets as they are, or what is sent as JSON; L{None} for no body.
    @ivar kind: the type of a body of octets.
    @ivar headers: further headers.
    @ivar parts: what is written after one another instead of a body, of the same kind; L{None} for a body.
    """

    code: int = 200
    body: bytes | JSON = None
    kind: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()
    parts: Iterator[bytes] | None = None


class ApiRefusal(Exception):
    """
    A request cannot be done.

    @ivar code: the status of the reply.
    @ivar text: why, in one line for the client.
    @ivar headers: of the reply.
    """

    def __init__(self, code: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.headers = headers
