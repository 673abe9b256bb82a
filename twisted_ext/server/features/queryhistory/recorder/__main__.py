"""
The process of the recorder: C{python -m twisted_ext.server.features.queryhistory.recorder FOLDER}. Each line of the input has its settings,
as a JSON object; it ends with the input. Lines of the output are JSON objects, or text for the log: an empty object once it listens, one
with C{failed} if it cannot, and figures.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from twisted_ext.server.features.queryhistory.recorder.loop import Recorder

__all__ = ["main"]


def main(words: list[str]) -> int:
    (folder,) = words
    os.umask(0o077)
    # A service manager sends it to all processes at once. The server has more to tell until it ends itself, and this one with it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def report(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    # Not buffered: what follows the first line is for the recorder.
    orders = open(0, "rb", buffering=0, closefd=False)
    try:
        recorder = Recorder(folder, json.loads(orders.readline() or b"{}"), report)
    except OSError as error:
        report(json.dumps({"failed": f"{error.filename or folder}: {error.strerror or error}"}))
        return 1
    report("{}")
    recorder.run(orders)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
