"""
Starts the shared internet and the resolvers in a network namespace, asks them all questions, and writes what they said::

    unshare --user --map-root-user --net --pid --fork --kill-child python -m tests.live.differential.running FOLDER NAMES small|whole

The servers have the addresses of L{twisted_ext.testing.internet}, since Knot Resolver does not query loopback addresses.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from tests.live.differential.asking import Reply, ask, askAll
from tests.live.differential.authorities import commandOf
from tests.live.differential.questions import Case
from tests.live.differential.resolvers import OURS, PORTS, RESOLVERS, resolverCommand
from tests.patience import PATIENCE
from tests.peers import peer
from twisted_ext.wire.codes import CD, RD

__all__ = ["Result", "main", "resultsIn"]

#: Questions at a time, and at a time when those are asked again on which resolvers differ.
_TOGETHER: Final = 40
_TOGETHER_AGAIN: Final = 32

#: Seconds until questions are asked again: resolvers have forgotten failures by then.
_FORGOTTEN: Final = 65.0

_ADDRESSES: Final = "198.18.0.0/15"


class Result(NamedTuple):
    """
    What the resolvers have said to one question, in the order of C{RESOLVERS}.
    """

    case: Case
    replies: tuple[Reply, ...]


def resultsIn(path: Path) -> list[Result]:
    """
    Read what has been written.
    """
    results = []
    for case, replies in json.loads(path.read_text("utf-8")):
        read = [Reply(status, ad, tuple(records), tuple(ede), seconds) for status, ad, records, ede, seconds in replies]
        results.append(Result(Case(*case), tuple(read)))
    return results


class _Programs:
    """
    What has been started.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        self._running.append((name, process))
        return process

    def wait(self, what: str, ready: Callable[[], bool]) -> None:
        giveUp = time.monotonic() + PATIENCE
        while not ready():
            ended = [name for name, process in self._running if process.poll() is not None]
            if ended or time.monotonic() > giveUp:
                logs = [(self._folder / f"{name}.log").read_text(errors="replace")[-2000:] for name in ended or [what]]
                raise SystemExit(f"{', '.join(ended) or what} failed:\n" + "\n".join(logs))
            time.sleep(0.1)

    def end(self) -> None:
        for _, process in reversed(self._running):
            process.terminate()
        for _, process in self._running:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ip(*words: str) -> None:
    subprocess.run([str(peer("ip")), *words], check=True)


def _isReady(name: str) -> bool:
    return ask(PORTS[name], "a.nic.alpha", tries=1, wait=1.0).status == "NOERROR"


def main(folder: Path, names: int, small: bool) -> None:
    """
    Run all of it.
    """
    _ip("link", "set", "lo", "up")
    _ip("route", "add", "local", _ADDRESSES, "dev", "lo")
    programs = _Programs(folder)
    try:
        words = ["-m", "tests.live.differential.serving", str(folder), str(names), "small" if small else "whole"]
        programs.start("serving", [sys.executable, *words])
        programs.wait("serving", lambda: "serving" in (folder / "serving.log").read_text())
        world = json.loads((folder / "world.json").read_text())
        for part, settings in world["parts"].items():
            if part.startswith("bind"):
                # It listens at the addresses of interfaces only.
                for address in settings["addresses"]:
                    _ip("address", "add", f"{address}/32", "dev", "lo")
            programs.start(part, commandOf(part, folder, settings["addresses"], settings["zones"]))
        for name in RESOLVERS:
            programs.start(name, resolverCommand(name, folder))
        for name in RESOLVERS:
            programs.wait(name, partial(_isReady, name))
        cases = [Case(*case) for case in world["cases"]]
        said = {}
        for name in RESOLVERS:
            began = time.monotonic()
            said[name] = askAll(PORTS[name], cases, _TOGETHER)
            sys.stderr.write(f"{name}: {len(cases)} names in {time.monotonic() - began:.1f} s\n")
        results = [Result(case, tuple([said[name][index] for name in RESOLVERS])) for index, case in enumerate(cases)]
        (folder / "first.json").write_text(json.dumps(results))
        (folder / "results.json").write_text(json.dumps(_again(results, 0.0 if small else _FORGOTTEN)))
        (folder / "unchecked.json").write_text(json.dumps(_unchecked(results)))
    finally:
        programs.end()


def _unchecked(results: Sequence[Result]) -> list[str]:
    """
    Return the bogus names that our resolver answers once it has given their data to a client with CD.
    """
    bogus = [case for case, replies in results if case.world.startswith("bogus/") and replies[0].status == "SERVFAIL"]
    unchecked = askAll(PORTS[OURS], bogus, _TOGETHER, RD | CD)
    sys.stderr.write(f"{sum(each.status != 'SERVFAIL' for each in unchecked)} of {len(bogus)} bogus names have data\n")
    checked = askAll(PORTS[OURS], bogus, _TOGETHER)
    return [f"{case.name} {case.rrType}" for case, reply in zip(bogus, checked, strict=True) if reply.status != "SERVFAIL"]


def _again(results: Sequence[Result], wait: float) -> list[Result]:
    """
    Ask again where resolvers differ: what is left does not come from the load or from what happened before.
    """
    differing = [index for index, each in enumerate(results) if not all(reply.agrees(each.replies[0]) for reply in each.replies)]
    sys.stderr.write(f"{len(differing)} names again\n")
    time.sleep(wait if differing else 0.0)
    cases = [results[index].case for index in differing]
    with ThreadPoolExecutor(len(RESOLVERS)) as pool:
        said = list(pool.map(lambda name: askAll(PORTS[name], cases, _TOGETHER_AGAIN), RESOLVERS))
    found = list(results)
    for place, index in enumerate(differing):
        found[index] = Result(results[index].case, tuple([each[place] for each in said]))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "small")
