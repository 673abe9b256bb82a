"""
Tests of proofs and receipts: C{resolver.proof}, C{answer.receipt}, and what C{explain} shows of them.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.dnssec.evidences import anchorsIn, smallInternet
from twisted_ext import client
from twisted_ext.answers import Answer, QueryContext, Receipt, Security
from twisted_ext.client import NamesResolver
from twisted_ext.compat.conversion.errors import DNSServerError
from twisted_ext.dnssec.evidence import Evidence
from twisted_ext.dnssec.trustanchors import TrustAnchors
from twisted_ext.dnssec.validation import Validator
from twisted_ext.dnssec.work import Work
from twisted_ext.errors import BudgetSpent, ServerFailed
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.ask import lookUp
from twisted_ext.resolver.caching.cached import CachedSource
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.resolver.recursive import evidence as collecting
from twisted_ext.resolver.recursive.source import recursiveStack
from twisted_ext.resolver.recursive.validating import ValidatingSource
from twisted_ext.testing.internet import Fault
from twisted_ext.testing.sources import CannedSource, questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.names import nameFromText, nameToText


class ProofTests(SynchronousTestCase):
    """
    Tests in a small signed internet.
    """

    def setUp(self) -> None:
        self.internet = smallInternet()
        self.reactor = self.internet.reactor()
        anchors = anchorsIn(self.internet)
        self.validator = Validator(lambda name, _: anchors.closest(name))
        root = rootFromText(self.internet.hints, "hints")
        self.source = recursiveStack(self.reactor, root, validator=self.validator, today=self.internet.time)
        self.resolver = NamesResolver(self.source, self.reactor)

    def tearDown(self) -> None:
        self.internet.wait(self.resolver.close())

    def proofOf(self, name: str, rrType: str = "A") -> Evidence:
        """
        Return the proof of a name.
        """
        return self.internet.wait(self.resolver.proof(name, rrType))

    def test_proofIsCheckedAgainOffline(self) -> None:
        """
        A proof has the security of the answer, and its JSON gives the same verdict with the reader's anchors, at the given time.
        """
        states = {"www.example.org": Security.SECURE, "nope.other.test": Security.SECURE, "www.plain.org": Security.INSECURE}
        for name, security in states.items():
            proof = self.proofOf(name)
            self.assertIs(proof.security, security)
            self.assertEqual(proof.answer.answer == (), name.startswith("nope"))
            again = Evidence.fromJSON(proof.toJSON())
            self.assertEqual(again.check(anchorsIn(self.internet)), proof.verdict)
        again = self.proofOf("www.example.org")
        self.assertIs(again.check(anchorsIn(self.internet), again.time + 90 * 86400).security, Security.BOGUS)
        # The keys of the real root have not signed it.
        self.assertIs(again.check().security, Security.BOGUS)

    def test_otherServerIsAsked(self) -> None:
        """
        If one of two servers strips signatures, the proof is that of the other, whichever was asked first, and whatever is cached.
        """
        servers = self.internet.zones[nameFromText("example.org")].servers
        for server in servers:
            self.internet.inject(Fault.STRIPS_SIGNATURES, nameToText(server.name))
            for number, name in enumerate(("www.example.org", "mail.example.org", "nx.example.org")):
                for again in range(2):
                    proof = self.proofOf(name)
                    self.assertIs(proof.security, Security.SECURE, (number, again))
                    self.assertEqual(Evidence.fromJSON(proof.toJSON()).check(anchorsIn(self.internet)), proof.verdict)
            self.internet.clear()
            self.internet.advance(86400)
        for server in servers:
            self.internet.inject(Fault.STRIPS_SIGNATURES, nameToText(server.name))
        proof = self.proofOf("www.example.org")
        self.assertIs(proof.security, Security.BOGUS)
        self.assertEqual(Evidence.fromJSON(proof.toJSON()).check(anchorsIn(self.internet)).security, Security.BOGUS)

    def test_proofOfABogusNameNamesTheServer(self) -> None:
        """
        A proof of a bogus name says what is wrong and which server sent it, also after it was saved.
        """
        self.internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
        proof = self.proofOf("mail.example.org")
        self.assertIs(proof.security, Security.BOGUS)
        self.assertRegex(proof.verdict.reasons[0][1], r"expired at .*, sent by \S+:53$")
        self.assertEqual(Evidence.fromJSON(proof.toJSON()).check(anchorsIn(self.internet)), proof.verdict)

    def test_proofUsesTheAnchorsOfTheResolver(self) -> None:
        """
        The proof has the trust anchors that were used, and the time of the resolver's own clock.
        """
        proof = self.proofOf("www.example.org")
        self.assertEqual([anchor.rdata for anchor in proof.anchors], list(anchorsIn(self.internet).zones()[0].digests))
        self.assertEqual(proof.time, int(self.internet.time()))
        later = self.internet.wait(self.resolver.proof("www.example.org", now=proof.time + 90 * 86400))
        self.assertIs(later.security, Security.BOGUS)

    def test_proofWithoutValidationUsesTheBuiltInAnchors(self) -> None:
        """
        A resolver that does not validate proves by the keys of the root that are built in.
        """
        resolver = NamesResolver(CannedSource({("www.example.org", "A"): "192.0.2.80"}, otherwise=ServerFailed("no")), Clock())
        proof = self.successResultOf(resolver.proof("www.example.org"))
        self.assertIs(proof.security, Security.BOGUS)
        self.assertEqual(sorted(anchor.tag for anchor in proof.anchors), [20326, 38696])

    def test_proofFailsAsLookupsDo(self) -> None:
        """
        Without an answer there is no proof but the exception of a look-up; wrong arguments and a closed resolver fail too.
        """
        self.internet.inject(Fault.SERVFAIL, "example.org")
        self.assertRaises(DNSServerError, self.proofOf, "www.example.org")
        self.failureResultOf(self.resolver.proof("a..b"), ValueError)
        self.failureResultOf(self.resolver.proof("example.org", "NOSUCH"), ValueError)
        self.internet.wait(self.resolver.close())
        self.failureResultOf(self.resolver.proof("www.example.org"), DNSLookupError)

    def test_moduleOffersProofs(self) -> None:
        """
        The client's function uses the resolver of the process.
        """
        self.patch(client, "theResolver", self.resolver)
        self.assertIs(self.internet.wait(client.proof("www.example.org")).security, Security.SECURE)

    def test_silenceIsRetried(self) -> None:
        """
        A look-up of the proof that fails for lack of a reply is repeated, within a limit for the whole proof.
        """
        anchors = TrustAnchors()
        for retries in (0, 3):
            self.patch(collecting, "_MOST_RETRIES", retries)
            busy = CannedSource({("www.example.org", "A"): ServerFailed("busy")})
            begun = collecting.collectEvidence(busy, questionOf("www.example.org"), QueryContext(60.0), anchors, 0)
            self.failureResultOf(Deferred.fromCoroutine(begun), ServerFailed)
            self.assertEqual(busy.asked, retries + 1)

    def test_receiptCountsTheWork(self) -> None:
        """
        The receipt of an answer that took work has its queries, octets, signatures, hashes and seconds.
        """
        before = len(self.internet.exchanges)
        answer = self.answerFor("nope.other.test")
        exchanges = list(self.internet.exchanges)[before:]
        receipt = answer.receipt
        assert receipt is not None
        # Root, test and other.test, each with its keys, and priming.
        self.assertEqual(receipt.packets, len(exchanges))
        self.assertEqual(receipt.octets, sum(len(each.reply) for each in exchanges))
        # Three key sets, two DS sets, SOA and three NSEC3 records; hashes of the encloser, the next closer name and the wildcard.
        self.assertEqual((receipt.verifications, receipt.hashes), (9, 3))
        self.assertAlmostEqual(receipt.seconds, receipt.packets * 0.02)

    def test_receiptIncludesAliases(self) -> None:
        """
        The receipt of an alias into another zone counts the look-up of its target as well.
        """
        before = len(self.internet.exchanges)
        answer = self.answerFor("alias.example.org")
        exchanges = list(self.internet.exchanges)[before:]
        receipt = answer.receipt
        assert receipt is not None and answer.origin is not None
        self.assertEqual((receipt.packets, answer.origin.attempts), (len(exchanges), len(exchanges)))
        self.assertEqual(receipt.octets, sum(len(each.reply) for each in exchanges))
        self.assertAlmostEqual(receipt.seconds, receipt.packets * 0.02)

    def test_hitHasNoReceipt(self) -> None:
        """
        An answer from the cache has no receipt, and neither has one that no work was counted for.
        """
        self.assertIsInstance(self.answerFor("www.example.org").receipt, Receipt)
        self.internet.advance(5)
        self.assertIsNone(self.answerFor("www.example.org").receipt)
        plain = self.successResultOf(lookUp(CannedSource({("a.example", "A"): "192.0.2.1"}), questionOf("a.example"), QueryContext(9)))
        self.assertIsNone(plain.receipt)

    def test_receiptOfAForwarderDoesNotReachItsCache(self) -> None:
        """
        The receipt of validation behind a forwarder is not kept by a cache between them.
        """
        server = next(iter(self.internet.zones[b"\7example\3org\0"].servers))
        forwarding = ForwardingSource(self.reactor, [Server(server.addresses[0])])
        cached = CachedSource(forwarding, self.reactor)
        validating = ValidatingSource(cached, self.reactor, Validator(lambda name, _: None), self.internet.time)
        question = questionOf("www.example.org")
        answer = self.internet.wait(lookUp(validating, question, QueryContext(60.0)))
        assert answer.receipt is not None
        self.assertEqual(answer.receipt.packets, 1)
        again = self.internet.wait(lookUp(validating, question, QueryContext(60.0)))
        self.assertIsNone(again.receipt)
        self.internet.wait(validating.close())

    def test_octetsAreLimited(self) -> None:
        """
        A look-up whose replies exceed its octets ends; with room for them, it has an answer.
        """
        for octets, succeeds in ((1000, False), (100_000, True)):
            context = QueryContext(self.reactor.seconds() + 20, budget=Work(octets=octets))
            asked = lookUp(self.source, questionOf("www.example.org"), context)
            if succeeds:
                self.assertIs(self.internet.wait(asked).security, Security.SECURE)
            else:
                self.assertRaises(BudgetSpent, self.internet.wait, asked)
                self.source.store.clear()

    def test_explainShowsTheProofInShort(self) -> None:
        """
        C{explain} shows the chain of trust, what it took, and for a bogus name the reason and the server.
        """
        explanation = self.internet.wait(self.resolver.explain("www.example.org."))
        self.assertIn("validate   secure chain=. secure, org. secure, example.org. secure", explanation.text)
        self.assertIn("7 queries sent, 2899 octets received, 6 signatures checked; secure", explanation.text)
        self.assertEqual(
            explanation.data["receipt"], {"packets": 7, "octets": 2899, "hashes": 0, "verifications": 6, "seconds": 0.14}
        )
        self.internet.inject(Fault.EXPIRED, "example.org", name="mail.example.org")
        explanation = self.internet.wait(self.resolver.explain("mail.example.org."))
        self.assertRegex(explanation.text, r"validate +bogus chain=.*why=signature of mail.example.org. A .* expired at .* server=\S+:53")
        self.assertRegex(explanation.text, r"TrustFault: mail.example.org. IN A is bogus: .*, sent by \S+:53")

    def answerFor(self, name: str) -> Answer:
        """
        Look a name up.
        """
        return self.internet.wait(lookUp(self.source, questionOf(name), QueryContext(self.reactor.seconds() + 20)))
