"""
Live tests of the console: by requests as a browser sends them, and in a browser.
"""

from __future__ import annotations

import html
import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from copy import copy
from importlib import resources
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.test_updates import ROOT, ServerAddress, ask, found, serialOf
from tests.peers import freePort
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, A

_ZONE = """
@ 3600 SOA ns1 hostmaster 10 10800 3600 604800 3600
@ 3600 NS ns1
ns1 300 A 192.0.2.1
www 300 A 192.0.2.80
"""

PASSWORD = "correct horse battery"


class Console:
    """
    A server with the console.
    """

    def __init__(self, folder: Path, isSigned: bool = False) -> None:
        """
        @param isSigned: whether the server signs the zone that is changed.
        """
        self.folder = folder
        self.port = freePort("127.0.0.1")
        self.server = ServerAddress(folder)
        with (folder / "users").open("w") as file:
            for name, scope in {"anna": "admin", "bert": "zones", "guest": "read"}.items():
                command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "console", "user", name, "--scope", scope]
                done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, input=f"{PASSWORD}\n")
                file.write(done.stdout)
        (folder / "users").chmod(0o600)
        for name in ("example.org", "fixed.example"):
            (folder / name).write_text(_ZONE)
        (folder / "settings.toml").write_text(
            f"""
role = "serve"
state = "{folder}/state"
console = "127.0.0.1:{self.port}"
console-users = "{folder}/users"
[[zone]]
name = "example.org"
file = "{folder}/example.org"
edit = ["console"]
sign = "{'default' if isSigned else 'none'}"
[[zone]]
name = "fixed.example"
file = "{folder}/fixed.example"
"""
        )
        self.twistd = Twistd(folder, "--config", str(folder / "settings.toml"), port=self.server.port)

    def begin(self) -> None:
        self.twistd.__enter__()
        wait(lambda: ask(self.server, "example.org", SOA).rcode == Rcode.NOERROR, self.twistd)


class Browser:
    """
    What a browser does, without one.

    @ivar page: the last page.
    """

    def __init__(self, console: Console, name: str = "anna", password: str = PASSWORD) -> None:
        self._console = console
        self.cookie = ""
        self.page = ""
        assert self.post("/signin", name=name, password=password, to="/") == 303

    def _ask(self, method: str, path: str, body: str = "") -> int:
        port = self._console.port
        headers = {"Cookie": self.cookie, "Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/x-www-form-urlencoded"}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request(method, path, body.encode() if body else None, headers)
        with connection.getresponse() as reply:
            self.octets = reply.read()
            self.page = self.octets.decode("utf-8", "replace")
            self.location = reply.headers.get("location", "")
            self.cookie = (reply.headers.get("set-cookie") or self.cookie).partition(";")[0]
            status = reply.status
        connection.close()
        return status

    def fork(self) -> Browser:
        """
        Return another tab, with the same session and page.
        """
        return copy(self)

    def get(self, path: str) -> int:
        return self._ask("GET", path)

    def post(self, path: str, **fields: str) -> int:
        """
        Send a form of the last page.
        """
        hidden = {name: html.unescape(value) for name, value in re.findall(r'name="(proof|loaded)" value="([^"]*)"', self.page)}
        return self._ask("POST", path, urlencode({"proof": "", **hidden, **fields}))

    def download(self, path: str, **fields: str) -> bytes:
        """
        Send a form of the last page, whose reply is a file.
        """
        assert self.post(path, **fields) == 200, self.page
        return self.octets

    def field(self, name: str) -> str:
        """
        Return the value of a field of the last page.
        """
        value = re.search(rf'name="{name}" value="([^"]*)"', self.page)
        assert value is not None, self.page
        return html.unescape(value[1])


@pytest.fixture(params=["unsigned", "signed"])
def console(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Console]:
    made = Console(tmp_path, request.param == "signed")
    made.begin()
    yield made
    made.twistd.stop()


def test_changeIsShownFirst(console: Console) -> None:
    """
    A change of records is shown with what the check says of it, and made when the user says so; what is wrong is said beside the form.
    """
    browser = Browser(console)
    assert browser.get("/zones/example.org.") == 200
    assert "192.0.2.80" in browser.page
    assert browser.get("/zones/example.org./edit?name=www.example.org.&type=A") == 200
    etag = browser.field("etag")
    change = {"name": "www.example.org.", "type": "A", "ttl": "60", "etag": etag}
    assert browser.post("/zones/example.org./edit", **change, data="192.0.2.81\r\n192.0.2.82\r\n", action="show") == 200
    assert "- www.example.org. 300 A 192.0.2.80" in browser.page
    assert "+ www.example.org. 60 A 192.0.2.82" in browser.page
    assert found(console.server, "www.example.org", A) == {"192.0.2.80"}
    assert browser.post("/zones/example.org./edit", **change, data="192.0.2.81\r\n192.0.2.82\r\n", action="apply") == 303
    assert found(console.server, "www.example.org", A) == {"192.0.2.81", "192.0.2.82"}
    assert browser.get(browser.location) == 200
    assert "It is at serial 11 now." in browser.page
    assert browser.get("/zones/example.org./edit") == 200
    mail = {"name": "@", "type": "MX", "ttl": "60", "etag": browser.field("etag")}
    assert browser.post("/zones/example.org./edit", **mail, data="10 none", action="show") == 200
    assert "What the check says of it" in browser.page
    for fields, said in (
        ({"data": "10 none none"}, "Line 1: "),
        ({"data": "10 a", "ttl": "x"}, "The TTL is a number"),
        ({"data": "10 a", "type": "NONE"}, "NONE is not a type of records"),
        ({"data": "10 a", "name": "a.example.net."}, "is not in example.org."),
        ({"data": "10 a", "name": "a..b"}, "a label is empty"),
        ({"data": "www", "name": "www", "type": "CNAME"}, "a CNAME has to be alone"),
    ):
        assert (browser.post("/zones/example.org./edit", **{**mail, **fields}, action="show"), fields) == (422, fields)
        assert said in html.unescape(browser.page)
    # Nothing in the field removes the records.
    assert browser.get("/zones/example.org./edit?name=www.example.org.&type=A") == 200
    gone = {"name": "www.example.org.", "type": "A", "ttl": "", "data": "", "etag": browser.field("etag")}
    assert browser.post("/zones/example.org./edit", **gone, action="apply") == 303
    assert ask(console.server, "www.example.org", A).rcode == Rcode.NXDOMAIN


def test_addedRecords(console: Console) -> None:
    """
    What is added to a name and type that have records stays beside these, as the form and what it shows say; so does what is written over
    the name of a form for other records. A form for these very records replaces them.
    """
    browser = Browser(console)
    assert browser.get("/zones/example.org./edit") == 200
    assert "which are added to those of the name and type" in browser.page
    fields = {"name": "www", "type": "A", "ttl": "300", "data": "192.0.2.81", "etag": browser.field("etag")}
    assert browser.post("/zones/example.org./edit", **fields, action="show") == 200
    assert "- www.example.org." not in browser.page and "+ www.example.org. 300 A 192.0.2.81" in browser.page
    assert browser.post("/zones/example.org./edit", **fields, action="apply") == 303
    assert found(console.server, "www.example.org", A) == {"192.0.2.80", "192.0.2.81"}
    assert browser.get("/zones/example.org./edit?name=ns1&type=A") == 200
    assert browser.field("loaded") == "ns1 A"
    fields = {"name": "www", "type": "A", "ttl": "300", "data": "192.0.2.1", "etag": browser.field("etag")}
    assert browser.post("/zones/example.org./edit", **fields, action="apply") == 303
    assert found(console.server, "www.example.org", A) == {"192.0.2.80", "192.0.2.81", "192.0.2.1"}
    assert browser.get("/zones/example.org./edit") == 200
    assert browser.post("/zones/example.org./edit", name="www", type="A", data="", etag=browser.field("etag"), action="apply") == 422
    assert "There is no record to add." in browser.page
    # A name that a link has without its type, or the zone itself, has no records to begin with.
    assert browser.get("/zones/example.org./edit?type=NS") == 200
    assert browser.field("loaded") == ""


def test_whatWasChanged(console: Console) -> None:
    """
    Administrators see who has changed what, and when, in words; wrong passwords of strangers do not push that out, nor does what would be
    changed.
    """
    browser, other = Browser(console), Browser(console, "bert")
    assert other.get("/zones/example.org./edit?name=www&type=A") == 200
    fields = {"name": "www", "type": "A", "ttl": "60", "data": "192.0.2.81", "etag": other.field("etag")}
    assert other.post("/zones/example.org./edit", **fields, action="show") == 200
    assert other.post("/zones/example.org./edit", **fields, action="apply") == 303
    assert browser.get("/zones/example.org.") == 200
    assert browser.post("/zones/example.org.", action="freeze") == 303
    other.get("/")
    assert other.post("/zones/example.org.", action="thaw") == 403
    for number in range(12):
        other.post("/signin", name="anna", password=f"wrong {number}")

    def rows() -> list[list[str]]:
        assert browser.get("/") == 200
        table = browser.page.partition("<h2>Changes</h2>")[2].partition("</table>")[0].partition("<tbody>")[2]
        return [[html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in table.split("</tr>")[:-1]]

    wait(lambda: len(rows()) == 3, console.twistd)
    assert [row[1:] for row in rows()] == [
        ["bert", "127.0.0.1", "tried: POST /zones/example.org.; that was refused (403)"],
        ["anna", "127.0.0.1", "froze zone example.org."],
        ["bert", "127.0.0.1", "changed www.example.org. A of zone example.org., serial 10 to 11"],
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", row[0]) for row in rows())
    log = (console.folder / "state" / "refused.jsonl").read_text()
    assert '"user": "anna"' in log and "wrong" not in log


def test_twoBrowsers(console: Console) -> None:
    """
    Of two changes of one version, the second one is not made, and its user sees both.
    """
    first, second = Browser(console), Browser(console, "bert")
    for browser in (first, second):
        assert browser.get("/zones/example.org./edit?name=www&type=A") == 200
    ours, theirs = first.field("etag"), second.field("etag")
    fields = {"name": "www", "type": "A", "ttl": "60", "action": "apply"}
    assert first.post("/zones/example.org./edit", **fields, etag=ours, data="192.0.2.81") == 303
    assert second.post("/zones/example.org./edit", **fields, etag=theirs, data="192.0.2.82") == 412
    page = html.unescape(second.page)
    assert ("The zone has changed meanwhile" in page, "60 192.0.2.81" in page, "192.0.2.82" in page) == (True, True, True)
    assert found(console.server, "www.example.org", A) == {"192.0.2.81"}
    assert second.post("/zones/example.org./edit", **fields, etag=second.field("etag"), data="192.0.2.81\n192.0.2.82") == 303
    assert found(console.server, "www.example.org", A) == {"192.0.2.81", "192.0.2.82"}
    assert serialOf(console.server) == 12


def test_zones(console: Console) -> None:
    """
    An administrator adds zones, reloads and removes them; others do not. A zone that may not be changed says why.
    """
    browser, guest = Browser(console), Browser(console, "guest")
    assert browser.get("/zones") == 200
    assert browser.post("/zones", name="new.example", primary="") == 303
    assert browser.location == "/zones/new.example."
    assert browser.get(browser.location) == 200
    assert serialOf(console.server, "new.example") == 1
    assert browser.post("/zones", name="new.example", primary="") == 422
    assert "is there already" in browser.page
    browser.get("/zones/new.example.")
    assert browser.post("/zones/new.example.", action="remove", sure="yes") == 422
    browser.get("/zones/new.example.")
    assert browser.post("/zones/new.example.", action="remove", sure="new.example.") == 303
    assert ask(console.server, "new.example", SOA).rcode == Rcode.REFUSED
    browser.get("/zones/example.org.")
    (console.folder / "example.org").write_text(_ZONE.replace(" 10 ", " 20 "))
    assert browser.post("/zones/example.org.", action="reload") == 303
    wait(lambda: serialOf(console.server) == 20, console.twistd)
    browser.get("/zones/example.org.")
    assert browser.post("/zones/example.org.", action="notify") == 303
    browser.get("/zones/example.org.")
    assert browser.post("/zones/example.org.", action="freeze") == 303
    browser.get("/zones/example.org.")
    assert "example.org. is frozen" in browser.page
    assert "/edit" not in browser.page
    fields = {"name": "www", "type": "A", "ttl": "60", "data": "192.0.2.1", "etag": "*"}
    assert browser.post("/zones/example.org./edit", action="apply", **fields) == 422
    browser.get("/zones/example.org.")
    assert browser.post("/zones/example.org.", action="thaw") == 303
    browser.get("/zones/example.org./edit?name=www&type=A")
    assert browser.post("/zones/example.org./edit", action="apply", **{**fields, "etag": browser.field("etag")}) == 303
    browser.get("/zones/fixed.example.")
    assert browser.post("/zones/fixed.example.", action="freeze") == 422
    assert browser.get("/zones/fixed.example.") == 200
    assert "set edit = [&#34;console&#34;] in its [[zone]]" in browser.page
    assert "/edit" not in browser.page
    for path, fields in (
        ("/zones", {"name": "guest.example"}),
        ("/zones/example.org.", {"action": "reload"}),
        ("/zones/example.org./edit", {"name": "www", "type": "A", "data": "192.0.2.1", "ttl": "1", "action": "apply"}),
    ):
        guest.get("/zones/example.org.")
        assert (guest.post(path, **fields), path) == (403, path)
        assert "/edit" not in guest.page
    assert [browser.get(path) for path in ("/zones/none.", "/zones/a..b", "/zones/..%2f..", "/zones?from=x", "/zones?q=fixed")] == [
        *(404, 404, 404, 200, 200)
    ]
    assert "Traceback" not in console.twistd.text()


def test_text(console: Console) -> None:
    """
    The text of a zone has what people wrote. What a signer has made in it, as in a transfer of the zone, changes nothing.
    """
    browser = Browser(console)
    assert browser.get("/zones/example.org./text") == 200
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", browser.page, re.DOTALL)
    assert area is not None
    text = html.unescape(area[1])
    assert ("RRSIG" in text, "DNSKEY" in text, "192.0.2.80" in text) == (False, False, True)
    assert browser.get("/zones/example.org.") == 200
    assert "RRSIG" not in browser.page
    isSigned = "Signatures, and what else is made by signing" in browser.page
    if isSigned:
        (folder,) = (console.folder / "state" / "signing").glob("example.org*/")
        subprocess.run(
            [sys.executable, "-m", "twisted_ext.apps.cli.main", "zone", "sign", "--keys", str(folder.parent), "--output", "signed",
             f"example.org={console.folder}/example.org"],
            cwd=console.folder, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        text = (console.folder / "signed").read_text()
        assert "RRSIG" in text
    assert browser.get("/zones/example.org./text") == 200
    etag = browser.field("etag")
    assert browser.post("/zones/example.org./text", text=text, etag=etag, action="show") == 200
    assert "<div>nothing</div>" in browser.page
    assert browser.post("/zones/example.org./text", text=f"{text}\nmore.example.org. 60 A 192.0.2.7\n", etag=etag, action="apply") == 303
    assert found(console.server, "more.example.org", A) == {"192.0.2.7"}
    assert browser.get("/zones/example.org./changes") == 200
    assert ("+ more.example.org. 60 A 192.0.2.7" in browser.page, "RRSIG" in browser.page) == (True, False)
    assert browser.get("/zones/example.org./changes?back=10") == 200
    assert browser.post("/zones/example.org./changes", back="10", etag=browser.field("etag"), action="back") == 303
    assert ask(console.server, "more.example.org", A).rcode == Rcode.NXDOMAIN
    assert "Traceback" not in console.twistd.text()


def test_hostileRecords(console: Console) -> None:
    """
    Whatever a record has is shown as text, and comes back from the form as it was.
    """
    browser = Browser(console)
    texts = [r'"</textarea><script>alert(1)</script>"', r'"\"><img src=x>"', '"{{ 7 * 7 }}"', r'"\000\027\127\226"', f'"{"x" * 255}"']
    browser.get("/zones/example.org./edit")
    fields = {"name": "t", "type": "TXT", "ttl": "60", "action": "apply"}
    assert browser.post("/zones/example.org./edit", **fields, etag=browser.field("etag"), data="\n".join(texts)) == 303
    for path in ("/zones/example.org.", "/zones/example.org./edit?name=t&type=TXT", f"/zones?q={quote('<script>')}", "/"):
        assert browser.get(path) == 200
        assert ("<script" in browser.page, "<img" in browser.page, "\x1b" in browser.page) == (False, False, False)
    browser.get("/zones/example.org./edit?name=t&type=TXT")
    area = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", browser.page, re.DOTALL)
    assert area is not None
    again = html.unescape(area[1])
    assert browser.post("/zones/example.org./edit", **{**fields, "action": "show"}, etag=browser.field("etag"), data=again) == 200
    assert "<div>nothing</div>" in browser.page


def test_largeZone(console: Console) -> None:
    """
    A zone of 20,000 records opens within a second, a hundred of them on a page; so does the first page of the console.
    """
    lines = "\n".join([f"h{number} 60 A 192.0.2.{number % 250}" for number in range(20_000)])
    (console.folder / "example.org").write_text(f"{_ZONE.replace(' 10 ', ' 30 ')}{lines}\n")
    wait(lambda: serialOf(console.server) == 30, console.twistd)
    browser = Browser(console)
    assert browser.get("/zones/example.org.?from=19900") == 200
    assert "19901 to 20000 of 20004" in browser.page
    assert browser.get("/zones/example.org.?q=h19999") == 200
    assert browser.page.count("h19999.example.org.") > 0
    assert browser.get("/") == 200
    static = resources.files("twisted_ext.web.console").joinpath("static").joinpath("console.css").read_bytes()
    assert len(browser.page) + len(static) < 80_000


def test_startup(tmp_path: Path) -> None:
    """
    A console without users, or at an address that others reach without TLS, is an error that says what to do.
    """
    made = Console(tmp_path)
    settings = tmp_path / "settings.toml"
    whole = settings.read_text()
    for text, said in (
        (whole.replace("console-users", "#console-users"), "console takes console-users"),
        (whole.replace('console = "127.0.0.1:', 'console = "0.0.0.0:'), "passwords are sent in the clear; set console-tls"),
        (whole.replace("/users", "/none"), "none"),
    ):
        settings.write_text(text)
        twistd = Twistd(tmp_path, "--config", str(settings), port=made.server.port)
        with pytest.raises(AssertionError):
            twistd.__enter__()
            wait(lambda: ask(made.server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
        assert said in twistd.text()
        twistd.stop()
