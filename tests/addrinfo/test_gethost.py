"""
Tests of L{twisted_ext.addrinfo.gethost}.
"""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.names import dns, error

from tests.compat.fakes import data, denied, nodata, question, rrset
from tests.compat.test_names import NamesTestCase
from tests.typed import unchecked
from twisted_ext.addrinfo.gethost import REACTORS_TIMEOUT
from twisted_ext.answers import Outcome
from twisted_ext.compat.conversion.errors import DNSNameError, DNSServerError, DomainError, LookupFailed, NoAddressError
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import ServerFailed
from twisted_ext.resolver.forward.forwarder import ForwardingSource
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer


class HostByNameTests(NamesTestCase):
    """
    Tests of C{getHostByName}.
    """

    def asked(self) -> list[int]:
        """
        Return the types that were queried.
        """
        return [question.rrType for question in self.source.asked]

    def test_ipv4ThenIPv6(self) -> None:
        """
        The result is IPv4 if there is any, and IPv6 otherwise, without a query for ANY.
        """
        self.source.addresses("both.example.", "192.0.2.1", "2001:db8::1")
        self.source.addresses("six.example.", "2001:db8::1")
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("both.example")), "192.0.2.1")
        self.assertEqual(self.asked(), [dns.A])
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("six.example")), "2001:db8::1")
        self.assertEqual(self.asked(), [dns.A, dns.A, dns.AAAA])

    def test_immediateAnswers(self) -> None:
        """
        Immediate answers fire at once, with the same results.
        """
        self.source.now = True
        self.source.addresses("both.example.", "192.0.2.1", "2001:db8::1")
        self.source.addresses("six.example.", "2001:db8::1")
        self.source.knows("no.example.", "A", denied())
        self.source.knows("bad.example.", "A", ServerFailed("no", rcode=2))
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("both.example")), "192.0.2.1")
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("six.example")), "2001:db8::1")
        self.failureResultOf(self.resolver.getHostByName("no.example"), DNSNameError)
        self.failureResultOf(self.resolver.getHostByName("bad.example"), DNSServerError)

    def test_literalIsReturnedUnchanged(self) -> None:
        """
        An address literal is returned unchanged, with its scope, without a query.
        """
        for literal in ("192.0.2.1", "2001:DB8::1", "::ffff:192.0.2.1", "fe80::1%eth0"):
            self.assertEqual(self.successResultOf(self.resolver.getHostByName(literal)), literal)
            self.assertEqual(self.successResultOf(self.resolver.getHostByName(literal.encode())), literal)
        self.assertEqual(self.source.asked, [])

    def test_invalidLiteralIsAName(self) -> None:
        """
        Text that only resembles an address is looked up as a name.
        """
        for name in ("192.0.2.256", "08.1", "1.2.3.4.5", "4294967296"):
            self.failureResultOf(self.resolver.getHostByName(name), DomainError)
        self.assertEqual(len(self.source.asked), 4)

    def test_inetAtonSpellings(self) -> None:
        """
        The forms that inet_aton(3) accepts are addresses, as for the reactor's own resolver.
        """
        for name, address in (("192.0.2", "192.0.0.2"), ("127.1", "127.0.0.1"), ("0x7f.1", "127.0.0.1"), ("0", "0.0.0.0")):
            self.assertEqual(self.successResultOf(self.resolver.getHostByName(name)), address)
            self.assertEqual(self.successResultOf(self.resolver.getHostByName(name.encode())), address)
        self.assertEqual(self.source.asked, [])

    def test_noAddressAndNoNameDiffer(self) -> None:
        """
        A name without addresses and a name that does not exist are different DNSLookupErrors.
        """
        self.source.addresses("none.example.")
        self.failureResultOf(self.resolver.getHostByName("none.example"), NoAddressError)
        self.source.knows("no.example.", "A", denied())
        self.failureResultOf(self.resolver.getHostByName("no.example"), error.DNSNameError)
        self.assertEqual(self.asked()[-1], dns.A)

    def test_noAddressErrorHasTheAnswer(self) -> None:
        """
        The error for a name without addresses has the server and its answer.
        """
        network = MemoryNetwork()
        here = network.reactor()
        where = CannedServer({("none.example", "TXT"): '"x"'}).listen(network.reactor("192.0.2.53"))
        resolver = NamesResolver(ForwardingSource(here, [where]), here)
        looking = resolver.getHostByName("none.example")
        network.advance(1)
        raised = self.failureResultOf(looking, NoAddressError).value
        self.assertEqual((raised.server, raised.attempts, raised.rcode), ("192.0.2.53:53", 1, 0))
        assert raised.answer is not None
        self.assertEqual(raised.answer.outcome, Outcome.NODATA)

    def test_failureHasNoIPv6Fallback(self) -> None:
        """
        A failed look-up is raised, and IPv6 does not replace an IPv4 address that may exist.
        """
        self.source.addresses("a.example.", "2001:db8::1")
        self.source.knows("a.example.", "A", ServerFailed("no", rcode=2))
        self.failureResultOf(self.resolver.getHostByName("a.example"), DNSServerError)

    def test_addressAtTheEndOfAliases(self) -> None:
        """
        The address at the end of the aliases counts, and not one of another owner.
        """
        self.source.knows(
            "a.example.",
            "A",
            data(
                rrset("A.example.", "CNAME", "B.example."),
                rrset("x.example.", "A", "192.0.2.66"),
                rrset("b.example.", "CNAME", "c.example."),
                rrset("C.example.", "A", "192.0.2.1"),
            ),
        )
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("a.example")), "192.0.2.1")

    def test_aliasTargetIsLookedUp(self) -> None:
        """
        The target of an alias is looked up if the server does not follow it, as often as C{effort} allows.
        """
        for number in range(5):
            name = f"h{number}.example."
            self.source.knows(name, "A", nodata(rrset(name, "CNAME", f"h{number + 1}.example."), soa=False))
        self.source.addresses("h5.example.", "192.0.2.1")
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("h0.example")), "192.0.2.1")
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("h0.example", effort=5)), "192.0.2.1")
        self.failureResultOf(self.resolver.getHostByName("h0.example", effort=4), NoAddressError)

    def test_aliasLoopIsAnError(self) -> None:
        """
        An alias loop is an error without further queries.
        """
        self.source.knows("a.example.", "A", nodata(rrset("a.example.", "CNAME", "b.example."), soa=False))
        self.source.knows("b.example.", "A", nodata(rrset("b.example.", "CNAME", "a.example."), soa=False))
        self.failureResultOf(self.resolver.getHostByName("a.example", effort=1000), NoAddressError)
        self.assertEqual(len(self.source.asked), 2)
        self.source.knows(
            "c.example.",
            "A",
            data(rrset("c.example.", "CNAME", "d.example."), rrset("d.example.", "CNAME", "c.example.")),
        )
        self.failureResultOf(self.resolver.getHostByName("c.example"), DomainError)

    def test_ipv6BehindAlias(self) -> None:
        """
        An alias whose target has no IPv4 address leads to IPv6.
        """
        self.source.knows("a.example.", "A", nodata(rrset("a.example.", "CNAME", "b.example.")))
        self.source.knows(
            "a.example.",
            "AAAA",
            data(rrset("a.example.", "CNAME", "b.example."), rrset("b.example.", "AAAA", "2001:db8::1")),
        )
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("a.example")), "2001:db8::1")

    def test_searchListResultCounts(self) -> None:
        """
        An address from the search list counts, although its record has the longer name.
        """
        self.source.knows("a.", "A", data(rrset("a.corp.example.", "A", "192.0.2.1")))
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("a")), "192.0.2.1")

    def test_deadlineCoversAllLookups(self) -> None:
        """
        Both families and all aliases share one deadline.
        """
        self.source.knows("a.example.", "A", nodata(rrset("a.example.", "CNAME", "b.example."), soa=False))
        self.source.held = True
        looking = self.resolver.getHostByName("a.example", 3)
        self.clock.advance(1)
        self.source.release("A")
        self.clock.advance(1)
        self.assertEqual({context.deadline for context in self.source.contexts}, {3.0})
        self.assertEqual(len(self.source.contexts), 2)
        looking.cancel()
        self.failureResultOf(looking, CancelledError)
        self.assertEqual(self.source.cancelled, [question("b.example.")])

    def test_invalidNameAndTypeDiffer(self) -> None:
        """
        Text that is not a name is a look-up error; other types are an error of the program.
        """
        self.failureResultOf(self.resolver.getHostByName("a..b"), LookupFailed)
        for name in (None, 5, ["a"], bytearray(b"a")):
            self.failureResultOf(unchecked(self.resolver.getHostByName)(name), TypeError)

    def test_reactorGetsIPv4Only(self) -> None:
        """
        The reactor gets IPv4 only, within the usual time in place of its own minute; a caller that requests a minute gets it.
        """
        self.source.addresses("six.example.", "2001:db8::1")
        looking = unchecked(self.resolver.getHostByName)("six.example", REACTORS_TIMEOUT)
        failure = self.failureResultOf(looking, NoAddressError)
        self.assertIn("no IPv4 address", str(failure.value))
        self.assertEqual((self.asked(), self.source.contexts[-1].deadline), ([dns.A], 5.0))
        minute = (1, 3, 11, 45)
        self.assertEqual(self.successResultOf(self.resolver.getHostByName("six.example", minute)), "2001:db8::1")
        self.assertEqual(self.source.contexts[-1].deadline, 60.0)
