"""
Tests that C{txdns query} has the options that C{dig -h} and C{kdig --help} print, and that each of them, on and off, has the same output.

What differs on purpose is in C{docs/digflags.csv}, which the page on commands shows.
"""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path
from typing import Final, Self

import pytest

from tests.live.lookups.test_queryoptions import ZONE as RECORDS
from tests.live.lookups.test_txdns import txdns
from tests.peers import LivePeer, bind, nsd, peer
from twisted_ext.apps.cli.query.args import parseQueries
from twisted_ext.apps.cli.query.plusoptions import REFUSED, WITHOUT_EFFECT
from twisted_ext.apps.cli.terminal.exits import OK, ExitError

HEX: Final = "0123456789abcdef" * 4

#: Names below C{mark} separate the outputs of look-ups in one process.
ZONE: Final = (
    RECORDS
    + f"""
aaaa AAAA 2001:db8::80
tlsa TLSA 3 1 1 {HEX}
sshfp SSHFP 4 2 {HEX}
pgp TYPE61 \\# 32 {HEX}
dhcid DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
zonemd ZONEMD 1 1 1 {HEX}{HEX[:32]}
un TYPE65280 \\# 40 {HEX}0123456789abcdef
*.mark A 192.0.2.7
"""
)

#: The versions whose options are all known. Options of others are reported, and fail no test.
KNOWN: Final = ("DiG 9.18.", "kdig (Knot DNS), version 3.2.")

#: Values of options that need one.
VALUES: Final = {
    "bufsize": "=900", "domain": "=example.org", "edns": "=0", "ednsflags": "=0x40", "ednsopt": "=65001:c0ffee", "ndots": "=3",
    "opcode": "=NOTIFY", "padding": "=128", "qid": "=17", "retry": "=1", "split": "=16", "subnet": "=192.0.2.0/24", "timeout": "=3",
    "tries": "=2", "cookie": "=0011223344556677", "tls-hostname": "=dns.example", "tls-certfile": "=file", "tls-keyfile": "=file",
    "tls-pin": "=" + "A" * 43 + "=", "time": "=3", "alignment": "=64", "https": "=/dns-query",
}  # fmt: skip

#: Options of dig without a form that turns them off.
ALWAYS: Final = frozenset(("bufsize", "domain", "ednsflags", "ndots", "padding", "qid", "retry", "subnet", "timeout", "tries"))

#: Options that need other servers, and those that ask more servers than one: other tests have them.
ELSEWHERE: Final = re.compile("tls.*|http.*|quic|trace|nssearch|dns64prefix|proxy|noidn")

#: Where an option changes the output: other look-ups than that of an address.
SHOWN_BY: Final = {
    "crypto": "key.example.org DNSKEY", "multiline": "key.example.org DNSKEY", "rrcomments": "key.example.org DNSKEY",
    "split": "key.example.org DNSKEY", "expandaaaa": "aaaa.example.org AAAA", "onesoa": "example.org AXFR +nostats",
    "defname": "www", "search": "www", "domain": "www", "ndots": "www +domain=example.org", "showsearch": "no +domain=example.org",
    "ignore": "big.example.org TXT +noall +comments", "generic": "un.example.org TYPE65280", "unknownformat": "un.example.org TYPE65280",
    "tcp": "big.example.org TXT", "ednsnegotiation": "www.example.org +edns=3", "identify": "www.example.org +short",
    "ttlunits": "example.org SOA", "idnin": "xn--bcher-kva.example.org",
}  # fmt: skip

#: Options whose effect only the query shows.
IN_QUERIES: Final = frozenset(
    ("aaflag", "aaonly", "adflag", "bufsize", "cdflag", "coflag", "dnssec", "edns", "ednsflags", "ednsopt", "header-only", "keepalive")
    + ("nsid", "padding", "raflag", "recurse", "rdflag", "subnet", "tcflag", "zflag", "expire", "opcode", "cookie", "alignment", "qid")
)

#: Look-ups with more than one option, or with another type.
COMBINED: Final = (
    "-t MX -q example.org", "-x 192.0.2.99", "-c IN www.example.org", "www.example.org -u", "www.example.org -4", "no.example.org",
    "www.example.net", "example.org ANY +tcp", "example.org SOA +multiline", "example.org SOA +multiline +norrcomments",
    "key.example.org DNSKEY +multiline +nocrypto", "key.example.org DNSKEY +multiline +split=16", "key.example.org DNSKEY +short +split=56",
    "sig.example.org RRSIG +multiline", "sig.example.org RRSIG +split=16", "sig.example.org RRSIG +nocrypto", "ds.example.org DS +split=8",
    "ds.example.org DS +multiline", "tlsa.example.org TLSA +multiline", "tlsa.example.org TLSA +split=20", "sshfp.example.org SSHFP",
    "sshfp.example.org SSHFP +multiline", "zonemd.example.org ZONEMD +split=32", "pgp.example.org TYPE61 +multiline",
    "dhcid.example.org DHCID +split=12", "un.example.org TYPE65280 +split=56", "txt.example.org TXT +unknownformat +split=4",
    "www.example.org +noall +answer", "example.org NS +nocomments", "www.example.org +noall +stats", "www.example.org +nottlid +noclass",
    "www.example.org +coflag +dnssec +qr", "www.example.org +edns=3 +qr", "www.example.org +edns=3 +noednsnegotiation",
    "www +showsearch +domain=example.org", "no +showsearch +domain=example.org +short", "big.example.org TXT +qr",
    "b\u00fccher.example.org", "aaaa.example.org AAAA +expandaaaa +short",
    "example.org AXFR +short", "example.org AXFR +noall +answer", "example.org AXFR +nostats +nocmd",
)  # fmt: skip

#: The same for a server that requires cookies.
WITH_COOKIES: Final = (
    "www.example.org +cookie", "www.example.org +cookie +nobadcookie", "www.example.org +cookie +badcookie +qr",
    "www.example.org +cookie +showbadcookie", "www.example.org +cookie +showbadcookie +qr", "www.example.org +cookie +noshowbadcookie",
    "www.example.org", "www.example.org +nsid +tcp", "example.org SOA +expire +tcp", "www.example.org +keepalive +tcp",
    "www.example.org +subnet=192.0.2.0/24 +tcp", "www.example.org +padding=128 +tcp", "www.example.org +edns=5 +tcp",
    "version.bind CH TXT +tcp", "www.example.org +ednsflags=0x20 +tcp",
)  # fmt: skip


def differences() -> dict[str, str]:
    """
    Return what the documentation says about each option that differs, without its C{+}.
    """
    with open(Path(__file__).parents[3] / "docs" / "digflags.csv", encoding="utf-8", newline="") as file:
        return {row["Option"].removeprefix("+"): row["Difference"] for row in csv.DictReader(file)}


def helpOf(program: str, word: str) -> str:
    ended = subprocess.run([str(peer(program)), word], capture_output=True, text=True, timeout=20)
    return ended.stdout + ended.stderr


def optionsIn(text: str) -> list[str]:
    """
    Return the options that a help text lists, those with a plus by their names alone.
    """
    plus = re.findall(r"^ +\+(?:\[no\])?([a-z][a-z0-9-]*)", text, re.MULTILINE)
    return [*dict.fromkeys([*plus, *re.findall(r"(?:^ +|\[)(-[a-zA-Z0-9])\b", text, re.MULTILINE)])]


#: Values of options with a minus.
ARGUMENTS: Final = {
    "-b": "127.0.0.1", "-c": "IN", "-f": "names", "-k": "key", "-p": "53", "-q": "example.org", "-t": "A", "-x": "192.0.2.1",
    "-y": "k:c2VjcmV0",
}  # fmt: skip


def refusal(option: str) -> str:
    """
    Return the error that an option causes, or C{""} if it is accepted on and off.
    """
    if option.startswith("-"):
        # The command itself handles these two before all others.
        every = [] if option in ("-h", "-v") else [[option, *([ARGUMENTS[option]] if option in ARGUMENTS else [])]]
    else:
        every = [[f"+{option}{VALUES.get(option, '')}"], *([] if option in ALWAYS or option.startswith("no") else [[f"+no{option}"]])]
    for words in every:
        try:
            parseQueries(["www.example.org", *words])
        except ExitError as ending:
            return ending.line
    return ""


@pytest.mark.parametrize(("program", "help", "version"), [("dig", "-h", "-v"), ("kdig", "--help", "--version")])
def test_everyOptionIsKnown(program: str, help: str, version: str) -> None:
    """
    Each option that the program's help lists is accepted, or refused with an explanation that the documentation has too.
    """
    options = optionsIn(helpOf(program, help))
    assert len(options) > 50
    documented = differences()
    # One that is refused says more than that it is not an option.
    unknown = {option: line for option in options if (line := refusal(option)) and (option not in documented or option not in REFUSED)}
    installed = helpOf(program, version).strip()
    if unknown and not installed.startswith(KNOWN):
        pytest.skip(f"{installed} has options that are not known here: {', '.join(unknown)}")
    assert unknown == {}


def test_whatIsRefusedIsDocumented() -> None:
    """
    The documentation has each option that is refused, or accepted without effect.
    """
    assert {*REFUSED, *WITHOUT_EFFECT} - {"topdown"} <= set(differences())


def casesOf(options: Sequence[str]) -> list[str]:
    """
    Return a look-up with each option on, and one with it off.
    """
    cases = []
    for option in options:
        if option.startswith("-") or ELSEWHERE.fullmatch(option):
            continue
        base = SHOWN_BY.get(option, "www.example.org") + (" +qr" if option in IN_QUERIES else "")
        cases.append(f"{base} +{option}{VALUES.get(option, '')}")
        if option not in ALWAYS and not option.startswith("no"):
            cases.append(f"{base} +no{option}")
    return cases


def same(text: str) -> str:
    """
    Return an output without what differs from query to query, and without the name of the program.
    """
    for pattern, replacement in (
        (r"(?m)^; <<>> (?:DiG \S+|txdns) <<>> .*$", "; <<>> <<>>"),
        (r"(?m)^(;; Query time: )\d+", r"\1N"),
        (r"(?m)^(;; WHEN: ).*$", r"\1"),
        (r"\bid: \d+", "id: N"),
        (r"\bin \d+ ms\b", "in N ms"),
        (r"(COOKIE: )[0-9a-f]{16}([0-9a-f]*)( \(good\))?", lambda found: found[1] + ("of both" if found[2] else "of the client")),
        (r"(?m)^; PAD:.*$", "; PAD:"),
        (r"!!timestamp .*", "!!timestamp"),
        (r"(?m)^    query_(?:address|port): .*\n", ""),
    ):
        text = re.sub(pattern, replacement, text)
    return text


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    Start NSD with the zone.
    """
    with nsd({"example.org": ZONE}) as running:
        yield running


def inOneProcess(server: LivePeer, cases: Sequence[str], common: Sequence[str] = ()) -> list[str]:
    """
    Return the output of C{txdns query} for each case. All of them are in one process; a mark follows each.
    """
    lines = []
    for number, case in enumerate(cases):
        lines += [case, f"-q mark{number}.mark.example.org -t A +noall +question"]
    where = [f"@{server.address}", "-p", str(server.port), *common]
    ended = txdns("query", "-r", *where, "-f", "-", text="\n".join(lines), environment={"LC_ALL": "C.UTF-8"})
    assert (ended.returncode, ended.stderr) == (OK, "")
    outputs = re.split(r";mark\d+\.mark\.example\.org\.\t.*\n", ended.stdout)
    assert outputs.pop() == "" and len(outputs) == len(cases)
    return outputs


def inOneEach(program: str, server: LivePeer, cases: Sequence[str], common: Sequence[str]) -> list[str]:
    """
    Return the output of another program for each case, in a process each.
    """
    environment = {**os.environ, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
    where = [str(peer(program)), f"@{server.address}", "-p", str(server.port), *common]

    def run(case: str) -> str:
        return subprocess.run([*where, *case.split()], capture_output=True, text=True, timeout=30, env=environment).stdout

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, cases))


def noDifferences(cases: Sequence[str], ours: Sequence[Sequence[str]], theirs: Sequence[Sequence[str]]) -> None:
    """
    Fail with the lines that differ, below the look-up that printed them.
    """
    found: list[str] = []
    for case, first, second in zip(cases, ours, theirs, strict=True):
        if first != second:
            found += [f"{case}:", *unified_diff(second, first, "theirs", "ours", lineterm="", n=0)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def compare(server: LivePeer, cases: Sequence[str]) -> None:
    """
    Compare our outputs with dig's. The defaults that differ are set for both.
    """
    common = ["+nocookie", "+idnin", "+noidnout"]
    # The default of +split depends on +multiline, and we split nothing without.
    plain = [case for case in cases if "+multiline" not in case]
    rest = [case for case in cases if "+multiline" in case]
    for some, more in ((plain, ["+nosplit"]), (rest, [])):
        theirs = inOneEach("dig", server, some, ["-r", *common, *more])
        ours = inOneProcess(server, some, [*common, *more])
        noDifferences(some, [same(text).split("\n") for text in ours], [same(text).split("\n") for text in theirs])


def test_outputOfEachOptionEqualsDig(server: LivePeer) -> None:
    """
    The whole output of each option of dig, on and off, of options together and for many types is that of dig: lines, blank lines and tabs.
    """
    options = [option for option in optionsIn(helpOf("dig", "-h")) if not refusal(option)]
    cases = [case for case in casesOf(options) if "+header " not in f"{case} "]
    assert len(cases) > 100
    compare(server, [*cases, *COMBINED])


def test_outputWithCookiesEqualsDig() -> None:
    """
    Against a server that requires cookies, the whole output is that of dig; so is that of options in replies.
    """
    with bind({"example.org": ZONE}, extra='require-server-cookie yes; server-id "here";') as server:
        compare(server, WITH_COOKIES)


def partsOf(text: str) -> list[str]:
    """
    Return what dig's and kdig's format have in common: rcode, flags, the titles of sections, questions and records by their words.
    """
    found: list[str] = []
    for line in text.splitlines():
        words = line.strip(";").split()
        if "->>HEADER<<-" in line:
            found.append(" ".join(re.findall(r"(?:opcode|status): (\w+)", line)))
        elif match := re.match(r";; flags:([^;]*);", line, re.IGNORECASE):
            found.append(" ".join([*match[1].split(), *re.findall(r"(?:QUERY|ANSWER|AUTHORITY): \d+", line)]))
        elif match := re.match(r";; (\w+) SECTION:", line):
            found.append(match[1])
        elif line and (not line.startswith(";") or len(words) > 1 and words[0].endswith(".example.org.")):
            found.append(" ".join(words))
    return found


#: Options of kdig whose look-ups have the same parts. Those with other words, or without records, are compared otherwise.
OTHERWISE: Final = frozenset(
    ("json", "multiline", "crypto", "zflag", "qr", "opttext", "generic", "fastopen", "comments", "class", "tcp", "ignore", "noidn")
    + ("padding",)
)


def test_dataOfEachOptionEqualsKdig(server: LivePeer) -> None:
    """
    With each option of kdig, on and off, header, sections and records are those of kdig.
    """
    options = [option for option in optionsIn(helpOf("kdig", "--help")) if not refusal(option) and option not in OTHERWISE]
    cases = [case.replace(" +qr", "") for case in casesOf(options)]
    assert len(cases) > 50
    common = ["+edns=0", "+bufsize=1232", "+adflag", "+noidn"]
    theirs = inOneEach("kdig", server, cases, common)
    ours = inOneProcess(server, cases, common)
    noDifferences(cases, [partsOf(text) for text in ours], [partsOf(text) for text in theirs])


def test_shortEqualsKdig(server: LivePeer) -> None:
    """
    C{+short} prints the same lines as kdig for each type.
    """
    types = "tlsa TLSA, sshfp SSHFP, ds DS, key DNSKEY, sig RRSIG, pgp TYPE61, dhcid DHCID, un TYPE65280, txt TXT, www A, aaaa AAAA, idn A"
    cases = [each.replace(" ", ".example.org ") for each in types.split(", ")]
    common = ["+edns=0", "+bufsize=1232", "+short", "+noidn"]
    where = [f"@{server.address}", "-p", str(server.port), *common]
    ours = txdns("query", "-r", *where, "-f", "-", text="\n".join(cases)).stdout
    assert ours == "".join(inOneEach("kdig", server, cases, common))


def test_JSONHasTheDataOfKdig(server: LivePeer) -> None:
    """
    The objects of C{+json} have the records, rcode and flags of kdig's (RFC 8427).
    """
    cases = ["www.example.org", "example.org SOA", "no.example.org", "key.example.org DNSKEY", "txt.example.org TXT"]
    common = ["+json", "+edns=0", "+bufsize=1232", "+noidn"]
    theirs = [json.loads(text) for text in inOneEach("kdig", server, cases, common)]
    where = [f"@{server.address}", "-p", str(server.port), *common]
    ours = [json.loads(line) for line in txdns("query", "-r", *where, "-f", "-", text="\n".join(cases)).stdout.splitlines()]
    rcodes = {0: "NOERROR", 3: "NXDOMAIN"}
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["question"] == {"name": other["QNAME"], "type": other["QTYPEname"], "class": other["QCLASSname"]}
        assert mine["rcode"] == rcodes[other["RCODE"]]
        assert mine["flags"] == [flag.lower() for flag in ("QR", "AA", "TC", "RD", "RA", "AD", "CD") if other[flag]]
        for section in ("answer", "authority"):
            records = other.get(f"{section}RRs", [])
            assert [(each["name"], each["type"], each["class"], each["ttl"]) for each in mine[section]] == [
                (each["NAME"], each["TYPEname"], each["CLASSname"], each["TTL"]) for each in records
            ]
            data = [each.get(f"rdata{each['TYPEname']}") for each in records]
            assert [each["data"] for each, text in zip(mine[section], data, strict=True) if text] == [text for text in data if text]


class CountingRelay(threading.Thread):
    """
    Relays queries over TCP to a server over UDP, one connection after the other, and counts the connections.
    """

    def __init__(self, server: tuple[str, int]) -> None:
        super().__init__()
        self.server = server
        self.connections = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]

    def run(self) -> None:
        with self.listening:
            while True:
                connection, _ = self.listening.accept()
                with suppress(ConnectionError), connection, connection.makefile("rb") as reading:
                    while head := reading.read(2):
                        query = reading.read(int.from_bytes(head, "big"))
                        if not query:
                            return
                        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                            asking.sendto(query, self.server)
                            reply = asking.recv(65535)
                        connection.sendall(len(reply).to_bytes(2, "big") + reply)
                self.connections += 1

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *unused: object) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as ending:
            ending.sendall(b"\0\0")
        self.join()


@pytest.mark.parametrize(("word", "connections"), [("+keepopen", 1), ("+nokeepopen", 3)])
def test_keepopenSendsAllOverOneConnection(server: LivePeer, word: str, connections: int) -> None:
    """
    With C{+keepopen} several look-ups use one TCP connection; without it each has its own, as with dig.
    """
    with CountingRelay(server.server) as relay:
        names = ["www.example.org", "ns.example.org", "ns2.example.org"]
        where = ["@127.0.0.1", "-p", str(relay.port), "-r", "+tcp", "+short", word, "-b", "127.0.0.1"]
        ended = txdns("query", *where, *names)
        assert (ended.returncode, ended.stderr, ended.stdout) == (OK, "", "192.0.2.80\n127.0.0.73\n127.0.0.73\n")
    assert relay.connections == connections
