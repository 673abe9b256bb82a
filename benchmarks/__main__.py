"""
All benchmarks, one after the other.

    python -m benchmarks [name ...]
    python -m benchmarks name --option ...

Names are those of the modules beside this one; options are those of a single one. Where C{make compiled} has been run, those that measure
this package alone run twice: interpreted and compiled. On a shared machine the ratios say more than the figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module

from benchmarks.variants import MISSING, PURE, Variant, variants

ALL = (
    *("parsing", "compat", "cached", "cachememory", "uncached", "unreliable", "simulated", "addresses", "imports"),
    *("commands", "packetcache", "bulk", "transfers", "zoneloads", "floods", "blocking", "relaying", "served", "recursion", "encrypted"),
    *("robotlogs", "scaling", "bounds"),
)

#: Those that compare the builds themselves, or measure what does not depend on it.
_ONCE = ("simulated", "relaying", "served", "recursion", "encrypted", "robotlogs", "scaling", "bounds")

#: Seconds that a benchmark gets to clean up.
_ENDING = 30


def run(name: str, variant: Variant) -> int:
    """
    Run it to its end. It gets Ctrl-C as well, and the time to end what it has started.

    @return: its exit code.
    """
    with variant.environment() as environment, subprocess.Popen([variant.python, "-m", f"benchmarks.{name}"], env=environment) as running:
        try:
            return running.wait()
        except KeyboardInterrupt:
            return running.wait(_ENDING) or 130


def main() -> int:
    """
    @return: the exit code: of the first benchmark that failed, or 2 for a name that is none.
    """
    # Those that take words of their own are run alone.
    if sys.argv[1:2] == ["bounds"] or (sys.argv[1:2] and sys.argv[1] in ALL and sys.argv[2:] and sys.argv[2].startswith("-")):
        os.execv(sys.executable, [sys.executable, "-m", f"benchmarks.{sys.argv[1]}", *sys.argv[2:]])
    wanted = sys.argv[1:] or list(ALL)
    for name in wanted:
        if name not in ALL:
            print(f"benchmarks: there is no {name!r}; there are {', '.join(ALL)}", file=sys.stderr)
            return 2
    builds = variants()
    if len(builds) == 1:
        print(f"benchmarks: {MISSING}", file=sys.stderr)
    for name in wanted:
        headline = (import_module(f"benchmarks.{name}").__doc__ or "").strip().splitlines()[0]
        for variant in builds[: 1 if name in _ONCE else None]:
            suffix = "" if variant.name == PURE else f" ({variant.name})"
            print(f"\n== {name}{suffix}: {headline}", flush=True)
            code = run(name, variant)
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
