"""
Convert answers to the form of L{twisted.names}: three lists of L{RRHeader<twisted.names.dns.RRHeader>}.

Objects are created without calling their constructors, which would repeat checks that were made when the reply was parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Final, SupportsIndex, cast

from mypy_extensions import mypyc_attr
from twisted.names import dns
from twisted.names.dns import RRHeader

from twisted_ext.answers import Answer, Security
from twisted_ext.compat.conversion.names import emptyOf, nameOf, newName, plainTexts
from twisted_ext.compat.conversion.payloads import newA, payloadOf, pointing
from twisted_ext.wire.codes import AA
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import formOf

__all__ = ["Result", "headersFrom", "resultFromAnswer"]


class _Later:
    """
    The second or third list of a L{Result}, whose records are created when it is first read: most callers read the answers only.

    Only functions written in C that read the items of a tuple without calling its methods, such as C{"%s" % result}, see this object. Its
    text is that of the list; using it as a list raises C{TypeError}.
    """

    __slots__ = ("_sets", "_auth", "_records")

    def __init__(self, sets: tuple[RRSet, ...], auth: bool) -> None:
        self._sets = sets
        self._auth = auth
        self._records: list[dns.RRHeader] | None = None

    def records(self) -> list[dns.RRHeader]:
        records = self._records
        if records is None:
            records = self._records = headersFrom(self._sets, self._auth)
        return records

    def __repr__(self) -> str:
        return repr(self.records())


# Its result need not be a list, which compiled code would check.
_itemOf: Final = cast("Callable[[tuple[object, ...], SupportsIndex], object]", tuple.__getitem__)


@mypyc_attr(native_class=False)
class Result(tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]):
    """
    The result of a look-up: lists of answer, authority and additional records, as in twisted.names. It shares nothing with other results.

    The records of the second and third list are created when the result is unpacked, iterated or indexed by anything but C{0}.

    @ivar answer: this package's L{Answer} for the look-up, which holds more than the three lists can.
    """

    answer: Answer

    def _item(self, index: SupportsIndex | slice) -> object:
        if isinstance(index, slice):
            return _listsOf(self)[index]
        item = _itemOf(self, index)
        return item.records() if isinstance(item, _Later) else item

    def _addedTo(self, other: tuple[object, ...]) -> tuple[object, ...]:
        return other + _listsOf(self)

    def __reduce__(self) -> tuple[object, ...]:
        return tuple, (tuple(self),)

    @property
    def rcode(self) -> int:
        """
        The reply's rcode.
        """
        return self.answer.rcode

    @property
    def flags(self) -> int:
        """
        The header's bits AA, TC, RD, RA, AD, CD (L{twisted_ext.wire.codes}).
        """
        return self.answer.flags

    @property
    def ede(self) -> tuple[tuple[int, str], ...]:
        """
        Extended errors as C{(info code, extra text)} (RFC 8914).
        """
        return self.answer.ede

    @property
    def security(self) -> Security:
        """
        The DNSSEC status of the answer.
        """
        return self.answer.security

    @property
    def server(self) -> str:
        """
        The server that replied, as C{"192.0.2.1:53"}, or C{""} if no query was sent.
        """
        origin = self.answer.origin
        return "" if origin is None else origin.server


def _listsOf(result: Result) -> tuple[object, ...]:
    items = cast("Iterator[object]", tuple.__iter__(result))
    return tuple([item.records() if isinstance(item, _Later) else item for item in items])


_COMPARISONS: Final = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__")


def _onLists(method: Callable[..., object]) -> Callable[..., object]:
    """
    Return a method of tuples that reads the lists of a result, and of one that is its argument, instead of their items.
    """

    @wraps(method)
    def called(self: Result, *arguments: object) -> object:
        return method(_listsOf(self), *[_listsOf(each) if isinstance(each, Result) else each for each in arguments])

    return called


# What a tuple inherits would read its items.
for _name, _method in (
    ("__getitem__", Result._item),
    ("__radd__", Result._addedTo),
    *(
        (word, _onLists(getattr(tuple, word)))
        for word in ("__iter__", "__repr__", "__contains__", "count", "index", "__add__", "__mul__", "__rmul__", *_COMPARISONS)
    ),
):
    setattr(Result, _name, _method)


_newHeader: Final = emptyOf(dns.RRHeader)


def headersFrom(sets: tuple[RRSet, ...], auth: bool) -> list[dns.RRHeader]:
    headers: list[dns.RRHeader] = []
    texts = plainTexts
    for rrset in sets:
        rrType = rrset.rrType
        rrClass = rrset.rrClass
        ttl = rrset.ttl
        text = texts.get(rrset.name)
        newHeader = _newHeader if rrType in _TOLD else _newTold
        form = rrType if rrClass == 1 else formOf(rrType, rrClass)
        newPointing = pointing.get(form)
        for rdata in rrset.rdatas:
            header = newHeader()
            if text is not None:
                header.name = owner = newName()
                owner.name = text
            else:
                header.name = nameOf(rrset.name)
            header.type = rrType
            header.cls = rrClass
            header.ttl = ttl
            # A fast path for the most frequent types.
            if form == 1 and len(rdata) == 4:
                header.payload = address = newA()
                address.address = rdata
                address.ttl = ttl
            elif newPointing is not None and rdata in texts:
                header.payload = record = newPointing()
                record.name = target = newName()
                target.name = texts[rdata]
                record.ttl = ttl
            else:
                header.payload = payloadOf(form, rdata, ttl)
            header.auth = auth
            headers.append(header)
    return headers


@mypyc_attr(native_class=False)
class _ToldHeader(RRHeader):
    """
    The header of a record whose type Twisted has no mnemonic for.
    """

    def __str__(self) -> str:
        from twisted_ext.wire.rrtypes import typeName

        known = super().__str__()
        return known.replace(f" type=UNKNOWN ({self.type}) ", f" type={typeName(self.type)} ", 1)

    def __repr__(self) -> str:
        return str(self)


#: Types that Twisted has mnemonics for.
_TOLD: Final = dns.QUERY_TYPES

_newTold: Final = emptyOf(_ToldHeader)


_newResult: Final = cast("Callable[[tuple[object, object, object]], Result]", Result)


def resultFromAnswer(answer: Answer) -> Result:
    auth = bool(answer.flags & AA)
    authority, additional = answer.authority, answer.additional
    second: object = _Later(authority, auth) if authority else []
    third: object = _Later(additional, auth) if additional else []
    result = _newResult((headersFrom(answer.answer, auth), second, third))
    result.answer = answer
    return result
