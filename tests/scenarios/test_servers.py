"""
The scenarios for a server, except that of L{test_authzones<tests.scenarios.test_authzones>}.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.corpora import corpus
from tests.queries import COOKIE
from tests.scenarios.serving import Mismatch, QueryResult, ScenarioServer, check
from twisted_ext.testing.scenarios.reading import Entry, Scenario, Step, readScenario
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message

#: The number of answers that each scenario checks, so that none is missed.
CHECKS: Final = {
    "axfr_large_out": 1,
    "axfr_out": 2,
    "edns_downstream_cookies": 9,
    "edns_keepalive": 5,
    "notify": 2,
    "tsig": 1,
}


def scenarioOf(name: str) -> Scenario:
    """
    Return a scenario for servers.
    """
    return readScenario(corpus("nlnet-domain") / "test-data" / "server" / f"{name}.rpl")


def play(name: str, folder: Path) -> Iterator[tuple[Step, Entry, QueryResult, ScenarioServer]]:
    """
    Play a scenario, one answer after the other.
    """
    scenario = scenarioOf(name)
    said = dict(scenario.config)
    seconds = float(said.get("edns-tcp-keepalive-timeout", "10000")) / 1000
    # The original program has this key and accepts NOTIFY for this zone. Neither is in the files.
    keys = ("hmac-sha256:TESTKEY:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",)
    with ScenarioServer(scenario, folder, keys=keys, fetched="EXAMPLE.COM" if name == "notify" else "", idle=seconds) as served:
        asked: QueryResult | None = None
        for step in scenario.steps:
            if step.kind == "QUERY":
                asked = served.ask(step)
            elif step.kind == "TIME_PASSES":
                served.pass_(step)
            else:
                assert step.kind == "CHECK_ANSWER" and step.entry is not None and asked is not None, step
                yield step, step.entry, asked, served


@pytest.mark.parametrize("name", CHECKS)
def test_serverMeetsTheScenario(name: str, tmp_path: Path) -> None:
    """
    Our server gives the answers that the scenario expects of a server.
    """
    checked = 0
    for step, entry, asked, served in play(name, tmp_path):
        try:
            check(asked, entry, served.cookies, served.keys)
        except Mismatch as mismatch:
            raise AssertionError(f"{name}, {step}: {mismatch}") from mismatch
        if (name, step.number) == ("axfr_out", 31):
            # One record in each message.
            assert len(asked.replies) == len(list(entry.listed("ANSWER"))) > 20
        checked += 1
    assert checked == CHECKS[name]


def test_onlyValidCookiesAreAccepted(tmp_path: Path) -> None:
    """
    Our server accepts the cookies that are valid in the scenario, and no others.
    """
    found: dict[int, bool] = {}
    for step, entry, asked, served in play("edns_downstream_cookies", tmp_path):
        edns = Message.fromWire(asked.wire).check().edns
        octets = None if edns is None else edns.option(COOKIE)
        if octets is not None and served.cookies is not None:
            known = served.cookies.known(asked.client, octets, asked.now)
            found[step.number] = known is not None and known.verified
            # The second address needs no valid cookie.
            assert asked.client != "127.0.0.1" or entry.rcode == (0 if found[step.number] else Rcode.BADCOOKIE), step
    assert found == {21: False, 31: False, 41: False, 51: True, 61: True, 71: False, 81: True}


def test_everyScenarioIsListed() -> None:
    """
    Every scenario of the corpus is listed.
    """
    folder = corpus("nlnet-domain") / "test-data" / "server"
    assert {path.stem for path in folder.glob("*.rpl")} == {*CHECKS, "auth_zones"}
