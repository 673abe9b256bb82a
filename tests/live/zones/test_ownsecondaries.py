"""
Our servers, each in a process of its own, as primary and secondary of each other by settings alone.
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


def settings(folder: Path, *zone: str, name: str = "example.org") -> list[str]:
    """
    Return the options of a server whose only zone has these settings.
    """
    folder.mkdir(exist_ok=True)
    (folder / "keys").write_text('key "one.key" { algorithm hmac-sha384; secret "c2VjcmV0IG9uZQ=="; };\n')
    lines = [f'key-file = "{folder}/keys"', f'state = "{folder}/state"', "[[zone]]", f'name = "{name}"', *zone]
    (folder / "settings").write_text("\n".join([*lines, ""]))
    (folder / "state").mkdir(exist_ok=True)
    return ["serve", "--config", str(folder / "settings")]


def test_secondaryFollowsEditedFile(tmp_path: Path) -> None:
    """
    The secondary serves an edited file of the primary a moment later, also after the secondary was killed and restarted.
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


def test_transferNeedsTheKey(tmp_path: Path) -> None:
    """
    Nothing is transferred without the key, and the secondary answers SERVFAIL. The zone arrives when the settings are corrected.
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
def test_wrongSettingsPreventStart(tmp_path: Path, lines: list[str], said: str) -> None:
    """
    Wrong settings are reported in one line, and the server does not start.
    """
    with pytest.raises(AssertionError, match=said):
        with Twistd(tmp_path / "it", *settings(tmp_path / "it", *lines)):
            pass


def member(serial: int, address: str) -> str:
    """
    Return a small zone as a master file.
    """
    return f"$TTL 300\n@ SOA ns mail {serial} 5 5 86400 300\n@ NS ns\nns A 127.0.0.1\nwww A {address}\n"


def listing(serial: int, *members: str) -> str:
    """
    Return a catalog as a master file.
    """
    more = "".join([f"{line}\n" for line in members])
    return f"$TTL 0\n@ SOA invalid. invalid. {serial} 5 5 86400 60\n@ NS invalid.\nversion TXT 2\n{more}"


def test_memberZoneKeepsItsCatalog(tmp_path: Path) -> None:
    """
    A member zone stays with its catalog when another catalog lists it as well, also after a kill. It moves when its owner sets C{coo}, and
    stays there after another kill.
    """
    catalogs, ports = ("cat-a.test", "cat-b.test"), [freePort("127.0.0.1") for _ in range(3)]
    folders = [tmp_path / name for name in catalogs]
    listed = {"cat-a.test": ["one.zones PTR victim.test."], "cat-b.test": []}
    for number, (folder, name) in enumerate(zip(folders, catalogs, strict=True), 1):
        folder.mkdir()
        put(folder, listing(1, *listed[name]), name)
        put(folder, member(number, f"192.0.2.{number}"), "victim.test")
        terms = f'allow-transfer = ["127.0.0.0/8"]\nnotify = ["127.0.0.1:{ports[2]}"]\n'
        tables = [f'[[zone]]\nname = "{zone}"\nfile = "{folder / zone}"\n{terms}' for zone in (name, "victim.test")]
        (folder / "settings").write_text("".join(tables))
    there = tmp_path / "there"
    (there / "state").mkdir(parents=True)
    tables = [
        f'[[zone]]\nname = "{name}"\ncatalog = "follow"\nprimaries = ["127.0.0.1:{port}"]\n'
        for name, port in ((catalogs[1], ports[1]), (catalogs[0], ports[0]))
    ]
    (there / "settings").write_text(f'state = "{there}/state"\n' + "".join(tables))

    def primary(number: int) -> Twistd:
        return Twistd(folders[number], "serve", "--config", str(folders[number] / "settings"), port=ports[number])

    def kill(server: Twistd) -> None:
        assert server.process is not None
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()

    words = ["serve", "--config", str(there / "settings")]
    with primary(0), primary(1):
        with Twistd(there, *words, port=ports[2]) as secondary:
            wait(lambda: secondary.ask("www.victim.test") == ["192.0.2.1"], secondary)
            put(folders[1], listing(2, "one.zones PTR victim.test."), "cat-b.test")
            wait(lambda: "which does not let go of it" in secondary.text(), secondary)
            kill(secondary)
        with Twistd(there, *words, port=ports[2]) as secondary:
            wait(lambda: secondary.ask("www.victim.test") is not None and "victim.test. of catalog" in secondary.text(), secondary)
            wait(lambda: serialOf(secondary, "cat-a.test") == 1 and serialOf(secondary, "cat-b.test") == 2, secondary)
            assert secondary.ask("www.victim.test") == ["192.0.2.1"]
            wait(lambda: "add victim.test. of catalog cat-a.test." in secondary.text(), secondary)
            put(folders[0], listing(2, "one.zones PTR victim.test.", "coo.one.zones PTR cat-b.test."), "cat-a.test")
            wait(lambda: secondary.ask("www.victim.test") == ["192.0.2.2"], secondary)
            put(folders[0], listing(3, "one.zones PTR victim.test."), "cat-a.test")
            wait(lambda: serialOf(secondary, "cat-a.test") == 3, secondary)
            kill(secondary)
        with Twistd(there, *words, port=ports[2]) as secondary:
            wait(lambda: "victim.test. of catalog cat-b.test." in secondary.text(), secondary)
            wait(lambda: secondary.ask("www.victim.test") == ["192.0.2.2"], secondary)
            assert "add victim.test. of catalog cat-a.test." not in secondary.text()
