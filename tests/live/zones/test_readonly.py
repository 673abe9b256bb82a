"""
Live test of a server whose state folder has become read-only, as on a disk that fails: in a mount namespace of its own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, twistd, wait
from tests.peers import peer
from tests.tour.machine import usable

#: Makes a folder read-only for a command.
_READ_ONLY: Final = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'

_ZONE: Final = "$TTL 300\n@ SOA ns hostmaster 1 3600 900 1209600 300\n@ NS ns\nns A 192.0.2.1\nwww A 192.0.2.2\n"

_SETTINGS: Final = """
state = "{state}"

[[zone]]
name = "plain.test"
file = "zone"
update = ["address 127.0.0.1 zone"]

[[zone]]
name = "signed.test"
file = "zone"
sign = "default"
"""


class ReadOnly(Twistd):
    """
    A server that cannot write in its state folder.
    """

    @property
    def command(self) -> list[str]:
        within = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _READ_ONLY]
        return [*within, str(self.folder / "state"), *twistd(*self.words)]


def _update(port: int, name: str) -> bool:
    text = f"server 127.0.0.1 {port}\nzone plain.test\nupdate add {name} 300 A 192.0.2.7\nsend\n"
    return subprocess.run([peer("nsupdate"), "-v"], input=text, text=True, capture_output=True).returncode == 0


def test_zonesOfFilesAreServed(tmp_path: Path) -> None:
    """
    What was served is served, with the changes that were acknowledged, and further ones are refused.
    """
    if not usable():
        pytest.skip("this system lets nobody have mounts of their own (unshare --user --mount)")
    (tmp_path / "state").mkdir()
    (tmp_path / "zone").write_text(_ZONE)
    (tmp_path / "settings.toml").write_text(_SETTINGS.format(state=tmp_path / "state"))
    words = ["--config", "settings.toml"]
    with ReadOnly(tmp_path, *words) as new:
        # Nothing was ever stored there.
        wait(lambda: new.gives("www.plain.test", ["192.0.2.2"]), new)
        assert not _update(new.port, "one.plain.test")
        wait(lambda: "signed.test.: nothing is served" in new.text(), new)
    with Twistd(tmp_path, *words) as writable:
        wait(lambda: writable.gives("www.signed.test", ["192.0.2.2"]), writable)
        assert _update(writable.port, "one.plain.test")
    with ReadOnly(tmp_path, *words) as fixed:
        wait(lambda: fixed.gives("www.signed.test", ["192.0.2.2"]), fixed)
        assert fixed.gives("one.plain.test", ["192.0.2.7"])
        assert not _update(fixed.port, "two.plain.test")
        assert "read-only file system: changes of zones are refused" in fixed.text()
    with Twistd(tmp_path, *words) as again:
        wait(lambda: again.gives("one.plain.test", ["192.0.2.7"]), again)
        assert _update(again.port, "two.plain.test")
