"""
C{AdGuardHome.yaml} may have anything in it: it is converted, or is one error.
"""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from tests.apps.cli.convert.adguard.houses import SETTINGS
from tests.apps.cli.convert.folders import converted
from twisted_ext.apps.cli.convert.adguard.keys import keysIn
from twisted_ext.apps.cli.convert.command import jsonOf, tomlOf
from twisted_ext.errors import BadDescription
from twisted_ext.server.settings.tomlfile import valuesFromTOML

pytest.importorskip("yaml")

_LAUGHS: Final = "a: &a [x, x]\n" + "".join([f"{name}: &{name} [*{last}, *{last}]\n" for last, name in ("ab", "bc", "cd", "de", "ef")])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_LAUGHS, ":1: anchors and aliases are not read; AdGuard Home writes none"),
        ("dns: &a\n  x: *a\n", ":1: anchors and aliases"),
        ("dns: *nothing\n", ":1: anchors and aliases"),
        ("<<: {a: 1}\ndns: {<<: &x {}}\n", ":2: anchors and aliases"),
        ("dns: " + "[" * 5000, "levels deep"),
        ("dns:\n" + "".join([" " * level + "a:\n" for level in range(1, 50)]), "levels deep"),
        ("dns: 1\ndns: 2\n", ":2: 'dns' is there twice"),
        ("? [a]\n: 1\n", ":1: a key has to be a text"),
        ("~: 1\n", ":1: a key has to be a text"),
        ("a: 1\n---\nb: 2\n", "more than one document"),
        ("dns: [1\n", ":2: "),
        ("\tdns: 1\n", ":1: "),
        ('dns: "\\UFFFFFFFF"\n', "first.conf"),
        ("%YAML 1." + "9" * 6000 + "\n---\na: 1\n", "first.conf"),
        ("dns: \x00\n", "special characters are not allowed"),
        ("", "this is not a table of keys"),
        ("- a\n", "this is not a table of keys"),
        ("text", "this is not a table of keys"),
    ],
)
def test_notRead(text: str, reason: str) -> None:
    """
    What AdGuard Home does not write is an error in one line, with the number of the line if there is one.
    """
    with pytest.raises(BadDescription) as raised:
        converted("adguard", text)
    assert str(raised.value).startswith("/etc/first.conf")
    assert reason in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_bounds() -> None:
    """
    The number of values and the depth are bounded.
    """
    with pytest.raises(BadDescription, match="more than 10 values"):
        keysIn("a: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n", "a.yaml", most=10)
    with pytest.raises(BadDescription, match="more than 3 levels deep"):
        keysIn("a: {b: {c: {d: 1}}}\n", "a.yaml", deepest=3)


def test_tagsMakeNothing() -> None:
    """
    Tags of Python make no objects: what they are before is a text.
    """
    text = 'dns:\n  port: !!python/object/apply:os.system ["true"]\n  bind_hosts: !!python/name:os.system [192.0.2.1]\n'
    found = converted("adguard", text)
    assert [str(each) for each in found.findings if "port" in str(each)] == ["/etc/first.conf:2: dns.port: not valid: this is not a text"]
    assert found.values["interface"] == ["192.0.2.1"]


def test_controlCharactersOfPaths() -> None:
    """
    A path with control characters makes a finding of one line.
    """
    found = converted("adguard", 'dns: {upstream_dns_file: "\\r\\u2028x"}\n')
    (line,) = [str(each) for each in found.findings if "upstream_dns_file" in str(each)]
    assert line == "/etc/first.conf:1: dns.upstream_dns_file: not valid: /etc/\\r\\u2028x: No such file or directory"


#: Tables, and keys in them.
_KEYS: Final = (
    ("dns", "bind_hosts port ratelimit upstream_dns upstream_dns_file bootstrap_dns fallback_dns upstream_mode allowed_clients "
     "blocked_hosts disallowed_clients trusted_proxies cache_size cache_ttl_min cache_optimistic cache_optimistic_max_age use_dns64 "
     "edns_client_subnet local_ptr_upstreams rewrites blocking_mode blocked_services safe_search all_servers"),
    ("tls", "enabled server_name port_https port_dns_over_tls port_dns_over_quic certificate_path private_key_path"),
    ("filtering", "rewrites blocking_mode blocking_ipv4 blocked_services safe_search filters_update_interval filtering_enabled"),
    ("clients", "persistent runtime_sources"),
    ("filters", "enabled url name"),
)  # fmt: skip
_ENTRIES: Final = ("domain", "answer", "enabled", "name", "ids", "filtering_enabled", "upstreams", "url", "google")


def _table(values: dict[str, str]) -> str:
    return f"{{{', '.join([f'{key}: {value}' for key, value in values.items()])}}}"


_VALUES: Final = some.recursive(
    some.one_of(
        some.sampled_from(
            ["", "~", "true", "false", "0", "-1", "99999999999", "1e3", "192.0.2.1", "2001:db8::1", "::1/999", "tls://", "https://[", "h3://x:y",
             "[/x/]#", "[/x/]", "[///]1.1.1.1", "sdns://AAAA", "*.x", "A", "a.example", "x y", "||x^$client=", "/(/", "$", "1.1.1.1 .. x",
             "@@||x^$dnsrewrite=", "\u2028", "x\ny", "12h", "١"]
        ),
        some.text(max_size=4),
    ).map(lambda text: '"' + "".join([f"\\U{ord(each):08x}" for each in text]) + '"'),
    lambda inner: some.one_of(
        some.lists(inner, max_size=3).map(lambda each: f"[{', '.join(each)}]"),
        some.dictionaries(some.sampled_from(_ENTRIES), inner, max_size=4).map(_table),
    ),
    max_leaves=12,
)  # fmt: skip


def _section(name: str, words: str) -> some.SearchStrategy[str]:
    table = some.dictionaries(some.sampled_from(words.split()), _VALUES, max_size=5).map(_table)
    return some.one_of(table, _VALUES).map(lambda value: f"{name}: {value}\n")


_FILES: Final = some.tuples(*[_section(*each) for each in _KEYS], _VALUES.map(lambda value: f"user_rules: {value}\n")).map("".join)


@settings(max_examples=60, deadline=None)
@given(_FILES)
def test_anyValues(text: str) -> None:
    """
    Whatever the keys have, of whichever type, becomes settings that a server takes, or findings of one line.
    """
    try:
        result = converted("adguard", text)
    except BadDescription as error:
        assert len(str(error).splitlines()) == 1
        return
    valuesFromTOML(tomlOf(result), "/etc/txdns.toml")
    jsonOf(result)
    assert all(len(str(finding).splitlines()) == 1 for finding in result.findings)


@settings(max_examples=60, deadline=None)
@given(some.sampled_from(SETTINGS.splitlines()), some.text(max_size=6))
def test_anyLine(line: str, other: str) -> None:
    """
    The same holds for a file with one line that is another.
    """
    try:
        result = converted("adguard", SETTINGS.replace(line, line[: len(line) // 2] + other))
    except BadDescription as error:
        assert len(str(error).splitlines()) == 1
        return
    valuesFromTOML(tomlOf(result), "/etc/txdns.toml")
