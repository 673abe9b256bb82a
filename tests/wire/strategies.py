"""
Random names, records and messages for Hypothesis.
"""

from __future__ import annotations

from hypothesis import strategies as st

from twisted_ext.wire.message import EDNS, Message, Question
from twisted_ext.wire.names import MOST_OCTETS, nameFromLabels
from twisted_ext.wire.records import RRSet

__all__ = ["edns", "labels", "messages", "names", "options", "plainNames", "rrsets"]

#: Labels of any octets.
labels = st.binary(min_size=1, max_size=63)

_letters = st.text("abcdefgABCDEFG-_019", min_size=1, max_size=8).map(str.encode)


def _fits(parts: list[bytes]) -> bool:
    return sum([len(part) + 1 for part in parts]) < MOST_OCTETS


#: Names of any labels, the longest and the root among them.
names = st.lists(labels, max_size=127).filter(_fits).map(nameFromLabels) | st.lists(
    st.binary(min_size=1, max_size=2), min_size=60, max_size=127
).filter(_fits).map(nameFromLabels)

#: Ordinary names; many have common endings.
plainNames = st.lists(_letters | st.sampled_from([b"www", b"example", b"com"]), max_size=6).map(nameFromLabels)

_anyNames = plainNames | names

_rdatas = st.one_of(
    st.tuples(st.just(1), st.lists(st.binary(min_size=4, max_size=4), min_size=1, max_size=4)),
    st.tuples(st.just(28), st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=4)),
    st.tuples(st.sampled_from([2, 5, 12, 39]), st.lists(_anyNames, min_size=1, max_size=4)),
    st.tuples(
        st.just(15),
        st.lists(st.builds(lambda number, name: number + name, st.binary(min_size=2, max_size=2), _anyNames), min_size=1, max_size=3),
    ),
    st.tuples(
        st.just(6),
        st.lists(
            st.builds(lambda one, two, rest: one + two + rest, _anyNames, _anyNames, st.binary(min_size=20, max_size=20)),
            min_size=1,
            max_size=2,
        ),
    ),
    st.tuples(
        st.just(33),
        st.lists(st.builds(lambda number, name: number + name, st.binary(min_size=6, max_size=6), _anyNames), min_size=1, max_size=3),
    ),
    st.tuples(st.just(65280), st.lists(st.binary(max_size=100), min_size=1, max_size=4)),
)

#: Sets of records of several types.
rrsets = st.builds(
    lambda name, rdatas, ttl: RRSet(name, rdatas[0], 1, ttl, tuple(dict.fromkeys(rdatas[1]))),
    _anyNames,
    _rdatas,
    st.integers(0, 0x7FFFFFFF),
)


def _distinct(sets: list[RRSet]) -> tuple[RRSet, ...]:
    return tuple({(rrset.name.lower(), rrset.rrType): rrset for rrset in sets}.values())


_sections = st.lists(rrsets, max_size=6).map(_distinct)

#: Options as codes and octets, of codes without a fixed form.
options = st.lists(st.tuples(st.integers(1000, 0xFFFF), st.binary(max_size=40)), max_size=5).map(tuple)

#: OPT records.
edns = st.builds(EDNS, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), options, st.integers(0, 255), st.integers(0, 255))

_questions = st.lists(st.builds(Question, _anyNames, st.integers(0, 0xFFFF), st.integers(0, 0xFFFF)), max_size=2).map(tuple)

#: Messages of any kind except UPDATE, whose records are not grouped.
messages = st.builds(
    Message,
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF).filter(lambda flags: flags >> 11 & 15 != 5),
    _questions,
    _sections,
    _sections,
    _sections,
    st.none() | edns,
)
