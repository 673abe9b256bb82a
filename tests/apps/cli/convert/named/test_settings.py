"""
Tests of the conversion of C{named.conf}.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from tests.apps.cli.convert.optionnames import NAMED
from twisted_ext.apps.cli.convert.command import tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity
from twisted_ext.apps.cli.convert.named.scope import HANDLED, OUTCOMES
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []


def _converted(text: str, files: dict[str, str] | None = None) -> Converted:
    return converted("named", text, files)


def _zones(text: str) -> list[dict[str, list[str]]]:
    return _tables(_converted(text))


def _tables(result: Converted) -> list[dict[str, list[str]]]:
    found = result.values["zone"]
    assert isinstance(found, list)
    return found


def test_everyStatementIsKnown() -> None:
    """
    Each statement of BIND's grammar is converted, or known with a reason.
    """
    assert [name for name in NAMED if (name in HANDLED) is (name in OUTCOMES)] == []


def test_anUnknownStatementIsNamedWithItsLine() -> None:
    """
    A misspelled statement is reported with file and line.
    """
    assert "/etc/first.conf:2: recursoin no: not valid: named has no such statement" in linesOf(_converted("options {\n recursoin no;\n};"))


@pytest.mark.parametrize(
    "option",
    """
    rrset-order { order cyclic; };|sortlist { localnets; };|edns-udp-size 1400;|max-udp-size 1400;|max-refresh-time 60;|min-retry-time 60;
    notify-delay 5;|serial-query-rate 20;|max-records 1000;|minimal-responses no;|fetches-per-server 100;|fetches-per-zone 100;
    zone-statistics full;|check-names master fail;|provide-zoneversion yes;|max-zone-ttl 86400;|clients-per-query 10;|responselog yes;
    """.replace("\n    ", "|").strip().strip("|").split("|"),
)
def test_lostOptionsAreNotSupported(option: str) -> None:
    """
    What an operator would lose is said to be not supported, with what to do instead where there is something.
    """
    (finding,) = _converted(f"options {{ recursion no;\n {option.strip()} }};").findings
    assert finding.severity in (Severity.MISSING, Severity.NOTE), finding
    assert "needless" not in finding.reason


def test_needlessOptions() -> None:
    """
    Where nothing is lost, an option is needless.
    """
    for option in ("minimal-responses yes;", "provide-zoneversion no;", "zone-statistics no;", "statistics-file \"x\";", "coresize 5;"):
        (finding,) = _converted(f"options {{ recursion no;\n {option} }};").findings
        assert finding.severity is Severity.NEEDLESS, finding


def test_logChannels() -> None:
    """
    Channels of the log are not supported, and named; without any, nothing is lost.
    """
    (finding,) = _converted('options { recursion no; }; logging { channel updates { file "updates.log"; }; };').findings
    assert finding.severity is Severity.MISSING
    assert "not to the channels updates" in finding.reason
    (finding,) = _converted("options { recursion no; }; logging { category default { null; }; };").findings
    assert finding.severity is Severity.NEEDLESS


def test_validationOfForwarders() -> None:
    """
    What validates depends on the role: validate: in front of an upstream, or the setting.
    """
    for options, instead in (
        ("forwarders { 9.9.9.9; };", "write validate: in front of each upstream"),
        ("", "set validate = true"),
    ):
        found = _converted(f"options {{ {options}\n dnssec-validation yes; }};").findings
        assert instead in [each.instead for each in found]


def test_recursionDecidesTheRole() -> None:
    """
    Without recursion only zones are served; with forwarders all other names go there; else they are looked up from the root on.
    """
    assert _converted("options { recursion no; };").values["role"] == "serve"
    assert _converted("options { allow-recursion { none; }; };").values["role"] == "serve"
    values = _converted("options { forwarders { 9.9.9.9; 149.112.112.112 port 5353; }; forward only; };").values
    assert (values["role"], values["upstream"]) == ("forward", ["validate:udp:9.9.9.9,149.112.112.112@5353"])
    values = _converted("options { dnssec-validation no; };").values
    assert (values["role"], values["validate"]) == ("recurse", False)


def test_forwardersOverTLSHaveTheNameOfTheirCertificate() -> None:
    """
    A tls statement gives the name that the forwarder has to prove.
    """
    text = 'tls quad9 { remote-hostname "dns.quad9.net"; }; options { dnssec-validation no; forwarders port 853 tls quad9 { 9.9.9.9; }; };'
    assert _converted(text).values["upstream"] == ["tls:9.9.9.9@853#dns.quad9.net"]


def test_accessListsAreResolved() -> None:
    """
    Lists can name lists, leave clients out, and contain keys.
    """
    values = _converted(
        "acl inner { ! 192.0.2.66; 192.0.2.0/24; };\nacl outer { inner; localhost; 10/8; };\n"
        "options { allow-recursion { outer; }; allow-query { any; }; blackhole { 203.0.113.0/24; }; };"
    ).values
    assert values["allow"] == ["192.0.2.0/24", "127.0.0.0/8", "::1/128", "10.0.0.0/8"]
    assert (values["refuse"], values["drop"]) == (["192.0.2.66/32"], ["203.0.113.0/24"])


def test_otherAddressesOfThisMachineAreReported() -> None:
    """
    localhost is all addresses of the machine; here it is those of loopback, and one line for each list says so.
    """
    result = _converted("acl own { localhost; };\noptions { allow-query { own; localhost; };\n allow-recursion { own; }; };")
    assert result.texts("allow") == ["127.0.0.0/8", "::1/128"]
    said = [each for each in linesOf(result) if "its other addresses are missing" in each]
    assert [line.partition(": ")[0] for line in said] == ["/etc/first.conf:2"]


def _access(text: str) -> dict[str, list[str]]:
    result = _converted(text)
    return {name: result.texts(name) for name in ("allow", "refuse", "drop") if name in result.values}


def test_theFirstElementThatMatchesDecides() -> None:
    """
    An element has no effect on the clients that one before it matches; here the longest prefix decides.
    """
    options = "options { allow-recursion { %s }; };"
    assert _access(options % "10.0.0.0/8; ! 10.66.0.0/16; ! 192.168.0.0/16; 192.168.1.0/24;") == {"allow": ["10.0.0.0/8"]}
    assert _access(options % "none; 10.0.0.0/8;") == {}
    assert _access(options % "! none; ! 10.0.0.0/8;") == {"allow": ["any"]}
    assert _access(options % "! 10.0.0.0/8; any; 10.1.0.0/16;") == {"allow": ["any"], "refuse": ["10.0.0.0/8"]}
    assert _access(options % "10.1.1.0/24; ! 10.1.0.0/16; 10/8;") == {"allow": ["10.1.1.0/24", "10.0.0.0/8"], "refuse": ["10.1.0.0/16"]}


def test_whomANegatedListLeavesOutItDoesNotMatch() -> None:
    """
    An exception in a list is no match, be there a C{!} before the list or not.
    """
    options = "acl inner { ! 10.0.0.1; 10.0.0.0/8; }; options { allow-recursion { %s }; };"
    assert _access(options % "! inner; 10.0.0.0/24;") == {"allow": ["10.0.0.1/32"]}
    assert _access(options % "inner; 10.0.0.0/24;")["allow"] == ["10.0.0.0/8"]
    assert "refuse" not in _access(options % "inner; 10.0.0.0/24;")
    assert _access(options % "! { ! 10.0.0.1; any; }; any;") == {"allow": ["10.0.0.1/32"]}


def test_sameNetworkInANegatedList() -> None:
    """
    A network of a negated list without exceptions is left out where the very same one stands before it as well, as in named 9.18.
    """
    options = "acl inner { 10.1.0.0/16; 192.0.2.0/24; }; options { allow-recursion { %s }; };"
    assert _access(options % "10.1.1.0/24; 10.1.0.0/16; ! inner; 10.0.0.0/8;") == {
        "allow": ["10.1.1.0/24", "10.0.0.0/8"],
        "refuse": ["10.1.0.0/16"],
    }
    assert _access(options % "10.1.0.0/16; ! { 10.1.0.0/16; ! 10.2.0.0/16; };") == {"allow": ["10.1.0.0/16"]}
    assert _access(options % "10.1.0.0/16; ! 10.1.0.0/16;") == {"allow": ["10.1.0.0/16"]}


def test_zonesAreClosedToThoseWhoMayNotQueryThem() -> None:
    """
    A server for zones only refuses all clients but those that C{allow-query} or its view lets in.
    """
    everyone = ["0.0.0.0/0", "::/0"]
    closed = {"allow": ["127.0.0.1/32"], "refuse": everyone}
    assert _access("options { recursion no; allow-query { 127.0.0.1; }; };") == closed
    assert _access("options { recursion no; allow-query { none; }; };") == {"allow": [], "refuse": everyone}
    view = 'view "v" { match-clients { 127.0.0.1; }; zone "a" { type primary; file "a"; }; };'
    assert _access("options { recursion no; };" + view) == closed
    zone = 'zone "a" { type primary; file "a"; };'
    assert _access("options { allow-query { 127.0.0.1; }; allow-recursion { 127.0.0.1; }; };" + zone) == closed
    assert _access("options { recursion no; };") == _access("options { recursion no; allow-query { any; }; };") == {}


def test_clientsOutsideTheListOfQueriesLookNothingUp() -> None:
    """
    If those that may look names up are not all among those that may query, only the latter are answered, and this is said.
    """
    result = _converted("options { allow-query { 10.0.0.0/16; }; allow-recursion { 10.0.0.0/8; }; };")
    assert (result.texts("allow"), result.texts("refuse")) == (["10.0.0.0/16"], [])
    assert any("may look names up but not query the zones are refused" in line for line in linesOf(result))


def test_lookUpsTakeBothLists() -> None:
    """
    Names are looked up for clients that are in C{allow-recursion} and in C{allow-query-cache}, if both are given.
    """
    one, other = "allow-recursion { 10.0.0.0/16; 192.0.2.0/24; };", "allow-query-cache { ! 10.0.1.0/24; 10.0.0.0/8; };"
    assert _access(f"options {{ {one} {other} }};") == {"allow": ["10.0.0.0/16"], "refuse": ["10.0.1.0/24"]}
    assert _access(f"options {{ {other} }};") == {"allow": ["10.0.0.0/8"], "refuse": ["10.0.1.0/24"]}
    assert _converted("options { allow-recursion { 10.0.0.0/8; }; allow-query-cache { 192.0.2.0/24; }; };").values["role"] == "serve"


def test_clientsThatAreDroppedHaveExceptions() -> None:
    """
    An exception of C{blackhole} is answered as others.
    """
    text = "options { allow-recursion { any; }; blackhole { ! 10.0.0.1; 10.0.0.0/8; }; };"
    assert _access(text) == {"allow": ["any", "10.0.0.1/32"], "drop": ["10.0.0.0/8"]}


def test_listsOfZonesHaveNoExceptions() -> None:
    """
    Exceptions of transfers, notifications and updates are left out of the networks around them; an address that needs a key as well keeps
    both.
    """
    both = "! { ! 127.0.0.2; any; }; key k1;"
    narrow = "! 127.0.0.3; 127.0.0.0/30;"
    zone = 'key k1 { algorithm hmac-sha256; secret "aaaa"; }; zone "a" { type %s; allow-transfer { %s }; %s { %s }; };'
    (table,) = _zones(zone % ('primary; file "a"', both, "allow-update", both))
    assert (table["allow-transfer"], table["update"]) == (["127.0.0.2/32 key=k1"], ["key k1 address 127.0.0.2/32 zone ANY"])
    (table,) = _zones(zone % ('primary; file "a"', narrow, "allow-update", narrow))
    pieces = ["127.0.0.2/32", "127.0.0.0/31"]
    assert sorted(table["allow-transfer"]) == sorted(pieces)
    assert sorted(table["update"]) == sorted(f"address {each} zone ANY" for each in pieces)
    (table,) = _zones(zone % ("secondary; primaries { 192.0.2.1; }", "none; any;", "allow-notify", narrow))
    assert "allow-transfer" not in table
    assert sorted(table["allow-notify"]) == sorted(pieces)
    (table,) = _zones(zone % ("secondary; primaries { 192.0.2.1; }", "none; any;", "allow-update-forwarding", narrow))
    assert sorted(table["forward-updates"]) == sorted(pieces)
    (table,) = _zones(zone % ("primary; file \"a\"", "none; any;", "allow-update-forwarding", narrow))
    assert "forward-updates" not in table


def test_openQuotes() -> None:
    """
    A quote that is not closed on its line is reported there, and the statements behind it are read. Long texts are read at once.
    """
    result = _converted('zone "a { type primary; file "a"; };\nzone "b" { type primary; file "b"; };\n')
    assert any(":1: " in line and "the quote is not closed on its line" in line for line in linesOf(result))
    assert "b." in {str(table["name"]) for table in _tables(result)}
    assert any("not closed" in line for line in linesOf(_converted('options { recursion no; };\nzone "a')))
    (table,) = _zones(f'zone "a" {{ type primary; file "{"x" * 100_000}"; }};')
    assert len(table["file"]) > 100_000


def test_transfersToThoseWhoMayNotQuery() -> None:
    """
    Clients that may transfer or update a zone, but not query it, are reported: they are refused all of it here.
    """
    text = 'options { recursion no; allow-query { 10.0.0.0/8; }; }; zone a { type primary; file "a"; %s { %s; }; };'
    for name in ("allow-transfer", "allow-update"):
        for clients, isSaid in (("10.1.0.0/16", False), ("192.0.2.0/24", True)):
            lines = linesOf(_converted(text % (name, clients)))
            assert any("clients that may not query zones are refused this as well" in line for line in lines) is isSaid


def test_aListThatNamesItselfIsReported() -> None:
    """
    A circle of lists ends with a finding.
    """
    assert any("in a circle" in line for line in linesOf(_converted("acl a { b; }; acl b { a; }; options { allow-query { a; }; };")))


def test_zonesKeepFileTransfersAndUpdates() -> None:
    """
    A primary zone has its file below directory, who may transfer it, whom it notifies, and who may update it.
    """
    assert _zones(
        'options { directory "/var/named"; recursion no; notify explicit; };\n'
        'zone "example.org" IN { type master; file "org.db"; allow-transfer { 192.0.2.2; key xfer; };\n'
        " also-notify { 192.0.2.2 port 5353; };\n"
        " update-policy { grant dhcp subdomain dyn.example.org A AAAA; deny * name ns.example.org; grant host self * ; }; };"
    ) == [
        {
            "name": "example.org.",
            "file": "/var/named/org.db",
            "update": ["key dhcp subtree dyn.example.org. A AAAA", "deny key * name ns.example.org.", "key host self"],
            "allow-transfer": ["192.0.2.2/32", "key=xfer"],
            "notify": ["192.0.2.2:5353"],
        }
    ]


def test_secondariesKnowTheirPrimariesByListKeyAndTLS() -> None:
    """
    Primaries can be a list, with the keys of server statements, and over TLS.
    """
    assert _zones(
        'primaries far { 192.0.2.1 key k1; 2001:db8::1 port 5353; };\nserver 192.0.2.9 { keys { k9; }; };\n'
        'tls t { remote-hostname "ns.example"; };\n'
        'zone "a" { type slave; masters { far; 192.0.2.9; }; allow-transfer { none; }; };\n'
        'zone "b" { type secondary; primaries port 853 { 192.0.2.1 tls t; }; allow-transfer { none; }; };'
    ) == [
        {"name": "a.", "primaries": ["192.0.2.1 key=k1", "[2001:db8::1]:5353", "192.0.2.9 key=k9"]},
        {"name": "b.", "primaries": ["tls://192.0.2.1#ns.example"]},
    ]


def test_otherZonesAreRoutesAndStubs() -> None:
    """
    Forward zones are routes, stub zones are stubs; beside forwarders they are routes as well.
    """
    text = (
        'zone "f" { type forward; forwarders { 192.0.2.1; }; }; zone "s" { type stub; primaries { 192.0.2.2; }; };'
        'zone "t" { type static-stub; server-addresses { 192.0.2.3; }; server-names { "ns.example"; }; };'
        'zone "m" { type mirror; primaries { 192.0.2.4; }; };'
    )
    values = _converted(text).values
    assert (values["route"], values["stub"]) == (["f.=validate:udp:192.0.2.1"], ["s.=192.0.2.2", "t.=192.0.2.3,ns.example"])
    values = _converted(f"options {{ forwarders {{ 9.9.9.9; }}; }}; {text}").values
    assert values["route"] == ["f.=validate:udp:192.0.2.1", "s.=validate:udp:192.0.2.2", "t.=validate:udp:192.0.2.3"]
    values = _converted(f"options {{ dnssec-validation no; forwarders {{ 9.9.9.9; }}; }}; {text}").values
    assert values["route"] == ["f.=udp:192.0.2.1", "s.=udp:192.0.2.2", "t.=udp:192.0.2.3"]


def test_catalogZonesAreFollowed() -> None:
    """
    A catalog zone is followed, with the primaries of its members.
    """
    text = (
        "options { catalog-zones { zone cat.example default-primaries { 192.0.2.5; }; }; allow-transfer { none; }; };"
        "zone cat.example { type secondary; primaries { 192.0.2.6; }; };"
    )
    assert _zones(text) == [
        {"name": "cat.example.", "primaries": ["192.0.2.6"], "catalog": "follow", "member-primaries": ["192.0.2.5"]}
    ]


def test_keysAreReadFromTheirOwnFile(tmp_path: Path) -> None:
    """
    A file that has nothing but the keys in use becomes the key file; else the converter says what to do.
    """
    zone = 'zone a { type primary; file a; allow-transfer { key k; }; };'
    key = 'key "k" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIGJvdGg="; };'
    inline = _converted(f"{key} {zone}")
    assert "key-file" not in inline.values
    assert any(finding.severity is Severity.MISSING and "key-file" in finding.instead for finding in inline.findings)
    path = tmp_path / "keys"
    path.write_text(key)
    assert _converted(f'include "{path}"; {zone}', {str(path): key}).values["key-file"] == str(path)


def test_addressesToListenAt() -> None:
    """
    any of both families needs no setting; TLS and HTTPS have listeners of their own.
    """
    assert "interface" not in _converted("options { listen-on { any; }; listen-on-v6 { any; }; };").values
    assert _converted("options { listen-on { any; }; listen-on-v6 { none; }; };").values["interface"] == ["0.0.0.0"]
    values = _converted(
        'tls t { cert-file "c"; key-file "k"; }; http h { endpoints { "/q"; }; };'
        "options { listen-on port 5353 { 127.0.0.1; }; listen-on-v6 { none; }; listen-on tls t { 192.0.2.1; };"
        " listen-on port 8443 tls t http h { any; }; };"
    ).values
    assert (values["port"], values["interface"], values["tls"]) == (5353, ["127.0.0.1"], ["192.0.2.1:853"])
    assert (values["https"], values["https-path"], values["certificate"]) == (["any:8443"], "/q", ["/etc/c"])


def test_addressesForClientsWithoutIPv4() -> None:
    """
    IPv6 addresses are made with each prefix; what of that depends on the client or the address is listed.
    """
    result = _converted("options { dns64 64:ff9b::/96 { clients { any; }; exclude { ::ffff:0:0/96; 2001:db8::/32; }; }; dns64-server x; };")
    assert result.values["dns64"] == ["64:ff9b::/96"]
    assert result.values["dns64-exclude"] == ["::ffff:0:0/96", "2001:db8::/32"]
    assert not [line for line in linesOf(result) if "dns64" in line and "not needed" not in line]
    text = "options { dns64 64:ff9b::/96 { clients { 10.0.0.0/8; }; mapped { !10.0.0.0/8; any; }; suffix ::1; }; "
    result = _converted(text + 'dns64 2001:db8::/96 { }; }; zone "a" { type primary; file "a"; };')
    assert result.values["dns64"] == ["64:ff9b::/96", "2001:db8::/96"]
    lines = " ".join(linesOf(result))
    for said in ("by views only", "all IPv4 addresses are used", "what follows the IPv4 address", "zones that are served here get no"):
        assert said in lines
    assert "get no addresses" not in " ".join(linesOf(_converted("options { dns64 2001:db8::/96 { recursive-only yes; }; };")))
    assert "dns64" not in _converted("options { recursion no; dns64 2001:db8::/96 { }; };").values
    views = (
        "options { dns64 64:ff9b::/96 { }; forwarders { 192.0.2.1; }; };"
        "view one { match-clients { 10.0.0.0/8; }; dns64 2001:db8:1::/96 { }; }; view two { match-clients { any; }; };"
    )
    values = _converted(views).values
    assert values["dns64"] == ["64:ff9b::/96"]
    assert values["view"] == [{"name": "one", "clients": ["10.0.0.0/8"], "dns64": ["2001:db8:1::/96"]}]


def test_namesThatAnswersDeny() -> None:
    """
    Names with certain addresses, or that lead to certain domains, are denied; that they are so in another way is listed.
    """
    text = 'deny-answer-addresses { !198.51.100.7; 198.51.100.0/29; 2001:db8::/32; } except-from { "a.example"; };'
    aliases = 'deny-answer-aliases { "search.example"; } except-from { "a.example"; };'
    result = _converted(f"options {{ {text} {aliases} }};")
    assert result.values["deny-answer-addresses"] == ["198.51.100.0/30", "198.51.100.4/31", "198.51.100.6/32", "2001:db8::/32"]
    assert result.values["deny-answer-aliases"] == ["search.example"]
    assert result.values["deny-answer-except"] == ["a.example"]
    lines = linesOf(result)
    assert any("such names do not exist; named says SERVFAIL" in line for line in lines)
    assert not any("excepted from both" in line for line in lines)
    assert any("excepted from both" in line for line in linesOf(_converted(f"options {{ {text} {aliases.partition('except')[0]}; }};")))
    assert "deny-answer-addresses" not in _converted(f"options {{ recursion no; {text} }};").values
    values = _converted("options { deny-answer-addresses { any; }; };").values
    assert values["deny-answer-addresses"] == ["0.0.0.0/0", "::/0"]


def test_limitsAndNames() -> None:
    """
    Rates, TTLs, sizes, versions and the query log are settings of the same meaning.
    """
    values = _converted(
        'options { version "none of it"; rate-limit { responses-per-second 10; slip 3; exempt-clients { 10.0.0.0/8; }; }; max-cache-ttl 1d;'
        " max-cache-size 128m; stale-answer-enable yes; max-stale-ttl 1h; };\n"
        "logging { channel q { file \"q.log\"; }; category queries { q; }; };\nstatistics-channels { inet 127.0.0.1 port 8053; };"
    ).values
    assert (values["response-rate"], values["response-slip"], values["response-exempt"]) == (10, 3, ["10.0.0.0/8"])
    assert (values["max-ttl"], values["cache-size"], values["stale"]) == (86400, 128 << 20, 3600)
    assert (values["version-bind"], values["query-log"], values["http"]) == ("none of it", True, "127.0.0.1:8053")


@pytest.mark.parametrize(
    ("options", "setting", "value", "line"),
    [
        ("rate-limit { nxdomains-per-second 5; window 15; };", "response-rate", 5, "one rate is for replies of all kinds"),
        ("rate-limit { nxdomains-per-second 5; responses-per-second 9; };", "response-rate", 9, ""),
        ("require-server-cookie yes;", "require-cookie", ["any"], "clients that send no cookie need TCP as well"),
        ("stale-answer-enable yes; stale-answer-client-timeout off;", "stale", 86400, "do not wait until the look-up has failed"),
        ("stale-answer-enable yes; stale-answer-client-timeout 1800;", "stale-wait", 1.8, ""),
    ],
)
def test_optionsThatDifferAreWritten(options: str, setting: str, value: object, line: str) -> None:
    """
    What named does differently is the nearest setting, with a line.
    """
    result = _converted(f"options {{ {options} }};")
    assert result.values[setting] == value
    assert any(line in each for each in linesOf(result)) if line else result.complete


def test_primariesThatNotifyOnly() -> None:
    """
    With C{notify master-only}, primary zones notify and secondary ones do not.
    """
    text = "options { notify master-only; also-notify { 192.0.2.9; }; };"
    zones = _zones(f'{text} zone a {{ type primary; file "a"; }}; zone b {{ type secondary; primaries {{ 192.0.2.1; }}; }};')
    assert [zone.get("notify") for zone in zones] == [["192.0.2.9"], None]


def test_signingIsListed() -> None:
    """
    What this server does not do is listed with advice.
    """
    result = _converted('zone "a" {\n type primary; file "a";\n dnssec-policy default;\n inline-signing yes;\n};')
    assert {finding.place.line for finding in result.findings if finding.severity is Severity.MISSING} == {3, 4}


def test_policyZones() -> None:
    """
    Policy zones are applied in their order, with what is done in place of their rules: those in files by these, others as zones of the
    server. What named does otherwise is named.
    """
    zones = (
        'zone "own.rpz" { type primary; file "own"; }; zone "far.rpz" { type secondary; primaries { 192.0.2.1; }; file "far"; };'
        'zone "new.rpz" { type primary; file "new"; allow-update { 192.0.2.1; }; };'
    )
    policies = 'zone "own.rpz" policy cname wall.example; zone "far.rpz" policy disabled; zone "new.rpz" log no policy no-op; zone "none";'
    result = _converted(f"options {{ response-policy {{ {policies} }} break-dnssec yes qname-wait-recurse no; }}; {zones}")
    assert result.values["policy-zone"] == [
        {"name": "own-rpz", "zone": "own.rpz.", "file": "/etc/own", "override": "cname=wall.example"},
        {"name": "far-rpz", "zone": "far.rpz.", "trial": True},
        {"name": "new-rpz", "zone": "new.rpz.", "override": "passthru"},
    ]
    assert result.texts("policy-zones") == ["own-rpz", "far-rpz", "new-rpz"]
    lines = linesOf(result)
    assert any("there is no zone none" in line for line in lines)
    assert not any("signed names" in line or "not looked up first" in line for line in lines)
    lines = linesOf(_converted(f'options {{ response-policy {{ zone "own.rpz"; }}; }}; {zones}'))
    assert any("signed names" in line for line in lines) and any("not looked up first" in line for line in lines)
    assert not any("rules about servers (" in line or "min-ns-dots" in line for line in lines)
    lines = linesOf(_converted(f'options {{ response-policy {{ zone "own.rpz"; }} nsip-enable no min-ns-dots 0; }}; {zones}'))
    assert any("rules about servers (" in line for line in lines) and any("min-ns-dots 1" in line for line in lines)


def test_policyZonesOfViews() -> None:
    """
    Views have policy zones of their own, which may have equal names there.
    """

    def view(name: str, clients: str, file: str) -> str:
        zone = f'zone "rpz" {{ type primary; file "{file}"; }};'
        return f'view "{name}" {{ match-clients {{ {clients}; }}; {zone} response-policy {{ zone "rpz"; }} break-dnssec yes; }};'

    result = _converted(view("one", "192.0.2.1", "a") + view("two", "192.0.2.2", "b") + view("three", "192.0.2.3", "a"))
    assert result.values["policy-zone"] == [
        {"name": "rpz", "zone": "rpz.", "file": "/etc/a"},
        {"name": "rpz-2", "zone": "rpz.", "file": "/etc/b"},
    ]
    tables = result.values["view"]
    assert isinstance(tables, list)
    chosen = {table["name"]: table.get("policy-zones") for table in tables}
    assert (chosen["one"] or result.values.get("policy-zones")) == ["rpz"]
    assert chosen["two"] == ["rpz-2"]
    far = 'zone "rpz" { type secondary; primaries { 192.0.2.1; }; file "x"; }; response-policy { zone "rpz"; };'
    result = _converted(f'view "one" {{ match-clients {{ 192.0.2.1; }}; {far} }}; view "two" {{ match-clients {{ any; }}; }};')
    assert any('give its [[zone]] view = "policy-zones"' in line for line in linesOf(result))


def test_policiesForSigning() -> None:
    """
    A policy of named becomes one of this server; no zone is signed by it until its keys are here.
    """
    own = """dnssec-policy "own" {
     keys { ksk lifetime unlimited algorithm ecdsa256; zsk lifetime P30D algorithm 13; };
     nsec3param iterations 5 optout yes salt-length 8;
     signatures-validity P20D; signatures-refresh 12d; dnskey-ttl 2h; retire-safety 2h; purge-keys P90D;
    };"""
    result = _converted(f'{own} zone "a.example" {{ type primary; file "a"; dnssec-policy own; }};')
    wanted: dict[str, object] = {"name": "own", "cds": True, "keys": "ksk+zsk", "algorithm": "ecdsap256sha256", "denial": "nsec3-opt-out"}
    rolls = {"roll": True, "zsk-lifetime": "2592000s", "propagation": "7500s", "parent-propagation": "10800s", "parent-ds-ttl": "86400s"}
    assert result.values["signing-policy"] == [wanted | rolls | {"dnskey-ttl": "7200s", "signatures": "1728000s", "renew": "691200s"}]
    lines = linesOf(result)
    assert any("as with rndc dnssec -checkds" in line for line in lines)
    assert any("no iterations and no salt" in line for line in lines) and any("purge-keys" in line for line in lines)
    assert any('set sign = "own" in its table' in line for line in lines) and "sign" not in str(result.values["zone"])
    second = _converted('zone "a.example" { type secondary; primaries { 192.0.2.1; }; dnssec-policy default; inline-signing yes; };')
    assert any("named serves a higher serial than its primary has" in line for line in linesOf(second))
    yearly = _converted('dnssec-policy "c" { keys { csk lifetime P1Y6M algorithm 15; }; parent-ds-ttl PT2H; };')
    (policy,) = cast("list[dict[str, object]]", yearly.values["signing-policy"])
    assert (policy["ksk-lifetime"], policy["parent-ds-ttl"], "zsk-lifetime" in policy) == ("47606400s", "7200s", False)
    usual = _converted('dnssec-policy "b" { keys { csk key-directory lifetime 0 algorithm ed25519; }; };')
    assert usual.values["signing-policy"] == [
        {"name": "b", "cds": True, "keys": "csk", "algorithm": "ed25519", "signatures": "1209600s", "renew": "604800s"}
    ]
    assert "signing-policy" not in _converted('dnssec-policy "b" { keys { csk algorithm rsasha1; }; };').values


def test_keysOfSignedZonesAreCopied() -> None:
    """
    A zone that named signs is listed with the files of its keys and the folder in which the server looks for them, since its parent has
    their DS record; so is one that takes updates. The parent goes on to be asked.
    """

    def advised(more: str) -> list[str]:
        zone = f'zone "Example.ORG" {{ type primary; file "a"; dnssec-policy default; {more} }};'
        return [finding.instead for finding in _converted(zone).findings if finding.severity is Severity.MISSING]

    copied = "copy Kexample.org.+* to signing/example.org. in the folder that state names, and set sign = \"default\" in its table"
    copied += ', with serial = "unixtime": named serves a higher serial than the file has'
    assert advised("") == advised("allow-update { none; };") == advised("allow-update { 192.0.2.1; };") == [copied]
    (asked,) = advised("parental-agents { 192.0.2.1; 2001:db8::1 port 5353 key k; };")
    assert 'its table, and parental-agents = ["192.0.2.1", "[2001:db8::1]:5353"] in that policy, with serial' in asked


def test_includesAndCommentsAreRead() -> None:
    """
    All three kinds of comments are skipped, quoted ones are text, and includes are read where they stand.
    """
    text = '// one\n# two\n/* three\n*/ options { version "a//b#c"; include "more"; };'
    result = _converted(text, {"/etc/more": "querylog yes;"})
    assert (result.values["version-bind"], result.values["query-log"]) == ("a//b#c", True)


@pytest.mark.parametrize(
    "text", ["", "}", "{", "options {", "options { recursion", 'zone "', "zone { };", "zone a;", "acl;", "/*", "\x00", "zone .. { };"],
)
def test_brokenFilesAreConverted(text: str) -> None:
    """
    What is not valid becomes findings, and the settings remain valid.
    """
    valuesFromTOML(tomlOf(_converted(text)), "/etc/txdns.toml")
