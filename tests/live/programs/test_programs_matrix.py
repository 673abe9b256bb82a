"""
Synapse, as it comes from its authors, on our resolver: it finds homeservers that only a server on this machine knows, and talks to them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

import pytest

from tests.live.asking import zoneOf
from tests.live.programs.federating import CASES, DOMAIN, SERVICE
from tests.live.programs.homeservers import fetched, homeserver, others
from tests.live.programs.pages import pages
from tests.peers import freePort, nsd
from tests.test_architecture import ROOT

__all__: list[str] = []

pytest.importorskip("synapse")

#: Seconds after which it has gone wrong; machines may be very busy.
_PATIENCE: Final = 300.0


def _zone(port: int) -> str:
    """
    @param port: of the web server.
    """
    return zoneOf(
        {
            "host4": "A 127.0.0.1",
            "host6": "AAAA ::1",
            "byname": "A 127.0.0.2",
            f"{SERVICE}.one": f"SRV 10 5 {port} host4",
            f"{SERVICE}.web6": f"SRV 10 5 {port} host6",
            f"{SERVICE}.none": "SRV 0 0 0 .",
            f"{SERVICE}.alias": f"CNAME {SERVICE}.one",
        }
    ) + "".join(f"{SERVICE}.several SRV {priority} 1 {8000 + priority} host{priority}\n" for priority in (30, 10, 20))


@pytest.fixture(scope="module")
def came() -> Iterator[Mapping[str, object]]:
    """
    @return: what came of each case.
    """
    with pages() as port, nsd({DOMAIN: _zone(port)}) as server:
        ports = [str(server.port), str(freePort("127.0.0.1")), str(port)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.live.programs.federating", *ports],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        result["ports"] = port
        yield result


def _case(came: Mapping[str, object], name: str) -> Mapping[str, object]:
    assert name in CASES
    return cast("Mapping[str, object]", came[name])


def test_several(came: Mapping[str, object]) -> None:
    """
    C{SrvResolver(dns_client=ours)} gives servers by priority, follows aliases, and gives none where there are no records or no such
    name.
    """
    assert came["several"] == {
        "several": [[f"host{priority}.{DOMAIN}", 8000 + priority] for priority in (10, 20, 30)],
        "host4": [],
        "nothing": [],
        "alias": [[f"host4.{DOMAIN}", came["ports"]]],
    }


def test_none(came: Mapping[str, object]) -> None:
    """
    A domain that says it has no homeserver is not asked further: Synapse understands our C{.} target, which Twisted's own hides from it.
    """
    assert came["none"] == "ConnectError"


def test_kept(came: Mapping[str, object]) -> None:
    """
    Synapse keeps servers for as long as the records say.
    """
    assert came["kept"] is True


def test_failing(came: Mapping[str, object]) -> None:
    """
    Where no name server can be reached, Synapse falls back to what it has found before; where that is nothing, it fails.
    """
    assert _case(came, "failing") == {"old": [["old.example", 8448]], "nothing": "DNSServerError"}


def test_fetched(came: Mapping[str, object]) -> None:
    """
    Synapse's agent reaches homeservers by SRV, at both families, and by their names alone.
    """
    assert _case(came, "fetched") == {
        "one": f"one.{DOMAIN} 127.0.0.1",
        "web6": f"web6.{DOMAIN} ::1",
        "byname": f"byname.{DOMAIN} 127.0.0.2",
        "none": "ConnectError",
    }


def test_module(came: Mapping[str, object]) -> None:
    """
    Named as a module in Synapse's configuration, it is in the reactor and behind Synapse's own C{SrvResolver()}; a wrong
    configuration is refused, each with the reason.
    """
    case = _case(came, "asModule")
    assert (case["installed"], case["found"]) == (True, [[f"host4.{DOMAIN}", came["ports"]]])
    refused = cast("list[str]", case["refused"])
    assert [each.partition(": ")[0] for each in refused] == ["ConfigError"] * 4
    assert "nonsense" in refused[0]
    assert refused[1:] == [
        "ConfigError: config: there is no option 'resolvers'; there is 'resolver'",
        "ConfigError: resolver: 5 is not a description such as 'system' or 'cache:udp:192.0.2.1'",
        "ConfigError: config: ['system'] is not a list of options; write 'resolver: system' below it, or leave it out",
    ]


def test_homeserver(tmp_path: Path) -> None:
    """
    A whole Synapse with our module in its configuration finds the homeservers of other people's users: by the records of either service,
    or at the port that stands in the name; and says so where there is none.
    """
    with others(tmp_path) as port:
        records = {
            "host4": "A 127.0.0.1",
            f"{SERVICE}.newer": f"SRV 10 5 {port} host4",
            "_matrix._tcp.older": f"SRV 10 5 {port} host4",
            "byname": "A 127.0.0.1",
            "none": "TXT nothing",
        }
        with nsd({DOMAIN: zoneOf(records)}) as server, homeserver(tmp_path, f"cache:udp:127.0.0.1:{server.port}") as here:
            for name in (f"newer.{DOMAIN}", f"older.{DOMAIN}", f"byname.{DOMAIN}:{port}"):
                profile = fetched(here, f"/_matrix/client/v3/profile/@somebody:{name}")
                assert profile == (200, {"displayname": f"of {name}"})
            status, said = fetched(here, f"/_matrix/client/v3/profile/@somebody:none.{DOMAIN}")
            assert status == 502, said
