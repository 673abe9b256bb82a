"""
Tests of the data of records as clients of PowerDNS write and read it.
"""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.web.api.powerdns.rrsets import REPLACE, RecordBody, RRSetBody, changeOf, contentOf
from twisted_ext.web.api.site.replies import ApiRefusal
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import TXT, A, typeNumber

__all__: list[str] = []

_ZONE = nameFromText("example.org")


def written(content: str, kind: str = "TXT") -> bytes:
    """
    Return the data of a record of a request.
    """
    body = RRSetBody("x.example.org.", kind, REPLACE, 60, [RecordBody(content)])
    change = changeOf(body, _ZONE, 0.0)
    assert change is not None and change.rrset is not None
    (rdata,) = change.rrset.rdatas
    return rdata


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("SOA", r"a.example.org. host\.master@example.org. 1 2 3 4 5"), ("NS", "under_score.example.org."), ("MX", "0 ."),
        ("DS", f"1 13 2 {32 * 'ab'}"), ("TLSA", "3 1 1 " + 32 * "ab"), ("TYPE65280", r"\# 3 abcdef"), ("TXT", r'"back\\@slash"'),
        ("CNAME", "a(b\\;c.example.org.".replace("(", "\\(")), ("CAA", '0 issue "ca.example; policy=ev"'),
    ],
)  # fmt: skip
def test_readAsPowerDNSWrites(kind: str, content: str) -> None:
    """
    What PowerDNS reads back of a record is taken, and read back the same.
    """
    number = typeNumber(kind)
    assert number is not None
    body = RRSetBody("example.org.", kind, REPLACE, 60, [RecordBody(content)])
    change = changeOf(body, _ZONE, 0.0) if kind != "DS" else changeOf(msgspec.structs.replace(body, name="sub.example.org."), _ZONE, 0.0)
    assert change is not None and change.rrset is not None
    assert contentOf(number, change.rrset.rdatas[0]) == content


@pytest.mark.parametrize(
    ("name", "kind", "contents"),
    [
        ("example.org.", "DS", [f"1 13 2 {32 * 'ab'}"]), ("sub.example.org.", "DNSKEY", ["257 3 13 AAAA"]),
        ("sub.example.org.", "CNAME", ["a.example.org.", "b.example.org."]), ("sub.example.org.", "MX", ["10 mail@example.org."]),
    ],
)  # fmt: skip
def test_whatIsThereMayGo(name: str, kind: str, contents: list[str]) -> None:
    """
    Records that could not be added, and that a zone has from elsewhere, are removed one by one as well.
    """
    records = [RecordBody(content) for content in contents]
    change = changeOf(RRSetBody(name, kind, "prune", 60, records), _ZONE, 0.0)
    assert change is not None and change.rrset is not None
    assert len(change.rrset.rdatas) == len(contents)
    with pytest.raises(ApiRefusal):
        changeOf(RRSetBody(name, kind, REPLACE, 60, records), _ZONE, 0.0)


@pytest.mark.parametrize(
    ("kind", "content", "said"),
    [
        ("A", "(192.0.2.1)", "Invalid character '(' in record content"), ("A", "192.0.2.1 ; a comment", "Invalid character ';'"),
        ("TXT", '"a" ; "b"', "Invalid character ';'"), ("A", " ", "missing field"), ("MX", "10 mail@example.org.", "non-hostname content"),
        ("NS", "ns 1.example.org.", ""), ("MX", "10 mail", "Not in expected format"),
        ("SRV", "1 2 3 a/b.example.org.", "non-hostname content"),
    ],
)  # fmt: skip
def test_linesOfMasterFiles(kind: str, content: str, said: str) -> None:
    """
    What only means something in a master file is refused, and so are names of hosts that are none.
    """
    with pytest.raises(ApiRefusal) as refused:
        changeOf(RRSetBody("sub.example.org.", kind, REPLACE, 60, [RecordBody(content)]), _ZONE, 0.0)
    assert said in refused.value.text


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
