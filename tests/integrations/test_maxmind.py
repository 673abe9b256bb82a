"""
Tests of files in MaxMind's format, written by a library of another project.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest
from mmdb_writer import MMDBWriter
from twisted.logger import formatEvent, globalLogPublisher

from tests.typed import observing
from twisted_ext.errors import BadDescription, CallerFault
from twisted_ext.integrations.maxmind import Places

_SIX = 6


def write(path: Path, countries: dict[str, str], version: int = _SIX) -> None:
    """
    Write a file with the countries of networks, in the place of one that is there.
    """
    make = cast("Callable[..., MMDBWriter]", MMDBWriter)
    writer = make(version, "Test-Country", ipv4_compatible=version == _SIX)
    for network, country in countries.items():
        # A library without types.
        networks = import_module("netaddr").IPSet([network])
        writer.insert_network(networks, {"country": {"iso_code": country}, "city": {"names": {"en": "Nelson"}}})
    new = path.with_suffix(".new")
    writer.to_db_file(str(new))
    new.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "country.mmdb"
    write(made, {"192.0.2.0/24": "NZ", "2001:db8::/32": "IS"})
    return made


def test_places(path: Path) -> None:
    """
    An address is where the file says, in IPv4 and IPv6; others are nowhere.
    """
    places = Places(str(path))
    assert [places.countryOf(each) for each in ("192.0.2.7", "2001:db8::7", "198.51.100.1", "fd00::1")] == ["NZ", "IS", "", ""]
    assert places.of("192.0.2.7")["city"] == {"names": {"en": "Nelson"}}
    assert places.of("198.51.100.1") == {}
    for nonsense in ("nonsense", "2001:db8::nonsense"):
        with pytest.raises(CallerFault, match=f"'{nonsense}' does not appear to be an"):
            places.of(nonsense)
    places.close()


def test_onlyIPv4(tmp_path: Path) -> None:
    """
    A file of IPv4 has nothing of addresses of IPv6.
    """
    made = tmp_path / "country.mmdb"
    write(made, {"192.0.2.0/24": "NZ"}, 4)
    places = Places(str(made))
    assert [places.countryOf(each) for each in ("192.0.2.7", "2001:db8::7")] == ["NZ", ""]


def test_anotherFile(path: Path) -> None:
    """
    Another file in its place is used soon; one that is damaged is told, and the former one used further.
    """
    now = [0.0]
    told: list[str] = []
    observer = observing(lambda event: told.append(formatEvent(event)))
    places = Places(str(path), clock=lambda: now[0])
    write(path, {"192.0.2.0/24": "AU"})
    assert places.countryOf("192.0.2.7") == "NZ"
    now[0] = 10.0
    globalLogPublisher.addObserver(observer)
    try:
        assert places.countryOf("192.0.2.7") == "AU"
        now[0] = 20.0
        # The same file.
        assert places.countryOf("192.0.2.7") == "AU"
        # In its place, as cp does it.
        path.write_bytes(b"nothing")
        now[0] = 30.0
        assert places.countryOf("192.0.2.7") == "AU"
        path.unlink()
        now[0] = 40.0
        assert places.countryOf("192.0.2.7") == "AU"
    finally:
        globalLogPublisher.removeObserver(observer)
    assert [each.partition(str(path))[2].split(":")[0] for each in told] == [
        " has changed and is used from now on",
        " cannot be read, the former file is used further",
        " cannot be read, the former file is used further",
    ]


def test_noFile(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is missing is told in one line.
    """
    with pytest.raises(BadDescription, match=r"none\.mmdb cannot be read: "):
        Places(str(path.parent / "none.mmdb"))
    path.write_bytes(os.urandom(100))
    with pytest.raises(BadDescription, match=r"country\.mmdb cannot be read: "):
        Places(str(path))
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(BadDescription, match=r"maxminddb, which is not installed: pip install 'twisted-ext\[geo\]'"):
        Places(str(path))
