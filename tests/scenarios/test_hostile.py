"""
The scenarios that came with Unbound's corrections of vulnerabilities, for recursion and validation, as far as the corpus has them.
"""

from __future__ import annotations

from typing import Final

import pytest

from tests.corpora import corpus
from twisted_ext.testing.scenarios.player import Player
from twisted_ext.testing.scenarios.reading import readScenario
from twisted_ext.testing.scenarios.resolver import recursiveResolver

_STALE: Final = "options response-ip, rpz and serve-expired; tests/attacks/test_bogusanswers.py tests stale answers"

#: All of them, with the reason where one is not played.
HOSTILE: Final[dict[str, str]] = {
    "errreport_agent_domain_len": "",
    "fill_reply_uninit": "",
    "ghost_glue_a": "the address of a name server is given with its own TTL; for the delegation that of the glue counts",
    "iter_ghost_ns_childapex": "",
    "respip_bogus_rewrite": "",
    "rrsig_agr_wild": "",
    "serve_expired_respip_cname": _STALE,
    "serve_expired_respip_drop": _STALE,
    "serve_expired_rpz_drop": _STALE,
    "serve_expired_rpz_nx": _STALE,
    "serve_expired_wildcard_swap_ad": "after a bogus answer to the question, no stale one is given",
    "stop_nxdomain_label": "option stub-zone; tests/attacks/test_bogusanswers.py tests the same",
    "sub_ds_deepcopy": "questions that wait for each other; each is asked and answered in turn here",
    "val_canon_short_px": "",
    "val_global_quota": "",
}

#: Steps that are passed over, and why.
EXEMPT: Final[dict[str, dict[int, str]]] = {
    "iter_ghost_ns_childapex": {11: "answers are minimal: an NS set has no additional addresses"},
}

#: Options of these scenarios that change nothing of what they check here.
NEEDLESS: Final = frozenset(
    """
    aggressive-nsec dns-error-reporting ede fake-sha1 iter-scrub-promiscuous local-zone log-servfail max-global-quota minimal-responses
    module-config response-ip response-ip-data rrset-roundrobin target-fetch-policy trust-anchor-signaling val-max-restart verbosity
    """.split()
)


@pytest.mark.parametrize("name", HOSTILE)
def test_resolverMeetsTheScenario(name: str) -> None:
    """
    Our resolver gives the answers that the scenario expects.
    """
    if HOSTILE[name]:
        pytest.skip(HOSTILE[name])
    path = corpus("unbound-unitdata") / f"testdata/{name}.rpl"
    if not path.exists():
        pytest.skip(f"the corpus has no {name}.rpl")
    scenario = readScenario(path)
    assert not set(scenario.configuration.others) - NEEDLESS
    scenario.configuration.others.clear()
    Player(scenario, recursiveResolver, exempt=EXEMPT.get(name, {})).play()
