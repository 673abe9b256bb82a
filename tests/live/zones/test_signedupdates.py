"""
Live tests of updates of a zone that the server signs: by nsupdate, over kills and touched keys, verified by programs of others.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.test_api import Api, change
from tests.peers import peer
from twisted_ext.zone.sign.policy import DENIALS

_ZONE: Final = "$TTL 300\n@ SOA ns hostmaster 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nsub NS ns.sub\nns.sub A 192.0.2.3\n"

_SETTINGS: Final = """
state = "{folder}/state"

[[zone]]
name = "example.org"
file = "{folder}/zone"
sign = "tried"
allow-transfer = ["127.0.0.1"]
update = ["address 127.0.0.1 zone ANY"]

[[signing-policy]]
name = "tried"
denial = "{denial}"
"""

#: Updates between two kills, and kills.
_UPDATES: Final = 40
_KILLS: Final = 5


class Changes:
    """
    Random changes, and what has to be there after those that were acknowledged.
    """

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.names: dict[str, str] = {}

    def one(self, port: int) -> bool:
        """
        Make a change; return whether it was acknowledged.
        """
        dice = self._dice
        name = ".".join([dice.choice("abcdefgh*") for _ in range(dice.randint(1, 3))])
        kind = dice.random()
        lines = [f"update delete {name}.example.org."]
        made = ""
        if kind < 0.6 or (kind < 0.8 and name.startswith("*")):
            made = f"{name}.example.org. 300 A 192.0.2.{dice.randint(1, 250)}"
        elif kind < 0.7:
            made = f"{name}.example.org. 300 NS ns.example.org."
        elif kind < 0.8:
            made = f"{name}.example.org. 300 DNAME example.com."
        if made:
            lines.append(f"update add {made}")
        text = "\n".join([f"server 127.0.0.1 {port}", "zone example.org", *lines, "send", ""])
        done = subprocess.run([peer("nsupdate"), "-v"], input=text, text=True, capture_output=True, timeout=60)
        if done.returncode == 0:
            self.names.pop(name, None)
            if made:
                self.names[name] = made
        return done.returncode == 0


def verified(port: int, folder: Path) -> list[str]:
    """
    Transfer the zone, have programs of others verify it, and return its records.
    """
    words = [str(peer("dig")), "@127.0.0.1", "-p", str(port), "+noall", "+answer", "+onesoa", "example.org", "AXFR"]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    path = folder / "transferred"
    path.write_text(text)
    for command in (["ldns-verify-zone"], ["dnssec-verify", "-q", "-x", "-z", "-o", "example.org"]):
        done = subprocess.run([peer(command[0]), *command[1:], str(path)], capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.parametrize("denial", DENIALS)
def test_updatesOverKills(tmp_path: Path, denial: str) -> None:
    """
    What was acknowledged is there after each kill, and after another key, and each version that is transferred is signed as programs of
    others want it.
    """
    (tmp_path / "zone").write_text(_ZONE)
    (tmp_path / "settings.toml").write_text(_SETTINGS.format(folder=tmp_path, denial=denial))
    changes = Changes(7)
    server = Twistd(tmp_path, "--config", "settings.toml")
    for round in range(_KILLS + 1):
        with server:
            wait(lambda: server.gives("ns.example.org", ["192.0.2.1"]), server)
            found = verified(server.port, tmp_path)
            for name, line in changes.names.items():
                owner, ttl, *rest = line.split()
                assert f"{owner} {ttl} IN {' '.join(rest)}" in found, (name, line)
            if round % 2:
                os.utime(tmp_path / "state" / "signing" / "example.org.")
            done = [changes.one(server.port) for _ in range(_UPDATES)]
            assert any(done), server.text()
            os.kill(server.pid, signal.SIGKILL)
    with server:
        wait(lambda: server.gives("ns.example.org", ["192.0.2.1"]), server)
        serial = next(line for line in verified(server.port, tmp_path) if " SOA " in line).split()[6]
        assert int(serial) > _UPDATES
        # No process with the keys is left by those that were killed.
        assert "Traceback" not in server.text()


def test_otherDoors(tmp_path: Path) -> None:
    """
    The API reads and changes the zone as if it was not signed, and refuses what the signer makes.
    """
    api = Api(tmp_path, isSigned=True)
    api.begin()
    zone = "/api/v1/servers/localhost/zones/example.org."
    try:
        assert api.patch(change("new.example.org.", "A", "REPLACE", "192.0.2.9"), change("www.example.org.", "A", "DELETE"))[0] == 204
        code, shown, _ = api.ask("GET", zone)
        assert (code, shown["dnssec"], {rrset["type"] for rrset in shown["rrsets"]}) == (200, True, {"SOA", "NS", "A"})
        assert {rrset["name"] for rrset in shown["rrsets"]} == {"example.org.", "ns1.example.org.", "new.example.org."}
        exported = api.ask("GET", f"{zone}/export")[1]
        assert {line.split()[3] for line in exported.splitlines()} == {"SOA", "NS", "A"}
        matches = api.ask("GET", "/api/v1/servers/localhost/search-data?q=*example.org*&object_type=record&max=1000")[1]
        assert {each["type"] for each in matches} == {"SOA", "NS", "A"}
        code, said = api.patch(change("new.example.org.", "NSEC", "REPLACE", "example.org. A"))
        assert (code, "the server that signs this zone makes these records" in said["error"]) == (422, True)
        given = {"ttl": 60, "data": ["257 3 13 AAAA"]}
        assert api.ask("PUT", "/api/2/zones/example.org/rrsets/@/DNSKEY", given, If_Match="*")[0] == 412
        code, said, _ = api.ask("PUT", "/api/2/zones/example.org/rrsets/@/DNSKEY", given, If_None_Match="*")
        assert (code, "the server that signs this zone makes these records" in json.dumps(said)) == (422, True)
        assert "new.example.org. 60 IN A 192.0.2.9" in verified(api.server.port, tmp_path)
        with ThreadPoolExecutor(8) as pool:
            codes = set(pool.map(lambda n: api.patch(change(f"n{n % 50}.example.org.", "A", "REPLACE", f"192.0.2.{n}"))[0], range(200)))
        assert codes == {204}
        names = {line.split()[0] for line in verified(api.server.port, tmp_path)}
        assert {f"n{number}.example.org." for number in range(50)} <= names
        assert "Traceback" not in api.twistd.text()
    finally:
        api.twistd.stop()


def test_addedZones(tmp_path: Path) -> None:
    """
    A zone that the API adds is signed if it is said so, at once or later, with what is needed for the parent; changes of it are signed, and
    it stays signed over a kill. An import with signatures of others ends as what is ours.
    """
    api = Api(tmp_path)
    zones = "/api/v1/servers/localhost/zones"
    one, two = f"{zones}/one.example.", f"{zones}/two.example."
    body = {"kind": "Native", "nameservers": ["ns1.example.net."], "rrsets": [change("www.one.example.", "A", "REPLACE", "192.0.2.80")]}

    def verify(zone: str) -> None:
        path = tmp_path / "transferred"
        words = [str(peer("dig")), "@127.0.0.1", "-p", str(api.server.port), "+noall", "+answer", "+onesoa", zone, "AXFR"]
        path.write_text(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        done = subprocess.run([peer("ldns-verify-zone"), str(path)], capture_output=True, text=True)
        assert done.returncode == 0, (done.stdout, done.stderr, path.read_text())

    api.begin()
    try:
        code, made, _ = api.ask("POST", zones, {"name": "one.example.", "dnssec": True, **body})
        assert (code, made["dnssec"], {rrset["type"] for rrset in made["rrsets"]}) == (201, True, {"SOA", "NS", "A"})
        for zone in ("one", "two"):
            if zone == "two":
                assert api.ask("POST", zones, {"name": "two.example.", "kind": "Native", "nameservers": ["ns1.example.net."]})[0] == 201
                assert api.ask("PUT", f"{two}/rectify")[0] == 422
                assert api.ask("GET", f"{two}/cryptokeys")[1] == []
                assert api.ask("POST", f"{two}/cryptokeys", {"keytype": "csk", "active": True})[0] == 201
            assert api.ask("PUT", f"{zones}/{zone}.example./metadata/ALLOW-AXFR-FROM", {"metadata": ["127.0.0.1"]})[0] == 200
            verify(f"{zone}.example")
            (key,) = api.ask("GET", f"{zones}/{zone}.example./cryptokeys")[1]
            assert (key["keytype"], key["algorithm"], key["bits"], key["active"]) == ("csk", "ECDSAP256SHA256", 256, True)
            assert [each.split()[:3] for each in key["ds"]] == [[str(key["id"]), "13", digest] for digest in ("2", "4")]
            assert api.ask("PUT", f"{zones}/{zone}.example./rectify")[0] == 200
        number = key["id"]
        assert api.ask("PUT", f"{two}/cryptokeys/{number}", {"active": True})[0] == 204
        code, said, _ = api.ask("PUT", f"{two}/cryptokeys/{number}", {"active": False})
        assert (code, "keeps them by its signing policy" in said["error"]) == (422, True)
        for token in ("reads", "acme"):
            for method, path in (("POST", ""), ("PUT", f"/{number}"), ("DELETE", f"/{number}")):
                assert api.ask(method, f"{two}/cryptokeys{path}", {"keytype": "csk", "active": True}, token=token)[0] in (403, 404)
        assert api.ask("DELETE", f"{two}/cryptokeys/{number}")[0] == 204
        assert (api.ask("GET", two)[1]["dnssec"], api.ask("GET", f"{two}/cryptokeys")[1]) == (False, [])
        for number in range(20):
            assert api.patch(change(f"n{number}.one.example.", "A", "REPLACE", "192.0.2.9"), zone="one.example.")[0] == 204
        verify("one.example")
        sets = api.ask("GET", one)[1]["rrsets"]
        rrsig = "A 13 3 60 20361231000000 20260101000000 1 one.example. AAAA"
        imported = [*sets, {"name": "www.one.example.", "type": "RRSIG", "ttl": 60, "records": [{"content": rrsig, "disabled": False}]}]
        assert api.ask("PUT", one, {"rrsets": imported})[0] == 204
        assert {rrset["type"] for rrset in api.ask("GET", one)[1]["rrsets"]} == {"SOA", "NS", "A"}
        verify("one.example")
        os.kill(api.twistd.pid, signal.SIGKILL)
        api.twistd.stop()
        api.twistd = Twistd(tmp_path, "--config", str(tmp_path / "settings.toml"), port=api.server.port)
        api.begin()
        wait(lambda: len(api.ask("GET", one)[1].get("rrsets", ())) == 23, api.twistd)
        verify("one.example")
        assert api.patch(change("late.one.example.", "A", "REPLACE", "192.0.2.9"), zone="one.example.")[0] == 204
        verify("one.example")
        assert api.ask("PUT", one, {"dnssec": False})[0] == 204
        assert (api.ask("GET", one)[1]["dnssec"], api.ask("GET", f"{one}/cryptokeys")[1]) == (False, [])
        assert api.patch(change("later.one.example.", "A", "REPLACE", "192.0.2.9"), zone="one.example.")[0] == 204
        assert api.ask("DELETE", two)[0] == 204
        (removed,) = (tmp_path / "state" / "removed").glob("two.example*")
        assert "RRSIG" not in removed.read_text()
        assert "Traceback" not in api.twistd.text()
    finally:
        api.twistd.stop()


def test_withWorkers(tmp_path: Path) -> None:
    """
    Each worker answers from the signed zone that clients change, of a file and of the server's own database.
    """
    api = Api(tmp_path, isSigned=True)
    settings = tmp_path / "settings.toml"
    settings.write_text(f"workers = 2\n{settings.read_text()}")
    api.begin()

    def signed(name: str, address: str) -> bool:
        words = [str(peer("dig")), "@127.0.0.1", "-p", str(api.server.port), "+short", "+dnssec", "+time=2", "+tries=1", name, "A"]
        replies = [subprocess.run(words, capture_output=True, text=True).stdout.splitlines() for _ in range(8)]
        return all(reply[:1] == [address] and len(reply) == 2 and reply[1].startswith("A 13 ") for reply in replies)

    try:
        body = {"name": "one.example.", "dnssec": True, "kind": "Native", "nameservers": ["ns1.example.net."]}
        assert api.ask("POST", "/api/v1/servers/localhost/zones", body)[0] == 201
        for number in range(10):
            for zone in ("one.example.", "example.org."):
                assert api.patch(change(f"www.{zone}", "A", "REPLACE", f"192.0.2.{number}"), zone=zone)[0] == 204
        for zone in ("one.example.", "example.org."):
            wait(partial(signed, f"www.{zone}", "192.0.2.9"), api.twistd)
        assert "Traceback" not in api.twistd.text()
    finally:
        api.twistd.stop()


def count(pid: int, secret: bytes) -> int:
    """
    Return how often the memory of a process has a secret: as a number with either end first, or as in its file.
    """
    found = 0
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            area, rights = line.split()[:2]
            if "r" in rights and "[v" not in line:
                begin, end = [int(each, 16) for each in area.split("-")]
                with suppress(OSError):
                    memory.seek(begin)
                    octets = memory.read(end - begin)
                    found += sum(map(octets.count, (secret, secret[::-1], b64encode(secret))))
    return found


def test_noOtherProcessHasKeys(tmp_path: Path) -> None:
    """
    While a zone is signed and changed, the secret of its key is in the memory of the process that signs, and in that of no other.
    """
    (tmp_path / "zone").write_text(_ZONE)
    (tmp_path / "settings.toml").write_text(_SETTINGS.format(folder=tmp_path, denial="nsec"))
    with Twistd(tmp_path, "--config", "settings.toml", "--workers", "2") as server:
        wait(lambda: server.gives("ns.example.org", ["192.0.2.1"]), server)
        changes = Changes(1)
        wait(lambda: changes.one(server.port), server)
        (path,) = (tmp_path / "state" / "signing").glob("*/*.private")
        secret = b64decode(path.read_text().partition("PrivateKey: ")[2].split()[0])
        below = [int(each) for each in subprocess.run(["pgrep", "-P", str(server.pid)], capture_output=True, text=True).stdout.split()]
        words = {pid: Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in (server.pid, *below)}
        # The one that signs whole zones may not have ended yet.
        words = {pid: each for pid, each in words.items() if b"twisted_ext.zone.build.compiler" not in each}
        try:
            counts = {pid: count(pid, secret) for pid in words}
        except PermissionError:
            pytest.skip("this system lets nobody read the memory of another process")
        signing = [pid for pid in words if b"twisted_ext.zone.sign.child" in words[pid]]
        assert len(signing) == 1 and len(words) >= 4
        assert [pid for pid in counts if counts[pid]] == signing, (counts, words)
