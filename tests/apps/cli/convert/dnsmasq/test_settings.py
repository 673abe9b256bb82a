"""
Tests of L{twisted_ext.apps.cli.convert.dnsmasq.settings}.
"""

from __future__ import annotations

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from twisted_ext.apps.cli.convert.converted import Converted

__all__: list[str] = []

#: Lines without which every configuration has the same notes.
USUAL = "local-service\nno-resolv\nserver=198.18.0.1\n"


def valuesOf(text: str, *names: str) -> list[object]:
    """
    Convert a text, and return the values of settings, L{None} for those that are not set.
    """
    values = converted("dnsmasq", text).values
    return [values.get(name) for name in names]


def reasonsOf(result: Converted, line: int) -> list[str]:
    """
    Return what is to be known about a line.
    """
    return [f"{finding.severity.value}: {finding.reason}" for finding in result.findings if finding.place.line == line]


def test_namesInADomainThatHasAnAddress() -> None:
    """
    The address of a domain is that of all names in it, but for those with an address of their own.
    """
    text = "no-resolv\nserver=192.0.2.53\naddress=/a.example/192.0.2.9\ntxt-record=txt.a.example,hello\nhost-record=h.b.a.example,192.0.2.7"
    result = converted("dnsmasq", text)
    addresses = {tuple(text.split(" A ")) for text in result.texts("local") if " A " in text}
    everywhere = ["a.example.", "txt.a.example.", "b.a.example."]
    assert addresses == {
        ("h.b.a.example.", "192.0.2.7"),
        *[(name, "192.0.2.9") for name in everywhere],
        *[(f"*.{name}", "192.0.2.9") for name in [*everywhere, "h.b.a.example."]],
    }


def test_recordsOfNamesInHostsFiles() -> None:
    """
    A name that a hosts file has as well has the addresses of both in dnsmasq, and of its records alone here.
    """
    text = f"\n\nhost-record=nas.lan,192.0.2.7\nhost-record=tv.lan,192.0.2.8\n{USUAL}"
    result = converted("dnsmasq", text, {"/etc/hosts": "192.0.2.1 NAS.lan other.lan\n"})
    said = "differs: dnsmasq adds what hosts files give nas.lan; here it has its records alone"
    assert said in reasonsOf(result, 3)
    assert reasonsOf(result, 4) == []


def test_recordsOfBlockedNames() -> None:
    """
    A denied domain in which names have records is only known here: it is denied but for these.
    """
    text = "no-resolv\nserver=192.0.2.53\naddress=/a.example/\ncaa-record=a.example,0,issue,ca.example\nhost-record=b.a.example,192.0.2.1\n"
    result = converted("dnsmasq", text)
    assert (result.texts("block"), result.texts("local-domain")) == ([], ["a.example"])
    assert result.texts("local") == ['a.example. CAA 0 issue "ca.example"', "b.a.example. A 192.0.2.1"]
    null = converted("dnsmasq", text.replace("address=/a.example/", "address=/a.example/#"))
    assert "*.a.example. AAAA ::" in null.texts("local") and not null.texts("block")


def test_serversOfAllNames() -> None:
    """
    A server for # replaces those without a domain; without an address it changes nothing.
    """
    result = converted("dnsmasq", "server=/#/192.0.2.1\nserver=192.0.2.2\nserver=/a.example/192.0.2.3\n")
    assert (result.texts("upstream"), result.texts("route")) == (["udp:192.0.2.1"], ["a.example=udp:192.0.2.3"])
    assert [reasonsOf(result, line) for line in (1, 2)] == [[], ["not needed: servers for # are asked about all names"]]
    assert converted("dnsmasq", "local=/#/\nno-resolv\n").values["recursive"] is False
    assert "recursive" not in converted("dnsmasq", "local=/#/\n").values
    assert converted("dnsmasq", "local=/#/\nno-resolv\nserver=192.0.2.2\n").texts("upstream") == ["udp:192.0.2.2"]
    # Those of a file are not asked either.
    files = {"/etc/more.conf": "nameserver 192.0.2.7\n"}
    assert converted("dnsmasq", "server=/#/192.0.2.1\nresolv-file=/etc/more.conf\n", files).texts("upstream") == ["udp:192.0.2.1"]


def test_upstreams() -> None:
    """
    Servers become upstreams and routes; several for one domain race; a reverse network has the reverse domains that it consists of.
    """
    text = (
        "no-resolv\nserver=198.18.0.1#5301\nserver=2001:db8::1\nserver=/corp.example/.Other.example/198.18.0.2\n"
        "server=/corp.example/198.18.0.3#99\nrev-server=198.18.0.0/22,198.18.0.4\nserver=/sub.corp.example/#\nserver=/x.example/#\n"
    )
    result = converted("dnsmasq", text)
    assert result.texts("upstream") == ["udp:198.18.0.1:5301", "udp:[2001:db8::1]"]
    assert result.texts("route") == [
        "corp.example=race:(udp:198.18.0.2):(udp:198.18.0.3:99)",
        "other.example=udp:198.18.0.2",
        *[f"{number}.18.198.in-addr.arpa=udp:198.18.0.4" for number in range(4)],
        "sub.corp.example=race:(udp:198.18.0.1:5301):(udp:[2001:db8::1])",
    ]
    assert reasonsOf(result, 8) == ["not needed: the domain is not in one with servers of its own, so the usual upstreams are asked"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("server=198.18.0.9@eth0", "no counterpart: queries leave from the address and the interface that the kernel selects"),
        ("server=dns.example", "no counterpart: dns.example: an upstream is given by its address"),
        ("server=/*.corp.example/198.18.0.9", "no counterpart: *.corp.example matches only the names below it"),
        ("server=/*corp.example/198.18.0.9", "no counterpart: *corp.example matches names that end in it"),
        ("server=//198.18.0.9", "no counterpart: names of one label have no upstreams of their own"),
        ("address=/x/300.1.1.1", "not valid: '300.1.1.1' is not a valid IP address"),
        ("address=lan", "not valid: /DOMAIN/ADDRESS was expected"),
        ("rev-server=x/8,198.18.0.9", "not valid: 'x/8' is not a valid network, such as 192.0.2.0/24"),
        ("rev-server=fe80::1%eth0,198.18.0.9", "not valid: 'fe80::1%eth0' is not a valid network, such as 192.0.2.0/24"),
        ("addn-hosts=/etc/a\x00b", "not valid: as hosts-file it takes the path of a file that can be read; /etc/a: No such file"),
        ("cache-size=many", "not valid: 'many' is not a valid number"),
        ('txt-record=a.lan,"b', "not valid: a quotation mark is missing"),
        ("host-record=a.lan", "not valid: a name and an address were expected"),
        ("port=0", "no counterpart: the DNS service of dnsmasq is switched off; all other settings have no effect"),
        ("dhcp-range=192.0.2.1,192.0.2.9", "no counterpart: this server has no DHCP, TFTP and router advertisements"),
        ("interface=eth*", "no counterpart: eth*: interfaces are given by their whole names"),
        ("adress=/lan/192.0.2.1", "not valid: dnsmasq has no such option"),
        ("conf-file=/etc/none", "not valid: /etc/none: No such file or directory"),
        ("conf-dir=/etc/none", "not valid: /etc/none: this folder does not exist; copy it to this machine, or convert where dnsmasq runs"),
        ("dnssec\ntrust-anchor=lan,1,8,2,00", "note: validate: is in front of each upstream"),
    ],
)
def test_whatHasNoCounterpart(line: str, reason: str) -> None:
    """
    What cannot be converted is listed with its line and the reason.
    """
    result = converted("dnsmasq", f"{line}\n{USUAL}")
    assert reasonsOf(result, 1)[0].startswith(reason), linesOf(result)


def test_noUpstreamAtAll() -> None:
    """
    With no-resolv and no server, no upstream is asked, except about domains with servers; without no-resolv, those of resolv.conf join the
    given ones.
    """
    text = "no-resolv\nserver=/corp.example/198.18.0.1\n"
    assert valuesOf(text, "recursive", "upstream", "route") == [None, ["special"], ["corp.example=udp:198.18.0.1"]]
    assert valuesOf("no-resolv\n", "recursive", "upstream") == [False, None]
    assert valuesOf("resolv-file=/etc/hosts\n", "resolv-conf") == ["/etc/hosts"]
    files = {"/etc/resolv.conf": "nameserver 127.0.0.1\nnameserver 198.18.0.7\n"}
    result = converted("dnsmasq", "server=198.18.0.1\n", files)
    assert result.texts("upstream") == ["udp:198.18.0.1", "udp:198.18.0.7"]
    assert str(result.places["upstream"][1]) == "/etc/resolv.conf:2"


def test_localDomains() -> None:
    """
    A domain without a server is known here only, one with a range as well as its reverse domain.
    """
    text = f"local=/lan/\nserver=/home/office/\nlocal=//\ndomain=dsl,192.168.4.0/24,local\n{USUAL}"
    assert valuesOf(text, "local-domain", "domain-needed") == [["lan", "home", "office", "dsl", "4.168.192.in-addr.arpa"], True]


def test_addressesOfDomains() -> None:
    """
    C{address=} gives a domain and all names below it an address; a domain of a server below it is listed.
    """
    addresses = "address=/dev.lan/stage.lan/192.0.2.1\naddress=/dev.lan/2001:db8::1\naddress=/#/192.0.2.9\n"
    text = f"{addresses}server=/x.dev.lan/198.18.0.2\n{USUAL}"
    result = converted("dnsmasq", text)
    assert result.texts("local") == [
        "dev.lan. A 192.0.2.1",
        "*.dev.lan. A 192.0.2.1",
        "dev.lan. AAAA 2001:db8::1",
        "*.dev.lan. AAAA 2001:db8::1",
        "stage.lan. A 192.0.2.1",
        "*.stage.lan. A 192.0.2.1",
        "*. A 192.0.2.9",
    ]
    assert result.texts("route") == ["x.dev.lan=udp:198.18.0.2"]


def test_addressesOfDomainsWithinDomains() -> None:
    """
    A domain has the addresses of the nearest one above it of each family that it has none of, unless it has servers of its own. A domain
    that is denied within one with an address is only known here, and so is what else is denied beside an address.
    """
    text = "address=/lan/192.0.2.1\naddress=/a.lan/2001:db8::1\naddress=/b.lan/#\naddress=/b.lan/192.0.2.2\naddress=/c.lan/\n"
    more = "server=/d.lan/198.18.0.2\naddress=/d.lan/2001:db8::2\naddress=/e.lan/\naddress=/e.lan/192.0.2.3\ncname=f.lan,a.lan\n"
    result = converted("dnsmasq", text + more + USUAL)
    found = {each for each in result.texts("local") if not each.startswith("*") and "::" in each or "192" in each}
    assert {each.replace("*.", "") for each in found} == {
        "lan. A 192.0.2.1", "a.lan. AAAA 2001:db8::1", "a.lan. A 192.0.2.1", "b.lan. AAAA ::", "b.lan. A 192.0.2.2",
        "d.lan. AAAA 2001:db8::2", "e.lan. A 192.0.2.3", "f.lan. A 192.0.2.1",
    }  # fmt: skip
    # An alias has no addresses, names below it have.
    assert "*.f.lan. A 192.0.2.1" in found and "f.lan. A 192.0.2.1" not in found
    assert (result.texts("local-domain"), result.texts("block")) == (["c.lan", "e.lan"], [])


def test_blockedNames() -> None:
    """
    Denied domains are blocked, or those with null addresses if they are more; names in local domains keep their records.
    """
    denied = "address=/a.example/b.example/\naddress=/c.example/0.0.0.0\nserver=/x.a.example/198.18.0.2\n"
    names = ("block", "block-reply", "block-except", "local", "local-domain")
    records = ["c.example. A 0.0.0.0", "*.c.example. A 0.0.0.0"]
    assert valuesOf(denied + USUAL, *names) == [["a.example", "b.example"], None, ["x.a.example"], records, None]
    null = "address=/a.example/b.example/#\naddress=/c.example/\naddress=/d.lan/#\nlocal=/lan/\n"
    records = ["d.lan. A 0.0.0.0", "*.d.lan. A 0.0.0.0", "d.lan. AAAA ::", "*.d.lan. AAAA ::"]
    assert valuesOf(null + USUAL, *names) == [["a.example", "b.example"], "null", None, records, ["lan", "c.example"]]


def test_domainsWithServersAreNotLocal() -> None:
    """
    A domain that is local and has servers as well is asked of these, since settings that contradict each other start no server.
    """
    result = converted("dnsmasq", f"local=/lan/\nserver=/lan/198.18.0.2\n{USUAL}")
    assert result.texts("route") == ["lan=udp:198.18.0.2"] and "local-domain" not in result.values
    assert reasonsOf(result, 1) == ["differs: lan has servers of its own as well: these are asked"]
    denied = converted("dnsmasq", f"address=/lan/\nserver=/lan/198.18.0.2\n{USUAL}")
    assert denied.texts("route") == ["lan=udp:198.18.0.2"] and "block" not in denied.values
    # An address beats the servers, so that a blocked domain stays blocked.
    null = converted("dnsmasq", f"address=/lan/#\nserver=/lan/198.18.0.2\nserver=/a.lan/198.18.0.2\n{USUAL}")
    assert (null.texts("block"), null.texts("block-except")) == (["*.lan"], ["a.lan"])


def test_records() -> None:
    """
    Directives for records become local records, with quoted commas and TTLs.
    """
    text = f"""\
domain=lan
host-record=laptop,laptop.lan,192.168.0.1,2001:db8::5,300
cname=a.lan,b.lan,laptop.lan,60
srv-host=_ldap._tcp,laptop.lan,389,1,2
srv-host=_none._tcp.lan
mx-host=lan,laptop.lan,50
mx-host=m.lan
mx-target=laptop.lan
txt-record=lan,"v=spf1 a, -all",plain # a comment
txt-record=long.lan,{"x" * 300}
ptr-record=_http._tcp.lan,"My Page._http._tcp.lan"
naptr-record=lan,100,10,u,E2U+sip,"!^.*$!sip:a@b.example!"
caa-record=lan,0,issue,ca.example
dns-rr=lan,51,01:00:00:01:00
{USUAL}"""
    result = converted("dnsmasq", text)
    assert result.texts("local") == [
        "laptop. 300 A 192.168.0.1",
        "laptop. 300 AAAA 2001:db8::5",
        "laptop.lan. 300 A 192.168.0.1",
        "laptop.lan. 300 AAAA 2001:db8::5",
        "a.lan. 60 CNAME laptop.lan.",
        "b.lan. 60 CNAME laptop.lan.",
        "_ldap._tcp.lan. SRV 1 2 389 laptop.lan.",
        "_none._tcp.lan. SRV 0 0 1 .",
        'lan. TXT "v=spf1 a, -all" "plain"',
        f'long.lan. TXT "{"x" * 255}" "{"x" * 45}"',
        "_http._tcp.lan. PTR My\\032Page._http._tcp.lan.",
        'lan. NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:a@b.example!" .',
        'lan. CAA 0 issue "ca.example"',
        "lan. TYPE51 \\# 5 0100000100",
        "lan. MX 50 laptop.lan.",
        "m.lan. MX 1 laptop.lan.",
    ]


def test_aliasesThatAreNotFollowed() -> None:
    """
    dnsmasq follows an alias only if it knows the target: another one is listed, not those whose target is in a hosts file or an alias.
    """
    files = {"/etc/hosts": "192.168.0.2 nas\n"}
    text = f"expand-hosts\ndomain=lan\ncname=a.lan,nas.lan\ncname=b.lan,a.lan\ncname=c.lan,www.example.com\n{USUAL}"
    result = converted("dnsmasq", text, files)
    listed = [finding.place.line for finding in result.findings if "does not know its target" in finding.reason]
    assert listed == [5]


def test_hostsFiles() -> None:
    """
    Further hosts files come after /etc/hosts, unless no-hosts is given; a folder stands for its files.
    """
    files = {"/etc/hosts": "", "/etc/more": "", "/etc/hosts.d/b": "", "/etc/hosts.d/a": "", "/etc/hosts.d/.old": "", "/etc/hosts.d/a~": ""}
    for text, wanted in (
        ("", None),
        ("no-hosts", [""]),
        ("expand-hosts\ndomain=lan\nexpand-hosts", None),
    ):
        assert converted("dnsmasq", f"{text}\n{USUAL}", files).values.get("hosts-file") == wanted
    assert valuesOf(f"expand-hosts\ndomain=lan\n{USUAL}", "expand-hosts") == ["lan"]
    text = f"addn-hosts=/etc/hosts.d\nno-hosts\n{USUAL}"
    missing = [line for line in linesOf(converted("dnsmasq", text, files)) if "/etc/hosts.d/" in line]
    assert len(missing) == 2 and "takes the path of a file that can be read" in missing[0]


def test_includedFiles() -> None:
    """
    Files are read in their place, each once; of a folder, those with the right endings; one for servers has servers only.
    """
    files = {
        "/etc/a.conf": "conf-file=/etc/first.conf\nport=1053\n",
        "/etc/d/1.conf": "port=2053\n",
        "/etc/d/2.conf": "cache-size=0\n",
        "/etc/d/3.bak": "port=9\n",
        "/etc/servers": "server=198.18.0.3\nport=8\n",
    }
    text = f"conf-file=/etc/a.conf\nconf-dir=/etc/d,*.conf\nservers-file=/etc/servers\n{USUAL}"
    result = converted("dnsmasq", text, files)
    assert (result.values["port"], str(result.places["port"][0])) == (2053, "/etc/d/1.conf:1")
    assert result.values["cache"] is False
    assert result.texts("upstream") == ["udp:198.18.0.3", "udp:198.18.0.1"]
    assert "/etc/servers:2: port=8: not valid: only server and rev-server are allowed in this file" in linesOf(result)
    assert converted("dnsmasq", "conf-dir=/etc/d,.bak\nport=7\n", files).values["port"] == 7


def test_numbersAndFlags() -> None:
    """
    Options of the cache, TTLs and filters become the settings that do the same.
    """
    text = f"""\
max-cache-ttl=600
max-ttl=300
min-cache-ttl=9999
local-ttl=20
no-negcache
use-stale-cache
filter-AAAA
filter-rr=A,TXT
all-servers
stop-dns-rebind
rebind-domain-ok=/a.example/b.example/
log-queries=extra
interface=lo
domain-needed
{USUAL}"""
    result = converted("dnsmasq", text)
    wanted = {
        "max-ttl": 300,
        "min-ttl": 300,
        "local-ttl": 20,
        "max-negative-ttl": 0,
        "stale": 86400,
        "stale-wait": 0,
        "filter-aaaa": True,
        "filter-a": True,
        "hedge": 0,
        "stop-rebinding": True,
        "rebinding-allow": ["a.example", "b.example"],
        "query-log": True,
        "interface": ["lo"],
        "domain-needed": True,
    }
    assert {name: result.values.get(name) for name in wanted} == wanted
    assert valuesOf("cache-size=500000\n", "cache-size") == [200_000_000]


def test_privateReverseNames() -> None:
    """
    With an upstream in a private network, bogus-priv needs the reverse domains of these networks, but not those that have servers.
    """
    text = "bogus-priv\nno-resolv\nserver=192.168.0.1\nserver=/168.192.in-addr.arpa/192.168.0.1\n"
    domains = converted("dnsmasq", text).texts("local-domain")
    assert "10.in-addr.arpa" in domains and "168.192.in-addr.arpa" not in domains
    assert converted("dnsmasq", f"bogus-priv\n{USUAL}").texts("local-domain") == []


def test_otherTypesAreForwarded() -> None:
    """
    dnsmasq asks upstreams for types that names with local records or in hosts files do not have; without such names, there is no need to.
    """
    for line in ("host-record=nas.lan,192.168.1.2", "address=/dev.lan/192.168.1.2", "mx-host=lan,nas.lan,1"):
        assert valuesOf(f"no-hosts\n{line}\n{USUAL}", "forward-other-types") == [True], line
    assert valuesOf(USUAL, "forward-other-types") == [True]
    assert valuesOf(f"no-hosts\naddress=/ads.example/\n{USUAL}", "forward-other-types") == [None]


def test_domainsWithinDomains() -> None:
    """
    Whether a domain is in another one is decided label by label.
    """
    text = (
        "server=/corp.example/198.18.0.2\nserver=/www.corp.example/#\nserver=/xcorp.example/#\naddress=/dev.lan/192.0.2.1\n"
        "local=/a.dev.lan/\nlocal=/xdev.lan/\naddress=/ads.lan/\naddress=/x.ads.lan/\nserver=/b.ads.lan/198.18.0.2\n" + USUAL
    )
    result = converted("dnsmasq", text)
    assert [route.partition("=")[0] for route in result.texts("route")] == ["corp.example", "www.corp.example", "b.ads.lan"]
    assert reasonsOf(result, 3) == ["not needed: the domain is not in one with servers of its own, so the usual upstreams are asked"]
    assert result.texts("block-except") == ["b.ads.lan"]


def test_commonFindingsAreListedOnce() -> None:
    """
    A difference that many directives share is one line.
    """
    text = "".join([f"address=/d{number}.example/0.0.0.0\n" for number in range(50)]) + USUAL
    listed = [line for line in linesOf(converted("dnsmasq", text)) if "queries for other types" in line]
    assert len(listed) == 1 and listed[0].endswith("so it is with 49 more")
