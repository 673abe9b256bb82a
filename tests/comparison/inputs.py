"""
Random inputs, each with variations.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from hypothesis import strategies as st

from tests.wire.rdata.samples import SAMPLES
from tests.wire.strategies import messages, names
from twisted_ext.errors import BadMessage
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameToText

__all__ = ["INPUTS", "variations"]

#: What a changed octet becomes: octets that mean something in messages, names or zone files, or any.
_MEANINGS: Final = b'\x00\x01\x0c\x1c\x29\x3f\x40\xc0\xff"();\\$@\n\t .*0-'


def _built(message: Message) -> bytes:
    try:
        return buildMessage(message)
    except BadMessage:
        return bytes(12)


_owners = st.sampled_from([b"\x00", b"\x01a\x00", b"\xc0\x0c", b"\xc0\x0d", b"\x01b\xc0\x0c", b"\xc0\x20", b"\x40"])
_types = st.integers(0, 70) | st.sampled_from([99, 249, 250, 251, 255, 256, 257, 258, 259, 260, 32769, 65280])
_records = st.builds(
    lambda owner, rrType, rrClass, rdata: (
        owner + rrType.to_bytes(2, "big") + rrClass + b"\x00\x00\x00\x05" + len(rdata).to_bytes(2, "big") + rdata
    ),
    _owners,
    _types,
    st.sampled_from([b"\x00\x01", b"\x00\x01", b"\x00\x03", b"\x00\xfe", b"\x00\xff"]),
    st.binary(max_size=40) | st.lists(_owners, max_size=8).map(b"".join),
)

#: Messages of records of any type, with any rdata.
_odd = st.builds(
    lambda flags, records: b"".join(
        [b"\x00\x07", flags, bytes([0, 1, 0, len(records), 0, 0, 0, 0]), b"\x01a\x00\x00\x01\x00\x01", *records]
    ),
    st.sampled_from([b"\x84\x00", b"\x01\x00", b"\x28\x00", b"\x81\x83"]),
    st.lists(_records, max_size=4),
)

_texts = st.text(max_size=60) | st.text("ab.\\0129*-_@äß。", max_size=40) | names.map(nameToText)

#: The beginning of many zones: with only the lines below, nearly none would have an SOA record, which an image needs.
_apex = st.sampled_from([[], [". 300 IN SOA ns. host. ( 1 2 3 4 5 )", ". NS ns.a."]])

_lines = st.one_of(
    st.sampled_from([f"{rrType} {text}" for rrType, texts in SAMPLES.items() for text in texts]).flatmap(
        lambda rdata: st.sampled_from(["a", "@", "", "*.b", "c.d.", "\\001x"]).map(lambda owner: f"{owner} {rdata}")
    ),
    st.sampled_from(
        [
            "$TTL 1h30m", "$ORIGIN sub", "$ORIGIN example.", "$GENERATE 1-3 host$ A 192.0.2.$", "$GENERATE 0-4/2 ${0,3,x} CNAME ${1,2,o}.b",
            ". 300 IN SOA ns. host. ( 1 2 3 4 5 )", ". NS ns.a.", "a IN 5 A 192.0.2.1", "a 5 CH TXT x", "b DNAME c.", "; remark", "(", ")",
        ]
    ),
    st.text(max_size=30),
)  # fmt: skip

#: For each kind of input, random ones. Those for replies are a number of packets and a seed.
INPUTS: Final[Mapping[str, st.SearchStrategy[bytes]]] = MappingProxyType(
    {
        "message": messages.map(_built) | _odd | st.binary(max_size=200),
        "name": _texts.map(lambda text: text.encode("utf-8", "surrogatepass")) | st.binary(max_size=60),
        "zone": st.builds(
            lambda apex, lines: "\n".join(apex + lines).encode("utf-8", "surrogatepass"), _apex, st.lists(_lines, min_size=1, max_size=5)
        ),
        "replies": st.binary(min_size=4, max_size=4),
    }
)


def variations(octets: bytes, count: int, seed: int) -> list[bytes]:
    """
    Return an input and changed or truncated ones.
    """
    dice = Random(seed)
    found = [octets]
    while len(found) < count:
        changed = bytearray(octets)
        for _ in range(dice.randrange(1, 4)):
            place = dice.randrange(len(changed) + 1)
            match dice.randrange(4):
                case 0:
                    del changed[place : place + dice.randrange(1, 3)]
                case 1:
                    changed[place:place] = bytes([dice.choice(_MEANINGS)])
                case 2:
                    changed[place : place + 1] = bytes([dice.randrange(256)])
                case _:
                    changed[place : place + 1] = bytes([dice.choice(_MEANINGS)])
        if not dice.randrange(4):
            del changed[dice.randrange(len(changed) + 1) :]
        found.append(bytes(changed))
    return found
