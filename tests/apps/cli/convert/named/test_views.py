"""
Tests of the conversion of named's views.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.apps.cli.convert.folders import converted, linesOf
from twisted_ext.apps.cli.convert.command import tomlOf
from twisted_ext.apps.cli.convert.converted import Converted, Severity
from twisted_ext.server.settings.tomlfile import valuesFromTOML

__all__: list[str] = []

_SAYING = (Severity.MISSING, Severity.DIFFERS, Severity.WRONG)


def _zone(name: str, file: str, more: str = "") -> str:
    return f'zone "{name}" {{ type primary; file "{file}"; {more} }};'


def _view(name: str, clients: str, *inside: str) -> str:
    return f'view "{name}" {{ match-clients {{ {clients} }}; {" ".join(inside)} }};\n'


def _converted(text: str) -> Converted:
    result = converted("named", f"options {{ allow-transfer {{ none; }}; dnssec-validation no; }};\n{text}")
    # A server would take them.
    valuesFromTOML(tomlOf(result), "")
    return result


def _said(result: Converted) -> list[str]:
    return [finding.reason for finding in result.findings if finding.severity in _SAYING]


def _tables(result: Converted, name: str) -> list[dict[str, object]]:
    found = result.values.get(name, [])
    assert isinstance(found, list)
    return found


_FORWARDING = "forwarders { 192.0.2.53; }; forward only;"
_OTHERS = "forwarders { 198.51.100.53; }; forward only;"


def test_theLastViewIsForAll() -> None:
    """
    The usual pair: those inside have zones of their own and look names up, all others get what is public. Zones that are the same are
    written once.
    """
    inside = _view("inside", "10.0.0.0/8;", _FORWARDING, _zone("a", "in"), _zone("b", "same"), _zone("c", "only"))
    result = _converted(inside + _view("outside", "any;", "recursion no;", _zone("a", "out"), _zone("b", "same")))
    assert (result.values["role"], result.values["recursive"], result.values["allow"]) == ("forward", False, ["10.0.0.0/8"])
    assert _tables(result, "view") == [
        {"name": "inside", "clients": ["10.0.0.0/8"], "recursive": True, "upstream": ["udp:192.0.2.53"]},
    ]
    assert [(table["name"], table.get("view"), table["file"]) for table in _tables(result, "zone")] == [
        ("a.", "inside", "/etc/in"), ("c.", "inside", "/etc/only"), ("a.", None, "/etc/out"), ("b.", None, "/etc/same"),
    ]  # fmt: skip
    assert _said(result) == []


def test_zonesForOneViewAreNotForAll() -> None:
    """
    If the last view has a zone that another one lacks, its zones are its own: those of all would be answered to the others as well.
    """
    result = _converted(_view("guests", "10.9.0.0/16;", _FORWARDING) + _view("staff", "any;", _FORWARDING, _zone("corp", "corp")))
    assert [(table["name"], table["clients"]) for table in _tables(result, "view")] == [("guests", ["10.9.0.0/16"]), ("staff", ["any"])]
    assert [table["view"] for table in _tables(result, "zone")] == ["staff"]
    assert result.values["recursive"] is False
    assert [table["recursive"] for table in _tables(result, "view")] == [True, True]


def test_clientsInNoViewAreRefused() -> None:
    """
    Their addresses are refused; if some of these would be in a view with a key, they are in a part that has no zones and looks nothing up.
    """
    closed = _converted(_view("one", "10.1.0.0/16;", _FORWARDING) + _view("two", "10.2.0.0/16;", _FORWARDING))
    assert (closed.values["allow"], closed.values["upstream"]) == (["10.1.0.0/16", "10.2.0.0/16"], ["udp:192.0.2.53"])
    keyed = _converted(_view("one", "10.1.0.0/16;", _FORWARDING) + _view("two", "key k;", _FORWARDING, "allow-recursion { any; };"))
    assert [table["clients"] for table in _tables(keyed, "view")] == [["10.1.0.0/16"], ["key=k"]]
    assert keyed.values["recursive"] is False
    assert keyed.values["allow"] == ["any"]


def test_keysThatChooseAmongViews() -> None:
    """
    A secondary that signs with a key of the other view is in that one, whatever its address: as BIND's documentation has it.
    """
    inside = _view("inside", "!key out; key in; 10.0.0.0/8;", "recursion no;", _zone("a", "in", "allow-transfer { key in; };"))
    outside = _view("outside", "!key in; key out; any;", "recursion no;", _zone("a", "out", "allow-transfer { key out; };"))
    result = _converted(inside + outside)
    assert [(table["name"], table["clients"]) for table in _tables(result, "view")] == [
        ("outside", ["10.0.0.0/8 key=out"]), ("inside", ["10.0.0.0/8", "key=in"]),
    ]  # fmt: skip
    assert [table.get("view") for table in _tables(result, "zone")] == ["inside", None]
    # A server of zones alone lets all in by itself.
    assert "allow" not in result.values


def test_aKeyFromAnywhere() -> None:
    """
    A client that a key puts into a view that looks names up may have any address. If nothing is looked up without a key, all may be let in.
    """
    inside = _view("inside", "key in; 10.0.0.0/8;", _FORWARDING, "allow-recursion { any; };", _zone("a", "in"))
    result = _converted(inside + _view("outside", "any;", "recursion no;", _zone("a", "out")))
    assert (result.values["allow"], result.values["recursive"]) == (["any"], False)
    assert _said(result) == ["keys are in a file of their own: in"]
    result = _converted(inside + _view("outside", "any;", _OTHERS, "allow-recursion { none; };", _zone("a", "out")))
    assert result.values["allow"] == ["any"]
    result = _converted(inside + _view("outside", "any;", _OTHERS, "allow-recursion { 192.0.2.0/24; };", _zone("a", "out")))
    assert result.values["allow"] == ["10.0.0.0/8", "192.0.2.0/24"]
    assert "refuse" not in result.values
    assert "clients that may do more than others with the same addresses are treated as these: 0.0.0.0/0, ::/0" in _said(result)


def test_aViewTwiceForTheSakeOfAKey() -> None:
    """
    If the later view is not what is for all, it is there twice: before the one that leaves clients out, and behind it.
    """
    inside = _view("inside", "!key out; 10.0.0.0/8;", "recursion no;", _zone("a", "in"))
    result = _converted(inside + _view("outside", "any;", "recursion no;", _zone("b", "out", "allow-update { key out; };")))
    assert [(table["name"], table["clients"]) for table in _tables(result, "view")] == [
        ("outside-2", ["10.0.0.0/8 key=out"]), ("inside", ["10.0.0.0/8"]), ("outside", ["any"]),
    ]  # fmt: skip
    zones = [(table["name"], table["view"]) for table in _tables(result, "zone")]
    assert zones == [("b.", "outside-2"), ("a.", "inside"), ("b.", "outside")]
    assert any("each view has a copy of the zone" in reason for reason in _said(result))


def test_aClientOutsideOfAllForItsKey() -> None:
    """
    A client that no view has because of its key could do without it; that it is in one is listed.
    """
    result = _converted(_view("inside", "!key out; 10.0.0.0/8;", "recursion no;", _zone("a", "in")))
    assert "a client that signs with out is in this view nevertheless, if its address is in it" in _said(result)


def test_zonesInOtherViews() -> None:
    """
    C{in-view} is the zone of the other view, unless that lets fewer clients query it; a view without it is listed.
    """
    limit = "allow-query { 10.1.0.0/16; };"
    first = _view("one", "10.1.0.0/16;", "recursion no;", limit, _zone("a", "a"), _zone("b", "b", limit))
    second = _view("two", "10.2.0.0/16;", "recursion no;", *[f'zone "{name}" {{ in-view "one"; }};' for name in ("a", "b", "c")])
    third = _view("three", "any;", "recursion no;", 'zone "a" { in-view "one"; };')
    result = _converted(first + second + third)
    assert [(table["name"], table.get("view")) for table in _tables(result, "zone")] == [("a.", "one"), ("b.", "one")]
    said = _said(result)
    assert sum("is left out: in the view one, only some of the clients of this view may query it" in reason for reason in said) == 3
    assert "the view one has no zone c. that is converted" in said
    # What the zone itself says comes before what its view says.
    wide = _view("one", "10.1.0.0/16;", "recursion no;", limit, _zone("a", "a", "allow-query { 10.0.0.0/8; };"), _zone("b", "b"))
    second = _view("two", "10.2.0.0/16;", "recursion no;", "allow-query { 10.2.0.0/16; };", 'zone "a" { in-view "one"; };')
    assert [(table["name"], table.get("view")) for table in _tables(_converted(wide + second), "zone")] == [
        ("b.", "one"), ("a.", None),
    ]  # fmt: skip
    open = first.replace(limit, "")
    assert [(table["name"], table.get("view")) for table in _tables(_converted(open + third), "zone")] == [
        ("b.", "one"), ("a.", None),
    ]  # fmt: skip


def test_destinations() -> None:
    """
    A view at addresses of the server has its clients at these only; networks of destinations are listed.
    """
    lab = _view("lab", "10.0.0.0/8;", "match-destinations { 192.0.2.7; 198.51.100.0/24; };", _OTHERS)
    rest = _view("all", "any;", _FORWARDING, "allow-recursion { any; };")
    result = _converted("options { listen-on { 192.0.2.7; 192.0.2.8; }; };" + lab + rest)
    assert [table["clients"] for table in _tables(result, "view")] == [["10.0.0.0/8 interface=192.0.2.7"], ["any"]]
    assert "match-destinations: 198.51.100.0/24 is not one address" in _said(result)
    # At other addresses these clients are in the other view, which may refuse them.
    rest = _view("all", "any;", _FORWARDING, "allow-recursion { any; }; allow-query { 192.0.2.0/24; };")
    assert _converted(lab + rest).values["allow"] == ["192.0.2.0/24"]


def test_someResolveAndOthersForward() -> None:
    """
    In a server that resolves from the root on, a view with forwarders has a route for all names.
    """
    result = _converted(_view("lab", "10.0.0.0/8;", _OTHERS) + _view("rest", "any;", "recursion yes; allow-recursion { any; };"))
    assert result.values["role"] == "recurse"
    assert _tables(result, "view") == [{"name": "lab", "clients": ["10.0.0.0/8"], "route": [".=udp:198.51.100.53"]}]
    assert _said(result) == []


def test_whatCannotDiffer() -> None:
    """
    Settings that are the same for all views are taken from the last one, and what others say is listed. Of lists, what all have is kept.
    """
    stub = 'zone "corp" { type static-stub; server-addresses { 192.0.2.9; }; };'
    common = 'zone "both" { type static-stub; server-addresses { 192.0.2.8; }; };'
    first = _view("one", "10.0.0.0/8;", "max-cache-size 64m; max-cache-ttl 60;", stub, common)
    result = _converted(first + _view("two", "any;", "max-cache-size 128m; allow-recursion { any; };", common))
    assert (result.values["cache-size"], result.values["stub"]) == (128 << 20, ["both.=192.0.2.8"])
    assert [table["max-ttl"] for table in _tables(result, "view")] == [60]
    assert "cache-size cannot differ between views: view one has that of two" in _said(result)
    assert "stub cannot differ between views, and others than one do not have this" in _said(result)
    # Where nothing is looked up, a cache does not matter.
    result = _converted(first + _view("two", "any;", "recursion no;"))
    assert result.values["cache-size"] == 64 << 20
    assert result.values["stub"] == ["corp.=192.0.2.9", "both.=192.0.2.8"]
    assert _said(result) == []


def test_whoMayWhatInAView() -> None:
    """
    Clients that may only query the zones of a view that looks names up are refused, which is listed. Where it looks nothing up they are let
    in.
    """
    inside = _view("inside", "10.0.0.0/8;", _FORWARDING, "allow-recursion { 10.1.0.0/16; };", _zone("a", "in"))
    result = _converted(inside + _view("outside", "192.0.2.0/24;", "recursion no;", _zone("a", "out")))
    assert (result.values["allow"], result.values["refuse"]) == (["10.1.0.0/16", "192.0.2.0/24"], ["0.0.0.0/0", "::/0"])
    text = "clients that may query the zones of their view there, but look no names up, are refused"
    assert any(text in reason for reason in _said(result))
    inside = _view("inside", "10.0.0.0/8;", "recursion no;", _zone("b", "in"))
    outside = _view("outside", "any;", _FORWARDING, "allow-recursion { 192.0.2.0/24; };", _zone("b", "out"))
    result = _converted(inside + outside)
    assert result.values["allow"] == ["10.0.0.0/8", "192.0.2.0/24"]
    assert _tables(result, "view")[0]["recursive"] is False
    assert _said(result) == []


def test_viewsThatAreNotServed() -> None:
    """
    Views of other classes are listed, and those without clients are not needed; the last one leaves nothing but what options say.
    """
    bind = 'view "bind" CH { zone "version.bind" CH { type primary; file "v"; }; };'
    result = _converted("options { listen-on { 192.0.2.7; }; };" + bind + _view("none", "none;", "recursion no;"))
    assert _said(result) == ["zones of other classes than IN are not served"]
    assert (result.values["role"], result.values["refuse"]) == ("serve", ["0.0.0.0/0", "::/0"])
    assert result.values["interface"] == ["192.0.2.7", "::"]
    result = _converted(_view("none", "none;", _OTHERS) + _view("rest", "any;", _FORWARDING))
    assert "view" not in result.values
    assert any(line.endswith("not needed: no client is in this view") for line in linesOf(result))


@pytest.mark.parametrize("inView", [False, True])
def test_theFileOfTheKeys(tmp_path: Path, inView: bool) -> None:
    """
    The keys of views are in the file of keys, which may be included in a view.
    """
    path = tmp_path / "keys"
    path.write_text('key "k" { algorithm hmac-sha256; secret "c2VjcmV0IG9mIGEga2V5LCAzMiBvY3RldHMgbG9uZyE="; };\n')
    include = f'include "{path}";'
    text = ("" if inView else include) + _view("one", "key k;", "recursion no;", include if inView else "", _zone("a", "a"))
    result = converted("named", text, {str(path): path.read_text()})
    assert result.values["key-file"] == str(path)
    assert [table["clients"] for table in _tables(result, "view")] == [["key=k"]]
