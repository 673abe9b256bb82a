"""
The scenarios for recursive and validating resolvers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import pytest

from tests.corpora import corpus
from tests.scenarios.resolvers import (
    BUILT_IN_HINTS,
    DECKARD,
    EXEMPT,
    FAULTS,
    IGNORED,
    NEEDLESS,
    VALIDATOR,
    VALIDATOR_EXEMPT,
)
from twisted_ext.testing.scenarios.player import Player, Unsupported
from twisted_ext.testing.scenarios.reading import readScenario
from twisted_ext.testing.scenarios.resolver import DNS64_FEATURE, recursiveResolver
from twisted_ext.testing.sources import CannedSource
from twisted_ext.wire.message import Message

#: Why the resolver cannot be made.
_NOT_YET: Final = "no recursive resolver yet"

_EDE: Final = 15


def deckard() -> Path:
    return corpus("deckard/sets/resolver")


def validator() -> Path:
    return corpus("nlnet-domain/test-data/validator")


def playerOf(path: Path, *, stelline: bool = False, ignored: Collection[str] = (), exempt: Collection[int] = ()) -> Player:
    """
    Return the player of a scenario, or skip the test if there is no resolver.
    """
    scenario = readScenario(path)
    if "harden-glue" in NEEDLESS.get(path.stem, ()):
        scenario.configuration.hardenGlue = True
    try:
        return Player(scenario, recursiveResolver, stelline=stelline, ignored=ignored, exempt=exempt)
    except Unsupported as reason:
        if str(reason) != _NOT_YET:
            raise
        pytest.skip(str(reason))


@pytest.mark.parametrize("name", DECKARD)
def test_resolverMeetsTheScenario(name: str) -> None:
    """
    Our recursive resolver gives the answers that the scenario expects.
    """
    if DECKARD[name]:
        pytest.skip(DECKARD[name])
    playerOf(deckard() / f"{name}.rpl", ignored=IGNORED.get(name, ()), exempt=EXEMPT.get(name, ())).play()


@pytest.mark.parametrize("name", VALIDATOR)
def test_validatorMeetsTheScenario(name: str) -> None:
    """
    Our validator gives the answers that the scenario expects behind a forwarder that does not validate.
    """
    if VALIDATOR[name]:
        pytest.skip(VALIDATOR[name])
    playerOf(validator() / f"{name}.rpl", stelline=True, exempt=VALIDATOR_EXEMPT.get(name, ())).play()


@pytest.mark.parametrize("name", FAULTS)
def test_faultIsNamed(name: str) -> None:
    """
    The extended error of a bogus answer names the fault.
    """
    player = playerOf(deckard() / f"{name}.rpl")
    player.play()
    ((_, reply),) = player.replies.items()
    assert infoCodes(reply)[:1] in [[code] for code in FAULTS[name]], infoCodes(reply)


def infoCodes(reply: Message) -> list[int]:
    """
    Return the info codes of extended errors.
    """
    options = () if reply.edns is None else reply.edns.options
    return [int.from_bytes(data[:2], "big") for code, data in options if code == _EDE]


# -- the tables


@pytest.mark.parametrize(("folder", "listed"), [(deckard, DECKARD), (validator, VALIDATOR)])
def test_everyScenarioIsListed(folder: Callable[[], Path], listed: dict[str, str]) -> None:
    """
    Every scenario of the corpus is listed.
    """
    assert {path.stem for path in folder().glob("*.rpl")} == set(listed)


@pytest.mark.parametrize("name", [name for name, reason in DECKARD.items() if not reason])
def test_scenarioIsSupported(name: str) -> None:
    """
    The player supports everything in the scenarios that are not skipped, and the steps to be passed over are there.
    """
    Player(
        readScenario(deckard() / f"{name}.rpl"),
        lambda reactor, configuration, today: CannedSource({}),
        ignored=IGNORED.get(name, ()),
        exempt=EXEMPT.get(name, ()),
    )


@pytest.mark.parametrize("name", VALIDATOR)
def test_validatorScenarioIsSupported(name: str) -> None:
    """
    The player supports everything in the scenarios for validators.
    """
    Player(
        readScenario(validator() / f"{name}.rpl"),
        lambda reactor, configuration, today: CannedSource({}),
        stelline=True,
        exempt=VALIDATOR_EXEMPT.get(name, ()),
    )


def test_noOptionIsIgnored() -> None:
    """
    A scenario with an option that our resolver does not have is skipped, and the reason names the option.
    """
    for name, reason in DECKARD.items():
        configuration = readScenario(deckard() / f"{name}.rpl").configuration
        options = set(configuration.features) - {DNS64_FEATURE}
        if not configuration.hardenGlue:
            options.add("harden-glue")
        for option in options - set(NEEDLESS.get(name, ())):
            assert option in reason, name
        assert not set(NEEDLESS.get(name, ())) - options, name
        assert not configuration.others, name


def test_everyScenarioHasServersToStartWith() -> None:
    """
    All configurations have hints or a forwarder, but one, which needs the built-in hints.
    """
    without = []
    for name in DECKARD:
        configuration = readScenario(deckard() / f"{name}.rpl").configuration
        if not configuration.rootAddresses and not configuration.forwarders:
            without.append(name)
    assert tuple(without) == BUILT_IN_HINTS


def test_everySignedScenarioHasADate() -> None:
    """
    Every scenario with an anchor has the date at which its signatures are judged.
    """
    for name, reason in DECKARD.items():
        configuration = readScenario(deckard() / f"{name}.rpl").configuration
        assert not configuration.anchors or configuration.today is not None or reason, name
