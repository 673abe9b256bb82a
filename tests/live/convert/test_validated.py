"""
Unbound and named, and this server with their converted configurations, accept and refuse the same signatures, whichever way the signed
domain is routed. NSD serves the domain, which dnspython has signed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.zone
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.live.convert.comparing import Answered, ForwardingPeer, Question, answerOf, ourServer
from tests.peers import LivePeer, freePort, nsd
from twisted_ext.apps.cli.convert.command import convertFile, formatNamed, tomlOf

__all__: list[str] = []

_DOMAIN: Final = "corp.example"

_ZONE: Final = """$TTL 300
@ SOA ns hostmaster 1 3600 600 86400 300
@ NS ns
ns A 127.0.0.1
good A 192.0.2.1
bad A 192.0.2.2
"""

#: A day, in seconds.
_DAY: Final = 86400


def _signed() -> tuple[str, str]:
    """
    Return the signed zone, in which the record of one name is not the one that was signed, and the data of its DS record.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(key.public_key(), "ECDSAP256SHA256", 257)
    zone = dns.zone.from_text(_ZONE, _DOMAIN, relativize=False)
    begin = datetime.now(UTC).timestamp() - _DAY
    dns.dnssec.sign_zone(zone, keys=[(key, public)], inception=begin, lifetime=3 * _DAY, add_dnskey=True)
    ds = dns.dnssec.make_ds(dns.name.from_text(_DOMAIN), public, "SHA256").to_text()
    return zone.to_text().replace("192.0.2.2", "192.0.2.3"), ds


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[LivePeer, str]]:
    """
    Serve the domain.

    @return: the server, and the data of the DS record.
    """
    text, ds = _signed()
    with nsd({_DOMAIN: text}) as server:
        yield server, ds


def _unbound(routing: str, excepted: str) -> str:
    exception = f'domain-insecure: "{excepted}"' if excepted else ""
    return f"""
server:
    interface: 127.0.0.1@PORT
    port: PORT
    directory: "FOLDER"
    username: ""
    chroot: ""
    pidfile: ""
    use-syslog: no
    do-daemonize: no
    do-not-query-localhost: no
    access-control: 127.0.0.0/8 allow
    trust-anchor: "{_DOMAIN}. DS DATA"
    {exception}
remote-control:
    control-enable: no
{routing}-zone:
    name: "{_DOMAIN}"
    {routing}-addr: 127.0.0.1@UPSTREAM
forward-zone:
    name: "."
    forward-addr: 127.0.0.1@UPSTREAM
"""


def _named(routing: str, excepted: str) -> str:
    exception = f'validate-except {{ "{excepted}"; }};' if excepted else ""
    zone = {
        "forward": "type forward; forward only; forwarders { 127.0.0.1 port UPSTREAM; };",
        "forward to the same port": "type forward; forward only; forwarders { 127.0.0.1; };",
        "static-stub": "type static-stub; server-addresses { 127.0.0.1; };",
    }[routing]
    return f"""
options {{
    directory "FOLDER";
    pid-file "FOLDER/named.pid";
    session-keyfile "FOLDER/session.key";
    managed-keys-directory "FOLDER";
    port UPSTREAM;
    listen-on port PORT {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion yes;
    forward only;
    forwarders {{ 127.0.0.1 port UPSTREAM; }};
    allow-query {{ 127.0.0.0/8; }};
    dnssec-validation yes;
    {exception}
}};
trust-anchors {{ "{_DOMAIN}." static-ds TAG ALGORITHM DIGESTTYPE "DIGEST"; }};
controls {{ }};
zone "{_DOMAIN}" {{ {zone} }};
"""


_CASES: Final = {
    "unbound forward": (("unbound", "-d"), _unbound, "forward"),
    "unbound stub": (("unbound", "-d"), _unbound, "stub"),
    "named forward": (("named", "-g", "-n", "1"), _named, "forward"),
    "named forward to the same port": (("named", "-g", "-n", "1"), _named, "forward to the same port"),
    "named static-stub": (("named", "-g", "-n", "1"), _named, "static-stub"),
}


@pytest.mark.parametrize("excepted", ["", f"bad.{_DOMAIN}", _DOMAIN], ids=["no exception", "exception below", "exception at the anchor"])
@pytest.mark.parametrize("case", list(_CASES))
def test_sameSignaturesAreAccepted(upstream: tuple[LivePeer, str], case: str, excepted: str) -> None:
    """
    What the original refuses for its signature is refused by the converted settings, and what it accepts is accepted. An exception at a
    trust anchor counts for named, and not for Unbound.
    """
    (program, *arguments), configuration, routing = _CASES[case]
    server, ds = upstream
    tag, algorithm, digestType, digest = ds.split(" ", 3)

    def adapted(port: int, folder: Path) -> str:
        text = configuration(routing, excepted)
        words = {
            "PORT": str(port), "FOLDER": str(folder), "UPSTREAM": str(server.port), "DATA": ds, "DIGESTTYPE": digestType,
            "ALGORITHM": algorithm, "TAG": tag, "DIGEST": digest.replace(" ", ""),
        }  # fmt: skip
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    def configure(peer: LivePeer) -> str:
        return adapted(peer.port, peer.folder)

    questions = [Question(f"{name}.{_DOMAIN}", "A") for name in ("good", "bad")]
    with tempfile.TemporaryDirectory() as name, ForwardingPeer(program, arguments, configure, "127.0.0.1", {}) as theirs:
        folder = Path(name)
        path = folder / f"{program}.conf"
        port = freePort("127.0.0.1")
        path.write_text(adapted(port, folder), "utf-8")
        converted = convertFile(str(path), formatNamed(program))
        # As the lines about the anchor say.
        assert any("set trust-anchor" in finding.instead for finding in converted.findings)
        (folder / "anchor").write_text(f"{_DOMAIN}. IN DS {ds}\n")
        with ourServer(folder, f'trust-anchor = ["{folder}/anchor"]\n{tomlOf(converted)}', port):
            before = [answerOf(theirs.port, question) for question in questions]
            after = [answerOf(port, question) for question in questions]
    accepts = excepted and not (program == "unbound" and excepted == _DOMAIN)
    bad = Answered("NOERROR", frozenset({(f"bad.{_DOMAIN}.", "A", "192.0.2.3")})) if accepts else Answered("SERVFAIL", frozenset())
    good = Answered("NOERROR", frozenset({(f"good.{_DOMAIN}.", "A", "192.0.2.1")}))
    assert before == after == [good, bad], "\n".join([tomlOf(converted), *map(str, converted.findings)])
