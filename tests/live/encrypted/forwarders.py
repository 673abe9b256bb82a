"""
Forwarders of other projects, as live peers that ask a server over TLS or HTTPS and check its certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.live.encrypted.namespaces import withFiles
from tests.live.encrypted.programs import Program, textOf
from tests.live.encrypted.serving import NAME, WRONG_PIN, Encrypted
from tests.peers import LivePeer, programPath, unbound
from tests.requirements import missing
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.web.setup.documents import documentFor

__all__ = ["FORWARDERS", "Check", "Forwarder", "checksOf"]


@dataclass(frozen=True)
class Check:
    """
    What a forwarder demands of the server: a certificate of an authority for a name, or a key with a pin.
    """

    ca: Path
    name: str
    pin: str
    isGood: bool


def checksOf(server: Encrypted, *, pins: bool) -> dict[str, Check]:
    """
    Return checks that our server passes, and checks that it fails.

    @param pins: include those of pins.
    """
    trust = server.trust
    checks = {
        "right name": Check(trust.ca, NAME, "", True),
        "wrong name": Check(trust.ca, "other.example", "", False),
        "wrong authority": Check(trust.otherCA, NAME, "", False),
    }
    if pins:
        checks["right pin"] = Check(trust.ca, "", trust.pin, True)
        checks["wrong pin"] = Check(trust.ca, "", WRONG_PIN, False)
    return checks


def _unbound(server: Encrypted, check: Check) -> LivePeer:
    lines = [
        'module-config: "iterator"',
        f"tls-cert-bundle: {check.ca}",
        "forward-zone:",
        "name: test.example",
        "forward-tls-upstream: yes",
        f"forward-addr: 127.0.0.1@{server.tls}#{check.name}",
    ]
    return unbound(extra=textOf(*lines))


def _kresd(server: Encrypted, check: Check) -> LivePeer:
    proof = f"pin_sha256 = '{check.pin}'" if check.pin else f"hostname = '{check.name}', ca_file = '{check.ca}'"

    def configure(peer: LivePeer) -> str:
        return textOf(
            f"net.listen('127.0.0.1', {peer.port}, {{ kind = 'dns' }})",
            "trust_anchors.remove('.')",
            "modules.unload('ta_update')",
            "modules.unload('priming')",
            "cache.size = 10*MB",
            f"policy.add(policy.all(policy.TLS_FORWARD({{ {{ '127.0.0.1@{server.tls}', {proof} }} }})))",
        )

    return LivePeer("kresd", ["--noninteractive", "--quiet"], configure, "127.0.0.1", {})


def _dnsdist(server: Encrypted, check: Check, path: str = "") -> LivePeer:
    def configure(peer: LivePeer) -> str:
        place = f"address = '127.0.0.1:{server.https if path else server.tls}', tls = 'openssl'"
        proof = f"subjectName = '{check.name}', caStore = '{check.ca}', validateCertificates = true"
        return textOf(
            f"setLocal('127.0.0.1:{peer.port}')",
            "setACL('127.0.0.0/8')",
            "addAction(QTypeRule(DNSQType.SOA), RCodeAction(DNSRCode.REFUSED))",
            f"newServer({{ {place}, {path}{proof}, healthCheckMode = 'up' }})",
        )

    return Program("dnsdist", lambda peer: ["--supervised", "--disable-syslog", "-C", peer.folder / "server.conf"], configure)


def _dnsdistOverHTTPS(server: Encrypted, check: Check) -> LivePeer:
    return _dnsdist(server, check, "dohPath = '/dns-query', ")


def _stubby(server: Encrypted, check: Check) -> LivePeer:
    if check.pin:
        proof = ["    tls_pubkey_pinset:", '      - digest: "sha256"', f'        value: {check.pin}']
    else:
        proof = [f'    tls_auth_name: "{check.name}"']

    def configure(peer: LivePeer) -> str:
        return textOf(
            "resolution_type: GETDNS_RESOLUTION_STUB",
            "dns_transport_list:",
            "  - GETDNS_TRANSPORT_TLS",
            "tls_authentication: GETDNS_AUTHENTICATION_REQUIRED",
            "tls_query_padding_blocksize: 128",
            "idle_timeout: 10000",
            f'tls_ca_file: "{check.ca}"',
            f'appdata_dir: "{peer.folder}"',
            "listen_addresses:",
            f"  - 127.0.0.1@{peer.port}",
            "upstream_recursive_servers:",
            "  - address_data: 127.0.0.1",
            f"    tls_port: {server.tls}",
            *proof,
        )

    def words(peer: LivePeer) -> list[str | Path]:
        # stubby goes by the extension.
        named = peer.folder / "stubby.yml"
        named.write_text((peer.folder / "server.conf").read_text())
        return ["-C", named]

    return Program("stubby", words, configure)


def _dnss(server: Encrypted, check: Check) -> LivePeer:
    def words(peer: LivePeer) -> list[str | Path]:
        return [
            *("-enable_dns_to_https", "-enable_cache=false", "-fallback_upstream", "127.0.0.1:9"),
            *("-dns_listen_addr", f"127.0.0.1:{peer.port}", "-https_client_cafile", check.ca),
            *("-https_upstream", server.url(host="127.0.0.1" if check.name == NAME else "localhost")),
        ]

    return Program("dnss", words, lambda _: "")


def _resolved(server: Encrypted, check: Check) -> LivePeer:
    program = programPath("systemd-resolved")
    if program is None:
        missing("peers", "systemd-resolved is not installed; .ci/run takes it out of its package, which would replace /etc/resolv.conf")
    shown = documentFor("systemd-resolved", Offer.of([f"tls://{check.name}:{server.tls}"], ["127.0.0.1"]))

    def own(peer: LivePeer) -> str:
        switches = ("DNSSEC", "LLMNR", "MulticastDNS", "DNSStubListener", "ReadEtcHosts", "Cache")
        return textOf("[Resolve]", "FallbackDNS=", *[f"{name}=no" for name in switches], f"DNSStubListenerExtra=127.0.0.1:{peer.port}")

    def words(peer: LivePeer) -> list[str]:
        files = {shown.fileName: shown.text, "/etc/systemd/resolved.conf": own(peer)}
        # As root it would become a user that a machine without its package does not have.
        user = ["unshare", "--user", "--map-user=4321", "--map-group=4321", "--keep-caps", "env", f"SSL_CERT_FILE={check.ca}"]
        return withFiles(peer.folder, files, [*user, program])[1:]

    return Program("unshare", words, lambda _: "")


@dataclass(frozen=True)
class Forwarder:
    """
    @ivar build: builds it, for our server and a check.
    @ivar transport: the one by which it asks, as our server calls it.
    @ivar pins: whether it checks pins.
    """

    build: Callable[[Encrypted, Check], LivePeer]
    transport: str
    pins: bool = False


#: By the program, with the transport where it has two.
FORWARDERS: Final = {
    "unbound": Forwarder(_unbound, "tls"),
    "kresd": Forwarder(_kresd, "tls", pins=True),
    "dnsdist tls": Forwarder(_dnsdist, "tls"),
    "dnsdist https": Forwarder(_dnsdistOverHTTPS, "https"),
    "stubby": Forwarder(_stubby, "tls", pins=True),
    "systemd-resolved": Forwarder(_resolved, "tls"),
    "dnss": Forwarder(_dnss, "https"),
}
