"""
URIs from URI and NAPTR records (RFC 7553; RFC 3403).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.discovery.limits import REWRITTEN_CHARACTERS
from twisted_ext.discovery.weights import Shuffling, inOrder
from twisted_ext.errors import UnusableRecords

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.service import URI

__all__ = ["isURI", "urisOf"]

#: What a scheme is made of (RFC 3986, section 3.1), to be taken away.
_SCHEME: Final = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


def isURI(text: str) -> bool:
    """
    Return whether C{text} is safe to return as a URI: a scheme, a colon, and printable text without blanks or control characters. The
    rules of the particular scheme are left to the caller.
    """
    scheme, colon, rest = text.partition(":")
    if not (colon and rest and text.isprintable() and " " not in text and len(text) <= REWRITTEN_CHARACTERS.most):
        return False
    return scheme.isascii() and scheme[:1].isalpha() and not scheme.translate(_SCHEME)


def urisOf(records: Iterable[URI], rng: Shuffling, most: float | None = None) -> list[str]:
    """
    @return: the URIs in the order to try them in (RFC 7553, section 4); nothing where there are no records.

    @raise UnusableRecords: none of the records has one.
    """
    seen = list(records)
    texts = [(record.priority, record.weight, record.target.decode("utf-8", "replace")) for record in seen]
    usable = [each for each in texts if isURI(each[2]) and "\N{REPLACEMENT CHARACTER}" not in each[2]]
    if seen and not usable:
        raise UnusableRecords(f"{texts[0][2]!r:.80} is not a valid URI")
    return inOrder(usable, rng, most)
