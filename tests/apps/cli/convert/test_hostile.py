"""
Converters take any text: what they write is always a valid settings file.
"""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as some

from tests.apps.cli.convert.folders import converted
from twisted_ext.apps.cli.convert.command import jsonOf, tomlOf
from twisted_ext.apps.cli.convert.dnsmasq.records import RECORDS
from twisted_ext.apps.cli.convert.dnsmasq.settings import OUTCOMES
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []

_DNSMASQ: Final = (
    "address", "server", "local", "rev-server", "domain", "expand-hosts", "no-resolv", "no-hosts", "addn-hosts", "hostsdir", "conf-dir",
    "conf-file", "servers-file", "resolv-file", "cache-size", "max-ttl", "min-cache-ttl", "local-ttl", "interface", "listen-address",
    "port", "mx-host", "mx-target", "dnssec", "trust-anchor", "bogus-priv", "rebind-domain-ok", "stop-dns-rebind", "use-stale-cache",
    "filter-rr", *RECORDS, *[name for index, name in enumerate(OUTCOMES) if index % 9 == 0],
)  # fmt: skip

_RESOLVED: Final = (
    "DNS", "FallbackDNS", "Domains", "DNSSEC", "DNSOverTLS", "Cache", "DNSStubListener", "DNSStubListenerExtra", "StaleRetentionSec",
    "ReadEtcHosts", "LLMNR", "RefuseRecordTypes",
)  # fmt: skip

#: Pieces of values, sensible and not.
_PIECES: Final = some.one_of(
    some.sampled_from(
        ["/", ",", "#", "@", "=", '"', "\\", ".", "..", "*", ":", "%", " ", "\t", "~", "[", "]", "lan", "a.example", "192.0.2.1",
         "2001:db8::1", "fe80::1%eth0", "10.0.0.0/8", "::/0", "5353", "99999", "-1", "yes", "no", "udp:", "A", "AAAA", "00:01", "١",
         "\x00", "\x7f", "\u2028"]
    ),
    some.text(max_size=3),
)  # fmt: skip

_VALUES: Final = some.lists(_PIECES, max_size=6).map("".join)


def check(kind: str, text: str) -> None:
    result = converted(kind, text)
    valuesFromTOML(tomlOf(result), "/etc/txdns.toml")
    jsonOf(result)
    assert all(str(finding).count("\n") == 0 for finding in result.findings)


@settings(max_examples=100, deadline=None)
@given(some.lists(some.tuples(some.sampled_from(_DNSMASQ), some.sampled_from(["", "=", " = "]), _VALUES), max_size=6))
def test_anyDnsmasq(lines: list[tuple[str, str, str]]) -> None:
    """
    Any lines of dnsmasq become settings that a server takes, or findings of one line.
    """
    check("dnsmasq", "\n".join(["".join(line) for line in lines]))


@settings(max_examples=60, deadline=None)
@given(some.lists(some.tuples(some.sampled_from(_RESOLVED), _VALUES), max_size=6))
def test_anyResolved(lines: list[tuple[str, str]]) -> None:
    """
    The same holds for resolved.conf.
    """
    check("resolved", "\n".join(["[Resolve]", *["=".join(line) for line in lines]]))
