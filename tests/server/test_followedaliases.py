"""
Tests of forwarders whose upstreams leave aliases unfollowed, as authoritative servers of a route do.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.networks import textsOf
from tests.server.sources.test_sources import StackCase
from tests.server.stacks import reloadStack
from twisted_ext.answers import Outcome
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.testing.servers import CannedServer, Reply
from twisted_ext.testing.sources import rrsetOf
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.records import RRSet
from twisted_ext.wire.rrtypes import CNAME


def bare(octets: bytes, transport: str) -> list[bytes]:
    """
    Take the SOA record out of a reply of aliases, as an authoritative server does for targets that it knows nothing of.
    """
    reply = Message.fromWire(octets)
    if reply.answer and all(rrset.rrType == CNAME for rrset in reply.answer):
        octets = buildMessage(Message(reply.id, reply.flags, reply.questions, reply.answer, edns=reply.edns))
    return [octets]


def alias(owner: str, target: str) -> list[RRSet]:
    """
    Return an alias alone.
    """
    return [rrsetOf(nameFromText(owner), CNAME, f"{target}.")]


_OFFICE: Mapping[tuple[str, str], Reply] = {("www.corp.example", "A"): alias("www.corp.example", "cdn.public.example")}
_INTERNET: Mapping[tuple[str, str], Reply] = {("cdn.public.example", "A"): "192.0.2.80"}


class FollowedAliasesTests(StackCase):
    """
    Tests of a forwarder with an upstream for all names and another one for C{corp.example}.
    """

    def forwarder(
        self, office: Mapping[tuple[str, str], Reply], internet: Mapping[tuple[str, str], Reply], cache: bool = True
    ) -> tuple[ForwardStack, CannedServer, CannedServer]:
        """
        Return a forwarder with these records at both upstreams.
        """
        inside, first = self.serve("192.0.2.54", office)
        outside, second = self.serve("192.0.2.53", internet)
        inside.tamper = outside.tamper = bare
        route = {"corp.example": f"udp:{first.label}"}
        return self.stack(upstream=second.label, route=route, cache=cache), inside, outside

    def test_targetIsLookedUp(self) -> None:
        """
        The target of an alias that an upstream has not followed is looked up at the upstream for the target, once for both questions while
        it is cached, and with the alias in front of its address.
        """
        for cache in (True, False):
            self.setUp()
            stack, inside, outside = self.forwarder(_OFFICE, _INTERNET, cache)
            for _ in range(2):
                self.assertEqual(self.find(stack, "www.corp.example"), ["cdn.public.example.", "192.0.2.80"])
                self.assertEqual(self.find(stack, "cdn.public.example"), ["192.0.2.80"])
            self.assertEqual((len(inside.asked), len(outside.asked)), (1, 1) if cache else (2, 4))
            self.tearDown()

    def test_chainBetweenUpstreams(self) -> None:
        """
        A chain may lead from one upstream to the other and back.
        """
        stack, inside, outside = self.forwarder(
            {
                ("a.corp.example", "A"): alias("a.corp.example", "b.public.example"),
                ("c.corp.example", "A"): alias("c.corp.example", "d.corp.example"),
                ("d.corp.example", "A"): "10.0.0.1",
            },
            {("b.public.example", "A"): alias("b.public.example", "c.corp.example")},
        )
        self.assertEqual(self.find(stack, "a.corp.example"), ["b.public.example.", "c.corp.example.", "d.corp.example.", "10.0.0.1"])
        self.assertEqual((len(inside.asked), len(outside.asked)), (3, 1))

    def test_deniedTargets(self) -> None:
        """
        A target that does not exist, or has other types only, is denied with the alias in front. A denial with an SOA record is that of the
        target already.
        """
        stack, _, outside = self.forwarder(
            {
                ("none.corp.example", "A"): alias("none.corp.example", "none.public.example"),
                ("six.corp.example", "A"): alias("six.corp.example", "six.public.example"),
            },
            {("six.public.example", "AAAA"): "2001:db8::1"},
        )
        for name, outcome, rcode in (
            ("none.corp.example", Outcome.NXDOMAIN, Rcode.NXDOMAIN),
            ("six.corp.example", Outcome.NODATA, Rcode.NOERROR),
        ):
            asked = self.ask(stack, name)
            self.network.advance(6)
            answer = self.successResultOf(asked)
            self.assertEqual((answer.outcome, answer.rcode, len(textsOf(answer))), (outcome, rcode, 1))
        self.assertEqual(len(outside.asked), 2)

    def test_loopsEnd(self) -> None:
        """
        Aliases in a circle, within one upstream's answers or between two upstreams, and those without an end fail after a bounded number of
        queries.
        """
        stack, inside, outside = self.forwarder(
            {
                ("a.corp.example", "A"): alias("a.corp.example", "a.public.example"),
                ("self.corp.example", "A"): alias("self.corp.example", "self.corp.example"),
                **{(f"n{each}.corp.example", "A"): alias(f"n{each}.corp.example", f"n{each + 1}.corp.example") for each in range(100)},
            },
            {("a.public.example", "A"): alias("a.public.example", "a.corp.example")},
        )
        for name, most in (("a.corp.example", 2), ("self.corp.example", 1), ("n0.corp.example", 12)):
            before = len(inside.asked) + len(outside.asked)
            self.fault(stack, name)
            self.assertLessEqual(len(inside.asked) + len(outside.asked) - before, most, name)

    def test_silentUpstreamOfTheTarget(self) -> None:
        """
        The target is looked up within the deadline of the question; if that fails, so does the answer.
        """
        stack, _, outside = self.forwarder(_OFFICE, {})
        outside.silent = True
        asked = self.ask(stack, "www.corp.example", seconds=3.0)
        self.network.advance(3.1)
        self.failed(asked)

    def test_cancelledWhileFollowing(self) -> None:
        """
        A client that gives up while the target is looked up ends that look-up.
        """
        stack, _, outside = self.forwarder(_OFFICE, {})
        outside.silent = True
        asked = self.ask(stack, "www.corp.example", seconds=30.0)
        self.network.advance(0.5)
        asked.cancel()
        self.failureResultOf(asked)
        count = len(outside.asked)
        self.network.advance(20)
        self.assertEqual(len(outside.asked), count)

    def test_targetsAfterAReload(self) -> None:
        """
        After a reload with another upstream, targets are looked up there.
        """
        stack, _, outside = self.forwarder(_OFFICE, _INTERNET, False)
        self.assertEqual(self.find(stack, "www.corp.example"), ["cdn.public.example.", "192.0.2.80"])
        third, server = self.serve("192.0.2.55", {("cdn.public.example", "A"): "192.0.2.81"})
        reloadStack(stack, Settings.of(hostsFile="", upstream=server.label, route={"corp.example": "udp:192.0.2.54:53"}, cache=False))
        self.assertEqual(self.find(stack, "www.corp.example"), ["cdn.public.example.", "192.0.2.81"])
        self.assertEqual((len(outside.asked), len(third.asked)), (1, 1))
