"""
Builds images from master files, and signed images from these, in a child process: C{python -m twisted_ext.zone.build.compiler}.

Standard input has one job per line, a JSON object; standard output one result for each, as soon as it is done. In jobs, C{now} is the
time at which to check signatures::

    {"pack": "/state/zones/7.pack"}                 where images without a file of their own go; sent first, if there are any; with
                                                    "each": true the result of each of these zones is flushed at once
    {"name": "example.org.", "path": "/zones/example.org", "image": "/state/zones/example.org.image", "now": …}
    {"name": "example.net.", "path": "/zones/example.net"}
    {"name": …, "path": "/state/zones/7.pack", "offset": 8, "sources": […], "image": "/state/signed/9.image", "now": …,
     "sign": {"keys": "/state/signing/example.org.", "policy": {…}, "last": 7, "wasSigned": true, "former": "/state/signed/6.image"}}
                                                    sign the version in an image, with the keys in this folder, as one behind serial 7; if
                                                    it was signed before, no key is made; signatures of the former image are kept where
                                                    that is right. Without "offset" the path is that of an image with a journal.
                                                    "served" is the version that is served: an image, a journal, a serial; its signatures
                                                    are kept, and with "changed": true clients have changed it, and it is signed itself
    {"seal": true}                                  the pack is complete; another one may follow

Results, for a zone that could be built and for one that could not::

    {"name": …, "image": …, "offset": 0, "octets": …, "serial": …, "records": …, "nodes": …, "sources": [[path, octets, mtime], …],
     "complaints": [{"path": …, "line": …, "column": …, "text": …, "fatal": false}, …], "unsaid": 0}
    {"name": …, "sources": […], "complaints": […], "unsaid": 0}

Those of zones that were signed have C{signed}, what the operator has to know of it, and C{made}, C{due} and C{begins} besides, and
with C{served} the C{change} from that: a difference as in a journal, in base64, unless it is large.

C{{"busy": true}} in between means that a large file is being read, or a large zone signed.

C{{"seal": true}} or the end of the input synchronizes the pack, reported as C{{"done": true}}: only then are its images durable. Images
in files of their own are synchronized before their result is written. A write error becomes a complaint, and the next job is read.
"""

from __future__ import annotations

import gc
import sys
from typing import BinaryIO, Final

__all__ = ["main"]

#: Octets of results that are written at once, unless they are flushed.
_WRITTEN: Final = 1 << 16

#: Garbage collector threshold: objects allocated, minus those freed, before it looks for cycles.
_MADE: Final = 100_000


def main(lines: BinaryIO, results: BinaryIO) -> None:
    def live() -> None:
        results.write(b'{"busy":true}\n')
        results.flush()

    # Report at once that the process has started.
    live()
    from twisted_ext.zone.build.jobs import CompileJobs

    CompileJobs(live).run(lines, results)


if __name__ == "__main__":
    gc.freeze()
    gc.set_threshold(_MADE)
    # Where PYTHONUNBUFFERED is set, as in many containers, sys.stdout would write each result by itself.
    with open(sys.stdout.fileno(), "wb", _WRITTEN, closefd=False) as output:
        main(sys.stdin.buffer, output)
