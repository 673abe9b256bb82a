"""
Tests of which requests over HTTPS are DNS queries, and how long replies may be cached.
"""

from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.listeners.https2peers import answer, query, target
from twisted_ext.server.listeners.https.request import Endpoint, Status, freshFor

_POST_TYPE = b"application/dns-message"


@given(st.binary(min_size=12, max_size=300))
def test_anyMessagePassesByGET(message: bytes) -> None:
    """
    The parameter dns carries any message, whatever its length.
    """
    assert Endpoint().head(b"GET", target(message), None, None).query == message


@given(st.binary(max_size=60), st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b""]))
def test_noTargetRaises(text: bytes, method: bytes) -> None:
    """
    No path, parameter or method raises an exception, and a request that is not a query gets a status.
    """
    for path in (text, b"/dns-query?" + text, b"/dns-query?dns=" + text):
        head = Endpoint().head(method, path, text, None)
        assert (head.query is None) == (head.status is not None) or method == b"POST"


@pytest.mark.parametrize("kind", [_POST_TYPE, b"Application/DNS-Message", _POST_TYPE + b"; charset=utf-8"])
def test_typesWithParametersPass(kind: bytes) -> None:
    """
    The content-type is compared regardless of letter case and parameters.
    """
    assert Endpoint().head(b"POST", b"/dns-query", kind, b"30").status is None


def test_otherParametersAreIgnored() -> None:
    """
    The parameter dns may come with others, as from a template.
    """
    path = target(query()).replace(b"?", b"?ct=x&") + b"&more"
    assert Endpoint().head(b"GET", path, None, None).query == query()


def test_pathIsChosen() -> None:
    """
    The operator chooses the path and the page; the page names the path.
    """
    endpoint = Endpoint("/secret/dns")
    assert endpoint.head(b"GET", target(query()), None, None).query is None
    assert endpoint.head(b"GET", target(query()).replace(b"/dns-query", b"/secret/dns"), None, None).query == query()
    assert b"/secret/dns" in getattr(endpoint.pages.at(b"/"), "text", b"")
    assert getattr(Endpoint(page="hello").pages.at(b"/"), "text", b"") == b"hello"


@pytest.mark.parametrize("length", [b"-1", b"+5", b"1e3", b"", b"9" * 11, b"\xb2", b"5, 5"])
def test_lengthIsANumber(length: bytes) -> None:
    """
    A content-length that two programs might read differently is refused.
    """
    status = Endpoint().head(b"POST", b"/dns-query", _POST_TYPE, length).status
    assert status is not None
    assert status.code == 400


def _reply(rcode: int, *records: tuple[int, int, bytes], answers: int, owner: bytes = b"\xc0\x0c") -> bytes:
    head = pack(">HHHHHH", 0, 0x8180 | rcode, 1, answers, len(records) - answers, 0)
    return head + query()[12:] + b"".join([owner + pack(">HHIH", rrType, 1, ttl, len(data)) + data for rrType, ttl, data in records])


_SOA = b"\x00\x00" + pack(">IIIII", 1, 2, 3, 4, 60)


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        (answer(query()), 300),
        (answer(query(), ttl=0), 0),
        (_reply(0, (1, 300, b"1234"), (1, 20, b"1234"), (6, 5, _SOA), answers=2), 20),
        (_reply(0, (1, 2**31, b"1234"), answers=1), 0),
        (_reply(0, (6, 300, _SOA), answers=0), 60),
        (_reply(3, (2, 1, b"\x00"), (6, 30, _SOA), answers=0), 30),
        (_reply(3, (6, 300, _SOA), answers=0, owner=b"\x03www\xc0\x0c"), 60),
        (_reply(0, (1, 300, b"1234"), answers=1, owner=b"\x03www\x00"), 300),
        (_reply(0, answers=0), 0),
        (_reply(2, (1, 300, b"1234"), answers=1), 0),
        (_reply(5, (6, 300, _SOA), answers=0), 0),
        (pack(">HHHHHH", 0, 0x8181, 0, 0, 0, 0), 0),
    ],
)
def test_leastTTLIsTheCachesTime(reply: bytes, seconds: int) -> None:
    """
    A cache may keep an answer for its least TTL, a denial for that of RFC 2308, and a failure not at all.
    """
    assert freshFor(reply) == seconds


@given(st.integers(0, 60), st.binary(max_size=40))
def test_malformedReplyIsNotCached(length: int, rest: bytes) -> None:
    """
    No message raises an exception.
    """
    assert freshFor(answer(query())[:length] + rest) >= 0


def test_pagesAreMadeOnDemand() -> None:
    """
    The pages at /setup are made once, when the first is asked for, and again after they were replaced.
    """
    made: list[int] = []

    def make() -> dict[bytes, Status]:
        made.append(1)
        return {b"/setup": Status(200, b"%d" % len(made)), b"/setup/x": Status(200, b"x")}

    endpoint = Endpoint()
    endpoint.pages.show(make)
    assert endpoint.pages.at(b"/") is not None
    assert endpoint.pages.at(b"/other") is None
    assert made == []
    for path in (b"/setup", b"/setup/x", b"/setup"):
        assert endpoint.head(b"GET", path, None, None).status is endpoint.pages.at(path)
    assert made == [1]
    endpoint.pages.show(make)
    page = endpoint.pages.at(b"/setup")
    assert page is not None
    assert page.text == b"2"
