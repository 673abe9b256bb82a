"""
Compare usual queries of C{txdns query} by plain sockets with the same queries by the reactor.

    python -m tests.live.lookups.plainly COUNT [SEED]

does so for this many random queries at each of NSD, Knot DNS, BIND and Unbound, and prints each difference.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from random import Random
from typing import Final, NamedTuple

from tests.knots import knot
from tests.live.lookups.test_txdns import ZONE
from tests.peers import LivePeer, bind, nsd, unbound

__all__ = ["SERVERS", "Compared", "compareQueries", "randomQueries"]

#: Runs queries, each followed by a NUL and its exit code, or by a NUL and a word if it is not done that way.
_PLAIN: Final = """
import json, sys
from twisted_ext.apps.cli.query.command import plainly
from twisted_ext.apps.cli.query.args import parseQueries
for words in json.load(sys.stdin):
    for options in parseQueries(words, []):
        code, left = plainly([options])
        print(f"\\0{'left' if left else code}", end="", flush=True)
        print(f"\\0{'left' if left else code}", end="", flush=True, file=sys.stderr)
assert not any(name.partition(".")[0] in ("twisted", "zope") for name in sys.modules)
"""

_BY_REACTOR: Final = """
import json, sys
from twisted_ext.apps.cli.query import lookup
from twisted_ext.apps.cli.query.args import parseQueries
one = lookup._one
async def marked(*given):
    code = await one(*given)
    print(f"\\0{code}", end="", flush=True)
    print(f"\\0{code}", end="", flush=True, file=sys.stderr)
    return code
lookup._one = marked
lookup.lookUpAll([each for words in json.load(sys.stdin) for each in parseQueries(words, [])])
"""

#: What differs between any two of the same queries: ids, times, and TTLs of a cache.
_VARYING: Final = re.compile(
    r'id: \d+|Query time: \d+ \w+|WHEN: .*|"(?:id|seconds|when)": [^,}]+|"milliseconds": [^,}]+|(?:query_time|response_time|id|when): .*'
    r'| in \d+ \w+\.|\b(?:29\d|300|5m|4m5\ds)\b'
)



@contextmanager
def _resolver() -> Iterator[LivePeer]:
    with nsd({"example.org": ZONE}) as authority, unbound(
        forwardTo=[("127.0.0.1", authority.port)], extra="rrset-roundrobin: no"
    ) as running:
        yield running


SERVERS: Final[dict[str, Callable[[], AbstractContextManager[LivePeer]]]] = {
    "nsd": lambda: nsd({"example.org": ZONE}),
    "knot": lambda: knot({"example.org": ZONE}),
    "bind": lambda: bind({"example.org": ZONE}, extra="rrset-order { order none; };"),
    "unbound": _resolver,
}

_NAMES: Final = (
    "example.org", "www.example.org", "alias.example.org", "txt.example.org", "srv.example.org", "caa.example.org", "naptr.example.org",
    "svc.example.org", "x.wild.example.org", "no.example.org", "WWW.Example.ORG", "big.example.org", "elsewhere.example.net", ".",
    "xn--bcher-kva.example.org", "x\\032y.example.org", "version.bind",
)  # fmt: skip

_TYPES: Final = ("", "A", "AAAA", "MX", "TXT", "SOA", "NS", "SRV", "HTTPS", "CAA", "NAPTR", "ANY", "DNSKEY", "TYPE65280")

_OPTIONS: Final = (
    "+short", "+json", "+yaml", "+tcp", "+dnssec", "+noedns", "+ignore", "+norecurse", "+multiline", "+noall +answer", "+cd", "+noad",
    "+nocmd", "+nostats", "+nocomments", "+ttlunits", "+identify +short", "+noquestion", "+time=1 +tries=1", "-4", "-u", "+nottlid",
    "-c CH", "+unknownformat", "+nocrypto", "+rrcomments",
)  # fmt: skip


class Compared(NamedTuple):
    """
    @ivar plain: how many were answered by plain sockets.
    @ivar differences: queries with both results.
    """

    plain: int
    differences: list[str]


def randomQueries(random: Random, count: int) -> list[list[str]]:
    """
    Return the words of random queries.
    """
    found = []
    for _ in range(count):
        words = [random.choice(_NAMES), random.choice(_TYPES), *random.sample(_OPTIONS, random.choice((0, 1, 1, 2)))]
        found.append(" ".join(words).split())
    return found


def _run(program: str, queries: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """
    Return for each query the output and the errors, each with the exit code.
    """
    environment = {**os.environ, "HOME": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(queries), capture_output=True, text=True, env=environment, timeout=600
    )
    outputs = [_VARYING.sub("", each) for each in re.split(r"(?<=\0\d)|(?<=\0left)", done.stdout)[:-1]]
    errors = re.split(r"(?<=\0\d)|(?<=\0left)", done.stderr)[:-1]
    assert len(outputs) == len(errors) == len(queries), done.stderr
    return list(zip(outputs, errors, strict=True))


def compareQueries(queries: Sequence[Sequence[str]], port: int) -> Compared:
    """
    Compare queries to a server on loopback.
    """
    there = [[*words, "@127.0.0.1", "-p", str(port)] for words in queries]
    plain = 0
    differences = []
    for words, ours, theirs in zip(queries, _run(_PLAIN, there), _run(_BY_REACTOR, there), strict=True):
        if ours[0].endswith("\0left"):
            # The reactor does it then. Nothing may have been printed.
            if ours != ("\0left", "\0left"):
                differences.append(f"{' '.join(words)}\n{ours}")
            continue
        plain += 1
        if ours != theirs:
            differences.append(f"{' '.join(words)}\n{ours}\n{theirs}")
    return Compared(plain, differences)


def main(words: Sequence[str]) -> int:
    count, seed = int(words[0]), int(words[1]) if len(words) > 1 else 0
    wrong = 0
    for name, started in SERVERS.items():
        with started() as server:
            result = compareQueries(randomQueries(Random(seed), count), server.port)
        wrong += len(result.differences)
        sys.stdout.write("".join([f"{each}\n" for each in result.differences]))
        sys.stdout.write(f"{name}: {count} queries, {result.plain} by plain sockets, {len(result.differences)} differ\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
