"""
Tests of L{twisted_ext.apps.cli.convert.adguard}.
"""

from __future__ import annotations

import sys

import pytest

from tests.apps.cli.convert.adguard.houses import EARLIER, SETTINGS
from tests.apps.cli.convert.folders import converted
from twisted_ext.apps.cli.convert.command import detected, tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity
from twisted_ext.errors import BadDescription
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.settings.tomlfile import valuesFromTOML

pytest.importorskip("yaml")


def said(found: Converted, severity: Severity) -> list[str]:
    """
    Return the directives of the findings of a severity.
    """
    return [each.place.directive for each in found.sortedFindings() if each.severity is severity]


def dns(text: str) -> Converted:
    """
    Convert keys of the table C{dns}, each on its line.
    """
    return converted("adguard", "dns:\n" + "".join([f"  {line}\n" for line in text.splitlines()]))


def test_detected() -> None:
    """
    The format is known by the name of the file, or by keys that no other one has.
    """
    for path, text in (("/x/AdGuardHome.yaml", ""), ("/x/adguardhome-old.yml", ""), ("/x/conf", SETTINGS), ("/x/conf", "user_rules: []\n")):
        found = detected(path, text)
        assert found is not None
        assert found.word == "adguard"
    assert detected("/x/conf.yaml", "server:\n  user_rules: []\n") is not None
    assert detected("/x/conf.yaml", "  schema_version: 3\n") is None


def test_upstreams() -> None:
    """
    Upstreams become descriptions, those for domains routes; each has the line that it comes from.
    """
    found = converted("adguard", SETTINGS)
    known = ":bootstrap=192.0.2.1,[2001:db8::1]"
    upstreams = [
        "udp:192.0.2.53",
        f"tls:dns.example{known}",
        "https://192.0.2.54/dns-query",
        f"https://doh.example:8443/dns-query:http3=only{known}",
        "quic:[2001:db8::53]@784",
        "tcp:192.0.2.55@5353",
    ]
    assert found.values["upstream"] == [*upstreams, "udp:192.0.2.99"]
    assert [place.line for place in found.places["upstream"]] == [15, 16, 17, 18, 19, 20, 31]
    routes = dict(each.split("=", 1) for each in found.texts("route"))
    assert routes["lan"] == routes["corp.example"] == "chain:(udp:192.168.1.1):(udp:192.168.1.3@5353)"
    assert routes["open.corp.example"] == f"chain:{':'.join([f'({each})' for each in upstreams])}"
    assert routes["168.192.in-addr.arpa"] == routes["16.172.in-addr.arpa"] == routes["d.f.ip6.arpa"] == "udp:192.168.1.1"
    assert "127.in-addr.arpa" not in routes
    missing = said(found, Severity.MISSING)
    assert {"[//]192.168.1.1", "udp://dns.example", "https://192.0.2.2/dns-query"} <= {*missing}


def test_server() -> None:
    """
    Where it listens, whom it answers and what it caches are settings.
    """
    values = converted("adguard", SETTINGS).values
    assert values["interface"] == ["192.168.1.2", "::1"]
    assert values["tls"] == ["192.168.1.2:8853", "[::1]:8853"]
    assert values["https"] == values["http3"] == ["192.168.1.2", "::1"]
    assert "quic" not in values
    assert (values["certificate"], values["key"]) == (["/etc/adguard/dns.crt"], ["/etc/adguard/dns.key"])
    assert (values["port"], values["client-rate"], values["designated-name"]) == (5301, 50, "dns.home.example")
    assert (values["allow"], values["hosts-file"], values["filter-aaaa"]) == (["192.168.0.0/16"], [""], True)
    assert (values["cache-size"], values["min-ttl"], values["max-ttl"]) == (8 << 20, 60, 86400)
    assert (values["stale"], values["stale-wait"]) == (43200, 0)
    assert "trusted-proxies" not in values


def test_listsAndRules() -> None:
    """
    Lists are fetched by the server, and the rules of the user are a list. Hosts with addresses are records, and so are rewrites.
    """
    found = converted("adguard", SETTINGS)
    assert found.values["list"] == [
        {"name": "ads-more", "url": "https://lists.example/ads.txt", "every": "12h"},
        {"name": "own", "file": "/etc/adguard/own.txt"},
        {"name": "ads-more-2", "url": "https://lists.example/good.txt", "every": "12h", "allow": True},
        {
            "name": "own-2",
            "names": ["||ads.example^", "@@||shop.example^$important", "|exact.example^", "0.0.0.0 tracker.example"],
        },
        {"name": "refused", "names": ["|bad.example^"]},
    ]
    assert found.values["lists"] == ["ads-more", "own", "ads-more-2", "own-2", "refused"]
    assert found.values["local"] == [
        "nas.lan. A 192.168.1.5",
        "files.lan. A 192.168.1.5",
        "printer.lan. A 192.168.1.20",
        "*.dev.lan. AAAA 2001:db8::80",
        "www.home.example. CNAME web.example.",
    ]
    assert found.values["block-reply"] == "nxdomain"
    missing = {*said(found, Severity.MISSING)}
    rules = {"||part.example/path", "||tagged.example^$ctag=device_tv", "||addressed.example^$client=192.168.1.7"}
    assert {"http://lists.example/clear.txt", "roblox", "filtering.parental_enabled", "dhcp.enabled", "unheard", *rules} <= missing
    assert "plain.example plain.example" in said(found, Severity.NEEDLESS)


def test_views() -> None:
    """
    A client with settings of its own has a view, and so has one in the network of such a client, which comes before it.
    """
    found = converted("adguard", SETTINGS)
    assert found.values["view"] == [
        {"name": "parents-laptop", "clients": ["192.168.9.7/32"]},
        {"name": "network", "clients": ["192.168.9.0/24"], "lists": []},
    ]
    assert {"aa:bb:cc:dd:ee:ff", "phone-1", "clients.persistent.upstreams"} <= {*said(found, Severity.MISSING)}


def test_rulesForClients() -> None:
    """
    A client that a rule names has a view, by its name or by the only address that it has.
    """
    text = (
        "user_rules: ['||a.example^$client=Kid', '||b.example^$client=192.168.1.5', '||c.example^$client=192.168.1.6']\n"
        "clients:\n  persistent:\n"
        "  - {name: Kid, ids: [192.168.1.4], use_global_settings: true}\n"
        "  - {name: TV, ids: [192.168.1.5], use_global_settings: true}\n"
        "  - {name: Two, ids: [192.168.1.6, 192.168.1.7], use_global_settings: true}\n"
    )
    found = converted("adguard", text)
    assert found.values["list"] == [{"name": "own", "names": ["||a.example^$client=kid", "||b.example^$client=tv"]}]
    assert found.values["view"] == [{"name": "kid", "clients": ["192.168.1.4/32"]}, {"name": "tv", "clients": ["192.168.1.5/32"]}]
    assert said(found, Severity.MISSING) == ["||c.example^$client=192.168.1.6"]


def test_titlesOfLists() -> None:
    """
    A list is named as it is called, or as its file if that is in other letters.
    """
    filters = [("广告", "https://x.example/anti-ad.txt"), ("AdAway", "https://y.example/a.txt"), ("", "https://z.example/")]
    text = "".join([f"- {{enabled: true, name: '{name}', url: '{url}'}}\n" for name, url in filters])
    assert converted("adguard", f"filters:\n{text}").values["lists"] == ["anti-ad", "adaway", "z"]


def test_loading() -> None:
    """
    What is written is a valid settings file, and no key of a usual configuration is unknown.
    """
    for text in (SETTINGS, EARLIER):
        found = converted("adguard", text)
        Settings(valuesFromTOML(tomlOf(found), "txdns.toml"))
        assert said(found, Severity.WRONG) == []
        unknown = [each.place.directive for each in found.findings if each.reason == "this key is not known"]
        assert unknown == (["unheard"] if text is SETTINGS else [])


def test_earlierVersion() -> None:
    """
    In earlier versions, much is in the table C{dns}.
    """
    found = converted("adguard", EARLIER)
    values = found.values
    assert (values["block-reply"], values["hedge"], values["upstream"]) == ("192.0.2.80,2001:db8::80", 0, ["udp:192.0.2.53"])
    assert (values["local"], values["lists"]) == (["nas.lan. A 192.168.1.10"], ["ads"])
    assert values["view"] == [{"name": "guests", "clients": ["192.168.9.0/24"], "lists": []}]
    assert said(found, Severity.MISSING) == ["dns.safebrowsing_enabled", "tiktok"]
    assert "interface" not in values


@pytest.mark.parametrize(
    ("mode", "reply", "severities"),
    [
        ("default", "null", []),
        ("null_ip", "null", []),
        ("nxdomain", "nxdomain", []),
        ("refused", None, [Severity.DIFFERS]),
        ("custom_ip\n  blocking_ipv4: 192.0.2.1", "192.0.2.1", []),
        ("custom_ip", None, [Severity.WRONG]),
        ("other", None, [Severity.WRONG]),
    ],
)
def test_replies(mode: str, reply: str | None, severities: list[Severity]) -> None:
    """
    How blocked names are answered is a setting, or is said to differ.
    """
    found = converted("adguard", f"filtering:\n  blocking_mode: {mode}\n")
    assert found.values.get("block-reply") == reply
    assert [each.severity for each in found.findings if each.place.directive.startswith("filtering")] == severities


@pytest.mark.parametrize("switch", ["filtering_enabled", "protection_enabled"])
def test_blockingIsOff(switch: str) -> None:
    """
    Lists are left out while blocking is off, unless some clients have it on. Rewrites are converted.
    """
    rest = (
        "  rewrites: [{domain: nas.lan, answer: 192.0.2.1}]\n"
        "filters: [{enabled: true, url: 'https://lists.example/a', name: a}]\nuser_rules: ['||x.example^']\n"
    )
    own = "clients:\n  persistent: [{name: c, ids: [192.0.2.7], use_global_settings: false, filtering_enabled: true}]\n"
    found = converted("adguard", f"filtering:\n  {switch}: false\n{rest}")
    assert "list" not in found.values
    assert found.values["local"] == ["nas.lan. A 192.0.2.1"]
    assert f"filtering.{switch}" in said(found, Severity.NOTE)
    found = converted("adguard", f"filtering:\n  {switch}: false\n{rest}{own}")
    assert "lists" not in found.values
    views = [{"name": "c", "clients": ["192.0.2.7/32"], "lists": ["a", "own"]}]
    assert found.values.get("view") == (views if switch == "filtering_enabled" else None)


def test_wrongUpstreams() -> None:
    """
    What is no upstream is a finding.
    """
    wrong = ["[/lan/]", "tls://192.0.2.1/x", "ftp://192.0.2.1", "https://[", "h3://", "192.0.2.1:port", "sdns://AQ"]
    found = dns(f"upstream_dns: {wrong}")
    assert said(found, Severity.WRONG) == wrong
    assert "upstream" not in found.values
    found = dns("upstream_dns: ['[/a.example/]#', '[/*.b.example/]192.0.2.1']")
    assert said(found, Severity.MISSING) == ["[/a.example/]#"]
    assert (said(found, Severity.DIFFERS), found.values["route"]) == (["[/*.b.example/]192.0.2.1"], ["b.example=udp:192.0.2.1"])


def test_upstreamsInFile() -> None:
    """
    Upstreams of a file are in place of the others.
    """
    text = "dns:\n  upstream_dns: [192.0.2.1]\n  upstream_dns_file: up.txt\n"
    found = converted("adguard", text, {"/etc/up.txt": "# mine\n192.0.2.53\n[/lan/]192.0.2.54\n"})
    assert found.values["upstream"] == ["udp:192.0.2.53"]
    assert str(found.places["upstream"][0]) == "/etc/up.txt:2"
    assert found.values["route"] == ["lan=udp:192.0.2.54"]
    assert said(converted("adguard", text), Severity.WRONG) == ["dns.upstream_dns_file"]


def test_modes() -> None:
    """
    Upstreams that are asked in parallel are; addresses are not tried out.
    """
    assert dns("upstream_mode: parallel").values["hedge"] == 0
    assert said(dns("upstream_mode: fastest_addr"), Severity.MISSING) == ["dns.upstream_mode"]
    assert said(dns("upstream_mode: parallel\nfallback_dns: [192.0.2.1]"), Severity.DIFFERS) == ["dns.upstream_mode"]


def test_access() -> None:
    """
    Clients are refused without a reply. Trusted proxies, at whose addresses each client would need a proxy, are named.
    """
    found = dns("disallowed_clients: [192.0.2.7, 192.0.2.64/26, phone]\ntrusted_proxies: [192.0.2.1]\nrefuse_any: false\nhandle_ddr: false")
    assert found.values["drop"] == ["192.0.2.7/32", "192.0.2.64/26"]
    assert ("trusted-proxies" in found.values, found.values["minimal-any"], found.values["designate"]) == (False, False, False)
    assert said(found, Severity.MISSING) == ["phone", "dns.trusted_proxies"]
    assert said(dns("trusted_proxies: [127.0.0.0/8, '::1/128']"), Severity.MISSING) == []
    found = dns("allowed_clients: [phone]")
    assert (said(found, Severity.MISSING), found.values["allow"]) == (["phone"], [])
    assert said(dns("serve_plain_dns: false"), Severity.MISSING) == ["dns.serve_plain_dns"]
    found = dns("allowed_clients: [192.0.2.0/24]\ndisallowed_clients: [192.0.2.7]")
    assert (found.values["allow"], "drop" in found.values, said(found, Severity.NEEDLESS)) == (["192.0.2.0/24"], False, ["192.0.2.7"])


def test_cache() -> None:
    """
    A size of 0 means no cache. Bounds that are not possible here are set to the nearest ones.
    """
    assert dns("cache_size: 0").values["cache"] is False
    assert dns("cache_enabled: false\ncache_size: 100").values["cache"] is False
    assert dns("cache_size: 100").values["cache-size"] == 65536
    assert dns("cache_ttl_min: 90000").values["min-ttl"] == 3600
    assert "cache-size" not in dns("cache_size: 4194304").values
    assert said(dns("cache_optimistic: true\ncache_optimistic_max_age: soon"), Severity.WRONG) == ["dns.cache_optimistic_max_age"]


def test_wrongTypes() -> None:
    """
    A value of another type than the key takes is one finding, with its line, and the rest is converted.
    """
    found = dns("port: [1]\nupstream_dns: {a: b}\nratelimit: fast\nrefuse_any: maybe\nrewrites: [x]\ncache_ttl_max: 60")
    wrong = [(each.place.line, each.place.directive, each.reason) for each in found.findings if each.severity is Severity.WRONG]
    assert sorted(wrong) == [
        (2, "dns.port", "this is not a text"),
        (3, "dns.upstream_dns", "this is not an array of texts"),
        (4, "dns.ratelimit", "this is not a number"),
        (5, "dns.refuse_any", "this is not true or false"),
        (6, "dns.rewrites", "this is not a table"),
    ]
    assert found.values["max-ttl"] == 60


def test_encryptionWithoutFiles() -> None:
    """
    Listeners need files with a certificate and a key: without them there are none.
    """
    found = converted("adguard", "tls:\n  enabled: true\n  certificate_chain: x\n  private_key: x\n")
    assert said(found, Severity.MISSING) == ["tls.certificate_chain", "tls.private_key"]
    assert "tls" not in found.values
    assert not converted("adguard", "tls:\n  enabled: false\n  certificate_path: /x\n").values.get("certificate")
    found = converted("adguard", "tls:\n  enabled: true\n  certificate_path: /x.pem\n")
    assert (found.values["tls"], found.values["https"], found.values["quic"]) == ([":853"], [":443"], [":853"])


def test_withoutLibrary(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without PyYAML, the error names the extra that has it.
    """
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(BadDescription, match=r"pip install 'twisted-ext\[yaml\]'$"):
        converted("adguard", SETTINGS)


_KEPT = "querylog:\n  enabled: true\n  interval: {}\n  ignored: {}\n"


def test_historyOfQueries() -> None:
    """
    The days of the log of queries and what is kept of clients are those of the history, and a line says how to switch it on: it takes a
    folder.
    """
    found = converted("adguard", f"dns:\n  anonymize_client_ip: true\n{_KEPT.format('2160h', '[a.example]')}")
    assert (found.values["query-history-days"], found.values["query-history-clients"]) == (90, "network")
    assert said(found, Severity.DIFFERS) == ["dns.anonymize_client_ip", "querylog.enabled"]
    assert said(found, Severity.MISSING) == ["a.example"]
    earlier = converted("adguard", "dns:\n  querylog_enabled: true\n  querylog_interval: 7\n")
    assert earlier.values["query-history-days"] == 7
    assert "query-history-clients" not in earlier.values
    short = converted("adguard", _KEPT.format("6h", "[]"))
    assert (short.values["query-history-days"], said(short, Severity.DIFFERS)) == (1, ["querylog.enabled", "querylog.interval"])
    assert said(converted("adguard", _KEPT.format("soon", "[]")), Severity.WRONG) == ["querylog.interval"]


@pytest.mark.parametrize("text", ["querylog:\n  enabled: false\n", "querylog:\n  enabled: true\n  file_enabled: false\n"])
def test_queriesThatAreNotKept(text: str) -> None:
    """
    Without a file of queries there, none are kept here, and nothing is lost.
    """
    found = converted("adguard", text)
    assert "query-history-days" not in found.values
    assert found.complete


def test_addressesForClientsWithoutIPv4() -> None:
    """
    IPv6 addresses are made with the prefixes that are given, or with that of all networks.
    """
    assert dns("use_dns64: true\ndns64_prefixes: []").values["dns64"] == ["64:ff9b::/96"]
    given = "dns64_prefixes:\n- 2001:db8::/96\n- 64:ff9b::/96"
    assert dns(f"use_dns64: true\n{given}").values["dns64"] == ["2001:db8::/96", "64:ff9b::/96"]
    assert "dns64" not in dns(f"use_dns64: false\n{given}").values


def test_addressesOfNamesThatDoNotExist() -> None:
    """
    Answers with these addresses deny the name.
    """
    found = dns("bogus_nxdomain:\n- 192.0.2.1\n- 198.51.100.0/24")
    assert found.values["deny-answer-addresses"] == ["192.0.2.1", "198.51.100.0/24"]
    assert found.complete
