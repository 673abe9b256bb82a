"""
Tests of the Huffman codes of header fields, with the hpack library as the oracle.
"""

from __future__ import annotations

from hpack import HPACKError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.server.listeners.https import headers
from twisted_ext.server.listeners.https.headers import decoded

_encoder = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


def _theirs(octets: bytes) -> bytes | None:
    try:
        return bytes(decode_huffman(octets))
    except HPACKError:
        return None


@given(st.binary(max_size=200))
def test_anyStringIsDecoded(text: bytes) -> None:
    """
    Any string comes out as it went in.
    """
    assert decoded(_encoder.encode(text)) == text


@given(st.binary(max_size=40))
def test_anyOctetsAreDecodedAsByTheOracle(octets: bytes) -> None:
    """
    Octets are accepted or rejected as the library does.
    """
    assert decoded(octets) == _theirs(octets)


def test_wrongEndsAreRejected() -> None:
    """
    The symbol of the end, an incomplete symbol, and filling of a whole octet are errors.
    """
    for octets in (b"\xff\xff\xff\xff", b"\xff\xff\xff\xfc", b"\xff", b"\x00", _encoder.encode(b"www") + b"\xff"):
        assert decoded(octets) is None
        assert _theirs(octets) is None
    assert decoded(b"") == b""


def test_stepsAreBounded() -> None:
    """
    Hostile strings do not fill the memory with steps.
    """
    for number in range(60_000):
        decoded(number.to_bytes(3, "big") * 2)
        assert headers._steps.count <= headers._STEPS
    assert len([step for step in headers._steps.known if step is not None]) == headers._steps.count
    assert decoded(_encoder.encode(b"/dns-query?dns=AAAB")) == b"/dns-query?dns=AAAB"
