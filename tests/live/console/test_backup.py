"""
Live tests of backups that the console makes.
"""

from __future__ import annotations

import io
import sqlite3
import subprocess
import tarfile
from functools import partial
from pathlib import Path

from tests.live.console.test_console import Browser, Console
from tests.live.console.test_settings import blocked, consoleAt, press
from tests.live.twistds import Twistd, addresses, wait
from tests.live.zones.test_updates import ask
from tests.peers import peer
from twisted_ext.wire.rrtypes import DNSKEY, A


def membersOf(octets: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(octets)) as archive:
        members = archive.getmembers()
        assert {(each.isfile(), each.mode) for each in members} == {(True, 0o600)}
        files = [(each.name, archive.extractfile(each)) for each in members]
        return {name: file.read() for name, file in files if file is not None}


def gives(console: Console, name: str, address: str) -> bool:
    return addresses(ask(console.server, name, A)) == [address]


def isSigned(console: Console, name: str) -> bool:
    return any(rrset.rrType == DNSKEY for rrset in ask(console.server, name, DNSKEY).answer)


def test_backup(tmp_path: Path) -> None:
    """
    A backup, unpacked into an empty folder, is a server that answers the same: zones that were changed or added here, names that were
    blocked, lists. Secrets are in it if that is wanted.
    """
    (tmp_path / "first").mkdir()
    signed = "@ 60 SOA ns1 hostmaster 1 36000 3600 604800 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n"
    tables = ""
    updated = 'sign = "default"\nupdate = ["address 127.0.0.1 zone"]\n'
    for name, more in (("all.example", ""), ("own.example", 'sign = "default"\n'), ("changed.example", updated)):
        (tmp_path / name).write_text(signed)
        tables += f'[[zone]]\nname = "{name}"\nfile = "{tmp_path}/{name}"\n{more}'
    tables += f'[[policy-zone]]\nname = "feed"\nfile = "{tmp_path}/feed.zone"\n'
    (tmp_path / "feed.zone").write_text("@ 60 SOA ns1 hostmaster 1 36000 3600 604800 60\n@ 60 NS ns1\nruled.example 60 CNAME .\n")
    own = f'policy-zones = ["feed"]\ncontrol = "{tmp_path}/control"\n'
    own += f'block-list = ["{tmp_path}/more.txt"]\nroot-hints = ""\nsign = "default"\n'
    console = consoleAt(tmp_path / "first", own, tables)
    ended = False
    try:
        (tmp_path / "more.txt").write_text("more.example\n")
        browser = Browser(console)
        browser.get("/blocking")
        press(browser, "Block", name="one.example", view="children")
        press(browser, "Block", name="two.example", view="")
        browser.get("/zones")
        assert browser.post("/zones", name="new.example") == 303
        for zone, owner in (("new.example", "www"), ("example.org", "www2")):
            browser.get(f"/zones/{zone}/edit")
            fields = {"name": owner, "type": "A", "ttl": "60", "data": "192.0.2.7", "etag": browser.field("etag")}
            assert browser.post(f"/zones/{zone}/edit", action="apply", **fields) == 303
        text = f"server 127.0.0.1 {console.server.port}\nzone changed.example\nupdate add www.changed.example 60 A 192.0.2.7\nsend\n"
        subprocess.run([peer("nsupdate"), "-v"], input=text, text=True, check=True)
        guest = Browser(console, "guest")
        guest.get("/zones")
        assert guest.post("/backup") == 403
        browser.get("/settings")
        plain = membersOf(browser.download("/backup"))
        assert not [name for name in plain if name.startswith(("secrets", "state/signing"))]
        assert b"console-users" in plain["README"]
        assert b"argon2" not in b"".join(plain.values())
        withoutKeys = plain
        browser.get("/settings")
        members = membersOf(browser.download("/backup", keys="1"))
        assert b"argon2id" in members["secrets/users"]
        # Of what is signed here, by its own settings or by those of all zones, its file.
        assert [members[f"zones/{name}"].decode() for name in ("all.example", "own.example")] == [signed] * 2
        # What clients may change is in force, and is signed again where it is put.
        lines = [line.split() for line in members["zones/changed.example"].decode().splitlines()]
        assert any(line[-2:] == ["A", "192.0.2.7"] for line in lines)
        assert not [line for line in lines if {"RRSIG", "NSEC", "DNSKEY"} & {*line}]
        assert members["files/ads.txt"] == b"ads.example.net\n"
        # Of the hooks of all views each file once.
        assert [name for name in members if name.startswith("hooks/")] == ["hooks/shop.py"]
        console.twistd.stop()
        ended = True
        (tmp_path / "first").rename(tmp_path / "gone")
        second, third = tmp_path / "second", tmp_path / "third"
        for folder, found in ((second, members), (third, withoutKeys)):
            for name, content in found.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o600)
        # Without secrets it starts as well, with what does not need them.
        settings = (third / "settings.toml").read_text()
        assert "control = " not in settings
        assert '\n# console = "127.0.0.1:' in settings and "\n# console-users = " in settings
        with Twistd(third, "--config", str(third / "settings.toml"), port=console.server.port) as server:
            wait(lambda: blocked(console, "two.example"), server)
            wait(partial(gives, console, "www.new.example", "192.0.2.7"), server)
        database = sqlite3.connect(second / "state" / "added.sqlite")
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.close()
        with Twistd(second, "--config", str(second / "settings.toml"), port=console.server.port) as server:
            wait(lambda: blocked(console, "two.example"), server)
            wait(lambda: blocked(console, "ads.example.net"), server)
            wait(lambda: blocked(console, "more.example"), server)
            wait(lambda: blocked(console, "ruled.example"), server)
            wait(partial(gives, console, "www.shop.example.net", "203.0.113.80"), server)
            for name in ("www.new.example", "www2.example.org", "www.changed.example"):
                wait(partial(gives, console, name, "192.0.2.7"), server)
            for name in ("all.example", "own.example", "changed.example"):
                wait(partial(isSigned, console, name), server)
            again = Browser(console)
            assert again.get("/blocking?name=one.example&client=127.0.0.9") == 200
            assert "one.example is blocked" in again.page
            assert "Traceback" not in server.text()
    finally:
        if not ended:
            console.twistd.stop()
