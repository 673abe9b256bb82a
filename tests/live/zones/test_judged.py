"""
Live tests of what may be in a zone: random contents come by each door, and C{named-checkzone} and C{kzonecheck} judge them as well.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.live.zones.contents import UNWISE, WRONG, Record, drawn, factsOf
from tests.live.zones.test_api import Api, api
from tests.live.zones.test_updates import ROOT, run
from tests.peers import peer
from twisted_ext.apps.cli.terminal.exits import OK
from twisted_ext.apps.cli.zone import check

__all__ = ["api"]

_ZONES: Final = "/api/v1/servers/localhost/zones"

def _setsOf(records: list[Record], zone: str, below: str = "") -> list[dict[str, Any]]:
    """
    Return them as RRsets of a request.

    @param below: a label that their owners get below the apex.
    """
    contents: dict[tuple[str, str], list[str]] = {}
    for owner, kind, data in records:
        name = zone if owner == "@" else f"{owner}{below}.{zone}"
        words = [f"{word}.{zone}" if word in ("a", "b", "c", "ns1", "h") else word for word in data.split(" ")]
        contents.setdefault((name, kind), []).append(" ".join(words))
    return [
        {"name": name, "type": kind, "ttl": 60, "changetype": "REPLACE", "records": [{"content": each} for each in several]}
        for (name, kind), several in contents.items()
    ]


class Doors:
    """
    Says by which doors some contents come in.
    """

    def __init__(self, api: Api, folder: Path) -> None:
        self.api = api
        self.folder = folder
        self.count = 0

    def _new(self, kind: str, **fields: object) -> tuple[str, bool]:
        name = f"{kind}{self.count}.example."
        body = {"name": name, "kind": "Native", "nameservers": [f"ns1.{name}"], **fields}
        return name, self.api.ask("POST", _ZONES, body)[0] == 201

    def changes(self, records: list[Record]) -> dict[str, bool]:
        """
        Return for each door for changes whether it takes these records.
        """
        self.count += 1
        text = "".join([f"{owner} 60 {kind} {data}\n" for owner, kind, data in records])
        zone = f"@ 60 SOA ns1 h 1 3600 900 604800 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n{text}"
        patched, _ = self._new("p")
        replaced, _ = self._new("r")
        soa = {"content": f"ns1.{replaced} h.{replaced} 1 3600 900 604800 60"}
        whole = [*_setsOf(records, replaced), {"name": replaced, "type": "SOA", "ttl": 60, "records": [soa]}]
        return {
            "new RRsets": self._new("s", rrsets=_setsOf(records, f"s{self.count}.example."))[1],
            "new text": self._new("t", zone=zone, nameservers=[])[1],
            "PATCH": self.api.patch(*_setsOf(records, patched), zone=patched)[0] == 204,
            "PUT": self.api.ask("PUT", f"{_ZONES}/{replaced}", {"rrsets": whole})[0] == 204,
            "update": self._updated(records),
        }

    def _updated(self, records: list[Record]) -> bool:
        """
        Return whether an update has made the zone what it says: what contradicts is ignored, as RFC 2136 has it.
        """
        sets = _setsOf(records, "example.org.", f".n{self.count}")
        added = [
            f"update add {each['name']} 60 {each['type']} {record['content']}\n"
            for each in sets
            for record in each["records"]
        ]
        run(peer("nsupdate"), f"server 127.0.0.1 {self.api.server.port}\nzone example.org.\n{''.join(added)}send\n")
        found = {(each["name"], each["type"]): each["records"] for each in self.api.ask("GET", f"{_ZONES}/example.org.")[1]["rrsets"]}
        return all(len(found.get((each["name"], each["type"]), [])) >= len(each["records"]) for each in sets)

    def files(self, records: list[Record]) -> dict[str, bool]:
        """
        Return whether a master file with these records can be served, and what the judges say of it.
        """
        path = self.folder / "judged"
        text = "".join([f"{owner} 60 {kind} {data}\n" for owner, kind, data in records])
        path.write_text(f"@ 60 SOA ns1 h 1 3600 900 604800 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n{text}")

        def takes(*command: str | Path) -> bool:
            return subprocess.run([*command, path], cwd=ROOT, capture_output=True, check=False).returncode == 0

        return {
            "file": check.main(["judged.example", str(path)]) == OK,
            "BIND": takes(peer("named-checkzone"), "-i", "none", "-k", "ignore", "judged.example"),
            "Knot": takes(peer("kzonecheck"), "-o", "judged.example"),
        }


@pytest.mark.parametrize("part", range(5))
def test_eachDoorJudgesTheSame(api: Api, tmp_path: Path, part: int) -> None:
    """
    What is wrong comes in by no door, what is unwise by master files only, and all else by each.
    """
    random = Random(part)
    doors = Doors(api, tmp_path)
    for _ in range(40):
        records = drawn(random)
        facts = factsOf(records)
        isWrong, isUnwise = bool(facts & WRONG), bool(facts & UNWISE)
        said = (records, sorted(facts))
        assert (said, doors.changes(records)) == (
            said,
            dict.fromkeys(("new RRsets", "new text", "PATCH", "PUT", "update"), not isWrong and not isUnwise),
        )
        files = doors.files(records)
        assert (said, files["file"]) == (said, not isWrong)
        # Each of the judges is one of these rules at most more lenient than we are, and none refuses what is well.
        assert (said, files["BIND"]) == (said, not isWrong)
        strict = bool(facts & (WRONG | {"DNAME and NS"}) - {"SOA below", "DS at the apex"})
        assert (said, files["Knot"]) == (said, not strict)
