"""
Tests of what other settings would have decided, beside one decision after the other by each settings with a table of its own.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TypeAlias, cast

import pytest
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.server.features.queryhistory.recorder.histories import historyOf, rowOf
from twisted_ext.errors import TimedOut
from twisted_ext.resolver.policy.rules.compiler import compileLists, digestOf
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.base.feature import Site
from twisted_ext.server.features.blocking.lists import linesOfLists, listsOfAll
from twisted_ext.server.features.blocking.names import BlockedNames
from twisted_ext.server.features.built import Features
from twisted_ext.server.features.queryhistory.recorder.rows import KEY, Row, Rows, reversedName
from twisted_ext.server.features.views.settings import viewsOf
from twisted_ext.server.replay import replay as module
from twisted_ext.server.replay.offline import replayed, unlooked
from twisted_ext.server.replay.replay import KINDS, Replayed
from twisted_ext.wire.names import nameFromText

#: A Thursday.
BEGIN = 1_795_600_000.0

#: A query: client, name, time, type, and what the name was an alias of.
Asked: TypeAlias = "tuple[str, str, float, int, tuple[str, ...]]"

_HOUR = 3600.0

_NAMES = [
    f"{host}{domain}" for domain in ("a.example", "b.example", "c.example", "ads.test", "www.bing.com", "xn--bcher-kva.example")
    for host in ("", "www.", "x.y.")
]  # fmt: skip

_ALIASES = ["shop.test", "www.shop.test", "cdn.shop.test", "kids.example.net"]

_LINES = (
    "a.example", "||b.example^", "@@||www.b.example^", "||c.example^$important", "0.0.0.0 www.a.example", "||ads.test^$dnstype=AAAA",
    "@@||c.example^", "||y.a.example^$client=kids", "/^x\\.y\\./", "@@||ads.test^$important", "*.c.example", "||ads.test^$badfilter",
)  # fmt: skip

_CLIENTS = ("192.0.2.1", "192.0.2.2", "192.0.2.77", "198.51.100.9", "2001:db8::1", "2001:db8:0:1::1")

_PLACES = ("192.0.2.1", "192.0.2.0/24", "192.0.2.64/26", "2001:db8::/48", "any")


def settingsOf(chance: Random, views: dict[str, list[str]] | None = None) -> Settings:
    """
    Return random settings.

    @param views: the clients of each view; L{None} for random ones.
    """
    lists = [{"name": name, "names": chance.sample(_LINES, 4)} for name in ("one", "two", "three")]
    texts = [f"{each['name']}{when}" for each in lists for when in chance.sample(("", " during day", " during odd"), 1)]

    def own() -> dict[str, object]:
        return {
            "lists": [each for each in texts if chance.random() < 0.6],
            "block": chance.sample(_NAMES, chance.randrange(2)),
            "block-except": chance.sample(_NAMES, chance.randrange(2)),
            "safe-search": ["bing"] if chance.random() < 0.3 else [],
        }

    if views is None:
        names = chance.sample(("kids", "guests", "lab"), chance.randrange(4))
        views = {name: chance.sample(_PLACES, chance.randrange(1, 3)) for name in names}
    common = own()
    return Settings.of(
        upstream=["192.0.2.1"],
        list=lists,
        lists=common["lists"],
        block=common["block"],
        blockExcept=common["block-except"],
        safeSearch=common["safe-search"],
        schedule=[f"day=mon-fri {chance.choice(('08:00-12:00', '11:00-13:00'))}", "odd=thu 10:30-10:45 23:00-02:00"],
        timeZone="Europe/Berlin",
        view=[{"name": name, "clients": clients, **(own() if chance.random() < 0.8 else {})} for name, clients in views.items()],
    )


class Decider:
    """
    Decides one question after the other, by the table of one settings.
    """

    def __init__(self, settings: Settings, table: str) -> None:
        compileLists(table, "", listsOfAll(settings), {}, linesOfLists(settings))
        self.features = Features(Site(cast(IReactorTime, Clock()), settings))
        self.features.begin()
        self.features.take("blocking", {"table": table, "paused": []})

    def viewOf(self, client: str) -> str:
        return self.features.placeOf(client).site.view

    def __call__(self, client: str, name: str, at: float, rrType: int, aliases: Sequence[str] = ()) -> tuple[str, object] | None:
        """
        Return what is decided, and the place of the rule.

        @param aliases: the names that it is an alias of.
        """
        active = self.features.placeOf(client).active.get("blocking")
        if not isinstance(active, BlockedNames):
            return None
        moment = active._clock(at).replace(tzinfo=None).isoformat()
        for each in (name, *aliases):
            found = active.whyFor(each, client, moment, {1: "A", 28: "AAAA"}[rrType])
            word = "blocked" if found["blocked"] else "rewritten" if found["rewritten"] else ""
            if each is name and found["rule"] is not None:
                return (word, found["rule"]) if word else None
            # What is safe search of another name is for those who ask for that.
            if word == "blocked":
                return word, found["rule"]
        return None

    def isDecided(self, client: str, name: str, at: float, rrType: int) -> bool:
        """
        Return whether a rule about the name itself blocks it or rewrites its answer.
        """
        return self(client, name, at, rrType) is not None


@contextmanager
def deciders(old: Settings, new: Settings) -> Iterator[tuple[Decider, Decider]]:
    with TemporaryDirectory() as folder:
        both = Decider(old, f"{folder}/old"), Decider(new, f"{folder}/new")
        yield both
        for each in both:
            each.features.close()


def changeOf(was: tuple[str, object] | None, will: tuple[str, object] | None) -> str:
    """
    Return the kind of a change, C{""} for none.
    """
    if was == will:
        return ""
    if will is None:
        return "allowed"
    return "other" if was is not None and was[0] == will[0] else will[0]


def expected(rows: list[Asked], old: Decider, new: Decider) -> tuple[dict[str, Counter[str]], dict[str, Counter[str]]]:
    """
    Return how many queries of each name change, by kind: in truth, and as far as can be known. What a name leads to is not known that is
    not looked up, as a rule about itself decides.
    """
    true, known = [{kind: Counter[str]() for kind in KINDS} for _ in range(2)]
    for client, name, at, rrType, aliases in rows:
        before = old(client, name, at, rrType, aliases)
        there = () if old.isDecided(client, name, at, rrType) else aliases
        for found, leading in ((true, aliases), (known, there)):
            if kind := changeOf(before, new(client, name, at, rrType, leading)):
                found[kind][f"{name}."] += 1
    return true, known


def written(folder: Path, rows: list[Asked], old: Decider, clients: str = "full", *, isOpen: bool = False) -> None:
    """
    Write the history of queries that the old settings have decided.
    """
    kept = Rows(clients, b"k" * 32)
    (folder / KEY).write_bytes(b"k" * 32)
    made: list[Row] = []
    for client, name, at, rrType, aliases in rows:
        status = "forwarded" if old(client, name, at, rrType, aliases) is None else "blocked"
        isKnown = not old.isDecided(client, name, at, rrType)
        alias = " ".join([reversedName(nameFromText(each)) for each in aliases]) if isKnown else None
        made.append(rowOf(name, at, status=status, client=kept._clientOf(client), view=old.viewOf(client), type=rrType, alias=alias))
    place = len(made) // 2
    historyOf(folder, made[:place], made[place:], isOpen=isOpen)


def randomRows(chance: Random, count: int) -> list[Asked]:
    times = sorted([BEGIN + chance.random() * 30 * _HOUR for _ in range(count)])
    names = [*_NAMES, *_ALIASES]
    rows: list[Asked] = []
    for at in times:
        aliases = tuple(chance.sample(_NAMES, chance.choice((0, 0, 1, 2))))
        rows.append((chance.choice(_CLIENTS), chance.choice(names), at, chance.choice((1, 1, 28)), aliases))
    return rows


def counts(found: Replayed, kind: str) -> tuple[dict[str, int], dict[str, int]]:
    """
    Return the least and most queries of each name.
    """
    top = dict(found.top(kind, 1_000))
    return {name: each.least for name, each in top.items() if each.least}, {name: each.most for name, each in top.items()}


def _pair(tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    isSame = seed % 2 == 0
    old = settingsOf(chance)
    new = settingsOf(chance, {view.name: list(view.clients) for view in viewsOf(old)} if isSame else None)
    rows = randomRows(chance, 150)
    with deciders(old, new) as (before, after):
        true, known = expected(rows, before, after)
        # Those of which it is not known what they lead to.
        unsure = Counter[str]()
        for client, name, at, rrType, _ in rows:
            if before.isDecided(client, name, at, rrType) and after(client, name, at, rrType) is None:
                unsure[f"{name}."] += 1
        for clients in ("full", "network", "hash", "none"):
            folder = tmp_path / f"{seed}-{clients}"
            folder.mkdir()
            written(folder, rows, before, clients, isOpen=bool(chance.randrange(2)))
            found = replayed(str(folder), old, new, BEGIN, BEGIN + 30 * _HOUR, pytest.fail)
            assert found.queries == 150 and found.wrong == []
            for kind in KINDS:
                least, most = counts(found, kind)
                exact = dict(known[kind])
                sure = dict(known[kind] - unsure) if kind == "allowed" else exact
                if clients == "full" or isSame:
                    # What is said is exact, but for what is not known.
                    assert (seed, clients, kind, least, most) == (seed, clients, kind, sure, exact)
                for name, count in exact.items():
                    assert count <= most.get(name, 0), (seed, clients, kind, name)
                for name, count in least.items():
                    assert count <= sure.get(name, 0), (seed, clients, kind, name)
                    assert kind != "allowed" or count <= true[kind][name], (seed, clients, kind, name)
                assert kind != "allowed" or all(count <= most.get(name, 0) for name, count in true[kind].items())
            if clients == "full" or isSame:
                assert found.unknown == unsure.total()
            if clients == "full":
                assert (found.agreed, found.unexplained) == (found.sampled, 0)


@pytest.mark.parametrize("seed", range(8))
def test_randomPairs(tmp_path: Path, seed: int) -> None:
    """
    Of random settings with lists, types, exceptions, expressions, schedules, views and safe search the same queries change as when each is
    decided by itself; with clients that are not kept in whole the true number is between the bounds, and exact if views stay.
    """
    _pair(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(8, 208))
def test_moreRandomPairs(tmp_path: Path, seed: int) -> None:
    """
    The same of two hundred more.
    """
    _pair(tmp_path, seed)


SIMPLE: dict[str, object] = {"upstream": ["192.0.2.1"], "block": ["a.example"]}


def test_span(tmp_path: Path) -> None:
    """
    Only queries of the span are looked at, and none that block lists do not decide; a file that cannot be read is said, and the others are
    looked at.
    """
    rows = [rowOf("b.example", BEGIN + hour * _HOUR, status="forwarded") for hour in range(6)]
    rows += [rowOf("b.example", BEGIN + 2 * _HOUR, status=status) for status in ("local", "refused", "dropped", "failed", "cached")]
    broken, *_ = historyOf(tmp_path, [rowOf("b.example", BEGIN)], sorted(rows))
    broken.chmod(0o600)
    broken.write_bytes(b"SQLite format 3\0" + b"x" * 5_000)
    old, new = Settings.of(**SIMPLE), Settings.of(**{**SIMPLE, "block": ["a.example", "b.example"]})
    found = replayed(str(tmp_path), old, new, BEGIN + _HOUR, BEGIN + 4 * _HOUR, pytest.fail)
    assert (found.queries, found.total("blocked"), found.total("allowed")) == (5, (5, 5), (0, 0))
    (line,) = found.wrong
    assert line.startswith(f"{broken}: ")
    (told,) = cast("list[dict[str, object]]", cast("dict[str, object]", found.toJSON(5)["blocked"])["top"])
    assert told == {"name": "b.example.", "least": 5, "most": 5, "clientCount": 1, "clients": ["192.0.2.7"], "rules": ["block"]}
    assert replayed(str(tmp_path), old, new, BEGIN + 9 * _HOUR, BEGIN + 10 * _HOUR, pytest.fail).queries == 0


def test_asRecorded(tmp_path: Path) -> None:
    """
    Of how many queries the old settings decide as recorded is said, and which were blocked by no rule about their names.
    """
    rows = [rowOf("a.example", BEGIN + number, status="blocked") for number in range(6)]
    rows += [rowOf("alias.example", BEGIN + 10 + number, status="blocked", rule="ads:3") for number in range(2)]
    rows += [rowOf("www.a.example", BEGIN + 20, status="forwarded"), rowOf("c.example", BEGIN + 21, status="forwarded")]
    historyOf(tmp_path, rows)
    old = Settings.of(**SIMPLE)
    found = replayed(str(tmp_path), old, old, BEGIN, BEGIN + _HOUR, pytest.fail)
    assert (found.unexplained, found.unknown, found.sampled, found.agreed) == (2, 0, 10, 7)
    assert [found.total(kind) for kind in KINDS] == 4 * [(0, 0)]


def test_aliases(tmp_path: Path) -> None:
    """
    A name is decided by what it was an alias of when it was asked for, unless a rule is about itself; of names that were not looked up, and
    in files of earlier versions, that is not known, and it is said of how many queries.
    """
    rows = [
        rowOf("one.test", BEGIN, status="forwarded", alias="example.cdn example.b.x"),
        rowOf("one.test", BEGIN + 1, status="forwarded", alias="example.cdn"),
        rowOf("one.test", BEGIN + 2, status="cached", alias=None),
        rowOf("kept.test", BEGIN + 3, status="forwarded", alias="example.b"),
        rowOf("a.example", BEGIN + 4, status="blocked", rule="block", alias=None),
        rowOf("other.test", BEGIN + 5, status="blocked", rule="block", alias="example.a"),
    ]
    (path,) = historyOf(tmp_path, rows)
    old = Settings.of(**SIMPLE)
    new = Settings.of(**{**SIMPLE, "block": ["b.example"], "blockExcept": ["kept.test"]})
    found = replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail)
    assert [(kind, found.total(kind)) for kind in KINDS[:2]] == [("blocked", (1, 1)), ("allowed", (1, 2))]
    assert found.top("blocked", 9)[0][0] == "one.test."
    assert {name for name, _ in found.top("allowed", 9)} == {"a.example.", "other.test."}
    assert (found.unknown, found.unexplained, found.agreed) == (2, 0, 6)
    path.chmod(0o600)
    with sqlite3.connect(path) as sql:
        sql.executescript("ALTER TABLE query DROP COLUMN alias; DROP TABLE alias")
    sql.close()
    found = replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail)
    assert [found.total(kind) for kind in KINDS[:2]] == [(0, 0), (0, 1)]
    assert (found.unknown, found.unexplained, found.agreed) == (5, 1, 5)


def test_doors(tmp_path: Path) -> None:
    """
    Of a client that may be in a view by how it comes in, the least and the most is said; by the view that was noted if views stay.
    """
    historyOf(tmp_path, [rowOf("b.example", BEGIN, status="forwarded"), rowOf("b.example", BEGIN + 1, status="forwarded", view="inner")])
    view: dict[str, object] = {"name": "inner", "clients": ["key=partner", "192.0.2.200"]}
    old = Settings.of(**SIMPLE, view=[view])
    new = Settings.of(**SIMPLE, view=[{**view, "block": ["b.example"]}])
    assert replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail).total("blocked") == (1, 1)
    new = Settings.of(**SIMPLE, view=[{**view, "block": ["b.example"]}, {"name": "more", "clients": ["192.0.2.201"]}])
    assert replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail).total("blocked") == (0, 2)


def test_nameOfAView(tmp_path: Path) -> None:
    """
    A rule for the clients of a view by its name ends with that name, although the same lists apply.
    """
    historyOf(tmp_path, [rowOf("b.example", BEGIN, status="blocked", view="kids"), rowOf("c\\.d.b.example", BEGIN + 1, status="blocked")])
    given: dict[str, object] = {"list": {"name": "one", "names": ["||b.example^$client=kids"]}, "lists": "one"}
    old, new = [Settings.of(**SIMPLE, **given, view=f"{name}=192.0.2.7") for name in ("kids", "others")]
    assert replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail).total("allowed") == (2, 2)


def test_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What takes too long ends with an error, in SQLite as in between.
    """
    historyOf(tmp_path, [rowOf(f"n{number}.example", BEGIN + number, status="forwarded") for number in range(3_000)])
    old, new = Settings.of(**SIMPLE), Settings.of(**{**SIMPLE, "block": ["*.example"]})
    for steps in (1, 10**9):
        monkeypatch.setattr(module, "_STEPS", steps)
        with pytest.raises(TimedOut):
            replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail, seconds=0.0)
    assert replayed(str(tmp_path), old, new, BEGIN, BEGIN + _HOUR, pytest.fail).total("blocked") == (3_000, 3_000)


def test_lists(tmp_path: Path) -> None:
    """
    Lists that cannot be read, and those that no server has fetched, are said; those of a server that has are read from its copies.
    """
    folder = tmp_path / "history"
    folder.mkdir()
    historyOf(folder, [rowOf("b.example", BEGIN, status="forwarded")])
    lines: list[str] = []
    old = Settings.of(**SIMPLE, list=["far=https://lists.example/", f"gone={tmp_path}/none"])
    new = Settings(dict(old.given) | {"lists": ("far", "gone")})
    found = replayed(str(folder), old, new, BEGIN, BEGIN + _HOUR, lines.append)
    assert found.total("blocked") == (0, 0)
    assert [line.split(":")[0] for line in lines] == ["list far", f"list gone ({tmp_path}/none)"]
    copy = tmp_path / "copy"
    copy.write_text("b.example\n")
    with copy.open("rb") as file:
        more = {"block:far=https://lists.example/": (str(copy), digestOf(file))}
    found = replayed(str(folder), old, new, BEGIN, BEGIN + _HOUR, lines.append, more=more)
    assert found.total("blocked") == (1, 1)


def test_notLookedAt() -> None:
    """
    Differences that are not looked at are named, each once.
    """
    old = Settings.of(**SIMPLE)
    new = Settings.of(**SIMPLE, local=["a.lan A 192.0.2.1"], localDomain=["lan"], route={"lan": "192.0.2.1"})
    assert unlooked(old, new) == ["local names", "routes"]
    assert unlooked(old, old) == []
