"""
The process that sends spans: C{python -m twisted_ext.server.features.otlp.exporter FOLDER}.
"""

from __future__ import annotations

import sys

from twisted_ext.server.features.otlp.exporter.loop import SpanExporterLoop
from twisted_ext.server.process.recorders.intake import runRecorder

__all__ = ["main"]


def main(words: list[str]) -> int:
    (folder,) = words
    return runRecorder(lambda settings, report: SpanExporterLoop(folder, settings, report), folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
