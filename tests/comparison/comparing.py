"""
Give random inputs to the source and to the compiled package, and compare what they make of them.

    python -m tests.comparison.comparing FOLDER [inputs [seed]]

FOLDER contains the compiled package. The default is 1,000,000 inputs, which takes about half an hour. The exit code is 1 if there is a
difference; it is printed with the smallest input that Hypothesis found for it.

The inputs come in slices, each with a seed one higher than that of the slice before; the first has the seed given, or 0. After a crash, for
which nothing smaller can be found, its seed makes the same inputs again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections import Counter
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.comparison.inputs import INPUTS, variations

__all__ = ["SHARES", "Both", "compare", "main"]

_ROOT: Final = Path(__file__).parents[2]

#: Inputs made from one of Hypothesis's, whose own work is much more than that of reading an input.
_VARIATIONS: Final = 25

#: Packets that each new server gets.
_PACKETS: Final = 200

#: Inputs of all kinds in a slice. Hypothesis remembers what it has made until a run of it ends: a quarter of a megabyte for each message.
_SLICE: Final = 50_000

#: The share of each kind in all inputs.
SHARES: Final = {"message": 0.4, "name": 0.2, "zone": 0.2, "replies": 0.2}


class _Process:
    """
    The package in one of its forms.
    """

    def __init__(self, form: str, folder: Path) -> None:
        # Sets of octets are iterated in the same order in both.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.comparison.process", form, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            env={"PYTHONHASHSEED": "0"},
            text=True,
        )

    def ask(self, kind: str, inputs: list[bytes]) -> None:
        """
        Send inputs, whose outcomes are read later.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([kind, [each.hex() for each in inputs]]) + "\n")
        self._process.stdin.flush()

    def outcomes(self) -> list[str]:
        """
        Return the outcomes of the inputs that were sent.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"a process ended with exit code {self._process.wait()}")
        found: list[str] = json.loads(line)
        return found

    def close(self) -> None:
        """
        End the process.
        """
        self._process.communicate()


class Both:
    """
    The package from source and compiled.

    @ivar compared: the number of inputs compared, for each kind.
    """

    def __init__(self, compiled: Path) -> None:
        self._source, self._compiled = _Process("source", _ROOT), _Process("compiled", compiled)
        self.compared: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._source.close()
        self._compiled.close()

    def compare(self, kind: str, inputs: list[bytes]) -> None:
        """
        Check that both make the same of these inputs.
        """
        self._source.ask(kind, inputs)
        self._compiled.ask(kind, inputs)
        for each, source, compiled in zip(inputs, self._source.outcomes(), self._compiled.outcomes(), strict=True):
            assert source == compiled, f"{kind} {each!r}:\nsource:   {source}\ncompiled: {compiled}"
        self.compared[kind] += len(inputs) * (_PACKETS if kind == "replies" else 1)


def compare(both: Both, kind: str, count: int, seed: int) -> None:
    """
    Compare what both make of at least that many inputs of a kind.

    @param seed: the seed of all of them.
    """
    replies = kind == "replies"

    examples = -(-count // (_PACKETS if replies else _VARIATIONS))

    @seeded(seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(INPUTS[kind], st.integers(0, 2**32))
    def check(octets: bytes, dice: int) -> None:
        both.compare(kind, [_PACKETS.to_bytes(2, "big") + octets] if replies else variations(octets, _VARIATIONS, dice))

    check()


def main() -> None:
    parser = ArgumentParser(prog="python -m tests.comparison.comparing")
    parser.add_argument("folder", type=Path)
    parser.add_argument("inputs", type=int, nargs="?", default=1_000_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    options = parser.parse_args()
    count, seed = options.inputs, options.seed
    began = time.monotonic()
    with Both(options.folder.resolve()) as both:
        while (left := count - both.compared.total()) > 0:
            for kind, share in SHARES.items():
                compare(both, kind, ceil(min(left, _SLICE) * share), seed)
            done = ", ".join([f"{number} {kind}" for kind, number in both.compared.items()])
            sys.stdout.write(f"seed {seed}: {both.compared.total()} inputs compared ({done}) after {time.monotonic() - began:.0f} s\n")
            sys.stdout.flush()
            seed += 1


if __name__ == "__main__":
    main()
