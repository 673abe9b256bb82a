"""
Tests of L{twisted_ext.apps.cli.convert.resolved}.
"""

from __future__ import annotations

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from twisted_ext.apps.cli.convert.converted import Converted

__all__: list[str] = []

PATH = "/etc/systemd/resolved.conf"


def settingsOf(lines: str, files: dict[str, str] | None = None) -> Converted:
    return converted("resolved", f"[Resolve]\n{lines}\n", files, PATH)


def reasonsOf(result: Converted, line: int) -> list[str]:
    return [f"{finding.severity.value}: {finding.reason}" for finding in result.findings if finding.place.line == line]


@pytest.mark.parametrize(
    ("lines", "upstreams"),
    [
        ("DNS=192.0.2.1 2001:db8::1", ["192.0.2.1", "2001:db8::1"]),
        ("DNS=192.0.2.1:5353\nDNS=[2001:db8::1]:5353#dns.example", ["192.0.2.1:5353", "[2001:db8::1]:5353"]),
        ("DNS=192.0.2.1 \\\n# between\n192.0.2.2", ["192.0.2.1", "192.0.2.2"]),
        ("DNS=192.0.2.1\nDNS=\nDNS=192.0.2.2", ["192.0.2.2"]),
        ("DNS=192.0.2.1#dns.example\nDNSOverTLS=yes", ["tls:192.0.2.1#dns.example"]),
        ("DNS=[2001:db8::1]:8853#dns.example\nDNSOverTLS=1", ["tls:[2001:db8::1]@8853#dns.example"]),
        ("DNS=192.0.2.1\nDNSSEC=true", ["validate:(udp:192.0.2.1)"]),
        ("DNS=192.0.2.1:853#a.example\nDNSSEC=yes\nDNSOverTLS=yes", ["validate:(tls:192.0.2.1@853#a.example)"]),
        ("DNS=192.0.2.1%eth0", ["192.0.2.1"]),
        ("DNS=fe80::1%eth0", ["fe80::1%eth0"]),
    ],
)
def test_servers(lines: str, upstreams: list[str]) -> None:
    """
    Servers become upstreams, with TLS and validation where these are on. Later lines add servers, an empty one removes them.
    """
    assert settingsOf(lines).texts("upstream") == upstreams


def test_dropIns() -> None:
    """
    Drop-ins are read in the order of their names; of two with one name, that in /etc counts.
    """
    files = {
        "/etc/systemd/resolved.conf.d/20-b.conf": "[Resolve]\nCache=no\n",
        "/etc/systemd/resolved.conf.d/10-a.conf": "[Resolve]\nDNS=\nDNS=192.0.2.9\nCache=yes\n",
        "/usr/lib/systemd/resolved.conf.d/10-a.conf": "[Resolve]\nDNS=192.0.2.10\n",
        "/run/systemd/resolved.conf.d/05-run.conf": "[Resolve]\nReadEtcHosts=no\n",
        "/etc/systemd/resolved.conf.d/not.txt": "[Resolve]\nDNS=192.0.2.11\n",
    }
    result = settingsOf("DNS=192.0.2.1", files)
    assert result.texts("upstream") == ["192.0.2.9"]
    assert (result.values["cache"], result.values["hosts-file"]) == (False, [""])
    assert str(result.places["upstream"][0]) == "/etc/systemd/resolved.conf.d/10-a.conf:3"
    alone = converted("resolved", "[Resolve]\n", files, "/home/resolved.conf")
    assert "upstream" not in alone.values


def test_withoutServers() -> None:
    """
    Without servers, the settings follow those that systemd-resolved has learned, if its file is there.
    """
    result = settingsOf("")
    assert "resolv-conf" not in result.values
    assert any("learns servers from networks" in line for line in linesOf(result))
    required = settingsOf("DNSOverTLS=yes")
    assert required.values["upgrade-upstreams"] == "require"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("Cache=no", "cache", False),
        ("Cache=no-negative", "max-negative-ttl", 0),
        ("ReadEtcHosts=off", "hosts-file", [""]),
        ("StaleRetentionSec=1d 2h", "stale", 93600),
        ("StaleRetentionSec=90", "stale", 90),
        ("DNSStubListener=yes", "interface", ["127.0.0.53"]),
        ("DNSStubListener=no", "interface", None),
        ("DNSStubListener=no\nDNSStubListenerExtra=192.0.2.3:5353", "port", 5353),
        ("DNSStubListenerExtra=2001:db8::3", "interface", ["127.0.0.53", "2001:db8::3"]),
        ("DNSOverTLS=opportunistic", "upgrade-upstreams", "yes"),
        ("ResolveUnicastSingleLabel=yes", "domain-needed", None),
        ("ResolveUnicastSingleLabel=no", "domain-needed", True),
        ("LLMNR=no", "domain-needed", True),
        ("RefuseRecordTypes=AAAA", "filter-aaaa", True),
    ],
)
def test_otherKeys(line: str, name: str, value: object) -> None:
    """
    Keys become the settings that do the same.
    """
    assert settingsOf(f"DNS=192.0.2.1\n{line}").values.get(name) == value


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Domains=corp.example", "no counterpart: corp.example: a search list belongs to the clients: names arrive here complete"),
        ("Domains=~corp.example", "no counterpart: ~corp.example: its servers are those of a network link"),
        ("Domains=~.", "not needed: ~.: all names are asked of the upstreams anyway"),
        ("Domains=a..b", "not valid: a..b: "),
        ("FallbackDNS=192.0.2.1", "no counterpart: servers for the time without any others"),
        ("DNSSEC=allow-downgrade", "no counterpart: answers are validated or not, whatever the upstream can do"),
        ("DNSSEC=no", "not needed: answers of upstreams are not validated by default"),
        ("DNSStubListener=no", "no counterpart: without it, programs reach systemd-resolved by D-Bus and NSS, and this server not at all"),
        ("DNSStubListener=udp", "differs: the server listens for both UDP and TCP"),
        ("DNSStubListenerExtra=192.0.2.1:99", "no counterpart: all addresses have one port, here 53"),
        ("MulticastDNS=resolve", "no counterpart: this server asks by unicast only"),
        ("StaleRetentionSec=soon", "not valid: 'soon' is not a valid time, such as 1d or 3600"),
        ("DNS=nonsense", "not valid: as upstream it takes an address of a server or a description"),
        ("Colour=blue", "not valid: no such key is known in resolved.conf"),
        ("Cache", "not valid: an assignment KEY=VALUE was expected"),
        ("[Resolver]", "not valid: only the section [Resolve] is known"),
    ],
)
def test_findings(line: str, reason: str) -> None:
    """
    What has no counterpart, and what is wrong, is listed with the reason.
    """
    assert reasonsOf(settingsOf(line), 2)[0].startswith(reason)
