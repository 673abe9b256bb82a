"""
Whole servers with zones over TLS, in two workers, and the commands for them: C{txdns transfer}, C{update}, C{notify} and C{query}.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.certificates import authority
from tests.live.twistds import Twistd, wait
from tests.live.zones.encrypting import CLIENT, Files
from tests.live.zones.replicating import ADDRESS, KEY, SECRET
from tests.live.zones.test_updates import ZONE
from tests.peers import freePort
from tests.server.zones.transfer.overtls import NAME, clientPEM

__all__: list[str] = []

_SIGNED = f"hmac-sha256:{KEY}:{SECRET}"


def txdns(*words: str, text: str = "") -> tuple[int, str, str]:
    """
    Run the command. Return its exit code, its output and its errors.
    """
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", *words]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def settings(folder: Path, files: Files, port: int) -> list[str]:
    """
    Return the options for a primary whose zone is transferred over TLS to clients with the right certificate.
    """
    (folder / "zone").write_text(ZONE)
    (folder / "keys").write_text(f'key "{KEY}" {{ algorithm hmac-sha256; secret "{SECRET}"; }};\n')
    (folder / "keys").chmod(0o600)
    (folder / "state").mkdir()
    lines = [
        f'key-file = "{folder}/keys"',
        f'state = "{folder}/state"',
        "workers = 2",
        f'tls = ["{ADDRESS}:{port}"]',
        f'certificate = ["{files.server}"]',
        f'client-ca = "{files.ca}"',
        "[[zone]]",
        'name = "example.org"',
        f'file = "{folder}/zone"',
        f'update = ["key {KEY} zone ANY"]',
        f'allow-transfer = ["certificate={CLIENT}"]',
        "encrypted-transfers = true",
    ]
    (folder / "settings").write_text("\n".join([*lines, ""]))
    return ["serve", "--config", str(folder / "settings")]


def test_commandsOverTLS(tmp_path: Path) -> None:
    """
    A zone is changed and transferred over TLS. Clients without the certificate, with another one, or in the clear are refused; each failure
    is one line, on both sides.
    """
    files = Files(tmp_path)
    other = tmp_path / "other.pem"
    other.write_bytes(clientPEM(CLIENT, usage=False))
    port = freePort(ADDRESS)
    url = f"@tls://{ADDRESS}:{port}#{NAME}"
    trusted = [url, "--tls-ca", files.ca]
    with Twistd(tmp_path, *settings(tmp_path, files, port)) as server:
        wait(lambda: server.ask("mail.example.org"), server)
        code, _, error = txdns("update", *trusted, "-y", _SIGNED, text="update add new.example.org 60 A 192.0.2.9\nsend\n")
        assert (code, error) == (0, ""), (error, server.text())
        code, out, error = txdns("transfer", "example.org", *trusted, "--tls-cert", files.client)
        assert code == 0 and "new.example.org.\t60\tIN\tA\t192.0.2.9\n" in out, (error, server.text())
        for words, said in (
            (trusted, "REFUSED"),
            ([f"@{ADDRESS}:{server.port}"], "REFUSED"),
            ([*trusted, "--tls-cert", str(other)], "it rejected the client's certificate"),
            ([f"@tls://{ADDRESS}:{port}#ns9.example", "--tls-ca", files.ca], "'ns9.example'"),
        ):
            code, out, error = txdns("transfer", "example.org", *words)
            assert code in (2, 9) and out == "" and said in error and error.count("\n") == 1, (words, error)
        log = server.text()
        assert "its certificate is not for clients" in log
        assert "this zone is transferred over TLS 1.3 only" in log or "is refused to 127.0.0.1" in log
        code, _, error = txdns("update", url, "-y", _SIGNED, text="update add x.example.org 60 A 192.0.2.9\nsend\n")
        assert code == 9 and "cannot be reached over TLS" in error and error.count("\n") == 1
        code, _, error = txdns("notify", "example.org", *trusted)
        assert code == 2 and "NOTAUTH" in error


def test_secondariesFollowOverTLS(tmp_path: Path) -> None:
    """
    A second server follows the first one over TLS, given in the settings with a path beside them.
    """
    files = Files(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "ca.pem").write_bytes(authority()[0])
    port = freePort(ADDRESS)
    with Twistd(tmp_path / "one", *settings(tmp_path / "one", files, port)) as primary:
        wait(lambda: primary.ask("mail.example.org"), primary)
        lines = [
            f'state = "{tmp_path}/two/state"',
            "[[zone]]",
            'name = "example.org"',
            f'primaries = ["tls://{ADDRESS}:{port}#{NAME} ca=ca.pem certificate={files.client}"]',
            "encrypted-transfers = true",
        ]
        (tmp_path / "two" / "settings").write_text("\n".join([*lines, ""]))
        with Twistd(tmp_path / "two", "serve", "--config", str(tmp_path / "two" / "settings")) as secondary:
            wait(lambda: secondary.ask("mail.example.org"), secondary)
