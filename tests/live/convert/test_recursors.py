"""
Unbound and named, and this server with their converted configurations, give the same answers. A Corefile sends names where CoreDNS's
documentation says.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.live.convert.comparing import reportOf
from tests.live.convert.recursors import compareCoredns, compareNamed, compareUnbound

__all__: list[str] = []

#: Questions for each configuration.
_QUESTIONS: Final = 200

#: A resolver of a home: local names, blocked names, protection against rebinding.
_HOME: Final = """\
server:
    interface: 192.168.77.1
    access-control: 192.168.0.0/16 allow
    prefetch: yes
    cache-min-ttl: 60
    private-address: 10.0.0.0/8
    private-domain: "public1.example.net"
    local-zone: "lan." static
    local-data: "nas.lan. IN A 192.168.77.10"
    local-data: 'nas.lan. IN TXT "the big one"'
    local-data-ptr: "192.168.77.10 nas.lan"
    local-zone: "ads.example" always_nxdomain
    local-zone: "dev.example" redirect
    local-data: "dev.example A 192.168.77.20"
    local-data: "one.public2.example.net A 192.0.2.1"
forward-zone:
    name: "."
    forward-addr: 9.9.9.9@853#dns.quad9.net
    forward-tls-upstream: yes
"""

#: A resolver that adds records to names of the internet.
_ADDING: Final = """\
server:
    local-zone: "net" typetransparent
    local-data: "one.public2.example.net A 192.0.2.1"
    local-data: 'public3.example.net TXT "here"'
    local-data: "nothing.example.net A 192.0.2.2"
forward-zone:
    name: "."
    forward-addr: 9.9.9.9
"""

#: A resolver of an office: domains with servers of their own, and reverse zones.
_OFFICE: Final = """\
server:
    interface: 0.0.0.0
    access-control: 0.0.0.0/0 allow
    local-zone: 10.in-addr.arpa nodefault
    local-zone: "onlyhere.test" static
stub-zone:
    name: 10.in-addr.arpa
    stub-addr: 10.0.0.53
forward-zone:
    name: corp.example
    forward-addr: 10.0.0.53
forward-zone:
    name: lab.corp.example
    forward-addr: 10.0.0.54@5353
forward-zone:
    name: .
    forward-addr: 9.9.9.9
"""

#: An authoritative server of zones.
_AUTHORITY: Final = """\
acl "friends" { 192.0.2.0/24; localhost; };
options {
    directory "/var/named";
    recursion no;
    allow-transfer { friends; };
    version "none";
};
zone "example.org" { type master; file "db.example.org"; };
zone "sub.example.org" { type slave; masters { 192.0.2.1; }; file "sub"; };
zone "2.0.192.in-addr.arpa" { type primary; file "db.192.0.2"; };
"""

#: A server of an office: zones of its own, a domain that is forwarded, and an upstream.
_BRANCH: Final = """\
options {
    directory "/var/named";
    forwarders { 9.9.9.9; 149.112.112.112; };
    allow-query { localhost; 10.0.0.0/8; };
};
zone "." { type hint; file "named.ca"; };
zone "branch.example" IN { type master; file "branch"; allow-update { none; }; };
zone "corp.example" { type forward; forward only; forwarders { 10.0.0.53; }; };
"""

_COREFILE: Final = """\
(usual) {
    errors
    cache 60
}
. {
    import usual
    forward . 9.9.9.9 1.1.1.1
}
corp.example 10.in-addr.arpa {
    import usual
    forward . 10.0.0.53:5353
}
lab.corp.example {
    forward . 10.0.0.54
}
"""


@pytest.mark.parametrize("text", [_HOME, _ADDING, _OFFICE], ids=["home", "adding", "office"])
def test_sameAnswersAsUnbound(text: str) -> None:
    """
    rcode and records of the answers are the same; where they differ, the converter has said so.
    """
    result = compareUnbound(text, _QUESTIONS)
    assert result.asked == _QUESTIONS
    assert result.unexplained == [], "\n".join(reportOf("", result))


@pytest.mark.parametrize("text", [_AUTHORITY, _BRANCH], ids=["authority", "branch"])
def test_sameAnswersAsNamed(text: str) -> None:
    """
    rcode and records of the answers are the same; where they differ, the converter has said so.
    """
    result = compareNamed(text, _QUESTIONS)
    assert result.asked == _QUESTIONS
    assert result.unexplained == [], "\n".join(reportOf("", result))


@pytest.mark.parametrize("text", [_COREFILE, _COREFILE.replace("\n. {", "\npublic0.example.net {")], ids=["all names", "some names"])
def test_namesGoWhereCorednsSendsThem(text: str) -> None:
    """
    Each name is answered by the upstream of its longest zone, and refused without one.
    """
    result = compareCoredns(text, _QUESTIONS)
    assert result.asked > _QUESTIONS // 2
    assert result.differences == [], "\n".join(reportOf("", result))
