"""
Browsers with secure DNS set to our server: Chromium and Firefox load a page by a name that only our server has.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.apps.browsing import browserPath, commandOf
from tests.live.encrypted.firefox import Firefox
from tests.live.encrypted.namespaces import withFiles
from tests.live.encrypted.serving import NAME, Encrypted, output
from tests.live.encrypted.websites import Website
from tests.peers import peer
from twisted_ext.server.features.base.offer import Offer
from twisted_ext.web.setup.documents import documentFor


def _trust(database: Path, authority: Path) -> None:
    """
    Make a database of NSS that trusts an authority, and no other beyond the usual ones.
    """
    certutil = peer("certutil")
    database.mkdir(parents=True)
    assert output(certutil, "-N", "-d", f"sql:{database}", "--empty-password") == ""
    assert output(certutil, "-A", "-d", f"sql:{database}", "-t", "C,,", "-n", "test", "-i", authority) == ""


def _environment(home: Path) -> dict[str, str]:
    """
    Return the environment of a browser with a home of its own, and without a desktop.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DBUS", "XDG", "DISPLAY", "WAYLAND"))}
    return {**kept, "HOME": str(home)}


def _chromium(folder: Path, authority: Path) -> list[str]:
    """
    Return the command of Chromium with a profile that trusts the authority.
    """
    _trust(folder / ".pki" / "nssdb", authority)
    (folder / "profile").mkdir()
    return [word for word in commandOf(browserPath(), folder / "profile") if not word.startswith("--host-resolver-rules")]


def chromium(folder: Path, template: str, authority: Path, page: str) -> str:
    """
    Return the document that Chromium makes of a page, with the user's own setting.
    """
    command = _chromium(folder, authority)
    (folder / "profile" / "Local State").write_text(json.dumps({"dns_over_https": {"mode": "secure", "templates": template}}))
    return output(*command, "--dump-dom", page, environment=_environment(folder))


#: The page is at a loopback address.
_LOOPBACK = {"network.trr.allow-rfc1918": True}


def firefox(folder: Path, url: str, authority: Path, page: str) -> str:
    """
    Return the text of a page in Firefox, or the error, with the user's own settings.
    """
    _trust(folder / "profile", authority)
    settings = {"network.trr.mode": 3, "network.trr.uri": url, "network.trr.custom_uri": url, **_LOOPBACK}
    with Firefox(folder / "profile", settings, _environment(folder)) as browser:
        return browser.load(page)


@pytest.mark.parametrize("template", ["/dns-query{?dns}", "/dns-query"])
def test_chromiumLoadsPageByName(server: Encrypted, website: Website, tmp_path: Path, template: str) -> None:
    """
    Chromium, which has no other DNS than ours, loads a page by name, with GET and with POST.
    """
    before = len(website.agents)
    page = website.url(f"{'get' if '?' in template else 'post'}.page.test.example")
    assert "found by its name" in chromium(tmp_path, server.url(template), server.trust.ca, page)
    assert "Chrome" in website.agents[before]
    assert server.transports(page.split("/")[2].split(":")[0]) == {"https"}


def test_chromiumChecksCertificate(server: Encrypted, website: Website, tmp_path: Path) -> None:
    """
    Chromium does not ask a server whose authority it does not trust, and loads no page.
    """
    before = len(website.agents)
    said = chromium(tmp_path, server.url("/dns-query{?dns}"), server.trust.otherCA, website.url("untrusted.page.test.example"))
    assert "found by its name" not in said
    assert len(website.agents) == before
    assert server.transports("untrusted.page.test.example") == set()


def test_firefoxLoadsPageByName(server: Encrypted, website: Website, tmp_path: Path) -> None:
    """
    Firefox, which has no other DNS than ours, loads a page by name.
    """
    before = len(website.agents)
    assert firefox(tmp_path, server.url(), server.trust.ca, website.url("firefox.page.test.example")) == "found by its name"
    assert "Firefox" in website.agents[before]
    assert server.transports("firefox.page.test.example") == {"https"}


def test_firefoxChecksCertificate(server: Encrypted, website: Website, tmp_path: Path) -> None:
    """
    Firefox does not ask a server whose authority it does not trust, and loads no page.
    """
    before = len(website.agents)
    said = firefox(tmp_path, server.url(), server.trust.otherCA, website.url("distrusted.page.test.example"))
    assert "dnsNotFound" in said
    assert len(website.agents) == before
    assert server.transports("distrusted.page.test.example") == set()


def test_chromiumTakesOurPolicy(server: Encrypted, website: Website, tmp_path: Path) -> None:
    """
    The file that C{txdns setup} writes for Chromium, where it says, makes Chromium ask our server.
    """
    shown = documentFor("chromium", Offer.of([server.url()]))
    command = [*_chromium(tmp_path, server.trust.ca), "--dump-dom", website.url("policy.page.test.example")]
    inside = withFiles(tmp_path, {shown.fileName: shown.text}, command)
    assert "found by its name" in output(*inside, environment=_environment(tmp_path))
    assert server.transports("policy.page.test.example") == {"https"}


def test_firefoxTakesOurPolicy(server: Encrypted, website: Website, tmp_path: Path) -> None:
    """
    The file that C{txdns setup} writes for Firefox, where it says, makes Firefox ask our server, whose name it does not look up.
    """
    shown = documentFor("firefox", Offer.of([server.url(host=NAME)], ["127.0.0.1"]))
    _trust(tmp_path / "profile", server.trust.ca)
    with Firefox(tmp_path / "profile", _LOOPBACK, _environment(tmp_path), {shown.fileName: shown.text}) as browser:
        assert browser.load(website.url("managed.page.test.example")) == "found by its name"
    assert server.transports("managed.page.test.example") == {"https"}
