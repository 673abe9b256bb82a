"""
Tests of L{twisted_ext.server.config.settings}, L{twisted_ext.server.config.types} and
L{twisted_ext.server.settings.tomlfile}.
"""

from __future__ import annotations

import os
import tomllib
import typing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twisted_ext.errors import BadDescription
from twisted_ext.server.config.setting import DECLARED
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.cookies.feature import CookieSettings, secretsOf
from twisted_ext.server.features.order import ORDER
from twisted_ext.server.settings.plugged import allSettings
from twisted_ext.server.settings.tomlfile import readSettings, valuesFromTOML


def errorsIn(text: str) -> list[str]:
    """
    Return the error lines for a file with this text.
    """
    with pytest.raises(BadDescription) as caught:
        valuesFromTOML(text, "txdns.toml")
    return str(caught.value).splitlines()


def test_everySettingIsComplete() -> None:
    """
    Every setting has a valid default, a sentence of help, and an attribute of its type.
    """
    hints = typing.get_type_hints(Settings)
    for feature in ORDER:
        hints.update(typing.get_type_hints(feature.settings))
    del hints["isFirst"]
    assert set(hints) == {setting.attribute for setting in allSettings(plugins=False)}
    for setting in allSettings(plugins=False):
        assert setting.help and not setting.help.endswith("."), setting.name
        assert setting.group, setting.name
        assert setting.allowed, setting.name
        default = setting.default
        value = list(default) if isinstance(default, tuple) else default
        assert setting.fromTOML(value) == default, setting.name
        origin = typing.get_origin(hints[setting.attribute]) or hints[setting.attribute]
        assert type(default) is origin, setting.name


def test_shortOptions() -> None:
    """
    The one-letter options of C{twistd dns} keep their meaning, and no letter has two meanings.
    """
    letters = {setting.short: setting.name for setting in allSettings(plugins=False) if setting.short}
    assert letters == {"i": "interface", "p": "port", "c": "cache", "r": "recursive", "v": "verbose"}


def test_showConfigReadsBack() -> None:
    """
    The printed settings form a file that reads back as the same settings.
    """
    settings = Settings.of(
        port=5300,
        upstream=["192.0.2.1", "[2001:db8::1]:5353"],
        local=['text.lan TXT "a \\"quoted\\" text"'],
        route={"corp.example": "udp:192.0.2.53"},
        cacheSize="64M",
        stale=0,
    )
    text = settings.toTOML()
    assert tomllib.loads(text)["port"] == 5300
    again = Settings(valuesFromTOML(text, "shown"))
    assert again.differing(settings) == []
    assert again.upstream == ("udp:192.0.2.1:53", "udp:[2001:db8::1]:5353")
    assert again.route == ("corp.example.=udp:192.0.2.53",)
    assert again.cacheSize == 64 << 20


def test_jsonKeepsEverySetting() -> None:
    """
    Workers receive the same settings as their parent.
    """
    settings = Settings.of(port=5300, upstream=["192.0.2.1"], cache=False)
    assert Settings.fromJSON(settings.toJSON()).differing(settings) == []


def test_everyErrorIsReported() -> None:
    """
    A file is checked as a whole: each error has a line with the file, the line number, the key and the valid values.
    """
    lines = errorsIn(
        '# a remark\nport = 70000\nupstraem = ["192.0.2.1"]\n\nlocal = ["nonsense"]\ncache = 1\nlocal-file = "/nonexistent/local"\n'
        '[route]\n"corp.example" = "udq:192.0.2.53"\n'
    )
    assert lines[0] == "txdns.toml:2: port takes a number from 0 to 65535, not 70000"
    assert lines[1] == "txdns.toml:3: upstraem: there is no such setting; did you mean upstream?"
    assert lines[2].startswith("txdns.toml:5: local takes a record, such as")
    assert lines[3] == "txdns.toml:6: cache takes true or false, not 1"
    assert lines[4] == "txdns.toml:7: local-file takes the path of a file that can be read; /nonexistent/local: No such file or directory"
    assert lines[5].startswith("txdns.toml:8: route takes a domain and what to ask below it")
    assert "did you mean 'udp'?" in lines[5]
    assert len(lines) == 6


def test_everyZoneErrorIsReported() -> None:
    """
    Each error in each zone table is reported with the line where the table starts and the key that was probably meant.
    """
    lines = errorsIn(
        'role = "serve"\n[[zone]]\nname = "a.example"\nfille = "a"\nallow-transfer = ["anybody"]\n\n'
        '[[zone]]\nname = "b.example"\nfile = "b"\n[[ zone ]]\nfile = "c"\n'
    )
    assert lines[0] == "txdns.toml:2: zone a.example: fille: there is no such key; did you mean file?"
    assert lines[1].startswith("txdns.toml:2: zone a.example: allow-transfer takes clients: 192.0.2.0/24")
    assert lines[2] == 'txdns.toml:10: a zone has no name; write name = "example.org"'
    assert len(lines) == 3
    (line,) = errorsIn('[[zones]]\nname = "a.example"\n')
    assert line.startswith("txdns.toml:1: zones takes ") and line.endswith("; tables of zones are headed [[zone]]")
    (line,) = errorsIn('[zone]\n"example.org" = "file"\n')
    assert line == 'txdns.toml:1: a zone has no name; write name = "example.org"'
    (line,) = errorsIn('zone = ["a.example=a", "nonsense", 3]\n')[:1]
    assert line.startswith("txdns.toml:1: zone 'nonsense' is not a valid zone")


def test_manyZoneErrorsAreCutOff() -> None:
    """
    The list of errors is cut off when ten thousand zones have the same error.
    """
    lines = errorsIn("[[zone]]\nname = 'a.example'\nfille = 'a'\n" * 10_000)
    assert len(lines) < 1_000
    assert lines[1].startswith("txdns.toml:4: ") and lines[-1].endswith(" more of zones")


def test_keyInsideStringIsIgnored() -> None:
    """
    A line of a multi-line string that looks like a key does not get the error of that key.
    """
    text = 'nsid = """\nport = 1\n"""\nport = "x"\n'
    assert errorsIn(text) == [
        "txdns.toml:1: nsid takes a text; 'port = 1\\n' holds characters that cannot be printed",
        "txdns.toml:4: port takes a number from 0 to 65535, not 'x'",
    ]


def test_invalidTOMLIsLocated() -> None:
    """
    An error in the TOML syntax is reported with its line and column.
    """
    (line,) = errorsIn("port = 53\ncache = yes\n")
    assert line.startswith("txdns.toml:2:9: this is not valid TOML: ")
    (line,) = errorsIn('port = 53\nupstream = ["a"')
    assert line.startswith("txdns.toml:2: this is not valid TOML: ")


def test_unreadableFileIsAnError(tmp_path: Path) -> None:
    """
    A file that cannot be read is an error with its path, also if the path is a directory or a pipe.
    """
    with pytest.raises(BadDescription, match="absent.toml: cannot be read: No such file"):
        readSettings(str(tmp_path / "absent.toml"))
    with pytest.raises(BadDescription, match="Is a directory"):
        readSettings(str(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadDescription, match="a file was expected"):
        readSettings(str(tmp_path / "pipe"))
    (tmp_path / "latin").write_bytes(b"port = 53\nnsid = '\xe4'\n")
    with pytest.raises(BadDescription, match="latin:2: this is not valid UTF-8"):
        readSettings(str(tmp_path / "latin"))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("port", True, "takes a number from 0 to 65535, not True"),
        ("hedge", float("nan"), "takes a number of seconds from 0 to 60, not nan"),
        ("cache-size", "12X", "takes a number of octets from 65536 to 68719476736, also as 64K, 64M or 1G, not '12X'"),
        ("allow", ["192.0.2.1/24"], "takes an address with or without"),
        ("allow", 5, "takes a list, each an address with"),
        ("interface", ["eth0:1"], "'eth0:1' is not an IP address"),
        ("interface", ["192.0.2.300"], "the name of an interface, such as eth0, or nothing for all addresses; '192.0.2.300' is not"),
        ("rebinding-allow", ["a..b"], "takes a domain name"),
        ("block", ["a..b"], "'a..b' is not a domain name"),
        ("block", ["."], "'.' is not a domain name"),
        ("block", ["*"], "'*' is for all names"),
        ("block", [""], "'' is not a domain; other rules belong into a list"),
        ("block", ["zip"], "'zip' is a top-level domain; write *.zip to block all of it"),
        ("block", ["192.0.2.1"], "'192.0.2.1' is an address, not a domain"),
        ("block", ["|ads.example^"], "is not a domain; other rules belong into a list: write names = [...] in a table headed [[list]]"),
        ("block", ["@@||ads.example^"], "is not a domain; other rules belong into a list"),
        ("block", ["0.0.0.0 ads.example"], "is not a domain; other rules belong into a list"),
        ("block", ["/ads/"], "is not a domain; other rules belong into a list"),
        ("block-except", ["*"], "'*' is for all names"),
        ("block-except", ["file:"], "takes a domain, or file: and the path of a file with domains"),
        ("block-list", ["https://lists.example/ads"], "is a URL; give the list a name: --list ads=https://lists.example/ads --lists ads"),
        ("block-except", ["file:https://lists.example/ads"], "is a URL; give the list a name"),
        ("block-reply", "refused", "takes nxdomain, null, or an address, such as 192.0.2.1 or 192.0.2.1,2001:db8::1; 'refused' is not an"),
        ("http", "example.org:80", "'example.org' is not an IP address"),
        ("hosts-file", 3, "takes a list, each the path of a file that can be read, not 3"),
    ],
)
def test_invalidValueIsRefused(name: str, value: object, said: str) -> None:
    """
    The error for an invalid value says what would be valid.
    """
    setting = DECLARED.named(name)
    assert setting is not None
    with pytest.raises(BadDescription) as caught:
        setting.fromTOML(value, "/etc/txdns")
    assert said in str(caught.value)


def test_filesOfExceptionsAreRelative() -> None:
    """
    The path of a file of exceptions is relative to the folder of the settings, a domain is not.
    """
    values = valuesFromTOML('block-list = "ads"\nblock-except = ["file:good", "file:/etc/fine", "good.example"]\n', "/etc/txdns/f.toml")
    assert values["block-list"] == ("/etc/txdns/ads",)
    assert values["block-except"] == ("file:/etc/txdns/good", "file:/etc/fine", "good.example.")


def test_ofNamesInvalidSetting() -> None:
    """
    C{Settings.of} names the setting that is invalid or unknown.
    """
    with pytest.raises(BadDescription, match="cacheSize takes a number of octets"):
        Settings.of(cacheSize=1)
    with pytest.raises(BadDescription, match="no setting 'prot'"):
        Settings.of(prot=1)


def test_upstreamMayBeBareAddress() -> None:
    """
    An upstream may be written as an address without a transport.
    """
    assert Settings.of(upstream="2001:db8::1").upstream == ("udp:[2001:db8::1]:53",)
    assert Settings.of(upstream=["threaded", "192.0.2.1:5353"]).upstream == ("threaded", "udp:192.0.2.1:5353")


def test_invalidSecretIsNotQuoted(tmp_path: Path) -> None:
    """
    A secret is 32 hexadecimal digits; the error for anything else does not quote it.
    """
    path = tmp_path / "secret"
    path.write_text("445536bcd2513298075a5d379663c962\n")
    assert Settings.of(cookieSecret=str(path))[CookieSettings].cookieSecret == str(path)
    path.write_text("44" * 16 + "\n" + "55" * 16 + "\n\n")
    assert secretsOf(Settings.of(cookieSecret=str(path))) == (b"\x44" * 16, b"\x55" * 16)
    assert secretsOf(Settings()) == ()
    for wrong in ("", "44" * 15, "\n".join(["44" * 16] * 5), "44" * 16 + " # old"):
        path.write_text(wrong)
        with pytest.raises(BadDescription):
            Settings.of(cookieSecret=str(path))
    path.write_text("hunter2")
    with pytest.raises(BadDescription) as caught:
        Settings.of(cookieSecret=str(path))
    assert "32 hexadecimal digits on each of one to 4 lines" in str(caught.value) and "hunter2" not in str(caught.value)


@given(st.text(max_size=200))
def test_anyTextParsesOrIsReported(text: str) -> None:
    """
    Any text gives settings or error lines that start with the file's name.
    """
    try:
        valuesFromTOML(text, "f.toml")
    except BadDescription as fault:
        assert all(line.startswith("f.toml:") for line in str(fault).split("\n"))
