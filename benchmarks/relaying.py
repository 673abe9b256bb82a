"""
The robot as a relay between two networks of ngircd: lines that are lost, doubled or out of order, and how late they are.

    python -m benchmarks.relaying [--seconds S] [--rate LINES]

A client on each network says lines at the given rate, and compares what it hears with what the other one has said.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks.servers import processorTime, residentMegabytes
from tests.live.robot.networks import Client, Ngircd, Running

__all__ = ["main", "objections"]

#: Seconds that the last lines get.
_END: Final = 5.0

_PREFIX: Final = "txbot #dns "


def objections(said: list[str], heard: list[str]) -> list[str]:
    """
    Return what is wrong with the lines that were heard.
    """
    if said == heard:
        return []
    lost, doubled = len(set(said) - set(heard)), len(heard) - len(set(heard))
    return [f"{len(said)} lines, {lost} lost, {doubled} doubled{'' if lost or doubled else ', out of order'}"]


def main(arguments: list[str] | None = None) -> int:
    """
    @return: the exit code: 1 if anything was lost, doubled or out of order.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks.relaying", description=__doc__.splitlines()[1])
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--rate", type=float, default=20.0, help="lines a second on each network")
    wanted = parser.parse_args(arguments)
    with Ngircd("one.example") as one, Ngircd("two.example") as two, tempfile.TemporaryDirectory() as folder:
        people = [Client(one, "alice"), Client(two, "bob")]
        for person in people:
            person.join("#dns")
        networks = [
            {"name": name, "endpoint": f"tcp:127.0.0.1:{server.port}", "channels": ["#dns"], "interval": 0}
            for name, server in (("one", one), ("two", two))
        ]
        with Running.started(Path(folder), networks, {"relay": {"links": ["one/#dns = two/#dns"]}}) as robot:
            for person in people:
                person.awaits("join txbot #dns")
            said: list[list[str]] = [[], []]
            heard: list[list[str]] = [[], []]
            late: list[float] = []
            begun = time.monotonic()
            process = Path(f"/proc/{robot.process.pid}")
            busy = processorTime([(process / "stat").read_text()])
            while (now := time.monotonic()) < begun + wanted.seconds + _END:
                for index, person in enumerate(people):
                    if len(said[index]) < min(now - begun, wanted.seconds) * wanted.rate:
                        said[index].append(f"<{('alice', 'bob')[index]}> {len(said[index])} {now:.6f}")
                        person.says("#dns", said[index][-1].partition(" ")[2])
                    person.turn()
                    for line in person.heard:
                        if line.startswith(_PREFIX):
                            heard[1 - index].append(line.removeprefix(_PREFIX))
                            late.append(time.monotonic() - float(line.rpartition(" ")[2]))
                    person.heard.clear()
            used = processorTime([(process / "stat").read_text()]) - busy
            memory = residentMegabytes([(process / "status").read_text()])
        for person in people:
            person.leave()
    wrong = [fault for sent, came in zip(said, heard, strict=True) for fault in objections(sent, came)]
    late.sort()
    print(
        f"{sum(map(len, said))} lines in {wanted.seconds:g} s: {'; '.join(wrong) or 'none lost, doubled or out of order'}; "
        f"late by {late[len(late) // 2] * 1000:.1f} ms (median), {late[len(late) * 99 // 100] * 1000:.1f} ms (99 %), "
        f"{late[-1] * 1000:.1f} ms (most); the robot: {used / wanted.seconds:.1%} of a core, {memory:.0f} MB"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
