"""
Tests of the simulated internet with our own recursive resolver: what it proves in it, and that no fault makes it accept a false answer.
"""

from __future__ import annotations

import pytest

from twisted_ext.answers import Answer, Outcome, QueryContext, Security
from twisted_ext.dnssec.trustanchors import ZoneAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import DNSFault
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.combine.aliasfollower import AliasFollower
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.testing.internet import DAY, Fault, Internet, KeyPlan, Params, Roll
from twisted_ext.testing.scenarios.player import Player
from twisted_ext.testing.scenarios.reading import parseScenario
from twisted_ext.testing.scenarios.resolver import recursiveResolver
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.codes import AD, DO, QR, RA, RD
from twisted_ext.wire.message import EDNS, Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.wire.rrtypes import A

RECORDS = """
www 300 A 192.0.2.80
*.w TXT hello
a.b.c A 192.0.2.1
away CNAME www.example.net.
tree DNAME www
"""


class World:
    """
    An internet with a validating resolver in it.
    """

    def __init__(self, params: Params | None = None, signed: bool | KeyPlan = True) -> None:
        self.internet = Internet(seed=3, signed=signed)
        self.internet.zone("example.org", RECORDS, nsec3=params)
        self.internet.zone("example.net", "www A 192.0.2.79")
        self.internet.zone("ins.example.org", "www A 192.0.2.7", signed=False)
        self.source = self.newResolver()

    def newResolver(self) -> ValidatingSource:
        """
        Return a resolver that trusts the root's present keys.
        """
        internet = self.internet
        here = internet.reactor()
        recursive = RecursiveSource(here, rootFromText(internet.hints, "hints"))
        digests = tuple([recordFromText(line).rdatas[0] for line in internet.anchors.splitlines()])
        anchors = ZoneAnchors(b"\x00", digests, ())
        return ValidatingSource(AliasFollower(recursive, Work), here, Validator(lambda name, now: anchors), internet.time)

    def look(self, name: str, rrType: str = "A") -> Answer:
        """
        Resolve a question.

        @raise DNSFault: that fails.
        """
        context = QueryContext(self.internet.network.clock.seconds() + 60, dnssecOk=True)
        return self.internet.wait(lookUp(self.source, questionOf(name, rrType), context), 65)


@pytest.mark.parametrize("params", [None, Params(), Params(5, b"salt")], ids=["nsec", "nsec3", "salted"])
@pytest.mark.parametrize(
    ("name", "rrType", "outcome", "security"),
    [
        ("www", "A", Outcome.DATA, Security.SECURE),
        ("www", "AAAA", Outcome.NODATA, Security.SECURE),
        ("nope", "A", Outcome.NXDOMAIN, Security.SECURE),
        ("x.w", "TXT", Outcome.DATA, Security.SECURE),
        ("b.c", "A", Outcome.NODATA, Security.SECURE),
        ("a.b.c", "A", Outcome.DATA, Security.SECURE),
        ("away", "A", Outcome.DATA, Security.SECURE),
        ("x.tree", "A", Outcome.NXDOMAIN, Security.SECURE),
        ("www.ins", "A", Outcome.DATA, Security.INSECURE),
        ("nope.ins", "A", Outcome.NXDOMAIN, Security.INSECURE),
    ],
)
def test_answersAreProved(name: str, rrType: str, outcome: Outcome, security: Security, params: Params | None) -> None:
    """
    Positive and negative answers are proved from the root, and those below an insecure delegation are insecure.
    """
    found = World(params).look(f"{name}.example.org", rrType)
    assert (found.outcome, found.security) == (outcome, security)


@pytest.mark.parametrize("where", ["ns1.example.org", "example.org"])
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.NSEC3_ITERATIONS])
def test_noFaultMakesAnAnswerFalse(fault: Fault, where: str) -> None:
    """
    With any fault, the resolver fails or gives the true answer.
    """
    if fault is Fault.CLOSED and where == "example.org":
        where = "ns2.example.org"
    world = World()
    world.internet.inject(fault, where)
    try:
        found = world.look("www.example.org")
    except DNSFault:
        return
    assert found.security in (Security.SECURE, Security.INSECURE)
    assert [rrset.rdatas for rrset in found.answer if rrset.rrType == A] == [(b"\xc0\x00\x02\x50",)]


def test_firstServersMayBeDead() -> None:
    """
    Names are resolved while the first server of every zone is dead.
    """
    world = World()
    for server in ("a.root-servers.net", "a.nic.org", "ns1.example.org"):
        world.internet.inject(Fault.DEAD, server)
    assert world.look("www.example.org").security is Security.SECURE


def test_newResolversFollowTheKeys() -> None:
    """
    At any time over years of rollovers, a resolver that starts with the root's present keys proves everything.
    """
    world = World(signed=KeyPlan(zskLifetime=90 * DAY, kskLifetime=365 * DAY, roll=Roll.TRUST_ANCHOR))
    for _ in range(40):
        world.source = world.newResolver()
        assert world.look("www.example.org").security is Security.SECURE
        world.internet.advance(50 * DAY)


def test_recordingIsPlayed() -> None:
    """
    What the resolver asked and was answered is recorded as a scenario; played against another resolver, it gives the same answers.
    """
    world = World()
    world.internet.zones[nameFromText("example.org")].add(*[f'big 300 TXT "{number:0200d}"' for number in range(8)])
    steps = []
    for name, rrType in (("www.example.org", "A"), ("big.example.org", "TXT"), ("www.ins.example.org", "A")):
        found = world.look(name, rrType)
        flags = QR | RD | RA | (AD if found.security is Security.SECURE else 0)
        steps.append((questionOf(name, rrType), Message(0, flags, (questionOf(name, rrType),), found.answer, edns=EDNS(1232, DO))))
    for complete in (False, True):
        text = world.internet.recording("played again", steps, complete=complete)
        player = Player(parseScenario(text), recursiveResolver)
        player.play()
        assert len(player.replies) == 3


_ENTS = """
ins.only NS ns.example.net.
ins.a.deep NS ns.example.net.
x.a.mixed A 192.0.2.1
ins.b.mixed NS ns.example.net.
sec.s NS ns.example.net.
sec.s DS 1 13 2 0000000000000000000000000000000000000000000000000000000000000000
"""


@pytest.mark.parametrize("params", [None, Params(), Params(optOut=True)], ids=["nsec", "nsec3", "opt-out"])
def test_emptyNonterminalsAboveDelegations(params: Params | None) -> None:
    """
    Names that have only delegations without DS records below them are proved to exist, or to be opted out: then they have no NSEC3 record
    of their own (RFC 5155, section 7.1), and their denials are insecure. With other names below them they are secure.
    """
    world = World(params)
    world.internet.zone("ents.org", _ENTS, nsec3=params)
    optedOut = Security.INSECURE if params is not None and params.optOut else Security.SECURE
    for name, outcome, security in (
        ("only", Outcome.NODATA, optedOut),
        ("deep", Outcome.NODATA, optedOut),
        ("a.deep", Outcome.NODATA, optedOut),
        ("b.mixed", Outcome.NODATA, optedOut),
        ("mixed", Outcome.NODATA, Security.SECURE),
        ("a.mixed", Outcome.NODATA, Security.SECURE),
        ("s", Outcome.NODATA, Security.SECURE),
        ("x.only", Outcome.NXDOMAIN, optedOut),
        ("y.x.a.deep", Outcome.NXDOMAIN, optedOut),
        ("x.b.mixed", Outcome.NXDOMAIN, optedOut),
    ):
        for rrType in ("A", "DS"):
            answer = world.look(f"{name}.ents.org", rrType)
            assert (name, answer.outcome, answer.security) == (name, outcome, security)
