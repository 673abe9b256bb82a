"""
Compare the output of a command with what a page shows.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["agrees", "normalized"]

_Replacements = tuple[tuple[re.Pattern[str], str], ...]

#: Parts that differ from run to run, and their replacements.
_VARYING: Final[_Replacements] = (
    # A server may seem silent on a busy machine, and is asked again.
    (re.compile(r"^[ │├└─]+\d+\.\d ms +(forward +)?(timed out|sent .*attempt[ =]([2-9]|\d\d))\b.*\n", re.MULTILINE), ""),
    (re.compile(r"\b\d+ queries sent"), "1 query sent"),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x7f0000000000"),
    (re.compile(r" +\d+\.\d ms"), " 0.0 ms"),
    (re.compile(r"(age|left|wait|seconds)=\d+\.\d+"), r"\1=0.0"),
    (re.compile(r"\d+ s left"), "299 s left"),
    (re.compile(r";; WHEN: .*"), ";; WHEN: now"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"), "2026-11-20T15:00:00+00:00"),
    (re.compile(r"id: \d+"), "id: 1"),
    (re.compile(r"Query time: \d+ msec"), "Query time: 0 msec"),
    (re.compile(r"^(Ran \d+ tests in) .*s$", re.MULTILINE), r"\1 0.0s"),
    # A server's cache may have had the answer for some seconds.
    (re.compile(r"(?<=[. \t])29\d(?=\s+IN\s)"), "300"),
    # The status of a running server.
    (re.compile(r"process +\d+"), "process 4711"),
    (re.compile(r"up (\d+ (d|h|min|s) ?)+"), "up 2 s "),
    (re.compile(r"txdns \d[^ ,]*(, (not )?compiled)?"), "txdns 0.0"),
    (re.compile(r"queries: [\d.]+ per second"), "queries: 0 per second"),
    # The history of queries.
    (re.compile(r"^( *\d+\.\d+  )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.MULTILINE), r"\g<1>2026-11-27 01:00:00"),
    # Zones that go from server to server.
    (re.compile(r"\b(at|confirmed at|expires at|asked again at) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), r"\1 A TIME"),
    (re.compile(r"^( +from) (/\S+/)?(?=example)", re.MULTILINE), r"\1 /"),
    (re.compile(r"^( +image) \S+\.image", re.MULTILINE), r"\1 /"),
    # Keys of signed zones.
    (re.compile(r"(\+\d{3}\+)\d{5}"), r"\g<1>00000"),
    (re.compile(r"IN DS \d+ (\d+) 2 [0-9A-F]{64}"), r"IN DS 0 \1 2 00"),
    (re.compile(r"^(\S+\. )\d{1,5} (?=[A-Z0-9]+ flags)", re.MULTILINE), r"\g<1>0 "),
    (re.compile(r"until \d{4}-\d\d-\d\d \d\d:\d\d UTC$", re.MULTILINE), "until then"),
    (re.compile(r"in \d+\.\d s; they end .*|made \d{4}-\d\d-\d\d"), "then"),
    # Keys, dates and speeds of encrypted servers.
    (re.compile(r"[A-Za-z0-9+/]{43}="), "PIN"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC \(\d+ days left\)"), "THE END"),
    (re.compile(r"^  (\S+) +[\d.]+ +[\d.]+ +([\d.]+ +)?#+$", re.MULTILINE), r"  \1 BAR"),
)

#: Those of a page about figures of a running server.
_FIGURES: Final[_Replacements] = (
    (re.compile(r"-?\d+ s left"), "60 s left"),
    (re.compile(r" +\d+(\.\d+)? (ms|KB|MB|s)\b"), " 1 ms"),
    (re.compile(r"\d+(\.\d+)? queries per second"), "0 queries per second"),
    (re.compile(r" +up to 1 ms.*\n|slowest recently:?(\n +[\d,]+ ms .*)*"), ""),
    (re.compile(r"(path|left|age)=\S+"), r"\1=0"),
    (re.compile(r"^.* up to .*\n?", re.MULTILINE), ""),
    (re.compile(r"(waited|memory) \d.*"), r"\1"),
)


def normalized(text: str, figures: bool = False) -> str:
    """
    Return the text without parts that differ from run to run.

    @param figures: whether it has times, sizes and rates of a running server.
    """
    for pattern, replacement in (*_VARYING, *(_FIGURES if figures else ())):
        text = pattern.sub(replacement, text)
    # The width of columns depends on the numbers of ports.
    lines = [" ".join(line.split()) for line in text.strip().splitlines()]
    return "\n".join([line for line in lines if line or not figures])


#: Counts in the output of a page about figures, and their shares and bars.
_COUNT: Final = re.compile(r"(?<![\w.:-])\d+(?![\w.:])")
_SHARE: Final = re.compile(r"\d+\.\d%|#+|(?<=cache hits )(-|\d+%)")

#: How often a client may have sent its queries again, on a machine that is too busy to answer in time, or have changed to TCP.
_REPEATED: Final = 4


def agrees(came: str, wanted: str, figures: bool = False) -> bool:
    """
    Return whether the output of a command is what a page shows.

    @param figures: whether it has figures of a running server, whose counts may include queries that were repeated.
    """
    came, wanted = normalized(came, figures), normalized(wanted, figures)
    if came == wanted or not figures:
        return came == wanted
    came, wanted = _SHARE.sub("", came), _SHARE.sub("", wanted)
    if _COUNT.sub("N", came).split() != _COUNT.sub("N", wanted).split():
        return False
    pairs = zip(map(int, _COUNT.findall(came)), map(int, _COUNT.findall(wanted)), strict=True)
    return all(0 <= count - shown <= _REPEATED for count, shown in pairs)
