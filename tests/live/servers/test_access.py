"""
Clients that a key lets in, as named lets them in, and what may be done by one port only.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Final

from tests.certificates import certificateFor
from tests.live.twistds import REPLY, Twistd
from tests.peers import LivePeer, freePort, peer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import RD, Rcode
from twisted_ext.wire.message import Message
from twisted_ext.wire.tsig import Key, sign

_NAMED: Final = """\
key partner {{ algorithm hmac-sha256; secret "c2VjcmV0c2VjcmV0"; }};
key other {{ algorithm hmac-sha256; secret "b3RoZXJvdGhlcg=="; }};
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no; empty-zones-enable no;
  allow-query {{ !127.0.0.3; 127.0.0.1; key partner; }};
}};
controls {{ }};
zone "example" {{ type primary; file "{folder}/zone"; }};
"""

_ZONE: Final = "$TTL 300\n@ SOA ns mail 1 600 600 86400 60\n@ NS ns\nns A 127.0.0.1\nwww A 192.0.2.80\n"

_KEYS: Final = "hmac-sha256:partner:c2VjcmV0c2VjcmV0\nhmac-sha256:other:b3RoZXJvdGhlcg==\n"


def _rcode(port: int, client: str, key: Key | None) -> int:
    query = b"\0\7" + buildQuery(RD, questionOf("www.example").toWire(), b"")
    with socket(AF_INET, SOCK_DGRAM) as asking:
        asking.settimeout(REPLY)
        asking.bind((client, 0))
        asking.connect(("127.0.0.1", port))
        asking.send(query if key is None else sign(query, key, time.time())[0])
        return Message.fromWire(asking.recv(65535)).rcode


def test_likeNamed(tmp_path: Path) -> None:
    """
    Of clients in a network and outside, and of one that is refused by its address, those are answered whom named answers: with a key, with
    one that lets none in, with a wrong secret, and without one.
    """
    keys = tmp_path / "keys"
    keys.write_text(_KEYS)
    keys.chmod(0o600)

    def configure(server: LivePeer) -> str:
        (server.folder / "zone").write_text(_ZONE)
        return _NAMED.format(folder=server.folder, port=server.port)

    words = ["--local", "www.example A 192.0.2.80", "--key-file", str(keys), "--no-recursive"]
    access = ["--allow", "127.0.0.1", "--allow", "key=partner", "--refuse", "127.0.0.3"]
    partner, other = [Key.fromText(line) for line in _KEYS.splitlines()]
    forged = Key.fromText("hmac-sha256:partner:eHh4eHh4eHg=")
    seen: set[int] = set()
    with LivePeer("named", ["-g", "-n", "1"], configure, "127.0.0.1", {}) as named, Twistd(tmp_path, *words, *access) as ours:
        for client in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            for key in (None, partner, forged, other):
                wanted = _rcode(named.port, client, key)
                assert _rcode(ours.port, client, key) == wanted, (client, key)
                seen.add(wanted)
    assert seen == {Rcode.NOERROR, Rcode.REFUSED, Rcode.NOTAUTH}


def test_byOnePort(tmp_path: Path) -> None:
    """
    Where the grants of a zone name a port, it is transferred and updated by that only, whichever process gets the request.
    """
    keys = tmp_path / "keys"
    keys.write_text(_KEYS)
    keys.chmod(0o600)
    (tmp_path / "certificate.pem").write_bytes(certificateFor("dns.example"))
    (tmp_path / "zone").write_text(_ZONE)
    port, encrypted = freePort("127.0.0.1"), freePort("127.0.0.1")
    rules = f'update = ["key partner zone"]\nallow-update = ["port={port}"]\nallow-transfer = ["key=partner port={encrypted}"]'
    (tmp_path / "txdns.toml").write_text(f'[[zone]]\nname = "example"\nfile = "zone"\n{rules}\n')
    words = ["serve", "--config", str(tmp_path / "txdns.toml"), "--key-file", str(keys), "--workers", "2", "--state", str(tmp_path)]
    words += ["--tls", f"127.0.0.1:{encrypted}", "--certificate", str(tmp_path / "certificate.pem")]
    dig = [str(peer("dig")), "@127.0.0.1", "-y", _KEYS.splitlines()[0], "example", "AXFR", "+tries=1"]
    update = "server 127.0.0.1 {}\nzone example\nupdate add n{}.example 300 A 192.0.2.1\nsend\n"
    nsupdate = [str(peer("nsupdate")), "-v", "-y", _KEYS.splitlines()[0]]

    def run(command: list[str], text: str = "") -> str:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr

    with Twistd(tmp_path, *words, port=port):
        for number in range(4):
            assert "Transfer failed" in run([*dig, "-p", str(port)])
            assert run([*dig, "-p", str(encrypted), "+tls"]).count("SOA") == 2
            assert run(nsupdate, update.format(port, number)) == ""
        assert run([*dig, "-p", str(encrypted), "+tls"]).count("192.0.2.1\n") == 4
