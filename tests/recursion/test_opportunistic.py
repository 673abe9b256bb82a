"""
Tests of what is remembered of authoritative servers and encrypted transports.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twisted_ext.errors import BadDescription
from twisted_ext.recursion.limits import ENCRYPTED_DAMPING, ENCRYPTED_DECLINES, ENCRYPTED_PERSISTENCE, ENCRYPTED_SERVERS
from twisted_ext.recursion.opportunistic import EncryptedServers

HERE = "192.0.2.53"
NOW = 1_800_000_000.0
PERSISTENCE = ENCRYPTED_PERSISTENCE.default
DAMPING = ENCRYPTED_DAMPING.default


def working() -> EncryptedServers:
    """
    Return a memory in which one server works.
    """
    memory = EncryptedServers()
    memory.probing(HERE)
    memory.answered(HERE, NOW)
    return memory


def test_unknownServerIsProbedOnce() -> None:
    """
    An unknown server is due for a probe, but not while one is under way.
    """
    memory = EncryptedServers()
    assert memory.due(HERE, NOW)
    assert not memory.works(HERE, NOW)
    memory.probing(HERE)
    assert not memory.due(HERE, NOW)
    memory.interrupted(HERE)
    assert memory.due(HERE, NOW)


def test_workingServer() -> None:
    """
    A server works for three days from its last reply, and is then due again.
    """
    memory = working()
    assert memory.works(HERE, NOW + PERSISTENCE - 1)
    assert not memory.works(HERE, NOW + PERSISTENCE)
    assert memory.due(HERE, NOW + PERSISTENCE)
    memory.answered(HERE, NOW + PERSISTENCE - 1)
    assert memory.works(HERE, NOW + PERSISTENCE)
    assert memory.working(NOW + PERSISTENCE) == 1


@pytest.mark.parametrize("silent", [True, False])
def test_failedServer(silent: bool) -> None:
    """
    A server that has failed is not probed for a day.
    """
    memory = working()
    memory.failed(HERE, NOW + 1, NOW + 5, silent=silent)
    assert not memory.works(HERE, NOW + 5)
    assert not memory.due(HERE, NOW + 5 + DAMPING - 1)
    assert memory.due(HERE, NOW + 5 + DAMPING)


def test_failureDuringSuccess() -> None:
    """
    A query without a reply does not count if another one has got a reply meanwhile: it was the question's fault.
    """
    memory = working()
    memory.answered(HERE, NOW + 2)
    memory.failed(HERE, NOW + 1, NOW + 5, silent=True)
    assert memory.works(HERE, NOW + 5)


def test_declines() -> None:
    """
    A working server fails after several useless replies in a row, a new one after the first.
    """
    memory = working()
    for _ in range(3):
        for _ in range(int(ENCRYPTED_DECLINES.default) - 1):
            memory.declined(HERE, NOW + 1)
        assert memory.works(HERE, NOW + 1)
        memory.answered(HERE, NOW + 1)
    for _ in range(int(ENCRYPTED_DECLINES.default)):
        memory.declined(HERE, NOW + 1)
    assert not memory.works(HERE, NOW + 1)
    memory = EncryptedServers()
    memory.probing(HERE)
    memory.declined(HERE, NOW)
    assert not memory.due(HERE, NOW + 1)


@pytest.mark.parametrize("years", [-1, 1])
def test_clockIsSet(years: int) -> None:
    """
    After the clock has been set, back or forth, what was remembered is found anew.
    """
    then = NOW + years * 31_536_000
    memory = working()
    assert not memory.works(HERE, then)
    assert memory.due(HERE, then)
    memory.failed(HERE, NOW, NOW + 1)
    assert memory.due(HERE, then)


def test_bounded() -> None:
    """
    The servers that were learned of first are forgotten first.
    """
    memory = EncryptedServers(100)
    for number in range(250):
        memory.answered(f"192.0.2.{number}", NOW)
    assert len(memory) == 100
    assert not memory.works("192.0.2.149", NOW)
    assert memory.works("192.0.2.150", NOW)


def test_text() -> None:
    """
    What was learned survives as text; what is out of date does not.
    """
    memory = working()
    memory.failed("2001:db8::53", NOW, NOW + 3, silent=True)
    memory.failed("192.0.2.1", NOW - DAMPING, NOW - DAMPING)
    memory.probing("192.0.2.2")
    text = memory.toText(NOW + 4)
    assert not memory.changed
    assert text.split("\n")[1:] == ["192.0.2.53 works 1800000000 1800000000", "2001:db8::53 silent 1800000003 0", "; end", ""]
    other = EncryptedServers()
    other.load(text, NOW + 4)
    assert other.toText(NOW + 4) == text
    late = EncryptedServers()
    late.load(text, NOW + DAMPING + 4)
    assert [address for address, _ in late.items()] == [HERE]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-3],
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("works", "perhaps"),
        lambda text: text.replace("192.0.2.53", "192.0.2.530"),
        lambda text: text.replace("192.0.2.53", "dns.example"),
        lambda text: text.replace(" 1800000000", " -1", 1),
        lambda text: text.replace(" 1800000000", " nan", 1),
        lambda text: text.replace("; end", f"{HERE} works 1\n; end"),
        lambda text: text.replace("; end", "x\n" * (int(ENCRYPTED_SERVERS.most) + 1) + "; end"),
        lambda text: text.replace("RFC 9539", "RFC 0"),
    ],
)
def test_damagedText(damage: Callable[[str], str]) -> None:
    """
    A damaged text is refused in one line, and nothing of it is taken.
    """
    memory = EncryptedServers()
    with pytest.raises(BadDescription) as caught:
        memory.load(damage(working().toText(NOW)), NOW)
    assert "\n" not in str(caught.value)
    assert not [*memory.items()]
