"""
Tests of L{twisted_ext.discovery.svcb}.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from random import Random
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.discovery import svcb as bindingModule
from twisted_ext.discovery.limits import SERVICE_ALIASES, SERVICE_HINTS, SERVICE_TARGETS
from twisted_ext.discovery.svcb import Binding, questionFor
from twisted_ext.discovery.targets import BEHIND, Target
from twisted_ext.errors import BadName, CallerFault, NotOffered, UnusableRecords
from twisted_ext.limits import Limit
from twisted_ext.wire.names import nameFromText, nameToText
from twisted_ext.wire.rdata.types.svcb import HTTPS
from twisted_ext.wire.rrtypes import HTTPS as HTTPS_TYPE
from twisted_ext.wire.rrtypes import SVCB as SVCB_TYPE

__all__: list[str] = []


def rdatas(*texts: str) -> list[bytes]:
    """
    @param texts: records as master files have them.
    """
    return [HTTPS.fromText(text).wire for text in texts]


class QuestionTests(SynchronousTestCase):
    """
    Tests of L{questionFor}.
    """

    def test_names(self) -> None:
        """
        HTTPS at the port of its scheme is asked for at the host itself, all else behind prefixes (RFC 9460, sections 2.3 and 9.1).
        """
        for scheme, port, name, rrType, meant in (
            ("https", None, "example.org", HTTPS_TYPE, 443),
            ("https", 443, "example.org", HTTPS_TYPE, 443),
            ("HTTPS", 8443, "_8443._https.example.org", HTTPS_TYPE, 8443),
            ("https", 80, "_80._https.example.org", HTTPS_TYPE, 80),
            ("wss", None, "example.org", HTTPS_TYPE, 443),
            ("wss", 8443, "_8443._https.example.org", HTTPS_TYPE, 8443),
            ("dns", None, "_dns.example.org", SVCB_TYPE, 53),
            ("dns", 5353, "_5353._dns.example.org", SVCB_TYPE, 5353),
            ("foo", 99, "_99._foo.example.org", SVCB_TYPE, 99),
        ):
            self.assertEqual(
                questionFor(scheme, "example.org", port), (nameFromText(name), rrType, meant), (scheme, port)
            )

    def test_refused(self) -> None:
        """
        What cannot be asked is told: no scheme, no port, no name; and schemes without TLS, which records never are for.
        """
        for scheme, host, port in (
            ("http", "example.org", None),
            ("ws", "example.org", 80),
            ("foo", "example.org", None),
            ("https", "example.org", 0),
            ("https", "example.org", 65536),
            ("", "example.org", 1),
            ("a.b", "example.org", 1),
            ("x" * 63, "example.org", 1),
            ("https", "a..b", None),
            ("https", "", None),
            ("h\u00e9", "example.org", 1),
        ):
            self.assertRaises(CallerFault, questionFor, scheme, host, port)


class BindingTests(SynchronousTestCase):
    """
    Tests of L{Binding}.
    """

    def bind(
        self,
        zone: dict[str, list[bytes]],
        scheme: str = "https",
        host: str = "example.org",
        port: int | None = None,
        protocols: Collection[str] | None = None,
        understood: Collection[int] = (),
        fallback: bool = True,
        seed: int = 1,
    ) -> list[Target]:
        """
        @param zone: records by owner.
        """
        binding = Binding(scheme, host, port, Random(seed), protocols=protocols, understood=understood)
        self.asked = [nameToText(binding.name, final=False)]
        while not binding.done:
            owner = nameToText(binding.name, final=False)
            binding.learned(binding.name, zone.get(owner, []))
            if not binding.done:
                self.asked.append(nameToText(binding.name, final=False))
        return binding.targets(fallback)

    def find(
        self,
        *texts: str,
        protocols: Collection[str] | None = None,
        understood: Collection[int] = (),
        fallback: bool = True,
        seed: int = 1,
    ) -> list[str]:
        """
        @return: the targets for these records.
        """
        zone = {"example.org": rdatas(*texts)}
        found = self.bind(zone, protocols=protocols, understood=understood, fallback=fallback, seed=seed)
        return [str(target) for target in found]

    def test_service(self) -> None:
        """
        A record in service mode says host, port, protocols and addresses to begin with; the host itself comes behind all of them.
        """
        first, last = self.bind(
            {
                "example.org": rdatas(
                    "1 svc.example. alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1"
                )
            }
        )
        self.assertEqual((first.host, first.port, first.priority), ("svc.example", 8443, 1))
        self.assertEqual(first.alpn, ("h2", "h3", "http/1.1"))
        self.assertEqual((first.addresses[0], sorted(first.addresses[1:])), ("2001:db8::1", ["192.0.2.1", "192.0.2.2"]))
        self.assertEqual(first.parameters[3], b"\x20\xfb")
        self.assertEqual(last, Target("example.org", 443, BEHIND + 1))

    def test_hints(self) -> None:
        """
        Addresses of a family come in any order (RFC 9460, section 7.3).
        """
        zone = {"example.org": rdatas("1 a.example. ipv4hint=192.0.2.1,192.0.2.2")}
        seen = Counter(self.bind(zone, seed=seed)[0].addresses[0] for seed in range(1000))
        self.assertTrue(all(400 < count < 600 for count in seen.values()) and len(seen) == 2, seen)

    def test_priorities(self) -> None:
        """
        Lower priorities come first, those of one in any order.
        """
        self.assertEqual(
            self.find("9 c.example.", "1 a.example.", "5 b.example.", fallback=False),
            ["a.example:443", "b.example:443", "c.example:443"],
        )
        firsts = Counter(self.find("1 a.example.", "1 b.example.", seed=seed)[0] for seed in range(1000))
        self.assertTrue(all(400 < count < 600 for count in firsts.values()) and len(firsts) == 2, firsts)

    def test_itself(self) -> None:
        """
        The root as target is the owner: the name behind aliases, or the one with the prefix (RFC 9460, section 2.5.2). What is there
        already is not added again.
        """
        self.assertEqual(self.find("1 . alpn=h2"), ["example.org:443"])
        found = self.bind({"_8443._https.example.org": rdatas("1 .")}, port=8443)
        self.assertEqual([str(target) for target in found], ["_8443._https.example.org:8443", "example.org:8443"])
        binding = Binding("https", "example.org", None, Random(1))
        binding.learned(nameFromText("cdn.example"), rdatas("1 ."), 1)
        self.assertEqual([str(target) for target in binding.targets()], ["cdn.example:443", "example.org:443"])

    def test_aliases(self) -> None:
        """
        An alias is followed with the same type and the same port, and where it leads is tried before the host itself
        (RFC 9460, section 3).
        """
        zone = {
            "example.org": rdatas("0 a.example."),
            "a.example": rdatas("0 b.example."),
            "b.example": rdatas("1 . port=99"),
        }
        self.assertEqual(
            [str(target) for target in self.bind(zone)], ["b.example:99", "b.example:443", "example.org:443"]
        )
        self.assertEqual(self.asked, ["example.org", "a.example", "b.example"])
        del zone["b.example"]
        found = self.bind(zone)
        self.assertEqual(found, [Target("b.example", 443, BEHIND), Target("example.org", 443, BEHIND + 1)])

    def test_aliasAlone(self) -> None:
        """
        Beside an alias, records in service mode do not count; of several aliases one is drawn (RFC 9460, section 2.4.2).
        """
        self.assertEqual(self.find("0 a.example.", "1 b.example."), ["a.example:443", "example.org:443"])
        seen = Counter(self.find("0 a.example.", "0 b.example.", seed=seed)[0] for seed in range(1000))
        self.assertTrue(all(400 < count < 600 for count in seen.values()) and len(seen) == 2, seen)

    def test_aliasParameters(self) -> None:
        """
        Parameters of an alias mean nothing.
        """
        self.assertEqual(self.find("0 a.example. port=99 mandatory=port"), ["a.example:443", "example.org:443"])

    def test_notOffered(self) -> None:
        """
        An alias to the root says that there is no such service (RFC 9460, section 2.5.1).
        """
        self.assertRaises(NotOffered, self.find, "0 .")

    def test_loops(self) -> None:
        """
        A loop ends as if there had been no record at all (RFC 9460, section 3.1).
        """
        for zone in (
            {"example.org": rdatas("0 example.org.")},
            {"example.org": rdatas("0 a.example."), "a.example": rdatas("0 EXAMPLE.org.")},
            {
                "example.org": rdatas("0 a.example."),
                "a.example": rdatas("0 b.example."),
                "b.example": rdatas("0 A.example."),
            },
        ):
            self.assertEqual(self.bind(zone), [Target("example.org", 443, BEHIND + 1)])
            self.assertRaises(UnusableRecords, self.bind, zone, fallback=False)

    def test_chains(self) -> None:
        """
        As many aliases are followed as may be, and no more; CNAME records count.
        """
        most = int(SERVICE_ALIASES.default)
        zone = {f"h{number}.example": rdatas(f"0 h{number + 1}.example.") for number in range(most)}
        zone[f"h{most}.example"] = rdatas("1 end.example.")
        self.assertEqual(self.bind(zone, host="h0.example")[0].host, "end.example")
        self.assertEqual(len(self.asked), most + 1)
        zone["before.example"] = rdatas("0 h0.example.")
        self.assertEqual(self.bind(zone, host="before.example"), [Target("before.example", 443, BEHIND + 1)])
        self.assertEqual(len(self.asked), most + 1)
        with patch.object(bindingModule, "SERVICE_ALIASES", Limit(most + 1, 1, most + 1)):
            self.assertEqual(self.bind(zone, host="before.example")[0].host, "end.example")
        endless = Binding("https", "example.org", None, Random(1))
        steps = 0
        while not endless.done:
            steps += 1
            endless.learned(nameFromText(f"alias{steps}.example"), rdatas(f"0 h{steps}.example."), 3)
        self.assertEqual(steps, most // 4 + 1)

    def test_mandatory(self) -> None:
        """
        A record with a mandatory parameter that nobody understands is not for us; one that the caller understands is.
        """
        text = "1 a.example. mandatory=key9999 key9999=x"
        self.assertEqual(
            self.find(text, "2 b.example. mandatory=alpn,port alpn=h2 port=1"), ["b.example:1", "example.org:443"]
        )
        self.assertEqual(self.find(text, understood=(9999,)), ["a.example:443", "example.org:443"])
        self.assertEqual(self.find("1 a.example. mandatory=ech ech=AAAA"), ["example.org:443"])
        self.assertEqual(self.find("1 a.example. ech=AAAA"), ["a.example:443", "example.org:443"])

    def test_protocols(self) -> None:
        """
        Records for protocols that the caller does not speak are left out; the default one counts unless it is excluded.
        """
        spoken = ("h2", "http/1.1")
        (first, _) = self.bind({"example.org": rdatas("1 a.example. alpn=h3,h2")}, protocols=spoken)
        self.assertEqual(first.alpn, ("h2", "http/1.1"))
        self.assertEqual(
            self.find("1 a.example. alpn=h3 no-default-alpn", "2 b.example. alpn=h3", protocols=spoken),
            ["b.example:443", "example.org:443"],
        )
        self.assertEqual(self.find("1 a.example. alpn=h3 no-default-alpn"), ["a.example:443", "example.org:443"])
        self.assertEqual(self.find("1 a.example.", protocols=("h2",)), ["example.org:443"])
        found = self.bind(
            {"_dns.example.org": rdatas("1 a.example. alpn=dot", "2 b.example.")}, scheme="dns", protocols=("dot",)
        )
        self.assertEqual([target.alpn for target in found], [("dot",), (), ()])

    def test_strangeProtocols(self) -> None:
        """
        A protocol whose name is no text of ASCII is none that anybody here speaks.
        """
        self.assertEqual(self.find(r"1 a.example. alpn=\255 no-default-alpn"), ["example.org:443"])
        (first, _) = self.bind({"example.org": rdatas(r"1 a.example. alpn=\255,h2")})
        self.assertEqual(first.alpn, ("h2", "http/1.1"))

    def test_unusable(self) -> None:
        """
        Port 0, and targets that are no names of hosts, lead nowhere.
        """
        self.assertEqual(self.find("1 a.example. port=0", "2 127.0.0.1.", r"3 a\000b."), ["example.org:443"])
        self.assertRaises(UnusableRecords, self.find, "1 a.example. port=0", fallback=False)
        self.assertEqual(self.find("0 127.0.0.1."), ["example.org:443"])

    def test_malformed(self) -> None:
        """
        One malformed record voids all of them (RFC 9460, section 2.2).
        """
        good = rdatas("1 a.example.")
        for bad in (b"", b"\x00\x02", b"\x00\x02\x00\x00\x03\x00\x01\x00", b"\x00\x02\x00\x00\x00\x00\x02\x00\x05"):
            self.assertEqual([target.host for target in self.bind({"example.org": [*good, bad]})], ["example.org"], bad)

    def test_bounded(self) -> None:
        """
        Targets and addresses beyond what may be are left out.
        """
        hints = ",".join(f"192.0.2.{number}" for number in range(200))
        found = self.bind(
            {"example.org": rdatas(*[f"{number} h{number}.example. ipv4hint={hints}" for number in range(1, 500)])},
            fallback=False,
        )
        self.assertEqual(len(found), SERVICE_TARGETS.default)
        self.assertTrue(all(len(target.addresses) == SERVICE_HINTS.default for target in found))

    def test_host(self) -> None:
        """
        Hosts of other scripts are asked for, and tried, in the form that DNS has; what is none is told.
        """
        self.assertEqual(self.bind({}, host="b\u00fccher.example")[0].host, "xn--bcher-kva.example")
        self.assertRaises(BadName, self.bind, {}, host="a b")
        self.assertEqual(self.bind({}, host="example.org.")[0].host, "example.org")

    @given(st.lists(st.binary(max_size=40), max_size=4), st.integers(0, 100))
    def test_anything(self, octets: list[bytes], seed: int) -> None:
        """
        Whatever the records' octets, there is something to connect to, or it is told that the service is not offered.
        """
        try:
            found = self.bind({"example.org": octets}, seed=seed)
        except NotOffered:
            return
        self.assertTrue(found)
        self.assertTrue(all(target.host and 0 < target.port < 65536 for target in found))
