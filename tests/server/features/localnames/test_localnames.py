"""
Tests of L{twisted_ext.server.localnames}, on a memory network.
"""

from __future__ import annotations

from pathlib import Path

from tests.networks import textsOf
from tests.server.sources.test_recursor import RecursingCase
from tests.server.sources.test_sources import StackCase
from tests.server.stacks import featuresOf, reloadStack
from tests.server.test_service import US, ServiceCase
from twisted_ext.answers import Answer, Outcome, Security
from twisted_ext.errors import BadDescription
from twisted_ext.resolver.ask import behind
from twisted_ext.resolver.local.localdomains import LocalDomains, PlainNames
from twisted_ext.resolver.local.localrecords import LocalReverse
from twisted_ext.resolver.local.othertypes import OtherTypes
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.sources.sources import ForwardStack
from twisted_ext.testing.servers import CannedServer
from twisted_ext.testing.sources import questionOf
from twisted_ext.transport.servers import Server
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD, Rcode
from twisted_ext.wire.message import Message

RECORDS = {
    ("www.test.example", "A"): "192.0.2.80",
    ("nope.lan", "A"): "192.0.2.99",
    ("printer", "A"): "192.0.2.99",
    ("www.far.lan", "A"): "192.0.2.98",
}


class LocalNamesTests(StackCase):
    """
    Tests for L{LocalNames} in a L{ForwardStack}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.canned: CannedServer
        self.server: Server
        self.canned, self.server = self.serve("192.0.2.53", RECORDS)

    def local(self, **values: object) -> ForwardStack:
        """
        Build a stack with the usual upstream.
        """
        return self.stack(None, upstream=self.server.label, **values)

    def answer(self, stack: ForwardStack, name: str, rrType: str = "A") -> Answer:
        """
        Look up a name.
        """
        asked = self.ask(stack, name, rrType)
        self.network.advance(6)
        return self.successResultOf(asked)

    def test_localDomainIsNotForwarded(self) -> None:
        """
        Names of a local domain come from local records and the hosts file, and no other one is asked of the upstream.
        """
        hosts = self.file("192.0.2.11 nas.lan\n")
        stack = self.local(localDomain=["lan"], hostsFile=hosts, local=["router.lan A 192.0.2.1"])
        self.assertEqual((self.find(stack, "router.lan"), self.find(stack, "nas.lan")), (["192.0.2.1"], ["192.0.2.11"]))
        self.assertIs(self.answer(stack, "nope.lan").outcome, Outcome.NXDOMAIN)
        self.assertIs(self.answer(stack, "nas.lan", "TXT").outcome, Outcome.NODATA)
        self.assertEqual(self.canned.asked, [])
        self.assertEqual(self.find(self.local(), "nope.lan"), ["192.0.2.99"])

    def test_aliasIntoLocalDomainIsNotForwarded(self) -> None:
        """
        A local alias for a name of a local domain that does not exist ends there.
        """
        stack = self.local(localDomain=["lan"], local=["alias.example CNAME nope.lan"])
        answer = self.answer(stack, "alias.example")
        self.assertIs(answer.outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.canned.asked, [])

    def test_routeBelowLocalDomain(self) -> None:
        """
        A domain below a local one may have an upstream; a route for the domain itself is an error.
        """
        _, other = self.serve("192.0.2.54", RECORDS)
        stack = self.local(localDomain=["lan"], route={"far.lan": f"udp:{other.label}"})
        self.assertEqual(self.find(stack, "www.far.lan"), ["192.0.2.98"])
        error = self.assertRaises(BadDescription, self.local, localDomain=["LAN"], route={"lan": f"udp:{other.label}"})
        self.assertIn("local-domain lan. has an upstream as well", str(error))

    def test_plainNamesAreNotForwarded(self) -> None:
        """
        With domain-needed, hosts of one label that are not known here do not exist, and the upstream is not asked about them.
        """
        self.assertEqual(self.find(self.local(), "printer"), ["192.0.2.99"])
        self.canned.asked.clear()
        stack = self.local(domainNeeded=True, local=["router A 192.0.2.1"])
        self.assertIs(self.answer(stack, "printer").outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.find(stack, "router"), ["192.0.2.1"])
        # Without a hosts file, so that it is the special name.
        self.assertEqual(self.find(stack, "localhost"), ["127.0.0.1"])
        self.assertEqual(self.canned.asked, [])
        self.assertEqual(self.find(stack), ["192.0.2.80"])

    def test_hostsFileComesBeforeWildcards(self) -> None:
        """
        A wildcard among the local records does not match names of the hosts file; a record of the name itself comes before the file.
        """
        hosts = self.file("192.0.2.11 foo.dev.lan\n192.0.2.12 own.dev.lan\n")
        local = ["dev.lan A 192.0.2.1", "*.dev.lan A 192.0.2.1", "own.dev.lan A 192.0.2.2", "alias.lan CNAME foo.dev.lan"]
        stack = self.local(hostsFile=hosts, local=local)
        for name, address in (
            ("dev.lan", "192.0.2.1"),
            ("x.dev.lan", "192.0.2.1"),
            ("a.b.dev.lan", "192.0.2.1"),
            ("foo.dev.lan", "192.0.2.11"),
            ("a.foo.dev.lan", "192.0.2.1"),
            ("own.dev.lan", "192.0.2.2"),
        ):
            self.assertEqual(self.find(stack, name), [address], name)
        self.assertEqual(self.find(stack, "alias.lan"), ["foo.dev.lan.", "192.0.2.11"])

    def test_wildcardsEndWhereMoreIsSaid(self) -> None:
        """
        A wildcard does not match names in a domain below it that is local or has an upstream; one in such a domain does.
        """
        other, server = self.serve("192.0.2.54", {("a.sub.dev.lan", "A"): "192.0.2.90", ("sub.dev.lan", "A"): "192.0.2.91"})
        local = ["*.dev.lan A 192.0.2.1", "*.sub.only.dev.lan A 192.0.2.2"]
        stack = self.local(local=local, localDomain=["only.dev.lan"], route={"sub.dev.lan": f"udp:{server.label}"}, hostsFile=[""])
        for name, addresses in (
            ("x.dev.lan", ["192.0.2.1"]),
            ("sub.dev.lan", ["192.0.2.91"]),
            ("a.SUB.dev.lan", ["192.0.2.90"]),
            ("only.dev.lan", []),
            ("a.only.dev.lan", []),
            ("a.sub.only.dev.lan", ["192.0.2.2"]),
        ):
            self.assertEqual(textsOf(self.answer(stack, name)), addresses, name)
        self.assertEqual(len(other.asked), 2)

    def test_severalHostsFiles(self) -> None:
        """
        Several hosts files are read, and none of them with an empty name.
        """
        files = [self.file("192.0.2.11 one.lan\n"), self.file("192.0.2.12 two.lan\n")]
        stack = self.local(hostsFile=files)
        self.assertEqual((self.find(stack, "one.lan"), self.find(stack, "two.lan")), (["192.0.2.11"], ["192.0.2.12"]))
        self.assertIn(f"hosts: {files[0]}, {files[1]}", stack.path())
        self.assertFalse([line for line in self.local(hostsFile="").path() if line.startswith("hosts")])

    def test_localTTL(self) -> None:
        """
        The TTL of local records without their own, of hosts files and of denials is a setting.
        """
        local = ["router.lan A 192.0.2.1", "own.lan 7 A 192.0.2.1"]
        hosts = self.file("192.0.2.11 nas.lan\n")
        stack = self.local(localTtl=90, local=local, hostsFile=hosts, localFile=self.file("file.lan A 192.0.2.1\n"), localDomain=["lan"])
        for name, ttl in (("router.lan", 90), ("own.lan", 7), ("nas.lan", 90), ("file.lan", 90)):
            self.assertEqual(self.answer(stack, name).answer[0].ttl, ttl, name)
        self.assertEqual(self.answer(stack, "nope.lan").authority[0].ttl, 90)

    def test_addressesHaveTheNamesOfRecords(self) -> None:
        """
        The name of an address is that of a local PTR record, else that in the hosts file, else that of a local address record.
        """
        hosts = self.file("192.168.1.1 nas.lan\n192.168.1.2 box.lan\n")
        local = [f"local{number}.lan A 192.168.1.{number}" for number in (1, 2, 3)] + ["2.1.168.192.in-addr.arpa PTR own.lan"]
        stack = self.local(local=local, hostsFile=hosts)
        found = [self.find(stack, f"{number}.1.168.192.in-addr.arpa", "PTR") for number in (1, 2, 3)]
        self.assertEqual(found, [["nas.lan."], ["own.lan."], ["local3.lan."]])
        self.assertEqual(self.canned.asked, [])
        self.assertEqual(list(behind(self.local(local=local, localReverse=False), LocalReverse)), [])
        self.assertEqual(list(behind(self.local(local=["*.lan A 192.0.2.1", "lan TXT x"]), LocalReverse)), [])

    def test_localReverseZone(self) -> None:
        """
        A reverse zone may be a local domain: addresses without a name have none, and other types are NODATA for those with one.
        """
        hosts = self.file("192.168.1.2 box.lan\n")
        stack = self.local(local=["nas.lan A 192.168.1.1"], hostsFile=hosts, localDomain=["168.192.in-addr.arpa"])
        self.assertEqual(self.find(stack, "1.1.168.192.in-addr.arpa", "PTR"), ["nas.lan."])
        for name in ("1.1.168.192.in-addr.arpa", "2.1.168.192.in-addr.arpa", "1.168.192.in-addr.arpa"):
            self.assertIs(self.answer(stack, name, "TXT").outcome, Outcome.NODATA, name)
        self.assertIs(self.answer(stack, "9.1.168.192.in-addr.arpa", "PTR").outcome, Outcome.NXDOMAIN)

    def test_expandHosts(self) -> None:
        """
        Names of one label in hosts files have the domain as well.
        """
        stack = self.local(hostsFile=self.file("192.0.2.11 nas\n"), expandHosts="lan", localDomain=["lan"])
        self.assertEqual((self.find(stack, "nas"), self.find(stack, "nas.lan")), (["192.0.2.11"], ["192.0.2.11"]))
        self.assertIs(self.answer(stack, "nas.lan", "TXT").outcome, Outcome.NODATA)
        self.assertIn("names of one label also below lan.", "\n".join(stack.path()))

    def test_otherTypes(self) -> None:
        """
        Names with local records and in hosts files have no data of other types; with forward-other-types, the upstream is asked for them.
        """
        for name in ("own.example", "x.wild.example", "listed.example"):
            self.canned.set(name, "AAAA", "2001:db8::1")
        given: dict[str, object] = {
            "local": ["own.example A 192.0.2.1", "*.wild.example A 192.0.2.2", "alias.example CNAME listed.example"],
            "hostsFile": self.file("192.0.2.3 listed.example\n"),
        }
        stack = self.local(**given)
        for name in ("own.example", "x.wild.example", "listed.example", "alias.example"):
            self.assertEqual([text for text in self.find(stack, name, "AAAA") if ":" in text], [], name)
        self.assertEqual(self.canned.asked, [])
        self.assertEqual(list(behind(stack, OtherTypes)), [])
        stack = self.local(forwardOtherTypes=True, **given)
        for name, address in (("own.example", "192.0.2.1"), ("x.wild.example", "192.0.2.2"), ("listed.example", "192.0.2.3")):
            self.assertEqual(self.find(stack, name), [address])
            self.assertEqual(self.find(stack, name, "AAAA"), ["2001:db8::1"], name)
        self.assertEqual(self.find(stack, "alias.example", "AAAA"), ["listed.example.", "2001:db8::1"])
        self.assertIn("forward-other-types: ", "\n".join(stack.path()))

    def test_wildcardsHaveTheOtherTypesOfListedNames(self) -> None:
        """
        With forward-other-types, a wildcard gives a name of the hosts file the addresses of the family that the file has none of.
        """
        hosts = self.file("192.0.2.11 foo.dev.lan\n")
        local = ["*.dev.lan A 192.0.2.1", "*.dev.lan AAAA 2001:db8::1", "*.dev.lan TXT here"]
        stack = self.local(hostsFile=hosts, local=local, forwardOtherTypes=True)
        self.assertEqual(self.find(stack, "foo.dev.lan"), ["192.0.2.11"])
        self.assertEqual(self.find(stack, "foo.dev.lan", "AAAA"), ["2001:db8::1"])
        self.assertEqual(self.find(stack, "foo.dev.lan", "TXT"), ['"here"'])
        self.assertEqual(self.find(stack, "x.dev.lan"), ["192.0.2.1"])
        stack = self.local(hostsFile=hosts, local=local)
        self.assertEqual(self.find(stack, "foo.dev.lan", "AAAA"), [])

    def test_localNamesExistForOtherTypes(self) -> None:
        """
        Where the upstream denies a name that has local data of another type, the name has no data of that type: clients that are told that
        it does not exist need not use its address. Names without local data remain denied.
        """
        hosts = self.file("192.0.2.3 listed.example\n192.0.2.4 box\n192.0.2.5 a.b.empty.example\n")
        local = ["own.example A 192.0.2.1", "*.wild.example A 192.0.2.2", "a.nothing.example A 192.0.2.6"]
        local += ["alias.example CNAME listed.example", "gone.example CNAME no.example"]
        stack = self.local(forwardOtherTypes=True, domainNeeded=True, local=local, hostsFile=hosts, localDomain=["wild.example"])
        for _ in range(2):
            # Below nothing.example is a name, so a client must not take it that there is none.
            for name in ("own.example", "x.wild.example", "listed.example", "alias.example", "box", "nothing.example", "empty.example"):
                answer = self.answer(stack, name, "AAAA")
                self.assertEqual((answer.outcome, answer.rcode), (Outcome.NODATA, Rcode.NOERROR), name)
            for name in ("other.example", "gone.example", "printer"):
                self.assertEqual(self.answer(stack, name, "AAAA").rcode, Rcode.NXDOMAIN, name)

    def test_otherTypesStayInLocalDomains(self) -> None:
        """
        No upstream is asked for other types of names in local domains.
        """
        hosts = self.file("192.0.2.11 nas.lan\n")
        stack = self.local(forwardOtherTypes=True, localDomain=["lan"], hostsFile=hosts, local=["router.lan A 192.0.2.1"])
        for name in ("router.lan", "nas.lan"):
            self.assertIs(self.answer(stack, name, "AAAA").outcome, Outcome.NODATA)
        self.assertEqual(self.canned.asked, [])

    def test_otherTypesFollowTheHostsFile(self) -> None:
        """
        A reload turns the setting on and off, for names of hosts files as well.
        """
        self.canned.set("listed.example", "AAAA", "2001:db8::1")
        hosts = self.file("192.0.2.3 listed.example\n")
        stack = self.local(hostsFile=hosts)
        for forward in (False, True, False):
            reloadStack(stack, Settings.of(hostsFile=hosts, upstream=self.server.label, forwardOtherTypes=forward))
            self.assertEqual(self.find(stack, "listed.example", "AAAA"), ["2001:db8::1"] if forward else [])

    def test_TTLsAreBounded(self) -> None:
        """
        TTLs of upstream answers are within the bounds, from the first reply on, and cached for so long.
        """
        for bounds, ttl in (({}, 300), ({"minTtl": 600}, 600), ({"maxTtl": 60}, 60), ({"minTtl": 300, "maxTtl": 300}, 300)):
            stack = self.local(stale=0, **bounds)
            self.assertEqual(self.answer(stack, "www.test.example").answer[0].ttl, ttl)
            asked = len(self.canned.asked)
            self.network.advance(ttl - 10)
            self.assertLess(self.answer(stack, "www.test.example").answer[0].ttl, 10)
            self.assertEqual(len(self.canned.asked), asked)
            self.network.advance(10)
            self.answer(stack, "www.test.example")
            self.assertEqual(len(self.canned.asked), asked + 1)

    def test_boundsOfTTLsAreChecked(self) -> None:
        """
        A minimum above the maximum is an error, also at a reload, which changes nothing then.
        """
        error = self.assertRaises(BadDescription, self.local, minTtl=60, maxTtl=30)
        self.assertIn("min-ttl is 60, which is more than max-ttl, 30", str(error))
        stack = self.local(maxTtl=30)
        wrong = Settings.of(hostsFile="", upstream=self.server.label, minTtl=60, maxTtl=30)
        self.assertRaises(BadDescription, reloadStack, stack, wrong)
        self.assertEqual(self.answer(stack, "www.test.example").answer[0].ttl, 30)

    def test_reloadedBoundsApplyToCachedAnswers(self) -> None:
        """
        New bounds apply at once: answers that were cached with others are asked again.
        """
        stack = self.local()
        self.assertEqual(self.answer(stack, "www.test.example").answer[0].ttl, 300)
        reloadStack(stack, Settings.of(hostsFile="", upstream=self.server.label, maxTtl=30))
        self.assertEqual(self.answer(stack, "www.test.example").answer[0].ttl, 30)
        self.assertIn(", max-ttl 30 s", "\n".join(stack.path()))

    def test_denialsAreBounded(self) -> None:
        """
        The bound for denials is that of the cache, also after a reload.
        """
        stack = self.local(maxNegativeTtl=7)
        self.assertEqual(stack.caching.store.lifetimes.mostDenial, 7)
        reloadStack(stack, Settings.of(hostsFile="", upstream=self.server.label, maxNegativeTtl=0))
        self.assertEqual(stack.caching.store.lifetimes.mostDenial, 0)

    def test_prefetchFollowsTheBounds(self) -> None:
        """
        A popular answer is fetched again shortly before its bounded TTL ends, not before its own does.
        """
        for bounds, ttl in (({"maxTtl": 100}, 100), ({"minTtl": 1000}, 1000)):
            stack = self.local(**bounds)
            self.find(stack)
            before = len(self.canned.asked)
            for _ in range(5):
                self.find(stack)
            self.network.advance(ttl * 9 // 10 - 50)
            self.find(stack)
            self.assertEqual(len(self.canned.asked), before)
            self.network.advance(10)
            self.find(stack)
            self.assertEqual(len(self.canned.asked), before + 1)

    def test_staleAnswersAreBounded(self) -> None:
        """
        A stale answer has a TTL within the bound as well.
        """
        stack = self.local(maxTtl=10)
        self.find(stack)
        self.canned.silent = True
        self.network.advance(60)
        self.assertEqual(self.answer(stack, "www.test.example").answer[0].ttl, 10)

    def test_reload(self) -> None:
        """
        A reload applies these settings, and answers given before are no longer repeated.
        """
        stack = self.local()
        self.assertEqual(self.find(stack, "nope.lan"), ["192.0.2.99"])
        reloadStack(stack, Settings.of(hostsFile="", upstream=self.server.label, localDomain=["lan"], domainNeeded=True))
        self.assertIs(self.answer(stack, "nope.lan").outcome, Outcome.NXDOMAIN)
        self.assertIs(self.answer(stack, "printer").outcome, Outcome.NXDOMAIN)
        self.assertEqual(self.changes, 1)
        self.assertIn("local-domain: lan. only known here, never forwarded", stack.path())
        self.assertIn("domain-needed: names of one label are not forwarded", stack.path())

    def test_changedHostsFileVoidsCopies(self) -> None:
        """
        A changed hosts file is noticed although the packet cache answers meanwhile.
        """
        path = self.file("192.0.2.11 www.lan\n")
        stack = self.stack(recursive=False, hostsFile=path)
        self.assertEqual(self.find(stack, "www.lan"), ["192.0.2.11"])
        featuresOf(stack).look()
        self.assertEqual(self.changes, 0)
        Path(path).write_text("192.0.2.12 www.lan # another one\n")
        featuresOf(stack).look()
        self.assertEqual(self.changes, 1)
        self.assertEqual(self.find(stack, "www.lan"), ["192.0.2.12"])

    def test_queryReadingHostsFileVoidsCopies(self) -> None:
        """
        A change of the hosts file voids the packet cache also if a query has read the file first.
        """
        path = self.file("192.0.2.11 www.lan\n")
        stack = self.stack(recursive=False, hostsFile=path)
        featuresOf(stack).look()
        Path(path).write_text("192.0.2.12 www.lan # another one\n")
        self.network.advance(2)
        self.assertEqual(self.find(stack, "www.lan"), ["192.0.2.12"])
        self.assertEqual(self.changes, 0)
        featuresOf(stack).look()
        self.assertEqual(self.changes, 1)

    def test_unusedSettingsCostNothing(self) -> None:
        """
        Without these settings, no source is consulted for them.
        """
        stack = self.local()
        for kind in (LocalDomains, PlainNames):
            self.assertEqual(list(behind(stack, kind)), [])


class ValidatedLocalNamesTests(RecursingCase):
    """
    Tests for local names of a server that resolves from the root and validates.
    """

    def test_localDomainsAreNotBogus(self) -> None:
        """
        Names of a local domain are answered although the root proves that it does not exist, and those of a domain below a signed one
        although they are not signed; neither is said to be secure.
        """
        stack = self.stack(localDomain=["lan", "office.good.example"], local=["nas.lan A 192.0.2.1", "pc.office.good.example A 192.0.2.2"])
        for name, outcome in (
            ("nas.lan", Outcome.DATA),
            ("nope.lan", Outcome.NXDOMAIN),
            ("pc.office.good.example", Outcome.DATA),
            ("nope.office.good.example", Outcome.NXDOMAIN),
        ):
            answer = self.look(stack, name)
            self.assertEqual((answer.outcome, answer.security), (outcome, Security.INDETERMINATE), name)
        self.assertIs(self.look(stack, "www.good.example").security, Security.SECURE)

    def test_parentProvesThatLocalDomainIsNotSigned(self) -> None:
        """
        The DS record of a local domain is looked up in its parent, whose proof lets clients that validate know that it has none.
        """
        answer = self.look(self.stack(localDomain=["office.good.example"]), "office.good.example", "DS")
        self.assertIs(answer.security, Security.SECURE)

    def test_signedAnswersKeepTheirTTLs(self) -> None:
        """
        The minimum does not apply to signed records, whose TTL their zone has signed, but the maximum does.
        """
        self.assertEqual(self.look(self.stack(minTtl=3600), "www.plain.example").answer[0].ttl, 3600)
        self.assertEqual(self.look(self.stack(minTtl=3600), "www.good.example").answer[0].ttl, 300)
        self.assertEqual(self.look(self.stack(maxTtl=7), "www.good.example").answer[0].ttl, 7)


class PacketCacheTests(ServiceCase):
    """
    Tests for replies with local names in the packet cache.
    """

    def test_repliesAreInThePacketCache(self) -> None:
        """
        Denials of a local domain and filtered answers are repeated from the packet cache, until a reload ends them.
        """
        self.upstream.set("six.test.example", "AAAA", "2001:db8::1")
        service = self.run_(localDomain=["lan"], filterAaaa=True)
        for name, rrType, rcode in (("nope.lan", "A", 3), ("six.test.example", "AAAA", 0)):
            before = service.counters.hits
            # The same query each time.
            got = [self.again(name, rrType) for _ in range(5)]
            self.assertEqual([(message.rcode, message.answer) for message in got], [(rcode, ())] * 5)
            self.assertGreater(service.counters.hits, before)
        self.assertEqual(len(self.upstream.asked), 1)
        self.wanted = self.settings()
        reloading = service.reload()
        self.network.advance(1)
        self.successResultOf(reloading)
        self.assertEqual(len(self.again("six.test.example", "AAAA").answer), 1)

    def again(self, name: str, rrType: str) -> Message:
        """
        Ask, a few hundredths of a second after the last query.
        """
        self.count += 1
        query = self.count.to_bytes(2, "big") + buildQuery(RD, questionOf(name, rrType).toWire(), b"")
        transport = self.client.transport
        assert transport is not None
        transport.write(query, (US, 53))
        self.network.advance(0.1)
        return Message.fromWire(self.client.got[-1])
