"""
Tests of the RRsets of requests.
"""

from __future__ import annotations

import json

import pytest

from twisted_ext.web.api.powerdns.rrsets import RRSetBody, changeOf
from twisted_ext.web.api.site.replies import ApiRefusal, bodyOf
from twisted_ext.wire.names import nameFromText

__all__: list[str] = []

_APEX = nameFromText("example.")


@pytest.mark.parametrize(
    "text, ttl",
    [
        ("0", 0),
        ("2147483647", 2147483647),
        ('"2147483647"', 2147483647),
        ("60.0", 60),
        ("2147483648", None),
        ("1e12", None),
        ("1e308", None),
        ("60.5", None),
        ('"-1"', None),
        ("-1", None),
        ('"' + "9" * 5000 + '"', None),
        ('"sixty"', None),
    ],
)
def test_ttl(text: str, ttl: int | None) -> None:
    """
    A TTL is a whole number of up to 31 bits (RFC 2181, section 8), also as text or with a fraction of zero.
    """
    body = {"name": "a.example.", "type": "A", "changetype": "REPLACE", "records": [{"content": "192.0.2.1"}]}
    octets = f'{json.dumps(body)[:-1]}, "ttl": {text}}}'.encode()
    if ttl is None:
        with pytest.raises(ApiRefusal) as refused:
            changeOf(bodyOf(octets, RRSetBody), _APEX, 0.0)
        assert len(str(refused.value)) < 200
        return
    change = changeOf(bodyOf(octets, RRSetBody), _APEX, 0.0)
    assert change is not None and change.rrset is not None
    assert (change.ttl, change.rrset.ttl) == (ttl, ttl)
