"""
Tests of L{twisted_ext.compat.lookups.follow}: rules that lead to rules, by way of L{twisted_ext.compat.lookups.services},
and records beside addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Final
from unittest.mock import patch

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.discoveries import DENIED, ServiceTestCase
from tests.typed import unchecked
from twisted_ext.answers import Answer, Question
from twisted_ext.compat.conversion.errors import DNSServerError, ServiceNotAvailable, UnusableService
from twisted_ext.compat.lookups import follow, services
from twisted_ext.compat.lookups.follow import hastened
from twisted_ext.compat.names import NamesResolver
from twisted_ext.discovery.limits import REWRITE_LOOKUPS, REWRITE_STEPS, SERVICE_TARGETS
from twisted_ext.discovery.targets import Target
from twisted_ext.endpoints.endpoints import HTTPSEndpoint
from twisted_ext.errors import ServerFailed
from twisted_ext.limits import Limit
from twisted_ext.testing.sources import Entry, HeldSource, answerOf, questionOf
from twisted_ext.wire.names import nameToText

__all__: list[str] = []


class RewrittenTargetsTests(ServiceTestCase):
    """
    Tests of L{rewrittenTargets<services.rewrittenTargets>}.
    """

    def look(
        self, records: Mapping[tuple[str, str], Entry], *protocols: str, port: int | None = None
    ) -> Deferred[list[Target]]:
        """
        Look up the service EM of example.org.
        """
        return services.rewrittenTargets(
            "example.org", "EM", protocols, port, resolver=self.zone(records), rng=Random(1)
        )

    def test_rulesLeadToTargets(self) -> None:
        """
        Rules lead to more rules, to SRV records and to hosts. Rules for other services and protocols are skipped.
        """
        records: dict[tuple[str, str], Entry] = {
            ("example.org", "NAPTR"): [
                '100 10 "" "WP:whois" "" nowhere.example.',
                '100 20 "" "EM:ProtA:ProtB" "" em.example.',
                '200 1 "a" "EM:ProtB" "" last.example.',
                '150 1 "s" "EM:ProtC" "" nowhere.example.',
            ],
            ("em.example", "NAPTR"): [
                '10 1 "s" "EM:ProtB" "" _b._tcp.em.example.',
                '20 1 "s" "EM:ProtA" "" _a._tcp.em.example.',
            ],
            ("_b._tcp.em.example", "SRV"): ["0 0 11 b1.example.", "5 0 12 b2.example."],
            ("_a._tcp.em.example", "SRV"): "7 0 13 a.example.",
        }
        found = self.successResultOf(self.look(records, "ProtA", "protb", port=99))
        self.assertEqual(
            [str(target) for target in found], ["b1.example:11", "b2.example:12", "a.example:13", "last.example:99"]
        )
        self.assertEqual([target.protocol for target in found], ["protb", "protb", "ProtA", "protb"])
        self.assertEqual([target.priority for target in found], [0, 1, 2, 3])
        self.assertNotIn("nowhere.example", self.asked())

    def test_hostRulesNeedAPort(self) -> None:
        """
        Rules that lead to a host are used only if the caller gives the port.
        """
        records: dict[tuple[str, str], Entry] = {("example.org", "NAPTR"): '1 1 "a" "EM:P" "" a.example.'}
        self.assertEqual(self.found(self.look(records)), [])
        self.assertEqual(self.found(self.look(records, port=7)), ["a.example:7"])

    def test_failedRuleIsSkipped(self) -> None:
        """
        A rule that fails is skipped if another one works. If none does, the first failure is raised.
        """
        rules = ['1 1 "s" "EM:P" "" a.example.', '2 1 "s" "EM:P" "" b.example.']
        records: dict[tuple[str, str], Entry] = {
            ("example.org", "NAPTR"): rules,
            ("a.example", "SRV"): ServerFailed("no"),
            ("b.example", "SRV"): "0 0 1 c.example.",
        }
        self.assertEqual(self.found(self.look(records)), ["c.example:1"])
        records["b.example", "SRV"] = "0 0 0 ."
        self.failed(self.look(records), DNSServerError)
        records["a.example", "SRV"] = "0 0 0 ."
        self.failed(self.look(records), ServiceNotAvailable)
        records["a.example", "SRV"] = records["b.example", "SRV"] = DENIED
        self.assertEqual(self.found(self.look(records)), [])

    def test_noRulesMeanNoTargets(self) -> None:
        """
        There are no targets without rules for the service. A failed look-up raises.
        """
        self.assertEqual(self.found(self.look({})), [])
        self.assertEqual(self.found(self.look({("example.org", "NAPTR"): '1 1 "s" "WP:P" "" a.example.'})), [])
        self.failed(self.look({("example.org", "NAPTR"): ServerFailed("no")}), DNSServerError)

    def test_expressionRulesAreIgnored(self) -> None:
        """
        Rules with regular expressions are ignored (RFC 3958, section 6.4).
        """
        self.assertEqual(self.found(self.look({("example.org", "NAPTR"): '1 1 "s" "EM:P" "!.*!a.example!" .'})), [])
        self.assertEqual(self.asked(), ["example.org"])

    def test_ruleLoopsEnd(self) -> None:
        """
        A loop of rules ends with an error.
        """
        records: dict[tuple[str, str], Entry] = {
            ("example.org", "NAPTR"): '1 1 "" "EM:P" "" a.example.',
            ("a.example", "NAPTR"): '1 1 "" "EM:P" "" EXAMPLE.org.',
        }
        self.failed(self.look(records), UnusableService)
        self.assertEqual(len(self.asked()), 2)

    def test_lookupsAndTargetsAreBounded(self) -> None:
        """
        Rules that lead ever deeper, or to ever more names, cause a bounded number of look-ups and targets.
        """

        def deeper(question: Question) -> Answer:
            return answerOf(question, f'1 1 "" "EM:P" "" a{nameToText(question.name)}')

        def wider(question: Question) -> Answer:
            return answerOf(
                question, [f'1 {number} "" "EM:P" "" a{number}{nameToText(question.name)}' for number in range(200)]
            )

        def servers(question: Question) -> Answer:
            if question.rrType == 33:
                return answerOf(question, [f"0 0 1 h{number}.example." for number in range(20)])
            return answerOf(
                question, [f'1 {number} "s" "EM:P" "" a{number}{nameToText(question.name)}' for number in range(200)]
            )

        cases: tuple[tuple[Callable[[Question], Answer], float], ...] = (
            (deeper, REWRITE_STEPS.default),
            (wider, REWRITE_LOOKUPS.default),
            (servers, REWRITE_LOOKUPS.default),
        )
        for entry, limit in cases:
            resolver = self.zone({}, entry)
            looking = services.rewrittenTargets("example.org", "EM", resolver=resolver)
            if entry is servers:
                self.assertEqual(len(self.successResultOf(looking)), SERVICE_TARGETS.default)
            else:
                self.failed(looking, UnusableService)
            self.assertLessEqual(len(self.asked()), limit)
        with patch.object(follow, "REWRITE_LOOKUPS", Limit(100, 1, 100)):
            self.failed(services.rewrittenTargets("example.org", "EM", resolver=self.zone({}, wider)), UnusableService)
            self.assertEqual(len(self.asked()), 100)
        with patch.object(follow, "REWRITE_STEPS", Limit(20, 1, 20)):
            self.failed(services.rewrittenTargets("example.org", "EM", resolver=self.zone({}, deeper)), UnusableService)
            self.assertEqual(len(self.asked()), 20)

    def test_invalidArgumentsAreRefused(self) -> None:
        """
        An invalid service, list of protocols or port is refused without a look-up. A single text is not a list of protocols.
        """
        resolver = self.zone({})
        for protocols in ("ProtA", 5, [5], [b"ProtA"]):
            looking = unchecked(services.rewrittenTargets)("example.org", "EM", protocols, resolver=resolver)
            self.failed(looking, ValueError)
        for service in (None, 5, b"EM"):
            self.failed(unchecked(services.rewrittenTargets)("example.org", service, resolver=resolver), ValueError)
            self.failed(unchecked(services.rewrittenURIs)("example.org", service, resolver=resolver), ValueError)
        self.failed(unchecked(services.rewrittenURIs)("example.org", "EM", 5, resolver=resolver), ValueError)
        self.failed(services.rewrittenTargets("example.org", "EM", port=0, resolver=resolver), ValueError)
        self.assertEqual(self.asked(), [])


class RewrittenURIsTests(ServiceTestCase):
    """
    Tests of L{rewrittenURIs<services.rewrittenURIs>} and L{numberURIs<services.numberURIs>}.
    """

    NUMBER: Final = "8.4.1.0.6.4.9.7.0.2.4.4.e164.arpa"

    def look(
        self, *texts: str, service: str = "E2U+sip", more: Mapping[tuple[str, str], Entry] | None = None
    ) -> Deferred[list[str]]:
        """
        Look up a phone number with these rules.
        """
        resolver = self.zone({(self.NUMBER, "NAPTR"): texts, **(more or {})})
        return services.numberURIs("+44 20 7946 0148", service, resolver=resolver)

    def test_phoneNumberURIs(self) -> None:
        """
        The rules of a phone number give its URIs.
        """
        found = self.look(
            r'1 2 "u" "E2U+sip" "!^\\+44(.*)$!sip:0\\1@example.com!" .',
            '1 1 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',
        )
        self.assertEqual(self.successResultOf(found), ["sip:info@example.com", "sip:02079460148@example.com"])

    def test_otherServicesAreSkipped(self) -> None:
        """
        Rules for other services are skipped, and so are rules that do not match.
        """
        found = self.look(
            '1 1 "u" "E2U+mailto" "!^.*$!mailto:a@b.example!" .', '2 1 "u" "E2U+sip" "!^x$!sip:x@b.example!" .'
        )
        self.assertEqual(self.successResultOf(found), [])

    def test_firstMatchingOrderWins(self) -> None:
        """
        Rules of a later order do not apply if a rule of an earlier one does (RFC 3403, section 4.1).
        """
        rules = (
            '1 1 "u" "E2U+sip" "!^x$!sip:x@b.example!" .',
            '2 1 "u" "E2U+sip" "!^.*$!sip:a@b.example!" .',
            '3 1 "u" "E2U+sip" "!^.*$!sip:c@b.example!" .',
        )
        self.assertEqual(self.successResultOf(self.look(*rules)), ["sip:a@b.example"])

    def test_rulesOfAnotherName(self) -> None:
        """
        A rule can lead to the rules of another name, which are applied to the same number.
        """
        more: dict[tuple[str, str], Entry] = {
            ("a.example", "NAPTR"): '1 1 "u" "E2U+sip" "!^.*(....)$!sip:\\\\1@b.example!" .'
        }
        self.assertEqual(self.successResultOf(self.look('1 1 "" "" "" a.example.', more=more)), ["sip:0148@b.example"])
        found = self.look(r'1 1 "" "E2U+sip" "!^.*$!a.example.!" .', more=more)
        self.assertEqual(self.successResultOf(found), ["sip:0148@b.example"])

    def test_brokenRulesAreSkipped(self) -> None:
        """
        Rules that are malformed, too costly, or give no URI are skipped. It is an error if there are no others.
        """
        good = '1 9 "u" "E2U+sip" "!^.*$!sip:a@b.example!" .'
        for bad in ("!(!x!", "!^.*$!no uri!", "!" + "(a?){99}" * 9 + "b!sip:x!", "!.*!!"):
            rule = f'1 1 "u" "E2U+sip" "{bad}" .'
            self.assertEqual(self.successResultOf(self.look(rule, good)), ["sip:a@b.example"], bad)
            self.failed(self.look(rule), DNSServerError)
        self.failed(services.numberURIs("44", resolver=self.zone({})), ValueError)

    def test_matchingCostIsBounded(self) -> None:
        """
        A thousand costly rules share one budget: a rule before them is found and one after them is not.
        """
        costly = [f'1 {number} "u" "E2U+sip" "!^(.?.?.?.?){{99}}x$!sip:{number}!" .' for number in range(2, 1000)]
        good = '1 %d "u" "E2U+sip" "!^.*$!sip:a@b.example!" .'
        self.assertEqual(self.successResultOf(self.look(good % 1, *costly)), ["sip:a@b.example"])
        self.failed(self.look(*costly, good % 2000), DNSServerError)

    def test_ownerIsTheDefaultText(self) -> None:
        """
        The rules are applied to the owner name unless a text is given.
        """
        rule = r'1 1 "u" "LoST:https" "!^(.*)$!https://\\1/lost!" .'
        resolver = self.zone({("example.org", "NAPTR"): rule})
        for text, uri in ((None, "https://example.org/lost"), ("x", "https://x/lost")):
            found = services.rewrittenURIs("example.org", "LoST:https", text, resolver=resolver)
            self.assertEqual(self.successResultOf(found), [uri])


class HastenedTests(SynchronousTestCase):
    """
    Tests of L{hastened} with a delay of half a second for the records once there is an address.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.canceled: list[str] = []
        self.records: Deferred[str] = self.pending("records")
        self.families = [self.pendingAddresses("six"), self.pendingAddresses("four")]
        self.result = hastened(self.records, self.addresses, self.clock, 0.5)

    def pending(self, label: str) -> Deferred[str]:
        """
        Return a look-up that records its cancellation.
        """
        return Deferred(lambda _: self.canceled.append(label))

    def pendingAddresses(self, label: str) -> Deferred[list[str]]:
        """
        Return a look-up of addresses that records its cancellation.
        """
        return Deferred(lambda _: self.canceled.append(label))

    def addresses(self) -> Iterator[Deferred[list[str]]]:
        """
        Start the look-ups of both families.
        """
        yield from self.families

    def assertCanceled(self, *canceled: str) -> None:
        """
        Check that exactly these look-ups were canceled and no timer is left.
        """
        self.assertEqual(self.canceled, list(canceled))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_immediateRecordsNeedNoAddresses(self) -> None:
        """
        Addresses are not looked up if the records, or their failure, are known at once.
        """

        def asked() -> list[Deferred[list[str]]]:
            raise AssertionError("asked")

        self.assertEqual(self.successResultOf(hastened(succeed(1), asked, self.clock, 0.5)), 1)
        self.failureResultOf(hastened(fail(KeyError()), asked, self.clock, 0.5), KeyError)

    def test_timelyRecordsAreUsed(self) -> None:
        """
        Records that arrive within the delay after the first address are used.
        """
        self.families[1].callback(["192.0.2.1"])
        self.clock.advance(0.4)
        self.records.callback("records")
        self.assertEqual(self.successResultOf(self.result), "records")
        self.assertCanceled("six")

    def test_lateRecordsAreGivenUp(self) -> None:
        """
        Records that do not arrive within the delay are given up.
        """
        self.clock.advance(1)
        self.families[0].callback(["2001:db8::1"])
        self.clock.advance(0.3)
        self.families[1].callback(["192.0.2.1"])
        self.assertNoResult(self.result)
        self.clock.advance(0.2)
        self.assertIsNone(self.successResultOf(self.result))
        self.assertCanceled("records")

    def test_recordsAreAwaitedWithoutAddress(self) -> None:
        """
        The records are waited for as long as there is no address.
        """
        self.families[0].callback([])
        self.families[1].errback(KeyError())
        self.clock.advance(100)
        self.assertNoResult(self.result)
        self.records.callback("records")
        self.assertEqual(self.successResultOf(self.result), "records")
        self.assertCanceled()

    def test_failureFiresAtOnce(self) -> None:
        """
        A failed look-up of the records is reported at once.
        """
        self.records.errback(KeyError())
        self.failureResultOf(self.result, KeyError)
        self.assertCanceled("six", "four")

    def test_addressLookupsOutliveTheCallback(self) -> None:
        """
        The address look-ups are canceled after the callbacks have run, so that a callback can join them.
        """
        seen: list[int] = []
        self.result.addCallback(lambda _: seen.append(len(self.canceled)))
        self.records.callback("records")
        self.assertEqual(seen, [0])
        self.assertCanceled("six", "four")

    def test_cancelEndsAllLookups(self) -> None:
        """
        Canceling ends all look-ups, before and after the first address.
        """
        for addresses, canceled in ((False, ["records", "six", "four"]), (True, ["records", "four"])):
            self.setUp()
            if addresses:
                self.families[0].callback(["2001:db8::1"])
            self.result.cancel()
            self.failureResultOf(self.result, CancelledError)
            self.assertCanceled(*canceled)


class BindingTests(ServiceTestCase):
    """
    Tests of L{bindingTargets<services.bindingTargets>} with records that do not arrive.
    """

    def test_unansweredRecordsDoNotDelay(self) -> None:
        """
        Records whose queries are dropped are not waited for once the host, or the end of its aliases, has an address.
        """
        clock = Clock()
        source = HeldSource()
        resolver = NamesResolver(source, clock)
        looking = services.bindingTargets("https", "example.org", resolver=resolver)
        self.assertEqual([question.rrType for question in source.held], [65, 28, 1])
        source.release(answerOf(questionOf("example.org"), "192.0.2.1"), questionOf("example.org"))
        clock.advance(0.1)
        source.release(answerOf(questionOf("example.org", "HTTPS"), "0 cdn.example."), questionOf("example.org", "HTTPS"))
        self.assertEqual(source.held, [questionOf("cdn.example", "HTTPS"), questionOf("cdn.example", "AAAA"), questionOf("cdn.example")])
        clock.advance(1)
        self.assertNoResult(looking)
        source.release(answerOf(questionOf("cdn.example", "AAAA"), "2001:db8::1"), questionOf("cdn.example", "AAAA"))
        clock.advance(0.25)
        self.assertEqual(self.found(looking), ["cdn.example:443", "example.org:443"])
        self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))

    def test_recordDelayCanBeSet(self) -> None:
        """
        C{recordDelay} sets the delay. Without C{fallback} the records are waited for.
        """
        for delay, fallback, seconds in ((0.5, True, 0.5), (0, True, 0.0), (600, True, None), (0, False, None)):
            clock = Clock()
            source = HeldSource()
            resolver = NamesResolver(source, clock)
            looking = services.bindingTargets("https", "a", recordDelay=delay, fallback=fallback, resolver=resolver)
            source.release(answerOf(questionOf("a"), "192.0.2.1"), questionOf("a"))
            clock.advance(0 if seconds is None else seconds)
            if seconds is None:
                clock.advance(100)
                self.assertNoResult(looking)
                source.release(answerOf(questionOf("a", "HTTPS"), "1 b.example."), questionOf("a", "HTTPS"))
            self.assertEqual(self.found(looking)[0], "b.example:443" if seconds is None else "a:443")
            self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))

    def test_cancelEndsAddressLookups(self) -> None:
        """
        Canceling ends the address look-ups as well.
        """
        source = HeldSource()
        looking = services.bindingTargets("https", "a", resolver=NamesResolver(source, Clock()))
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(len(source.cancelled), 3)

    def test_canceledConnectionEndsLookups(self) -> None:
        """
        Canceling a connection ends all look-ups, before and after the first address.
        """
        for known in (False, True):
            clock = Clock()
            source = HeldSource()
            found = HTTPSEndpoint(clock, "a.example", resolver=NamesResolver(source, clock)).connect(Factory())
            self.assertEqual(len(source.held), 3)
            if known:
                source.release(answerOf(questionOf("a.example"), "192.0.2.1"), questionOf("a.example"))
                clock.advance(0.1)
            found.cancel()
            self.failureResultOf(found, ConnectingCancelledError)
            self.assertEqual((source.held, clock.getDelayedCalls()), ([], []))
