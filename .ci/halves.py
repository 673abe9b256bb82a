"""
Run the tests: all of them in two processes beside each other, or some.

    python .ci/halves.py [ARGUMENT ...]

With arguments for pytest there is one process, as usual. Without, the tests of L{SIDE} run beside the others, which takes half the time on
two processors; their output comes at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

__all__ = ["SIDE", "runTests"]

ROOT: Final = Path(__file__).parent.parent

#: Tests that start programs: nearly half of the work.
SIDE: Final = ("tests/apps", "tests/docs", "tests/live")


def runTests(command: Sequence[str], words: Sequence[str], folder: Path = ROOT, environment: Mapping[str, str] = os.environ) -> int:
    """
    Run pytest and return its exit code, the higher one of both.

    @param command: the command line of pytest, with options for all tests.
    @param words: further arguments; without these, all tests run in two processes.
    """
    if words:
        return subprocess.run([*command, *words], cwd=folder, env=environment).returncode
    apart = [each for each in SIDE if f"--ignore={each}" not in command]
    with TemporaryFile() as output:
        with subprocess.Popen([*command, *apart], cwd=folder, env=environment, stdout=output, stderr=output) as side:
            try:
                others = subprocess.run([*command, *[f"--ignore={each}" for each in apart]], cwd=folder, env=environment)
            except BaseException:
                side.terminate()
                raise
        output.seek(0)
        sys.stdout.write(output.read().decode("utf-8", "replace"))
    return max(others.returncode, side.returncode, key=abs)


if __name__ == "__main__":
    try:
        sys.exit(abs(runTests([sys.executable, "-m", "pytest"], sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
