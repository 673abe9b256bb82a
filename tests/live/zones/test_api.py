"""
Live tests of the HTTP API: by what clients of PowerDNS send.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.test_updates import ROOT, ServerAddress, ask, found, run, serialOf
from tests.peers import freePort, peer
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, A

_ZONE = "/localhost/zones/example.org."

ZONE = """
@ 3600 SOA ns1 hostmaster 10 10800 3600 604800 3600
@ 3600 NS ns1
ns1 300 A 192.0.2.1
www 300 A 192.0.2.80
"""


_SIGNED = 'sign = "default"\nallow-transfer = ["127.0.0.1"]'


class Api:
    """
    A server with the API, and a client of it.

    @ivar secrets: by the names of tokens.
    """

    def __init__(self, folder: Path, isSigned: bool = False) -> None:
        self.folder = folder
        self.port = freePort("127.0.0.1")
        self.server = ServerAddress(folder)
        self.secrets: dict[str, str] = {}
        for name, words in {
            "all": ["--scope", "zones"],
            "reads": [],
            "boss": ["--scope", "admin"],
            "acme": ["--scope", "zones", "--only", "name _acme-challenge.example.org TXT"],
        }.items():
            command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "api", "token", name, *words]
            made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
            with (folder / "tokens").open("a") as file:
                file.write(made.stdout)
            self.secrets[name] = made.stderr.split()[-1]
        (folder / "tokens").chmod(0o600)
        for name in ("example.org", "fixed.example"):
            (folder / name).write_text(ZONE)
        (folder / "settings.toml").write_text(
            f"""
role = "serve"
state = "{folder}/state"
api = "127.0.0.1:{self.port}"
api-tokens = "{folder}/tokens"
[[zone]]
name = "example.org"
file = "{folder}/example.org"
edit = ["api"]
update = ["address 127.0.0.0/8 zone ANY"]
{_SIGNED if isSigned else ""}
[[zone]]
name = "fixed.example"
file = "{folder}/fixed.example"
"""
        )
        self.twistd = Twistd(folder, "--config", str(folder / "settings.toml"), port=self.server.port)

    def begin(self) -> None:
        self.twistd.__enter__()
        wait(lambda: ask(self.server, "example.org", SOA).rcode == Rcode.NOERROR, self.twistd)

    def ask(self, method: str, path: str, body: object = None, token: str = "all", **headers: str) -> tuple[int, Any, dict[str, str]]:
        """
        Return the status, the body and the headers of a reply.
        """
        return _askAt(self.port, method, path, body, self.secrets.get(token, token), **headers)

    def patch(self, *rrsets: dict[str, object], zone: str = "example.org.", token: str = "all", **headers: str) -> tuple[int, Any]:
        code, body, _ = self.ask("PATCH", f"/api/v1/servers/localhost/zones/{zone}", {"rrsets": rrsets}, token, **headers)
        return code, body


def _askAt(port: int, method: str, path: str, body: object, secret: str, **headers: str) -> tuple[int, Any, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        octets = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, octets, {"X-API-Key": secret, **given} if secret else given)
        reply = connection.getresponse()
        text = reply.read()
        kind = reply.headers.get("content-type", "")
        told = {name.lower(): value for name, value in reply.headers.items()}
        return reply.status, json.loads(text) if kind == "application/json" else text.decode(), told
    finally:
        connection.close()


def _alias(name: str, target: str) -> dict[str, object]:
    return change(name, "CNAME", "REPLACE", target)


def _terraform(name: str, content: str) -> dict[str, object]:
    records = [{"content": content, "disabled": False, "name": name, "type": "A", "ttl": 0, "set-ptr": False}]
    return {"name": name, "type": "A", "changetype": "REPLACE", "ttl": 60, "records": records}


def change(name: str, kind: str, how: str, *contents: str, ttl: int = 60) -> dict[str, object]:
    records = [{"content": content, "disabled": False} for content in contents]
    return {"name": name, "type": kind, "changetype": how, "ttl": ttl, "records": records}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    made.begin()
    yield made
    made.twistd.stop()


def test_recordsByPowerDNSClients(api: Api) -> None:
    """
    A client of PowerDNS finds the server and its zones, changes records, and sees them; so do DNS clients, at once, and after a crash.
    """
    zones = "/api/v1/servers/localhost/zones"
    assert api.ask("GET", "/api")[1] == [{"version": 1, "url": "/api/v1"}]
    assert api.ask("GET", "/api/v1/servers/localhost")[1]["daemon_type"] == "authoritative"
    assert {zone["name"] for zone in api.ask("GET", zones)[1]} == {"example.org.", "fixed.example."}
    assert [zone["serial"] for zone in api.ask("GET", f"{zones}?zone=example.org")[1]] == [10]
    assert api.ask("GET", f"{zones}/example.net.")[0] == 404
    changes = change("new.example.org.", "A", "REPLACE", "192.0.2.7", "192.0.2.8"), change("www.example.org.", "A", "DELETE")
    assert api.patch(*changes) == (204, "")
    assert found(api.server, "new.example.org", A) == {"192.0.2.7", "192.0.2.8"}
    assert ask(api.server, "www.example.org", A).rcode == Rcode.NXDOMAIN
    code, body, headers = api.ask("GET", f"{zones}/example.org")
    sets = {(each["name"], each["type"]): each for each in body["rrsets"]}
    assert sets["new.example.org.", "A"] == {
        "name": "new.example.org.",
        "type": "A",
        "ttl": 60,
        "records": [{"content": "192.0.2.7", "disabled": False}, {"content": "192.0.2.8", "disabled": False}],
        "comments": [],
    }
    assert (code, body["serial"], len(sets)) == (200, 11, 4)
    assert api.patch(change("new.example.org.", "A", "PRUNE", "192.0.2.7"), change("new.example.org.", "TXT", "EXTEND", '"a b"'))[0] == 204
    assert api.patch(change("late.example.org.", "A", "REPLACE", "192.0.2.9"), If_Match=headers["etag"])[0] == 412
    code, text, _ = api.ask("GET", f"{zones}/example.org./export")
    assert "new.example.org.\t60\tIN\tA\t192.0.2.8" in text.splitlines()
    assert api.ask("PUT", f"{zones}/example.org/notify")[:2] == (200, {"result": "Notification queued"})
    process = api.twistd.process
    assert process is not None
    # It is written by a thread, a moment after the reply.
    log = api.folder / "state" / "audit.jsonl"
    wait(lambda: len(log.read_text().splitlines()) == 4)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with Twistd(api.folder, "--config", str(api.folder / "settings.toml"), port=api.server.port) as twistd:
        wait(lambda: ask(api.server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
        assert (serialOf(api.server), found(api.server, "new.example.org", A)) == (12, {"192.0.2.8"})
    audit = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(each["token"], each["status"], each.get("serial")) for each in audit] == [
        *(("all", 204, 11), ("all", 204, 12), ("all", 412, None), ("all", 200, None)),
    ]
    assert not any(secret in json.dumps(audit) for secret in api.secrets.values())



_COMMENTED = "/localhost/zones/added.example."
_ADDED: dict[str, object] = {"name": "added.example.", "kind": "Native", "nameservers": []}
_RECORDS = [{"content": "192.0.2.80", "disabled": False}]
_A_SET: dict[str, object] = {"name": "www.added.example.", "type": "A", "ttl": 60, "records": _RECORDS}
_ENABLED = {"content": "192.0.2.1", "disabled": None}
_MASTER_FILE = "@ 60 SOA a b 1 2 3 4 5\n@ 60 NS a\na 60 A 192.0.2.1"

#: What clients send, or attackers, in this order, with the status that PowerDNS gives to it.
CONTRACTS: list[tuple[int, str, str, object]] = [
    (200, "GET", "", None),
    (404, "GET", "/other", None),
    (405, "PATCH", "", None),
    (200, "GET", "/localhost", None),
    (405, "DELETE", "/localhost", None),
    (404, "GET", "/localhost/zones/example.net.", None),
    (404, "PATCH", "/localhost/zones/example.net.", {"rrsets": []}),
    # external-dns sends the whole zone, Terraform empty fields and records with more in them, dnscontrol null.
    (204, "PATCH", _ZONE, {"id": "example.org.", "kind": "Native", "rrsets": [change("e.example.org.", "TXT", "REPLACE", '"heritage=x"')]}),
    (204, "PATCH", _ZONE, {"id": "", "name": "", "rrsets": [_terraform("t.example.org.", "192.0.2.7")]}),
    (204, "PATCH", _ZONE, {"name": "", "nameservers": None, "rrsets": [change("d.example.org.", "A", "REPLACE", "192.0.2.7")]}),
    # lexicon and lego.
    (204, "PATCH", _ZONE, {"rrsets": [change("_acme-challenge.example.org.", "TXT", "REPLACE", '"token"', ttl=120)]}),
    (204, "PATCH", _ZONE, {"rrsets": [{"name": "_acme-challenge.example.org.", "type": "TXT", "changetype": "DELETE", "records": []}]}),
    (204, "PATCH", _ZONE, {"rrsets": [{"name": "gone.example.org.", "type": "A", "changetype": "DELETE"}]}),
    (204, "PATCH", _ZONE, {"rrsets": []}),
    # What is to make room for something else comes first, as octoDNS has it.
    (422, "PATCH", _ZONE, {"rrsets": [_alias("d.example.org.", "e.example.org."), change("d.example.org.", "A", "DELETE")]}),
    (204, "PATCH", _ZONE, {"rrsets": [change("d.example.org.", "A", "DELETE"), _alias("d.example.org.", "e.example.org.")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("d.example.org.", "A", "REPLACE", "192.0.2.1")]}),
    (422, "PATCH", _ZONE, {"rrsets": [_alias("e.example.org.", "d.example.org.")]}),
    (422, "PATCH", _ZONE, {}),
    (400, "PATCH", _ZONE, b"nothing"),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org", "A", "REPLACE", "192.0.2.1")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.net.", "A", "REPLACE", "192.0.2.1")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "A", "REPLACE", "192.0.2.1", "192.0.2.1")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "A", "REPLACE", "300.0.2.1")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "A", "REPLACE", "192.0.2.1\n192.0.2.2")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "TXT", "REPLACE", "two words")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "MX", "REPLACE", "10 mail")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "NONE", "REPLACE", "x")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "A", "CHANGE", "192.0.2.1")]}),
    (422, "PATCH", _ZONE, {"rrsets": [{"name": "a.example.org.", "type": "A", "ttl": 60, "records": [{"content": "192.0.2.1"}]}]}),
    (422, "PATCH", _ZONE, {"rrsets": [{**change("a.example.org.", "A", "REPLACE", "192.0.2.1"), "ttl": None}]}),
    (422, "PATCH", _ZONE, {"rrsets": 2 * [change("a.example.org.", "A", "REPLACE", "192.0.2.1")]}),
    # Numbers as text and with a fraction, null for a flag.
    (204, "PATCH", _ZONE, {"rrsets": [{**change("n.example.org.", "A", "REPLACE", "192.0.2.1"), "ttl": "60"}]}),
    (204, "PATCH", _ZONE, {"rrsets": [{**change("n.example.org.", "A", "REPLACE", "192.0.2.1"), "ttl": 60.0}]}),
    (204, "PATCH", _ZONE, {"rrsets": [{**_A_SET, "name": "n.example.org.", "changetype": "REPLACE", "records": [_ENABLED]}]}),
    # Records outside of the zone may be removed, of which there are none.
    (204, "PATCH", _ZONE, {"rrsets": [{"name": "a.example.net.", "type": "A", "changetype": "DELETE"}]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("example.org.", "DS", "REPLACE", f"1 13 2 {64 * '0'}")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "MX", "REPLACE", "10 mail@example.org.")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "CNAME", "REPLACE", "b.example.org.", "c.example.org.")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "A", "REPLACE", "")]}),
    (422, "PATCH", _ZONE, {"rrsets": [change("a.example.org.", "OPT", "REPLACE", "x")]}),
    (200, "GET", "/localhost/config", None),
    (200, "GET", f"{_ZONE}?rrset_name=ns1.example.org.&rrset_type=A", None),
    (200, "PUT", f"{_ZONE}/notify", None),
    (422, "PUT", f"{_ZONE}/axfr-retrieve", None),
    (200, "GET", f"{_ZONE}/export", None),
    (200, "GET", f"{_ZONE}?rrsets=false", None),
    # PowerDNS-Admin and dnscontrol.
    (200, "GET", f"{_ZONE}/cryptokeys", None),
    (404, "GET", "/localhost/zones/example.net./cryptokeys", None),
    (200, "GET", "/localhost/search-data?q=*example*&max=5", None),
    (422, "GET", "/localhost/search-data?q=", None),
    (422, "GET", "/localhost/search-data?q=a&max=0", None),
    (422, "GET", "/localhost/search-data?q=a&object_type=all-of-them", None),
    (200, "GET", "/localhost/statistics", None),
    (422, "GET", "/localhost/statistics?statistic=none", None),
    (200, "PUT", "/localhost/cache/flush?domain=example.org.", None),
    (422, "PUT", "/localhost/cache/flush?domain=example.org", None),
    # Zones: octoDNS and Terraform, which send more than has a meaning.
    (201, "POST", "/localhost/zones", {**_ADDED, "masters": [], "serial": 0, "soa_edit_api": "INCEPTION-INCREMENT", "rrsets": [_A_SET]}),
    (409, "POST", "/localhost/zones", _ADDED),
    (201, "POST", "/localhost/zones", {**_ADDED, "name": "t.example.", "dnsssec": False, "nameservers": ["ns1.example.net."]}),
    (201, "POST", "/localhost/zones", {**_ADDED, "name": "a/b.example."}),
    (200, "GET", "/localhost/zones/a=2Fb.example.", None),
    (201, "POST", "/localhost/zones", {"name": "text.example.", "kind": "Master", "zone": _MASTER_FILE}),
    (201, "POST", "/localhost/zones", {"name": "copy.example.", "kind": "Slave", "masters": ["127.0.0.2:1"]}),
    (200, "GET", "/localhost/zones/copy.example.", None),
    (200, "PUT", "/localhost/zones/copy.example./axfr-retrieve", None),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example"}),
    (422, "POST", "/localhost/zones", {"kind": "Native"}),
    (422, "POST", "/localhost/zones", {"name": "other.example."}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "a..example."}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "a:b.example."}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "nameservers": ["ns1.example"]}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "nameservers": [{"a": 1}]}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "nameservers": "ns1.example."}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "rrsets": [_A_SET]}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "rrsets": [], "zone": "@ 60 NS a"}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "zone": "no records"}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "other.example.", "kind": "Slave", "masters": ["nobody"]}),
    (422, "POST", "/localhost/zones", {**_ADDED, "name": "signed.example.", "dnssec": True, "nsec3param": "1 0 0 -"}),
    (400, "POST", "/localhost/zones", b"{"),
    (404, "GET", "/localhost/zones/other.example.", None),
    (204, "PATCH", _COMMENTED, {"rrsets": [{**_A_SET, "changetype": "REPLACE", "comments": [{"content": "mine", "account": "me"}]}]}),
    (204, "PATCH", _COMMENTED, {"rrsets": [{**_A_SET, "changetype": "REPLACE", "records": [{"content": "192.0.2.9", "disabled": True}]}]}),
    (204, "PATCH", _COMMENTED, {"rrsets": [{"name": "www.added.example.", "type": "A", "changetype": "REPLACE", "comments": []}]}),
    (422, "PATCH", _COMMENTED, {"rrsets": [{"name": "www.added.example.", "type": "A", "changetype": "REPLACE", "ttl": 60}]}),
    (422, "PATCH", _COMMENTED, {"rrsets": [{**_A_SET, "changetype": "REPLACE", "comments": [{"content": "mine"}]}]}),
    (204, "PATCH", _COMMENTED, {"rrsets": [{"name": "added.example.", "type": "NS", "changetype": "DELETE"}]}),
    (204, "PUT", _COMMENTED, {"kind": "Master", "masters": ["192.0.2.1"], "account": "me", "soa_edit_api": "EPOCH"}),
    (204, "PUT", _COMMENTED, {"api_rectify": True, "id": "", "name": "", "url": ""}),
    (404, "PUT", "/localhost/zones/other.example.", {"kind": "Native"}),
    # Metadata and keys: Terraform, PowerDNS-Admin.
    (200, "GET", f"{_COMMENTED}/metadata", None),
    (200, "PUT", f"{_COMMENTED}/metadata/ALLOW-AXFR-FROM", {"metadata": ["192.0.2.0/24"]}),
    (201, "POST", f"{_COMMENTED}/metadata", {"kind": "ALSO-NOTIFY", "metadata": ["192.0.2.1:5300"]}),
    (200, "GET", f"{_COMMENTED}/metadata/ALSO-NOTIFY", None),
    (200, "DELETE", f"{_COMMENTED}/metadata/ALSO-NOTIFY", None),
    (422, "PUT", f"{_COMMENTED}/metadata/NONSENSE", {"metadata": ["a"]}),
    (422, "GET", f"{_COMMENTED}/metadata/NONSENSE", None),
    (422, "PUT", f"{_COMMENTED}/metadata/NSEC3PARAM", {"metadata": ["1 0 1 ab"]}),
    (422, "PUT", f"{_COMMENTED}/metadata/X-A", {"metadata": "a"}),
    (422, "PUT", f"{_COMMENTED}/metadata/X-A", {"metadata": [1]}),
    (422, "POST", f"{_COMMENTED}/metadata", {"metadata": ["a"]}),
    (404, "GET", "/localhost/zones/other.example./metadata", None),
    (204, "DELETE", _COMMENTED, None),
    (404, "DELETE", _COMMENTED, None),
    (204, "DELETE", "/localhost/zones/copy.example.", None),
]


def test_contracts(api: Api) -> None:
    """
    Each request gets its status; in an error, the reason.
    """
    for code, method, path, body in CONTRACTS:
        said = api.ask(method, f"/api/v1/servers{path}", body)
        assert said[0] == code, (method, path, body, said)
        if code >= 400:
            assert said[2]["content-type"] == "application/json"
            assert said[1]["error"]
        assert said[2].get("cache-control") == "no-store"


def test_readersChangeNothing(api: Api) -> None:
    """
    Each request of these that would change something is refused to a token that may only read, and nothing has changed.
    """
    before = api.ask("GET", f"/api/v1/servers{_ZONE}")[1]
    tried = [(method, path, body) for code, method, path, body in CONTRACTS if code < 300 and method != "GET"]
    assert len({method for method, _, _ in tried}) >= 4
    for method, path, body in tried:
        # Those of zones that are not there yet say that.
        assert (api.ask(method, f"/api/v1/servers{path}", body, token="reads")[0] in (403, 404), method, path) == (True, method, path)
        if path.startswith(_ZONE) or path == "/localhost/zones":
            assert (api.ask(method, f"/api/v1/servers{path}", body, token="reads")[0], method, path) == (403, method, path)
    assert api.ask("GET", f"/api/v1/servers{_ZONE}")[1] == before
    # The keys of a signed zone are those that it publishes; this one is not signed.
    assert api.ask("GET", f"/api/v1/servers{_ZONE}/cryptokeys", token="reads")[:2] == (200, [])


def test_contractsAreThoseOfPowerDNS(tmp_path: Path) -> None:
    """
    C{pdns_server} gives the same statuses to these requests.
    """
    server, util = peer("pdns_server"), peer("pdnsutil")
    schema = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
    if not schema.exists():
        pytest.skip("pdns_server has no SQLite backend; on Debian: apt install pdns-backend-sqlite3")
    with closing(sqlite3.connect(tmp_path / "pdns.db")) as sql:
        sql.executescript(schema.read_text())
    port = freePort("127.0.0.1")
    (tmp_path / "pdns.conf").write_text(
        f"launch=gsqlite3\ngsqlite3-database={tmp_path}/pdns.db\nlocal-address=127.0.0.1\nlocal-port={freePort('127.0.0.1')}\napi=yes\n"
        f"api-key=judge\nwebserver=yes\nwebserver-address=127.0.0.1\nwebserver-port={port}\nsocket-dir={tmp_path}\n"
    )
    (tmp_path / "zone").write_text(f"$ORIGIN example.org.\n{ZONE}")
    subprocess.run([util, f"--config-dir={tmp_path}", "load-zone", "example.org", tmp_path / "zone"], check=True, capture_output=True)
    subprocess.run([util, f"--config-dir={tmp_path}", "set-kind", "example.org", "master"], check=True, capture_output=True)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([server, f"--config-dir={tmp_path}", "--guardian=no", "--daemon=no"], stdout=log, stderr=log)
    try:
        wait(lambda: _answers(port))
        for code, method, path, body in CONTRACTS:
            assert (_askAt(port, method, f"/api/v1/servers{path}", body, "judge")[0], method, path, body) == (code, method, path, body)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return _askAt(port, "GET", "/api", None, "judge")[0] == 200
    except OSError:
        return False


def test_refusedNotDropped(api: Api) -> None:
    """
    What cannot be kept is refused, and so are changes without the records that they add or remove.
    """
    www = change("www.example.org.", "A", "REPLACE", "192.0.2.81")
    records = [{"content": "192.0.2.81", "disabled": True}]
    for wrong, said in (
        ({**www, "comments": [{"content": "mine", "account": "me"}]}, "comments are kept of zones that the API has added only"),
        ({**www, "records": records}, "disabled records are kept of zones that the API has added only"),
        (change("www.example.net.", "A", "REPLACE", "192.0.2.1"), "RRset www.example.net. IN A: Name is out of zone"),
        (change("t.example.org.", "TXT", "REPLACE", '"a"\n"b"'), "a record has one line"),
    ):
        code, body = api.patch(wrong)
        assert (code, said in body["error"]) == (422, True), body
    for how in ("EXTEND", "PRUNE"):
        code, body = api.patch({**www, "changetype": how, "records": []})
        assert (code, "No record provided" in body["error"]) == (422, True)
    assert (serialOf(api.server), found(api.server, "www.example.org", A)) == (10, {"192.0.2.80"})
    assert api.patch({**www, "records": [], "comments": []})[0] == 204
    assert ask(api.server, "www.example.org", A).rcode == Rcode.NXDOMAIN


def test_tokens(api: Api) -> None:
    """
    A token does what its scope and its rules let it do; another one, or none, nothing.
    """
    www = change("www.example.org.", "A", "REPLACE", "192.0.2.81")
    challenge = change("_acme-challenge.example.org.", "TXT", "REPLACE", '"x"')
    assert [api.patch(www, token=token)[0] for token in ("reads", "acme", "wrong", "")] == [403, 403, 401, 401]
    assert api.patch(challenge, token="acme")[0] == 204
    assert api.patch(challenge, www, token="acme") == (403, {"error": "the token acme may not change RRset www.example.org. IN A"})
    assert api.patch({**challenge, "type": "A"}, token="acme")[0] in (403, 422)
    assert found(api.server, "www.example.org", A) == {"192.0.2.80"}
    assert api.ask("GET", "/api", token="", Authorization=f"Bearer {api.secrets['reads']}")[0] == 200
    code, _, headers = api.ask("GET", "/api", token="wrong")
    assert (code, headers["www-authenticate"]) == (401, 'X-API-Key realm="txdns", Bearer')
    # A zone that may not be changed here says where to change it.
    code, body = api.patch(change("www.fixed.example.", "A", "REPLACE", "192.0.2.1"), zone="fixed.example.")
    assert (code, "set edit" in body["error"]) == (409, True)
    # The file is read again; one that others can read lets nobody in.
    (api.folder / "tokens").chmod(0o644)
    assert api.ask("GET", "/api")[0] == 503
    (api.folder / "tokens").chmod(0o600)
    assert api.ask("GET", "/api")[0] == 200
    for _ in range(10):
        api.ask("GET", "/api", token="wrong")
    code, _, headers = api.ask("GET", "/api", token="wrong")
    assert (code, int(headers["retry-after"]) <= 60, api.ask("GET", "/api")[0]) == (429, True, 200)


def test_limitedTokenSeesNothingElse(api: Api) -> None:
    """
    A token for some records sees the zone that these are in and of it these records, and nothing else by any request.
    """
    challenge = change("_acme-challenge.example.org.", "TXT", "REPLACE", '"x"')
    assert api.patch(challenge, token="acme")[0] == 204
    zones = "/api/v1/servers/localhost/zones"
    assert len(api.ask("GET", zones)[1]) > 1
    assert [each["name"] for each in api.ask("GET", zones, token="acme")[1]] == ["example.org."]
    code, zone, _ = api.ask("GET", f"{zones}/example.org.", token="acme")
    assert (code, [(each["name"], each["type"]) for each in zone["rrsets"]]) == (200, [("_acme-challenge.example.org.", "TXT")])
    assert api.ask("PUT", f"{zones}/example.org./notify", token="acme")[0] == 200
    assert api.ask("GET", "/api/2/zones/example.org/rrsets/_acme-challenge/TXT", token="acme")[0] == 200
    assert api.ask("GET", f"{zones}?zone=fixed.example.", token="acme")[:2] == (200, [])
    for name in ("fixed.example.", "none.example."):
        assert api.ask("GET", f"{zones}/{name}", token="acme")[:2] == (404, {"error": f"there is no zone {name} here"})
    one = f"{zones}/example.org."
    others = [
        ("GET", f"{one}/export"), ("GET", f"{one}/cryptokeys"), ("GET", f"{one}/metadata"), ("PUT", f"{one}/axfr-retrieve"),
        ("DELETE", one), ("PUT", one), ("POST", zones), ("GET", "/api/v1/servers/localhost/search-data?q=*"),
        ("GET", "/api/v1/servers/localhost/statistics"), ("PUT", "/api/v1/servers/localhost/cache/flush?domain=example.org."),
        ("GET", "/api/v1/servers/localhost/tsigkeys"), ("GET", "/api/2/audit"), ("GET", "/api/2/zones/example.org/changes"),
        ("GET", "/api/2/zones/example.org/rrsets/www/A"), ("GET", "/api/2/zones/none.example/rrsets/www/A"),
    ]  # fmt: skip
    for path, methods in api.ask("GET", "/api/2/openapi.json")[1]["paths"].items():
        if "{" not in path:
            others += [(method.upper(), path) for method in methods]
    assert len(others) > 40
    codes = {each: api.ask(*each, {} if each[0] != "GET" else None, token="acme")[0] for each in others}
    assert codes == dict.fromkeys(others, 403)


def test_textsAreReadAsWritten(api: Api) -> None:
    """
    Texts have the letters that they were written with, also when they are searched, and a second write of them changes nothing.
    """
    content = '"naïve ü; \\"quoted\\"" "你好"'
    text = change("text.example.org.", "TXT", "REPLACE", content)
    serials = []
    for _ in range(2):
        assert api.patch(text)[0] == 204
        serials.append(serialOf(api.server))
    assert serials[0] == serials[1]
    zone = api.ask("GET", "/api/v1/servers/localhost/zones/example.org.?rrset_name=text.example.org.")[1]
    assert [each["records"] for each in zone["rrsets"]] == [text["records"]]
    found = api.ask("GET", "/api/v1/servers/localhost/search-data?q=*na%C3%AFve*")[1]
    assert [each["content"] for each in found] == [content]
    assert api.patch(change("text.example.org.", "TXT", "REPLACE", '"a"b"c"'))[0] == 422


def test_search(api: Api) -> None:
    """
    Zones, names and contents are found by a part of them, and no more than are wanted; figures have the names that they have in PowerDNS.
    """
    server = "/api/v1/servers/localhost"
    found = api.ask("GET", f"{server}/search-data?q=example.org")[1]
    assert {(each["object_type"], each["name"], each.get("type")) for each in found} == {
        *(("zone", "example.org.", None), ("record", "example.org.", "SOA"), ("record", "example.org.", "NS")),
    }
    assert [each["content"] for each in api.ask("GET", f"{server}/search-data?q=192.0.2.8?&object_type=record")[1]] == 2 * ["192.0.2.80"]
    assert len(api.ask("GET", f"{server}/search-data?q=*&max=3")[1]) == 3
    figures = {each["name"]: int(each["value"]) for each in api.ask("GET", f"{server}/statistics?includerings=false")[1]}
    assert figures["udp-queries"] > 0
    assert api.ask("GET", f"{server}/statistics?statistic=uptime")[1][0]["name"] == "uptime"


def test_forms(api: Api) -> None:
    """
    Requests in the forms that HTTP has for them: HEAD, absolute, conditional; replies with their phrases, and without folders.
    """
    zone = "/api/v1/servers/localhost/zones/example.org."
    www = "/api/2/zones/example.org/rrsets/www/A"
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
    key = {"X-API-Key": api.secrets["all"]}

    def phrase(method: str, path: str, body: str = "", **headers: str) -> tuple[int, str, bytes]:
        connection.request(method, path, body, {**key, **headers})
        reply = connection.getresponse()
        return reply.status, reply.reason, reply.read()

    assert phrase("HEAD", www) == (200, "OK", b"")
    assert phrase("HEAD", "/api/v1/servers/localhost/zones") == (200, "OK", b"")
    assert phrase("GET", f"http://127.0.0.1:{api.port}{www}")[:2] == (200, "OK")
    assert phrase("GET", f"http://attacker.example{www}")[:2] == (421, "Misdirected Request")
    assert phrase("PATCH", zone, "{}")[:2] == (422, "Unprocessable Entity")
    connection.close()
    tag = api.ask("GET", www)[2]["etag"]
    body = {"ttl": 60, "data": ["192.0.2.81"]}
    for match, code in (("W/" + tag, 412), ('"other"', 412), (f'"other", W/"x", {tag}', 200)):
        assert (api.ask("PUT", www, body, If_Match=match)[0], match) == (code, match)
    new = "/api/2/zones/example.org/rrsets/new/A"
    assert [api.ask(method, new, body, If_Match="*")[0] for method in ("PUT", "DELETE")] == [412, 412]
    assert [api.ask("PUT", new, body, If_None_Match="*")[0] for _ in range(2)] == [200, 412]
    assert api.ask("DELETE", new, If_Match="*")[0] == 200


def test_kindOfAZoneOfAFile(tmp_path: Path) -> None:
    """
    A zone of a file that is told to others is one of kind Master.
    """
    api = Api(tmp_path)
    with (tmp_path / "settings.toml").open("a") as file:
        file.write('notify = ["127.0.0.2:5300"]\n')
    api.begin()
    try:
        zones = "/api/v1/servers/localhost/zones"
        assert {zone["name"]: zone["kind"] for zone in api.ask("GET", zones)[1]} == {"example.org.": "Native", "fixed.example.": "Master"}
    finally:
        api.twistd.stop()


def test_ownRequests(api: Api) -> None:
    """
    The operations of the control socket are requests as well, and RRsets are changed one by one, by those who say which version they mean.
    """
    assert api.ask("GET", "/api/2/status")[1]["zones"]["serving"] == 2
    assert api.ask("GET", "/api/2/zones?name=example.org")[1]["zones"][0]["kind"] == "file"
    code, said, headers = api.ask("POST", "/api/2/zone/reload?name=example.org")
    assert (code, headers["content-type"]) == (403, "application/problem+json")
    problem = json.loads(said)
    assert (problem["title"], problem["status"]) == ("Forbidden", 403)
    assert "this takes admin" in problem["detail"]
    code, said, _ = api.ask("POST", "/api/2/zone/reload?name=example.org", token="boss")
    assert (code, said["failed"]) == (200, False)
    wrong = (404, "GET", "/api/2/none"), (405, "PUT", "/api/2/status"), (400, "GET", "/api/2/zones?nam=x")
    for code, method, path in (*wrong, (422, "GET", "/api/2/zones?name=a..b")):
        assert (api.ask(method, path)[0], path) == (code, path)
    www = "/api/2/zones/example.org/rrsets/www.example.org./A"
    code, said, headers = api.ask("GET", www)
    assert (code, said) == (200, {"ttl": 300, "data": ["192.0.2.80"]})
    body = {"ttl": 60, "data": ["192.0.2.81", "192.0.2.82"]}
    assert api.ask("PUT", www, body)[0] == 428
    assert api.ask("PUT", www, {**body, "color": "red"}, If_Match="*")[0] == 422
    assert api.ask("PUT", www, {**body, "data": []}, If_Match="*")[0] == 422
    assert api.ask("PUT", www, body, "acme", If_Match="*")[0] == 403
    change = {"zone": "example.org.", "before": 10, "serial": 11}
    lines = {"removed": ["www.example.org. 300 A 192.0.2.80"], "added": [f"www.example.org. 60 A 192.0.2.{end}" for end in (81, 82)]}
    assert api.ask("PUT", f"{www}?dry-run=1", body, If_Match=headers["etag"])[1] == {**change, **lines, "findings": []}
    mail = {"ttl": 60, "data": ["10 none.example.org."]}
    findings = api.ask("PUT", "/api/2/zones/example.org/rrsets/@/MX?dry-run=true", mail, If_None_Match="*")[1]["findings"]
    assert findings
    assert all("none.example.org." in each for each in findings)
    assert serialOf(api.server) == 10
    code, said, told = api.ask("PUT", www, body, If_Match=headers["etag"])
    assert (code, said, found(api.server, "www.example.org", A)) == (200, {**change, **lines}, {"192.0.2.81", "192.0.2.82"})
    assert api.ask("DELETE", www, If_Match=headers["etag"])[0] == 412
    assert api.ask("DELETE", www, If_Match=told["etag"])[0] == 200
    assert ask(api.server, "www.example.org", A).rcode == Rcode.NXDOMAIN
    # Names may be relative to the zone, or its own.
    assert api.ask("GET", "/api/2/zones/example.org/rrsets/ns1/A")[1]["data"] == ["192.0.2.1"]
    assert api.ask("GET", "/api/2/zones/example.org/rrsets/@/NS")[1]["data"] == ["ns1.example.org."]
    document = api.ask("GET", "/api/2/openapi.json")[1]
    assert document["openapi"] == "3.1.0"
    assert {"/api/2/status", "/api/2/zone/reload", "/api/2/zones/{zone}/rrsets/{owner}/{type}"} <= set(document["paths"])


def test_hostileRequests(api: Api) -> None:
    """
    What is no request of a client gets a refusal, and the server goes on.
    """
    patch = f"/api/v1/servers{_ZONE}"
    deep = b'{"rrsets":' + 100_000 * b"[" + 100_000 * b"]" + b"}"
    cases: list[tuple[int, str, str, object, dict[str, str]]] = [
        (421, "GET", "/api", None, {"Host": "attacker.example"}),
        (421, "GET", "/api", None, {"Host": ""}),
        (404, "GET", "/", None, {}),
        (404, "GET", "/api/v1/servers/localhost/zones/../../../../etc/passwd", None, {}),
        (404, "GET", "/api/v1/servers/localhost/zones/%2e%2e%2fetc", None, {}),
        (404, "GET", f"/api/v1/servers/localhost/zones/{'a.' * 300}", None, {}),
        (415, "PATCH", patch, b"\x1f\x8b", {"Content-Encoding": "gzip"}),
        (400, "PATCH", patch, deep, {}),
        (400, "PATCH", patch, b'{"rrsets": NaN}', {}),
        (422, "PATCH", patch, b'{"rrsets": "\xff"}', {}),
        (422, "PATCH", patch, {"rrsets": [{"name": 5}]}, {}),
        (422, "PATCH", patch, {"rrsets": [change("a." * 150 + "example.org.", "A", "REPLACE", "192.0.2.1")]}, {}),
        (422, "PATCH", patch, {"rrsets": [change("a.example.org.", "A", "REPLACE", "192.0.2.1", ttl=2**40)]}, {}),
        (422, "PATCH", patch, {"rrsets": [change("a.example.org.", "TXT", "REPLACE", '"' + "x" * 70_000 + '"')]}, {}),
        (422, "PATCH", patch, {"rrsets": [change("example.org.", "NS", "DELETE")]}, {}),
        (422, "PATCH", patch, {"rrsets": [change("example.org.", "SOA", "DELETE")]}, {}),
    ]
    for code, method, path, body, headers in cases:
        assert (api.ask(method, path, body, **headers)[0], path, headers) == (code, path, headers)
    # Octets beyond the limit are not read.
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as raw:
        raw.sendall(b"PATCH /api HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000000\r\n\r\n" + 1000 * b"x")
        assert raw.recv(1000).startswith(b"HTTP/1.1 413 ")
    assert serialOf(api.server) == 10
    assert api.ask("GET", "/api")[0] == 200


def test_fourDoors(api: Api) -> None:
    """
    A hundred changes at once, half of them updates, are all there; updates that wait for each other become one version.
    """
    numbers = range(50)

    def byAPI(number: int) -> int:
        return api.patch(change("all.example.org.", "A", "EXTEND", f"192.0.2.{number}"))[0]

    def byUpdate(number: int) -> int:
        statements = f"server 127.0.0.1 {api.server.port}\nzone example.org\nupdate add all.example.org. 60 A 192.0.3.{number}\nsend\n"
        return run(peer("nsupdate"), statements).returncode

    with ThreadPoolExecutor(16) as pool:
        told, done = list(pool.map(byAPI, numbers)), list(pool.map(byUpdate, numbers))
    assert (set(told), set(done)) == ({204}, {0})
    wanted = {f"192.0.{block}.{number}" for block in (2, 3) for number in numbers}
    records = api.ask("GET", f"/api/v1/servers{_ZONE}?rrset_name=all.example.org.&rrset_type=A")[1]["rrsets"][0]["records"]
    assert sorted(each["content"] for each in records) == sorted(wanted)
    serial = serialOf(api.server)
    assert 60 < serial <= 110
    # With one tag for all, one of them is the first.
    tag = api.ask("GET", f"/api/v1/servers{_ZONE}")[2]["etag"]

    def matching(number: int) -> int:
        return api.patch(change("one.example.org.", "A", "EXTEND", f"192.0.2.{number}"), If_Match=tag)[0]

    with ThreadPoolExecutor(16) as pool:
        codes = list(pool.map(matching, numbers))
    assert sorted(codes) == [204, *49 * [412]]
    assert serialOf(api.server) == serial + 1


def test_workers(tmp_path: Path) -> None:
    """
    With several processes, all of them answer from what was changed, and the API is there once.
    """
    made = Api(tmp_path)

    def areAll(address: str) -> bool:
        return all(found(made.server, "w.example.org", A) == {address} for _ in range(8))

    settings = tmp_path / "settings.toml"
    settings.write_text(f"workers = 2\n{settings.read_text()}")
    made.begin()
    try:
        for number in range(20):
            address = f"192.0.2.{number}"
            assert made.patch(change("w.example.org.", "A", "REPLACE", address))[0] == 204
            # The processes hear of it one after the other.
            wait(partial(areAll, address))
        assert made.ask("GET", "/api/2/status")[1]["zones"]["serving"] == 2
    finally:
        made.twistd.stop()


def test_zoneOfADatabase(tmp_path: Path) -> None:
    """
    A zone of a database may be changed without a setting, and what is changed is in the database; after C{kill -9} too.
    """
    made = Api(tmp_path)
    words = ["zone", "edit", "--store", str(tmp_path / "db"), "--from", str(tmp_path / "example.org"), "--yes", "stored.example"]
    subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
    with (tmp_path / "settings.toml").open("a") as file:
        file.write(f'[[zone]]\nname = "stored.example"\nstore = "{tmp_path}/db"\n')
    made.begin()
    try:
        for number in range(5):
            changes = change(f"n{number}.stored.example.", "A", "REPLACE", "192.0.2.9"), change("gone.stored.example.", "A", "DELETE")
            wait(lambda: ask(made.server, "stored.example", SOA).rcode == Rcode.NOERROR, made.twistd)
            assert made.patch(*changes, zone="stored.example.")[0] == 204
            process = made.twistd.process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            with closing(sqlite3.connect(tmp_path / "db")) as sql:
                assert sql.execute("SELECT rdata FROM records WHERE owner = ?", (f"n{number}",)).fetchall() == [("192.0.2.9",)]
            made.begin()
            wait(lambda: ask(made.server, "stored.example", SOA).rcode == Rcode.NOERROR, made.twistd)
            assert found(made.server, f"n{number}.stored.example", A) == {"192.0.2.9"}
    finally:
        made.twistd.stop()
