"""
Builds an image of a transfer that is stored in a file, in a separate process: C{python -m twisted_ext.zone.transfer.ingestjob APEX SPOOL
IMAGE} prints the result as one line of JSON.
"""

from __future__ import annotations

import gc
import sys
from json import dumps

from twisted_ext.zone.transfer.ingest import gather

__all__ = ["main"]


def main() -> int:
    # The work creates no reference cycles, and looking for them takes as long as the work.
    gc.disable()
    said = gather(sys.argv[1:])
    sys.stdout.write(dumps(said) + "\n")
    return 1 if "fault" in said else 0


if __name__ == "__main__":
    sys.exit(main())
