"""
Tests of L{twisted_ext.resolver.policy.rules.listfile}.
"""

from __future__ import annotations

import tracemalloc
from io import BytesIO

import pytest

from twisted_ext.resolver.local.localanswers import Complaints
from twisted_ext.resolver.policy.rules.listfile import parseList
from twisted_ext.resolver.policy.rules.table import BELOW, EXCEPT, IMPORTANT, SELF


class Parsed:
    """
    The rules of a list.

    @ivar rules: the bits, the name and the line of each, in the order of their lines.
    """

    def __init__(self) -> None:
        self.rules: list[tuple[int, bytes, int]] = []

    def names(self, *words: int) -> list[bytes]:
        """
        Return the names of rules with these bits.
        """
        return [name for word, name, _ in self.rules if word in words]

    @property
    def alone(self) -> list[bytes]:
        return self.names(SELF)

    @property
    def below(self) -> list[bytes]:
        return self.names(SELF | BELOW, SELF | BELOW | IMPORTANT)

    @property
    def excepted(self) -> list[bytes]:
        return self.names(SELF | BELOW | EXCEPT, SELF | BELOW | EXCEPT | IMPORTANT)


def parsed(data: bytes) -> tuple[Parsed, Complaints]:
    complaints = Complaints()
    found = Parsed()
    for piece in parseList(BytesIO(data), complaints):
        rules = [(word, name, line) for word, (names, lines) in piece.plain.items() for name, line in zip(names, lines, strict=True)]
        found.rules += sorted(rules, key=lambda rule: rule[2])
    return found, complaints


def test_hostsLines() -> None:
    """
    A line of a hosts file blocks its names alone. Names of the system itself are left out.
    """
    names, complaints = parsed(
        b"127.0.0.1 localhost\n::1 ip6-localhost\n255.255.255.255\tbroadcasthost\n0.0.0.0 0.0.0.0\n\n# comment\n"
        b"0.0.0.0 ADS.example  # why\n127.0.0.1\tone.example two.example\r\n:: three.example\n"
    )
    assert names.alone == [b"ads.example", b"one.example", b"two.example", b"three.example"]
    assert (names.below, names.excepted, complaints.count) == ([], [], 0)


def test_usualNamesWithDots() -> None:
    """
    The names of the system are left out of a hosts file also if all of its lines are alike.
    """
    names, complaints = parsed(b"127.0.0.1 localhost.localdomain\n127.0.0.1 ads.example\n")
    assert (names.rules, complaints.count) == ([(SELF, b"ads.example", 2)], 0)


def test_longNamesOfHostsLines() -> None:
    """
    A name of more than 253 characters is an error in a hosts file too, whatever the other lines are like.
    """
    name = b".".join([b"a" * 45, *[b"b" * 49] * 4, b"example"])
    for extra in (b"", b"# comment\n"):
        for first, count in ((b"", 0), (b"c", 1)):
            names, complaints = parsed(b"%b0.0.0.0 %b%b\n" % (extra, first, name))
            assert (len(names.rules), complaints.count) == (1 - count, count)


def test_commentsOfHostsLines() -> None:
    """
    A comment may follow a name in a hosts line without a space, as in the C library. In a line of an ad blocker, C{#} means other things.
    """
    names, complaints = parsed(
        b"0.0.0.0 one.example#why\n0.0.0.0\ttwo.example#\r\n:: three.example four.example#five.example\n"
        b"127.0.0.1 localhost#own\nsix.example # why\nseven.example##.banner\n"
    )
    assert names.alone == [b"one.example", b"two.example", b"three.example", b"four.example"]
    assert (names.below, complaints.count) == ([b"six.example"], 1)


def test_domainLines() -> None:
    """
    Domains, those with an asterisk and those of ad blockers are blocked with all names below.
    """
    names, complaints = parsed(
        b"\xef\xbb\xbf[Adblock Plus]\n! comment\n; comment\nads.example\n*.wild.example\n||block.example^\n||more.example^$important\n"
        b"a_b.dotted.example.\n||top^\n*.zip\n@@||good.example^\n@@||better.example^$important\n||least.example"
    )
    assert names.below == [
        b"ads.example", b"wild.example", b"block.example", b"more.example", b"a_b.dotted.example", b"top", b"zip", b"least.example"
    ]  # fmt: skip
    assert names.excepted == [b"good.example", b"better.example"]
    assert names.names(SELF | BELOW | IMPORTANT, SELF | BELOW | EXCEPT | IMPORTANT) == [b"more.example", b"better.example"]
    assert (names.alone, complaints.count) == ([], 0)


def test_formatsMayBeMixed() -> None:
    """
    The format is found line by line, also where all lines are plain.
    """
    names, _ = parsed(b"0.0.0.0 one.example\ntwo.example\n||three.example^\n*.four.example\n")
    assert (names.alone, names.below) == ([b"one.example"], [b"two.example", b"three.example", b"four.example"])


@pytest.mark.parametrize("line", [b"0.0.0.0 host%d.example", b"host%d.example", b"||host%d.example^", b"0.0.0.0 host%d.example # why"])
@pytest.mark.parametrize("head", [b"", b"# title\n\n"])
def test_linesAreNumbered(line: bytes, head: bytes) -> None:
    """
    Each rule has the number of its line, across pieces, and whether or not all lines are alike.
    """
    names, _ = parsed(head + b"\n".join([line % number for number in range(100_000)]))
    first = 1 + head.count(b"\n")
    assert [(name, number) for _, name, number in names.rules] == [(b"host%d.example" % each, first + each) for each in range(100_000)]


_EXACT, _ALL, _UNDER = SELF, SELF | BELOW, BELOW


@pytest.mark.parametrize(
    ("line", "rules"),
    [
        (b"address=/ads.example/", [(_ALL, b"ads.example")]),
        (b"address=/ads.example/more.example/0.0.0.0", [(_ALL, b"ads.example"), (_ALL, b"more.example")]),
        (b"address=/.ads.example/#", [(_ALL, b"ads.example")]),
        (b"server=/ADS.example/", [(_ALL, b"ads.example")]),
        (b"local=/ads.example/", [(_ALL, b"ads.example")]),
        (b"server=/good.example/#", [(_ALL | EXCEPT, b"good.example")]),
        (b'local-zone: "ads.example" always_nxdomain', [(_ALL, b"ads.example")]),
        (b"local-zone: 'ads.example.' static", [(_ALL, b"ads.example")]),
        (b"  local-zone: ads.example redirect", [(_ALL, b"ads.example")]),
        (b'local-data: "ads.example A 0.0.0.0"', [(_EXACT, b"ads.example")]),
        (b'local-data: "ads.example. 60 IN AAAA ::"', [(_EXACT, b"ads.example")]),
        (b"ads.example CNAME .", [(_EXACT, b"ads.example")]),
        (b"*.ads.example 300 IN CNAME *.", [(_UNDER, b"ads.example")]),
        (b"ads.example\tIN\t1h\tCNAME\t. ; why", [(_EXACT, b"ads.example")]),
        (b"good.example CNAME rpz-passthru.", [(_EXACT | EXCEPT, b"good.example")]),
        (b"*.good.example CNAME rpz-passthru.", [(_UNDER | EXCEPT, b"good.example")]),
        (b"|ads.example|", [(_EXACT, b"ads.example")]),
        (b"|ads.example^", [(_EXACT, b"ads.example")]),
        (b"@@|good.example^$important", [(_EXACT | EXCEPT | IMPORTANT, b"good.example")]),
        (b"server:", []),
        (b"$TTL 300", []),
        (b"$ORIGIN rpz.example.", []),
        (b"@ 300 IN SOA localhost. root.localhost. 1 2 3 4 5", []),
        (b"@ NS localhost.", []),
        (b"  IN NS localhost.", []),
    ],
)
def test_otherServersLines(line: bytes, rules: list[tuple[int, bytes]]) -> None:
    """
    Lines of dnsmasq, of Unbound, of policy zones, and of ad blockers for a name alone, have the rules that they have there.
    """
    found, complaints = parsed(b"one.example\n" + line + b"\ntwo.example\n")
    assert [(word, name) for word, name, number in found.rules if number == 2] == rules
    assert complaints.texts == []


#: A policy zone as C{named-compilezone} writes it, in its two styles, and as a transfer has it; with a rule that is not about a name.
_COMPILED = b"""$ORIGIN .
$TTL 300	; 5 minutes
rpz.example		IN SOA	localhost. root.localhost. (
				1          ; serial (
				3600       ; refresh (1 hour)
				60         ; minimum (1 minute)
				)
			NS	localhost.
$ORIGIN rpz.example.
ads.example.com		CNAME	.
$ORIGIN ads.example.com.rpz.example.
*			CNAME	.
Good			CNAME	rpz-passthru.
$ORIGIN rpz.example.
32.1.2.0.192.rpz-ip	CNAME	.
"""
_FULL = b"""RPZ.example.				      300 IN SOA	localhost. root.localhost. 1 3600 600 86400 60
rpz.example.				      300 IN NS		localhost.
ads.example.com.RPZ.example.		      300 IN CNAME	.
*.ads.example.com.rpz.example.		      300 IN CNAME	.
good.ads.example.com.rpz.example.	      300 IN CNAME	rpz-passthru.
32.1.2.0.192.rpz-ip.rpz.example.	      300 IN CNAME	.
rpz.example.				      300 IN SOA	localhost. root.localhost. 1 3600 600 86400 60
"""
_ORIGIN = b"""$ORIGIN rpz.example. ; the zone
@ SOA localhost. root.localhost. 1 3600 600 86400 60
ads.example.com CNAME .
*.ads.example.com.rpz.example. CNAME .
good.ads.example.com CNAME rpz-passthru.
32.1.2.0.192.rpz-ip CNAME .
"""


_BRACKETS = _ORIGIN.replace(b"1 3600 600 86400 60", b"( 1 3600 600 86400 60 )")
_NESTED = _ORIGIN.replace(b"$ORIGIN rpz.example. ; the zone", b"$ORIGIN example.\n$ORIGIN rpz")


@pytest.mark.parametrize("data", [_COMPILED, _FULL, _ORIGIN, _ORIGIN.replace(b"@ SOA", b"; SOA"), _BRACKETS, _NESTED])
def test_policyZones(data: bytes) -> None:
    """
    The owners of a policy zone are relative to its name, however they are written.
    """
    names, complaints = parsed(data)
    domain = b"ads.example.com"
    assert [(word, name) for word, name, _ in names.rules] == [(_EXACT, domain), (_UNDER, domain), (_EXACT | EXCEPT, b"good." + domain)]
    assert complaints.count == 1
    assert "depends on more than the name that is asked for" in complaints.texts[0]


def test_ownersOutsideOfPolicyZones() -> None:
    """
    A rule that is not in its zone is reported, not taken for one about a name that nobody asks for.
    """
    owners = (b"ads.example.", b"rpz.example.", b"xrpz.example.", b"ads.example.xrpz.example.")
    rules = b"".join([b"%b CNAME .\n" % owner for owner in owners])
    names, complaints = parsed(b"rpz.example. SOA a. b. 1 2 3 4 5\n" + rules)
    assert names.rules == []
    assert complaints.count == 4
    assert "has a name that is not below that of the zone, rpz.example" in complaints.texts[0]


def test_internationalNames() -> None:
    """
    Names in UTF-8 are blocked in the form in which they are queried.
    """
    names, complaints = parsed("bücher.example\n0.0.0.0 Straße.example\nxn--bcher-kva.example\n".encode())
    assert names.below == [b"xn--bcher-kva.example", b"xn--bcher-kva.example"]
    assert len(names.alone) == 1 and names.alone[0].isascii()
    assert complaints.count == 0


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"com", "'com' is a top-level domain; write *.com to block all of it"),
        (b"192.0.2.1", "'192.0.2.1' is an address, not a domain"),
        (b"192.0.2.1 router.lan", "'192.0.2.1' is an address of its own; write 0.0.0.0 to block a name"),
        (b"||ads.example^$third-party", "depends on more than the domain"),
        (b"||ads.example/banner", "depends on more than the domain"),
        (b"||ad.", "'||ad.' is for all names that begin so; end a whole domain with ^"),
        (b"@@||ad.", "is for all names that begin so"),
        (b"||shop.\r", "is for all names that begin so"),
        (b"||ads.example.", "is for all names that begin so"),
        (b"||ads.example.^", "is for all names that begin so"),
        (b"||ads.example^.", "depends on more than the domain"),
        (b"||ads", "is for all names that begin so"),
        (b"||ads.*^", "does not end with a domain"),
        (b"0.0.0.0 #ads.example", "'0.0.0.0' is an address, not a domain"),
        (b"example.com##.ad", "is not a domain"),
        (b"<html><body>not found</body></html>", "is not a domain"),
        (b"two words", "'two words' is not a domain, nor a line of a hosts file"),
        (b"a..b", "'a..b' is not a domain name"),
        (b"x" * 64 + b".example", "is not a domain name"),
        (b".".join([b"x" * 60] * 5) + b".example", "is not a domain name"),
        (b"\xff\xfe\x00a", "is not a domain name"),
        (b"a\x00b.example", "is not a domain name"),
        (b"y" * 2000, "has more than 1024 octets"),
        (b"address=/router.lan/192.168.1.1", "'address=/router.lan/192.168.1.1' has an address of its own; write 0.0.0.0"),
        (b"address=/#/0.0.0.0", "is for all names"),
        (b"address=//0.0.0.0", "is for all names"),
        (b"server=/corp.example/192.0.2.1", "forwards names to a server; use route"),
        (b"address=/a..b/", "is not a domain name"),
        (b'local-zone: "ads.example" transparent', "is a local zone that blocks nothing"),
        (b'local-zone: "ads.example"', "is a local zone that blocks nothing"),
        (b'local-data: "router.lan A 192.168.1.1"', "is a local record that blocks nothing"),
        (b'local-data: "ads.example TXT 0.0.0.0"', "is a local record that blocks nothing"),
        (b"32.1.2.0.192.rpz-ip CNAME .", "depends on more than the name that is asked for"),
        (b"ads.example CNAME garden.example.", "neither blocks a name nor excepts it"),
        (b"ads.example CNAME rpz-drop.", "neither blocks a name nor excepts it"),
        (b"|ads.example", "'|ads.example' is for all names that begin so; end a whole name with ^"),
        (b"|ads.*^", "does not end with a domain"),
        (b"||203.0.113.9^", "'203.0.113.9' is an address, not a domain name"),
        (b"@@||203.0.113.9^", "'203.0.113.9' is an address, not a domain name"),
        (b"||2001:db8::1^", "'2001:db8::1' is not a domain name"),
        (b"0.0.0.0 203.0.113.9", "'203.0.113.9' is an address, not a domain name"),
        (b"address=/203.0.113.9/", "'203.0.113.9' is an address, not a domain name"),
    ],
)
def test_badLines(line: bytes, text: str) -> None:
    """
    A line that cannot be used is reported with its number and the reason, and does not affect others.
    """
    names, complaints = parsed(b"one.example\n" + line + b"\ntwo.example\n")
    assert names.below == [b"one.example", b"two.example"]
    assert complaints.count == 1
    assert complaints.texts[0].startswith("line 2: ")
    assert text in complaints.texts[0]


def test_hugeLine() -> None:
    """
    A line of megabytes is skipped without being kept, reported once, and the lines after it are read and numbered.
    """
    names, complaints = parsed(b"one.example\n" + b"x" * (5 << 20) + b"\ntwo.example\nbad line here\n")
    assert names.below == [b"one.example", b"two.example"]
    assert complaints.texts[0] == "line 2: has more than 1024 octets"
    assert complaints.texts[1].startswith("line 4: ")


class _Endless(BytesIO):
    """
    A file with one line of 64 MB.
    """

    left = 64

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        self.left -= 1
        return b"x" * size if self.left >= 0 else b""


def test_hugeLineTakesNoMemory() -> None:
    """
    Of a line without an end no more than two pieces are in memory.
    """
    complaints = Complaints()
    tracemalloc.start()
    try:
        assert list(parseList(_Endless(), complaints)) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert complaints.count == 1
    assert most < 8 << 20


@pytest.mark.parametrize("piece", [b"a.", b"a", b"0.0.0.0 ", b"||a.", b"-.", b"\xff", b"a:", b"# "])
def test_longLinesOfOnePiece(piece: bytes) -> None:
    """
    A line of half a megabyte that nearly matches a format is only found too long.
    """
    names, complaints = parsed(b"one.example\n" + piece * (500_000 // len(piece)) + b"\ntwo.example\n")
    assert names.below == [b"one.example", b"two.example"]
    assert complaints.texts == ["line 2: has more than 1024 octets"]


def test_manyBadLinesAreCounted() -> None:
    """
    Of many bad lines the first are kept, and the others are counted.
    """
    _, complaints = parsed(b"!bad\nbad bad\n" * 5000)
    assert complaints.count == 5000
    assert len(complaints.texts) <= 20


def test_namesAcrossPieces() -> None:
    """
    A name that is read in two pieces is one name.
    """
    lines = [b"host%d.example" % number for number in range(100_000)]
    names, complaints = parsed(b"\n".join(lines))
    assert names.below == lines
    assert complaints.count == 0
