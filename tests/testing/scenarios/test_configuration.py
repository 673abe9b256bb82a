"""
Tests of the configurations in scenarios.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_ext.testing.scenarios.configuration import BadScenario, Configuration
from twisted_ext.testing.scenarios.reading import parseScenario

_REST = "CONFIG_END\nSCENARIO_BEGIN\nSCENARIO_END\n"

#: A configuration in the form of unbound.conf.
_UNBOUND = """
# a comment
server:
    trust-anchor: "example. 3600 IN DS 31589 8 1 3490A6806D47F17A34C29E2CE80E8A999FFBE4BE ;{id = 1}" # another
    trust-anchor: "example. DNSKEY 257 3 8 AwEAAQ=="
    val-override-date: "20181130121750"
    target-fetch-policy: "0 0 0 0 0"
    qname-minimisation: yes
    qname-minimisation-strict: yes
    access-control: 192.0.2.0/24 allow_cookie
    val-nsec3-keysize-iterations: "1024 150 2048 500"
    domain-insecure: "insecure.example"
stub-zone:
    name: "."
    stub-addr: 193.0.14.129   # K.ROOT-SERVERS.NET.
    stub-addr: 2001:7fd::1
stub-zone: name: example stub-addr: 192.0.2.1@5301 stub-host: ns.example.net.
forward-zone:
    name: "example.org"
    forward-first: yes
    forward-addr: 192.0.2.2
"""


def configurationIn(text: str) -> Configuration:
    return parseScenario(text + _REST).configuration


class ConfigurationTests(SynchronousTestCase):
    """
    Tests for L{Configuration}.
    """

    def test_clausesAreRead(self) -> None:
        """
        The form of unbound.conf is read, with its zones, and without quotes and comments.
        """
        found = configurationIn(_UNBOUND)
        self.assertEqual(found.hints, {"k.root-servers.net.": ["193.0.14.129", "2001:7fd::1"]})
        self.assertEqual(found.rootAddresses, ["193.0.14.129", "2001:7fd::1"])
        self.assertEqual(found.stubs, {"example.": ["192.0.2.1", "ns.example.net."]})
        self.assertEqual(found.forwarders, {"example.org.": ["192.0.2.2"]})
        self.assertEqual(
            found.anchors,
            ["example. 3600 IN DS 31589 8 1 3490A6806D47F17A34C29E2CE80E8A999FFBE4BE", "example. DNSKEY 257 3 8 AwEAAQ=="],
        )
        self.assertEqual((found.today, found.insecure), (1543580270.0, ["insecure.example"]))
        self.assertEqual((found.minimize, found.strict), (True, True))
        self.assertEqual(found.iterations, {1024: 150, 2048: 500})
        self.assertEqual(found.accessControl, [("192.0.2.0/24", "allow_cookie")])

    def test_otherSettingsAreKept(self) -> None:
        """
        Other settings are kept with their lines, those of zones with the kind of zone.
        """
        self.assertEqual(
            configurationIn(_UNBOUND).others,
            {"target-fetch-policy": [(7, "0 0 0 0 0")], "forward-zone: forward-first": [(20, "yes")]},
        )

    def test_deckardsFormIsRead(self) -> None:
        """
        Without clauses, the stub is a root server, and the forwarder is for everything.
        """
        found = configurationIn(
            ";server:\nstub-addr: 1.2.3.4\nstub-name: ns.example\nforward-addr: 192.0.2.1\nval-override-timestamp: \"1437625000\"\n"
            "do-ip6: no\ndo-not-query-localhost: off\nharden-glue: \"no\"\nquery-minimization: off ; why\n"
            "features: a = 1; b\nfeature-list: policy=policy:add('x;y')\nfeature-list: policy=two\n"
        )
        self.assertEqual((found.hints, found.forwarders), ({"ns.example.": ["1.2.3.4"]}, {".": ["192.0.2.1"]}))
        self.assertEqual((found.ipv4, found.ipv6, found.queryLocalhost, found.hardenGlue), (True, False, True, False))
        self.assertEqual((found.minimize, found.today), (False, 1437625000.0))
        self.assertEqual(found.features, {"a": ["1"], "b": [""], "policy": ["policy:add('x;y')", "two"]})

    def test_defaultsAreThoseOfDeckard(self) -> None:
        """
        Without settings, both families are used, nothing is validated, and the choice about minimization is the resolver's.
        """
        found = configurationIn("")
        self.assertEqual((found.ipv4, found.ipv6, found.hardenGlue, found.queryLocalhost), (True, True, True, False))
        self.assertEqual((found.today, found.minimize, found.anchors, found.hints, found.others), (None, None, [], {}, {}))

    def test_filesAreKept(self) -> None:
        """
        Files for the resolver, which may contain what looks like settings, are kept beside the settings.
        """
        read = parseScenario("AUTOTRUST_FILE example.\nid: 1\nAUTOTRUST_END\nTEMPFILE_NAME z\nTEMPFILE_CONTENTS z\nTEMPFILE_END\n" + _REST)
        self.assertEqual(read.files, {"example.": ["id: 1"], "z": []})
        self.assertEqual(read.config, [])

    def test_errorsNameLineAndSetting(self) -> None:
        """
        The error of an invalid value names the line, the setting and what would be right.
        """
        for line, said in (
            ("val-override-date: 2018-11-30", "line 2: val-override-date: a number is expected instead of '2018-11-30'"),
            ("val-override-date: 20181330121750", "line 2: val-override-date: a date as YYYYMMDDHHMMSS"),
            ("do-ip6: maybe", "line 2: do-ip6: yes or no is expected instead of 'maybe'"),
            ("stub-addr: ns.example.", "line 2: stub-addr: an IP address is expected instead of 'ns.example.'"),
            ("trust-anchor: example. A 192.0.2.1", "line 2: trust-anchor: a DS or DNSKEY record is expected"),
            ("trust-anchor: example. DS 1 2", "line 2: trust-anchor: column 16"),
            ("val-nsec3-keysize-iterations: 1024", "line 2: val-nsec3-keysize-iterations: pairs"),
            ("feature-list: policy", "line 2: feature-list: NAME=VALUE is expected"),
            ("forward-zone:\nforward-addr: 192.0.2.1", "line 3: forward-addr: the forward-zone has no name"),
        ):
            error = self.assertRaises(BadScenario, configurationIn, f"\n{line}\n")
            self.assertIn(said, str(error))
            self.assertNotIn("\n", str(error))

    def test_configurationNeedsAnEnd(self) -> None:
        """
        A file without CONFIG_END is refused.
        """
        self.assertIn("line 3: no CONFIG_END", str(self.assertRaises(BadScenario, parseScenario, "do-ip6: no\n\n")))
