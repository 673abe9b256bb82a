"""
What is measured inside a process that has one build of the package: print its figures as JSON.

    python -m benchmarks.bounds.child parse|axfr
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable

#: Repetitions in one process, of which the least counts.
_TIMES = 5

_RECORDS = 200_000


def parse() -> dict[str, float]:
    """
    Return microseconds by message and library.
    """
    from benchmarks.parsing import messages, readers

    found: dict[str, float] = {}
    for octets in messages().values():
        count = 500 if len(octets) > 500 else 5000
        key = "referral" if len(octets) > 500 else "small"
        for _ in range(_TIMES):
            for library, read in readers(octets).items():
                if library == "dnspython":
                    continue
                began = time.process_time()
                for _ in range(count):
                    read()
                spent = (time.process_time() - began) / count * 1e6
                found[f"{key} {library}"] = min(found.get(f"{key} {library}", spent), spent)
    return found


def axfr() -> dict[str, float]:
    """
    Return records a second that become an image.
    """
    from benchmarks.transfers import version
    from twisted_ext.wire.names import nameFromText
    from twisted_ext.zone.transfer.ingest import gathered
    from twisted_ext.zone.transfer.sender import Envelope, recordsOf

    apex = nameFromText("bench.example")
    sent = list(Envelope(1, 0, apex + b"\x00\xfc\x00\x01").messages(recordsOf(version(_RECORDS))))
    least = float("inf")
    for _ in range(2):
        gc.collect()
        began = time.process_time()
        gathered(apex, sent).finish()
        least = min(least, time.process_time() - began)
    return {"axfr": _RECORDS / least}


_WORK: dict[str, Callable[[], dict[str, float]]] = {"parse": parse, "axfr": axfr}

if __name__ == "__main__":
    print(json.dumps(_WORK[sys.argv[1]]()))
