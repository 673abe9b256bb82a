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
from twisted_ext.discovery.svcb import ServiceBinding, questionFor
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
    Return the rdata of these records.

    @param texts: records as in zone files.
    """
    return [HTTPS.fromText(text).wire for text in texts]


class QuestionTests(SynchronousTestCase):
    """
    Tests of L{questionFor}.
    """

    def test_questionNamesAndPrefixes(self) -> None:
        """
        HTTPS at its default port is looked up at the host itself, and all else under prefixed names (RFC 9460, sections 2.3 and 9.1).
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

    def test_invalidQuestionIsRefused(self) -> None:
        """
        An invalid scheme, port or name is refused, and so are schemes without TLS, which have no such records.
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
    Tests of L{ServiceBinding}.
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
        Return the targets.

        @param zone: records by owner.
        """
        binding = ServiceBinding(scheme, host, port, Random(seed), protocols=protocols, understood=understood)
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
        Return the targets of these records as text.
        """
        zone = {"example.org": rdatas(*texts)}
        found = self.bind(zone, protocols=protocols, understood=understood, fallback=fallback, seed=seed)
        return [str(target) for target in found]

    def test_serviceRecordGivesTarget(self) -> None:
        """
        A record in ServiceMode gives host, port, protocols and address hints; the host itself comes last.
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

    def test_hintsAreShuffled(self) -> None:
        """
        Address hints of a family come in random order (RFC 9460, section 7.3).
        """
        zone = {"example.org": rdatas("1 a.example. ipv4hint=192.0.2.1,192.0.2.2")}
        counts = Counter(self.bind(zone, seed=seed)[0].addresses[0] for seed in range(1000))
        self.assertTrue(all(400 < count < 600 for count in counts.values()) and len(counts) == 2, counts)

    def test_lowerPrioritiesComeFirst(self) -> None:
        """
        Lower priorities come first; those of one priority come in random order.
        """
        self.assertEqual(
            self.find("9 c.example.", "1 a.example.", "5 b.example.", fallback=False),
            ["a.example:443", "b.example:443", "c.example:443"],
        )
        firsts = Counter(self.find("1 a.example.", "1 b.example.", seed=seed)[0] for seed in range(1000))
        self.assertTrue(all(400 < count < 600 for count in firsts.values()) and len(firsts) == 2, firsts)

    def test_rootTargetIsTheOwner(self) -> None:
        """
        The root as target is the owner, behind aliases or with its prefix (RFC 9460, section 2.5.2). Duplicates are dropped.
        """
        self.assertEqual(self.find("1 . alpn=h2"), ["example.org:443"])
        found = self.bind({"_8443._https.example.org": rdatas("1 .")}, port=8443)
        self.assertEqual([str(target) for target in found], ["_8443._https.example.org:8443", "example.org:8443"])
        binding = ServiceBinding("https", "example.org", None, Random(1))
        binding.learned(nameFromText("cdn.example"), rdatas("1 ."), 1)
        self.assertEqual([str(target) for target in binding.targets()], ["cdn.example:443", "example.org:443"])

    def test_aliasesAreFollowed(self) -> None:
        """
        An alias is followed with the same type and port, and its target is tried before the host itself (RFC 9460, section 3).
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

    def test_aliasOverridesServiceRecords(self) -> None:
        """
        Records in ServiceMode beside an alias are ignored; one of several aliases is chosen at random (RFC 9460, section 2.4.2).
        """
        self.assertEqual(self.find("0 a.example.", "1 b.example."), ["a.example:443", "example.org:443"])
        counts = Counter(self.find("0 a.example.", "0 b.example.", seed=seed)[0] for seed in range(1000))
        self.assertTrue(all(400 < count < 600 for count in counts.values()) and len(counts) == 2, counts)

    def test_aliasParametersAreIgnored(self) -> None:
        """
        Parameters of an alias are ignored.
        """
        self.assertEqual(self.find("0 a.example. port=99 mandatory=port"), ["a.example:443", "example.org:443"])

    def test_aliasToRootMeansNotOffered(self) -> None:
        """
        An alias to the root means that there is no such service (RFC 9460, section 2.5.1).
        """
        self.assertRaises(NotOffered, self.find, "0 .")

    def test_aliasLoopCountsAsNoRecords(self) -> None:
        """
        An alias loop has the same result as no records (RFC 9460, section 3.1).
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

    def test_aliasChainIsBounded(self) -> None:
        """
        The number of aliases followed is bounded; CNAME records count.
        """
        limit = int(SERVICE_ALIASES.default)
        zone = {f"h{number}.example": rdatas(f"0 h{number + 1}.example.") for number in range(limit)}
        zone[f"h{limit}.example"] = rdatas("1 end.example.")
        self.assertEqual(self.bind(zone, host="h0.example")[0].host, "end.example")
        self.assertEqual(len(self.asked), limit + 1)
        zone["before.example"] = rdatas("0 h0.example.")
        self.assertEqual(self.bind(zone, host="before.example"), [Target("before.example", 443, BEHIND + 1)])
        self.assertEqual(len(self.asked), limit + 1)
        with patch.object(bindingModule, "SERVICE_ALIASES", Limit(limit + 1, 1, limit + 1)):
            self.assertEqual(self.bind(zone, host="before.example")[0].host, "end.example")
        endless = ServiceBinding("https", "example.org", None, Random(1))
        steps = 0
        while not endless.done:
            steps += 1
            endless.learned(nameFromText(f"alias{steps}.example"), rdatas(f"0 h{steps}.example."), 3)
        self.assertEqual(steps, limit // 4 + 1)

    def test_unknownMandatoryParameterSkipsRecord(self) -> None:
        """
        A record with an unknown mandatory parameter is skipped, unless the caller understands it.
        """
        text = "1 a.example. mandatory=key9999 key9999=x"
        self.assertEqual(
            self.find(text, "2 b.example. mandatory=alpn,port alpn=h2 port=1"), ["b.example:1", "example.org:443"]
        )
        self.assertEqual(self.find(text, understood=(9999,)), ["a.example:443", "example.org:443"])
        self.assertEqual(self.find("1 a.example. mandatory=ech ech=AAAA"), ["example.org:443"])
        self.assertEqual(self.find("1 a.example. ech=AAAA"), ["a.example:443", "example.org:443"])

    def test_otherProtocolsAreSkipped(self) -> None:
        """
        Records for protocols that the caller does not support are skipped; the default protocol counts unless it is excluded.
        """
        supported = ("h2", "http/1.1")
        (first, _) = self.bind({"example.org": rdatas("1 a.example. alpn=h3,h2")}, protocols=supported)
        self.assertEqual(first.alpn, ("h2", "http/1.1"))
        self.assertEqual(
            self.find("1 a.example. alpn=h3 no-default-alpn", "2 b.example. alpn=h3", protocols=supported),
            ["b.example:443", "example.org:443"],
        )
        self.assertEqual(self.find("1 a.example. alpn=h3 no-default-alpn"), ["a.example:443", "example.org:443"])
        self.assertEqual(self.find("1 a.example.", protocols=("h2",)), ["example.org:443"])
        found = self.bind(
            {"_dns.example.org": rdatas("1 a.example. alpn=dot", "2 b.example.")}, scheme="dns", protocols=("dot",)
        )
        self.assertEqual([target.alpn for target in found], [("dot",), (), ()])

    def test_nonASCIIProtocolIsIgnored(self) -> None:
        """
        A protocol name that is not ASCII is ignored.
        """
        self.assertEqual(self.find(r"1 a.example. alpn=\255 no-default-alpn"), ["example.org:443"])
        (first, _) = self.bind({"example.org": rdatas(r"1 a.example. alpn=\255,h2")})
        self.assertEqual(first.alpn, ("h2", "http/1.1"))

    def test_unusableTargetsAreSkipped(self) -> None:
        """
        Port 0 and invalid host names are skipped.
        """
        self.assertEqual(self.find("1 a.example. port=0", "2 127.0.0.1.", r"3 a\000b."), ["example.org:443"])
        self.assertRaises(UnusableRecords, self.find, "1 a.example. port=0", fallback=False)
        self.assertEqual(self.find("0 127.0.0.1."), ["example.org:443"])

    def test_malformedRecordVoidsAll(self) -> None:
        """
        One malformed record voids all of them (RFC 9460, section 2.2).
        """
        good = rdatas("1 a.example.")
        for bad in (b"", b"\x00\x02", b"\x00\x02\x00\x00\x03\x00\x01\x00", b"\x00\x02\x00\x00\x00\x00\x02\x00\x05"):
            self.assertEqual([target.host for target in self.bind({"example.org": [*good, bad]})], ["example.org"], bad)

    def test_targetsAndHintsAreBounded(self) -> None:
        """
        The numbers of targets and address hints are bounded.
        """
        hints = ",".join(f"192.0.2.{number}" for number in range(200))
        found = self.bind(
            {"example.org": rdatas(*[f"{number} h{number}.example. ipv4hint={hints}" for number in range(1, 500)])},
            fallback=False,
        )
        self.assertEqual(len(found), SERVICE_TARGETS.default)
        self.assertTrue(all(len(target.addresses) == SERVICE_HINTS.default for target in found))

    def test_internationalizedHost(self) -> None:
        """
        An internationalized host is used in its DNS form; an invalid one is refused.
        """
        self.assertEqual(self.bind({}, host="b\u00fccher.example")[0].host, "xn--bcher-kva.example")
        self.assertRaises(BadName, self.bind, {}, host="a b")
        self.assertEqual(self.bind({}, host="example.org.")[0].host, "example.org")

    @given(st.lists(st.binary(max_size=40), max_size=4), st.integers(0, 100))
    def test_anyRdataGivesTargetsOrNotOffered(self, octets: list[bytes], seed: int) -> None:
        """
        Any rdata gives targets, or means that the service is not offered.
        """
        try:
            found = self.bind({"example.org": octets}, seed=seed)
        except NotOffered:
            return
        self.assertTrue(found)
        self.assertTrue(all(target.host and 0 < target.port < 65536 for target in found))
