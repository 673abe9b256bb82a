"""
Tests of C{txdns} against NSD and BIND, and against C{dig}.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.apps.terminals import Terminal, plain
from tests.peers import LivePeer, bind, freePort, nsd, peer
from twisted_ext.apps.cli.terminal.exits import NO_REPLY, OK

ZONE = """\
$ORIGIN example.org.
$TTL 300
@    SOA ns mail 1 3600 600 86400 300
@    NS  ns
@    MX  10 mail
@    MX  20 mail.example.net.
ns   A   127.0.0.1
www  A   192.0.2.80
www  A   192.0.2.81
www  AAAA 2001:db8::80
alias CNAME www
txt  TXT "one two" "three \\"quoted\\"" "\\000\\255"
srv  SRV 1 2 443 www
caa  CAA 0 issue "ca.example.net"
naptr NAPTR 1 2 "S" "SIP+D2T" "" srv
svc  HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.80
xn--bcher-kva A 192.0.2.2
a-very-long-owner-name-for-the-columns-of-the-text A 192.0.2.3
*.wild A 192.0.2.4
""" + "".join([f'big TXT "{number:0200d}"\n' for number in range(20)])

REVERSE = """\
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@    SOA ns.example.org. mail.example.org. 1 3600 600 86400 300
@    NS  ns.example.org.
0-63 NS  ns.example.org.
""" + "".join([f"{number} CNAME {number}.0-63\n" for number in range(64)]) + "".join(
    [f"{number} PTR host{number}.example.org.\n" for number in range(64, 256)]
)

CLASSLESS = """\
$ORIGIN 0-63.2.0.192.in-addr.arpa.
$TTL 300
@    SOA ns.example.org. mail.example.org. 1 3600 600 86400 300
@    NS  ns.example.org.
""" + "".join([f"{number} PTR host{number}.example.org.\n" for number in range(64)])


@pytest.fixture(scope="module")
def server() -> Iterator[LivePeer]:
    """
    Start NSD with the zones above.
    """
    zones = {"example.org": ZONE, "2.0.192.in-addr.arpa": REVERSE, "0-63.2.0.192.in-addr.arpa": CLASSLESS}
    with nsd(zones) as running:
        yield running


def txdns(*words: str, text: str = "", environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """
    Run C{txdns} without the user's C{~/.digrc}.

    @param environment: variables that differ from our own.
    """
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", *words]
    encoding = (environment or {}).get("PYTHONIOENCODING", "").partition(":")[0] or "utf-8"
    ended = subprocess.run(
        command, input=text.encode(), capture_output=True, timeout=120, env={**os.environ, "HOME": "/nonexistent", **(environment or {})}
    )
    return subprocess.CompletedProcess(command, ended.returncode, ended.stdout.decode(encoding), ended.stderr.decode(encoding))


def body(text: str) -> list[str]:
    """
    Return the lines that do not name the program and are the same for each query.
    """
    kept = []
    for line in text.splitlines():
        if line.startswith(("; <<>>", "; (1 server", ";; Query time", ";; WHEN", ";; MSG SIZE")):
            continue
        # The EDNS size and the quotes of an extended error's text differ between programs.
        kept.append(re.sub(r"id: \d+|udp: \d+|COOKIE: .*", "", line))
    return kept


@pytest.mark.parametrize(
    "words",
    [
        "www.example.org",
        "www.example.org AAAA",
        "example.org MX",
        "example.org SOA",
        "example.org NS",
        "alias.example.org",
        "txt.example.org TXT",
        "srv.example.org SRV",
        "caa.example.org CAA",
        "naptr.example.org NAPTR",
        "svc.example.org HTTPS",
        "a-very-long-owner-name-for-the-columns-of-the-text.example.org",
        "x.wild.example.org",
        "no.example.org",
        "www.example.org TXT",
        "WWW.Example.ORG",
        "-x 192.0.2.99",
        "big.example.org TXT",
        "www.example.org +tcp",
        "www.example.org +dnssec",
        "www.example.org +noedns",
        "www.example.org +norecurse",
        "www.example.org +cd +ad",
        "www.example.org +noall +answer",
        "www.example.org +nocomments",
        "example.org MX +nottlid",
        "example.org MX +noclass",
        "a-very-long-owner-name-for-the-columns-of-the-text.example.org +nottlid +noclass",
        "www.example.org +short",
        "txt.example.org TXT +short",
        "-t MX -q example.org",
        "example.org ANY +tcp",
    ],
)
def test_outputEqualsDig(server: LivePeer, words: str) -> None:
    """
    C{txdns query} prints what C{dig} prints, line by line, tabs included.
    """
    where = [f"@{server.address}", "-p", str(server.port)]
    dig = subprocess.run([str(peer("dig")), *where, "+nocookie", *words.split()], capture_output=True, text=True, timeout=20)
    ours = txdns("query", *where, *words.split())
    assert (ours.returncode, ours.stderr) == (dig.returncode, "")
    assert sorted(body(ours.stdout)) == sorted(body(dig.stdout))
    # Servers may rotate the records of a set, and nothing else.
    assert [line[:1] for line in body(ours.stdout)] == [line[:1] for line in body(dig.stdout)]


def test_refusedReplyIsShown(server: LivePeer) -> None:
    """
    A reply is shown whatever its rcode, and the exit code is that of a reply.
    """
    ended = txdns("query", "www.example.net", f"@{server.address}:{server.port}")
    assert ended.returncode == OK
    assert "status: REFUSED" in ended.stdout


def test_transferIsPrintedAsByDig(server: LivePeer) -> None:
    """
    A zone transfer is printed as by C{dig}, and so is a refused one.
    """
    where = [f"@{server.address}", "-p", str(server.port)]
    dig = subprocess.run([str(peer("dig")), *where, "example.org", "AXFR"], capture_output=True, text=True, timeout=20)
    ours = txdns("query", *where, "example.org", "AXFR")
    skipped = (";; SERVER", ";; XFR")
    assert [line for line in body(ours.stdout) if not line.startswith(skipped)] == [
        line for line in body(dig.stdout) if not line.startswith(skipped)
    ]
    lines = txdns("query", *where, "example.org", "AXFR", "+json").stdout.splitlines()
    assert json.loads(lines[0])["type"] == json.loads(lines[-1])["type"] == "SOA"
    assert f";; XFR size: {len(lines)} records" in dig.stdout
    refused = txdns("query", *where, "example.net", "AXFR")
    assert refused.returncode == OK
    assert refused.stdout.endswith("; Transfer failed.\n")
    assert "txdns query: " in refused.stderr


def test_noReplyIsOneLine() -> None:
    """
    A look-up without a reply ends soon with one line and the exit code of C{dig}.
    """
    port = freePort("127.0.0.1")
    ended = txdns("query", "www.example.org", f"@127.0.0.1:{port}", "+time=0.2", "+tries=2")
    assert (ended.returncode, ended.stdout) == (NO_REPLY, "")
    assert f"127.0.0.1:{port}" in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_silentServerCostsItsTimeout(server: LivePeer) -> None:
    """
    A silent server is waited for exactly as long as C{+time} and C{+tries} say.
    """
    with nsd({"example.org": ZONE}, address="127.0.0.77") as hanging:
        hanging.pause()
        ended = txdns("query", "www.example.org", f"@{hanging.address}:{hanging.port}", "+time=0.3", "+tries=2", "+json")
        hanging.resume()
    assert ended.returncode == NO_REPLY
    told = json.loads(ended.stdout)
    assert (told["kind"], told["attempts"]) == ("TimedOut", 2)


def test_anyDescriptionBehindAt(server: LivePeer) -> None:
    """
    Any resolver description may follow C{@}, and the port of an address may be written either way.
    """
    for target in (
        f"@{server.address}:{server.port}",
        f"@udp:{server.address}:{server.port}",
        f"@tcp:{server.address}:{server.port}",
        f"@cache:udp:{server.address}:{server.port}",
    ):
        ended = txdns("query", "bücher.example.org", target, "+short")
        assert (ended.stdout, ended.stderr) == ("192.0.2.2\n", "")


def test_cookieIsSentOverTheTransportOfTheDescription(server: LivePeer) -> None:
    """
    A query with fields of its own is sent over TCP if all servers of the description are queried over TCP, also behind a wrapper.
    """
    for target, transport in (("tcp:", "TCP"), ("cache:tcp:", "TCP"), ("cache:udp:", "UDP")):
        shown = txdns("query", "www.example.org", f"@{target}{server.address}:{server.port}", "+cookie").stdout
        assert f"({transport})" in shown, shown


def test_EDNSOptionsAreDecoded(server: LivePeer) -> None:
    """
    EDNS options of the reply are decoded.
    """
    with bind({"example.org": ZONE}) as named:
        where = f"@{named.address}:{named.port}"
        assert "; COOKIE: " in txdns("query", "www.example.org", where, "+cookie").stdout
        assert "CLIENT-SUBNET: 192.0.2.0/24/0" not in txdns("query", "www.example.org", where).stdout


def test_bulkPrintsALineForEachName(server: LivePeer, tmp_path: Path) -> None:
    """
    C{txdns bulk} prints a line for each of ten thousand names in a file.
    """
    names = [f"h{number}.wild.example.org" for number in range(9_990)] + ["a..b"] * 10
    path = tmp_path / "names"
    path.write_text("\n".join(names))
    ended = txdns("bulk", str(path), f"@{server.address}:{server.port}")
    assert ended.returncode == OK
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert Counter([line["name"] for line in lines]) == Counter(names)
    assert all(line["data"] == ["192.0.2.4"] for line in lines if line["name"] != "a..b")


def test_bulkInProgramLeavesNothing(server: LivePeer) -> None:
    """
    A program gets ten thousand answers through C{async for}, and nothing is left open.
    """
    script = f"""
from twisted.internet import task
from twisted.internet.defer import Deferred
from twisted_ext import client
from twisted_ext.bulk import bulk, dataOf

async def main(reactor):
    resolver = client.resolverFromString(reactor, "udp:{server.address}:{server.port}")
    names = [f"h{{number}}.wild.example.org" for number in range(10_000)]
    found = {{name: dataOf(result) async for name, result in bulk(resolver, names)}}
    assert found == {{name: ["192.0.2.4"] for name in names}}
    await resolver.close()
    print(len(found), len(reactor.getDelayedCalls()), len(reactor.removeAll()))

task.react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.stderr) == ("10000 0 0\n", "")


def test_bulkSurvivesAHang(server: LivePeer, tmp_path: Path) -> None:
    """
    No name is lost when the server hangs midway: unanswered names are queried again.
    """
    path = tmp_path / "names"
    path.write_text("".join([f"h{number}.wild.example.org\n" for number in range(5_000)]))
    output = tmp_path / "output"
    with nsd({"example.org": ZONE}, address="127.0.0.78") as hanging:
        command = ["-m", "twisted_ext.apps.cli.main", "bulk", str(path), f"@{hanging.address}:{hanging.port}", "--rate", "5000"]
        with subprocess.Popen([sys.executable, *command, "--output", str(output)]) as process:
            while not output.exists() or not output.stat().st_size:
                assert process.poll() is None
            hanging.pause()
            try:
                process.wait(timeout=0.7)
            except subprocess.TimeoutExpired:
                pass
            hanging.resume()
            assert process.wait(timeout=60) == OK
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len({line["name"] for line in lines}) == len(lines) == 5_000
    assert [line for line in lines if "error" in line] == []


def test_bulkFindsNamesOfNetwork(server: LivePeer) -> None:
    """
    C{--reverse} finds the names of all addresses of a network, also those delegated by aliases (RFC 2317).
    """
    ended = txdns("bulk", "--reverse", "192.0.2.0/24", f"@{server.address}:{server.port}", "--ordered")
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [line["name"] for line in lines] == [f"192.0.2.{number}" for number in range(256)]
    assert [line["data"] for line in lines] == [[f"host{number}.example.org."] for number in range(256)]
    assert [line.get("aliases") for line in lines[62:66]] == [
        ["62.0-63.2.0.192.in-addr.arpa."],
        ["63.0-63.2.0.192.in-addr.arpa."],
        None,
        None,
    ]


def test_sessionOfTheTour(server: LivePeer, tmp_path: Path) -> None:
    """
    The session of the tour works when typed: a waiting Deferred is shown, and shown again with its result.
    """
    command = ["-m", "twisted_ext.apps.cli.main", "shell", f"udp:{server.address}:{server.port}"]
    with Terminal(command, {"NO_COLOR": "1"}, str(tmp_path)) as terminal:
        terminal.expect(">>> ")
        terminal.type('lookup("example.org", "MX")\r')
        first, then = r"<Deferred at 0x([0-9a-f]+)>\n.*", r"<Deferred at 0x([0-9a-f]+) current result: "
        shown = terminal.expect(first + then + r"\(\[<RR name=example.org type=MX")
        assert shown.group(1) == shown.group(2)
        terminal.type('resolver.getHostByName("www.example.org")\r')
        terminal.expect(r"current result: '192.0.2.8[01]'>")
        terminal.type("_\r")
        terminal.expect(r"current result: '192.0.2.8[01]'>")
        terminal.type(f'client.createResolver(servers=[("{server.address}", {server.port})]).lookupPointer("99.2.0.192.in-addr.arpa")\r')
        terminal.expect("type=PTR class=IN ttl=300s")
        terminal.type("_.result[0][0].payload\r")
        terminal.expect("<PTR name=host99.example.org ttl=300>")
        terminal.type("\x04")
        assert terminal.wait() == 0
    assert "Traceback" not in plain(terminal.output)
