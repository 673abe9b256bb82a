"""
All benchmarks, one after the other.

    python -m benchmarks [name ...]
    python -m benchmarks name --option ...

Names are those of the modules beside this one; options are those of a single one. On a shared machine
the ratios say more than the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

ALL = (
    *("parsing", "compat", "cached", "cachememory", "uncached", "unreliable", "simulated", "addresses"),
    *("packetcache", "bulk", "transfers", "zoneloads", "floods", "blocking", "relaying", "served", "recursion", "encrypted", "robotlogs"),
)

#: Seconds that a benchmark gets to clean up.
_ENDING = 30


def run(name: str) -> int:
    """
    Have it run to its end. Whoever presses Ctrl-C means it as well: it gets the time to end what it has started.

    @return: its exit code.
    """
    with subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}"]) as running:
        try:
            return running.wait()
        except KeyboardInterrupt:
            return running.wait(_ENDING) or 130


def main() -> int:
    """
    @return: the exit code: of the first benchmark that failed, or 2 for a name that is none.
    """
    if sys.argv[1:2] and sys.argv[1] in ALL and sys.argv[2:] and sys.argv[2].startswith("-"):
        os.execv(sys.executable, [sys.executable, "-m", f"benchmarks.{sys.argv[1]}", *sys.argv[2:]])
    wanted = sys.argv[1:] or list(ALL)
    for name in wanted:
        if name not in ALL:
            print(f"benchmarks: there is no {name!r}; there are {', '.join(ALL)}", file=sys.stderr)
            return 2
    for name in wanted:
        headline = (import_module(f"benchmarks.{name}").__doc__ or "").strip().splitlines()[0]
        print(f"\n== {name}: {headline}", flush=True)
        code = run(name)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
