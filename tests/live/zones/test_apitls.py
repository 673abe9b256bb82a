"""
Live tests of the API over HTTPS, and of the command that sends requests to it.
"""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.certificates import certificateFor, written
from tests.live.twistds import Twistd, wait
from tests.live.zones.test_api import Api
from tests.live.zones.test_updates import ROOT, ask, found
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.rrtypes import SOA, TXT


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    made = Api(tmp_path)
    (tmp_path / "server.pem").write_bytes(certificateFor("127.0.0.1"))
    (tmp_path / "server.pem").chmod(0o600)
    settings = tmp_path / "settings.toml"
    settings.write_text(f'api-tls = "{tmp_path}/server.pem"\n' + settings.read_text())
    made.begin()
    yield made
    made.twistd.stop()


def _certificate(api: Api, authority: Path) -> bytes:
    """
    Return the certificate that the server shows now.
    """
    trusting = ssl.create_default_context(cafile=str(authority))
    with socket.create_connection(("127.0.0.1", api.port), timeout=10) as raw:
        with trusting.wrap_socket(raw, server_hostname="127.0.0.1") as connection:
            shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def test_overHTTPS(api: Api, tmp_path: Path) -> None:
    """
    Requests are encrypted, and plain ones get nothing; a certificate that is renewed is shown to new clients. Clients that never finish a
    handshake keep nobody out.
    """
    authority = written(tmp_path)
    connection = http.client.HTTPSConnection("127.0.0.1", api.port, timeout=10, context=ssl.create_default_context(cafile=str(authority)))
    connection.request("GET", "/api/v1/servers/localhost/zones", headers={"X-API-Key": api.secrets["all"]})
    with connection.getresponse() as reply:
        assert (reply.status, b"example.org." in reply.read()) == (200, True)
    connection.close()
    with pytest.raises((OSError, http.client.HTTPException)):
        api.ask("GET", "/api")
    idle = [socket.create_connection(("127.0.0.1", api.port), timeout=10) for _ in range(20)]
    try:
        former = _certificate(api, authority)
        certificateFor.cache_clear()
        (tmp_path / "server.pem").write_bytes(certificateFor("127.0.0.1"))
        wait(lambda: _certificate(api, authority) != former, api.twistd)
    finally:
        for each in idle:
            each.close()
    assert ask(api.server, "example.org", SOA).rcode == Rcode.NOERROR


def test_neverInTheClear(tmp_path: Path) -> None:
    """
    At an address that other machines reach, the API is not served without TLS; nor with a file that has no key.
    """
    api = Api(tmp_path)
    settings = tmp_path / "settings.toml"
    whole = settings.read_text()
    (tmp_path / "empty.pem").write_text("")
    for text, said in (
        (whole.replace('api = "127.0.0.1:', 'api = "0.0.0.0:'), "tokens are sent in the clear; set api-tls"),
        (f'api-tls = "{tmp_path}/empty.pem"\n{whole}', "empty.pem"),
        (f'api-tls = "{tmp_path}/none.pem"\n{whole}', "none.pem"),
    ):
        settings.write_text(text)
        twistd = Twistd(tmp_path, "--config", str(settings), port=api.server.port)
        try:
            # It may answer for a moment, and close what was connected.
            with pytest.raises((AssertionError, OSError)):
                twistd.__enter__()
                wait(lambda: ask(api.server, "example.org", SOA).rcode == Rcode.NOERROR, twistd)
            wait(partial(_says, twistd, said))
        finally:
            twistd.stop()


def _says(twistd: Twistd, text: str) -> bool:
    return text in twistd.text()


def _run(*words: str, given: str = "") -> tuple[int, str, str]:
    """
    Return the exit code, the output and the errors of C{txdns api}.
    """
    command = [sys.executable, "-m", "twisted_ext.apps.cli.main", "api", *words]
    environment = {name: value for name, value in os.environ.items() if name != "TXDNS_API_TOKEN"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, input=given, check=False)
    return done.returncode, done.stdout, done.stderr


def _tagIn(headers: str) -> str:
    return next(line.partition(": ")[2] for line in headers.splitlines() if line.lower().startswith("etag:"))


def test_command(api: Api, tmp_path: Path) -> None:
    """
    C{txdns api} shows replies, changes records of the version that it is told, and says why something was declined.
    """
    (tmp_path / "secret").write_text(f"the secret of all, which is shown only now: {api.secrets['all']}\n")
    token = ("--token-file", str(tmp_path / "secret"))
    options = (*token, "--url", f"https://127.0.0.1:{api.port}", "--ca", str(written(tmp_path)))

    def run(*words: str, given: str = "") -> tuple[int, str, str]:
        return _run(*words, *options, given=given)

    www = "/api/2/zones/example.org/rrsets/www/A"
    (tmp_path / "new.json").write_text('{"ttl": 60, "data": ["192.0.2.81"]}')
    code, shown, said = run("get", www, "--headers")
    assert (code, '"192.0.2.80"' in shown, said.startswith("200 OK\n")) == (0, True, True)
    etag = _tagIn(said)
    code, shown, _ = run("put", www, str(tmp_path / "new.json"), "--match", etag)
    assert (code, "www.example.org. 60 A 192.0.2.81" in shown) == (0, True)
    now = _tagIn(run("get", www, "--headers")[2])
    why = f"example.org. has changed: it is at serial 11 with ETag {now}, not {etag}"
    assert run("delete", www, "--match", etag) == (2, "", f"txdns api delete: 412 Precondition Failed: {why}\n")
    code, shown, _ = run("get", "/api/2/zones/example.org/changes?since=10")
    assert (code, "www.example.org. 300 A 192.0.2.80" in shown) == (0, True)
    assert run("get", "/api/2/zones/example.org/changes?since=9")[0] == 2
    assert run("get", "/api/v1/servers/localhost/zones/example.org/export")[1].startswith("example.org.\t3600\tIN\tSOA")
    body = '{"rrsets": [{"name": "www.example.org.", "type": "A", "changetype": "DELETE"}]}'
    assert run("patch", "/api/v1/servers/localhost/zones/example.org", "-", given=body) == (0, "", "")
    plain = f"http://127.0.0.1:{api.port}"
    for given, code, text in (
        (("get",), 1, "the path is missing"),
        (("get", "a", "b", "c"), 1, "too many words"),
        (("put", www, "none.json"), 8, "none.json: No such file"),
        (("get", "/api/2/none"), 2, "404 Not Found: there is no such resource"),
    ):
        got = run(*given)
        assert (got[0], text in got[2]) == (code, True), got
    (tmp_path / "empty").touch()
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("get", "/api", "--url", "ftp://x", *token), 1, "write http://127.0.0.1:8081"),
        (("get", "/api", "--url", "http://x:y", *token), 1, "write http://127.0.0.1:8081"),
        (("get", "/api", "--url", "http://127.0.0.1:1", *token), 9, "no reply: Connection refused"),
        (("get", "/api", "--url", plain, *token), 9, "no reply"),
        (("get", "/api", "--url", plain), 1, "write --token-file FILE, or set TXDNS_API_TOKEN"),
        (("get", "/api", "--url", plain, "--token-file", str(tmp_path / "empty")), 1, "empty: has no secret"),
    ]
    for words, code, text in cases:
        got = _run(*words)
        assert (got[0], text in got[2]) == (code, True), got


def test_challenge(api: Api, tmp_path: Path) -> None:
    """
    The command for challenges finds the zone of a name, adds and removes one of several values there, and does nothing else; its token
    may do no more.
    """
    words = ["api", "token", "certs", "--scope", "zones", "--only", "challenges example.org", "--only", "challenges none.example"]
    made = subprocess.run([sys.executable, "-m", "twisted_ext.apps.cli.main", *words], cwd=ROOT, check=True, capture_output=True, text=True)
    with (tmp_path / "tokens").open("a") as file:
        file.write(made.stdout)
    (tmp_path / "secret").write_text(made.stderr)
    options = ["--url", f"https://127.0.0.1:{api.port}", "--ca", str(written(tmp_path)), "--token-file", str(tmp_path / "secret")]

    def run(*words: str) -> tuple[int, str, str]:
        return _run("challenge", *words, *options)

    hyphens = "-" + 42 * "x"
    for name in ("example.org", "*.example.org", "www.Example.org.", "_acme-challenge.deep.down.example.org"):
        for value in ("one", hyphens):
            assert run("add", name, value) == (0, "", "")
    both = {'"one"', f'"{hyphens}"'}
    assert [found(api.server, f"_acme-challenge.{each}example.org", TXT) for each in ("", "www.", "deep.down.")] == [both] * 3
    assert run("remove", "*.example.org", "one") == (0, "", "")
    assert run("remove", "www.example.org", hyphens) == (0, "", "")
    assert [found(api.server, f"_acme-challenge.{each}example.org", TXT) for each in ("", "www.")] == [{f'"{hyphens}"'}, {'"one"'}]
    # That server has no such zone; this one may not be seen.
    for name in ("none.example", "fixed.example", "org"):
        code, shown, said = run("add", name, "x")
        assert (code, shown, "has no zone for _acme-challenge." in said) == (2, "", True), said
    for given, text in (
        (("add", "example.org"), "write: txdns api challenge add|remove NAME VALUE"),
        (("put", "example.org", "x"), "write: txdns api challenge add|remove NAME VALUE"),
        (("add", "example.org", 'x"y'), "a challenge has letters"),
        (("add", f"{64 * 'x'}.example.org", "x"), "63"),
    ):
        code, shown, said = run(*given)
        assert (code, shown, text in said) == (1, "", True), said
    assert found(api.server, "_acme-challenge.example.org", TXT) == {f'"{hyphens}"'}


def test_audit(api: Api, tmp_path: Path) -> None:
    """
    An administrator reads who has changed what, the newest first.
    """
    trusting = ssl.create_default_context(cafile=str(written(tmp_path)))

    def asked(method: str, path: str, token: str) -> tuple[int, str]:
        connection = http.client.HTTPSConnection("127.0.0.1", api.port, timeout=10, context=trusting)
        connection.request(method, path, headers={"X-API-Key": api.secrets[token], "If-Match": "*"})
        with connection.getresponse() as reply:
            text = reply.read().decode()
        connection.close()
        return reply.status, text

    assert asked("DELETE", "/api/2/zones/example.org/rrsets/www/A", "all")[0] == 200
    assert asked("DELETE", "/api/2/zones/fixed.example/rrsets/www/A", "all")[0] == 409
    assert asked("GET", "/api/2/audit", "all")[0] == 403
    wait(lambda: asked("GET", "/api/2/audit", "boss")[1].count('"DELETE"') == 2, api.twistd)
    assert '"status": 409' in asked("GET", "/api/2/audit?limit=1", "boss")[1]
    assert asked("GET", "/api/2/audit?before=5", "boss")[1] == '{"entries": []}'
    assert asked("GET", "/api/2/audit?limit=x", "boss")[0] == 400
