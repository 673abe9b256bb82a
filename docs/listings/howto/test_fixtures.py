"""
Tests with the fixtures for pytest.
"""

import pytest
from programs import nextHops
from twisted.internet.defer import Deferred


@pytest.fixture
def hops(internet, resolver):
    internet.zone("example.org", "@ MX 10 mail\nmail A 192.0.2.25\n@ A 192.0.2.80")
    return lambda domain: internet.wait(Deferred.fromCoroutine(nextHops(domain, resolver)))


def test_mailExchangers(hops):
    assert hops("example.org") == ["mail.example.org"]


@pytest.mark.parametrize("fault", ["expired", "servfail", "dead"])
def test_mailStays(internet, hops, fault):
    internet.inject(fault, "example.org", rrType="MX")
    assert hops("example.org") == []


@pytest.mark.internet(seed=7, rtt=0.4)
def test_farAway(internet, hops):
    began = internet.time()
    assert hops("example.org") == ["mail.example.org"]
    assert internet.time() - began < 5
