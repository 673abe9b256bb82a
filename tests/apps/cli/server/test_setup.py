"""
Tests of C{txdns setup}.
"""

from __future__ import annotations

import plistlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.certificates import authority, written
from twisted_ext.apps.cli.main import main

__all__: list[str] = []


def test_allSettings(capsys: pytest.CaptureFixture[str]) -> None:
    """
    Without C{--for}, the settings of all clients that can use the server are printed, each with what to do.
    """
    assert main(["setup", "-a", "192.0.2.53", "tls://dns.example"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("# iPhone, iPad, Mac (--for apple): ")
    assert "DNS=192.0.2.53#dns.example\n" in said
    assert "firefox" not in said


def test_oneClient(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    With C{--for}, only the settings themselves are printed, or written to a new file.
    """
    words = ["setup", "--for", "android", "tls://dns.example"]
    assert main(words) == 0
    assert capsys.readouterr().out == "dns.example\n"
    path = tmp_path / "name"
    assert main([*words, "-o", str(path)]) == 0
    assert path.read_text("utf-8") == "dns.example\n"
    assert main([*words, "-o", str(path)]) == 8
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"txdns setup: {path}: File exists\n"


def test_privateAuthority(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """
    The certificate given by C{--ca} becomes a part of the profile; a file without one is an error.
    """
    words = ["setup", "--for", "apple", "tls://dns.example", "--ca"]
    assert main([*words, str(written(tmp_path))]) == 0
    profile = plistlib.loads(capsys.readouterr().out.encode())
    expected = x509.load_pem_x509_certificate(authority()[0]).public_bytes(Encoding.DER)
    assert profile["PayloadContent"][1]["PayloadContent"] == expected
    for contents, wrong in ((b"", "it has 0"), (b"key", "it has 0"), (authority()[0] * 2, "it has 2")):
        path = tmp_path / "wrong.pem"
        path.write_bytes(contents)
        assert main([*words, str(path)]) == 8
        assert capsys.readouterr().err == f"txdns setup: {path}: one certificate in PEM was expected; {wrong}\n"
    assert main([*words, str(tmp_path / "absent")]) == 8
    assert "No such file" in capsys.readouterr().err


def test_code(capsys: pytest.CaptureFixture[str]) -> None:
    """
    C{--qr} prints a code to scan.
    """
    pytest.importorskip("segno")
    assert main(["setup", "--for", "android", "--qr", "tls://dns.example"]) == 0
    assert "█" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ([], "the URL of the server is missing"),
        (["dns.example"], "'dns.example' is not the URL of a server"),
        (["tls://dns.example:x"], "a port takes a number"),
        (["--for", "firefox", "tls://dns.example"], "firefox: DNS over HTTPS is needed"),
        (["--for", "phone", "tls://dns.example"], "there are no settings for 'phone'"),
        (["-a", "x", "tls://dns.example"], "'x' is not an IP address"),
        (["-o", "x", "tls://dns.example"], "-o needs --for"),
        (["--qr", "tls://dns.example"], "--qr needs --for"),
        (["--for", "apple", "--qr", "tls://dns.example"], "--qr: apple takes a file"),
        (["--for", "android", "--qr", "-o", "x", "tls://dns.example"], "leave out -o"),
    ],
)
def test_wrongUsage(words: list[str], wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Wrong usage is an error of one line.
    """
    assert main(["setup", *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert wrong in err
    assert err.startswith("txdns setup: ")
    assert err.count("\n") == 1
