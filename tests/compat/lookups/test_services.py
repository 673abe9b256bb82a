"""
Tests of L{twisted_ext.compat.lookups.services}, except for NAPTR rules.
"""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.error import DNSLookupError

from tests.compat.discoveries import DENIED, ServiceTestCase, aliased
from tests.typed import unchecked
from twisted_ext import client
from twisted_ext.answers import Answer, Outcome, Question, Security
from twisted_ext.compat.conversion.errors import (
    DNSNameError,
    DNSServerError,
    DomainError,
    LookupFailed,
    ResolverError,
    ServiceNotAvailable,
    UnusableService,
)
from twisted_ext.compat.lookups import follow, services
from twisted_ext.discovery.limits import SERVICE_ALIASES, SERVICE_TARGETS
from twisted_ext.discovery.targets import BEHIND, Target
from twisted_ext.errors import ServerFailed, TrustFault
from twisted_ext.testing.sources import Entry, answerOf, rrsetOf
from twisted_ext.wire.codes import AD
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.records import RRSet

__all__: list[str] = []


class ServerTargetsTests(ServiceTestCase):
    """
    Tests of L{serverTargets<services.serverTargets>}.
    """

    def look(self, entry: Entry, rng: Random | None = None) -> Deferred[list[Target]]:
        """
        Look up a service with these records.
        """
        resolver = self.zone({("_x._tcp.example.org", "SRV"): entry})
        return services.serverTargets("_x._tcp.example.org", resolver=resolver, rng=rng)

    def test_targetsComeByPriority(self) -> None:
        """
        Targets come by priority; those of one priority come in random order.
        """
        found = self.look(["20 0 3 c.example.", "10 1 2 b.example.", "0 0 1 a.example."])
        self.assertEqual(self.found(found), ["a.example:1", "b.example:2", "c.example:3"])
        texts = [f"0 {number} 1 h{number}.example." for number in range(10)]
        drawn = {tuple(self.found(self.look(texts, Random(seed)))) for seed in range(5)}
        self.assertGreater(len(drawn), 1)
        self.assertEqual(self.found(self.look(texts, Random(3))), self.found(self.look(texts, Random(3))))

    def test_noRecordsGiveEmptyList(self) -> None:
        """
        A missing name, or one without SRV records, gives an empty list.
        """
        self.assertEqual(self.found(self.look(DENIED)), [])
        self.assertEqual(self.found(self.look([])), [])

    def test_rootTargetMeansNotAvailable(self) -> None:
        """
        The root as target raises ServiceNotAvailable, which is a look-up error as well.
        """
        message = self.failed(self.look("0 0 0 ."), ServiceNotAvailable)
        self.assertTrue(message.startswith("_x._tcp.example.org: "), message)
        self.assertTrue(
            issubclass(ServiceNotAvailable, DNSLookupError) and issubclass(ServiceNotAvailable, DomainError)
        )

    def test_unusableRecordsRaise(self) -> None:
        """
        Records without any usable target raise UnusableService, and their targets are not looked up.
        """
        message = self.failed(self.look(["0 0 443 127.0.0.1.", "0 0 0 a.example."]), UnusableService)
        self.assertTrue(message.startswith("_x._tcp.example.org: "), message)
        self.assertEqual(self.asked(), ["_x._tcp.example.org"])

    def test_failureIsNotAnEmptyList(self) -> None:
        """
        A failed look-up or an invalid argument raises and never gives an empty list.
        """
        self.failed(self.look(ServerFailed("no")), DNSServerError)
        self.failed(self.look(Answer(Outcome.NODATA, rcode=5)), LookupFailed)
        self.failed(services.serverTargets("a..b", resolver=self.zone({})), ValueError)
        self.failed(services.serverTargets("a", timeout=-1.0, resolver=self.zone({})), ValueError)
        self.failed(unchecked(services.serverTargets)(None, resolver=self.zone({})), ValueError)
        self.failed(services.serverTargets("a", resolver=17), TypeError)
        for wrong in (services.serverTargets("a", timeout=-1.0, resolver=self.zone({})), services.tlsaOf("a", 0, resolver=self.zone({}))):
            # Errors of the program are not failures of look-ups.
            self.assertNotIsInstance(self.failureResultOf(wrong, ValueError).value, DNSLookupError)
        self.failed(unchecked(services.serverTargets)("a", rng=17, resolver=self.zone({})), ValueError)

    def test_ownerAliasesAreFollowed(self) -> None:
        """
        Aliases of the owner are followed, whether or not the server has done so.
        """
        text = ("0 0 1 a.example.",)
        self.assertEqual(
            self.found(self.look(aliased("_x._tcp.example.org", "b.example", "c.example", texts=text))), ["a.example:1"]
        )
        self.assertEqual(self.found(self.look(aliased("_x._tcp.example.org", "b.example"))), [])
        resolver = self.zone(
            {
                ("x.example", "SRV"): aliased("x.example", "y.example", left=True),
                ("y.example", "SRV"): answerOf(_srv("Y.example"), text),
            }
        )
        self.assertEqual(self.found(services.serverTargets("x.example", resolver=resolver)), ["a.example:1"])
        self.assertEqual(self.asked(), ["x.example", "y.example"])

    def test_aliasLoopsEnd(self) -> None:
        """
        Alias loops and endless alias chains end with an error.
        """
        for names in (("x.example",), ("y.example", "x.example"), ("y.example", "y.example")):
            resolver = self.zone({}, aliased("x.example", *names, left=True))
            self.failed(services.serverTargets("x.example", resolver=resolver), UnusableService)
            self.assertLessEqual(len(self.asked()), 2)

        def further(question: Question) -> Answer:
            name = nameToText(question.name, final=False)
            return aliased(name, f"a{name}", left=True)

        resolver = self.zone({}, further)
        self.failed(services.serverTargets("a", resolver=resolver), UnusableService)
        self.assertLessEqual(len(self.asked()), SERVICE_ALIASES.default + 1)

    def test_otherOwnersAreIgnored(self) -> None:
        """
        Records of other owners in the answer are ignored.
        """
        answer = Answer(Outcome.DATA, (rrsetOf(nameFromText("other.example"), 33, "0 0 1 a.example."),))
        self.assertEqual(self.found(self.look(answer)), [])

    def test_targetsAreBounded(self) -> None:
        """
        A thousand records give a bounded number of targets.
        """
        self.assertEqual(
            len(self.found(self.look([f"0 0 1 h{number}.example." for number in range(1000)]))), SERVICE_TARGETS.default
        )

    def test_noSearchListForServices(self) -> None:
        """
        The search list does not apply to service names.
        """
        self.look([])
        self.assertFalse(self.source.contexts[0].relative)

    def test_resolverOrSource(self) -> None:
        """
        The default is the resolver of this process, and any answer source is accepted.
        """
        resolver = self.zone({("x.example", "SRV"): "0 0 1 a.example."})
        self.patch(client, "theResolver", resolver)
        self.assertEqual(self.found(client.serverTargets("x.example")), ["a.example:1"])
        self.assertEqual(self.found(client.serverTargets("x.example", resolver=self.source)), ["a.example:1"])

    def test_describedResolverIsClosed(self) -> None:
        """
        A resolver that was created from a description is closed after the look-up, with any outcome.
        """
        for entry in ("0 0 1 a.example.", "0 0 0 .", ServerFailed("no")):
            resolver = self.zone({("x.example", "SRV"): entry})
            self.patch(follow, "resolverOf", lambda given, resolver=resolver: resolver)
            services.serverTargets("x.example", resolver="system").addErrback(lambda failure: None)
            self.assertTrue(self.source.closed)
            resolver = self.zone({("x.example", "SRV"): entry})
            services.serverTargets("x.example", resolver=resolver).addErrback(lambda failure: None)
            self.assertFalse(self.source.closed)


def _srv(name: str) -> Question:
    """
    Return the question for SRV records.
    """
    return Question(nameFromText(name), 33)


class BindingTargetsTests(ServiceTestCase):
    """
    Tests of L{bindingTargets<services.bindingTargets>}.
    """

    def test_aliasTakesTwoLookups(self) -> None:
        """
        An alias and the record at its target take two look-ups. The plain target and the host itself come last.
        """
        resolver = self.zone(
            {
                ("example.org", "HTTPS"): "0 cdn.example.",
                ("cdn.example", "HTTPS"): "1 . alpn=h2 port=8443 ipv4hint=192.0.2.1",
            }
        )
        found = self.successResultOf(services.bindingTargets("https", "example.org", resolver=resolver))
        self.assertEqual([str(target) for target in found], ["cdn.example:8443", "cdn.example:443", "example.org:443"])
        self.assertEqual((found[0].alpn, found[0].addresses), (("h2", "http/1.1"), ("192.0.2.1",)))
        self.assertEqual(self.asked(), ["example.org", "cdn.example"])

    def test_rootTargetIsTheCanonicalName(self) -> None:
        """
        The root as target means the name at the end of the CNAME chain.
        """
        answer = aliased("www.example.org", "cdn.example", rrType=65, texts=("1 . port=8443",))
        resolver = self.zone({("www.example.org", "HTTPS"): answer})
        self.assertEqual(
            self.found(services.bindingTargets("https", "www.example.org", resolver=resolver))[0], "cdn.example:8443"
        )

    def test_fallbackIsTheHostItself(self) -> None:
        """
        The host itself is the target if records are missing or their look-up fails, unless C{fallback} is off.
        """
        cases: tuple[tuple[Entry, type[LookupFailed]], ...] = (
            (DENIED, UnusableService),
            ([], UnusableService),
            (ServerFailed("no"), DNSServerError),
            ("0 example.org.", UnusableService),
        )
        for entry, kind in cases:
            resolver = self.zone({("example.org", "HTTPS"): entry})
            found = self.successResultOf(services.bindingTargets("https", "example.org", resolver=resolver))
            self.assertEqual(found, [Target("example.org", 443, BEHIND + 1)])
            self.failed(services.bindingTargets("https", "example.org", fallback=False, resolver=resolver), kind)

    def test_aliasTargetIsUsedAfterFailure(self) -> None:
        """
        The target of an alias is used even if its own records cannot be looked up.
        """
        resolver = self.zone({("example.org", "HTTPS"): "0 cdn.example.", ("cdn.example", "HTTPS"): ServerFailed("no")})
        self.assertEqual(
            self.found(services.bindingTargets("https", "example.org", resolver=resolver)),
            ["cdn.example:443", "example.org:443"],
        )

    def test_bogusRecordsHaveNoFallback(self) -> None:
        """
        Records that fail validation raise: a fallback may be what an attacker wants (RFC 9460, section 3.1).
        """
        resolver = self.zone({("example.org", "HTTPS"): TrustFault("forged")})
        self.failed(services.bindingTargets("https", "example.org", resolver=resolver), DNSServerError)

    def test_aliasToRootMeansNotAvailable(self) -> None:
        """
        An alias to the root raises ServiceNotAvailable.
        """
        resolver = self.zone({("example.org", "HTTPS"): "0 ."})
        self.failed(services.bindingTargets("https", "example.org", resolver=resolver), ServiceNotAvailable)

    def test_literalsAreNotLookedUp(self) -> None:
        """
        An address literal is its own target and is not looked up.
        """
        resolver = self.zone({})
        for host, port, shown in (
            ("192.0.2.1", None, "192.0.2.1:443"),
            ("[2001:db8::1]", 99, "[2001:db8::1]:99"),
            ("::1", None, "[::1]:443"),
        ):
            self.assertEqual(self.found(services.bindingTargets("https", host, port, resolver=resolver)), [shown])
        self.assertEqual(self.asked(), [])

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        Invalid arguments raise an error that names the parameter.
        """
        for scheme, host in (("http", "example.org"), ("https", "a..b"), ("https", "a b"), ("foo", "192.0.2.1")):
            self.failed(services.bindingTargets(scheme, host, resolver=self.zone({})), ValueError)
        self.failed(unchecked(services.bindingTargets)("https", "a", "443", resolver=self.zone({})), ValueError)
        self.failed(unchecked(services.bindingTargets)("https", b"a", resolver=self.zone({})), ValueError)
        for odd in (None, 5, b"https", "", "_https", "a b", "a" * 63):
            self.failed(unchecked(services.bindingTargets)(odd, "a", 1, resolver=self.zone({})), ValueError)
        for message in ("h2", 5, [b"h2"], [""], ["h\xb2"]):
            looking = unchecked(services.bindingTargets)("https", "a", protocols=message, resolver=self.zone({}))
            self.assertIn("protocols: ", self.failed(looking, ValueError))
        for keys in ("x", 5, ["x"], [-1], [65536]):
            looking = unchecked(services.bindingTargets)("https", "a", understood=keys, resolver=self.zone({}))
            self.assertIn("understood: ", self.failed(looking, ValueError))
        for wrong in (-1, float("nan"), "1"):
            looking = unchecked(services.bindingTargets)("https", "a", recordDelay=wrong, resolver=self.zone({}))
            self.assertIn("recordDelay: ", self.failed(looking, ValueError))

    def test_closedResolverHasNoFallback(self) -> None:
        """
        A closed resolver raises and does not fall back to the host.
        """
        resolver = self.zone({})
        self.successResultOf(resolver.close())
        self.failed(services.bindingTargets("https", "example.org", resolver=resolver), ResolverError)

    def test_portAndSchemePrefixes(self) -> None:
        """
        Other ports and schemes are looked up under prefixed names.
        """
        resolver = self.zone({("_8443._https.example.org", "HTTPS"): "1 a.example."})
        self.assertEqual(
            self.found(services.bindingTargets("https", "example.org", 8443, resolver=resolver))[0], "a.example:8443"
        )
        resolver = self.zone({("_dns.example.org", "SVCB"): "1 a.example. alpn=dot port=853"})
        self.assertEqual(
            self.found(services.bindingTargets("dns", "example.org", resolver=resolver))[0], "a.example:853"
        )

    def test_aliasChainIsBounded(self) -> None:
        """
        An endless chain of aliases takes a bounded number of look-ups and falls back to the host.
        """

        def further(question: Question) -> Answer:
            return answerOf(question, f"0 a{nameToText(question.name)}")

        resolver = self.zone({}, further)
        self.assertEqual(self.found(services.bindingTargets("https", "a", resolver=resolver)), ["a:443"])
        self.assertEqual(len(self.asked()), SERVICE_ALIASES.default + 1)


class MailTargetsTests(ServiceTestCase):
    """
    Tests of L{mailTargets<services.mailTargets>}.
    """

    def look(self, entry: Entry) -> Deferred[list[Target]]:
        """
        Look up the mail targets of a domain.
        """
        return services.mailTargets("example.org", resolver=self.zone({("example.org", "MX"): entry}))

    def test_hostsComeByPreference(self) -> None:
        """
        Mail exchanges come by preference.
        """
        self.assertEqual(self.found(self.look(["20 b.example.", "10 a.example."])), ["a.example:25", "b.example:25"])

    def test_domainWithoutMXReceivesItself(self) -> None:
        """
        A domain without MX records is its own mail exchange. A domain that does not exist raises.
        """
        self.assertEqual(self.found(self.look([])), ["example.org:25"])
        self.failed(self.look(DENIED), DNSNameError)

    def test_invalidDomainIsNotLookedUp(self) -> None:
        """
        A domain that cannot receive mail is refused without a query, above all one with a local part.
        """
        for wrong in ("bob@example.org", "192.0.2.1", "[192.0.2.1]", ".", "", "a b", None):
            failed = unchecked(services.mailTargets)(wrong, resolver=self.zone({}))
            self.failed(failed, ValueError)
            self.assertEqual(self.asked(), [])

    def test_failuresAreDistinct(self) -> None:
        """
        A null MX, unusable records and a failed look-up raise different exceptions.
        """
        self.failed(self.look("0 ."), ServiceNotAvailable)
        self.failed(self.look("0 192.0.2.1."), UnusableService)
        self.failed(self.look(ServerFailed("no")), DNSServerError)


class URITests(ServiceTestCase):
    """
    Tests of L{urisOf<services.urisOf>}.
    """

    def test_urisComeByPriority(self) -> None:
        """
        URIs come by priority. No records give an empty list, and invalid ones raise.
        """
        name = "_http._tcp.example.org"
        resolver = self.zone(
            {(name, "URI"): ['2 1 "https://b.example/"', '1 1 "https://a.example/"'], ("x", "URI"): '1 1 "x"'}
        )
        self.assertEqual(
            self.successResultOf(services.urisOf(name, resolver=resolver)), ["https://a.example/", "https://b.example/"]
        )
        self.assertEqual(self.successResultOf(services.urisOf("nosuch", resolver=resolver)), [])
        self.failed(services.urisOf("x", resolver=resolver), UnusableService)

    def test_malformedRecordsAreSkipped(self) -> None:
        """
        Malformed records are skipped. It is an error if all are malformed.
        """
        name = nameFromText("x")
        good = rrsetOf(name, 256, '1 1 "a:b"').rdatas[0]
        for rdatas, found in (((b"\x00", good), ["a:b"]), ((good,), ["a:b"])):
            resolver = self.zone({("x", "URI"): Answer(Outcome.DATA, (RRSet(name, 256, 1, 60, rdatas),))})
            self.assertEqual(self.successResultOf(services.urisOf("x", resolver=resolver)), found)
        resolver = self.zone({("x", "URI"): Answer(Outcome.DATA, (RRSet(name, 256, 1, 60, (b"\x00",)),))})
        self.failed(services.urisOf("x", resolver=resolver), DNSServerError)


class CertificateTests(ServiceTestCase):
    """
    Tests of L{tlsaOf<services.tlsaOf>}.
    """

    def answer(self, *, flags: int = 0, security: Security = Security.INDETERMINATE) -> Answer:
        """
        Return an answer with one record and this validation state.
        """
        sets = (rrsetOf(nameFromText("_443._tcp.www.example.org"), 52, "3 1 1 aabb"),)
        return Answer(Outcome.DATA, sets, flags=flags, security=security)

    def look(self, answer: Entry, requireAD: bool = True) -> list[str]:
        """
        Return the records that a look-up gives.
        """
        resolver = self.zone({("_443._tcp.www.example.org", "TLSA"): answer})
        found = services.tlsaOf("www.example.org", 443, requireAD=requireAD, resolver=resolver)
        return [each.toText() for each in self.successResultOf(found)]

    def test_onlyValidatedRecordsCount(self) -> None:
        """
        Records count only if they were validated, locally or by the server, which is asked for AD.
        """
        self.assertEqual(self.look(self.answer(flags=AD)), ["3 1 1 AABB"])
        self.assertEqual(self.look(self.answer(security=Security.SECURE)), ["3 1 1 AABB"])
        self.assertTrue(self.source.contexts[0].authenticData)
        self.assertEqual(self.look(self.answer()), [])
        self.assertEqual(self.look(self.answer(), requireAD=False), ["3 1 1 AABB"])
        self.assertEqual(self.look(DENIED), [])

    def test_unvalidatedAliasInvalidatesRecords(self) -> None:
        """
        Records behind an alias that was not validated do not count.
        """
        owner = "_443._tcp.www.example.org"
        for flags, found in ((0, 0), (AD, 1)):
            forged = aliased(owner, "x.example", left=True)
            forged.flags = flags
            answer = Answer(Outcome.DATA, (rrsetOf(nameFromText("x.example"), 52, "3 1 1 aabb"),), flags=AD)
            resolver = self.zone({(owner, "TLSA"): forged, ("x.example", "TLSA"): answer})
            self.assertEqual(
                len(self.successResultOf(services.tlsaOf("www.example.org", 443, resolver=resolver))), found
            )

    def test_invalidPortOrTransportIsRefused(self) -> None:
        """
        An invalid port or transport is refused.
        """
        for port, transport in ((0, "tcp"), (65536, "tcp"), (443, "t.cp"), (443, "")):
            self.failed(services.tlsaOf("a", port, transport, resolver=self.zone({})), ValueError)
