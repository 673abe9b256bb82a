"""
Compare answers of dnsmasq, Unbound and named with those of this server with their converted configurations. The configurations are random:
domains that lie in each other, with everything that these programs can say about a domain.

    python -m tests.live.convert.generated COUNT [SEED] [PROGRAM]

does so for this many configurations of each program, and prints each difference about which the converter has said nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from tests.live.convert.comparing import Answered, Comparison, Difference, compareDnsmasq, reportOf
from tests.live.convert.recursors import compareNamed, compareUnbound
from tests.peers import peer
from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.converted import Converted, Severity

__all__ = ["compareGenerated", "unsaid"]

#: Domains of which some lie in others, and names in them.
_DOMAINS: Final = (
    "lan", "corp.example", "lab.corp.example", "deep.lab.corp.example", "ads.example", "track.ads.example", "office", "public1.example.net",
    "example.net", "dev.office",
)  # fmt: skip

_HOSTS: Final = ("nas", "www", "printer", "nxhost", "four", "mail")

_ADDRESSES: Final = ("192.0.2.80", "198.51.100.7", "10.1.2.3", "2001:db8::80", "fd00::7")

_QUESTIONS: Final = 240

#: Lines about the differences of one configuration.
_SHOWN: Final = 15


def _name(random: Random) -> str:
    domain = random.choice(_DOMAINS)
    return domain if random.random() < 0.25 else f"{random.choice(_HOSTS)}.{domain}"


# -- dnsmasq


def _dnsmasqLine(random: Random) -> str:
    domain, name, other, address = random.choice(_DOMAINS), _name(random), _name(random), random.choice(_ADDRESSES)
    families = f"192.0.2.{random.randint(1, 99)}{random.choice(('', f',2001:db8::{random.randint(1, 99)}'))}"
    target = random.choice((address, address, "", "#", "0.0.0.0", "::"))
    return random.choice(
        (
            f"address=/{domain}/{target}",
            f"address=/{domain}/{target}",
            f"address=/{name}/{random.choice((address, ''))}",
            f"address=/{domain}/{random.choice(_DOMAINS)}/{address}",
            f"local=/{domain}/",
            f"server=/{domain}/192.0.2.5{random.randint(3, 5)}",
            f"server=/{name}/192.0.2.5{random.randint(3, 5)}",
            f"server=/{domain}/#",
            f"host-record={name},{families}",
            f"host-record={name},{other},{families}{random.choice(('', ',77'))}",
            f"cname={name},{other}",
            f"txt-record={name},hello,\"a, b\"",
            f"srv-host=_sip._udp.{domain}{random.choice(('', f',{name},5060', f',{name},5060,1,2'))}",
            f"mx-host={name},{other},{random.randint(1, 50)}",
            f"ptr-record={name},{other}",
            f"caa-record={name},0,issue,ca.example",
            f"naptr-record={name},100,10,S,SIP+D2U,,_sip._udp.{domain}",
            f"dns-rr={name},44,01:01:{':'.join(['0a'] * 20)}",
            f"rev-server={random.choice(('192.0.2.0/24', '198.51.0.0/16', '10.0.0.0/9'))},192.0.2.53",
        )
    )


#: What is said about all names.
_DNSMASQ_OPTIONS: Final = (
    "domain-needed", "bogus-priv", "expand-hosts\ndomain=lan", "domain=office", "stop-dns-rebind", "filter-AAAA", "filter-A", "no-negcache",
    "stop-dns-rebind\nrebind-domain-ok=/lan/", "local-ttl=60", "min-cache-ttl=60", "max-ttl=90", "cache-size=0", "no-hosts", "all-servers",
    "strict-order", "filterwin2k", "use-stale-cache", "localise-queries", "selfmx", "local=/#/", "server=/#/192.0.2.54",
)  # fmt: skip


def dnsmasqText(random: Random) -> str:
    """
    Return a random configuration of dnsmasq.
    """
    lines = [_dnsmasqLine(random) for _ in range(random.randint(2, 9))]
    lines += random.sample(_DNSMASQ_OPTIONS, random.randint(0, 4))
    random.shuffle(lines)
    return "\n".join([*lines, ""])


# -- Unbound

_TYPES: Final = (
    "static", "static", "transparent", "typetransparent", "redirect", "always_nxdomain", "always_transparent", "always_null",
    "always_nodata", "always_refuse", "refuse", "inform", "nodefault", "inform_redirect",
)  # fmt: skip


def _unboundLines(random: Random) -> tuple[str, str]:
    """
    Return a line of the section C{server}, and a section.
    """
    domain, name, address = random.choice(_DOMAINS), _name(random), random.choice(_ADDRESSES)
    rrType = "AAAA" if ":" in address else "A"
    chosen = random.random()
    if chosen < 0.3:
        return f'local-zone: "{domain}." {random.choice(_TYPES)}', ""
    if chosen < 0.55:
        said = f"{rrType} {address}"
        data = random.choice((said, said, f"300 IN {said}", 'TXT "here I am"', f"MX 5 {name}."))
        return f"local-data: '{name}. {data}'", ""
    if chosen < 0.6:
        return f'local-data-ptr: "192.0.2.{random.randint(1, 9)} {name}"', ""
    if chosen < 0.68:
        zone = random.choice(("10.in-addr.arpa", "168.192.in-addr.arpa", "1.168.192.in-addr.arpa", "2.0.192.in-addr.arpa", "home.arpa"))
        return f'local-zone: "{zone}." {random.choice(("nodefault", "transparent", "static"))}', ""
    if chosen < 0.9:
        kind = random.choice(("forward", "forward", "stub"))
        return "", f"{kind}-zone:\n  name: {random.choice((domain, name))}\n  {kind}-addr: 192.0.2.53"
    return random.choice(
        (
            "private-address: 10.0.0.0/8", 'private-domain: "lan"', "do-ip6: no", "unblock-lan-zones: yes", "rrset-roundrobin: no",
            "minimal-responses: no", "deny-any: yes", "hide-identity: yes", "cache-max-ttl: 60", "domain-insecure: corp.example",
            "private-address: fd00::/8", 'identity: "here"', "serve-expired: yes",
        )
    ), ""  # fmt: skip


def unboundText(random: Random) -> str:
    """
    Return a random configuration of Unbound.
    """
    lines, sections = zip(*[_unboundLines(random) for _ in range(random.randint(2, 10))], strict=True)
    return "\n".join(["server:", *[f"  {line}" for line in lines if line], *[section for section in sections if section], ""])


# -- named

_ZONES: Final = (
    'type primary; file "f";', 'type primary; file "f";', "type forward; forward only; forwarders { 10.0.0.53; };",
)  # fmt: skip


def namedText(random: Random) -> str:
    """
    Return a random configuration of named.
    """
    names = random.sample(_DOMAINS, random.randint(1, 5))
    if random.random() < 0.3:
        names.append(random.choice(("10.in-addr.arpa", "168.192.in-addr.arpa", "2.0.192.in-addr.arpa")))
    zones = [f'zone "{name}" {{ {random.choice(_ZONES)} }};' for name in names]
    options = random.sample(
        (
            "recursion no;", "recursion yes;", "empty-zones-enable no;", "disable-empty-zone \"10.in-addr.arpa\";", "forward first;",
            "forward only;", "minimal-responses yes;", "minimal-any yes;", "allow-query { 127.0.0.0/8; };", "allow-recursion { none; };",
            "allow-recursion { any; };", "max-cache-ttl 60;", "max-ncache-ttl 0;", 'version "none";', 'version "my own";',
            "server-id none;", "allow-query { none; };", "qname-minimization off;", "rrset-order { order fixed; };", "prefetch 0;",
        ),
        random.randint(0, 4),
    )  # fmt: skip
    seen: dict[str, str] = {}
    for option in options:
        seen.setdefault(option.split()[0], option)
    return "\n".join(["options {", *seen.values(), "};", *zones, ""])


# -- comparing

_MAKE: Final[dict[str, Callable[[Random], str]]] = {"dnsmasq": dnsmasqText, "unbound": unboundText, "named": namedText}

_COMPARE: Final[dict[str, Callable[[str, int], Comparison]]] = {
    "dnsmasq": compareDnsmasq,
    "unbound": compareUnbound,
    "named": compareNamed,
}

#: Findings that say that something is not as before.
_SAYING: Final = (Severity.MISSING, Severity.DIFFERS, Severity.WRONG, Severity.NOTE)

_WORD: Final = re.compile(r"[a-z0-9_][a-z0-9_.-]*")


#: What is not said of every configuration, with the reason.
_ACCEPTED: Final[Sequence[tuple[str, Callable[[Difference], bool]]]] = (
    (
        "dnsmasq tells clients that a name exists which its upstream denies, if a domain above it has an address",
        lambda each: each.theirs == Answered("NOERROR", frozenset()) and each.ours == Answered("NXDOMAIN", frozenset()),
    ),
)

#: Programs that check a configuration.
_CHECK: Final = {"dnsmasq": ("dnsmasq", "--test", "--conf-file=/dev/stdin"), "unbound": ("unbound-checkconf", "/dev/stdin")}


def _isValid(kind: str, text: str) -> bool:
    """
    Return whether the program takes a configuration. named takes all that are made here.
    """
    if kind not in _CHECK:
        return True
    program, *words = _CHECK[kind]
    return subprocess.run([peer(program), *words], input=text, text=True, capture_output=True, check=False).returncode == 0


def compareGenerated(kind: str, seed: int) -> tuple[str, Comparison]:
    """
    Compare one random configuration of C{dnsmasq}, C{unbound} or C{named}, the first one of this seed that the program takes.
    """
    random = Random(seed)
    text = _MAKE[kind](random)
    while not _isValid(kind, text):
        text = _MAKE[kind](random)
    return text, _COMPARE[kind](text, _QUESTIONS)


def unsaid(result: Comparison) -> list[Difference]:
    """
    Return the differences of which the converter has said nothing: neither about all names nor about a domain that has the name.
    """
    named = _named(result.converted)
    return [
        each
        for each in result.unexplained
        if not any(above in named for above in namesAbove(each.question.name) if above != ".")
        and not any(accepted(each) for _, accepted in _ACCEPTED)
    ]


def _named(converted: Converted) -> set[str]:
    """
    Return the names in findings.
    """
    found: set[str] = set()
    for finding in converted.findings:
        if finding.severity in _SAYING:
            found.update([word.rstrip(".") for word in _WORD.findall(f"{finding.place.directive} {finding.reason}".lower())])
    return found


def _reported(kind: str, seed: int, text: str, result: Comparison) -> Iterator[str]:
    result.differences = unsaid(result)
    if result.differences:
        yield f"-- {kind} {seed}"
        yield text
        yield from reportOf(kind, result)[:_SHOWN]
        yield from [str(finding) for finding in result.converted.sortedFindings() if finding.severity in _SAYING]


def main(words: Sequence[str]) -> int:
    count, first = int(words[0]), int(words[1]) if len(words) > 1 else 0
    differing = 0
    for kind in words[2:] or _MAKE:
        for seed in range(first, first + count):
            text, result = compareGenerated(kind, seed)
            lines = list(_reported(kind, seed, text, result))
            differing += bool(lines)
            sys.stdout.write("".join([f"{line}\n" for line in lines]))
            sys.stdout.flush()
    sys.stdout.write(f"{differing} configurations with a difference that nothing says\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
