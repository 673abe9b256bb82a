"""
The process that writes dnstap: C{python -m twisted_ext.server.features.dnstap.writer FOLDER}.
"""

from __future__ import annotations

import sys

from twisted_ext.server.features.dnstap.writer.loop import TapWriter
from twisted_ext.server.process.recorders.intake import runRecorder

__all__ = ["main"]


def main(words: list[str]) -> int:
    (folder,) = words
    return runRecorder(lambda settings, report: TapWriter(folder, settings, report), folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
