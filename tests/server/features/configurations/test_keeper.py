"""
Copies of settings files that were in force, and the command that goes back to one.
"""

from __future__ import annotations

import os
import random
import signal
import stat
from pathlib import Path
from typing import cast
from unittest.mock import patch

import pytest
from twisted.internet.task import Clock

from tests.live.twistds import Twistd, wait
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.tap import Options
from twisted_ext.errors import CallerFault
from twisted_ext.metrics.figures import JSON
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.configurations import keeper as module
from twisted_ext.server.features.configurations.keeper import Configurations


class Server:
    """
    What a server reads its settings by, and keeps them by.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "txdns.toml"
        self.state = folder / "state"
        self.now = 1_800_000_000.0
        self.path.write_text("min-ttl = 0\n")
        self._options = Options()
        self._options.parseOptions(["--config", str(self.path), "--state", str(self.state)])
        self.keeper = Configurations(Clock(), self._options.settings(), lambda: self.now)
        self.keeper.begin(lambda state: None)

    def reload(self) -> None:
        self.now += 60
        self.keeper.apply(self._options.settings())

    def listed(self) -> list[dict[str, str]]:
        found: list[JSON] = []
        self.keeper.listed().addCallback(found.append)
        said = cast("dict[str, object]", found[0])
        assert said["file"] == str(self.path)
        return cast("list[dict[str, str]]", said["kept"])

    def texts(self) -> list[str]:
        return [Path(each["path"]).read_text() for each in self.listed()]


def test_lastFive(tmp_path: Path) -> None:
    """
    The last five files in force are kept, each once, that in force first, with the time since when; only the server's user may read them.
    """
    server = Server(tmp_path)
    assert server.texts() == ["min-ttl = 0\n"]
    for number in range(1, 9):
        server.path.write_text(f"min-ttl = {number}\n")
        for _ in range(2):
            server.reload()
    assert server.texts() == [f"min-ttl = {number}\n" for number in (8, 7, 6, 5, 4)]
    assert server.listed()[0]["since"] == "2027-01-15T08:15:00Z"
    folder = server.state / "configurations"
    assert {stat.S_IMODE(each.stat().st_mode) for each in folder.iterdir()} == {0o600}
    assert len([*folder.iterdir()]) == 5
    # That which is in force again is so.
    server.path.write_text("min-ttl = 5\n")
    server.reload()
    assert server.texts() == [f"min-ttl = {number}\n" for number in (5, 8, 7, 6, 5)]
    # A server that starts with the same file changes nothing, nor does a file of others.
    for name in ("notes.txt", "99.toml~"):
        (folder / name).write_text("x")
    server.keeper.begin(lambda state: None)
    assert server.texts()[:2] == ["min-ttl = 5\n", "min-ttl = 8\n"]
    assert (folder / "notes.txt").exists()


def test_editedMeanwhile(tmp_path: Path) -> None:
    """
    What is not in force is not kept: a file that was edited between being read and being kept, and one that is too large.
    """
    server = Server(tmp_path)
    server.path.write_text("min-ttl = 1\n")
    settings = server._options.settings()
    server.path.write_text("min-ttl = 2\n")
    server.keeper.apply(settings)
    assert server.texts() == ["min-ttl = 0\n"]
    server.reload()
    assert server.texts() == ["min-ttl = 2\n", "min-ttl = 0\n"]
    with patch.object(module, "_OCTETS", 20):
        server.path.write_text("min-ttl = 3  # and more\n")
        server.reload()
    assert len(server.texts()) == 2


def test_nothingToKeep(tmp_path: Path) -> None:
    """
    A server without a settings file, or without a state folder, says so; one that cannot write logs it and goes on.
    """
    for settings, said in ((Settings(), "no settings file"), (Server(tmp_path)._options.settings(), "")):
        keeper = Configurations(Clock(), settings)
        keeper.begin(lambda state: None)
        if said:
            with pytest.raises(CallerFault, match=said):
                keeper.listed()
    options = Options()
    options.parseOptions(["--config", str(tmp_path / "txdns.toml")])
    with patch.dict(os.environ, {"STATE_DIRECTORY": ""}), pytest.raises(CallerFault, match="state folder; set state"):
        Configurations(Clock(), options.settings()).listed()
    with patch.object(module, "replacingFile", side_effect=OSError(28, "No space left on device")):
        (tmp_path / "other").mkdir()
        server = Server(tmp_path / "other")
        assert server.texts() == []
    server.reload()
    assert len(server.texts()) == 1


# -- with a server


def _control(server: Twistd, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capfd.readouterr()
    code = main(["control", "--socket", str(server.folder / "control"), *words])
    return code, *capfd.readouterr()


@pytest.mark.parametrize("workers", [1, 2])
def test_rollBack(workers: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """
    The command goes back to what was in force before a reload, also after a restart by C{kill -9}, and to what is in force if the file was
    damaged since; what the file had is beside it.
    """
    path = tmp_path / "txdns.toml"
    texts = [f'local = ["www.example A 192.0.2.{number}"]\n' for number in range(4)]
    path.write_text(texts[0])
    path.chmod(0o640)
    words = ["--config", str(path), "--state", str(tmp_path / "state"), "--workers", str(workers), "--control", str(tmp_path / "control")]
    with Twistd(tmp_path, *words) as server:
        assert server.ask("www.example") == ["192.0.2.0"]
        # As any user names the file, and root has to.
        back = ["rollback", "1", str(path)]
        assert _control(server, capfd, *back)[::2] == (
            1, "txdns control: none before that in force is kept; txdns control configurations lists them\n",
        )  # fmt: skip
        path.write_text(texts[1])
        assert _control(server, capfd, "reload")[0] == 0
        wait(lambda: server.gives("www.example", ["192.0.2.1"]), server)
        code, output, _ = _control(server, capfd, *back)
        assert code == 0
        assert f"what it had before is in {path}.replaced" in output
        assert "local: " in output
        wait(lambda: server.gives("www.example", ["192.0.2.0"]), server)
        assert (path.read_text(), (tmp_path / "txdns.toml.replaced").read_text()) == (texts[0], texts[1])
        assert {stat.S_IMODE(each.stat().st_mode) for each in (path, tmp_path / "txdns.toml.replaced")} == {0o640}
        # Back again.
        assert _control(server, capfd, *back)[0] == 0
        wait(lambda: server.gives("www.example", ["192.0.2.1"]), server)
        path.write_text("local = [")
        code, _, errors = _control(server, capfd, "reload")
        assert (code, "not valid TOML" in errors) == (1, True)
        code, output, _ = _control(server, capfd, "configurations")
        assert (code, output.count("(in force)"), len(output.splitlines())) == (0, 1, 5)
        assert _control(server, capfd, "rollback", "0", str(path))[0] == 0
        assert path.read_text() == texts[1]
        # A copy that a server would not take any more changes nothing.
        (copy,) = [each for each in (tmp_path / "state" / "configurations").iterdir() if each.name == "3.toml"]
        copy.write_text("port = 70000")
        code, _, errors = _control(server, capfd, *back)
        assert (code, f"{copy} cannot be used: " in errors, path.read_text()) == (1, True, texts[1])
        copy.write_text("min-ttl = 9\nmax-ttl = 5")
        code, _, errors = _control(server, capfd, *back)
        assert (code, f"{path} is as it was" in errors, path.read_text()) == (1, True, texts[1])
        # A file that is not that of the server is not written, be it named by root.
        code, _, errors = _control(server, capfd, "rollback", "0", str(copy))
        assert (code, errors) == (1, f"txdns control: the settings file of this server is {path}, not {copy}\n")
        # What only the server names is not written by root.
        with patch("os.geteuid", return_value=0):
            assert _control(server, capfd, "rollback")[::2] == (
                1, f"txdns control: root names the file that is written: txdns control rollback 1 {path}\n",
            )  # fmt: skip
        if os.geteuid():
            assert _control(server, capfd, "rollback", "0")[0] == 0
        for wrong in ("x", "-1", "1 2", "9999", f"1 {path} x", f"1 {copy}"):
            assert _control(server, capfd, "rollback", *wrong.split())[0] == 1
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
    with Twistd(tmp_path, *words, port=server.port) as server:
        assert server.ask("www.example") == ["192.0.2.1"]
        assert _control(server, capfd, "rollback", "3", str(path))[0] == 0
        wait(lambda: server.gives("www.example", ["192.0.2.0"]), server)


def test_killedWhileItIsKept(tmp_path: Path) -> None:
    """
    Killed at any of the steps, what was kept before is there, and the next start keeps what is in force.
    """
    dice = random.Random(2)
    server = Server(tmp_path)
    expected = ["min-ttl = 0\n"]
    for number in range(1, 30):
        server.path.write_text(f"min-ttl = {number}\n")
        step = dice.choice(("makeStateFolder", "replacingFile", "syncFolder", "os.utime", "os.unlink"))
        target = f"{module.__name__}.{step}"
        with patch(target, side_effect=OSError(5, "killed")):
            server.reload()
        kept = server.texts()
        assert kept[0] in (expected[0], f"min-ttl = {number}\n")
        server.reload()
        expected = [f"min-ttl = {number}\n", *expected]
        assert server.texts()[:5] == expected[:5]
