"""
Live tests of zones that the console changes as a whole, and takes back.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.console.test_console import Browser, Console
from tests.live.twistds import addresses, wait
from tests.live.zones.test_updates import ask, serialOf
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import A


@pytest.fixture
def console(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path)
    made.begin()
    yield made
    made.twistd.stop()


def textIn(browser: Browser) -> str:
    """
    Return the text in the form of the last page.
    """
    found = re.search(r"<textarea id=\"text\".*?>\n(.*?)</textarea>", browser.page, re.DOTALL)
    assert found is not None, browser.page
    return html.unescape(found[1])


def differenceIn(browser: Browser) -> list[str]:
    """
    Return the lines of the differences that the last page shows.
    """
    return [html.unescape(each) for each in re.findall(r'<div class="(?:good|bad)">(.*?)</div>', browser.page)]


def test_text(console: Console) -> None:
    """
    A zone is changed as one text: the page shows what changes and what the check says before it is done.
    """
    browser = Browser(console, "bert")
    assert browser.get("/zones/example.org/text") == 200
    text = textIn(browser).replace("192.0.2.80", "192.0.2.81") + "new TXT hello\n"
    assert browser.post("/zones/example.org/text", action="show", text=text, etag=browser.field("etag")) == 200
    wanted = ["- www.example.org. 300 A 192.0.2.80", "+ www.example.org. 300 A 192.0.2.81", '+ new.example.org. 300 TXT "hello"']
    assert sorted(differenceIn(browser)) == sorted(wanted)
    assert serialOf(console.server) == 10
    assert browser.post("/zones/example.org/text", action="apply", text=textIn(browser), etag=browser.field("etag")) == 303
    assert (serialOf(console.server), addresses(ask(console.server, "www.example.org", A))) == (11, ["192.0.2.81"])
    browser.get("/zones/example.org/text")
    text = "".join([line for line in textIn(browser).splitlines(keepends=True) if not line.startswith("www")])
    assert browser.post("/zones/example.org/text", action="apply", text=text, etag="") == 412
    assert browser.post("/zones/example.org/text", action="apply", text=text, etag=browser.field("etag")) == 303
    assert ask(console.server, "www.example.org", A).rcode == Rcode.NXDOMAIN
    assert browser.get("/zones/example.org/file") == 200
    assert ("hello" in browser.page, "192.0.2.81" in browser.page) == (True, False)


def test_wrongText(console: Console) -> None:
    """
    What is not a valid zone is said with its line, and the text is still in the form. Nothing reads files of the server.
    """
    browser = Browser(console)
    browser.get("/zones/example.org/text")
    text, etag = textIn(browser), browser.field("etag")
    for wrong, said in (
        (text + "www2 A 300.0.0.1\n", f"Line {text.count(chr(10)) + 1}: '300.0.0.1' where an IPv4 address"),
        (text + "$INCLUDE /etc/passwd\n", "$INCLUDE is not taken here"),
        (text + "$GENERATE 1-60000 h$ A 192.0.2.1\n", "$GENERATE is not taken here"),
        ("", "not a valid zone"),
        (text + "</textarea><script>alert(1)</script>\n", "not a valid zone"),
        (text + "bidi\u202e TXT \u2066\n", ""),
        (text.replace("ns1 hostmaster", "ns1 hostmaster 1 2"), "not a valid zone"),
        ("x A 192.0.2.1\n" * 14_000, "not a valid zone"),
    ):
        assert browser.post("/zones/example.org/text", action="apply", text=wrong, etag=etag) == 422, wrong[-80:]
        assert said in html.unescape(browser.page), (said, browser.page[:2000])
        assert "<script" not in browser.page
        assert "root:" not in browser.page
        assert textIn(browser).replace("\r", "") == wrong.translate({0x202E: 0xFFFD, 0x2066: 0xFFFD})
    guest = Browser(console, "guest")
    guest.get("/zones/example.org/text")
    assert "<textarea" not in guest.page
    assert guest.post("/zones/example.org/text", action="apply", text=text, etag=etag) == 403
    browser.get("/zones")
    fixed = text.replace("example.org", "fixed.example")
    assert browser.post("/zones/fixed.example/text", action="apply", text=fixed, etag=etag) in (412, 422)
    assert serialOf(console.server) == 10
    assert "Traceback" not in console.twistd.text()


def test_two(console: Console) -> None:
    """
    Who saves a text that was made of an older version sees what others have changed since, and what the text would change.
    """
    anna, bert = Browser(console), Browser(console, "bert")
    anna.get("/zones/example.org/text")
    bert.get("/zones/example.org/text")
    theirs = textIn(bert) + "bert A 192.0.2.9\n"
    assert bert.post("/zones/example.org/text", action="apply", text=theirs, etag=bert.field("etag")) == 303
    ours = textIn(anna) + "anna A 192.0.2.8\n"
    assert anna.post("/zones/example.org/text", action="apply", text=ours, etag=anna.field("etag")) == 412
    assert differenceIn(anna) == [
        "+ bert.example.org. 300 A 192.0.2.9",
        "- bert.example.org. 300 A 192.0.2.9",
        "+ anna.example.org. 300 A 192.0.2.8",
    ]
    assert serialOf(console.server) == 11
    merged = textIn(anna) + "bert A 192.0.2.9\n"
    assert anna.post("/zones/example.org/text", action="apply", text=merged, etag=anna.field("etag")) == 303
    assert addresses(ask(console.server, "bert.example.org", A)) == ["192.0.2.9"]
    assert addresses(ask(console.server, "anna.example.org", A)) == ["192.0.2.8"]


def test_back(console: Console) -> None:
    """
    A zone goes back to the records of an earlier serial number, at a newer one: in the answers, in the SOA record, and after a restart.
    """
    browser = Browser(console)
    for number in range(3):
        browser.get("/zones/example.org/edit?name=www&type=A")
        fields = {"name": "www", "type": "A", "ttl": "60", "data": f"192.0.2.{number + 1}", "etag": browser.field("etag")}
        assert browser.post("/zones/example.org/edit", action="apply", **fields) == 303
    browser.get("/zones/example.org/edit?name=www&type=A")
    assert browser.post("/zones/example.org/edit", action="apply", name="www", type="A", data="", etag=browser.field("etag")) == 303
    browser.get("/zones/example.org/text")
    text = textIn(browser).replace("hostmaster", "someone")
    assert browser.post("/zones/example.org/text", action="apply", text=text, etag=browser.field("etag")) == 303
    assert ask(console.server, "www.example.org", A).rcode == Rcode.NXDOMAIN
    assert browser.get("/zones/example.org/changes?back=11") == 200
    assert differenceIn(browser)[0] == "+ www.example.org. 60 A 192.0.2.1"
    stale = browser.field("etag")
    assert browser.post("/zones/example.org/changes", back="11", etag=stale) == 303
    assert (addresses(ask(console.server, "www.example.org", A)), serialOf(console.server)) == (["192.0.2.1"], 16)
    browser.get("/zones/example.org/text")
    assert "hostmaster" in browser.page
    assert browser.post("/zones/example.org/changes", back="11", etag=stale) == 412
    for back in ("9", "16", "x", "", "99999999999"):
        assert (browser.post("/zones/example.org/changes", back=back, etag=stale), back) == (404, back)
    console.twistd.stop()
    console.begin()
    wait(lambda: addresses(ask(console.server, "www.example.org", A)) == ["192.0.2.1"], console.twistd)
    browser = Browser(console)
    browser.get("/zones/example.org/changes?back=10")
    assert browser.post("/zones/example.org/changes", back="10", etag=browser.field("etag")) == 303
    assert addresses(ask(console.server, "www.example.org", A)) == ["192.0.2.80"]
    assert "Traceback" not in console.twistd.text()


def test_keys(tmp_path: Path) -> None:
    """
    The page of a zone that is signed here has the DS record for the zone above, and how long the signatures are valid; another zone has
    no such page.
    """
    console = Console(tmp_path)
    settings = tmp_path / "settings.toml"
    settings.write_text(settings.read_text() + 'sign = "default"\n')
    console.begin()
    try:
        browser = Browser(console, "guest")
        wait(lambda: browser.get("/zones/fixed.example/keys") == 200, console.twistd)
        (ds,) = re.findall(r"fixed\.example\. DS (\d+) 13 2 [0-9A-F]{64}", browser.page)
        assert f'class="number">{ds}</td>' in browser.page
        assert "The first one ends at" in browser.page
        assert " days</td>" in browser.page
        browser.get("/zones/fixed.example")
        assert "/zones/fixed.example./keys" in browser.page
        assert browser.get("/zones/example.org/keys") == 404
    finally:
        console.twistd.stop()


def test_keysThatAreReplaced(tmp_path: Path) -> None:
    """
    The page says what keys do and wait for. An administrator has one replaced, and says what the parent has; others see it only.
    """
    console = Console(tmp_path)
    settings = tmp_path / "settings.toml"
    policy = 'roll = true\ndnskey-ttl = "1s"\npropagation = "0s"\nparent-propagation = "0s"\nparent-ds-ttl = "0s"\n'
    settings.write_text(f'{settings.read_text()}sign = "quick"\n[[signing-policy]]\nname = "quick"\n{policy}')
    (tmp_path / "fixed.example").write_text("@ 1 SOA ns1 host 1 3600 600 86400 1\n@ 1 NS ns1\nns1 1 A 192.0.2.1\n")
    console.begin()
    path = "/zones/fixed.example./keys"
    try:
        guest, anna = Browser(console, "guest"), Browser(console)
        wait(lambda: guest.get(path) == 200 and "omnipresent next: not all servers of the parent have it yet" in guest.page, console.twistd)
        (key,) = re.findall(r">(Kfixed[^<]+)<span", guest.page)
        assert "<button" not in guest.page.partition("What they do")[2]
        assert guest.post(path, key=key, action="roll") == 403
        assert anna.get(path) == 200
        for name, action, said in (
            (key, "withdrawn", "nothing waits for the DS record of"),
            ("Knone", "roll", "Knone is not a key that is to be in use"),
            (key, "sell", "is not done with keys; roll, published, withdrawn are"),
        ):
            assert anna.post(path, key=name, action=action) == 422
            assert said in html.unescape(anna.page)
            assert anna.get(path) == 200
        assert "The parent has its DS record" in anna.page
        assert anna.post(path, key=key, action="published") == 303
        wait(lambda: anna.get(path) == 200 and "DS omnipresent" in anna.page, console.twistd)
        assert anna.post(path, key=key, action="roll") == 303
        wait(lambda: anna.get(path) == 200 and "on its way out" in anna.page, console.twistd)
        assert len(re.findall(r">(Kfixed[^<]+)<span", anna.page)) == 2
        anna.get("/changes")
        assert "had a key of zone fixed.example. replaced" in anna.page
        assert "said that the parent of zone fixed.example. has a DS record" in anna.page
        assert "Traceback" not in console.twistd.text()
    finally:
        console.twistd.stop()
