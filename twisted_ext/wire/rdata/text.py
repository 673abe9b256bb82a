"""
Lines of a master file.
"""

from __future__ import annotations

from twisted_ext.wire.codes import IN, className, classNumber
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rdata.registry import declarationOf, rdataToText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import ANY, formOf, typeName, typeNumber
from twisted_ext.wire.tokens import Tokens, badRecord

__all__ = ["headFromTokens", "recordFromText", "recordToText"]


def headFromTokens(tokens: Tokens) -> tuple[int | None, int | None, int]:
    """
    Take the fields between a record's owner and its rdata: optional TTL and class in either order, then the type (RFC 1035, section 5.1).
    Return the class, the TTL in seconds, and the type.

    @raise BadRecord: the text is not valid; has the column, and what was expected there.
    """
    from twisted_ext.wire.rdata.times import secondsFromDuration

    rrClass: int | None = None
    seconds: int | None = None
    while True:
        word = tokens.take("a TTL, a class or a record type")
        rrType = typeNumber(word)
        # ANY is taken as a class if a type follows.
        if rrType is not None and not (rrClass is None and rrType == ANY and typeNumber(tokens.peek()) is not None):
            return rrClass, seconds, rrType
        if rrClass is None and (number := classNumber(word)) is not None:
            rrClass = number
            continue
        if seconds is None and word[:1].isdigit():
            try:
                seconds = secondsFromDuration(word)
                continue
            except ValueError:
                raise tokens.bad(word, "a TTL in seconds, or as 1h30m,") from None
        missing = [what for what, found in (("a TTL", seconds), ("a class", rrClass)) if found is None]
        raise tokens.bad(word, " or ".join([*missing, "a record type"]))


def recordFromText(text: str, origin: bytes | None = None, ttl: int | None = None) -> RRSet:
    """
    Parse one record: owner, TTL and class in either order, type, rdata (RFC 1035, section 5.1). It may span several lines within
    parentheses.

    @param origin: the origin of names without a final dot and of C{@}; L{None} treats all names as absolute.
    @param ttl: seconds, if the text has no TTL. The class defaults to IN.

    @raise BadRecord: the text is not valid; has the column, and what was expected there.
    """
    from twisted_ext.wire.rdata.fieldtypes import nameFromToken

    tokens = Tokens(text, origin)
    name = nameFromToken(tokens, tokens.take("the owner's name"))
    rrClass, seconds, rrType = headFromTokens(tokens)
    if seconds is None:
        if ttl is None:
            raise badRecord("a TTL is missing before the record type", tokens.column)
        seconds = ttl
    rrClass = IN if rrClass is None else rrClass
    rdata = declarationOf(formOf(rrType, rrClass)).fromTokens(tokens)
    return RRSet(name, rrType, rrClass, seconds, (rdata.wire,))


def recordToText(rrset: RRSet) -> list[str]:
    """
    Format each record on a line: owner, TTL, class, type and rdata, separated by tabs, as dig does.
    """
    head = f"{nameToText(rrset.name)}\t{rrset.ttl}\t{className(rrset.rrClass)}\t{typeName(rrset.rrType)}\t"
    return [head + rdataToText(formOf(rrset.rrType, rrset.rrClass), rdata) for rdata in rrset.rdatas]
