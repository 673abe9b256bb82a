"""
The robot's main job: C{twistd txdns robot} in a channel of ngircd, asked for DNS by a client of another project, on an internet of signed
zones.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.live.lookups.internets import LiveInternet
from tests.live.robot.networks import Client, Ngircd
from tests.live.twistds import twistd

__all__: list[str] = []

_SETTINGS: Final = """
state = "state"
resolver = "recursive:hints={hints}:anchor={anchors}:loopback=yes:port={port}"

[[network]]
name = "one"
endpoint = "tcp:127.0.0.1:{irc}"
nick = "txbot"
channels = ["#dns"]
interval = 0

[access]
owners = ["one/alice!*@*"]

[plugin.dns]
hints = "{hints}"
allow = ["127.53.0.0/16"]
port = {port}

[plugin.watching]
allow = ["127.53.0.0/16"]
port = {port}
"""

#: Commands, and how lines of their replies begin.
_SAID: Final = (
    ("dig www.example.org", "www.example.org A: 1 record, secure (recursive 127.53.", "www.example.org. 3600 IN A 192.0.2.80"),
    ("trace www.example.org", "www.example.org A: answered, ", "www.example.org. 3600 IN A 192.0.2.80", ". NS: 127.53."),
    ("validate www.broken.org", "www.broken.org A (data): bogus", "Signature Expired: ", ". secure > org secure > broken.org secure"),
    ("reverse 192.0.2.80", "192.0.2.80: no such name"),
    ("propagation www.plain.org", "www.plain.org A: all 3 say the same", "192.0.2.81 (3: ns1.plain.org 127.53."),
    ("mx example.org", "MX: 10 mail.example.org", "SPF: none", "DMARC: none"),
    ("more", "DANE: none"),
    ("expiry example.org", "signatures expire from ", "no TLSA records at _443._tcp.example.org"),
    ("watch www.plain.org", "watching www.plain.org A: 192.0.2.81"),
    ("watch zone example.org", "watching example.org (zone): serial "),
    ("unwatch www.plain.org", "not watching www.plain.org A any more"),
    ("watches", "example.org (zone): serial "),
)


@contextmanager
def robot(folder: Path, internet: LiveInternet, server: Ngircd) -> Iterator[None]:
    """
    Run the robot.
    """
    settings = _SETTINGS.format(hints=internet.hints, anchors=internet.anchors, port=internet.port, irc=server.port)
    (folder / "robot.toml").write_text(settings, "utf-8")
    words = ["-n", "--pidfile=", "txdns", "robot", "--config", "robot.toml"]
    environment = {**os.environ, "XDG_CONFIG_HOME": str(folder / "none")}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(twistd(*words), cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def test_commandsAnswerInAChannel(tmp_path: Path) -> None:
    """
    Each DNS command is answered in the channel, with what is true of the zones.
    """
    with LiveInternet(tmp_path) as internet, Ngircd("one.example") as server:
        alice, eve = Client(server, "alice"), Client(server, "eve")
        for client in (alice, eve):
            client.join("#dns")
        with robot(tmp_path, internet, server):
            alice.awaits("join txbot #dns")
            for text, *said in _SAID:
                alice.says("#dns", f"!{text}")
                for each in said:
                    alice.awaits(f"txbot #dns {each}")
            eve.says("#dns", "!propagation www.plain.org")
            eve.awaits("txbot #dns propagation reaches out: only the owner may call it")
        for client in (alice, eve):
            client.leave()
