"""
Servers of ours, each in a process of its own, as primary and secondary of each other, and told of it by settings alone.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.live.servers.test_serve import put, serialOf, text
from tests.live.twistds import Twistd, exchange, wait
from tests.peers import freePort
from twisted_ext.wire.codes import Rcode

__all__: list[str] = []


def settings(folder: Path, *zone: str) -> list[str]:
    """
    @return: options that have a server read these lines as its only zone.
    """
    folder.mkdir(exist_ok=True)
    (folder / "keys").write_text('key "one.key" { algorithm hmac-sha384; secret "c2VjcmV0IG9uZQ=="; };\n')
    lines = [f'key-file = "{folder}/keys"', f'state = "{folder}/state"', "[[zone]]", 'name = "example.org"', *zone]
    (folder / "settings").write_text("\n".join([*lines, ""]))
    (folder / "state").mkdir(exist_ok=True)
    return ["serve", "--config", str(folder / "settings")]


def test_followed(tmp_path: Path) -> None:
    """
    A file that is edited at the primary is served by the secondary a moment later, and after the secondary was killed and has come back.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    path = put(first, text(1))
    ports = freePort("127.0.0.1"), freePort("127.0.0.1")
    primary = settings(first, f'file = "{path}"', 'allow-transfer = ["key=one.key"]', f'notify = ["127.0.0.1:{ports[1]} key=one.key"]')
    secondary = settings(second, f'primaries = ["127.0.0.1:{ports[0]} key=one.key"]')
    with Twistd(first, *primary, port=ports[0]) as here:
        with Twistd(second, *secondary, port=ports[1]) as there:
            wait(lambda: serialOf(there) == 1, there)
            assert there.ask("h3999.example.org") == here.ask("h3999.example.org") == ["192.0.2.249"]
            put(first, text(2, "new A 192.0.2.99\n"))
            wait(lambda: serialOf(there) == 2, there)
            assert there.ask("new.example.org") == ["192.0.2.99"]
            assert there.process is not None
            there.process.send_signal(signal.SIGKILL)
            there.process.wait()
            put(first, text(3))
            wait(lambda: serialOf(here) == 3, here)
            with Twistd(second, *secondary, port=ports[1]) as back:
                wait(lambda: serialOf(back) in (2, 3), back)
                wait(lambda: serialOf(back) == 3, back)


def test_refused(tmp_path: Path) -> None:
    """
    Without the key nothing comes, and whoever asks the secondary is told that it has nothing yet; it comes when the settings are right.
    """
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    path = put(first, text(1))
    with Twistd(first, *settings(first, f'file = "{path}"', 'allow-transfer = ["key=one.key"]')) as here:
        with Twistd(second, *settings(second, f'primaries = ["127.0.0.1:{here.port}"]')) as there:
            wait(lambda: "REFUSED" in there.text(), there)
            assert exchange(there.port, "www.example.org").rcode == Rcode.SERVFAIL
            settings(second, f'primaries = ["127.0.0.1:{here.port} key=one.key"]')
            assert there.process is not None
            there.process.send_signal(signal.SIGHUP)
            wait(lambda: serialOf(there) == 1, there)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["primaries = ['127.0.0.1 key=two.key']"], "two.key"),
        (["primaries = ['example.org']"], "primaries"),
        (["primaries = ['127.0.0.1']", "file = 'zone'"], "one or the other"),
        (["allow-transfer = ['nobody']"], "allow-transfer"),
        (["file = 'zone'", "notify = ['127.0.0.1 key=']"], "key"),
        (["allow-notify = ['127.0.0.1']"], "neither"),
    ],
)
def test_wrong(tmp_path: Path, lines: list[str], said: str) -> None:
    """
    Settings that cannot be used are told in one line, and no server starts.
    """
    with pytest.raises(AssertionError, match=said):
        with Twistd(tmp_path / "it", *settings(tmp_path / "it", *lines)):
            pass
