"""
No directive vanishes: what becomes no setting has a line.
"""

from __future__ import annotations

from random import Random

import pytest

from tests.apps.cli.convert.vanishing import directivesIn, vanished
from tests.live.convert.generated import dnsmasqText, namedText, unboundText

__all__: list[str] = []

_MAKE = {"dnsmasq": dnsmasqText, "unbound": unboundText, "named": namedText}


@pytest.mark.parametrize("kind", _MAKE)
def test_generatedConfigurationsLoseNothing(kind: str) -> None:
    """
    Without any one directive of a configuration, settings or lines differ, unless it says what is so anyway.
    """
    for seed in range(40):
        text = _MAKE[kind](Random(seed))
        assert vanished(kind, text) == [], text


def test_whatIsFound() -> None:
    """
    A directive that the converter passes over is found; one of two that say the same is not.
    """
    assert vanished("unbound", "server:\n val-permissive-mode: yes\nremote-control:\n") == []
    assert vanished("dnsmasq", "no-hosts\nno-hosts\n") == []
    assert vanished("unbound", "server:\n interface: ::1@53\n log-queries: maybe\n") == ["log-queries: maybe"]


@pytest.mark.parametrize(
    ("kind", "text", "found"),
    [
        ("dnsmasq", "# a\nserver=/a/192.0.2.1#53 # b\nno-hosts\n", ["server=/a/192.0.2.1#53", "no-hosts"]),
        ("unbound", "server:\n port: 53 # b\n#name: x\n", ["port: 53"]),
        (
            "named",
            'acl a { 10/8; };\noptions { recursion no; // b;\n directory "/;"; };',
            ["acl a { 10/8; };", 'options { recursion no; directory "/;"; };', "recursion no;", 'directory "/;";'],
        ),
        ("coredns", "a. {\n log # x\n forward . 192.0.2.1\n}\n", ["log", "forward . 192.0.2.1"]),
    ],
)
def test_directivesAreFound(kind: str, text: str, found: list[str]) -> None:
    """
    Comments, quotes and blocks are read as the programs do.
    """
    assert [said for _, _, said in directivesIn(kind, text)] == found
