"""
Convert answers to the form of L{twisted.names}: three lists of L{RRHeader<twisted.names.dns.RRHeader>}.

Objects are created without calling their constructors, which would repeat checks that were made when the reply was parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final, SupportsIndex

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


@mypyc_attr(native_class=False)
class _Section(list[dns.RRHeader]):
    """
    A section of a result: an ordinary list, see L{_LaterSection}.
    """

    __slots__ = ("_sets", "_auth")

    _sets: tuple[RRSet, ...]
    _auth: bool

    def __reduce__(self) -> tuple[object, ...]:
        return list, (list(self),)


@mypyc_attr(native_class=False)
class _LaterSection(_Section):
    """
    A section that is filled when its L{Result} hands it out: most callers read the answers only. It is an ordinary list from then on.

    Functions written in C read the lists of a tuple without asking the tuple, as C{"%s" % result} does. So the methods of a section fill it
    too. Compiled code must not take a section for a list, whose items it would read itself.
    """

    __slots__ = ()

    def fill(self: _Section) -> None:
        sets = self._sets
        self._sets = ()
        self.__class__ = _Section
        self.extend(headersFrom(sets, self._auth))

    def __radd__(self, other: object) -> object:
        self.fill()
        # Now the other list takes its records, in place if it is to.
        return NotImplemented


def _filling(method: Callable[..., object]) -> Callable[..., object]:
    """
    Return a method of lists or tuples that fills the section or the result first, and a section that is its argument.
    """

    @wraps(method)
    def filled(self: _LaterSection | Result, *arguments: object, **named: object) -> object:
        self.fill()
        for each in arguments:
            if isinstance(each, _LaterSection):
                each.fill()
        return method(self, *arguments, **named)

    return filled


for _word in (
    *("__len__", "__iter__", "__getitem__", "__contains__", "__reversed__", "__repr__", "copy", "count", "index"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__add__", "__mul__", "__rmul__"),
    *("__setitem__", "__delitem__", "__iadd__", "__imul__", "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"),
):
    setattr(_LaterSection, _word, _filling(getattr(list, _word)))


@mypyc_attr(native_class=False)
class Result(tuple[list[dns.RRHeader], list[dns.RRHeader], list[dns.RRHeader]]):
    """
    The result of a look-up: lists of answer, authority and additional records, as in twisted.names. It shares nothing with other results.

    The records of the second and third list are created when the result is unpacked, iterated or indexed by anything but C{0}.

    @ivar answer: this package's L{Answer} for the look-up, which holds more than the three lists can.
    """

    answer: Answer

    def fill(self) -> None:
        """
        Create the records of the second and third list.
        """
        for section in tuple.__iter__(self):
            if isinstance(section, _LaterSection):
                section.fill()

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


def _itemOf(self: Result, index: SupportsIndex | slice) -> object:
    if index != 0:
        self.fill()
    return tuple.__getitem__(self, index)


def _addedTo(self: Result, other: object) -> object:
    self.fill()
    # Now the other tuple takes the lists.
    return NotImplemented


for _word, _method in (
    ("__getitem__", _itemOf),
    ("__iter__", _filling(tuple.__iter__)),
    ("__add__", _filling(tuple.__add__)),
    ("__mul__", _filling(tuple.__mul__)),
    ("__radd__", _addedTo),
    ("__rmul__", _filling(tuple.__rmul__)),
):
    setattr(Result, _word, _method)


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


def resultFromAnswer(answer: Answer) -> Result:
    auth = bool(answer.flags & AA)
    authority, additional = answer.authority, answer.additional
    result = Result((
        headersFrom(answer.answer, auth),
        _later(authority, auth) if authority else [],
        _later(additional, auth) if additional else [],
    ))
    result.answer = answer
    return result


def _later(sets: tuple[RRSet, ...], auth: bool) -> list[dns.RRHeader]:
    section = _LaterSection()
    section._sets = sets
    section._auth = auth
    return section
