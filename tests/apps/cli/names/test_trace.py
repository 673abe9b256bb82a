"""
Tests of C{txdns trace} with a small internet in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from tests.dnssec.evidences import smallInternet
from twisted_ext.answers import Answer, Note
from twisted_ext.apps.cli.main import main
from twisted_ext.apps.cli.names.trace import ARGUMENTS, _trace
from twisted_ext.apps.cli.terminal.exits import BATCH, NO_REPLY, OK, USAGE
from twisted_ext.drawing.palette import Palette
from twisted_ext.errors import BadDescription
from twisted_ext.recursion.delegations import Delegation
from twisted_ext.recursion.hints import rootFromText
from twisted_ext.resolver.recursive.pool import ServerPool
from twisted_ext.resolver.recursive.recording import Recording, replay, resolveTraced
from twisted_ext.resolver.recursive.source import RecursiveSource
from twisted_ext.resolver.recursive.tracetree import TraceTree
from twisted_ext.testing.internet import Fault, Internet
from twisted_ext.wire.message import Question
from twisted_ext.wire.names import nameFromText
from twisted_ext.wire.rrtypes import A

__all__: list[str] = []


def world() -> Internet:
    """
    Return an internet in which one server refuses, and one zone has its servers elsewhere.
    """
    internet = smallInternet()
    internet.zone("far.net", "www A 192.0.2.9", servers=["ns1.hosting.info"])
    internet.zone("hosting.info")
    internet.inject(Fault.REFUSES, "ns1.example.org")
    return internet


def traced(internet: Internet, name: str) -> tuple[Recording, list[Note]]:
    """
    Resolve a name, and return the recording and the steps that were shown.
    """
    shown: list[Note] = []
    root = rootFromText(internet.hints, "hints")
    recording = internet.wait(resolveTraced(internet.reactor(), root, Question(nameFromText(name), A), shown.append))
    return recording, shown


def run(internet: Internet, name: str, *words: str) -> int:
    """
    Run the command against the internet.
    """
    root = rootFromText(internet.hints, "hints")
    begun = _trace(internet.reactor(), Question(nameFromText(name), A), root, ARGUMENTS.parse(list(words)))
    return internet.wait(Deferred.fromCoroutine(begun))


@pytest.mark.parametrize("name", ["www.example.org", "alias.example.org", "www.far.net", "nope.other.test", "www.dead.org"])
def test_aTraceIsReplayedWithoutNetwork(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """
    From the JSON, the same steps are taken at the same times with the same result, also where it is a failure.
    """
    internet = world()
    internet.zone("dead.org", "www A 192.0.2.3")
    internet.inject(Fault.DEAD, "dead.org")
    code = NO_REPLY if "dead" in name else OK
    assert run(internet, name, "+json") == code
    text = capsys.readouterr().out
    path = tmp_path / "trace.json"
    path.write_text(text)
    assert main(["trace", "--replay", str(path), "+json"]) == code
    again = json.loads(capsys.readouterr().out)
    first = json.loads(text)
    assert [step["event"] for step in again["steps"]] == [step["event"] for step in first["steps"]]
    assert [step["at"] for step in again["steps"]] == pytest.approx([step["at"] for step in first["steps"]], abs=1e-4)
    for key in ("outcome", "rcode", "records", "root"):
        assert again.get(key) == first.get(key)
    assert main(["trace", "--replay", str(path)]) == code
    assert capsys.readouterr().out.splitlines()[-1].startswith(("   ", "└─ ", "`- "))


def test_eachStepHasItsReason() -> None:
    """
    The tree says of each query which zone it is for, how much of the name is sent, and why this server was chosen.
    """
    recording, shown = traced(world(), "alias.example.org")
    tree = TraceTree(recording.began, Palette(False), True)
    lines = [tree.line(note) for note in shown]
    assert ". for . NS: to learn the present servers of the root" in lines[0]
    assert any("org. for example.org. A: no more of the name than they need" in line for line in lines)
    assert any("example.org. for alias.example.org. A: the whole name" in line for line in lines)
    sent = [note for note in shown if note.event == "sent"]
    assert sent and all(note.details["why"] for note in sent)
    assert tree.ending(recording)[0].endswith(f"data NOERROR, {len(sent)} queries")
    assert tree.ending(recording)[1:] == [
        "   alias.example.org. 3600 IN CNAME www.other.test.",
        "   www.other.test. 300 IN A 192.0.2.81",
    ]


def test_endingCountsFromTheSameTime(capsys: pytest.CaptureFixture[str]) -> None:
    """
    The last line has no earlier time than those above, although the resolver takes a while to be made, and counts each query that was
    sent, those without a reply too.
    """
    internet = world()
    internet.zone("dead.org", "www A 192.0.2.3")
    internet.inject(Fault.DEAD, "dead.org")

    def slowly(reactor: IReactorTime, root: Delegation, pool: ServerPool) -> RecursiveSource:
        internet.advance(0.05)
        return RecursiveSource(reactor, root, pool=pool)

    with patch("twisted_ext.resolver.recursive.recording.RecursiveSource", slowly):
        run(internet, "www.dead.org")
    lines = capsys.readouterr().out.splitlines()
    times = [float(line.partition(" ms")[0].split()[-1]) for line in lines if " ms  " in line]
    assert times == sorted(times) and times[0] >= 50
    sent = len([line for line in lines if " ms  sent" in line])
    assert sent > 4 and lines[-1].endswith(f", {sent} queries")


def test_theTreeGrows() -> None:
    """
    Each step is shown when it happens, not at the end.
    """
    internet = world()
    shown: list[Note] = []
    root = rootFromText(internet.hints, "hints")
    resolving = resolveTraced(internet.reactor(), root, Question(nameFromText("www.example.org"), A), shown.append)
    counts = []
    for _ in range(3):
        counts.append(len(shown))
        internet.advance(0.02)
    assert 0 < counts[0] < counts[1] < counts[2]
    internet.wait(resolving)


def test_addressLookUpsAreBelowTheZoneThatNeedsThem() -> None:
    """
    What it takes to find a server of another zone is one level deeper.
    """
    recording, shown = traced(world(), "www.far.net")
    tree = TraceTree(recording.began, Palette(False), True)
    lines = [tree.line(note) for note in shown]
    deeper = [line for line in lines if "hosting.info. for ns1.hosting.info. A:" in line]
    assert len(deeper) == 1 and deeper[0].startswith("│  ├─ ")
    assert any("finding a server" in line and "ns1.hosting.info." in line for line in lines)


def test_refusalsAreSteps() -> None:
    """
    A server that refuses is named, and why the next one was asked.
    """
    while True:
        # Which server is the first is random.
        _, shown = traced(world(), "www.example.org")
        declined = [note for note in shown if note.event == "declined"]
        if declined:
            break
    assert declined[0].details["rcode"] == "REFUSED"
    again = [note for note in shown if note.details.get("why") == "the attempt before brought no answer"]
    assert again


TEXT = traced(world(), "alias.example.org")[0].toJSON()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(version=9), "version 9 is not known"),
        (lambda data: data.update(format="x"), '"format": "dns-trace"'),
        (lambda data: data.update(root=[]), "root: at least one server"),
        (lambda data: data["root"][0].update(addresses=["x"]), "root[0]: addresses: "),
        (lambda data: data.update(queries=[7]), "queries[0]: an object"),
        (lambda data: data["queries"][1].update(message="!"), "queries[1]: message: base64"),
        (lambda data: data["queries"][1].update(name="other."), "queries[1]: message: it answers another question"),
        (lambda data: data["queries"][1].update(seconds=float("nan")), "queries[1]: seconds: a number"),
        (lambda data: data["queries"][1]["notes"][0].update(details={"self": 1}), "queries[1]: notes[0]: details"),
        (lambda data: data["queries"].extend(data["queries"] * 400), "queries: a list of at most 2000"),
    ],
)
def test_malformedTracesAreOneClearError(
    change: Callable[[dict[str, object]], None], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """
    The error names the file, the place and what was expected.
    """
    data = json.loads(TEXT)
    change(data)
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(data))
    assert main(["trace", "--replay", str(path)]) == BATCH
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and f"{path}: " in lines[0] and said in lines[0]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damagedTracesNeverFailOtherwise(data: st.DataObject) -> None:
    """
    Whatever is changed in a trace, reading and replaying it gives a result or our error.
    """
    place = data.draw(st.integers(0, len(TEXT) - 1))
    damaged = TEXT[:place] + data.draw(st.sampled_from('A1/"\\,{}[]')) + TEXT[place + 1 :]
    try:
        recording = Recording.fromJSON(damaged)
    except BadDescription:
        return
    tree = TraceTree(0.0, Palette(False), True)
    lines: list[str] = []
    again = replay(recording, lambda note: lines.append(tree.line(note)))
    assert tree.ending(again)


def test_missingRepliesAreNamed() -> None:
    """
    A recording that lacks a reply ends with a failure that says so.
    """
    recording = Recording.fromJSON(TEXT)
    del recording.queries[1:]
    again = replay(recording, lambda note: None)
    assert not isinstance(again.result, Answer) and again.result is not None
    assert "the recording has no reply for" in str(again.result)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "a name is missing"),
        ("example.org --replay x", "--replay takes no name"),
        ("example.org FOO", "'FOO' is not a record type"),
        ("example.org --at x", "'--at' is not an option"),
    ],
)
def test_wrongArgumentsAreOneLine(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """
    Wrong arguments end with one line.
    """
    assert main(["trace", *words.split()]) == USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0]
