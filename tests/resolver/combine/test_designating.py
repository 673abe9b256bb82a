"""
Tests of the local zone resolver.arpa.
"""

from __future__ import annotations

from twisted_ext.answers import Answer, Outcome, QueryContext
from twisted_ext.resolver.combine.designating import DesignatingSource
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import ANY, SOA, SVCB, A

__all__: list[str] = []


def asked(source: DesignatingSource, name: str, rrType: int, rrClass: int = 1) -> Answer | None:
    """
    Return what a source answers.
    """
    return source.ask(Question(nameFromText(name), rrType, rrClass), QueryContext(0.0))


def designating() -> DesignatingSource:
    """
    Return the source of a server with a listener for DNS over TLS.
    """
    offer = Offer.of(["tls://dns.example"], ["192.0.2.53", "2001:db8::53"])
    return DesignatingSource(offer.designations(), offer.addressRecords())


def test_designations() -> None:
    """
    The encrypted listeners are the answer, with the addresses of their name, under the name as it was asked.
    """
    for rrType in (SVCB, ANY):
        answer = asked(designating(), "_DNS.resolver.ARPA", rrType)
        assert answer is not None
        assert answer.outcome is Outcome.DATA
        (rrset,) = answer.answer
        assert rrset.name == nameFromText("_DNS.resolver.ARPA")
        assert rrset.rdatas == Offer.of(["tls://dns.example"], ["192.0.2.53", "2001:db8::53"]).designations().rdatas
        assert [len(each.rdatas[0]) for each in answer.additional] == [4, 16]


def test_allElseIsEmpty() -> None:
    """
    Other names and types below resolver.arpa have no data, and are not left to an upstream; neither are they without listeners.
    """
    for source in (designating(), DesignatingSource()):
        for name, rrType in (("_dns.resolver.arpa", A), ("resolver.arpa", SVCB), ("x.y.resolver.arpa", SVCB), ("resolver.arpa", A)):
            answer = asked(source, name, rrType)
            assert answer is not None
            assert answer.outcome is Outcome.NODATA
            assert [each.rrType for each in answer.authority] == [SOA]
        answer = asked(source, "resolver.arpa", SOA)
        assert answer is not None
        assert answer.outcome is Outcome.DATA
    answer = asked(DesignatingSource(), "_dns.resolver.arpa", SVCB)
    assert answer is not None
    assert answer.outcome is Outcome.NODATA


def test_otherNames() -> None:
    """
    Names elsewhere, other classes and domains that the operator has routed are left to other sources.
    """
    assert asked(designating(), "resolver.arpa.example", SVCB) is None
    assert asked(designating(), "xresolver.arpa", SVCB) is None
    assert asked(designating(), "a.b\\008resolver.arpa", SVCB) is None
    assert asked(designating(), "arpa", SVCB) is None
    assert asked(designating(), "_dns.resolver.arpa", SVCB, 3) is None
    for routed in ("resolver.arpa", "Arpa"):
        assert asked(DesignatingSource(routed=[nameFromText(routed)]), "_dns.resolver.arpa", SVCB) is None
    assert asked(DesignatingSource(routed=[b"\x00"]), "_dns.resolver.arpa", SVCB) is not None


def test_ownName() -> None:
    """
    Clients that know the name of the server find the same records below it, and no data of other types. Other names there are left to
    other sources, and so are all when nothing is designated any more, or the operator has routed the name.
    """
    source = designating()
    assert asked(source, "_dns.dns.example", SVCB) is None
    offer = Offer.of(["tls://dns.example"])
    source.designate(offer.designations(), (), nameFromText("DNS.example"))
    for rrType in (SVCB, ANY):
        answer = asked(source, "_DNS.dns.example", rrType)
        assert answer is not None
        assert answer.answer[0].name == nameFromText("_DNS.dns.example")
        assert answer.answer[0].rdatas == offer.designations().rdatas
    answer = asked(source, "_dns.DNS.example", A)
    assert answer is not None
    assert (answer.outcome, answer.authority[0].name) == (Outcome.NODATA, nameFromText("_dns.dns.example"))
    for name, rrType in (("dns.example", SVCB), ("x._dns.dns.example", SVCB)):
        assert asked(source, name, rrType) is None
    assert asked(source, "_dns.dns.example", SVCB, 3) is None
    source.designate(None)
    assert asked(source, "_dns.dns.example", SVCB) is None
    routed = DesignatingSource(routed=[nameFromText("example")])
    routed.designate(offer.designations(), (), nameFromText("dns.example"))
    assert asked(routed, "_dns.dns.example", SVCB) is None
    assert asked(routed, "_dns.resolver.arpa", SVCB) is not None
