"""
Exceptions that operators add for a zone that is bogus, and that end once it validates: ours beside that of named.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket
from typing import Final

from tests.live.twistds import REPLY, Twistd, wait
from tests.peers import LivePeer, freePort, nsd, peer
from twisted_ext.testing.sources import questionOf
from twisted_ext.wire.builder import buildQuery
from twisted_ext.wire.codes import AD, RD
from twisted_ext.wire.message import Message

_ZONE: Final = "corp.test"

_RECORDS: Final = """\
$TTL 1
@ SOA ns mail {serial} 600 600 86400 1
@ NS ns
ns A 127.0.0.1
www A 192.0.2.1
"""

_NAMED: Final = """\
key control {{ algorithm hmac-sha256; secret "c2VjcmV0"; }};
controls {{ inet 127.0.0.1 port {control} allow {{ 127.0.0.1; }} keys {{ control; }}; }};
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion yes; allow-query {{ any; }}; empty-zones-enable no;
  forward only; forwarders {{ 127.0.0.1 port {authority}; }}; dnssec-validation yes; nta-recheck 1; servfail-ttl 0;
}};
trust-anchors {{ {anchor} }};
"""

#: Has ours try as often as named does here.
_OFTEN: Final = "import twisted_ext.server.features.negativeanchors.suspended as module\nmodule._PAUSE = 1.0\n"


class Zone:
    """
    A zone that its operator signs by BIND's programs.

    @ivar key: the data of its DNSKEY record.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._serial = 0
        self._run("dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", _ZONE)
        (path,) = folder.glob("K*.key")
        self.key = path.read_text().splitlines()[-1].partition(" DNSKEY ")[2]

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([str(peer(program)), *words], cwd=self._folder, check=True, capture_output=True)

    def signed(self, begin: str, end: str) -> str:
        """
        Return the zone with signatures for this time.
        """
        self._serial += 1
        (self._folder / "zone").write_text(_RECORDS.format(serial=self._serial))
        self._run("dnssec-signzone", "-S", "-z", "-P", "-s", begin, "-e", end, "-o", _ZONE, "-f", "signed", "zone")
        return (self._folder / "signed").read_text()


def _said(port: int) -> tuple[int, bool, int]:
    """
    Return RCODE, AD and the number of RRsets of a reply.
    """
    with socket(AF_INET, SOCK_DGRAM) as asking:
        asking.settimeout(REPLY)
        asking.connect(("127.0.0.1", port))
        asking.send(b"\0\7" + buildQuery(RD | AD, questionOf(f"www.{_ZONE}").toWire(), b""))
        reply = Message.fromWire(asking.recv(65535))
    return reply.rcode, bool(reply.flags & AD), len(reply.answer)


def test_likeNamed(tmp_path: Path) -> None:
    """
    A zone with signatures that have expired is answered once the operator has said so, without AD, and with AD soon after it is signed
    anew. An exception that is to go on does so.
    """
    zone = Zone(tmp_path)
    words = zone.key.split(maxsplit=3)
    anchor = tmp_path / "anchor"
    anchor.write_text(f"{_ZONE}. IN DNSKEY {zone.key}\n")
    (tmp_path / "sitecustomize.py").write_text(_OFTEN)
    control, path = freePort("127.0.0.1"), str(tmp_path / "control")

    def configure(server: LivePeer) -> str:
        key = "".join(words[3].split())
        trusted = f'{_ZONE}. static-key {" ".join(words[:3])} "{key}";'
        return _NAMED.format(folder=server.folder, port=server.port, control=control, authority=authority.port, anchor=trusted)

    with nsd({_ZONE: zone.signed("20200101000000", "20200201000000")}) as authority:
        asked = ["recurse", "--stub", f"{_ZONE}=127.0.0.1:{authority.port}", "--query-localhost", "--trust-anchor", str(anchor)]
        ours = Twistd(tmp_path, *asked, "--control", path, environment={"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])})
        with LivePeer("named", ["-g", "-n", "1"], configure, "127.0.0.1", {}) as named, ours:
            (tmp_path / "rndc.conf").write_text('key control { algorithm hmac-sha256; secret "c2VjcmV0"; };\n')
            rndc = [str(peer("rndc")), "-k", str(tmp_path / "rndc.conf"), "-s", "127.0.0.1", "-p", str(control), "nta"]
            nta = [sys.executable, "-P", "-m", "twisted_ext", "control", "--socket", path, "nta", "add"]

            def said() -> set[tuple[int, bool, int]]:
                return {_said(port) for port in (named.port, ours.port)}

            def run(*words: str) -> str:
                return subprocess.run(words, check=True, capture_output=True, text=True).stdout

            assert said() == {(2, False, 0)}
            run(*rndc, "-lifetime", "1h", _ZONE)
            assert "or until it could be" in run(*nta, f"{_ZONE}=+1h")
            assert said() == {(0, False, 1)}
            authority.zoneFile(_ZONE).write_text(zone.signed("20200101000000", "20370101000000"))
            authority.reload()
            wait(lambda: said() == {(0, True, 1)}, ours)
            assert "the negative trust anchor corp.test. has ended: the name can be validated" in ours.text()
            run(*rndc, "-force", "-lifetime", "1h", _ZONE)
            run(*nta, "--force", f"{_ZONE}=+1h")
            assert said() == {(0, False, 1)}
            seen = len(ours.text())
            # Several tries later.
            run("sleep", "4")
            assert said() == {(0, False, 1)}
            assert "has ended" not in ours.text()[seen:]
