"""
Tests of L{twisted_ext.server.jobs.rlimit}, in processes of their own.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from twisted_ext.server.limits import DESCRIPTORS

#: Prints what can be had where so many are set and allowed.
PROGRAM = """
import resource
import sys
soft, hard, *wanted = [int(word) for word in sys.argv[1:]]
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from twisted_ext.server.jobs.rlimit import raiseDescriptors
said = raiseDescriptors(*wanted)
print(said, *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        # All that is allowed, but no more than are of use; and what somebody has set higher stays.
        ((128, 512), (512, 512, 512)),
        ((128, 512, 256), (256, 256, 512)),
        ((300, 512, 256), (300, 300, 512)),
    ],
)
def test_raised(words: tuple[int, ...], said: tuple[int, ...]) -> None:
    """
    A server can have as many sockets open as it may without anybody's leave.
    """
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, words)], capture_output=True, text=True, check=True)
    assert tuple(map(int, done.stdout.split())) == said


def test_enough() -> None:
    """
    That is enough for all requests that may wait, each of which has been sent four times.
    """
    from twisted_ext.limits import REQUESTS_WAITING, SOCKET_QUERIES

    assert DESCRIPTORS.default > REQUESTS_WAITING.default * 4 / SOCKET_QUERIES.default * 2
