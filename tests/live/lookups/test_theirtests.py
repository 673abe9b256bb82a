"""
Twisted's own tests of its DNS server, with this package's server factory in its place.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.test_architecture import ROOT

_FACTORY: Final = "test_server.DNSServerFactoryTests."
_NAMES: Final = "test_names.ServerDNSTests."

#: Tests that do not pass, with the reason why this package differs.
_OTHERWISE: Final[dict[str, tuple[str, ...]]] = {
    "what is not a resolver is refused when the factory is made": (
        *("authorities", "cacheOverride", "caches", "canRecurseOverride", "clients", "gotResolverResponseCaching"),
        *("resolverDefaultEmpty", "resolverOrder"),
    ),
    "the classes are this package's own": ("defaultProtocol", "messageFactory", "resolverType"),
    "log lines are events of twisted.logger, with other texts": (
        *("gotResolverErrorLogging", "gotResolverResponseLogging", "handleInverseQueryLogging", "handleNotifyLogging"),
        *("handleOtherLogging", "handleStatusLogging", "messageReceivedLogging1", "messageReceivedLogging2"),
        *("messageReceivedLoggingNoQuery", "sendReplyLoggingNoAnswers", "sendReplyLoggingWithAnswers"),
        *("verboseLogQuiet", "verboseLogVerbose"),
    ),
    "DomainError means that a resolver has no information, which is no denial": (
        "gotResolverErrorDomainError",
        "gotResolverErrorCallsResponseFromMessage",
    ),
    "replies are written from octets; methods for messages are called where a subclass has its own": (
        *("handleQuery", "handleQueryCallback", "handleQueryErrback", "responseFromMessageCallsMessageFactory"),
        "messageReceivedTimestamp",
    ),
    "messages and records are objects of their classes": (
        *("gotResolverErrorResetsResponseAttributes", "gotResolverResponse", "gotResolverResponseResetsResponseAttributes"),
    ),
    "the size of a reply follows from the query (RFC 6891)": ("responseFromMessageMaxSize",),
}

#: The same for the tests with sockets.
_OTHERWISE_NAMES: Final[dict[str, str]] = {
    "A6": "its records have bits set that RFC 2874, section 3.1, requires to be zero",
    "mailExchangeRecord": "the addresses of mail exchanges are in ADDITIONAL (RFC 1035, section 3.3.9)",
    "someRecordsWithTTLs": "the records of a set have one TTL (RFC 2181, section 5.2)",
    "zoneTransfer": "zones are not transferred unless the operator permits it",
}


def run(folder: Path, *names: str) -> str:
    """
    Run tests in another process.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.live.lookups.theirtests", *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    return done.stdout


def test_theirTestsPass(tmp_path: Path) -> None:
    """
    Twisted's tests pass, but for those in which this package decides otherwise.
    """
    known = set(json.loads(run(tmp_path)))
    otherwise = {f"{_FACTORY}test_{name}" for names in _OTHERWISE.values() for name in names}
    otherwise |= {f"{_NAMES}test_{name}" for name in _OTHERWISE_NAMES}
    assert otherwise <= known
    outcomes: dict[str, str] = json.loads(run(tmp_path, *sorted(known - otherwise)))
    assert {name: said for name, said in outcomes.items() if said != "passed"} == {}
    assert len(outcomes) == len(known) - len(otherwise)
    assert len(outcomes) >= 49
