"""
Run Twisted's own tests of its DNS server against this package's server factory, in a process of its own::

    python -m tests.live.lookups.theirtests NAME...

It puts L{twisted_ext.server.DNSServerFactory} in the place of Twisted's, runs the named tests, and prints their outcomes as JSON. Without a
name it prints the names of all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from unittest import TestCase

from twisted.names import server
from twisted.names.test import test_names, test_server
from twisted.trial.reporter import TestResult

from twisted_ext.server import DNSServerFactory

#: The test cases of Twisted that make server factories.
_CASES: tuple[type[TestCase], ...] = (test_server.DNSServerFactoryTests, test_names.ServerDNSTests)


_newResult: Callable[[], TestResult] = TestResult


def _nameOf(test: TestCase) -> str:
    return test.id().removeprefix("twisted.names.test.")


def tests() -> Iterator[TestCase]:
    """
    Return the tests.
    """
    for case in _CASES:
        for name in sorted(dir(case)):
            if name.startswith("test_"):
                yield case(name)


def main(names: list[str]) -> None:
    """
    Run the tests with these names.
    """
    if not names:
        json.dump([_nameOf(test) for test in tests()], sys.stdout)
        return
    vars(server)["DNSServerFactory"] = DNSServerFactory
    outcomes: dict[str, str] = {}
    for test in tests():
        if _nameOf(test) in names:
            result = _newResult()
            test.run(result)
            outcomes[_nameOf(test)] = str([*result.failures, *result.errors]) if result.failures or result.errors else "passed"
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
