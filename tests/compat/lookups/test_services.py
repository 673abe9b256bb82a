"""
Tests of L{twisted_ext.compat.lookups.services}: all but what follows rules.
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

    def test_order(self) -> None:
        """
        Targets come by priority, those of one priority as they are drawn.
        """
        found = self.look(["20 0 3 c.example.", "10 1 2 b.example.", "0 0 1 a.example."])
        self.assertEqual(self.found(found), ["a.example:1", "b.example:2", "c.example:3"])
        texts = [f"0 {number} 1 h{number}.example." for number in range(10)]
        drawn = {tuple(self.found(self.look(texts, Random(seed)))) for seed in range(5)}
        self.assertGreater(len(drawn), 1)
        self.assertEqual(self.found(self.look(texts, Random(3))), self.found(self.look(texts, Random(3))))

    def test_nothing(self) -> None:
        """
        No such records, and no such name, are an empty list: most domains have none.
        """
        self.assertEqual(self.found(self.look(DENIED)), [])
        self.assertEqual(self.found(self.look([])), [])

    def test_notAvailable(self) -> None:
        """
        The root as target is an exception of its own, which those who catch what look-ups fail with catch as well.
        """
        words = self.failed(self.look("0 0 0 ."), ServiceNotAvailable)
        self.assertTrue(words.startswith("_x._tcp.example.org: "), words)
        self.assertTrue(
            issubclass(ServiceNotAvailable, DNSLookupError) and issubclass(ServiceNotAvailable, DomainError)
        )

    def test_unusable(self) -> None:
        """
        Records that all lead nowhere are told as such, and the names that they lead to are never looked up.
        """
        words = self.failed(self.look(["0 0 443 127.0.0.1.", "0 0 0 a.example."]), UnusableService)
        self.assertTrue(words.startswith("_x._tcp.example.org: "), words)
        self.assertEqual(self.asked(), ["_x._tcp.example.org"])

    def test_failures(self) -> None:
        """
        That nothing is known is never taken for that there is nothing.
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

    def test_aliases(self) -> None:
        """
        The owner may be an alias, followed by the server or left to us.
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

    def test_aliasLoops(self) -> None:
        """
        Aliases that lead round in circles, or on and on, end.
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

    def test_strangers(self) -> None:
        """
        Records of other names in the answer do not count.
        """
        answer = Answer(Outcome.DATA, (rrsetOf(nameFromText("other.example"), 33, "0 0 1 a.example."),))
        self.assertEqual(self.found(self.look(answer)), [])

    def test_many(self) -> None:
        """
        Of a thousand records a few are tried.
        """
        self.assertEqual(
            len(self.found(self.look([f"0 0 1 h{number}.example." for number in range(1000)]))), SERVICE_TARGETS.default
        )

    def test_searchless(self) -> None:
        """
        No search list is tried for the name of a service.
        """
        self.look([])
        self.assertFalse(self.source.contexts[0].relative)

    def test_resolvers(self) -> None:
        """
        Without a resolver the one of this process is asked; any source of answers will do.
        """
        resolver = self.zone({("x.example", "SRV"): "0 0 1 a.example."})
        self.patch(client, "theResolver", resolver)
        self.assertEqual(self.found(client.serverTargets("x.example")), ["a.example:1"])
        self.assertEqual(self.found(client.serverTargets("x.example", resolver=self.source)), ["a.example:1"])

    def test_described(self) -> None:
        """
        What is made of a description is closed when the look-up ends, however it does.
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
    return Question(nameFromText(name), 33)


class BindingTargetsTests(ServiceTestCase):
    """
    Tests of L{bindingTargets<services.bindingTargets>}.
    """

    def test_aliasThenService(self) -> None:
        """
        An alias and the record behind it take two look-ups; where it leads and the host itself come last.
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

    def test_cname(self) -> None:
        """
        The root as target is the name that a CNAME record led to.
        """
        answer = aliased("www.example.org", "cdn.example", rrType=65, texts=("1 . port=8443",))
        resolver = self.zone({("www.example.org", "HTTPS"): answer})
        self.assertEqual(
            self.found(services.bindingTargets("https", "www.example.org", resolver=resolver))[0], "cdn.example:8443"
        )

    def test_fallback(self) -> None:
        """
        Where records are missing or cannot be looked up, the host itself is what there is, unless that is not wanted.
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

    def test_brokenAlias(self) -> None:
        """
        Where an alias leads is tried even if it cannot be asked for more.
        """
        resolver = self.zone({("example.org", "HTTPS"): "0 cdn.example.", ("cdn.example", "HTTPS"): ServerFailed("no")})
        self.assertEqual(
            self.found(services.bindingTargets("https", "example.org", resolver=resolver)),
            ["cdn.example:443", "example.org:443"],
        )

    def test_forged(self) -> None:
        """
        Where records are known to be forged nothing takes their place: that may be what the forger wants (RFC 9460, section 3.1).
        """
        resolver = self.zone({("example.org", "HTTPS"): TrustFault("forged")})
        self.failed(services.bindingTargets("https", "example.org", resolver=resolver), DNSServerError)

    def test_notAvailable(self) -> None:
        """
        An alias to the root says that there is no such service.
        """
        resolver = self.zone({("example.org", "HTTPS"): "0 ."})
        self.failed(services.bindingTargets("https", "example.org", resolver=resolver), ServiceNotAvailable)

    def test_literals(self) -> None:
        """
        An address is where to go, and nobody is asked.
        """
        resolver = self.zone({})
        for host, port, shown in (
            ("192.0.2.1", None, "192.0.2.1:443"),
            ("[2001:db8::1]", 99, "[2001:db8::1]:99"),
            ("::1", None, "[::1]:443"),
        ):
            self.assertEqual(self.found(services.bindingTargets("https", host, port, resolver=resolver)), [shown])
        self.assertEqual(self.asked(), [])

    def test_wrong(self) -> None:
        """
        What cannot be asked is told.
        """
        for scheme, host in (("http", "example.org"), ("https", "a..b"), ("https", "a b"), ("foo", "192.0.2.1")):
            self.failed(services.bindingTargets(scheme, host, resolver=self.zone({})), ValueError)
        self.failed(unchecked(services.bindingTargets)("https", "a", "443", resolver=self.zone({})), ValueError)
        self.failed(unchecked(services.bindingTargets)("https", b"a", resolver=self.zone({})), ValueError)
        for odd in (None, 5, b"https", "", "_https", "a b", "a" * 63):
            self.failed(unchecked(services.bindingTargets)(odd, "a", 1, resolver=self.zone({})), ValueError)
        for words in ("h2", 5, [b"h2"], [""], ["h\xb2"]):
            looking = unchecked(services.bindingTargets)("https", "a", protocols=words, resolver=self.zone({}))
            self.assertIn("protocols: ", self.failed(looking, ValueError))
        for keys in ("x", 5, ["x"], [-1], [65536]):
            looking = unchecked(services.bindingTargets)("https", "a", understood=keys, resolver=self.zone({}))
            self.assertIn("understood: ", self.failed(looking, ValueError))
        for wrong in (-1, float("nan"), "1"):
            looking = unchecked(services.bindingTargets)("https", "a", recordDelay=wrong, resolver=self.zone({}))
            self.assertIn("recordDelay: ", self.failed(looking, ValueError))

    def test_closed(self) -> None:
        """
        What is the caller's own doing is not hidden behind the host itself.
        """
        resolver = self.zone({})
        self.successResultOf(resolver.close())
        self.failed(services.bindingTargets("https", "example.org", resolver=resolver), ResolverError)

    def test_prefix(self) -> None:
        """
        Other ports and schemes have names of their own.
        """
        resolver = self.zone({("_8443._https.example.org", "HTTPS"): "1 a.example."})
        self.assertEqual(
            self.found(services.bindingTargets("https", "example.org", 8443, resolver=resolver))[0], "a.example:8443"
        )
        resolver = self.zone({("_dns.example.org", "SVCB"): "1 a.example. alpn=dot port=853"})
        self.assertEqual(
            self.found(services.bindingTargets("dns", "example.org", resolver=resolver))[0], "a.example:853"
        )

    def test_chainsBounded(self) -> None:
        """
        Aliases without end are followed for as long as they have to be.
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
        Look up where mail goes.
        """
        return services.mailTargets("example.org", resolver=self.zone({("example.org", "MX"): entry}))

    def test_order(self) -> None:
        """
        Hosts come by preference.
        """
        self.assertEqual(self.found(self.look(["20 b.example.", "10 a.example."])), ["a.example:25", "b.example:25"])

    def test_itself(self) -> None:
        """
        Without records the domain takes its mail itself; one that does not exist takes none.
        """
        self.assertEqual(self.found(self.look([])), ["example.org:25"])
        self.failed(self.look(DENIED), DNSNameError)

    def test_wrong(self) -> None:
        """
        What no mail could go to is told, and nobody is asked: least of all with what is before the @.
        """
        for wrong in ("bob@example.org", "192.0.2.1", "[192.0.2.1]", ".", "", "a b", None):
            failed = unchecked(services.mailTargets)(wrong, resolver=self.zone({}))
            self.failed(failed, ValueError)
            self.assertEqual(self.asked(), [])

    def test_failures(self) -> None:
        """
        A domain that takes no mail, one whose records are wrong and one of which nothing is known are told apart.
        """
        self.failed(self.look("0 ."), ServiceNotAvailable)
        self.failed(self.look("0 192.0.2.1."), UnusableService)
        self.failed(self.look(ServerFailed("no")), DNSServerError)


class URITests(ServiceTestCase):
    """
    Tests of L{urisOf<services.urisOf>}.
    """

    def test_order(self) -> None:
        """
        URIs come by priority; no records are none, and wrong ones are told.
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

    def test_malformed(self) -> None:
        """
        Records that cannot be read are passed over; that none can be is not taken for that there are none.
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
        @return: one record, with what says how far it can be trusted.
        """
        sets = (rrsetOf(nameFromText("_443._tcp.www.example.org"), 52, "3 1 1 aabb"),)
        return Answer(Outcome.DATA, sets, flags=flags, security=security)

    def look(self, answer: Entry, requireAD: bool = True) -> list[str]:
        """
        @return: the records that a look-up gives.
        """
        resolver = self.zone({("_443._tcp.www.example.org", "TLSA"): answer})
        found = services.tlsaOf("www.example.org", 443, requireAD=requireAD, resolver=resolver)
        return [each.toText() for each in self.successResultOf(found)]

    def test_trusted(self) -> None:
        """
        Records count if they were validated, by us or by the server, which is asked to say so.
        """
        self.assertEqual(self.look(self.answer(flags=AD)), ["3 1 1 AABB"])
        self.assertEqual(self.look(self.answer(security=Security.SECURE)), ["3 1 1 AABB"])
        self.assertTrue(self.source.contexts[0].authenticData)
        self.assertEqual(self.look(self.answer()), [])
        self.assertEqual(self.look(self.answer(), requireAD=False), ["3 1 1 AABB"])
        self.assertEqual(self.look(DENIED), [])

    def test_aliases(self) -> None:
        """
        An alias that anybody could have forged takes away what can be said for the records that it leads to.
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

    def test_wrong(self) -> None:
        """
        What cannot be asked is told.
        """
        for port, transport in ((0, "tcp"), (65536, "tcp"), (443, "t.cp"), (443, "")):
            self.failed(services.tlsaOf("a", port, transport, resolver=self.zone({})), ValueError)
