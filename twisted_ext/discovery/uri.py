"""
URIs from URI and NAPTR records (RFC 7553; RFC 3403).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from twisted_ext.discovery.limits import REWRITTEN_CHARACTERS
from twisted_ext.discovery.weights import ShufflingSource, inOrder
from twisted_ext.errors import UnusableRecords

if TYPE_CHECKING:
    from twisted_ext.wire.rdata.types.service import URI

__all__ = ["isURI", "urisOf"]

#: Removes the characters that are valid in a scheme (RFC 3986, section 3.1).
_SCHEME: Final = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.")


def isURI(text: str) -> bool:
    """
    Return whether C{text} is safe to return as a URI: a scheme, a colon, and printable text without blanks. The caller checks the rules of
    the particular scheme.
    """
    scheme, colon, rest = text.partition(":")
    if not (colon and rest and text.isprintable() and " " not in text and len(text) <= REWRITTEN_CHARACTERS.most):
        return False
    return scheme.isascii() and scheme[:1].isalpha() and not scheme.translate(_SCHEME)


def urisOf(records: Iterable[URI], rng: ShufflingSource, most: float | None = None) -> list[str]:
    """
    Return the URIs in the order in which to try them (RFC 7553, section 4); an empty list if there are no records.

    @raise UnusableRecords: there are records, but none has a valid URI.
    """
    seen = list(records)
    texts = [(record.priority, record.weight, record.target.decode("utf-8", "replace")) for record in seen]
    usable = [each for each in texts if isURI(each[2]) and "\N{REPLACEMENT CHARACTER}" not in each[2]]
    if seen and not usable:
        raise UnusableRecords(f"{texts[0][2]!r:.80} is not a valid URI")
    return inOrder(usable, rng, most)
