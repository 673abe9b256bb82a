"""
Live tests of updates that are sent to a secondary: ours and BIND's C{named} with a primary of BIND, and clients of BIND and Knot.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.live.twistds import Twistd, addresses, exchange, wait
from tests.patience import PATIENCE
from tests.peers import LivePeer, bind, peer

_ZONE = "$TTL 300\n@ SOA ns1 hostmaster 10 2 1 86400 300\n@ NS ns1\nns1 A 192.0.2.1\nmail A 192.0.2.3\n"
_SECRET = "c2VjcmV0IG9mIHRoZSBrZXkgZm9yIGRoY3A="
_KEY = f"hmac-sha256:dhcp {_SECRET}"
_WRONG = "hmac-sha256:dhcp d3Jvbmcgc2VjcmV0IG9mIGFsbCBvZiB0aGVt"
_STRANGE = "hmac-sha256:strange c3RyYW5nZXIgc2VjcmV0IG9mIHRoZW0="

#: Keys, statements, and what clients of the primary itself get.
_CASES = (
    (_KEY, "update add new{number}.example.org. 60 A 192.0.2.9"),
    (_KEY, "prereq yxdomain nothing.example.org.\nupdate add never.example.org. 60 A 192.0.2.9"),
    (_KEY, "prereq nxdomain mail.example.org.\nupdate add never.example.org. 60 A 192.0.2.9"),
    (_WRONG, "update add never.example.org. 60 A 192.0.2.9"),
    (_STRANGE, "update add never.example.org. 60 A 192.0.2.9"),
    ("", "update add never.example.org. 60 A 192.0.2.9"),
    (_KEY, "\n".join([f"update add many{{number}}.example.org. 60 TXT {each:0200d}" for each in range(30)])),
)


def _primary() -> LivePeer:
    """
    Return named with a zone that takes updates with a key.
    """
    peer = bind({"example.org": _ZONE}, zoneExtra="allow-update { key dhcp; }; ")
    configure = peer._configure
    peer._configure = lambda server: f'{configure(server)}\nkey "dhcp" {{ algorithm hmac-sha256; secret "{_SECRET}"; }};\n'
    return peer


def _secondary(primary: LivePeer) -> LivePeer:
    """
    Return named as a secondary of it, which does not have the key.
    """
    found = bind()
    configure = found._configure
    zone = (
        'zone "example.org" {{ type secondary; file "{0}/copy"; primaries {{ 127.0.0.1 port {1}; }}; '
        "allow-update-forwarding {{ any; }}; }};\n"
    )
    found._configure = lambda server: configure(server) + zone.format(server.folder, primary.port)
    return found


def _settings(folder: Path, primary: LivePeer, *more: str) -> str:
    """
    Write the settings of our secondary; return their path.
    """
    path = folder / "settings.toml"
    lines = [
        'role = "serve"', f'state = "{folder}/state"', *more,
        "[[zone]]", 'name = "example.org"', f'primaries = ["127.0.0.1:{primary.port}"]', 'forward-updates = ["127.0.0.0/8"]',
    ]  # fmt: skip
    path.write_text("\n".join([*lines, ""]))
    return str(path)


def _update(program: str, port: int, key: str, statements: str, *words: str) -> tuple[bool, str]:
    """
    Send an update; return whether it was done, and what the program says of it.
    """
    head = f"server 127.0.0.1 {port}\nzone example.org\n" + (f"key {key}\n" if key else "")
    command, script = [str(peer(program)), *words], f"{head}{statements}\nsend\n"
    done = subprocess.run(command, input=script, capture_output=True, text=True, timeout=PATIENCE)
    # knsupdate shows the id of the message and its signature as well.
    said = [line for line in (done.stdout + done.stderr).splitlines() if "hmac-sha256" not in line]
    return done.returncode == 0, "\n".join([line.partition("; id:")[0].replace(str(port), "PORT") for line in said])


@pytest.mark.parametrize("workers", ["", "workers = 2"])
def test_asFromThePrimary(tmp_path: Path, workers: str) -> None:
    """
    Clients get what they get from the primary itself, over UDP and TCP, and what named as the secondary does is done; only the primary has
    the key.
    What they have changed reaches the secondary.
    """
    with _primary() as primary, _secondary(primary) as named, Twistd(tmp_path, "--config", _settings(tmp_path, primary, workers)) as ours:
        wait(lambda: all(addresses(exchange(port, "mail.example.org")) for port in (named.port, ours.port)), ours)
        number = 0
        for program in ("nsupdate", "knsupdate"):
            for words in ([], ["-v"]):
                # nsupdate sends large updates over TCP in any case; over UDP a server need not take more than its EDNS size.
                for key, statements in _CASES if words or program == "nsupdate" else _CASES[:-1]:
                    found: list[tuple[bool, str]] = []
                    for port in (primary.port, named.port, ours.port):
                        number += 1
                        found.append(_update(program, port, key, statements.format(number=number), *words))
                    # named says SERVFAIL if the primary says that the signature is wrong.
                    assert found[0] == found[2] and found[0][0] == found[1][0], (program, words, key, statements, found)
        wait(lambda: all(ours.ask(f"new{each}.example.org") == ["192.0.2.9"] for each in (1, 2, 3)), ours)
        assert not ours.ask("never.example.org")
