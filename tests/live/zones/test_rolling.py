"""
Keys that are replaced, with named as the parent, Knot DNS and NSD as secondaries, and Unbound and named asking all the time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.following import followerOf
from tests.live.zones.rolling import (
    CHILD,
    ZONE,
    Asking,
    Parent,
    anchorOf,
    dug,
    namedFor,
    parentOf,
    resolverFor,
    settingsOf,
)
from tests.patience import PATIENCE
from tests.peers import freePort, peer
from twisted_ext.dnssec.rolls.lives import livesIn, readLives
from twisted_ext.dnssec.rolls.rolls import Rolls

#: Seconds that a roll gets.
_LONG: Final = 20 * PATIENCE


class Zone:
    """
    A server with a zone whose keys are replaced, and all others.

    @ivar kills: how often the server was killed.
    """

    def __init__(self, folder: Path, stack: ExitStack, isKilled: bool) -> None:
        self.kills = 0
        self._folder = folder
        self._isKilled = isKilled
        self._port = freePort("127.0.0.1")
        self._seen: object = None
        self._settings = folder / "settings.toml"
        (folder / "zone").write_text(ZONE)
        self._parent = stack.enter_context(parentOf())
        self.ports = ports = [freePort("127.0.0.1") for _ in range(2)]
        self.edit("ksk+zsk", "ecdsap256sha256")
        self.server = Twistd(folder, "--config", str(folder / "settings.toml"), port=self._port)
        self.server.__enter__()
        stack.callback(lambda: self.server.stop())
        wait(lambda: self.server.gives(f"ns.{CHILD}", ["127.0.0.1"]), self.server)
        several = zip(("knotd", "nsd"), ports, strict=True)
        secondaries = [stack.enter_context(followerOf(program, self._port, [CHILD], port)) for program, port in several]
        anchor, servers = anchorOf(self._parent), [each.port for each in secondaries]
        resolvers = [stack.enter_context(make(anchor, self._parent.port, servers)) for make in (resolverFor, namedFor)]
        self.askings = [stack.enter_context(Asking(each.port)) for each in resolvers]
        self.parent = stack.enter_context(Parent(folder, self._parent.port, self._port))

    @property
    def keys(self) -> str:
        """
        The folder with the keys.
        """
        return str(self._folder / "state" / "signing" / f"{CHILD}.")

    @property
    def rolls(self) -> Rolls:
        rolls = readLives(self.keys)
        assert rolls is not None
        return rolls

    def edit(self, keys: str, algorithm: str, insecure: str = "false") -> None:
        """
        Write the settings.
        """
        text = settingsOf(self._folder, self._parent.port, self.ports, keys, algorithm, insecure=insecure)
        self._settings.write_text(text)

    def reload(self) -> None:
        os.kill(self.server.pid, signal.SIGHUP)

    def txdns(self, *words: str) -> str:
        """
        Run a command, and return what it prints.
        """
        return subprocess.run([sys.executable, "-P", "-m", "twisted_ext", *words], capture_output=True, text=True, check=True).stdout

    def begin(self) -> None:
        """
        Bring the first DS record to the parent, and wait until all is secure.
        """
        self.until(lambda: "DS     rumoured" in self.txdns("keys", "why", self.keys))
        line = self.txdns("keys", "ds", self.keys).splitlines()[0]
        self.parent.begin(line.partition(" DS ")[2])
        self.until(self.isDone)
        self.until(lambda: all(asking.counts["rcode 0 secure"] > 20 for asking in self.askings))
        for asking in self.askings:
            asking.isSecure = True

    def isDone(self) -> bool:
        """
        Return whether all keys are in use, and none is left over.
        """
        rolls = self.rolls
        wanted = {(role, rolls.policy.algorithm) for role in rolls.policy.roles}
        isUsed = all(key.isInUse and not key.isReplaced for key in rolls.keys)
        return isUsed and {(key.role, key.algorithm) for key in rolls.keys} == wanted and len(rolls.keys) == len(wanted)

    def until(self, condition: Callable[[], bool]) -> None:
        """
        Wait, and kill the server whenever something has happened to a key.
        """
        giveUp = time.monotonic() + _LONG
        while not condition():
            assert time.monotonic() < giveUp, f"{self.txdns('keys', 'why', self.keys)}{self.server.text()}{self.parent.said}"
            time.sleep(0.05)
            found = os.stat(livesIn(self.keys)).st_mtime_ns if os.path.exists(livesIn(self.keys)) else None
            if found != self._seen:
                self._seen = found
                if self._isKilled and self.askings[0].isSecure:
                    time.sleep((0.0, 0.1, 0.4, 1.0)[self.kills % 4])
                    self.kill()

    def kill(self) -> None:
        """
        End the server by force, and start it.
        """
        self.kills += 1
        os.kill(self.server.pid, signal.SIGKILL)
        self.server.stop()
        self.server = Twistd(self._folder, "--config", str(self._folder / "settings.toml"), port=self._port)
        self.server.__enter__()

    def change(self, keys: str, algorithm: str) -> None:
        """
        Have a policy edited.
        """
        before = self.rolls.policy
        self.edit(keys, algorithm)
        self.reload()
        self.until(lambda: self.rolls.policy != before and self.isDone())

    def leave(self) -> None:
        """
        Have the zone signed no more: that is refused until the parent has no DS record, as dnssec-cds has it removed.
        """
        text = self._settings.read_text()
        self._settings.write_text(text.replace('sign = "quick"\n', ""))
        self.reload()
        self.until(lambda: "its parent may have a DS record for it" in self.server.text())
        for asking in self.askings:
            asking.isSecure = False
        self.edit("ksk+zsk", "ed25519", "true")
        self.reload()
        self.until(lambda: self.rolls.policy.insecure and self.rolls.isInsecure)
        assert "leave sign out to serve the zone without signatures" in self.txdns("keys", "why", self.keys)
        # Behind the serial that secondaries have.
        (self._folder / "zone").write_text(ZONE.replace("hostmaster 1 ", f"hostmaster {time.time():.0f} "))
        self._settings.write_text(text.replace('sign = "quick"\n', ""))
        self.reload()
        self.until(lambda: all("RRSIG" not in dug(port, "+dnssec", CHILD, "SOA") for port in (self._port, *self.ports)))
        before = [asking.counts["rcode 0"] for asking in self.askings]
        self.until(lambda: all(asking.counts["rcode 0"] > count + 20 for asking, count in zip(self.askings, before, strict=True)))

    def roll(self, role: str) -> None:
        """
        Have a key replaced.
        """
        (former,) = [key.name for key in self.rolls.keys if key.role == role]
        self.txdns("keys", "roll", f"{self.keys}/{former}")
        self.until(lambda: self.isDone() and all(key.name != former for key in self.rolls.keys))


def rolled(folder: Path, isAll: bool) -> Zone:
    """
    Have a ZSK and a KSK replaced; or have all kinds of rolls done, while the server is killed.
    """
    for program in ("named", "knotd", "nsd", "unbound", "dnssec-cds"):
        peer(program)
    with ExitStack() as stack:
        zone = Zone(folder, stack, isKilled=isAll)
        zone.begin()
        zone.roll("zsk")
        zone.roll("ksk")
        if isAll:
            zone.change("csk", "ecdsap256sha256")
            zone.roll("csk")
            zone.change("csk", "ed25519")
            zone.change("ksk+zsk", "ed25519")
            zone.leave()
        assert [asking.wrong for asking in zone.askings] == [[], []]
        assert "Traceback" not in zone.server.text()
        return zone


def test_rolls(tmp_path: Path) -> None:
    """
    A ZSK and a KSK are replaced with no operator, and each answer is secure.
    """
    assert all(asking.counts.total() > 500 for asking in rolled(tmp_path, False).askings)


@pytest.mark.long
def test_rollsOverKills(tmp_path: Path) -> None:
    """
    So it is with a CSK, another algorithm and other numbers of keys as well, while the server is killed each time that something has
    happened to a key; in the end the zone is signed no more, and no answer was bogus.
    """
    assert rolled(tmp_path, True).kills > 20
