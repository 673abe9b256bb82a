"""
Tests of the bounds on configurations of Unbound, BIND and CoreDNS.
"""

from __future__ import annotations

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from twisted_ext.apps.cli.convert.command import tomlOf
from twisted_ext.apps.cli.convert.limits import BLOCK_DEPTH, SNIPPETS
from twisted_ext.apps.cli.convert.words import Word, bounded, numberFrom
from twisted_ext.errors import BadDescription
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []


def test_wordsAreCounted() -> None:
    """
    A file of more words than the bound is rejected with the line of the first one too many.
    """
    words = [Word("a", "/etc/x", line) for line in range(1, 5)]
    assert list(bounded(iter(words), 4)) == words
    with pytest.raises(BadDescription, match="/etc/x:4: the file has more than 3 words"):
        list(bounded(iter(words), 3))


@pytest.mark.parametrize(("kind", "opening", "closing"), [("named", "a {", "};"), ("coredns", "a {\n", "\n}")])
def test_blocksAreNotNestedWithoutEnd(kind: str, opening: str, closing: str) -> None:
    """
    Blocks nested deeper than the bound are rejected, before the stack of the interpreter ends.
    """
    deepest = int(BLOCK_DEPTH.default)
    converted(kind, opening * deepest + closing * deepest)
    with pytest.raises(BadDescription, match="nested more than"):
        converted(kind, opening * 20_000)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("unbound", "server:\n include: first.conf\n"), ("named", "include first.conf;"), ("coredns", "import first.conf\n")],
)
def test_circlesOfIncludesEnd(kind: str, text: str) -> None:
    """
    A file that includes itself is read once, and reported.
    """
    assert sum("includes itself" in line for line in linesOf(converted(kind, text))) == 1


def test_snippetsThatImportThemselvesEnd() -> None:
    """
    A snippet knows only those before it, so it cannot contain itself.
    """
    result = converted("coredns", "(a) {\n import a\n log\n}\n. {\n import a\n}\n")
    assert result.values["query-log"] is True
    assert any("neither a snippet nor a file of this name was found" in line for line in linesOf(result))


def test_filesThatCannotBeReadAreReported() -> None:
    """
    A missing include is a finding with its line; the rest is converted.
    """
    result = converted("unbound", "server:\n include: missing.conf\n port: 5353\n")
    assert result.values["port"] == 5353
    assert any(line.startswith("/etc/first.conf:2: include: missing.conf: not valid: ") for line in linesOf(result))


#: A number that Python does not convert by default.
_LONG = "9" * 5000


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("resolved", f"[Resolve]\nStaleRetentionSec={_LONG}\nDNSStubListener=no\nDNSStubListenerExtra=127.0.0.1:{_LONG}\n"),
        ("dnsmasq", f"port={_LONG}\ncache-size={_LONG}\nserver=192.0.2.1#{_LONG}\nmx-host=a.example,b.example,{_LONG}\n"),
        ("unbound", f"server:\n port: {_LONG}\n msg-cache-size: {_LONG}m\n serve-expired-ttl: {_LONG}\n ip-ratelimit: {_LONG}\n"),
        ("named", f"options {{ max-cache-ttl {_LONG}; max-cache-size {_LONG}M; tcp-idle-timeout {_LONG}; }};"),
        (
            "named",
            'options { recursion yes; };\nzone "a.example" { type static-stub; server-names { "192.0.2.1:x"; }; };\n'
            f'zone "b.example" {{ type primary; file "b"; allow-update {{ any; }}; max-journal-size {_LONG}; }};',
        ),
        ("named", 'options { forwarders { 192.0.2.9; }; };\nzone "a.example" { type static-stub; server-names { "192.0.2.1:x"; }; };'),
        ("coredns", f"(a) {{\n cache {_LONG} {{args[{_LONG}]}}\n}}\n. {{\n import a x\n rrl {{\n slip-ratio {_LONG}\n }}\n}}\n"),
        ("coredns", f". {{\n cache {{\n success 1 {_LONG}\n serve_stale {_LONG}h\n }}\n hosts {{\n ttl {_LONG}\n }}\n}}\n"),
    ],
)
def test_longNumbersAreFindings(kind: str, text: str) -> None:
    """
    A number that is too long to convert, or none where one is expected, ends no conversion.
    """
    result = converted(kind, text)
    valuesFromTOML(tomlOf(result), "/etc/txdns.toml")
    assert result.findings


def test_longNumbersStayTooLarge() -> None:
    """
    A number keeps its value, or stays larger than any setting takes.
    """
    assert [numberFrom(text) for text in ("0", "0053", "0" * 5000 + "7", "", "-1", "1.5", "\u0661")] == [0, 53, 7, None, None, None, None]
    assert (numberFrom(_LONG) or 0) > 1 << 53


def test_snippetsOfSnippetsAreBounded() -> None:
    """
    Snippets that import others twice double with each level; further imports than the bound allows are findings.
    """
    snippets = "".join([f"(s{each}) {{\n import s{each - 1}\n import s{each - 1}\n}}\n" for each in range(1, 30)])
    result = converted("coredns", f"(s0) {{\n errors\n}}\n{snippets}. {{\n log\n import s29\n}}\n")
    assert result.values["query-log"] is True
    assert any(f"snippets make more than {int(SNIPPETS.default)} directives" in line for line in linesOf(result))


def test_snippetsDoNotNestWithoutEnd() -> None:
    """
    Snippets that put others into blocks are as deep as the blocks of one file may be.
    """
    snippets = "".join([f"(s{each}) {{\n x {{\n import s{each - 1}\n }}\n}}\n" for each in range(1, 2000)])
    result = converted("coredns", f"(s0) {{\n errors\n}}\n{snippets}. {{\n log\n import s1999\n}}\n")
    assert result.values["query-log"] is True
    assert any("with this snippet, blocks are nested more than" in line for line in linesOf(result))


@pytest.mark.parametrize("negation", ["", "!"])
def test_listsOfListsAreAddedOnce(negation: str) -> None:
    """
    Lists of clients and servers that name others twice do not double with each level.
    """
    lists = [f"acl a{each} {{ {negation}a{each - 1}; {negation}a{each - 1}; }};" for each in range(1, 29)]
    lists += [f"primaries p{each} {{ p{each - 1}; p{each - 1}; }};" for each in range(1, 29)]
    result = converted(
        "named",
        "acl a0 { 192.0.2.0/24; };\nprimaries p0 { 192.0.2.1; 192.0.2.2 port 54; };\n" + "\n".join(lists)
        + '\noptions { allow-query { a28; }; };\nzone "a.example" { type secondary; primaries { p28; }; };',
    )
    zones = result.values["zone"]
    assert isinstance(zones, list) and zones[0]["primaries"] == ["192.0.2.1", "192.0.2.2:54"]
    # An element with ! lets nobody in.
    assert result.texts("allow") == ([] if negation else ["192.0.2.0/24"])
