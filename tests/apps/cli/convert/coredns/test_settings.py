"""
Tests of the conversion of a C{Corefile}.
"""

from __future__ import annotations

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from tests.apps.cli.convert.optionnames import COREDNS
from twisted_ext.apps.cli.convert.command import tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity
from twisted_ext.apps.cli.convert.coredns.settings import HANDLED
from twisted_ext.apps.cli.convert.coredns.templates import OUTCOMES
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []


def _converted(text: str, files: dict[str, str] | None = None) -> Converted:
    return converted("coredns", text, files)


def test_everyPluginIsKnown() -> None:
    """
    Each plugin of CoreDNS's own is converted, or known with a reason.
    """
    assert [name for name in COREDNS if name not in HANDLED and name not in OUTCOMES] == []


def test_zonesOfServersAreRoutes() -> None:
    """
    The server of all names has the upstream, the others are routes; everyone is answered, and nothing is cached unless said.
    """
    values = _converted(
        ".:5300 {\n forward . 9.9.9.9 tls://1.1.1.1 {\n  tls_servername one.example\n }\n}\n"
        "corp.example:5300 10.0.0.0/8:5300 {\n forward . 192.0.2.53:5353\n}\n"
    ).values
    assert values["upstream"] == ["race:(udp:9.9.9.9):(tls:1.1.1.1#one.example)"]
    assert values["route"] == ["corp.example.=udp:192.0.2.53@5353", "10.in-addr.arpa.=udp:192.0.2.53@5353"]
    assert (values["port"], values["allow"], values["cache"], values["role"]) == (5300, ["any"], False, "forward")


def test_withoutAServerOfAllNamesOtherNamesAreNotForwarded() -> None:
    """
    Names that no server has are asked of no upstream.
    """
    values = _converted("a.example {\n forward . 192.0.2.1\n}\nb.example {\n forward . 192.0.2.2\n}\n").values
    assert values["upstream"] == ["route:a.example.=(udp:192.0.2.1):b.example.=(udp:192.0.2.2)"]


def test_zonesAreServed() -> None:
    """
    file, auto and secondary are zones, with the clients and servers of transfer.
    """
    values = _converted(
        "example.org {\n root /zones\n file db.org {\n  reload 1m\n }\n transfer {\n  to *\n  to 192.0.2.2 [2001:db8::2]:5353\n }\n}\n"
        "example.net {\n secondary {\n  transfer from 192.0.2.1:5353\n }\n}\n. {\n auto {\n  directory auto\n }\n}\n",
        {"/zones/auto/db.example.com": "", "/zones/auto/README": ""},
    ).values
    assert values["zone"] == [
        {
            "name": "example.org.", "file": "/zones/db.org", "allow-transfer": ["any", "192.0.2.2/32", "2001:db8::2/128"],
            "notify": ["192.0.2.2", "[2001:db8::2]:5353"],
        },
        {"name": "example.net.", "primaries": ["192.0.2.1:5353"]},
        {"name": "example.com.", "file": "/zones/auto/db.example.com"},
    ]  # fmt: skip
    assert values["role"] == "serve"


def test_hostsAreLocalRecords() -> None:
    """
    Addresses in the Corefile are local records; without fallthrough their zone is only here.
    """
    values = _converted("lan {\n hosts /dev/null {\n  192.168.1.2 nas.lan disk.lan\n  2001:db8::2 nas.lan\n  ttl 60\n }\n}\n").values
    assert values["local"] == ["nas.lan. A 192.168.1.2", "disk.lan. A 192.168.1.2", "nas.lan. AAAA 2001:db8::2"]
    assert (values["local-domain"], values["local-ttl"], values["hosts-file"]) == (["lan."], 60, ["/dev/null"])


def test_templatesOfWholeZones() -> None:
    """
    A template that answers all names of a zone alike is a wildcard, or a local domain; others are listed.
    """
    result = _converted(
        'dev.lan {\n template IN A {\n  answer "{{ .Name }} 60 IN A 192.0.2.1"\n }\n}\n'
        "ads.example {\n template ANY ANY {\n  rcode NXDOMAIN\n }\n}\n"
        ". {\n template IN AAAA {\n  rcode NOERROR\n }\n}\n"
        'x {\n template IN A {\n  match "^(?P<a>.*)[.]x[.]$"\n  answer "{{ .Name }} 60 IN A {{ .Group.a }}"\n }\n}\n'
    )
    assert result.values["local"] == ["dev.lan. 60 A 192.0.2.1", "*.dev.lan. 60 A 192.0.2.1"]
    assert (result.values["local-domain"], result.values["filter-aaaa"]) == (["ads.example."], True)
    assert [finding.place.line for finding in result.findings if finding.severity is Severity.MISSING] == [17]


def test_otherTypesOfTemplates() -> None:
    """
    A template of one type leaves the others to the plugin forward; hosts does not, and this server has one rule for both.
    """
    template = 'dev.lan {\n template IN A {\n  answer "{{ .Name }} 60 IN A 192.0.2.1"\n }\n forward . 198.18.0.1\n}\n'
    result = _converted(template)
    assert result.values["forward-other-types"] is True
    assert "forward-other-types" not in _converted(template.replace(" forward . 198.18.0.1\n", "")).values
    hosts = "lan {\n hosts /dev/null {\n  192.168.1.2 nas.lan\n  fallthrough\n }\n forward . 198.18.0.1\n}\n"
    assert "forward-other-types" not in _converted(hosts).values
    both = [finding.reason for finding in _converted(template + hosts).findings]
    assert "other types of its names are looked up, as with template" in both


def test_cachingLoggingAndMetrics() -> None:
    """
    The bounds of cache, the query log, metrics, CHAOS and NSID have settings.
    """
    values = _converted(
        ". {\n cache 30 {\n  denial 1000 10\n  serve_stale 2h\n }\n log\n prometheus :9153\n chaos mine\n nsid me\n"
        " timeouts {\n  idle 20s\n }\n}\n"
    ).values
    assert (values["max-ttl"], values["max-negative-ttl"], values["stale"]) == (30, 10, 7200)
    assert (values["query-log"], values["http"], values["version-bind"], values["nsid"]) == (True, "0.0.0.0:9153", "mine", "me")
    assert (values["tcp-idle"], "cache" in values) == (20.0, False)


def test_accessLists() -> None:
    """
    An access list of all names says who is answered.
    """
    values = _converted(". {\n acl {\n  allow net 192.168.0.0/16\n  drop net 192.0.2.66\n  block\n }\n}\n").values
    assert (values["allow"], values["drop"]) == (["192.168.0.0/16"], ["192.0.2.66/32"])


def test_theFirstRuleOfAnAccessListDecides() -> None:
    """
    What a rule says of clients that one before it names has no effect, and a list of one zone is never looser for others.
    """
    forward = " forward . 192.0.2.53\n}\n"
    result = _converted(". {\n acl {\n  allow net 10.1.0.0/16\n  block net 10.0.0.0/8\n  allow net 10.0.1.0/24\n }\n" + forward)
    assert (result.texts("allow"), result.texts("refuse")) == (["any", "10.1.0.0/16"], ["10.0.0.0/8"])
    result = _converted(". {\n acl {\n  block\n }\n" + forward)
    assert (result.values["allow"], result.texts("refuse")) == ([], [])
    result = _converted("a.example {\n file a\n acl {\n  filter net 10.0.0.0/8\n }\n}\n. {\n" + forward)
    assert (result.texts("allow"), result.texts("refuse")) == (["any"], ["10.0.0.0/8"])
    # CoreDNS does not start with it.
    assert _converted(". {\n acl {\n  allow 10.0.0.0/8\n  block\n }\n" + forward).values["allow"] == []
    assert [line for line in linesOf(result) if "not told apart by zone" in line and "are refused" not in line]


def test_transfersOfTheZonesThatAreNamed() -> None:
    """
    A transfer for one zone opens no other zone of the same server.
    """
    text = "a.example b.example {\n auto {\n }\n file z a.example b.example\n transfer b.example {\n  to *\n }\n}\n"
    zones = _converted(text).values["zone"]
    assert isinstance(zones, list)
    assert {zone["name"]: zone.get("allow-transfer") for zone in zones} == {"a.example.": None, "b.example.": ["any"]}


def test_otherServersAfterAnAnswer() -> None:
    """
    What asks other servers after an answer with some response code has no counterpart.
    """
    result = _converted(". {\n forward . 192.0.2.53 {\n  next NXDOMAIN\n  max_fails 3\n }\n}\n")
    assert [finding.place.directive for finding in result.findings if finding.severity is Severity.MISSING] == ["next NXDOMAIN"]


def test_encryptedServers() -> None:
    """
    Schemes are listeners, with the certificate of tls.
    """
    values = _converted("tls://. https://.:8443 dns://. {\n tls c.pem k.pem\n forward . 9.9.9.9\n}\n").values
    assert (values["tls"], values["https"]) == (["any:853"], ["any:8443"])
    assert (values["certificate"], values["key"]) == (["/etc/c.pem"], ["/etc/k.pem"])


def test_snippetsAndVariables(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Snippets are put in with their arguments, and variables with their values, which is noted.
    """
    monkeypatch.setenv("TXDNS_TEST_UPSTREAM", "192.0.2.7")
    monkeypatch.delenv("TXDNS_TEST_UNSET", raising=False)
    result = _converted(
        "(up) {\n forward {args[0]} {$TXDNS_TEST_UPSTREAM}\n log\n}\n. {\n import up .\n chaos {$TXDNS_TEST_UNSET}\n}\n"
    )
    assert (result.values["upstream"], result.values["query-log"]) == (["udp:192.0.2.7"], True)
    assert any("the variable TXDNS_TEST_UNSET is not set here" in line for line in linesOf(result))


def test_importedFilesAreServersOrPlugins() -> None:
    """
    import takes a file of servers outside of a block, and of plugins inside.
    """
    files = {"/etc/zones.conf": "a {\n file a.db\n}\n", "/etc/common.conf": "log\n"}
    values = _converted("import zones.conf\n. {\n import common.conf\n forward . 9.9.9.9\n}\n", files).values
    assert values["zone"] == [{"name": "a.", "file": "/etc/a.db"}]
    assert values["query-log"] is True


def test_pluginsOfClustersAndOthersAreListed() -> None:
    """
    What this server does not do is listed, as are plugins that are not CoreDNS's own.
    """
    result = _converted(".:53 {\n errors\n kubernetes cluster.local {\n  pods insecure\n }\n sqlite x.db\n forward . 9.9.9.9\n}\n")
    assert [finding.place.line for finding in result.findings if finding.severity is Severity.MISSING] == [3, 6]


@pytest.mark.parametrize(
    "text", ["", "{", "}", "}}", ". {", ". { {", "a,\n", "import", "( ) {\n}", ". {\n forward\n}", ". {\n cache x y {\n", '"']
)
def test_brokenFilesAreConverted(text: str) -> None:
    """
    What is not valid becomes findings, and the settings remain valid.
    """
    valuesFromTOML(tomlOf(_converted(text)), "/etc/txdns.toml")


def test_addressesForClientsWithoutIPv4() -> None:
    """
    IPv6 addresses are made as by the plugin, but for clients that ask over IPv4 as well.
    """
    result = _converted(". {\n forward . 192.0.2.1\n dns64\n}\n")
    assert result.values["dns64"] == ["64:ff9b::/96"]
    assert any("clients that ask over IPv4 get addresses as well" in line for line in linesOf(result))
    result = _converted(". {\n forward . 192.0.2.1\n dns64 {\n prefix 2001:db8::/96\n translate_all\n allow_ipv4\n }\n}\n")
    assert (result.values["dns64"], result.values["dns64-ignore-aaaa"]) == (["2001:db8::/96"], ["."])
    assert not any("over IPv4" in line for line in linesOf(result))
