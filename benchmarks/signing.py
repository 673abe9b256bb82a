"""
Signs a zone of 200,000 names with this package, interpreted and compiled, and with dnssec-signzone, ldns-signzone and kzonesign: processor
time and memory of each, from a master file to a master file, with a key for the DNSKEY records and one for the rest (ECDSA P-256, NSEC).

    python -m benchmarks.signing [--names N] [--rounds N]

The programs take turns. dnssec-signzone does not verify afterwards (C{-P}), and has one thread; the keys of kzonesign are its own.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.variants import compiledPython
from twisted_ext.dnssec.privatekeys.keyfiles import KeyFile
from twisted_ext.dnssec.privatekeys.keyfolder import saveKey
from twisted_ext.dnssec.privatekeys.keys import newKey
from twisted_ext.wire.names import nameFromText

__all__ = ["main"]

_ZONE: Final = "example.org"

_KNOT: Final = """\
database:
    storage: {folder}
policy:
  - id: p
    algorithm: ecdsap256sha256
    single-type-signing: off
    ksk-lifetime: 0
    zsk-lifetime: 0
template:
  - id: default
    dnssec-policy: p
zone:
  - domain: example.org
    file: {zone}
    dnssec-signing: on
"""


def _written(folder: Path, names: int) -> list[str]:
    """
    Write the zone, and the keys; return the names of the keys.
    """
    dice = random.Random(1)
    lines = ["$ORIGIN example.org.", "$TTL 3600", "@ SOA ns1 host 1 7200 900 1209600 300", "@ NS ns1", "ns1 A 192.0.2.1"]
    lines += [f"h{dice.randrange(10**9)}x{number} A 192.0.2.{number % 250}" for number in range(names)]
    text = "\n".join([*lines, ""])
    (folder / "plain.zone").write_text(text)
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    times = dict.fromkeys(("Created", "Publish", "Activate"), 1)
    found = [Path(saveKey(KeyFile(nameFromText(_ZONE), newKey(13, flags), times, {}, None), str(keys))).name for flags in (257, 256)]
    published = [(keys / f"{name}.key").read_text() for name in found]
    (folder / "keyed.zone").write_text(text + "".join(published))
    (folder / "knot.conf").write_text(_KNOT.format(folder=folder / "knot", zone=folder / "plain.zone"))
    return found


def _commands(folder: Path, keys: Sequence[str]) -> dict[str, list[str]]:
    """
    Return the command line of each program that is there.
    """
    ours = ["-m", "twisted_ext", "zone", "sign", f"{_ZONE}={folder}/plain.zone", "-o", f"{folder}/ours.signed", "--keys", f"{folder}/keys"]
    commands = {
        "this, interpreted": [sys.executable, *ours],
        "dnssec-signzone": ["dnssec-signzone", "-P", "-z", "-x", "-n", "1", "-o", _ZONE, "-f", "../bind.signed", "../keyed.zone", *keys],
        "ldns-signzone": ["ldns-signzone", "-o", _ZONE, "-f", "../ldns.signed", "../plain.zone", *keys],
        "kzonesign": ["kzonesign", "-c", f"{folder}/knot.conf", "-o", f"{folder}/knot/out", _ZONE],
    }
    commands["this, compiled"] = [compiledPython(), *ours]
    return {name: command for name, command in commands.items() if shutil.which(command[0])}


def _run(command: Sequence[str], folder: Path) -> tuple[float, float]:
    """
    Return the processor time of a program in seconds, and the most memory that it had in MB.
    """
    if command[0] == "kzonesign":
        shutil.rmtree(folder / "knot", ignore_errors=True)
        (folder / "knot" / "out").mkdir(parents=True)
    process = subprocess.Popen(command, cwd=folder / "keys", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]}: {said.decode('utf-8', 'replace')}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.signing")
    parser.add_argument("--names", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="txdns-signing-") as name:
        folder = Path(name)
        commands = _commands(folder, _written(folder, given.names))
        measured: dict[str, list[tuple[float, float]]] = {program: [] for program in commands}
        for _ in range(given.rounds):
            for program, command in commands.items():
                measured[program].append(_run(command, folder))
    fastest = min([statistics.median([seconds for seconds, _ in each]) for program, each in measured.items() if "this" not in program])
    print(f"{given.names:,} names, median of {given.rounds} rounds")
    for program, each in measured.items():
        seconds = statistics.median([seconds for seconds, _ in each])
        memory = max([memory for _, memory in each])
        print(f"{program:<20} {seconds:6.1f} s CPU {memory:6.0f} MB   {seconds / fastest:.2f} of the fastest other program")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
