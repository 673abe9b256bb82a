"""
Calls C{getaddrinfo} of the C library on a machine whose C{resolv.conf} names C{twistd txdns}, and prints what it finds as JSON::

    unshare --user --map-root-user --net --mount python -m tests.live.lookups.disorder FOLDER

NSD serves a signed zone at one address and the zone of an office at another. A relay in front of the first puts the records of each answer
in the opposite order.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

from tests.live.servers.resolving import ECDSA, RESOLVER, authority, signed, waitFor, zoneOf
from tests.live.twistds import twistd
from tests.patience import PATIENCE
from tests.peers import peer
from twisted_ext.testing.internet.seededsigner import SigningKey
from twisted_ext.wire.builder import buildMessage
from twisted_ext.wire.message import Message
from twisted_ext.wire.names import ROOT
from twisted_ext.wire.rdata.registry import rdataToText
from twisted_ext.wire.rrtypes import DS

__all__ = ["main"]

_ZONE: Final = "198.51.100.1"
_OFFICE: Final = "198.51.100.2"
_RELAY: Final = "198.51.100.3"

#: A chain in one zone, and an alias of the office, whose server knows nothing of the target.
NAMES: Final = ("www.public.example", "www.corp.example")

_RECORDS: Final = (
    "www.public.example. 300 CNAME b.public.example.",
    "b.public.example. 300 CNAME c.public.example.",
    "c.public.example. 300 A 192.0.2.80",
    "cdn.public.example. 300 A 192.0.2.81",
    "corp.example. 300 NS ns.corp.example.",
    f"ns.corp.example. 300 A {_OFFICE}",
)

_CALL: Final = """
import json, socket, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = [where[0] for *_, where in socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)]
    except socket.gaierror as error:
        found[name] = error.strerror
print(json.dumps(found))
"""


def _reversed(octets: bytes) -> bytes:
    reply = Message.fromWire(octets)
    sections = reply.answer[::-1], reply.authority, reply.additional
    return buildMessage(Message(reply.id, reply.flags, reply.questions, *sections, edns=reply.edns), 65535)


def _relayDatagrams() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as here, socket.socket(type=socket.SOCK_DGRAM) as there:
        here.bind((_RELAY, 53))
        there.settimeout(PATIENCE)
        there.connect((_ZONE, 53))
        while True:
            query, client = here.recvfrom(65535)
            there.send(query)
            here.sendto(_reversed(there.recv(65535)), client)


def _received(stream: socket.socket) -> bytes:
    size = int.from_bytes(stream.recv(2, socket.MSG_WAITALL), "big")
    return stream.recv(size, socket.MSG_WAITALL) if size else b""


def _relayStreams() -> None:
    with socket.socket() as here:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        here.bind((_RELAY, 53))
        here.listen()
        while True:
            client, _ = here.accept()
            with client, socket.create_connection((_ZONE, 53)) as there:
                while query := _received(client):
                    there.sendall(len(query).to_bytes(2, "big") + query)
                    reply = _reversed(_received(there))
                    client.sendall(len(reply).to_bytes(2, "big") + reply)


def _called(folder: Path, *options: str) -> object:
    """
    Return what the C library finds with these options of C{resolv.conf}; the first line names the server.
    """
    (folder / "resolv.conf").write_text("".join([f"{line}\n" for line in options]))
    done = subprocess.run([sys.executable, "-c", _CALL, *NAMES], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def main(folder: Path) -> None:
    for words in (["link", "set", "lo", "up"], *[["address", "add", f"{each}/32", "dev", "lo"] for each in (_ZONE, _OFFICE, _RELAY)]):
        subprocess.run([str(peer("ip")), *words], check=True)
    (folder / "resolv.conf").write_text(f"nameserver {RESOLVER}\n")
    subprocess.run(["mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf"], check=True)
    key = SigningKey.generate(ECDSA, ".")
    (folder / "hints").write_text(f". 3600 NS ns.\nns. 3600 A {_RELAY}\n")
    (folder / "anchor").write_text(f". 3600 IN DS {rdataToText(DS, key.ds(ROOT))}\n")
    running = [
        authority(folder, _ZONE, {".": signed(zoneOf(".", _RELAY, *_RECORDS), ".", key)}),
        authority(folder, _OFFICE, {"corp.example.": zoneOf("corp.example.", _OFFICE, "www.corp.example. 300 CNAME cdn.public.example.")}),
    ]
    roles = {
        "forward": ["forward", "--upstream", f"udp:{_RELAY}"],
        "forward, validating": ["forward", "--upstream", f"validate:(udp:{_RELAY}):anchor={folder / 'anchor'}"],
        "recurse": ["recurse", "--root-hints", str(folder / "hints"), "--no-validate"],
        "recurse, validating": ["recurse", "--root-hints", str(folder / "hints"), "--trust-anchor", str(folder / "anchor")],
    }
    found: dict[str, object] = {}
    try:
        waitFor(".", _ZONE)
        waitFor("corp.example", _OFFICE)
        for relay in (_relayDatagrams, _relayStreams):
            threading.Thread(target=relay, daemon=True).start()
        found["relay"] = _called(folder, f"nameserver {_RELAY}")
        for role, words in roles.items():
            words = [*words, "--route", f"corp.example=udp:{_OFFICE}", "--interface", RESOLVER, "--control", "", "--hosts-file", ""]
            with (folder / "log").open("ab") as log:
                command = twistd("-n", "--pidfile", str(folder / "pid"), "txdns", *words)
                with subprocess.Popen(command, stdout=log, stderr=log) as server:
                    try:
                        waitFor("localhost", RESOLVER, server)
                        for way, options in {"UDP": (), "TCP": ("options use-vc",)}.items():
                            found[f"{role}, {way}"] = _called(folder, f"nameserver {RESOLVER}", *options)
                    finally:
                        server.terminate()
        sys.stdout.write(json.dumps(found))
    finally:
        for process in running:
            process.terminate()
            process.wait(PATIENCE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
