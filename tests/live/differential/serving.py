"""
Plays the servers of the shared internet that no other program plays, and writes what the others take::

    python -m tests.live.differential.serving FOLDER NAMES small|whole

It prints a line when it serves, and ends with its standard input.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from twisted.internet.interfaces import IReactorTime

from tests.docs.serving import serveUntilInputEnds
from tests.live.differential.world import World

__all__ = ["main"]


def main(folder: Path, names: int, small: bool) -> None:
    """
    Serve until standard input ends.
    """
    world = World(int(time.time()), names, small)
    parts = world.write(folder)
    (folder / "hints").write_text(world.internet.hints)
    (folder / "anchor").write_text(world.internet.anchors)
    (folder / "world.json").write_text(json.dumps({"parts": parts, "cases": world.cases}))

    def start(reactor: IReactorTime) -> str:
        for server in world.own():
            for address in server.addresses:
                server.listen(reactor, 53, address)
        return "serving"

    serveUntilInputEnds(start)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "small")
