"""
The scenarios that a server has to pass, but for that of L{test_authzones<tests.scenarios.test_authzones>}.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest

from tests.corpora import corpus
from tests.queries import COOKIE
from tests.scenarios.reading import Entry, Scenario, Step, readScenario
from tests.scenarios.serving import Asked, Mismatch, Served, check
from twisted_ext.server import finishing
from twisted_ext.wire.codes import Rcode
from twisted_ext.wire.message import Message

#: How many answers each scenario checks, so that none goes missing unseen.
CHECKS: Final = {
    "axfr_large_out": 1,
    "axfr_out": 2,
    "edns_downstream_cookies": 9,
    "edns_keepalive": 5,
    "notify": 2,
    "tsig": 1,
}

_COOKIES_ASKED_FOR: Final = (
    "the scenario has access-control allow_cookie, for which there is no setting here: a server may also answer who has no valid "
    "cookie as if there were no cookies, with a fresh one of its own (RFC 7873, sections 5.2.1, 5.2.3 and 5.2.4), and so does ours"
)

#: Steps with what is one server's choice: the step whose answer holds in place of theirs, and why.
EXCEPTED: Final[dict[tuple[str, int], tuple[int, str]]] = {
    ("edns_downstream_cookies", 1): (11, _COOKIES_ASKED_FOR),
    ("edns_downstream_cookies", 21): (51, _COOKIES_ASKED_FOR),
    ("edns_downstream_cookies", 31): (51, _COOKIES_ASKED_FOR),
    ("edns_downstream_cookies", 71): (51, _COOKIES_ASKED_FOR),
    ("edns_keepalive", 11): (
        31,
        "FORMERR for a keepalive option with a timeout: clients are to leave that out (RFC 7828, section 3.2.1), but what a server does "
        "about one that does not is left open (section 3.3); ours takes the option for its wish and does not read the timeout",
    ),
    ("axfr_out", 31): (
        21,
        "the scenario has provide-xfr COMPATIBLE, one record in each message, for which there is no setting here: RFC 5936, section 7.1, "
        "leaves it to the server, and all of its records are there in fewer messages",
    ),
}


def scenarioOf(name: str) -> Scenario:
    """
    @return: a scenario for servers.
    """
    return readScenario(corpus("nlnet-domain") / "test-data" / "server" / f"{name}.rpl")


def played(name: str, folder: Path) -> Iterator[tuple[Step, Entry, Asked, Served]]:
    """
    Play a scenario, one answer after the other.
    """
    scenario = scenarioOf(name)
    said = dict(scenario.config)
    seconds = float(said.get("edns-tcp-keepalive-timeout", "10000")) / 1000
    # The scenario's program knows this key, and takes notices for this zone. Neither stands in the files.
    keys = ("hmac-sha256:TESTKEY:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",)
    # For how long connections are kept is no setting: what is told of it is as fixed as the default of the limit that it comes from.
    told = patch.object(finishing, "_IDLE", int(seconds * 10).to_bytes(2, "big"))
    with told, Served(scenario, folder, keys=keys, fetched="EXAMPLE.COM" if name == "notify" else "", idle=seconds) as served:
        asked: Asked | None = None
        for step in scenario.steps:
            if step.kind == "QUERY":
                asked = served.ask(step)
            elif step.kind == "TIME_PASSES":
                served.pass_(step)
            else:
                assert step.kind == "CHECK_ANSWER" and step.entry is not None and asked is not None, step
                yield step, step.entry, asked, served


@pytest.mark.parametrize("name", CHECKS)
def test_scenario(name: str, tmp_path: Path) -> None:
    """
    What the scenario expects of a server comes out of ours; where that is one server's choice, what the RFC has instead.
    """
    entries = {step.number: step.entry for step in scenarioOf(name).steps}
    checked = 0
    for step, entry, asked, served in played(name, tmp_path):
        instead = EXCEPTED.get((name, step.number))
        expected = entry if instead is None else entries[instead[0]]
        assert expected is not None
        try:
            check(asked, expected, served.cookies, served.keys)
        except Mismatch as mismatch:
            raise AssertionError(f"{name}, {step}: {mismatch}") from mismatch
        checked += 1
    assert checked == CHECKS[name]


@pytest.mark.parametrize(("name", "number"), EXCEPTED)
def test_excepted(name: str, number: int, tmp_path: Path) -> None:
    """
    What is excepted does not come out of ours; where it does, the exception is out of date.
    """
    for step, entry, asked, served in played(name, tmp_path):
        if step.number == number:
            if name == "axfr_out":
                assert len(asked.replies) == 1
            else:
                with pytest.raises(Mismatch):
                    check(asked, entry, served.cookies, served.keys)
    pytest.skip(f"{name}, step {number}: {EXCEPTED[name, number][1]}")


def test_cookies(tmp_path: Path) -> None:
    """
    Cookies that the scenario has for good are good to ours and no others, although it answers both.
    """
    found: dict[int, bool] = {}
    for step, entry, asked, served in played("edns_downstream_cookies", tmp_path):
        edns = Message.fromWire(asked.wire).check().edns
        octets = None if edns is None else edns.option(COOKIE)
        if octets is not None and served.cookies is not None:
            found[step.number] = served.cookies.known(asked.client, octets, asked.now)[1]
            # From the second address it does not matter what they are.
            assert asked.client != "127.0.0.1" or entry.rcode == (0 if found[step.number] else Rcode.BADCOOKIE), step
    assert found == {21: False, 31: False, 41: False, 51: True, 61: True, 71: False, 81: True}


def test_complete() -> None:
    """
    No scenario of the corpus is forgotten.
    """
    folder = corpus("nlnet-domain") / "test-data" / "server"
    assert {path.stem for path in folder.glob("*.rpl")} == {*CHECKS, "auth_zones"}
