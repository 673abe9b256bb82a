"""
Tests of C{txdns keys why}, C{plan}, C{roll} and C{checkds}.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.zone.sign.zones import builderOf
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.terminal.exits import BATCH, OK, USAGE
from twisted_ext.dnssec.rolls.lives import readLives
from twisted_ext.dnssec.rolls.rolls import Rolls
from twisted_ext.dnssec.rolls.states import Record, State
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rdata.text import recordFromText
from twisted_ext.zone.sign.job import SignJob
from twisted_ext.zone.sign.policy import RollTimes, SigningPolicy

Captured = pytest.CaptureFixture[str]

_DAY = 86_400
_NOW = 1_800_000_000.0
_LINES = ["example.org. 60 SOA ns mail 7 10800 1800 3600 60", "example.org. 60 NS ns.example.com."]


class _Zone:
    """
    A zone whose keys live by a policy.
    """

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "signing" / "example.org."
        self.image = ""
        self.times = RollTimes(90 * _DAY, 30 * _DAY)
        self.sign(_NOW, 0)

    def sign(self, now: float, since: float) -> None:
        policy = SigningPolicy(split=True, rolls=self.times)
        job = SignJob(str(self.keys), policy, None, now, bool(self.image), "unixtime", self.image, False, since)
        builder = builderOf([recordFromText(line, nameFromText("example.org")) for line in _LINES])
        job.sign(builder)
        self.image = str(self.keys.parent / f"image{now:.0f}")
        builder.finishTo(self.image)

    @property
    def rolls(self) -> Rolls:
        rolls = readLives(str(self.keys))
        assert rolls is not None
        return rolls

    def key(self, role: str) -> str:
        (name,) = [key.name for key in self.rolls.keys if key.role == role]
        return str(self.keys / name)


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Zone:
    made = _Zone(tmp_path)
    for module in ("why", "plan", "checkds"):
        monkeypatch.setattr(f"twisted_ext.apps.cli.keys.{module}.time", lambda: _NOW + 30)
    return made


def test_why(zone: _Zone, capsys: Captured) -> None:
    """
    Each record of each key is shown, with what it waits for, and until when if that is known; in all folders below one.
    """
    assert main(["keys", "why", str(zone.keys.parent.parent)]) == OK
    ksk, zsk = Path(zone.key("ksk")).name, Path(zone.key("zsk")).name
    assert capsys.readouterr().out.splitlines() == [
        f"{ksk} ksk, is to be in use",
        "  DNSKEY rumoured, then omnipresent: the zone that is served does not have it yet",
        "  KRRSIG rumoured, then omnipresent: the zone that is served does not have it yet",
        "  DS     hidden, then rumoured: resolvers may not have its DNSKEY record yet",
        f"{zsk} zsk, is to be in use",
        "  DNSKEY rumoured, then omnipresent: the zone that is served does not have it yet",
        "  ZRRSIG rumoured, then omnipresent: the zone that is served does not have it yet",
    ]
    zone.sign(_NOW + 20, _NOW + 5)
    assert main(["keys", "why", zone.key("zsk")]) == OK
    said = capsys.readouterr().out.splitlines()
    assert said[1] == "  DNSKEY rumoured, then omnipresent: resolvers may still have what was there before, until 2027-01-15 10:00 UTC"
    zone.sign(_NOW + 3 * _DAY, _NOW + 5)
    assert main(["keys", "why", zone.key("zsk")]) == OK
    assert capsys.readouterr().out.splitlines()[-1] == "  its successor is made at 2027-02-17 06:00 UTC"


def test_plan(zone: _Zone, capsys: Captured) -> None:
    """
    What will happen is shown with its time, as text and for programs, and nothing is changed by that.
    """
    written = (zone.keys / "lives").read_bytes()
    ksk, zsk = Path(zone.key("ksk")).name, Path(zone.key("zsk")).name
    assert main(["keys", "plan", str(zone.keys), "--days", "60"]) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"2027-01-15 09:01 UTC  {zsk}: ZRRSIG omnipresent", f"2027-01-15 10:00 UTC  {ksk}: DNSKEY omnipresent"]
    (made,) = [line for line in lines if line.endswith(": is made")]
    assert made == "2027-02-14 08:00 UTC  new ZSK 1: is made"
    assert main(["keys", "plan", "--json", zone.key("zsk"), "--days", "60"]) == OK
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == len(lines)
    assert found[1] == {"folder": str(zone.keys), "at": _NOW + 30 + 7200, "key": ksk, "record": "DNSKEY", "state": "omnipresent"}
    assert {each["key"] for each in found if each.get("made")} == {"new ZSK 1"}
    assert (zone.keys / "lives").read_bytes() == written
    assert main(["keys", "plan"]) == USAGE
    assert main(["keys", "plan", zone.key("zsk"), "--days", "0"]) == USAGE


def test_insecure(zone: _Zone, capsys: Captured) -> None:
    """
    Once no resolver has a DS record, and none is wanted, that is said.
    """
    zone.times = RollTimes(90 * _DAY, 30 * _DAY, insecure=True)
    zone.sign(_NOW + 3 * _DAY, _NOW + 5)
    assert main(["keys", "why", str(zone.keys)]) == OK
    said = "No resolver has a DS record any more: leave sign out to serve the zone without signatures."
    assert capsys.readouterr().out.splitlines()[-1] == said


def test_whyForPrograms(zone: _Zone, capsys: Captured) -> None:
    """
    Programs get an object for each key.
    """
    assert main(["keys", "why", "--json", str(zone.keys)]) == OK
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (first["role"], first["wanted"], first["records"]["DS"]) == ("ksk", True, "hidden")
    assert first["waits"]["DNSKEY"] == {"next": "omnipresent", "why": "the zone that is served does not have it yet", "until": None}


def test_list(zone: _Zone, capsys: Captured) -> None:
    """
    What keys do is as their policy says, not as the times in their files.
    """
    assert main(["keys", "roll", zone.key("zsk")]) == OK
    zone.sign(_NOW + 3 * _DAY, _NOW + 5)
    assert main(["keys", "list", str(zone.keys)]) == OK
    states = sorted([line.split("flags ")[1].split(", made")[0] for line in capsys.readouterr().out.splitlines()[1:]])
    assert states == ["256, is published only", "256, is to go", "257, signs"]


def test_rollAndParent(zone: _Zone, capsys: Captured) -> None:
    """
    An operator has a key replaced, and says what the parent has.
    """
    key = zone.key("ksk")
    assert main(["keys", "checkds", key, "published"]) == BATCH
    assert "to be published; txdns keys why shows what is waited for" in capsys.readouterr().err
    zone.sign(_NOW + 3 * _DAY, _NOW + 5)
    assert main(["keys", "checkds", f"{key}.key", "withdrawn"]) == BATCH
    assert main(["keys", "checkds", f"{key}.key", "published"]) == OK
    assert capsys.readouterr().out.startswith(f"the DS record of {Path(key).name} is published; the server goes on")
    assert zone.rolls.keys[0].records[Record.DS].since == _NOW + 30
    zone.sign(_NOW + 5 * _DAY, _NOW + 5)
    assert zone.rolls.keys[0].records[Record.DS].state is State.OMNIPRESENT
    assert main(["keys", "roll", key]) == OK
    assert capsys.readouterr().out.startswith(f"{Path(key).name} will be replaced; the server begins")
    assert zone.rolls.keys[0].isReplaced


def test_wrong(zone: _Zone, tmp_path: Path, capsys: Captured) -> None:
    """
    Wrong arguments, keys that do as their files say, and damaged files are named.
    """
    for words in (["why"], ["roll"], ["checkds", zone.key("zsk")], ["checkds", zone.key("zsk"), "gone"]):
        assert main(["keys", *words]) == USAGE
    assert "published or withdrawn are wanted" in capsys.readouterr().err
    assert main(["keys", "roll", str(zone.keys)]) == BATCH
    assert "there are 2 keys; name one of them" in capsys.readouterr().err
    assert main(["keys", "new", "example.net", "--keys", str(tmp_path / "keys")]) == OK
    (other,) = (tmp_path / "keys").glob("*.key")
    capsys.readouterr()
    assert main(["keys", "why", str(other)]) == BATCH
    assert "these keys do as the times in their files say" in capsys.readouterr().err
    assert main(["keys", "roll", str(other)]) == BATCH
    assert "that begins with roll = true in the signing-policy of the zone" in capsys.readouterr().err
    lives = zone.keys / "lives"
    text = lives.read_text()
    lives.write_text(text.replace(Path(zone.key("zsk")).name, "Kexample.org.+013+00000"))
    zsk = next(str(path) for path in zone.keys.glob("*.private") if path.stem not in lives.read_text())
    assert main(["keys", "roll", zsk]) == BATCH
    assert "is not a key that is to be in use" in capsys.readouterr().err
    lives.write_text("{")
    assert main(["keys", "list", str(zone.keys)]) == BATCH
    assert "lives: it is damaged" in capsys.readouterr().err
