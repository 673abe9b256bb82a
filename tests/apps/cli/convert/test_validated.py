"""
What the original validates with DNSSEC is validated by the converted settings, or a line says that it is not.

The original and the settings are each reduced to what their documentation says: which trust anchor a name is validated with. This is
done for every combination of how a name is routed, what is trusted, and what is excepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Final

import pytest

from tests.apps.cli.convert.folders import converted
from twisted_ext.apps.cli.convert.addresses import namesAbove
from twisted_ext.apps.cli.convert.converted import Converted, Severity

__all__: list[str] = []

#: The domain that is routed; the others are above it, below it and beside it.
_DOMAIN: Final = "corp.example."
_PLACES: Final = ("example.", _DOMAIN, "lab.corp.example.", "other.")
_PROBES: Final = ("other.", "example.", _DOMAIN, "www.corp.example.", "www.lab.corp.example.")

_DIGEST: Final = "1 13 2 " + "00" * 32


@dataclass(frozen=True, slots=True)
class _Original:
    """
    @ivar routing: how the domain is routed.
    @ivar forwards: whether all other names go to an upstream.
    @ivar validation: what switches validation on or off.
    @ivar anchor: a zone with a trust anchor of its own, C{""} for none.
    @ivar inFile: whether that is in a file of its own.
    @ivar exception: a domain that is excepted, C{""} for none.
    @ivar exceptionsFirst: whether it counts for more than a trust anchor of its own.
    """

    routing: str
    forwards: bool
    validation: str
    anchor: str
    inFile: bool
    exception: str
    exceptionsFirst: bool

    def anchorFor(self, name: str, root: bool) -> str:
        """
        Return the zone of the trust anchor that a name is validated with, C{""} if it is not validated.

        @param root: whether the root has one.
        """
        if self.routing in _OWN and _DOMAIN in namesAbove(name):
            return ""
        anchors = {self.anchor, "." if root else ""} - {""}
        found = next((each for each in namesAbove(name) if each in anchors or each == self.exception), "")
        return found if found in anchors and not (self.exceptionsFirst and found == self.exception) else ""


#: The ways to route a domain whose records the server has itself.
_OWN: Final = ("primary", "secondary", "auth-zone")


def _originals(routings: Iterable[str], validations: Iterable[str], exceptionsFirst: bool) -> Iterator[_Original]:
    for routing, forwards, validation, anchor, exception in product(
        routings, (False, True), validations, ("", *_PLACES), ("", *_PLACES)
    ):
        for inFile in (False, True) if anchor else (False,):
            yield _Original(routing, forwards, validation, anchor, inFile, exception, exceptionsFirst)


def _written(folder: Path, anchors: str) -> dict[str, str]:
    """
    Write a file of trust anchors: a setting takes only files that are there.

    @return: its text by its path.
    """
    path = folder / "own.key"
    path.write_text(anchors)
    return {str(path): anchors}


def _anchorHere(result: Converted, name: str, files: dict[str, str]) -> str:
    """
    Return the zone of the trust anchor that the converted settings validate a name with, C{""} if they do not.
    """
    values = result.values
    zones = values.get("zone", [])
    assert isinstance(zones, list)
    if any(str(zone["name"]) in namesAbove(name) for zone in zones):
        return ""

    def closest(paths: Iterable[str]) -> str:
        anchors = {".", *[zone for path in paths for zone in files[path].replace('"', " ").split() if zone in _PLACES]}
        return next(each for each in namesAbove(name) if each in anchors)

    routes = dict([text.split("=", 1) for text in result.texts("route")])
    route = next((routes[each] for each in namesAbove(name) if each in routes), "")
    if not route and values["role"] == "forward":
        (route,) = result.texts("upstream")
    if route and not route.startswith("validate:") or not route and not values.get("validate", True):
        return ""
    found = closest(result.texts("trust-anchor"))
    for text in result.texts("negative-trust-anchor"):
        excepted = text.partition("=")[0]
        if excepted in namesAbove(name) and found in namesAbove(excepted):
            return ""
    for text in result.texts("stub"):
        stub = text.partition("=")[0]
        if stub in namesAbove(name) and stub not in namesAbove(found):
            return ""
    return found


def _complaints(result: Converted) -> list[str]:
    """
    Return the lines that say that something is not validated as it was, or that an anchor is missing.
    """
    severe = (Severity.MISSING, Severity.DIFFERS)
    words = ("validat", "trust anchors are read from a file")
    return [str(each) for each in result.findings if each.severity in severe and any(word in each.reason for word in words)]


def _check(original: _Original, result: Converted, files: dict[str, str], root: bool) -> None:
    missed = [
        name for name in _PROBES
        if (before := original.anchorFor(name, root)) and _anchorHere(result, name, files) != before
    ]  # fmt: skip
    if missed:
        assert _complaints(result), (original, missed, result.values)
    elif not original.exception and (not original.anchor or original.inFile) and original.validation != _PERMISSIVE:
        assert not _complaints(result), (original, result.values)


# -- named

_NAMED_ZONES: Final = {
    "none": "",
    "forward": "type forward; forwarders { 192.0.2.2; };",
    "inherited": "type forward; forwarders { };",
    "stub": "type stub; primaries { 192.0.2.2; };",
    "static-stub": "type static-stub; server-addresses { 192.0.2.2; };",
    "primary": 'type primary; file "corp.db";',
    "secondary": "type secondary; primaries { 192.0.2.2; };",
}


@pytest.mark.parametrize("view", [False, True], ids=["no view", "view"])
@pytest.mark.parametrize("routing", _NAMED_ZONES)
def test_whatNamedValidatesIsValidatedOrReported(tmp_path: Path, routing: str, view: bool) -> None:
    """
    A name that named validates is validated with the same trust anchor, or a line says that it is not. Where nothing is lost, there is
    no such line.
    """
    for original in _originals([routing], ("", "auto", "yes", "true", "1", "no"), True):
        statements = []
        if original.forwards:
            statements.append("forwarders { 192.0.2.1; };")
        if original.validation:
            statements.append(f"dnssec-validation {original.validation};")
        if original.exception:
            statements.append(f'validate-except {{ "{original.exception}"; }};')
        zone = f'zone "{_DOMAIN}" {{ {_NAMED_ZONES[routing]} }};\n' if _NAMED_ZONES[routing] else ""
        trust = f'trust-anchors {{\n "{original.anchor}" static-ds {_DIGEST.replace("00" * 32, chr(34) + "00" * 32 + chr(34))};\n}};\n'
        files = _written(tmp_path, trust)
        text = "" if not original.anchor else f'include "{next(iter(files))}";\n' if original.inFile else trust
        if original.validation in ("yes", "true", "1"):
            # The root is trusted if a statement says so.
            text += 'trust-anchors { . initial-key 257 3 8 "AwEAAaz"; };\n'
        options = " ".join(statements)
        text += f'view "all" {{ {options}\n{zone} }};' if view else f"options {{ {options} }};\n{zone}"
        root = original.validation != "no"
        if not root:
            original = replace(original, validation="no", anchor="")
        _check(original, converted("named", text, files), files, root)


# -- Unbound

_UNBOUND_ZONES: Final = {
    "none": "",
    "forward-zone": f"forward-zone:\n name: {_DOMAIN}\n forward-addr: 192.0.2.2\n",
    "stub-zone": f"stub-zone:\n name: {_DOMAIN}\n stub-addr: 192.0.2.2\n",
    "stub-zone over TCP": f"stub-zone:\n name: {_DOMAIN}\n stub-addr: 192.0.2.2\n stub-tcp-upstream: yes\n",
    "auth-zone": f"auth-zone:\n name: {_DOMAIN}\n zonefile: corp.zone\n",
}

#: Answers that are bogus are given, but only those that are secure have AD: there is always a line.
_PERMISSIVE: Final = "val-permissive-mode: yes"

#: What switches the validation of Unbound on or off, and whether it is on.
_UNBOUND_MODES: Final = {
    "": True,
    "module-config: 'iterator'": False,
    "module-config: 'respip validator iterator'": True,
    _PERMISSIVE: False,
    "harden-dnssec-stripped: no": True,
}


@pytest.mark.parametrize("root", [False, True], ids=["root not trusted", "root trusted"])
@pytest.mark.parametrize("routing", _UNBOUND_ZONES)
def test_whatUnboundValidatesIsValidatedOrReported(tmp_path: Path, routing: str, root: bool) -> None:
    """
    A name that Unbound validates is validated with the same trust anchor, or a line says that it is not. Where nothing is lost, there is
    no such line.
    """
    for original in _originals([routing], _UNBOUND_MODES, False):
        lines = ["server:", original.validation]
        if root:
            lines.append("auto-trust-anchor-file: /etc/root.key")
        if original.exception:
            lines.append(f"domain-insecure: {original.exception}")
        files = _written(tmp_path, f"{original.anchor} IN DS {_DIGEST}\n")
        if original.anchor and original.inFile:
            lines.append(f"trust-anchor-file: {next(iter(files))}")
        elif original.anchor:
            lines.append(f'trust-anchor: "{original.anchor} DS {_DIGEST}"')
        text = "\n ".join(lines) + "\n" + _UNBOUND_ZONES[routing]
        if original.forwards:
            text += "forward-zone:\n name: .\n forward-addr: 192.0.2.1\n"
        files["/etc/root.key"] = ". 86400 IN DNSKEY 257 3 8 AwEAAaz\n"
        on = _UNBOUND_MODES[original.validation]
        if not on:
            original = replace(original, anchor="")
        _check(original, converted("unbound", text, files), files, root and on)


@pytest.mark.parametrize("kind", ["named", "unbound"])
def test_theLineNamesTheStub(kind: str) -> None:
    """
    The line has the place of the stub, and what to do; the conversion is incomplete.
    """
    text = {
        "named": 'zone "Corp.Example" { type static-stub; server-addresses { 192.0.2.2; }; };',
        "unbound": f"server:\n trust-anchor-file: root.key\n{_UNBOUND_ZONES['stub-zone']}",
    }[kind]
    result = converted(kind, text, {"/etc/root.key": ". IN DNSKEY 257 3 8 AwEAAaz\n"})
    (line,) = _complaints(result)
    assert "differs: names in it are not validated" in line
    assert "set trust-anchor" in line
    assert not result.complete
