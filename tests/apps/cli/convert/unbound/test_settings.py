"""
Tests of the conversion of C{unbound.conf}.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from tests.apps.cli.convert.optionnames import UNBOUND
from twisted_ext.apps.cli.convert.command import tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity
from twisted_ext.apps.cli.convert.unbound.settings import HANDLED, OUTCOMES
from twisted_ext.apps.cli.convert.unbound.syntax import SECTIONS
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []

_ANCHOR = {"/etc/root.key": ". 86400 IN DNSKEY 257 3 8 AwEAAaz\n"}


def _converted(text: str, files: dict[str, str] | None = None) -> Converted:
    return converted("unbound", text, files)


def test_everyOptionIsKnown() -> None:
    """
    Each option of Unbound's documentation is converted, or known with a reason.
    """
    known = [(name in HANDLED) + (name in OUTCOMES) or (name in SECTIONS) for name in UNBOUND]
    assert [name for name, times in zip(UNBOUND, known, strict=True) if times != 1] == []


def test_anUnknownOptionIsNamedWithItsLine() -> None:
    """
    A misspelled option is reported with file and line.
    """
    assert "/etc/first.conf:2: prot: 53: not valid: Unbound has no such option" in linesOf(_converted("server:\n prot: 53\n"))


def test_defaultsAreThoseOfUnbound() -> None:
    """
    Unbound listens on loopback, answers this machine, recurses, and reads no hosts file, unless told otherwise.
    """
    values = _converted("server:\n").values
    assert values["interface"] == ["127.0.0.1", "::1"]
    assert values["allow"] == ["127.0.0.0/8", "::1/128"]
    assert (values["role"], values["validate"], values["hosts-file"]) == ("recurse", False, [""])


def test_aForwarderOverTLSValidatesIfUnboundDoes() -> None:
    """
    A forward-zone for all names becomes the upstream, with names of certificates, and with validation where there is a trust anchor.
    """
    values = _converted(
        "server:\n auto-trust-anchor-file: root.key\n tls-cert-bundle: /etc/own.pem\n"
        'forward-zone:\n name: "."\n forward-tls-upstream: yes\n forward-addr: 192.0.2.1@853#dns.example\n'
        " forward-addr: 2001:db8::1#b.example\n",
        _ANCHOR,
    ).values
    assert values["role"] == "forward"
    assert values["upstream"] == ["validate:tls:192.0.2.1@853#dns.example,[2001:db8::1]#b.example:ca=/etc/own.pem"]


def test_anchorsOfZonesBesideAnUpstream(tmp_path: Path) -> None:
    """
    Files with trust anchors of other zones than the root are those that answers of upstreams and routes are validated with.
    """
    text = (
        "server:\n trust-anchor-file: own.key\n trust-anchor-file: more.key\n domain-insecure: b.example\n"
        "forward-zone:\n name: .\n forward-addr: 192.0.2.1\n"
        "forward-zone:\n name: a.example\n forward-addr: 192.0.2.2\nforward-zone:\n name: b.example\n forward-addr: 192.0.2.3\n"
    )
    digest = "IN DS 1 13 2 " + "00" * 32
    files = {str(tmp_path / "own.key"): f"a.example. {digest}\n", str(tmp_path / "more.key"): f"c.example. {digest}\n"}
    for path, owner in files.items():
        Path(path).write_text(owner)
        text = text.replace(Path(path).name, path)
    result = _converted(text, files)
    assert result.texts("upstream") == ["validate:udp:192.0.2.1"]
    assert result.texts("route") == ["a.example.=validate:udp:192.0.2.2", "b.example.=udp:192.0.2.3"]
    assert result.texts("trust-anchor") == list(files)


def test_stubsAreRoutesBesideAnUpstreamForAllNames() -> None:
    """
    A stub zone stays one with recursion; beside a forward-zone for all names it becomes a route, which has precedence.
    """
    stub = "stub-zone:\n name: corp.example\n stub-addr: 192.0.2.53@5353\n"
    assert _converted(stub).values["stub"] == ["corp.example.=192.0.2.53:5353"]
    both = _converted(f"{stub}forward-zone:\n name: .\n forward-addr: 192.0.2.1\n").values
    assert (both["upstream"], both["route"]) == (["udp:192.0.2.1"], ["corp.example.=udp:192.0.2.53@5353"])
    assert "stub" not in both


def test_interfacesWithThePortsOfTLSAndHTTPSAreEncrypted() -> None:
    """
    An interface with the port of TLS or HTTPS is an encrypted listener if there is a key.
    """
    values = _converted(
        "server:\n tls-service-key: k.pem\n tls-service-pem: c.pem\n interface: 192.0.2.1\n interface: 192.0.2.1@853\n"
        " interface: ::@443\n interface: 0.0.0.0@853\n"
    ).values
    assert values["interface"] == ["192.0.2.1"]
    assert (values["tls"], values["https"]) == (["192.0.2.1:853", "any:853"], ["[::]:443"])
    assert (values["key"], values["certificate"]) == (["/etc/k.pem"], ["/etc/c.pem"])


def test_accessKeepsEachAction() -> None:
    """
    allow, refuse and deny become the three lists, without the host bits that Unbound ignores.
    """
    text = "server:\n access-control: 192.168.1.1/16 allow\n access-control: 0.0.0.0/0 refuse\n access-control: 198.51.100.0/24 deny\n"
    values = _converted(text).values
    assert (values["allow"], values["drop"]) == (["192.168.0.0/16", "127.0.0.0/8", "::1/128"], ["198.51.100.0/24"])
    # What is in no network is refused here as well, but could query zones.
    assert "refuse" not in values
    values = _converted(f"{text}auth-zone:\n name: corp.example\n zonefile: corp.zone\n").values
    assert values["refuse"] == ["0.0.0.0/0", "::/0"]


def test_clientsOfLocalDataLookNothingUp() -> None:
    """
    Clients that get local data only are refused among others that are allowed, and where nobody is allowed nobody is.
    """
    text = "server:\n access-control: 10.0.0.0/8 allow\n access-control: 10.1.0.0/16 refuse_non_local\n"
    result = _converted(f"{text} access-control: 10.2.0.0/16 deny_non_local\n access-control: 192.0.2.0/24 refuse_non_local\n")
    assert (result.texts("allow")[0], result.texts("refuse")) == ("10.0.0.0/8", ["10.1.0.0/16", "10.2.0.0/16"])
    assert sum("these clients get no local records" in line for line in linesOf(result)) == 3
    result = _converted("server:\n access-control: 127.0.0.0/8 refuse\n access-control: ::1 deny\n")
    assert (result.values["allow"], result.texts("drop"), result.texts("refuse")) == ([], ["::1/128"], [])


@pytest.mark.parametrize("kind", "static refuse deny redirect always_nxdomain always_null always_refuse always_nodata".split())
def test_rootThatIsNotLookedUp(kind: str) -> None:
    """
    A local zone for all names lets nothing be looked up; exceptions are named.
    """
    result = _converted(f"server:\n local-zone: . {kind}\n local-zone: example.com transparent\n")
    assert result.values["recursive"] is False
    assert any("no names are looked up" in line for line in linesOf(result))
    assert not any("as usual" in line for line in linesOf(result))


def test_privateReverseNames() -> None:
    """
    They are denied but where a zone of theirs is opened, or has servers; a transparent part of one is no exception.
    """
    root = "forward-zone:\n name: .\n forward-addr: 192.168.1.1\n"
    zone = "168.192.in-addr.arpa."
    result = _converted(f"server:\n local-zone: 1.{zone} transparent\n local-zone: 10.in-addr.arpa. nodefault\n{root}")
    assert zone in result.texts("local-domain") and "10.in-addr.arpa." not in result.texts("local-domain")
    assert any(f"not looked up, as all others in {zone}" in line for line in linesOf(result))
    # A part with servers of its own does not open the rest.
    result = _converted(f"server:\n local-zone: 1.{zone} nodefault\n{root}stub-zone:\n name: 1.{zone}\n stub-addr: 192.168.1.2\n")
    assert zone in result.texts("local-domain") and result.texts("route") == [f"1.{zone}=udp:192.168.1.2"]
    result = _converted(f"{root}stub-zone:\n name: 1.{zone}\n stub-addr: 192.168.1.2\n")
    assert any("nodefault, Unbound denies them by itself" in line for line in linesOf(result))


def test_policyZones() -> None:
    """
    Policy zones are applied in their order: those in files by these, others as zones of the server that no client is answered from.
    """
    rpz = "rpz:\n name: {}\n {}\n"
    result = _converted(
        rpz.format("rpz.example", "zonefile: own.rpz")
        + rpz.format("far.example", "primary: 192.0.2.1\n rpz-action-override: cname\n rpz-cname-override: wall.example")
        + rpz.format("new.example", "zonefile: new.rpz\n rpz-action-override: disabled\n tags: home")
        + rpz.format("lost.example", "url: https://lists.example/rpz")
    )
    assert result.values["policy-zone"] == [
        {"name": "rpz-example", "zone": "rpz.example.", "file": "/etc/own.rpz"},
        {"name": "far-example", "zone": "far.example.", "override": "cname=wall.example"},
        {"name": "new-example", "zone": "new.example.", "file": "/etc/new.rpz", "trial": True},
    ]
    assert result.texts("policy-zones") == ["rpz-example", "far-example", "new-example"]
    assert result.values["zone"] == [{"name": "far.example.", "view": "policy-zones", "primaries": ["192.0.2.1"]}]
    lines = linesOf(result)
    assert any("with tags only" in line for line in lines) and any("no primary with an address" in line for line in lines)


def test_authZonesInLocalZones() -> None:
    """
    A zone that a local zone hides is left out.
    """
    zone = "auth-zone:\n name: a.b.example\n zonefile: a.zone\n"
    for local, served in (("b.example refuse", False), (". static", False), ("a.b.example transparent", True), ("example nodefault", True)):
        result = _converted(f"server:\n local-zone: {local}\n{zone}")
        assert ("zone" in result.values) is served
        assert any("a.b.example. is left out: local-zone" in line for line in linesOf(result)) is not served


def test_routesInLocalZones() -> None:
    """
    What a local zone answers by itself has no route and no stub, so that it is not opened; a blocked domain keeps its route for the names
    that are exceptions.
    """
    for kind in ("forward", "stub"):
        zone = f"{kind}-zone:\n name: a.b.example\n {kind}-addr: 192.0.2.53\n"
        zones = {"b.example static": False, "a.b.example redirect": False, "b.example refuse": True, "b.example inform": True}
        for local, routed in zones.items():
            result = _converted(f"server:\n local-zone: {local}\n{zone}")
            assert bool(result.texts("route") + result.texts("stub")) is routed, local
            assert any("a.b.example. is left out: local-zone" in line for line in linesOf(result)) is not routed


def test_nodefaultOpensNoZoneOfItsName() -> None:
    """
    nodefault is about the zone that Unbound has by itself: one of the file stands.
    """
    for text in ("home.arpa. static\n local-zone: home.arpa. nodefault", "home.arpa. nodefault\n local-zone: home.arpa. static"):
        assert _converted(f"server:\n local-zone: {text}\n").texts("local-domain") == ["home.arpa.", "test."]


def test_privateAddressesOfRoutes() -> None:
    """
    Unbound leaves private addresses out of answers of forward zones as well.
    """
    text = "server:\n private-address: 10.0.0.0/8\nforward-zone:\n name: corp.example\n forward-addr: 192.0.2.1\n"
    assert _converted(text).values["rebinding-routes"] is False
    assert "rebinding-routes" not in _converted("server:\n private-address: 10.0.0.0/8\n").values


def test_recordsOfNullZones() -> None:
    """
    A zone of type always_null gives its names their own records, and the null addresses for the types that they do not have.
    """
    data = "server:\n local-zone: a.example always_null\n local-data: 'b.a.example. 60 IN A 192.0.2.1'\n"
    records = _converted(data).texts("local")
    assert {each for each in records if "*" not in each} == {
        "b.a.example. 60 IN A 192.0.2.1", "b.a.example. AAAA ::", "a.example. A 0.0.0.0", "a.example. AAAA ::",
    }  # fmt: skip
    assert "*.b.a.example. A 0.0.0.0" in records


def test_exceptionsOfLocalZones() -> None:
    """
    A transparent zone is an exception of blocked names, and no exception in a static zone.
    """
    result = _converted("server:\n local-zone: a.example always_nxdomain\n local-zone: b.a.example always_transparent\n")
    assert (result.texts("block"), result.texts("block-except")) == (["a.example."], ["b.a.example."])
    result = _converted("server:\n local-zone: a.example static\n local-zone: b.a.example transparent\n")
    assert result.texts("local-domain")[0] == "a.example." and any("are not looked up, as all others" in line for line in linesOf(result))


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("forward-no-cache: yes", Severity.MISSING),
        ("forward-no-cache: no", Severity.NEEDLESS),
        ("fallback-enabled: yes", Severity.MISSING),
        ("for-upstream: no", Severity.NOTE),
        ("stub-prime: yes", Severity.NEEDLESS),
    ],
)
def test_optionsOfZonesAreNamed(line: str, severity: Severity) -> None:
    """
    An option of a zone that becomes no setting is named.
    """
    kind = "stub-zone:\n stub-addr: 192.0.2.1" if line.startswith("stub") else "forward-zone:\n forward-addr: 192.0.2.1"
    section = kind if line.startswith(("stub", "forward")) else "auth-zone:\n zonefile: a.zone"
    result = _converted(f"{section}\n name: a.example\n {line}\n")
    assert severity in [finding.severity for finding in result.findings if finding.place.line == 4]


def test_localDataThatUnboundReads() -> None:
    """
    Words of a record are separated by any white space; a label * is no wildcard.
    """
    result = _converted("server:\n local-data: \"www.example.\t300\tIN A\t192.0.2.1\"\n local-data: '*.w.example. A 192.0.2.1'\n")
    assert result.texts("local") == ["www.example. 300 IN A 192.0.2.1"]
    assert any("no wildcard" in line for line in linesOf(result))


def test_localZonesAndData() -> None:
    """
    Static zones are local domains, redirects are wildcards, and records are local records, without names of their addresses.
    """
    values = _converted(
        "server:\n local-zone: lan static\n local-data: 'nas.lan. 60 IN A 192.168.1.2'\n local-zone: ads.example redirect\n"
        ' local-data: "ads.example A 192.0.2.9"\n local-data-ptr: "192.168.1.2 300 nas.lan"\n local-data: \'t.lan TXT "a  b"\'\n'
    ).values
    assert values["local-domain"] == ["lan.", "home.arpa.", "test."]
    assert values["local"] == [
        "2.1.168.192.in-addr.arpa. 300 PTR nas.lan.",
        "nas.lan. 60 IN A 192.168.1.2",
        't.lan. TXT "a  b"',
        "ads.example. A 192.0.2.9",
        "*.ads.example. A 192.0.2.9",
    ]
    assert values["local-reverse"] is False


def test_blockedZonesHaveOneReply() -> None:
    """
    Zones that always deny are blocked with the reply of the larger part.
    """
    values = _converted("server:\n local-zone: a.example always_null\n local-zone: b.example always_null\n").values
    assert (values["block"], values["block-reply"]) == (["a.example.", "b.example."], "null")
    assert _converted("server:\n local-zone: a.example always_nxdomain\n").values["block"] == ["a.example."]


def test_privateReverseNamesAreDeniedAlsoBesideAPrivateUpstream() -> None:
    """
    Unbound denies reverse names of private addresses unless a zone is opened.
    """
    text = "server:\n local-zone: 10.in-addr.arpa nodefault\nforward-zone:\n name: .\n forward-addr: 192.168.1.1\n"
    domains = _converted(text).texts("local-domain")
    assert "168.192.in-addr.arpa." in domains
    assert "10.in-addr.arpa." not in domains
    assert "168.192.in-addr.arpa." not in _converted(text.replace("192.168.1.1", "9.9.9.9")).texts("local-domain")


def test_cachingAndStaleAnswers() -> None:
    """
    Sizes are added, TTLs kept, and stale answers have the time of serve-expired-ttl.
    """
    values = _converted(
        "server:\n msg-cache-size: 4m\n rrset-cache-size: 8m\n cache-max-ttl: 3600\n cache-min-ttl: 60\n serve-expired: yes\n"
        " serve-expired-ttl: 0\n serve-expired-client-timeout: 1800\n prefetch: no\n"
    ).values
    assert (values["cache-size"], values["max-ttl"], values["min-ttl"]) == (12 << 20, 3600, 60)
    assert (values["stale"], values["stale-wait"], values["prefetch"]) == (259200, 1.8, False)


def test_authZones() -> None:
    """
    Zones have a file or primaries; that of the root becomes the local copy.
    """
    values = _converted(
        "auth-zone:\n name: example.org\n zonefile: org.zone\nauth-zone:\n name: example.net\n primary: 192.0.2.1@5353\n zonefile: x\n"
        "auth-zone:\n name: .\n primary: b.root-servers.net\n fallback-enabled: yes\n"
    ).values
    assert values["zone"] == [
        {"name": "example.org.", "file": "/etc/org.zone"},
        {"name": "example.net.", "primaries": ["192.0.2.1:5353"]},
    ]
    assert values["local-root"] == ["yes"]


def test_whatHasNoCounterpartIsListedWithAdvice() -> None:
    """
    Tags, RPZ and modules are listed with what to do instead; what is off is not needed.
    """
    result = _converted(
        "server:\n module-config: 'respip ipset validator iterator'\n\n dnscrypt-enable: no\nrpz:\n name: x\n"
        "server:\n define-tag: t\n"
    )
    missing = [finding for finding in result.findings if finding.severity is Severity.MISSING]
    assert sorted([finding.place.line for finding in missing]) == [2, 5, 8]
    assert not result.complete


def test_addressesForClientsWithoutIPv4() -> None:
    """
    With the module DNS64, IPv6 addresses are made as there; without it, its options are not needed.
    """
    options = " dns64-ignore-aaaa: old.example\n dns64-synthall: {}\n"
    values = _converted("server:\n module-config: 'dns64 validator iterator'\n" + options.format("no")).values
    assert (values["dns64"], values["dns64-ignore-aaaa"]) == (["64:ff9b::/96"], ["old.example"])
    text = "server:\n module-config: 'dns64 iterator'\n dns64-prefix: 2001:db8:64::/96\n" + options.format("yes")
    result = _converted(text)
    assert (result.values["dns64"], result.values["dns64-ignore-aaaa"]) == (["2001:db8:64::/96"], ["old.example", "."])
    assert result.complete
    result = _converted("server:\n dns64-prefix: 2001:db8:64::/96\n" + options.format("yes"))
    assert "dns64" not in result.values
    assert sum("module-config has no dns64" in line for line in linesOf(result)) == 3
    result = _converted("server:\n module-config: 'dns64 iterator'\n dns64-prefix: 2001:db8:64::/95\n")
    assert any("has 32, 40, 48, 56, 64 or 96 bits" in line for line in linesOf(result))


def test_includesAreRead() -> None:
    """
    Included files continue their section, also by a pattern; a circle is reported.
    """
    files = {"/etc/unbound.d/a.conf": "port: 5353\ninclude: first.conf\n", "/etc/unbound.d/b.conf": "do-ip6: no\n"}
    result = _converted("server:\n include: '/etc/unbound.d/*.conf'\n prefetch: yes\n", files)
    assert (result.values["port"], result.values["query-ipv6"], result.values["prefetch"]) == (5353, False, True)
    assert any("includes itself" in line for line in linesOf(result))


def test_directoryIsTheBaseOfPaths() -> None:
    """
    Relative paths begin at directory, absolute ones at chroot.
    """
    values = _converted("server:\n chroot: /var/unbound\n directory: /var/unbound/etc\nauth-zone:\n name: a\n zonefile: z/a\n").values
    assert values["zone"] == [{"name": "a.", "file": "/var/unbound/etc/z/a"}]


@pytest.mark.parametrize(
    "text", ["", "}{", "server", "server:\n port:\n", "a: b\n", 'server:\n local-data: "\n', "\x00", "server:\n local-zone:\n"]
)
def test_brokenFilesAreConverted(text: str) -> None:
    """
    What is not valid becomes findings, and the settings remain valid.
    """
    result = _converted(text)
    valuesFromTOML(tomlOf(result), "/etc/txdns.toml")


def test_otherTypesOfLocalNames() -> None:
    """
    In zones of type typetransparent, types that a name does not have are looked up, but not in others; the setting is that of most names.
    """
    transparent = "server:\n local-zone: a.example typetransparent\n local-data: 'x.a.example A 192.0.2.1'\n"
    other = " local-data: 'x.b.example A 192.0.2.1'\n"
    result = _converted(transparent)
    assert (result.values["forward-other-types"], result.complete) == (True, True)
    result = _converted(transparent + other)
    assert "forward-other-types" not in result.values
    assert [finding.reason for finding in result.findings if finding.severity is Severity.DIFFERS] == [
        "a name with local records has no records of other types, as in most of the zones here"
    ]
    result = _converted(transparent + " local-data: 'y.a.example A 192.0.2.1'\n" + other)
    assert result.values["forward-other-types"] is True
    assert [finding.place.line for finding in result.findings if finding.severity is Severity.DIFFERS] == [5]
    assert "forward-other-types" not in _converted(transparent.replace("typetransparent", "static")).values


@pytest.mark.parametrize("option", ["ignore-cd-flag", "disable-edns-do"])
def test_whatClientsMayAskForIsReported(option: str) -> None:
    """
    Unbound can keep data that is bogus, and the records of DNSSEC, from all clients; here those that set CD or DO get them, and a line says
    so.
    """
    (finding,) = [each for each in _converted(f"server:\n {option}: yes\n").findings if each.place.line == 2]
    assert finding.severity is Severity.MISSING
    assert "a client that sets" in finding.reason
    (finding,) = [each for each in _converted(f"server:\n {option}: no\n").findings if each.place.line == 2]
    assert finding.severity is Severity.NEEDLESS
