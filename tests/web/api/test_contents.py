"""
Tests of the data of records as clients of PowerDNS write and read it.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.web.api.powerdns.rrsets import REPLACE, RecordBody, RRSetBody, changeOf, contentOf
from twisted_ext.web.api.site.replies import ApiRefusal
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TXT, A

__all__: list[str] = []

_ZONE = nameFromText("example.org")


def written(content: str, kind: str = "TXT") -> bytes:
    """
    Return the data of a record of a request.
    """
    body = RRSetBody("x.example.org.", kind, REPLACE, 60, [RecordBody(content)])
    rrset = changeOf(body, _ZONE, 0.0).rrset
    assert rrset is not None
    (rdata,) = rrset.rdatas
    return rdata


@pytest.mark.parametrize(
    "content",
    [
        '"plain"', '"naïve ü"', '"你好" "мир"', r'"\\195\\188"', r'"\195"', r'"\195x\188"', r'"a\"b"', '""', '"a;b"', r'"\007"',
        r'"\194\133"', r'"\\\195\188"',
    ],
)
def test_readAsWritten(content: str) -> None:
    """
    What is read is what was written, and written again it is no change: letters as letters, and octets that are none, or that nobody would
    see, as numbers.
    """
    rdata = written(content)
    shown = contentOf(TXT, rdata)
    assert written(shown) == rdata
    assert shown == content.replace(r"\\\195\188", r"\\ü")


@given(st.binary(max_size=60))
def test_anyOctets(octets: bytes) -> None:
    """
    The same holds for any octets.
    """
    rdata = bytes([len(octets)]) + octets
    assert written(contentOf(TXT, rdata)) == rdata


@pytest.mark.parametrize("content", ['"a"b"c"', "a", '"a" b', 'a "b"', "'a'", '"a', '"a"x'])
def test_stringsAreQuoted(content: str) -> None:
    """
    Each string stands in quotes; text that can be read in more than one way is refused.
    """
    with pytest.raises(ApiRefusal) as caught:
        written(content)
    assert caught.value.code == 422


def test_otherTypes() -> None:
    """
    Data of other types is as in master files.
    """
    assert contentOf(A, written("192.0.2.1", "A")) == "192.0.2.1"
    caa = written('0 issue "ca.example; x=\\195\\188"', "CAA")
    assert contentOf(257, caa) == '0 issue "ca.example; x=\\195\\188"'
