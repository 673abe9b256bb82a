"""
Zones with everything that RFCs define behavior for, signed in several ways, and questions by which servers are compared.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from tests.knots import knot
from tests.patience import PATIENCE
from tests.peers import peer

__all__ = ["ORIGIN", "UNCHAINED", "ZONE", "QueryCase", "questions", "signedByBIND", "signedByKnot"]

ORIGIN: Final = "example."

_MANY: Final = "\n".join([f"many A 192.0.2.{number}" for number in range(1, 60)])
_LARGE: Final = "\n".join([f'large TXT "{chr(97 + number) * 200}"' for number in range(9)])
_HUGE: Final = "\n".join([f'huge TXT "{chr(65 + number) * 250}"' for number in range(20)])
_CROWD: Final = "\n".join(
    [
        f"crowd NS ns{number}.crowd\nns{number}.crowd A 192.0.2.{number}\nns{number}.crowd AAAA 2001:db8::{number}"
        for number in range(1, 14)
    ]
)
_DIGEST: Final = "11" * 32

#: The unsigned zone. Targets outside of it, which only a resolver could look up, are in "invalid".
ZONE: Final = f"""\
$ORIGIN example.
$TTL 300
@ 3600 SOA ns1 hostmaster 2026 3600 600 86400 900
@ NS ns1
@ NS ns2.Other
@ NS ns.invalid.
@ MX 10 mail
@ MX 20 mail.invalid.
@ TXT "the apex"
@ CAA 0 issue "ca.invalid"
ns1 A 192.0.2.1
ns1 AAAA 2001:db8::1
ns2.other A 192.0.2.2
mail A 192.0.2.25
WWW A 192.0.2.80
www AAAA 2001:db8::80
www TXT "one" "two"
www HTTPS 1 . alpn=h2
_sip._tcp SRV 0 5 5060 www
_sip._tcp SRV 0 5 5060 nowhere
_443._tcp.www TLSA 3 1 1 {_DIGEST}
host HINFO "A" "B"
host LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
host NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example!" .
host SSHFP 1 1 {"22" * 20}
host TYPE65400 \\# 4 01020304
e\\.scaped TXT "escaped"
\\000zero TXT "zero"
a.b.c.deep A 192.0.2.5
x.a.b.c.deep A 192.0.2.6
alias CNAME www
alias2 CNAME alias
aliasout CNAME www.invalid.
aliasnone CNAME nothing.here
aliasent CNAME c.deep
aliaswild CNAME some.wild
aliascut CNAME a.insecure
aliasdname CNAME www.tree
loop1 CNAME loop2
loop2 CNAME loop1
self CNAME self
*.wild A 192.0.2.7
*.wild TXT "wild"
*.wild MX 5 mail
sub.wild A 192.0.2.8
under.ent.wild A 192.0.2.9
*.walias CNAME www
*.waliasout CNAME www.invalid.
*.waliasnone CNAME nothing.here
*.waliaswild CNAME q.wild
x.*.star A 192.0.2.10
*.*.stars A 192.0.2.11
tree DNAME grove
tree TXT "at a DNAME"
www.grove A 192.0.2.12
*.leaf.grove A 192.0.2.13
out DNAME invalid.
far DNAME {"a" * 60}.{"b" * 60}.{"c" * 60}.invalid.
chain DNAME tree
insecure NS ns.insecure
insecure NS ns1
ns.insecure A 192.0.2.14
ns.insecure AAAA 2001:db8::14
insecure2 NS ns.insecure3
insecure3 NS ns.insecure2
ns.insecure2 A 192.0.2.15
ns.insecure3 A 192.0.2.16
secure NS ns.secure
secure NS secure
secure DS 12345 13 2 {_DIGEST}
ns.secure A 192.0.2.17
secure A 192.0.2.18
a.nested.secure A 192.0.2.19
nested.secure NS ns.nested.secure
ns.nested.secure A 192.0.2.20
lame NS ns.invalid.
only.ent.cut NS ns.invalid.
*.cutwild A 192.0.2.21
below.cutwild NS ns.below.cutwild
ns.below.cutwild A 192.0.2.22
{_MANY}
{_LARGE}
{_HUGE}
{_CROWD}
"""

#: Types of the questions, weighted by repetition. Those from 128 to 255 are left out: they are meta types (RFC 6895, section 3.1), such as
#: ANY, whose answer RFC 8482 leaves open.
_TYPES: Final = (
    *([1] * 12), *([28] * 4), *([2] * 4), *([6] * 2), *([5] * 4), *([15] * 2), *([16] * 6), *([43] * 4), 12, 33, 35, 39, 39, 46, 47, 48,
    50, 51, 52, 64, 65, 257, 65400, 29, 13, 99, 25, 62,
)  # fmt: skip

#: A label below the apex with an unsigned delegation only: not in the chain of a zone with opt-out.
UNCHAINED: Final = b"\x03cut"

_SIZES: Final = (0, 512, 1232, 4096)


class QueryCase(NamedTuple):
    """
    One question.

    @ivar size: octets that its OPT record offers; 0 for none.
    """

    name: bytes
    rrType: int
    dnssecOk: bool
    size: int


def questions(names: list[bytes], apex: bytes, count: int, seed: int) -> Iterator[QueryCase]:
    """
    Return that many questions: for names in the zone, under, beside and above them, and outside of it.

    @param names: all names in the zone.
    """
    random = Random(seed)
    words = [b"www", b"a", b"*", b"nothing", b"zzz", b"ns", b"\x00", b"~", b"wild", b"x" * 63]
    labels = sorted({name[1 : 1 + name[0]] for name in names if name[0]})

    def label() -> bytes:
        word = random.choice(words if random.random() < 0.5 else labels)
        return bytes([len(word)]) + word

    made = 0
    while made < count:
        name = random.choice(names)
        way = random.random()
        if way < 0.25:
            name = label() + name
        elif way < 0.35:
            name = label() + label() + name
        elif way < 0.55 and name != apex:
            name = label() + name[name[0] + 1 :]
        elif way < 0.60 and name != apex:
            name = name[name[0] + 1 :]
        elif way < 0.62:
            name = name[: -len(apex)] + label() + b"\x00"
        if len(name) > 255:
            continue
        if random.random() < 0.2:
            name = bytes([octet & 0xDF if 97 <= octet <= 122 and random.random() < 0.5 else octet for octet in name])
        rrType = (
            random.choice(_TYPES)
            if random.random() < 0.97
            else random.choice([*range(1, 40), *range(42, 128), *range(256, 300)])
        )
        size = random.choice(_SIZES)
        made += 1
        yield QueryCase(name, rrType, bool(size) and random.random() < 0.6, size)


def signedByBIND(folder: Path, *options: str) -> str:
    """
    Return the zone, signed by dnssec-signzone.

    @param folder: an empty one, for keys.
    @param options: such as C{-3 AABB} for NSEC3, C{-A} for opt-out.
    """
    for flags in ((), ("-f", "KSK")):
        command = [str(peer("dnssec-keygen")), "-q", "-a", "ECDSAP256SHA256", *flags, "-K", str(folder), ORIGIN]
        subprocess.run(command, check=True, capture_output=True)
    (folder / "zone").write_text(ZONE)
    command = [
        str(peer("dnssec-signzone")),
        "-q",
        "-S",
        "-K",
        str(folder),
        "-o",
        ORIGIN,
        "-f",
        str(folder / "signed"),
        *options,
    ]
    subprocess.run([*command, str(folder / "zone")], check=True, capture_output=True, cwd=folder)
    return (folder / "signed").read_text()


def signedByKnot(optOut: bool) -> str:
    """
    Return the zone, signed with NSEC3 by Knot.
    """
    policy = f"""\
policy:
  - id: hashed
    algorithm: ecdsap256sha256
    single-type-signing: on
    nsec3: on
    nsec3-iterations: 3
    nsec3-salt-length: 4
    nsec3-opt-out: {"on" if optOut else "off"}
"""
    with knot(
        {ORIGIN: ZONE}, extra=policy, zoneExtra="dnssec-signing: on\ndnssec-policy: hashed\nzonefile-sync: 0"
    ) as server:
        giveUp = time.monotonic() + PATIENCE
        while time.monotonic() < giveUp:
            text = server.zoneFile(ORIGIN).read_text()
            if "NSEC3PARAM" in text:
                return text
            time.sleep(0.02)
        raise OSError(f"Knot has not signed the zone:\n{server.log()}")
