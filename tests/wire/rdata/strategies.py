"""
Random rdata for Hypothesis, field by field.
"""

from __future__ import annotations

from typing import Final, cast

from dns.rdatatype import RdataType
from hypothesis import strategies as st

from tests.wire.strategies import labels, plainNames
from twisted_ext.wire.escapes import ipv4ToText, ipv6ToText
from twisted_ext.wire.names import nameFromLabels
from twisted_ext.wire.rdata.bitmaps import TypeBits
from twisted_ext.wire.rdata.fields import Field, Rdata
from twisted_ext.wire.rdata.fieldtypes import Name, Number, Octets, Strings, Text, TypeNumber
from twisted_ext.wire.rdata.registry import declarationOf
from twisted_ext.wire.rdata.types.address import Address4, Address6
from twisted_ext.wire.rdata.types.prefixes import Prefix
from twisted_ext.wire.rrtypes import TYPE_NAMES, typeNumber

__all__ = ["names", "rdatas"]

#: Names, mostly plain, some with labels of any octets.
names: Final = plainNames | st.lists(labels, max_size=3).map(nameFromLabels)

_ipv4 = st.binary(min_size=4, max_size=4).map(ipv4ToText)
_ipv6 = st.binary(min_size=16, max_size=16).map(ipv6ToText)

# Both sides must know the mnemonics.
_theirs = {int(number) for number in RdataType}
_number = st.sampled_from(sorted(_theirs & set(TYPE_NAMES))) | st.integers(1, 0xFFFF).filter(lambda n: n not in TYPE_NAMES)
_numbers = st.sets(_number, min_size=1, max_size=8)

_degrees = st.decimals(-90, 90, places=4).map(lambda number: f"{number:f}".encode())
_octet = st.integers(0, 255)
_key = st.binary(min_size=1, max_size=40)


def _gateway(kind: int) -> st.SearchStrategy[object]:
    return [cast("st.SearchStrategy[object]", each) for each in (st.just(""), _ipv4, _ipv6, names)][kind]


_gateways = st.integers(0, 3).flatmap(lambda kind: st.tuples(st.just(kind), _gateway(kind)))

_parameters: Final = st.fixed_dictionaries(
    {},
    optional={
        1: st.lists(st.binary(min_size=1, max_size=5), min_size=1, max_size=3).map(
            lambda items: b"".join([bytes([len(item)]) + item for item in items])
        ),
        3: st.binary(min_size=2, max_size=2),
        4: st.integers(1, 3).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count)),
        6: st.integers(1, 3).flatmap(lambda count: st.binary(min_size=16 * count, max_size=16 * count)),
        667: st.binary(min_size=1, max_size=9),
        65280: st.binary(max_size=9),
    },
).map(lambda found: tuple(sorted(found.items())))


_infos: Final = st.fixed_dictionaries(
    {},
    optional={
        1: st.integers(1, 3).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count)),
        2: st.integers(1, 3).flatmap(lambda count: st.binary(min_size=16 * count, max_size=16 * count)),
        3: st.lists(names, min_size=1, max_size=3).map(b"".join),
        4: st.lists(names, min_size=1, max_size=3).map(b"".join),
        65280: st.binary(max_size=9),
    },
).map(lambda found: (tuple(sorted(found.items())),))


def _prefix(bits: int) -> st.SearchStrategy[Prefix]:
    family = 1 if bits == 32 else 2
    address = st.binary(max_size=bits // 8).map(lambda octets: octets.rstrip(b"\x00"))
    return st.builds(Prefix, st.just(family), st.integers(0, bits), st.booleans(), address)


_sizes = st.builds(lambda digit, power: digit << 4 | power, st.integers(1, 9), st.integers(0, 9)) | st.just(0)
_axis = 1 << 31


def _angle(most: int) -> st.SearchStrategy[int]:
    return st.integers(_axis - most * 3_600_000, _axis + most * 3_600_000)


#: Values of types whose fields depend on each other, or of which dnspython accepts fewer.
_SPECIAL: Final[dict[str, st.SearchStrategy[tuple[object, ...]]]] = {
    "AMTRELAY": st.tuples(_octet, st.booleans(), _gateways).map(lambda v: (v[0], v[1] << 7 | v[2][0], v[2][1])),
    "APL": st.tuples(st.lists(_prefix(32) | _prefix(128), max_size=3).map(tuple)),
    "DELEG": _infos,
    "DELEGPARAM": _infos,
    "CAA": st.tuples(_octet, st.from_regex("[a-zA-Z0-9]{1,15}", fullmatch=True).map(str.encode), st.binary(max_size=20)),
    "GPOS": st.tuples(_degrees, _degrees, _degrees),
    "HIP": st.tuples(_octet, _key, _key, st.lists(names, max_size=3).map(tuple)),
    "IPSECKEY": st.tuples(_octet, _gateways, st.integers(1, 255), _key).map(lambda v: (v[0], v[1][0], v[2], v[1][1], v[3])),
    "ISDN": st.tuples(st.tuples(st.binary(max_size=20)) | st.tuples(st.binary(max_size=20), _key)),
    "KEY": st.tuples(st.integers(0, 0xBFFF), _octet, _octet, _key) | st.tuples(st.just(0xC000), _octet, _octet, st.just(b"")),
    "LOC": st.tuples(st.just(0), _sizes, _sizes, _sizes, _angle(90), _angle(180), st.integers(0, 0xFFFFFFFF // 100).map(lambda m: m * 100)),
    "NSEC3": st.tuples(_octet, _octet, st.integers(0, 0xFFFF), st.binary(max_size=9), _key, _numbers.map(sorted).map(tuple)),
    "NSEC3PARAM": st.tuples(_octet, _octet, st.integers(0, 0xFFFF), st.binary(max_size=9)),
    "NSAP": st.tuples(_key),
    "SSHFP": st.tuples(_octet, st.just(1), st.binary(min_size=20, max_size=20))
    | st.tuples(_octet, st.integers(3, 255), st.binary(min_size=1, max_size=40)),
    "WKS": st.tuples(_ipv4, _octet, st.sets(st.integers(0, 0xFFFF), max_size=6).map(sorted).map(tuple)),
    "ZONEMD": st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(1, 255), st.integers(3, 255), st.binary(min_size=12, max_size=48)),
    "URI": st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), _key),
    "TSIG": st.tuples(names, *[st.integers(0, 0xFFFF)] * 2, st.binary(max_size=9), *[st.integers(0, 0xFFF)] * 2, st.binary(max_size=9)),
    "TKEY": st.tuples(names, *[st.integers(0, 0xFFFFFFFF)] * 2, *[st.integers(0, 0xFFF)] * 2, _key, st.binary(max_size=9)),
    "OPT": st.tuples(st.lists(st.tuples(st.integers(65001, 65534), st.binary(max_size=9)), max_size=4).map(tuple)),
    "SVCB": st.tuples(st.integers(1, 0xFFFF), names, _parameters),
}
for _digest in ("DS", "DLV", "TA", "CDS"):
    _SPECIAL[_digest] = st.tuples(
        st.integers(0, 0xFFFF),
        _octet,
        st.integers(5, 255),
        _key,
    ) | st.tuples(st.integers(0, 0xFFFF), _octet, st.just(2), st.binary(min_size=32, max_size=32))
_SPECIAL["HTTPS"] = _SPECIAL["SVCB"]
_SPECIAL["TLSA"] = st.tuples(_octet, _octet, st.integers(3, 255) | st.just(0), _key) | st.tuples(
    _octet, _octet, st.just(2), st.binary(min_size=64, max_size=64)
)
_SPECIAL["SMIMEA"] = _SPECIAL["TLSA"]


def _values(field: Field[object]) -> st.SearchStrategy[object]:
    octets = st.binary(min_size=field.size or 1, max_size=field.size or 40)
    kinds: tuple[tuple[type, st.SearchStrategy[object]], ...] = (
        (Name, names),
        (TypeNumber, _number),
        (Number, st.integers(0, (1 << 8 * (field.size or 0)) - 1)),
        (Text, st.binary(max_size=20)),
        (Strings, st.lists(st.binary(max_size=20), min_size=1, max_size=4).map(tuple)),
        (Octets, octets),
        (TypeBits, _numbers.map(sorted).map(tuple)),
        (Address4, _ipv4),
        (Address6, _ipv6),
    )
    for kind, strategy in kinds:
        if isinstance(field, kind):
            return strategy
    return octets


def rdatas(name: str) -> st.SearchStrategy[Rdata]:
    """
    Return a strategy for values of a type.

    @param name: the mnemonic of the type.
    """
    declaration = declarationOf(typeNumber(name) or 0)
    values = _SPECIAL.get(name)
    if values is None:
        values = st.tuples(*[_values(field) for field in declaration.fields])
    return values.map(lambda each: declaration(*each))
