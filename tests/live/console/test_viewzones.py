"""
Live tests of zones of views in the console, the API, figures and backups.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.live.console.test_backup import membersOf
from tests.live.console.test_console import Browser, Console
from tests.live.console.test_settings import consoleAt
from tests.live.console.test_zonetext import differenceIn, textIn
from tests.live.twistds import Twistd, wait
from tests.live.zones.test_updates import ROOT
from tests.live.zones.variants import Client
from tests.peers import freePort

_ZONE = "$TTL 300\n@ SOA ns1 hostmaster 10 3600 900 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\nwho TXT {}\n"
_CHILD = Client("127.0.0.9", "children")
_OTHER = Client("127.0.0.1", "")


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    port = freePort("127.0.0.1")
    tables = ""
    for view in ("children", ""):
        path = tmp_path / f"corp-{view or 'all'}"
        path.write_text(_ZONE.format(view or "all"))
        of = f'view = "{view}"\n' if view else ""
        tables += f'[[zone]]\nname = "corp.example"\nfile = "{path}"\nedit = ["api", "console"]\n{of}'
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "api", "token", "boss", "--scope", "admin"]
    made = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    (tmp_path / "tokens").write_text(made.stdout)
    (tmp_path / "tokens").chmod(0o600)
    (tmp_path / "secret").write_text(f"{port} {made.stderr.split()[-1]}")
    console = consoleAt(tmp_path, f'api = "127.0.0.1:{port}"\napi-tokens = "{tmp_path}/tokens"\n', tables)
    for client in (_CHILD, _OTHER):
        _untilSaid(console.twistd, client, ["who.corp.example."], [client.view or "all"])
    yield console
    console.twistd.stop()


def _ask(console: Console, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
    """
    Return the status and the body of a reply of the API.
    """
    port, secret = (console.folder / "secret").read_text().split()
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    with closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), {"X-API-Key": secret, **headers})
        with connection.getresponse() as reply:
            text = reply.read().decode()
            return reply.status, json.loads(text) if text.startswith(("{", "[")) else text


def test_console(console: Console) -> None:
    """
    The pages name the view of a zone; what is changed there is that zone and no other, and it is taken back there.
    """
    browser, port = Browser(console), console.server.port
    assert browser.get("/zones") == 200
    assert "corp.example..children" in browser.page and "corp.example.<" in browser.page
    path = "/zones/corp.example..children"
    assert browser.get(path) == 200
    assert "children" in browser.page
    fields = {"name": "new", "type": "TXT", "ttl": "60", "data": '"here"', "etag": ""}
    browser.get(f"{path}/edit")
    assert browser.post(f"{path}/edit", action="apply", **{**fields, "etag": browser.field("etag")}) == 303
    assert [_CHILD.text(f"{name}.corp.example.", port) for name in ("new", "who")] == ["here", "children"]
    assert [_OTHER.text(f"{name}.corp.example.", port) for name in ("new", "who")] == ["NXDOMAIN", "all"]
    assert browser.get(f"{path}/text") == 200
    text = textIn(browser)
    assert "children" in text and "here" in text
    changed = text.replace("here", "there")
    assert browser.post(f"{path}/text", action="show", text=changed, etag=browser.field("etag")) == 200
    assert len(differenceIn(browser)) == 2
    assert browser.post(f"{path}/text", action="apply", text=changed, etag=browser.field("etag")) == 303
    assert _CHILD.text("new.corp.example.", port) == "there"
    assert browser.get(f"{path}/changes?back=11") == 200
    assert browser.post(f"{path}/changes", back="11", etag=browser.field("etag")) == 303
    assert _CHILD.text("new.corp.example.", port) == "here"
    assert browser.get("/zones/corp.example/text") == 200
    assert "here" not in textIn(browser)
    browser.get(path)
    assert browser.post(path, action="freeze") == 303
    browser.get(f"{path}/edit")
    assert browser.post(f"{path}/edit", action="apply", **fields) in (412, 422)
    assert _ask(console, "POST", "/api/2/zone/thaw?name=corp.example..children")[1]["said"] == ["corp.example..children is thawed"]
    assert browser.get("/zones/corp.example..elsewhere") == 404
    for name in ("new.example..children", "new.example..elsewhere"):
        browser.get("/zones")
        assert browser.post("/zones", name=name) in (404, 422)
    assert "Traceback" not in console.twistd.text()


def test_api(console: Console) -> None:
    """
    The API names the view in the name of the zone; PowerDNS' has the zones for all only.
    """
    port = console.server.port
    for view, client, other in (("..children", _CHILD, _OTHER), ("", _OTHER, _CHILD)):
        path = f"/api/2/zones/corp.example{view}/rrsets/new{len(view)}/TXT"
        made = {"ttl": 60, "data": ['"api"']}
        code, said = _ask(console, "PUT", path, made, **{"If-None-Match": "*"})
        assert code == 200, said
        name = f"new{len(view)}.corp.example."
        assert (client.text(name, port), other.text(name, port)) == ("api", "NXDOMAIN")
        assert _ask(console, "GET", path)[1]["data"] == ['"api"']
        code, said = _ask(console, "GET", f"/api/2/zones/corp.example{view}/changes?since=10")
        assert (code, said["zone"], len(said["changes"])) == (200, f"corp.example.{view[1:]}", 1)
    for view in ("elsewhere", "children.x"):
        assert _ask(console, "GET", f"/api/2/zones/corp.example..{view}/rrsets/new/TXT")[0] == 404
    assert [zone["name"] for zone in _ask(console, "GET", "/api/v1/servers/localhost/zones")[1]].count("corp.example.") == 1
    assert _ask(console, "GET", "/api/v1/servers/localhost/zones/corp.example..children")[0] in (404, 422)
    (zone,) = _ask(console, "GET", "/api/2/zones?name=corp.example..children")[1]["zones"]
    assert (zone["zone"], zone["view"], zone["serial"]) == ("corp.example..children", "children", 11)
    served = sorted([zone["zone"] for zone in _ask(console, "GET", "/api/2/zones")[1]["zones"]])
    assert served == ["corp.example.", "corp.example..children", "example.org.", "fixed.example."]
    (line,) = _ask(console, "POST", "/api/2/zone/reload?name=corp.example..children")[1]["said"]
    assert line.startswith("view children: corp.example.: serial 11")
    for address, name in (("127.0.0.9", "children"), ("127.0.0.8", ""), ("", "")):
        said = _ask(console, "GET", f"/api/2/explain?name=who.corp.example&type=TXT&client={address}")[1]
        assert (said.get("view", ""), said["records"]) == (name, [f'who.corp.example. 300 IN TXT "{name or "all"}"']), address
    (children,) = _ask(console, "GET", "/api/2/views")[1]["views"]
    assert (children["view"], children["zones"]) == ("children", ["corp.example."])


def test_backup(console: Console) -> None:
    """
    A backup has the zones of views with what was changed in them, and is a server that answers the same.
    """
    port = console.server.port
    for view, text in (("..children", "one"), ("", "two")):
        made = {"ttl": 60, "data": [f'"{text}"']}
        assert _ask(console, "PUT", f"/api/2/zones/corp.example{view}/rrsets/new/TXT", made, **{"If-None-Match": "*"})[0] == 200
    browser = Browser(console)
    browser.get("/settings")
    members = membersOf(browser.download("/backup", keys="1"))
    console.twistd.stop()
    second = console.folder / "second"
    for name, content in members.items():
        path = second / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
    with Twistd(second, "--config", str(second / "settings.toml"), port=port) as server:
        for client, texts in ((_CHILD, ["children", "one"]), (_OTHER, ["all", "two"])):
            names = [f"{name}.corp.example." for name in ("who", "new")]
            _untilSaid(server, client, names, texts)


def _untilSaid(server: Twistd, client: Client, names: list[str], texts: list[str]) -> None:
    wait(lambda: [client.text(name, server.port) for name in names] == texts, server)
