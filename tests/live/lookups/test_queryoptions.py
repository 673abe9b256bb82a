"""
Tests of the options of C{txdns query} against NSD and BIND, and against C{dig}.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import pytest

from tests.live.lookups.test_txdns import body, txdns
from tests.peers import LivePeer, bind, freePort, nsd, peer
from twisted_ext.apps.cli.query.args import PLUS_WORDS
from twisted_ext.apps.cli.terminal.exits import BATCH, NO_REPLY, OK

ZONE = """\
$ORIGIN example.org.
$TTL 300
@    SOA ns mail 7 3600 5400 604861 300
@    NS  ns
@    NS  ns2
ns   A   127.0.0.73
ns2  A   127.0.0.73
www  90061 A 192.0.2.80
txt  TXT "a b" "c;d"
ds   DS  12345 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ds   0 A 192.0.2.1
key  DNSKEY 257 3 13 +TwNOMWVssVqUe5o1LAK5zOIDtZpSeHXY7tEbma2g2082Dg6cW4+hnrYH8B0D7ctziHo7THg0EB7TCBSn0mIRA==
key  DNSKEY 256 3 8 AwEAAcw5QLr0IjC0wKbGoBPQv4qmeqHy9mvL5qGQTuaG5TSrNqEAR6b/qvxDx6my4JmEmjUPA1JeEI9Y
sig  RRSIG A 13 3 300 20261220220212 20261120220212 13552 example.org. yIyym3lQyGAoMYWd0i9hNG5Seqd9kjH2UANn4jYhwA==
idn  CNAME xn--bcher-kva
xn--bcher-kva A 192.0.2.2
""" + "".join([f'big TXT "{number:0200d}"\n' for number in range(20)])

ROOT = """\
$ORIGIN .
$TTL 600
@     SOA a.root. mail.root. 1 2 3 4 5
@     NS  a.root.
a.root. A 127.0.0.71
org.  NS  ns.org.
ns.org. A 127.0.0.72
test. NS  ns.example.org.
"""

ORG = """\
$ORIGIN org.
$TTL 600
@     SOA ns mail 1 2 3 4 5
@     NS  ns
ns    A   127.0.0.72
example NS ns.example
ns.example A 127.0.0.73
"""

TEST = """\
$ORIGIN test.
$TTL 60
@     SOA ns.example.org. mail 1 2 3 4 5
@     NS  ns.example.org.
www   A   192.0.2.99
up    NS  ns.nowhere.example.
"""


@pytest.fixture(scope="module")
def root() -> Iterator[LivePeer]:
    """
    Start a root server. A server of C{org} and one of zones below it have other addresses and the same port.
    """
    with ExitStack() as stack:
        first = stack.enter_context(nsd({".": ROOT}, address="127.0.0.71"))
        with patch("tests.peers.freePort", lambda address: first.port):
            stack.enter_context(nsd({"org": ORG}, address="127.0.0.72"))
            stack.enter_context(nsd({"example.org": ZONE, "test": TEST}, address="127.0.0.73"))
        yield first


@pytest.fixture
def server(root: LivePeer) -> list[str]:
    """
    Return the arguments that name the server of C{example.org}.
    """
    return ["@127.0.0.73", "-p", str(root.port)]


#: The arguments of options that need one.
VALUES = {
    "bufsize": "=1232", "chain": "=example.org", "domain": "=example.org", "ednsflags": "=0", "ednsopt": "=65001", "ndots": "=1",
    "opcode": "=QUERY", "padding": "=16", "qid": "=4711", "retry": "=1", "subnet": "=192.0.2.0/24", "time": "=3", "tries": "=2",
}  # fmt: skip


#: Options that this server, which has no TLS, cannot answer: see test_encrypted.
ENCRYPTED = [word for word in PLUS_WORDS if word.startswith(("tls", "http", "quic"))]


@pytest.mark.parametrize(
    ("encoding", "locale"),
    [("", "C"), ("", "C.UTF-8"), ("ascii:strict", "C.UTF-8"), ("latin-1", "C"), ("koi8-r", "C.UTF-8"), ("utf-8", "POSIX")],
)
def test_everyOptionGivesAReply(root: LivePeer, server: list[str], encoding: str, locale: str) -> None:
    """
    Each C{+option}, turned on and turned off, gives a reply in every locale.
    """
    lines = [f"idn.example.org. +{word}{VALUES.get(word, '')}" for word in PLUS_WORDS if word not in ("trace", "sigchase", *ENCRYPTED)]
    lines += [f"idn.example.org. +no{word}" for word in PLUS_WORDS if word not in ("time", "tries", "retry")]
    lines += [f"bücher.example.org. +idnout +{word}" for word in ("short", "json", "yaml", "multiline", "qr", "nocmd")]
    lines += ["example.org. AXFR +idnout", "example.org. +nssearch"]
    environment = {"LC_ALL": locale, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = txdns("query", *server, "-r", "-f", "-", text="\n".join(lines), environment=environment)
    complaint = "txdns query: idn.example.org. has no name servers with an address; +nssearch needs the name of a zone\n"
    assert (ended.returncode, ended.stderr) == (OK, complaint)
    # A reply to each query that shows its header.
    assert ended.stdout.count("->>HEADER<<-") >= len(lines) * 3 // 4
    assert ("bücher.example.org." in ended.stdout) == (encoding in ("latin-1", "utf-8") or (locale, encoding) == ("C.UTF-8", ""))


def test_traceFollowsDelegations(root: LivePeer) -> None:
    """
    C{+trace} follows the delegations from the root server that C{@SERVER} names, also where a referral has no addresses.
    """
    where = [f"@{root.address}", "-p", str(root.port), "-r"]
    ended = txdns("query", *where, "+trace", "www.example.org")
    assert (ended.returncode, ended.stderr) == (OK, "")
    steps = re.findall(r"Received \d+ bytes from (\S+)#", ended.stdout)
    assert steps == ["127.0.0.71", "127.0.0.71", "127.0.0.72", "127.0.0.73"]
    assert ended.stdout.index("org.\t\t\t600\tIN\tNS\tns.org.") < ended.stdout.index("www.example.org.\t90061\tIN\tA\t192.0.2.80")
    said = [json.loads(line) for line in txdns("query", *where, "+trace", "+json", "www.example.org").stdout.splitlines()]
    assert [each["records"][0]["type"] for each in said] == ["NS", "NS", "NS", "A"]
    assert txdns("query", *where, "+trace", "+short", "www.example.org").stdout == "192.0.2.80\n"
    missing = txdns("query", *where, "+trace", "no.example.org")
    assert ";; status: NXDOMAIN" in missing.stdout
    # The referral has no address for this zone's server. The server of the command is asked for it, and refers to another one.
    glueless = txdns("query", *where, "+trace", "www.test", "+time=1", "+tries=1")
    assert (glueless.returncode, glueless.stderr) == (
        NO_REPLY, "txdns query: no address found for any server of test.\n"
    )  # fmt: skip


def test_nssearchShowsEachServer(root: LivePeer, server: list[str]) -> None:
    """
    C{+nssearch} shows the SOA record of each server of a zone.
    """
    ended = txdns("query", *server, "-r", "+nssearch", "example.org")
    # Both names have the address of one server.
    line = r"SOA ns\.example\.org\. mail\.example\.org\. 7 3600 5400 604861 300 from server 127\.0\.0\.73 in \d+ ms\.\n"
    assert re.fullmatch(line, ended.stdout)


@pytest.mark.parametrize(
    "words",
    [
        "example.org SOA +multiline",
        "example.org SOA +multiline +norrcomments",
        "key.example.org DNSKEY +multiline",
        "key.example.org DNSKEY +multiline +norrcomments",
        "key.example.org DNSKEY +nocrypto",
        "key.example.org DNSKEY +multiline +nocrypto",
        "ds.example.org DS +multiline",
        "ds.example.org DS +nocrypto",
        "sig.example.org RRSIG +multiline +bufsize=4096",
        "sig.example.org RRSIG +nocrypto",
        "www.example.org +ttlunits",
        "example.org SOA +ttlunits",
        "ds.example.org +ttlunits",
        "txt.example.org TXT +unknownformat",
        "www.example.org +qr +noadflag",
        "www.example.org +ednsflags=0x40 +qr +noadflag +qid=17",
        "www.example.org +bufsize=600 +qr +aaflag +noadflag",
        "www.example.org +header-only +noadflag",
        "big.example.org TXT +ignore",
        "-x 192.0.2",
        "www.example.org +multiline",
    ],
)
def test_outputEqualsDig(server: list[str], words: str) -> None:
    """
    C{txdns query} prints what C{dig} prints, line by line, tabs included.
    """
    environment = {**os.environ, "HOME": "/nonexistent"}
    command = [str(peer("dig")), *server, "+nocookie", *words.split()]
    dig = subprocess.run(command, capture_output=True, text=True, timeout=20, env=environment)
    ours = txdns("query", *server, "-r", *words.split())
    assert (ours.returncode, ours.stderr) == (dig.returncode, "")
    assert sorted(filter(None, body(ours.stdout))) == sorted(filter(None, body(dig.stdout)))


def test_YAMLHasTheKeysOfDig(server: list[str]) -> None:
    """
    YAML output has the keys and values of C{dig +yaml}, except those that differ between two queries.
    """
    words = [*server, "+yaml", "+dnssec", "+norecurse", "txt.example.org", "TXT"]
    dig = subprocess.run([str(peer("dig")), "-r", "+nocookie", "+noadflag", *words], capture_output=True, text=True, timeout=20)
    ours = txdns("query", "-r", *words)

    def plain(text: str) -> list[str]:
        return [re.sub(r"(time: !!timestamp |id: ).*", r"\1", line) for line in text.splitlines() if "query_address" not in line]

    assert plain(ours.stdout) == [line for line in plain(dig.stdout) if "query_port" not in line]


def test_severalLookupsInOneCommand(server: list[str]) -> None:
    """
    Several look-ups in one command give one reply each, as with C{dig}. The command is shown once.
    """
    words = [*server, "+noall", "+answer", "www.example.org", "txt.example.org", "TXT", "+nottlid", "-x", "192.0.2.9", "example.org", "ns"]
    dig = subprocess.run([str(peer("dig")), "-r", *words], capture_output=True, text=True, timeout=20)
    ours = txdns("query", "-r", *words)
    assert sorted(ours.stdout.splitlines()) == sorted(dig.stdout.splitlines())
    shown = txdns("query", "-r", *server, "www.example.org", "txt.example.org", "TXT").stdout
    assert (shown.count("<<>> txdns <<>>"), shown.count("Got answer")) == (1, 2)


def test_digrcOptionsComeFirst(server: list[str], tmp_path: Path) -> None:
    """
    Options of C{~/.digrc} come before all others. C{-r} skips the file, and an invalid line is reported and skipped.
    """
    (tmp_path / ".digrc").write_text("# mine\n+short\n\n+mystery\n")
    home = {"HOME": str(tmp_path)}
    ended = txdns("query", *server, "www.example.org", environment=home)
    assert ended.stdout == "192.0.2.80\n"
    assert ended.stderr == (
        f"txdns query: {tmp_path}/.digrc, line 4: +mystery is not an option (see txdns query --help); this line is "
        "ignored (-r ignores the file)\n"
    )
    assert "Got answer" in txdns("query", *server, "www.example.org", "+noshort", environment=home).stdout
    assert "Got answer" in txdns("query", *server, "-r", "www.example.org", environment=home).stdout


def test_sourceAddressOfQueries(server: list[str]) -> None:
    """
    C{-b} sets the source address of queries over UDP and TCP, and of transfers.
    """
    for more in ([], ["+tcp"], ["AXFR"]):
        ended = txdns("query", *server, "-r", "example.org", *more, "-b", "127.0.0.99")
        assert (ended.returncode, ended.stderr) == (OK, "")
        # NSD allows transfers to 127.0.0.0/8, and this address is not local.
        ended = txdns("query", *server, "-r", "example.org", *more, "-b", "192.0.2.77", "+time=1", "+tries=1")
        assert (ended.returncode, ended.stderr.count("\n")) == (NO_REPLY, 1)


def test_searchDomainReplacesSystemList(server: list[str]) -> None:
    """
    C{+domain} replaces the search list of the system.
    """
    assert txdns("query", *server, "-r", "www", "+domain=example.org", "+short").stdout == "192.0.2.80\n"
    assert txdns("query", *server, "-r", "www", "+domain=example.org", "+short", "+qid=7").stdout == "192.0.2.80\n"


SECRET = "c2VjcmV0LW9mLWV4YW1wbGU="


@pytest.fixture(scope="module")
def strict() -> Iterator[LivePeer]:
    """
    Start BIND, which requires cookies, and transfers signed with the key C{k}.
    """
    extra = f'allow-transfer {{ key k.; }}; }}; key "k." {{ algorithm hmac-sha256; secret "{SECRET}";'
    with bind({"example.org": ZONE}, extra="require-server-cookie yes;", zoneExtra=extra) as running:
        yield running


def test_badcookieIsAskedAgain(strict: LivePeer) -> None:
    """
    A server that requires its cookie gets it in a second query. C{+nobadcookie} shows its refusal.
    """
    where = [f"@{strict.address}", "-p", str(strict.port), "-r", "www.example.org"]
    assert "status: BADCOOKIE" in txdns("query", *where, "+cookie", "+nobadcookie").stdout
    ended = txdns("query", *where, "+cookie")
    assert "status: NOERROR" in ended.stdout and "192.0.2.80" in ended.stdout
    assert re.search("; COOKIE: [0-9a-f]{48}", ended.stdout)


def test_keySignsQueriesAndTransfers(strict: LivePeer, tmp_path: Path) -> None:
    """
    C{-y} and C{-k} sign queries and transfers, and replies must be signed with the same key.
    """
    where = [f"@{strict.address}", "-p", str(strict.port), "-r", "+cookie", "www.example.org"]
    ended = txdns("query", *where, "-y", f"hmac-sha256:k:{SECRET}")
    assert (ended.returncode, ended.stderr) == (OK, "")
    assert "192.0.2.80" in ended.stdout
    assert ";; TSIG PSEUDOSECTION:\nk.\t\t\t0\tANY\tTSIG\thmac-sha256. " in ended.stdout
    path = tmp_path / "k.key"
    path.write_text(f'key "k." {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
    path.chmod(0o600)
    assert txdns("query", *where, "-k", str(path), "+short", "+tcp").stdout == "192.0.2.80\n"
    path.chmod(0o644)
    ended = txdns("query", *where, "-k", str(path), "+short")
    assert (ended.stdout, ended.stderr) == (
        "192.0.2.80\n",
        f"warning: {path}: every user of this machine can read the secrets in it (mode 644): chmod 640 {path}\n",
    )
    path.chmod(0o646)
    assert txdns("query", *where, "-k", str(path), "+short").returncode == BATCH
    path.chmod(0o600)
    wrong = txdns("query", *where, "-y", "k:AAAA")
    assert wrong.returncode == NO_REPLY
    assert "the signature of the reply cannot be trusted: BADSIG" in wrong.stderr
    zone = txdns("query", *where[:-1], "example.org", "AXFR", "-k", str(path))
    assert (zone.returncode, zone.stderr) == (OK, "") and "192.0.2.80" in zone.stdout
    assert txdns("query", *where[:-1], "example.org", "AXFR").stdout.endswith("; Transfer failed.\n")


def test_IXFRShowsTransferInOrder(server: list[str]) -> None:
    """
    C{ixfr=N} prints the records in the order of the transfer, and only the SOA record where nothing is newer.
    """
    current = txdns("query", *server, "-r", "example.org", "ixfr=7", "+nostats", "+nocmd")
    assert (current.returncode, current.stderr) == (OK, "")
    assert current.stdout.split() == "example.org. 300 IN SOA ns.example.org. mail.example.org. 7 3600 5400 604861 300".split()
    whole = txdns("query", *server, "-r", "example.org", "ixfr=1", "+nostats", "+nocmd").stdout
    assert whole == txdns("query", *server, "-r", "example.org", "axfr", "+nostats", "+nocmd").stdout


def test_closedPortFailsAtOnce() -> None:
    """
    A closed port fails the look-up at once with a message, also with a fixed query ID.
    """
    port = freePort("127.0.0.1")
    ended = txdns("query", "-r", f"@127.0.0.1:{port}", "www.example.org", "+qid=7", "+time=60", "+tries=2")
    assert (ended.returncode, ended.stdout) == (NO_REPLY, "")
    assert ended.stderr == f"txdns query: www.example.org. A: 127.0.0.1:{port} cannot be reached: Connection refused\n"
