"""
Bodies of requests, in JSON.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from twisted_ext.server.api.replies import ApiRefusal

__all__ = ["bodyOf"]

_Body = TypeVar("_Body")


def bodyOf(octets: bytes, kind: type[_Body]) -> _Body:
    """
    @param kind: the shape that it should have.

    @raise ApiRefusal: it has another one, or is not JSON.
    """
    try:
        return msgspec.json.decode(octets, type=kind)
    except msgspec.ValidationError as error:
        raise ApiRefusal(422, str(error)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise ApiRefusal(400, "the body is not JSON") from None
