"""
aioxmpp's retries beside ours, in a process of their own: how each behaves when resolvers answer, fail and are silent by a script.

    python -m tests.live.programs.attempting NUMBER

It prints one object of JSON: the number of scripts, their results, and those for which the two differed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Iterator
from importlib import import_module
from random import Random
from types import SimpleNamespace
from typing import Final, Protocol, cast

from tests.compat.discoveries import DENIED
from tests.integrations.aioxmpp.faces import FAILED, LATE, AtOnce, Scripted, proved
from twisted_ext.integrations.aioxmpp import asyncio as network
from twisted_ext.integrations.aioxmpp import perthread
from twisted_ext.testing.sources import Entry, answerOf, questionOf
from twisted_ext.wire.codes import AD, CD

__all__: list[str] = []

#: The replies of a resolver: for dnspython's callers, and in our form.
_ENTRIES: Final[dict[str, Entry]] = {
    "proved": proved("0 0 1 a.example."),
    "answer": answerOf(questionOf("a.example", "SRV"), "0 0 1 a.example."),
    "NoAnswer": (),
    "NXDOMAIN": DENIED,
    "Timeout": LATE,
    "NoNameservers": FAILED,
}


class _Network(Protocol):
    """
    The functions of aioxmpp's module.
    """

    def set_resolver(self, resolver: object) -> None:
        """
        Set the resolver.
        """

    def reconfigure_resolver(self) -> None:
        """
        Create a new resolver.
        """

    def repeated_query(self, *arguments: object) -> Awaitable[object]:
        """
        Look up records.
        """


#: How a script was played: the resolver, the transport, and the flags of each query.
_Played = list[tuple[int, bool, bool, bool]]


class _Blocking:
    """
    A resolver that plays a script, with dnspython's exceptions.
    """

    def __init__(self, number: int, script: Iterator[str], played: _Played) -> None:
        self._number = number
        self._script = script
        self._played = played
        self._flags = 0

    def set_flags(self, flags: int) -> None:
        """
        Remember the flags.
        """
        self._flags = flags

    def query(self, qname: str, rdtype: object, tcp: bool, raise_on_no_answer: bool = True) -> object:
        """
        Play the next entry of the script.
        """
        self._played.append((self._number, tcp, bool(self._flags & AD), bool(self._flags & CD)))
        entry = next(self._script)
        if entry == "NoAnswer" and not raise_on_no_answer:
            return SimpleNamespace(rrset=None)
        if entry in ("proved", "answer"):
            return SimpleNamespace(response=SimpleNamespace(flags=AD if entry == "proved" else 0), rrset=[1])
        raise cast(type[Exception], getattr(import_module("dns.resolver"), entry))()


async def _end(asked: Awaitable[object]) -> str:
    try:
        return "None" if await asked is None else "records"
    except Exception as raised:
        return "NoNameservers" if isinstance(raised, _dns.NoNameservers) else type(raised).__name__


async def _theirs(script: list[str], whose: str, attempts: int | None, required: bool) -> tuple[str, _Played]:
    played: _Played = []
    left = iter(script)
    numbers = iter(range(100))

    def fresh() -> _Blocking:
        return _Blocking(next(numbers), left, played)

    vars(_dns)["Resolver"] = fresh
    _aioxmpp.reconfigure_resolver()
    given = None
    if whose == "set":
        _aioxmpp.set_resolver(fresh())
    elif whose == "given":
        given = fresh()
    return await _end(_aioxmpp.repeated_query(b"a.example", 33, attempts, given, required, AtOnce())), played


async def _ours(script: list[str], whose: str, attempts: int | None, required: bool, blocks: bool) -> tuple[str, _Played]:
    played: _Played = []
    left = iter(script)
    numbers = iter(range(100))

    class Fresh(Scripted):
        number = -1

        def __init__(self) -> None:
            super().__init__()
            self._script = self._play()

        def _play(self) -> Iterator[Entry]:
            for entry in left:
                context = self.canned.contexts[-1]
                played.append((self.number, context.stream, context.authenticData, context.checkingDisabled))
                yield _ENTRIES[entry]

    def fresh(reactor: object = None) -> Fresh:
        made = Fresh()
        made.number = next(numbers)
        return made

    vars(perthread)["freshResolver"] = fresh
    network.reconfigure_resolver()
    network.get_resolver()
    given: object = None
    if whose == "set":
        network.set_resolver(_Blocking(next(numbers), left, played) if blocks else fresh())
    elif whose == "given":
        given = _Blocking(next(numbers), left, played) if blocks else fresh()
    return await _end(network.repeated_query(b"a.example", 33, attempts, given, required, AtOnce())), played


async def _main(number: int) -> dict[str, object]:
    chance = Random(5222)
    ends: Counter[str] = Counter()
    different: list[object] = []
    for _ in range(number):
        script = chance.choices(list(_ENTRIES), [1, 1, 1, 1, 4, 6], k=12)
        whose = chance.choice(["own", "set", "given"])
        attempts = chance.choice([None, None, 0, 1, 2, 3, 4])
        required = chance.random() < 0.3
        theirs = await _theirs(script, whose, attempts, required)
        for blocks in (False, True):
            ours = await _ours(script, whose, attempts, required, blocks)
            if ours != theirs:
                different.append([script, whose, attempts, required, theirs, ours])
        ends[theirs[0]] += 1
    return {"played": number, "ends": ends, "different": different}


if __name__ == "__main__":
    _dns = import_module("dns.resolver")
    _aioxmpp = cast(_Network, import_module("aioxmpp.network"))
    sys.stdout.write(json.dumps(asyncio.run(_main(int(sys.argv[1])))))
