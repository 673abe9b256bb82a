"""
Live tests of zones that are added, changed and removed while the server runs.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.test_api import Api, change
from tests.live.zones.test_updates import ROOT, ServerAddress, ask, found, run, serialOf
from tests.peers import peer
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import NS, SOA, A

_ZONES = "/api/v1/servers/localhost/zones"

_ADDED: dict[str, object] = {"name": "added.example.", "kind": "Native", "nameservers": ["ns1.example.net.", "ns2.example.net."]}
_WWW = {"name": "www.added.example.", "type": "A", "ttl": 60, "records": [{"content": "192.0.2.80", "disabled": False}]}


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    made.begin()
    yield made
    made.twistd.stop()


def killed(api: Api) -> None:
    """
    Kill the server, and start it again.
    """
    process = api.twistd.process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    restarted(api)


def restarted(api: Api) -> None:
    api.twistd.stop()
    api.twistd = Twistd(api.folder, "--config", str(api.folder / "settings.toml"), port=api.server.port)
    api.begin()


def setsOf(zone: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["name"], each["type"]): each for each in zone["rrsets"]}


def test_zoneComesAndGoes(api: Api) -> None:
    """
    A zone that is added is served at once, with an SOA record if it has none, and is changed like others. One that is removed is served no
    more; its records stay in a file.
    """
    code, zone, _ = api.ask("POST", _ZONES, {**_ADDED, "rrsets": [_WWW]})
    assert (code, zone["id"], zone["kind"], zone["serial"] % 100) == (201, "added.example.", "Native", 1)
    soa = f"a.misconfigured.dns.server.invalid. hostmaster.added.example. {zone['serial']} 10800 3600 604800 3600"
    assert setsOf(zone)["added.example.", "SOA"]["records"] == [{"content": soa, "disabled": False}]
    assert found(api.server, "added.example", NS) == {"ns1.example.net.", "ns2.example.net."}
    assert found(api.server, "www.added.example", A) == {"192.0.2.80"}
    assert api.patch(change("mail.added.example.", "A", "REPLACE", "192.0.2.25"), zone="added.example.") == (204, "")
    assert serialOf(api.server, "added.example") == zone["serial"] + 1
    assert found(api.server, "mail.added.example", A) == {"192.0.2.25"}
    assert [each["name"] for each in api.ask("GET", f"{_ZONES}?zone=added.example.")[1]] == ["added.example."]
    (listed,), (whole,) = [api.ask("GET", f"{_ZONES}?zone=added.example.&dnssec={switch}")[1] for switch in ("false", "true")]
    assert whole.keys() - listed.keys() == {"dnssec", "edited_serial"}
    assert api.ask("GET", "/api/2/zones?name=added.example")[1]["zones"][0]["kind"] == "database"
    assert api.ask("DELETE", f"{_ZONES}/added.example.")[0] == 204
    assert ask(api.server, "www.added.example", A).rcode == Rcode.REFUSED
    (kept,) = (api.folder / "state" / "removed").iterdir()
    assert "mail.added.example. 60 IN A 192.0.2.25" in kept.read_text().splitlines()
    # The name can be taken again, by another kind of zone.
    assert api.ask("POST", _ZONES, {"name": "added.example.", "kind": "Slave", "masters": ["127.0.0.2:1"]})[0] == 201
    assert api.ask("GET", f"{_ZONES}/added.example.")[1]["rrsets"] == []


def test_whatIsKeptBesideRecords(api: Api) -> None:
    """
    Comments and disabled records are kept of zones that were added, and are no part of what is served.
    """
    comment = {"content": "mine", "account": "me", "modified_at": 1_111_111}
    assert api.ask("POST", _ZONES, {**_ADDED, "rrsets": [{**_WWW, "comments": [comment]}]})[0] == 201

    def patch(**fields: object) -> dict[str, Any]:
        said = {"name": "www.added.example.", "type": "A", "ttl": 60, "changetype": "REPLACE", **fields}
        assert api.patch(said, zone="added.example.") == (204, "")
        return setsOf(api.ask("GET", f"{_ZONES}/added.example.")[1]).get(("www.added.example.", "A"), {})

    off, on = {"content": "192.0.2.80", "disabled": True}, {"content": "192.0.2.81", "disabled": False}
    assert patch(records=[off, on]) == {**_WWW, "records": [on, off], "comments": [comment]}
    assert found(api.server, "www.added.example", A) == {"192.0.2.81"}
    serial = serialOf(api.server, "added.example")
    other = {"content": "yours", "account": "you", "modified_at": 5}
    assert patch(comments=[other])["comments"] == [other]
    assert serialOf(api.server, "added.example") == serial + 1
    killed(api)
    wait(lambda: found(api.server, "www.added.example", A) == {"192.0.2.81"}, api.twistd)
    assert patch(records=[off]) == {**_WWW, "records": [off], "comments": [other]}
    assert ask(api.server, "www.added.example", A).rcode == Rcode.NXDOMAIN
    there, hidden = {**off, "disabled": False}, {**on, "disabled": True}
    assert patch(changetype="EXTEND", records=[there])["records"] == [there]
    assert patch(changetype="EXTEND", records=[hidden])["records"] == [there, hidden]
    assert patch(changetype="PRUNE", records=[on])["records"] == [there]
    assert patch(changetype="DELETE") == {}
    assert patch(records=[on])["comments"] == []


def test_askedBesides(api: Api) -> None:
    """
    Clients find comments and records that are disabled, count records with and without reading them, and export in JSON.
    """
    comment = {"content": "of the old office", "account": "me", "modified_at": 5}
    off = {"content": "192.0.2.99", "disabled": True}
    sets = [{**_WWW, "comments": [comment]}, {"name": "off.added.example.", "type": "A", "ttl": 60, "records": [off]}]
    assert api.ask("POST", _ZONES, {**_ADDED, "rrsets": sets})[0] == 201
    search = "/api/v1/servers/localhost/search-data?q="
    place = {"name": "www.added.example.", "type": "A", "zone": "added.example.", "zone_id": "added.example."}
    assert api.ask("GET", f"{search}*OFFICE*")[1] == [{"object_type": "comment", "content": "of the old office", **place}]
    assert api.ask("GET", f"{search}*office*&object_type=record")[1] == []
    assert [each["disabled"] for each in api.ask("GET", f"{search}192.0.2.99")[1]] == [True]
    zone = f"{_ZONES}/added.example."
    whole = api.ask("GET", zone)[1]
    assert whole["record_count"] == sum(len(each["records"]) for each in whole["rrsets"])
    counted = api.ask("GET", f"{zone}?rrsets=false&record_count=true")[1]
    assert (counted["record_count"], "rrsets" in counted) == (whole["record_count"], False)
    assert "record_count" not in api.ask("GET", f"{zone}?rrsets=false")[1]
    assert api.ask("GET", f"{zone}?rrset_name=www.added.example.")[1]["record_count"] == 1
    exported = api.ask("GET", f"{zone}/export", Accept="application/json")[1]["zone"]
    assert exported == api.ask("GET", f"{zone}/export")[1]
    # A key that there is not; a zone that there is not.
    for field in ("master_tsig_key_ids", "slave_tsig_key_ids"):
        code, said, _ = api.ask("PUT", zone, {field: ["none"]})
        assert (code, said["error"]) == (422, "A TSIG key with the name 'none.' does not exist")
    assert api.ask("PUT", f"{_ZONES}/none.example./metadata/X-A", {"metadata": ["a"]})[0] == 404
    # One after another, as they are written.
    www = {"name": "www.added.example.", "type": "A", "ttl": 60}
    changes = [("EXTEND", "192.0.2.1"), ("EXTEND", "192.0.2.2"), ("PRUNE", "192.0.2.1")]
    wanted = [{**www, "changetype": how, "records": [{"content": data}]} for how, data in changes]
    assert api.patch(*wanted, zone="added.example.")[0] == 204
    assert "192.0.2.2" in found(api.server, "www.added.example", A)
    assert "192.0.2.1" not in found(api.server, "www.added.example", A)
    other = {**www, "changetype": "EXTEND", "ttl": 61, "records": [{"content": "192.0.2.3"}]}
    code, said = api.patch(other, zone="added.example.")
    assert (code, "uses a different TTL value" in said["error"]) == (422, True)


def test_wholeZoneIsReplaced(api: Api) -> None:
    """
    All records of a zone are replaced at once, with what is kept beside them; without an SOA record nothing is.
    """
    assert api.ask("POST", _ZONES, {**_ADDED, "rrsets": [{**_WWW, "comments": [{"content": "mine", "account": "me"}]}]})[0] == 201
    path, serial = f"{_ZONES}/added.example.", serialOf(api.server, "added.example")
    other = {**_WWW, "name": "other.added.example."}
    assert api.ask("PUT", path, {"rrsets": [other]})[0] == 422
    soa = f"ns1.example.net. h.example.net. {serial + 5} 1 1 1 1"
    top = {"name": "added.example.", "type": "SOA", "ttl": 60, "records": [{"content": soa, "disabled": False}]}
    assert api.ask("PUT", path, {"rrsets": [top, other], "account": "you"})[0] == 204
    zone = api.ask("GET", path)[1]
    assert (zone["account"], {key[1] for key in setsOf(zone)}) == ("you", {"SOA", "A"})
    assert found(api.server, "other.added.example", A) == {"192.0.2.80"}
    assert ask(api.server, "www.added.example", A).rcode == Rcode.NXDOMAIN
    assert serialOf(api.server, "added.example") == serial + 5
    assert api.ask("PUT", f"{_ZONES}/fixed.example.", {"rrsets": [top]})[0] == 409


def test_killLosesNothing(api: Api) -> None:
    """
    What was acknowledged is there after a kill, each time: zones that were added or removed, and their records.
    """
    for count in range(6):
        name = f"zone{count}.example."
        assert api.ask("POST", _ZONES, {"name": name, "kind": "Native", "nameservers": ["ns1.example.net."]})[0] == 201
        assert api.patch(change(f"www.{name}", "A", "REPLACE", f"192.0.2.{count}"), zone=name)[0] == 204
        if count:
            assert api.ask("DELETE", f"{_ZONES}/zone{count - 1}.example.")[0] == 204
        killed(api)
        wait(partial(_serves, api, name), api.twistd)
        assert found(api.server, f"www.{name}", A) == {f"192.0.2.{count}"}
        assert {zone["name"] for zone in api.ask("GET", _ZONES)[1]} == {"example.org.", "fixed.example.", name}


def _serves(api: Api, name: str) -> bool:
    return ask(api.server, name, SOA).rcode == Rcode.NOERROR


def test_settingsComeFirst(api: Api) -> None:
    """
    Zones of the settings are neither added nor removed by a client; one that comes into the settings later is served as they have it.
    """
    assert api.ask("POST", _ZONES, {**_ADDED, "name": "fixed.example."})[0] == 409
    code, said, _ = api.ask("DELETE", f"{_ZONES}/fixed.example.")
    assert (code, "change it there" in said["error"]) == (409, True)
    assert api.ask("PUT", f"{_ZONES}/fixed.example.", {"account": "me"})[0] == 409
    assert api.ask("POST", _ZONES, {**_ADDED, "rrsets": [_WWW]})[0] == 201
    (api.folder / "added.example").write_text("@ 60 SOA ns1 h 1 1 1 1 1\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n")
    table = f'[[zone]]\nname = "added.example"\nfile = "{api.folder}/added.example"\n'
    settings = api.folder / "settings.toml"
    before = settings.read_text()
    settings.write_text(before + table)
    assert api.ask("POST", "/api/2/reload", token="boss")[0] == 200
    wait(lambda: found(api.server, "ns1.added.example", A) == {"192.0.2.1"}, api.twistd)
    assert ask(api.server, "www.added.example", A).rcode == Rcode.NXDOMAIN
    assert api.ask("DELETE", f"{_ZONES}/added.example.")[0] == 409
    restarted(api)
    wait(lambda: found(api.server, "ns1.added.example", A) == {"192.0.2.1"}, api.twistd)
    # What was added comes back when the settings do not have it any more.
    settings.write_text(before)
    assert api.ask("POST", "/api/2/reload", token="boss")[0] == 200
    wait(lambda: found(api.server, "www.added.example", A) == {"192.0.2.80"}, api.twistd)
    assert api.ask("DELETE", f"{_ZONES}/added.example.")[0] == 204


def test_catalogListsIt(api: Api) -> None:
    """
    A zone that is added is in the catalog that it names, as long as it is there and names it.
    """
    settings = api.folder / "settings.toml"
    settings.write_text(settings.read_text() + '[[zone]]\nname = "catalog.example"\ncatalog = "produce"\nallow-transfer = ["127.0.0.1"]\n')
    restarted(api)

    def members() -> set[str]:
        zone = api.ask("GET", f"{_ZONES}/catalog.example.")[1]
        return {record["content"] for each in zone["rrsets"] if each["type"] == "PTR" for record in each["records"]}

    assert api.ask("POST", _ZONES, {**_ADDED, "catalog": "catalog.example."})[0] == 201
    assert api.ask("POST", _ZONES, {**_ADDED, "name": "other.example.", "catalog": "catalog.example."})[0] == 201
    assert members() == {"added.example.", "other.example."}
    assert api.ask("PUT", f"{_ZONES}/other.example.", {"catalog": ""})[0] == 204
    assert members() == {"added.example."}
    killed(api)
    wait(lambda: members() == {"added.example."}, api.twistd)
    assert api.ask("DELETE", f"{_ZONES}/added.example.")[0] == 204
    assert members() == set()
    code, said, _ = api.ask("PUT", f"{_ZONES}/other.example.", {"catalog": "none.example."})
    assert (code, "none.example. is not a catalog to produce" in said["error"]) == (422, True)


def test_hostileZones(api: Api) -> None:
    """
    A master file reaches no other file and makes no more records than it has; names are no paths, and sizes have bounds.
    """
    (api.folder / "hidden").write_text("secret 60 TXT secret\n")
    top = "@ 60 SOA a b 1 1 1 1 1\n@ 60 NS a\n"
    for text in (
        f"{top}$INCLUDE {api.folder}/hidden\n",
        f"{top}$GENERATE 1-60000 h$ A 192.0.2.1\n",
        f"{top}  $generate 1-60000 h$ A 192.0.2.1\n",
        f"{top}www.example.org. 60 A 192.0.2.1\n",
        f"{top}@ 60 SOA a b 1 1 1 1 1\nwww A\n",
        "\x00",
    ):
        code, said, _ = api.ask("POST", _ZONES, {"name": "added.example.", "kind": "Native", "zone": text})
        assert (code, "secret" in str(said)) == (422, False), text
    for name in ("../../added.example.", "/etc/passwd", "a\x00.example.", "a/../b.example.", "a." * 300, "", "*.example", "$x.example."):
        assert (api.ask("POST", _ZONES, {**_ADDED, "name": name})[0], name) == (422, name)
    wrong: list[dict[str, object]] = [
        {"serial": -1},
        {"serial": 2**32},
        {"account": "a" * 2000},
        {"kind": "Consumer"},
        {"kind": "Slave", "masters": []},
        {"kind": "Slave", "masters": ["/etc/passwd"]},
        {"masters": 5},
        {"catalog": "a..b."},
        {"rrsets": [{**_WWW, "name": "added.example.", "type": "SOA", "records": [{"content": "a. b. 1", "disabled": False}]}]},
        {"rrsets": [{**_WWW, "records": [{"content": "192.0.2.1", "disabled": False}] * 2}]},
        {"rrsets": [_WWW, _WWW]},
    ]
    for fields in wrong:
        assert (api.ask("POST", _ZONES, {**_ADDED, **fields})[0], fields) == (422, fields)
    assert api.ask("POST", _ZONES, {**_ADDED, "name": "a/b.example."})[0] == 201
    assert {path.name for path in (api.folder / "state").iterdir()} >= {"added.sqlite"}
    assert api.ask("DELETE", f"{_ZONES}/a=2Fb.example.")[0] == 204
    (kept,) = (api.folder / "state" / "removed").iterdir()
    assert kept.name.startswith("a%2Fb.example.")
    assert [zone["name"] for zone in api.ask("GET", _ZONES)[1]] == ["example.org.", "fixed.example."]
    assert api.ask("POST", _ZONES, _ADDED, token="reads")[0] == 403
    assert api.ask("POST", _ZONES, _ADDED, token="acme")[0] == 403
    assert "Traceback" not in api.twistd.text()


def test_secondary(api: Api, tmp_path: Path) -> None:
    """
    A secondary zone that is added is transferred; it keeps its records when it becomes a primary one, and loses them when it is one again.
    """
    folder = tmp_path / "primary"
    folder.mkdir()
    address = ServerAddress(folder)
    (folder / "moved.example").write_text("@ 60 SOA ns1 h 7 3600 600 86400 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n")
    (folder / "primary.toml").write_text(
        f'role = "serve"\nstate = "{folder}/state"\n[[zone]]\nname = "moved.example"\nfile = "{folder}/moved.example"\n'
        'allow-transfer = ["127.0.0.0/8"]\n'
    )
    with Twistd(folder, "--config", str(folder / "primary.toml"), port=address.port) as primary:
        wait(lambda: ask(address, "moved.example", SOA).rcode == Rcode.NOERROR, primary)
        masters = [f"127.0.0.1:{address.port}"]
        assert api.ask("POST", _ZONES, {"name": "moved.example.", "kind": "Slave", "masters": masters})[0] == 201
        wait(lambda: found(api.server, "ns1.moved.example", A) == {"192.0.2.1"}, api.twistd)
        assert api.ask("PUT", f"{_ZONES}/moved.example./axfr-retrieve")[1]["result"].endswith(f"from primary {masters[0]}")
        www = change("www.moved.example.", "A", "REPLACE", "192.0.2.80")
        assert api.patch(www, zone="moved.example.")[0] == 409
        assert api.ask("PUT", f"{_ZONES}/moved.example.", {"kind": "Native"})[0] == 204
        wait(lambda: api.patch(www, zone="moved.example.")[0] == 204, api.twistd)
        killed(api)
        wait(lambda: found(api.server, "www.moved.example", A) == {"192.0.2.80"}, api.twistd)
        assert found(api.server, "ns1.moved.example", A) == {"192.0.2.1"}
        assert api.ask("PUT", f"{_ZONES}/moved.example.", {"kind": "Slave", "masters": masters})[0] == 204
        wait(lambda: ask(api.server, "www.moved.example", A).rcode == Rcode.NXDOMAIN, api.twistd)
        assert serialOf(api.server, "moved.example") == 7


def test_withWorkers(tmp_path: Path) -> None:
    """
    Each worker serves a zone within a second after it was added, and no more after it was removed. The server began without any zone.
    """
    api = Api(tmp_path)
    settings = tmp_path / "settings.toml"
    settings.write_text("workers = 2\n" + settings.read_text().partition("[[zone]]")[0])
    with api.twistd:
        wait(lambda: _status(api) == 200, api.twistd)
        assert api.ask("POST", _ZONES, {**_ADDED, "rrsets": [_WWW]})[0] == 201
        wait(lambda: _answers(api) == {(Rcode.NOERROR, 1)}, api.twistd)
        assert api.patch({**_WWW, "changetype": "DELETE"}, zone="added.example.")[0] == 204
        wait(lambda: _answers(api) == {(Rcode.NXDOMAIN, 0)}, api.twistd)
        assert api.ask("DELETE", f"{_ZONES}/added.example.")[0] == 204
        wait(lambda: _answers(api) == {(Rcode.REFUSED, 0)}, api.twistd)


def _status(api: Api) -> int:
    try:
        return api.ask("GET", "/api")[0]
    except OSError:
        return 0


def _answers(api: Api) -> set[tuple[Rcode, int]]:
    """
    Return what queries from many ports get, which the system gives to different workers.
    """
    replies = [ask(api.server, "www.added.example", A) for _ in range(20)]
    return {(Rcode(reply.rcode), len(reply.answer)) for reply in replies}


def test_byControl(tmp_path: Path) -> None:
    """
    C{txdns control} adds and removes zones as well, of a server without any.
    """
    address = ServerAddress(tmp_path)
    (tmp_path / "settings.toml").write_text(f'role = "serve"\nstate = "{tmp_path}/state"\n')

    def control(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "control", "--socket", str(tmp_path / "c"), *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    words = ("--config", str(tmp_path / "settings.toml"), "--control", str(tmp_path / "c"))
    with Twistd(tmp_path, *words, port=address.port) as twistd:
        wait(lambda: control("status")[0] == 0, twistd)
        assert control("zone", "add", "added.example") == (0, "added.example. is added\n")
        assert serialOf(address, "added.example") == 1
        code, said = control("zone", "add", "added.example")
        assert (code, "is there already" in said) == (1, True)
        code, said = control("zone", "add", "other.example", "nonsense")
        assert (code, "primaries takes a server" in said) == (1, True)
        assert control("zone", "remove", "added.example") == (0, "added.example. is removed\n")
        assert ask(address, "added.example", SOA).rcode == Rcode.REFUSED
        code, said = control("zone", "remove", "added.example")
        assert (code, "there is no zone added.example." in said) == (1, True)


def test_metadataIsInForce(api: Api) -> None:
    """
    Metadata says who may transfer a zone and who is notified of it, and is there after a restart; that of tools is kept, and what has no
    meaning here is refused.
    """
    path = f"{_ZONES}/added.example./metadata"
    assert api.ask("POST", _ZONES, _ADDED)[0] == 201
    assert _transferred(api) == set()
    shown = {"type": "Metadata", "kind": "ALLOW-AXFR-FROM", "metadata": ["192.0.2.0/24", "127.0.0.0/8"]}
    assert api.ask("POST", path, {"kind": "ALLOW-AXFR-FROM", "metadata": ["192.0.2.0/24"]})[0] == 201
    assert api.ask("POST", path, {"kind": "ALLOW-AXFR-FROM", "metadata": ["127.0.0.0/8"]})[1] == shown
    assert "NS" in _transferred(api)
    assert api.ask("PUT", f"{path}/X-MINE", {"metadata": ["a", "b"]})[0] == 200
    killed(api)
    wait(lambda: "NS" in _transferred(api), api.twistd)
    assert [each["kind"] for each in api.ask("GET", path)[1]] == ["ALLOW-AXFR-FROM", "SOA-EDIT-API", "X-MINE"]
    assert api.ask("GET", f"{path}/X-MINE")[1]["metadata"] == ["a", "b"]
    # What another client says of the zone does not end it.
    assert api.ask("PUT", f"{_ZONES}/added.example.", {"account": "me"})[0] == 204
    assert "NS" in _transferred(api)
    assert api.ask("DELETE", f"{path}/ALLOW-AXFR-FROM")[0] == 200
    assert _transferred(api) == set()
    wrong = ("NSEC3PARAM", ["1 0 1 ab"]), ("NONSENSE", ["a"]), ("ALSO-NOTIFY", ["nonsense"]), ("X-A", ["a" * 2000]), ("X-A", 5)
    for kind, values in wrong:
        assert (api.ask("PUT", f"{path}/{kind}", {"metadata": values})[0], kind) == (422, kind)
    assert api.ask("PUT", f"{path}/X-MINE", {"metadata": ["a"]}, token="reads")[0] == 403
    assert api.ask("PUT", f"{_ZONES}/fixed.example./metadata/X-A", {"metadata": ["a"]})[0] == 409


def _transferred(api: Api, *words: str) -> set[str]:
    """
    Return the types that a transfer of the zone has; none if it is refused.
    """
    asked = ("+onesoa", "+noall", "+answer", "@127.0.0.1", "-p", str(api.server.port), *words, "added.example", "AXFR")
    command: list[str | Path] = [peer("dig"), *asked]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    return {line.split()[3] for line in lines if line and not line.startswith(";") and len(line.split()) > 4} - {"TSIG"}


def test_tsigKeys(api: Api) -> None:
    """
    A key that is added signs transfers at once and after a restart; it can be changed, and removed when no zone needs it. Its secret is
    shown to administrators only, and others of this machine cannot read it.
    """
    keys = "/api/v1/servers/localhost/tsigkeys"
    assert api.ask("POST", keys, {"name": "moves", "algorithm": "hmac-sha256"})[0] == 403
    code, key, _ = api.ask("POST", keys, {"name": "moves", "algorithm": "hmac-sha256"}, token="boss")
    assert (code, key["id"], key["name"], key["algorithm"]) == (201, "moves.", "moves", "hmac-sha256")
    assert api.ask("GET", keys)[1] == [{**key, "key": ""}]
    assert (api.ask("GET", f"{keys}/moves.")[0], api.ask("GET", f"{keys}/moves.", token="boss")[1]) == (403, key)
    assert api.ask("POST", keys, {"name": "moves", "algorithm": "hmac-sha256"}, token="boss")[0] == 409
    assert api.ask("POST", _ZONES, {**_ADDED, "slave_tsig_key_ids": ["moves."]})[0] == 201
    signed = ("-y", f"hmac-sha256:moves:{key['key']}")
    assert (_transferred(api), "NS" in _transferred(api, *signed)) == (set(), True)
    # The name of another key is taken.
    assert api.ask("POST", keys, {"name": "other", "algorithm": "hmac-sha256"}, token="boss")[0] == 201
    assert api.ask("PUT", f"{keys}/other.", {"name": "moves"}, token="boss")[0] == 409
    assert api.ask("DELETE", f"{keys}/other.", token="boss")[0] == 204
    kept = api.folder / "state" / "added.keys"
    assert (kept.stat().st_mode & 0o777, key["key"] in kept.read_text()) == (0o600, True)
    killed(api)
    wait(lambda: "NS" in _transferred(api, *signed), api.twistd)
    code, said, _ = api.ask("DELETE", f"{keys}/moves.", token="boss")
    assert (code, "added.example" in said["error"]) == (422, True)
    assert "NS" in _transferred(api, *signed)
    other = api.ask("PUT", f"{keys}/moves.", {"algorithm": "hmac-sha512"}, token="boss")[1]
    assert (other["algorithm"], other["key"]) == ("hmac-sha512", key["key"])
    assert (_transferred(api, *signed), "NS" in _transferred(api, "-y", f"hmac-sha512:moves:{key['key']}")) == (set(), True)
    assert api.ask("PUT", f"{_ZONES}/added.example.", {"slave_tsig_key_ids": []})[0] == 204
    assert api.ask("DELETE", f"{keys}/moves.", token="boss")[0] == 204
    assert api.ask("GET", keys)[1] == []
    for wrong in (
        {"name": "a..b", "algorithm": "hmac-sha256"},
        {"name": "a", "algorithm": "hmac-sha256", "key": "not base64"},
        {"name": "a", "algorithm": "hmac-sha256", "key": "A" * 1_000_000},
        {"name": "a", "algorithm": "hmac-md5"},
        {"name": "a." * 300, "algorithm": "hmac-sha256"},
        {"name": "../../../etc/passwd", "algorithm": "hmac-sha256", "key": "AAAA\n"},
        {"name": "a"},
        {"algorithm": "hmac-sha256"},
    ):
        assert (api.ask("POST", keys, wrong, token="boss")[0], wrong) == (422, wrong)
    audit = (api.folder / "state" / "audit.jsonl").read_text()
    assert key["key"] not in audit + api.twistd.text()


def test_fourDoorsOfADatabase(tmp_path: Path) -> None:
    """
    A hundred changes of one zone at once, by updates, by PowerDNS' API, by requests of our own, and by another program in its database:
    all that were acknowledged are there, each with its own serial number. What comes between a change and the database is tried again.
    """
    api = Api(tmp_path)
    words = ["zone", "edit", "--store", str(tmp_path / "db"), "--from", str(tmp_path / "example.org"), "--yes", "stored.example"]
    subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True)
    table = f'[[zone]]\nname = "stored.example"\nstore = "{tmp_path}/db"\nupdate = ["address 127.0.0.0/8 zone ANY"]\n'
    with (tmp_path / "settings.toml").open("a") as file:
        file.write(table)
    api.begin()
    zone = "stored.example."

    def byUpdate(number: int) -> bool:
        statements = f"server 127.0.0.1 {api.server.port}\nzone {zone}\nupdate add all.{zone} 60 A 192.0.3.{number}\nsend\n"
        return run(peer("nsupdate"), statements).returncode == 0

    def byPowerDNS(number: int) -> bool:
        return api.patch(change(f"all.{zone}", "A", "EXTEND", f"192.0.4.{number}"), zone=zone)[0] == 204

    def byOwn(number: int) -> bool:
        path = f"/api/2/zones/{zone}/rrsets/own{number}/A"
        return api.ask("PUT", path, {"ttl": 60, "data": [f"192.0.5.{number}"]}, If_None_Match="*")[0] == 200

    def byDatabase(number: int) -> bool:
        with closing(sqlite3.connect(tmp_path / "db", timeout=20)) as sql, sql:
            values = ("all", "A", 60, f"192.0.6.{number}")
            sql.execute("INSERT INTO records (zone, owner, type, ttl, rdata) SELECT id, ?, ?, ?, ? FROM zones", values)
        return True

    def until(door: Callable[[int], bool], number: int) -> None:
        end = time.monotonic() + 60
        while not door(number):
            assert time.monotonic() < end
            time.sleep(0.1)

    try:
        wait(lambda: ask(api.server, zone, SOA).rcode == Rcode.NOERROR, api.twistd)
        before = serialOf(api.server, zone)
        with ThreadPoolExecutor(16) as pool:
            doors = (byUpdate, byPowerDNS, byOwn, byDatabase)
            done = [pool.submit(until, door, number) for number in range(25) for door in doors]
            for each in done:
                each.result()
        wanted = {f"192.0.{block}.{number}" for block in (3, 4, 6) for number in range(25)}
        wait(lambda: found(api.server, f"all.{zone}", A) == wanted, api.twistd)
        assert all(found(api.server, f"own{number}.{zone}", A) == {f"192.0.5.{number}"} for number in range(25))
        assert before + 50 < serialOf(api.server, zone) <= before + 100
        with closing(sqlite3.connect(tmp_path / "db")) as sql:
            counted = "SELECT count(*), count(DISTINCT rdata) FROM records WHERE owner = 'all'"
            assert sql.execute(counted).fetchall() == [(75, 75)]
    finally:
        api.twistd.stop()


@pytest.mark.long
def test_twentyKills(api: Api) -> None:
    """
    Of changes under load, those that were acknowledged are there after each of twenty kills.
    """
    zone = "example.org."
    acknowledged: set[str] = set()
    for count in range(20):
        stop = time.monotonic() + 0.3

        def go(worker: int, count: int = count, stop: float = stop) -> None:
            number = 0
            while time.monotonic() < stop:
                address = f"10.{count}.{worker}.{number % 250}"
                try:
                    if api.patch(change(f"all{count}.{zone}", "A", "EXTEND", address))[0] == 204:
                        acknowledged.add(address)
                except OSError:
                    return
                number += 1

        with ThreadPoolExecutor(4) as pool:
            working = [pool.submit(go, worker) for worker in range(4)]
            time.sleep(0.2)
            process = api.twistd.process
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            for each in working:
                each.result()
        process.wait()
        restarted(api)
        wait(partial(_serves, api, "example.org"), api.twistd)
        there = {address for each in range(count + 1) for address in found(api.server, f"all{each}.example.org", A)}
        assert acknowledged <= there
    assert len(acknowledged) > 200


def test_noFilesByTheAPI(api: Api) -> None:
    """
    A client of the API cannot make the server open a file: no reply tells whether one is there, or what is in it.
    """
    secret, none = api.folder / "tokens", api.folder / "none"
    slave: dict[str, object] = {"name": "slave.example.", "kind": "Slave"}
    for word in ("ca", "certificate", "private-key"):
        texts = []
        for path in (secret, none):
            peer = f"tls://127.0.0.1:853#ns.example {word}={path}"
            for method, place, body in (
                ("POST", _ZONES, {**slave, "masters": [peer]}),
                ("POST", f"{_ZONES}/added.example./metadata", {"kind": "ALSO-NOTIFY", "metadata": [peer]}),
                ("PUT", f"{_ZONES}/added.example.", {"kind": "Slave", "masters": [peer]}),
            ):
                api.ask("POST", _ZONES, _ADDED)
                code, said, _ = api.ask(method, place, body)
                assert (code, word in said["error"], str(path) in said["error"]) == (422, True, False)
                texts.append(said["error"])
        assert len(set(texts)) == 1
    api.twistd.stop()
    assert "PEM" not in api.twistd.text()


_SOA = {"content": "ns1.example.net. hostmaster.bad.example. 1 10800 3600 604800 3600", "disabled": False}


@pytest.mark.parametrize(
    ("rrsets", "said"),
    [
        ([("www", "A", "192.0.2.1"), ("www", "CNAME", "other.example.")], "conflicts with existing A RRset"),
        ([("www", "CNAME", "one.example."), ("www", "CNAME", "two.example.")], "only one such record"),
        ([("", "CNAME", "other.example.")], "conflicts with existing NS RRset"),
        ([("below", "SOA", _SOA["content"])], "only allowed at apex"),
        ([("", "DS", f"1 13 2 {64 * '0'}")], "not allowed at apex"),
        ([("www", "DNAME", "one.example."), ("www", "DNAME", "two.example.")], "only one such record"),
        ([("key", "DNSKEY", "257 3 13 AAAA")], "only allowed at apex"),
        ([("cut", "NS", "ns1.example.net."), ("cut", "DNAME", "one.example.")], "Cannot have both NS and DNAME|a DNAME and NS"),
    ],
    ids=["CNAME and A", "two CNAME", "CNAME at the apex", "SOA below", "DS at the apex", "two DNAME", "DNSKEY below", "NS and DNAME"],
)
def test_newZonesAreJudged(api: Api, rrsets: list[tuple[str, str, str]], said: str) -> None:
    """
    What an update or a master file may not put into a zone, a new one may not have either: as RRsets, as text, and by a change of it.
    """
    by: dict[tuple[str, str], list[str]] = {}
    for owner, kind, content in rrsets:
        by.setdefault((f"{owner}.bad.example.".lstrip("."), kind), []).append(content)
    sets = [
        {"name": name, "type": kind, "ttl": 60, "records": [{"content": each, "disabled": False} for each in contents]}
        for (name, kind), contents in by.items()
    ]
    lines = [f"{owner or '@'} {kind} {data}\n" for owner, kind, data in rrsets]
    text = f"$TTL 60\n@ SOA {_SOA['content']}\n@ NS ns1.example.net.\n{''.join(lines)}"
    zone: dict[str, object] = {"name": "bad.example.", "kind": "Native", "nameservers": ["ns1.example.net."]}
    for body in ({**zone, "rrsets": sets}, {**zone, "nameservers": [], "zone": text}):
        code, answer, _ = api.ask("POST", _ZONES, body)
        assert code == 422, answer
        assert any(word in answer["error"] for word in (*said.split("|"), "parsing the zonedata", "would have")), answer
    assert api.ask("GET", f"{_ZONES}/bad.example.")[0] == 404
    assert api.ask("POST", _ZONES, zone)[0] == 201
    code, answer = api.patch(*[{**each, "changetype": "REPLACE"} for each in sets], zone="bad.example.")
    assert code == 422, answer
    wanted = [*sets, {"name": "bad.example.", "type": "SOA", "ttl": 60, "records": [_SOA]}]
    if ("bad.example.", "SOA") not in by:
        assert api.ask("PUT", f"{_ZONES}/bad.example.", {"rrsets": wanted})[0] == 422
    assert ask(api.server, "bad.example", SOA).rcode == Rcode.NOERROR


def test_theRootIsAZone(api: Api) -> None:
    """
    The root is added like any other zone, with the SOA record of the settings.
    """
    code, zone, _ = api.ask("POST", _ZONES, {"name": ".", "kind": "Native", "nameservers": ["ns1.example.net."]})
    assert (code, zone["name"], zone["id"]) == (201, ".", "=2E")
    assert api.ask("GET", f"{_ZONES}/=2E")[1]["name"] == "."
    assert [each["content"].split()[1] for each in setsOf(zone)[".", "SOA"]["records"]] == ["hostmaster."]
    assert found(api.server, ".", NS) == {"ns1.example.net."}


def test_wrongParameter(api: Api) -> None:
    """
    C{rrsets} is on or off; another word is an error.
    """
    assert "rrsets" not in api.ask("GET", f"{_ZONES}/example.org.?rrsets=false")[1]
    assert api.ask("GET", f"{_ZONES}/example.org.?rrsets=true")[1]["rrsets"]
    assert api.ask("GET", f"{_ZONES}/example.org.?rrsets=maybe")[0] == 422


def test_alias(api: Api) -> None:
    """
    An ALIAS record of an added zone is served, read and found as it was written; in a zone of a file, where it would not be served, it is
    refused.
    """
    alias = change("added.example.", "ALIAS", "REPLACE", "www.added.example.")
    assert api.ask("POST", _ZONES, {**_ADDED, "rrsets": [_WWW]})[0] == 201
    serials = []
    for _ in range(2):
        assert api.patch(alias, zone="added.example.") == (204, "")
        serials.append(serialOf(api.server, "added.example"))
    assert serials[0] == serials[1]
    assert found(api.server, "added.example", A) == {"192.0.2.80"}
    zone = api.ask("GET", f"{_ZONES}/added.example.?rrset_name=added.example.&rrset_type=ALIAS")[1]
    assert [(each["type"], each["records"]) for each in zone["rrsets"]] == [("ALIAS", alias["records"])]
    results = api.ask("GET", "/api/v1/servers/localhost/search-data?q=www.added.example.&object_type=record")[1]
    assert sorted([each["type"] for each in results]) == ["A", "ALIAS"]
    restarted(api)
    wait(lambda: found(api.server, "added.example", A) == {"192.0.2.80"}, api.twistd)
    code, body = api.patch({**alias, "name": "x.example.org."})
    assert (code, "expand-alias" in body["error"]) == (422, True)
    second = {**_ADDED, "name": "second.example.", "rrsets": [{**alias, "name": "second.example."}]}
    assert api.ask("POST", _ZONES, second)[0] == 201
    assert found(api.server, "second.example", A) == {"192.0.2.80"}
