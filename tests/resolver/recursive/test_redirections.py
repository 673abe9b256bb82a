"""
Tests of names below DNAME records whose answers take more than the records that the servers send.
"""

from __future__ import annotations

from unittest import mock

import pytest

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec import validation
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.errors import TrustFault
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.testing.internet import Fault, Internet, Params
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import CNAME, A

_LONG = ".".join(["a" * 63, "b" * 63, "c" * 40])

_RECORDS = f"""
tree DNAME target
*.wild.target A 192.0.2.1
b.target A 192.0.2.2
long DNAME {_LONG}
"""

_TOO_LONG = ".".join(["x" * 63, "y" * 63, "long.example.org"])


def _look(internet: Internet, name: str) -> Answer:
    here = internet.reactor()
    digests = tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()])
    validator = Validator(lambda name, now: ZoneAnchors(b"\x00", digests, ()))
    stack = recursiveStack(here, rootFromText(internet.hints, "hints"), validator=validator, today=internet.time)
    context = QueryContext(here.seconds() + 60, dnssecOk=True)
    return internet.wait(lookUp(stack, questionOf(name), context), 65)


@pytest.mark.parametrize("nsec3", [None, Params()], ids=["nsec", "nsec3"])
def test_wildcardIsAskedForAgain(nsec3: Params | None) -> None:
    """
    An address from a wildcard behind a DNAME record is secure although the server sends the proof of another name, as NSD 4.6 does.
    """
    internet = Internet(seed=5)
    internet.zone("example.org", _RECORDS, nsec3=nsec3)
    internet.inject(Fault.WRONG_NSEC, "example.org", name="x.wild.tree.example.org")
    found = _look(internet, "x.wild.tree.example.org")
    assert (found.outcome, found.security) == (Outcome.DATA, Security.SECURE)
    assert [rrset.rdatas for rrset in found.answer if rrset.rrType == A] == [(b"\xc0\x00\x02\x01",)]


def test_wildcardIsProved() -> None:
    """
    Such an address is bogus if the target has no proof either.
    """
    internet = Internet(seed=5)
    internet.zone("example.org", _RECORDS)
    internet.inject(Fault.WRONG_NSEC, "example.org")
    with pytest.raises(TrustFault):
        _look(internet, "x.wild.tree.example.org")


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
def test_nameThatBecomesTooLong(signed: bool) -> None:
    """
    A name that a DNAME record makes too long gets YXDOMAIN with that record (RFC 6672, section 2.2), which is all the proof.
    """
    internet = Internet(seed=5)
    internet.zone("example.org", _RECORDS, signed=signed)
    found = _look(internet, _TOO_LONG)
    assert (found.rcode, found.security) == (Rcode.YXDOMAIN, Security.SECURE if signed else Security.INSECURE)
    assert found.answer[0].name.startswith(b"\x04long")


def test_nameThatIsShortEnough() -> None:
    """
    YXDOMAIN for a name that does not become too long is bogus, and would be secure if lengths were not compared.
    """
    internet = Internet(seed=5)
    internet.zone("example.org", _RECORDS)

    def pretend(octets: bytes, transport: str) -> list[bytes]:
        message = Message.fromWire(octets)
        answer = tuple([rrset for rrset in message.answer if rrset.rrType != CNAME])
        if answer == message.answer:
            return [octets]
        return [buildMessage(Message(message.id, message.flags & ~15 | Rcode.YXDOMAIN, message.questions, answer, edns=message.edns))]

    for server in internet.zones[b"\x07example\x03org\x00"].servers:
        server.tamper = pretend
    with pytest.raises(TrustFault):
        _look(internet, "x.long.example.org")
    with mock.patch.object(validation, "MOST_OCTETS", 0):
        assert _look(internet, "x.long.example.org").security is Security.SECURE
