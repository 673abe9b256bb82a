"""
Live tests of all pages of the console in a browser: screens of each size, light and dark, by the keyboard alone; and with hostile texts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.apps.browsing import Browsing
from tests.live.console.keyboards import Keyboard
from tests.live.console.test_console import PASSWORD, Browser, Console
from tests.live.console.test_settings import blocked, consoleAt
from tests.live.twistds import wait
from tests.live.zones.test_updates import found
from twisted_ext.web.console.site.madeusers import MADE_USERS
from twisted_ext.web.console.site.users import userToTOML
from twisted_ext.wire.rrtypes import A

#: All pages, with something to show.
PAGES = (
    "/",
    "/?span=hour",
    "/queries",
    "/queries?outcome=blocked",
    "/clients",
    "/clients/127.0.0.1",
    "/blocking",
    "/blocking?name=ads.example.net&client=127.0.0.1",
    "/views",
    "/views/children",
    "/names",
    "/zones",
    "/zones/example.org.",
    "/zones/example.org./edit?name=www&type=A",
    "/zones/example.org./text",
    "/zones/example.org./changes",
    "/zones/signed.example.",
    "/zones/signed.example./keys",
    "/zones/fixed.example./text",
    "/upstreams",
    "/look",
    "/look?name=www.example.org",
    "/look/chain?name=www.signed.example",
    "/settings",
    "/settings?all=1",
    "/users",
    "/users/carl",
    "/password",
    "/none",
)

#: What attackers write where a page might take it for something else than text.
HOSTILE = (
    "<script>alert(1)</script>", "</textarea><script>", '"><img src=x onerror=alert(1)>', "' onfocus=alert(1) autofocus='",
    "{{ 7919 * 7907 }}", "{% raw %}",
    "${7919*7907}", "javascript:alert(1)", "<svg/onload=alert(1)>", "&lt;script&gt;", "%3Cscript%3E", "\x00",
    "\x1b[31m", "\x7f", "\u202eabc", "\u2066x\u2069", "\ufeff", "\ud7ff", "a" * 300, ".", "..", "../../etc/passwd", "..%2f..%2f",
    "\\\\host\\share", "'; DROP TABLE query; --", "' OR 1=1 --", "%", "_", "*", "[", "\r\nSet-Cookie: a=b", "\nX: y", "//evil.example/",
    "http://evil.example/", "\\000\\255", "xn--a-0000", "é" * 100, "𝒳" * 60, "-1", "1e999",
)  # fmt: skip


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    folder = tmp_path / "console"
    folder.mkdir()
    (folder / "signed").write_text("@ 60 SOA ns1 hostmaster 1 36000 36000 604800 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\nwww 60 A 192.0.2.2\n")
    users = folder / "state" / MADE_USERS
    users.parent.mkdir()
    users.write_text(userToTOML("carl", "read", PASSWORD))
    users.chmod(0o600)
    tables = f'[[zone]]\nname = "signed.example"\nfile = "{folder}/signed"\nsign = "rolling"\n'
    policy = '[[signing-policy]]\nname = "rolling"\nkeys = "ksk+zsk"\nroll = true\nparental-agents = ["127.0.0.1:9"]\n'
    made = consoleAt(folder, tables=tables + policy)
    yield made
    made.twistd.stop()


def violations(person: Keyboard) -> object:
    """
    Return what axe finds on the page.
    """
    page = person.page
    page.value(resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8") + "; 0")
    run = "axe.run({ resultTypes: ['violations'] }).then(found => found.violations.map(each => [each.id, each.nodes[0].html]))"
    page.value(f"window.found = null; {run}.then(found => {{ window.found = found }}); 0")
    page.wait("window.found")
    return page.value("found")


@pytest.mark.parametrize(("width", "phone", "scheme"), [(375, True, "dark"), (768, False, "light"), (1280, False, "light")])
def test_inABrowser(console: Console, tmp_path: Path, width: int, phone: bool, scheme: str) -> None:
    """
    A user changes a record by the keyboard alone, on screens of each size, light and dark. On no page axe finds something, and none is
    wider than the screen, asks another host, or takes long.
    """
    pytest.importorskip("axe_core_python", reason="no axe: pip install axe-core-python")
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    with Keyboard(tmp_path / "browser", f"http://127.0.0.1:{console.port}") as person:
        page = person.page
        assert isinstance(page, Browsing)
        page.prefer(scheme)
        page.screen(width, phone=phone)
        person.signIn("anna", PASSWORD, "/zones/example.org.")
        person.click("Change www.example.org. A")
        person.write("Data, one record on each line; none removes them", "192.0.2.99")
        person.click("Show what changes")
        assert violations(person) == []
        person.click("Change it")
        wait(lambda: found(console.server, "www.example.org", A) == {"192.0.2.99"}, console.twistd)
        for path in PAGES:
            page.open(f"http://127.0.0.1:{console.port}{path}", f"location.href.endsWith({path!r}) && document.querySelector('main h1')")
            page.wait("document.readyState == 'complete'")
            assert (path, violations(person)) == (path, [])
            assert (path, page.value("document.documentElement.scrollWidth <= innerWidth")) == (path, True)
            hosts = page.value("performance.getEntriesByType('resource').map(each => new URL(each.name).host)")
            assert isinstance(hosts, list)
            assert set(hosts) <= {f"127.0.0.1:{console.port}"}
            if "/chain" in path:
                assert page.value("document.querySelector('img').naturalWidth > 300")
        page.open(f"http://127.0.0.1:{console.port}/blocking?name=none.example.net&client=127.0.0.1", "document.getElementById('decided')")
        person.click("Try blocking it on the last day")
        assert person.has("Nothing has changed yet.")
        assert violations(person) == []
        assert page.value("document.documentElement.scrollWidth <= innerWidth")
        person.begin("/")
        person.click("Sign out")
        assert person.has("Sign in")


@pytest.mark.parametrize(("width", "scheme"), [(500, "dark"), (1280, "light")])
def test_inFirefox(console: Console, tmp_path: Path, width: int, scheme: str) -> None:
    """
    In Firefox, too, axe finds nothing on any page, and none is wider than the screen: the narrowest that it makes is 500 pixels.
    """
    pytest.importorskip("axe_core_python", reason="no axe: pip install axe-core-python")
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    with Keyboard(tmp_path / "browser", f"http://127.0.0.1:{console.port}", width, scheme) as person:
        person.signIn("anna", PASSWORD)
        for path in PAGES:
            person.page.open(f"http://127.0.0.1:{console.port}{path}", "document.readyState == 'complete'")
            assert person.page.value("matchMedia('(prefers-color-scheme: dark)').matches") is (scheme == "dark")
            assert (path, violations(person)) == (path, [])
            assert (path, person.page.value("document.documentElement.scrollWidth <= innerWidth")) == (path, True)


def test_hostileTexts(console: Console) -> None:
    """
    Forty texts that attackers write, through each field of each page: they are shown as text, and each request gets a reply.
    """
    wait(lambda: blocked(console, "ads.example.net"), console.twistd)
    browser = Browser(console)
    begin = time.monotonic()
    for text in HOSTILE:
        word = quote(text, safe="")
        for path in (
            f"/?span={word}",
            f"/queries?name={word}&match=part&client={word}&outcome={word}&since={word}&until={word}&before={word}",
            f"/queries?name={word}",
            f"/clients/{word}",
            f"/blocking?name={word}&client={word}&q={word}",
            f"/names?q={word}&address={word}",
            f"/zones?q={word}&from={word}",
            f"/zones/{word}",
            f"/zones/{word}/edit",
            f"/zones/example.org./edit?name={word}&type={word}",
            f"/zones/example.org.?q={word}&from={word}",
            f"/zones/example.org./changes?back={word}",
            f"/look?name={word}&type={word}&client={word}",
            f"/look/chain?name={word}&type={word}",
            f"/views/{word}",
            f"/settings?q={word}",
            f"/static/{word}",
            f"/{word}",
        ):
            code = browser.get(path)
            assert code in (200, 303, 400, 403, 404, 405, 422, 503), (code, path)
            _expectText(browser.page, path)
        browser.get("/settings")
        for path, fields in (
            ("/settings", {"action": "block", "name": text, "view": text, "client": text, "back": text}),
            ("/settings", {"action": "add", "setting": text, "value": text, "view": text}),
            ("/settings", {"action": "off", "hook": text}),
            ("/settings", {"action": "add", "setting": "local", "name": text, "type": "TXT", "value": text}),
            ("/changes", {"entry": text}),
            ("/blocking", {"action": "pause", "view": text, "time": text}),
            ("/blocking", {"action": "fetch", "list": text}),
            ("/blocking", {"action": "list", "url": text, "name": text, "view": text, "when": text}),
            ("/blocking", {"action": "list", "names": text, "name": text}),
            ("/blocking", {"action": "list", "names": text, "name": "tried"}),
            ("/blocking", {"action": "schedule", "name": text, "days": text, "times": text}),
            ("/blocking", {"action": "search", "engine": text, "view": text}),
            ("/blocking/try", {"action": text}),
            ("/blocking/try", {"action": "add", "url": text, "token": text}),
            ("/views", {"name": text, "clients": text, "back": text}),
            ("/upstreams", {"action": "anyway", "value": text}),
            ("/settings", {"action": "add", "setting": "list", "value": text}),
            ("/settings", {"action": "remove", "setting": "list", "value": text}),
            ("/settings", {"action": "remove", "setting": "list", "value": "tried"}),
            ("/settings", {"action": "add", "setting": "time-zone", "value": text}),
            ("/zones", {"name": text, "primary": text}),
            ("/zones/example.org.", {"action": "remove", "sure": text}),
            ("/zones/example.org./edit", {"action": "show", "name": text, "type": "TXT", "ttl": text, "data": text, "etag": text}),
            ("/zones/example.org./text", {"action": "show", "text": text, "etag": text}),
            ("/zones/example.org./changes", {"back": text, "etag": text}),
            ("/look", {"name": text}),
        ):
            code = browser.fork().post(path, **fields)
            assert code in (200, 303, 400, 404, 412, 422), (code, path, text)
        for path in ("/names", "/blocking", "/views", "/zones", "/upstreams", "/settings", "/", "/queries"):
            assert browser.get(path) == 200
            _expectText(browser.page, path)
    assert "Traceback" not in console.twistd.text()
    assert time.monotonic() - begin < 300


class _Elements(HTMLParser):
    """
    Collects what a page consists of.
    """

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action")]


def _expectText(page: str, path: str) -> None:
    """
    Check that no text of a request has become a part of the page: an element, an attribute, the address of something else.
    """
    found = _Elements()
    found.feed(page)
    assert not found.tags & {"script", "img", "iframe", "object", "style", "base"}, (path, found.tags)
    assert not [name for name in found.attributes if name.startswith("on") or name == "style"], (path, found.attributes)
    assert [each for each in found.addresses if not each.startswith(("/", "?", "#")) or each.startswith("//")] == [], path
    assert ("62615533" in page, "\x1b" in page, "\x00" in page, "root:x" in page) == (False, False, False, False), path
