"""
A policy zone that is transferred from named and from Knot, while it changes.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.update
import pytest

from tests.live.twistds import REPLY, Twistd, wait
from tests.peers import LivePeer, freePort

__all__: list[str] = []

_HEAD = "$TTL 300\n@ SOA ns.t. h. 1 3600 600 86400 120\n@ NS ns.t.\n"

#: The rules that the zone has from the beginning.
_RULES = 300


class _Peer(LivePeer):
    def _answers(self, zone: str | None) -> bool:
        return any(word in self.log() for word in (" running\n", "server started"))


def _named(peer: LivePeer, notified: int) -> str:
    return (
        f'options {{ directory "{peer.folder}"; pid-file none; session-keyfile none; listen-on port {peer.port} {{ 127.0.0.1; }};'
        ' listen-on-v6 { none; }; dnssec-validation no; recursion no; notify explicit; };\ncontrols { };\n'
        'zone "rpz.test" { type primary; file "rpz.test.zone"; allow-update { 127.0.0.1; };'
        f" also-notify {{ 127.0.0.1 port {notified}; }}; }};\n"
    )


def _knot(peer: LivePeer, notified: int) -> str:
    return (
        f"server:\n  listen: 127.0.0.1@{peer.port}\n  rundir: {peer.folder}\nlog:\n  - target: stderr\n    any: info\n"
        f"database:\n  storage: {peer.folder}/db\nremote:\n  - id: here\n    address: 127.0.0.1@{notified}\n"
        "acl:\n  - id: all\n    address: 127.0.0.1\n    action: [transfer, update]\n"
        f"zone:\n  - domain: rpz.test\n    storage: {peer.folder}\n    file: rpz.test.zone\n    acl: all\n    notify: here\n"
        "    zonefile-load: difference\n    zonefile-sync: -1\n    journal-content: changes\n"
    )


@pytest.mark.parametrize(("program", "words"), [("named", ["-g", "-n", "1"]), ("knotd", [])])
def test_changesOfFeedsAreInForce(program: str, words: list[str], tmp_path: Path) -> None:
    """
    Rules that a primary adds and removes by IXFR are in force soon after its NOTIFY, and so they are after a C{kill -9} without it.
    """
    port = freePort("127.0.0.1")

    def config(peer: LivePeer) -> str:
        peer.folder.chmod(0o755)
        rules = "".join([f"n{number}.example CNAME .\n*.n{number}.example CNAME .\n" for number in range(_RULES)])
        (peer.folder / "rpz.test.zone").write_text(_HEAD + rules)
        (peer.folder / "db").mkdir(exist_ok=True)
        return _named(peer, port) if program == "named" else _knot(peer, port)

    with _Peer(program, words, config, "127.0.0.1", {}) as peer:
        path = tmp_path / "txdns.toml"
        path.write_text(
            f'interface = ["127.0.0.1"]\nport = {port}\nupstream = ["127.0.0.1:{freePort("127.0.0.1")}"]\nhosts-file = []\n'
            'state = "state"\npolicy-zones = ["feed"]\n[[policy-zone]]\nname = "feed"\nzone = "rpz.test"\n'
            f'[[zone]]\nname = "rpz.test"\nprimaries = ["127.0.0.1:{peer.port}"]\nview = "policy-zones"\n'
        )
        server = Twistd(tmp_path, port=port)
        server.words = ["-n", "--pidfile", f"{tmp_path}/twistd.pid", "txdns", "--config", str(path), "--control", ""]

        def isDenied(name: str) -> bool:
            query = dns.message.make_query(name, "A")
            with suppress(dns.exception.Timeout):
                return dns.query.udp(query, "127.0.0.1", REPLY, port).rcode() == dns.rcode.NXDOMAIN
            return False

        with server:
            wait(lambda: isDenied("n7.example") and isDenied("x.n8.example"), server)
            assert not isDenied("new.example")
            update = dns.update.UpdateMessage("rpz.test")
            for name in ("new.example", "*.new.example"):
                update.add(name, 60, "CNAME", ".")
            update.delete("n7.example")
            assert dns.query.tcp(update, "127.0.0.1", 5, peer.port).rcode() == 0
            wait(lambda: isDenied("x.new.example") and isDenied("new.example") and not isDenied("n7.example"), server)
            assert isDenied("x.n7.example") and isDenied("n8.example")
            assert server.process is not None
            os.killpg(server.process.pid, signal.SIGKILL)
        with server:
            wait(lambda: isDenied("x.new.example") and not isDenied("n7.example"), server)
            # A feed that shrinks at once is held: its rules stay.
            update = dns.update.UpdateMessage("rpz.test")
            for number in range(10, _RULES):
                update.delete(f"n{number}.example")
                update.delete(f"*.n{number}.example")
            assert dns.query.tcp(update, "127.0.0.1", 5, peer.port).rcode() == 0
            wait(lambda: "zone accept rpz.test..policy-zones" in server.text(), server)
            assert isDenied("n200.example") and isDenied("x.new.example")
