"""
Clients of other projects that ask our server: kdig, dig, dnsperf, curl, nghttp, h2load, getdns and dnspython.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.live.encrypted.serving import ADDRESS, NAME, WRONG_PIN, Encrypted, freshName, output
from tests.live.encrypted.websites import Website
from tests.peers import peer
from tests.queries import queryOf
from tests.server.listeners.https2peers import target

#: What kdig is told for each transport, and how our server calls that.
_KDIG = {
    "tls": ("+tls", "tls"),
    "https": ("+https=/dns-query", "https"),
    "https-get": ("+https=/dns-query +https-get", "https"),
    "quic": ("+quic", "quic"),
}

_DIG = {"tls": "+tls", "https": "+https=/dns-query", "https-get": "+https-get=/dns-query"}


def _portFor(server: Encrypted, transport: str) -> str:
    return str({"tls": server.tls, "quic": server.quic}.get(transport, server.https))


@pytest.mark.parametrize("transport", _KDIG)
def test_kdigIsAnswered(server: Encrypted, transport: str) -> None:
    """
    kdig gets its answer, padded as its query is, over the transport that it was told, by a certificate that it has checked.
    """
    kdig = peer("kdig")
    words, called = _KDIG[transport]
    trust = [f"+tls-ca={server.trust.ca}", f"+tls-hostname={NAME}"]
    for padding, size in (("+padding", True), ("+nopadding", False)):
        name = freshName()
        said = output(kdig, "@127.0.0.1", "-p", _portFor(server, transport), *trust, padding, *words.split(), name)
        assert ADDRESS in said
        assert ("Received 468 B" in said) is size
        assert server.transports(name) == {called}
        if called == "https":
            assert f"(HTTP/2-{'GET' if 'get' in transport else 'POST'})" in said


@pytest.mark.parametrize("transport", _KDIG)
def test_kdigChecksCertificate(server: Encrypted, transport: str) -> None:
    """
    kdig accepts the right authority, name and pin, refuses each wrong one, and has not sent its query then.
    """
    kdig = peer("kdig")
    words = [*_KDIG[transport][0].split(), "+retry=0", "+timeout=5"]
    trust = server.trust
    for checks, isGood in (
        ((f"+tls-ca={trust.ca}", f"+tls-hostname={NAME}"), True),
        ((f"+tls-ca={trust.ca}", "+tls-hostname=other.example"), False),
        ((f"+tls-ca={trust.otherCA}", f"+tls-hostname={NAME}"), False),
        ((f"+tls-pin={trust.pin}",), True),
        ((f"+tls-pin={WRONG_PIN}",), False),
    ):
        name = freshName()
        said = output(kdig, "@127.0.0.1", "-p", _portFor(server, transport), *checks, *words, name)
        assert (ADDRESS in said) is isGood, (checks, said)
        assert bool(server.transports(name)) is isGood, (checks, said)


def test_kdigKeepsItsConnection(server: Encrypted) -> None:
    """
    kdig asks several names on one connection of each transport.
    """
    kdig = peer("kdig")
    for transport, (words, _) in _KDIG.items():
        names = [freshName() for _ in range(5)]
        said = output(kdig, "@127.0.0.1", "-p", _portFor(server, transport), *words.split(), "+keepopen", *names)
        assert said.count(f"IN\tA\t{ADDRESS}") == 5, said


@pytest.mark.parametrize("transport", _DIG)
def test_digChecksCertificate(server: Encrypted, transport: str) -> None:
    """
    dig gets its answer with the right authority and name, and refuses each wrong one.
    """
    dig = peer("dig")
    trust = server.trust
    for authority, expected, isGood in (
        (trust.ca, NAME, True),
        (trust.ca, "127.0.0.1", True),
        (trust.ca, "other.example", False),
        (trust.otherCA, NAME, False),
    ):
        name = freshName()
        checks = [f"+tls-ca={authority}", f"+tls-hostname={expected}", "+tries=1", "+time=5"]
        said = output(dig, "@127.0.0.1", "-p", _portFor(server, transport), _DIG[transport], *checks, name)
        assert (ADDRESS in said) is isGood, said
        assert server.transports(name) == ({transport.partition("-")[0]} if isGood else set())
        assert isGood or "verification" in said


@pytest.mark.parametrize("words", ["-m dot", "-m doh -O doh-method=GET", "-m doh -O doh-method=POST"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_dnsperfLosesNothing(words: str, workers: str, request: pytest.FixtureRequest) -> None:
    """
    dnsperf loses no query on several connections, with one process and with workers.
    """
    dnsperf = peer("dnsperf")
    server = request.getfixturevalue("server" if workers == "1" else "twoWorkers")
    assert isinstance(server, Encrypted)
    queries = server.folder / "queries"
    queries.write_text("".join(f"h{number}.test.example A\n" for number in range(100)))
    how = [*words.split(), "-p", str(server.tls)]
    if "doh" in words:
        how = [*words.split(), "-p", str(server.https), "-O", f"doh-uri={server.url()}"]
    said = output(dnsperf, "-s", "127.0.0.1", *how, "-d", str(queries), "-n", "20", "-c", "4", "-q", "40")
    assert "Queries completed:    2000 (100.00%)" in said, said
    assert "NOERROR 2000 (100.00%)" in said
    assert "doh" not in words or "200: 2000" in said


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
def test_curlGetsReplies(server: Encrypted, version: str, tls: str) -> None:
    """
    curl gets the page, a reply, and a status, by both versions of HTTP and of TLS.
    """
    curl = peer("curl")
    checked = ["-s", "--cacert", str(server.trust.ca), version, f"--tlsv{tls}", "--tls-max", tls]
    said = output(curl, *checked, "-i", server.url("/"))
    assert said.startswith("HTTP/2 200" if version == "--http2" else "HTTP/1.1 200")
    assert "/dns-query" in said
    reply = output(curl, *checked, "-i", server.url(target(queryOf(freshName())).decode()))
    assert "content-type: application/dns-message" in reply
    assert "cache-control: max-age=300" in reply
    assert reply.endswith("\xc0\x00\x02\x50")
    status = ["-o", "/dev/null", "-w", "%{http_code}"]
    assert output(curl, *checked, *status, server.url("/elsewhere")) == "404"
    assert output(curl, *checked, *status, "-d", "x=1", server.url()) == "415"
    assert "certificate" in output(curl, "-sS", "--cacert", str(server.trust.otherCA), version, server.url("/"))


def test_curlLoadsPageByName(server: Encrypted, website: Website) -> None:
    """
    curl finds the address of a name by our server and loads a page from it, but not if it does not trust the server's authority.
    """
    curl = peer("curl")
    page = website.url("page.test.example")
    assert output(curl, "-sS", "--cacert", str(server.trust.ca), "--doh-url", server.url(), page) == website.text
    assert server.transports("page.test.example") == {"https"}
    said = output(curl, "-sS", "--cacert", str(server.trust.otherCA), "--doh-url", server.url(), page)
    assert website.text not in said
    assert "resolve host" in said


def test_nghttpIsAnswered(server: Encrypted, tmp_path: Path) -> None:
    """
    nghttp, a general client of HTTP/2, gets replies by GET and POST.
    """
    nghttp = peer("nghttp")
    said = output(nghttp, "-v", server.url(target(queryOf(freshName())).decode()))
    assert ":status: 200" in said
    assert "content-type: application/dns-message" in said
    query = tmp_path / "query"
    query.write_bytes(queryOf(freshName()))
    posted = output(nghttp, "-v", "-H", "content-type: application/dns-message", "-d", str(query), server.url())
    assert ":status: 200" in posted
    assert "RST_STREAM" not in said + posted


@pytest.mark.parametrize("version", ["h2", "http/1.1"])
def test_h2loadLosesNothing(server: Encrypted, version: str) -> None:
    """
    h2load gets all replies with success, with many streams on a connection, and over HTTP/1.1 with pipelining.
    """
    url = server.url(target(queryOf("www.test.example")).decode())
    said = output(peer("h2load"), f"--npn-list={version}", "-n", "2000", "-c", "4", "-m", "32" if version == "h2" else "8", url)
    assert "2000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    assert "status codes: 2000 2xx" in said


def test_getdnsChecksCertificate(server: Encrypted) -> None:
    """
    getdns gets its answer over TLS with the right authority and name, or pin, and refuses each wrong one.
    """
    getdns = peer("getdns_query")
    trust = server.trust
    for place, words, isGood in (
        (f"#{server.tls}~{NAME}", [f'{{tls_ca_file:"{trust.ca}"}}'], True),
        (f"#{server.tls}~other.example", [f'{{tls_ca_file:"{trust.ca}"}}'], False),
        (f"#{server.tls}~{NAME}", [f'{{tls_ca_file:"{trust.otherCA}"}}'], False),
        (f"#{server.tls}", ["-K", f'pin-sha256="{trust.pin}"'], True),
        (f"#{server.tls}", ["-K", f'pin-sha256="{WRONG_PIN}"'], False),
    ):
        name = freshName()
        said = output(getdns, "-s", "-L", "-m", *words, f"@127.0.0.1{place}", name, "A")
        assert (f"<bindata for {ADDRESS}>" in said) is isGood, said
        assert server.transports(name) == ({"tls"} if isGood else set())


#: In a process of its own: dnspython leaves sockets open.
_DNSPYTHON = """
import sys
from dns.message import make_query
from dns.query import HTTPVersion, https, quic, tls
transport, port, name, ca, expected = sys.argv[1:]
query = make_query(name, "A")
if transport == "tls":
    print(tls(query, "127.0.0.1", timeout=10, port=int(port), verify=ca, server_hostname=expected))
elif transport == "quic":
    print(quic(query, "127.0.0.1", timeout=10, port=int(port), verify=ca, server_hostname=expected))
else:
    post = transport.endswith("post")
    url = f"https://{expected}:{port}/dns-query"
    print(https(query, url, timeout=10, verify=ca, post=post, bootstrap_address="127.0.0.1", http_version=HTTPVersion.HTTP_2))
"""


@pytest.mark.parametrize("transport", ["tls", "https get", "https post", "quic"])
def test_dnspythonChecksCertificate(server: Encrypted, transport: str) -> None:
    """
    dnspython's clients get their answers with the right authority and name, and refuse each wrong one.
    """
    trust = server.trust
    called = transport.partition(" ")[0]
    for authority, expected, isGood in ((trust.ca, NAME, True), (trust.ca, "other.example", False), (trust.otherCA, NAME, False)):
        name = freshName()
        said = output(sys.executable, "-c", _DNSPYTHON, transport, _portFor(server, called), name, str(authority), expected)
        assert (f"IN A {ADDRESS}" in said) is isGood, said
        assert server.transports(name) == ({called} if isGood else set())
        assert isGood or re.search("[Cc]ertificate|CERTIFICATE|hostname", said), said
