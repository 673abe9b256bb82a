"""
Tests of L{twisted_ext.apps.robot.fronts.networks}.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from twisted_ext.apps.robot.fronts.networks import NetworkSettings
from twisted_ext.errors import BadDescription

__all__: list[str] = []

_VALID = {"name": "net", "endpoint": "tls:irc.example:6697"}


def test_defaults() -> None:
    """
    A name and an endpoint are enough.
    """
    settings = NetworkSettings.fromTable(_VALID)
    assert (settings.nick, settings.channels, settings.colors) == ("txbot", (), False)


def test_secretsFromFiles(tmp_path: Path) -> None:
    """
    Secrets are read from files relative to that of the settings, and are not shown.
    """
    (tmp_path / "key").write_text("sesame\n", "utf-8")
    table = {**_VALID, "account-password": {"file": "key"}, "channels": ["#a", {"name": "#B", "key": {"file": "key"}}]}
    settings = NetworkSettings.fromTable(table, str(tmp_path))
    assert (settings.accountPassword, settings.keys) == ("sesame", {"#a": ("#a", ""), "#b": ("#B", "sesame")})
    assert repr(settings.accountPassword) == "<secret>"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "console"),
        ("name", "a/b"),
        ("endpoint", "irc.example:6697"),
        ("endpoint", "nonsense:1:2"),
        ("nick", "a b"),
        ("nick", "1a"),
        ("username", "a\nb"),
        ("channels", ["dns"]),
        ("channels", ["#a,#b"]),
        ("channels", ["#a b"]),
        ("channels", [{"name": "#a"}]),
        ("channels", [{"name": "#a", "key": "plain"}]),
        ("password", "plain"),
        ("password", {"file": "/nonexistent"}),
        ("password", {"env": "TXDNS_NOT_SET"}),
        ("password", {"file": "a", "env": "b"}),
        ("password", {"else": "a"}),
        ("sasl", "scram"),
        ("recover", "kill"),
        ("burst", 0),
        ("interval", -1),
        ("realname", "a\r\nQUIT"),
        ("nik", "txbot"),
    ],
)
def test_wrong(key: str, value: object) -> None:
    """
    Each wrong value is refused in one line that begins with the key, and that does not show a password.
    """
    with pytest.raises(BadDescription) as raised:
        NetworkSettings.fromTable({**_VALID, key: value})
    assert str(raised.value).startswith(key)
    assert "\n" not in str(raised.value)
    if key == "password":
        assert "plain" not in str(raised.value)
