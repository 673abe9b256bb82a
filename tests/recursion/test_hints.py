"""
Tests of L{twisted_ext.recursion.hints} (RFC 9609).
"""

from __future__ import annotations

from ipaddress import ip_address
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.recursion.worlds import name
from twisted_ext.errors import BadDescription
from twisted_ext.recursion.hints import TRANSFER_SERVERS, builtInRoot, rootFromText

_GOOD = """
; comments, and # comments
# are ignored
.  3600000  NS  A.root.example.
.           NS  b.root.example.
A.ROOT.example.  3600000  A     192.0.2.1
a.root.example.  3600000  AAAA  2001:db8::1
b.root.example.           A     192.0.2.2
c.root.example.           A     192.0.2.3
"""


def test_builtIn() -> None:
    """
    The 13 servers of the root are built in, each with an address of both families, which do not expire.
    """
    root = builtInRoot()
    assert len({server.name for server in root.servers}) == 13
    for server in root.servers:
        assert sorted([ip_address(address).version for address in server.addresses]) == [4, 6]
        assert server.expires == inf
    assert all(ip_address(address).is_global for address in TRANSFER_SERVERS)


def test_file() -> None:
    """
    A file names servers in any case and order of records; addresses of other hosts are ignored.
    """
    root = rootFromText(_GOOD, "named.root")
    found = {server.name: server.addresses for server in root.servers}
    assert found == {name("a.root.example"): ("192.0.2.1", "2001:db8::1"), name("b.root.example"): ("192.0.2.2",)}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "hints:", "no server of the root with an address"),
        (". NS a.root.", "hints:", "no server of the root with an address"),
        ("a.root. A 192.0.2.1", "hints:", "no server of the root with an address"),
        ("\ncom. NS a.root.", "hints:2:", "com. is not the root"),
        (". NS a.root.\na.root. A 192.0.2.300", "hints:2:", "192.0.2.300"),
        ("x" * 70_000, "hints:", "at most 65536"),
    ],
)
def test_wrongFile(text: str, where: str, what: str) -> None:
    """
    A wrong file is an error of one line, with the place.
    """
    with pytest.raises(BadDescription) as caught:
        rootFromText(text, "hints")
    message = str(caught.value)
    assert message.startswith(where)
    assert what in message
    assert "\n" not in message


@given(st.text(max_size=300))
def test_anyText(text: str) -> None:
    """
    No text makes anything but servers, or an error of ours.
    """
    try:
        assert rootFromText(text, "hints").servers
    except BadDescription:
        pass
