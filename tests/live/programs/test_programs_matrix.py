"""
The released Synapse on our resolver: it finds homeservers that only a server on this machine knows, and talks to them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from tests.live.asking import zoneOf
from tests.live.programs.federating import CASES, DOMAIN, SERVICE
from tests.live.programs.homeservers import fetch, homeserver, otherHomeservers
from tests.live.programs.pages import pages
from tests.patience import PATIENCE
from tests.peers import freePort, nsd
from tests.test_architecture import ROOT

__all__: list[str] = []

pytest.importorskip("synapse")


def _zone(port: int) -> str:
    """
    Return the zone.

    @param port: the port of the web server.
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
def results() -> Iterator[Mapping[str, object]]:
    """
    Return the result of each case.
    """
    with pages() as port, nsd({DOMAIN: _zone(port)}) as server:
        ports = [str(server.port), str(freePort("127.0.0.1")), str(port)]
        done = subprocess.run(
            [sys.executable, "-m", "tests.live.programs.federating", *ports],
            cwd=ROOT,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        result["ports"] = port
        yield result


def _case(results: Mapping[str, object], name: str) -> Mapping[str, object]:
    assert name in CASES
    return cast("Mapping[str, object]", results[name])


def test_serversComeByPriority(results: Mapping[str, object]) -> None:
    """
    C{SrvResolver(dns_client=ours)} gives servers by priority, follows aliases, and gives none without records or without the name.
    """
    assert results["several"] == {
        "several": [[f"host{priority}.{DOMAIN}", 8000 + priority] for priority in (10, 20, 30)],
        "host4": [],
        "nothing": [],
        "alias": [[f"host4.{DOMAIN}", results["ports"]]],
    }


def test_domainWithoutHomeserverFails(results: Mapping[str, object]) -> None:
    """
    A domain that declares no homeserver fails: Synapse gets our C{.} target, which Twisted's own resolver hides from it.
    """
    assert results["none"] == "ConnectError"


def test_serversAreCachedForTheirTTL(results: Mapping[str, object]) -> None:
    """
    Synapse caches servers for the TTL of the records.
    """
    assert results["kept"] is True


def test_failureFallsBackToOldServers(results: Mapping[str, object]) -> None:
    """
    Synapse falls back to servers that it has found before when no DNS server can be reached. Without any it fails.
    """
    assert _case(results, "failing") == {"old": [["old.example", 8448]], "nothing": "DNSServerError"}


def test_agentReachesHomeservers(results: Mapping[str, object]) -> None:
    """
    Synapse's agent reaches homeservers by SRV records over both families, and by their names alone.
    """
    assert _case(results, "fetched") == {
        "one": f"one.{DOMAIN} 127.0.0.1",
        "web6": f"web6.{DOMAIN} ::1",
        "byname": f"byname.{DOMAIN} 127.0.0.2",
        "none": "ConnectError",
    }


def test_synapseConfigurationNamesOurModule(results: Mapping[str, object]) -> None:
    """
    Our module in Synapse's configuration installs our resolver in the reactor and behind Synapse's C{SrvResolver()}. Each wrong
    configuration is refused with the reason.
    """
    case = _case(results, "asModule")
    assert (case["installed"], case["found"]) == (True, [[f"host4.{DOMAIN}", results["ports"]]])
    refused = cast("list[str]", case["refused"])
    assert [each.partition(": ")[0] for each in refused] == ["ConfigError"] * 4
    assert "nonsense" in refused[0]
    assert refused[1:] == [
        "ConfigError: config: there is no option 'resolvers'; there is 'resolver'",
        "ConfigError: resolver: 5 is not a description such as 'system' or 'cache:udp:192.0.2.1'",
        "ConfigError: config: ['system'] is not a list of options; write 'resolver: system' below it, or leave it out",
    ]


def test_homeserverFindsOtherHomeservers(tmp_path: Path) -> None:
    """
    A whole Synapse with our module finds the homeservers of other users: by the records of either service, or at the port in the name. It
    reports an error where there is none.
    """
    with otherHomeservers(tmp_path) as port:
        records = {
            "host4": "A 127.0.0.1",
            f"{SERVICE}.newer": f"SRV 10 5 {port} host4",
            "_matrix._tcp.older": f"SRV 10 5 {port} host4",
            "byname": "A 127.0.0.1",
            "none": "TXT nothing",
        }
        with nsd({DOMAIN: zoneOf(records)}) as server, homeserver(tmp_path, f"cache:udp:127.0.0.1:{server.port}") as here:
            for name in (f"newer.{DOMAIN}", f"older.{DOMAIN}", f"byname.{DOMAIN}:{port}"):
                profile = fetch(here, f"/_matrix/client/v3/profile/@somebody:{name}")
                assert profile == (200, {"displayname": f"of {name}"})
            status, said = fetch(here, f"/_matrix/client/v3/profile/@somebody:none.{DOMAIN}")
            assert status == 502, said
