"""
The process of the recorder: C{python -m twisted_ext.server.features.queryhistory.recorder FOLDER}.
"""

from __future__ import annotations

import sys

from twisted_ext.server.features.queryhistory.recorder.loop import Recorder
from twisted_ext.server.process.recorders.intake import runRecorder

__all__ = ["main"]


def main(words: list[str]) -> int:
    (folder,) = words
    return runRecorder(lambda settings, report: Recorder(folder, settings, report), folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
