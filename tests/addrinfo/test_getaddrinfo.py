"""
Tests of L{twisted_ext.addrinfo.getaddrinfo} and L{twisted_ext.addrinfo.hints}. L{tests.live.programs.test_addresses} compares the results
with those of the C library.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.compat.fakes import Fake, data, denied, nodata, rrset
from tests.typed import unchecked
from twisted_ext import client
from twisted_ext.addrinfo.hints import AddressInfo, Port, SocketAddress
from twisted_ext.addrinfo.order import Order
from twisted_ext.addrinfo.services import Ports
from twisted_ext.answers import Answer
from twisted_ext.compat.names import NamesResolver
from twisted_ext.errors import Closed, DNSFault, ServerFailed, TimedOut, Unknown
from twisted_ext.limits import CALL_CHARACTERS, CALL_ROWS, CALLS_REMEMBERED
from twisted_ext.resolver.combine.chain import ChainSource
from twisted_ext.resolver.local.hosts import Hosts

__all__ = ["Case"]

_STREAM = socket.SOCK_STREAM
_SERVICES = "http 80/tcp www\ndomain 53/tcp\ndomain 53/udp\nboth 7001/tcp\nboth 7002/udp\nonly 7200/sctp\n"


class Case(SynchronousTestCase):
    """
    A resolver with a fake source, on a machine with one address of each family.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.fake = Fake(now=True)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        (self.folder / "services").write_text(_SERVICES)
        self.hosts = self.folder / "hosts"
        self.resolver = self.newResolver()

    def newResolver(self) -> NamesResolver:
        """
        Return a resolver.
        """
        hosts = Hosts(self.clock, str(self.hosts))
        resolver = NamesResolver(ChainSource([hosts, self.fake]), self.clock)

        def source(address: str) -> str:
            return "2001:db8:1::7" if ":" in address else "192.0.2.7"

        resolver.order = Order(self.clock.seconds, str(self.folder / "gai.conf"), source=source, own=dict)
        resolver.addressing.ports = Ports(self.clock.seconds, str(self.folder / "services"))
        return resolver

    def ask(self, host: str | bytes | None, port: Port = None, **hints: int) -> list[AddressInfo]:
        """
        Return the immediate result of a look-up.
        """
        hints.setdefault("type", _STREAM)
        return self.successResultOf(self._lookUp(host, port, hints))

    def _lookUp(self, host: str | bytes | None, port: Port, hints: Mapping[str, int]) -> Deferred[list[AddressInfo]]:
        return self.resolver.getaddrinfo(host, port, **hints)

    def addresses(self, host: str | bytes | None, port: Port = None, **hints: int) -> list[SocketAddress]:
        """
        Return the addresses only.
        """
        return [row[4] for row in self.ask(host, port, **hints)]

    def errorCode(self, host: str | bytes | None, port: Port = None, **hints: int) -> int:
        """
        Return the error code.
        """
        error = self.failureResultOf(self._lookUp(host, port, hints), socket.gaierror).value
        assert isinstance(error, socket.gaierror) and error.errno is not None
        return error.errno


class NumberTests(Case):
    """
    Tests of calls that need no query.
    """

    def test_invalidTypesRaiseLikeSocket(self) -> None:
        """
        Arguments of other types fail as in the standard library, with the same exception and text.
        """
        for host, port in (
            (bytearray(b"localhost"), 80),
            (["localhost"], 80),
            (5, 80),
            ("localhost", bytearray(b"80")),
            ("localhost", [80]),
            ("localhost", {}),
            ("localhost", 1.5),
            ([], []),
        ):
            with self.assertRaises((TypeError, OSError)) as raised:
                unchecked(socket.getaddrinfo)(host, port)
            failure = self.failureResultOf(unchecked(self.resolver.getaddrinfo)(host, port), type(raised.exception))
            self.assertEqual((type(failure.value), str(failure.value)), (type(raised.exception), str(raised.exception)))

    def test_literalsFollowTheCLibrary(self) -> None:
        """
        Address literals are those of the C library.
        """
        self.assertEqual(self.addresses("127.1", 80), [("127.0.0.1", 80)])
        self.assertEqual(self.addresses(b"2001:DB8::1", "80"), [("2001:db8::1", 80, 0, 0)])
        self.assertEqual(self.addresses("fe80::1%7", 80), [("fe80::1", 80, 0, 7)])
        self.assertEqual(self.errorCode("127.0.0.1", 80, family=socket.AF_INET6), socket.EAI_ADDRFAMILY)
        self.assertEqual(self.errorCode("fe80::1%nosuch", 80), socket.EAI_NONAME)
        self.assertEqual(self.fake.asked, [])

    def test_noHostMeansThisMachine(self) -> None:
        """
        The result without a host is this machine, or all its addresses.
        """
        self.assertIn(("127.0.0.1", 80), self.addresses(None, 80))
        self.assertIn(("0.0.0.0", 53), self.addresses(None, "domain", flags=socket.AI_PASSIVE, type=socket.SOCK_DGRAM))
        self.assertEqual(self.errorCode(None, None), socket.EAI_NONAME)
        self.assertEqual(self.errorCode(None, 80, flags=socket.AI_CANONNAME), socket.EAI_BADFLAGS)

    def test_rowsEqualSocketRows(self) -> None:
        """
        The rows equal those of C{socket.getaddrinfo}, constants included.
        """
        ours = self.successResultOf(self.resolver.getaddrinfo("127.0.0.1", 80))
        self.assertEqual(ours, socket.getaddrinfo("127.0.0.1", 80))
        self.assertEqual(repr(ours), repr(socket.getaddrinfo("127.0.0.1", 80)))

    def test_invalidArgumentsRaiseLikeSocket(self) -> None:
        """
        Invalid arguments raise as in C{socket}, without a query.
        """
        self.assertEqual(self.errorCode("www.example", 80, family=99), socket.EAI_FAMILY)
        self.assertEqual(self.errorCode("www.example", 80, type=99), socket.EAI_SOCKTYPE)
        self.assertEqual(self.errorCode("www.example", 80, type=socket.SOCK_RAW), socket.EAI_SERVICE)
        self.assertEqual(self.errorCode("www.example", 80, flags=1 << 20), socket.EAI_BADFLAGS)
        self.assertEqual(self.errorCode("www.example", 80, flags=socket.AI_NUMERICHOST), socket.EAI_NONAME)
        self.assertEqual(self.errorCode("www.example", "http", flags=socket.AI_NUMERICSERV), socket.EAI_NONAME)
        self.assertEqual(self.errorCode(""), socket.EAI_NONAME)
        # It depends on the version of Python.
        with pytest.raises((OverflowError, socket.gaierror)) as raised:
            socket.getaddrinfo("127.0.0.1", 1 << 70)
        tooLarge = raised.type
        for host, port, kind in (
            (5, 80, TypeError),
            ("a..b", 80, UnicodeError),
            ("x" * 64, 80, UnicodeError),
            ("a\0b", 80, ValueError),
            ("www.example", 80.5, OSError),
            ("www.example", True, OSError),
            ("www.example", 1 << 70, tooLarge),
            ([], 80, TypeError),
        ):
            self.failureResultOf(self.resolver.getaddrinfo(cast(str, host), cast(int, port)), kind)
        self.assertEqual(self.fake.asked, [])

    def test_serviceNamesAndNumbers(self) -> None:
        """
        Services are given by name for each protocol, by alias, or as numbers in any form.
        """
        self.assertEqual(self.addresses("127.0.0.1", "www"), [("127.0.0.1", 80)])
        rows = self.ask("127.0.0.1", "both", type=0)
        self.assertEqual([(row[1], row[2], row[4][1]) for row in rows], [(_STREAM, 6, 7001), (socket.SOCK_DGRAM, 17, 7002)])
        self.assertEqual(self.errorCode("127.0.0.1", "http", type=socket.SOCK_DGRAM), socket.EAI_SERVICE)
        self.assertEqual(self.errorCode("127.0.0.1", "nosuch"), socket.EAI_SERVICE)
        self.assertEqual([self.addresses("127.0.0.1", port)[0][1] for port in (" 80", "+80", "65616", b"80")], [80, 80, 80, 80])
        self.assertEqual(self.errorCode("127.0.0.1", "2147483648"), socket.EAI_SERVICE)
        self.assertEqual([row[2] for row in self.ask("127.0.0.1", "only", type=0)], [132, 132])


class NameTests(Case):
    """
    Tests of names of hosts.
    """

    def test_bothFamiliesInOrder(self) -> None:
        """
        Addresses of both families come in order, each with every socket type.
        """
        self.fake.addresses("www.example", "192.0.2.1", "2001:db8::1")
        self.assertEqual(self.addresses("www.example", "http"), [("2001:db8::1", 80, 0, 0), ("192.0.2.1", 80)])
        rows = self.successResultOf(self.resolver.getaddrinfo("www.example", 80))
        kinds = [(_STREAM, 6), (socket.SOCK_DGRAM, 17), (socket.SOCK_RAW, 0)]
        self.assertEqual([(row[1], row[2]) for row in rows], kinds * 2)
        self.assertEqual({(type(row[0]), type(row[1])) for row in rows}, {(socket.AddressFamily, socket.SocketKind)})

    def test_onlyRequestedFamilyIsQueried(self) -> None:
        """
        Only the requested family is queried.
        """
        self.fake.addresses("www.example", "192.0.2.1", "2001:db8::1")
        self.assertEqual(self.addresses("www.example", 80, family=socket.AF_INET), [("192.0.2.1", 80)])
        self.assertEqual([question.rrType for question in self.fake.asked], [1])
        self.assertTrue(all(context.single for context in self.fake.contexts))
        self.assertEqual(self.addresses("www.example", 80, family=socket.AF_INET6), [("2001:db8::1", 80, 0, 0)])

    def test_mappedAddressesOnRequest(self) -> None:
        """
        IPv4-mapped addresses are given with AI_V4MAPPED, and beside IPv6 addresses only with AI_ALL.
        """
        self.fake.addresses("both.example", "192.0.2.1", "2001:db8::1")
        self.fake.addresses("four.example", "192.0.2.1")
        flags = socket.AI_V4MAPPED
        mapped = ("::ffff:192.0.2.1", 80, 0, 0)
        self.assertEqual(self.addresses("four.example", 80, family=socket.AF_INET6, flags=flags), [mapped])
        self.assertNotIn(mapped, self.addresses("both.example", 80, family=socket.AF_INET6, flags=flags))
        self.assertIn(mapped, self.addresses("both.example", 80, family=socket.AF_INET6, flags=flags | socket.AI_ALL))

    def test_canonicalNameIsInFirstRow(self) -> None:
        """
        The name at the end of the aliases is in the first row, in its own letter case.
        """
        alias = rrset("www.example", "CNAME", "Host.example.")
        self.fake.knows("www.example", "A", data(alias, rrset("Host.example", "A", "192.0.2.1", "192.0.2.2")))
        self.fake.knows("www.example", "AAAA", nodata(alias))
        rows = self.ask("www.example", 80, flags=socket.AI_CANONNAME)
        self.assertEqual([row[3] for row in rows], ["Host.example", ""])
        self.assertEqual([row[3] for row in self.ask("www.example", 80)], ["", ""])

    def test_canonicalNameIsOfReturnedFamily(self) -> None:
        """
        The canonical name belongs to the returned addresses if a search finds the other family under another name.
        """
        self.fake.knows("www.example", "A", data(rrset("www.example.one", "A", "192.0.2.1")))
        self.fake.knows("www.example", "AAAA", data(rrset("www.example.two", "AAAA", "2001:db8::1")))
        flags = socket.AI_CANONNAME | socket.AI_V4MAPPED
        self.assertEqual(self.ask("www.example", 80, family=socket.AF_INET6, flags=flags)[0][3], "www.example.two")

    def test_canonicalNameKeepsRequestedCase(self) -> None:
        """
        A name without aliases is given in the letter case of the request, whatever was requested before.
        """
        self.fake.addresses("www.example", "192.0.2.1")
        self.assertEqual(self.ask("WWW.example", 80, flags=socket.AI_CANONNAME)[0][3], "WWW.example")

    def test_aliasesAreFollowed(self) -> None:
        """
        Aliases that the server does not follow are followed a bounded number of times.
        """
        self.fake.knows("www.example", "A", nodata(rrset("www.example", "CNAME", "host.example."), soa=False))
        self.fake.knows("loop.example", "A", nodata(rrset("loop.example", "CNAME", "loop.example."), soa=False))
        self.fake.addresses("host.example", "192.0.2.1")
        self.assertEqual(self.addresses("www.example", 80, family=socket.AF_INET), [("192.0.2.1", 80)])
        self.errorCode("loop.example", 80, family=socket.AF_INET)

    def test_duplicateAddressesAreDropped(self) -> None:
        """
        Duplicate addresses are dropped.
        """
        self.fake.knows("www.example", "A", data(rrset("www.example", "A", "192.0.2.1", "192.0.2.2", "192.0.2.1")))
        self.assertEqual(self.addresses("www.example", 80, family=socket.AF_INET), [("192.0.2.1", 80), ("192.0.2.2", 80)])

    def test_internationalizedNames(self) -> None:
        """
        Internationalized names are encoded as in C{socket}.
        """
        self.fake.addresses("xn--bcher-kva.example", "192.0.2.1")
        self.assertEqual(self.addresses("b\u00fccher.example", 80), [("192.0.2.1", 80)])
        self.assertEqual(self.addresses("xn--bcher-kva.example", 80), [("192.0.2.1", 80)])

    def test_invalidHostNameIsRefused(self) -> None:
        """
        Names that are not valid host names are refused whatever a server answers, since they end up in commands and files.
        """
        for host in ("bad!name.example", "-dash.example", "semi;colon.example"):
            self.fake.addresses(host, "192.0.2.1")
            self.assertEqual(self.errorCode(host, 80), socket.EAI_NONAME, host)
        self.fake.addresses("under_score.example", "192.0.2.1")
        self.assertEqual(self.addresses("under_score.example", 80), [("192.0.2.1", 80)])

    def test_rowsAreNotShared(self) -> None:
        """
        A caller that changes its list changes no other.
        """
        self.fake.addresses("www.example", "192.0.2.1")
        self.ask("www.example", 80).clear()
        self.assertEqual(len(self.ask("www.example", 80)), 1)

    def test_changedAnswerAppliesAtOnce(self) -> None:
        """
        A changed answer applies at once.
        """
        for address in ("192.0.2.1", "192.0.2.2"):
            self.fake.addresses("www.example", address)
            self.assertEqual(self.addresses("www.example", 80), [(address, 80)])

    def test_callMemoIsBounded(self) -> None:
        """
        The memo of calls does not exceed its limit.
        """
        limit = int(CALLS_REMEMBERED.default)
        for number in range(limit + 20):
            self.fake.addresses(f"h{number}.example", "192.0.2.1")
            self.ask(f"h{number}.example", number)
        addressing = self.resolver.addressing
        for remembered in (addressing._names, addressing._hints, addressing._lists):
            self.assertLessEqual(len(cast("dict[object, object]", remembered)), limit)

    def test_longArgumentsAreNotMemoized(self) -> None:
        """
        Arguments that are longer than any name are not memoized.
        """
        limit = int(CALL_CHARACTERS.default)
        for length, remembered in ((limit, 1), (limit + 1, 0)):
            self.resolver = self.newResolver()
            self.errorCode(b"h" * length, "s" * length)
            self.errorCode(b"h" * length, 80)
            addressing = self.resolver.addressing
            self.assertEqual([len(addressing._names), len(addressing._hints)], [0, remembered + 1])

    def test_largeResultsAreNotMemoized(self) -> None:
        """
        Results with very many addresses are not memoized.
        """
        limit = int(CALL_ROWS.default)
        for count, remembered in ((limit, 1), (limit + 1, 0)):
            self.resolver = self.newResolver()
            self.fake.addresses("www.example", *[f"10.0.{number >> 8}.{number & 255}" for number in range(count)])
            self.assertEqual(len(self.ask("www.example", 80)), count)
            self.assertEqual(len(self.resolver.addressing._lists), remembered)

    def test_onlyImmediateNamesAreMemoized(self) -> None:
        """
        Only names with immediate answers are memoized, so that names seen once, as by a crawler, do not push them out.
        """
        self.fake.addresses("www.example", "192.0.2.1")
        self.ask("www.example", 80)
        self.fake.now = False
        self.fake.addresses("once.example", "192.0.2.1")
        self.ask("once.example", 80)
        self.assertEqual(list(self.resolver.addressing._names), ["www.example"])


class HostsFileTests(Case):
    """
    Tests of names in the hosts file.
    """

    def test_canonicalNameIsFirstOnLine(self) -> None:
        """
        An alias in the file leads to the first name on its line.
        """
        self.hosts.write_text("192.0.2.1 Host.example www\n192.0.2.1 other.example\n")
        for name, canonical in (("www", "Host.example"), ("host.example", "Host.example"), ("other.example", "other.example")):
            self.assertEqual(self.ask(name, 80, flags=socket.AI_CANONNAME)[0][3], canonical)

    def test_missingFamilyComesFromServers(self) -> None:
        """
        A request for one family that the file lacks goes to the servers; one for both gets what the file has.
        """
        self.hosts.write_text("192.0.2.1 host.example\n")
        self.fake.addresses("host.example", "192.0.2.9", "2001:db8::9")
        self.assertEqual(self.addresses("host.example", 80, family=socket.AF_INET6), [("2001:db8::9", 80, 0, 0)])
        self.assertEqual(self.addresses("host.example", 80), [("192.0.2.1", 80)])

    def test_ipv6LoopbackStandsForIPv4(self) -> None:
        """
        The IPv6 loopback address in the file stands for the IPv4 one, without a query.
        """
        self.hosts.write_text("::1 own.example\n::ffff:192.0.2.3 old.example\n")
        self.assertEqual(self.addresses("own.example", 80, family=socket.AF_INET), [("127.0.0.1", 80)])
        self.assertEqual(self.addresses("old.example", 80, family=socket.AF_INET), [("192.0.2.3", 80)])
        self.assertEqual(self.ask("OWN.example", 80, family=socket.AF_INET, flags=socket.AI_CANONNAME)[0][3], "own.example")


class FailureTests(Case):
    """
    Tests of failures.
    """

    def test_errorCodes(self) -> None:
        """
        Each failure has its code; a failed look-up is never reported as a missing name.
        """
        alias = nodata(rrset("x.example", "CNAME", "y.example."))
        failed = ServerFailed("failed", rcode=2)
        cases: list[tuple[Answer | DNSFault, Answer | DNSFault, int]] = [
            (denied(), denied(), socket.EAI_NONAME),
            (nodata(), nodata(), socket.EAI_NODATA),
            (alias, alias, socket.EAI_NONAME),
            (failed, failed, socket.EAI_AGAIN),
            (failed, nodata(), socket.EAI_AGAIN),
            (nodata(), TimedOut("late"), socket.EAI_AGAIN),
            (ServerFailed("malformed", rcode=1), nodata(), socket.EAI_FAIL),
            (Unknown("nothing"), Unknown("nothing"), socket.EAI_NONAME),
            (Closed("closed"), Closed("closed"), socket.EAI_FAIL),
        ]
        for four, six, code in cases:
            for now in (False, True):
                self.fake.now = now
                self.fake.knows("x.example", "A", four)
                self.fake.knows("x.example", "AAAA", six)
                self.assertEqual(self.errorCode("x.example", 80), code, f"{four} {six}")

    def test_errorTextAndCause(self) -> None:
        """
        The text is that of the C library; the cause has the details.
        """
        self.fake.knows("x.example", "A", denied())
        self.fake.knows("x.example", "AAAA", denied())
        error = self.failureResultOf(self.resolver.getaddrinfo("x.example", 80), socket.gaierror).value
        self.assertEqual(error.args, (socket.EAI_NONAME, "Name or service not known"))
        self.assertIn("x.example", str(error.__cause__))

    def test_oneFamilySuffices(self) -> None:
        """
        One family suffices if the other one fails.
        """
        self.fake.knows("x.example", "A", data(rrset("x.example", "A", "192.0.2.1")))
        self.fake.knows("x.example", "AAAA", ServerFailed("failed", rcode=2))
        self.assertEqual(self.addresses("x.example", 80), [("192.0.2.1", 80)])

    def test_cancelEndsBothLookups(self) -> None:
        """
        Canceling a call cancels both look-ups.
        """
        self.fake.now, self.fake.held = False, True
        asking = self.resolver.getaddrinfo("www.example", 80)
        self.assertNoResult(asking)
        asking.cancel()
        self.failureResultOf(asking, CancelledError)
        self.assertEqual(len(self.fake.cancelled), 2)

    def test_familiesAreQueriedInParallel(self) -> None:
        """
        Both families are queried at the same time, and both are waited for.
        """
        self.fake.now, self.fake.held = False, True
        self.fake.addresses("www.example", "192.0.2.1", "2001:db8::1")
        asking = self.resolver.getaddrinfo("www.example", 80, type=_STREAM)
        self.assertEqual([question.rrType for question in self.fake.asked], [1, 28])
        self.fake.release("A")
        self.assertNoResult(asking)
        self.fake.release("AAAA")
        self.assertEqual([row[4][0] for row in self.successResultOf(asking)], ["2001:db8::1", "192.0.2.1"])

    def test_timeoutIsTheCallers(self) -> None:
        """
        The timeout is the caller's.
        """
        self.fake.now = False
        self.fake.addresses("www.example", "192.0.2.1")
        self.successResultOf(self.resolver.getaddrinfo("www.example", 80, timeout=3))
        self.assertEqual({context.deadline for context in self.fake.contexts}, {3})
        self.failureResultOf(self.resolver.getaddrinfo("www.example", 80, timeout=-1), ValueError)

    def test_closedResolverFindsNothing(self) -> None:
        """
        A closed resolver finds no names, not even memoized ones; address literals still work.
        """
        self.fake.addresses("www.example", "192.0.2.1")
        self.ask("www.example", 80)
        self.resolver.close()
        self.assertEqual(self.errorCode("www.example", 80), socket.EAI_FAIL)
        self.assertEqual(self.addresses("127.0.0.1", 80), [("127.0.0.1", 80)])


class ClientTests(Case):
    """
    Tests of the functions of L{twisted_ext.client}.
    """

    def test_functionsUseTheProcessResolver(self) -> None:
        """
        The functions use the resolver of this process, or the given one.
        """
        self.fake.addresses("www.example", "192.0.2.1")
        self.patch(client, "theResolver", self.resolver)
        expected = [(socket.AF_INET, _STREAM, 6, "", ("192.0.2.1", 80))]
        self.assertEqual(self.successResultOf(client.getaddrinfo("www.example", 80, type=_STREAM)), expected)
        self.assertEqual(self.successResultOf(client.getaddrinfo("www.example", 80, type=_STREAM, resolver=self.newResolver())), expected)
        self.assertEqual(self.successResultOf(client.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST)), ("127.0.0.1", "http"))
