"""
Tests of L{twisted_ext.resolver.recursive.configured} and of the descriptions C{recursive} and C{validate}.
"""

from __future__ import annotations

import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from twisted_ext import client
from twisted_ext.answers import Answer, Origin, QueryContext, Security
from twisted_ext.compat.conversion.errors import DNSServerError
from twisted_ext.dnssec.trustanchors import ROOT_ANCHORS, Anchor
from twisted_ext.dnssec.validation import Validator
from twisted_ext.errors import BadDescription, CallerFault, DNSFault, TrustFault
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.recursion.delegations import Delegations
from twisted_ext.recursion.hints import builtInRoot
from twisted_ext.recursion.limits import DELEGATIONS
from twisted_ext.recursion.replies import Referral
from twisted_ext.resolver.ask import lookUp, then
from twisted_ext.resolver.recursive.configured import (
    Minimization,
    Trust,
    isForServers,
    optionsFor,
    readAnchors,
    readRoot,
    usableFor,
)
from twisted_ext.resolver.recursive.stubs import stubDelegation
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.resolver.strings.descriptions import sourceFromString
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import AAAA, DS, RRSIG, A

_NOW = 1_800_000_000


class FilesTests(SynchronousTestCase):
    """
    Tests for L{readRoot} and L{readAnchors}.
    """

    def file(self, content: bytes) -> str:
        """
        Write a file, and return its path.
        """
        path = Path(self.mktemp())
        path.write_bytes(content)
        return str(path)

    def test_rootIsBuiltIn(self) -> None:
        """
        Without files, the servers and the keys of the root are those built in.
        """
        self.assertEqual(len(readRoot("").servers), 13)
        self.assertEqual(readAnchors([], _NOW), ([*ROOT_ANCHORS], []))

    def test_errorsNameTheLine(self) -> None:
        """
        An error in a file is one line, with the name of the file, the line, and what would be right.
        """
        for content, where in ((b". NS a.\n. NS\n", ":2: "), (b". NS a.\n\xff\n", ":2: octet 255"), (b"", ": no server of the root")):
            path = self.file(content)
            with self.assertRaises(BadDescription) as caught:
                readRoot(path)
            self.assertTrue(str(caught.exception).startswith(f"{path}{where}"), str(caught.exception))
            self.assertEqual(len(str(caught.exception).splitlines()), 1)
        path = self.file(b". IN DS 1 13 2 00\n")
        with self.assertRaises(BadDescription) as caught:
            readAnchors([path], _NOW)
        self.assertTrue(str(caught.exception).startswith(f"{path}:1: "))
        for read in (readRoot, lambda path: readAnchors([path], _NOW)):
            self.assertRaises(BadDescription, read, "/nowhere/at/all")

    def test_anchorsOfTheRootReplaceThoseBuiltIn(self) -> None:
        """
        A file with an anchor of the root replaces those built in, one with anchors of other zones adds to them.
        """
        digest = "00" * 32
        anchors, _ = readAnchors([self.file(f"example. IN DS 1 13 2 {digest}\n".encode())], _NOW)
        self.assertEqual(len(anchors), len(ROOT_ANCHORS) + 1)
        anchors, _ = readAnchors([self.file(f". IN DS 1 13 2 {digest}\n".encode())], _NOW)
        self.assertEqual([anchor.tag for anchor in anchors], [1])


class TrustTests(SynchronousTestCase):
    """
    Tests for L{Trust}.
    """

    def test_configuredZonesNeedAnAnchorOfTheirOwn(self) -> None:
        """
        Zones whose servers are configured are validated only with an anchor at or below them.
        """
        corp, lab = nameFromText("corp.example"), nameFromText("lab.corp.example")
        trust = Trust(unproved=[corp])
        self.assertIsNone(trust.at(nameFromText("www.corp.example"), _NOW))
        self.assertIsNotNone(trust.at(nameFromText("example"), _NOW))
        trust = Trust([*ROOT_ANCHORS, Anchor(lab, DS, bytes(36))], unproved=[corp])
        found = trust.at(nameFromText("www.lab.corp.example"), _NOW)
        assert found is not None
        self.assertEqual(found.zone, lab)
        self.assertIsNone(trust.at(corp, _NOW))

    def test_negativeAnchorsSuspend(self) -> None:
        """
        A name with a negative trust anchor has no anchors until it ends.
        """
        trust = Trust()
        name = nameFromText("a.example")
        trust.negatives.add(name, _NOW, _NOW + 60)
        self.assertIsNone(trust.at(nameFromText("b.a.example"), _NOW))
        self.assertIsNotNone(trust.at(name, _NOW + 60))


class AddressTests(SynchronousTestCase):
    """
    Tests for L{usableFor}.
    """

    def test_noServerIsOnThisMachine(self) -> None:
        """
        Loopback, unspecified and multicast addresses are no addresses of servers, however they are written; those configured are.
        """
        for address in ("127.0.0.1", "127.9.9.9", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "ff02::1", "::ffff:127.0.0.1"):
            self.assertFalse(isForServers(address), address)
        for address in ("192.0.2.1", "10.0.0.1", "2001:db8::1", "fe80::1%eth0", "::ffff:192.0.2.1"):
            self.assertTrue(isForServers(address), address)
        usable = usableFor(["127.0.0.53"])
        assert usable is not None
        self.assertEqual([usable("127.0.0.53"), usable("127.0.0.54"), usable("192.0.2.1")], [True, False, True])

    def test_onlyIPv4(self) -> None:
        """
        Without IPv6 no server is queried at such an address, and none is looked up.
        """
        usable = usableFor([], ipv6=False, loopback=True)
        assert usable is not None
        self.assertEqual([usable("2001:db8::1"), usable("127.0.0.1")], [False, True])
        self.assertIsNone(usableFor([], loopback=True))
        self.assertEqual([optionsFor("yes").families, optionsFor("yes", ipv6=False).families], [(A, AAAA), (A,)])

    def test_minimization(self) -> None:
        """
        The words yes, no and strict say how query names are minimized.
        """
        found = [(options.minimize, options.strict) for options in map(optionsFor, Minimization.words)]
        self.assertEqual(found, [(True, False), (False, False), (True, True)])
        self.assertRaises(CallerFault, Minimization.fromText, "maybe")


class FixedDelegationTests(SynchronousTestCase):
    """
    Tests for L{FixedDelegation}.
    """

    def test_staysAsItIs(self) -> None:
        """
        Configured servers are neither forgotten, nor replaced by the zone or its parent, nor removed to make room.
        """
        zone = nameFromText("corp.example")
        fixed = stubDelegation(zone, ["192.0.2.1"])
        delegations = Delegations(builtInRoot(), most=DELEGATIONS.least, fixed=[fixed])
        delegations.forget()
        delegations.drop(fixed)
        self.assertIs(delegations.learn(Referral(zone, (nameFromText("ns.other"),), 300, {}, ()), 0.0, 2), fixed)
        fixed.refine((nameFromText("ns.other"),), {}, 0.0)
        most = int(DELEGATIONS.least)
        for number in range(2 * most):
            delegations.learn(Referral(nameFromText(f"z{number}.example"), (), 300, {}, ()), 0.0, 2)
        self.assertIs(delegations.closest(nameFromText("www.corp.example"), 1e9), fixed)
        self.assertEqual(fixed.addresses(1e9, A), ["192.0.2.1"])
        self.assertLessEqual(len(delegations), most)


class DescriptionTests(SynchronousTestCase):
    """
    Tests for the prefixes C{recursive} and C{validate}, in a simulated internet.
    """

    def setUp(self) -> None:
        self.internet = internet = Internet(seed=4, start=time.time())
        internet.zone("good.example", "www 300 A 192.0.2.80")
        internet.zone("plain.example", "www 300 A 192.0.2.81", signed=False)
        internet.zone("bad.example", "www 300 A 192.0.2.82")
        internet.inject(Fault.EXPIRED, "bad.example")
        self.here = internet.reactor()
        # Called last, when the sources are closed.
        self.addCleanup(lambda: self.assertEqual(self.here.pending(), []))
        self.hints, self.anchor = Path(self.mktemp()), Path(self.mktemp())
        self.hints.write_text(internet.hints)
        self.anchor.write_text(internet.anchors)

    def source(self, text: str) -> IAnswerSource:
        """
        Build a source, which is closed at the end.
        """
        source = sourceFromString(self.here, text)
        self.addCleanup(source.close)
        return source

    def security(self, source: IAnswerSource, name: str) -> Security:
        """
        Return the status of a name's addresses.
        """
        context = QueryContext(self.here.seconds() + 30)
        try:
            return self.internet.wait(lookUp(source, questionOf(name), context), 35).security
        except TrustFault:
            return Security.BOGUS

    def test_recursive(self) -> None:
        """
        The source resolves from the root, and knows what is secure, insecure and bogus.
        """
        source = self.source(f"recursive:hints={self.hints}:anchor={self.anchor}")
        found = [self.security(source, f"www.{zone}.example") for zone in ("good", "plain", "bad")]
        self.assertEqual(found, [Security.SECURE, Security.INSECURE, Security.BOGUS])
        source = self.source(f"recursive:hints={self.hints}:validate=no:minimize=strict:ipv6=no")
        self.assertNotIn(self.security(source, "www.bad.example"), (Security.BOGUS, Security.SECURE))

    def test_localRoot(self) -> None:
        """
        With C{localRoot}, the root zone is transferred, and its servers are not queried any more.
        """
        servers = self.internet.zones[b"\x00"].servers
        source = self.source(f"recursive:hints={self.hints}:anchor={self.anchor}:localRoot={servers[0].addresses[0]}")
        self.assertIs(self.security(source, "www.good.example"), Security.SECURE)
        self.internet.advance(5)
        self.internet.exchanges.clear()
        self.assertIs(self.security(source, "www.plain.example"), Security.INSECURE)
        self.internet.wait(lookUp(source, questionOf("zone", "SOA"), QueryContext(self.here.seconds() + 30)), 35)
        self.assertEqual([each for each in self.internet.exchanges if each.server in servers], [])
        with self.assertRaises(BadDescription):
            self.source("recursive:localRoot=somewhere")

    def test_validateJudgesAnotherSource(self) -> None:
        """
        The answers of a source that does not validate are judged, whatever it says of them.
        """
        source = self.source(f"cache:validate:anchor={self.anchor}:recursive:hints={self.hints}:validate=no")
        found = [self.security(source, f"www.{zone}.example") for zone in ("good", "plain", "bad")]
        self.assertEqual(found, [Security.SECURE, Security.INSECURE, Security.BOGUS])

    def test_strippedSignatures(self) -> None:
        """
        Behind a forwarder that strips signatures signed names are bogus, and the extended error names the forwarder.
        """
        plain = self.source(f"recursive:hints={self.hints}:validate=no")

        @implementer(IAnswerSource)
        class Stripping(WrappingSource):
            def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
                return then(self._inner.ask(question, context), self.stripped)

            @staticmethod
            def stripped(answer: Answer) -> Answer:
                answer.answer = tuple([rrset for rrset in answer.answer if rrset.rrType != RRSIG])
                answer.authority = ()
                answer.origin = Origin("udp", "192.0.2.53:53")
                return answer

        anchors, _ = readAnchors([str(self.anchor)], _NOW)
        source = ValidatingSource(Stripping(plain), self.here, Validator(Trust(anchors).at), self.internet.time)
        for name in ("www.good.example", "nope.good.example", "www.plain.example"):
            with self.assertRaises(TrustFault) as caught:
                self.internet.wait(lookUp(source, questionOf(name), QueryContext(self.here.seconds() + 30)), 35)
            code, text = caught.exception.ede[0]
            self.assertIn(code, (10, 12))
            self.assertIn("192.0.2.53:53", text)

    def test_stateIsKept(self) -> None:
        """
        With a folder for state, the rollovers of trust anchors are followed until the source is closed.
        """
        inner = "recursive:hints={hints}"
        for text in (f"{inner}:anchor={{anchor}}:state={{state}}", f"validate:anchor={{anchor}}:state={{state}}:{inner}"):
            state = Path(self.mktemp())
            source = self.source(text.format(hints=self.hints, anchor=self.anchor, state=state))
            self.internet.advance(1)
            self.assertIn("VALID", (state / "root.key").read_text())
            self.assertIs(self.security(source, "www.good.example"), Security.SECURE)
            self.successResultOf(source.close())

    def test_applicationsSeeTheSecurity(self) -> None:
        """
        Results have the status of their answer, and a bogus answer is an error of twisted.names with the reason.
        """
        resolver = client.resolverFromString(self.here, f"recursive:hints={self.hints}:anchor={self.anchor}")
        self.addCleanup(resolver.close)
        result = self.internet.wait(resolver.lookupAddress("www.good.example"), 35)
        self.assertIs(getattr(result, "security", None), Security.SECURE)
        with self.assertRaises(DNSServerError) as caught:
            self.internet.wait(resolver.lookupAddress("www.bad.example"), 35)
        self.assertIs(caught.exception.security, Security.BOGUS)
        self.assertIn("expired", str(caught.exception))
        self.assertEqual(caught.exception.ede[0][0], 7)

    def test_withoutArguments(self) -> None:
        """
        C{recursive:} needs nothing; a colon too many is an error, as is a word that is not known.
        """
        self.source("recursive:")
        self.source("chain:(special):(recursive:)")
        for text in ("recursive::", "recursive:x", "recursive:minimize=maybe", "recursive:hints=/nowhere", "validate", "cache:"):
            self.assertRaises(BadDescription, sourceFromString, self.here, text)

    def test_serversOnThisMachineAreNotQueried(self) -> None:
        """
        A zone that names a server at a loopback address has no query sent there.
        """
        self.internet.zone("inside.example", "www 300 A 192.0.2.83", servers=["127.0.0.9"])
        source = self.source(f"recursive:hints={self.hints}:anchor={self.anchor}")
        context = QueryContext(self.here.seconds() + 30)
        with self.assertRaises(DNSFault) as caught:
            self.internet.wait(lookUp(source, questionOf("www.inside.example"), context), 35)
        self.assertIn("127.0.0.9 may not be queried", str(caught.exception))
        # Without the defense the query is sent.
        source = self.source(f"recursive:hints={self.hints}:anchor={self.anchor}:loopback=yes")
        self.assertIs(self.security(source, "www.inside.example"), Security.SECURE)
