"""
Tests of L{twisted_ext.server.jobs.rlimit}, in separate processes.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from twisted_ext.server.limits import DESCRIPTORS

#: Prints the limits that C{raiseDescriptors} reaches from a soft and a hard limit.
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
        # Raise the soft limit to the hard limit or the useful maximum, and keep a higher soft limit.
        ((128, 512), (512, 512, 512)),
        ((128, 512, 256), (256, 256, 512)),
        ((300, 512, 256), (300, 300, 512)),
    ],
)
def test_softLimitIsRaised(words: tuple[int, ...], said: tuple[int, ...]) -> None:
    """
    A server raises its limit of open descriptors as far as it may without privileges.
    """
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", PROGRAM, *map(str, words)], capture_output=True, text=True, check=True)
    assert tuple(map(int, done.stdout.split())) == said


def test_defaultLimitCoversWaitingRequests() -> None:
    """
    The default limit is enough for all requests that may wait, each of which has been sent four times.
    """
    from twisted_ext.limits import REQUESTS_WAITING, SOCKET_QUERIES

    assert DESCRIPTORS.default > REQUESTS_WAITING.default * 4 / SOCKET_QUERIES.default * 2
