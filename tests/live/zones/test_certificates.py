"""
Live tests of certificates by DNS-01: programs get them from an authority that looks for challenges in our zones.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd, wait
from tests.live.zones.test_updates import ROOT, ServerAddress, ask, found
from tests.peers import freePort, peer
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, TXT

_LISTINGS = ROOT / "docs" / "listings" / "dns01"

#: The name, and the wildcard whose challenge is at the same name.
_NAMES = ("example.org", "*.example.org")

#: An address without the authority for all that clients need to know, and the API of the how-to.
_API = "http://127.0.0.1:8081"

_SECRET = "c2VjcmV0IG9mIHRoaXJ0eS10d28gb2N0ZXRzIG9yIG1vcmU="


class Authority:
    """
    C{pebble}, whose resolver is our server, with a token and a key that may set challenges only: those of the how-to.

    @ivar authority: the certificate of what it speaks HTTPS with.
    @ivar environment: that of programs that are to get certificates.
    """

    def __init__(self, folder: Path, isSigned: bool) -> None:
        """
        @param isSigned: whether our server signs the zone.
        """
        self.folder = folder
        self.server = ServerAddress(folder)
        self.authority = written(folder)
        self.api, self.port = freePort("127.0.0.1"), freePort("127.0.0.1")
        (folder / "zone").write_text("@ 60 SOA ns1 hostmaster 10 3600 900 604800 60\n@ 60 NS ns1\nns1 60 A 127.0.0.1\n")
        command = (_LISTINGS / "token.terminal").read_text().removeprefix("$ ")
        script = f'txdns() {{ "{sys.executable}" -m twisted_ext.apps.cli.main "$@"; }}; {command}'
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(["sh", "-c", script], cwd=folder, check=True, env=environment)
        for name in ("tokens", "acme"):
            (folder / name).chmod(0o600)
        (folder / "keys").write_text(f'key "acme" {{ algorithm hmac-sha256; secret "{_SECRET}"; }};\n')
        (folder / "keys").chmod(0o600)
        (folder / "settings.toml").write_text(
            f"""
role = "serve"
state = "{folder}/state"
api = "127.0.0.1:{self.api}"
api-tokens = "{folder}/tokens"
key-file = "{folder}/keys"
[[zone]]
name = "example.org"
file = "{folder}/zone"
edit = ["api"]
update = ["key acme challenges example.org"]
sign = "{'default' if isSigned else 'none'}"
"""
        )
        self.twistd = Twistd(folder, "--config", str(folder / "settings.toml"), port=self.server.port)
        (folder / "pebble.pem").write_bytes(certificateFor("127.0.0.1"))
        settings: dict[str, object] = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{freePort('127.0.0.1')}",
            "certificate": f"{folder}/pebble.pem",
            "privateKey": f"{folder}/pebble.pem",
            "httpPort": 1,
            "tlsPort": 1,
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self.pebble: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "HOME": str(folder),
            "LEGO_CA_CERTIFICATES": str(self.authority),
            "REQUESTS_CA_BUNDLE": str(self.authority),
        }

    @property
    def directory(self) -> str:
        return f"https://127.0.0.1:{self.port}/dir"

    def begin(self) -> None:
        # Each nonce is taken, and each challenge is looked for at once.
        certain = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        words = [str(peer("pebble")), "-config", f"{self.folder}/pebble.json", "-dnsserver", f"127.0.0.1:{self.server.port}"]
        self.twistd.__enter__()
        with (self.folder / "pebble.log").open("wb") as log:
            self.pebble = subprocess.Popen(words, env={**os.environ, **certain}, stdout=log, stderr=log)
        wait(lambda: ask(self.server, "example.org", SOA).rcode == Rcode.NOERROR, self.twistd)
        wait(self._answers)

    def _answers(self) -> bool:
        with closing(socket.socket()) as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def end(self) -> None:
        if self.pebble is not None:
            self.pebble.kill()
            self.pebble.wait()
        self.twistd.stop()

    def script(self, name: str) -> Path:
        """
        Return a copy of a listing that asks our API.
        """
        (self.folder / "bin").mkdir(exist_ok=True)
        command = self.folder / "bin" / "txdns"
        command.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m twisted_ext.apps.cli.main "$@"\n')
        path = self.folder / name
        path.write_text((_LISTINGS / name).read_text().replace(_API, f"http://127.0.0.1:{self.api}"))
        for each in (command, path):
            each.chmod(stat.S_IRWXU)
        return path

    def run(self, *words: str, **environment: str) -> None:
        """
        Run a program that is to get a certificate.
        """
        whole: Mapping[str, str] = {**self.environment, **environment}
        done = subprocess.run(words, cwd=self.folder, env=whole, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + (self.folder / "pebble.log").read_text()[-2000:]

    def expectCertificate(self, path: Path) -> None:
        """
        The certificate is for both names, and no challenge is left.
        """
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert set(names.get_values_for_type(x509.DNSName)) == set(_NAMES)
        assert found(self.server, "_acme-challenge.example.org", TXT) == set()


@pytest.fixture(params=["unsigned", "signed"])
def authority(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Authority]:
    made = Authority(tmp_path, request.param == "signed")
    made.begin()
    yield made
    made.end()


def _domains(option: str) -> list[str]:
    return [word for name in _NAMES for word in (option, name)]


@pytest.mark.parametrize("way", ["pdns", "rfc2136"])
def test_lego(authority: Authority, way: str) -> None:
    """
    lego gets one by the API, and one by updates.
    """
    server = f"127.0.0.1:{authority.server.port}"
    words = [str(peer("lego")), "--server", authority.directory, "--accept-tos", "--email", "me@example.org", "--path", "lego"]
    words += ["--dns", way, "--dns.resolvers", server, "--dns.disable-cp", *_domains("--domains"), "run"]
    secret = (authority.folder / "acme").read_text().split()[-1]
    authority.run(
        *words,
        PDNS_API_URL=f"http://127.0.0.1:{authority.api}", PDNS_API_KEY=secret,
        RFC2136_NAMESERVER=server, RFC2136_TSIG_KEY="acme", RFC2136_TSIG_SECRET=_SECRET, RFC2136_TSIG_ALGORITHM="hmac-sha256.",
        RFC2136_SEQUENCE_INTERVAL="1",
    )  # fmt: skip
    authority.expectCertificate(authority.folder / "lego" / "certificates" / "example.org.crt")


@pytest.mark.parametrize("way", ["updates", "scripts"])
def test_certbot(authority: Authority, way: str) -> None:
    """
    certbot gets one by its plugin for updates, and one by the scripts of the how-to.
    """
    words = [str(peer("certbot")), "certonly", "--server", authority.directory, "--agree-tos", "--email", "me@example.org"]
    words += ["--non-interactive", "--config-dir", "certbot", "--work-dir", "work", "--logs-dir", "logs", *_domains("--domain")]
    if way == "updates":
        credentials = authority.folder / "credentials"
        credentials.write_text(
            f"dns_rfc2136_server = 127.0.0.1\ndns_rfc2136_port = {authority.server.port}\ndns_rfc2136_name = acme\n"
            f"dns_rfc2136_secret = {_SECRET}\ndns_rfc2136_algorithm = HMAC-SHA256\n"
        )
        credentials.chmod(0o600)
        words += ["--dns-rfc2136", "--dns-rfc2136-credentials", str(credentials), "--dns-rfc2136-propagation-seconds", "0"]
    else:
        words += ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", f"sh {authority.script('add.sh')}"]
        words += ["--manual-cleanup-hook", f"sh {authority.script('remove.sh')}"]
    authority.run(*words)
    authority.expectCertificate(authority.folder / "certbot" / "live" / "example.org" / "cert.pem")


def test_dehydrated(authority: Authority) -> None:
    """
    dehydrated gets one by the hook of the how-to.
    """
    (authority.folder / "config").write_text(f'CA="{authority.directory}"\nCURL_OPTS="--cacert {authority.authority}"\n')
    words = [str(peer("dehydrated")), "--config", f"{authority.folder}/config"]
    authority.run(*words, "--register", "--accept-terms")
    hook = authority.script("dehydrated.sh")
    authority.run(*words, "--cron", "--challenge", "dns-01", "--hook", str(hook), "--domain", " ".join(_NAMES))
    authority.expectCertificate(authority.folder / "certs" / "example.org" / "cert.pem")
