"""
What C{import twisted_ext.client} takes in a program that has imported the reactor, beside C{twisted.names.client}.

    python -m benchmarks.imports [rounds]

C{import}: the time of the import statement itself in a new process, in which C{twisted.internet.reactor} has been imported, with the
bytecode of all modules in C{__pycache__}. C{process}: what a whole process, start and end included, takes longer with that statement. Both
are medians, in milliseconds of a clock; rounds are interleaved.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

MODULES = ("twisted_ext.client", "twisted.names.client")

_BEFORE = "from twisted.internet import reactor\n"
_TIMED = "import time\nbefore = time.perf_counter()\nimport {}\nprint(time.perf_counter() - before)\n"


def statement(module: str) -> float:
    """
    @return: milliseconds that the import statement takes.
    """
    done = subprocess.run([sys.executable, "-c", _BEFORE + _TIMED.format(module)], capture_output=True, text=True, check=True)
    return float(done.stdout) * 1e3


def process(code: str) -> float:
    """
    @return: milliseconds that a process takes which runs this code.
    """
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - before) * 1e3


def main() -> None:
    rounds = int(sys.argv[1]) if sys.argv[1:] else 21
    for module in MODULES:
        # Writes the bytecode.
        statement(module)
    rows: dict[str, list[tuple[float, float]]] = {module: [] for module in MODULES}
    for _ in range(rounds):
        base = process(_BEFORE)
        for module in MODULES:
            rows[module].append((statement(module), process(f"{_BEFORE}import {module}\n") - base))
    print(f"{'':24}{'import':>10}{'process':>10}")
    for module, times in rows.items():
        own, whole = zip(*times, strict=True)
        print(f"{module:24}{statistics.median(own):10.1f}{statistics.median(whole):10.1f}")


if __name__ == "__main__":
    main()
