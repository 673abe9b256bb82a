"""
Tests of reading C{resolv.conf}.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.limits import CONFIGURED_SERVERS, SEARCH_DOMAINS
from twisted_ext.resolver.system.resolvconf import FLAGS, SYSTEM_RESOLV_CONF, ResolvConf, SystemConfiguration
from twisted_ext.wire.names import nameToText


def parse(text: str, environment: dict[str, str] | None = None, hostName: str = "") -> SystemConfiguration:
    """
    Return the configuration of a file with this text.
    """
    return SystemConfiguration.parse(text.encode(), environment, hostName)


def servers(configuration: SystemConfiguration) -> list[str]:
    """
    Return the servers as text.
    """
    return [server.label for server in configuration.servers]


def search(configuration: SystemConfiguration) -> list[str]:
    """
    Return the search list as text.
    """
    return [nameToText(domain) for domain in configuration.search]


class SystemConfigurationTests(SynchronousTestCase):
    """
    Tests for L{SystemConfiguration}.
    """

    def test_serversInOrderOfTheFile(self) -> None:
        """
        Servers of both families keep the order of the file, in any spelling, with scopes, each once.
        """
        configuration = parse(
            "nameserver 192.0.2.1\n"
            "nameserver\t2001:DB8:0:0:0::1   \n"
            "nameserver fe80::1%eth0\n"
            "nameserver 2001:db8::1\n"
            "nameserver [2001:db8::2]:5353\n"
            "nameserver 192.0.2.2 # the other one\n"
        )
        self.assertEqual(
            servers(configuration),
            ["192.0.2.1:53", "[2001:db8::1]:53", "[fe80::1%eth0]:53", "[2001:db8::2]:5353", "192.0.2.2:53"],
        )
        self.assertFalse(configuration.defaulted)
        self.assertEqual(str(configuration.complaints), "")

    def test_noServersMeansThisMachine(self) -> None:
        """
        This machine is asked if no server is named, as in Twisted, and the configuration says so.
        """
        for text in ("", "# nothing\n", "nameserver\n", "nameserver ns.example\n"):
            configuration = parse(text)
            self.assertEqual(servers(configuration), ["127.0.0.1:53"])
            self.assertTrue(configuration.defaulted)
            self.assertTrue(configuration.describe()["defaulted"])

    def test_serversAreLimited(self) -> None:
        """
        The number of servers is limited, and the excess is reported.
        """
        configuration = parse("".join([f"nameserver 192.0.2.{number}\n" for number in range(1, 100)]))
        self.assertEqual(len(configuration.servers), CONFIGURED_SERVERS.default)
        self.assertEqual(configuration.complaints.count, 99 - CONFIGURED_SERVERS.default)

    def test_lastOfSearchAndDomainCounts(self) -> None:
        """
        The last C{search} or C{domain} line counts.
        """
        self.assertEqual(search(parse("domain a.example\nsearch b.example C.example.\n")), ["b.example.", "c.example."])
        self.assertEqual(search(parse("search b.example c.example\ndomain a.example x\n")), ["a.example."])
        self.assertEqual(search(parse("search .\n")), ["."])

    def test_domainOfHostNameIsTheDefault(self) -> None:
        """
        The domain of the host name is searched if the file names none.
        """
        self.assertEqual(search(parse("", hostName="here.lab.example")), ["lab.example."])
        self.assertEqual(search(parse("", hostName="here")), [])
        self.assertEqual(search(parse("search b.example", hostName="here.lab.example")), ["b.example."])

    def test_searchListIsLimited(self) -> None:
        """
        The search list is limited, not counting duplicates.
        """
        configuration = parse("search " + " ".join([f"d{number}.example d0.example" for number in range(100)]))
        self.assertEqual(len(configuration.search), SEARCH_DOMAINS.default)
        self.assertEqual(configuration.complaints.count, 100 - SEARCH_DOMAINS.default)

    def test_numericOptionsAreClamped(self) -> None:
        """
        Numeric options are clamped to the ranges of the C library.
        """
        configuration = parse("options ndots:3 timeout:7\noptions attempts:4\n")
        self.assertEqual((configuration.ndots, configuration.timeout, configuration.attempts), (3, 7, 4))
        configuration = parse("options ndots:99 timeout:0 attempts:99999999999999999999\n")
        self.assertEqual((configuration.ndots, configuration.timeout, configuration.attempts), (15, 1, 5))
        configuration = parse("")
        self.assertEqual((configuration.ndots, configuration.timeout, configuration.attempts), (1, None, None))

    def test_everyFlagIsUnderstood(self) -> None:
        """
        Every flag of the C library is understood.
        """
        configuration = parse(f"options {' '.join(FLAGS)}\n")
        self.assertEqual(configuration.flags, set(FLAGS))
        self.assertEqual(configuration.complaints.count, 0)
        for flag in (
            "rotate no-check-names inet6 edns0 single-request single-request-reopen no-tld-query use-vc no-reload trust-ad no-aaaa"
        ).split():
            self.assertIn(flag, FLAGS)

    def test_environmentOverridesTheFile(self) -> None:
        """
        C{LOCALDOMAIN} overrides the search list, and C{RES_OPTIONS} overrides the options.
        """
        text = "search b.example\noptions ndots:2 rotate\n"
        configuration = parse(text, {"LOCALDOMAIN": "x.example y.example", "RES_OPTIONS": "ndots:4 use-vc -rotate"})
        self.assertEqual(search(configuration), ["x.example.", "y.example."])
        self.assertEqual((configuration.ndots, configuration.flags), (4, {"use-vc"}))
        self.assertEqual(search(parse(text, {"LOCALDOMAIN": ""})), [])

    def test_environmentReplacesTheServers(self) -> None:
        """
        C{TXDNS_NAMESERVERS} replaces the servers of the system's file, also if it names none; what is not an address is reported.
        """
        for text in ("nameserver 192.0.2.1\n", ""):
            configuration = parse(text, {"TXDNS_NAMESERVERS": "127.0.0.1:5301 here [::1]:53"})
            self.assertEqual([server.label for server in configuration.servers], ["127.0.0.1:5301", "[::1]:53"])
            self.assertFalse(configuration.defaulted)
            self.assertEqual(configuration.describe()["variable"], "TXDNS_NAMESERVERS")
            self.assertIn("'here' is not an IP address", str(configuration.complaints))
        self.assertEqual([server.address for server in parse("nameserver 192.0.2.1\n", {"TXDNS_NAMESERVERS": " "}).servers], ["192.0.2.1"])

    def test_environmentDoesNotReplaceNamedFile(self) -> None:
        """
        C{TXDNS_NAMESERVERS} does not apply to a file that a program names, unlike C{LOCALDOMAIN}.
        """
        path = self.mktemp()
        Path(path).write_text("nameserver 192.0.2.1\n")
        environment = {"TXDNS_NAMESERVERS": "192.0.2.2", "LOCALDOMAIN": "x.example"}
        configuration = ResolvConf(path, environment).configuration
        self.assertEqual([server.address for server in configuration.servers], ["192.0.2.1"])
        self.assertEqual(search(configuration), ["x.example."])
        system = ResolvConf(SYSTEM_RESOLV_CONF, environment).configuration
        self.assertEqual([server.address for server in system.servers], ["192.0.2.2"])

    def test_sortlistWithMasks(self) -> None:
        """
        A sort list is understood with masks of every form, up to ten entries.
        """
        configuration = parse(
            "sortlist 130.155.160.0/255.255.240.0 130.155.0.0 10.0.0.1 192.0.2.0/28 300.1.2.3 1.2.3.4/x 1.2.3.4/33\n"
        )
        self.assertEqual(
            [(address.hex("."), mask.hex(".")) for address, mask in configuration.sortlist],
            [
                ("82.9b.a0.00", "ff.ff.f0.00"),
                ("82.9b.00.00", "ff.ff.00.00"),
                ("0a.00.00.01", "ff.00.00.00"),
                ("c0.00.02.00", "ff.ff.ff.f0"),
            ],
        )
        self.assertEqual(configuration.complaints.count, 3)
        self.assertEqual(len(parse("sortlist " + "10.0.0.0 " * 20).sortlist), 10)

    def test_badLinesAreReported(self) -> None:
        """
        Lines that are not understood are skipped and reported.
        """
        configuration = parse(
            "; comment\n"
            "nameserver ns.example\n"
            "nameserver 192.0.2.1 192.0.2.2\n"
            "servers 192.0.2.3\n"
            "options ndots ndots:x colour timeout:\n"
            "domain\n"
            "search a..example ok.example\n"
        )
        self.assertEqual(servers(configuration), ["192.0.2.1:53"])
        self.assertEqual(search(configuration), ["ok.example."])
        self.assertEqual(
            [text.partition(":")[0] for text in configuration.complaints.texts],
            ["line 2", "line 3", "line 4", "line 5", "line 5", "line 5", "line 5", "line 6", "line 7"],
        )
        self.assertIn("'ns.example' is not an IP address", str(configuration.describe()["complaints"]))

    @given(
        st.one_of(
            st.binary(max_size=400),
            st.lists(
                st.sampled_from(
                    "nameserver search domain options sortlist ndots:3 192.0.2.1 ::1 % / . # \n \t \xff [".split(" ")
                ),
                max_size=40,
            ).map(lambda words: " ".join(words).encode("latin-1")),
        )
    )
    def test_arbitraryFileHasServers(self, data: bytes) -> None:
        """
        An arbitrary file leads to a configuration with servers.
        """
        configuration = SystemConfiguration.parse(data, {"RES_OPTIONS": data.decode("latin-1")}, "here.example")
        self.assertTrue(configuration.servers)
        configuration.describe()
