"""
dnsmasq, and this server with the converted configuration, give the same answers.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.live.convert.comparing import Answered, Question, compareDnsmasq, explainedBy, reportOf, rulesFor
from twisted_ext.apps.cli.convert.converted import Converted, Place

__all__: list[str] = []

#: Questions for each configuration.
_QUESTIONS: Final = 500

#: A router of a home: hosts, a local domain, blocked names.
_HOME: Final = """\
# the names of this house
domain-needed
bogus-priv
expand-hosts
domain=home.arpa
local=/home.arpa/
address=/tracker.example/
address=/ads.example/#
host-record=nas,nas.home.arpa,192.168.77.10,2001:db8:77::10
cname=files.home.arpa,nas.home.arpa
cname=printer2.home.arpa,printer.home.arpa
srv-host=_ipp._tcp.home.arpa,printer.home.arpa,631
txt-record=nas.home.arpa,"model=x, y",fast
mx-host=home.arpa,nas.home.arpa,10
caa-record=home.arpa,0,issue,"ca.example"
ptr-record=_http._tcp.home.arpa,"Admin Page._http._tcp.home.arpa"
cache-size=1000
min-cache-ttl=60
local-ttl=77
no-negcache
dhcp-range=192.168.77.100,192.168.77.200,12h
"""

#: A server of an office: domains with servers of their own, and a laboratory below one address.
_OFFICE: Final = """\
no-hosts
server=/corp.example/192.0.2.53
server=/lab.corp.example/branch.example/192.0.2.54#5353
server=/www.corp.example/#
rev-server=198.51.100.0/24,192.0.2.53
address=/dev.office/192.0.2.80
address=/dev.office/2001:db8::80
local=/office/
naptr-record=sip.office,100,10,S,SIP+D2U,,_sip._udp.office
dns-rr=keys.office,44,01:01:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33
all-servers
filterwin2k
"""

#: A gateway with filters, and records of names that the upstreams deny or have other types of.
_GATEWAY: Final = """\
stop-dns-rebind
rebind-domain-ok=/public1.example.net/
filter-AAAA
max-cache-ttl=30
strict-order
server=198.51.100.1
server=198.51.100.2
cname=alias.of.nothing.example,www.unknown.example
host-record=nxhost.example,192.0.2.9
cname=nxalias.example,nxhost.example
address=/nxdev.example/192.0.2.10
txt-record=text.example,hello
"""


@pytest.mark.parametrize(
    ("text", "ttls"),
    [(_HOME, {"nas.home.arpa": (77, 77), "printer.home.arpa": (77, 77)}), (_OFFICE, {}), (_GATEWAY, {})],
    ids=["home", "office", "gateway"],
)
def test_sameAnswers(text: str, ttls: dict[str, tuple[int, int]]) -> None:
    """
    rcode and records of 500 answers are the same, and TTLs that are set; where answers differ, the converter has said so.
    """
    result = compareDnsmasq(text, _QUESTIONS, list(ttls))
    assert result.ttls == ttls
    assert result.asked == _QUESTIONS
    assert result.unexplained == [], "\n".join(reportOf("", result))


def test_onlyFindingsExplain() -> None:
    """
    A difference of a known kind is unexplained if the converter has not listed it.
    """
    question, theirs, ours = Question("a.example", "A"), Answered("NOERROR", frozenset()), Answered("REFUSED", frozenset())
    result = Converted("dnsmasq", "/etc/dnsmasq.conf")
    assert explainedBy(rulesFor("dnsmasq"), result)(question, theirs, ours) == ""
    result.differs(Place("/etc/dnsmasq.conf", 1, "stop-dns-rebind"), "an answer that is blocked is REFUSED here, and without records there")
    assert explainedBy(rulesFor("dnsmasq"), result)(question, theirs, ours).startswith("an answer that is blocked")
