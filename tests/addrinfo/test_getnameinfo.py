"""
Tests of L{twisted_ext.addrinfo.getnameinfo}. That all of it is as in the C library is what L{tests.live.programs.test_addresses} finds
out.
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

    def named(self, address: str, *names: str) -> None:
        """
        Give an address names.
        """
        owner = reverseName(address)
        self.fake.knows(owner, "PTR", data(rrset(owner, "PTR", *names)))

    def found(self, address: str, port: int, flags: int = 0, *more: int) -> tuple[str, str]:
        """
        @return: what the resolver finds at once.
        """
        return self.successResultOf(self._looked(address, port, flags, *more))

    def _looked(self, address: str, port: int, flags: int = 0, *more: int) -> Deferred[tuple[str, str]]:
        return self.resolver.getnameinfo(cast(SocketAddress, (address, port, *more)), flags)

    def errorOf(self, address: str, port: int, flags: int = 0) -> object:
        """
        @return: the code that it fails with.
        """
        return self.failureResultOf(self._looked(address, port, flags), socket.gaierror).value.errno

    def test_names(self) -> None:
        """
        Host and service have names, or are numbers.
        """
        self.named("192.0.2.1", "host.example.")
        self.named("2001:db8::1", "six.example.")
        self.assertEqual(self.found("192.0.2.1", 80), ("host.example", "http"))
        self.assertEqual(self.found("2001:db8::1", 81), ("six.example", "81"))
        self.assertEqual(self.found("192.0.2.1", 7001, socket.NI_NUMERICHOST), ("192.0.2.1", "both"))
        self.assertEqual(self.found("192.0.2.1", 7002, socket.NI_DGRAM), ("host.example", "both"))
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NUMERICSERV), ("host.example", "80"))

    def test_noName(self) -> None:
        """
        An address without a name is given back, unless a name is required.
        """
        for answer in (denied(), nodata()):
            self.fake.knows(reverseName("192.0.2.1"), "PTR", answer)
            self.assertEqual(self.found("192.0.2.1", 80), ("192.0.2.1", "http"))
            self.assertEqual(self.errorOf("192.0.2.1", 80, socket.NI_NAMEREQD), socket.EAI_NONAME)

    def test_unknown(self) -> None:
        """
        What nobody knows is an error, and not an address without a name.
        """
        for fault in (ServerFailed("failed", rcode=2), TimedOut("late")):
            self.fake.knows(reverseName("192.0.2.1"), "PTR", fault)
            self.assertEqual(self.errorOf("192.0.2.1", 80), socket.EAI_AGAIN)

    def test_closed(self) -> None:
        """
        After it was closed, a resolver finds no names, and trying again will not help; numbers stay numbers.
        """
        self.resolver.close()
        self.assertEqual(self.errorOf("192.0.2.1", 80), socket.EAI_FAIL)
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NUMERICHOST), ("192.0.2.1", "http"))

    def test_noHostsName(self) -> None:
        """
        What no host can be called is no name: it would end up in logs and commands.
        """
        self.named("192.0.2.1", r"a\010b.example.")
        self.assertEqual(self.found("192.0.2.1", 80), ("192.0.2.1", "http"))

    def test_aliases(self) -> None:
        """
        Aliases are followed (RFC 2317), also those that the server leaves to us.
        """
        owner = reverseName("192.0.2.1")
        self.fake.knows(owner, "PTR", nodata(rrset(owner, "CNAME", "1.0-25.2.0.192.in-addr.arpa."), soa=False))
        self.fake.knows("1.0-25.2.0.192.in-addr.arpa", "PTR", data(rrset("1.0-25.2.0.192.in-addr.arpa", "PTR", "host.example.")))
        self.assertEqual(self.found("192.0.2.1", 80), ("host.example", "http"))

    def test_scopes(self) -> None:
        """
        A scope is of no matter to names, and part of the number.
        """
        self.named("fe80::1", "host.example.")
        self.assertEqual(self.found("fe80::1", 80, 0, 0, 77), ("host.example", "http"))
        self.assertEqual(self.found("fe80::1", 80, socket.NI_NUMERICHOST, 0, 77), ("fe80::1%77", "http"))

    def test_mapped(self) -> None:
        """
        IPv4 addresses that are written as IPv6 are looked up as what they are.
        """
        self.named("192.0.2.1", "host.example.")
        self.assertEqual(self.found("::ffff:192.0.2.1", 80), ("host.example", "http"))

    def test_files(self) -> None:
        """
        The hosts file is asked first.
        """
        self.hosts.write_text("192.0.2.1 filed.example alias\n")
        self.named("192.0.2.1", "host.example.")
        self.assertEqual(self.found("192.0.2.1", 80), ("filed.example", "http"))

    def test_short(self) -> None:
        """
        With NI_NOFQDN the domain of this machine is left out.
        """
        self.patch(socket, "gethostname", lambda: "own.example")
        self.named("192.0.2.1", "deep.host.example.")
        self.named("192.0.2.2", "host.other.")
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NOFQDN)[0], "deep.host")
        self.assertEqual(self.found("192.0.2.2", 80, socket.NI_NOFQDN)[0], "host.other")

    def test_domain(self) -> None:
        """
        Where the machine's name has no domain, its name in the hosts file may have one.
        """
        self.patch(socket, "gethostname", lambda: "own")
        self.hosts.write_text("192.0.2.9 own.example own\n")
        self.named("192.0.2.1", "host.example.")
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NOFQDN)[0], "host")
        self.hosts.write_text("127.0.0.1 local.domain\n")
        self.clock.advance(1)
        self.named("192.0.2.1", "host.domain.")
        self.assertEqual(self.found("192.0.2.1", 80, socket.NI_NOFQDN)[0], "host")

    def test_oneDeadline(self) -> None:
        """
        All look-ups of a call end with its time, those for the domain of this machine as well.
        """
        self.patch(socket, "gethostname", lambda: "own")
        self.fake.now = False
        self.named("192.0.2.1", "host.example.")
        call = self.resolver.getnameinfo(("192.0.2.1", 80), socket.NI_NOFQDN, timeout=2.0)
        self.assertEqual(self.successResultOf(call)[0], "host.example")
        self.assertIn("own", [nameToText(question.name, final=False) for question in self.fake.asked])
        self.assertEqual({context.deadline for context in self.fake.contexts}, {self.clock.seconds() + 2.0})

    def test_wrongCalls(self) -> None:
        """
        What cannot be is refused as C{socket} does, before anybody is asked.
        """
        self.assertEqual(self.errorOf("www.example", 80), socket.EAI_NONAME)
        self.assertEqual(self.errorOf("192.0.2.1", 80, 1 << 20), socket.EAI_BADFLAGS)
        self.failureResultOf(self._looked("192.0.2.1", 80, 0, 0), OSError)
        self.failureResultOf(self._looked("2001:db8::1", 80, 0, 1 << 30), OverflowError)
        self.failureResultOf(self.resolver.getnameinfo(cast(SocketAddress, "x")), TypeError)
        self.assertEqual(self.fake.asked, [])

    def test_cancelled(self) -> None:
        """
        A call can be given up, and its look-up with it.
        """
        self.fake.now, self.fake.held = False, True
        asking = self._looked("192.0.2.1", 80)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(self.fake.cancelled), 1)
