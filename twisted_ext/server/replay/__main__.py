"""
Compares two settings for a server: C{python -m twisted_ext.server.replay}. It gives way to all others, and takes only so much memory.

The input is JSON: C{folder}, that of the history; C{old} and C{new}, settings; C{since} and C{until}, in seconds since 1970; C{copies} of
lists besides those of the server, as C{[PATH, DIGEST]} by the words of the lists; C{seconds}, how long it may take; C{top}, how many names
of each kind to tell, and C{clients}, how many of each name. The output is what L{Replayed.toJSON
<twisted_ext.server.replay.replay.Replayed.toJSON>} returns, with the lines of complaints in C{said}; or C{{"failed": TEXT}}.
"""

from __future__ import annotations

import json
import resource
import sys
from contextlib import suppress
from typing import Final

from twisted_ext.errors import CallerFault, TimedOut
from twisted_ext.server.config.settings import Settings
from twisted_ext.server.features.order import ORDER
from twisted_ext.server.replay.offline import replayed

__all__ = ["main"]

#: Octets of memory: a million rules that are read anew take most of it.
_OCTETS: Final = 512 * 1024 * 1024


def main() -> None:
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (_OCTETS, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    # Views have settings of features, which are declared by these.
    assert ORDER
    job = json.load(sys.stdin)
    said: list[str] = []
    old, new = Settings.fromJSON(job["old"]), Settings.fromJSON(job["new"])
    copies = {word: (str(path), str(digest)) for word, (path, digest) in job["copies"].items()}
    span = float(job["since"]), float(job["until"])
    try:
        found = replayed(job["folder"], old, new, *span, said.append, more=copies, seconds=float(job["seconds"]))
        done = {**found.toJSON(int(job["top"]), int(job["clients"])), "said": said}
    except (CallerFault, TimedOut) as fault:
        done = {"failed": str(fault)}
    except OSError as error:
        done = {"failed": f"{error.filename or job['folder']}: {error.strerror or error}"}
    except MemoryError:
        done = {"failed": f"it takes more than {_OCTETS >> 20} MB of memory; txdns policy replay has no such bound"}
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main()
