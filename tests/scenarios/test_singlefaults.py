"""
The twenty scenarios that differ from each other by a single fault of DNSSEC: each has the right status and the right extended error, at a
recursive resolver and at a validator behind a forwarder.
"""

from __future__ import annotations

import pytest

from tests.scenarios.resolvers import FAULTS
from tests.scenarios.test_recursion import deckard, infoCodes, playerOf, validator
from twisted_ext.testing.scenarios.player import Player
from twisted_ext.wire.codes import AD, Rcode
from twisted_ext.wire.message import Message

#: The one without a fault.
RIGHT = "val_minimal_noerror"

KINDS = ("recursive", "forwarded")


def playerFor(name: str, kind: str) -> Player:
    """
    Return the player of a scenario for one kind of resolver.
    """
    if kind == "recursive":
        return playerOf(deckard() / f"{name}.rpl")
    return playerOf(validator() / f"{name}.rpl", stelline=True)


def replyTo(name: str, kind: str) -> Message:
    """
    Play a scenario, and return the only reply.
    """
    player = playerFor(name, kind)
    player.play()
    ((_, reply),) = player.replies.items()
    return reply


def test_allTwentyAreThere() -> None:
    """
    Each scenario of this kind in the corpus has its info codes here.
    """
    for folder in (deckard(), validator()):
        names = {path.stem for path in folder.glob("val_minimal_*.rpl")}
        assert len(names) == 20
        assert names == {*FAULTS, RIGHT}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAULTS)
def test_faultIsBogus(name: str, kind: str) -> None:
    """
    With the fault, the answer is bogus: SERVFAIL without records, and the first extended error names the fault.
    """
    reply = replyTo(name, kind)
    assert (reply.flags & 15, reply.flags & AD, reply.answer) == (Rcode.SERVFAIL, 0, ())
    assert infoCodes(reply)[0] in FAULTS[name]


@pytest.mark.parametrize("kind", KINDS)
def test_withoutFaultItIsSecure(kind: str) -> None:
    """
    Without a fault, the answer is secure, and has no extended error.
    """
    reply = replyTo(RIGHT, kind)
    assert (reply.flags & 15, bool(reply.flags & AD), infoCodes(reply)) == (0, True, [])
    assert reply.answer
