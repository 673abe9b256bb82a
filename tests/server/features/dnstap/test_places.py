"""
Tests of where dnstap can be written.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.features.dnstap.places import placeIn
from twisted_ext.server.settings.plugged import allSettings

__all__: list[str] = []


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("unix:/run/dnstap.sock", ("unix", "/run/dnstap.sock", 0, "")),
        ("file:/var/log/txdns.tap", ("file", "/var/log/txdns.tap", 0, "")),
        ("tcp:192.0.2.1", ("tcp", "192.0.2.1", 6000, "192.0.2.1")),
        ("tcp:192.0.2.1:7000", ("tcp", "192.0.2.1", 7000, "192.0.2.1")),
        ("tcp:[2001:DB8::1]:7000", ("tcp", "2001:db8::1", 7000, "2001:db8::1")),
        ("tls:192.0.2.1:7000#Tap.Example", ("tls", "192.0.2.1", 7000, "tap.example")),
        ("tls:192.0.2.1", ("tls", "192.0.2.1", 6000, "192.0.2.1")),
    ],
)
def test_places(text: str, place: tuple[str, str, int, str]) -> None:
    """
    Each way has its form.
    """
    assert placeIn(text) == place


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("udp:192.0.2.1", "write unix:PATH, tcp:ADDRESS:PORT, tls:ADDRESS:PORT#NAME or file:PATH"),
        ("/run/dnstap.sock", "write unix:PATH"),
        ("unix:dnstap.sock", "comes a path"),
        ("file:", "comes a path"),
        ("unix:/" + "x" * 107, "107 octets at most"),
        ("file:/x\0y", "no octet zero"),
        ("tcp:tap.example:6000", "'tap.example' is not an address"),
        ("tcp:192.0.2.1:0", "a port takes a number from 1 to 65535"),
        ("tcp:192.0.2.1:6000#tap.example", "use tls:"),
        ("tls:192.0.2.1:6000#", "is not"),
        ("tcp:", "is not an address"),
    ],
)
def test_wrongPlaces(text: str, said: str) -> None:
    """
    What is not valid is an error that says what is.
    """
    with pytest.raises(BadDescription) as raised:
        placeIn(text)
    assert said in str(raised.value)


def test_pathsOfFilesAndSockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Paths are relative to the folder of the settings file, and without one to the working directory.
    """
    allSettings()
    declared = DECLARED.named("dnstap")
    assert declared is not None
    monkeypatch.chdir(tmp_path)
    assert declared.fromTOML(["file:log/txdns.tap", "unix:/run/tap"], "/etc/txdns") == ("file:/etc/txdns/log/txdns.tap", "unix:/run/tap")
    assert declared.kind.fromText("file:txdns.tap") == f"file:{tmp_path}/txdns.tap"
    with pytest.raises(BadDescription, match=r"write unix:PATH.*such as unix:/run/dnstap.sock|takes unix:PATH"):
        declared.fromTOML(["udp:192.0.2.1"])
    with pytest.raises(BadDescription):
        declared.fromTOML([7])
