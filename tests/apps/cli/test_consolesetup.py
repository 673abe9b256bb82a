"""
Tests of C{txdns console setup}.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.settings.tomlfile import readSettings
from twisted_ext.web.console.site.madeusers import MADE_USERS, ConsoleUsers

PASSWORD = "correct horse battery"


def run(monkeypatch: pytest.MonkeyPatch, *words: str, password: str = PASSWORD) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
    return main(["console", "setup", *words])


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    The folder gets settings that a server can use, and a user; others cannot read what is secret.
    """
    folder = tmp_path / "new" / "home"
    words = ["--user", "anna", "--port", "5300", "--upstream", "tls:192.0.2.53", "--no-start"]
    assert run(monkeypatch, str(folder), *words) == OK
    said = capsys.readouterr().out
    start = f"To start the server: twistd -n txdns --config {folder}/txdns.toml\n"
    assert said == f"The console: http://127.0.0.1:8082/, for user anna.\n{start}"
    settings = Settings(readSettings(str(folder / "txdns.toml")))
    assert (settings.port, settings.upstream, settings.console) == (5300, ("tls:192.0.2.53",), "127.0.0.1:8082")
    assert (settings.state, settings.consoleUsers) == (str(folder / "state"), "")
    users = folder / "state" / MADE_USERS
    user = ConsoleUsers("", settings.state).find("anna")
    assert user is not None and user.scope == "admin"
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"txdns.toml": 0o644, "state": 0o700}
    assert (folder.stat().st_mode & 0o777, users.stat().st_mode & 0o777) == (0o700, 0o600)
    assert PASSWORD not in said + users.read_text()


def test_forOtherMachines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    A console that other machines reach has a certificate for its address, whose fingerprint is said.
    """
    assert run(monkeypatch, str(tmp_path), "--listen", "192.0.2.1:8443", "--no-start") == OK
    said = capsys.readouterr().out
    assert "The console: https://192.0.2.1:8443/, for user admin." in said
    pem = tmp_path / "console.pem"
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    assert certificate.fingerprint(SHA256()).hex(":").upper() in said
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "192.0.2.1" in map(str, names.get_values_for_type(x509.IPAddress))
    assert pem.stat().st_mode & 0o777 == 0o600
    assert readSettings(str(tmp_path / "txdns.toml"))["console-tls"] == str(pem)


def test_itIsStarted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The server takes the place of the command.
    """
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: started.append(words))
    run(monkeypatch, str(tmp_path))
    assert started[0][-3:] == ["txdns", "--config", f"{tmp_path}/txdns.toml"]


def test_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    What is wrong is said before anything is written, and what is there stays as it is.
    """
    home = str(tmp_path / "home")
    for words, password, said in (
        ([], PASSWORD, "the folder is missing; write: "),
        ([home, "more"], PASSWORD, "there is one folder; write: "),
        ([home, "--port", "0"], PASSWORD, "--port"),
        ([home, "--listen", "nowhere"], PASSWORD, "nowhere"),
        ([home, "--listen", "0.0.0.0"], PASSWORD, "the certificate of the console is for one address"),
        ([home, "--interface", "a b"], PASSWORD, "interface"),
        ([home, "--upstream", "none:x"], PASSWORD, "upstream"),
        ([home, "--user", "a b"], PASSWORD, "a user's name is"),
        ([home, "--user", 'x"\n[[user]]'], PASSWORD, "a user's name is"),
        ([home], "short", "a password has 8 to 1024 characters"),
    ):
        assert (run(monkeypatch, *words, password=password), words) == (USAGE, words)
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error, error
    assert not os.path.exists(home)
    for name in ("txdns.toml", f"state/{MADE_USERS}", "console.pem"):
        folder = tmp_path / name.partition(".")[0].replace("/", "-")
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text("mine")
        assert run(monkeypatch, str(folder), "--no-start") == USAGE
        assert f"{folder} has a file {name}, which stays as it is" in capsys.readouterr().err
        assert [path.name for path in folder.iterdir()] == [name.partition("/")[0]] and (folder / name).read_text() == "mine"


def test_allOrNothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """
    If one file cannot be written, none is left; so the command can be given again.
    """
    real = os.open

    def full(path: str, flags: int, mode: int = 0o777) -> int:
        if path.endswith("txdns.toml"):
            raise OSError(28, "No space left on device", path)
        return real(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        assert run(patched, str(tmp_path), "--no-start") == BATCH
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert run(monkeypatch, str(tmp_path), "--no-start") == OK
