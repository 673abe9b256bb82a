"""
Tests of L{twisted_ext.addrinfo.order} and L{twisted_ext.addrinfo.routes}.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.addrinfo.routes import publishedCases
from twisted_ext.addrinfo.order import Order, Policies
from twisted_ext.addrinfo.routes import Own, ownAddresses, packed
from twisted_ext.limits import ADDRESSES_SORTED, ROUTES_REMEMBERED

__all__ = ["packedAddress"]

_GLOBAL = "2001:db8:1::7"


def packedAddress(address: str) -> bytes:
    """
    Return the address as four or sixteen octets.
    """
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def _number(address: str) -> int:
    return int.from_bytes(packed(address), "big")


class OrderTests(SynchronousTestCase):
    """
    Tests of L{Order} with fake routes.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.path = Path(self.mktemp())
        self.asked: list[str] = []
        self.routes: dict[str, str] = {}
        self.own: Own = {}

    def order(self, routes: Mapping[str, str], own: Mapping[str, int]) -> Order:
        """
        Return an order.

        @param routes: the source address for each destination.
        @param own: the machine's addresses, and the prefix lengths of their networks.
        """
        self.routes = dict(routes)
        self.own = {packedAddress(address): (bits, False) for address, bits in own.items()}

        def source(address: str) -> str | None:
            self.asked.append(address)
            return self.routes.get(address)

        return Order(self.clock.seconds, str(self.path), source=source, own=lambda: self.own)

    def sorted(self, order: Order, *addresses: str) -> list[str]:
        """
        Return the addresses in order.
        """
        found = order.inOrder([packedAddress(address) for address in addresses])
        return [socket.inet_ntop(socket.AF_INET if len(each) == 4 else socket.AF_INET6, each) for each in found]

    def test_rfc6724Corpus(self) -> None:
        """
        The order follows a published corpus for RFC 6724, except that common prefixes longer than a network's count, as in the C library.
        """
        for case in publishedCases()["sort"]:
            order = self.order(dict(zip(case["dsts"], [each or "" for each in case["srcs"]], strict=True)), {_GLOBAL: 64})
            self.routes = {address: source for address, source in self.routes.items() if source}
            self.assertEqual(self.sorted(order, *case["dsts"]), case["want"], case["why"])
            self.assertEqual(order.textsInOrder(case["dsts"]), case["want"], case["why"])
            if case["also_reversed"]:
                self.assertEqual(self.sorted(order, *case["dsts"][::-1]), case["want"], case["why"])

    def test_unreachableAddressComesLast(self) -> None:
        """
        An address without a route comes last, so that no connection has to fail first.
        """
        order = self.order({"192.0.2.1": "192.0.2.7"}, {})
        self.assertEqual(order.textsInOrder(["2001:db8::1", "192.0.2.1"]), ["192.0.2.1", "2001:db8::1"])

    def test_longestPrefixForIPv6Only(self) -> None:
        """
        The IPv6 address with the longer common prefix comes first; IPv4 addresses stay as the server rotated them.
        """
        order = self.order(dict.fromkeys(("2001:db8:1::1", "2001:db8:2::9"), "2001:db8:2::1"), {})
        self.assertEqual(order.textsInOrder(["2001:db8:1::1", "2001:db8:2::9"]), ["2001:db8:2::9", "2001:db8:1::1"])
        four = ["203.0.113.9", "192.0.2.9"]
        self.assertEqual(self.order(dict.fromkeys(four, "192.0.2.1"), {}).textsInOrder(four), four)

    def test_textsAreReturnedOnce(self) -> None:
        """
        Texts are returned unchanged and without duplicates; an invalid one raises OSError.
        """
        order = self.order({"192.0.2.1": "192.0.2.7", "2001:db8:5::1": _GLOBAL}, {_GLOBAL: 64})
        texts = ["192.0.2.1", "2001:DB8:5:0::1", "192.0.2.1"]
        self.assertEqual(order.textsInOrder(texts), ["2001:DB8:5:0::1", "192.0.2.1"])
        self.assertRaises(OSError, order.textsInOrder, ["192.0.2.1", "www.example"])

    def test_routesUseScopeIds(self) -> None:
        """
        The route to an address with a scope ID is looked up for its interface.
        """
        order = self.order({"fe80::1%lo": "fe80::7", "::1": "::1", "fe80::1": "fe80::7"}, {})
        texts = ["fe80::1%eth0", "fe80::1%lo", "fe80::1", "::1"]
        for _ in range(2):
            self.assertEqual(order.textsInOrder(texts), ["::1", "fe80::1%lo", "fe80::1", "fe80::1%eth0"])
            self.assertEqual(sorted(self.asked), sorted(texts))

    def test_wellConnectedIPv6ComesFirst(self) -> None:
        """
        IPv6 with a good route comes before any IPv4, whose routes are not looked up. Other IPv6 does so only without a route for IPv4.
        """
        routes = {"2001:db8:5::1": _GLOBAL, "192.0.2.1": "192.0.2.7"}
        order = self.order(routes, {_GLOBAL: 64})
        self.assertTrue(order.comeFirst(["2001:db8:5::1"]))
        self.assertEqual(self.asked, ["2001:db8:5::1"])
        self.assertFalse(order.comeFirst(["2001:db8:5::1", "2001:db8:6::1"]))
        self.assertTrue(self.order({}, {_GLOBAL: 64}).comeFirst(["2001:db8:6::1"]))
        self.path.write_text("precedence ::ffff:0:0/96 100\n")
        self.assertFalse(self.order(routes, {_GLOBAL: 64}).comeFirst(["2001:db8:5::1"]))

    def test_singleAddressNeedsNoRoute(self) -> None:
        """
        No route is looked up for a single address.
        """
        order = self.order({}, {})
        self.assertEqual(self.sorted(order, "192.0.2.1"), ["192.0.2.1"])
        self.assertEqual((self.sorted(order), self.asked), ([], []))

    def test_ipv4RouteIsNotLookedUp(self) -> None:
        """
        No IPv4 route is looked up if IPv6 comes first anyway.
        """
        order = self.order({"2001:db8:5::1": _GLOBAL}, {_GLOBAL: 64})
        self.assertEqual(self.sorted(order, "192.0.2.1", "2001:db8:5::1"), ["2001:db8:5::1", "192.0.2.1"])
        self.assertEqual(self.asked, ["2001:db8:5::1"])

    def test_ipv6RoutesNeedOwnAddress(self) -> None:
        """
        A machine without an IPv6 address looks up no IPv6 routes.
        """
        order = self.order({"192.0.2.1": "10.0.0.1"}, {"10.0.0.1": 8, "::1": 128})
        self.assertEqual(self.sorted(order, "192.0.2.1", "2001:db8:5::1"), ["192.0.2.1", "2001:db8:5::1"])
        self.assertEqual(self.asked, ["192.0.2.1"])

    def test_routesAreCachedPerNetwork(self) -> None:
        """
        Routes are cached for a second for whole networks, and per address in the machine's own networks.
        """
        routes = {"203.0.113.1": "10.0.0.1", "192.0.2.1": "10.0.0.1", "10.3.0.1": "10.0.0.1", "10.3.0.2": "10.0.0.1"}
        order = self.order(routes, {"10.0.0.1": 8})
        self.sorted(order, "192.0.2.1", "203.0.113.1")
        self.sorted(order, "192.0.2.9", "203.0.113.9")
        self.assertEqual(sorted(self.asked), ["192.0.2.1", "203.0.113.1"])
        self.sorted(order, "10.3.0.1", "10.3.0.2")
        self.assertEqual(sorted(self.asked[2:]), ["10.3.0.1", "10.3.0.2"])
        self.clock.advance(1)
        self.sorted(order, "192.0.2.9", "203.0.113.9")
        self.assertEqual(sorted(self.asked[4:]), ["192.0.2.9", "203.0.113.9"])

    def test_routeCacheIsBounded(self) -> None:
        """
        The cache of routes does not exceed its limit.
        """
        order = self.order({}, {})
        for number in range(0, int(ROUTES_REMEMBERED.default) + 300, 3):
            order.inOrder([bytes([10, (number + more) >> 8, (number + more) & 255, 1]) for more in range(3)])
        self.assertLessEqual(len(order._keys), ROUTES_REMEMBERED.default)

    def test_sortedAddressesAreBounded(self) -> None:
        """
        Routes are looked up for a bounded number of addresses; the others keep their positions.
        """
        order = self.order({"10.0.0.1": "192.0.2.7"}, {})
        limit = int(ADDRESSES_SORTED.default)
        many = [bytes((10, number >> 8, number & 255, 1)) for number in range(4000)]
        found = order.inOrder([*many[1:limit], many[0], *many[limit:]])
        self.assertEqual(found, many)
        self.assertEqual(len(self.asked), limit)
        self.clock.advance(1)
        self.asked.clear()
        texts = [f"2001:db8:{number:x}::1" for number in range(4000)]
        self.assertEqual(order.textsInOrder(texts), texts)
        self.assertEqual(len(self.asked), limit)
        self.clock.advance(1)
        self.asked.clear()
        order.comeFirst(texts)
        self.assertEqual(len(self.asked), limit + 1)
        self.clock.advance(1)
        self.asked.clear()
        order._mostSorted = len(many)
        order.inOrder(many)
        self.assertEqual(len(self.asked), len(many))

    def test_ownNetworkComesFirst(self) -> None:
        """
        IPv4 addresses in the machine's network come first, the nearest before others, as in the C library, but only on a machine with IPv6.
        """
        routes = dict.fromkeys(("192.0.2.1", "10.0.0.200", "10.0.0.2"), "10.0.0.1")
        addresses = ("192.0.2.1", "10.0.0.200", "10.0.0.2")
        modern = self.order(routes, {"10.0.0.1": 24, _GLOBAL: 64})
        self.assertEqual(self.sorted(modern, *addresses), ["10.0.0.2", "10.0.0.200", "192.0.2.1"])
        self.assertEqual(self.sorted(self.order(routes, {"10.0.0.1": 24}), *addresses), list(addresses))

    def test_deprecatedSourceComesLater(self) -> None:
        """
        A destination with a deprecated source address comes later (rule 3).
        """
        order = self.order({"2001:db8:5::1": _GLOBAL, "2001:db8:6::1": "2001:db8:9::7"}, {_GLOBAL: 64})
        self.own[packedAddress(_GLOBAL)] = 64, True
        self.assertEqual(self.sorted(order, "2001:db8:5::1", "2001:db8:6::1"), ["2001:db8:6::1", "2001:db8:5::1"])

    def test_gaiConfAppliesAtOnce(self) -> None:
        """
        A table in C{gai.conf} replaces the default as soon as the file changes.
        """
        order = self.order({"192.0.2.1": "10.0.0.1", "2001:db8:5::1": _GLOBAL}, {_GLOBAL: 64})
        self.assertEqual(self.sorted(order, "192.0.2.1", "2001:db8:5::1"), ["2001:db8:5::1", "192.0.2.1"])
        self.path.write_text("precedence ::ffff:0:0/96 100\n")
        self.clock.advance(1)
        self.assertEqual(self.sorted(order, "192.0.2.1", "2001:db8:5::1"), ["192.0.2.1", "2001:db8:5::1"])


class PoliciesTests(SynchronousTestCase):
    """
    Tests of L{Policies}.
    """

    def test_defaultTable(self) -> None:
        """
        The table without a file is that of RFC 6724, section 2.1.
        """
        policies = Policies()
        for address, precedence, label in (
            ("::1", 50, 0),
            ("2001:db8::1", 40, 1),
            ("192.0.2.1", 35, 4),
            ("2002::1", 30, 2),
            ("2001::1", 5, 5),
            ("fd00::1", 3, 13),
            ("::1:1", 1, 3),
            ("fec0::1", 1, 11),
            ("3ffe::1", 1, 12),
        ):
            self.assertEqual((policies.precedence(_number(address)), policies.label(_number(address))), (precedence, label), address)
        self.assertFalse(policies.fine)

    def test_defaultTableMatchesCorpus(self) -> None:
        """
        The default table equals that of a published corpus.
        """
        policies = Policies()
        for address, _, precedence, label in publishedCases()["policy"]:
            self.assertEqual((policies.precedence(_number(address)), policies.label(_number(address))), (precedence, label), address)

    def test_fileReplacesTableBySubject(self) -> None:
        """
        Each kind of line in the file replaces the default of its kind; the first line for a prefix counts, and the longest prefix wins.
        """
        text = "reload yes\nlabel 2001:db8::/32 7 # ours\nlabel 2001:db8:1::/48 8\nlabel 2001:db8::/32 9\nscopev4 ::ffff:10.0.0.0/104 5\n"
        policies = Policies(text)
        self.assertEqual([policies.label(_number(each)) for each in ("2001:db8:1::1", "2001:db8:2::1", "::1")], [8, 7, 1])
        self.assertEqual(policies.precedence(_number("::1")), 50)
        self.assertEqual([policies.scope(_number(each)) for each in ("10.1.1.1", "127.0.0.1")], [5, 14])
        self.assertEqual(policies.complaints.texts, [])

    def test_invalidLinesAreReported(self) -> None:
        """
        Invalid lines are skipped and reported.
        """
        policies = Policies("label x/32 7\nlabel ::/129 1\nprecedence ::/0\nnonsense\nprecedence ::/0 7\n")
        self.assertEqual(policies.precedence(1), 7)
        self.assertEqual(policies.complaints.count, 4)
        self.assertTrue(policies.complaints.texts[0].startswith("line 1: 'label x/32 7' is not label, precedence"))

    def test_longPrefixesAreFine(self) -> None:
        """
        C{fine} is set if prefixes tell neighboring addresses apart.
        """
        self.assertTrue(Policies("label 2001:db8::1/128 7\n").fine)
        self.assertTrue(Policies("label ::ffff:192.0.2.1/128 7\n").fine)
        self.assertFalse(Policies("label ::1/128 7\nlabel ::ffff:192.0.2.0/120 7\n").fine)


class InterfacesTests(SynchronousTestCase):
    """
    Tests of L{ownAddresses}.
    """

    def test_kernelAddressesAreParsed(self) -> None:
        """
        The addresses from the kernel can be parsed on any machine.
        """
        for address, (bits, _) in ownAddresses().items():
            self.assertIn(len(address), (4, 16))
            self.assertTrue(0 <= bits <= 8 * len(address))
