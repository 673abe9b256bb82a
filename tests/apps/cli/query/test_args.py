"""
Tests of L{twisted_ext.apps.cli.query.args}.
"""

from __future__ import annotations

import pytest

from tests.queries import parseQuery
from twisted_ext.apps.cli.query.args import PLUS_WORDS, QueryOptions, parseQueries
from twisted_ext.apps.cli.terminal.exits import USAGE, ExitError
from twisted_ext.wire.names import nameToText
from twisted_ext.wire.rrtypes import typeName


def summary(text: str) -> str:
    """
    Return name, class, type and server of the arguments.
    """
    options = parseQuery(text.split())
    return f"{nameToText(options.name)} {options.rrClass} {typeName(options.rrType)} {options.target}".strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("www.example.org", "www.example.org. 1 A"),
        ("www.example.org MX", "www.example.org. 1 MX"),
        ("mx www.example.org", "www.example.org. 1 MX"),
        ("www.example.org TYPE65280", "www.example.org. 1 TYPE65280"),
        ("version.bind CH TXT @192.0.2.1", "version.bind. 3 TXT 192.0.2.1"),
        ("@192.0.2.1 www.example.org", "www.example.org. 1 A 192.0.2.1"),
        ("@ 192.0.2.1 www.example.org", "www.example.org. 1 A 192.0.2.1"),
        ("-q mx -t a", "mx. 1 A"),
        ("-tMX www.example.org -cCH", "www.example.org. 3 MX"),
        ("-x 192.0.2.1", "1.2.0.192.in-addr.arpa. 1 PTR"),
        ("-x192.0.2.1 ANY", "1.2.0.192.in-addr.arpa. 1 ANY"),
        ("-x 2001:db8::1", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa. 1 PTR"),
        ("-x 192.0.2", "2.0.192.in-addr.arpa. 1 PTR"),
        ("-x 192.0.2.", "2.0.192.in-addr.arpa. 1 PTR"),
        ("-x 10 NS", "10.in-addr.arpa. 1 NS"),
        ("www.example.org ixfr=7", "www.example.org. 1 IXFR"),
        ("-t IXFR=7 www.example.org", "www.example.org. 1 IXFR"),
        ("-r -m www.example.org", "www.example.org. 1 A"),
        ("bücher.example", "xn--bcher-kva.example. 1 A"),
        ("", ". 1 NS"),
        (".", ". 1 A"),
        ("NS", ". 1 NS"),
    ],
)
def test_questionFollowsDig(text: str, expected: str) -> None:
    """
    Name, type, class and server are recognized as C{dig} does.
    """
    assert summary(text) == expected


def flags(text: str) -> QueryOptions:
    """
    Return the options from the arguments after a name.
    """
    return parseQuery(["www.example.org", *text.split()])


@pytest.mark.parametrize(
    ("text", "flag", "value"),
    [
        ("+tcp", "tcp", True),
        ("+notcp", "tcp", False),
        ("+vc", "tcp", True),
        ("+short", "short", True),
        ("+dnssec", "dnssec", True),
        ("+do", "dnssec", True),
        ("+noedns", "edns", False),
        ("+edns=0", "edns", True),
        ("+norecurse", "recurse", False),
        ("+norec", "recurse", False),
        ("+nordflag", "recurse", False),
        ("+cd", "cdflag", True),
        ("+cdflag", "cdflag", True),
        ("+ad", "adflag", True),
        ("+noall", "stats", False),
        ("+noall +answer", "answer", True),
        ("+noall +answer", "question", False),
        ("+nocomm", "comments", False),
        ("+JSON", "json", True),
        ("+noidnout", "idnout", False),
        ("+color", "color", True),
    ],
)
def test_plusOptionsSetFlags(text: str, flag: str, value: bool) -> None:
    """
    Plus options switch flags on and off, also abbreviated and by C{dig}'s other names.
    """
    assert flags(text).flags[flag] is value


def test_timesAndTries() -> None:
    """
    Times and tries are numbers; C{retry} counts those after the first.
    """
    options = flags("+time=2.5 +tries=4")
    assert (options.seconds, options.tries) == (2.5, 4)
    assert flags("+timeout=2").seconds == 2
    assert flags("+retry=1").tries == 2
    assert flags("+retries=0").tries == 1


def test_ednsOptions() -> None:
    """
    EDNS options are added as requested; C{no} removes one.
    """
    assert flags("+nsid").ednsOptions == [(3, b"")]
    assert flags("+subnet=192.0.2.0/24").ednsOptions == [(8, b"\x00\x01\x18\x00\xc0\x00\x02")]
    assert flags("+subnet=0").ednsOptions == [(8, b"\x00\x01\x00\x00")]
    assert flags("+cookie=0011223344556677").ednsOptions == [(10, bytes.fromhex("0011223344556677"))]
    assert [(code, len(octets)) for code, octets in flags("+cookie").ednsOptions] == [(10, 8)]
    assert (flags("+padding=16").padding, flags("+alignment").padding) == (16, 128)
    assert flags("+ednsopt=65001:c0ffee").ednsOptions == [(65001, b"\xc0\xff\xee")]
    assert flags("+nsid +expire +nonsid").ednsOptions == [(9, b"")]


PIN = "A" * 43 + "="

VALUES = ["", "=", "=0", "=1", "=0x40", "=xy", "=a..b", "=192.0.2.0/24", "=65536", "=65001:c0ffee", "=\udcff", "=ü"]


@pytest.mark.parametrize("word", PLUS_WORDS)
def test_everyOptionParsesOrFails(word: str) -> None:
    """
    Each plus option with any value is accepted, or refused with one line.
    """
    for spelt in [f"+{off}{word}{value}" for off in ("", "no", "NO") for value in VALUES]:
        try:
            options = parseQuery(["www.example.org", "+nsid", spelt])
        except ExitError as ending:
            assert ending.code == USAGE
            assert ending.line.count("\n") == 0 and spelt.partition("=")[0].lower() in ending.line.lower()
        else:
            assert nameToText(options.name) == "www.example.org."


@pytest.mark.parametrize("word", sorted(set(PLUS_WORDS) - {"time", "tries", "retry"}))
def test_everyOptionCanBeRevoked(word: str) -> None:
    """
    Each plus option, except for those that need a number, can be revoked completely.
    """
    off = parseQuery(["www.example.org", f"+no{word}"])
    if word in off.flags:
        assert off.flags[word] is False
    values = {"padding": "=16", "chain": "=example.org", "ednsopt": "=65001", "bufsize": "=512", "ednsflags": "=1", "ndots": "=1",
              "opcode": "=NOTIFY", "qid": "=1", "domain": "=example.org", "subnet": "=192.0.2.0/24",
              "https": "=/q", "http3": "=/q", "tls-hostname": "=dns.example", "tls-pin": f"={PIN}",
              "tls-certfile": "=x", "tls-keyfile": "=x"}  # fmt: skip
    on = parseQuery(["www.example.org", f"+{word}{values.get(word, '')}", f"+no{word}"])
    for slot in ("ednsOptions", "payloadSize", "ednsFlags", "ndots", "opcode", "queryId", "domain", "flags"):
        assert getattr(on, slot) == getattr(off, slot)
    assert on.encryption.identity == off.encryption.identity


def test_severalQuestionsInOneLine() -> None:
    """
    One line can hold several look-ups. Options before the first name apply to all, later ones to the preceding name.
    """
    words = "@192.0.2.1 +qr TXT a.example any +noqr -x 192.0.2.9 b.example ns +short @192.0.2.2 -q mx c.example"
    every = parseQueries(words.split())
    assert [f"{nameToText(each.name)} {typeName(each.rrType)} {each.target}" for each in every] == [
        "a.example. ANY 192.0.2.1",
        "9.2.0.192.in-addr.arpa. TXT 192.0.2.1",
        "b.example. NS 192.0.2.2",
        "mx. TXT 192.0.2.1",
        "c.example. TXT 192.0.2.1",
    ]
    assert [each.flags["qr"] for each in every] == [False, True, True, True, True]
    assert [each.flags["short"] for each in every] == [False, False, True, False, False]
    assert [each.first for each in every] == [True, False, False, False, False]
    assert len({id(each.ednsOptions) for each in every}) == len(every)


def test_defaultOptionsCanBeOverridden() -> None:
    """
    Default options can be overridden and hold no name.
    """
    assert [each.flags["short"] for each in parseQueries(["a.example", "b.example", "+noshort"], ["+short"])] == [True, False]
    with pytest.raises(ExitError, match="'a.example' is not an option"):
        parseQueries(["b.example"], ["+short", "a.example"])


def test_headerAndEDNSFields() -> None:
    """
    Fields of the header and of the OPT record take numbers, hexadecimal ones, and mnemonics.
    """
    options = flags("+bufsize=512 +ednsflags=0x40 +qid=7 +opcode=notify +edns=3 +ndots=2 +domain=corp.example -b 127.0.0.1#5300")
    assert (options.payloadSize, options.ednsFlags, options.queryId, options.opcode) == (512, 0x40, 7, 4)
    assert (options.ednsVersion, options.ndots, options.flags["search"]) == (3, 2, True)
    assert options.domain is not None and nameToText(options.domain) == "corp.example."
    assert (options.local, options.localPort) == ("127.0.0.1", 5300)
    assert flags("-y hmac-sha512:k:c2VjcmV0").needsServer == "-y"
    assert flags("+opcode=2").needsServer == "+opcode"
    assert flags("+aaonly").needsServer == "+aaflag"
    assert flags("+tcp +nsid +short +search").needsServer == ""


def test_portFamilyAndFile() -> None:
    """
    C{-p}, C{-4}, C{-6} and C{-f} set port, family and file.
    """
    options = flags("-p 5300 -6 -f names.txt")
    assert (options.port, options.family, options.batch) == (5300, 6, "names.txt")
    assert flags("-p5300").port == 5300


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("www.example.org FOO", "'FOO' is not a record type"),
        ("www.example.org AAAAA", "did you mean AAAA"),
        ("www.example.org TYPE-1", "(see txdns query --help)"),
        ("www.example.org A XX", "'XX' is not a class; write IN"),
        ("www.example.org +shrot", "+shrot is not an option (did you mean +short?)"),
        ("www.example.org +mystery=1", "+mystery=1 is not an option (see txdns query --help)"),
        ("www.example.org -t FOO", "there is no such record type"),
        ("www.example.org -c FOO", "write IN, CH"),
        ("www.example.org -p abc", "a number from 1 to 65535"),
        ("www.example.org -p 65536", "a number from 1 to 65535"),
        ("www.example.org -p", "must be followed by a port"),
        ("www.example.org -z", "'-z' is not an option"),
        ("www.example.org +foo", "is not an option"),
        ("www.example.org +shrt", "did you mean +short"),
        ("www.example.org +c", "is not an option"),
        ("www.example.org +no", "is not an option"),
        ("www.example.org +expi=1", "hexadecimal"),
        ("www.example.org +t", "+t"),
        ("www.example.org +time=x", "is not a number of seconds from 0.05"),
        ("www.example.org +tries=0", "a number from 1"),
        ("www.example.org +short=1", "takes no value"),
        ("www.example.org +edns=256", "a number from 0 to 255"),
        ("www.example.org +bufsize=65536", "a number from 0 to 65535"),
        ("www.example.org +ednsflags=x", "is not 16 bits"),
        ("www.example.org +qid=-1", "a number from 0 to 65535"),
        ("www.example.org +opcode=FOO", "write QUERY, IQUERY"),
        ("www.example.org +opcode=16", "write QUERY, IQUERY"),
        ("www.example.org +ndots=x", "a number from 0 to"),
        ("www.example.org +domain=a..b", "a label is empty"),
        ("www.example.org -b 300.1.1.1", "write ADDRESS or ADDRESS#PORT"),
        ("www.example.org -b 192.0.2.1#x", "is not a number from 1 to 65535"),
        ("www.example.org -y foo", "a TSIG key is written as"),
        ("www.example.org ixfr=x", "is not a number from 0 to 4294967295"),
        ("-x 192.0.256", "write 192.0.2.1 or 2001:db8::1"),
        ("www.example.org +subnet=300.1.1.1", "write 192.0.2.0/24"),
        ("www.example.org +cookie=xy", "hexadecimal"),
        ("www.example.org @192.0.2.1 @192.0.2.2", "two servers"),
        ("www.example.org @", "must be followed by a server"),
        ("a..b", "a label is empty"),
        ("-x 300.1.1.1", "write 192.0.2.1 or 2001:db8::1"),
        ("-x", "must be followed by an address"),
        ("a" * 64, "63 octets"),
    ],
)
def test_invalidArgumentIsExplained(text: str, hint: str) -> None:
    """
    An invalid argument is refused with one line that names it and what is valid.
    """
    with pytest.raises(ExitError) as caught:
        parseQuery(text.split())
    assert caught.value.code == USAGE
    assert hint in caught.value.line
    assert "\n" not in caught.value.line
