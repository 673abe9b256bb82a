"""
Keys that named replaces, taken over in each stage of a roll, while Unbound asks all the time.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from tests.live.twistds import Twistd, wait
from tests.live.zones.following import followerOf
from tests.live.zones.rolling import CHILD, ZONE, Asking, Parent, anchorOf, parentOf, resolverFor, settingsOf
from tests.patience import PATIENCE
from tests.peers import LivePeer, freePort, peer
from twisted_ext.dnssec.rolls.lives import readLives

_POLICY: Final = """
dnssec-policy quick {{
  keys {{ ksk key-directory lifetime unlimited algorithm 13; zsk key-directory lifetime unlimited algorithm 13; }};
  dnskey-ttl 2; publish-safety 1; retire-safety 1; purge-keys 0; max-zone-ttl 2; zone-propagation-delay 3; parent-ds-ttl 2;
  parent-propagation-delay 1; signatures-validity 100; signatures-refresh 85; signatures-validity-dnskey 1d; signatures-jitter 0;
}};
key control {{ algorithm hmac-sha256; secret "c2VjcmV0"; }};
controls {{ inet 127.0.0.1 port {control} allow {{ 127.0.0.1; }} keys {{ control; }}; }};
options {{
  directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key"; managed-keys-directory "{folder}";
  listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; recursion no; allow-query {{ any; }}; allow-transfer {{ any; }};
  dnssec-validation no; empty-zones-enable no; notify explicit; notify-delay 0; startup-notify-rate 100;
}};
zone "{zone}" {{
  type primary; file "{folder}/zone"; inline-signing yes; dnssec-policy quick; also-notify {{ {secondaries} }};
}};
"""

#: The stages of a roll: the role of the key, whether it is the new one that tells, its record, and its state.
_STAGES: Final = {
    "a ZSK that is published": ("zsk", True, "DNSKEY", "rumoured"),
    "a ZSK that signs some names": ("zsk", True, "ZRRSIG", "rumoured"),
    "a ZSK that goes": ("zsk", False, "DNSKEY", "unretentive"),
    "a KSK that is published": ("ksk", True, "DNSKEY", "rumoured"),
    "a KSK whose DS record comes": ("ksk", True, "DS", "rumoured"),
    "a KSK that goes": ("ksk", False, "DNSKEY", "unretentive"),
}

#: Seconds that anything gets.
_LONG: Final = 20 * PATIENCE


class Named:
    """
    The server that had the zone.
    """

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self.port, self._control, self._secondaries = freePort("127.0.0.1"), freePort("127.0.0.1"), ports
        self.peer = LivePeer("named", ["-g", "-n", "1"], self._configure, "127.0.0.1", {})
        self.folder = folder

    def _configure(self, server: LivePeer) -> str:
        server.port = self.port
        (server.folder / "zone").write_text(ZONE)
        said = " ".join([f"127.0.0.1 port {port};" for port in self._secondaries])
        return _POLICY.format(folder=server.folder, port=self.port, control=self._control, zone=CHILD, secondaries=said)

    def states(self) -> list[dict[str, str]]:
        """
        Return the files of states of its keys, the former ones first.
        """
        found = [dict(re.findall(r"^(\w+): (.*)$", path.read_text(), re.MULTILINE)) for path in self.peer.folder.glob("K*.state")]
        tags = [path.stem[-5:] for path in self.peer.folder.glob("K*.state")]
        for each, tag in zip(found, tags, strict=True):
            each["tag"] = str(int(tag))
        return sorted(found, key=lambda each: each["GoalState"] == "omnipresent")

    def of(self, role: str) -> list[dict[str, str]]:
        return [each for each in self.states() if each["KSK" if role == "ksk" else "ZSK"] == "yes"]

    def tell(self, *words: str) -> None:
        """
        Tell it something about a key.
        """
        conf = self.folder / "rndc.conf"
        conf.write_text('key control { algorithm hmac-sha256; secret "c2VjcmV0"; };\n')
        command = [str(peer("rndc")), "-k", str(conf), "-s", "127.0.0.1", "-p", str(self._control), "dnssec", *words, CHILD]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def see(self) -> None:
        """
        Say what the parent has, as its servers have it by then.
        """
        for each in self.of("ksk"):
            if each.get("DSState") == "rumoured" and "DSPublish" not in each:
                self.tell("-checkds", "-key", each["tag"], "published")
            if each.get("DSState") == "unretentive" and "DSRemoved" not in each:
                self.tell("-checkds", "-key", each["tag"], "withdrawn")


def until(condition: Callable[[], object], said: Callable[[], str]) -> None:
    """
    Wait.
    """
    giveUp = time.monotonic() + _LONG
    while not condition():
        assert time.monotonic() < giveUp, said()
        time.sleep(0.1)


def takenOver(folder: Path, stage: str) -> int:
    """
    Have a roll taken over in one stage; return how many answers were right.
    """
    for program in ("named", "knotd", "nsd", "unbound", "dnssec-cds", "rndc"):
        peer(program)
    role, isNew, record, state = _STAGES[stage]
    ports = [freePort("127.0.0.1") for _ in range(2)]
    named = Named(folder, ports)
    with ExitStack() as stack:
        parent = stack.enter_context(parentOf())
        with named.peer:
            until(lambda: len(named.states()) == 2, named.peer.log)
            several = zip(("knotd", "nsd"), ports, strict=True)
            secondaries = [stack.enter_context(followerOf(program, named.port, [CHILD], port)) for program, port in several]
            resolver = stack.enter_context(resolverFor(anchorOf(parent), parent.port, [each.port for each in secondaries]))
            asking = stack.enter_context(Asking(resolver.port))
            acting = stack.enter_context(Parent(folder, parent.port, named.port))
            until(lambda: all(each.get("DSState") == "rumoured" for each in named.of("ksk")), named.peer.log)
            (ksk,) = named.peer.folder.glob(f"K{CHILD}.+013+{int(named.of('ksk')[0]['tag']):05}.key")
            made = subprocess.run([str(peer("dnssec-dsfromkey")), "-2", str(ksk)], capture_output=True, text=True, check=True).stdout
            acting.begin(made.partition(" DS ")[2].strip())
            named.see()
            until(lambda: all(each.get("DSState", "omnipresent") == "omnipresent" for each in named.of("ksk")), named.peer.log)
            until(lambda: asking.counts["rcode 0 secure"] > 20, named.peer.log)
            asking.isSecure = True
            (former,) = named.of(role)
            named.tell("-rollover", "-key", former["tag"])

            def isThere() -> bool:
                several = named.of(role)
                if len(several) == 2 and several[isNew].get(f"{record}State") == state:
                    return True
                # The parent has had half a second to do what it is asked for.
                time.sleep(1)
                named.see()
                return False

            until(isThere, lambda: f"{named.states()} {named.peer.log()}")
            known = {each["tag"] for each in named.of(role)} - {former["tag"]}
            named.peer.stop()
            keys = folder / "state" / "signing" / f"{CHILD}."
            keys.mkdir(parents=True, mode=0o700)
            for path in named.peer.folder.glob("K*"):
                shutil.copy(path, keys)
        (folder / "zone").write_text(ZONE)
        settings = folder / "settings.toml"
        settings.write_text(settingsOf(folder, parent.port, ports, serial="unixtime"))
        with Twistd(folder, "--config", str(settings), port=named.port) as server:
            wait(lambda: server.gives(f"ns.{CHILD}", ["127.0.0.1"]), server)
            until(lambda: (keys / "lives").exists(), server.text)

            def isDone() -> bool:
                rolls = readLives(str(keys))
                return rolls is not None and len(rolls.keys) == 2 and all(key.isInUse for key in rolls.keys)

            until(isDone, lambda: f"{readLives(str(keys))}{server.text()}{acting.said}")
            rolls = readLives(str(keys))
            assert rolls is not None
            assert {str(key.tag) for key in rolls.keys if key.role == role} == known
            assert "go on from where BIND has left them" in server.text() and "made the key" not in server.text()
            assert "Traceback" not in server.text()
            before = asking.counts.total()
            until(lambda: asking.counts.total() > before + 40, server.text)
        assert asking.wrong == []
        return asking.counts.total()


@pytest.mark.parametrize("stage", [*_STAGES][1::3])
def test_taken(tmp_path: Path, stage: str) -> None:
    """
    The roll goes on, the key that was new stays, and each answer is secure.
    """
    assert takenOver(tmp_path, stage) > 100


@pytest.mark.long
@pytest.mark.parametrize("stage", [stage for stage in _STAGES if stage not in [*_STAGES][1::3]])
def test_takenAnywhere(tmp_path: Path, stage: str) -> None:
    """
    So it is in all other stages.
    """
    assert takenOver(tmp_path, stage) > 100
