"""
Tests of L{twisted_ext.addrinfo.getnameinfo}. L{tests.live.programs.test_addresses} compares the results with those of the C library.
"""

from __future__ import annotations

import socket
from typing import cast

from twisted.internet.defer import CancelledError, Deferred

from tests.addrinfo.test_getaddrinfo import Case
from tests.compat.fakes import data, denied, nodata, rrset
from twisted_ext.addrinfo.hints import SocketAddress
from twisted_ext.client import reverseName
from twisted_ext.errors import ServerFailed, TimedOut
from twisted_ext.wire.names import nameToText


class NameTests(Case):
    """
    Tests of L{getnameinfo<twisted_ext.addrinfo.getnameinfo.getnameinfo>}.
    """

    def nameAddress(self, address: str, *names: str) -> None:
        """
        Set the names of an address.
        """
        owner = reverseName(address)
        self.fake.knows(owner, "PTR", data(rrset(owner, "PTR", *names)))

    def found(self, address: str, port: int, flags: int = 0, *more: int) -> tuple[str, str]:
        """
        Return the immediate result of a look-up.
        """
        return self.successResultOf(self._lookUpName(address, port, flags, *more))

    def _lookUpName(self, address: str, port: int, flags: int = 0, *more: int) -> Deferred[tuple[str, str]]:
        return self.resolver.getnameinfo(cast(SocketAddress, (address, port, *more)), flags)

    def errorOf(self, address: str, port: int, flags: int = 0) -> object:
        """
        Return the error code of a look-up.
        """
        return self.failureResultOf(self._lookUpName(address, port, flags), socket.gaierror).value.errno

    def test_hostAndServiceNames(self) -> None:
        """
        Host and service are given by name, or as numbers if the flags say so.
        """
        self.nameAddress("192.0.2.1", "host.example.")
        self.nameAddress("2001:db8::1", "six.example.")
        self.assertEqual(self.found("192.0.2.1", 80), ("host.example", "http"))
        self.assertEqual(self.found("2001:db8::1", 81), ("six.example", "81"))
        self.assertEqual(self.found("192.0.2.1", 7001, socket.NI_NUMERICHOST), ("192.0.2.1", "both"))
        self.assertEqual(self.found("192.0.2.1", 7002, socket.NI_DGRAM), ("host.example", "both"))
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NUMERICSERV), ("host.example", "80"))

    def test_addressWithoutName(self) -> None:
        """
        An address without a name is given as a number, or is an error with NI_NAMEREQD.
        """
        for answer in (denied(), nodata()):
            self.fake.knows(reverseName("192.0.2.1"), "PTR", answer)
            self.assertEqual(self.found("192.0.2.1", 80), ("192.0.2.1", "http"))
            self.assertEqual(self.errorOf("192.0.2.1", 80, socket.NI_NAMEREQD), socket.EAI_NONAME)

    def test_failedLookupIsAnError(self) -> None:
        """
        A failed look-up is an error and not an address without a name.
        """
        for fault in (ServerFailed("failed", rcode=2), TimedOut("late")):
            self.fake.knows(reverseName("192.0.2.1"), "PTR", fault)
            self.assertEqual(self.errorOf("192.0.2.1", 80), socket.EAI_AGAIN)

    def test_closedResolverFindsNoNames(self) -> None:
        """
        A closed resolver fails permanently for names; numeric results still work.
        """
        self.resolver.close()
        self.assertEqual(self.errorOf("192.0.2.1", 80), socket.EAI_FAIL)
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NUMERICHOST), ("192.0.2.1", "http"))

    def test_invalidHostNameIsIgnored(self) -> None:
        """
        A PTR target that is not a valid host name is ignored, as it would end up in logs and commands.
        """
        self.nameAddress("192.0.2.1", r"a\010b.example.")
        self.assertEqual(self.found("192.0.2.1", 80), ("192.0.2.1", "http"))

    def test_aliasesAreFollowed(self) -> None:
        """
        Aliases are followed (RFC 2317), even if the server does not follow them.
        """
        owner = reverseName("192.0.2.1")
        self.fake.knows(owner, "PTR", nodata(rrset(owner, "CNAME", "1.0-25.2.0.192.in-addr.arpa."), soa=False))
        self.fake.knows("1.0-25.2.0.192.in-addr.arpa", "PTR", data(rrset("1.0-25.2.0.192.in-addr.arpa", "PTR", "host.example.")))
        self.assertEqual(self.found("192.0.2.1", 80), ("host.example", "http"))

    def test_scopeIsKeptInNumbers(self) -> None:
        """
        A scope does not affect names and is part of numeric results.
        """
        self.nameAddress("fe80::1", "host.example.")
        self.assertEqual(self.found("fe80::1", 80, 0, 0, 77), ("host.example", "http"))
        self.assertEqual(self.found("fe80::1", 80, socket.NI_NUMERICHOST, 0, 77), ("fe80::1%77", "http"))

    def test_mappedAddressIsIPv4(self) -> None:
        """
        IPv4-mapped addresses are looked up as IPv4.
        """
        self.nameAddress("192.0.2.1", "host.example.")
        self.assertEqual(self.found("::ffff:192.0.2.1", 80), ("host.example", "http"))

    def test_hostsFileComesFirst(self) -> None:
        """
        The hosts file comes first.
        """
        self.hosts.write_text("192.0.2.1 filed.example alias\n")
        self.nameAddress("192.0.2.1", "host.example.")
        self.assertEqual(self.found("192.0.2.1", 80), ("filed.example", "http"))

    def test_noFQDNDropsOwnDomain(self) -> None:
        """
        NI_NOFQDN drops the domain of this machine.
        """
        self.patch(socket, "gethostname", lambda: "own.example")
        self.nameAddress("192.0.2.1", "deep.host.example.")
        self.nameAddress("192.0.2.2", "host.other.")
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NOFQDN)[0], "deep.host")
        self.assertEqual(self.found("192.0.2.2", 80, socket.NI_NOFQDN)[0], "host.other")

    def test_ownDomainFromHostsFile(self) -> None:
        """
        The domain of this machine comes from the hosts file if its name has none.
        """
        self.patch(socket, "gethostname", lambda: "own")
        self.hosts.write_text("192.0.2.9 own.example own\n")
        self.nameAddress("192.0.2.1", "host.example.")
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NOFQDN)[0], "host")
        self.hosts.write_text("127.0.0.1 local.domain\n")
        self.clock.advance(1)
        self.nameAddress("192.0.2.1", "host.domain.")
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NOFQDN)[0], "host")

    def test_deadlineCoversAllLookups(self) -> None:
        """
        The timeout covers all look-ups of a call, including that of this machine's domain.
        """
        self.patch(socket, "gethostname", lambda: "own")
        self.fake.now = False
        self.nameAddress("192.0.2.1", "host.example.")
        call = self.resolver.getnameinfo(("192.0.2.1", 80), socket.NI_NOFQDN, timeout=2.0)
        self.assertEqual(self.successResultOf(call)[0], "host.example")
        self.assertIn("own", [nameToText(question.name, final=False) for question in self.fake.asked])
        self.assertEqual({context.deadline for context in self.fake.contexts}, {self.clock.seconds() + 2.0})

    def test_invalidArgumentsRaiseLikeSocket(self) -> None:
        """
        Invalid arguments raise as in C{socket}, without a query.
        """
        self.assertEqual(self.errorOf("www.example", 80), socket.EAI_NONAME)
        self.assertEqual(self.errorOf("192.0.2.1", 80, 1 << 20), socket.EAI_BADFLAGS)
        self.failureResultOf(self._lookUpName("192.0.2.1", 80, 0, 0), OSError)
        self.failureResultOf(self._lookUpName("2001:db8::1", 80, 0, 1 << 30), OverflowError)
        self.failureResultOf(self.resolver.getnameinfo(cast(SocketAddress, "x")), TypeError)
        self.assertEqual(self.fake.asked, [])

    def test_cancelEndsTheLookup(self) -> None:
        """
        Canceling a call cancels its look-up.
        """
        self.fake.now, self.fake.held = False, True
        asking = self._lookUpName("192.0.2.1", 80)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(self.fake.cancelled), 1)
