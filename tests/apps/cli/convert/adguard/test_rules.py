"""
Tests of the rules and rewrites of AdGuard Home, as lines of a list.
"""

from __future__ import annotations

from unittest.mock import patch

import pytest

from twisted_ext.apps.cli.convert.adguard.keys import Key, Table, keysIn
from twisted_ext.apps.cli.convert.adguard.rewrites import Rules, clientsIn, convertRewrites, convertRules
from twisted_ext.apps.cli.convert.adguard.settings import clientsFrom, viewTable
from twisted_ext.apps.cli.convert.converted import Converted

pytest.importorskip("yaml")


def rules(*lines: str, **views: str) -> tuple[dict[str, object], list[str]]:
    """
    Convert rules.

    @return: the settings of their list, and the rules that have findings.
    """
    result = Converted("adguard", "a.yaml")
    found = convertRules([Key("user_rules", "a.yaml", number, line) for number, line in enumerate(lines, 1)], views, result)
    return found.table("own"), [each.place.directive for each in result.findings]


def rewrites(text: str) -> tuple[Rules, list[str]]:
    result = Converted("adguard", "a.yaml")
    entries = [line.split() for line in text.splitlines()]
    listed = "".join([f"- domain: '{domain}'\n  answer: '{answer}'\n" for domain, answer in entries])
    tables = Table(keysIn(f"rewrites:\n{listed}", "a.yaml"), result, []).tables("rewrites")
    found = Rules()
    convertRewrites(tables, found, result)
    return found, [f"{each.place.directive}: {each.severity.value}" for each in result.findings]


def test_rewriteRules() -> None:
    """
    A list with rules that rewrite answers has to permit that.
    """
    lines = ["||a.example^$dnsrewrite=192.0.2.1", "@@||b.example^$dnsrewrite"]
    assert rules(*lines) == ({"name": "own", "names": lines, "rewrite": True}, [])
    assert "rewrite" not in rules("||dnsrewrite.example^")[0]


def test_expressions() -> None:
    """
    Expressions are taken as they are; a dollar sign and a comma in one are no modifiers.
    """
    lines = ["/^ads[0-9]{1,3}$/", "@@/^good/$important", r"/\.client=x$/"]
    assert rules(*lines) == ({"name": "own", "names": lines}, [])
    assert rules("/ads(/", *lines) == ({"name": "own", "names": lines}, ["/ads(/"])


def test_expressionsWithoutTheLibrary() -> None:
    """
    Where google-re2 is missing, expressions are converted for a server that has it, and a note says so.
    """
    with patch("twisted_ext.apps.cli.convert.words.find_spec", lambda name: None):
        found, findings = rules("/ads(/")
    assert (found["names"], findings) == (["/ads(/"], ["/ads(/"])


def test_clients() -> None:
    """
    Rules for clients are for their views; those for addresses have no counterpart.
    """
    views = {"Frank's laptop": "frank-s-laptop", "TV, big": "tv-big", "Phone": "phone"}
    given = {
        r"||a.example^$client='Frank\'s laptop'": "||a.example^$client=frank-s-laptop",
        "||b.example^$important,client=~Phone|'TV, big'": "||b.example^$important,client=~phone|tv-big",
        "||c.example^$client=Phone,dnstype=AAAA": "||c.example^$client=phone,dnstype=AAAA",
        "||d.example^$client=192.168.1.7": "",
        "||e.example^$client=": "",
        "||f.example^$client=Phone|192.168.1.7": "",
    }
    result, findings = rules(*given, **views)
    assert result["names"] == [line for line in given.values() if line]
    assert findings == [rule for rule, line in given.items() if not line]
    assert clientsIn("||b.example^$client=~Phone|'TV, big'") == ["Phone", "TV, big"]


def test_rewritesAreRecords() -> None:
    """
    Without exceptions, rewrites are local records. A name with an alias has nothing else.
    """
    found, findings = rewrites("a.lan 192.0.2.1\na.lan 2001:db8::1\n*.b.lan c.example\nd.lan A\nd2.lan e.example\nd2.lan 192.0.2.1")
    assert [record for record, _ in found.records] == [
        "a.lan. A 192.0.2.1",
        "a.lan. AAAA 2001:db8::1",
        "*.b.lan. CNAME c.example.",
        "d2.lan. CNAME e.example.",
    ]
    assert (found.lines, found.rewrites) == ([], False)
    assert findings == ["d.lan A: not needed", "d2.lan 192.0.2.1: no counterpart"]


def test_exceptionsOfRewrites() -> None:
    """
    A name for which upstreams are asked although a rewrite has it is an exception in a list.
    """
    found, findings = rewrites("*.b.lan 192.0.2.1\nwww.b.lan www.b.lan\nv6.b.lan AAAA\nc.lan A\nc.lan 2001:db8::1\nd.lan 192.0.2.4")
    assert found.lines == [
        "||*.b.lan^$dnsrewrite=192.0.2.1",
        "|c.lan^$dnsrewrite=2001:db8::1,dnstype=AAAA",
        "@@|www.b.lan^$dnsrewrite",
        "@@|v6.b.lan^$dnsrewrite,dnstype=AAAA",
    ]
    assert found.rewrites
    assert [record for record, _ in found.records] == ["d.lan. A 192.0.2.4"]
    assert findings == []


@pytest.mark.parametrize("entry", ["a/b 192.0.2.1", "a.lan a/b", "a.lan fe80::1%eth0", "*.*.lan 192.0.2.1", "a..lan 192.0.2.1", "^ A"])
def test_wrongRewrites(entry: str) -> None:
    """
    What is no name and no address is a finding.
    """
    found, findings = rewrites(entry)
    assert not found.records
    assert not found.lines
    assert [each.rpartition(": ")[2] for each in findings] == ["not valid"]


def test_safeSearchOfClients() -> None:
    """
    A view says which search engines are restricted if they are others than for all.
    """
    result = Converted("adguard", "a.yaml")
    text = (
        "persistent:\n- {name: kid, ids: [192.0.2.1], filtering_enabled: true, safe_search: {enabled: true, bing: false, youtube: false}}\n"
        "- {name: old, ids: [192.0.2.2], filtering_enabled: true, safesearch_enabled: false}\n"
    )
    kid, old = clientsFrom(Table(keysIn(text, "a.yaml"), result, []).tables("persistent"), result)
    engines = ["google", "duckduckgo", "yandex", "ecosia", "pixabay"]
    assert viewTable(kid, ["ads"], [], True) == {"name": "kid", "clients": ["192.0.2.1/32"], "safe-search": engines}
    assert viewTable(old, ["ads"], [], True) == {"name": "old", "clients": ["192.0.2.2/32"]}
    assert viewTable(old, ["ads"], engines, False) == {"name": "old", "clients": ["192.0.2.2/32"], "lists": ["ads"], "safe-search": []}
