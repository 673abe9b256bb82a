"""
Tests of L{twisted_ext.apps.cli.convert.unbound.views}. Random configurations are compared with Unbound in C{tests.live.convert}.
"""

from __future__ import annotations

import pytest

from tests.apps.cli.convert.folders import converted
from twisted_ext.apps.cli.convert.converted import Converted, Severity

__all__: list[str] = []

_GLOBAL = """
server:
  access-control: 10.0.0.0/8 allow
  access-control: 10.2.0.0/16 allow
  access-control-view: 10.1.0.0/16 lab
  access-control-view: 10.0.0.0/8 office
  local-zone: "lan." static
  local-data: "nas.lan. A 192.0.2.1"
  local-zone: "ads.example." always_nxdomain
"""


def _views(text: str) -> tuple[Converted, dict[str, dict[str, object]]]:
    result = converted("unbound", text)
    tables = result.values.get("view", [])
    assert isinstance(tables, list)
    return result, {str(table["name"]): table for table in tables}


def test_longestNetworkDecides() -> None:
    """
    A client is in the view of the longest network that has it, also if that has none; networks of views have nothing in common.
    """
    _, views = _views(f"{_GLOBAL}view:\n name: lab\n local-data: 'a.lan A 192.0.2.2'\nview:\n name: office\nview:\n name: unused\n")
    assert views["lab"]["clients"] == ["10.1.0.0/16"]
    assert views["office"] == {"name": "office", "clients": views["office"]["clients"]}
    clients = views["office"]["clients"]
    assert isinstance(clients, list)
    assert {"10.128.0.0/9", "10.0.0.0/16", "10.3.0.0/16"} <= set(clients)
    assert not {"10.1.0.0/16", "10.2.0.0/16", "10.0.0.0/8"} & set(clients)
    assert "unused" not in views


def test_ownDataStandsForThatOfAll() -> None:
    """
    A view with data has this only, and the zones that Unbound has by itself.
    """
    _, views = _views(f"{_GLOBAL}view:\n name: lab\n local-data: 'a.lan A 192.0.2.2'\n local-zone: x.example always_nxdomain\n")
    lab = views["lab"]
    assert (lab["local"], lab["block"]) == (["a.lan. A 192.0.2.2"], ["x.example."])
    domains = lab["local-domain"]
    assert isinstance(domains, list)
    assert "lan." not in domains and "home.arpa." in domains


def test_viewFirst() -> None:
    """
    With view-first, what the view says nothing of is as for all; its data comes before their zones.
    """
    data = "local-data: 'a.lan A 192.0.2.2'\n local-data: 'nas.lan A 192.0.2.3'\n local-data: 'b.ads.example A 192.0.2.4'"
    _, views = _views(f"{_GLOBAL}view:\n name: lab\n view-first: yes\n {data}\n")
    lab = views["lab"]
    assert lab["local"] == ["a.lan. A 192.0.2.2", "nas.lan. A 192.0.2.3", "b.ads.example. A 192.0.2.4"]
    # As for all.
    assert "local-domain" not in lab and "block" not in lab


def test_emptyNamesAreSaid() -> None:
    """
    Of names between the data of a view, which Unbound looks up, a line names the zone for all that decides about them here.
    """
    view = "view:\n name: lab\n view-first: yes\n local-data: 'a.b.lan A 192.0.2.2'\n local-data: 'c.example A 192.0.2.3'\n"
    result, _ = _views(f"{_GLOBAL}{view}")
    finding = next(each for each in result.findings if each.severity is Severity.DIFFERS and "in view" in each.reason)
    assert finding.place.directive.startswith("local-zone: lan.")
    assert "in view lab, this zone decides about b.lan., lan. as well" in finding.reason


def test_interfaces() -> None:
    """
    The addresses of the server that lead to a view are words of its clients.
    """
    text = "server:\n interface-view: 192.0.2.5 lab\nview:\n name: lab\n local-data: 'a.lan A 192.0.2.2'\n"
    result, views = _views(text)
    assert views["lab"]["clients"] == ["interface=192.0.2.5"]
    assert not [each for each in result.findings if each.severity is Severity.DIFFERS]
    result, views = _views(text.replace("server:\n", "server:\n access-control: 10.0.0.0/8 allow\n"))
    assert [each.severity for each in result.findings if each.place.directive.startswith("interface-view")] == [Severity.DIFFERS]


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("access-control-view: 10.0.0.0/8 none", Severity.WRONG),
        ("access-control-view: ten lab", Severity.WRONG),
        ("interface-view: eth0 lab", Severity.MISSING),
    ],
)
def test_whatLeadsToNoView(line: str, severity: Severity) -> None:
    """
    What names no view, or clients that cannot be told apart, is said.
    """
    result, _ = _views(f"server:\n {line}\nview:\n name: lab\n local-data: 'a.lan A 192.0.2.2'\n")
    assert severity in [each.severity for each in result.findings if each.place.line == 2]


@pytest.mark.parametrize(("name", "expected"), [("all", "view-all"), ("two.words here", "two-words-here"), ("default", "view-default")])
def test_names(name: str, expected: str) -> None:
    """
    Names that views cannot have here are changed.
    """
    _, views = _views(f"server:\n access-control-view: 10.0.0.0/8 '{name}'\nview:\n name: '{name}'\n local-data: 'a.lan A 192.0.2.2'\n")
    assert list(views) == [expected]


def test_namesThatBecomeTheSame() -> None:
    """
    Views whose names become the same stay apart.
    """
    text = "".join(
        [
            f"server:\n access-control-view: 10.{number}.0.0/16 {name}\nview:\n name: {name}\n local-data: 'a.lan A 192.0.2.{number}'\n"
            for number, name in enumerate(("two.x", "two-x", "two/x"), 1)
        ]
    )
    _, views = _views(text)
    assert {name: each["clients"] for name, each in views.items()} == {
        "two-x": ["10.1.0.0/16"],
        "two-x-2": ["10.2.0.0/16"],
        "two-x-3": ["10.3.0.0/16"],
    }


def test_passingZonesChangeNothing() -> None:
    """
    With view-first, a zone of a view that passes names on changes nothing, and nothing is said of it.
    """
    converted, views = _views(f"{_GLOBAL}view:\n name: lab\n view-first: yes\n local-zone: x.ads.example transparent\n")
    assert views["lab"] == {"name": "lab", "clients": ["10.1.0.0/16"]}
    assert [each for each in converted.findings if each.severity is not Severity.NEEDLESS and "transparent" in each.place.directive] == []


def test_zonesForAllAreJudgedOnce() -> None:
    """
    What is said of a zone for all is not said again for each view that has it.
    """
    text = f"{_GLOBAL}  access-control-view: 10.3.0.0/16 other\n  local-zone: r.example redirect\n"
    for name in ("lab", "other"):
        text += f"view:\n name: {name}\n view-first: yes\n local-data: 'a.{name}.lan A 192.0.2.2'\n"
    converted, views = _views(text)
    assert len(views) == 2
    assert len([each for each in converted.findings if each.place.directive.startswith("local-zone: r.example")]) == 1
