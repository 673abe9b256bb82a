"""
A small signed internet, and the evidence of its names.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from twisted_ext.answers import QueryContext
from twisted_ext.dnssec.anchors.formats import anchorsFromFile
from twisted_ext.dnssec.evidence import Evidence
from twisted_ext.dnssec.trustanchors import TrustAnchors
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.recursive.evidence import collectEvidence
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.testing.internet import Internet
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

__all__ = ["anchorsIn", "evidenceOf", "smallInternet"]


def smallInternet() -> Internet:
    """
    Return an internet with zones that are signed with NSEC, with NSEC3, and not at all.
    """
    internet = Internet(seed=3)
    internet.zone("example.org", "www A 192.0.2.80\nalias CNAME www.other.test.\n*.wild A 192.0.2.2\nmail A 192.0.2.25")
    internet.zone("other.test", "www 300 A 192.0.2.81", nsec3=True)
    internet.zone("plain.org", "www 300 A 192.0.2.82", signed=False)
    return internet


def anchorsIn(internet: Internet) -> TrustAnchors:
    """
    Return the anchors of the root.
    """
    return TrustAnchors(anchorsFromFile(internet.anchors, "anchors", int(internet.time())).anchors)


def evidenceOf(internet: Internet, name: str, rrType: int = A) -> Evidence:
    """
    Look up a name from the root, and return its evidence.
    """
    reactor = internet.reactor()
    source = RecursiveSource(reactor, rootFromText(internet.hints, "hints"))
    context = QueryContext(reactor.seconds() + 30)
    question = Question(nameFromText(name), rrType)
    collecting = collectEvidence(source, question, context, anchorsIn(internet), int(internet.time()))
    return internet.wait(Deferred.fromCoroutine(collecting))
