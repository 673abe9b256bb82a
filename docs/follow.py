"""
Follow the documentation to the letter: save each file, type each command, and compare what comes with what the page shows.

    python docs/follow.py [PAGE ...]

It needs the servers of C{txdns demo} (C{make demo}), which run in another terminal, and an environment with this package and the extras
that the pages name. A page is written like C{howto/install}; without one, the README and all pages are followed.
"""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))

from tests.docs.following import DEMO_PORTS, PORTS, Follower, Ports, follow, groupsOf, nameOf
from tests.docs.pages import blocksIn, pagesIn

__all__ = ["main"]


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _taken(port: str) -> bool:
    with socket.socket() as connecting:
        return connecting.connect_ex(("127.0.0.1", int(port))) == 0


def main(words: list[str]) -> int:
    """
    Return 0 if all pages can be followed, and 1 if not.
    """
    names = {nameOf(path): path for path in pagesIn() if blocksIn(path)}
    for word in words:
        if word not in names:
            sys.stderr.write(f"{word} is not a page with examples; the pages are {' '.join(names)}\n")
            return 1
    if not all(map(_taken, DEMO_PORTS)):
        sys.stderr.write(f"no servers at 127.0.0.1, ports {', '.join(DEMO_PORTS)}: start `make demo` (`txdns demo`) in another terminal\n")
        return 1
    if taken := [port for port in PORTS if port not in DEMO_PORTS and _taken(port)]:
        sys.stderr.write(f"127.0.0.1: another program listens at port {', '.join(taken)}, which the pages need: end it\n")
        return 1
    groups = groupsOf([names[word] for word in words] if words else list(names.values()))
    total = sum(map(len, groups))
    wrong = number = 0
    with tempfile.TemporaryDirectory(prefix="txdns-") as parent:

        def new() -> Follower:
            return Follower(Path(tempfile.mkdtemp(dir=parent)), Ports({}))

        for group in groups:
            number += len(group)
            _say(f"[{number}/{total}] {', '.join(map(nameOf, group))}\n")
            began = time.monotonic()
            for page, tally in zip(group, follow(group, new), strict=True):
                lacking = f"; not installed: {', '.join(sorted(tally.missing))}" if tally.missing else ""
                ended = f"{len(tally.differences)} differ" if tally.differences else "as shown"
                _say(f"    {nameOf(page)}: {tally}: {ended}{lacking}\n")
                for difference in tally.differences:
                    _say(f"\n{difference}\n")
                wrong += bool(tally.differences)
            _say(f"    {time.monotonic() - began:.1f} s\n")
    _say(f"{total - wrong} of {total} pages can be followed as they stand\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
