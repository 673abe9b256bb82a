"""
No client gets what a hook has decided for another one.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from zlib import crc32

import pytest
from zope.interface import implementer

from tests.server.views.served import Served, meaningOf, queryFor
from twisted_ext.answers import Answer, QueryContext
from twisted_ext.hooks import Hook
from twisted_ext.interfaces import IAnswerSource, Start
from twisted_ext.resolver.policy.hooks import telling
from twisted_ext.resolver.policy.hooks.called import CalledHook
from twisted_ext.resolver.policy.hooks.source import HookSource
from twisted_ext.resolver.policy.hooks.telling import Asked, keyFunction
from twisted_ext.resolver.sources import WrappingSource
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Part, Site, Stage
from twisted_ext.server.features.hooks import inforce
from twisted_ext.server.features.hooks.modules import loaded
from twisted_ext.testing.network import MemoryNetwork
from twisted_ext.testing.servers import CannedServer
from twisted_ext.wire.message import Message, Question
from twisted_ext.wire.rrtypes import A

_NAMES = [f"{host}{domain}.example" for domain in ("ads", "games", "news") for host in ("", "www.", "x.y.")]
_RECORDS = {(name, "A"): f"192.0.2.{number}" for number, name in enumerate(_NAMES, 1)}

#: Local names that lead to such as hooks decide about.
_ALIASES = {"home.lan": "www.ads.example", "shop.lan": "games.example"}

#: For each view its clients: two of IPv4, two of one site, and one of another one.
_CLIENTS = [
    [f"10.0.{number}.1", f"10.0.{number}.2", f"fd00:{number}::1", f"fd00:{number}::2", f"fd00:{number}:0:1::1"]
    for number in range(1, 4)
]

#: What each hook is told, and how: C{class}, C{def} or C{async def}.
_HOOKS = {
    "ofName": ("name", "def"),
    "ofType": ("type", "def"),
    "ofBoth": ("name, type", "async"),
    "ofView": ("view, name", "def"),
    "ofClient": ("name, client", "def"),
    "ofSite": ("network, type", "waits"),
    "ofAll": ("client, name, type, view", "waits"),
    "ofClientAlone": ("client", "async"),
}

_BODIES = {
    "def": "def {name}({taken}):\n    return decided({name!r}, {taken})\n",
    "async": "async def {name}({taken}):\n    return decided({name!r}, {taken})\n",
    "waits": "class {name}:\n    def __init__(self, reactor):\n        self.reactor = reactor\n"
    "    async def ask(self, {taken}):\n        await deferLater(self.reactor, 0.01)\n        return decided({name!r}, {taken})\n",
}

_MODULE = """
from zlib import crc32
from twisted.internet.task import deferLater
from twisted.internet.defer import succeed
from twisted.names import common, dns
from twisted_ext.hooks import DROP, PASS, answer, ask, hook, nodata, nxdomain, refuse, upstream

AGE = 0

class Own(common.ResolverBase):
    def _lookup(self, name, cls, type, timeout):
        payload = dns.Record_A("203.0.113.1", 60)
        return succeed(([dns.RRHeader(name, dns.A, dns.IN, 60, payload)] if type == dns.A else [], [], []))

OWN = Own()

def decided(*told):
    number = crc32(repr((AGE, *told)).encode())
    if number % 3:
        return PASS
    made = answer(f"A 198.51.{number >> 16 & 255}.{number >> 8 & 255}")
    return [made, nxdomain(), nodata(), refuse(), DROP, upstream("canary"), ask(OWN)][number // 3 % 7]

"""


def _wordOf(number: int) -> str:
    if number % 3:
        return "pass"
    made = f"198.51.{number >> 16 & 255}.{number >> 8 & 255}"
    return [made, "nxdomain", "nodata", "refuse", "drop", "canary", "203.0.113.1"][number // 3 % 7]


class _Differential:
    """
    A server whose views have hooks, one without, and what the hooks are known to decide.
    """

    def __init__(self, folder: Path, seed: int, afresh: bool) -> None:
        self.dice = random.Random(seed)
        self.afresh = afresh
        folder.chmod(0o700)
        self.file = folder / "decide.py"
        text = _MODULE
        for name, (taken, kind) in _HOOKS.items():
            text += f"@hook(keep={self.dice.choice((0, 1, 60))})\n{_BODIES[kind].format(name=name, taken=taken)}\n"
        self.file.write_text(text)
        self.file.chmod(0o600)
        self.age = 0
        self.network = MemoryNetwork(seed=1)
        self.network.recording = False
        CannedServer(_RECORDS).listen(self.network.reactor("192.0.2.53"))
        CannedServer(dict.fromkeys(_RECORDS, "203.0.113.2")).listen(self.network.reactor("192.0.2.54"))
        common: dict[str, object] = {
            "hostsFile": "",
            "upstream": ["192.0.2.53"],
            "prefetch": False,
            "local": [f"{name} CNAME {target}." for name, target in _ALIASES.items()],
        }
        self.common = common
        self.plain = Served(self.network, "192.0.2.8", Settings.of(**common))
        self.canary = Served(self.network, "192.0.2.9", Settings.of(**{**common, "upstream": ["192.0.2.54"]}))
        self.server = Served(self.network, "192.0.2.7", self.settings())

    def settings(self) -> Settings:
        self.chosen = [self.dice.sample(sorted(_HOOKS), self.dice.randrange(1, 4)) for _ in _CLIENTS]
        words = [[f"{self.file}:{name}" for name in names] for names in self.chosen]
        views = [
            {"name": f"view{number}", "clients": [f"10.0.{number + 1}.0/24", f"fd00:{number + 1}::/32"], "hook": words[number]}
            for number in range(1, len(_CLIENTS))
        ]
        canary = {"name": "canary", "clients": [], "upstream": ["192.0.2.54"]}
        return Settings.of(**self.common, hook=words[0], view=[*views, canary])

    def change(self) -> None:
        """
        Change what hooks decide, or which ones there are.
        """
        if self.dice.randrange(3) == 0:
            self.server.reload(self.settings())
            return
        self.age += 1
        for name in _HOOKS:
            hook, _ = loaded(f"{self.file}:{name}")
            vars(sys.modules["txdns_hooks_decide"])["AGE"] = self.age
            hook.changed()

    def expected(self, name: str, rrType: str, client: str, view: int) -> str:
        """
        Return what the first hook of a view that does not pass decides.
        """
        network = f"{client}/32" if "." in client else f"{client.rpartition('::')[0]}::/64"
        values = {"name": name, "type": rrType, "client": client, "network": network, "view": f"view{view}" if view else ""}
        for each in self.chosen[view]:
            told = [values[word] for word in _HOOKS[each][0].split(", ")]
            word = _wordOf(crc32(repr((self.age, each, *told)).encode()))
            if word != "pass":
                return word
        return "pass"

    def wrong(self, questions: int) -> list[str]:
        """
        Ask random questions, and return those whose reply is not what it should be.
        """
        dice, found = self.dice, []
        names = [*_NAMES, *_ALIASES, "none.example"]
        for number in range(questions):
            if dice.randrange(250) == 0:
                self.change()
            if dice.randrange(100) == 0:
                self.network.advance(dice.choice((0.5, 1.0, 30.0)))
            name = dice.choice(names if dice.randrange(4) == 0 else names[:3])
            rrType = dice.choice(("A",) * 9 + ("AAAA", "TXT"))
            packet = queryFor(name.upper() if dice.randrange(4) == 0 else name, rrType, number % 65536)
            view = dice.randrange(len(_CLIENTS))
            client = dice.choice(_CLIENTS[view])
            word = self.expected(_ALIASES.get(name, name), rrType, client, view)
            got = self.server.ask(packet, client, afresh=self.afresh)
            if self.isWrong(got, word, packet, client, rrType):
                found.append(f"{name} {rrType} from {client}: {got}, should be {word}")
        return found

    def isWrong(self, got: Message | None, word: str, packet: bytes, client: str, rrType: str) -> bool:
        if word == "drop" or got is None:
            return (word == "drop") is not (got is None)
        if word in ("pass", "canary"):
            server = self.plain if word == "pass" else self.canary
            return meaningOf(got) != meaningOf(server.ask(packet, client, afresh=True))
        made = [rdata for rrset in got.answer if rrset.rrType == A for rdata in rrset.rdatas]
        rcodes = {"nxdomain": 3, "refuse": 5}
        wanted = [bytes(map(int, word.split(".")))] if word[0].isdigit() and rrType == "A" else []
        return got.flags & 15 != rcodes.get(word, 0) or made != wanted

    def close(self) -> None:
        for server in (self.server, self.plain, self.canary):
            server.close()
        self.network.advance(10)


@contextmanager
def _differential(folder: Path, seed: int, afresh: bool = False) -> Iterator[_Differential]:
    made = _Differential(folder, seed, afresh)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("seed", range(5))
def test_eachClientGetsItsOwnReplies(tmp_path: Path, seed: int) -> None:
    """
    Twenty thousand random questions are answered as hooks decide about their name, type, client and view, while verdicts and hooks change.
    """
    with _differential(tmp_path, seed, seed == 4) as made:
        assert made.wrong(4000) == []
        assert (made.server.frontend.responder.counters.hits > 50) is (seed < 4)


def test_sharedRepliesLeak(tmp_path: Path) -> None:
    """
    Were replies kept for others, the questions would find it.
    """
    with patch.object(HookSource, "share", lambda self, context, time: None), _differential(tmp_path, 1) as made:
        assert len(made.wrong(2000)) > 10


def test_sharedVerdictsLeak(tmp_path: Path) -> None:
    """
    Were verdicts kept without the client, the questions would find it.
    """


    def shared(parameters: Collection[str]) -> Callable[[Asked], object]:
        return keyFunction([each for each in parameters if each != "client"])

    with patch.object(telling, "keyFunction", shared), _differential(tmp_path, 1, True) as made:
        assert len(made.wrong(2000)) > 10


@implementer(IAnswerSource)
class _Copying(WrappingSource):
    """
    Asks with a copy of the context, or with another one.
    """

    isFaithful = True

    def ask(self, question: Question, context: QueryContext) -> Answer | Start | None:
        other = context.but(relative=False).but(depth=1) if self.isFaithful else QueryContext(context.deadline, client=context.client)
        other.datagram = context.datagram
        return self._inner.ask(question, other)


@pytest.mark.parametrize("isFaithful", [True, False])
def test_copiedContexts(tmp_path: Path, isFaithful: bool) -> None:
    """
    A source around a hook may copy the context; one that makes another one would lose who may get the reply.
    """
    partOf = inforce._partOf

    def copied(called: CalledHook, site: Site) -> Part:
        part = partOf(called, site)
        wrap = part.wrap
        assert wrap is not None
        return Part(Stage.UPSTREAM, part.says, wrap=lambda source: _Copying(wrap(source)))

    changed = patch.object(_Copying, "isFaithful", isFaithful)
    with changed, patch.object(inforce, "_partOf", copied), _differential(tmp_path, 2) as made:
        assert (len(made.wrong(2000)) > 10) is not isFaithful


def test_hookIsNamedAfterItsFile(tmp_path: Path) -> None:
    with _differential(tmp_path, 1) as made:
        hook, name = loaded(f"{made.file}:ofAll")
        assert isinstance(hook, Hook)
        assert (name, hook.parameters) == ("decide.py:ofAll", ("client", "name", "type", "view"))
