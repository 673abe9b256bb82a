"""
All benchmarks, one after the other.

    python -m benchmarks [name ...]

Names are those of the modules beside this one. On a shared machine the ratios say more than the figures.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

ALL = ("parsing", "edges", "cached", "cachememory", "uncached", "fastlane", "bulk")


def main() -> int:
    """
    @return: the exit code: of the first benchmark that failed, or 2 for a name that is none.
    """
    wanted = sys.argv[1:] or list(ALL)
    for name in wanted:
        if name not in ALL:
            print(f"benchmarks: there is no {name!r}; there are {', '.join(ALL)}", file=sys.stderr)
            return 2
    for name in wanted:
        headline = (import_module(f"benchmarks.{name}").__doc__ or "").strip().splitlines()[0]
        print(f"\n== {name}: {headline}", flush=True)
        code = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
