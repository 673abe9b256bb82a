"""
Convert answers to the form of L{twisted.names}: three lists of L{RRHeader<twisted.names.dns.RRHeader>}.

Objects are created without calling their constructors, which would repeat checks that were made when the reply was parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, Self, SupportsIndex, TypeVar, cast, overload

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

_T = TypeVar("_T")


@mypyc_attr(native_class=False)
class Result(tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]):
    """
    The result of a look-up: lists of answer, authority and additional records, as in twisted.names. It shares nothing with other results.

    Most callers read the first list only, so the other two are filled on first access: by indexing, unpacking, iterating, comparing,
    formatting, adding or copying the tuple.

    @ivar answer: this package's L{Answer} for the look-up, which holds more than the three lists can.
    """

    answer: Answer

    _filled = False

    def filled(self) -> Self:
        """
        Fill the second and third list unless they are filled already, and return this result.
        """
        if not self._filled:
            self._filled = True
            answer = self.answer
            auth = bool(answer.flags & AA)
            if answer.authority:
                _at(self, 1).extend(headersFrom(answer.authority, auth))
            if answer.additional:
                _at(self, 2).extend(headersFrom(answer.additional, auth))
        return self

    @overload
    def __getitem__(self, index: SupportsIndex) -> list[dns.RRHeader]: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[list[dns.RRHeader], ...]: ...

    def __getitem__(self, index: SupportsIndex | slice) -> list[dns.RRHeader] | tuple[list[dns.RRHeader], ...]:
        if index == 0:
            return _at(self, 0)
        return tuple.__getitem__(self.filled(), index)

    def __iter__(self) -> Iterator[list[dns.RRHeader]]:
        return tuple.__iter__(self.filled())

    def __eq__(self, other: object) -> bool:
        return tuple.__eq__(self.filled(), other.filled() if isinstance(other, Result) else other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    # Unhashable, as every tuple of lists.
    __hash__ = tuple.__hash__

    def __repr__(self) -> str:
        return tuple.__repr__(self.filled())

    def __contains__(self, item: object) -> bool:
        return tuple.__contains__(self.filled(), item)

    @overload
    def __add__(self, other: tuple[list[dns.RRHeader], ...]) -> tuple[list[dns.RRHeader], ...]: ...

    @overload
    def __add__(self, other: tuple[_T, ...]) -> tuple[list[dns.RRHeader] | _T, ...]: ...

    def __add__(self, other: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(self) + tuple(other)

    def __radd__(self, other: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(other) + tuple(self)

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


_newHeader: Final = emptyOf(dns.RRHeader)
_newResult: Final = cast(
    "Callable[[tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]], Result]",
    partial(tuple.__new__, Result),
)

_at: Final = cast("Callable[[Result, int], list[dns.RRHeader]]", tuple.__getitem__)


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

    __repr__ = __str__


#: Types that Twisted has mnemonics for.
_TOLD: Final = dns.QUERY_TYPES

_newTold: Final = emptyOf(_ToldHeader)


def resultFromAnswer(answer: Answer) -> Result:
    result = _newResult((headersFrom(answer.answer, bool(answer.flags & AA)), [], []))
    result.answer = answer
    return result
